import pytest

from tests.support.referee import Referee, Verdict

A, B = (51, 100, "a"), (51, 100, "b")
"""Two questions of the same type to the same point, told apart by their object octets."""


def heard(*numbers: int, sent: int = 5) -> Verdict:
    referee = Referee()
    referee.sent(range(sent))
    referee.arrived("m", numbers)
    return referee.verdict("m")


def test_all_once_and_in_order_is_clean():
    verdict = heard(0, 1, 2, 3, 4)
    assert verdict.is_clean
    assert verdict.received == 5
    assert "clean" in str(verdict)


FAULTS = [
    ((0, 1, 3, 4), {"lost": (2,)}),
    ((0, 1, 2, 3), {"lost": (4,)}),
    ((), {"lost": (0, 1, 2, 3, 4)}),
    ((0, 1, 1, 2, 3, 4), {"duplicated": (1,)}),
    ((0, 1, 2, 3, 4, 0), {"duplicated": (0,)}),
    ((0, 2, 1, 3, 4), {"reordered": (1,)}),
    ((1, 2, 3, 4, 0), {"reordered": (0,)}),
    ((0, 1, 2, 3, 4, 9), {"invented": (9,)}),
    ((0, 2, 2, 1, 4), {"lost": (3,), "duplicated": (2,), "reordered": (1,)}),
]


@pytest.mark.parametrize(("numbers", "faults"), FAULTS)
def test_each_fault_of_the_event_stream_is_found(numbers, faults):
    verdict = heard(*numbers)
    assert verdict.faults == faults
    for kind in faults:
        assert kind in str(verdict)


def test_numbers_may_be_sent_in_any_order_and_are_judged_by_it():
    referee = Referee()
    referee.sent([5, 3, 4])
    referee.arrived("as sent", [5, 3, 4])
    referee.arrived("sorted", [3, 4, 5])
    assert referee.verdict("as sent").is_clean
    assert referee.verdict("sorted").reordered == (5,)


def test_events_of_unknown_fate_are_not_called_lost_but_may_arrive():
    referee = Referee()
    referee.sent(range(5))
    referee.unsure([3, 4])
    referee.arrived("m", [0, 1, 2, 3])
    assert referee.verdict("m").is_clean


def test_a_master_that_came_late_or_left_early_owes_only_its_part():
    referee = Referee()
    referee.sent(range(10))
    referee.arrived("m", [4, 5, 6])
    assert referee.verdict("m", first=4, last=6).is_clean
    assert referee.verdict("m", first=3, last=6).lost == (3,)
    assert referee.verdict("m", first=4, last=7).lost == (7,)


def test_one_masters_loss_is_not_anothers():
    referee = Referee()
    referee.sent(range(3))
    referee.arrived("whole", [0, 1, 2])
    referee.arrived("holed", [0, 2])
    assert [v.master for v in referee.verdicts() if not v.is_clean] == ["holed"]


def test_an_answer_that_comes_home_is_clean():
    referee = Referee()
    referee.asked("m", A)
    referee.answered("m", A, 7)
    referee.answered("m", A, 10)
    assert referee.verdict("m").is_clean


def test_an_answer_in_the_wrong_hands_is_found_on_both_sides():
    referee = Referee()
    referee.asked("m1", A)
    referee.asked("m2", B)
    for question in (A, B):
        referee.answered("m2", question, 7)
        referee.answered("m2", question, 10)
    assert referee.verdict("m1").faults == {"unanswered": (A,)}
    assert referee.verdict("m2").faults == {"misdelivered": ((A, "m1"), (A, "m1"))}


def test_an_answer_told_to_everybody_is_misdelivered():
    referee = Referee()
    referee.asked("m1", A, terminates=False)
    for name in ("m1", "m2"):
        referee.answered(name, A, 7)
    assert referee.verdict("m1").is_clean
    assert referee.verdict("m2").misdelivered == ((A, "m1"),)


def test_an_answer_that_nobody_asked_for_is_found():
    referee = Referee()
    referee.answered("m", A, 7)
    assert referee.verdict("m").unasked == (A,)


def test_a_question_without_answer_is_found():
    referee = Referee()
    referee.asked("m", A)
    assert referee.verdict("m").unanswered == (A,)


def test_a_termination_alone_is_no_confirmation():
    referee = Referee()
    referee.asked("m", A)
    referee.answered("m", A, 10)
    assert referee.verdict("m").faults == {"premature": (A,), "unanswered": (A,)}


def test_a_missing_termination_is_found_unless_none_is_due():
    referee = Referee()
    referee.asked("m", A)
    referee.asked("m", B, terminates=False)
    referee.answered("m", A, 7)
    referee.answered("m", B, 7)
    assert referee.verdict("m").faults == {"unterminated": (A,)}


@pytest.mark.parametrize(
    ("cause", "is_negative"),
    [(7, True), (9, False), (44, True), (45, True), (46, True), (47, False)],
)
def test_after_a_refusal_no_termination_is_due(cause, is_negative):
    referee = Referee()
    referee.asked("m", A)
    referee.answered("m", A, cause, is_negative)
    assert referee.verdict("m").is_clean


def test_one_answer_too_many_is_found():
    referee = Referee()
    referee.asked("m", A)
    for cause in (7, 7, 10):
        referee.answered("m", A, cause)
    assert referee.verdict("m").faults == {"repeated": (A,)}


def test_the_same_question_twice_wants_two_answers():
    referee = Referee()
    for _ in range(2):
        referee.asked("m", A, terminates=False)
    referee.answered("m", A, 7)
    assert referee.verdict("m").unanswered == (A,)
    referee.answered("m", A, 7)
    assert referee.verdict("m").is_clean


def test_the_same_question_of_two_masters_is_each_ones_own():
    referee = Referee()
    for name in ("m1", "m2"):
        referee.asked(name, A, terminates=False)
    referee.answered("m1", A, 7)
    referee.answered("m1", A, 7)
    assert referee.verdict("m1").repeated == (A,)
    assert referee.verdict("m2").unanswered == (A,)


def test_the_data_of_a_read_settles_it():
    referee = Referee()
    referee.asked("m", (102, 7, b""), terminates=False)
    referee.answered("m", (102, 7, b""), 5)
    assert referee.verdict("m").is_clean
