"""What goes wrong, when and for how long: drawn from the seed.

Each kind says to the book what it does and until when, so that the end of every connection can be
held against it.
"""

import random
from collections.abc import Callable

from tests.reliability.controller import Controller
from tests.reliability.lines import Line
from tests.reliability.peer import Peer
from tests.reliability.plant import GroupPlan, Plant
from tests.reliability.station import Station

ON_MASTERS = (
    ("cut", 6), ("reset", 4), ("corpse", 3), ("hiccup", 4), ("stall", 3), ("trickle", 3),
    ("no_ack", 2), ("deaf", 2), ("wrong_ns", 1), ("wrong_nr", 1), ("garbage", 1), ("flood", 2),
    ("knock", 4), ("away", 3), ("stopdt", 8), ("switch", 8), ("all_away", 2),
)  # fmt: skip
ON_STATIONS = (
    ("cut", 4), ("reset", 3), ("restart", 3), ("corpse", 2), ("hiccup", 3), ("stall", 2),
    ("trickle", 2), ("no_ack", 1), ("deaf", 1), ("wrong_ns", 1), ("wrong_nr", 1), ("garbage", 1),
    ("flood", 2), ("self_stop", 3), ("delay", 3), ("reorder", 3), ("ignore", 2), ("avalanche", 4),
)  # fmt: skip
ON_GATEWAY = (("restart_master", 4), ("restart_rtu", 1), ("edit_master", 2), ("edit_rtu", 1),
              ("remove", 1), ("kill", 1), ("watch", 4))  # fmt: skip
"""Kinds with their weights."""
BREAKING = frozenset({
    "cut", "reset", "corpse", "stall", "trickle", "no_ack", "deaf", "wrong_ns", "wrong_nr",
    "garbage", "flood", "away", "restart",
})  # fmt: skip
"""After these the line itself is no measure of the gateway."""


class Schedule:
    """Does something every so often until it is stopped; then everything is made good again."""

    def __init__(
        self, plant: Plant, mean_pause: float, kills: bool = True, spares: int = 0
    ) -> None:
        self.plant = plant
        self.net = plant.net
        self.chance = random.Random(f"faults {plant.seed}")
        self.mean_pause = mean_pause
        self.kills = kills
        self.spares = spares
        """So many groups from the first on are left alone."""
        self.is_on = False
        self.done = 0
        self._undo: dict[int, Callable[[], None]] = {}
        self._count = 0

    def start(self) -> None:
        self.is_on = True
        self._next()

    def stop(self) -> None:
        """No more of it, and what still works is undone."""
        self.is_on = False
        for undo in list(self._undo.values()):
            undo()
        self._undo.clear()

    def _next(self) -> None:
        self.net.later(self.chance.expovariate(1 / self.mean_pause), self._step)

    def _step(self) -> None:
        if not self.is_on:
            return
        self.done += 1
        group = self.chance.choice(self.plant.groups[self.spares :])
        what = self.chance.random()
        if what < 0.6:
            self.on_master(group, self._kind(ON_MASTERS), self.chance.choice(group.masters))
        elif what < 0.95:
            self.on_station(group, self._kind(ON_STATIONS))
        else:
            self.on_gateway(group, self._kind(ON_GATEWAY))
        self._next()

    def _kind(self, table: tuple[tuple[str, int], ...]) -> str:
        kinds, weights = zip(*table, strict=True)
        return str(self.chance.choices(kinds, weights)[0])

    # helpers

    def _for_a_while(self, seconds: float, undo: Callable[[], None]) -> None:
        self._count += 1
        mine = self._count
        self._undo[mine] = undo

        def over() -> None:
            if self._undo.pop(mine, None) is not None:
                undo()

        self.net.later(seconds, over)

    def _said(self, group: GroupPlan, kind: str, label: str, seconds: float = 0.0) -> None:
        now = self.net.now()
        group.book.fault(kind, label, now, now + seconds)

    def _stain(self, peer: Peer, kind: str) -> None:
        if kind in BREAKING:
            for line in peer.lines:
                line.is_strict = False
            if isinstance(peer, Controller):
                peer.mark_faulty()

    def _stain_entry(self, group: GroupPlan, master: Controller) -> None:
        for one in group.masters:
            if one.label == master.label:
                one.mark_faulty()

    def _on_line(self, group: GroupPlan, kind: str, peer: Peer, line: Line) -> None:
        """What both kinds of peer can suffer."""
        chance, now = self.chance, self.net.now()
        match kind:
            case "cut" | "reset":
                self._said(group, kind, peer.label)
                line.end(now, reset=kind == "reset")
            case "hiccup" | "stall":
                seconds = chance.uniform(0.2, 1.2) if kind == "hiccup" else chance.uniform(2.0, 9.0)
                self._said(group, kind, peer.label, seconds)
                line.is_strict = False
                line.conn.read(False)
                self._for_a_while(seconds, lambda: line.is_over or line.conn.read(True))
            case "trickle":
                seconds = chance.uniform(1.0, 8.0)
                self._said(group, kind, peer.label, seconds)
                line.conn.trickles = True
                if isinstance(peer, Controller) and peer.session is not None:
                    peer.session.is_backlogged = True
                self._for_a_while(seconds, lambda: setattr(line.conn, "trickles", False))
            case "no_ack" | "deaf":
                seconds = chance.uniform(1.0, 9.0)
                self._said(group, kind, peer.label, seconds)
                name = "acknowledges" if kind == "no_ack" else "answers_tests"
                setattr(peer, name, False)
                if kind == "deaf":
                    peer.acknowledges = False

                def undo() -> None:
                    peer.acknowledges = peer.answers_tests = True

                self._for_a_while(seconds, undo)
            case "wrong_ns" | "wrong_nr" | "garbage":
                self._said(group, kind, peer.label)
                peer.corrupt(line, kind, now)
            case _:
                raise ValueError(kind)

    def on_master(self, group: GroupPlan, kind: str, master: Controller) -> None:
        chance, label = self.chance, master.label
        line = master.stream
        if line is None or line.is_over:
            return
        if kind in ("wrong_ns", "wrong_nr") and not line.is_started:
            kind = "garbage"
        self._stain(master, kind)
        match kind:
            case "corpse":
                self._said(group, kind, label, 4.0)
                master.abandon()
            case "flood":
                self._said(group, kind, label, 6.0)
                master.flood(chance.choice((50, 400, 3000)))
            case "knock":
                self._said(group, kind, label, 1.5)
                master.knock()
            case "away":
                self._away(group, master, chance.uniform(0.5, 6.0))
            case "all_away":
                seconds = chance.uniform(0.5, 4.0)
                for one in group.masters:
                    if one.stream is not None:
                        self._stain(one, "away")
                        self._away(group, one, seconds + chance.uniform(0.0, 2.0))
            case "stopdt":
                self._said(group, kind, label, 4.0)
                master.mark_faulty()
                master.stop_transfer()
                self._for_a_while(chance.uniform(0.05, 3.0), master.start_transfer)
            case "switch":
                if master.is_pair:
                    self._said(group, kind, label, 1.0)
                    master.mark_faulty()
                    master.switch()
            case _:
                self._on_line(group, kind, master, line)

    def _away(self, group: GroupPlan, master: Controller, seconds: float) -> None:
        self._said(group, "away", master.label, seconds)
        master.wants = False
        for line in list(master.lines):
            line.end(self.net.now(), self.chance.random() < 0.3)
        self._for_a_while(seconds, lambda: setattr(master, "wants", True))

    def on_station(self, group: GroupPlan, kind: str) -> None:
        chance, station = self.chance, group.station
        label, line = station.label, station.line
        if line is None or line.is_over:
            return
        if kind in ("wrong_ns", "wrong_nr") and not line.is_started:
            kind = "garbage"
        self._stain(station, kind)
        match kind:
            case "corpse":
                self._said(group, kind, label, 1.0)
                station.abandon()
            case "restart":
                seconds = chance.uniform(0.2, 6.0)
                self._said(group, kind, label, seconds)
                station.stop(chance.random() < 0.5)
                self._for_a_while(seconds, station.listen)
            case "flood":
                self._said(group, kind, label, 5.0)
                station.flood(chance.choice((100, 2000, 20_000)))
            case "avalanche":
                self._said(group, kind, label, 5.0)
                station.pending += chance.choice((50, 500, 5000))
            case "self_stop":
                self._said(group, kind, label, 1.0)
                station.stop_transfer()
            case "delay" | "reorder" | "ignore":
                self._habit(group, station, kind, chance.uniform(2.0, 10.0))
            case _:
                self._on_line(group, kind, station, line)

    def _habit(self, group: GroupPlan, station: Station, kind: str, seconds: float) -> None:
        self._said(group, kind, station.label, seconds)
        if kind == "delay":
            station.answer_delay = self.chance.choice((0.1, 1.0, 4.0))
        elif kind == "reorder":
            station.reorders = True
        else:
            station.ignores = self.chance.choice((0.3, 1.0))

        def undo() -> None:
            station.answer_delay, station.reorders, station.ignores = 0.0, False, 0.0

        self._for_a_while(seconds, undo)

    def on_gateway(self, group: GroupPlan, kind: str) -> None:
        plant, chance = self.plant, self.chance
        master = chance.choice(group.masters)
        match kind:
            case "kill":
                if self.kills:
                    self.kill()
                return
            case "watch":
                plant.host.watch(group.number, True)
                number = group.number
                self._for_a_while(
                    chance.uniform(0.5, 20.0), lambda: plant.host.watch(number, False)
                )
            case "restart_master":
                self._said(group, kind, master.label, 1.0)
                self._stain_entry(group, master)
                plant.host.apply(plant.rows, [master.label])
            case "edit_master":
                self._said(group, kind, master.label, 1.0)
                self._stain_entry(group, master)
                plant.option(group, master.row, f"t3={chance.choice((4, 5, 6))}")
                plant.host.apply(plant.rows)
            case "restart_rtu" | "edit_rtu":
                self._said(group, kind, group.station.label, 2.0)
                if kind == "edit_rtu":
                    plant.option(group, 0, f"term_timeout={chance.randint(6, 12)}")
                    plant.host.apply(plant.rows)
                else:
                    plant.host.apply(plant.rows, [group.station.label])
                self._forgotten(group)
            case "remove":
                seconds = chance.uniform(0.5, 5.0)
                self._said(group, kind, group.station.label, seconds + 1.0)
                group.is_there = False
                plant.host.apply(plant.rows)
                self._forgotten(group)

                def back() -> None:
                    group.is_there = True
                    plant.host.apply(plant.rows)

                self._for_a_while(seconds, back)

    def _forgotten(self, group: GroupPlan) -> None:
        # Not at once: the old one ends in order, and takes what comes meanwhile.
        group.book.forget()
        self._for_a_while(2.5, group.book.forget)

    def kill(self) -> None:
        """The gateway dies, and is started again."""
        plant = self.plant
        for group in plant.groups:
            for peer in group.peers:
                self._said(group, "kill", peer.label, 1.0)
                self._stain(peer, "cut")
            group.book.forget()
        plant.host.kill()
        for group in plant.groups:
            group.book.forget()
        plant.host.start(plant.rows, plant.settings)
