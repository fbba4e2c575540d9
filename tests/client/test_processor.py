"""Frames as dicts: the golden vectors, the classic names, and octets of any kind."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.client import FrameError, IEC104DataProcessor
from core.protocol.codec import DataUnit, IFrame, encode_apdu
from core.protocol.codes import OBJECT_OCTETS, TypeId
from core.protocol.layouts import object_types
from core.protocol.objects import ScaledValue, ShortFloat, SinglePoint
from core.protocol.times import Cp24Time2a, Cp56Time2a
from tests.support import vectors

decode = IEC104DataProcessor.decode_apdu
I_VECTORS = vectors.well_formed("I")
NOT_I = [*vectors.well_formed("S"), *vectors.well_formed("U")]

HEADER = {
    "type_id": "type_id", "sq": "sq", "num_objects": "count", "t": "test", "pn": "negative",
    "cot": "cot", "originator_address": "oa", "asdu_address": "ca", "ns": "ns", "nr": "nr",
    "type_name": "mnemonic",
}  # fmt: skip


def as_in_vector(name, value):
    """A value of the dict as the vector's JSON has it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


@pytest.mark.parametrize("vector", I_VECTORS, ids=vectors.name)
def test_every_vector_has_its_header_and_its_named_values(vector):
    got, wanted = decode(vectors.octets(vector)), vector["decoded"]
    assert {name: got[name] for name in HEADER} == {
        name: wanted[field] for name, field in HEADER.items()
    }
    assert len(got["objects"]) == len(wanted["objects"])
    for obj, fields in zip(got["objects"], wanted["objects"], strict=True):
        assert {name: as_in_vector(name, obj[name]) for name in fields} == fields


def frame(type_id, *objects, cause=3, **header):
    return encode_apdu(IFrame(1, 2, DataUnit(type_id, cause, 47, objects, **header)))


def test_the_documents_own_example():
    """Type 36: the time, the address and the value go into a database row as they are."""
    moment = datetime(2026, 12, 11, 21, 10, 36, 895_000)  # noqa: DTZ001  # naive, as it was sent
    tag = Cp56Time2a.from_datetime(moment, invalid=True)
    data = decode(frame(36, ShortFloat(400, 76.5, time=tag), ShortFloat(401, -1.0, time=tag)))
    assert (data["type_id"], data["num_objects"], data["asdu_address"]) == (36, 2, 47)
    rows = [(obj["CP56Time2a"], obj["ioa"], obj["IEEE STD 754"]) for obj in data["objects"]]
    assert rows == [(moment, 400, 76.5), (moment, 401, -1.0)]
    assert data["objects"][0]["time"]["invalid"] is True


def test_a_time_that_is_no_instant_is_none():
    tag = Cp56Time2a.of(ms=0, minute=0, hour=0, day=30, month=2, year=26)
    obj = decode(frame(30, SinglePoint(1, True, time=tag)))["objects"][0]
    assert obj["CP56Time2a"] is None
    assert obj["time"]["day"] == 30


def test_a_short_time_takes_the_hour_of_the_receiver():
    data = frame(2, SinglePoint(1, True, time=Cp24Time2a.of(ms=5_250, minute=59)))
    near = datetime(2026, 12, 11, 21, 1, tzinfo=UTC)
    obj = decode(data, received=near)["objects"][0]
    assert obj["CP24Time2a"] == datetime(2026, 12, 11, 20, 59, 5, 250_000)  # noqa: DTZ001
    here = datetime.now().astimezone().replace(tzinfo=None)
    assert abs((decode(data)["objects"][0]["CP24Time2a"] - here).total_seconds()) <= 1801


CLASSIC = [
    ("M_SP_NA_1", "81", {"SIQ": {
        "value": True, "blocked": False, "substituted": False, "not_topical": False,
        "invalid": True}}),
    ("M_DP_NA_1", "02", {"DIQ": {
        "value": 2, "blocked": False, "substituted": False, "not_topical": False,
        "invalid": False}}),
    ("M_ST_NA_1", "fb00", {"VTI": {"value": -5, "transient": True}}),
    ("M_BO_NA_1", "efbeadde00", {"BSI": 0xDEADBEEF, "octets": bytes.fromhex("efbeadde")}),
    ("M_ME_NA_1", "004001", {"NVA": 0.5, "raw": 16384, "QDS": {
        "overflow": True, "blocked": False, "substituted": False, "not_topical": False,
        "invalid": False}}),
    ("M_ME_NB_1", "2efb00", {"SVA": -1234}),
    ("M_ME_NC_1", "0000484200", {"IEEE STD 754": 50.0, "value": 50.0, "bits": "42480000"}),
    ("M_IT_NA_1", "d204000081", {"BCR": {
        "value": 1234, "sequence": 1, "carry": False, "adjusted": False, "invalid": True}}),
    ("M_PS_NA_1", "0300010000", {"SCD": {"status": 3, "changed": 1}}),
    ("M_ME_ND_1", "00c0", {"NVA": -0.5}),
    ("C_SC_NA_1", "81", {"SCO": {"value": True, "qualifier": 0, "select": True}}),
    ("C_SE_NB_1", "010005", {"SVA": 1, "QOS": {"qualifier": 5, "select": False}}),
    ("C_IC_NA_1", "14", {"QOI": 20}),
    ("C_CI_NA_1", "45", {"QCC": {"request": 5, "freeze": 1}}),
    ("C_CD_NA_1", "f401", {"CP16Time2a": 500}),
    ("M_EI_NA_1", "82", {"COI": {"cause_of_initialization": 2, "local_parameters_changed": True}}),
    ("F_SG_NA_1", "010001020a0b", {"LOS": b"\n\x0b", "segment": b"\n\x0b", "NOF": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "element", "wanted"), CLASSIC)
def test_elements_stand_under_their_classic_names(name, element, wanted):
    asdu = bytes((TypeId[name], 1, 3, 0, 47, 0, 7, 0, 0)) + bytes.fromhex(element)
    obj = decode(bytes((0x68, len(asdu) + 4, 0, 0, 0, 0)) + asdu)["objects"][0]
    assert {key: obj[key] for key in wanted} == wanted
    assert obj["ioa"] == 7


@pytest.mark.parametrize("known", object_types(), ids=lambda known: known.name)
def test_every_type_has_a_classic_name_for_each_element(known):
    octets = bytes(OBJECT_OCTETS[known.type_id])
    asdu = bytes((known.type_id, 1, 3, 0, 47, 0, 7, 0, 0)) + octets
    obj = decode(bytes((0x68, len(asdu) + 4, 0, 0, 0, 0)) + asdu)["objects"][0]
    for element in known.layout.elements:
        name = {"R32": "IEEE STD 754"}.get(element.name, element.name)
        assert name.replace("Cp", "CP") in obj


def test_a_sequence_spells_its_addresses_out():
    data = decode(frame(11, ScaledValue(5, 1), ScaledValue(6, 2), sq=True))
    assert data["sq"]
    assert [(obj["ioa"], obj["SVA"]) for obj in data["objects"]] == [(5, 1), (6, 2)]


def test_a_private_type_gives_its_octets():
    data = decode(bytes.fromhex("680e00000000 c88203002f00 deadbeef"))
    assert (data["type_id"], data["type_name"], data["objects"]) == (200, None, [])
    assert data["octets"] == bytes.fromhex("deadbeef")
    assert (data["num_objects"], data["sq"]) == (2, True)


@pytest.mark.parametrize("vector", NOT_I, ids=vectors.name)
def test_s_and_u_frames_are_refused(vector):
    with pytest.raises(FrameError, match="I-format"):
        decode(vectors.octets(vector))


@pytest.mark.parametrize("what", [None, "68", 7, [], b"", b"\x68", object()])
def test_what_is_no_frame_at_all_is_refused(what):
    with pytest.raises(FrameError):
        decode(what)


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_octets_of_every_kind_are_taken(kind):
    assert decode(kind(frame(1, SinglePoint(1, True))))["type_id"] == 1


@st.composite
def framed(draw):
    """Octets that at least look like an I-format APDU."""
    type_id = draw(
        st.sampled_from([known.type_id for known in object_types()]) | st.integers(0, 255)
    )
    body = draw(st.binary(max_size=60))
    header = draw(st.binary(min_size=5, max_size=5))
    asdu = bytes((type_id,)) + header + body
    return bytes((0x68, len(asdu) + 4)) + draw(st.binary(min_size=4, max_size=4)) + asdu


@given(st.binary(max_size=300) | framed())
@example(b"")
def test_nothing_but_the_documented_error_is_raised(octets):
    try:
        data = decode(octets)
    except FrameError:
        return
    assert data["num_objects"] == len(data["objects"]) or "octets" in data
