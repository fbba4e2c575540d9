"""The file of points: what is taken, what is refused and how that is said."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.protocol.codes import TypeId
from core.simulator.points import Point, Select, read_points
from core.simulator.program import default_points
from tests.simulator.playing import CALM, Play

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = Path(os.environ.get("IEC_SAMPLES", ROOT.parent / "shared" / "samples"))
USERS_FILE = SAMPLES / "Datapoints.json"


def read(points: object, first_address: int = 1) -> tuple[dict[str, Point], list[str]]:
    data = points if isinstance(points, bytes) else json.dumps(points).encode()
    found, findings = read_points(data, "p.json", first_address)
    return {one.name: one for one in found}, list(map(str, findings))


def test_a_point_as_users_write_it():
    points, findings = read(
        {
            "Netzfrequenz": {
                "IOAddress": 262176, "HighByte": 4, "MiddleByte": 0, "LowByte": 32,
                "Type IEC": 36, "Unit / Einheit": "Hz",
            }
        }
    )  # fmt: skip
    assert findings == []
    one = points["Netzfrequenz"]
    assert (one.ioa, one.type_id, one.unit) == (262176, TypeId.M_ME_TF_1, "Hz")
    assert str(one.course) == "frequency"


def test_further_properties():
    points, findings = read(
        {
            "Q0": {"IOAddress": "7", "Type IEC": "M_DP_TB_1", "Group": 3, "Simulation": "toggle"},
            "U": {"IOAddress": 8, "Type IEC": 13, "Period": 10, "Dead band": "0,5"},
            "Q0 command": {"IOAddress": 7, "Type IEC": 46, "Return": "Q0", "Select": True},
            "word": {"IOAddress": 9, "Type IEC": 51, "Select": "yes"},
        }
    )
    assert findings == []
    assert (points["Q0"].group, points["Q0"].type_id) == (3, TypeId.M_DP_TB_1)
    assert (points["U"].period, points["U"].dead_band) == (10.0, 0.5)
    command = points["Q0 command"]
    assert (command.returns, command.select, command.is_command) == ("Q0", Select.ALWAYS, True)
    assert points["word"].select is Select.NEVER


def test_missing_addresses_are_numbered_between_the_others_or_come_from_the_bytes():
    points, findings = read(
        {
            "a": {"Type IEC": 1},
            "b": {"Type IEC": 1, "IOAddress": 11},
            "c": {"Type IEC": 1},
            "d": {"Type IEC": 1, "HighByte": 1, "MiddleByte": 0, "LowByte": 2},
        },
        first_address=10,
    )
    assert findings == []
    assert [one.ioa for one in points.values()] == [10, 11, 12, 65538]


BAD = [
    ({"IOAddress": 0, "Type IEC": 1}, "IOAddress '0' is no address; accepted: 1..16777215"),
    ({"IOAddress": 16777216, "Type IEC": 1},
     "IOAddress '16777216' is no address; accepted: 1..16777215"),
    ({"IOAddress": "x", "Type IEC": 1}, "IOAddress 'x' is no address; accepted: 1..16777215"),
    ({"IOAddress": True, "Type IEC": 1}, "IOAddress 'True' is no address; accepted: 1..16777215"),
    ({"IOAddress": 5, "HighByte": 0, "MiddleByte": 0, "LowByte": 6, "Type IEC": 1},
     "IOAddress '5' and the bytes 0.0.6 are two addresses; accepted: the same address in both,"
     " 6 for these bytes"),
    ({"HighByte": 0, "LowByte": 6, "Type IEC": 1},
     "MiddleByte 'None' cannot be used; accepted: 0..255 in all three bytes, or none of them"),
    ({"HighByte": 0, "MiddleByte": 0, "LowByte": 256, "Type IEC": 1},
     "LowByte '256' cannot be used; accepted: 0..255 in all three bytes, or none of them"),
    ({"IOAddress": 5}, "Type IEC is missing; accepted: 1..21 and 30..40 (monitored), 45..51 and"
     " 58..64 (commands), or a name as M_ME_TF_1"),
    ({"IOAddress": 5, "Type IEC": 22}, "Type IEC '22' is no type of a point; accepted: 1..21 and"
     " 30..40 (monitored), 45..51 and 58..64 (commands), or a name as M_ME_TF_1"),
    ({"IOAddress": 5, "Type IEC": 1, "Group": 17},
     "Group '17' cannot be used; accepted: a number 0..16"),
    ({"IOAddress": 5, "Type IEC": 1, "Period": "often"},
     "Period 'often' cannot be used; accepted: a number 0..1e+06"),
    ({"IOAddress": 5, "Type IEC": 45, "Select": "maybe"},
     "Select 'maybe' cannot be used; accepted: no (direct only), yes (selected first), both"),
    ("none", "its properties are no JSON object; accepted: { .. }"),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "why"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_a_bad_point_is_named_in_one_line_and_the_others_run(bad, why):
    points, findings = read({"bad": bad, "good": {"IOAddress": 99, "Type IEC": 1}})
    assert list(points) == ["good"]
    assert findings == [f"p.json: point 'bad' (no. 1): {why}"]


def test_a_bad_course_names_all_courses():
    points, findings = read({"x": {"IOAddress": 5, "Type IEC": 13, "Simulation": "sine(1)"}})
    assert not points
    assert findings[0].startswith(
        "p.json: point 'x' (no. 1): Simulation 'sine(1)' has 1 numbers,"
        " sine(low,high,period[,phase]) is wanted; accepted: voltage, frequency, "
    )


def test_doubled_names_and_addresses_are_named_and_the_first_stays():
    text = b"""{"a": {"IOAddress": 1, "Type IEC": 1}, "a": {"IOAddress": 2, "Type IEC": 1},
                "b": {"IOAddress": 1, "Type IEC": 30}, "c": {"IOAddress": 1, "Type IEC": 45}}"""
    points, findings = read(text)
    assert list(points) == ["a", "c"]
    assert findings == [
        "p.json: point 'a' (no. 2): the name is taken by point no. 1; accepted: another",
        "p.json: point 'b' (no. 3): IOAddress '1' is taken by point 'a'; accepted: another",
    ]


def test_what_does_not_matter_is_only_warned_about():
    points, findings = read_points(
        json.dumps(
            {
                "a": {"IOAddress": 1, "Type IEC": 1, "Colour": "red"},
                "b": {"IOAddress": 2, "Type IEC": 45, "Return": "nobody"},
                "c": {"IOAddress": 3, "Type IEC": 1, "Return": "a"},
            }
        ).encode()
    )
    assert len(points) == 3
    assert not any(one.is_error for one in findings)
    assert [one.what for one in findings] == [
        "property 'Colour' is not known",
        "Return 'nobody' names no monitored point; it has none",
        "Return 'a' is for commands only; it is not used",
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_the_usual_encodings_are_read(encoding):
    text = json.dumps({"Öl °C": {"IOAddress": 1, "Type IEC": 36}}, ensure_ascii=False)
    points, findings = read(text.encode(encoding))
    assert (list(points), findings) == (["Öl °C"], [])


BROKEN = [
    (b"", "p.json: line 1, column 1: no JSON: Expecting value"),
    (b'{"a": {]', "p.json: line 1, column 8: no JSON: "
     "Expecting property name enclosed in double quotes"),
    (b"[1]", "p.json: one JSON object is wanted: name of a point -> its properties"),
    (b"[" * 100_000, "p.json: no JSON that could be read"),
    (b'{"a": ' + b"9" * 5000 + b"}", "p.json: no JSON that could be read"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "line"), BROKEN, ids=["empty", "syntax", "list", "deep", "long"])
def test_a_file_that_is_no_json_is_one_line(data, line):
    points, findings = read(data)
    assert not points
    assert findings == [line]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
KEYS = [
    "IOAddress", "HighByte", "MiddleByte", "LowByte", "Type IEC", "Unit / Einheit", "Simulation",
    "Period", "Dead band", "Group", "Return", "Select", "Comment", "other",
]  # fmt: skip
plausible = st.fixed_dictionaries(
    {},
    optional={
        key: json_values | st.integers(0, 64) | st.sampled_from(["voltage", "toggle(1)", "yes"])
        for key in KEYS
    },
)


@given(st.dictionaries(st.text(max_size=5), plausible | json_values, max_size=5))
def test_any_json_is_read_and_what_is_read_runs(points):
    found, findings = read_points(json.dumps(points).encode())
    assert len({one.name for one in found}) == len(found)
    assert all("\n" not in str(finding) for finding in findings)
    play = Play(CALM, points=found)
    play.send("64 01 06 00 01 00 00 00 00 14")
    play.wait(5)
    assert play.taken()[0] == "64 01 07 00 01 00 00 00 00 14"


@given(st.binary())
def test_any_octets_are_read(data):
    points, findings = read_points(data)
    assert points == []  # nothing a machine makes up is a whole file
    assert findings or data.strip() == b"{}"


def test_our_own_sample_is_without_fault():
    points, findings = read_points(default_points().read_bytes())
    assert findings == []
    assert len(points) >= 25
    assert any(one.is_command and one.returns for one in points)


@pytest.mark.skipif(not USERS_FILE.exists(), reason=f"no user's file at {USERS_FILE}")
def test_a_users_file_of_443_points_loads_and_runs():
    points, findings = read_points(USERS_FILE.read_bytes(), USERS_FILE.name)
    assert (len(points), findings) == (443, [])
    assert {int(one.type_id) for one in points} == {30, 36}
    play = Play(points=points)
    answer = play.ask("64 01 06 09 01 00 00 00 00 14")
    assert (answer[0], answer[-1]) == (
        "64 01 07 09 01 00 00 00 00 14",
        "64 01 0a 09 01 00 00 00 00 14",
    )
    assert sum(int(message[3:5], 16) & 0x7F for message in answer[1:-1]) == 443
    play.station.behaviour = type(CALM)()
    play.wait(4)
    play.wait(3)
    reported = [m for m in play.taken() if m.startswith("24")]
    assert sum(int(message[3:5], 16) for message in reported) >= 441
