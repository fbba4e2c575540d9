"""What one read of a master holds is carried out in its order."""

import socket
import time

import pytest

from core.connections.listener import has_ipv6
from tests.support.gateway import group
from tests.support.ports import free_ports

STARTDT_ACT, STOPDT_ACT = bytes.fromhex("680407000000"), bytes.fromhex("680413000000")
COMMAND = bytes.fromhex("680e000002002d01060065008813 0001".replace(" ", ""))


def connected(host, port):
    until = time.monotonic() + 8
    while True:
        try:
            return socket.create_connection((host, port), 3)
        except ConnectionRefusedError:
            assert time.monotonic() < until
            time.sleep(0.02)


def received(sock, octets):
    data = b""
    while len(data) < octets:
        part = sock.recv(octets - len(data))
        assert part
        data += part
    return data


@pytest.mark.parametrize("behind", [STOPDT_ACT, b"\0\0"], ids=["STOPDT", "garbage"])
def test_a_command_goes_out_before_what_follows_it_in_the_same_segment(wire, run, behind):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32)
    gateway = run(group(1, rtu_port, [port]))
    with connected("127.0.0.1", port) as master:
        master.sendall(STARTDT_ACT)
        received(master, 6 + 16)
        assert gateway.becomes("S/RTU1", "ONLINE")
        master.sendall(COMMAND + behind)
        wire.wait(lambda: len(rtu.asked) == 1, 2, "the command")
        wire.wait(lambda: not rtu.is_started, 2, "stopped, for nobody is left")
    ways = [frame[2] for _, way, frame in list(rtu.frames) if way == "in"]
    assert [octet for octet in ways if octet in (0x00, 0x13)] == [0x00, 0x13]


@pytest.mark.skipif(not has_ipv6(), reason="this system has no IPv6")
def test_an_empty_filter_admits_both_families(wire, run):
    rtu_port, port = free_ports(2)
    wire.rtu(rtu_port, 32)
    gateway = run(group(1, rtu_port, [port]))
    for host, peer in (("127.0.0.1", "127.0.0.1:"), ("::1", "[::1]:")):
        with connected(host, port) as master:
            master.sendall(STARTDT_ACT)
            received(master, 6 + 16)
        assert gateway.tells("M/M1-1", f"connected from {peer}")
