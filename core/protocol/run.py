"""What travels through the gateway: a run of whole I-frames, in sequence, kept as octets."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from struct import Struct
from typing import Final, Self, TypeAlias

from core.protocol.asdu import Asdu

Address: TypeAlias = int
"""Originator address in bits 0..7, common address in bits 8..23: three octets as on the wire."""

APCI_OCTETS: Final = 6
MODULO: Final = 32768
"""Sequence numbers run 0..32767 (60870-5-104, 5.1)."""

# Where the rewritten fields lie, counted in bits from a frame's first octet (little-endian):
# N(S) << 1 in octets 3-4, N(R) << 1 in octets 5-6, OA and CA in octets 10-12.
_NS_BIT: Final = 17
_NR_BIT: Final = 33
_ADDRESS_BIT: Final = 72
_REWRITTEN: Final = 0xFFFFFFFF << 16 | 0xFFFFFF << _ADDRESS_BIT
_CACHED_FRAMES: Final = 32  # longer batches are rare and their teeth are large: not kept

_HEADER: Final = Struct("<2sHH3sBH")

_Stamp: TypeAlias = tuple[int, int, int]


def address_of(oa: int, ca: int) -> Address:
    """Join originator address (0..255) and common address (0..65535)."""
    return oa | ca << 8


class Run:
    """One or more whole I-frames in sequence, immutable, shared by all who receive them.

    ``octets`` are the APDUs back to back as they were received (their own sequence numbers and
    addresses still in them), ``sizes`` the octets of each. Only :meth:`stamped` makes octets to
    send.
    """

    __slots__ = ("_stamps", "octets", "sizes")

    def __init__(self, octets: bytes, sizes: tuple[int, ...]) -> None:
        self.octets: Final = octets
        self.sizes: Final = sizes
        self._stamps: dict[tuple[int, int], _Stamp] = {}

    def __len__(self) -> int:
        return len(self.sizes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Run):
            return NotImplemented
        return self.sizes == other.sizes and self.asdus() == other.asdus()

    def __hash__(self) -> int:
        return hash((self.sizes, tuple(self.asdus())))

    def __repr__(self) -> str:
        return f"Run({', '.join(asdu.octets.hex() for asdu in self.asdus())})"

    @classmethod
    def of(cls, *asdus: Asdu) -> Self:
        """A run made here rather than received (M_EI, refusals); each ASDU has 6..249 octets."""
        frames = [b"\x68" + bytes((len(a.octets) + 4, 0, 0, 0, 0)) + a.octets for a in asdus]
        return cls(b"".join(frames), tuple(map(len, frames)))

    def part(self, start: int, stop: int) -> Self:
        """The frames ``start`` to ``stop - 1`` as a run of their own."""
        if start == 0 and stop == len(self.sizes):
            return self
        first = sum(self.sizes[:start])
        sizes = self.sizes[start:stop]
        return type(self)(self.octets[first : first + sum(sizes)], sizes)

    def asdu(self, index: int) -> Asdu:
        """The header view of one frame."""
        first = sum(self.sizes[:index])
        return Asdu(self.octets[first + APCI_OCTETS : first + self.sizes[index]])

    def asdus(self) -> Sequence[Asdu]:
        """The header views of all frames, in order."""
        return [
            Asdu(self.octets[end - size + APCI_OCTETS : end])
            for size, end in zip(self.sizes, accumulate(self.sizes), strict=True)
        ]

    def stamped(self, start: int, n: int, vs: int, vr: int, address: Address) -> bytes:
        """The octets of ``n`` frames from ``start`` on, numbered from ``vs``, acknowledging ``vr``.

        The only place that writes header octets. The frames are taken as one little-endian
        number: its header fields are cleared once per batch, and one multiply-add puts N(S), N(R),
        OA and CA into every frame, because they stand at the same place in each. Nothing can carry
        from one frame into the next while N(S) stays below 32768: a batch that would pass it is
        split.
        """
        if n == 1:  # the commonest batch by far, and the cheapest this way
            first = sum(self.sizes[:start]) if start else 0
            octets = self.octets[first : first + self.sizes[start]]
            middle = octets[6:9]
            oa, ca = address & 0xFF, address >> 8
            return _HEADER.pack(octets[:2], vs << 1, vr << 1, middle, oa, ca) + octets[12:]
        if vs + n > MODULO:
            head = MODULO - vs
            return self.stamped(start, head, vs, vr, address) + self.stamped(
                start + head, n - head, 0, vr, address
            )
        stamp = self._stamps.get((start, n))
        if stamp is None:
            stamp = self._stamps[start, n] = self._prepare(start, n)
        cleared, teeth, length = stamp
        header = vs << _NS_BIT | vr << _NR_BIT | address << _ADDRESS_BIT
        return (cleared + teeth * header).to_bytes(length, "little")

    def _prepare(self, start: int, n: int) -> _Stamp:
        sizes = self.sizes[start : start + n]
        first = sum(self.sizes[:start])
        comb = _comb if n <= _CACHED_FRAMES else _comb.__wrapped__
        teeth, keep, steps, length = comb(sizes)
        number = int.from_bytes(self.octets[first : first + length], "little")
        return (number & keep) + steps, teeth, length


@lru_cache(maxsize=256)
def _comb(sizes: tuple[int, ...]) -> tuple[int, int, int, int]:
    """What all batches of these frame sizes share.

    A one at the first bit of every frame; a mask of all bits that stay; each frame's place in the
    batch, where N(S) stands; the octets of the whole.
    """
    ones = bytearray(sum(sizes))
    places = bytearray(len(ones))
    at = 0
    for index, size in enumerate(sizes):
        ones[at] = 1
        places[at] = index & 0xFF
        places[at + 1] = index >> 8
        at += size
    teeth = int.from_bytes(ones, "little")
    everything = (1 << 8 * len(ones)) - 1
    keep = everything ^ (teeth * _REWRITTEN)
    return teeth, keep, int.from_bytes(places, "little") << _NS_BIT, len(ones)
