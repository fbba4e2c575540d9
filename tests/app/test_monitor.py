"""``iec104mm2ss monitor``: what may be typed, what is shown, and how it ends."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.commands.typed import HELP, NotUnderstoodError, Order, Typed, understood
from core.protocol.codes import TypeId
from core.simulator import Behaviour, Rtu, Simulator, read_points
from core.simulator.program import default_points
from tests.support.ports import HOST, free_port
from tests.support.windows import DEVELOPMENT_MODE

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, *DEVELOPMENT_MODE, str(ROOT / "iec104mm2ss.py"), "monitor"]

UNDERSTOOD = [
    ("gi", Typed("gi", 20)),
    ("GI 22 ca=5", Typed("gi", 22, ca=5)),
    ("counters", Typed("counters", 5)),
    ("freeze-reset 2", Typed("freeze-reset", 2)),
    ("read 65537", Typed("read", 65537)),
    ("on 7", Typed("on", order=Order(TypeId.C_SC_NA_1, 7, 1))),
    ("off 7 double", Typed("off", order=Order(TypeId.C_DC_NA_1, 7, 1))),
    ("sbo on 7 double", Typed("on", order=Order(TypeId.C_DC_NA_1, 7, 2, "sbo"))),
    ("select off 7", Typed("off", order=Order(TypeId.C_SC_NA_1, 7, 0, "select"))),
    ("cancel off 7", Typed("off", order=Order(TypeId.C_SC_NA_1, 7, 0, "cancel"))),
    ("step 7 up qu=1", Typed("step", order=Order(TypeId.C_RC_NA_1, 7, 2, qualifier=1))),
    ("set 7 -1.5", Typed("set", order=Order(TypeId.C_SE_NC_1, 7, -1.5))),
    ("set 7 3 scaled tagged", Typed("set", order=Order(TypeId.C_SE_NB_1, 7, 3, is_tagged=True))),
    ("set 7 0.5 normalized ca=9", Typed("set", order=Order(TypeId.C_SE_NA_1, 7, 0.5, ca=9))),
    ("bits 7 ff", Typed("bits", order=Order(TypeId.C_BO_NA_1, 7, 255))),
    ("quit", Typed("quit")),
]

NOT_UNDERSTOOD = [
    ("blink 7", "'blink' is not known; there are gi,"),
    ("on", "on needs IOA 1..16777215"),
    ("on lamp", "on IOA 'lamp' is no number 1..16777215"),
    ("on 7 loud", "on does not know 'loud'"),
    ("gi 40", "gi QOI '40' is no number 20..36"),
    ("set 7", "set needs IOA and VALUE"),
    ("set 7 high", "set needs a number behind IOA, not 'high'"),
    ("step 7 sideways", "step IOA needs one of up,"),
    ("select", "select what?"),
    ("select gi", "select goes before on, off,"),
    ("sbo bits 7 1", "a bitstring command cannot be selected"),
    ("bits 7 xyz", "bits IOA needs up to 8 hex digits"),
    ("quit now", "quit does not know 'now'"),
]


@pytest.mark.parametrize(("line", "meaning"), UNDERSTOOD)
def test_what_may_be_typed(line, meaning):
    assert understood(line) == meaning


@pytest.mark.parametrize(("line", "text"), NOT_UNDERSTOOD)
def test_what_is_not_understood_says_what_is_accepted(line, text):
    with pytest.raises(NotUnderstoodError, match="^" + re.escape(text)):
        understood(line)


def test_help_names_every_word():
    words = re.findall(r"[\w-]+", HELP)
    assert {typed.word for _, typed in UNDERSTOOD} <= set(words)


@pytest.fixture
def rtu() -> Iterator[Rtu]:
    points, _ = read_points(default_points().read_bytes())
    calm = Behaviour(period=0.0, restart_time=0.2)
    with Simulator(points, port=free_port(), behaviour=calm, seed=1) as simulator:
        yield simulator.rtus[0]


def monitor(rtu_port: int, typed: str, *options: str) -> tuple[int, list[str], str]:
    """Exit code, lines without their time, and standard error of a monitor that is piped to."""
    done = subprocess.run(
        [*PROGRAM, f"{HOST}:{rtu_port}", *options], input=typed, capture_output=True,
        timeout=30, check=False, encoding="utf-8",
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    lines = [re.sub(r"^\d\d:\d\d:\d\d\.\d{3} ", "", line) for line in done.stdout.splitlines()]
    return done.returncode, lines, done.stderr


def test_it_interrogates_shows_every_object_and_obeys(rtu):
    typed = "on 70003\nsbo on 70001 double\nset 70005 20.25\nread 65805\ncounters\nclock\nquit\n"
    code, lines, err = monitor(rtu.port, "\ufeff# a comment\n\n" + typed)
    assert (code, err) == (0, "")
    assert f"* data transfer with {HOST}:{rtu.port} is started" in lines
    assert "M_ME_NC_1 interrogated CA 47 IOA 65805 = 20.5" in lines
    assert lines.index("* gi: 22 objects") < lines.index("* > on 70003")
    assert "M_SP_NA_1 return remote CA 47 IOA 65806 = on" in lines
    assert "* on 70003: confirmed, and ended" in lines
    assert "* sbo on 70001 double: confirmed, and ended" in lines
    assert "* read 65805: M_ME_NC_1 request CA 47 IOA 65805 = 20.25" in lines
    assert "M_IT_NA_1 counters CA 47 IOA 66050 = 8000 sequence 0" in lines
    assert "* clock: confirmed" in lines
    assert rtu.read("Breaker").value == 2
    assert rtu.read("Lamp").value == 1


def test_a_refusal_is_said_and_is_exit_code_1(rtu):
    code, lines, _ = monitor(rtu.port, "on 70001 double\nblink\nquit\n", "--no-interrogation")
    refusal = "* on 70001 double: C_DC_NA_1 to 47/70001: negative confirmation (cause 7)"
    assert refusal in lines
    assert any(line.startswith("* 'blink' is not known") for line in lines)
    assert not [line for line in lines if "interrogated" in line]
    assert code == 1


def test_octets_are_shown_on_request_and_addresses_are_as_given(rtu):
    rtu.behave(initialized="never")
    code, lines, _ = monitor(rtu.port, "gi\nquit\n", "--raw", "--no-interrogation", "--oa", "9")
    assert code == 0
    assert "68 0e 00 00 02 00 64 01 07 09 2f 00 00 00 00 14" in lines
    code, lines, _ = monitor(rtu.port, "quit\n", "--ca", "48", "--for", "5")
    assert any("does not know the common address" in line for line in lines)
    assert code == 1


def test_nobody_there_is_one_line_and_exit_code_1():
    port = free_port()
    code, lines, err = monitor(port, "", "--for", "1.5")
    assert code == 1
    assert err == f"iec104mm2ss monitor: there was no data transfer with {HOST}:{port}\n"
    assert len([line for line in lines if line.startswith("* no connection")]) == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["127.0.0.1:0"], "is no HOST:PORT"),
        (["a b"], "is no HOST:PORT"),
        (["::1"], "is no HOST:PORT"),
        (["[::1]:2404", "--ca", "0"], "is no common address 1..65535"),
        (["rtu", "--oa", "256"], "is no originator address 0..255"),
        (["rtu", "--for", "-1"], "is no time above 0 s"),
        ([], "required: HOST[:PORT]"),
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_code_2(arguments, text):
    done = subprocess.run([*PROGRAM, *arguments], capture_output=True, check=False, text=True)
    assert done.returncode == 2
    assert text in done.stderr
    assert done.stderr.count("\n") == 1


def started(*arguments: str, **streams: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        encoding="utf-8", **streams,
    )  # fmt: skip


def reads_until(program: "subprocess.Popen[str]", text: str) -> None:
    assert program.stdout is not None
    for line in program.stdout:
        if text in line:
            return
    pytest.fail(f"it ended without {text!r}")


@pytest.mark.posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(rtu, number):
    with started(f"{HOST}:{rtu.port}", stdin=subprocess.PIPE) as program:
        reads_until(program, "gi: 22 objects")
        begin = time.monotonic()
        program.send_signal(number)
        assert program.wait(5) == 0
        assert time.monotonic() - begin < 3
        assert program.stderr.read() == ""
    assert "stopped" in [one.kind for one in rtu.events()]


@pytest.mark.posix
def test_it_connects_again_and_interrogates_again(rtu):
    with started(f"{HOST}:{rtu.port}", "--counters", stdin=subprocess.DEVNULL) as program:
        reads_until(program, "counters: 3 objects")
        rtu.restart()
        reads_until(program, "* no connection: ")
        reads_until(program, "gi: 22 objects")
        program.send_signal(signal.SIGTERM)
        assert program.wait(5) == 0


@pytest.mark.posix
def test_it_ends_when_nobody_reads_what_it_shows(rtu):
    rtu.behave(period=0.2)
    with started(f"{HOST}:{rtu.port}", stdin=subprocess.DEVNULL) as program:
        reads_until(program, "gi: 22 objects")
        program.stdout.close()
        assert program.wait(10) == 0
        assert program.stderr.read() == ""


@pytest.mark.posix
def test_at_a_terminal_its_end_of_input_ends_it(rtu):
    import pty  # not on Windows

    ours, theirs = pty.openpty()
    try:
        with started(f"{HOST}:{rtu.port}", stdin=theirs) as program:
            os.close(theirs)
            reads_until(program, "gi: 22 objects")
            os.write(ours, b"help\nblink\n\x04")
            reads_until(program, "help, quit")
            assert program.wait(10) == 0
    finally:
        os.close(ours)
