"""The header view of an ASDU."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.protocol.asdu import Asdu
from core.protocol.codes import Cause, TypeId
from tests.support import vectors

ASDUS = st.binary(min_size=6, max_size=249).map(Asdu)
OCTET = st.integers(0, 255)
CA = st.integers(0, 65535)


@pytest.mark.parametrize("vector", vectors.well_formed("I"), ids=vectors.name)
def test_header_fields_are_those_of_the_golden_vectors(vector):
    asdu, decoded = Asdu(vectors.octets(vector)[6:]), vector["decoded"]
    seen = {
        "type_id": asdu.type_id, "sq": asdu.sq, "count": asdu.count, "cot": asdu.cause,
        "negative": asdu.is_negative, "test": asdu.is_test, "oa": asdu.oa, "ca": asdu.ca,
    }  # fmt: skip
    assert seen == {name: decoded[name] for name in seen}
    assert asdu.ioa == (decoded["objects"][0]["ioa"] if decoded["objects"] else None)


def test_fields_are_read_from_their_octets():
    asdu = Asdu(bytes.fromhex("2d 83 c7 2a 34 12 56 34 12 99"))
    assert (asdu.type_id, asdu.sq, asdu.count) == (45, True, 3)
    assert (asdu.cause, asdu.is_negative, asdu.is_test) == (7, True, True)
    assert (asdu.oa, asdu.ca, asdu.ioa) == (0x2A, 0x1234, 0x123456)
    assert asdu.objects == bytes.fromhex("56 34 12 99")


@pytest.mark.parametrize("octets", [b"", b"\x01\x01\x03\x00\x01"])
def test_fewer_octets_than_a_header_are_refused(octets):
    with pytest.raises(ValueError, match=f"at least 6 octets, not {len(octets)}"):
        Asdu(octets)


@pytest.mark.parametrize(("objects", "ioa"), [("", None), ("ff ff", None), ("ff ff ff", 16777215)])
def test_an_address_that_is_not_whole_is_none(objects, ioa):
    asdu = Asdu(bytes.fromhex("01 01 03 00 01 00") + bytes.fromhex(objects))
    assert asdu.ioa == ioa


@pytest.mark.parametrize(
    "vector",
    [v for v in vectors.well_formed("I") if "objects" in v["decoded"]],
    ids=vectors.name,
)
def test_a_select_is_told_from_an_execute(vector):
    objects = vector["decoded"]["objects"]
    expected = len(objects) > 0 and objects[0].get("select", False)
    assert Asdu(vectors.octets(vector)[6:]).is_select is expected


@pytest.mark.parametrize("type_id", [*range(45, 52), *range(58, 65)])
def test_a_command_without_its_qualifier_is_no_select(type_id):
    whole = {**dict.fromkeys((45, 46, 47, 58, 59, 60), 10), 50: 14, 63: 14}.get(type_id, 12)
    asdu = Asdu(bytes((type_id, 1, 6, 0, 1, 0)) + b"\xff" * (whole - 6))
    assert asdu.is_select is (type_id not in (51, 64))
    assert not Asdu(asdu.octets[:-1]).is_select


def test_an_asdu_is_built_from_its_fields():
    made = Asdu.of(TypeId.C_SC_NA_1, Cause.ACTIVATION, 0x1234, bytes.fromhex("01 00 00 81"))
    assert made.octets == bytes.fromhex("2d 01 06 00 34 12 01 00 00 81")


def test_count_originator_and_refusal_are_built_in():
    made = Asdu.of(1, 47, 65535, b"", count=127, oa=255, negative=True)
    assert made.octets == bytes.fromhex("01 7f 6f ff ff ff")


@given(ASDUS)
def test_the_views_hold_the_whole_header(asdu):
    again = Asdu.of(
        asdu.type_id, asdu.cause, asdu.ca, asdu.objects,
        count=asdu.count | asdu.sq << 7, oa=asdu.oa, negative=asdu.is_negative,
    )  # fmt: skip
    assert again.with_cause(asdu.cause, negative=asdu.is_negative) == again
    assert again.octets[:2] == asdu.octets[:2]
    assert again.octets[2] | asdu.is_test << 7 == asdu.octets[2]
    assert again.octets[3:] == asdu.octets[3:]


@given(ASDUS, st.integers(0, 63), st.booleans())
def test_a_changed_cause_changes_nothing_else(asdu, cause, negative):
    copy = asdu.with_cause(cause, negative=negative)
    assert (copy.cause, copy.is_negative, copy.is_test) == (cause, negative, asdu.is_test)
    assert copy.octets[:2] + copy.octets[3:] == asdu.octets[:2] + asdu.octets[3:]


@given(ASDUS, st.none() | OCTET, st.none() | CA)
def test_a_changed_address_changes_nothing_else(asdu, oa, ca):
    copy = asdu.readdressed(oa=oa, ca=ca)
    assert copy.oa == (asdu.oa if oa is None else oa)
    assert copy.ca == (asdu.ca if ca is None else ca)
    assert copy.octets[:3] + copy.octets[6:] == asdu.octets[:3] + asdu.octets[6:]
