"""Open questions: which master an answer of the RTU belongs to.

Many RTUs answer with originator address 0, some always with 1, so the echo alone never decides. An
answer is matched to a question of the same type, (CA, IOA) and qualifier; the echo only chooses
among several. Pure: the owner of the clock passes ``now`` (monotonic seconds).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, TypeAlias

from core.protocol.asdu import Asdu
from core.protocol.codes import BROADCAST, Cause, TypeId, TypeNumber
from core.routing.audience import PRIVATE, object_addresses
from core.routing.guard import COMMANDS

Seat: TypeAlias = int
"""Place of a master in its group, 1..n, also its originator slot; 0 is the RTU."""
Key: TypeAlias = tuple[TypeNumber, int, int, int]
"""Type, common address, object address, qualifier."""

LIMIT: Final = 65_536
"""Open questions per group; beyond it the oldest confirmed one is forgotten."""
_CONFIRMED_PER_KEY: Final = 16
"""Confirmed ones kept per key and master: RTUs without ACT_TERM would pile them up."""
_UNTAGGED: Final = {tagless: tagless + 13 for tagless in range(45, 52)}
"""Type without time tag -> the one with it: a small RTU may answer 58 by 45."""


class Phase(Enum):
    """What a question still waits for."""

    ASKED = auto()
    """Its first answer."""
    CONFIRMED = auto()
    """Its termination."""
    EXPIRED = auto()
    """Nothing: kept so that a late answer reaches its asker or nobody."""


@dataclass(slots=True, eq=False)
class Question:
    """One control-direction ASDU on its way to the RTU and back."""

    asdu: Asdu
    """As the master sent it: own originator address, own common address."""
    key: Key
    """With the RTU's common address."""
    seat: Seat | None
    """The asker; None once he has left."""
    slot: int
    """The originator address the RTU was given."""
    remaining: int = 1
    """Stations still to end it: more than one after a broadcast."""
    phase: Phase = field(default=Phase.ASKED)
    deadline: float = 0.0

    @property
    def is_deactivation(self) -> bool:
        """Whether it asks to stop something."""
        return self.asdu.cause == Cause.DEACTIVATION

    @property
    def is_read(self) -> bool:
        """Whether it is answered by data."""
        return self.asdu.type_id == TypeId.C_RD_NA_1

    @property
    def is_terminated(self) -> bool:
        """Whether a termination follows the confirmation."""
        asdu = self.asdu
        if asdu.cause != Cause.ACTIVATION:
            return False
        if asdu.type_id in COMMANDS:
            return not asdu.is_select
        if asdu.type_id == TypeId.C_CI_NA_1:  # a freeze or reset ends with its confirmation
            return not asdu.objects[3] & 0xC0
        return asdu.type_id == TypeId.C_IC_NA_1 or asdu.type_id in PRIVATE

    def waits_for(self, cause: int) -> bool:
        """Whether this cause is the answer that is due."""
        if cause == Cause.ACTIVATION_TERMINATION:
            return self.phase is Phase.CONFIRMED
        if cause == Cause.DEACTIVATION_CON:
            return self.is_deactivation and self.phase is Phase.ASKED
        return self.phase is Phase.ASKED and not (
            cause == Cause.ACTIVATION_CON and self.is_deactivation
        )


def qualifier_of(asdu: Asdu) -> int:
    """What tells two questions of one type and address apart: QOI, or the request of a QCC."""
    objects = asdu.objects
    if len(objects) < 4:
        return 0
    if asdu.type_id == TypeId.C_IC_NA_1:
        return objects[3]
    return objects[3] & 0x3F if asdu.type_id == TypeId.C_CI_NA_1 else 0


class Questions:
    """All open questions of a group."""

    def __init__(self, command_timeout: float, term_timeout: float) -> None:
        self._command_timeout = command_timeout
        self._term_timeout = term_timeout
        self._by_key: dict[Key, list[Question]] = {}
        # Deadlines are constant within a phase, so each dict is in order of its deadlines.
        self._phases: dict[Phase, dict[Question, None]] = {phase: {} for phase in Phase}

    def __len__(self) -> int:
        return sum(map(len, self._phases.values()))

    def __iter__(self) -> Iterator[Question]:
        for phase in self._phases.values():
            yield from phase

    def open(self, question: Question, now: float) -> None:
        """Remember a question that goes to the RTU now."""
        if len(self) >= LIMIT:
            victims = self._phases[Phase.CONFIRMED] or self._phases[Phase.EXPIRED]
            self._forget(next(iter(victims or self._phases[Phase.ASKED])))
        same = self._by_key.setdefault(question.key, [])
        confirmed = [q for q in same if q.phase is Phase.CONFIRMED and q.seat == question.seat]
        if len(confirmed) >= _CONFIRMED_PER_KEY:
            self._forget(confirmed[0])
            same = self._by_key.setdefault(question.key, [])
        same.append(question)
        self._enter(question, Phase.ASKED, now + self._command_timeout)

    def answer(self, asdu: Asdu, now: float) -> Question | None:
        """The question a COT 7, 9, 10 or 44..47 from the RTU answers; None: nobody asked.

        The question moves on, and is forgotten when nothing more is due.
        """
        cause = asdu.cause
        best = self._best(asdu, self._candidates(asdu), cause)
        if best is not None:
            self._advance(best, asdu, now)
        return best

    def read_by(self, asdu: Asdu) -> list[Question]:
        """The reads that data with COT 5 answers, at most one per object; they are ended."""
        found = []
        for ioa in object_addresses(asdu):
            key = (TypeId.C_RD_NA_1, asdu.ca, ioa, 0)
            best = self._best(asdu, self._by_key.get(key, ()), Cause.REQUEST)
            if best is not None:
                self._forget(best)
                found.append(best)
        return found

    def leave(self, seat: Seat) -> None:
        """The master is gone: its questions stay open, their answers are for nobody."""
        for question in self:
            if question.seat == seat:
                question.seat = None

    def clear(self) -> None:
        """The RTU is gone, and with it everything it was asked."""
        self._by_key.clear()
        for phase in self._phases.values():
            phase.clear()

    def expire(self, now: float) -> list[Question]:
        """Move on what has passed its deadline; the questions that got no answer at all."""
        silent = []
        for phase in (Phase.EXPIRED, Phase.CONFIRMED, Phase.ASKED):
            while (question := next(iter(self._phases[phase]), None)) is not None:
                if question.deadline > now:
                    break
                if phase is Phase.EXPIRED:
                    self._forget(question)
                    continue
                if phase is Phase.ASKED:
                    silent.append(question)
                self._enter(question, Phase.EXPIRED, now + 5 * self._command_timeout)
        return silent

    @property
    def due(self) -> float:
        """The next deadline (monotonic seconds)."""
        firsts = (next(iter(phase), None) for phase in self._phases.values())
        return min((q.deadline for q in firsts if q is not None), default=float("inf"))

    def _candidates(self, asdu: Asdu) -> list[Question]:
        ioa, qualifier = asdu.ioa, qualifier_of(asdu)
        if ioa is None:
            return []
        cas = (asdu.ca,) if asdu.ca == BROADCAST else (asdu.ca, BROADCAST)
        found = [q for ca in cas for q in self._by_key.get((asdu.type_id, ca, ioa, qualifier), ())]
        if not found and asdu.type_id in _UNTAGGED:
            key = (_UNTAGGED[asdu.type_id], asdu.ca, ioa, qualifier)
            found = list(self._by_key.get(key, ()))
        return found

    def _best(self, asdu: Asdu, candidates: Sequence[Question], cause: int) -> Question | None:
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        oa, objects = asdu.oa, asdu.objects
        # min keeps the first of equals, and the lists are in order of age: the oldest.
        return min(
            candidates,
            key=lambda q: (
                not (oa and q.slot == oa),
                q.asdu.objects != objects,
                not q.waits_for(cause),
                q.phase is Phase.EXPIRED,
            ),
        )

    def _advance(self, question: Question, asdu: Asdu, now: float) -> None:
        cause = asdu.cause
        if cause == Cause.ACTIVATION_CON and not asdu.is_negative:
            if question.is_read:  # some RTUs confirm a read; the data is still due
                return
            if question.is_terminated:
                if question.phase is Phase.ASKED:
                    self._enter(question, Phase.CONFIRMED, now + self._term_timeout)
                return
        question.remaining -= 1
        if question.remaining <= 0:
            self._forget(question)
        elif question.phase is Phase.ASKED:
            self._enter(question, Phase.CONFIRMED, now + self._term_timeout)

    def _enter(self, question: Question, phase: Phase, deadline: float) -> None:
        self._phases[question.phase].pop(question, None)
        question.phase = phase
        question.deadline = deadline
        self._phases[phase][question] = None

    def _forget(self, question: Question) -> None:
        del self._phases[question.phase][question]
        same = self._by_key[question.key]
        same.remove(question)
        if not same:
            del self._by_key[question.key]
