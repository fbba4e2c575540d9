"""The tables of numbers, against the golden vectors and the rules of the standard."""

import pytest

from core.protocol.codes import (
    MAX_ASDU_OCTETS,
    OBJECT_OCTETS,
    Cause,
    TypeId,
    UFunction,
    octets_needed,
)
from tests.support import vectors

HEADER = 6
I_VECTORS = vectors.well_formed("I")


@pytest.mark.parametrize("vector", I_VECTORS, ids=vectors.name)
def test_the_octets_needed_are_those_of_every_well_formed_frame(vector):
    decoded = vector["decoded"]
    present = len(vectors.octets(vector)) - 6 - HEADER
    if decoded["type_id"] == TypeId.F_SG_NA_1:
        present -= sum(len(bytes.fromhex(o["segment"])) for o in decoded["objects"])
    assert octets_needed(decoded["type_id"], decoded["sq"], decoded["count"]) == present


def test_a_frame_that_lacks_an_octet_is_found_short():
    short = [v for v in vectors.malformed("asdu") if "last octet missing" in v["error"]]
    assert len(short) == 40
    for vector in short:
        asdu = vectors.octets(vector)[6:]
        if asdu[0] == TypeId.F_SG_NA_1:  # it lacks an octet of its segment, which is not counted
            continue
        needed = octets_needed(asdu[0], asdu[1] >= 128, asdu[1] % 128)
        assert needed is not None
        assert needed > len(asdu) - HEADER, vector["name"]


@pytest.mark.parametrize(
    "type_id", [v["apdu_hex"][12:14] for v in vectors.malformed("asdu-unknown-type")]
)
@pytest.mark.parametrize("sq", [False, True])
def test_the_size_of_an_unknown_type_is_not_known(type_id, sq):
    assert octets_needed(int(type_id, 16), sq, 1) is None


LARGEST = [
    # Reference section 6: objects that fit into one ASDU, SQ = 0 and SQ = 1.
    (TypeId.M_SP_NA_1, 60, 127),
    (TypeId.M_ME_NC_1, 30, 48),
    (TypeId.M_ME_TF_1, 16, None),
    (TypeId.M_SP_TB_1, 22, None),
    (TypeId.M_IT_TB_1, 16, None),
    (TypeId.F_DR_TA_1, 15, 18),
]


@pytest.mark.parametrize(("type_id", "single", "sequence"), LARGEST)
def test_the_largest_asdus_hold_as_many_objects_as_the_standard_says(type_id, single, sequence):
    room = MAX_ASDU_OCTETS - HEADER
    assert octets_needed(type_id, False, single) <= room < octets_needed(type_id, False, single + 1)
    if sequence is not None:
        assert octets_needed(type_id, True, sequence) <= room
        assert sequence == 127 or octets_needed(type_id, True, sequence + 1) > room


@pytest.mark.parametrize(("sq", "octets"), [(False, 0), (True, 3)])
def test_no_object_needs_no_more_than_the_address_of_a_sequence(sq, octets):
    assert octets_needed(TypeId.M_SP_NA_1, sq, 0) == octets


def test_every_type_of_the_standard_has_a_size_and_its_name():
    assert set(OBJECT_OCTETS) == set(TypeId)
    named = {v["decoded"]["type_id"]: v["decoded"]["mnemonic"] for v in I_VECTORS}
    assert named == {int(type_id): type_id.name for type_id in TypeId}


def test_u_functions_set_exactly_one_function_bit():
    octets = [1 << bit | 3 for bit in range(2, 8)]
    assert [int(function) for function in UFunction] == octets
    names = {v["decoded"]["function"] for v in vectors.well_formed("U")}
    assert names <= {function.name for function in UFunction}


CAUSES = [
    (1, Cause.PERIODIC), (2, Cause.BACKGROUND), (3, Cause.SPONTANEOUS), (4, Cause.INITIALIZED),
    (5, Cause.REQUEST), (6, Cause.ACTIVATION), (7, Cause.ACTIVATION_CON),
    (8, Cause.DEACTIVATION), (9, Cause.DEACTIVATION_CON), (10, Cause.ACTIVATION_TERMINATION),
    (11, Cause.RETURN_REMOTE), (12, Cause.RETURN_LOCAL), (13, Cause.FILE_TRANSFER),
    (20, Cause.INTERROGATED), (36, Cause.INTERROGATED_GROUP_16), (37, Cause.COUNTERS),
    (41, Cause.COUNTERS_GROUP_4), (44, Cause.UNKNOWN_TYPE), (45, Cause.UNKNOWN_CAUSE),
    (46, Cause.UNKNOWN_COMMON_ADDRESS), (47, Cause.UNKNOWN_IOA),
]  # fmt: skip


def test_causes_have_the_numbers_of_the_standard():
    assert [(int(cause), cause) for cause in Cause] == CAUSES
