"""What holds for any masters and any RTU: answers go home or nowhere, data goes to all in order.

A twin keeps, as plainly as it can be said, what the design says about who receives what; each step
compares every octet the group gives to anybody with it.
"""

from collections import Counter

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
from .twin import (
    ALL,
    COMMAND_TIMEOUT,
    FOREIGN,
    RTU_NUMBER,
    SELECT_AT,
    TERM_TIMEOUT,
    Twin,
    addressed,
)

SEATS = (1, 2, 3)
NUMBER = {1: 101, 2: 102, 3: 103}
BUFFER = 8
TIME_TAG = bytes(7)
EVENTS = ("event", "event", "surplus", "value", "foreign", "cut", "initialized", "empty")
KINDS = (*EVENTS, "never asked", *["answer"] * 4, *["proper"] * 4, "data", "data", "interrogated")
"""What an RTU may say."""
COMMAND_KINDS = ("set", "set", "switch", "switch", "tagged")
OTHER_KINDS = ("read", "gi", "gi", "counters", "freeze", "all", "clock")
WRONG_KINDS = ("unknown type", "unknown ca", "cut")


def hexed(asdus):
    return [octets.hex(" ") for octets in asdus]


class Network(RuleBasedStateMachine):
    """A group, three masters, an RTU of some habits, and the twin."""

    @initialize(
        oa=st.sampled_from(["index", "zero", "keep"]),
        orphans=st.sampled_from(["drop", "drop", "all"]),
        ca=st.sampled_from(["map", "map", "pass", "keep"]),
        gi=st.sampled_from(["queue", "queue", "queue", "forward"]),
        gi_data=st.sampled_from(["all", "requester", "background"]),
        always=st.booleans(),
        select_timeout=st.sampled_from([30.0, 30.0, 4.0]),
        habit=st.sampled_from(["echoes", "always 0", "always 1", "at times"]),
        at_first=st.sampled_from([(1, 2, 3), (3, 2), (1, 2, 3), ()]),
        rights=st.sampled_from(["full", "full", "monitor"]),
        clock=st.sampled_from(["forward", "refuse"]),
    )
    def begin(
        self,
        oa,
        orphans,
        ca,
        gi,
        gi_data,
        always,
        select_timeout,
        habit,
        at_first,
        rights,
        clock,
    ):
        policy = Policy(
            oa=oa,
            orphans=orphans,
            ca=ca,
            gi=gi,
            gi_data=gi_data,
            always_started=always,
            buffer=BUFFER,
            command_timeout=COMMAND_TIMEOUT,
            term_timeout=TERM_TIMEOUT,
            select_timeout=select_timeout,
        )
        self.policy, self.habit = policy, habit
        self.now = 1000.0
        self.twin = Twin(
            policy,
            NUMBER,
            rights={1: "full", 2: "full", 3: rights},
            clock={1: "forward", 2: clock, 3: "forward"},
            buffer=BUFFER,
            now=self.now,
        )
        self.group = Group(
            policy,
            [RTU_NUMBER],
            [
                MasterPolicy([NUMBER[s]], BUFFER, self.twin.rights[s], self.twin.clock[s])
                for s in SEATS
            ],
        )
        self.serial = 0
        self.rtu = "down"
        self.is_open = False
        self.stops = []
        self.since = {seat: [] for seat in SEATS}
        self.connect()
        if always:
            self.rtu_confirms_start()
        for seat in at_first:
            self.start_master(seat)
        if self.rtu == "starting":
            self.rtu_confirms_start()

    @property
    def started(self):
        return self.twin.started

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
                    assert not self.twin.owes
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
        wanted = {seat: [] for seat in (RTU, *SEATS)} | dict(expected)
        assert given == wanted, "\n".join(
            f"{seat}: got {hexed(given[seat])}, not {hexed(wanted[seat])}"
            for seat in given
            if given[seat] != wanted[seat]
        )
        for what in self.twin.events:
            seen(what)
        self.twin.events.clear()

    # The RTU's life

    def connect(self):
        self.rtu = "stopped"
        self.step(self.group.rtu_connected(self.now))
        if not self.policy.always_started:
            self.step(self.group.rtu_tested(self.now))
            assert self.is_open

    @rule(fate=st.integers(0, 9), behind=st.lists(st.integers(0, 6), min_size=3, max_size=3))
    def the_rtu_lives(self, fate, behind):
        """What is pending is mostly confirmed; a link in order mostly stays so."""
        if self.rtu == "down":
            self.connect()
        elif self.rtu == "starting" and fate:
            self.rtu_confirms_start()
        elif self.rtu == "stopping" and fate:
            self.rtu_confirms_stop()
        elif fate == 0 and behind[0] < 3:
            self.lose_rtu(behind)
        elif self.rtu == "started" and fate == 1:
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
        self.twin.lose_rtu()
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
        self.since[seat] = []
        lost = self.twin.kept_lost
        expected = self.twin.start(seat)
        self.step(self.group.master_started(seat, self.now), {seat: expected})
        assert self.noted[Kind.DROPPED, RTU] == lost

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
        runs = self.since[seat][-behind:] if behind else []
        self.twin.end(seat, [what for run in runs for what in run.asdus()], lost=lost)
        end = self.group.master_lost if lost else self.group.master_stopped
        self.step(end(seat, runs, self.now))

    # Control direction

    @precondition(lambda self: self.started)
    @rule(data=st.data(), n=st.integers(1, 4), room=st.integers(0, 6))
    def master_asks(self, data, n, room):
        self.ask(data, n, room)

    @precondition(lambda self: self.started and self.rtu == "started")
    @rule(data=st.data(), n=st.integers(1, 4))
    def master_asks_and_the_rtu_has_room(self, data, n):
        self.ask(data, n, 6)

    @precondition(lambda self: self.started and self.rtu == "started")
    @rule(data=st.data(), room=st.integers(0, 9))
    def masters_command_one_point(self, data, room):
        """Several at once, on the point that matters."""
        for seat in sorted(self.started):
            self.ask(data, 1, 0, seat=seat, kinds=COMMAND_KINDS, ioas=(1,))
        self.let_out(room)

    @precondition(lambda self: self.started and self.rtu == "started")
    @rule(data=st.data(), room=st.integers(0, 9))
    def masters_interrogate(self, data, room):
        for seat in sorted(self.started):
            self.ask(data, 1, 0, seat=seat, kinds=("gi", "gi", "all", "counters"))
        self.let_out(room)

    @precondition(lambda self: any(s.seat in self.started for s in self.twin.selected))
    @rule(data=st.data(), cause=st.sampled_from([6, 8]), wait=st.booleans())
    def a_selection_is_used(self, data, cause, wait):
        """By its owner, perhaps at the last moment and without room."""
        found = [s for s in self.twin.selected if s.seat in self.started]
        selected = data.draw(st.sampled_from(found))
        at = SELECT_AT[selected.select.asdu.type_id]
        octets = bytearray(selected.select.asdu.octets)
        octets[2] = cause
        octets[6 + at] &= 0x7F
        if wait:
            self.look_at_the_clock(max(self.now, self.twin.due - 0.01))
        self.give(selected.seat, [Asdu(bytes(octets))])
        if wait:
            self.look_at_the_clock(max(self.now, self.twin.due))

    @precondition(lambda self: self.started)
    @rule(data=st.data())
    def a_master_floods(self, data):
        seat = data.draw(st.sampled_from(sorted(self.started)))
        ca = RTU_NUMBER if self.policy.ca == "keep" else NUMBER[seat]
        self.give(seat, [asdu(102, 5, obj(n % 2 + 1), ca=ca) for n in range(BUFFER - 1)])

    def ask(self, data, n, room, seat=None, kinds=COMMAND_KINDS + OTHER_KINDS, ioas=(1, 1, 2)):
        if seat is None:
            seat = data.draw(st.sampled_from(sorted(self.started)))
        self.give(seat, [self.from_master(data.draw, seat, kinds, ioas) for _ in range(n)])
        self.let_out(room)

    def give(self, seat, asdus):
        replies, full = [], False
        for what in asdus:
            if not full:
                reply = self.twin.asked(seat, what)
                full = reply is None
                replies += reply or []
        self.step(self.group.from_master(seat, Run.of(*asdus), self.now), {seat: replies})
        assert [type(action) for action in self.later] == ([CloseMaster] if full else [])
        if full:
            seen("a master is closed")
            self.out(seat, 0, lost=True)
        else:
            assert self.group.waits_for_rtu(seat) == (self.twin.n_unsent(seat) > 0)

    def from_master(self, draw, seat, kinds, ioas):
        """One ASDU of a master."""
        kind = draw(st.sampled_from(kinds))
        kind = draw(st.sampled_from([kind] * 9 + list(WRONG_KINDS)))
        self.serial += 1
        unique = (self.serial % 256, self.serial // 256)
        ca = RTU_NUMBER if self.policy.ca == "keep" else NUMBER[seat]
        ioa = draw(st.sampled_from(ioas))
        oa = draw(st.sampled_from([0, 1, 7]))
        cause = draw(st.sampled_from([6, 6, 6, 8]))
        qos = draw(st.sampled_from([0, 0x80]))
        match kind:
            case "set":
                return asdu(49, cause, obj(ioa, *unique, qos), ca=ca, oa=oa)
            case "switch":
                return asdu(45, cause, obj(ioa, 1 | qos), ca=ca, oa=oa)
            case "unknown ca":
                ca = FOREIGN if self.policy.ca == "keep" else RTU_NUMBER
                return asdu(49, cause, obj(ioa, *unique, qos), ca=ca, oa=oa)
            case "tagged":
                return asdu(62, cause, obj(ioa, *unique, qos, *TIME_TAG), ca=ca, oa=oa)
            case "read":
                return asdu(102, 5, obj(ioa), ca=ca, oa=40 + seat)
            case "gi":
                qoi, test = draw(st.sampled_from([20, 20, 21])), draw(st.sampled_from([0, 0, 0, 1]))
                return asdu(100, cause, obj(0, qoi), ca=ca, oa=oa, test=test)
            case "all":
                return asdu(100, cause, obj(0, draw(st.integers(20, 21))), ca=ALL, oa=oa)
            case "counters":
                return asdu(101, cause, obj(0, draw(st.sampled_from([1, 5]))), ca=ca, oa=oa)
            case "freeze":
                return asdu(101, cause, obj(0, 0x45), ca=ca, oa=oa)
            case "clock":
                return asdu(103, 6, obj(0, *unique, *bytes(5)), ca=ca, oa=oa)
            case "unknown type":
                return asdu(81, cause, obj(ioa, *unique), ca=ca, oa=oa)
        return asdu(49, 6, obj(ioa, *unique), ca=ca, oa=oa)

    @rule(room=st.integers(0, 6))
    def rtu_has_room(self, room):
        self.let_out(room)

    def let_out(self, room):
        if self.rtu == "started":
            expected = self.twin.send(room)
            self.step(self.group.to_rtu(room, self.now), {RTU: expected})

    # Monitor direction

    @precondition(lambda self: self.rtu in ("started", "stopping"))
    @rule(data=st.data(), n=st.integers(1, 6))
    def rtu_speaks(self, data, n):
        self.speak(data, n, KINDS)

    @precondition(lambda self: self.rtu == "started" and self.twin.ever)
    @rule(data=st.data(), n=st.integers(1, 6))
    def rtu_answers(self, data, n):
        self.speak(data, n, ("answer", "proper", "proper", "data", "event", "interrogated"))

    @precondition(lambda self: self.rtu == "started" and self.twin.open)
    @rule(data=st.data(), n=st.integers(1, 3))
    def rtu_answers_as_it_should(self, data, n):
        self.speak(data, n, ("proper",))

    @precondition(lambda self: self.rtu == "started" and self.twin.at_rtu)
    @rule(data=st.data(), n=st.integers(1, 3))
    def rtu_serves_an_interrogation(self, data, n):
        self.speak(data, n, ("interrogated", "interrogated", "event"))

    def speak(self, data, n, kinds):
        asdus = []
        expected = {seat: [] for seat in SEATS}
        for _ in range(n):
            what, truly = self.from_rtu(data.draw, data.draw(st.sampled_from(kinds)))
            asdus.append(what)
            for seat, octets in self.twin.heard(what, truly):
                expected[seat].append(octets)
        self.step(self.group.from_rtu(Run.of(*asdus), self.now), expected)

    def from_rtu(self, draw, kind):
        """One ASDU of the RTU, and the question it truly answers, if it can be seen to."""
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
            case "interrogated":
                cause = draw(st.sampled_from([20, 20, 21, 36, 37, 38, 41]))
                bits = {"oa": oa, "test": draw(st.booleans()), "negative": oa == 2}
                if draw(st.booleans()):
                    return asdu(1, cause, obj(ioa, 1), **bits), None
                return asdu(15, cause, obj(ioa, *bytes(5)), **bits), None
            case "foreign":
                return asdu(1, 3, obj(ioa, 1), oa=oa, ca=FOREIGN), None
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
        pool = self.twin.open if kind == "proper" else self.twin.ever
        if not pool:
            return asdu(1, 3, obj(ioa, 1)), None
        question = draw(st.sampled_from(pool[-6:]))
        if kind == "proper":
            cause = 9 if question.asdu.cause == 8 else 10 if question.phase == "confirmed" else 7
            negative = False
        else:
            fitting = [9] if question.asdu.cause == 8 else [7, 10]
            cause = draw(st.sampled_from(fitting * 5 + list(ANSWERS)))
            negative = draw(st.booleans())
        echo = {"echoes": question.slot, "always 0": 0, "always 1": 1}.get(self.habit)
        if echo is None:
            echo = draw(st.sampled_from([0, question.slot]))
        ca = question.ca
        if ca == ALL:
            # Mirrored only while asked: as an orphan for all it is nobody's common address.
            is_open = question in self.twin.open
            ca = draw(st.sampled_from([RTU_NUMBER, ALL])) if is_open else RTU_NUMBER
        what = changed(question.asdu, cause, negative=negative, oa=echo, ca=ca)
        if question.asdu.type_id == 62 and draw(st.booleans()):  # the small RTU: no time tag
            return asdu(49, cause, what.objects[:6], oa=echo, negative=negative, ca=ca), None
        return what, question if self.is_unmistakable(question) else None

    def is_unmistakable(self, question):
        """Whether it is the only one with these octets, and the originator does not mislead."""
        alike = [q for q in self.twin.open if q.asdu.objects == question.asdu.objects]
        is_one = question.asdu.type_id in (49, 62) and alike == [question]
        return is_one and self.habit != "always 1"

    # Time

    @rule(seconds=st.sampled_from([0.1, 0.9, 3.0, 4.9, 5.0, 9.9, 10.0, 10.1, 50.0, 61.0, 120.0]))
    def time_passes(self, seconds):
        self.look_at_the_clock(self.now + seconds)

    @precondition(lambda self: self.twin.due < float("inf"))
    @rule(almost=st.booleans())
    def time_passes_until_something_is_due(self, almost):
        self.look_at_the_clock(max(self.twin.due - 0.01 * almost, self.now))

    def look_at_the_clock(self, now):
        self.now = self.twin.now = now
        refusals, silent, stuck = self.twin.look_at_the_clock()
        expected = {seat: [o for s, o in refusals if s == seat] for seat in SEATS}
        self.step(self.group.handle_timeout(now), expected)
        for seat in (RTU, *SEATS):
            assert self.noted[Kind.EXPIRED, seat] == silent[seat]
            if seat != RTU:
                assert self.noted[Kind.WARNING, seat] == stuck[seat]
        assert self.group.due > now

    @invariant()
    def the_next_deadline_is_the_twins(self):
        assert self.group.due == self.twin.due

    @invariant()
    def what_waits_is_the_twins(self):
        assert self.group.has_unsent == bool(self.twin.unsent)

    @invariant()
    def the_rtu_is_started_as_long_as_it_is_needed(self):
        wanted = bool(self.started) or self.policy.always_started
        if self.rtu == "started":
            assert wanted or self.twin.owes
        if self.rtu == "stopped":
            assert not wanted

    def teardown(self):
        """Every question, turn and selection ends, whatever the RTU did."""
        if not hasattr(self, "group"):
            return
        self.look_at_the_clock(self.now + COMMAND_TIMEOUT)
        for _ in range(200):
            if self.group.due == float("inf"):
                break
            self.look_at_the_clock(self.group.due + 5.0)
            self.the_next_deadline_is_the_twins()
        assert self.group.due == float("inf")
        assert not self.group.has_unsent
        assert not any((self.twin.open, self.twin.waiting, self.twin.running, self.twin.selected))


TestNetwork = Network.TestCase
TestNetwork.settings = settings(max_examples=350, stateful_step_count=60, deadline=None)


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


# Found by the twin, against the design


def started_group(**options):
    """A group of two masters, started, at 0 s."""
    group = Group(Policy(**options), [32], [MasterPolicy([101]), MasterPolicy([102])])
    group.rtu_connected(0.0)
    group.rtu_tested(0.0)
    group.master_started(1, 0.0)
    group.master_started(2, 0.0)
    group.rtu_started(0.0)
    return group


def given_to(actions):
    """Seat and ASDU of every delivery."""
    deliveries = [action for action in actions if isinstance(action, Deliver)]
    return [(seat, what) for d in deliveries for seat, _ in d.to for what in d.run.asdus()]


def test_a_select_renewed_in_time_is_not_cancelled_by_the_gateway_behind_it():
    """Selected at 0 s, renewed at 29 s, no room until 31 s: the selection is the new one's."""
    group = started_group()
    select = asdu(49, 6, obj(1, 5, 0, 0x80), ca=101)
    group.from_master(1, Run.of(select), 0.0)
    group.to_rtu(1, 0.0)
    group.from_rtu(Run.of(changed(select, 7, ca=32)), 0.0)
    assert given_to(group.from_master(1, Run.of(select), 29.0)) == []
    group.handle_timeout(30.0)
    assert given_to(group.to_rtu(9, 31.0)) == [(RTU, select)]


def test_an_answer_with_his_own_octets_is_not_another_masters_because_he_waits():
    """Design 4: echoed slot, then identical octets, and only then what a question waits for."""
    group = started_group()
    mine = asdu(49, 6, obj(1, 5, 0, 0), ca=101)
    his = asdu(49, 6, obj(1, 6, 0, 0), ca=102)
    group.from_master(1, Run.of(mine), 0.0)
    group.to_rtu(1, 0.0)
    group.from_rtu(Run.of(changed(mine, 7, oa=1, ca=32)), 0.0)
    group.from_master(2, Run.of(his), 1.0)
    group.to_rtu(1, 1.0)
    failed = changed(mine, 7, negative=True, oa=1, ca=32)
    assert given_to(group.from_rtu(Run.of(failed), 1.0)) == [(1, failed)]


def test_one_answer_too_many_does_not_unlearn_that_the_rtu_echoes():
    """An ACT_CON sent twice proves nothing; the echoed slot still comes first."""
    group = started_group(gi="forward")
    command = asdu(45, 6, obj(1, 1))
    con = changed(command, 7, oa=1)
    group.from_master(1, Run.of(changed(command, 6, ca=101)), 0.0)
    group.to_rtu(1, 0.0)
    group.from_rtu(Run.of(con, changed(command, 10, oa=1)), 0.0)
    group.from_master(2, Run.of(changed(command, 6, ca=102)), 0.0)
    group.to_rtu(1, 0.0)
    group.from_rtu(Run.of(con), 0.0)
    interrogation = asdu(100, 6, obj(0, 20))
    for seat in (1, 2):
        group.from_master(seat, Run.of(changed(interrogation, 6, ca=100 + seat)), 1.0)
    group.to_rtu(2, 1.0)
    con = changed(interrogation, 7, oa=2)
    assert given_to(group.from_rtu(Run.of(con), 1.0)) == [(2, con)]


def test_a_confirmed_command_keeps_others_out_for_5_s_whatever_became_of_a_later_one():
    """The first is confirmed at 0 s, the second at 4 s and over at 4.5 s."""
    group = started_group()
    first, second = (asdu(49, 6, obj(1, n, 0, 0), ca=101) for n in (1, 2))
    for question, at in ((first, 0.0), (second, 4.0)):
        group.from_master(1, Run.of(question), at)
        group.to_rtu(1, at)
        group.from_rtu(Run.of(changed(question, 7, oa=0, ca=32)), at)
    group.from_rtu(Run.of(changed(second, 10, ca=32)), 4.5)
    other = asdu(49, 6, obj(1, 3, 0, 0), ca=102)
    assert given_to(group.from_master(2, Run.of(other), 5.5)) == []
