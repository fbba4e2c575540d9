"""The program: arguments over file over defaults, then the gateway, then an exit code."""

import gc
import importlib.util
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app import arguments, assets, console, headless, service, start, winapi
from app.arguments import DEFAULT_INI, Arguments, ServiceAct
from app.commands import COMMANDS
from app.inifile import IniFile
from app.instance import AlreadyRunningError, claim
from app.limits import raise_open_files, too_few_files, unwritable_logs
from core import __version__
from core.clock import system_clock
from core.config import Config, Diagnostic, Reading, Severity
from core.feed import Feed
from core.gateway import Gateway
from core.logs import LogWriter, ProgramLogHandler
from core.ntp import Report, TimeKeeper
from core.status import ClockSeverity, ClockStatus

_log = logging.getLogger("iec104.program")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; the exit code: 0 ended in order, 1 nothing to run, 2 wrong arguments.

    With `--check` 0 is a clean file, 1 one with warnings (or none at all), 2 one with errors.
    A command in first place has exit codes of its own.
    """
    given = sys.argv[1:] if argv is None else argv
    console.prepare()
    try:
        if given and given[0] in COMMANDS:
            return COMMANDS[given[0]].run(given[1:])
        parsed = arguments.parse(given)
        return _main(parsed) if parsed.service is None else _service(parsed)
    finally:
        console.finish()


@dataclass(frozen=True, slots=True)
class _Frame:
    """Who ends the program, and who is told that it is at work, where that is not this process."""

    stop: threading.Event
    at_work: Callable[[], None]


def _service(given: Arguments) -> int:
    if sys.platform != "win32":
        console.err(f"iec104mm2ss: {service.ELSEWHERE}")
        return 2
    manager = winapi.Services()
    if given.service is ServiceAct.REMOVE:
        return service.remove(given.service_name, manager)
    if given.service is ServiceAct.RUN:
        return service.run(lambda stop, at_work: _main(given, _Frame(stop, at_work)), manager)
    file = _read(given)
    if file is None:
        return 1
    return service.install(given.service_name, file.path, given.log_dir, manager)


def _main(given: Arguments, frame: _Frame | None = None) -> int:
    if given.is_demo:
        # Only then: it brings in simulator and client. Without a display it speaks to a terminal.
        if given.nogui or start.objection() is not None:
            from app.commands import demo

            return demo.run(given.log_dir, given.demo_seconds)
        from app.commands import demo_window

        return demo_window.run(given.log_dir, given.demo_seconds)
    file = _read(given)
    if file is None:
        return 1
    if given.is_check:
        return _check(file.reading, file.path)
    folder = given.log_dir if given.log_dir is not None else file.path.absolute().parent / "log"
    try:
        with claim(file.path, folder):
            return _run(file, folder, frame)
    except AlreadyRunningError as running:
        process = f" (process {running})" if str(running) else ""
        console.err(
            f"iec104mm2ss: already running with {file.path.absolute()}{process}, logs in {folder}"
        )
        return 1


def _read(given: Arguments) -> IniFile | None:
    """The file to run or to check; None if there is none to run, which has been said."""
    path = given.ini if given.ini is not None else _default_ini()
    if path is None:
        places = f"{_working_folder()} or {assets.program_folder()}"
        console.err(f"iec104mm2ss: no {DEFAULT_INI} in {places}; name one: -i FILE")
        return None
    try:
        data = path.read_bytes()
    except OSError as error:
        console.err(f"iec104mm2ss: {path}: cannot be read: {error.strerror}")
        return None
    file = IniFile(path, data, given.over)
    if given.is_check:
        return file
    console.err(*map(str, file.reading.diagnostics))
    return file if file.config.groups else None  # without any the reading has said so


def _check(reading: Reading, path: Path) -> int:
    groups = reading.config.groups
    entries = sum(1 for _ in reading.config.entries)
    console.out([str(path.absolute()), *map(str, reading.rows)])
    console.out(f"{found.severity}: {found}" for found in reading.diagnostics)
    console.out([f"{len(groups)} groups with {entries} entries"])
    if not groups or reading.worst is Severity.ERROR:
        return 2
    return 1 if reading.worst is Severity.WARNING else 0


def _run(file: IniFile, folder: Path, frame: _Frame | None) -> int:
    config = file.config
    has_window = not config.settings.nogui and frame is None
    if has_window and (objection := start.objection()) is not None:
        console.err(f"iec104mm2ss: {objection}")
        return 1
    feed = Feed()
    logs = LogWriter(folder, problem=feed.message)
    root = logging.getLogger("iec104")
    root.setLevel(logging.INFO)
    handler = ProgramLogHandler(logs)
    root.addHandler(handler)
    logs.start()
    try:
        _say_start(config, file.reading.diagnostics, file.path, folder)
        if frame is None:
            stop = threading.Event()
            headless.stop_signals(stop)
        else:
            stop = frame.stop
            frame.at_work()
        console.at_work()
        if not has_window:  # rows and remarks of hundreds of stations: a window alone needs them
            file.forget()
        _settle_garbage_collector()
        gateway = Gateway(config, logs, feed)
        with _time_keeper(config, feed) as keeper:
            if has_window:
                in_order = start.run(gateway, feed, file, folder, stop, keeper.apply)
            else:
                in_order = headless.run(gateway, feed, stop)
        _log.info("ended%s", "" if in_order else ", but not in order")
    finally:
        root.removeHandler(handler)
        logs.stop(0.6)
    return 0


def _say_start(config: Config, diagnostics: Sequence[Diagnostic], path: Path, folder: Path) -> None:
    entries = sum(1 for _ in config.entries)
    start = (
        f"iec104mm2ss {__version__} started with {path.absolute()}: {len(config.groups)} groups, "
        f"{entries} entries, logs in {folder}"
    )
    _log.info("%s", start)
    if console.is_terminal():
        console.out([start])
    for diagnostic in diagnostics:
        level = logging.INFO if diagnostic.severity is Severity.NOTICE else logging.WARNING
        _log.log(level, "%s", diagnostic)
    too_few = too_few_files(config, raise_open_files())
    for text in (unwritable_logs(folder), too_few, _without_clock(config)):
        if text is not None:
            _log.warning("%s", text)
            console.err(text)


def _without_clock(config: Config) -> str | None:
    if not config.settings.ntp_servers:
        return None
    if importlib.util.find_spec("ntplib") is None:
        return "the package ntplib is not installed, so no time server is asked; the rest runs"
    return None


def _time_keeper(config: Config, feed: Feed) -> TimeKeeper:
    """Whoever applies another configuration tells it too: ``apply(config.settings)``."""

    def show(report: Report) -> None:
        severity = ClockSeverity(report.severity)
        feed.put_clock(ClockStatus(report.text, severity, report.tooltip, report.news))

    return TimeKeeper(config.settings, system_clock(), show)


def _settle_garbage_collector() -> None:
    """Look at what lives as long as the program only once: a full collection costs milliseconds."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _working_folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # it has been removed
        return "the working folder"


def _default_ini() -> Path | None:
    """In the working folder, then beside the program; in any letter case, the exact one first.

    An executable looks beside itself first: whoever starts it by a click chose no working folder.
    """
    places = [Path(), assets.program_folder()]
    for folder in reversed(places) if assets.is_frozen() else places:
        try:
            names = sorted(folder.iterdir(), key=lambda path: (path.name != DEFAULT_INI, path))
        except OSError:  # the working folder may have been removed
            continue
        for path in names:
            if path.name.lower() == DEFAULT_INI and path.is_file():
                return path
    return None
