"""The same command twice, and whose an answer is: what is under way when another master speaks."""

import pytest

from core.routing.actions import RTU, Kind

from .asdus import asdu, deliver, obj, one_object
from .groups import (
    COMMANDS,
    ECHOES,
    answer,
    asks,
    assert_refused,
    command,
    counters,
    delivered,
    deliveries,
    echoed,
    goes,
    hears,
    home,
    interrogation,
    notes,
    on,
    online,
    order,
    relinked,
    told,
)


def is_blocked(group, what, seat=2, *, now):
    """Whether a master's command is refused; if it is not, it is left unsent and taken back."""
    actions = told(group, seat, what, now=now)
    if actions:
        assert_refused(actions, seat, what)
        assert goes(group, now) == []
        return True
    group.master_stopped(seat, [], now)
    group.master_started(seat, now)
    return False


def terminating(*seats, now=0.0):
    """A group whose RTU has terminated a command: it is one that does."""
    group = online(*seats)
    asks(group, 1, command(99), now=now)
    hears(group, answer(command(99), 7), answer(command(99), 10), now=now)
    return group


# While it waits for its confirmation


@pytest.mark.parametrize("type_id", COMMANDS)
def test_a_command_under_way_is_refused_to_every_other_master(type_id):
    group = online()
    mine = order(type_id, 1)
    assert asks(group, 1, mine) == [on(mine, 1)]
    for seat in (2, 3):
        what = order(type_id, seat, oa=40 + seat, test=True)
        assert_refused(told(group, seat, what), seat, what, cause=7, why="under way")
    assert goes(group) == []
    con = answer(mine, 7)
    assert hears(group, con) == [home(con, 1)]


def test_it_is_under_way_from_its_acceptance_though_the_rtu_has_no_room():
    group = online()
    told(group, 1, command())
    assert_refused(told(group, 2, command(seat=2)), 2, command(seat=2), why="under way")
    assert goes(group) == [on(command(), 1)]


@pytest.mark.parametrize("type_id", COMMANDS)
def test_other_types_on_that_address_pass(type_id):
    group = online()
    asks(group, 1, order(type_id, 1))
    for other in COMMANDS:
        if other != type_id:
            assert delivered(group, 2, order(other, 2)) == [on(order(other, 2), 2)]


def test_so_do_other_addresses():
    group = online(rtu=(32, 33))
    asks(group, 1, command())
    assert delivered(group, 2, command(6, seat=2)) == [on(command(6, seat=2), 2)]
    elsewhere = order(45, 2, ca=202)
    assert delivered(group, 2, elsewhere) == [on(elsewhere, 2, 33)]


def test_another_value_is_the_same_command():
    group = online()
    asks(group, 1, command(value=1))
    assert is_blocked(group, command(value=0, seat=2), now=1.0)


def test_a_master_may_repeat_his_own():
    group = online()
    asks(group, 1, command())
    assert asks(group, 1, command()) == [on(command(), 1)]
    # .. and each of them must have its answer before another's passes
    hears(group, answer(command(), 7))
    assert is_blocked(group, command(seat=2), now=1.0)
    hears(group, answer(command(), 7))
    assert not is_blocked(group, command(seat=2), now=1.0)


def test_a_deactivation_is_not_the_same_command():
    group = online()
    asks(group, 1, command())
    stop = command(seat=2, cause=8)
    assert delivered(group, 2, stop) == [on(stop, 2)]
    con = answer(command(), 7)
    assert delivered(group, RTU, con) == [home(con, 1)]
    con = answer(stop, 9)
    assert delivered(group, RTU, con) == [home(con, 2)]


def test_anothers_deactivation_under_way_blocks_no_command():
    group = online()
    asks(group, 1, command(cause=8))
    assert not is_blocked(group, command(seat=2), now=1.0)


FREE_BY = [
    ("negative confirmation", 7, True),
    ("termination without confirmation", 10, False),
    ("negative termination", 10, True),
    ("deactivation confirmed", 9, False),
    *((f"unknown ({cause}), P/N {int(p)}", cause, p) for cause in (44, 45, 46, 47) for p in (0, 1)),
]


@pytest.mark.parametrize(("cause", "negative"), [r[1:] for r in FREE_BY],
                         ids=[r[0] for r in FREE_BY])  # fmt: skip
@pytest.mark.parametrize("echo", ECHOES)
def test_what_ends_a_command_frees_it_at_once(cause, negative, echo):
    group = terminating()
    asks(group, 1, command(oa=9))
    said = answer(command(), cause, negative=negative, oa=echoed(echo, 1))
    assert delivered(group, RTU, said) == [home(said, 1, 9)]
    assert not is_blocked(group, command(seat=2), now=1.0)


@pytest.mark.parametrize("tagless", range(45, 52))
def test_an_answer_without_time_tag_frees_the_command_with_one(tagless):
    group = online()
    mine = order(tagless + 13, 1)
    asks(group, 1, mine)
    con = answer(order(tagless, 1), 7)
    assert delivered(group, RTU, con) == [home(con, 1)]
    assert not is_blocked(group, order(tagless + 13, 2), now=1.0)


# After the confirmation


def test_until_its_termination_but_for_5_s_at_most():
    group = terminating()
    asks(group, 1, command(), now=1.0)
    hears(group, answer(command(), 7), now=3.0)
    assert is_blocked(group, command(seat=2), now=7.9)
    assert not is_blocked(group, command(seat=2), now=8.0)


def test_the_termination_frees_it():
    group = terminating()
    asks(group, 1, command(), now=1.0)
    hears(group, answer(command(), 7), now=1.1)
    assert is_blocked(group, command(seat=2), now=1.2)
    hears(group, answer(command(), 10), now=1.3)
    assert not is_blocked(group, command(seat=2), now=1.4)


def test_5_s_count_from_the_latest_of_his_confirmations():
    group = terminating()
    asks(group, 1, command(), command(), now=1.0)
    hears(group, answer(command(), 7), now=1.0)
    hears(group, answer(command(), 7), now=4.0)
    assert is_blocked(group, command(seat=2), now=8.9)
    assert not is_blocked(group, command(seat=2), now=9.0)


def test_the_first_termination_an_rtu_ever_sends():
    # Before it a confirmed command blocks nobody; from it on it does, also one from before.
    group = online()
    asks(group, 1, command(5), command(6), command(7), now=1.0)
    hears(group, *(answer(command(ioa), 7) for ioa in (5, 6, 7)), now=1.0)
    assert not is_blocked(group, command(6, seat=2), now=2.0)
    assert not is_blocked(group, command(7, seat=2), now=2.0)
    term = answer(command(5), 10)
    assert delivered(group, RTU, term, now=2.1) == [home(term, 1)]
    assert not is_blocked(group, command(5, seat=2), now=2.2)
    assert is_blocked(group, command(6, seat=2), now=2.2)
    assert is_blocked(group, command(6, seat=2), now=5.9)
    assert not is_blocked(group, command(6, seat=2), now=6.0)
    asks(group, 3, command(8, seat=3), now=7.0)
    hears(group, answer(command(8), 7), now=7.0)
    assert is_blocked(group, command(8, seat=2), now=7.1)


def test_every_link_begins_as_one_that_has_terminated_nothing():
    group = terminating()
    relinked(group, now=10.0)
    asks(group, 1, command(), now=11.0)
    assert is_blocked(group, command(seat=2), now=11.0)
    hears(group, answer(command(), 7), now=11.0)
    assert not is_blocked(group, command(seat=2), now=11.1)


def test_with_the_rtus_link_every_command_is_over():
    group = online()
    asks(group, 1, command())
    told(group, 3, command(6, seat=3))
    relinked(group, now=2.0)
    assert not is_blocked(group, command(seat=2), now=2.1)
    assert not is_blocked(group, command(6, seat=2), now=2.1)


# Without an answer


def test_a_command_without_any_answer_keeps_its_key_for_another_command_timeout():
    group = online(command_timeout=10.0)
    asks(group, 1, command(), now=1.0)
    [note] = group.handle_timeout(11.0)
    assert (note.seat, note.kind) == (1, Kind.EXPIRED)
    assert is_blocked(group, command(seat=2), now=11.0)
    assert is_blocked(group, command(seat=2), now=20.9)
    assert not is_blocked(group, command(seat=2), now=21.0)


@pytest.mark.parametrize(("cause", "negative"), [(10, False), (7, True), (47, True), (9, False)])
def test_a_late_end_frees_the_key_and_comes_home(cause, negative):
    group = online()
    asks(group, 1, command(oa=3), now=1.0)
    group.handle_timeout(11.0)
    late = answer(command(), cause, negative=negative)
    assert delivered(group, RTU, late, now=15.0) == [home(late, 1, 3)]
    assert not is_blocked(group, command(seat=2), now=15.0)


def test_a_late_confirmation_comes_home_and_leaves_the_key_its_time():
    group = online()
    asks(group, 1, command(oa=3), now=1.0)
    group.handle_timeout(11.0)
    con = answer(command(), 7)
    assert delivered(group, RTU, con, now=15.0) == [home(con, 1, 3)]
    assert is_blocked(group, command(seat=2), now=20.9)
    assert not is_blocked(group, command(seat=2), now=21.0)


def test_with_an_rtu_that_terminates_the_late_termination_frees_it():
    group = terminating()
    asks(group, 1, command(), now=1.0)
    group.handle_timeout(11.0)
    hears(group, answer(command(), 7), now=12.0)
    assert is_blocked(group, command(seat=2), now=12.1)
    hears(group, answer(command(), 10), now=12.2)
    assert not is_blocked(group, command(seat=2), now=12.3)


def test_a_command_that_was_confirmed_and_then_expires_keeps_no_key():
    group = terminating()
    asks(group, 1, command(), now=1.0)
    hears(group, answer(command(), 7), now=2.0)
    assert group.handle_timeout(122.0) == []
    assert not is_blocked(group, command(seat=2), now=122.0)


def test_the_late_answer_of_an_expired_question_reaches_its_asker_or_nobody():
    group = online(command_timeout=10.0)
    asks(group, 1, command(oa=7), now=1.0)
    group.handle_timeout(11.0)
    # remembered five times as long ..
    con = answer(command(), 7)
    assert delivered(group, RTU, con, now=60.9) == [home(con, 1, 7)]
    # .. and not for ever
    group.handle_timeout(200.0)
    group.handle_timeout(300.0)
    assert notes(hears(group, con, now=300.0), Kind.ORPHAN)


@pytest.mark.parametrize("oa", [0, 2, 200])
def test_beside_the_same_command_of_another_what_is_late_comes_last(oa):
    group = online()
    asks(group, 1, command(), now=1.0)
    group.handle_timeout(11.0)
    group.handle_timeout(21.0)
    asks(group, 2, command(seat=2), now=21.0)
    for cause in (7, 10):
        said = answer(command(), cause, oa=oa)
        assert delivered(group, RTU, said, now=22.0) == [home(said, 2)]
    late = answer(command(), 7, oa=oa)
    assert delivered(group, RTU, late, now=22.0) == [home(late, 1)]


def test_unless_the_rtu_says_whose_it_is():
    group = online()
    asks(group, 1, command(), now=1.0)
    group.handle_timeout(11.0)
    group.handle_timeout(21.0)
    asks(group, 2, command(seat=2), now=21.0)
    late = answer(command(), 7, oa=1)
    assert delivered(group, RTU, late, now=22.0) == [home(late, 1)]
    con = answer(command(), 7)
    assert delivered(group, RTU, con, now=22.0) == [home(con, 2)]


def test_what_the_rtu_did_not_take_in_time_blocks_nobody():
    group = online(command_timeout=4.0)
    told(group, 1, command(), now=1.0)
    group.handle_timeout(5.0)
    assert not is_blocked(group, command(seat=2), now=5.0)


# When its master leaves


def test_an_owner_who_left_still_blocks_the_others_and_himself():
    group = online()
    asks(group, 1, command(), now=1.0)
    group.master_lost(1, [], 1.5)
    group.master_started(1, 1.6)
    assert is_blocked(group, command(seat=2), now=2.0)
    assert is_blocked(group, command(seat=1), seat=1, now=2.0)
    assert hears(group, answer(command(), 7, oa=1), now=2.5) == []
    assert not is_blocked(group, command(seat=2), now=2.6)


def test_an_owner_who_left_after_the_confirmation_blocks_until_the_termination():
    group = terminating()
    asks(group, 1, command(), now=1.0)
    hears(group, answer(command(), 7), now=1.1)
    group.master_lost(1, [], 1.2)
    assert is_blocked(group, command(seat=2), now=2.0)
    hears(group, answer(command(), 10), now=2.1)
    assert not is_blocked(group, command(seat=2), now=2.2)


def test_an_owner_who_left_without_any_answer_blocks_as_long_as_any():
    group = online()
    asks(group, 1, command(), now=1.0)
    group.handle_timeout(11.0)
    group.master_lost(1, [], 12.0)
    assert is_blocked(group, command(seat=2), now=20.9)
    assert not is_blocked(group, command(seat=2), now=21.0)


def test_what_an_owner_who_left_had_not_sent_blocks_nobody():
    group = online()
    told(group, 1, command())
    group.master_lost(1, [], 1.5)
    assert not is_blocked(group, command(seat=2), now=2.0)


def test_two_owners_who_left_are_told_apart_from_those_who_stay():
    group = online()
    asks(group, 1, command(), now=1.0)
    hears(group, answer(command(), 7), now=1.0)  # this RTU has terminated nothing yet
    asks(group, 2, command(seat=2), now=1.0)
    group.master_lost(1, [], 2.0)
    group.master_lost(2, [], 2.0)
    assert is_blocked(group, command(seat=3), seat=3, now=3.0)
    hears(group, answer(command(), 7), now=3.1)
    assert not is_blocked(group, command(seat=3), seat=3, now=3.2)


# What never blocks


FREE = [
    ("read", lambda ca: asdu(102, 5, obj(5), ca=ca)),
    ("clock", lambda ca: asdu(103, 6, obj(0, 0, 0, 30, 12, 1, 6, 26), ca=ca)),
    ("test", lambda ca: asdu(104, 6, obj(0, 0xAA, 0x55), ca=ca)),
    ("reset", lambda ca: asdu(105, 6, obj(0, 1), ca=ca)),
    ("delay", lambda ca: asdu(106, 6, obj(0, 1, 0), ca=ca)),
    ("test with time tag", lambda ca: asdu(107, 6, one_object(107, 0), ca=ca)),
    *(
        (f"parameter {t}", lambda ca, t=t: asdu(t, 6, one_object(t), ca=ca))
        for t in range(110, 114)
    ),
    ("freeze", lambda ca: asdu(101, 6, obj(0, 0x45), ca=ca)),
    ("private", lambda ca: asdu(200, 6, one_object(200), ca=ca)),
]


@pytest.mark.parametrize("make", [row[1] for row in FREE], ids=[row[0] for row in FREE])
@pytest.mark.parametrize("echo", ["none", "the slot"])
def test_reads_parameters_clock_and_test_never_block_one_another(make, echo):
    group = terminating()
    one, two = make(101).readdressed(oa=61), make(102).readdressed(oa=62)
    assert delivered(group, 1, one) == [on(one, 1)]
    assert delivered(group, 2, two) == [on(two, 2)]
    if one.type_id == 102:
        data = asdu(1, 5, obj(5, 1))
        assert delivered(group, RTU, data) == [home(data, 1, 61)]
        assert delivered(group, RTU, data) == [home(data, 2, 62)]
        return
    for seat in (1, 2) if echo == "none" else (2, 1):
        con = answer(one, 7, oa=echoed(echo, seat))
        assert delivered(group, RTU, con) == [home(con, seat, 60 + seat)]


# Whose an answer is


KINDS = [
    ("by the book", (7, 10)),
    ("no termination", (7,)),
    ("no confirmation", (10,)),
    ("refuses", (-7,)),
    ("terminates negatively", (7, -10)),
    ("unknown", (-47,)),
    ("unknown, P/N forgotten", (47,)),
    ("confirms twice", (7, 7, 10)),
]


@pytest.mark.parametrize("causes", [row[1] for row in KINDS], ids=[row[0] for row in KINDS])
@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("seat", [1, 2, 3])
def test_with_every_kind_of_rtu_an_answer_reaches_its_asker_and_nobody_else(causes, echo, seat):
    group = online()
    mine = command(5, seat=seat, oa=60 + seat)
    for other in (1, 2, 3):  # others are under way beside it
        asks(group, other, command(5 if other == seat else 10 + other, seat=other, oa=60 + other))
    for cause in causes:
        said = answer(mine, abs(cause), negative=cause < 0, oa=echoed(echo, seat))
        assert delivered(group, RTU, said) == [home(said, seat, 60 + seat)]
    group.handle_timeout(1000.0)
    group.handle_timeout(2000.0)
    assert group.due == float("inf")


def test_a_termination_without_confirmation_counts_as_both():
    group = online()
    asks(group, 1, command())
    term = answer(command(), 10)
    assert delivered(group, RTU, term) == [home(term, 1)]
    assert notes(hears(group, answer(command(), 7)), Kind.ORPHAN)


def test_a_deactivations_confirmation_may_answer_an_activation():
    group = online()
    asks(group, 1, command())
    con = answer(command(), 9)
    assert delivered(group, RTU, con) == [home(con, 1)]
    assert group.due == float("inf")


def test_the_address_outranks_the_originator():
    group = online()
    asks(group, 1, command(5))
    asks(group, 2, command(6, seat=2))
    con = answer(command(5), 7, oa=2)
    assert delivered(group, RTU, con) == [home(con, 1)]


def test_among_equals_identical_octets_decide():
    group = online()
    one, two = (asdu(110, 6, obj(5, n, 0, 1), ca=100 + n) for n in (1, 2))
    asks(group, 1, one)
    asks(group, 2, two)
    con = answer(two, 7)
    assert delivered(group, RTU, con) == [home(con, 2)]


def test_then_the_oldest():
    group = online()
    for seat in (3, 1, 2):
        asks(group, seat, asdu(110, 6, obj(5, 1, 0, 1), ca=100 + seat))
    con = answer(asdu(110, 6, obj(5, 9, 9, 1)), 7)
    said = [delivered(group, RTU, con) for _ in range(3)]
    assert said == [[home(con, 3)], [home(con, 1)], [home(con, 2)]]


ENDS_WITH_CONFIRMATION = [
    ("clock", asdu(103, 6, one_object(103, 0), ca=101)),
    ("reset", asdu(105, 6, obj(0, 1), ca=101)),
    ("test", asdu(104, 6, obj(0, 0xAA, 0x55), ca=101)),
    ("test with time tag", asdu(107, 6, one_object(107, 0), ca=101)),
    *((f"parameter {t}", asdu(t, 6, one_object(t), ca=101)) for t in range(110, 114)),
    ("select", order(45, 1, select=True)),
    ("select of a set point", order(50, 1, select=True)),
    ("deactivation", command(cause=8)),
    *((f"freeze {frz}", counters(qcc=frz << 6 | 5)) for frz in (1, 2, 3)),
]


@pytest.mark.parametrize("question", [row[1] for row in ENDS_WITH_CONFIRMATION],
                         ids=[row[0] for row in ENDS_WITH_CONFIRMATION])  # fmt: skip
def test_these_end_with_their_confirmation(question):
    group = online(1)
    asks(group, 1, question)
    con = answer(question, 9 if question.cause == 8 else 7)
    assert delivered(group, RTU, con) == [home(con, 1)]
    assert notes(hears(group, answer(question, 10)), Kind.ORPHAN)


@pytest.mark.parametrize("question", [command(), interrogation(), counters()], ids=str)
def test_commands_and_interrogations_go_on_to_their_termination(question):
    group = online(1)
    asks(group, 1, question)
    for cause in (7, 10):
        said = answer(question, cause)
        assert delivered(group, RTU, said) == [home(said, 1)]
    assert notes(hears(group, answer(question, 10)), Kind.ORPHAN)


@pytest.mark.parametrize("type_id", range(1, 41))
def test_a_read_is_answered_by_any_process_information_and_a_confirmation_does_not_end_it(type_id):
    group = online()
    read = asdu(102, 5, obj(5), ca=102, oa=8)
    asks(group, 2, read)
    con, data = answer(read, 7), asdu(type_id, 5, one_object(type_id))
    assert delivered(group, RTU, con) == [home(con, 2, 8)]
    assert delivered(group, RTU, data) == [home(data, 2, 8)]
    assert group.due == float("inf")


@pytest.mark.parametrize("cause", [-7, 44, 45, 46, 47])
def test_a_read_may_be_refused(cause):
    group = online()
    read = asdu(102, 5, obj(5), ca=102, oa=8)
    asks(group, 2, read)
    no = answer(read, abs(cause), negative=True)
    assert delivered(group, RTU, no) == [home(no, 2, 8)]
    assert group.due == float("inf")


def test_a_broadcast_ends_after_as_many_answers_as_there_are_stations():
    group = online(1, rtu=(32, 33))
    clock = asdu(103, 6, one_object(103, 0), ca=65535, oa=9)
    assert asks(group, 1, clock) == [on(clock, 1, 65535)]
    for ca, number in ((33, 201), (32, 101)):
        con = answer(clock, 7, ca=ca)
        assert delivered(group, RTU, con) == [home(con, 1, 9, number)]
    assert group.due == float("inf")


def test_or_at_its_deadline():
    group = online(1, rtu=(32, 33))
    clock = asdu(103, 6, one_object(103, 0), ca=65535)
    asks(group, 1, clock, now=1.0)
    hears(group, answer(clock, 7, ca=33), now=2.0)
    group.handle_timeout(122.0)
    late = answer(clock, 7)
    assert delivered(group, RTU, late, now=130.0) == [home(late, 1)]
    asks(group, 1, clock, now=200.0)
    group.handle_timeout(210.0)
    group.handle_timeout(260.0)
    assert group.due == float("inf")


def test_one_station_that_refuses_a_broadcast_does_not_end_it_for_the_other():
    group = online(1, rtu=(32, 33))
    question = interrogation(ca=65535)
    asks(group, 1, question)
    for said, number in (
        (answer(question, 7, negative=True), 101),
        (answer(question, 7, ca=33), 201),
        (answer(question, 10, ca=33), 201),
    ):
        assert delivered(group, RTU, said) == [home(said, 1, 0, number)]
    assert group.due == float("inf")


def test_a_question_moves_along_with_the_connection_of_its_master():
    group = online(1, 2)
    asks(group, 1, command(oa=4))
    assert group.master_moved(1, 2.0) == []
    con = answer(command(), 7)
    assert delivered(group, RTU, con) == [home(con, 1, 4)]


def test_what_is_unsent_does_not_outlive_the_connection_it_came_on():
    group = online(1, 2)
    told(group, 1, command())
    [note] = group.master_moved(1, 2.0, left=True)
    assert (note.seat, note.kind, note.n) == (1, Kind.DROPPED, 1)
    assert goes(group) == []


# Originators


@pytest.mark.parametrize(("oa", "slots"), [("index", (1, 2)), ("zero", (0, 0)), ("keep", (71, 71))])
def test_two_masters_with_the_same_originator_get_their_own_answers(oa, slots):
    group = online(oa=oa)
    one, two = (asdu(110, 6, obj(5, n, 0, 1), ca=100 + n, oa=71) for n in (1, 2))
    assert asks(group, 1, one) == [on(one, slots[0])]
    assert asks(group, 2, two) == [on(two, slots[1])]
    for seat, slot, what in ((2, slots[1], two), (1, slots[0], one)):
        con = answer(what, 7, oa=slot)
        assert delivered(group, RTU, con) == [home(con, seat, 71)]


def test_each_answer_has_the_originator_of_its_own_question():
    group = online(1)
    asks(group, 1, command(5, oa=11), command(6, oa=12))
    for ioa, oa in ((6, 12), (5, 11)):
        con = answer(command(ioa), 7, oa=1)
        assert delivered(group, RTU, con) == [home(con, 1, oa)]


def test_orphans_for_all_go_under_originator_0():
    group = online(orphans="all")
    term = asdu(45, 10, obj(5, 1), oa=2)
    [delivery] = deliveries(hears(group, term))
    assert delivery == deliver(term, (1, 0, 101), (2, 0, 102), (3, 0, 103))
