"""A seat of the group as its shell sees it: one stream of data, and the connections that may have
it (60870-5-104, 10: of several connections of one master, one is started).
"""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.connections.stream import Stream
from core.protocol.outbox import Outbox
from core.protocol.run import Run
from core.routing.policy import Seat

if TYPE_CHECKING:
    from core.gateway.master import MasterEnd


class Place:
    """One seat, its stream of data, and who is connected.

    It changes nothing at the group: the hub does, which is told what there is to tell.
    """

    __slots__ = (
        "counters", "end", "handover", "host", "is_started", "is_touched", "outbox", "peer",
        "reserve", "seat", "stream",
    )  # fmt: skip

    def __init__(self, end: "MasterEnd", seat: Seat, buffer: int) -> None:
        self.end = end
        self.seat = seat
        self.counters = end.counters
        self.outbox = Outbox(buffer)
        self.stream: Stream | None = None
        """The connection that counts: it has the outbox. None also while the outbox waits for
        another one to start."""
        self.reserve: list[Stream] = []
        """Further connections, stopped, the oldest first."""
        self.is_started = False
        """What the group was told last: data for this seat is delivered."""
        self.is_touched = False
        self.handover: asyncio.TimerHandle | None = None
        """While the started connection is gone or stopped and another one may yet take over."""
        self.peer = self.host = ""
        """Of the connection that counts, or counted last."""

    @property
    def connections(self) -> Iterator[Stream]:
        """Those in reserve, and last the one that counts."""
        yield from self.reserve
        if self.stream is not None:
            yield self.stream

    @property
    def is_empty(self) -> bool:
        """Whether nobody is connected."""
        return self.stream is None and not self.reserve

    def come(self, stream: Stream) -> None:
        """A connection is new here: it counts if no other does."""
        if self.stream is None and self.handover is None:
            self._count_on(stream)
        else:
            self.reserve.append(stream)

    def go(self, stream: Stream) -> None:
        """A connection is over. If it counted, its outbox is left to the caller's judgement."""
        if stream is self.stream:
            self.stream = None
        else:
            self.reserve.remove(stream)

    def take_over(self, stream: Stream) -> int:
        """Give the stream of data to a connection in reserve.

        What the one that counted has sent and its peer has not acknowledged goes out first; how
        many ASDUs that are.
        """
        self.end_handover()
        before = self.outbox.waiting
        self._replace_by(stream)
        return self.outbox.waiting - before

    def prefer(self, stream: Stream) -> int:
        """Let a connection in reserve count, with an empty outbox; how many ASDUs were in it."""
        self._replace_by(stream)
        return self.outbox.clear()

    def call_reserve(self) -> None:
        """Nobody counts any more: let the oldest connection in reserve."""
        if self.stream is None and self.reserve:
            self._count_on(self.reserve.pop(0))

    def end_handover(self) -> None:
        """Nothing is waited for any more."""
        if self.handover is not None:
            self.handover.cancel()
            self.handover = None

    def clear(self) -> tuple[Iterator[Run], int]:
        """Empty the outbox: what no peer has acknowledged, and how many ASDUs."""
        undelivered = self.outbox.undelivered()
        return undelivered, self.outbox.clear()

    def _replace_by(self, stream: Stream) -> None:
        old = self.stream
        if old is not None:
            old.link.stand_down()
            self.reserve.append(old)
        self.outbox.rewind()
        self.reserve.remove(stream)
        self._count_on(stream)

    def _count_on(self, stream: Stream) -> None:
        self.stream = stream
        stream.link.outbox = self.outbox
        self.peer, self.host = stream.peer, stream.host
