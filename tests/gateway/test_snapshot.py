"""What a front end sees: the snapshot, and the changes on the feed."""

import threading

import pytest

from core.feed import Feed
from core.gateway import Gateway
from core.status import MasterState, RtuState
from tests.gateway.running import KeptLogs, config
from tests.support.gateway import group
from tests.support.ports import free_ports
from tests.support.wire import bitstring_command


def test_entries_stand_in_the_order_of_the_configuration(wire, run):
    ports = free_ports(6)
    rows = group(7, ports[0], ports[1:3]) + group(2, ports[3], ports[4:6], first_ca=201)
    gateway = run(rows)
    found = [(status.group, status.label) for status, _ in gateway.gateway.snapshot()]
    assert found == [
        (7, "S/RTU7"), (7, "M/M7-1"), (7, "M/M7-2"), (2, "S/RTU2"), (2, "M/M2-1"), (2, "M/M2-2"),
    ]  # fmt: skip
    keys = [status.key for status, _ in gateway.gateway.snapshot()]
    assert keys == [entry.key for entry in config(rows).entries]


def test_a_gateway_that_was_not_started_has_nothing_to_show():
    gateway = Gateway(config(group(1, *_ports())), KeptLogs(), Feed())
    try:
        assert gateway.snapshot() == []
    finally:
        gateway._io.loop.close()


def _ports():
    rtu_port, port = free_ports(2)
    return rtu_port, [port]


def test_states_peers_and_times_follow_the_connections(wire, run):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32)
    gateway = run(group(1, rtu_port, [port]))
    wire.wait(lambda: gateway.state("M/M1-1") == "LISTENING", what="listening")
    listening = gateway.status("M/M1-1")
    assert (listening.peer, listening.connected_at) == ("", None)
    assert gateway.status("S/RTU1").peer == f"127.0.0.1:{rtu_port}"
    assert gateway.status("S/RTU1").connected_at is not None
    master = wire.master(port, 101)
    wire.wait(lambda: gateway.state("S/RTU1") == "ONLINE", what="online")
    online = gateway.status("M/M1-1")
    assert online.state is MasterState.ONLINE
    own = master.link.sock.getsockname()
    assert online.peer == f"{own[0]}:{own[1]}"
    assert online.connected_at is not None
    assert online.connected_at.utcoffset() is not None
    master.close()
    rtu.kill()
    wire.wait(lambda: gateway.state("M/M1-1") == "HELD", what="held")
    assert gateway.status("M/M1-1").peer == ""
    assert gateway.status("M/M1-1").connected_at is None
    gone = gateway.status("S/RTU1")
    assert gone.state is RtuState.CONNECTING
    assert (gone.peer, gone.connected_at) == ("", None)
    assert gone.detail


def test_counters_count_what_passed(wire, run):
    rtu_port, *ports = free_ports(3)
    rtu = wire.rtu(rtu_port, 32)
    gateway = run(group(1, rtu_port, ports))
    masters = [wire.master(port, 101 + i) for i, port in enumerate(ports)]
    wire.wait(lambda: rtu.is_started and all(m.is_started for m in masters), what="started")
    rtu.events(10)
    masters[0].ask(bitstring_command(5000, 1))
    wire.wait(lambda: len(masters[0].answers) == 2, what="answered")
    wire.wait(lambda: all(len(m.events) == 10 for m in masters), what="events")
    one, two, station = (gateway.counters(f"{n}") for n in ("M/M1-1", "M/M1-2", "S/RTU1"))
    assert (station.asdus_in, station.asdus_out, station.connections) == (12, 1, 1)
    assert (one.asdus_in, one.asdus_out) == (1, 13)  # M_EI, ten events, two answers
    assert (two.asdus_in, two.asdus_out) == (0, 11)


def test_the_feed_tells_the_newest_state_of_every_entry(wire, run):
    rtu_port, port = free_ports(2)
    wire.rtu(rtu_port, 32)
    gateway = run(group(1, rtu_port, [port]))
    wire.master(port, 101)
    wire.wait(lambda: gateway.state("M/M1-1") == gateway.state("S/RTU1") == "ONLINE", what="online")
    told = {status.label: status for status in gateway.feed.drain().statuses}
    assert told == {label: gateway.status(label) for label in ("S/RTU1", "M/M1-1")}
    assert not gateway.feed.drain().statuses  # nothing new, nothing told


def test_any_thread_may_look_while_groups_come_and_go(wire, run):
    rtu_port, port, *more = free_ports(6)
    rtu = wire.rtu(rtu_port, 32)
    rows = group(1, rtu_port, [port])
    gateway = run(rows)
    ends = threading.Event()
    sizes: set[int] = set()
    problems: list[Exception] = []

    def look() -> None:
        while not ends.is_set():
            try:
                sizes.add(len(gateway.gateway.snapshot()))
            except Exception as problem:
                problems.append(problem)
                return

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    try:
        master = wire.master(port, 101)
        wire.wait(lambda: rtu.is_started and master.is_started, what="started")
        for _ in range(10):
            gateway.apply(rows + group(2, more[0], more[1:3], first_ca=201))
            wire.wait(lambda: len(gateway.gateway.snapshot()) == 5, what="two groups")
            gateway.apply(rows)
            wire.wait(lambda: len(gateway.gateway.snapshot()) == 2, what="one group")
    finally:
        ends.set()
        for looker in lookers:
            looker.join(5)
    assert not problems
    assert sizes >= {2, 5}


def test_a_status_cannot_be_changed_by_who_looks(wire, run):
    gateway = run(group(1, *_ports()))
    status, _ = gateway.gateway.snapshot()[0]
    with pytest.raises(AttributeError):
        status.detail = "other"
