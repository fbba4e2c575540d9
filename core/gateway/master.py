"""A master's end of a group: its port, who may come in, and which connection counts."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Final, Protocol

from core.config import MasterEntry
from core.connections.listener import Listener, has_ipv6
from core.connections.loop import IoThread
from core.connections.resolver import Resolver
from core.connections.stream import Stream, endpoint_text
from core.gateway.journal import Journal
from core.gateway.timing import timing_of
from core.logs import Level
from core.protocol.link import Event, Link, LinkFailed, Role, State
from core.protocol.outbox import Outbox
from core.protocol.run import Run
from core.routing.actions import Note
from core.routing.policy import Seat
from core.status import MasterState

_CORPSE_LIMIT: Final = 3.0
"""Seconds an old connection has to answer a test while a new one waits."""
_RETRY_PORT: Final = 3.0
_REFRESH_NAMES: Final = 300.0


class MasterOwner(Protocol):
    """The hub, as a master's end sees it; called on the I/O thread."""

    @property
    def is_braking(self) -> bool:
        """Whether the hub wants to hear of every acknowledgement."""
        ...

    def master_turned(self, end: "MasterEnd", events: Sequence[Event], now: float) -> None:
        """What came of octets or of a deadline."""
        ...

    def master_over(self, end: "MasterEnd", reason: str, *, at_once: bool = True) -> None:
        """End the current connection, whoever ended it."""
        ...


class MasterEnd:
    """One master entry; ``stream`` is the connection that counts, if anybody is connected."""

    def __init__(
        self, io: IoThread, resolver: Resolver, owner: MasterOwner, seat: Seat,
        entry: MasterEntry, journal: Journal,
    ) -> None:  # fmt: skip
        self.seat = seat
        self.entry = entry
        self.journal = journal
        self.counters = journal.counters
        self.timing = timing_of(entry.options)
        self.outbox = Outbox(entry.options.buffer)
        self.stream: Stream | None = None
        self.is_touched = False
        self._io = io
        self._resolver = resolver
        self._owner = owner
        self._listener: Listener | None = None
        self._is_open = False
        self._port_retry: asyncio.TimerHandle | None = None
        self._names_task: asyncio.Task[None] | None = None
        self._named: frozenset[str] = frozenset()
        self._waiting: Stream | None = None
        self._last_host = ""
        self._corpse_check: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Say what the entry was started with; the port opens when the RTU is usable."""
        entry = self.entry
        numbers = ";".join(map(str, entry.numbers))
        hosts = "any" if entry.hosts.is_open else str(entry.hosts) or "nobody"
        self.journal.head(f"port {entry.port}, RTU number {numbers}, hosts {hosts}")

    # The port

    def open(self) -> None:
        """Let the master connect; a port that cannot be had is retried until :meth:`close`."""
        if self._is_open:
            return
        self._is_open = True
        if self.entry.hosts.names:
            self._names_task = self._io.spawn(self._resolve_names(), f"names of {self.entry.key}")
        self._listen()

    def close(self) -> None:
        """Close the port; a connection lives on until the hub ends it."""
        self._is_open = False
        if self._port_retry is not None:
            self._port_retry.cancel()
            self._port_retry = None
        if self._names_task is not None:
            self._names_task.cancel()
            self._names_task = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._refuse_waiting("the port is closed")
        self.publish()

    def drop(self, reason: str, *, at_once: bool) -> Sequence[Run] | None:
        """End the connection: what the master had not acknowledged; None if there was none."""
        stream, self.stream = self.stream, None
        if stream is None:
            return None
        if not at_once:
            stream.flush(self._io.loop.time())
        stream.close(reason, at_once=at_once)
        undelivered = tuple(self.outbox.undelivered())
        n = self.outbox.clear()
        tail = f", {n} ASDUs not acknowledged" if n else ""
        self.journal.line(f"disconnected: {reason}{tail}")
        return undelivered

    def note(self, note: Note) -> None:
        """Count and log what the group noted about this master."""
        self.journal.note(note, self._last_host)

    def publish(self) -> None:
        """Say what this master's entry is doing, from what is so."""
        stream = self.stream
        if stream is not None:
            started = stream.link.state is State.STARTED
            state = MasterState.ONLINE if started else MasterState.CONNECTED
            self.journal.say(state, "", stream.peer)
        elif self._listener is not None:
            self.journal.say(MasterState.LISTENING, connected=False)
        elif not self._is_open:
            self.journal.say(MasterState.HELD, connected=False)

    def _listen(self) -> None:
        if not self._is_open or self._listener is not None:
            return
        port = self.entry.port
        try:
            self._listener = Listener(self._io, self._bind_address(), port, self._accepted)
        except OSError as error:
            why = f"port {port} cannot be opened: {error.strerror or error}"
            if self.journal.status.detail != why:
                self.journal.line(f"{why}; retried every {_RETRY_PORT:g} s", Level.ERROR)
            self.journal.say(MasterState.ERROR, why, connected=False)
            self._port_retry = self._io.loop.call_later(_RETRY_PORT, self._listen)
            return
        self.journal.line(f"listening on port {port}")
        self.publish()

    def _bind_address(self) -> str:
        # A socket for both families unless the filter speaks of IPv4 alone.
        hosts = self.entry.hosts
        is_ipv4 = not hosts.is_open and not hosts.names
        if is_ipv4 and all(network.version == 4 for network in hosts.networks):
            return "0.0.0.0"
        return "::" if has_ipv6() else "0.0.0.0"

    # Who comes in

    def _accepted(self, sock: socket.socket, host: str) -> None:
        self.counters.connections += 1
        if not (self.entry.hosts.admits_address(host) or host in self._named):
            self._refuse(sock, host, "not in the list of hosts")
            return
        current = self.stream
        if current is None:
            self._refuse_waiting("a newer connection came")
            self._take(sock)
            return
        same = self.entry.options.same
        if same == "replace" and host == current.host:
            self._owner.master_over(self, "replaced by a new connection from the same address")
            self._take(sock)
        elif same != "new":
            self._refuse(sock, host, f"connected already from {current.peer}")
        else:
            self._let_wait(sock, current)

    def _let_wait(self, sock: socket.socket, current: Stream) -> None:
        """Ask the old connection whether it lives; the new one is served, but not started."""
        self._refuse_waiting("a newer connection came")
        # Its outbox comes with its place.
        self._waiting = stream = self._new_stream(sock, Outbox(self.entry.options.buffer))
        stream.link.hold_start = True
        now = self._io.loop.time()
        current.link.test(now)
        current.flush(now)
        limit = min(self.timing.t1, _CORPSE_LIMIT)
        self.journal.often(
            f"second connection from {stream.peer}: testing the first, {current.peer}"
        )
        self._corpse_check = self._io.loop.call_later(limit, self._old_is_dead)

    def old_answered(self) -> None:
        """The connection that counts has confirmed a test: who waits for its place is refused."""
        self._refuse_waiting("the first connection is alive; conns=2 would let both in")

    def _old_is_dead(self) -> None:
        self._corpse_check = None
        if self._waiting is not None:
            self._owner.master_over(self, "no answer to a test while a new connection waited")

    def place_is_free(self) -> None:
        """The connection that counted is gone: who waits takes over."""
        waiting = self._waiting
        if waiting is None or self.stream is not None or not self._is_open:
            return
        self._end_waiting()
        waiting.link.outbox = self.outbox
        self._count_on(waiting)
        now = self._io.loop.time()
        self._owner.master_turned(self, waiting.link.release_start(now), now)

    def _refuse_waiting(self, why: str) -> None:
        waiting = self._waiting
        if waiting is not None:
            self._end_waiting()
            self._say_refused(waiting.host, waiting.peer, why)
            waiting.close(why)

    def _end_waiting(self) -> None:
        self._waiting = None
        if self._corpse_check is not None:
            self._corpse_check.cancel()
            self._corpse_check = None

    def _waiting_turned(self, events: Sequence[Event], now: float) -> None:
        waiting = self._waiting
        if waiting is None:
            return
        for event in events:
            if isinstance(event, LinkFailed):
                self._end_waiting()
                self.journal.link_failed(event, waiting.host)
                self.journal.often(f"second connection from {waiting.peer} given up: {event}")
                waiting.close(str(event), at_once=True)
                return
        waiting.flush(now)

    def _refuse(self, sock: socket.socket, host: str, why: str) -> None:
        try:
            peer = endpoint_text(host, sock.getpeername()[1])
        except OSError:
            peer = host
        sock.close()
        self._say_refused(host, peer, why)
        if self.stream is None:
            self.journal.say(MasterState.REFUSED, f"{peer}: {why}", connected=False)

    def _say_refused(self, host: str, peer: str, why: str) -> None:
        self.counters.peers_refused += 1
        self.journal.often(f"refused {peer}: {why}")
        self.journal.security("refused peer", host, why)

    def _new_stream(self, sock: socket.socket, outbox: Outbox) -> Stream:
        link = Link(Role.CONTROLLED, self.timing, outbox, self._io.loop.time())
        stream = Stream(self._io, self, link, sock)
        self._io.spawn(self._bind(stream), f"connection of {self.entry.key}")
        return stream

    def _take(self, sock: socket.socket) -> None:
        self._count_on(self._new_stream(sock, self.outbox))

    def _count_on(self, stream: Stream) -> None:
        self.stream = stream
        self._last_host = stream.host
        self.journal.line(f"connected from {stream.peer}")
        self.journal.say(MasterState.CONNECTED, "", stream.peer, connected=True)

    async def _bind(self, stream: Stream) -> None:
        try:
            await stream.bind()
        except OSError as error:
            self.stream_ended(stream, f"connection lost: {error}")

    async def _resolve_names(self) -> None:
        while True:
            found: set[str] = set()
            for name in self.entry.hosts.names:
                try:
                    found.update(await self._resolver.addresses(name))
                except OSError as error:
                    self.journal.line(f"host {name} not resolved: {error}", Level.WARNING)
            self._named = frozenset(found)
            await asyncio.sleep(_REFRESH_NAMES)

    # What the stream says

    def link_turned(self, stream: Stream, events: Sequence[Event], now: float) -> None:
        if stream is self._waiting:
            self._waiting_turned(events, now)
            return
        if stream is not self.stream:
            return
        if events or self._owner.is_braking:
            self._owner.master_turned(self, events, now)
        else:  # an acknowledgement, nearly always: the window may have opened
            stream.flush(now)

    def room_again(self, stream: Stream, now: float) -> None:
        stream.flush(now)

    def stream_ended(self, stream: Stream, reason: str) -> None:
        if stream is self.stream:
            self._owner.master_over(self, reason)
        elif stream is self._waiting:
            self._end_waiting()

    def owner_failed(self, stream: Stream, error: Exception) -> None:
        self.journal.failed(error)
        if stream is self.stream:
            self._owner.master_over(self, f"internal error: {error!r}")
        else:
            stream.close("internal error", at_once=True)
