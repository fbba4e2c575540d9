"""A master entry's end of a group: its port, its places, and which connections get one."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Final, Protocol

from core.config import MasterEntry
from core.connections.loop import IoThread
from core.connections.resolver import Resolver
from core.connections.stream import Stream, Tap, endpoint_text
from core.connections.words import error_words
from core.gateway.facts import facts_of
from core.gateway.journal import Journal
from core.gateway.parameters import timing_of
from core.gateway.place import Place
from core.gateway.port import Port
from core.logs import Level
from core.protocol.link import Event, Link, LinkFailed, Role, State
from core.protocol.outbox import Outbox
from core.routing.policy import Seat
from core.status import Facts, MasterState

_CORPSE_LIMIT: Final = 3.0
"""Seconds the connections there are have to answer a test while a new one waits."""
_PEERS_SHOWN: Final = 3


class MasterOwner(Protocol):
    """The hub, as a master's end sees it; called on the I/O thread."""

    @property
    def is_braking(self) -> bool:
        """Whether the hub wants to hear of every acknowledgement."""
        ...

    def master_turned(
        self, place: Place, stream: Stream, events: Sequence[Event], now: float
    ) -> None:
        """What came of octets or of a deadline."""
        ...

    def connection_over(
        self, place: Place, stream: Stream, reason: str, *, may_move: bool = True
    ) -> None:
        """End a connection. ``may_move``: its data may go to another one of the same place."""
        ...


class MasterEnd:
    """One master entry, with the seats from ``first_seat`` on.

    ``connections`` are those that have a place, the oldest first. ``mode=each`` has a place for
    every connection, ``mode=pair`` one place for all.
    """

    __slots__ = (
        "_corpse_check", "_free", "_io", "_owner", "_port", "_tap", "_untested", "_waiting",
        "connections", "counters", "entry", "journal", "places", "timing",
    )  # fmt: skip

    def __init__(
        self, io: IoThread, resolver: Resolver, owner: MasterOwner, first_seat: Seat,
        entry: MasterEntry, journal: Journal,
    ) -> None:  # fmt: skip
        self.entry = entry
        self.journal = journal
        self.counters = journal.counters
        self.timing = timing_of(entry.options)
        self.places = tuple(
            Place(self, seat, entry.options.buffer)
            for seat in range(first_seat, first_seat + entry.seats)
        )
        self.connections: dict[Stream, Place] = {}
        self._tap: Tap | None = None
        self._io = io
        self._owner = owner
        self._port = Port(
            io, resolver, entry, journal, self._accepted, self._not_admitted, self.publish
        )
        # The one that was left first is taken first, so that an originator address, which late
        # answers may still carry, rests as long as it can.
        self._free = list(self.places)
        self._waiting: Stream | None = None
        self._untested: set[Stream] = set()
        self._corpse_check: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Say what the entry was started with; the port opens when the RTU is usable."""
        entry = self.entry
        numbers = ";".join(map(str, entry.numbers))
        hosts = "any" if entry.hosts.is_open else str(entry.hosts) or "nobody"
        several = ""
        if entry.options.conns > 1:
            several = f", {entry.options.conns} connections, mode {entry.options.mode}"
        bind = f" on {', '.join(entry.options.bind)}" if entry.options.bind else ""
        self.journal.head(f"port {entry.port}{bind}, RTU number {numbers}, hosts {hosts}{several}")

    def open(self) -> None:
        """Let the master connect."""
        self._port.open()

    def close(self) -> None:
        """Close the port; connections live on until the hub ends them."""
        self._port.close()
        self._refuse_waiting("the port is closed")
        self.publish()

    def drop(self, stream: Stream, reason: str, *, at_once: bool) -> bool:
        """End a connection that has a place and take it from there; whether it had one."""
        place = self.connections.pop(stream, None)
        if place is None:
            return False
        if not at_once:
            stream.flush(self._io.loop.time())
        stream.close(reason, at_once=at_once)
        self._untested.discard(stream)
        place.go(stream)
        if place.is_empty:
            self._free.append(place)
        return True

    def set_tap(self, tap: Tap | None) -> None:
        """Let every connection, now and later, be seen, or none."""
        self._tap = tap
        for stream in self.connections:
            stream.tap = tap
        if self._waiting is not None:
            self._waiting.tap = tap

    def facts(self) -> Facts:
        """The numbers of its links; from any thread."""
        outboxes = [place.outbox for place in self.places]
        return facts_of(self.journal, list(self.connections), outboxes)

    def tell(self, stream: Stream, text: str, level: Level = Level.INFO) -> None:
        """A line about one connection, which is named if there may be several."""
        several = self.entry.options.conns > 1
        self.journal.line(f"{stream.peer}: {text}" if several else text, level)

    def publish(self) -> None:
        """Say what this master's entry is doing, from what is so."""
        self._publish(None)

    def _publish(self, connected: bool | None) -> None:
        if self.connections:
            started = [s for s in self.connections if s.link.state is State.STARTED]
            state = MasterState.ONLINE if started else MasterState.CONNECTED
            others = [s for s in self.connections if s not in started]
            peers = [stream.peer for stream in (*started, *others)]
            text = ", ".join(peers[:_PEERS_SHOWN])
            if len(peers) > _PEERS_SHOWN:
                text += f" and {len(peers) - _PEERS_SHOWN} more"
            self.journal.say(state, "", text, connected)
        elif self._port.is_listening:
            self.journal.say(MasterState.LISTENING, self._port.trouble, connected=False)
        elif not self._port.is_open:
            self.journal.say(MasterState.HELD, connected=False)

    # Who comes in

    def _not_admitted(self, host: str, port: int, why: str) -> None:
        self.counters.connections += 1
        self._say_refused(host, endpoint_text(host, port), why)

    def _accepted(self, sock: socket.socket, host: str) -> None:
        self.counters.connections += 1
        options = self.entry.options
        known = [stream for stream in self.connections if stream.host == host]
        if known and options.same_ip == "old":
            self._refuse(sock, host, known[0])
            return
        if known and options.same_ip == "new":
            for stream in known:
                self._replace(stream)
        if len(self.connections) < options.conns:
            self._refuse_waiting("a newer connection came")
            self._admit(sock)
        elif options.same == "new":
            self._let_wait(sock)
        elif options.same == "replace" and known:
            idle = [stream for stream in known if stream.link.state is not State.STARTED]
            self._replace((idle or known)[0])
            self._admit(sock)
        else:
            self._refuse(sock, host, next(iter(self.connections)))

    def _replace(self, stream: Stream) -> None:
        place = self.connections.get(stream)
        if place is not None:
            why = "replaced by a new connection from the same address"
            self._owner.connection_over(place, stream, why)

    def _admit(self, sock: socket.socket) -> None:
        if self._port.is_open:
            self._seat(self._new_stream(sock))
        else:  # closed since, by an error of ours in what the replaced connection left behind
            sock.close()

    def _let_wait(self, sock: socket.socket) -> None:
        """Ask the connections there are whether they live; the new one is served, not started."""
        self._refuse_waiting("a newer connection came")
        self._waiting = stream = self._new_stream(sock)
        stream.link.hold_start = True
        tested = list(self.connections)
        if len(tested) == 1:
            text = f"second connection from {stream.peer}: testing the first, {tested[0].peer}"
        else:
            text = f"one connection too many, from {stream.peer}: testing the {len(tested)} others"
        self.journal.often(text)
        self._untested = set(tested)
        limit = min(self.timing.t1, _CORPSE_LIMIT)
        self._corpse_check = self._io.loop.call_later(limit, self._somebody_is_dead)
        now = self._io.loop.time()
        for each in tested:
            each.link.test(now)
            each.flush(now)

    def answered(self, stream: Stream) -> None:
        """A connection has confirmed a test: if all have, who waits for a place is refused."""
        self._untested.discard(stream)
        if self._waiting is not None and not self._untested:
            n = self.entry.options.conns
            who = "the first connection is alive" if n == 1 else f"all {n} connections are alive"
            advice = f"conns={n + 1} would let {'both' if n == 1 else 'all'} in"
            self._refuse_waiting(who, f"; {advice}")

    def _somebody_is_dead(self) -> None:
        self._corpse_check = None
        for stream, place in self.connections.items():
            if self._waiting is not None and stream in self._untested:
                why = "no answer to a test while a new connection waited"
                self._owner.connection_over(place, stream, why)
                return

    def place_is_free(self) -> None:
        """A connection is gone: who waits takes its place."""
        waiting = self._waiting
        if waiting is None or not self._port.is_open:
            return
        if len(self.connections) >= self.entry.options.conns:
            return
        self._end_waiting()
        place = self._seat(waiting)
        now = self._io.loop.time()
        self._owner.master_turned(place, waiting, waiting.link.release_start(now), now)

    def _refuse_waiting(self, why: str, more: str = "") -> None:
        waiting = self._waiting
        if waiting is not None:
            self._end_waiting()
            self._say_refused(waiting.host, waiting.peer, why, more)
            waiting.close(why)

    def _end_waiting(self) -> None:
        self._waiting = None
        self._untested.clear()
        if self._corpse_check is not None:
            self._corpse_check.cancel()
            self._corpse_check = None

    def _waiting_turned(self, stream: Stream, events: Sequence[Event], now: float) -> None:
        for event in events:
            if isinstance(event, LinkFailed):
                self._end_waiting()
                self.journal.link_failed(event, stream.host)
                self.journal.often(f"second connection from {stream.peer} given up: {event}")
                stream.close(str(event), at_once=True)
                return
        stream.flush(now)

    def _refuse(self, sock: socket.socket, host: str, other: Stream) -> None:
        try:
            peer = endpoint_text(host, sock.getpeername()[1])
        except OSError:
            peer = host
        sock.close()
        self._say_refused(host, peer, "connected already", f" from {other.peer}")

    def _say_refused(self, host: str, peer: str, why: str, more: str = "") -> None:
        self.counters.peers_refused += 1
        is_news = self.journal.refused(host, peer, why, more)
        if is_news and not self.connections:
            self.journal.say(MasterState.REFUSED, f"{peer}: {why}{more}", connected=False)

    def _new_stream(self, sock: socket.socket) -> Stream:
        # An outbox that is worth something comes with the place, to the connection that counts.
        outbox = Outbox(self.entry.options.buffer)
        link = Link(Role.CONTROLLED, self.timing, outbox, self._io.loop.time())
        stream = Stream(self._io, self, link, sock)
        stream.tap = self._tap
        self._io.spawn(self._bind(stream), f"connection of {self.entry.key}")
        return stream

    def _seat(self, stream: Stream) -> Place:
        """Give a connection a place; there must be room."""
        is_first = not self.connections
        place = self._free.pop(0) if self._free else self.places[0]
        self.connections[stream] = place
        place.come(stream)
        self.journal.line(f"connected from {stream.peer}")
        self._publish(True if is_first else None)
        return place

    async def _bind(self, stream: Stream) -> None:
        try:
            await stream.bind()
        except OSError as error:
            self.stream_ended(stream, f"connection lost: {error_words(error)}")

    # What the stream says

    def link_turned(self, stream: Stream, events: Sequence[Event], now: float) -> None:
        if not events and not self._owner.is_braking:
            stream.flush(now)  # an acknowledgement, nearly always: the window may have opened
            return
        place = self.connections.get(stream)
        if place is not None:
            self._owner.master_turned(place, stream, events, now)
        elif stream is self._waiting:
            self._waiting_turned(stream, events, now)

    def room_again(self, stream: Stream, now: float) -> None:
        stream.flush(now)

    def stream_ended(self, stream: Stream, reason: str) -> None:
        place = self.connections.get(stream)
        if place is not None:
            self._owner.connection_over(place, stream, reason)
        elif stream is self._waiting:
            self._end_waiting()

    def owner_failed(self, stream: Stream, error: Exception) -> None:
        self.journal.failed(error)
        place = self.connections.get(stream)
        if place is not None:
            why = f"internal error: {error!r}"
            self._owner.connection_over(place, stream, why, may_move=False)
        else:
            stream.close("internal error", at_once=True)
