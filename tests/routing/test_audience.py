"""The table "who receives what", read a second time, and the guard on sizes."""

import pytest

from core.protocol.asdu import Asdu
from core.protocol.codes import OBJECT_OCTETS
from core.routing.audience import (
    AUDIENCE,
    Audience,
    audience_of,
    exact_apdu_octets,
    object_addresses,
    surplus_octets,
)
from tests.support import vectors

from .asdus import ANSWERS, SIZES, asdu, obj, one_object

EVERY_TYPE = frozenset(range(256))
EVERY_CAUSE = frozenset(range(64))
PROCESS = frozenset(range(1, 41))
BY_AGREEMENT = frozenset(range(128, 256))

# The rows of the table; where two fit, the first one counts.
ROWS = [
    ({70}, EVERY_CAUSE, Audience.NOBODY),
    (EVERY_TYPE, set(ANSWERS), Audience.OWNER),
    (PROCESS, set(range(20, 37)) | set(range(37, 42)), Audience.INTERROGATED),
    ({110, 111, 112}, set(range(20, 37)), Audience.INTERROGATED),
    (PROCESS, {5}, Audience.READER),
    (PROCESS | {41, 42, 43, 44} | BY_AGREEMENT, EVERY_CAUSE, Audience.EVERYONE),
    ({103, 106}, {3}, Audience.EVERYONE),
    ({126}, {3}, Audience.EVERYONE),
    ({120, 121, 122, 123, 124, 125}, EVERY_CAUSE, Audience.FILE),
    ({126}, {5}, Audience.FILE),
    (EVERY_TYPE, EVERY_CAUSE, Audience.ORPHAN),
]
NOT_SAID = {(126, cause) for cause in EVERY_CAUSE - {3, 5} - set(ANSWERS)}
"""A directory with a cause no station gives it; see the test of its own."""


def by_the_rows(type_id, cause):
    return next(to for types, causes, to in ROWS if type_id in types and cause in causes)


@pytest.mark.parametrize("type_id", range(256))
def test_the_table_says_what_the_rows_say(type_id):
    said = {cause: AUDIENCE[type_id << 6 | cause] for cause in range(64)}
    expected = {cause: by_the_rows(type_id, cause) for cause in range(64)}
    for pair in NOT_SAID:
        if pair[0] == type_id:
            del said[pair[1]], expected[pair[1]]
    assert said == expected


def test_the_table_has_a_place_for_every_type_and_cause():
    assert len(AUDIENCE) == 256 * 64


def test_a_directory_of_any_other_cause_is_not_for_everyone():
    allowed = {Audience.FILE, Audience.ORPHAN}
    assert {AUDIENCE[type_id << 6 | cause] for type_id, cause in NOT_SAID} <= allowed


SAMPLES = [
    ("periodic value", 9, 1, Audience.EVERYONE),
    ("event", 30, 3, Audience.EVERYONE),
    ("interrogated", 1, 20, Audience.INTERROGATED),
    ("counter, group 4", 15, 41, Audience.INTERROGATED),
    ("value after the last counter group", 15, 42, Audience.EVERYONE),
    ("requested", 13, 5, Audience.READER),
    ("private, requested", 200, 5, Audience.EVERYONE),
    ("private, interrogated", 128, 20, Audience.EVERYONE),
    ("private answer", 255, 7, Audience.OWNER),
    ("integrated total with security statistics", 41, 37, Audience.EVERYONE),
    ("command confirmed", 45, 7, Audience.OWNER),
    ("command as an event", 45, 3, Audience.ORPHAN),
    ("clock of the RTU", 103, 3, Audience.EVERYONE),
    ("value with an error cause", 1, 47, Audience.OWNER),
    ("end of initialization as an answer", 70, 7, Audience.NOBODY),
    ("type 0", 0, 3, Audience.ORPHAN),
    ("secure authentication", 81, 14, Audience.ORPHAN),
    ("archive request from the RTU", 127, 13, Audience.ORPHAN),
    ("parameter in an interrogation", 112, 36, Audience.INTERROGATED),
    ("parameter activation in an interrogation", 113, 20, Audience.ORPHAN),
]


@pytest.mark.parametrize(("type_id", "cause", "audience"), [row[1:] for row in SAMPLES])
@pytest.mark.parametrize("bits", [0, 0x40, 0x80, 0xC0])
def test_test_and_negative_bits_do_not_change_the_audience(type_id, cause, audience, bits):
    octets = bytes([type_id, 1, cause | bits, 77, 1, 0]) + one_object(type_id)
    assert audience_of(Asdu(octets)) is audience


# The guard on sizes


def test_sizes_are_those_of_the_standard():
    assert dict(OBJECT_OCTETS) == SIZES


WELL_FORMED = [v for v in vectors.well_formed("I") if v["decoded"]["count"]]
EMPTY = [v for v in vectors.well_formed("I") if not v["decoded"]["count"]]


@pytest.mark.parametrize("vector", WELL_FORMED, ids=vectors.name)
def test_well_formed_vectors_have_no_octet_too_many(vector):
    view = Asdu(vectors.octets(vector)[6:])
    assert surplus_octets(view) == 0
    if vector["decoded"]["type_id"] <= 41:
        addresses = [o["ioa"] for o in vector["decoded"]["objects"]]
        assert list(object_addresses(view)) == addresses


@pytest.mark.parametrize("vector", EMPTY, ids=vectors.name)
def test_an_asdu_without_objects_counts_as_cut_short(vector):
    assert surplus_octets(Asdu(vectors.octets(vector)[6:])) < 0


MALFORMED = [v for v in vectors.malformed("asdu") if "ASDU shorter" not in v["error"]]
LEFT_OVER = ("trailing octet", "trailing octets")


@pytest.mark.parametrize("vector", MALFORMED, ids=vectors.name)
def test_malformed_vectors_are_cut_short_or_have_octets_left(vector):
    surplus = surplus_octets(Asdu(vectors.octets(vector)[6:]))
    if any(word in vector["error"] for word in LEFT_OVER):
        assert surplus > 0
    else:
        assert surplus < 0


@pytest.mark.parametrize("vector", vectors.malformed("asdu-unknown-type"), ids=vectors.name)
def test_types_of_unknown_size_are_not_counted(vector):
    assert surplus_octets(Asdu(vectors.octets(vector)[6:])) == 0


SURPLUS = [
    ("01 01 03 00 20 00 05 00 00 01", 0),
    ("01 01 03 00 20 00 05 00 00", -1),
    ("01 01 03 00 20 00", -4),
    ("01 01 03 00 20 00 05 00 00 01 00 00", 2),
    ("01 82 03 00 20 00 05 00 00 01 00", 0),
    ("01 02 03 00 20 00 05 00 00 01 00", -3),
    ("66 01 05 00 20 00 05 00 00", 0),
    ("66 01 05 00 20 00 05 00", -1),
    ("c8 01 03 00 20 00", -3),
    ("c8 01 03 00 20 00 05 00", -1),
    ("c8 01 03 00 20 00 05 00 00", 0),
    ("c8 7f 03 00 20 00 05 00 00", 0),
    ("c8 01 03 00 20 00 05 00 00 01 02 03", 0),
    ("7d 01 0d 00 20 00 09 00 00 01 00 01", -1),
    ("7d 01 0d 00 20 00 09 00 00 01 00 01 00", 0),
    ("7d 01 0d 00 20 00 09 00 00 01 00 01 02 aa bb", 0),
    ("7d 01 0d 00 20 00 09 00 00 01 00 01 02 aa", -1),
    ("7d 01 0d 00 20 00 09 00 00 01 00 01 02 aa bb cc", 1),
]


@pytest.mark.parametrize(("octets", "surplus"), SURPLUS)
def test_octets_beyond_type_and_count(octets, surplus):
    assert surplus_octets(Asdu(bytes.fromhex(octets))) == surplus


@pytest.mark.parametrize("type_id", sorted(SIZES))
@pytest.mark.parametrize("sq", [False, True])
def test_every_known_type_without_an_object_counts_as_cut_short(type_id, sq):
    assert surplus_octets(asdu(type_id, 3, obj(5), count=0, sq=sq)) < 0


# What the fast path may take for granted


@pytest.mark.parametrize("vector", vectors.well_formed("I"), ids=vectors.name)
def test_the_size_foreseen_from_the_header_is_the_size_of_the_frame(vector):
    apdu = vectors.octets(vector)
    decoded = vector["decoded"]
    type_id, cause = decoded["type_id"], decoded["cot"]
    for_all = by_the_rows(type_id, cause) in (Audience.EVERYONE, Audience.INTERROGATED)
    foreseen = for_all and decoded["count"] > 0 and type_id in SIZES
    assert exact_apdu_octets(apdu[6:12]) == (len(apdu) if foreseen else None)


FORESEEN = [
    ("event", "01 01 03 00 20 00", 16),
    ("event, T and P/N", "01 01 c3 09 20 00", 16),
    ("sequence of three", "01 83 14 00 20 00", 18),
    ("no object", "01 00 03 00 20 00", None),
    ("no object in a sequence", "01 80 03 00 20 00", None),
    ("requested", "01 01 05 00 20 00", None),
    ("answer", "01 01 2f 00 20 00", None),
    ("private", "c8 01 03 00 20 00", None),
    ("end of initialization", "46 01 04 00 20 00", None),
    ("segment of a file", "7d 01 0d 00 20 00", None),
]


@pytest.mark.parametrize(("header", "size"), [row[1:] for row in FORESEEN])
def test_only_ordinary_frames_for_everyone_are_foreseen(header, size):
    assert exact_apdu_octets(bytes.fromhex(header)) == size


# Object addresses


def test_addresses_follow_one_another_in_a_sequence():
    view = asdu(1, 5, obj(0xFFFE, 1, 0, 1), count=3, sq=True)
    assert list(object_addresses(view)) == [0xFFFE, 0xFFFF, 0x10000]


def test_each_object_has_its_own_address_without_a_sequence():
    view = asdu(9, 5, obj(7, 0, 0, 0) + obj(0x030201, 7, 0, 0) + obj(7, 1, 1, 1), count=3)
    assert list(object_addresses(view)) == [7, 0x030201, 7]


def test_objects_of_unknown_size_have_no_address_but_the_first():
    # Type 22 is reserved: what follows the first address is opaque, not the address of a second
    # object (here 7), so it must not answer another master's read.
    view = asdu(22, 5, obj(5) + bytes([7, 0, 0, 1]), count=2)
    assert list(object_addresses(view)) == [5]
