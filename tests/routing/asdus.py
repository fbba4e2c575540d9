"""ASDUs written out plainly after 60870-5-101, 7.2, and actions by what they are compared with.

Headers are put together here octet by octet, so that the tests do not read with the eyes of the
program.
"""

from core.protocol.asdu import Asdu
from core.protocol.run import Run
from core.routing.actions import Deliver

ANSWERS = (7, 9, 10, 44, 45, 46, 47)

# Octets of one object without address, 60870-5-101, 7.3.
SIZES = {
    1: 1, 2: 4, 3: 1, 4: 4, 5: 2, 6: 5, 7: 5, 8: 8, 9: 3, 10: 6, 11: 3, 12: 6, 13: 5, 14: 8,
    15: 5, 16: 8, 17: 6, 18: 7, 19: 7, 20: 5, 21: 2, 30: 8, 31: 8, 32: 9, 33: 12, 34: 10, 35: 10,
    36: 12, 37: 12, 38: 10, 39: 11, 40: 11, 41: 14, 45: 1, 46: 1, 47: 1, 48: 3, 49: 3, 50: 5,
    51: 4, 58: 8, 59: 8, 60: 8, 61: 10, 62: 10, 63: 12, 64: 11, 70: 1, 100: 1, 101: 1, 102: 0,
    103: 7, 104: 2, 105: 1, 106: 2, 107: 9, 110: 3, 111: 3, 112: 5, 113: 1, 120: 6, 121: 7,
    122: 4, 123: 5, 124: 4, 125: 4, 126: 13, 127: 16,
}  # fmt: skip


def asdu(
    type_id: int,
    cause: int,
    objects: bytes,
    *,
    ca: int = 32,
    oa: int = 0,
    count: int = 1,
    sq: bool = False,
    negative: bool = False,
    test: bool = False,
) -> Asdu:
    """One ASDU; 32 is the RTU's number in these tests."""
    vsq = count + (128 if sq else 0)
    cot = cause + (64 if negative else 0) + (128 if test else 0)
    return Asdu(bytes([type_id, vsq, cot, oa, ca % 256, ca // 256]) + objects)


def obj(ioa: int, *data: int) -> bytes:
    """One information object."""
    return bytes([ioa % 256, ioa // 256 % 256, ioa // 65536, *data])


def one_object(type_id: int, ioa: int = 5) -> bytes:
    """One object of the right size for any type; private ones have three octets of data."""
    return obj(ioa, *bytes(SIZES.get(type_id, 3)))


def changed(
    question: Asdu,
    cause: int,
    *,
    negative: bool = False,
    oa: int | None = None,
    ca: int | None = None,
    objects: bytes | None = None,
) -> Asdu:
    """A station's mirror of a question: T, and whatever is not given, stays."""
    o = question.octets
    cot = o[2] & 0x80 | (0x40 if negative else 0) | cause
    head = bytes([o[0], o[1], cot, o[3] if oa is None else oa])
    address = o[4:6] if ca is None else ca.to_bytes(2, "little")
    return Asdu(head + address + (o[6:] if objects is None else objects))


def event(ioa: int, value: int = 1, *, cause: int = 3, ca: int = 32, oa: int = 0) -> Asdu:
    """A single-point information."""
    return asdu(1, cause, obj(ioa, value), ca=ca, oa=oa)


def deliver(what: Asdu | tuple[Asdu, ...], *to: tuple[int, int, int]) -> Deliver:
    """A delivery to seats, each with its originator and common address."""
    asdus = (what,) if isinstance(what, Asdu) else what
    return Deliver(Run.of(*asdus), tuple((seat, oa + ca * 256) for seat, oa, ca in to))
