"""The numbers of the standard: type identifications, causes, U functions, sizes of objects.

Sources: IEC 60870-5-101 clause 7.2 and 7.3, IEC 60870-5-104 clause 5 and 8.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, TypeAlias

TypeNumber: TypeAlias = int
"""Type identification as on the wire, 0..255 (0 not used, 1..127 standard, 128..255 private)."""
CauseNumber: TypeAlias = int
"""Cause of transmission without T and P/N, 0..63."""
CommonAddress: TypeAlias = int
"""Common address of ASDU, 1..65534 one station, 65535 all stations, 0 not used."""
Ioa: TypeAlias = int
"""Information object address, 0..16777215; 0 where it has no meaning."""

BROADCAST: Final = 65535
"""The common address of all stations, control direction only (60870-5-101, 7.2.4)."""
MAX_ASDU_OCTETS: Final = 249
"""60870-5-104, 5.1: 253 octets after the length octet, less four control octets."""


class TypeId(IntEnum):
    """Type identifications of IEC 60870-5-101 table 8 ff. and the selection of -104."""

    M_SP_NA_1 = 1
    M_SP_TA_1 = 2
    M_DP_NA_1 = 3
    M_DP_TA_1 = 4
    M_ST_NA_1 = 5
    M_ST_TA_1 = 6
    M_BO_NA_1 = 7
    M_BO_TA_1 = 8
    M_ME_NA_1 = 9
    M_ME_TA_1 = 10
    M_ME_NB_1 = 11
    M_ME_TB_1 = 12
    M_ME_NC_1 = 13
    M_ME_TC_1 = 14
    M_IT_NA_1 = 15
    M_IT_TA_1 = 16
    M_EP_TA_1 = 17
    M_EP_TB_1 = 18
    M_EP_TC_1 = 19
    M_PS_NA_1 = 20
    M_ME_ND_1 = 21
    M_SP_TB_1 = 30
    M_DP_TB_1 = 31
    M_ST_TB_1 = 32
    M_BO_TB_1 = 33
    M_ME_TD_1 = 34
    M_ME_TE_1 = 35
    M_ME_TF_1 = 36
    M_IT_TB_1 = 37
    M_EP_TD_1 = 38
    M_EP_TE_1 = 39
    M_EP_TF_1 = 40
    S_IT_TC_1 = 41
    C_SC_NA_1 = 45
    C_DC_NA_1 = 46
    C_RC_NA_1 = 47
    C_SE_NA_1 = 48
    C_SE_NB_1 = 49
    C_SE_NC_1 = 50
    C_BO_NA_1 = 51
    C_SC_TA_1 = 58
    C_DC_TA_1 = 59
    C_RC_TA_1 = 60
    C_SE_TA_1 = 61
    C_SE_TB_1 = 62
    C_SE_TC_1 = 63
    C_BO_TA_1 = 64
    M_EI_NA_1 = 70
    C_IC_NA_1 = 100
    C_CI_NA_1 = 101
    C_RD_NA_1 = 102
    C_CS_NA_1 = 103
    C_TS_NA_1 = 104
    C_RP_NA_1 = 105
    C_CD_NA_1 = 106
    C_TS_TA_1 = 107
    P_ME_NA_1 = 110
    P_ME_NB_1 = 111
    P_ME_NC_1 = 112
    P_AC_NA_1 = 113
    F_FR_NA_1 = 120
    F_SR_NA_1 = 121
    F_SC_NA_1 = 122
    F_LS_NA_1 = 123
    F_AF_NA_1 = 124
    F_SG_NA_1 = 125
    F_DR_TA_1 = 126
    F_SC_NB_1 = 127


class Cause(IntEnum):
    """Causes of transmission, 60870-5-101 7.2.3; numbers without a name are legal and pass."""

    PERIODIC = 1
    BACKGROUND = 2
    SPONTANEOUS = 3
    INITIALIZED = 4
    REQUEST = 5
    ACTIVATION = 6
    ACTIVATION_CON = 7
    DEACTIVATION = 8
    DEACTIVATION_CON = 9
    ACTIVATION_TERMINATION = 10
    RETURN_REMOTE = 11
    RETURN_LOCAL = 12
    FILE_TRANSFER = 13
    INTERROGATED = 20
    INTERROGATED_GROUP_16 = 36
    COUNTERS = 37
    COUNTERS_GROUP_4 = 41
    UNKNOWN_TYPE = 44
    UNKNOWN_CAUSE = 45
    UNKNOWN_COMMON_ADDRESS = 46
    UNKNOWN_IOA = 47


class UFunction(IntEnum):
    """Control octet 1 of a U frame, exactly one function bit set (60870-5-104, 5.1 figure 8)."""

    STARTDT_ACT = 0x07
    STARTDT_CON = 0x0B
    STOPDT_ACT = 0x13
    STOPDT_CON = 0x23
    TESTFR_ACT = 0x43
    TESTFR_CON = 0x83


OBJECT_OCTETS: Final[Mapping[TypeNumber, int]] = {
    1: 1, 2: 4, 3: 1, 4: 4, 5: 2, 6: 5, 7: 5, 8: 8, 9: 3, 10: 6, 11: 3, 12: 6, 13: 5, 14: 8,
    15: 5, 16: 8, 17: 6, 18: 7, 19: 7, 20: 5, 21: 2,
    30: 8, 31: 8, 32: 9, 33: 12, 34: 10, 35: 10, 36: 12, 37: 12, 38: 10, 39: 11, 40: 11, 41: 14,
    45: 1, 46: 1, 47: 1, 48: 3, 49: 3, 50: 5, 51: 4,
    58: 8, 59: 8, 60: 8, 61: 10, 62: 10, 63: 12, 64: 11,
    70: 1, 100: 1, 101: 1, 102: 0, 103: 7, 104: 2, 105: 1, 106: 2, 107: 9,
    110: 3, 111: 3, 112: 5, 113: 1,
    120: 6, 121: 7, 122: 4, 123: 5, 124: 4, 125: 4, 126: 13, 127: 16,
}  # fmt: skip
"""Octets of one object without its address (60870-5-101, 7.3); 125 without its segment."""


def octets_needed(type_id: TypeNumber, sq: bool, count: int) -> int | None:
    """Octets that ``count`` objects of a type fill after the six header octets.

    None if the size of the type is not known (private and reserved types). For F_SG_NA_1 the
    segment itself is not included. 60870-5-101, 7.2.2: SQ = 1 carries one address, SQ = 0 one each.
    """
    size = OBJECT_OCTETS.get(type_id)
    if size is None:
        return None
    return 3 + count * size if sq else count * (3 + size)
