"""What a master may send, and how the rest is answered."""

import pytest

from core.routing.guard import REPLY, Fault, check, refusal_of

from .asdus import ANSWERS, SIZES, asdu, changed, obj, one_object

COMMANDS = {*range(45, 52), *range(58, 65)}
SINGLE = COMMANDS | set(range(100, 108)) | set(range(110, 114))
FILES = {120, 121, 122, 123, 124, 125, 127}

# 60870-5-101 table of causes per type, control direction.
CAUSES = {
    **{key: {6, 8} for key in COMMANDS},
    **{key: {6, 8} for key in (100, 101, 113)},
    **{key: {6} for key in (103, 104, 105, 107, 110, 111, 112)},
    102: {5},
    106: {6, 3},
    **{key: {13} for key in (120, 121, 123, 124, 125)},
    **{key: {5, 13} for key in (122, 127)},
}


def expected(type_id, cause):
    if cause in ANSWERS:
        return Fault.ANSWER
    if type_id >= 128:
        return None
    if type_id not in CAUSES:
        return Fault.UNKNOWN_TYPE
    return None if cause in CAUSES[type_id] else Fault.UNKNOWN_CAUSE


@pytest.mark.parametrize("type_id", range(256))
def test_types_and_causes_of_the_control_direction(type_id):
    found = {c: check(asdu(type_id, c, one_object(type_id)), True) for c in range(64)}
    assert found == {cause: expected(type_id, cause) for cause in range(64)}


def one(type_id, cause=6, **more):
    return asdu(type_id, cause, more.pop("objects", one_object(type_id)), **more)


ORDER = [
    ("an answer of an unknown type", one(81, 7), Fault.ANSWER),
    ("an answer of a monitor type without octets", one(1, 47, objects=b""), Fault.ANSWER),
    ("unknown type, cut short, unknown cause", one(44, 3, objects=b""), Fault.UNKNOWN_TYPE),
    ("monitor type", one(1, 6), Fault.UNKNOWN_TYPE),
    ("directory", one(126, 5), Fault.UNKNOWN_TYPE),
    ("secure authentication", one(81, 14), Fault.UNKNOWN_TYPE),
    ("cut short, unknown cause", one(45, 3, objects=obj(5)), Fault.CUT_SHORT),
    ("two announced, one there", one(45, 6, count=2), Fault.CUT_SHORT),
    ("a sequence of two, one there", one(45, 6, count=2, sq=True), Fault.CUT_SHORT),
    ("segment cut short", one(125, 13, objects=obj(9, 1, 0, 1, 2, 7)), Fault.CUT_SHORT),
    ("file type without object", one(120, 13, count=0), Fault.CUT_SHORT),
    ("private type without address", one(200, 6, objects=b"\5\0"), Fault.CUT_SHORT),
    ("unknown cause, unknown address", one(45, 3), Fault.UNKNOWN_CAUSE),
    ("unknown cause, two objects", one(46, 5, objects=2 * obj(5, 1), count=2), Fault.UNKNOWN_CAUSE),
    ("unknown address, two objects", one(45, objects=2 * obj(5, 1), count=2), Fault.UNKNOWN_CA),
    ("unknown address", one(45), Fault.UNKNOWN_CA),
    ("private type, unknown address", one(200), Fault.UNKNOWN_CA),
]


@pytest.mark.parametrize(("bad", "fault"), [r[1:] for r in ORDER], ids=[r[0] for r in ORDER])
def test_the_first_fault_counts(bad, fault):
    assert check(bad, False) is fault


@pytest.mark.parametrize("type_id", sorted(SINGLE))
def test_exactly_one_object_without_sequence(type_id):
    cause, size = min(CAUSES[type_id]), SIZES[type_id]
    two = 2 * one_object(type_id)
    assert check(asdu(type_id, cause, one_object(type_id)), True) is None
    for objects, count, sq in (
        (two, 2, False),
        (obj(5, *bytes(2 * size)), 2, True),
        (one_object(type_id), 1, True),
        (b"", 0, False),
        (one_object(type_id), 0, False),
        (b"", 0, True),
    ):
        assert check(asdu(type_id, cause, objects, count=count, sq=sq), True) is (
            Fault.SEVERAL_OBJECTS
        )
    assert check(asdu(type_id, cause, two[:-1], count=2), True) is Fault.CUT_SHORT
    assert check(asdu(type_id, cause, one_object(type_id)[:-1]), True) is Fault.CUT_SHORT


@pytest.mark.parametrize("type_id", sorted(FILES - {125}))
def test_file_types_may_carry_several_objects(type_id):
    assert check(asdu(type_id, 13, 2 * one_object(type_id), count=2), True) is None


def test_surplus_octets_of_a_master_are_not_a_fault():
    assert check(asdu(45, 6, obj(5, 1, 0)), True) is None


BROADCAST = {100, 101, 103, 105}


@pytest.mark.parametrize("type_id", sorted(CAUSES))
def test_all_stations_are_addressed_by_four_types_only(type_id):
    to_all = asdu(type_id, min(CAUSES[type_id]), one_object(type_id), ca=65535)
    assert check(to_all, False) is (None if type_id in BROADCAST else Fault.UNKNOWN_CA)
    assert check(to_all, True) is None


def test_a_broadcast_is_judged_like_any_other():
    assert check(asdu(100, 6, 2 * obj(0, 20), ca=65535, count=2), False) is Fault.SEVERAL_OBJECTS
    assert check(asdu(100, 5, obj(0, 20), ca=65535), False) is Fault.UNKNOWN_CAUSE
    assert check(asdu(200, 6, obj(0, 20), ca=65535), False) is Fault.UNKNOWN_CA


def test_stations_answer_by_44_45_or_46_and_refuse_the_rest():
    assert {fault: int(cause) for fault, cause in REPLY.items()} == {
        Fault.UNKNOWN_TYPE: 44,
        Fault.UNKNOWN_CAUSE: 45,
        Fault.UNKNOWN_CA: 46,
    }


@pytest.mark.parametrize("cause", range(64))
@pytest.mark.parametrize("test", [False, True])
@pytest.mark.parametrize("negative", [False, True])
def test_a_refusal_mirrors_all_but_cause_and_p_n(cause, test, negative):
    refused = asdu(63, cause, one_object(63), ca=0x1234, oa=99, test=test, negative=negative)
    reply = refusal_of(refused)
    assert reply == changed(refused, {6: 7, 8: 9}.get(cause, 45), negative=True)
    assert (reply.is_test, reply.oa, reply.ca) == (test, 99, 0x1234)
    assert reply.is_negative


def test_a_refusal_of_several_objects_keeps_them_all():
    refused = asdu(45, 6, obj(5, 1) + obj(6, 0), count=2, oa=3)
    assert refusal_of(refused).octets.hex(" ") == "2d 02 47 03 20 00 05 00 00 01 06 00 00 00"
