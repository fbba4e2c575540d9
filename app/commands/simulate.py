"""``iec104mm2ss simulate``: RTUs that need no substation."""

from collections.abc import Sequence

from core.simulator import program


def main(arguments: Sequence[str]) -> int:
    """Run the simulator until it is told to end; the exit code."""
    return program.main(arguments, prog="iec104mm2ss simulate")
