"""The points of the interoperability tests: one of each type, at the same addresses everywhere."""

MONITOR = {
    "M_SP_NA_1": 100,
    "M_DP_NA_1": 101,
    "M_ST_NA_1": 102,
    "M_ME_NA_1": 103,
    "M_ME_NB_1": 104,
    "M_ME_NC_1": 105,
    "M_BO_NA_1": 106,
    "M_IT_NA_1": 107,
    "M_SP_TB_1": 130,
    "M_DP_TB_1": 131,
    "M_ST_TB_1": 132,
    "M_ME_TD_1": 133,
    "M_ME_TE_1": 134,
    "M_ME_TF_1": 135,
    "M_BO_TB_1": 136,
    "M_IT_TB_1": 137,
}
COMMANDS = {
    "C_SC_NA_1": 1000,
    "C_DC_NA_1": 1001,
    "C_RC_NA_1": 1002,
    "C_SE_NA_1": 1003,
    "C_SE_NB_1": 1004,
    "C_SE_NC_1": 1005,
    "C_BO_NA_1": 1006,
    "C_SC_TA_1": 1100,
    "C_DC_TA_1": 1101,
    "C_RC_TA_1": 1102,
    "C_SE_TA_1": 1103,
    "C_SE_TB_1": 1104,
    "C_SE_TC_1": 1105,
    "C_BO_TA_1": 1106,
}
SELECT_FIRST = 1200
"""A C_SC_NA_1 that wants to be selected before it is executed."""
EVENTS = 2000
"""An M_ME_NC_1 whose value is the number of an event."""

VALUES = {
    # one value per kind of point, as JSON has it, that is not what a fresh point holds
    "SP": True,
    "DP": 2,
    "ST": -5,
    "ME_NA": 0.5,
    "ME_TD": 0.25,
    "ME_NB": -1234,
    "ME_TE": 4321,
    "ME_NC": 50.25,
    "ME_TF": -0.125,
    "BO": 0x01020304,
    "IT": 123456,
    "SC": True,
    "DC": 2,
    "RC": 2,
    "SE_NA": 0.5,
    "SE_TA": 0.25,
    "SE_NB": -1234,
    "SE_TB": 4321,
    "SE_NC": 1.5,
    "SE_TC": -2.5,
}


def sample(type_name: str) -> bool | int | float:
    """A value fit for a type: `sample("M_SP_TB_1")`."""
    kind = type_name[2:-2]
    return VALUES.get(kind, VALUES.get(kind[:2], 0))
