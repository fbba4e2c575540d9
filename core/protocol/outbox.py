"""One peer's ordered stream of ASDUs: waiting for the window, then for acknowledgement.

An outbox outlives a link: on the next connection of the same peer it is rewound, and what was never
acknowledged goes out first, in order (60870-5-104, 10: redundant connections).
"""

from collections import deque
from collections.abc import Iterator
from enum import Enum, auto
from typing import TypeAlias

from core.protocol.run import Address, Run


class Level(Enum):
    """How far behind a peer is."""

    OK = auto()
    HALF = auto()
    FULL = auto()
    """Nothing more was taken: the stream would have a gap."""


Item: TypeAlias = tuple[Run, int, int, Address, float]
"""A run, the first frame and the number of frames of it that are meant, the address toward the
peer, and when they were sent (monotonic seconds). A plain tuple: one is made per run and peer."""


class Outbox:
    """Bounded to ``capacity`` waiting ASDUs; those in the window are bounded by k, not here."""

    __slots__ = ("_half", "_unacknowledged", "_waiting", "capacity", "waiting")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.waiting = 0
        """ASDUs the window has not taken."""
        self._half = capacity // 2
        self._waiting: deque[Item] = deque()
        # A list: it holds a window's worth, and an empty one costs a tenth of an empty deque.
        self._unacknowledged: list[Item] = []

    def put(self, run: Run, address: Address) -> Level:
        """Append a run. FULL means it was not taken, because the peer is ``capacity`` behind."""
        n = len(run.sizes)
        waiting = self.waiting + n
        if waiting > self.capacity:
            return Level.FULL
        self._waiting.append((run, 0, n, address, 0.0))
        self.waiting = waiting
        return Level.OK if waiting <= self._half else Level.HALF

    def take(self, room: int, now: float) -> Item:
        """Move at most ``room`` frames (>= 1) of the oldest waiting run to the unacknowledged.

        Raises IndexError when nothing waits.
        """
        run, start, n, address, _ = self._waiting.popleft()
        if n > room:
            self._waiting.appendleft((run, start + room, n - room, address, 0.0))
            n = room
        item = run, start, n, address, now
        self._unacknowledged.append(item)
        self.waiting -= n
        return item

    def acknowledge(self, n: int) -> None:
        """The peer has the oldest ``n`` of the sent frames."""
        sent = self._unacknowledged
        if sent and sent[0][2] == n:  # nearly always
            del sent[0]
            return
        whole = 0
        while n:
            run, start, held, address, sent_at = sent[whole]
            if held > n:
                sent[whole] = run, start + n, held - n, address, sent_at
                break
            n -= held
            whole += 1
        del sent[:whole]

    def rewind(self) -> None:
        """Put what was sent but never acknowledged in front of what waits, in order."""
        self.waiting += self._in_window()
        self._waiting.extendleft(reversed(self._unacknowledged))
        self._unacknowledged.clear()

    def withdraw(self) -> list[Run]:
        """Take back what was never sent, oldest first."""
        runs = [run.part(start, start + n) for run, start, n, *_ in self._waiting]
        self._waiting.clear()
        self.waiting = 0
        return runs

    def clear(self) -> int:
        """Forget everything; how many ASDUs that were."""
        n = self.waiting + self._in_window()
        self._waiting.clear()
        self._unacknowledged.clear()
        self.waiting = 0
        return n

    def undelivered(self) -> Iterator[Run]:
        """What the peer has not acknowledged, oldest first."""
        for run, start, n, *_ in (*self._unacknowledged, *self._waiting):
            yield run.part(start, start + n)

    @property
    def oldest_sent_at(self) -> float | None:
        """When the oldest unacknowledged frame was sent (monotonic seconds); t1 runs from here."""
        return self._unacknowledged[0][4] if self._unacknowledged else None

    def _in_window(self) -> int:
        return sum(n for _, _, n, *_ in self._unacknowledged)
