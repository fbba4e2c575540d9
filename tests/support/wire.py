"""Scripted IEC 60870-5-104 peers on plain sockets: an RTU and masters that watch the other end.

They share nothing with the program under test: framing, numbering and windows are written here once
more, straight from the standard. Everything the gateway does wrong towards them is collected as a
sentence in `violations`; what a peer does wrong itself is the test's wish.

All peers of a `Wire` live on its one thread; a test talks to them through methods that run there
and return when done, and reads their records freely: they only ever grow.

    with Wire() as wire:
        rtu = wire.rtu(port=2404, ca=32)
        master = wire.master(port=2406, ca=7)
        wire.wait(lambda: master.is_started)
        rtu.events(1000)
        wire.wait(lambda: len(master.events) == 1000)
"""

import heapq
import itertools
import random
import selectors
import socket
import struct
import sys
import threading
import time
import traceback
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

from tests.support.referee import Referee, Verdict

T = TypeVar("T")
R = TypeVar("R", bound="ScriptedRtu")

HOST = "127.0.0.1"
RING = 32768
TICK = 0.05
"""Seconds between looks at timers and retries."""
PATIENCE = 4 if sys.platform == "win32" else 1
"""There a refused connect takes two seconds, and under wine a program as long to start."""
SLACK = 2.0 * PATIENCE
"""Seconds a busy machine may be late before it counts as the gateway's fault."""

STARTDT_ACT, STARTDT_CON = 0x07, 0x0B
STOPDT_ACT, STOPDT_CON = 0x13, 0x23
TESTFR_ACT, TESTFR_CON = 0x43, 0x83
U_NAMES = {
    STARTDT_ACT: "STARTDT act",
    STARTDT_CON: "STARTDT con",
    STOPDT_ACT: "STOPDT act",
    STOPDT_CON: "STOPDT con",
    TESTFR_ACT: "TESTFR act",
    TESTFR_CON: "TESTFR con",
}
ACTS = {STARTDT_CON: STARTDT_ACT, STOPDT_CON: STOPDT_ACT, TESTFR_CON: TESTFR_ACT}

# -- ASDUs ---------------------------------------------------------------------------------------

M_BO_NA_1, M_EI_NA_1, C_BO_NA_1, C_SE_NC_1 = 7, 70, 51, 50
C_IC_NA_1, C_CI_NA_1, C_RD_NA_1, C_CS_NA_1, C_TS_TA_1 = 100, 101, 102, 103, 107
COMMANDS = frozenset({*range(45, 52), *range(58, 65)})
QUALIFIER_AT = dict.fromkeys((45, 46, 47, 58, 59, 60), 0) | {
    48: 2,
    49: 2,
    50: 4,
    61: 2,
    62: 2,
    63: 4,
}
"""Where in the object the octet with S/E stands; 51 and 64 have none."""
ANSWERS = frozenset({7, 9, 10, 44, 45, 46, 47})
TIME = bytes.fromhex("1f900a15ab0c1a")
"""2026-12-11 21:10:36.895 as CP56Time2a."""


@dataclass(frozen=True, slots=True)
class Asdu:
    """An ASDU with one object or more; `objects` are the octets after the six of the header."""

    type_id: int
    objects: bytes
    cause: int
    ca: int = 0
    oa: int = 0
    is_negative: bool = False
    is_test: bool = False
    vsq: int = 1

    @classmethod
    def of(cls, octets: bytes) -> Self:
        type_id, vsq, cause, oa, ca = struct.unpack_from("<BBBBH", octets)
        return cls(
            type_id, octets[6:], cause & 63, ca, oa, bool(cause & 64), bool(cause & 128), vsq
        )

    @property
    def octets(self) -> bytes:
        cause = self.cause | self.is_negative << 6 | self.is_test << 7
        return struct.pack("<BBBBH", self.type_id, self.vsq, cause, self.oa, self.ca) + self.objects

    @property
    def ioa(self) -> int:
        return int.from_bytes(self.objects[:3], "little")

    @property
    def element(self) -> bytes:
        """The octets of the (first) object without its address."""
        return self.objects[3:]

    @property
    def question(self) -> tuple[int, int, bytes]:
        """What this is an answer to, or asks: the referee's key."""
        if self.type_id <= 40 and self.cause == 5:
            return C_RD_NA_1, self.ioa, b""
        return self.type_id, self.ioa, self.element

    @property
    def is_select(self) -> bool:
        at = QUALIFIER_AT.get(self.type_id)
        return at is not None and bool(self.element[at] & 0x80)

    def answer(self, cause: int, is_negative: bool = False) -> "Asdu":
        return replace(self, cause=cause, is_negative=is_negative)


def asdu(type_id: int, ioa: int, element: bytes = b"", cause: int = 6) -> Asdu:
    """One object; CA and OA are filled in by the peer that sends it."""
    return Asdu(type_id, ioa.to_bytes(3, "little") + element, cause)


def bitstring_command(ioa: int, number: int) -> Asdu:
    """C_BO_NA_1: 32 bits to make every question unlike every other."""
    return asdu(C_BO_NA_1, ioa, struct.pack("<I", number))


def single_command(ioa: int, on: bool = True, select: bool = False) -> Asdu:
    return asdu(45, ioa, bytes([on | select << 7]))


def interrogation(qualifier: int = 20) -> Asdu:
    return asdu(C_IC_NA_1, 0, bytes([qualifier]))


def select(ioa: int, on: bool = True) -> Asdu:
    return single_command(ioa, on, select=True)


def counter_interrogation(qualifier: int = 5) -> Asdu:
    return asdu(C_CI_NA_1, 0, bytes([qualifier]))


def deactivation(one: Asdu) -> Asdu:
    return replace(one, cause=8)


def clock_command(tag: bytes = TIME) -> Asdu:
    return asdu(C_CS_NA_1, 0, tag)


def read(ioa: int) -> Asdu:
    return asdu(C_RD_NA_1, ioa, cause=5)


def test_command(number: int) -> Asdu:
    """C_TS_TA_1, numbered by its counter and, beyond 16 bits, by the year of its time tag."""
    tag = TIME[:6] + bytes([number >> 16 & 0x7F])
    return asdu(C_TS_TA_1, 0, struct.pack("<H", number & 0xFFFF) + tag)


test_command.__test__ = False  # type: ignore[attr-defined]

EVENT_POINTS = 1000
_EVENT = struct.Struct("<BBHHBBBBHBHIB")
EVENT_SIZE = _EVENT.size


def event_ioa(number: int) -> int:
    return 1 + number % EVENT_POINTS


def event_frame(number: int, ca: int, ns: int = 0, nr: int = 0) -> bytes:
    """A numbered event: M_BO_NA_1, spontaneous, the number as its 32 bits."""
    ioa = 1 + number % EVENT_POINTS
    return _EVENT.pack(
        0x68, 18, ns << 1, nr << 1, M_BO_NA_1, 1, 3, 0, ca, ioa & 255, ioa >> 8, number, 0
    )


POINTS = (
    # what the RTU tells in a station interrogation unless the test gives it other points
    replace(asdu(1, 100, b"\x01\x00\x01", 20), vsq=0x83),
    asdu(3, 200, b"\x02", 20),
    asdu(13, 400, struct.pack("<f", 50.0) + b"\0", 20),
    asdu(9, 500, b"\x00\x40\x00", 20),
)
COUNTERS = (asdu(15, 600, struct.pack("<iB", 1234, 1), 37),)

# -- one TCP connection --------------------------------------------------------------------------


class Link:
    """One TCP connection: our end's protocol state, and what the other end may do next."""

    def __init__(
        self, peer: "_Peer", sock: socket.socket, now: float, is_connecting: bool = False
    ) -> None:
        self.peer = peer
        self.wire = peer.wire
        self.sock: socket.socket | None = sock
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.vs = self.vr = 0
        self.acked_by_them = 0
        self.acked_by_us = 0
        self.is_started = False
        self.is_stopping = False
        self.in_flight: deque[tuple[float, int | None]] = deque()
        """Per I-frame they have not acknowledged: when sent, and the number of its event."""
        self.over_w_since: float | None = None
        self.unacked_since: float | None = None
        self.asked: dict[int, float] = {}
        """U acts of ours that await their con, and since when."""
        self.last_heard = now
        self.is_reading = True
        self.is_connecting = is_connecting
        self._in = bytearray()
        self._out = bytearray()
        self._mask = 0
        self._watch()

    # writing

    def u_frame(self, function: int, now: float) -> None:
        if function in (STARTDT_ACT, STOPDT_ACT, TESTFR_ACT):
            self.asked[function] = now
        self.put(bytes((0x68, 4, function, 0, 0, 0)), now)

    def s_frame(self, now: float) -> None:
        self.put(struct.pack("<BBHH", 0x68, 4, 1, self.vr << 1), now)
        self.acked_by_us = self.vr
        self.unacked_since = None

    def put(self, frame: bytes, now: float) -> None:
        """One whole frame, or whatever octets the test wants sent."""
        if self.peer.keeps_frames:
            self.peer.frames.append((now, "out", bytes(frame)))
        self._out += frame
        self.wire.dirty.add(self)

    def pump(self, now: float) -> None:
        """Sends what is queued as far as our k, and the socket, allow."""
        peer, queue = self.peer, self.peer.queue
        if not queue or self.sock is None or not self.may_send:
            return
        room = 4096 if peer.k is None else peer.k - (self.vs - self.acked_by_them) % RING
        if len(self._out) > 262_144:
            return
        start = len(self.in_flight)
        while room > 0 and queue:
            item = queue[0]
            nr = self.vr << 1
            if isinstance(item, range):
                part = item[:room]
                vs = self.vs
                for number in part:
                    ioa = 1 + number % EVENT_POINTS
                    frame = _EVENT.pack(
                        0x68, 18, vs << 1, nr, 7, 1, 3, 0,
                        peer.ca, ioa & 255, ioa >> 8, number, 0,
                    )  # fmt: skip
                    self._out += frame
                    if peer.keeps_frames:
                        peer.frames.append((now, "out", frame))
                    vs = (vs + 1) % RING
                    self.in_flight.append((now, number))
                peer.sent.extend(part)
                peer.sent_at.extend([now] * len(part))
                self.vs = vs
                room -= len(part)
                rest = item[len(part) :]
                if rest:
                    queue[0] = rest
                else:
                    queue.popleft()
            else:
                queue.popleft()
                ns = (self.vs + peer.skew) % RING
                frame = struct.pack("<BBHH", 0x68, len(item) + 4, ns << 1, nr) + item
                self._out += frame
                if peer.keeps_frames:
                    peer.frames.append((now, "out", frame))
                self.vs = (self.vs + 1) % RING
                self.in_flight.append((now, None))
                room -= 1
        if len(self.in_flight) > start:
            self.acked_by_us = self.vr
            self.unacked_since = None
            self.wire.dirty.add(self)
            if self.over_w_since is None and len(self.in_flight) >= peer.their_w:
                self.over_w_since = now

    @property
    def may_send(self) -> bool:
        return (self.is_started and not self.is_stopping) or self.peer.sends_stopped

    def flush(self, now: float) -> None:
        if self.sock is None or self.is_connecting:
            return
        try:
            while self._out:
                if self.peer.trickles:
                    self.sock.send(self._out[:1])
                    del self._out[:1]
                    break
                done = self.sock.send(self._out)
                del self._out[:done]
        except BlockingIOError:
            pass
        except OSError as error:
            self.end(now, f"send: {error}")
            return
        self._watch()

    def _watch(self) -> None:
        if self.sock is None:
            return
        mask = 0
        if self.is_connecting or self._out:
            mask |= selectors.EVENT_WRITE
        if self.is_reading and not self.is_connecting:
            mask |= selectors.EVENT_READ
        if mask == self._mask:
            return
        if not self._mask:
            self.wire.selector.register(self.sock, mask, self)
        elif not mask:
            self.wire.selector.unregister(self.sock)
        else:
            self.wire.selector.modify(self.sock, mask, self)
        self._mask = mask

    # reading

    def ready(self, mask: int, now: float) -> None:
        if self.sock is None:
            return
        if self.is_connecting:
            error = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                self.end(now, f"connect: error {error}")
                return
            self.is_connecting = False
            self._watch()
            self.peer.connected(self, now)
            return
        if mask & selectors.EVENT_READ:
            self._read(now)
        if mask & selectors.EVENT_WRITE:
            self.flush(now)
            self.pump(now)

    def _read(self, now: float) -> None:
        assert self.sock is not None
        try:
            data = self.sock.recv(self.peer.read_size)
        except BlockingIOError:
            return
        except OSError as error:
            self.end(now, f"reset: {error}")
            return
        if not data:
            self.end(now, "closed by the other end")
            return
        self.last_heard = now
        self.peer.octets_in += len(data)
        self._in += data
        self._frames(now)
        if self.sock is None:
            return
        w = self.peer.w
        if w is not None and (self.vr - self.acked_by_us) % RING >= w:
            self.s_frame(now)
        self.pump(now)

    def _frames(self, now: float) -> None:
        buffer, peer = self._in, self.peer
        at, end = 0, len(self._in)
        while end - at >= 2:
            size = buffer[at + 1] + 2
            if buffer[at] != 0x68 or not 6 <= size <= 255:
                octets = bytes(buffer[at : at + 16]).hex(" ")
                self.fault(f"not a frame: {octets}")
                self.end(now, "garbage")
                return
            if end - at < size:
                break
            frame = bytes(buffer[at : at + size])
            at += size
            if peer.keeps_frames:
                peer.frames.append((now, "in", frame))
            first = frame[2]
            if not first & 1:
                self._on_i(frame, now)
            elif first == 1:
                if size != 6 or frame[3] or frame[4] & 1:
                    self.fault(f"malformed S frame {frame.hex(' ')}")
                if not self.may_hear_s:
                    self.fault("S frame while data transfer is stopped")
                self._on_nr((frame[4] | frame[5] << 8) >> 1, now)
            else:
                self._on_u(frame, now)
            if self.sock is None:
                return
        del buffer[:at]

    def _on_i(self, frame: bytes, now: float) -> None:
        if len(frame) < 12 or frame[4] & 1:
            self.fault(f"malformed I frame {frame.hex(' ')}")
            return
        ns = (frame[2] | frame[3] << 8) >> 1
        if ns != self.vr:
            self.fault(f"N(S) {ns} where {self.vr} was due")
        if not self.may_hear_i:
            self.fault(f"I frame while data transfer is stopped: {frame.hex(' ')}")
        self.vr = (ns + 1) % RING
        if self.unacked_since is None:
            self.unacked_since = now
        if (self.vr - self.acked_by_us) % RING > self.peer.their_k:
            self.fault(
                f"{(self.vr - self.acked_by_us) % RING} I frames unacknowledged, "
                f"k is {self.peer.their_k}"
            )
        self._on_nr((frame[4] | frame[5] << 8) >> 1, now)
        self.peer.heard(self, frame, now)

    @property
    def may_hear_i(self) -> bool:
        return self.is_started or self.is_stopping

    @property
    def may_hear_s(self) -> bool:
        return self.is_started or self.is_stopping

    def _on_nr(self, nr: int, now: float) -> None:
        newly = (nr - self.acked_by_them) % RING
        if newly > (self.vs - self.acked_by_them) % RING:
            self.fault(f"N(R) {nr} outside {self.acked_by_them}..{self.vs}")
            return
        if not newly:
            return
        self.acked_by_them = nr
        flight = self.in_flight
        for _ in range(min(newly, len(flight))):
            flight.popleft()
        if len(flight) < self.peer.their_w:
            self.over_w_since = None
        else:
            self.over_w_since = now
        if self.is_stopping and not flight:
            self.peer.all_acknowledged(self, now)

    def _on_u(self, frame: bytes, now: float) -> None:
        function = frame[2]
        if len(frame) != 6 or function not in U_NAMES or any(frame[3:]):
            self.fault(f"malformed U frame {frame.hex(' ')}")
            return
        if function in ACTS:
            if self.asked.pop(ACTS[function], None) is None:
                self.fault(f"{U_NAMES[function]} that nobody asked for")
                return
        elif function == TESTFR_ACT:
            self.peer.tests_heard += 1
            if self.peer.answers_tests:
                self.u_frame(TESTFR_CON, now)
            return
        self.peer.u_heard(self, function, now)

    # watching

    def tick(self, now: float) -> None:
        peer = self.peer
        if self.sock is None or self.is_connecting:
            return
        if (
            self.unacked_since is not None
            and peer.w is not None
            and now - self.unacked_since > peer.t2
            and self.vr != self.acked_by_us
            and (self.is_started or self.is_stopping)
        ):
            self.s_frame(now)
        if not self.is_reading:
            return
        for function, since in list(self.asked.items()):
            if now - since > peer.u_limit:
                self.fault(f"{U_NAMES[function]} unanswered for {now - since:.1f} s")
                del self.asked[function]
        if self._out or not peer.checks_acks:
            return
        if self.in_flight and now - self.in_flight[0][0] > peer.their_t2 + SLACK:
            self.fault(f"an I frame is unacknowledged past t2 ({peer.their_t2} s)")
            self.in_flight.clear()
        if self.over_w_since is not None and now - self.over_w_since > peer.w_limit:
            self.fault(
                f"{len(self.in_flight)} I frames unacknowledged for "
                f"{now - self.over_w_since:.1f} s, w is {peer.their_w}"
            )
            self.over_w_since = None

    def fault(self, what: str) -> None:
        if self.peer.is_strict:
            self.peer.violations.append(what)

    def end(self, now: float, why: str) -> None:
        """Closes our end and tells the peer."""
        if self.sock is None:
            return
        if self._mask:
            self.wire.selector.unregister(self.sock)
            self._mask = 0
        self.sock.close()
        self.sock = None
        self.wire.dirty.discard(self)
        self.peer.ended(self, why, now)


# -- peers ---------------------------------------------------------------------------------------


class _Peer:
    """What RTU and master share: options, records, faults. Options may be changed at any time."""

    def __init__(self, wire: "Wire", name: str, port: int, ca: int) -> None:
        self.wire, self.name, self.port, self.ca = wire, name, port, ca
        # our own manners
        self.k: int | None = 12
        """None: no window at all."""
        self.w: int | None = 8
        """None: never acknowledges by S frame."""
        self.t2 = 1.0
        self.answers_tests = True
        self.trickles = False
        """One octet per write."""
        self.sends_stopped = False
        """Sends I-frames without waiting for STARTDT."""
        self.skew = 0
        """Added to N(S) of what is sent from now on."""
        self.read_size = 65536
        self.keeps_frames = True
        # what the gateway is held to
        self.is_strict = True
        self.checks_acks = True
        self.their_k, self.their_w, self.their_t2 = 12, 8, 10.0
        self.w_limit = self.u_limit = SLACK
        # records
        self.violations: list[str] = []
        self.frames: list[tuple[float, str, bytes]] = []
        """(time, "in" or "out", octets) of every frame."""
        self.history: list[tuple[float, str]] = []
        """(time, what) of a link's life: connected, started, stopped, ended: why."""
        self.sent = array("Q")
        self.sent_at = array("d")
        self.unsure: list[int] = []
        self.octets_in = 0
        self.tests_heard = 0
        self.queue: deque[bytes | range] = deque()

    def note(self, now: float, what: str) -> None:
        self.history.append((now, what))

    def times(self, what: str) -> list[float]:
        """When something of that kind happened: `times("ended")`."""
        return [at for at, happened in list(self.history) if happened.startswith(what)]

    @property
    def losses(self) -> int:
        """How many links ended without our doing."""
        return len(self.times("ended"))

    links: list[Link]
    """The connections that are up."""

    def connected(self, link: Link, now: float) -> None: ...

    def heard(self, link: Link, frame: bytes, now: float) -> None: ...

    def u_heard(self, link: Link, function: int, now: float) -> None: ...

    def all_acknowledged(self, link: Link, now: float) -> None: ...

    def ended(self, link: Link, why: str, now: float) -> None: ...

    def tick(self, now: float) -> None:
        for link in self.links:
            link.tick(now)

    # for tests

    def set(self, **options: Any) -> None:
        """Changes options between two frames: `master.set(w=None)`."""

        def change() -> None:
            for name, value in options.items():
                if not hasattr(self, name):
                    raise AttributeError(f"{type(self).__name__} has no {name!r}")
                setattr(self, name, value)

        self.wire.call(change)

    def raw(self, octets: bytes) -> None:
        """Octets as they are, on every link of this peer."""

        def put() -> None:
            for link in self.links:
                link.put(octets, time.monotonic())

        self.wire.call(put)

    def pause_reading(self) -> None:
        self._read(False)

    def resume_reading(self) -> None:
        self._read(True)

    def _read(self, on: bool) -> None:
        def change() -> None:
            now = time.monotonic()
            for link in self.links:
                link.is_reading = on
                link.over_w_since = None
                link.asked = dict.fromkeys(link.asked, now)
                link.in_flight = deque((now, number) for _, number in link.in_flight)
                link._watch()

        self.wire.call(change)

    def test_link(self) -> None:
        """Sends TESTFR act; a con that stays out is a violation."""
        self.wire.call(lambda: [link.u_frame(TESTFR_ACT, time.monotonic()) for link in self.links])

    def _queue_and_pump(self, items: Iterable[bytes | range]) -> None:
        def put() -> None:
            self.queue.extend(items)
            now = time.monotonic()
            for link in self.links:
                link.pump(now)

        self.wire.call(put)


Script = Callable[[Asdu], Sequence[Asdu] | None]


class ScriptedRtu(_Peer):
    """A controlled station: numbered events, answers by script, one stream for all its life."""

    def __init__(self, wire: "Wire", name: str, port: int, ca: int) -> None:
        super().__init__(wire, name, port, ca)
        self.oa: int | None = None
        """The originator address in answers: None echoes the asker's."""
        self.terminates = True
        self.confirms = True
        self.script: Script | None = None
        """Answers to an ASDU instead of the usual ones; None from it: the usual ones after all."""
        self.points: Sequence[Asdu] = POINTS
        self.counters: Sequence[Asdu] = COUNTERS
        self.confirms_start = True
        self.start_delay = self.answer_delay = 0.0
        self.more_cas: Sequence[int] = ()
        """Further common addresses, each a station with the same points."""
        self.slots: int | None = None
        """Highest originator address a command may carry (`oa,index`); None: any."""
        self.asked: list[Asdu] = []
        """Every ASDU received, in order."""
        self.next_number = 0
        self._links: list[Link] = []
        self._listener: socket.socket | None = None
        self._held: list[Asdu] | None = None

    @property
    def links(self) -> list[Link]:
        return list(self._links)

    @property
    def is_connected(self) -> bool:
        return bool(self._links)

    @property
    def is_started(self) -> bool:
        return any(link.is_started for link in self._links)

    # for tests

    def listen(self) -> None:
        def begin() -> None:
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((HOST, self.port))
            sock.listen(16)
            sock.setblocking(False)
            self._listener = sock
            self.wire.selector.register(sock, selectors.EVENT_READ, self)

        self.wire.call(begin)

    def kill(self, reset: bool = False) -> float:
        """Port and links go at once, with `reset` by RST; returns the time."""

        def end() -> float:
            now = time.monotonic()
            if self._listener is not None:
                self.wire.selector.unregister(self._listener)
                self._listener.close()
                self._listener = None
            for link in self.links:
                if reset and link.sock is not None:
                    link.sock.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                    )
                link.end(now, "killed")
            return now

        return self.wire.call(end)

    def restart(self) -> None:
        self.listen()

    def events(self, count: int) -> range:
        """Queues the next `count` numbered events; they go as fast as the window allows."""
        numbers = range(self.next_number, self.next_number + count)
        self.next_number = numbers.stop
        self._queue_and_pump([numbers])
        return numbers

    def send(self, *asdus: Asdu) -> None:
        """ASDUs of the test's own making, with this RTU's CA where they have none."""
        self._queue_and_pump([self._own(one).octets for one in asdus])

    def hold(self) -> None:
        """Keeps all answers back until `release`."""
        self.wire.call(lambda: setattr(self, "_held", []))

    @property
    def held(self) -> int:
        return len(self._held or ())

    def release(self, shuffle: int | None = None) -> None:
        """Gives the answers kept back; with a seed in random order, each question's own kept."""

        def give() -> None:
            questions, self._held = self._held or [], None
            if shuffle is not None:
                random.Random(shuffle).shuffle(questions)
            for question in questions:
                self._answer(question)

        self.wire.call(give)

    # on the wire's thread

    def _own(self, one: Asdu) -> Asdu:
        return replace(one, ca=one.ca or self.ca)

    def ready(self, mask: int, now: float) -> None:
        assert self._listener is not None
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        link = Link(self, sock, now)
        self._links.append(link)
        self.note(now, "connected")

    def heard(self, link: Link, frame: bytes, now: float) -> None:
        one = Asdu.of(frame[6:])
        self.asked.append(one)
        if one.ca not in (self.ca, *self.more_cas, 0xFFFF):
            link.fault(f"common address {one.ca} from the gateway, ours is {self.ca}")
        if self.slots is not None and not 1 <= one.oa <= self.slots:
            link.fault(f"originator address {one.oa}, slots are 1..{self.slots}")
        if self._held is not None:
            self._held.append(one)
        elif self.answer_delay:
            self.wire.later(self.answer_delay, lambda: self._answer(one))
        else:
            self._answer(one)

    def _answer(self, one: Asdu) -> None:
        answers = self.script(one) if self.script else None
        if answers is None:
            answers = self.usual_answers(one)
        self._give(one, answers)

    def _give(self, one: Asdu, answers: Iterable[Asdu]) -> None:
        """Answers to `one`, under the originator address this RTU uses for them."""
        oa = one.oa if self.oa is None else self.oa
        for answer in answers:
            self.queue.append(self._own(replace(answer, oa=oa)).octets)
        for link in self._links:
            link.pump(time.monotonic())

    def usual_answers(self, one: Asdu) -> list[Asdu]:
        """What a well-behaved station answers; to a broadcast each of several."""
        cas = (self.ca, *self.more_cas) if one.ca == 0xFFFF else (one.ca,)
        return [
            replace(answer, ca=ca)
            for ca in cas
            for answer in self._station_answers(replace(one, ca=ca))
        ]

    def _station_answers(self, one: Asdu) -> list[Asdu]:
        if one.type_id == C_RD_NA_1:
            return [asdu(13, one.ioa, struct.pack("<f", one.ioa) + b"\0", 5)]
        if one.cause == 8:
            return [one.answer(9)]
        answers = [one.answer(7)] if self.confirms else []
        if one.type_id == C_IC_NA_1:
            answers += [replace(point, cause=one.element[0]) for point in self.points]
        elif one.type_id == C_CI_NA_1 and one.element[0] < 64:
            answers += self.counters
        elif one.type_id not in COMMANDS or one.is_select:
            return answers
        if self.terminates:
            answers.append(one.answer(10))
        return answers

    def u_heard(self, link: Link, function: int, now: float) -> None:
        if function == STARTDT_ACT:
            if link.is_started:
                link.fault("STARTDT act while started")
            if self.confirms_start:
                if self.start_delay:
                    self.wire.later(self.start_delay, lambda: self._start(link))
                else:
                    self._start(link)
        elif function == STOPDT_ACT:
            if not link.is_started:
                link.fault("STOPDT act while stopped")
            link.is_started, link.is_stopping = False, True
            if link.vr != link.acked_by_us:
                link.s_frame(now)
            if not link.in_flight:
                self.all_acknowledged(link, now)
        elif function in (STARTDT_CON, STOPDT_CON):
            link.fault(f"{U_NAMES[function]} from a controlling station")

    def _start(self, link: Link) -> None:
        if link.sock is None:
            return
        now = time.monotonic()
        link.u_frame(STARTDT_CON, now)
        link.is_started = True
        self.note(now, "started")
        link.pump(now)

    def all_acknowledged(self, link: Link, now: float) -> None:
        link.is_stopping = False
        link.u_frame(STOPDT_CON, now)
        self.note(now, "stopped")

    def ended(self, link: Link, why: str, now: float) -> None:
        self._links.remove(link)
        self.unsure.extend(number for _, number in link.in_flight if number is not None)
        self.note(now, f"{'killed' if why == 'killed' else 'ended'}: {why}")


class TurnTakingRtu(ScriptedRtu):
    """Serves one interrogation at a time, ASDU by ASDU, and refuses a second one meanwhile."""

    def __init__(self, wire: "Wire", name: str, port: int, ca: int) -> None:
        super().__init__(wire, name, port, ca)
        self.pace = 0.003
        """Seconds between two ASDUs of an interrogation."""
        self.stops_after: int | None = None
        """Gives so many ASDUs of those that begin from now on and no more until `resume`."""
        self.ignores = 0
        """So many of the next interrogations get no answer at all."""
        self.refused = 0
        """Interrogations that came while one ran."""
        self.running: Asdu | None = None
        self._steps: deque[Asdu] = deque()
        self._given = 0
        self._limit: int | None = None

    @property
    def interrogations(self) -> list[Asdu]:
        """Those received so far, in order, refused ones too."""
        return [one for one in self.asked[:] if self._is_interrogation(one)]

    @property
    def deactivations(self) -> list[Asdu]:
        return [one for one in self.asked[:] if one.cause == 8]

    def resume(self, stops_after: int | None = None) -> None:
        """Goes on with what runs, to its end; the next ones stop after so many ASDUs, or not."""

        def go_on() -> None:
            self.stops_after, self._limit = stops_after, None
            self._step()

        self.wire.call(go_on)

    def forget(self) -> None:
        """Drops what runs without a word and is ready for the next, which it serves whole."""

        def drop() -> None:
            self.stops_after = self.running = None
            self._steps.clear()

        self.wire.call(drop)

    @staticmethod
    def _is_interrogation(one: Asdu) -> bool:
        is_freeze = one.type_id == C_CI_NA_1 and one.element[0] >= 64
        return one.type_id in (C_IC_NA_1, C_CI_NA_1) and one.cause == 6 and not is_freeze

    def _answer(self, one: Asdu) -> None:
        if self._is_interrogation(one) and not self.script:
            if self.ignores:
                self.ignores -= 1
                return
            if self.running is not None:
                self.refused += 1
                self._give(one, [one.answer(7, is_negative=True)])
                return
            self.running, self._given, self._limit = one, 0, self.stops_after
            self._steps.extend(self.usual_answers(one))
            self._step()
        elif one.type_id in (C_IC_NA_1, C_CI_NA_1) and one.cause == 8 and not self.script:
            runs = self.running is not None and self.running.question == one.question
            if runs:
                self.running = None
                self._steps.clear()
            self._give(one, [one.answer(9, is_negative=not runs)])
        else:
            super()._answer(one)

    def _step(self) -> None:
        one = self.running
        if one is None or (self._limit is not None and self._given >= self._limit):
            return
        self._given += 1
        self._give(one, [self._steps.popleft()])
        if self._steps:
            self.wire.later(self.pace, lambda: self._step() if self.running is one else None)
        else:
            self.running = None

    def ended(self, link: Link, why: str, now: float) -> None:
        super().ended(link, why, now)
        self.running = None
        self._steps.clear()


class RawMaster(_Peer):
    """A controlling station that connects until it is let in, starts, and keeps what it hears."""

    def __init__(self, wire: "Wire", name: str, port: int, ca: int) -> None:
        super().__init__(wire, name, port, ca)
        self.oa = 0
        self.starts = True
        """Sends STARTDT act once connected."""
        self.reconnects = True
        self.retry_pause = 0.1
        self.expects_initialized = True
        """M_EI_NA_1 is to be the first ASDU after each start."""
        self.checks_answers = True
        """Answers must carry this master's own originator address, all else 0."""
        self.more_cas: Sequence[int] = ()
        """Further common addresses of its own, whose initialization ends after the first's."""
        self.foreign: frozenset[int] = frozenset()
        """Common addresses besides its own that it may hear."""
        self.source: str | None = None
        self.w_limit = self.their_t2 + SLACK  # the RTU may be slow; t2 binds
        self.events = array("Q")
        self.events_at = array("d")
        self.inbox: list[Asdu] = []
        """All that came and was not a numbered event nor M_EI."""
        self.questions: list[tuple[Asdu, bool]] = []
        self.answers: list[Asdu] = []
        self.refusals = 0
        self.last_refusal = 0.0
        self.initialized = 0
        """How many M_EI_NA_1 came."""
        self.more_initialized: list[Asdu] = []
        """Those under one of `more_cas`."""
        self.link: Link | None = None
        self._wants = True
        self._retry_at = 0.0
        self._awaits_initialized = False
        self._taken: set[int] = set()

    @property
    def links(self) -> list[Link]:
        return [self.link] if self.link is not None and not self.link.is_connecting else []

    @property
    def is_connected(self) -> bool:
        return bool(self.links)

    @property
    def is_started(self) -> bool:
        return self.link is not None and self.link.is_started

    @property
    def unacknowledged(self) -> int:
        """I-frames of ours that the gateway has not acknowledged, and those still queued."""
        return len(self.queue) + sum(len(link.in_flight) for link in self.links)

    # for tests

    def send(self, *asdus: Asdu) -> None:
        """Sends ASDUs nobody keeps account of, with this master's CA and OA if they have none."""
        self._queue_and_pump([self._own(one).octets for one in asdus])

    def ask(self, *asdus: Asdu, terminates: bool | None = None) -> None:
        """Sends questions; the referee expects an answer to each, and a termination where due."""
        for one in asdus:
            due = one.type_id in COMMANDS and one.cause == 6 and not one.is_select
            due |= one.type_id in (C_IC_NA_1, C_CI_NA_1) and one.cause == 6
            self.questions.append((one, due if terminates is None else terminates))
        self.send(*asdus)

    def _own(self, one: Asdu) -> Asdu:
        return replace(one, ca=one.ca or self.ca, oa=one.oa or self.oa)

    def take(
        self, matches: Callable[[Asdu], bool], within: float = 5.0, what: str = "the ASDU"
    ) -> Asdu:
        """Waits for the first ASDU in the inbox that matches and was not taken before."""

        def look() -> Asdu | None:
            for i, one in enumerate(self.inbox[:]):
                if i not in self._taken and matches(one):
                    self._taken.add(i)
                    return one
            return None

        found = self.wire.wait(look, within, f"{self.name}: {what}")
        assert found is not None
        return found

    def start_transfer(self) -> None:
        self.wire.call(lambda: self._startdt(time.monotonic()))

    def stop_transfer(self, acknowledge: bool = True) -> None:
        """S for what is unacknowledged, then STOPDT act."""

        def stop() -> None:
            now = time.monotonic()
            if self.link is not None:
                if acknowledge and self.link.vr != self.link.acked_by_us:
                    self.link.s_frame(now)
                self.link.u_frame(STOPDT_ACT, now)
                self.link.is_stopping = True

        self.wire.call(stop)

    def acknowledge(self, nr: int | None = None) -> None:
        """An S frame at once, with an N(R) of the test's choice if given."""

        def put() -> None:
            for link in self.links:
                if nr is None:
                    link.s_frame(time.monotonic())
                else:
                    link.put(struct.pack("<BBHH", 0x68, 4, 1, nr << 1), time.monotonic())

        self.wire.call(put)

    def close(self, reset: bool = False, reconnect: bool = False) -> float:
        def end() -> float:
            now = time.monotonic()
            self._wants = reconnect
            self._retry_at = now
            if self.link is not None:
                if reset and self.link.sock is not None:
                    self.link.sock.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                    )
                self.link.end(now, "killed")
            return now

        return self.wire.call(end)

    def open(self) -> None:
        """Connects again after `close`."""

        def begin() -> None:
            self._wants = True

        self.wire.call(begin)

    # on the wire's thread

    def tick(self, now: float) -> None:
        super().tick(now)
        if self.link is None and self._wants and now >= self._retry_at:
            self._connect(now)

    def _connect(self, now: float) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        if self.source:
            sock.bind((self.source, 0))
        try:
            sock.connect((HOST, self.port))
        except BlockingIOError:
            pass
        except OSError:
            sock.close()
            self._refused(now)
            return
        self.link = Link(self, sock, now, is_connecting=True)

    def _refused(self, now: float) -> None:
        self.refusals += 1
        self.last_refusal = now
        self._retry_at = now + self.retry_pause

    def connected(self, link: Link, now: float) -> None:
        self.note(now, "connected")
        if self.starts:
            self._startdt(now)
        if self.sends_stopped:
            link.pump(now)

    def _startdt(self, now: float) -> None:
        if self.link is not None:
            self.link.u_frame(STARTDT_ACT, now)

    def u_heard(self, link: Link, function: int, now: float) -> None:
        if function == STARTDT_CON:
            self._awaits_initialized = not link.is_started
            link.is_started = True
            self.note(now, "started")
            link.pump(now)
        elif function == STOPDT_CON:
            if link.in_flight:
                link.fault(f"STOPDT con before {len(link.in_flight)} I frames were acknowledged")
            if link.vr != link.acked_by_us:
                link.fault("STOPDT con before its own I frames were acknowledged")
            link.is_started = link.is_stopping = False
            self.note(now, "stopped")
        elif function in U_NAMES and function != TESTFR_CON:
            link.fault(f"{U_NAMES[function]} from a controlled station")

    def heard(self, link: Link, frame: bytes, now: float) -> None:
        if len(frame) == EVENT_SIZE and frame[6] == M_BO_NA_1 and frame[8] == 3:
            number = int.from_bytes(frame[15:19], "little")
            if frame[6:] != event_frame(number, self.ca)[6:]:
                link.fault(f"event {number} altered: {frame.hex(' ')}")
            if self._awaits_initialized and self.expects_initialized:
                link.fault(f"event {number} before M_EI_NA_1")
                self._awaits_initialized = False
            self.events.append(number)
            self.events_at.append(now)
            return
        one = Asdu.of(frame[6:])
        if one.ca not in (self.ca, *self.more_cas) and one.ca not in self.foreign:
            link.fault(f"common address {one.ca}, ours is {self.ca}")
        if one.type_id == M_EI_NA_1 and one.ca in self.more_cas:
            self.more_initialized.append(one)
            return
        if one.type_id == M_EI_NA_1:
            if not self._awaits_initialized:
                link.fault("M_EI_NA_1 without a start")
            if one != Asdu(M_EI_NA_1, b"\0\0\0\0", 4, self.ca):
                link.fault(f"odd M_EI_NA_1: {one}")
            self._awaits_initialized = False
            self.initialized += 1
            return
        if self._awaits_initialized and self.expects_initialized:
            link.fault(f"{one} before M_EI_NA_1")
            self._awaits_initialized = False
        is_answer = one.cause in ANSWERS or (one.type_id <= 40 and one.cause == 5)
        if is_answer:
            self.answers.append(one)
        if self.checks_answers and one.cause in ANSWERS and one.oa != self.oa:
            link.fault(f"originator address {one.oa} in an answer, ours is {self.oa}: {one}")
        if self.checks_answers and one.cause in (1, 2, 3, 11, 12) and one.oa:
            link.fault(f"originator address {one.oa} in {one}")
        self.inbox.append(one)

    def all_acknowledged(self, link: Link, now: float) -> None: ...

    def ended(self, link: Link, why: str, now: float) -> None:
        self.link = None
        self._awaits_initialized = False
        if why.startswith("connect"):
            self._refused(now)
            return
        self.queue.clear()
        self._retry_at = now + self.retry_pause
        self._wants = self._wants and (self.reconnects or why == "killed")
        self.note(now, f"{'killed' if why == 'killed' else 'ended'}: {why}")


# -- the thread ----------------------------------------------------------------------------------


class Wire:
    """The thread all peers of a test live on; closes them and tells violations at the end."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.dirty: set[Link] = set()
        self.peers: list[_Peer] = []
        self.crash: str | None = None
        self._calls: deque[Callable[[], None]] = deque()
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._is_open = True
        self._here, self._there = socket.socketpair()
        self._here.setblocking(False)
        self._there.setblocking(False)
        self.selector.register(self._here, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run, name="wire", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close()
        if kind is None:
            self.check()

    def rtu(
        self,
        port: int,
        ca: int = 1,
        name: str = "rtu",
        listen: bool = True,
        kind: type[R] = ScriptedRtu,
        **options: Any,
    ) -> R:
        peer = kind(self, name, port, ca)
        peer.set(**options)
        self.call(lambda: self.peers.append(peer))
        if listen:
            peer.listen()
        return peer

    def master(self, port: int, ca: int = 1, name: str = "", **options: Any) -> RawMaster:
        peer = RawMaster(self, name or f"master {port}", port, ca)
        peer.set(**options)
        self.call(lambda: self.peers.append(peer))
        return peer

    @property
    def violations(self) -> list[str]:
        """What the gateway did wrong towards anyone."""
        return [f"{peer.name}: {what}" for peer in self.peers for what in list(peer.violations)]

    def check(self) -> None:
        """Asserts that nobody has anything to complain of."""
        assert self.crash is None, self.crash
        found = self.violations
        assert not found, f"{len(found)} violations: " + "; ".join(found[:5])

    def wait(self, condition: Callable[[], T], within: float = 5.0, what: str = "condition") -> T:
        """Waits until `condition` gives something true, and returns it."""
        within *= PATIENCE
        deadline = time.monotonic() + within
        while True:
            got = condition()
            if got:
                return got
            assert self.crash is None, self.crash
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {within} s; {self._state()}")
            time.sleep(0.002)

    def _state(self) -> str:
        told = []
        for peer in self.peers:
            last = peer.history[-1][1] if peer.history else "nothing yet"
            counts = f"{len(peer.sent)} sent"
            if isinstance(peer, RawMaster):
                counts = f"{len(peer.events)} events, {len(peer.answers)} answers"
            told.append(f"{peer.name}: {last}, {counts}")
        return "; ".join([*told, *self.violations[:5]])

    def call(self, action: Callable[[], T]) -> T:
        """Runs `action` on the wire's thread and gives its result."""
        if threading.current_thread() is self._thread:
            return action()
        done = threading.Event()
        result: list[T] = []
        error: list[BaseException] = []

        def run() -> None:
            try:
                result.append(action())
            except BaseException as problem:
                error.append(problem)
            finally:
                done.set()

        self._calls.append(run)
        self._wake()
        if not done.wait(30):
            raise AssertionError(f"the wire's thread does not answer: {self.crash}")
        if error:
            raise error[0]
        return result[0]

    def later(self, delay: float, action: Callable[[], None]) -> None:
        """Runs `action` on the wire's thread after `delay`; to be called from there."""
        heapq.heappush(self._later, (time.monotonic() + delay, next(self._count), action))

    def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        self._wake()
        self._thread.join(10)
        for peer in self.peers:
            if isinstance(peer, ScriptedRtu) and peer._listener is not None:
                peer._listener.close()
            if isinstance(peer, RawMaster):
                peer._wants = False
            for link in [*peer.links, getattr(peer, "link", None)]:
                if link is not None and link.sock is not None:
                    link.sock.close()
        self.selector.close()
        self._here.close()
        self._there.close()

    def _wake(self) -> None:
        try:
            self._there.send(b"!")
        except BlockingIOError:
            pass  # it is being woken already
        except OSError:
            if self._is_open:
                raise

    def _run(self) -> None:
        try:
            next_tick = time.monotonic()
            while self._is_open:
                now = time.monotonic()
                pause = next_tick - now
                if self._later:
                    pause = min(pause, self._later[0][0] - now)
                for key, mask in self.selector.select(max(0.0, pause)):
                    if key.data is None:
                        try:
                            self._here.recv(4096)
                        except BlockingIOError:
                            continue
                    else:
                        key.data.ready(mask, time.monotonic())
                while self._calls:
                    self._calls.popleft()()
                now = time.monotonic()
                while self._later and self._later[0][0] <= now:
                    heapq.heappop(self._later)[2]()
                if now >= next_tick:
                    next_tick = now + TICK
                    for peer in list(self.peers):
                        peer.tick(now)
                while self.dirty:
                    self.dirty.pop().flush(now)
        except BaseException:
            self.crash = "a scripted peer failed:\n" + traceback.format_exc()
            while self._calls:
                self._calls.popleft()()


def judge(rtu: ScriptedRtu, *masters: RawMaster) -> list[Verdict]:
    """The referee's verdicts on masters that were there all the time."""
    referee = Referee()
    referee.sent(rtu.sent)
    referee.unsure(rtu.unsure)
    for master in masters:
        referee.arrived(master.name, master.events)
        for one, terminates in master.questions:
            referee.asked(master.name, one.question, terminates)
        for answer in master.answers:
            referee.answered(master.name, answer.question, answer.cause, answer.is_negative)
    return [referee.verdict(master.name) for master in masters]


def assert_clean(rtu: ScriptedRtu, *masters: RawMaster) -> None:
    """All events and answers went where they belong, and nobody did anything against the rules."""
    for verdict in judge(rtu, *masters):
        assert verdict.is_clean, str(verdict)
    rtu.wire.check()
