"""The whole gateway on the virtual loop, in this thread."""

import gc
import logging
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.config import Config, read
from core.connections.stream import Stream
from core.feed import Feed, TrafficOf
from core.gateway import Gateway
from core.gateway.hub import Hub
from core.gateway.master import MasterEnd
from core.gateway.port import Port
from core.gateway.rtu import RtuEnd
from core.logs import LogLine as Line
from core.logs import LogWriter
from tests.reliability.plant import LogLine
from tests.reliability.virtual import START, VirtualNet
from tests.support.gateway import Row

_BIRTH = datetime(2026, 1, 1, tzinfo=UTC)


class _Logs(LogWriter):
    """Hands every line on; its thread is never started."""

    def __init__(self, net: VirtualNet) -> None:
        super().__init__(
            Path("never-made"),
            now=lambda: _BIRTH + timedelta(seconds=net.now() - START),
            monotonic=net.now,
        )
        self.net = net
        self.labels: dict[str, str] = {}
        self.kept: list[LogLine] = []

    def register(self, entry_key: str, label: str, group: int) -> str:
        self.labels[entry_key] = label
        return super().register(entry_key, label, group)

    def put(self, line: Line) -> None:
        label = self.labels.get(line.entry)
        if label is not None:
            self.kept.append(LogLine(self.net.now(), label, line.text))


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.kept: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(logging.Formatter("%(name)s: %(message)s").format(record))


class VirtualHost:
    """A gateway that can be killed and started again. Use it inside `net.in_place()`."""

    def __init__(self, net: VirtualNet) -> None:
        self.net = net
        self.logs = _Logs(net)
        self.gateway: Gateway | None = None
        self._settings: Sequence[str] = ()
        self._errors = _Errors()
        self._loggers = [logging.getLogger("iec104"), logging.getLogger("asyncio")]
        for logger in self._loggers:
            logger.addHandler(self._errors)

    def close(self) -> None:
        for logger in self._loggers:
            logger.removeHandler(self._errors)
        self.net.loop.close()

    def start(self, rows: Sequence[Row], settings: Sequence[str]) -> None:
        self._settings = settings
        self.feed = Feed()
        self.gateway = gateway = Gateway(self._config(rows), self.logs, self.feed)
        io = gateway._io
        io.start = lambda: None  # type: ignore[method-assign]
        self.net.loop.call_soon(io._tick)
        gateway.start()

    def _config(self, rows: Sequence[Row]) -> Config:
        text = "\n".join([*self._settings, *map(str, rows)])
        config, diagnostics = read(text.encode(), "virtual.csv")
        errors = [str(each) for each in diagnostics if each.severity == "error"]
        assert not errors, errors
        return config

    def apply(self, rows: Sequence[Row], restart: Sequence[str] = ()) -> None:
        assert self.gateway is not None
        config = self._config(rows)
        keys = [entry.key for entry in config.entries if entry.label in restart]
        self.gateway.apply(config, keys)

    def watch(self, group: int, on: bool) -> None:
        assert self.gateway is not None
        self.gateway.watch(TrafficOf(group), on)
        self.feed.drain()

    def kill(self) -> None:
        # The system closes what the process had; what it still does after that reaches nobody.
        assert self.gateway is not None
        self.net.sever()
        self.logs.kept.append(LogLine(self.net.now(), "", "killed"))
        silent = _Logs(self.net)
        for hub in self.gateway._hubs.values():
            for end in hub._all_ends():
                end.journal._logs = silent
        self._end(self.gateway)

    def stop(self) -> None:
        assert self.gateway is not None
        done = self._end(self.gateway)
        for _ in range(40):
            if done.done():
                break
            self.net.run(0.1)
        assert done.done(), "the gateway did not end in time"
        io = self.gateway._io
        for task in io._tasks:
            task.cancel()
        self.net.run(0.1)

    def _end(self, gateway: Gateway) -> "Future[None]":
        done: Future[None] = Future()
        io = gateway._io
        io.call(gateway._begin_stop, done)
        io.call(setattr, io, "_tick", lambda: None)
        return done

    def census(self) -> Counter[str]:
        """How many of what comes and goes with connections and entries there are in memory."""
        gc.collect()
        kinds = (Hub, RtuEnd, MasterEnd, Stream, Port)
        found = [each for each in gc.get_objects() if isinstance(each, kinds)]
        return Counter(type(each).__name__ for each in found if each._io.loop is self.net.loop)

    def log(self) -> Sequence[LogLine]:
        lines, self.logs.kept = self.logs.kept, []
        return [line for line in lines if line.label]

    def errors(self) -> Sequence[str]:
        errors, self._errors.kept = self._errors.kept, []
        return errors
