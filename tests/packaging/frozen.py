"""The frozen program, run as a person or a service would run it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

CLI = "iec104mm2ss-cli"
WINDOWED = "iec104mm2ss"


class Frozen:
    """An unpacked release; what was started is ended with the block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.wait(10)

    def path(self, program: str) -> Path:
        """One of the two programs."""
        return self.folder / (f"{program}.exe" if sys.platform == "win32" else program)

    def run(
        self, *arguments: str | Path, cwd: Path, program: str = CLI
    ) -> "subprocess.CompletedProcess[str]":
        """Run it to its end; standard error is in what it said."""
        process = self.start(*arguments, cwd=cwd, program=program)
        code = process.wait(90)
        return subprocess.CompletedProcess(process.args, code, text_of(cwd / "said.txt"))

    def start(
        self, *arguments: str | Path, cwd: Path, program: str = CLI, **more: str
    ) -> "subprocess.Popen[bytes]":
        """Start it; what it says stands in `said.txt` of its working folder.

        Not in a pipe: wine may start a process for its desktop, which would keep that open.
        """
        with (cwd / "said.txt").open("wb") as said:
            process = subprocess.Popen(
                [self.path(program), *arguments], cwd=cwd, env=environment(**more),
                stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._started.append(process)
        return process


def environment(**more: str) -> dict[str, str]:
    """Ours without what would help a program find a Python."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | more


def until(condition: Callable[[], Any], what: str, within: float = 60.0) -> Any:
    """Wait for something and return it."""
    end = time.monotonic() + within
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"not within {within:g} s: {what}"
        time.sleep(0.05)


def text_of(path: Path) -> str:
    """What stands in a file; nothing if it is not there yet.

    Programs write UTF-8, but on Windows into a file what its console would take.
    """
    octets = path.read_bytes() if path.exists() else b""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("cp1252", "replace")
