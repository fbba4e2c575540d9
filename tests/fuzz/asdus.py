"""Any octets into the decoders, and what they give through words and JSON and back."""

import json
from functools import cache

from core.protocol.asdu import Asdu
from core.protocol.codec import (
    DataUnit,
    DecodeError,
    Fault,
    IFrame,
    decode_apdu,
    decode_asdu,
    encode_apdu,
    encode_asdu,
)
from core.protocol.describe import (
    Field,
    describe,
    describe_asdu_octets,
    describe_frame,
    field_tree,
)
from core.protocol.jsonform import asdu_from_json, asdu_to_json, from_json, to_json
from core.routing.audience import exact_apdu_octets, object_addresses, surplus_octets
from tests.fuzz.source import Source
from tests.support import vectors

_LONGEST_LINE = 2000
_DEEPEST = 8


def apdu(data: bytes) -> None:
    """A frame: read it both ways, say it, and write it again."""
    is_one_line(describe(data))
    is_within(field_tree(data), len(data))
    try:
        frame = decode_apdu(data)
    except DecodeError as error:
        is_a_refusal(error, data)
        if strict_refusal(data) is None:
            raise AssertionError("strict accepts what lenient refuses") from error
        return
    is_written = not isinstance(frame, IFrame) or can_be_written(frame.asdu)
    again = encode_apdu(frame) if is_written else None
    if again is not None:
        assert decode_apdu(again) == frame
    refused = strict_refusal(data)
    if refused is not None:
        first = frame.remarks[0]
        assert (refused.reason, refused.offset) == (first.reason, first.offset)
    else:
        assert not frame.remarks
        assert decode_apdu(data, strict=True) == frame
        assert again is not None
        assert len(again) == len(data)
    is_one_line(describe_frame(frame))
    if again is not None:
        shown = json.loads(json.dumps(to_json(frame), allow_nan=False))
        assert encode_apdu(from_json(shown)) == again
    for remark in frame.remarks:
        assert 0 <= remark.offset <= len(data)
        assert str(remark).isprintable()


def asdu(data: bytes) -> None:
    """An ASDU: the decoder and the gateway's own look at header and sizes must agree."""
    if len(data) >= 6:
        is_one_line(describe_asdu_octets(data))
    try:
        unit = decode_asdu(data)
    except DecodeError as error:
        is_a_refusal(error, data)
        if len(data) >= 6:
            is_cut_short(error, Asdu(data))
        return
    view = Asdu(data)
    header = view.type_id, view.cause, view.ca, view.oa, view.sq, view.is_negative, view.is_test
    same = unit.type_id, unit.cause, unit.ca, unit.oa, unit.sq, unit.negative, unit.test
    assert header == same
    surplus = surplus_octets(view)
    if unit.opaque is None:
        found = [r for r in unit.remarks if r.reason is Fault.SURPLUS_OCTETS]
        if unit.count:
            assert surplus == (len(data) - found[0].offset if found else 0)
            assert tuple(object_addresses(view)) == tuple(obj.ioa for obj in unit.objects) or (
                unit.name == "F_SG_NA_1"  # its objects are of many sizes
            )
            assert view.ioa == unit.objects[0].ioa
        else:
            assert surplus < 0
        exact = exact_apdu_octets(data[:6])
        if exact is not None:
            assert (exact == len(data) + 6) == (surplus == 0)
    if len(data) <= 249 and can_be_written(unit):
        octets = encode_asdu(unit)
        assert decode_asdu(octets) == unit
        shown = json.loads(json.dumps(asdu_to_json(unit), allow_nan=False))
        assert encode_asdu(asdu_from_json(shown)) == octets


def jsonform(data: bytes) -> None:
    """Any JSON: a frame that can be written, or one line that says why not.

    The octets are JSON, or else decisions: which of the vectors, and what is changed in it.
    """
    if data[:1] in (b"{", b"["):
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            return
    else:
        value = _changed(Source(data))
    try:
        frame = from_json(value)
    except ValueError as error:
        is_a_line(str(error))
        return
    try:
        octets = encode_apdu(frame)
    except ValueError as error:
        is_a_line(str(error))
        return
    if isinstance(frame, IFrame) and frame.asdu.opaque is not None:
        is_told_when_strict(frame)  # octets are taken as they are given
        return
    again = decode_apdu(octets)
    assert encode_apdu(again) == octets
    assert from_json(json.loads(json.dumps(to_json(again), allow_nan=False))) == again


@cache
def _good() -> list[str]:
    return [json.dumps(to_json(decode_apdu(vectors.octets(v)))) for v in vectors.load("types")]


def _changed(source: Source) -> object:
    """A frame's JSON with some members changed, lost or put in."""
    value = json.loads(_good()[source.word() % len(_good())])
    for _ in range(1 + source.below(4)):
        here = value
        while True:
            places = list(here) if isinstance(here, dict) else list(range(len(here)))
            if not places:
                break
            place = places[source.octet() % len(places)]
            if isinstance(here[place], dict | list) and source.below(4):
                here = here[place]
                continue
            match source.below(8):
                case 0:
                    del here[place]
                case 1 if isinstance(here, dict):
                    here[source.pick(_NAMES)] = source.pick(_VALUES)
                case 2 if type(here[place]) is int:
                    here[place] += source.pick((-1, 1, 255, -256, 65536))
                case 3:
                    here[place] = source.octets(4).hex()
                case _:
                    here[place] = source.pick(_VALUES)
            break
    return value


_NAMES = (
    "value", "octets", "bits", "raw", "ioa", "time", "count", "mnemonic", "type_id", "oa", "sq",
    "objects", "segment", "x\ny", "", "weekday", "qualifier",
)  # fmt: skip
_VALUES = (
    None, True, False, 0, 1, -1, 127, 128, 255, 256, 65535, 65536, 0xFFFFFF, 0x1000000, 10**40,
    2**32, 0.5, -1.0, 1e39, 1e-45, 1e400, "NaN", "Infinity", "", "00", "zz", "M_SP_NA_1", "I", "S",
    "U", [], {}, [[]], [{}], {"ioa": 1}, "\ud800", "1", 3.0,
)  # fmt: skip


# --- what holds --------------------------------------------------------------------------------


def is_one_line(text: str) -> None:
    assert text.isprintable(), text
    assert len(text) < _LONGEST_LINE


def is_a_line(text: str) -> None:
    assert text
    assert "\n" not in text


def is_within(field: Field, octets: int, depth: int = 0) -> None:
    """A tree of fields lies within its octets and is not deep."""
    start, end = field.octet_range
    assert depth < _DEEPEST
    assert 0 <= start <= end <= octets
    is_one_line(f"{field.name} {field.value_text}")
    for child in field.children:
        is_within(child, octets, depth + 1)


def is_a_refusal(error: DecodeError, data: bytes) -> None:
    assert str(error).isprintable()
    assert 0 <= error.offset <= len(data)


def is_told_when_strict(frame: IFrame) -> None:
    """Octets given in place of objects may be anything; strict says what is wrong with them."""
    try:
        octets = encode_apdu(frame, strict=True)
    except ValueError as error:
        is_a_line(str(error))
    else:
        assert decode_apdu(octets, strict=True).asdu.objects


def strict_refusal(data: bytes) -> DecodeError | None:
    """What strict reading has against a frame."""
    try:
        decode_apdu(data, strict=True)
    except DecodeError as error:
        return error
    return None


def is_cut_short(error: DecodeError, asdu: Asdu) -> None:
    """The one fault of a whole header; the gateway sees it too."""
    assert error.reason is Fault.TOO_FEW_OCTETS
    assert surplus_octets(asdu) < 0


def can_be_written(unit: DataUnit) -> bool:
    """Addresses past the greatest, and a sequence of nothing, are read but not written."""
    if unit.sq and unit.opaque is None and not unit.objects:
        return False
    return all(obj.ioa <= 0xFFFFFF for obj in unit.objects)
