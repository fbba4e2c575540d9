"""Frames in words: one line for a log, a tree of fields for a window.

Both take any octets: what cannot be read is said, never raised.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from core.protocol import elements as e
from core.protocol.asdu import HEADER_OCTETS, Asdu
from core.protocol.codec import (
    APCI_OCTETS,
    Apdu,
    DataUnit,
    DecodeError,
    Fault,
    IFrame,
    Remark,
    SFrame,
    UFrame,
    decode_apdu,
    decode_asdu,
)
from core.protocol.codes import BROADCAST, Cause, CauseNumber
from core.protocol.elements import Element, Part
from core.protocol.layouts import IOA_OCTETS, Layout, object_type
from core.protocol.objects import InformationObject
from core.protocol.times import Cp24Time2a, Cp56Time2a

MOST_OBJECTS: Final = 4
"""Objects that a line shows; of more, one fewer and how many there are besides."""
MOST_OCTETS: Final = 16
"""Octets without a meaning of their own that a line shows."""

_CAUSES: Final = {
    Cause.PERIODIC: "periodic",
    Cause.BACKGROUND: "background",
    Cause.SPONTANEOUS: "spontaneous",
    Cause.INITIALIZED: "initialized",
    Cause.REQUEST: "request",
    Cause.ACTIVATION: "activation",
    Cause.ACTIVATION_CON: "activation con",
    Cause.DEACTIVATION: "deactivation",
    Cause.DEACTIVATION_CON: "deactivation con",
    Cause.ACTIVATION_TERMINATION: "activation term",
    Cause.RETURN_REMOTE: "return remote",
    Cause.RETURN_LOCAL: "return local",
    Cause.FILE_TRANSFER: "file transfer",
    14: "authentication",
    15: "session key",
    16: "user role and key",
    Cause.INTERROGATED: "interrogated",
    **{Cause.INTERROGATED + group: f"interrogated group {group}" for group in range(1, 17)},
    Cause.COUNTERS: "counters",
    **{Cause.COUNTERS + group: f"counters group {group}" for group in range(1, 5)},
    Cause.UNKNOWN_TYPE: "unknown type",
    Cause.UNKNOWN_CAUSE: "unknown cause",
    Cause.UNKNOWN_COMMON_ADDRESS: "unknown CA",
    Cause.UNKNOWN_IOA: "unknown IOA",
}

_OFF_ON: Final = {0: "off", 1: "on"}
_DOUBLE: Final = {0: "intermediate", 1: "off", 2: "on", 3: "indeterminate"}
_PULSES: Final = {0: "", 1: "short pulse", 2: "long pulse", 3: "persistent"}
_WORDS: Final[dict[tuple[str, str], dict[int, str]]] = {
    ("SIQ", "value"): _OFF_ON,
    ("DIQ", "value"): _DOUBLE,
    ("SEP", "event"): {**_DOUBLE, 0: "indeterminate"},
    ("SCO", "value"): _OFF_ON,
    ("DCO", "value"): {1: "off", 2: "on"},
    ("RCO", "value"): {1: "lower", 2: "higher"},
    ("SCO", "qualifier"): _PULSES,
    ("DCO", "qualifier"): _PULSES,
    ("RCO", "qualifier"): _PULSES,
    ("QOS", "qualifier"): {0: ""},
    ("COI", "cause_of_initialization"): {0: "power on", 1: "manual reset", 2: "remote reset"},
    ("QOI", "qoi"): {20: "station", **{20 + group: f"group {group}" for group in range(1, 17)}},
    ("QCC", "request"): {5: "all counters", **{n: f"counter group {n}" for n in range(1, 5)}},
    ("QCC", "freeze"): {0: "read", 1: "freeze", 2: "freeze and reset", 3: "reset"},
    ("QRP", "qrp"): {1: "process", 2: "waiting events"},
    ("QPM", "kind"): {1: "threshold", 2: "smoothing factor", 3: "low limit", 4: "high limit"},
    ("QPA", "qpa"): {1: "loaded parameters", 2: "object parameters", 3: "cyclic transmission"},
    ("FRQ", "frq"): {0: ""},
    ("SRQ", "srq"): {0: ""},
    ("SCQ", "action"): {
        0: "directory", 1: "select file", 2: "call file", 3: "deactivate file", 4: "delete file",
        5: "select section", 6: "call section", 7: "deactivate section",
    },
    ("SCQ", "error"): {
        0: "", 1: "memory not available", 2: "checksum failed", 3: "unexpected service",
        4: "unexpected file name", 5: "unexpected section name",
    },
    ("AFQ", "action"): {
        1: "file received", 2: "file not received", 3: "section received",
        4: "section not received",
    },
    ("LSQ", "lsq"): {
        1: "file sent", 2: "file deactivated", 3: "section sent", 4: "section deactivated",
    },
    ("SOF", "status"): {0: ""},
}  # fmt: skip
"""Numbers with a meaning (60870-5-101 clause 7.2.6); "" where it goes without saying."""
_WORDS["AFQ", "error"] = _WORDS["SCQ", "error"]
_LABELS: Final = {
    ("QOS", "qualifier"): "QL",
    **dict.fromkeys((("SCO", "qualifier"), ("DCO", "qualifier"), ("RCO", "qualifier")), "QU"),
    ("QOI", "qoi"): "QOI",
    ("QCC", "request"): "RQT",
    ("QRP", "qrp"): "QRP",
    ("QPA", "qpa"): "QPA",
    ("QPM", "kind"): "KPA",
    ("LSQ", "lsq"): "LSQ",
    ("FRQ", "frq"): "FRQ",
    ("SRQ", "srq"): "SRQ",
}
"""How a number is called that has no word of its own; otherwise by its field."""
_UNITS: Final = {"length": " octets"}

_TIME_AT: Final = {
    "ms": (0, 2), "minute": (2, 3), "substituted": (2, 3), "invalid": (2, 3), "hour": (3, 4),
    "summer_time": (3, 4), "day": (4, 5), "weekday": (4, 5), "month": (5, 6), "year": (6, 7),
}  # fmt: skip
"""The fields of a time tag and the octets they lie in; the first four are those of CP24Time2a."""


# --- one line -----------------------------------------------------------------------------------


def describe(octets: bytes) -> str:
    """One line on a frame, whatever the octets are; what is wrong with them stands in it."""
    try:
        return describe_frame(decode_apdu(octets))
    except DecodeError as error:
        if error.reason is not Fault.TOO_FEW_OCTETS:
            return f"malformed: {error}"
        return f"{_head_of(octets)}: malformed: {error}"


def describe_frame(frame: Apdu) -> str:
    """One line on a decoded frame."""
    match frame:
        case UFrame(function):
            line = (
                f"U {function.name.replace('_', ' ').replace('ACT', 'act').replace('CON', 'con')}"
            )
        case SFrame(nr):
            line = f"S {nr}"
        case _:
            line = f"I {frame.ns}/{frame.nr} {describe_asdu(frame.asdu)}"
    return line + _remarks_text(frame.remarks)


def describe_asdu_octets(octets: bytes) -> str:
    """One line on an ASDU with a whole header; what is wrong with its objects stands in it."""
    try:
        return describe_asdu(decode_asdu(octets))
    except DecodeError as error:
        return f"{_header_text(_header_of(Asdu(octets)))} malformed: {error}"


def describe_asdu(unit: DataUnit) -> str:
    """One line on a decoded ASDU, without its remarks."""
    known = object_type(unit.type_id)
    if unit.opaque is not None or known is None:
        octets = unit.opaque.octets if unit.opaque else b""
        return f"{_header_text(unit)} {unit.count} unknown: {_octets_text(octets) or 'no octets'}"
    shown = unit.objects
    if len(shown) > MOST_OBJECTS:
        shown = shown[: MOST_OBJECTS - 1]
    texts = [_object_text(obj, known.layout) for obj in shown]
    rest = len(unit.objects) - len(shown)
    more = f" and {rest} more" if rest else ""
    return f"{_header_text(unit)} {', '.join(texts) or 'no objects'}{more}"


def _octets_text(octets: bytes) -> str:
    more = " ..." if len(octets) > MOST_OCTETS else ""
    return octets[:MOST_OCTETS].hex(" ") + more


def _remarks_text(remarks: tuple[Remark, ...]) -> str:
    return "".join(f" [{remark}]" for remark in remarks)


def _head_of(octets: bytes) -> str:
    """Numbers and header of an I frame whose objects cannot be read."""
    unit = _header_of(Asdu(octets[APCI_OCTETS:]))
    ns, nr = (int.from_bytes(octets[at : at + 2], "little") >> 1 for at in (2, 4))
    return f"I {ns}/{nr} {_header_text(unit)}"


def _header_of(asdu: Asdu) -> DataUnit:
    return DataUnit(
        asdu.type_id, asdu.cause, asdu.ca,
        sq=asdu.sq, negative=asdu.is_negative, test=asdu.is_test, oa=asdu.oa,
    )  # fmt: skip


def cause_text(cause: CauseNumber) -> str:
    """A cause of transmission in words."""
    return _CAUSES.get(cause, f"cause {cause}")


def _header_text(unit: DataUnit) -> str:
    words = [unit.name or f"type {unit.type_id}", cause_text(unit.cause)]
    words += ["negative"] if unit.negative else []
    words += ["test"] if unit.test else []
    words += [f"OA {unit.oa}"] if unit.oa else []
    return " ".join([*words, "CA all" if unit.ca == BROADCAST else f"CA {unit.ca}"])


def _object_text(obj: InformationObject, layout: Layout) -> str:
    values = {
        (element, part): getattr(obj, part.name)
        for element in layout.elements
        for part in element.parts
    }
    words: list[str] = []
    flags: list[str] = []
    doubts: list[str] = []
    times: list[str] = []
    for (element, part), value in values.items():
        text = part_text(element, part, value)
        match part:
            case e.Time():
                times.append(text if part.name == "time" else f"{_spaced(part.name)} {text}")
            case e.Flags():
                doubts.append(text)
            case _ if _is_main(element, part):
                words.append(f"= {text}")
            case e.Flag(name="select"):
                words.append("select" if value else "execute")
            case e.Flag(name="transient"):
                doubts.append("transient" if value else "")
            case e.Flag():
                flags.append(_spaced(part.name) if value else "")
            case e.Segment() if len(value) > MOST_OCTETS:
                words.append(f"{len(value)} octets: {_octets_text(value)}")
            case _:
                words.append(text)
    said = ", ".join(doubt for doubt in doubts if doubt)
    words.append(", ".join(flag for flag in flags if flag))
    # 60870-5-101, 7.3.3 and 7.3.4: address 0 means that there is nothing to address.
    address = f"IOA {obj.ioa}" if obj.ioa or not values else ""
    words = [address, *words, f"({said})" if said else "", *times]
    return " ".join(word for word in words if word)


def part_text(element: Element, part: Part, value: Any) -> str:
    """The value of one field in words; "" where nothing is worth saying."""
    match part:
        case e.Flags():
            return ", ".join(
                _spaced(str(member.name)) for member in part.members if member in value
            )
        case e.Bitstring():
            return f"{value:08x} hex"
        case e.Normalized():
            return f"{value:.6g}"
        case e.Float():
            return e.float_text(value)
        case e.Time():
            return time_text(value)
        case e.Segment():
            return f"{len(value)} octets: {value.hex(' ')}" if value else "0 octets"
    known = _WORDS.get((element.name, part.name), {})
    if value in known:
        return known[value]
    if part.name in ("status", "changed", "pattern") and element.octets == 2:
        return f"{_label(element, part)}{value:04x} hex"
    if part.name.endswith("_ms"):
        strange = "" if value <= 59999 else " (out of range)"
        return f"{_spaced(part.name.removesuffix('_ms'))} {value} ms{strange}"
    if isinstance(part, e.Flag):
        return "yes" if value else "no"
    return f"{_label(element, part)}{value}{_UNITS.get(part.name, '')}"


def _is_main(element: Element, part: Part) -> bool:
    """Whether a field is what its object is about."""
    return part.name in ("value", "event") or (element.name, part.name) == ("SCD", "status")


def _label(element: Element, part: Part) -> str:
    if _is_main(element, part):
        return ""
    return _LABELS.get((element.name, part.name), _spaced(part.name)) + " "


def _spaced(name: str) -> str:
    """A field's name as words; the phases keep their capital."""
    return re.sub(r"\bl(?=[123]\b)", "L", name.lower().replace("_", " "))


def time_text(tag: Cp24Time2a | Cp56Time2a) -> str:
    """A time tag as people write it, with its flags, and whether it names a real time."""
    text = f"{tag.minute:02}:{tag.ms // 1000:02}.{tag.ms % 1000:03}"
    if isinstance(tag, Cp56Time2a):
        text = f"{2000 + tag.year}-{tag.month:02}-{tag.day:02} {tag.hour:02}:{text}"
        text += " summer" if tag.summer_time else ""
    said = [
        "time invalid" if tag.invalid else "",
        "time substituted" if tag.substituted else "",
        "" if tag.is_real else "no real time",
    ]
    doubts = ", ".join(word for word in said if word)
    return f"{text} ({doubts})" if doubts else text


# --- tree of fields -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a frame as a window shows it."""

    name: str
    value_text: str
    octet_range: tuple[int, int]
    """First octet and the one behind the last, counted from the start octet; empty for the address
    of an object in a sequence but the first."""
    children: "tuple[Field, ...]" = ()


def field_tree(octets: bytes) -> Field:
    """A frame as a tree; what cannot be read is a leaf that says why."""
    whole = (0, len(octets))
    line = describe(octets)
    try:
        frame = decode_apdu(octets)
    except DecodeError as error:
        if error.reason is not Fault.TOO_FEW_OCTETS:
            return Field("APDU", line, whole)
        at = APCI_OCTETS + HEADER_OCTETS
        rest = Field("objects", str(error), (at, len(octets)))
        return Field("APDU", line, whole, (_apci_field(octets), _asdu_field(octets, rest)))
    children = [_apci_field(octets)]
    end = APCI_OCTETS
    if isinstance(frame, IFrame):
        objects, end = _object_fields(octets, frame.asdu)
        children.append(_asdu_field(octets, *objects))
    if end < len(octets):
        children.append(Field("surplus", octets[end:].hex(" "), (end, len(octets))))
    return Field("APDU", line, whole, tuple(children))


def _apci_field(octets: bytes) -> Field:
    first, second = (int.from_bytes(octets[at : at + 2], "little") for at in (2, 4))
    children = [
        Field("start", f"{octets[0]:02x} hex", (0, 1)),
        Field("length", str(octets[1]), (1, 2)),
    ]
    if not first & 1:
        text = "I format"
        children.append(Field("N(S)", str(first >> 1), (2, 4)))
        children.append(Field("N(R)", str(second >> 1), (4, 6)))
    elif first & 2:
        text = "U format"
        children.append(Field("function", describe(octets[:APCI_OCTETS])[2:], (2, 6)))
    else:
        text = "S format"
        children.append(Field("format", f"{first:04x} hex", (2, 4)))
        children.append(Field("N(R)", str(second >> 1), (4, 6)))
    return Field("APCI", text, (0, APCI_OCTETS), tuple(children))


def _asdu_field(octets: bytes, *objects: Field) -> Field:
    asdu = Asdu(octets[APCI_OCTETS:])
    known = object_type(asdu.type_id)
    name = known.name if known else "unknown"
    header = (
        Field("type identification", f"{asdu.type_id} {name}", (6, 7)),
        Field("SQ", "1 sequence" if asdu.sq else "0 single objects", (7, 8)),
        Field("number of objects", str(asdu.count), (7, 8)),
        Field("cause", f"{asdu.cause} {cause_text(asdu.cause)}", (8, 9)),
        Field("P/N", "1 negative" if asdu.is_negative else "0 positive", (8, 9)),
        Field("T", "1 test" if asdu.is_test else "0 no test", (8, 9)),
        Field("originator address", str(asdu.oa), (9, 10)),
        Field("common address", str(asdu.ca), (10, 12)),
    )
    end = max(APCI_OCTETS + HEADER_OCTETS, *(field.octet_range[1] for field in (*header, *objects)))
    return Field("ASDU", name, (APCI_OCTETS, end), header + objects)


def _object_fields(octets: bytes, unit: DataUnit) -> tuple[list[Field], int]:
    """One field for each object, and where the octets behind them begin."""
    at = APCI_OCTETS + HEADER_OCTETS
    known = object_type(unit.type_id)
    if unit.opaque is not None or known is None:
        end = octets[1] + 2
        return [Field("objects", octets[at:end].hex(" "), (at, end))], end
    made = []
    for index, obj in enumerate(unit.objects):
        begin = at
        if not unit.sq or not index:
            at += IOA_OCTETS
        children = [Field("IOA", str(obj.ioa), (begin, at))]
        for element in known.layout.elements:
            end = at + element.octets
            if isinstance(element.parts[0], e.Segment):
                end += octets[at]
            children.append(_element_field(element, obj, at, end))
            at = end
        text = _object_text(obj, known.layout)
        made.append(Field(f"object {index + 1}", text, (begin, at), tuple(children)))
    return made, at


def _element_field(element: Element, obj: InformationObject, at: int, end: int) -> Field:
    children: list[Field] = []
    texts = []
    for part in element.parts:
        value = getattr(obj, part.name)
        text = part_text(element, part, value)
        texts.append(text)
        children += _part_fields(part, value, text, at, end)
    shown = ", ".join(text for text in texts if text)
    return Field(element.name, shown, (at, end), tuple(children))


def _part_fields(part: Part, value: Any, text: str, at: int, end: int) -> Iterator[Field]:
    match part:
        case e.Flags():
            for member in part.members:
                shown = "yes" if member in value else "no"
                yield Field(_spaced(str(member.name)), shown, (at, end))
        case e.Time(kind=kind):
            for name, (first, last) in _TIME_AT.items():
                if kind is Cp56Time2a or last <= 3:
                    got = getattr(value, name)
                    shown = ("yes" if got else "no") if isinstance(got, bool) else str(got)
                    yield Field(_spaced(name), shown, (at + first, at + last))
        case _:
            yield Field(_spaced(part.name), text or str(value), (at, end))
