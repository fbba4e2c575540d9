#!/usr/bin/env python3
"""What the open window costs the gateway: forwarding latency with the window against headless.

    python3 tests/bench/window.py --rounds 5

Runs bench.py on two gateways that differ in nothing but the window, alternately in one run. The
window opens on an Xvfb of its own and shows the tab of all systems; its CPU time and memory
include those of Xvfb. Options it does not know are bench.py's. Linux only; needs Xvfb, tkinter
and a C compiler.
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
PROGRAM = TOP / "iec104mm2ss.py"


def show(ini: Path) -> int:
    """Run the program in its window until it is told to end."""
    sys.path.insert(0, str(TOP))
    from tests.app.gui.display import Display

    # bench.py writes a file for running without a window; the row in question goes.
    rows = ini.read_text("utf-8").splitlines(keepends=True)
    own = ini.with_name(f"window-{ini.name}")
    own.write_text("".join(row for row in rows if not row.startswith("nogui")), "utf-8")
    with tempfile.TemporaryDirectory() as config, Display() as display:
        env = {**os.environ, "DISPLAY": display.name, "XDG_CONFIG_HOME": config}
        program = subprocess.Popen([sys.executable, PROGRAM, "-i", own], env=env)

        def end(number: int, _frame: FrameType | None) -> None:
            program.send_signal(number)

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        return program.wait()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--show", type=Path, metavar="INI", help="only open the window (bench.py)")
    parser.add_argument("--groups", default="200")
    parser.add_argument("--masters", default="5")
    parser.add_argument("--rounds", default="5")
    parser.add_argument("--rate", default="5", help="events per second of each RTU")
    parser.add_argument("--seconds", default="10", help="of measuring, each time")
    given, others = parser.parse_known_args()
    if given.show is not None:
        return show(given.show)
    python, program = shlex.quote(sys.executable), shlex.quote(str(PROGRAM))
    me = shlex.quote(str(Path(__file__).resolve()))
    return subprocess.run(
        [
            sys.executable, HERE / "bench.py",
            "--gateway", f"headless={python} {program} -n -i {{ini}}",
            "--gateway", f"window={python} {me} --show {{ini}}",
            "--groups", given.groups, "--masters", given.masters, "--rounds", given.rounds,
            "--test", f"scale:rate={given.rate},seconds={given.seconds}", *others,
        ],
        check=False,
    ).returncode  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
