"""File transfer: one conversation at a time between one master and the RTU.

60870-5-101, 7.4.11: select, call, segments, acknowledgement, in either direction. The ASDUs carry
no trace of who asked, so a file belongs to the master that opened it until it ends.
"""

from typing import Final

from core.protocol.asdu import Asdu
from core.protocol.codes import OBJECT_OCTETS, Cause, TypeId
from core.routing.guard import refusal_of
from core.routing.policy import Seat

SILENCE: Final = 60.0
"""Seconds without a frame of the file that end a session."""
FILE_TYPES: Final = frozenset(range(120, 128))

_SELECT, _DEACTIVATE = 1, 3
_ACKNOWLEDGED, _REFUSED = 1, 2
_NEGATIVE: Final = 0x80
_LAST_FILE: Final = 0x20


class Files:
    """The file session of a group, and who has called the directory."""

    def __init__(self) -> None:
        self._session: _Owner | None = None
        self._deactivated: _Owner | None = None  # the RTU's last section is still to come
        self._caller: _Owner | None = None

    def from_master(self, seat: Seat, asdu: Asdu, now: float) -> Asdu | None:
        """A file ASDU of a master: the refusal he gets, or None and it may go to the RTU."""
        session = _current(self._session, now)
        if session is not None and session.seat != seat:
            if _qualifier(asdu, TypeId.F_SC_NA_1) == _SELECT:
                return _not_ready(asdu)
            return refusal_of(asdu)
        owner = _Owner(seat, asdu.oa, now)
        if asdu.type_id == TypeId.F_SC_NA_1 and asdu.cause == Cause.REQUEST:
            caller = _current(self._caller, now)
            if caller is not None and caller.seat != seat:
                return refusal_of(asdu)
            self._caller = owner
            return None
        if _opens(asdu):
            self._session, self._deactivated = owner, None
        elif session is not None:
            self._session = owner
            if _ends_file(asdu):
                self._session = None
            elif _qualifier(asdu, TypeId.F_SC_NA_1) == _DEACTIVATE:
                self._session, self._deactivated = None, owner
        return None

    def from_rtu(self, asdu: Asdu, now: float) -> tuple[Seat, int] | None:
        """Whose a file ASDU of the RTU is, and his originator address; None: nobody's."""
        if asdu.type_id == TypeId.F_DR_TA_1 and asdu.cause == Cause.REQUEST:
            return self._directory(asdu, now)
        session = _current(self._session, now)
        if session is None:
            last, self._deactivated = _current(self._deactivated, now), None
            is_end = asdu.type_id == TypeId.F_LS_NA_1
            return (last.seat, last.oa) if last is not None and is_end else None
        session.heard_at = now
        is_refusal = (_qualifier(asdu, TypeId.F_FR_NA_1) or 0) & _NEGATIVE
        is_stop = _qualifier(asdu, TypeId.F_SC_NA_1) == _DEACTIVATE
        if _ends_file(asdu) or is_refusal or is_stop:
            self._session = None
        return session.seat, session.oa

    def answered(self, asdu: Asdu, now: float) -> tuple[Seat, int] | None:
        """Whose the mirror with COT 44..47 is that the RTU gives to a file ASDU."""
        session, caller = _current(self._session, now), _current(self._caller, now)
        is_call = asdu.type_id == TypeId.F_SC_NA_1 and not _qualifier(asdu, TypeId.F_SC_NA_1)
        if is_call and caller is not None:
            self._caller = None
            return caller.seat, caller.oa
        if session is None:
            return None
        if _opens(asdu):
            self._session = None
        return session.seat, session.oa

    def leave(self, seat: Seat) -> None:
        """The master is gone, or an ASDU of its session is."""
        if self._session is not None and self._session.seat == seat:
            self._session = None
        if self._deactivated is not None and self._deactivated.seat == seat:
            self._deactivated = None
        if self._caller is not None and self._caller.seat == seat:
            self._caller = None

    def clear(self) -> None:
        """The RTU link is over."""
        self._session = self._deactivated = self._caller = None

    def _directory(self, asdu: Asdu, now: float) -> tuple[Seat, int] | None:
        caller = _current(self._caller, now)
        if caller is not None:
            caller.heard_at = now
            if _is_last_directory(asdu):
                self._caller = None
        owner = caller or _current(self._session, now)
        return None if owner is None else (owner.seat, owner.oa)


class _Owner:
    """A master in conversation, under the originator address it last used."""

    __slots__ = ("heard_at", "oa", "seat")

    def __init__(self, seat: Seat, oa: int, now: float) -> None:
        self.seat, self.oa, self.heard_at = seat, oa, now


def _current(owner: _Owner | None, now: float) -> _Owner | None:
    return owner if owner is not None and now < owner.heard_at + SILENCE else None


def _qualifier(asdu: Asdu, type_id: TypeId) -> int | None:
    """The action of F_SC and F_AF (their low four bits), the FRQ of F_FR; None of another type."""
    if asdu.type_id != type_id:
        return None
    if type_id == TypeId.F_FR_NA_1:
        return asdu.objects[8]  # behind IOA, NOF and LOF
    return asdu.objects[6] & 0x0F  # behind IOA, NOF and NOS


def _opens(asdu: Asdu) -> bool:
    if asdu.type_id in (TypeId.F_FR_NA_1, TypeId.F_SC_NB_1):
        return True
    return _qualifier(asdu, TypeId.F_SC_NA_1) == _SELECT


def _ends_file(asdu: Asdu) -> bool:
    return _qualifier(asdu, TypeId.F_AF_NA_1) in (_ACKNOWLEDGED, _REFUSED)


def _is_last_directory(asdu: Asdu) -> bool:
    """LFD in the SOF of the last entry; behind NOF and LOF, before the time tag."""
    entry = OBJECT_OCTETS[TypeId.F_DR_TA_1]
    n = asdu.count
    end = 3 + n * entry if asdu.sq else n * (3 + entry)
    return bool(asdu.objects[end - entry + 5] & _LAST_FILE)


def _not_ready(asdu: Asdu) -> Asdu:
    """What a station says to a select while it serves another: file not ready."""
    objects = asdu.objects[:5] + bytes((0, 0, 0, _NEGATIVE))
    return Asdu.of(TypeId.F_FR_NA_1, Cause.FILE_TRANSFER, asdu.ca, objects, oa=asdu.oa)
