"""The wall clock of the machine. Nothing here sets it: the calls that would are taken away."""

import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core import clock as module
from core.clock import (
    NO_PERMISSION,
    Clock,
    LinuxClock,
    SystemTime,
    UnknownClock,
    WindowsClock,
    kernel_clock_status,
    set_linux_time,
    system_clock,
)

ROOT = Path(__file__).resolve().parents[1]
UNSYNC = 0x40
linux = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
windows = pytest.mark.skipif(sys.platform != "win32", reason="asks Windows")


def unix(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


# The guard all other tests rely on


@linux
def test_a_test_that_would_set_the_clock_fails():
    with pytest.raises(pytest.fail.Exception, match="tried to set the clock"):
        system_clock().step(0.0)
    for name in ("clock_settime", "clock_settime_ns"):
        with pytest.raises(pytest.fail.Exception):
            getattr(time, name)()


@linux
def test_neither_this_process_nor_one_it_starts_has_the_right():
    status = Path("/proc/self/status").read_text("ascii")
    sets = dict(line.split(":\t") for line in status.splitlines() if line.startswith("Cap"))
    for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        assert not int(sets[name], 16) >> 25 & 1, name
    # Without CAP_SETPCAP the bounding set stays, but then nothing here is root's.
    if int(sets["CapEff"], 16) >> 8 & 1:
        assert not int(sets["CapBnd"], 16) >> 25 & 1
    assert LinuxClock().can_set() == (False, NO_PERMISSION)


@windows
def test_a_test_that_would_set_the_clock_of_windows_fails():
    with pytest.raises(pytest.fail.Exception, match="tried to set the clock"):
        module.Win32().set_system_time(SystemTime.at(0.0))


@windows
def test_neither_this_process_nor_one_it_starts_has_the_privilege():
    ask = "from core.clock import Win32; print(Win32().enable_privilege('SeSystemtimePrivilege'))"
    assert module.Win32().enable_privilege("SeSystemtimePrivilege") == 1300
    assert WindowsClock(module.Win32()).can_set() == (False, NO_PERMISSION)
    done = subprocess.run(
        [sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1300"


@windows
def test_windows_answers_the_questions():
    windows = module.Win32()
    assert windows.enable_privilege("SeChangeNotifyPrivilege") == 0
    assert windows.enable_privilege("SeNoSuchPrivilege") != 0
    assert not windows.is_service_running("no such service")
    assert isinstance(windows.time_service_type(), str)


# Linux


class Kernel:
    """A Linux of files and values."""

    def __init__(self, folder: Path) -> None:
        self.proc = folder
        self.status: int | None = UNSYNC
        self.times: list[float] = []
        self.refusal: OSError | None = None
        (folder / "self").mkdir()
        self.capabilities("000001fffeffffff")

    def capabilities(self, effective: str) -> None:
        text = f"Name:\tpython3\nCapPrm:\t{'0' * 16}\nCapEff:\t{effective}\nCapBnd:\t{'0' * 16}\n"
        (self.proc / "self/status").write_text(text)

    def runs(self, *names: str) -> None:
        for number, name in enumerate(names, 100):
            (self.proc / str(number)).mkdir()
            (self.proc / str(number) / "comm").write_text(f"{name}\n")

    def set(self, t: float) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.times.append(t)

    @property
    def clock(self) -> LinuxClock:
        return LinuxClock(self.set, lambda: self.status, self.proc)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


@pytest.mark.parametrize(("effective", "may"), [
    ("0000000000000000", False), ("0000000002000000", True), ("000001fffdffffff", False),
    ("000001ffffffffff", True), ("0000000001000000", False), ("0000000004000000", False),
])  # fmt: skip
def test_bit_25_of_the_effective_capabilities_is_the_right(kernel, effective, may):
    kernel.capabilities(effective)
    assert kernel.clock.can_set() == ((True, "") if may else (False, NO_PERMISSION))


def test_without_the_files_of_proc_there_is_no_right_and_no_name(kernel, tmp_path):
    clock = LinuxClock(kernel.set, lambda: 0, tmp_path / "none")
    assert clock.can_set() == (False, NO_PERMISSION)
    assert clock.owner() == "another time service"
    (tmp_path / "self/status").write_text("Name:\tpython3\n")
    assert kernel.clock.can_set() == (False, NO_PERMISSION)


@pytest.mark.parametrize(("status", "processes", "owner"), [
    (UNSYNC, ["chronyd"], None),
    (UNSYNC | 0x2001, [], None),
    (None, ["chronyd"], None),
    (0x2001, ["init", "chronyd"], "chronyd"),
    (0, ["systemd-timesyn"], "systemd-timesyncd"),
    (0, ["bash", "ntpd", "python3"], "ntpd"),
    (0, ["bash"], "another time service"),
], ids=str)  # fmt: skip
def test_a_clock_in_sync_belongs_to_somebody(kernel, status, processes, owner):
    kernel.status = status
    kernel.runs(*processes)
    assert kernel.clock.owner() == owner


def test_a_process_that_ends_meanwhile_is_passed_over(kernel):
    kernel.status = 0
    (kernel.proc / "99").mkdir()  # no comm any more
    kernel.runs("chronyd")
    assert kernel.clock.owner() == "chronyd"


def test_a_step_is_one_call_with_the_time(kernel):
    kernel.clock.step(1_700_000_000.25)
    assert kernel.times == [1_700_000_000.25]


def test_a_refusal_of_the_system_is_passed_on(kernel):
    kernel.refusal = PermissionError(1, "Operation not permitted")
    with pytest.raises(PermissionError):
        kernel.clock.step(0.0)


@linux
def test_the_linux_setter_sets_the_real_time_clock(monkeypatch):
    calls: list[tuple[int, float]] = []
    monkeypatch.setattr(time, "clock_settime", lambda *of: calls.append(of))
    set_linux_time(1.5)
    assert calls == [(time.CLOCK_REALTIME, 1.5)]


@linux
def test_the_kernel_tells_its_status_and_is_only_read():
    """All 0 asks for no change; what comes back shows that the structure is laid out right."""
    state = module._Timex()
    assert state.modes == 0
    assert module._Timex.status.offset == (40 if module.ctypes.sizeof(module.ctypes.c_long) == 8
                                           else 20)  # fmt: skip
    status = kernel_clock_status()
    assert status is None or 0 <= status < 1 << 16


@pytest.mark.parametrize("error", [OSError, AttributeError])
def test_a_kernel_that_cannot_be_asked_has_no_status(monkeypatch, error):
    def nothing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(module.ctypes, "CDLL", nothing)
    assert kernel_clock_status() is None


def test_a_kernel_that_refuses_has_no_status(monkeypatch):
    class Library:
        @staticmethod
        def adjtimex(_: object) -> int:
            return -1

    monkeypatch.setattr(module.ctypes, "CDLL", lambda *_, **__: Library)
    assert kernel_clock_status() is None


# Windows


class Windows:
    """A Windows of values, and of what was called."""

    def __init__(self) -> None:
        self.privilege_error = self.set_error = 0
        self.type = "NTP"
        self.running = False
        self.called: list[object] = []

    def enable_privilege(self, name: str) -> int:
        self.called.append(name)
        return self.privilege_error

    def set_system_time(self, moment: SystemTime) -> int:
        self.called.append(moment)
        return self.set_error

    def is_service_running(self, name: str) -> bool:
        assert name == "w32time"
        return self.running

    def time_service_type(self) -> str:
        return self.type


SYSTEM_TIMES = [
    ("2026-11-21 23:45:02.250", (2026, 11, 6, 21, 23, 45, 2, 250)),
    ("2026-11-22 00:00:00", (2026, 11, 0, 22, 0, 0, 0, 0)),  # a Sunday
    ("2024-02-29 12:00:00.0006", (2024, 2, 4, 29, 12, 0, 0, 1)),
    ("2024-02-29 12:00:00.0004", (2024, 2, 4, 29, 12, 0, 0, 0)),
    ("2024-12-31 23:59:59.9996", (2025, 1, 3, 1, 0, 0, 0, 0)),
]


@pytest.mark.parametrize(("text", "fields"), SYSTEM_TIMES)
def test_the_nearest_millisecond_in_utc(text, fields):
    assert SystemTime.at(unix(text)) == fields


def test_windows_enables_the_privilege_and_sets_once():
    windows = Windows()
    WindowsClock(windows).step(unix("2026-11-21 23:45:02.250"))
    assert windows.called == ["SeSystemtimePrivilege", SYSTEM_TIMES[0][1]]


def test_the_privilege_is_the_right():
    windows = Windows()
    assert WindowsClock(windows).can_set() == (True, "")
    windows.privilege_error = 1300
    assert WindowsClock(windows).can_set() == (False, NO_PERMISSION)
    assert windows.called == ["SeSystemtimePrivilege"] * 2


@pytest.mark.parametrize("error", [5, 1300, 1314])
def test_without_the_privilege_nothing_is_set(error):
    windows = Windows()
    windows.privilege_error = error
    with pytest.raises(PermissionError):
        WindowsClock(windows).step(0.0)
    assert windows.called == ["SeSystemtimePrivilege"]


@pytest.mark.parametrize(("code", "kind"), [(1314, PermissionError), (87, OSError)])
def test_a_refusal_of_windows_is_an_error(code, kind):
    windows = Windows()
    windows.set_error = code
    with pytest.raises(OSError) as raised:  # noqa: PT011 (which one is the question)
        WindowsClock(windows).step(unix("2026-11-21 23:45:02"))
    assert type(raised.value) is kind


@pytest.mark.parametrize(("kind", "running", "owner"), [
    ("NTP", False, None), ("NTP", True, "w32time"), ("AllSync", True, "w32time"),
    ("NT5DS", True, "w32time"), ("NT5DS", False, "w32time"), ("NoSync", True, None),
    ("", False, None), ("nt5ds", False, "w32time"),
])  # fmt: skip
def test_the_time_service_of_windows_keeps_the_clock(kind, running, owner):
    windows = Windows()
    windows.type, windows.running = kind, running
    assert WindowsClock(windows).owner() == owner


# All


def test_every_clock_shows_the_time_and_has_a_limit_of_its_own():
    clocks: list[Clock] = [LinuxClock(), WindowsClock(Windows()), UnknownClock(), system_clock()]
    for clock in clocks:
        assert abs(clock.now() - datetime.now(UTC).timestamp()) < 1
    assert [clock.leave_below for clock in clocks[:2]] == [0.128, 0.020]


def test_a_system_we_do_not_know_is_never_set():
    clock = UnknownClock()
    may, reason = clock.can_set()
    assert not may
    assert "not possible" in reason
    assert clock.owner() is None
    with pytest.raises(PermissionError):
        clock.step(0.0)


@pytest.mark.parametrize(("platform", "kind"), [("linux", LinuxClock), ("darwin", UnknownClock)])
def test_the_clock_is_that_of_the_system(monkeypatch, platform, kind):
    monkeypatch.setattr(sys, "platform", platform)
    assert type(system_clock()) is kind
