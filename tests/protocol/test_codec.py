"""Octets to objects and back: both manners of reading, properties, private types, errors."""

import math
import re
from dataclasses import FrozenInstanceError, dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.protocol import elements as e
from core.protocol import objects as o
from core.protocol.codec import (
    DataUnit,
    DecodeError,
    Fault,
    IFrame,
    Opaque,
    SFrame,
    UFrame,
    decode_apdu,
    decode_asdu,
    encode_apdu,
    encode_asdu,
    most_objects,
)
from core.protocol.codes import OBJECT_OCTETS, Cause, TypeId, UFunction
from core.protocol.describe import describe, field_tree
from core.protocol.elements import CounterQuality, Quality
from core.protocol.jsonform import from_json, to_json
from core.protocol.layouts import (
    Layout,
    ObjectType,
    object_type,
    object_types,
    register_type,
    unregister_type,
)
from core.protocol.times import Cp24Time2a, Cp56Time2a

from . import frames
from .object_strategies import units

STANDARD = [kind for kind in object_types() if kind.type_id < 128]
TAG = Cp56Time2a.of(year=26, month=12, day=11, hour=21, minute=10, ms=36895, weekday=5)
SHORT_TAG = Cp24Time2a.of(minute=10, ms=36895)


def asdu(text):
    return bytes.fromhex(text)


def unit(type_id, *objects, **header):
    return DataUnit(type_id, Cause.SPONTANEOUS, 1, objects, **header)


def by_name(kind):
    return kind.name


# --- the table ------------------------------------------------------------------------------------


def test_the_table_has_every_type_of_the_standard_under_its_name():
    assert {kind.type_id: kind.name for kind in STANDARD} == {t: t.name for t in TypeId}


@pytest.mark.parametrize("kind", STANDARD, ids=by_name)
def test_the_layouts_are_as_long_as_the_objects(kind):
    layout = kind.layout
    assert layout.element_octets == OBJECT_OCTETS[kind.type_id]
    assert layout.element_octets == sum(element.octets for element in layout.elements)


def test_sequences_are_permitted_where_the_standard_has_them():
    permitted = {kind.type_id for kind in STANDARD if kind.layout.is_sequence_permitted}
    assert permitted == {1, 3, 5, 7, 9, 11, 13, 15, 20, 21, 126}


@pytest.mark.parametrize(
    ("type_id", "single", "sequence"),
    [(1, 60, 127), (13, 30, 48), (36, 16, 20), (30, 22, 30), (37, 16, 20), (126, 15, 18)],
)
def test_the_most_objects_of_an_asdu(type_id, single, sequence):
    assert most_objects(type_id) == single
    assert most_objects(type_id, sq=True) == sequence


def test_the_most_objects_of_an_unknown_type_are_not_known():
    with pytest.raises(ValueError, match="type 200 is not known"):
        most_objects(200)


# --- round trips ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STANDARD, ids=by_name)
@settings(max_examples=25)
@given(st.data())
def test_encode_then_decode_is_identity(kind, data):
    made = data.draw(units(kind))
    octets = encode_asdu(made)
    read = decode_asdu(octets)
    assert read == made
    assert hash(read) == hash(made)
    assert encode_asdu(read) == octets


@given(units(), st.integers(0, 32767), st.integers(0, 32767))
def test_frames_keep_their_numbers_and_their_json_form(made, ns, nr):
    frame = IFrame(ns, nr, made)
    octets = encode_apdu(frame)
    assert decode_apdu(octets) == frame
    assert from_json(to_json(frame)) == frame
    assert octets == frames.i_frame(ns, nr, encode_asdu(made))


@given(units())
def test_what_strict_encoding_lets_out_strict_decoding_takes(made):
    try:
        octets = encode_asdu(made, strict=True)
    except ValueError as error:
        assert "must not send" in str(error)  # noqa: PT017 - most are fine
        with pytest.raises(DecodeError):
            decode_asdu(encode_asdu(made), strict=True)
    else:
        assert decode_asdu(octets, strict=True) == made


@given(units(), st.data())
def test_every_octet_is_needed(made, data):
    octets = encode_asdu(made)
    cut = octets[: data.draw(st.integers(0, len(octets) - 1))]
    with pytest.raises(DecodeError) as caught:
        decode_asdu(cut)
    assert caught.value.reason in (Fault.SHORT_ASDU, Fault.TOO_FEW_OCTETS)
    assert caught.value.offset == len(cut)


@given(units(), st.binary(min_size=1, max_size=4))
def test_surplus_octets_are_remarked_on(made, surplus):
    octets = encode_asdu(made)
    read = decode_asdu(octets + surplus)
    assert read == made
    found = [r for r in read.remarks if r.reason is Fault.SURPLUS_OCTETS]
    assert [remark.offset for remark in found] == [len(octets)]
    with pytest.raises(DecodeError):
        decode_asdu(octets + surplus, strict=True)


def is_complete(error, octets):
    one_line = f"{Fault(error.reason)}: {error.detail} (at octet {error.offset})"
    return 0 <= error.offset <= len(octets) and str(error) == one_line and "\n" not in one_line


def anything(octets):
    """Read octets in every way there is; a decoded frame is written again."""
    assert "\n" not in describe(octets)
    assert field_tree(octets).octet_range == (0, len(octets))
    for strict in (True, False):
        try:
            frame = decode_apdu(octets, strict=strict)
        except DecodeError as error:
            assert is_complete(error, octets)  # noqa: PT017 - either is right
        else:
            assert from_json(to_json(frame)) == frame
            if not any(remark.reason is Fault.NOT_PERMITTED for remark in frame.remarks):
                assert decode_apdu(encode_apdu(frame)) == frame


@given(st.binary(max_size=260))
def test_random_octets_raise_nothing_but_the_documented_error(octets):
    anything(octets)


@given(st.binary(max_size=249))
@settings(max_examples=300)
def test_random_asdus_in_a_good_frame_raise_nothing_else(octets):
    anything(bytes((0x68, len(octets) + 4, 0, 0, 0, 0)) + octets)


@given(st.sampled_from(STANDARD), st.integers(0, 255), st.binary(min_size=4, max_size=243))
@settings(max_examples=500)
def test_random_objects_of_every_type_raise_nothing_else(kind, vsq, octets):
    anything(frames.i_frame(1, 2, bytes((kind.type_id, vsq)) + octets))


@given(st.sampled_from(STANDARD), st.binary(min_size=23, max_size=23))
@settings(max_examples=300)
def test_every_value_of_every_element_can_be_read(kind, octets):
    """Reserved values never raise: whatever fills an object, it comes out."""
    if kind.layout.has_segment:
        octets = octets[:6] + b"\x05" + octets[7:]  # a length that an ASDU has room for
    read = decode_asdu(bytes((kind.type_id, 1, 3, 0, 1, 0)) + octets.ljust(243, b"\0"))
    assert len(read.objects) == 1
    assert decode_asdu(encode_asdu(read)) == read


# --- frames ---------------------------------------------------------------------------------------

FRAMES = [
    ("68 04 07 00 00 00", UFrame(UFunction.STARTDT_ACT)),
    ("68 04 83 00 00 00", UFrame(UFunction.TESTFR_CON)),
    ("68 04 01 00 0e 00", SFrame(7)),
    ("68 04 01 00 fe ff", SFrame(32767)),
    (
        "68 0e fe ff fe ff 01 01 ff ff ff ff ff ff ff f1",
        IFrame(
            32767, 32767,
            DataUnit(
                1, 63, 65535,
                (o.SinglePoint(0xFFFFFF, True, Quality(0xF0)),),
                negative=True, test=True, oa=255,
            ),
        ),
    ),
    (
        "68 0e 00 00 00 00 01 01 00 00 00 00 00 00 00 00",
        IFrame(0, 0, DataUnit(1, 0, 0, (o.SinglePoint(0, False),))),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("octets", "frame"), FRAMES)
def test_octets_and_meaning_agree(octets, frame):
    assert decode_apdu(asdu(octets)) == frame
    assert encode_apdu(frame) == asdu(octets)


def test_a_header_of_ones_announces_more_than_there_is():
    with pytest.raises(DecodeError, match="127 of M_SP_NA_1 announced, there are octets for 1"):
        decode_apdu(asdu("68 0e fe ff fe ff 01 7f ff ff ff ff ff ff ff ff"))


@pytest.mark.parametrize("make", [bytearray, memoryview])
def test_any_bytes_can_be_read(make):
    octets = asdu("68 0e 00 00 00 00 c8 01 03 00 01 00 64 00 00 01")
    frame = decode_apdu(make(octets))
    assert frame.asdu.opaque == Opaque(1, asdu("64 00 00 01"))
    assert decode_asdu(make(octets[6:])) == frame.asdu
    assert hash(frame) == hash(decode_apdu(octets))


def test_numbers_have_their_names_where_they_have_one():
    read = decode_asdu(asdu("01 01 03 00 01 00 64 00 00 01"))
    assert (read.type_id, read.cause, read.name) == (1, 3, "M_SP_NA_1")
    assert isinstance(read.type_id, TypeId)
    assert isinstance(read.cause, Cause)
    private = decode_asdu(asdu("c8 01 3f 00 01 00"))
    assert (private.type_id, private.cause, private.name) == (200, 63, None)


def test_the_odd_bit_of_the_receive_number_is_remarked_on():
    octets = asdu("68 0e 00 00 03 00 01 01 03 00 01 00 64 00 00 01")
    frame = decode_apdu(octets)
    assert frame.nr == 1
    assert [(r.reason, r.offset) for r in frame.remarks] == [(Fault.RESERVED_BITS, 4)]


def test_octets_behind_a_frame_are_remarked_on():
    frame = decode_apdu(asdu("68 04 07 00 00 00 68"))
    assert [(r.reason, r.offset) for r in frame.remarks] == [(Fault.SURPLUS_OCTETS, 6)]


def test_octets_behind_a_frame_belong_to_no_object():
    with pytest.raises(DecodeError) as caught:
        decode_apdu(asdu("68 0d 00 00 00 00 01 01 03 00 01 00 64 00 00 01"))
    assert (caught.value.reason, caught.value.offset) == (Fault.TOO_FEW_OCTETS, 15)


def test_an_asdu_may_be_too_long_for_a_frame():
    octets = asdu("01 3d 03 00 01 00") + bytes(61 * 4)
    assert [r.reason for r in decode_asdu(octets).remarks] == [Fault.TOO_LONG]
    with pytest.raises(DecodeError, match="more than 249 octets: 250 octets"):
        decode_asdu(octets, strict=True)


def test_addresses_past_the_last_are_remarked_on():
    read = decode_asdu(asdu("01 82 03 00 01 00 ff ff ff 01 00"))
    assert [obj.ioa for obj in read.objects] == [0xFFFFFF, 0x1000000]
    assert [r.detail for r in read.remarks] == ["the addresses run to 16777216, past 16777215"]


def test_a_sequence_of_none_is_an_address():
    read = decode_asdu(asdu("01 80 03 00 01 00 64 00 00"))
    assert read.objects == ()
    assert read.sq
    with pytest.raises(DecodeError, match="0 of M_SP_NA_1 announced"):
        decode_asdu(asdu("01 80 03 00 01 00"))
    with pytest.raises(DecodeError, match="0 of F_SG_NA_1 announced"):
        decode_asdu(asdu("7d 80 0d 00 01 00"))


def test_a_sequence_of_reads_has_addresses_only():
    read = decode_asdu(asdu("66 82 05 00 01 00 64 00 00"))
    assert read.objects == (o.Read(100), o.Read(101))
    assert encode_asdu(read) == asdu("66 82 05 00 01 00 64 00 00")
    with pytest.raises(DecodeError, match="2 of C_RD_NA_1 announced, there are octets for 0"):
        decode_asdu(asdu("66 82 05 00 01 00 64 00"))


def test_segments_in_a_sequence_are_read_one_behind_the_other():
    octets = asdu("7d 82 0d 00 01 00 64 00 00 01 00 02 01 aa 01 00 03 00")
    read = decode_asdu(octets)
    assert read.objects == (
        o.FileSegment(100, 1, 2, b"\xaa"), o.FileSegment(101, 1, 3, b"")
    )  # fmt: skip
    assert encode_asdu(read) == octets


# --- values ---------------------------------------------------------------------------------------

BITS = [
    0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007FFFFF, 0x00800000, 0x7F7FFFFF, 0x7F800000,
    0xFF800000, 0x7FC00000, 0xFFC00000, 0x7F800001, 0xFF800001, 0x7FBFFFFF, 0x7FFFFFFF, 0x3DCCCCCD,
]  # fmt: skip


@pytest.mark.parametrize("bits", BITS, ids="{:08x}".format)
def test_floats_keep_their_32_bits(bits):
    octets = asdu("0d 01 03 00 01 00 64 00 00") + bits.to_bytes(4, "little") + b"\0"
    read = decode_asdu(octets)
    assert read.objects[0].bits == bits
    assert encode_asdu(read) == octets
    assert read == decode_asdu(octets)


def test_a_nan_of_ones_own_is_a_quiet_one():
    assert o.ShortFloat(1, math.nan).bits == 0x7FC00000
    tiny = e.float_from_bits(0x7F800001) * 1.0  # arithmetic makes it quiet
    assert math.isnan(tiny)
    low_payload = e._DOUBLE.unpack(e._BINARY64.pack(0x7FF0000000000001))[0]
    assert o.ShortFloat(1, low_payload).bits == 0x7FC00000


def test_floats_compare_by_what_is_sent():
    assert o.ShortFloat(1, 76.2) == o.ShortFloat(1, e.float_from_bits(e.float_bits(76.2)))
    assert o.ShortFloat(1, math.nan) == o.ShortFloat(1, math.nan)
    assert o.ShortFloat(1, 0.0) != o.ShortFloat(1, -0.0)
    assert o.ShortFloat(1, 1.0) != o.ShortFloat(2, 1.0)
    assert o.ShortFloat(1, 1.0) != o.ShortFloat(1, 1.0, Quality.INVALID)
    assert o.ShortFloat(1, 1.0) != o.NormalizedValue(1, 1.0)
    assert o.ShortFloat(1, 1e300) == o.ShortFloat(1, 1e300)
    assert len({o.ShortFloat(1, 76.2), o.ShortFloat(1, e.float_from_bits(0x42986666))}) == 1


@pytest.mark.parametrize(
    ("value", "raw"),
    [(-1, -32768), (1, 32767), (32767 / 32768, 32767), (0.5, 16384), (-0.0, 0), (0.1, 3277)],
)
def test_fractions_are_sent_as_the_nearest(value, raw):
    obj = o.NormalizedValue(1, value)
    assert obj.raw == raw
    octets = encode_asdu(unit(TypeId.M_ME_NA_1, obj))
    assert octets[9:11] == raw.to_bytes(2, "little", signed=True)
    assert decode_asdu(octets).objects[0] == obj
    assert decode_asdu(octets).objects[0].value == raw / 32768


def test_a_fraction_outside_its_range_has_no_sixteen_bits():
    with pytest.raises(ValueError, match=r"1\.5 is not a number -1\.\.1"):
        _ = o.NormalizedValue(1, 1.5).raw


def test_a_bitstring_shows_its_octets():
    (obj,) = decode_asdu(asdu("07 01 03 00 01 00 64 00 00 04 03 02 01 00")).objects
    assert (obj.value, obj.octets) == (0x01020304, bytes((4, 3, 2, 1)))


@pytest.mark.parametrize("flag", list(Quality))
def test_a_quality_says_what_is_set(flag):
    names = ("overflow", "elapsed_time_invalid", "blocked", "substituted", "not_topical", "invalid")
    assert {name for name in names if getattr(flag, name)} == {flag.name.lower()}
    assert bool(flag)
    assert repr(flag) == f"Quality({flag.name})"


@pytest.mark.parametrize("flag", list(CounterQuality))
def test_the_quality_of_a_counter_says_what_is_set(flag):
    names = ("carry", "adjusted", "invalid")
    assert {name for name in names if getattr(flag, name)} == {flag.name.lower()}
    assert repr(flag) == f"CounterQuality({flag.name})"


def test_good_quality_is_false_and_equal_to_nothing_set():
    assert not e.GOOD
    assert repr(Quality.INVALID | Quality.BLOCKED) == "Quality(BLOCKED|INVALID)"
    assert repr(e.GOOD) == "Quality(0)"
    assert hash(e.GOOD) == hash(0)


def test_values_are_frozen():
    point = o.SinglePoint(1, True)
    with pytest.raises(FrozenInstanceError):
        point.value = False
    assert replace(point, value=False) == o.SinglePoint(1, False)


PRINTED = [
    (o.SinglePoint(100, True), "SinglePoint(ioa=100, value=True)"),
    (
        o.DoublePoint(1, 2, Quality.INVALID, TAG),
        f"DoublePoint(ioa=1, value=2, quality=Quality(INVALID), time={TAG!r})",
    ),
    (o.ShortFloat(1, e.float_from_bits(0x42986666)), "ShortFloat(ioa=1, value=76.2)"),
    (
        o.ShortFloat(1, e.float_from_bits(0x7F800001), Quality(1)),
        "ShortFloat(ioa=1, value=NaN (7f800001), quality=Quality(OVERFLOW))",
    ),
    (o.ShortFloat(1, -math.inf), "ShortFloat(ioa=1, value=-inf)"),
    (o.ShortFloat(1, 1e300), "ShortFloat(ioa=1, value=1e+300)"),
    (o.FloatParameter(1, 0.1, 2), "FloatParameter(ioa=1, value=0.1, kind=2)"),
    (o.Read(7), "Read(ioa=7)"),
    (Opaque(2, b"\x01\xff"), "Opaque(count=2, octets=bytes.fromhex('01 ff'))"),
]


@pytest.mark.parametrize(("value", "text"), PRINTED)
def test_values_print_what_they_are(value, text):
    assert repr(value) == text


# --- what cannot be written -----------------------------------------------------------------------

MISFITS = [
    (TypeId.M_SP_NA_1, o.SinglePoint(-1, True), "object 1: ioa -1 is not a number 0..16777215"),
    (TypeId.M_SP_NA_1, o.SinglePoint(1 << 24, True), "ioa 16777216 is not a number"),
    (TypeId.M_SP_NA_1, o.SinglePoint("1", True), "ioa '1' is not a number"),
    (TypeId.M_SP_NA_1, o.SinglePoint(1, 2), "value 2 is not true or false"),
    (TypeId.M_SP_NA_1, o.SinglePoint(1, [2]), "value [2] is not true or false"),
    (
        TypeId.M_SP_NA_1,
        o.SinglePoint(1, True, Quality.OVERFLOW),
        "quality Quality(OVERFLOW) is not made of blocked, substituted, not_topical, invalid",
    ),
    (TypeId.M_SP_NA_1, o.SinglePoint(1, True, "good"), "quality 'good' is not made of blocked"),
    (
        TypeId.M_SP_NA_1,
        o.SinglePoint(1, True, time=TAG),
        f"time {TAG!r} is given, but this type carries none",
    ),
    (TypeId.M_SP_NA_1, o.DoublePoint(1, 1), "a SinglePoint is needed, not DoublePoint(ioa=1"),
    (TypeId.M_SP_TA_1, o.SinglePoint(1, True, time=TAG), "is not a Cp24Time2a"),
    (TypeId.M_SP_TB_1, o.SinglePoint(1, True, time=SHORT_TAG), "is not a Cp56Time2a"),
    (TypeId.M_SP_TB_1, o.SinglePoint(1, True), "time None is not a Cp56Time2a"),
    (TypeId.M_DP_NA_1, o.DoublePoint(1, 4), "value 4 is not a number 0..3"),
    (TypeId.M_ST_NA_1, o.StepPosition(1, 64), "value 64 is not a number -64..63"),
    (TypeId.M_ST_NA_1, o.StepPosition(1, -65), "value -65 is not a number -64..63"),
    (TypeId.M_BO_NA_1, o.Bitstring32(1, 1 << 32), "is not a number 0..4294967295"),
    (TypeId.M_ME_NA_1, o.NormalizedValue(1, 1.5), "value 1.5 is not a number -1..1"),
    (TypeId.M_ME_NA_1, o.NormalizedValue(1, math.nan), "value nan is not a number -1..1"),
    (TypeId.M_ME_NB_1, o.ScaledValue(1, 32768), "value 32768 is not a number -32768..32767"),
    (TypeId.M_ME_NB_1, o.ScaledValue(1, 1.5), "value 1.5 is not a number -32768..32767"),
    (TypeId.M_ME_NC_1, o.ShortFloat(1, 1e39), "value 1e+39 is not a number within the range"),
    (TypeId.M_ME_NC_1, o.ShortFloat(1, "1"), "value '1' is not a number within the range"),
    (
        TypeId.M_ME_NC_1,
        o.ShortFloat(1, 1.5, Quality.ELAPSED_TIME_INVALID),
        "is not made of overflow, blocked, substituted, not_topical, invalid (Quality)",
    ),
    (TypeId.M_IT_NA_1, o.IntegratedTotal(1, 1, 32), "sequence 32 is not a number 0..31"),
    (TypeId.C_SC_NA_1, o.SingleCommand(1, True, 32), "qualifier 32 is not a number 0..31"),
    (TypeId.F_FR_NA_1, o.FileReady(1, 1, 1 << 24), "length 16777216 is not a number 0..16777215"),
    (TypeId.F_FR_NA_1, o.FileReady(1, 1, "x"), "length 'x' is not a number 0..16777215"),
    (TypeId.F_SG_NA_1, o.FileSegment(1, 1, 1, "x"), "segment 'x' is not bytes, at most 255"),
    (TypeId.F_SG_NA_1, o.FileSegment(1, 1, 1, bytes(256)), "is not bytes, at most 255"),
]


@pytest.mark.parametrize(("type_id", "obj", "said"), MISFITS)
def test_a_value_that_does_not_fit_is_named(type_id, obj, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        encode_asdu(unit(type_id, obj))


def test_the_object_that_does_not_fit_is_counted():
    with pytest.raises(ValueError, match="object 2: value 4"):
        encode_asdu(unit(TypeId.M_DP_NA_1, o.DoublePoint(1, 1), o.DoublePoint(2, 4)))


POINT = o.SinglePoint(1, True)
NOT_WRITTEN = [
    (unit(200, POINT), "type 200 is not known: register it or give opaque octets"),
    (unit(1, POINT, opaque=Opaque(1, b"")), "objects or opaque octets, not both"),
    (unit(1, *[POINT] * 61), "has 243 octets for objects; 61 objects need 244"),
    (unit(1, sq=True), "SQ = 1 there is at least one object"),
    (unit(1, POINT, POINT, sq=True), "SQ = 1 the addresses must follow each other"),
    (unit(102, *map(o.Read, range(128)), sq=True), "count 128 is not a number 0..127"),
    (unit(256, opaque=Opaque(1, b"")), "type_id 256 is not a number 0..255"),
    (unit(200, opaque=Opaque(128, b"")), "count 128 is not a number 0..127"),
    (DataUnit(1, 64, 1, (POINT,)), "cause 64 is not a number 0..63"),
    (DataUnit(1, 3, 65536, (POINT,)), "ca 65536 is not a number 0..65535"),
    (DataUnit(1, 3, "1", (POINT,)), "ca '1' is not a number 0..65535"),
    (DataUnit(1, 3, 1, (POINT,), oa=256), "oa 256 is not a number 0..255"),
]


@pytest.mark.parametrize(("made", "said"), NOT_WRITTEN)
def test_an_asdu_that_cannot_be_written_is_refused(made, said):
    with pytest.raises(ValueError, match=said):
        encode_asdu(made)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (SFrame(32768), "nr 32768 is not a number 0..32767"),
        (IFrame(-1, 0, unit(1, POINT)), "ns -1 is not"),
        (IFrame(0, 32768, unit(1, POINT)), "nr 32768 is not"),
    ],
)
def test_a_frame_that_cannot_be_written_is_refused(frame, said):
    with pytest.raises(ValueError, match=said):
        encode_apdu(frame)


# --- private types --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class Wind(o.InformationObject):
    speed: int
    gusts: bool
    quality: Quality
    time: Cp56Time2a
    note: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Even(o.InformationObject):
    value: int


GUSTS = e.octet("GUSTS", e.Number("speed", 1, 7), e.Flag("gusts", 8))


@pytest.fixture
def wind():
    yield register_type(200, "X_WD_TB_1", Wind, GUSTS, e.QDS, e.CP56)
    unregister_type(200)


def test_a_private_type_is_decoded_encoded_described_and_printed(wind):
    assert object_type(200) is wind
    made = unit(200, Wind(7, 33, True, Quality.INVALID, TAG))
    octets = encode_asdu(made)
    assert octets == asdu("c8 01 03 00 01 00 07 00 00 a1 80 1f 90 0a 15 ab 0c 1a")
    assert decode_asdu(octets, strict=True) == made
    frame = IFrame(0, 0, made)
    assert from_json(to_json(frame)) == frame
    assert to_json(frame)["mnemonic"] == "X_WD_TB_1"
    assert describe(encode_apdu(frame)) == (
        "I 0/0 X_WD_TB_1 spontaneous CA 1 IOA 7 speed 33 gusts (invalid) 2026-12-11 21:10:36.895"
    )


def test_a_private_type_is_opaque_again_when_it_is_forgotten():
    register_type(255, "X_SP_NA_1", o.SinglePoint, e.SIQ, is_sequence_permitted=True)
    octets = asdu("ff 81 03 00 01 00 64 00 00 01")
    assert decode_asdu(octets, strict=True).objects == (o.SinglePoint(100, True),)
    unregister_type(255)
    assert decode_asdu(octets).opaque == Opaque(1, asdu("64 00 00 01"))


def test_an_element_of_ones_own_may_refuse_values_in_its_own_words(request):
    def even(value):
        if value % 2:
            raise ValueError("only even numbers here")
        return value // 2

    half = e.Element("HALF", "B", (e.Number("value"),), (lambda item: item * 2,), even)
    register_type(201, "X_HF_NA_1", Even, half)
    request.addfinalizer(lambda: unregister_type(201))
    octets = encode_asdu(DataUnit(201, 3, 1, (Even(1, 8),)))
    assert octets[-1] == 4
    assert decode_asdu(octets).objects[0].value == 8
    with pytest.raises(ValueError, match="only even numbers here"):
        encode_asdu(DataUnit(201, 3, 1, (Even(1, 7),)))


@dataclass(frozen=True)
class Stranger:
    ioa: int
    value: bool


REFUSED = [
    (lambda: register_type(1, "MINE", o.SinglePoint, e.SIQ), "private types are 128..255; 1 is"),
    (lambda: register_type(127, "MINE", o.SinglePoint, e.SIQ), "127 is not one"),
    (lambda: register_type(256, "MINE", o.SinglePoint, e.SIQ), "256 is not one"),
    (lambda: register_type(201, "M_SP_NA_1", o.SinglePoint, e.SIQ), "name M_SP_NA_1 is taken"),
    (lambda: register_type(200, "OTHER", o.SinglePoint, e.SIQ), "type 200 is taken by X_WD_TB_1"),
    (
        lambda: register_type(201, "MINE", o.SinglePoint, e.DIQ, e.QDS),
        "fields after ioa are value, quality, quality; it has value, quality, time",
    ),
    (lambda: register_type(201, "MINE", o.Read, e.QOI), "after ioa are qoi; it has none"),
    (lambda: register_type(201, "MINE", o.Interrogation), "no element carries qoi, so None"),
    (lambda: register_type(201, "MINE", Stranger, e.SIQ), "Stranger must be an InformationObject"),
    (
        lambda: Layout(
            dataclass(frozen=True)(
                type(
                    "Odd",
                    (o.InformationObject,),
                    {"__annotations__": {"segment": bytes, "qoi": int}},
                )
            ),
            e.LOS,
            e.QOI,
        ),
        "a segment must be the last element",
    ),
    (lambda: unregister_type(1), "type 1 is not a registered private type"),
    (lambda: unregister_type(201), "type 201 is not a registered private type"),
]


@pytest.mark.parametrize(("act", "said"), REFUSED)
@pytest.mark.usefixtures("wind")
def test_the_table_is_guarded(act, said):
    with pytest.raises(ValueError, match=said):
        act()


def test_a_known_type_can_still_be_sent_as_octets():
    made = unit(TypeId.M_SP_NA_1, opaque=Opaque(1, asdu("64 00 00 8f")))
    assert encode_asdu(made) == asdu("01 01 03 00 01 00 64 00 00 8f")


def test_types_compare_by_value():
    kind = object_type(1)
    assert ObjectType(kind.type_id, kind.name, kind.layout) == kind


# --- the error ------------------------------------------------------------------------------------


def test_every_fault_is_met_somewhere():
    met = set()
    for text in (
        "", "69", "68 03", "68 04 03 00 00 00", "68 04 01 01 00 00", "68 05 00 00 00 00 01",
        "68 0a 00 00 00 00 01 01 03 00 01 00", "68 0a 00 00 00 00 c8 01 03 00 01 00",
        "68 04 07 00 00 00 00", "68 0a 00 00 00 00 01 00 03 00 01 00",
    ):  # fmt: skip
        with pytest.raises(DecodeError) as caught:
            decode_apdu(asdu(text), strict=True)
        met.add(caught.value.reason)
    assert met == set(Fault) - {Fault.TOO_LONG}
