"""Where a master's port listens, how often one address may knock, and what is said of it."""

import socket
import time
from contextlib import suppress
from dataclasses import replace

import pytest

from core.connections.listener import has_ipv6
from tests.support.gateway import group
from tests.support.ports import free_ports

RETRY = 0.2
HERE, THERE, ELSEWHERE = "127.0.0.1", "127.0.0.2", "127.0.0.3"


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr("core.gateway.port._RETRY_PORT", RETRY)


def answers(address, port):
    """Whether anybody listens there."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.settimeout(3)
        return probe.connect_ex((address, port)) == 0


def knock(port, times, source=HERE):
    """Connects so many times, one after the other; how many were not ended at once."""
    held = []
    for _ in range(times):
        sock = socket.socket()
        sock.settimeout(0.1)
        sock.bind((source, 0))
        with suppress(ConnectionResetError):
            sock.connect((HERE, port))
            try:
                sock.recv(1)
            except TimeoutError:
                held.append(sock)
                continue
        sock.close()
    for sock in held:
        sock.close()
    return len(held)


def test_a_port_listens_on_the_addresses_it_is_bound_to_and_on_no_other(wire, run):
    rtu_port, port, other = free_ports(3)
    wire.rtu(rtu_port, 32)
    rows = group(1, rtu_port, [port, other])
    rows[1] = replace(rows[1], options=(f"bind={THERE};{ELSEWHERE}",))
    gateway = run(rows)
    wire.wait(lambda: answers(THERE, port) and answers(HERE, other), what="open")
    assert answers(ELSEWHERE, port)
    assert not answers(HERE, port)
    assert answers(THERE, other)
    assert gateway.tells("M/M1-1", f"port {port} on {THERE}, {ELSEWHERE}, RTU number 101")
    assert gateway.tells("M/M1-1", f"listening on {THERE}:{port}, {ELSEWHERE}:{port}")
    assert gateway.tells("M/M1-2", f"listening on port {other}")


@pytest.mark.skipif(not has_ipv6(), reason="this system has no IPv6")
def test_one_setting_binds_all_masters_and_an_entry_may_differ(wire, run):
    rtu_port, port, other = free_ports(3)
    wire.rtu(rtu_port, 32)
    rows = group(1, rtu_port, [port, other])
    rows[2] = replace(rows[2], options=("bind=all",))
    gateway = run(rows, settings=["bind,::1"])
    wire.wait(lambda: answers("::1", port) and answers(HERE, other), what="open")
    assert not answers(HERE, port)
    assert answers("::1", other)
    assert gateway.tells("M/M1-1", f"listening on [::1]:{port}")


@pytest.mark.posix
def test_an_address_this_machine_does_not_have_is_an_error_of_that_entry(wire, run):
    rtu_port, port, other = free_ports(3)
    wire.rtu(rtu_port, 32)
    rows = group(1, rtu_port, [port, other])
    rows[1] = replace(rows[1], options=("bind=192.0.2.77",))
    gateway = run(rows)
    assert gateway.becomes("M/M1-1", "ERROR")
    why = f"192.0.2.77:{port} cannot be opened: this machine has no such address"
    assert gateway.status("M/M1-1").detail == why
    master = wire.master(other, 102)
    wire.wait(lambda: master.is_started, what="the other master")
    begin = time.monotonic()
    wire.wait(lambda: time.monotonic() - begin > 3 * RETRY, what="a few tries")
    assert len([line for line in gateway.log("M/M1-1") if "cannot be opened" in line]) == 1


@pytest.mark.posix
def test_what_can_be_opened_is_and_the_rest_is_tried_again(wire, run):
    rtu_port, port = free_ports(2)
    wire.rtu(rtu_port, 32)
    rows = group(1, rtu_port, [port])
    rows[1] = replace(rows[1], options=(f"bind={HERE};{THERE}",))
    with socket.create_server((THERE, port)):
        gateway = run(rows)
        master = wire.master(port, 101)
        wire.wait(lambda: master.is_started, what="in by the address that is free")
        why = f"{THERE}:{port} cannot be opened: Address already in use"
        assert gateway.tells("M/M1-1", f"{why}; retried every")
        master.close()
        wire.wait(lambda: gateway.state("M/M1-1") == "LISTENING", what="listening")
        assert gateway.status("M/M1-1").detail == why
    wire.wait(lambda: gateway.says("M/M1-1", f"listening on {THERE}:{port}"), what="opened")
    wire.wait(lambda: not gateway.status("M/M1-1").detail, what="nothing is wrong any more")
    assert answers(THERE, port)
    assert gateway.state("M/M1-1") == "LISTENING"


def test_another_bind_restarts_that_master_alone(wire, run):
    rtu_port, port, other = free_ports(3)
    rtu = wire.rtu(rtu_port, 32)
    rows = group(1, rtu_port, [port, other])
    gateway = run(rows)
    one, two = wire.master(port, 101, reconnects=False), wire.master(other, 102)
    wire.wait(lambda: one.is_started and two.is_started and rtu.is_started, what="started")
    rows[1] = replace(rows[1], options=(f"bind={THERE}",))
    gateway.apply(rows)
    wire.wait(lambda: one.losses == 1, what="restarted")
    wire.wait(lambda: answers(THERE, port), what="open there")
    assert not answers(HERE, port)
    gateway.apply(group(1, rtu_port, [port, other]))
    wire.wait(lambda: answers(HERE, port), what="open everywhere")
    assert two.losses == rtu.losses == 0


def test_who_connects_too_often_is_closed_and_a_line_a_minute_counts_it(wire, run):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32)
    rows = group(1, rtu_port, [port])
    rows[1] = replace(rows[1], options=("connect_rate=4", "conns=2", "mode=each"))
    gateway = run(rows)
    other = wire.master(port, 101, source=THERE)
    wire.wait(lambda: other.is_started and rtu.is_started, what="another address is in")
    assert knock(port, 30) <= 8
    wire.wait(lambda: gateway.counters("M/M1-1").connections == 31, what="all came")
    assert gateway.counters("M/M1-1").peers_refused >= 22
    assert len([1 for line in gateway.log("M/M1-1") if f"connected from {HERE}" in line]) <= 8
    lines = [line for line in gateway.log("M/M1-1") if "connections a minute" in line]
    assert len(lines) == 1
    assert lines[0].startswith(f"refused {HERE}:")
    assert lines[0].endswith(": more than 8 connections a minute")
    assert not other.losses
    assert gateway.security_log().count("refused peer") == 1


def test_a_stranger_is_not_logged_line_by_line(wire, run):
    rtu_port, port = free_ports(2)
    wire.rtu(rtu_port, 32)
    rows = group(1, rtu_port, [port])
    rows[1] = replace(rows[1], hosts=THERE, options=("connect_rate=20",))
    gateway = run(rows)
    wire.wait(lambda: gateway.state("M/M1-1") == "LISTENING", what="listening")
    assert knock(port, 50) == 0
    assert gateway.counts("M/M1-1", "peers_refused", 50)
    lines = [line for line in gateway.log("M/M1-1") if line.startswith("refused")]
    assert [line.partition(": ")[2] for line in lines] == [
        "not in the list of hosts",
        "more than 20 connections a minute",
    ]
    friend = wire.master(port, 101, source=THERE)
    wire.wait(lambda: friend.is_started, what="who is on the list is in")
