"""A controlling station: the client library towards a scripted station."""

import struct
from datetime import datetime

import pytest

from core.client import (
    ClientState,
    RefusedError,
    UnknownCauseError,
    UnknownCommonAddressError,
    UnknownObjectAddressError,
    UnknownTypeError,
)
from core.protocol.codes import TypeId
from tests.conformance.cases import CLIENT, case
from tests.connections.support import wait_for
from tests.support.wire import asdu

NOON = datetime(2026, 12, 11, 12, 0, 0, 250_000)  # noqa: DTZ001 (as a station tells it)
ELEMENTS = [
    ("C_SC_NA_1", True, "01"), ("C_DC_NA_1", 2, "02"), ("C_RC_NA_1", 2, "02"),
    ("C_SE_NA_1", 0.5, "004000"), ("C_SE_NB_1", -1234, "2efb00"), ("C_SE_NC_1", 1.5, "0000c03f00"),
    ("C_BO_NA_1", 0xDEADBEEF, "efbeadde"),
]  # fmt: skip


@case("TC-01", "controlling", CLIENT, "the master opens the connection and sends STARTDT first")
def test_the_master_connects_and_starts(rtu, client):
    first = next(frame for _, way, frame in rtu.frames if way == "in")
    assert first.hex() == "680407000000"
    assert client.state is ClientState.STARTED


@case("TC-02", "controlling", CLIENT, "a lost connection is made again, with numbers from 0")
def test_a_lost_connection_is_made_again(wire, rtu, client):
    rtu.events(5)
    wire.wait(lambda: client.get_queue_size() >= 5, 5, "the events")
    rtu.kill()
    wait_for(lambda: client.state is not ClientState.STARTED, 5, "the loss is noticed")
    rtu.restart()
    assert client.wait_until_started(15)
    rtu.events(1)
    wire.wait(lambda: client.get_queue_size() >= 6, 5, "an event over the new connection")


@case("EV-05", "controlling", CLIENT, "events are taken in order, each once, and acknowledged")
def test_the_master_takes_events(wire, rtu, client):
    rtu.events(200)
    wire.wait(lambda: client.get_queue_size() >= 200, 10, "the events")
    numbers = [update.value for _, update in zip(range(200), client.updates(5), strict=False)]
    assert numbers == list(range(200))
    wire.wait(lambda: not any(link.in_flight for link in rtu.links), 15, "acknowledged")


@case("GI-07", "controlling", CLIENT, "interrogation: request, data until the termination")
def test_the_master_interrogates(rtu, client):
    got = client.interrogate(termination=True)
    assert got.terminated
    assert {update.ioa for update in got.updates} == {100, 101, 102, 200, 400, 500}
    (asked,) = rtu.asked
    assert (asked.type_id, asked.cause, asked.objects.hex()) == (100, 6, "00000014")


@case("RD-03", "controlling", CLIENT, "read: cause 5, and the value that comes with cause 5")
def test_the_master_reads(rtu, client):
    assert client.read(400).value == 400.0
    (asked,) = rtu.asked
    assert (asked.type_id, asked.cause, asked.ioa) == (102, 5, 400)


@case("CS-04", "controlling", CLIENT, "clock synchronization with CP56Time2a; the answer is read")
def test_the_master_sets_the_clock(rtu, client):
    got = client.synchronize_clock(NOON)
    assert got.obj.time.to_datetime() == NOON
    assert rtu.asked[0].type_id == 103


@case("CT-13", "controlling", CLIENT, "direct commands of each type")
@pytest.mark.parametrize(("type_id", "value", "element"), ELEMENTS)
def test_the_master_commands(rtu, client, type_id, value, element):
    assert client.command(type_id, 5000, value, termination=True).terminated
    (asked,) = rtu.asked
    assert (asked.cause, asked.element.hex()) == (6, element)


@case("CT-14", "controlling", CLIENT, "select, then execute with the same value; or cancel")
def test_the_master_selects_and_executes_or_cancels(rtu, client):
    client.command("C_DC_NA_1", 5000, 2, select=True, termination=True)
    assert [one.element.hex() for one in rtu.asked] == ["82", "02"]
    client.select("C_DC_NA_1", 5001, 1)
    client.cancel("C_DC_NA_1", 5001, 1)
    assert [(one.cause, one.element.hex()) for one in rtu.asked[2:]] == [(6, "81"), (8, "81")]


@case(
    "CT-15", "controlling", CLIENT, "a negative confirmation is a refusal and nothing is executed"
)
def test_a_refused_command(rtu, client):
    rtu.set(script=lambda one: [one.answer(7, is_negative=True)])
    with pytest.raises(RefusedError):
        client.command("C_DC_NA_1", 5000, 2, select=True)
    assert len(rtu.asked) == 1


@case("DU-11", "controlling", CLIENT, "causes 44 to 47 are told apart, whatever P/N says")
@pytest.mark.parametrize("is_negative", [True, False])
def test_unknown_somethings(rtu, client, is_negative):
    errors = {
        44: UnknownTypeError, 45: UnknownCauseError, 46: UnknownCommonAddressError,
        47: UnknownObjectAddressError,
    }  # fmt: skip
    for cause, error in errors.items():
        rtu.set(script=lambda one, cause=cause: [one.answer(cause, is_negative=is_negative)])
        with pytest.raises(error):
            client.command("C_SC_NA_1", 5000, True)


@case("IT-06", "controlling", CLIENT, "counters are frozen and interrogated by command")
def test_the_master_reads_counters(rtu, client):
    client.counter_interrogate(freeze=1)
    got = client.counter_interrogate(termination=True)
    assert [update.value for update in got.updates] == [1234]
    assert [one.element.hex() for one in rtu.asked] == ["45", "05"]


@case("TP-03", "controlling", CLIENT, "test command with time tag; its confirmation is checked")
def test_the_master_tests(rtu, client):
    assert client.test(0x1234).obj.counter == 0x1234
    assert rtu.asked[0].type_id == 107


@case("IN-05", "controlling", CLIENT, "M_EI, before or behind an interrogation, harms nothing")
def test_the_master_hears_the_end_of_initialization(rtu, client):
    initialized = asdu(70, 0, b"\x02", 4)
    rtu.set(script=lambda one: [one.answer(7), initialized, one.answer(10)])
    assert client.interrogate(termination=True).terminated
    update = next(u for u in client.updates(5) if u.type_id == TypeId.M_EI_NA_1)
    assert (update.cause, update.obj.cause_of_initialization) == (4, 2)


@case("DU-12", "controlling", CLIENT, "unknown types and private causes do not end the connection")
def test_the_master_tolerates_what_it_does_not_know(wire, rtu, client):
    rtu.send(
        asdu(200, 1, b"\1\2\3", 3), asdu(1, 1, b"\1", 50), asdu(13, 2, struct.pack("<fB", 1, 0), 3)
    )
    wire.wait(lambda: client.get_queue_size() >= 3, 5, "all three")
    assert client.state is ClientState.STARTED
