"""The processes of a bench as the bench sees them: started, asked, ended."""

import json
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

from app.commands.bench_usage import now_us

_ANSWER_WITHIN: Final = 30.0
_END_WITHIN: Final = 6.0
_ENTRY: Final = Path(__file__).resolve().parents[2] / "iec104mm2ss.py"


class BenchError(Exception):
    """The bench cannot go on; the message says why."""


def program() -> list[str]:
    """The command that starts this program once more: frozen, in a checkout, or installed."""
    if getattr(sys, "frozen", False):
        return [sys.executable]
    if _ENTRY.is_file():
        return [sys.executable, str(_ENTRY)]
    # -P: no folder `app` of the working folder is taken for ours.
    return [sys.executable, "-P", "-c", "import sys; from app.cli import main; sys.exit(main())"]


class Child:
    """A part of the bench in a process of its own, which Ctrl+C does not reach."""

    def __init__(self, name: str, folder: Path, *arguments: str) -> None:
        """Start it; OSError if the system does not. What it complains of goes to a file there."""
        self.name = name
        self._complaints = folder / f"{name}.err"
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        group: dict[str, Any]
        if sys.platform == "win32":
            group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        else:
            group = {"start_new_session": True}
        with self._complaints.open("wb") as complaints:
            self._process = subprocess.Popen(
                [*program(), "bench", "--part", name, *arguments],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, **group,
            )  # fmt: skip
        self._reader = threading.Thread(target=self._read, name=f"bench-{name}", daemon=True)
        self._reader.start()

    def ask(self, order: str, **given: Any) -> dict[str, Any]:
        """Give an order and wait for the answer; BenchError if there is none, or a complaint."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps({"order": order, **given}).encode("ascii") + b"\n")
            stdin.flush()
            line = self._answers.get(timeout=_ANSWER_WITHIN)
        except (OSError, queue.Empty):
            line = b""
        if not line:
            raise BenchError(self._why_silent())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise BenchError(f"{self.name}: {answer['error']}")
        return answer

    def shares_our_clock(self) -> bool:
        """Whether its moments can be compared with ours."""
        before = now_us()
        theirs = self.ask("clock")["us"]
        return bool(before <= theirs <= now_us())

    @property
    def has_ended(self) -> bool:
        """Whether the process is over, before anybody wanted it."""
        return self._process.poll() is not None

    def demand_life(self) -> None:
        """BenchError if the process is over."""
        if self.has_ended:
            raise BenchError(self._why_silent())

    def let_go(self) -> None:
        """Tell it to end."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except OSError:  # it has ended by itself
            return

    def end(self) -> bool:
        """Wait for its end; whether it came in time and in order."""
        self.let_go()
        in_order = True
        try:
            in_order = self._process.wait(_END_WITHIN) == 0
        except subprocess.TimeoutExpired:
            in_order = False
            self._process.kill()
            self._process.wait()
        self._reader.join(1)
        if not self._reader.is_alive() and self._process.stdout is not None:
            self._process.stdout.close()
        return in_order

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put(b"")

    def _why_silent(self) -> str:
        time.sleep(0.1 if self._process.poll() is None else 0)
        code = self._process.poll()
        text = self._complaints.read_text("utf-8", "replace").strip()
        last = f": {text.splitlines()[-1]}" if text else ""
        if code is None:
            return f"the process of the {self.name} does not answer{last}"
        return f"the process of the {self.name} has ended with exit code {code}{last}"
