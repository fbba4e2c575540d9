"""A master of a group: what it asks is like nothing else, and the book hears all that comes."""

import random
import struct
from collections.abc import Callable, Sequence
from typing import Any

from tests.reliability.book import Book, Question, Session
from tests.reliability.lines import Line
from tests.reliability.net import Conn, Net
from tests.reliability.peer import READ_BASE, TYPES, Peer, key_of
from tests.support.wire import (
    EVENT_SIZE,
    M_BO_NA_1,
    M_EI_NA_1,
    STARTDT_ACT,
    STARTDT_CON,
    STOPDT_ACT,
    STOPDT_CON,
    Asdu,
    asdu,
    interrogation,
)


class Controller(Peer):
    """A master: one connection, or a pair of which one is started."""

    def __init__(
        self, net: Net, book: Book, label: str, chance: random.Random, port: int, ca: int, oa: int
    ) -> None:
        super().__init__(net, book, label, chance)
        self.name = label
        """Its own, where several are masters of one entry."""
        self.row = 0
        """The place of its entry in the file's rows of the group."""
        self.port = port
        self.ca = ca
        self.oa = oa
        self.is_pair = False
        self.wants = True
        self.retry_pause = 0.2
        self.asks_every = 1.0
        self.interrogates_every = 8.0
        self.interrogation_limit = 40.0
        self.gi_data = "all"
        self.start_limit = 5.0
        self.session: Session | None = None
        self.stream: Line | None = None
        """The line that has the data."""
        self.others: list[Line] = []
        self.serial = 0
        self.ids: Any = None
        self.others_started: Callable[[], bool] = lambda: False
        """Whether another master of the group has data transfer."""
        self.is_stationless: Callable[[], bool] = lambda: False
        """Whether the gateway must have noticed that the station is gone."""
        self._connecting = 0
        self._retry_at = 0.0
        self._ask_at = self._interrogate_at = 0.0
        self._gi: tuple[float, bool, Line] | None = None
        self._given_up = 0
        """Interrogations on this line whose answers came not in time: they may come yet."""

    @property
    def lines(self) -> Sequence[Line]:
        return [line for line in (self.stream, *self.others) if line is not None]

    @property
    def is_started(self) -> bool:
        return self.stream is not None and self.stream.is_started and not self.stream.is_stopping

    # connections

    def _connect(self) -> None:
        self._connecting += 1

        def done(conn: Conn | None) -> Line | None:
            now = self.net.now()
            self._connecting -= 1
            if conn is None:
                self.book.of(self.name)["refused connects"] += 1
                self._retry_at = now + self.retry_pause
                return None
            line = Line(self, conn, now)
            if self.is_stationless():
                self.book.find("listens without its station", f"{self.name} at {now:.3f}")
            if self.stream is None:
                self.stream = line
                self._startdt(line, now)
            else:
                self.others.append(line)
            return line

        self.net.connect(self.port, done)

    def _startdt(self, line: Line, now: float) -> None:
        line.send_u(STARTDT_ACT, now)
        line.asked[STARTDT_ACT] = now + self.start_limit  # another one may have to be tested first

    def switch(self) -> None:
        """STARTDT on the other connection of the pair, with or without STOPDT before."""
        if not self.others or self.stream is None or not self.stream.is_started:
            return
        self.stream.is_stopping = True  # a station takes no more of it there
        self._startdt(self.others[0], self.net.now())

    def stop_transfer(self) -> None:
        line, now = self.stream, self.net.now()
        if line is not None and line.is_started and not line.is_stopping:
            if line.vr != line.acked_by_us:
                line.send_s()
            line.send_u(STOPDT_ACT, now)
            line.is_stopping = True

    def start_transfer(self) -> None:
        line = self.stream
        if line is not None and not line.is_started and not line.asked:
            self._startdt(line, self.net.now())

    def abandon(self) -> None:
        """Forget the connection with the data; the gateway does not hear of it."""
        line = self.stream
        if line is not None:
            line.conn.swallows = True
            line.end(self.net.now())

    def close(self, reset: bool) -> None:
        if self.stream is not None:
            self.stream.end(self.net.now(), reset)

    def knock(self) -> None:
        """One connection too many: it is refused, or takes the place of one that is dead."""

        class Guest:
            def received(self, conn: Conn, octets: bytes, now: float) -> None: ...

            def ended(self, conn: Conn, why: str, now: float) -> None: ...

        def done(conn: Conn | None) -> Guest | None:
            if conn is None:
                return None
            conn.send(bytes((0x68, 4, STARTDT_ACT, 0, 0, 0)))
            self.net.later(1.0, lambda: conn.close(self.chance.random() < 0.5))
            return Guest()

        self.net.connect(self.port, done)

    def mark_faulty(self) -> None:
        if self.session is not None:
            self.session.was_faulty = True

    # lines

    def on_u(self, line: Line, function: int, now: float) -> None:
        if function == STARTDT_CON:
            line.is_started = True
            line.is_stopping = False
            line.awaits_initialized = now
            old = self.stream
            if old is not line:
                if line in self.others:
                    self.others.remove(line)
                if old is not None:
                    old.is_started = old.is_stopping = False
                    old.is_strict = False  # what is still on its way there is sent again here
                    self.others.append(old)
                self.stream = line
            line.owed = self.book.next_number
        elif function == STOPDT_CON:
            if line.flight:
                line.fault(f"STOPDT con before {len(line.flight)} I-frames were acknowledged")
            line.is_started = line.is_stopping = False
            if line is self.stream and not self.is_pair:  # the other one may go on with it
                self._end_session(now, line)
        else:
            line.fault(f"U function {function:02x} from a controlled station")

    def _end_session(self, now: float, line: Line) -> None:
        session = self.session
        if session is None:
            return
        self.session = None
        self.book.end_session(session, now)
        self._leave_behind(session.last)
        if not line.is_strict:  # the gateway notices only when its timers run out
            self.net.later(self.interrogation_limit / 2, lambda: self._leave_behind(session.last))
        mine = self.book.of(self.name)
        mine["events"] += session.count
        mine["sessions"] += 1

    def _leave_behind(self, last: int) -> None:
        """What it did not get is kept for the next only if no other is there."""
        if self.others_started():
            behind = range(last + 1, self.book.next_number)
            self.book.excuse(behind, "events of a lost master, another being there")

    def on_acknowledged(self, line: Line, count: int, now: float) -> None: ...

    def on_ended(self, line: Line, why: str, now: float) -> None:
        self.ended(line, why, now)
        self._retry_at = max(self._retry_at, now + self.retry_pause)
        if line in self.others:
            self.others.remove(line)
            return
        if line is not self.stream:
            return
        self.stream = None
        self._gi = None
        self._given_up = 0
        if self.is_pair and self.others:
            self.stream = self.others.pop(0)
            if STARTDT_ACT not in self.stream.asked:  # it was to take over already
                self._startdt(self.stream, now)
        elif not self.is_pair:
            self._end_session(now, line)

    def on_i(self, line: Line, frame: bytes, now: float) -> None:
        if line is not self.stream or not (line.is_started or line.is_stopping):
            return  # sent before the other took over; it came again there
        if line.awaits_initialized is not None:
            self._begins(line, frame, now)
            if frame[6] == M_EI_NA_1:
                return
        session = self.session
        if session is None:
            line.fault(f"data without a session: {frame.hex(' ')}")
            return
        if frame[6] == M_BO_NA_1 and len(frame) == EVENT_SIZE and frame[8] == 3:
            if frame[9] or frame[10] | frame[11] << 8 != self.ca:
                self.book.find("altered event", f"{self.name}: {frame.hex(' ')}")
            self.book.event(session, int.from_bytes(frame[15:19], "little"), now)
            return
        self._answered(line, session, Asdu.of(frame[6:]), now)

    def _begins(self, line: Line, frame: bytes, now: float) -> None:
        """The first frame after STARTDT con."""
        line.awaits_initialized = None
        if frame[6] == M_EI_NA_1:
            if frame[6:] != Asdu(M_EI_NA_1, b"\0\0\0\0", 4, self.ca).octets:
                line.fault(f"odd M_EI_NA_1: {frame.hex(' ')}")
            self._end_session(now, line)
            self.session = Session(self.name, now, line.owed)
            return
        if not self.is_pair or self.session is None:
            line.fault(f"data before M_EI_NA_1: {frame.hex(' ')}")
            self.session = self.session or Session(self.name, now, line.owed)
            return
        self.session.moves += 1
        self.session.may_replay = True
        self.book.of(self.name)["takeovers"] += 1

    def _answered(self, line: Line, session: Session, one: Asdu, now: float) -> None:
        if one.ca != self.ca:
            self.book.find("wrong common address", f"{self.name}: {one}")
        if one.type_id == 1 and one.cause in (2, 20):
            self._told(line, one)
            return
        if one.type_id == M_EI_NA_1:
            line.fault("M_EI_NA_1 without a start")
            return
        if one.cause != 5 and one.oa != self.oa:
            self.book.find("wrong originator", f"{self.name}: {one}")
        if one.type_id == 100:
            self._interrogation_answered(line, one, now)
            return
        key = key_of(one)
        if key is None:
            self.book.find("unasked answer", f"{self.name}: {one}")
            return
        self.book.answer(session, line, key, one.cause, one.is_negative, now)
        if key[0] == "select" and one.cause == 7 and not one.is_negative:
            self._execute(line, session, one, now)

    def _told(self, line: Line, one: Asdu) -> None:
        """Data of an interrogation, whoever asked."""
        self.book.of(self.name)["interrogated data"] += 1
        session = self.session
        is_settled = not self._given_up and session is not None and not session.moves
        is_mine = self._gi is not None and self._gi[2] is line
        wanted = {"all": {20}, "requester": {20}, "background": {2, 20}}[self.gi_data]
        if self.gi_data != "all" and one.cause == 20 and is_settled and not is_mine:
            self.book.find("data of another's interrogation", f"{self.name}: {one}")
        elif one.cause not in wanted:
            self.book.find("altered data", f"{self.name}: {one}")
        if one.oa not in (0, self.oa):
            self.book.find("wrong originator", f"{self.name}: {one}")

    def _interrogation_answered(self, line: Line, one: Asdu, now: float) -> None:
        gi, session = self._gi, self.session
        moved = self._given_up > 0 or (session is not None and session.moves > 0)
        if gi is None or (gi[2] is not line and not moved):
            if not moved:
                self.book.find("misdelivered", f"{self.name} at {now:.3f}: {one}")
            return
        asked_at, is_confirmed, _ = gi
        if one.cause == 10:
            if not is_confirmed and not moved:
                self.book.find("termination before confirmation", f"{self.name}: {one}")
            self._gi = None
            self.book.of(self.name)["interrogations"] += 1
        elif one.is_negative:
            self._gi = None
            self.book.of(self.name)["interrogations refused"] += 1
        elif is_confirmed and not moved:
            self.book.find("repeated answer", f"{self.name} at {now:.3f}: {one}")
        else:
            self._gi = asked_at, True, line

    # asking

    def ask_no_more(self) -> None:
        self._ask_at = self._interrogate_at = float("inf")

    @property
    def is_settled(self) -> bool:
        """Whether nothing that was asked is open."""
        session = self.session
        is_open = session is not None and (session.asked or session.overdue or session.pending)
        return not is_open and self._gi is None

    def pump(self, line: Line, now: float) -> None:
        if line is not self.stream or self.session is None or line.room <= 2:
            return
        if now >= self._interrogate_at and self._gi is None:
            pause = self.interrogates_every * self.chance.uniform(0.5, 1.5)
            self._interrogate_at = now + pause
            self._gi = now, False, line
            self._send(line, interrogation(), now)
        if now >= self._ask_at:
            self._ask_at = now + self.asks_every * self.chance.uniform(0.3, 1.7)
            self.ask(line, self.session, now)

    def ask(self, line: Line, session: Session, now: float) -> None:
        """Something nobody has asked before."""
        number = self.ids()
        kind = self.chance.choice(("command", "command", "command", "select", "read"))
        if kind == "read":
            one = asdu(102, READ_BASE + number, cause=5)
        else:
            type_id = 50 if kind == "select" else self.chance.choice(tuple(TYPES))
            # Points of its own, and points that others want as well.
            own = self.chance.random() < 0.7
            ioa = 100 + self.port % 100 if own else self.chance.randint(1, 4)
            end = b"\x80" if kind == "select" else TYPES[type_id]
            one = asdu(type_id, ioa, struct.pack("<I", number) + end)
        self._ask(line, session, one, now)

    def _execute(self, line: Line, session: Session, selected: Asdu, now: float) -> None:
        objects = selected.objects[:-1] + b"\0"
        if line.room > 0 and self.chance.random() < 0.9 and self._ask_at < float("inf"):
            self._ask(line, session, Asdu(50, objects, 6), now)

    def _ask(self, line: Line, session: Session, one: Asdu, now: float) -> None:
        key = key_of(one)
        assert key is not None
        terminates = key[0] == "command"
        self.book.ask(Question(key, self.name, session, line, now, one.objects, terminates))
        self._send(line, one, now)

    def _send(self, line: Line, one: Asdu, now: float) -> None:
        line.send_i(Asdu(one.type_id, one.objects, one.cause, self.ca, self.oa).octets, now)

    def flood(self, count: int) -> None:
        """Reads far past the window."""
        line, session, now = self.stream, self.session, self.net.now()
        if line is None or session is None or not line.is_started or line.is_stopping:
            return
        line.is_strict = False
        session.was_faulty = session.is_backlogged = True
        for _ in range(count):
            self._ask(line, session, asdu(102, READ_BASE + self.ids(), cause=5), now)

    def tick(self, now: float) -> None:
        for line in self.lines:
            line.tick(now)
        session, stream = self.session, self.stream
        if session is not None:
            self.book.look_at(session, now, self.slack)
        if stream is not None:
            since = stream.awaits_initialized
            is_late = since is not None and now - since > self.slack
            if is_late and stream.is_strict and not self.is_pair:
                self.complain("no M_EI_NA_1 after STARTDT con")
                stream.awaits_initialized = None
            self.pump(stream, now)
        gi = self._gi
        if gi is not None and now - gi[0] > self.interrogation_limit:
            self._gi = None
            self._given_up += 1
            if self.book.clean_since < gi[0] and session is not None and not session.was_faulty:
                self.book.of(self.name)["unanswered"] += 1
                self.book.find("unanswered", f"interrogation of {self.name}, {gi[0]:.3f}")
        wanted = 2 if self.is_pair else 1
        have = len(self.lines) + self._connecting
        if self.wants and have < wanted and now >= self._retry_at:
            self._connect()
