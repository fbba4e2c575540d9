"""The command line as a person meets it: exit codes, messages, the file that is found, the end."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from core import __version__
from tests.support.ending import START, ask_to_end
from tests.support.ports import free_port, free_ports
from tests.support.windows import DEVELOPMENT_MODE

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "iec104mm2ss.py"
LIMIT = 3.0
STARTED = 30.0 if sys.platform == "win32" else 15.0
"""Seconds a busy machine may take until the program runs."""


def sample(rtu_port: int, port: int, name: str = "RTU") -> str:
    return f"1,{name},,32,N,127.0.0.1:{rtu_port}\n1,M1,{port},101,Y,\n"


class Ended:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        self.lines = err.splitlines()
        assert "Traceback" not in out + err


def run(*arguments: object, cwd: Path | None = None, program: Path = PROGRAM) -> Ended:
    """The program with these arguments, which must end by itself."""
    done = subprocess.run(
        [sys.executable, *DEVELOPMENT_MODE, str(program), *map(str, arguments)],
        cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False,
        encoding="utf-8",
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    path = tmp_path / "plant.csv"
    path.write_text(sample(*free_ports(2)), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program in a folder of its own, without a configuration."""
    folder = tmp_path_factory.mktemp("program")
    for name in ("app", "core"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROGRAM, folder)
    return folder


# What ends at once


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_goes_to_standard_output(option):
    ended = run(option)
    assert ended.code == 0
    assert ended.err == ""
    for word in ("-i", "-n", "--log-dir", "--version", "iec104mm2ss.csv"):
        assert word in ended.out


def test_the_version_is_the_packages():
    ended = run("--version")
    assert (ended.code, ended.out.split(), ended.err) == (0, ["iec104mm2ss", __version__], "")


@pytest.mark.parametrize("arguments", [
    ["--no-such-option"], ["-x"], ["-i"], ["a.csv"], ["--log-dir"], ["--ver"], ["-t", "soon"],
    ["-t", "0"], ["-s", "no host"], ["-n", "-i", "none.csv", "--nonsense"],
])  # fmt: skip
def test_wrong_arguments_end_with_2_and_one_line(arguments):
    ended = run(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert len(ended.lines) == 1
    assert ended.lines[0].startswith("iec104mm2ss: ")
    assert ended.lines[0].endswith("; -h shows what is possible")
    wrong = arguments[-1]
    assert wrong in ended.lines[0]


@pytest.mark.parametrize(("extra", "code"), [
    ("", 0), ("t3,15\n", 1), ("1,M2,many,101,Y,\n", 2), ("w,20\nk,10\n", 2),
], ids=["clean", "odd", "row", "pair"])  # fmt: skip
def test_a_check_says_how_the_file_is_read_and_runs_nothing(tmp_path, extra, code):
    path = tmp_path / "plant.csv"
    path.write_text(sample(*free_ports(2)) + extra, encoding="utf-8")
    ended = run("--check", "-i", path)
    assert ended.code == code
    assert ended.err == ""
    assert "line 1: loaded" in ended.out
    assert "1 groups with 2 entries" in ended.out
    assert ("plant.csv:" in ended.out) == (code > 0)
    assert not (tmp_path / "log").exists()


def test_a_check_of_an_unusable_file_is_an_error(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_bytes(b"hello\n")
    assert run("--check", "-i", path).code == 2
    assert run("--check", "-i", tmp_path / "none.csv").code == 1


def test_a_missing_file_ends_with_1_and_one_line(tmp_path):
    ended = run("-n", "-i", tmp_path / "none.csv")
    assert ended.code == 1
    assert ended.lines == [
        f"iec104mm2ss: {tmp_path / 'none.csv'}: cannot be read: No such file or directory"
    ]
    assert not (tmp_path / "log").exists()


def test_a_folder_in_place_of_a_file_ends_with_1_and_one_line(tmp_path):
    ended = run("-n", "-i", tmp_path)
    assert ended.code == 1
    assert len(ended.lines) == 1
    assert ended.lines[0].startswith(f"iec104mm2ss: {tmp_path}: cannot be read: ")


@pytest.mark.posix  # file modes
def test_a_file_that_may_not_be_read_ends_with_1_and_one_line(ini):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    ini.chmod(0)
    ended = run("-n", "-i", ini)
    assert ended.code == 1
    assert ended.lines == [f"iec104mm2ss: {ini}: cannot be read: Permission denied"]


@pytest.mark.parametrize("data", [
    b"", b"\n\n", bytes(range(256)) * 20, b"!\n1,RTU,,32,N,127.0.0.1:2404\n1,M,2406,1,Y,\n",
    b"1,RTU,,32,N,127.0.0.1:2404\n", b"\xff\xfe1\0,\0", b'"' * 100, b"hello\nworld\n",
], ids=["empty", "blank", "octets", "ended", "half", "utf-16", "quotes", "words"])  # fmt: skip
def test_an_unusable_file_ends_with_1_and_says_what_is_wrong(tmp_path, data):
    path = tmp_path / "bad.csv"
    path.write_bytes(data)
    ended = run("-n", "-i", path)
    assert ended.code == 1
    assert all(line.startswith("bad.csv:") for line in ended.lines)
    assert [line for line in ended.lines if "can be started" in line or "UTF-16" in line]
    assert not (tmp_path / "log").exists()


def test_without_any_file_both_places_are_named(elsewhere, tmp_path):
    ended = run("-n", cwd=tmp_path, program=elsewhere / "iec104mm2ss.py")
    assert ended.code == 1
    assert ended.lines == [
        f"iec104mm2ss: no iec104mm2ss.csv in {tmp_path} or {elsewhere}; name one: -i FILE"
    ]


# What runs until it is told to end


class Process:
    """The program, running."""

    def __init__(
        self, *arguments: object, cwd: Path, logs: Path, program: Path = PROGRAM,
        python: tuple[str, ...] = DEVELOPMENT_MODE, session: bool = False,
    ) -> None:  # fmt: skip
        self.logs = logs
        # Not a pipe: what nobody reads yet would soon stop the program, on Windows after 4 KiB.
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 (`start` closes)
        self.process = subprocess.Popen(
            [sys.executable, *python, str(program), *map(str, arguments)],
            cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._errors,
            encoding="utf-8", start_new_session=session, **START,
        )  # fmt: skip

    def log(self, name: str = "iec104mm2ss") -> str:
        path = self.logs / f"{name}.txt"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def wait_until(self, condition: object, what: str) -> None:
        deadline = time.monotonic() + STARTED
        while not condition():  # type: ignore[operator]
            code = self.process.poll()
            assert code is None, f"ended with {code}: {self.process.communicate()}"
            assert time.monotonic() < deadline, what
            time.sleep(0.01)

    def runs(self) -> None:
        """Returns once the groups run: their lines come after all else is set up."""
        self.wait_until(lambda: any("settings t0" in self.log(p.stem) for p in self._entries()),
                        "the groups run")  # fmt: skip

    def _entries(self) -> list[Path]:
        return [path for path in self.logs.glob("*.txt") if path.stem != "iec104mm2ss"]

    def end(self, number: int = signal.SIGTERM) -> Ended:
        """Ended by a signal, within the limit."""
        begin = time.monotonic()
        ask_to_end(self.process, number)
        out, _ = self.process.communicate(timeout=20)
        took = time.monotonic() - begin
        self._errors.seek(0)
        err = self._errors.read()
        assert took < LIMIT, f"{took:.1f} s"
        return Ended(self.process.returncode, out, err)


@pytest.fixture
def start(tmp_path):
    """Starts programs; whatever a failed test left running is killed."""
    started: list[Process] = []

    def start(*arguments: object, **options: object) -> Process:
        options.setdefault("cwd", tmp_path)
        options.setdefault("logs", tmp_path / "log")
        started.append(Process(*arguments, **options))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
        each.process.communicate()
        each._errors.close()


def signals():
    names = ("SIGTERM", "SIGINT") if sys.platform != "win32" else ("SIGBREAK",)
    return [pytest.param(getattr(signal, name), id=name) for name in names]


@pytest.mark.parametrize("number", signals())
def test_a_signal_ends_it_with_0_though_nothing_is_connected(start, ini, number):
    program = start("-n", "-i", ini)
    program.runs()
    ended = program.end(number)
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    log = program.log()
    assert f"iec104mm2ss {__version__} started with {ini}: 1 groups, 2 entries" in log
    assert log.rstrip().endswith("ended")
    assert "not in order" not in log
    assert "Traceback" not in log


@pytest.mark.parametrize("number", signals())
def test_a_signal_ends_it_while_an_rtu_accepts_and_says_nothing(start, ini, number):
    port = int(ini.read_text().split(":")[1].split("\n")[0])
    with socket.create_server(("127.0.0.1", port)) as server:
        server.settimeout(STARTED)
        program = start("-n", "-i", ini)
        peer, _ = server.accept()
        peer.settimeout(5)
        assert peer.recv(6) == bytes.fromhex("680443000000")
        assert program.end(number).code == 0
        peer.close()


@pytest.mark.posix  # Ctrl+Break to a process that is about to end is an error
def test_a_second_signal_does_no_harm(start, ini):
    program = start("-n", "-i", ini)
    program.runs()
    program.process.send_signal(signal.SIGINT)
    assert program.end(signal.SIGINT).code == 0


@pytest.mark.posix  # Windows has no SIGHUP, and a console that closes ends its programs
def test_closing_the_terminal_does_not_end_it(start, ini):
    program = start("-n", "-i", ini)
    program.runs()
    program.process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        program.process.wait(0.7)
    assert program.end().code == 0


def test_without_a_window_tkinter_is_never_imported(start, ini):
    program = start("-n", "-i", ini, python=("-X", "importtime"))
    program.runs()
    ended = program.end()
    assert ended.code == 0
    imported = {line.split("|")[-1].strip() for line in ended.lines if line.startswith("import")}
    assert "core.gateway.hub" in imported
    assert not {name for name in imported if "tkinter" in name}


@pytest.mark.parametrize("flag", ["-n", "--nogui", "-nogui"])
def test_the_switch_for_no_window_in_all_its_spellings(start, ini, flag):
    program = start(flag, "-i", ini)
    program.runs()
    assert program.end().code == 0


def test_logs_go_where_they_are_told_to(start, ini, tmp_path):
    program = start("-n", "-i", ini, "--log-dir", tmp_path / "other", logs=tmp_path / "other")
    program.runs()
    assert program.end().code == 0
    assert "ended" in program.log()
    assert not (tmp_path / "log").exists()


def test_logs_stand_beside_the_file_that_was_read(start, ini, tmp_path):
    folder = tmp_path / "somewhere"
    folder.mkdir()
    program = start("-n", "-i", os.path.relpath(ini, folder), cwd=folder)
    program.runs()
    assert program.end().code == 0
    assert not (folder / "log").exists()


def test_what_is_wrong_in_the_file_is_said_and_the_rest_runs(start, tmp_path):
    path = tmp_path / "plant.csv"
    path.write_text(sample(*free_ports(2)) + f"1,M2,{free_port()},many,Y,\n", encoding="utf-8")
    program = start("-n", "-i", path)
    program.runs()
    ended = program.end()
    assert ended.code == 0
    assert len(ended.lines) == 1
    assert ended.lines[0].startswith("plant.csv:3: column rtu no: value 'many': ")
    assert ended.lines[0] in program.log()


def test_a_log_folder_that_cannot_be_made_does_not_stop_the_program(start, ini, tmp_path):
    (tmp_path / "log").write_text("in the way", encoding="utf-8")
    port = int(ini.read_text().split(":")[1].split("\n")[0])
    with socket.create_server(("127.0.0.1", port)) as server:
        server.settimeout(STARTED)
        program = start("-n", "-i", ini)
        peer, _ = server.accept()  # it works all the same
        assert program.end().code == 0
        peer.close()


@pytest.mark.parametrize(("here", "beside", "found"), [
    ("iec104mm2ss.csv", None, "here"),
    ("IEC104MM2SS.CSV", None, "here"),
    (None, "iec104mm2ss.csv", "beside"),
    (None, "Iec104MM2SS.Csv", "beside"),
    ("iec104mm2ss.csv", "iec104mm2ss.csv", "here"),
    ("Iec104mm2ss.CSV", "iec104mm2ss.csv", "here"),
])  # fmt: skip
def test_the_file_is_looked_for_here_and_then_beside_the_program(
    start, elsewhere, tmp_path, here, beside, found
):
    places = {"here": tmp_path, "beside": elsewhere}
    files = {"here": here, "beside": beside}
    for place, name in files.items():
        if name:
            text = sample(*free_ports(2), name=place)
            (places[place] / name).write_text(text, encoding="utf-8")
    try:
        program = start("-n", "--log-dir", tmp_path / "log", program=elsewhere / "iec104mm2ss.py")
        program.runs()
        assert program.end().code == 0
        assert str(places[found] / files[found]) in program.log()
        assert any(found in path.stem for path in program._entries())
    finally:
        if beside:
            (elsewhere / beside).unlink()
