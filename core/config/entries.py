"""One row of a group: its cells checked one by one, into an entry or into what is wrong with it.

The edit forms check with these same functions, so that a form and the file never disagree.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from core.config.diagnostics import BadValue, Report, shown
from core.config.hosts import (
    ANYBODY,
    ENDPOINT_ACCEPTED,
    FILTER_ACCEPTED,
    HIGHEST_PORT,
    Endpoint,
    HostFilter,
    Network,
    has_host_bits,
    items_of,
    parse_filter_item,
    port_number,
)
from core.config.model import Entry, MasterEntry, RtuEntry
from core.config.options import BY_NAME, Option, Options, Scope, Value, nearest
from core.config.timing import settle

COLUMNS = ("id", "sys name", "port no", "rtu no", "master", "hosts")
"""The fixed columns; every later cell is `option=value`."""

LONGEST_NAME = 14
HIGHEST_NUMBER = 65535
_MOST_ID_DIGITS = 15
"""What a spreadsheet keeps exactly; it rounds longer numbers."""

_ROLE: dict[str, Literal[Scope.RTU, Scope.MASTER]] = {
    **dict.fromkeys(("y", "yes", "1"), Scope.MASTER),
    **dict.fromkeys(("", "n", "no", "0"), Scope.RTU),
}
_LIKE_A_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?")
_BLANKS = re.compile(r"\s+")


def is_number_like(cell: str) -> bool:
    """Say whether a first cell is meant as a number, so that its row is an entry, even a bad one.

    That includes what a spreadsheet makes of a number: 111.0, 1,5 or 1E+15.
    """
    return _LIKE_A_NUMBER.fullmatch(cell) is not None


def read_entry(cells: Sequence[str], line: int, options: Options, report: Report) -> Entry | None:
    """Read the row of an entry; `options` are those set for the whole file.

    Returns None if the row cannot be used; every problem in it has then been reported. The key
    stays empty: it depends on the rows before.
    """
    id_cell, name_cell, port_cell, number_cell, role_cell, hosts_cell = (*cells, *[""] * 6)[:6]
    warn_of_open_quotes(COLUMNS, cells, line, report)
    group = read_id(id_cell, line, report)
    name = read_name(name_cell, line, report)
    numbers = read_numbers(number_cell, line, report)
    role = read_role(role_cell, line, report)
    match role:
        case Scope.RTU:
            endpoints = read_endpoints(hosts_cell, line, report)
            given = read_options(cells[6:], line, (role,), report)
            settled = settle_options(options.for_role(role), given, line, report)
            if group is not None and name and numbers and endpoints:
                return RtuEntry("", line, group, name, numbers, settled, endpoints)
        case Scope.MASTER:
            port = read_port(port_cell, line, report)
            hosts = read_filter(hosts_cell, line, report)
            given = read_options(cells[6:], line, (role,), report)
            settled = settle_options(options.for_role(role), given, line, report)
            if group is not None and name and numbers and port is not None:
                return MasterEntry("", line, group, name, numbers, settled, port, hosts)
    return None


def warn_of_open_quotes(
    columns: Sequence[str], cells: Sequence[str], line: int, report: Report
) -> None:
    """Say which cells begin with a quote that is a character, since nothing closes it."""
    for column, cell in zip(columns, cells, strict=False):
        if cell.startswith('"'):
            report.warning(
                line, column, cell, "has a quote that is not closed; accepted: no quote, or two"
            )


def read_id(cell: str, line: int, report: Report) -> int | None:
    """Read the number of the group."""
    number = group_number(cell)
    if number is not None:
        return number
    report.error(
        line,
        "id",
        cell,
        "is not the number of a group; accepted: a whole number of at most 15 digits, such as 111",
    )
    return None


def group_number(cell: str) -> int | None:
    """Return the number of the group an id cell names, else None."""
    return int(cell) if cell.isdecimal() and len(cell) <= _MOST_ID_DIGITS else None


def read_name(cell: str, line: int, report: Report, longest: int = LONGEST_NAME) -> str | None:
    """Read the name of an entry, cut to its length."""
    # A name goes into logs, file names and the window: one line, nothing invisible.
    name = "".join(c if c.isprintable() else " " for c in cell)
    name = _BLANKS.sub(" ", name).strip()
    if not name:
        report.error(
            line,
            "sys name",
            cell,
            f"is not a name; accepted: a name, of which {longest} characters are kept",
        )
        return None
    if not cell.isprintable():
        report.warning(
            line,
            "sys name",
            cell,
            f"has unprintable characters and becomes '{name[:longest].rstrip()}'; "
            "accepted: letters, digits, signs and blanks",
        )
    if len(name) > longest:
        short = name[:longest].rstrip()
        report.warning(
            line,
            "sys name",
            cell,
            f"is too long and is cut to '{short}'; accepted: at most {longest} characters",
        )
        return short
    return name


def read_port(cell: str, line: int, report: Report, column: str = "port no") -> int | None:
    """Read the port on which a master connects."""
    port = port_number(cell)
    if port is None:
        wrong = "is not a port number" if cell else "is empty"
        report.error(line, column, cell, f"{wrong}; accepted: 1 to {HIGHEST_PORT}")
    return port


def read_number(cell: str, line: int, report: Report, column: str) -> int | None:
    """Read the RTU number where there can be only one."""
    # The range of common addresses and the range of ports happen to be the same.
    number = port_number(cell)
    if number is None:
        wrong = "is not an RTU number" if cell else "is empty"
        report.error(line, column, cell, f"{wrong}; accepted: 1 to {HIGHEST_NUMBER}")
    return number


def read_numbers(cell: str, line: int, report: Report) -> tuple[int, ...] | None:
    """Read the RTU number, or a list of them."""
    numbers: list[int] = []
    wrong = "" if cell else "is empty"
    for item in (part.strip() for part in cell.split(";") if not wrong):
        number = port_number(item)  # see read_number
        if number is None:
            wrong = "is not an RTU number" if item == cell else f"has a bad item '{shown(item)}'"
        elif number in numbers:
            wrong = f"has {number} twice"
        else:
            numbers.append(number)
    if wrong:
        report.error(
            line,
            "rtu no",
            cell,
            f"{wrong}; accepted: 1 to {HIGHEST_NUMBER}, or a list of different ones such as 32;33",
        )
        return None
    return tuple(numbers)


def read_role(cell: str, line: int, report: Report) -> Literal[Scope.RTU, Scope.MASTER] | None:
    """Read whether the row is a master's."""
    role = _ROLE.get(cell.lower())
    if role is None:
        report.error(
            line, "master", cell, "is neither Y nor N; accepted: Y for a master, N for the RTU"
        )
    return role


def read_endpoints(
    cell: str, line: int, report: Report, column: str = "hosts"
) -> tuple[Endpoint, ...]:
    """Read where an RTU is reached; bad items are named, the good ones returned."""
    good: list[Endpoint] = []
    for item in items_of(cell):
        endpoint = Endpoint.parse(item)
        if isinstance(endpoint, BadValue):
            report.error(line, column, item, f"{endpoint.reason}; accepted: {ENDPOINT_ACCEPTED}")
        else:
            good.append(endpoint)
    if not good:
        wrong = "has no usable address" if cell else "is empty"
        report.error(
            line,
            column,
            cell,
            f"{wrong}, so the RTU cannot be called; accepted: {ENDPOINT_ACCEPTED}",
        )
    return tuple(good)


def read_filter(cell: str, line: int, report: Report, column: str = "hosts") -> HostFilter:
    """Read who may connect to a master's port; bad items are named and admit nobody."""
    if not cell:
        return ANYBODY
    networks: list[Network] = []
    names: list[str] = []
    for item in items_of(cell):
        good = parse_filter_item(item)
        if isinstance(good, BadValue):
            report.error(line, column, item, f"{good.reason}; accepted: {FILTER_ACCEPTED}")
        elif isinstance(good, str):
            names.append(good)
        else:
            networks.append(good)
            if has_host_bits(item):
                report.notice(
                    line,
                    column,
                    item,
                    f"is read as the network {good}; accepted: {FILTER_ACCEPTED}",
                )
    if not networks and not names:
        report.error(
            line,
            column,
            cell,
            f"has no usable item, so nobody can connect; accepted: {FILTER_ACCEPTED}, "
            "or nothing for anybody",
        )
    return HostFilter(tuple(networks), tuple(names))


def read_options(
    cells: Sequence[str],
    line: int,
    roles: Collection[Scope],
    report: Report,
    before: Mapping[str, Value] = MappingProxyType({}),
) -> dict[str, Value]:
    """Read the `option=value` cells of the entries of a row, which have these roles.

    Returns what they give; `before` is what the row gave in cells of its own, for the message
    that another value replaces it.
    """
    given: dict[str, Value] = {}
    for cell in cells:
        # A remark behind an entry did no harm before there were options.
        if not cell or cell.startswith("#"):
            continue
        name, equals, text = (part.strip() for part in cell.partition("="))
        if not equals:
            report.warning(
                line,
                "options",
                cell,
                "is not an option and is ignored; accepted: option=value such as t1=15 (a list of "
                "hosts in a file separated by semicolons needs quotes)",
            )
            continue
        value = _option_value(cell, name.lower(), text, roles, line, report)
        if value is None:
            continue
        name = name.lower()
        old = given.get(name, before.get(name, value))
        if old != value:
            report.warning(
                line,
                name,
                text,
                f"replaces {BY_NAME[name].shown(old)} in the same row; accepted: each option once",
            )
        given[name] = value
    return given


def settle_options(base: Options, given: Mapping[str, Value], line: int, report: Report) -> Options:
    """Return `base` with what a row gives, and say what does not go together."""
    options, remarks = settle(base, given)
    for remark in remarks:
        report.say(remark.severity, line, remark.column, remark.value, remark.text)
    if "mode" in given and options.conns == 1:
        report.warning(
            line,
            "mode",
            options.mode,
            "has no effect on an entry with one connection; accepted: conns=2 or more beside it",
        )
    return options


def read_value(
    option: Option, text: str, line: int, report: Report, column: str = ""
) -> Value | None:
    """Read the value of an option from a cell of this column, which may be called like it."""
    value = option.check(text)
    if isinstance(value, BadValue):
        report.error(
            line,
            column or option.name,
            text,
            f"{value.reason}, so it is not used; accepted: {option.accepted}",
        )
        return None
    return value


def _option_value(
    cell: str, name: str, text: str, roles: Collection[Scope], line: int, report: Report
) -> Value | None:
    option = BY_NAME.get(name)
    if option is None:
        guess = nearest(name)
        hint = f"{guess}=.., if that is meant" if guess else "the options of the manual"
        report.error(line, "options", cell, f"is not a known option; accepted: {hint}")
        return None
    if option.scope not in (Scope.ALL, *roles):
        place = {
            Scope.PROGRAM: "in a row of its own, for the whole program",
            Scope.RTU: "in the RTU's row, for the whole group",
            Scope.MASTER: "in a master's row",
        }[option.scope]
        report.error(line, name, text, f"is not possible in this row; accepted: {name} {place}")
        return None
    return read_value(option, text, line, report)
