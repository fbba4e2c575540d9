"""Selections: who has selected which point, and what the gateway owes the RTU when he goes.

To the RTU there is only one client, so it could not tell a foreign execute from the selecting
master's own. A select therefore closes its point to every other master; and a selection whose
master cannot end it any more is ended by the gateway (60870-5-101, 6.8: select and execute).
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import Final, TypeAlias

from core.protocol.asdu import Asdu
from core.protocol.codes import Cause, TypeNumber
from core.protocol.run import Run
from core.routing.policy import Seat
from core.routing.questions import Question
from core.routing.same import Key

Point: TypeAlias = tuple[int, int]
"""Common address and object address."""

LIMIT: Final = 65_536
"""Selections per group; beyond it a select is refused."""
_ENDED_BY: Final = frozenset({9, 44, 45, 46, 47})
"""Answers that end a selection whatever P/N says."""


@dataclass(slots=True, eq=False)
class _Selection:
    select: Question
    seat: Seat
    until: float
    deactivation: Question | None = None
    """The gateway's own, once the selecting master cannot end it any more."""


class Selections:
    """All selections of a group."""

    def __init__(self, select_timeout: float) -> None:
        self._timeout = select_timeout
        # By deadline: all are given the same time.
        self._by_key: OrderedDict[Key, _Selection] = OrderedDict()
        self._by_point: dict[Point, dict[TypeNumber, _Selection]] = {}
        self._unsent_selects: dict[Point, Counter[Seat]] = {}
        self._unsent: Counter[Key] = Counter()

    def objection(self, question: Question) -> str:
        """Why a master's command must not go to the RTU now; empty if it may."""
        point = _point_of(question)
        for selection in self._by_point.get(point, {}).values():
            if selection.deactivation is not None:
                return "a selection of the point is being ended"
            if selection.seat != question.seat:
                return "selected by another master"
        if any(seat != question.seat for seat in self._unsent_selects.get(point, ())):
            return "selected by another master"
        if _is_select(question) and len(self._by_key) >= LIMIT:
            return "too many selections"
        return ""

    def accepted(self, question: Question, seat: Seat) -> None:
        """A master's command waits for room in the RTU's window."""
        self._unsent[question.key] += 1
        if _is_select(question):
            self._unsent_selects.setdefault(_point_of(question), Counter())[seat] += 1

    def withdrawn(self, question: Question, seat: Seat) -> None:
        """It waits no more: it is sent, or never will be."""
        self._unsent[question.key] -= 1
        if not self._unsent[question.key]:
            del self._unsent[question.key]
        if _is_select(question):
            point = _point_of(question)
            seats = self._unsent_selects[point]
            seats[seat] -= 1
            if not seats[seat]:  # and nobody else's: others could not select it meanwhile
                del self._unsent_selects[point]

    def sent(self, question: Question, seat: Seat, now: float) -> None:
        """A master's command went to the RTU: a select opens a selection, all else ends it."""
        self._drop(question.key)
        if _is_select(question):
            self._put(question.key, _Selection(question, seat, now + self._timeout))

    def answered(self, question: Question, asdu: Asdu) -> None:
        """The RTU has answered a command, or the gateway's own deactivation."""
        selection = self._by_key.get(question.key)
        if selection is None:
            return
        is_refused = asdu.is_negative or asdu.cause in _ENDED_BY
        if question is selection.deactivation or (question is selection.select and is_refused):
            self._drop(question.key)

    def end(self, seat: Seat, now: float) -> list[Question]:
        """A master cannot end its selections any more: the deactivations to send for them.

        What it has asked of a selection and the RTU was not given yet goes first, and settles it.
        """
        return [self._owe(key, now) for key in self._endable() if self._by_key[key].seat == seat]

    def end_all(self, now: float) -> list[Question]:
        """The same for all masters."""
        return [self._owe(key, now) for key in self._endable()]

    def _endable(self) -> list[Key]:
        return [
            key
            for key, selection in self._by_key.items()
            if selection.deactivation is None and key not in self._unsent
        ]

    def expire(self, now: float) -> list[Question]:
        """Act on what has passed its time: the deactivations to send."""
        owed = []
        while self._by_key:
            key, selection = next(iter(self._by_key.items()))
            if selection.until > now:
                break
            if selection.deactivation is not None:
                self._drop(key)  # never confirmed; the RTU's own time is over by now too
            elif key in self._unsent:  # its master is about to use, end or renew it
                self._drop(key)
                self._put(key, _Selection(selection.select, selection.seat, now + self._timeout))
            else:
                owed.append(self._owe(key, now))
        return owed

    def clear(self) -> None:
        """The RTU link is over, and with it every selection."""
        self._by_key.clear()
        self._by_point.clear()
        self._unsent_selects.clear()
        self._unsent.clear()

    @property
    def due(self) -> float:
        """The next deadline (monotonic seconds)."""
        first = next(iter(self._by_key.values()), None)
        return float("inf") if first is None else first.until

    def _owe(self, key: Key, now: float) -> Question:
        old = self._by_key[key]
        select = old.select
        asdu = select.asdu.with_cause(Cause.DEACTIVATION, negative=False)
        deactivation = Question(asdu, key, None, select.slot, Run.of(asdu))
        self._drop(key)
        self._put(key, _Selection(select, old.seat, now + self._timeout, deactivation))
        return deactivation

    def _put(self, key: Key, selection: _Selection) -> None:
        self._by_key[key] = selection
        self._by_point.setdefault((key[1], key[2]), {})[key[0]] = selection

    def _drop(self, key: Key) -> None:
        if self._by_key.pop(key, None) is None:
            return
        point = key[1], key[2]
        here = self._by_point[point]
        del here[key[0]]
        if not here:
            del self._by_point[point]


def _point_of(question: Question) -> Point:
    return question.key[1], question.key[2]


def _is_select(question: Question) -> bool:
    return question.asdu.cause == Cause.ACTIVATION and question.asdu.is_select
