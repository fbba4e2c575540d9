"""What the table of systems says about an entry or a group: texts, symbols, colours, sort keys.

Pure: states, counts and rates in, values out. Status is never colour alone: a look is a symbol, a
word and a colour.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias

from app.formats import NOTHING, moment, plural, rate
from core.config import Entry, GroupConfig, HostFilter, MasterEntry, RtuEntry
from core.status import Counters, EntryStatus, MasterState, RtuState, State


class Category(StrEnum):
    """The buttons above the table; every entry is in one of them."""

    ONLINE = "Online"
    WAITING = "Waiting"
    PROBLEM = "Problem"


class Tint(StrEnum):
    """How a row is coloured. Only problem rows have a ground of their own."""

    PLAIN = "plain"
    IDLE = "idle"
    HELD = "held"
    WARNING = "warning"
    ERROR = "error"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is shown."""

    symbol: str
    word: str
    role: str
    """The colour's name in the palette."""
    category: Category
    tint: Tint
    usual: str
    """What stands under `Last event` when the core says nothing more."""


_RTU: Final[Mapping[RtuState, Look]] = {
    RtuState.CONNECTING: Look(
        "connecting", "Connecting", "warning", Category.PROBLEM, Tint.WARNING, "calling the RTU"
    ),
    RtuState.STARTING: Look(
        "connecting", "Starting", "warning", Category.WAITING, Tint.PLAIN, "connected"
    ),
    RtuState.WAITING: Look(
        "ready", "Waiting for master", "online", Category.ONLINE, Tint.PLAIN,
        "connected; starts with the first master",
    ),
    RtuState.ONLINE: Look(
        "online", "Online", "online", Category.ONLINE, Tint.PLAIN, "data transfer started"
    ),
    RtuState.ERROR: Look("refused", "Error", "error", Category.PROBLEM, Tint.ERROR, "not running"),
}  # fmt: skip
_MASTER: Final[Mapping[MasterState, Look]] = {
    MasterState.HELD: Look(
        "held", "Held \N{EN DASH} RTU down", "held", Category.PROBLEM, Tint.HELD,
        "port closed until the RTU is back",
    ),
    MasterState.LISTENING: Look(
        "listening", "Listening", "off", Category.WAITING, Tint.IDLE, "waiting for a connection"
    ),
    MasterState.CONNECTED: Look(
        "ready", "Not started", "online", Category.WAITING, Tint.PLAIN,
        "connected, has not sent STARTDT",
    ),
    MasterState.ONLINE: Look(
        "online", "Online", "online", Category.ONLINE, Tint.PLAIN, "data transfer started"
    ),
    MasterState.REFUSED: Look(
        "refused", "Refused", "error", Category.PROBLEM, Tint.ERROR, "a connection was refused"
    ),
    MasterState.ERROR: Look(
        "refused", "Error", "error", Category.PROBLEM, Tint.ERROR, "not running"
    ),
}  # fmt: skip
# One table for each role: RtuState.ONLINE and MasterState.ONLINE are equal as texts.

_UNKNOWN: Final = Look("off", NOTHING, "off", Category.WAITING, Tint.IDLE, "")


def look_of(state: State | None) -> Look:
    """How a state is shown; None before the core has said anything."""
    match state:
        case RtuState():
            return _RTU[state]
        case MasterState():
            return _MASTER[state]
    return _UNKNOWN


@dataclass(frozen=True, slots=True)
class Rates:
    """Messages per second, averaged over a few seconds."""

    into: float = 0.0
    out: float = 0.0


QUIET: Final = Rates()

RatesOf: TypeAlias = Callable[[str], Rates]
"""The rates of the entry with this key."""

Cells: TypeAlias = tuple[str, str, str, str, str, str, str, str]

COLUMNS: Final = ("state", "port", "rtu", "at", "remote", "in", "out", "event")
NAME: Final = "#0"
"""The column of the symbol and the name."""

HEADINGS: Final[Mapping[str, str]] = {
    NAME: "Group / system", "state": "State", "port": "Port", "rtu": "RTU",
    "at": "Connected at", "remote": "Remote", "in": "In /s", "out": "Out /s",
    "event": "Last event",
}  # fmt: skip

MEANINGS: Final[Mapping[str, str]] = {
    NAME: "A group is one RTU and its masters. S/ is the RTU (slave), M/ a master.",
    "state": "What the connection is doing. Problems are tinted.",
    "port": "The port on which this master connects to the gateway.",
    "rtu": "RTU number (common address) that this side uses; a group may translate it.",
    "at": "When the present connection was made, local time.",
    "remote": "Address and port of the other end of the present connection.",
    "in": "Messages (I-frames) per second received from this system, over the last 5 s.",
    "out": "Messages (I-frames) per second sent to this system, over the last 5 s.",
    "event": "The last thing worth knowing: an error, what is being tried, who was refused.",
}
"""What a column means, for the tip of its heading."""

LIVE_COLUMNS: Final = frozenset({"state", "at", "remote", "in", "out", "event"})
"""Those that change by themselves, so that sorting by them moves rows."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it is shown."""

    symbol: str
    label: str
    cells: Cells
    tint: Tint


def entry_row(entry: Entry, status: EntryStatus | None, rates: Rates) -> Row:
    """The row of an entry."""
    look = look_of(status.state if status else None)
    cells = (
        look.word,
        str(entry.port) if isinstance(entry, MasterEntry) else "",
        numbers_text(entry),
        moment(status.connected_at if status else None),
        (status.peer if status else "") or NOTHING,
        *rate_cells(status, rates),
        event_text(status),
    )
    return Row(look.symbol, entry.label, cells, look.tint)


def rate_cells(status: EntryStatus | None, rates: Rates) -> tuple[str, str]:
    """In and out of an entry; nothing while it is not connected."""
    if status is None or not status.peer:
        return "", ""
    return rate(rates.into), rate(rates.out)


def rate_cells_of(
    group: GroupConfig, statuses: Mapping[str, EntryStatus], rates: RatesOf
) -> tuple[str, str]:
    """In and out of a group together; nothing while none of its entries is connected."""
    if not any(s.peer for e in group.entries if (s := statuses.get(e.key)) is not None):
        return "", ""
    each = [rates(entry.key) for entry in group.entries]
    return rate(sum(one.into for one in each)), rate(sum(one.out for one in each))


def event_text(status: EntryStatus | None) -> str:
    """Why an entry is in its state, or what that state means."""
    return "" if status is None else status.detail or look_of(status.state).usual


def group_row(group: GroupConfig, statuses: Mapping[str, EntryStatus], rates: RatesOf) -> Row:
    """The row of a group: how many of its masters are online, and its rates together."""
    online = sum(
        1
        for master in group.masters
        if master.key in statuses and statuses[master.key].state is MasterState.ONLINE
    )
    rtu = statuses.get(group.rtu.key)
    is_up = rtu is not None and look_of(rtu.state).category is Category.ONLINE
    into, out = rate_cells_of(group, statuses, rates)
    symbol = "group-down"
    if is_up:
        symbol = "group-up" if online == len(group.masters) else "group-partly"
    return Row(
        symbol,
        f"{group.id}  {group.rtu.name}",
        (
            f"{online} of {plural(len(group.masters), 'master')}", "", "", "", "", into, out,
            "" if is_up else "RTU is not connected",
        ),
        Tint.GROUP,
    )  # fmt: skip


def numbers_text(entry: Entry) -> str:
    """The RTU numbers as they stand in the file."""
    return ";".join(map(str, entry.numbers))


def hosts_text(entry: Entry) -> str:
    """The hosts of an entry as they stand in the file; "" if anybody may connect."""
    match entry:
        case RtuEntry(hosts=hosts):
            return ";".join(map(str, hosts))
        case MasterEntry(hosts=HostFilter(is_open=True)):
            return ""
    return str(entry.hosts)


def tip_of(entry: Entry, status: EntryStatus | None, counters: Counters | None) -> str:
    """All there is to say about an entry, and the keys that act on it."""
    look = look_of(status.state if status else None)
    lines = [f"{entry.label}   group {entry.group}"]
    lines.append(f"{look.word} {NOTHING} {event_text(status)}")
    if isinstance(entry, RtuEntry):
        lines.append(f"Called at: {', '.join(map(str, entry.hosts))}")
    else:
        lines.append(f"Allowed: {hosts_text(entry).replace(';', ', ') or 'anybody'}")
    counted = trouble_text(counters)
    if counted:
        lines.append(f"Counted: {counted}")
    lines.append("Enter: log   F2: edit   F5: restart   right click: more")
    return "\n".join(lines)


def trouble_text(counters: Counters | None) -> str:
    """What was counted besides messages and connections."""
    if counters is None:
        return ""
    names = ("refused", "malformed", "unknown_ca", "orphans", "expired", "dropped")
    counted = ((name.replace("_", " "), getattr(counters, name)) for name in names)
    found = [f"{name} {count}" for name, count in counted if count]
    if counters.peers_refused:
        found.append(f"connections refused {counters.peers_refused}")
    return ", ".join(found)


# Sorting

Key: TypeAlias = tuple[int, Any]
"""Comparable within one column; what has no value comes last."""

_ORDER: Final = {"Problem": 0, "Waiting": 1, "Online": 2}


def sort_key(column: str, entry: Entry, status: EntryStatus | None, rates: Rates) -> Key:
    """By what an entry is sorted under this column: ports as numbers, times as times."""
    look = look_of(status.state if status else None)
    peer = status.peer if status else ""
    at: datetime | None = status.connected_at if status else None
    match column:
        case "state":
            return 0, (_ORDER[look.category], look.word)
        case "port":
            return (0, entry.port) if isinstance(entry, MasterEntry) else (1, 0)
        case "rtu":
            return 0, entry.numbers
        case "at":
            return (1, 0) if at is None else (0, at.timestamp())
        case "remote":
            return (0, address_key(peer)) if peer else (1, ())
        case "in":
            return 0, rates.into
        case "out":
            return 0, rates.out
        case "event":
            return 0, event_text(status).casefold()
    return 0, natural(entry.name)


def group_sort_key(
    column: str,
    group: GroupConfig,
    statuses: Mapping[str, EntryStatus],
    rates: RatesOf,
) -> Key:
    """By what a group is sorted: its own value, or what stands out most among its entries."""
    if column in ("in", "out"):
        of_entries = [rates(entry.key) for entry in group.entries]
        return 0, sum(each.into if column == "in" else each.out for each in of_entries)
    if column == NAME:
        return 0, (group.id,)
    return min(sort_key(column, e, statuses.get(e.key), QUIET) for e in group.entries)


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """A key under which RTU-2 comes before RTU-10."""
    parts: list[tuple[int, int, str]] = []
    word = ""
    for character in text.casefold():
        is_digit = character.isascii() and character.isdigit()
        if word and is_digit != word.isdecimal():
            parts.append((0, int(word), "") if word.isdecimal() else (1, 0, word))
            word = ""
        word += character
    if word:
        parts.append((0, int(word), "") if word.isdecimal() else (1, 0, word))
    return tuple(parts)


def address_key(peer: str) -> tuple[tuple[int, int, str], ...]:
    """A key under which 10.2.0.1 comes before 10.10.0.1; of several peers the first counts."""
    return natural(peer.split(",")[0])


# Counting


@dataclass(frozen=True, slots=True)
class Counts:
    """The summary above the tabs."""

    rtus: int = 0
    rtus_online: int = 0
    masters: int = 0
    masters_online: int = 0
    rtus_down: int = 0
    refused: int = 0
    errors: int = 0
    held: int = 0
    online: int = 0
    waiting: int = 0
    problem: int = 0

    @property
    def all(self) -> int:
        """Every entry."""
        return self.rtus + self.masters

    @property
    def problems_text(self) -> str:
        """The problems by kind, the gravest first; "none" is good news."""
        found = [
            plural(self.rtus_down, "RTU down", "RTUs down") if self.rtus_down else "",
            f"{self.errors} in error" if self.errors else "",
            f"{self.refused} refused" if self.refused else "",
            f"{self.held} held" if self.held else "",
        ]
        return " · ".join(each for each in found if each) or "none"


Tally: TypeAlias = Counter[tuple[bool, State | None]]
"""How many entries there are of a kind (whether RTUs) in a state."""


def tally(entries: Iterable[Entry], statuses: Mapping[str, EntryStatus]) -> Tally:
    """Count the entries by what they are doing."""
    return Counter(
        (isinstance(entry, RtuEntry), status.state if status else None)
        for entry in entries
        for status in (statuses.get(entry.key),)
    )


def counts(tallied: Tally) -> Counts:
    """The summary of a tally."""
    found = dict.fromkeys(Counts.__dataclass_fields__, 0)
    for (is_rtu, state), number in tallied.items():
        category = look_of(state).category
        found[category.name.lower()] += number
        if is_rtu:
            found["rtus"] += number
            found["rtus_online"] += number * (category is Category.ONLINE)
            found["rtus_down"] += number * (state is RtuState.CONNECTING)
            found["errors"] += number * (state is RtuState.ERROR)
        else:
            found["masters"] += number
            found["masters_online"] += number * (state is MasterState.ONLINE)
            found["refused"] += number * (state is MasterState.REFUSED)
            found["errors"] += number * (state is MasterState.ERROR)
            found["held"] += number * (state is MasterState.HELD)
    return Counts(**found)
