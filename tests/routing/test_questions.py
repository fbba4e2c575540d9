"""Which question an answer belongs to, and when a question is over."""

import time

import pytest

from core.protocol.run import Run
from core.routing import questions as room
from core.routing.questions import LIMIT, Phase, Question, Questions, qualifier_of
from core.routing.same import SameCommand

from .asdus import asdu, changed, obj, one_object

CA, ALL = 32, 65535


@pytest.fixture
def questions():
    return Questions(10.0, 120.0, SameCommand())


def ask(questions, seat, what, now=0.0, *, slot=None, ca=CA, stations=1):
    """Open a question as the group does; by default the slot is the seat."""
    key = (what.type_id, ca, what.ioa, qualifier_of(what))
    slot = seat if slot is None else slot
    question = Question(what, key, seat, slot, Run.of(what), stations)
    questions.open(question, now)
    return question


def command(value=1, ioa=5, type_id=45):
    return asdu(type_id, 6, obj(ioa, value, *one_object(type_id)[4:]), ca=101)


def answer(what, cause, **more):
    """What a station says to it; originator 0 unless given."""
    return changed(what, cause, **{"oa": 0, "ca": CA, **more})


# Type, address and qualifier


NOT_THE_SAME = [
    ("another type", asdu(46, 7, obj(5, 1))),
    ("another object", asdu(45, 7, obj(6, 1))),
    ("another station", asdu(45, 7, obj(5, 1), ca=33)),
    ("all stations", asdu(45, 7, obj(5, 1), ca=ALL)),
    ("no whole address", asdu(45, 7, b"\5\0")),
    ("the type with time tag", asdu(58, 7, obj(5, 1, *bytes(7)))),
]


@pytest.mark.parametrize("other", [r[1] for r in NOT_THE_SAME], ids=[r[0] for r in NOT_THE_SAME])
@pytest.mark.parametrize("oa", [0, 1, 77])
def test_what_differs_is_no_answer_whatever_the_originator(questions, other, oa):
    ask(questions, 1, command())
    assert questions.answer(other.readdressed(oa=oa), 1.0) is None
    assert len(questions) == 1


@pytest.mark.parametrize(("type_id", "asked", "said"), [(100, 20, 21), (101, 5, 1)])
def test_interrogations_are_told_apart_by_their_qualifier(questions, type_id, asked, said):
    mine = ask(questions, 1, asdu(type_id, 6, obj(0, asked), ca=101))
    assert questions.answer(asdu(type_id, 7, obj(0, said), oa=1), 1.0) is None
    assert questions.answer(asdu(type_id, 7, obj(0, asked), oa=9), 1.0) is mine


def test_a_freeze_does_not_change_which_counters_are_asked_for():
    assert qualifier_of(asdu(101, 6, obj(0, 0xC5))) == 5
    assert qualifier_of(asdu(100, 6, obj(0, 0xC5))) == 0xC5
    assert qualifier_of(asdu(45, 6, obj(0, 0xC5))) == 0
    assert qualifier_of(asdu(100, 6, obj(0))) == 0


def test_values_do_not_matter_where_there_is_one_question(questions):
    mine = ask(questions, 2, command(1))
    assert questions.answer(answer(command(0), 7, oa=1), 1.0) is mine


@pytest.mark.parametrize("tagless", range(45, 52))
def test_a_type_without_time_tag_answers_the_one_with_it(questions, tagless):
    tagged = tagless + 13
    mine = ask(questions, 1, asdu(tagged, 6, one_object(tagged), ca=101))
    assert questions.answer(asdu(tagless, 7, one_object(tagless)), 1.0) is mine
    assert questions.answer(asdu(tagless, 10, one_object(tagless)), 2.0) is mine
    assert len(questions) == 0


def test_a_type_without_time_tag_answers_its_own_question_first(questions):
    tagged = ask(questions, 1, asdu(58, 6, one_object(58), ca=101))
    tagless = ask(questions, 2, command())
    assert questions.answer(asdu(45, 47, obj(5, 1), oa=1), 1.0) is tagless
    assert questions.answer(asdu(45, 47, obj(5, 1), oa=1), 1.0) is tagged


# The order among several


def test_first_the_owner_whose_slot_is_echoed(questions):
    older = ask(questions, 1, command(1))
    echoed = ask(questions, 2, command(0))
    assert questions.answer(answer(command(1), 7, oa=2), 1.0) is echoed
    # also where the echoed one no longer waits for it
    assert questions.answer(answer(command(1), 7, oa=2), 2.0) is echoed
    assert questions.answer(answer(command(1), 7, oa=1), 2.0) is older


def test_an_echo_counts_before_an_expiry(questions):
    late = ask(questions, 2, command(0))
    questions.expire(11.0)
    ask(questions, 1, command(1), 11.0)
    assert questions.answer(answer(command(1), 7, oa=2), 12.0) is late


def test_originator_0_is_no_echo_of_slot_0(questions):
    ask(questions, 1, command(0), slot=0)
    identical = ask(questions, 2, command(1), slot=7)
    assert questions.answer(answer(command(1), 7), 1.0) is identical


def test_then_identical_octets(questions):
    older = ask(questions, 1, command(1))
    identical = ask(questions, 2, command(0))
    assert questions.answer(answer(command(0), 7, oa=9), 1.0) is identical
    assert questions.answer(answer(command(0), 7, oa=9), 1.0) is identical
    assert questions.answer(answer(command(1), 7, oa=9), 1.0) is older


def test_identical_octets_count_before_an_expiry(questions):
    late = ask(questions, 1, command(1))
    questions.expire(11.0)
    ask(questions, 2, command(0), 11.0)
    assert questions.answer(answer(command(1), 7), 12.0) is late


def test_then_the_one_that_still_waits_for_this_cause(questions):
    older, newer = ask(questions, 1, command()), ask(questions, 2, command())
    found = [questions.answer(answer(command(), cause), 1.0) for cause in (7, 7, 10, 10)]
    assert found == [older, newer, older, newer]
    assert len(questions) == 0


def test_a_termination_goes_to_the_one_that_was_confirmed(questions):
    older, confirmed = ask(questions, 1, command()), ask(questions, 2, command())
    assert questions.answer(answer(command(), 7, oa=2), 1.0) is confirmed
    assert questions.answer(answer(command(), 10), 2.0) is confirmed
    assert questions.answer(answer(command(), 10), 2.0) is older


@pytest.mark.parametrize("cause", [44, 45, 46, 47])
def test_an_error_goes_to_the_one_that_has_no_answer_yet(questions, cause):
    ask(questions, 1, command())
    questions.answer(answer(command(), 7), 1.0)
    newer = ask(questions, 2, command(), 1.0)
    assert questions.answer(answer(command(), cause), 2.0) is newer


def test_confirmations_of_acting_and_of_stopping_are_told_apart(questions):
    run = asdu(100, 6, obj(0, 20), ca=101)
    stop = asdu(100, 8, obj(0, 20), ca=101)
    stopping, running = ask(questions, 1, stop), ask(questions, 2, run)
    assert questions.answer(answer(run, 7), 1.0) is running
    assert questions.answer(answer(stop, 9), 1.0) is stopping
    assert questions.answer(answer(run, 10), 2.0) is running
    assert len(questions) == 0


@pytest.mark.parametrize("stop_first", [True, False])
def test_a_stop_is_confirmed_to_the_stop_though_the_start_is_unconfirmed(questions, stop_first):
    run, stop = (asdu(100, cause, obj(0, 20), ca=101) for cause in (6, 8))
    asked = {what: ask(questions, 1, what) for what in ((stop, run) if stop_first else (run, stop))}
    assert questions.answer(answer(stop, 9), 1.0) is asked[stop]


def test_then_one_that_is_not_expired(questions):
    ask(questions, 1, command())
    questions.expire(11.0)
    newer = ask(questions, 2, command(), 11.0)
    # a termination neither waits for: only the expiry speaks
    assert questions.answer(answer(command(), 10), 12.0) is newer


def test_then_the_oldest(questions):
    asked = [ask(questions, seat, command(), float(seat)) for seat in (3, 1, 2)]
    found = [questions.answer(answer(command(), 44), 4.0) for _ in asked]
    assert found == asked


def test_the_oldest_is_the_one_asked_first_not_the_one_confirmed_first(questions):
    older, newer = ask(questions, 1, command()), ask(questions, 2, command())
    assert questions.answer(answer(command(), 7, oa=2), 1.0) is newer
    assert questions.answer(answer(command(), 7, oa=1), 2.0) is older
    # an RTU that echoes in its confirmations only: both fit alike
    assert questions.answer(answer(command(), 10), 3.0) is older
    assert questions.answer(answer(command(), 10), 3.0) is newer


def test_the_oldest_is_the_one_asked_first_not_the_one_expired_first():
    questions = Questions(10.0, 20.0, SameCommand())
    older = ask(questions, 1, command())
    assert questions.answer(answer(command(), 7), 1.0) is older
    newer = ask(questions, 2, command(), 5.0)
    questions.expire(15.0)
    questions.expire(21.0)
    assert [older.phase, newer.phase] == [Phase.EXPIRED, Phase.SILENT]
    assert questions.answer(answer(command(), 10), 22.0) is older
    assert questions.answer(answer(command(), 10), 22.0) is newer


def test_a_late_first_answer_goes_to_him_who_waits_for_one():
    questions = Questions(10.0, 120.0, SameCommand())
    silent = ask(questions, 1, command())
    questions.expire(10.0)
    newer = ask(questions, 2, command(), 21.0)
    assert questions.answer(answer(command(), 7), 22.0) is newer  # fresh before late
    assert questions.answer(answer(command(), 7), 23.0) is silent  # the other has its own already
    assert questions.answer(answer(command(), 10), 24.0) is newer


# Whether an RTU echoes


def test_an_rtu_that_answers_all_under_1_is_seen_through_by_its_first_plain_answer(questions):
    alone = ask(questions, 2, command(ioa=9))
    assert questions.answer(answer(command(ioa=9), 7, oa=1), 0.0) is alone
    older, newer = ask(questions, 2, command()), ask(questions, 1, command())
    assert questions.answer(answer(command(), 7, oa=1), 1.0) is older
    assert questions.answer(answer(command(), 7, oa=1), 1.0) is newer


def test_what_was_learnt_of_an_rtu_ends_with_its_link(questions):
    ask(questions, 2, command(ioa=9))
    questions.answer(answer(command(ioa=9), 7, oa=1), 0.0)
    questions.clear()
    ask(questions, 2, command())
    newer = ask(questions, 1, command())
    assert questions.answer(answer(command(), 7, oa=1), 1.0) is newer


def test_a_proven_echo_outweighs_everything_but_the_key(questions):
    ask(questions, 2, command(ioa=9))
    questions.answer(answer(command(ioa=9), 7, oa=2), 0.0)
    first = ask(questions, 1, command())
    questions.answer(answer(command(), 7, oa=1), 1.0)
    ask(questions, 2, command())
    assert questions.answer(answer(command(), 7, oa=1), 2.0) is first  # once more, for its own


def test_a_1_that_may_be_no_echo_does_not_draw_a_confirmation_from_the_only_one_who_waits(
    questions,
):
    first = ask(questions, 1, command())
    assert questions.answer(answer(command(), 7, oa=1), 1.0) is first
    second = ask(questions, 2, command())
    assert questions.answer(answer(command(), 7, oa=1), 2.0) is second
    both = ask(questions, 1, command(ioa=7)), ask(questions, 2, command(ioa=7))
    assert questions.answer(answer(command(ioa=7), 7, oa=1), 3.0) is both[0]


@pytest.mark.parametrize("broadcast_first", [True, False])
def test_the_oldest_counts_also_between_a_broadcast_and_one_station(questions, broadcast_first):
    # Both fit (originator 0, same octets, both wait): the design says the oldest.
    run = asdu(100, 6, obj(0, 20), ca=101)
    order = [(1, ALL), (2, CA)] if broadcast_first else [(1, CA), (2, ALL)]
    first, second = [ask(questions, seat, run, float(seat), ca=ca) for seat, ca in order]
    assert questions.answer(answer(run, 7), 3.0) is first
    assert questions.answer(answer(run, 7), 3.0) is second


# When a question is over


ENDS_WITH_CONFIRMATION = [
    *(asdu(t, 6, one_object(t), ca=101) for t in (103, 104, 105, 106, 107, 110, 111, 112, 113)),
    *(asdu(101, 6, obj(0, 5 | freeze << 6), ca=101) for freeze in (1, 2, 3)),
    *(asdu(t, 6, obj(5, 0x81, *one_object(t)[4:]), ca=101) for t in (45, 46, 47, 58, 59, 60)),
    *(asdu(t, 6, obj(5, 0, 0, 0x80, *one_object(t)[6:]), ca=101) for t in (48, 49, 61, 62)),
    *(asdu(t, 6, obj(5, 0, 0, 0, 0, 0x80, *one_object(t)[8:]), ca=101) for t in (50, 63)),
]
GOES_ON_TO_TERMINATION = [
    *(asdu(t, 6, one_object(t), ca=101) for t in (*range(45, 52), *range(58, 65), 100, 101)),
    asdu(51, 6, obj(5, 0x80, 0x80, 0x80, 0x80), ca=101),
    asdu(200, 6, obj(5, 1), ca=101),
    asdu(50, 6, obj(5, 0x80, 0x80, 0x80, 0x80, 0x7F), ca=101),
]
DEACTIVATIONS = [asdu(t, 8, one_object(t), ca=101) for t in (45, 50, 64, 100, 101, 113)]


@pytest.mark.parametrize("what", ENDS_WITH_CONFIRMATION, ids=str)
def test_clock_reset_test_parameters_selects_and_freezes_end_with_their_confirmation(
    questions, what
):
    mine = ask(questions, 1, what)
    assert questions.answer(answer(what, 7), 1.0) is mine
    assert len(questions) == 0
    assert questions.answer(answer(what, 10), 2.0) is None


@pytest.mark.parametrize("what", GOES_ON_TO_TERMINATION, ids=str)
def test_commands_and_interrogations_go_on_to_their_termination(questions, what):
    mine = ask(questions, 1, what)
    assert questions.answer(answer(what, 7), 1.0) is mine
    assert mine.phase is Phase.CONFIRMED
    assert questions.answer(answer(what, 10), 2.0) is mine
    assert len(questions) == 0
    assert questions.answer(answer(what, 10), 2.0) is None


@pytest.mark.parametrize("what", DEACTIVATIONS, ids=str)
def test_deactivations_end_with_their_confirmation(questions, what):
    mine = ask(questions, 1, what)
    assert questions.answer(answer(what, 9), 1.0) is mine
    assert len(questions) == 0


@pytest.mark.parametrize("cause", [9, 10, 44, 45, 46, 47])
@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("confirmed", [False, True])
def test_any_other_answer_ends_it_whatever_p_n_says(questions, cause, negative, confirmed):
    mine = ask(questions, 1, command())
    if confirmed:
        assert questions.answer(answer(command(), 7), 1.0) is mine
    assert questions.answer(answer(command(), cause, negative=negative), 2.0) is mine
    assert len(questions) == 0


def test_a_negative_confirmation_ends_it(questions):
    mine = ask(questions, 1, command())
    assert questions.answer(answer(command(), 7, negative=True), 1.0) is mine
    assert len(questions) == 0


def test_a_repeated_confirmation_does_not_prolong_it(questions):
    mine = ask(questions, 1, command())
    assert questions.answer(answer(command(), 7), 1.0) is mine
    assert questions.answer(answer(command(), 7), 100.0) is mine
    assert questions.due == 121.0


@pytest.mark.parametrize("ca", [CA, ALL])
def test_a_broadcast_ends_after_as_many_terminations_as_stations(questions, ca):
    run = asdu(100, 6, obj(0, 20), ca=ALL)
    mine = ask(questions, 1, run, ca=ALL, stations=2)
    causes = (7, 7, 10, 10)
    assert [questions.answer(answer(run, c, ca=ca), 1.0) for c in causes] == [mine] * 4
    assert len(questions) == 0


def test_a_broadcast_without_confirmations_goes_on_after_the_first_termination(questions):
    run = asdu(100, 6, obj(0, 20), ca=ALL)
    mine = ask(questions, 1, run, ca=ALL, stations=2)
    assert questions.answer(answer(run, 10), 1.0) is mine
    assert mine.phase is Phase.CONFIRMED
    assert questions.due == 121.0
    assert questions.answer(answer(run, 10, ca=33), 1.0) is mine
    assert len(questions) == 0


def test_a_broadcast_with_one_confirmation_left_to_come_keeps_its_deadline(questions):
    run = asdu(100, 6, obj(0, 20), ca=ALL)
    ask(questions, 1, run, ca=ALL, stations=2)
    questions.answer(answer(run, 7), 1.0)
    questions.answer(answer(run, 10), 5.0)
    assert len(questions) == 1
    assert questions.due == 121.0


def test_a_deactivation_confirmed_as_an_activation_is_over(questions):
    stop = asdu(45, 8, obj(5, 1), ca=101)
    mine = ask(questions, 1, stop)
    assert questions.answer(answer(stop, 7), 1.0) is mine
    assert len(questions) == 0


# Reads


def read(ioa):
    return asdu(102, 5, obj(ioa), ca=101)


def test_a_read_is_answered_by_data_that_holds_its_object(questions):
    ask(questions, 1, read(5))
    other = ask(questions, 2, read(6))
    assert questions.read_by(asdu(13, 5, one_object(13, 6))) == [other]
    assert [q.seat for q in questions] == [1]
    assert questions.read_by(asdu(13, 5, one_object(13, 6))) == []


def test_one_sequence_answers_the_reads_of_all_its_objects(questions):
    asked = [ask(questions, seat, read(ioa)) for seat, ioa in ((1, 6), (2, 7), (3, 8), (4, 9))]
    assert questions.read_by(asdu(1, 5, obj(7, 0, 1), count=2, sq=True)) == asked[1:3]
    assert [q.seat for q in questions] == [1, 4]


def test_several_objects_answer_their_reads(questions):
    first, second = ask(questions, 1, read(900)), ask(questions, 2, read(5))
    two = asdu(1, 5, obj(5, 1) + obj(900, 0), count=2)
    assert questions.read_by(two) == [second, first]


def test_two_reads_of_one_object_take_two_answers(questions):
    asked = [ask(questions, seat, read(5)) for seat in (2, 1)]
    data = asdu(1, 5, obj(5, 1))
    assert [questions.read_by(data) for _ in range(3)] == [[asked[0]], [asked[1]], []]


def test_an_echoed_slot_chooses_among_two_reads(questions):
    ask(questions, 1, read(5))
    second = ask(questions, 2, read(5))
    assert questions.read_by(asdu(1, 5, obj(5, 1), oa=2)) == [second]


def test_data_of_another_station_does_not_answer_a_read(questions):
    ask(questions, 1, read(5))
    assert questions.read_by(asdu(1, 5, obj(5, 1), ca=33)) == []
    assert len(questions) == 1


def test_a_confirmed_read_still_waits_for_its_data(questions):
    mine = ask(questions, 1, read(5))
    assert questions.answer(answer(read(5), 7), 1.0) is mine
    assert questions.due == 10.0
    assert questions.read_by(asdu(1, 5, obj(5, 1))) == [mine]
    assert len(questions) == 0


@pytest.mark.parametrize(("cause", "negative"), [(7, True), (44, True), (45, False), (47, True)])
def test_a_refused_read_is_over(questions, cause, negative):
    mine = ask(questions, 1, read(5))
    assert questions.answer(answer(read(5), cause, negative=negative), 1.0) is mine
    assert questions.read_by(asdu(1, 5, obj(5, 1))) == []


# Deadlines


def test_the_first_answer_is_due_within_command_timeout(questions):
    mine = ask(questions, 1, command(), 100.0)
    assert questions.due == 110.0
    assert questions.expire(109.9) == []
    assert questions.expire(110.0) == [mine]
    assert questions.expire(110.0) == []


def test_the_termination_is_due_within_term_timeout_after_the_confirmation(questions):
    mine = ask(questions, 1, command(), 100.0)
    questions.answer(answer(command(), 7), 109.0)
    assert questions.due == 229.0
    assert questions.expire(228.9) == []
    assert mine.phase is Phase.CONFIRMED
    assert questions.expire(229.0) == []  # an RTU without terminations is no news
    assert mine.phase is Phase.EXPIRED


@pytest.mark.parametrize("cause", [7, 9, 10, 44, 47])
def test_a_late_answer_finds_its_asker_for_five_times_as_long(questions, cause):
    mine = ask(questions, 1, command())
    questions.expire(10.0)
    assert questions.due == 60.0
    questions.expire(59.9)
    assert questions.answer(answer(command(), cause), 59.9) is mine


def test_a_late_confirmation_leaves_the_question_to_its_termination(questions):
    mine = ask(questions, 1, command())
    questions.expire(10.0)
    assert questions.answer(answer(command(), 7), 20.0) is mine
    assert questions.answer(answer(command(), 10), 50.0) is mine
    assert len(questions) == 0


def test_what_is_too_late_belongs_to_nobody(questions):
    ask(questions, 1, command())
    questions.expire(10.0)
    assert questions.expire(60.0) == []
    assert len(questions) == 0
    assert questions.due == float("inf")
    assert questions.answer(answer(command(), 7), 60.0) is None


def test_a_late_read_is_answered_too(questions):
    mine = ask(questions, 1, read(5))
    assert questions.expire(10.0) == [mine]
    assert questions.read_by(asdu(1, 5, obj(5, 1))) == [mine]


def test_one_look_after_a_long_time_moves_each_question_one_step(questions):
    silent, confirmed = ask(questions, 1, command(1)), ask(questions, 2, command(0))
    questions.answer(answer(command(0), 7), 1.0)
    assert questions.expire(1000.0) == [silent]
    assert [q.phase for q in (silent, confirmed)] == [Phase.SILENT, Phase.EXPIRED]
    assert questions.due == 1050.0
    assert questions.expire(1050.0) == []
    assert len(questions) == 0


# Owners who leave


def test_answers_to_one_who_left_are_consumed(questions):
    left = ask(questions, 1, command())
    stays = ask(questions, 2, command())
    questions.leave(1)
    assert (left.seat, stays.seat) == (None, 2)
    assert questions.answer(answer(command(), 7), 1.0) is left
    assert questions.answer(answer(command(), 10), 1.0) is left
    assert len(questions) == 1


def test_a_reconnected_master_does_not_get_what_his_old_link_asked(questions):
    old = ask(questions, 1, command())
    questions.leave(1)
    new = ask(questions, 1, command(), 1.0)
    assert questions.answer(answer(command(), 7, oa=1), 2.0) is old
    assert questions.answer(answer(command(), 7, oa=1), 2.0) is new


def test_leaving_reaches_questions_of_every_phase(questions):
    expired = ask(questions, 1, command(ioa=1))
    questions.expire(10.0)
    confirmed = ask(questions, 1, command(ioa=2), 10.0)
    questions.answer(answer(command(ioa=2), 7), 10.0)
    asked = ask(questions, 1, command(ioa=3), 10.0)
    questions.leave(1)
    assert [q.seat for q in (expired, confirmed, asked)] == [None, None, None]


def test_a_lost_rtu_is_asked_nothing(questions):
    ask(questions, 1, command(1))
    ask(questions, 1, command(0, ioa=6))
    questions.answer(answer(command(1), 7), 1.0)
    questions.clear()
    assert (len(questions), questions.due) == (0, float("inf"))
    assert questions.answer(answer(command(1), 10), 1.0) is None


# Bounds


def test_the_limit_is_that_of_the_design():
    assert LIMIT == 65_536


def test_beyond_the_limit_the_oldest_confirmed_one_goes_first(questions, monkeypatch):
    monkeypatch.setattr(room, "LIMIT", 3)
    asked, first, second = (ask(questions, 1, command(ioa=ioa)) for ioa in (1, 2, 3))
    questions.answer(answer(command(ioa=2), 7), 1.0)
    questions.answer(answer(command(ioa=3), 7), 2.0)
    fourth = ask(questions, 1, command(ioa=4), 3.0)
    assert set(questions) == {asked, second, fourth}
    assert questions.answer(answer(command(ioa=2), 10), 4.0) is None
    assert first not in set(questions)


def test_beyond_the_limit_without_confirmed_ones_an_expired_one_goes(questions, monkeypatch):
    monkeypatch.setattr(room, "LIMIT", 2)
    ask(questions, 1, command(ioa=1))
    questions.expire(10.0)
    waiting = ask(questions, 1, command(ioa=2), 10.0)
    new = ask(questions, 1, command(ioa=3), 10.0)
    assert set(questions) == {waiting, new}


def test_beyond_the_limit_where_all_wait_the_oldest_goes(questions, monkeypatch):
    monkeypatch.setattr(room, "LIMIT", 2)
    asked = [ask(questions, 1, command(ioa=ioa)) for ioa in range(1, 5)]
    assert list(questions) == asked[2:]


def test_confirmed_ones_without_termination_do_not_pile_up(questions):
    others = ask(questions, 2, command())
    questions.answer(answer(command(), 7), 0.0)
    for n in range(2000):
        ask(questions, 1, command(), n / 100)
        assert questions.answer(answer(command(), 7, oa=1), n / 100).seat == 1
    assert len(questions) < 1000
    assert others in set(questions)


def test_a_question_of_another_master_is_not_the_one_forgotten(questions):
    other = ask(questions, 2, command(), slot=0)
    asked = [ask(questions, 1, command(), slot=0) for _ in range(600)]
    for _ in range(601):
        questions.answer(answer(command(), 7), 1.0)
    assert questions.answer(answer(command(), 10), 2.0) is other
    assert questions.answer(answer(command(), 10), 2.0) in asked


def test_a_burst_of_equal_commands_gets_all_its_terminations(questions):
    # 60 pulses on one object, all confirmed before the first is over: none may be forgotten
    # before 65,536 are open, or its termination is nobody's, or another master's.
    other = ask(questions, 2, command())
    questions.answer(answer(command(), 7), 0.0)
    for _ in range(60):
        ask(questions, 1, command(), 1.0)
    for _ in range(60):
        assert questions.answer(answer(command(), 7, oa=1), 1.0).seat == 1
    found = [questions.answer(answer(command(), 10, oa=1), 2.0) for _ in range(60)]
    assert other not in found
    assert None not in found


def test_a_termination_does_not_go_to_another_master_after_a_pile_up(questions):
    # Set points to one object, each with its own value: whose termination it is can be read from
    # the octets. Only beyond 65,536 questions may one be forgotten.
    def set_point(value):
        return asdu(49, 6, obj(5, value, 0, 0), ca=101)

    ask(questions, 2, set_point(200))
    questions.answer(answer(set_point(200), 7), 0.0)
    for value in range(17):
        ask(questions, 1, set_point(value), 1.0)
        assert questions.answer(answer(set_point(value), 7), 1.0).seat == 1
    found = questions.answer(answer(set_point(0), 10), 5.0)
    assert found is None or found.seat == 1


def cost_of(questions, addresses):
    start = time.thread_time()
    for ioa in addresses:
        ask(questions, 1, command(ioa=ioa))
    return time.thread_time() - start


def test_a_flood_of_one_command_costs_no_more_than_one_of_many(questions):
    # An RTU that acknowledges but does not answer, and a master that repeats itself: what one
    # question costs must not grow with those before it, or all groups stand still with this one.
    many = cost_of(Questions(10.0, 120.0, SameCommand()), range(4000))
    same = cost_of(questions, [5] * 4000)
    assert same < 20 * many + 0.1


def cost_of_looking(questions):
    start = time.thread_time()
    for _ in range(200):
        assert questions.due < 20.0
    return time.thread_time() - start


def test_the_next_deadline_costs_no_more_after_a_flood_than_before(questions):
    # What was taken from the front must not be searched through again: it is asked for with every
    # read, and once per question when all of a flood expire in one tick.
    ask(questions, 1, command(ioa=1))
    before = cost_of_looking(questions)
    n = 20_000
    for ioa in range(2, n):
        ask(questions, 1, command(ioa=ioa))
    for ioa in range(1, n - 1):
        questions.answer(answer(command(ioa=ioa), 47), 1.0)
    assert cost_of_looking(questions) < 5 * before + 0.01
