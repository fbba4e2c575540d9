"""Frames as plain dicts: each object with named values, and with the names of its elements.

The named values are those of ``tests/vectors/README.md``. Beside them stands each element under
its classic name: an element that is one number gives that number (``"NVA"``, ``"SVA"``,
``"IEEE STD 754"``), one of several fields a dict (``"SIQ"``, ``"QDS"``, ``"BCR"``), a time tag a
naive ``datetime``.
"""

from datetime import datetime
from typing import Any, Final, TypeAlias

from core.client.errors import FrameError
from core.protocol import elements as e
from core.protocol.codec import DecodeError, IFrame
from core.protocol.codec import decode_apdu as decode
from core.protocol.elements import Part
from core.protocol.jsonform import object_to_json
from core.protocol.layouts import Layout, object_type
from core.protocol.objects import InformationObject
from core.protocol.times import Cp24Time2a, Cp56Time2a

Json: TypeAlias = dict[str, Any]

_CLASSIC: Final = {
    "R32": "IEEE STD 754",
    "Cp24Time2a": "CP24Time2a",
    "Cp56Time2a": "CP56Time2a",
}


class IEC104DataProcessor:
    """Decoding of frames; nothing to construct: ``IEC104DataProcessor.decode_apdu(frame)``."""

    @staticmethod
    def decode_apdu(frame: bytes, received: datetime | None = None) -> Json:
        """An I-format APDU as a dict; FrameError, and no other exception, if it is none.

        ``type_id, sq, num_objects, t, pn, cot, originator_address, asdu_address, objects``; also
        ``ns, nr, type_name``. ``sq``, ``t`` (test) and ``pn`` (negative) are bools. ``objects`` is
        a list of dicts with ``ioa`` and the values of their elements. The octets of a type that is
        not known (private ones) are in ``octets`` and ``objects`` is empty.

        ``"CP56Time2a"`` is the time as it was sent, a ``datetime`` without zone, ready for a
        database; None if it names no instant. ``"CP24Time2a"`` lacks the hour: it is given the one
        that brings it nearest to ``received``, by default now, local time. Flags, weekday and
        summer time are beside it in ``time``.
        """
        if not isinstance(frame, bytes | bytearray | memoryview):
            raise FrameError(f"{frame!r} is no frame: octets are needed, 12 at the least")
        try:
            apdu = decode(bytes(frame))
        except DecodeError as error:
            raise FrameError(str(error)) from error
        if not isinstance(apdu, IFrame):
            raise FrameError("an S or U frame: only an I-format APDU carries data")
        unit = apdu.asdu
        known = object_type(unit.type_id)
        shown: Json = {
            "type_id": int(unit.type_id),
            "type_name": known.name if known else None,
            "sq": unit.sq,
            "num_objects": unit.count,
            "t": unit.test,
            "pn": unit.negative,
            "cot": int(unit.cause),
            "originator_address": unit.oa,
            "asdu_address": unit.ca,
            "ns": apdu.ns,
            "nr": apdu.nr,
            "objects": [],
        }
        if unit.opaque is not None:
            shown["octets"] = unit.opaque.octets
        elif known is not None:
            near = received.replace(tzinfo=None) if received is not None else None
            shown["objects"] = [object_dict(obj, known.layout, near) for obj in unit.objects]
        return shown


def object_dict(obj: InformationObject, layout: Layout, near: datetime | None = None) -> Json:
    """One object as a flat dict; ``near`` gives the hour to a CP24Time2a."""
    shown = object_to_json(obj, layout)
    classic: Json = {}
    names = [element.name for element in layout.elements]
    for element in layout.elements:
        part = element.parts[0]
        name = _CLASSIC.get(element.name, element.name)
        match part:
            case e.Time():
                classic.setdefault(name, _moment(getattr(obj, part.name), near))
            case e.Float():
                shown[part.name] = classic[name] = getattr(obj, part.name)
            case e.Bitstring():
                shown["octets"] = getattr(obj, part.name).to_bytes(4, "little")
                classic[name] = shown[part.name]
            case e.Segment():
                shown[part.name] = classic[name] = getattr(obj, part.name)
            case e.Number() | e.Normalized() if len(element.parts) == 1 == names.count(name):
                classic[name] = shown[part.name]
            case _:
                own = [field for one in element.parts for field in _fields(one)]
                classic.setdefault(name, {}).update((field, shown[field]) for field in own)
    return classic | shown  # a private type may have an element called like a field


def _fields(part: Part) -> list[str]:
    """What a part is called in the flat dict."""
    if isinstance(part, e.Flags):
        return [str(member.name).lower() for member in part.members]
    return [part.name]


def _moment(tag: Cp24Time2a | Cp56Time2a, near: datetime | None) -> datetime | None:
    if isinstance(tag, Cp56Time2a):
        return tag.to_datetime()
    return tag.to_datetime(near if near is not None else _local_now())


def _local_now() -> datetime:
    return datetime.now().astimezone().replace(tzinfo=None)
