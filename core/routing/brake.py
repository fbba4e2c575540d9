"""When to slow an RTU down: acknowledgement withheld while a healthy master catches up.

Without it a burst overruns a master that is merely slower than the RTU; with it the RTU's own k
spreads the burst. A master that acknowledges nothing never brakes anybody.
"""

from typing import Final

LONGEST: Final = 0.05
"""Seconds the RTU waits at most."""
REST: Final = 1.0
"""Seconds before the brake may be used again."""
FRESH: Final = 0.05
"""A master counts as healthy if it has acknowledged something within these seconds."""


class Brake:
    """One group's brake; ``until`` is when it ends at the latest (monotonic seconds)."""

    __slots__ = ("_rested_at", "is_on", "until")

    def __init__(self) -> None:
        self.is_on = False
        self.until = 0.0
        self._rested_at = 0.0

    def wants_on(self, acknowledged_at: float, now: float) -> bool:
        """Put the brake on for a master more than half behind; whether it is on from now."""
        if self.is_on or now < self._rested_at or now - acknowledged_at > FRESH:
            return False
        self.is_on = True
        self.until = now + LONGEST
        return True

    def wants_off(self, all_below_quarter: bool, now: float) -> bool:
        """Release it when all masters have caught up or its time is over; whether it went off."""
        if not self.is_on or not (all_below_quarter or now >= self.until):
            return False
        self.is_on = False
        self._rested_at = now + REST
        return True
