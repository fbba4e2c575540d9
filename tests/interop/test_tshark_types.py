"""Wireshark's dissector reads generated frames of every type as the codec does, field by field.

The frames are written into a capture file; nothing is sent. Where the dissector is known to read a
field otherwise, or not at all, it stands below with the reason.
"""

import json
import math
import random
import shutil
import struct
import subprocess
from functools import cache

import pytest

from core.protocol import elements as e
from core.protocol.apci import U_FRAMES
from core.protocol.codec import (
    MAX_SEQUENCE_NUMBER,
    DataUnit,
    IFrame,
    SFrame,
    UFrame,
    decode_apdu,
    encode_apdu,
    most_objects,
)
from core.protocol.layouts import MAX_IOA, object_type, object_types
from core.protocol.times import Cp24Time2a

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed"),
]

SEED = 104
RANDOM_SETS = 8
"""Frames of each type and SQ with values by chance, beside all-least and all-greatest."""

RAW = {
    **dict.fromkeys((17, 18, 19, 38, 39, 40), "elements of protection equipment"),
    20: "the element SCD",
    102: "an address without elements",
    41: "a type of IEC 60870-5-7",
    **dict.fromkeys((104, 106, 107, 113), "test, delay and parameter activation"),
    **dict.fromkeys(range(120, 128), "files"),
}
"""Types whose objects the dissector shows as octets, all together behind the first address."""

QUALITY = {
    "OVERFLOW": "ov", "BLOCKED": "bl", "SUBSTITUTED": "sb", "NOT_TOPICAL": "nt", "INVALID": "iv",
}  # fmt: skip
COUNTER = {"CARRY": "cy", "ADJUSTED": "ca", "INVALID": "iv"}
TIMES = {
    "Cp24Time2a": {"ms": "ms", "minute": "min", "invalid": "iv"},
    "Cp56Time2a": {
        "ms": "ms", "minute": "min", "substituted": "gen", "invalid": "iv", "hour": "hour",
        "summer_time": "su", "day": "day", "weekday": "dow", "month": "month", "year": "year",
    },
}  # fmt: skip
TIME_OF = {
    "Cp24Time2a": {"ms", "minute", "invalid", "substituted"},
    "Cp56Time2a": {"ms", "minute", "invalid", "substituted", "hour", "summer_time", "day",
                   "weekday", "month", "year"},
}  # fmt: skip
"""All fields of a time tag."""
NOT_SHOWN = {
    ("Cp24Time2a", "substituted"): "the dissector has no field for RES1 of a CP24Time2a",
}
FIELDS = {
    ("SIQ", "value"): "siq.spi", ("DIQ", "value"): "diq.dpi",
    ("VTI", "value"): "vti.v", ("VTI", "transient"): "vti.t",
    ("BSI", "value"): "bitstring", ("NVA", "value"): "normval", ("SVA", "value"): "scalval",
    ("R32", "value"): "float", ("BCR", "value"): "bcr.count", ("BCR", "sequence"): "bcr.sq",
    ("SCO", "value"): "sco.on", ("SCO", "qualifier"): "sco.qu", ("SCO", "select"): "sco.se",
    ("DCO", "value"): "dco.on", ("DCO", "qualifier"): "dco.qu", ("DCO", "select"): "dco.se",
    ("RCO", "value"): "rco.up", ("RCO", "qualifier"): "rco.qu", ("RCO", "select"): "rco.se",
    ("QOS", "qualifier"): "qos.ql", ("QOS", "select"): "qos.se",
    ("COI", "cause_of_initialization"): "coi_r", ("COI", "local_parameters_changed"): "coi_i",
    ("QOI", "qoi"): "qoi", ("QCC", "request"): "rqt", ("QCC", "freeze"): "frz",
    ("QRP", "qrp"): "qrp", ("QPM", "kind"): "qpm.kpa",
    ("QPM", "local_parameter_change"): "qpm.lpc", ("QPM", "not_in_operation"): "qpm.pop",
}  # fmt: skip
SUMMARIES = {"start", "siq", "diq", "qds", "vti", "sco", "dco", "rco", "qos", "coi", "qcc", "qpm",
             "cp24time", "cp56time"}  # fmt: skip
"""What the dissector shows of a whole element above its fields."""


# --- generated frames ---------------------------------------------------------------------------


def value(part, choose):
    """A value of a part: ``choose(least, greatest)`` gives each of its numbers."""
    match part:
        case e.Flag():
            return bool(choose(0, 1))
        case e.Number(limits=(least, greatest)):
            return choose(least, greatest)
        case e.Flags(kind=kind):
            return kind(sum(member for member in part.members if choose(0, 1)))
        case e.Bitstring():
            return choose(0, 0xFFFFFFFF)
        case e.Normalized():
            return choose(-32768, 32767) / 32768
        case e.Float():
            return e.float_from_bits(choose(0, 0xFFFFFFFF))
        case e.Time(kind=kind):
            size = 3 if kind is Cp24Time2a else 7
            return kind.from_octets(choose(0, (1 << 8 * size) - 1).to_bytes(size, "little"))
        case e.Segment():
            return bytes(choose(0, 255) for _ in range(choose(0, 20)))
    raise AssertionError(part)


def unit(kind, sq, choose):
    layout = kind.layout
    fitting = 3 if layout.has_segment else most_objects(kind.type_id, sq=sq)
    count = choose(1, fitting)
    first = choose(0, MAX_IOA - count)
    objects = []
    for index in range(count):
        made = {p.name: value(p, choose) for element in layout.elements for p in element.parts}
        ioa = first + index if sq else choose(0, MAX_IOA)
        objects.append(layout.object_class(ioa=ioa, **made))
    return DataUnit(
        kind.type_id, choose(0, 63), choose(0, 65535), tuple(objects), sq,
        bool(choose(0, 1)), bool(choose(0, 1)), choose(0, 255),
    )  # fmt: skip


def i_frame(kind, sq, choose):
    numbers = choose(0, MAX_SEQUENCE_NUMBER), choose(0, MAX_SEQUENCE_NUMBER)
    return IFrame(*numbers, unit(kind, sq, choose))


@cache
def frames():
    """All frames: of every type with SQ = 0 and 1, all-least, all-greatest and by chance."""
    chance = random.Random(SEED)
    made = [
        SFrame(0),
        SFrame(1),
        SFrame(16384),
        SFrame(MAX_SEQUENCE_NUMBER),
        *map(UFrame, U_FRAMES),
    ]
    for kind in object_types():
        for sq in (False, True):
            made += [i_frame(kind, sq, min), i_frame(kind, sq, max)]
            made += [i_frame(kind, sq, chance.randint) for _ in range(RANDOM_SETS)]
    return made


# --- what the dissector says --------------------------------------------------------------------


def write_capture(path, payloads):
    """A capture of one TCP connection, one packet per payload, as raw IPv4."""
    octets = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)]
    sequence = 1
    for index, payload in enumerate(payloads):
        size = 40 + len(payload)
        octets += [
            struct.pack("<IIII", 1_700_000_000 + index, 0, size, size),
            struct.pack(">BBHHHBBH4B4B", 0x45, 0, size, index, 0, 64, 6, 0, *(10, 0, 0, 1) * 2),
            struct.pack(">HHIIBBHHH", 2404, 40000, sequence, 1, 0x50, 0x18, 65535, 0, 0),
            payload,
        ]
        sequence += len(payload)
    path.write_bytes(b"".join(octets))


def leaves(pairs):
    """The fields of the dissector in their order, from the tree that tshark gives as JSON."""
    for name, content in pairs:
        if isinstance(content, list):
            yield from leaves(content)
        elif name.startswith(("iec60870_", "_ws.")):
            yield name, {"False": "0", "True": "1"}.get(content, content)  # newer versions


@pytest.fixture(scope="module")
def dissected(tmp_path_factory):
    """For each of the frames its fields in order as (name, text); tshark is started once."""
    path = tmp_path_factory.mktemp("tshark") / "types.pcap"
    write_capture(path, [encode_apdu(frame) for frame in frames()])
    done = subprocess.run(
        ["tshark", "-r", path, "-n", "-d", "tcp.port==2404,iec60870_104", "-T", "json",
         "-J", "iec60870_104 iec60870_asdu _ws.malformed"],
        capture_output=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    # Objects repeat their names, so a tree is kept as pairs.
    packets = json.loads(done.stdout, object_pairs_hook=list)
    assert len(packets) == len(frames())
    return [list(leaves(packet)) for packet in packets]


def of_asdu(fields):
    """The dissector's fields of an ASDU without what only sums others up."""
    prefix = "iec60870_asdu."
    named = [(name.removeprefix(prefix), text) for name, text in fields if name.startswith(prefix)]
    return [(name, text) for name, text in named if name not in SUMMARIES]


# --- what ours says -----------------------------------------------------------------------------


def header_fields(asdu):
    return [
        ("typeid", str(int(asdu.type_id))), ("sq", str(int(asdu.sq))), ("numix", str(asdu.count)),
        ("causetx", str(int(asdu.cause))), ("nega", str(int(asdu.negative))),
        ("test", str(int(asdu.test))), ("oa", str(asdu.oa)), ("addr", str(asdu.ca)),
    ]  # fmt: skip


def object_fields(obj, layout):
    yield "ioa", str(obj.ioa)
    for element in layout.elements:
        for part in element.parts:
            yield from part_fields(element, part, getattr(obj, part.name))


def part_fields(element, part, content):
    name = FIELDS.get((element.name, part.name))
    match part:
        case e.Flags():
            names = COUNTER if element.name == "BCR" else QUALITY
            for member in part.members:
                yield f"{element.name.lower()}.{names[member.name]}", str(int(member in content))
        case e.Time(kind=kind):
            for field, short in TIMES[kind.__name__].items():
                yield f"{kind.__name__[:4].lower()}time.{short}", str(int(getattr(content, field)))
        case e.Bitstring():  # the dissector takes the first octet for the highest
            yield name, f"0x{content.to_bytes(4, 'little').hex()}"
        case e.Normalized():
            yield name, f"{content:.6g}"
        case e.Float():  # six digits, and unlike ours the sign of a NaN
            is_negative_nan = math.isnan(content) and math.copysign(1, content) < 0
            yield name, "-nan" if is_negative_nan else f"{content:.6g}"
        case _:
            yield name, str(int(content))


def asdu_fields(frame):
    """Header and objects as the dissector should show them."""
    kind = object_type(frame.asdu.type_id)
    fields = header_fields(frame.asdu)
    if kind.type_id not in RAW:
        return fields + [f for obj in frame.asdu.objects for f in object_fields(obj, kind.layout)]
    octets = encode_apdu(frame)[12:]
    fields.append(("ioa", str(int.from_bytes(octets[:3], "little"))))
    return fields + ([("rawdata", octets[3:].hex(":"))] if octets[3:] else [])


# --- the comparison -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", object_types(), ids=lambda kind: kind.name)
def test_the_dissector_reads_a_type_as_we_do(kind, dissected):
    compared = 0
    for frame, fields in zip(frames(), dissected, strict=True):
        if isinstance(frame, IFrame) and frame.asdu.type_id == kind.type_id:
            shown = of_asdu(fields)
            assert shown == asdu_fields(frame), frame
            assert decode_apdu(encode_apdu(frame)) == frame
            compared += 1
    assert compared == 2 * (2 + RANDOM_SETS)


def test_the_dissector_reads_numbers_and_functions_as_we_do(dissected):
    prefix = "iec60870_104."
    for frame, fields in zip(frames(), dissected, strict=True):
        shown = {
            name.removeprefix(prefix): int(text, 0)
            for name, text in fields
            if name.startswith(prefix)
        }
        expected = {"apdulen": len(encode_apdu(frame)) - 2}
        match frame:
            case UFrame(function):
                expected |= {"type": 3, "utype": function >> 2}
            case SFrame(nr):
                expected |= {"type": 1, "rx": nr}
            case IFrame(ns, nr):
                expected |= {"type": 0, "tx": ns, "rx": nr}
        assert shown == expected, frame


def test_the_dissector_finds_nothing_malformed(dissected):
    assert [name for fields in dissected for name, _ in fields if name.startswith("_ws.")] == []


def test_every_field_is_compared_or_excluded_with_a_reason():
    left_out = set()
    for kind in object_types():
        for element in kind.layout.elements if kind.type_id not in RAW else ():
            for part in element.parts:
                if isinstance(part, e.Time):
                    name = part.kind.__name__
                    left_out |= {(name, field) for field in TIME_OF[name] - TIMES[name].keys()}
                elif not isinstance(part, e.Flags) and (element.name, part.name) not in FIELDS:
                    left_out.add((element.name, part.name))
    assert left_out == set(NOT_SHOWN)
