"""The command line: arguments over file over defaults, then the gateway, then an exit code."""

import argparse
import gc
import logging
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from app import headless
from app.limits import raise_open_files, too_few_files
from core import __version__
from core.config import Config, Diagnostic, Severity, read
from core.feed import Feed
from core.gateway import Gateway
from core.logs import LogWriter, ProgramLogHandler

_DEFAULT_INI = "iec104mm2ss.csv"
_log = logging.getLogger("iec104.program")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the exit code: 0 ended in order, 1 nothing to run, 2 wrong arguments."""
    options = _parser().parse_args(arguments)
    path = options.ini if options.ini is not None else _default_ini()
    if path is None:
        return _give_up(
            f"no {_DEFAULT_INI} in {Path.cwd()} or {_program_folder()}; name a file: -i"
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        return _give_up(f"{path}: cannot be read: {error.strerror}")
    config, diagnostics = read(data, path.name)
    for diagnostic in diagnostics:
        print(diagnostic, file=sys.stderr)
    if not config.groups:
        return _give_up(f"{path}: no complete group in it, so there is nothing to run")
    folder = options.log_dir if options.log_dir is not None else path.absolute().parent / "log"
    return _run(config, diagnostics, path, folder)


def _run(config: Config, diagnostics: Sequence[Diagnostic], path: Path, folder: Path) -> int:
    feed = Feed()
    logs = LogWriter(folder, problem=feed.message)
    root = logging.getLogger("iec104")
    root.setLevel(logging.INFO)
    handler = ProgramLogHandler(logs)
    root.addHandler(handler)
    logs.start()
    try:
        entries = sum(1 for _ in config.entries)
        _log.info(
            "iec104mm2ss %s started with %s: %d groups, %d entries, logs in %s",
            __version__, path.absolute(), len(config.groups), entries, folder,
        )  # fmt: skip
        for diagnostic in diagnostics:
            level = logging.INFO if diagnostic.severity is Severity.NOTICE else logging.WARNING
            _log.log(level, "%s", diagnostic)
        few = too_few_files(config, raise_open_files())
        if few is not None:
            _log.warning("%s", few)
            print(few, file=sys.stderr)
        stop = threading.Event()
        headless.stop_signals(stop)
        _settle_garbage_collector()
        in_order = headless.run(Gateway(config, logs, feed), feed, stop)
        _log.info("ended%s", "" if in_order else ", but not in order")
    finally:
        root.removeHandler(handler)
        logs.stop(1.0)
    return 0


def _settle_garbage_collector() -> None:
    """Look at what lives as long as the program only once: a full collection costs milliseconds."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="iec104mm2ss",
        description="Lets several IEC 60870-5-104 masters share one connection to each RTU.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "-i", "--ini", type=Path, metavar="FILE",
        help=f"configuration file (default: {_DEFAULT_INI}, here or beside the program)",
    )  # fmt: skip
    parser.add_argument("-n", "--nogui", "-nogui", action="store_true", help="run without a window")
    parser.add_argument(
        "--log-dir", type=Path, metavar="FOLDER",
        help="where the log files go (default: log, beside the configuration file)",
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"iec104mm2ss {__version__}")
    return parser


def _program_folder() -> Path:
    return Path(__file__).resolve().parent.parent


def _default_ini() -> Path | None:
    for folder in (Path.cwd(), _program_folder()):
        for path in sorted(folder.glob("*")):
            if path.name.lower() == _DEFAULT_INI and path.is_file():
                return path
    return None


def _give_up(text: str) -> int:
    print(f"iec104mm2ss: {text}", file=sys.stderr)
    return 1
