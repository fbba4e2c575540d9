"""Events that came while no master was started: they are given first to the next one."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from core.protocol.run import Run
from core.routing.audience import EVENTS, Audience, audience_of


@dataclass(slots=True)
class Kept:
    """At most ``limit`` ASDUs, oldest first; ``lost`` counts the older ones that had to go."""

    limit: int
    runs: deque[Run] = field(default_factory=deque)
    lost: int = 0

    def keep_events(self, run: Run) -> None:
        """Keep what must not be lost of a run that nobody takes; the rest is stale by then."""
        for index, asdu in enumerate(run.asdus()):
            if asdu.cause in EVENTS and audience_of(asdu) is Audience.EVERYONE:
                self.runs.append(run.part(index, index + 1))
                if len(self.runs) > self.limit:
                    self.runs.popleft()
                    self.lost += 1

    def take_all(self) -> tuple[Sequence[Run], int]:
        """All of it and how many were lost; nothing is kept any more."""
        taken = tuple(self.runs), self.lost
        self.runs.clear()
        self.lost = 0
        return taken
