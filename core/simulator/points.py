"""The points of a station, and the file they are read from.

The file is one JSON object: name -> properties. ``README.md`` beside this module lists them for
users. A point that cannot be used is named in one line and left out; the others run.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from core.protocol import objects as o
from core.protocol.codes import Ioa, TypeId, TypeNumber
from core.protocol.layouts import MAX_IOA
from core.simulator.courses import FORMS, Course, CourseError, course_of_unit, read_course
from core.simulator.findings import Finding, decoded, quoted
from core.simulator.kinds import COMMANDS, MONITORED

FIRST_ADDRESS: Final = 1
"""Where the numbering of points without an address begins, unless the caller says otherwise."""
_LONGEST_SECONDS: Final = 1e6
_TYPE_IDS: Final = (*MONITORED, *COMMANDS)


class Select(Enum):
    """Whether a command is selected before it is executed."""

    NEVER = "no"
    ALWAYS = "yes"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Point:
    """A point as it is configured: monitored, or a command."""

    name: str
    ioa: Ioa
    type_id: TypeId
    unit: str = ""
    course: Course = Course("constant")  # noqa: RUF009 (frozen)
    period: float | None = None
    """Seconds between reports; 0 for none, None for the station's own."""
    dead_band: float | None = None
    """A measured value is also sent when it has changed by more; None: it is not."""
    group: int = 0
    """Group of interrogation 1..16 (counters 1..4); 0 for none."""
    returns: str = ""
    """A command's monitored point, by name."""
    select: Select = Select.BOTH

    @property
    def is_command(self) -> bool:
        """Whether it is a command rather than a monitored point."""
        return self.type_id in COMMANDS


def read_points(
    data: bytes, file: str = "Datapoints.json", first_address: Ioa = FIRST_ADDRESS
) -> tuple[list[Point], list[Finding]]:
    """All usable points of a file, in its order, and what was found wrong. Never raises."""
    pairs, problem = _pairs_of(decoded(data))
    if problem:
        return [], [Finding(file, "", problem)]
    reader = _Reader(file, first_address)
    return reader.read(pairs), reader.findings


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its members in order, the doubled ones too."""


def _pairs_of(text: str) -> tuple[_Pairs, str]:
    try:
        found = json.loads(text, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        return _Pairs(), f"line {error.lineno}, column {error.colno}: no JSON: {error.msg}"
    except (ValueError, RecursionError):  # a number of thousands of digits, or brackets so deep
        return _Pairs(), "no JSON that could be read"
    if not isinstance(found, _Pairs):
        return _Pairs(), "one JSON object is wanted: name of a point -> its properties"
    return found, ""


class _BadError(Exception):
    """A point cannot be used; the text says why."""


@dataclass(slots=True)
class _Draft:
    """A point whose address may not be known yet."""

    number: int
    name: str
    ioa: Ioa | None
    members: dict[str, Any]
    type_id: TypeId


class _Reader:
    """One reading of one file."""

    def __init__(self, file: str, first_address: Ioa) -> None:
        self.findings: list[Finding] = []
        self._file = file
        self._next_address = first_address
        self._names: dict[str, int] = {}
        self._taken: dict[tuple[Ioa, bool], str] = {}

    def read(self, pairs: _Pairs) -> list[Point]:
        drafts = [
            draft
            for number, (name, value) in enumerate(pairs, 1)
            if (draft := self._checked(number, name, self._draft, value)) is not None
        ]
        # Only now is it known which addresses are free.
        points = [
            point
            for draft in drafts
            if (point := self._checked(draft.number, draft.name, self._point, draft)) is not None
        ]
        return self._with_returns(points)

    def _checked(self, number: int, name: str, step: Callable[..., Any], value: Any) -> Any:
        try:
            return step(number, name, value)
        except _BadError as error:
            self._say(name, number, str(error))
            return None

    def _say(self, name: str, number: int, what: str, *, is_error: bool = True) -> None:
        where = f"point {quoted(name)} (no. {number})"
        self.findings.append(Finding(self._file, where, what, is_error))

    def _draft(self, number: int, name: str, value: Any) -> _Draft:
        if not name.strip():
            raise _BadError("the name is empty; accepted: any text")
        if name in self._names:
            raise _BadError(
                f"the name is taken by point no. {self._names[name]}; accepted: another"
            )
        if not isinstance(value, _Pairs):
            raise _BadError("its properties are no JSON object; accepted: { .. }")
        members: dict[str, Any] = {}
        for key, member in value:
            known = _KEYS.get(_folded(key))
            if known is None:
                self._say(name, number, f"property {quoted(key)} is not known", is_error=False)
            elif known in members:
                raise _BadError(f"property {quoted(key)} stands there twice; accepted: once")
            else:
                members[known] = member
        type_id = _type_of(members.get("type"))
        ioa = _address_of(members)
        if ioa is not None:
            self._take(ioa, type_id, name)
        self._names[name] = number
        return _Draft(number, name, ioa, members, type_id)

    def _take(self, ioa: Ioa, type_id: TypeId, name: str) -> None:
        key = ioa, type_id in COMMANDS
        if key in self._taken:
            other = quoted(self._taken[key])
            raise _BadError(f"IOAddress '{ioa}' is taken by point {other}; accepted: another")
        self._taken[key] = name

    def _point(self, number: int, name: str, draft: _Draft) -> Point:
        members, type_id = draft.members, draft.type_id
        unit = members.get("unit")
        unit = unit if isinstance(unit, str) else ""
        group = _number_of(members, "group", 0, 16)
        period = _number_of(members, "period", 0, _LONGEST_SECONDS)
        dead_band = _number_of(members, "dead band", 0, 1e30)
        ioa = self._numbered(type_id, name) if draft.ioa is None else draft.ioa
        return Point(
            name, ioa, type_id, unit, _course_of(members, type_id, unit, ioa), period, dead_band,
            int(group or 0), _text_of(members, "return"), _select_of(members, type_id),
        )  # fmt: skip

    def _numbered(self, type_id: TypeId, name: str) -> Ioa:
        key = type_id in COMMANDS
        while (self._next_address, key) in self._taken:
            self._next_address += 1
        if self._next_address > MAX_IOA:
            raise _BadError(f"no address is left for it; accepted: IOAddress 1..{MAX_IOA}")
        self._take(self._next_address, type_id, name)
        return self._next_address

    def _with_returns(self, points: list[Point]) -> list[Point]:
        monitored = {point.name for point in points if not point.is_command}
        for point in points:
            if point.returns and not point.is_command:
                what = f"Return {quoted(point.returns)} is for commands only; it is not used"
            elif point.returns and point.returns not in monitored:
                what = f"Return {quoted(point.returns)} names no monitored point; it has none"
            else:
                continue
            self._say(point.name, self._names[point.name], what, is_error=False)
        return points


# --- single properties --------------------------------------------------------------------------


def _folded(key: str) -> str:
    return key.replace(" ", "").replace("_", "").lower()


_KEYS: Final = {
    "ioaddress": "address",
    "highbyte": "high",
    "middlebyte": "middle",
    "lowbyte": "low",
    "typeiec": "type",
    **dict.fromkeys(("unit/einheit", "unit", "einheit"), "unit"),
    "simulation": "simulation",
    "period": "period",
    "deadband": "dead band",
    "group": "group",
    "return": "return",
    "select": "select",
    "comment": "comment",
}
_SHOWN: Final = {
    "address": "IOAddress", "high": "HighByte", "middle": "MiddleByte", "low": "LowByte",
    "type": "Type IEC", "simulation": "Simulation", "period": "Period", "dead band": "Dead band",
    "group": "Group", "return": "Return", "select": "Select",
}  # fmt: skip


def _whole(value: Any) -> int | None:
    """A whole number, however it is written; None if it is none."""
    if isinstance(value, str) and len(value) <= 20 and value.strip().isdecimal():
        return int(value.strip())
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _bad(key: str, value: Any, accepted: str, why: str = "cannot be used") -> _BadError:
    return _BadError(f"{_SHOWN[key]} {quoted(value)} {why}; accepted: {accepted}")


def _type_of(value: Any) -> TypeId:
    accepted = "1..21 and 30..40 (monitored), 45..51 and 58..64 (commands), or a name as M_ME_TF_1"
    if value is None:
        raise _BadError(f"Type IEC is missing; accepted: {accepted}")
    number: TypeNumber | None = _whole(value)
    if isinstance(value, str) and value.strip().upper() in TypeId.__members__:
        number = TypeId[value.strip().upper()]
    if number not in _TYPE_IDS:
        raise _bad("type", value, accepted, "is no type of a point")
    return TypeId(number)


def _address_of(members: dict[str, Any]) -> Ioa | None:
    """The address of the number, of the three bytes, or of both if they agree; None for neither."""
    given = [members.get(key) for key in ("high", "middle", "low")]
    address = members.get("address")
    number = _whole(address)
    if address is not None and (number is None or not 1 <= number <= MAX_IOA):
        raise _bad("address", address, f"1..{MAX_IOA}", "is no address")
    if given == [None] * 3:
        return number
    joined = 0
    for key in ("high", "middle", "low"):
        octet = _whole(members.get(key))
        if octet is None or not 0 <= octet <= 255:
            raise _bad(key, members.get(key), "0..255 in all three bytes, or none of them")
        joined = joined << 8 | octet
    if number is not None and joined != number:
        octets = ".".join(str(_whole(octet)) for octet in given)
        raise _bad(
            "address", address, f"the same address in both, {joined} for these bytes",
            f"and the bytes {octets} are two addresses",
        )  # fmt: skip
    if joined == 0:
        raise _bad("address", 0, f"1..{MAX_IOA}", "is no address")
    return joined


def _number_of(members: dict[str, Any], key: str, least: float, most: float) -> float | None:
    value = members.get(key)
    if value is None:
        return None
    number = value
    if isinstance(value, str):
        try:
            number = float(value.replace(",", "."))
        except ValueError:
            number = None
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    if not is_number or not least <= number <= most or (key == "group" and number % 1):
        raise _bad(key, value, f"a number {least:g}..{most:g}")
    return float(number)


def _text_of(members: dict[str, Any], key: str) -> str:
    value = members.get(key, "")
    if not isinstance(value, str):
        raise _bad(key, value, "the name of a monitored point")
    return value


def _select_of(members: dict[str, Any], type_id: TypeId) -> Select:
    value = members.get("select")
    if COMMANDS.get(type_id) is o.BitstringCommand:  # it has no qualifier to select with
        return Select.NEVER
    if value is None:
        return Select.BOTH
    text = {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
    if text not in ("no", "yes", "both"):
        raise _bad("select", value, "no (direct only), yes (selected first), both")
    return Select(text)


def _course_of(members: dict[str, Any], type_id: TypeId, unit: str, ioa: Ioa) -> Course:
    value = members.get("simulation")
    if value is not None:
        try:
            return read_course(value if isinstance(value, str) else json.dumps(value))
        except (CourseError, TypeError, ValueError) as error:
            why = str(error) if isinstance(error, CourseError) else "is no course"
            raise _bad("simulation", value, FORMS, why) from None
    if type_id in COMMANDS:
        return Course("constant")
    return default_course(type_id, unit, ioa)


def default_course(type_id: TypeId, unit: str, ioa: Ioa) -> Course:
    """What a point does that names no course: by its unit, else by its type.

    Points that toggle do so at different times: not all of a station, or of 200, at once.
    """
    kind = MONITORED[type_id].kind
    spread = float(ioa * 7 % 60)
    if kind in (o.ShortFloat, o.ScaledValue):
        return course_of_unit(unit) or Course("random", (0.0, 100.0))
    if kind in (o.NormalizedValue, o.NormalizedOnly):
        return Course("sine", (-1.0, 1.0, 60.0, spread))
    if kind is o.StepPosition:
        return Course("steps", (-5.0, 5.0, 600.0, spread))
    if kind in (o.IntegratedTotal, o.Bitstring32, o.PackedPoints):
        return Course("counter", (1.0 if kind is o.IntegratedTotal else 0.05,))
    return Course("toggle", (60.0, spread))
