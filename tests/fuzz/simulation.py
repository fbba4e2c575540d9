"""The simulator's files, and a station that has to live with what was read from them."""

from datetime import datetime
from pathlib import Path
from random import Random

from core.protocol.asdu import Asdu
from core.protocol.codec import decode_asdu
from core.simulator.behaviour import Behaviour
from core.simulator.plant import Restart
from core.simulator.points import Point, read_points
from core.simulator.scenario import Step, read_scenario
from core.simulator.station import Station
from tests.fuzz.source import Source

_WALL = datetime(2026, 3, 1, 10, 15)  # noqa: DTZ001 (what the station's clock shows)
_SAMPLE = (Path(__file__).parents[2] / "assets" / "Datapoints.json").read_bytes()
POINTS, _ = read_points(
    b'{"lamp": {"type": "M_SP_NA_1", "IOAddress": 100, "unit": ""},'
    b' "breaker": {"type": "M_DP_TB_1", "IOAddress": 110, "unit": ""},'
    b' "tap": {"type": "M_ST_NA_1", "IOAddress": 120, "unit": ""},'
    b' "voltage": {"type": "M_ME_NC_1", "IOAddress": 400, "unit": "kV", "group": 1},'
    b' "share": {"type": "M_ME_NA_1", "IOAddress": 402, "unit": "%"},'
    b' "energy": {"type": "M_IT_NA_1", "IOAddress": 600, "unit": "kWh", "group": 1},'
    b' "lamp command": {"type": "C_SC_NA_1", "IOAddress": 5000, "unit": "", "return": "lamp"},'
    b' "breaker command": {"type": "C_DC_TA_1", "IOAddress": 5001, "unit": "", "select": "yes",'
    b' "return": "breaker"},'
    b' "tap command": {"type": "C_RC_NA_1", "IOAddress": 5002, "unit": "", "return": "tap"},'
    b' "share command": {"type": "C_SE_NA_1", "IOAddress": 5003, "unit": "", "return": "share"}}'
)
_MOST_STEPS = 40
_MOST_OPERATIONS = 60
_SECONDS = (0.0, 0.05, 1.0, 3.0, 31.0)


def scenario(data: bytes) -> None:
    """A scenario file; what is accepted can be played."""
    steps, findings = read_scenario(data)
    for finding in findings:
        assert str(finding).isprintable()
        assert len(str(finding)) < 1000
    assert all(step.line >= 1 for step in steps)
    play(POINTS, steps[:_MOST_STEPS], Source(data[-32:]), operations=12)


def points(data: bytes) -> None:
    """A file of points; a station can have what is accepted."""
    found, findings = read_points(data)
    for finding in findings:
        assert str(finding).isprintable()
        assert len(str(finding)) < 1000
    names = [point.name for point in found]
    assert len(set(names)) == len(names)
    places = [(point.ioa, point.is_command) for point in found]
    assert len(set(places)) == len(places)
    for point in found:
        assert 0 <= point.ioa <= 0xFFFFFF
    play(found[:30], [], Source(data[-32:]), operations=12)


def requests(data: bytes) -> None:
    """Any requests to a station of any behaviour."""
    source = Source(data)
    behaviour = Behaviour(
        sequences=source.flag(),
        batch=1 + source.below(127),
        answer_types=source.pick(("own", "plain")),
        second_gi=source.pick(("queue", "both", "restart", "refuse")),
        gi_pause=source.pick((0.0, 0.0, 0.5)),
        select_timeout=source.pick((30.0, 0.1)),
        execution_time=source.pick((0.0, 2.0)),
        max_command_age=source.pick((0.0, 10.0)),
        counter_events=source.flag(),
        clock=source.pick(("set", "echo", "refuse")),
        unknown_ca=source.pick(("refuse", "ignore")),
        oa=source.pick(("echo", "zero")),
        act_con=source.below(4) > 0,
        act_term=source.below(4) > 0,
        confirm_delay=source.pick((0.0, 0.0, 1.0)),
        buffer=1 + source.below(20),
        connections=2,
    )
    play(POINTS, [], source, operations=_MOST_OPERATIONS, behaviour=behaviour)


def play(
    points: list[Point],
    steps: list[Step],
    source: Source,
    *,
    operations: int,
    behaviour: Behaviour | None = None,
) -> None:
    """Two clients ask, time passes; whatever the station says can be decoded strictly."""
    now = 100.0
    station = Station(1, 1, points, behaviour, now=now, wall=_WALL, steps=steps, chance=Random(1))
    addresses = [point.ioa for point in points] or [0]
    numbers = [station.connected(f"10.0.0.{n}", f"10.0.0.{n}:50000", now) for n in (1, 2)]
    for number in numbers:
        station.started(number, now)
    for _ in range(operations):
        choice = source.octet()
        number = numbers[choice >> 7]
        match choice & 7:
            case 0 | 1 | 2 if not source.is_over:
                station.receive(number, request(source, addresses), now)
            case 3:
                taken(station, number, source.below(20))
            case 4 | 5:
                now += source.pick(_SECONDS)
                looks = 0
                while station.due <= now and looks < 200:
                    looks += 1
                    station.advance(max(station.due, 0.0))
            case 6:
                if choice & 8:
                    station.stopped(number, now)
                    station.started(number, now)
                else:
                    undelivered = station.take(number, 3)
                    station.gone(number, now, "gone", undelivered)
                    again = station.connected("10.0.0.9", "10.0.0.9:1", now)
                    if again:
                        numbers[choice >> 7] = again
                        station.started(again, now)
            case 7:
                if choice & 8:
                    station.avalanche(now)
        restarts = [a for a in station.take_actions() if isinstance(a, Restart)]
        if restarts:  # as its shell: once, however many want it
            station.go_down(now)
            station.restart(now, restarts[0].cause_of_initialization)
            numbers = [station.connected("10.0.0.1", "10.0.0.1:50000", now) for _ in "12"]
            for one in numbers:
                station.started(one, now)
        assert len(station.history) <= 500
        for client in station._plant.clients.values():
            assert len(client._events) <= station.behaviour.buffer
    for number in numbers:
        taken(station, number, 500)


def request(source: Source, addresses: list[int]) -> Asdu:
    """Some ASDU of a master."""
    type_id = source.pick(
        (45, 59, 47, 48, 100, 101, 102, 103, 104, 105, 106, 107, 110, 112, 113, 122, 200, 1)
    )
    how = source.octet()
    cause = 5 if type_id == 102 else (6, 6, 6, 8, 5, 7, 3, 13)[how & 7]
    ioa = 0 if how & 8 else addresses[source.octet() % len(addresses)]
    ca = (1, 1, 65535, 2)[how >> 6]
    sizes = {
        45: 1, 59: 8, 47: 1, 48: 3, 100: 1, 101: 1, 102: 0, 103: 7, 104: 2, 105: 1, 106: 2,
        107: 9, 110: 3, 112: 5, 113: 1, 122: 4, 200: 2, 1: 1,
    }  # fmt: skip
    data = bytes(source.octet() for _ in range(sizes[type_id]))
    if type_id in (100, 101) and how & 16:
        data = bytes([source.pick((20, 21, 5, 0x45, 0x85, 0xC5, 1))])
    cot = cause | (0x80 if how & 32 else 0)
    head = bytes([type_id, 1, cot, source.octet(), ca % 256, ca // 256])
    return Asdu(head + ioa.to_bytes(3, "little") + data)


def taken(station: Station, number: int, room: int) -> None:
    """What a client gets is what a correct station sends."""
    for asdu in station.take(number, room):
        assert len(asdu.octets) <= 249
        unit = decode_asdu(asdu.octets)
        if unit.type_id < 45 or unit.type_id == 70:
            assert not unit.remarks, (asdu, unit.remarks)
            assert asdu.ca == 1
