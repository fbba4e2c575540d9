"""What the window remembers from one run to the next: one small file of the user's, never the ini.

A file that is broken or from another time is ignored, value by value.
"""

import contextlib
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

_GEOMETRY: Final = re.compile(r"(\d+)x(\d+)([+-]-?\d+)([+-]-?\d+)")


@dataclass(slots=True)
class Preferences:
    """What is remembered."""

    geometry: str = ""
    is_maximised: bool = False
    palette: str = "light"
    text_size: int = 0
    scale: float = 0.0
    """0: as the desktop says."""
    sashes: dict[str, float] = field(default_factory=dict)
    """Of each split the part before its sash, 0 to 1."""
    columns: dict[str, int] = field(default_factory=dict)
    """Widths at 96 dpi."""
    folded: list[int] = field(default_factory=list)
    """Groups that are folded; a new one is open."""
    filter: str = ""
    is_side_by_side: bool = False
    is_linked: bool = True
    has_side_pane: bool = True


def default_path(environment: Mapping[str, str] | None = None) -> Path:
    """Where the file stands on this system."""
    env = os.environ if environment is None else environment
    if sys.platform == "win32" and env.get("APPDATA"):
        folder = Path(env["APPDATA"])
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Application Support"
    else:
        folder = Path(env.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return folder / "iec104mm2ss" / "window.json"


def load(path: Path) -> Preferences:
    """Read what was saved; whatever is not as it should be stands at its default."""
    prefs = Preferences()
    try:
        found: Any = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return prefs
    if not isinstance(found, dict):
        return prefs
    for each in fields(Preferences):
        value = found.get(each.name)
        default = getattr(prefs, each.name)
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is type(default) and _is_sound(each.name, value):
            setattr(prefs, each.name, value)
    return prefs


def save(path: Path, prefs: Preferences) -> bool:
    """Write it through a temporary file; whether that was possible."""
    beside = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(asdict(prefs), indent=1), "utf-8")
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        return False
    return True


def _is_sound(name: str, value: Any) -> bool:
    match name:
        case "sashes":
            return all(isinstance(part, float) and 0 < part < 1 for part in value.values())
        case "columns":
            return all(type(width) is int and 10 <= width <= 4000 for width in value.values())
        case "folded":
            return all(type(group) is int for group in value)
        case "scale":
            return bool(value == 0 or 0.5 <= value <= 4)
    return True


def fitting(geometry: str, screen: tuple[int, int], smallest: tuple[int, int]) -> str:
    """A saved geometry as far as it fits the present screen: off it, only the size counts."""
    match = _GEOMETRY.fullmatch(geometry)
    if match is None:
        return ""
    width, height = int(match[1]), int(match[2])
    is_too_large = width > screen[0] or height > screen[1]
    width = max(smallest[0], min(width, screen[0]))
    height = max(smallest[1], min(height, screen[1]))
    x, y = (int(each.replace("+-", "-")) for each in (match[3], match[4]))
    is_on_screen = 0 <= x <= screen[0] - 100 and 0 <= y <= screen[1] - 100
    if is_too_large or not is_on_screen or x + width > screen[0] + 100:
        return f"{width}x{height}"
    return f"{width}x{height}+{x}+{y}"
