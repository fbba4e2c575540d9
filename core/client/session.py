"""The client's end of the link, on its own I/O thread: dials, starts, receives, asks, dials again.

One session lasts from the client's start to its stop, over any number of links.
"""

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Protocol

from core.client.errors import IEC104Error, NotConnectedError, OverflowedError
from core.client.questions import Ledger, Question
from core.client.results import ClientState
from core.connections.dialer import Dialer, Outcome, Target
from core.connections.loop import IoThread
from core.connections.resolver import Resolver
from core.connections.stream import Stream
from core.protocol.asdu import Asdu
from core.protocol.link import (
    Event,
    Irregular,
    Link,
    LinkFailed,
    Role,
    SequenceGap,
    Started,
    State,
    Stopped,
    TestConfirmed,
    Timing,
)
from core.protocol.outbox import Outbox
from core.protocol.run import Run, address_of

_log = logging.getLogger("iec104.client")

_STOP_CON: Final = 1.0
"""Seconds the station has to confirm STOPDT when the client stops."""
_CLOSING: Final = 0.7
"""Seconds connections may take to be over before they are ended by force."""
_QUIET: Final = 60.0
"""Seconds between two log lines about the same kind of trouble."""
_OUTBOX_ASDUS: Final = 1000


@dataclass(frozen=True, slots=True)
class Settings:
    """What a client was made with."""

    target: Target
    timing: Timing
    t0: float
    is_tolerant: bool
    reconnects: bool
    tls: ssl.SSLContext | None
    tls_name: str | None


class SessionOwner(Protocol):
    """The client, as its session sees it; called on the I/O thread."""

    def frames_arrived(self, frames: Sequence[bytes]) -> None:
        """I-format APDUs, each whole, in the order they came."""
        ...

    def state_changed(self, state: ClientState, detail: str) -> None:
        """The session is doing something else; STOPPED is the last call."""
        ...


class Session:
    """One life of a client. ``connections`` and ``gaps`` count links and sequence gaps."""

    def __init__(self, settings: Settings, owner: SessionOwner) -> None:
        self.connections = 0
        self.gaps = 0
        self._settings = settings
        self._owner = owner
        self._io = IoThread(f"iec104-client {settings.target}", daemon=True)
        self._stream: Stream | None = None
        self._ledger = Ledger()
        self._state = ClientState.CONNECTING
        self._was_started = False
        self._is_ending = False
        self._over: asyncio.Future[None] | None = None
        self._dialing: asyncio.Task[None] | None = None
        self._stop_confirmed = asyncio.Event()
        self._ended = threading.Event()
        self._said = Occasions(_QUIET)
        self._last_trouble = ""

    # From any thread

    def start(self) -> None:
        """Begin to dial."""
        self._io.start()
        self._io.call(self._begin)

    def stop(self, timeout: float) -> bool:
        """End the link in order, then the thread; whether that has ended in time."""
        self._io.call(self._finish, "stopped")
        self._ended.wait(timeout - 0.3)
        return self._io.end(0.3)

    def ask(self, question: Question) -> None:
        """Send a request when its turn comes; its ``done`` is told the outcome."""
        self._io.call(self._take_question, question)

    def give_up(self, question: Question) -> None:
        """Nobody waits for this request any more."""
        self._io.call(self._ledger.give_up, question)

    def send(self, asdu: Asdu, done: Callable[[IEC104Error | None], None]) -> None:
        """Send an ASDU that nobody waits for an answer to."""
        self._io.call(self._send_alone, asdu, done)

    # The I/O thread's own

    @property
    def due(self) -> float:
        """When a request has a deadline."""
        return self._ledger.due

    def deadline_passed(self, now: float) -> None:
        """Called by the tick."""
        self._ledger.expire(now)
        self._pump(now)
        if self._stream is not None:
            self._stream.flush(now)

    def _begin(self) -> None:
        settings = self._settings
        resolver = Resolver(self._io.loop)
        self._io.watch(self)
        dialer = Dialer(self._io, self, [settings.target], settings.t0, resolver.addresses)
        self._dialing = self._io.spawn(dialer.run(), f"dialer of {settings.target}")

    def _finish(self, reason: str) -> None:
        if not self._is_ending:
            self._is_ending = True
            self._io.spawn(self._shut_down(reason), "end of the client")

    async def _shut_down(self, reason: str) -> None:
        try:
            if self._dialing is not None:
                self._dialing.cancel()
            stream = self._stream
            if stream is not None and stream.link.state is State.STARTED:
                now = self._io.loop.time()
                stream.link.stop(now)
                stream.flush(now)
            if stream is not None and stream.link.state is State.STOPPING:
                try:
                    await asyncio.wait_for(self._stop_confirmed.wait(), _STOP_CON)
                except TimeoutError:
                    _log.info("%s: no STOPDT con", self._settings.target)
            self._end(reason, at_once=False)
            self._ledger.lose(reason)
            await self._connections_over()
        finally:
            self._io.unwatch(self)
            self._say(ClientState.STOPPED, reason)
            self._ended.set()
            self._io.loop.call_soon(self._io.loop.stop)

    async def _connections_over(self) -> None:
        end = self._io.loop.time() + _CLOSING
        while self._io.streams and self._io.loop.time() < end:
            await asyncio.sleep(0.01)
        for stream in list(self._io.streams):
            stream.abort()
        await asyncio.sleep(0.01)

    def _take_question(self, question: Question) -> None:
        now = self._io.loop.time()
        try:
            self._demand_started(question.name)
            self._ledger.add(question)
        except IEC104Error as error:
            question.done(error)
            return
        self._pump(now)
        if self._stream is not None:
            self._stream.flush(now)

    def _demand_started(self, what: str) -> None:
        stream = self._stream
        if stream is None or stream.link.state is not State.STARTED or self._is_ending:
            raise NotConnectedError(f"{what}: {self._state} ({self._last_trouble or 'no link'})")

    def _send_alone(self, asdu: Asdu, done: Callable[[IEC104Error | None], None]) -> None:
        try:
            self._demand_started(f"sending {asdu.name}")
            assert self._stream is not None
            if not self._stream.link.room:
                raise OverflowedError("the station has not acknowledged what was sent before")
        except IEC104Error as error:
            done(error)
            return
        self._put(asdu)
        self._stream.flush(self._io.loop.time())
        done(None)

    def _pump(self, now: float) -> None:
        """Hand over requests as long as they go out at once: what waits can still be withdrawn."""
        while self._stream is not None and self._stream.link.room:
            question = self._ledger.next_to_send()
            if question is None:
                return
            self._put(question.send())

    def _put(self, asdu: Asdu) -> None:
        assert self._stream is not None
        self._stream.link.send(Run.of(asdu), address_of(asdu.oa, asdu.ca))

    def _received(self, run: Run, now: float) -> None:
        octets, sizes = run.octets, run.sizes
        frames = [
            octets[end - size : end] for size, end in zip(sizes, accumulate(sizes), strict=True)
        ]
        self._owner.frames_arrived(frames)
        if self._ledger.is_open:
            for asdu in run.asdus():
                self._ledger.take(asdu, now)

    def _end(self, reason: str, *, at_once: bool = True) -> None:
        """The link is over, whoever ended it; the dialer goes on."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        stream.close(reason, at_once=at_once)
        self._last_trouble = reason
        self._stop_confirmed.set()
        if not self._is_ending:
            self._complain(f"link to {stream.peer} lost: {reason}")
            self._say(ClientState.CONNECTING, reason)
        # After the state: who hears of the loss must not find the client still started.
        self._ledger.lose(reason)
        if self._over is not None and not self._over.done():
            self._over.set_result(None)
        if not self._settings.reconnects:
            self._finish(reason)

    def _say(self, state: ClientState, detail: str) -> None:
        if self._state is not ClientState.STOPPED:
            self._state = state
            self._owner.state_changed(state, detail)

    def _complain(self, text: str) -> None:
        """Once per kind of trouble and while, however often it comes."""
        skipped = self._said.take(text, self._io.loop.time())
        if skipped is not None:
            _log.warning("%s%s", text, f" ({skipped} times before)" if skipped else "")

    # What the dialer says

    def trying(self, target: Target) -> None:
        self._say(ClientState.CONNECTING, f"trying {target}")

    def failed(self, target: Target, reason: str) -> None:
        self._last_trouble = reason
        self._complain(f"no connection to {target}: {reason}")
        self._say(ClientState.CONNECTING, f"{target}: {reason}")
        if not self._settings.reconnects:
            self._finish(reason)

    async def use(self, target: Target, sock: socket.socket) -> Outcome:
        settings = self._settings
        now = self._io.loop.time()
        link = Link(Role.CONTROLLING, settings.timing, Outbox(_OUTBOX_ASDUS), now)
        link.tolerant = settings.is_tolerant
        self._stream = stream = Stream(self._io, self, link, sock)
        self._over = self._io.loop.create_future()
        self._was_started = False
        self.connections += 1
        self._say(ClientState.STARTING, stream.peer)
        try:
            await stream.bind(settings.tls, settings.tls_name or target.host)
        except (OSError, ValueError) as error:  # ValueError: the context wants what is not there
            self._end(f"no TLS: {error}" if settings.tls else f"connection lost: {error}")
            return Outcome.UNUSABLE
        if self._stream is stream:
            now = self._io.loop.time()
            link.start(now)
            stream.flush(now)
            await self._over
        return Outcome.STARTED if self._was_started else Outcome.UNUSABLE

    # What the stream says

    def link_turned(self, stream: Stream, events: Sequence[Event], now: float) -> None:
        if stream is not self._stream:
            return
        for event in events:
            match event:
                case Run():
                    self._received(event, now)
                case Started():
                    self._has_started(stream)
                case Stopped():
                    self._stop_confirmed.set()
                    if not self._is_ending:
                        self._end("the station has stopped data transfer")
                        return
                case SequenceGap(detail):
                    self.gaps += 1
                    self._note_gap(stream, detail, now)
                case Irregular(detail):
                    _log.info("%s sent something odd: %s", stream.peer, detail)
                case LinkFailed():
                    self._end(str(event))
                    return
                case TestConfirmed():
                    pass
        self._pump(now)
        stream.flush(now)

    def room_again(self, stream: Stream, now: float) -> None:
        if stream is self._stream:
            self._pump(now)
            stream.flush(now)

    def stream_ended(self, stream: Stream, reason: str) -> None:
        if stream is not self._stream:
            return
        if self._settings.tls is not None and not self._was_started:
            reason += " (was a certificate refused?)"
        self._end(reason)

    def owner_failed(self, stream: Stream, error: Exception) -> None:
        _log.error("internal error at %s", stream.peer, exc_info=error)
        if stream is self._stream:
            self._end(f"internal error: {error!r}")
        else:
            stream.close("internal error", at_once=True)

    def _has_started(self, stream: Stream) -> None:
        self._was_started = True
        self._said.clear()
        _log.info("started: %s", stream.peer)
        self._say(ClientState.STARTED, stream.peer)

    def _note_gap(self, stream: Stream, detail: str, now: float) -> None:
        skipped = self._said.take("gap", now)
        if skipped is not None:
            more = f" ({skipped} more since the last such line)" if skipped else ""
            _log.warning("%s: sequence gap tolerated: %s%s", stream.peer, detail, more)


class Occasions:
    """When something was last said: the same again only after ``pause`` seconds."""

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._last: dict[str, tuple[float, int]] = {}

    def take(self, what: str, now: float) -> int | None:
        """How often it was kept silent since it was last said; None: keep silent."""
        since, skipped = self._last.get(what, (-self._pause, 0))
        if now - since < self._pause:
            self._last[what] = since, skipped + 1
            return None
        if len(self._last) >= _MOST_OCCASIONS:
            self._last.clear()
        self._last[what] = now, 0
        return skipped

    def clear(self) -> None:
        """Whatever comes next is news."""
        self._last.clear()


_MOST_OCCASIONS: Final = 100
