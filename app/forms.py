"""Edit forms without a window: the texts of the yellow fields into an entry, or what is wrong.

The cells are checked by the very functions that read the file, so that a form and the file never
disagree; what the file would take with a warning a form takes with a remark. Where the file reader
leaves out a bad item and goes on, a form waits for a good one. Pure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeVar

from app.formats import plural
from app.rows import hosts_text, numbers_text
from core.config import Config, Entry, GroupConfig, MasterEntry, Report, RtuEntry, Severity
from core.config.diagnostics import shown
from core.config.entries import (
    read_endpoints,
    read_filter,
    read_name,
    read_numbers,
    read_port,
)
from core.config.hosts import is_host

_T = TypeVar("_T")


class Field(StrEnum):
    """The fields that can be changed; the value is the caption."""

    NAME = "Name"
    PORT = "Port"
    NUMBERS = "RTU number"
    HOSTS = "Hosts"


NOT_APPLICABLE: Final = "n/a"

_COLUMNS: Final[Mapping[str, Field]] = {
    "sys name": Field.NAME, "port no": Field.PORT, "rtu no": Field.NUMBERS, "hosts": Field.HOSTS,
}  # fmt: skip

_EXAMPLES: Final[Mapping[tuple[Field, bool], str]] = {
    (Field.NAME, True): "RTU-ABB",
    (Field.NAME, False): "OSI-1",
    (Field.PORT, False): "2407",
    (Field.NUMBERS, True): "32",
    (Field.NUMBERS, False): "32",
    (Field.HOSTS, True): "192.0.2.10:2404",
    (Field.HOSTS, False): "192.0.2.0/24",
}


@dataclass(frozen=True, slots=True)
class Texts:
    """What stands in the fields."""

    name: str
    port: str
    numbers: str
    hosts: str

    def of(self, which: Field) -> str:
        """The text of one field."""
        return getattr(self, which.name.lower())  # type: ignore[no-any-return]  # all are str


@dataclass(frozen=True, slots=True)
class Message:
    """Something to say under the fields."""

    field: Field
    text: str
    is_error: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of the texts: an entry to run, or reasons why not."""

    entry: Entry | None
    """None if something is wrong."""
    messages: tuple[Message, ...]

    @property
    def bad_fields(self) -> frozenset[Field]:
        """The fields to be marked."""
        return frozenset(message.field for message in self.messages if message.is_error)


@dataclass(slots=True)
class _Findings:
    messages: list[Message] = field(default_factory=list)

    def add(self, where: Field, text: str, *, is_error: bool = True) -> None:
        self.messages.append(Message(where, text, is_error))


def texts_of(entry: Entry) -> Texts:
    """The fields of an entry as they stand."""
    port = str(entry.port) if isinstance(entry, MasterEntry) else NOT_APPLICABLE
    return Texts(entry.name, port, numbers_text(entry), hosts_text(entry))


def captions(entry: Entry) -> Mapping[Field, str]:
    """What stands before each field."""
    is_rtu = isinstance(entry, RtuEntry)
    return {
        Field.NAME: "Name",
        Field.PORT: "Listen port",
        Field.NUMBERS: "RTU number",
        Field.HOSTS: "RTU IP:PORT list" if is_rtu else "Allowed hosts / nets",
    }


def check(config: Config, key: str, texts: Texts) -> Checked:
    """Read the fields of an entry of this configuration. Raises KeyError for an unknown key."""
    old = entry_of(config, key)
    group = group_of(config, old.group)
    found = _Findings()
    is_rtu = isinstance(old, RtuEntry)
    name = _read(found, is_rtu, texts.name, read_name)
    numbers = _read(found, is_rtu, texts.numbers, read_numbers)
    new: Entry | None = None
    if isinstance(old, RtuEntry):
        hosts = _read(found, is_rtu, texts.hosts, read_endpoints)
        if numbers is not None:
            _compare_lists(found, numbers, group)
        if name is not None and numbers is not None and hosts:
            new = replace(old, name=name, numbers=numbers, hosts=hosts)
    else:
        port = _read(found, is_rtu, texts.port, read_port)
        admitted = _read(found, is_rtu, texts.hosts, read_filter)
        if port is not None:
            _find_port(found, config, key, port)
        if numbers is not None and len(numbers) != len(group.rtu.numbers):
            found.add(Field.NUMBERS, _length_text(numbers, group.rtu))
        if not texts.hosts.strip():
            found.add(Field.HOSTS, "Empty: anybody may connect.", is_error=False)
        if name is not None and numbers is not None and port is not None and admitted is not None:
            new = replace(old, name=name, numbers=numbers, port=port, hosts=admitted)
    if new is not None:
        _find_name(found, group, new)
    if any(message.is_error for message in found.messages):
        new = None
    return Checked(new, tuple(found.messages))


def _read(
    found: _Findings, is_rtu: bool, text: str, reader: Callable[[str, int, Report], _T | None]
) -> _T | None:
    """One cell by the file's own function; its diagnostics become messages."""
    report = Report("")
    value = reader(text.strip(), 0, report)
    is_bad = False
    for diagnostic in report.diagnostics:
        where = _COLUMNS[diagnostic.column]
        wrong = diagnostic.text.partition("; accepted")[0]
        is_error = diagnostic.severity is Severity.ERROR
        if is_error and is_bad:
            continue  # "has no usable address" behind the reason says the same again
        is_bad |= is_error
        said = f"{where} '{shown(diagnostic.value)}' {wrong}"
        if not diagnostic.value:
            said = f"{where} is empty"
        if is_error:
            said += f", for example {_example(where, is_rtu, diagnostic.value, wrong)}"
        found.add(where, f"{said}.", is_error=is_error)
    return None if is_bad else value


def _example(where: Field, is_rtu: bool, value: str, wrong: str) -> str:
    if wrong == "has no port" and is_host(value) and ":" not in value:
        return f"{value}:2404"
    return _EXAMPLES[where, is_rtu]


def _find_port(found: _Findings, config: Config, key: str, port: int) -> None:
    for other in config.entries:
        if isinstance(other, MasterEntry) and other.port == port and other.key != key:
            found.add(
                Field.PORT,
                f"Port {port} is already used by {other.label} in group {other.group}. "
                "Choose another port from 1 to 65535.",
            )
            return


def _find_name(found: _Findings, group: GroupConfig, new: Entry) -> None:
    for other in group.entries:
        if other.key != new.key and other.label == new.label:
            found.add(
                Field.NAME,
                f"{new.label} is also the name of another master of this group; different names "
                "are better.",
                is_error=False,
            )
            return


def _compare_lists(found: _Findings, numbers: tuple[int, ...], group: GroupConfig) -> None:
    for master in group.masters:
        if len(master.numbers) != len(numbers):
            found.add(
                Field.NUMBERS,
                f"{plural(len(numbers), 'RTU number')} here, but {master.label} has "
                f"{len(master.numbers)}. The lists of a group are of the same length.",
            )
            return


def _length_text(numbers: tuple[int, ...], rtu: RtuEntry) -> str:
    return (
        f"{plural(len(numbers), 'RTU number')} here, but {rtu.label} has {len(rtu.numbers)}. "
        f"The lists are matched by position, for example {numbers_text(rtu)}."
    )


# The configuration with other entries


def entry_of(config: Config, key: str) -> Entry:
    """The entry with this key; KeyError if there is none."""
    for entry in config.entries:
        if entry.key == key:
            return entry
    raise KeyError(key)


def group_of(config: Config, number: int) -> GroupConfig:
    """The group with this number; KeyError if there is none."""
    for group in config.groups:
        if group.id == number:
            return group
    raise KeyError(number)


def with_entry(config: Config, new: Entry) -> tuple[Config, str]:
    """The configuration with this entry in place of the one with its key, and its new key.

    A key is made of the label, so a renamed entry has another one, as the file reader would give.
    """
    group = group_of(config, new.group)
    entries = [new if entry.key == new.key else entry for entry in group.entries]
    in_file_order = sorted(entries, key=lambda entry: entry.line)
    keys: dict[int, str] = {}
    taken: set[str] = set()
    for entry in in_file_order:
        key = plain = f"{entry.group}/{entry.label}"
        repeat = 1
        while key in taken:
            repeat += 1
            key = f"{plain}#{repeat}"
        taken.add(key)
        keys[id(entry)] = key
    keyed = [replace(entry, key=keys[id(entry)]) for entry in entries]
    rtu = next(entry for entry in keyed if isinstance(entry, RtuEntry))
    masters = tuple(entry for entry in keyed if isinstance(entry, MasterEntry))
    changed = GroupConfig(group.id, rtu, masters)
    groups = tuple(changed if each.id == group.id else each for each in config.groups)
    return replace(config, groups=groups), keys[id(new)]
