"""The referee's book sees every fault it is for, and none where there is none."""

import pytest

from tests.reliability.book import Book, Question, Session

LINE = object()
OTHER_LINE = object()


class Bench:
    """A book with one connection of the station and ten events sent, and a master from 3 on."""

    def __init__(self) -> None:
        self.book = Book(1, command_timeout=3.0, window=12)
        self.book.station = "S"
        self.span = self.book.linked(0.0)
        self.book.send(self.span, 3)
        self.session = Session("m", 1.0, owed=3)
        self.book.send(self.span, 7)

    def hear(self, *numbers: int) -> list[str]:
        for number in numbers:
            self.book.event(self.session, number, 2.0)
        return [finding.split(": ")[1] for finding in self.book.findings]

    def end_span(self, acked: int) -> None:
        self.span.acked, self.span.ended = acked, 2.0

    def ask(self, number: int = 7, master: str = "m", session: Session | None = None) -> Question:
        key = "command", number
        question = Question(key, master, session or self.session, LINE, 1.0, b"", True)
        self.book.ask(question)
        return question

    def found(self) -> list[str]:
        return [finding.split(": ")[1] for finding in self.book.findings]


EVENTS = [
    ((3, 4, 5, 6, 7, 8, 9), []),
    ((1, 2, 3, 4), []),  # kept ones first
    ((3, 4, 6), ["lost"]),
    ((4, 5), ["lost"]),  # owed from 3 on
    ((3, 4, 4), ["duplicated"]),
    ((3, 4, 3), ["duplicated"]),
    ((3, 5, 4), ["lost", "reordered"]),
    ((3, 10), ["invented"]),
    ((10,), ["invented"]),
]


@pytest.mark.parametrize(("numbers", "found"), EVENTS)
def test_each_fault_of_a_session_is_found(numbers, found):
    assert Bench().hear(*numbers) == found


def test_what_the_gateway_never_acknowledged_may_be_missing_once_that_link_is_over():
    bench = Bench()
    bench.end_span(acked=6)
    later = bench.book.linked(2.0)
    bench.book.send(later, 3)
    assert bench.hear(3, 4, 5, 10) == []
    assert bench.book.of("m")["unsure"] == 4


def test_what_it_acknowledged_may_not():
    bench = Bench()
    bench.end_span(acked=6)
    bench.book.send(bench.book.linked(2.0), 3)
    assert bench.hear(3, 4, 10) == ["lost"]


def test_after_a_takeover_a_window_may_come_again_and_no_more():
    bench = Bench()
    bench.hear(3, 4, 5, 6)
    bench.session.may_replay = True
    assert bench.hear(5, 6, 7) == []
    assert bench.hear(6) == ["duplicated"]
    bench = Bench()
    bench.book.send(bench.span, 40)
    bench.hear(*range(3, 40))
    bench.session.may_replay = True
    assert bench.hear(20) == ["duplicated"]


def test_what_is_acknowledged_and_given_to_nobody_has_vanished():
    bench = Bench()
    bench.hear(3, 4, 5)
    bench.end_span(acked=8)
    assert bench.book.vanished() == [0, 1, 2, 6, 7]
    bench.book.excuse(range(3), "of another master")
    assert bench.book.vanished() == [6, 7]
    bench.book.forget()
    assert bench.book.vanished() == []


def test_an_answer_that_comes_home_is_no_finding():
    bench = Bench()
    question = bench.ask()
    assert bench.book.reaches_rtu(question.key, 1.1, 1.5) is question
    for cause in (7, 10):
        bench.book.rtu_answers(question, cause, False, 1.2)
        bench.book.answer(bench.session, LINE, question.key, cause, False, 1.3)
    bench.book.look_at(bench.session, 99.0, 1.5)
    assert bench.found() == []


def test_an_answer_in_the_wrong_hands_is_found():
    bench = Bench()
    question = bench.ask()
    bench.book.reaches_rtu(question.key, 1.1, 1.5)
    bench.book.rtu_answers(question, 7, False, 1.2)
    other = Session("other", 1.0, owed=3)
    bench.book.answer(other, LINE, question.key, 7, False, 1.3)
    assert bench.found() == ["misdelivered"]


def test_an_answer_to_an_earlier_connection_is_found():
    bench = Bench()
    question = bench.ask()
    bench.book.reaches_rtu(question.key, 1.1, 1.5)
    bench.book.rtu_answers(question, 7, False, 1.2)
    again = Session("m", 1.0, owed=3)
    bench.book.answer(again, OTHER_LINE, question.key, 7, False, 1.3)
    assert bench.found() == ["misdelivered"]


ANSWERS = [
    ([(7, False, 0)], ["invented answer"]),  # the station said nothing of the kind
    ([(7, False, 1), (7, False, 0)], ["repeated answer"]),
    ([(10, False, 1)], ["termination before confirmation"]),
    ([(7, True, 0)], ["refused though it was sent"]),
]


@pytest.mark.parametrize(("answers", "found"), ANSWERS)
def test_each_fault_of_answers_is_found(answers, found):
    bench = Bench()
    question = bench.ask()
    bench.book.reaches_rtu(question.key, 1.1, 1.5)
    for cause, negative, is_told in answers:
        if is_told:
            bench.book.rtu_answers(question, cause, negative, 1.2)
        bench.book.answer(bench.session, LINE, question.key, cause, negative, 1.3)
    assert bench.found() == found


def test_an_answer_nobody_asked_for_is_found():
    bench = Bench()
    bench.book.answer(bench.session, LINE, ("command", 99), 7, False, 1.3)
    assert bench.found() == ["unasked answer"]


def test_an_answer_that_a_later_event_overtakes_is_lost():
    bench = Bench()
    question = bench.ask()
    bench.book.reaches_rtu(question.key, 1.1, 1.5)
    bench.book.rtu_answers(question, 7, False, 1.2)
    bench.book.send(bench.span, 1)
    bench.hear(3, 4, 5, 6, 7, 8, 9)
    assert bench.found() == []
    bench.hear(10)
    assert bench.found() == ["answer lost"]


def test_a_command_twice_at_the_station_is_found():
    bench = Bench()
    question = bench.ask()
    bench.book.reaches_rtu(question.key, 1.1, 1.5)
    bench.book.reaches_rtu(question.key, 1.2, 1.5)
    assert bench.found() == ["sent twice"]


def test_a_command_nobody_gave_is_found():
    bench = Bench()
    assert bench.book.reaches_rtu(("command", 5), 1.1, 1.5) is None
    assert bench.found() == ["invented question"]


def test_a_command_too_late_or_of_a_master_that_is_gone_is_found():
    bench = Bench()
    late, gone = bench.ask(1), bench.ask(2)
    bench.book.reaches_rtu(late.key, 6.0, 1.5)
    bench.book.end_session(bench.session, 6.0)
    bench.book.reaches_rtu(gone.key, 8.0, 9.0)
    assert bench.found() == ["sent late"]
    bench = Bench()
    gone = bench.ask(2)
    bench.book.end_session(bench.session, 1.5)
    bench.book.reaches_rtu(gone.key, 4.0, 1.5)
    assert bench.found() == ["sent after its master had gone"]


def test_a_question_without_any_answer_is_found_when_a_later_event_has_come():
    bench = Bench()
    bench.ask()
    bench.book.look_at(bench.session, 6.0, 1.5)
    assert bench.found() == []
    bench.book.send(bench.span, 1)
    bench.hear(*range(3, 11))
    bench.book.look_at(bench.session, 6.1, 1.5)
    assert bench.found() == ["unanswered"]


def test_a_question_a_faulty_station_could_not_take_is_none_of_the_gateways():
    bench = Bench()
    bench.ask()
    bench.book.fault("stall", "S", 1.5, 3.0)
    bench.book.look_at(bench.session, 6.0, 1.5)
    bench.book.send(bench.span, 1)
    bench.hear(*range(3, 11))
    bench.book.look_at(bench.session, 6.1, 1.5)
    assert bench.found() == []
