"""Which host of an RTU counts as reached, and what is learnt of those that want STARTDT first."""

import socket
import threading
import time

import pytest

from tests.connections.support import nothing_accepts
from tests.gateway.running import STARTDT_ACT, TESTFR_ACT, ClosesUnstarted, heard, scripted
from tests.support.gateway import group, is_refused
from tests.support.ports import free_ports

pytestmark = pytest.mark.usefixtures("quick")


def hosts(*ports):
    return ";".join(f"127.0.0.1:{port}" for port in ports)


def first_u_frames(rtu):
    """The U function that came first on each connection."""
    begins = [at for at, what in rtu.history if what == "connected"]
    acts = [(at, f[2]) for at, way, f in list(rtu.frames) if way == "in" and f[2] & 3 == 3]
    found = []
    for begin, end in zip(begins, [*begins[1:], float("inf")], strict=True):
        mine = [octet for at, octet in acts if begin <= at < end]
        found.append(f"{mine[0]:02x}" if mine else "")
    return found


def test_an_rtu_that_leaves_a_test_unanswered_while_stopped_is_started_at_the_next_try(wire, run):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32, answers_tests=False)
    gateway = run(group(1, rtu_port, [port], options=["t1=1"]))
    wire.wait(lambda: rtu.losses == 1, 3, "given up after t1")
    assert not heard(rtu, STARTDT_ACT)
    assert is_refused(port)
    wire.wait(lambda: rtu.is_started, 3, "started without being asked for")
    assert first_u_frames(rtu) == ["43", "07"]
    assert gateway.tells("S/RTU1", f"127.0.0.1:{rtu_port} left a test unanswered while stopped")
    assert gateway.tells("S/RTU1", "treated as startdt,always")
    master = wire.master(port, 101)
    wire.wait(lambda: master.is_started, what="the port is open")


@pytest.mark.parametrize("answers", [False, True])
def test_an_rtu_that_closes_unstarted_connections_is_started_at_the_fourth_try(wire, run, answers):
    """Whether or not it had confirmed a test before."""
    rtu_port, port = free_ports(2)
    rtu = scripted(wire, ClosesUnstarted, rtu_port, 32, answers_tests=answers)
    gateway = run(group(1, rtu_port, [port]))
    wire.wait(lambda: rtu.is_started, 6, "started without being asked for")
    assert first_u_frames(rtu) == ["43", "43", "43", "07"]
    assert gateway.tells("S/RTU1", "closed 3 connections that were not started")
    master = wire.master(port, 101)
    wire.wait(lambda: master.is_started, what="the port is open")
    wire.wait(lambda: len(rtu.times("connected")) == 4, what="and the link lasts")
    assert rtu.is_connected


def test_a_connection_that_was_started_clears_the_count(wire, run):
    rtu_port, port = free_ports(2)
    rtu = scripted(wire, ClosesUnstarted, rtu_port, 32)
    run(group(1, rtu_port, [port]))
    wire.wait(lambda: rtu.losses == 2, 5, "twice closed")
    rtu.set(patience=1.0)
    master = wire.master(port, 101, reconnects=False)
    wire.wait(lambda: rtu.is_started, 3, "a master starts it")
    rtu.set(patience=0.1)
    master.close()
    rtu.kill()
    rtu.restart()
    before = len(rtu.times("connected"))
    wire.wait(lambda: len(rtu.times("connected")) >= before + 3, 6, "three more tries")
    assert first_u_frames(rtu)[before : before + 2] == ["43", "43"]


def test_what_was_learnt_of_one_host_does_not_concern_another(wire, run):
    a, b, port = free_ports(3)
    mute = wire.rtu(a, 32, name="mute", answers_tests=False)
    sound = wire.rtu(b, 32, name="sound")
    run(group(1, 0, [port], hosts=hosts(a, b), options=["t1=1"]))
    wire.wait(lambda: sound.is_connected and heard(sound, TESTFR_ACT), 4, "the second host")
    assert mute.losses == 1
    wire.wait(lambda: not is_refused(port), what="the port is open")
    assert not heard(sound, STARTDT_ACT)
    sound.kill()
    wire.wait(lambda: mute.is_started, 4, "the first is started at once now")
    assert first_u_frames(mute) == ["43", "07"]


def test_hosts_are_tried_in_order_and_from_the_first_again_after_a_loss(wire, run):
    a, b, port = free_ports(3)
    second = wire.rtu(b, 32, name="second")
    gateway = run(group(1, 0, [port], hosts=hosts(a, b)))
    master = wire.master(port, 101)
    wire.wait(lambda: master.is_started, 4, "through the second host")
    assert gateway.tells("S/RTU1", f"no connection to 127.0.0.1:{a}")
    assert gateway.tells("S/RTU1", f"connected to 127.0.0.1:{b}")
    first = wire.rtu(a, 32, name="first")
    second.kill()
    wire.wait(lambda: first.is_started and master.is_started, 4, "through the first host")
    assert gateway.counts("S/RTU1", "connections", 2)


def test_a_host_that_accepts_and_closes_is_a_failed_try(wire, run):
    a, b, port = free_ports(3)
    door = scripted(wire, ClosesUnstarted, a, 32, answers_tests=False, patience=0.0)
    sound = wire.rtu(b, 32, name="sound")
    run(group(1, 0, [port], hosts=hosts(a, b)))
    wire.wait(lambda: sound.is_connected, 4, "the next host")
    assert len(door.times("connected")) == 1


def test_a_link_that_ends_before_its_first_startdt_con_is_a_failed_try(wire, run):
    """Though it had confirmed a test, and ports were open for a moment: the next host follows."""
    a, b, port = free_ports(3)
    brief = scripted(wire, ClosesUnstarted, a, 32)
    sound = wire.rtu(b, 32, name="sound")
    run(group(1, 0, [port], hosts=hosts(a, b)))
    wire.wait(lambda: sound.is_connected, 2, "the next host")
    assert len(brief.times("connected")) == 1


def test_a_host_that_accepts_nothing_holds_the_others_up_for_three_seconds_at_most(
    wire, run, monkeypatch
):
    monkeypatch.setattr("core.connections.dialer._SEVERAL_HOSTS_LIMIT", 0.5)
    b, port = free_ports(2)
    sound = wire.rtu(b, 32, name="sound")
    with nothing_accepts() as a:
        run(group(1, 0, [port], hosts=hosts(a, b)))
        wire.wait(lambda: sound.is_connected, 4, "the next host")


def test_an_unreachable_rtu_is_said_once_and_not_for_every_try(wire, run):
    rtu_port, port = free_ports(2)
    gateway = run(group(1, rtu_port, [port]))
    wire.wait(lambda: gateway.log("S/RTU1"), what="the first lines")
    time.sleep(0.4)  # at least two further tries, of which there is nothing else to see
    with socket.create_server(("127.0.0.1", rtu_port)) as server:
        server.settimeout(5)
        for _ in range(2):
            server.accept()[0].close()
    wire.wait(lambda: gateway.counters("S/RTU1").connections >= 2, what="connections")
    lines = gateway.log("S/RTU1")
    first = next(i for i, line in enumerate(lines) if "connected to" in line)
    assert len([line for line in lines[:first] if "no connection to" in line]) == 1
    assert len([line for line in lines[:first] if "trying" in line]) == 1


def test_a_dead_name_of_one_group_delays_no_other_group(wire, run, monkeypatch):
    release = threading.Event()
    asked = []

    def hangs(host, *_args, **_options):
        asked.append(host)
        assert release.wait(20)
        raise socket.gaierror(socket.EAI_AGAIN, "temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    rtu_port, *ports = free_ports(8)
    rows = []
    for number in range(6):
        rows += group(10 + number, 0, [ports[number]], hosts=f"rtu{number}.test:2404")
    rows += group(1, rtu_port, [ports[6]])
    wire.rtu(rtu_port, 32)
    try:
        gateway = run(rows)
        master = wire.master(ports[6], 101)
        wire.wait(lambda: master.is_started, 3, "the seventh group")
        wire.wait(lambda: len(asked) == 6, what="six look-ups")
        assert gateway.stop() < 2
    finally:
        release.set()


def test_hosts_that_fail_each_in_its_own_way_are_said_once(wire, run):
    dead, mute_port, port = free_ports(3)
    mute = wire.rtu(mute_port, 32, answers_tests=False, start_delay=60)
    gateway = run(group(1, 0, [port], hosts=hosts(dead, mute_port), options=["t1=2", "t2=1"]))
    wire.wait(lambda: len(mute.times("connected")) >= 3, 12, "three rounds")
    lines = gateway.log("S/RTU1")
    what = {dead: ("trying", "no connection to"), mute_port: ("trying", "connected to")}
    for words in [f"{verb} 127.0.0.1:{p}" for p, verbs in what.items() for verb in verbs]:
        assert len([line for line in lines if words in line]) == 1, lines
