"""A connection that does what no link would: wrong numbers, odd segments, silence.

It stands between a link and the real transport, so the link itself stays what it is.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Final, cast

from core.connections.loop import IoThread
from core.connections.stream import Stream, StreamOwner
from core.protocol.link import NEVER, Link
from core.simulator.behaviour import Behaviour

_GAP: Final = 0.001
"""Seconds between two pieces of what is split."""


class TamperedStream(Stream):
    """A stream that behaves as its station does at that moment."""

    def __init__(
        self, io: IoThread, owner: StreamOwner, link: Link, sock: socket.socket,
        behaviour: Callable[[], Behaviour],
    ) -> None:  # fmt: skip
        super().__init__(io, owner, link, sock)
        self.is_silent = False
        self._loop = io.loop
        self._behaviour = behaviour
        self._writer: _Writer | None = None

    def fall_silent(self) -> None:
        """Say nothing any more, not even to a test; the connection stays open."""
        self.is_silent = True
        self.link.hold_sending(self._loop.time())

    def talk(self) -> None:
        """Go on where it fell silent."""
        if self.is_silent:
            self.is_silent = False
            self.link.resume_sending()
            self.flush(self._loop.time())

    def send_wrong_sequence(self) -> None:
        """Give the next I-frame a wrong number."""
        if self._writer is not None:
            self._writer.is_next_wrong = True

    @property
    def due(self) -> float:
        """The link's next deadline; who is silent has none."""
        return NEVER if self.is_silent else self.link.due

    def flush(self, now: float) -> None:
        """Write what the link has to send, unless silent."""
        if not self.is_silent:
            super().flush(now)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        real = cast(asyncio.Transport, transport)
        self._writer = _Writer(real, self._loop, self._behaviour, self.fall_silent)
        super().connection_made(self._writer)


class _Writer(asyncio.Transport):
    """What a stream takes for its transport."""

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop,
        behaviour: Callable[[], Behaviour], fall_silent: Callable[[], None],
    ) -> None:  # fmt: skip
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._behaviour = behaviour
        self._fall_silent = fall_silent
        self.is_next_wrong = False
        self._frames = 0
        self._i_frames = 0
        self._held = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Whole frames, as a link gives them."""
        behaviour = self._behaviour()
        if behaviour.silent_after or behaviour.wrong_sequence_after or self.is_next_wrong:
            data = self._altered(bytes(data), behaviour)
        else:
            self._frames += 1  # how many they were matters only to those two
        if not (behaviour.split or behaviour.coalesce or self._held):
            if data:
                self._transport.write(data)
            return
        self._held += data
        if self._timer is None and self._held:
            self._timer = self._loop.call_later(behaviour.coalesce or 0.0, self._put)

    def _put(self) -> None:
        self._timer = None
        if self._transport.is_closing():
            return
        size = self._behaviour().split or len(self._held)
        self._transport.write(bytes(self._held[:size]))
        del self._held[:size]
        if self._held:
            self._timer = self._loop.call_later(_GAP, self._put)

    def _altered(self, data: bytes, behaviour: Behaviour) -> bytes:
        out = []
        at = 0
        while at < len(data):
            frame = data[at : at + data[at + 1] + 2]
            at += len(frame)
            if behaviour.silent_after and self._frames >= behaviour.silent_after:
                self._fall_silent()
                break
            self._frames += 1
            if not frame[2] & 1:
                self._i_frames += 1
                limit = behaviour.wrong_sequence_after
                if self.is_next_wrong or (limit and self._i_frames == limit + 1):
                    self.is_next_wrong = False
                    number = int.from_bytes(frame[2:4], "little") + 2 & 0xFFFE
                    frame = frame[:2] + number.to_bytes(2, "little") + frame[4:]
            out.append(frame)
        return b"".join(out)

    # The rest is the real one's

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """How much may be queued."""
        self._transport.set_write_buffer_limits(high, low)

    def is_closing(self) -> bool:
        """Whether the connection is over."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Hand over what is held, then end."""
        if self._held and not self._transport.is_closing():
            self._transport.write(bytes(self._held))
            self._held.clear()
        self._transport.close()

    def abort(self) -> None:
        """End at once."""
        if self._timer is not None:
            self._timer.cancel()
        self._held.clear()
        self._transport.abort()
