"""Interrogations take turns: an RTU serves one at a time, whoever asked.

Those that ask for the same while they wait are served by one interrogation, each as if it were his
own. A turn ends with its question, or when nothing has come of it for so long that the next must
not wait any more.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, TypeAlias

from core.protocol.asdu import Asdu
from core.protocol.codes import BROADCAST, Cause, CauseNumber, TypeId, TypeNumber
from core.routing.policy import Seat
from core.routing.questions import Phase, Question

QUICK_TIMEOUT: Final = 15.0
"""Seconds without progress that end a turn while the RTU has never terminated an interrogation."""
_NEVER: Final = float("inf")

_What: TypeAlias = tuple[TypeNumber, int, int]
"""Type, the RTU's common address, QOI or counter request."""


class Verdict(Enum):
    """What becomes of a deactivation."""

    TO_RTU = auto()
    CONFIRMED = auto()
    """By the gateway: the interrogation was not sent, or goes on for others."""
    REFUSED = auto()
    """There is none of this master's to deactivate."""


@dataclass(slots=True, eq=False)
class _Turn:
    """One interrogation at the RTU."""

    question: Question
    progress_at: float
    """When the RTU was given it, or last did something for it."""


class Turns:
    """The interrogations of a group; ``is_queued`` False lets all go as they come."""

    def __init__(self, is_queued: bool, interrogation_timeout: float) -> None:
        self.rtu_terminates = False
        """Whether this RTU link has ever terminated an interrogation: some RTUs never do."""
        self._is_queued = is_queued
        self._timeout = interrogation_timeout
        self._waiting: OrderedDict[tuple[Seat, _What], Question] = OrderedDict()
        self._waiting_of: Counter[Seat] = Counter()
        self._begun: Question | None = None  # it is its turn, but it is not sent yet
        self._running: dict[tuple[Seat | None, _What], _Turn] = {}
        self._late: _Turn | None = None  # came to nothing, and no other was sent since

    def ask(self, question: Question, seat: Seat) -> None:
        """An interrogation of a master; one like it of the same master that waits is replaced."""
        if (seat, _what(question)) not in self._waiting:
            self._waiting_of[seat] += 1
        self._waiting[seat, _what(question)] = question

    def waiting_of(self, seat: Seat) -> int:
        """How many of a master's interrogations wait for their turn."""
        return self._waiting_of[seat]

    def next(self) -> Question | None:
        """The question to send now, with all who ask the same; None if there is none."""
        if not self._waiting:
            return None
        if self._is_queued and (self._begun is not None or self._running):
            return None
        question = self._take(next(iter(self._waiting)))
        if self._is_queued:
            alike = [key for key, other in self._waiting.items() if _is_alike(question, other)]
            joined = [self._take(key) for key in alike]
            question.others = tuple(asker for other in joined for asker in other.askers)
            self._begun = question
        return question

    def sent(self, question: Question, now: float) -> None:
        """The RTU has been given it."""
        if question is self._begun:
            self._begun = None
        self._running[question.seat, _what(question)] = _Turn(question, now)
        self._late = None

    def progressed(self, now: float) -> Iterable[Question]:
        """Interrogated data has come: what runs is being served."""
        for turn in self._running.values():
            turn.progress_at = now
            yield turn.question

    def confirmed(self, question: Question, now: float) -> None:
        """The RTU has answered this one."""
        for turn in self._running.values():
            if turn.question is question:
                turn.progress_at = now

    def free(self, now: float) -> list[Question]:
        """End the turns that are over; the questions of those that came to nothing."""
        if self._begun is not None and self._begun.phase is Phase.OVER:
            self._begun = None
        if self._late is not None and self._late.question.phase is Phase.OVER:
            self._late = None
        stuck = []
        for key, turn in list(self._running.items()):
            if turn.question.phase is Phase.OVER:
                del self._running[key]
            elif now >= turn.progress_at + self._limit:
                del self._running[key]
                stuck.append(turn.question)
                self._late = turn
        return stuck

    def deactivate(self, question: Question, seat: Seat) -> tuple[Verdict, Question | None]:
        """Judge a deactivation: it is never queued.

        With CONFIRMED also the interrogation it is part of that is not sent yet, if so it is: that
        one is not left yet.
        """
        what = _what(question)
        is_waiting = (seat, what) in self._waiting
        if is_waiting:
            self._take((seat, what))
        own = self._own(seat, what)
        if own is None:
            if is_waiting:
                return Verdict.CONFIRMED, None
            is_anothers = any(_what(turn.question) == what for turn in self._running.values())
            refused = self._is_queued or is_anothers
            return (Verdict.REFUSED if refused else Verdict.TO_RTU), None
        if own is self._begun:
            return Verdict.CONFIRMED, own
        if len(own.askers) == 1:
            return Verdict.TO_RTU, None
        own.leave(seat)
        return Verdict.CONFIRMED, None

    def ended_by(self, deactivation: Question) -> list[Question]:
        """What a confirmed deactivation has ended."""
        return [
            question
            for question in self._sent
            if _what(question) == _what(deactivation)
            and [seat for seat, _ in question.askers] == [s for s, _ in deactivation.askers]
        ]

    def forget(self, seat: Seat) -> None:
        """Nothing of a master that stopped or left may be carried out later."""
        for key in [key for key in self._waiting if key[0] == seat]:
            self._take(key)

    def askers_of(self, asdu: Asdu) -> Sequence[tuple[Seat, Asdu]] | None:
        """Whose interrogation data with COT 20..41 belongs to; None if nobody's runs.

        No asker at all: of those who asked, all have left.
        """
        turns = [*self._running.values()]
        if not turns and self._late is not None:
            turns = [self._late]
        questions = [t.question for t in turns if t.question.key[1] in (asdu.ca, BROADCAST)]
        if not questions:
            return None
        type_id, qualifier = _asked_by(asdu.cause)
        same_type = [q for q in questions if q.key[0] == type_id]
        exactly = [q for q in same_type if q.key[3] == qualifier]
        # Some RTUs say 20 where a group was asked for, some 37 for what is no counter.
        found: dict[Seat, Asdu] = {}
        for question in exactly or same_type or questions:
            for seat, own in question.askers:
                found.setdefault(seat, own)
        return list(found.items())

    def clear(self) -> None:
        """The RTU link is over."""
        self._waiting.clear()
        self._waiting_of.clear()
        self._begun = None
        self._running.clear()
        self._late = None
        self.rtu_terminates = False

    @property
    def due(self) -> float:
        """When the next turn comes to nothing (monotonic seconds)."""
        since = (turn.progress_at for turn in self._running.values())
        return min(since, default=_NEVER) + self._limit

    @property
    def _limit(self) -> float:
        return self._timeout if self.rtu_terminates else min(self._timeout, QUICK_TIMEOUT)

    def _take(self, key: tuple[Seat, _What]) -> Question:
        """One waits no more."""
        self._waiting_of[key[0]] -= 1
        if not self._waiting_of[key[0]]:
            del self._waiting_of[key[0]]
        return self._waiting.pop(key)

    @property
    def _sent(self) -> list[Question]:
        """What runs, and what may still run though its turn is over."""
        late = [] if self._late is None else [self._late]
        return [turn.question for turn in (*self._running.values(), *late)]

    def _own(self, seat: Seat, what: _What) -> Question | None:
        begun = [] if self._begun is None else [self._begun]
        for question in (*self._sent, *begun):
            if _what(question) == what and any(asker == seat for asker, _ in question.askers):
                return question
        return None


def _what(question: Question) -> _What:
    type_id, ca, _, qualifier = question.key
    return type_id, ca, qualifier


def _is_alike(one: Question, other: Question) -> bool:
    """Whether one interrogation serves both: equal but for who asks under which addresses."""
    a, b = one.asdu.octets, other.asdu.octets
    return one.key == other.key and a[:3] == b[:3] and a[6:] == b[6:]


def _asked_by(cause: CauseNumber) -> tuple[TypeNumber, int]:
    """What data with this cause was asked for by (60870-5-101, 7.2.3: causes 20..41)."""
    if cause < Cause.COUNTERS:
        return TypeId.C_IC_NA_1, cause
    return TypeId.C_CI_NA_1, 5 if cause == Cause.COUNTERS else cause - Cause.COUNTERS
