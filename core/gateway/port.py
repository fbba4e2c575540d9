"""A master entry's port: open or not, retried while it cannot be had, and whom it lets in."""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Final

from core.config import MasterEntry
from core.connections.listener import Listener, has_ipv6
from core.connections.loop import IoThread
from core.connections.ratelimit import RateLimit
from core.connections.resolver import Resolver
from core.connections.stream import endpoint_text
from core.connections.words import error_words
from core.gateway.journal import Journal
from core.logs import Level
from core.status import MasterState

_RETRY_PORT: Final = 3.0
_REFRESH_NAMES: Final = 300.0


class Port:
    """The port of one entry, on one address of this machine, on several or on all.

    ``accepted(sock, host)`` gets the connections of those who may come, ``refused(host, port,
    why)`` hears of the others. ``listening`` is called when the port has been opened.
    """

    __slots__ = (
        "_accepted", "_entry", "_io", "_journal", "_listeners", "_listening", "_named",
        "_names_task", "_per_minute", "_rate", "_refused", "_resolver", "_retry", "is_open",
        "trouble",
    )  # fmt: skip

    def __init__(
        self, io: IoThread, resolver: Resolver, entry: MasterEntry, journal: Journal,
        accepted: Callable[[socket.socket, str], None], refused: Callable[[str, int, str], None],
        listening: Callable[[], None],
    ) -> None:  # fmt: skip
        self.is_open = False
        """Whether connections are wanted."""
        self._io = io
        self._resolver = resolver
        self._entry = entry
        self._journal = journal
        self.trouble = ""
        """Why it listens not everywhere it should."""
        self._accepted = accepted
        self._refused = refused
        self._listening = listening
        options = entry.options
        self._per_minute = options.connect_rate * options.conns
        self._rate = RateLimit(self._per_minute)
        self._listeners: dict[str, Listener] = {}
        self._retry: asyncio.TimerHandle | None = None
        self._names_task: asyncio.Task[None] | None = None
        self._named: frozenset[str] = frozenset()

    @property
    def is_listening(self) -> bool:
        """Whether the port could be opened, on one address at least."""
        return bool(self._listeners)

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
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()
        self.trouble = ""

    def _admits(self, host: str, port: int) -> bool:
        if not self._rate.admits(host, self._io.loop.time()):
            why = f"more than {self._per_minute} connections a minute"
        elif not self._entry.hosts.admits_address(host) and host not in self._named:
            why = "not in the list of hosts"
        else:
            return True
        self._refused(host, port, why)
        return False

    def _listen(self) -> None:
        """Open what is not open yet."""
        if not self.is_open:
            return
        bind = self._entry.options.bind
        failures: list[str] = []
        opened: list[str] = []
        for name in bind or ("",):
            where = endpoint_text(name, self._entry.port) if name else f"port {self._entry.port}"
            if name in self._listeners:
                continue
            try:
                self._listeners[name] = Listener(
                    self._io, name or self._every_address(), self._entry.port, self._accepted,
                    self._admits, v6_only=bool(name),
                )  # fmt: skip
            except OSError as error:
                self._io.shortage.met(error)
                failures.append(f"{where} cannot be opened: {_words(error)}")
            else:
                opened.append(where)
        trouble = "; ".join(failures)
        if trouble:
            if trouble != self.trouble:
                self._journal.line(f"{trouble}; retried every {_RETRY_PORT:g} s", Level.ERROR)
            self._retry = self._io.loop.call_later(_RETRY_PORT, self._listen)
        self.trouble = trouble
        if opened:
            self._journal.line(f"listening on {', '.join(opened)}")
        if self._listeners:
            self._listening()
        else:
            self._journal.say(MasterState.ERROR, trouble, connected=False)

    def _every_address(self) -> str:
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
                    self._journal.line(
                        f"host {name} not resolved: {error_words(error)}", Level.WARNING
                    )
            self._named = frozenset(found)
            await asyncio.sleep(_REFRESH_NAMES)


def _words(error: OSError) -> str:
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine has no such address"
    return error_words(error)
