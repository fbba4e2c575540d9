"""The options that only make sense together: k with w, t1 with t2, and what t3 and idletime need.

60870-5-104 asks for t2 < t1, and recommends w of at most two thirds of k.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from core.config.diagnostics import Severity
from core.config.options import BY_NAME, Options, Value

_RULES = {"w": "w not larger than k", "t2": "t2 smaller than t1"}


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to say about options that belong together."""

    severity: Severity
    column: str
    """The option it is about; its value may be one that was not given but followed."""
    value: str
    text: str
    involved: tuple[str, ...]
    """The options of which at least one was given: the caller knows in which line."""


def settle(base: Options, given: Mapping[str, Value]) -> tuple[Options, list[Remark]]:
    """Return `base` with the given values where they agree with each other, and what to say.

    Two given values that contradict each other are both refused. One that contradicts the base's
    other is kept, and the other follows it.
    """
    values = dict(given)
    remarks: list[Remark] = []
    for large, small in (("k", "w"), ("t1", "t2")):
        if (large in values or small in values) and _clash(base.with_values(values), small):
            remarks.append(_settle_pair(base, values, large, small))
    options = base.with_values(values)
    known = {remark.text for remark in _oddities(base)}
    remarks += [remark for remark in _oddities(options) if remark.text not in known]
    return options, remarks


def _settle_pair(base: Options, values: dict[str, Value], large: str, small: str) -> Remark:
    """Make `values` agree with `base` in this pair, and say what was done."""
    wrong = base.with_values(values)
    if not (large in values and small in values):
        given, follower = (large, small) if large in values else (small, large)
        values[follower] = _following(wrong, follower)
        if not _clash(base.with_values(values), small):
            return Remark(
                Severity.NOTICE,
                given,
                _shown(wrong, given),
                f"does not go with {_named(wrong, follower)}, so {follower} follows and is now "
                f"{_shown(base.with_values(values), follower)}; accepted: {_RULES[small]}",
                (given,),
            )
    values.pop(large, None)
    values.pop(small, None)
    return Remark(
        Severity.ERROR,
        small,
        _shown(wrong, small),
        f"does not go with {_named(wrong, large)}, so {_named(base, large)} and "
        f"{_named(base, small)} are used; accepted: {_RULES[small]}",
        (small, large),
    )


def _clash(options: Options, small: str) -> bool:
    return options.w > options.k if small == "w" else options.t2 >= options.t1


def _following(options: Options, follower: str) -> Value:
    match follower:
        case "w":
            return max(1, options.k * 2 // 3)
        case "k":
            return min(-(-options.w * 3 // 2), BY_NAME["k"].high)
        case "t1":
            return min(options.t2 * 3 / 2, float(BY_NAME["t1"].high))
        case _:
            return options.t1 * 2 / 3


def _oddities(options: Options) -> Iterator[Remark]:
    """Give what is legal but seldom meant."""
    if options.w > options.k * 2 / 3:
        yield _oddity(
            options,
            "w",
            f"is more than 2/3 of {_named(options, 'k')}, so a sender may have to wait for its "
            "acknowledgement; accepted, but 2/3 of k or less is usual",
            ("w", "k"),
        )
    if options.t3 <= options.t1:
        yield _oddity(
            options,
            "t3",
            f"is not more than {_named(options, 't1')}; accepted, but more than t1 is usual",
            ("t3", "t1", "t2"),
        )
    if options.idletime <= options.t3 + options.t1:
        yield _oddity(
            options,
            "idletime",
            f"is not more than {_named(options, 't3')} and {_named(options, 't1')} together, so a "
            "quiet link may be closed before its test is over; accepted, but more is usual",
            ("idletime", "t3", "t1", "t2"),
        )


def _oddity(options: Options, column: str, text: str, involved: tuple[str, ...]) -> Remark:
    return Remark(Severity.WARNING, column, _shown(options, column), text, involved)


def _named(options: Options, name: str) -> str:
    return f"{name} = {_shown(options, name)}"


def _shown(options: Options, name: str) -> str:
    value: Value = getattr(options, name)
    return BY_NAME[name].shown(round(value, 3) if isinstance(value, float) else value)
