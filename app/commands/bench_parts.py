"""The processes of a bench, each started as ``iec104mm2ss bench --part NAME``.

A part takes its orders as lines of JSON on standard input, answers each with one on standard output
and ends when its input does, so none is left behind however the bench ends. RTUs and masters are
bare links that make and read events, much lighter than simulator and client. The gateway is the
program as anybody runs it, with one more thread that tells what it costs.
"""

import asyncio
import gc
import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Final, TypeAlias

from app import console
from app.commands.bench_events import SIZE, Checker, Latencies, event
from app.commands.bench_usage import now_us, own_usage
from app.limits import raise_open_files
from app.ports import HOST
from core.connections.listener import Listener
from core.connections.loop import IoThread
from core.connections.stream import Stream, prepare_socket
from core.protocol.codes import CommonAddress
from core.protocol.link import Event, Link, LinkFailed, Role, Started, Timing
from core.protocol.outbox import Level, Outbox
from core.protocol.run import Run, address_of

Answer: TypeAlias = dict[str, Any]

_ANSWER_WITHIN: Final = 20.0
_SHORTEST_WAIT: Final = 0.001
"""Seconds: what becomes due within it is sent together."""
_RETRY_AFTER: Final = 0.1
"""Seconds until a master whose connect was refused tries again."""
_CAPACITY: Final = 1_000_000
"""Events an RTU keeps for a gateway that does not acknowledge."""
_READ_OCTETS: Final = 65_536


def main(arguments: Sequence[str]) -> int:
    """Be a part of a bench until standard input ends; the exit code."""
    name, *rest = arguments or [""]
    raise_open_files()
    if name == "gateway" and len(rest) == 2:
        return _gateway(*rest)
    if name not in ("rtus", "masters"):
        console.err("iec104mm2ss bench: --part is for the bench's own processes")
        return 2
    ends = Rtus() if name == "rtus" else Masters()
    ends.io.start()
    try:
        _serve(ends.orders())
    finally:
        ends.end()
    return 0


# --- orders and answers ---------------------------------------------------------------------------


def _serve(orders: Mapping[str, Callable[..., Answer]]) -> None:
    for given in _lines():
        try:
            answer = orders[given.pop("order")](**given)
        except OSError as error:
            answer = {"error": str(error)}
        _say(answer)


def _lines() -> Iterator[dict[str, Any]]:
    """What is asked; read from the descriptor itself, because a thread that waits in ``sys.stdin``
    would hold a lock the interpreter wants when it ends.
    """
    rest = b""
    while part := os.read(0, _READ_OCTETS):
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            yield json.loads(line)


def _say(answer: Answer) -> None:
    left = json.dumps(answer).encode("ascii") + b"\n"
    try:
        while left:
            left = left[os.write(1, left) :]
    except OSError:  # the bench has gone, and the input will end
        return


def _usage() -> Answer:
    return {**own_usage(), "at": now_us()}


# --- the gateway ----------------------------------------------------------------------------------


def _gateway(ini: str, log_dir: str) -> int:
    from app import cli

    threading.Thread(target=_watch_gateway, name="bench-usage", daemon=True).start()
    return cli.main(["-n", "-i", ini, "--log-dir", log_dir])


def _watch_gateway() -> None:
    for _ in _lines():
        _say(_usage())
    signal.raise_signal(signal.SIGTERM)


# --- what RTUs and masters have in common ---------------------------------------------------------


class Ends:
    """All RTUs, or all masters, on one I/O thread."""

    def __init__(self, name: str) -> None:
        self.io = IoThread(name, daemon=True)
        self.lost_links = 0
        """That ended before the bench did."""
        self._is_ending = False

    def orders(self) -> dict[str, Callable[..., Answer]]:
        """What may be asked of them."""
        return {"clock": lambda: {"us": now_us()}, "usage": _usage, "settle": self._settle}

    def end(self) -> None:
        """Close everything; from the main thread."""
        self.on_loop(self._abort)()
        self.io.end(2.0)

    def on_loop(self, function: Callable[..., Answer]) -> Callable[..., Answer]:
        """The same, carried out by the I/O thread."""

        def asked(**given: Any) -> Answer:
            answer: Future[Answer] = Future()

            def run() -> None:
                try:
                    answer.set_result(function(**given))
                except BaseException as error:
                    answer.set_exception(error)

            self.io.call(run)
            return answer.result(_ANSWER_WITHIN)

        return asked

    def link_ended(self) -> None:
        """One of the connections is over."""
        self.lost_links += not self._is_ending

    def _settle(self) -> Answer:
        """All connections stand: no garbage collection from here on, for the short time it is."""
        gc.collect()
        gc.freeze()
        gc.disable()
        return {}

    def _abort(self) -> Answer:
        self._is_ending = True
        for stream in list(self.io.streams):
            stream.abort()
        return {}


class End:
    """One RTU or master: its link, and what a stream asks of its owner."""

    def __init__(self, ends: Ends) -> None:
        self.is_started = False
        self._ends = ends
        self.stream: Stream | None = None

    def connect(self, sock: socket.socket, role: Role) -> Stream:
        """Give it a link on this connection; it has none."""
        io = self._ends.io
        link = Link(role, Timing(), Outbox(_CAPACITY), io.loop.time())
        self.is_started = False
        self.stream = Stream(io, self, link, sock)
        return self.stream

    def link_turned(self, stream: Stream, events: Sequence[Event], now: float) -> None:
        """Octets arrived, or a deadline passed."""
        for turn in events:
            match turn:
                case Run():
                    self.received(turn)
                case Started():
                    self.is_started = True
                    self.started()
                case LinkFailed():
                    stream.close(str(turn), at_once=True)
                    return
        self.turned(stream)
        stream.flush(now)

    def received(self, run: Run) -> None:
        """I-frames from the gateway."""

    def started(self) -> None:
        """Data transfer begins."""

    def turned(self, stream: Stream) -> None:
        """The link may take more."""

    def room_again(self, stream: Stream, now: float) -> None:
        """The transport takes data again."""
        self.turned(stream)
        stream.flush(now)

    def stream_ended(self, stream: Stream, reason: str) -> None:
        """The connection is over."""
        self.stream = None
        self.is_started = False
        self._ends.link_ended()

    def owner_failed(self, stream: Stream, error: Exception) -> None:
        """Our own fault: the bench must not go on as if nothing were."""
        self._ends.io.loop.call_exception_handler({"message": "bench", "exception": error})
        stream.close("internal error", at_once=True)


# --- RTUs -----------------------------------------------------------------------------------------


class Rtu(End):
    """An RTU that numbers its events."""

    def __init__(self, rtus: "Rtus", ca: CommonAddress) -> None:
        super().__init__(rtus)
        self._rtus = rtus
        self._ca = ca
        self._address = address_of(0, ca)
        self.sent = 0
        """Events made so far, whatever became of them."""
        self.is_alive = False
        """The gateway has spoken, and was answered."""

    def make(self, count: int) -> None:
        """Make so many events at this moment, and send them."""
        stamp = now_us()
        octets = b"".join(event(self.sent + i, stamp, self._ca) for i in range(count))
        self.sent += count
        stream = self.stream
        if stream is None:
            return
        if stream.link.send(Run(octets, (SIZE,) * count), self._address) is Level.FULL:
            stream.close("the gateway acknowledges nothing", at_once=True)

    def turned(self, stream: Stream) -> None:
        self.is_alive = True
        if self._rtus.is_flooding:
            self.fill()

    def fill(self) -> None:
        """Make as many events as the window takes."""
        if self.stream is not None and (room := self.stream.link.room):
            self.make(room)

    def flush(self, now: float) -> None:
        """Hand over what was made."""
        if self.stream is not None:
            self.stream.flush(now)


class Rtus(Ends):
    """All RTUs of a bench."""

    def __init__(self) -> None:
        super().__init__("bench-rtus")
        self.is_flooding = False
        self.strangers = 0
        """Connections nobody of ours has made."""
        self._rtus: list[Rtu] = []
        self._listeners: list[Listener] = []
        self._done = self._total = 0
        self._begin = 0.0
        self._per_second = 1.0
        self._latest = 0.0

    def orders(self) -> dict[str, Callable[..., Answer]]:
        return super().orders() | {
            "open": self.on_loop(self._open),
            "links": self.on_loop(self._links),
            "send": self.on_loop(self._send),
            "flood": self.on_loop(self._flood),
            "halt": self.on_loop(self._halt),
            "sent": self.on_loop(self._sent),
        }

    def _open(self, ports: Sequence[int]) -> Answer:
        """Listen; the common addresses are those of :func:`rtu_ca`."""
        for number, port in enumerate(ports):
            rtu = Rtu(self, rtu_ca(number))
            self._rtus.append(rtu)
            accepted = partial(self._accepted, rtu)
            self._listeners.append(Listener(self.io, HOST, port, accepted))
        return {}

    def _accepted(self, rtu: Rtu, sock: socket.socket, _host: str) -> None:
        if rtu.stream is not None:  # some other program believes the port to be its own peer's
            self.strangers += 1
            sock.close()
            return
        self.io.spawn(_bound(rtu.connect(sock, Role.CONTROLLED)), "connection to an RTU")

    def _links(self) -> Answer:
        alive = sum(rtu.is_alive and rtu.stream is not None for rtu in self._rtus)
        return {"alive": alive, "lost": self.lost_links}

    def _send(self, rate: float, count: int) -> Answer:
        """Let each RTU make ``count`` events, ``rate`` a second, all of them evenly in turn."""
        self._done, self._total = 0, count * len(self._rtus)
        self._per_second = rate * len(self._rtus)
        self._begin = self.io.loop.time()
        self._latest = 0.0
        self._make_due()
        return {}

    def _make_due(self) -> None:
        now = self.io.loop.time()
        due = min(self._total, int((now - self._begin) * self._per_second) + 1)
        if due > self._done:
            self._latest = max(self._latest, now - self._begin - self._done / self._per_second)
        for turn in range(self._done, due):
            rtu = self._rtus[turn % len(self._rtus)]
            rtu.make(1)
            rtu.flush(now)
        self._done = max(self._done, due)
        if self._done < self._total:
            then = self._begin + self._done / self._per_second
            wait = max(_SHORTEST_WAIT, then - self.io.loop.time())
            self.io.loop.call_later(wait, self._make_due)

    def _flood(self) -> Answer:
        """Let all RTUs send as fast as the gateway takes it."""
        self.is_flooding = True
        for rtu in self._rtus:
            rtu.fill()
            rtu.flush(self.io.loop.time())
        return {}

    def _halt(self) -> Answer:
        """Make no more events."""
        self.is_flooding = False
        self._total = self._done
        return {}

    def _sent(self) -> Answer:
        """Events of each RTU since the bench began, and how far the last sending fell behind."""
        is_done = not self.is_flooding and self._done == self._total
        sent = [rtu.sent for rtu in self._rtus]
        return {
            "sent": sent,
            "is_done": is_done,
            "late": self._latest,
            "lost": self.lost_links,
            "strangers": self.strangers,
        }


# --- masters --------------------------------------------------------------------------------------


class Master(End):
    """A master that checks what it gets."""

    def __init__(self, masters: "Masters", ca: CommonAddress) -> None:
        super().__init__(masters)
        self._masters = masters
        self.checker = Checker(ca)

    def received(self, run: Run) -> None:
        self.checker.take(run.octets, run.sizes, now_us(), self._masters.latencies)

    def started(self) -> None:
        self._masters.last_start = self._masters.io.loop.time()


class Masters(Ends):
    """All masters of a bench, those of the first RTU first."""

    def __init__(self) -> None:
        super().__init__("bench-masters")
        self.latencies = Latencies()
        self.last_start = 0.0
        self._begin = 0.0
        self._masters: list[Master] = []
        self._per_rtu = 1

    def orders(self) -> dict[str, Callable[..., Answer]]:
        return super().orders() | {
            "dial": self.on_loop(self._dial),
            "links": self.on_loop(self._links),
            "received": self.on_loop(self._received),
            "forget": self.on_loop(self._forget),
            "result": self.on_loop(self._result),
        }

    def _dial(self, ports: Sequence[int], per_rtu: int) -> Answer:
        """Connect and start; whom the gateway refuses tries again and again."""
        self._per_rtu = per_rtu
        self._begin = self.io.loop.time()
        for number, port in enumerate(ports):
            master = Master(self, master_ca(number))
            self._masters.append(master)
            self.io.spawn(self._connect(master, port), f"dialer of {port}")
        return {}

    async def _connect(self, master: Master, port: int) -> None:
        while True:
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            try:
                prepare_socket(sock)
                await self.io.loop.sock_connect(sock, (HOST, port))
                break
            except OSError:  # the port is not open yet
                sock.close()
                await asyncio.sleep(_RETRY_AFTER)
            except BaseException:
                sock.close()
                raise
        stream = master.connect(sock, Role.CONTROLLING)
        await _bound(stream)
        now = self.io.loop.time()
        stream.link.start(now)
        stream.flush(now)

    def _links(self) -> Answer:
        started = sum(master.is_started for master in self._masters)
        took = self.last_start - self._begin
        return {"started": started, "took": took, "lost": self.lost_links}

    def _received(self) -> Answer:
        received = sum(master.checker.received for master in self._masters)
        return {"received": received, "at": now_us()}

    def _forget(self) -> Answer:
        """Begin to count latencies anew."""
        self.latencies = Latencies()
        return {}

    def _result(self, sent: Sequence[int]) -> Answer:
        """What came of so many events of each RTU, since the bench began; latencies in ms."""
        checkers = [master.checker for master in self._masters]
        took = self.latencies
        return {
            "received": sum(one.received for one in checkers),
            "lost": sum(one.lost(sent[n // self._per_rtu]) for n, one in enumerate(checkers)),
            "repeated": sum(one.repeated for one in checkers),
            "disordered": sum(one.disordered for one in checkers),
            "wrong": sum(one.wrong for one in checkers),
            "p50": took.percentile(0.50),
            "p99": took.percentile(0.99),
            "max": took.longest / 1000 if took.counts else None,
            "lost_links": self.lost_links,
        }


async def _bound(stream: Stream) -> None:
    try:
        await stream.bind()
    except OSError as error:
        stream.close(f"connection lost: {error}", at_once=True)


def rtu_ca(number: int) -> CommonAddress:
    """The common address of an RTU, counted from 0."""
    return number % 65_534 + 1


def master_ca(number: int) -> CommonAddress:
    """That of a master's entry: never that of its RTU, so that it must be translated."""
    return (number + 32_767) % 65_534 + 1
