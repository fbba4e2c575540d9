"""What the tests of this room share: loops, waiting, TCP pairs, and a look at what is left open."""

import asyncio
import os
import selectors
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from core.connections.loop import IoThread
from tests.support import ports

T = TypeVar("T")

HOST = "127.0.0.1"
GRACE = 2.0
"""Seconds a socket that was closed may take to be gone."""


def wait_for(condition: Callable[[], T], within: float = 5.0, what: str = "condition") -> T:
    """Waits until `condition` gives something true, and returns it."""
    deadline = time.monotonic() + within
    while True:
        got = condition()
        if got:
            return got
        assert time.monotonic() < deadline, f"{what}: not within {within} s"
        time.sleep(0.002)


def on_loop(io: IoThread, function: Callable[..., T], *args: Any) -> T:
    """Runs a function on the I/O thread and gives its result."""

    async def run() -> T:
        return function(*args)

    return asyncio.run_coroutine_threadsafe(run(), io.loop).result(5)


def awaited(io: IoThread, work: Awaitable[T]) -> T:
    """Runs a coroutine on the I/O thread and gives its result."""

    async def run() -> T:
        return await work

    return asyncio.run_coroutine_threadsafe(run(), io.loop).result(5)


def reset(sock: socket.socket) -> None:
    """Ends a connection by RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


def tcp_pair(
    client_buffer: int | None = None, server_buffer: int | None = None
) -> tuple[socket.socket, socket.socket]:
    """Both ends of a TCP connection on loopback, the caller's and the accepted one."""
    with socket.create_server((HOST, ports.free_port())) as server:
        client = socket.socket()
        if client_buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, client_buffer)
        client.settimeout(5)
        client.connect(server.getsockname())
        accepted, address = server.accept()
        assert address == client.getsockname()
        if server_buffer is not None:
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, server_buffer)
    return client, accepted


@contextmanager
def nothing_accepts() -> Iterator[int]:
    """A port on which a connect neither succeeds nor fails: the backlog is full (Linux)."""
    with socket.socket() as server:
        # The port may have served an earlier run whose connections linger.
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((HOST, ports.free_port()))
        server.listen(0)
        fill = [socket.socket() for _ in range(2)]
        for sock in fill:
            sock.setblocking(False)
            sock.connect_ex(server.getsockname())
        yield server.getsockname()[1]
        for sock in fill:
            sock.close()


def open_sockets() -> set[str]:
    """This process's sockets, without those that reserve ports for it; Linux only, else empty."""
    if not sys.platform.startswith("linux"):
        return set()
    kept = {f"socket:[{os.fstat(guard.fileno()).st_ino}]" for guard in ports._guards}
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except OSError:  # the descriptor this look itself needed
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found - kept


@contextmanager
def no_socket_left() -> Iterator[None]:
    """Whatever was opened within must be closed at the end, without waiting for a collection."""
    before = open_sockets()
    yield
    deadline = time.monotonic() + GRACE
    while (left := open_sockets() - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left, f"{len(left)} sockets are still open"


class _Hurried(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Where a loop would wait for a timer, its clock is moved there instead."""

    skipped = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        # Long enough for anything that is happening on loopback to be seen first.
        if ready := super().select(min(timeout, 0.002)):
            return ready
        self.skipped += timeout
        return []


class HurriedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer as soon as nothing else happens.

    Connects to a port in `hanging` neither succeed nor fail; those to one in `mirrors` meet
    themselves.
    """

    def __init__(self) -> None:
        self._hurried = _Hurried()
        super().__init__(self._hurried)
        self.hanging: set[int] = set()
        self.mirrors: set[int] = set()

    def time(self) -> float:
        return super().time() + self._hurried.skipped

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        if address[1] in self.hanging:
            await self.create_future()
        if address[1] in self.mirrors:
            sock.bind((HOST, address[1]))
        await super().sock_connect(sock, address)
