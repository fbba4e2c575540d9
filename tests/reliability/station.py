"""The RTU of a group: it numbers its events and answers by its habits, and tells the book."""

import random
import struct
from collections import deque
from collections.abc import Sequence

from tests.reliability.book import Book, Question, Span
from tests.reliability.lines import Line
from tests.reliability.net import Conn, Net
from tests.reliability.peer import Peer, key_of
from tests.support.wire import (
    EVENT_POINTS,
    M_BO_NA_1,
    STARTDT_ACT,
    STARTDT_CON,
    STOPDT_ACT,
    STOPDT_CON,
    Asdu,
    asdu,
)

EVENT = struct.Struct("<BBHHBBBBHBHIB")
GI_POINTS = 3


class Station(Peer):
    """The RTU: numbered events at a rate, answers by its habits."""

    def __init__(
        self, net: Net, book: Book, label: str, chance: random.Random, port: int, ca: int
    ) -> None:
        super().__init__(net, book, label, chance)
        self.port = port
        self.ca = ca
        self.rate = 10.0
        self.oa_habit = "echo"
        self.terminates = True
        self.answer_delay = 0.0
        self.reorders = False
        self.ignores = 0.0
        self.checks_slots = True
        self.owners: dict[str, range] = {}
        """The slots of each master: where several share an entry, any of theirs."""
        self.pending = 0.0
        self.line: Line | None = None
        self.gone_since = net.now()
        """Since when the gateway knows that it is not there; infinite while it is, or may seem."""
        self._span: Span | None = None
        self._numbers: deque[int] = deque()
        self._answers: deque[tuple[bytes, Question | None, int, bool]] = deque()
        self._gi_until = -1.0
        self._gi_line: Line | None = None
        self.interrogation_timeout = 5.0
        self.masters: Sequence[Peer] = ()

    @property
    def lines(self) -> Sequence[Line]:
        return [self.line] if self.line is not None else []

    @property
    def is_started(self) -> bool:
        return self.line is not None and self.line.is_started

    def listen(self) -> None:
        self.net.listen(self.port, self._accept)

    def _accept(self, conn: Conn) -> Line:
        now = self.net.now()
        if self.line is not None:  # it has forgotten the old one, or cannot tell us of its end
            self.line.is_strict = False
            self.line.end(now)
        self.line = line = Line(self, conn, now)
        self.gone_since = float("inf")
        self._span = self.book.linked(now)
        self._numbers.clear()
        self._answers.clear()
        self._gi_until = -1.0
        return line

    def abandon(self) -> None:
        """Forget the present connection; the gateway does not hear of it."""
        if self.line is not None:
            self.line.conn.swallows = True
            self.line.end(self.net.now())

    def stop(self, reset: bool) -> None:
        """Down, with the port."""
        self.net.unlisten(self.port)
        if self.line is not None:
            self.line.end(self.net.now(), reset)

    # lines

    def on_u(self, line: Line, function: int, now: float) -> None:
        if function == STARTDT_ACT:
            if line.is_started:
                line.fault("STARTDT act while started")
            line.send_u(STARTDT_CON, now)
            line.is_started, line.is_stopping = True, False
            self.pump(line, now)
        elif function == STOPDT_ACT:
            if not line.is_started:
                line.fault("STOPDT act while stopped")
            line.is_started, line.is_stopping = False, True
            if line.vr != line.acked_by_us:
                line.send_s()
            self._confirm_stop(line, now)
        else:
            line.fault(f"U function {function:02x} from a controlling station")

    def _confirm_stop(self, line: Line, now: float) -> None:
        if line.is_stopping and not line.flight:
            line.is_stopping = False
            line.send_u(STOPDT_CON, now)

    def stop_transfer(self) -> None:
        """STOPDT con that nobody asked for."""
        if self.line is not None and self.line.is_started and not self.line.flight:
            self.line.is_started = self.line.is_strict = False  # commands may be on their way
            self.line.send_u(STOPDT_CON, self.net.now())

    def on_acknowledged(self, line: Line, count: int, now: float) -> None:
        if line is not self.line or self._span is None:
            return
        for _ in range(min(count, len(self._numbers))):
            number = self._numbers.popleft()
            if number >= 0:
                self._span.acked = number + 1
        self._confirm_stop(line, now)

    def on_ended(self, line: Line, why: str, now: float) -> None:
        if line is self.line:
            self.line = None
            self.ended(line, why, now)
            if self._span is not None:
                self._span.ended = now
                self._span = None
            self._answers.clear()
            if not line.conn.swallows:
                self.gone_since = now
                self._outlived_by([each for m in self.masters for each in m.lines])

    def _outlived_by(self, lines: Sequence[Line]) -> None:
        """The gateway has heard of the end: within a second no master may be connected."""

        def look() -> None:
            for line in lines:
                if not line.is_over and line.is_strict:
                    self.book.find(
                        "outlives its station", f"{line.peer.label} at {self.net.now():.3f}"
                    )

        self.net.later(1.0 + self.slack / 3, look)

    def on_i(self, line: Line, frame: bytes, now: float) -> None:
        one = Asdu.of(frame[6:])
        if one.ca != self.ca:
            line.fault(f"common address {one.ca}, ours is {self.ca}: {one}")
        if one.type_id == 100 and one.cause == 6:
            self._interrogated(line, one, now)
            return
        key = key_of(one)
        if key is None:
            self.book.find("altered question", f"{self.label}: {one}")
            return
        question = self.book.questions.get(key)
        if one.cause == 8 and question is not None:
            self._later(line, one.answer(9), None, now)  # a selection the gateway has ended
            return
        question = self.book.reaches_rtu(key, now, self.slack if line.is_strict else 1e9)
        if question is None:
            return
        if question.objects != one.objects:
            self.book.find("altered question", f"{self.label}: {one}")
        slots = self.owners[question.master]
        if self.checks_slots and one.oa not in slots:
            self.book.find("wrong originator", f"{one.oa} of {question.master}, {slots}")
        if self.chance.random() < self.ignores:
            return
        if key[0] == "read":
            answer = asdu(13, one.ioa, struct.pack("<f", 1.0) + b"\0", 5)
            self._later(line, Asdu(answer.type_id, answer.objects, 5, 0, one.oa), question, now)
            return
        negative = self.chance.random() < 0.1
        self._later(line, one.answer(7, negative), question, now)
        if question.terminates and self.terminates and not negative:
            self._later(line, one.answer(10), question, now)

    def _interrogated(self, line: Line, one: Asdu, now: float) -> None:
        self.book.counts["interrogations at the station"] += 1
        if now < self._gi_until and self._gi_line is line and line.is_strict:
            self.book.find("interrogations overlap", f"{self.label} at {now:.3f}")
        if self.chance.random() < self.ignores:
            self._gi_until, self._gi_line = now + self.interrogation_timeout - 0.5, line
            return
        self._gi_until, self._gi_line = now + self.interrogation_timeout - 0.5, line
        self._later(line, one.answer(7), None, now)
        for n in range(GI_POINTS):
            self._later(line, asdu(1, 2000 + n, b"\1", 20), None, now, one.oa)
        self._later(line, one.answer(10), None, now)

    def _later(
        self, line: Line, answer: Asdu, question: Question | None, now: float, oa: int | None = None
    ) -> None:
        slot = answer.oa if oa is None else oa
        told = {"echo": slot, "zero": 0, "one": 1}[self.oa_habit]
        octets = Asdu(
            answer.type_id, answer.objects, answer.cause, self.ca, told, answer.is_negative,
            answer.is_test, answer.vsq,
        ).octets  # fmt: skip
        item = octets, question, answer.cause, answer.is_negative
        delay = self.answer_delay
        if question is not None and self.reorders:
            # One question's own answers stay in order; those of different ones do not.
            delay += question.key[1] * 7919 % 97 / 97 * 0.5
        if delay:
            self.net.later(delay, lambda: self._give(line, item))
        else:
            self._answers.append(item)

    def _give(self, line: Line, item: tuple[bytes, Question | None, int, bool]) -> None:
        if line is self.line:
            self._answers.append(item)
            self.pump(line, self.net.now())

    def pump(self, line: Line, now: float) -> None:
        if line is not self.line or self._span is None:
            return
        room = line.room
        while room > 0 and self._answers:
            octets, question, cause, negative = self._answers.popleft()
            line.send_i(octets, now)
            self._numbers.append(-1)
            room -= 1
            if question is not None:
                self.book.rtu_answers(question, cause, negative, now)
            elif cause == 10 and octets[0] == 100:
                self._gi_until = -1.0
        n = min(room, int(self.pending))
        if n <= 0:
            return
        self.pending -= n
        out = bytearray()
        for number in self.book.send(self._span, n):
            ns, nr = line.number(now)
            ioa = 1 + number % EVENT_POINTS
            out += EVENT.pack(
                0x68, 18, ns, nr, M_BO_NA_1, 1, 3, 0, self.ca, ioa & 255, ioa >> 8, number, 0
            )
            self._numbers.append(number)
        line.conn.send(bytes(out))

    def flood(self, count: int) -> None:
        """Far past the window, with good numbers."""
        line = self.line
        if line is None or not line.is_started or self._span is None:
            return
        line.is_strict = False
        now = self.net.now()
        saved, self.k = self.k, count
        self.pending += count
        try:
            self.pump(line, now)
        finally:
            self.k = saved

    def tick(self, now: float, passed: float) -> None:
        self.pending = min(self.pending + self.rate * passed, 200_000.0)
        if self.line is not None:
            self.line.tick(now)
        if self.line is not None:
            self.pump(self.line, now)
