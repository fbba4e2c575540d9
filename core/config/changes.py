"""What differs between two configurations, in terms of what has to be restarted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from core.config.model import Config, GroupConfig, MasterEntry


class Change(StrEnum):
    """What happened to one group."""

    UNCHANGED = "unchanged"
    ADDED = "added"
    REMOVED = "removed"
    RESTART = "restart"
    """The whole group: the RTU's row, an option of the group, its set of masters or the seats of
    one of them differ."""
    MASTERS = "masters"
    """Only some master rows differ; the rest of the group goes on."""


@dataclass(frozen=True, slots=True)
class GroupChange:
    """What happened to the group with this number."""

    group: int
    kind: Change
    masters: tuple[str, ...] = ()
    """With MASTERS: the keys in the new configuration. A renamed master has a new key; its old
    one is that of the master in the same place of the old group."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The difference of two configurations."""

    groups: tuple[GroupChange, ...]
    """Every group of either: those of the new one in its order, then those removed."""
    has_new_time_servers: bool
    """The NTP servers differ, how often they are asked, or what follows from their answers."""

    @property
    def is_empty(self) -> bool:
        """Nothing needs to be restarted."""
        unchanged = all(change.kind is Change.UNCHANGED for change in self.groups)
        return unchanged and not self.has_new_time_servers

    def of(self, kind: Change) -> tuple[int, ...]:
        """Return the numbers of the groups to which this happened."""
        return tuple(change.group for change in self.groups if change.kind is kind)


def changes(old: Config, new: Config) -> Changes:
    """Compare two configurations; line numbers and the order of groups are no difference."""
    before = {group.id: group for group in old.groups}
    after = {group.id: group for group in new.groups}
    found = [
        _compared(before[group.id], group)
        if group.id in before
        else GroupChange(group.id, Change.ADDED)
        for group in new.groups
    ]
    found += [GroupChange(id_, Change.REMOVED) for id_ in before if id_ not in after]
    return Changes(tuple(found), _clock_settings(old) != _clock_settings(new))


def _clock_settings(config: Config) -> tuple[object, ...]:
    of = config.settings
    return of.ntp_servers, of.ntp_update_every_sec, of.ntp_mode, of.ntp_max_step


def _compared(old: GroupConfig, new: GroupConfig) -> GroupChange:
    if old == new:
        return GroupChange(new.id, Change.UNCHANGED)
    if old.rtu != new.rtu or not _same_places(old.masters, new.masters):
        return GroupChange(new.id, Change.RESTART)
    pairs = zip(old.masters, new.masters, strict=True)
    changed = tuple(after.key for before, after in pairs if before != after)
    return GroupChange(new.id, Change.MASTERS, changed)


def _same_places(old: Sequence[MasterEntry], new: Sequence[MasterEntry]) -> bool:
    """Say whether every master that is in both stands in the same place.

    A renamed master keeps its place, which is its seat in the group, so it alone is restarted.
    One that takes more or fewer seats than before moves all that come after it.
    """
    if [master.seats for master in old] != [master.seats for master in new]:
        return False
    before, after = {m.key for m in old}, {m.key for m in new}
    return all(
        a.key == b.key or (a.key not in after and b.key not in before)
        for a, b in zip(old, new, strict=True)
    )
