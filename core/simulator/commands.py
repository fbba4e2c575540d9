"""Commands: direct or selected first, executed after a while, with what follows from them.

60870-5-5 clause 6.8 (command transmission); the cases are those of 60870-5-101 clause 7.4.8.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, Final

from core.protocol import objects as o
from core.protocol.codes import Cause, Ioa, TypeNumber
from core.protocol.objects import InformationObject
from core.simulator.clients import Client
from core.simulator.image import PointState, Value
from core.simulator.plant import Asker, Plant
from core.simulator.points import Point, Select

_WITHOUT_VALUE: Final = (0, 3)
"""Double and step commands that are not permitted (60870-5-101, 7.2.6.16 and .17)."""


@dataclass(frozen=True, slots=True)
class _Selection:
    client: Client
    number: int
    meaning: tuple[TypeNumber, InformationObject]
    until: float


@dataclass(slots=True)
class _Execution:
    asker: Asker
    command: InformationObject
    is_cancelled: bool = False


class Commands:
    """The selections and running commands of one station."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._selections: dict[Ioa, _Selection] = {}
        self._executions: dict[Ioa, _Execution] = {}

    def take(self, asker: Asker, point: Point, command: Any, now: float) -> None:
        """A command that has reached its point: activation or deactivation."""
        if asker.asdu.cause == Cause.DEACTIVATION:
            done = self._cancel(asker, command.ioa, now)
            self._plant.answer(asker, Cause.DEACTIVATION_CON, negative=not done)
            return
        if self._is_too_old(command, now):
            self._plant.statistics.ignored += 1
            self._plant.note("ignored", asker.client.peer, "older than accepted", asker.asdu)
            return
        is_select = bool(getattr(command, "select", False))
        if is_select:
            accepted = self._select(asker, point, command, now)
        else:
            accepted = self._may_execute(asker, point, command, now)
        self._plant.answer(asker, Cause.ACTIVATION_CON, negative=not accepted)
        if accepted and not is_select:
            self._execute(asker, point, command, now)

    def client_stopped(self, client: Client) -> None:
        """A selection does not outlive the data transfer it was made in."""
        self._selections = {
            ioa: selection
            for ioa, selection in self._selections.items()
            if selection.client is not client
        }

    def forget(self) -> None:
        """As after a restart."""
        self._selections.clear()
        self._executions.clear()

    # Selections

    def _select(self, asker: Asker, point: Point, command: InformationObject, now: float) -> bool:
        if point.select is Select.NEVER or not _is_permitted(command):
            return False
        if point.ioa in self._executions:
            return False
        present = self._selection(point.ioa, now)
        if present is not None and not _is_of(present, asker):
            return False
        until = now + self._plant.behaviour.select_timeout
        meaning = _meaning(asker, command)
        self._selections[point.ioa] = _Selection(asker.client, asker.number, meaning, until)
        return True

    def _may_execute(
        self, asker: Asker, point: Point, command: InformationObject, now: float
    ) -> bool:
        present = self._selection(point.ioa, now)
        if present is not None:
            if not _is_of(present, asker):
                return False
            # Right or wrong, the selection is used up.
            del self._selections[point.ioa]
            if present.meaning != _meaning(asker, command):
                return False
        elif point.select is Select.ALWAYS:
            return False
        return _is_permitted(command) and point.ioa not in self._executions

    def _selection(self, ioa: Ioa, now: float) -> _Selection | None:
        present = self._selections.get(ioa)
        if present is None:
            return None
        if now >= present.until or present.client.number != present.number:
            del self._selections[ioa]
            return None
        return present

    def _cancel(self, asker: Asker, ioa: Ioa, now: float) -> bool:
        running = self._executions.get(ioa)
        if running is not None and running.asker.client is asker.client:
            running.is_cancelled = True
            del self._executions[ioa]
            return True
        present = self._selection(ioa, now)
        if present is None or not _is_of(present, asker):
            return False
        del self._selections[ioa]
        return True

    def _is_too_old(self, command: Any, now: float) -> bool:
        limit, tag = self._plant.behaviour.max_command_age, getattr(command, "time", None)
        if not limit or tag is None:
            return False
        moment = tag.to_datetime()
        return moment is None or (self._plant.clock.time(now) - moment).total_seconds() > limit

    # Execution

    def _execute(self, asker: Asker, point: Point, command: InformationObject, now: float) -> None:
        execution = self._executions[point.ioa] = _Execution(asker, command)
        duration = self._plant.behaviour.execution_time
        if duration <= 0:
            self._finish(point, execution, now)
            return
        state = self._plant.states.get(point.returns)
        if state is not None and not asker.asdu.is_test:
            self._move(state, now)
        self._plant.at(now + duration, lambda now: self._finish(point, execution, now))

    def _move(self, state: PointState, now: float) -> None:
        """What moves says so before it has arrived."""
        if state.monitored.kind is o.DoublePoint:
            state.hold(0, None, self._plant.seconds(now))
        elif state.monitored.kind is o.StepPosition:
            state.transient = True
        else:
            return
        self._plant.send_events([state], None, now)

    def _finish(self, point: Point, execution: _Execution, now: float) -> None:
        if execution.is_cancelled or self._executions.get(point.ioa) is not execution:
            return
        del self._executions[point.ioa]
        plant, asker = self._plant, execution.asker
        plant.statistics.commands += 1
        plant.note("executed", asker.client.peer, point.name, asker.asdu)
        state = plant.states.get(point.returns)
        if state is not None and not asker.asdu.is_test:
            value = _commanded(execution.command, state)
            state.transient = False
            state.hold(value, None, plant.seconds(now))
            plant.send_events([state], None, now)
        plant.answer(asker, Cause.ACTIVATION_TERMINATION)


def _is_of(selection: _Selection, asker: Asker) -> bool:
    return selection.client is asker.client and selection.number == asker.number


def _meaning(asker: Asker, command: Any) -> tuple[TypeNumber, InformationObject]:
    """What select and execute must have in common: type, value and qualifier."""
    fields: dict[str, Any] = {"time": None}
    if hasattr(command, "select"):
        fields["select"] = False
    return asker.asdu.type_id, replace(command, **fields)


def _is_permitted(command: Any) -> bool:
    if isinstance(command, o.DoubleCommand | o.StepCommand):
        return command.value not in _WITHOUT_VALUE
    return math.isfinite(command.value)


def _commanded(command: Any, state: PointState) -> Value:
    """What a monitored point is after a command."""
    is_double = state.monitored.kind is o.DoublePoint
    match command:
        case o.StepCommand(value=value):
            return state.value + (1 if value == 2 else -1)
        case o.SingleCommand(value=value):
            return int(value) + is_double
        case o.DoubleCommand(value=value):
            return value if is_double else value - 1
    return float(command.value)
