"""Asking a program to end in order: a signal, or what Windows has in its place.

Windows sends Ctrl+Break to the group of a process, through the console both share. A test run that
was started without a console gets one, hidden, for as long as it lasts.
"""

import atexit
import signal
import subprocess
import sys
from typing import Any

from tests.support.windows import UNDER_WINE

START: dict[str, Any] = {}
"""What `subprocess.Popen` needs besides, for :func:`ask_to_end` to reach that program alone."""

if sys.platform == "win32":
    import ctypes

    START["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP
    _kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    # wine delivers no Ctrl+Break, but a Ctrl+C to a group, which Windows in turn does not.
    _EVENT = signal.CTRL_C_EVENT if UNDER_WINE else signal.CTRL_BREAK_EVENT

    def _share_a_console() -> None:
        if _kernel.GetConsoleWindow():
            return
        _kernel.FreeConsole()  # wine: the one of a terminal that is none
        if not _kernel.AllocConsole():
            raise OSError(f"no console: Windows error {ctypes.get_last_error()}")
        ctypes.WinDLL("user32").ShowWindow(_kernel.GetConsoleWindow(), 0)
        atexit.register(_kernel.FreeConsole)

    _share_a_console()


def ask_to_end(process: "subprocess.Popen[Any]", number: int = signal.SIGTERM) -> None:
    """Send the signal; on Windows Ctrl+Break, whatever the number."""
    if sys.platform != "win32":
        process.send_signal(number)
    elif not _kernel.GenerateConsoleCtrlEvent(_EVENT, process.pid):
        raise OSError(f"no Ctrl+Break: Windows error {ctypes.get_last_error()}")
