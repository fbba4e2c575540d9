"""What a service manager hears: of a fake gateway by the second, and of the real program."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app import notify
from app.notify import FIRST_CHANCE, ServiceManager, have_had_their_chance, summary
from core.status import Counters, EntryStatus, MasterState, RtuState
from tests.support.gateway import group
from tests.support.ports import free_ports
from tests.support.wire import Wire

PROGRAM = Path(__file__).parents[2] / "iec104mm2ss.py"


def rtu(state: RtuState, detail: str = "", group: int = 7) -> EntryStatus:
    return EntryStatus(f"{group}/S/R", group, "S/R", state, detail)


def master(state: MasterState, name: str = "A", group: int = 7) -> EntryStatus:
    return EntryStatus(f"{group}/M/{name}", group, f"M/{name}", state)


CHANCES = [
    ((), False),
    ((rtu(RtuState.CONNECTING), master(MasterState.HELD)), False),
    ((rtu(RtuState.CONNECTING, "trying 127.0.0.1:9"), master(MasterState.HELD)), False),
    ((rtu(RtuState.CONNECTING, "127.0.0.1:9: refused"), master(MasterState.HELD)), True),
    ((rtu(RtuState.ERROR, "broken"), master(MasterState.HELD)), True),
    ((rtu(RtuState.STARTING, "testing the link"), master(MasterState.HELD)), False),
    ((rtu(RtuState.WAITING), master(MasterState.HELD)), False),
    ((rtu(RtuState.WAITING), master(MasterState.LISTENING)), True),
    ((rtu(RtuState.WAITING), master(MasterState.ERROR)), True),
    ((rtu(RtuState.ONLINE), master(MasterState.ONLINE), master(MasterState.HELD, "B")), False),
    (
        (rtu(RtuState.ONLINE), master(MasterState.ONLINE), rtu(RtuState.CONNECTING, group=8)),
        False,
    ),
]


@pytest.mark.parametrize(("entries", "has_had"), CHANCES)
def test_an_entry_has_had_its_chance(entries: tuple[EntryStatus, ...], has_had: bool) -> None:
    assert have_had_their_chance(entries) is has_had


def test_the_status_line_counts_what_works() -> None:
    entries = [
        *(rtu(RtuState.ONLINE), rtu(RtuState.WAITING, group=8), rtu(RtuState.CONNECTING, group=9)),
        *(master(MasterState.ONLINE), master(MasterState.HELD, "B"), master(MasterState.ERROR)),
    ]
    assert summary(entries) == "2 of 3 RTUs online, 1 of 3 masters, 1 in error"
    assert summary(entries[:-1]) == "2 of 3 RTUs online, 1 of 2 masters"


class Fake:
    """A gateway, a clock and a manager's ear."""

    def __init__(self, *entries: EntryStatus, watchdog: str = "30000000", **more: str) -> None:
        self.entries = entries
        self.turns = 0
        self.now = 1000.0
        self.heard: list[str] = []
        self.manager = ServiceManager(
            self, monotonic=lambda: self.now, send=self.hear,
            environment={"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": watchdog, **more},
        )  # fmt: skip

    def snapshot(self) -> list[tuple[EntryStatus, Counters]]:
        return [(entry, Counters()) for entry in self.entries]

    def hear(self, *assignments: str) -> bool:
        self.heard += assignments
        return True

    def after(self, seconds: float, *entries: EntryStatus, turns: int = 1) -> list[str]:
        self.now += seconds
        self.turns += turns
        self.entries = entries or self.entries
        self.heard = []
        self.manager.tell(bool(entries))
        return self.heard


def test_ready_is_said_once_and_not_before_the_loop_turns() -> None:
    fake = Fake(rtu(RtuState.WAITING), master(MasterState.LISTENING), watchdog="")
    assert "READY=1" not in fake.after(0.5, turns=0)
    assert fake.after(0.5) == ["READY=1"]
    assert fake.after(20) == []


def test_an_rtu_that_swallows_packets_does_not_hold_up_the_start() -> None:
    fake = Fake(rtu(RtuState.CONNECTING, "trying 192.0.2.1:2404"), master(MasterState.HELD))
    assert "READY=1" not in fake.after(FIRST_CHANCE - 1)
    assert "READY=1" in fake.after(1)


def test_the_status_is_told_when_it_changes_and_not_too_often() -> None:
    fake = Fake(rtu(RtuState.WAITING), master(MasterState.LISTENING), watchdog="")
    assert "STATUS=1 of 1 RTUs online, 0 of 1 masters" in fake.after(0.5)
    assert fake.after(0.5, rtu(RtuState.ONLINE), master(MasterState.ONLINE)) == []
    assert fake.after(2.0) == ["STATUS=1 of 1 RTUs online, 1 of 1 masters"]
    assert fake.after(9.0, rtu(RtuState.ONLINE), master(MasterState.ONLINE)) == []


def test_the_watchdog_is_fed_only_while_the_loop_turns() -> None:
    fake = Fake(rtu(RtuState.WAITING), master(MasterState.LISTENING))
    assert fake.manager.has_watchdog
    assert "WATCHDOG=1" in fake.after(0.5)
    assert fake.after(5.0) == []  # a third of its time is often enough
    assert fake.after(5.0) == ["WATCHDOG=1"]
    assert fake.after(25.0, turns=0) == []
    assert fake.after(0.5) == ["WATCHDOG=1"]


@pytest.mark.parametrize(
    "more", [{"watchdog": "0"}, {"watchdog": "much"}, {"WATCHDOG_PID": "1"}, {"watchdog": "-5"}]
)
def test_a_watchdog_that_is_not_for_us_is_not_fed(more: dict[str, str]) -> None:
    fake = Fake(rtu(RtuState.WAITING), **more)
    assert not fake.manager.has_watchdog
    assert not any("WATCHDOG" in told for told in fake.after(60))


def test_without_a_manager_nothing_is_asked_and_nothing_said() -> None:
    fake = Fake(rtu(RtuState.WAITING))
    fake.manager = ServiceManager(fake, send=fake.hear, environment={"WATCHDOG_USEC": "1000000"})
    fake.snapshot = pytest.fail  # type: ignore[method-assign]
    assert not fake.manager.has_watchdog
    assert fake.after(60) == []
    fake.manager.stopping()
    assert fake.heard == []


needs_unix = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no sockets of this kind")


@contextmanager
def manager(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(address)
        ear.settimeout(20)
        yield ear


@needs_unix
@pytest.mark.posix
def test_a_datagram_goes_to_the_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", place)
    with manager(place) as ear:
        assert notify.notify("READY=1", "STATUS=ü")
        assert ear.recv(99) == "READY=1\nSTATUS=ü".encode()
    assert not notify.notify("READY=1")  # nobody listens any more


@needs_unix
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract sockets")
def test_a_datagram_goes_to_an_abstract_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"iec104mm2ss-test-{os.getpid()}"
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
    with manager(f"\0{name}") as ear:
        assert notify.notify("WATCHDOG=1")
        assert ear.recv(99) == b"WATCHDOG=1"


@pytest.mark.parametrize("address", ["", "vsock:2:1", "relative/path"])
def test_an_address_of_another_kind_is_left_alone(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not notify.notify("READY=1")


@needs_unix
@pytest.mark.posix
def test_the_program_tells_of_its_life(tmp_path: Path) -> None:
    rtu_port, port, dead, other = free_ports(4)
    rows = [*group(1, rtu_port, [port]), *group(2, dead, [other])]
    ini = tmp_path / "two.csv"
    ini.write_text("".join(f"{row}\n" for row in rows), "utf-8")
    place = str(tmp_path / "notify")
    env = {**os.environ, "NOTIFY_SOCKET": place, "WATCHDOG_USEC": "1500000"}
    with manager(place) as ear, Wire() as wire:
        station = wire.rtu(rtu_port, 32, slots=1)
        begun = time.monotonic()
        program = subprocess.Popen([sys.executable, PROGRAM, "-n", "-i", ini], env=env)
        try:
            heard = _until(ear, lambda told: "READY=1" in told)
            # Of two RTUs one is dead: that is known long before the start would be given up.
            assert time.monotonic() - begun < FIRST_CHANCE
            assert "STATUS=1 of 2 RTUs online, 0 of 2 masters" in heard
            with socket.create_connection(("127.0.0.1", port), 5):  # ready: the port is open
                pass
            centre = wire.master(port, 101)
            wire.wait(lambda: centre.is_started and station.is_started, 10, "the master is started")
            _until(ear, lambda told: "STATUS=1 of 2 RTUs online, 1 of 2 masters" in told)
            _until(ear, lambda told: told.count("WATCHDOG=1") == 3)
            program.send_signal(signal.SIGTERM)
            assert _until(ear, lambda told: "STOPPING=1" in told).count("READY=1") == 0
            assert program.wait(10) == 0
        finally:
            program.kill()
            program.wait(10)


def _until(ear: socket.socket, is_enough: Callable[[list[str]], bool]) -> list[str]:
    heard: list[str] = []
    while not is_enough(heard):
        heard += ear.recv(4096).decode().split("\n")
    return heard


@needs_unix
@pytest.mark.posix
def test_a_watchdog_that_strikes_leaves_a_trace_of_every_thread(tmp_path: Path) -> None:
    port, dead = free_ports(2)
    ini = tmp_path / "one.csv"
    ini.write_text("".join(f"{row}\n" for row in group(1, dead, [port])), "utf-8")
    place = str(tmp_path / "notify")
    env = {**os.environ, "NOTIFY_SOCKET": place, "WATCHDOG_USEC": "1500000"}
    with manager(place) as ear:
        program = subprocess.Popen(
            [sys.executable, PROGRAM, "-n", "-i", ini], env=env, stderr=subprocess.PIPE,
            preexec_fn=_no_core_file,
        )  # fmt: skip
        _until(ear, lambda told: "READY=1" in told)
        program.send_signal(signal.SIGABRT)
        said = program.communicate(timeout=20)[1].decode()
    assert program.returncode == -signal.SIGABRT
    assert "headless.py" in said
    assert "loop.py" in said  # the I/O thread too


def _no_core_file() -> None:
    import resource  # not on Windows

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
