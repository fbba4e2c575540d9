"""The end: in order, within three seconds, and with nothing left, whatever is going on."""

import socket
import threading
import time

from core.feed import Feed
from core.gateway import Gateway
from core.gateway.rtu import RtuEnd
from core.protocol.asdu import Asdu
from core.protocol.codes import Cause, TypeId
from core.protocol.run import Run, address_of
from core.routing.actions import RTU, Deliver
from core.routing.group import Group
from tests.connections.support import nothing_accepts
from tests.gateway.running import KeptLogs, NeverStops, Running, config, heard, scripted
from tests.support.gateway import group, is_refused
from tests.support.ports import free_ports

STOPDT_ACT = "680413000000"


def test_while_the_rtu_refuses(wire, run):
    gateway = run(group(1, *_two()))
    wire.wait(lambda: gateway.says("S/RTU1", "no connection"), what="refused")
    assert gateway.stop() < 1.5


def _two():
    rtu_port, port = free_ports(2)
    return rtu_port, [port]


def test_while_a_connect_hangs(wire, run):
    with nothing_accepts() as rtu_port:
        gateway = run(group(1, rtu_port, free_ports(1)))
        wire.wait(lambda: gateway.says("S/RTU1", "trying"), what="trying")
        assert gateway.stop() < 1.5


def test_while_a_name_hangs(wire, run, monkeypatch):
    release, asked = threading.Event(), threading.Event()

    def hangs(*_args, **_options):
        asked.set()
        assert release.wait(20)
        raise socket.gaierror(socket.EAI_AGAIN, "temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    try:
        gateway = run(group(1, 0, free_ports(1), hosts="rtu.test:2404"))
        assert asked.wait(5)
        assert gateway.stop() < 1.5
    finally:
        release.set()


def test_while_the_rtu_says_nothing(wire, run):
    rtu_port, ports = _two()
    rtu = wire.rtu(rtu_port, 32, answers_tests=False)
    gateway = run(group(1, rtu_port, ports))
    wire.wait(lambda: rtu.tests_heard, what="TESTFR")
    assert gateway.stop() < 1.5


def test_while_waiting_for_a_master(wire, run):
    rtu_port, ports = _two()
    wire.rtu(rtu_port, 32)
    gateway = run(group(1, rtu_port, ports))
    wire.wait(lambda: gateway.state("M/M1-1") == "LISTENING", what="listening")
    assert gateway.stop() < 1.5
    assert is_refused(ports[0])


def test_while_startdt_con_is_missing(wire, run):
    rtu_port, ports = _two()
    rtu = wire.rtu(rtu_port, 32, confirms_start=False)
    gateway = run(group(1, rtu_port, ports))
    master = wire.master(ports[0], 101)
    wire.wait(lambda: master.is_started and gateway.state("S/RTU1") == "STARTING", what="starting")
    assert gateway.stop() < 2
    wire.wait(lambda: rtu.losses == 1, 1, "the RTU's link ended")


def test_a_started_rtu_is_stopped_and_confirms_before_its_link_ends(wire, run):
    rtu_port, ports = _two()
    rtu = wire.rtu(rtu_port, 32)
    gateway = run(group(1, rtu_port, ports))
    master = wire.master(ports[0], 101)
    wire.wait(lambda: master.is_started and rtu.is_started, what="started")
    assert gateway.stop() < 2
    wire.wait(lambda: rtu.losses and master.losses, 1, "both ends saw it")
    assert heard(rtu, STOPDT_ACT) == 1
    assert rtu.times("stopped")[0] <= rtu.times("ended")[0]
    assert gateway.tells("S/RTU1", "stopdt con received")
    assert gateway.tells("S/RTU1", "stopped")
    assert gateway.tells("M/M1-1", "gateway stopped")
    assert not gateway.says("S/RTU1", "no stopdt con")


def test_the_log_of_an_orderly_end_does_not_blame_the_rtu(wire, run):
    rtu_port, ports = _two()
    rtu = wire.rtu(rtu_port, 32)
    gateway = run(group(1, rtu_port, ports))
    master = wire.master(ports[0], 101)
    wire.wait(lambda: master.is_started and rtu.is_started, what="started")
    gateway.stop()
    assert not gateway.says("S/RTU1", "by itself")


def test_while_stopdt_con_is_missing(wire, run):
    rtu_port, ports = _two()
    rtu = scripted(wire, NeverStops, rtu_port, 32)
    gateway = run(group(1, rtu_port, ports))
    master = wire.master(ports[0], 101)
    wire.wait(lambda: master.is_started and rtu.is_started, what="started")
    took = gateway.stop()
    assert 0.9 < took < 2.5  # it was given its second
    assert gateway.tells("S/RTU1", "no stopdt con")
    wire.wait(lambda: rtu.losses == 1, 1, "the RTU's link ended")


def test_while_a_stop_is_pending_already(wire, run):
    rtu_port, ports = _two()
    rtu = scripted(wire, NeverStops, rtu_port, 32)
    gateway = run(group(1, rtu_port, ports))
    master = wire.master(ports[0], 101)
    wire.wait(lambda: master.is_started and rtu.is_started, what="started")
    master.close()
    wire.wait(lambda: rtu.times("stop wanted"), what="STOPDT")
    assert gateway.stop() < 2.5
    assert heard(rtu, STOPDT_ACT) == 1


def test_while_between_two_tries(wire, run):
    rtu_port, ports = _two()
    rtu = wire.rtu(rtu_port, 32)
    gateway = run(group(1, rtu_port, ports))
    wire.wait(lambda: gateway.state("M/M1-1") == "LISTENING", what="listening")
    rtu.kill()
    wire.wait(lambda: gateway.state("S/RTU1") == "CONNECTING", what="lost")
    assert gateway.stop() < 1.5


def test_while_a_second_connection_waits(wire, run):
    rtu_port, ports = _two()
    wire.rtu(rtu_port, 32)
    gateway = run(group(1, rtu_port, ports))
    one = wire.master(ports[0], 101, answers_tests=False, reconnects=False)
    wire.wait(lambda: one.is_started, what="started")
    two = wire.master(ports[0], 101, name="two", reconnects=False)
    wire.wait(lambda: one.tests_heard, what="the first is tested")
    assert gateway.stop() < 2
    wire.wait(lambda: one.losses and two.losses, 1, "both closed")


def test_while_a_port_is_taken(wire, run):
    rtu_port, ports = _two()
    wire.rtu(rtu_port, 32)
    with socket.create_server(("127.0.0.1", ports[0])):
        gateway = run(group(1, rtu_port, ports))
        wire.wait(lambda: gateway.state("M/M1-1") == "ERROR", what="the error")
        assert gateway.stop() < 1.5


def test_with_many_links_of_which_some_are_stuck(wire, run):
    rtu_ports, ports = free_ports(15), free_ports(45)
    rows, rtus, masters = [], [], []
    for i, rtu_port in enumerate(rtu_ports):
        mine = ports[3 * i : 3 * i + 3]
        rows += group(i, rtu_port, mine, ca=32, master_options=["k=5000"])
        kind = NeverStops if i % 5 == 4 else None
        rtus.append(scripted(wire, kind, rtu_port, 32) if kind else wire.rtu(rtu_port, 32))
        masters += [wire.master(p, 101 + j, their_k=5000) for j, p in enumerate(mine)]
    gateway = run(rows)
    wire.wait(lambda: all(m.is_started for m in masters), 15, "45 masters")
    wire.wait(lambda: all(rtu.is_started for rtu in rtus), 5, "15 RTUs")
    for master in masters[::7]:
        master.pause_reading()
    for rtu in rtus:
        rtu.events(2000)
    wire.wait(lambda: len(masters[1].events) > 500, 10, "data under way")
    gateway.stop()  # its limit is the rule's


def test_right_after_the_start(wire):
    rtu_port, ports = _two()
    wire.rtu(rtu_port, 32)
    for _ in range(3):
        gateway = Gateway(config(group(1, rtu_port, ports)), KeptLogs(), Feed())
        gateway.start()
        begin = time.monotonic()
        assert gateway.stop()
        assert time.monotonic() - begin < 1.5


def test_while_a_change_is_being_applied(wire, run, monkeypatch):
    """The group that is about to be restarted, and the one to be added, must not come up."""
    monkeypatch.setattr("core.gateway.rtu._STOP_CON", 0.4)
    rtu_port, other_port, port, other = free_ports(4)
    rtu = scripted(wire, NeverStops, rtu_port, 32)
    wire.rtu(other_port, 33)
    rows = group(1, rtu_port, [port])
    gateway: Running = run(rows)
    master = wire.master(port, 101)
    wire.wait(lambda: master.is_started and rtu.is_started, what="started")
    more = group(2, other_port, [other], ca=33, first_ca=201)
    gateway.apply(rows + more, ["S/RTU1"])
    wire.wait(lambda: rtu.times("stop wanted"), what="the change waits for STOPDT con")
    gateway.stop()
    assert len([line for line in gateway.logs.kept if "S/RTU" in line.text]) == 1  # the start
    assert len(rtu.times("connected")) == 1
    assert is_refused(port)
    assert is_refused(other)


def test_a_change_after_the_end_is_ignored(wire, run):
    rtu_port, ports = _two()
    rows = group(1, rtu_port, ports)
    gateway = run(rows)
    gateway.stop()
    gateway.apply(rows, ["S/RTU1"])
    assert not [t for t in threading.enumerate() if t.name == "iec104-io"]


def test_an_error_of_ours_in_one_group_does_not_cost_another_its_orderly_end(
    wire, run, monkeypatch, expected_errors
):
    ports = free_ports(4)
    rows = group(1, ports[0], [ports[1]]) + group(2, ports[2], [ports[3]], ca=33, first_ca=201)
    one, two = wire.rtu(ports[0], 32, name="one"), wire.rtu(ports[2], 33, name="two")
    gateway = run(rows)
    masters = wire.master(ports[1], 101), wire.master(ports[3], 201)
    wire.wait(lambda: all(m.is_started for m in masters), what="started")
    wire.wait(lambda: one.is_started and two.is_started, what="started")
    stop = RtuEnd.stop

    async def faulty(self):
        if self.entry.group == 1:
            raise RuntimeError("a fault of ours")
        await stop(self)

    monkeypatch.setattr(RtuEnd, "stop", faulty)
    gateway.stop()
    wire.wait(lambda: two.losses, 1, "the other group's RTU")
    assert two.times("stopped")
    assert "a fault of ours" in gateway.program_log()
    assert expected_errors


def test_what_the_group_sends_to_the_rtu_at_the_end_goes_out_before_stopdt(wire, run, monkeypatch):
    """A selection is ended at the RTU, for instance."""
    last = Run.of(Asdu.of(TypeId.C_SC_NA_1, Cause.DEACTIVATION, 32, bytes.fromhex("88130081")))
    actions = [Deliver(last, ((RTU, address_of(1, 32)),))]
    monkeypatch.setattr(Group, "end_selections", lambda *_: actions)
    rtu_port, ports = _two()
    rtu = wire.rtu(rtu_port, 32)
    gateway = run(group(1, rtu_port, ports))
    master = wire.master(ports[0], 101)
    wire.wait(lambda: master.is_started and rtu.is_started, what="started")
    gateway.stop()
    _assert_before_stopdt(rtu)


def test_what_the_group_sends_when_the_last_master_stops_goes_out_before_stopdt(
    wire, run, monkeypatch
):
    last = Run.of(Asdu.of(TypeId.C_SC_NA_1, Cause.DEACTIVATION, 32, bytes.fromhex("88130081")))
    original = Group.master_stopped

    def stopped(group_, seat, undelivered, now):
        actions = original(group_, seat, undelivered, now)
        return [Deliver(last, ((RTU, address_of(1, 32)),)), *actions]

    monkeypatch.setattr(Group, "master_stopped", stopped)
    rtu_port, ports = _two()
    rtu = wire.rtu(rtu_port, 32)
    run(group(1, rtu_port, ports))
    master = wire.master(ports[0], 101)
    wire.wait(lambda: master.is_started and rtu.is_started, what="started")
    master.stop_transfer()
    wire.wait(lambda: rtu.times("stopped"), what="STOPDT")
    _assert_before_stopdt(rtu)


def _assert_before_stopdt(rtu):
    assert [one.cause for one in rtu.asked] == [8]
    octets = [frame for _, way, frame in rtu.frames if way == "in"]
    data = next(i for i, frame in enumerate(octets) if not frame[2] & 1)
    assert data < octets.index(bytes.fromhex(STOPDT_ACT))
