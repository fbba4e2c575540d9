"""A display for the tests: the one there is, or an Xvfb of their own."""

import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from array import array
from collections import Counter
from pathlib import Path
from typing import Self


class NoDisplayError(Exception):
    """There is no display and none can be made; the text says what to install."""


class Display:
    """An Xvfb that ends with the block; its picture can be taken without any other program."""

    def __init__(self, size: str = "1280x800", dpi: int = 96) -> None:
        self._size, self._dpi = size, dpi
        self._folder = tempfile.TemporaryDirectory(prefix="xvfb-")
        self._process: subprocess.Popen[bytes] | None = None
        self.name = ""

    def __enter__(self) -> Self:
        program = shutil.which("Xvfb")
        if program is None:
            raise NoDisplayError("no DISPLAY and Xvfb is not installed (apt-get install xvfb)")
        reading, writing = os.pipe()
        self._process = subprocess.Popen(
            [
                program, "-displayfd", str(writing), "-screen", "0", f"{self._size}x24",
                "-dpi", str(self._dpi), "-nolisten", "tcp", "-noreset",
                "-fbdir", self._folder.name,
            ],
            pass_fds=(writing,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(writing)
        # Number and newline come separately; closing in between would end it with SIGPIPE.
        with os.fdopen(reading) as pipe:
            number = pipe.readline().strip()
        if not number:
            raise NoDisplayError("Xvfb did not start")
        self.name = f":{number}"
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(5)
        self._folder.cleanup()

    def picture(self) -> bytes:
        """What is on the screen, as PNG."""
        return png_of_xwd((Path(self._folder.name) / "Xvfb_screen0").read_bytes())


def png_of_xwd(data: bytes) -> bytes:
    """An XWD image of 32 bits per pixel as PNG of 128 colours, which is plenty for a window."""
    header = struct.unpack(">25I", data[:100])
    begin, width, height = header[0], header[4], header[5]
    per_line, colours = header[12], header[19]
    pixels = array("I")
    pixels.frombytes(data[begin + colours * 12 :][: per_line * height])
    palette, number_of = _palette(Counter(pixels))
    indexed = bytes(map(number_of.__getitem__, pixels))
    step = per_line // 4
    rows = b"".join(b"\0" + indexed[y * step : y * step + width] for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    table = b"".join(bytes((c >> 16 & 255, c >> 8 & 255, c & 255)) for c in palette)
    chunks = (
        (b"IHDR", head), (b"PLTE", table), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""),
    )  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part))
        for kind, part in chunks
    )


def _palette(counted: "Counter[int]") -> tuple[list[int], dict[int, int]]:
    """The most frequent colours, and for every colour the number of the nearest of them."""
    from app.theme import PALETTES

    # The colours with a meaning stay what they are, however thin their lines.
    meant = {int(colour[1:], 16) for each in PALETTES.values() for colour in each.values()}
    palette = [colour for colour in counted if colour & 0xFFFFFF in meant]
    palette += [colour for colour, _ in counted.most_common(128) if colour not in palette]
    number_of = {colour: n for n, colour in enumerate(palette)}
    for colour in counted:
        if colour not in number_of:
            number_of[colour] = min(range(len(palette)), key=lambda n: _apart(palette[n], colour))
    return palette, number_of


def _apart(a: int, b: int) -> int:
    return sum(abs((a >> shift & 255) - (b >> shift & 255)) for shift in (0, 8, 16))


def own_display_is_needed() -> bool:
    """Whether a window needs a display that is not there."""
    return sys.platform not in ("win32", "darwin") and not os.environ.get("DISPLAY")


def put_the_pointer_away() -> None:
    """On Windows: the tests point by events of their own, the real pointer would come between."""
    if sys.platform == "win32":
        import ctypes

        user = ctypes.WinDLL("user32")
        user.SetCursorPos(user.GetSystemMetrics(0) - 1, user.GetSystemMetrics(1) - 1)
