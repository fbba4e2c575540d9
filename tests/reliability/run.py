"""One run from a seed, in either world, and what the referee says of it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path

from tests.reliability.causes import Causes
from tests.reliability.faults import Schedule
from tests.reliability.plant import LogLine, Plant, Shape
from tests.reliability.process_host import ProcessHost
from tests.reliability.sockets import SocketNet
from tests.reliability.virtual import START, VirtualNet
from tests.reliability.virtual_host import VirtualHost
from tests.support.ports import free_ports

RECOVERY = 90.0
"""Seconds after the last fault within which all must be as if nothing had been: the pause of a
dialler may have grown to 30 s."""
SOCKETS = Shape(scale=2, slack=4.0, tick=0.1, hangs=True)
FINAL = 5
"""Events of each station once all are well again."""


@dataclass
class Report:
    """What became of a run."""

    seed: int
    seconds: float = 0.0
    links: int = 0
    faults: int = 0
    sent: int = 0
    findings: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    masters: dict[str, Counter[str]] = field(default_factory=dict)
    ends: Counter[str] = field(default_factory=Counter)
    census: Counter[str] = field(default_factory=Counter)
    """Of a virtual run: objects of the gateway in memory once all is well again."""
    transcript: int = 0
    """Stands for the whole course of a virtual run: the same for the same seed."""

    @property
    def is_clean(self) -> bool:
        return not self.findings

    def total(self, what: str) -> int:
        return sum(one[what] for one in self.masters.values())

    def __str__(self) -> str:
        lines = [
            f"seed {self.seed}: {self.seconds / 60:.1f} min x {self.links} links ="
            f" {self.seconds * self.links / 60:.0f} link-minutes, {self.faults} faults",
            f"  {self.counts['sent']} events sent, {self.total('events')} delivered in"
            f" {self.total('sessions')} sessions; {self.counts['questions']} questions,"
            f" {self.counts['answers']} answers; {self.counts['links']} connections ended",
        ]
        totals: Counter[str] = Counter()
        for one in self.masters.values():
            totals.update(one)
        lines += [f"  {what}: {n}" for what, n in sorted(totals.items())]
        lines += [f"  {what}: {n}" for what, n in sorted(self.counts.items())]
        lines += [f"  ended, {what}: {n}" for what, n in sorted(self.ends.items())]
        return "\n".join([*lines, *(f"  FOUND {each}" for each in self.findings)])


def finish(
    plant: Plant, schedule: Schedule, well: Callable[[], None] = lambda: None
) -> list[LogLine]:
    """Heal everything, see that all is well again, and stop; `well` is called before that."""
    net = plant.net
    schedule.stop()
    for group in plant.groups:
        for master in group.masters:
            master.wants = True
            if master.stream is not None:
                master.start_transfer()
    masters = [(group, master) for group in plant.groups for master in group.masters]

    def all_started() -> bool:
        for _, master in masters:
            master.start_transfer()
        return all(master.is_started and master.session for _, master in masters)

    if not plant.wait(all_started, RECOVERY):
        for group, master in masters:
            if not master.is_started or master.session is None:
                group.book.find("not recovered", f"{master.label}: {master.lines}")
    for _, master in masters:
        master.ask_no_more()
    # Deadlines of what was asked in bad times; an interrogation may have waited for several others.
    plant.wait(lambda: all(master.is_settled for _, master in masters), 50.0)
    plant.wait(all_started, RECOVERY)
    for group in plant.groups:
        group.station.rate = 0.0
        plant.wait(lambda g=group: g.station.pending < 1, 90.0)  # type: ignore[misc]
        group.station.pending += FINAL

    def all_there() -> bool:
        return all(
            master.session is not None and master.session.last == group.book.next_number - 1
            for group, master in masters
        )

    if not plant.wait(all_there, 120.0):
        for group, master in masters:
            session = master.session
            if session is None or session.last != group.book.next_number - 1:
                got = session and session.last
                group.book.find("missing at the end", f"{master.label}: {got}"
                                f" of {group.book.next_number - 1}")  # fmt: skip
    net.run(1.0)  # nothing more may come
    well()
    for group in plant.groups:
        now = net.now()
        for peer in group.peers:
            group.book.fault("stop", peer.label, now, now + 5.0)
    plant.is_open = False
    for group, master in masters:
        if master.session is not None:
            mine = group.book.of(master.label)
            mine["events"] += master.session.count
            mine["sessions"] += 1
    plant.host.stop()
    return list(plant.host.log())


def judge(plant: Plant, report: Report, lines: Sequence[LogLine]) -> None:
    """Fill the report in."""
    kills = sorted({
        fault.begin
        for group in plant.groups
        for fault in group.book.faults.get(group.station.label, ())
        if fault.kind in ("kill", "stop")
    })  # fmt: skip
    report.links = sum(len(group.peers) for group in plant.groups)
    by_group = {peer.label: group for group in plant.groups for peer in group.peers}
    sorted_lines: dict[int, list[LogLine]] = {}
    for line in lines:
        group = by_group.get(line.label)
        if group is not None:
            sorted_lines.setdefault(group.number, []).append(line)
    for group in plant.groups:
        causes = Causes(group, sorted_lines.get(group.number, []), plant.shape.scale)
        causes.judge(kills)
        vanished, told = group.book.vanished(), causes.losses_told()
        group.book.counts["given to nobody, said in the log"] += min(len(vanished), told)
        if len(vanished) > told:
            group.book.find(
                "vanished",
                f"{len(vanished)} events, {vanished[:3]}.., acknowledged and given to nobody;"
                f" the log tells of {told}",
            )
        report.ends.update(causes.told)
        report.findings += group.book.findings
        report.counts.update(group.book.counts)
        report.masters.update(group.book.per_master)
        for line in causes._lines:
            if "internal error" in line.text:
                report.findings.append(f"{line.label} at {line.at:.3f}: {line.text}")
    report.findings += list(plant.host.errors())


def run_virtual(
    seed: int, seconds: float, shape: Shape | None = None, pause: float = 2.0, kills: bool = True
) -> Report:
    """The whole gateway in virtual time; the same seed gives the same run."""
    report = Report(seed, seconds)
    net = VirtualNet(seed)
    ports = count(10_000)
    with net.in_place():
        host = VirtualHost(net)
        try:
            plant = Plant(
                net, host, seed, shape or Shape(), lambda n: [next(ports) for _ in range(n)]
            )
            schedule = Schedule(plant, pause, kills)
            plant.start()
            net.run(3.0)
            schedule.start()
            net.run(seconds)
            report.faults = schedule.done
            lines = finish(plant, schedule, lambda: report.census.update(host.census()))
            judge(plant, report, lines)
            report.seconds = net.now() - START
            told = [(line.at, line.label, line.text) for line in lines]
            closes = [group.book.closes for group in plant.groups]
            report.transcript = fingerprint(told, closes, sorted(report.counts.items()))
        finally:
            host.close()
    return report


@dataclass(frozen=True)
class Sample:
    """The gateway's process at one moment."""

    at: float
    rss_kib: int
    descriptors: int
    threads: int
    cpu: float


def run_sockets(
    seed: int, seconds: float, folder: Path, shape: Shape = SOCKETS, pause: float = 1.0,
    kills: bool = True, spares: int = 0, every: float = 10.0, kill_at: float | None = None,
    told: Callable[[Sample, Plant], None] = lambda *_: None,
) -> tuple[Report, list[Sample]]:  # fmt: skip
    """Against a gateway in a process of its own; what it needs of the machine on the way."""
    report = Report(seed)
    net = SocketNet()
    host = ProcessHost(folder)
    samples: list[Sample] = []
    try:
        plant = Plant(net, host, seed, shape, free_ports)
        schedule = Schedule(plant, pause, kills, spares)
        begin = net.now()
        plant.start()
        plant.wait(lambda: all(m.is_started for g in plant.groups for m in g.masters), 10.0)
        schedule.start()
        if kill_at is not None:
            net.later(kill_at, schedule.kill)
        until = net.now() + seconds
        while (left := until - net.now()) > 0:
            net.run(min(every, left))
            samples.append(Sample(net.now() - begin, *host.sample()))
            told(samples[-1], plant)
        report.faults = schedule.done
        lines = finish(plant, schedule)
        judge(plant, report, lines)
        report.seconds = net.now() - begin
        report.counts["held up"] = len(plant.lags)
    finally:
        if host.process is not None and host.process.poll() is None:
            host.process.kill()
            host.process.wait(10)
        net.close()
    return report, samples


def fingerprint(*things: object) -> int:
    """The same for the same things, in every process."""
    return int.from_bytes(sha256(repr(things).encode()).digest()[:8], "big")
