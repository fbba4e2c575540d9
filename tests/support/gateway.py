"""The gateway as a user runs it: a subprocess with a file, stopped by a signal."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from tests.support.ending import START, ask_to_end
from tests.support.ports import free_ports
from tests.support.wire import Asdu, RawMaster, ScriptedRtu, Wire, assert_clean

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("IEC104MM2SS_UNDER_TEST", ROOT / "iec104mm2ss.py"))
"""Another build of the program may be put in its place, a script or an executable."""
HANGING_NAMES = Path(__file__).parent / "hanging_names.py"
STOP_LIMIT = 3.0
"""Seconds from the signal to the end of the process."""


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of the file; `options` are its cells after the sixth."""

    id: int
    name: str
    port: int | str
    ca: int | str
    is_master: bool
    hosts: str
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        flag = "Y" if self.is_master else "N"
        cells = (self.id, self.name, self.port, self.ca, flag, self.hosts, *self.options)
        return ",".join(map(str, cells))


def group(
    number: int,
    rtu_port: int,
    master_ports: Iterable[int],
    ca: int = 32,
    first_ca: int = 101,
    options: Sequence[str] = (),
    master_options: Sequence[str] = (),
    hosts: str = "",
) -> list[Row]:
    """An RTU and its masters; master i has the common address `first_ca` + i."""
    rows = [
        Row(number, f"RTU{number}", "", ca, False, hosts or f"127.0.0.1:{rtu_port}", tuple(options))
    ]
    rows += [
        Row(number, f"M{number}-{i + 1}", port, first_ca + i, True, "", tuple(master_options))
        for i, port in enumerate(master_ports)
    ]
    return rows


class Gateway:
    """Runs the program on a file made of `rows`; leaving the block stops it and reads its traces.

    With `hanging_names`, the look-up of any name that ends in `.hang.test` takes a minute.
    """

    def __init__(
        self,
        folder: Path,
        rows: Iterable[Row],
        settings: Iterable[str] = (),
        hanging_names: bool = False,
    ) -> None:
        self.folder = folder
        self.ini = folder / "gateway.csv"
        self.logs = folder / "log"
        self.output = folder / "output.txt"
        self._rows, self._settings = list(rows), list(settings)
        self._hanging_names = hanging_names
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self.kill()
            print(f"--- the gateway's output:\n{self.told()[-5000:]}")  # noqa: T201 (pytest shows it)
            return
        took, code = self.stop()
        told = self.told()
        assert code == 0, f"the gateway ended with {code}: {told[-3000:]}"
        assert took <= STOP_LIMIT, f"the gateway took {took:.1f} s to stop"
        for name, text in self.traces().items():
            at = text.find("Traceback")
            assert at < 0, f"{name}: {text[max(0, at - 500) : at + 3000]}"

    def start(self) -> None:
        text = "\n".join(
            ["# id,sys name,port no,rtu no,master,hosts", *self._settings, *map(str, self._rows)]
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ini.write_text(text + "\n", encoding="utf-8")
        command = [sys.executable] if PROGRAM.suffix == ".py" else []
        if self._hanging_names:
            command.append(str(HANGING_NAMES))
        command += [str(PROGRAM), "-n", "-i", str(self.ini), "--log-dir", str(self.logs)]
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"},
                **START,
            )

    def stop(self) -> tuple[float, int]:
        """Asks it to leave; how long that took, and its exit code."""
        process = self._running()
        begin = time.monotonic()
        if process.poll() is None:
            ask_to_end(process)
        try:
            process.wait(STOP_LIMIT + 5)
        except subprocess.TimeoutExpired:
            if sys.platform != "win32":
                process.send_signal(signal.SIGABRT)  # the fault handler prints every stack
            else:
                process.kill()
            process.wait(10)
        return time.monotonic() - begin, process.returncode

    def kill(self) -> None:
        process = self._running()
        process.kill()
        process.wait(10)

    def check_alive(self) -> None:
        code = self._running().poll()
        assert code is None, f"the gateway ended with {code}: {self.told()[-3000:]}"

    def told(self) -> str:
        """What it wrote to its standard output and error so far."""
        if not self.output.exists():
            return ""
        return self.output.read_text(encoding="utf-8", errors="replace")

    def traces(self) -> dict[str, str]:
        """Its output and every file of its log folder, by name."""
        texts = {"output": self.told()}
        if self.logs.is_dir():
            for path in sorted(self.logs.rglob("*")):
                if path.is_file():
                    texts[path.name] = path.read_text(encoding="utf-8", errors="replace")
        return texts

    # what /proc tells (Linux)

    @property
    def rss_kib(self) -> int:
        """Resident memory now."""
        status = Path(f"/proc/{self._running().pid}/status").read_text(encoding="ascii")
        for line in status.splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("the gateway is gone")

    @property
    def cpu_seconds(self) -> float:
        """Processor time used so far, to 1/100 s or better."""
        pid = self._running().pid
        nanoseconds = 0
        for task in Path(f"/proc/{pid}/task").iterdir():
            nanoseconds += int((task / "schedstat").read_text(encoding="ascii").split()[0])
        return nanoseconds / 1e9

    def _running(self) -> subprocess.Popen[bytes]:
        assert self.process is not None, "the gateway was not started"
        return self.process


OAS = (0, 7, 7, 255, 1)
"""What the masters of a scene put into their own originator address: no key to anything."""


class Scene:
    """One group with all its peers, started: an RTU, the gateway in this process, the masters.

    `start` runs a gateway on rows: the class `Running`, or the fixture that stops it too.
    """

    def __init__(
        self,
        wire: Wire,
        start: Callable[..., Any],
        masters: int = 2,
        options: Sequence[str] = (),
        master_options: Mapping[int, Sequence[str]] | None = None,
        oas: Sequence[int] = OAS,
        cas: tuple[int | str, Sequence[int | str]] | None = None,
        kind: type[ScriptedRtu] = ScriptedRtu,
        peers: Mapping[str, Any] | None = None,
        **rtu: Any,
    ) -> None:
        """`master_options` by place from 0 on; `cas` the RTU's RTU number and the masters'."""
        self.wire = wire
        rtu_port, *self.ports = free_ports(1 + masters)
        self.rows = group(1, rtu_port, self.ports, options=options)
        for i, own in (master_options or {}).items():
            self.rows[1 + i] = replace(self.rows[1 + i], options=tuple(own))
        if cas is not None:
            for i, ca in enumerate((cas[0], *cas[1])):
                self.rows[i] = replace(self.rows[i], ca=ca)
        if not any(option.startswith("oa=") for option in options):
            rtu.setdefault("slots", masters)
        numbers = [[int(n) for n in str(row.ca).split(";")] for row in self.rows]
        self.rtu: Any = wire.rtu(
            rtu_port, numbers[0][0], kind=kind, more_cas=tuple(numbers[0][1:]), **rtu
        )
        self.gateway = start(self.rows)
        self.masters = [
            wire.master(
                port,
                numbers[1 + i][0],
                name=f"master {i + 1}",
                more_cas=tuple(numbers[1 + i][1:]),
                **{"oa": oas[i], "reconnects": False, **(peers or {})},
            )
            for i, port in enumerate(self.ports)
        ]
        self.wait(
            lambda: self.rtu.is_started and all(m.initialized for m in self.masters),
            "all are started",
            10,
        )

    def wait(self, condition: Callable[[], Any], what: str, within: float = 5.0) -> Any:
        return self.wire.wait(condition, within, what)

    def settle(self) -> None:
        """Returns when what the RTU has sent and what the masters have asked is through.

        A new event reaches everyone behind all that went before it.
        """
        for master in self.masters:
            if master.is_started:
                self.wait(lambda m=master: not m.queue, f"{master.name} has sent all")
        (number,) = self.rtu.events(1)
        for master in self.masters:
            if master.is_started:
                self.wait(lambda m=master: number in m.events, f"the event at {master.name}")

    def at_rtu(self, number: int) -> None:
        """Waits until the RTU has been asked so often."""
        self.wait(lambda: len(self.rtu.asked) >= number, f"{number} questions at the RTU")

    def answers(self, master: RawMaster, *causes: int) -> list[Asdu]:
        """Waits until a master's answers are exactly of these causes."""
        self.wait(lambda: len(master.answers) >= len(causes), f"{master.name} has answers {causes}")
        answers = master.answers[:]
        assert [one.cause for one in answers] == list(causes), answers
        return answers

    def clean(self, *masters: RawMaster) -> None:
        """All events and answers went where they belong: to those masters, else to all."""
        self.settle()
        assert_clean(self.rtu, *(masters or self.masters))


def is_told(lines: Iterable[str], *parts: object) -> bool:
    """Whether one of the lines has all of these in it."""
    return any(all(str(part) in line for part in parts) for line in lines)


def is_refused(port: int) -> bool:
    """Whether the system refuses a connection to that port of this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(("127.0.0.1", port))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return False
