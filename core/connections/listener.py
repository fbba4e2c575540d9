"""A master's port: accepting connections, and nothing else.

An accept loop of our own instead of ``create_server``: on Windows the latter loses its listening
socket for good on one connect and reset, and it gives no chance to look at the peer first.
"""

import asyncio
import errno
import logging
import socket
import sys
from collections.abc import Callable
from functools import cache
from typing import Final

from core.connections.loop import IoThread
from core.connections.stream import prepare_socket

_log = logging.getLogger("iec104.connections")

_BACKLOG: Final = 64
_OUT_OF_RESOURCES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_RESOURCE_PAUSE: Final = 0.5


@cache
def has_ipv6() -> bool:
    """Whether this system can listen on IPv6 at all."""
    if not socket.has_ipv6:
        return False
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def open_listening_socket(address: str, port: int) -> socket.socket:
    """A listening TCP socket that nobody can share or steal. Raises OSError."""
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
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((address, port))
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


class Listener:
    """An open port. ``accepted(sock, host)`` gets every connection, with the peer's address."""

    def __init__(
        self,
        io: IoThread,
        address: str,
        port: int,
        accepted: Callable[[socket.socket, str], None],
    ) -> None:
        """Open the port; raises OSError if it cannot be had."""
        self._io = io
        self._accepted = accepted
        self._sock = open_listening_socket(address, port)
        self._task = io.spawn(self._accept(), f"accept on {port}")

    def close(self) -> None:
        """Close the port: connects are refused from now on."""
        # The reader must be gone before the descriptor: its number may be used again at once.
        self._task.cancel()
        if sys.platform != "win32":
            self._io.loop.remove_reader(self._sock)
        self._sock.close()

    async def _accept(self) -> None:
        while self._sock.fileno() >= 0:
            try:
                sock, address = await self._io.loop.sock_accept(self._sock)
            except OSError as error:
                if self._sock.fileno() < 0:
                    return
                # A peer that vanished before it was served is everyday; go on at once.
                await asyncio.sleep(_RESOURCE_PAUSE if error.errno in _OUT_OF_RESOURCES else 0)
                if error.errno in _OUT_OF_RESOURCES:
                    _log.warning("cannot accept a connection: %s", error.strerror)
                continue
            try:
                prepare_socket(sock)
                self._accepted(sock, str(address[0]).removeprefix("::ffff:"))
            except OSError as error:
                _log.debug("connection lost while it was accepted: %s", error)
                sock.close()
            except Exception:  # our own fault must not cost the master its port
                _log.exception("a connection could not be taken")
                sock.close()
