"""The shell of one group: it feeds the group what happened and carries out what the group decided.

The only caller of :class:`core.routing.group.Group`, and only on the I/O thread. Per wake-up it
writes each touched stream once; the RTU is acknowledged after the masters' streams have its data.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Collection, Iterable
from typing import Final

from core.config import GroupConfig, MasterEntry
from core.connections.dialer import Dialer, Target
from core.connections.loop import IoThread
from core.connections.resolver import Resolver
from core.connections.stream import Stream
from core.feed import Feed
from core.gateway.journal import Journal
from core.gateway.master import MasterEnd
from core.gateway.timing import timing_of
from core.logs import Level, LogWriter
from core.protocol.link import (
    Irregular,
    Link,
    LinkFailed,
    Reason,
    Role,
    Started,
    State,
    Stopped,
    TestConfirmed,
)
from core.protocol.outbox import Level as Fill
from core.protocol.outbox import Outbox
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
from core.routing.group import Group, Policy
from core.status import RtuState

_LAST_WORDS: Final = 0.4
"""Seconds masters get, after the RTU is lost, to take what the window still holds back."""
_STOP_CON: Final = 1.0
_UNSTARTED_CLOSES: Final = 3
_SUSPICIOUS: Final = frozenset(Reason) - {
    Reason.NO_ANSWER,
    Reason.IDLE,
    Reason.FRAGMENT,
    Reason.STALLED,
}


class Hub:
    """One group, running from :meth:`start` to :meth:`stop`. I/O thread only."""

    def __init__(
        self, io: IoThread, resolver: Resolver, config: GroupConfig, logs: LogWriter, feed: Feed
    ) -> None:
        self.config = config
        self.due = float("inf")
        self._io = io
        self._resolver = resolver
        self._logs = logs
        self._feed = feed
        self._rtu = config.rtu
        self.journal = Journal(config.rtu, logs, feed)
        self._timing = timing_of(config.rtu.options)
        self._stream: Stream | None = None
        self._target: Target | None = None
        self._was_usable = False
        self._was_started = False
        self._over: asyncio.Future[bool] | None = None
        self._stopped: asyncio.Event = asyncio.Event()
        self._is_stopping = False
        self._dialer: asyncio.Task[None] | None = None
        self._said: set[str] = set()
        self._always: set[Target] = set()
        self._unstarted_closes: dict[Target, int] = {}
        self._brake = Brake()
        self._touched: list[MasterEnd] = []
        self._held: set[MasterEnd] = set()
        self._todo: deque[Action] = deque()
        self._is_busy = False
        self.ends = {seat: self._end(seat, m) for seat, m in enumerate(config.masters, 1)}
        self._group = self._new_group()

    def _end(self, seat: int, entry: MasterEntry) -> MasterEnd:
        journal = Journal(entry, self._logs, self._feed)
        return MasterEnd(self._io, self._resolver, self, seat, entry, journal)

    def _new_group(self) -> Group:
        options = self._rtu.options
        policy = Policy(
            always_started=options.startdt == "always",
            oa=options.oa,
            orphans=options.orphans,
            keeps_unknown_ca=options.ca == "pass",
            buffer=options.buffer,
            command_timeout=options.command_timeout,
            term_timeout=options.term_timeout,
        )
        numbers = [end.entry.numbers for end in self.ends.values()]
        return Group(policy, self._rtu.numbers, numbers)

    # Life

    def start(self) -> None:
        """Begin to dial the RTU."""
        rtu = self._rtu
        numbers = ";".join(map(str, rtu.numbers))
        hosts = ";".join(map(str, rtu.hosts))
        self.journal.head(f"RTU number {numbers}, hosts {hosts}")
        for end in self.ends.values():
            self._head_of(end)
        self._io.watch(self)
        targets = [Target(endpoint.host, endpoint.port) for endpoint in rtu.hosts]
        dialer = Dialer(self._io, self, targets, rtu.options.t0, self._resolver.addresses)
        self._dialer = self._io.spawn(dialer.run(), f"dialer of {rtu.key}")

    def _head_of(self, end: MasterEnd) -> None:
        entry = end.entry
        numbers = ";".join(map(str, entry.numbers))
        hosts = str(entry.hosts) or "any"
        end.journal.head(f"port {entry.port}, RTU number {numbers}, hosts {hosts}")

    async def stop(self) -> None:
        """End in order: no new peers, STOPDT to a started RTU, then every link."""
        self._is_stopping = True
        if self._dialer is not None:
            self._dialer.cancel()
        for end in self.ends.values():
            end.close()
        stream = self._stream
        if stream is not None and stream.link.state is State.STARTED:
            now = self._io.loop.time()
            stream.link.stop(now)
            stream.flush(now)
            self.journal.line("stopdt transmitted")
        if stream is not None and stream.link.state is State.STOPPING:
            self._stopped.clear()
            try:
                await asyncio.wait_for(self._stopped.wait(), _STOP_CON)
            except TimeoutError:
                self.journal.line("no stopdt con", Level.WARNING)
        self._io.unwatch(self)
        for end in self.ends.values():
            self.master_over(end, "gateway stopped", at_once=False)
            end.journal.line("stopped")
        if stream is not None:
            stream.close("gateway stopped")
        self.journal.line("stopped")

    def restart_masters(self, config: GroupConfig, keys: Collection[str]) -> None:
        """Give these masters a new link, outbox and entry; nobody else notices.

        All of them are closed before one is opened: they may have exchanged their ports.
        """
        self.config = config
        renewed = []
        for seat, entry in enumerate(config.masters, 1):
            if entry.key in keys:
                old = self.ends[seat]
                old.close()
                self.master_over(old, "entry restarted", at_once=False)
                end = self.ends[seat] = self._end(seat, entry)
                self._group.replace_master(seat, entry.numbers)
                self._head_of(end)
                renewed.append(end)
        if self._was_usable and self._stream is not None:
            for end in renewed:
                end.open()

    # The dialer's owner

    def trying(self, target: Target) -> None:
        self._say_once(f"trying {target}")
        self.journal.say(RtuState.CONNECTING, f"trying {target}", connected=False)

    def failed(self, target: Target, reason: str) -> None:
        self._say_once(f"no connection to {target}: {reason}", Level.WARNING)
        self.journal.say(RtuState.CONNECTING, f"{target}: {reason}", connected=False)

    async def use(self, target: Target, sock: socket.socket) -> bool:
        now = self._io.loop.time()
        # Each link numbers and asks afresh: what an older one still owed is nobody's any more.
        link = Link(Role.CONTROLLING, self._timing, Outbox(self._rtu.options.buffer), now)
        self._stream = stream = Stream(self._io, self, link, sock)
        self._over = over = self._io.loop.create_future()
        self._target = target
        self._was_usable = self._was_started = False
        self._said.clear()
        self.journal.counters.connections += 1
        self.journal.line(f"connected to {target}")
        self.journal.say(RtuState.STARTING, "connected", str(target), connected=True)
        try:
            await stream.bind()
        except OSError as error:
            self._rtu_over(f"connection lost: {error}")
        else:
            self._carry_out(self._group.rtu_connected(now, always=target in self._always), now)
        was_usable: bool = await over
        return was_usable

    def _say_once(self, text: str, level: Level = Level.INFO) -> None:
        if text not in self._said:
            self._said.add(text)
            self.journal.line(text, level)

    # The RTU's stream

    def octets_arrived(self, stream: Stream, data: bytes, now: float) -> None:
        if stream is not self._stream:
            return
        link = stream.link
        events = link.receive(data, now)
        try:
            for event in events:
                if type(event) is Run:
                    self.journal.counters.asdus_in += len(event.sizes)
                    self._carry_out(self._group.from_rtu(event, now), now)
                else:
                    self._rtu_event(event, now)
            self._let_out(now)
        except Exception as error:
            self._group_failed(error)
            return
        stream.flush(now)

    def _rtu_event(self, event: object, now: float) -> None:
        match event:
            case Started():
                self.journal.line("startdt con received")
                self._was_started = True
                self._forgive()
                self._carry_out(self._group.rtu_started(now), now)
            case Stopped():
                self.journal.line("stopdt con received")
                self._stopped.set()
                if not self._is_stopping:
                    self._carry_out(self._group.rtu_stopped(now), now)
            case TestConfirmed():
                self._carry_out(self._group.rtu_tested(now), now)
            case Irregular(detail):
                self.journal.line(f"tolerated: {detail}", Level.WARNING)
            case LinkFailed():
                self._link_failed(self.journal, self._stream, event)
                self._rtu_over(str(event), learn=event)
        self._publish_rtu()

    def link_due(self, stream: Stream, now: float) -> None:
        if stream is self._stream:
            for event in stream.link.handle_timeout(now):
                self._rtu_event(event, now)
            stream.flush(now)

    def room_again(self, stream: Stream, now: float) -> None:
        if stream is self._stream:
            self._let_out(now)
        stream.flush(now)

    def stream_ended(self, stream: Stream, reason: str) -> None:
        if stream is self._stream:
            if self._target is not None and not self._was_started:
                self._count_unstarted(self._target)
            self._rtu_over(reason)

    def owner_failed(self, stream: Stream, error: Exception) -> None:
        self.journal.failed(error)
        if stream is self._stream:
            self._rtu_over(f"internal error: {error!r}")
        else:
            stream.close("internal error", at_once=True)

    def _rtu_over(self, reason: str, learn: LinkFailed | None = None) -> None:
        """The RTU link has ended: masters and ports go with it, the dialer goes on."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        stream.close(reason, at_once=True)
        if learn is not None and learn.reason is Reason.NO_ANSWER and not self._was_usable:
            self._treat_as_always("left a test unanswered while stopped")
        self.journal.line(f"disconnected: {reason}", Level.WARNING)
        self.journal.say(RtuState.CONNECTING, reason, connected=False)
        now = self._io.loop.time()
        self._carry_out(self._group.rtu_lost(now), now)
        self._stopped.set()
        if self._over is not None and not self._over.done():
            self._over.set_result(self._was_usable)

    def _count_unstarted(self, target: Target) -> None:
        closes = self._unstarted_closes.get(target, 0) + 1
        self._unstarted_closes[target] = closes
        if closes >= _UNSTARTED_CLOSES:
            self._treat_as_always(f"closed {closes} connections that were not started")

    def _forgive(self) -> None:
        if self._target is not None:
            self._unstarted_closes.pop(self._target, None)

    def _treat_as_always(self, why: str) -> None:
        if self._target is not None and self._target not in self._always:
            self._always.add(self._target)
            self.journal.line(f"{self._target} {why}: from now on startdt,always", Level.WARNING)

    def _group_failed(self, error: Exception) -> None:
        """The router itself failed: a fresh one, and the RTU dialled again."""
        self.journal.failed(error)
        self._todo.clear()
        self._is_busy = False
        for end in self.ends.values():
            self._drop(end, "internal error in the group", at_once=True)
            end.close()
        self._group = self._new_group()
        self._rtu_over(f"internal error: {error!r}")

    # The masters' owner

    def master_connected(self, end: MasterEnd) -> None:
        end.outbox.clear()

    def master_octets(self, end: MasterEnd, data: bytes, now: float) -> None:
        stream = end.stream
        if stream is None:
            return
        events = stream.link.receive(data, now)
        try:
            for event in events:
                if type(event) is Run:
                    end.counters.asdus_in += len(event.sizes)
                    self._carry_out(self._group.from_master(end.seat, event, now), now)
                else:
                    self._master_event(end, stream, event, now)
            if events:
                self._let_out(now)
                self.due = min(self.due, self._group.due)
                if self._group.waits_for_rtu(end.seat):
                    stream.link.hold_acks = True
                    self._held.add(end)
            if self._brake.is_on:
                self._try_release(now)
        except Exception as error:
            self._group_failed(error)
            return
        if end.stream is stream:
            stream.flush(now)

    def _master_event(self, end: MasterEnd, stream: Stream, event: object, now: float) -> None:
        match event:
            case Started():
                end.journal.line("startdt act received, con transmitted")
                self._carry_out(self._group.master_started(end.seat, now), now)
                end.journal.line("end of initialization transmitted")
            case Stopped():
                end.journal.line("stopdt act received")
                undelivered = tuple(end.outbox.withdraw())
                actions = self._group.master_stopped(end.seat, undelivered, now)
                self._carry_out(actions, now)
            case TestConfirmed():
                end.old_answered()
            case Irregular(detail):
                end.journal.line(f"tolerated: {detail}", Level.WARNING)
            case LinkFailed():
                self._link_failed(end.journal, stream, event)
                self.master_over(end, str(event))
        end.publish()

    def master_due(self, end: MasterEnd, now: float) -> None:
        stream = end.stream
        if stream is not None:
            for event in stream.link.handle_timeout(now):
                self._master_event(end, stream, event, now)
            stream.flush(now)

    def master_over(self, end: MasterEnd, reason: str, *, at_once: bool = True) -> None:
        """End a master's connection; the place is free for who waits."""
        undelivered = self._drop(end, reason, at_once=at_once)
        if undelivered is None:
            return
        now = self._io.loop.time()
        self._carry_out(self._group.master_lost(end.seat, undelivered, now), now)
        self._let_out(now)
        end.publish()
        # Not at once: what is still to be done for the old connection must not meet the new one.
        self._io.loop.call_soon(end.place_is_free)

    def _drop(self, end: MasterEnd, reason: str, *, at_once: bool) -> tuple[Run, ...] | None:
        """Close the stream and empty the outbox: what was not acknowledged, None if none lived."""
        stream, end.stream = end.stream, None
        if stream is None:
            return None
        self._held.discard(end)
        if not at_once:
            stream.flush(self._io.loop.time())
        stream.close(reason, at_once=at_once)
        undelivered = tuple(end.outbox.undelivered())
        lost = end.outbox.clear()
        tail = f", {lost} ASDUs not acknowledged" if lost else ""
        end.journal.line(f"disconnected: {reason}{tail}")
        return undelivered

    def _link_failed(self, journal: Journal, stream: Stream | None, failure: LinkFailed) -> None:
        if stream is not None and failure.reason in _SUSPICIOUS:
            journal.security("malformed frame or sequence error", stream.host, str(failure))

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
            case Note():
                self._note(action)
            case OpenPorts():
                self._was_usable = True
                self.journal.line("usable: the masters' ports are open")
                for end in self.ends.values():
                    end.open()
            case CloseMasters(reason):
                for end in self.ends.values():
                    end.close()
                self._last_words(reason, now + _LAST_WORDS)
            case CloseMaster(seat, reason):
                self.master_over(self.ends[seat], reason)
            case CloseRtu(reason):
                self._rtu_over(reason)
            case TestRtu() | StartTransfer() | StopTransfer():
                self._ask_rtu(action, now)

    def _deliver(self, action: Deliver, now: float) -> None:
        run = action.run
        n = len(run.sizes)
        for seat, address in action.to:
            if seat == RTU:
                if self._stream is not None:
                    self._stream.link.send(run, address)
                    self.journal.counters.asdus_out += n
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

    def _ask_rtu(self, action: TestRtu | StartTransfer | StopTransfer, now: float) -> None:
        stream = self._stream
        if stream is None or self._is_stopping:
            return
        match action:
            case TestRtu():
                stream.link.test(now)
            case StartTransfer():
                stream.link.start(now)
                self.journal.line("startdt transmitted")
            case StopTransfer():
                stream.link.stop(now)
                self.journal.line("stopdt transmitted")
        stream.flush(now)
        self._publish_rtu()

    def _let_out(self, now: float) -> None:
        """Give the RTU what its window takes, and acknowledge the masters whose turn that was."""
        stream = self._stream
        if stream is not None and self._group.has_unsent:
            actions = self._group.to_rtu(stream.link.room, now)
            if actions:
                self._carry_out(actions, now)
                stream.flush(now)
        if not self._held:
            return
        for end in [end for end in self._held if not self._group.waits_for_rtu(end.seat)]:
            self._held.discard(end)
            if end.stream is not None:
                end.stream.link.hold_acks = False
                end.stream.flush(now)

    def _note(self, note: Note) -> None:
        if note.seat == RTU:
            self.journal.note(note, self._stream.host if self._stream is not None else "")
        else:
            end = self.ends[note.seat]
            end.journal.note(note, end.stream.host if end.stream is not None else "")

    # Slow masters

    def _too_far_behind(self, end: MasterEnd, run: Run) -> None:
        lost = end.outbox.waiting + len(run)
        end.counters.dropped += lost
        text = f"more than {end.outbox.capacity} ASDUs behind, {lost} lost to this master"
        end.journal.line(text, Level.WARNING)
        self.master_over(end, text)

    def _brake_for(self, link: Link, now: float) -> None:
        if self._stream is not None and self._brake.wants_on(link.acknowledged_at, now):
            self._stream.link.hold_acks = True
            self._io.loop.call_later(LONGEST, self._brake_ends)

    def _brake_ends(self) -> None:
        self._release(True, self._io.loop.time())

    def _try_release(self, now: float) -> None:
        ends = self.ends.values()
        self._release(all(end.outbox.waiting * 4 < end.outbox.capacity for end in ends), now)

    def _release(self, is_time: bool, now: float) -> None:
        if self._brake.wants_off(is_time, now) and self._stream is not None:
            self._stream.link.hold_acks = False
            self._stream.flush(now)

    def _last_words(self, reason: str, until: float) -> None:
        """Close each master once it has taken what was waiting, at the latest at ``until``."""
        now = self._io.loop.time()
        waiting = False
        for end in self.ends.values():
            if end.stream is None:
                continue
            if end.outbox.waiting and now < until and not self._is_stopping:
                waiting = True
            else:
                self.master_over(end, reason, at_once=False)
        if waiting:
            self._io.loop.call_later(0.02, self._last_words, reason, until)

    # Time

    def deadline_passed(self, now: float) -> None:
        """Called by the tick."""
        try:
            self._carry_out(self._group.handle_timeout(now), now)
            self.due = self._group.due
        except Exception as error:
            self._group_failed(error)

    def _publish_rtu(self) -> None:
        stream = self._stream
        if stream is None:
            return
        match stream.link.state:
            case State.STARTED:
                state, detail = RtuState.ONLINE, ""
            case State.STARTING:
                state, detail = RtuState.STARTING, "waiting for startdt con"
            case _ if self._was_usable:
                state, detail = RtuState.WAITING, ""
            case _:
                state, detail = RtuState.STARTING, "testing the link"
        self.journal.say(state, detail, stream.peer)
