"""Information objects and elements: octets to values and back, both directions."""

import pytest

from core.protocol.codec import decode_apdu, encode_apdu, most_objects
from core.protocol.codes import TypeId
from core.protocol.jsonform import to_json
from core.protocol.times import Cp56Time2a
from tests.conformance.cases import LINK, case
from tests.support import vectors

MONITORED = [t for t in TypeId if t <= 40 or t == 70]
COMMANDED = [t for t in TypeId if 45 <= t <= 64 or 100 <= t <= 113]
VECTORS = {t: [v for v in vectors.well_formed("I") if v["decoded"]["type_id"] == t] for t in TypeId}
FEATURES = ("quality", "time", "values", "max_size")


def reads_back(vector):
    """The octets mean what the vector says, and the meaning gives the octets again."""
    frame = decode_apdu(vectors.octets(vector))
    assert to_json(frame) == vector["decoded"]
    if "reserved" not in vector["name"]:
        assert encode_apdu(frame) == vectors.octets(vector)


@case("IO-01", "both", LINK, "every type of the monitor direction is read and written to the octet")
@pytest.mark.parametrize("type_id", MONITORED, ids=lambda t: t.name)
def test_types_in_monitor_direction(type_id):
    assert VECTORS[type_id]
    for vector in VECTORS[type_id]:
        reads_back(vector)


@case("IO-02", "both", LINK, "every type of the control direction is read and written to the octet")
@pytest.mark.parametrize("type_id", COMMANDED, ids=lambda t: t.name)
def test_types_in_control_direction(type_id):
    assert VECTORS[type_id]
    for vector in VECTORS[type_id]:
        reads_back(vector)


@case("IO-03", "both", LINK, "quality bits, time tags, limits of values and full ASDUs")
@pytest.mark.parametrize("name", FEATURES)
def test_elements(name):
    for vector in vectors.load(name):
        reads_back(vector)


@case("IO-04", "both", LINK, "an ASDU holds as many objects as 249 octets or 127 allow")
@pytest.mark.parametrize(
    ("type_id", "single", "sequence"), [(1, 60, 127), (13, 30, 48), (30, 22, None), (36, 16, None)]
)
def test_the_most_objects_of_an_asdu(type_id, single, sequence):
    assert most_objects(type_id) == single
    if sequence is not None:
        assert most_objects(type_id, sq=True) == sequence


@case("IO-05", "both", LINK, "a time tag keeps all its fields, also one that names no instant")
@pytest.mark.parametrize("octets", ["1f900a15ab0c1a", "ffffff9fff0f7f", "00000000000000"])
def test_time_tags(octets):
    tag = Cp56Time2a.from_octets(bytes.fromhex(octets))
    assert tag.bits.to_bytes(7, "little").hex() == octets
    assert (tag.to_datetime() is not None) == (octets == "1f900a15ab0c1a")
