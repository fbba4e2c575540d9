"""The scripted peers against each other: before they judge the gateway, they judge themselves."""

import time

import pytest

from tests.support.ports import free_port
from tests.support.wire import (
    PATIENCE,
    Wire,
    asdu,
    assert_clean,
    bitstring_command,
    interrogation,
    judge,
    read,
    test_command,
)


@pytest.fixture
def wire():
    with Wire() as wire:
        yield wire


def pair(wire, **options):
    port = free_port()
    rtu = wire.rtu(port, ca=32)
    master = wire.master(port, ca=32, expects_initialized=False, **options)
    wire.wait(lambda: master.is_started)
    return rtu, master


def test_twenty_thousand_events_in_a_few_seconds(wire):
    rtu, master = pair(wire)
    begin = time.monotonic()
    rtu.events(40_000)
    wire.wait(lambda: len(master.events) == 40_000, within=10)
    assert time.monotonic() - begin < 8 * PATIENCE
    assert_clean(rtu, master)


def test_questions_are_answered(wire):
    rtu, master = pair(wire, oa=9)
    master.ask(bitstring_command(5000, 1), interrogation(), read(400), test_command(70_000))
    wire.wait(lambda: len(master.answers) == 6)
    assert_clean(rtu, master)
    assert [one.type_id for one in rtu.asked] == [51, 100, 102, 107]


def test_a_start_of_frames_octet_by_octet_is_read(wire):
    rtu, master = pair(wire, trickles=True)
    master.ask(bitstring_command(5000, 1))
    wire.wait(lambda: len(master.answers) == 2)
    assert_clean(rtu, master)


def test_numbers_pass_32767_both_ways(wire):
    rtu, master = pair(wire)
    master.ask(*[test_command(n) for n in range(33_000)])
    wire.wait(lambda: len(master.answers) == 33_000, within=15)
    assert_clean(rtu, master)


def test_answers_held_back_come_in_any_order(wire):
    rtu, master = pair(wire)
    rtu.hold()
    master.ask(*[bitstring_command(1, n) for n in range(20)])
    wire.wait(lambda: rtu.held == 20)
    assert not master.answers
    rtu.release(shuffle=1)
    wire.wait(lambda: len(master.answers) == 40)
    assert_clean(rtu, master)


def test_stop_is_confirmed_after_acknowledging(wire):
    rtu, master = pair(wire)
    rtu.events(5)
    wire.wait(lambda: len(master.events) == 5)
    master.stop_transfer()
    wire.wait(lambda: not master.is_started)
    assert rtu.times("stopped")
    rtu.events(5)
    master.start_transfer()
    wire.wait(lambda: len(master.events) == 10)


def test_kill_and_restart(wire):
    rtu, master = pair(wire)
    rtu.kill()
    wire.wait(lambda: master.losses == 1 and master.refusals)
    rtu.restart()
    wire.wait(lambda: master.is_started)


VIOLATIONS = [
    (lambda rtu: rtu.raw(b"\x69\x04\x00\x00\x00\x00"), "not a frame"),
    (lambda rtu: rtu.raw(b"\x68\x03\x01\x00\x00\x00"), "not a frame"),
    (lambda rtu: rtu.raw(bytes.fromhex("6804010008 00")), "N(R) 4 outside"),
    (lambda rtu: (rtu.set(skew=1), rtu.send(asdu(1, 1, b"\1", 3))), "N(S) 1 where 0"),
    (lambda rtu: (rtu.set(k=20), rtu.events(20)), "unacknowledged, k is"),
    (lambda rtu: rtu.raw(bytes.fromhex("6804 0b 000000")), "nobody asked"),
    (lambda rtu: rtu.raw(bytes.fromhex("6804 0f 000000")), "malformed U"),
    (lambda rtu: (rtu.set(ca=33), rtu.events(1)), "altered"),
    (lambda rtu: (rtu.set(ca=33), rtu.send(asdu(1, 1, b"\1", 3))), "common address 33"),
    (lambda rtu: rtu.send(*[asdu(70, 0, b"\0", 4)] * 2), "without a start"),
]


@pytest.mark.parametrize(("misdeed", "complaint"), VIOLATIONS)
def test_a_violation_is_noticed(misdeed, complaint):
    wire = Wire()
    try:
        rtu, master = pair(wire, w=None)
        misdeed(rtu)
        wire.wait(lambda: master.violations)
        assert complaint in master.violations[0]
        with pytest.raises(AssertionError, match="violations"):
            wire.check()
    finally:
        wire.close()


def test_an_acknowledgement_that_stays_out_is_noticed():
    wire = Wire()
    try:
        rtu, _ = pair(wire, w=None)
        rtu.set(w_limit=0.2)
        rtu.events(8)
        wire.wait(lambda: rtu.violations)
        assert "w is 8" in rtu.violations[0]
    finally:
        wire.close()


def test_i_frames_while_stopped_are_noticed():
    wire = Wire()
    try:
        port = free_port()
        rtu = wire.rtu(port, sends_stopped=True)
        master = wire.master(port, starts=False)
        wire.wait(lambda: master.is_connected)
        rtu.events(1)
        wire.wait(lambda: master.violations)
        assert "stopped" in master.violations[0]
    finally:
        wire.close()


def test_a_lost_event_and_a_stray_answer_are_noticed(wire):
    rtu, master = pair(wire)
    port = free_port()
    other_rtu = wire.rtu(port, ca=32)
    other = wire.master(port, ca=32, name="other", expects_initialized=False)
    wire.wait(lambda: other.is_started)
    rtu.events(3)
    master.ask(bitstring_command(1, 1))
    other_rtu.send(bitstring_command(1, 1).answer(7))
    wire.wait(lambda: len(master.answers) == 2 and other.answers)
    verdict, stray = judge(rtu, master, other)
    assert verdict.is_clean
    assert stray.lost == (0, 1, 2)
    assert stray.misdelivered == (((51, 1, b"\1\0\0\0"), master.name),)
