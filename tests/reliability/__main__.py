"""One command for the long runs: `python -m tests.reliability --seed N --minutes M`.

Without a world named, `sockets` runs for so many minutes of the clock. `virtual` takes minutes of
its own time and as many seeds as it is told, `soak` samples the gateway's memory and descriptors.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.reliability.plant import Shape
from tests.reliability.run import Report, run_sockets, run_virtual
from tests.reliability.soak import soak, summary


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def virtual(
    seed: int, seeds: int, minutes: float, shape: Shape, pause: float, is_brief: bool
) -> bool:
    is_clean = True
    links = 0.0
    begin = time.monotonic()
    for number in range(seed, seed + seeds):
        report = run_virtual(number, minutes * 60, shape, pause)
        links += report.links * report.seconds
        is_clean &= report.is_clean
        if is_brief:
            say(
                f"seed {number}: {report.transcript:016x}, {report.faults} faults, "
                + ("clean" if report.is_clean else "\n  ".join(["FOUND", *report.findings]))
            )
        else:
            say(str(report))
    took = time.monotonic() - begin
    say(f"{links / 3600:.1f} link-hours in {took:.0f} s")
    return is_clean


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument(
        "world", nargs="?", choices=("sockets", "virtual", "soak"), default="sockets"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--seeds", type=int, default=1, help="virtual: so many, one after the other"
    )
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--groups", type=int, default=4)
    parser.add_argument("--masters", type=int, default=3)
    parser.add_argument("--pause", type=float, default=2.0, help="between faults, on average, s")
    parser.add_argument("--folder", type=Path, help="for the gateway's file and logs")
    parser.add_argument("--brief", action="store_true", help="virtual: a line for each seed")
    args = parser.parse_args()
    if args.world == "virtual":
        shape = Shape(groups=args.groups, masters=args.masters)
        is_clean = virtual(args.seed, args.seeds, args.minutes, shape, args.pause, args.brief)
        return 0 if is_clean else 1
    folder = args.folder or Path(tempfile.mkdtemp(prefix="reliability-"))
    folder.mkdir(parents=True, exist_ok=True)
    say(f"seed {args.seed}, in {folder}")
    report: Report
    if args.world == "soak":
        report, samples = soak(args.seed, args.minutes * 60, folder)
        text = summary(report, samples)
    else:
        shape = Shape(
            groups=args.groups, masters=args.masters, scale=2, slack=4.0, tick=0.1, hangs=True
        )
        report, samples = run_sockets(args.seed, args.minutes * 60, folder, shape, args.pause)
        text = str(report)
    (folder / "report.txt").write_text(text + "\n", encoding="utf-8")
    say(text)
    return 0 if report.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
