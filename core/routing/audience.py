"""Who receives a monitor-direction ASDU, as one table over type identification and cause.

The table is the policy: the README shows it, the playbook tests hold it. What it calls OWNER is
decided by the open questions (:mod:`core.routing.questions`).
"""

from enum import Enum, auto
from typing import Final

from core.protocol.asdu import HEADER_OCTETS, Asdu
from core.protocol.codes import OBJECT_OCTETS, Cause, TypeId, octets_needed
from core.protocol.run import APCI_OCTETS


class Audience(Enum):
    """Who an ASDU from the RTU is for."""

    EVERYONE = auto()
    INTERROGATED = auto()
    """Data of an interrogation: everyone, unless the group says otherwise (`gi_data`)."""
    READER = auto()
    """The master whose read of that object is open; none open: everyone."""
    OWNER = auto()
    """The master whose question it answers, and nobody else."""
    FILE = auto()
    """The master that holds the file session."""
    NOBODY = auto()
    """M_EI: a master gets its own from the gateway."""
    ORPHAN = auto()
    """Nothing a station sends unasked: dropped and counted."""


ANSWERS: Final = frozenset({7, 9, 10, 44, 45, 46, 47})
"""Causes that answer a question, whatever the type."""
EVENTS: Final = frozenset({Cause.SPONTANEOUS, Cause.RETURN_REMOTE, Cause.RETURN_LOCAL})
"""Causes of what must not be lost while no master listens."""
COUNTERS: Final = frozenset({TypeId.M_IT_NA_1, TypeId.M_IT_TA_1, TypeId.M_IT_TB_1})
"""Integrated totals: as data of nobody's interrogation they are spontaneous."""
PRIVATE: Final = range(128, 256)
"""Type identifications by agreement; their objects are opaque."""


def _audience(type_id: int, cause: int) -> Audience:
    process = 1 <= type_id <= 40
    if type_id == TypeId.M_EI_NA_1:
        return Audience.NOBODY
    if cause in ANSWERS:
        return Audience.OWNER
    if process and 20 <= cause <= 41:
        return Audience.INTERROGATED
    if process and cause == Cause.REQUEST:
        return Audience.READER
    if process or 41 <= type_id <= 44 or type_id in PRIVATE:
        return Audience.EVERYONE
    if cause == Cause.SPONTANEOUS and type_id in (
        TypeId.C_CS_NA_1,
        TypeId.C_CD_NA_1,
        TypeId.F_DR_TA_1,
    ):
        return Audience.EVERYONE
    if 110 <= type_id <= 112 and 20 <= cause <= 36:
        return Audience.INTERROGATED
    if TypeId.F_FR_NA_1 <= type_id <= TypeId.F_DR_TA_1:
        return Audience.FILE
    return Audience.ORPHAN


AUDIENCE: Final = tuple(_audience(type_id, cause) for type_id in range(256) for cause in range(64))
"""Indexed by ``type identification << 6 | cause``."""


def audience_of(asdu: Asdu) -> Audience:
    """Look an ASDU up in :data:`AUDIENCE`."""
    return AUDIENCE[asdu.type_id << 6 | asdu.cause]


def surplus_octets(asdu: Asdu) -> int:
    """Octets beyond what type and count of objects need; negative: the ASDU is cut short.

    No object at all counts as cut short. Of a type of unknown size only one object address can be
    asked for, whatever its count says.
    """
    have = len(asdu.octets) - HEADER_OCTETS
    needed = octets_needed(asdu.type_id, asdu.sq, asdu.count)
    if needed is None:
        return min(have - 3, 0)
    if asdu.count == 0:
        return -1
    if asdu.type_id == TypeId.F_SG_NA_1 and have >= needed:
        needed = _octets_of_segments(asdu)
    return have - needed


def _octets_of_segments(asdu: Asdu) -> int:
    """Octets of the objects of an F_SG, each with its LOS behind NOF and NOS; more than there are
    if it is cut short."""
    objects, at = asdu.objects, 0
    for index in range(asdu.count):
        if not asdu.sq or index == 0:
            at += 3
        los_at = at + 3
        if los_at >= len(objects):
            return los_at + 1
        at = los_at + 1 + objects[los_at]
    return at


def exact_apdu_octets(header: bytes) -> int | None:
    """APDU octets of an ordinary frame for everyone with this ASDU header; None: look closer."""
    type_id, vsq, cot = header[0], header[1], header[2]
    if AUDIENCE[type_id << 6 | cot & 0x3F] not in (Audience.EVERYONE, Audience.INTERROGATED):
        return None
    if not vsq & 0x7F or type_id not in OBJECT_OCTETS:
        return None
    needed = octets_needed(type_id, vsq > 0x7F, vsq & 0x7F)
    return None if needed is None else APCI_OCTETS + HEADER_OCTETS + needed


def object_addresses(asdu: Asdu) -> range | tuple[int, ...]:
    """The addresses of all objects of a monitor-direction ASDU that is not cut short.

    Of a type of unknown size only the first is known.
    """
    first = int.from_bytes(asdu.octets[6:9], "little")
    size = OBJECT_OCTETS.get(asdu.type_id)
    if size is None:
        return (first,)
    if asdu.sq:
        return range(first, first + asdu.count)
    step = 3 + size
    return tuple(
        int.from_bytes(asdu.octets[at : at + 3], "little")
        for at in range(HEADER_OCTETS, HEADER_OCTETS + asdu.count * step, step)
    )
