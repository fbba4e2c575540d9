"""A master's port: it must survive every way in which a peer can vanish, and close at once."""

import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from core.connections.listener import Listener, open_listening_socket
from core.connections.loop import IoThread
from tests.connections.support import HOST, on_loop, reset, wait_for
from tests.support.ports import free_port


class Door:
    """A listener and whoever came in."""

    def __init__(self, io: IoThread, address: str = HOST) -> None:
        self.io = io
        self.port = free_port()
        self.came: list[tuple[socket.socket, str]] = []
        self.is_open = True
        self.accepted: Callable[[socket.socket, str], None] = self._keep
        self.listener = on_loop(
            io, Listener, io, address, self.port, lambda *args: self.accepted(*args)
        )

    def _keep(self, sock: socket.socket, host: str) -> None:
        self.came.append((sock, host))

    def knock(self) -> socket.socket:
        return socket.create_connection((HOST, self.port), timeout=5)

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            on_loop(self.io, self.listener.close)

    def let_one_in(self) -> None:
        """Whether the port works: one connection reaches `accepted`, and it is that one."""
        with self.knock() as client:
            mine = client.getsockname()
            wait_for(lambda: any(_peer(sock) == mine for sock, _ in self.came), 3, "let in")


def _peer(sock: socket.socket) -> object:
    try:
        return sock.getpeername()
    except OSError:
        return None


@pytest.fixture
def door(io: IoThread) -> Iterator[Door]:
    door = Door(io)
    yield door
    door.close()
    for sock, _ in door.came:
        sock.close()


def test_a_connection_is_handed_over_with_the_peers_address(door):
    with door.knock() as client:
        wait_for(lambda: door.came, what="accepted")
        sock, host = door.came[0]
        assert host == HOST
        assert sock.getpeername() == client.getsockname()
        assert not sock.getblocking()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_sixty_connections_reset_before_they_are_served_do_not_cost_the_port(door):
    """On Windows one of them would, had the port been opened by ``create_server``."""
    go_on = threading.Event()
    is_busy = threading.Event()

    def busy() -> None:
        is_busy.set()
        go_on.wait(10)

    door.io.call(busy)
    assert is_busy.wait(5)
    for _ in range(60):
        reset(door.knock())
    go_on.set()
    begin = time.monotonic()
    door.let_one_in()
    assert time.monotonic() - begin < 2


def test_connections_reset_while_the_loop_runs_do_not_cost_the_port(door):
    for _ in range(60):
        reset(door.knock())
    door.let_one_in()


def test_a_closed_port_refuses_at_once(door):
    door.let_one_in()
    door.close()
    with pytest.raises(ConnectionRefusedError):
        door.knock()


def test_who_was_not_served_when_the_port_closed_is_not_kept_waiting(door):
    def close_with_somebody_waiting() -> socket.socket:
        client = door.knock()  # on the loop itself, so that nobody can have been accepted
        door.listener.close()
        door.is_open = False
        return client

    with on_loop(door.io, close_with_somebody_waiting) as client:
        client.settimeout(3)
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""
    assert not door.came


def test_a_port_can_be_opened_again_as_soon_as_it_was_closed(door):
    door.let_one_in()  # leaves a connection on that port, too

    def reopen() -> Listener:
        door.listener.close()
        return Listener(door.io, HOST, door.port, door._keep)

    for _ in range(3):
        door.listener = on_loop(door.io, reopen)
        door.let_one_in()


@pytest.mark.parametrize("address", [HOST, "0.0.0.0"])
def test_two_listeners_cannot_share_a_port(door, address):
    with pytest.raises(OSError, match=r"\w") as caught:
        on_loop(door.io, Listener, door.io, address, door.port, door._keep)
    assert caught.value.errno == errno.EADDRINUSE
    door.let_one_in()


@pytest.mark.parametrize("option", ["SO_REUSEADDR", "SO_REUSEPORT"])
def test_another_program_cannot_take_the_port_over(door, option):
    if not hasattr(socket, option):
        pytest.skip(f"no {option} here")
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, getattr(socket, option), 1)
        with pytest.raises(OSError, match=r"\w"):
            thief.bind((HOST, door.port))


def test_a_port_that_cannot_be_had_leaves_no_socket(door):
    """The room's fixture looks."""
    for _ in range(3):
        with pytest.raises(OSError, match=r"\w"):
            open_listening_socket(HOST, door.port)


def test_an_error_of_ours_does_not_cost_the_port(door, expected_errors):
    def fail(sock: socket.socket, host: str) -> None:
        raise RuntimeError("a fault of ours")

    door.accepted = fail
    with door.knock() as client:
        assert client.recv(1) == b""  # that connection is not left hanging
    wait_for(lambda: expected_errors, what="the error in the log")
    assert "a fault of ours" in str(expected_errors[0].exc_info)
    door.accepted = door._keep
    door.let_one_in()


def test_a_peer_lost_while_it_is_accepted_is_no_error(door):
    def lost(sock: socket.socket, host: str) -> None:
        raise OSError(errno.ENOTCONN, "not connected")

    door.accepted = lost
    with door.knock() as client:
        assert client.recv(1) == b""
    door.accepted = door._keep
    door.let_one_in()  # an error in the log would fail the test


@pytest.mark.parametrize("thread", ["stock"], indirect=True)
def test_out_of_descriptors_the_port_pauses_and_goes_on(door, monkeypatch, caplog):
    """The stock loop only: uvloop's methods cannot be replaced."""
    accept = door.io.loop.sock_accept
    tries: list[float] = []

    async def starved(sock: socket.socket) -> tuple[socket.socket, object]:
        tries.append(time.monotonic())
        if len(tries) < 4:
            raise OSError(errno.EMFILE, "Too many open files")
        return await accept(sock)

    monkeypatch.setattr(door.io.loop, "sock_accept", starved)
    with door.knock():
        wait_for(lambda: door.came, what="the first is let in, by the accept already begun")
    with door.knock() as client:
        mine = client.getsockname()
        wait_for(lambda: any(_peer(sock) == mine for sock, _ in door.came), 4, "let in at last")
    assert tries[3] - tries[0] >= 1.2  # it did not spin meanwhile
    assert "Too many open files" in caplog.text


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_a_port_for_both_families_knows_ipv4_peers_by_their_own_address(io):
    try:
        door = Door(io, "::")
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    try:
        with door.knock():
            wait_for(lambda: door.came, what="accepted")
        assert door.came[0][1] == HOST
    finally:
        door.close()
        for sock, _ in door.came:
            sock.close()
