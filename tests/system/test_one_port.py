"""The later dialect of the file as its users run it: one port for each RTU, many masters on it."""

from dataclasses import replace

import pytest

from tests.gateway.running import STOPDT_ACT, heard
from tests.support.gateway import Gateway, is_refused, is_told
from tests.support.ports import free_ports
from tests.support.wire import (
    POINTS,
    TurnTakingRtu,
    asdu,
    assert_clean,
    bitstring_command,
    interrogation,
    select,
    single_command,
)

MARK = "# iec104MM2SS-1port-v1.0"
HEADING = (
    "#id,sys name,port,RTU number,max conn,idletime,t1,t2,t3,w,k,buffsize,logevents,same ip,"
    "IP:PORT list,filter"
)
CA = 7
KINDS = pytest.mark.parametrize("oa", [None, 0, 1], ids=["echoes OA", "answers OA 0", "OA 1"])


def row(number, port, rtu_port, *more, conns=3, same="all", buffer="", admitted="", ca=CA):
    hosts = f"127.0.0.1:{rtu_port}"
    cells = (number, f"Lighthouse {number}", port, ca, conns, 60, 15, 10, 20, 8, 12, buffer, "Y")
    return ",".join(map(str, (*cells, same, hosts, admitted, *more)))


class Port:
    """One RTU of the dialect, and who connects to its port."""

    label = "M/Lighthouse 20"

    def __init__(self, wire, run, *more, rtu=None, **columns):
        self.wire = wire
        rtu_port, self.port = free_ports(2)
        options = {"slots": columns.get("conns", 3), **(rtu or {})}
        self.rtu = wire.rtu(rtu_port, CA, kind=TurnTakingRtu, **options)
        self.gateway = run([MARK, HEADING, row(20, self.port, rtu_port, *more, **columns)])

    def master(self, name, **options):
        """One more, in or not."""
        options = {"reconnects": False, "oa": 9, **options}
        master = self.wire.master(self.port, CA, name=name, **options)
        self.wire.wait(lambda: master.initialized or master.losses, 10, f"{name} is in or not")
        return master

    def masters(self, n, **options):
        masters = [self.master(f"master {i + 1}", **options) for i in range(n)]
        assert all(m.initialized for m in masters)
        return masters

    def left(self, n):
        def look():
            named, _, more = self.gateway.status(self.label).peer.partition(" and ")
            return named.count(":") + int(more.removesuffix(" more") or 0) == n

        self.wire.wait(look, 5, f"{n} connections")


@pytest.fixture
def port(wire, run):
    return lambda *more, **columns: Port(wire, run, *more, **columns)


@KINDS
@pytest.mark.parametrize("n", [2, 5])
def test_several_masters_on_one_port_are_independent(port, wire, n, oa):
    p = port(conns=n, rtu={"oa": oa})
    masters = p.masters(n)
    p.rtu.events(500)
    for i, master in enumerate(masters):
        master.ask(interrogation(), select(5000 + i), bitstring_command(6000 + i, i))
    for i, master in enumerate(masters):
        wire.wait(lambda m=master: len(m.answers) == 5, 5, "answered")
        master.ask(single_command(5000 + i))
    for master in masters:
        wire.wait(lambda m=master: len(m.answers) == 7, 5, "executed")
        wire.wait(lambda m=master: len(m.events) == 500, 5, "all events")
    assert_clean(p.rtu, *masters)
    assert p.rtu.refused == 0
    assert {one.oa for one in p.rtu.asked if one.type_id != 100} == set(range(1, n + 1))
    for master in masters:
        mine = [(one.cause, one.oa, one.ca) for one in master.answers if one.type_id == 100]
        assert mine == [(7, 9, CA), (10, 9, CA)]
        assert sum(one.cause == 20 for one in master.inbox) >= len(POINTS)


@KINDS
def test_one_cannot_command_what_another_has_selected(port, wire, oa):
    p = port(rtu={"oa": oa})
    one, other = p.masters(2)
    one.ask(select(5000))
    wire.wait(lambda: one.answers, 5, "selected")
    other.send(single_command(5000))
    wire.wait(lambda: other.answers, 5, "refused")
    (refusal,) = other.answers
    assert (refusal.cause, refusal.is_negative) == (7, True)
    peer = ":".join(map(str, other.link.sock.getsockname()))
    said = (f"{peer}: ", "C_SC_NA_1", f"CA {CA}", "IOA 5000", "refused: selected by another")
    wire.wait(lambda: is_told(p.gateway.log(p.label), *said), 2, "the refusal in the log")
    one.close()
    p.left(1)
    wire.wait(lambda: [o.cause for o in p.rtu.asked] == [6, 8], 5, "cancelled")

    def passes():
        n = len(other.answers)
        other.send(single_command(5000))
        wire.wait(lambda: len(other.answers) > n, 5, "an answer")
        return not other.answers[-1].is_negative

    wire.wait(passes, 3, "open again")
    assert len(one.answers) == 1
    assert not any(a.cause == 9 for a in other.answers)


def test_common_addresses_are_those_of_the_rtu_listed_or_not(port, wire):
    p = port(rtu={"more_cas": (8, 9)})
    masters = p.masters(2, foreign=frozenset({8, 9, 77}))
    told = [replace(asdu(1, ca, b"\1", 3), ca=ca) for ca in (CA, 8, 77)]
    p.rtu.send(*told)
    masters[0].send(replace(single_command(5000), ca=9))
    masters[1].send(replace(interrogation(), ca=8))
    p.rtu.events(1)
    for master in masters:
        wire.wait(lambda m=master: len(m.answers) == 2 and m.events, 5, "answered")
        assert [one for one in master.inbox if one.cause == 3] == told
    assert [[a.ca for a in m.answers] for m in masters] == [[9, 9], [8, 8]]
    assert sorted(one.ca for one in p.rtu.asked) == [8, 9]
    for name in ("unknown_ca", "orphans"):
        assert p.gateway.counts("S/Lighthouse 20", name, 0)


def test_no_more_than_max_conn(port, wire):
    p = port(conns=2)
    masters = p.masters(2)
    late = p.master("late")
    assert (late.losses, late.initialized) == (1, 0)
    assert not any(m.losses for m in masters)
    assert p.gateway.counts(p.label, "peers_refused", 1)
    masters[0].close()
    p.left(1)
    assert p.master("next").initialized == 1
    assert not masters[1].losses


@pytest.mark.parametrize(("same", "old_ends", "new_is_in"), [
    ("all", False, True), ("old", False, False), ("new", True, True),
])  # fmt: skip
def test_a_second_connection_from_one_address(port, wire, same, old_ends, new_is_in):
    p = port(same=same)
    other = p.master("other", source="127.0.0.2")
    old = p.master("old")
    new = p.master("new")
    assert bool(old.losses) is old_ends
    assert bool(new.initialized) is new_is_in
    assert not other.losses
    p.rtu.events(10)
    for master in (other, new if new_is_in else old):
        wire.wait(lambda m=master: len(m.events) == 10, 5, "events")


def test_who_may_connect(port):
    p = port(admitted="127.0.0.2;127.0.0.16/28")
    assert p.master("one", source="127.0.0.2").initialized
    assert p.master("two", source="127.0.0.20").initialized
    assert p.master("no", source="127.0.0.3").losses == 1
    assert p.gateway.tells(p.label, "not in the list of hosts")


def test_one_that_stops_leaves_or_falls_behind_is_nobody_elses_affair(port, wire):
    p = port(conns=5, buffer=100)
    stops, leaves, slow, sound, asker = p.masters(5)
    p.rtu.set(stops_after=2)
    asker.ask(interrogation())
    wire.wait(lambda: asker.answers, 5, "it runs")
    stops.stop_transfer()
    leaves.close(reset=True)
    wire.wait(lambda: stops.times("stopped"), 5, "stopped")
    p.left(4)
    slow.set(w=None)
    for n in range(10, 201, 10):  # not so many at once that a sound one could fall behind
        p.rtu.events(10)
        for master in (sound, asker):
            wire.wait(lambda m=master, n=n: len(m.events) == n, 5, f"{n} events")
    wire.wait(lambda: slow.losses == 1, 5, "closed")
    p.rtu.resume()
    wire.wait(lambda: len(asker.answers) == 2, 5, "the end")
    assert_clean(p.rtu, sound, asker)
    assert 100 < p.gateway.counters(p.label).dropped <= 112
    assert heard(p.rtu, STOPDT_ACT) == 0
    for master in (stops, sound, asker):
        master.close()
    wire.wait(lambda: heard(p.rtu, STOPDT_ACT) == 1, 5, "the last one")


def test_a_master_of_its_own_may_be_given_less_rights_for_all(port, wire):
    p = port("rights=monitor", "gi_data=requester")
    one, other = p.masters(2)
    one.send(single_command(5000))
    wire.wait(lambda: one.answers, 5, "refused")
    one.ask(interrogation())
    wire.wait(lambda: len(one.answers) == 3, 5, "served")
    assert [(a.cause, a.is_negative) for a in one.answers] == [(7, True), (7, False), (10, False)]
    assert not other.inbox
    assert [o.type_id for o in p.rtu.asked] == [100]


def test_the_program_runs_a_file_of_the_dialect(wire, tmp_path):
    rtu_ports, ports = free_ports(2), free_ports(2)
    rtus = [
        wire.rtu(port, ca, name=f"rtu {ca}", kind=TurnTakingRtu, oa=0, slots=4)
        for port, ca in zip(rtu_ports, (7, 8), strict=True)
    ]
    rows = [
        MARK, HEADING,
        row(20, ports[0], rtu_ports[0], conns=4),
        row(21, ports[1], rtu_ports[1], conns=2, same="old", ca=8),
    ]  # fmt: skip
    with Gateway(tmp_path, rows) as gateway:
        many = [wire.master(ports[0], 7, name=f"many {i}", reconnects=False) for i in range(4)]
        few = [
            wire.master(ports[1], 8, name=f"few {i}", reconnects=False, source=f"127.0.0.{i + 2}")
            for i in range(2)
        ]
        wire.wait(lambda: all(m.initialized for m in many + few), 10, "started")
        for rtu in rtus:
            rtu.events(1000)
        for i, master in enumerate(many + few):
            master.ask(interrogation(), bitstring_command(6000 + i, i))
        wire.wait(lambda: all(len(m.answers) == 4 for m in many + few), 5, "answered")
        wire.wait(lambda: all(len(m.events) == 1000 for m in many + few), 5, "all events")
        assert_clean(rtus[0], *many)
        assert_clean(rtus[1], *few)
        rtus[0].kill()
        wire.wait(lambda: all(m.losses for m in many), 2, "closed with their RTU")
        assert is_refused(ports[0])
        assert not any(m.losses for m in few)
    assert (gateway.logs / "S-Lighthouse 20.txt").exists()
    assert (gateway.logs / "M-Lighthouse 21.txt").exists()
