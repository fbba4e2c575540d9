"""Frames in words: one line, and a tree of fields with the octets they came from."""

import pytest

from core.protocol import objects as o
from core.protocol.codec import DataUnit, IFrame, UFrame, decode_apdu, encode_apdu
from core.protocol.codes import TypeId, UFunction
from core.protocol.describe import (
    Field,
    cause_text,
    describe,
    describe_asdu_octets,
    describe_frame,
    field_tree,
)
from core.protocol.elements import CounterQuality, Quality
from core.protocol.layouts import object_types
from core.protocol.times import Cp24Time2a, Cp56Time2a
from tests.support import vectors

T24 = Cp24Time2a.of(minute=10, ms=36895)
T56 = Cp56Time2a.of(year=26, month=12, day=11, hour=21, minute=10, ms=36895)
AT = "2026-12-11 21:10:36.895"
IV_BL = Quality.INVALID | Quality.BLOCKED

LINES = [
    (1, o.SinglePoint(100, True), "IOA 100 = on"),
    (1, o.SinglePoint(100, False, IV_BL), "IOA 100 = off (blocked, invalid)"),
    (2, o.SinglePoint(100, True, time=T24), "IOA 100 = on 10:36.895"),
    (3, o.DoublePoint(100, 0), "IOA 100 = intermediate"),
    (3, o.DoublePoint(100, 3), "IOA 100 = indeterminate"),
    (4, o.DoublePoint(100, 1, time=T24), "IOA 100 = off 10:36.895"),
    (5, o.StepPosition(100, -5, True, Quality.OVERFLOW), "IOA 100 = -5 (transient, overflow)"),
    (6, o.StepPosition(100, 5, time=T24), "IOA 100 = 5 10:36.895"),
    (7, o.Bitstring32(100, 0xDEADBEEF), "IOA 100 = deadbeef hex"),
    (8, o.Bitstring32(100, 1, time=T24), "IOA 100 = 00000001 hex 10:36.895"),
    (9, o.NormalizedValue(100, 0.5), "IOA 100 = 0.5"),
    (10, o.NormalizedValue(100, -1, time=T24), "IOA 100 = -1 10:36.895"),
    (11, o.ScaledValue(100, -1234), "IOA 100 = -1234"),
    (12, o.ScaledValue(100, 7, time=T24), "IOA 100 = 7 10:36.895"),
    (13, o.ShortFloat(100, 76.2), "IOA 100 = 76.2"),
    (13, o.ShortFloat(100, float("nan")), "IOA 100 = NaN (7fc00000)"),
    (14, o.ShortFloat(100, -0.0, time=T24), "IOA 100 = -0 10:36.895"),
    (15, o.IntegratedTotal(100, 1234, 3, CounterQuality.CARRY),
     "IOA 100 = 1234 sequence 3 (carry)"),
    (16, o.IntegratedTotal(100, -1, time=T24), "IOA 100 = -1 sequence 0 10:36.895"),
    (17, o.ProtectionEvent(100, 2, Quality(8), 250, T24),
     "IOA 100 = on elapsed 250 ms (elapsed time invalid) 10:36.895"),
    (18, o.ProtectionStart(100, True, True, False, False, True, False, Quality(0), 80, T24),
     "IOA 100 relay duration 80 ms general start, start L1, start earth 10:36.895"),
    (19, o.ProtectionOutput(100, True, False, True, False, Quality(0), 60000, T24),
     "IOA 100 relay operating 60000 ms (out of range) general command, command L2 10:36.895"),
    (20, o.PackedPoints(100, 0x8001, 0x0180), "IOA 100 = 8001 hex changed 0180 hex"),
    (21, o.NormalizedOnly(100, 0.25), "IOA 100 = 0.25"),
    (30, o.SinglePoint(100, True, time=T56), f"IOA 100 = on {AT}"),
    (31, o.DoublePoint(100, 2, time=T56), f"IOA 100 = on {AT}"),
    (32, o.StepPosition(100, 5, time=T56), f"IOA 100 = 5 {AT}"),
    (33, o.Bitstring32(100, 1, time=T56), f"IOA 100 = 00000001 hex {AT}"),
    (34, o.NormalizedValue(100, 0.5, time=T56), f"IOA 100 = 0.5 {AT}"),
    (35, o.ScaledValue(100, 5, time=T56), f"IOA 100 = 5 {AT}"),
    (36, o.ShortFloat(100, 1.5, time=T56), f"IOA 100 = 1.5 {AT}"),
    (37, o.IntegratedTotal(100, 5, 1, time=T56), f"IOA 100 = 5 sequence 1 {AT}"),
    (38, o.ProtectionEvent(100, 0, Quality(0), 1, T56),
     f"IOA 100 = indeterminate elapsed 1 ms {AT}"),
    (39, o.ProtectionStart(100, *[False] * 6, Quality(0), 0, T56),
     f"IOA 100 relay duration 0 ms {AT}"),
    (40, o.ProtectionOutput(100, *[False] * 4, Quality(0), 0, T56),
     f"IOA 100 relay operating 0 ms {AT}"),
    (41, o.SecurityStatistic(100, 7, 12, 3, CounterQuality(0), T56),
     f"IOA 100 association id 7 = 12 sequence 3 {AT}"),
    (45, o.SingleCommand(100, True, 1), "IOA 100 = on short pulse execute"),
    (45, o.SingleCommand(100, False, 9, True), "IOA 100 = off QU 9 select"),
    (46, o.DoubleCommand(100, 2), "IOA 100 = on execute"),
    (46, o.DoubleCommand(100, 3), "IOA 100 = 3 execute"),
    (47, o.StepCommand(100, 1, 3), "IOA 100 = lower persistent execute"),
    (48, o.NormalizedSetPoint(100, 0.5, 64, True), "IOA 100 = 0.5 QL 64 select"),
    (49, o.ScaledSetPoint(100, -1), "IOA 100 = -1 execute"),
    (50, o.FloatSetPoint(100, 1.5), "IOA 100 = 1.5 execute"),
    (51, o.BitstringCommand(100, 1), "IOA 100 = 00000001 hex"),
    (58, o.SingleCommand(100, True, time=T56), f"IOA 100 = on execute {AT}"),
    (59, o.DoubleCommand(100, 1, 2, time=T56), f"IOA 100 = off long pulse execute {AT}"),
    (60, o.StepCommand(100, 2, time=T56), f"IOA 100 = higher execute {AT}"),
    (61, o.NormalizedSetPoint(100, 0.5, time=T56), f"IOA 100 = 0.5 execute {AT}"),
    (62, o.ScaledSetPoint(100, 5, time=T56), f"IOA 100 = 5 execute {AT}"),
    (63, o.FloatSetPoint(100, 5, time=T56), f"IOA 100 = 5 execute {AT}"),
    (64, o.BitstringCommand(100, 1, T56), f"IOA 100 = 00000001 hex {AT}"),
    (70, o.Initialization(0, 2, True), "remote reset local parameters changed"),
    (100, o.Interrogation(0, 20), "station"),
    (100, o.Interrogation(0, 36), "group 16"),
    (100, o.Interrogation(7, 64), "IOA 7 QOI 64"),
    (101, o.CounterInterrogation(0, 5, 2), "all counters freeze and reset"),
    (101, o.CounterInterrogation(0, 6), "RQT 6 read"),
    (102, o.Read(100), "IOA 100"),
    (102, o.Read(0), "IOA 0"),
    (103, o.ClockSynchronization(0, T56), AT),
    (104, o.PatternTest(0), "pattern 55aa hex"),
    (105, o.ResetProcess(0, 1), "process"),
    (106, o.Delay(0, 500), "delay 500 ms"),
    (107, o.CountedTest(0, 9, T56), f"counter 9 {AT}"),
    (110, o.NormalizedParameter(100, 0.5, 1), "IOA 100 = 0.5 threshold"),
    (111, o.ScaledParameter(100, 5, 9, True, True),
     "IOA 100 = 5 KPA 9 local parameter change, not in operation"),
    (112, o.FloatParameter(100, 1.5, 4), "IOA 100 = 1.5 high limit"),
    (113, o.ParameterActivation(100, 3), "IOA 100 cyclic transmission"),
    (120, o.FileReady(9, 1, 1000, 0, True),
     "IOA 9 file name 1 length 1000 octets negative confirm"),
    (121, o.SectionReady(9, 1, 2, 5, 64),
     "IOA 9 file name 1 section name 2 length 5 octets SRQ 64"),
    (122, o.FileCall(9, 1, 0, 1, 4),
     "IOA 9 file name 1 section name 0 select file unexpected file name"),
    (123, o.LastSection(9, 1, 1, 3, 21),
     "IOA 9 file name 1 section name 1 section sent checksum 21"),
    (124, o.FileAcknowledgement(9, 1, 1, 4, 2),
     "IOA 9 file name 1 section name 1 section not received checksum failed"),
    (125, o.FileSegment(9, 1, 1, b"\x01\x02"),
     "IOA 9 file name 1 section name 1 2 octets: 01 02"),
    (125, o.FileSegment(9, 1, 1, b""), "IOA 9 file name 1 section name 1 0 octets"),
    (125, o.FileSegment(9, 1, 1, bytes(200)),
     "IOA 9 file name 1 section name 1 200 octets: " + "00 " * 16 + "..."),
    (126, o.DirectoryEntry(9, 1, 5, 3, True, False, True, T56),
     f"IOA 9 file name 1 length 5 octets status 3 last file, transfer active creation time {AT}"),
    (127, o.LogQuery(9, 1, T56, T56), f"IOA 9 file name 1 start time {AT} end time {AT}"),
]  # fmt: skip


@pytest.mark.parametrize(("type_id", "obj", "text"), LINES)
def test_an_object_in_words(type_id, obj, text):
    line = describe_frame(IFrame(929, 42, DataUnit(type_id, 3, 32, (obj,))))
    assert line == f"I 929/42 {TypeId(type_id).name} spontaneous CA 32 {text}"


def test_no_type_is_left_out():
    assert {type_id for type_id, _, _ in LINES} == {kind.type_id for kind in object_types()}


TIMES = [
    (Cp56Time2a.of(year=26, month=7, day=1, hour=2, minute=3, ms=4, summer_time=True),
     "2026-07-01 02:03:00.004 summer"),
    (Cp56Time2a.of(year=26, month=7, day=1, hour=2, minute=3, ms=4, invalid=True, substituted=True),
     "2026-07-01 02:03:00.004 (time invalid, time substituted)"),
    (Cp56Time2a.of(year=127, month=0, day=0, hour=31, minute=63, ms=65535),
     "2127-00-00 31:63:65.535 (no real time)"),
]  # fmt: skip


@pytest.mark.parametrize(("tag", "text"), TIMES)
def test_a_time_tag_in_words(tag, text):
    frame = IFrame(0, 0, DataUnit(30, 3, 1, (o.SinglePoint(1, True, time=tag),)))
    assert describe_frame(frame) == f"I 0/0 M_SP_TB_1 spontaneous CA 1 IOA 1 = on {text}"


def test_a_short_time_tag_that_is_none():
    tag = Cp24Time2a.of(minute=60, ms=0)
    frame = IFrame(0, 0, DataUnit(2, 3, 1, (o.SinglePoint(1, True, time=tag),)))
    assert describe_frame(frame).endswith("= on 60:00.000 (no real time)")


SEVEN = tuple(o.SinglePoint(100 + i, bool(i % 2)) for i in range(7))
HEADERS = [
    (DataUnit(1, 3, 1, SEVEN[:4]),
     "spontaneous CA 1 IOA 100 = off, IOA 101 = on, IOA 102 = off, IOA 103 = on"),
    (DataUnit(1, 20, 1, SEVEN, sq=True),
     "interrogated CA 1 IOA 100 = off, IOA 101 = on, IOA 102 = off and 4 more"),
    (DataUnit(1, 3, 1), "spontaneous CA 1 no objects"),
    (DataUnit(1, 7, 65535, SEVEN[:1], negative=True, test=True, oa=3),
     "activation con negative test OA 3 CA all IOA 100 = off"),
]  # fmt: skip


@pytest.mark.parametrize(("unit", "text"), HEADERS)
def test_headers_and_many_objects(unit, text):
    assert describe_frame(IFrame(1, 2, unit)) == f"I 1/2 M_SP_NA_1 {text}"


CAUSES = [
    (1, "periodic"), (2, "background"), (6, "activation"), (10, "activation term"),
    (11, "return remote"), (20, "interrogated"), (21, "interrogated group 1"),
    (36, "interrogated group 16"), (37, "counters"), (38, "counters group 1"),
    (41, "counters group 4"), (44, "unknown type"), (47, "unknown IOA"), (0, "cause 0"),
    (42, "cause 42"), (63, "cause 63"),
]  # fmt: skip


@pytest.mark.parametrize(("cause", "text"), CAUSES)
def test_a_cause_has_a_name(cause, text):
    assert cause_text(cause) == text


OCTETS = [
    ("68 04 07 00 00 00", "U STARTDT act"),
    ("68 04 83 00 00 00", "U TESTFR con"),
    ("68 04 01 00 54 00", "S 42"),
    ("68 04 43 01 00 00",
     "U TESTFR act [reserved bits set in the control field: 01 hex in control octet 2"
     " (at octet 3)]"),
    ("", "malformed: incomplete APDU: 0 octets of 6 (at octet 0)"),
    ("69 04", "malformed: bad start octet: 69 hex instead of 68 (at octet 0)"),
    ("68 0e 00 00 00 00 c8 01 03 00 01 00 64 00 00 01",
     "I 0/0 type 200 spontaneous CA 1 1 unknown: 64 00 00 01"
     " [unknown type identification: 200 (at octet 6)]"),
    ("68 0a 00 00 00 00 c8 01 03 00 01 00",
     "I 0/0 type 200 spontaneous CA 1 1 unknown: no octets"
     " [unknown type identification: 200 (at octet 6)]"),
    ("68 0d 02 00 04 00 01 01 47 05 01 00 64 00 00",
     "I 1/2 M_SP_NA_1 activation con negative OA 5 CA 1: malformed: too few octets for the"
     " objects: 1 of M_SP_NA_1 announced, there are octets for 0 (at octet 15)"),
]  # fmt: skip


@pytest.mark.parametrize(("octets", "text"), OCTETS)
def test_any_octets_in_words(octets, text):
    assert describe(bytes.fromhex(octets)) == text


def test_an_unknown_type_that_was_never_read_has_no_octets():
    line = describe_frame(IFrame(0, 0, DataUnit(200, 3, 1)))
    assert line == "I 0/0 type 200 spontaneous CA 1 0 unknown: no octets"


def test_a_frame_made_here_has_words_too():
    assert describe_frame(UFrame(UFunction.STOPDT_CON)) == "U STOPDT con"


# --- the tree -------------------------------------------------------------------------------------


def flat(field):
    return [field, *(below for child in field.children for below in flat(child))]


def named(field, name):
    (found,) = [f for f in flat(field) if f.name == name]
    return found


@pytest.mark.parametrize(
    "vector",
    [v for form in "ISU" for v in vectors.well_formed(form)] + list(vectors.load("malformed")),
    ids=vectors.name,
)
def test_the_leaves_cover_every_octet_and_lie_inside_their_parents(vector):
    octets = vectors.octets(vector)
    tree = field_tree(octets)
    assert tree.value_text == describe(octets)
    covered = set()
    for field in flat(tree):
        first, last = field.octet_range
        assert 0 <= first <= last <= len(octets)
        for child in field.children:
            assert first <= child.octet_range[0] <= child.octet_range[1] <= last
        if not field.children:
            covered |= set(range(first, last))
    assert covered == set(range(len(octets)))


def test_a_measured_value_field_by_field():
    octets = bytes.fromhex("681900000000240103000100640000 0000c03f 80 1f900a95ab0c1a")
    tree = field_tree(octets)
    assert [child.name for child in tree.children] == ["APCI", "ASDU"]
    assert named(tree, "N(S)") == Field("N(S)", "0", (2, 4))
    assert named(tree, "type identification") == Field(
        "type identification", "36 M_ME_TF_1", (6, 7)
    )
    assert named(tree, "common address") == Field("common address", "1", (10, 12))
    assert named(tree, "IOA") == Field("IOA", "100", (12, 15))
    assert named(tree, "R32") == Field("R32", "1.5", (15, 19), (Field("value", "1.5", (15, 19)),))
    quality = named(tree, "QDS")
    assert (quality.value_text, quality.octet_range) == ("invalid", (19, 20))
    assert [(f.name, f.value_text) for f in quality.children] == [
        ("overflow", "no"), ("blocked", "no"), ("substituted", "no"), ("not topical", "no"),
        ("invalid", "yes"),
    ]  # fmt: skip
    time = named(tree, "Cp56Time2a")
    assert (time.value_text, time.octet_range) == (f"{AT} summer", (20, 27))
    shown = {f.name: (f.value_text, f.octet_range) for f in time.children}
    assert shown["year"] == ("26", (26, 27))
    assert shown["summer time"] == ("yes", (23, 24))


def test_the_addresses_of_a_sequence_are_where_they_stand():
    tree = field_tree(bytes.fromhex("680f000000000182140001006400000100"))
    addresses = [(f.value_text, f.octet_range) for f in flat(tree) if f.name == "IOA"]
    assert addresses == [("100", (12, 15)), ("101", (16, 16))]
    assert named(tree, "SQ").value_text == "1 sequence"


def test_short_time_tags_have_three_octets():
    made = DataUnit(2, 3, 1, (o.SinglePoint(1, True, time=T24),), negative=True, test=True)
    tree = field_tree(encode_apdu(IFrame(0, 0, made)))
    time = named(tree, "Cp24Time2a")
    assert [f.name for f in time.children] == ["ms", "minute", "substituted", "invalid"]
    assert named(tree, "P/N").value_text == "1 negative"
    assert named(tree, "T").value_text == "1 test"


def test_segments_are_shown_with_their_octets():
    made = DataUnit(125, 13, 1, (o.FileSegment(9, 1, 1, b"\x01\x02"), o.FileSegment(9, 1, 1, b"")))
    tree = field_tree(encode_apdu(IFrame(0, 0, made)))
    assert [f.octet_range for f in flat(tree) if f.name == "LOS"] == [(18, 21), (27, 28)]


def test_what_is_left_over_and_what_is_not_known_are_shown_as_octets():
    tree = field_tree(bytes.fromhex("68 04 07 00 00 00 aa"))
    assert named(tree, "surplus") == Field("surplus", "aa", (6, 7))
    assert named(tree, "function") == Field("function", "STARTDT act", (2, 6))
    unknown = field_tree(bytes.fromhex("68 0e 00 00 00 00 c8 01 03 00 01 00 64 00 00 01"))
    assert named(unknown, "objects") == Field("objects", "64 00 00 01", (12, 16))
    assert named(unknown, "type identification").value_text == "200 unknown"


def test_frames_of_the_three_formats_are_told_apart():
    for octets, text in [("68 04 01 00 54 00", "S format"), ("68 04 43 00 00 00", "U format")]:
        assert named(field_tree(bytes.fromhex(octets)), "APCI").value_text == text
    assert decode_apdu(bytes.fromhex("68 04 01 00 54 00")).nr == 42


def test_an_asdu_alone_is_described_too():
    select = bytes.fromhex("2d 01 06 03 01 00 88 13 00 81")
    assert describe_asdu_octets(select) == "C_SC_NA_1 activation OA 3 CA 1 IOA 5000 = on select"
    cut = describe_asdu_octets(select[:-1])
    assert cut.startswith("C_SC_NA_1 activation OA 3 CA 1 malformed: too few octets")
