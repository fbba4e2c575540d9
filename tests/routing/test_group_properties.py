"""What holds for any masters and any RTU: answers go home or nowhere, data goes to all in order.

A twin keeps, as plainly as it can be said, what the design says about who receives what; each step
compares every octet the group gives to anybody with it.
"""

from collections import Counter, deque
from dataclasses import dataclass

from hypothesis import event as seen
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from core.protocol.asdu import Asdu
from core.protocol.run import Run
from core.routing.actions import (
    RTU,
    CloseMaster,
    CloseMasters,
    CloseRtu,
    Deliver,
    Kind,
    Note,
    OpenPorts,
    StartTransfer,
    StopTransfer,
)
from core.routing.actions import TestRtu as AskTest
from core.routing.group import Group
from core.routing.policy import MasterPolicy, Policy

from .asdus import ANSWERS, asdu, changed, obj

SEATS = (1, 2, 3)
NUMBER = {RTU: 32, 1: 101, 2: 102, 3: 103}
BUFFER = 8
COMMAND_TIMEOUT, TERM_TIMEOUT = 10.0, 120.0
TIME_TAG = bytes(7)
KINDS = (
    *(
        "event",
        "event",
        "surplus",
        "value",
        "foreign",
        "cut",
        "initialized",
        "empty",
        "never asked",
    ),
    *("answer", "answer", "answer", "data", "data"),
)
"""What an RTU may say."""


@dataclass(eq=False)
class Asked:
    """A question as the twin remembers it."""

    serial: int
    seat: int | None
    asdu: Asdu
    ca: int
    """Toward the RTU."""
    accepted_at: float = 0.0
    slot: int = 0
    phase: str = "unsent"
    deadline: float = 0.0

    @property
    def qualifier(self):
        return self.asdu.objects[3] if self.asdu.type_id == 100 else 0

    @property
    def is_read(self):
        return self.asdu.type_id == 102

    @property
    def goes_on_to_termination(self):
        """All types asked here do but reads, clock, selects and deactivations."""
        select = self.asdu.type_id in (49, 62) and self.asdu.objects[5] & 0x80
        return self.asdu.cause == 6 and self.asdu.type_id != 103 and not select

    @property
    def is_unmistakable(self):
        return self.asdu.type_id in (49, 62)

    def waits_for(self, cause):
        if cause == 10:
            return self.phase == "confirmed"
        if cause == 9:
            return self.phase == "asked" and self.asdu.cause == 8
        if cause == 7:
            return self.phase == "asked" and self.asdu.cause != 8
        return self.phase == "asked"


def addressed(what, oa, ca):
    """The octets of an ASDU as a receiver sees them."""
    return what.octets[:3] + bytes([oa, ca % 256, ca // 256]) + what.octets[6:]


def is_kept(what):
    """An event for everyone; no other type is asked or answered here with these causes."""
    return what.cause in (3, 11, 12) and (what.type_id <= 44 or what.type_id >= 128)


class Network(RuleBasedStateMachine):
    """A group, three masters, an RTU of some habits, and the twin."""

    @initialize(
        oa=st.sampled_from(["index", "zero", "keep"]),
        orphans=st.sampled_from(["drop", "drop", "all"]),
        always=st.booleans(),
        habit=st.sampled_from(["echoes", "always 0", "always 1", "at times"]),
        at_first=st.sampled_from([(1, 2, 3), (3, 2), (1, 2, 3), ()]),
    )
    def begin(self, oa, orphans, always, habit, at_first):
        policy = Policy(
            oa=oa,
            orphans=orphans,
            always_started=always,
            buffer=BUFFER,
            command_timeout=COMMAND_TIMEOUT,
            term_timeout=TERM_TIMEOUT,
        )
        self.policy, self.habit = policy, habit
        self.group = Group(
            policy, [NUMBER[RTU]], [MasterPolicy([NUMBER[seat]], BUFFER) for seat in SEATS]
        )
        self.now = 1000.0
        self.serial = 0
        self.rtu = "down"
        self.is_open = False
        self.stops = []
        self.started = set()
        self.since = {seat: [] for seat in SEATS}
        self.unsent = []
        self.open = []
        self.ever = []
        self.kept = deque()
        self.kept_lost = 0
        self.connect()
        if always:
            self.rtu_confirms_start()
        for seat in at_first:
            self.start_master(seat)
        if self.rtu == "starting":
            self.rtu_confirms_start()

    # Carrying out

    def carry_out(self, actions):
        """Do what the group says; what each seat was given."""
        given = {seat: [] for seat in (RTU, *SEATS)}
        later = []
        for action in actions:
            match action:
                case Deliver(run, to):
                    assert len({seat for seat, _ in to}) == len(to) > 0
                    for seat, address in to:
                        assert seat == RTU or seat in self.started
                        if seat != RTU:
                            self.since[seat].append(run)
                        given[seat] += [
                            addressed(a, address & 0xFF, address >> 8) for a in run.asdus()
                        ]
                case StartTransfer():
                    assert self.rtu == "stopped"
                    self.rtu = "starting"
                case StopTransfer():
                    assert self.rtu == "started"
                    assert not self.started
                    self.rtu = "stopping"
                case OpenPorts():
                    assert not self.is_open
                    self.is_open = True
                case Note(seat, kind, _, n):
                    assert n > 0
                    self.noted[kind, seat] += n
                case AskTest():
                    assert self.rtu == "stopped"
                case CloseMasters() | CloseMaster() | CloseRtu():
                    later.append(action)
        self.later = later
        return given

    def step(self, actions, expected=()):
        """Carry out and compare with what the twin says each seat receives."""
        self.noted = Counter()
        given = self.carry_out(actions)
        assert given == {seat: [] for seat in (RTU, *SEATS)} | dict(expected)

    # The RTU's life

    def connect(self):
        self.rtu = "stopped"
        actions = self.group.rtu_connected(self.now)
        self.step(actions)
        if not self.policy.always_started:
            self.step(self.group.rtu_tested(self.now))
            assert self.is_open

    @rule(fate=st.integers(0, 9), behind=st.lists(st.integers(0, 6), min_size=3, max_size=3))
    def the_rtu_lives(self, fate, behind):
        """What is pending is mostly confirmed; a link in order mostly stays so."""
        if self.rtu == "down":
            self.connect()
        elif fate == 0:
            self.lose_rtu(behind)
        elif self.rtu == "starting":
            self.rtu_confirms_start()
        elif self.rtu == "stopping":
            self.rtu_confirms_stop()
        elif self.rtu == "started" and fate <= 2:
            self.rtu_stops_by_itself()

    def rtu_confirms_start(self):
        self.rtu = "started"
        self.step(self.group.rtu_started(self.now))
        assert self.is_open

    def rtu_confirms_stop(self):
        self.rtu = "stopped"
        self.step(self.group.rtu_stopped(self.now))

    def rtu_stops_by_itself(self):
        again = bool(self.stops) and self.now - self.stops[-1] < 60.0
        self.stops.append(self.now)
        self.rtu = "stopped"
        self.step(self.group.rtu_stopped(self.now))
        assert [type(action) for action in self.later] == ([CloseRtu] if again else [])
        if again:
            self.lose_rtu([])

    def lose_rtu(self, behind):
        self.rtu, self.is_open, self.stops = "down", False, []
        self.unsent, self.open = [], []
        self.step(self.group.rtu_lost(self.now))
        assert [type(action) for action in self.later] == [CloseMasters]
        for seat in sorted(self.started):
            self.out(seat, behind[seat - 1] if behind else 0, lost=True)

    # The masters' lives

    @precondition(lambda self: self.is_open and len(self.started) < 3)
    @rule(data=st.data())
    def master_starts(self, data):
        self.start_master(
            data.draw(st.sampled_from([seat for seat in SEATS if seat not in self.started]))
        )

    def start_master(self, seat):
        self.started.add(seat)
        self.since[seat] = []
        ca = NUMBER[seat]
        expected = [addressed(asdu(70, 4, bytes(4)), 0, ca)]
        expected += [addressed(what, 0, ca) for what in self.kept]
        self.step(self.group.master_started(seat, self.now), {seat: expected})
        assert self.noted[Kind.DROPPED, RTU] == self.kept_lost
        self.kept.clear()
        self.kept_lost = 0

    @precondition(lambda self: self.started)
    @rule(
        data=st.data(),
        all_of_them=st.integers(0, 4),
        behind=st.integers(0, 6),
        lost=st.booleans(),
    )
    def master_ends(self, data, all_of_them, behind, lost):
        seats = sorted(self.started)
        for seat in seats if all_of_them == 0 else [data.draw(st.sampled_from(seats))]:
            self.out(seat, behind, lost)

    def out(self, seat, behind, lost):
        undelivered = self.since[seat][-behind:] if behind else []
        was_started = seat in self.started
        self.started.discard(seat)
        if was_started and not self.started:
            for run in undelivered:
                self.keep(*run.asdus())
        self.unsent = [q for q in self.unsent if q.seat != seat]
        if lost:
            for question in self.open:
                if question.seat == seat:
                    question.seat = None
        end = self.group.master_lost if lost else self.group.master_stopped
        self.step(end(seat, undelivered, self.now))
        assert self.rtu != "started" or self.started or self.policy.always_started

    def keep(self, *asdus):
        for what in filter(is_kept, asdus):
            self.kept.append(what)
            if len(self.kept) > BUFFER:
                self.kept.popleft()
                self.kept_lost += 1

    # Control direction

    @precondition(lambda self: self.started)
    @rule(data=st.data(), n=st.integers(1, 4), room=st.integers(0, 6))
    def master_asks(self, data, n, room):
        self.ask(data, n, room)

    def ask(self, data, n, room):
        seat = data.draw(st.sampled_from(sorted(self.started)))
        asdus, replies, full = [], [], False
        for _ in range(n):
            what, reply, question = self.from_master(data.draw, seat)
            asdus.append(what)
            if full:
                continue
            if question is None:
                replies += [] if reply is None else [reply.octets]
            elif sum(q.seat == seat for q in self.unsent) >= BUFFER:
                full = True
            else:
                question.accepted_at = self.now
                self.unsent.append(question)
        self.step(self.group.from_master(seat, Run.of(*asdus), self.now), {seat: replies})
        assert [type(action) for action in self.later] == ([CloseMaster] if full else [])
        if full:
            seen("a master is closed")
            self.out(seat, 0, lost=True)
        else:
            assert self.group.waits_for_rtu(seat) == any(q.seat == seat for q in self.unsent)
        self.let_out(room)

    def from_master(self, draw, seat):
        """One ASDU of a master, the reply he gets at once, and the question it becomes."""
        kind = draw(st.sampled_from(["set", "set", "set", "tagged", "read", "gi", "all", "clock"]))
        kind = draw(st.sampled_from([kind] * 5 + ["unknown type", "unknown ca", "cut"]))
        self.serial += 1
        unique = (self.serial % 256, self.serial // 256)
        ca, ioa = NUMBER[seat], draw(st.integers(1, 2))
        oa = draw(st.sampled_from([0, 1, 7]))
        cause = draw(st.sampled_from([6, 6, 6, 8]))
        qos = draw(st.sampled_from([0, 0, 0x80]))
        match kind:
            case "set" | "unknown ca":
                ca = 32 if kind == "unknown ca" else ca
                what = asdu(49, cause, obj(ioa, *unique, qos), ca=ca, oa=oa)
            case "tagged":
                what = asdu(62, cause, obj(ioa, *unique, qos, *TIME_TAG), ca=ca, oa=oa)
            case "read":
                what = asdu(102, 5, obj(ioa), ca=ca, oa=40 + seat)
            case "gi":
                what = asdu(100, cause, obj(0, draw(st.integers(21, 22))), ca=ca, oa=oa)
            case "all":
                what = asdu(100, cause, obj(0, draw(st.integers(20, 21))), ca=65535, oa=oa)
            case "clock":
                what = asdu(103, 6, obj(0, *unique, *bytes(5)), ca=ca, oa=oa)
            case "unknown type":
                what = asdu(81, cause, obj(ioa, *unique), ca=ca, oa=oa)
            case _:
                what = asdu(49, cause, obj(ioa, *unique), ca=ca, oa=oa)
        if kind in ("unknown type", "unknown ca"):
            return what, changed(what, 44 if kind == "unknown type" else 46, negative=True), None
        if kind == "cut":
            return what, None, None
        return what, None, Asked(self.serial, seat, what, 65535 if kind == "all" else 32)

    @rule(room=st.integers(0, 6))
    def rtu_has_room(self, room):
        self.let_out(room)

    @precondition(lambda self: self.started and self.rtu == "started")
    @rule(data=st.data(), n=st.integers(1, 4))
    def master_asks_and_the_rtu_has_room(self, data, n):
        self.ask(data, n, 6)

    def let_out(self, room):
        if self.rtu != "started":
            return
        going, self.unsent = self.unsent[:room], self.unsent[room:]
        expected = []
        for question in going:
            question.slot = {"index": question.seat, "zero": 0, "keep": question.asdu.oa}[
                self.policy.oa
            ]
            question.phase, question.deadline = "asked", self.now + COMMAND_TIMEOUT
            self.open.append(question)
            self.ever.append(question)
            expected.append(addressed(question.asdu, question.slot, question.ca))
        self.step(self.group.to_rtu(room, self.now), {RTU: expected})

    # Monitor direction

    @precondition(lambda self: self.rtu in ("started", "stopping"))
    @rule(data=st.data(), n=st.integers(1, 6))
    def rtu_speaks(self, data, n):
        self.speak(data, n, KINDS)

    @precondition(lambda self: self.rtu == "started" and self.ever)
    @rule(data=st.data(), n=st.integers(1, 6))
    def rtu_answers(self, data, n):
        self.speak(data, n, ("answer", "answer", "answer", "data", "event"))

    @precondition(lambda self: self.rtu == "started" and self.ever)
    @rule(data=st.data(), n=st.integers(1, 3))
    def rtu_answers_the_last(self, data, n):
        self.speak(data, n, ("answer",))

    def speak(self, data, n, kinds):
        asdus = []
        expected = {seat: [] for seat in SEATS}
        for _ in range(n):
            what, question = self.from_rtu(data.draw, kinds)
            asdus.append(what)
            for seat, octets in self.receivers(what, question):
                expected[seat].append(octets)
        self.step(self.group.from_rtu(Run.of(*asdus), self.now), expected)

    def from_rtu(self, draw, kinds):
        """One ASDU of the RTU, and the question it truly answers, if it can be seen to."""
        kind = draw(st.sampled_from(kinds))
        self.serial += 1
        ioa = 1000 + self.serial
        oa = draw(st.sampled_from([0, 1, 2]))
        match kind:
            case "event":
                cause = draw(st.sampled_from([3, 3, 11, 12]))
                type_id = draw(st.sampled_from([1, 200]))
                return asdu(type_id, cause, obj(ioa, 1), oa=oa), None
            case "surplus":
                return asdu(30, 3, obj(ioa, 1, *TIME_TAG, 0xAA), oa=oa), None
            case "value":
                cause = draw(st.sampled_from([1, 2, 20, 37]))
                return asdu(1, cause, obj(ioa, 1, 0), oa=oa, count=2, sq=True), None
            case "foreign":
                return asdu(1, 3, obj(ioa, 1), oa=oa, ca=99), None
            case "cut":
                return asdu(9, 3, obj(ioa, 1), oa=oa), None
            case "empty":
                return asdu(9, 3, obj(ioa, 1, 1, 1), oa=oa, count=0), None
            case "initialized":
                return asdu(70, 4, bytes(4), oa=oa), None
            case "never asked":
                return asdu(46, 7, obj(ioa, 1), oa=oa), None
            case "data":
                count = draw(st.integers(1, 2))
                objects = obj(draw(st.integers(1, 2)), *bytes(count))
                return asdu(1, 5, objects, oa=oa, count=count, sq=True), None
        recent = self.ever[-6:]
        if not recent:
            return asdu(1, 3, obj(ioa, 1)), None
        question = draw(st.sampled_from(recent))
        fitting = [9] if question.asdu.cause == 8 else [7, 10]
        cause = draw(st.sampled_from(fitting * 5 + list(ANSWERS)))
        echo = {"echoes": question.slot, "always 0": 0, "always 1": 1}.get(self.habit)
        if echo is None:
            echo = draw(st.sampled_from([0, question.slot]))
        ca = question.ca
        if ca == 65535:
            # Mirrored only while asked: as an orphan for all it is nobody's common address.
            ca = draw(st.sampled_from([32, 65535])) if question in self.open else 32
        what = changed(question.asdu, cause, negative=draw(st.booleans()), oa=echo, ca=ca)
        if question.asdu.type_id == 62 and draw(st.booleans()):  # the small RTU: no time tag
            return asdu(49, cause, what.objects[:6], oa=echo, negative=what.is_negative), None
        provable = question.is_unmistakable and self.habit != "always 1"
        return what, question if provable else None

    def receivers(self, what, truly):
        """Who gets an ASDU from the RTU, by the design; the twin's questions move on."""
        if what.type_id == 70 or what.type_id == 9:  # the latter are malformed, all of them
            return []
        if what.cause in ANSWERS:
            question = self.asker_of(what)
            if truly is not None and truly in self.open:
                assert question is truly
            if question is None:
                return self.all_started(what) if self.policy.orphans == "all" else []
            self.move_on(question, what)
            return self.home(what, [question])
        if what.ca == 99:
            return []
        if what.cause == 5:
            readers = list(filter(None, map(self.reader_of(what), range(what.count))))
            for question in readers:
                self.open.remove(question)
            if readers:
                return self.home(what, readers)
        if not self.started:
            self.keep(what)
        return self.all_started(what)

    def all_started(self, what):
        return [(seat, addressed(what, 0, NUMBER[seat])) for seat in sorted(self.started)]

    def home(self, what, questions):
        found = {}
        for question in questions:
            if question.seat in self.started:
                seat = question.seat
                ca = 65535 if what.ca == 65535 else NUMBER[seat]
                found[seat] = addressed(what, question.asdu.oa, ca)
        return found.items()

    def asker_of(self, what):
        """The design's order: echo, identical octets, waiting, not expired, oldest."""
        qualifier = what.objects[3] if what.type_id == 100 else 0

        def fits(question, type_id):
            return (question.asdu.type_id, question.asdu.ioa, question.qualifier) == (
                type_id,
                what.ioa,
                qualifier,
            ) and question.ca in (what.ca, 65535)

        found = [q for q in self.open if fits(q, what.type_id)]
        if not found and what.type_id == 49:
            found = [q for q in self.open if fits(q, 62)]
        found.sort(
            key=lambda q: (
                what.oa == 0 or q.slot != what.oa,
                q.asdu.objects != what.objects,
                not q.waits_for(what.cause),
                q.phase == "expired",
                self.open.index(q),  # in the order they were sent
            )
        )
        if len(found) > 1:
            seen("several questions fit")
        return found[0] if found else None

    def reader_of(self, what):
        def reader(n):
            ioa = what.ioa + n
            found = [q for q in self.open if q.is_read and q.asdu.ioa == ioa]
            found.sort(key=lambda q: (what.oa == 0 or q.slot != what.oa, q.phase == "expired"))
            return found[0] if found else None

        return reader

    def move_on(self, question, what):
        if what.cause == 7 and not what.is_negative:
            if question.is_read:
                return
            if question.goes_on_to_termination:
                if question.phase == "asked":
                    question.phase, question.deadline = "confirmed", self.now + TERM_TIMEOUT
                return
        self.open.remove(question)

    # Time

    @rule(seconds=st.sampled_from([0.1, 0.1, 3.0, 9.9, 10.0, 10.1, 50.0, 61.0, 120.0]))
    def time_passes(self, seconds):
        self.now += seconds
        self.look_at_the_clock()

    def look_at_the_clock(self):
        expected = {seat: [] for seat in SEATS}
        silent = Counter()
        for question in [q for q in self.unsent if self.now >= q.accepted_at + COMMAND_TIMEOUT]:
            self.unsent.remove(question)
            cause = {6: 7, 8: 9}.get(question.asdu.cause, 45)
            if question.seat in self.started:
                refusal = changed(question.asdu, cause, negative=True)
                expected[question.seat].append(refusal.octets)
        for question in [q for q in self.open if self.now >= q.deadline]:
            if question.phase == "expired":
                self.open.remove(question)
                continue
            if question.phase == "asked":
                silent[RTU if question.seat is None else question.seat] += 1
            question.phase, question.deadline = "expired", self.now + 5 * COMMAND_TIMEOUT
        self.step(self.group.handle_timeout(self.now), expected)
        for seat in (RTU, *SEATS):
            assert self.noted[Kind.EXPIRED, seat] == silent[seat]

    @invariant()
    def the_next_deadline_is_the_twins(self):
        deadlines = [q.deadline for q in self.open]
        deadlines += [q.accepted_at + COMMAND_TIMEOUT for q in self.unsent]
        assert self.group.due == min(deadlines, default=float("inf"))

    @invariant()
    def what_waits_is_the_twins(self):
        assert self.group.has_unsent == bool(self.unsent)

    def teardown(self):
        """Every question ends, whatever the RTU did."""
        if not hasattr(self, "group"):
            return
        for seconds in (COMMAND_TIMEOUT, TERM_TIMEOUT, 5 * COMMAND_TIMEOUT):
            self.now += seconds
            self.look_at_the_clock()
        assert self.group.due == float("inf")
        assert not self.group.has_unsent


TestNetwork = Network.TestCase
TestNetwork.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


# Garbage

OCTETS = st.one_of(
    st.binary(min_size=6, max_size=40),
    st.binary(min_size=6, max_size=249),
    st.builds(
        lambda type_id, vsq, cot, oa, ca, objects: (
            bytes([type_id, vsq, cot, oa]) + ca.to_bytes(2, "little") + objects
        ),
        st.one_of(
            st.integers(0, 255),
            st.sampled_from([1, 22, 45, 58, 70, 100, 101, 102, 103, 120, 122, 125, 126, 127, 200]),
        ),
        st.sampled_from([0, 1, 1, 1, 2, 127, 128, 129, 130, 255]),
        st.one_of(st.sampled_from([3, 5, 6, 7, 8, 10, 13, 20, 47]), st.integers(0, 255)),
        st.sampled_from([0, 1, 2, 255]),
        st.sampled_from([32, 32, 101, 102, 103, 99, 65535, 0]),
        st.one_of(st.just(b"\5\0\0\1"), st.binary(max_size=24)),
    ),
).map(Asdu)
ANYTHING = st.lists(
    st.tuples(
        st.sampled_from(["rtu", "rtu", 1, 2, 3, "room", "time", "stop", "start", "lost"]),
        st.lists(OCTETS, min_size=1, max_size=4),
        st.floats(0, 70),
    ),
    max_size=25,
)


@given(
    steps=ANYTHING,
    oa=st.sampled_from(["index", "zero", "keep"]),
    orphans=st.sampled_from(["drop", "all"]),
    ca=st.sampled_from(["map", "pass", "keep"]),
)
@settings(max_examples=250, deadline=None)
def test_garbage_raises_nothing_and_reaches_started_masters_only(steps, oa, orphans, ca):
    policy = Policy(oa=oa, orphans=orphans, ca=ca, buffer=5)
    group = Group(policy, [32], [MasterPolicy([n]) for n in (101, 102, 103)])
    now = 0.0
    group.rtu_connected(now)
    group.rtu_tested(now)
    started = {1, 2}
    known = set()
    for seat in started:
        group.master_started(seat, now)
    group.rtu_started(now)
    for who, asdus, seconds in steps:
        run = Run.of(*asdus)
        known.update((what.type_id, what.objects) for what in asdus)
        match who:
            case "rtu":
                actions = group.from_rtu(run, now)
            case "room":
                actions = group.to_rtu(3, now)
            case "time":
                now += seconds
                actions = group.handle_timeout(now)
                assert group.due > now
            case "stop":
                started.discard(2)
                actions = group.master_stopped(2, [run], now)
            case "start":
                actions = [] if 2 in started else group.master_started(2, now)
                started.add(2)
            case "lost":
                started.discard(1)
                actions = group.master_lost(1, [run], now)
            case seat:
                actions = group.from_master(seat, run, now)
        for action in actions:
            if not isinstance(action, Deliver):
                continue
            assert {seat for seat, _ in action.to} <= started | {RTU}
            for what in action.run.asdus():  # objects pass untouched; M_EI is the gateway's own
                assert (what.type_id, what.objects) in known | {(70, bytes(4))}
