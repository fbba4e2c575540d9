"""What went wrong: each fault once, with the input and how to see it again."""

import base64
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

_DEPTH = 3
LONGEST = 10.0
"""Seconds of processor time one input may take."""


class TooSlowError(Exception):
    """An input took more than it may."""


def limited(run: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """The same, ended by TooSlowError where a system can do that; main thread only."""
    if sys.platform == "win32":
        return run

    def stop(*_: object) -> None:
        raise TooSlowError(f"more than {LONGEST:g} s")

    signal.signal(signal.SIGVTALRM, stop)

    def one_input(data: bytes) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST)
        try:
            run(data)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    return one_input


Found: TypeAlias = dict[str, tuple[bytes, str]]
"""Where a fault was raised -> its shortest input, and the traceback."""


@dataclass(slots=True)
class Finds:
    """The faults of one target, told apart by where they were raised."""

    target: str
    folder: Path | None = None
    """Where they are written down."""
    found: Found = field(default_factory=dict)

    def add(self, error: BaseException, data: bytes) -> bool:
        """Note a fault; whether it is a new one."""
        frames = traceback.extract_tb(error.__traceback__)[-_DEPTH:]
        places = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames))
        key = f"{type(error).__name__} at {places}"
        return self.note(key, data, "".join(traceback.format_exception(error)))

    def note(self, key: str, data: bytes, text: str) -> bool:
        """The same for what somebody else has found."""
        is_new = key not in self.found
        if is_new or len(data) < len(self.found[key][0]):
            self.found[key] = data, text
            if self.folder is not None:
                self.folder.mkdir(parents=True, exist_ok=True)
                path = self.folder / f"{self.target}-{list(self.found).index(key) + 1}.txt"
                path.write_text(f"{key}\n{base64.b85encode(data).decode()}\n\n{text}", "utf-8")
        return is_new
