"""The lines of a log that are shown, without a window: bounded, searched, found by their time."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from app.formats import LineKind, split_line

MOST_LINES: Final = 5_000
TRIMMED: Final = 500


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it is shown."""

    time: str
    """As in the file, to the microsecond; "" in a line that has none."""
    kind: LineKind
    text: str

    def __str__(self) -> str:
        return f"{self.time} : {self.text}" if self.time else self.text


def line_of(text: str, kind: LineKind) -> Line:
    """A line as it stands in its file."""
    time, rest = split_line(text)
    return Line(time, kind, rest)


class Lines:
    """A bounded list of lines. A line keeps its number for good; ``first`` is the oldest's."""

    def __init__(self) -> None:
        self.first = 0
        self._lines: list[Line] = []
        self._times: list[str] = []
        self._wanted = ""
        self.hidden: set[LineKind] = set()
        """Kinds that are not shown, and so not found."""
        self.matches: list[int] = []
        """Numbers of the lines that match, ascending."""

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, number: int) -> Line:
        return self._lines[number - self.first]

    def clear(self) -> None:
        """Forget all."""
        self.first = 0
        self._lines.clear()
        self._times.clear()
        self.matches.clear()

    def add(self, lines: Sequence[Line]) -> int:
        """Append; how many of the oldest had to go."""
        number = self.first + len(self._lines)
        for line in lines:
            self._lines.append(line)
            # A line without a time belongs to the one before; the clock may have been set back.
            before = self._times[-1] if self._times else ""
            self._times.append(max(line.time, before))
            if self._wanted and self._has(line):
                self.matches.append(number)
            number += 1
        if len(self._lines) <= MOST_LINES:
            return 0
        return self._trim(max(TRIMMED, len(self._lines) - MOST_LINES))

    def find(self, wanted: str) -> int:
        """Look for a text in all lines, in any letter case; how many have it."""
        self._wanted = wanted.casefold()
        self.matches = []
        if self._wanted:
            self.matches = [n for n, line in enumerate(self._lines, self.first) if self._has(line)]
        return len(self.matches)

    @property
    def wanted(self) -> str:
        """What is looked for."""
        return self._wanted

    def at_time(self, time: str) -> int | None:
        """The number of the first line of this time or later; the last line if all are older."""
        if not self._lines:
            return None
        return self.first + min(bisect_left(self._times, time), len(self._times) - 1)

    def last(self, count: int) -> list[Line]:
        """The newest lines."""
        return list(islice(self._lines, max(0, len(self._lines) - count), None))

    def _has(self, line: Line) -> bool:
        is_shown = line.kind not in self.hidden
        return is_shown and self._wanted in f"{line.time} {line.text}".casefold()

    def _trim(self, count: int) -> int:
        del self._lines[:count]
        del self._times[:count]
        self.first += count
        gone = bisect_left(self.matches, self.first)
        del self.matches[:gone]
        return count
