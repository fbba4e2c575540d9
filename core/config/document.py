"""A configuration file as rows that can be written back exactly as they were read.

What a person typed is kept to the octet: encoding, byte order mark, line ends, quotes, blanks,
comments, rows this program does not understand, rows behind `!`. Only a row whose cells were
replaced is written anew, in the delimiter and encoding of its file.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from core.config.options import Kind, keyword

DELIMITERS = (",", ";", "\t")
"""In order of preference: lists of hosts contain semicolons, so the comma wins a tie."""

_LINE_END = re.compile(r"\r\n|\r|\n")
_LONGEST_CELL = 32_767
"""Characters in a cell of Excel; a quote that is not closed within them never was one."""

# Windows maps the five octets that cp1252 leaves undefined to control characters. With them every
# octet has a character of its own, so that any file at all can be written back unchanged.
_CP1252 = "".join(bytes([octet]).decode("cp1252", "ignore") or chr(octet) for octet in range(256))
_CP1252_OCTETS = {character: octet for octet, character in enumerate(_CP1252)}


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its cells for reading, its text for writing back."""

    line: int
    """Number of its first line in the file, from 1."""
    cells: tuple[str, ...]
    """Without quotes and surrounding blanks; as many as written, so the last ones may be empty."""
    text: str
    """As it stands in the file, without the line end."""
    end: str
    """Its line end; empty only in a last row that has none."""


@dataclass(frozen=True, slots=True)
class Document:
    """The rows of one file, and what is needed to write them back."""

    rows: tuple[Row, ...]
    delimiter: str
    is_utf8: bool
    """Otherwise the Windows code page 1252."""
    has_mark: bool
    """The file begins with the UTF-8 byte order mark, as Excel writes it."""

    @classmethod
    def parse(cls, data: bytes) -> Document:
        """Read any octets as rows; never raises."""
        has_mark = data.startswith(codecs.BOM_UTF8)
        data = data.removeprefix(codecs.BOM_UTF8)
        try:
            text, is_utf8 = data.decode("utf-8"), True
        except UnicodeDecodeError:
            text, is_utf8 = codecs.charmap_decode(data, "strict", _CP1252)[0], False
        readings = [
            (delimiter, tuple(_rows(text, delimiter)))
            for delimiter in DELIMITERS
            if delimiter == DELIMITERS[0] or delimiter in text
        ]
        # max() keeps the first of equals, and the comma comes first.
        delimiter, rows = max(readings, key=lambda reading: _understood(reading[1]))
        return cls(rows, delimiter, is_utf8, has_mark)

    def to_bytes(self) -> bytes:
        """Return the file: the octets that were read, but for the rows that were replaced."""
        text = "".join(row.text + row.end for row in self.rows)
        mark = codecs.BOM_UTF8 if self.has_mark else b""
        if self.is_utf8:
            return mark + text.encode("utf-8")
        return mark + bytes(_CP1252_OCTETS[character] for character in text)

    def replaced(self, line: int, cells: Sequence[str]) -> Document:
        """Return the document with other cells in the row that begins at `line`.

        The row keeps its place and line end; a row whose cells are the same keeps its text too.
        If the code page of the file cannot hold a new character, the whole file becomes UTF-8
        with a byte order mark. Raises KeyError if no row begins at that line.
        """
        index = {row.line: i for i, row in enumerate(self.rows)}[line]
        old = self.rows[index]
        new_cells = tuple(cell.strip() for cell in cells)
        if new_cells == old.cells:
            return self
        text = self.delimiter.join(self._rendered(cell) for cell in new_cells)
        new = replace(old, cells=new_cells, text=text)
        rows = (*self.rows[:index], new, *self.rows[index + 1 :])
        if self.is_utf8 or all(character in _CP1252_OCTETS for character in text):
            return replace(self, rows=rows)
        return replace(self, rows=rows, is_utf8=True, has_mark=True)

    def _rendered(self, cell: str) -> str:
        if any(special in cell for special in (self.delimiter, '"', "\r", "\n")):
            return '"' + cell.replace('"', '""') + '"'
        return cell


def parses(cells: Sequence[str]) -> bool:
    """Say whether cells look like a setting or an entry rather than like a comment."""
    option = keyword(cells[0])
    if option is not None:
        return option.kind is Kind.FLAG or (len(cells) > 1 and cells[1] != "")
    return cells[0].isdecimal() and len(cells) >= 5


def is_end(cells: Sequence[str]) -> bool:
    """Say whether a row ends the reading of its file."""
    return cells[0].startswith("!")


def _understood(rows: Sequence[Row]) -> int:
    count = 0
    for row in rows:
        if is_end(row.cells):
            break
        count += parses(row.cells)
    return count


def _rows(text: str, delimiter: str) -> Iterator[Row]:
    line, start = 1, 0
    while start < len(text):
        stop = _line_stop(text, start)
        if text.find('"', start, stop) < 0:
            cells = [cell.strip() for cell in text[start:stop].split(delimiter)]
        else:
            cells, stop = _quoted(text, start, stop, delimiter)
        row_text = text[start:stop]
        match = _LINE_END.match(text, stop)
        end = match[0] if match else ""
        yield Row(line, tuple(cells), row_text, end)
        line += 1 + len(_LINE_END.findall(row_text))
        start = stop + len(end)


def _line_stop(text: str, position: int) -> int:
    match = _LINE_END.search(text, position)
    return match.start() if match else len(text)


def _quoted(text: str, start: int, stop: int, delimiter: str) -> tuple[list[str], int]:
    """Return the cells of a row with quotes, and where it stops: perhaps some lines later."""
    cells: list[str] = []
    while True:
        opening = start
        while opening < stop and text[opening] == " ":
            opening += 1
        closed = (
            _closing(text, opening, stop, delimiter)
            if text.startswith('"', opening, stop)
            else None
        )
        if closed is None:
            # Also a quote that is never closed: it is taken as a character, so that one stray
            # quote does not swallow the rest of the file.
            after = text.find(delimiter, start, stop)
            after = stop if after < 0 else after
            cells.append(text[start:after].strip())
        else:
            closing, after = closed
            cells.append(text[opening + 1 : closing].replace('""', '"').strip())
            if after > stop:
                stop = _line_stop(text, after)
        if after >= stop:
            return cells, stop
        start = after + 1


def _closing(text: str, opening: int, stop: int, delimiter: str) -> tuple[int, int] | None:
    """Find the quote that closes the one at `opening`, and the end of that cell, blanks skipped.

    It closes only if its cell ends there. A cell may hold line ends, but no more than Excel's.
    """
    limit = max(stop, min(len(text), opening + _LONGEST_CELL))
    position = opening + 1
    while True:
        quote = text.find('"', position, limit)
        if quote < 0:
            return None
        if text[quote + 1 : quote + 2] != '"':
            break
        position = quote + 2
    after = quote + 1
    while text[after : after + 1] == " ":
        after += 1
    return (quote, after) if text[after : after + 1] in (delimiter, "\r", "\n", "") else None
