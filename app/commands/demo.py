"""``iec104mm2ss --demo``: RTUs, the gateway and masters on one computer, to be looked at.

:func:`build` makes everything but the gateway itself and starts nothing, so any front end can show
it; :func:`run` is the front end for a terminal.
"""

import logging
import os
import random
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, TypeAlias

from app import console, headless
from app.ports import HOST, is_free
from core import __version__
from core.client import ClientState, IEC104Client, IEC104Error, RefusedError, StateChange, Update
from core.config import Config, read_fully
from core.config.diagnostics import escaped
from core.feed import Feed
from core.gateway import Gateway
from core.logs import LogWriter, ProgramLogHandler
from core.protocol.codes import TypeId
from core.simulator import Simulator, read_points
from core.simulator.program import default_points
from core.status import Counters, EntryStatus, RtuState

STRANGER: Final = "127.0.0.2"
"""An address of this computer too, which no master's entry lists."""
RTUS: Final = ("Harbour", "Lighthouse", "Mill")
MASTERS: Final = ("Old centre", "New centre", "Archive")
"""Of every group; the last may only look."""
FIRST_CA: Final = 47
_OTHER_CA: Final = 1000
"""So much higher is a station's RTU number at every second master."""

_FIRST_PORT: Final = 21_000
_LAST_PORT: Final = 29_000
"""Below what systems take for outgoing connections: Linux from 32768, Windows from 49152 on."""
_PAUSE: Final = 5.0
_END_WITHIN: Final = 1.5
_ATTEMPTS: Final = 5
_POLL_EVERY: Final = 0.25
_LINES_KEPT: Final = 100

FREQUENCY: Final = 65537
BREAKER: Final = 70001
LAMP: Final = 70003
"""Addresses of assets/Datapoints.json."""

Say: TypeAlias = Callable[[str], None]
"""Takes a sentence about what is being shown; called on a thread of the demo's."""
_log = logging.getLogger("iec104.program")


# --- the cast -----------------------------------------------------------------------------------


class DemoMaster:
    """A simulated control centre of one group: it interrogates after every start."""

    def __init__(self, group: str, name: str, port: int, ca: int) -> None:
        self.group, self.name, self.ca = group, name, ca
        self.port = port
        self.client = IEC104Client(HOST, port, common_address=ca, queue_size=0)
        self.frequency: float | None = None
        """The last one received; None while there is no data transfer."""
        self.client.on_update(self._hear, ioa=FREQUENCY)
        self.client.on_state(self._state_changed)

    def __str__(self) -> str:
        return f"{self.name} of {self.group}"

    @property
    def is_started(self) -> bool:
        """Whether it has data transfer."""
        return self.client.state is ClientState.STARTED

    @property
    def received(self) -> int:
        """Messages so far."""
        return self.client.counters.frames_received

    def _hear(self, update: Update) -> None:
        self.frequency = update.value

    def _state_changed(self, change: StateChange) -> None:
        if change.state is not ClientState.STARTED:
            self.frequency = None
            return
        try:
            self.client.interrogate(timeout=10.0)
        except IEC104Error as error:  # the link was lost again, or the demo ends
            logging.getLogger("iec104.client").info("demo: no interrogation: %s", error)


@dataclass(frozen=True, slots=True)
class Demo:
    """Everything about a demo but its gateway, which runs ``config`` as it would any other."""

    text: str
    """The gateway's configuration as a file would have it."""
    config: Config
    simulator: Simulator
    masters: tuple[DemoMaster, ...]
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self, say: Say, pause: float = _PAUSE) -> None:
        """Let masters dial and the scenes be played; the simulator runs since :func:`build`.

        ``say`` is called with a sentence for everything that is shown, on a thread of the demo's.
        """
        for master in self.masters:
            master.client.start()
        stage = Stage(self, say)
        player = threading.Thread(
            target=self._play, args=(stage, pause), name="demo-scenes", daemon=True
        )
        self._threads.append(player)
        player.start()

    def stop_masters(self) -> None:
        """End the scenes and all masters in order; before the gateway is stopped."""
        self._over.set()
        until = time.monotonic() + _END_WITHIN
        # Once more: a scene may just have started a master.
        for threads in (self._stopping(), self._threads, self._stopping()):
            for thread in threads:
                thread.join(max(0.0, until - time.monotonic()))

    def _stopping(self) -> list[threading.Thread]:
        """All at once, so that one that waits for its peer costs the others no time."""
        ends = [
            threading.Thread(target=master.client.stop, name="demo-end", daemon=True)
            for master in self.masters
            if not master.client.is_stopped()
        ]
        for thread in ends:
            thread.start()
        return ends

    def stop_rtus(self) -> None:
        """End the RTUs; after the gateway was stopped."""
        self.simulator.stop()

    def wait(self, seconds: float) -> bool:
        """Wait; False if the demo ends meanwhile."""
        return not self._over.wait(seconds)

    def master(self, rtu: int, place: int) -> DemoMaster:
        """By place from 0 on."""
        return self.masters[rtu * len(MASTERS) + place]

    def _play(self, stage: "Stage", pause: float) -> None:
        if not stage.opening():
            return
        while self.wait(pause):
            for scene in stage.scenes:
                try:
                    scene()
                except IEC104Error as error:
                    if self.wait(0):
                        stage.say(f"that did not work out: {error}")
                if not self.wait(pause):
                    return


def build() -> Demo:
    """A demo whose RTUs serve already, all of it on ports that are free; OSError if none are."""
    points, _ = read_points(default_points().read_bytes())
    for _ in range(_ATTEMPTS):
        first = _free_ports(len(RTUS) * (1 + len(MASTERS)))
        simulator = Simulator(points, port=first, ca=FIRST_CA, bind=HOST, stations=len(RTUS))
        if simulator.start():  # somebody was faster
            simulator.stop()
            continue
        text, masters = _roles(first)
        return Demo(text, read_fully(text.encode(), "demo").config, simulator, tuple(masters))
    raise OSError(f"no free ports between {_FIRST_PORT} and {_LAST_PORT}")


def _roles(first: int) -> tuple[str, list[DemoMaster]]:
    lines = ["# id,sys name,port no,rtu no,master,hosts"]
    masters = []
    port = first + len(RTUS)
    for number, name in enumerate(RTUS):
        ca = FIRST_CA + number
        lines.append(f"{number + 1},{name},,{ca},N,{HOST}:{first + number}")
        for place, master in enumerate(MASTERS):
            own = ca + _OTHER_CA * (place % 2)
            rights = ",rights=monitor" if master == MASTERS[-1] else ""
            lines.append(f"{number + 1},{master},{port},{own},Y,{HOST}{rights}")
            masters.append(DemoMaster(name, master, port, own))
            port += 1
    return "\n".join(lines) + "\n", masters


def _free_ports(count: int) -> int:
    """The first of so many consecutive ports that nobody uses; OSError if there are none."""
    starts = list(range(_FIRST_PORT, _LAST_PORT - count, count))
    random.shuffle(starts)  # several demos at once do not meet
    for first in starts:
        if all(is_free(port) for port in range(first, first + count)):
            return first
    raise OSError(f"no {count} free ports in a row between {_FIRST_PORT} and {_LAST_PORT}")


# --- the play -----------------------------------------------------------------------------------


class Stage:
    """The scenes, each a call that says what it shows and returns when it has been shown."""

    def __init__(self, demo: Demo, say: Say) -> None:
        self._demo = demo
        self.say = say
        self.away = 6.0
        """Seconds for which the RTU drops."""
        self.scenes: tuple[Callable[[], None], ...] = (
            self.command,
            self.refused_command,
            self.selection,
            self.lost_rtu,
            self.refused_peer,
            self.avalanche,
            self.master_away,
        )

    def opening(self) -> bool:
        """Wait until all masters have data transfer; False if the demo ends meanwhile."""
        self.say("masters connect; each RTU keeps one connection, to the gateway")
        if not self._until(lambda: all(one.is_started for one in self._demo.masters), 15):
            return self._demo.wait(0)
        self.say(f"all {len(self._demo.masters)} masters have data transfer and interrogate")
        return True

    def command(self) -> None:
        """A command, and its answer to nobody else."""
        demo, (asker, other) = self._demo, self._two(0)
        rtu = demo.simulator.rtus[0]
        is_on = not rtu.read("Lamp").value
        self.say(f"COMMAND: {asker} switches a lamp {'on' if is_on else 'off'}")
        asker.client.command(TypeId.C_SC_NA_1, LAMP, is_on)
        self.say(f"  confirmed to {asker.name} alone; {other.name} and the rest see the new state")

    def refused_command(self) -> None:
        """A master that may only look."""
        archive = self._demo.master(2, len(MASTERS) - 1)
        self.say(f"REFUSED COMMAND: {archive} has rights=monitor and tries to command")
        self._refused(archive, TypeId.C_SC_NA_1, LAMP, True)

    def selection(self) -> None:
        """A selected point is closed to the others."""
        asker, other = self._two(1)
        self.say(f"SELECTION: {asker} selects a breaker; {other.name} commands it meanwhile")
        value = 1 if self._demo.simulator.rtus[1].read("Breaker").value == 2 else 2
        asker.client.select(TypeId.C_DC_NA_1, BREAKER, value)
        self._refused(other, TypeId.C_DC_NA_1, BREAKER, value)
        asker.client.command(TypeId.C_DC_NA_1, BREAKER, value)
        self.say(f"  then {asker.name} operates it: {'on' if value == 2 else 'off'}")

    def lost_rtu(self) -> None:
        """Without its RTU a group refuses connections; no other group notices."""
        demo, rtu = self._demo, self._demo.simulator.rtus[1]
        of_it = [demo.master(1, place) for place in range(len(MASTERS))]
        self.say(
            f"FAULT: the RTU {RTUS[1]} drops for {self.away:g} s; its masters are cut off, no"
            " others"
        )
        rtu.restart(self.away)
        self._until(lambda: not any(one.is_started for one in of_it), 5)
        if self._until(lambda: all(one.is_started for one in of_it), 45):
            self.say(f"  {RTUS[1]} is back, and so are its masters")

    def refused_peer(self) -> None:
        """Somebody who is not in the list of hosts."""
        port = self._demo.master(0, 0).port
        self.say(f"REFUSED PEER: somebody from {STRANGER} tries the port of {MASTERS[0]}")
        try:
            with socket.create_connection((HOST, port), 2, (STRANGER, 0)) as sock:
                sock.settimeout(2)
                is_closed = not sock.recv(16)
        except TimeoutError:
            is_closed = False
        except ConnectionError:
            is_closed = True
        except OSError as error:  # a system without that address
            self.say(f"  not possible on this computer: {error}")
            return
        self.say("  closed by the gateway at once" if is_closed else "  the gateway was too slow")

    def avalanche(self) -> None:
        """Much at once."""
        demo = self._demo
        of_it = [demo.master(2, place) for place in range(len(MASTERS))]
        before = [one.received for one in of_it]
        self.say(f"AVALANCHE: {RTUS[2]} sends all its points 20 times at once, to every master")
        demo.simulator.rtus[2].avalanche(rounds=20)
        demo.wait(2)
        counts = ", ".join(str(o.received - n) for o, n in zip(of_it, before, strict=True))
        self.say(f"  messages received by its masters: {counts}")

    def master_away(self) -> None:
        """A master more or less is nothing to the others."""
        leaver, other = self._two(0)
        self.say(f"A MASTER LEAVES: {leaver} disconnects for 4 s; {other.name} does not notice")
        leaver.client.stop()
        if self._demo.wait(4):
            leaver.client.start()
            self._until(lambda: leaver.is_started, 10)
            self.say(f"  {leaver.name} is back and interrogates")

    def _refused(self, master: DemoMaster, kind: TypeId, ioa: int, value: float) -> None:
        try:
            master.client.command(kind, ioa, value)
        except RefusedError:
            self.say(f"  the gateway refuses it: negative confirmation to {master.name}")
        else:
            self.say(f"  the gateway should have refused it to {master.name}")

    def _two(self, rtu: int) -> tuple[DemoMaster, DemoMaster]:
        return self._demo.master(rtu, 0), self._demo.master(rtu, 1)

    def _until(self, condition: Callable[[], bool], within: float) -> bool:
        end = time.monotonic() + within
        while time.monotonic() < end:
            if condition():
                return True
            if not self._demo.wait(0.05):
                return False
        return False


# --- on a terminal ------------------------------------------------------------------------------


def run(log_dir: Path | None = None, seconds: float | None = None) -> int:
    """Show a demo until told to end, or for so many seconds.

    The exit code: 0, or 1 if it cannot start. ``log_dir``: where the log files stay; without it
    they go with the demo.
    """
    begin = time.monotonic()
    stop = threading.Event()
    headless.stop_signals(stop)
    try:
        demo = build()
    except OSError as error:
        console.err(f"iec104mm2ss: the demo cannot start: {error}")
        return 1
    folder = Path(tempfile.mkdtemp(prefix="iec104mm2ss-demo-")) if log_dir is None else log_dir
    feed = Feed()
    logs = LogWriter(folder, problem=feed.message)
    handler = ProgramLogHandler(logs)
    root = logging.getLogger("iec104")
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    logs.start()
    gateway = Gateway(demo.config, logs, feed)
    show: _Table | _Lines = _Table(demo, gateway, folder) if console.is_terminal() else _Lines()
    try:
        _log.info("the demo has started:\n%s", demo.text.rstrip())
        show.open(demo, folder)
        gateway.start()
        demo.start(show.say)
        until = None if seconds is None else begin + seconds
        while not stop.wait(_POLL_EVERY) and (until is None or time.monotonic() < until):
            drained = feed.drain()
            console.err(*drained.messages)
            show.refresh(drained.statuses)
    finally:
        demo.stop_masters()
        gateway.stop()
        demo.stop_rtus()
        root.removeHandler(handler)
        logs.stop(0.6)
        show.close()
        if log_dir is None:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def _title() -> str:
    return (
        f"DEMO of iec104mm2ss {__version__}: {len(RTUS)} simulated RTUs, the real gateway and "
        f"{len(RTUS) * len(MASTERS)} simulated masters, all on this computer. Ctrl+C ends it."
    )


def _stamped(text: str) -> str:
    return f"{datetime.now().astimezone():%H:%M:%S} {text}"


class _Lines:
    """Where no terminal is: a line for whatever changes."""

    def __init__(self) -> None:
        self._groups = headless.Groups()
        self._lock = threading.Lock()

    def open(self, demo: Demo, folder: Path) -> None:
        console.out(
            [_title(), f"log files in {folder}, ports from {demo.simulator.rtus[0].port} on"]
        )

    def say(self, text: str) -> None:
        with self._lock:
            console.out([_stamped(text)])

    def refresh(self, statuses: Iterable[EntryStatus]) -> None:
        lines = self._groups.changed(statuses)
        with self._lock:
            console.out(map(_stamped, lines))

    def close(self) -> None:
        console.out(["the demo has ended"])


class _Table:
    """On a terminal: a table that is drawn again and again at the same place."""

    def __init__(self, demo: Demo, gateway: Gateway, folder: Path) -> None:
        self._gateway = gateway
        self._folder = folder
        self._masters = {(one.group, one.name): one for one in demo.masters}
        self._said: deque[str] = deque(maxlen=_LINES_KEPT)

    def open(self, demo: Demo, folder: Path) -> None:
        if sys.platform == "win32":
            os.system("")  # older consoles understand the sequences only after it
        self._put("\x1b[?25l\x1b[2J")

    def say(self, text: str) -> None:
        self._said.append(_stamped(text))

    def refresh(self, statuses: Iterable[EntryStatus]) -> None:
        size = shutil.get_terminal_size()
        head = [_title(), f"log files in {self._folder}", ""]
        lines = [*head, *table(self._gateway.snapshot(), self._masters), ""]
        room = max(3, size.lines - len(lines) - 1)
        lines += list(self._said)[-room:]
        cut = (escaped(line)[: size.columns - 1] for line in lines[: size.lines - 1])
        self._put("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in cut) + "\x1b[J")

    def close(self) -> None:
        self._put("\x1b[?25h")
        console.out(["the demo has ended"])

    def _put(self, text: str) -> None:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except (OSError, ValueError):
            return  # nobody looks any more; a signal ends the demo


def table(
    entries: Sequence[tuple[EntryStatus, Counters]],
    masters: dict[tuple[str, str], DemoMaster],
) -> list[str]:
    """The state of every entry as lines of equal columns."""
    form = "{:<16}{:<30}{:<24}{:>9}{:>9}{:>9}  {}"
    lines = [form.format("entry", "state", "peer", "in", "out", "refused", "frequency there")]
    group = ""
    for status, counters in entries:
        name = status.label[2:]
        value = ""
        if isinstance(status.state, RtuState):
            group = name
        else:
            name = f"  {name}"
            master = masters.get((group, status.label[2:]))
            if master is not None and master.frequency is not None:
                value = f"{master.frequency:.2f} Hz, CA {master.ca}"
        lines.append(
            form.format(
                name, status.state, status.peer, counters.asdus_in, counters.asdus_out,
                counters.refused + counters.peers_refused, value,
            )
        )  # fmt: skip
    return lines
