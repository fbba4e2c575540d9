"""How a value runs over time: by chance, or the same in every run.

A course is written as in ``sine(10,20,60)``. What stands in the file of points is a
:class:`Course`; :meth:`Course.start` makes of it the function of one point of one station.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final, TypeAlias

from core.simulator import data_simulator as by_chance

Values: TypeAlias = Callable[[float], float]
"""The raw value at a time in seconds since the station's start; the point's type rounds it."""

_CALL = re.compile(r"\s*([A-Za-z_]+)\s*(?:\((.*)\))?\s*")
_DECIMALS: Final = 2


@dataclass(frozen=True, slots=True)
class Course:
    """A course by name, with its numbers."""

    name: str
    numbers: tuple[float, ...] = ()

    def __str__(self) -> str:
        numbers = ",".join(f"{number:g}" for number in self.numbers)
        return f"{self.name}({numbers})" if numbers else self.name

    def start(self, chance: Random) -> Values:
        """The values of one point; those by chance take it from ``chance``."""
        return _COURSES[self.name].make(chance, *self.numbers)


class CourseError(ValueError):
    """A text that is no course; the message says why."""


@dataclass(frozen=True, slots=True)
class _Sort:
    form: str
    """As a user writes it; what is in brackets may be left out."""
    least: int
    most: int
    make: Callable[..., Values]


def read_course(text: str) -> Course:
    """The course a text names; CourseError if it names none."""
    found = _CALL.fullmatch(text)
    sort = _COURSES.get(found[1].lower()) if found else None
    if found is None or sort is None:
        raise CourseError("is no course")
    texts = [part.strip() for part in (found[2] or "").split(",") if part.strip()]
    if not sort.least <= len(texts) <= sort.most:
        raise CourseError(f"has {len(texts)} numbers, {sort.form} is wanted")
    try:
        numbers = tuple(map(float, texts))
    except ValueError:
        raise CourseError(f"has something that is no number, {sort.form} is wanted") from None
    if not all(abs(number) <= 1e30 for number in numbers):  # also false for NaN
        raise CourseError("has a number that is too large")
    name = found[1].lower()
    if name in _PERIODIC and len(numbers) >= _PERIODIC[name] and numbers[_PERIODIC[name] - 1] <= 0:
        raise CourseError("has a period that is not above 0 s")
    return Course(name, numbers)


def _sine(_: Random, low: float, high: float, period: float, phase: float = 0.0) -> Values:
    middle, swing = (low + high) / 2, (high - low) / 2
    pulse = 2 * math.pi / period
    return lambda t: round(middle + swing * math.sin(pulse * (t + phase)), _DECIMALS)


def _ramp(_: Random, low: float, high: float, period: float, phase: float = 0.0) -> Values:
    return lambda t: round(low + (high - low) * ((t + phase) % period) / period, _DECIMALS)


def _steps(_: Random, low: float, high: float, period: float, phase: float = 0.0) -> Values:
    """Up and down again in whole steps, one period for both."""

    def value(t: float) -> float:
        part = ((t + phase) % period) / period * 2
        return float(round(low + (high - low) * (part if part <= 1 else 2 - part)))

    return value


def _toggle(_: Random, period: float = 60.0, phase: float = 0.0) -> Values:
    """Off for half a period, on for the other half."""
    return lambda t: 1.0 if (t + phase) % period >= period / 2 else 0.0


def _counter(_: Random, per_second: float = 1.0, first: float = 0.0) -> Values:
    return lambda t: round(first + per_second * t, _DECIMALS)


def _constant(_: Random, value: float = 0.0) -> Values:
    return lambda _: value


_COURSES: Final = {
    "voltage": _Sort("voltage", 0, 0, lambda c: lambda _: by_chance.simulate_voltage(c)),
    "frequency": _Sort("frequency", 0, 0, lambda c: lambda _: by_chance.simulate_frequency(c)),
    "current": _Sort(
        "current(low,high)", 2, 2, lambda c, a, b: lambda _: by_chance.simulate_current(a, b, c)
    ),
    "power": _Sort(
        "power(low,high)", 2, 2, lambda c, a, b: lambda _: by_chance.simulate_power(a, b, c)
    ),
    "random": _Sort(
        "random(low,high)", 2, 2, lambda c, a, b: lambda _: by_chance.simulate_between(a, b, c)
    ),
    "sine": _Sort("sine(low,high,period[,phase])", 3, 4, _sine),
    "ramp": _Sort("ramp(low,high,period[,phase])", 3, 4, _ramp),
    "steps": _Sort("steps(low,high,period[,phase])", 3, 4, _steps),
    "toggle": _Sort("toggle[(period[,phase])]", 0, 2, _toggle),
    "counter": _Sort("counter[(per second[,first])]", 0, 2, _counter),
    "constant": _Sort("constant[(value)]", 0, 1, _constant),
}
_PERIODIC: Final = {"sine": 3, "ramp": 3, "steps": 3, "toggle": 1}
"""Courses with a period, and which of their numbers it is."""

FORMS: Final = ", ".join(sort.form for sort in _COURSES.values())
"""All courses as a user writes them."""

_BY_UNIT: Final = {
    "v": "voltage",
    "kv": "random(9,11)",
    "hz": "frequency",
    "a": "current(0,100)",
    "ka": "current(0,1)",
    **dict.fromkeys(("w", "var", "va"), "power(0,5000)"),
    **dict.fromkeys(("kw", "kvar", "kva", "mw", "mvar", "mva"), "power(0,500)"),
    **dict.fromkeys(("wh", "varh", "vah", "kwh", "kvarh", "kvah", "kvadh", "mwh"), "counter(0.01)"),
    "%": "random(0,100)",
    **dict.fromkeys(("°", "grad", "deg"), "random(-180,180)"),
    **dict.fromkeys(("°c", "c"), "sine(15,35,600)"),
}


def course_of_unit(unit: str) -> Course | None:
    """What a measured value of that unit does unless its point names a course."""
    text = _BY_UNIT.get(unit.strip().lower())
    return read_course(text) if text else None
