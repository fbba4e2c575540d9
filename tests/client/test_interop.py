"""The client against stations built on other implementations, each in a process of its own."""

import importlib.util
import sys
import time
from contextlib import contextmanager

import pytest

from core.client import (
    ConnectionLostError,
    IEC104Client,
    IEC104DataProcessor,
    RefusedError,
    RequestTimeoutError,
    UnknownCommonAddressError,
    UnknownObjectAddressError,
)
from core.protocol.codes import TypeId
from tests.support.peers import points
from tests.support.ports import free_port
from tests.support.remote import RemotePeer
from tests.support.wire import HOST

CA = 47
BASIC = {ioa for name, ioa in points.MONITOR.items() if name.endswith("NA_1")} - {107}


def needs(package):
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"not installed: {package}")


pytestmark = pytest.mark.interop
only_c104 = needs("c104")
only_hat = [
    needs("hat"),
    pytest.mark.skipif(sys.platform == "win32", reason="the peer reads its input from a pipe"),
]
PROGRAMS = {"c104": "c104_rtu", "hat": "../../client/peers/hat_rtu"}
BOTH = [
    pytest.param("c104", marks=only_c104),
    pytest.param("hat", marks=only_hat),
]


@contextmanager
def scene(which, **options):
    with RemotePeer(PROGRAMS[which], (port := free_port()), CA) as station:
        station.expect(event="listening", within=15)
        with IEC104Client(HOST, port, grace=1.0, **options) as client:
            assert client.wait_until_started(15), client.detail
            yield station, client


@pytest.mark.parametrize("which", BOTH)
def test_every_command_type_is_executed(which):
    with scene(which) as (station, client):
        for name, ioa in points.COMMANDS.items():
            value = points.sample(name)
            got = client.command(name, ioa, value)
            assert got.obj is not None, name
            assert got.obj.ioa == ioa
            event = station.expect(event="command", ioa=ioa, select=False)
            assert float(event["value"]) == pytest.approx(float(value), abs=1e-4), name


@pytest.mark.parametrize("which", BOTH)
def test_select_before_operate(which):
    with scene(which) as (station, client):
        client.command("C_SC_NA_1", points.SELECT_FIRST, True, select=True)
        station.expect(event="command", ioa=points.SELECT_FIRST, select=False)
        client.select("C_SC_NA_1", points.SELECT_FIRST, False)
        try:
            client.cancel("C_SC_NA_1", points.SELECT_FIRST, False, timeout=1.0)
        except RequestTimeoutError:
            assert which == "c104"  # it knows no deactivation of commands
        client.command("C_SC_NA_1", points.COMMANDS["C_SC_NA_1"], True)


@pytest.mark.parametrize("which", BOTH)
def test_interrogations(which):
    with scene(which) as (_, client):
        got = client.interrogate()
        assert {one.ioa for one in got.updates} >= BASIC
        assert got.terminated
        got = client.counter_interrogate()
        assert {one.ioa for one in got.updates} >= {107}
        assert {one.type_id for one in got.updates} <= {TypeId.M_IT_NA_1, TypeId.M_IT_TB_1}


@pytest.mark.parametrize("which", BOTH)
def test_clock_test_and_read(which):
    with scene(which) as (_, client):
        assert client.synchronize_clock().obj is not None
        assert client.test().obj is not None
        assert client.read(105).type_id == TypeId.M_ME_NC_1


@pytest.mark.parametrize("which", BOTH)
def test_refusals(which):
    """c104 knows no such point, hat-drivers' station says no."""
    with scene(which) as (_, client):
        for name in points.COMMANDS:
            with pytest.raises(RefusedError):
                client.command(name, 9999, points.sample(name))
        with pytest.raises(RefusedError) as refused:
            client.read(9999)
        assert isinstance(refused.value, UnknownObjectAddressError) or which == "c104"


@pytest.mark.parametrize("which", BOTH)
def test_an_unknown_station(which):
    with scene(which) as (_, client), pytest.raises(RefusedError) as refused:
        client.interrogate(ca=CA + 1)
    assert isinstance(refused.value, UnknownCommonAddressError) or which == "c104"


@pytest.mark.parametrize("which", BOTH)
def test_numbered_events_arrive_once_and_in_order(which):
    with scene(which, w=3) as (station, client):
        for first in (1, 251):
            assert station.do("events", first=first, count=250) == 250
        values = []
        for update in client.updates(timeout=5):
            if update.ioa == points.EVENTS:
                values.append(update.value)
            if len(values) == 500:
                break
        assert values == [float(number) for number in range(1, 501)]


@pytest.mark.parametrize("which", [BOTH[0]])
def test_values_of_every_type_as_dicts(which):
    with scene(which) as (station, client):
        for name, ioa in points.MONITOR.items():
            value = points.sample(name)
            assert station.do("transmit", type=name, ioa=ioa, value=value)
            data = IEC104DataProcessor.decode_apdu(client.get_frame())
            assert (data["type_name"], data["cot"], data["asdu_address"]) == (name, 3, CA)
            (obj,) = data["objects"]
            assert obj["ioa"] == ioa
            assert obj["value"] == pytest.approx(value, abs=1e-4)
            assert name.endswith(("NA_1", "NB_1", "NC_1")) or obj["CP56Time2a"]


@pytest.mark.parametrize("which", [BOTH[1]])
def test_the_connection_is_lost_in_the_middle(which):
    with scene(which) as (station, client):
        station.do("drop")
        with pytest.raises(ConnectionLostError):
            client.command("C_SC_NA_1", 1000, True)
        assert client.wait_until_started(10)
        assert client.command("C_SC_NA_1", 1000, True).terminated


@pytest.mark.parametrize("which", BOTH)
def test_a_station_that_is_killed_and_restarted(which):
    port = free_port()
    with IEC104Client(HOST, port) as client:
        for life in (1, 2):
            with RemotePeer(PROGRAMS[which], port, CA) as station:
                station.expect(event="listening", within=15)
                assert client.wait_until_started(15)
                assert client.counters.connections >= life
                client.interrogate()
            station.close()
            while client.wait_until_started(0):
                client.get_frame(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("which", BOTH)
def test_a_reader_that_sleeps_stalls_nobody(which):
    """Longer than every timer that was shortened, and more frames than any window."""
    with scene(which, t1=2.0, t2=0.5, t3=1.0, idletime=4.0) as (station, client):
        # In portions: c104 drops the oldest when more than its own queue holds waits to be sent.
        for sent in range(0, 3000, 250):
            station.do("events", first=sent + 1, count=250)
            station.wait(lambda sent=sent: client.get_queue_size() == sent + 250, 10)
        before = time.monotonic()
        station.wait(lambda: time.monotonic() - before > 5, 10)  # past every timer
        assert client.counters.connections == 1
        values = [update.value for update in client.updates(timeout=0.5)]
        assert values == [float(number) for number in range(1, 3001)]
