"""The one table "type -> layout", and the reading and writing of objects that follows from it.

60870-5-101 clause 7.3. Private types are added to the table with :func:`register_type`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from struct import Struct
from typing import Any, Final

from core.protocol import elements as e
from core.protocol import objects as o
from core.protocol.codes import Ioa, TypeId, TypeNumber
from core.protocol.elements import Element, Part
from core.protocol.objects import InformationObject
from core.protocol.times import Cp56Time2a

IOA_OCTETS: Final = 3
MAX_IOA: Final = 0xFF_FFFF
_IOA = attrgetter("ioa")


class TooFewOctetsError(Exception):
    """The octets end inside an object; for the codec only, which says it to the caller."""

    def __init__(self, whole: int) -> None:
        super().__init__(whole)
        self.whole = whole
        """How many objects are there as a whole."""


class Layout:
    """How the objects of a type lie on the wire: their class and its elements, in order.

    A layout reads and writes column by column: all first elements, all second elements, and so on.
    So the work per object is done inside ``struct`` and ``map``, with tables for single octets.
    """

    def __init__(
        self,
        object_class: type[InformationObject],
        *elements: Element,
        is_sequence_permitted: bool = False,
    ) -> None:
        """ValueError if the class does not have just the fields of the elements, in order."""
        _check_class(object_class, elements)
        self.object_class: Final = object_class
        self.elements: Final = elements
        self.is_sequence_permitted: Final = is_sequence_permitted
        """Whether the standard allows SQ = 1."""
        carried = sum(len(element.parts) for element in elements)
        self.unused: Final = tuple(f.name for f in fields(object_class)[carried + 1 :])
        """Fields of the class that are not on the wire; None in every object of the type."""
        code = "".join(element.code for element in elements)
        self._elements: Final = Struct("<" + code)
        self._object: Final = Struct("<HB" + code)
        self.element_octets: Final = self._elements.size
        """Octets of one object without its address; of a segment, only its length octet."""
        self.has_segment: Final = bool(elements) and _is_segment(elements[-1])
        """Whether the objects end with a segment and so have no fixed size."""
        self._readers: Final = [
            (column, reader)
            for column, element in enumerate(elements)
            for reader in element.readers
        ]
        self._writers: Final = [
            (attrgetter(*[part.name for part in element.parts]), element.writer)
            for element in elements
        ]
        self._unused: Final = [attrgetter(name) for name in self.unused]

    def read(
        self, octets: bytes, at: int, count: int, is_sequence: bool
    ) -> tuple[tuple[InformationObject, ...], int]:
        """``count`` objects from ``at`` on, and where the octets behind them begin.

        TooFewOctetsError if the octets end before. The addresses of a sequence are counted on
        even past 16777215.
        """
        if self.has_segment:
            return self._read_segments(octets, at, count, is_sequence)
        size = self.element_octets
        addresses: Sequence[Ioa]
        columns: list[Any]
        if is_sequence:
            start = at + IOA_OCTETS
            end = start + count * size
            if end > len(octets):
                raise TooFewOctetsError(max(0, len(octets) - start) // size if size else 0)
            first = int.from_bytes(octets[at:start], "little")
            addresses = range(first, first + count)
            rows = self._elements.iter_unpack(octets[start:end]) if size else ()
            columns = list(zip(*rows, strict=True))
        else:
            end = at + count * (IOA_OCTETS + size)
            if end > len(octets):
                raise TooFewOctetsError((len(octets) - at) // (IOA_OCTETS + size))
            if count == 1:  # most frames carry one object: 1.5 us instead of 2.9 by columns
                low, high, *row = self._object.unpack_from(octets, at)
                return (self._built_one(low | high << 16, row),), end
            columns = list(zip(*self._object.iter_unpack(octets[at:end]), strict=True))
            addresses = [low | high << 16 for low, high in zip(*columns[:2], strict=True)]
            del columns[:2]
        return self._built(addresses, columns) if count else (), end

    def _built(
        self, addresses: Sequence[Ioa], columns: Sequence[Sequence[Any]]
    ) -> tuple[InformationObject, ...]:
        values = [
            columns[column] if reader is None else map(reader, columns[column])
            for column, reader in self._readers
        ]
        return tuple(map(self.object_class, addresses, *values))

    def _built_one(self, address: Ioa, row: Sequence[Any]) -> InformationObject:
        values = [
            row[column] if reader is None else reader(row[column])
            for column, reader in self._readers
        ]
        return self.object_class(address, *values)

    def _read_segments(
        self, octets: bytes, at: int, count: int, is_sequence: bool
    ) -> tuple[tuple[InformationObject, ...], int]:
        """As ``read``, one by one: where an object ends is known only from its length octet."""
        objects: list[InformationObject] = []
        first = int.from_bytes(octets[at : at + IOA_OCTETS], "little")
        at += IOA_OCTETS if is_sequence else 0
        if at > len(octets):
            raise TooFewOctetsError(0)
        for index in range(count):
            address = first + index
            if not is_sequence:
                address = int.from_bytes(octets[at : at + IOA_OCTETS], "little")
                at += IOA_OCTETS
            segment_at = at + self.element_octets
            if segment_at > len(octets):
                raise TooFewOctetsError(index)
            *row, length = self._elements.unpack_from(octets, at)
            at = segment_at + length
            if at > len(octets):
                raise TooFewOctetsError(index)
            objects.append(self._built_one(address, (*row, octets[segment_at:at])))
        return tuple(objects), at

    def write(self, objects: Sequence[InformationObject], is_sequence: bool) -> bytes:
        """The octets of objects, without the header.

        ValueError, which names object, field and what is accepted, if one does not fit.
        """
        if set(map(type, objects)) - {self.object_class}:
            raise ValueError(self._objection(objects))
        try:
            addresses = list(map(_IOA, objects))
            columns = [
                map(get, objects) if writer is None else map(writer, map(get, objects))
                for get, writer in self._writers
            ]
            if self.has_segment:
                return self._written_segments(addresses, columns, is_sequence)
            if is_sequence:
                rows = map(self._elements.pack, *columns) if columns else ()
                written = _first_of_sequence(addresses).to_bytes(3, "little") + b"".join(rows)
            else:
                lows = [address & 0xFFFF for address in addresses]
                highs = [address >> 16 for address in addresses]
                written = b"".join(map(self._object.pack, lows, highs, *columns))
        except e.MISFITS as error:
            raise ValueError(self._objection(objects) or str(error)) from error
        if any(any(map(get, objects)) for get in self._unused):
            raise ValueError(self._objection(objects))
        return written

    def _written_segments(
        self, addresses: list[Ioa], columns: Sequence[Iterable[Any]], is_sequence: bool
    ) -> bytes:
        written = _first_of_sequence(addresses).to_bytes(3, "little") if is_sequence else b""
        for address, *row, segment in zip(addresses, *columns, strict=True):
            written += b"" if is_sequence else address.to_bytes(3, "little")
            written += self._elements.pack(*row, len(segment)) + segment
        return written

    def _objection(self, objects: Sequence[InformationObject]) -> str:
        """What is wrong with the first object that cannot be written; "" if nothing is found."""
        for index, obj in enumerate(objects, 1):
            objection = self._misfit(obj)
            if objection:
                return f"object {index}: {objection}"
        return ""

    def _misfit(self, obj: InformationObject) -> str | None:
        if type(obj) is not self.object_class:
            return f"a {self.object_class.__name__} is needed, not {obj!r}"
        if not _is_integer(obj.ioa, 0, MAX_IOA):
            return f"ioa {obj.ioa!r} is not a number 0..{MAX_IOA}"
        for name in self.unused:
            if getattr(obj, name) is not None:
                return f"{name} {getattr(obj, name)!r} is given, but this type carries none"
        for element in self.elements:
            for part in element.parts:
                wanted = misfit(part, getattr(obj, part.name))
                if wanted:
                    return f"{part.name} {getattr(obj, part.name)!r} is not {wanted}"
        return None


def _check_class(object_class: type[InformationObject], elements: tuple[Element, ...]) -> None:
    names = [part.name for element in elements for part in element.parts]
    own = fields(object_class)
    have = [field.name for field in own]
    if not issubclass(object_class, InformationObject) or have[1 : len(names) + 1] != names:
        raise ValueError(
            f"{object_class.__name__} must be an InformationObject whose fields after ioa are"
            f" {', '.join(names) or 'none'}; it has {', '.join(have[1:]) or 'none'}"
        )
    unused = [field.name for field in own[len(names) + 1 :] if field.default is not None]
    if unused:
        raise ValueError(
            f"{object_class.__name__}: no element carries {', '.join(unused)}, so None must be its"
            " default"
        )
    if any(map(_is_segment, elements[:-1])):
        raise ValueError("a segment must be the last element: its length is known only to itself")


def _is_segment(element: Element) -> bool:
    return isinstance(element.parts[0], e.Segment)


def _first_of_sequence(addresses: list[Ioa]) -> Ioa:
    """The one address that a sequence carries."""
    if not addresses:
        raise ValueError("with SQ = 1 there is at least one object: its address is the first")
    if addresses != list(range(addresses[0], addresses[0] + len(addresses))):
        raise ValueError("with SQ = 1 the addresses must follow each other one by one")
    return addresses[0]


def _is_integer(value: object, least: int, greatest: int) -> bool:
    return isinstance(value, int) and least <= value <= greatest


def misfit(part: Part, value: object) -> str | None:
    """What would be accepted for a part, if a value is not; None if it is."""
    match part:
        case e.Flag():
            return None if value in (False, True) else "true or false"
        case e.Number(limits=(least, greatest)):
            return None if _is_integer(value, least, greatest) else f"a number {least}..{greatest}"
        case e.Flags(kind=kind, mask=mask):
            if isinstance(value, int) and value & ~mask == 0:
                return None
            return (
                f"made of {', '.join(str(m.name).lower() for m in part.members)} ({kind.__name__})"
            )
        case e.Bitstring():
            return None if _is_integer(value, 0, 0xFFFFFFFF) else "a number 0..4294967295"
        case e.Normalized():
            is_fraction = isinstance(value, int | float) and -1 <= value <= 1
            return None if is_fraction else "a number -1..1"
        case e.Float():
            try:
                e.float_bits(value)  # type: ignore[arg-type]  # whether it is one is the question
            except e.MISFITS:
                return "a number within the range of a binary32"
            return None
        case e.Time(kind=tag):
            return None if type(value) is tag else f"a {tag.__name__}"
        case _:
            is_segment = isinstance(value, bytes) and len(value) <= 255
            return None if is_segment else "bytes, at most 255"


# --- the table ----------------------------------------------------------------------------------


def _with_and_without_time(
    types: tuple[TypeId, ...], object_class: type[InformationObject], *elements: Element
) -> dict[TypeNumber, Layout]:
    """Three types that differ in their time tag: none (which may be a sequence), CP24, CP56."""
    plain, short, long = types
    return {
        plain: Layout(object_class, *elements, is_sequence_permitted=True),
        short: Layout(object_class, *elements, e.CP24),
        long: Layout(object_class, *elements, e.CP56),
    }


def _command(
    types: tuple[TypeId, ...], object_class: type[InformationObject], *elements: Element
) -> dict[TypeNumber, Layout]:
    """Two types that differ in their time tag: none, CP56."""
    plain, tagged = types
    return {
        plain: Layout(object_class, *elements),
        tagged: Layout(object_class, *elements, e.CP56),
    }


def _table() -> dict[TypeNumber, Layout]:
    t = TypeId
    points = _with_and_without_time
    return {
        **points((t.M_SP_NA_1, t.M_SP_TA_1, t.M_SP_TB_1), o.SinglePoint, e.SIQ),
        **points((t.M_DP_NA_1, t.M_DP_TA_1, t.M_DP_TB_1), o.DoublePoint, e.DIQ),
        **points((t.M_ST_NA_1, t.M_ST_TA_1, t.M_ST_TB_1), o.StepPosition, e.VTI, e.QDS),
        **points((t.M_BO_NA_1, t.M_BO_TA_1, t.M_BO_TB_1), o.Bitstring32, e.BSI, e.QDS),
        **points((t.M_ME_NA_1, t.M_ME_TA_1, t.M_ME_TD_1), o.NormalizedValue, e.NVA, e.QDS),
        **points((t.M_ME_NB_1, t.M_ME_TB_1, t.M_ME_TE_1), o.ScaledValue, e.SVA, e.QDS),
        **points((t.M_ME_NC_1, t.M_ME_TC_1, t.M_ME_TF_1), o.ShortFloat, e.R32, e.QDS),
        **points((t.M_IT_NA_1, t.M_IT_TA_1, t.M_IT_TB_1), o.IntegratedTotal, *e.BCR),
        t.M_EP_TA_1: Layout(o.ProtectionEvent, e.SEP, e.cp16("elapsed_ms"), e.CP24),
        t.M_EP_TD_1: Layout(o.ProtectionEvent, e.SEP, e.cp16("elapsed_ms"), e.CP56),
        t.M_EP_TB_1: Layout(o.ProtectionStart, e.SPE, e.QDP, e.cp16("relay_duration_ms"), e.CP24),
        t.M_EP_TE_1: Layout(o.ProtectionStart, e.SPE, e.QDP, e.cp16("relay_duration_ms"), e.CP56),
        t.M_EP_TC_1: Layout(o.ProtectionOutput, e.OCI, e.QDP, e.cp16("relay_operating_ms"), e.CP24),
        t.M_EP_TF_1: Layout(o.ProtectionOutput, e.OCI, e.QDP, e.cp16("relay_operating_ms"), e.CP56),
        t.M_PS_NA_1: Layout(o.PackedPoints, *e.SCD, e.QDS, is_sequence_permitted=True),
        t.M_ME_ND_1: Layout(o.NormalizedOnly, e.NVA, is_sequence_permitted=True),
        t.S_IT_TC_1: Layout(o.SecurityStatistic, e.ASSOCIATION_ID, *e.BCR, e.CP56),
        **_command((t.C_SC_NA_1, t.C_SC_TA_1), o.SingleCommand, e.SCO),
        **_command((t.C_DC_NA_1, t.C_DC_TA_1), o.DoubleCommand, e.DCO),
        **_command((t.C_RC_NA_1, t.C_RC_TA_1), o.StepCommand, e.RCO),
        **_command((t.C_SE_NA_1, t.C_SE_TA_1), o.NormalizedSetPoint, e.NVA, e.QOS),
        **_command((t.C_SE_NB_1, t.C_SE_TB_1), o.ScaledSetPoint, e.SVA, e.QOS),
        **_command((t.C_SE_NC_1, t.C_SE_TC_1), o.FloatSetPoint, e.R32, e.QOS),
        **_command((t.C_BO_NA_1, t.C_BO_TA_1), o.BitstringCommand, e.BSI),
        t.M_EI_NA_1: Layout(o.Initialization, e.COI),
        t.C_IC_NA_1: Layout(o.Interrogation, e.QOI),
        t.C_CI_NA_1: Layout(o.CounterInterrogation, e.QCC),
        t.C_RD_NA_1: Layout(o.Read),
        t.C_CS_NA_1: Layout(o.ClockSynchronization, e.CP56),
        t.C_TS_NA_1: Layout(o.PatternTest, e.FBP),
        t.C_RP_NA_1: Layout(o.ResetProcess, e.QRP),
        t.C_CD_NA_1: Layout(o.Delay, e.cp16("delay_ms")),
        t.C_TS_TA_1: Layout(o.CountedTest, e.TSC, e.CP56),
        t.P_ME_NA_1: Layout(o.NormalizedParameter, e.NVA, e.QPM),
        t.P_ME_NB_1: Layout(o.ScaledParameter, e.SVA, e.QPM),
        t.P_ME_NC_1: Layout(o.FloatParameter, e.R32, e.QPM),
        t.P_AC_NA_1: Layout(o.ParameterActivation, e.QPA),
        t.F_FR_NA_1: Layout(o.FileReady, e.NOF, e.LOF, e.FRQ),
        t.F_SR_NA_1: Layout(o.SectionReady, e.NOF, e.NOS, e.LOF, e.SRQ),
        t.F_SC_NA_1: Layout(o.FileCall, e.NOF, e.NOS, e.SCQ),
        t.F_LS_NA_1: Layout(o.LastSection, e.NOF, e.NOS, e.LSQ, e.CHS),
        t.F_AF_NA_1: Layout(o.FileAcknowledgement, e.NOF, e.NOS, e.AFQ),
        t.F_SG_NA_1: Layout(o.FileSegment, e.NOF, e.NOS, e.LOS),
        t.F_DR_TA_1: Layout(
            o.DirectoryEntry,
            *(e.NOF, e.LOF, e.SOF, e.time_tag(Cp56Time2a, "creation_time")),
            is_sequence_permitted=True,
        ),
        t.F_SC_NB_1: Layout(
            o.LogQuery,
            *(e.NOF, e.time_tag(Cp56Time2a, "start_time"), e.time_tag(Cp56Time2a, "end_time")),
        ),
    }


# --- types --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ObjectType:
    """A type identification that can be decoded: its number, name and layout."""

    type_id: TypeNumber
    name: str
    layout: Layout


_TYPES: Final[dict[TypeNumber, ObjectType]] = {
    type_id: ObjectType(type_id, TypeId(type_id).name, layout)
    for type_id, layout in sorted(_table().items())
}
PRIVATE_TYPES: Final = range(128, 256)


def object_type(type_id: TypeNumber) -> ObjectType | None:
    """What is known of a type; None for reserved ones and private ones nobody registered."""
    return _TYPES.get(type_id)


def object_types() -> tuple[ObjectType, ...]:
    """All types that are known now."""
    return tuple(_TYPES.values())


def register_type(
    type_id: TypeNumber,
    name: str,
    object_class: type[InformationObject],
    *elements: Element,
    is_sequence_permitted: bool = False,
) -> ObjectType:
    """Make a private type known to everything that decodes, encodes, describes or prints.

    ``type_id`` is 128..255. ``object_class`` is one of ours or a frozen dataclass derived from
    InformationObject; its fields after ``ioa`` are those of the elements, in order. Elements are
    ours or made with ``elements.octet``, ``number``, ``time_tag``, ``cp16``. May be called from
    any thread. ValueError if the type or the name is taken, or class and elements disagree.
    """
    if type_id not in PRIVATE_TYPES:
        raise ValueError(f"private types are 128..255; {type_id} is not one")
    made = ObjectType(
        type_id, name, Layout(object_class, *elements, is_sequence_permitted=is_sequence_permitted)
    )
    if any(known.name == name for known in object_types()):
        raise ValueError(f"the name {name} is taken")
    if _TYPES.setdefault(type_id, made) is not made:
        raise ValueError(f"type {type_id} is taken by {_TYPES[type_id].name}")
    return made


def unregister_type(type_id: TypeNumber) -> None:
    """Forget a private type; ValueError if it is not registered, or not private."""
    if type_id not in PRIVATE_TYPES or _TYPES.pop(type_id, None) is None:
        raise ValueError(f"type {type_id} is not a registered private type")
