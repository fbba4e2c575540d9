"""A client's life on real sockets: frames, queue, callbacks, states, loss and stop."""

import logging
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from core.client import (
    ClientState,
    IEC104_Client,
    IEC104Client,
    IEC104DataProcessor,
    NotConnectedError,
)
from tests.client.conftest import CA, started
from tests.connections.support import nothing_accepts
from tests.support.ports import free_port
from tests.support.wire import EVENT_SIZE, HOST, asdu, event_frame, event_ioa

TOP = Path(__file__).resolve().parents[2]


def number_of(frame):
    """Of a numbered event: the 32 bits behind header and address."""
    return struct.unpack_from("<I", frame, 15)[0]


# making one


@pytest.mark.parametrize(
    "make",
    [
        lambda port: IEC104Client(server_ip=HOST, server_port=port),
        lambda port: IEC104_Client(HOST, port, cheat_mode=True),
        lambda port: IEC104_Client(HOST, port, True),
        lambda port: IEC104Client(host=HOST, port=str(port)),
        lambda port: IEC104_Client(HOST, server_port=port),
        lambda port: IEC104Client("localhost", port),
    ],
)
def test_every_spelling_makes_a_client(rtu, make):
    client = make(rtu.port)
    client.start()
    rtu.send(asdu(1, 5, b"\1", 3))
    frame = client.get_frame()
    assert IEC104DataProcessor.decode_apdu(frame)["objects"][0]["ioa"] == 5
    client.stop()


def test_defaults_are_those_of_the_standard():
    client = IEC104Client("10.0.0.1")
    assert client.common_address == 47
    assert "10.0.0.1:2404" in repr(client)
    assert "[2001:db8::1]:2404" in repr(IEC104Client("[2001:db8::1]"))


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        ((), {}, TypeError),
        (("a",), {"server_ip": "b"}, TypeError),
        (("a", 1), {"server_port": 1}, TypeError),
        (("",), {}, ValueError),
        (("a", 0), {}, ValueError),
        (("a", "x"), {}, ValueError),
        (("a", 65536), {}, ValueError),
        (("a",), {"common_address": 0}, ValueError),
        (("a",), {"originator_address": 256}, ValueError),
        (("a",), {"queue_size": -1}, ValueError),
        (("a",), {"t0": 0}, ValueError),
        (("a",), {"grace": 0}, ValueError),
        (("a",), {"k": 4}, ValueError),
        (("a",), {"t2": 20}, ValueError),
    ],
)
def test_what_cannot_be_is_refused(arguments, options, error):
    with pytest.raises(error):
        IEC104Client(*arguments, **options)


# frames


def test_frames_come_whole_and_in_order(wire, rtu, client):
    rtu.set(trickles=False)
    rtu.events(500)
    frames = [client.get_frame(5) for _ in range(500)]
    assert [number_of(frame) for frame in frames] == list(range(500))
    assert frames[3] == event_frame(3, CA, ns=3)
    assert client.get_frame(0) is None
    assert client.get_frame(0.01) is None
    assert client.counters.frames_received == 500


def test_what_was_received_can_be_read_after_the_stop(wire, rtu, client):
    rtu.events(20)
    wire.wait(lambda: client.get_queue_size() == 20)
    client.stop()
    assert [number_of(client.get_frame()) for _ in range(20)] == list(range(20))
    before = time.monotonic()
    assert client.get_frame(timeout=None) is None
    assert time.monotonic() - before < 1


def test_a_stop_wakes_a_reader(rtu, client):
    threading.Timer(0.1, client.stop).start()
    assert client.get_frame(timeout=None) is None


def test_a_reader_that_sleeps_loses_nothing_and_stalls_nobody(wire, rtu, make):
    """The station is acknowledged in the background, w at the latest: it checks that itself."""
    client = started(make(t1=1.0, t2=0.3, t3=0.5, idletime=2.0))
    rtu.set(their_t2=0.3, w_limit=2.0)
    rtu.events(20_000)
    wire.wait(lambda: len(rtu.sent) == 20_000, 20)
    wire.wait(lambda: client.get_queue_size() == 20_000)
    wire.wait(lambda: rtu.tests_heard >= 3, 10)  # past t1, t2, t3 and idletime, nobody reading
    assert rtu.losses == 0
    assert [number_of(client.get_frame(0)) for _ in range(20_000)] == list(range(20_000))
    assert client.frames_dropped == 0


def test_an_overflow_drops_the_oldest_is_counted_and_said_once(wire, rtu, make, caplog):
    client = started(make(queue_size=100))
    rtu.events(1000)
    wire.wait(lambda: client.counters.frames_received == 1000)
    assert client.get_queue_size() == 100
    assert client.frames_dropped == client.counters.frames_dropped == 900
    assert number_of(client.get_frame()) == 900
    said = [one for one in caplog.records if "the queue is full" in one.message]
    assert [one.name for one in said] == ["iec104.client"]


def test_who_is_called_back_or_asks_is_not_warned_of_a_queue_nobody_reads(wire, rtu, make, caplog):
    client = make(queue_size=10)
    seen = []
    client.on_update(seen.append)
    started(client)
    rtu.events(100)
    wire.wait(lambda: len(seen) == 100)
    assert client.frames_dropped == 90
    assert "full" not in caplog.text


def test_a_queue_of_none_keeps_none(wire, rtu, make):
    client = started(make(queue_size=0))
    rtu.events(10)
    wire.wait(lambda: client.counters.frames_received == 10)
    assert (client.get_queue_size(), client.frames_dropped) == (0, 0)
    assert client.get_frame(0) is None


def test_objects_are_iterated(rtu, client):
    rtu.send(*rtu.points, asdu(200, 1, b"??", 3), asdu(1, 9, b"", 3), asdu(45, 1, b"\1", 7))
    got = list(client.updates(timeout=0.2))
    assert [one.ioa for one in got] == [100, 101, 102, 200, 400, 500]
    assert [one.name for one in got[3:]] == ["M_DP_NA_1", "M_ME_NC_1", "M_ME_NA_1"]
    assert not any(one.quality for one in got)
    assert got[0].tag is None


def test_the_client_is_iterated_until_it_stops(rtu, client):
    rtu.send(*rtu.points)
    got = []
    for update in client:
        got.append(update.ioa)
        if len(got) == 6:
            client.stop()
    assert got == [100, 101, 102, 200, 400, 500]


# callbacks


def test_callbacks_by_type_and_address(wire, rtu, client):
    by_type, by_address, by_both, all_of_them, none = [], [], [], [], []
    client.on_update(by_type.append, type_id=1)
    client.on_update(by_address.append, ioa=(101, 400))
    client.on_update(by_both.append, type_id=(1, 13), ioa=400)
    client.on_update(none.append, ca=9)
    remove = client.on_update(all_of_them.append)
    rtu.send(*rtu.points)
    wire.wait(lambda: len(all_of_them) == 6)
    remove()
    rtu.send(*rtu.points)
    wire.wait(lambda: len(by_type) == 6)
    wire.wait(lambda: len(by_address) == 4)
    assert {one.ioa for one in by_type} == {100, 101, 102}
    assert {one.ioa for one in by_address} == {101, 400}
    assert {one.ioa for one in by_both} == {400}
    assert len(all_of_them) == 6
    assert not none


def test_a_callback_that_fails_stops_nothing(wire, rtu, client, expected_errors):
    seen = []

    def fail(update):
        raise RuntimeError("a fault of the program's")

    client.on_update(fail)
    client.on_update(seen.append)
    rtu.send(*rtu.points)
    wire.wait(lambda: len(seen) == 6)
    assert "a callback failed" in expected_errors[0].message


def test_a_callback_may_ask_and_stop(wire, rtu, client):
    answers = []

    def ask(update):
        answers.append((threading.current_thread().name, client.read(update.ioa)))
        client.stop()

    client.on_update(ask, ioa=200)
    rtu.send(*rtu.points)
    wire.wait(lambda: client.is_stopped())
    name, update = answers[0]
    assert "callbacks" in name
    assert update.value == 200.0
    client.stop()


def test_slow_callbacks_lose_the_oldest_and_it_is_counted(wire, rtu, make, caplog):
    client = started(make(queue_size=1000))
    go, seen = threading.Event(), []
    client.on_update(lambda update: (go.wait(10), seen.append(update)))
    rtu.events(3000)
    wire.wait(lambda: client.counters.frames_received == 3000)
    assert 1900 <= client.counters.callback_frames_dropped <= 2000
    assert caplog.text.count("too slow") == 1
    go.set()
    wire.wait(lambda: seen and seen[-1].value == 2999)


def test_a_callback_that_never_ends_does_not_hold_up_the_stop(wire, rtu, client, caplog):
    go, inside = threading.Event(), threading.Event()
    client.on_update(lambda update: (inside.set(), go.wait(20)))
    rtu.events(1)
    assert inside.wait(5)
    before = time.monotonic()
    client.stop()
    assert time.monotonic() - before < 3
    assert "a callback still runs" in caplog.text
    go.set()


def test_states_are_told(wire, rtu, make):
    client, states = make(), []
    client.on_state(lambda change: states.append(change.state))
    started(client)
    wire.wait(lambda: states[-1:] == [ClientState.STARTED])
    client.stop()
    assert states == [
        ClientState.CONNECTING, ClientState.STARTING, ClientState.STARTED, ClientState.STOPPED,
    ]  # fmt: skip
    assert client.detail == "stopped"


# life


def test_is_stopped_before_the_start_and_after_the_stop(rtu, make):
    client = make()
    assert client.is_stopped()
    client.stop()
    started(client)
    client.start()
    assert not client.is_stopped()
    client.stop()
    client.stop()
    assert client.is_stopped()
    assert client.get_frame(timeout=0) is None


def test_a_stopped_client_is_started_again(wire, rtu, client):
    client.stop()
    started(client)
    rtu.events(3)
    assert [number_of(client.get_frame()) for _ in range(3)] == [0, 1, 2]
    assert client.counters.connections == 2


def test_the_stop_says_stopdt(rtu, client):
    client.stop()
    assert len(rtu.times("stopped")) == 1


def test_a_block_stops_at_its_end(rtu):
    with IEC104Client(HOST, rtu.port) as client:
        assert client.wait_until_started(5)
    assert client.is_stopped()


def test_many_clients_in_one_process(wire, rtu, make):
    clients = [started(make()) for _ in range(5)]
    assert len(rtu.links) == 5
    threads = [threading.Thread(target=one.stop) for one in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3)
    assert all(one.is_stopped() for one in clients)


def test_ipv6(make):
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        client = IEC104Client("[::1]", server.getsockname()[1])
        client.start()
        server.settimeout(5)
        accepted, _ = server.accept()
        with accepted:
            assert accepted.recv(6) == bytes.fromhex("680407000000")
            client.stop()


def stops_in_time(client, within=3.0):
    before = time.monotonic()
    client.stop()
    assert time.monotonic() - before < within
    assert client.is_stopped()


def test_stop_while_nobody_answers_the_connect(make):
    with nothing_accepts() as port:
        client = IEC104Client(HOST, port)
        client.start()
        assert not client.wait_until_started(0.2)
        stops_in_time(client)


def test_stop_while_connects_are_refused(wire, make):
    client = IEC104Client(HOST, free_port())
    client.start()
    wire.wait(lambda: "refused" in client.detail.lower())
    stops_in_time(client)


def test_stop_while_a_name_hangs(monkeypatch):
    asked, release = threading.Event(), threading.Event()

    def hang(*_, **__):
        asked.set()
        release.wait(20)
        raise socket.gaierror("released")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    client = IEC104Client("station.hang.test", 2404)
    client.start()
    assert asked.wait(5)
    stops_in_time(client)
    release.set()


def test_stop_while_startdt_is_not_confirmed(wire, rtu, make):
    rtu.set(confirms_start=False)
    client = make()
    client.start()
    wire.wait(lambda: client.state is ClientState.STARTING)
    stops_in_time(client)


def test_stop_while_the_station_is_stuck(wire, rtu, client):
    rtu.pause_reading()
    stops_in_time(client)


def test_stop_at_once(rtu, make):
    for _ in range(5):
        client = make()
        client.start()
        stops_in_time(client)


def test_stop_in_the_middle_of_a_flood(wire, rtu, client):
    rtu.events(100_000)
    wire.wait(lambda: client.get_queue_size() > 1000)
    stops_in_time(client)


def test_a_program_that_forgets_the_stop_ends_all_the_same(wire, rtu):
    program = f"""
from iec104_client import IEC104Client
client = IEC104Client(server_ip={HOST!r}, server_port={rtu.port})
client.start()
print(client.get_frame().hex())
"""
    rtu.events(1)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=TOP / "core", capture_output=True, text=True,
        timeout=20, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == event_frame(0, CA).hex()
    assert done.stderr == ""
    wire.wait(lambda: rtu.times("stopped"))


# loss and return


def test_the_client_comes_back_with_a_pause(wire, rtu, client):
    rtu.events(10)
    wire.wait(lambda: client.get_queue_size() == 10)
    rtu.kill()
    wire.wait(lambda: client.state is ClientState.CONNECTING)
    with pytest.raises(NotConnectedError):
        client.test()
    rtu.restart()
    assert client.wait_until_started(10)
    rtu.events(10)
    wire.wait(lambda: client.get_queue_size() == 20)
    first, second = rtu.times("connected")
    assert second - first > 0.7  # the shortest pause, less its jitter
    assert client.counters.connections == 2
    assert not client.is_stopped()


def test_trouble_is_said_once(wire, rtu, make, caplog):
    caplog.set_level(logging.INFO, "iec104.client")
    rtu.kill()
    client = make()
    tried = []
    client.on_state(lambda change: tried.append(change.detail))
    client.start()
    wire.wait(lambda: len([one for one in tried if one.startswith("trying")]) == 2, 10)
    assert caplog.text.count("no connection to") == 1


def test_a_station_that_ends_data_transfer_is_dialled_again(wire, rtu, client):
    rtu.set(is_strict=False)
    rtu.raw(bytes.fromhex("680423000000"))
    wire.wait(lambda: client.counters.connections == 2, 10)
    assert client.wait_until_started(5)


def test_without_reconnect_a_lost_link_is_the_end(wire, rtu, make):
    client = started(make(reconnect=False))
    reader = []
    thread = threading.Thread(target=lambda: reader.append(client.get_frame(timeout=None)))
    thread.start()
    rtu.kill()
    thread.join(5)
    assert reader == [None]
    assert client.is_stopped()
    assert "closed" in client.detail
    assert not client.wait_until_started()
    client.stop()


def test_without_reconnect_a_refused_connect_is_the_end(wire):
    client = IEC104Client(HOST, free_port(), reconnect=False)
    client.start()
    wire.wait(client.is_stopped)
    assert "refused" in client.detail.lower()


# cheat mode


def test_without_cheat_mode_a_gap_ends_the_link(wire, rtu, client, caplog):
    rtu.set(is_strict=False)
    rtu.events(5)
    wire.wait(lambda: client.get_queue_size() == 5)
    rtu.set(skew=7)
    rtu.send(asdu(1, 1, b"\1", 3))
    wire.wait(lambda: client.counters.connections == 2, 10)
    assert "send sequence number out of order: N(S) 12 received, 5 expected" in caplog.text


def test_cheat_mode_tolerates_gaps_and_logs_them(wire, rtu, make, caplog):
    client = started(make(cheat_mode=True, w=1))
    rtu.set(is_strict=False, k=None)
    rtu.events(5)
    for skew in (7, 3, 30000):
        rtu.set(skew=skew)
        rtu.send(*[asdu(1, ioa, b"\1", 3) for ioa in range(3)])
    wire.wait(lambda: client.get_queue_size() == 14)
    numbers = [struct.unpack_from("<H", client.get_frame(), 2)[0] >> 1 for _ in range(14)]
    assert numbers == [0, 1, 2, 3, 4, 12, 13, 14, 11, 12, 13, 30011, 30012, 30013]
    assert client.counters.sequence_gaps == 3
    assert client.command("C_SC_NA_1", 1, True, termination=False)
    assert client.state is ClientState.STARTED
    assert caplog.text.count("sequence gap tolerated") == 1
    assert rtu.losses == 0


def test_callbacks_before_the_start_and_after_a_restart(wire, rtu, make):
    client, seen = make(), []
    client.on_update(seen.append)
    started(client)
    client.stop()
    started(client)
    rtu.events(1)
    wire.wait(lambda: len(seen) == 1)
    assert seen[0].ioa == event_ioa(0)
    assert len(client.get_frame()) == EVENT_SIZE


def test_garbage_ends_the_link_and_nothing_else(wire, rtu, client):
    rtu.set(is_strict=False)
    with suppress(OSError):
        rtu.raw(b"GET / HTTP/1.0\r\n")
    wire.wait(lambda: client.counters.connections == 2, 10)
    assert client.wait_until_started(5)


def test_a_state_callback_is_ended_and_odd_frames_are_skipped(wire, rtu, client):
    states, seen = [], []
    remove = client.on_state(states.append)
    client.on_update(seen.append)
    rtu.send(asdu(1, 9, b"", 3), asdu(200, 9, b"?", 3), asdu(45, 9, b"\1", 7), asdu(1, 9, b"\1", 3))
    wire.wait(lambda: seen)
    remove()
    client.stop()
    assert [one.ioa for one in seen] == [9]
    assert states == []


def test_a_fault_of_ours_ends_the_link_and_is_logged(
    wire, rtu, client, monkeypatch, expected_errors
):
    def fail(*_):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(client._session, "_received", fail)
    rtu.set(is_strict=False)
    rtu.events(1)
    wire.wait(lambda: "internal error" in client.detail)
    assert expected_errors
    monkeypatch.undo()
    assert client.wait_until_started(10)


def test_an_odd_frame_is_tolerated(wire, rtu, client, caplog):
    caplog.set_level(logging.INFO, "iec104.client")
    rtu.raw(bytes.fromhex("680483000000"))
    wire.wait(lambda: "something odd" in caplog.text)
    assert client.state is ClientState.STARTED


def test_stop_without_the_con(wire, rtu, client, monkeypatch):
    rtu.set(is_strict=False)
    rtu.hold()
    monkeypatch.setattr(rtu, "all_acknowledged", lambda link, now: None)
    stops_in_time(client)


def test_words_of_a_state_and_of_nothing_at_all(make):
    client = make()
    assert client.state is ClientState.STOPPED
    assert client.detail == ""
