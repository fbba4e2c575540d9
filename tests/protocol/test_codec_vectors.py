"""The golden vectors through the codec and its JSON form, in both directions."""

import json

import pytest

from core.protocol.codec import DecodeError, Fault, decode_apdu, encode_apdu
from core.protocol.jsonform import from_json, to_json
from tests.support import vectors

WELL_FORMED = [vector for form in "ISU" for vector in vectors.well_formed(form)]
UNUSUAL = [vector for vector in WELL_FORMED if vector["group"] == "header-unusual"]
USUAL = [vector for vector in WELL_FORMED if vector["group"] != "header-unusual"]


def with_negative_zero(value):
    """As text, so that -0.0 and 0.0, 1 and 1.0 and true, are told apart."""
    return json.dumps(value, sort_keys=True)


@pytest.mark.parametrize("vector", WELL_FORMED, ids=vectors.name)
def test_octets_become_the_meaning(vector):
    decoded = to_json(decode_apdu(vectors.octets(vector)))
    assert decoded == vector["decoded"]
    assert with_negative_zero(decoded) == with_negative_zero(vector["decoded"])


@pytest.mark.parametrize("vector", WELL_FORMED, ids=vectors.name)
def test_the_meaning_becomes_the_octets(vector):
    octets = encode_apdu(from_json(vector["decoded"]))
    if vector.get("roundtrip", True):
        assert octets == vectors.octets(vector)
        assert encode_apdu(decode_apdu(octets)) == octets
    else:  # reserved bits are not sent
        assert octets != vectors.octets(vector)
        assert to_json(decode_apdu(octets)) == vector["decoded"]
        assert encode_apdu(decode_apdu(vectors.octets(vector))) == octets


@pytest.mark.parametrize("vector", WELL_FORMED, ids=vectors.name)
def test_the_meaning_is_the_value(vector):
    assert from_json(vector["decoded"]) == decode_apdu(vectors.octets(vector))


@pytest.mark.parametrize("vector", USUAL, ids=vectors.name)
def test_strict_mode_has_nothing_against_what_is_right(vector):
    frame = decode_apdu(vectors.octets(vector), strict=True)
    assert frame.remarks == ()
    assert encode_apdu(frame, strict=True) == encode_apdu(frame)


WHY_UNUSUAL = {
    "hdr-cot": ("cause {cot} is reserved or private", 8),
    "hdr-ca-0": ("common address 0", 10),
    "sq1-cp56-not-permitted": ("SQ = 1 with M_SP_TB_1", 7),
    "count-zero-sp": ("no object announced", 7),
}


@pytest.mark.parametrize("vector", UNUSUAL, ids=vectors.name)
def test_a_header_no_sender_makes_is_read_with_a_remark_and_refused_when_strict(vector):
    (expected,) = [why for start, why in WHY_UNUSUAL.items() if vector["name"].startswith(start)]
    octets, detail = vectors.octets(vector), expected[0].format(**vector["decoded"])
    (remark,) = decode_apdu(octets).remarks
    assert (remark.reason, remark.detail, remark.offset) == (
        Fault.NOT_PERMITTED, detail, expected[1]
    )  # fmt: skip
    with pytest.raises(DecodeError, match="not permitted") as error:
        decode_apdu(octets, strict=True)
    assert (error.value.reason, error.value.offset) == (remark.reason, remark.offset)
    with pytest.raises(ValueError, match=f"must not send this.*{detail}"):
        encode_apdu(decode_apdu(octets), strict=True)


# --- malformed ------------------------------------------------------------------------------------

END = "where the octets end"
REASONS = [
    # The beginning of a vector's error, the fault, its offset.
    ("bad start octet", Fault.BAD_START, 0),
    ("APDU length", Fault.BAD_LENGTH, 1),
    ("incomplete", Fault.INCOMPLETE, END),
    ("S frame must have length 4", Fault.BAD_LENGTH, 1),
    ("U frame must have length 4", Fault.BAD_LENGTH, 1),
    ("U frame: exactly one function bit", Fault.BAD_FORMAT, 2),
    ("S frame: bits 3-8 of control octet 1", Fault.RESERVED_BITS, 2),
    ("S frame: control octet 2", Fault.RESERVED_BITS, 3),
    ("S frame: bit 1 of control octet 3", Fault.RESERVED_BITS, 4),
    ("U frame: control octets 2-4", Fault.RESERVED_BITS, "the octet that is not 0"),
    ("I frame without an ASDU", Fault.SHORT_ASDU, END),
    ("ASDU shorter than", Fault.SHORT_ASDU, END),
    ("object count 1 but no object", Fault.TOO_FEW_OCTETS, END),
    ("truncated", Fault.TOO_FEW_OCTETS, END),
    ("unknown type identification", Fault.UNKNOWN_TYPE, 6),
    ("trailing octet", Fault.SURPLUS_OCTETS, "the last octet"),
    ("SQ=0 with two objects announced but octets", Fault.TOO_FEW_OCTETS, END),
    ("ASDU built with a one-octet common", Fault.TOO_FEW_OCTETS, END),
    ("SQ=1 count says 0", Fault.NOT_PERMITTED, 7),
]  # fmt: skip


def expected_of(vector):
    error, octets = vector["error"], vectors.octets(vector)
    found = [(fault, offset) for start, fault, offset in REASONS if error.startswith(start)]
    if found:
        ((fault, offset),) = found
        match offset:
            case "the last octet":
                return fault, len(octets) - 1
            case "the octet that is not 0":
                return fault, next(i for i in (3, 4, 5) if octets[i])
        return fault, len(octets) if offset == END else offset
    assert "says" in error  # a number disagrees with the octets
    if not ("trailing" in error or "elements follow" in error):
        return Fault.TOO_FEW_OCTETS, len(octets)
    surplus = {"bad-f-sg-los-too-small": 1}.get(vector["name"])
    if surplus is None:  # one object of two is left over
        address = 0 if octets[7] & 0x80 else 3
        surplus = address + (len(octets) - 12 - (3 if not address else 6)) // 2
    return Fault.SURPLUS_OCTETS, len(octets) - surplus


@pytest.mark.parametrize("vector", vectors.load("malformed"), ids=vectors.name)
def test_malformed_octets_are_refused_with_reason_and_offset(vector):
    with pytest.raises(DecodeError) as caught:
        decode_apdu(vectors.octets(vector), strict=True)
    error = caught.value
    assert (error.reason, error.offset) == expected_of(vector)
    assert str(error) == f"{error.reason}: {error.detail} (at octet {error.offset})"
    assert "\n" not in str(error)


TOLERATED = {
    Fault.RESERVED_BITS, Fault.UNKNOWN_TYPE, Fault.SURPLUS_OCTETS, Fault.NOT_PERMITTED
}  # fmt: skip


@pytest.mark.parametrize("vector", vectors.load("malformed"), ids=vectors.name)
def test_lenient_reading_tolerates_what_still_has_a_meaning_and_remarks_on_it(vector):
    fault, offset = expected_of(vector)
    if fault in TOLERATED:
        first = decode_apdu(vectors.octets(vector)).remarks[0]
        assert (first.reason, first.offset) == (fault, offset)
    else:
        with pytest.raises(DecodeError) as caught:
            decode_apdu(vectors.octets(vector))
        assert (caught.value.reason, caught.value.offset) == (fault, offset)


@pytest.mark.parametrize("vector", vectors.malformed("asdu-unknown-type"), ids=vectors.name)
def test_an_unknown_type_keeps_its_header_and_its_octets(vector):
    frame = decode_apdu(vectors.octets(vector))
    assert frame.asdu.opaque is not None
    assert frame.asdu.opaque.octets == bytes.fromhex("64000001")
    assert (frame.asdu.count, frame.asdu.objects, frame.asdu.cause, frame.asdu.ca) == (1, (), 3, 1)
    assert encode_apdu(frame) == vectors.octets(vector)
    assert from_json(json.loads(json.dumps(to_json(frame)))) == frame


@pytest.mark.parametrize("vector", vectors.load("streams"), ids=vectors.name)
def test_the_frames_of_streams_can_all_be_read(vector):
    for octets in map(bytes.fromhex, vector["frames_hex"]):
        assert encode_apdu(decode_apdu(octets)) == octets
