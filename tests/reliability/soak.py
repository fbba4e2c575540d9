"""Fifty groups of four masters for an hour: what the gateway needs of the machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.reliability.plant import Plant, Shape
from tests.reliability.run import Report, Sample, run_sockets

SHAPE = Shape(
    groups=50, masters=4, rate=(1.0, 8.0), racers=3, racing=400.0, asks_every=4.0, scale=2,
    slack=4.0, tick=0.1, hangs=True,
)  # fmt: skip
PAUSE = 0.5
"""Seconds between two faults, on average."""
RING = 32768


@dataclass(frozen=True)
class Trend:
    """A figure after the warm-up: first and last value, extremes, growth by the hour."""

    first: float
    last: float
    low: float
    high: float
    per_hour: float


def trend(samples: Sequence[Sample], what: str, warm_up: float) -> Trend:
    """The least-squares slope of what is left after `warm_up` of the time."""
    begin = samples[0].at + warm_up * (samples[-1].at - samples[0].at)
    points = [(one.at, float(getattr(one, what))) for one in samples if one.at >= begin]
    n = len(points)
    mean_x = sum(x for x, _ in points) / n
    mean_y = sum(y for _, y in points) / n
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
    values = [y for _, y in points]
    return Trend(values[0], values[-1], min(values), max(values), slope * 3600)


def soak(
    seed: int, seconds: float, folder: Path, shape: Shape = SHAPE
) -> tuple[Report, list[Sample]]:
    """Without `kill -9`: one process must last."""

    def told(sample: Sample, plant: Plant) -> None:
        started = sum(master.is_started for group in plant.groups for master in group.masters)
        found = sum(len(group.book.findings) for group in plant.groups)
        line = (
            f"{sample.at:7.0f} s  {sample.rss_kib} KiB  {sample.descriptors} descriptors"
            f"  {sample.threads} threads  {sample.cpu:.0f} s CPU  {started} started"
            f"  {found} findings"
        )
        with (folder / "samples.txt").open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    return run_sockets(
        seed, seconds, folder, shape, PAUSE, kills=False, spares=shape.racers, told=told
    )


def rounds(report: Report) -> int:
    """How often sequence numbers have gone around, over all links toward masters, at least."""
    return sum(int(one["events"]) // RING for one in report.masters.values())


def summary(report: Report, samples: Sequence[Sample]) -> str:
    lines = [str(report)]
    for what in ("rss_kib", "descriptors", "threads"):
        one = trend(samples, what, 0.5)
        lines.append(
            f"  {what} after half of the time: {one.first:.0f}, at the end {one.last:.0f}"
            f" (lowest {one.low:.0f}, highest {one.high:.0f}), slope {one.per_hour:+.1f} per hour"
        )
    lines.append(f"  CPU: {samples[-1].cpu:.0f} s of {samples[-1].at:.0f} s")
    lines.append(f"  times around 32768 toward masters: {rounds(report)}")
    return "\n".join(lines)
