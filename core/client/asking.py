"""The requests of a controlling station, each waiting for what the standard says must follow."""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from datetime import datetime
from typing import Any, Final

from core.client import requests
from core.client.errors import FrameError, IEC104Error, RequestTimeoutError
from core.client.questions import Answer, Needs, Question
from core.client.requests import CommandType
from core.client.results import (
    Confirmation,
    Interrogated,
    Update,
    mirrored,
    updates_of,
    wall_time,
)
from core.client.session import Session
from core.protocol import objects as o
from core.protocol.asdu import Asdu
from core.protocol.codec import DataUnit, DecodeError, decode_asdu, encode_asdu
from core.protocol.codes import Cause, CommonAddress, Ioa, TypeId, TypeNumber
from core.protocol.objects import InformationObject
from core.protocol.times import Cp56Time2a

_log = logging.getLogger("iec104.client")

_SLICE: Final = 0.5
"""Seconds of one wait: on Windows Ctrl+C is only heard between two."""
_LATE: Final = 2.0
"""Seconds past its own limit after which a request without an outcome is given up."""


class Asking(ABC):
    """What can be asked of a station, from any thread but the I/O thread.

    Requests whose answers could not be told apart (same type, station and object) go one after the
    other; the time limit counts from the call. The answers are in the queue as well.
    """

    def __init__(
        self, common_address: CommonAddress, originator_address: int, grace: float
    ) -> None:
        self.common_address: Final = common_address
        self.originator_address: Final = originator_address
        self.has_asked = False
        """Whether anything was ever asked."""
        self._grace = grace

    def interrogate(
        self,
        qoi: int = 20,
        ca: CommonAddress | None = None,
        *,
        timeout: float = 60.0,
        termination: bool | None = None,
    ) -> Interrogated:
        """Ask for the values of the station (20) or of a group (21..36), and wait for them.

        ``termination``: None takes ``grace`` seconds of silence for the end if ACT_TERM does not
        come, True insists on it, False returns with the confirmation. Errors are those of
        :meth:`command`. The objects are in the queue as well.
        """
        kind = TypeId.C_IC_NA_1
        answer = self._ask_for(kind, lambda: o.Interrogation(0, qoi), ca, timeout, termination)
        return _interrogated(kind, self._ca(ca), answer)

    def counter_interrogate(
        self,
        request: int = 5,
        freeze: int = 0,
        ca: CommonAddress | None = None,
        *,
        timeout: float = 60.0,
        termination: bool | None = None,
    ) -> Interrogated:
        """Ask for counters of a group (1..4) or all (5); ``freeze`` 1..3 only freezes or resets.

        A freeze is done when it is confirmed; reading as in :meth:`interrogate`.
        """
        kind = TypeId.C_CI_NA_1
        if freeze and termination is None:
            termination = False
        answer = self._ask_for(
            kind, lambda: o.CounterInterrogation(0, request, freeze), ca, timeout, termination
        )
        return _interrogated(kind, self._ca(ca), answer)

    def read(self, ioa: Ioa, ca: CommonAddress | None = None, *, timeout: float = 10.0) -> Update:
        """Ask for one object. Errors as in :meth:`command`."""
        answer = self._ask(
            TypeId.C_RD_NA_1, Cause.REQUEST, lambda: o.Read(ioa), ca, timeout, Needs.VALUE
        )
        found = [one for asdu in answer.data for one in _updates(asdu) if one.ioa == ioa]
        if not found:
            raise FrameError(f"the answer to the read of {ioa} cannot be decoded")
        return found[0]

    def command(
        self,
        type_id: CommandType,
        ioa: Ioa,
        value: float,
        *,
        select: bool = False,
        qualifier: int = 0,
        time: datetime | Cp56Time2a | None = None,
        ca: CommonAddress | None = None,
        timeout: float = 10.0,
        termination: bool | None = None,
    ) -> Confirmation:
        """Give a command or set point and wait until it is confirmed and executed.

        ``type_id``: C_SC, C_DC, C_RC, C_SE_NA/NB/NC, C_BO; with ``time``, or as one of 58..64, it
        has a time tag (by default now). ``value``: true/false; 1 off or false, 2 on or true for a
        double command; 1 lower, 2 higher for a step; a fraction -1..1, a whole number or a float
        for set points; 32 bits. ``select``: select before operate, within the same ``timeout``.

        ``termination``: None waits ``grace`` seconds for ACT_TERM after the confirmation and goes
        on without, True insists on it, False does not wait.

        ValueError before anything is sent; NotConnectedError; RequestTimeoutError;
        ConnectionLostError; RefusedError and its subclasses, with the cause.
        """
        kind = requests.command_type(type_id, tagged=time is not None)
        tag = requests.time_tag(time)
        due = clock() + timeout

        def make(select: bool) -> Callable[[], InformationObject]:
            obj = requests.command(kind, ioa, value, qualifier=qualifier, select=select, time=tag)
            return lambda: obj

        if select:
            self._ask(kind, Cause.ACTIVATION, make(True), ca, timeout, Needs.CONFIRMATION)
        needs = _needs(termination)
        answer = self._ask(kind, Cause.ACTIVATION, make(False), ca, due - clock(), needs)
        return _confirmation(kind, self._ca(ca), answer)

    def select(
        self,
        type_id: CommandType,
        ioa: Ioa,
        value: float,
        *,
        qualifier: int = 0,
        time: datetime | Cp56Time2a | None = None,
        ca: CommonAddress | None = None,
        timeout: float = 10.0,
    ) -> Confirmation:
        """Only select: :meth:`command` with the same values executes, :meth:`cancel` ends it."""
        return self._selection(Cause.ACTIVATION, type_id, ioa, value, qualifier, time, ca, timeout)

    def cancel(
        self,
        type_id: CommandType,
        ioa: Ioa,
        value: float,
        *,
        qualifier: int = 0,
        time: datetime | Cp56Time2a | None = None,
        ca: CommonAddress | None = None,
        timeout: float = 10.0,
    ) -> Confirmation:
        """End a selection (deactivation) without executing it."""
        cause = Cause.DEACTIVATION
        return self._selection(cause, type_id, ioa, value, qualifier, time, ca, timeout)

    def synchronize_clock(
        self,
        when: datetime | Cp56Time2a | None = None,
        ca: CommonAddress | None = None,
        *,
        timeout: float = 10.0,
    ) -> Confirmation:
        """Set the station's clock; the confirmation's ``obj.time`` is what the station answered.

        ``when`` goes out as it is given, in its own zone (``datetime.now(UTC)`` for stations in
        UTC); by default this computer's local time at the moment of sending.
        """
        kind = TypeId.C_CS_NA_1
        answer = self._ask(
            kind, Cause.ACTIVATION, lambda: o.ClockSynchronization(0, requests.time_tag(when)),
            ca, timeout, Needs.CONFIRMATION,
        )  # fmt: skip
        return _confirmation(kind, self._ca(ca), answer)

    def test(
        self,
        counter: int | None = None,
        ca: CommonAddress | None = None,
        *,
        tagged: bool = True,
        timeout: float = 10.0,
    ) -> Confirmation:
        """Have the station confirm a test: C_TS_TA_1, or C_TS_NA_1 (not in -104) if not tagged."""
        number = counter if counter is not None else time.monotonic_ns() & 0xFFFF
        kind = TypeId.C_TS_TA_1 if tagged else TypeId.C_TS_NA_1

        def make() -> InformationObject:
            return o.CountedTest(0, number, requests.local_time()) if tagged else o.PatternTest(0)

        answer = self._ask(kind, Cause.ACTIVATION, make, ca, timeout, Needs.CONFIRMATION)
        return _confirmation(kind, self._ca(ca), answer)

    def reset_process(
        self, qrp: int = 1, ca: CommonAddress | None = None, *, timeout: float = 10.0
    ) -> Confirmation:
        """Reset the station's process (1) or its waiting events (2); the link may drop after it."""
        kind = TypeId.C_RP_NA_1
        answer = self._ask(
            kind, Cause.ACTIVATION, lambda: o.ResetProcess(0, qrp), ca, timeout, Needs.CONFIRMATION
        )
        return _confirmation(kind, self._ca(ca), answer)

    def send(self, unit: DataUnit, *, timeout: float = 5.0) -> None:
        """Send any ASDU and wait for nothing: parameters, files, private types.

        ValueError if it cannot be encoded, NotConnectedError if there is no started link. What
        comes back is in the queue.
        """
        asdu = Asdu(encode_asdu(unit))
        done: Future[IEC104Error | None] = Future()
        self._demand_session().send(asdu, done.set_result)
        try:
            error = _wait(done, timeout)
        except FutureTimeoutError:
            raise RequestTimeoutError(f"{asdu.name}: not sent in time", was_sent=False) from None
        if error is not None:
            raise error

    # Within

    def _selection(
        self,
        cause: Cause,
        type_id: CommandType,
        ioa: Ioa,
        value: float,
        qualifier: int,
        time: datetime | Cp56Time2a | None,
        ca: CommonAddress | None,
        timeout: float,
    ) -> Confirmation:
        kind = requests.command_type(type_id, tagged=time is not None)
        tag = requests.time_tag(time)
        obj = requests.command(kind, ioa, value, qualifier=qualifier, select=True, time=tag)
        answer = self._ask(kind, cause, lambda: obj, ca, timeout, Needs.CONFIRMATION)
        return _confirmation(kind, self._ca(ca), answer)

    def _ask_for(
        self,
        kind: TypeId,
        make: Callable[[], InformationObject],
        ca: CommonAddress | None,
        timeout: float,
        termination: bool | None,
    ) -> Answer:
        return self._ask(kind, Cause.ACTIVATION, make, ca, timeout, _needs(termination))

    def _ask(
        self,
        kind: TypeNumber,
        cause: Cause,
        make: Callable[[], InformationObject],
        ca: CommonAddress | None,
        timeout: float,
        needs: Needs,
    ) -> Answer:
        built = requests.asdu_of(kind, cause, self._ca(ca), self.originator_address, make)
        sample = built()
        name = f"{requests.type_name(kind)} to {sample.ca}/{sample.ioa}"
        done: Future[Answer | IEC104Error] = Future()
        question = Question(
            name, built, needs, done.set_result, due=clock() + timeout, grace=self._grace
        )
        session = self._demand_session()
        self.has_asked = True
        session.ask(question)
        try:
            outcome: Answer | IEC104Error = _wait(done, timeout + _LATE)
        except BaseException as error:
            session.give_up(question)
            if isinstance(error, FutureTimeoutError):
                text = f"{name}: no outcome in time"
                raise RequestTimeoutError(text, was_sent=question.is_sent) from None
            raise
        if isinstance(outcome, IEC104Error):
            raise outcome
        return outcome

    def _ca(self, ca: CommonAddress | None) -> CommonAddress:
        return self.common_address if ca is None else ca

    @abstractmethod
    def _demand_session(self) -> Session:
        """The running session; NotConnectedError if there is none."""


clock: Final = time.monotonic
"""The clock of the I/O thread's event loop."""


def _wait(done: "Future[Any]", timeout: float) -> Any:
    """A future's result, waited for in slices so that Ctrl+C is heard on Windows."""
    end = clock() + timeout
    while True:
        try:
            return done.result(max(0.0, min(_SLICE, end - clock())))
        except FutureTimeoutError:
            if clock() >= end:
                raise


def _needs(termination: bool | None) -> Needs:
    if termination is None:
        return Needs.TERMINATION_IF_ANY
    return Needs.TERMINATION if termination else Needs.CONFIRMATION


def _confirmation(kind: TypeNumber, ca: CommonAddress, answer: Answer) -> Confirmation:
    return Confirmation(kind, ca, mirrored(answer.confirmation), answer.terminated)


def _interrogated(kind: TypeNumber, ca: CommonAddress, answer: Answer) -> Interrogated:
    updates = tuple(one for asdu in answer.data for one in _updates(asdu))
    return Interrogated(kind, ca, mirrored(answer.confirmation), answer.terminated, updates)


def _updates(asdu: Asdu) -> tuple[Update, ...]:
    try:
        return updates_of(decode_asdu(asdu.octets), wall_time())
    except DecodeError as error:
        _log.info("an answer cannot be read: %s", error)
        return ()
