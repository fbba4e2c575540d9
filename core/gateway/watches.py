"""What a front end watches: logs and traffic, through every change of the configuration."""

import asyncio
from collections.abc import Sequence

from core.config import Config
from core.feed import Feed, LogOf, LogTail, Topic, TrafficOf
from core.gateway.tap import GroupTap
from core.logs import PROGRAM_LOG, SECURITY_LOG, LogLine, LogWriter


class _LogSink:
    """Hands a log on to the feed; called by the writer's thread."""

    def __init__(self, entry: str, feed: Feed) -> None:
        self.is_on = True
        self._entry = entry
        self._feed = feed

    def tail(self, lines: Sequence[str], file_name: str, size_octets: int) -> None:
        if self.is_on:
            self._feed.put_log(LogTail(self._entry, tuple(lines), file_name, size_octets))

    def line(self, line: LogLine) -> None:
        if self.is_on:
            self._feed.put_log(line)


class Watches:
    """Belongs to the gateway; I/O thread only."""

    def __init__(self, logs: LogWriter, feed: Feed, loop: asyncio.AbstractEventLoop) -> None:
        self._logs = logs
        self._feed = feed
        self._loop = loop
        self._sinks: dict[str, _LogSink] = {}
        self._taps: dict[int, GroupTap] = {}
        self._numbers: dict[int, int] = {}  # a group's frames go on counting in its next watch

    def begin(self, topic: Topic, config: Config) -> None:
        """Watch it if the configuration has it."""
        match topic:
            case LogOf(key):
                entry = next((each for each in config.entries if each.key == key), None)
                if entry is not None:  # perhaps so new that it does not run yet
                    self._logs.register(key, entry.label, entry.group)
                elif key not in (PROGRAM_LOG, SECURITY_LOG):
                    return
                sink = self._sinks.setdefault(key, _LogSink(key, self._feed))
                self._logs.watch(key, sink)
            case TrafficOf(group):
                tap = self._taps.get(group)
                if tap is not None and tap.is_on:
                    return
                if any(each.id == group for each in config.groups):
                    first = self._numbers.get(group, 0) if tap is None else tap.number
                    self._taps[group] = GroupTap(
                        group, self._feed, self._logs.now, self._loop.call_soon, first
                    )

    def end(self, topic: Topic) -> None:
        """Watch it no longer; what the front end has not taken yet is dropped."""
        match topic:
            case LogOf(key):
                sink = self._sinks.pop(key, None)
                if sink is not None:
                    sink.is_on = False
                    self._logs.unwatch(key, sink)
            case TrafficOf(group):
                tap = self._taps.pop(group, None)
                if tap is not None:
                    tap.end()
                    self._numbers[group] = tap.number
        self._feed.forget(topic)

    def keep(self, config: Config) -> None:
        """End what the configuration does not have."""
        keys = {PROGRAM_LOG, SECURITY_LOG, *(entry.key for entry in config.entries)}
        for key in self._sinks.keys() - keys:
            self.end(LogOf(key))
        for group in self._taps.keys() - {group.id for group in config.groups}:
            self.end(TrafficOf(group))

    def tap(self, group: int) -> GroupTap | None:
        """The tap of a group, while it is watched."""
        return self._taps.get(group)

    def end_all(self) -> None:
        """The gateway ends; what was seen until now may still be taken."""
        for key, sink in self._sinks.items():
            self._logs.unwatch(key, sink)
        for tap in self._taps.values():
            tap.hand_over()
            tap.end()
        self._sinks.clear()
        self._taps.clear()
