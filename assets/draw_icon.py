"""The icon: one station's line that splits to many masters. Run it to write the files anew.

    python assets/draw_icon.py

Everything is a rounded rectangle on a grid of 16, so that at 16, 32, 48.. pixels every edge falls
between two pixels and stays sharp; the same shapes make the SVG, the PNG files and the ICO.
"""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAME = "iec104mm2ss"
PNG_SIZES = (16, 22, 24, 32, 48, 64, 128, 256)
ICO_SIZES = (16, 20, 24, 32, 40, 48, 64, 256)

FIELD, LINE, STATION, MASTER = "#155a8a", "#8fd0f5", "#ffc23d", "#ffffff"


@dataclass(frozen=True)
class Shape:
    """A rectangle in grid units, from its left upper corner; ``radius`` rounds the corners."""

    x: float
    y: float
    width: float
    height: float
    radius: float
    colour: str

    def cover(self, x: float, y: float, pixel: float) -> float:
        """How much of the pixel around this point is inside, 0 to 1."""
        across = abs(x - self.x - self.width / 2) - self.width / 2 + self.radius
        down = abs(y - self.y - self.height / 2) - self.height / 2 + self.radius
        if across > 0 and down > 0:
            beyond = (across * across + down * down) ** 0.5 - self.radius
        else:
            beyond = max(across, down) - self.radius
        return min(1.0, max(0.0, 0.5 - beyond / pixel))


def shapes(size: int) -> list[Shape]:
    """What is drawn, from back to front, for an icon of so many pixels.

    Small ones have squarer corners: a circle of four pixels would be a blur.
    """
    is_small = size < 32
    dot = 0.7 if is_small else 2.0
    lines = [
        Shape(5, 7, 6, 2, 0, LINE),  # from the station to the middle master
        Shape(7, 2, 2, 12, 0 if is_small else 1, LINE),
        Shape(8, 2, 3, 2, 0, LINE),
        Shape(8, 12, 3, 2, 0, LINE),
    ]
    return [
        Shape(0, 0, 16, 16, 2 if is_small else 3, FIELD),
        *lines,
        Shape(1, 5, 4, 6, 0.7 if is_small else 1, STATION),
        *(Shape(11, y, 4, 4, dot, MASTER) for y in (1, 6, 11)),
    ]


def pixels(size: int) -> list[list[tuple[int, int, int, int]]]:
    """Rows of red, green, blue, alpha."""
    unit = 16 / size
    canvas = [[(0.0, 0.0, 0.0, 0.0)] * size for _ in range(size)]
    for shape in shapes(size):
        colour = [int(shape.colour[n : n + 2], 16) for n in (1, 3, 5)]
        columns = _span(shape.x, shape.width, unit, size)
        for row in _span(shape.y, shape.height, unit, size):
            for column in columns:
                part = shape.cover((column + 0.5) * unit, (row + 0.5) * unit, unit)
                if not part:
                    continue
                *under, alpha = canvas[row][column]
                rest = alpha * (1 - part)
                total = part + rest
                mixed = [(c * part + u * rest) / total for c, u in zip(colour, under, strict=True)]
                canvas[row][column] = (mixed[0], mixed[1], mixed[2], total)
    return [[(round(r), round(g), round(b), round(255 * a)) for r, g, b, a in row]
            for row in canvas]  # fmt: skip


def _span(start: float, length: float, unit: float, size: int) -> range:
    return range(max(0, int(start / unit) - 1), min(size, int((start + length) / unit) + 2))


def svg() -> str:
    """The large form as a drawing."""
    rows = [
        f'  <rect x="{s.x:g}" y="{s.y:g}" width="{s.width:g}" height="{s.height:g}" '
        f'rx="{s.radius:g}" fill="{s.colour}"/>'
        for s in shapes(256)
    ]
    head = '<svg xmlns="http://www.w3.org/2000/svg" width="256" height="256" viewBox="0 0 16 16">'
    title = "  <title>One station, many masters</title>"
    return "\n".join([head, title, *rows, "</svg>", ""])


def png(size: int) -> bytes:
    """The icon as PNG."""
    raw = b"".join(b"\0" + bytes(value for pixel in row for value in pixel) for row in pixels(size))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)),
        (b"IDAT", zlib.compress(raw, 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def ico() -> bytes:
    """The icon of the Windows programs: bitmaps, and the largest as PNG, as Windows wants it."""
    images = [png(size) if size == 256 else _bitmap(size) for size in ICO_SIZES]
    entries = b""
    offset = 6 + 16 * len(images)
    for size, image in zip(ICO_SIZES, images, strict=True):
        entries += struct.pack("<BBBBHHII", size % 256, size % 256, 0, 0, 1, 32, len(image), offset)
        offset += len(image)
    return struct.pack("<HHH", 0, 1, len(images)) + entries + b"".join(images)


def _bitmap(size: int) -> bytes:
    colours, mask = b"", b""
    for row in reversed(pixels(size)):
        colours += bytes(value for r, g, b, a in row for value in (b, g, r, a))
        bits = "".join("0" if a else "1" for *_, a in row).ljust((size + 31) // 32 * 32, "0")
        mask += int(bits, 2).to_bytes(len(bits) // 8, "big")
    octets = colours + mask
    return struct.pack("<IiiHHIIiiII", 40, size, 2 * size, 1, 32, 0, len(octets), *4 * [0]) + octets


def files() -> dict[str, bytes]:
    """Every file of the icon, by name."""
    made = {f"{NAME}-{size}.png": png(size) for size in PNG_SIZES}
    return {f"{NAME}.svg": svg().encode(), f"{NAME}.ico": ico(), **made}


if __name__ == "__main__":
    for name, octets in files().items():
        (HERE / name).write_bytes(octets)
