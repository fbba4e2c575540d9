"""Frames written out plainly after 60870-5-104, 5.1: what the link is held against.

Nothing here imports the program, so that the two readings stay independent.
"""

from typing import NamedTuple

RING = 32768

STARTDT_ACT = bytes.fromhex("68 04 07 00 00 00")
STARTDT_CON = bytes.fromhex("68 04 0b 00 00 00")
STOPDT_ACT = bytes.fromhex("68 04 13 00 00 00")
STOPDT_CON = bytes.fromhex("68 04 23 00 00 00")
TESTFR_ACT = bytes.fromhex("68 04 43 00 00 00")
TESTFR_CON = bytes.fromhex("68 04 83 00 00 00")
U_FRAMES = (STARTDT_ACT, STARTDT_CON, STOPDT_ACT, STOPDT_CON, TESTFR_ACT, TESTFR_CON)

ASDU = bytes.fromhex("01 01 03 00 01 00 64 00 00 01")
"""M_SP_NA_1, spontaneous, CA 1, IOA 100, ON."""


class I(NamedTuple):  # noqa: E742 - the standard's name for it
    """A numbered frame."""

    ns: int
    nr: int
    asdu: bytes


class S(NamedTuple):
    """A supervisory frame."""

    nr: int


def i_frame(ns: int, nr: int, asdu: bytes = ASDU) -> bytes:
    """An I frame, octet by octet."""
    control = [ns % 128 * 2, ns // 128, nr % 128 * 2, nr // 128]
    return bytes([0x68, 4 + len(asdu), *control]) + asdu


def i_frames(ns: int, n: int, nr: int) -> bytes:
    """``n`` I frames numbered from ``ns`` on."""
    return b"".join(i_frame((ns + i) % RING, nr) for i in range(n))


def s_frame(nr: int) -> bytes:
    """An S frame, octet by octet."""
    return bytes([0x68, 4, 1, 0, nr % 128 * 2, nr // 128])


def split(octets: bytes) -> list[bytes]:
    """The frames of a stream that ends with a whole one."""
    frames = []
    while octets:
        assert octets[0] == 0x68
        assert 4 <= octets[1] <= 253
        size = octets[1] + 2
        assert len(octets) >= size, "the stream ends inside a frame"
        frames.append(octets[:size])
        octets = octets[size:]
    return frames


def read(octets: bytes) -> list[I | S | bytes]:
    """The frames of a stream, those with numbers taken apart; U frames stay octets."""
    return [_read_one(frame) for frame in split(octets)]


def _read_one(frame: bytes) -> I | S | bytes:
    one, two, three, four = frame[2:6]
    if one % 2 == 0:
        assert three % 2 == 0
        assert len(frame) >= 12
        return I(one // 2 + 128 * two, three // 2 + 128 * four, frame[6:])
    if one == 1:
        assert (two, three % 2, len(frame)) == (0, 0, 6)
        return S(three // 2 + 128 * four)
    assert frame in U_FRAMES
    return frame
