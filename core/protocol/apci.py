"""The control field of a frame: what is a frame, what is not, and how the short ones are made.

60870-5-104 clause 5.1, figures 5 to 8.
"""

from enum import StrEnum
from struct import Struct
from typing import Final

from core.protocol.codes import UFunction

APCI: Final = Struct("<BBHH")
"""Start octet, length, and the control field as two little-endian words."""
MIN_I_LENGTH: Final = 10
"""Four control octets and a whole ASDU header."""
MAX_LENGTH: Final = 253


class Reason(StrEnum):
    """Why a link was given up."""

    BAD_START = "bad start octet"
    BAD_LENGTH = "bad APDU length"
    BAD_FORMAT = "malformed control field"
    SHORT_ASDU = "ASDU without a whole header"
    NOT_STARTED = "data while data transfer is stopped"
    SEND_SEQUENCE = "send sequence number out of order"
    RECEIVE_SEQUENCE = "receive sequence number outside what was sent"
    NO_ANSWER = "no answer within t1"
    IDLE = "nothing received for idletime"
    FRAGMENT = "incomplete frame for t1"
    STALLED = "peer takes no data for t1"


U_FRAMES: Final = {function: bytes((0x68, 4, function, 0, 0, 0)) for function in UFunction}
U_FUNCTIONS: Final = {int(function): function for function in UFunction}


def s_frame(nr: int) -> bytes:
    """An S frame acknowledging everything before ``nr``, 0..32767."""
    return APCI.pack(0x68, 4, 1, nr << 1)


def wrong_apci(start: int, length: int, first: int) -> tuple[Reason, str] | None:
    """What is wrong with a control field, before its frame is complete."""
    early = wrong_beginning(bytes((start, length)))
    if early is not None:
        return early
    octet = first & 0xFF
    if not octet & 1:
        return None if length >= MIN_I_LENGTH else (Reason.SHORT_ASDU, f"{length - 4} octets")
    if octet & 3 == 3 and octet not in U_FUNCTIONS:
        return Reason.BAD_FORMAT, f"unknown U function {octet:02x} hex"
    if length != 4:
        return Reason.BAD_LENGTH, f"{length} in {'an S' if octet & 3 == 1 else 'a U'} frame"
    return None


def wrong_beginning(octets: bytes) -> tuple[Reason, str] | None:
    """What is wrong with the first two octets of a frame, or as many as there are."""
    if octets[0] != 0x68:
        return Reason.BAD_START, f"{octets[0]:02x} hex"
    if len(octets) > 1 and not 4 <= octets[1] <= MAX_LENGTH:
        return Reason.BAD_LENGTH, f"{octets[1]} is outside 4..253"
    return None


def control_octets(first: int, second: int) -> str:
    """The four control octets as hex, for a message."""
    return (first.to_bytes(2, "little") + second.to_bytes(2, "little")).hex(" ")
