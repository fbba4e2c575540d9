"""``decode`` and ``encode``: octets to lines and JSON and back, for people and for pipes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.commands import COMMANDS
from app.commands.decode import answers, octets_of
from app.commands.encode import octets_of as encoded
from core.protocol import elements as e
from core.protocol.codec import IFrame, encode_apdu
from core.protocol.describe import describe
from core.protocol.jsonform import to_json
from core.protocol.layouts import register_type, unregister_type
from core.protocol.objects import ScaledValue
from tests.protocol.object_strategies import units
from tests.support import vectors

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "iec104mm2ss.py"

STARTDT = "680407000000"
POINT = "680e0000000001010300010064000001"
POINT_LINE = "I 0/0 M_SP_NA_1 spontaneous CA 1 IOA 100 = on"
UNKNOWN = "680e00000000c8010300010064000001"
CA_0 = "680e0000000001010300000064000001"
CUT = "680d000000000101030001006400 00".replace(" ", "")
SURPLUS = "680f000000000301030001006400000200"


class Ended:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr
        self.lines = self.out.splitlines()
        self.complaints = self.err.splitlines()
        assert "Traceback" not in self.out + self.err


def run(*arguments, given="", cwd=None):
    """The program with these arguments and this text on standard input."""
    data = given if isinstance(given, bytes) else given.encode()
    done = subprocess.run(
        [sys.executable, "-X", "dev", PROGRAM, *arguments],
        input=data, capture_output=True, timeout=60, check=False, cwd=cwd,
    )  # fmt: skip
    # Windows ends lines its own way.
    done.stdout, done.stderr = (
        octets.decode().replace("\r\n", "\n") for octets in (done.stdout, done.stderr)
    )
    return Ended(done)


def lines_of(text, **options):
    return [answer.line for answer in answers(text, **options)]


# --- octets as people write them ----------------------------------------------------------------


@pytest.mark.parametrize("text", [
    "680401000a00", "680401000A00", "68 04 01 00 0a 00", "68:04:01:00:0a:00", "  680401 000a00\t",
    "0x680401000a00", "0x68 0x04 0x01 0x00 0x0a 0x00", "0X68,0x4,0x1,0x0,0xA,0x0",
    "0x680x040100 0a00", "6804\n0100\n0a00\n",
])  # fmt: skip
def test_hex_is_read_as_it_is_usually_written(text):
    assert octets_of(text) == bytes.fromhex("680401000a00")


@pytest.mark.parametrize(("text", "said"), [
    ("", "no octets"), (" : ", "no octets"), ("0x", "no octets"),
    ("680", "an odd number of hex digits: 680"), ("68 4 07", "an odd number of hex digits: 4"),
    ("68 04 o7", "not hex: o7"), ("68\u0664", "not hex: 68\u0664"), ("-68", "not hex: -68"),
])  # fmt: skip
def test_what_is_no_hex_is_quoted(text, said):
    with pytest.raises(ValueError, match=f"^{said}$"):
        octets_of(text)


@given(st.text())
def test_no_text_raises_anything_but_the_refusal(text):
    for as_json in (False, True):
        assert all("\n" not in line for line in lines_of(text, as_json=as_json))


@given(st.binary(min_size=1), st.booleans(), st.booleans())
def test_any_octets_have_at_least_one_answer(octets, as_json, strict):
    assert lines_of(octets.hex(), as_json=as_json, strict=strict)
    assert lines_of("6804 4300 0000" + octets.hex(), as_json=as_json, strict=strict)[1:]


# --- several in a row ---------------------------------------------------------------------------


def test_frames_in_a_row_have_a_line_each():
    assert lines_of(STARTDT + POINT + STARTDT) == ["U STARTDT act", POINT_LINE, "U STARTDT act"]


def test_what_is_wrong_inside_a_frame_does_not_hide_the_next_one():
    lines = lines_of(CUT + POINT + "680403000000" + POINT)
    assert lines[0] == describe(bytes.fromhex(CUT))
    assert lines[1] == lines[3] == POINT_LINE
    assert lines[2].startswith("malformed: malformed control field: 03 hex")
    assert len(lines) == 4


@pytest.mark.parametrize(("rest", "said"), [
    ("00680407000000", "bad start octet: 00 hex instead of 68 (at octet 0)"),
    ("6802680407000000", "bad APDU length: 2 is outside 4..253 (at octet 1)"),
    ("68fe680407000000", "bad APDU length: 254 is outside 4..253 (at octet 1)"),
    ("68", "incomplete APDU: 1 octets of 6 (at octet 1)"),
    ("680e0000", "incomplete APDU: 4 octets of 16 (at octet 4)"),
])  # fmt: skip
def test_where_the_row_goes_astray_one_answer_stands_for_the_rest(rest, said):
    assert lines_of(rest) == [f"malformed: {said}"]
    where = ", counted from octet 6 of the row"
    assert lines_of(STARTDT + rest) == ["U STARTDT act", f"malformed: {said}{where}"]
    assert json.loads(lines_of(STARTDT + rest, as_json=True)[1]) == {"error": said + where}


# --- strict and lenient -------------------------------------------------------------------------


@pytest.mark.parametrize(("octets", "text", "as_json"), [
    (CA_0, False, False),  # as given
    ("680443010000", False, True),  # ignored on receipt, but the JSON form has no place for them
    (UNKNOWN, False, True),
    (SURPLUS, False, True),
    (CUT, True, True),
    ("680403000000", True, True),
], ids=["header", "reserved", "unknown", "surplus", "cut", "no function"])  # fmt: skip
def test_what_is_refused_without_strict_and_that_strict_refuses_all(octets, text, as_json):
    for form, expected in ((False, text), (True, as_json)):
        (answer,) = answers(octets, as_json=form)
        assert answer.is_refusal == expected
        assert form is False or (set(json.loads(answer.line)) == {"error"}) == expected
        (answer,) = answers(octets, as_json=form, strict=True)
        assert answer.is_refusal


def test_a_strict_line_still_says_what_was_read():
    reason = "not permitted to a sender: common address 0 (at octet 10)"
    line = "I 0/0 M_SP_NA_1 spontaneous CA 0 IOA 100 = on"
    assert lines_of(CA_0) == [f"{line} [{reason}]"]
    assert lines_of(CA_0, strict=True) == [f"{line}: refused: {reason}"]


# --- the golden vectors, through the program ----------------------------------------------------

WELL_FORMED = [vector for form in "ISU" for vector in vectors.well_formed(form)]


def test_every_vector_is_decoded_to_its_json_and_encoded_to_its_octets():
    decoded = run("decode", "--json", "-", given="\n".join(v["apdu_hex"] for v in WELL_FORMED))
    assert (decoded.code, decoded.err) == (0, "")
    assert decoded.lines == [json.dumps(json.loads(line)) for line in decoded.lines]
    assert list(map(json.loads, decoded.lines)) == [v["decoded"] for v in WELL_FORMED]
    encoded = run("encode", "--json", "-", given=decoded.out)
    assert (encoded.code, encoded.err) == (0, "")
    for line, vector in zip(encoded.lines, WELL_FORMED, strict=True):
        assert (line == vector["apdu_hex"]) == vector.get("roundtrip", True), vector["name"]


def test_every_malformed_vector_is_refused():
    malformed = vectors.load("malformed")
    strict = run("decode", "--json", "--strict", "-",
                 given="\n".join(v["apdu_hex"] for v in malformed))  # fmt: skip
    assert (strict.code, strict.err, len(strict.lines)) == (1, "", len(malformed))
    assert all(set(json.loads(line)) == {"error"} for line in strict.lines)
    lenient = [lines_of(v["apdu_hex"], as_json=True) for v in malformed]
    assert all('"error"' in line for lines in lenient for line in lines)


def test_every_vector_has_the_line_that_describe_gives():
    ended = run("decode", "-", given="\n".join(v["apdu_hex"] for v in WELL_FORMED))
    assert ended.code == 0
    assert ended.lines == [describe(vectors.octets(v)) for v in WELL_FORMED]


@given(units())
def test_json_becomes_the_octets_again(unit):
    octets = encode_apdu(IFrame(5, 7, unit))
    (line,) = lines_of(octets.hex(), as_json=True)
    assert encoded(line) == octets


# --- encode -------------------------------------------------------------------------------------

REFUSED = [
    ('{"format": "S", "nr": 32768}', "nr 32768 is not a number 0..32767"),
    ('{"format": "S"}', "nr is missing"),
    ("{", "no JSON: Expecting property name enclosed in double quotes at character 2"),
    ("[]", "the frame [] is not an object with named fields"),
    ("7", "the frame 7 is not an object with named fields"),
    ('{"error": "bad start octet"}',
     "error 'bad start octet': decode refused this frame, it has no form"),
    ('{"format": "S", "nr": 1, "nr": 2}', "nr is given twice"),
    ('{"format": "S", "nr": ' + "9" * 5000 + "}", "no field takes a number of 5000 digits"),
    ("[" * 100_000, "no frame is nested so deeply"),
    ('{"format": "I", "mnemonic": "M_DP_NA_1", "cot": 3, "ca": 1, "objects": '
     '[{"ioa": 1, "value": 4}]}', "objects[0].value 4 is not a number 0..3"),
]  # fmt: skip


def test_a_bad_line_is_named_and_the_rest_goes_on():
    text = "".join(f'{line}\n{{"format": "S", "nr": 5}}\n' for line, _ in REFUSED)
    ended = run("encode", "--json", "-", given="# a comment\n\n" + text)
    assert ended.code == 1
    assert ended.lines == ["680401000a00"] * len(REFUSED)
    assert ended.complaints == [
        f"iec104mm2ss encode: line {3 + 2 * index}: {said}"
        for index, (_, said) in enumerate(REFUSED)
    ]


def test_a_long_complaint_is_cut_in_the_middle():
    line = json.dumps({"format": "S", "nr": "9" * 5000})
    (said,) = run("encode", "--json", "-", given=line).complaints
    assert len(said) < 400
    assert said.startswith("iec104mm2ss encode: line 1: nr '9999")
    assert said.endswith("' is not a number 0..32767")


def test_strict_encoding_refuses_what_a_station_must_not_send():
    line = {"format": "I", "type_id": 1, "cot": 0, "ca": 1, "objects": [{"ioa": 1, "value": True}]}
    text = json.dumps(line)
    assert run("encode", "--json", "-", given=text).lines == ["680e0000000001010000010001000001"]
    ended = run("encode", "--json", "--strict", "-", given=text)
    assert (ended.code, ended.out) == (1, "")
    assert "line 1: a station must not send this: not permitted to a sender: cause 0" in ended.err


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(units(), st.data())
def test_no_object_raises_anything_but_a_refusal(unit, data):
    frame = to_json(IFrame(0, 0, unit))
    place = frame
    if frame["objects"] and data.draw(st.booleans()):
        place = frame["objects"][0]
    for name in data.draw(st.sets(st.sampled_from(sorted(place)), min_size=1, max_size=3)):
        place[name] = data.draw(JSON_VALUES)
    try:
        encoded(json.dumps(frame))
    except ValueError:
        return


# --- pipes --------------------------------------------------------------------------------------


def test_comments_empty_lines_and_other_line_ends_are_skipped():
    given = f"\ufeff# a capture\r\n\r\n  \n{STARTDT}\r\n # more\n{POINT}{STARTDT}".encode()
    ended = run("decode", "-", given=given)
    assert ended.lines == ["U STARTDT act", POINT_LINE, "U STARTDT act"]
    assert ended.code == 0


def test_a_line_of_no_hex_is_answered_and_the_rest_goes_on():
    ended = run("decode", "--json", "-", given=b"\xff\xfe\n" + STARTDT.encode())
    assert ended.code == 1
    assert json.loads(ended.lines[0]) == {"error": "not hex: \\xff\\xfe"}
    assert json.loads(ended.lines[1]) == {"format": "U", "function": "STARTDT_ACT"}


@pytest.mark.parametrize(("arguments", "line", "answer"), [
    (["decode", "-"], POINT, POINT_LINE),
    (["encode", "--json", "-"], '{"format": "S", "nr": 5}', "680401000a00"),
])  # fmt: skip
def test_each_line_is_answered_before_the_next_one_comes(arguments, line, answer):
    with subprocess.Popen(
        [sys.executable, PROGRAM, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", bufsize=1,
    ) as program:  # fmt: skip
        for _ in range(3):
            program.stdin.write(line + "\n")
            program.stdin.flush()
            assert program.stdout.readline() == answer + "\n"
        program.stdin.close()
        assert program.wait(10) == 0


def test_a_reader_that_goes_ends_it_in_silence(tmp_path):
    path = tmp_path / "many.txt"
    path.write_text(f"{POINT}\n" * 50_000)
    with path.open() as lines, subprocess.Popen(
        [sys.executable, PROGRAM, "decode", "-"],
        stdin=lines, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as program:  # fmt: skip
        assert program.stdout.readline()
        program.stdout.close()
        assert program.stderr.read() == b""
        assert program.wait(10) == 0


@pytest.mark.posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_output_that_cannot_be_written_is_said():
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, PROGRAM, "decode", STARTDT],
            stdout=full, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(b"iec104mm2ss decode: standard output: ")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.posix
@pytest.mark.skipif(os.name == "nt", reason="closed descriptors are POSIX's")
@pytest.mark.parametrize(("redirection", "code"), [("<&-", 1), (">&-", 0), ("2>&-", 0)])
def test_streams_that_are_closed(redirection, code):
    argument = "-" if redirection == "<&-" else STARTDT
    command = f"exec {sys.executable} {PROGRAM} decode {argument} {redirection}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False)
    assert done.returncode == code
    assert b"Traceback" not in done.stderr
    assert (b"standard input is closed" in done.stderr) == (code == 1)


@pytest.mark.posix
@pytest.mark.skipif(os.name == "nt", reason="ended by a signal")
@pytest.mark.parametrize("start", ["import sys; from app.cli import main; sys.exit(main())", None])
def test_an_interrupt_ends_it_at_once_and_in_silence(start):
    program = ["-c", start] if start else [PROGRAM]
    with subprocess.Popen(
        [sys.executable, *program, "decode", "-"], cwd=ROOT,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
    ) as running:  # fmt: skip
        running.stdin.write(STARTDT + "\n")
        running.stdin.flush()
        assert running.stdout.readline() == "U STARTDT act\n"
        running.send_signal(2)
        assert running.wait(10) == -2
        assert running.stderr.read() == ""


# --- the command line ---------------------------------------------------------------------------


def test_octets_on_the_command_line_are_one_row():
    ended = run("decode", "68", "04", "0x07", "00:00", "00", POINT)
    assert (ended.code, ended.lines, ended.err) == (0, ["U STARTDT act", POINT_LINE], "")
    assert run("decode", "--json", STARTDT).lines == ['{"format": "U", "function": "STARTDT_ACT"}']
    assert run("decode", "68", "--json", "0407000000").code == 0
    assert run("decode", "zz").code == run("decode", "6804").code == run("decode", "").code == 1


@pytest.mark.parametrize("arguments", [
    ["decode"], ["decode", "--no-such", STARTDT], ["decode", "-", STARTDT],
    ["decode", "--js", "68"], ["encode"], ["encode", "-"], ["encode", "--json"],
    ["encode", "--json", "file"],
    ["encode", "--json", "-", "-"],
])  # fmt: skip
def test_wrong_arguments_end_with_2_and_one_line(arguments):
    ended = run(*arguments)
    assert (ended.code, ended.out, len(ended.complaints)) == (2, "", 1)
    assert ended.err.startswith(f"iec104mm2ss {arguments[0]}: ")
    assert ended.err.endswith("; -h shows what is possible\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_help_of_its_own_and_the_program_names_it(command):
    ended = run(command, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"usage: iec104mm2ss {command} ")
    assert COMMANDS[command].summary in " ".join(run("--help").out.split())


def test_only_the_first_word_is_a_command(tmp_path):
    (tmp_path / "decode").write_text("no configuration\n")
    ended = run("-i", "decode", "--check", cwd=tmp_path)
    assert ended.code == 2
    assert str(tmp_path / "decode") in ended.out
    assert run("-n", "decode", STARTDT, cwd=tmp_path).err.startswith("iec104mm2ss: unrecognized")
    assert run("Decode", cwd=tmp_path).err.startswith("iec104mm2ss: unrecognized arguments: Decode")


# --- private types ------------------------------------------------------------------------------


def test_a_registered_type_is_decoded_and_encoded_like_any_other():
    assert "type 200 spontaneous CA 1 1 unknown: 64 00 00 01" in lines_of(UNKNOWN)[0]
    register_type(200, "X_ME_NB_1", ScaledValue, e.SVA, e.QDS)
    try:
        octets = "681000000000c80103000100640000d20480"
        assert lines_of(octets) == ["I 0/0 X_ME_NB_1 spontaneous CA 1 IOA 100 = 1234 (invalid)"]
        (line,) = lines_of(octets, as_json=True)
        assert json.loads(line)["mnemonic"] == "X_ME_NB_1"
        assert encoded(line) == bytes.fromhex(octets)
    finally:
        unregister_type(200)
