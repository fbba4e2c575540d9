"""Frozen values that cross to a front end: what an entry is doing, and what it has counted."""

from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias


class RtuState(StrEnum):
    """What the gateway's link to an RTU is doing."""

    CONNECTING = "connecting"
    WAITING = "waiting for a master"
    STARTING = "starting"
    ONLINE = "online"
    ERROR = "error"


class MasterState(StrEnum):
    """What a master's entry is doing."""

    HELD = "held (RTU down, port closed)"
    LISTENING = "listening"
    CONNECTED = "connected (not started)"
    ONLINE = "online"
    REFUSED = "refused"
    ERROR = "error"


State: TypeAlias = RtuState | MasterState


@dataclass(slots=True, eq=False)
class Counters:
    """What an entry has counted since it was started.

    Plain numbers, written by the I/O thread alone and read by anyone.
    """

    asdus_in: int = 0
    """I-frames received from the peer."""
    asdus_out: int = 0
    """I-frames handed to the peer's stream."""
    connections: int = 0
    peers_refused: int = 0
    refused: int = 0
    """Control ASDUs answered by a refusal."""
    malformed: int = 0
    unknown_ca: int = 0
    orphans: int = 0
    expired: int = 0
    dropped: int = 0
    """ASDUs that could be given to nobody."""

    def __str__(self) -> str:
        counted = ((f.name.replace("_", " "), getattr(self, f.name)) for f in fields(self))
        return ", ".join(f"{name} {n}" for name, n in counted if n)


@dataclass(frozen=True, slots=True)
class EntryStatus:
    """One entry at one moment."""

    key: str
    """Identity of the entry, stable over reordering of the file."""
    group: int
    label: str
    """`S/name` or `M/name`."""
    state: State
    detail: str = ""
    """Why, in words: the last error, what is being tried."""
    peer: str = ""
    """Remote `address:port` of the connection, if any; of several the started ones first, joined by
    ", ", three at most: "a, b, c and 2 more"."""
    connected_at: datetime | None = None
    """Local wall time."""


class ClockSeverity(StrEnum):
    """How much of a person's attention the clock wants."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    NONE = "none"
    """There is nothing to judge: no time server, or none has been asked yet."""


@dataclass(frozen=True, slots=True)
class ClockStatus:
    """The clock of this machine against the time servers, at one moment."""

    text: str
    """One line: `In step 23:45:02 · +3.2 ms`."""
    severity: ClockSeverity
    tooltip: str = ""
    """Several lines: when it was set and from where, what was measured, what each server said."""
    news: int = 0
    """Grows with each change worth telling; the times in `text` change with every look."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to know of an entry's link at one moment, read while it works.

    Of several connections of one master the numbers are those of the one that has the data: the
    first that is started, else the oldest.
    """

    link: str = ""
    """Transfer state: `stopped`, `starting`, `started`, `stopping`..; empty while not connected."""
    ns: int = 0
    """V(S): number of the next I-frame sent to the peer."""
    nr: int = 0
    """V(R): number expected in the next I-frame from the peer."""
    unacknowledged_out: int = 0
    """I-frames sent and not acknowledged by the peer, 0..``k``."""
    k: int = 0
    unacknowledged_in: int = 0
    """I-frames received and not yet acknowledged."""
    waiting: int = 0
    """ASDUs the window has not taken."""
    buffer: int = 0
    """How many may wait."""
    interrogated_at: datetime | None = None
    """Local wall time at which the last general interrogation was sent to the RTU, for a master the
    last one of its own. None: none since the entry was started."""
    interrogated_by: str = ""
    """Label of who asked; of several masters that one served all, joined by ", "."""
    connected_at: datetime | None = None
    """Local wall time."""
    peers: tuple[str, ...] = ()
    """Remote `address:port` of all connections, the oldest first."""
