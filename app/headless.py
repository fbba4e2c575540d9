"""The program without a window: it runs until it is told to end, and speaks only to a person."""

import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from core.feed import Feed
from core.gateway import Gateway

_POLL_EVERY = 0.5


def stop_signals(stop: threading.Event) -> None:
    """Let SIGINT, SIGTERM and Ctrl+Break end the program in order; main thread only."""

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, ask)
    if hasattr(signal, "SIGHUP"):  # closing the terminal must not end a service
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def run(gateway: Gateway, feed: Feed, stop: threading.Event) -> bool:
    """Run until ``stop`` is set; whether everything ended in order."""
    gateway.start()
    watched = sys.stdout.isatty()
    while not stop.wait(_POLL_EVERY):
        drained = feed.drain()
        if watched:
            _show(drained.messages)
            _show([f"{s.group} {s.label}: {s.state} {s.detail}" for s in drained.statuses])
    return gateway.stop()


def _show(lines: Sequence[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line.rstrip()}\n")
    if lines:
        sys.stdout.flush()
