"""The simulator as a user runs it: a program with arguments, output, signals and an exit code."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.simulator import program
from tests.support.ports import HOST, free_port, free_ports

ROOT = Path(__file__).resolve().parents[2]
WRONG = [
    (["--port", "0"], "argument --port: '0' is no such number; accepted: 1..65535"),
    (["--ca", "x"], "argument --ca: 'x' is no such number; accepted: 1..65534"),
    (["--port", "65000", "--stations", "600"],
     "argument --stations: port would run up to 65599, past 65535"),
    (["--oa", "two"], "argument --oa: oa 'two' cannot be used; accepted: echo, zero, one"),
    (["--w", "20"], "1 <= w <= k <= 32767 does not hold for w 20, k 12"),
    (["--t1", "never"], "argument --t1: 'never' is no time; accepted: above 0 to 172800 s"),
    (["--colour", "red"], "unrecognized arguments: --colour red"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "line"), WRONG, ids=[" ".join(a) for a, _ in WRONG])
def test_wrong_arguments_are_one_line_and_exit_code_2(arguments, line, capsys):
    assert program.main(arguments, "simulate") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"simulate: {line}; -h shows what is possible\n"


def test_help_names_every_option_and_exits_with_0(capsys):
    assert program.main(["--help"]) == 0
    text = capsys.readouterr().out
    for name in ("--points", "--stations", "--scenario", "--seed", "--act-term", "--silent-after"):
        assert name in text


def test_files_that_cannot_be_used_are_said(tmp_path, capsys):
    assert program.main(["--points", str(tmp_path / "none.json")], "simulate") == 2
    assert capsys.readouterr().err == (
        f"simulate: {tmp_path / 'none.json'}: cannot be read: No such file or directory\n"
    )
    empty = tmp_path / "empty.json"
    empty.write_text('{"x": {}}', encoding="utf-8")
    assert program.main(["--points", str(empty)], "simulate") == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("empty.json: point 'x' (no. 1): Type IEC is missing; accepted: ")
    assert lines[1] == f"simulate: {empty}: no point that can be used"


@contextmanager
def running(*arguments: object) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "core.simulator", *map(str, arguments)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()


@pytest.mark.posix
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_says_so_and_ends_in_order_by_a_signal(wire, number):
    port = free_port()
    with running("--port", port, "--seed", 1, "-v") as process:
        assert process.stdout is not None
        assert process.stdout.readline().endswith(f" on {HOST}:{port}, common address 47\n")
        master = wire.master(port, 47, expects_initialized=False)
        wire.wait(lambda: master.initialized == 1)
        lines = [process.stdout.readline() for _ in range(2)]
        assert " 1 connected 127.0.0.1:" in lines[0]
        assert " 1 started 127.0.0.1:" in lines[1]
        process.send_signal(number)
        _, errors = process.communicate(timeout=10)
        assert (process.returncode, errors) == (0, "")
    wire.check()


@pytest.mark.posix
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_bad_points_and_steps_are_said_and_the_rest_is_served(tmp_path):
    points, scenario = tmp_path / "p.json", tmp_path / "s.csv"
    points.write_text(
        json.dumps({"good": {"Type IEC": 13}, "bad": {"Type IEC": 99}}), encoding="utf-8"
    )
    scenario.write_text("at 1,jump\nat 9,talk\n", encoding="utf-8")
    ports = free_ports(3)
    options = ["--points", points, "--scenario", scenario, "--port", ports[0], "--ca", 7]
    with running(*options, "--stations", 3) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == (
            f"serving 1 points and 0 commands of {points} at 3 stations on {HOST}:{ports[0]} to"
            f" {ports[2]}, common addresses 7 to 9\n"
        )
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
        lines = errors.splitlines()
        assert process.returncode == 0
        assert lines[0].startswith("p.json: point 'bad' (no. 2): Type IEC '99' is no type")
        assert lines[1].startswith("s.csv: line 1: action 'jump' is not known")
        assert len(lines) == 2


def test_a_port_that_is_taken_ends_it_with_1():
    with running("--port", port := free_port()) as first:
        assert first.stdout is not None
        first.stdout.readline()
        with running("--port", port) as second:
            _, errors = second.communicate(timeout=10)
            assert second.returncode == 1
            assert f"port {port} on 127.0.0.1 cannot be opened" in errors


def test_our_sample_is_found_also_in_a_frozen_program(monkeypatch, tmp_path):
    assert program.default_points() == ROOT / "assets" / "Datapoints.json"
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path), raising=False)
    assert program.default_points() == tmp_path / "assets" / "Datapoints.json"
