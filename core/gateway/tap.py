"""What is seen of a watched group: every frame on its wire, and where a received one went on.

Nobody guesses which frame sent is which frame received: while a group is watched the runs of its
streams are :class:`Traced`, which know the frames they were made of, through the group, the outbox
and :meth:`Run.stamped`. A group nobody watches has no tap, and its runs are plain.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Final, Self

from core.connections.stream import Tap
from core.feed import Feed, Frame, Sent
from core.protocol.apci import MAX_LENGTH
from core.protocol.link import Event, Link
from core.protocol.run import APCI_OCTETS, MODULO, Address, Run
from core.routing.actions import Action, Deliver
from core.routing.group import Group

_log = logging.getLogger("iec104.gateway")

_START: Final = 0x68


class Row:
    """A frame whose ways on are still being found."""

    __slots__ = ("at", "entry", "is_due", "is_received", "number", "octets", "sent")

    def __init__(
        self, number: int, at: datetime, entry: str, is_received: bool, octets: bytes
    ) -> None:
        self.number = number
        self.at = at
        self.entry = entry
        self.is_received = is_received
        self.octets = octets
        self.sent: list[Sent] = []
        self.is_due = True
        """Whether it is on its way to the feed."""


class Traced(Run):
    """A run whose frames are rows of a tap, and which tells that tap when they are sent."""

    __slots__ = ("_rows", "_tap")

    _rows: Sequence[Row]
    _tap: "GroupTap"

    @classmethod
    def from_run(cls, run: Run, tap: "GroupTap", rows: Sequence[Row]) -> Self:
        """The same run; ``rows`` has one for each frame."""
        traced = cls(run.octets, run.sizes)
        traced._tap, traced._rows = tap, rows
        return traced

    def part(self, start: int, stop: int) -> Self:
        part = super().part(start, stop)
        if part is not self:
            part._tap, part._rows = self._tap, self._rows[start:stop]
        return part

    def stamped(self, start: int, n: int, vs: int, vr: int, address: Address) -> bytes:
        self._tap.stamped(vs, self._rows[start : start + n])
        return super().stamped(start, n, vs, vr, address)

    def in_other_form(self, run: Run) -> Run:
        """What the group made of this one frame to send it with another cause, traced as well."""
        if len(self) == len(run) == 1:
            mine, its = self.octets, run.octets
            if mine[6:8] == its[6:8] and mine[12:] == its[12:]:
                return type(self).from_run(run, self._tap, self._rows)
        return run


def traced_actions(group: Group, run: Run, now: float) -> Sequence[Action]:
    """As ``group.from_rtu``; what of it is sent in another form still knows where it came from."""
    if not isinstance(run, Traced) or group.policy.gi_data != "background":
        return group.from_rtu(run, now)
    actions: list[Action] = []
    for index in range(len(run)):  # one by one: then all that is delivered is of this frame
        frame = run.part(index, index + 1)
        for action in group.from_rtu(frame, now):
            if isinstance(action, Deliver) and not isinstance(action.run, Traced):
                action = Deliver(frame.in_other_form(action.run), action.to)
            actions.append(action)
    return actions


class GroupTap:
    """One watch of one group; I/O thread only.

    ``number`` is that of the next frame. ``soon`` runs a function after what is going on:
    what was seen in one wake-up goes to the feed together, once it is known where it went.
    """

    def __init__(
        self,
        group: int,
        feed: Feed,
        now: Callable[[], datetime],
        soon: Callable[[Callable[[], None]], object],
        number: int,
    ) -> None:
        self.is_on = True
        self.number = number
        self._group = group
        self._feed = feed
        self._now = now
        self._soon = soon
        self._due: list[Row] = []
        self._at: datetime | None = None  # of this wake-up
        self._is_sending = False
        self._sending: dict[int, Row] = {}  # by N(S), of the write that is going on

    def of_entry(self, entry: str) -> Tap:
        """The tap for the streams of an entry."""
        return _EntryTap(self, entry)

    def end(self) -> None:
        """See no more."""
        self.is_on = self._is_sending = False
        self._due.clear()

    def failed(self) -> None:
        """The view failed, the group goes on."""
        _log.exception("group %d: its traffic cannot be shown any more", self._group)
        self.end()

    def received(self, entry: str, octets: bytes, events: Sequence[Event]) -> Sequence[Event]:
        """Frames from a peer and what the link made of them: its runs, traced."""
        rows = [self._row(entry, True, frame) for frame in _apdus(octets)]
        # The link takes I-frames in order, up to one that ends it.
        taken = iter([row for row in rows if not row.octets[2] & 1])
        return [
            Traced.from_run(event, self, tuple(islice(taken, len(event))))
            if isinstance(event, Run)
            else event
            for event in events
        ]

    def begin_sending(self) -> None:
        """A link is asked for its data."""
        self._sending.clear()
        self._is_sending = True

    def stamped(self, vs: int, rows: Sequence[Row]) -> None:
        """These go out from number ``vs`` on, over the link that is sending."""
        if self._is_sending:
            for n, row in enumerate(rows):
                self._sending[(vs + n) % MODULO] = row

    def sent(self, entry: str, octets: bytes) -> None:
        """Frames to a peer, the received ones among them stamped before."""
        self._is_sending = False
        for frame in _apdus(octets):
            row = None
            if not frame[2] & 1:
                row = self._sending.get((frame[2] | frame[3] << 8) >> 1)
            if row is None:
                self._row(entry, False, frame)
            else:
                row.sent.append(Sent(entry, frame))
                if not row.is_due:
                    row.is_due = True
                    self._append(row)

    def _row(self, entry: str, is_received: bool, frame: bytes) -> Row:
        if self._at is None:
            self._at = self._now()
        row = Row(self.number, self._at, entry, is_received, frame)
        self.number += 1
        self._append(row)
        return row

    def _append(self, row: Row) -> None:
        if not self._due:
            self._soon(self.hand_over)
        self._due.append(row)

    def hand_over(self) -> None:
        """Give the feed what was seen since the last time."""
        rows, self._due, self._at = self._due, [], None
        frames = []
        for row in rows:
            row.is_due = False
            sent = tuple(row.sent)
            frames.append(
                Frame(self._group, row.number, row.at, row.entry, row.is_received, row.octets, sent)
            )
        self._feed.put_frames(frames)


class _EntryTap:
    """Stands between a link of one entry and its stream. An error in it ends the view alone."""

    def __init__(self, group: GroupTap, entry: str) -> None:
        self._group = group
        self._entry = entry

    def receive(self, link: Link, data: bytes, now: float) -> Sequence[Event]:
        before = link.fragment  # the link alone knows where the first frame of this read begins
        events = link.receive(data, now)
        if not self._group.is_on:
            return events
        try:
            return self._group.received(self._entry, before + data, events)
        except Exception:
            self._group.failed()
            return events

    def data_to_send(self, link: Link, now: float) -> bytes:
        if not self._group.is_on:
            return link.data_to_send(now)
        self._group.begin_sending()
        data = link.data_to_send(now)
        if data:
            try:
                self._group.sent(self._entry, data)
            except Exception:
                self._group.failed()
        return data


def _apdus(octets: bytes) -> Iterator[bytes]:
    """The whole frames from the first octet on, until something is none."""
    at, end = 0, len(octets)
    while end - at >= APCI_OCTETS:
        size = octets[at + 1] + 2
        if octets[at] != _START or not APCI_OCTETS <= size <= MAX_LENGTH + 2 or at + size > end:
            return
        yield octets[at : at + size]
        at += size
