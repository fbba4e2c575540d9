"""Keeps a flood of the same event to one line and a count."""

import threading
from dataclasses import dataclass
from typing import NamedTuple

PERIOD = 60.0
"""Seconds during which the same event is counted instead of written."""

MAX_EVENTS = 1000
"""Events told apart by peer; with more, further peers share one count for each log and kind."""


class Event(NamedTuple):
    """What counts as the same event."""

    log: str
    """The entry key of the log it is written into."""
    kind: str
    peer: str


@dataclass(slots=True)
class _Window:
    since: float
    more: int = 0


class Repeats:
    """Lets the first of equal events pass and counts the others. Callable from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: dict[Event, _Window] = {}

    def is_first(self, event: Event, now: float) -> bool:
        """True for an event to be written; any other is in a later `counted`."""
        with self._lock:
            window = self._windows.get(event)
            if window is None and len(self._windows) >= MAX_EVENTS:
                event = event._replace(peer="other peers")
                window = self._windows.get(event)
            if window is None:
                self._windows[event] = _Window(now)
                return True
            window.more += 1
            return False

    def counted(self, now: float, *, all_of_them: bool = False) -> list[tuple[Event, str]]:
        """What was kept back in each period that is over, said as `.. 312 more in the last 60 s`.

        An event that goes on is counted for another period; one that has ceased is forgotten.
        """
        said = []
        with self._lock:
            for event, window in list(self._windows.items()):
                if not all_of_them and now - window.since < PERIOD:
                    continue
                if window.more:
                    seconds = max(1, round(now - window.since))
                    said.append((event, f".. {window.more} more in the last {seconds} s"))
                    self._windows[event] = _Window(now)
                else:
                    del self._windows[event]
        return said
