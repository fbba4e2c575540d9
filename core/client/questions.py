"""Requests under way: which answers are theirs, and when they are done.

No sockets, threads or clock: the session gives ASDUs and the time. Real stations differ (mirrors
that were changed, no ACT_TERM, data before the confirmation), so an answer is recognised by type,
common address and object address, and an end that is not reported is assumed after ``grace``.
60870-5-5 clauses 6.6 to 6.12, 60870-5-101 clause 7.2.3.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, TypeAlias

from core.client.errors import (
    UNKNOWN,
    ConnectionLostError,
    ExecutionFailedError,
    IEC104Error,
    NotConnectedError,
    OverflowedError,
    RefusedError,
    RequestTimeoutError,
)
from core.client.results import is_group_of
from core.protocol.asdu import Asdu
from core.protocol.codec import DecodeError, decode_asdu
from core.protocol.codes import BROADCAST, Cause, TypeId, TypeNumber

MOST_ASDUS: Final = 200_000
"""ASDUs kept for one interrogation: a station that never stops must not fill our memory."""
MOST_WAITING: Final = 1000
"""Requests that may wait for others like them, or for the window."""
NEVER: Final = float("inf")

_COUNTERS: Final = frozenset({TypeId.M_IT_NA_1, TypeId.M_IT_TA_1, TypeId.M_IT_TB_1})
_PARAMETERS: Final = frozenset({TypeId.P_ME_NA_1, TypeId.P_ME_NB_1, TypeId.P_ME_NC_1})
_INTERROGATIONS: Final = frozenset({TypeId.C_IC_NA_1, TypeId.C_CI_NA_1})


class Needs(Enum):
    """What completes a request."""

    CONFIRMATION = auto()
    TERMINATION_IF_ANY = auto()
    """ACT_TERM, or nothing more for the grace time after what came last."""
    TERMINATION = auto()
    VALUE = auto()
    """The object that was asked for (read)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request, as octets."""

    confirmation: Asdu | None
    terminated: bool
    data: tuple[Asdu, ...]


Key: TypeAlias = tuple[TypeNumber, int, int]
"""What an answer is recognised by: type (without time tag), common address, object address."""


class Question:
    """One request. ``outcome`` is None until it is done.

    ``make`` gives the ASDU at the moment it is sent. ``due`` is when the caller's patience ends
    (monotonic seconds); the question's own ``due`` may be earlier.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Asdu],
        needs: Needs,
        done: Callable[[Answer | IEC104Error], None],
        *,
        due: float,
        grace: float,
    ) -> None:
        self.name: Final = name
        self.done: Final = done
        """Told the outcome, once."""
        self.needs: Final = needs
        self._make = make
        self._limit = due
        self._grace = grace
        self._grace_due = NEVER
        self.asked: Asdu = make()
        """As it was sent; until then a sample."""
        self.is_sent = False
        self.owes_termination = False
        """An equal request before this one was not terminated: its ACT_TERM may still come."""
        self.outcome: Answer | IEC104Error | None = None
        self._confirmation: Asdu | None = None
        self._is_confirmed = False
        self._stations: set[int] = set()  # that confirmed, for the broadcast address
        self._terminated: set[int] = set()
        self._data: list[Asdu] = []

    @property
    def key(self) -> Key:
        """Requests with the same key are never under way together."""
        asdu = self.asked
        return plain_type(asdu.type_id), asdu.ca, asdu.ioa or 0

    @property
    def due(self) -> float:
        """When :meth:`expire` has something to do."""
        return min(self._limit, self._grace_due)

    @property
    def may_still_terminate(self) -> bool:
        """Whether an ACT_TERM may follow now that it is done."""
        answer, asked = self.outcome, self.asked
        is_order = asked.cause == Cause.ACTIVATION and not asked.is_select
        return is_order and isinstance(answer, Answer) and not answer.terminated

    def conflicts_with(self, other: "Question") -> bool:
        """Whether their answers could not be told apart."""
        mine, theirs = self.key, other.key
        if mine[0] != theirs[0]:
            return False
        return mine[2] == theirs[2] and (mine[1] == theirs[1] or BROADCAST in (mine[1], theirs[1]))

    def send(self) -> Asdu:
        """The ASDU, now that it goes out."""
        self.asked = self._make()
        self.is_sent = True
        return self.asked

    def take(self, asdu: Asdu, now: float) -> bool:
        """Look at an ASDU; whether it was an answer to this."""
        if self.outcome is not None or not self.is_sent or not self._is_station(asdu):
            return False
        if not _is_control(asdu.type_id) and self._take_data(asdu, now):
            return True
        return self._mirrors(asdu) and self._take_mirror(asdu, now)

    def expire(self, now: float) -> None:
        """A deadline has passed."""
        if self.outcome is not None or now < self.due:
            return
        # The time for an interrogation is up only when it is silent: else something is missing.
        is_enough = self.needs is Needs.TERMINATION_IF_ANY and self._is_confirmed
        if now >= self._grace_due or (is_enough and self.asked.type_id not in _INTERROGATIONS):
            self._finish()
        else:
            done = "confirmed, but not ended" if self._is_confirmed else "not confirmed"
            text = f"{self.name}: {done if self.is_sent else 'not sent'} in time"
            self.outcome = RequestTimeoutError(text, was_sent=self.is_sent)

    # Within

    def _is_station(self, asdu: Asdu) -> bool:
        return self.asked.ca in (asdu.ca, BROADCAST)

    def _mirrors(self, asdu: Asdu) -> bool:
        asked = self.asked
        if plain_type(asdu.type_id) != plain_type(asked.type_id) or asdu.ioa != asked.ioa:
            return False
        # Who asks in turn must not take an older answer for a newer one.
        octets = _TOLD_APART_BY.get(asked.type_id, 0)
        return asdu.octets[9 : 9 + octets] == asked.octets[9 : 9 + octets]

    def _take_mirror(self, asdu: Asdu, now: float) -> bool:
        cause = asdu.cause
        if cause in UNKNOWN:
            self.outcome = UNKNOWN[cause](self.name, asdu)
            return True
        match cause:
            case Cause.ACTIVATION_CON if self.asked.cause == Cause.ACTIVATION:
                pass
            case Cause.DEACTIVATION_CON if self.asked.cause == Cause.DEACTIVATION:
                pass
            case Cause.ACTIVATION_TERMINATION if self.asked.cause == Cause.ACTIVATION:
                return self._take_termination(asdu, now)
            case Cause.REQUEST | Cause.ACTIVATION_CON if self.needs is Needs.VALUE:
                # c104 confirms a read before it answers; a mirror with P/N refuses.
                if asdu.is_negative:
                    self.outcome = RefusedError(self.name, asdu)
                return True
            case _:
                return False
        if asdu.is_negative:
            self.outcome = RefusedError(self.name, asdu)
            return True
        self._confirm(asdu, now)
        return True

    def _confirm(self, asdu: Asdu, now: float) -> None:
        self._confirmation = self._confirmation or asdu
        self._stations.add(asdu.ca)
        self._has_confirmed(now)

    def _has_confirmed(self, now: float) -> None:
        self._is_confirmed = True
        if self.needs is Needs.CONFIRMATION and self.asked.ca != BROADCAST:
            self._finish()
        else:
            is_patient = self.needs is Needs.TERMINATION
            self._grace_due = NEVER if is_patient else now + self._grace

    def _take_termination(self, asdu: Asdu, now: float) -> bool:
        if self.owes_termination and not self._is_confirmed:
            self.owes_termination = False
            return False
        if asdu.is_negative:
            self.outcome = ExecutionFailedError(self.name, asdu)
            return True
        self._is_confirmed = True  # some stations only ever send this one
        self._terminated.add(asdu.ca)
        if self.asked.ca != BROADCAST:
            self._finish()
        elif self._stations <= self._terminated:
            # Other stations behind the same link may follow.
            self._grace_due = now + self._grace
        return True

    def _take_data(self, asdu: Asdu, now: float) -> bool:
        asked = self.asked
        match asked.type_id:
            case TypeId.C_IC_NA_1:
                mine = is_group_of(asdu.cause) or (
                    asdu.cause == Cause.COUNTERS and asdu.type_id not in _COUNTERS
                )
            case TypeId.C_CI_NA_1:
                mine = Cause.COUNTERS <= asdu.cause <= Cause.COUNTERS_GROUP_4
            case TypeId.C_RD_NA_1:
                mine = asdu.cause == Cause.REQUEST and _has_object(asdu, asked.ioa or 0)
            case _:
                return False
        if not mine:
            return False
        self._data.append(asdu)
        if asked.type_id == TypeId.C_RD_NA_1:
            self._is_confirmed = True
            self._finish()
        elif len(self._data) > MOST_ASDUS:
            self.outcome = OverflowedError(f"{self.name}: more than {MOST_ASDUS} ASDUs came")
        else:
            self._has_confirmed(now)
        return True

    def _finish(self) -> None:
        is_terminated = bool(self._terminated) and self._stations <= self._terminated
        self.outcome = Answer(self._confirmation, is_terminated, tuple(self._data))


_TOLD_APART_BY: Final[dict[TypeNumber, int]] = {
    TypeId.C_IC_NA_1: 1,
    TypeId.C_CI_NA_1: 1,
    TypeId.C_TS_TA_1: 2,
}
"""How many octets behind the address (QOI, QCC, TSC) an answer must have in common with the
request. A command's mirror may differ: small stations clear the value or S/E."""


def plain_type(type_id: TypeNumber) -> TypeNumber:
    """A command type without its time tag: some stations answer 58 with 45."""
    return type_id - 13 if TypeId.C_SC_TA_1 <= type_id <= TypeId.C_BO_TA_1 else type_id


def _is_control(type_id: TypeNumber) -> bool:
    return TypeId.C_SC_NA_1 <= type_id < 128 and type_id not in _PARAMETERS


def _has_object(asdu: Asdu, ioa: int) -> bool:
    if asdu.ioa == ioa:
        return True
    try:
        return any(obj.ioa == ioa for obj in decode_asdu(asdu.octets).objects)
    except DecodeError:
        return False


class Ledger:
    """All requests of one link: who waits, who is under way, and who may go next.

    Requests with answers alike go one after the other, in the order they came.
    """

    def __init__(self) -> None:
        self._waiting: list[Question] = []
        self._open: list[Question] = []
        self._owed: set[Key] = set()

    @property
    def due(self) -> float:
        """When :meth:`expire` has something to do (monotonic seconds)."""
        return min((one.due for one in (*self._open, *self._waiting)), default=NEVER)

    @property
    def is_open(self) -> bool:
        """Whether any request is under way."""
        return bool(self._open)

    def add(self, question: Question) -> None:
        """A request that wants to be sent; OverflowedError if too many wait."""
        if len(self._waiting) >= MOST_WAITING:
            raise OverflowedError(f"{question.name}: {MOST_WAITING} requests are waiting")
        self._waiting.append(question)

    def next_to_send(self) -> Question | None:
        """The first that may go now; it is under way from here on."""
        for index, one in enumerate(self._waiting):
            before = (*self._open, *self._waiting[:index])
            if not any(one.conflicts_with(other) for other in before):
                self._open.append(self._waiting.pop(index))
                one.owes_termination = one.key in self._owed
                self._owed.discard(one.key)
                return one
        return None

    def take(self, asdu: Asdu, now: float) -> None:
        """An ASDU has come: it may answer one or more."""
        for one in self._open:
            one.take(asdu, now)
        self._settle()

    def expire(self, now: float) -> None:
        """Deadlines have passed."""
        for one in (*self._open, *self._waiting):
            one.expire(now)
        self._settle()

    def give_up(self, question: Question) -> None:
        """Its caller is gone."""
        self._fail([one for one in (*self._open, *self._waiting) if one is question], "given up")

    def lose(self, reason: str) -> None:
        """The link has ended: so have all requests."""
        self._fail([*self._open, *self._waiting], f"connection lost: {reason}")
        self._owed.clear()

    def _fail(self, questions: list[Question], why: str) -> None:
        for one in questions:
            kind = ConnectionLostError if one.is_sent else NotConnectedError
            one.outcome = one.outcome or kind(f"{one.name}: {why}")
        self._settle()

    def _settle(self) -> None:
        for queue in (self._open, self._waiting):
            for one in [one for one in queue if one.outcome is not None]:
                queue.remove(one)
                if one.may_still_terminate:
                    self._owed.add(one.key)
                assert one.outcome is not None
                one.done(one.outcome)
