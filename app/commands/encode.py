"""``iec104mm2ss encode``: from frames in JSON, one per line, to octets in hex."""

import json
from collections.abc import Sequence
from typing import Any

from app.commands import filters
from app.commands.filters import Answer
from core.protocol.codec import encode_apdu
from core.protocol.jsonform import from_json


def main(arguments: Sequence[str]) -> int:
    """Answer every line that can be encoded with its octets; 0, or 1 if one could not."""
    parser = filters.parser(
        "encode",
        "Makes octets of frames: reads a JSON object per line, writes a line of hex for each.",
        "Exit code 0 if every line was encoded, 1 if one was refused, which standard error says, "
        "2 for wrong arguments.",
    )
    add = parser.add_argument
    add(
        "--json", action="store_true", required=True,
        help="frames are given as JSON, in the form that decode --json writes",
    )  # fmt: skip
    add("input", choices=["-"], metavar="-", help="read them from standard input")
    given = parser.parse_intermixed_args(arguments)

    return filters.run("encode", (
        _answer(number, text, strict=given.strict) for number, text in filters.lines()
    ))  # fmt: skip


def _answer(number: int, text: str, *, strict: bool) -> Answer:
    try:
        return Answer(octets_of(text, strict=strict).hex())
    except ValueError as error:
        return Answer(f"line {number}: {error}", is_refusal=True, is_complaint=True)


def octets_of(text: str, *, strict: bool = False) -> bytes:
    """The octets of a frame in JSON; ValueError, which says what is wrong and what is accepted."""
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_int=_integer)
        if isinstance(value, dict) and set(value) == {"error"}:
            raise ValueError(f"error {value['error']!r}: decode refused this frame, it has no form")
        return encode_apdu(from_json(value), strict=strict)
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg} at character {error.colno}") from error
    except RecursionError as error:
        raise ValueError("no frame is nested so deeply") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose fields are all different: of two alike one would be lost."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice} is given twice")
    return made


def _integer(text: str) -> int:
    """Before Python itself refuses thousands of digits, with advice for programmers."""
    if len(text) > 40:
        raise ValueError(f"no field takes a number of {len(text)} digits")
    return int(text)
