"""Reaching an RTU: its hosts one after the other, endlessly, with a growing pause."""

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Protocol

from core.connections.loop import IoThread
from core.connections.stream import endpoint_text, prepare_socket
from core.connections.words import error_words

_SEVERAL_HOSTS_LIMIT: Final = 3.0
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
_JITTER: Final = 0.25


@dataclass(frozen=True, slots=True)
class Target:
    """One host of an RTU; name or numeric address, port 1..65535."""

    host: str
    port: int

    def __str__(self) -> str:
        return endpoint_text(self.host, self.port)


class Outcome(Enum):
    """What became of a link."""

    UNUSABLE = auto()
    """It ended before the RTU had confirmed anything."""
    USABLE = auto()
    """It ended before its first STARTDT con: the next host follows."""
    STARTED = auto()


class DialerOwner(Protocol):
    """Who uses the connections; called on the I/O thread."""

    def trying(self, target: Target) -> None:
        """A try begins."""
        ...

    def failed(self, target: Target, reason: str) -> None:
        """No connection could be made."""
        ...

    async def use(self, target: Target, sock: socket.socket) -> Outcome:
        """Take a connected socket; returns when its link is over."""
        ...


class Dialer:
    """Dials until its task is cancelled. ``t0`` limits a try (seconds, 60870-5-104 9.6)."""

    def __init__(
        self,
        io: IoThread,
        owner: DialerOwner,
        targets: Sequence[Target],
        t0: float,
        resolve: Callable[[str], Awaitable[tuple[str, ...]]],
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._io = io
        self._owner = owner
        self._targets = tuple(targets)
        self._limit = t0 if len(self._targets) == 1 else min(t0, _SEVERAL_HOSTS_LIMIT)
        self._resolve = resolve
        self._jitter = jitter

    async def run(self) -> None:
        """Try the hosts in the order given, for ever."""
        pause = _FIRST_PAUSE
        while True:
            if await self._round() is not Outcome.UNUSABLE:
                pause = _FIRST_PAUSE
                await asyncio.sleep(_FIRST_PAUSE)
            else:
                spread = pause * _JITTER
                spread_pause = pause + self._jitter(-spread, spread)
                await asyncio.sleep(min(max(_FIRST_PAUSE, spread_pause), _LONGEST_PAUSE))
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def _round(self) -> Outcome:
        """Try each host once, until one was started; the best that became of them."""
        best = Outcome.UNUSABLE
        for number, target in enumerate(self._targets):
            if number:
                await asyncio.sleep(_FIRST_PAUSE)
            self._owner.trying(target)
            try:
                async with asyncio.timeout(self._limit):
                    sock = await self._connect(target)
            except TimeoutError:
                self._owner.failed(target, f"no connection within {self._limit:g} s")
                continue
            except OSError as error:
                self._owner.failed(target, error_words(error))
                continue
            outcome = await self._owner.use(target, sock)
            if outcome is Outcome.STARTED:
                return outcome
            if outcome is Outcome.USABLE:
                best = outcome
        return best

    async def _connect(self, target: Target) -> socket.socket:
        """A connected socket to the first address of the host that answers. Raises OSError."""
        last: OSError = OSError(f"{target.host} has no address")
        for address in await self._resolve(target.host):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            try:
                prepare_socket(sock)
                await self._io.loop.sock_connect(sock, _socket_address(address, target.port))
                # On loopback a connect to a port nobody holds can meet itself.
                if sock.getsockname()[:2] == sock.getpeername()[:2]:
                    raise OSError("connected to itself")
            except OSError as error:
                sock.close()
                last = error
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        raise last


def _socket_address(address: str, port: int) -> tuple[str | int, ...]:
    """The address as asyncio takes it without asking a resolver; raises OSError for a bad zone."""
    host, _, zone = address.partition("%")
    if ":" not in host:
        return host, port
    # All four: the Proactor takes an address of two for one of IPv4.
    if not zone:
        return host, port, 0, 0
    return host, port, 0, int(zone) if zone.isdecimal() else socket.if_nametoindex(zone)
