"""The header view of an ASDU: what the gateway reads of a frame, and nothing more.

The objects are not decoded here. 60870-5-101 clause 7.2, with the field sizes fixed by
60870-5-104 clause 7.1 (cause 2 octets, common address 2, object address 3).
"""

from dataclasses import dataclass
from typing import Self

from core.protocol.codes import CauseNumber, CommonAddress, Ioa, TypeId, TypeNumber

HEADER_OCTETS = 6
NEGATIVE = 0x40
TEST = 0x80
CAUSE_MASK = 0x3F

# The octet that carries S/E: behind header and address the SCO, DCO or RCO itself, or the QOS
# behind the set point's value. Bitstring commands cannot be selected.
_SELECT_AT = {
    **dict.fromkeys((45, 46, 47, 58, 59, 60), 9),
    **dict.fromkeys((48, 49, 61, 62), 11),
    **dict.fromkeys((50, 63), 13),
}


@dataclass(frozen=True, slots=True)
class Asdu:
    """One application service data unit as octets, from the type identification on.

    ``octets`` holds at least the six header octets and at most 249; shorter input raises
    ValueError, because a link never lets such a frame through.
    """

    octets: bytes

    def __post_init__(self) -> None:
        if len(self.octets) < HEADER_OCTETS:
            raise ValueError(f"an ASDU has at least 6 octets, not {len(self.octets)}")

    @classmethod
    def of(
        cls,
        type_id: TypeNumber,
        cause: CauseNumber,
        ca: CommonAddress,
        objects: bytes,
        *,
        count: int = 1,
        oa: int = 0,
        negative: bool = False,
    ) -> Self:
        """Build an ASDU with SQ = 0 from its header fields and its object octets."""
        cot = cause | (NEGATIVE if negative else 0)
        return cls(bytes((type_id, count, cot, oa)) + ca.to_bytes(2, "little") + objects)

    @property
    def type_id(self) -> TypeNumber:
        """Type identification, 0..255."""
        return self.octets[0]

    @property
    def name(self) -> str:
        """The mnemonic of its type; `type 200` where the standard has none."""
        try:
            return TypeId(self.octets[0]).name
        except ValueError:
            return f"type {self.octets[0]}"

    @property
    def sq(self) -> bool:
        """Whether the objects are a sequence behind one address."""
        return self.octets[1] > 0x7F

    @property
    def count(self) -> int:
        """Number of objects or elements the header announces, 0..127."""
        return self.octets[1] & 0x7F

    @property
    def cause(self) -> CauseNumber:
        """Cause of transmission without T and P/N, 0..63."""
        return self.octets[2] & CAUSE_MASK

    @property
    def is_negative(self) -> bool:
        """P/N: a negative confirmation."""
        return bool(self.octets[2] & NEGATIVE)

    @property
    def is_test(self) -> bool:
        """T: made during test."""
        return bool(self.octets[2] & TEST)

    @property
    def oa(self) -> int:
        """Originator address, 0..255; 0 where it is not used."""
        return self.octets[3]

    @property
    def ca(self) -> CommonAddress:
        """Common address."""
        return self.octets[4] | self.octets[5] << 8

    @property
    def ioa(self) -> Ioa | None:
        """Address of the first object; None if no whole address follows the header."""
        return int.from_bytes(self.octets[6:9], "little") if len(self.octets) >= 9 else None

    @property
    def is_select(self) -> bool:
        """S/E of a command with one object: select, not execute (60870-5-101, 7.2.6.26 and .39)."""
        at = _SELECT_AT.get(self.octets[0])
        return at is not None and len(self.octets) > at and self.octets[at] > 0x7F

    @property
    def objects(self) -> bytes:
        """Everything after the header, untouched."""
        return self.octets[HEADER_OCTETS:]

    def with_cause(self, cause: CauseNumber, *, negative: bool) -> Self:
        """A copy with another cause; T stays as it is."""
        cot = (self.octets[2] & TEST) | cause | (NEGATIVE if negative else 0)
        return type(self)(self.octets[:2] + bytes((cot,)) + self.octets[3:])

    def readdressed(self, *, oa: int | None = None, ca: CommonAddress | None = None) -> Self:
        """A copy with another originator address, common address, or both."""
        new_oa = self.octets[3:4] if oa is None else bytes((oa,))
        new_ca = self.octets[4:6] if ca is None else ca.to_bytes(2, "little")
        return type(self)(self.octets[:3] + new_oa + new_ca + self.octets[6:])
