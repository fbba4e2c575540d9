"""A world in memory with a clock of its own: the event loop of the gateway, and its sockets.

Nothing here waits. The loop sets its clock forward to the next thing that is due, so an hour takes
as long as what happens in it. Octets take their time on the way and are cut anew; how, is drawn for
each connection and direction from its own sequence, so that one seed gives one run.
"""

import asyncio
import errno
import os
import random
import socket as real
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from tests.reliability.net import Conn, ConnOwner
from tests.reliability.pipes import End

START = 1000.0
_HIGH = 65_536


class Deadlock(RuntimeError):
    """Nothing is due any more: the tick at least should be."""


class _Jump:
    """Stands for the selector: nothing ever becomes ready, time passes."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Deadlock
        self._loop.clock += timeout
        return []

    def close(self) -> None: ...


class VirtualLoop(asyncio.BaseEventLoop):
    """asyncio's own loop on another clock and other sockets."""

    def __init__(self, net: "VirtualNet") -> None:
        super().__init__()
        self.clock = START
        self.net = net
        self._selector = _Jump(self)

    def time(self) -> float:
        return self.clock

    def _process_events(self, _: object) -> None: ...

    def _write_to_self(self) -> None: ...

    def run_until(self, moment: float) -> None:
        self.call_at(moment, self.stop)
        self.run_forever()

    async def create_connection(self, factory: Any, *, sock: "FakeSocket", **_: Any) -> Any:  # type: ignore[override]
        protocol = factory()
        transport = _Transport(self, sock, protocol)
        ready = self.create_future()
        self.call_soon(protocol.connection_made, transport)
        self.call_soon(transport.begin)
        self.call_soon(lambda: ready.done() or ready.set_result(None))
        await ready
        return transport, protocol

    async def sock_connect(self, sock: "FakeSocket", address: Any) -> None:  # type: ignore[override]
        await self.net.dialled(sock, address[1])

    async def sock_accept(self, sock: "FakeSocket") -> Any:  # type: ignore[override]
        return await sock.accepted()

    def add_reader(self, sock: "FakeSocket", callback: Any) -> None:  # type: ignore[override]
        sock.reader = callback
        sock.tell()

    def remove_reader(self, sock: "FakeSocket") -> bool:  # type: ignore[override]
        sock.reader = None
        return True


class FakeSocket:
    """What the gateway takes for a socket."""

    def __init__(self, net: "VirtualNet", end: "End | None" = None, peer_port: int = 0) -> None:
        self.net = net
        self.end = end
        self.peer_port = peer_port
        self.is_open = True
        self.port = 0
        self._backlog: deque[FakeSocket] = deque()
        self._accepting: asyncio.Future[None] | None = None
        self.reader: Any = None
        """Called while somebody waits to be accepted, by loops that tell so."""
        self._is_told = False

    def setblocking(self, _: bool) -> None: ...

    def setsockopt(self, *_: object) -> None: ...

    def fileno(self) -> int:
        return 3 if self.is_open else -1

    def getpeername(self) -> tuple[str, int]:
        return "127.0.0.1", self.peer_port

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def bind(self, address: tuple[str, int]) -> None:
        if address[1] in self.net.listeners or address[1] in self.net.taken:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        self.port = address[1]

    def listen(self, _: int) -> None:
        self.net.listeners[self.port] = self

    def offer(self, end: "End", peer_port: int) -> None:
        self._backlog.append(FakeSocket(self.net, end, peer_port))
        if self._accepting is not None and not self._accepting.done():
            self._accepting.set_result(None)
        self.tell()

    def tell(self) -> None:
        """Once for each turn of the loop, as long as somebody waits."""
        if self._backlog and self.reader is not None and not self._is_told:
            self._is_told = True
            self.net.loop.call_soon(self._read)

    def _read(self) -> None:
        self._is_told = False
        if self._backlog and self.reader is not None:
            self.reader()
            self.tell()

    async def accepted(self) -> tuple["FakeSocket", tuple[str, int]]:
        while not self._backlog:
            self._accepting = self.net.loop.create_future()
            await self._accepting
        return self.accept()

    def accept(self) -> tuple["FakeSocket", tuple[str, int]]:
        if not self._backlog:
            raise BlockingIOError
        sock = self._backlog.popleft()
        return sock, sock.getpeername()

    def close(self) -> None:
        if not self.is_open:
            return
        self.is_open = False
        if self.net.listeners.get(self.port) is self:
            del self.net.listeners[self.port]
        for waiting in self._backlog:
            waiting.close()
        if self.end is not None:
            self.end.reset()


class _Transport(asyncio.Transport):
    """As asyncio's own on a socket: buffers, pauses its protocol, closes in order or at once."""

    def __init__(self, loop: VirtualLoop, sock: FakeSocket, protocol: Any) -> None:
        super().__init__()
        assert sock.end is not None
        self._loop = loop
        self._sock = sock
        self._end = sock.end
        self._protocol = protocol
        self._is_paused = self._is_lost = self._is_closing = False
        self._high = _HIGH

    def begin(self) -> None:
        end = self._end
        end.on_data, end.on_end, end.on_drain = self._data, self._ended, self._drained
        if not self._is_closing:
            end.read(True)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = high or _HIGH

    def write(self, data: Any) -> None:
        if self._is_closing or self._is_lost:
            return
        self._end.write(bytes(data))
        if len(self._end.out) > self._high and not self._is_paused:
            self._is_paused = True
            self._protocol.pause_writing()

    def close(self) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        self._end.is_reading = False
        if not self._end.out:
            self._loop.call_soon(self._finish, None)

    def abort(self) -> None:
        if self._is_lost:
            return
        self._is_closing = True
        self._end.is_reading = False
        self._end.out.clear()
        self._loop.call_soon(self._finish, None, True)

    def is_closing(self) -> bool:
        return self._is_closing

    def _data(self, octets: bytes) -> None:
        while octets and not self._is_closing:
            room = self._protocol.get_buffer(-1)
            n = min(len(room), len(octets))
            room[:n] = octets[:n]
            octets = octets[n:]
            self._protocol.buffer_updated(n)

    def _ended(self, error: Exception | None) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._finish, error)

    def _drained(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._protocol.resume_writing()
        if self._is_closing and not self._end.out:
            self._loop.call_soon(self._finish, None)

    def _finish(self, error: Exception | None, reset: bool = False) -> None:
        if self._is_lost:
            return
        self._is_lost = True
        end = self._end
        # A peer may remember its end for ever; it must not keep the gateway's.
        end.on_data, end.on_end, end.on_drain = None, lambda _: None, None
        if reset or error is not None:
            end.out.clear()
        end.close()
        self._sock.is_open = False
        self._protocol.connection_lost(error)


class VirtualConn:
    """A peer's end."""

    def __init__(self, net: "VirtualNet", end: End) -> None:
        self.net = net
        self.end = end
        self.owner: ConnOwner
        end.on_data, end.on_end = self._data, self._ended

    @property
    def trickles(self) -> bool:
        return self.end.trickles

    @trickles.setter
    def trickles(self, on: bool) -> None:
        self.end.trickles = on

    @property
    def swallows(self) -> bool:
        return self.end.swallows

    @swallows.setter
    def swallows(self, on: bool) -> None:
        self.end.swallows = on

    def send(self, octets: bytes) -> None:
        self.end.write(octets)

    def close(self, reset: bool = False) -> None:
        self.end.on_data = None
        self.end.on_end = lambda _: None
        if reset:
            self.end.reset()
        else:
            self.end.close()

    def read(self, on: bool) -> None:
        self.end.read(on)

    def _data(self, octets: bytes) -> None:
        self.owner.received(self, octets, self.net.loop.clock)

    def _ended(self, error: Exception | None) -> None:
        self.owner.ended(self, "reset" if error else "closed", self.net.loop.clock)


class _SocketModule:
    """Stands for the module `socket` where the gateway makes its own."""

    def __init__(self, net: "VirtualNet") -> None:
        self._net = net

    def __getattr__(self, name: str) -> Any:
        return getattr(real, name)

    def socket(self, *_: object) -> FakeSocket:
        return FakeSocket(self._net)


class VirtualNet:
    """Everything on one virtual loop."""

    def __init__(self, seed: int, delay: tuple[float, float] = (0.0002, 0.02)) -> None:
        self.seed = seed
        self.delay = delay
        self.loop = VirtualLoop(self)
        self.listeners: dict[int, FakeSocket] = {}
        """Ports of the gateway."""
        self.taken: set[int] = set()
        """Ports that some other program holds."""
        self._stations: dict[int, Callable[[Conn], ConnOwner]] = {}
        self._count = self._laters = 0
        self._gateways_ends: list[End] = []

    def now(self) -> float:
        return self.loop.clock

    def sever(self) -> None:
        """Close all the gateway has, as the system does with what a killed process had."""
        for listener in list(self.listeners.values()):
            listener.close()
        ends, self._gateways_ends = self._gateways_ends, []
        for end in ends:
            end.on_data, end.on_end, end.on_drain = None, lambda _: None, None
            end.out.clear()
            end.close()

    def later(self, delay: float, action: Callable[[], None]) -> None:
        self._laters += 1  # what is due at the same moment stays in order
        self.loop.call_later(delay + self._laters * 1e-9, action)

    def listen(self, port: int, accept: Callable[[Conn], ConnOwner]) -> None:
        self._stations[port] = accept

    def unlisten(self, port: int) -> None:
        self._stations.pop(port, None)

    def connect(self, port: int, done: Callable[[Conn | None], ConnOwner | None]) -> None:
        mine, its = self._pair()

        def arrive() -> None:
            listener = self.listeners.get(port)
            if listener is None:
                done(None)
                return
            conn = VirtualConn(self, mine)
            owner = done(conn)
            assert owner is not None
            conn.owner = owner
            self._has(its)
            listener.offer(its, 40_000 + self._count)
            mine.read(True)

        self.loop.call_later(mine.chance.uniform(*self.delay), arrive)

    async def dialled(self, sock: FakeSocket, port: int) -> None:
        its, mine = self._pair()
        await asyncio.sleep(its.chance.uniform(*self.delay))
        accept = self._stations.get(port)
        if accept is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        conn = VirtualConn(self, mine)
        conn.owner = accept(conn)
        mine.read(True)
        sock.end, sock.peer_port, sock.port = its, port, 40_000 + self._count
        self._has(its)

    def _has(self, end: End) -> None:
        if len(self._gateways_ends) > 1000:
            self._gateways_ends = [one for one in self._gateways_ends if not one.is_over]
        self._gateways_ends.append(end)

    def run(self, seconds: float) -> None:
        self.loop.run_until(self.loop.clock + seconds)

    def _pair(self) -> tuple[End, End]:
        self._count += 1
        one, other = (
            End(self.loop, self.delay, random.Random(f"{self.seed} {self._count} {way}"))
            for way in "ab"
        )
        one.other, other.other = other, one
        return one, other

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The gateway made in this block lives here; its chance, the dialler's pauses, is ours."""
        module = _SocketModule(self)
        state = random.getstate()
        random.seed(self.seed)
        with (
            mock.patch("core.connections.loop._new_loop", return_value=self.loop),
            mock.patch("core.connections.dialer.socket", module),
            mock.patch("core.connections.listener.socket", module),
            mock.patch("core.gateway.port.has_ipv6", return_value=True),
        ):
            try:
                yield
            finally:
                random.setstate(state)
