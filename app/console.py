"""Words for a person, on streams that may be missing, closed, full or unable to write them.

The gateway runs for years while terminals and pipes come and go: nothing here ever raises.
"""

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TextIO

from core.config.diagnostics import escaped


def prepare() -> None:
    """Let standard output and error replace what their encoding cannot write.

    Where one of the three was closed, nothing else may take its number: what is printed would go
    into a socket, and uvloop aborts the process when such a socket is closed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


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
    """Hand over what is buffered; what nobody takes is not worth an exit code of its own."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            # The interpreter flushes once more at its end, and would complain.
            _divert(number)


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
