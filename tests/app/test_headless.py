"""What a person in front of a terminal is told, and nobody else."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.cli import _time_keeper
from app.headless import ClockLine, Groups
from core.config import Config, Settings
from core.feed import Feed
from core.status import ClockSeverity, ClockStatus, EntryStatus, MasterState, RtuState

PROGRAM = Path(__file__).parents[2] / "iec104mm2ss.py"


def rtu(state, detail="", group=7):
    return EntryStatus(f"{group}/S/R", group, "S/R", state, detail)


def master(name, state, detail="", group=7):
    return EntryStatus(f"{group}/M/{name}", group, f"M/{name}", state, detail)


def test_a_group_is_one_line_whatever_of_it_changed():
    first = [rtu(RtuState.ONLINE), master("A", MasterState.ONLINE), master("B", MasterState.HELD)]
    assert Groups().changed(first) == ["7 S/R: online, 1 of 2 masters online"]


def test_nothing_new_is_no_line():
    groups = Groups()
    groups.changed([rtu(RtuState.ONLINE), master("A", MasterState.LISTENING)])
    assert groups.changed([master("A", MasterState.CONNECTED)]) == []
    assert groups.changed([]) == []


def test_trouble_is_named_with_its_reason():
    groups = Groups()
    entries = [
        rtu(RtuState.CONNECTING, "no answer"),
        master("A", MasterState.ERROR, "port 9 taken"),
    ]
    assert groups.changed(entries) == [
        "7 S/R: connecting (no answer), 0 of 1 masters online; M/A: error (port 9 taken)"
    ]


def test_groups_are_told_apart():
    groups = Groups()
    groups.changed([rtu(RtuState.ONLINE), rtu(RtuState.ONLINE, group=8)])
    assert groups.changed([rtu(RtuState.STARTING, group=8)]) == [
        "8 S/R: starting, 0 of 0 masters online"
    ]


def test_the_clock_is_a_line_when_there_is_news_of_it():
    def clock(text, news):
        return ClockStatus(text, ClockSeverity.OK, news=news)

    line = ClockLine()
    assert line.changed(None) == []
    assert line.changed(clock("Asking 1 server", 0)) == []
    assert line.changed(clock("In step 12:00:00 · +1.0 ms", 1)) == [
        "NTP: In step 12:00:00 · +1.0 ms"
    ]
    assert line.changed(clock("In step 12:15:00 · +1.1 ms", 1)) == []
    assert line.changed(clock("Set 12:30:00 · +2.5 s", 2)) == ["NTP: Set 12:30:00 · +2.5 s"]


def test_the_state_of_the_clock_reaches_the_feed():
    feed = Feed()
    assert _time_keeper(Config(Settings()), feed).look() is None
    assert feed.drain().clock == ClockStatus("No NTP server configured", ClockSeverity.NONE, "", 1)


def _ini(folder: Path) -> Path:
    path = folder / "one.csv"
    path.write_text("1,R,,5,N,127.0.0.1:9\n1,M,14999,5,Y,\n")
    return path


@pytest.mark.posix
def test_on_a_terminal_it_says_what_changes(tmp_path):
    import pty  # not on Windows

    # Nothing answers there; and whatever did could set no clock: see tests/conftest.py.
    ini = _ini(tmp_path)
    ini.write_text(ini.read_text() + "ntp_mode,watch\nntp_server,127.113.0.1\n")
    wanted = (b"0 of 1 masters online", b"NTP: No answer from 1 server")
    reading, writing = pty.openpty()
    program = subprocess.Popen(
        [sys.executable, PROGRAM, "-n", "-i", ini], stdout=writing, stderr=writing
    )
    os.close(writing)
    said = b""
    until = time.monotonic() + 10
    while not all(word in said for word in wanted) and time.monotonic() < until:
        said += os.read(reading, 4096)
    program.send_signal(signal.SIGTERM)
    assert program.wait(5) == 0
    os.close(reading)
    assert b"1 S/R: connecting" in said
    assert all(word in said for word in wanted)
    log = (tmp_path / "log" / "iec104mm2ss.txt").read_text("utf-8")
    assert "NTP: No answer from 1 server · next try " in log
    assert "(127.113.0.1: no answer (nothing listens there))" in log


@pytest.mark.posix
def test_without_a_terminal_it_says_nothing(tmp_path):
    program = subprocess.Popen(
        [sys.executable, PROGRAM, "-n", "-i", _ini(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    log = tmp_path / "log" / "S-R.txt"
    until = time.monotonic() + 10
    while not (log.exists() and b"no connection" in log.read_bytes()):
        assert time.monotonic() < until
        time.sleep(0.05)
    program.send_signal(signal.SIGTERM)
    out, _ = program.communicate(timeout=5)
    assert program.returncode == 0
    assert out == b""


@pytest.mark.posix
def test_a_log_folder_nobody_can_write_is_said_at_the_start_and_the_gateway_runs(tmp_path):
    (tmp_path / "file").touch()
    log = tmp_path / "file" / "log"
    program = subprocess.Popen(
        [sys.executable, PROGRAM, "-n", "-i", _ini(tmp_path), "--log-dir", log],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert program.stderr.readline().startswith(f"the log folder {log} cannot be written by ")
        assert "cannot be written: Not a directory" in program.stderr.readline()
        assert program.poll() is None
    finally:
        program.send_signal(signal.SIGTERM)
        assert "Traceback" not in program.communicate(timeout=10)[1]
    assert program.returncode == 0


@pytest.mark.posix
def test_without_ntplib_all_but_the_clock_works_and_it_says_so(tmp_path):
    ini = _ini(tmp_path)
    ini.write_text(ini.read_text() + "ntp_server,192.0.2.1\n")
    hide = (
        "import sys, runpy; sys.modules['ntplib'] = None;"
        f"sys.argv = ['iec104mm2ss', '-n', '-i', {str(ini)!r}];"
        f"runpy.run_path({str(PROGRAM)!r}, run_name='__main__')"
    )
    program = subprocess.Popen([sys.executable, "-c", hide], stderr=subprocess.PIPE, text=True)
    try:
        assert "ntplib is not installed" in program.stderr.readline()
        log = tmp_path / "log" / "S-R.txt"
        until = time.monotonic() + 10
        while not (log.exists() and "trying" in log.read_text()):
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        program.send_signal(signal.SIGTERM)
        rest = program.communicate(timeout=5)[1]
    assert program.returncode == 0
    assert rest == ""
