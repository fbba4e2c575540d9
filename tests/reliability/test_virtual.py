"""The world in memory behaves as connections do: in order, with limited room, and with an end."""

import asyncio

import pytest

from tests.reliability.virtual import START, VirtualNet


class Gateway(asyncio.BufferedProtocol):
    """What asyncio calls on the gateway's side."""

    def __init__(self):
        self.buffer = bytearray(64)
        self.octets = bytearray()
        self.paused = []
        self.ended = None

    def connection_made(self, transport):
        self.transport = transport

    def get_buffer(self, sizehint):
        return memoryview(self.buffer)

    def buffer_updated(self, nbytes):
        self.octets += self.buffer[:nbytes]

    def pause_writing(self):
        self.paused.append(True)

    def resume_writing(self):
        self.paused.append(False)

    def connection_lost(self, exc):
        self.ended = type(exc).__name__


class Peer:
    """Our side."""

    def __init__(self):
        self.octets = bytearray()
        self.why = ""

    def received(self, conn, octets, now):
        self.octets += octets

    def ended(self, conn, why, now):
        self.why = why


class Pair:
    """A station at port 1 and the gateway's connection to it."""

    def __init__(self, seed=1):
        self.net = net = VirtualNet(seed)
        self.peer, self.gateway = Peer(), Gateway()

        def accept(conn):
            self.conn = conn
            return self.peer

        net.listen(1, accept)
        with net.in_place():
            from core.connections import dialer

            sock = dialer.socket.socket()

        async def dial():
            await net.loop.sock_connect(sock, ("127.0.0.1", 1))
            await net.loop.create_connection(lambda: self.gateway, sock=sock)

        net.loop.run_until_complete(dial())

    def close(self):
        self.net.loop.close()


@pytest.fixture
def pair():
    pair = Pair()
    yield pair
    pair.close()


DATA = bytes(range(256)) * 400


def test_octets_arrive_whole_and_in_order_either_way(pair):
    pair.conn.send(DATA)
    pair.gateway.transport.write(DATA)
    pair.net.run(60.0)
    assert pair.gateway.octets == DATA
    assert pair.peer.octets == DATA


def test_time_passes_only_as_something_is_due(pair):
    before = pair.net.now()
    pair.net.run(3600.0)
    assert pair.net.now() == pytest.approx(before + 3600.0)
    assert before < START + 1.0


def test_an_end_comes_behind_the_octets_and_a_reset_before_what_is_unread(pair):
    pair.conn.send(DATA)
    pair.conn.close()
    pair.net.run(60.0)
    assert pair.gateway.octets == DATA
    assert pair.gateway.ended == "NoneType"
    other = Pair(2)
    other.conn.send(DATA)
    other.conn.close(reset=True)
    other.net.run(60.0)
    assert other.gateway.octets != DATA
    assert other.gateway.ended == "ConnectionResetError"
    other.close()


def test_a_peer_that_does_not_read_makes_the_writer_pause_and_go_on(pair):
    pair.conn.read(False)
    for _ in range(3):
        pair.gateway.transport.write(DATA)
    pair.net.run(5.0)
    assert pair.gateway.paused == [True]
    assert not pair.peer.octets
    pair.conn.read(True)
    pair.net.run(60.0)
    assert pair.gateway.paused == [True, False]
    assert pair.peer.octets == DATA * 3


def test_a_half_open_connection_takes_everything_and_tells_nothing(pair):
    pair.conn.swallows = True
    pair.conn.send(DATA)
    pair.gateway.transport.write(DATA)
    pair.conn.close()
    pair.net.run(60.0)
    assert not pair.gateway.octets
    assert not pair.peer.octets
    assert pair.gateway.ended is None


def test_one_octet_at_a_time(pair):
    pair.conn.trickles = True
    pair.conn.send(DATA[:50])
    pair.net.run(0.1)
    assert 0 < len(pair.gateway.octets) < 50
    pair.net.run(10.0)
    assert pair.gateway.octets == DATA[:50]


def test_the_gateway_closing_in_order_hands_over_what_it_has(pair):
    pair.gateway.transport.write(DATA)
    pair.gateway.transport.close()
    pair.net.run(60.0)
    assert pair.peer.octets == DATA
    assert pair.peer.why == "closed"


def test_the_gateway_aborting_resets(pair):
    pair.gateway.transport.write(DATA * 10)
    pair.gateway.transport.abort()
    pair.net.run(60.0)
    assert pair.peer.octets != DATA * 10
    assert pair.gateway.ended == "NoneType"
    assert pair.peer.why in ("reset", "closed")


def test_a_port_nobody_holds_refuses():
    net = VirtualNet(1)
    heard = []
    net.connect(5, heard.append)
    net.run(1.0)
    assert heard == [None]
    with net.in_place():
        from core.connections import dialer

        sock = dialer.socket.socket()
    with pytest.raises(ConnectionRefusedError):
        net.loop.run_until_complete(net.loop.sock_connect(sock, ("127.0.0.1", 5)))
    net.loop.close()
