"""The shell of one station: its port and connections, and the wheel that wakes all stations."""

import asyncio
import heapq
import logging
import socket
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from core.connections.listener import Listener
from core.connections.loop import IoThread
from core.connections.stream import Stream
from core.connections.words import error_words
from core.protocol.link import (
    NEVER,
    Event,
    Link,
    LinkFailed,
    Role,
    Started,
    Stopped,
    Timing,
)
from core.protocol.outbox import Outbox
from core.protocol.run import Run, address_of
from core.simulator.plant import Action, Close, Restart, Tamper
from core.simulator.station import Station
from core.simulator.tampering import TamperedStream

_log = logging.getLogger("iec104.simulator")

_STEP: Final = 0.01
"""Seconds: what is due within it is done together."""
_WINDOW: Final = 32_767


class Server:
    """One station on its port. I/O thread only."""

    def __init__(
        self, io: IoThread, wheel: "Wheel", station: Station, bind: str, port: int, timing: Timing
    ) -> None:
        self.station = station
        self.port = port
        self.scheduled = NEVER
        """For the wheel: when it will call."""
        self._io = io
        self._wheel = wheel
        self._bind = bind
        self._timing = timing
        self._listener: Listener | None = None
        self._streams: dict[int, TamperedStream] = {}
        self._numbers: dict[Stream, int] = {}
        self._return: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Listen; raises OSError if the port cannot be had."""
        self._listener = Listener(self._io, self._bind, self.port, self._accepted)
        self._wheel.touch(self)

    def close(self) -> list[Stream]:
        """End everything; the connections, for which what is written goes out for a moment."""
        if self._return is not None:
            self._return.cancel()
            self._return = None
        self._wheel.remove(self)
        self._close_port()
        now = self._io.loop.time()
        streams = list(self._numbers)
        for stream in streams:
            self._end(stream, "the simulator ends", now, at_once=False)
        return streams

    def advance(self, now: float) -> None:
        """The wheel calls: something is due."""
        self.station.advance(now)
        self.pump(now)

    def pump(self, now: float) -> None:
        """Do what the station wants done, and send what its clients can take."""
        for action in self.station.take_actions():
            self._carry_out(action, now)
        for number in self.station.waiting:
            stream = self._streams.get(number)
            if stream is not None:
                self._fill(number, stream, now)
        self._wheel.touch(self)

    def _fill(self, number: int, stream: TamperedStream, now: float) -> None:
        room = stream.link.room
        if room <= 0:
            return
        asdus = self.station.take(number, room)
        for address, part in groupby(asdus, key=lambda asdu: address_of(asdu.oa, asdu.ca)):
            stream.link.send(Run.of(*part), address)
        stream.flush(now)

    def _carry_out(self, action: Action, now: float) -> None:
        match action:
            case Close(number, reason, at_once):
                stream = self._streams.get(number)
                if stream is not None:
                    self._fill(number, stream, now)
                    self._end(stream, reason, now, at_once=at_once)
            case Tamper(number, what):
                for one, stream in list(self._streams.items()):
                    if number in (0, one):
                        self._tamper(stream, what)
            case Restart(seconds, cause):
                self._restart(seconds, cause, now)

    def _tamper(self, stream: TamperedStream, what: str) -> None:
        match what:
            case "silent":
                stream.fall_silent()
            case "talk":
                stream.talk()
            case _:
                stream.send_wrong_sequence()

    def _restart(self, seconds: float, cause: int, now: float) -> None:
        if self._return is not None:  # it is down already
            return
        for number, stream in list(self._streams.items()):
            self._fill(number, stream, now)
            self._end(stream, "the station restarts", now, at_once=False)
        self._close_port()
        self.station.go_down(now)
        self._return = self._io.loop.call_later(seconds, self._come_back, cause)

    def _come_back(self, cause: int) -> None:
        try:
            self._listener = Listener(self._io, self._bind, self.port, self._accepted)
        except OSError as error:
            _log.warning("port %d cannot be opened again: %s", self.port, error_words(error))
            self._return = self._io.loop.call_later(1.0, self._come_back, cause)
            return
        self._return = None
        self.station.restart(self._io.loop.time(), cause)
        self._wheel.touch(self)

    def _close_port(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    # Connections

    def _accepted(self, sock: socket.socket, host: str) -> None:
        now = self._io.loop.time()
        link = Link(Role.CONTROLLED, self._timing, Outbox(_WINDOW), now)
        stream = TamperedStream(self._io, self, link, sock, lambda: self.station.behaviour)
        number = self.station.connected(host, stream.peer, now)
        if not number:
            sock.close()
            return
        self._streams[number] = stream
        self._numbers[stream] = number
        self._io.spawn(self._take_over(stream), f"connection to station {self.station.number}")
        self.pump(now)

    async def _take_over(self, stream: TamperedStream) -> None:
        try:
            await stream.bind()
        except OSError as error:
            self.stream_ended(stream, f"connection lost: {error_words(error)}")

    def _end(self, stream: Stream, reason: str, now: float, *, at_once: bool) -> None:
        number = self._numbers.pop(stream, 0)
        if not number:
            return
        del self._streams[number]
        if not at_once:
            stream.flush(now)
        undelivered = [a for run in stream.link.outbox.undelivered() for a in run.asdus()]
        self.station.gone(number, now, reason, undelivered)
        stream.close(reason, at_once=at_once)

    # What a stream says

    def link_turned(self, stream: Stream, events: Sequence[Event], now: float) -> None:
        """Octets arrived, or a deadline passed."""
        number = self._numbers.get(stream, 0)
        for event in events:
            match event:
                case Run():
                    for asdu in event.asdus():
                        self.station.receive(number, asdu, now)
                case Started():
                    self.station.started(number, now)
                case Stopped():
                    self.station.stopped(number, now)
                case LinkFailed():
                    self._end(stream, str(event), now, at_once=True)
        self.pump(now)
        stream.flush(now)

    def room_again(self, stream: Stream, now: float) -> None:
        """The transport takes data again."""
        self.pump(now)
        stream.flush(now)

    def stream_ended(self, stream: Stream, reason: str) -> None:
        """The connection is over."""
        self._end(stream, reason, self._io.loop.time(), at_once=True)

    def owner_failed(self, stream: Stream, error: Exception) -> None:
        """Our own fault: it costs this connection and nothing else."""
        _log.error("station %d: internal error", self.station.number, exc_info=error)
        self._end(stream, "internal error", self._io.loop.time(), at_once=True)


class Wheel:
    """Calls each station when something of it is due: one timer for all of them."""

    def __init__(self, io: IoThread) -> None:
        self._io = io
        self._heap: list[tuple[float, int, Server]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._next = NEVER

    def touch(self, server: Server) -> None:
        """Something may have become due earlier than was known."""
        due = server.station.due
        if due < server.scheduled:
            server.scheduled = due
            heapq.heappush(self._heap, (due, server.station.number, server))
            self._arm()

    def remove(self, server: Server) -> None:
        """Call it no more."""
        self._heap = [entry for entry in self._heap if entry[2] is not server]
        heapq.heapify(self._heap)
        server.scheduled = -NEVER

    def _arm(self) -> None:
        if not self._heap or self._heap[0][0] >= self._next:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._next = self._heap[0][0]
        earliest = self._io.loop.time() + _STEP
        self._timer = self._io.loop.call_at(max(self._next, earliest), self._turn)

    def _turn(self) -> None:
        self._timer = None
        now = self._io.loop.time()
        while self._heap and self._heap[0][0] <= now:
            due, _, server = heapq.heappop(self._heap)
            if due != server.scheduled:  # an earlier call has made this one needless
                continue
            server.scheduled = NEVER
            try:
                server.advance(now)
            except Exception:  # one station's fault must not stop the others
                _log.exception("station %d: internal error", server.station.number)
                self.touch(server)
        self._next = NEVER
        self._arm()
