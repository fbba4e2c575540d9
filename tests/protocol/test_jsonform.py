"""The JSON form, where the golden vectors do not reach: what may be left out, what is refused."""

import json
import math
import re

import pytest
from hypothesis import given

from core.protocol import objects as o
from core.protocol.codec import DataUnit, IFrame, Opaque, SFrame, decode_asdu
from core.protocol.elements import Quality, float_from_bits
from core.protocol.jsonform import asdu_from_json, asdu_to_json, from_json, to_json
from core.protocol.times import Cp24Time2a, Cp56Time2a

from .object_strategies import units

TIME56 = {"ms": 36895, "minute": 10, "hour": 21, "day": 11, "month": 12, "year": 26}


def frame(mnemonic, *objects, **others):
    header = {"format": "I", "mnemonic": mnemonic, "cot": 3, "ca": 1, "objects": list(objects)}
    return header | others


@given(units())
def test_an_asdu_goes_through_text_and_back(unit):
    text = json.dumps(asdu_to_json(unit))
    assert asdu_from_json(json.loads(text)) == unit


def test_what_is_usual_may_be_left_out():
    assert from_json(frame("M_SP_NA_1", {"ioa": 100, "value": True})) == IFrame(
        0, 0, DataUnit(1, 3, 1, (o.SinglePoint(100, True),))
    )
    assert asdu_from_json({"type_id": 100, "cot": 6, "ca": 1, "objects": []}) == DataUnit(100, 6, 1)


LEFT_OUT = [
    ("M_ME_NC_1", {"ioa": 1, "value": 76.2, "invalid": True}, o.ShortFloat(1, 76.2, Quality(128))),
    ("M_ME_NC_1", {"ioa": 1, "bits": "7f800001"}, o.ShortFloat(1, float_from_bits(0x7F800001))),
    ("M_ME_NC_1", {"ioa": 1, "value": "NaN"}, o.ShortFloat(1, math.nan)),
    ("M_ME_NC_1", {"ioa": 1, "value": "-Infinity"}, o.ShortFloat(1, -math.inf)),
    ("M_ME_NC_1", {"ioa": 1, "value": 3}, o.ShortFloat(1, 3.0)),
    ("M_ME_NA_1", {"ioa": 1, "value": 0.5}, o.NormalizedValue(1, 0.5)),
    ("M_ME_NA_1", {"ioa": 1, "value": 1}, o.NormalizedValue(1, 1.0)),
    ("M_ME_NA_1", {"ioa": 1, "raw": -32768}, o.NormalizedValue(1, -1.0)),
    ("M_BO_NA_1", {"ioa": 1, "value": 1}, o.Bitstring32(1, 1)),
    ("M_BO_NA_1", {"ioa": 1, "octets": "01000080"}, o.Bitstring32(1, 0x80000001)),
    ("C_SC_NA_1", {"ioa": 1, "value": False}, o.SingleCommand(1, False)),
    ("C_TS_NA_1", {"ioa": 0}, o.PatternTest(0)),
    ("M_SP_TB_1", {"ioa": 1, "value": True, "time": TIME56},
     o.SinglePoint(1, True, time=Cp56Time2a.of(**TIME56))),
    ("M_SP_TA_1", {"ioa": 1, "value": True, "time": {"ms": 1, "minute": 2}},
     o.SinglePoint(1, True, time=Cp24Time2a.of(ms=1, minute=2))),
]  # fmt: skip


@pytest.mark.parametrize(("mnemonic", "given_object", "expected"), LEFT_OUT)
def test_one_form_of_a_value_is_enough(mnemonic, given_object, expected):
    read = from_json(frame(mnemonic, given_object))
    assert read.asdu.objects == (expected,)


def test_both_forms_of_a_value_may_be_given_if_they_agree():
    both = {"ioa": 1, "value": "NaN", "bits": "ffc00001"}
    (obj,) = from_json(frame("M_ME_NC_1", both)).asdu.objects
    assert obj.bits == 0xFFC00001


def test_an_unknown_type_is_given_as_octets():
    unit = decode_asdu(bytes.fromhex("c8 03 03 00 01 00 aa bb"))
    shown = asdu_to_json(unit)
    assert (shown["mnemonic"], shown["objects"], shown["octets"]) == (None, [], "aabb")
    assert (shown["type_id"], shown["count"]) == (200, 3)
    assert asdu_from_json(shown) == unit
    assert unit.opaque == Opaque(3, b"\xaa\xbb")


def test_an_unknown_type_without_octets_has_none():
    assert asdu_to_json(DataUnit(200, 3, 1))["objects"] == []


def test_numbers_become_plain_ones():
    assert json.dumps(to_json(SFrame(nr=7))) == '{"format": "S", "nr": 7}'
    assert type(asdu_to_json(decode_asdu(bytes.fromhex("01 00 03 00 01 00")))["type_id"]) is int


POINT = {"ioa": 1, "value": True}
REFUSED = [
    ("text", "the frame 'text' is not an object with named fields"),
    ({}, "format is missing"),
    ({"format": "X"}, "format 'X' is not one of U, S, I"),
    ({"format": []}, "format [] is not one of U, S, I"),
    ({"format": "U"}, "function is missing"),
    ({"format": "U", "function": "START"}, "function 'START' is not one of STARTDT_ACT, STARTDT_C"),
    ({"format": "S"}, "nr is missing"),
    ({"format": "S", "nr": 32768}, "nr 32768 is not a number 0..32767"),
    ({"format": "S", "nr": True}, "nr True is not a number 0..32767"),
    ({"format": "S", "nr": 1, "ns": 1}, "ns is not known here; known are format, nr"),
    (frame(None), "type_id is missing"),
    (frame("M_XX"), "mnemonic 'M_XX' is not the name of a known type, such as M_SP_NA_1"),
    (frame([]), "mnemonic [] is not the name of a known type"),
    (frame("M_SP_NA_1", type_id=3), "type_id 3 is not that of M_SP_NA_1, 1"),
    (frame(None, type_id=200), "type_id 200 is not known: give its objects as hex in octets"),
    (frame(None, POINT, type_id=200, octets=""), "octets stands for objects that are not known"),
    (frame(None, type_id=200, octets="00"), "count is missing"),
    (frame(None, type_id=200, octets="0", count=1), "octets '0' is not octets in hex"),
    (frame(None, type_id=200, octets=1, count=1), "octets 1 is not octets in hex"),
    (frame("M_SP_NA_1", objects={}), "objects {} is not a list"),
    (frame("M_SP_NA_1", POINT, count=2), "count 2 is not the number of objects, 1"),
    (frame("M_SP_NA_1", cot=64), "cot 64 is not a number 0..63"),
    (frame("M_SP_NA_1", ca="1"), "ca '1' is not a number 0..65535"),
    (frame("M_SP_NA_1", oa=256), "oa 256 is not a number 0..255"),
    (frame("M_SP_NA_1", sq=1), "sq 1 is not true or false"),
    (frame("M_SP_NA_1", hello=1), "hello is not known here; known are ca, cot, count, format,"),
    (frame("M_SP_NA_1", 5), "objects[0] 5 is not an object with named fields"),
    (frame("M_SP_NA_1", POINT, {"ioa": 1}), "objects[1].value is missing"),
    (frame("M_SP_NA_1", {"value": True}), "objects[0].ioa is missing"),
    (frame("M_SP_NA_1", POINT | {"value": 1}), "objects[0].value 1 is not true or false"),
    (frame("M_SP_NA_1", POINT | {"overflow": True}), "objects[0].overflow is not known here;"),
    (frame("M_DP_NA_1", POINT | {"value": 4}), "objects[0].value 4 is not a number 0..3"),
    (frame("M_DP_NA_1", POINT | {"value": 1.0}), "objects[0].value 1.0 is not a number 0..3"),
    (frame("M_ME_NA_1", POINT | {"value": 2}), "objects[0].value 2 is not a number -1..1"),
    (frame("M_ME_NA_1", {"ioa": 1}), "objects[0].value is missing"),
    (
        frame("M_ME_NA_1", {"ioa": 1, "value": 0.5, "raw": 1}),
        "objects[0].value 0.5 does not agree with raw 1; give one",
    ),
    (frame("M_ME_NC_1", {"ioa": 1, "value": 1e39}), "is not a number within the range"),
    (frame("M_ME_NC_1", {"ioa": 1, "value": 10**400}), "within the range of a binary32, NaN, Inf"),
    (frame("M_ME_NC_1", {"ioa": 1, "value": "1"}), "objects[0].value '1' is not a number within"),
    (frame("M_ME_NC_1", {"ioa": 1, "bits": "00"}), "objects[0].bits '00' is not 4 octets in hex"),
    (
        frame("M_ME_NC_1", {"ioa": 1, "value": 1.5, "bits": "7fc00000"}),
        "objects[0].value 1.5 does not agree with bits '7fc00000'",
    ),
    (frame("M_BO_NA_1", {"ioa": 1, "value": 1, "octets": "00000001"}), "does not agree with"),
    (frame("M_SP_TB_1", POINT), "objects[0].time is missing"),
    (frame("M_SP_TB_1", POINT | {"time": "now"}), "objects[0].time 'now' is not an object with"),
    (
        frame("M_SP_TB_1", POINT | {"time": TIME56 | {"minute": 64}}),
        "objects[0].time.minute 64 is not a number 0..63",
    ),
    (
        frame("M_SP_TA_1", POINT | {"time": {"ms": 1, "minute": 1, "hour": 1}}),
        "objects[0].time.hour is not known here; known are invalid, minute, ms, substituted",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("value", "said"), REFUSED)
def test_what_is_wrong_is_named_with_what_is_accepted(value, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        from_json(value)


def test_an_asdu_alone_has_no_frame_around_it():
    with pytest.raises(ValueError, match="ns is not known here"):
        asdu_from_json({"mnemonic": "M_SP_NA_1", "cot": 3, "ca": 1, "ns": 0})
