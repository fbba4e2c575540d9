"""The gateway as a process between real sockets: it can be killed, and looked at from outside."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from tests.reliability.plant import LogLine
from tests.support.gateway import Row

ROOT = Path(__file__).resolve().parents[2]
STOP_LIMIT = 5.0
_HEAD = re.compile(r"^([SM]/\S+): group \d+, ")


class ProcessHost:
    """A gateway in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self._settings: Sequence[str] = ()
        self._versions = 0
        # The log has wall time without its zone, the peers have the monotonic clock.
        self._offset = datetime.now().timestamp() - time.monotonic()  # noqa: DTZ005
        self._read: dict[Path, int] = {}
        self._labels: dict[Path, str] = {}

    def start(self, rows: Sequence[Row], settings: Sequence[str]) -> None:
        self._settings = settings
        self._write(self.folder / "gateway.csv", rows)
        with (self.folder / "output.txt").open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.reliability.child", str(self.folder)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONFAULTHANDLER": "1"},
            )

    def _write(self, path: Path, rows: Sequence[Row]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "\n".join([*self._settings, *map(str, rows)])
        path.write_text(text + "\n", encoding="utf-8")

    def apply(self, rows: Sequence[Row], restart: Sequence[str] = ()) -> None:
        path = self.folder / "gateway.csv"
        fresh = self.folder / f"next{self._versions % 8}.csv"
        self._versions += 1
        self._write(fresh, rows)
        self._write(path, rows)
        self._order(apply=str(fresh), restart=list(restart))

    def watch(self, group: int, on: bool) -> None:
        self._order(watch=group, on=on)

    def _order(self, **order: object) -> None:
        process = self._running
        assert process.stdin is not None
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()

    def kill(self) -> None:
        process = self._running
        process.kill()
        process.wait(10)
        assert process.stdin is not None
        process.stdin.close()

    def stop(self) -> None:
        process = self._running
        assert process.stdin is not None
        process.stdin.close()
        try:
            code = process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
            raise
        assert code == 0, f"the gateway ended with {code}: {self._output()[-3000:]}"

    @property
    def _running(self) -> "subprocess.Popen[bytes]":
        assert self.process is not None, "it was not started"
        assert self.process.poll() is None, f"the gateway has ended: {self._output()[-3000:]}"
        return self.process

    def _output(self) -> str:
        path = self.folder / "output.txt"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def log(self) -> Sequence[LogLine]:
        found: list[LogLine] = []
        for path in sorted(self.logs.glob("*.txt")):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                octets = file.read()
            whole = octets.rfind(b"\n") + 1
            self._read[path] = self._read.get(path, 0) + whole
            for line in octets[:whole].decode("utf-8", "replace").splitlines():
                when, colon, text = line.partition(" : ")
                if not colon or len(when) != 26:
                    continue
                if head := _HEAD.match(text):
                    self._labels[path] = head[1]
                label = self._labels.get(path)
                if label is not None:
                    at = datetime.fromisoformat(when).timestamp() - self._offset
                    found.append(LogLine(at, label, text))
        return found

    def errors(self) -> Sequence[str]:
        found = []
        program = self.logs / "iec104mm2ss.txt"
        said = program.read_text(encoding="utf-8", errors="replace") if program.exists() else ""
        for name, text in (("output", self._output()), ("program log", said)):
            if "Traceback" in text:
                at = text.index("Traceback")
                found.append(f"{name}: {text[max(0, at - 300) : at + 2000]}")
        return found

    # What /proc tells (Linux)

    def sample(self) -> tuple[int, int, int, float]:
        """Resident memory in KiB, descriptors, threads, and seconds of processor time so far."""
        proc = Path(f"/proc/{self._running.pid}")
        status = dict(
            line.split(":", 1) for line in (proc / "status").read_text("ascii").splitlines()
        )
        fields = (proc / "stat").read_text("ascii").rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        return (
            int(status["VmRSS"].split()[0]),
            len(list((proc / "fd").iterdir())),
            int(status["Threads"]),
            ticks / os.sysconf("SC_CLK_TCK"),
        )
