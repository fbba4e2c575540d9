"""What a bench has measured, judged and put into words: pure, values in, values out."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

_BUSY_PART: Final = 0.8
"""Of a core: a process of the load that needs so much was the limit itself."""
_BUSY_OTHERS: Final = 0.25
"""Of a core, for other programs: so much disturbs latencies."""
_BUSY_ALL: Final = 0.85
"""Of all cores."""
_LATE: Final = 0.25
"""Seconds the load may fall behind its own timetable."""
_BASE_MIB: Final = 100
_KIB_PER_LINK: Final = 100
_BASE_START: Final = 5.0
_MASTERS_PER_SECOND: Final = 1000
IDLE_PERCENT: Final = 5.0


@dataclass(frozen=True, slots=True)
class Size:
    """What was asked for; ``rate`` is events a second and RTU, times are seconds."""

    groups: int
    masters: int
    rate: float
    seconds: float
    saturate: float
    idle: float

    @property
    def links(self) -> int:
        """Connections of the gateway when all are there."""
        return self.groups * (1 + self.masters)

    @property
    def events(self) -> int:
        """Of each RTU in the run."""
        return max(1, round(self.rate * self.seconds))


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a figure is no pass: milliseconds, percent of one core, MiB, seconds."""

    p99: float
    cpu: float
    memory: float
    start: float


def usual_memory(size: Size) -> float:
    """MiB that so many connections may need on any system; on Linux it is a fraction of it."""
    return _BASE_MIB + size.links * _KIB_PER_LINK / 1024


def usual_start(size: Size) -> float:
    """Seconds in which so many masters should be back, most of it left to slow computers."""
    return _BASE_START + size.groups * size.masters / _MASTERS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Computer:
    """Where it was measured."""

    program: str
    """Name and version."""
    python: str
    system: str
    event_loop: str
    cores: int


@dataclass(frozen=True, slots=True)
class Start:
    """From nothing to all masters in data transfer; seconds."""

    gateway_to_rtus: float
    """From starting the gateway's process until it had spoken to all RTUs."""
    masters: float
    """From the masters' first try until the last of them was started."""
    started: int


@dataclass(frozen=True, slots=True)
class Shares:
    """Processor time over time: 1.0 is one core. ``others``: all other programs, if known."""

    gateway: float
    rtus: float
    masters: float
    others: float | None

    @property
    def ours(self) -> float:
        """Of the whole bench."""
        return self.gateway + self.rtus + self.masters


@dataclass(frozen=True, slots=True)
class Traffic:
    """What came of the events of a phase; latencies in ms."""

    seconds: float
    """For how long events were made."""
    sent: int
    """By all RTUs together."""
    due: int
    """What all masters together should have got."""
    delivered: int
    lost: int
    repeated: int
    disordered: int
    wrong: int
    lost_links: int
    p50: float | None
    p99: float | None
    longest: float | None
    shares: Shares
    gateway_cpu: float
    """Processor seconds of the gateway."""
    late: float
    """Seconds the RTUs fell behind their timetable at most."""
    per_second: float
    """Deliveries a second while events were made."""


@dataclass(frozen=True, slots=True)
class Idle:
    """All connected, nothing to do."""

    seconds: float
    gateway: float
    """Share of a core."""


@dataclass(slots=True)
class Result:
    """A whole bench; None: did not come to it."""

    size: Size
    limits: Limits
    computer: Computer
    start: Start | None = None
    run: Traffic | None = None
    saturation: Traffic | None = None
    idle: Idle | None = None
    memory_peak: float | None = None
    """Octets of the gateway; None: this system does not tell."""
    strangers: int = 0
    """Connections of other programs to the ports of our RTUs."""
    ended_by: str = ""
    """Why it is not complete, if it is not."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table; ``is_good`` None where there is no limit."""

    phase: str
    name: str
    measured: str
    limit: str = ""
    is_good: bool | None = None


def rows(result: Result) -> list[Row]:
    """Everything that was measured, judged."""
    found: list[Row] = []
    limits = result.limits
    if result.start is not None:
        found += _start_rows(result.start, result.size, limits)
    if result.run is not None:
        found += _run_rows(result.run, limits)
    if result.saturation is not None:
        found += _saturation_rows(result.saturation)
    if result.idle is not None:
        percent = 100 * result.idle.gateway
        found.append(
            Row("idle", "CPU of the gateway", f"{percent:.2f} % of a core",
                f"{IDLE_PERCENT:g} %", percent <= IDLE_PERCENT)
        )  # fmt: skip
    if result.run is not None:
        found.append(_memory_row(result.memory_peak, limits))
    return found


def passes(result: Result) -> bool:
    """Whether the bench is complete and nothing missed its limit."""
    return not result.ended_by and all(row.is_good is not False for row in rows(result))


def _start_rows(start: Start, size: Size, limits: Limits) -> Iterator[Row]:
    wanted = size.groups * size.masters
    yield Row("start", "RTUs reached", f"{start.gateway_to_rtus:.2f} s")
    yield Row(
        "start", "masters started", f"{start.started} of {wanted}", "all", start.started == wanted
    )
    yield Row(
        "start", "after their first try", f"{start.masters:.2f} s", f"{limits.start:.1f} s",
        start.masters <= limits.start and start.started == wanted,
    )  # fmt: skip


def _run_rows(run: Traffic, limits: Limits) -> Iterator[Row]:
    yield from _delivery_rows("run", run)
    yield Row("run", "latency p50", _ms(run.p50))
    is_quick = run.p99 is not None and run.p99 <= limits.p99
    yield Row("run", "latency p99", _ms(run.p99), f"{limits.p99:g} ms", is_quick)
    yield Row("run", "latency max", _ms(run.longest))
    percent = 100 * run.shares.gateway
    yield Row(
        "run", "CPU of the gateway", f"{percent:.1f} % of a core", f"{limits.cpu:g} %",
        percent <= limits.cpu,
    )  # fmt: skip
    yield Row("run", "CPU for a delivery", _each(run))


def _saturation_rows(flood: Traffic) -> Iterator[Row]:
    yield Row("saturation", "deliveries", f"{flood.per_second:.0f} a second")
    yield from _delivery_rows("saturation", flood)
    yield Row("saturation", "CPU of the gateway", f"{100 * flood.shares.gateway:.1f} % of a core")
    yield Row("saturation", "CPU for a delivery", _each(flood))


def _delivery_rows(phase: str, got: Traffic) -> Iterator[Row]:
    yield Row(phase, "events sent", f"{got.sent} in {got.seconds:.1f} s")
    is_whole = got.delivered == got.due > 0
    yield Row(phase, "delivered", f"{got.delivered} of {got.due}", "all", is_whole)
    for name, count in (
        ("lost", got.lost),
        ("repeated", got.repeated),
        ("out of order", got.disordered),
        ("to a wrong address", got.wrong),
        ("connections lost", got.lost_links),
    ):
        yield Row(phase, name, str(count), "0", count == 0)


def _memory_row(octets: float | None, limits: Limits) -> Row:
    if octets is None:
        return Row("whole", "memory of the gateway", "n/a: this system does not tell")
    mib = octets / 2**20
    text = f"{mib:.1f} MiB at most"
    return Row("whole", "memory of the gateway", text, f"{limits.memory:.0f} MiB",
               mib <= limits.memory)  # fmt: skip


def warnings(result: Result) -> list[str]:
    """Why the figures may say more of the load or of this computer than of the gateway."""
    found: list[str] = []
    if result.run is not None:
        found += _load_warnings("run", result.run, result.computer.cores)
        if result.run.late > _LATE:
            found.append(
                f"run: the load generator was the limit: its RTUs fell {result.run.late:.2f} s"
                " behind their timetable"
            )
    if result.saturation is not None:
        found += _load_warnings("saturation", result.saturation, result.computer.cores)
    if result.strangers:
        found.append(
            "some other program has connected to the ports of these RTUs"
            f" ({result.strangers} times): repeat it"
        )
    return found


def _load_warnings(phase: str, got: Traffic, cores: int) -> Iterator[str]:
    shares = got.shares
    for name, share in (("RTUs", shares.rtus), ("masters", shares.masters)):
        if share > _BUSY_PART and share > shares.gateway:
            yield (
                f"{phase}: the load generator was the limit: its {name} used {100 * share:.0f} %"
                f" of a core, the gateway {100 * shares.gateway:.0f} %"
            )
    if shares.others is not None and shares.others > _BUSY_OTHERS:
        yield (
            f"{phase}: other programs used {100 * shares.others:.0f} % of a core: latencies may be"
            " theirs; repeat it on a quiet computer"
        )
    whole = shares.ours + (shares.others or 0.0)
    if whole > _BUSY_ALL * cores:
        yield (
            f"{phase}: all {cores} cores were busy ({100 * whole / cores:.0f} %): latencies contain"
            " waiting for a processor, and more speed may be there with more cores"
        )


def table(result: Result) -> list[str]:
    """The result as lines for a person."""
    size, computer = result.size, result.computer
    lines = [
        f"{size.groups} RTUs x {size.masters} masters, {size.rate:g} events/s from each RTU for"
        f" {size.seconds:g} s: {size.groups * size.masters * size.rate:g} deliveries/s",
        f"{computer.program}, Python {computer.python}, {computer.event_loop}, {computer.system},"
        f" {computer.cores} cores; one computer, loopback",
        "",
    ]
    lines += _columns([("phase", "what", "measured", "limit", ""), *_cells(rows(result))])
    shares = result.run.shares if result.run is not None else None
    if shares is not None:
        lines += ["", f"the load itself in the run: {_load(shares)}"]
    lines += [f"warning: {text}" for text in warnings(result)]
    if result.ended_by:
        lines += ["", f"not complete: {result.ended_by}"]
    has_failed = any(row.is_good is False for row in rows(result))
    verdict = "pass" if passes(result) else "FAIL" if has_failed else "not complete"
    return [*lines, "", f"result: {verdict}"]


def as_json(result: Result) -> dict[str, Any]:
    """The result as one JSON object: all figures, the rows of the table, warnings and verdict."""
    return {
        **asdict(result),
        "rows": [asdict(row) for row in rows(result)],
        "warnings": warnings(result),
        "passes": passes(result),
    }


def _cells(found: Sequence[Row]) -> Iterator[tuple[str, str, str, str, str]]:
    words = {True: "pass", False: "FAIL", None: ""}
    last = ""
    for row in found:
        phase = row.phase if row.phase != last else ""
        yield phase, row.name, row.measured, row.limit, words[row.is_good]
        last = row.phase


def _columns(cells: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]


def _load(shares: Shares) -> str:
    text = f"RTUs {100 * shares.rtus:.0f} %, masters {100 * shares.masters:.0f} % of a core"
    if shares.others is not None:
        text += f"; other programs {100 * shares.others:.0f} %"
    return text


def _each(got: Traffic) -> str:
    return f"{1e6 * got.gateway_cpu / got.delivered:.1f} us" if got.delivered else "n/a"


def _ms(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.2f} ms"
