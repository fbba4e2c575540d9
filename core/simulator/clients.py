"""One client of a station: what waits for it, in order, and how much of that it may miss."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from core.protocol.asdu import Asdu
from core.protocol.codes import Cause

_EVENT_CAUSES: Final = (Cause.SPONTANEOUS, Cause.RETURN_REMOTE, Cause.RETURN_LOCAL)
_MOST_REPORTS: Final = 200
"""Reports that may wait for a slow client; the next ones are left out, newer ones will come."""


class Job:
    """An interrogation that is being answered; it runs until nothing of it waits any more."""

    __slots__ = ("is_cancelled", "is_open", "left", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        """What is asked for: two with the same name are the same question."""
        self.left = 0
        self.is_open = True
        """More is still to come."""
        self.is_cancelled = False


@dataclass(frozen=True, slots=True)
class ClientStatus:
    """What may be asked about a client from outside."""

    number: int
    peer: str
    is_started: bool
    waiting: int
    """Messages that wait to be sent."""
    events_lost: int


def is_event(asdu: Asdu) -> bool:
    """Whether a message from a station is an event, which must not be lost with a connection."""
    return asdu.type_id <= 40 and asdu.cause in _EVENT_CAUSES


class Client:
    """Two queues that are emptied as one: events, which outlive a connection, and the rest."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.peer = ""
        self.number = 0
        self.is_started = False
        self.was_told = False
        """It has had the end of initialisation of this life of the station."""
        self.events_lost = 0
        self.requests_waiting = 0
        """Requests that are looked at later."""
        self._events: deque[tuple[int, Asdu]] = deque()
        self._others: deque[tuple[int, Asdu, Job | None]] = deque()
        self._jobs: list[Job] = []
        self._next = 0
        self._front = 0

    @property
    def waiting(self) -> int:
        """Messages that wait to be sent."""
        return len(self._events) + len(self._others)

    @property
    def answers_waiting(self) -> int:
        """Those of them that are no events."""
        return len(self._others)

    @property
    def status(self) -> ClientStatus:
        """A snapshot."""
        return ClientStatus(self.number, self.peer, self.is_started, self.waiting, self.events_lost)

    def put_event(self, asdu: Asdu, capacity: int) -> int:
        """Append an event; how many objects the oldest one had that had to go for it."""
        self._events.append((self._next, asdu))
        self._next += 1
        return self._shrink(capacity)

    def put(self, asdu: Asdu, job: Job | None = None) -> None:
        """Append an answer."""
        self._others.append((self._next, asdu, job))
        self._next += 1
        if job is not None:
            job.left += 1

    def put_report(self, asdu: Asdu) -> bool:
        """Append a report; False if too many wait already."""
        if len(self._others) >= _MOST_REPORTS:
            return False
        self.put(asdu)
        return True

    def put_first(self, asdu: Asdu) -> None:
        """Put an answer before everything that waits."""
        self._front -= 1
        self._others.appendleft((self._front, asdu, None))

    def take(self, room: int) -> list[Asdu]:
        """At most ``room`` of what waits, oldest first."""
        taken: list[Asdu] = []
        events, others = self._events, self._others
        while len(taken) < room and (events or others):
            if not others or (events and events[0][0] < others[0][0]):
                taken.append(events.popleft()[1])
            else:
                _, asdu, job = others.popleft()
                taken.append(asdu)
                if job is not None:
                    job.left -= 1
        return taken

    # Interrogations

    def begin(self, name: str) -> Job:
        """A new interrogation; who has put its last message closes it (``is_open``)."""
        job = Job(name)
        self._jobs = [*self.jobs, job]
        return job

    @property
    def jobs(self) -> list[Job]:
        """Interrogations that still run."""
        self._jobs = [job for job in self._jobs if job.is_open or job.left]
        return self._jobs

    def cancel(self, job: Job) -> None:
        """Take back what waits of an interrogation; it is over."""
        job.is_cancelled = True
        job.is_open = False
        job.left = 0
        self._others = deque(item for item in self._others if item[2] is not job)

    # Lives and ends

    def stopped(self) -> None:
        """Data transfer has ended: answers nobody waits for any more go, events stay."""
        self.is_started = False
        for job in self.jobs:
            self.cancel(job)
        self._others.clear()

    def rejoin(self, undelivered: Iterable[Asdu], capacity: int) -> int:
        """Put events back that were sent but not acknowledged; how many objects were lost."""
        for asdu in reversed([asdu for asdu in undelivered if is_event(asdu)]):
            self._front -= 1
            self._events.appendleft((self._front, asdu))
        return self._shrink(capacity)

    def forget(self) -> None:
        """Drop everything."""
        self.requests_waiting = 0
        self.stopped()
        self._events.clear()

    def forget_events(self) -> int:
        """Drop the events; how many messages that were."""
        n = len(self._events)
        self._events.clear()
        return n

    def _shrink(self, capacity: int) -> int:
        lost = 0
        while len(self._events) > capacity:
            lost += self._events.popleft()[1].count
        self.events_lost += lost
        return lost
