"""A pure station in a test's hand: time is a number, messages are hex without their APCI."""

from datetime import datetime
from random import Random

from core.protocol.asdu import Asdu
from core.simulator.behaviour import Behaviour
from core.simulator.courses import read_course
from core.simulator.points import Point, Select
from core.simulator.scenario import Step
from core.simulator.station import Station

WALL = datetime(2026, 12, 11, 21, 10, 36, 890_000)  # noqa: DTZ001 (what the station's clock shows)
CALM = Behaviour(period=0.0, answer_types="plain")
"""No reports, so that a test sees what it asked for; answers by the book."""


def point(name: str, ioa: int, type_id: int, course: str = "constant(0)", **more: object) -> Point:
    return Point(name, ioa, type_id, "", read_course(course), **more)  # type: ignore[arg-type]


POINTS = [
    point("lamp", 100, 1),
    point("door", 101, 1, "constant(1)"),
    point("breaker", 110, 31, "constant(1)"),
    point("tap", 120, 32, "constant(3)"),
    point("voltage", 400, 13, "constant(50)", group=1),
    point("current", 401, 36, "constant(7.5)", group=2),
    point("share", 402, 9, "constant(0.5)"),
    point("level", 403, 11, "constant(-1234)"),
    point("word", 404, 7, "constant(305419896)"),
    point("inputs", 405, 20, "constant(3)"),
    point("trip", 406, 38, "constant(1)"),
    point("energy", 600, 15, "constant(1234)", group=1),
    point("pulses", 601, 37, "constant(5)", group=2),
    point("lamp command", 5000, 45, returns="lamp", select=Select.BOTH),
    point("breaker command", 5001, 46, returns="breaker", select=Select.ALWAYS),
    point("tap command", 5002, 47, returns="tap", select=Select.NEVER),
    point("share command", 5003, 48, returns="share"),
    point("level command", 5004, 49, returns="level"),
    point("voltage command", 5005, 50, returns="voltage"),
    point("word command", 5006, 51, returns="word"),
    point("bare command", 5007, 45),
]


class Play:
    """A station at common address 1 with started clients; ``now`` moves only by ``wait``."""

    def __init__(
        self, behaviour: Behaviour = CALM, points: list[Point] | None = None,
        steps: tuple[Step, ...] | list[Step] = (), clients: int = 1,
    ) -> None:  # fmt: skip
        self.now = 1000.0
        self.station = Station(
            1, 1, POINTS if points is None else points, behaviour,
            now=self.now, wall=WALL, steps=steps, chance=Random(7),
        )  # fmt: skip
        self.clients = [self.connect(f"10.0.0.{i + 1}") for i in range(clients)]

    def connect(self, host: str, *, start: bool = True) -> int:
        number = self.station.connected(host, f"{host}:50000", self.now)
        if number and start:
            self.station.started(number, self.now)
            self.station.take(number, 1)  # the end of initialisation, which a new client gets
        return number

    def send(self, octets: str, client: int = 0) -> None:
        number = self.clients[client]
        self.station.receive(number, Asdu(bytes.fromhex(octets)), self.now)

    def taken(self, client: int = 0, room: int = 1000) -> list[str]:
        return [a.octets.hex(" ") for a in self.station.take(self.clients[client], room)]

    def ask(self, octets: str, client: int = 0) -> list[str]:
        """What this client is sent after it asked; ``octets`` as in a capture, without APCI."""
        self.send(octets, client)
        return self.taken(client)

    def wait(self, seconds: float) -> None:
        """Let the time pass, with everything that is due done when it is."""
        until = self.now + seconds
        while self.station.due <= until:
            self.now = max(self.now, self.station.due)
            self.station.advance(self.now)
        self.now = until

    def kinds(self) -> list[str]:
        return [one.kind for one in self.station.history]


def header(octets: str) -> tuple[int, int, bool, int, int]:
    """Type, cause, P/N, OA and CA of a message."""
    asdu = Asdu(bytes.fromhex(octets))
    return asdu.type_id, asdu.cause, asdu.is_negative, asdu.oa, asdu.ca
