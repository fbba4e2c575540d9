"""A master entry's port: open or not, retried while it cannot be had, and whom it lets in."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from core.config import MasterEntry
from core.connections.listener import Listener, has_ipv6
from core.connections.loop import IoThread
from core.connections.resolver import Resolver
from core.gateway.journal import Journal
from core.logs import Level
from core.status import MasterState

_RETRY_PORT: Final = 3.0
_REFRESH_NAMES: Final = 300.0


class Port:
    """The port of one entry. ``accepted(sock, host)`` gets every connection, whoever it is.

    ``listening`` is called when the port has been opened.
    """

    __slots__ = (
        "_accepted", "_entry", "_io", "_journal", "_listener", "_listening", "_named",
        "_names_task", "_resolver", "_retry", "is_open",
    )  # fmt: skip

    def __init__(
        self, io: IoThread, resolver: Resolver, entry: MasterEntry, journal: Journal,
        accepted: Callable[[socket.socket, str], None], listening: Callable[[], None],
    ) -> None:  # fmt: skip
        self.is_open = False
        """Whether connections are wanted."""
        self._io = io
        self._resolver = resolver
        self._entry = entry
        self._journal = journal
        self._accepted = accepted
        self._listening = listening
        self._listener: Listener | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._names_task: asyncio.Task[None] | None = None
        self._named: frozenset[str] = frozenset()

    @property
    def is_listening(self) -> bool:
        """Whether the port could be opened."""
        return self._listener is not None

    def open(self) -> None:
        """Let masters connect; a port that cannot be had is retried until :meth:`close`."""
        if self.is_open:
            return
        self.is_open = True
        if self._entry.hosts.names:
            work = self._resolve_names()
            self._names_task = self._io.spawn(work, f"names of {self._entry.key}")
        self._listen()

    def close(self) -> None:
        """Refuse connects from now on."""
        self.is_open = False
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._names_task is not None:
            self._names_task.cancel()
            self._names_task = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def admits(self, host: str) -> bool:
        """Whether the entry's list of hosts has this address."""
        return self._entry.hosts.admits_address(host) or host in self._named

    def _listen(self) -> None:
        if not self.is_open or self._listener is not None:
            return
        port = self._entry.port
        try:
            self._listener = Listener(self._io, self._bind_address(), port, self._accepted)
        except OSError as error:
            why = f"port {port} cannot be opened: {error.strerror or error}"
            if self._journal.status.detail != why:
                self._journal.line(f"{why}; retried every {_RETRY_PORT:g} s", Level.ERROR)
            self._journal.say(MasterState.ERROR, why, connected=False)
            self._retry = self._io.loop.call_later(_RETRY_PORT, self._listen)
            return
        self._journal.line(f"listening on port {port}")
        self._listening()

    def _bind_address(self) -> str:
        # A socket for both families unless the filter speaks of IPv4 alone.
        hosts = self._entry.hosts
        is_ipv4 = not hosts.is_open and not hosts.names
        if is_ipv4 and all(network.version == 4 for network in hosts.networks):
            return "0.0.0.0"
        return "::" if has_ipv6() else "0.0.0.0"

    async def _resolve_names(self) -> None:
        while True:
            found: set[str] = set()
            for name in self._entry.hosts.names:
                try:
                    found.update(await self._resolver.addresses(name))
                except OSError as error:
                    self._journal.line(f"host {name} not resolved: {error}", Level.WARNING)
            self._named = frozenset(found)
            await asyncio.sleep(_REFRESH_NAMES)
