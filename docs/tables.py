"""The parts of the manual that the program itself knows: made from its tables, never by hand.

A chapter has them between ``<!-- NAME:begin -->`` and ``<!-- NAME:end -->``; a run of
``python -m docs.build`` renews them, a test holds them.
"""

import argparse
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from app import arguments
from app.actions import keys
from app.commands import COMMANDS
from app.filter import SYSTEM_FIELDS, TRAFFIC_FIELDS, Kind
from app.rows import HEADINGS, MEANINGS, look_of
from core.config.manual import option_table
from core.config.options import BY_NAME
from core.protocol.codes import Cause, TypeId, TypeNumber
from core.protocol.layouts import object_type
from core.routing.audience import AUDIENCE, Audience
from core.routing.guard import CONTROL_CAUSES
from core.simulator.kinds import COMMANDS as COMMAND_TYPES
from core.simulator.kinds import MONITORED, PARAMETERS
from core.status import MasterState, RtuState

README: Final = Path(__file__).resolve().parent.parent / "README.md"
PERFORMANCE: Final = Path(__file__).resolve().parent / "performance.md"

CLIENT_ASKS: Final = frozenset(
    {
        *COMMAND_TYPES,
        *(TypeId.C_IC_NA_1, TypeId.C_CI_NA_1, TypeId.C_RD_NA_1, TypeId.C_CS_NA_1),
        *(TypeId.C_TS_NA_1, TypeId.C_RP_NA_1, TypeId.C_TS_TA_1),
    }
)
"""What the client library has calls for; anything else it sends by `send`."""
SIMULATOR_TAKES: Final = frozenset(
    {
        *CLIENT_ASKS,
        *PARAMETERS,
        *(TypeId.P_AC_NA_1, TypeId.C_CD_NA_1),
    }
)
"""What the simulator answers otherwise than by `unknown type`."""

_CAUSE_WORDS: Final[Mapping[Cause, str]] = {
    Cause.SPONTANEOUS: "spontaneous",
    Cause.REQUEST: "request",
    Cause.ACTIVATION: "activation",
    Cause.DEACTIVATION: "deactivation",
    Cause.FILE_TRANSFER: "file transfer",
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_escaped(cell) for cell in line) + " |" for line in lines)


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")


# The window


def _states() -> str:
    found = []
    for state in (*RtuState, *MasterState):
        look = look_of(state)
        who = "RTU" if isinstance(state, RtuState) else "master"
        found.append((who, look.word, f"`{state}`", look.category.value, look.usual))
    return table(("of", "in the window", "without a window", "button", "it means"), found)


def _columns() -> str:
    return table(("column", "meaning"), ((HEADINGS[name], MEANINGS[name]) for name in HEADINGS))


def _keys() -> str:
    return table(("key", "what it does"), ((f"`{key}`", what) for key, what in keys()))


def _filter_fields() -> str:
    rows = []
    for where, fields in (("Systems", SYSTEM_FIELDS), ("Traffic", TRAFFIC_FIELDS)):
        for kind, word in ((Kind.TEXT, "text"), (Kind.NUMBER, "number, or a range")):
            names = [f"`{name}:`" for name, of in fields.items() if of is kind]
            rows.append((where, word, " ".join(names)))
    return table(("tab", "compared as", "fields"), rows)


# The command line


def _arguments() -> str:
    return _options_of(arguments._parser())  # the table wants what the parser has


def _options_of(parser: argparse.ArgumentParser) -> str:
    rows = []
    for action in parser._actions:  # argparse has no other way to list them
        if action.help is argparse.SUPPRESS:
            continue
        value = "" if action.nargs == 0 else f" {action.metavar or action.dest}"
        names = ", ".join(f"`{name}{value}`" for name in action.option_strings)
        rows.append((names, action.help or ""))
    return table(("argument", "meaning"), rows)


def _commands() -> str:
    rows = [(f"`iec104mm2ss {name}`", command.summary) for name, command in COMMANDS.items()]
    return table(("command", "what it is for"), rows)


# Interoperability


def _types() -> str:
    rows = []
    for type_id in TypeId:
        kind = object_type(type_id)
        assert kind is not None  # every type of the standard has a layout
        client = _words(
            (type_id in CLIENT_ASKS, "sends"),
            (_from_rtu(type_id), "receives"),
        )
        simulator = _words(
            (type_id in MONITORED or type_id == TypeId.M_EI_NA_1, "sends"),
            (type_id in SIMULATOR_TAKES, "receives"),
        )
        rows.append((str(int(type_id)), type_id.name, _direction(type_id), _gateway(type_id),
                     client, simulator))  # fmt: skip
    return table(("no.", "type", "direction", "gateway", "client library", "simulator"), rows)


def _words(*said: tuple[bool, str]) -> str:
    return ", ".join(word for is_so, word in said if is_so) or "\N{EN DASH}"


def _from_rtu(type_id: TypeNumber) -> bool:
    """Whether an RTU sends this type other than as an answer."""
    found = {AUDIENCE[type_id << 6 | cause] for cause in (*range(1, 7), *range(11, 44))}
    return bool(found - {Audience.ORPHAN})


def _direction(type_id: TypeNumber) -> str:
    if type_id not in CONTROL_CAUSES:
        return "monitor"
    return "both" if _from_rtu(type_id) else "control"


def _gateway(type_id: TypeNumber) -> str:
    if type_id == TypeId.M_EI_NA_1:
        return "not passed on; makes its own for each master"
    if type_id == TypeId.F_DR_TA_1:
        return "passed on within a file session; a changed directory to all"
    if TypeId.F_FR_NA_1 <= type_id < TypeId.F_DR_TA_1:
        return "passed on within a file session"
    return "passed on"


def _control_causes() -> str:
    by_causes: dict[tuple[Cause, ...], list[int]] = {}
    for type_id, causes in CONTROL_CAUSES.items():
        by_causes.setdefault(tuple(sorted(causes)), []).append(int(type_id))
    rows = [
        (_ranges(types), ", ".join(f"{int(cause)} {_CAUSE_WORDS[cause]}" for cause in causes))
        for causes, types in by_causes.items()
    ]
    return table(("types", "causes a master may use"), rows)


def _ranges(numbers: Sequence[int]) -> str:
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and found[-1][-1] == number - 1:
            found[-1][1:] = [number]
        else:
            found.append([number])
    return ", ".join("-".join(map(str, span)) for span in found)


def _link_parameters() -> str:
    remarks = {
        "t0": "towards an RTU with several hosts at most 3 s",
        "t1": "I-, STARTDT, STOPDT and test frames each",
        "t2": "smaller than t1",
        "t3": "from the last received frame, in every state",
        "k": "transmitted, not yet acknowledged",
        "w": "not more than k",
        "idletime": "not of the standard: nothing received for so long closes the link",
    }
    rows = []
    for name, remark in remarks.items():
        option = BY_NAME[name]
        default = option.shown(option.default) + (" s" if name not in "kw" else "")
        rows.append((f"`{name}`", default, option.accepted, remark))
    return table(("parameter", "default", "settable", "remark"), rows)


# Measured figures


def _performance() -> str:
    """What is of use to who sizes a machine, if this copy of the documents has it."""
    if not PERFORMANCE.is_file():
        return "The figures of this version are not in this copy of the manual."
    parts = [
        f"### {heading}\n\n{_from_chapter(section(PERFORMANCE, heading), '../')}"
        for heading in ("How cost grows", "What limits it")
    ]
    more = "How they were measured, and more of them: [docs/performance.md](../performance.md)."
    return "\n\n".join([*parts, more])


# What the README says already


def readme_section(heading: str) -> str:
    """The text below a heading of the README."""
    return _from_chapter(section(README, heading), "../../")


def readme_table(heading: str) -> str:
    """The first table below a heading of the README."""
    found = re.search(r"(?:^\|.*\n?)+", readme_section(heading), re.MULTILINE)
    if found is None:
        raise ValueError(f"README.md has no table below '{heading}'")
    return found[0].strip()


def section(path: Path, heading: str) -> str:
    """The text below a heading, up to the next of its level or above; ValueError for none."""
    found: list[str] = []
    level, is_code = 0, False
    for line in path.read_text("utf-8").splitlines():
        is_code ^= line.startswith("```")
        mark = None if is_code else re.match(r"(#+) (.*)", line)
        if mark is not None and level and len(mark[1]) <= level:
            break
        if level:
            found.append(line)
        elif mark is not None and mark[2] == heading:
            level = len(mark[1])
    if not level:
        raise ValueError(f"{path.name} has no heading '{heading}'")
    return "\n".join(found).strip()


def _from_chapter(text: str, up: str) -> str:
    """Links as they are written from a chapter."""
    return re.sub(r"\]\((?!https?:|#)", f"]({up}", text)


GENERATED: Final[Mapping[str, Callable[[], str]]] = {
    "options": option_table,
    "one-port-text": lambda: readme_section("One row for each RTU"),
    "life": lambda: readme_section("What happens in a group"),
    "routing": lambda: readme_section("Who receives what"),
    "clock-states": lambda: readme_table("The clock"),
    "states": _states,
    "columns": _columns,
    "keys": _keys,
    "filter-fields": _filter_fields,
    "arguments": _arguments,
    "commands": _commands,
    "types": _types,
    "control-causes": _control_causes,
    "link-parameters": _link_parameters,
    "performance": _performance,
}
"""Name of a part -> its text."""


def renewed(text: str) -> str:
    """A chapter with all its generated parts as they are now. ValueError for an unknown name."""

    def part(found: re.Match[str]) -> str:
        name = found[1]
        if name not in GENERATED:
            raise ValueError(f"no generated part is called '{name}'")
        return f"<!-- {name}:begin -->\n{GENERATED[name]()}\n<!-- {name}:end -->"

    return re.sub(
        r"^<!-- ([\w-]+):begin -->\n.*?^<!-- \1:end -->", part, text, flags=re.MULTILINE | re.DOTALL
    )
