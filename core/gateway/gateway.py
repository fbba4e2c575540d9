"""The gateway: all groups, and the few calls a front end may make from any thread."""

import asyncio
import logging
from collections.abc import Collection, Iterable
from concurrent.futures import Future
from typing import Final

from core.config import Change, Config, GroupConfig, MasterEntry, changes
from core.connections.loop import IoThread
from core.connections.resolver import Resolver
from core.feed import Feed, Topic
from core.gateway.hub import Hub
from core.gateway.watches import Watches
from core.logs import LogWriter
from core.status import Counters, EntryStatus, Facts

_log = logging.getLogger("iec104.gateway")

_ORDERLY_END: Final = 2.2
"""Seconds for STOPDT and for the links to close; the rest of the 3 s is for threads."""
_LINKS_END: Final = 0.8


class Gateway:
    """Runs a configuration. ``start`` once, then ``apply``, ``watch`` and ``stop``; ``snapshot``
    and ``facts`` tell how it is.

    ``logs`` must be started by the caller and stopped after the gateway; ``feed`` is what the
    front end polls.
    """

    def __init__(self, config: Config, logs: LogWriter, feed: Feed) -> None:
        self._config = config
        self._wanted = config
        self._logs = logs
        self._feed = feed
        self._io = IoThread()
        self._resolver = Resolver(self._io.loop)
        self._hubs: dict[int, Hub] = {}
        self._watches = Watches(logs, feed, self._io.loop)
        self._applying = asyncio.Lock()
        self._is_stopping = False

    def start(self) -> None:
        """Start the I/O thread and every group."""
        for group in self._config.groups:
            self._hubs[group.id] = self._hub(group)
        self._io.start()
        self._io.call(self._start_all)

    def stop(self) -> bool:
        """End everything in order, within 3 s; whether all of it ended."""
        done: Future[None] = Future()
        self._io.call(self._begin_stop, done)
        try:
            done.result(_ORDERLY_END)
        except TimeoutError:
            _log.warning("not every link could be ended in order")
        return self._io.end(0.5)

    def apply(self, config: Config, restart: Collection[str] = ()) -> None:
        """Run another configuration: exactly what differs is restarted, and who is in ``restart``.

        ``restart`` holds keys of entries; an RTU's key restarts its group. Returns at once.
        """
        self._io.call(self._spawn_apply, config, frozenset(restart))

    def snapshot(self) -> list[tuple[EntryStatus, Counters]]:
        """The state of every entry, in the order of the configuration."""
        found = []
        for hub in list(self._hubs.values()):
            found.append((hub.rtu.journal.status, hub.rtu.journal.counters))
            found += [(e.journal.status, e.journal.counters) for e in list(hub.ends.values())]
        return found

    @property
    def turns(self) -> int:
        """Grows about ten times a second while the I/O thread does its work."""
        return self._io.turns

    def facts(self, key: str) -> Facts | None:
        """What there is to know of the link of an entry; None if there is no such entry."""
        for hub in list(self._hubs.values()):
            found = hub.facts(key)
            if found is not None:
                return found
        return None

    def watch(self, topic: Topic, on: bool) -> None:
        """Let the log of an entry or the traffic of a group go to the feed, or no longer.

        Returns at once. On again while it is on: of a log the tail comes anew, and lines after it;
        of a group nothing changes. It lasts while the configuration has the entry or the group,
        through every ``apply``, and ends with ``stop``. What neither has is not watched.
        """
        self._io.call(self._watch, topic, on)

    # On the I/O thread

    def _watch(self, topic: Topic, on: bool) -> None:
        if self._is_stopping:
            return
        if on:
            self._watches.begin(topic, self._wanted)
        else:
            self._watches.end(topic)
        for id_, hub in self._hubs.items():
            hub.watch(self._watches.tap(id_))

    def _start_all(self) -> None:
        for hub in self._hubs.values():
            hub.start()

    def _hub(self, group: GroupConfig) -> Hub:
        hub = Hub(self._io, self._resolver, group, self._logs, self._feed)
        hub.watch(self._watches.tap(group.id))
        return hub

    def _start_group(self, group: GroupConfig) -> None:
        hub = self._hubs[group.id] = self._hub(group)
        hub.start()

    def _begin_stop(self, done: Future[None]) -> None:
        self._is_stopping = True
        self._io.spawn(self._stop_all(done), "stop")

    async def _stop_all(self, done: Future[None]) -> None:
        try:
            await self._stop_hubs(self._hubs.values())
            await self._links_over()
            self._watches.end_all()
        finally:
            done.set_result(None)

    async def _stop_hubs(self, hubs: Iterable[Hub]) -> None:
        """Each in its own order; an error in one costs no other its orderly end."""
        hubs = list(hubs)
        results = await asyncio.gather(*(hub.stop() for hub in hubs), return_exceptions=True)
        for hub, error in zip(hubs, results, strict=True):
            if isinstance(error, Exception):
                hub.rtu.journal.failed(error)

    async def _links_over(self) -> None:
        until = self._io.loop.time() + _LINKS_END
        while self._io.streams and self._io.loop.time() < until:
            await asyncio.sleep(0.02)
        for stream in list(self._io.streams):
            stream.abort()
        await asyncio.sleep(0)

    def _spawn_apply(self, config: Config, restart: frozenset[str]) -> None:
        if not self._is_stopping:
            self._wanted = config
            self._io.spawn(self._apply(config, restart), "apply")

    async def _apply(self, config: Config, restart: frozenset[str]) -> None:
        async with self._applying:
            difference = changes(self._config, config)
            self._config = config
            groups = {group.id: group for group in config.groups}
            fresh: list[GroupConfig] = []
            ending: list[Hub] = []
            masters: list[tuple[Hub, dict[int, MasterEntry]]] = []
            for change in difference.groups:
                group = groups.get(change.group)
                hub = self._hubs.get(change.group)
                whole = change.kind in (Change.ADDED, Change.REMOVED, Change.RESTART)
                if group is not None and hub is not None:
                    # Another number of seats would move those of the masters that follow.
                    whole |= group.rtu.key in restart or not hub.has_places_for(group.masters)
                if whole:
                    if hub is not None:
                        ending.append(hub)
                    if group is not None:
                        fresh.append(group)
                elif group is not None and hub is not None:
                    keys = restart | set(change.masters)
                    entries = {n: m for n, m in enumerate(group.masters, 1) if m.key in keys}
                    masters.append((hub, entries))
            await self._stop_hubs(ending)
            if self._is_stopping:
                return
            # All are closed before one is opened: they may have exchanged their ports.
            for hub, entries in masters:
                hub.close_masters(entries)
            for hub, entries in masters:
                hub.renew_masters(entries)
            for group in fresh:
                self._start_group(group)
            self._hubs = {id_: self._hubs[id_] for id_ in groups if id_ in self._hubs}
            self._watches.keep(self._wanted)
