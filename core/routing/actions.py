"""What a group asks its shell to do: plain values, carried out in order."""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeAlias

from core.protocol.asdu import Asdu
from core.protocol.run import Address, Run
from core.routing.policy import Seat

RTU: Seat = 0
"""The RTU's seat; masters sit on 1..n."""


class Kind(Enum):
    """What a note is about; each is counted."""

    REFUSED = auto()
    """A control ASDU was refused."""
    MALFORMED = auto()
    """Octets do not fit type and count."""
    UNKNOWN_CA = auto()
    """Data of a common address that is not configured."""
    ORPHAN = auto()
    """An answer nobody asked for."""
    EXPIRED = auto()
    """A question the RTU did not answer."""
    DROPPED = auto()
    """Data that could be given to nobody."""
    WARNING = auto()
    """Worth a line: somebody should look at it."""
    INFO = auto()
    """Worth a line, nothing wrong."""


@dataclass(frozen=True, slots=True)
class Deliver:
    """Send a run to seats, each under its address (already in the receiver's terms)."""

    run: Run
    to: tuple[tuple[Seat, Address], ...]
    interrogating: tuple[Seat, ...] = field(default=(), compare=False)
    """With a general interrogation that goes to the RTU: the masters it is for."""
    was_kept: bool = field(default=False, compare=False)
    """It lay ready before the master was there: it does not count as his being behind."""


@dataclass(frozen=True, slots=True)
class OpenPorts:
    """The RTU is usable: let masters connect."""


@dataclass(frozen=True, slots=True)
class CloseMasters:
    """The RTU is gone: end all master links and close the ports."""

    reason: str


@dataclass(frozen=True, slots=True)
class CloseRtu:
    """Give the RTU link up."""

    reason: str


@dataclass(frozen=True, slots=True)
class CloseMaster:
    """Give up one master's link."""

    seat: Seat
    reason: str


@dataclass(frozen=True, slots=True)
class TestRtu:
    """Send TESTFR to the stopped RTU: its con makes it usable."""


@dataclass(frozen=True, slots=True)
class StartTransfer:
    """STARTDT to the RTU."""


@dataclass(frozen=True, slots=True)
class StopTransfer:
    """STOPDT to the RTU."""


@dataclass(frozen=True, slots=True)
class Note:
    """Count ``n`` of a kind for an entry; a line for its log unless ``text`` is empty.

    ``why`` is the reason without what it concerns: by it repetitions are told. ``asdu`` is what the
    text is about, where it is worth being described with its objects.
    """

    seat: Seat
    kind: Kind
    text: str = ""
    n: int = 1
    why: str = ""
    asdu: Asdu | None = None


Action: TypeAlias = (
    Deliver | OpenPorts | CloseMasters | CloseRtu | CloseMaster | TestRtu | StartTransfer
    | StopTransfer | Note
)  # fmt: skip
