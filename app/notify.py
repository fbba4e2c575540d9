"""Telling the service manager (systemd) how the program is: sd_notify, without a library.

`READY=1` means: the configuration is read, the I/O thread turns, and every entry has had its first
chance. A master's port opens only while its RTU is usable, so an RTU that is away must not keep the
service from being up: a group has had its chance when its RTU is usable and its masters' ports are
open (or could not be opened), or when its RTU's first try has failed; at the latest `FIRST_CHANCE`
seconds after the start.
"""

import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Final, Protocol

from core.status import Counters, EntryStatus, MasterState, RtuState

FIRST_CHANCE: Final = 10.0
"""Seconds; a packet nobody answers is given up only after t0."""
STATUS_EVERY: Final = 2.0
"""Seconds between two status lines at least."""
_UP: Final = (RtuState.WAITING, RtuState.ONLINE)


def notify(*assignments: str) -> bool:
    """Send lines like `READY=1` to the manager; whether there is one and it took them."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@") or not hasattr(socket, "AF_UNIX"):
        return False
    if address[0] == "@":  # the abstract namespace of Linux
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(1)
            sock.sendto("\n".join(assignments).encode(), address)
    except OSError:  # it has gone; without it the gateway runs as well
        return False
    return True


class Running(Protocol):
    """What is asked of the gateway."""

    @property
    def turns(self) -> int:
        """How often the I/O loop has turned."""
        ...

    def snapshot(self) -> list[tuple[EntryStatus, Counters]]:
        """The state of every entry."""
        ...


class ServiceManager:
    """What the manager is told while the gateway runs; nothing where there is none."""

    def __init__(
        self, gateway: Running, *, monotonic: Callable[[], float] = time.monotonic,
        send: Callable[..., bool] = notify, environment: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        env = os.environ if environment is None else environment
        self._is_there = "NOTIFY_SOCKET" in env
        self._gateway = gateway
        self._monotonic = monotonic
        self._send = send
        self._is_ready = False
        self._ready_by = monotonic() + FIRST_CHANCE
        self._status = ""
        self._said = ""
        self._say_at = 0.0
        self._feed_every = _watchdog(env) / 3 if self._is_there else 0.0
        self._feed_at = 0.0
        self._fed_at_turn = 0

    @property
    def has_watchdog(self) -> bool:
        """Whether the program is ended (SIGABRT) when it stops turning."""
        return self._feed_every > 0

    def tell(self, has_changed: bool) -> None:
        """Tell what is due; about twice a second, with whether the state of any entry changed."""
        if not self._is_there:
            return
        now, turns = self._monotonic(), self._gateway.turns
        told = []
        if has_changed or not self._is_ready:
            entries = [status for status, _ in self._gateway.snapshot()]
            self._status = summary(entries)
            if not self._is_ready and turns:
                self._is_ready = now >= self._ready_by or have_had_their_chance(entries)
                if self._is_ready:
                    told.append("READY=1")
        if self._status != self._said and now >= self._say_at:
            self._said, self._say_at = self._status, now + STATUS_EVERY
            told.append(f"STATUS={self._status}")
        if self._feed_every and now >= self._feed_at and turns != self._fed_at_turn:
            self._fed_at_turn, self._feed_at = turns, now + self._feed_every
            told.append("WATCHDOG=1")
        if told:
            self._send(*told)

    def stopping(self) -> None:
        """Tell that the program ends in order."""
        if self._is_there:
            self._send("STOPPING=1", "STATUS=closing the links")


def have_had_their_chance(entries: Iterable[EntryStatus]) -> bool:
    """Whether every port is open that the first try of each RTU could open."""
    groups: dict[int, list[EntryStatus]] = {}
    for entry in entries:
        groups.setdefault(entry.group, []).append(entry)
    return bool(groups) and all(map(_has_had_its_chance, groups.values()))


def _has_had_its_chance(group: Iterable[EntryStatus]) -> bool:
    is_tried = is_up = is_held = False
    for entry in group:
        match entry.state:
            case RtuState.CONNECTING:
                # Until the first failure it says nothing, or what it is trying.
                is_tried = not entry.detail.startswith("trying ") and entry.detail != ""
            case RtuState.ERROR:
                is_tried = True
            case RtuState():
                is_up = entry.state in _UP
            case MasterState.HELD:
                is_held = True
    return is_tried or (is_up and not is_held)


def summary(entries: Iterable[EntryStatus]) -> str:
    """`12 of 14 RTUs online, 60 of 70 masters`, and how many entries are in error."""
    states = [entry.state for entry in entries]
    rtus = [state for state in states if isinstance(state, RtuState)]
    masters = [state for state in states if isinstance(state, MasterState)]
    text = (
        f"{sum(state in _UP for state in rtus)} of {len(rtus)} RTUs online, "
        f"{masters.count(MasterState.ONLINE)} of {len(masters)} masters"
    )
    errors = rtus.count(RtuState.ERROR) + masters.count(MasterState.ERROR)
    return f"{text}, {errors} in error" if errors else text


def _watchdog(environment: Mapping[str, str]) -> float:
    """Seconds within which the watchdog wants to hear of this process; 0: it does not watch."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    with suppress(ValueError):
        return max(0.0, int(environment.get("WATCHDOG_USEC", "0")) / 1e6)
    return 0.0
