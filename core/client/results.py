"""What a program receives: updates of objects, and what became of its requests."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from core.protocol.asdu import Asdu
from core.protocol.codec import APCI_OCTETS, DataUnit, DecodeError, decode_asdu
from core.protocol.codes import Cause, CauseNumber, CommonAddress, Ioa, TypeNumber
from core.protocol.layouts import object_type
from core.protocol.objects import InformationObject, Tag

_NAMES_OF_VALUE = ("value", "event", "status")
_CONFIRMATIONS = frozenset({6, 7, 8, 9, 10, 44, 45, 46, 47})


class ClientState(StrEnum):
    """What the client is doing."""

    STOPPED = "stopped"
    CONNECTING = "connecting"
    STARTING = "connected, starting data transfer"
    STARTED = "started"


@dataclass(frozen=True, slots=True)
class StateChange:
    """The client went into ``state``; ``detail`` says why or where."""

    state: ClientState
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Update:
    """One information object that was received.

    ``obj`` is a value of ``core.protocol.objects`` with the elements of its type as attributes;
    ``received`` is this computer's time (UTC) when it came.
    """

    type_id: TypeNumber
    cause: CauseNumber
    ca: CommonAddress
    oa: int
    obj: InformationObject
    received: datetime
    negative: bool = False
    test: bool = False

    @property
    def ioa(self) -> Ioa:
        """Information object address."""
        return self.obj.ioa

    @property
    def name(self) -> str:
        """The type's name, ``M_SP_NA_1``."""
        known = object_type(self.type_id)
        return known.name if known else f"type {self.type_id}"

    @property
    def value(self) -> Any:
        """The value, event or status of the object; None if its type has nothing of the kind."""
        for name in _NAMES_OF_VALUE:
            if hasattr(self.obj, name):
                return getattr(self.obj, name)
        return None

    @property
    def quality(self) -> Any:
        """Quality, nothing set means good; None if the type carries none."""
        return getattr(self.obj, "quality", None)

    @property
    def tag(self) -> Tag | None:
        """The time tag as it was sent; None without one."""
        return getattr(self.obj, "time", None)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A request was confirmed.

    ``obj`` is what the station mirrored (for a clock synchronization: its time), None if that
    could not be read or the station answered without confirming. ``terminated``: it also reported
    the end (ACT_TERM).
    """

    type_id: TypeNumber
    ca: CommonAddress
    obj: InformationObject | None
    terminated: bool


@dataclass(frozen=True, slots=True)
class Interrogated(Confirmation):
    """An interrogation was answered: ``updates`` in the order they came."""

    updates: tuple[Update, ...] = ()


@dataclass(frozen=True, slots=True)
class Counters:
    """What happened since the client was made."""

    connections: int
    """Links that were made."""
    frames_received: int
    """I-format APDUs."""
    frames_dropped: int
    """Those that left the full queue without being read."""
    callback_frames_dropped: int
    """Those that the callbacks were too slow for."""
    sequence_gaps: int
    """Numbers out of order that ``cheat_mode`` tolerated."""


def updates_of(unit: DataUnit, received: datetime) -> tuple[Update, ...]:
    """The objects of an ASDU, each with what the header says."""
    return tuple(
        Update(unit.type_id, unit.cause, unit.ca, unit.oa, obj, received, unit.negative, unit.test)
        for obj in unit.objects
    )


def updates_in(frame: bytes, received: datetime) -> tuple[Update, ...]:
    """The objects of an I-format APDU; none if it only answers a request. Raises DecodeError."""
    if is_answer(frame[APCI_OCTETS], frame[APCI_OCTETS + 2] & 0x3F):
        return ()
    return updates_of(decode_asdu(frame[APCI_OCTETS:]), received)


def is_answer(type_id: TypeNumber, cause: CauseNumber) -> bool:
    """Whether an ASDU is a mirrored request rather than news."""
    return 45 <= type_id < 120 and type_id != 70 and cause in _CONFIRMATIONS


def mirrored(asdu: Asdu | None) -> InformationObject | None:
    """The object of an answer; None if there is none that can be read."""
    try:
        return decode_asdu(asdu.octets).objects[0] if asdu is not None else None
    except (DecodeError, IndexError):
        return None


def wall_time() -> datetime:
    """Now, for people and databases."""
    return datetime.now(UTC)


def is_group_of(cause: CauseNumber) -> bool:
    """Whether data comes in answer to a station or group interrogation."""
    return Cause.INTERROGATED <= cause <= Cause.INTERROGATED_GROUP_16
