"""A line of a log: how urgent it is, and how it stands in a file."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum


class Level(IntEnum):
    """How urgent a line is; traffic is the first to go when there is too much to write."""

    TRAFFIC = 0
    INFO = 1
    WARNING = 2
    ERROR = 3


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of one log.

    `entry` is the key the log was registered under, `time` aware local wall time. The level is not
    written: the files keep the format `YYYY-MM-DD HH:MM:SS.ffffff : text`.
    """

    entry: str
    time: datetime
    level: Level
    text: str

    def __str__(self) -> str:
        """The line as it stands in its file, without the line end."""
        # isoformat pads the year where strftime does not on every system; the offset is cut off.
        return f"{self.time.isoformat(' ', 'microseconds')[:26]} : {one_line(self.text)}"


def one_line(text: str) -> str:
    r"""Text in which every control, direction and line-separating character reads as `\n`, `\x1b`..

    So a peer or a name cannot forge a line, nor hide one from the reader of a terminal.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or unicodedata.category(character) == "Zs"
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def local_now() -> datetime:
    """The wall clock with its offset from UTC."""
    return datetime.now().astimezone()
