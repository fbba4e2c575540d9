"""One group as a pure function of what happens to it: the RTU on seat 0, its masters on 1..n.

Everything a group decides is returned as actions; its shell carries them out. The rules are those
of the README's table "who receives what".
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Self

from core.protocol.asdu import Asdu
from core.protocol.codes import BROADCAST, Cause, TypeId
from core.protocol.run import Address, Run, address_of
from core.routing import guard
from core.routing.actions import (
    RTU,
    Action,
    CloseMaster,
    CloseMasters,
    CloseRtu,
    Deliver,
    Kind,
    Note,
    OpenPorts,
    StartTransfer,
    StopTransfer,
    TestRtu,
)
from core.routing.audience import (
    Audience,
    audience_of,
    exact_apdu_octets,
    surplus_octets,
)
from core.routing.guard import Fault
from core.routing.kept import Kept
from core.routing.questions import Question, Questions, Seat, qualifier_of

_HEADERS_KEPT: Final = 4096  # distinct ASDU headers remembered as ordinary
_KINDS_SAID: Final = 1024  # a peer must not fill memory or log with ever new oddities
_ASKING: Final = (Cause.REQUEST, Cause.ACTIVATION, Cause.DEACTIVATION, Cause.FILE_TRANSFER)
_SECOND_STOP: Final = 60.0  # an RTU that stops by itself again within this is given up


@dataclass(frozen=True, slots=True)
class Policy:
    """The options that concern a whole group; times in seconds."""

    always_started: bool = False
    """`startdt,always`: the RTU is started whether or not a master is."""
    oa: str = "index"
    """`index`: the master's slot toward the RTU; `zero`; `keep`: the master's own."""
    orphans: str = "drop"
    """`drop`, or `all`: an answer nobody asked for goes to every started master."""
    keeps_unknown_ca: bool = False
    """`ca=pass`: data of an unlisted common address goes to everyone unmapped."""
    buffer: int = 50_000
    """Events kept while no master is started."""
    command_timeout: float = 10.0
    term_timeout: float = 120.0


@dataclass(frozen=True, slots=True)
class MasterPolicy:
    """The options that concern one master."""

    numbers: Sequence[int]
    """Its common addresses, by position those of the RTU."""
    buffer: int = 50_000
    """Control ASDUs that may wait for the RTU's window."""


class _Transfer(Enum):
    """Data transfer with the RTU."""

    DOWN = auto()
    STOPPED = auto()
    STARTING = auto()
    STARTED = auto()
    STOPPING = auto()


@dataclass(slots=True)
class _Master:
    """What the group knows of one master."""

    to_rtu_ca: dict[int, int]
    from_rtu_ca: dict[int, int]
    buffer: int
    is_started: bool = False
    unsent: int = 0
    """Control ASDUs that wait for the RTU's window."""

    @classmethod
    def of(cls, policy: MasterPolicy, rtu_numbers: Sequence[int]) -> Self:
        return cls(
            dict(zip(policy.numbers, rtu_numbers, strict=True)),
            dict(zip(rtu_numbers, policy.numbers, strict=True)),
            policy.buffer,
        )


@dataclass(slots=True)
class _Unsent:
    """A control ASDU the RTU's window has not taken."""

    seat: Seat
    asdu: Asdu
    run: Run
    ca: int
    accepted_at: float


class Group:
    """The router of one group.

    ``rtu_numbers`` are the RTU's common addresses, ``masters`` the policies by seat from 1 on; each
    has as many numbers as the RTU.
    """

    def __init__(
        self, policy: Policy, rtu_numbers: Sequence[int], masters: Sequence[MasterPolicy]
    ) -> None:
        self.policy = policy
        self._rtu_numbers = tuple(rtu_numbers)
        self._masters = {
            seat: _Master.of(master, self._rtu_numbers) for seat, master in enumerate(masters, 1)
        }
        self._transfer = _Transfer.DOWN
        self._always = policy.always_started
        self._is_usable = False
        self._stopped_by_itself_at = float("-inf")
        self._questions = Questions(policy.command_timeout, policy.term_timeout)
        self._unsent: deque[_Unsent] = deque()
        self._kept = Kept(policy.buffer)
        self._file_seat: Seat | None = None
        self._said: dict[Kind, set[tuple[object, ...]]] = {}
        self._everyone: dict[int, tuple[tuple[Seat, Address], ...]] = {}
        # Headers of ordinary frames for everyone -> octets of the whole APDU. Only used with one
        # common address, where every such frame of a run goes out under the same addresses.
        self._ordinary: dict[bytes, int] = {}

    # The RTU's life

    def rtu_connected(self, now: float, *, always: bool = False) -> list[Action]:
        """TCP is up. ``always``: this host does not answer tests while stopped."""
        self._transfer = _Transfer.STOPPED
        self._stopped_by_itself_at = float("-inf")
        self._always = always or self.policy.always_started
        if self._always:
            self._transfer = _Transfer.STARTING
            return [StartTransfer()]
        return [TestRtu()]

    def rtu_tested(self, now: float) -> list[Action]:
        """The RTU has confirmed a TESTFR."""
        return [] if self._transfer is _Transfer.DOWN or self._always else self._usable()

    def rtu_started(self, now: float) -> list[Action]:
        """STARTDT con from the RTU."""
        self._transfer = _Transfer.STARTED
        return [*self._usable(), *self._adjust()]

    def rtu_stopped(self, now: float) -> list[Action]:
        """STOPDT con from the RTU, asked for or not."""
        was, self._transfer = self._transfer, _Transfer.STOPPED
        if was is _Transfer.STARTED:
            before, self._stopped_by_itself_at = self._stopped_by_itself_at, now
            if now - before < _SECOND_STOP:
                return [CloseRtu("stopped data transfer by itself twice within a minute")]
            note = Note(RTU, Kind.INFO, "RTU stopped data transfer by itself")
            return [note, *self._adjust()]
        return self._adjust()

    def rtu_lost(self, now: float) -> list[Action]:
        """The RTU link is over; everything it was asked is forgotten."""
        self._transfer = _Transfer.DOWN
        self._is_usable = False
        self._questions.clear()
        self._unsent.clear()
        self._file_seat = None
        for master in self._masters.values():
            master.unsent = 0
        return [CloseMasters("RTU link lost")]

    # The masters' lives

    def master_started(self, seat: Seat, now: float) -> list[Action]:
        """A master has gone from stopped to started."""
        master = self._masters[seat]
        master.is_started = True
        self._everyone = {}
        actions: list[Action] = []
        for ca in master.to_rtu_ca:
            asdu = Asdu.of(TypeId.M_EI_NA_1, Cause.INITIALIZED, ca, bytes(4))
            actions.append(Deliver(Run.of(asdu), ((seat, address_of(0, ca)),)))
        runs, lost = self._kept.take_all()
        if lost:
            text = f"{lost} of the oldest events kept while no master was started were dropped"
            actions.append(Note(RTU, Kind.DROPPED, text, lost))
        for run in runs:
            address = address_of(0, self._ca_toward(seat, run.asdu(0).ca))
            actions.append(Deliver(run, ((seat, address),)))
        return [*actions, *self._adjust()]

    def master_stopped(self, seat: Seat, undelivered: Sequence[Run], now: float) -> list[Action]:
        """A master's transfer has ended; ``undelivered`` is what had not been sent to it."""
        actions = self._forget_unsent(seat, "data transfer ended")
        actions += self._master_out(seat, undelivered)
        n = sum(map(len, undelivered))
        if n and self._is_anyone_started:
            text = f"{n} ASDUs had not been sent yet when data transfer ended"
            actions.append(Note(seat, Kind.DROPPED, text, n))
        return actions

    def master_lost(self, seat: Seat, undelivered: Iterable[Run], now: float) -> list[Action]:
        """A master's link is over; ``undelivered`` is what it had not acknowledged."""
        self._questions.leave(seat)
        actions = self._forget_unsent(seat, "the link ended")
        actions += self._master_out(seat, undelivered)
        if self._file_seat == seat:
            self._file_seat = None
        return actions

    def replace_master(self, seat: Seat, policy: MasterPolicy) -> None:
        """The entry on a seat was edited; its old link is over already."""
        self._masters[seat] = _Master.of(policy, self._rtu_numbers)

    # Monitor direction

    def from_rtu(self, run: Run, now: float) -> list[Action]:
        """Route a run from the RTU: one action when all of it is for everyone, as nearly always."""
        octets, ordinary = run.octets, self._ordinary
        at = 0
        for size in run.sizes:
            if ordinary.get(octets[at + 6 : at + 12]) != size:
                return self._cut(run, now)
            at += size
        return self._to_everyone(run, self._rtu_numbers[0])

    def _cut(self, run: Run, now: float) -> list[Action]:
        """Cut a run where the audience changes."""
        actions: list[Action] = []
        start = 0  # of the stretch for everyone that is being collected
        ca = None
        for index, asdu in enumerate(run.asdus()):
            surplus = surplus_octets(asdu)
            if surplus > 0:
                text = f"{_name(asdu)}: {surplus} octets more than announced, passed on"
                actions.append(self._once(Kind.INFO, asdu, text))
            others = self._not_for_everyone(asdu, surplus, run, index, now)
            if others is None and ca in (None, asdu.ca):
                ca = asdu.ca
                continue
            if ca is not None:
                actions += self._to_everyone(run.part(start, index), ca)
            start, ca = (index, asdu.ca) if others is None else (index + 1, None)
            actions += others or ()
        if ca is not None:
            actions += self._to_everyone(run.part(start, len(run)), ca)
        return actions

    def _not_for_everyone(
        self, asdu: Asdu, surplus: int, run: Run, index: int, now: float
    ) -> list[Action] | None:
        """What becomes of one ASDU that is not simply for everyone; None if it is."""
        if surplus < 0:
            return [self._once(Kind.MALFORMED, asdu, f"{_name(asdu)}: fewer octets than announced")]
        audience = audience_of(asdu)
        if audience is Audience.NOBODY:
            return [Note(RTU, Kind.INFO, f"end of initialization received, CA {asdu.ca}")]
        listed = asdu.ca in self._rtu_numbers
        # Some stations answer a broadcast under the broadcast address itself.
        known = listed or (audience is Audience.OWNER and asdu.ca == BROADCAST)
        if not known and not self.policy.keeps_unknown_ca:
            text = f"{_name(asdu)}: common address {asdu.ca} is not configured"
            return [self._once(Kind.UNKNOWN_CA, asdu, text, asdu.ca)]
        match audience:
            case Audience.OWNER:
                return self._answer(asdu, run.part(index, index + 1), now)
            case Audience.READER:
                owners = self._questions.read_by(asdu)
                if owners:
                    return self._to_owners(asdu, run.part(index, index + 1), owners)
            case Audience.FILE:
                if self._file_seat is None:
                    return self._orphan(asdu, run.part(index, index + 1))
                return self._to_seat(asdu, run.part(index, index + 1), self._file_seat, 0)
            case Audience.ORPHAN:
                return self._orphan(asdu, run.part(index, index + 1))
        if not surplus and listed and len(self._rtu_numbers) == 1:
            self._remember(asdu)
        return None

    def _remember(self, asdu: Asdu) -> None:
        header = asdu.octets[:6]
        size = exact_apdu_octets(header)
        if size is not None and size == len(asdu.octets) + 6:
            if len(self._ordinary) >= _HEADERS_KEPT:
                self._ordinary.clear()
            self._ordinary[header] = size

    def _to_everyone(self, run: Run, ca: int) -> list[Action]:
        to = self._everyone.get(ca)
        if to is None:
            to = tuple(
                (seat, address_of(0, self._ca_toward(seat, ca)))
                for seat, master in self._masters.items()
                if master.is_started
            )
            if ca in self._rtu_numbers:  # the others may be any of 65,535
                self._everyone[ca] = to
        if to:
            return [Deliver(run, to)]
        self._kept.keep_events(run)
        return []

    def _answer(self, asdu: Asdu, run: Run, now: float) -> list[Action]:
        question = self._questions.answer(asdu, now)
        if question is None:
            return self._orphan(asdu, run)
        return self._to_owners(asdu, run, [question])

    def _to_owners(self, asdu: Asdu, run: Run, owners: Iterable[Question]) -> list[Action]:
        actions: list[Action] = []
        for seat, oa in {q.seat: q.asdu.oa for q in owners}.items():
            if seat is not None:
                actions += self._to_seat(asdu, run, seat, oa)
        return actions

    def _to_seat(self, asdu: Asdu, run: Run, seat: Seat, oa: int) -> list[Action]:
        if not self._masters[seat].is_started:
            return [Note(seat, Kind.DROPPED, f"{_name(asdu)}: answer after STOPDT, dropped")]
        return [Deliver(run, ((seat, address_of(oa, self._ca_toward(seat, asdu.ca))),))]

    def _orphan(self, asdu: Asdu, run: Run) -> list[Action]:
        note = self._once(Kind.ORPHAN, asdu, f"{_name(asdu)}: nobody asked for it", asdu.cause)
        if self.policy.orphans == "all":
            return [note, *self._to_everyone(run, asdu.ca)]
        return [note]

    # Control direction

    def from_master(self, seat: Seat, run: Run, now: float, room: int = 0) -> list[Action]:
        """Judge a run from a master: refusals at once, the rest waits for :meth:`to_rtu`.

        ``room`` is what the RTU's window takes: what it takes does not count as waiting.
        """
        if self._transfer is _Transfer.DOWN:  # the master's link is about to be closed
            return [Note(seat, Kind.DROPPED, f"{len(run)} ASDUs after the RTU was lost", len(run))]
        actions: list[Action] = []
        master = self._masters[seat]
        for index, asdu in enumerate(run.asdus()):
            rtu_ca = master.to_rtu_ca.get(asdu.ca)
            fault = guard.check(asdu, rtu_ca is not None)
            if fault is not None:
                actions += self._fault(seat, asdu, fault)
                continue
            if master.unsent >= master.buffer:
                sent = self.to_rtu(room, now)
                actions += sent
                room -= len(sent)
            if master.unsent >= master.buffer:
                reason = f"more than {master.buffer} control ASDUs wait for the RTU"
                return [*actions, CloseMaster(seat, reason)]
            master.unsent += 1
            part = run.part(index, index + 1)
            ca = BROADCAST if rtu_ca is None else rtu_ca
            self._unsent.append(_Unsent(seat, asdu, part, ca, now))
        return actions

    def to_rtu(self, room: int, now: float) -> list[Action]:
        """What goes to the RTU now, at most ``room`` ASDUs; their questions open with it."""
        actions: list[Action] = []
        while self._unsent and len(actions) < room:
            waiting = self._unsent.popleft()
            self._masters[waiting.seat].unsent -= 1
            slot = self._slot(waiting)
            self._ask(waiting, slot, now)
            actions.append(Deliver(waiting.run, ((RTU, address_of(slot, waiting.ca)),)))
        return actions

    @property
    def has_unsent(self) -> bool:
        """Whether :meth:`to_rtu` has something to give."""
        return bool(self._unsent)

    def waits_for_rtu(self, seat: Seat) -> bool:
        """Whether a control ASDU of this master is not yet sent: then it is not acknowledged."""
        return self._masters[seat].unsent > 0

    def _forget_unsent(self, seat: Seat, why: str) -> list[Action]:
        """Nothing of a master that has gone or stopped may be carried out later."""
        n = self._masters[seat].unsent
        if not n:
            return []
        self._masters[seat].unsent = 0
        self._unsent = deque(waiting for waiting in self._unsent if waiting.seat != seat)
        text = f"{n} control ASDUs not yet sent to the RTU were dropped: {why}"
        return [Note(seat, Kind.DROPPED, text, n)]

    def _slot(self, waiting: _Unsent) -> int:
        match self.policy.oa:
            case "index":
                return waiting.seat if waiting.seat < 256 else 0
            case "keep":
                return waiting.asdu.oa
            case _:
                return 0

    def _ask(self, waiting: _Unsent, slot: int, now: float) -> None:
        asdu = waiting.asdu
        if TypeId.F_FR_NA_1 <= asdu.type_id <= TypeId.F_SG_NA_1:
            self._file_seat = waiting.seat
            return
        if asdu.cause not in _ASKING:
            return
        key = (asdu.type_id, waiting.ca, asdu.ioa or 0, qualifier_of(asdu))
        stations = len(self._rtu_numbers) if waiting.ca == BROADCAST else 1
        self._questions.open(Question(asdu, key, waiting.seat, slot, stations), now)

    def _fault(self, seat: Seat, asdu: Asdu, fault: Fault) -> list[Action]:
        match fault:
            case Fault.ANSWER:
                text = f"{_name(asdu)} with cause {asdu.cause} from a master, ignored"
                return [Note(seat, Kind.MALFORMED, text)]
            case Fault.CUT_SHORT:
                text = f"{_name(asdu)}: fewer octets than announced, ignored"
                return [Note(seat, Kind.MALFORMED, text)]
            case Fault.UNKNOWN_TYPE | Fault.UNKNOWN_CAUSE | Fault.UNKNOWN_CA:
                reply = asdu.with_cause(guard.REPLY[fault], negative=True)
            case _:
                reply = guard.refusal_of(asdu)
        return self._reply(seat, asdu, reply, fault.name.lower().replace("_", " "))

    def _reply(self, seat: Seat, asdu: Asdu, reply: Asdu, why: str) -> list[Action]:
        text = f"{_name(asdu)} CA {asdu.ca} IOA {asdu.ioa} cause {asdu.cause} refused: {why}"
        note = Note(seat, Kind.REFUSED, text, why=why)
        if not self._masters[seat].is_started:
            return [note]
        return [note, Deliver(Run.of(reply), ((seat, address_of(asdu.oa, asdu.ca)),))]

    # Time

    @property
    def due(self) -> float:
        """When :meth:`handle_timeout` has something to do (monotonic seconds)."""
        due = self._questions.due
        if self._unsent:
            due = min(due, self._unsent[0].accepted_at + self.policy.command_timeout)
        return due

    def handle_timeout(self, now: float) -> list[Action]:
        """Refuse what could not be sent in time; give up questions without an answer."""
        actions: list[Action] = []
        while self._unsent and now >= self._unsent[0].accepted_at + self.policy.command_timeout:
            late = self._unsent.popleft()
            self._masters[late.seat].unsent -= 1
            why = f"not sent to the RTU within {self.policy.command_timeout:g} s"
            actions += self._reply(late.seat, late.asdu, guard.refusal_of(late.asdu), why)
        for question in self._questions.expire(now):
            asdu = question.asdu
            text = f"{_name(asdu)} CA {asdu.ca} IOA {asdu.ioa}: no answer from the RTU"
            seat = RTU if question.seat is None else question.seat
            actions.append(Note(seat, Kind.EXPIRED, text))
        return actions

    # Within

    def _usable(self) -> list[Action]:
        if self._is_usable:
            return []
        self._is_usable = True
        return [OpenPorts()]

    def _adjust(self) -> list[Action]:
        """Start or stop the RTU as the masters need it; a pending con is waited for."""
        wanted = self._always or self._is_anyone_started
        if wanted and self._transfer is _Transfer.STOPPED:
            self._transfer = _Transfer.STARTING
            return [StartTransfer()]
        if not wanted and self._transfer is _Transfer.STARTED:
            self._transfer = _Transfer.STOPPING
            return [StopTransfer()]
        return []

    def _master_out(self, seat: Seat, undelivered: Iterable[Run]) -> list[Action]:
        master = self._masters[seat]
        if not master.is_started:
            return []
        master.is_started = False
        self._everyone = {}
        if not self._is_anyone_started:
            for run in undelivered:
                self._kept.keep_events(run)
        return self._adjust()

    @property
    def _is_anyone_started(self) -> bool:
        return any(master.is_started for master in self._masters.values())

    def _ca_toward(self, seat: Seat, ca: int) -> int:
        return self._masters[seat].from_rtu_ca.get(ca, ca)

    def _once(self, kind: Kind, asdu: Asdu, text: str, *what: object) -> Note:
        """A note that is always counted and put into words the first time only."""
        said = self._said.setdefault(kind, set())
        key = (asdu.type_id, *what)
        if key in said or len(said) >= _KINDS_SAID:
            return Note(RTU, kind)
        said.add(key)
        return Note(RTU, kind, text)


def _name(asdu: Asdu) -> str:
    try:
        return TypeId(asdu.type_id).name
    except ValueError:
        return f"type {asdu.type_id}"
