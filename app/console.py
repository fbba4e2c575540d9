"""Words for a person, on streams that may be missing, closed, full or unable to write them.

The gateway runs for years while terminals and pipes come and go: nothing here ever raises.

Where Windows gives a program no streams at all, as a windowed one started from the desktop and a
service, what it says before it is at work is kept and handed over at its end: `finish`.
"""

import io
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, TextIO

from core.config.diagnostics import escaped

_KEPT_CHARACTERS: Final = 4000
"""What fits into a box on a screen."""


class Paper(io.TextIOBase):
    """Keeps the beginning of what is written, until nobody needs it any more."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._room = _KEPT_CHARACTERS

    def write(self, text: str) -> int:
        if self._room > 0:
            self._parts.append(text[: self._room])
            self._room -= len(text)
            if self._room <= 0:
                self._parts.append(" ..")
        return len(text)

    def take(self) -> str:
        """What was written; nothing is kept from now on."""
        text = "".join(self._parts).strip()
        self._parts.clear()
        self._room = 0
        return text


_paper: Paper | None = None
_deliver: Callable[[str], None] = lambda text: None  # noqa: E731 (replaced together with _paper)


def prepare() -> None:
    """Let standard output and error replace what their encoding cannot write; on Windows: UTF-8.

    Where one of the three was closed, nothing else may take its number: what is printed would go
    into a socket, and uvloop aborts the process when such a socket is closed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free
    if sys.platform == "win32" and (sys.stdout is None or sys.stderr is None):
        _find_streams()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is None:
            continue
        if sys.platform == "win32" and not os.environ.get("PYTHONIOENCODING"):
            # What goes into a file or a pipe would be in the code page of that one computer.
            reconfigure(encoding="utf-8", errors="replace")
        else:
            reconfigure(errors="replace")


def keep(deliver: Callable[[str], None]) -> None:
    """Nobody reads our streams: keep what is said, and give it to `deliver` in `finish`."""
    global _paper, _deliver
    _paper, _deliver = Paper(), deliver
    sys.stdout = sys.stderr = _paper


def at_work() -> None:
    """The program runs from here on: what it says is for the log, a window or a terminal."""
    if _paper is not None:
        _paper.take()


def is_terminal() -> bool:
    """Whether a person watches standard output."""
    try:
        return sys.stdout is not None and sys.stdout.isatty()
    except ValueError:  # closed
        return False


def out(lines: Iterable[str]) -> None:
    """Lines on standard output, control characters in them made visible."""
    _write(sys.stdout, lines)


def err(*lines: str) -> None:
    """Lines on standard error."""
    _write(sys.stderr, lines)


def finish() -> None:
    """Hand over what is buffered or kept; what nobody takes is not worth an exit code."""
    global _paper
    if _paper is not None:
        paper, _paper = _paper, None
        if text := paper.take():
            _deliver(text)
        return
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            # The interpreter flushes once more at its end, and would complain.
            _divert(number)


def _find_streams() -> None:
    """The console of whoever started us, else a box at the end, else nowhere."""
    if sys.platform == "win32":
        from app import winapi

        if winapi.attach_console():
            with suppress(OSError):
                # Of this name Python makes a stream that knows all characters.
                found = open("CONOUT$", "w", encoding="utf-8", errors="replace")  # noqa: SIM115, PTH123
                sys.stdout = sys.stdout or found
                sys.stderr = sys.stderr or found
                return
        if winapi.is_on_a_desktop():
            keep(lambda text: winapi.show_message("iec104mm2ss", text))
        else:
            keep(lambda text: None)


def _divert(number: int) -> None:
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
    except OSError:
        return  # then the complaint is all that is left


def _write(stream: TextIO | None, lines: Iterable[str]) -> None:
    if stream is None:
        return
    try:
        for line in lines:
            stream.write(f"{escaped(line)}\n")
        stream.flush()
    except (OSError, ValueError):
        return  # the reader has gone; the log files tell the same
