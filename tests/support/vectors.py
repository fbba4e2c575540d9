"""The golden vectors of ``tests/vectors``; their README there says what the fields mean."""

import json
from functools import cache
from pathlib import Path
from typing import Any

Vector = dict[str, Any]

FOLDER = Path(__file__).resolve().parent.parent / "vectors"
WELL_FORMED = (
    *("apci", "types", "random", "max_size", "quality", "values", "confirmations"),
    *("file_transfer", "time", "header", "reserved_bits"),
)
"""The files whose vectors have a meaning (``decoded``)."""


@cache
def load(name: str) -> tuple[Vector, ...]:
    """All vectors of one file, named without its ending."""
    return tuple(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))


def well_formed(frame_format: str) -> list[Vector]:
    """The well-formed vectors of one format (``I``, ``S`` or ``U``) from all files."""
    return [
        vector
        for name in WELL_FORMED
        for vector in load(name)
        if vector["decoded"]["format"] == frame_format
    ]


def malformed(*layers: str) -> list[Vector]:
    """The malformed vectors of some layers."""
    return [vector for vector in load("malformed") if vector["layer"] in layers]


def octets(vector: Vector) -> bytes:
    """The APDU of a vector."""
    return bytes.fromhex(vector["apdu_hex"])


def name(vector: Vector) -> str:
    """For ``pytest.mark.parametrize(ids=...)``."""
    return str(vector["name"])
