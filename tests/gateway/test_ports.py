"""A master's port that somebody else holds."""

import socket
import time

import pytest

from core.connections.listener import Listener
from tests.support.gateway import group
from tests.support.ports import free_ports

RETRY = 0.2


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr("core.gateway.port._RETRY_PORT", RETRY)


def test_a_taken_port_is_an_error_of_that_entry_and_opened_when_it_is_free(wire, run):
    rtu_port, taken, port = free_ports(3)
    rtu = wire.rtu(rtu_port, 32)
    with socket.create_server(("127.0.0.1", taken)):
        gateway = run(group(1, rtu_port, [taken, port]))
        wire.wait(lambda: gateway.state("M/M1-1") == "ERROR", what="the error")
        detail = gateway.status("M/M1-1").detail
        assert detail == f"port {taken} cannot be opened: Address already in use"
        other = wire.master(port, 102)
        wire.wait(lambda: other.is_started and rtu.is_started, what="the other master")
        wire.wait(lambda: len(gateway.logs.kept) > 3, what="lines")
        begin = time.monotonic()
        wire.wait(lambda: time.monotonic() - begin > 3 * RETRY, what="a few tries")
        lines = [line for line in gateway.log("M/M1-1") if "cannot be opened" in line]
        assert len(lines) == 1  # said on change, not for every try
        assert gateway.becomes("M/M1-1", "ERROR")
    master = wire.master(taken, 101)
    wire.wait(lambda: master.is_started, 3, "in, once the port is free")
    assert gateway.becomes("M/M1-1", "ONLINE")
    assert gateway.tells("M/M1-1", f"listening on port {taken}")
    assert not other.losses


def test_a_taken_port_is_not_tried_any_more_once_the_rtu_is_gone(wire, run):
    rtu_port, taken = free_ports(2)
    rtu = wire.rtu(rtu_port, 32)
    with socket.create_server(("127.0.0.1", taken)):
        gateway = run(group(1, rtu_port, [taken]))
        wire.wait(lambda: gateway.state("M/M1-1") == "ERROR", what="the error")
        rtu.kill()
        wire.wait(lambda: gateway.state("M/M1-1") == "HELD", what="held")
    begin = time.monotonic()
    wire.wait(lambda: time.monotonic() - begin > 2 * RETRY, what="when it would have been tried")
    assert gateway.becomes("M/M1-1", "HELD")


@pytest.mark.usefixtures("quick")
def test_a_taken_port_is_not_tried_ever_more_often_as_the_rtu_comes_and_goes(
    wire, run, monkeypatch
):
    tries = []

    class Counted(Listener):
        def __init__(self, *args: object, **options: object) -> None:
            tries.append(time.monotonic())
            super().__init__(*args, **options)

    monkeypatch.setattr("core.gateway.port.Listener", Counted)
    monkeypatch.setattr("core.gateway.port._RETRY_PORT", 0.4)
    rtu_port, taken = free_ports(2)
    rtu = wire.rtu(rtu_port, 32)
    with socket.create_server(("127.0.0.1", taken)):
        gateway = run(group(1, rtu_port, [taken]))
        for _ in range(6):
            wire.wait(lambda: gateway.state("M/M1-1") == "ERROR", what="the error")
            rtu.kill()
            wire.wait(lambda: gateway.state("M/M1-1") == "HELD", what="held")
            rtu.restart()
        wire.wait(lambda: gateway.state("M/M1-1") == "ERROR", what="the error")
        begin = time.monotonic()
        wire.wait(lambda: time.monotonic() - begin > 0.9, what="two retries")
        assert 1 <= sum(1 for at in tries if at > begin) <= 3
