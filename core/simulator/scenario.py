"""A scenario: what a station does at some second, or when something reaches it; from a CSV file.

when,action,arguments
at 10,silent
every 30,avalanche,500
on command 5000,set,act_con=off
on interrogation,close,station=3
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from core.protocol.codes import Ioa, TypeId, TypeNumber
from core.protocol.layouts import MAX_IOA
from core.simulator.behaviour import Behaviour, BehaviourError, changed
from core.simulator.findings import Finding, decoded, quoted
from core.simulator.kinds import COMMANDS

_LONGEST: Final = 1e7
_HIGHEST_RATE: Final = 1e6

ON: Final = ("connect", "start", "command", "interrogation", "counter", "read", "clock", "any")
"""What a step may wait for, besides a type by its name or number."""
_WANTED: Final = f"at SECOND, every SECONDS, on {', on '.join(ON)} or on C_SC_NA_1 [ADDRESS]"

ACTIONS: Final = {
    "set": (1, 1, "NAME=VALUE"),
    "restart": (0, 1, "[SECONDS]"),
    "close": (0, 0, ""),
    "silent": (0, 0, ""),
    "talk": (0, 0, ""),
    "wrong_sequence": (0, 0, ""),
    "avalanche": (0, 2, "[EVENTS PER SECOND[,ROUNDS]]"),
    "value": (2, 2, "POINT,NUMBER"),
    "release": (1, 1, "POINT"),
    "invalid": (1, 1, "POINT"),
    "valid": (1, 1, "POINT"),
}
"""Actions: least and greatest number of arguments, and how they are written."""
_NUMBERS: Final = {"restart": (0.0, 86400.0), "avalanche": (0.0, _HIGHEST_RATE)}


@dataclass(frozen=True, slots=True)
class Trigger:
    """When a step is taken: at a time (``every``: again and again), or when something comes."""

    at: float | None = None
    every: bool = False
    on: str = ""
    """One of ``ON``, or "type"."""
    type_id: TypeNumber = 0
    ioa: Ioa | None = None

    def fits(self, event: str, type_id: TypeNumber = 0, ioa: Ioa | None = None) -> bool:
        """Whether what came is what this waits for."""
        if self.ioa is not None and self.ioa != ioa:
            return False
        if self.on == "type":
            return type_id == self.type_id
        return self.on == event or (self.on == "any" and type_id != 0)


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a scenario."""

    trigger: Trigger
    action: str
    arguments: tuple[str, ...] = ()
    station: int = 0
    """Number of the station it is for, from 1 on; 0 for all."""
    line: int = 0

    def number(self, index: int, default: float) -> float:
        """An argument as a number."""
        return float(self.arguments[index]) if index < len(self.arguments) else default


class _BadError(Exception):
    """A line cannot be used; the text says why."""


def read_scenario(data: bytes, file: str = "scenario.csv") -> tuple[list[Step], list[Finding]]:
    """The steps of a file, in its order, and what was found wrong. Never raises."""
    steps: list[Step] = []
    findings: list[Finding] = []
    for number, cells in _rows(decoded(data)):
        try:
            step = _step(number, cells)
        except _BadError as error:
            findings.append(Finding(file, f"line {number}", str(error)))
        else:
            if step is not None:
                steps.append(step)
    return steps, findings


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    lines = text.replace("\0", " ").splitlines()
    counts = {sign: sum(sign in line for line in lines) for sign in ",;\t"}
    delimiter = max(counts, key=lambda sign: counts[sign])
    for number, line in enumerate(lines, 1):
        try:
            cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
        except csv.Error:  # a cell of more than 128 KiB, or a stray quotation mark
            cells = ["?"]
        cells = [cell.strip() for cell in cells]
        while cells and not cells[-1]:
            cells.pop()
        if cells and not cells[0].startswith(("#", "!")):
            yield number, cells


def _step(line: int, cells: list[str]) -> Step | None:
    when = cells[0].lower().split()
    if when == ["when"]:  # the header
        return None
    trigger = _trigger(when, cells[0])
    station = 0
    rest = cells[1:]
    if rest and rest[-1].lower().replace(" ", "").startswith("station="):
        text = rest.pop().split("=", 1)[1].strip()
        if not _is_number(text, 1, 65535) or not text.isdecimal():
            raise _BadError(f"station {quoted(text)} is no number of a station; accepted: 1..65535")
        station = int(text)
    action = rest[0].lower().replace(" ", "_") if rest else ""
    if action not in ACTIONS:
        raise _BadError(f"action {quoted(action)} is not known; accepted: {', '.join(ACTIONS)}")
    arguments = tuple(rest[1:])
    least, most, form = ACTIONS[action]
    if not least <= len(arguments) <= most:
        wanted = f"{action},{form}" if form else action
        raise _BadError(f"{action} has {len(arguments)} arguments; accepted: {wanted}")
    _check(action, arguments)
    return Step(trigger, action, arguments, station, line)


def _check(action: str, arguments: tuple[str, ...]) -> None:
    if action == "set":
        name, sign, value = arguments[0].partition("=")
        if not sign:
            raise _BadError(f"{quoted(arguments[0])} sets nothing; accepted: NAME=VALUE")
        try:
            changed(Behaviour(), name, value)
        except BehaviourError as error:
            raise _BadError(str(error)) from None
    if action == "avalanche" and len(arguments) > 1 and not _is_number(arguments[1], 1, 100):
        raise _BadError(f"{quoted(arguments[1])} is no number of rounds; accepted: 1..100")
    numbers = arguments[1:] if action == "value" else arguments if action in _NUMBERS else ()
    least, most = _NUMBERS.get(action, (-1e30, 1e30))
    for text in numbers:
        if not _is_number(text, least, most):
            raise _BadError(f"{quoted(text)} is no number {least:g}..{most:g}")


def _trigger(when: list[str], text: str) -> Trigger:
    match when:
        case ["at" | "every" as word, second] if _is_number(second, 0, _LONGEST):
            if word == "every" and float(second) < 0.05:
                raise _BadError(f"{quoted(text)} is too often; accepted: 0.05 s or more")
            return Trigger(at=float(second), every=word == "every")
        case [second] if _is_number(second, 0, _LONGEST):
            return Trigger(at=float(second))
        case ["on", event]:
            return _on(event, None, text)
        case ["on", event, address] if address.isdecimal() and _is_number(address, 0, MAX_IOA):
            return _on(event, int(address), text)
    raise _BadError(f"{quoted(text)} is no time and nothing to wait for; accepted: {_WANTED}")


def _on(event: str, ioa: Ioa | None, text: str) -> Trigger:
    if event in ON:
        return Trigger(on=event, ioa=ioa)
    if event.isdecimal() and _is_number(event, 1, 255):
        return Trigger(on="type", type_id=int(event), ioa=ioa)
    if event.upper() in TypeId.__members__:
        return Trigger(on="type", type_id=TypeId[event.upper()], ioa=ioa)
    raise _BadError(f"{quoted(text)} is nothing to wait for; accepted: {_WANTED}")


def _is_number(text: str, least: float, most: float) -> bool:
    try:
        return least <= float(text) <= most
    except (ValueError, OverflowError):
        return False


def event_of(type_id: TypeNumber) -> str:
    """The word for a request of that type; "" if it has none."""
    return "command" if type_id in COMMANDS else _EVENTS.get(type_id, "")


_EVENTS: Final[dict[TypeNumber, str]] = {
    TypeId.C_IC_NA_1: "interrogation",
    TypeId.C_CI_NA_1: "counter",
    TypeId.C_RD_NA_1: "read",
    TypeId.C_CS_NA_1: "clock",
}
