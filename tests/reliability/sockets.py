"""The real world: connections of this machine, one thread, one selector."""

import errno
import heapq
import selectors
import socket
import struct
import time
from collections.abc import Callable
from itertools import count

from tests.reliability.net import Conn, ConnOwner

HOST = "127.0.0.1"
_TRICKLE = 0.004
_RESET = struct.pack("ii", 1, 0)
_READ = 65_536
_CORPSES_KEPT = 60.0


class SocketConn:
    """A peer's end."""

    def __init__(self, net: "SocketNet", sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.net = net
        self.sock = sock
        self.owner: ConnOwner
        self.trickles = self.swallows = False
        self.is_reading = True
        self.is_over = False
        self._out = bytearray()
        self._is_forgotten = False
        self._mask = 0
        self._is_trickling = False

    def begin(self) -> None:
        self._watch()

    def send(self, octets: bytes) -> None:
        if not self.is_over and not self.swallows:
            self._out += octets
            self._flush()

    def read(self, on: bool) -> None:
        self.is_reading = on
        if not self.is_over:
            self._watch()

    def close(self, reset: bool = False) -> None:
        if self.is_over:
            return
        if self.swallows:  # nobody tells the gateway
            self._is_forgotten = True
            self.read(True)
            self.net.later(_CORPSES_KEPT, self._finish)
            return
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        elif self._out:
            self.trickles = False
            self._flush()
        self._finish()

    def _finish(self) -> None:
        if self.is_over:
            return
        self.is_over = True
        if self._mask:
            self.net.selector.unregister(self.sock)
            self._mask = 0
        self.sock.close()

    def _watch(self) -> None:
        mask = selectors.EVENT_READ if self.is_reading else 0
        if self._out and not self.trickles:
            mask |= selectors.EVENT_WRITE
        if mask == self._mask:
            return
        if not self._mask:
            self.net.selector.register(self.sock, mask, self.ready)
        elif not mask:
            self.net.selector.unregister(self.sock)
        else:
            self.net.selector.modify(self.sock, mask, self.ready)
        self._mask = mask

    def _flush(self) -> None:
        try:
            if self.trickles:
                if self._out and not self._is_trickling:
                    self.sock.send(self._out[:1])
                    del self._out[:1]
                    self._is_trickling = True
                    self.net.later(_TRICKLE, self._trickle_on)
            else:
                while self._out:
                    del self._out[: self.sock.send(self._out)]
        except BlockingIOError:
            pass
        except OSError as error:
            self._ended(error)
            return
        if not self.is_over:
            self._watch()

    def _trickle_on(self) -> None:
        self._is_trickling = False
        if not self.is_over:
            self._flush()

    def ready(self, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self._flush()
        if mask & selectors.EVENT_READ and not self.is_over:
            try:
                octets = self.sock.recv(_READ)
            except BlockingIOError:
                return
            except OSError as error:
                self._ended(error)
                return
            if not octets:
                self._ended(None)
            elif not self.swallows:
                self.owner.received(self, octets, self.net.now())

    def _ended(self, error: OSError | None) -> None:
        if self.is_over:
            return
        self._finish()
        if not self._is_forgotten:
            # Not from within: the owner may be in the middle of sending.
            why = "reset" if error else "closed"
            self.net.later(0, lambda: self.owner.ended(self, why, self.net.now()))


class SocketNet:
    """Everything of the peers, in the thread that calls `run`."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._count = count()
        self._listeners: dict[int, socket.socket] = {}

    def now(self) -> float:
        return time.monotonic()

    def later(self, delay: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._later, (time.monotonic() + delay, next(self._count), action))

    def listen(self, port: int, accept: Callable[[Conn], ConnOwner]) -> None:
        if port in self._listeners:
            return
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((HOST, port))
        sock.listen(16)
        sock.setblocking(False)
        self._listeners[port] = sock

        def ready(_: int) -> None:
            try:
                fresh, _address = sock.accept()
            except OSError:
                return  # it was gone before it was served
            conn = SocketConn(self, fresh)
            conn.owner = accept(conn)
            conn.begin()

        self.selector.register(sock, selectors.EVENT_READ, ready)

    def unlisten(self, port: int) -> None:
        sock = self._listeners.pop(port, None)
        if sock is not None:
            self.selector.unregister(sock)
            sock.close()

    def connect(self, port: int, done: Callable[[Conn | None], ConnOwner | None]) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        if sock.connect_ex((HOST, port)) not in (0, errno.EINPROGRESS):
            sock.close()
            self.later(0, lambda: done(None) and None)
            return

        def ready(_: int) -> None:
            self.selector.unregister(sock)
            if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                sock.close()
                done(None)
                return
            conn = SocketConn(self, sock)
            owner = done(conn)
            assert owner is not None
            conn.owner = owner
            if not conn.is_over:
                conn.begin()

        self.selector.register(sock, selectors.EVENT_WRITE, ready)

    def run(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until:
            pause = until - now
            if self._later:
                pause = min(pause, self._later[0][0] - now)
            for key, mask in self.selector.select(max(0.0, pause)):
                if key.fileobj in self.selector.get_map():  # not closed by one before it
                    key.data(mask)
            now = time.monotonic()
            while self._later and self._later[0][0] <= now:
                heapq.heappop(self._later)[2]()

    def close(self) -> None:
        for key in list(self.selector.get_map().values()):
            self.selector.unregister(key.fileobj)
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self.selector.close()
