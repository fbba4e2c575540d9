"""Bounded, and never silent: masters that fall behind, the brake, commands that cannot go out."""

from dataclasses import replace

import pytest

from tests.gateway.running import Running
from tests.support.gateway import group
from tests.support.ports import free_ports
from tests.support.wire import asdu, assert_clean, bitstring_command, test_command


def up(wire, rtu, *masters):
    wire.wait(lambda: rtu.is_started and all(m.is_started for m in masters), 8, "all started")


def only_first(rows, *options):
    """The same group, its first master with options of its own."""
    return [rows[0], replace(rows[1], options=options), *rows[2:]]


def test_a_master_too_far_behind_is_closed_and_its_loss_counted(wire, run):
    rtu_port, *ports = free_ports(4)
    rtu = wire.rtu(rtu_port, 32)
    gateway = run(only_first(group(1, rtu_port, ports), "buffer=50"))
    slow = wire.master(ports[0], 101, w=None, reconnects=False)
    others = [wire.master(port, 102 + i) for i, port in enumerate(ports[1:])]
    up(wire, rtu, slow, *others)
    rtu.events(500)
    wire.wait(lambda: slow.losses == 1, what="closed")
    wire.wait(lambda: all(len(m.events) == 500 for m in others), what="the others' events")
    assert_clean(rtu, *others)
    assert not any(m.losses for m in others)
    assert rtu.losses == 0
    assert list(slow.events) == list(range(11))  # k is 12, and M_EI was one of them
    counted = gateway.counters("M/M1-1").dropped
    assert 50 < counted <= 50 + 12
    assert gateway.tells("M/M1-1", f"more than 50 ASDUs behind, {counted} lost to this master")
    assert gateway.counts("M/M1-2", "dropped", 0)


def test_a_master_that_was_closed_may_come_back(wire, run):
    rtu_port, *ports = free_ports(3)
    rtu = wire.rtu(rtu_port, 32)
    run(only_first(group(1, rtu_port, ports), "buffer=50"))
    slow, other = wire.master(ports[0], 101, w=None), wire.master(ports[1], 102)
    up(wire, rtu, slow, other)
    rtu.events(200)
    wire.wait(lambda: slow.losses == 1, what="closed")
    slow.set(w=8)
    wire.wait(lambda: len(slow.times("started")) == 2, what="back")
    wire.wait(lambda: len(other.events) == 200, what="the burst over")
    rtu.events(5)
    wire.wait(lambda: 204 in slow.events, what="events again")
    assert slow.initialized == 2


def test_a_master_may_stay_behind_within_its_buffer(wire, run):
    rtu_port, *ports = free_ports(3)
    rtu = wire.rtu(rtu_port, 32)
    run(only_first(group(1, rtu_port, ports), "buffer=600"))
    slow, other = wire.master(ports[0], 101, w=None), wire.master(ports[1], 102)
    up(wire, rtu, slow, other)
    rtu.events(500)
    wire.wait(lambda: len(other.events) == 500, what="the other's events")
    assert len(slow.events) == 11
    slow.set(w=8)
    slow.acknowledge()
    wire.wait(lambda: len(slow.events) == 500, what="all of them late")
    assert_clean(rtu, slow, other)


def test_more_kept_events_than_a_master_may_be_behind_do_not_throw_it_out(wire, run):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32)
    rows = only_first(group(1, rtu_port, [port], options=["startdt=always"]), "buffer=50")
    gateway = run(rows)
    wire.wait(lambda: rtu.is_started, 8, "the RTU started")
    rtu.events(300)
    assert gateway.counts("S/RTU1", "asdus_in", 300)
    master = wire.master(port, 101)
    wire.wait(lambda: len(master.events) == 300, what="what was kept")
    rtu.events(20)
    wire.wait(lambda: len(master.events) == 320, what="what came after")
    assert_clean(rtu, master)
    assert not master.losses
    assert gateway.counters("M/M1-1").dropped == 0


def test_what_the_last_master_was_too_slow_for_is_all_kept(wire, run):
    """Also the very frames that were too much: nobody else has them."""
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32)
    run(only_first(group(1, rtu_port, [port]), "buffer=50"))
    master = wire.master(port, 101, w=None)
    up(wire, rtu, master)
    rtu.events(200)
    wire.wait(lambda: master.losses == 1, what="closed")
    master.set(w=8)
    wire.wait(lambda: len(set(master.events)) == 200, what="all of it, sooner or later")


def test_what_follows_in_the_read_that_was_too_much_is_kept_too(wire, run):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32, k=None, checks_acks=False)
    run(only_first(group(1, rtu_port, [port]), "buffer=50"))
    master = wire.master(port, 101, w=None)
    up(wire, rtu, master)

    def burst():
        rtu.events(60)
        rtu.send(asdu(51, 1, bytes(4), 7))  # nobody asked: the group cuts the read here
        rtu.events(60)

    wire.call(burst)
    wire.wait(lambda: master.losses == 1, what="closed")
    master.set(w=8)
    wire.wait(lambda: len(set(master.events)) == 120, what="all of it")
    assert list(master.events) == list(range(120))


class Braked:
    """A group whose RTU sends a burst at a master more than half behind, and how it fared.

    The brake's 50 ms are made longer, so that a busy machine cannot hide them.
    """

    longest = 0.6

    def __init__(self, wire, run, monkeypatch, acknowledges: bool) -> None:
        monkeypatch.setattr("core.routing.brake.LONGEST", self.longest)
        monkeypatch.setattr("core.gateway.hub.LONGEST", self.longest)
        monkeypatch.setattr("core.routing.brake.FRESH", 5.0)
        rtu_port, *ports = free_ports(3)
        # The RTU's own window is wide, so that only acknowledgements show what the gateway does.
        self.rtu = wire.rtu(rtu_port, 32, k=None, checks_acks=False)
        self.gateway: Running = run(only_first(group(1, rtu_port, ports), "buffer=100"))
        self.wire = wire
        self.slow = wire.master(ports[0], 101, w=None)
        self.other = wire.master(ports[1], 102)
        up(wire, self.rtu, self.slow, self.other)
        if acknowledges:
            self.slow.acknowledge()
        self.burst(8)  # counts as a full batch: acknowledged at once unless the brake is on
        self.acknowledged(8)

    def burst(self, count: int) -> None:
        self.rtu.events(count)

    def acknowledged(self, total: int) -> None:
        self.wire.wait(
            lambda: (
                sum(len(link.in_flight) for link in self.rtu.links) == 0
                and len(self.rtu.sent) == total
            ),
            3,
            "acknowledged",
        )

    def delay_of(self, count: int) -> float:
        """How long the last of a burst waits for its acknowledgement."""
        total = len(self.rtu.sent) + count
        self.burst(count)
        self.wire.wait(lambda: len(self.rtu.sent) == total, what="sent")
        begin = self.rtu.sent_at[-1]
        self.acknowledged(total)
        acks = [at for at, way, f in list(self.rtu.frames) if way == "in" and f[2] == 1]
        return acks[-1] - begin


def test_the_brake_withholds_the_rtus_acknowledgement_for_a_healthy_master(wire, run, monkeypatch):
    group_ = Braked(wire, run, monkeypatch, acknowledges=True)
    assert group_.delay_of(72) >= group_.longest - 0.05
    assert len(group_.other.events) == 80  # others have their data meanwhile, and so has he
    # Not again before a second has passed: the next burst is acknowledged at once.
    assert group_.delay_of(8) < group_.longest / 2


def test_a_master_that_acknowledges_nothing_brakes_nobody(wire, run, monkeypatch):
    group_ = Braked(wire, run, monkeypatch, acknowledges=False)
    assert group_.delay_of(72) < group_.longest / 2


def test_the_brake_goes_off_as_soon_as_the_master_has_caught_up(wire, run, monkeypatch):
    group_ = Braked(wire, run, monkeypatch, acknowledges=True)
    rtu, slow = group_.rtu, group_.slow
    group_.burst(72)
    wire.wait(lambda: len(group_.other.events) == 80, what="the burst")
    assert sum(len(link.in_flight) for link in rtu.links) > 0
    begin = rtu.sent_at[-1]
    slow.set(w=8)
    slow.acknowledge()
    wire.wait(lambda: len(slow.events) == 80, what="caught up")
    group_.acknowledged(80)
    acks = [at for at, way, f in list(rtu.frames) if way == "in" and f[2] == 1]
    assert acks[-1] - begin < group_.longest - 0.1


# Control direction


@pytest.fixture
def narrow(wire, run):
    """A group whose RTU takes two ASDUs and then acknowledges nothing until told."""

    def narrow(*options, masters=1, **master):
        rtu_port, *ports = free_ports(1 + masters)
        rtu = wire.rtu(rtu_port, 32, w=None, their_k=2)
        rtu.hold()
        own = [option for option in options if option.startswith("buffer")]
        rows = group(1, rtu_port, ports, options=["k=2", "w=1", *options], master_options=own)
        gateway = run(rows)
        peers = [wire.master(port, 101 + i, **master) for i, port in enumerate(ports)]
        up(wire, rtu, *peers)
        return gateway, rtu, *peers

    return narrow


def release(rtu):
    """The RTU acknowledges from now on, and answers."""
    rtu.set(w=1, t2=0.0)
    rtu.release()


def test_commands_wait_for_the_rtus_window_and_are_acknowledged_when_it_took_them(wire, narrow):
    _, rtu, master = narrow()
    master.ask(*[bitstring_command(5000 + n, n) for n in range(5)])
    wire.wait(lambda: len(rtu.asked) == 2, what="two taken")
    master.test_link()
    wire.wait(lambda: not master.links[0].asked, what="the link lives")
    assert len(rtu.asked) == 2
    assert master.unacknowledged == 5
    release(rtu)
    wire.wait(lambda: len(master.answers) == 10, what="all answered")
    wire.wait(lambda: master.unacknowledged == 0, what="all acknowledged")
    assert [one.ioa for one in rtu.asked] == [5000, 5001, 5002, 5003, 5004]
    assert_clean(rtu, master)


def test_a_waiting_masters_frames_are_acknowledged_within_t2_all_the_same(wire, run):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32, w=None, their_k=1)
    rtu.hold()
    rows = group(1, rtu_port, [port], options=["k=1", "w=1"], master_options=["t2=1", "t1=2"])
    run(rows)
    master = wire.master(port, 101, their_t2=1.0)
    up(wire, rtu, master)
    master.send(*[bitstring_command(5000 + n, n) for n in range(3)])
    wire.wait(lambda: master.unacknowledged == 0, 3, "acknowledged within t2")
    assert len(rtu.asked) == 1
    release(rtu)
    wire.wait(lambda: len(rtu.asked) == 3, what="sent all the same")


def test_a_command_unsent_after_command_timeout_is_refused_and_never_sent(wire, narrow):
    gateway, rtu, master = narrow("command_timeout=1")
    master.ask(*[bitstring_command(5000 + n, n) for n in range(2)])
    wire.wait(lambda: len(rtu.asked) == 2, what="two taken")
    late = bitstring_command(6000, 9)
    master.ask(late, terminates=False)
    answer = master.take(lambda one: one.ioa == 6000, 3, "the refusal")
    assert (answer.cause, answer.is_negative, answer.objects) == (7, True, late.objects)
    assert gateway.counts("M/M1-1", "refused", 1)
    assert gateway.tells("M/M1-1", "not sent to the RTU within 1 s")
    release(rtu)
    master.ask(bitstring_command(7000, 10))
    master.take(lambda one: one.ioa == 7000 and one.cause == 10, what="a command behind it")
    assert [one.ioa for one in rtu.asked] == [5000, 5001, 7000]


def test_a_master_with_too_many_waiting_commands_is_closed_and_the_rtu_is_not(wire, narrow):
    gateway, rtu, flooding, other = narrow("buffer=20", masters=2, k=None, reconnects=False)
    flooding.set(checks_acks=False)
    flooding.send(*[test_command(n) for n in range(2)])
    wire.wait(lambda: len(rtu.asked) == 2, what="two taken")
    flooding.send(*[test_command(n) for n in range(2, 60)])
    wire.wait(lambda: flooding.losses == 1, what="closed")
    assert rtu.losses == 0
    assert len(rtu.asked) == 2
    release(rtu)
    other.ask(bitstring_command(5000, 1))
    wire.wait(lambda: len(other.answers) == 2, what="the other is served")
    assert not other.losses
    assert [one.type_id for one in rtu.asked[2:]] == [51]  # nothing of what waited was sent
    assert gateway.counters("M/M1-1").dropped


def test_commands_that_waited_go_with_the_master_that_left(wire, narrow):
    gateway, rtu, one, other = narrow(masters=2)
    one.send(*[bitstring_command(5000 + n, n) for n in range(5)])
    wire.wait(lambda: len(rtu.asked) == 2, what="two taken")
    wire.wait(lambda: gateway.counters("M/M1-1").asdus_in == 5, what="three wait")
    one.close()
    wire.wait(lambda: gateway.state("M/M1-1") == "LISTENING", what="gone")
    assert gateway.counts("M/M1-1", "dropped", 3)
    other.ask(bitstring_command(6000, 6))
    release(rtu)
    wire.wait(lambda: len(other.answers) == 2, what="the other is served")
    assert [question.ioa for question in rtu.asked] == [5000, 5001, 6000]
    assert {answer.ioa for answer in other.answers} == {6000}
