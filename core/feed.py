"""The queue a front end polls: changes of state coalesced per entry, messages in bounded order."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.status import ClockStatus, EntryStatus

_MESSAGES_KEPT: Final = 5_000


@dataclass(frozen=True, slots=True)
class Drained:
    """What one poll got."""

    statuses: Sequence[EntryStatus]
    """The newest status of entries that changed, oldest change first."""
    messages: Sequence[str]
    """Program messages, one line each."""
    skipped: int
    """Messages lost because nobody polled for too long."""
    clock: ClockStatus | None = None
    """The newest state of the clock, if there is another one since the last poll."""


class Feed:
    """Filled by any thread, polled by one; a slow front end never makes it grow."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._statuses: dict[str, EntryStatus] = {}
        self._messages: deque[str] = deque()
        self._skipped = 0
        self._clock: ClockStatus | None = None

    def put_status(self, status: EntryStatus) -> None:
        """An entry changed; an older status nobody has seen is replaced."""
        with self._lock:
            self._statuses.pop(status.key, None)
            self._statuses[status.key] = status

    def put_clock(self, status: ClockStatus) -> None:
        """The clock was looked at; an older status nobody has seen is replaced."""
        with self._lock:
            self._clock = status

    def message(self, text: str) -> None:
        """Something the person in front of the program should read."""
        with self._lock:
            if len(self._messages) >= _MESSAGES_KEPT:
                self._messages.popleft()
                self._skipped += 1
            self._messages.append(text)

    def drain(self, limit: int = 1_000) -> Drained:
        """Take at most ``limit`` statuses and as many messages; the rest waits."""
        with self._lock:
            keys = list(self._statuses)[:limit]
            statuses = [self._statuses.pop(key) for key in keys]
            messages = [self._messages.popleft() for _ in range(min(limit, len(self._messages)))]
            skipped, self._skipped = self._skipped, 0
            clock, self._clock = self._clock, None
        return Drained(statuses, messages, skipped, clock)
