"""Commands of several masters between real sockets: each is answered to its sender, or refused.

The RTU echoes the originator address, always answers 0, or always 1; the gateway runs in this
process so that its counters and logs can be asked.
"""

import struct
from dataclasses import replace

import pytest

from tests.support.gateway import Gateway, group, is_told
from tests.support.ports import free_ports
from tests.support.wire import (
    TIME,
    asdu,
    assert_clean,
    bitstring_command,
    clock_command,
    counter_interrogation,
    deactivation,
    interrogation,
    read,
    select,
    single_command,
    test_command,
)

STOPDT_ACT = bytes.fromhex("680413000000")
KINDS = pytest.mark.parametrize("oa", [None, 0, 1], ids=["echoes OA", "answers OA 0", "OA 1"])
TWO_KINDS = pytest.mark.parametrize("oa", [None, 0], ids=["echoes OA", "answers OA 0"])
POINT = 5000


def mirror(master, one, cause=7):
    """How the gateway refuses: the very ASDU, under its own addresses, P/N = 1."""
    return replace(one, cause=cause, is_negative=True, ca=master.ca, oa=master.oa)


def refused(s, master, one):
    """A master sends something, and the gateway refuses it; the RTU never sees it."""
    label = f"M/M1-{1 + s.masters.index(master)}"
    before, n = len(master.answers), s.gateway.counters(label).refused
    asked = len(s.rtu.asked)
    master.send(one)
    s.wait(lambda: len(master.answers) > before, "the refusal")
    cause = {6: 7, 8: 9}.get(one.cause, 45)
    assert master.answers[before:] == [mirror(master, one, cause)]
    assert s.gateway.counts(label, "refused", n + 1)
    assert len(s.rtu.asked) == asked


def carried_out(s, master, one, *causes):
    """A master sends something, and the RTU answers it to that master alone."""
    causes = causes or (7, 10)
    before = [len(m.answers) for m in s.masters]
    master.ask(one, terminates=10 in causes)
    i = s.masters.index(master)
    s.wait(lambda: len(master.answers) >= before[i] + len(causes), "the answers")
    answers = master.answers[before[i] :]
    assert [(a.cause, a.is_negative, a.objects) for a in answers] == [
        (cause, False, one.objects) for cause in causes
    ]
    s.settle()
    assert [len(m.answers) for m in s.masters] == [
        n + (len(causes) if k == i else 0) for k, n in enumerate(before)
    ]


def at_rtu(s):
    return [(one.cause, one.is_select, one.ioa, one.oa) for one in s.rtu.asked[:]]


def order_at_rtu(s):
    """`command`, `deact` and `STOPDT` as they reached the RTU."""
    found = []
    for _, way, frame in s.rtu.frames[:]:
        if way == "in" and not frame[2] & 1:
            found.append("deact" if frame[8] & 63 == 8 else "command")
        elif way == "in" and frame == STOPDT_ACT:
            found.append("STOPDT")
    return found


# Direct and select-before-operate


@KINDS
@pytest.mark.parametrize("n", [2, 5])
def test_masters_select_and_execute_points_of_their_own_at_the_same_time(scene, n, oa):
    s = scene(n, oa=oa)
    for i, master in enumerate(s.masters):
        master.ask(select(POINT + i), bitstring_command(6000 + i, i))
    for i, master in enumerate(s.masters):
        s.wait(lambda m=master: len(m.answers) == 3, "selected")
        master.ask(single_command(POINT + i))
    for master in s.masters:
        s.wait(lambda m=master: len(m.answers) == 5, "executed")
    s.clean()
    for master in s.masters:
        assert [a.cause for a in master.answers if a.type_id == 45] == [7, 7, 10]
        assert not any(a.is_negative for a in master.answers)


@KINDS
def test_masters_operate_the_same_point_one_after_the_other(scene, oa):
    s = scene(3, oa=oa)
    for _ in range(2):
        for master in s.masters:
            carried_out(s, master, select(POINT), 7)
            carried_out(s, master, single_command(POINT), 7, 10)
            carried_out(s, master, single_command(POINT, on=False), 7, 10)
    s.clean()


@KINDS
def test_masters_cancel_and_the_rtu_refuses(scene, oa):
    s = scene(2, oa=oa)
    one, other = s.masters
    carried_out(s, one, select(POINT), 7)
    cancel = deactivation(select(POINT))
    one.send(cancel)
    assert s.answers(one, 7, 9)[1].objects == cancel.objects
    carried_out(s, other, select(POINT), 7)
    carried_out(s, other, single_command(POINT), 7, 10)
    s.rtu.set(script=lambda asked: [asked.answer(7, is_negative=True)])
    one.send(select(POINT))
    s.wait(lambda: len(one.answers) == 3, "refused by the RTU")
    assert one.answers[2].is_negative
    s.rtu.set(script=None)
    carried_out(s, other, single_command(POINT), 7, 10)  # a refused select closes nothing


# The same command twice


@KINDS
def test_the_same_command_twice_is_refused_until_the_first_is_answered(scene, oa):
    s = scene(3, oa=oa)
    one, two, three = s.masters
    s.rtu.hold()
    one.ask(single_command(POINT))
    s.at_rtu(1)
    refused(s, two, single_command(POINT))
    refused(s, three, single_command(POINT, on=False))
    s.rtu.release()
    s.answers(one, 7, 10)
    carried_out(s, two, single_command(POINT))
    carried_out(s, three, single_command(POINT, on=False))
    s.settle()
    assert len(one.answers) == 2


def test_what_does_not_collide_with_a_waiting_command(scene):
    s = scene(2, oa=0)
    one, two = s.masters
    s.rtu.hold()
    one.ask(single_command(POINT), read(7), test_command(1))
    s.at_rtu(3)
    asked = [
        single_command(POINT + 1),
        asdu(46, POINT, b"\1"),  # another type: the RTU decides
        asdu(58, POINT, b"\1" + TIME),
        read(7),
        test_command(2),
        clock_command(),
        asdu(112, 9, struct.pack("<f", 1.0) + b"\1"),
    ]
    two.ask(*asked)
    s.at_rtu(3 + len(asked))
    one.ask(single_command(POINT))  # his own again passes too
    s.at_rtu(4 + len(asked))
    s.rtu.release()
    s.wait(lambda: len(one.answers) == 6, "answered")
    s.clean()
    assert s.gateway.counts("M/M1-1", "refused", 0)
    assert s.gateway.counts("M/M1-2", "refused", 0)


def only_confirms(asked):
    return [asked.answer(7)] if asked.cause == 6 and asked.type_id == 45 else None


@KINDS
def test_a_confirmed_command_runs_until_its_termination_if_the_rtu_sends_any(scene, oa):
    s = scene(2, oa=oa)
    one, two = s.masters
    carried_out(s, one, single_command(9))  # so this RTU terminates
    s.rtu.set(script=only_confirms)
    carried_out(s, one, single_command(POINT), 7)
    refused(s, two, single_command(POINT))
    s.rtu.send(replace(single_command(POINT).answer(10), oa=1 if oa is None else oa))
    s.wait(lambda: len(one.answers) == 4, "the termination")
    s.rtu.set(script=None)
    carried_out(s, two, single_command(POINT))


@TWO_KINDS
def test_a_confirmed_command_is_not_waited_for_for_ever(scene, monkeypatch, oa):
    monkeypatch.setattr("core.routing.questions.RUNNING", 0.3)
    s = scene(2, oa=oa)
    one, two = s.masters
    carried_out(s, one, single_command(9))
    s.rtu.set(script=only_confirms)
    one.ask(single_command(POINT), terminates=False)
    s.answers(one, 7, 10, 7)

    def passes():
        n = len(two.answers) + 1
        two.send(single_command(POINT, on=False))
        s.wait(lambda: len(two.answers) >= n, "an answer")
        return not two.answers[-1].is_negative

    s.wait(passes, "not refused any more", 2)
    s.settle()
    assert len(one.answers) == 3
    assert all(a.is_negative for a in two.answers[:-1])


@KINDS
def test_an_rtu_that_never_terminates_serves_the_same_command_of_all(scene, oa):
    s = scene(3, oa=oa, terminates=False)
    for _ in range(3):
        for master in s.masters:
            carried_out(s, master, single_command(POINT), 7)


@KINDS
def test_an_rtu_that_never_terminates_serves_the_same_set_point_of_all(scene, oa):
    """Here the object octets tell whose it is."""
    s = scene(3, oa=oa, terminates=False)
    for n in range(3):
        for i, master in enumerate(s.masters):
            carried_out(s, master, bitstring_command(POINT, 10 * i + n), 7)


@TWO_KINDS
def test_the_first_termination_an_rtu_ever_sends(scene, oa):
    """Until then nobody waits for one; from then on everybody does."""
    s = scene(3, oa=oa, terminates=False)
    one, two, three = s.masters
    carried_out(s, one, single_command(POINT), 7)
    carried_out(s, two, single_command(POINT), 7)
    s.rtu.send(replace(single_command(POINT).answer(10), oa=1 if oa is None else 0))
    s.answers(one, 7, 10)
    refused(s, three, single_command(POINT))  # the second one's still runs
    s.rtu.send(replace(single_command(POINT).answer(10), oa=2 if oa is None else 0))
    s.answers(two, 7, 10)
    carried_out(s, three, single_command(POINT), 7)
    s.settle()
    assert [len(m.answers) for m in s.masters] == [2, 2, 2]


# Selections


@KINDS
def test_a_selected_point_is_closed_to_all_others(scene, oa):
    s = scene(3, oa=oa)
    one, two, three = s.masters
    s.rtu.hold()
    one.ask(select(POINT))
    s.at_rtu(1)
    refused(s, two, single_command(POINT))  # from the moment it is forwarded
    s.rtu.release()
    s.answers(one, 7)
    for other in (two, three):
        refused(s, other, single_command(POINT))
        refused(s, other, select(POINT))
        refused(s, other, deactivation(select(POINT)))
        refused(s, other, asdu(46, POINT, b"\x02"))
        refused(s, other, asdu(50, POINT, struct.pack("<f", 1.0) + b"\0"))
        refused(s, other, asdu(58, POINT, b"\1" + TIME))
        refused(s, other, bitstring_command(POINT, 1))
    assert s.gateway.tells("M/M1-2", "selected by another master")
    carried_out(s, two, single_command(POINT + 1))
    carried_out(s, one, single_command(POINT))
    carried_out(s, two, single_command(POINT))
    carried_out(s, three, select(POINT), 7)
    assert [c for c in at_rtu(s) if c[2] == POINT] == [
        (6, True, POINT, 1), (6, False, POINT, 1), (6, False, POINT, 2), (6, True, POINT, 3),
    ]  # fmt: skip


def test_two_select_the_same_point_at_the_same_moment(scene):
    s = scene(5, oa=0)
    for master in s.masters:
        master.send(select(POINT))
    for master in s.masters:
        s.wait(lambda m=master: m.answers, "answered")
    (winner,) = [m for m in s.masters if not m.answers[0].is_negative]
    for master in s.masters:
        if master is not winner:
            assert master.answers == [mirror(master, select(POINT))]
            refused(s, master, single_command(POINT))
    carried_out(s, winner, single_command(POINT))
    assert len(s.rtu.asked) == 2


def end(s, master, how):
    if how == "stops":
        master.stop_transfer()
        s.wait(lambda: master.times("stopped"), "STOPDT con")
    elif how == "is restarted":
        s.gateway.apply(s.rows, restart=[f"M/M1-{1 + s.masters.index(master)}"])
    else:
        master.close(reset=how == "resets")


@KINDS
@pytest.mark.parametrize("how", ["closes", "resets", "stops", "is restarted"])
def test_the_gateway_cancels_the_selection_of_a_master_that_goes(scene, oa, how):
    s = scene(3, oa=oa)
    one, two, three = s.masters
    chosen = select(POINT)
    carried_out(s, one, chosen, 7)
    s.rtu.hold()
    end(s, one, how)
    s.at_rtu(2)
    assert s.rtu.asked[1] == replace(chosen, cause=8, ca=32, oa=1)
    refused(s, two, single_command(POINT))  # it is closed until the RTU has confirmed
    refused(s, three, select(POINT))
    assert s.gateway.tells("M/M1-2", "a selection of the point is being ended")
    s.rtu.release()
    s.settle()
    assert [len(m.answers) for m in s.masters] == [1, 1, 1]
    carried_out(s, two, select(POINT), 7)
    carried_out(s, two, single_command(POINT))
    assert s.gateway.counts("S/RTU1", "orphans", 0)
    assert "STOPDT" not in order_at_rtu(s)


@KINDS
def test_a_selection_is_cancelled_although_the_rtu_has_not_confirmed_it_yet(scene, oa):
    s = scene(2, oa=oa)
    one, two = s.masters
    s.rtu.hold()
    one.send(select(POINT))
    s.at_rtu(1)
    one.close()
    s.at_rtu(2)
    assert [o.cause for o in s.rtu.asked] == [6, 8]
    refused(s, two, single_command(POINT))
    s.rtu.release()
    s.settle()
    assert len(two.answers) == 1
    carried_out(s, two, single_command(POINT))


@TWO_KINDS
@pytest.mark.parametrize("is_confirmed", [True, False])
def test_what_was_executed_is_not_cancelled(scene, oa, is_confirmed):
    s = scene(2, oa=oa)
    one, two = s.masters
    carried_out(s, one, select(POINT), 7)
    if not is_confirmed:
        s.rtu.hold()
    one.send(single_command(POINT))
    s.at_rtu(2)
    one.close()
    assert s.gateway.becomes("M/M1-1", "LISTENING")
    if not is_confirmed:
        refused(s, two, single_command(POINT))  # it is under way, whosoever it was
        s.rtu.release()
    s.settle()
    carried_out(s, two, select(POINT), 7)
    assert [o.cause for o in s.rtu.asked] == [6, 6, 6]
    assert all(a.objects == select(POINT).objects for a in two.answers if not a.is_negative)


@TWO_KINDS
def test_a_point_whose_cancelling_is_never_confirmed_is_open_again_in_time(scene, oa):
    s = scene(2, oa=oa, options=["select_timeout=1"])
    one, two = s.masters
    carried_out(s, one, select(POINT), 7)
    s.rtu.set(script=lambda asked: [] if asked.cause == 8 else None)
    one.close()
    s.at_rtu(2)
    refused(s, two, single_command(POINT))

    def passes():
        n = len(two.answers) + 1
        two.send(single_command(POINT))
        s.wait(lambda: len(two.answers) >= n, "an answer")
        return not two.answers[-1].is_negative

    s.wait(passes, "open again", 3)


@pytest.mark.parametrize("how", ["closes", "resets", "stops"])
def test_the_only_masters_selection_is_cancelled_before_the_rtu_is_stopped(scene, how):
    s = scene(1, oa=0)
    (master,) = s.masters
    carried_out(s, master, select(POINT), 7)
    carried_out(s, master, select(POINT + 1), 7)
    end(s, master, how)
    s.wait(lambda: s.rtu.times("stopped"), "the RTU stopped")
    assert order_at_rtu(s) == ["command", "command", "deact", "deact", "STOPDT"]
    assert {one.ioa for one in s.rtu.asked[2:]} == {POINT, POINT + 1}
    assert len(master.answers) == 2


@TWO_KINDS
def test_a_selection_ends_with_its_time(scene, oa):
    s = scene(2, oa=oa, options=["select_timeout=1"])
    one, two = s.masters
    carried_out(s, one, select(POINT), 7)
    refused(s, two, single_command(POINT))
    s.rtu.hold()
    s.at_rtu(2)
    assert s.rtu.asked[1] == replace(select(POINT), cause=8, ca=32, oa=1)
    refused(s, one, single_command(POINT))  # closed to its own master as well
    refused(s, two, single_command(POINT))
    s.rtu.release()
    s.settle()
    assert [len(m.answers) for m in s.masters] == [2, 2]
    carried_out(s, two, single_command(POINT))
    carried_out(s, one, select(POINT), 7)
    carried_out(s, one, single_command(POINT))


@TWO_KINDS
def test_a_selection_does_not_move_to_the_standby_connection(scene, oa):
    s = scene(2, oa=oa, master_options={0: ["conns=2"]})
    first, other = s.masters
    second = s.wire.master(s.ports[0], 101, starts=False, expects_initialized=False, oa=9)
    s.wait(lambda: second.is_connected, "the standby connection")
    carried_out(s, first, select(POINT), 7)
    first.acknowledge()
    second.start_transfer()
    s.at_rtu(2)
    assert s.rtu.asked[1] == replace(select(POINT), cause=8, ca=32, oa=1)
    s.wait(lambda: second.is_started, "switched over")
    (number,) = s.rtu.events(1)
    s.wait(lambda: number in second.events and number in other.events, "the event")
    assert [len(m.answers) for m in (first, second, other)] == [1, 0, 0]
    other.ask(select(POINT))
    s.answers(other, 7)


@TWO_KINDS
def test_the_gateway_leaves_no_selection_behind(scene, oa):
    s = scene(3, oa=oa)
    for i, master in enumerate(s.masters[:2]):
        carried_out(s, master, select(POINT + i), 7)
    carried_out(s, s.masters[2], single_command(POINT + 9))
    s.gateway.stop()
    assert order_at_rtu(s) == ["command"] * 3 + ["deact"] * 2 + ["STOPDT"]
    assert sorted((one.ioa, one.oa) for one in s.rtu.asked[3:]) == [(POINT, 1), (POINT + 1, 2)]
    assert [len(m.answers) for m in s.masters] == [1, 1, 2]


def test_the_program_leaves_no_selection_behind(wire, tmp_path):
    rtu_port, *ports = free_ports(3)
    rtu = wire.rtu(rtu_port, 32, oa=0)
    with Gateway(tmp_path, group(1, rtu_port, ports)):
        masters = [wire.master(port, 101 + i) for i, port in enumerate(ports)]
        wire.wait(lambda: all(m.initialized for m in masters), 10, "started")
        masters[0].ask(select(POINT))
        wire.wait(lambda: masters[0].answers, 5, "selected")
        masters[1].send(single_command(POINT))
        wire.wait(lambda: masters[1].answers, 5, "refused")
    frames = [f for _, way, f in rtu.frames if way == "in"]
    cancel = next(i for i, f in enumerate(frames) if not f[2] & 1 and f[8] & 63 == 8)
    assert cancel < frames.index(STOPDT_ACT)
    assert [one.cause for one in rtu.asked] == [6, 8]
    assert not any(a.cause == 9 for m in masters for a in m.answers)


# Late answers


@pytest.mark.parametrize(("oa", "is_there"), [
    (None, True), (0, True), (1, True), (0, False),
], ids=str)  # fmt: skip
def test_the_late_answer_of_an_expired_command(scene, oa, is_there):
    s = scene(2, oa=oa, options=["command_timeout=1"])
    asker, other = s.masters
    s.rtu.hold()
    asker.ask(single_command(POINT))
    s.at_rtu(1)
    assert not s.gateway.says("M/M1-1", "no answer from the RTU")
    s.wait(lambda: s.gateway.counters("M/M1-1").expired == 1, "expired", 3)
    assert s.gateway.tells("M/M1-1", "no answer from the RTU")
    refused(s, other, single_command(POINT))  # it may yet be carried out
    if not is_there:
        asker.close()
        assert s.gateway.becomes("M/M1-1", "LISTENING")
    s.rtu.release()
    s.settle()
    assert [a.cause for a in asker.answers] == ([7, 10] if is_there else [])
    assert len(other.answers) == 1
    carried_out(s, other, single_command(POINT))


@TWO_KINDS
def test_late_answers_are_told_from_new_ones_by_their_objects(scene, oa):
    s = scene(2, oa=oa, options=["command_timeout=1"])
    one, two = s.masters
    s.rtu.hold()
    one.ask(bitstring_command(POINT, 1))
    s.wait(lambda: s.gateway.counters("M/M1-1").expired == 1, "expired", 3)

    def passes():
        n, asked = len(two.answers), len(s.rtu.asked)
        two.send(bitstring_command(POINT, 2))
        s.wait(lambda: len(two.answers) > n or len(s.rtu.asked) > asked, "refused or not")
        return len(s.rtu.asked) > asked

    s.wait(passes, "the other's command passes", 3)
    n = len(two.answers)
    s.rtu.release()
    s.settle()
    assert [(a.cause, a.element[0]) for a in one.answers] == [(7, 1), (10, 1)]
    assert [(a.cause, a.element[0]) for a in two.answers[n:]] == [(7, 2), (10, 2)]


@KINDS
def test_an_answer_to_the_connection_before_is_not_for_the_next_one(scene, oa):
    """It sits on the same place, so the originator address that comes back is its own too."""
    s = scene(2, oa=oa, peers={"reconnects": True})
    one, other = s.masters
    s.rtu.hold()
    one.send(single_command(POINT), bitstring_command(POINT, 1), read(7), test_command(1))
    s.at_rtu(4)
    one.close(reset=True, reconnect=True)
    s.wait(lambda: one.initialized == 2, "back")
    refused(s, one, single_command(POINT))  # the old one's is still under way
    one.ask(bitstring_command(POINT + 1, 2))
    s.at_rtu(5)
    s.rtu.release()
    s.settle()
    assert [a.ioa for a in one.answers[1:]] == [POINT + 1, POINT + 1]
    assert not other.inbox
    assert s.gateway.counts("S/RTU1", "orphans", 0)
    carried_out(s, one, single_command(POINT))


# Clocks


def tag(second, minute=10):
    return struct.pack("<H", second * 1000) + bytes([minute]) + TIME[3:]


@KINDS
@pytest.mark.parametrize("own_time", [False, True], ids=["mirrors", "tells its own time"])
def test_two_masters_set_the_clock_at_once(scene, oa, own_time):
    def answer(asked):
        return [replace(asked.answer(7), objects=bytes(3) + tag(59))]

    s = scene(3, oa=oa, script=answer if own_time else None)
    one, two, _ = s.masters
    s.rtu.hold()
    one.send(clock_command(tag(5)))
    s.at_rtu(1)
    two.send(clock_command(tag(15)))
    s.at_rtu(2)
    s.rtu.release()
    s.settle()
    told = [[(a.type_id, a.cause, a.element) for a in m.answers] for m in s.masters]
    if own_time:
        assert told == [[(103, 7, tag(59))], [(103, 7, tag(59))], []]
    else:
        assert told == [[(103, 7, tag(5))], [(103, 7, tag(15))], []]
    assert s.gateway.tells("M/M1-2", "both set the clock of the RTU")
    s.rtu.send(asdu(103, 0, tag(30), 3))
    s.settle()
    assert [m.inbox[-1].cause for m in s.masters] == [3, 3, 3]


# Rights


FORBIDDEN = [
    single_command(POINT),
    select(POINT),
    deactivation(select(POINT)),
    bitstring_command(POINT, 7),
    asdu(58, POINT, b"\1" + TIME),
    counter_interrogation(5 | 1 << 6),
    counter_interrogation(5 | 3 << 6),
    clock_command(),
    asdu(105, 0, b"\1"),
    test_command(1),
    asdu(110, POINT, b"\0\0\1"),
    asdu(113, POINT, b"\1"),
    asdu(200, POINT, b"\1"),
    asdu(122, POINT, b"\1\0\0\2", 13),
]


@TWO_KINDS
def test_a_master_with_the_right_to_monitor_only(scene, oa):
    s = scene(2, oa=oa, master_options={1: ["rights=monitor"]})
    full, monitor = s.masters
    for one in FORBIDDEN:
        refused(s, monitor, one)
    assert not s.rtu.asked
    assert s.gateway.counts("M/M1-2", "refused", len(FORBIDDEN))
    assert s.gateway.counts("M/M1-1", "refused", 0)
    peer = ":".join(map(str, monitor.link.sock.getsockname()))
    log, why = s.gateway.log("M/M1-2"), "refused: rights=monitor"
    assert is_told(log, f"{peer}: ", "C_SC_NA_1", "CA 102", f"IOA {POINT}", why)
    assert is_told(log, f"{peer}: ", "C_CS_NA_1", "CA 102", why)
    security = s.gateway.security_log().splitlines()
    assert is_told(security, "refused command (rights=monitor)", "M/M1-2", "127.0.0.1")
    assert is_told(security, "M/M1-2", "C_SC_NA_1", "CA 102", f"IOA {POINT}", why)
    monitor.ask(read(500), interrogation(), counter_interrogation())
    s.wait(lambda: len(monitor.answers) == 5 + len(FORBIDDEN), "served")
    carried_out(s, full, select(POINT), 7)
    carried_out(s, full, single_command(POINT))
    assert [one.oa for one in s.rtu.asked] == [2, 2, 2, 1, 1]
    assert not monitor.losses


def test_a_master_that_must_not_set_the_clock(scene):
    s = scene(2, oa=0, master_options={0: ["clock=refuse"]})
    one, two = s.masters
    refused(s, one, clock_command())
    peer = ":".join(map(str, one.link.sock.getsockname()))
    log, why = s.gateway.log("M/M1-1"), "refused: clock=refuse"
    assert is_told(log, f"{peer}: ", "C_CS_NA_1", "CA 101", why)
    security = s.gateway.security_log().splitlines()
    assert is_told(security, "refused command (clock=refuse)", "M/M1-1", "127.0.0.1")
    carried_out(s, two, clock_command(), 7)
    carried_out(s, one, single_command(POINT))
    carried_out(s, one, test_command(1), 7)


def test_refused_commands_in_the_files_of_the_program(wire, tmp_path):
    rtu_port, *ports = free_ports(3)
    rtu = wire.rtu(rtu_port, 32, oa=0)
    rows = group(1, rtu_port, ports)
    rows[1] = replace(rows[1], options=("rights=monitor",))
    with Gateway(tmp_path, rows) as gateway:
        masters = [wire.master(port, 101 + i) for i, port in enumerate(ports)]
        wire.wait(lambda: all(m.initialized for m in masters), 10, "started")
        peer = ":".join(map(str, masters[0].link.sock.getsockname()))
        masters[0].send(*[single_command(POINT)] * 20)
        masters[1].ask(single_command(POINT))
        wire.wait(lambda: len(masters[0].answers) == 20, 5, "refused")
        wire.wait(lambda: len(masters[1].answers) == 2, 5, "carried out")
        assert_clean(rtu, masters[1])
    assert len(rtu.asked) == 1
    log = (gateway.logs / "M-M1-1.txt").read_text("utf-8").splitlines()
    why = "refused: rights=monitor"
    assert is_told(log, f"{peer}: ", "C_SC_NA_1", "CA 101", f"IOA {POINT}", why)
    security = (gateway.logs / "security.txt").read_text("utf-8").splitlines()
    assert 1 <= len(security) < 20  # repetitions are counted
    assert all("M/M1-1" in line and "127.0.0.1" in line for line in security)


# The guard


@TWO_KINDS
def test_what_a_station_would_not_take_never_reaches_the_rtu(scene, oa):
    s = scene(2, oa=oa)
    sender, other = s.masters
    two = replace(single_command(POINT), objects=single_command(POINT).objects * 2, vsq=2)
    sequence = replace(single_command(POINT), vsq=0x81)
    none = replace(single_command(POINT), objects=b"", vsq=0)
    refused(s, sender, two)
    refused(s, sender, sequence)
    refused(s, sender, none)
    for one, cause in [
        (asdu(1, POINT, b"\1", 3), 44),
        (asdu(81, POINT, b"\1"), 44),
        (asdu(109, POINT, b"\1"), 44),
        (asdu(45, POINT, b"\1", 3), 45),
        (asdu(100, 0, b"\x14", 5), 45),
    ]:
        n = len(sender.answers)
        sender.send(one)
        s.wait(lambda n=n: len(sender.answers) > n, "the answer")
        assert sender.answers[n:] == [mirror(sender, one, cause)]
    n = len(sender.answers)
    sender.send(
        single_command(POINT).answer(7),
        single_command(POINT).answer(10),
        interrogation().answer(9),
        replace(single_command(POINT), objects=b"\1\0\0"),  # cut short
    )
    sender.ask(test_command(3))
    s.wait(lambda: len(sender.answers) > n, "the test command's answer")
    s.settle()
    assert [a.type_id for a in sender.answers[n:]] == [107]
    assert [one.type_id for one in s.rtu.asked] == [107]
    assert s.gateway.counts("M/M1-1", "malformed", 4)
    assert not other.inbox
    assert not sender.losses
