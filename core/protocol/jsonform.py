"""Frames as JSON values and back: plain dicts, one flat dict for each object.

The names are those of the standard's elements in plain words; ``tests/vectors/README.md`` lists
them. An ASDU of an unknown type, which that list does not foresee, has ``mnemonic`` None, no
objects, and its object octets as hex in ``octets``.

Numbers with a fraction appear twice: ``value`` for people, ``bits``, ``raw`` or ``octets`` for what
is on the wire. Reading needs one of the two and refuses a pair that disagrees.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, Final, TypeAlias

from core.protocol import elements as e
from core.protocol.apci import U_FUNCTIONS
from core.protocol.codec import (
    MAX_COUNT,
    MAX_SEQUENCE_NUMBER,
    Apdu,
    DataUnit,
    IFrame,
    Opaque,
    SFrame,
    UFrame,
)
from core.protocol.codes import TypeNumber, UFunction
from core.protocol.elements import Part
from core.protocol.layouts import MAX_IOA, Layout, object_type, object_types
from core.protocol.objects import InformationObject
from core.protocol.times import Cp24Time2a, Cp56Time2a

Json: TypeAlias = dict[str, Any]

_NOT_FINITE: Final = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}

_TIME_FIELDS: Final[dict[type, tuple[e.Number | e.Flag, ...]]] = {
    Cp24Time2a: (
        e.Number("ms", width=16),
        e.Number("minute", width=6),
        e.Flag("invalid", 8),
        e.Flag("substituted", 7),
    ),
    Cp56Time2a: (
        e.Number("ms", width=16),
        e.Number("minute", width=6),
        e.Number("hour", width=5),
        e.Number("day", width=5),
        e.Number("weekday", width=3),
        e.Number("month", width=4),
        e.Number("year", width=7),
        e.Flag("summer_time", 8),
        e.Flag("invalid", 8),
        e.Flag("substituted", 7),
    ),
}


# --- writing ------------------------------------------------------------------------------------


def to_json(frame: Apdu) -> Json:
    """A frame as a dict that ``json.dumps`` takes; remarks are left out."""
    match frame:
        case UFrame(function):
            return {"format": "U", "function": function.name}
        case SFrame(nr):
            return {"format": "S", "nr": nr}
        case _:
            return {"format": "I", "ns": frame.ns, "nr": frame.nr, **asdu_to_json(frame.asdu)}


def asdu_to_json(unit: DataUnit) -> Json:
    """An ASDU as a dict: what :func:`to_json` gives for an I frame, without the frame's fields."""
    known = object_type(unit.type_id)
    shown: Json = {
        "type_id": int(unit.type_id),
        "mnemonic": known.name if known else None,
        "sq": unit.sq,
        "count": unit.count,
        "cot": int(unit.cause),
        "negative": unit.negative,
        "test": unit.test,
        "oa": unit.oa,
        "ca": unit.ca,
        "objects": [],
    }
    if unit.opaque is not None:
        shown["octets"] = unit.opaque.octets.hex()
    elif known is not None:
        shown["objects"] = [object_to_json(obj, known.layout) for obj in unit.objects]
    return shown


def object_to_json(obj: InformationObject, layout: Layout) -> Json:
    """One object as a flat dict."""
    shown: Json = {"ioa": obj.ioa}
    for element in layout.elements:
        for part in element.parts:
            shown |= _part_to_json(part, getattr(obj, part.name))
    return shown


def _part_to_json(part: Part, value: Any) -> Json:
    match part:
        case e.Flag(name):
            return {name: bool(value)}
        case e.Number(name):
            return {name: int(value)}
        case e.Flags():
            return {_name(member): member in value for member in part.members}
        case e.Bitstring(name):
            return {name: value, "octets": value.to_bytes(4, "little").hex()}
        case e.Normalized(name):
            raw = e.normalized_raw(value)
            return {"raw": raw, name: raw / 32768}
        case e.Float(name):
            bits = e.float_bits(value)
            exact = e.float_from_bits(bits)
            words = [word for word, number in _NOT_FINITE.items() if number == exact]
            shown = "NaN" if exact != exact else words[0] if words else exact
            return {name: shown, "bits": f"{bits:08x}"}
        case e.Time(kind, name):
            return {name: {field.name: getattr(value, field.name) for field in _TIME_FIELDS[kind]}}
        case _:  # a segment
            return {part.name: value.hex()}


# --- reading ------------------------------------------------------------------------------------


def from_json(value: object) -> Apdu:
    """The frame a dict describes: the inverse of :func:`to_json`.

    What has a usual value may be left out: flags but ``value`` (false), ``sq``, ``oa``, ``ns``,
    ``nr``, qualifiers (0); ``count`` follows from the objects, and ``type_id`` from ``mnemonic`` or
    the reverse. ValueError names the field, its value and what is accepted.
    """
    given = _Fields("", value)
    match given.one_of("format", "U", "S", "I"):
        case "U":
            names = [function.name for function in U_FUNCTIONS.values()]
            frame: Apdu = UFrame(UFunction[given.one_of("function", *names)])
        case "S":
            frame = SFrame(given.number("nr", MAX_SEQUENCE_NUMBER))
        case _:
            ns = given.number("ns", MAX_SEQUENCE_NUMBER, 0)
            frame = IFrame(ns, given.number("nr", MAX_SEQUENCE_NUMBER, 0), _unit(given))
    given.end()
    return frame


def asdu_from_json(value: object) -> DataUnit:
    """The ASDU a dict describes: the inverse of :func:`asdu_to_json`, errors as there."""
    given = _Fields("", value)
    unit = _unit(given)
    given.end()
    return unit


class _Fields:
    """A dict being read: each field once, each complaint with the path to it."""

    def __init__(self, path: str, value: object) -> None:
        if not isinstance(value, Mapping):
            raise _complaint(path or "the frame", value, "an object with named fields")
        self._path = path
        self._value = value
        self._read: set[str] = set()

    def path(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def get(self, name: str, default: Any = MISSING) -> Any:
        self._read.add(name)
        found = self._value.get(name, default)
        if found is MISSING:
            raise ValueError(f"{self.path(name)} is missing")
        return found

    def has(self, name: str) -> bool:
        return name in self._value

    def one_of(self, name: str, *accepted: str) -> str:
        found = self.get(name)
        if found not in accepted:
            raise _complaint(self.path(name), found, f"one of {', '.join(accepted)}")
        return str(found)

    def number(self, name: str, greatest: int, default: Any = MISSING, least: int = 0) -> int:
        found = self.get(name, default)
        if type(found) is not int or not least <= found <= greatest:
            raise _complaint(self.path(name), found, f"a number {least}..{greatest}")
        return found

    def flag(self, name: str, *, is_needed: bool = False) -> bool:
        found = self.get(name, MISSING if is_needed else False)
        if type(found) is not bool:
            raise _complaint(self.path(name), found, "true or false")
        return found

    def fraction(self, name: str) -> float:
        found = self.get(name)
        if type(found) not in (int, float) or not -1 <= found <= 1:
            raise _complaint(self.path(name), found, "a number -1..1")
        return float(found)

    def float(self, name: str) -> float:
        found = self.get(name)
        if isinstance(found, str) and found in _NOT_FINITE:
            return _NOT_FINITE[found]
        try:
            if type(found) in (int, float):
                e.float_bits(found)
                return float(found)
        except e.MISFITS:
            pass
        wanted = "a number within the range of a binary32, NaN, Infinity or -Infinity"
        raise _complaint(self.path(name), found, wanted)

    def octets(self, name: str, size: int | None = None) -> bytes:
        found = self.get(name)
        try:
            octets = bytes.fromhex(found)
        except (TypeError, ValueError):
            octets = None
        if octets is None or (size is not None and len(octets) != size):
            wanted = "octets in hex" if size is None else f"{size} octets in hex"
            raise _complaint(self.path(name), found, wanted)
        return octets

    def end(self) -> None:
        unknown = [str(name) for name in self._value if name not in self._read]
        if unknown:
            known = ", ".join(sorted(self._read))
            name = self.path(unknown[0])
            if not name.isprintable():  # a message is one line, whatever a name holds
                name = ascii(name)
            raise ValueError(f"{name} is not known here; known are {known}")


def _complaint(path: str, value: object, wanted: str) -> ValueError:
    return ValueError(f"{path} {value!r} is not {wanted}")


def _unit(given: _Fields) -> DataUnit:
    type_id = _type_id(given)
    known = object_type(type_id)
    sq = given.flag("sq")
    objects: tuple[InformationObject, ...] = ()
    opaque = None
    listed = given.get("objects", [])
    if not isinstance(listed, list | tuple):
        raise _complaint("objects", listed, "a list")
    if given.has("octets"):
        if listed:
            raise ValueError("octets stands for objects that are not known; give one of the two")
        opaque = Opaque(given.number("count", MAX_COUNT), given.octets("octets"))
    elif known is None:
        raise ValueError(f"type_id {type_id} is not known: give its objects as hex in octets")
    else:
        objects = tuple(
            _object(f"objects[{index}]", one, known.layout) for index, one in enumerate(listed)
        )
        count = given.get("count", len(objects))
        if count != len(objects):
            raise ValueError(f"count {count!r} is not the number of objects, {len(objects)}")
    return DataUnit(
        type_id=type_id,
        cause=given.number("cot", 63),
        ca=given.number("ca", 65535),
        objects=objects,
        sq=sq,
        negative=given.flag("negative"),
        test=given.flag("test"),
        oa=given.number("oa", 255, 0),
        opaque=opaque,
    )


def _type_id(given: _Fields) -> TypeNumber:
    mnemonic: Any = given.get("mnemonic", None)
    by_name: dict[str | None, int] = {known.name: int(known.type_id) for known in object_types()}
    if mnemonic is not None and (type(mnemonic) is not str or mnemonic not in by_name):
        raise _complaint("mnemonic", mnemonic, "the name of a known type, such as M_SP_NA_1")
    type_id = given.number("type_id", 255, by_name.get(mnemonic, MISSING))
    if mnemonic is not None and by_name[mnemonic] != type_id:
        raise ValueError(f"type_id {type_id} is not that of {mnemonic}, {by_name[mnemonic]}")
    return type_id


def _object(path: str, value: object, layout: Layout) -> InformationObject:
    given = _Fields(path, value)
    defaults = {f.name: f.default for f in fields(layout.object_class)}
    built = {"ioa": given.number("ioa", MAX_IOA)}
    for element in layout.elements:
        for part in element.parts:
            built[part.name] = _part_from_json(part, given, defaults[part.name])
    given.end()
    return layout.object_class(**built)


def _part_from_json(part: Part, given: _Fields, default: object) -> Any:
    match part:
        case e.Flag(name):
            return given.flag(name, is_needed=name == "value")
        case e.Number(name, limits=(least, greatest)):
            return given.number(name, greatest, default, least)
        case e.Flags(kind):
            return kind(sum(member for member in part.members if given.flag(_name(member))))
        case e.Bitstring(name):
            return _agreed(
                given, name, "octets",
                lambda: given.number(name, 0xFFFFFFFF),
                lambda: int.from_bytes(given.octets("octets", 4), "little"),
                int,
            )  # fmt: skip
        case e.Normalized(name):
            return _agreed(
                given, name, "raw",
                lambda: given.fraction(name),
                lambda: given.number("raw", 32767, least=-32768) / 32768,
                e.normalized_raw,
            )  # fmt: skip
        case e.Float(name):
            return _agreed(
                given, name, "bits",
                lambda: given.float(name),
                lambda: e.float_from_octets(given.octets("bits", 4)[::-1]),
                e.float_bits,
            )  # fmt: skip
        case e.Time(kind, name):
            return _time(given.path(name), given.get(name), kind)
        case _:  # a segment
            return given.octets(part.name)


def _agreed(
    given: _Fields,
    name: str,
    wire: str,
    from_value: Callable[[], Any],
    from_wire: Callable[[], Any],
    to_wire: Callable[[Any], int],
) -> Any:
    """A value given for people, as it is on the wire, or both; then they have to agree."""
    if not given.has(wire):
        return from_value()
    exact = from_wire()
    if given.has(name):
        shown = from_value()
        both_nan = shown != shown and exact != exact
        if to_wire(shown) != to_wire(exact) and not both_nan:
            path, other = given.path(name), given.get(wire)
            raise ValueError(f"{path} {shown!r} does not agree with {wire} {other!r}; give one")
    return exact


def _time(path: str, value: object, kind: type[Cp24Time2a] | type[Cp56Time2a]) -> Any:
    given = _Fields(path, value)
    built: dict[str, Any] = {}
    for field in _TIME_FIELDS[kind]:
        if isinstance(field, e.Flag):
            built[field.name] = given.flag(field.name)
        else:
            default = 0 if field.name == "weekday" else MISSING
            built[field.name] = given.number(field.name, (1 << field.width) - 1, default)
    given.end()
    return kind.of(**built)


def _name(member: e.Quality | e.CounterQuality) -> str:
    return str(member.name).lower()
