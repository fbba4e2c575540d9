"""What happens to a group whose RTU goes away, and to all others: nothing."""

import time

import pytest

from tests.support.gateway import Gateway, group, is_refused
from tests.support.ports import free_port, free_ports
from tests.support.wire import assert_clean


def test_a_killed_rtu_takes_its_masters_along_and_nobody_else(wire, tmp_path):
    rtu_port, other_port = free_ports(2)
    ports, other_ports = free_ports(3), free_ports(2)
    rows = group(1, rtu_port, ports) + group(2, other_port, other_ports, ca=33, first_ca=201)
    rtu, other = wire.rtu(rtu_port, 32), wire.rtu(other_port, 33, name="other rtu")
    with Gateway(tmp_path, rows):
        masters = [wire.master(port, 101 + i) for i, port in enumerate(ports)]
        others = [wire.master(port, 201 + i) for i, port in enumerate(other_ports)]
        wire.wait(lambda: all(m.is_started for m in masters + others), 10, "all started")
        for reset in (False, True):
            rtu.events(500)
            wire.wait(lambda: len(masters[-1].events) >= 200, 10, "events")
            lost = [m.losses for m in masters]
            for master in masters:
                master.set(refusals=0)
            killed = rtu.kill(reset)
            wire.wait(
                lambda lost=lost: all(m.losses > n for m, n in zip(masters, lost, strict=True)),
                5,
                "the masters closed",
            )
            for master in masters:
                assert master.times("ended")[-1] - killed < 1.0
            other.events(100)
            wire.wait(lambda: all(m.refusals >= 5 for m in masters), 5, "refused again and again")
            assert all(is_refused(port) for port in ports)
            assert not any(m.is_connected for m in masters)
            rtu.restart()
            wire.wait(lambda: all(m.is_started for m in masters), 10, "started again")
        before = [len(m.events) for m in masters]
        rtu.events(10)
        wire.wait(
            lambda: all(len(m.events) >= n + 10 for m, n in zip(masters, before, strict=True)),
            5,
            "events again",
        )
        wire.wait(lambda: all(len(m.events) == 200 for m in others), 5, "the others' events")
        assert_clean(other, *others)
        assert not other.losses
        assert not any(m.losses for m in others)
        assert all(m.initialized == 3 for m in masters)


def test_no_port_listens_before_the_rtu_has_answered(wire, tmp_path):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32, answers_tests=False)
    with Gateway(tmp_path, group(1, rtu_port, [port])):
        wire.wait(lambda: rtu.tests_heard, 10, "TESTFR")
        assert is_refused(port)
        master = wire.master(port, 101)
        wire.wait(lambda: master.refusals >= 3, 5, "refused")
        rtu.raw(bytes.fromhex("680483000000"))
        wire.wait(lambda: master.is_started, 5, "started")


@pytest.mark.parametrize("dead", [1, 3])
def test_the_next_host_is_tried(wire, tmp_path, dead):
    """Between two tries passes a second."""
    *dead_ports, rtu_port, port = free_ports(dead + 2)
    hosts = ";".join(f"127.0.0.1:{p}" for p in [*dead_ports, rtu_port])
    wire.rtu(rtu_port, 32)
    with Gateway(tmp_path, group(1, rtu_port, [port], hosts=hosts)):
        master = wire.master(port, 101)
        wire.wait(lambda: master.is_started, dead * 2 + 5, "started on the last host")


def test_host_names_that_never_resolve_delay_nobody(wire, tmp_path):
    rtu_port = free_port()
    ports = free_ports(7)
    rows = []
    for n in range(6):
        rows += group(n + 1, 0, [ports[n]], hosts=f"rtu{n}.hang.test:2404")
    rows += group(7, rtu_port, [ports[6]])
    rtu = wire.rtu(rtu_port, 32)
    with Gateway(tmp_path, rows, hanging_names=True) as gateway:
        begin = time.monotonic()
        master = wire.master(ports[6], 101)
        wire.wait(lambda: master.is_started, 5, "the group with an address started")
        wire.wait(
            lambda: sum(f"rtu{n}.hang.test hangs" in gateway.told() for n in range(6)) == 6,
            5,
            "all six look-ups under way",
        )
        assert time.monotonic() - begin < 5
        rtu.events(1000)
        wire.wait(lambda: len(master.events) == 1000, 5, "events meanwhile")
        assert all(is_refused(port) for port in ports[:6])
        assert_clean(rtu, master)
    # leaving the block asserts that the program ended in time although they still hang


def test_a_time_server_whose_name_never_resolves_delays_nobody(wire, tmp_path):
    rtu_port, port = free_ports(2)
    wire.rtu(rtu_port, 32)
    settings = ["ntp_mode,watch", "ntp_server,time.hang.test"]
    rows = group(1, rtu_port, [port])
    with Gateway(tmp_path, rows, settings, hanging_names=True) as gateway:
        master = wire.master(port, 101)
        wire.wait(lambda: master.is_started, 5, "started")
        wire.wait(lambda: "time.hang.test hangs" in gateway.told(), 5, "the look-up is under way")
    # leaving the block asserts that the program ended in time although it still hangs
