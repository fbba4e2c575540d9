"""Information elements: the octets between an object's address and the next object.

Each element of 60870-5-101 clause 7.2.6 stands here once, as the parts it consists of; how it is
read and written, its JSON form and its place in a field tree all follow from the parts. Reserved
bits are ignored on receipt and sent as 0, reserved values are values like any other.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntFlag
from struct import Struct
from struct import error as StructError
from typing import Any, Final, TypeAlias

from core.protocol.times import Cp24Time2a, Cp56Time2a


class Quality(IntFlag):
    """Quality of a value; nothing set means good. The bits are those of SIQ, DIQ, QDS and QDP.

    ``if obj.quality`` asks whether anything is wrong, ``obj.quality.invalid`` for one flag.
    """

    OVERFLOW = 0x01
    """OV: beyond the range of the value (QDS only)."""
    ELAPSED_TIME_INVALID = 0x08
    """EI (QDP and SEP only)."""
    BLOCKED = 0x10
    """BL: frozen, its transmission is blocked."""
    SUBSTITUTED = 0x20
    """SB: entered by an operator or an automatic source."""
    NOT_TOPICAL = 0x40
    """NT: the last update failed or is overdue."""
    INVALID = 0x80
    """IV: the source is known to be out of order."""

    __hash__ = int.__hash__  # equal to the number, so hashed like it; and much faster than Enum's

    def __repr__(self) -> str:
        return _flags_text(self)

    @property
    def overflow(self) -> bool:
        """Whether OV is set."""
        return bool(self._value_ & 0x01)

    @property
    def elapsed_time_invalid(self) -> bool:
        """Whether EI is set."""
        return bool(self._value_ & 0x08)

    @property
    def blocked(self) -> bool:
        """Whether BL is set."""
        return bool(self._value_ & 0x10)

    @property
    def substituted(self) -> bool:
        """Whether SB is set."""
        return bool(self._value_ & 0x20)

    @property
    def not_topical(self) -> bool:
        """Whether NT is set."""
        return bool(self._value_ & 0x40)

    @property
    def invalid(self) -> bool:
        """Whether IV is set."""
        return bool(self._value_ & 0x80)


class CounterQuality(IntFlag):
    """Quality of an integrated total; the bits are those of BCR's fifth octet."""

    CARRY = 0x20
    """CY: the counter overflowed in this period."""
    ADJUSTED = 0x40
    """CA: the counter was set since it was last read."""
    INVALID = 0x80
    """IV."""

    __hash__ = int.__hash__  # as in Quality

    def __repr__(self) -> str:
        return _flags_text(self)

    @property
    def carry(self) -> bool:
        """Whether CY is set."""
        return bool(self._value_ & 0x20)

    @property
    def adjusted(self) -> bool:
        """Whether CA is set."""
        return bool(self._value_ & 0x40)

    @property
    def invalid(self) -> bool:
        """Whether IV is set."""
        return bool(self._value_ & 0x80)


GOOD: Final = Quality(0)
COUNTER_GOOD: Final = CounterQuality(0)


def _flags_text(flags: IntFlag) -> str:
    names = "|".join(str(member.name) for member in flags)
    return f"{type(flags).__name__}({names or 0})"


# --- parts: the fields of an element ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Flag:
    """One bit, counted 1..8 as the standard does; a bool."""

    name: str
    bit: int


@dataclass(frozen=True, slots=True)
class Number:
    """An integer of ``width`` bits from ``bit`` on."""

    name: str
    bit: int = 1
    width: int = 8
    is_signed: bool = False

    @property
    def limits(self) -> tuple[int, int]:
        """Least and greatest value."""
        span = 1 << self.width
        return (-span // 2, span // 2 - 1) if self.is_signed else (0, span - 1)


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags of an octet, those of ``mask``, as one value named ``quality``."""

    kind: type[Quality] | type[CounterQuality]
    mask: int
    name: str = "quality"

    @property
    def members(self) -> list[Quality] | list[CounterQuality]:
        """The flags this element carries, OV first, IV last."""
        return [member for member in self.kind if member & self.mask]  # type: ignore[return-value]  # one kind


@dataclass(frozen=True, slots=True)
class Bitstring:
    """32 bits, bit 1 of the first octet lowest; an unsigned integer."""

    name: str = "value"


@dataclass(frozen=True, slots=True)
class Normalized:
    """A fraction -1..1-2^-15 in sixteen bits; a float."""

    name: str = "value"


@dataclass(frozen=True, slots=True)
class Float:
    """A binary32; a float that keeps its 32 bits."""

    name: str = "value"


@dataclass(frozen=True, slots=True)
class Time:
    """A time tag of class ``kind``."""

    kind: type[Cp24Time2a] | type[Cp56Time2a]
    name: str = "time"


@dataclass(frozen=True, slots=True)
class Segment:
    """A length octet and as many octets of data; always the last element."""

    name: str = "segment"


Part: TypeAlias = Flag | Number | Flags | Bitstring | Normalized | Float | Time | Segment


MISFITS: Final = (KeyError, TypeError, ValueError, OverflowError, AttributeError, StructError)
"""What writing may raise for a value that does not fit its octets."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its octets on the wire, and the fields of an object they carry.

    ``code`` is the element in the language of ``struct`` and gives one item. ``readers`` has one
    function for each part, from that item to the part's value (None: the item is the value).
    ``writer`` goes back, from the value of its only part or a tuple of all of them (None: the
    value is the item); for a value that does not fit it raises one of ``MISFITS``, which the codec
    turns into a sentence.
    """

    name: str
    code: str
    parts: tuple[Part, ...]
    readers: tuple[Callable[[Any], Any] | None, ...]
    writer: Callable[[Any], Any] | None

    @property
    def octets(self) -> int:
        """How many octets the element has; of a segment, only its length octet."""
        return Struct("<" + self.code).size


def octet(name: str, *parts: Flag | Number | Flags) -> Element:
    """An element of one octet, made of bits."""
    tables = [tuple(_read_bits(part, value) for value in range(256)) for part in parts]
    written: dict[Any, int] = {}
    for value in range(256):
        fields = tuple(table[value] for table in tables)
        # The least octet with these fields is the one without reserved bits.
        written.setdefault(fields if len(fields) > 1 else fields[0], value)
    return Element(
        name, "B", parts, tuple(table.__getitem__ for table in tables), written.__getitem__
    )


def _read_bits(part: Flag | Number | Flags, octet: int) -> Any:
    match part:
        case Flag():
            return bool(octet >> part.bit - 1 & 1)
        case Flags():
            return part.kind(octet & part.mask)
        case _:
            number = octet >> part.bit - 1 & (1 << part.width) - 1
            return number - (1 << part.width) if number > part.limits[1] else number


_CODES: Final = {(1, False): "B", (2, False): "H", (2, True): "h", (4, False): "I", (4, True): "i"}


def number(name: str, field: str, octets: int, *, is_signed: bool = False) -> Element:
    """An element that is one little-endian integer of 1 to 4 octets."""
    part = Number(field, width=8 * octets, is_signed=is_signed)
    if octets == 3:
        return Element(
            name, "3s", (part,), (lambda item: int.from_bytes(item, "little"),),
            lambda value: value.to_bytes(3, "little"),
        )  # fmt: skip
    return Element(name, _CODES[octets, is_signed], (part,), (None,), None)


def time_tag(kind: type[Cp24Time2a] | type[Cp56Time2a], field: str = "time") -> Element:
    """An element that is a time tag."""
    octets = 3 if kind is Cp24Time2a else 7

    def write(tag: Cp24Time2a | Cp56Time2a) -> bytes:
        if type(tag) is not kind:
            raise TypeError
        return tag.bits.to_bytes(octets, "little")

    name = kind.__name__
    return Element(name, f"{octets}s", (Time(kind, field),), (kind.from_octets,), write)


# --- numbers with a fraction --------------------------------------------------------------------

_BINARY32: Final = Struct("<f")
_BINARY64: Final = Struct("<Q")
_DOUBLE: Final = Struct("<d")


def float_from_octets(octets: bytes) -> float:
    """The value of a binary32. A NaN keeps its payload and whether it is a signalling one."""
    value: float = _BINARY32.unpack(octets)[0]
    if value != value:  # NaN: the processor's own conversion would make a signalling one quiet
        bits = int.from_bytes(octets, "little")
        wide = (bits & 0x8000_0000) << 32 | 0x7FF << 52 | (bits & 0x7F_FFFF) << 29
        value = _DOUBLE.unpack(_BINARY64.pack(wide))[0]
    return value


def float_to_octets(value: float) -> bytes:
    """The nearest binary32; OverflowError if the value is finite and too large for one."""
    if value != value:
        wide = int.from_bytes(_DOUBLE.pack(value), "little")
        payload = wide >> 29 & 0x7F_FFFF or 0x40_0000
        return (wide >> 32 & 0x8000_0000 | 0x7F80_0000 | payload).to_bytes(4, "little")
    return _BINARY32.pack(value)


def float_bits(value: float) -> int:
    """The 32 bits a value has on the wire."""
    return int.from_bytes(float_to_octets(value), "little")


def float_from_bits(bits: int) -> float:
    """The value of 32 bits."""
    return float_from_octets(bits.to_bytes(4, "little"))


def normalized_raw(value: float) -> int:
    """The nearest sixteen bits to a fraction: value * 32768, and 32767 for 1.

    ValueError outside -1..1.
    """
    if not -1.0 <= value <= 1.0:
        raise ValueError(f"{value!r} is not a number -1..1")
    return min(round(value * 32768), 32767)


# --- the elements, 60870-5-101 clause 7.2.6 -----------------------------------------------------

_BL_SB_NT_IV: Final = 0xF0
_AND_OV: Final = 0xF1
_AND_EI: Final = 0xF8

SIQ: Final = octet("SIQ", Flag("value", 1), Flags(Quality, _BL_SB_NT_IV))
DIQ: Final = octet("DIQ", Number("value", 1, 2), Flags(Quality, _BL_SB_NT_IV))
QDS: Final = octet("QDS", Flags(Quality, _AND_OV))
QDP: Final = octet("QDP", Flags(Quality, _AND_EI))
VTI: Final = octet("VTI", Number("value", 1, 7, is_signed=True), Flag("transient", 8))
BSI: Final = Element("BSI", "I", (Bitstring(),), (None,), None)
NVA: Final = Element("NVA", "h", (Normalized(),), (lambda raw: raw / 32768,), normalized_raw)
SVA: Final = number("SVA", "value", 2, is_signed=True)
R32: Final = Element("R32", "4s", (Float(),), (float_from_octets,), float_to_octets)
BCR: Final = (
    number("BCR", "value", 4, is_signed=True),
    octet("BCR", Number("sequence", 1, 5), Flags(CounterQuality, 0xE0)),
)
SEP: Final = octet("SEP", Number("event", 1, 2), Flags(Quality, _AND_EI))
SPE: Final = octet(
    "SPE",
    Flag("general_start", 1),
    Flag("start_l1", 2),
    Flag("start_l2", 3),
    Flag("start_l3", 4),
    Flag("start_earth", 5),
    Flag("start_reverse", 6),
)
OCI: Final = octet(
    "OCI",
    Flag("general_command", 1),
    Flag("command_l1", 2),
    Flag("command_l2", 3),
    Flag("command_l3", 4),
)
SCD: Final = (number("SCD", "status", 2), number("SCD", "changed", 2))
SCO: Final = octet("SCO", Flag("value", 1), Number("qualifier", 3, 5), Flag("select", 8))
DCO: Final = octet("DCO", Number("value", 1, 2), Number("qualifier", 3, 5), Flag("select", 8))
RCO: Final = octet("RCO", Number("value", 1, 2), Number("qualifier", 3, 5), Flag("select", 8))
QOS: Final = octet("QOS", Number("qualifier", 1, 7), Flag("select", 8))
COI: Final = octet(
    "COI", Number("cause_of_initialization", 1, 7), Flag("local_parameters_changed", 8)
)
QOI: Final = octet("QOI", Number("qoi"))
QCC: Final = octet("QCC", Number("request", 1, 6), Number("freeze", 7, 2))
QRP: Final = octet("QRP", Number("qrp"))
QPM: Final = octet(
    "QPM", Number("kind", 1, 6), Flag("local_parameter_change", 7), Flag("not_in_operation", 8)
)
QPA: Final = octet("QPA", Number("qpa"))
FBP: Final = number("FBP", "pattern", 2)
TSC: Final = number("TSC", "counter", 2)
ASSOCIATION_ID: Final = number("AID", "association_id", 2)
CP24: Final = time_tag(Cp24Time2a)
CP56: Final = time_tag(Cp56Time2a)
NOF: Final = number("NOF", "file_name", 2)
NOS: Final = number("NOS", "section_name", 1)
LOF: Final = number("LOF", "length", 3)
FRQ: Final = octet("FRQ", Number("frq", 1, 7), Flag("negative_confirm", 8))
SRQ: Final = octet("SRQ", Number("srq", 1, 7), Flag("not_ready", 8))
SCQ: Final = octet("SCQ", Number("action", 1, 4), Number("error", 5, 4))
AFQ: Final = octet("AFQ", Number("action", 1, 4), Number("error", 5, 4))
LSQ: Final = number("LSQ", "lsq", 1)
CHS: Final = number("CHS", "checksum", 1)
LOS: Final = Element("LOS", "B", (Segment(),), (None,), None)
SOF: Final = octet(
    "SOF",
    Number("status", 1, 5),
    Flag("last_file", 6),
    Flag("is_directory", 7),
    Flag("transfer_active", 8),
)


def cp16(field: str) -> Element:
    """CP16Time2a: milliseconds 0..59999, on the wire up to 65535; a plain number."""
    return number("CP16Time2a", field, 2)


def float_text(value: float) -> str:
    """The shortest decimal with the same 32 bits; a NaN with its bits."""
    if math.isnan(value):
        return f"NaN ({float_bits(value):08x})"
    bits = float_bits(value)
    texts: Sequence[str] = [f"{value:.{digits}g}" for digits in range(6, 10)]
    return next(text for text in texts if float_bits(float(text)) == bits)
