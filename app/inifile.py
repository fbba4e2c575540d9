"""The configuration file the window saves into and reloads: reading, backing up, replacing."""

import contextlib
import os
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from core.config import Config, Reading, read_fully

if TYPE_CHECKING:
    from app.saving import Saving


class IniFile:
    """One file, as it was read last.

    ``over`` puts what the command line says over what a file says. The methods that touch the disk
    raise OSError.
    """

    def __init__(self, path: Path, data: bytes, over: Callable[[Config], Config]) -> None:
        self.path = path
        self.data = data
        self._over = over
        self._reading: Reading | None = None

    @property
    def reading(self) -> Reading:
        """What the file says, row by row."""
        if self._reading is None:
            self._reading = read_fully(self.data, self.path.name)
        return self._reading

    def forget(self) -> None:
        """Keep the octets alone, until somebody wants to know what they say."""
        self._reading = None

    @property
    def config(self) -> Config:
        """What the file says, with the command line over it."""
        return self._over(self.reading.config)

    def has_changed(self) -> bool:
        """Whether somebody else has written it since it was read."""
        return self.path.read_bytes() != self.data

    def read_again(self) -> "IniFile":
        """The file as it stands now."""
        return IniFile(self.path, self.path.read_bytes(), self._over)

    def saving(self, running: Config) -> "Saving":
        """What would be written to make the file say what runs."""
        from app import saving  # only the window saves

        return saving.prepare(self.data, running, self.path.name)

    def write(self, octets: bytes, at: datetime) -> Path:
        """Replace the file, after a backup beside it; the backup's path.

        Written through a temporary file, so that there is always a whole one.
        """
        target = self.path.resolve()
        backup = _free(target.with_name(f"{target.stem}.{at:%Y-%m-%d_%H%M%S}{target.suffix}.bak"))
        shutil.copy2(target, backup)
        beside = target.with_name(f"{target.name}.new")
        try:
            with beside.open("wb") as handle:
                handle.write(octets)
                handle.flush()
                os.fsync(handle.fileno())
            shutil.copymode(target, beside)
            beside.replace(target)
        except OSError:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
        self.data = octets
        self._reading = None
        return backup


def _free(path: Path) -> Path:
    """This path, or the first one like it that does not exist."""
    found, number = path, 1
    while found.exists():
        number += 1
        found = path.with_name(f"{path.name}{number}")
    return found
