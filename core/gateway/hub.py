"""The shell of one group: it feeds the group what happened and carries out what the group decided.

The only caller of :class:`core.routing.group.Group`, and only on the I/O thread. Per wake-up it
writes each touched stream once; the RTU is acknowledged after the masters' streams have its data.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Concatenate, Final, ParamSpec

from core.config import GroupConfig, MasterEntry
from core.connections.loop import IoThread
from core.connections.resolver import Resolver
from core.connections.stream import Stream
from core.feed import Feed
from core.gateway.journal import Journal
from core.gateway.master import MasterEnd
from core.gateway.parameters import master_policy_of, policy_of
from core.gateway.place import Place
from core.gateway.rtu import RtuEnd
from core.gateway.tap import GroupTap, traced_actions
from core.logs import Level, LogWriter
from core.protocol.link import (
    Event,
    Irregular,
    LinkFailed,
    Started,
    State,
    Stopped,
    TestConfirmed,
)
from core.protocol.outbox import Level as Fill
from core.protocol.run import Address, Run
from core.routing.actions import (
    RTU,
    Action,
    CloseMaster,
    CloseMasters,
    CloseRtu,
    Deliver,
    Note,
    OpenPorts,
    StartTransfer,
    StopTransfer,
    TestRtu,
)
from core.routing.brake import LONGEST, Brake
from core.routing.group import Group
from core.routing.policy import Seat
from core.status import Facts

_LAST_WORDS: Final = 0.4
"""Seconds masters get, after the RTU is lost, to take what the window still holds back."""
_LAST_WORDS_STEP: Final = 0.02
_HANDOVER: Final = 60.0
"""Seconds a stream of data waits for another connection of its master to start."""


_P = ParamSpec("_P")


def _group_step(
    step: Callable[Concatenate["Hub", _P], None],
) -> Callable[Concatenate["Hub", _P], None]:
    """A call into the group: if it raises, the group is renewed, and no other notices."""

    @wraps(step)
    def guarded(hub: "Hub", /, *args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            step(hub, *args, **kwargs)
        except Exception as error:
            hub.group_failed(error)

    return guarded


class Hub:
    """One group, running from :meth:`start` to :meth:`stop`. I/O thread only.

    ``rtu`` and ``ends`` (by position in the configuration, from 1 on) are its entries; each master
    entry has one seat of the group or several in a row. ``due`` is never later than the group's
    next deadline.
    """

    def __init__(
        self, io: IoThread, resolver: Resolver, config: GroupConfig, logs: LogWriter, feed: Feed
    ) -> None:
        self.due = float("inf")
        self._io = io
        self._resolver = resolver
        self._logs = logs
        self._feed = feed
        self._tap: GroupTap | None = None
        journal = Journal(config.rtu, logs, feed, io.loop.time)
        self.rtu = RtuEnd(io, resolver, self, config.rtu, journal)
        self.ends: dict[int, MasterEnd] = {}
        self._places: dict[Seat, Place] = {}
        for position, entry in enumerate(config.masters, 1):
            self._add_end(position, len(self._places) + 1, entry)
        self._group = self._new_group()
        self._brake = Brake()
        self._touched: list[Place] = []
        self._held: set[Place] = set()  # masters whose acknowledgement waits for the RTU
        self._todo: deque[Action] = deque()
        self._is_busy = False
        self._is_stopping = False
        self._ending: asyncio.Task[None] | None = None

    def _add_end(self, position: int, first_seat: Seat, entry: MasterEntry) -> MasterEnd:
        journal = Journal(entry, self._logs, self._feed, self._io.loop.time)
        end = MasterEnd(self._io, self._resolver, self, first_seat, entry, journal)
        if self._tap is not None:
            end.set_tap(self._tap.of_entry(entry.key))
        self.ends[position] = end
        self._places.update({place.seat: place for place in end.places})
        return end

    def _new_group(self) -> Group:
        entry = self.rtu.entry
        masters = [master_policy_of(place.end.entry) for place in self._places.values()]
        return Group(policy_of(entry), entry.numbers, masters)

    # Life

    def start(self) -> None:
        """Begin to dial the RTU."""
        self.rtu.start()
        for end in self.ends.values():
            end.start()
        self._io.watch(self)

    async def stop(self) -> None:
        """End in order: no new peers, STOPDT to a started RTU, then every link.

        Whoever calls it while it is going on waits for the same end.
        """
        if self._ending is None:
            self._is_stopping = True
            self._ending = self._io.loop.create_task(self._end_in_order())
        await asyncio.shield(self._ending)

    async def _end_in_order(self) -> None:
        for end in self.ends.values():
            end.close()
        self._end_selections(self._io.loop.time())
        await self.rtu.stop()
        self._io.unwatch(self)
        for end in self.ends.values():
            self._end_connections(end, "gateway stopped")
            end.journal.line("stopped")
        self.rtu.end("gateway stopped")
        self.rtu.journal.line("stopped")

    def watch(self, tap: GroupTap | None) -> None:
        """Let every frame of the group be seen, or none."""
        if tap is self._tap:
            return
        self._tap = tap
        for end in self._all_ends():
            end.set_tap(None if tap is None else tap.of_entry(end.entry.key))

    def facts(self, key: str) -> Facts | None:
        """The facts of an entry; None if it is not of this group. From any thread."""
        for end in self._all_ends():
            if end.entry.key == key:
                return end.facts()
        return None

    def _all_ends(self) -> list[RtuEnd | MasterEnd]:
        return [self.rtu, *list(self.ends.values())]

    def has_places_for(self, masters: Sequence[MasterEntry]) -> bool:
        """Whether each of these entries has as many seats as the one in its position here."""
        return [entry.seats for entry in masters] == [len(e.places) for e in self.ends.values()]

    def close_masters(self, positions: Iterable[int]) -> None:
        """Close the ports and links of these entries; :meth:`renew_masters` follows."""
        for position in positions:
            end = self.ends[position]
            end.close()
            self._end_connections(end, "entry restarted")

    def renew_masters(self, masters: Mapping[int, MasterEntry]) -> None:
        """Put new entries into these positions, each with as many seats as the one before it."""
        for position, entry in masters.items():
            end = self._add_end(position, self.ends[position].places[0].seat, entry)
            for place in end.places:
                self._group.replace_master(place.seat, master_policy_of(entry))
            end.start()
            if self.rtu.stream is not None and self.rtu.was_usable:
                end.open()

    def _end_connections(self, end: MasterEnd, reason: str) -> None:
        for place in end.places:
            for stream in list(place.connections):
                self.connection_over(place, stream, reason, may_move=False, at_once=False)

    @_group_step
    def _end_selections(self, now: float) -> None:
        self._carry_out(self._group.end_selections(now), now)
        self.rtu_room(now)

    def deadline_passed(self, now: float) -> None:
        """Called by the tick."""
        self._deadlines(now)

    @_group_step
    def _deadlines(self, now: float) -> None:
        self._carry_out(self._group.handle_timeout(now), now)
        self._let_out(now)
        self.due = self._group.due

    def group_failed(self, error: Exception) -> None:
        """The router itself failed: a fresh one, and the RTU dialled again."""
        self.rtu.journal.failed(error)
        self._todo.clear()
        self._is_busy = False
        for end in self.ends.values():
            end.close()
            for stream in list(end.connections):
                end.drop(stream, "internal error in the group", at_once=True)
            end.publish()
        for place in self._places.values():
            place.end_handover()
            place.outbox.clear()
            place.is_started = False
        self._held.clear()
        self._group = self._new_group()
        self.rtu.end(f"internal error: {error!r}")

    # What the RTU's end says

    @_group_step
    def rtu_connected(self, now: float, *, always: bool) -> None:
        self._carry_out(self._group.rtu_connected(now, always=always), now)

    @_group_step
    def rtu_turned(self, events: Sequence[Event], now: float) -> None:
        for event in events:
            if isinstance(event, Run):
                self.rtu.journal.counters.asdus_in += len(event.sizes)
                if self._tap is None:
                    self._carry_out(self._group.from_rtu(event, now), now)
                else:
                    self._carry_out(traced_actions(self._group, event, now), now)
            else:
                self._rtu_event(event, now)
        self.rtu_room(now)

    def _rtu_event(self, event: Event, now: float) -> None:
        match event:
            case Started():
                self.rtu.transfer_started()
                self._carry_out(self._group.rtu_started(now), now)
            case Stopped():
                self.rtu.transfer_stopped()
                if not self._is_stopping:
                    self._carry_out(self._group.rtu_stopped(now), now)
            case TestConfirmed():
                self._carry_out(self._group.rtu_tested(now), now)
            case Irregular(detail):
                self.rtu.journal.line(f"tolerated: {detail}", Level.WARNING)
            case LinkFailed():
                self.rtu.end(str(event), event)
        self.rtu.publish()

    @_group_step
    def rtu_room(self, now: float) -> None:
        self._let_out(now)
        if self.rtu.stream is not None:
            self.rtu.stream.flush(now)

    @_group_step
    def rtu_over(self, now: float) -> None:
        self._carry_out(self._group.rtu_lost(now), now)

    # What a master's end says

    @property
    def is_braking(self) -> bool:
        return self._brake.is_on

    @_group_step
    def master_turned(
        self, place: Place, stream: Stream, events: Sequence[Event], now: float
    ) -> None:
        for event in events:
            if isinstance(event, Run):
                if stream is not place.stream:  # ended by what came before in the same read
                    break
                place.counters.asdus_in += len(event.sizes)
                room = self.rtu.stream.link.room if self.rtu.stream is not None else 0
                self._carry_out(self._group.from_master(place.seat, event, now, room), now)
                self._let_out(now)  # before what follows in the same read, a STOPDT perhaps
            else:
                self._master_event(place, stream, event, now)
        if events:
            self.due = min(self.due, self._group.due)
            if stream is place.stream and self._group.waits_for_rtu(place.seat):
                stream.link.hold_acks = True
                self._held.add(place)
        if self._brake.is_on:
            self._try_release(now)
        stream.flush(now)

    def _master_event(self, place: Place, stream: Stream, event: Event, now: float) -> None:
        end = place.end
        match event:
            case Started():
                self._master_started(place, stream, now)
            case Stopped():
                self._master_stopped(place, stream, now)
            case TestConfirmed():
                end.answered(stream)
            case Irregular(detail):
                end.tell(stream, f"tolerated: {detail}", Level.WARNING)
            case LinkFailed():
                end.journal.link_failed(event, stream.host)
                self.connection_over(place, stream, str(event))
        end.publish()

    def _master_started(self, place: Place, stream: Stream, now: float) -> None:
        end = place.end
        if stream is not place.stream:
            if place.is_started:
                self._move(place, stream, now)
                return
            n = place.prefer(stream)
            if n:
                end.journal.line(f"{n} ASDUs not acknowledged before data transfer was stopped")
        elif place.handover is not None:  # it stopped, and was the first to start again
            self._handover_over(place, "")
        end.tell(stream, "startdt act/con done")
        place.is_started = True
        self._carry_out(self._group.master_started(place.seat, now), now)
        end.tell(stream, "end of initialization transmitted")

    def _master_stopped(self, place: Place, stream: Stream, now: float) -> None:
        place.end.tell(stream, "stopdt act received")
        # Started again in the same read: it wants the stream for itself.
        if place.reserve and stream.link.state is not State.STARTED:
            self._begin_handover(place, now)
        else:
            place.is_started = False
            withdrawn = place.outbox.withdraw()
            self._carry_out(self._group.master_stopped(place.seat, withdrawn, now), now)
            self._let_out(now)

    @_group_step
    def connection_over(
        self, place: Place, stream: Stream, reason: str, *,
        may_move: bool = True, at_once: bool = True,
    ) -> None:  # fmt: skip
        counted = stream is place.stream
        if not place.end.drop(stream, reason, at_once=at_once):
            return
        now = self._io.loop.time()
        end = place.end
        if counted:
            self._held.discard(place)
        if counted and place.is_started and place.reserve and may_move:
            end.tell(stream, f"disconnected: {reason}; its data waits for another connection")
            if place.handover is None:
                self._begin_handover(place, now)
        elif counted or place.is_empty:
            undelivered, n = place.clear()
            tail = f", {n} ASDUs not acknowledged" if n else ""
            end.tell(stream, f"disconnected: {reason}{tail}")
            if place.is_started or place.is_empty:
                self._master_lost(place, undelivered, now)
            place.call_reserve()
        else:
            end.tell(stream, f"disconnected: {reason}")
        self.due = min(self.due, self._group.due)
        end.publish()
        # Not at once: what is still to be done for the old connection must not meet the new one.
        self._io.loop.call_soon(end.place_is_free)

    def _master_lost(self, place: Place, undelivered: Iterable[Run], now: float) -> None:
        place.end_handover()
        place.is_started = False
        self._carry_out(self._group.master_lost(place.seat, undelivered, now), now)
        self._let_out(now)

    # One master, several connections

    def _move(self, place: Place, stream: Stream, now: float) -> None:
        """A connection in reserve has started: it gets the stream of data from where it was."""
        old = place.stream
        n = place.take_over(stream)
        self._held.discard(place)
        first = f", {n} ASDUs not acknowledged go first" if n else ""
        place.end.tell(stream, f"startdt act/con done, takes the data over{first}")
        if old is not None:
            place.end.tell(old, f"stopped: {stream.peer} has taken the data over")
            old.flush(now)
        self._carry_out(self._group.master_moved(place.seat, now), now)
        self._let_out(now)

    def _begin_handover(self, place: Place, now: float) -> None:
        """Another connection may start: to the group it is as if the master were still there."""
        why = "no other connection has started"
        place.handover = self._io.loop.call_later(_HANDOVER, self._handover_over, place, why)
        self._carry_out(self._group.master_moved(place.seat, now, left=True), now)
        self._let_out(now)

    @_group_step
    def _handover_over(self, place: Place, why: str, late: Sequence[Run] = ()) -> None:
        """Nobody else gets the data: the ordinary end of what was started.

        ``late`` is what came too late to be put into the outbox.
        """
        now = self._io.loop.time()
        place.end_handover()
        place.is_started = False
        if place.stream is None:
            undelivered, n = place.clear()
            place.end.journal.line(f"{why}, {n} ASDUs not acknowledged", Level.WARNING)
            self._master_lost(place, (*undelivered, *late), now)
            place.call_reserve()
        else:
            withdrawn = [*place.outbox.withdraw(), *late]
            if why:
                place.end.journal.line(why, Level.WARNING)
            self._carry_out(self._group.master_stopped(place.seat, withdrawn, now), now)
            self._let_out(now)
        self.due = min(self.due, self._group.due)
        place.end.publish()

    # What the group decided

    def _carry_out(self, actions: Iterable[Action], now: float) -> None:
        """Do what the group says, in order; what follows from it is done after it."""
        self._todo.extend(actions)
        if self._is_busy:
            return
        self._is_busy = True
        try:
            while self._todo:
                self._do(self._todo.popleft(), now)
        finally:
            self._is_busy = False
        self._flush(now)

    def _do(self, action: Action, now: float) -> None:
        match action:
            case Deliver():
                self._deliver(action, now)
            case Note(seat):
                self._note(seat, action)
            case OpenPorts():
                self.rtu.became_usable()
                for end in self.ends.values():
                    end.open()
            case CloseMasters(reason):
                for end in self.ends.values():
                    end.close()
                self._last_words(reason, now + _LAST_WORDS)
            case CloseMaster(seat, reason):
                self._close_master(self._places[seat], reason)
            case CloseRtu(reason):
                self.rtu.end(reason)
            case TestRtu() | StartTransfer() | StopTransfer():
                self._ask_rtu(action, now)

    def _ask_rtu(self, action: TestRtu | StartTransfer | StopTransfer, now: float) -> None:
        if self._is_stopping:  # the end has its own order
            return
        match action:
            case TestRtu():
                self.rtu.test(now)
            case StartTransfer():
                self.rtu.start_transfer(now)
            case StopTransfer():
                self.rtu.stop_transfer(now)

    def _deliver(self, action: Deliver, now: float) -> None:
        run = action.run
        n = len(run.sizes)
        is_for_the_gone = False
        for seat, address in action.to:
            if seat == RTU:
                if self.rtu.stream is not None:
                    if action.interrogating:
                        self._note_interrogation(action.interrogating)
                    self.rtu.stream.link.send(run, address)
                    self.rtu.journal.counters.asdus_out += n
                continue
            place = self._places[seat]
            if not place.is_started:  # it was ended after the group had said this
                is_for_the_gone = True
                continue
            fill = place.outbox.put(run, address, action.was_kept)
            if fill is not Fill.OK:
                if fill is Fill.FULL:
                    self._too_far_behind(place, run, address)
                    continue
                self._brake_for(place, now)
            place.counters.asdus_out += n
            if not place.is_touched:
                place.is_touched = True
                self._touched.append(place)
        if is_for_the_gone:
            self._group.keep(run)

    def _note_interrogation(self, seats: Sequence[Seat]) -> None:
        """Say for the entries' facts when the last one was, and whose."""
        ends = dict.fromkeys(self._places[seat].end for seat in seats)
        at = self._logs.now()
        self.rtu.journal.general_interrogation(at, ", ".join(end.entry.label for end in ends))
        for end in ends:
            end.journal.general_interrogation(at, end.entry.label)

    def _note(self, seat: Seat, note: Note) -> None:
        if seat == RTU:
            self.rtu.note(note)
        else:
            place = self._places[seat]
            place.end.journal.note(note, place.host, place.peer)

    def _flush(self, now: float) -> None:
        touched = self._touched
        if touched:
            self._touched = []
            for place in touched:
                place.is_touched = False
                if place.stream is not None:
                    place.stream.flush(now)

    def _let_out(self, now: float) -> None:
        """Give the RTU what its window takes, and acknowledge the masters whose turn that was."""
        stream = self.rtu.stream
        if stream is not None and self._group.has_unsent:
            actions = self._group.to_rtu(stream.link.room, now)
            if actions:
                self._carry_out(actions, now)
                stream.flush(now)
            self.due = min(self.due, self._group.due)
        if self._held:
            for place in [p for p in self._held if not self._group.waits_for_rtu(p.seat)]:
                self._held.discard(place)
                if place.stream is not None:
                    place.stream.link.hold_acks = False
                    place.stream.flush(now)

    # Slow masters

    def _too_far_behind(self, place: Place, run: Run, address: Address) -> None:
        lost = place.outbox.waiting + len(run)
        text = f"more than {place.outbox.capacity} ASDUs behind"
        if place.handover is not None:
            if place.stream is None:  # else the group counts it, as after every STOPDT
                place.counters.dropped += lost
            self._handover_over(place, f"{text} while no other connection started", (run,))
            return
        place.counters.dropped += lost
        text = f"{text}, {lost} lost to this master"
        place.end.journal.line(text, Level.WARNING)
        # If nobody else has it either, it is kept with the rest.
        place.outbox.put(run, address, True)
        self._close_master(place, text)

    def _close_master(self, place: Place, reason: str) -> None:
        """Its own fault: the connection that counts is ended, and no other gets its data."""
        if place.stream is not None:
            self.connection_over(place, place.stream, reason, may_move=False)

    def _brake_for(self, place: Place, now: float) -> None:
        if self.rtu.stream is None or place.stream is None or place.handover is not None:
            return
        if self._brake.wants_on(place.stream.link.acknowledged_at, now):
            self.rtu.stream.link.hold_acks = True
            self._io.loop.call_later(LONGEST, self._release, True)

    def _try_release(self, now: float) -> None:
        boxes = [p.outbox for p in self._places.values() if p.handover is None]
        self._release(all(box.waiting * 4 < box.capacity for box in boxes))

    def _release(self, is_time: bool) -> None:
        now = self._io.loop.time()
        if self._brake.wants_off(is_time, now) and self.rtu.stream is not None:
            self.rtu.stream.link.hold_acks = False
            self.rtu.stream.flush(now)

    def _last_words(self, reason: str, until: float) -> None:
        """Close each master once it has taken what was waiting, at the latest at ``until``."""
        now = self._io.loop.time()
        is_time = self._is_stopping or now >= until
        somebody_waits = False
        for place in self._places.values():
            stream = place.stream
            started = stream is not None and stream.link.state is State.STARTED
            if place.outbox.waiting and started and not is_time:
                somebody_waits = True
            elif not place.is_empty:
                # What is in the window is on its way; only what never left is undelivered. In the
                # window of a connection that was lost nothing is on its way.
                if stream is None:
                    place.outbox.rewind()
                place.end_handover()
                place.is_started = False
                withdrawn = place.outbox.withdraw()
                self._carry_out(self._group.master_stopped(place.seat, withdrawn, now), now)
                for each in list(place.connections):
                    self.connection_over(place, each, reason, may_move=False, at_once=False)
        if somebody_waits:
            self._io.loop.call_later(_LAST_WORDS_STEP, self._last_words, reason, until)
