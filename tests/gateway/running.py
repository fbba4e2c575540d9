"""The gateway in this process, between scripted peers; what it says is kept as text."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from core.config import Config, read
from core.feed import Feed
from core.gateway import Gateway
from core.logs import PROGRAM_LOG, SECURITY_LOG, LogLine, LogWriter, ProgramLogHandler
from core.status import Counters, EntryStatus
from tests.connections.support import wait_for
from tests.support.wire import ScriptedRtu, Wire

STOP_LIMIT = 3.0


class KeptLogs(LogWriter):
    """Keeps every line instead of writing it; its thread is never started."""

    def __init__(self) -> None:
        super().__init__(Path("never-made"))
        self.kept: list[LogLine] = []

    def put(self, line: LogLine) -> None:
        self.kept.append(line)


def config(rows: Iterable[object], settings: Sequence[str] = ()) -> Config:
    """A file of these rows, all of which must be in effect."""
    text = "\n".join([*settings, *map(str, rows)])
    read_, diagnostics = read(text.encode(), "test.csv")
    errors = [str(each) for each in diagnostics if each.severity == "error"]
    assert not errors, errors
    return read_


class Running:
    """A started gateway."""

    def __init__(self, rows: Iterable[object], settings: Sequence[str] = ()) -> None:
        self.logs, self.feed = KeptLogs(), Feed()
        self._handler = ProgramLogHandler(self.logs)
        self._root = logging.getLogger("iec104")
        self._level = self._root.level
        self._root.addHandler(self._handler)
        self._root.setLevel(logging.INFO)
        loaded = config(rows, settings)
        self.gateway = Gateway(loaded, self.logs, self.feed)
        self.is_running = True
        self.gateway.start()
        wait_for(
            lambda: len(self.gateway.snapshot()) == sum(1 for _ in loaded.entries),
            what="every group runs",
        )

    def apply(
        self, rows: Iterable[object], restart: Sequence[str] = (), settings: Sequence[str] = ()
    ) -> None:
        keys = [self.status(label).key for label in restart]
        self.gateway.apply(config(rows, settings), keys)

    def stop(self) -> float:
        """Stops it and asserts that it stopped in order and in time; the seconds it took."""
        begin = time.monotonic()
        self.is_running = False
        in_order = self.gateway.stop()
        took = time.monotonic() - begin
        self._root.removeHandler(self._handler)
        self._root.setLevel(self._level)
        assert in_order
        assert took < STOP_LIMIT, f"{took:.2f} s"
        assert self.gateway._io.loop.is_closed()
        assert not self.gateway._io.streams
        assert not [t.name for t in threading.enumerate() if t.name == "iec104-io"]
        return took

    def run(self, function: Callable[..., Any], *args: Any) -> None:
        """On the I/O thread, and returns when done."""
        done = threading.Event()

        def call() -> None:
            function(*args)
            done.set()

        self.gateway._io.call(call)
        assert done.wait(5)

    # what it says

    def status(self, label: str) -> EntryStatus:
        return next(status for status, _ in self.gateway.snapshot() if status.label == label)

    def state(self, label: str) -> str:
        return self.status(label).state.name

    def counters(self, label: str) -> Counters:
        return next(c for status, c in self.gateway.snapshot() if status.label == label)

    def log(self, label: str) -> list[str]:
        """The lines of an entry's log so far."""
        key = self.status(label).key
        return [line.text for line in list(self.logs.kept) if line.entry == key]

    def says(self, label: str, text: str) -> bool:
        return any(text in line for line in self.log(label))

    # A peer may see an effect a moment before the gateway has written it down, so these wait.

    def becomes(self, label: str, state: str) -> bool:
        return bool(wait_for(lambda: self.state(label) == state, 2, f"{label} {state}"))

    def tells(self, label: str, text: str) -> bool:
        return bool(wait_for(lambda: self.says(label, text), 2, f"{label} says '{text}'"))

    def counts(self, label: str, what: str, number: int) -> bool:
        return bool(
            wait_for(
                lambda: getattr(self.counters(label), what) == number, 2, f"{label} {what} {number}"
            )
        )

    def program_log(self) -> str:
        return "\n".join(line.text for line in list(self.logs.kept) if line.entry == PROGRAM_LOG)

    def security_log(self) -> str:
        return "\n".join(line.text for line in list(self.logs.kept) if line.entry == SECURITY_LOG)


def scripted(wire: Wire, kind: type[ScriptedRtu], port: int, ca: int, **options: Any) -> Any:
    """An RTU of a kind of the test's own, listening."""
    peer = kind(wire, kind.__name__, port, ca)
    peer.set(**options)
    wire.call(lambda: wire.peers.append(peer))
    peer.listen()
    return peer


class SlowToStop(ScriptedRtu):
    """Confirms STOPDT only after `stop_delay`."""

    stop_delay = 0.4

    def all_acknowledged(self, link: Any, now: float) -> None:
        if len(self.times("stopping")) == len(self.times("stopped")):  # not asked yet
            self.note(now, "stopping")
            self.wire.later(self.stop_delay, lambda: self._confirm(link))

    def _confirm(self, link: Any) -> None:
        if link.sock is not None:
            super().all_acknowledged(link, time.monotonic())


class NeverStops(ScriptedRtu):
    """Leaves STOPDT act without its con."""

    def all_acknowledged(self, link: Any, now: float) -> None:
        self.note(now, "stop wanted")


class ClosesUnstarted(ScriptedRtu):
    """Closes every connection that is not started `patience` after it came."""

    patience = 0.1

    def ready(self, mask: int, now: float) -> None:
        before = self.links
        super().ready(mask, now)
        for link in self.links:
            if link not in before:
                self.wire.later(self.patience, lambda link=link: self._judge(link))

    def _judge(self, link: Any) -> None:
        if link.sock is not None and not link.is_started:
            link.end(time.monotonic(), "it was not started")


def heard(peer: Any, octets: str) -> int:
    """How many frames with these octets the peer has received."""
    wanted = bytes.fromhex(octets)
    return sum(1 for _, way, frame in list(peer.frames) if way == "in" and frame == wanted)


STARTDT_ACT = "680407000000"
STOPDT_ACT = "680413000000"
TESTFR_ACT = "680443000000"
STOPDT_CON = bytes.fromhex("680423000000")
