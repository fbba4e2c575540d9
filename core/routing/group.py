"""One group as a pure function of what happens to it: the RTU on seat 0, its masters on 1..n.

Everything a group decides is returned as actions; its shell carries them out. The rules are those
of the README's table "who receives what".
"""

from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import Final

from core.protocol.asdu import Asdu
from core.protocol.codes import BROADCAST, Cause, TypeId
from core.protocol.run import Run, address_of
from core.routing.actions import (
    RTU,
    Action,
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
    COUNTERS,
    Audience,
    audience_of,
    exact_apdu_octets,
    surplus_octets,
)
from core.routing.control import Control, Owners
from core.routing.kept import Kept
from core.routing.masters import Masters
from core.routing.policy import MasterPolicy, Policy, Seat

_HEADERS_KEPT: Final = 4096  # distinct ASDU headers remembered as ordinary
_INTERROGATED: Final = 1024  # added to the octets of an ordinary frame with COT 20..41
_KINDS_SAID: Final = 1024  # a peer must not fill memory or log with ever new oddities
_SECOND_STOP: Final = 60.0  # an RTU that stops by itself again within this is given up


class _Transfer(Enum):
    """Data transfer with the RTU."""

    DOWN = auto()
    STOPPED = auto()
    STARTING = auto()
    STARTED = auto()
    STOPPING = auto()


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
        self._masters = Masters(self._rtu_numbers, masters, policy.ca != "keep")
        self._control = Control(policy, self._rtu_numbers, self._masters)
        self._transfer = _Transfer.DOWN
        self._always = policy.always_started
        self._is_usable = False
        self._stopped_by_itself_at = float("-inf")
        self._kept = Kept(policy.buffer)
        self._said: dict[Kind, set[tuple[object, ...]]] = {}
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
        self._control.rtu_lost()
        return [CloseMasters("RTU link lost")]

    # The masters' lives

    def master_started(self, seat: Seat, now: float) -> list[Action]:
        """A master has gone from stopped to started."""
        self._masters.set_started(seat, True)
        actions: list[Action] = []
        for ca in self._masters[seat].policy.numbers:
            asdu = Asdu.of(TypeId.M_EI_NA_1, Cause.INITIALIZED, ca, bytes(4))
            to = ((seat, address_of(0, ca)),)
            actions.append(Deliver(Run.of(asdu), to, was_kept=True))
        runs, lost = self._kept.take_all()
        if lost:
            text = f"{lost} of the oldest events kept while no master was started were dropped"
            actions.append(Note(RTU, Kind.DROPPED, text, lost))
        for run in runs:
            address = address_of(0, self._masters.from_rtu(seat, run.asdu(0).ca))
            actions.append(Deliver(run, ((seat, address),), was_kept=True))
        return [*actions, *self._adjust()]

    def master_stopped(self, seat: Seat, undelivered: Sequence[Run], now: float) -> list[Action]:
        """A master's transfer has ended; ``undelivered`` is what had not been sent to it."""
        actions = self._control.master_stopped(seat, "data transfer ended", now)
        actions += self._master_out(seat, undelivered)
        n = sum(map(len, undelivered))
        if n and self._masters.is_anyone_started:
            text = f"{n} ASDUs had not been sent yet when data transfer ended"
            actions.append(Note(seat, Kind.DROPPED, text, n))
        return actions

    def master_lost(self, seat: Seat, undelivered: Iterable[Run], now: float) -> list[Action]:
        """A master's link is over; ``undelivered`` is what it had not acknowledged."""
        actions = self._control.master_lost(seat, now)
        return [*actions, *self._master_out(seat, undelivered)]

    def master_moved(self, seat: Seat, now: float, *, left: bool = False) -> list[Action]:
        """A master goes on under another of its connections; its questions go with it.

        ``left``: it has left the one and is not yet started on the other.
        """
        if left:
            return self._control.master_stopped(seat, "the connection in use ended", now)
        return self._control.end_selections(seat, now)

    def keep(self, run: Run) -> None:
        """Masters were gone before this could be delivered: if nobody is there, it is kept."""
        if not self._masters.is_anyone_started:
            self._kept.keep_events(run)

    def end_selections(self, now: float) -> list[Action]:
        """The gateway is about to end: it leaves no selection behind at the RTU."""
        return self._control.end_all_selections(now)

    def replace_master(self, seat: Seat, policy: MasterPolicy) -> None:
        """The entry on a seat was edited; its old link is over already."""
        self._masters.put(seat, policy)

    # Monitor direction

    def from_rtu(self, run: Run, now: float) -> list[Action]:
        """Route a run from the RTU: one action when all of it is for everyone, as nearly always."""
        octets, ordinary = run.octets, self._ordinary
        is_interrogated = False
        at = 0
        for size in run.sizes:
            known = ordinary.get(octets[at + 6 : at + 12])
            if known != size:
                if known != size + _INTERROGATED:
                    return self._cut(run, now)
                is_interrogated = True
            at += size
        if is_interrogated:
            self._control.interrogated(now)
        return self._to_everyone(run, self._rtu_numbers[0])

    def _cut(self, run: Run, now: float) -> list[Action]:
        """Cut a run where the audience changes."""
        actions: list[Action] = []
        start = 0  # of the stretch for everyone that is being collected
        ca = None
        for index, asdu in enumerate(run.asdus()):
            surplus = surplus_octets(asdu)
            if surplus > 0:
                text = f"{asdu.name}: {surplus} octets more than announced, passed on"
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
            return [self._once(Kind.MALFORMED, asdu, f"{asdu.name}: fewer octets than announced")]
        audience = audience_of(asdu)
        if audience is Audience.NOBODY:
            return [Note(RTU, Kind.INFO, f"end of initialization received, CA {asdu.ca}")]
        listed = asdu.ca in self._rtu_numbers
        # Some stations answer a broadcast under the broadcast address itself.
        known = listed or (audience is Audience.OWNER and asdu.ca == BROADCAST)
        if not known and self.policy.ca == "map":
            text = f"{asdu.name}: common address {asdu.ca} is not configured"
            return [self._once(Kind.UNKNOWN_CA, asdu, text, asdu.ca)]
        match audience:
            case Audience.OWNER:
                return self._answer(asdu, run.part(index, index + 1), now)
            case Audience.READER:
                readers = self._control.readers_of(asdu)
                if readers is not None:
                    return self._to_owners(asdu, run.part(index, index + 1), readers)
            case Audience.FILE:
                holder = self._control.file_owner(asdu, now)
                part = run.part(index, index + 1)
                return self._to_owners(asdu, part, holder) if holder else self._orphan(asdu, part)
            case Audience.ORPHAN:
                return self._orphan(asdu, run.part(index, index + 1))
            case Audience.INTERROGATED:
                self._control.interrogated(now)
                if self.policy.gi_data != "all":
                    return self._interrogated(asdu, run.part(index, index + 1))
        if not surplus and listed and len(self._rtu_numbers) == 1:
            self._remember(asdu, audience)
        return None

    def _remember(self, asdu: Asdu, audience: Audience) -> None:
        header = asdu.octets[:6]
        size = exact_apdu_octets(header)
        if size is not None and size == len(asdu.octets) + 6:
            if len(self._ordinary) >= _HEADERS_KEPT:
                self._ordinary.clear()
            is_interrogated = audience is Audience.INTERROGATED
            self._ordinary[header] = size + (_INTERROGATED if is_interrogated else 0)

    def _to_everyone(self, run: Run, ca: int) -> list[Action]:
        to = self._masters.everyone(ca)
        if to:
            return [Deliver(run, to)]
        self._kept.keep_events(run)
        return []

    def _interrogated(self, asdu: Asdu, run: Run) -> list[Action]:
        """Data of an interrogation that is for its asker, and for the others in another form."""
        owners = self._control.interrogators_of(asdu)
        if self.policy.gi_data == "requester":
            return self._orphan(asdu, run) if owners is None else self._to_owners(asdu, run, owners)
        askers = dict(owners or ())
        others = tuple(to for to in self._masters.everyone(asdu.ca) if to[0] not in askers)
        actions = self._to_owners(asdu, run, owners or ())
        if others:
            cause = Cause.SPONTANEOUS if asdu.type_id in COUNTERS else Cause.BACKGROUND
            actions.append(Deliver(Run.of(asdu.with_cause(cause, negative=False)), others))
        return actions

    def _answer(self, asdu: Asdu, run: Run, now: float) -> list[Action]:
        answer = self._control.answer(asdu, now)
        if answer is None:
            return self._orphan(asdu, run)
        return [*self._to_owners(asdu, run, answer.owners), *answer.actions]

    def _to_owners(self, asdu: Asdu, run: Run, owners: Owners) -> list[Action]:
        actions: list[Action] = []
        to = []
        for seat, oa in owners:
            if self._masters[seat].is_started:
                to.append((seat, address_of(oa, self._masters.from_rtu(seat, asdu.ca))))
            else:
                text = f"{asdu.name}: answer after STOPDT, dropped"
                actions.append(Note(seat, Kind.DROPPED, text))
        if to:
            actions.append(Deliver(run, tuple(to)))
        return actions

    def _orphan(self, asdu: Asdu, run: Run) -> list[Action]:
        note = self._once(Kind.ORPHAN, asdu, f"{asdu.name}: nobody asked for it", asdu.cause)
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
        return self._control.from_master(seat, run, now, room)

    def to_rtu(self, room: int, now: float) -> list[Action]:
        """What goes to the RTU now, at most ``room`` ASDUs; their questions open with it."""
        return [*self._control.to_rtu(room, now), *self._adjust()]

    @property
    def has_unsent(self) -> bool:
        """Whether :meth:`to_rtu` has something to give."""
        return self._control.has_unsent

    def waits_for_rtu(self, seat: Seat) -> bool:
        """Whether a control ASDU of this master is not yet sent: then it is not acknowledged."""
        return self._masters[seat].unsent > 0

    # Time

    @property
    def due(self) -> float:
        """When :meth:`handle_timeout` has something to do (monotonic seconds)."""
        return self._control.due

    def handle_timeout(self, now: float) -> list[Action]:
        """Refuse what could not be sent in time; give up what got no answer."""
        return [*self._control.handle_timeout(now), *self._adjust()]

    # Within

    def _usable(self) -> list[Action]:
        if self._is_usable:
            return []
        self._is_usable = True
        return [OpenPorts()]

    def _adjust(self) -> list[Action]:
        """Start or stop the RTU as the masters need it; a pending con is waited for."""
        wanted = self._always or self._masters.is_anyone_started
        if wanted and self._transfer is _Transfer.STOPPED:
            self._transfer = _Transfer.STARTING
            return [StartTransfer()]
        if wanted or self._transfer is not _Transfer.STARTED:
            return []
        if self._control.owes_deactivations:  # a stopped RTU takes nothing any more
            return []
        self._transfer = _Transfer.STOPPING
        return [StopTransfer()]

    def _master_out(self, seat: Seat, undelivered: Iterable[Run]) -> list[Action]:
        if not self._masters[seat].is_started:
            return []
        self._masters.set_started(seat, False)
        if not self._masters.is_anyone_started:
            for run in undelivered:
                self._kept.keep_events(run)
        return self._adjust()

    def _once(self, kind: Kind, asdu: Asdu, text: str, *what: object) -> Note:
        """A note that is always counted and put into words the first time only."""
        said = self._said.setdefault(kind, set())
        key = (asdu.type_id, *what)
        if key in said or len(said) >= _KINDS_SAID:
            return Note(RTU, kind)
        said.add(key)
        return Note(RTU, kind, text)
