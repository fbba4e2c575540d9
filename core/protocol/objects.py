"""Information objects: what a type identification carries, as values with names.

60870-5-101 clause 7.3; ``layouts`` says which class and elements belong to which type. Types that
differ only in their time tag share a class: M_SP_NA_1, M_SP_TA_1 and M_SP_TB_1 all carry a
:class:`SinglePoint`, with ``time`` None, a Cp24Time2a or a Cp56Time2a.

Values are frozen and compare by value, numbers with a fraction by their octets: a NaN equals the
same NaN, -0.0 is not 0.0, and 76.2 equals the binary32 next to it.
"""

from dataclasses import MISSING, dataclass, fields
from typing import ClassVar, TypeAlias

from core.protocol import elements as e
from core.protocol.codes import Ioa
from core.protocol.elements import COUNTER_GOOD, GOOD, CounterQuality, Quality
from core.protocol.times import Cp24Time2a, Cp56Time2a


@dataclass(frozen=True, slots=True, repr=False)
class InformationObject:
    """What every object has: an address. Private types derive their classes from this one.

    A class lists the fields of its elements in the order of the octets; fields that no element of
    a type carries (``time`` in M_SP_NA_1) come last and have None as their default.
    """

    ioa: Ioa

    def __repr__(self) -> str:
        """As it is built, without what stands at its default."""
        shown = [
            f"{field.name}={self._text(field.name)}"
            for field in fields(self)
            if field.default is MISSING or getattr(self, field.name) != field.default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    def _text(self, name: str) -> str:
        return repr(getattr(self, name))


class _ByOctets:
    """Equality and hash by what goes on the wire, for objects whose value is a fraction."""

    __slots__ = ()
    _sent_as: ClassVar[str]
    value: float

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        try:
            value: object = getattr(self, self._sent_as)
        except e.MISFITS:  # it cannot be sent, but it can be compared
            value = self.value
        others = fields(self)  # type: ignore[arg-type]  # every class below that uses it is one
        return (value, *(getattr(self, f.name) for f in others if f.name != "value"))


class _Normalized(_ByOctets):
    """A value that is a fraction -1..1; 1 is sent as the greatest one, 1 - 2^-15."""

    __slots__ = ()
    _sent_as = "raw"

    @property
    def raw(self) -> int:
        """The value's sixteen bits, -32768..32767; ValueError if it has none."""
        return e.normalized_raw(self.value)


class _Float(_ByOctets):
    """A value that is sent as a binary32."""

    __slots__ = ()
    _sent_as = "bits"

    @property
    def bits(self) -> int:
        """The value's 32 bits; OverflowError if it is too large for them."""
        return e.float_bits(self.value)

    def _text(self, name: str) -> str:
        """The shortest number with the same 32 bits."""
        if name != "value":
            return repr(getattr(self, name))
        try:
            return e.float_text(self.value)
        except e.MISFITS:
            return repr(self.value)


class _Bitstring:
    """A value of 32 bits; as a number the first octet is the lowest."""

    __slots__ = ()
    value: int

    @property
    def octets(self) -> bytes:
        """The four octets in the order of the wire."""
        return self.value.to_bytes(4, "little")


Tag: TypeAlias = Cp24Time2a | Cp56Time2a
"""A time tag; which of the two is the type's to say."""


@dataclass(frozen=True, slots=True, repr=False)
class SinglePoint(InformationObject):
    """On or off."""

    value: bool
    quality: Quality = GOOD
    time: Tag | None = None


@dataclass(frozen=True, slots=True, repr=False)
class DoublePoint(InformationObject):
    """0 intermediate, 1 off, 2 on, 3 indeterminate."""

    value: int
    quality: Quality = GOOD
    time: Tag | None = None


@dataclass(frozen=True, slots=True, repr=False)
class StepPosition(InformationObject):
    """Position of a transformer's tap, -64..63; ``transient`` while it moves."""

    value: int
    transient: bool = False
    quality: Quality = GOOD
    time: Tag | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Bitstring32(_Bitstring, InformationObject):
    """32 bits, 0..4294967295."""

    value: int
    quality: Quality = GOOD
    time: Tag | None = None


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class NormalizedValue(_Normalized, InformationObject):
    """A measured value as a fraction of its range."""

    value: float
    quality: Quality = GOOD
    time: Tag | None = None


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class NormalizedOnly(_Normalized, InformationObject):
    """A measured value as a fraction of its range, without quality."""

    value: float


@dataclass(frozen=True, slots=True, repr=False)
class ScaledValue(InformationObject):
    """A measured value -32768..32767; its decimal point is agreed outside the protocol."""

    value: int
    quality: Quality = GOOD
    time: Tag | None = None


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ShortFloat(_Float, InformationObject):
    """A measured value as a binary32."""

    value: float
    quality: Quality = GOOD
    time: Tag | None = None


@dataclass(frozen=True, slots=True, repr=False)
class IntegratedTotal(InformationObject):
    """A counter's reading, -2147483648..2147483647, and the number of its period, 0..31."""

    value: int
    sequence: int = 0
    quality: CounterQuality = COUNTER_GOOD
    time: Tag | None = None


@dataclass(frozen=True, slots=True, repr=False)
class ProtectionEvent(InformationObject):
    """Event of protection equipment: 0 indeterminate, 1 off, 2 on, 3 indeterminate."""

    event: int
    quality: Quality
    elapsed_ms: int
    time: Tag


@dataclass(frozen=True, slots=True, repr=False)
class ProtectionStart(InformationObject):
    """Which elements of protection equipment started, and for how long."""

    general_start: bool
    start_l1: bool
    start_l2: bool
    start_l3: bool
    start_earth: bool
    start_reverse: bool
    quality: Quality
    relay_duration_ms: int
    time: Tag


@dataclass(frozen=True, slots=True, repr=False)
class ProtectionOutput(InformationObject):
    """Which commands protection equipment gave to its output circuits, and how fast."""

    general_command: bool
    command_l1: bool
    command_l2: bool
    command_l3: bool
    quality: Quality
    relay_operating_ms: int
    time: Tag


@dataclass(frozen=True, slots=True, repr=False)
class PackedPoints(InformationObject):
    """Sixteen single points and which of them changed; bit 1 (lowest) is the first."""

    status: int
    changed: int = 0
    quality: Quality = GOOD


@dataclass(frozen=True, slots=True, repr=False)
class SecurityStatistic(InformationObject):
    """A counter of IEC 60870-5-7."""

    association_id: int
    value: int
    sequence: int
    quality: CounterQuality
    time: Tag


@dataclass(frozen=True, slots=True, repr=False)
class SingleCommand(InformationObject):
    """On or off; ``qualifier`` is QU 0..31, ``select`` S/E."""

    value: bool
    qualifier: int = 0
    select: bool = False
    time: Tag | None = None


@dataclass(frozen=True, slots=True, repr=False)
class DoubleCommand(InformationObject):
    """1 off, 2 on (0 and 3 not permitted); ``qualifier`` is QU 0..31, ``select`` S/E."""

    value: int
    qualifier: int = 0
    select: bool = False
    time: Tag | None = None


@dataclass(frozen=True, slots=True, repr=False)
class StepCommand(InformationObject):
    """1 lower, 2 higher (0 and 3 not permitted); ``qualifier`` is QU 0..31, ``select`` S/E."""

    value: int
    qualifier: int = 0
    select: bool = False
    time: Tag | None = None


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class NormalizedSetPoint(_Normalized, InformationObject):
    """Set point as a fraction; ``qualifier`` is QL 0..127, ``select`` S/E."""

    value: float
    qualifier: int = 0
    select: bool = False
    time: Tag | None = None


@dataclass(frozen=True, slots=True, repr=False)
class ScaledSetPoint(InformationObject):
    """Set point -32768..32767; ``qualifier`` is QL 0..127, ``select`` S/E."""

    value: int
    qualifier: int = 0
    select: bool = False
    time: Tag | None = None


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class FloatSetPoint(_Float, InformationObject):
    """Set point as a binary32; ``qualifier`` is QL 0..127, ``select`` S/E."""

    value: float
    qualifier: int = 0
    select: bool = False
    time: Tag | None = None


@dataclass(frozen=True, slots=True, repr=False)
class BitstringCommand(_Bitstring, InformationObject):
    """32 bits, 0..4294967295; it has no qualifier and cannot be selected."""

    value: int
    time: Tag | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Initialization(InformationObject):
    """End of initialization, with its cause 0..127 (0 power on, 1 local, 2 remote reset)."""

    cause_of_initialization: int
    local_parameters_changed: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Interrogation(InformationObject):
    """Interrogation; ``qoi`` 20 station, 21..36 group 1..16."""

    qoi: int


@dataclass(frozen=True, slots=True, repr=False)
class CounterInterrogation(InformationObject):
    """Counter interrogation: ``request`` 1..4 group, 5 general; ``freeze`` 0 read, 1..3 freeze."""

    request: int
    freeze: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class Read(InformationObject):
    """Read the object of this address."""


@dataclass(frozen=True, slots=True, repr=False)
class ClockSynchronization(InformationObject):
    """The time to set, or the time that was."""

    time: Tag


@dataclass(frozen=True, slots=True, repr=False)
class PatternTest(InformationObject):
    """Test with a fixed pattern, 55AA hex."""

    pattern: int = 0x55AA


@dataclass(frozen=True, slots=True, repr=False)
class CountedTest(InformationObject):
    """Test with a counter and a time tag."""

    counter: int
    time: Tag


@dataclass(frozen=True, slots=True, repr=False)
class ResetProcess(InformationObject):
    """Reset; ``qrp`` 1 the process, 2 the events that wait."""

    qrp: int


@dataclass(frozen=True, slots=True, repr=False)
class Delay(InformationObject):
    """Acquired delay of the transmission."""

    delay_ms: int


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class NormalizedParameter(_Normalized, InformationObject):
    """Parameter of a measured value as a fraction; ``kind`` 1 threshold .. 4 high limit."""

    value: float
    kind: int
    local_parameter_change: bool = False
    not_in_operation: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class ScaledParameter(InformationObject):
    """Parameter of a measured value, -32768..32767; ``kind`` 1 threshold .. 4 high limit."""

    value: int
    kind: int
    local_parameter_change: bool = False
    not_in_operation: bool = False


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class FloatParameter(_Float, InformationObject):
    """Parameter of a measured value as a binary32; ``kind`` 1 threshold .. 4 high limit."""

    value: float
    kind: int
    local_parameter_change: bool = False
    not_in_operation: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class ParameterActivation(InformationObject):
    """``qpa`` 1 loaded parameters, 2 those of the object, 3 its cyclic transmission."""

    qpa: int


@dataclass(frozen=True, slots=True, repr=False)
class FileReady(InformationObject):
    """A file can be called."""

    file_name: int
    length: int
    frq: int = 0
    negative_confirm: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class SectionReady(InformationObject):
    """A section can be called."""

    file_name: int
    section_name: int
    length: int
    srq: int = 0
    not_ready: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class FileCall(InformationObject):
    """Call or select a directory, file or section; ``action`` and ``error`` are SCQ's halves."""

    file_name: int
    section_name: int
    action: int
    error: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class LastSection(InformationObject):
    """End of a section or file."""

    file_name: int
    section_name: int
    lsq: int
    checksum: int


@dataclass(frozen=True, slots=True, repr=False)
class FileAcknowledgement(InformationObject):
    """A file or section was received; ``action`` and ``error`` are AFQ's halves."""

    file_name: int
    section_name: int
    action: int
    error: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class FileSegment(InformationObject):
    """Part of a section."""

    file_name: int
    section_name: int
    segment: bytes


@dataclass(frozen=True, slots=True, repr=False)
class DirectoryEntry(InformationObject):
    """One file or subdirectory."""

    file_name: int
    length: int
    status: int
    last_file: bool
    is_directory: bool
    transfer_active: bool
    creation_time: Tag


@dataclass(frozen=True, slots=True, repr=False)
class LogQuery(InformationObject):
    """Ask for part of an archive file."""

    file_name: int
    start_time: Tag
    end_time: Tag
