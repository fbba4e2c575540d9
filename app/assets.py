"""Where the program's own files lie, in a checkout, installed, and frozen into one folder."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ICON_SIZES: Final = (16, 24, 32, 48, 64, 128, 256)
_TOP: Final = Path(__file__).resolve().parent.parent


def is_frozen() -> bool:
    """Whether this is the executable that PyInstaller made."""
    return bool(getattr(sys, "frozen", False))


def program_folder() -> Path:
    """The folder a person sees as the program's: the one with the executable, or the checkout."""
    return Path(sys.executable).resolve().parent if is_frozen() else _TOP


def bundled(name: str) -> Path:
    """A file that travels with the code, by its path from the top: `assets/Datapoints.json`."""
    inside = getattr(sys, "_MEIPASS", None) if is_frozen() else None
    return Path(inside or _TOP) / name


def icons() -> list[Path]:
    """The icon in every size there is, the smallest first."""
    paths = [bundled(f"assets/iec104mm2ss-{size}.png") for size in ICON_SIZES]
    return [path for path in paths if path.is_file()]


def manual() -> Path | None:
    """The manual in the form that reads best; None if none came with the program."""
    beside = program_folder()
    # A package that was installed by pip has its papers elsewhere.
    places = (beside / "docs/manual.html", Path(sys.prefix, "share/iec104mm2ss/manual.html"))
    return next((path for path in (*places, beside / "README.md") if path.is_file()), None)


def environment_outside(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for another program: a frozen one has put its own libraries into ours."""
    found = dict(environment)
    if not is_frozen():
        return found
    for name in ("LD_LIBRARY_PATH", "TCL_LIBRARY", "TK_LIBRARY"):
        found.pop(name, None)
    before = found.pop("LD_LIBRARY_PATH_ORIG", None)
    if before is not None:
        found["LD_LIBRARY_PATH"] = before
    return found
