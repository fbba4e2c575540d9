"""What the Traffic tab says about a frame: a row, a tree of fields, octets with marks. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from app.formats import NOTHING, time_of_day
from core.feed import Frame
from core.protocol import elements as e
from core.protocol.codec import DataUnit, DecodeError, IFrame, SFrame, UFrame, decode_apdu
from core.protocol.describe import cause_text, describe, part_text
from core.protocol.layouts import object_type

COLUMNS: Final = ("system", "to", "frame", "type", "cause", "ca", "ioa", "value", "quality")

HEADINGS: Final[Mapping[str, str]] = {
    "#0": "Time", "system": "System", "to": "Routed to", "frame": "Frame", "type": "Type",
    "cause": "Cause", "ca": "CA", "ioa": "IOA", "value": "Value", "quality": "Quality",
}  # fmt: skip

MEANINGS: Final[Mapping[str, str]] = {
    "#0": "When the gateway had the frame, local time. Arrow left: received; right: sent.",
    "system": "The other end of the connection: S/ the RTU, M/ a master.",
    "to": "Who was sent this message, and to how many more. A dash: it stays on its link.",
    "frame": "I with its send and receive number, S with its receive number, or U.",
    "type": "Type identification, by its name and number.",
    "cause": "Cause of transmission.",
    "ca": "Common address, as received and as sent on where the gateway translated it.",
    "ioa": "Information object address of the first object, and how many more there are.",
    "value": "Value of the first object.",
    "quality": "Quality of the first object; good if no flag is set.",
}


class Tone(StrEnum):
    """How a row is coloured."""

    PLAIN = "plain"
    COMMAND = "command"
    INVALID = "invalid"
    LINK = "link"
    """S and U frames, which stay on their link."""


@dataclass(frozen=True, slots=True)
class FrameRow:
    """One row of the table."""

    time: str
    is_received: bool
    cells: tuple[str, ...]
    tone: Tone
    kind: str
    """I, S or U."""
    fields: Mapping[str, Sequence[str]]
    """What a filter sees."""


def frame_row(frame: Frame, labels: Mapping[str, str]) -> FrameRow:
    """The row of a frame; ``labels`` gives the name of an entry by its key."""
    system = labels.get(frame.entry, frame.entry)
    receivers = [labels.get(sent.entry, sent.entry) for sent in frame.sent]
    to = NOTHING if not receivers else receivers[0]
    if len(receivers) > 1:
        to += f" +{len(receivers) - 1}"
    try:
        apdu = decode_apdu(frame.octets)
    except DecodeError as error:
        shown, tone, kind = ("?", "", str(error), "", "", "", ""), Tone.INVALID, "I"
        return _row(frame, system, to, receivers, shown, tone, kind, {})
    match apdu:
        case SFrame(nr):
            shown = (f"S {nr}", "acknowledge", "", "", "", "", "")
            return _row(frame, system, to, receivers, shown, Tone.LINK, "S", {})
        case UFrame():
            text = describe(frame.octets).partition(" [")[0].removeprefix("U ")
            shown = ("U", text, "", "", "", "", "")
            return _row(frame, system, to, receivers, shown, Tone.LINK, "U", {})
    return _i_frame(frame, apdu, system, to, receivers)


def _i_frame(
    frame: Frame, apdu: IFrame, system: str, to: str, receivers: Sequence[str]
) -> FrameRow:
    unit = apdu.asdu
    cas = _common_addresses(frame, unit.ca)
    name = unit.name or "unknown"
    cause = f"{int(unit.cause)} {cause_text(unit.cause)}"
    cause += " negative" * unit.negative + " test" * unit.test
    value, quality = _value(unit)
    ioa = str(unit.objects[0].ioa) if unit.objects else ""
    ioas = tuple(str(each.ioa) for each in unit.objects)
    more = f" +{len(ioas) - 1}" if len(ioas) > 1 else ""
    tone = Tone.PLAIN
    if 45 <= unit.type_id <= 69 or 100 <= unit.type_id <= 113:
        tone = Tone.COMMAND
    if unit.negative or "invalid" in quality or "not topical" in quality:
        tone = Tone.INVALID
    ca = " → ".join("all" if each == 65535 else str(each) for each in cas[:2])
    ca += f" +{len(cas) - 2}" if len(cas) > 2 else ""
    shown = (
        f"I {apdu.ns}/{apdu.nr}", f"{name} {int(unit.type_id)}", cause, ca, ioa + more, value,
        quality,
    )  # fmt: skip
    seen = {
        "type": (name, str(int(unit.type_id))),
        "cause": (cause, str(int(unit.cause))),
        "ca": tuple(map(str, cas)),
        "ioa": ioas,
    }
    return _row(frame, system, to, receivers, shown, tone, "I", seen)


def _row(
    frame: Frame, system: str, to: str, receivers: Sequence[str], shown: tuple[str, ...],
    tone: Tone, kind: str, seen: Mapping[str, Sequence[str]],
) -> FrameRow:  # fmt: skip
    number, type_text, cause, _, _, value, quality = shown
    fields: dict[str, Sequence[str]] = {
        "system": (system,),
        "to": tuple(receivers),
        "frame": (number,),
        "type": (type_text,),
        "cause": (cause,),
        "value": (value,),
        "quality": (quality,),
    }
    cells = (system, to, *shown)
    return FrameRow(time_of_day(frame.at), frame.is_received, cells, tone, kind, {**fields, **seen})


def _common_addresses(frame: Frame, ca: int) -> tuple[int, ...]:
    """As received, and as sent on where that differs."""
    found = [ca]
    for sent in frame.sent:
        other = int.from_bytes(sent.octets[10:12], "little") if len(sent.octets) >= 12 else ca
        if other not in found:
            found.append(other)
    return tuple(found)


def _value(unit: DataUnit) -> tuple[str, str]:
    """Value and quality of the first object, in words."""
    known = object_type(unit.type_id)
    if unit.opaque is not None or known is None:
        octets = unit.opaque.octets if unit.opaque else b""
        return octets[:12].hex(" "), ""
    if not unit.objects:
        return "", ""
    words, flags = [], []
    has_quality = False
    for element in known.layout.elements:
        for part in element.parts:
            text = part_text(element, part, getattr(unit.objects[0], part.name))
            match part:
                case e.Flags():
                    has_quality = True
                    flags.append(text)
                case e.Time():
                    pass
                case _ if part.name in ("value", "event"):
                    words.append(text)
                case e.Flag(name="select"):
                    words.append("select" if text == "yes" else "execute")
                case e.Flag():
                    flags.append(part.name.replace("_", " ") if text == "yes" else "")
                case _:
                    words.append(text)
    quality = ", ".join(flag for flag in flags if flag)
    if has_quality and not quality:
        quality = "good"
    return " ".join(word for word in words if word), quality


# Octets

Mark: TypeAlias = tuple[int, int]
"""First octet and the one behind the last."""


@dataclass(frozen=True, slots=True)
class Octets:
    """One string of octets and what is marked in it."""

    title: str
    octets: bytes
    rewritten: tuple[Mark, ...]


def octet_views(frame: Frame, labels: Mapping[str, str]) -> list[Octets]:
    """As received and as sent on to each; what the gateway rewrote is marked in both.

    The numbers of a link (N(S), N(R)) are its own and always differ: they are not marked.
    """
    name = labels.get(frame.entry, frame.entry)
    way = "received from" if frame.is_received else "sent to"
    changed: set[int] = set()
    views = []
    for sent in frame.sent:
        differing = _differing(frame.octets, sent.octets)
        changed |= differing
        title = f"sent on to {labels.get(sent.entry, sent.entry)}"
        views.append(Octets(title, sent.octets, _spans(differing)))
    return [Octets(f"{way} {name}", frame.octets, _spans(changed)), *views]


def _differing(received: bytes, sent: bytes) -> set[int]:
    pairs = enumerate(zip(received, sent, strict=False))
    found = {at for at, (a, b) in pairs if a != b and at >= 6}
    return found | set(range(min(len(received), len(sent)), max(len(received), len(sent))))


def _spans(at: set[int]) -> tuple[Mark, ...]:
    spans: list[Mark] = []
    for each in sorted(at):
        if spans and spans[-1][1] == each:
            spans[-1] = (spans[-1][0], each + 1)
        else:
            spans.append((each, each + 1))
    return tuple(spans)


def rewritten(frame: Frame, labels: Mapping[str, str]) -> list[tuple[str, str]]:
    """To whom it was sent on with other addresses or another cause, and what became what."""
    found = []
    for sent in frame.sent:
        if min(len(sent.octets), len(frame.octets)) < 12:
            continue
        words = []
        before, after = (int.from_bytes(o[10:12], "little") for o in (frame.octets, sent.octets))
        if before != after:
            words.append(f"CA {before} becomes {after}")
        if sent.octets[9] != frame.octets[9]:
            words.append(f"OA {frame.octets[9]} becomes {sent.octets[9]}")
        if sent.octets[8] != frame.octets[8]:
            words.append(f"cause {frame.octets[8] & 63} becomes {sent.octets[8] & 63}")
        if words:
            found.append((labels.get(sent.entry, sent.entry), ", ".join(words)))
    return found
