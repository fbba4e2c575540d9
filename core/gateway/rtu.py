"""The RTU's end of a group: its dialer, the link that counts, and what was learnt of its hosts."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Final, Protocol

from core.config import RtuEntry
from core.connections.dialer import Dialer, Outcome, Target
from core.connections.loop import IoThread
from core.connections.resolver import Resolver
from core.connections.stream import Stream, Tap
from core.connections.words import error_words
from core.gateway.facts import facts_of
from core.gateway.journal import Journal
from core.gateway.parameters import timing_of
from core.logs import Level
from core.protocol.apci import Reason
from core.protocol.link import Event, Link, LinkFailed, Role, State
from core.protocol.outbox import Outbox
from core.routing.actions import Note
from core.status import Facts, RtuState

_STOP_CON: Final = 1.0
"""Seconds an RTU has to confirm STOPDT when the gateway ends."""
_UNSTARTED_CLOSES: Final = 3
"""After so many connections closed before STARTDT a host is taken to want STARTDT at once."""


class RtuOwner(Protocol):
    """The hub, as the RTU's end sees it; called on the I/O thread."""

    def rtu_connected(self, now: float, *, always: bool) -> None:
        """``stream`` is bound. ``always``: this host wants STARTDT before anything else."""
        ...

    def rtu_turned(self, events: Sequence[Event], now: float) -> None:
        """What came of octets or of a deadline."""
        ...

    def rtu_room(self, now: float) -> None:
        """The transport takes data again."""
        ...

    def rtu_over(self, now: float) -> None:
        """The link has ended; ``stream`` is None already."""
        ...


class RtuEnd:
    """One RTU entry; ``stream`` is its connection, None while there is none."""

    def __init__(
        self, io: IoThread, resolver: Resolver, owner: RtuOwner, entry: RtuEntry, journal: Journal
    ) -> None:
        self.entry = entry
        self.journal = journal
        self.stream: Stream | None = None
        self.was_usable = False
        """Whether the present or last link was."""
        self._tap: Tap | None = None
        self._io = io
        self._resolver = resolver
        self._owner = owner
        self._timing = timing_of(entry.options)
        self._target: Target | None = None
        self._was_started = False
        self._over: asyncio.Future[None] | None = None
        self._stop_confirmed = asyncio.Event()
        self._dialing: asyncio.Task[None] | None = None
        self._said: set[str] = set()
        self._always: set[Target] = set()
        self._unstarted_closes: dict[Target, int] = {}

    def start(self) -> None:
        """Begin to dial."""
        entry = self.entry
        hosts = ";".join(map(str, entry.hosts))
        self.journal.head(f"RTU number {';'.join(map(str, entry.numbers))}, hosts {hosts}")
        targets = [Target(endpoint.host, endpoint.port) for endpoint in entry.hosts]
        dialer = Dialer(self._io, self, targets, entry.options.t0, self._resolver.addresses)
        self._dialing = self._io.spawn(dialer.run(), f"dialer of {entry.key}")

    async def stop(self) -> None:
        """Dial no more; a started RTU is stopped and has a moment to confirm."""
        if self._dialing is not None:
            self._dialing.cancel()
        stream = self.stream
        if stream is None:
            return
        if stream.link.state is State.STARTED:
            self.stop_transfer(self._io.loop.time())
        if stream.link.state is State.STOPPING:
            self._stop_confirmed.clear()
            try:
                await asyncio.wait_for(self._stop_confirmed.wait(), _STOP_CON)
            except TimeoutError:
                self.journal.line("no stopdt con", Level.WARNING)

    def facts(self) -> Facts:
        """The numbers of its link; from any thread."""
        stream = self.stream
        return facts_of(self.journal, () if stream is None else (stream,), ())

    # What the hub asks for

    def set_tap(self, tap: Tap | None) -> None:
        """Let this and every later connection be seen, or none."""
        self._tap = tap
        if self.stream is not None:
            self.stream.tap = tap

    def test(self, now: float) -> None:
        """TESTFR act; its con makes a stopped RTU usable."""
        if self.stream is not None:
            self.stream.link.test(now)
            self.stream.flush(now)

    def start_transfer(self, now: float) -> None:
        """STARTDT act."""
        if self.stream is not None:
            self.stream.link.start(now)
            self._say("startdt transmitted")
            self.stream.flush(now)
            self.publish()

    def stop_transfer(self, now: float) -> None:
        """STOPDT act, behind the I-frames handed over before."""
        if self.stream is not None:
            self.stream.flush(now)
            self.stream.link.stop(now)
            self.journal.line("stopdt transmitted")
            self.stream.flush(now)
            self.publish()

    def became_usable(self) -> None:
        """The RTU has confirmed: from here on every change is worth its line again."""
        self.was_usable = True
        self._said.clear()

    def transfer_started(self) -> None:
        """STARTDT con has come."""
        self.journal.line("startdt con received")
        self._was_started = True
        if self._target is not None:
            self._unstarted_closes.pop(self._target, None)

    def transfer_stopped(self) -> None:
        """STOPDT con has come."""
        self.journal.line("stopdt con received")
        self._stop_confirmed.set()

    def end(self, reason: str, failure: LinkFailed | None = None) -> None:
        """The link is over, whoever ended it; the dialer goes on."""
        stream, self.stream = self.stream, None
        if stream is None:
            return
        stream.close(reason, at_once=True)
        if failure is not None:
            self.journal.link_failed(failure, stream.host)
            if failure.reason is Reason.NO_ANSWER and not self.was_usable:
                self._wants_startdt("left a test unanswered while stopped")
        self._say(f"disconnected: {reason}", Level.WARNING)
        self.journal.say(RtuState.CONNECTING, reason, connected=False)
        self._stop_confirmed.set()
        self._owner.rtu_over(self._io.loop.time())
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    def note(self, note: Note) -> None:
        """Count and log what the group noted about the RTU."""
        self.journal.note(note, self.stream.host if self.stream is not None else "")

    def publish(self) -> None:
        """Say what the RTU's entry is doing, from what is so."""
        stream = self.stream
        if stream is None:
            return
        match stream.link.state:
            case State.STARTED:
                state, detail = RtuState.ONLINE, ""
            case State.STARTING:
                state, detail = RtuState.STARTING, "waiting for startdt con"
            case _ if self.was_usable:
                state, detail = RtuState.WAITING, ""
            case _:
                state, detail = RtuState.STARTING, "testing the link"
        self.journal.say(state, detail, stream.peer)

    # What the dialer says

    def trying(self, target: Target) -> None:
        self._say_once(f"trying {target}")
        self.journal.say(RtuState.CONNECTING, f"trying {target}", connected=False)

    def failed(self, target: Target, reason: str) -> None:
        self._say_once(f"no connection to {target}: {reason}", Level.WARNING)
        self.journal.say(RtuState.CONNECTING, f"{target}: {reason}", connected=False)

    async def use(self, target: Target, sock: socket.socket) -> Outcome:
        now = self._io.loop.time()
        # Each link numbers and asks afresh: what an older one still owed is nobody's any more.
        link = Link(Role.CONTROLLING, self._timing, Outbox(self.entry.options.buffer), now)
        self.stream = stream = Stream(self._io, self, link, sock)
        stream.tap = self._tap
        self._over = self._io.loop.create_future()
        self._target = target
        self.was_usable = self._was_started = False
        self.journal.counters.connections += 1
        self._say_once(f"connected to {target}")
        self.journal.say(RtuState.STARTING, "connected", stream.peer, connected=True)
        try:
            await stream.bind()
        except OSError as error:
            self.end(f"connection lost: {error_words(error)}")
        else:
            self._owner.rtu_connected(now, always=target in self._always)
        await self._over
        if self._was_started:
            return Outcome.STARTED
        return Outcome.USABLE if self.was_usable else Outcome.UNUSABLE

    def _say(self, text: str, level: Level = Level.INFO) -> None:
        """A line; of a link that is not usable only what was not said of the ones before."""
        if self.was_usable:
            self.journal.line(text, level)
        else:
            self._say_once(text, level)

    def _say_once(self, text: str, level: Level = Level.INFO) -> None:
        """Said on change: the same again only after the RTU was usable."""
        if text not in self._said:
            self._said.add(text)
            self.journal.line(text, level)

    def _wants_startdt(self, why: str) -> None:
        if self._target is not None and self._target not in self._always:
            self._always.add(self._target)
            text = f"{self._target} {why}: from the next try treated as startdt,always"
            self.journal.line(text, Level.WARNING)

    # What the stream says

    def link_turned(self, stream: Stream, events: Sequence[Event], now: float) -> None:
        if stream is self.stream:
            self._owner.rtu_turned(events, now)

    def room_again(self, stream: Stream, now: float) -> None:
        if stream is self.stream:
            self._owner.rtu_room(now)

    def stream_ended(self, stream: Stream, reason: str) -> None:
        if stream is not self.stream:
            return
        target = self._target
        if target is not None and not self._was_started:
            closes = self._unstarted_closes[target] = self._unstarted_closes.get(target, 0) + 1
            if closes >= _UNSTARTED_CLOSES:
                self._wants_startdt(f"closed {closes} connections that were not started")
        self.end(reason)

    def owner_failed(self, stream: Stream, error: Exception) -> None:
        self.journal.failed(error)
        if stream is self.stream:
            self.end(f"internal error: {error!r}")
        else:
            stream.close("internal error", at_once=True)
