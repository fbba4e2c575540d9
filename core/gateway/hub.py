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
from core.feed import Feed
from core.gateway.journal import Journal
from core.gateway.master import MasterEnd
from core.gateway.rtu import RtuEnd
from core.logs import Level, LogWriter
from core.protocol.link import (
    Event,
    Irregular,
    Link,
    LinkFailed,
    Started,
    State,
    Stopped,
    TestConfirmed,
)
from core.protocol.outbox import Level as Fill
from core.protocol.run import Run
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
from core.routing.policy import MasterPolicy, Policy, Seat

_LAST_WORDS: Final = 0.4
"""Seconds masters get, after the RTU is lost, to take what the window still holds back."""
_LAST_WORDS_STEP: Final = 0.02


_P = ParamSpec("_P")


def _policy_of(entry: MasterEntry) -> MasterPolicy:
    options = entry.options
    return MasterPolicy(entry.numbers, options.buffer, options.rights, options.clock, entry.label)


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

    ``rtu`` and ``ends`` (by seat, from 1 on) are its connections' ends; ``due`` is never later than
    the group's next deadline.
    """

    def __init__(
        self, io: IoThread, resolver: Resolver, config: GroupConfig, logs: LogWriter, feed: Feed
    ) -> None:
        self.due = float("inf")
        self._io = io
        self._resolver = resolver
        self._logs = logs
        self._feed = feed
        journal = Journal(config.rtu, logs, feed, io.loop.time)
        self.rtu = RtuEnd(io, resolver, self, config.rtu, journal)
        self.ends = {seat: self._end(seat, m) for seat, m in enumerate(config.masters, 1)}
        self._group = self._new_group()
        self._brake = Brake()
        self._touched: list[MasterEnd] = []
        self._held: set[MasterEnd] = set()  # masters whose acknowledgement waits for the RTU
        self._todo: deque[Action] = deque()
        self._is_busy = False
        self._is_stopping = False
        self._ending: asyncio.Task[None] | None = None

    def _end(self, seat: int, entry: MasterEntry) -> MasterEnd:
        journal = Journal(entry, self._logs, self._feed, self._io.loop.time)
        return MasterEnd(self._io, self._resolver, self, seat, entry, journal)

    def _new_group(self) -> Group:
        entry = self.rtu.entry
        options = entry.options
        policy = Policy(
            always_started=options.startdt == "always",
            oa=options.oa,
            orphans=options.orphans,
            ca=options.ca,
            gi=options.gi,
            gi_data=options.gi_data,
            buffer=options.buffer,
            command_timeout=options.command_timeout,
            term_timeout=options.term_timeout,
            select_timeout=options.select_timeout,
            interrogation_timeout=options.interrogation_timeout,
        )
        return Group(policy, entry.numbers, [_policy_of(e.entry) for e in self.ends.values()])

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
        await self.rtu.stop()
        self._io.unwatch(self)
        for end in self.ends.values():
            self.master_over(end, "gateway stopped", at_once=False)
            end.journal.line("stopped")
        self.rtu.end("gateway stopped")
        self.rtu.journal.line("stopped")

    def close_masters(self, seats: Iterable[Seat]) -> None:
        """Close the ports and links of these masters; :meth:`renew_masters` follows."""
        for seat in seats:
            end = self.ends[seat]
            end.close()
            self.master_over(end, "entry restarted", at_once=False)

    def renew_masters(self, masters: Mapping[Seat, MasterEntry]) -> None:
        """Give these seats a new entry, with a link and outbox of its own."""
        for seat, entry in masters.items():
            end = self.ends[seat] = self._end(seat, entry)
            self._group.replace_master(seat, _policy_of(entry))
            end.start()
            if self.rtu.stream is not None and self.rtu.was_usable:
                end.open()

    def deadline_passed(self, now: float) -> None:
        """Called by the tick."""
        self._deadlines(now)

    @_group_step
    def _deadlines(self, now: float) -> None:
        self._carry_out(self._group.handle_timeout(now), now)
        self.due = self._group.due

    def group_failed(self, error: Exception) -> None:
        """The router itself failed: a fresh one, and the RTU dialled again."""
        self.rtu.journal.failed(error)
        self._todo.clear()
        self._is_busy = False
        for end in self.ends.values():
            end.close()
            end.drop("internal error in the group", at_once=True)
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
            if type(event) is Run:
                self.rtu.journal.counters.asdus_in += len(event.sizes)
                self._carry_out(self._group.from_rtu(event, now), now)
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
    def master_turned(self, end: MasterEnd, events: Sequence[Event], now: float) -> None:
        for event in events:
            if type(event) is Run:
                end.counters.asdus_in += len(event.sizes)
                room = self.rtu.stream.link.room if self.rtu.stream is not None else 0
                self._carry_out(self._group.from_master(end.seat, event, now, room), now)
                self._let_out(now)  # before what follows in the same read, a STOPDT perhaps
            else:
                self._master_event(end, event, now)
        stream = end.stream
        if events:
            self.due = min(self.due, self._group.due)
            if stream is not None and self._group.waits_for_rtu(end.seat):
                stream.link.hold_acks = True
                self._held.add(end)
        if self._brake.is_on:
            self._try_release(now)
        if stream is not None:
            stream.flush(now)

    def _master_event(self, end: MasterEnd, event: Event, now: float) -> None:
        match event:
            case Started():
                end.journal.line("startdt act/con done")
                self._carry_out(self._group.master_started(end.seat, now), now)
                end.journal.line("end of initialization transmitted")
            case Stopped():
                end.journal.line("stopdt act received")
                withdrawn = end.outbox.withdraw()
                self._carry_out(self._group.master_stopped(end.seat, withdrawn, now), now)
            case TestConfirmed():
                end.old_answered()
            case Irregular(detail):
                end.journal.line(f"tolerated: {detail}", Level.WARNING)
            case LinkFailed():
                if end.stream is not None:
                    end.journal.link_failed(event, end.stream.host)
                self.master_over(end, str(event))
        end.publish()

    @_group_step
    def master_over(self, end: MasterEnd, reason: str, *, at_once: bool = True) -> None:
        undelivered = end.drop(reason, at_once=at_once)
        if undelivered is None:
            return
        self._held.discard(end)
        now = self._io.loop.time()
        self._carry_out(self._group.master_lost(end.seat, undelivered, now), now)
        self._let_out(now)
        end.publish()
        # Not at once: what is still to be done for the old connection must not meet the new one.
        self._io.loop.call_soon(end.place_is_free)

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
                (self.rtu if seat == RTU else self.ends[seat]).note(action)
            case OpenPorts():
                self.rtu.became_usable()
                for end in self.ends.values():
                    end.open()
            case CloseMasters(reason):
                for end in self.ends.values():
                    end.close()
                self._last_words(reason, now + _LAST_WORDS)
            case CloseMaster(seat, reason):
                self.master_over(self.ends[seat], reason)
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
        for seat, address in action.to:
            if seat == RTU:
                if self.rtu.stream is not None:
                    self.rtu.stream.link.send(run, address)
                    self.rtu.journal.counters.asdus_out += n
                continue
            end = self.ends[seat]
            stream = end.stream
            if stream is None:
                continue
            fill = end.outbox.put(run, address)
            if fill is not Fill.OK:
                if fill is Fill.FULL:
                    self._too_far_behind(end, run)
                    continue
                self._brake_for(stream.link, now)
            end.counters.asdus_out += n
            if not end.is_touched:
                end.is_touched = True
                self._touched.append(end)

    def _flush(self, now: float) -> None:
        touched = self._touched
        if touched:
            self._touched = []
            for end in touched:
                end.is_touched = False
                if end.stream is not None:
                    end.stream.flush(now)

    def _let_out(self, now: float) -> None:
        """Give the RTU what its window takes, and acknowledge the masters whose turn that was."""
        stream = self.rtu.stream
        if stream is not None and self._group.has_unsent:
            actions = self._group.to_rtu(stream.link.room, now)
            if actions:
                self._carry_out(actions, now)
                stream.flush(now)
        if self._held:
            for end in [end for end in self._held if not self._group.waits_for_rtu(end.seat)]:
                self._held.discard(end)
                if end.stream is not None:
                    end.stream.link.hold_acks = False
                    end.stream.flush(now)

    # Slow masters

    def _too_far_behind(self, end: MasterEnd, run: Run) -> None:
        lost = end.outbox.waiting + len(run)
        end.counters.dropped += lost
        text = f"more than {end.outbox.capacity} ASDUs behind, {lost} lost to this master"
        end.journal.line(text, Level.WARNING)
        self.master_over(end, text)

    def _brake_for(self, link: Link, now: float) -> None:
        if self.rtu.stream is not None and self._brake.wants_on(link.acknowledged_at, now):
            self.rtu.stream.link.hold_acks = True
            self._io.loop.call_later(LONGEST, self._release, True)

    def _try_release(self, now: float) -> None:
        self._release(all(e.outbox.waiting * 4 < e.outbox.capacity for e in self.ends.values()))

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
        for end in self.ends.values():
            stream = end.stream
            if stream is None:
                continue
            if end.outbox.waiting and stream.link.state is State.STARTED and not is_time:
                somebody_waits = True
            else:
                # What is in the window is on its way; only what never left is undelivered.
                withdrawn = end.outbox.withdraw()
                self._carry_out(self._group.master_stopped(end.seat, withdrawn, now), now)
                self.master_over(end, reason, at_once=False)
        if somebody_waits:
            self._io.loop.call_later(_LAST_WORDS_STEP, self._last_words, reason, until)
