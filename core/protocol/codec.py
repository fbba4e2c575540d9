"""Frames and ASDUs with their objects decoded: octets to values and back.

Two manners of reading. *Lenient*, the default, takes what real stations send: it decodes whatever
has a meaning and notes in ``remarks`` what a correct sender would not have produced. *Strict*
refuses at the first such note. What both refuse is what cannot be read: no frame, an unknown
control field, too few octets. Reserved and private values are values in both. Types nobody has
registered stay octets (:class:`Opaque`).

    frame = decode_apdu(octets)            # DecodeError, and no other exception
    match frame:
        case IFrame(ns, nr, asdu):
            for obj in asdu.objects: ...

    asdu = DataUnit(TypeId.M_ME_NC_1, Cause.SPONTANEOUS, ca=1, objects=(ShortFloat(7, 76.2),))
    octets = encode_apdu(IFrame(ns=0, nr=0, asdu=asdu))

60870-5-104 clause 5.1, 60870-5-101 clause 7.2.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from struct import Struct
from typing import Final, TypeAlias

from core.protocol.apci import APCI, MAX_LENGTH, U_FRAMES, U_FUNCTIONS, s_frame
from core.protocol.asdu import CAUSE_MASK, HEADER_OCTETS, NEGATIVE, TEST
from core.protocol.codes import (
    MAX_ASDU_OCTETS,
    Cause,
    CauseNumber,
    CommonAddress,
    TypeNumber,
    UFunction,
)
from core.protocol.layouts import IOA_OCTETS, MAX_IOA, ObjectType, TooFewOctetsError, object_type
from core.protocol.objects import InformationObject

APCI_OCTETS: Final = 6
MAX_COUNT: Final = 127
"""Objects of one ASDU (60870-5-101, 7.2.2)."""
MAX_SEQUENCE_NUMBER: Final = 32767
_HEADER: Final = Struct("<BBBBH")
_CAUSES: Final = {int(cause): cause for cause in Cause}
_USUAL_CAUSES: Final = frozenset((*range(1, 14), *range(20, 42), *range(44, 48)))


class Fault(StrEnum):
    """What is wrong with octets."""

    INCOMPLETE = "incomplete APDU"
    """More octets are needed; no fault while a stream goes on."""
    BAD_START = "bad start octet"
    BAD_LENGTH = "bad APDU length"
    BAD_FORMAT = "malformed control field"
    RESERVED_BITS = "reserved bits set in the control field"
    """Strict only."""
    SHORT_ASDU = "ASDU without a whole header"
    TOO_LONG = "ASDU of more than 249 octets"
    """Strict only."""
    UNKNOWN_TYPE = "unknown type identification"
    """Strict only."""
    TOO_FEW_OCTETS = "too few octets for the objects"
    SURPLUS_OCTETS = "surplus octets"
    """Strict only."""
    NOT_PERMITTED = "not permitted to a sender"
    """Strict only: SQ = 1 or a header value that the standard reserves."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Something a correct sender would not have produced, and where it stands."""

    reason: Fault
    detail: str
    offset: int
    """Counted from the first octet given to the decoder, from 0."""

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail} (at octet {self.offset})"


class DecodeError(ValueError):
    """Octets that are not what they should be; the one exception of decoding.

    ``reason`` is a :class:`Fault`, ``detail`` says more in words, ``offset`` is the position of
    the fault, counted from 0 from the first octet given: the first wrong octet, or the end where
    octets are missing. The text is one line for people.
    """

    def __init__(self, remark: Remark) -> None:
        super().__init__(str(remark))
        self.reason: Final = remark.reason
        self.detail: Final = remark.detail
        self.offset: Final = remark.offset


def _error(reason: Fault, detail: str, offset: int) -> DecodeError:
    return DecodeError(Remark(reason, detail, offset))


# --- values -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opaque:
    """Objects of a type nobody has registered: their announced number and their octets."""

    count: int
    octets: bytes

    def __repr__(self) -> str:
        return f"Opaque(count={self.count}, octets=bytes.fromhex('{self.octets.hex(' ')}'))"


_Remarks: TypeAlias = tuple[Remark, ...]


@dataclass(frozen=True, slots=True)
class DataUnit:
    """An application service data unit (ASDU) with its objects decoded.

    ``cause`` is 0..63 without P/N and T, which are ``negative`` and ``test``. ``opaque`` stands in
    place of the objects if the type is not known. ``remarks`` says what decoding found unusual and
    takes no part in comparisons. Decoding gives type and cause as TypeId and Cause where they
    have a name there, as plain numbers otherwise.
    """

    type_id: TypeNumber
    cause: CauseNumber
    ca: CommonAddress
    objects: tuple[InformationObject, ...] = ()
    sq: bool = False
    negative: bool = False
    test: bool = False
    oa: int = 0
    opaque: Opaque | None = None
    remarks: _Remarks = field(default=(), compare=False)

    @property
    def count(self) -> int:
        """The number of objects in the header."""
        return len(self.objects) if self.opaque is None else self.opaque.count

    @property
    def name(self) -> str | None:
        """The type's name, ``M_SP_NA_1``; None if the type is not known."""
        known = object_type(self.type_id)
        return known.name if known else None


@dataclass(frozen=True, slots=True)
class IFrame:
    """A numbered frame with an ASDU."""

    ns: int
    nr: int
    asdu: DataUnit
    remarks: _Remarks = field(default=(), compare=False)
    """Remarks of the frame and its ASDU; offsets count from the start octet."""


@dataclass(frozen=True, slots=True)
class SFrame:
    """An acknowledgement of everything before ``nr``."""

    nr: int
    remarks: _Remarks = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class UFrame:
    """A frame without number: start, stop or test."""

    function: UFunction
    remarks: _Remarks = field(default=(), compare=False)


Apdu: TypeAlias = IFrame | SFrame | UFrame


# --- decoding -----------------------------------------------------------------------------------


def decode_apdu(octets: bytes, *, strict: bool = False) -> Apdu:
    """One whole frame, from the start octet 68 on; DecodeError if it cannot be read."""
    frame = _decode_apdu(bytes(octets))
    if strict and frame.remarks:
        raise DecodeError(frame.remarks[0])
    return frame


def decode_asdu(octets: bytes, *, strict: bool = False) -> DataUnit:
    """One whole ASDU, from the type identification on; DecodeError if it cannot be read."""
    unit = _decode_asdu(bytes(octets), 0, len(octets))
    if strict and unit.remarks:
        raise DecodeError(unit.remarks[0])
    return unit


def _decode_apdu(octets: bytes) -> Apdu:
    if octets[:1] not in (b"\x68", b""):
        raise _error(Fault.BAD_START, f"{octets[0]:02x} hex instead of 68", 0)
    if len(octets) > 1 and not 4 <= octets[1] <= MAX_LENGTH:
        raise _error(Fault.BAD_LENGTH, f"{octets[1]} is outside 4..{MAX_LENGTH}", 1)
    end = octets[1] + 2 if len(octets) > 1 else APCI_OCTETS
    if len(octets) < end:
        raise _error(Fault.INCOMPLETE, f"{len(octets)} octets of {end}", len(octets))
    _, length, first, second = APCI.unpack_from(octets)
    control = first & 0xFF
    remarks: _Remarks = ()
    if control & 1 or second & 1:
        remarks = _control_remarks(control, first, second)
    if len(octets) > end:
        remarks += (Remark(Fault.SURPLUS_OCTETS, f"{len(octets) - end} behind the APDU", end),)
    if not control & 1:
        unit = _decode_asdu(octets, APCI_OCTETS, end)
        return IFrame(first >> 1, second >> 1, unit, remarks + unit.remarks)
    if control & 2 and control not in U_FUNCTIONS:
        raise _error(Fault.BAD_FORMAT, f"{control:02x} hex is no function of a U frame", 2)
    if length != 4:
        kind = "a U" if control & 2 else "an S"
        raise _error(Fault.BAD_LENGTH, f"{length} in {kind} frame, which has 4", 1)
    if control & 2:
        return UFrame(U_FUNCTIONS[control], remarks)
    return SFrame(second >> 1, remarks)


def _control_remarks(control: int, first: int, second: int) -> _Remarks:
    """Reserved bits that are set in the control field (60870-5-104, 5.1 figures 6 to 8)."""
    if not control & 1:
        wrong = {4: second & 1}
    elif control & 2:
        wrong = {3: first >> 8, 4: second & 0xFF, 5: second >> 8}
    else:
        wrong = {2: control & 0xFC, 3: first >> 8, 4: second & 1}
    return tuple(
        Remark(Fault.RESERVED_BITS, f"{bits:02x} hex in control octet {at - 1}", at)
        for at, bits in wrong.items()
        if bits
    )


def _decode_asdu(octets: bytes, start: int, end: int) -> DataUnit:
    """The ASDU from ``start`` to ``end``; offsets of remarks count from the first octet of all."""
    if end - start < HEADER_OCTETS:
        raise _error(Fault.SHORT_ASDU, f"{end - start} octets of {HEADER_OCTETS}", end)
    type_id, vsq, cot, oa, ca = _HEADER.unpack_from(octets, start)
    count, sq, cause = vsq & 0x7F, vsq > 0x7F, cot & CAUSE_MASK
    known = object_type(type_id)
    remarks: list[Remark] = []
    if end - start > MAX_ASDU_OCTETS:
        remarks.append(Remark(Fault.TOO_LONG, f"{end - start} octets", start + MAX_ASDU_OCTETS))
    if known is None:
        remarks.append(Remark(Fault.UNKNOWN_TYPE, str(type_id), start))
    if sq or not count or cause not in _USUAL_CAUSES or not ca:
        remarks += _header_remarks(known, count, sq, cause, ca, start)
    objects: tuple[InformationObject, ...] = ()
    opaque = None
    at = start + HEADER_OCTETS
    if known is None:
        opaque = Opaque(count, octets[at:end])
    else:
        objects, at = _decode_objects(known, octets[:end], at, count, sq)
        if sq and count and objects[-1].ioa > MAX_IOA:
            detail = f"the addresses run to {objects[-1].ioa}, past {MAX_IOA}"
            remarks.append(Remark(Fault.NOT_PERMITTED, detail, start + HEADER_OCTETS))
        if at < end:
            detail = f"{end - at} behind {count} of {known.name}"
            remarks.append(Remark(Fault.SURPLUS_OCTETS, detail, at))
    type_id = known.type_id if known else type_id
    return DataUnit(
        type_id, _CAUSES.get(cause, cause), ca, objects,
        sq, bool(cot & NEGATIVE), bool(cot & TEST), oa, opaque, tuple(remarks),
    )  # fmt: skip


def _header_remarks(
    known: ObjectType | None,
    count: int,
    sq: bool,
    cause: CauseNumber,
    ca: CommonAddress,
    start: int,
) -> list[Remark]:
    """What no station should send in a header, though it can be read."""
    wrong = []
    if sq and known is not None and not known.layout.is_sequence_permitted:
        wrong.append((f"SQ = 1 with {known.name}", 1))
    if not count:
        wrong.append(("no object announced", 1))
    if cause not in _USUAL_CAUSES:
        wrong.append((f"cause {cause} is reserved or private", 2))
    if not ca:
        wrong.append(("common address 0", 4))
    return [Remark(Fault.NOT_PERMITTED, detail, start + at) for detail, at in wrong]


def _decode_objects(
    known: ObjectType, octets: bytes, at: int, count: int, sq: bool
) -> tuple[tuple[InformationObject, ...], int]:
    try:
        return known.layout.read(octets, at, count, sq)
    except TooFewOctetsError as error:
        raise _error(
            Fault.TOO_FEW_OCTETS,
            f"{count} of {known.name} announced, there are octets for {error.whole}",
            len(octets),
        ) from None


# --- encoding -----------------------------------------------------------------------------------


def encode_apdu(frame: Apdu, *, strict: bool = False) -> bytes:
    """The octets of a frame.

    ValueError, which names the field and what is accepted, for a value that cannot be written;
    with ``strict`` also for one that a station must not send.
    """
    match frame:
        case UFrame(function):
            return U_FRAMES[function]
        case SFrame(nr):
            _check("nr", nr, MAX_SEQUENCE_NUMBER)
            return s_frame(nr)
        case _:
            _check("ns", frame.ns, MAX_SEQUENCE_NUMBER)
            _check("nr", frame.nr, MAX_SEQUENCE_NUMBER)
            octets = encode_asdu(frame.asdu, strict=strict)
            return APCI.pack(0x68, len(octets) + 4, frame.ns << 1, frame.nr << 1) + octets


def encode_asdu(unit: DataUnit, *, strict: bool = False) -> bytes:
    """The octets of an ASDU; ValueError as in :func:`encode_apdu`.

    ``remarks`` are not looked at: what they tell of, surplus octets for instance, is gone.
    """
    known = object_type(unit.type_id)
    count, cause = unit.count, unit.cause
    if unit.opaque is not None:
        if unit.objects:
            raise ValueError("an ASDU has objects or opaque octets, not both")
        body = unit.opaque.octets
    elif known is None:
        raise ValueError(f"type {unit.type_id} is not known: register it or give opaque octets")
    else:
        body = known.layout.write(unit.objects, unit.sq)
    if len(body) > MAX_ASDU_OCTETS - HEADER_OCTETS:
        detail = f"{count} objects need {len(body)}"
        raise ValueError(
            f"an ASDU has {MAX_ASDU_OCTETS - HEADER_OCTETS} octets for objects; {detail}"
        )
    _check("type_id", unit.type_id, 255)
    _check("count", count, MAX_COUNT)
    _check("cause", cause, CAUSE_MASK)
    _check("oa", unit.oa, 255)
    _check("ca", unit.ca, 65535)
    cot = cause | (NEGATIVE if unit.negative else 0) | (TEST if unit.test else 0)
    octets = _HEADER.pack(unit.type_id, count | (0x80 if unit.sq else 0), cot, unit.oa, unit.ca)
    octets += body
    if strict:
        try:
            decode_asdu(octets, strict=True)
        except DecodeError as error:
            raise ValueError(f"a station must not send this: {error}") from error
    return octets


def _check(name: str, value: int, greatest: int) -> None:
    if not isinstance(value, int) or not 0 <= value <= greatest:
        raise ValueError(f"{name} {value!r} is not a number 0..{greatest}")


def most_objects(type_id: TypeNumber, *, sq: bool = False) -> int:
    """How many objects of a known type fit into one ASDU; ValueError for an unknown type.

    For types with a segment, the number with empty segments.
    """
    known = object_type(type_id)
    if known is None:
        raise ValueError(f"type {type_id} is not known")
    room, size = MAX_ASDU_OCTETS - HEADER_OCTETS, known.layout.element_octets
    most = (room - IOA_OCTETS) // max(size, 1) if sq else room // (IOA_OCTETS + size)
    return min(most, MAX_COUNT)
