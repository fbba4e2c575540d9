"""A TCP transport bound to a link: octets in, octets out, and nothing decided here."""

import asyncio
import socket
import ssl
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from core.connections.loop import IoThread
from core.connections.words import error_words
from core.protocol.link import Event, Link, Role

_READ_OCTETS = {Role.CONTROLLING: 16_384, Role.CONTROLLED: 2_048}
"""What is taken from one connection at once: what a flood of it may cost all others in one go. An
RTU sends much, a master little."""
_WRITE_LIMIT_OCTETS = 65_536
_PATIENCE = 0.5
"""Seconds a closing connection may take to hand over what is queued, before it is aborted."""
_HANDSHAKE_LIMIT = 10.0
"""Seconds a peer has to agree on TLS."""


class StreamOwner(Protocol):
    """Who a stream reports to; called on the I/O thread."""

    def link_turned(self, stream: "Stream", events: Sequence[Event], now: float) -> None:
        """Octets arrived, or a deadline passed: what that meant. The owner flushes the stream."""
        ...

    def room_again(self, stream: "Stream", now: float) -> None:
        """The transport takes data again after it had enough."""
        ...

    def stream_ended(self, stream: "Stream", reason: str) -> None:
        """The connection is over; the last call for this stream."""
        ...

    def owner_failed(self, stream: "Stream", error: Exception) -> None:
        """The link or one of the calls above raised: our own fault, not the peer's."""
        ...


class Tap(Protocol):
    """Who sees the octets of a stream; in between, so that it knows what came of them."""

    def receive(self, link: Link, data: bytes, now: float) -> Sequence[Event]:
        """As :meth:`Link.receive`."""
        ...

    def data_to_send(self, link: Link, now: float) -> bytes:
        """As :meth:`Link.data_to_send`."""
        ...


class Stream(asyncio.BufferedProtocol):
    """One connection. ``peer`` is its remote address as text, ``host`` the address without port.

    ``tap`` is None while nobody watches.
    """

    __slots__ = (
        "_buffer", "_io", "_is_bound", "_owner", "_reason", "_sock", "_transport", "host", "link",
        "peer", "tap",
    )  # fmt: skip

    def __init__(self, io: IoThread, owner: StreamOwner, link: Link, sock: socket.socket) -> None:
        self.link = link
        self.tap: Tap | None = None
        self.host, self.peer = _peer_of(sock)
        self._io = io
        self._buffer = io.buffer(_READ_OCTETS[link.role])
        self._owner = owner
        self._sock = sock
        self._transport: asyncio.Transport | None = None
        self._reason = ""
        self._is_bound = False

    async def bind(
        self, tls: ssl.SSLContext | None = None, server_hostname: str | None = None
    ) -> None:
        """Take the connected socket over; octets arrive from here on. Raises OSError.

        With ``tls`` the peer is the server, and the connection stands when both agree on keys;
        ``server_hostname`` is the name its certificate must have if the context checks that.
        """
        try:
            if tls is None:
                await self._io.loop.create_connection(lambda: self, sock=self._sock)
            else:
                await self._io.loop.create_connection(
                    lambda: self,
                    sock=self._sock,
                    ssl=tls,
                    server_hostname=server_hostname or "",
                    ssl_handshake_timeout=_HANDSHAKE_LIMIT,
                    ssl_shutdown_timeout=_PATIENCE,
                )
        except BaseException:
            self._sock.close()
            raise
        # Only now: uvloop takes the socket object at the very end, and ending the transport earlier
        # would leave an object that later closes whatever has its number then.
        self._is_bound = True
        if self._reason:
            self.abort()

    @property
    def due(self) -> float:
        """The link's next deadline."""
        return self.link.due

    def deadline_passed(self, now: float) -> None:
        """Called by the tick."""
        try:
            self._owner.link_turned(self, self.link.handle_timeout(now), now)
        except Exception as error:
            self._owner.owner_failed(self, error)

    def flush(self, now: float) -> None:
        """Write what the link has to send, if anything."""
        if self._reason:
            return
        tap = self.tap
        try:
            if tap is None or self._transport is None:
                data = self.link.data_to_send(now)
            else:
                data = tap.data_to_send(self.link, now)
        except Exception as error:
            self._owner.owner_failed(self, error)
            return
        # One that has just failed is not written to again: asyncio would complain on stderr.
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self, reason: str, *, at_once: bool = False) -> None:
        """End the connection; what is queued may still go out for a moment, unless at once."""
        if self._reason:
            return
        self._reason = reason
        self._io.unwatch(self)
        if not self._is_bound or self._transport is None:  # ended as soon as it is bound
            return
        if at_once:
            self._transport.abort()
        else:
            self._transport.close()
            self._io.loop.call_later(_PATIENCE, self.abort)

    def abort(self) -> None:
        """End the connection without handing over what is queued."""
        if self._transport is not None:
            self._transport.abort()

    def _room_again(self) -> None:
        if self._reason or self._transport is None:
            return
        try:
            self._owner.room_again(self, self._io.loop.time())
        except Exception as error:
            self._owner.owner_failed(self, error)

    # Called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._io.streams.add(self)
        self._transport.set_write_buffer_limits(high=_WRITE_LIMIT_OCTETS)
        if not self._reason:
            self._io.watch(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._reason:
            return
        data = self._buffer[:nbytes].tobytes()
        now = self._io.loop.time()
        tap = self.tap
        try:
            if tap is None:
                events = self.link.receive(data, now)
            else:
                events = tap.receive(self.link, data, now)
            self._owner.link_turned(self, events, now)
        except Exception as error:
            self._owner.owner_failed(self, error)

    def pause_writing(self) -> None:
        self.link.hold_sending(self._io.loop.time())

    def resume_writing(self) -> None:
        self.link.resume_sending()
        # Not from within: the transport does not stand being ended in the middle of its own write.
        self._io.loop.call_soon(self._room_again)

    def connection_lost(self, exc: Exception | None) -> None:
        if sys.platform == "win32":
            # The Proactor would call shutdown() on a reset socket, raise and never close it.
            self._sock.close()
        self._transport = None
        self._io.streams.discard(self)
        self._io.unwatch(self)
        reason = self._reason or _why_lost(exc)
        try:
            self._owner.stream_ended(self, reason)
        except Exception as error:
            self._owner.owner_failed(self, error)


def prepare_socket(sock: socket.socket) -> None:
    """Set what every IEC 104 connection wants before it becomes a transport. Raises OSError."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Only a help: a vanished peer is found by t1 and t3.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def _why_lost(error: Exception | None) -> str:
    if error is None:
        return "closed by the peer"
    words = error_words(error) if isinstance(error, OSError) else str(error)
    return f"connection lost: {words}"


def endpoint_text(host: str, port: int) -> str:
    """`10.0.0.1:2404`, `[2001:db8::1]:2404`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _peer_of(sock: socket.socket) -> tuple[str, str]:
    try:
        host, port = sock.getpeername()[:2]
    except OSError:
        return "", "unknown peer"
    host = str(host).removeprefix("::ffff:")
    return host, endpoint_text(host, port)
