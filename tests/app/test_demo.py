"""The demo: starts by itself, shows every scene, ends in order and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from app.commands import demo
from core.config import read_fully
from core.feed import Feed
from core.gateway import Gateway
from tests.connections.support import wait_for
from tests.gateway.running import KeptLogs
from tests.support.windows import DEVELOPMENT_MODE

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, *DEVELOPMENT_MODE, str(ROOT / "iec104mm2ss.py")]
STARTED = "all 9 masters have data transfer"


def test_what_is_built_is_a_configuration_without_anything_to_say_about_it():
    made = demo.build()
    try:
        reading = read_fully(made.text.encode(), "demo")
        assert reading.diagnostics == []
        assert reading.config == made.config
        assert [group.rtu.name for group in made.config.groups] == list(demo.RTUS)
        ports = [rtu.port for rtu in made.simulator.rtus] + [one.port for one in made.masters]
        assert len(set(ports)) == 12
        assert all(1024 <= port < 32768 for port in ports)
        assert not any(master.is_started for master in made.masters)
    finally:
        made.stop_rtus()


def test_two_demos_have_different_ports():
    first = demo.build()
    second = demo.build()
    first.stop_rtus()
    second.stop_rtus()
    assert not {one.port for one in first.masters} & {one.port for one in second.masters}


@pytest.mark.slow
def test_every_scene_shows_what_it_says():
    made, said = demo.build(), []
    gateway = Gateway(made.config, KeptLogs(), Feed())
    gateway.start()
    stage = demo.Stage(made, said.append)
    stage.away = 0.5
    for master in made.masters:
        master.client.start()
    try:
        assert stage.opening()
        assert STARTED in said[-1]
        wait_for(lambda: all(one.frequency for one in made.masters), 5, "a frequency everywhere")
        lines = demo.table(gateway.snapshot(), {(m.group, m.name): m for m in made.masters})
        assert len(lines) == 13
        assert re.match(r"  New centre +online +127\.0\.0\.1:\d+ .* Hz, CA 1047$", lines[3])
        for scene in stage.scenes:
            scene()
    finally:
        made.stop_masters()
        assert gateway.stop()
        made.stop_rtus()
    story = "\n".join(said)
    for text in (
        "COMMAND: Old centre of Harbour switches a lamp on\n  confirmed to Old centre alone",
        "rights=monitor and tries to command\n  the gateway refuses it",
        "New centre commands it meanwhile\n  the gateway refuses it: negative confirmation to New"
        " centre\n  then Old centre operates it: on",
        "Lighthouse drops for 0.5 s; its masters are cut off, no others\n  Lighthouse is back",
        "Old centre is back and interrogates",
    ):
        assert text in story
    assert "  closed by the gateway at once" in story or "not possible" in story
    counts = re.search(r"received by its masters: (\d+), (\d+), (\d+)", story)
    assert all(int(count) >= 20 for count in counts.groups())


def test_a_demo_may_end_while_a_scene_is_played():
    made = demo.build()
    gateway = Gateway(made.config, KeptLogs(), Feed())
    gateway.start()
    opened = threading.Event()
    made.start(lambda text: opened.set() if STARTED in text else None, pause=0.01)
    assert opened.wait(10)
    begin = time.monotonic()
    made.stop_masters()
    gateway.stop()
    made.stop_rtus()
    assert time.monotonic() - begin < 3
    assert all(master.client.is_stopped() for master in made.masters)


def test_without_a_terminal_it_says_that_it_is_a_demo_and_what_changes(tmp_path):
    done = subprocess.run(
        [*PROGRAM, "-n", "--demo", "--for", "3"], capture_output=True, timeout=30, check=False,
        encoding="utf-8", cwd=tmp_path,
        env={**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(tmp_path))},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("DEMO of iec104mm2ss")
    assert STARTED in done.stdout
    assert "S/Harbour: online, 3 of 3 masters online" in done.stdout
    assert lines[-1] == "the demo has ended"
    assert "\x1b" not in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_logs_stay_where_they_are_wanted(tmp_path):
    done = subprocess.run(
        [*PROGRAM, "-n", "--demo", "--for", "2", "--log-dir", str(tmp_path)],
        capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert "connected" in (tmp_path / "S-Harbour.txt").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--demo", "-i", "mine.csv"], "--demo brings its own configuration"),
        (["--demo", "--check"], "--demo brings its own configuration"),
        (["--for", "3"], "--for goes with --demo only"),
        (["--demo", "--for", "soon"], "is no time above 0 s"),
    ],
)
def test_what_does_not_go_together_is_one_line_and_exit_code_2(arguments, text):
    done = subprocess.run([*PROGRAM, *arguments], capture_output=True, check=False, text=True)
    assert done.returncode == 2
    assert text in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.posix
def test_on_a_terminal_it_draws_a_table_and_ctrl_c_ends_it(tmp_path):
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 130, 0, 0))
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    for name in ("LINES", "COLUMNS"):
        environment.pop(name, None)
    program = subprocess.Popen(
        [*PROGRAM, "-n", "--demo"], stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL,
        env=environment,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    until = time.monotonic() + 20
    while STARTED.encode() not in shown or b" Hz, CA " not in shown:
        assert time.monotonic() < until
        shown += os.read(ours, 65536)
    begin = time.monotonic()
    program.send_signal(signal.SIGINT)
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # Linux: the other end has closed
        pass
    assert program.wait(5) == 0
    assert time.monotonic() - begin < 3
    os.close(ours)
    assert b"\x1b[HDEMO of iec104mm2ss" in shown
    assert shown.rstrip().endswith(b"\x1b[?25hthe demo has ended")
    screen = shown.decode().split("\x1b[H")[-2]
    assert len(screen.splitlines()) <= 40
    assert max(len(line) for line in screen.replace("\x1b[K", "").splitlines()) < 130
    assert list(tmp_path.iterdir()) == []
