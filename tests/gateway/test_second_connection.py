"""Who may connect to a master's port, and which of two connections has the place."""

import socket

import pytest

from tests.gateway.running import heard
from tests.support.gateway import Row, group
from tests.support.ports import free_ports


@pytest.fixture
def start(wire, run):
    """A group with one master entry: its RTU, the gateway, its port, and the first connection."""

    def start(*options, **first):
        rtu_port, port = free_ports(2)
        rtu = wire.rtu(rtu_port, 32)
        gateway = run(group(1, rtu_port, [port], master_options=options))
        one = wire.master(port, 101, name="one", **first)
        wire.wait(lambda: one.is_started and rtu.is_started, what="the first is started")
        return rtu, gateway, port, one

    return start


def test_a_corpse_gives_its_place_to_a_new_connection(wire, start, monkeypatch):
    monkeypatch.setattr("core.gateway.master._CORPSE_LIMIT", 0.5)
    rtu, gateway, port, one = start(answers_tests=False, reconnects=False)
    two = wire.master(port, 101, name="two", reconnects=False)
    wire.wait(lambda: two.is_started, what="the new one takes over")
    assert two.times("started")[0] - two.times("connected")[0] >= 0.4
    wire.wait(lambda: one.losses == 1, what="the corpse is closed")
    assert one.tests_heard == 1
    wire.wait(lambda: two.initialized == 1, 1, "its M_EI")
    rtu.events(3)
    wire.wait(lambda: len(two.events) == 3, what="events")
    assert gateway.counts("M/M1-1", "peers_refused", 0)
    assert gateway.tells("M/M1-1", "no answer to a test while a new connection waited")


def test_t1_limits_the_test_of_a_corpse_if_it_is_shorter(wire, start):
    _, _, port, one = start("t1=1", answers_tests=False, reconnects=False)
    two = wire.master(port, 101, name="two", reconnects=False)
    wire.wait(lambda: two.is_started, 2.5, "the new one takes over")
    wire.wait(lambda: one.losses == 1, 1, "the corpse is closed")


def test_a_living_connection_keeps_its_place_and_the_log_knows_a_way(wire, start):
    rtu, gateway, port, one = start()
    two = wire.master(port, 101, name="two", reconnects=False)
    wire.wait(lambda: two.losses == 1, what="the new one is refused")
    assert not two.times("started")
    assert one.tests_heard == 1
    assert one.losses == 0
    rtu.events(3)
    wire.wait(lambda: len(one.events) == 3, what="events")
    assert gateway.counts("M/M1-1", "peers_refused", 1)
    assert gateway.tells("M/M1-1", "conns=2")
    assert gateway.becomes("M/M1-1", "ONLINE")
    wire.wait(lambda: "refused peer" in gateway.security_log(), 1, "the security log")


def test_while_the_first_is_tested_the_second_waits_unconfirmed(wire, start, monkeypatch):
    monkeypatch.setattr("core.gateway.master._CORPSE_LIMIT", 1.0)
    _, _, port, one = start(answers_tests=False, reconnects=False)
    two = wire.master(port, 101, name="two", reconnects=False)
    wire.wait(lambda: one.tests_heard == 1, what="the first is tested")
    assert two.is_connected
    assert not two.is_started
    one.raw(bytes.fromhex("680483000000"))  # late, but alive
    wire.wait(lambda: two.losses == 1, 1, "then refused")
    assert not [frame for _, way, frame in two.frames if way == "in"]
    assert one.is_started


def test_a_first_connection_that_leaves_meanwhile_makes_room_at_once(wire, start):
    _, _, port, one = start(answers_tests=False, reconnects=False)
    two = wire.master(port, 101, name="two", reconnects=False)
    wire.wait(lambda: one.tests_heard == 1, what="the first is tested")
    one.close()
    wire.wait(lambda: two.is_started, 1, "the second takes over")
    wire.wait(lambda: two.initialized == 1, 1, "its M_EI")


def test_a_third_connection_takes_the_place_of_the_waiting_one(wire, start, monkeypatch):
    monkeypatch.setattr("core.gateway.master._CORPSE_LIMIT", 0.6)
    _, _, port, one = start(answers_tests=False, reconnects=False)
    two = wire.master(port, 101, name="two", reconnects=False)
    wire.wait(lambda: one.tests_heard == 1, what="the first is tested")
    three = wire.master(port, 101, name="three", reconnects=False)
    wire.wait(lambda: two.losses == 1, 1, "the second is refused")
    wire.wait(lambda: three.is_started, 2, "the third takes over")
    assert not two.times("started")


def test_who_waits_is_let_go_when_the_rtu_is_lost(wire, start):
    rtu, _, port, one = start(answers_tests=False, reconnects=False)
    two = wire.master(port, 101, name="two", reconnects=False)
    wire.wait(lambda: one.tests_heard == 1, what="the first is tested")
    rtu.kill()
    wire.wait(lambda: one.losses == two.losses == 1, 1, "both closed")
    assert not two.times("started")


def test_replace_gives_the_place_to_a_new_connection_from_the_same_address(wire, start):
    rtu, gateway, port, one = start("same=replace", reconnects=False)
    two = wire.master(port, 101, name="two", reconnects=False)
    wire.wait(lambda: two.is_started, 1, "replaced at once")
    wire.wait(lambda: one.losses == 1, 1, "the old one is closed")
    assert not one.tests_heard
    wire.wait(lambda: two.initialized == 1, 1, "its M_EI")
    rtu.events(3)
    wire.wait(lambda: len(two.events) == 3, what="events")
    assert gateway.counts("M/M1-1", "peers_refused", 0)


def test_replace_refuses_a_new_connection_from_another_address(wire, start):
    _, gateway, port, one = start("same=replace", reconnects=False)
    two = wire.master(port, 101, name="two", source="127.0.0.2", reconnects=False)
    wire.wait(lambda: two.losses == 1, 1, "refused")
    assert one.is_started
    assert not one.losses
    assert gateway.counts("M/M1-1", "peers_refused", 1)


def test_old_refuses_a_second_connection_at_once(wire, start):
    _, gateway, port, one = start("same=old", answers_tests=False, reconnects=False)
    two = wire.master(port, 101, name="two", reconnects=False)
    wire.wait(lambda: two.losses == 1, 1, "refused")
    assert not one.tests_heard
    assert one.is_started
    assert gateway.tells("M/M1-1", "connected already from")


@pytest.mark.parametrize("same", ["new", "replace", "old"])
def test_a_place_that_was_left_is_free_for_the_next(wire, start, same):
    _, gateway, port, one = start(f"same={same}", reconnects=False)
    one.close()
    wire.wait(lambda: gateway.state("M/M1-1") == "LISTENING", what="gone")
    two = wire.master(port, 101, name="two", reconnects=False)
    wire.wait(lambda: two.is_started, 1, "in")
    wire.wait(lambda: two.initialized == 1, 1, "its M_EI")


def test_a_peer_that_is_not_in_the_list_is_refused_and_said(wire, run):
    rtu_port, port = free_ports(2)
    rows = [
        Row(1, "RTU1", "", 32, False, f"127.0.0.1:{rtu_port}"),
        Row(1, "M1", port, 101, True, "192.0.2.0/24;127.0.0.2"),
    ]
    rtu = wire.rtu(rtu_port, 32)
    gateway = run(rows)
    wire.wait(lambda: gateway.state("M/M1") == "LISTENING", what="listening")
    stranger = wire.master(port, 101, name="stranger", reconnects=False)
    wire.wait(lambda: stranger.losses == 1, 2, "refused")
    assert not [frame for _, way, frame in stranger.frames if way == "in"]
    assert gateway.becomes("M/M1", "REFUSED")
    assert gateway.counts("M/M1", "peers_refused", 1)
    assert "127.0.0.1" in gateway.security_log()
    assert not heard(rtu, "680407000000")
    friend = wire.master(port, 101, name="friend", source="127.0.0.2")
    wire.wait(lambda: friend.is_started, 2, "in")
    late = wire.master(port, 101, name="late", reconnects=False)
    wire.wait(lambda: late.losses == 1, 2, "refused")
    assert not friend.tests_heard  # a stranger does not put a friend to the test
    assert friend.is_started


def test_a_name_in_the_list_admits_its_addresses(wire, run, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("127.0.0.1", 0))])
    rtu_port, port = free_ports(2)
    rows = [
        Row(1, "RTU1", "", 32, False, f"127.0.0.1:{rtu_port}"),
        Row(1, "M1", port, 101, True, "scada.test"),
    ]
    wire.rtu(rtu_port, 32)
    run(rows)
    master = wire.master(port, 101)
    wire.wait(lambda: master.is_started, 3, "in")


def test_the_waiting_second_is_served_though_not_started(wire, start, monkeypatch):
    monkeypatch.setattr("core.gateway.master._CORPSE_LIMIT", 1.0)
    _, _, port, one = start(answers_tests=False, reconnects=False)
    two = wire.master(port, 101, name="two", reconnects=False)
    wire.wait(lambda: one.tests_heard == 1, what="the first is tested")
    two.test_link()
    wire.wait(lambda: heard(two, "680483000000"), 0.8, "TESTFR con meanwhile")
    assert not two.is_started
    wire.wait(lambda: two.is_started, 3, "the new one takes over")


def test_a_waiting_second_that_breaks_the_protocol_costs_the_first_nothing(
    wire, start, monkeypatch
):
    monkeypatch.setattr("core.gateway.master._CORPSE_LIMIT", 0.4)
    rtu, gateway, port, one = start(answers_tests=False, reconnects=False)
    with socket.create_connection(("127.0.0.1", port)) as two:
        two.settimeout(3)
        wire.wait(lambda: one.tests_heard == 1, what="the first is tested")
        two.sendall(bytes.fromhex("000000000000"))
        assert two.recv(10) == b""
    assert gateway.tells("M/M1-1", "bad start octet")
    one.set(answers_tests=True)
    rtu.events(3)
    wire.wait(lambda: len(one.events) == 3, what="events")
    assert one.losses == 0
