"""One peer's ordered stream of ASDUs: waiting for the window, then for acknowledgement.

An outbox outlives a link: on the next connection of the same peer it is rewound, and what was never
acknowledged goes out first, in order (60870-5-104, 10: redundant connections).
"""

from collections import deque
from collections.abc import Iterable, Iterator
from enum import Enum, auto
from typing import Final, TypeAlias

from core.protocol.run import Address, Run


class Level(Enum):
    """How far behind a peer is."""

    OK = auto()
    HALF = auto()
    FULL = auto()
    """Nothing more was taken: the stream would have a gap."""


_NEAR: Final = 1000
"""ASDUs that wait ready to be taken; the rest of a long queue is kept smaller."""
_AT_A_TIME: Final = 256

Item: TypeAlias = tuple[Run, int, int, Address, float]
"""A run, the first frame and the number of frames of it that are meant, the address toward the
peer, and when they were sent (monotonic seconds). A plain tuple: one is made per run and peer."""


class Outbox:
    """Bounded to ``capacity`` waiting ASDUs; those in the window are bounded by k, not here.

    Hundreds of peers may lag tens of thousands of runs behind at once. So of a long queue only the
    beginning is made of items; in the rest a run costs one reference, and an address stands between
    the runs only where it changes.
    """

    __slots__ = (
        *("_far", "_far_address", "_half", "_last", "_limit", "_near", "_unacknowledged"),
        *("_waiting", "capacity", "waiting"),
    )

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.waiting = 0
        """ASDUs the window has not taken."""
        self._half = capacity // 2
        self._limit = capacity  # and what waits beyond it
        self._near = min(self._half, _NEAR)  # -1 while anything is in the far part
        self._waiting: deque[Item] = deque()
        # Most peers never lag far: an empty deque for each would be most of what they cost.
        self._far: deque[Run | Address] | None = None  # an address is of the runs behind it
        self._far_address: Address = -1  # of the first run in it
        self._last: Address = -1  # and of the last one
        # A list, because it is as short as the window.
        self._unacknowledged: list[Item] = []

    def put(self, run: Run, address: Address, beyond: bool = False) -> Level:
        """Append a run. FULL means it was not taken, because the peer is ``capacity`` behind.

        ``beyond``: it is taken whatever waits and does not count while it waits, for what lay
        ready before the peer was there. Nothing that counts may wait before it.
        """
        n = len(run.sizes)
        waiting = self.waiting + n
        if beyond:
            self._limit += n
        if waiting > self._near:
            return self._put_far(run, address, waiting, beyond)
        self._waiting.append((run, 0, n, address, 0.0))
        self.waiting = waiting
        return Level.OK

    def _put_far(self, run: Run, address: Address, waiting: int, beyond: bool) -> Level:
        if waiting > self._limit and not beyond:
            return Level.FULL
        if self._far is None:
            self._far = deque()
        if address != self._last:
            self._last = address
            self._far.append(address)
        self._far.append(run)
        self._near = -1
        self.waiting = waiting
        counted = waiting - (self._limit - self.capacity)
        return Level.OK if counted <= self._half else Level.HALF

    def take(self, room: int, now: float) -> Item:
        """Move at most ``room`` frames (>= 1) of the oldest waiting run to the unacknowledged.

        Raises IndexError when nothing waits.
        """
        try:
            run, start, n, address, _ = self._waiting.popleft()
        except IndexError:
            self._bring_near()
            run, start, n, address, _ = self._waiting.popleft()
        if n > room:
            self._waiting.appendleft((run, start + room, n - room, address, 0.0))
            n = room
        item = run, start, n, address, now
        self._unacknowledged.append(item)
        self.waiting -= n
        if self._limit > self.capacity:
            self._limit = max(self.capacity, self._limit - n)
        return item

    def _bring_near(self) -> None:
        """Make items of the beginning of the far part, if there is any."""
        far = self._far
        if far is None:
            return
        for _ in range(min(_AT_A_TIME, len(far))):
            one = far.popleft()
            if isinstance(one, Run):
                self._waiting.append((one, 0, len(one.sizes), self._far_address, 0.0))
            else:
                self._far_address = one
        if not far:
            self._no_far()

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
        runs = list(_runs((), self._waiting, self._far or ()))
        self._forget_waiting()
        return runs

    def clear(self) -> int:
        """Forget everything; how many ASDUs that were."""
        n = self.waiting + self._in_window()
        self._forget_waiting()
        self._unacknowledged = []
        return n

    def undelivered(self) -> Iterator[Run]:
        """What the peer has not acknowledged, oldest first.

        Told only as far as it is asked for, also after :meth:`clear`: of a peer far behind, that is
        much, and mostly nobody wants it.
        """
        return _runs(self._unacknowledged, self._waiting, self._far or ())

    @property
    def oldest_sent_at(self) -> float | None:
        """When the oldest unacknowledged frame was sent (monotonic seconds); t1 runs from here."""
        return self._unacknowledged[0][4] if self._unacknowledged else None

    def _forget_waiting(self) -> None:
        self._waiting = deque()
        self._no_far()
        self.waiting = 0
        self._limit = self.capacity

    def _no_far(self) -> None:
        self._far = None
        self._last = -1
        self._near = min(self._half, _NEAR)

    def _in_window(self) -> int:
        return sum(n for _, _, n, *_ in self._unacknowledged)


def _runs(
    sent: Iterable[Item], near: Iterable[Item], far: Iterable[Run | Address]
) -> Iterator[Run]:
    for items in (sent, near):
        for run, start, n, *_ in items:
            yield run.part(start, start + n)
    for one in far:
        if isinstance(one, Run):
            yield one
