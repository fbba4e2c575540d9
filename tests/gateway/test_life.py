"""The life of a group: when ports are open, when the RTU is started, what becomes of its events."""

import time

import pytest

from tests.gateway.running import (
    STARTDT_ACT,
    STOPDT_ACT,
    STOPDT_CON,
    TESTFR_ACT,
    SlowToStop,
    heard,
    scripted,
)
from tests.support.gateway import group, is_refused
from tests.support.ports import free_ports
from tests.support.wire import asdu, assert_clean, bitstring_command

TESTFR_CON = bytes.fromhex("680483000000")


def up(wire, *masters):
    wire.wait(lambda: all(m.is_started and m.initialized for m in masters), 8, "all started")


def test_ports_stay_closed_until_the_rtu_has_confirmed_a_test(wire, run):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32, answers_tests=False)
    gateway = run(group(1, rtu_port, [port]))
    wire.wait(lambda: rtu.tests_heard, what="TESTFR")
    assert is_refused(port)
    assert gateway.becomes("M/M1-1", "HELD")
    assert gateway.becomes("S/RTU1", "STARTING")
    assert not heard(rtu, STARTDT_ACT)
    rtu.raw(TESTFR_CON)
    wire.wait(lambda: gateway.state("M/M1-1") == "LISTENING", what="the port opens")
    assert gateway.becomes("S/RTU1", "WAITING")
    up(wire, wire.master(port, 101))
    wire.wait(lambda: gateway.state("M/M1-1") == gateway.state("S/RTU1") == "ONLINE", what="online")


def test_with_always_ports_stay_closed_until_the_rtu_has_confirmed_its_start(wire, run):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32, start_delay=0.4)
    gateway = run(group(1, rtu_port, [port], options=["startdt=always"]))
    wire.wait(lambda: heard(rtu, STARTDT_ACT), what="STARTDT")
    assert is_refused(port)
    assert gateway.becomes("S/RTU1", "STARTING")
    master = wire.master(port, 101)
    up(wire, master)
    assert master.times("started")[0] >= rtu.times("started")[0]
    master.close()
    wire.wait(lambda: gateway.state("M/M1-1") == "LISTENING", what="the master gone")
    up(wire, other := wire.master(port, 101, name="again"))
    wire.wait(lambda: other.initialized == 1, 1, "its M_EI")
    assert heard(rtu, STARTDT_ACT) == 1
    assert not heard(rtu, STOPDT_ACT)


def test_the_rtu_is_started_by_the_first_master_and_stopped_by_the_last(wire, run):
    rtu_port, *ports = free_ports(4)
    rtu = wire.rtu(rtu_port, 32)
    gateway = run(group(1, rtu_port, ports))
    one, two, three = (wire.master(p, 101 + i, starts=False) for i, p in enumerate(ports))
    wire.wait(lambda: one.is_connected and two.is_connected and three.is_connected, what="all in")
    wire.wait(lambda: gateway.state("M/M1-3") == "CONNECTED", what="connected, not started")
    assert not heard(rtu, STARTDT_ACT)
    one.start_transfer()
    wire.wait(lambda: rtu.is_started, what="STARTDT for the first")
    two.start_transfer()
    up(wire, one, two)
    one.stop_transfer()
    wire.wait(lambda: one.times("stopped"), what="the first stopped")
    rtu.events(3)  # the second still has its data
    wire.wait(lambda: len(two.events) == 3, what="events")
    assert heard(rtu, STARTDT_ACT) == 1
    assert not heard(rtu, STOPDT_ACT)
    assert not one.events
    two.stop_transfer()
    wire.wait(lambda: rtu.times("stopped"), what="STOPDT for the last that stopped")
    assert gateway.becomes("S/RTU1", "WAITING")
    one.start_transfer()
    wire.wait(lambda: len(rtu.times("started")) == 2, what="STARTDT again")
    wire.wait(lambda: one.initialized == 2, what="its second M_EI")
    one.close()
    wire.wait(lambda: len(rtu.times("stopped")) == 2, what="STOPDT for the last that left")
    assert three.is_connected
    assert (two.initialized, three.initialized) == (1, 0)
    assert rtu.losses == two.losses == three.losses == 0


def test_a_master_is_confirmed_at_once_and_its_commands_wait_for_the_rtu(wire, run):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32, start_delay=0.5)
    run(group(1, rtu_port, [port]))
    master = wire.master(port, 101)
    up(wire, master)
    assert not rtu.is_started
    master.ask(bitstring_command(5000, 1))
    wire.wait(lambda: len(master.answers) == 2, what="answered")
    assert rtu.times("started")[0] - master.times("started")[0] > 0.3
    assert_clean(rtu, master)  # data before its own STARTDT con would be a violation


def test_a_start_wanted_while_a_stop_is_pending_follows_its_confirmation(wire, run):
    rtu_port, port = free_ports(2)
    rtu = scripted(wire, SlowToStop, rtu_port, 32)
    gateway = run(group(1, rtu_port, [port]))
    master = wire.master(port, 101)
    wire.wait(lambda: rtu.is_started and master.initialized, what="started")
    master.stop_transfer()
    wire.wait(lambda: rtu.times("stopping"), what="STOPDT")
    master.start_transfer()
    wire.wait(lambda: len(master.times("started")) == 2, 0.3, "the master's start is confirmed")
    assert not rtu.times("stopped")
    wire.wait(lambda: len(rtu.times("started")) == 2, what="started again")
    assert rtu.times("started")[1] >= rtu.times("stopped")[0]
    assert heard(rtu, STARTDT_ACT) == 2
    wire.wait(lambda: master.initialized == 2, 1, "its second M_EI")
    assert rtu.losses == 0
    wire.wait(lambda: gateway.state("S/RTU1") == "ONLINE", what="online")


def test_a_repeated_start_brings_no_second_end_of_initialization(wire, run):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32)
    run(group(1, rtu_port, [port]))
    master = wire.master(port, 101)
    up(wire, master)
    master.start_transfer()
    wire.wait(lambda: len(master.times("started")) == 2, what="confirmed again")
    wire.wait(lambda: rtu.is_started, what="the RTU")
    rtu.events(1)
    wire.wait(lambda: len(master.events) == 1, what="an event")
    assert master.initialized == 1


def test_the_rtus_own_end_of_initialization_is_logged_and_goes_to_nobody(wire, run):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32)
    gateway = run(group(1, rtu_port, [port]))
    master = wire.master(port, 101)
    up(wire, master)
    rtu.send(asdu(70, 0, b"\1", 4))
    rtu.events(1)
    wire.wait(lambda: len(master.events) == 1, what="the event behind it")
    assert master.initialized == 1
    assert not master.inbox
    assert gateway.tells("S/RTU1", "end of initialization received")


def test_an_rtu_that_stops_by_itself_is_started_again_but_not_twice_within_a_minute(wire, run):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32)
    gateway = run(group(1, rtu_port, [port]))
    master = wire.master(port, 101)
    up(wire, master)
    wire.wait(lambda: rtu.is_started, what="the RTU")

    def stop_by_itself():
        for link in rtu.links:
            link.is_started = False
            link.put(STOPDT_CON, time.monotonic())

    wire.call(stop_by_itself)
    wire.wait(lambda: len(rtu.times("started")) == 2, what="started again")
    assert gateway.tells("S/RTU1", "stopped data transfer by itself")
    rtu.events(2)
    wire.wait(lambda: len(master.events) == 2, what="events")
    assert master.losses == rtu.losses == 0
    wire.call(stop_by_itself)
    wire.wait(lambda: rtu.losses == 1, 2, "given up")
    wire.wait(lambda: master.losses == 1, 2, "and with it the masters")


@pytest.mark.parametrize("reset", [False, True])
def test_a_lost_rtu_takes_its_masters_along_until_it_is_back(wire, run, reset):
    rtu_port, other_port, *ports = free_ports(5)
    rows = group(1, rtu_port, ports[:2]) + group(2, other_port, ports[2:], ca=33, first_ca=201)
    rtu, other = wire.rtu(rtu_port, 32), wire.rtu(other_port, 33, name="other rtu")
    gateway = run(rows)
    masters = [wire.master(port, 101 + i) for i, port in enumerate(ports[:2])]
    third = wire.master(ports[2], 201)
    up(wire, *masters, third)
    killed = rtu.kill(reset)
    wire.wait(lambda: all(m.losses for m in masters), 2, "the masters closed")
    assert max(m.times("ended")[0] for m in masters) - killed < 1.0
    assert all(is_refused(port) for port in ports[:2])
    assert {gateway.state(f"M/M1-{i}") for i in (1, 2)} == {"HELD"}
    assert gateway.becomes("S/RTU1", "CONNECTING")
    rtu.restart()
    up(wire, *masters)
    wire.wait(lambda: [m.initialized for m in masters] == [2, 2], 1, "M_EI again")
    other.events(5)
    wire.wait(lambda: len(third.events) == 5, what="the other group's events")
    assert other.losses == third.losses == 0
    assert gateway.becomes("M/M2-1", "ONLINE")


def test_a_master_that_takes_nothing_is_closed_within_a_second_too(wire, run):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32)
    gateway = run(group(1, rtu_port, [port], master_options=["k=32767", "w=8"]))
    master = wire.master(port, 101, read_size=4096)
    up(wire, master)
    wire.wait(lambda: rtu.is_started, what="the RTU")
    master.pause_reading()
    rtu.events(40)
    wire.wait(lambda: gateway.counters("M/M1-1").asdus_out >= 41, what="sent")
    begin = rtu.kill()
    wire.wait(lambda: not gateway.gateway._io.streams, 2, "nobody connected any more")
    assert time.monotonic() - begin < 1.2
    assert is_refused(port)


def test_events_that_come_while_nobody_is_started_are_given_first_to_the_next(wire, run):
    rtu_port, *ports = free_ports(3)
    rtu = wire.rtu(rtu_port, 32)
    gateway = run(group(1, rtu_port, ports, options=["startdt=always"]))
    wire.wait(lambda: rtu.is_started, what="started for good")
    rtu.events(5)
    rtu.send(
        asdu(1, 7, b"\1", 1),  # periodic: stale by then
        asdu(1, 8, b"\1", 20),  # interrogated: nobody asked
        asdu(1, 9, b"\1", 11),  # a return information
        asdu(1, 10, b"\1", 12),
    )
    wire.wait(lambda: gateway.counters("S/RTU1").asdus_in == 9, what="taken by the gateway")
    first = wire.master(ports[0], 101)
    wire.wait(lambda: len(first.events) == 5 and len(first.inbox) == 2, what="what was kept")
    assert list(first.events) == [0, 1, 2, 3, 4]  # before M_EI would be a violation
    assert [one.cause for one in first.inbox] == [11, 12]
    second = wire.master(ports[1], 102)
    up(wire, second)
    rtu.events(1)
    wire.wait(lambda: len(first.events) == 6 and len(second.events) == 1, what="one for both")
    assert not second.inbox


def test_of_kept_events_the_oldest_go_and_are_counted(wire, run):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32)
    gateway = run(group(1, rtu_port, [port], options=["startdt=always", "buffer=3"]))
    wire.wait(lambda: rtu.is_started, what="started for good")
    rtu.events(10)
    wire.wait(lambda: gateway.counters("S/RTU1").asdus_in == 10, what="taken by the gateway")
    wire.wait(lambda: not rtu.links[0].in_flight or len(rtu.links[0].in_flight) < 8,
              what="acknowledged")  # fmt: skip
    master = wire.master(port, 101)
    wire.wait(lambda: len(master.events) == 3, what="what was kept")
    assert list(master.events) == [7, 8, 9]
    assert gateway.counts("S/RTU1", "dropped", 7)


def test_events_on_their_way_when_the_last_master_left_are_given_to_the_next(wire, run):
    rtu_port, port = free_ports(2)
    rtu = scripted(wire, SlowToStop, rtu_port, 32, sends_stopped=True)
    gateway = run(group(1, rtu_port, [port]))
    master = wire.master(port, 101)
    wire.wait(lambda: rtu.is_started and master.initialized, what="started")
    master.close()
    wire.wait(lambda: rtu.times("stopping"), what="STOPDT")
    rtu.events(3)
    wire.wait(lambda: gateway.counters("S/RTU1").asdus_in == 3, what="taken by the gateway")
    master.open()
    wire.wait(lambda: len(master.events) == 3, what="what was kept")
    assert list(master.events) == [0, 1, 2]


def test_what_the_last_master_never_acknowledged_is_given_to_the_next(wire, run):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32)
    gateway = run(group(1, rtu_port, [port]))
    master = wire.master(port, 101)
    up(wire, master)
    wire.wait(lambda: rtu.is_started, what="the RTU")
    master.pause_reading()
    rtu.events(30)
    wire.wait(lambda: gateway.counters("M/M1-1").asdus_out == 31, what="on their way")
    seen = len(master.events)
    master.close()
    wire.wait(lambda: gateway.state("M/M1-1") == "LISTENING", what="gone")
    master.open()
    wire.wait(lambda: 29 in master.events, what="all of it")
    assert list(master.events[seen:]) == list(range(seen, 30))


def test_tests_are_answered_and_sent_in_every_state(wire, run):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32)
    rows = group(1, rtu_port, [port], options=["t3=1"], master_options=["t3=1"])
    run(rows)
    master = wire.master(port, 101, starts=False)
    wire.wait(lambda: master.is_connected, what="in")
    rtu.test_link()
    master.test_link()
    wire.wait(lambda: rtu.tests_heard >= 2 and master.tests_heard, 4, "t3 on both sides")
    assert heard(rtu, TESTFR_ACT) >= 2
    assert rtu.losses == master.losses == 0
