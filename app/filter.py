"""The filter language of the tables: words that must all match, `field:value`, `or`, `-` for not.

    refused abb             both words somewhere in the row
    rtu:101 -state:online   these fields, the second one not
    type:C_* or ioa:1001    either; blanks bind closer than `or`
    ioa:1000-1999           a range of numbers
    "waiting for"           words that belong together

A value matches if it is contained in the field, in any letter case; with `*` or `?` it must match
the whole field; a number field must be equal or within the range. Pure.
"""

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, TypeAlias

from app.rows import event_text, hosts_text, look_of
from core.config import Entry, MasterEntry
from core.status import EntryStatus


class Kind(Enum):
    """How a value is compared with a field."""

    TEXT = auto()
    NUMBER = auto()


Fields: TypeAlias = Mapping[str, Sequence[str]]
"""The values of a row by field; a field may have several."""
Test: TypeAlias = Callable[[Fields], bool]


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that was understood."""

    text: str
    matches: Test

    @property
    def is_empty(self) -> bool:
        """Everything matches."""
        return not self.text


@dataclass(frozen=True, slots=True)
class BadFilter:
    """A text that is no filter, and why, in a sentence."""

    reason: str


EVERYTHING: Final = Filter("", lambda fields: True)

SYSTEM_FIELDS: Final[Mapping[str, Kind]] = {
    "group": Kind.NUMBER, "name": Kind.TEXT, "state": Kind.TEXT, "port": Kind.NUMBER,
    "rtu": Kind.NUMBER, "ip": Kind.TEXT, "hosts": Kind.TEXT, "event": Kind.TEXT,
}  # fmt: skip

TRAFFIC_FIELDS: Final[Mapping[str, Kind]] = {
    "system": Kind.TEXT, "to": Kind.TEXT, "frame": Kind.TEXT, "type": Kind.TEXT,
    "cause": Kind.TEXT, "ca": Kind.NUMBER, "ioa": Kind.NUMBER, "value": Kind.TEXT,
    "quality": Kind.TEXT,
}  # fmt: skip

_TOKEN: Final = re.compile(r'(-?)(?:([A-Za-z]+):)?(?:"([^"]*)"?|(\S+))')
_RANGE: Final = re.compile(r"(\d+)-(\d+)")


def parse(text: str, kinds: Mapping[str, Kind]) -> Filter | BadFilter:
    """Read a filter over these fields."""
    text = " ".join(text.split())
    if not text:
        return EVERYTHING
    choices: list[list[Test]] = [[]]
    for match in _TOKEN.finditer(text):
        minus, field, quoted, word = match.groups()
        if match[0].lower() == "or":
            choices.append([])
            continue
        value = (quoted if word is None else word).casefold()
        if word is not None and word.endswith(":") and word[:-1].lower() in kinds:
            return BadFilter(f"'{word}' needs a value behind the colon")
        if field is not None and field.lower() not in kinds:
            if word is not None and "." not in field:
                known = ", ".join(f"{name}:" for name in kinds)
                return BadFilter(f"'{field}:' is not a field; there are {known}")
            field, value = None, f"{field}:{value}".casefold()
        test = _any_field(value) if field is None else _field(field.lower(), value, kinds)
        if isinstance(test, BadFilter):
            return test
        choices[-1].append(_negated(test) if minus else test)
    if not all(choices):
        return BadFilter("'or' needs a word on both sides")
    return Filter(text, _either([_all(tests) for tests in choices]))


def _any_field(value: str) -> Test:
    return lambda fields: any(value in each.casefold() for each in _every(fields))


def _every(fields: Fields) -> Iterable[str]:
    for values in fields.values():
        yield from values


def _field(name: str, value: str, kinds: Mapping[str, Kind]) -> Test | BadFilter:
    if not value:
        return BadFilter(f"'{name}:' needs a value behind the colon")
    if "*" in value or "?" in value:
        pattern = re.compile(fnmatch.translate(value))
        return lambda fields: any(pattern.match(v.casefold()) for v in fields.get(name, ()))
    if kinds[name] is Kind.TEXT:
        return lambda fields: any(value in each.casefold() for each in fields.get(name, ()))
    span = _RANGE.fullmatch(value)
    if span is not None:
        low, high = int(span[1]), int(span[2])
        return lambda fields: any(
            each.isdecimal() and low <= int(each) <= high for each in fields.get(name, ())
        )
    if not value.isdecimal():
        return BadFilter(f"'{name}:{value}' is not a number; so: {name}:101 or {name}:100-199")
    return lambda fields: value in fields.get(name, ())


def _negated(test: Test) -> Test:
    return lambda fields: not test(fields)


def _all(tests: Sequence[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda fields: all(test(fields) for test in tests)


def _either(tests: Sequence[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda fields: any(test(fields) for test in tests)


def system_fields(
    entry: Entry, group_name: str, status: EntryStatus | None
) -> dict[str, Sequence[str]]:
    """What a filter sees of an entry."""
    hosts = hosts_text(entry)
    return {
        "group": (str(entry.group),),
        "name": (entry.label, group_name),
        "state": (look_of(status.state if status else None).word,),
        "port": (str(entry.port),) if isinstance(entry, MasterEntry) else (),
        "rtu": tuple(map(str, entry.numbers)),
        "ip": ((status.peer if status else ""), *hosts.split(";")),
        "hosts": (hosts,),
        "event": (event_text(status),),
    }
