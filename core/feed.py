"""The queue a front end polls: changes of state coalesced per entry, the rest in bounded order.

Log lines and frames come only of what is watched (`Gateway.watch`).
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, TypeAlias, TypeVar

from core.status import ClockStatus, EntryStatus

_T = TypeVar("_T")

_MESSAGES_KEPT: Final = 5_000
_LOGS_KEPT: Final = 5_000
FRAMES_KEPT: Final = 5_000
"""Frames of each watched group that wait for the front end."""


@dataclass(frozen=True, slots=True)
class LogOf:
    """To watch: the log of an entry."""

    entry: str
    """Key of an entry, or `PROGRAM_LOG` or `SECURITY_LOG` of :mod:`core.logs`."""


@dataclass(frozen=True, slots=True)
class TrafficOf:
    """To watch: every frame on the wire of a group."""

    group: int


Topic: TypeAlias = LogOf | TrafficOf


@dataclass(frozen=True, slots=True)
class LogTail:
    """The end of a log as it stands: shown lines of this log are to be replaced by these."""

    entry: str
    lines: tuple[str, ...]
    file_name: str
    size_octets: int


class LogLine(Protocol):
    """One further line of a watched log, as `core.logs.LogLine` is; its `str` is as in the file."""

    @property
    def entry(self) -> str:
        """Whose log."""
        ...

    @property
    def time(self) -> datetime:
        """Aware local wall time."""
        ...

    @property
    def level(self) -> int:
        """0 traffic, 1 information, 2 warning, 3 error."""
        ...

    @property
    def text(self) -> str:
        """What it says, without the time."""
        ...


@dataclass(frozen=True, slots=True)
class Sent:
    """One APDU as it was sent on to an entry."""

    entry: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """One APDU on the wire of a watched group.

    A received I-frame may be sent on later than it came (a window was full, an interrogation waits
    for its turn): then a frame with the same number comes again and **replaces** the first. Nothing
    is paired by guess: an I-frame sent of which no received one is known for sure is a frame of its
    own, with ``is_received`` False.
    """

    group: int
    number: int
    """Counts up per group, in the order of the wire as the gateway saw it."""
    at: datetime
    """Aware local wall time."""
    entry: str
    """Key of the entry on whose connection it was."""
    is_received: bool
    """False: sent by the gateway itself (U, S, M_EI, refusals); also what it forwards of which the
    received frame is not known for sure, as that came before the watch began."""
    octets: bytes
    """As received, or as sent when not received."""
    sent: tuple[Sent, ...] = ()
    """Where a received I-frame went on, in the order it did, with the octets as they were sent: own
    numbers and addresses, perhaps another cause. Empty: nowhere (yet). An entry stands here twice
    if it was sent to two connections of it. Of several masters' interrogations that were served by
    one, at most one frame has it: that of the master it was sent for."""


@dataclass(frozen=True, slots=True)
class Drained:
    """What one poll got."""

    statuses: Sequence[EntryStatus]
    """The newest status of entries that changed, oldest change first."""
    messages: Sequence[str]
    """Program messages, one line each."""
    skipped: int
    """Messages lost because nobody polled for too long."""
    logs: Sequence[LogTail | LogLine] = ()
    """Of the watched logs: for each watch the tail, then every line after it, once."""
    frames: Sequence[Frame] = ()
    """Of the watched groups; one with a number that came before replaces that one."""
    skipped_logs: int = 0
    """Log lines lost likewise."""
    skipped_frames: int = 0
    """Frames lost likewise."""
    clock: ClockStatus | None = None
    """The newest state of the clock, if there is another one since the last poll."""


class _Ring:
    """The newest frames of one group that nobody has seen, by number."""

    def __init__(self, limit: int) -> None:
        self.frames: OrderedDict[int, Frame] = OrderedDict()
        self._limit = limit
        self._dropped = -1  # the highest number that had to go

    def put(self, frame: Frame) -> int:
        """Append it, or replace the one it is newer than; how many had to go."""
        number = frame.number
        if number in self.frames:
            self.frames[number] = frame
        elif number > self._dropped:
            self.frames[number] = frame
            if len(self.frames) > self._limit:
                self._dropped = max(self._dropped, self.frames.popitem(last=False)[0])
                return 1
        return 0

    def take(self, limit: int) -> list[Frame]:
        """At most so many, the oldest first."""
        n = min(limit, len(self.frames))
        return [self.frames.popitem(last=False)[1] for _ in range(n)]


class Feed:
    """Filled by any thread, polled by one; a slow front end never makes it grow."""

    def __init__(self, frames_kept: int = FRAMES_KEPT) -> None:
        self._lock = threading.Lock()
        self._frames_kept = frames_kept
        self._logs: deque[LogTail | LogLine] = deque()
        self._skipped_logs = 0
        self._rings: dict[int, _Ring] = {}
        self._skipped_frames = 0
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

    def put_log(self, item: LogTail | LogLine) -> None:
        """The tail of a watched log, or a further line of it."""
        with self._lock:
            if len(self._logs) >= _LOGS_KEPT:
                self._drop_log_line()
            self._logs.append(item)

    def put_frames(self, frames: Iterable[Frame]) -> None:
        """Frames of watched groups; one that waits under the same number is replaced."""
        with self._lock:
            for frame in frames:
                ring = self._rings.get(frame.group)
                if ring is None:
                    ring = self._rings[frame.group] = _Ring(self._frames_kept)
                self._skipped_frames += ring.put(frame)

    def forget(self, topic: Topic) -> None:
        """A watch has ended: what waits of it is not wanted any more."""
        with self._lock:
            match topic:
                case LogOf(entry):
                    self._logs = deque(item for item in self._logs if item.entry != entry)
                case TrafficOf(group):
                    self._rings.pop(group, None)

    def drain(self, limit: int = 1_000, log_limit: int = 500, frame_limit: int = 200) -> Drained:
        """Take at most ``limit`` statuses and as many messages, ``log_limit`` tails and lines of
        logs, ``frame_limit`` frames; the rest waits."""
        with self._lock:
            keys = list(self._statuses)[:limit]
            statuses = [self._statuses.pop(key) for key in keys]
            messages = _taken(self._messages, limit)
            skipped, self._skipped = self._skipped, 0
            logs = _taken(self._logs, log_limit)
            skipped_logs, self._skipped_logs = self._skipped_logs, 0
            frames: list[Frame] = []
            for n, ring in enumerate(self._rings.values()):
                # Each group its share; what one leaves is for those after it.
                frames += ring.take((frame_limit - len(frames)) // (len(self._rings) - n))
            skipped_frames, self._skipped_frames = self._skipped_frames, 0
            clock, self._clock = self._clock, None
        return Drained(
            statuses, messages, skipped, logs, frames, skipped_logs, skipped_frames, clock
        )

    def _drop_log_line(self) -> None:
        """The oldest line goes; a tail only if there is nothing else, for it begins its log."""
        oldest = (n for n, item in enumerate(self._logs) if not isinstance(item, LogTail))
        del self._logs[next(oldest, 0)]
        self._skipped_logs += 1


def _taken(items: deque[_T], limit: int) -> list[_T]:
    return [items.popleft() for _ in range(min(limit, len(items)))]
