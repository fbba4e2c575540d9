"""Commands beside the gateway itself, ``iec104mm2ss COMMAND ...``: one module with a main each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Command:
    """What a command is for, in a few words, and how it is run: from arguments to exit code."""

    summary: str
    run: Callable[[Sequence[str]], int]


def _decode(arguments: Sequence[str]) -> int:
    from app.commands import decode

    return decode.main(arguments)


def _encode(arguments: Sequence[str]) -> int:
    from app.commands import encode

    return encode.main(arguments)


def _simulate(arguments: Sequence[str]) -> int:
    from app.commands import simulate

    return simulate.main(arguments)


def _monitor(arguments: Sequence[str]) -> int:
    from app.commands import monitor

    return monitor.main(arguments)


def _bench(arguments: Sequence[str]) -> int:
    from app.commands import bench

    return bench.main(arguments)


COMMANDS: Final[Mapping[str, Command]] = {
    "decode": Command("say what the octets of frames mean", _decode),
    "encode": Command("make octets of frames in JSON", _encode),
    "simulate": Command("be an RTU, or many of them, for tests without a substation", _simulate),
    "monitor": Command("be a master that shows what a station sends and gives commands", _monitor),
    "bench": Command("measure how many RTUs and masters this computer can carry", _bench),
}
"""Each imports its module only when it is run: whoever runs the gateway needs none of them."""
