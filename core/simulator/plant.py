"""A station without its control direction: points, clock, timers, clients, and what it reports.

Pure: it is given the time (monotonic seconds) and puts what is to be sent into its clients' queues.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Final, TypeAlias

from core.protocol.asdu import Asdu
from core.protocol.codec import DataUnit, DecodeError, decode_asdu, encode_asdu
from core.protocol.codes import BROADCAST, Cause, CauseNumber, CommonAddress, Ioa, TypeId
from core.protocol.describe import describe_asdu
from core.protocol.link import NEVER
from core.protocol.objects import Initialization
from core.protocol.times import Cp56Time2a
from core.simulator.behaviour import Behaviour
from core.simulator.clients import Client, Job
from core.simulator.findings import printable
from core.simulator.image import PointState, Tags, packed, typed
from core.simulator.points import Point

_HISTORY: Final = 500
_ABSENT: Final = 32
"""Clients that are away and keep their events; of more the one longest away is forgotten."""
_MOST_ANSWERS: Final = 10_000
"""Answers that may wait for a client; it is closed if there are more."""
_GOLDEN: Final = 0.618033988749895
"""Part of a period by which each station is later than the one before: they never knock in step."""


@dataclass(slots=True)
class Statistics:
    """What a station has seen and done since it was made; messages are ASDUs."""

    connections: int = 0
    messages_in: int = 0
    messages_out: int = 0
    events: int = 0
    """Changes that were reported, whoever heard of them."""
    events_lost: int = 0
    """Events that had to go from a full buffer."""
    reports_skipped: int = 0
    interrogations: int = 0
    commands: int = 0
    """Commands that were executed."""
    refused: int = 0
    ignored: int = 0
    """Messages that no station answers: answers, monitored types, too few octets."""
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened at a station, for people and tests."""

    number: int
    """Counted from 1 on, for each station."""
    at: float
    station: int
    kind: str
    """connected, started, stopped, disconnected, request, refused, ignored, executed, scenario,
    down, restarted, error."""
    client: str
    text: str = ""
    asdu: Asdu | None = None

    def __str__(self) -> str:
        words = [f"{self.kind} {self.client}".strip()]
        if self.asdu is not None:
            words.append(_described(self.asdu))
        return printable(": ".join([*words, *([self.text] if self.text else [])]))


def _described(asdu: Asdu) -> str:
    try:
        return describe_asdu(decode_asdu(asdu.octets))
    except DecodeError as error:
        return f"{asdu.name}: {error}"


@dataclass(frozen=True, slots=True)
class Close:
    """End a client's connection, after what waits has gone out unless at once."""

    client: int
    reason: str
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Restart:
    """End all connections, close the port, and come back after a while."""

    seconds: float
    cause_of_initialization: int


@dataclass(frozen=True, slots=True)
class Tamper:
    """Let the connections do something no link would: silent, talk, wrong_sequence."""

    client: int
    """0 for all."""
    what: str


Action: TypeAlias = Close | Restart | Tamper
"""What only the shell can do."""


class Clock:
    """A station's own time: an offset to the machine's, never the machine's clock itself."""

    def __init__(self, wall: datetime, now: float) -> None:
        self._wall = wall.replace(tzinfo=None)
        self._since = now
        self._offset = timedelta()
        self.is_synchronized = False
        self._summer_time = False

    def time(self, now: float) -> datetime:
        """The station's time; naive, in whatever zone its master keeps."""
        return self._wall + timedelta(seconds=now - self._since) + self._offset

    def set(self, moment: datetime, now: float, *, summer_time: bool = False) -> None:
        """A master says what time it is."""
        self._offset += moment - self.time(now)
        self._summer_time = summer_time
        self.is_synchronized = True

    def forget(self) -> None:
        """As after a restart: the machine's time, until somebody sets another."""
        self._offset = timedelta()
        self._summer_time = self.is_synchronized = False

    def tag(self, now: float, *, invalid: bool = False) -> Cp56Time2a:
        """The time tag of now."""
        return Cp56Time2a.from_datetime(
            self.time(now), summer_time=self._summer_time, invalid=invalid
        )


@dataclass(frozen=True, slots=True)
class Asker:
    """A client on the connection it asked on; a later connection is somebody else."""

    client: Client
    number: int
    asdu: Asdu

    @property
    def is_there(self) -> bool:
        """Whether an answer still reaches it."""
        return self.client.number == self.number and self.client.is_started


@dataclass(order=True, slots=True)
class _Timer:
    due: float
    number: int
    call: Callable[[float], None] = field(compare=False)
    is_lasting: bool = field(compare=False)
    """It survives a restart of the station."""


class Plant:
    """What a station is and reports; its room mates ``requests`` and ``commands`` work on it."""

    def __init__(
        self, number: int, ca: CommonAddress, points: Iterable[Point], behaviour: Behaviour,
        chance: Random, now: float, wall: datetime,
    ) -> None:  # fmt: skip
        self.number = number
        self.ca = ca
        self.behaviour = behaviour
        self.clock = Clock(wall, now)
        self.statistics = Statistics()
        self.clients: dict[int, Client] = {}
        self.absent: deque[Client] = deque()
        self.history: deque[Happening] = deque(maxlen=_HISTORY)
        self.actions: list[Action] = []
        self.now = now
        """When the station was called last, for the history."""
        self._since = now
        self._noted = 0
        self._timers: list[_Timer] = []
        self._timer_number = 0
        self.cause_of_initialization = 0
        points = list(points)
        states = [PointState(point, chance) for point in points if not point.is_command]
        self.states = {state.point.name: state for state in states}
        self.by_ioa = {state.point.ioa: state for state in states}
        self.commands = {point.ioa: point for point in points if point.is_command}
        # In the order of types and addresses an answer has the fewest messages.
        self.ordered = sorted(states, key=lambda s: (s.monitored.plain, s.point.ioa))
        self.totals = [state for state in self.ordered if state.counter is not None]

    # Time

    def seconds(self, now: float) -> float:
        """Since the station was made: the time of the courses."""
        return now - self._since

    def tags(self, now: float) -> Tags:
        """Time tags of now."""
        is_doubtful = (
            self.behaviour.time_tags == "unsynchronized" and not self.clock.is_synchronized
        )
        return Tags(lambda: self.clock.tag(now, invalid=is_doubtful))

    @property
    def due(self) -> float:
        """When :meth:`advance` has something to do next."""
        return self._timers[0].due if self._timers else NEVER

    def at(self, due: float, call: Callable[[float], None], *, is_lasting: bool = False) -> None:
        """Call that function when it is time, with the time."""
        self._timer_number += 1
        heapq.heappush(self._timers, _Timer(due, self._timer_number, call, is_lasting))

    def later(self, asker: Asker, seconds: float, call: Callable[[float], None]) -> None:
        """Look at a request after a while, if its asker is still there then."""
        asker.client.requests_waiting += 1

        def look(now: float) -> None:
            asker.client.requests_waiting -= 1
            if asker.is_there:
                call(now)

        self.at(self.now + seconds, look)

    def advance(self, now: float) -> None:
        """Do everything that is due."""
        self.now = now
        while self._timers and self._timers[0].due <= now:
            heapq.heappop(self._timers).call(now)

    def every(
        self, pause: Callable[[], float], call: Callable[[float], None], now: float,
        *, is_spread: bool = False,
    ) -> None:  # fmt: skip
        """Call that function again and again; ``pause`` gives the seconds, 0 for not now.

        With ``is_spread`` the first call comes earlier, at each station by another part.
        """
        idle = 1.0
        first = pause()
        if is_spread or not first:
            first = (first or idle) * (self.number * _GOLDEN % 1)

        def again(now: float) -> None:
            seconds = pause()
            self.at(now + (seconds or idle), again)  # first: what fails now may work next time
            if seconds > 0:
                call(now)

        self.at(now + first, again)

    def start_jobs(self, now: float) -> None:
        """Begin what a running station does by itself."""
        periods = {
            s.point.period for s in self.ordered
            if s.counter is None
            and (s.point.period if s.point.period is not None else s.monitored.is_measured)
        }  # fmt: skip
        for period in sorted(periods, key=lambda p: p or 0):
            states = [s for s in self.ordered if s.point.period == period and s.counter is None]
            if period is None:
                states = [s for s in states if s.monitored.is_measured]
            self.every(
                lambda period=period: self.behaviour.period if period is None else period,  # type: ignore[misc]  # bound in the loop
                lambda now, states=states: self._report(states, now),  # type: ignore[misc]  # as above
                now,
                is_spread=True,
            )
        self.every(lambda: self.behaviour.step, self._look_for_changes, now, is_spread=True)
        self.every(lambda: self.behaviour.avalanche_every, self._avalanche, now)
        self.every(lambda: self.behaviour.restart_every, self._restart, now)
        if self.totals:
            self.every(
                lambda: self.behaviour.counter_period,
                lambda now: self.freeze(self.totals, now, is_sent=True),
                now,
            )

    def stop_jobs(self) -> None:
        """The station is down: nothing goes on but what lasts."""
        self._timers = [timer for timer in self._timers if timer.is_lasting]
        heapq.heapify(self._timers)

    # What it reports

    def _is_reported(self, state: PointState) -> bool:
        """Whether a point is sent periodically, rather than on change."""
        period = state.point.period
        return state.monitored.is_measured if period is None else period > 0

    def _report(self, states: Sequence[PointState], now: float) -> None:
        t = self.seconds(now)
        for state in states:
            state.sample(t)
        self._send_reports([state for state in states if state.is_cyclic], now)

    def _send_reports(self, states: Sequence[PointState], now: float) -> None:
        listening = [client for client in self.clients.values() if client.is_started]
        if not listening or not states:
            return
        is_plain = self.behaviour.time_tags == "off"
        by_cause: dict[CauseNumber, list[PointState]] = {}
        for state in states:
            by_cause.setdefault(state.monitored.report_cause, []).append(state)
        for cause, found in by_cause.items():
            for asdu in self._packed(found, cause, now, plain=is_plain):
                for client in listening:
                    if not client.put_report(asdu):
                        self.statistics.reports_skipped += 1
        for state in states:
            state.was_sent()

    def _look_for_changes(self, now: float) -> None:
        t = self.seconds(now)
        changed = []
        for state in self.ordered:
            if state.counter is not None:
                continue
            if state.dead_band is None and self._is_reported(state):
                if not self.behaviour.period and state.point.period is None:
                    state.sample(t)  # nobody else does
                # It is reported anyway; by hand it may have changed meanwhile.
                if not state.is_held and state.quality == state.sent_quality:
                    continue
            else:
                state.sample(t)
            if state.has_changed:
                changed.append(state)
        if changed:
            self.send_events(changed, Cause.SPONTANEOUS, now)

    def send_events(
        self, states: Sequence[PointState], cause: CauseNumber | None, now: float
    ) -> None:
        """Tell all clients, also those who are stopped or away; cause None: return information."""
        by_cause: dict[CauseNumber, list[PointState]] = {}
        for state in states:
            by_cause.setdefault(cause or state.monitored.return_cause, []).append(state)
        is_plain = self.behaviour.time_tags == "off"
        self.statistics.events += len(states)
        if self.clients or self.absent:
            capacity = self.behaviour.buffer
            for number, found in by_cause.items():
                for asdu in self._packed(found, number, now, plain=is_plain):
                    for client in (*self.clients.values(), *self.absent):
                        self.statistics.events_lost += client.put_event(asdu, capacity)
        for state in states:
            state.was_sent()

    def _packed(
        self, states: Sequence[PointState], cause: CauseNumber, now: float, *, plain: bool,
        asker: Asker | None = None,
    ) -> list[Asdu]:  # fmt: skip
        tags, t = self.tags(now), self.seconds(now)
        objects = [typed(state, tags, t, plain=plain) for state in states]
        if asker is None:
            return packed(objects, cause, self.ca, most=self.behaviour.batch)
        request = asker.asdu
        return packed(
            objects, cause, self.ca, oa=self._oa(request), test=request.is_test,
            most=self.behaviour.batch, sq=self.behaviour.sequences and len(objects) > 1,
        )  # fmt: skip

    def data(
        self, asker: Asker, states: Sequence[PointState], cause: CauseNumber, now: float
    ) -> list[Asdu]:
        """The points as an answer carries them."""
        b = self.behaviour
        is_plain = b.answer_types == "plain" or b.time_tags == "off"
        return self._packed(states, cause, now, plain=is_plain, asker=asker)

    def freeze(self, totals: Iterable[PointState], now: float, *, is_sent: bool) -> None:
        """Freeze counters without resetting them, and send them if wanted."""
        totals = list(totals)
        t = self.seconds(now)
        for state in totals:
            if state.counter is not None:
                state.counter.freeze(state.raw(t))
        if is_sent and totals:
            self.send_events(totals, Cause.SPONTANEOUS, now)

    def avalanche(self, rate: float, rounds: int, now: float) -> None:
        """All points ``rounds`` times as events, ``rate`` a second; 0 for all at once."""
        states = [state for state in self.ordered if state.counter is None]
        total, pause = len(states) * rounds, 0.05
        begin = now

        def go_on(now: float, sent: int = 0) -> None:
            until = total if not rate else min(total, int((now - begin + pause) * rate) or 1)
            t = self.seconds(now)
            while sent < until:
                part = [states[n % len(states)] for n in range(sent, min(until, sent + 256))]
                for state in part:
                    state.sample(t)
                self.send_events(part, Cause.SPONTANEOUS, now)
                sent += len(part)
            if sent < total:
                self.at(now + pause, lambda now: go_on(now, sent), is_lasting=False)

        go_on(now)

    def _avalanche(self, now: float) -> None:
        self.avalanche(self.behaviour.avalanche_rate, 1, now)

    def _restart(self, _: float) -> None:
        self.actions.append(Restart(self.behaviour.restart_time, 0))

    # What it answers

    def _oa(self, request: Asdu) -> int:
        return {"zero": 0, "one": 1}.get(self.behaviour.oa, request.oa)

    def answer(
        self, asker: Asker, cause: CauseNumber, *, negative: bool = False, job: Job | None = None,
        is_first: bool = False, objects: bytes | None = None,
    ) -> None:  # fmt: skip
        """Mirror a request with another cause; ``objects`` in place of its own if given."""
        if negative:
            self.statistics.refused += 1
        b = self.behaviour
        is_con = cause in (Cause.ACTIVATION_CON, Cause.DEACTIVATION_CON)
        is_left_out = (is_con and not b.act_con) or (
            cause == Cause.ACTIVATION_TERMINATION and not b.act_term
        )
        request = asker.asdu
        ca = self.ca if request.ca == BROADCAST and cause < Cause.UNKNOWN_TYPE else None
        mirror = request.with_cause(cause, negative=negative).readdressed(
            oa=self._oa(request), ca=ca
        )
        if objects is not None:
            mirror = Asdu(mirror.octets[:6] + objects)
        if negative:
            self.note("refused", asker.client.peer, asdu=mirror)
        if is_left_out or not asker.is_there:
            return
        if is_first:
            asker.client.put_first(mirror)
        else:
            asker.client.put(mirror, job)

    def may_ask(self, client: Client) -> bool:
        """Whether a client takes its answers; who only asks is closed before memory fills up."""
        if client.answers_waiting + client.requests_waiting < _MOST_ANSWERS:
            return True
        self.actions.append(Close(client.number, f"{_MOST_ANSWERS} answers not taken", True))
        return False

    def put_initialized(self, client: Client) -> None:
        """Tell a client that the station has started."""
        unit = DataUnit(
            TypeId.M_EI_NA_1, Cause.INITIALIZED, self.ca,
            (Initialization(0, self.cause_of_initialization),),
        )  # fmt: skip
        client.put_first(Asdu(encode_asdu(unit)))

    # What people hear of

    def note(self, kind: str, client: str = "", text: str = "", asdu: Asdu | None = None) -> None:
        """Remember what happened."""
        self._noted += 1
        self.history.append(Happening(self._noted, self.now, self.number, kind, client, text, asdu))

    # Clients

    def client_of(self, host: str) -> Client:
        """The client that comes from there: one who is away, with its events, or a new one."""
        for client in self.absent:
            if client.host == host:
                self.absent.remove(client)
                return client
        return Client(host)

    def is_away(self, client: Client) -> None:
        """A client has gone; it may come back."""
        self.absent.append(client)
        while len(self.absent) > _ABSENT:
            self.absent.popleft()

    def point_at(self, ioa: Ioa) -> PointState | None:
        """The monitored point of an address."""
        return self.by_ioa.get(ioa)
