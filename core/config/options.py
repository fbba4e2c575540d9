"""The one table of options, and the typed values of an entry.

Everything that can be set in the file is a row of `OPTIONS`: the reader, `--check`, the edit forms
and the manual all work from it. `Options` carries the same names as typed attributes for the rest
of the program; a test holds the two together.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from core.config.diagnostics import BadValue
from core.config.hosts import BIND_ACCEPTED, is_host, parse_bind

Value: TypeAlias = bool | int | float | str | tuple[str, ...]


class Scope(StrEnum):
    """Where an option may be given. All but PROGRAM may also be set once for the whole file."""

    PROGRAM = "program"
    """Only as a setting row of its own."""
    ALL = "all"
    """In any entry."""
    RTU = "rtu"
    """In the row of an RTU; it holds for the whole group."""
    MASTER = "master"
    """In the row of a master."""


class Kind(StrEnum):
    """What the value of an option is."""

    FLAG = "flag"
    HOST = "host"
    WHOLE = "whole"
    SECONDS = "seconds"
    CHOICE = "choice"
    ADDRESSES = "addresses"


_YES = frozenset({"", "y", "yes", "1", "true", "on"})
_NO = frozenset({"n", "no", "0", "false", "off"})
_SECONDS = re.compile(r"\d{1,9}(?:[.,]\d{1,6})?")
_MOST_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its name in the file, what it accepts, its default, its scope, its help."""

    name: str
    kind: Kind
    default: Value
    scope: Scope
    help: str
    low: int = 0
    high: int = 0
    choices: tuple[str, ...] = ()
    is_repeatable: bool = False

    @property
    def accepted(self) -> str:
        """What is accepted, in words."""
        match self.kind:
            case Kind.FLAG:
                return "no value, or yes or no"
            case Kind.HOST:
                return "one host name or IP address"
            case Kind.WHOLE:
                return f"a whole number from {self.low} to {self.high}"
            case Kind.SECONDS:
                return f"{self.low} to {self.high} seconds"
            case Kind.CHOICE:
                return f"{', '.join(self.choices[:-1])} or {self.choices[-1]}"
            case Kind.ADDRESSES:
                return BIND_ACCEPTED

    def check(self, text: str) -> Value | BadValue:
        """Return the value a text stands for, or why it is not accepted."""
        text = text.strip()
        if not text and self.kind is not Kind.FLAG:
            return BadValue("is empty")
        match self.kind:
            case Kind.FLAG:
                return self._flag(text)
            case Kind.HOST:
                return text if is_host(text) else BadValue("is not a host name or IP address")
            case Kind.WHOLE:
                return self._whole(text)
            case Kind.SECONDS:
                return self._seconds(text)
            case Kind.CHOICE:
                word = text.lower()
                return word if word in self.choices else BadValue("is not one of the choices")
            case Kind.ADDRESSES:
                return parse_bind(text)

    def shown(self, value: Value) -> str:
        """Return a value as it is written in the file."""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, tuple):
            return ";".join(value) or "all"
        return f"{value:.9g}" if isinstance(value, float) else str(value)

    def _flag(self, text: str) -> Value | BadValue:
        word = text.lower()
        if word in _YES or word in _NO:
            return word in _YES
        return BadValue("is neither yes nor no")

    def _whole(self, text: str) -> Value | BadValue:
        if not text.isdecimal() or len(text) > _MOST_DIGITS:
            return BadValue("is not a whole number")
        number = int(text)
        return number if self.low <= number <= self.high else BadValue("is outside the range")

    def _seconds(self, text: str) -> Value | BadValue:
        # Spreadsheets write the decimal comma of their language into semicolon files.
        if _SECONDS.fullmatch(text) is None:
            return BadValue("is not a number of seconds")
        seconds = float(text.replace(",", "."))
        return seconds if self.low <= seconds <= self.high else BadValue("is outside the range")


@dataclass(frozen=True, slots=True)
class Options:
    """The options in effect for one entry; what is for the other role stands at its default.

    So the options of a group are those of its RTU's row: `group.rtu.options.gi`.
    """

    idletime: float = 60.0
    t0: float = 30.0
    t1: float = 15.0
    t2: float = 10.0
    t3: float = 20.0
    k: int = 12
    w: int = 8
    buffer: int = 50_000
    startdt: Literal["on_demand", "always"] = "on_demand"
    gi: Literal["queue", "forward"] = "queue"
    gi_data: Literal["all", "background", "requester"] = "all"
    orphans: Literal["drop", "all"] = "drop"
    oa: Literal["index", "zero", "keep"] = "index"
    ca: Literal["map", "pass", "keep"] = "map"
    command_timeout: float = 10.0
    term_timeout: float = 120.0
    select_timeout: float = 30.0
    interrogation_timeout: float = 60.0
    same: Literal["new", "replace", "old"] = "new"
    same_ip: Literal["all", "old", "new"] = "all"
    conns: int = 1
    mode: Literal["pair", "each"] = "pair"
    rights: Literal["full", "monitor"] = "full"
    clock: Literal["forward", "refuse"] = "forward"
    bind: tuple[str, ...] = ()
    connect_rate: int = 300

    def with_values(self, values: Mapping[str, Value]) -> Options:
        """Return a copy with some options changed; the values are those `Option.check` gave."""
        # Any: names and types are the table's, which a test holds against this class.
        changes: dict[str, Any] = dict(values)
        return replace(self, **changes)

    def for_role(self, role: Literal[Scope.RTU, Scope.MASTER]) -> Options:
        """Return a copy in which the options of the other role stand at their defaults."""
        other = Scope.MASTER if role is Scope.RTU else Scope.RTU
        return self.with_values({o.name: o.default for o in OPTIONS if o.scope is other})


def _seconds(name: str, default: float, low: int, high: int, scope: Scope, help_: str) -> Option:
    return Option(name, Kind.SECONDS, default, scope, help_, low, high)


def _whole(name: str, default: int, low: int, high: int, scope: Scope, help_: str) -> Option:
    return Option(name, Kind.WHOLE, default, scope, help_, low, high)


def _choice(name: str, choices: str, scope: Scope, help_: str) -> Option:
    # The first choice is the default.
    words = tuple(choices.split("|"))
    return Option(name, Kind.CHOICE, words[0], scope, help_, choices=words)


_DAY = 86_400
_WEEK = 7 * _DAY
_YEAR = 365 * _DAY

OPTIONS: tuple[Option, ...] = (
    Option(
        "nogui",
        Kind.FLAG,
        False,
        Scope.PROGRAM,
        "Start without a window; the log files are written all the same.",
    ),
    Option(
        "ntp_server",
        Kind.HOST,
        "",
        Scope.PROGRAM,
        "A time server; one row for each, asked in this order.",
        is_repeatable=True,
    ),
    _whole(
        "ntp_update_every_sec",
        900,
        1,
        _WEEK,
        Scope.PROGRAM,
        "How often the time servers are asked, in seconds.",
    ),
    _choice(
        "ntp_mode",
        "set|watch",
        Scope.PROGRAM,
        "Set the clock of this machine by the time servers (set), or only show and log how far it "
        "is off (watch).",
    ),
    _seconds(
        "ntp_max_step",
        3_600.0,
        1,
        _YEAR,
        Scope.PROGRAM,
        "Once the clock was set or found right, it is set by more than this only if two time "
        "servers agree within 1 s.",
    ),
    _seconds(
        "idletime",
        60.0,
        1,
        _WEEK,
        Scope.ALL,
        "A link that received nothing for so long is closed; an RTU is then dialled again.",
    ),
    _seconds("t0", 30.0, 1, 255, Scope.ALL, "How long a try to connect may take."),
    _seconds(
        "t1",
        15.0,
        1,
        255,
        Scope.ALL,
        "How long a sent frame may stay without its answer before the link is closed.",
    ),
    _seconds(
        "t2",
        10.0,
        1,
        255,
        Scope.ALL,
        "Received frames are acknowledged within this time; smaller than t1.",
    ),
    _seconds(
        "t3", 20.0, 1, 172_800, Scope.ALL, "After so long without a frame a test frame is sent."
    ),
    _whole("k", 12, 1, 32_767, Scope.ALL, "How many sent frames may wait for an acknowledgement."),
    _whole(
        "w",
        8,
        1,
        32_767,
        Scope.ALL,
        "Received frames are acknowledged after so many at the latest; 2/3 of k is usual.",
    ),
    _whole(
        "buffer",
        50_000,
        1,
        1_000_000,
        Scope.ALL,
        "How many messages may wait for a master before it is closed; in an RTU's row: "
        "how many events are kept while no master takes them.",
    ),
    _choice(
        "startdt",
        "on_demand|always",
        Scope.RTU,
        "Start the RTU's data transfer when a master wants data, or at once and for good.",
    ),
    _choice(
        "gi",
        "queue|forward",
        Scope.RTU,
        "Interrogations of several masters wait for each other and go to the RTU one at a time, "
        "equal ones that wait as one (queue), or each goes to the RTU as it comes (forward).",
    ),
    _choice(
        "gi_data",
        "all|background|requester",
        Scope.RTU,
        "The data of an interrogation goes to every started master as the RTU sent it (all), to "
        "the asker so and to the others marked as background data (background), or to the asker "
        "alone (requester).",
    ),
    _choice(
        "orphans",
        "drop|all",
        Scope.RTU,
        "Answers of the RTU that nobody asked for are dropped, or sent to all masters.",
    ),
    _choice(
        "oa",
        "index|zero|keep",
        Scope.RTU,
        "Originator address toward the RTU: the master's place in the group, 0, or the master's.",
    ),
    _choice(
        "ca",
        "map|pass|keep",
        Scope.RTU,
        "Common addresses are translated and data of one that is not listed is dropped (map) or "
        "passed on as it is (pass), or none is translated or checked in either direction (keep).",
    ),
    _seconds(
        "command_timeout",
        10.0,
        1,
        3_600,
        Scope.RTU,
        "How long the RTU may take to its first answer to a command.",
    ),
    _seconds(
        "term_timeout",
        120.0,
        1,
        _DAY,
        Scope.RTU,
        "How long the RTU may take from confirming a command to ending it.",
    ),
    _seconds(
        "select_timeout",
        30.0,
        1,
        3_600,
        Scope.RTU,
        "After a master's select no other master can command that point until the execute or the "
        "cancel, or for so long; then the gateway cancels the selection at the RTU.",
    ),
    _seconds(
        "interrogation_timeout",
        60.0,
        1,
        3_600,
        Scope.RTU,
        "With gi=queue, an interrogation to which the RTU sent nothing for so long makes way for "
        "the next one; at most 15 s while the RTU has not ended any with a termination.",
    ),
    _choice(
        "same",
        "new|replace|old",
        Scope.MASTER,
        "With conns=1, a second connection takes over only if the first leaves a test without "
        "answer (new), or at once if it comes from the same IP address (replace), or never (old); "
        "otherwise it is refused.",
    ),
    _choice(
        "same_ip",
        "all|old|new",
        Scope.MASTER,
        "Several connections of this master from one IP address are all let in, up to conns "
        "(all), or a new one is refused while an old one from there is connected (old), or it "
        "replaces the old one (new).",
    ),
    _whole(
        "conns",
        1,
        1,
        255,
        Scope.MASTER,
        "How many connections to this port may be open at a time; mode says what several are to "
        "each other, same what happens to a second one where only one may be.",
    ),
    _choice(
        "mode",
        "pair|each",
        Scope.MASTER,
        "With conns of 2 or more, the connections are standby servers of which only the one "
        "that sent STARTDT last gets data and commands (pair), or each is a master of its own "
        "with an originator address of its own (each).",
    ),
    _choice(
        "rights",
        "full|monitor",
        Scope.MASTER,
        "The master may send all it likes to the RTU (full), or only read and interrogate, "
        "counters without freezing them; the rest is refused with a negative confirmation "
        "(monitor).",
    ),
    _choice(
        "clock",
        "forward|refuse",
        Scope.MASTER,
        "The master's clock synchronization goes to the RTU and sets its clock (forward), or is "
        "answered with a negative confirmation (refuse).",
    ),
    Option(
        "bind",
        Kind.ADDRESSES,
        (),
        Scope.MASTER,
        "On which addresses of this machine the master's port listens: every one (all), or only "
        "these; 0.0.0.0 is every IPv4 and :: every IPv6 address.",
    ),
    _whole(
        "connect_rate",
        300,
        0,
        1_000_000,
        Scope.MASTER,
        "How many connections a minute one remote address may make to the master's port for each "
        "of its conns, and as many at once; more are closed unread and counted. 0: any number.",
    ),
)
"""All options, in the order in which the manual lists them."""

BY_NAME: Mapping[str, Option] = {option.name: option for option in OPTIONS}

ALIASES: Mapping[str, str] = {"ntpserver": "ntp_server"}
"""Other spellings that are accepted, with a notice."""


def keyword(cell: str) -> Option | None:
    """Return the option a first cell names, in any letter case, else None."""
    word = cell.lower()
    return BY_NAME.get(ALIASES.get(word, word))


_SQUEEZE = re.compile(r"[\s_\-]+")
_SQUEEZED: Mapping[str, str] = {name.replace("_", ""): name for name in BY_NAME}
_LONGEST_GUESS = 40
_SHORTEST_GUESS = 5


def nearest(word: str) -> str | None:
    """Return the option name a mistyped word probably meant, else None.

    Short words must differ in blanks and dashes only: a guess for `k` or `t1` would be wrong more
    often than right.
    """
    if len(word) > _LONGEST_GUESS:
        return None
    squeezed = _SQUEEZE.sub("", word.lower()).rstrip(":=")
    if squeezed in _SQUEEZED or len(squeezed) < _SHORTEST_GUESS:
        return _SQUEEZED.get(squeezed)
    # Nobody mistypes the first letter, and this keeps ordinary words out ("server", "block").
    names = [name for name in _SQUEEZED if name[0] == squeezed[0]]
    close = difflib.get_close_matches(squeezed, names, n=1, cutoff=0.8)
    return _SQUEEZED[close[0]] if close else None
