"""A service of Windows: installing, removing and being one. Several may stand side by side by name.

What Windows itself does is behind `winapi.ServiceManager`, so that all here is tested everywhere.
"""

import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

from app import console, winapi
from app.winapi import ServiceManager

DEFAULT_NAME: Final = "iec104mm2ss"
ELSEWHERE: Final = (
    "services of Windows only; on Linux a systemd unit does this: iec104mm2ss.service, or "
    "iec104mm2ss@NAME.service for each of several"
)
_TITLE: Final = "IEC 104 gateway"
_TEXT: Final = "Lets several IEC 60870-5-104 masters share one connection to each RTU."
_LOADED_WITHIN: Final = 30.0
_ENDED_WITHIN: Final = 10.0
_PATIENCE: Final = 5.0

_WORDS: Final = {
    winapi.ACCESS_DENIED: "access is denied: run it as administrator",
    1051: "other services that run depend on it: stop them first",
    1060: "there is no service of that name",
    1072: "it is being removed: close the services window and try again",
    1073: "a service of that name exists: remove it first, or choose another one with --name",
    1078: "another service is shown under that name: choose another one with --name",
}

Work = Callable[[threading.Event, Callable[[], None]], int]
"""What runs as a service: until the event is set, saying by the call when it is at work."""


def bad_name(name: str) -> str | None:
    """Why no service can have this name; None if one can."""
    if not 1 <= len(name) <= 80 or not name.isprintable() or set(name) & set("/\\"):
        return "is no name for a service: 1 to 80 characters without / and \\"
    return None


def command(ini: Path, log_dir: Path | None) -> str | None:
    """The command line a service is started with, all paths absolute; None if none would run.

    The working folder of a service is the system's, so the file is always named.
    """
    program = _program()
    if program is None:
        return None
    parts = [*program, "--service", "-i", str(ini.absolute())]
    if log_dir is not None:
        parts += ["--log-dir", str(log_dir.absolute())]
    return subprocess.list2cmdline(parts)


def _program() -> list[str] | None:
    if getattr(sys, "frozen", False):
        return [sys.executable]
    script = Path(__file__).resolve().parent.parent / "iec104mm2ss.py"
    # That of a virtual environment starts another process, which the service manager does not know.
    python = str(getattr(sys, "_base_executable", None) or sys.executable)
    return [python, str(script)] if script.is_file() else None


def install(name: str, ini: Path, log_dir: Path | None, manager: ServiceManager) -> int:
    """Enter a service that runs a file; the exit code."""
    line = command(ini, log_dir)
    if line is None:
        return _refuse(
            name, "installed", "this needs the packaged program or a checkout with iec104mm2ss.py"
        )
    title = _TITLE if name == DEFAULT_NAME else f"{_TITLE} ({name})"
    error = manager.create(name, title, _TEXT, line)
    if error:
        return _refuse(name, "installed", _words(error))
    console.out([
        f"service {name} installed: {line}",
        f"it starts with Windows; to start it now: net start {_quoted(name)}",
    ])  # fmt: skip
    if not getattr(sys, "frozen", False) and sys.prefix != sys.base_prefix:
        console.out(["it runs outside the virtual environment: ntplib must be installed there too"])
    return 0


def remove(name: str, manager: ServiceManager) -> int:
    """Stop and remove a service; the exit code."""
    error = manager.delete(name)
    if error:
        return _refuse(name, "removed", _words(error))
    console.out([f"service {name} removed"])
    return 0


def run(work: Work, manager: ServiceManager) -> int:
    """Be the service that the manager has started this process for; the exit code."""
    service = _Service(work, manager)
    return service.run()


class _Service:
    def __init__(self, work: Work, manager: ServiceManager) -> None:
        self._work = work
        self._manager = manager
        self._name = ""
        self._error = 0
        self._answered = threading.Event()
        self._stop = threading.Event()
        self._over = threading.Event()

    def run(self) -> int:
        # The dispatcher takes a thread for good, and ours is the one that may have signals and Tk.
        thread = threading.Thread(target=self._connect, name="service manager", daemon=True)
        thread.start()
        self._answered.wait()
        if self._error:
            return self._not_started()
        console.keep(lambda text: self._manager.log_error(self._name, text))
        try:
            code = self._work(self._stop, self._running)
        except Exception:
            # Without a last report: a service that broke down is started again.
            self._manager.log_error(self._name, traceback.format_exc())
            raise
        self._manager.report(winapi.STOPPED, exit_code=code)
        self._over.set()
        thread.join(_PATIENCE)
        return code

    def _connect(self) -> None:
        self._error = self._manager.connect(self._begun, self._control)
        self._answered.set()

    def _begun(self, name: str) -> None:
        self._name = name
        self._manager.report(winapi.START_PENDING, hint=_LOADED_WITHIN)
        self._answered.set()
        self._over.wait()

    def _control(self, number: int) -> None:
        if number in (winapi.CONTROL_STOP, winapi.CONTROL_SHUTDOWN):
            self._manager.report(winapi.STOP_PENDING, hint=_ENDED_WITHIN)
            self._stop.set()

    def _running(self) -> None:
        self._manager.report(winapi.RUNNING)

    def _not_started(self) -> int:
        if self._error == winapi.NOT_FROM_SERVICE_MANAGER:
            console.err(
                "iec104mm2ss: --service is for the service manager of Windows, which did not start "
                "this; --install-service makes a service, -n runs without a window"
            )
        else:
            console.err(f"iec104mm2ss: no connection to the service manager: {_words(self._error)}")
        return 2


def _refuse(name: str, what: str, why: str) -> int:
    console.err(f"iec104mm2ss: service {name} cannot be {what}: {why}")
    return 1


def _words(error: int) -> str:
    return _WORDS.get(error) or f"Windows error {error}"


def _quoted(name: str) -> str:
    return subprocess.list2cmdline([name])
