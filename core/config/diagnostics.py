"""What the reader has to say: one line per problem, and what became of every row.

The lines are read by an engineer with a spreadsheet open beside them, so each one names the
line, the column, the value as it was written, what is wrong with it and what would be accepted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

_SHOWN_LENGTH = 60
"""Longer values are shortened in a diagnostic: enough to find the cell, not to flood a screen."""

_MOST_PER_ROW = 50
"""Diagnostics about one row; a file that is no configuration at all must not fill the memory."""


class Severity(StrEnum):
    """How much a diagnostic matters."""

    ERROR = "error"
    """Something in the file is not in effect: a row, a value or an item was refused."""
    WARNING = "warning"
    """It is in effect, but it is unusual, was altered, or may not be what was meant."""
    NOTICE = "notice"
    """Good to know; nothing needs to be done."""


def escaped(text: str) -> str:
    """Return `text` with control and other unprintable characters written as escapes."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii")
        for c in text
    )


def shown(value: str) -> str:
    """Return `value` fit for a one-line message: shortened when very long, then escaped."""
    if len(value) > _SHOWN_LENGTH:
        value = value[: _SHOWN_LENGTH - 3] + "..."
    return escaped(value)


@dataclass(frozen=True, slots=True)
class BadValue:
    """Why a text was not accepted, as a phrase that follows the value: 'is not a number'."""

    reason: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem of one cell; `str()` is the whole line as shown to the user."""

    severity: Severity
    line: int
    column: str
    value: str
    text: str
    """What is wrong; what is accepted."""
    file: str = ""

    def __str__(self) -> str:
        return (
            f"{escaped(self.file)}:{self.line}: column {self.column}: "
            f"value '{shown(self.value)}': {self.text}"
        )


@dataclass(frozen=True, slots=True)
class RowReading:
    """What became of one row of the file: loaded as what, or ignored and why."""

    line: int
    is_loaded: bool
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {'loaded' if self.is_loaded else 'ignored'}: {self.text}"


@dataclass(slots=True)
class Report:
    """Collects diagnostics and the fate of each row while a file is read."""

    file: str
    diagnostics: list[Diagnostic] = field(default_factory=list)
    _rows: dict[int, RowReading] = field(default_factory=dict)
    _counts: Counter[int] = field(default_factory=Counter)
    _first_errors: dict[int, Diagnostic] = field(default_factory=dict)

    def error(self, line: int, column: str, value: str, text: str) -> None:
        """Say that something was refused."""
        self.say(Severity.ERROR, line, column, value, text)

    def warning(self, line: int, column: str, value: str, text: str) -> None:
        """Say that something was taken but looks wrong."""
        self.say(Severity.WARNING, line, column, value, text)

    def notice(self, line: int, column: str, value: str, text: str) -> None:
        """Say something worth knowing."""
        self.say(Severity.NOTICE, line, column, value, text)

    def say(self, severity: Severity, line: int, column: str, value: str, text: str) -> None:
        """Add one diagnostic; after very many in one row the last says that there are more."""
        self._counts[line] += 1
        if self._counts[line] == _MOST_PER_ROW:
            severity, text = Severity.ERROR, "and more in this row are wrong; accepted: see above"
        diagnostic = Diagnostic(severity, line, column, value, text, self.file)
        if self._counts[line] <= _MOST_PER_ROW:
            self.diagnostics.append(diagnostic)
        if severity is Severity.ERROR:
            self._first_errors.setdefault(line, diagnostic)

    def refuse(self, line: int, column: str, value: str, text: str) -> None:
        """Say that something was refused, and the whole row with it."""
        diagnostic = Diagnostic(Severity.ERROR, line, column, value, text, self.file)
        self.diagnostics.append(diagnostic)
        self._ignored_for(diagnostic)

    def loaded(self, line: int, text: str) -> None:
        """Note that the row of `line` is in effect, and as what; the last word on a row counts."""
        self._rows[line] = RowReading(line, True, text)

    def ignored(self, line: int, text: str) -> None:
        """Note that the row of `line` has no effect, and why."""
        self._rows[line] = RowReading(line, False, text)

    def refused(self, line: int) -> None:
        """Note that the row of `line` has no effect because of the first error said about it."""
        self._ignored_for(self._first_errors[line])

    def _ignored_for(self, error: Diagnostic) -> None:
        self.ignored(
            error.line, f"column {error.column}: value '{shown(error.value)}': {error.text}"
        )

    def in_order(self) -> tuple[list[Diagnostic], tuple[RowReading, ...]]:
        """Return the diagnostics and the rows, both by line."""
        diagnostics = sorted(self.diagnostics, key=lambda diagnostic: diagnostic.line)
        return diagnostics, tuple(self._rows[line] for line in sorted(self._rows))
