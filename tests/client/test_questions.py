"""The ledger of requests with the time as a number: turns, deadlines, debts, and any answers."""

from hypothesis import given
from hypothesis import strategies as st

from core.client import (
    ConnectionLostError,
    IEC104Error,
    NotConnectedError,
    OverflowedError,
    RefusedError,
    RequestTimeoutError,
)
from core.client import questions as module
from core.client.questions import MOST_WAITING, NEVER, Answer, Ledger, Needs, Question
from core.protocol.asdu import Asdu

SC, IC, CI, RD = 45, 100, 101, 102
ELEMENTS = {SC: b"\1", IC: b"\x14", CI: b"\5", RD: b""}


def question(type_id=SC, ioa=1, ca=47, needs=Needs.TERMINATION_IF_ANY, due=100.0, cause=6):
    outcomes = []
    asdu = Asdu.of(type_id, cause, ca, ioa.to_bytes(3, "little") + ELEMENTS[type_id])
    made = Question("a request", lambda: asdu, needs, outcomes.append, due=due, grace=5.0)
    made.outcomes = outcomes
    return made


def ledger_with(*questions):
    ledger = Ledger()
    for one in questions:
        ledger.add(one)
    return ledger


def sent(ledger):
    """Everything that may go now."""
    gone = []
    while (one := ledger.next_to_send()) is not None:
        one.send()
        gone.append(one)
    return gone


def con(one, cause=7, negative=False):
    return one.asked.with_cause(cause, negative=negative)


def test_requests_with_answers_alike_take_turns():
    first, second, other = question(), question(), question(ioa=2)
    ledger = ledger_with(first, second, other)
    assert sent(ledger) == [first, other]
    ledger.take(con(first), 0.0)
    ledger.take(con(first, 10), 0.0)
    assert isinstance(first.outcomes[0], Answer)
    assert sent(ledger) == [second]


def test_a_broadcast_waits_for_all_and_all_for_it():
    one, everyone, another = question(IC, 0), question(IC, 0, ca=65535), question(IC, 0, ca=9)
    ledger = ledger_with(one, everyone, another)
    assert sent(ledger) == [one]


def test_time_with_and_without_a_time_tag_are_alike():
    assert module.plain_type(58) == 45
    assert module.plain_type(64) == 51
    assert module.plain_type(100) == 100


def test_the_grace_time_runs_from_the_last_that_came():
    one = question(IC, 0)
    ledger = ledger_with(one)
    sent(ledger)
    assert ledger.due == 100.0
    ledger.take(con(one), 10.0)
    assert ledger.due == 15.0
    data = Asdu.of(1, 20, 47, b"\1\0\0\1")
    ledger.take(data, 14.0)
    ledger.expire(15.0)
    assert not one.outcomes
    ledger.expire(19.0)
    (answer,) = one.outcomes
    assert answer.data == (data,)
    assert not answer.terminated
    assert ledger.due == NEVER


def test_a_confirmed_command_is_done_when_its_time_is_up():
    one = question(due=12.0)
    ledger = ledger_with(one)
    sent(ledger)
    ledger.take(con(one), 10.0)
    ledger.expire(12.0)
    assert isinstance(one.outcomes[0], Answer)


def test_what_waits_in_turn_runs_out_of_time_unsent():
    first, second = question(), question(due=3.0)
    ledger = ledger_with(first, second)
    sent(ledger)
    ledger.expire(3.0)
    (error,) = second.outcomes
    assert isinstance(error, RequestTimeoutError)
    assert not error.was_sent
    ledger.take(con(first), 4.0)
    ledger.take(con(first, 10), 4.0)
    assert sent(ledger) == []


def test_a_lost_link_ends_all_of_them():
    first, second = question(), question()
    ledger = ledger_with(first, second)
    sent(ledger)
    ledger.lose("closed by the peer")
    assert type(first.outcomes[0]) is ConnectionLostError
    assert type(second.outcomes[0]) is NotConnectedError
    assert not ledger.is_open


def test_a_request_is_given_up():
    one = question()
    ledger = ledger_with(one)
    sent(ledger)
    ledger.give_up(one)
    assert not ledger.is_open
    ledger.take(con(one), 1.0)
    assert len(one.outcomes) == 1


def test_only_one_termination_is_owed():
    first, second = question(needs=Needs.CONFIRMATION), question()
    ledger = ledger_with(first)
    sent(ledger)
    ledger.take(con(first), 0.0)
    ledger.add(second)
    sent(ledger)
    ledger.take(con(first, 10), 1.0)
    assert not second.outcomes
    ledger.take(con(second, 10), 2.0)
    assert second.outcomes[0].terminated


def test_the_ledger_is_bounded():
    ledger = ledger_with(*[question() for _ in range(MOST_WAITING)])
    try:
        ledger.add(question())
    except OverflowedError:
        return
    raise AssertionError("one too many was taken")


def test_data_without_end_is_no_memory_without_end(monkeypatch):
    monkeypatch.setattr(module, "MOST_ASDUS", 3)
    one = question(IC, 0)
    ledger = ledger_with(one)
    sent(ledger)
    for _ in range(4):
        ledger.take(Asdu.of(1, 20, 47, b"\1\0\0\1"), 0.0)
    assert isinstance(one.outcomes[0], OverflowedError)


ANY_ASDU = st.builds(
    lambda type_id, cause, ca, objects, negative: Asdu.of(
        type_id, cause, ca, objects, negative=negative
    ),
    st.sampled_from([1, 13, 15, 45, 58, 100, 101, 102, 200]) | st.integers(0, 255),
    st.sampled_from([5, 6, 7, 9, 10, 20, 37, 44, 45, 46, 47]) | st.integers(0, 63),
    st.sampled_from([47, 48, 65535]),
    st.sampled_from([b"\1\0\0\1", b"\0\0\0\x14", b"\0\0\0\5", b"\1\0\0", b""]) | st.binary(),
    st.booleans(),
)


@given(st.lists(ANY_ASDU), st.sampled_from(list(Needs)), st.sampled_from([47, 65535]))
def test_whatever_comes_every_request_has_one_outcome(asdus, needs, ca):
    asked = [question(SC, 1, ca, needs), question(IC, 0, ca, needs), question(CI, 0, ca, needs),
             question(RD, 1, ca, Needs.VALUE, cause=5)]  # fmt: skip
    ledger = ledger_with(*asked)
    sent(ledger)
    for now, asdu in enumerate(asdus):
        ledger.take(asdu, float(now))
        ledger.expire(float(now))
    ledger.expire(1e9)
    for one in asked:
        (outcome,) = one.outcomes
        assert isinstance(outcome, Answer | IEC104Error)
        if isinstance(outcome, RefusedError):
            assert outcome.asdu in asdus
