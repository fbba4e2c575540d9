"""The same command twice: which commands are under way, and whose they are.

While one master's command waits for its confirmation no other master may send the same: the RTU
could not tell them apart. What counts as the same is type, common address and object address.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from core.protocol.codes import TypeNumber
from core.routing.policy import Seat

Key: TypeAlias = tuple[TypeNumber, int, int, int]
"""Type, common address, object address, qualifier."""

RUNNING: Final = 5.0
"""Seconds a confirmed command is taken to run if its termination does not come."""


@dataclass(slots=True)
class _Hold:
    """One master's commands of one key."""

    waiting: int = 0
    """Unsent, or without their first answer."""
    confirmed: int = 0
    running_until: float = 0.0
    """Of the last one that was confirmed."""
    silent: int = 0
    """Without an answer in time, and still remembered."""
    silent_until: float = 0.0
    """Of the last one of them."""


class SameCommand:
    """All commands under way in a group."""

    def __init__(self, command_timeout: float) -> None:
        self.rtu_terminates = False
        """Whether this RTU link has ever sent an ACT_TERM: many RTUs never do."""
        self._command_timeout = command_timeout
        self._holds: dict[Key, dict[Seat | None, _Hold]] = {}

    def is_anothers(self, key: Key, seat: Seat, now: float) -> bool:
        """Whether another master's command of this key is under way."""
        return any(
            hold.waiting
            or (hold.silent and now < hold.silent_until)
            or (self.rtu_terminates and hold.confirmed and now < hold.running_until)
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

    def run(self, key: Key, seat: Seat | None, now: float) -> None:
        """It was confirmed."""
        hold = self._hold(key, seat)
        hold.confirmed += 1
        hold.running_until = now + RUNNING

    def run_no_more(self, key: Key, seat: Seat | None) -> None:
        """It was terminated, or is no longer waited for."""
        self._hold(key, seat).confirmed -= 1
        self._tidy(key, seat)

    def fall_silent(self, key: Key, seat: Seat | None, now: float) -> None:
        """It got no answer: it may yet be carried out."""
        hold = self._hold(key, seat)
        hold.silent += 1
        hold.silent_until = now + self._command_timeout

    def be_silent_no_more(self, key: Key, seat: Seat | None) -> None:
        """It was answered late, or is forgotten."""
        self._hold(key, seat).silent -= 1
        self._tidy(key, seat)

    def leave(self, seat: Seat) -> None:
        """The master is gone; what it had under way is nobody's, and still under way."""
        for holds in self._holds.values():
            left = holds.pop(seat, None)
            if left is not None:
                ownerless = holds.setdefault(None, _Hold())
                ownerless.waiting += left.waiting
                ownerless.confirmed += left.confirmed
                ownerless.silent += left.silent
                ownerless.running_until = max(ownerless.running_until, left.running_until)
                ownerless.silent_until = max(ownerless.silent_until, left.silent_until)

    def clear(self) -> None:
        """The RTU link is over."""
        self._holds.clear()
        self.rtu_terminates = False

    def _hold(self, key: Key, seat: Seat | None) -> _Hold:
        return self._holds.setdefault(key, {}).setdefault(seat, _Hold())

    def _tidy(self, key: Key, seat: Seat | None) -> None:
        holds = self._holds[key]
        hold = holds[seat]
        if not (hold.waiting or hold.confirmed or hold.silent):
            del holds[seat]
            if not holds:
                del self._holds[key]
