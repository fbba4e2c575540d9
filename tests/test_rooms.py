"""The rooms of the program and the arrows between them, read from the imports themselves."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Room:
    """Modules that belong together; inside one they may import each other."""

    members: tuple[str, ...]
    """A module or package; it stands for everything below it."""
    may_import: tuple[str, ...] = ()
    may_not_import: tuple[str, ...] = ()
    """Exceptions from `may_import`."""
    is_pure: bool = False
    may_use_tk: bool = False


FRONT_END = ("app", "core.gateway", "core.status", "core.feed", "core.config")

ROOMS = [
    Room(("iec104mm2ss",), ("app",)),
    Room(("core.protocol",), is_pure=True),
    Room(("core.routing",), ("core.protocol",), is_pure=True),
    Room(("core.config",), is_pure=True),
    Room(("core.connections",), ("core.protocol",)),
    Room(("core.gateway",), ("core",), may_not_import=("core.client", "core.simulator")),
    Room(("core.status", "core.feed")),
    Room(("core.logs",)),
    Room(("core.clock",)),
    Room(("core.ntp.rules", "core.ntp.words"), is_pure=True),
    Room(("core.ntp",), ("core.clock", "core.ntp")),
    Room(("core.client",), ("core.connections", "core.protocol")),
    # The client's import lines, installed beside `core` as modules of their own.
    Room(
        ("core.iec104_client", "core.iec104_data_processor", "core.iec104_definitions"),
        ("core.client",),
    ),
    Room(("core.simulator",), ("core.connections", "core.protocol")),
    Room(("app.cli", "app.commands"), ("core", "app")),
    # The window without Tk: values in, texts out.
    Room(
        (
            *("app.rows", "app.forms", "app.filter", "app.formats"),
            *("app.meters", "app.loglines", "app.saving"),
        ),
        ("core.status", "core.config"),
        is_pure=True,
    ),
    Room(("app.frames",), ("app.formats", "core.feed", "core.protocol"), is_pure=True),
    Room(("app.framepane",), ("app", "core.feed", "core.protocol"), may_use_tk=True),
    Room(("app.widgets", "app.theme", "app.symbols", "app.assets"), may_use_tk=True),
    # The window, and one file for each tab or pane.
    Room(("app",), FRONT_END, may_use_tk=True),
]

NOT_PURE = {
    *("socket", "select", "selectors", "ssl", "asyncio", "threading", "concurrent", "queue"),
    *("multiprocessing", "subprocess", "signal", "time", "random", "secrets", "logging"),
    *("os", "pathlib", "shutil", "tempfile", "ctypes"),
}
"""Standard modules that bring in the outside: the net, threads, clocks, chance, files, logging."""

THIRD_PARTY = {"ntplib": ("core.ntp.exchange",), "uvloop": ("core.connections",)}
"""Each package that is not ours, and where alone it is imported."""

VERSION_ONLY = {"core", "app"}
"""Package roots: a docstring, and in `core` the version; they import nothing themselves."""


def is_within(module: str, place: str) -> bool:
    return module == place or module.startswith(place + ".")


def room_of(module: str) -> Room | None:
    """The room with the closest place: `app.rows` is in its own, not in that of `app`."""
    found = [(len(place), room) for room in ROOMS for place in room.members
             if is_within(module, place)]  # fmt: skip
    return max(found, key=lambda item: item[0])[1] if found else None


def imports(source: str, module: str, is_package: bool) -> Iterator[str]:
    """Every module the source imports, anywhere in it, with relative names resolved.

    `from a import b` is given as `a.b`: whether `b` is a module or a name in one, its place is
    the same, but for what is taken from a package root.
    """
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(origin, names, level):
                base = module.split(".")
                if level:
                    base = base[: len(base) - level + is_package]
                    origin = ".".join([*base, *([origin] if origin else [])])
                yield from (f"{origin}.{alias.name}" for alias in names)


def objection(module: str, imported: str) -> str | None:
    """Why `module` must not import `imported`; None if it may."""
    room = room_of(module)
    root = imported.partition(".")[0]
    if root in ("core", "app", "iec104mm2ss", "tests"):
        return ours(module, room, imported)
    if root == "tkinter":
        return None if room and room.may_use_tk else "only the window's own files import tkinter"
    if root not in sys.stdlib_module_names:
        places = THIRD_PARTY.get(root, ())
        allowed = any(is_within(module, place) for place in places)
        return None if allowed else f"{root} may be imported in {', '.join(places) or 'no room'}"
    if room and room.is_pure and root in NOT_PURE:
        return "a pure room takes values and returns values"
    return None


def ours(module: str, room: Room | None, imported: str) -> str | None:
    if module in VERSION_ONLY:
        return "a package root imports nothing"
    if room is None:
        return "this module stands in no room of the table"
    if imported in (*VERSION_ONLY, "core.__version__"):
        allowed = is_within(module, "app") or "core" in room.may_import
        return None if allowed else "the version is for those who may import core"
    if any(is_within(imported, place) for place in room.may_not_import):
        return "the table excepts it"
    if room_of(imported) is room or any(is_within(imported, place) for place in room.may_import):
        return None
    return f"from here only {', '.join(room.may_import) or 'nothing else of ours'}"


def module_name(path: Path) -> str:
    parts = path.relative_to(TOP).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    module_name(path): path
    for path in [TOP / "iec104mm2ss.py", *TOP.glob("core/**/*.py"), *TOP.glob("app/**/*.py")]
}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_what_its_room_may(module: str) -> None:
    path = MODULES[module]
    source = path.read_text("utf-8")
    wrong = [
        f"{module} imports {imported}: {reason}"
        for imported in imports(source, module, is_package=path.name == "__init__.py")
        if (reason := objection(module, imported))
    ]
    assert wrong == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_every_module_stands_in_a_room(module: str) -> None:
    assert module in VERSION_ONLY or room_of(module) is not None


# The rest reads the reader: a check that lets everything pass would look the same on good code.

ALLOWED = [
    ("core.protocol.link", "core.protocol.outbox.Outbox"),
    ("core.protocol.link", "struct"),
    ("core.protocol.describe", "datetime.datetime"),
    ("core.routing.group", "core.protocol.run.Run"),
    ("core.config.read", "csv"),
    ("core.connections.loop", "uvloop"),
    ("core.connections.stream", "core.protocol"),
    ("core.gateway.hub", "core.routing.group.Group"),
    ("core.feed", "core.status.EntryStatus"),
    ("core.ntp.exchange", "ntplib"),
    ("core.ntp.keeper", "core.clock"),
    ("core.gateway.gateway", "core.__version__"),
    ("app.cli", "core.__version__"),
    ("app.cli", "app.window"),
    ("app.systems", "tkinter.ttk"),
    ("app.systems", "core.feed.Feed"),
    ("app.rows", "core.status"),
]

FORBIDDEN = [
    ("core.protocol.link", "core.routing.group"),
    ("core.protocol.link", "time.monotonic"),
    ("core.protocol.link", "core.__version__"),
    ("core.routing.group", "core.connections.stream"),
    ("core.routing.group", "logging"),
    ("core.config.read", "core.protocol.codes"),
    ("core.config.read", "pathlib.Path"),
    ("core.connections.dialer", "core.routing.group"),
    ("core.connections.dialer", "core.feed"),
    ("core.gateway.hub", "core.simulator"),
    ("core.gateway.hub", "app.cli"),
    ("core.gateway.hub", "tkinter"),
    ("core.gateway.hub", "ntplib"),
    ("core.status", "core.logs"),
    ("core.unheard_of", "core.protocol"),
    ("app.cli", "tkinter"),
    ("app.cli", "yaml"),
    ("app.rows", "tkinter"),
    ("app.rows", "app.window"),
    ("app.systems", "core.connections"),
    ("iec104mm2ss", "core.gateway"),
    ("core", "core.gateway"),
]


@pytest.mark.parametrize(("module", "imported"), ALLOWED)
def test_the_table_allows(module: str, imported: str) -> None:
    assert objection(module, imported) is None


@pytest.mark.parametrize(("module", "imported"), FORBIDDEN)
def test_the_table_forbids(module: str, imported: str) -> None:
    assert objection(module, imported) is not None


def test_imports_are_found_wherever_and_however_they_are_written() -> None:
    source = """
import os.path, socket as s
from . import link
from .run import Run
from ..routing import group
def later():
    if True:
        from core import gateway
"""
    expected = [
        "os.path", "socket", "core.protocol.link", "core.protocol.run.Run",
        "core.routing.group", "core.gateway",
    ]  # fmt: skip
    assert list(imports(source, "core.protocol.outbox", is_package=False)) == expected
    assert list(imports("from . import run", "core.protocol", is_package=True)) == [
        "core.protocol.run"
    ]
