"""``iec104mm2ss bench``: is this computer large enough? RTUs, the gateway and masters on loopback.

Everything is this program itself, in processes of its own: one plays all RTUs, one all masters, and
between them runs the gateway as shipped, with its log files. ``bench_parts`` is what they do,
``bench_report`` what is made of the figures.
"""

import argparse
import importlib.util
import json
import platform
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from app import console, headless
from app.arguments import Parser
from app.commands import bench_parts
from app.commands.bench_children import BenchError, Child
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
    table,
    usual_memory,
    usual_start,
)
from app.commands.bench_usage import busy_seconds, cores
from app.limits import needed_files, raise_open_files
from app.ports import HOST, free_ports
from core import __version__
from core.config import read_fully

_PROG: Final = "iec104mm2ss bench"
_POLL_EVERY: Final = 0.1
_SHOW_EVERY: Final = 0.5
_RTUS_WITHIN: Final = 30.0
"""Seconds the gateway may take to start and reach all RTUs; more with many of them."""
_MASTERS_WITHIN: Final = 30.0
_DRAIN_WITHIN: Final = 5.0
"""Seconds without a single delivery after which what is missing is lost."""
_ATTEMPTS: Final = 5
_MOST_GROUPS: Final = 5_000
_MOST_MASTERS: Final = 100
_MOST_SECONDS: Final = 3600.0
_MOST_RATE: Final = 1000.0
_MOST_EVENTS: Final = 10_000_000
"""Deliveries a second that nobody need ask for: --saturate finds what there is."""


def main(arguments: Sequence[str]) -> int:
    """Measure, and say it; the exit code: 0 all passed, 1 not so or not done, 2 wrong arguments."""
    if arguments and arguments[0] == "--part":
        return bench_parts.main(arguments[1:])
    given = _parser().parse_args(arguments)
    size = Size(given.groups, given.masters, given.rate, given.seconds, given.saturate, given.idle)
    memory = usual_memory(size) if given.max_memory is None else given.max_memory
    start = usual_start(size) if given.max_start is None else given.max_start
    limits = Limits(given.max_p99, given.max_cpu, memory, start)
    result = Result(size, limits, _computer())
    stop = threading.Event()
    headless.stop_signals(stop)
    screen = _Screen()
    try:
        with _Bench(result, stop, screen, given.log_dir) as bench:
            bench.run()
    except _Interrupted:
        result.ended_by = "interrupted"
    except (BenchError, OSError) as error:
        result.ended_by = str(error)
    screen.clear()
    if result.start is None and result.ended_by:
        console.err(f"{_PROG}: {result.ended_by}")
        return 1
    console.out([json.dumps(as_json(result))] if given.json else table(result))
    return 0 if passes(result) else 1


class _Interrupted(Exception):
    """Somebody wants it to end now."""


class _Screen:
    """Where it stands, on standard error: one line that changes, or one for each phase."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._shown = ""

    def phase(self, text: str) -> None:
        """A phase begins."""
        if self._is_terminal:
            self.show(text)
        else:
            console.err(text)

    def show(self, text: str) -> None:
        """How far it is."""
        if not self._is_terminal or text == self._shown:
            return
        width = shutil.get_terminal_size().columns - 1
        self._put("\r" + text[:width].ljust(min(width, len(self._shown))))
        self._shown = text

    def clear(self) -> None:
        """Make room for the result."""
        if self._shown:
            self._put("\r" + " " * len(self._shown) + "\r")
            self._shown = ""

    def _put(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError):  # nobody looks any more
            self._is_terminal = False


class _Bench:
    """One measurement, from the first process to the end of the last."""

    def __init__(
        self, result: Result, stop: threading.Event, screen: _Screen, log_dir: Path | None
    ) -> None:
        self._result = result
        self._size = result.size
        self._stop = stop
        self._screen = screen
        self._log_dir = log_dir
        self._folder = Path(tempfile.mkdtemp(prefix="iec104mm2ss-bench-"))
        self._children: dict[str, Child] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        for child in self._children.values():
            child.let_go()
        ended = [child.end() for child in self._children.values()]
        if not all(ended) and not self._result.ended_by and kind is None:
            self._result.ended_by = "not every process ended in order"
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self) -> None:
        """All phases; BenchError or OSError if one of them cannot be, _Interrupted if told so."""
        size = self._size
        self._start()
        for child in self._children.values():
            if child.name != "gateway":
                child.ask("settle")
        self._result.run = self._with_events(
            "run", size.seconds, {"order": "send", "rate": size.rate, "count": size.events}
        )
        self._take_memory()
        self._heed_stop()
        if size.saturate:
            self._result.saturation = self._with_events(
                "saturation", size.saturate, {"order": "flood"}
            )
            self._take_memory()
            self._heed_stop()
        if size.idle:
            self._idle()

    # start

    def _start(self) -> None:
        size = self._size
        self._screen.phase(
            f"starting {size.groups} RTUs, the gateway and {size.groups * size.masters} masters"
        )
        ports = self._open_rtus()
        ini = self._folder / "bench.csv"
        ini.write_text(configuration(size, ports), "ascii")
        self._demand_files(ini)
        begin = time.monotonic()
        self._child("gateway", str(ini), str(self._log_dir or self._folder / "log"))
        links: dict[str, Any] = {}

        def rtus_reached() -> bool:
            links.update(self._children["rtus"].ask("links"))
            return bool(links["alive"] == size.groups)

        if not self._until(rtus_reached, _RTUS_WITHIN + size.groups / 50):
            raise BenchError(
                f"the gateway reached only {links['alive']} of {size.groups} RTUs within"
                f" {_RTUS_WITHIN + size.groups / 50:g} s"
            )
        reached = time.monotonic() - begin
        masters = self._child("masters")
        if not all(self._children[name].shares_our_clock() for name in ("rtus", "masters")):
            raise BenchError("two processes of this computer see different clocks: no latencies")
        masters.ask("dial", ports=ports[size.groups :], per_rtu=size.masters)

        def masters_started() -> bool:
            links.update(masters.ask("links"))
            return bool(links["started"] == size.groups * size.masters)

        is_whole = self._until(masters_started, _MASTERS_WITHIN)
        self._result.start = Start(reached, links["took"], links["started"])
        if not is_whole:
            raise BenchError(f"not all masters could be started within {_MASTERS_WITHIN:g} s")

    def _open_rtus(self) -> list[int]:
        """Start the RTUs; all ports, theirs first."""
        count = self._size.links
        for attempt in range(1, _ATTEMPTS + 1):
            ports = free_ports(count)
            rtus = self._child("rtus")
            try:
                rtus.ask("open", ports=ports[: self._size.groups])
            except BenchError:  # somebody was faster
                if attempt == _ATTEMPTS or rtus.has_ended:
                    raise
                rtus.end()
                continue
            return ports
        raise BenchError("no ports")

    def _demand_files(self, ini: Path) -> None:
        config = read_fully(ini.read_bytes(), ini.name).config
        needed, limit = needed_files(config), raise_open_files()
        if limit is not None and needed > limit:
            raise BenchError(
                f"{self._size.groups} x {self._size.masters} needs {needed} open files in one"
                f" process, the system allows {limit}: raise it (ulimit -n, LimitNOFILE), or"
                " measure fewer"
            )

    def _child(self, name: str, *arguments: str) -> Child:
        child = self._children[name] = Child(name, self._folder, *arguments)
        return child

    # events

    def _with_events(self, phase: str, seconds: float, order: dict[str, Any]) -> Traffic:
        rtus, masters = self._children["rtus"], self._children["masters"]
        self._screen.phase(f"{phase}: {seconds:g} s")
        masters.ask("forget")
        sent_before = rtus.ask("sent")["sent"]
        before = masters.ask("result", sent=sent_before)
        costs = _Costs(self._children)
        first = masters.ask("received")
        rtus.ask(**order)
        begin = time.monotonic()

        def is_over() -> bool:
            passed = time.monotonic() - begin
            got = masters.ask("received")["received"] - first["received"]
            self._screen.show(f"{phase}: {passed:.0f} of {seconds:g} s, {got} delivered")
            # Only then may the RTUs be asked: saturated, they answer late.
            return passed >= seconds and (order["order"] == "flood" or rtus.ask("sent")["is_done"])

        # A load that cannot keep its timetable is given as much time again.
        self._until(is_over, 2 * seconds + 5, _SHOW_EVERY, heed_stop=False)
        last = masters.ask("received")
        shares, gateway_cpu = costs.since()
        rtus.ask("halt")
        took = time.monotonic() - begin
        sent = rtus.ask("sent")
        self._result.strangers = sent["strangers"]
        self._drain(sum(sent["sent"]) * self._size.masters)
        got = masters.ask("result", sent=sent["sent"])
        made = sum(sent["sent"]) - sum(sent_before)
        return Traffic(
            seconds=took,
            sent=made,
            due=made * self._size.masters,
            delivered=got["received"] - before["received"],
            lost=got["lost"] - before["lost"],
            repeated=got["repeated"] - before["repeated"],
            disordered=got["disordered"] - before["disordered"],
            wrong=got["wrong"] - before["wrong"],
            lost_links=got["lost_links"] + sent["lost"] - before["lost_links"],
            p50=got["p50"],
            p99=got["p99"],
            longest=got["max"],
            shares=shares,
            gateway_cpu=gateway_cpu,
            late=sent["late"],
            per_second=(last["received"] - first["received"]) / (last["at"] - first["at"]) * 1e6,
        )

    def _drain(self, expected: int) -> None:
        """Wait for what is on its way, until it is there or nothing has come for long."""
        masters = self._children["masters"]
        received, heard = -1, time.monotonic()
        while received < expected and time.monotonic() - heard < _DRAIN_WITHIN:
            now = masters.ask("received")["received"]
            if now != received:
                received, heard = now, time.monotonic()
            time.sleep(_POLL_EVERY)

    def _idle(self) -> None:
        seconds = self._size.idle
        self._screen.phase(f"idle: {seconds:g} s")
        costs = _Costs(self._children)
        begin = time.monotonic()
        self._until(lambda: time.monotonic() - begin >= seconds, seconds + 1)
        shares, _ = costs.since()
        self._result.idle = Idle(time.monotonic() - begin, shares.gateway)
        self._take_memory()

    def _take_memory(self) -> None:
        self._result.memory_peak = self._children["gateway"].ask("usage")["peak"]

    # waiting

    def _heed_stop(self) -> None:
        if self._stop.is_set():
            raise _Interrupted

    def _until(
        self, condition: Callable[[], bool], within: float, every: float = _POLL_EVERY,
        *, heed_stop: bool = True,
    ) -> bool:  # fmt: skip
        """Wait for a condition; whether it came true in time. All processes must stay alive."""
        end = time.monotonic() + within
        while not condition():
            for child in self._children.values():
                child.demand_life()
            if time.monotonic() >= end:
                return False
            if self._stop.wait(every):
                if heed_stop:
                    raise _Interrupted
                return False
        return True


class _Costs:
    """What all processes use from its making on."""

    def __init__(self, children: dict[str, Child]) -> None:
        self._children = children
        self._busy = busy_seconds()
        self._begin = self._ask()

    def since(self) -> tuple[Shares, float]:
        """Shares of a core until now, and the gateway's processor seconds."""
        now, busy = self._ask(), busy_seconds()
        used, share = {}, {}
        for name, usage in now.items():
            begin = self._begin[name]
            used[name] = usage["cpu"] - begin["cpu"]
            share[name] = used[name] / ((usage["at"] - begin["at"]) / 1e6)
        others = None
        if busy is not None and self._busy is not None:
            passed = (now["gateway"]["at"] - self._begin["gateway"]["at"]) / 1e6
            others = max(0.0, busy - self._busy - sum(used.values())) / passed
        shares = Shares(share["gateway"], share["rtus"], share["masters"], others)
        return shares, used["gateway"]

    def _ask(self) -> dict[str, dict[str, Any]]:
        return {name: child.ask("usage") for name, child in self._children.items()}


def configuration(size: Size, ports: Sequence[int]) -> str:
    """The gateway's file: every entry on loopback, everything else as it is by default."""
    lines = ["nogui", "# id,sys name,port no,rtu no,master,hosts"]
    for group in range(size.groups):
        ca = bench_parts.rtu_ca(group)
        lines.append(f"{group + 1},RTU {group + 1},,{ca},N,{HOST}:{ports[group]}")
        for place in range(size.masters):
            number = group * size.masters + place
            port, ca = ports[size.groups + number], bench_parts.master_ca(number)
            lines.append(f"{group + 1},M{group + 1}-{place + 1},{port},{ca},Y,{HOST}")
    return "\n".join(lines) + "\n"


def _computer() -> Computer:
    has_uvloop = sys.platform != "win32" and importlib.util.find_spec("uvloop") is not None
    return Computer(
        program=f"iec104mm2ss {__version__}",
        python=platform.python_version(),
        system=platform.system(),
        event_loop="uvloop" if has_uvloop else "asyncio",
        cores=cores(),
    )


# --- arguments ------------------------------------------------------------------------------------


class _Number:
    """What an argument takes: a number within limits, whole or not."""

    def __init__(self, kind: type[int] | type[float], least: float, most: float) -> None:
        self._kind, self._least, self._most = kind, least, most

    def __call__(self, text: str) -> float:
        try:
            number = self._kind(text)
        except ValueError:
            number = self._kind(-1)
        if not self._least <= number <= self._most:
            whole = "whole number" if self._kind is int else "number"
            limits = f"{self._least:g} to {self._most:.15g}"
            raise argparse.ArgumentTypeError(f"'{text}' is no {whole} from {limits}")
        return number


def _parser() -> Parser:
    parser = _BenchParser(
        prog=_PROG, allow_abbrev=False,
        description="Measures on this computer whether it can carry so many RTUs and masters: it"
        " plays them all, runs the gateway between them, on loopback only, and says what came"
        " through, how fast and what it cost.",
        epilog="Exit code: 0 everything passed, 1 something failed or could not be measured.",
    )  # fmt: skip
    add = parser.add_argument
    seconds = _Number(float, 0.5, _MOST_SECONDS)
    pause = _Number(float, 0, _MOST_SECONDS)
    above = _Number(float, 0.001, 1e6)
    add("--groups", type=_Number(int, 1, _MOST_GROUPS), default=200, metavar="N",
        help="how many RTUs, each with its masters (default: 200)")  # fmt: skip
    add("--masters", type=_Number(int, 1, _MOST_MASTERS), default=5, metavar="N",
        help="how many masters each RTU has (default: 5)")  # fmt: skip
    add("--rate", type=_Number(float, 0.01, _MOST_RATE), default=5.0, metavar="N",
        help="events a second from each RTU; every master gets each (default: 5)")  # fmt: skip
    add("--seconds", type=seconds, default=10.0, metavar="SEC",
        help="how long events are sent at that rate (default: 10)")  # fmt: skip
    add("--saturate", type=pause, nargs="?", const=5.0, default=0.0, metavar="SEC",
        help="then let all RTUs send as fast as they can, for so long (alone: 5)")  # fmt: skip
    add("--idle", type=pause, default=3.0, metavar="SEC",
        help="at last measure for so long what idling costs; 0: not (default: 3)")  # fmt: skip
    add("--max-p99", type=above, default=100.0, metavar="MS",
        help="99 of 100 events must be through within so long (default: 100)")  # fmt: skip
    add("--max-cpu", type=above, default=60.0, metavar="PERCENT",
        help="of one core, that the gateway may use at that rate (default: 60)")  # fmt: skip
    add("--max-memory", type=above, metavar="MIB",
        help="that the gateway may use (default: 100 and 0.1 for each connection)")  # fmt: skip
    add("--max-start", type=above, metavar="SEC",
        help="all masters must be started so soon after they first try"
        " (default: 5 and 1 for each 1000 masters)")  # fmt: skip
    add("--log-dir", type=Path, metavar="FOLDER",
        help="keep the gateway's log files there (default: they go with the bench)")  # fmt: skip
    add("--json", action="store_true", help="print the result as one JSON object")
    return parser


class _BenchParser(Parser):
    """Also looks at what the numbers mean together."""

    def parse_args(self, *given: Any, **more: Any) -> Any:
        found = super().parse_args(*given, **more)
        if found.groups * found.masters * found.rate > _MOST_EVENTS:
            self.error(f"more than {_MOST_EVENTS} deliveries a second: use --saturate")
        return found
