"""The simulator on real sockets, between scripted masters that watch what it does."""

import socket
import threading
import time

import pytest

from core.connections.loop import IoThread
from core.protocol.link import Timing
from core.simulator import Behaviour, Simulator, read_scenario
from tests.simulator.playing import POINTS as ALL_POINTS
from tests.support.ports import HOST, free_port, free_ports
from tests.support.wire import interrogation, read, single_command

CALM = Behaviour(period=0.0, restart_time=0.3)
LAMP = 5000
# The scripted master takes a spontaneous M_BO_NA_1 for one of its numbered events.
POINTS = [point for point in ALL_POINTS if point.name != "word"]
OBJECTS = len(POINTS) - 2 - sum(point.is_command for point in POINTS)
"""What an avalanche consists of: all but the two counters."""


def simulator(port: int, behaviour: Behaviour = CALM, **more: object) -> Simulator:
    more.setdefault("ca", 1)
    return Simulator(POINTS, port=port, behaviour=behaviour, seed=1, **more)  # type: ignore[arg-type]


def master_of(wire, port, ca=1, **options):
    return wire.master(port, ca, expects_initialized=False, **options)


def ended_interrogation(master, within=5.0):
    master.send(interrogation())
    return master.take(lambda a: a.type_id == 100 and a.cause == 10, within, "termination")


def raw_connection(port: int) -> socket.socket:
    sock = socket.create_connection((HOST, port), timeout=5)
    sock.sendall(bytes.fromhex("680407000000"))
    return sock


def received(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = sock.recv(4096)
        if not part:
            break
        data += part
    return data


def is_over(sock: socket.socket) -> bool:
    try:
        while sock.recv(4096):
            pass
    except ConnectionError:
        return True
    return True


def test_a_master_starts_interrogates_commands_and_is_seen(wire):
    port = free_port()
    with simulator(port) as sim:
        rtu = sim.rtus[0]
        master = master_of(wire, port)
        master.oa = 9
        wire.wait(lambda: master.initialized == 1)
        ended_interrogation(master)
        assert {a.ioa for a in master.inbox if a.cause == 20} >= {100, 110, 120, 400}
        master.send(single_command(LAMP))
        master.take(lambda a: a.type_id == 45 and a.cause == 10)
        assert rtu.read("lamp").value == 1
        assert rtu.read("energy").value == 1234
        rtu.set("voltage", 231.5)
        master.take(lambda a: a.type_id == 13 and a.cause == 3)
        (client,) = rtu.clients
        assert client.is_started
        assert rtu.statistics.commands == 1
        assert [one.kind for one in rtu.events()][:2] == ["connected", "started"]
        assert rtu.events(after=rtu.events()[-1].number) == []
        master.close()
        wire.wait(lambda: not rtu.clients)
        with pytest.raises(KeyError):
            rtu.read("nobody")
    wire.check()


def test_data_transfer_stops_in_order_and_events_wait(wire):
    port = free_port()
    with simulator(port) as sim:
        master = master_of(wire, port)
        wire.wait(lambda: master.initialized == 1)
        sim.rtus[0].avalanche(rounds=20)
        master.stop_transfer()
        wire.wait(lambda: not master.is_started, what="STOPDT con")
        before = len(master.inbox)
        sim.rtus[0].set("level", 4321)
        master.start_transfer()
        last = bytes.fromhex("930100e11000")
        master.take(lambda a: a.type_id == 11 and a.objects == last, what="the event that waited")
        assert len(master.inbox) > before
    wire.check()


def test_events_that_were_not_acknowledged_come_again_on_the_next_connection(wire):
    port = free_port()
    with simulator(port) as sim:
        with raw_connection(port) as sock:
            received(sock, 6 + 16)  # STARTDT con, end of initialisation: not acknowledged
            sim.rtus[0].set("level", 77)
            first = received(sock, 18)
        wire.wait(lambda: not sim.rtus[0].clients)
        master = master_of(wire, port)
        again = master.take(lambda a: a.type_id == 11)
        assert again.octets == first[6:]
    wire.check()


def test_many_stations_have_their_own_ports_and_addresses(wire):
    ports = free_ports(30)
    with simulator(ports[0], stations=30, ca=100) as sim:
        assert [(rtu.port, rtu.ca) for rtu in sim.rtus] == [
            (port, 100 + i) for i, port in enumerate(ports)
        ]
        masters = [master_of(wire, ports[i], 100 + i) for i in (0, 13, 29)]
        for master in masters:
            wire.wait(lambda m=master: m.initialized == 1)
            ended_interrogation(master)
        sim.rtus[13].set("lamp", 1)
        masters[1].take(lambda a: a.type_id == 1 and a.cause == 3)
        assert not [a for a in masters[0].inbox if a.cause == 3]
    wire.check()


def test_several_clients_of_one_station_have_their_own_answers(wire):
    port = free_port()
    with simulator(port) as sim:
        masters = [master_of(wire, port) for _ in range(5)]
        for oa, master in enumerate(masters, 1):
            master.oa = oa
            wire.wait(lambda m=master: m.initialized == 1)
        for master in masters:
            ended_interrogation(master)
        masters[0].send(read(400))
        masters[0].take(lambda a: a.cause == 5)
        for master in masters:
            assert {a.oa for a in master.inbox if a.cause in (5, 7, 10, 20)} == {master.oa}
        assert len(sim.rtus[0].clients) == 5
    wire.check()


def test_a_port_that_is_taken_is_named_and_the_other_stations_run():
    ports = free_ports(3)
    with socket.socket() as taken:
        taken.bind((HOST, ports[1]))
        taken.listen()
        sim = simulator(ports[0], stations=3)
        problems = sim.start()
        try:
            assert len(problems) == 1
            assert problems[0].startswith(f"port {ports[1]} on 127.0.0.1 cannot be opened: ")
            assert [rtu.port for rtu in sim.rtus] == [ports[0], ports[2]]
        finally:
            assert sim.stop()
        with pytest.raises(OSError, match="cannot be opened"), simulator(ports[1]):
            pass


def test_it_stops_within_its_time_with_masters_that_do_not_read():
    port = free_port()
    sim = simulator(port)
    sim.start()
    with raw_connection(port):
        deadline = time.monotonic() + 5
        while not (sim.rtus[0].clients and sim.rtus[0].clients[0].is_started):
            assert time.monotonic() < deadline
        sim.rtus[0].avalanche(rounds=50)
        begin = time.monotonic()
        assert sim.stop()
        assert time.monotonic() - begin < 2.5


def test_arguments_that_lead_beyond_the_last_port_are_refused():
    with pytest.raises(ValueError, match="ports"):
        simulator(65500, stations=100)
    with pytest.raises(ValueError, match="common addresses"):
        simulator(2404, stations=100, ca=65500)


def test_calls_may_come_from_many_threads():
    with simulator(free_port()) as sim:
        rtu = sim.rtus[0]

        def work(n: int) -> None:
            for i in range(50):
                rtu.set("level", n * 100 + i)
                assert rtu.statistics.events > 0

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert rtu.statistics.events == 200
        assert len(sim.news()) == 0


def test_it_may_run_on_an_io_thread_of_somebody_else():
    io = IoThread()
    io.start()
    try:
        with simulator(free_port(), io=io) as sim, raw_connection(sim.rtus[0].port) as sock:
            assert len(received(sock, 22)) == 22
        assert io.streams == set()
    finally:
        assert io.end(3)


# what a bad one does


def test_a_restart_closes_the_port_for_a_while(wire):
    port = free_port()
    with simulator(port) as sim:
        master = master_of(wire, port)
        wire.wait(lambda: master.initialized == 1)
        sim.rtus[0].restart(0.4)
        wire.wait(lambda: master.refusals > 0, what="a closed port")
        wire.wait(lambda: master.initialized == 2, what="the station again")
        assert sim.rtus[0].statistics.restarts == 1
        assert ended_interrogation(master)


def test_a_reset_process_is_confirmed_before_the_connection_ends():
    port = free_port()
    with simulator(port) as sim:
        with raw_connection(port) as sock:
            received(sock, 22)
            sock.sendall(bytes.fromhex("680e0000020069010600010000000001"))
            data = received(sock, 16)
            assert data[6:] == bytes.fromhex("69010700010000000001")
            assert is_over(sock)
        deadline = time.monotonic() + 5
        while not sim.rtus[0].statistics.restarts:
            assert time.monotonic() < deadline
        with raw_connection(port) as sock:
            assert received(sock, 22)[-1] == 2  # remote reset


def test_a_wrong_sequence_number_is_sent_once():
    port = free_port()
    behaviour = Behaviour(period=0, wrong_sequence_after=2)
    with simulator(port, behaviour) as sim, raw_connection(port) as sock:
        received(sock, 22)
        for value in (1, 2, 3):
            sim.rtus[0].set("level", value)
        frames = received(sock, 3 * 18)
        assert [frames[i * 18 + 2] >> 1 for i in range(3)] == [1, 3, 3]


def test_silence_is_complete_and_the_connection_stays_open():
    port = free_port()
    timing = Timing(t1=1.0, t2=0.5, t3=1.0)
    behaviour = Behaviour(period=0, silent_after=2)
    with simulator(port, behaviour, timing=timing) as sim, raw_connection(port) as sock:
        received(sock, 22)  # two frames
        sim.rtus[0].set("lamp", 1)
        sock.sendall(bytes.fromhex("680443000000"))
        sock.settimeout(2.5)  # longer than its own t3 and t1
        with pytest.raises(TimeoutError):
            sock.recv(1)
        assert len(sim.rtus[0].clients) == 1
        sim.rtus[0].behave(silent_after=0)
        sim.rtus[0].tamper("talk")
        sock.settimeout(5)
        assert received(sock, 6 + 16)


@pytest.mark.parametrize("split", [1, 3, 7])
def test_split_segments_say_the_same(wire, split):
    port = free_port()
    with simulator(port, Behaviour(period=0, split=split)):
        master = master_of(wire, port)
        wire.wait(lambda: master.initialized == 1)
        ended_interrogation(master)
        assert {a.ioa for a in master.inbox if a.cause == 20} >= {100, 400}
    wire.check()


def test_coalesced_segments_say_the_same(wire):
    port = free_port()
    with simulator(port, Behaviour(period=0, coalesce=0.2)) as sim:
        with raw_connection(port) as sock:
            received(sock, 22)
            begin = time.monotonic()
            for value in range(5):
                sim.rtus[0].set("level", value)
            first = sock.recv(4096)
            assert time.monotonic() - begin >= 0.15
            assert len(first) == 5 * 18
        master = master_of(wire, port)
        wire.wait(lambda: master.is_started)
        ended_interrogation(master)
    wire.check()


def test_a_command_may_close_the_connection():
    port = free_port()
    with simulator(port, Behaviour(period=0, close_on_command=True)) as sim:
        with raw_connection(port) as sock:
            received(sock, 22)
            sock.sendall(bytes.fromhex("680e000002002d010600010088130001"))
            assert is_over(sock)
        assert sim.rtus[0].read("lamp").value == 0


def test_a_scenario_runs_on_sockets(wire):
    steps, findings = read_scenario(b"on interrogation,avalanche,200,5\non read,close")
    assert not findings
    port = free_port()
    with simulator(port, scenario=steps) as sim:
        master = master_of(wire, port)
        wire.wait(lambda: master.initialized == 1)
        ended_interrogation(master)
        wire.wait(lambda: sim.rtus[0].statistics.events == 5 * OBJECTS)
        master.send(read(400))
        wire.wait(lambda: sim.rtus[0].statistics.connections == 2)


def test_a_flood_reaches_every_master_whole(wire):
    port = free_port()
    with simulator(port, Behaviour(period=0, batch=1, buffer=100_000)) as sim:
        masters = [master_of(wire, port) for _ in range(3)]
        for master in masters:
            wire.wait(lambda m=master: m.initialized == 1)
        sim.rtus[0].avalanche(rounds=100)
        for master in masters:
            wire.wait(lambda m=master: len(m.inbox) >= 100 * OBJECTS, 20, "all events")
        assert sim.rtus[0].statistics.events_lost == 0
    wire.check()


def test_what_is_no_iec_104_costs_one_connection(wire):
    port = free_port()
    with simulator(port) as sim:
        master = master_of(wire, port)
        wire.wait(lambda: master.is_started)
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x68\xff", bytes.fromhex("680401000200")):
            with socket.create_connection((HOST, port), timeout=5) as sock:
                sock.sendall(garbage)
                assert is_over(sock)
        ended_interrogation(master)
        assert sim.rtus[0].statistics.connections == 4
    wire.check()
