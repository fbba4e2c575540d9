"""The protocol as a peer speaks it on one connection, written without the program under test.

It watches the other end: what the gateway does wrong on a line that is itself in order is said to
the book of the group.
"""

import struct
from collections import deque
from typing import Protocol

from tests.reliability.net import Conn
from tests.support.wire import (
    ACTS,
    RING,
    STARTDT_ACT,
    STOPDT_ACT,
    TESTFR_ACT,
    TESTFR_CON,
    U_NAMES,
)

SLACK = 1.5
"""Seconds the gateway may be late before it counts."""


class LineOwner(Protocol):
    """A station or a controller."""

    label: str
    k: int
    w: int
    t2: float
    their_t1: float
    their_t2: float
    slack: float
    acknowledges: bool
    answers_tests: bool

    def on_i(self, line: "Line", frame: bytes, now: float) -> None: ...

    def on_u(self, line: "Line", function: int, now: float) -> None: ...

    def on_acknowledged(self, line: "Line", count: int, now: float) -> None: ...

    def on_ended(self, line: "Line", why: str, now: float) -> None: ...

    def pump(self, line: "Line", now: float) -> None: ...

    def complain(self, what: str) -> None: ...


class Line:
    """One connection: numbers, windows, what is asked and not answered."""

    def __init__(self, owner: LineOwner, conn: Conn, now: float) -> None:
        self.peer = owner
        self.conn = conn
        conn.owner = self
        self.began = now
        self.vs = self.vr = 0
        self.acked_by_them = self.acked_by_us = 0
        self.is_started = self.is_stopping = False
        self.is_over = False
        self.is_strict = True
        """Whether the gateway is judged here: not once this end itself has gone wrong."""
        self.skew = 0
        self.flight: deque[float] = deque()
        """When each of our I-frames was sent that is not acknowledged."""
        self.asked: dict[int, float] = {}
        self.unacked_since: float | None = None
        self.awaits_initialized: float | None = None
        self.owed = 0
        """The first event that is certainly due after STARTDT con."""
        self.is_paused = False
        self._in = bytearray()

    # out

    def send_u(self, function: int, now: float) -> None:
        if function in (STARTDT_ACT, STOPDT_ACT, TESTFR_ACT):
            self.asked[function] = now
        self.conn.send(bytes((0x68, 4, function, 0, 0, 0)))

    def send_s(self, nr: int | None = None) -> None:
        self.conn.send(struct.pack("<BBHH", 0x68, 4, 1, (self.vr if nr is None else nr) << 1))
        self.acked_by_us = self.vr
        self.unacked_since = None

    @property
    def room(self) -> int:
        if not self.is_started or self.is_stopping or self.is_over:
            return 0
        return self.peer.k - (self.vs - self.acked_by_them) % RING

    def number(self, now: float) -> tuple[int, int]:
        """N(S) and N(R), shifted, for the next I-frame, which is now sent."""
        ns = (self.vs + self.skew) % RING
        self.vs = (self.vs + 1) % RING
        self.flight.append(now)
        self.acked_by_us = self.vr
        self.unacked_since = None
        return ns << 1, self.vr << 1

    def send_i(self, asdu: bytes, now: float) -> None:
        ns, nr = self.number(now)
        self.conn.send(struct.pack("<BBHH", 0x68, len(asdu) + 4, ns, nr) + asdu)

    # in

    def received(self, conn: Conn, octets: bytes, now: float) -> None:
        buffer = self._in
        buffer += octets
        at, end = 0, len(buffer)
        while end - at >= 2 and not self.is_over:
            size = buffer[at + 1] + 2
            if buffer[at] != 0x68 or not 6 <= size <= 255:
                self.fault(f"not a frame: {bytes(buffer[at : at + 16]).hex(' ')}")
                self.end(now)
                return
            if end - at < size:
                break
            self._frame(bytes(buffer[at : at + size]), now)
            at += size
        del buffer[:at]
        if self.is_over:
            return
        peer = self.peer
        if peer.acknowledges and (self.vr - self.acked_by_us) % RING >= peer.w:
            self.send_s()
        peer.pump(self, now)

    def _frame(self, frame: bytes, now: float) -> None:
        first = frame[2]
        if not first & 1:
            ns = (first | frame[3] << 8) >> 1
            if ns != self.vr:
                self.fault(f"N(S) {ns} where {self.vr} was due")
            if not self.is_started and not self.is_stopping:
                self.fault(f"I-frame while stopped: {frame.hex(' ')}")
            self.vr = (ns + 1) % RING
            if self.unacked_since is None:
                self.unacked_since = now
            if (self.vr - self.acked_by_us) % RING > self.peer.k:
                self.fault(f"more than k {self.peer.k} I-frames unacknowledged")
            self._acknowledged((frame[4] | frame[5] << 8) >> 1, now)
            self.peer.on_i(self, frame, now)
        elif first == 1:
            if not self.is_started and not self.is_stopping:
                self.fault("S-frame while stopped")
            self._acknowledged((frame[4] | frame[5] << 8) >> 1, now)
        else:
            function = first
            if len(frame) != 6 or function not in U_NAMES or any(frame[3:]):
                self.fault(f"malformed U-frame {frame.hex(' ')}")
            elif function in ACTS and self.asked.pop(ACTS[function], None) is None:
                self.fault(f"{U_NAMES[function]} that nobody asked for")
            elif function == TESTFR_ACT:
                if self.peer.answers_tests:
                    self.send_u(TESTFR_CON, now)
            elif function != TESTFR_CON:
                self.peer.on_u(self, function, now)

    def _acknowledged(self, nr: int, now: float) -> None:
        newly = (nr - self.acked_by_them) % RING
        if newly > (self.vs - self.acked_by_them) % RING:
            self.fault(f"N(R) {nr} outside {self.acked_by_them}..{self.vs}")
        elif newly:
            self.acked_by_them = nr
            for _ in range(min(newly, len(self.flight))):
                self.flight.popleft()
            self.peer.on_acknowledged(self, newly, now)

    def ended(self, conn: Conn, why: str, now: float) -> None:
        if not self.is_over:
            self.is_over = True
            self.peer.on_ended(self, why, now)

    def end(self, now: float, reset: bool = False) -> None:
        """We close it."""
        if not self.is_over:
            self.is_over = True
            self.conn.close(reset)
            self.peer.on_ended(self, "ours", now)

    # time

    def tick(self, now: float) -> None:
        peer = self.peer
        is_late = self.unacked_since is not None and now - self.unacked_since > peer.t2
        if is_late and peer.acknowledges and (self.is_started or self.is_stopping):
            self.send_s()
        if not self.is_strict:
            return
        for function, since in list(self.asked.items()):
            if now - since > peer.slack + (peer.their_t1 if function == STOPDT_ACT else 0):
                self.fault(f"{U_NAMES[function]} unanswered for {now - since:.1f} s")
                del self.asked[function]
        if self.flight and now - self.flight[0] > peer.their_t2 + peer.slack:
            self.fault(f"an I-frame is unacknowledged for {now - self.flight[0]:.1f} s")
            self.is_strict = False

    def fault(self, what: str) -> None:
        if self.is_strict:
            self.peer.complain(what)
