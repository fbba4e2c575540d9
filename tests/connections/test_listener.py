"""A master's port: it must survive every way in which a peer can vanish, and close at once."""

import errno
import gc
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from core.connections.listener import Listener, has_ipv6, open_listening_socket
from core.connections.loop import IoThread
from core.connections.words import error_words
from tests.connections.support import HOST, on_loop, reset, wait_for
from tests.support.ports import free_port

proactors_own_leak = pytest.mark.filterwarnings(
    # A connection that is gone before it is accepted: asyncio forgets the socket made for it.
    "ignore:unclosed <socket:ResourceWarning" if sys.platform == "win32" else "error"
)


@pytest.fixture
def collected() -> Iterator[None]:
    """What is left lying about is found here, and not in a later test."""
    yield
    gc.collect()


class Door:
    """A listener and whoever came in."""

    def __init__(self, io: IoThread, address: str = HOST) -> None:
        self.io = io
        self.port = free_port()
        self.came: list[tuple[socket.socket, str]] = []
        self.is_open = True
        self.accepted: Callable[[socket.socket, str], None] = self._keep
        self.admits: Callable[[str, int], bool] = lambda host, port: True
        self.listener = on_loop(
            *(io, Listener, io, address, self.port),
            *(lambda *args: self.accepted(*args), lambda *args: self.admits(*args)),
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


@proactors_own_leak
@pytest.mark.usefixtures("collected")
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


@proactors_own_leak
@pytest.mark.usefixtures("collected")
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


def test_who_was_just_accepted_when_the_port_closed_is_served_or_not_kept_waiting(door):
    """On Windows the accept has succeeded, but nobody was told yet."""
    clients: list[socket.socket] = []
    is_closed = threading.Event()

    def close() -> None:
        door.listener.close()
        door.is_open = False
        is_closed.set()

    # One turn of the loop for the connection to be seen; in the next it is closed first.
    def turn() -> None:
        door.io.loop.call_soon(close)

    def knock() -> None:
        clients.append(door.knock())
        door.io.loop.call_soon(turn)

    door.io.call(knock)
    assert is_closed.wait(5)
    with clients[0] as client:
        if sys.platform != "win32" or door.came:
            assert len(door.came) == 1
            return
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
    tries: list[float] = []

    def is_starved() -> None:
        tries.append(time.monotonic())
        if len(tries) < 4:
            raise OSError(errno.EMFILE, "Too many open files")

    caplog.set_level(logging.INFO, "iec104")
    if sys.platform == "win32":
        accept = door.io.loop.sock_accept

        async def starved(sock: socket.socket) -> tuple[socket.socket, object]:
            is_starved()
            return await accept(sock)

        monkeypatch.setattr(door.io.loop, "sock_accept", starved)
        with door.knock():
            wait_for(lambda: door.came, what="the first is let in, by the accept already begun")
    else:

        class Starved(socket.socket):
            def accept(self) -> tuple[socket.socket, object]:
                is_starved()
                return super().accept()

        def replace() -> None:
            sock = door.listener._sock
            door.listener._sock = Starved(fileno=sock.detach())

        on_loop(door.io, replace)
    with door.knock() as client:
        mine = client.getsockname()
        wait_for(lambda: any(_peer(sock) == mine for sock, _ in door.came), 4, "let in at last")
    assert tries[3] - tries[0] >= 1.2  # it did not spin meanwhile
    wait_for(lambda: "accepted again" in caplog.text, what="said that it is over")
    first, second = caplog.messages
    assert "Too many open files" in first
    assert second == "connections can be made and accepted again"


@pytest.mark.parametrize("thread", ["stock"], indirect=True)
def test_a_shortage_that_lasts_is_said_once_and_once_when_it_is_over(io, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "iec104")
    # Longer than the calls below take: on Windows they are slow, and its clock ticks every 16 ms.
    look_every = 0.1 if sys.platform == "win32" else 0.01
    monkeypatch.setattr("core.connections.shortage._LOOK_EVERY", look_every)
    looks: list[float] = []
    plain = socket.socket

    class Scarce(socket.socket):
        def __init__(self, *args: object) -> None:
            looks.append(time.monotonic())
            if len(looks) < 12:
                raise OSError(errno.ENFILE, "File table overflow")
            super().__init__()

    monkeypatch.setattr("core.connections.shortage.socket.socket", Scarce)
    for _ in range(30):
        on_loop(io, io.shortage.met, OSError(errno.ENFILE, "File table overflow"))
        on_loop(io, io.shortage.met, OSError(errno.ECONNABORTED, "Software caused .."))
    wait_for(lambda: len(caplog.messages) == 2, what="over")
    monkeypatch.setattr("core.connections.shortage.socket.socket", plain)
    assert error_words(OSError(errno.ENFILE, "File table overflow")) in caplog.messages[0]
    on_loop(io, io.shortage.met, OSError(errno.EMFILE, "Too many open files"))
    wait_for(lambda: len(caplog.messages) == 4, what="a new one is said again")


def turned_away(door: Door) -> tuple[tuple[str, int], bytes]:
    """Knocks where nobody is admitted; the own address, and what came before the end."""
    with socket.socket() as client:
        client.settimeout(5)
        client.bind((HOST, 0))
        heard = b""
        with suppress(ConnectionResetError):
            client.connect((HOST, door.port))
            heard = client.recv(100)
        return client.getsockname(), heard


def test_who_is_not_admitted_is_closed_at_once_and_sent_nothing(door):
    asked: list[tuple[str, int]] = []

    def nobody(host: str, port: int) -> bool:
        asked.append((host, port))
        return False

    door.admits = nobody
    for _ in range(20):
        me, heard = turned_away(door)
        assert heard == b""
        assert asked[-1] == me
    assert not door.came
    door.admits = lambda host, port: True
    door.let_one_in()


@pytest.mark.posix
def test_who_is_not_admitted_leaves_nothing_behind_in_the_system(door):
    """A connection that is closed in order waits for a minute in the state TIME_WAIT (06)."""
    door.admits = lambda host, port: False
    ports = set()
    for _ in range(20):
        (_, port), _ = turned_away(door)
        ports.add(port)
    table = Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]
    rows = [line.split() for line in table]
    pairs = [[int(row[n].rpartition(":")[2], 16) for n in (1, 2)] + [row[3]] for row in rows]
    assert not [p for p in pairs if p[0] == door.port and p[1] in ports and p[2] == "06"]


def test_an_error_in_the_question_who_may_come_does_not_cost_the_port(door, expected_errors):
    def fail(host: str, port: int) -> bool:
        raise RuntimeError("a fault of ours")

    door.admits = fail
    with door.knock() as client:
        assert client.recv(1) == b""
    wait_for(lambda: expected_errors, what="the error in the log")
    door.admits = lambda host, port: True
    door.let_one_in()


def test_a_flood_of_one_port_leaves_others_their_turn(door):
    """sock_accept does not wait while somebody stands before the door."""
    door.admits = lambda host, port: False
    turns: list[int] = []
    taken = 0

    def count(host: str, port: int) -> bool:
        nonlocal taken
        taken += 1
        return False

    def turn() -> None:
        turns.append(taken)
        if len(turns) < 1000 and taken < 60:
            door.io.loop.call_soon(turn)

    door.admits = count

    def begin() -> list[socket.socket]:
        clients = [door.knock() for _ in range(60)]  # on the loop itself: all of them wait
        door.io.loop.call_soon(turn)
        return clients

    clients = on_loop(door.io, begin)
    wait_for(lambda: taken == 60, what="all taken")
    for client in clients:
        client.close()
    steps = [b - a for a, b in pairwise([0, *turns])]
    assert max(steps) <= 17, steps


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_ipv6_alone_and_ipv4_alone_can_stand_side_by_side_on_one_port():
    port = free_port()
    try:
        six = open_listening_socket("::", port, v6_only=True)
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with six, pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port), timeout=5)
    with (
        open_listening_socket("::", port, v6_only=True),
        open_listening_socket("0.0.0.0", port),
        socket.create_connection((HOST, port), timeout=5),
    ):
        pass


def test_out_of_descriptors_nothing_is_learnt_about_ipv6(monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    has_ipv6.cache_clear()
    expected = has_ipv6()
    has_ipv6.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr("core.connections.listener.socket.socket", refuse)
        with pytest.raises(OSError, match="Too many open files"):
            has_ipv6()
    assert has_ipv6() is expected


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
