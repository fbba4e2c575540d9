#!/usr/bin/env python3
"""Make the tables of docs/performance.md and put them in their places there.

    python3 tables.py growth                     how cost grows: groups, masters, rate
    python3 tables.py small large huge           against other gateways, by bench.py
    python3 tables.py all --rounds 5 --hat PYTHON --c104 PYTHON

A table stands between the lines `<!-- table:NAME -->` and `<!-- end:NAME -->`; what stood there is
replaced. `--print` prints instead. `--hat` and `--c104` name the Python of an environment that has
the package hat-drivers or c104; without them those gateways are left out. Linux and loopback only.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DOCUMENT = ROOT / "docs" / "performance.md"
PROGRAM = ROOT / "iec104mm2ss.py"

sys.path.insert(0, str(ROOT))
from app.commands.bench_usage import busy_seconds, cores  # noqa: E402  # after the path to it

QUIET = 0.10
"""Of a core, for other programs just before: more, and the table says that it was no quiet time."""

# Groups, masters, events a second and RTU. The middle one of each three is the same.
GROWTH = {
    "groups": [(100, 5, 5), (200, 5, 5), (400, 5, 5)],
    "masters": [(200, 2, 5), (200, 5, 5), (200, 10, 5)],
    "rate": [(200, 5, 2), (200, 5, 5), (200, 5, 20)],
}

COMPARED = {
    "small": [
        ("1", "1", ["throughput:seconds=3", "latency:rate=50,seconds=5", "command:seconds=2"]),
        ("1", "5", ["throughput:seconds=3", "gi:gi-points=1000,gi-count=20"]),
        ("20", "5", ["throughput:seconds=3"]),
    ],
    "large": [("200", "5", ["scale:rate=5,seconds=5", "idle:seconds=10", "connect"])],
    "huge": [("1000", "5", ["scale:rate=2,seconds=5"])],
}  # fmt: skip
"""Tables by bench.py: groups, masters, tests."""
OTHERS = {"small": ["hat", "c104"], "large": ["hat"], "huge": []}
"""What is measured beside ours and no gateway at all: c104 takes two threads for each connection
and gigabytes at 200 x 5, which slows down whatever else the computer does."""


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="+", choices=["growth", *COMPARED, "all"], metavar="NAME")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each; medians count")
    parser.add_argument("--seconds", type=float, default=10, help="of each run of growth")
    parser.add_argument("--hat", metavar="PYTHON", help="to compare with peer_hat.py")
    parser.add_argument("--c104", metavar="PYTHON", help="to compare with peer_c104.py")
    parser.add_argument("--rtu-port", type=int, default=10000, help="the first, for bench.py")
    parser.add_argument("--gw-port", type=int, default=12000, help="the first, for bench.py")
    parser.add_argument("--print", action="store_true", help="print the tables, change nothing")
    given = parser.parse_args()
    names = ["growth", *COMPARED] if "all" in given.tables else given.tables
    for name in names:
        note = situation(given.rounds)
        text = growth(given) if name == "growth" else compared(name, given)
        text = f"{note}\n\n{text.strip()}\n"
        if given.print:
            print(text)
        else:
            DOCUMENT.write_text(put(DOCUMENT.read_text("utf-8"), name, text), "utf-8")


def put(document, name, text):
    """The document with this text as that table; ValueError if it has no place for it."""
    begin, end = f"<!-- table:{name} -->", f"<!-- end:{name} -->"
    if document.count(begin) != 1 or document.count(end) != 1:
        raise ValueError(f"the document needs one line {begin} and one {end}")
    before, _, rest = document.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{text.strip()}\n{end}{after}"


def situation(rounds):
    """Where, when and how quiet it is."""
    begin, busy = time.monotonic(), busy_seconds()
    time.sleep(3)
    others = (busy_seconds() - busy) / (time.monotonic() - begin)
    text = (
        f"*{date.today():%Y-%m-%d}, {platform.system()}, Python {platform.python_version()},"
        f" {cores()} cores, medians of {rounds} {'run' if rounds == 1 else 'runs'}."
    )
    if others > QUIET:
        text += (
            f" **Not a quiet computer**: other programs used {100 * others:.0f} % of a core just"
            " before. Latencies and start times are theirs as much as ours."
        )
    return text + "*"


# --- how cost grows -------------------------------------------------------------------------------


def growth(given):
    sizes = list(dict.fromkeys(size for three in GROWTH.values() for size in three))
    found = {size: [] for size in sizes}
    for number in range(given.rounds):
        for size in sizes if number % 2 == 0 else sizes[::-1]:
            found[size].append(run_bench(size, given.seconds))
            print(f"round {number + 1} {size}: {columns(found[size][-1:])}", file=sys.stderr)
    parts = []
    for what, three in GROWTH.items():
        lines = [f"**{what.capitalize()}**", "", *HEAD]
        lines += [f"| {g} x {m} at {r} | {' | '.join(columns(found[g, m, r]))} |"
                  for g, m, r in three]  # fmt: skip
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


HEAD = [
    "| groups x masters at events/s | deliveries/s | faults | CPU, % of a core | CPU per delivery,"
    " us | idle, % of a core | memory, MiB | start, s | p50, ms | p99, ms |",
    "|---|---|---|---|---|---|---|---|---|---|",
]


def run_bench(size, seconds):
    groups, masters, rate = map(str, size)
    done = subprocess.run(
        [
            sys.executable, PROGRAM, "bench", "--json", "--groups", groups, "--masters", masters,
            "--rate", rate, "--seconds", str(seconds), "--idle", "5",
        ],
        stdout=subprocess.PIPE, check=False,
    )  # fmt: skip
    if not done.stdout:
        raise SystemExit(f"{groups} x {masters} at {rate}: nothing could be measured")
    result = json.loads(done.stdout)
    if result["ended_by"]:
        raise SystemExit(f"{groups} x {masters} at {rate}: {result['ended_by']}")
    return result


def columns(results):
    """One line of a table from all runs of a size: medians, and the most faults."""

    def median(*keys):
        values = []
        for result in results:
            for key in keys:
                result = result[key]
            values.append(result)
        return statistics.median(values)

    runs = [result["run"] for result in results]
    each = statistics.median(1e6 * run["gateway_cpu"] / run["delivered"] for run in runs)
    kinds = ("lost", "repeated", "disordered", "wrong", "lost_links")
    return [
        f"{median('run', 'per_second'):.0f}",
        f"{max(sum(run[kind] for kind in kinds) for run in runs)}",
        f"{100 * median('run', 'shares', 'gateway'):.1f}",
        f"{each:.1f}",
        f"{100 * median('idle', 'gateway'):.2f}",
        f"{median('memory_peak') / 2**20:.1f}",
        f"{median('start', 'masters'):.2f}",
        f"{median('run', 'p50'):.2f}",
        f"{median('run', 'p99'):.2f}",
    ]


# --- against other gateways -----------------------------------------------------------------------


def compared(name, given):
    gateways = ["--gateway", f"ours={sys.executable} {PROGRAM} -n -i {{ini}}"]
    for other in OTHERS[name]:
        python = getattr(given, other)
        if python:  # not resolved: a link into an environment is what makes it that environment's
            program = HERE / f"peer_{other}.py"
            gateways += ["--gateway", f"{other}={os.path.abspath(python)} {program} {{ini}}"]
    parts = []
    for groups, masters, tests in COMPARED[name]:
        command = [
            sys.executable, HERE / "bench.py", *gateways, "--gateway", "direct=-",
            "--groups", groups, "--masters", masters, "--rounds", str(given.rounds),
            "--rtu-port", str(given.rtu_port), "--gw-port", str(given.gw_port),
        ]  # fmt: skip
        for test in tests:
            command += ["--test", test]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        parts.append(re.sub(r"^### (.*)$", r"**\1**", done.stdout, flags=re.MULTILINE).strip())
    return "\n\n".join(parts)


if __name__ == "__main__":
    main()
