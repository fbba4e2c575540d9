"""Windows gives a windowed program and a service no streams: what it says goes elsewhere."""

import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from app import cli, console, headless, winapi
from tests.support.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]


class Desktop:
    """A Windows that gives the program neither streams nor a console, and the boxes it showed."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, str]] = []
        self.has_console = False
        self.is_seen = True

    @contextmanager
    def __call__(self):
        # Not by the fixture: between its setup and the test pytest puts its own streams there.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdout", None)
            patch.setattr(sys, "stderr", None)
            patch.setattr(sys, "platform", "win32")
            patch.setattr(console, "_paper", None)
            patch.setattr(winapi, "attach_console", lambda: self.has_console, raising=False)
            patch.setattr(winapi, "is_on_a_desktop", lambda: self.is_seen, raising=False)
            patch.setattr(winapi, "show_message", lambda *b: self.shown.append(b), raising=False)
            yield

    def main(self, *arguments: object) -> object:
        """The program with these arguments; its exit code."""
        with self():
            try:
                return cli.main([*map(str, arguments)])
            except SystemExit as ended:
                return ended.code


@pytest.fixture
def desktop():
    return Desktop()


@pytest.mark.parametrize(("arguments", "code", "words"), [
    (["--nonsense"], 2, "unrecognized arguments: --nonsense; -h shows what is possible"),
    (["-h"], 0, "usage: iec104mm2ss"),
    (["--version"], 0, "iec104mm2ss "),
    (["decode", "--nonsense"], 2, "iec104mm2ss decode: "),
])  # fmt: skip
def test_arguments_are_answered_in_a_box(desktop, arguments, code, words):
    assert desktop.main(*arguments) == code
    ((title, text),) = desktop.shown
    assert title == "iec104mm2ss"
    assert words in text


def test_what_keeps_it_from_starting_is_said_in_a_box(desktop, tmp_path):
    assert desktop.main("-i", tmp_path / "none.csv") == 1
    ((_, text),) = desktop.shown
    assert text.startswith(f"iec104mm2ss: {tmp_path / 'none.csv'}: cannot be read: ")
    path = tmp_path / "empty.csv"
    path.write_bytes(b"")
    assert desktop.main("-n", "-i", path) == 1
    assert desktop.shown[1][1].startswith("empty.csv:")


def test_a_long_answer_is_cut(desktop, tmp_path):
    path = tmp_path / "many.csv"
    path.write_text("".join(f"{n},R{n},,1,N,127.0.0.1:{n}\n" for n in range(1, 400)), "utf-8")
    assert desktop.main("--check", "-i", path) == 2
    ((_, text),) = desktop.shown
    assert text.startswith(str(path))
    assert 4000 <= len(text) < 4010
    assert text.endswith(" ..")


def test_where_nobody_sees_a_box_none_is_shown(desktop):
    """Whoever runs it by the task scheduler would wait for ever for one to be closed."""
    desktop.is_seen = False
    assert desktop.main("--nonsense") == 2
    assert desktop.shown == []


def test_nothing_said_is_no_box(desktop):
    with desktop():
        console.prepare()
        console.finish()
    assert desktop.shown == []


def test_what_is_said_at_work_is_not_for_a_box(desktop):
    with desktop():
        console.prepare()
        console.err("before")
        console.at_work()
        console.err("while it runs")
        console.finish()
    assert desktop.shown == []


def test_the_console_of_the_starter_is_used_if_it_has_one(desktop, monkeypatch, tmp_path):
    desktop.has_console = True
    opened = []

    def fake(name, *more, **rest):
        opened.append(name)
        return (tmp_path / "console").open(*more, **rest)

    monkeypatch.setattr(console, "open", fake, raising=False)
    with desktop():
        console.prepare()
        with sys.stdout:
            console.err("Hafen \u2192 See")
    assert opened == ["CONOUT$"]
    assert (tmp_path / "console").read_text("utf-8") == "Hafen \u2192 See\n"
    assert desktop.shown == []


# The end of a console


@pytest.mark.parametrize("why", [winapi.CONSOLE_CLOSED, winapi.LOGOFF, winapi.SHUTDOWN])
def test_a_console_that_closes_ends_the_program_in_order(monkeypatch, why):
    monkeypatch.setattr(headless, "_CONSOLE_PATIENCE", 0.0)
    stop = threading.Event()
    assert headless.console_ends(stop, why)
    assert stop.is_set()


@pytest.mark.parametrize("why", [0, 1])
def test_ctrl_c_and_ctrl_break_come_as_signals(why):
    stop = threading.Event()
    assert not headless.console_ends(stop, why)
    assert not stop.is_set()


# Windows itself

windows = pytest.mark.skipif(sys.platform != "win32", reason="asks Windows")

BARE = """
import sys
from app import winapi
winapi.attach_console = lambda: False
sys.stdout = sys.stderr = None
from app.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""As a windowed executable that was started from the desktop."""


def bare(*arguments: object) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", BARE, *map(str, arguments)], cwd=ROOT, stdin=subprocess.DEVNULL
    )


@windows
def test_what_is_redirected_is_utf_8(tmp_path):
    ini = tmp_path / "Łódź → é.csv"
    done = subprocess.run(
        [sys.executable, ROOT / "iec104mm2ss.py", "-n", "-i", ini], capture_output=True, check=False
    )
    assert done.returncode == 1
    assert f"{ini}: cannot be read" in done.stderr.decode("utf-8")


@windows
def test_the_box_of_windows_shows_the_words():
    program = bare("--nonsense")
    try:
        assert "--nonsense; -h shows what is possible" in closed_box("iec104mm2ss")
        assert program.wait(20) == 2
    finally:
        program.kill()
        program.wait()


@windows
def test_without_streams_it_runs_with_nogui_in_the_file_and_only_once(tmp_path):
    rtu_port, port = free_ports(2)
    ini = tmp_path / "plant.csv"
    ini.write_text(f"nogui\n1,R,,5,N,127.0.0.1:{rtu_port}\n1,M,{port},5,Y,\n", "utf-8")
    log = tmp_path / "log" / "S-R.txt"
    first = bare("-i", ini)
    try:
        until = time.monotonic() + 60
        while not log.exists():
            assert first.poll() is None
            assert time.monotonic() < until
            time.sleep(0.1)
        second = bare("-i", ini)
        try:
            text = closed_box("iec104mm2ss")
            assert f"already running with {ini} (process {first.pid})" in text
            assert second.wait(20) == 1
        finally:
            second.kill()
            second.wait()
        assert first.poll() is None
    finally:
        first.kill()
        first.wait()


def closed_box(title: str) -> str:
    """Waits for a box of that title, closes it, and gives its text."""
    import ctypes
    from ctypes import wintypes

    user = ctypes.WinDLL("user32")
    user.FindWindowW.restype = wintypes.HWND
    user.GetDlgItem.argtypes = (wintypes.HWND, ctypes.c_int)
    user.GetDlgItem.restype = wintypes.HWND
    user.GetWindowTextW.argtypes = (wintypes.HWND, wintypes.LPWSTR, ctypes.c_int)
    user.SendMessageW.argtypes = (wintypes.HWND, wintypes.UINT, ctypes.c_size_t, ctypes.c_void_p)
    user.PostMessageW.argtypes = (wintypes.HWND, wintypes.UINT, ctypes.c_size_t, ctypes.c_void_p)
    until = time.monotonic() + 60
    text = ctypes.create_unicode_buffer(5000)
    while not text.value:
        assert time.monotonic() < until, "no box"
        time.sleep(0.1)
        box = user.FindWindowW("#32770", title)
        if box:
            user.SendMessageW(user.GetDlgItem(box, 0xFFFF), 0x0D, 5000, text)  # WM_GETTEXT
    user.PostMessageW(box, 0x10, 0, None)  # WM_CLOSE
    return text.value
