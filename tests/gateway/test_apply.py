"""Another configuration while running: exactly what differs is restarted."""

from dataclasses import replace

import pytest

from tests.gateway.running import NeverStops, heard, scripted
from tests.support.gateway import Row, group, is_refused
from tests.support.ports import free_ports
from tests.support.wire import bitstring_command

STOPDT_ACT = "680413000000"


class Plant:
    """Two groups of two masters each, all started, and what a change did to whom."""

    def __init__(self, wire, run) -> None:
        self.wire = wire
        self.spare, *self.p = free_ports(8)
        p = self.p
        self.rows = group(1, p[0], p[2:4]) + group(2, p[1], p[4:6], ca=33, first_ca=201)
        self.rtus = [wire.rtu(p[0], 32, name="rtu 1"), wire.rtu(p[1], 33, name="rtu 2")]
        self.gateway = run(self.rows)
        self.masters = [
            wire.master(port, ca, name=f"master {ca}")
            for port, ca in zip(p[2:6], (101, 102, 201, 202), strict=True)
        ]
        self.up()
        self.before = [peer.losses for peer in self.peers]

    @property
    def peers(self):
        return [*self.rtus, *self.masters]

    @property
    def lost(self):
        """Whose link ended since the last look: R1, R2 the RTUs, M1 to M4 the masters."""
        names = ("R1", "R2", "M1", "M2", "M3", "M4")
        found = zip(names, self.before, self.peers, strict=True)
        return {name for name, before, peer in found if peer.losses > before}

    def up(self, within=8):
        self.wire.wait(
            lambda: all(peer.is_started for peer in self.peers), within, "all are started"
        )

    def changed(self, **changes):
        """The rows with some of them changed: `M1={"port": 1}`."""
        places = {"R1": 0, "M1": 1, "M2": 2, "R2": 3, "M3": 4, "M4": 5}
        rows = list(self.rows)
        for name, change in changes.items():
            rows[places[name]] = replace(rows[places[name]], **change)
        return rows

    def apply(self, rows, restart=()):
        """Applies, and returns when that is through."""
        self.gateway.apply(rows, restart)
        self.settle()

    def settle(self):
        """Returns when no change is being applied any more."""
        done = []

        def look():
            done.append(not self.gateway.gateway._applying.locked())

        def idle():
            self.gateway.run(look)
            return done[-1]

        self.gateway.run(lambda: None)
        self.wire.wait(idle, 5, "applied")

    def deliver(self):
        """Both RTUs' events reach both their masters."""
        starts = [len(master.events) for master in self.masters]
        for rtu in self.rtus:
            rtu.events(3)
        self.wire.wait(
            lambda: all(len(m.events) >= n + 3 for m, n in zip(self.masters, starts, strict=True)),
            5,
            "events everywhere",
        )


@pytest.fixture
def plant(wire, run, quick):
    return Plant(wire, run)


def test_the_same_configuration_touches_nothing(plant):
    counters = plant.gateway.counters("M/M1-1")
    plant.apply(plant.rows)
    plant.deliver()
    assert plant.lost == set()
    assert plant.gateway.counters("M/M1-1") is counters


def test_another_order_of_groups_touches_nothing_but_the_order_of_the_snapshot(plant):
    plant.apply(plant.rows[3:] + plant.rows[:3])
    plant.deliver()
    assert plant.lost == set()
    assert [status.label for status, _ in plant.gateway.gateway.snapshot()] == [
        "S/RTU2", "M/M2-1", "M/M2-2", "S/RTU1", "M/M1-1", "M/M1-2",
    ]  # fmt: skip


@pytest.mark.parametrize("change", [
    {"options": ("t3=30",)}, {"hosts": "127.0.0.0/8"}, {"name": "renamed"},
])  # fmt: skip
def test_a_changed_master_restarts_alone(plant, wire, change):
    plant.apply(plant.changed(M1=change))
    wire.wait(lambda: plant.masters[0].losses, what="restarted")
    plant.up()
    plant.deliver()
    assert plant.lost == {"M1"}
    assert plant.masters[0].initialized == 2
    assert heard(plant.rtus[0], STOPDT_ACT) == 0
    assert plant.gateway.tells("M/renamed" if "name" in change else "M/M1-1", "listening")


def test_a_masters_new_rtu_number_is_in_effect(plant, wire):
    plant.apply(plant.changed(M1={"ca": 150}))
    wire.wait(lambda: plant.masters[0].losses, what="restarted")
    plant.masters[0].set(ca=150)  # any other would be a violation
    plant.up()
    plant.deliver()
    assert plant.lost == {"M1"}


def test_a_masters_new_port_is_open_and_the_old_one_is_not(plant, wire):
    plant.apply(plant.changed(M1={"port": plant.spare}))
    wire.wait(lambda: plant.masters[0].losses, what="restarted")
    assert is_refused(plant.p[2])
    plant.masters[0].set(port=plant.spare)
    plant.up()
    plant.deliver()
    assert plant.lost == {"M1"}


def test_two_masters_of_a_group_exchange_their_ports(plant, wire):
    one, two = plant.p[2:4]
    plant.apply(plant.changed(M1={"port": two}, M2={"port": one}))
    wire.wait(lambda: plant.masters[0].losses and plant.masters[1].losses, what="restarted")
    plant.masters[0].set(port=two)
    plant.masters[1].set(port=one)
    plant.up(1.5)  # no port had to be retried
    plant.deliver()
    assert plant.lost == {"M1", "M2"}


def test_masters_of_two_groups_exchange_their_ports(plant, wire):
    one, three = plant.p[2], plant.p[4]
    plant.apply(plant.changed(M1={"port": three}, M3={"port": one}))
    wire.wait(lambda: plant.masters[0].losses and plant.masters[2].losses, what="restarted")
    plant.masters[0].set(port=three)
    plant.masters[2].set(port=one)
    plant.up(1.5)  # no port had to be retried
    plant.deliver()
    assert plant.lost == {"M1", "M3"}


@pytest.mark.parametrize("change", [
    {"options": ("gi=forward",)}, {"name": "renamed"}, {"options": ("k=20",)},
])  # fmt: skip
def test_a_changed_rtu_row_restarts_its_group(plant, wire, change):
    plant.apply(plant.changed(R1=change))
    wire.wait(lambda: plant.rtus[0].losses, what="restarted")
    plant.up()
    plant.deliver()
    assert plant.lost == {"R1", "M1", "M2"}
    assert heard(plant.rtus[0], STOPDT_ACT) == 1  # it was told, not just dropped


def test_another_number_or_order_of_masters_restarts_the_group(plant, wire):
    third = Row(1, "M1-3", plant.spare, 103, True, "")
    plant.apply([*plant.rows, third])
    wire.wait(lambda: plant.rtus[0].losses, what="restarted")
    plant.up()
    master = wire.master(plant.spare, 103)
    wire.wait(lambda: master.is_started, 3, "the third")
    assert plant.lost == {"R1", "M1", "M2"}


def test_a_removed_group_ends_and_its_ports_refuse(plant, wire):
    plant.apply(plant.rows[:3])
    wire.wait(lambda: plant.rtus[1].losses and plant.masters[2].losses, what="ended")
    assert is_refused(plant.p[4])
    assert is_refused(plant.p[5])
    assert len(plant.gateway.gateway.snapshot()) == 3
    assert heard(plant.rtus[1], STOPDT_ACT) == 1
    assert plant.lost == {"R2", "M3", "M4"}
    plant.apply(plant.rows)
    plant.up()
    plant.deliver()
    assert plant.lost == {"R2", "M3", "M4"}


def test_an_added_group_runs_beside_the_others(plant, wire):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 34, name="rtu 3")
    plant.apply(plant.rows + group(3, rtu_port, [port], ca=34, first_ca=301))
    master = wire.master(port, 301)
    wire.wait(lambda: master.is_started and rtu.is_started, 3, "the third group")
    plant.deliver()
    assert plant.lost == set()


def test_a_group_may_take_the_port_of_one_that_is_removed(plant, wire):
    rows = group(3, plant.p[0], plant.p[4:6], ca=32, first_ca=201)
    plant.apply(rows)
    wire.wait(lambda: all(m.is_started for m in plant.masters[2:]), 3, "on the ports of group 2")
    wire.wait(lambda: plant.rtus[0].is_started, 3, "through the RTU of group 1")
    assert plant.gateway.becomes("M/M3-1", "ONLINE")
    assert not plant.gateway.says("M/M3-1", "cannot be opened")


@pytest.mark.parametrize(("restart", "lost"), [
    (["M/M1-1"], {"M1"}),
    (["S/RTU1"], {"R1", "M1", "M2"}),
    (["S/RTU1", "M/M1-1"], {"R1", "M1", "M2"}),
    (["M/M1-2", "M/M2-1"], {"M2", "M3"}),
])  # fmt: skip
def test_what_is_to_be_restarted_is_restarted_though_nothing_differs(plant, wire, restart, lost):
    plant.apply(plant.rows, restart)
    wire.wait(lambda: plant.lost >= lost, 3, "restarted")
    plant.up()
    plant.deliver()
    assert plant.lost == lost


def test_a_key_nobody_has_restarts_nothing(plant):
    plant.gateway.gateway.apply(plant.gateway.gateway._config, ["nobody"])
    plant.settle()
    plant.deliver()
    assert plant.lost == set()


def test_of_changes_in_quick_succession_the_last_is_in_effect(plant, wire):
    for k in range(13, 18):
        plant.gateway.apply(plant.changed(R1={"options": (f"k={k}",)}))
    plant.gateway.apply(plant.changed(R1={"options": ("k=19",)}, M3={"options": ("t3=30",)}))
    wire.wait(lambda: plant.gateway.says("S/RTU1", "k 19"), what="the last one")
    wire.wait(lambda: plant.masters[2].losses, what="the other group's master restarted")
    plant.settle()
    plant.up()
    plant.deliver()
    assert plant.lost == {"R1", "M1", "M2", "M3"}
    assert "k 19" in [line for line in plant.gateway.log("S/RTU1") if "settings" in line][-1]


def test_a_restart_of_the_only_started_master_keeps_the_rtus_events(wire, run):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32)
    rows = group(1, rtu_port, [port])
    gateway = run(rows)
    master = wire.master(port, 101)
    wire.wait(lambda: master.is_started and rtu.is_started, what="started")
    rtu.events(50)
    gateway.apply(rows, ["M/M1-1"])
    wire.wait(lambda: master.losses, what="restarted")
    rtu.events(50)
    wire.wait(lambda: 99 in master.events, what="all of it")
    assert set(master.events) == set(range(100))
    assert rtu.losses == 0


def test_a_group_being_restarted_while_the_rtu_does_not_confirm_its_stop(
    wire, run, quick, monkeypatch
):
    """The change waits for it, but not for ever, and comes into effect."""
    monkeypatch.setattr("core.gateway.rtu._STOP_CON", 0.4)
    rtu_port, port = free_ports(2)
    rtu = scripted(wire, NeverStops, rtu_port, 32)
    rows = group(1, rtu_port, [port])
    gateway = run(rows)
    master = wire.master(port, 101)
    wire.wait(lambda: master.is_started and rtu.is_started, what="started")
    gateway.apply(rows, ["S/RTU1"])
    wire.wait(lambda: rtu.losses, 2, "restarted")
    wire.wait(lambda: master.is_started and rtu.is_started, 4, "up again")


def test_a_master_is_restarted_while_the_rtu_is_down(wire, run, quick):
    rtu_port, port = free_ports(2)
    rows = group(1, rtu_port, [port])
    gateway = run(rows)
    wire.wait(lambda: gateway.says("S/RTU1", "no connection"), what="down")
    gateway.apply([rows[0], replace(rows[1], ca=150)])
    wire.rtu(rtu_port, 32)
    master = wire.master(port, 150)
    wire.wait(lambda: master.is_started, 8, "started with its new number")
    assert gateway.becomes("M/M1-1", "ONLINE")


class Seats:
    """A group whose first entry has three seats and whose second has one."""

    def __init__(self, wire, run, options):
        rtu_port, *self.ports = free_ports(3)
        self.wire, self.rtu = wire, wire.rtu(rtu_port, 32)
        rows = group(1, rtu_port, self.ports)
        self.rows = [rows[0], replace(rows[1], options=options), rows[2]]
        self.gateway = run(self.rows)
        self.first = [wire.master(self.ports[0], 101, name=f"first {n}") for n in (1, 2)]
        self.second = wire.master(self.ports[1], 102, name="second")
        self.up()

    def up(self):
        masters = [*self.first, self.second]
        self.wire.wait(
            lambda: self.rtu.is_started and all(m.is_started for m in masters), 8, "all started"
        )

    def changed(self, place, *options):
        rows = list(self.rows)
        rows[place] = replace(rows[place], options=options)
        return rows

    def slots(self):
        """The originator addresses under which the RTU hears of them."""
        before = len(self.rtu.asked)
        for i, master in enumerate((*self.first, self.second)):
            master.ask(bitstring_command(5000 + before + i, before + i))
            self.wire.wait(
                lambda n=before + i: len(self.rtu.asked) > n, 3, "the command at the RTU"
            )
        return [one.oa for one in self.rtu.asked[before:]]


def test_an_entry_of_several_seats_restarts_alone_and_keeps_them(wire, run, quick):
    s = Seats(wire, run, ("conns=3", "mode=each"))
    assert s.slots()[2] == 4
    s.gateway.apply(s.changed(1, "conns=3", "mode=each", "t3=30"))
    wire.wait(lambda: all(m.losses == 1 for m in s.first), 3, "restarted")
    s.up()
    assert sorted(s.slots()) == [1, 2, 4]
    assert s.second.losses == s.rtu.losses == 0


def test_the_entry_behind_one_of_several_seats_restarts_alone_on_its_own_seat(wire, run, quick):
    s = Seats(wire, run, ("conns=3", "mode=each"))
    s.gateway.apply(s.changed(2, "t3=30"))
    wire.wait(lambda: s.second.losses == 1, 3, "restarted")
    s.up()
    assert s.slots()[2] == 4
    assert s.rtu.losses == s.first[0].losses == s.first[1].losses == 0


def test_another_number_of_seats_restarts_the_group(wire, run, quick):
    s = Seats(wire, run, ("conns=3", "mode=each"))
    s.gateway.apply(s.changed(1, "conns=2", "mode=each"))
    wire.wait(lambda: s.rtu.losses == 1, 3, "restarted")
    s.up()
    assert sorted(s.slots()) == [1, 2, 3]


def test_another_number_of_connections_of_a_pair_restarts_the_entry_alone(wire, run, quick):
    rtu_port, *ports = free_ports(3)
    rtu = wire.rtu(rtu_port, 32)
    rows = group(1, rtu_port, ports)
    gateway = run(rows)
    one, other = wire.master(ports[0], 101), wire.master(ports[1], 102)
    wire.wait(lambda: rtu.is_started and one.is_started and other.is_started, what="started")
    gateway.apply([rows[0], replace(rows[1], options=("conns=2",)), rows[2]])
    wire.wait(lambda: one.losses == 1, 3, "restarted")
    wire.wait(lambda: one.is_started, 3, "back")
    reserve = wire.master(ports[0], 101, name="reserve", starts=False)
    wire.wait(lambda: reserve.is_connected, what="two are let in")
    assert other.losses == rtu.losses == 0
