"""Saving edits into the configuration file: which cells change, and the difference to be shown.

Comments, order, unknown rows, quotes and line ends stay; only cells that were edited are written
anew. What would be written is read back and compared before anybody may write it. Pure.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.forms import Field, texts_of
from core.config import COLUMNS, Change, Config, Document, Entry, RtuEntry, changes, read
from core.config.oneport import COLUMNS as ONE_PORT_COLUMNS
from core.config.oneport import is_one_port

_CELLS: Final[Mapping[Field, str]] = {
    Field.NAME: "sys name", Field.PORT: "port no", Field.NUMBERS: "rtu no", Field.HOSTS: "hosts",
}  # fmt: skip
_ONE_PORT_CELLS: Final[Mapping[tuple[Field, bool], str]] = {
    (Field.NAME, True): "sys name",
    (Field.NAME, False): "sys name",
    (Field.NUMBERS, True): "RTU number",
    (Field.NUMBERS, False): "RTU number",
    (Field.PORT, False): "port",
    (Field.HOSTS, True): "IP:PORT list",
    (Field.HOSTS, False): "filter",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of what is shown before saving."""

    sign: str
    """`-` goes, `+` comes, a blank stays."""
    text: str


@dataclass(frozen=True, slots=True)
class Saving:
    """What would be written."""

    octets: bytes
    difference: tuple[Difference, ...]
    problem: str = ""
    """Why it cannot be saved; "" if it can."""

    @property
    def is_needed(self) -> bool:
        """Something was edited."""
        return bool(self.difference)


def prepare(data: bytes, edited: Config, name: str) -> Saving:
    """Put what was edited into the file with these octets."""
    document = Document.parse(data)
    in_file, _ = read(data, name)
    before = {(entry.line, isinstance(entry, RtuEntry)): entry for entry in in_file.entries}
    new = document
    for entry in edited.entries:
        old = before.get((entry.line, isinstance(entry, RtuEntry)))
        if old is None or old.group != entry.group:
            return Saving(data, (), f"the row of {entry.label} is no longer in line {entry.line}")
        new = _with_entry(new, document, old, entry)
    octets = new.to_bytes()
    return Saving(octets, _difference(document, new), _objection(octets, edited, name))


def _with_entry(new: Document, original: Document, old: Entry, entry: Entry) -> Document:
    before, after = texts_of(old), texts_of(entry)
    wanted = [field for field in Field if before.of(field) != after.of(field)]
    if not wanted:
        return new
    is_rtu = isinstance(entry, RtuEntry)
    one_port = is_one_port(original.rows)
    columns = ONE_PORT_COLUMNS if one_port else COLUMNS
    cells = list(next(row for row in new.rows if row.line == entry.line).cells)
    cells += [""] * (len(columns) - len(cells))
    for field in wanted:
        column = _ONE_PORT_CELLS[field, is_rtu] if one_port else _CELLS[field]
        cells[columns.index(column)] = after.of(field)
    return new.replaced(entry.line, cells)


def _objection(octets: bytes, edited: Config, name: str) -> str:
    """What is written must read back as what runs."""
    written, _ = read(octets, name)
    differing = [
        str(change.group)
        for change in changes(edited, written).groups
        if change.kind is not Change.UNCHANGED
    ]
    if not differing:
        return ""
    hint = ""
    if is_one_port(Document.parse(octets).rows):
        hint = "; in this kind of file an RTU and its master share name and number in one row"
    return f"group {', '.join(differing)} would read back differently{hint}"


def _difference(old: Document, new: Document) -> tuple[Difference, ...]:
    before = [row.text for row in old.rows]
    after = [row.text for row in new.rows]
    lines = difflib.unified_diff(before, after, n=1, lineterm="")
    found = []
    for number, line in enumerate(lines):
        if number >= 2:
            sign = line[0] if line[0] in "+- " else "@"
            text = line[1:] if sign != "@" else f"from line {line[4:].partition(',')[0].split()[0]}"
            found.append(Difference(sign, text))
    return tuple(found)
