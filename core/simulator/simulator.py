"""Many stations in one process, for Python programs and the command line.

    points, findings = read_points(Path("Datapoints.json").read_bytes())
    with Simulator(points, port=2404, ca=47) as simulator:
        rtu = simulator.rtus[0]
        rtu.set("Breaker", 2)                  # reported at once, and it stays
        print(rtu.read("Voltage").value, rtu.clients, rtu.statistics)

All calls may be made from any thread; they wait for the I/O thread.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from core.connections.loop import IoThread
from core.connections.words import error_words
from core.protocol.codes import CommonAddress, Ioa
from core.protocol.elements import Quality
from core.protocol.link import Timing
from core.simulator.behaviour import Behaviour
from core.simulator.clients import ClientStatus
from core.simulator.plant import Happening, Restart, Statistics, Tamper
from core.simulator.points import Point
from core.simulator.scenario import Step
from core.simulator.server import Server, Wheel
from core.simulator.station import Station

_ANSWER_WITHIN: Final = 10.0
_LINKS_END: Final = 0.8
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a point is at the moment."""

    name: str
    ioa: Ioa
    value: float
    quality: Quality
    is_held: bool
    """It was set or commanded, and its course does not move it."""


class Rtu:
    """One station of a simulator, by number from 1 on."""

    def __init__(self, simulator: "Simulator", server: Server) -> None:
        self._simulator = simulator
        self._server = server
        self._station = server.station
        self.number: Final = server.station.number
        self.port: Final = server.port
        self.ca: Final[CommonAddress] = server.station.ca

    def read(self, name: str) -> Reading:
        """A monitored point; KeyError for no such name."""
        return self._ask(lambda now: self._reading(name, now))

    def _reading(self, name: str, now: float) -> Reading:
        state = self._station.points[name]
        value = state.value
        if state.counter is not None:
            value = self._station.counter_reading(name, now)
        return Reading(name, state.point.ioa, value, state.quality, state.is_held)

    def set(self, name: str, value: float | None, quality: Quality | None = None) -> None:
        """Set a point, or with value None only its quality; it is reported at once and stays."""
        self._do(lambda now: self._station.set(name, value, now, quality))

    def release(self, name: str) -> None:
        """Let the point's course move it again."""
        self._do(lambda _: self._station.release(name))

    def avalanche(self, rate: float = 0.0, rounds: int = 1) -> None:
        """Report all points ``rounds`` times, ``rate`` events a second; 0 for all at once."""
        self._do(lambda now: self._station.avalanche(now, rate, rounds))

    def restart(self, seconds: float | None = None, cause_of_initialization: int = 0) -> None:
        """Close connections and port, and come back after a while."""
        down = self.behaviour.restart_time if seconds is None else seconds
        self._do(lambda _: self._station.demand(Restart(down, cause_of_initialization)))

    def tamper(self, what: str) -> None:
        """``silent``, ``talk`` or ``wrong_sequence`` on all connections of now."""
        if what not in ("silent", "talk", "wrong_sequence"):
            raise ValueError(f"{what!r} is not silent, talk or wrong_sequence")
        self._do(lambda _: self._station.demand(Tamper(0, what)))

    @property
    def behaviour(self) -> Behaviour:
        """How it behaves now."""
        return self._station.behaviour

    def behave(self, **changes: Any) -> None:
        """Change fields of its behaviour: ``rtu.behave(oa="zero", act_term=False)``."""

        def change(_: float) -> None:
            self._station.behaviour = replace(self._station.behaviour, **changes)

        self._do(change)

    @property
    def clients(self) -> list[ClientStatus]:
        """Who is connected."""
        return self._ask(lambda _: self._station.clients)

    @property
    def statistics(self) -> Statistics:
        """Counts since the start."""
        return self._ask(lambda _: copy(self._station.statistics))

    def events(self, after: int = 0) -> list[Happening]:
        """What has happened (the last 500), or only what came after the one of that number."""
        return self._ask(lambda _: [one for one in self._station.history if one.number > after])

    def clock(self) -> datetime:
        """What the station takes for the time."""
        return self._ask(self._station.clock)

    def _ask(self, question: Callable[[float], T]) -> T:
        return self._simulator._ask(question)

    def _do(self, step: Callable[[float], None]) -> None:
        def do(now: float) -> None:
            step(now)
            self._server.pump(now)

        self._simulator._ask(do)


class Simulator:
    """``stations`` RTUs with the same points; ports and common addresses are counted up.

    With ``seed`` chance is the same in every run. ``io`` is an I/O thread of the caller's, which
    must be running and is left running; without it the simulator has its own.
    """

    def __init__(
        self, points: Sequence[Point], *, port: int = 2404, ca: CommonAddress = 47,
        bind: str = "127.0.0.1", stations: int = 1, behaviour: Behaviour | None = None,
        scenario: Iterable[Step] = (), seed: int | None = None, timing: Timing | None = None,
        io: IoThread | None = None,
    ) -> None:  # fmt: skip
        """ValueError if the last port or common address would be too high."""
        if not 1 <= port <= port + stations - 1 <= 65535:
            raise ValueError(f"ports {port}..{port + stations - 1} are not within 1..65535")
        if not 1 <= ca <= ca + stations - 1 <= 65534:
            raise ValueError(f"common addresses {ca}..{ca + stations - 1} are not within 1..65534")
        self.rtus: tuple[Rtu, ...] = ()
        self._own_io = io is None
        self._io = io or IoThread("iec104-simulator")
        self._bind = bind
        self._first_port = port
        self._first_ca = ca
        self._number = stations
        self._points = tuple(points)
        self._behaviour = behaviour or Behaviour()
        self._steps = tuple(scenario)
        self._seed = seed
        self._timing = timing or Timing()
        self._wheel = Wheel(self._io)
        self._servers: list[Server] = []
        self._is_running = False
        self._seen: dict[int, int] = {}
        self._thread_id = 0

    def __enter__(self) -> Self:
        """All stations run; OSError if one of them cannot."""
        problems = self.start()
        if problems:
            self.stop()
            raise OSError("; ".join(problems))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.stop()

    def start(self) -> list[str]:
        """Start all stations; a sentence for each that could not open its port."""
        if self._own_io:
            self._io.start()
        self._is_running = True
        return self._ask(self._open)

    def stop(self) -> bool:
        """End all connections in order and close the ports; whether all of it ended."""
        if not self._is_running:
            return True
        self._is_running = False
        done: Future[None] = Future()
        self._io.call(self._begin_stop, done)
        try:
            done.result(_LINKS_END + 1)
            in_order = True
        except TimeoutError:
            in_order = False
        return self._io.end(1.0) and in_order if self._own_io else in_order

    def news(self) -> list[Happening]:
        """What has happened at all stations since the last call, oldest first."""
        return self._ask(self._news)

    def _news(self, _: float) -> list[Happening]:
        found: list[Happening] = []
        for server in self._servers:
            history = server.station.history
            seen = self._seen.get(server.station.number, 0)
            if history and history[-1].number > seen:
                found += [one for one in history if one.number > seen]
                self._seen[server.station.number] = history[-1].number
        return sorted(found, key=lambda one: one.at)

    def now(self) -> float:
        """The time in which ``Happening.at`` is given (monotonic seconds)."""
        return self._io.loop.time()

    def _open(self, now: float) -> list[str]:
        self._thread_id = threading.get_ident()
        problems = []
        rtus = []
        wall = datetime.now(UTC)
        for index in range(self._number):
            seed = None if self._seed is None else f"{self._seed}/{index}"
            station = Station(
                index + 1, self._first_ca + index, self._points, self._behaviour,
                now=now, wall=wall, steps=self._steps, chance=Random(seed),
            )  # fmt: skip
            port = self._first_port + index
            server = Server(self._io, self._wheel, station, self._bind, port, self._timing)
            try:
                server.open()
            except OSError as error:
                problems.append(
                    f"port {port} on {self._bind} cannot be opened: {error_words(error)}"
                )
                continue
            self._servers.append(server)
            rtus.append(Rtu(self, server))
        self.rtus = tuple(rtus)
        return problems

    def _begin_stop(self, done: Future[None]) -> None:
        self._io.spawn(self._end(done), "end of the simulator")

    async def _end(self, done: Future[None]) -> None:
        try:
            streams = [stream for server in self._servers for stream in server.close()]
            until = self._io.loop.time() + _LINKS_END
            while any(s in self._io.streams for s in streams) and self._io.loop.time() < until:
                await asyncio.sleep(0.01)
            for stream in streams:
                stream.abort()
            await asyncio.sleep(0)
        finally:
            done.set_result(None)

    def _ask(self, question: Callable[[float], T]) -> T:
        """Let the I/O thread answer; its error is the caller's."""
        if threading.get_ident() == self._thread_id:
            return question(self._io.loop.time())
        answer: Future[T] = Future()

        def run() -> None:
            try:
                answer.set_result(question(self._io.loop.time()))
            except BaseException as error:
                answer.set_exception(error)

        self._io.call(run)
        return answer.result(_ANSWER_WITHIN)
