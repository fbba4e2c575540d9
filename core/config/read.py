"""The octets of a configuration file, read into a `Config` and what there is to say about it.

Reading never raises and never stops at the first problem: a bad row is named and left out, the
good ones are used. Settings may stand anywhere, so the whole file is read before it is judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from core.config import oneport
from core.config.diagnostics import BadValue, Diagnostic, Report, RowReading, Severity
from core.config.document import DELIMITERS, Document, Row, is_end, parses
from core.config.entries import group_number, is_number_like, read_entry
from core.config.model import (
    NTP_MAX_STEP,
    NTP_UPDATE_EVERY_SEC,
    Config,
    Entry,
    GroupConfig,
    MasterEntry,
    RtuEntry,
    Settings,
)
from core.config.options import (
    ALIASES,
    BY_NAME,
    Kind,
    Option,
    Options,
    Scope,
    Value,
    keyword,
    nearest,
)
from core.config.timing import settle

MOST_SEATS = 255
"""In a group: toward the RTU a master is known by its originator address, one octet."""

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_LOOK_AHEAD = 32
_DELIMITER_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs"}


@dataclass(frozen=True, slots=True)
class Reading:
    """All that came of reading a file."""

    config: Config
    diagnostics: list[Diagnostic]
    """By line."""
    rows: tuple[RowReading, ...]
    """What became of every row, by line."""

    @property
    def worst(self) -> Severity | None:
        """The highest severity among the diagnostics."""
        said = {diagnostic.severity for diagnostic in self.diagnostics}
        return next((severity for severity in Severity if severity in said), None)


def read(data: bytes, name: str) -> tuple[Config, list[Diagnostic]]:
    """Read a configuration file; `name` stands in the diagnostics. Never raises."""
    reading = read_fully(data, name)
    return reading.config, reading.diagnostics


def read_fully(data: bytes, name: str) -> Reading:
    """Read a configuration file and keep what became of every row. Never raises."""
    report = Report(name)
    document = Document.parse(data)
    if data.startswith(_UTF16_MARKS) or _is_utf_16_without_mark(data):
        report.error(
            1,
            "id",
            "",
            "the file is in UTF-16, so nothing in it can be read; "
            "accepted: CSV saved as UTF-8 or in the Windows code page",
        )
        config = Config()
    else:
        rows = _rows_before_end(document, report)
        config = _read_rows(rows, document.delimiter, report)
    diagnostics, fates = report.in_order()
    return Reading(config, diagnostics, fates)


def _is_utf_16_without_mark(data: bytes) -> bool:
    """Whether every second octet of the beginning is zero, as in UTF-16 of ordinary text."""
    head = data[:_LOOK_AHEAD]
    return len(head) == _LOOK_AHEAD and (not any(head[::2]) or not any(head[1::2])) and any(head)


def _rows_before_end(document: Document, report: Report) -> Sequence[Row]:
    """Return the rows up to the one that begins with `!`, and say how many that cuts off."""
    rows = document.rows
    end = next((i for i, row in enumerate(rows) if is_end(row.cells)), None)
    if end is None:
        return rows
    cut_off = [row for row in rows[end + 1 :] if any(row.cells)]
    count = "1 row" if len(cut_off) == 1 else f"{len(cut_off)} rows"
    report.notice(
        rows[end].line,
        "id",
        rows[end].cells[0],
        f"ends the file here: this row and {count} after it are not read; "
        "accepted: remove the ! to read them",
    )
    for row in rows[end:]:
        report.ignored(row.line, f"the file ends at the ! in line {rows[end].line}")
    return rows[:end]


def _read_rows(rows: Sequence[Row], delimiter: str, report: Report) -> Config:
    given: dict[str, list[Row]] = {}
    entry_rows: list[Row] = []
    for row in rows:
        first = row.cells[0]
        option = keyword(first)
        if option is not None:
            given.setdefault(option.name, []).append(row)
        elif is_number_like(first):
            entry_rows.append(row)
        else:
            _read_comment(row, delimiter, report)
    is_one_port = oneport.is_one_port(rows)
    defaults = oneport.DEFAULTS if is_one_port else Options()
    settings = _Settings(report).read(given, defaults)
    reader = oneport.Stations if is_one_port else _Groups
    groups = reader(report, settings.options)
    for row in entry_rows:
        groups.add(row)
    config = Config(settings, groups.complete())
    if not config.groups:
        report.error(
            1,
            "id",
            "",
            f"the file has no group that can be started; accepted: {groups.LEAST}",
        )
    return config


def _read_comment(row: Row, delimiter: str, report: Report) -> None:
    """Take a row as a comment, but say so if it was probably meant to be something else."""
    first = row.cells[0]
    report.ignored(row.line, "a comment" if any(row.cells) else "an empty row")
    for other in DELIMITERS:
        cells = [cell.strip().strip('"') for cell in first.split(other)]
        if other != delimiter and len(cells) > 1 and parses(cells):
            report.warning(
                row.line,
                "id",
                first,
                f"is taken as a comment, since this row is separated by {_DELIMITER_NAMES[other]} "
                f"and the file by {_DELIMITER_NAMES[delimiter]}; "
                "accepted: the same separator in all rows",
            )
            return
    if not first[:1].isalpha():
        return
    name, equals, _ = first.partition("=")
    guess = nearest(name)
    # A word alone in its row is a heading, unless it is one of those that need no value.
    is_setting = bool(equals) or any(row.cells[1:])
    if guess and (is_setting or BY_NAME[guess].kind is Kind.FLAG):
        option = BY_NAME[guess]
        place = "" if option.kind is Kind.FLAG else " and its value in the next cell"
        report.warning(
            row.line,
            "id",
            first,
            f"is taken as a comment, but looks like the setting {guess}; "
            f"accepted: {guess} in this cell{place}",
        )


class _Settings:
    """Reads the settings rows, once all of them are known."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def read(self, given: dict[str, list[Row]], defaults: Options) -> Settings:
        """Return the settings; `defaults` are the options of this dialect."""
        values: dict[str, Value] = {}
        lines: dict[str, int] = {}
        servers: tuple[str, ...] = ()
        for name, rows in given.items():
            option = BY_NAME[name]
            good = [(row, value) for row in rows if (value := self._value(option, row)) is not None]
            if option.is_repeatable:
                servers = self._distinct(option, good)
            elif good:
                values[name] = self._last(option, good)
                lines[name] = good[-1][0].line
        per_entry = {n: v for n, v in values.items() if BY_NAME[n].scope is not Scope.PROGRAM}
        options, remarks = settle(defaults, per_entry)
        for remark in remarks:
            line = max(lines[name] for name in remark.involved if name in lines)
            self._report.say(remark.severity, line, remark.column, remark.value, remark.text)
            if remark.severity is Severity.ERROR:
                for name in lines.keys() & set(remark.involved):
                    self._report.ignored(lines[name], f"the setting {name} is refused")
        # Casts: what an option is, its check has seen to.
        every = cast(int, values.get("ntp_update_every_sec", NTP_UPDATE_EVERY_SEC))
        return Settings(
            nogui=bool(values.get("nogui", False)),
            ntp_servers=servers,
            ntp_update_every_sec=every,
            ntp_mode="watch" if values.get("ntp_mode") == "watch" else "set",
            ntp_max_step=cast(float, values.get("ntp_max_step", NTP_MAX_STEP)),
            options=options,
        )

    def _value(self, option: Option, row: Row) -> Value | None:
        """Return the value of a settings row, None if it is refused."""
        word, text, *more = (*row.cells, "")[: max(2, len(row.cells))]
        more = [cell for cell in more if cell and not cell.startswith("#")]
        if word.lower() in ALIASES:
            self._report.notice(
                row.line, "id", word, f"is read as {option.name}; accepted: {option.name}"
            )
        value = option.check(text)
        if isinstance(value, BadValue) and option.kind is Kind.FLAG:
            # It always counted by being there; a remark beside it does not take it away.
            self._report.warning(
                row.line,
                option.name,
                text,
                f"{value.reason} and is ignored, {option.name} is on; accepted: {option.accepted}",
            )
            value = True
        if isinstance(value, BadValue):
            self._report.refuse(
                row.line,
                option.name,
                text,
                f"{value.reason}, so it is not used; accepted: {option.accepted}",
            )
            return None
        if more:
            severity = Severity.WARNING if option.is_repeatable else Severity.NOTICE
            self._report.say(
                severity,
                row.line,
                option.name,
                more[0],
                "stands behind the value and is ignored; accepted: one value in a row",
            )
        self._report.loaded(row.line, f"setting {option.name} = {option.shown(value)}")
        return value

    def _distinct(self, option: Option, good: Sequence[tuple[Row, Value]]) -> tuple[str, ...]:
        lines: dict[str, int] = {}
        for row, value in good:
            server = str(value)
            if server in lines:
                self._report.notice(
                    row.line,
                    option.name,
                    server,
                    f"is the same as in line {lines[server]} and is ignored; "
                    "accepted: each server once",
                )
                self._report.ignored(row.line, f"the same as line {lines[server]}")
            else:
                lines[server] = row.line
        return tuple(lines)

    def _last(self, option: Option, good: Sequence[tuple[Row, Value]]) -> Value:
        last_row, last = good[-1]
        for row, value in good[:-1]:
            if value != last:
                self._report.warning(
                    last_row.line,
                    option.name,
                    option.shown(last),
                    f"replaces {option.shown(value)} of line {row.line}; "
                    "accepted: each setting once",
                )
            self._report.ignored(row.line, f"line {last_row.line} sets {option.name} again")
        return last


class _Groups:
    """Collects entries by group, and judges what they are only together."""

    LEAST = "at least one RTU row and one master row with the same id"

    def __init__(self, report: Report, options: Options) -> None:
        self._report = report
        self._options = options
        self._shared: dict[Options, Options] = {}
        self._entries: dict[int, list[Entry]] = {}
        self._first_rows: dict[int, Row] = {}
        self._ports: dict[int, MasterEntry] = {}

    def add(self, row: Row) -> None:
        """Take the row of one entry, if it can be used."""
        cells = row.cells
        entry = read_entry(cells, row.line, self._options, self._report)
        group = group_number(cells[0])
        if group is not None:
            self._first_rows.setdefault(group, row)
        if entry is None:
            self._report.refused(row.line)
        elif self._has_place(entry, row):
            self._entries.setdefault(entry.group, []).append(entry)

    def complete(self) -> tuple[GroupConfig, ...]:
        """Return the groups that can be started, and say which cannot."""
        judged = (self._judged(id_, row) for id_, row in self._first_rows.items())
        return tuple(group for group in judged if group is not None)

    def _has_place(self, entry: Entry, row: Row) -> bool:
        """Say whether the entry gets along with those accepted before it."""
        others = self._entries.get(entry.group, [])
        if isinstance(entry, RtuEntry):
            rtu = next((other for other in others if isinstance(other, RtuEntry)), None)
            if rtu is not None:
                self._report.refuse(
                    entry.line,
                    "master",
                    (*row.cells, *[""] * 5)[4],
                    f"is a second RTU in group {entry.group}, which has {rtu.label} in line "
                    f"{rtu.line}; accepted: one RTU row in a group, Y in all others",
                )
            return rtu is None
        if entry.port in self._ports:
            first = self._ports[entry.port]
            self._report.refuse(
                entry.line,
                "port no",
                str(entry.port),
                f"is the port of {first.label} in line {first.line} already, so line "
                f"{entry.line} is left out; accepted: a port of its own for every master",
            )
            return False
        seats = entry.seats + sum(o.seats for o in others if isinstance(o, MasterEntry))
        if seats > MOST_SEATS:
            self._report.refuse(
                entry.line,
                "id",
                str(entry.group),
                f"would be a group of {seats} masters with {entry.label} (mode=each makes one of "
                f"each of its conns); accepted: at most {MOST_SEATS} in a group",
            )
            return False
        self._ports[entry.port] = entry
        return True

    def _judged(self, id_: int, first_row: Row) -> GroupConfig | None:
        entries = self._entries.get(id_, [])
        rtu = next((entry for entry in entries if isinstance(entry, RtuEntry)), None)
        masters = [entry for entry in entries if isinstance(entry, MasterEntry)]
        if rtu is not None:
            masters = [master for master in masters if self._fits(master, rtu)]
        if rtu is None or not masters:
            missing = "an RTU row" if rtu is None else "a master row"
            missing = missing if rtu or masters else "an RTU row and a master row"
            self._report.error(
                first_row.line,
                "id",
                first_row.cells[0],
                f"is a group without {missing} that can be used, so it is not started; "
                "accepted: one RTU row and at least one master row",
            )
            left_out: list[Entry] = [*masters]
            if rtu is not None:
                left_out.append(rtu)
            for entry in left_out:
                self._report.ignored(entry.line, f"group {id_} is not complete")
            return None
        in_group: list[Entry] = [rtu, *masters]
        return self._group(id_, sorted(in_group, key=lambda entry: entry.line))

    def _fits(self, master: MasterEntry, rtu: RtuEntry) -> bool:
        if len(master.numbers) == len(rtu.numbers):
            return True
        self._report.refuse(
            master.line,
            "rtu no",
            ";".join(map(str, master.numbers)),
            f"is a list of {len(master.numbers)}, but that of {rtu.label} in line {rtu.line} "
            f"has {len(rtu.numbers)}; accepted: lists of the same length, matched by position",
        )
        return False

    def _group(self, id_: int, entries: Sequence[Entry]) -> GroupConfig:
        """Give the entries their keys; there is one RTU among them."""
        lines: dict[str, int] = {}
        keyed: list[Entry] = []
        for entry in entries:
            key = plain = f"{id_}/{entry.label}"
            repeat = 1
            while key in lines:
                repeat += 1
                key = f"{plain}#{repeat}"
            if repeat > 1:
                self._report.warning(
                    entry.line,
                    "sys name",
                    entry.name,
                    f"is also the name of line {lines[plain]} in group {id_}, so they are told "
                    "apart by their order only; accepted, but different names are better",
                )
            lines[key] = entry.line
            # Nearly all entries have the same options: hundreds of copies would only cost memory.
            options = self._shared.setdefault(entry.options, entry.options)
            keyed.append(replace(entry, key=key, options=options))
            self._report.loaded(entry.line, f"{entry.label} of group {id_}")
        rtu = next(entry for entry in keyed if isinstance(entry, RtuEntry))
        masters = tuple(entry for entry in keyed if isinstance(entry, MasterEntry))
        return GroupConfig(id_, rtu, masters)
