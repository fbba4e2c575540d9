"""What a group is told about itself and its masters: the options that routing acts on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

Seat: TypeAlias = int
"""Place of a master in its group, 1..n, also its originator slot; 0 is the RTU."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The options that concern a whole group; times in seconds."""

    always_started: bool = False
    """`startdt,always`: the RTU is started whether or not a master is."""
    oa: str = "index"
    """`index`: the master's slot toward the RTU; `zero`; `keep`: the master's own."""
    orphans: str = "drop"
    """`drop`, or `all`: an answer nobody asked for goes to every started master."""
    ca: str = "map"
    """`map`; `pass`: data of an unlisted common address goes to everyone unmapped; `keep`: no
    common address is changed or checked in either direction."""
    gi: str = "queue"
    """`queue`: interrogations take turns; `forward`: they are sent on as they come."""
    gi_data: str = "all"
    """Interrogated data is for `all`; for the others as `background`; for the `requester` alone."""
    buffer: int = 50_000
    """Events kept while no master is started."""
    command_timeout: float = 10.0
    term_timeout: float = 120.0
    select_timeout: float = 30.0
    interrogation_timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class MasterPolicy:
    """The options that concern one master."""

    numbers: Sequence[int]
    """Its common addresses, by position those of the RTU."""
    buffer: int = 50_000
    """Control ASDUs that may wait for the RTU's window."""
    rights: str = "full"
    """`full`, or `monitor`: it may interrogate and read, nothing else."""
    clock: str = "forward"
    """`forward`, or `refuse`: its clock commands are refused."""
    name: str = ""
    """As people know it, for what is said about it to others."""
