"""The referee's book of one group: what the station sent, who got it, who asked what.

Events are numbered by the station in the order they go on the wire, over all its connections.
What the gateway owes, after the design:

* Within one session of a master (from the STARTDT con that begins it to the end of its connection,
  or to STOPDT con) numbers have no gap, come in order and once. Missing may only be what the
  gateway never acknowledged to the station on a connection that has ended.
* A session begins no later than with the first event that the station sent after the master had
  its STARTDT con. It may begin earlier: with events kept while no master was there.
* What the gateway has acknowledged while no master was there is given to the next one.
* When a started connection of a pair takes over, the new one begins at most a window earlier, with
  what was not acknowledged; from there on without a gap.
* An answer of the station stands in the same stream, for the one who asked and in nobody else's.
* A command reaches the station once, soon, and not after its master has gone; or it is refused.
"""

from bisect import bisect_right
from collections import Counter, deque
from dataclasses import dataclass, field

FEW = 12
"""Findings of one kind that are told in full."""
LONGEST = 120.0
"""Seconds a fault lasts at most."""
AFTERMATH = 8.0
"""Seconds after a fault in which timers may still run out because of it."""
_PATIENCE = 20.0
_NEVER = float("inf")


@dataclass(slots=True)
class Span:
    """The events sent over one connection of the station."""

    first: int
    began: float
    end: int = 0
    acked: int = 0
    ended: float = _NEVER
    epoch: int = 0


@dataclass(slots=True, eq=False)
class Question:
    """A control-direction ASDU of one master, unlike every other."""

    key: tuple[str, int]
    master: str
    session: "Session"
    line: object
    asked_at: float
    objects: bytes
    terminates: bool
    at_rtu: float = -1.0
    rtu_answers: list[tuple[int, bool]] = field(default_factory=list)
    got: list[tuple[int, bool]] = field(default_factory=list)

    @property
    def was_refused(self) -> bool:
        return any(negative for _, negative in self.got)


@dataclass(slots=True, eq=False)
class Session:
    """A master's data transfer, from M_EI_NA_1 on."""

    master: str
    began: float
    owed: int
    last: int = -1
    count: int = 0
    is_over: bool = False
    ended_at: float = _NEVER
    moves: int = 0
    may_replay: bool = False
    was_faulty: bool = False
    is_backlogged: bool = False
    """More is on its way to the gateway than it reads at once: it hears of the end after that."""
    missed: set[int] = field(default_factory=set)
    pending: deque[tuple[int, Question, int]] = field(default_factory=deque)
    """Answers the station has sent: position among the events, question, cause."""
    asked: deque[Question] = field(default_factory=deque)
    """Those whose deadline has not come."""
    overdue: deque[tuple[int, float, Question]] = field(default_factory=deque)
    """Without an answer when it had: position among the events, moment, question."""


@dataclass(slots=True)
class Fault:
    """Something the schedule did, to the entry with this label."""

    kind: str
    label: str
    begin: float
    end: float


class Book:
    """All of one group."""

    def __init__(self, group: int, command_timeout: float, window: int) -> None:
        self.group = group
        self.command_timeout = command_timeout
        self.window = window
        self.next_number = 0
        self.spans: list[Span] = []
        self._firsts: list[int] = []
        self.given = bytearray()
        """Per event: 0 given to nobody, 1 given, 2 nobody owes it any more."""
        self._checked = 0
        self.questions: dict[tuple[str, int], Question] = {}
        self.faults: dict[str, list[Fault]] = {}
        self.station = ""
        """Label of the station's entry."""
        self.clean_since = 0.0
        """Since when nothing was done to this group, nor works on."""
        self.findings: list[str] = []
        self.counts: Counter[str] = Counter()
        self.per_master: dict[str, Counter[str]] = {}
        self.closes: list[tuple[float, str, str]] = []
        """When a connection ended, of which entry, and "ours", "closed" or "reset"."""
        self.epoch = 0
        """Grows when the gateway forgets: it was killed, or the group restarted."""

    def find(self, kind: str, what: str) -> None:
        """Something the gateway must not do."""
        self.counts[f"! {kind}"] += 1
        if self.counts[f"! {kind}"] <= FEW:
            self.findings.append(f"group {self.group}: {kind}: {what}")

    def of(self, master: str) -> Counter[str]:
        return self.per_master.setdefault(master, Counter())

    # The station's events

    def linked(self, now: float) -> Span:
        span = Span(self.next_number, now, self.next_number, self.next_number, epoch=self.epoch)
        self.spans.append(span)
        self._firsts.append(span.first)
        return span

    def send(self, span: Span, count: int) -> range:
        """The numbers of the next events, which go out on this connection."""
        numbers = range(self.next_number, self.next_number + count)
        self.next_number = span.end = numbers.stop
        self.given += bytes(count)
        self.counts["sent"] += count
        return numbers

    def is_unsure(self, number: int) -> bool:
        """Whether the gateway never took it over: sent, and not acknowledged by the end."""
        at = bisect_right(self._firsts, number) - 1
        # Connections without an event have the first number of the next one.
        while at >= 0:
            span = self.spans[at]
            if span.first <= number < span.end:
                return span.ended < _NEVER and number >= span.acked
            at -= 1
        return False

    def forget(self) -> None:
        """The gateway was killed, or the group began anew: what it kept is gone."""
        self.epoch += 1
        for number in range(self._checked, self.next_number):
            if not self.given[number]:
                self.given[number] = 2
                self.counts["events lost with the gateway or its entry"] += 1
        self._checked = self.next_number

    def excuse(self, numbers: range, why: str) -> None:
        """These may have been given to nobody, for a reason."""
        for number in numbers:
            if 0 <= number < self.next_number and not self.given[number]:
                self.given[number] = 2
                self.counts[why] += 1

    # The masters' events

    def event(self, session: Session, number: int, now: float) -> None:
        """A master has got it."""
        session.count += 1
        last = session.last
        if number == last + 1 and number < self.next_number and session.count > 1:
            session.last = number
            self.given[number] = 1
            if session.pending and session.pending[0][0] <= number:
                self._answers_before(session, number)
            return
        self._odd_event(session, number, now)

    def _odd_event(self, session: Session, number: int, now: float) -> None:
        who, last = session.master, session.last
        if not 0 <= number < self.next_number:
            self.find("invented", f"{who} at {now:.3f}: event {number} was never sent")
            return
        self.given[number] = 1
        mine = self.of(who)
        if session.count == 1:
            if number > session.owed:
                self._gap(session, session.owed, number, now)
            elif number < session.owed:
                mine["kept for it"] += session.owed - number
        elif session.may_replay and last - self.window < number <= last:
            session.may_replay = False
            mine["repeated at takeover"] += last + 1 - number
        elif number <= last:
            kind = "reordered" if number in session.missed else "duplicated"
            mine[kind] += 1
            self.find(kind, f"{who} at {now:.3f}: event {number} after {last}")
            return
        else:
            self._gap(session, last + 1, number, now)
        session.last = number
        self._answers_before(session, number)

    def _gap(self, session: Session, first: int, after: int, now: float) -> None:
        lost = [n for n in range(first, after) if not self.is_unsure(n)]
        session.missed.update(range(first, after))
        mine = self.of(session.master)
        mine["unsure"] += after - first - len(lost)
        if lost:
            mine["lost"] += len(lost)
            where = f"session of {session.began:.3f}, owed from {session.owed}"
            which = f"{len(lost)} events, {lost[0]}..{lost[-1]}"
            self.find("lost", f"{session.master} at {now:.3f}: {which} ({where})")

    def _answers_before(self, session: Session, number: int) -> None:
        pending = session.pending
        while pending and pending[0][0] <= number:
            _, question, cause = pending.popleft()
            self.of(session.master)["answers lost"] += 1
            self.find(
                "answer lost",
                f"{session.master}: cause {cause} to {question.key} of {question.asked_at:.3f}"
                f" came not before event {number}",
            )

    # Questions

    def ask(self, question: Question) -> None:
        self.questions[question.key] = question
        question.session.asked.append(question)
        self.counts["questions"] += 1

    def reaches_rtu(self, key: tuple[str, int], now: float, slack: float) -> Question | None:
        """The station was given it; None if nobody asked."""
        question = self.questions.get(key)
        if question is None:
            self.find("invented question", f"{key} at the station")
            return None
        if question.at_rtu >= 0:
            self.find("sent twice", f"{key} of {question.master} at {now:.3f}")
        question.at_rtu = now
        session = question.session
        if now > session.ended_at + slack and not session.is_backlogged:
            self.find(
                "sent after its master had gone",
                f"{key} of {question.master} at {now:.3f}, gone at {session.ended_at:.3f}",
            )
        age = now - question.asked_at
        if age > self.command_timeout + slack and not session.was_faulty:
            self.find("sent late", f"{key} of {question.master} after {age:.1f} s")
        if question.was_refused:
            self.find("sent after its refusal", f"{key} of {question.master}")
        return question

    def rtu_answers(self, question: Question, cause: int, negative: bool, now: float) -> None:
        """The station has put an answer on the wire."""
        question.rtu_answers.append((cause, negative))
        session = question.session
        # Past this the gateway has forgotten the question.
        is_late = now - question.asked_at > 5 * self.command_timeout
        if not session.is_over and not is_late:
            session.pending.append((self.next_number, question, cause))

    def answer(
        self, session: Session, line: object, key: tuple[str, int], cause: int, negative: bool,
        now: float,
    ) -> None:  # fmt: skip
        """A master has got an answer."""
        who = session.master
        question = self.questions.get(key)
        what = f"{who} at {now:.3f}: cause {cause} to {key}"
        if question is None:
            self.find("unasked answer", what)
            return
        if question.master != who:
            self.find("misdelivered", f"{what}, asked by {question.master}")
            return
        if question.session is not session and question.line is not line and not session.moves:
            self.find("misdelivered", f"{what}, asked over an earlier connection")
        is_repeated = (cause, negative) in question.got
        question.got.append((cause, negative))
        self.counts["answers"] += 1
        for at, (_, one, its_cause) in enumerate(session.pending):
            if one is question and its_cause == cause:
                for _ in range(at):
                    _, other, other_cause = session.pending.popleft()
                    self.find("answer lost", f"{what} came before {other_cause} to {other.key}")
                session.pending.popleft()
                break
        if (cause, negative) not in question.rtu_answers:
            if not negative:
                self.find("invented answer", what)
            elif question.at_rtu >= 0:
                self.find("refused though it was sent", what)
            else:
                self.of(who)["refused"] += 1
        elif is_repeated and not session.moves:
            self.find("repeated answer", what)
        elif cause == 10 and not any(c == 7 for c, _ in question.got):
            self.find("termination before confirmation", what)

    def end_session(self, session: Session, now: float) -> None:
        if not session.is_over:
            session.is_over = True
            session.ended_at = now
            session.pending.clear()
            session.asked.clear()
            session.overdue.clear()

    def look_at(self, session: Session, now: float, slack: float) -> None:
        """Whether all was answered that should be by now.

        The gateway's own refusals stand in the master's stream as well: one that has thousands of
        events waiting gets them behind these, so an answer is missed once a later event has come.
        """
        limit = self.command_timeout + slack
        asked = session.asked
        while asked and (asked[0].got or now - asked[0].asked_at > limit):
            question = asked.popleft()
            if question.at_rtu >= 0 and not question.rtu_answers:
                self.counts["questions the station left open"] += 1
            if question.at_rtu < 0 and not question.got:
                session.overdue.append((self.next_number, now, question))
        overdue = session.overdue
        while overdue:
            position, since, question = overdue[0]
            if session.last < position and not (
                now - since > _PATIENCE and session.last == self.next_number - 1
            ):
                break
            overdue.popleft()
            is_open = question.at_rtu < 0 and not question.got
            busy = self._station_was_busy(question.asked_at, since)
            if is_open and not session.was_faulty and not busy:
                self.of(question.master)["unanswered"] += 1
                self.find(
                    "unanswered", f"{question.key} of {question.master}, {question.asked_at:.3f}"
                )

    def _station_was_busy(self, begin: float, end: float) -> bool:
        """Whether it was made unable to take a question."""
        return bool(self.active(self.station, begin - AFTERMATH, end))

    # At the end

    def vanished(self) -> list[int]:
        """Events the gateway has taken over and given to nobody, without an excuse."""
        found: list[int] = []
        for span in self.spans:
            stop = span.acked if span.ended < _NEVER else span.end
            begin = max(span.first, self._checked)
            found += [number for number in range(begin, stop) if not self.given[number]]
        return found

    def fault(self, kind: str, label: str, begin: float, end: float) -> Fault:
        """Something is done to an entry, for a while."""
        fault = Fault(kind, label, begin, end)
        self.faults.setdefault(label, []).append(fault)
        self.clean_since = max(self.clean_since, end + AFTERMATH)
        self.counts[f"fault {kind}"] += 1
        return fault

    def active(self, label: str, begin: float, end: float) -> set[str]:
        """The faults of an entry that were at work at some time from `begin` to `end`."""
        found = set()
        for fault in reversed(self.faults.get(label, ())):
            if fault.begin < begin - LONGEST:
                break
            if fault.begin <= end and fault.end >= begin:
                found.add(fault.kind)
        return found
