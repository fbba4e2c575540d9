"""The simulator from the command line: arguments, files, a terminal, signals, an exit code."""

import argparse
import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn, TextIO

from core.protocol.layouts import MAX_IOA
from core.protocol.link import Timing
from core.simulator.behaviour import OPTIONS, Behaviour, BehaviourError, changed
from core.simulator.findings import printable
from core.simulator.points import Point, read_points
from core.simulator.scenario import Step, read_scenario
from core.simulator.simulator import Simulator

POINTS: Final = "Datapoints.json"
_POLL_EVERY: Final = 0.3
_MOST_STATIONS: Final = 10_000
_LINES_AT_ONCE: Final = 200
_DEFAULTS: Final = Timing()


def default_points() -> Path:
    """Our own sample: beside the checkout, or where a frozen program keeps its files."""
    if getattr(sys, "frozen", False):
        bundle = getattr(sys, "_MEIPASS", None) or Path(sys.executable).parent
        return Path(bundle) / "assets" / POINTS
    return Path(__file__).resolve().parents[2] / "assets" / POINTS


def main(arguments: Sequence[str] | None = None, prog: str = "python -m core.simulator") -> int:
    """Run the simulator until it is told to end.

    The exit code: 0 ended in order, 1 nothing to serve or no port to be had, 2 wrong arguments.
    """
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    try:
        return _run(_parsed(arguments, prog), prog)
    except SystemExit as end:  # argparse, after help or a wrong argument
        return end.code if isinstance(end.code, int) else 2
    finally:
        _hand_over()


@dataclass(frozen=True, slots=True)
class _Given:
    """The command line as values."""

    points: Path
    scenario: Path | None
    first_address: int
    is_verbose: bool
    behaviour: Behaviour
    timing: Timing
    port: int
    ca: int
    bind: str
    stations: int
    seed: int | None


def _run(given: _Given, prog: str) -> int:
    try:
        points = _points_of(given)
        steps = _steps_of(given)
    except OSError as error:
        _err(f"{prog}: {error.filename}: cannot be read: {error.strerror}")
        return 2
    if not points:
        _err(f"{prog}: {given.points}: no point that can be used")
        return 1
    simulator = Simulator(
        points, port=given.port, ca=given.ca, bind=given.bind, stations=given.stations,
        behaviour=given.behaviour, scenario=steps, seed=given.seed, timing=given.timing,
    )  # fmt: skip
    stop = threading.Event()
    _stop_signals(stop)
    _raise_open_files()
    problems = simulator.start()
    try:
        _err(*(f"{prog}: {problem}" for problem in problems))
        if not simulator.rtus:
            return 1
        _out(_served(simulator, points, given))
        _settle_garbage_collector()
        is_watched = given.is_verbose or _is_terminal()
        while not stop.wait(_POLL_EVERY):
            if is_watched:
                _out(_happened(simulator))
    finally:
        in_order = simulator.stop()
    if not in_order:
        _err(f"{prog}: not every connection could be ended in order")
    return 0


def _points_of(given: _Given) -> list[Point]:
    points, findings = read_points(
        given.points.read_bytes(), given.points.name, given.first_address
    )
    _err(*map(str, findings))
    return points


def _steps_of(given: _Given) -> list[Step]:
    if given.scenario is None:
        return []
    steps, findings = read_scenario(given.scenario.read_bytes(), given.scenario.name)
    _err(*map(str, findings))
    return steps


def _served(simulator: Simulator, points: Sequence[Point], given: _Given) -> list[str]:
    commands = sum(point.is_command for point in points)
    first, last = simulator.rtus[0], simulator.rtus[-1]
    host = f"[{given.bind}]" if ":" in given.bind else given.bind
    what = f"{len(points) - commands} points and {commands} commands of {given.points}"
    if len(simulator.rtus) == 1:
        return [f"serving {what} on {host}:{first.port}, common address {first.ca}"]
    return [
        f"serving {what} at {len(simulator.rtus)} stations on {host}:{first.port} to {last.port},"
        f" common addresses {first.ca} to {last.ca}"
    ]


def _happened(simulator: Simulator) -> list[str]:
    news = simulator.news()
    now, wall = simulator.now(), datetime.now().astimezone()
    lines = []
    for one in news[-_LINES_AT_ONCE:]:
        moment = datetime.fromtimestamp(wall.timestamp() - max(0.0, now - one.at)).astimezone()
        lines.append(f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03} {one.station} {one}")
    if len(news) > len(lines):
        lines.insert(0, f"{len(news) - len(lines)} lines not shown")
    return lines


# --- arguments ----------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """One line instead of the whole usage when an argument is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {printable(message)}; -h shows what is possible\n")


def _parsed(arguments: Sequence[str] | None, prog: str) -> _Given:
    parser = _parser(prog)
    given = parser.parse_args(arguments)
    behaviour = Behaviour()
    for name in OPTIONS:
        text = getattr(given, name)
        if text is not None:
            try:
                behaviour = changed(behaviour, name, text)
            except BehaviourError as error:
                parser.error(f"argument --{name.replace('_', '-')}: {error}")
    for name, most in (("port", 65535), ("ca", 65534)):
        last = getattr(given, name) + given.stations - 1
        if last > most:
            parser.error(f"argument --stations: {name} would run up to {last}, past {most}")
    try:
        timing = Timing(
            t1=given.t1, t2=given.t2, t3=given.t3, k=given.k, w=given.w,
            idletime=max(_DEFAULTS.idletime, given.t3 + given.t1 + 1),
        )  # fmt: skip
    except ValueError as error:
        parser.error(str(error))
    return _Given(
        given.points if given.points is not None else default_points(),
        given.scenario, given.first_address, given.verbose, behaviour, timing,
        given.port, given.ca, given.bind, given.stations, given.seed,
    )  # fmt: skip


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=prog,
        description="Simulates IEC 60870-5-104 controlled stations (RTUs).",
        epilog="The files of points and scenarios are described in core/simulator/README.md.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--points", type=Path, metavar="FILE",
        help=f"the points (default: assets/{POINTS} of the program)")  # fmt: skip
    add("--port", type=_whole(1, 65535), default=2404, help="TCP port (default: %(default)s)")
    add("--ca", type=_whole(1, 65534), default=47, help="common address (default: %(default)s)")
    add("--bind", default="127.0.0.1", metavar="ADDRESS",
        help="address to listen on, 0.0.0.0 or :: for all (default: %(default)s)")  # fmt: skip
    add("--stations", type=_whole(1, _MOST_STATIONS), default=1, metavar="N",
        help="so many stations; ports and common addresses are counted up")  # fmt: skip
    add("--scenario", type=Path, metavar="FILE", help="what happens when, as CSV")
    add("--seed", type=_whole(-(2**63), 2**63), metavar="N",
        help="chance is the same in every run with the same seed")  # fmt: skip
    add("--first-address", type=_whole(1, MAX_IOA), default=1, metavar="IOA",
        help="first address for points without one (default: %(default)s)")  # fmt: skip
    add("-v", "--verbose", action="store_true",
        help="say what happens even where no terminal is")  # fmt: skip
    link = parser.add_argument_group("link")
    for name in ("t1", "t2", "t3"):
        link.add_argument(f"--{name}", type=_seconds, default=getattr(_DEFAULTS, name),
                          metavar="SEC", help="default: %(default)g")  # fmt: skip
    for name in ("k", "w"):
        link.add_argument(f"--{name}", type=_whole(1, 32767), default=getattr(_DEFAULTS, name),
                          metavar="N", help="default: %(default)s")  # fmt: skip
    group = parser.add_argument_group("behaviour", "also for NAME=VALUE in scenarios")
    for name, option in OPTIONS.items():
        shown = _shown(getattr(Behaviour(), name))
        group.add_argument(
            f"--{name.replace('_', '-')}", metavar="VALUE",
            help=f"{option.help}; {option.accepted} (default: {shown})",
        )  # fmt: skip
    return parser


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


class _Whole:
    """A whole number within limits, for argparse."""

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most

    def __call__(self, text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = self._least - 1
        if not self._least <= number <= self._most:
            accepted = f"{self._least}..{self._most}"
            raise argparse.ArgumentTypeError(f"'{text}' is no such number; accepted: {accepted}")
        return number


def _whole(least: int, most: int) -> _Whole:
    return _Whole(least, most)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 172_800:
        raise argparse.ArgumentTypeError(f"'{text}' is no time; accepted: above 0 to 172800 s")
    return seconds


# --- the surroundings ---------------------------------------------------------------------------


def _stop_signals(stop: threading.Event) -> None:
    """Let SIGINT, SIGTERM and Ctrl+Break end the program in order; main thread only."""

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, ask)


def _raise_open_files() -> None:
    """As many as the system lets us have: hundreds of stations need more than the usual limit."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    limits: Any = resource
    _, hard = limits.getrlimit(limits.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # what follows from it is said per port
        limits.setrlimit(limits.RLIMIT_NOFILE, (hard, hard))


def _settle_garbage_collector() -> None:
    """Look at what lives as long as the program only once."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _is_terminal() -> bool:
    try:
        return sys.stdout is not None and sys.stdout.isatty()
    except ValueError:  # closed
        return False


def _out(lines: Iterable[str]) -> None:
    _write(sys.stdout, lines)


def _err(*lines: str) -> None:
    _write(sys.stderr, lines)


def _hand_over() -> None:
    """What nobody takes any more is not worth an exit code of its own."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):  # the interpreter flushes once more and would complain
            with contextlib.suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, number)
                os.close(nowhere)


def _write(stream: TextIO | None, lines: Iterable[str]) -> None:
    if stream is None:
        return
    with contextlib.suppress(OSError, ValueError):  # the reader has gone; the stations serve on
        for line in lines:
            stream.write(f"{printable(line)}\n")
        stream.flush()
