"""Streams that are missing, full, closed or of another encoding stop nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "iec104mm2ss.py"

pytestmark = pytest.mark.posix  # /dev/full, closed descriptors, terminals


@pytest.fixture
def ini(tmp_path):
    path = tmp_path / "one.csv"
    path.write_text("1,Hafen→,,5,N,127.0.0.1:9\n1,M,14998,5,Y,\n!x\n", "utf-8")
    return path


def runs_and_ends(ini, redirection, **environment):
    """Starts it by a shell, waits until it is at work, and ends it by SIGTERM."""
    command = f"exec {sys.executable} {PROGRAM} -n -i {ini} {redirection}"
    program = subprocess.Popen(["sh", "-c", command], env={**os.environ, **environment})
    logs = ini.parent / "log"
    until = time.monotonic() + 10
    while not any("no connection" in p.read_text("utf-8") for p in logs.glob("S-*.txt")):
        assert program.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(0.7)  # a poll of the front, in which there is something to say
    program.send_signal(signal.SIGTERM)
    assert program.wait(5) == 0
    text = (logs / "iec104mm2ss.txt").read_text("utf-8")
    assert text.rstrip().endswith(": ended")


@pytest.mark.parametrize(
    "redirection",
    [">&-", ">&- 2>&-", "2>&-", "2>/dev/full", ">/dev/full 2>&1"],
)
def test_streams_nobody_takes(ini, redirection):
    runs_and_ends(ini, redirection)


def test_a_terminal_of_another_encoding(ini):
    runs_and_ends(ini, "", PYTHONIOENCODING="latin-1")


def test_a_terminal_that_goes_away(ini):
    import pty

    reading, writing = pty.openpty()
    program = subprocess.Popen(
        [sys.executable, PROGRAM, "-n", "-i", ini],
        stdout=writing, stderr=writing, start_new_session=True,
    )  # fmt: skip
    os.close(writing)
    assert os.read(reading, 1)
    os.close(reading)
    time.sleep(1.5)  # polls of the front, in which there is something to say
    assert program.poll() is None
    program.send_signal(signal.SIGTERM)
    assert program.wait(5) == 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_check_is_told_in_any_encoding_and_its_exit_code_is_true(tmp_path, encoding):
    path = tmp_path / "bad.csv"
    path.write_text("k,ü→\n1,R→,,5,N,127.0.0.1:9\n1,M,14997,5,Y,\n", "utf-8")
    ended = subprocess.run(
        [sys.executable, PROGRAM, "--check", "-i", path],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 2
    assert b"Traceback" not in ended.stderr
    assert b"is not a whole number" in ended.stdout


def test_a_check_that_nobody_reads_has_its_exit_code(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text("k,0\n1,R,,5,N,127.0.0.1:9\n1,M,14997,5,Y,\n")
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, PROGRAM, "--check", "-i", path], stdout=full, stderr=full, check=False
        )
    assert ended.returncode == 2


def test_a_log_folder_that_cannot_be_written_is_said_though_nobody_watches(ini):
    program = subprocess.Popen(
        [sys.executable, PROGRAM, "-n", "-i", ini, "--log-dir", "/proc/nope"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    lines = [program.stderr.readline(), program.stderr.readline()]
    program.send_signal(signal.SIGTERM)
    out, _ = program.communicate(timeout=5)
    assert program.returncode == 0
    assert out == ""
    assert any("/proc/nope" in line for line in lines), lines


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_at_the_very_start_is_an_orderly_end(ini, number):
    for delay in (0.06, 0.12, 0.2, 0.3):
        program = subprocess.Popen(
            [sys.executable, PROGRAM, "-n", "-i", ini], stderr=subprocess.PIPE
        )
        time.sleep(delay)
        program.send_signal(number)
        _, said = program.communicate(timeout=5)
        assert b"Traceback" not in said
        assert program.returncode in (0, -number)  # before Python itself has begun
