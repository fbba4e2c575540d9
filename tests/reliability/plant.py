"""Groups with their peers, made from a seed, and the gateway between them."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Protocol

from tests.reliability.book import Book
from tests.reliability.controller import Controller
from tests.reliability.net import Net
from tests.reliability.peer import Peer
from tests.reliability.station import Station
from tests.support.gateway import Row

_LAG = 1.0
"""Seconds this process may be held up before nobody is blamed for what comes of it."""
SETTINGS = {
    "t0": 2, "t1": 3, "t2": 1, "t3": 4, "idletime": 8, "k": 12, "w": 8,
    "command_timeout": 3, "term_timeout": 6, "select_timeout": 4, "interrogation_timeout": 5,
}  # fmt: skip
"""Seconds and frames; the defaults are five times as long and more."""
FRAMES = ("k", "w")
_OAS = (0, 7, 7, 255, 1)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the gateway's log of an entry, in the time of the net."""

    at: float
    label: str
    text: str


class Host(Protocol):
    """Where the gateway runs."""

    def start(self, rows: Sequence[Row], settings: Sequence[str]) -> None: ...

    def apply(self, rows: Sequence[Row], restart: Sequence[str] = ()) -> None:
        """Run other rows; `restart` has labels."""
        ...

    def watch(self, group: int, on: bool) -> None:
        """Look at the traffic of a group, as its window does, or no longer."""
        ...

    def kill(self) -> None:
        """No time for last words."""
        ...

    def stop(self) -> None: ...

    def log(self) -> Sequence[LogLine]:
        """What was said since the last call about entries."""
        ...

    def errors(self) -> Sequence[str]:
        """Errors of the gateway itself, tracebacks above all, since the last call."""
        ...


@dataclass
class GroupPlan:
    """One group: rows of the file, and the peers."""

    number: int
    rows: list[Row]
    book: Book
    station: Station
    masters: list[Controller]
    is_there: bool = True
    """Whether the gateway has it in its file now."""

    @property
    def peers(self) -> list[Peer]:
        return [self.station, *self.masters]


@dataclass(frozen=True)
class Shape:
    """What a plant is like."""

    groups: int = 4
    masters: int = 3
    rate: tuple[float, float] = (2.0, 40.0)
    """Events per second of a group, drawn for each."""
    racers: int = 0
    """So many groups send at `racing` instead, and suffer little."""
    racing: float = 300.0
    asks_every: float = 1.0
    varied: bool = True
    """Groups differ in their options."""
    scale: int = 1
    """Of all times of the file: a busy machine with real sockets wants more."""
    slack: float = 1.5
    """Seconds the gateway may be late before it counts."""
    tick: float = 0.05
    hangs: bool = False
    """One more group has a host whose name never resolves."""


@dataclass
class Plant:
    """Everything, from one seed."""

    net: Net
    host: Host
    seed: int
    shape: Shape
    ports: Callable[[int], list[int]]
    groups: list[GroupPlan] = field(default_factory=list)

    def __post_init__(self) -> None:
        scale = self.shape.scale
        self.times = {n: v if n in FRAMES else v * scale for n, v in SETTINGS.items()}
        ids = count(1)
        for number in range(1, self.shape.groups + 1):
            self.groups.append(self._group(number, lambda: next(ids)))
        self.is_open = True
        self.lags: list[float] = []
        """When this process itself was held up."""
        (self._hanging_port,) = self.ports(1)
        self._last_tick = self.net.now()

    def _group(self, number: int, ids: Callable[[], int]) -> GroupPlan:
        chance = random.Random(f"group {self.seed} {number}")
        n = self.shape.masters
        rtu_port, dead_port, *ports = self.ports(2 + n)
        book = Book(number, self.times["command_timeout"], SETTINGS["k"])
        own: list[str] = []
        gi_data = "all"
        hosts = f"127.0.0.1:{rtu_port}"
        is_racer = number <= self.shape.racers
        if self.shape.varied and not is_racer:
            if chance.random() < 0.25:
                own.append("startdt=always")
            own += chance.choice(([], [], ["oa=zero"]))
            own += chance.choice(([], [], ["buffer=300"]))
            gi_data = chance.choice(("all", "all", "background", "requester"))
            own += [] if gi_data == "all" else [f"gi_data={gi_data}"]
            if chance.random() < 0.2:
                hosts = f"127.0.0.1:{dead_port};{hosts}"
        station_label = f"S/RTU{number}"
        book.station = station_label
        station = Station(
            self.net, book, station_label, random.Random(chance.random()), rtu_port, 1000 + number
        )
        if is_racer:
            station.rate = self.shape.racing
        else:
            station.rate = chance.uniform(*self.shape.rate)
        station.oa_habit = chance.choice(("echo", "echo", "zero", "one"))
        station.terminates = chance.random() < 0.8
        station.checks_slots = "oa=zero" not in own
        station.interrogation_timeout = self.times["interrogation_timeout"]
        rows = [Row(number, f"RTU{number}", "", 1000 + number, False, hosts, tuple(own))]
        masters: list[Controller] = []
        seat = 1
        for i, port in enumerate(ports):
            options: list[str] = []
            several = 1
            is_pair = False
            if self.shape.varied and not is_racer:
                several = 2 if chance.random() < 0.15 else 1
                is_pair = several == 1 and chance.random() < 0.25
                if several > 1:
                    options += ["conns=2", "mode=each"]
                elif is_pair:
                    options += ["conns=2"]
                else:
                    options += chance.choice(([], [], ["same=replace"], ["same=old"]))
                    options += chance.choice(([], [], ["buffer=200"]))
            ca = 2000 + 10 * number + i
            name = f"M{number}-{i + 1}"
            rows.append(Row(number, name, port, ca, True, "", tuple(options)))
            for n in range(several):
                oa = _OAS[len(masters) % len(_OAS)]
                own_chance = random.Random(chance.random())
                master = Controller(self.net, book, f"M/{name}", own_chance, port, ca, oa)
                master.name += f" no. {n + 1}" if several > 1 else ""
                master.row = len(rows) - 1
                master.ids = ids
                master.is_pair = is_pair
                master.gi_data = gi_data
                master.asks_every = self.shape.asks_every
                station.owners[master.name] = range(seat, seat + several)
                masters.append(master)
            seat += several
        station.masters = masters
        for master in masters:
            master.is_stationless = lambda: (
                self.net.now() - station.gone_since > 1.0 + self.shape.slack / 3
            )
            master.others_started = lambda me=master: any(  # type: ignore[misc]
                other.is_started for other in masters if other is not me
            )
        for peer in (station, *masters):
            peer.k, peer.w = self.times["k"], self.times["w"]
            peer.their_t1, peer.their_t2 = self.times["t1"], self.times["t2"]
            peer.slack = self.shape.slack
        return GroupPlan(number, rows, book, station, masters)

    # life

    @property
    def rows(self) -> list[Row]:
        rows = [row for group in self.groups if group.is_there for row in group.rows]
        if self.shape.hangs:
            number = self.shape.groups + 1
            rows.append(Row(number, "Nowhere", "", 1, False, "rtu.hang.test:2404"))
            rows.append(Row(number, "Waiting", self._hanging_port, 1, True, ""))
        return rows

    @property
    def settings(self) -> list[str]:
        return [f"{name},{value}" for name, value in self.times.items()]

    def start(self) -> None:
        for group in self.groups:
            group.station.listen()
        self.host.start(self.rows, self.settings)
        self._last_tick = self.net.now()
        self.net.later(self.shape.tick, self._tick)

    def _tick(self) -> None:
        if not self.is_open:
            return
        now = self.net.now()
        passed, self._last_tick = now - self._last_tick, now
        if passed > _LAG:
            self._lagged(now - passed, now)
        for group in self.groups:
            group.station.tick(now, passed)
            for master in group.masters:
                master.tick(now)
        self.net.later(self.shape.tick, self._tick)

    def _lagged(self, begin: float, now: float) -> None:
        self.lags.append(now)
        for group in self.groups:
            for peer in group.peers:
                group.book.fault("lag", peer.label, begin, now)
                for line in peer.lines:
                    line.is_strict = False
            for master in group.masters:
                master.mark_faulty()

    def option(self, group: GroupPlan, place: int, option: str) -> None:
        """Give a row of the group an option, in place of another value of it."""
        name = option.partition("=")[0]
        row = group.rows[place]
        kept = tuple(one for one in row.options if one.partition("=")[0] != name)
        group.rows[place] = replace(row, options=(*kept, option))

    def wait(self, condition: Callable[[], bool], within: float) -> bool:
        """Let time pass until it is so; whether it became so."""
        until = self.net.now() + within
        while not condition():
            if self.net.now() >= until:
                return False
            self.net.run(0.1)
        return True
