"""The demo in the window: the same RTUs, gateway and masters as `demo`, shown as in real use."""

import logging
import shutil
import tempfile
import threading
from collections.abc import Collection
from pathlib import Path

from app import console, headless, start
from app.commands.demo import Demo, build
from app.inifile import IniFile
from core.config import Config
from core.feed import Feed, Topic
from core.gateway import Gateway
from core.logs import LogWriter, ProgramLogHandler
from core.status import Counters, EntryStatus, Facts

_log = logging.getLogger("iec104.program")


class _Core:
    """The gateway, with the masters of the demo started after it and ended before it."""

    def __init__(self, gateway: Gateway, demo: Demo, feed: Feed) -> None:
        self._gateway = gateway
        self._demo = demo
        self._feed = feed

    def start(self) -> None:
        self._gateway.start()
        self._demo.start(self._say)

    def stop(self) -> bool:
        self._demo.stop_masters()
        return self._gateway.stop()

    def apply(self, config: Config, restart: Collection[str] = ()) -> None:
        self._gateway.apply(config, restart)

    def snapshot(self) -> list[tuple[EntryStatus, Counters]]:
        return self._gateway.snapshot()

    def watch(self, topic: Topic, on: bool) -> None:
        self._gateway.watch(topic, on)

    def facts(self, key: str) -> Facts | None:
        return self._gateway.facts(key)

    def _say(self, text: str) -> None:
        _log.info("demo: %s", text.strip())
        self._feed.message(f"Demo: {text.strip()}")


def run(log_dir: Path | None = None, seconds: float | None = None) -> int:
    """Show a demo in a window until that is closed, or for so many seconds; the exit code."""
    stop = threading.Event()
    headless.stop_signals(stop)
    try:
        demo = build()
    except OSError as error:
        console.err(f"iec104mm2ss: the demo cannot start: {error}")
        return 1
    home = Path(tempfile.mkdtemp(prefix="iec104mm2ss-demo-"))
    folder = home / "log" if log_dir is None else log_dir
    # A file of its own, so that saving and reloading can be tried out too.
    path = home / "DEMO.csv"
    path.write_text(demo.text, "utf-8")
    file = IniFile(path, path.read_bytes(), lambda config: config)
    feed = Feed()
    logs = LogWriter(folder, problem=feed.message)
    handler = ProgramLogHandler(logs)
    root = logging.getLogger("iec104")
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    logs.start()
    timer = threading.Timer(seconds or 0, stop.set)
    timer.daemon = True
    if seconds is not None:
        timer.start()
    try:
        _log.info("the demo has started:\n%s", demo.text.rstrip())
        start.run(_Core(Gateway(file.config, logs, feed), demo, feed), feed, file, folder, stop)
    finally:
        timer.cancel()
        demo.stop_rtus()
        root.removeHandler(handler)
        logs.stop(0.6)
        shutil.rmtree(home, ignore_errors=True)
    return 0
