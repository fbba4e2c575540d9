"""File names for logs that are legal, and different from each other, on every system."""

import re
import threading
import unicodedata
from collections.abc import Iterator
from itertools import count

MAX_STEM_OCTETS = 120
"""Leaves room for a group number, a backup number and `.txt` in the 255 octets of most systems."""

_RESERVED_CHARACTERS = frozenset('<>:"/\\|?*')
_DEVICE_NAMES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    # Windows takes the superscript digits of Latin-1 for digits here.
    + [f"{port}{digit}" for port in ("com", "lpt") for digit in "123456789\xb9\xb2\xb3"]
)


def safe_name(label: str) -> str:
    """The file name, without `.txt`, for an entry shown as `label`: `M/ABB-1` gives `M-ABB-1`.

    Different labels may give the same name; `FileNames` keeps them apart.
    """
    text = "".join(
        character if character.isprintable() and character not in _RESERVED_CHARACTERS else "-"
        for character in unicodedata.normalize("NFC", label)
    ).strip(" .")
    text = text.encode()[:MAX_STEM_OCTETS].decode(errors="ignore").rstrip(" .")
    # `M-ABB.1.txt` is where `M-ABB.txt` goes when it is full.
    text = re.sub(r"\.(?=[0-9]+\Z)", "-", text)
    if not text:
        return "unnamed"
    # Windows opens the device for `con`, `CON.anything` and `con .txt` alike.
    if text.partition(".")[0].rstrip(" ").casefold() in _DEVICE_NAMES:
        return f"_{text}"
    return text


class FileNames:
    """Who writes into which file. Callable from any thread.

    The first to ask for a name gets it; the next gets the group number appended, then a counter.
    The same calls in the same order give the same names, so a restart finds the same files.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: dict[str, tuple[str, int]] = {}
        self._names: dict[str, str] = {}
        self._owners: dict[str, str] = {}

    def assign(self, key: str, label: str, group: int) -> str:
        """The name for `key`; it changes only when `label` or `group` does."""
        with self._lock:
            if self._claims.get(key) != (label, group):
                if key in self._names:
                    del self._owners[_folded(self._names[key])]
                self._claims[key] = (label, group)
                self._names[key] = next(
                    name
                    for name in _candidates(safe_name(label), group)
                    if self._owners.setdefault(_folded(name), key) == key
                )
            return self._names[key]

    def get(self, key: str) -> str:
        """The name for `key`; one nobody assigned is named after the key itself."""
        return self._names.get(key) or self.assign(key, key, 0)


def _candidates(stem: str, group: int) -> Iterator[str]:
    yield stem
    yield f"{stem}-{group}"
    for number in count(2):
        yield f"{stem}-{group}-{number}"


def _folded(name: str) -> str:
    """What a file system that ignores case, or composes accents, takes for the same name."""
    return unicodedata.normalize("NFC", name.casefold())
