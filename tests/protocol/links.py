"""Links brought into a state, and what they said in a form that compares easily."""

from collections.abc import Iterable, Sequence

from core.protocol.asdu import Asdu
from core.protocol.link import Event, Link, LinkFailed, Reason, Role, State, Timing
from core.protocol.outbox import Outbox
from core.protocol.run import Run, address_of

from .frames import ASDU, STARTDT_ACT, STARTDT_CON, STOPDT_ACT, I, S, read

DEFAULTS = Timing()
"""t1 15, t2 10, t3 20 s, k 12, w 8, idletime 60 s."""
ADDRESS = address_of(oa=0, ca=1)
CONTROLLED, CONTROLLING = Role.CONTROLLED, Role.CONTROLLING


def new_link(role: Role, timing: Timing = DEFAULTS, now: float = 0.0, capacity=50_000) -> Link:
    """A link whose connection was established at ``now``."""
    return Link(role, timing, Outbox(capacity), now)


def started_link(role: Role, timing: Timing = DEFAULTS, now: float = 0.0, *, vs=0, vr=0) -> Link:
    """A started link that has sent and received so many frames, all acknowledged."""
    link = new_link(role, timing, now)
    if role is CONTROLLED:
        link.receive(STARTDT_ACT, now)
    else:
        link.start(now)
        link.receive(STARTDT_CON, now)
    link.data_to_send(now)
    assert link.state is State.STARTED
    number(link, vs, vr)
    return link


def number(link: Link, vs: int, vr: int) -> None:
    """As if it had sent ``vs`` and received ``vr`` frames, all of them acknowledged."""
    assert link.outstanding == link.unacknowledged == 0
    link.vs = link._va = vs
    link.vr = link._ra = vr


def run_of(n: int, asdu: bytes = ASDU) -> Run:
    """``n`` times the same ASDU."""
    return Run.of(*[Asdu(asdu)] * n)


def sent(link: Link, now: float = 0.0) -> list[I | S | bytes]:
    """What the link sends now, taken apart."""
    return read(link.data_to_send(now))


def send(link: Link, n: int, now: float = 0.0) -> list[I | S | bytes]:
    """Give the link ``n`` ASDUs and see what it sends."""
    link.send(run_of(n), ADDRESS)
    return sent(link, now)


def unconfirmed_link(timing: Timing = DEFAULTS, now: float = 0.0, *, own: int = 1) -> Link:
    """A controlled station that was told to stop while own frames were unacknowledged."""
    link = started_link(CONTROLLED, timing, now)
    send(link, own, now)
    link.receive(STOPDT_ACT, now)
    link.data_to_send(now)
    assert link.state is State.UNCONFIRMED
    return link


def stopping_link(timing: Timing = DEFAULTS, now: float = 0.0, *, own: int = 0) -> Link:
    """A controlling station that has asked for the stop with ``own`` frames unacknowledged."""
    link = started_link(CONTROLLING, timing, now)
    send(link, own, now)
    link.stop(now)
    link.data_to_send(now)
    assert link.state is State.STOPPING
    return link


def starting_link(timing: Timing = DEFAULTS, now: float = 0.0) -> Link:
    """A controlling station that waits for STARTDT con."""
    link = new_link(CONTROLLING, timing, now)
    link.start(now)
    link.data_to_send(now)
    return link


STATES = {
    "controlled, stopped": lambda t: new_link(CONTROLLED, t),
    "controlled, started": lambda t: started_link(CONTROLLED, t),
    "controlled, unconfirmed": lambda t: unconfirmed_link(t),
    "controlling, stopped": lambda t: new_link(CONTROLLING, t),
    "controlling, starting": lambda t: starting_link(t),
    "controlling, started": lambda t: started_link(CONTROLLING, t),
    "controlling, stopping, own unconfirmed": lambda t: stopping_link(t, own=1),
    "controlling, stopping": lambda t: stopping_link(t),
}
"""Every column of the state tables: a link in that state at 0 s with a given timing."""


def flat(events: Iterable[Event]) -> list[Asdu | Event]:
    """Events with runs opened, so that it does not matter how the stream was cut."""
    opened: list[Asdu | Event] = []
    for event in events:
        if isinstance(event, Run):
            opened.extend(event.asdus())
        else:
            opened.append(event)
    return opened


def kinds(events: Iterable[Event]) -> list[type | Reason]:
    """The class of each event, of a failure its reason."""
    return [e.reason if isinstance(e, LinkFailed) else type(e) for e in events]


def failure(events: Sequence[Event]) -> LinkFailed:
    """The one failure that ends these events."""
    *before, last = events
    assert isinstance(last, LinkFailed)
    assert not any(isinstance(event, LinkFailed) for event in before)
    return last
