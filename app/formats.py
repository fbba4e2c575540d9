"""Times, sizes and numbers as the window shows them."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

NOTHING: Final = "\N{EN DASH}"
"""Stands where there is nothing to show, so that a cell is not taken for one that failed."""


class LineKind(StrEnum):
    """How a line of a log is shown; the words are those of the check boxes above it."""

    DATA = "data"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def moment(at: datetime | None) -> str:
    """Local wall time to the second."""
    return NOTHING if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def time_of_day(at: datetime) -> str:
    """Local wall time of a frame, to the millisecond."""
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03}"


def duration(seconds: float) -> str:
    """How long something has lasted, in its two largest units; minutes are the smallest."""
    minutes = int(seconds) // 60
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def size(octets: int) -> str:
    """The size of a file."""
    if octets < 1000:
        return f"{octets} B"
    if octets < 1_000_000:
        return f"{octets / 1000:.0f} kB"
    return f"{octets / 1_000_000:.1f} MB"


def rate(per_second: float) -> str:
    """Messages per second, as many digits as a reader can use."""
    if per_second >= 99.95:
        return number(round(per_second))
    return f"{per_second:.1f}"


def number(value: int) -> str:
    """A count, its thousands apart."""
    return f"{value:,}"


def plural(count: int, singular: str, several: str = "") -> str:
    """`1 line`, `3 lines`."""
    return f"{number(count)} {singular if count == 1 else several or singular + 's'}"


def tab_separated(rows: Iterable[Sequence[str]]) -> str:
    """Rows as a spreadsheet takes them from the clipboard."""
    return "\n".join("\t".join(" ".join(cell.split()) for cell in row) for row in rows)


def comma_separated(rows: Iterable[Sequence[str]]) -> str:
    """Rows as a CSV file; no cell is taken for a formula by a spreadsheet."""
    text = io.StringIO()
    harmless = ([_harmless(cell) for cell in row] for row in rows)
    csv.writer(text, lineterminator="\r\n").writerows(harmless)
    return text.getvalue()


def _harmless(cell: str) -> str:
    is_number = re.fullmatch(r"[-+]?[\d.,]+", cell) is not None
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@") and not is_number else cell


TIME_LENGTH: Final = 26
"""Characters of the time that begins a line of a log."""
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}")


def split_line(line: str) -> tuple[str, str]:
    """The time and the text of a line as it stands in its file; "" for a line without time."""
    if _TIME.match(line) is None:
        return "", line
    return line[:TIME_LENGTH], line[TIME_LENGTH:].removeprefix(" : ")


_ERROR: Final = re.compile(
    r"internal error|cannot be|^  \||traceback|could not|not in order|protocol error", re.IGNORECASE
)
_WARNING: Final = re.compile(
    r"refused|disconnected|no connection|lost|dropped|left out|closed|malformed|unknown|no answer"
    r"|no stopdt|too many|timeout|timed out|not resolved|expired|: line? ?\d|\.csv:\d+: |is not"
    r"|mistyped|not installed",
    re.IGNORECASE,
)
_DATA: Final = re.compile(r"^(?:[^ ]+: )?(?:RX|TX) ")


def guessed_kind(text: str) -> LineKind:
    """The level of a line read back from its file, which does not hold it, from its words."""
    if _DATA.match(text):
        return LineKind.DATA
    if _ERROR.search(text):
        return LineKind.ERROR
    return LineKind.WARNING if _WARNING.search(text) else LineKind.INFO


_KINDS: Final = (LineKind.DATA, LineKind.INFO, LineKind.WARNING, LineKind.ERROR)


def kind_of_level(level: int) -> LineKind:
    """The kind of a line of this level (0 traffic to 3 error)."""
    return _KINDS[level]
