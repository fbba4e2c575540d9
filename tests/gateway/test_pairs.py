"""Standby pairs: several connections of one master, one started, and the stream moves with it."""

from dataclasses import replace

import pytest

from core.routing.group import Group
from tests.gateway.running import STARTDT_ACT, STOPDT_ACT, heard
from tests.support.gateway import group
from tests.support.ports import free_ports
from tests.support.wire import PATIENCE, bitstring_command, single_command


class Pair:
    """A group with one pair, `a` started and `b` in reserve, and perhaps other masters."""

    def __init__(self, wire, run, *options, others=0, a=None, b=None) -> None:
        self.wire = wire
        rtu_port, self.port, *more = free_ports(2 + others)
        self.rtu = wire.rtu(rtu_port, 32)
        rows = group(1, rtu_port, [self.port, *more])
        rows[1] = replace(rows[1], options=("conns=2", *options))
        self.rows = rows
        self.gateway = run(rows)
        self.a = self.master("a", **(a or {}))
        self.others = [wire.master(port, 102 + i) for i, port in enumerate(more)]
        wire.wait(lambda: self.rtu.is_started and self.a.initialized, what="the first is started")
        wire.wait(lambda: all(m.is_started for m in self.others), what="the others are started")
        self.b = self.master("b", starts=False, **(b or {}))
        wire.wait(lambda: self.b.is_connected, what="the second is connected")
        self.connected(2)

    def master(self, name, **options):
        options = {"reconnects": False, "expects_initialized": False, **options}
        return self.wire.master(self.port, 101, name=name, **options)

    def connected(self, n):
        self.wire.wait(lambda: len(self.peers) == n, what=f"{n} connections")

    @property
    def peers(self):
        return [peer for peer in self.gateway.status("M/M1-1").peer.split(", ") if peer]

    def has(self, master, *numbers, within=5.0):
        wanted = set(numbers)
        self.wire.wait(lambda: wanted <= set(master.events), within, f"{master.name}: {wanted}")

    def start(self, master):
        before = len(master.times("started"))
        master.start_transfer()
        self.wire.wait(lambda: len(master.times("started")) > before, 2, f"{master.name} started")


@pytest.fixture
def pair(wire, run):
    return lambda *options, **more: Pair(wire, run, *options, **more)


def in_order(master):
    return list(master.events) == sorted(master.events)


def test_a_second_connection_is_let_in_and_stays_stopped(pair, wire):
    p = pair()
    p.rtu.events(3)
    p.has(p.a, 0, 1, 2)
    assert p.b.is_connected
    assert not p.b.events
    assert not p.a.tests_heard
    assert p.gateway.becomes("M/M1-1", "ONLINE")
    own = [":".join(map(str, m.link.sock.getsockname())) for m in (p.a, p.b)]
    assert p.peers == own  # the started one first
    p.start(p.b)
    wire.wait(lambda: p.peers == own[::-1], 1, "the other one first")


def test_a_start_of_the_other_moves_the_stream_and_what_is_unacknowledged_goes_first(pair, wire):
    p = pair(a={"w": None})
    p.rtu.events(30)
    p.has(p.a, *range(11))  # and M_EI: k is 12
    p.start(p.b)
    p.has(p.b, *range(30))
    assert in_order(p.b)
    assert list(p.a.events) == list(range(11))
    assert p.b.initialized == 1  # M_EI was unacknowledged too
    assert p.a.is_connected
    assert not p.a.losses
    assert p.gateway.tells("M/M1-1", "takes the data over, 12 ASDUs not acknowledged go first")
    assert p.gateway.tells("M/M1-1", "has taken the data over")
    assert p.gateway.becomes("M/M1-1", "ONLINE")
    assert heard(p.rtu, STOPDT_ACT) == 0
    assert heard(p.rtu, STARTDT_ACT) == 1


def test_nothing_acknowledged_is_sent_twice_and_there_is_no_second_end_of_initialization(
    pair, wire
):
    p = pair(a={"w": 1})
    p.rtu.events(20)
    p.has(p.a, *range(20))
    wire.wait(lambda: p.rtu.unsure == [] and len(p.rtu.sent) == 20, what="all sent")
    p.a.test_link()  # behind all acknowledgements
    wire.wait(lambda: not p.a.link.asked, what="all acknowledged")
    p.start(p.b)
    p.rtu.events(5)
    p.has(p.b, *range(20, 25))
    assert list(p.b.events) == list(range(20, 25))
    assert p.b.initialized == 0


def test_the_stream_is_switched_back_and_forth_and_nothing_is_lost(pair, wire):
    p = pair(a={"w": 8}, b={"w": 8})
    sent = 0
    for n in range(6):
        master, other = (p.b, p.a) if n % 2 == 0 else (p.a, p.b)
        p.rtu.events(25)
        p.start(master)
        p.rtu.events(25)
        sent += 50
        p.has(master, sent - 1)
        assert other.is_connected
    assert set(p.a.events) | set(p.b.events) == set(range(sent))
    assert not p.a.losses
    assert not p.b.losses
    assert p.a.initialized + p.b.initialized <= 2


def test_late_acknowledgements_of_the_old_connection_are_tolerated(pair, wire):
    p = pair(a={"w": None})
    p.rtu.events(5)
    p.has(p.a, *range(5))
    p.start(p.b)
    p.has(p.b, *range(5))
    p.b.acknowledge()  # M_EI among them, which would otherwise come back
    p.a.acknowledge(3)
    p.a.acknowledge()
    p.a.acknowledge()
    p.a.test_link()
    wire.wait(lambda: not p.a.link.asked, what="the link lives")
    p.start(p.a)
    p.rtu.events(3)
    p.has(p.a, 5, 6, 7)
    assert not p.a.losses


def test_commands_of_the_old_connection_are_answered_to_the_new_one(pair, wire):
    p = pair(a={"checks_acks": False})
    p.rtu.hold()
    p.a.send(bitstring_command(5000, 1))
    wire.wait(lambda: p.rtu.asked, what="asked")
    p.start(p.b)
    p.rtu.release()
    wire.wait(lambda: [one.cause for one in p.b.answers] == [7, 10], what="answered")
    assert not p.a.answers


def test_a_command_right_behind_the_start_counts_as_the_new_connections(pair, wire):
    p = pair()
    frame = bytes.fromhex("680e00000000") + replace(single_command(5000), ca=101).octets
    p.b.set(checks_acks=False, is_strict=False)
    p.b.raw(bytes.fromhex("680407000000") + frame)
    wire.wait(lambda: [one.cause for one in p.b.answers] == [7, 10], what="answered")
    assert not p.a.answers
    assert not p.b.losses


@pytest.mark.parametrize("reset", [False, True])
def test_when_the_started_one_is_lost_the_stream_waits_for_the_other(pair, wire, reset):
    p = pair(others=1, a={"w": None})
    other = p.others[0]
    p.rtu.events(5)
    p.has(p.a, *range(5))
    p.a.close(reset=reset)
    p.connected(1)
    assert p.gateway.becomes("M/M1-1", "CONNECTED")
    p.rtu.events(50)
    p.has(other, *range(55))
    assert not p.b.events
    p.start(p.b)
    p.has(p.b, *range(55))
    assert list(p.b.events) == list(range(55))
    assert p.b.initialized == 1  # the one that was not acknowledged
    assert p.gateway.tells("M/M1-1", "its data waits for another connection")
    assert p.gateway.counts("M/M1-1", "dropped", 0)


def test_the_rtu_is_not_stopped_while_the_stream_waits(pair, wire):
    p = pair()
    p.a.close()
    p.connected(1)
    p.rtu.events(5)
    p.start(p.b)
    p.has(p.b, *range(5))
    assert heard(p.rtu, STOPDT_ACT) == 0


def test_a_new_connection_may_take_the_waiting_stream_too(pair, wire):
    p = pair(a={"w": 1})
    p.a.close()
    p.connected(1)
    p.rtu.events(5)
    c = p.master("c")
    p.has(c, *range(5))
    assert p.b.is_connected


def test_an_orderly_switch_over_by_stopdt_loses_nothing(pair, wire):
    p = pair(others=1, a={"w": 1})
    p.rtu.events(5)
    p.has(p.a, *range(5))
    p.a.stop_transfer()
    wire.wait(lambda: p.a.times("stopped"), what="STOPDT con")
    p.rtu.events(20)
    p.has(p.others[0], *range(25))
    p.start(p.b)
    p.has(p.b, *range(5, 25))
    assert list(p.b.events) == list(range(5, 25))
    assert p.b.initialized == 0
    assert p.a.is_connected
    assert heard(p.rtu, STOPDT_ACT) == 0


def test_a_start_of_the_other_confirms_a_stop_that_waits_for_acknowledgements(pair, wire):
    p = pair(a={"w": None, "is_strict": False})
    p.rtu.events(5)
    p.has(p.a, *range(5))
    p.a.stop_transfer(acknowledge=False)
    assert p.gateway.tells("M/M1-1", "stopdt act received")
    assert not p.a.times("stopped")
    p.start(p.b)
    p.has(p.b, *range(5))
    wire.wait(lambda: p.a.times("stopped"), 1, "STOPDT con")
    assert not p.a.losses


def test_one_that_stopped_and_is_then_lost_leaves_its_stream_to_the_other(pair, wire):
    p = pair(a={"w": None, "is_strict": False})
    p.rtu.events(5)
    p.has(p.a, *range(5))
    p.a.stop_transfer(acknowledge=False)
    assert p.gateway.tells("M/M1-1", "stopdt act received")
    p.a.close()
    p.connected(1)
    p.rtu.events(5)
    p.start(p.b)
    p.has(p.b, *range(10))
    assert list(p.b.events) == list(range(10))


def test_who_stops_and_starts_again_itself_begins_anew(pair, wire):
    p = pair(a={"w": 1})
    p.a.stop_transfer()
    wire.wait(lambda: p.a.times("stopped"), what="STOPDT con")
    p.rtu.events(5)
    wire.wait(lambda: p.gateway.counters("S/RTU1").asdus_in == 5, what="they wait")
    p.start(p.a)
    p.has(p.a, *range(5))
    assert p.a.initialized == 2
    assert in_order(p.a)


@pytest.mark.parametrize("orderly", [False, True])
def test_a_handover_that_nobody_takes_ends_as_usual(pair, wire, monkeypatch, orderly):
    monkeypatch.setattr("core.gateway.hub._HANDOVER", 0.4)
    p = pair(a={"w": 1})
    if orderly:
        p.a.stop_transfer()
    else:
        p.a.close()
    p.rtu.events(5)
    wire.wait(lambda: heard(p.rtu, STOPDT_ACT) == 1, 3, "the RTU is stopped")
    assert p.gateway.tells("M/M1-1", "no other connection has started")
    p.start(p.b)
    p.has(p.b, *range(5))
    assert p.b.initialized == 1
    assert list(p.b.events) == list(range(5))


@pytest.mark.parametrize("orderly", [False, True])
def test_a_handover_ends_when_the_buffer_is_full(pair, wire, orderly):
    p = pair("buffer=20", others=1, a={"w": 1})
    if orderly:
        p.a.stop_transfer()
        wire.wait(lambda: p.a.times("stopped"), what="STOPDT con")
    else:
        p.a.close()
        p.connected(1)
    p.rtu.events(60)
    p.has(p.others[0], *range(60))
    assert p.gateway.tells("M/M1-1", "more than 20 ASDUs behind while no other connection started")
    wire.wait(lambda: 20 < p.gateway.counters("M/M1-1").dropped <= 32, 2, "counted")
    p.start(p.b)
    p.rtu.events(3)
    p.has(p.b, 60, 61, 62)
    assert list(p.b.events) == [60, 61, 62]
    assert p.b.initialized == 1


def test_when_nobody_is_left_during_a_handover_it_is_over(pair, wire):
    p = pair()
    p.a.close()
    p.connected(1)
    p.b.close()
    assert p.gateway.becomes("M/M1-1", "LISTENING")
    wire.wait(lambda: heard(p.rtu, STOPDT_ACT) == 1, 2, "the RTU is stopped")
    c = p.master("c")
    wire.wait(lambda: c.initialized == 1, what="M_EI")


def test_losing_the_one_in_reserve_changes_nothing(pair, wire):
    p = pair()
    p.b.close()
    p.connected(1)
    p.rtu.events(3)
    p.has(p.a, 0, 1, 2)
    assert p.a.initialized == 1
    assert not p.a.losses
    assert p.gateway.becomes("M/M1-1", "ONLINE")


def test_one_that_is_too_far_behind_is_closed_and_the_other_starts_afresh(pair, wire):
    p = pair("buffer=20", others=1, a={"w": None})
    p.rtu.events(100)
    wire.wait(lambda: p.a.losses == 1, what="closed")
    p.has(p.others[0], *range(100))
    assert p.b.is_connected
    p.start(p.b)
    p.rtu.events(3)
    p.has(p.b, 100, 101, 102)
    assert list(p.b.events) == [100, 101, 102]
    assert p.b.initialized == 1


def test_a_corpse_among_two_makes_room_and_the_stream_moves(pair, wire, monkeypatch):
    monkeypatch.setattr("core.gateway.master._CORPSE_LIMIT", 0.4 * PATIENCE)
    p = pair(a={"w": None})
    p.rtu.events(5)
    p.has(p.a, *range(5))
    p.a.set(answers_tests=False)
    c = p.master("c")
    p.has(c, *range(5))
    assert p.a.losses == 1
    assert p.a.tests_heard == p.b.tests_heard == 1
    assert c.initialized == 1  # unacknowledged, sent again
    assert p.b.is_connected
    assert heard(p.rtu, STOPDT_ACT) == 0


def test_a_corpse_in_reserve_makes_room_without_touching_the_stream(pair, wire, monkeypatch):
    monkeypatch.setattr("core.gateway.master._CORPSE_LIMIT", 0.4 * PATIENCE)
    p = pair(b={"answers_tests": False})
    c = p.master("c", starts=False)
    wire.wait(lambda: p.b.losses == 1, 2, "the corpse is closed")
    p.connected(2)
    p.rtu.events(3)
    p.has(p.a, 0, 1, 2)
    assert c.is_connected
    assert not p.a.losses


def test_a_third_connection_is_refused_when_both_live_and_the_log_knows_a_way(pair, wire):
    p = pair()
    c = p.master("c")
    wire.wait(lambda: c.losses == 1, 2, "refused")
    assert not c.times("started")
    assert p.gateway.tells("M/M1-1", "all 2 connections are alive; conns=3 would let all in")
    assert p.gateway.counts("M/M1-1", "peers_refused", 1)
    assert not p.a.losses
    assert not p.b.losses


def test_replace_takes_the_place_of_the_one_in_reserve_first(pair, wire):
    p = pair("same=replace")
    c = p.master("c", starts=False)
    wire.wait(lambda: p.b.losses == 1, 2, "replaced")
    assert c.is_connected
    assert not p.a.losses
    p.start(c)
    p.rtu.events(2)
    p.has(c, 0, 1)


def test_a_new_connection_of_the_same_address_ends_the_old_one_if_so_wished(pair, wire):
    p = pair("same_ip=new", b={"source": "127.0.0.2"}, a={"w": None})
    p.rtu.events(4)
    p.has(p.a, *range(4))
    c = p.master("c")
    wire.wait(lambda: p.a.losses == 1, 2, "ended")
    p.has(c, *range(4))  # moved: the other one had kept the stream waiting
    assert p.b.is_connected


def test_a_second_of_the_same_address_is_refused_if_so_wished(wire, run):
    p = Pair(wire, run, "same_ip=old", b={"source": "127.0.0.2"})
    c = p.master("c", starts=False)
    wire.wait(lambda: c.losses == 1, 2, "refused")
    assert p.gateway.tells("M/M1-1", "connected already from")
    assert not p.a.tests_heard


def test_the_group_hears_of_every_move(pair, wire, monkeypatch):
    moves = []
    original = Group.master_moved

    def moved(group_, seat, now, *, left=False):
        moves.append((seat, left))
        return original(group_, seat, now, left=left)

    monkeypatch.setattr(Group, "master_moved", moved)
    p = pair(a={"w": 1})
    p.rtu.events(1)
    p.has(p.a, 0)
    p.a.test_link()  # behind all acknowledgements
    wire.wait(lambda: not p.a.link.asked, what="all acknowledged")
    p.start(p.b)
    assert moves == [(1, False)]
    p.b.close()
    p.connected(1)
    assert moves == [(1, False), (1, True)]
    p.start(p.a)
    wire.wait(lambda: moves == [(1, False), (1, True), (1, False)], 1, "moved")


def test_a_refused_command_names_the_peer_in_the_log(pair, wire):
    p = pair(b={"foreign": frozenset({999})})
    p.start(p.b)
    p.b.send(replace(bitstring_command(5000, 1), ca=999))
    wire.wait(lambda: p.b.answers, what="the refusal")
    peer = ":".join(map(str, p.b.link.sock.getsockname()))
    assert p.gateway.tells("M/M1-1", f"{peer}: C_BO_NA_1 CA 999 IOA 5000 cause 6 refused")


def test_a_lost_rtu_takes_both_along(pair, wire):
    p = pair()
    p.rtu.kill()
    wire.wait(lambda: p.a.losses == p.b.losses == 1, 1, "both closed")
    assert p.gateway.becomes("M/M1-1", "HELD")


def test_what_waits_for_the_other_is_kept_when_the_rtu_is_lost(pair, wire):
    p = pair(a={"w": None})
    p.rtu.events(5)
    p.has(p.a, *range(5))
    p.a.close()
    p.connected(1)
    p.rtu.kill()
    wire.wait(lambda: p.b.losses == 1, 1, "closed")
    p.rtu.restart()
    c = p.master("c", expects_initialized=True)
    p.has(c, *range(5))
    assert list(c.events) == list(range(5))
    assert c.initialized == 1


def test_the_end_of_the_gateway_during_a_handover_is_orderly(pair, wire):
    p = pair()
    p.a.close()
    p.connected(1)
    assert p.gateway.stop() < 2
    wire.wait(lambda: p.b.losses == 1, 1, "closed")
    assert heard(p.rtu, STOPDT_ACT) == 1


def test_a_restarted_entry_ends_both(pair, wire):
    p = pair()
    p.gateway.apply(p.rows, ["M/M1-1"])
    wire.wait(lambda: p.a.losses == p.b.losses == 1, 2, "both closed")
    c = p.master("c")
    wire.wait(lambda: c.initialized == 1, 3, "in again")
