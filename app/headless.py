"""The program without a window: it runs until it is told to end, and speaks only to a person."""

import faulthandler
import signal
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from functools import partial
from types import FrameType

from app import console, winapi
from app.notify import ServiceManager
from core.feed import Feed
from core.gateway import Gateway
from core.status import ClockStatus, EntryStatus, MasterState, RtuState

_POLL_EVERY = 0.5
_CONSOLE_PATIENCE = 20.0
"""Longer than Windows waits."""


def stop_signals(stop: threading.Event) -> None:
    """Let SIGINT, SIGTERM and Ctrl+Break end the program in order; main thread only."""

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, ask)
    if sys.platform == "win32":
        winapi.on_console_end(partial(console_ends, stop))
    if hasattr(signal, "SIGHUP"):  # closing the terminal must not end a service
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def console_ends(stop: threading.Event, why: int) -> bool:
    """Windows closes the console, logs off or shuts down: end in order, as far as it lets us.

    Whether that was it; Ctrl+C and Ctrl+Break come as signals too.
    """
    if why not in (winapi.CONSOLE_CLOSED, winapi.LOGOFF, winapi.SHUTDOWN):
        return False
    stop.set()
    # Windows ends the process as soon as this returns; the end in order does so before.
    threading.Event().wait(_CONSOLE_PATIENCE)
    return True


def run(gateway: Gateway, feed: Feed, stop: threading.Event) -> bool:
    """Run until ``stop`` is set; whether everything ended in order.

    On a terminal it prints a line whenever a group or the state of the clock changes. What someone
    must act on, a log that cannot be written above all, goes to standard error whoever reads it.
    A service manager is told as `notify` says.
    """
    watched = console.is_terminal()
    groups, clock = Groups(), ClockLine()
    manager = ServiceManager(gateway)
    if manager.has_watchdog:
        with suppress(OSError, ValueError, AttributeError, RuntimeError):  # no standard error
            faulthandler.enable()  # a watchdog's SIGABRT then tells where every thread was
    gateway.start()
    try:
        while not stop.wait(_POLL_EVERY):
            drained = feed.drain()
            console.err(*drained.messages)
            manager.tell(bool(drained.statuses))
            if watched:
                lines = [*groups.changed(drained.statuses), *clock.changed(drained.clock)]
                console.out(_stamped(lines))
    finally:
        manager.stopping()
        in_order = gateway.stop()
    return in_order


class Groups:
    """What was last said about each group."""

    def __init__(self) -> None:
        self._entries: dict[int, dict[str, EntryStatus]] = {}
        self._said: dict[int, str] = {}

    def changed(self, statuses: Iterable[EntryStatus]) -> list[str]:
        """A line for each group about which there is something new to say."""
        touched: dict[int, None] = {}
        for status in statuses:
            self._entries.setdefault(status.group, {})[status.key] = status
            touched[status.group] = None
        lines = []
        for group in touched:
            text = _summary(self._entries[group].values())
            if self._said.get(group) != text:
                self._said[group] = text
                lines.append(f"{group} {text}")
        return lines


class ClockLine:
    """What was last said about the clock."""

    def __init__(self) -> None:
        self._news = 0

    def changed(self, status: ClockStatus | None) -> list[str]:
        """A line if there is news of the clock; that it was looked at again is none."""
        if status is None or status.news == self._news:
            return []
        self._news = status.news
        return [f"NTP: {status.text}"]


def _summary(entries: Iterable[EntryStatus]) -> str:
    rtu = ""
    masters = online = 0
    trouble = []
    for entry in entries:
        if isinstance(entry.state, RtuState):
            rtu = f"{entry.label}: {entry.state}"
            if entry.state in (RtuState.CONNECTING, RtuState.ERROR) and entry.detail:
                rtu += f" ({entry.detail})"
            continue
        masters += 1
        online += entry.state is MasterState.ONLINE
        if entry.state in (MasterState.ERROR, MasterState.REFUSED):
            trouble.append(f"{entry.label}: {entry.state} ({entry.detail})")
    return "; ".join([f"{rtu}, {online} of {masters} masters online", *trouble])


def _stamped(lines: Iterable[str]) -> list[str]:
    moment = f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S}"
    return [f"{moment} {line}" for line in lines]
