"""``iec104mm2ss decode``: from octets in hex to lines for people, or to JSON for programs."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from app.commands import filters
from app.commands.filters import Answer
from core.config.diagnostics import shown
from core.protocol.codec import DecodeError, Fault, decode_apdu
from core.protocol.describe import describe, describe_frame
from core.protocol.jsonform import to_json

_NO_PLACE_IN_JSON: Final = (Fault.SURPLUS_OCTETS, Fault.UNKNOWN_TYPE, Fault.RESERVED_BITS)
"""What can be read, but would be lost in the JSON form."""


def main(arguments: Sequence[str]) -> int:
    """Answer every frame with one line; 0, or 1 if one was refused."""
    parser = filters.parser(
        "decode",
        "Says what frames mean: one line for each.",
        "Exit code 0 if everything could be read, 1 if something was refused, 2 for wrong "
        "arguments.",
    )
    add = parser.add_argument
    add(
        "hex", nargs="+", metavar="HEX",
        help="the octets of one frame or of several in a row, from 68 on, with or without blanks, "
        "colons, commas and 0x; a single - reads lines of them from standard input",
    )  # fmt: skip
    add("--json", action="store_true", help="one JSON object per frame, see docs/protocol.md")
    given = parser.parse_intermixed_args(arguments)
    if "-" in given.hex and len(given.hex) > 1:
        parser.error("- stands alone: octets come from the command line or from standard input")

    texts = (text for _, text in filters.lines())
    return filters.run("decode", (
        answer
        for text in (texts if given.hex == ["-"] else [" ".join(given.hex)])
        for answer in answers(text, as_json=given.json, strict=given.strict)
    ))  # fmt: skip


def answers(text: str, *, as_json: bool = False, strict: bool = False) -> Iterator[Answer]:
    """What is to be said of octets in hex: one answer for each frame in the row.

    Where the row goes astray (no start octet, an impossible length, the end within a frame) one
    answer stands for all the rest.
    """
    refused = _refused_json if as_json else _refused_text
    try:
        octets = octets_of(text)
    except ValueError as error:
        yield refused(str(error))
        return
    for start, frame in _frames(octets):
        try:
            yield _json(frame, strict) if as_json else _text(frame, strict)
        except DecodeError as error:
            where = f", counted from octet {start} of the row" if start else ""
            yield refused(f"{error}{where}")


def octets_of(text: str) -> bytes:
    """Octets from hex digits; ValueError, which quotes what is wrong, or if there are none."""
    words = re.sub(r"0[xX](?=([0-9a-fA-F]?)([0-9a-fA-F]?))", _without_0x, text)
    octets = bytearray()
    for word in re.split(r"[\s:,]+", words):
        if not re.fullmatch(r"[0-9a-fA-F]*", word):
            raise ValueError(f"not hex: {shown(word)}")
        if len(word) % 2:
            raise ValueError(f"an odd number of hex digits: {shown(word)}")
        octets += bytes.fromhex(word)
    if not octets:
        raise ValueError("no octets")
    return bytes(octets)


def _without_0x(found: re.Match[str]) -> str:
    """Only behind 0x may an octet have one digit: 0x4."""
    return " 0" if found[1] and not found[2] else " "


def _frames(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """The frames in a row with their beginnings; the last may be none."""
    at = 0
    while at < len(octets):
        end = at + octets[at + 1] + 2 if at + 1 < len(octets) else len(octets)
        is_frame = octets[at] == 0x68 and at + 6 <= end <= min(at + 255, len(octets))
        end = end if is_frame else len(octets)
        yield at, octets[at:end]
        at = end


def _text(octets: bytes, strict: bool) -> Answer:
    try:
        frame = decode_apdu(octets)
    except DecodeError as error:
        if error.reason is Fault.TOO_FEW_OCTETS:  # its header is worth reading
            return Answer(describe(octets), is_refusal=True)
        raise
    if strict and frame.remarks:
        line = describe_frame(replace(frame, remarks=()))
        return Answer(f"{line}: refused: {frame.remarks[0]}", is_refusal=True)
    return Answer(describe_frame(frame))


def _json(octets: bytes, strict: bool) -> Answer:
    frame = decode_apdu(octets, strict=strict)
    for remark in frame.remarks:
        if remark.reason in _NO_PLACE_IN_JSON:
            raise DecodeError(remark)
    return Answer(json.dumps(to_json(frame), allow_nan=False))


def _refused_text(reason: str) -> Answer:
    return Answer(f"malformed: {reason}", is_refusal=True)


def _refused_json(reason: str) -> Answer:
    return Answer(json.dumps({"error": reason}), is_refusal=True)
