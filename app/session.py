"""What the window shows and how it acts on the core; no Tk.

It polls the feed, keeps the newest state of every entry, makes rates of counters, and knows who
looks at which log. Everything here runs in the front end's thread.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from app.formats import plural
from app.forms import with_entry
from app.inifile import IniFile
from app.meters import Meters
from app.rows import Counts, counts, look_of, tally
from core.config import Change, Config, Entry, GroupConfig, RtuEntry, Settings, changes
from core.feed import Drained, Feed, Frame, LogLine, LogOf, LogTail, Topic, TrafficOf
from core.status import ClockStatus, Counters, EntryStatus, Facts

TICK_SECONDS: Final = 0.008
SAMPLE_EVERY: Final = 1.0
"""Seconds between two looks at the counters."""
_LONGEST_PATH: Final = 60
PROGRAM_LOG: Final = "#program"
SECURITY_LOG: Final = "#security"
"""Keys of `core.logs`, whose room is not ours."""


class Core(Protocol):
    """What the window asks of the gateway."""

    def start(self) -> None: ...
    def stop(self) -> bool: ...
    def apply(self, config: Config, restart: Collection[str] = ()) -> None: ...
    def snapshot(self) -> list[tuple[EntryStatus, Counters]]: ...
    def watch(self, topic: Topic, on: bool) -> None: ...
    def facts(self, key: str) -> Facts | None: ...


class LogSink(Protocol):
    """A view of a log."""

    def take_tail(self, tail: LogTail, folder: Path) -> None: ...
    def take_lines(self, lines: Sequence[LogLine]) -> None: ...
    def take_skipped(self, count: int) -> None: ...


@dataclass(slots=True)
class Tick:
    """What one poll brought."""

    until: float = float("inf")
    """When (of `perf_counter`) this tick has taken long enough; the rest waits for the next."""
    states_changed: bool = False
    """The state of an entry differs from before."""
    sampled: bool = False
    """A second has passed: curves and facts may differ."""
    rates_changed: bool = False
    """So may rates."""
    clock: ClockStatus | None = None
    messages: Sequence[str] = ()
    frames: Sequence[Frame] = ()
    skipped_frames: int = 0

    @property
    def is_quiet(self) -> bool:
        """Nothing came."""
        has_news = self.states_changed or self.sampled or self.clock is not None
        return not (has_news or self.messages or self.frames)


class Session:
    """The state of the front end, apart from its widgets."""

    def __init__(
        self, core: Core, feed: Feed, file: IniFile, *, log_folder: Path, started_at: datetime,
        monotonic: Callable[[], float] = time.monotonic,
        settings_changed: Callable[[Settings], None] = lambda settings: None,
    ) -> None:  # fmt: skip
        self._core = core
        self._feed = feed
        self.file = file
        self.log_folder = log_folder
        self.started_at = started_at
        self._monotonic = monotonic
        self._settings_changed = settings_changed
        self._begun = monotonic()
        self._next_sample = self._begun
        self.statuses: dict[str, EntryStatus] = {}
        self.counters: dict[str, Counters] = {}
        self.meters = Meters()
        self.clock: ClockStatus | None = None
        self.messages: list[str] = []
        self._sinks: dict[str, list[LogSink]] = {}
        self._without_tail: list[tuple[str, LogSink]] = []
        """Views that wait for the end of their log; until then no line is for them."""
        self._watched_group: int | None = None
        self._take_config(file.config)

    # What runs

    def _take_config(self, config: Config) -> None:
        self.config = config
        self._counts: Counts | None = None
        self.entries: dict[str, Entry] = {entry.key: entry for entry in config.entries}
        self.groups: dict[int, GroupConfig] = {group.id: group for group in config.groups}
        self.labels = {key: entry.label for key, entry in self.entries.items()}
        for gone in self.statuses.keys() - self.entries.keys():
            del self.statuses[gone]
        self._tally = tally(self.entries.values(), self.statuses)

    def start(self) -> None:
        """Start the gateway."""
        self._core.start()

    def stop(self) -> bool:
        """Stop it; whether everything ended in order."""
        return self._core.stop()

    def short(self, path: Path) -> str:
        """A path as it is shown: from the ini file's folder if it is in there, else its end."""
        home = self.file.path.absolute().parent
        if path.is_relative_to(home):
            return str(path.relative_to(home))
        text, parts = str(path), list(path.parts)
        while len(parts) > 2 and len(text) > _LONGEST_PATH:
            del parts[0]
            text = str(Path("…", *parts))
        return text

    @property
    def uptime(self) -> float:
        """Seconds since the start."""
        return self._monotonic() - self._begun

    @property
    def has_links(self) -> bool:
        """Whether any connection is up."""
        return any(status.peer for status in self.statuses.values())

    def counts(self) -> Counts:
        """The summary."""
        if self._counts is None:
            self._counts = counts(self._tally)
        return self._counts

    def symbol(self, key: str) -> str:
        """The symbol of an entry's state."""
        status = self.statuses.get(key)
        return look_of(status.state if status else None).symbol

    def facts(self, key: str) -> Facts | None:
        """What there is to know of an entry's link now."""
        return self._core.facts(key)

    # Acting

    def edit(self, new: Entry) -> str:
        """Run an entry with other values; the key it has from now on."""
        config, key = with_entry(self.config, new)
        self._take_config(config)
        self._core.apply(config, (key,))
        return key

    def restart(self, key: str) -> None:
        """Restart an entry as it is; an RTU's restarts its group."""
        self._core.apply(self.config, (key,))

    def masters_connected(self, group: int) -> int:
        """How many masters of a group would be dropped with their RTU."""
        keys = (master.key for master in self.groups[group].masters)
        return sum(1 for key in keys if key in self.statuses and self.statuses[key].peer)

    @property
    def unsaved(self) -> list[Entry]:
        """Entries that run otherwise than the file says."""
        in_file = {(e.line, isinstance(e, RtuEntry)): e for e in self.file.config.entries}
        return [
            entry
            for entry in self.entries.values()
            if in_file.get((entry.line, isinstance(entry, RtuEntry))) != entry
        ]

    def take_file(self, file: IniFile) -> None:
        """Run what a file says; only what differs is restarted."""
        self.file = file
        self._take_config(file.config)
        self._core.apply(file.config)
        self._settings_changed(file.config.settings)

    # Watching

    def watch_log(self, key: str, sink: LogSink) -> None:
        """Let a view have a log: its end, then every further line.

        Several views of one log share one watch; who looks already is not disturbed.
        """
        sinks = self._sinks.setdefault(key, [])
        if sink not in sinks:
            sinks.append(sink)
        if (key, sink) not in self._without_tail:
            self._without_tail.append((key, sink))
        self._core.watch(LogOf(key), True)

    def unwatch_log(self, key: str, sink: LogSink) -> None:
        """End that."""
        sinks = self._sinks.get(key, [])
        if sink in sinks:
            sinks.remove(sink)
        if (key, sink) in self._without_tail:
            self._without_tail.remove((key, sink))
        if not sinks and self._sinks.pop(key, None) is not None:
            self._core.watch(LogOf(key), False)

    def watch_traffic(self, group: int | None) -> None:
        """Let the frames of this group come, and of no other."""
        if group == self._watched_group:
            return
        if self._watched_group is not None:
            self._core.watch(TrafficOf(self._watched_group), False)
        self._watched_group = group
        if group is not None:
            self._core.watch(TrafficOf(group), True)

    @property
    def watched_group(self) -> int | None:
        """The group whose frames come."""
        return self._watched_group

    # Polling

    def poll(self) -> Tick:
        """Take what came since the last poll."""
        until = time.perf_counter() + TICK_SECONDS
        drained = self._feed.drain()
        tick = Tick(until, messages=drained.messages, skipped_frames=drained.skipped_frames)
        for status in drained.statuses:
            if status.key in self.entries:
                self._take_status(status)
                tick.states_changed = True
        if drained.clock is not None:
            self.clock = tick.clock = drained.clock
        if drained.messages:
            self.messages += drained.messages
            if drained.skipped:
                self.messages.append(f"{plural(drained.skipped, 'message')} came too fast.")
            del self.messages[:-1000]
        group = self._watched_group
        if drained.frames:
            tick.frames = [frame for frame in drained.frames if frame.group == group]
        self._hand_out(drained)
        now = self._monotonic()
        if now >= self._next_sample:
            self._next_sample = now + SAMPLE_EVERY
            self._sample(tick)
        return tick

    def _take_status(self, status: EntryStatus) -> None:
        is_rtu = isinstance(self.entries[status.key], RtuEntry)
        before = self.statuses.get(status.key)
        self._tally[is_rtu, before.state if before else None] -= 1
        self._tally[is_rtu, status.state] += 1
        self.statuses[status.key] = status
        self._counts = None

    def _hand_out(self, drained: Drained) -> None:
        if drained.skipped_logs:
            for sinks in self._sinks.values():
                for sink in sinks:
                    sink.take_skipped(drained.skipped_logs)
        batch: list[LogLine] = []
        for item in drained.logs:
            if batch and (isinstance(item, LogTail) or item.entry != batch[0].entry):
                self._give(batch)
                batch = []
            if isinstance(item, LogTail):
                self._give_tail(item)
            else:
                batch.append(item)
        if batch:
            self._give(batch)

    def _give_tail(self, tail: LogTail) -> None:
        """To those who wait for it; an end nobody has asked for replaces what all of them show."""
        sinks = list(self._sinks.get(tail.entry, ()))
        waiting = [sink for sink in sinks if (tail.entry, sink) in self._without_tail]
        for sink in waiting or sinks:
            if waiting:
                self._without_tail.remove((tail.entry, sink))
            sink.take_tail(tail, self.log_folder)

    def _give(self, batch: Sequence[LogLine]) -> None:
        key = batch[0].entry
        for sink in list(self._sinks.get(key, ())):
            if (key, sink) not in self._without_tail:
                sink.take_lines(batch)

    def _sample(self, tick: Tick) -> None:
        found = self._core.snapshot()
        entries = self.entries
        self.counters = {status.key: each for status, each in found if status.key in entries}
        tick.rates_changed = self.meters.take(
            (key, each.asdus_in, each.asdus_out) for key, each in self.counters.items()
        )
        tick.sampled = True


def reload_text(old: Config, new: Config) -> str:
    """What a reload would do, in words; "" if it would do nothing."""
    found = changes(old, new)
    named = {
        Change.ADDED: "added",
        Change.REMOVED: "removed",
        Change.RESTART: "restarted",
    }
    parts = []
    for kind, word in named.items():
        groups = found.of(kind)
        if groups:
            numbers = ", ".join(map(str, groups[:6])) + (" .." if len(groups) > 6 else "")
            parts.append(f"{'group' if len(groups) == 1 else 'groups'} {numbers} {word}")
    masters = [key for change in found.groups for key in change.masters]
    if masters:
        names = ", ".join(key.partition("/")[2] for key in masters[:4])
        more = f" and {len(masters) - 4} more" if len(masters) > 4 else ""
        parts.append(f"{names}{more} restarted")
    if found.has_new_time_servers:
        parts.append("other time servers")
    return "; ".join(parts)
