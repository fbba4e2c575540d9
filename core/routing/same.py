"""The same command twice: which commands are under way, and whose they are.

While one master's command waits for its confirmation no other master may send the same: the RTU
could not tell them apart. What counts as the same is type, common address and object address.
"""

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from core.protocol.codes import TypeNumber
from core.routing.policy import Seat

Key: TypeAlias = tuple[TypeNumber, int, int, int]
"""Type, common address, object address, qualifier."""

RUNNING: Final = 5.0
"""Seconds a confirmed command is taken to run if its termination does not come."""


@dataclass(slots=True)
class _Hold:
    """One master's commands of one key; times are those until which each holds it, in order."""

    waiting: int = 0
    """Unsent, or without their first answer."""
    running: list[float] = field(default_factory=list)
    """Confirmed ones."""
    silent: list[float] = field(default_factory=list)
    """Those without an answer in time."""


class SameCommand:
    """All commands under way in a group."""

    def __init__(self) -> None:
        self.rtu_terminates = False
        """Whether this RTU link has ever sent an ACT_TERM: many RTUs never do."""
        self._holds: dict[Key, dict[Seat | None, _Hold]] = {}

    def is_anothers(self, key: Key, seat: Seat, now: float) -> bool:
        """Whether another master's command of this key is under way."""
        return any(
            hold.waiting
            or _is_any_after(hold.silent, now)
            or (self.rtu_terminates and _is_any_after(hold.running, now))
            for owner, hold in self._holds.get(key, {}).items()
            if owner != seat
        )

    def wait(self, key: Key, seat: Seat | None) -> None:
        """A command was accepted, or sent."""
        self._hold(key, seat).waiting += 1

    def wait_no_more(self, key: Key, seat: Seat | None) -> None:
        """It was answered, sent, or will not be sent."""
        self._hold(key, seat).waiting -= 1
        self._tidy(key, seat)

    def run(self, key: Key, seat: Seat | None, until: float) -> None:
        """It was confirmed and is taken to run until then (monotonic seconds)."""
        insort(self._hold(key, seat).running, until)

    def run_no_more(self, key: Key, seat: Seat | None, until: float) -> None:
        """The one that was to run until then was terminated, or is no longer waited for."""
        self._hold(key, seat).running.remove(until)
        self._tidy(key, seat)

    def fall_silent(self, key: Key, seat: Seat | None, until: float) -> None:
        """It got no answer: it may yet be carried out, and keeps others out until then."""
        insort(self._hold(key, seat).silent, until)

    def be_silent_no_more(self, key: Key, seat: Seat | None, until: float) -> None:
        """The one that was to keep others out until then was answered late, or is forgotten."""
        self._hold(key, seat).silent.remove(until)
        self._tidy(key, seat)

    def leave(self, seat: Seat) -> None:
        """The master is gone; what it had under way is nobody's, and still under way."""
        for holds in self._holds.values():
            left = holds.pop(seat, None)
            if left is not None:
                ownerless = holds.setdefault(None, _Hold())
                ownerless.waiting += left.waiting
                ownerless.running = sorted((*ownerless.running, *left.running))
                ownerless.silent = sorted((*ownerless.silent, *left.silent))

    def clear(self) -> None:
        """The RTU link is over."""
        self._holds.clear()
        self.rtu_terminates = False

    def _hold(self, key: Key, seat: Seat | None) -> _Hold:
        return self._holds.setdefault(key, {}).setdefault(seat, _Hold())

    def _tidy(self, key: Key, seat: Seat | None) -> None:
        holds = self._holds[key]
        hold = holds[seat]
        if not (hold.waiting or hold.running or hold.silent):
            del holds[seat]
            if not holds:
                del self._holds[key]


def _is_any_after(times: Sequence[float], now: float) -> bool:
    return bool(times) and times[-1] > now
