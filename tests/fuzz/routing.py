"""A group with any options between any masters and any RTU: what always holds of its actions.

Two groups live the same life; one hears what its peers say run by run, the other frame by frame.
How a run is cut must make no difference.
"""

from core.protocol.asdu import Asdu
from core.protocol.codes import BROADCAST
from core.protocol.run import Run
from core.routing.actions import (
    RTU,
    Action,
    CloseMaster,
    CloseMasters,
    CloseRtu,
    Deliver,
    Note,
    OpenPorts,
    StartTransfer,
    StopTransfer,
)
from core.routing.group import Group
from core.routing.policy import MasterPolicy, Policy
from tests.fuzz.source import Source

_ANSWERS = (7, 9, 10, 44, 45, 46, 47)
_TYPES = (
    45, 45, 46, 47, 48, 49, 50, 51, 58, 59, 62, 63, 64, 100, 100, 101, 101, 102, 103, 104, 105,
    106, 107, 110, 113, 120, 121, 122, 122, 123, 124, 125, 126, 127, 200,
)  # fmt: skip
_MONITORED = (1, 3, 9, 13, 15, 30, 36, 37, 41, 70, 103, 110, 126, 200)
_CAUSES = (3, 1, 2, 5, 11, 12, 20, 21, 36, 37, 38, 41, 4, 13, 0, 63)
_SIZES = {
    1: 1, 3: 1, 9: 3, 13: 5, 15: 5, 30: 8, 36: 12, 37: 12, 41: 14, 45: 1, 46: 1, 47: 1, 48: 3,
    49: 3, 50: 5, 51: 4, 58: 8, 59: 8, 62: 10, 63: 12, 64: 11, 70: 1, 100: 1, 101: 1, 102: 0,
    103: 7, 104: 2, 105: 1, 106: 2, 107: 9, 110: 3, 113: 1, 120: 6, 121: 7, 122: 4, 123: 5,
    124: 4, 125: 4, 126: 13, 127: 16,
}  # fmt: skip
_UNTAGGED = {58: 45, 59: 46, 60: 47, 61: 48, 62: 49, 63: 50, 64: 51}
_SECONDS = (0.0, 0.1, 0.9, 3.0, 5.0, 10.0, 10.1, 31.0, 61.0, 121.0)
_QUALIFIERS = (20, 5, 1, 0x45, 0x81, 0x80, 0, 2, 3, 0x85)
_FOREIGN = 99
_MOST_OPERATIONS = 150


class Life:
    """One group, its mirror, and what its shell would know."""

    def __init__(self, source: Source) -> None:
        rtu = (32, 33)[: 1 + source.below(2)]
        pick = source.pick
        self.policy = Policy(
            always_started=pick((False, False, True)),
            oa=pick(("index", "zero", "keep")),
            orphans=pick(("drop", "drop", "all")),
            ca=pick(("map", "pass", "keep")),
            gi=pick(("queue", "forward")),
            gi_data=pick(("all", "background", "requester")),
            buffer=pick((1, 4, 30)),
            command_timeout=10.0,
            term_timeout=pick((120.0, 5.0)),
            select_timeout=pick((30.0, 9.0)),
            interrogation_timeout=pick((60.0, 5.0)),
        )
        seats = range(1, 2 + source.below(4))
        self.numbers = {
            seat: tuple((n if self.policy.ca == "keep" else 100 * seat + n) for n in rtu)
            for seat in seats
        }
        self.buffer = pick((1, 3, 20))
        policies = [
            MasterPolicy(
                self.numbers[seat],
                self.buffer,
                pick(("full", "full", "monitor")),
                pick(("forward", "refuse")),
            )
            for seat in seats
        ]
        self.rtu = rtu
        self.groups = [Group(self.policy, rtu, policies) for _ in range(2)]
        self.policies = dict(zip(seats, policies, strict=True))
        self.now = 1000.0
        self.state = "down"
        self.is_open = False
        self.started: set[int] = set()
        self.asked: set[tuple[int, int, int, int, int]] = set()
        self.oas: dict[int, set[int]] = {seat: {0} for seat in seats}
        self.files: set[int] = set()
        self.forwarded: list[tuple[Asdu, int]] = []
        self.serial = 0

    # Doing the same to both

    def both(self, method: str, *args: object, **more: object) -> list[Action]:
        """Call both groups; they must say the same."""
        first, second = (getattr(group, method)(*args, **more) for group in self.groups)
        assert plainly(first) == plainly(second), (method, first, second)
        return first

    def hear(self, asdus: list[Asdu]) -> list[Action]:
        """The RTU speaks: to one group in a run, to the other frame by frame."""
        first = self.groups[0].from_rtu(Run.of(*asdus), self.now)
        second: list[Action] = []
        for asdu in asdus:
            second += self.groups[1].from_rtu(Run.of(asdu), self.now)
        assert plainly(first) == plainly(second), (first, second)
        return first

    def tell(self, seat: int, asdus: list[Asdu]) -> list[Action]:
        """A master speaks, likewise; who is closed in the middle says nothing more."""
        first = self.groups[0].from_master(seat, Run.of(*asdus), self.now)
        second: list[Action] = []
        for asdu in asdus:
            second += self.groups[1].from_master(seat, Run.of(asdu), self.now)
            if any(isinstance(action, CloseMaster) for action in second):
                break
        assert plainly(first) == plainly(second), (first, second)
        return first

    # Carrying out

    def carry_out(
        self, actions: list[Action], said: list[Asdu] = (), by: int | None = None
    ) -> None:
        """Look at every action as the shell would."""
        for action in actions:
            match action:
                case Deliver():
                    self.delivered(action, said, by)
                case StartTransfer():
                    assert self.state == "stopped"
                    self.state = "starting"
                case StopTransfer():
                    assert self.state == "started"
                    assert not self.started
                    self.state = "stopping"
                case OpenPorts():
                    assert not self.is_open
                    self.is_open = True
                case Note(seat, _, text, n):
                    assert n > 0
                    assert seat == RTU or seat in self.policies
                    assert text.isprintable()
                case CloseMasters():
                    for seat in sorted(self.started):
                        self.out(seat, lost=True, behind=())
                case CloseMaster(seat):
                    assert seat == by
                    self.out(seat, lost=True, behind=())
                case CloseRtu():
                    self.lose_rtu()
                    return
        self.holds()

    def delivered(self, action: Deliver, said: list[Asdu], by: int | None) -> None:
        seats = [seat for seat, _ in action.to]
        assert seats
        assert len(set(seats)) == len(seats)
        assert set(seats) <= self.started | {RTU}
        for asdu in action.run.asdus():
            for seat, address in action.to:
                oa, ca = address & 0xFF, address >> 8
                if seat == RTU:
                    assert self.state == "started"
                    if self.policy.oa == "zero":
                        assert oa == 0
                    self.forwarded = [*self.forwarded[-20:], (asdu.readdressed(oa=oa, ca=ca), oa)]
                elif by == RTU:
                    self.heard_by(seat, asdu, oa, ca)
        if by == RTU and RTU not in seats:  # objects pass untouched
            known = {(what.type_id, what.objects) for what in said}
            assert {(a.type_id, a.objects) for a in action.run.asdus()} <= known
        if by not in (RTU, None):  # a refusal, or a confirmation of the gateway's own
            assert seats == [by] or seats == [RTU]

    def heard_by(self, seat: int, asdu: Asdu, oa: int, ca: int) -> None:
        """What a master is given of what the RTU said."""
        if self.policy.ca == "map":
            assert ca in (*self.numbers[seat], BROADCAST)
        is_answer = asdu.cause in _ANSWERS
        if not is_answer and oa:
            is_own = 20 <= asdu.cause <= 41 or asdu.cause == 5 or 120 <= asdu.type_id <= 127
            assert is_own
        assert oa in self.oas[seat]
        if is_answer and self.policy.orphans == "drop":
            assert self.has_asked(seat, asdu), (seat, asdu)
        if is_answer and asdu.type_id == 70:
            raise AssertionError("M_EI of the RTU is nobody's")

    def has_asked(self, seat: int, asdu: Asdu) -> bool:
        """Whether this master has ever asked what this answers, since its link and the RTU's."""
        if 120 <= asdu.type_id <= 127:
            return seat in self.files
        types = [asdu.type_id, *(t for t, plain in _UNTAGGED.items() if plain == asdu.type_id)]
        return any(
            (seat, type_id, ca, asdu.ioa or 0, qualifier_of(asdu)) in self.asked
            for type_id in types
            for ca in (asdu.ca, BROADCAST)
        ) or (
            asdu.ca == BROADCAST and any(entry[:2] == (seat, asdu.type_id) for entry in self.asked)
        )

    def holds(self) -> None:
        """What is always so."""
        for group in self.groups:
            assert group.due == group.due
            control = group._control
            for seat, policy in self.policies.items():
                waiting = control._turns.waiting_of(seat) + group._masters[seat].unsent
                assert 0 <= waiting <= max(policy.buffer, 1)
                assert group.waits_for_rtu(seat) == (group._masters[seat].unsent > 0)
            assert len(group._kept.runs) <= self.policy.buffer
            assert len(group._ordinary) <= 4096
            assert all(len(said) <= 1024 for said in group._said.values())
        wanted = bool(self.started) or self.policy.always_started
        if self.state == "stopped" and self.is_open:
            assert not wanted

    # Lives

    def connect(self) -> None:
        self.state = "stopped"
        self.carry_out(self.both("rtu_connected", self.now))
        if self.state == "stopped":
            self.carry_out(self.both("rtu_tested", self.now))

    def lose_rtu(self) -> None:
        self.state, self.is_open = "down", False
        self.asked.clear()
        self.files.clear()
        self.forwarded = []
        self.carry_out(self.both("rtu_lost", self.now))
        for group in self.groups:
            assert not group.has_unsent
            assert group.due == float("inf")

    def live(self, source: Source) -> None:
        """One thing of the RTU's life that can be now."""
        choice = source.below(8)
        if self.state == "down":
            self.connect()
        elif self.state == "starting" and choice:
            self.state = "started"
            self.carry_out(self.both("rtu_started", self.now))
        elif self.state == "stopping" and choice:
            self.state = "stopped"
            self.carry_out(self.both("rtu_stopped", self.now))
        elif choice == 0:
            self.lose_rtu()
        elif self.state == "started" and choice == 1:
            self.state = "stopped"
            self.carry_out(self.both("rtu_stopped", self.now))

    def start(self, seat: int) -> None:
        if not self.is_open or seat in self.started:
            return
        self.started.add(seat)
        self.carry_out(self.both("master_started", seat, self.now))

    def out(self, seat: int, *, lost: bool, behind: tuple[Run, ...]) -> None:
        if seat in self.started:
            self.started.discard(seat)
        elif not lost:
            return
        if lost:
            self.asked = {entry for entry in self.asked if entry[0] != seat}
            self.files.discard(seat)
        name = "master_lost" if lost else "master_stopped"
        self.carry_out(self.both(name, seat, behind, self.now))

    # What is said

    def from_master(self, source: Source, seat: int) -> Asdu:
        self.serial += 1
        type_id = source.pick(_TYPES)
        how = source.octet()
        cause = (6, 6, 8, 5, 13, 3, 7, 0)[how & 7]
        if how & 8:
            cause = {102: 5, 122: 13}.get(type_id, 13 if type_id >= 120 else 6)
        ca = source.pick((*self.numbers[seat] * 4, 32, _FOREIGN, BROADCAST, BROADCAST))
        oa = source.pick((0, 1, 7, 255))
        data = bytearray(_SIZES.get(type_id, 3))
        for at in range(len(data)):
            data[at] = source.octet()
        if type_id in (100, 101, 120, 122, 124) and data:
            data[-1] = source.pick((*_QUALIFIERS, data[-1]))
        ioa = 0 if type_id in (100, 101, 103, 105) and how & 16 == 0 else source.below(3)
        body = bytes([ioa, 0, 0]) + bytes(data)
        if how & 0xE0 == 0xE0:
            body = body[: source.below(len(body) + 1)] + source.octets(2)
        vsq = 1 if how & 0xC0 != 0xC0 else source.octet()
        return Asdu(bytes([type_id, vsq, cause, oa, ca % 256, ca // 256]) + body)

    def from_rtu(self, source: Source) -> Asdu:
        """An answer to something, data, or whatever."""
        how = source.below(8)
        if how < 4 and self.forwarded:
            asked, slot = source.pick(self.forwarded)
            cause = source.pick((7, 10, 7, 10, *_ANSWERS))
            oa = source.pick((slot, slot, 0, 1, 2))
            cot = cause | (0x40 if source.below(4) == 3 else 0)
            ca = asked.ca if asked.ca != BROADCAST else source.pick((*self.rtu, BROADCAST))
            type_id = asked.type_id
            body = asked.octets[6:]
            if type_id in _UNTAGGED and how == 3:
                type_id, body = _UNTAGGED[type_id], body[:-7]
            if asked.type_id == 102 and how == 2:
                type_id, cot = 1, 5
                body = body + b"\1"
            head = bytes([type_id, asked.octets[1], cot, oa, ca % 256, ca // 256])
            return Asdu(head + body)
        if how == 7:
            head = bytes([source.octet(), source.octet(), source.octet(), source.octet()])
            return Asdu(head + bytes([32, 0]) + source.octets(source.below(24)))
        type_id, cause = source.pick(_MONITORED), source.pick(_CAUSES)
        oa = source.pick((0, 0, 1, 2))
        ca = source.pick((*self.rtu * 3, _FOREIGN))
        self.serial += 1
        body = bytes([source.below(3), 0, 0, self.serial % 256, *bytes(20)])
        return Asdu(
            bytes([type_id, 1, cause, oa, ca % 256, 0]) + body[: 3 + _SIZES.get(type_id, 3)]
        )

    def ask(self, source: Source, seat: int) -> None:
        """A master says something, if it may."""
        if seat not in self.started:
            return
        asdus = [self.from_master(source, seat) for _ in range(1 + source.below(4))]
        for asdu in asdus:
            self.oas[seat].add(asdu.oa)
            ca = self.toward_rtu(seat, asdu.ca)
            if asdu.ioa is not None or len(asdu.objects) == 0:
                key = seat, asdu.type_id, ca, asdu.ioa or 0, qualifier_of(asdu)
                self.asked.add(key)
            if 120 <= asdu.type_id <= 127:
                self.files.add(seat)
        self.carry_out(self.tell(seat, asdus), asdus, seat)

    def toward_rtu(self, seat: int, ca: int) -> int:
        numbers = self.numbers[seat]
        return self.rtu[numbers.index(ca)] if ca in numbers else ca

    def speak(self, source: Source) -> None:
        if self.state not in ("started", "stopping"):
            return
        asdus = [self.from_rtu(source) for _ in range(1 + source.below(5))]
        self.carry_out(self.hear(asdus), asdus, RTU)

    def let_out(self, room: int) -> None:
        if self.state == "started":
            actions = self.both("to_rtu", room, self.now)
            to_rtu = [a for a in actions if isinstance(a, Deliver)]
            assert sum(len(a.run) for a in to_rtu) <= room
            self.carry_out(actions)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        for _ in range(40):
            self.carry_out(self.both("handle_timeout", self.now))
            if self.groups[0].due > self.now:
                return
        raise AssertionError("a deadline is looked at for ever")

    def end(self) -> None:
        """When everybody is silent or gone, nothing is left: no question, no memory."""
        for seat in sorted(self.policies):
            self.out(seat, lost=True, behind=())
        for _ in range(200):
            self.let_out(100)
            due = self.groups[0].due
            if due == float("inf"):
                break
            self.wait(max(0.0, due - self.now))
        for group in self.groups:
            control = group._control
            assert group.due == float("inf")
            assert not group.has_unsent
            assert len(control._questions) == 0
            assert not control._questions._index
            assert not control._same._holds
            assert not control._selections._by_key
            assert not control._selections._by_point
            assert not control._selections._unsent
            assert not control._selections._unsent_selects
            assert not control._turns._waiting
            assert not control._turns._running
            assert control._turns._begun is None


def qualifier_of(asdu: Asdu) -> int:
    """QOI, or the request of a QCC."""
    if len(asdu.objects) < 4 or asdu.type_id not in (100, 101):
        return 0
    return asdu.objects[3] if asdu.type_id == 100 else asdu.objects[3] & 0x3F


def plainly(actions: list[Action]) -> list[object]:
    """Actions as everybody feels them: who gets which octets in which order, and what is said."""
    got: dict[int, list[tuple[bytes, int]]] = {}
    rest: list[object] = []
    for action in actions:
        match action:
            case Deliver(run, to):
                for seat, address in to:
                    got.setdefault(seat, []).extend(
                        (a.octets[:3] + a.octets[6:], address) for a in run.asdus()
                    )
            case Note(seat, kind, text, n):
                rest.append((seat, kind, text, n))
            case _:
                rest.append(action)
    return [got, rest]


_OPERATIONS = (
    "speak", "speak", "speak", "ask", "ask", "ask", "room", "room", "wait", "due", "start", "stop",
    "lost", "moved", "left", "rtu", "selections", "replace",
)  # fmt: skip


def one_input(data: bytes) -> None:
    """Options from the first octets, then a life."""
    source = Source(data)
    life = Life(source)
    life.connect()
    if source.below(4):  # mostly all are started, which is where it begins to matter
        for seat in life.policies:
            life.start(seat)
        if life.state == "starting":
            life.state = "started"
            life.carry_out(life.both("rtu_started", life.now))
    for _ in range(_MOST_OPERATIONS):
        if source.is_over:
            break
        operation = source.pick(_OPERATIONS)
        seat = 1 + source.below(len(life.policies))
        match operation:
            case "speak":
                life.speak(source)
            case "ask":
                life.ask(source, seat)
            case "room":
                life.let_out(source.below(7))
            case "wait":
                life.wait(source.pick(_SECONDS))
            case "due" if life.groups[0].due < float("inf"):
                life.wait(max(0.0, life.groups[0].due - life.now))
            case "start":
                life.start(seat)
            case "stop" | "lost":
                behind = (Run.of(life.from_rtu(source)),) if source.flag() else ()
                life.out(seat, lost=operation == "lost", behind=behind)
            case "moved" if seat in life.started:
                life.carry_out(life.both("master_moved", seat, life.now))
            case "left" if seat in life.started:
                life.carry_out(life.both("master_moved", seat, life.now, left=True))
            case "rtu":
                life.live(source)
            case "selections":
                life.carry_out(life.both("end_selections", life.now))
            case "replace" if seat not in life.started:
                life.out(seat, lost=True, behind=())
                for group in life.groups:
                    group.replace_master(seat, life.policies[seat])
    if life.state == "starting":
        life.state = "started"
        life.carry_out(life.both("rtu_started", life.now))
    life.end()
