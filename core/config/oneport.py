"""The later dialect of the file: one row for each RTU, with one port for all its masters.

Settings, comments and the row that ends the file are those of the ordinary dialect, and so are
the checks of every cell; here is only what a row of this one stands for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.config.diagnostics import BadValue, Report
from core.config.document import Row
from core.config.entries import (
    read_endpoints,
    read_filter,
    read_id,
    read_name,
    read_number,
    read_options,
    read_port,
    read_value,
    settle_options,
    warn_of_open_quotes,
)
from core.config.model import GroupConfig, MasterEntry, RtuEntry
from core.config.options import BY_NAME, Kind, Option, Options, Scope, Value

_MARK = "iec104mm2ss-1port-v1.0"
_LONGEST_NAME = 16
_USUAL_BUFFER = 1000

COLUMNS = (
    "id", "sys name", "port", "RTU number", "max conn", "idletime", "t1", "t2", "t3", "w", "k",
    "buffsize", "logevents", "same ip", "IP:PORT list", "filter",
)  # fmt: skip
"""The fixed columns of this dialect; every later cell is `option=value`, of either role."""

DEFAULTS = Options(ca="keep", mode="each", buffer=_USUAL_BUFFER)
"""What the options are here if neither the row nor a setting says otherwise."""

_OPTIONS: Mapping[str, str] = {
    **{name: name for name in ("idletime", "t1", "t2", "t3", "w", "k")},
    "max conn": "conns",
    "buffsize": "buffer",
    "same ip": "same_ip",
}
"""The columns that are options of the one table, and which."""

_LOG_EVENTS = Option("logevents", Kind.FLAG, True, Scope.PROGRAM, "")


def is_one_port(rows: Sequence[Row]) -> bool:
    """Say whether the rows, read up to the end of the file, are in this dialect."""
    return any(_MARK in row.cells[0].lower() for row in rows)


class Stations:
    """Collects the groups, each of them complete in its row."""

    LEAST = "at least one row of an RTU with all it needs"

    def __init__(self, report: Report, options: Options) -> None:
        self._report = report
        self._options = options
        self._groups: dict[int, GroupConfig] = {}
        self._ports: dict[int, MasterEntry] = {}

    def add(self, row: Row) -> None:
        """Take the row of one RTU, if it can be used."""
        group = self._read(row)
        if group is None:
            self._report.refused(row.line)
        elif self._has_place(group):
            (master,) = group.masters
            self._groups[group.id] = group
            self._ports[master.port] = master
            self._report.loaded(
                row.line, f"{group.rtu.label} and {master.label} of group {group.id}"
            )

    def complete(self) -> tuple[GroupConfig, ...]:
        """Return the groups, in the order of the file."""
        return tuple(self._groups.values())

    def _read(self, row: Row) -> GroupConfig | None:
        line, report = row.line, self._report
        cells = (*row.cells, *[""] * len(COLUMNS))[: len(COLUMNS)]
        cell = dict(zip(COLUMNS, cells, strict=True))
        warn_of_open_quotes(COLUMNS, cells, line, report)
        # First what the row cannot do without: it is refused for the first error of all.
        id_ = read_id(cell["id"], line, report)
        name = read_name(cell["sys name"], line, report, _LONGEST_NAME)
        port = read_port(cell["port"], line, report, "port")
        number = read_number(cell["RTU number"], line, report, "RTU number")
        hosts = read_endpoints(cell["IP:PORT list"], line, report, "IP:PORT list")
        admitted = read_filter(cell["filter"], line, report, "filter")
        self._judge_log_events(cell["logevents"], line)
        options = self._read_options(cell, row)
        if id_ is None or name is None or port is None or number is None or not hosts:
            return None
        rtu = RtuEntry(
            f"{id_}/S/{name}", line, id_, name, (number,), options.for_role(Scope.RTU), hosts
        )
        master = MasterEntry(
            f"{id_}/M/{name}", line, id_, name, (number,), options.for_role(Scope.MASTER), port,
            admitted,
        )  # fmt: skip
        return GroupConfig(id_, rtu, (master,))

    def _read_options(self, cell: Mapping[str, str], row: Row) -> Options:
        """Read the options of both entries: those with a column, then the cells behind."""
        line, report = row.line, self._report
        in_columns: dict[str, Value] = {}
        for column, name in _OPTIONS.items():
            if cell[column]:
                value = read_value(BY_NAME[name], cell[column], line, report, column)
                if value is not None:
                    in_columns[name] = value
        behind = read_options(
            row.cells[len(COLUMNS) :], line, (Scope.RTU, Scope.MASTER), report, in_columns
        )
        options = settle_options(self._options, {**in_columns, **behind}, line, report)
        if "buffer" in in_columns and "buffer" not in behind and options.buffer < options.k:
            usable = max(_USUAL_BUFFER, options.k)
            report.warning(
                line,
                "buffsize",
                cell["buffsize"],
                f"is less than k = {options.k}, so {usable} is used; accepted: k or more",
            )
            options = options.with_values({"buffer": usable})
        return options

    def _judge_log_events(self, text: str, line: int) -> None:
        wants_log = _LOG_EVENTS.check(text)
        if isinstance(wants_log, BadValue):
            self._report.warning(
                line, "logevents", text, f"{wants_log.reason} and is ignored; accepted: Y or N"
            )
        elif not wants_log:
            self._report.notice(
                line,
                "logevents",
                text,
                "has no effect: what happens to a connection is always logged; accepted: Y",
            )

    def _has_place(self, group: GroupConfig) -> bool:
        """Say whether the group gets along with those accepted before it."""
        (master,) = group.masters
        line = master.line
        same_id = self._groups.get(group.id)
        same_port = self._ports.get(master.port)
        if same_id is not None:
            self._report.refuse(
                line,
                "id",
                str(group.id),
                f"is the id of {same_id.rtu.label} in line {same_id.rtu.line} already, so line "
                f"{line} is left out; accepted: an id of its own for every RTU",
            )
        if same_port is not None:
            self._report.refuse(
                line,
                "port",
                str(master.port),
                f"is the port of {same_port.label} in line {same_port.line} already, so line "
                f"{line} is left out; accepted: a port of its own for every RTU",
            )
        return same_id is None and same_port is None
