"""The configuration as values: settings, groups and entries, compared by what they mean.

Where an entry stands in the file is kept for messages, but is no part of comparing two entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from core.config.hosts import ANYBODY, Endpoint, HostFilter
from core.config.options import Options

NTP_UPDATE_EVERY_SEC = 900
NTP_MAX_STEP = 3600.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for the program, and what entries take over if they say nothing else."""

    nogui: bool = False
    ntp_servers: tuple[str, ...] = ()
    ntp_update_every_sec: int = NTP_UPDATE_EVERY_SEC
    options: Options = field(default_factory=Options)
    ntp_mode: Literal["set", "watch"] = "set"
    ntp_max_step: float = NTP_MAX_STEP


@dataclass(frozen=True, slots=True)
class RtuEntry:
    """The row of a controlled station: whom the gateway calls."""

    key: str
    """Identity that outlives reordering the file: group and label, repeats with #2, #3."""
    line: int = field(compare=False)
    group: int
    name: str
    numbers: tuple[int, ...]
    """Common addresses, 1..65535; those of a master correspond to them by position."""
    options: Options
    hosts: tuple[Endpoint, ...]
    """At least one, tried in this order."""

    @property
    def label(self) -> str:
        """The name as shown: S/name."""
        return f"S/{self.name}"


@dataclass(frozen=True, slots=True)
class MasterEntry:
    """The row of a controlling station: a port on which it may connect."""

    key: str
    """Identity that outlives reordering the file: group and label, repeats with #2, #3."""
    line: int = field(compare=False)
    group: int
    name: str
    numbers: tuple[int, ...]
    """Its common addresses for the RTU's, by position; 1..65535."""
    options: Options
    port: int
    hosts: HostFilter = ANYBODY

    @property
    def label(self) -> str:
        """The name as shown: M/name."""
        return f"M/{self.name}"

    @property
    def seats(self) -> int:
        """Places in its group, each with an originator address toward the RTU."""
        return self.options.conns if self.options.mode == "each" else 1


Entry: TypeAlias = RtuEntry | MasterEntry


@dataclass(frozen=True, slots=True)
class GroupConfig:
    """One RTU and its masters, complete and ready to start."""

    id: int
    rtu: RtuEntry
    masters: tuple[MasterEntry, ...]
    """At least one, in the order of the file; at most 255 seats together."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The RTU, then the masters."""
        return (self.rtu, *self.masters)


@dataclass(frozen=True, slots=True)
class Config:
    """All that the gateway needs to know."""

    settings: Settings = Settings()
    groups: tuple[GroupConfig, ...] = ()
    """In the order of their first rows in the file."""

    @property
    def entries(self) -> Iterator[Entry]:
        """Every entry, group by group."""
        for group in self.groups:
            yield from group.entries
