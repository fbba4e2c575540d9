"""`mode=each`: every connection of an entry is a master of its own."""

from dataclasses import replace

import pytest

from tests.gateway.running import STOPDT_ACT, heard
from tests.support.gateway import group
from tests.support.ports import free_ports
from tests.support.wire import assert_clean, bitstring_command


class Many:
    """A group whose first entry lets several masters in on one port."""

    def __init__(self, wire, run, *options, conns=3, others=0, **rtu) -> None:
        self.wire = wire
        rtu_port, self.port, *more = free_ports(2 + others)
        self.rtu = wire.rtu(rtu_port, 32, **rtu)
        self.rows = group(1, rtu_port, [self.port, *more])
        own = (f"conns={conns}", "mode=each", *options)
        self.rows[1] = replace(self.rows[1], options=own)
        self.gateway = run(self.rows)
        self.others = [wire.master(port, 102 + i) for i, port in enumerate(more)]

    def masters(self, n, **options):
        """So many more, one after the other, all started."""
        return [self.master(f"master {i + 1}", **options) for i in range(n)]

    def master(self, name, **options):
        options = {"reconnects": False, "oa": 7, **options}
        master = self.wire.master(self.port, 101, name=name, **options)
        self.wire.wait(lambda: master.initialized or master.losses, what=f"{name} is in or not")
        return master

    def left(self, n):
        self.wire.wait(
            lambda: len(self.gateway.status("M/M1-1").peer.split(", ")) == n, what=f"{n} left"
        )

    def slot_of(self, master, ioa):
        """The originator address under which the RTU hears of a master."""
        master.ask(bitstring_command(ioa, ioa))
        self.wire.wait(lambda: any(one.ioa == ioa for one in self.rtu.asked), what="asked")
        return next(one.oa for one in self.rtu.asked if one.ioa == ioa)


@pytest.fixture
def many(wire, run):
    return lambda *options, **more: Many(wire, run, *options, **more)


def test_each_gets_its_own_end_of_initialization_and_everything(many, wire):
    m = many(others=1)
    masters = [*m.masters(3), *m.others]
    wire.wait(lambda: m.rtu.is_started and all(x.initialized for x in masters), what="all started")
    m.rtu.events(100)
    wire.wait(lambda: all(len(x.events) == 100 for x in masters), what="everything")
    assert_clean(m.rtu, *masters)
    assert m.gateway.becomes("M/M1-1", "ONLINE")
    wire.wait(lambda: len(m.gateway.status("M/M1-1").peer.split(", ")) == 3, 1, "its peers")


def test_answers_find_the_right_one_though_the_rtu_echoes_no_originator(many, wire):
    m = many(oa=0)
    masters = m.masters(3)
    m.rtu.hold()
    for i, master in enumerate(masters):
        master.ask(*[bitstring_command(5000 + 10 * i + n, 100 * i + n) for n in range(5)])
    wire.wait(lambda: m.rtu.held == 15, what="all asked")
    m.rtu.release(shuffle=5)
    wire.wait(lambda: all(len(x.answers) == 10 for x in masters), what="all answered")
    assert_clean(m.rtu, *masters)


def test_seats_are_numbered_through_the_group_and_used_again_in_the_order_they_were_left(
    many, wire
):
    m = many(others=1)
    one, two, three = m.masters(3)
    assert [m.slot_of(x, 5000 + i) for i, x in enumerate((one, two, three))] == [1, 2, 3]
    wire.wait(lambda: m.others[0].is_started, what="the other")
    assert m.slot_of(m.others[0], 5100) == 4
    two.close()
    m.left(2)
    one.close()
    m.left(1)
    assert m.slot_of(m.master("four"), 5200) == 2
    assert m.slot_of(m.master("five"), 5201) == 1


def test_a_seat_rests_as_long_as_it_can(many):
    m = many()
    used = []
    for i in range(5):
        master = m.master(f"master {i}")
        used.append(m.slot_of(master, 5000 + i))
        master.close()
        assert m.gateway.becomes("M/M1-1", "LISTENING")
    assert used == [1, 2, 3, 1, 2]


def test_one_that_stops_or_leaves_does_not_concern_the_others(many, wire):
    m = many()
    one, two, three = m.masters(3)
    one.stop_transfer()
    two.close()
    wire.wait(lambda: one.times("stopped"), what="stopped")
    m.left(2)
    m.rtu.events(10)
    wire.wait(lambda: len(three.events) == 10, what="events")
    assert not one.events
    assert heard(m.rtu, STOPDT_ACT) == 0
    one.start_transfer()
    wire.wait(lambda: one.initialized == 2, what="M_EI again: no stream was kept")
    three.close()
    one.close()
    wire.wait(lambda: heard(m.rtu, STOPDT_ACT) == 1, what="the last one")


def test_one_that_falls_behind_is_closed_alone(many, wire):
    m = many("buffer=50")
    slow, sound = m.masters(2)
    slow.set(w=None)
    m.rtu.events(300)
    wire.wait(lambda: slow.losses == 1, what="closed")
    wire.wait(lambda: len(sound.events) == 300, what="the other's events")
    assert not sound.losses


def test_when_full_of_living_ones_a_new_one_is_refused(many):
    m = many(conns=2)
    masters = m.masters(2)
    late = m.master("late")
    assert late.losses == 1
    assert [x.tests_heard for x in masters] == [1, 1]
    assert not any(x.losses for x in masters)
    assert m.gateway.tells("M/M1-1", "all 2 connections are alive; conns=3 would let all in")


def test_when_full_a_corpse_makes_room(many, wire, monkeypatch):
    monkeypatch.setattr("core.gateway.master._CORPSE_LIMIT", 0.4)
    m = many(conns=2)
    one, two = m.masters(2)
    two.set(answers_tests=False)
    new = m.master("new")
    assert new.initialized == 1
    assert (one.losses, two.losses) == (0, 1)
    assert m.slot_of(new, 5000) == 2
    m.rtu.events(3)
    wire.wait(lambda: len(one.events) == len(new.events) == 3, what="events")


def test_when_full_replace_ends_the_oldest_of_the_same_address(many):
    m = many("same=replace", conns=3)
    other = m.master("other", source="127.0.0.2")
    one, two = m.masters(2)
    new = m.master("new")
    assert new.initialized == 1
    assert (other.losses, one.losses, two.losses) == (0, 1, 0)


def test_when_full_replace_prefers_one_that_is_not_started(many, wire):
    m = many("same=replace", conns=2)
    one, two = m.masters(2)
    two.stop_transfer()
    wire.wait(lambda: two.times("stopped"), what="stopped")
    assert m.master("new").initialized == 1
    assert (one.losses, two.losses) == (0, 1)


def test_when_full_replace_refuses_another_address(many):
    m = many("same=replace", conns=2)
    masters = m.masters(2)
    new = m.master("new", source="127.0.0.2")
    assert new.losses == 1
    assert not any(x.losses for x in masters)


def test_when_full_old_refuses_at_once(many):
    m = many("same=old", conns=2)
    masters = m.masters(2, answers_tests=False)
    assert m.master("new").losses == 1
    assert not any(x.tests_heard for x in masters)


@pytest.mark.parametrize(("same_ip", "old_ends", "new_is_in"), [
    ("all", False, True), ("old", False, False), ("new", True, True),
])  # fmt: skip
def test_a_second_connection_of_one_address(many, same_ip, old_ends, new_is_in):
    m = many(f"same_ip={same_ip}")
    other = m.master("other", source="127.0.0.2")
    old = m.master("old")
    new = m.master("new")
    assert bool(old.losses) is old_ends
    assert bool(new.initialized) is new_is_in
    assert not other.losses


def test_of_many_peers_three_are_named(many, wire):
    m = many(conns=5)
    masters = m.masters(5)
    own = [":".join(map(str, x.link.sock.getsockname())) for x in masters]
    masters[0].stop_transfer()
    wire.wait(
        lambda: m.gateway.status("M/M1-1").peer == ", ".join(own[1:4]) + " and 2 more",
        2,
        "the started ones first",
    )


def test_the_time_of_connection_is_that_of_the_first(many, wire):
    m = many()
    one = m.master("one")
    since = m.gateway.status("M/M1-1").connected_at
    m.master("two")
    one.close()
    m.left(1)
    assert since is not None
    assert m.gateway.status("M/M1-1").connected_at == since


def test_five_connections_come_and_go(many, wire):
    m = many(conns=5)
    for _ in range(3):
        masters = m.masters(5)
        start = m.rtu.next_number
        m.rtu.events(20)
        wire.wait(lambda ms=masters, n=start: all(n + 19 in x.events for x in ms), what="events")
        for master in masters[::2] + masters[1::2]:
            master.close()
        assert m.gateway.becomes("M/M1-1", "LISTENING")
    wire.wait(lambda: heard(m.rtu, STOPDT_ACT) == 3, 3, "stopped when nobody was left")
    assert m.gateway.counts("M/M1-1", "connections", 15)
    assert m.gateway.counts("M/M1-1", "peers_refused", 0)
