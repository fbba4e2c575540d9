"""Every request towards a scripted station: confirmed, refused, unanswered, lost."""

import struct
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.client import (
    ConnectionLostError,
    ExecutionFailedError,
    IEC104Client,
    NotConnectedError,
    RefusedError,
    RequestTimeoutError,
    UnknownCauseError,
    UnknownCommonAddressError,
    UnknownObjectAddressError,
    UnknownTypeError,
)
from core.protocol.codec import DataUnit
from core.protocol.codes import Cause, TypeId
from core.protocol.objects import FloatParameter, SingleCommand, SinglePoint
from core.protocol.times import Cp56Time2a
from tests.client.conftest import started
from tests.support.wire import HOST, asdu

T = TypeId
NOON = datetime(2026, 12, 11, 12, 0, 0, 250_000)  # noqa: DTZ001  # as a station tells it
TAG = Cp56Time2a.from_datetime(NOON).bits.to_bytes(7, "little").hex()

COMMANDS = [
    # type, value, options, element on the wire
    (T.C_SC_NA_1, True, {}, "01"),
    (T.C_SC_NA_1, False, {"qualifier": 1}, "04"),
    (T.C_DC_NA_1, 2, {}, "02"),
    (T.C_DC_NA_1, True, {}, "02"),
    (T.C_DC_NA_1, False, {}, "01"),
    (T.C_RC_NA_1, 2, {"qualifier": 1}, "06"),
    (T.C_SE_NA_1, 0.5, {}, "004000"),
    (T.C_SE_NB_1, -1234, {"qualifier": 3}, "2efb03"),
    (T.C_SE_NC_1, 1.5, {}, "0000c03f00"),
    (T.C_BO_NA_1, 0xDEADBEEF, {}, "efbeadde"),
    (T.C_SC_TA_1, True, {"time": NOON}, "01" + TAG),
    (T.C_DC_TA_1, 1, {"time": NOON}, "01" + TAG),
    (T.C_RC_TA_1, 1, {"time": NOON}, "01" + TAG),
    (T.C_SE_TA_1, -1, {"time": NOON}, "008000" + TAG),
    (T.C_SE_TB_1, 4321, {"time": NOON}, "e11000" + TAG),
    (T.C_SE_TC_1, 1.5, {"time": NOON}, "0000c03f00" + TAG),
    (T.C_BO_TA_1, 1, {"time": NOON}, "01000000" + TAG),
]


@pytest.mark.parametrize(("type_id", "value", "options", "element"), COMMANDS)
def test_a_command_of_every_type_is_confirmed_and_executed(
    rtu, client, type_id, value, options, element
):
    got = client.command(type_id, 5000, value, termination=True, **options)
    assert got.terminated
    assert got.obj is not None
    assert got.obj.ioa == 5000
    (asked,) = rtu.asked
    assert (asked.type_id, asked.cause, asked.ca, asked.ioa) == (type_id, 6, 47, 5000)
    assert asked.element.hex() == element


SELECTABLE = [case for case in COMMANDS if case[0] not in (T.C_BO_NA_1, T.C_BO_TA_1)]


@pytest.mark.parametrize(("type_id", "value", "options", "element"), SELECTABLE)
def test_select_before_operate_with_every_type(rtu, client, type_id, value, options, element):
    assert client.command(type_id, 5000, value, select=True, **options).terminated
    select, execute = rtu.asked
    assert (select.is_select, execute.is_select) == (True, False)
    assert execute.element.hex() == element


@pytest.mark.parametrize("case", COMMANDS)
@pytest.mark.parametrize("select", [False, True])
def test_a_refusal_of_every_type_names_its_cause(rtu, client, case, select):
    type_id, value, options, _ = case
    if select and case not in SELECTABLE:
        return
    rtu.set(script=lambda one: [one.answer(7, is_negative=True)])
    with pytest.raises(RefusedError, match="negative confirmation") as refused:
        client.command(type_id, 5000, value, select=select, **options)
    assert refused.value.cause == 7
    assert len(rtu.asked) == 1  # a selection that was refused is not executed


@pytest.mark.parametrize(
    ("cause", "error"),
    [
        (44, UnknownTypeError),
        (45, UnknownCauseError),
        (46, UnknownCommonAddressError),
        (47, UnknownObjectAddressError),
    ],
)
@pytest.mark.parametrize("is_negative", [True, False])
def test_an_unknown_something_is_told_apart_whatever_pn_says(
    rtu, client, cause, error, is_negative
):
    rtu.set(script=lambda one: [one.answer(cause, is_negative=is_negative)])
    asks = [
        lambda: client.command("C_SC_NA_1", 1, True),
        client.interrogate,
        client.counter_interrogate,
        lambda: client.read(7),
        client.synchronize_clock,
        client.test,
        client.reset_process,
    ]
    for ask in asks:
        with pytest.raises(error) as refused:
            ask()
        assert refused.value.cause == cause
        assert refused.value.asdu.cause == cause


def test_a_time_makes_the_type_with_a_tag(rtu, client):
    client.command("C_SC_NA_1", 1, True, time=NOON)
    client.command(58, 1, True)
    assert [one.type_id for one in rtu.asked] == [58, 58]
    assert rtu.asked[0].element.hex() == "01" + TAG
    assert rtu.asked[1].element[1:] != bytes(7)


def test_an_execution_that_failed(rtu, client):
    rtu.set(script=lambda one: [one.answer(7), one.answer(10, is_negative=True)])
    with pytest.raises(ExecutionFailedError):
        client.command("C_SC_NA_1", 1, True)


def test_a_termination_that_never_comes(rtu, client):
    rtu.set(terminates=False)
    assert not client.command("C_SC_NA_1", 1, True).terminated  # after the grace time
    assert not client.command("C_SC_NA_1", 1, True, termination=False).terminated
    with pytest.raises(RequestTimeoutError, match="not ended") as late:
        client.command("C_SC_NA_1", 1, True, termination=True, timeout=0.4)
    assert late.value.was_sent


def test_a_termination_without_confirmation_is_enough(rtu, client):
    rtu.set(confirms=False)
    got = client.command("C_SC_NA_1", 1, True)
    assert got.terminated
    assert got.obj is None
    assert client.interrogate().terminated


def test_a_late_termination_does_not_confirm_the_next_command(rtu, client):
    rtu.set(terminates=False)
    client.command("C_SC_NA_1", 1, True, termination=False)
    rtu.set(script=lambda one: [one.answer(10), one.answer(7, is_negative=True)])
    with pytest.raises(RefusedError):
        client.command("C_SC_NA_1", 1, True)


def test_mirrors_of_small_stations_are_recognised(rtu, client):
    """The value cleared, the time tag dropped, another originator address."""
    rtu.set(
        oa=0,
        script=lambda one: [
            replace(one.answer(7), type_id=45, objects=one.objects[:3] + b"\0"),
            replace(one.answer(10), type_id=45, objects=one.objects[:3] + b"\0"),
        ],
    )
    assert client.command("C_SC_TA_1", 1, True).terminated


def test_answers_of_others_are_not_taken(rtu, client):
    def script(one):
        return [
            replace(one.answer(7, is_negative=True), ca=9),
            replace(one.answer(7, is_negative=True), objects=b"\x02\0\0\x01"),
            replace(one.answer(7, is_negative=True), type_id=46),
            one.answer(9, is_negative=True),
            one.answer(7),
            one.answer(10),
        ]

    rtu.set(script=script)
    assert client.command("C_SC_NA_1", 1, True).terminated


def test_select_and_cancel(rtu, client):
    assert client.select("C_DC_NA_1", 9, 2).obj is not None
    assert client.cancel("C_DC_NA_1", 9, 2).obj is not None
    assert [(one.cause, one.is_select) for one in rtu.asked] == [(6, True), (8, True)]


@pytest.mark.parametrize(
    ("type_id", "value", "options"),
    [
        ("C_DC_NA_1", 0, {}), ("C_RC_NA_1", True, {}), ("C_SC_NA_1", 2, {}),
        ("C_SE_NA_1", 1.5, {}), ("C_SE_NB_1", 40000, {}), ("C_SE_NB_1", 0.5, {}),
        ("C_SE_NC_1", 1e300, {}), ("C_BO_NA_1", -1, {}), ("C_BO_NA_1", 1, {"select": True}),
        ("C_SC_NA_1", True, {"qualifier": 32}), ("M_SP_NA_1", True, {}), ("nonsense", 1, {}),
        (3000, 1, {}), ("C_SC_NA_1", True, {"ca": 0}), ("C_SC_NA_1", True, {"ca": 70000}),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_refused_before_anything_is(rtu, client, type_id, value, options):
    with pytest.raises(ValueError, match=r"."):
        client.command(type_id, 1, value, **options)
    assert not rtu.asked


# interrogations


def test_an_interrogation_gives_what_was_received(rtu, client):
    got = client.interrogate()
    assert got.terminated
    assert {one.ioa: one.value for one in got.updates} == {
        100: True, 101: False, 102: True, 200: 2, 400: 50.0, 500: 0.5,
    }  # fmt: skip
    assert {one.cause for one in got.updates} == {20}
    assert isinstance(got.updates[0].obj, SinglePoint)
    assert client.get_queue_size() == 6  # the answers are in the queue as well


def test_a_group_interrogation_takes_cause_20_too(rtu, client):
    def script(one):
        return [one.answer(7), *[replace(p, cause=20) for p in rtu.points], one.answer(10)]

    rtu.set(script=script)
    assert len(client.interrogate(21).updates) == 6


def test_events_during_an_interrogation_are_not_its_data(rtu, client):
    def script(one):
        return [one.answer(7), asdu(1, 77, b"\1", 3), *rtu.points, one.answer(10)]

    rtu.set(script=script)
    assert 77 not in {one.ioa for one in client.interrogate().updates}
    assert 77 in {one.ioa for one in client.updates(0)}


@pytest.mark.parametrize(("confirms", "terminates"), [(False, False), (True, False), (False, True)])
def test_an_interrogation_without_confirmation_or_end(rtu, client, confirms, terminates):
    rtu.set(confirms=confirms, terminates=terminates)
    got = client.interrogate()
    assert len(got.updates) == 6
    assert got.terminated == terminates
    assert (got.obj is not None) == confirms


def test_an_interrogation_that_never_ends_is_no_success(rtu, client):
    rtu.set(terminates=False)
    with pytest.raises(RequestTimeoutError, match="confirmed, but not ended"):
        client.interrogate(termination=True, timeout=0.5)
    with pytest.raises(RequestTimeoutError, match="confirmed, but not ended"):
        client.interrogate(timeout=0.1)  # no silence of the grace time yet


def test_every_station_behind_the_link_answers_the_broadcast_address(rtu, client):
    rtu.set(is_strict=False)

    def script(one):
        parts = (one.answer(7), *rtu.points, one.answer(10))
        return [replace(part, ca=ca) for ca in (47, 48) for part in parts]

    rtu.set(script=script)
    got = client.interrogate(ca=65535)
    assert {one.ca for one in got.updates} == {47, 48}
    assert got.terminated


def test_counters_are_read_and_frozen(rtu, client):
    got = client.counter_interrogate()
    assert [(one.ioa, one.value, one.cause) for one in got.updates] == [(600, 1234, 37)]
    client.counter_interrogate(5, freeze=2)
    assert rtu.asked[-1].element.hex() == "85"


def test_a_read_gives_the_object(rtu, client):
    assert client.read(321).value == 321.0
    rtu.set(script=lambda one: [one.answer(7), *rtu.usual_answers(one)])  # as c104 does
    assert client.read(322).value == 322.0
    rtu.set(script=lambda one: [replace(asdu(1, 5, b"\1\0\1", 5), vsq=0x83)])
    assert client.read(6).value is False
    rtu.set(script=lambda one: [one.answer(5, is_negative=True)])
    with pytest.raises(RefusedError):
        client.read(7)


# the rest


def test_the_clock_is_set(rtu, client):
    answer = Cp56Time2a.from_datetime(datetime(2026, 1, 1, tzinfo=UTC))
    rtu.set(script=lambda one: [replace(one.answer(7), objects=b"\0\0\0" + octets(answer))])
    assert client.synchronize_clock(NOON).obj.time == answer
    assert rtu.asked[0].element.hex() == TAG
    client.synchronize_clock()
    client.synchronize_clock(answer)
    assert rtu.asked[2].element == octets(answer)
    sent = Cp56Time2a.from_octets(rtu.asked[1].element).to_datetime()
    here = datetime.now().astimezone().replace(tzinfo=None)
    assert abs((here - sent).total_seconds()) < 60


def octets(tag):
    return tag.bits.to_bytes(7, "little")


def test_tests_and_reset_are_confirmed(rtu, client):
    assert client.test(1234).obj.counter == 1234
    assert client.test(tagged=False).obj.pattern == 0x55AA
    assert client.reset_process().obj.qrp == 1
    assert [one.type_id for one in rtu.asked] == [107, 104, 105]


def test_any_asdu_can_be_sent(wire, rtu, client):
    client.send(DataUnit(T.P_ME_NC_1, Cause.ACTIVATION, 47, (FloatParameter(400, 1.5, 1),)))
    wire.wait(lambda: rtu.asked)
    assert struct.unpack("<f", rtu.asked[0].element[:4]) == (1.5,)
    with pytest.raises(ValueError, match="value"):
        client.send(DataUnit(T.C_SC_NA_1, 6, 47, (SingleCommand(1, 7),)))


def test_addresses_are_those_of_the_client_or_of_the_call(rtu, make):
    rtu.set(is_strict=False)
    client = started(make(common_address=5, originator_address=9))
    rtu.set(ca=5)
    client.command("C_SC_NA_1", 1, True)
    rtu.set(ca=6)
    client.command("C_SC_NA_1", 1, True, ca=6)
    assert [(one.ca, one.oa) for one in rtu.asked] == [(5, 9), (6, 9)]


# no answer, no link


def test_no_answer_in_time(rtu, client):
    rtu.set(script=lambda one: [])
    for ask in (client.interrogate, client.test, client.synchronize_clock):
        with pytest.raises(RequestTimeoutError, match="not confirmed in time"):
            ask(timeout=0.2)
    with pytest.raises(TimeoutError):
        client.read(1, timeout=0.2)


def test_without_a_link_nothing_is_asked(rtu, make):
    client = make()
    with pytest.raises(NotConnectedError, match="not started"):
        client.interrogate()
    rtu.set(confirms_start=False)
    client.start()
    with pytest.raises(NotConnectedError):
        client.interrogate()
    with pytest.raises(ConnectionError):
        client.send(DataUnit(T.C_SC_NA_1, 6, 47, (SingleCommand(1, True),)))


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("answers", [[], [7]])
def test_the_link_is_lost_in_the_middle(wire, rtu, client, reset, answers):
    def script(one):
        wire.later(0.05, lambda: rtu.kill(reset))
        return [one.answer(cause) for cause in answers]

    rtu.set(script=script)
    before = time.monotonic()
    with pytest.raises(ConnectionLostError, match="C_SC_NA_1 to 47/1"):
        client.command("C_SC_NA_1", 1, True, termination=True)
    assert time.monotonic() - before < 5


def test_a_stop_ends_what_is_under_way(wire, rtu, client):
    rtu.set(script=lambda one: [])
    errors = []
    thread = threading.Thread(target=lambda: errors.append(failing(client.interrogate)))
    thread.start()
    wire.wait(lambda: rtu.asked)
    client.stop()
    thread.join(5)
    assert isinstance(errors[0], ConnectionLostError)


def failing(ask):
    try:
        return ask()
    except Exception as error:
        return error


def test_equal_requests_of_several_threads_take_turns(wire, rtu, client):
    rtu.set(answer_delay=0.05)
    done = []

    def ask(ioa):
        client.command("C_SC_NA_1", ioa, True, termination=True)
        done.append(ioa)

    threads = [threading.Thread(target=ask, args=(ioa,)) for ioa in (1, 1, 1, 2, 3)]
    for thread in threads:
        thread.start()
    wire.wait(lambda: len(rtu.asked) >= 3)
    assert sorted(one.ioa for one in rtu.asked[:3]) == [1, 2, 3]
    for thread in threads:
        thread.join(5)
    assert sorted(done) == [1, 1, 1, 2, 3]


def test_what_the_window_did_not_take_in_time_is_never_sent(wire, rtu, make):
    client = started(make(k=1, w=1))
    rtu.set(w=None, t2=100, script=lambda one: [], is_strict=False)
    with pytest.raises(RequestTimeoutError) as late:
        client.command("C_SC_NA_1", 1, True, timeout=0.3)
    assert late.value.was_sent
    with pytest.raises(RequestTimeoutError, match="not sent in time") as late:
        client.command("C_SC_NA_1", 2, True, timeout=0.3)
    assert not late.value.was_sent
    rtu.set(w=1, t2=0.1, script=None)
    rtu.events(1)  # acknowledges
    assert client.command("C_SC_NA_1", 3, True).terminated
    assert [one.ioa for one in rtu.asked] == [1, 3]


def test_a_client_that_never_started_asks_nothing():
    client = IEC104Client(HOST, 1)
    with pytest.raises(NotConnectedError):
        client.test()
