"""A controlled station with its clients, pure: time and messages in, messages and actions out.

station = Station(1, 47, points, Behaviour(), now=0.0, wall=datetime(2026, 1, 1))
number = station.connected("10.0.0.1", "10.0.0.1:50000", now)
station.started(number, now)
station.receive(number, Asdu(...), now)
station.take(number, room=12)           # the ASDUs for this client, in order
station.advance(now)                    # once ``station.due`` has passed
station.take_actions()                  # what only the owner of the sockets can do
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from random import Random

from core.protocol.asdu import Asdu
from core.protocol.codes import Cause, CommonAddress
from core.protocol.elements import Quality
from core.simulator.behaviour import Behaviour, changed
from core.simulator.clients import Client, ClientStatus
from core.simulator.image import PointState, Value
from core.simulator.kinds import COMMANDS
from core.simulator.plant import Action, Asker, Close, Happening, Plant, Restart, Statistics, Tamper
from core.simulator.points import Point
from core.simulator.requests import Requests
from core.simulator.scenario import Step, event_of


class Station:
    """One RTU. ``number`` counts the stations of a simulator from 1 on."""

    def __init__(
        self, number: int, ca: CommonAddress, points: Iterable[Point],
        behaviour: Behaviour | None = None, *, now: float, wall: datetime,
        steps: Iterable[Step] = (), chance: Random | None = None,
    ) -> None:  # fmt: skip
        """``wall`` is what the station's clock shows at ``now``, before anybody sets it."""
        self._plant = Plant(
            number, ca, points, behaviour or Behaviour(), chance or Random(), now, wall
        )
        self._requests = Requests(self._plant)
        self._last_number = 0
        self.is_down = False
        self._steps = [step for step in steps if step.station in (0, number)]
        for step in self._steps:
            if step.trigger.at is not None:
                self._schedule(step, now)
        self._plant.start_jobs(now)

    # What it is

    @property
    def number(self) -> int:
        """Of the stations of a simulator."""
        return self._plant.number

    @property
    def ca(self) -> CommonAddress:
        """Its common address."""
        return self._plant.ca

    @property
    def behaviour(self) -> Behaviour:
        """How it behaves now; may be set at any time."""
        return self._plant.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        self._plant.behaviour = behaviour

    @property
    def statistics(self) -> Statistics:
        """Running counts."""
        return self._plant.statistics

    @property
    def history(self) -> Sequence[Happening]:
        """What happened last, oldest first."""
        return self._plant.history

    @property
    def clients(self) -> list[ClientStatus]:
        """Who is connected."""
        return [client.status for client in self._plant.clients.values()]

    @property
    def points(self) -> dict[str, PointState]:
        """The monitored points by name."""
        return self._plant.states

    def clock(self, now: float) -> datetime:
        """What the station takes for the time."""
        return self._plant.clock.time(now)

    # Connections

    def connected(self, host: str, peer: str, now: float) -> int:
        """Somebody connected: the number of that connection. 0: it is one too many, close it."""
        plant = self._plant
        plant.now = now
        plant.statistics.connections += 1
        if self.is_down or len(plant.clients) >= plant.behaviour.connections:
            plant.note("refused", peer, "too many connections")
            return 0
        client = plant.client_of(host)
        self._last_number += 1
        client.number = self._last_number
        client.peer = peer
        plant.clients[client.number] = client
        plant.note("connected", peer)
        self._happened(client, "connect", now)
        return client.number

    def started(self, number: int, now: float) -> None:
        """STARTDT: data transfer with a client has begun."""
        plant = self._plant
        plant.now = now
        client = plant.clients.get(number)
        if client is None:
            return
        client.is_started = True
        plant.note("started", client.peer)
        rule = plant.behaviour.initialized
        if rule == "every" or (rule == "start" and not client.was_told):
            plant.put_initialized(client)
        client.was_told = True
        self._happened(client, "start", now)

    def stopped(self, number: int, now: float) -> None:
        """STOPDT: events are kept from now on, answers are not."""
        self._plant.now = now
        client = self._plant.clients.get(number)
        if client is not None:
            self._plant.note("stopped", client.peer)
            client.stopped()
            self._requests.client_stopped(client)

    def gone(
        self, number: int, now: float, reason: str = "", undelivered: Iterable[Asdu] = ()
    ) -> None:
        """A connection has ended; events of it that were not acknowledged wait for the next."""
        plant = self._plant
        plant.now = now
        client = plant.clients.pop(number, None)
        if client is None:
            return
        client.number = 0
        client.stopped()
        self._requests.client_stopped(client)
        plant.note("disconnected", client.peer, reason)
        plant.statistics.events_lost += client.rejoin(undelivered, plant.behaviour.buffer)
        if not self.is_down:
            plant.is_away(client)

    def go_down(self, now: float) -> None:
        """It does nothing any more until :meth:`restart`; the scenario goes on."""
        self._plant.now = now
        self.is_down = True
        self._plant.stop_jobs()
        self._plant.note("down")

    def restart(self, now: float, cause_of_initialization: int = 0) -> None:
        """Begin a new life: clients are unknown, the clock is not set, nothing is selected."""
        plant = self._plant
        plant.now = now
        for client in (*plant.clients.values(), *plant.absent):
            client.number = 0
            client.forget()
        plant.clients.clear()
        plant.absent.clear()
        plant.clock.forget()
        self._requests.commands.forget()
        plant.cause_of_initialization = cause_of_initialization
        plant.stop_jobs()
        plant.start_jobs(now)
        plant.statistics.restarts += 1
        plant.note("restarted")
        self.is_down = False

    # Messages

    def receive(self, number: int, asdu: Asdu, now: float) -> None:
        """A message from a client."""
        plant = self._plant
        plant.now = now
        client = plant.clients.get(number)
        if client is None or not client.is_started:
            return
        plant.statistics.messages_in += 1
        plant.note("request", client.peer, asdu=asdu)
        goes_on = self._happened(client, event_of(asdu.type_id), now, asdu)
        if asdu.type_id in COMMANDS and plant.behaviour.close_on_command:
            plant.actions.append(Close(number, "a command came", at_once=True))
            goes_on = False
        if not goes_on:
            return
        if not plant.may_ask(client):
            return
        delay = plant.behaviour.confirm_delay
        if delay:
            asker = Asker(client, number, asdu)
            plant.later(asker, delay, lambda now: self._requests.take(client, asdu, now))
        else:
            self._requests.take(client, asdu, now)

    def take(self, number: int, room: int) -> list[Asdu]:
        """At most ``room`` messages for a client, oldest first."""
        client = self._plant.clients.get(number)
        if client is None or not client.is_started or not client.waiting:
            return []
        taken = client.take(room)
        self._plant.statistics.messages_out += len(taken)
        return taken

    @property
    def waiting(self) -> list[int]:
        """The started clients something waits for."""
        return [n for n, c in self._plant.clients.items() if c.is_started and c.waiting]

    @property
    def due(self) -> float:
        """When :meth:`advance` has something to do next (monotonic seconds)."""
        return self._plant.due

    def advance(self, now: float) -> None:
        """Do everything that is due."""
        self._plant.advance(now)

    def take_actions(self) -> list[Action]:
        """What only the owner of the sockets can do; each is given once."""
        actions, self._plant.actions = self._plant.actions, []
        return actions

    # By hand

    def set(
        self, name: str, value: Value | None, now: float, quality: Quality | None = None
    ) -> None:
        """Set a point (value None: only its quality) and report it; KeyError for no such name.

        The value stays until :meth:`release`.
        """
        self._plant.now = now
        state = self._plant.states[name]
        if value is None:
            state.set_quality(state.quality if quality is None else quality)
        else:
            state.hold(value, quality, self._plant.seconds(now))
        self._plant.send_events([state], Cause.SPONTANEOUS, now)

    def release(self, name: str) -> None:
        """Let the point's course move it again; KeyError for no such name."""
        self._plant.states[name].release()

    def counter_reading(self, name: str, now: float) -> int:
        """What an integrated total has counted up to now; KeyError for no such name."""
        state = self._plant.states[name]
        counter = state.counter
        return 0 if counter is None else counter.running(state.raw(self._plant.seconds(now)))

    def demand(self, action: Action) -> None:
        """Let the shell do something."""
        self._plant.actions.append(action)

    def avalanche(self, now: float, rate: float = 0.0, rounds: int = 1) -> None:
        """Report all points ``rounds`` times, ``rate`` events a second; 0 for all at once."""
        self._plant.now = now
        if self._plant.states:
            self._plant.avalanche(rate, rounds, now)

    # The scenario

    def _schedule(self, step: Step, now: float) -> None:
        seconds = step.trigger.at or 0.0

        def call(now: float) -> None:
            self._perform(step, None, now)
            if step.trigger.every:
                self._plant.at(now + seconds, call, is_lasting=True)

        self._plant.at(now + seconds, call, is_lasting=True)

    def _happened(self, client: Client, event: str, now: float, asdu: Asdu | None = None) -> bool:
        """Take the steps that waited for this; whether the message is still to be looked at."""
        goes_on = True
        for step in self._steps:
            type_id, ioa = (0, None) if asdu is None else (asdu.type_id, asdu.ioa)
            if step.trigger.at is None and step.trigger.fits(event, type_id, ioa):
                self._perform(step, client, now)
                goes_on = goes_on and step.action not in ("close", "restart", "silent")
        return goes_on

    def _perform(self, step: Step, client: Client | None, now: float) -> None:
        plant = self._plant
        plant.note(
            "scenario", text=", ".join((f"line {step.line}: {step.action}", *step.arguments))
        )
        number = client.number if client is not None else 0
        match step.action:
            case "set":
                name, _, value = step.arguments[0].partition("=")
                plant.behaviour = changed(plant.behaviour, name, value)
            case "restart":
                seconds = step.number(0, plant.behaviour.restart_time)
                plant.actions.append(Restart(seconds, 0))
            case "close":
                numbers = [number] if number else list(plant.clients)
                plant.actions += [Close(n, "the scenario wants it", at_once=True) for n in numbers]
            case "silent" | "talk" | "wrong_sequence":
                plant.actions.append(Tamper(number, step.action))
            case "avalanche":
                self.avalanche(now, step.number(0, 0.0), max(1, int(step.number(1, 1.0))))
            case _:
                self._by_hand(step, now)

    def _by_hand(self, step: Step, now: float) -> None:
        name = step.arguments[0]
        if name not in self._plant.states:
            self._plant.note("error", text=f"line {step.line}: no monitored point {name!r}")
            return
        match step.action:
            case "value":
                self.set(name, step.number(1, 0.0), now)
            case "release":
                self.release(name)
            case _:
                flags = Quality.INVALID if step.action == "invalid" else Quality(0)
                self.set(name, None, now, flags)
