"""The referee: was every numbered event delivered once and in order, and did every answer go home?

It holds values only. Peers tell it what was sent, asked, received; it gives a verdict per master.
A *question* is any hashable key that names a control-direction ASDU, usually (type, object address,
object octets). Where the octets are unique, an answer in the wrong hands is found for certain.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

CONFIRMATIONS = frozenset({5, 7, 9, 44, 45, 46, 47})
"""Causes that settle a question; 5 is the data a read asked for."""
TERMINATION = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the referee has to say about one master; empty tuples mean nothing is wrong."""

    master: str
    received: int = 0
    lost: tuple[int, ...] = ()
    duplicated: tuple[int, ...] = ()
    reordered: tuple[int, ...] = ()
    invented: tuple[int, ...] = ()
    """Events that the RTU never sent."""
    misdelivered: tuple[tuple[Hashable, str], ...] = ()
    """Answers to a question of somebody else, with the name of the one who asked."""
    unasked: tuple[Hashable, ...] = ()
    """Answers to a question that nobody asked."""
    repeated: tuple[Hashable, ...] = ()
    """Questions with more confirmations or terminations than were asked for."""
    premature: tuple[Hashable, ...] = ()
    """Questions whose termination came before their confirmation."""
    unanswered: tuple[Hashable, ...] = ()
    unterminated: tuple[Hashable, ...] = ()

    @property
    def faults(self) -> dict[str, tuple[object, ...]]:
        """The kinds of fault that occurred, each with its cases."""
        kinds: dict[str, tuple[object, ...]] = {
            "lost": self.lost,
            "duplicated": self.duplicated,
            "reordered": self.reordered,
            "invented": self.invented,
            "misdelivered": self.misdelivered,
            "unasked": self.unasked,
            "repeated": self.repeated,
            "premature": self.premature,
            "unanswered": self.unanswered,
            "unterminated": self.unterminated,
        }
        return {kind: cases for kind, cases in kinds.items() if cases}

    @property
    def is_clean(self) -> bool:
        return not self.faults

    def __str__(self) -> str:
        if self.is_clean:
            return f"{self.master}: clean, {self.received} events"
        told = "; ".join(
            f"{len(cases)} {kind} ({', '.join(map(repr, cases[:3]))}{', ..' * (len(cases) > 3)})"
            for kind, cases in self.faults.items()
        )
        return f"{self.master}: {told}; {self.received} events"


@dataclass(frozen=True, slots=True)
class _Answer:
    question: Hashable
    cause: int
    is_negative: bool


class Referee:
    """Collects what happened; `verdict` judges one master, `verdicts` everybody heard of."""

    def __init__(self) -> None:
        self._sent: list[int] = []
        self._unsure: set[int] = set()
        self._arrived: dict[str, list[int]] = {}
        self._asked: dict[str, list[tuple[Hashable, bool]]] = {}
        self._answers: dict[str, list[_Answer]] = {}

    def sent(self, numbers: Iterable[int]) -> None:
        """The RTU put these events on the wire, in this order."""
        self._sent.extend(numbers)

    def unsure(self, numbers: Iterable[int]) -> None:
        """These were unacknowledged when a link ended: nobody may call them lost."""
        self._unsure.update(numbers)

    def arrived(self, master: str, numbers: Iterable[int]) -> None:
        self._arrived.setdefault(master, []).extend(numbers)

    def asked(self, master: str, question: Hashable, terminates: bool = True) -> None:
        """`terminates` says whether a termination has to follow a positive confirmation."""
        self._asked.setdefault(master, []).append((question, terminates))

    def answered(
        self, master: str, question: Hashable, cause: int, is_negative: bool = False
    ) -> None:
        self._answers.setdefault(master, []).append(_Answer(question, cause, is_negative))

    def verdicts(self) -> list[Verdict]:
        everybody = {**self._arrived, **self._asked, **self._answers}
        return [self.verdict(master) for master in everybody]

    def verdict(self, master: str, first: int | None = None, last: int | None = None) -> Verdict:
        """The verdict on `master`, who was there for the events `first` to `last` inclusive."""
        got = self._arrived.get(master, [])
        due = [
            n for n in self._sent if (first is None or n >= first) and (last is None or n <= last)
        ]
        return Verdict(
            master,
            received=len(got),
            **self._on_events(got, due),
            **self._on_answers(master),
        )

    def _on_events(self, got: Sequence[int], due: Sequence[int]) -> dict[str, tuple[int, ...]]:
        place = {number: i for i, number in enumerate(self._sent)}
        seen: set[int] = set()
        duplicated: list[int] = []
        reordered: list[int] = []
        invented: list[int] = []
        latest = -1
        for number in got:
            if number not in place:
                invented.append(number)
            elif number in seen:
                duplicated.append(number)
            else:
                seen.add(number)
                if place[number] < latest:
                    reordered.append(number)
                latest = max(latest, place[number])
        return {
            "lost": tuple(n for n in due if n not in seen and n not in self._unsure),
            "duplicated": tuple(duplicated),
            "reordered": tuple(reordered),
            "invented": tuple(invented),
        }

    def _on_answers(self, master: str) -> dict[str, tuple[object, ...]]:
        asked = Counter(question for question, _ in self._asked.get(master, []))
        owners = {
            question: name
            for name, questions in self._asked.items()
            if name != master
            for question, _ in questions
        }
        confirmed: Counter[Hashable] = Counter()
        refused: Counter[Hashable] = Counter()
        ended: Counter[Hashable] = Counter()
        misdelivered: list[tuple[Hashable, str]] = []
        unasked: list[Hashable] = []
        premature: list[Hashable] = []
        for answer in self._answers.get(master, []):
            question = answer.question
            if question not in asked:
                if question in owners:
                    misdelivered.append((question, owners[question]))
                else:
                    unasked.append(question)
            elif answer.cause == TERMINATION:
                ended[question] += 1
                if ended[question] > confirmed[question]:
                    premature.append(question)
            elif answer.cause in CONFIRMATIONS:
                confirmed[question] += 1
                # a deactivation confirmed, or 44 to 47, is the end as much as a refusal is
                if answer.is_negative or answer.cause not in (5, 7):
                    refused[question] += 1
        terminates = Counter(
            question for question, expected in self._asked.get(master, []) if expected
        )
        return {
            "misdelivered": tuple(misdelivered),
            "unasked": tuple(unasked),
            "premature": tuple(premature),
            "repeated": tuple(q for q, n in asked.items() if confirmed[q] > n or ended[q] > n),
            "unanswered": tuple(q for q, n in asked.items() if confirmed[q] < n),
            "unterminated": tuple(
                q
                for q, n in terminates.items()
                if confirmed[q] >= asked[q] and ended[q] < n - refused[q]
            ),
        }
