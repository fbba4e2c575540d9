"""The symbols of the window, drawn at run time: no files, crisp at any size, no fonts needed.

Each is a function from a point to whether it is inked, knocked out or neither; four by four points
of every pixel are asked, so that edges are smooth. The result is a PNG for `PhotoImage`.
"""

import math
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

Point: TypeAlias = Callable[[float, float], int]
"""For x and y from -1 to 1: 0 nothing, 1 the symbol's colour, 2 the colour of what is on it."""

_SAMPLES: Final = 4


def _segment(x: float, y: float, x1: float, y1: float, x2: float, y2: float) -> float:
    """The distance of a point from a line."""
    dx, dy = x2 - x1, y2 - y1
    along = max(0.0, min(1.0, ((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy)))
    return math.hypot(x - x1 - along * dx, y - y1 - along * dy)


def _tick(x: float, y: float) -> bool:
    thick = 0.15
    return (
        _segment(x, y, -0.42, 0.04, -0.12, 0.36) < thick
        or _segment(x, y, -0.12, 0.36, 0.45, -0.32) < thick
    )


def _disc(x: float, y: float) -> bool:
    return math.hypot(x, y) <= 0.92


def _square(x: float, y: float) -> bool:
    return max(abs(x), abs(y)) <= 0.82


def _online(x: float, y: float) -> int:
    return 0 if not _disc(x, y) else 2 if _tick(x, y) else 1


def _held(x: float, y: float) -> int:
    bars = 0.14 <= abs(x) <= 0.4 and abs(y) <= 0.42
    return 0 if not _disc(x, y) else 2 if bars else 1


def _connecting(x: float, y: float) -> int:
    is_gap = y < 0 and x > 0 and x > -y * 0.15
    return int(0.6 <= math.hypot(x, y) <= 0.92 and not is_gap)


def _listening(x: float, y: float) -> int:
    away = math.hypot(x, y)
    return int(0.68 <= away <= 0.92 or away <= 0.26)


def _ready(x: float, y: float) -> int:
    away = math.hypot(x, y)
    return int(0.68 <= away <= 0.92 or away <= 0.44)


def _refused(x: float, y: float) -> int:
    if abs(x) + abs(y) > 1.0:
        return 0
    mark = abs(x) <= 0.12 and (-0.52 <= y <= 0.14 or 0.3 <= y <= 0.54)
    return 2 if mark else 1


def _off(x: float, y: float) -> int:
    return int(0.7 <= math.hypot(x, y) <= 0.92)


def _warning(x: float, y: float) -> int:
    if not (-0.85 <= y <= 0.8 and abs(x) <= (y + 0.9) * 0.56):
        return 0
    mark = abs(x) <= 0.11 and (-0.3 <= y <= 0.3 or 0.45 <= y <= 0.65)
    return 2 if mark else 1


def _group_up(x: float, y: float) -> int:
    return 0 if not _square(x, y) else 2 if _tick(x, y) else 1


def _group_partly(x: float, y: float) -> int:
    return 0 if not _square(x, y) else 2 if abs(y) <= 0.15 and abs(x) <= 0.46 else 1


def _group_down(x: float, y: float) -> int:
    cross = (
        _segment(x, y, -0.36, -0.36, 0.36, 0.36) < 0.14
        or _segment(x, y, -0.36, 0.36, 0.36, -0.36) < 0.14
    )
    return 0 if not _square(x, y) else 2 if cross else 1


def _arrow(x: float, y: float) -> int:
    """To the left."""
    is_head = -0.85 <= x <= -0.1 and abs(y) <= (x + 0.85) * 0.72
    return int(is_head or (-0.3 <= x <= 0.85 and abs(y) <= 0.15))


def _box(x: float, y: float) -> int:
    """The frame of a check box: 1 its border, 2 its inside."""
    reach = max(abs(x), abs(y))
    return 0 if reach > 0.9 else 1 if reach > 0.76 else 2


def _checked(x: float, y: float) -> int:
    if max(abs(x), abs(y)) > 0.9:
        return 0
    return 2 if _tick(x * 0.9, y * 0.9) else 1


def _triangle(x: float, y: float) -> int:
    """Downwards."""
    return int(-0.3 <= y <= 0.42 and abs(x) <= (0.42 - y) * 0.95)


SHAPES: Final[Mapping[str, Point]] = {
    "online": _online,
    "connecting": _connecting,
    "listening": _listening,
    "ready": _ready,
    "held": _held,
    "refused": _refused,
    "off": _off,
    "warning": _warning,
    "group-up": _group_up,
    "group-partly": _group_partly,
    "group-down": _group_down,
    "in": _arrow,
    "out": lambda x, y: _arrow(-x, y),
    "unchecked": _box,
    "checked": _checked,
    "down": _triangle,
    "right": lambda x, y: _triangle(-y, x),
}


def png(shape: str, size: int, ink: str, on_ink: str) -> bytes:
    """A symbol of so many pixels; colours as `#rrggbb`."""
    point = SHAPES[shape]
    first, second = _rgb(ink), _rgb(on_ink)
    step = 2.0 / (size * _SAMPLES)
    axis = [-1.0 + step * (n + 0.5) for n in range(size * _SAMPLES)]
    asked = [[point(x, y) for x in axis] for y in axis]
    raw = bytearray()
    for top in range(0, size * _SAMPLES, _SAMPLES):
        raw.append(0)
        rows = asked[top : top + _SAMPLES]
        for left in range(0, size * _SAMPLES, _SAMPLES):
            cells = [cell for row in rows for cell in row[left : left + _SAMPLES]]
            ones, twos = cells.count(1), cells.count(2)
            inked = ones + twos
            if inked:
                pairs = zip(first, second, strict=True)
                raw += bytes((a * ones + b * twos) // inked for a, b in pairs)
            else:
                raw += b"\0\0\0"
            raw.append(inked * 255 // _SAMPLES**2)
    header = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(raw))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
