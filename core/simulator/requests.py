"""The control direction: which requests a station knows, checks, and what it answers.

The order of the checks is that of the reference: type (44), cause (45), common address (46),
object address (47), then what the object says. Whatever a client sends, nothing here raises.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from core.protocol import objects as o
from core.protocol.asdu import Asdu
from core.protocol.codec import DataUnit, DecodeError, decode_asdu
from core.protocol.codes import BROADCAST, Cause, CauseNumber, TypeId, TypeNumber
from core.simulator.clients import Client, Job
from core.simulator.commands import Commands
from core.simulator.image import PointState
from core.simulator.kinds import COMMANDS, PARAMETERS
from core.simulator.plant import Asker, Plant, Restart

_ANSWERS: Final = frozenset((7, 9, 10, 44, 45, 46, 47))
_MONITOR: Final = frozenset((*range(1, 42), TypeId.M_EI_NA_1))
_ACT: Final = (Cause.ACTIVATION,)
_ACT_DEACT: Final = (Cause.ACTIVATION, Cause.DEACTIVATION)
_CAUSES: Final[dict[TypeNumber, Sequence[CauseNumber]]] = {
    **dict.fromkeys(COMMANDS, _ACT_DEACT),
    TypeId.C_IC_NA_1: _ACT_DEACT,
    TypeId.C_CI_NA_1: _ACT_DEACT,
    TypeId.C_RD_NA_1: (Cause.REQUEST,),
    TypeId.C_CS_NA_1: _ACT,
    TypeId.C_TS_NA_1: _ACT,
    TypeId.C_RP_NA_1: _ACT,
    TypeId.C_CD_NA_1: (Cause.ACTIVATION, Cause.SPONTANEOUS),
    TypeId.C_TS_TA_1: _ACT,
    **dict.fromkeys(PARAMETERS, _ACT),
    TypeId.P_AC_NA_1: _ACT_DEACT,
}
"""The types a station knows, with the causes it knows for them."""
_FOR_ALL: Final = (TypeId.C_IC_NA_1, TypeId.C_CI_NA_1, TypeId.C_CS_NA_1, TypeId.C_RP_NA_1)
"""What may be sent to all stations (60870-5-101, 7.2.4)."""
_STATION, _LAST_GROUP = 20, 36
_ALL_COUNTERS = 5
_THRESHOLD, _HIGH_LIMIT = 1, 4
_MOST_INTERROGATIONS: Final = 100
"""More of one client at once are refused."""
_REMOTE_RESET: Final = 2
_PATTERN: Final = 0x55AA

_Procedure: TypeAlias = Callable[[Asker, Any, float], None]


class Requests:
    """Everything that comes from the clients of one station."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self.commands = Commands(plant)
        self._procedures: dict[TypeNumber, _Procedure] = {
            **dict.fromkeys(COMMANDS, self._command),
            TypeId.C_IC_NA_1: self._interrogation,
            TypeId.C_CI_NA_1: self._counters,
            TypeId.C_RD_NA_1: self._read,
            TypeId.C_CS_NA_1: self._clock,
            TypeId.C_TS_NA_1: self._pattern_test,
            TypeId.C_RP_NA_1: self._reset,
            TypeId.C_CD_NA_1: self._delay,
            TypeId.C_TS_TA_1: self._counted_test,
            **dict.fromkeys(PARAMETERS, self._parameter),
            TypeId.P_AC_NA_1: self._parameter_activation,
        }

    def take(self, client: Client, asdu: Asdu, now: float) -> None:
        """One message from a started client."""
        asker = Asker(client, client.number, asdu)
        type_id, cause = asdu.type_id, asdu.cause
        if cause in _ANSWERS or type_id in _MONITOR:
            self._ignore(asker, "no request")
            return
        if type_id not in _CAUSES:
            self._plant.answer(asker, Cause.UNKNOWN_TYPE, negative=True)
            return
        unit = self._decoded(asker)
        if unit is None:
            return
        if cause not in _CAUSES[type_id]:
            self._plant.answer(asker, Cause.UNKNOWN_CAUSE, negative=True)
        elif asdu.ca != self._plant.ca and not (asdu.ca == BROADCAST and type_id in _FOR_ALL):
            if self._plant.behaviour.unknown_ca == "refuse":
                self._plant.answer(asker, Cause.UNKNOWN_COMMON_ADDRESS, negative=True)
            else:
                self._ignore(asker, "foreign common address")
        elif unit.sq or len(unit.objects) != 1:
            self._refuse(asker)
        else:
            self._procedures[type_id](asker, unit.objects[0], now)

    def client_stopped(self, client: Client) -> None:
        """Data transfer with a client has ended."""
        self.commands.client_stopped(client)

    def _decoded(self, asker: Asker) -> DataUnit | None:
        try:
            return decode_asdu(asker.asdu.octets)
        except DecodeError as error:  # what is cut off cannot be mirrored
            self._ignore(asker, str(error))
            return None

    def _ignore(self, asker: Asker, why: str) -> None:
        self._plant.statistics.ignored += 1
        self._plant.note("ignored", asker.client.peer, why, asker.asdu)

    def _refuse(self, asker: Asker) -> None:
        """A negative confirmation; what has none is refused for its cause."""
        causes = {
            Cause.ACTIVATION: Cause.ACTIVATION_CON, Cause.DEACTIVATION: Cause.DEACTIVATION_CON,
        }  # fmt: skip
        cause = causes.get(Cause(asker.asdu.cause), Cause.UNKNOWN_CAUSE)
        self._plant.answer(asker, cause, negative=True)

    def _unknown_address(self, asker: Asker) -> None:
        self._plant.answer(asker, Cause.UNKNOWN_IOA, negative=True)

    def _confirm(self, asker: Asker, *, negative: bool = False) -> None:
        is_act = asker.asdu.cause == Cause.ACTIVATION
        cause = Cause.ACTIVATION_CON if is_act else Cause.DEACTIVATION_CON
        self._plant.answer(asker, cause, negative=negative)

    # Commands

    def _command(self, asker: Asker, obj: Any, now: float) -> None:
        point = self._plant.commands.get(obj.ioa)
        if point is None or COMMANDS[point.type_id] is not type(obj):
            self._unknown_address(asker)
        else:
            self.commands.take(asker, point, obj, now)

    # Interrogations

    def _interrogation(self, asker: Asker, obj: Any, now: float) -> None:
        if obj.ioa:
            self._unknown_address(asker)
            return
        qoi: int = obj.qoi
        name = f"interrogation {qoi}"
        if asker.asdu.cause == Cause.DEACTIVATION:
            self._end_interrogation(asker, name)
            return
        plant = self._plant
        states = [state for state in plant.ordered if state.monitored.is_interrogated]
        if qoi != _STATION:
            states = [state for state in states if state.point.group == qoi - _STATION]
        if not _STATION <= qoi <= _LAST_GROUP or (not states and qoi != _STATION):
            self._refuse(asker)
            return
        running = [job for job in asker.client.jobs if job.name.startswith("interrogation")]
        second = plant.behaviour.second_gi
        if (running and second == "refuse") or len(running) >= _MOST_INTERROGATIONS:
            self._refuse(asker)
            return
        if second == "queue" and any(job.is_open for job in running):
            # It has not even got its last message: this one waits for its turn.
            again = partial(self._interrogation, asker, obj)
            plant.later(asker, max(plant.behaviour.gi_pause, 0.01), again)
            return
        if second == "restart":
            for job in running:
                asker.client.cancel(job)
            running = []
        plant.statistics.interrogations += 1
        job = asker.client.begin(name)
        is_both = bool(running) and second == "both"
        plant.answer(asker, Cause.ACTIVATION_CON, job=None if is_both else job, is_first=is_both)
        self._send_data(asker, job, states, qoi, now)

    def _counters(self, asker: Asker, obj: Any, now: float) -> None:
        plant = self._plant
        if obj.ioa:
            self._unknown_address(asker)
            return
        name = f"counters {obj.request}"
        if asker.asdu.cause == Cause.DEACTIVATION:
            self._end_interrogation(asker, name)
            return
        totals = plant.totals
        if 1 <= obj.request < _ALL_COUNTERS:
            totals = [state for state in totals if state.point.group == obj.request]
        if not 1 <= obj.request <= _ALL_COUNTERS or (not totals and obj.request != _ALL_COUNTERS):
            self._refuse(asker)
        elif obj.freeze:
            self._confirm(asker)
            if not asker.asdu.is_test:
                self._freeze(totals, obj.freeze, now)
        else:
            plant.statistics.interrogations += 1
            job = asker.client.begin(name)
            plant.answer(asker, Cause.ACTIVATION_CON, job=job)
            number = 0 if obj.request == _ALL_COUNTERS else obj.request
            self._send_data(asker, job, totals, Cause.COUNTERS + number, now)

    def _freeze(self, totals: Sequence[PointState], freeze: int, now: float) -> None:
        """1 freeze, 2 freeze and reset, 3 reset (60870-5-101, 7.2.6.23)."""
        plant = self._plant
        if freeze in (1, 2):
            plant.freeze(totals, now, is_sent=plant.behaviour.counter_events)
        if freeze in (2, 3):
            for state in totals:
                state.hold(0, None, plant.seconds(now))

    def _send_data(
        self, asker: Asker, job: Job, states: Sequence[PointState], cause: CauseNumber,
        now: float,
    ) -> None:  # fmt: skip
        """The data and the termination: at once, or one message after the other."""
        plant = self._plant
        pause = plant.behaviour.gi_pause
        size = min(plant.behaviour.batch, 30) if pause else max(1, len(states))
        parts = [states[at : at + size] for at in range(0, len(states), size)]

        def go_on(now: float, done: int = 0) -> None:
            while not job.is_cancelled and asker.is_there:
                if done == len(parts):
                    plant.answer(asker, Cause.ACTIVATION_TERMINATION, job=job)
                    break
                for asdu in plant.data(asker, parts[done], cause, now):
                    asker.client.put(asdu, job)
                done += 1
                if pause:
                    plant.at(now + pause, partial(go_on, done=done))
                    return
            job.is_open = False

        if pause:
            plant.at(now + pause, go_on)
        else:
            go_on(now)

    def _end_interrogation(self, asker: Asker, name: str) -> None:
        running = [job for job in asker.client.jobs if job.name == name]
        for job in running:
            asker.client.cancel(job)
        self._plant.answer(asker, Cause.DEACTIVATION_CON, negative=not running)

    def _read(self, asker: Asker, obj: Any, now: float) -> None:
        state = self._plant.point_at(obj.ioa)
        if state is None:
            self._unknown_address(asker)
            return
        for asdu in self._plant.data(asker, [state], Cause.REQUEST, now):
            asker.client.put(asdu)

    # Clock, tests, reset

    def _clock(self, asker: Asker, obj: Any, now: float) -> None:
        plant = self._plant
        if obj.ioa:
            self._unknown_address(asker)
            return
        moment = obj.time.to_datetime()
        if moment is None or plant.behaviour.clock == "refuse":
            self._refuse(asker)
            return
        # The confirmation carries the time before it was set: so the master sees the drift.
        own = plant.clock.tag(now).bits.to_bytes(7, "little")
        is_echo = plant.behaviour.clock == "echo"
        if not asker.asdu.is_test:
            plant.clock.set(moment, now, summer_time=obj.time.summer_time)
        plant.answer(asker, Cause.ACTIVATION_CON, objects=None if is_echo else bytes(3) + own)

    def _pattern_test(self, asker: Asker, obj: Any, _: float) -> None:
        if obj.ioa:
            self._unknown_address(asker)
        else:
            self._confirm(asker, negative=obj.pattern != _PATTERN)

    def _counted_test(self, asker: Asker, obj: Any, _: float) -> None:
        if obj.ioa:
            self._unknown_address(asker)
        else:
            self._confirm(asker)

    def _delay(self, asker: Asker, obj: Any, _: float) -> None:
        if obj.ioa:
            self._unknown_address(asker)
        elif asker.asdu.cause == Cause.ACTIVATION:  # else it loads the delay: no answer
            self._confirm(asker)

    def _reset(self, asker: Asker, obj: Any, _: float) -> None:
        plant = self._plant
        if obj.ioa:
            self._unknown_address(asker)
        elif obj.qrp == 1:
            self._confirm(asker)
            if not asker.asdu.is_test:
                plant.actions.append(Restart(plant.behaviour.restart_time, _REMOTE_RESET))
        elif obj.qrp == 2:
            self._confirm(asker)
            if not asker.asdu.is_test:
                asker.client.forget_events()
        else:
            self._refuse(asker)

    # Parameters

    def _parameter(self, asker: Asker, obj: Any, _: float) -> None:
        state = self._plant.point_at(obj.ioa)
        if state is None or state.monitored.kind not in PARAMETERS[TypeId(asker.asdu.type_id)]:
            self._unknown_address(asker)
        elif not _THRESHOLD <= obj.kind <= _HIGH_LIMIT or obj.value != obj.value:
            self._refuse(asker)
        else:
            if not asker.asdu.is_test:
                state.parameters[obj.kind] = obj.value
                if obj.kind == _THRESHOLD:
                    state.dead_band = abs(obj.value)
            self._confirm(asker)

    def _parameter_activation(self, asker: Asker, obj: Any, _: float) -> None:
        match obj:
            case o.ParameterActivation(ioa=0, qpa=1):
                self._confirm(asker)
            case o.ParameterActivation(ioa=ioa) if self._plant.point_at(ioa) is None:
                self._unknown_address(asker)
            case o.ParameterActivation(qpa=2):
                self._confirm(asker)
            case o.ParameterActivation(ioa=ioa, qpa=3):
                state = self._plant.point_at(ioa)
                if state is not None and not asker.asdu.is_test:
                    state.is_cyclic = asker.asdu.cause == Cause.ACTIVATION
                self._confirm(asker)
            case _:
                self._refuse(asker)
