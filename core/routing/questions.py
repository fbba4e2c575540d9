"""Open questions: which master an answer of the RTU belongs to.

Many RTUs answer with originator address 0, some always with 1, so the echo alone never decides. An
answer is matched to a question of the same type, (CA, IOA) and qualifier; the echo only chooses
among several. Pure: the owner of the clock passes ``now`` (monotonic seconds).
"""

import heapq
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, TypeAlias

from core.protocol.asdu import Asdu
from core.protocol.codes import BROADCAST, Cause, CauseNumber, TypeId, TypeNumber
from core.protocol.run import Run
from core.routing.audience import ANSWERS, PRIVATE, object_addresses
from core.routing.guard import COMMANDS, INTERROGATIONS, is_freeze
from core.routing.policy import Seat
from core.routing.same import RUNNING, Key, SameCommand

LIMIT: Final = 65_536
"""Open questions per group; beyond it the oldest confirmed one is forgotten."""
_ALIKE: Final = 512
"""Confirmed questions of one master, equal to the last octet, kept at most: an RTU without ACT_TERM
would pile them up; whose termination comes makes no difference among them."""
_NO_PROOF: Final = 1
"""A slot that proves no echo: some RTUs answer everybody under it."""
_EXPIRED_AT_ONCE: Final = 1000
_SLACK: Final = 16
_UNTAGGED: Final = {tagless: tagless + 13 for tagless in range(45, 52)}
"""Type without time tag -> the one with it: a small RTU may answer 58 by 45."""


class Phase(Enum):
    """What a question still waits for."""

    UNSENT = auto()
    """Its turn, or room in the RTU's window."""
    ASKED = auto()
    """Its first answer."""
    CONFIRMED = auto()
    """Its termination."""
    SILENT = auto()
    """Its first answer, which did not come in time: kept so that it reaches its asker or nobody."""
    EXPIRED = auto()
    """Its termination, which did not come in time: kept likewise."""
    OVER = auto()
    """Nothing, and it is not kept."""


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
    run: Run
    """The one frame it came in."""
    remaining: int = 1
    """Stations still to end it: more than one after a broadcast."""
    others: tuple[tuple[Seat, Asdu], ...] = ()
    """Further askers, each with the ASDU as he sent it: one interrogation may serve several."""
    phase: Phase = Phase.UNSENT
    deadline: float = 0.0
    order: int = 0
    """The smaller, the older."""

    @property
    def askers(self) -> list[tuple[Seat, Asdu]]:
        """All who asked and have not left, each with his own ASDU."""
        own = [] if self.seat is None else [(self.seat, self.asdu)]
        return [*own, *self.others]

    def leave(self, seat: Seat) -> None:
        """One asker is gone: he gets no answer any more."""
        if self.seat == seat:
            self.seat = None
        self.others = tuple(other for other in self.others if other[0] != seat)

    @property
    def is_deactivation(self) -> bool:
        """Whether it asks to stop something."""
        return self.asdu.cause == Cause.DEACTIVATION

    @property
    def is_command(self) -> bool:
        """Whether another master must not send the same meanwhile."""
        return self.asdu.type_id in COMMANDS and self.asdu.cause == Cause.ACTIVATION

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
        if asdu.type_id in INTERROGATIONS:  # a freeze or reset ends with its confirmation
            return not is_freeze(asdu)
        return asdu.type_id in PRIVATE


_OPEN: Final = (Phase.ASKED, Phase.CONFIRMED, Phase.SILENT, Phase.EXPIRED)
_LATE: Final = (Phase.SILENT, Phase.EXPIRED)
_Condition: TypeAlias = tuple[Phase, bool]
"""Phase of a question, and whether it is a deactivation."""
_Place: TypeAlias = tuple[Key, int | None, bytes | None, Phase, bool]
"""Key, originator slot, object octets (None: any), and condition."""


def _is_due(cause: CauseNumber, condition: _Condition) -> bool:
    """Whether a question in this condition waits for this very cause."""
    phase, is_deactivation = condition
    is_unanswered = phase in (Phase.ASKED, Phase.SILENT)
    match cause:
        case Cause.ACTIVATION_TERMINATION:
            return not is_unanswered
        case Cause.DEACTIVATION_CON:
            return is_unanswered and is_deactivation
        case Cause.ACTIVATION_CON:
            return is_unanswered and not is_deactivation
        case _:
            return is_unanswered


def _preference(cause: CauseNumber) -> tuple[tuple[_Condition, ...], ...]:
    """All conditions, the best first; equal ones together."""
    levels: dict[tuple[bool, bool], list[_Condition]] = {}
    for phase in _OPEN:
        for is_deactivation in (False, True):
            condition = phase, is_deactivation
            rank = not _is_due(cause, condition), phase in _LATE
            levels.setdefault(rank, []).append(condition)
    return tuple(tuple(levels[rank]) for rank in sorted(levels))


_DUE_LEVELS: Final = 2
"""The first levels of a preference: those that wait for the cause, fresh and late ones."""
_PREFERENCES: Final = {cause: _preference(cause) for cause in (*ANSWERS, Cause.REQUEST)}


def qualifier_of(asdu: Asdu) -> int:
    """What tells two questions of one type and address apart: QOI, or the request of a QCC."""
    objects = asdu.objects
    if len(objects) < 4:
        return 0
    if asdu.type_id == TypeId.C_IC_NA_1:
        return objects[3]
    return objects[3] & 0x3F if asdu.type_id == TypeId.C_CI_NA_1 else 0


class Questions:
    """All open questions of a group.

    They are indexed by what an answer may be matched with, so that finding the owner costs the same
    however many are open: a flood in one group must not hold up the others.
    """

    def __init__(self, command_timeout: float, term_timeout: float, same: SameCommand) -> None:
        self._same = same
        self._command_timeout = command_timeout
        self._term_timeout = term_timeout
        self._count = 0
        self._echoes: bool | None = None  # whether the RTU does; None: no sign of it yet
        self._index: dict[_Place, _Oldest] = {}
        # Deadlines are constant within a phase, so each is in their order. Ordered dicts, because
        # a plain one searches through all that was ever taken from its front.
        self._phases: dict[Phase, OrderedDict[Question, None]] = {
            phase: OrderedDict() for phase in _OPEN
        }

    def __len__(self) -> int:
        return sum(map(len, self._phases.values()))

    def __iter__(self) -> Iterator[Question]:
        for phase in self._phases.values():
            yield from phase

    def open(self, question: Question, now: float) -> None:
        """Remember a question that goes to the RTU now."""
        if len(self) >= LIMIT:
            kept = (self._phases[phase] for phase in (Phase.CONFIRMED, *_LATE, Phase.ASKED))
            self._leave(next(iter(next(filter(None, kept)))))
        self._count += 1
        question.order = self._count
        self._enter(question, Phase.ASKED, now, self._command_timeout)

    def answer(self, asdu: Asdu, now: float) -> Question | None:
        """The question a COT 7, 9, 10 or 44..47 from the RTU answers; None: nobody asked.

        The question moves on, and is forgotten when nothing more is due.
        """
        if asdu.ioa is None:
            return None
        keys = self._keys(asdu, asdu.type_id)
        best = self._best(asdu, keys)
        if best is None and asdu.type_id in _UNTAGGED:
            keys = self._keys(asdu, _UNTAGGED[asdu.type_id])
            best = self._best(asdu, keys)
        if best is not None:
            self._learn_echo(asdu, best, keys)
            self._advance(best, asdu, now)
        return best

    def read_by(self, asdu: Asdu) -> list[Question]:
        """The reads that data with COT 5 answers, at most one per object; they are ended."""
        found = []
        for ioa in object_addresses(asdu):
            best = self._best(asdu, [(TypeId.C_RD_NA_1, asdu.ca, ioa, 0)])
            if best is not None:
                self._leave(best)
                found.append(best)
        return found

    def end(self, question: Question) -> None:
        """Nothing more is due to a question, whatever it waited for."""
        if question.phase in _OPEN:
            self._leave(question)

    def end_oldest(self, key: Key) -> None:
        """End the oldest of these: it was answered by what is no answer by its cause."""
        for phase in _OPEN:
            here = self._index.get((key, None, None, phase, False))
            if here is not None:
                self._leave(here.first)
                return

    def renew(self, question: Question, now: float) -> None:
        """Its data arrives: it is served, and has all its time again until the termination."""
        if question.phase in _OPEN:
            self._leave(question)
            self._enter(question, Phase.CONFIRMED, now, self._term_timeout)

    def give_up(self, question: Question, now: float) -> None:
        """Wait for its answer no more, but remember it."""
        if question.phase in (Phase.ASKED, Phase.CONFIRMED):
            late = Phase.SILENT if question.phase is Phase.ASKED else Phase.EXPIRED
            self._leave(question)
            self._enter(question, late, now, 5 * self._command_timeout)

    def leave(self, seat: Seat) -> None:
        """The master is gone: its questions stay open, their answers are for nobody."""
        for question in self:
            question.leave(seat)
        self._same.leave(seat)

    def clear(self) -> None:
        """The RTU is gone, and with it everything it was asked."""
        self._index.clear()
        self._same.clear()
        self._echoes = None
        for phase in self._phases.values():
            phase.clear()

    def expire(self, now: float) -> list[Question]:
        """Move on what has passed its deadline; the questions that got no answer at all.

        After a flood only so many at once, the rest at the next call: ``due`` stays in the past.
        """
        silent = []
        left = _EXPIRED_AT_ONCE
        for phase in (*_LATE, Phase.CONFIRMED, Phase.ASKED):
            while (question := next(iter(self._phases[phase]), None)) is not None:
                if question.deadline > now or not left:
                    break
                left -= 1
                if phase in _LATE:
                    self._leave(question)
                    continue
                if phase is Phase.ASKED:
                    silent.append(question)
                self.give_up(question, now)
        return silent

    @property
    def due(self) -> float:
        """The next deadline (monotonic seconds)."""
        firsts = (next(iter(phase), None) for phase in self._phases.values())
        return min((q.deadline for q in firsts if q is not None), default=float("inf"))

    def _keys(self, asdu: Asdu, type_id: TypeNumber) -> list[Key]:
        ioa, qualifier = asdu.ioa or 0, qualifier_of(asdu)
        cas = (asdu.ca,) if asdu.ca == BROADCAST else (asdu.ca, BROADCAST)
        return [(type_id, ca, ioa, qualifier) for ca in cas]

    def _best(self, asdu: Asdu, keys: Sequence[Key]) -> Question | None:
        """In this order: echoed slot, identical objects, waiting for this, not expired, oldest."""
        for slot, octets, level in self._searches(asdu):
            places = [(key, slot, octets, *condition) for key in keys for condition in level]
            firsts = [self._index[place].first for place in places if place in self._index]
            if firsts:
                return min(firsts, key=lambda question: question.order)
        return None

    def _searches(
        self, asdu: Asdu
    ) -> Iterator[tuple[int | None, bytes | None, tuple[_Condition, ...]]]:
        """What to look for, the best first."""
        objects, levels = asdu.objects, _PREFERENCES[asdu.cause]
        due, fresh = levels[:_DUE_LEVELS], levels[:1]
        echo = 0 if asdu.oa == _NO_PROOF and self._echoes is False else asdu.oa
        if echo == _NO_PROOF and self._echoes is None:
            # It may be no echo: it does not outweigh that only somebody else waits for this.
            careful = (
                (echo, objects, due), (None, objects, fresh), (echo, objects, levels),
                (echo, None, due), (None, None, fresh),
            )  # fmt: skip
            for slot, octets, some in careful:
                for level in some:
                    yield slot, octets, level
        for slot in (echo, None) if echo else (None,):
            for octets in (objects, None):
                for level in levels:
                    yield slot, octets, level

    def _learn_echo(self, asdu: Asdu, question: Question, keys: Sequence[Key]) -> None:
        """See from an answer whether the RTU echoes slots.

        A doubt is taken back: an answer too many may have been mistaken for another's.
        """
        if self._echoes or not asdu.oa:
            return
        if question.slot == asdu.oa:
            if asdu.oa != _NO_PROOF:
                self._echoes = True
            return
        waiting = sum(
            self._index[place].n
            for key in keys
            for level in _PREFERENCES[asdu.cause][:_DUE_LEVELS]
            for condition in level
            if (place := (key, None, None, *condition)) in self._index
        )
        if waiting == 1:
            self._echoes = False

    def _advance(self, question: Question, asdu: Asdu, now: float) -> None:
        cause = asdu.cause
        if cause == Cause.ACTIVATION_CON and not asdu.is_negative:
            if question.is_read:  # some RTUs confirm a read; the data is still due
                return
            if question.is_terminated:
                if question.phase is Phase.ASKED:
                    self._confirm(question, now)
                return
        question.remaining -= 1
        if question.remaining <= 0:
            self._leave(question)
        elif question.phase is Phase.ASKED:
            self._confirm(question, now)

    def _confirm(self, question: Question, now: float) -> None:
        self._leave(question)
        self._enter(question, Phase.CONFIRMED, now, self._term_timeout)
        alike = self._index[_places(question)[0]]
        if alike.n > _ALIKE:
            oldest = alike.first
            if (oldest.seat, oldest.asdu) == (question.seat, question.asdu):
                self._leave(oldest)

    def _enter(self, question: Question, phase: Phase, now: float, seconds: float) -> None:
        question.phase = phase
        question.deadline = now + seconds
        self._phases[phase][question] = None
        for place in _places(question):
            here = self._index.get(place)
            if here is None:
                here = self._index[place] = _Oldest(phase)
            here.add(question)
        if question.is_command:
            key, seat = question.key, question.seat
            if phase is Phase.ASKED:
                self._same.wait(key, seat)
            elif phase is Phase.CONFIRMED:
                self._same.run(key, seat, self._runs_until(question))
            elif phase is Phase.SILENT:
                self._same.fall_silent(key, seat, self._silent_until(question))

    def _leave(self, question: Question) -> None:
        phase = question.phase
        del self._phases[phase][question]
        places = _places(question)
        question.phase = Phase.OVER
        for place in places:
            here = self._index[place]
            here.remove_one()
            if not here.n:
                del self._index[place]
        if question.is_command:
            key, seat = question.key, question.seat
            if phase is Phase.ASKED:
                self._same.wait_no_more(key, seat)
            elif phase is Phase.CONFIRMED:
                self._same.run_no_more(key, seat, self._runs_until(question))
            elif phase is Phase.SILENT:
                self._same.be_silent_no_more(key, seat, self._silent_until(question))

    def _runs_until(self, question: Question) -> float:
        """When a confirmed command is no longer taken to run."""
        return question.deadline - self._term_timeout + RUNNING

    def _silent_until(self, question: Question) -> float:
        """How long a command without answer keeps others out."""
        return question.deadline - 4 * self._command_timeout


class _Oldest:
    """The questions of one place, by age; who has left the place's phase counts no more."""

    __slots__ = ("_heap", "_phase", "n")

    def __init__(self, phase: Phase) -> None:
        self.n = 0
        self._phase = phase
        self._heap: list[tuple[int, Question]] = []

    def add(self, question: Question) -> None:
        self.n += 1
        heapq.heappush(self._heap, (question.order, question))

    def remove_one(self) -> None:
        """One has changed its phase. Cleared up now and then, so that it costs next to nothing."""
        self.n -= 1
        if len(self._heap) > 2 * self.n + _SLACK:
            self._heap = [entry for entry in self._heap if entry[1].phase is self._phase]
            heapq.heapify(self._heap)

    @property
    def first(self) -> Question:
        """The oldest; IndexError if there is none."""
        while self._heap[0][1].phase is not self._phase:
            heapq.heappop(self._heap)
        return self._heap[0][1]


def _places(question: Question) -> tuple[_Place, ...]:
    """Where a question is found: with and without its slot, with and without its octets."""
    key, slot, objects = question.key, question.slot, question.asdu.objects
    phase, is_deactivation = question.phase, question.is_deactivation
    return (
        (key, slot, objects, phase, is_deactivation),
        (key, slot, None, phase, is_deactivation),
        (key, None, objects, phase, is_deactivation),
        (key, None, None, phase, is_deactivation),
    )
