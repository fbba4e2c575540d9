"""Playbooks of one link: each line of the state tables, each timer, each reason to close.

Section and table numbers in this file are those of the project's protocol reference, which follows
60870-5-104 clause 5.
"""

import sys

import pytest

from core.protocol.link import (
    NEVER,
    Irregular,
    LinkFailed,
    Reason,
    SequenceGap,
    Started,
    State,
    Stopped,
    Timing,
)
from core.protocol.link import TestConfirmed as ConfirmedTest
from core.protocol.outbox import Level
from core.protocol.run import Run

from .frames import (
    ASDU,
    STARTDT_ACT,
    STARTDT_CON,
    STOPDT_ACT,
    STOPDT_CON,
    TESTFR_ACT,
    TESTFR_CON,
    U_FRAMES,
    I,
    S,
    i_frame,
    i_frames,
    read,
    s_frame,
    split,
)
from .links import (
    ADDRESS,
    CONTROLLED,
    CONTROLLING,
    STATES,
    failure,
    flat,
    kinds,
    new_link,
    run_of,
    send,
    sent,
    started_link,
    starting_link,
    unconfirmed_link,
)

QUICK_TEST = Timing(t1=15, t2=10, t3=5, idletime=1000)
"""t3 below t1, so that every state lives long enough to be tested."""
PATIENT = Timing(t1=15, t2=10, t3=1000, idletime=2000)
"""No test frames and no idle time to get into the way of the other timers."""

BOTH_ROLES = pytest.mark.parametrize("role", [CONTROLLED, CONTROLLING])
ALL_STATES = pytest.mark.parametrize("name", STATES)


# Tables 4.1 and 4.2: what arrives, what is answered, where it leads, what the owner hears.

RECEIVED = {
    # 4.1, controlled station
    "controlled, stopped": [
        (STARTDT_ACT, [STARTDT_CON], State.STARTED, [Started]),
        (STOPDT_ACT, [STOPDT_CON], State.STOPPED, []),
        (TESTFR_ACT, [TESTFR_CON], State.STOPPED, []),
        (TESTFR_CON, [], State.STOPPED, [Irregular]),
        (STARTDT_CON, [], State.STOPPED, [Irregular]),
        (STOPDT_CON, [], State.STOPPED, [Irregular]),
        (i_frame(0, 0), [], State.STOPPED, [Reason.NOT_STARTED]),
        (s_frame(0), [], State.STOPPED, [Reason.NOT_STARTED]),
    ],
    "controlled, started": [
        (STARTDT_ACT, [STARTDT_CON], State.STARTED, []),
        (STOPDT_ACT, [STOPDT_CON], State.STOPPED, [Stopped]),
        (TESTFR_ACT, [TESTFR_CON], State.STARTED, []),
        (TESTFR_CON, [], State.STARTED, [Irregular]),
        (STARTDT_CON, [], State.STARTED, [Irregular]),
        (STOPDT_CON, [], State.STARTED, [Irregular]),
        (i_frame(0, 0), [], State.STARTED, [Run]),
        (s_frame(0), [], State.STARTED, []),
        (i_frame(1, 0), [], State.STARTED, [Reason.SEND_SEQUENCE]),
        (i_frame(0, 1), [], State.STARTED, [Reason.RECEIVE_SEQUENCE]),
        (s_frame(1), [], State.STARTED, [Reason.RECEIVE_SEQUENCE]),
    ],
    "controlled, unconfirmed": [
        (STARTDT_ACT, [STARTDT_CON], State.STARTED, [Started]),  # not foreseen; lenient
        (STOPDT_ACT, [], State.UNCONFIRMED, []),
        (TESTFR_ACT, [TESTFR_CON], State.UNCONFIRMED, []),
        (TESTFR_CON, [], State.UNCONFIRMED, [Irregular]),
        (STARTDT_CON, [], State.UNCONFIRMED, [Irregular]),
        (STOPDT_CON, [], State.UNCONFIRMED, [Irregular]),
        (i_frame(0, 0), [], State.UNCONFIRMED, [Reason.NOT_STARTED]),
        (i_frame(0, 1), [], State.UNCONFIRMED, [Reason.NOT_STARTED]),
        (s_frame(0), [], State.UNCONFIRMED, []),
        (s_frame(1), [STOPDT_CON], State.STOPPED, []),
        (s_frame(2), [], State.UNCONFIRMED, [Reason.RECEIVE_SEQUENCE]),
    ],
    # 4.2, controlling station
    "controlling, stopped": [
        (STARTDT_CON, [], State.STOPPED, [Irregular]),
        (STOPDT_CON, [], State.STOPPED, [Irregular]),
        (TESTFR_ACT, [TESTFR_CON], State.STOPPED, []),
        (TESTFR_CON, [], State.STOPPED, [Irregular]),
        (STARTDT_ACT, [], State.STOPPED, [Irregular]),
        (STOPDT_ACT, [], State.STOPPED, [Irregular]),
        (i_frame(0, 0), [], State.STOPPED, [Reason.NOT_STARTED]),
        (s_frame(0), [], State.STOPPED, [Reason.NOT_STARTED]),
    ],
    "controlling, starting": [
        (STARTDT_CON, [], State.STARTED, [Started]),
        (STOPDT_CON, [], State.STARTING, [Irregular]),
        (TESTFR_ACT, [TESTFR_CON], State.STARTING, []),
        (TESTFR_CON, [], State.STARTING, [Irregular]),
        (STARTDT_ACT, [], State.STARTING, [Irregular]),
        (STOPDT_ACT, [], State.STARTING, [Irregular]),
        (i_frame(0, 0), [], State.STARTING, [Reason.NOT_STARTED]),
        (s_frame(0), [], State.STARTING, [Reason.NOT_STARTED]),
    ],
    "controlling, started": [
        (STARTDT_CON, [], State.STARTED, [Irregular]),
        (STOPDT_CON, [], State.STOPPED, [Stopped]),  # not expected; lenient
        (TESTFR_ACT, [TESTFR_CON], State.STARTED, []),
        (TESTFR_CON, [], State.STARTED, [Irregular]),
        (STARTDT_ACT, [], State.STARTED, [Irregular]),
        (STOPDT_ACT, [], State.STARTED, [Irregular]),
        (i_frame(0, 0), [], State.STARTED, [Run]),
        (s_frame(0), [], State.STARTED, []),
        (i_frame(32767, 0), [], State.STARTED, [Reason.SEND_SEQUENCE]),
        (i_frame(0, 32767), [], State.STARTED, [Reason.RECEIVE_SEQUENCE]),
    ],
    "controlling, stopping, own unconfirmed": [
        (STARTDT_CON, [], State.STOPPING, [Irregular]),
        (STOPDT_CON, [], State.STOPPED, [Stopped]),
        (TESTFR_ACT, [TESTFR_CON], State.STOPPING, []),
        (TESTFR_CON, [], State.STOPPING, [Irregular]),
        (STARTDT_ACT, [], State.STOPPING, [Irregular]),
        (STOPDT_ACT, [], State.STOPPING, [Irregular]),
        (i_frame(0, 0), [S(1)], State.STOPPING, [Run]),
        (i_frame(0, 1), [S(1)], State.STOPPING, [Run]),
        (s_frame(1), [], State.STOPPING, []),
        (s_frame(2), [], State.STOPPING, [Reason.RECEIVE_SEQUENCE]),
    ],
    "controlling, stopping": [
        (STARTDT_CON, [], State.STOPPING, [Irregular]),
        (STOPDT_CON, [], State.STOPPED, [Stopped]),
        (TESTFR_ACT, [TESTFR_CON], State.STOPPING, []),
        (TESTFR_CON, [], State.STOPPING, [Irregular]),
        (STARTDT_ACT, [], State.STOPPING, [Irregular]),
        (STOPDT_ACT, [], State.STOPPING, [Irregular]),
        (i_frame(0, 0), [S(1)], State.STOPPING, [Run]),
        (s_frame(0), [], State.STOPPING, []),
        (i_frame(2, 0), [], State.STOPPING, [Reason.SEND_SEQUENCE]),
    ],
}
LINES = [(name, *line) for name, lines in RECEIVED.items() for line in lines]


@pytest.mark.parametrize(("name", "octets", "answer", "state", "events"), LINES)
def test_each_line_of_the_state_tables(name, octets, answer, state, events):
    link = STATES[name](Timing())
    assert kinds(link.receive(octets, 1.0)) == events
    assert link.state is state
    assert sent(link, 1.0) == answer
    assert link.is_failed is any(isinstance(event, Reason) for event in events)


def test_the_tables_have_a_line_for_every_state_and_u_frame():
    lines = {(name, octets) for name, octets, *_ in LINES}
    assert {(name, frame) for name in STATES for frame in U_FRAMES} <= lines
    assert {name for name, *_ in LINES} == set(STATES)


@BOTH_ROLES
def test_a_new_link_is_stopped_and_sends_nothing_by_itself(role):
    link = new_link(role)
    assert (link.state, link.vs, link.vr) == (State.STOPPED, 0, 0)
    assert send(link, 3) == []
    assert link.room == 0


@ALL_STATES
def test_asdus_go_out_in_the_started_state_only(name):
    link = STATES[name](Timing())
    n = link.vs
    assert [type(frame) for frame in send(link, 2)] == ([I, I] if "started" in name else [])
    assert link.vs == n + (2 if "started" in name else 0)


# Starting and stopping


def test_starting_is_asked_for_once_and_confirmed():
    link = new_link(CONTROLLING)
    link.start(0.0)
    assert sent(link) == [STARTDT_ACT]
    assert sent(link) == []
    assert link.receive(STARTDT_CON, 1.0) == [Started()]
    assert sent(link, 1.0) == []


def test_data_right_behind_the_startdt_con_is_welcome():
    link = starting_link()
    first, second = link.receive(STARTDT_CON + i_frame(0, 0), 0.0)
    assert (first, len(second)) == (Started(), 1)


def test_data_right_before_the_startdt_con_is_not():
    link = starting_link()
    assert kinds(link.receive(i_frame(0, 0) + STARTDT_CON, 0.0)) == [Reason.NOT_STARTED]


@pytest.mark.parametrize("name", [n for n in STATES if n != "controlling, stopped"])
def test_starting_is_refused_elsewhere(name):
    link = STATES[name](Timing())
    with pytest.raises(RuntimeError, match=f"while {link.state}"):
        link.start(0.0)
    assert sent(link) == []


@pytest.mark.parametrize("name", [n for n in STATES if n != "controlling, started"])
def test_stopping_is_refused_elsewhere(name):
    link = STATES[name](Timing())
    with pytest.raises(RuntimeError, match=f"while {link.state}"):
        link.stop(0.0)
    assert sent(link) == []


def test_waiting_asdus_go_out_with_the_start():
    link = new_link(CONTROLLED)
    send(link, 2)
    link.receive(STARTDT_ACT, 0.0)
    assert sent(link) == [STARTDT_CON, I(0, 0, ASDU), I(1, 0, ASDU)]


def test_a_repeated_startdt_leaves_the_numbers_alone():
    link = started_link(CONTROLLED)
    send(link, 2)
    link.receive(i_frames(0, 3, 0) + STARTDT_ACT, 0.0)
    assert sent(link) == [STARTDT_CON]
    assert (link.vs, link.vr, link.outstanding, link.unacknowledged) == (2, 3, 2, 3)


def test_a_new_start_leaves_the_numbers_alone():
    link = started_link(CONTROLLED)
    send(link, 1)
    link.receive(i_frame(0, 1) + STOPDT_ACT + STARTDT_ACT, 0.0)
    assert sent(link) == [S(1), STOPDT_CON, STARTDT_CON]
    assert send(link, 1) == [I(1, 1, ASDU)]
    assert flat(link.receive(i_frame(1, 2), 0.0)) == [*run_of(1).asdus()]


@pytest.mark.parametrize("cut", [False, True])
def test_a_station_acknowledges_and_then_confirms_the_stop(cut):
    link = started_link(CONTROLLED)
    if cut:
        link.receive(i_frames(0, 3, 0), 0.0)
        assert sent(link) == []
        assert link.receive(STOPDT_ACT, 0.0) == [Stopped()]
    else:
        assert kinds(link.receive(i_frames(0, 3, 0) + STOPDT_ACT, 0.0)) == [Run, Stopped]
    assert sent(link) == [S(3), STOPDT_CON]
    assert link.state is State.STOPPED


def test_a_station_with_nothing_to_acknowledge_confirms_only():
    link = started_link(CONTROLLED)
    link.receive(i_frames(0, 8, 0), 0.0)
    assert sent(link) == [S(8)]
    link.receive(STOPDT_ACT, 0.0)
    assert sent(link) == [STOPDT_CON]


def test_the_con_is_held_back_until_own_frames_are_acknowledged():
    link = started_link(CONTROLLED)
    send(link, 3)
    assert kinds(link.receive(i_frames(0, 2, 1) + STOPDT_ACT, 0.0)) == [Run, Stopped]
    assert sent(link) == [S(2)]  # once, and before the con
    assert link.state is State.UNCONFIRMED
    for nr in (1, 2, 2):
        assert link.receive(s_frame(nr), 1.0) == []
        assert sent(link, 1.0) == []
    assert link.receive(s_frame(3), 2.0) == []
    assert sent(link, 2.0) == [STOPDT_CON]
    assert link.state is State.STOPPED
    assert not link.handle_timeout(14.0)  # nothing waits for t1 any more
    assert sent(link, 14.0) == []


def test_a_stop_repeated_meanwhile_is_confirmed_once():
    link = unconfirmed_link()
    assert link.receive(STOPDT_ACT + STOPDT_ACT + s_frame(1), 0.0) == []
    assert sent(link) == [STOPDT_CON]


def test_a_start_instead_of_the_acknowledgement_starts_again():
    link = unconfirmed_link(own=2)
    assert link.receive(STARTDT_ACT, 0.0) == [Started()]
    assert sent(link) == [STARTDT_CON]
    link.receive(s_frame(2), 0.0)
    assert sent(link) == []  # the stop is forgotten
    assert send(link, 1) == [I(2, 0, ASDU)]


def test_frames_not_yet_sent_wait_for_the_next_start():
    link = started_link(CONTROLLED, Timing(k=2, w=1))
    assert len(send(link, 3)) == 2
    link.receive(STOPDT_ACT, 0.0)
    link.receive(s_frame(2), 0.0)
    assert sent(link) == [STOPDT_CON]
    link.receive(STARTDT_ACT, 0.0)
    assert sent(link) == [STARTDT_CON, I(2, 0, ASDU)]


def test_own_frames_not_acknowledged_at_the_stop_end_the_link_after_t1():
    link = unconfirmed_link(PATIENT, own=2)
    link.receive(s_frame(1), 5.0)
    assert not link.handle_timeout(14.9)
    event = failure(link.handle_timeout(15.0))
    assert (event.reason, "1" in event.detail) == (Reason.NO_ANSWER, True)


def test_a_master_acknowledges_and_then_asks_for_the_stop():
    link = started_link(CONTROLLING)
    link.receive(i_frames(0, 3, 0), 0.0)
    link.stop(0.0)
    assert sent(link) == [S(3), STOPDT_ACT]
    assert link.receive(STOPDT_CON, 0.0) == [Stopped()]
    assert link.state is State.STOPPED


def test_a_master_with_nothing_to_acknowledge_asks_only():
    link = started_link(CONTROLLING)
    link.stop(0.0)
    assert sent(link) == [STOPDT_ACT]


def test_a_stopping_master_sends_nothing_new_and_acknowledges_what_arrives():
    link = started_link(CONTROLLING)
    send(link, 1)
    link.stop(0.0)
    assert sent(link) == [STOPDT_ACT]
    assert send(link, 1) == []
    assert kinds(link.receive(i_frames(0, 2, 0) + i_frames(2, 1, 1), 0.0)) == [Run]
    assert sent(link) == [S(3)]  # one for all, so that the station can confirm
    assert (link.state, link.outstanding) == (State.STOPPING, 0)
    assert kinds(link.receive(i_frames(3, 1, 1) + STOPDT_CON, 0.0)) == [Run, Stopped]
    assert sent(link) == []  # no S frame in the stopped state


def test_both_ends_stop_with_frames_of_both_under_way():
    master, station = started_link(CONTROLLING), started_link(CONTROLLED)
    for link in (master, station):
        link.send(run_of(2), ADDRESS)
    to_station, to_master = master.data_to_send(0.0), station.data_to_send(0.0)
    master.stop(0.0)
    to_station += master.data_to_send(0.0)
    assert kinds(station.receive(to_station, 0.0)) == [Run, Stopped]
    to_master += station.data_to_send(0.0)
    assert read(to_master) == [I(0, 0, ASDU), I(1, 0, ASDU), S(2)]
    assert kinds(master.receive(to_master, 0.0)) == [Run]
    assert kinds(station.receive(master.data_to_send(0.0), 0.0)) == []
    assert master.receive(station.data_to_send(0.0), 0.0) == [Stopped()]
    assert master.state is station.state is State.STOPPED
    assert master.outstanding == station.outstanding == 0
    assert master.unacknowledged == station.unacknowledged == 0


# Table 4.2, PENDING UNCONFIRMED STOPPED: on STOPDT con the own outstanding frames are failed, which
# means that nothing waits for their acknowledgement: no S frame can carry it to a stopped link.
@pytest.mark.parametrize("asked_for", [True, False])
def test_own_frames_unacknowledged_at_the_stopdt_con_do_not_end_the_link(asked_for):
    link = started_link(CONTROLLING, PATIENT)
    send(link, 2)
    if asked_for:
        link.stop(1.0)
        sent(link, 1.0)
    assert link.receive(STOPDT_CON, 2.0) == [Stopped()]
    assert not link.handle_timeout(100.0)
    assert link.due > 100.0
    link.start(100.0)
    link.data_to_send(100.0)
    assert not link.handle_timeout(101.0)
    assert link.receive(STARTDT_CON, 101.0) == [Started()]
    assert link.receive(s_frame(2), 101.0) == []  # numbers were never reset
    assert send(link, 1, 101.0) == [I(2, 0, ASDU)]


def test_after_the_next_start_their_acknowledgement_is_waited_for_again():
    link = started_link(CONTROLLING, PATIENT)
    send(link, 2)
    link.receive(STOPDT_CON, 2.0)
    link.handle_timeout(100.0)
    link.start(100.0)
    link.data_to_send(100.0)
    link.receive(STARTDT_CON, 101.0)
    assert link.due <= 116.0
    assert not link.handle_timeout(115.9)
    assert failure(link.handle_timeout(116.0)).reason is Reason.NO_ANSWER


# Section 3: the timer of an I frame starts when it is sent, and an acknowledgement alone moves it.
@pytest.mark.parametrize("frame", [STARTDT_ACT, STOPDT_ACT, STOPDT_ACT + STARTDT_ACT])
def test_starting_and_stopping_do_not_prolong_the_t1_of_a_station(frame):
    link = started_link(CONTROLLED, PATIENT)
    send(link, 1, 0.0)
    for now in (5.0, 10.0, 14.0):
        link.receive(frame, now)
        sent(link, now)
        assert not link.handle_timeout(now)
    assert failure(link.handle_timeout(15.0)).reason is Reason.NO_ANSWER


# TESTFR and t3


@ALL_STATES
def test_a_test_is_answered_in_every_state(name):
    link = STATES[name](Timing())
    assert link.receive(TESTFR_ACT, 0.0) == []
    assert sent(link) == [TESTFR_CON]


@ALL_STATES
def test_silence_is_probed_after_t3_in_every_state(name):
    link = STATES[name](QUICK_TEST)
    assert link.due <= 5.0
    assert not link.handle_timeout(4.9)
    assert sent(link, 4.9) == []
    assert not link.handle_timeout(5.0)
    assert sent(link, 5.0) == [TESTFR_ACT]
    assert not link.handle_timeout(9.9)
    assert sent(link, 9.9) == []  # no second one before the con
    assert link.receive(TESTFR_CON, 9.9) == [ConfirmedTest()]
    assert not link.handle_timeout(14.8)
    assert sent(link, 14.8) == []
    assert not link.handle_timeout(14.9)  # TESTFR con has restarted t3 as every frame does
    assert sent(link, 14.9) == [TESTFR_ACT]


@BOTH_ROLES
def test_silence_is_probed_after_t3_and_ends_the_link_after_t1(role):
    link = started_link(role)
    link.handle_timeout(20.0)
    assert sent(link, 20.0) == [TESTFR_ACT]
    assert not link.handle_timeout(34.9)
    event = failure(link.handle_timeout(35.0))
    assert event.reason is Reason.NO_ANSWER
    assert "TESTFR" in event.detail


@ALL_STATES
def test_a_test_can_be_asked_for_in_every_state_once_at_a_time(name):
    link = STATES[name](Timing())
    link.test(1.0)
    link.test(2.0)
    assert sent(link, 2.0) == [TESTFR_ACT]
    link.test(3.0)
    assert sent(link, 3.0) == []
    assert link.receive(TESTFR_CON, 4.0) == [ConfirmedTest()]
    link.test(5.0)
    assert sent(link, 5.0) == [TESTFR_ACT]


@ALL_STATES
def test_crossing_tests_are_both_answered(name):
    link = STATES[name](Timing())
    link.test(0.0)
    assert sent(link) == [TESTFR_ACT]
    assert link.receive(TESTFR_ACT, 0.0) == []
    assert sent(link) == [TESTFR_CON]
    assert link.receive(TESTFR_CON, 0.0) == [ConfirmedTest()]
    assert sent(link) == []


EVERY_FORMAT = [i_frame(0, 0), s_frame(0), TESTFR_ACT, TESTFR_CON, STARTDT_ACT, STARTDT_CON]


@pytest.mark.parametrize("octets", EVERY_FORMAT)
def test_every_received_frame_restarts_t3(octets):
    link = started_link(CONTROLLED, Timing(t1=15, t2=10, t3=20, idletime=100))
    link.receive(octets, 12.0)
    sent(link, 12.0)
    link.handle_timeout(31.9)
    assert TESTFR_ACT not in sent(link, 31.9)
    link.handle_timeout(32.0)
    assert TESTFR_ACT in sent(link, 32.0)


def test_sending_does_not_restart_t3():
    link = started_link(CONTROLLED)
    send(link, 1, 10.0)
    link.handle_timeout(20.0)
    assert sent(link, 20.0) == [TESTFR_ACT]


def test_octets_that_complete_no_frame_do_not_restart_t3():
    link = started_link(CONTROLLED)
    link.receive(TESTFR_ACT[:5], 10.0)
    link.handle_timeout(20.0)
    assert sent(link, 20.0) == [TESTFR_ACT]


def test_the_answer_to_a_test_goes_ahead_of_queued_frames():
    link = started_link(CONTROLLED)
    link.send(run_of(2), ADDRESS)
    link.receive(TESTFR_ACT, 0.0)
    assert sent(link) == [TESTFR_CON, I(0, 0, ASDU), I(1, 0, ASDU)]


def test_every_test_of_one_read_is_answered():
    link = started_link(CONTROLLED)
    link.receive(TESTFR_ACT * 3, 0.0)
    assert sent(link) == [TESTFR_CON] * 3


# t1


def test_an_i_frame_not_acknowledged_within_t1_ends_the_link():
    link = started_link(CONTROLLED, PATIENT, vs=77)
    send(link, 1, 2.0)
    assert link.due <= 17.0
    assert not link.handle_timeout(16.9)
    event = failure(link.handle_timeout(17.0))
    assert event.reason is Reason.NO_ANSWER
    assert "77" in event.detail
    assert "15 s" in event.detail


def test_t1_runs_for_each_i_frame_from_its_own_sending():
    link = started_link(CONTROLLED, PATIENT)
    send(link, 1, 0.0)
    send(link, 1, 5.0)
    send(link, 1, 9.0)
    link.receive(s_frame(1), 14.0)
    assert not link.handle_timeout(19.9)
    link.receive(s_frame(2), 19.9)
    assert not link.handle_timeout(23.9)
    assert link.due <= 24.0
    assert failure(link.handle_timeout(24.0)).reason is Reason.NO_ANSWER


@pytest.mark.parametrize("octets", [s_frame(2), i_frame(0, 2)])
def test_t1_stops_when_everything_is_acknowledged(octets):
    link = started_link(CONTROLLED, PATIENT)
    send(link, 2, 0.0)
    link.receive(octets, 14.0)
    assert not link.handle_timeout(23.9)
    assert link.due == (24.0 if octets == i_frame(0, 2) else 1014.0)
    assert not link.handle_timeout(500.0)


def test_an_acknowledgement_of_nothing_new_does_not_stop_t1():
    link = started_link(CONTROLLED, PATIENT)
    send(link, 1, 0.0)
    for now in range(1, 15):
        link.receive(s_frame(0), now)
    assert failure(link.handle_timeout(15.0)).reason is Reason.NO_ANSWER


def test_queued_frames_have_no_t1_until_they_are_sent():
    link = started_link(CONTROLLED, Timing(t1=15, t2=10, t3=1000, k=1, w=1, idletime=2000))
    send(link, 2, 0.0)
    link.receive(s_frame(1), 10.0)
    assert sent(link, 10.0) == [I(1, 0, ASDU)]
    assert not link.handle_timeout(24.9)
    assert failure(link.handle_timeout(25.0)).reason is Reason.NO_ANSWER


def asked(link, act):
    {STARTDT_ACT: lambda: link.start(0.0), STOPDT_ACT: lambda: link.stop(0.0)}.get(
        act, lambda: link.test(0.0)
    )()
    assert sent(link) == [act]
    return link


ACTS = [
    (CONTROLLING, STARTDT_ACT, STARTDT_CON, "STARTDT", [TESTFR_ACT, TESTFR_CON, STOPDT_CON]),
    (
        CONTROLLING, STOPDT_ACT, STOPDT_CON, "STOPDT",
        [TESTFR_ACT, TESTFR_CON, STARTDT_CON, i_frame(0, 0), s_frame(0)],
    ),
    (
        CONTROLLING, TESTFR_ACT, TESTFR_CON, "TESTFR",
        [TESTFR_ACT, STARTDT_CON, STOPDT_CON, i_frame(0, 0), s_frame(0)],
    ),
    (
        CONTROLLED, TESTFR_ACT, TESTFR_CON, "TESTFR",
        [TESTFR_ACT, STARTDT_ACT, STOPDT_ACT, i_frame(0, 0), s_frame(0)],
    ),
]  # fmt: skip


def asking_link(role, act):
    if act == STARTDT_ACT:
        return asked(new_link(role, PATIENT), act)
    link = started_link(role, PATIENT)
    link.handle_timeout(0.0)
    assert link.due > 15.0  # the start is long forgotten
    return asked(link, act)


@pytest.mark.parametrize(("role", "act", "con", "name", "others"), ACTS)
def test_an_act_without_its_con_ends_the_link_after_t1(role, act, con, name, others):
    link = asking_link(role, act)
    assert link.due <= 15.0
    assert not link.handle_timeout(14.9)
    assert link.due == 15.0
    event = failure(link.handle_timeout(15.0))
    assert (event.reason, event.detail) == (Reason.NO_ANSWER, f"no {name} con within 15 s")


@pytest.mark.parametrize(("role", "act", "con", "name", "others"), ACTS)
def test_its_con_stops_the_t1_of_an_act(role, act, con, name, others):
    link = asking_link(role, act)
    link.receive(con, 14.0)
    assert not link.handle_timeout(500.0)


@pytest.mark.parametrize(
    ("role", "act", "name", "other"),
    [(role, act, name, other) for role, act, _, name, others in ACTS for other in others],
)
def test_no_other_frame_stops_the_t1_of_an_act(role, act, name, other):
    link = asking_link(role, act)
    link.receive(other, 14.0)
    assert not link.is_failed
    sent(link, 14.0)
    event = failure(link.handle_timeout(15.0))
    assert (event.reason, name in event.detail) == (Reason.NO_ANSWER, True)


# t2 and w: acknowledging


def test_received_frames_are_acknowledged_after_t2():
    link = started_link(CONTROLLING)
    link.receive(i_frame(0, 0), 3.0)
    assert link.due <= 13.0
    assert not link.handle_timeout(12.9)
    assert sent(link, 12.9) == []
    assert not link.handle_timeout(13.0)
    assert sent(link, 13.0) == [S(1)]
    assert sent(link, 13.0) == []


def test_t2_runs_from_the_first_frame_and_is_not_restarted():
    link = started_link(CONTROLLING)
    for n in range(5):
        link.receive(i_frame(n, 0), 3.0 + n)
    link.handle_timeout(12.9)
    assert sent(link, 12.9) == []
    link.handle_timeout(13.0)
    assert sent(link, 13.0) == [S(5)]


@pytest.mark.parametrize("by", ["w", "t2", "i_frame"])
def test_t2_starts_anew_after_an_acknowledgement(by):
    link = started_link(CONTROLLING)
    if by == "w":
        link.receive(i_frames(0, 8, 0), 0.0)
        assert sent(link) == [S(8)]
    elif by == "t2":
        link.receive(i_frames(0, 7, 0), -5.0)
        link.handle_timeout(5.0)
        assert sent(link, 5.0) == [S(7)]
        link.receive(i_frame(7, 0), 5.0)
        link.receive(i_frames(8, 7, 0), 5.0)
        assert sent(link, 5.0) == [S(15)]
        return
    else:
        link.receive(i_frames(0, 5, 0), 0.0)
        assert send(link, 1) == [I(0, 5, ASDU)]
        link.receive(i_frames(5, 3, 1), 0.0)
    n = link.vr
    link.receive(i_frame(n, link.vs), 6.0)
    assert sent(link, 6.0) == []
    link.handle_timeout(9.9)
    assert sent(link, 9.9) == []
    link.handle_timeout(16.0)
    assert sent(link, 16.0) == [S(n + 1)]


def test_w_frames_are_acknowledged_at_once():
    link = started_link(CONTROLLING)
    link.receive(i_frames(0, 7, 0), 0.0)
    assert sent(link) == []
    link.receive(i_frame(7, 0), 1.0)
    assert sent(link, 1.0) == [S(8)]
    assert link.unacknowledged == 0


def test_a_large_read_is_acknowledged_by_one_s_frame():
    link = started_link(CONTROLLING)
    (run,) = link.receive(i_frames(0, 100, 0), 0.0)
    assert len(run) == 100
    assert sent(link) == [S(100)]


def test_an_outgoing_i_frame_carries_the_acknowledgement():
    link = started_link(CONTROLLING)
    link.receive(i_frames(0, 20, 0), 0.0)
    assert send(link, 2) == [I(0, 20, ASDU), I(1, 20, ASDU)]
    link.receive(s_frame(2), 1.0)
    assert not link.handle_timeout(19.9)
    assert sent(link, 19.9) == []  # nothing left for t2


def test_a_full_window_leaves_the_acknowledgement_to_an_s_frame():
    link = started_link(CONTROLLING, Timing(k=8, w=8))
    send(link, 9)
    link.receive(i_frames(0, 8, 0), 0.0)
    assert sent(link) == [S(8)]


@pytest.mark.parametrize("name", ["controlled, stopped", "controlling, stopped"])
def test_no_s_frame_is_sent_in_the_stopped_state(name):
    link = STATES[name](Timing())
    link.vr = 9  # nine received before the stop, which the peer confirmed too early
    link.handle_timeout(15.0)
    assert sent(link, 15.0) == []


def test_what_was_left_unacknowledged_by_a_hasty_con_is_acknowledged_after_the_next_start():
    link = started_link(CONTROLLING)
    link.stop(0.0)
    link.receive(i_frame(0, 0) + STOPDT_CON, 0.0)
    assert sent(link) == [STOPDT_ACT]
    link.handle_timeout(11.0)
    assert sent(link, 11.0) == []
    link.start(12.0)
    assert sent(link, 12.0) == [STARTDT_ACT]
    link.receive(STARTDT_CON, 12.0)
    assert sent(link, 12.0) == [S(1)]
    assert sent(link, 12.0) == []


# The window


def test_at_most_k_frames_are_outstanding():
    link = started_link(CONTROLLED)
    assert link.room == 12
    assert [frame.ns for frame in send(link, 30)] == list(range(12))
    assert (link.outstanding, link.room, link.outbox.waiting) == (12, 0, 18)
    assert sent(link) == []
    link.receive(s_frame(5), 0.0)
    assert [frame.ns for frame in sent(link)] == [12, 13, 14, 15, 16]
    link.receive(i_frame(0, 17), 0.0)
    assert [frame.ns for frame in sent(link)] == list(range(17, 29))
    link.receive(s_frame(29), 0.0)
    assert [frame.ns for frame in sent(link)] == [29]
    assert link.room == 11


def test_nothing_is_sent_twice():
    link = started_link(CONTROLLED)
    assert send(link, 2) == [I(0, 0, ASDU), I(1, 0, ASDU)]
    assert sent(link) == []
    link.receive(i_frames(0, 8, 2), 0.0)
    assert sent(link) == [S(8)]
    assert sent(link) == []
    link.receive(TESTFR_ACT, 0.0)
    assert sent(link) == [TESTFR_CON]
    assert sent(link) == []


def test_room_counts_what_waits_as_well():
    link = started_link(CONTROLLED)
    link.send(run_of(5), ADDRESS)
    assert link.room == 7
    link.send(run_of(20), ADDRESS)
    assert link.room == 0


def test_several_runs_go_out_together_each_with_its_address():
    link = started_link(CONTROLLED)
    link.send(run_of(1), ADDRESS)
    link.send(run_of(2), 0x123456)
    frames = sent(link)
    assert [frame.ns for frame in frames] == [0, 1, 2]
    assert [frame.asdu[3:6].hex() for frame in frames] == ["000100", "563412", "563412"]


def test_the_largest_window_is_used_to_its_end():
    link = started_link(CONTROLLED, Timing(k=32767, w=1), vs=20000)
    assert len(split(link.data_to_send(0.0))) == 0
    link.send(run_of(32768), ADDRESS)
    assert len(split(link.data_to_send(0.0))) == 32767
    assert link.outstanding == 32767
    assert link.receive(s_frame((20000 + 32767) % 32768), 0.0) == []
    assert link.outstanding == 0
    assert len(sent(link)) == 1


def test_a_peer_that_is_too_far_behind_is_told_by_the_level():
    link = new_link(CONTROLLED, capacity=4)
    levels = [link.send(run_of(2), ADDRESS) for _ in range(3)]
    assert levels == [Level.OK, Level.HALF, Level.FULL]


def test_a_w_above_the_k_of_the_peer_makes_it_wait_for_t2():
    master, station = started_link(CONTROLLING), started_link(CONTROLLED, Timing(k=4, w=4))
    station.send(run_of(10), ADDRESS)
    acknowledged = []
    for now in range(25):
        for link in (master, station):
            assert not link.handle_timeout(float(now))
        master.receive(station.data_to_send(float(now)), float(now))
        answer = sent(master, float(now))
        acknowledged += [(now, frame.nr) for frame in answer if isinstance(frame, S)]
        for frame in answer:
            station.receive(s_frame(frame.nr), float(now))
    assert acknowledged == [(10, 4), (21, 8)]


@pytest.mark.parametrize("octets", [s_frame(2), i_frame(0, 2), i_frame(0, 2) + TESTFR_ACT])
def test_when_the_peer_last_acknowledged_something_is_known(octets):
    link = started_link(CONTROLLED)
    assert link.acknowledged_at == -NEVER
    send(link, 3)
    link.receive(s_frame(0) + TESTFR_ACT, 1.0)
    assert link.acknowledged_at == -NEVER
    link.receive(octets, 2.0)
    assert link.acknowledged_at == 2.0
    link.receive(s_frame(2), 3.0)
    link.receive(TESTFR_ACT, 4.0)
    assert link.acknowledged_at == 2.0
    link.receive(s_frame(3) + TESTFR_ACT[:3], 5.0)
    assert link.acknowledged_at == 5.0


# Sequence numbers


def test_numbers_wrap_round_in_both_directions():
    link = started_link(CONTROLLED, vs=32766, vr=32766)
    (run,) = link.receive(i_frames(32766, 4, 32766), 0.0)
    assert len(run) == 4
    assert link.vr == 2
    assert send(link, 4) == [I(ns, 2, ASDU) for ns in (32766, 32767, 0, 1)]
    assert link.vs == 2
    assert link.receive(s_frame(32767), 0.0) == []
    assert link.outstanding == 3
    assert link.receive(i_frame(2, 1), 0.0) == [run_of(1)]
    assert link.outstanding == 1


@pytest.mark.parametrize(
    ("vr", "ns"),
    [(0, 1), (0, 32767), (5, 4), (5, 6), (5, 5 + 16384), (32767, 0), (32767, 32766), (32766, 0)],
)
@BOTH_ROLES
def test_a_gap_or_a_repetition_in_ns_closes_the_link(role, vr, ns):
    link = started_link(role, vr=vr)
    event = failure(link.receive(i_frame(ns, 0), 0.0))
    assert event.reason is Reason.SEND_SEQUENCE
    assert event.detail == f"N(S) {ns} received, {vr} expected"
    assert link.vr == vr


def test_the_frames_before_a_gap_are_delivered():
    link = started_link(CONTROLLED)
    run, event = link.receive(i_frames(0, 3, 0) + i_frame(4, 0) + i_frame(5, 0), 0.0)
    assert len(run) == 3
    assert event.reason is Reason.SEND_SEQUENCE


@pytest.mark.parametrize("by_s", [True, False])
@pytest.mark.parametrize(
    ("nr", "left"), [(32760, 13), (32761, 12), (32767, 6), (0, 5), (1, 4), (4, 1), (5, 0)]
)
def test_nr_within_what_was_sent_opens_the_window(nr, left, by_s):
    link = started_link(CONTROLLED, Timing(k=20), vs=32760)
    send(link, 13)
    link.receive(s_frame(nr) if by_s else i_frame(0, nr), 0.0)
    assert not link.is_failed
    assert link.outstanding == left


@pytest.mark.parametrize("by_s", [True, False])
@pytest.mark.parametrize("nr", [32759, 32000, 16384, 100, 6])
def test_nr_outside_what_was_sent_closes_the_link(nr, by_s):
    link = started_link(CONTROLLED, Timing(k=20), vs=32760)
    send(link, 13)
    event = failure(link.receive(s_frame(nr) if by_s else i_frame(0, nr), 0.0))
    assert event.reason is Reason.RECEIVE_SEQUENCE
    assert event.detail == f"N(R) {nr} received, 32760 to 5 possible"
    assert link.outstanding == 13


def test_nr_does_not_go_back():
    link = started_link(CONTROLLED)
    send(link, 5)
    link.receive(s_frame(3), 0.0)
    assert failure(link.receive(i_frame(0, 2), 0.0)).reason is Reason.RECEIVE_SEQUENCE


@pytest.mark.parametrize("first", [s_frame(3), i_frame(0, 3)])
def test_nr_does_not_go_back_within_one_read(first):
    link = started_link(CONTROLLED)
    send(link, 5)
    ns = 1 if first == i_frame(0, 3) else 0
    event = failure(link.receive(first + i_frame(ns, 0), 0.0))
    assert event.detail == "N(R) 0 received, 3 to 5 possible"


def test_nr_is_checked_before_ns():
    link = started_link(CONTROLLED)
    assert failure(link.receive(i_frame(5, 5), 0.0)).reason is Reason.RECEIVE_SEQUENCE


def test_each_i_frame_of_a_read_may_acknowledge_more():
    link = started_link(CONTROLLED)
    send(link, 4)
    data = i_frame(0, 1) + i_frame(1, 1) + i_frame(2, 3) + i_frame(3, 3)
    assert kinds(link.receive(data, 0.0)) == [Run]
    assert link.outstanding == 1


def test_frames_before_and_after_another_format_are_two_runs():
    link = started_link(CONTROLLED)
    data = i_frames(0, 2, 0) + TESTFR_ACT + i_frames(2, 1, 0) + s_frame(0) + i_frames(3, 3, 0)
    assert [len(run) for run in link.receive(data, 0.0)] == [2, 1, 3]
    assert link.vr == 6


# Close reasons that have no timer; the vectors of the APCI have the rest


WRONG = [
    ("00", Reason.BAD_START, "00 hex"),
    ("16 03", Reason.BAD_START, "16 hex"),
    ("68 03", Reason.BAD_LENGTH, "3 is outside 4..253"),
    ("68 fe", Reason.BAD_LENGTH, "254 is outside 4..253"),
    ("68 ff 00 00 00 00", Reason.BAD_LENGTH, "255 is outside 4..253"),
    ("68 04 03 00 00 00", Reason.BAD_FORMAT, "unknown U function 03 hex"),
    ("68 04 ff 00 00 00", Reason.BAD_FORMAT, "unknown U function ff hex"),
    ("68 04 0f 00 00 00", Reason.BAD_FORMAT, "unknown U function 0f hex"),
    ("68 05 07 00 00 00", Reason.BAD_LENGTH, "5 in a U frame"),
    ("68 fd 01 00 00 00", Reason.BAD_LENGTH, "253 in an S frame"),
    ("68 04 00 00 00 00", Reason.SHORT_ASDU, "0 octets"),
    ("68 09 00 00 00 00", Reason.SHORT_ASDU, "5 octets"),
]


@pytest.mark.parametrize(("octets", "reason", "detail"), WRONG)
@pytest.mark.parametrize("before", [b"", TESTFR_ACT, i_frame(0, 0)])
def test_octets_that_are_no_frame_close_the_link_as_soon_as_they_are_there(
    octets, reason, detail, before
):
    link = started_link(CONTROLLED)
    *events, event = link.receive(before + bytes.fromhex(octets), 0.0)
    assert kinds(events) == ([Run] if before == i_frame(0, 0) else [])
    assert (event.reason, event.detail) == (reason, detail)


@pytest.mark.parametrize("reserved", [0x0000, 0xFF00])
@pytest.mark.parametrize("octet", range(256))
def test_the_first_control_octet_is_taken_at_its_exact_value(octet, reserved):
    link = started_link(CONTROLLED)
    data = bytes((0x68, 4, octet, reserved >> 8, 0, 0))
    known = {frame[2] for frame in U_FRAMES}
    events = link.receive(data, 0.0)
    if octet % 2 == 0:
        assert kinds(events) == [Reason.SHORT_ASDU]
    elif octet % 4 == 1:
        odd = octet != 1 or reserved
        assert kinds(events) == ([Irregular] if odd else [])
    else:
        assert (kinds(events) == [Reason.BAD_FORMAT]) is (octet not in known)


@pytest.mark.parametrize("name", [n for n in STATES if "started" not in n])
def test_data_while_stopped_is_told_with_its_numbers(name):
    link = STATES[name](Timing())
    if link.state is State.STOPPING:
        return
    event = failure(link.receive(i_frame(7, 9), 0.0))
    assert event.detail == f"I-frame 7/9 while {link.state}"


def test_an_s_frame_while_stopped_is_told_with_its_number():
    event = failure(new_link(CONTROLLED).receive(s_frame(9), 0.0))
    assert event.detail == "S frame with N(R) 9 while stopped"


def test_a_failure_reads_as_a_sentence():
    assert str(LinkFailed(Reason.BAD_START, "00 hex")) == "bad start octet: 00 hex"
    assert str(LinkFailed(Reason.IDLE, "")) == "nothing received for idletime"


@pytest.mark.parametrize("second", [1, 0])
def test_the_reserved_bit_of_nr_in_an_i_frame_is_tolerated(second):
    link = started_link(CONTROLLED)
    send(link, 1)
    odd = bytearray(i_frame(0, 1) + i_frame(1, 1))
    odd[4] |= 1
    odd[16 + 4] |= second
    events = link.receive(bytes(odd), 0.0)
    assert sum(len(event) for event in events if isinstance(event, Run)) == 2
    assert (link.vr, link.outstanding) == (2, 0)


def test_oddities_are_said_once_per_link():
    link = started_link(CONTROLLED)
    first = link.receive(STARTDT_CON, 0.0)
    assert first == [Irregular("STARTDT_CON while started")]
    for odd in (STARTDT_CON, TESTFR_CON, bytes.fromhex("680405000000"), STOPDT_CON):
        assert link.receive(odd, 0.0) == []


# idletime and fragments


@ALL_STATES
def test_hearing_nothing_for_idletime_closes_the_link(name):
    link = STATES[name](Timing(t1=200, t2=10, t3=20, idletime=60))
    assert not link.handle_timeout(59.9)
    event = failure(link.handle_timeout(60.0))
    assert (event.reason, event.detail) == (Reason.IDLE, "60 s")


def test_every_frame_starts_idletime_anew():
    link = new_link(CONTROLLED, Timing(t1=200, t3=100))
    link.receive(TESTFR_ACT, 50.0)
    assert not link.handle_timeout(109.9)
    assert failure(link.handle_timeout(110.0)).reason is Reason.IDLE


def test_octets_that_complete_no_frame_do_not_count_as_heard():
    link = started_link(CONTROLLED, Timing(t1=200, t3=100))
    link.receive(i_frame(0, 0)[:3], 50.0)
    assert failure(link.handle_timeout(60.0)).reason is Reason.IDLE


def test_a_fragment_that_stays_one_for_t1_closes_the_link():
    link = started_link(CONTROLLED, PATIENT)
    link.receive(i_frame(0, 0)[:9], 3.0)
    assert link.due <= 18.0
    assert not link.handle_timeout(17.9)
    event = failure(link.handle_timeout(18.0))
    assert (event.reason, event.detail) == (Reason.FRAGMENT, "9 octets for 15 s")


def test_more_octets_of_the_same_frame_do_not_prolong_its_time():
    link = started_link(CONTROLLED, PATIENT)
    for at, octet in enumerate(i_frame(0, 0)[:-1]):
        link.receive(bytes((octet,)), float(at))
    link.receive(b"", 14.9)
    assert failure(link.handle_timeout(15.0)).reason is Reason.FRAGMENT


def test_the_end_of_one_frame_and_the_start_of_the_next_begin_the_time_anew():
    link = started_link(CONTROLLED, PATIENT)
    data = i_frames(0, 2, 0)
    link.receive(data[:10], 0.0)
    link.receive(data[10:20], 10.0)
    assert not link.handle_timeout(24.9)
    assert failure(link.handle_timeout(25.0)).reason is Reason.FRAGMENT


def test_a_completed_fragment_is_forgotten():
    link = started_link(CONTROLLED, PATIENT)
    link.receive(i_frame(0, 0)[:9], 0.0)
    assert kinds(link.receive(i_frame(0, 0)[9:], 14.9)) == [Run]
    assert not link.handle_timeout(24.0)


# hold_acks: the brake


def test_held_acknowledgements_stay_back_and_go_out_when_released():
    link = started_link(CONTROLLING)
    link.hold_acks = True
    link.receive(i_frames(0, 20, 0), 0.0)
    assert sent(link) == []
    assert send(link, 1) == [I(0, 0, ASDU)]  # nor does an I frame carry it
    assert link.unacknowledged == 20
    link.hold_acks = False
    assert sent(link) == [S(20)]


def test_held_acknowledgements_go_with_the_next_i_frame_when_released():
    link = started_link(CONTROLLING)
    link.hold_acks = True
    link.receive(i_frames(0, 2, 0), 0.0)
    link.hold_acks = False
    assert send(link, 1) == [I(0, 2, ASDU)]


@pytest.mark.parametrize("n", [0, 1])
def test_t2_forces_held_acknowledgements(n):
    link = started_link(CONTROLLING)
    link.hold_acks = True
    link.receive(i_frames(0, 20, 0), 3.0)
    link.handle_timeout(12.9)
    assert sent(link, 12.9) == []
    link.handle_timeout(13.0)
    assert send(link, n, 13.0) == ([I(0, 20, ASDU)] if n else [S(20)])
    link.receive(i_frames(20, 20, link.vs), 14.0)
    assert sent(link, 14.0) == []  # held again, until t2 again
    link.handle_timeout(24.0)
    assert sent(link, 24.0) == [S(40)]


def test_an_i_frame_that_acknowledges_nothing_new_does_not_stop_t2():
    link = started_link(CONTROLLING)
    link.hold_acks = True
    link.receive(i_frames(0, 3, 0), 3.0)
    assert send(link, 1, 4.0) == [I(0, 0, ASDU)]
    assert link.due <= 13.0
    link.handle_timeout(13.0)
    assert sent(link, 13.0) == [S(3)]


def test_holding_keeps_back_only_what_is_new():
    link = started_link(CONTROLLING)
    link.receive(i_frames(0, 8, 0), 0.0)
    assert sent(link) == [S(8)]
    link.hold_acks = True
    link.receive(i_frames(8, 9, 0), 0.0)
    assert send(link, 1) == [I(0, 8, ASDU)]
    assert link.unacknowledged == 9


def test_a_stop_acknowledges_whatever_is_held():
    link = started_link(CONTROLLED)
    link.hold_acks = True
    link.receive(i_frames(0, 9, 0) + STOPDT_ACT, 0.0)
    assert sent(link) == [S(9), STOPDT_CON]


# hold_sending: the transport takes no more


def test_nothing_goes_out_while_the_transport_is_stuck():
    link = started_link(CONTROLLED)
    link.hold_sending(0.0)
    assert link.room == 0
    link.receive(i_frames(0, 8, 0) + TESTFR_ACT, 0.0)
    assert send(link, 2) == []
    assert link.outstanding == 0
    link.resume_sending()
    assert link.room == 10
    assert sent(link) == [TESTFR_CON, I(0, 8, ASDU), I(1, 8, ASDU)]


def test_a_transport_that_is_stuck_for_t1_closes_the_link():
    link = started_link(CONTROLLED, PATIENT)
    link.hold_sending(4.0)
    assert link.due <= 19.0
    link.hold_sending(10.0)  # said again: still stuck since 4
    assert not link.handle_timeout(18.9)
    event = failure(link.handle_timeout(19.0))
    assert (event.reason, event.detail) == (Reason.STALLED, "15 s")


def test_a_transport_that_moves_again_is_not_stuck():
    link = started_link(CONTROLLED, PATIENT)
    link.hold_sending(0.0)
    link.resume_sending()
    link.hold_sending(14.0)
    assert not link.handle_timeout(28.9)
    assert failure(link.handle_timeout(29.0)).reason is Reason.STALLED


def test_frames_sent_after_the_pause_have_their_t1_from_then_on():
    link = started_link(CONTROLLED, PATIENT)
    link.hold_sending(0.0)
    send(link, 1, 0.0)
    link.resume_sending()
    assert len(sent(link, 14.0)) == 1
    assert not link.handle_timeout(28.9)
    assert failure(link.handle_timeout(29.0)).reason is Reason.NO_ANSWER


def octets_held(link):
    """The memory of what a link keeps to send and of what it has received in part."""
    return sum(sys.getsizeof(item) for item in (*link._control, link._control, link.fragment))


FLOODS = {
    "tests": TESTFR_ACT,
    "starts": STARTDT_ACT,
    "stops and starts": STOPDT_ACT + STARTDT_ACT,
    "oddities": STARTDT_CON + TESTFR_CON,
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_a_peer_that_floods_and_does_not_read_fills_no_memory(flood):
    link = started_link(CONTROLLED)
    link.hold_sending(0.0)
    link.receive(flood * 10, 0.0)
    before = octets_held(link)
    for _ in range(100):
        assert kinds(link.receive(flood * 20, 1.0)).count(Run) == 0
        assert link.data_to_send(1.0) == b""
    assert octets_held(link) == before
    assert not link.handle_timeout(14.9)
    assert failure(link.handle_timeout(15.0)).reason is Reason.STALLED


# Every STOPDT act that finds something unacknowledged asks for an S frame before its con: a peer
# that repeats start, data and stop without reading must not make the link keep one for each.
def test_a_peer_that_starts_sends_and_stops_without_reading_fills_no_memory():
    link = started_link(CONTROLLED)
    link.hold_sending(0.0)
    sizes = []
    for n in range(2000):
        link.receive(i_frame(n, 0) + STOPDT_ACT + STARTDT_ACT, 1.0)
        assert link.data_to_send(1.0) == b""
        sizes.append(octets_held(link))
    assert sizes[-1] < 2 * sizes[100]


# While sending is held the answers pile up in the order of their questions: the last frame the
# peer reads must tell the state the link is really in.
def test_the_last_answer_after_a_pause_tells_the_state_the_link_is_in():
    link = started_link(CONTROLLED)
    link.hold_sending(0.0)
    link.receive(STOPDT_ACT, 0.0)
    link.receive(STARTDT_ACT, 0.0)
    link.receive(STOPDT_ACT, 0.0)
    assert link.state is State.STOPPED
    link.resume_sending()
    assert sent(link)[-1] == STOPDT_CON


# due


def test_due_is_the_next_deadline_of_all():
    timing = Timing(t1=15, t2=10, t3=20, idletime=60)
    link = started_link(CONTROLLED, timing)
    link.handle_timeout(0.0)
    assert link.due == 20.0
    link.receive(i_frame(0, 0), 2.0)
    link.handle_timeout(2.0)
    assert link.due == 12.0  # t2
    send(link, 1, 2.0)
    link.handle_timeout(3.0)
    assert link.due == 17.0  # t1 of the I frame; its N(R) has stopped t2
    link.receive(s_frame(1), 4.0)
    link.handle_timeout(4.0)
    assert link.due == 24.0  # t3
    link.receive(TESTFR_ACT[:2], 5.0)
    link.handle_timeout(5.0)
    assert link.due == 20.0  # the fragment
    link.receive(TESTFR_ACT[2:], 6.0)
    link.hold_sending(7.0)
    link.handle_timeout(7.0)
    assert link.due == 22.0  # the pause
    link.resume_sending()
    link.handle_timeout(26.0)  # t3 has passed: TESTFR
    assert link.due == 41.0
    link.receive(TESTFR_CON, 27.0)
    link.handle_timeout(27.0)
    assert link.due == 47.0


def test_due_without_test_frames_is_the_idle_time():
    link = new_link(CONTROLLED, Timing(t1=200, t3=20, idletime=60))
    link.handle_timeout(20.0)
    assert link.due == 60.0


def test_a_deadline_that_moved_away_costs_one_look():
    link = started_link(CONTROLLED)
    link.receive(TESTFR_ACT, 19.0)
    assert link.due == 20.0
    assert not link.handle_timeout(20.0)
    assert link.due == 39.0


def test_the_con_of_an_early_test_brings_t3_back():
    link = new_link(CONTROLLED, Timing(t1=15, t3=5, t2=1, idletime=60))
    link.test(0.0)
    link.handle_timeout(0.0)
    assert link.due == 15.0
    link.receive(TESTFR_CON, 1.0)
    assert link.due <= 6.0


# After the end


def test_a_failed_link_is_deaf_and_dumb():
    link = started_link(CONTROLLED)
    link.send(run_of(2), ADDRESS)
    assert kinds(link.receive(TESTFR_ACT + b"\x00", 0.0)) == [Reason.BAD_START]
    assert link.is_failed
    assert link.due == NEVER
    assert link.data_to_send(0.0) == b""
    assert list(link.receive(TESTFR_ACT, 0.0)) == []
    assert list(link.handle_timeout(1000.0)) == []
    assert link.data_to_send(1000.0) == b""
    assert len(list(link.outbox.undelivered())) == 1


# The tick compares only `due`: a link that is over and still says a time is looked at for ever.
@pytest.mark.parametrize("ask", ["test", "hold_sending"])
def test_nothing_wakes_a_failed_link_again(ask):
    link = started_link(CONTROLLED)
    link.receive(b"\x00", 0.0)
    getattr(link, ask)(0.0)
    assert link.due == NEVER


# Timing


@pytest.mark.parametrize(("k", "w"), [(1, 1), (12, 12), (32767, 32767), (32767, 1)])
def test_windows_within_the_standard_are_accepted(k, w):
    assert Timing(k=k, w=w).k == k


@pytest.mark.parametrize(("k", "w"), [(0, 0), (12, 0), (8, 9), (32768, 8), (12, -1)])
def test_windows_outside_the_standard_are_refused(k, w):
    with pytest.raises(ValueError, match=f"w {w}, k {k}"):
        Timing(k=k, w=w)


@pytest.mark.parametrize(
    "times", [{"t2": 15}, {"t2": 16}, {"t2": 0}, {"t3": 0}, {"idletime": 0}, {"t1": -1, "t2": -2}]
)
def test_times_outside_the_standard_are_refused(times):
    with pytest.raises(ValueError, match="t2 < t1"):
        Timing(**times)


def test_the_defaults_are_those_of_the_standard():
    t = Timing()
    assert (t.t1, t.t2, t.t3, t.k, t.w, t.idletime) == (15, 10, 20, 12, 8, 60)


# tolerant: what the standard forbids, for stations that number wrongly


def tolerant_link(vs=0, vr=0):
    link = started_link(CONTROLLING, vs=vs, vr=vr)
    link.tolerant = True
    return link


@pytest.mark.parametrize("ns", [9, 3, 4, 32767])
def test_a_tolerant_link_goes_on_from_the_number_that_came(ns):
    link = tolerant_link(vr=5)
    data = i_frame(5, 0) + i_frame(ns, 0) + i_frame((ns + 1) % 32768, 0)
    first, gap, rest = link.receive(data, 1.0)
    assert (len(first), len(rest)) == (1, 2)
    assert gap == SequenceGap(f"N(S) {ns} received, 6 expected")
    assert link.vr == (ns + 2) % 32768
    assert not link.is_failed


def test_a_tolerant_link_says_every_gap():
    link = tolerant_link()
    events = link.receive(b"".join(i_frame(n, 0) for n in (4, 2, 2, 3)), 1.0)
    assert kinds(events) == [SequenceGap, Run, SequenceGap, Run, SequenceGap, Run]
    assert [len(event) for event in events if isinstance(event, Run)] == [1, 1, 2]


def test_a_tolerant_link_acknowledges_what_came_last():
    link = tolerant_link()
    link.receive(i_frames(0, 3, 0) + i_frame(30, 0), 0.0)
    assert sent(link) == [S(31)]
    assert link.unacknowledged == 0


@pytest.mark.parametrize("frame", [i_frame(0, 9), s_frame(9)])
def test_a_number_ahead_of_what_was_sent_acknowledges_all(frame):
    link = tolerant_link()
    send(link, 3)
    assert link.receive(frame, 1.0)[0] == SequenceGap("N(R) 9 received, 0 to 3 possible")
    assert link.outstanding == 0


@pytest.mark.parametrize("frame", [i_frame(0, 4), s_frame(4)])
def test_a_number_behind_what_was_acknowledged_acknowledges_nothing(frame):
    link = tolerant_link(vs=5)
    send(link, 3)
    assert link.receive(frame, 1.0)[0] == SequenceGap("N(R) 4 received, 5 to 8 possible")
    assert link.outstanding == 3
    assert link.receive(s_frame(8), 1.0) == []
    assert link.outstanding == 0


def test_a_tolerant_link_still_fails_for_everything_else():
    for wrong in (b"\x69\4", i_frame(0, 0)[:1] + b"\3", b"\x68\4\xff\0\0\0"):
        link = tolerant_link()
        assert isinstance(link.receive(wrong, 1.0)[0], LinkFailed)
    stopped = new_link(CONTROLLING)
    stopped.tolerant = True
    assert isinstance(stopped.receive(i_frame(0, 0), 1.0)[0], LinkFailed)


def test_a_link_is_not_tolerant_unless_it_is_told_to():
    link = started_link(CONTROLLING)
    assert failure(link.receive(i_frame(1, 0), 1.0)).reason is Reason.SEND_SEQUENCE
