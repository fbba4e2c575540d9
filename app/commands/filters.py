"""What commands share that read lines and write lines: made for pipes, one line at a time."""

import errno
import signal
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from app import console
from app.arguments import Parser
from core.config.diagnostics import escaped

_PART: Final = 150
"""Of a longer message, so many characters of its beginning and of its end are shown."""


class Stopped(Exception):
    """Standard input or output is not to be used any more; the text says why, "" in silence."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A line for standard output, or, as a complaint, for standard error."""

    line: str
    is_refusal: bool = False
    is_complaint: bool = False


def parser(command: str, description: str, epilog: str) -> Parser:
    """A parser with what every filter understands."""
    made = Parser(
        prog=f"iec104mm2ss {command}", description=description, epilog=epilog, allow_abbrev=False
    )
    made.add_argument(
        "--strict", action="store_true", help="refuse also what a station must not send"
    )
    return made


def run(command: str, answers: Iterable[Answer]) -> int:
    """Give the answers as they come; the exit code: 0, or 1 if one was a refusal.

    A reader that has gone ends it in silence, a signal as every filter: at once.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    code = 0
    try:
        for answer in answers:
            if answer.is_refusal:
                code = 1
            if answer.is_complaint:
                _say(command, answer.line)
            else:
                _put(answer.line)
    except Stopped as why:
        if str(why):
            code = 1
            _say(command, str(why))
    return code


def lines() -> Iterator[tuple[int, str]]:
    """The lines of standard input that carry something, each with its number, as they arrive."""
    if sys.stdin is None:
        raise Stopped("standard input is closed")
    try:
        for number, line in enumerate(sys.stdin.buffer, 1):
            text = line.decode("utf-8", "backslashreplace").strip().lstrip("\ufeff")
            if text and not text.startswith("#"):
                yield number, text
    except (OSError, ValueError) as error:
        raise Stopped(f"standard input: {_why(error)}") from error


def _put(line: str) -> None:
    """A line on standard output, handed over at once; Stopped if that is not possible."""
    if sys.stdout is None:
        raise Stopped
    try:
        sys.stdout.write(f"{escaped(line)}\n")
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None)
        # Windows calls a broken pipe an invalid argument.
        gone = number == errno.EPIPE or (sys.platform == "win32" and number == errno.EINVAL)
        raise Stopped("" if gone else f"standard output: {_why(error)}") from error


def _why(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)


def _say(command: str, message: str) -> None:
    """A message for the person, on standard error and on one line."""
    if len(message) > 2 * _PART:
        message = f"{message[:_PART]} ... {message[-_PART:]}"
    console.err(f"iec104mm2ss {command}: {message}")
