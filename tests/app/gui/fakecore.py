"""A gateway that only says what it is told to say: for pictures, and for tests without sockets."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from app.inifile import IniFile
from core.config import Config, Entry
from core.feed import Feed, Frame, LogOf, LogTail, Topic, TrafficOf
from core.logs import Level, LogLine
from core.status import Counters, EntryStatus, Facts, MasterState, RtuState, State


class FakeCore:
    """Keeps what it is asked; says what a test puts."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.statuses: dict[str, EntryStatus] = {}
        self.counters: dict[str, Counters] = {}
        self.facts_of: dict[str, Facts] = {}
        self.logs: dict[str, list[str]] = {}
        self.sizes: dict[str, int] = {}
        self.watched: set[Topic] = set()
        self.applied: list[tuple[Config, tuple[str, ...]]] = []
        self.calls: list[str] = []
        self._config: Config | None = None
        self._entries: dict[str, Entry] = {}

    # what the window asks for

    def start(self) -> None:
        self.calls.append("start")

    def stop(self) -> bool:
        self.calls.append("stop")
        return True

    def apply(self, config: Config, restart: Collection[str] = ()) -> None:
        self.applied.append((config, tuple(restart)))
        keys = {entry.key for entry in config.entries}
        for gone in self.statuses.keys() - keys:
            del self.statuses[gone]
            self.counters.pop(gone, None)
        for entry in config.entries:
            if entry.key not in self.statuses:
                is_rtu = entry.label.startswith("S/")
                self.put(entry.key, RtuState.CONNECTING if is_rtu else MasterState.HELD, config)

    def snapshot(self) -> list[tuple[EntryStatus, Counters]]:
        return [
            (status, self.counters.setdefault(key, Counters()))
            for key, status in self.statuses.items()
        ]

    def watch(self, topic: Topic, on: bool) -> None:
        if not on:
            self.watched.discard(topic)
            self.feed.forget(topic)
            return
        self.watched.add(topic)
        if isinstance(topic, LogOf):
            lines = tuple(self.logs.get(topic.entry, ()))
            name = topic.entry.partition("/")[2].replace("/", "-") or "iec104mm2ss"
            octets = self.sizes.get(topic.entry, sum(len(line) + 1 for line in lines))
            self.feed.put_log(LogTail(topic.entry, lines, f"{name}.txt", octets))

    def facts(self, key: str) -> Facts | None:
        return self.facts_of.get(key)

    # what a test says

    def put(
        self, key: str, state: State, config: Config, detail: str = "", peer: str = "",
        at: datetime | None = None,
    ) -> None:  # fmt: skip
        if config is not self._config:
            self._config, self._entries = config, {each.key: each for each in config.entries}
        entry = self._entries[key]
        status = EntryStatus(key, entry.group, entry.label, state, detail, peer, at)
        self.statuses[key] = status
        self.feed.put_status(status)

    def log(
        self, key: str, text: str, level: Level = Level.INFO, at: datetime | None = None
    ) -> None:
        line = LogLine(key, at or datetime.now().astimezone(), level, text)
        self.logs.setdefault(key, []).append(str(line))
        if LogOf(key) in self.watched:
            self.feed.put_log(line)

    def frames(self, frames: Sequence[Frame]) -> None:
        self.feed.put_frames(f for f in frames if TrafficOf(f.group) in self.watched)


def ini(path: Path, text: str) -> IniFile:
    """A configuration file on disk."""
    path.write_text(text, "utf-8")
    return IniFile(path, path.read_bytes(), lambda config: config)


def many(groups: int, masters: int) -> str:
    """A file of so many groups."""
    rows = ["# id,sys name,port no,rtu no,master,hosts"]
    port = 10000
    for number in range(1, groups + 1):
        rows.append(f"{number},STATION-{number},,{number},N,192.0.2.1:2404")
        for master in range(1, masters + 1):
            rows.append(f"{number},SCADA-{master},{port},{number},Y,192.0.2.0/24")
            port += 1
    return "\n".join(rows) + "\n"


def later(start: datetime, seconds: float) -> datetime:
    return start + timedelta(seconds=seconds)
