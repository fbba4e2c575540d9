"""The numbers of the standard for programs: types, causes, sizes, U functions, limits, qualities.

The members of ``TypeId`` and ``UFunction`` also stand here by their own names: ``M_ME_TF_1``.
"""

from core.client.client import DEFAULT_COMMON_ADDRESS, DEFAULT_PORT
from core.protocol.apci import MAX_LENGTH, MIN_I_LENGTH, U_FRAMES
from core.protocol.codec import APCI_OCTETS, MAX_COUNT, MAX_SEQUENCE_NUMBER
from core.protocol.codes import (
    BROADCAST,
    MAX_ASDU_OCTETS,
    OBJECT_OCTETS,
    Cause,
    TypeId,
    UFunction,
)
from core.protocol.elements import CounterQuality, Quality
from core.protocol.layouts import IOA_OCTETS, MAX_IOA
from core.protocol.link import Timing

START_OCTET = 0x68
"""The first octet of every APDU."""

globals().update({member.name: member for kind in (TypeId, UFunction) for member in kind})

__all__ = [
    "APCI_OCTETS",
    "BROADCAST",
    "DEFAULT_COMMON_ADDRESS",
    "DEFAULT_PORT",
    "IOA_OCTETS",
    "MAX_ASDU_OCTETS",
    "MAX_COUNT",
    "MAX_IOA",
    "MAX_LENGTH",
    "MAX_SEQUENCE_NUMBER",
    "MIN_I_LENGTH",
    "OBJECT_OCTETS",
    "START_OCTET",
    "U_FRAMES",
    "Cause",
    "CounterQuality",
    "Quality",
    "Timing",
    "TypeId",
    "UFunction",
    *(member.name for kind in (TypeId, UFunction) for member in kind),
]
