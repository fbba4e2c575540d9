"""Ports for a plant on this computer: free, and left alone by outgoing connections."""

import socket

import pytest

from app import ports


@pytest.fixture
def few(monkeypatch):
    """Only 200 candidates, in two pieces around the system's range."""
    monkeypatch.setattr(ports, "outgoing_range", lambda: (10_100, 65_435))


def test_the_systems_own_range_is_read(tmp_path, monkeypatch):
    file = tmp_path / "range"
    monkeypatch.setattr(ports, "_RANGE_FILE", file)
    assert ports.outgoing_range() == (49_152, 65_535)
    file.write_text("15000\t20000\n")
    assert ports.outgoing_range() == (15_000, 20_000)
    assert ports.candidates() == [*range(10_000, 15_000), *range(20_001, 65_536)]


def test_free_ports_are_different_ones_outside_that_range():
    first, last = ports.outgoing_range()
    found = ports.free_ports(300)
    assert len(set(found)) == 300
    assert not any(first <= port <= last for port in found)


def test_a_port_in_use_is_left_out(few, monkeypatch):
    taken = {10_003, 10_004, 65_500}
    monkeypatch.setattr(ports, "is_free", lambda port: port not in taken)
    assert set(ports.free_ports(197)) == set(ports.candidates()) - taken
    with pytest.raises(OSError, match=r"198 free ports are needed.* there are 200"):
        ports.free_ports(198)


def test_more_than_there_are_is_refused_without_trying_any(few, monkeypatch):
    monkeypatch.setattr(ports, "is_free", lambda port: pytest.fail("tried"))
    with pytest.raises(OSError, match="201 free ports"):
        ports.free_ports(201)


@pytest.mark.parametrize("address", ["127.0.0.1", ""])
def test_a_port_somebody_listens_on_is_not_free(address):
    (port,) = ports.free_ports(1)
    with socket.socket() as server:
        server.bind((address, port))
        server.listen()
        assert not ports.is_free(port)
