"""What a master may send: types, causes and shapes that pass, and how the rest is answered.

IEC 60870-5-101 7.2.3 (causes per type), 60870-5-104 clause 8; replies as a station would give them.
"""

from enum import Enum, auto
from typing import Final

from core.protocol.asdu import Asdu
from core.protocol.codes import BROADCAST, Cause, CauseNumber, TypeId, TypeNumber
from core.routing.audience import ANSWERS, PRIVATE, surplus_octets

COMMANDS: Final = frozenset((*range(45, 52), *range(58, 65)))
"""Commands and set points, without and with time tag."""
BROADCAST_TYPES: Final = frozenset(
    {TypeId.C_IC_NA_1, TypeId.C_CI_NA_1, TypeId.C_CS_NA_1, TypeId.C_RP_NA_1}
)
"""Types that may be addressed to all stations."""
INTERROGATIONS: Final = frozenset({TypeId.C_IC_NA_1, TypeId.C_CI_NA_1})
PARAMETERS: Final = frozenset(range(110, 114))
SINGLE_OBJECT: Final = COMMANDS | PARAMETERS | frozenset(range(100, 108))
"""Types that carry exactly one object, SQ = 0, in control direction."""

_ACT: Final = frozenset({Cause.ACTIVATION})
_ACT_DEACT: Final = frozenset({Cause.ACTIVATION, Cause.DEACTIVATION})
_FILE: Final = frozenset({Cause.FILE_TRANSFER})

CONTROL_CAUSES: Final[dict[TypeNumber, frozenset[Cause]]] = {
    **dict.fromkeys(COMMANDS, _ACT_DEACT),
    TypeId.C_IC_NA_1: _ACT_DEACT,
    TypeId.C_CI_NA_1: _ACT_DEACT,
    TypeId.C_RD_NA_1: frozenset({Cause.REQUEST}),
    TypeId.C_CS_NA_1: _ACT,
    TypeId.C_TS_NA_1: _ACT,
    TypeId.C_RP_NA_1: _ACT,
    TypeId.C_CD_NA_1: frozenset({Cause.ACTIVATION, Cause.SPONTANEOUS}),
    TypeId.C_TS_TA_1: _ACT,
    TypeId.P_ME_NA_1: _ACT,
    TypeId.P_ME_NB_1: _ACT,
    TypeId.P_ME_NC_1: _ACT,
    TypeId.P_AC_NA_1: _ACT_DEACT,
    TypeId.F_FR_NA_1: _FILE,
    TypeId.F_SR_NA_1: _FILE,
    TypeId.F_SC_NA_1: _FILE | {Cause.REQUEST},
    TypeId.F_LS_NA_1: _FILE,
    TypeId.F_AF_NA_1: _FILE,
    TypeId.F_SG_NA_1: _FILE,
    TypeId.F_SC_NB_1: _FILE | {Cause.REQUEST},
}
"""Type identifications of the control direction, each with the causes it may carry."""


class Fault(Enum):
    """What is wrong with a control-direction ASDU."""

    ANSWER = auto()
    """An answer where a question belongs: logged, never answered."""
    UNKNOWN_TYPE = auto()
    CUT_SHORT = auto()
    """Fewer octets than announced: logged, never mirrored."""
    UNKNOWN_CAUSE = auto()
    UNKNOWN_CA = auto()
    SEVERAL_OBJECTS = auto()


REPLY: Final[dict[Fault, CauseNumber]] = {
    Fault.UNKNOWN_TYPE: Cause.UNKNOWN_TYPE,
    Fault.UNKNOWN_CAUSE: Cause.UNKNOWN_CAUSE,
    Fault.UNKNOWN_CA: Cause.UNKNOWN_COMMON_ADDRESS,
}
"""The cause of the reply where a station would answer by 44..46; other faults are refused."""


_REFUSALS: Final[dict[CauseNumber, CauseNumber]] = {
    Cause.ACTIVATION: Cause.ACTIVATION_CON,
    Cause.DEACTIVATION: Cause.DEACTIVATION_CON,
}


def check(asdu: Asdu, known_ca: bool) -> Fault | None:
    """The first fault of an ASDU from a master, in the order a station checks; None: it may pass.

    ``known_ca`` says whether its common address is one of the master's own RTU numbers.
    """
    type_id, cause = asdu.type_id, asdu.cause
    if cause in ANSWERS:
        return Fault.ANSWER
    causes = CONTROL_CAUSES.get(type_id)
    if causes is None and type_id not in PRIVATE:
        return Fault.UNKNOWN_TYPE
    several = type_id in SINGLE_OBJECT and (asdu.count != 1 or asdu.sq)
    if surplus_octets(asdu) < 0 and not (several and asdu.count == 0):
        return Fault.CUT_SHORT
    if causes is not None and cause not in causes:
        return Fault.UNKNOWN_CAUSE
    if not known_ca and not (asdu.ca == BROADCAST and type_id in BROADCAST_TYPES):
        return Fault.UNKNOWN_CA
    return Fault.SEVERAL_OBJECTS if several else None


def is_freeze(asdu: Asdu) -> bool:
    """Whether a counter interrogation freezes or resets counters: FRZ other than 0."""
    return asdu.type_id == TypeId.C_CI_NA_1 and bool(asdu.objects[3] & 0xC0)


def forbidden(asdu: Asdu, rights: str, clock: str) -> str:
    """Why the master's options do not let a faultless ASDU pass; empty if they do."""
    if rights == "monitor" and (
        asdu.type_id not in INTERROGATIONS | {TypeId.C_RD_NA_1} or is_freeze(asdu)
    ):
        return "rights=monitor"
    if clock == "refuse" and asdu.type_id == TypeId.C_CS_NA_1:
        return "clock=refuse"
    return ""


def refusal_of(asdu: Asdu) -> Asdu:
    """The mirror that refuses: COT 6 becomes 7, 8 becomes 9, any other 45; P/N = 1."""
    return asdu.with_cause(_REFUSALS.get(asdu.cause, Cause.UNKNOWN_CAUSE), negative=True)
