"""The bench: what its checker sees, what its limits say, and a small one from start to end."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.commands import bench, bench_children, bench_usage
from app.commands.bench_children import BenchError, Child
from app.commands.bench_events import SIZE, Checker, Latencies, event
from app.commands.bench_parts import master_ca, rtu_ca
from app.commands.bench_report import (
    Computer,
    Idle,
    Limits,
    Result,
    Shares,
    Size,
    Start,
    Traffic,
    as_json,
    passes,
    rows,
    table,
    usual_memory,
    usual_start,
    warnings,
)
from core.config import read_fully
from core.protocol.asdu import Asdu
from core.protocol.run import Run, address_of
from tests.connections.support import wait_for

ROOT = Path(__file__).resolve().parents[2]
BENCH = [sys.executable, "-X", "dev", str(ROOT / "iec104mm2ss.py"), "bench"]
CA = 1234
M_EI = Asdu(bytes((70, 1, 4, 0, *CA.to_bytes(2, "little"), 0, 0, 0, 0)))


def told(*numbers: int, ca: int = CA, now: int = 5000, sent_at: int = 2000) -> Checker:
    """A checker that got events of these numbers, each in a read of its own."""
    checker = Checker(CA)
    for number in numbers:
        checker.take(event(number, sent_at, ca), (SIZE,), now, Latencies())
    return checker


def faults(checker: Checker, sent: int) -> tuple[int, int, int, int]:
    return checker.lost(sent), checker.repeated, checker.disordered, checker.wrong


# --- the checker ----------------------------------------------------------------------------------


def test_an_event_is_a_frame_whose_header_the_gateway_can_rewrite():
    run = Run(event(7, 99, 55), (SIZE,))
    (asdu,) = run.asdus()
    assert (asdu.type_id, asdu.cause, asdu.ca, asdu.oa) == (7, 3, 55, 0)
    checker = Checker(CA)
    checker.take(run.stamped(0, 1, 321, 123, address_of(0, CA)), (SIZE,), 100, Latencies())
    assert (checker.received, checker.wrong) == (1, 0)


@pytest.mark.parametrize(
    ("numbers", "sent", "expected"),
    [
        ((0, 1, 2), 3, (0, 0, 0, 0)),
        ((), 3, (3, 0, 0, 0)),
        ((0, 1), 3, (1, 0, 0, 0)),  # the last
        ((1, 2), 3, (1, 0, 0, 0)),  # the first
        ((0, 5), 6, (4, 0, 0, 0)),
        ((0, 1, 1, 2), 3, (0, 1, 0, 0)),
        ((0, 1, 2, 0), 3, (0, 1, 0, 0)),
        ((0, 2, 1), 3, (0, 0, 1, 0)),
        ((2, 1, 0), 3, (0, 0, 2, 0)),
        ((0, 2, 1, 1), 3, (0, 1, 1, 0)),  # late, and once more
        ((0, 4_000_000_000, 1), 2, (0, 0, 0, 1)),  # damage, no gap of billions
    ],
)
def test_what_is_lost_repeated_or_out_of_order_is_counted(numbers, sent, expected):
    assert faults(told(*numbers), sent) == expected


@given(st.permutations(range(8)), st.integers(0, 8))
def test_any_order_of_any_part_is_told_from_what_was_lost(order, count):
    checker = told(*order[:count])
    late = sum(any(b > a for b in order[:i]) for i, a in enumerate(order[:count]))
    assert faults(checker, 8) == (8 - count, 0, late, 0)
    assert checker.received == count


def damaged(place: int) -> bytes:
    octets = bytearray(event(0, 2000, CA))
    octets[place] ^= 1
    return bytes(octets)


@pytest.mark.parametrize("place", [0, 6, 7, 8, 9, 10, 11, 12])
def test_an_event_that_is_not_as_it_was_made_is_wrong(place):
    checker = Checker(CA)
    checker.take(damaged(place), (SIZE,), 5000, Latencies())
    assert (checker.received, checker.wrong) == (0, 1)


def test_what_the_gateway_says_itself_is_neither_an_event_nor_wrong():
    checker, latencies = Checker(CA), Latencies()
    ei = Run.of(M_EI)
    other = Run.of(Asdu(bytes((1, 1, 3, 0, *CA.to_bytes(2, "little"), 1, 0, 0, 0))))
    octets = ei.octets + event(0, 2000, CA) + other.octets + event(1, 2000, CA)
    checker.take(octets, (*ei.sizes, SIZE, *other.sizes, SIZE), 5000, latencies)
    assert (checker.received, checker.wrong) == (2, 1)
    assert latencies.counts.total() == 2


def test_stamps_go_round():
    checker, latencies = Checker(CA), Latencies()
    checker.take(event(0, (1 << 32) - 200, CA), (SIZE,), (1 << 32) + 50, latencies)
    assert (latencies.longest, latencies.percentile(0.5)) == (250, 0.25)


@given(st.lists(st.integers(0, 3_000_000), min_size=1), st.sampled_from([0.01, 0.5, 0.99, 1.0]))
def test_percentiles_are_those_of_the_sorted_list(values, share):
    latencies = Latencies()
    for value in values:
        latencies.add(value)
    rank = next(n for n in range(1, len(values) + 1) if n >= share * len(values))
    exact = sorted(values)[rank - 1] / 1000
    assert exact * (1 - 1 / 128) <= latencies.percentile(share) <= exact
    assert latencies.longest == max(values)


def test_of_no_events_there_is_no_percentile():
    assert Latencies().percentile(0.5) is None


# --- verdicts -------------------------------------------------------------------------------------

SIZE_OF_IT = Size(groups=10, masters=5, rate=5.0, seconds=2.0, saturate=1.0, idle=1.0)
QUIET = Shares(gateway=0.2, rtus=0.05, masters=0.1, others=0.01)
GOOD = Traffic(
    seconds=2.0, sent=100, due=500, delivered=500, lost=0, repeated=0, disordered=0, wrong=0,
    lost_links=0, p50=0.4, p99=2.0, longest=9.0, shares=QUIET, gateway_cpu=0.01, late=0.001,
    per_second=250.0,
)  # fmt: skip


def result(**changes):
    made = Result(
        SIZE_OF_IT,
        Limits(p99=100.0, cpu=60.0, memory=64.0, start=5.0),
        Computer("iec104mm2ss 1", "3.13.0", "Linux", "asyncio", 4),
        Start(0.3, 0.2, 50),
        GOOD,
        GOOD,
        Idle(1.0, 0.003),
        32 * 2**20,
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_all_within_its_limits_passes():
    assert passes(result())
    assert warnings(result()) == []
    assert table(result())[-1] == "result: pass"


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({"run": replace(GOOD, delivered=499)}, ["delivered"]),
        ({"run": replace(GOOD, due=0, delivered=0)}, ["delivered"]),
        ({"run": replace(GOOD, lost=1)}, ["lost"]),
        ({"run": replace(GOOD, repeated=1)}, ["repeated"]),
        ({"run": replace(GOOD, disordered=1)}, ["out of order"]),
        ({"run": replace(GOOD, wrong=1)}, ["to a wrong address"]),
        ({"run": replace(GOOD, lost_links=1)}, ["connections lost"]),
        ({"run": replace(GOOD, p99=100.1)}, ["latency p99"]),
        ({"run": replace(GOOD, p99=None)}, ["latency p99"]),
        ({"run": replace(GOOD, shares=replace(QUIET, gateway=0.61))}, ["CPU of the gateway"]),
        ({"saturation": replace(GOOD, lost=2, delivered=498)}, ["delivered", "lost"]),
        ({"start": Start(0.3, 5.1, 50)}, ["after their first try"]),
        ({"start": Start(0.3, 1.0, 49)}, ["masters started", "after their first try"]),
        ({"idle": Idle(1.0, 0.051)}, ["CPU of the gateway"]),
        ({"memory_peak": 65 * 2**20}, ["memory of the gateway"]),
    ],
)
def test_each_figure_beyond_its_limit_fails(changes, failed):
    made = result(**changes)
    assert [row.name for row in rows(made) if row.is_good is False] == failed
    assert not passes(made)
    assert table(made)[-1] == "result: FAIL"
    assert as_json(made)["passes"] is False


@pytest.mark.parametrize(
    "changes",
    [
        {"run": replace(GOOD, p99=100.0, shares=replace(QUIET, gateway=0.6))},
        {"saturation": replace(GOOD, p99=900.0, shares=replace(QUIET, gateway=1.0))},
        {"memory_peak": None},
        {"saturation": None, "idle": None},
    ],
)
def test_at_its_limit_or_without_one_nothing_fails(changes):
    assert passes(result(**changes))


def test_what_is_not_complete_does_not_pass():
    made = result(ended_by="interrupted", idle=None)
    assert not passes(made)
    assert table(made)[-3:] == ["not complete: interrupted", "", "result: not complete"]


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (replace(GOOD, late=0.4), "the load generator was the limit: its RTUs fell 0.40 s behind"),
        (
            replace(GOOD, shares=Shares(0.5, 0.1, 0.9, None)),
            "the load generator was the limit: its masters used 90 % of a core, the gateway 50 %",
        ),
        (replace(GOOD, shares=Shares(0.2, 0.1, 0.1, 0.3)), "other programs used 30 % of a core"),
        (replace(GOOD, shares=Shares(1.0, 0.7, 0.9, 0.9)), "all 4 cores were busy (88 %)"),
    ],
)
def test_where_the_figures_are_not_the_gateways_it_is_said(run, words):
    found = warnings(result(run=run))
    assert any(text.startswith("run: ") and words in text for text in found)
    assert any(words in line for line in table(result(run=run)))


def test_other_programs_at_the_ports_are_said():
    assert warnings(result(strangers=2)) == [
        "some other program has connected to the ports of these RTUs (2 times): repeat it"
    ]


def test_the_table_says_what_it_is_about():
    lines = table(result())
    assert lines[0] == ("10 RTUs x 5 masters, 5 events/s from each RTU for 2 s: 250 deliveries/s")
    assert "n/a: this system does not tell" in "\n".join(table(result(memory_peak=None)))


def test_usual_limits_grow_with_the_size():
    small, large = replace(SIZE_OF_IT, groups=1), replace(SIZE_OF_IT, groups=1000)
    assert usual_start(small) < 5.1
    assert usual_start(large) == 10.0
    assert usual_memory(small) < 101 < usual_memory(large) < 1000


# --- its surroundings -----------------------------------------------------------------------------


def test_the_gateways_file_has_nothing_to_be_said_about():
    size = replace(SIZE_OF_IT, groups=1200, masters=3)
    reading = read_fully(bench.configuration(size, range(10_000, 14_800)).encode(), "bench")
    assert reading.diagnostics == []
    groups = reading.config.groups
    assert [len(group.masters) for group in groups] == [3] * 1200
    assert len({master.port for group in groups for master in group.masters}) == 3600


def test_no_master_has_the_address_of_its_rtu():
    for masters in (1, 2, 7, 100):
        for number in range(30_000):
            assert master_ca(number) != rtu_ca(number // masters)
            assert 1 <= master_ca(number) <= 65_534


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--groups", "0"], "argument --groups: '0' is no whole number from 1 to 5000"),
        (["--masters", "many"], "argument --masters: 'many' is no whole number"),
        (["--rate", "nan"], "argument --rate: 'nan' is no number from 0.01 to 1000"),
        (["--seconds", "inf"], "argument --seconds: 'inf' is no number"),
        (["--gateway", "host"], "unrecognized arguments"),
        (["--groups", "5000", "--masters", "10", "--rate", "999"], "use --saturate"),
        (["--part"], "--part is for the bench's own processes"),
        (["--part", "gateway"], "--part is for the bench's own processes"),
    ],
)
def test_wrong_arguments_are_one_line_and_exit_code_2(arguments, text, capsys):
    try:
        code = bench.main(arguments)
    except SystemExit as end:
        code = end.code
    assert code == 2
    said = capsys.readouterr().err
    assert text in said
    assert said.count("\n") == 1


def test_a_part_that_is_none_is_said_with_its_last_word(tmp_path):
    child = Child("nonsense", tmp_path)
    try:
        with pytest.raises(BenchError, match=r"exit code 2: .*for the bench's own processes"):
            child.ask("usage")
    finally:
        assert not child.end()


def test_this_program_is_started_the_way_it_was_started_itself(monkeypatch, tmp_path):
    assert bench_children.program() == [sys.executable, str(ROOT / "iec104mm2ss.py")]
    monkeypatch.setattr(bench_children, "_ENTRY", tmp_path / "iec104mm2ss.py")
    (tmp_path / "app").mkdir()  # of somebody else
    done = subprocess.run(
        [*bench_children.program(), "--version"], cwd=tmp_path, capture_output=True, text=True,
        check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stdout[:12]) == (0, "iec104mm2ss ")
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert bench_children.program() == [sys.executable]


def test_what_a_process_costs_is_known_here():
    before = bench_usage.own_usage()
    block = b"x" * 100_000_000
    until = time.monotonic() + 0.05
    while time.monotonic() < until:
        pass
    after = bench_usage.own_usage()
    assert after["cpu"] > before["cpu"]
    assert after["peak"] >= len(block)
    assert bench_usage.cores() >= 1
    if sys.platform == "linux":
        assert bench_usage.busy_seconds() > 0


def tables():
    """The program that writes the tables of docs/performance.md; it stands alone."""
    spec = importlib.util.spec_from_file_location("tables", ROOT / "tests" / "bench" / "tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_table_of_the_document_can_be_written_again():
    made = tables()
    document = made.DOCUMENT.read_text("utf-8")
    names = ["growth", *made.COMPARED]
    for name in names:
        assert made.put(made.put(document, name, "x"), name, "new\n") == made.put(
            document, name, "new"
        )
    assert document.count("<!-- table:") == document.count("<!-- end:") == len(names)
    assert (
        made.put("before\n<!-- table:a -->\nold\nold\n<!-- end:a -->\nafter", "a", "new")
        == "before\n<!-- table:a -->\nnew\n<!-- end:a -->\nafter"
    )
    with pytest.raises(ValueError, match="the document needs one line <!-- table:b -->"):
        made.put("<!-- table:a --><!-- end:a -->", "b", "new")


def test_a_line_of_growth_is_medians_and_the_most_faults():
    made = tables()
    quick, slow, bad = (
        as_json(result(run=run))
        for run in (GOOD, replace(GOOD, p99=4.0), replace(GOOD, p99=900.0, lost=3))
    )
    line = made.columns([quick, slow, bad])
    assert line == ["250", "3", "20.0", "20.0", "0.30", "32.0", "0.20", "0.40", "4.00"]
    assert len(line) + 1 == made.HEAD[0].count("|") - 1


# --- a small one ----------------------------------------------------------------------------------

GENEROUS = ["--max-p99", "20000", "--max-start", "60", "--max-cpu", "100"]


def environment(tmp_path):
    return {**os.environ, "TMPDIR": str(tmp_path), "TEMP": str(tmp_path), "TMP": str(tmp_path)}


def test_a_small_bench_from_start_to_end(tmp_path):
    logs = tmp_path / "kept"
    done = subprocess.run(
        [
            *BENCH, "--groups", "3", "--masters", "2", "--seconds", "1", "--rate", "40",
            "--saturate", "0.5", "--idle", "0.5", "--json", "--log-dir", str(logs), *GENEROUS,
        ],
        capture_output=True, text=True, check=False, timeout=90, env=environment(tmp_path),
    )  # fmt: skip
    assert done.stderr.splitlines() == [
        "starting 3 RTUs, the gateway and 6 masters",
        "run: 1 s",
        "saturation: 0.5 s",
        "idle: 0.5 s",
    ]
    found = json.loads(done.stdout)
    assert [row for row in found["rows"] if row["is_good"] is False] == []
    assert (done.returncode, found["passes"], found["ended_by"]) == (0, True, "")
    assert found["start"]["started"] == 6
    run, flood = found["run"], found["saturation"]
    assert (run["sent"], run["due"], run["delivered"]) == (120, 240, 240)
    assert 0 < run["p50"] <= run["p99"] <= run["longest"] * 1.01
    assert flood["delivered"] == 2 * flood["sent"] > 240
    assert 0 < found["idle"]["gateway"] < 1
    assert found["memory_peak"] > 2**20
    assert list(tmp_path.iterdir()) == [logs]
    assert "startdt act/con done" in (logs / "M-M3-2.txt").read_text("utf-8")


@pytest.mark.posix
def test_ctrl_c_ends_it_in_order_with_what_there_is(tmp_path):
    program = subprocess.Popen(
        [*BENCH, "--groups", "2", "--masters", "2", "--seconds", "100", "--rate", "50", *GENEROUS],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(tmp_path),
    )  # fmt: skip
    while "run: " not in program.stderr.readline():
        assert program.poll() is None
    (folder,) = tmp_path.iterdir()
    config = read_fully((folder / "bench.csv").read_bytes(), "bench").config
    for group in config.groups:  # somebody who is mistaken in the port disturbs nothing
        with socket.create_connection(("127.0.0.1", group.rtu.hosts[0].port), 10) as stranger:
            assert stranger.recv(1) == b""
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=30)
    assert program.returncode == 1
    assert err == ""
    assert out.splitlines()[-3:] == ["not complete: interrupted", "", "result: not complete"]
    assert "connections lost       0 " in out
    assert "connected to the ports of these RTUs (2 times)" in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.posix
def test_nothing_is_left_of_a_bench_that_was_killed(tmp_path):
    program = subprocess.Popen(
        [*BENCH, "--groups", "1", "--masters", "1", "--seconds", "100"],
        stderr=subprocess.PIPE, text=True, env=environment(tmp_path),
    )  # fmt: skip
    while "run: " not in program.stderr.readline():
        assert program.poll() is None
    children = Path(f"/proc/{program.pid}/task/{program.pid}/children")
    if not children.exists():
        program.kill()
        program.communicate()
        pytest.skip("this system does not list the children of a process")
    pids = children.read_text().split()
    assert len(pids) == 3
    program.kill()
    program.communicate()
    wait_for(lambda: not any(map(lives, pids)), 20, "the end of all processes")


def lives(pid: str) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.posix
def test_too_few_open_files_are_said_before_anything_is_measured(tmp_path):
    import resource

    def few_files() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (90, 90))

    done = subprocess.run(
        [*BENCH, "--groups", "5", "--masters", "5"], preexec_fn=few_files, capture_output=True,
        text=True, check=False, timeout=60, env=environment(tmp_path),
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "5 x 5 needs 155 open files in one process, the system allows 90" in done.stderr
    assert list(tmp_path.iterdir()) == []
