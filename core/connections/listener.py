"""A master's port: accepting connections, and nothing else.

Accepting of our own instead of ``create_server``: on Windows the latter loses its listening
socket for good on one connect and reset, and it gives no chance to look at the peer first.
"""

import asyncio
import logging
import socket
import struct
import sys
from collections.abc import Callable
from functools import cache
from typing import Final

from core.connections.loop import IoThread
from core.connections.shortage import is_shortage
from core.connections.stream import prepare_socket

_log = logging.getLogger("iec104.connections")

_BACKLOG: Final = 64
_RESOURCE_PAUSE: Final = 0.5
_AT_A_TIME: Final = 16
"""Connections taken before everybody else has a turn: who floods a port costs others no more."""
# A connection closed so leaves nothing behind, neither here nor, as TIME_WAIT, in the system.
_AT_ONCE: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


@cache
def has_ipv6() -> bool:
    """Whether this system can listen on IPv6 at all. Raises OSError if it cannot tell now."""
    if not socket.has_ipv6:
        return False
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        if is_shortage(error):  # says nothing about IPv6, and the answer is kept
            raise
        return False
    return True


def open_listening_socket(address: str, port: int, *, v6_only: bool = False) -> socket.socket:
    """A listening TCP socket that nobody can share or steal. Raises OSError.

    On ``::`` it takes IPv4 too, unless ``v6_only``.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setblocking(False)
        if sys.platform == "win32":
            # SO_REUSEADDR would let another program take the port over; this forbids it.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6_only)
        sock.bind((address, port))
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _anybody(host: str, port: int) -> bool:
    return True


class Listener:
    """An open port. ``accepted(sock, host)`` gets the connections, with the peer's address.

    ``admits(host, port)`` is asked about each peer before anything is spent on it: if it says no,
    the connection ends at once and the peer is sent nothing.
    """

    def __init__(
        self,
        io: IoThread,
        address: str,
        port: int,
        accepted: Callable[[socket.socket, str], None],
        admits: Callable[[str, int], bool] = _anybody,
        *,
        v6_only: bool = False,
    ) -> None:
        """Open the port; raises OSError if it cannot be had."""
        self._io = io
        self._accepted = accepted
        self._admits = admits
        self._sock = open_listening_socket(address, port, v6_only=v6_only)
        self._pause: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        if sys.platform == "win32":
            self._task = io.spawn(self._accept(), f"accept on {port}")
        else:  # a task for each of a thousand ports would cost more than the rest of it
            io.loop.add_reader(self._sock, self._readable)

    def close(self) -> None:
        """Close the port: connects are refused from now on."""
        if self._task is not None:
            # Before the descriptor: only so asyncio closes the socket it holds for the next one.
            self._task.cancel()
        else:
            # Before the descriptor: its number may be used again at once.
            self._io.loop.remove_reader(self._sock)
        if self._pause is not None:
            self._pause.cancel()
        self._sock.close()

    def _readable(self) -> None:
        """Take who waits, on loops that tell when somebody does."""
        for _ in range(_AT_A_TIME):
            try:
                sock, address = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._io.shortage.met(error)
                if is_shortage(error):  # who waits goes on waiting: do not look again at once
                    self._io.loop.remove_reader(self._sock)
                    self._pause = self._io.loop.call_later(_RESOURCE_PAUSE, self._look_again)
                    return
                continue  # a peer that vanished before it was served is everyday
            self._take(sock, str(address[0]).removeprefix("::ffff:"), int(address[1]))
            if self._sock.fileno() < 0:  # closed by what came of that
                return

    def _look_again(self) -> None:
        self._pause = None
        self._io.loop.add_reader(self._sock, self._readable)

    async def _accept(self) -> None:
        """The same, on the loop of Windows."""
        taken = 0
        while self._sock.fileno() >= 0:
            try:
                sock, address = await self._io.loop.sock_accept(self._sock)
            except OSError as error:
                if self._sock.fileno() < 0:
                    return
                self._io.shortage.met(error)
                # A peer that vanished before it was served is everyday; go on at once.
                await asyncio.sleep(_RESOURCE_PAUSE if is_shortage(error) else 0)
                continue
            if self._sock.fileno() < 0:
                sock.close()
                return
            self._take(sock, str(address[0]).removeprefix("::ffff:"), int(address[1]))
            taken += 1
            if taken % _AT_A_TIME == 0:  # while somebody waits, sock_accept does not
                await asyncio.sleep(0)

    def _take(self, sock: socket.socket, host: str, port: int) -> None:
        try:
            if not self._admits(host, port):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                sock.close()
                return
            prepare_socket(sock)
            self._accepted(sock, host)
        except OSError as error:
            _log.debug("connection lost while it was accepted: %s", error)
            sock.close()
        except Exception:  # our own fault must not cost the master its port
            _log.exception("a connection could not be taken")
            sock.close()
