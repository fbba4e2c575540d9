"""The control direction of a group: what masters ask, in which order the RTU gets it, whose the
answers are.

An ASDU of a master is judged at once: refused, made to wait for its turn (interrogations), or
accepted. What is accepted waits until the RTU's window takes it, at most `command_timeout`; then
its question opens.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from core.protocol.asdu import Asdu
from core.protocol.codes import BROADCAST, Cause, TypeId
from core.protocol.run import Run, address_of
from core.routing import guard
from core.routing.actions import RTU, Action, CloseMaster, Deliver, Kind, Note
from core.routing.clocks import Clocks
from core.routing.files import FILE_TYPES, Files
from core.routing.guard import COMMANDS, INTERROGATIONS, Fault
from core.routing.masters import Masters
from core.routing.policy import Policy, Seat
from core.routing.questions import Phase, Question, Questions, qualifier_of
from core.routing.same import SameCommand
from core.routing.selections import Selections
from core.routing.turns import Turns, Verdict

_ASKING: Final = frozenset(
    {Cause.REQUEST, Cause.ACTIVATION, Cause.DEACTIVATION, Cause.FILE_TRANSFER}
)
_RENEWAL: Final = 1.0
"""Seconds between two renewals of the time an interrogation has."""
_SPEAKS_FOR_ITSELF: Final = FILE_TYPES - {TypeId.F_SC_NB_1}
"""File types: what answers them is found by the session, not by a question."""


Owners: TypeAlias = Sequence[tuple[Seat, int]]
"""Masters an ASDU of the RTU is for, each with his own originator address."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Whose an answer is, and what follows from it."""

    owners: Owners
    actions: Sequence[Action]


@dataclass(slots=True)
class _Unsent:
    """A control ASDU the RTU's window has not taken."""

    question: Question
    accepted_at: float


class Control:
    """The control direction of one group."""

    def __init__(self, policy: Policy, rtu_numbers: Sequence[int], masters: Masters) -> None:
        self._policy = policy
        self._stations = len(rtu_numbers)
        self._masters = masters
        self._same = SameCommand()
        self._questions = Questions(policy.command_timeout, policy.term_timeout, self._same)
        self._selections = Selections(policy.select_timeout)
        self._turns = Turns(policy.gi == "queue", policy.interrogation_timeout)
        self._files = Files()
        self._clocks = Clocks()
        self._unsent: deque[_Unsent] = deque()

    # From the masters

    def from_master(self, seat: Seat, run: Run, now: float, room: int) -> list[Action]:
        """Judge a run: refusals at once, the rest waits for :meth:`to_rtu`."""
        actions: list[Action] = []
        master = self._masters[seat]
        for index, asdu in enumerate(run.asdus()):
            question = self._question(seat, asdu, run.part(index, index + 1))
            refusal = self._refusal(seat, asdu, question, now)
            if refusal is not None:
                actions += refusal
                continue
            buffer = master.policy.buffer - self._turns.waiting_of(seat)
            if master.unsent >= buffer:
                sent = self.to_rtu(room, now)
                actions += sent
                room -= len(sent)
            if master.unsent >= buffer:
                reason = f"more than {master.policy.buffer} control ASDUs wait for the RTU"
                return [*actions, CloseMaster(seat, reason)]
            if asdu.type_id in INTERROGATIONS and not guard.is_freeze(asdu):
                actions += self._interrogate(seat, question, now)
                continue
            if asdu.type_id == TypeId.C_CS_NA_1:
                actions += self._compare_clocks(seat, asdu, now)
            self._accept(question, now)
        return actions

    def _question(self, seat: Seat, asdu: Asdu, run: Run) -> Question:
        ca = self._masters.to_rtu(seat, asdu.ca)
        stations = 1
        if ca is None:  # to all stations; whatever else has no address here is refused
            ca, stations = BROADCAST, self._stations
        key = (asdu.type_id, ca, asdu.ioa or 0, qualifier_of(asdu))
        return Question(asdu, key, seat, self._slot(seat, asdu), run, stations)

    def _slot(self, seat: Seat, asdu: Asdu) -> int:
        match self._policy.oa:
            case "index":
                return seat if seat < 256 else 0
            case "keep":
                return asdu.oa
            case _:
                return 0

    def _refusal(
        self, seat: Seat, asdu: Asdu, question: Question, now: float
    ) -> list[Action] | None:
        """What is said to an ASDU that must not go to the RTU; None if it may."""
        fault = guard.check(asdu, self._masters.to_rtu(seat, asdu.ca) is not None)
        if fault is not None:
            return self._fault(seat, asdu, fault)
        master = self._masters[seat].policy
        why = guard.forbidden(asdu, master.rights, master.clock)
        if not why and asdu.type_id in COMMANDS:
            why = self._selections.objection(question)
            if not why and question.is_command:
                is_anothers = self._same.is_anothers(question.key, seat, now)
                why = "another master's command is under way" if is_anothers else ""
        if why:
            return self._reply(seat, asdu, guard.refusal_of(asdu), why)
        if asdu.type_id in FILE_TYPES:
            reply = self._files.from_master(seat, asdu, now)
            if reply is not None:
                return self._reply(seat, asdu, reply, "another master's file transfer is under way")
        return None

    def _fault(self, seat: Seat, asdu: Asdu, fault: Fault) -> list[Action]:
        match fault:
            case Fault.ANSWER:
                text = f"{asdu.name} with cause {asdu.cause} from a master, ignored"
                return [Note(seat, Kind.MALFORMED, text, asdu=asdu)]
            case Fault.CUT_SHORT:
                text = f"{asdu.name}: fewer octets than announced, ignored"
                return [Note(seat, Kind.MALFORMED, text, asdu=asdu)]
            case Fault.UNKNOWN_TYPE | Fault.UNKNOWN_CAUSE | Fault.UNKNOWN_CA:
                reply = asdu.with_cause(guard.REPLY[fault], negative=True)
            case _:
                reply = guard.refusal_of(asdu)
        return self._reply(seat, asdu, reply, fault.name.lower().replace("_", " "))

    def _reply(self, seat: Seat, asdu: Asdu, reply: Asdu, why: str) -> list[Action]:
        text = f"{asdu.name} CA {asdu.ca} IOA {asdu.ioa} cause {asdu.cause} refused: {why}"
        note = Note(seat, Kind.REFUSED, text, why=why, asdu=asdu)
        return [note, *self._give(seat, asdu, reply)]

    def _give(self, seat: Seat, asdu: Asdu, reply: Asdu) -> list[Action]:
        """The gateway's own answer to an ASDU, under the addresses the master used."""
        if not self._masters[seat].is_started:
            return []
        return [Deliver(Run.of(reply), ((seat, address_of(asdu.oa, asdu.ca)),))]

    def _compare_clocks(self, seat: Seat, asdu: Asdu, now: float) -> list[Action]:
        return [
            Note(
                seat,
                Kind.WARNING,
                f"its time is {abs(difference):.1f} s {'ahead of' if difference > 0 else 'behind'}"
                f" that of {self._masters[other].policy.name or f'master {other}'}:"
                " both set the clock of the RTU",
            )
            for other, difference in self._clocks.set_by(seat, asdu, now)
        ]

    # Interrogations

    def _interrogate(self, seat: Seat, question: Question, now: float) -> list[Action]:
        asdu = question.asdu
        if not question.is_deactivation:
            self._turns.ask(question, seat)
            return self._next_turns(now)
        verdict, unsent = self._turns.deactivate(question, seat)
        match verdict:
            case Verdict.TO_RTU:
                self._accept(question, now)
                return []
            case Verdict.REFUSED:
                why = "no interrogation of this master to deactivate"
                return self._reply(seat, asdu, guard.refusal_of(asdu), why)
        if unsent is not None:
            self._withdraw(seat, unsent)
        reply = asdu.with_cause(Cause.DEACTIVATION_CON, negative=False)
        return [*self._give(seat, asdu, reply), *self._next_turns(now)]

    def _next_turns(self, now: float) -> list[Action]:
        """Let those interrogations go to the RTU whose turn it is."""
        actions: list[Action] = []
        for stuck in self._turns.free(now):
            text = f"{stuck.asdu.name}: no progress, its turn is over"
            actions += [Note(seat, Kind.WARNING, text) for seat, _ in stuck.askers]
            self._questions.give_up(stuck, now)
        while (question := self._turns.next()) is not None:
            self._accept(question, now)
        return actions

    # To the RTU

    def _accept(self, question: Question, now: float) -> None:
        self._unsent.append(_Unsent(question, now))
        self._count(question, 1)

    def _count(self, question: Question, n: int) -> None:
        """Count what waits for the RTU: +1 from its acceptance, -1 when it waits no more."""
        for seat, _ in question.askers:
            self._masters[seat].unsent += n
        if question.asdu.type_id not in COMMANDS or question.seat is None:
            return
        if n > 0:
            self._selections.accepted(question, question.seat)
        else:
            self._selections.withdrawn(question, question.seat)
        if question.is_command:
            wait = self._same.wait if n > 0 else self._same.wait_no_more
            wait(question.key, question.seat)

    def to_rtu(self, room: int, now: float) -> list[Action]:
        """What goes to the RTU now, at most ``room`` ASDUs; their questions open with it."""
        actions: list[Action] = []
        while self._unsent and len(actions) < room:
            question = self._unsent.popleft().question
            asdu, ca = question.asdu, question.key[1]
            if asdu.cause in _ASKING and asdu.type_id not in _SPEAKS_FOR_ITSELF:
                self._questions.open(question, now)
            self._count(question, -1)
            if asdu.type_id in COMMANDS and question.seat is not None:
                self._selections.sent(question, question.seat, now)
            elif asdu.type_id in INTERROGATIONS and question.is_terminated:
                self._turns.sent(question, now)
            is_general = asdu.type_id == TypeId.C_IC_NA_1 and not question.is_deactivation
            seats = tuple(seat for seat, _ in question.askers) if is_general else ()
            address = address_of(question.slot, ca)
            actions.append(Deliver(question.run, ((RTU, address),), seats))
        return actions

    @property
    def has_unsent(self) -> bool:
        """Whether :meth:`to_rtu` has something to give."""
        return bool(self._unsent)

    @property
    def owes_deactivations(self) -> bool:
        """Whether the gateway still has to end a selection at the RTU."""
        return any(not unsent.question.askers for unsent in self._unsent)

    def _withdraw(self, seat: Seat, only: Question | None = None) -> int:
        """Take back what a master has asked and the RTU was not given; how many ASDUs that are."""
        n = 0
        kept: deque[_Unsent] = deque()
        for unsent in self._unsent:
            question = unsent.question
            seats = [asker for asker, _ in question.askers]
            if seat in seats and only in (None, question):
                n += 1
                if question.asdu.type_id in FILE_TYPES:  # its conversation has a gap now
                    self._files.leave(seat)
                if len(seats) == 1:
                    self._count(question, -1)
                    question.phase = Phase.OVER
                    continue
                self._masters[seat].unsent -= 1
                question.leave(seat)
            kept.append(unsent)
        self._unsent = kept
        return n

    # From the RTU

    def answer(self, asdu: Asdu, now: float) -> Answer | None:
        """Whose a COT 7, 9, 10 or 44..47 is; None if nobody asked."""
        if asdu.cause == Cause.ACTIVATION_TERMINATION:
            self._same.rtu_terminates = True
            if asdu.type_id in INTERROGATIONS:
                self._turns.rtu_terminates = True
        question = self._questions.answer(asdu, now)
        file_of = self._files.answered(asdu, now) if asdu.type_id in FILE_TYPES else None
        if question is None:
            return None if file_of is None else Answer([file_of], [])
        actions: list[Action] = []
        if question.asdu.type_id in COMMANDS:
            self._selections.answered(question, asdu)
        elif question.asdu.type_id in INTERROGATIONS:
            actions = self._interrogation_answered(question, asdu, now)
        return Answer(_owners(question.askers), actions)

    def _interrogation_answered(self, question: Question, asdu: Asdu, now: float) -> list[Action]:
        is_done = asdu.cause < Cause.UNKNOWN_TYPE and not asdu.is_negative
        if question.is_deactivation and question.phase is Phase.OVER and is_done:
            for ended in self._turns.ended_by(question):
                self._questions.end(ended)
        self._turns.confirmed(question, now)
        return self._next_turns(now)

    def readers_of(self, asdu: Asdu) -> Owners | None:
        """Whose read this data with COT 5 answers; None if none of it was read."""
        found = self._questions.read_by(asdu)
        if not found:
            return None
        return _owners(asker for question in found for asker in question.askers)

    def interrogators_of(self, asdu: Asdu) -> Owners | None:
        """Whose interrogation this data belongs to; None if nobody's runs."""
        askers = self._turns.askers_of(asdu)
        return None if askers is None else _owners(askers)

    def interrogated(self, now: float) -> None:
        """Data of an interrogation has come."""
        for question in self._turns.progressed(now):
            whole = self._policy.term_timeout
            if question.phase is not Phase.CONFIRMED or question.deadline - now < whole - _RENEWAL:
                self._questions.renew(question, now)

    def file_owner(self, asdu: Asdu, now: float) -> Owners:
        """Whose this ASDU of a file transfer is."""
        if asdu.type_id == TypeId.F_FR_NA_1:  # it is what a call by time range is answered with
            self._questions.end_oldest((TypeId.F_SC_NB_1, asdu.ca, asdu.ioa or 0, 0))
        owner = self._files.from_rtu(asdu, now)
        return [] if owner is None else [owner]

    # Lives

    def rtu_lost(self) -> None:
        """The RTU link is over; everything it was asked is forgotten."""
        self._questions.clear()
        self._selections.clear()
        self._turns.clear()
        self._files.clear()
        self._unsent.clear()
        for master in self._masters:
            master.unsent = 0

    def master_stopped(self, seat: Seat, why: str, now: float) -> list[Action]:
        """Nothing of a master that stopped or left may be carried out later."""
        n = self._withdraw(seat)
        actions: list[Action] = []
        if n:
            text = f"{n} control ASDUs not yet sent to the RTU were dropped: {why}"
            actions.append(Note(seat, Kind.DROPPED, text, n))
        self._turns.forget(seat)
        return [*actions, *self.end_selections(seat, now), *self._next_turns(now)]

    def master_lost(self, seat: Seat, now: float) -> list[Action]:
        """Its link is over: what it asked stays open, the answers are for nobody."""
        actions = self.master_stopped(seat, "the link ended", now)
        self._questions.leave(seat)
        self._files.leave(seat)
        self._clocks.leave(seat)
        return actions

    def end_selections(self, seat: Seat, now: float) -> list[Action]:
        """End a master's selections at the RTU, because the master cannot any more."""
        return self._owe(self._selections.end(seat, now), now)

    def end_all_selections(self, now: float) -> list[Action]:
        """End every master's."""
        return self._owe(self._selections.end_all(now), now)

    def _owe(self, deactivations: Iterable[Question], now: float) -> list[Action]:
        actions: list[Action] = []
        for question in deactivations:
            asdu = question.asdu
            self._accept(question, now)
            text = f"{asdu.name} IOA {asdu.ioa}: the selection is ended by the gateway"
            actions.append(Note(RTU, Kind.INFO, text))
        return actions

    # Time

    @property
    def due(self) -> float:
        """When :meth:`handle_timeout` has something to do (monotonic seconds)."""
        due = min(self._questions.due, self._selections.due, self._turns.due)
        if self._unsent:
            due = min(due, self._unsent[0].accepted_at + self._policy.command_timeout)
        return due

    def handle_timeout(self, now: float) -> list[Action]:
        """Refuse what could not be sent in time; give up what got no answer."""
        actions: list[Action] = []
        while self._unsent and now >= self._unsent[0].accepted_at + self._policy.command_timeout:
            actions += self._too_late(self._unsent.popleft().question)
        for question in self._questions.expire(now):
            asdu = question.asdu
            text = f"{asdu.name} IOA {asdu.ioa}: no answer from the RTU"
            seats = [seat for seat, _ in question.askers] or [RTU]
            actions += [Note(seat, Kind.EXPIRED, text) for seat in seats]
        actions += self._owe(self._selections.expire(now), now)
        return [*actions, *self._next_turns(now)]

    def _too_late(self, question: Question) -> list[Action]:
        """Refuse what the RTU's window has not taken in time: it must not be carried out later."""
        why = f"not sent to the RTU within {self._policy.command_timeout:g} s"
        self._count(question, -1)
        question.phase = Phase.OVER
        if not question.askers:
            asdu = question.asdu
            text = f"{asdu.name} IOA {asdu.ioa}: the deactivation of a selection was {why}"
            return [Note(RTU, Kind.WARNING, text)]
        actions: list[Action] = []
        for seat, asdu in question.askers:
            if asdu.type_id in FILE_TYPES:
                self._files.leave(seat)
            actions += self._reply(seat, asdu, guard.refusal_of(asdu), why)
        return actions


def _owners(askers: Iterable[tuple[Seat, Asdu]]) -> Owners:
    """Each master once, with his own originator address."""
    found: dict[Seat, int] = {}
    for seat, asdu in askers:
        found.setdefault(seat, asdu.oa)
    return list(found.items())
