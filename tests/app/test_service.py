"""Services of Windows: what is said to the service manager, and what a person is told."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from app import console, service, winapi
from app.arguments import ServiceAct, parse
from tests.support.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
INTERROGATE = 4
STATES = {winapi.STOPPED: "stopped", winapi.START_PENDING: "start pending",
          winapi.STOP_PENDING: "stop pending", winapi.RUNNING: "running"}  # fmt: skip


class Manager:
    """A service manager of values, and of what it was told."""

    def __init__(self, error: int = 0) -> None:
        self.error = error
        self.told: list[str] = []
        self.hints: list[float] = []
        self.exit_code: int | None = None
        self.events: list[tuple[str, str]] = []
        self.made: list[tuple[str, ...]] = []
        self.control = lambda number: None
        self._stopped = threading.Event()

    def create(self, name, title, text, command):
        self.made.append((name, title, text, command))
        return self.error

    def delete(self, name):
        self.made.append((name,))
        return self.error

    def connect(self, begun, control):
        if self.error:
            return self.error
        self.control = control
        main = threading.Thread(target=begun, args=("gw 1",), name="peer-service-main", daemon=True)
        main.start()
        assert self._stopped.wait(10)
        main.join(10)
        assert not main.is_alive()
        return 0

    def report(self, state, *, exit_code=0, hint=0.0):
        self.told.append(STATES[state])
        self.hints.append(hint)
        if state == winapi.STOPPED:
            self.exit_code = exit_code
            self._stopped.set()

    def log_error(self, source, text):
        self.events.append((source, text))

    def give_up(self):
        """For a service that broke down: Windows would see its process end."""
        self._stopped.set()


@pytest.fixture(autouse=True)
def _streams_are_given_back(monkeypatch):
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    monkeypatch.setattr(console, "_paper", None)


@pytest.mark.parametrize("control", [winapi.CONTROL_STOP, winapi.CONTROL_SHUTDOWN])
def test_a_life_from_start_to_stop(control):
    manager = Manager()

    def work(stop, at_work):
        assert manager.told == ["start pending"]
        at_work()
        manager.control(INTERROGATE)
        assert not stop.is_set()
        manager.control(control)
        assert stop.is_set()
        return 0

    assert service.run(work, manager) == 0
    assert manager.told == ["start pending", "running", "stop pending", "stopped"]
    assert manager.exit_code == 0
    assert manager.hints[0] >= 30
    assert manager.hints[2] >= 3  # the program ends within 3 s
    console.finish()
    assert manager.events == []


def test_what_keeps_it_from_starting_is_in_the_log_of_events():
    manager = Manager()

    def work(stop, at_work):
        console.err("plant.csv:3: column hosts: value '': no host")
        return 1

    assert service.run(work, manager) == 1
    assert manager.told == ["start pending", "stopped"]
    assert manager.exit_code == 1
    console.finish()
    assert manager.events == [("gw 1", "plant.csv:3: column hosts: value '': no host")]


def test_what_it_says_once_it_runs_is_for_the_log_files():
    manager = Manager()

    def work(stop, at_work):
        console.err("a value is odd")
        console.at_work()
        console.err("a disk is full")
        return 0

    service.run(work, manager)
    console.finish()
    assert manager.events == []


def test_a_service_that_breaks_down_does_not_say_that_it_stopped():
    """Windows starts again only what ended without that."""
    manager = Manager()

    def work(stop, at_work):
        at_work()
        raise RuntimeError("a fault of ours")

    broken = service._Service(work, manager)
    try:
        with pytest.raises(RuntimeError):
            broken.run()
        assert manager.told == ["start pending", "running"]
        ((source, text),) = manager.events
        assert source == "gw 1"
        assert "RuntimeError: a fault of ours" in text
    finally:  # here the process would have ended, and its threads with it
        broken._over.set()
        manager.give_up()


@pytest.mark.parametrize(("error", "words"), [
    (winapi.NOT_FROM_SERVICE_MANAGER, "did not start this; --install-service makes a service"),
    (87, "no connection to the service manager: Windows error 87"),
])  # fmt: skip
def test_whoever_starts_it_by_hand_is_told(capsys, error, words):
    assert service.run(lambda stop, at_work: pytest.fail("it runs"), Manager(error)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert words in said.err


def test_a_service_is_installed_with_all_paths_absolute(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "My Plant é"
    manager = Manager()
    assert service.install("gw-2", Path("My Plant é/a.csv"), Path("logs"), manager) == 0
    ((name, title, text, line),) = manager.made
    assert (name, title) == ("gw-2", "IEC 104 gateway (gw-2)")
    assert "60870-5-104" in text
    assert f'--service -i "{folder / "a.csv"}" --log-dir ' in line
    assert str(tmp_path / "logs") in line
    assert str(ROOT / "iec104mm2ss.py") in line
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("service gw-2 installed: ")
    assert said[1].endswith("net start gw-2")
    assert service.install(service.DEFAULT_NAME, Path("a.csv"), None, manager) == 0
    assert manager.made[1][:2] == ("iec104mm2ss", "IEC 104 gateway")
    assert "--log-dir" not in manager.made[1][3]


def test_the_packaged_program_is_its_own_service(monkeypatch):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", "/opt/My Gateway/gateway")
    line = service.command(Path("/etc/plant.csv"), None)
    assert line.startswith('"/opt/My Gateway/gateway" --service -i ')


def test_a_virtual_environment_is_left_out(monkeypatch, capsys):
    """Its python.exe starts another process, which the service manager would not know."""
    monkeypatch.setattr(sys, "_base_executable", "/usr/bin/base-python", raising=False)
    monkeypatch.setattr(sys, "prefix", "/home/me/.venv")
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    assert service.command(Path("a.csv"), None).startswith("/usr/bin/base-python ")
    service.install("gw", Path("a.csv"), None, Manager())
    assert "ntplib must be installed there" in capsys.readouterr().out


def test_where_nothing_can_be_started_nothing_is_installed(monkeypatch, capsys):
    monkeypatch.setattr(service, "__file__", "/usr/lib/python3/site-packages/app/service.py")
    manager = Manager()
    assert service.install("gw", Path("a.csv"), None, manager) == 1
    assert manager.made == []
    assert "the packaged program or a checkout" in capsys.readouterr().err


@pytest.mark.parametrize(("error", "words"), [
    (5, "access is denied: run it as administrator"),
    (1060, "there is no service of that name"),
    (1072, "it is being removed"),
    (1073, "a service of that name exists"),
    (1078, "another service is shown under that name"),
    (4711, "Windows error 4711"),
])  # fmt: skip
def test_a_refusal_is_one_line_and_says_what_to_do(capsys, error, words):
    assert service.install("gw", Path("a.csv"), None, Manager(error)) == 1
    assert service.remove("gw", Manager(error)) == 1
    said = capsys.readouterr()
    assert said.out == ""
    installed, removed = said.err.splitlines()
    assert installed.startswith("iec104mm2ss: service gw cannot be installed: ")
    assert removed.startswith("iec104mm2ss: service gw cannot be removed: ")
    assert words in installed
    assert words in removed


def test_a_service_is_removed(capsys):
    manager = Manager()
    assert service.remove("gw", manager) == 0
    assert manager.made == [("gw",)]
    assert capsys.readouterr().out == "service gw removed\n"


# The command line


def test_the_arguments_of_a_service():
    given = parse(["--install-service", "--name", "Station 7", "-i", "a.csv", "--log-dir", "l"])
    assert (given.service, given.service_name) == (ServiceAct.INSTALL, "Station 7")
    assert (given.ini, given.log_dir) == (Path("a.csv"), Path("l"))
    assert parse(["--remove-service"]).service is ServiceAct.REMOVE
    assert parse(["--service"]).service is ServiceAct.RUN
    assert parse([]).service is None
    assert parse([]).service_name == "iec104mm2ss"


@pytest.mark.parametrize("arguments", [
    ["--install-service", "--remove-service"], ["--service", "--install-service"],
    ["--service", "--check"], ["--service", "-n"], ["--install-service", "--demo"],
    ["--service", "--name", "a"], ["--name", "a"], ["--remove-service", "-i", "a.csv"],
    ["--install-service", "-s", "127.0.0.1"], ["--install-service", "-t", "60"],
    ["--install-service", "--name", ""], ["--install-service", "--name", "a/b"],
    ["--install-service", "--name", "a\\b"], ["--install-service", "--name", "a\nb"],
    ["--install-service", "--name", "x" * 81],
], ids=str)  # fmt: skip
def test_what_does_not_go_together_is_one_line(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)


def program(*arguments: object, within: float = 60) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, ROOT / "iec104mm2ss.py", *map(str, arguments)], capture_output=True,
        stdin=subprocess.DEVNULL, encoding="utf-8", timeout=within, check=False,
    )  # fmt: skip


@pytest.mark.posix  # says where such a service is made instead
@pytest.mark.parametrize("act", ["--install-service", "--remove-service", "--service"])
def test_elsewhere_it_names_what_does_the_same_there(act):
    done = program(act)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "iec104mm2ss@NAME.service" in done.stderr


# Windows itself

windows = pytest.mark.skipif(sys.platform != "win32", reason="asks Windows")


@windows
def test_started_by_hand_it_says_so():
    done = program("--service", "-i", "none.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert "service manager of Windows, which did not start this" in done.stderr


class Installed:
    """A service that is there while the block runs."""

    def __init__(self, ini: Path, name: str) -> None:
        self.ini, self.name = ini, name

    def __enter__(self):
        done = program("--install-service", "--name", self.name, "-i", self.ini)
        if "run it as administrator" in done.stderr:
            pytest.skip("only an administrator may install a service")
        assert done.returncode == 0, done.stderr
        return self

    def __exit__(self, *_):
        assert program("--remove-service", "--name", self.name).returncode == 0
        assert self.sc("query").returncode  # it is gone

    def sc(self, what, *more):
        return subprocess.run(
            ["sc", what, self.name, *more], capture_output=True, stdin=subprocess.DEVNULL,
            encoding="utf-8", errors="replace", timeout=60, check=False,
        )  # fmt: skip

    def wait(self, state: str) -> None:
        until = time.monotonic() + 60
        while state not in self.sc("query").stdout:
            assert time.monotonic() < until, self.sc("query").stdout
            time.sleep(0.2)

    def wait_for_log(self, text: str) -> None:
        until = time.monotonic() + 60
        while text not in self.log():
            assert time.monotonic() < until, self.log()
            time.sleep(0.1)

    def log(self) -> str:
        path = self.ini.parent / "log" / "iec104mm2ss.txt"
        return path.read_text("utf-8") if path.exists() else ""


@windows
@pytest.mark.slow
def test_two_services_of_windows_run_and_stop_in_order(tmp_path):
    services = []
    for number in (1, 2):
        folder = tmp_path / f"Station {number} é"
        folder.mkdir()
        rtu_port, port = free_ports(2)
        ini = folder / "plant.csv"
        ini.write_text(f"1,R,,5,N,127.0.0.1:{rtu_port}\n1,M,{port},5,Y,\n", encoding="utf-8")
        services.append(Installed(ini, f"iec104mm2ss test {number}"))
    with services[0] as first, services[1] as second:
        second_install = program("--install-service", "--name", first.name, "-i", first.ini)
        assert second_install.returncode == 1
        assert "exists" in second_install.stderr
        for each in (first, second):
            assert each.sc("start").returncode == 0
        for each in (first, second):
            each.wait("RUNNING")
            each.wait_for_log(f"started with {each.ini}: 1 groups")
        # The same file is not run twice.
        again = program("-n", "-i", first.ini)
        assert again.returncode == 1
        assert "already running" in again.stderr
        assert first.sc("stop").returncode == 0
        first.wait("STOPPED")
        assert first.log().rstrip().endswith(": ended")
        assert "RUNNING" in second.sc("query").stdout
    # Removing the other one has stopped it in order as well.
    assert second.log().rstrip().endswith(": ended")


@windows
@pytest.mark.slow
def test_a_service_that_cannot_start_has_stopped_with_its_exit_code(tmp_path):
    ini = tmp_path / "plant.csv"
    ini.write_text("1,R,,5,N,127.0.0.1:9\n1,M,14995,5,Y,\n", encoding="utf-8")
    with Installed(ini, "iec104mm2ss test 3") as each:
        ini.write_text("nothing\n", encoding="utf-8")
        each.sc("start")
        each.wait("STOPPED")
        assert "1066" in each.sc("query").stdout  # a number of its own
        assert not (tmp_path / "log").exists()
