"""One IEC 60870-5-104 link, either role, without sockets, threads or a clock.

Give it the octets that arrived and the time, act on the events it returns, send what
:meth:`Link.data_to_send` gives, and call :meth:`Link.handle_timeout` once ``due`` has passed.
Whatever a peer sends ends in an event and never raises; calling a link wrongly raises RuntimeError.
60870-5-104 clauses 5 (APCI, windows, timers, transfer control) and 9.6 (values of the parameters).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final, TypeAlias

from core.protocol.apci import (
    APCI,
    MAX_LENGTH,
    MIN_I_LENGTH,
    U_FRAMES,
    U_FUNCTIONS,
    Reason,
    control_octets,
    s_frame,
    wrong_apci,
    wrong_beginning,
)
from core.protocol.codes import UFunction
from core.protocol.outbox import Level, Outbox
from core.protocol.run import APCI_OCTETS, MODULO, Address, Run

NEVER: Final = float("inf")
_RING: Final = MODULO - 1
_SEQUENCE: Final = (Reason.SEND_SEQUENCE, Reason.RECEIVE_SEQUENCE)


class Role(Enum):
    """Which end of the link this is."""

    CONTROLLING = auto()
    """The master: opens the connection and decides about data transfer."""
    CONTROLLED = auto()
    """The RTU: accepts the connection and confirms."""


class State(StrEnum):
    """Transfer state; 60870-5-104, 5.3 and the state diagrams of edition 2."""

    STOPPED = "stopped"
    STARTING = "starting"
    """Controlling: STARTDT act sent."""
    STARTED = "started"
    STOPPING = "stopping"
    """Controlling: STOPDT act sent; I-frames still arrive and are acknowledged."""
    UNCONFIRMED = "stopping, own frames unconfirmed"
    """Controlled: STOPDT act received, the con waits for the acknowledgement of own frames."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Parameters of a link: seconds and frames, defaults of the standard (60870-5-104, 9.6).

    ``w`` must not exceed ``k`` (1..32767) and ``t2`` must be below ``t1``: else ValueError.
    """

    t1: float = 15.0
    t2: float = 10.0
    t3: float = 20.0
    k: int = 12
    w: int = 8
    idletime: float = 60.0

    def __post_init__(self) -> None:
        if not 1 <= self.w <= self.k < MODULO:
            raise ValueError(f"1 <= w <= k <= 32767 does not hold for w {self.w}, k {self.k}")
        if not 0 < self.t2 < self.t1 or min(self.t3, self.idletime) <= 0:
            raise ValueError(f"0 < t2 < t1, 0 < t3, 0 < idletime does not hold for {self}")


@dataclass(frozen=True, slots=True)
class Started:
    """Data transfer has gone from stopped to started."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Data transfer has ended: no more of it is sent, whoever asked for it."""


@dataclass(frozen=True, slots=True)
class TestConfirmed:
    """The peer answered our TESTFR act."""


@dataclass(frozen=True, slots=True)
class Irregular:
    """The peer sent something odd that is tolerated; said once per link."""

    detail: str


@dataclass(frozen=True, slots=True)
class SequenceGap:
    """A number out of order, tolerated: said each time, and only by a link that is tolerant."""

    detail: str


@dataclass(frozen=True, slots=True)
class LinkFailed:
    """The link is over and the connection must be closed."""

    reason: Reason
    detail: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else str(self.reason)


Event: TypeAlias = Run | Started | Stopped | TestConfirmed | Irregular | SequenceGap | LinkFailed
_Answer: TypeAlias = tuple[State, UFunction | None, Started | Stopped | None]

_ON_U_FRAME: Final[dict[tuple[Role, State, UFunction], _Answer]] = {
    (Role.CONTROLLED, State.STOPPED, UFunction.STARTDT_ACT): (
        State.STARTED, UFunction.STARTDT_CON, Started()),
    (Role.CONTROLLED, State.STARTED, UFunction.STARTDT_ACT): (
        State.STARTED, UFunction.STARTDT_CON, None),
    (Role.CONTROLLED, State.UNCONFIRMED, UFunction.STARTDT_ACT): (
        State.STARTED, UFunction.STARTDT_CON, Started()),
    (Role.CONTROLLED, State.STOPPED, UFunction.STOPDT_ACT): (
        State.STOPPED, UFunction.STOPDT_CON, None),
    (Role.CONTROLLING, State.STARTING, UFunction.STARTDT_CON): (State.STARTED, None, Started()),
    (Role.CONTROLLING, State.STOPPING, UFunction.STOPDT_CON): (State.STOPPED, None, Stopped()),
    # Not asked for, yet it says that the station sends nothing any more.
    (Role.CONTROLLING, State.STARTED, UFunction.STOPDT_CON): (State.STOPPED, None, Stopped()),
}  # fmt: skip
"""(role, state, received) -> (next state, reply, event). STOPDT act while started stands in code:
its confirmation depends on what is outstanding. What is missing here is tolerated and ignored."""


class Link:
    """One TCP connection's protocol state.

    ``due`` is never later than the next deadline (monotonic seconds; it may be earlier, then
    ``handle_timeout`` finds nothing to do and moves it on). ``hold_acks`` keeps acknowledgements
    back until t2 forces them. ``hold_start`` keeps a controlled link stopped: a STARTDT act is
    answered by :meth:`release_start`. ``outbox`` may be changed while the link is not started, and
    in answer to Started before anything is sent. ``tolerant`` takes numbers that are out of order,
    which the standard forbids, with a :class:`SequenceGap` before the frame.
    """

    __slots__ = (
        "_ack_due", "_ack_forced", "_control", "_fragment_since", "_heard_at",
        "_irregular", "_late", "_paused_at", "_ra", "_start_due", "_started_at", "_stood_down",
        "_stop_due", "_test_due", "_va", "_wants_start", "acknowledged_at", "due", "fragment",
        "hold_acks", "hold_start", "is_failed", "outbox", "role", "state", "timing", "tolerant",
        "vr", "vs",
    )  # fmt: skip

    def __init__(self, role: Role, timing: Timing, outbox: Outbox, now: float) -> None:
        self.role = role
        self.timing = timing
        self.outbox = outbox
        self.state = State.STOPPED
        self.is_failed = False
        self.hold_acks = False
        self.hold_start = False
        self.tolerant = False
        self._wants_start = False
        self.vs = 0
        """Number of the next I-frame we send."""
        self.vr = 0
        """Number expected in the next I-frame received."""
        self.acknowledged_at = -NEVER
        """When the peer last acknowledged something (monotonic seconds)."""
        self._va = 0  # oldest own frame not acknowledged
        self._ra = 0  # what we have acknowledged to the peer
        self._late = 0  # of those from _va on: of a stream that another connection took over
        self._stood_down = False
        self._heard_at = now
        self.fragment = b""
        """The beginning of a frame whose end has not arrived."""
        self._fragment_since = NEVER
        self._ack_due = NEVER
        self._ack_forced = False
        self._start_due = NEVER
        self._started_at = now
        self._stop_due = NEVER
        self._test_due = NEVER
        self._paused_at = NEVER
        self._irregular = False
        self._control: list[bytes] = []
        self.due = now + min(timing.t3, timing.idletime)

    # What the owner asks for

    def start(self, now: float) -> None:
        """Ask for data transfer: STARTDT act. Controlling role, stopped."""
        self._demand(State.STOPPED, Role.CONTROLLING)
        self.state = State.STARTING
        self._start_due = self._arm(now + self.timing.t1)
        self._control.append(U_FRAMES[UFunction.STARTDT_ACT])

    def stop(self, now: float) -> None:
        """End data transfer: acknowledge, then STOPDT act. Controlling role, started."""
        self._demand(State.STARTED, Role.CONTROLLING)
        self._acknowledge_now()
        self.state = State.STOPPING
        self._stop_due = self._arm(now + self.timing.t1)
        self._control.append(U_FRAMES[UFunction.STOPDT_ACT])

    def test(self, now: float) -> None:
        """Send TESTFR act, unless one is on its way already."""
        if self._test_due == NEVER and not self.is_failed:
            self._test_due = self._arm(now + self.timing.t1)
            self._control.append(U_FRAMES[UFunction.TESTFR_ACT])

    def release_start(self, now: float) -> Sequence[Event]:
        """Answer a STARTDT act that was held, and hold none from here on."""
        self.hold_start = False
        events: list[Event] = []
        if self._wants_start and not self.is_failed:
            self._wants_start = False
            self._take_u(UFunction.STARTDT_ACT, events, now)
        return events

    def stand_down(self) -> None:
        """Another connection of the same master takes the stream over: acknowledge, and stop.

        Controlled role, any state; RuntimeError once the link has failed. A STOPDT con that waited
        is sent. ``outbox`` is a new and empty one from here on: the old one is the caller's, to
        rewind and give to the other link. The peer may still acknowledge what it was sent here,
        now or after the next STARTDT; until it does, those frames count for k (60870-5-104, 10).
        """
        if self.role is not Role.CONTROLLED or self.is_failed:
            raise RuntimeError("only a controlled link that has not failed can stand down")
        self._acknowledge_now()
        if self.state is State.UNCONFIRMED:
            self._confirm_stop()
        self.state = State.STOPPED
        self.hold_acks = False
        self.outbox = Outbox(self.outbox.capacity)
        self._late = self.outstanding
        self._stood_down = True

    def send(self, run: Run, address: Address) -> Level:
        """Queue a run for the peer; FULL means it was not taken."""
        return self.outbox.put(run, address)

    def hold_sending(self, now: float) -> None:
        """The transport takes no more: keep everything until :meth:`resume_sending`."""
        if self._paused_at == NEVER and not self.is_failed:
            self._paused_at = now
            self._arm(now + self.timing.t1)

    def resume_sending(self) -> None:
        """The transport takes data again."""
        self._paused_at = NEVER

    @property
    def outstanding(self) -> int:
        """Own I-frames sent and not acknowledged, 0..k."""
        return (self.vs - self._va) & _RING

    @property
    def unacknowledged(self) -> int:
        """I-frames received and not acknowledged."""
        return (self.vr - self._ra) & _RING

    @property
    def room(self) -> int:
        """How many more ASDUs would go out at once, 0..k."""
        if self.state is not State.STARTED or self._paused_at != NEVER:
            return 0
        return max(0, self.timing.k - self.outstanding - self.outbox.waiting)

    # What arrives

    def receive(self, data: bytes, now: float) -> Sequence[Event]:
        """Take octets from the wire; what they meant, in wire order.

        Frames that follow one another without a U or S frame between them are one run.
        """
        if self.is_failed:
            return ()
        if self.fragment:
            data = self.fragment + data
        elif len(data) == APCI_OCTETS and self._take_lone_s(data, now):
            return []
        events: list[Event] = []
        sizes: list[int] = []
        vr, va = self.vr, self._va
        at = run_start = 0
        end = len(data)
        known_nr = va << 1
        started = self.state is State.STARTED or self.state is State.STOPPING
        while end - at >= APCI_OCTETS:
            start, length, first, second = APCI.unpack_from(data, at)
            size = length + 2
            # The case that matters first: the expected I-frame, acknowledging nothing new.
            if (
                first == vr << 1
                and second == known_nr
                and started
                and start == 0x68
                and MIN_I_LENGTH <= length <= MAX_LENGTH
            ):
                if at + size > end:
                    break
                vr = (vr + 1) & _RING
                sizes.append(size)
                at += size
                continue
            failure = wrong_apci(start, length, first)
            if failure is None and at + size > end:
                break
            if not first & 1 and failure is None:
                failure = self._take_i(first >> 1, second >> 1, vr)
                if failure is None:
                    known_nr = second
                    vr = (vr + 1) & _RING
                    sizes.append(size)
                    at += size
                    continue
                if self.tolerant and failure[0] in _SEQUENCE:
                    if sizes:
                        events.append(Run(data[run_start:at], tuple(sizes)))
                    vr = (self._go_on_from(first >> 1, second >> 1, vr, events) + 1) & _RING
                    known_nr = self._va << 1
                    sizes = [size]
                    run_start = at
                    at += size
                    continue
            if sizes:
                events.append(Run(data[run_start:at], tuple(sizes)))
                sizes = []
            self._set_received(vr, now)
            if failure is None:
                failure = self._take_s_or_u(first, second, events, now)
                if self.tolerant and failure is not None and failure[0] in _SEQUENCE:
                    self._take_any_nr(second >> 1, events)
                    failure = None
                started = self.state is State.STARTED or self.state is State.STOPPING
                known_nr = self._va << 1
            if failure is not None:
                events.append(self._fail(*failure))
                return events
            at += size
            run_start = at
        if sizes:
            events.append(Run(data[run_start:at], tuple(sizes)))
            self._set_received(vr, now)
        if at:
            self._heard_at = now
            if self._va != va:
                self.acknowledged_at = now
        if at == end:
            self.fragment = b""
            self._fragment_since = NEVER
        else:
            early = wrong_beginning(data[at : at + 2])
            if early is not None:
                events.append(self._fail(*early))
            else:
                if at or not self.fragment:
                    self._fragment_since = now
                    self._arm(now + self.timing.t1)
                self.fragment = data[at:]
        return events

    def handle_timeout(self, now: float) -> Sequence[Event]:
        """Act on every deadline that has passed and move ``due`` on."""
        if self.is_failed:
            return ()
        t = self.timing
        failure = self._expired(now)
        if failure is not None:
            return [self._fail(*failure)]
        if now >= self._ack_due:
            self._ack_forced = True
            self._ack_due = NEVER
        if self._test_due == NEVER and now >= self._heard_at + t.t3:
            self.test(now)
        self.due = min(
            self._confirmation_due,
            NEVER if self._test_due != NEVER else self._heard_at + t.t3,
            self._heard_at + t.idletime,
            self._fragment_since + t.t1,
            self._paused_at + t.t1,
            self._ack_due,
            self._start_due,
            self._stop_due,
            self._test_due,
        )
        return ()

    def data_to_send(self, now: float) -> bytes:
        """Everything that may go out now, joined: control frames, I-frames, at most one S frame."""
        if self._paused_at != NEVER or self.is_failed:
            return b""
        out, self._control = self._control, []
        outbox = self.outbox
        if outbox.waiting and self.state is State.STARTED:
            room = self.timing.k - ((self.vs - self._va) & _RING)
            if room > 0:
                if room == self.timing.k:
                    self._arm(now + self.timing.t1)
                nr = self._ra if self.hold_acks and not self._ack_forced else self.vr
                vs = self.vs
                while room > 0 and outbox.waiting:
                    run, start, n, address, _ = outbox.take(room, now)
                    out.append(run.stamped(start, n, vs, nr, address))
                    vs = (vs + n) & _RING
                    room -= n
                self.vs = vs
                self._acknowledged(nr)
        unacknowledged = (self.vr - self._ra) & _RING
        if unacknowledged and self._may_acknowledge(unacknowledged):
            out.append(s_frame(self.vr))
            self._acknowledged(self.vr)
        return out[0] if len(out) == 1 else b"".join(out)

    # Within

    def _take_i(self, ns: int, nr: int, vr: int) -> tuple[Reason, str] | None:
        if self.state is not State.STARTED and self.state is not State.STOPPING:
            return Reason.NOT_STARTED, f"I-frame {ns}/{nr} while {self.state}"
        failure = self._take_nr(nr)
        if failure is None and ns != vr:
            return Reason.SEND_SEQUENCE, f"N(S) {ns} received, {vr} expected"
        return failure

    def _go_on_from(self, ns: int, nr: int, vr: int, events: list[Event]) -> int:
        """Take an I-frame whose numbers are out of order as it came; its N(S)."""
        if ns != vr:
            events.append(SequenceGap(f"N(S) {ns} received, {vr} expected"))
        self._take_any_nr(nr, events)
        return ns

    def _take_any_nr(self, nr: int, events: list[Event]) -> None:
        """Take an N(R) wherever it lies: one ahead of us acknowledges all, one behind nothing."""
        failure = self._take_nr(nr)
        if failure is not None:
            events.append(SequenceGap(failure[1]))
            if (nr - self.vs) & _RING < MODULO // 2:
                self._take_nr(self.vs)

    def _take_nr(self, nr: int) -> tuple[Reason, str] | None:
        n = (nr - self._va) & _RING
        if n > (self.vs - self._va) & _RING:
            return Reason.RECEIVE_SEQUENCE, f"N(R) {nr} received, {self._va} to {self.vs} possible"
        if n:
            self.outbox.acknowledge(n if not self._late else self._without_late(n))
            self._va = nr
        return None

    def _without_late(self, n: int) -> int:
        """How many of ``n`` acknowledged frames are of the present stream."""
        late = min(n, self._late)
        self._late -= late
        return n - late

    def _take_lone_s(self, data: bytes, now: float) -> bool:
        """Take the commonest read from a master: one good S frame while started, nothing else."""
        start, length, first, second = APCI.unpack(data)
        if first != 1 or second & 1 or start != 0x68 or length != 4:
            return False
        n = ((second >> 1) - self._va) & _RING
        if self.state is not State.STARTED or n > (self.vs - self._va) & _RING:
            return False
        self._heard_at = now
        if n:
            self.outbox.acknowledge(n if not self._late else self._without_late(n))
            self._va = second >> 1
            self.acknowledged_at = now
        return True

    def _take_s_or_u(
        self, first: int, second: int, events: list[Event], now: float
    ) -> tuple[Reason, str] | None:
        octet = first & 0xFF
        if octet & 3 == 1:
            if first != 1 or second & 1:
                self._note_irregular(events, f"S frame {control_octets(first, second)}")
            return self._take_s(second >> 1)
        function = U_FUNCTIONS[octet]
        if first >> 8 or second:
            self._note_irregular(events, f"U frame {control_octets(first, second)}")
        self._take_u(function, events, now)
        return None

    def _take_s(self, nr: int) -> tuple[Reason, str] | None:
        if (self.state is State.STOPPED or self.state is State.STARTING) and not self._stood_down:
            return Reason.NOT_STARTED, f"S frame with N(R) {nr} while {self.state}"
        failure = self._take_nr(nr)
        if failure is None and self.state is State.UNCONFIRMED and self.vs == self._va:
            self._confirm_stop()
        return failure

    def _take_u(self, function: UFunction, events: list[Event], now: float) -> None:
        match function:
            case UFunction.TESTFR_ACT:
                self._answer(U_FRAMES[UFunction.TESTFR_CON])
                return
            case UFunction.TESTFR_CON:
                if self._test_due == NEVER:
                    self._note_irregular(events, "TESTFR con that was not asked for")
                    return
                self._test_due = NEVER
                self._arm(now + self.timing.t3)
                events.append(TestConfirmed())
                return
            case UFunction.STARTDT_ACT if self.hold_start:
                self._wants_start = True
                return
            case UFunction.STOPDT_ACT:
                self._wants_start = False
            case UFunction.STARTDT_CON:
                self._start_due = NEVER
            case UFunction.STOPDT_CON:
                self._stop_due = NEVER
        if function is UFunction.STOPDT_ACT and self.role is Role.CONTROLLED:
            if self.state is State.UNCONFIRMED:
                return
            if self.state is State.STARTED:
                # Edition 2: the S frame goes before the con, and the con waits for own frames.
                self._acknowledge_now()
                self.state = State.UNCONFIRMED
                events.append(Stopped())
                if self.vs == self._va:
                    self._confirm_stop()
                return
        answer = _ON_U_FRAME.get((self.role, self.state, function))
        if answer is None:
            self._note_irregular(events, f"{function.name} while {self.state}")
            return
        self.state, reply, event = answer
        if isinstance(event, Started):
            self._stood_down = False
            if self.role is Role.CONTROLLING or self._late:
                self._started_at = now
                if self.outstanding:
                    self._arm(now + self.timing.t1)
        if reply is not None:
            self._answer(U_FRAMES[reply])
        if event is not None:
            events.append(event)

    def _expired(self, now: float) -> tuple[Reason, str] | None:
        t = self.timing
        if now >= self._confirmation_due:
            return Reason.NO_ANSWER, f"I-frame {self._va} not acknowledged within {t.t1:g} s"
        for due, name in (
            (self._start_due, "STARTDT"),
            (self._stop_due, "STOPDT"),
            (self._test_due, "TESTFR"),
        ):
            if now >= due:
                return Reason.NO_ANSWER, f"no {name} con within {t.t1:g} s"
        if now >= self._heard_at + t.idletime:
            return Reason.IDLE, f"{t.idletime:g} s"
        if now >= self._fragment_since + t.t1:
            return Reason.FRAGMENT, f"{len(self.fragment)} octets for {t.t1:g} s"
        if now >= self._paused_at + t.t1:
            return Reason.STALLED, f"{t.t1:g} s"
        return None

    @property
    def _confirmation_due(self) -> float:
        """When t1 of the oldest own frame runs out.

        What a stopped peer never acknowledged has failed and is not waited for; if transfer starts
        again the frames are still on the ring, and t1 begins anew.
        """
        if not self.outstanding or self.state in (State.STOPPED, State.STARTING):
            return NEVER
        oldest = self._started_at if self._late else self.outbox.oldest_sent_at
        if oldest is None:
            return NEVER
        return max(oldest, self._started_at) + self.timing.t1

    def _set_received(self, vr: int, now: float) -> None:
        if vr != self.vr:
            self.vr = vr
            if self._ack_due == NEVER:
                self._ack_due = self._arm(now + self.timing.t2)

    def _may_acknowledge(self, unacknowledged: int) -> bool:
        if self.state is State.STOPPING:  # the station's con waits for it
            return True
        if self.state is not State.STARTED:
            return False
        return self._ack_forced or (unacknowledged >= self.timing.w and not self.hold_acks)

    def _acknowledged(self, nr: int) -> None:
        self._ra = nr
        if nr == self.vr:
            self._ack_due = NEVER
            self._ack_forced = False

    def _acknowledge_now(self) -> None:
        if self.vr != self._ra:
            self._answer(s_frame(self.vr))
            self._acknowledged(self.vr)

    def _confirm_stop(self) -> None:
        self.state = State.STOPPED
        self._answer(U_FRAMES[UFunction.STOPDT_CON])

    def _answer(self, frame: bytes) -> None:
        # While the transport is stuck the last answer of a kind is enough: a peer that asks for
        # more without reading them must not fill our memory.
        if self._paused_at != NEVER:
            self._control = [other for other in self._control if other[2] != frame[2]]
        self._control.append(frame)

    def _note_irregular(self, events: list[Event], detail: str) -> None:
        if not self._irregular:
            self._irregular = True
            events.append(Irregular(detail))

    def _arm(self, deadline: float) -> float:
        self.due = min(self.due, deadline)
        return deadline

    def _fail(self, reason: Reason, detail: str) -> LinkFailed:
        self.is_failed = True
        self.due = NEVER
        self._control = []
        self.fragment = b""
        return LinkFailed(reason, detail)

    def _demand(self, state: State, role: Role) -> None:
        if self.role is not role or self.state is not state:
            raise RuntimeError(f"a {self.role.name.lower()} link cannot do this while {self.state}")
