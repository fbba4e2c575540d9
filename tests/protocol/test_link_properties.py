"""What holds for every stream, every cutting of it and every delay."""

from collections import deque
from itertools import pairwise

from hypothesis import event, given, settings
from hypothesis import strategies as st

from core.protocol.asdu import Asdu
from core.protocol.link import Link, LinkFailed, Role, State, Timing
from core.protocol.outbox import Outbox
from core.protocol.run import Run

from . import frames
from .frames import RING, U_FRAMES, I, S, i_frame, s_frame
from .links import (
    ADDRESS,
    CONTROLLED,
    CONTROLLING,
    STATES,
    flat,
    number,
    run_of,
    send,
    sent,
    started_link,
)

ASDUS = st.sampled_from([6, 9, 10, 30, 249]).flatmap(lambda n: st.binary(min_size=n, max_size=n))
START_NUMBERS = st.sampled_from([0, 1, 127, 128, 16383, 32760, 32767])


@st.composite
def streams(draw, max_frames=25):
    """Where a peer's numbers begin, how many frames we had out, and what it sends."""
    first, acknowledged = draw(START_NUMBERS), draw(START_NUMBERS)
    out = draw(st.integers(0, 12))
    ns, nr, octets = first, acknowledged, []
    kinds = st.sampled_from("IIIIISU")
    for kind in draw(st.lists(kinds, min_size=1, max_size=max_frames)):
        if kind in "IS" and draw(st.booleans()):
            nr = (nr + draw(st.integers(0, (acknowledged + out - nr) % RING))) % RING
        if kind == "I":
            octets.append(i_frame(ns, nr, draw(ASDUS)))
            ns = (ns + 1) % RING
        elif kind == "S":
            octets.append(s_frame(nr))
        else:
            octets.append(draw(st.sampled_from([frames.TESTFR_ACT, *U_FRAMES])))
    return first, acknowledged, out, octets


@st.composite
def cuts(draw, octets):
    """The same octets in arbitrary pieces, some of them empty."""
    places = draw(st.lists(st.integers(0, len(octets)), max_size=20).map(sorted))
    return [octets[a:b] for a, b in pairwise([0, *places, len(octets)])]


def one_by_one(octets):
    return [octets[at : at + 1] for at in range(len(octets))]


def receiver(role, first, acknowledged, out):
    link = started_link(role, vs=acknowledged, vr=first)
    send(link, out)
    return link


def heard(link, chunks):
    return flat(happening for chunk in chunks for happening in link.receive(chunk, 0.0))


ROLES = st.sampled_from(Role)
TAILS = st.just(b"") | st.binary(max_size=12) | st.just(i_frame(0, 0)[:7])


@given(ROLES, streams(), TAILS, st.data())
def test_any_cutting_of_a_stream_gives_the_same_events(role, stream, tail, data):
    *numbers, octets = stream
    whole = b"".join(octets) + tail
    links = [receiver(role, *numbers) for _ in range(4)]
    pieces = [[whole], data.draw(cuts(whole)), one_by_one(whole), [*octets, tail]]
    expected, *others = [heard(link, cut) for link, cut in zip(links, pieces, strict=True)]
    assert others == [expected] * 3
    states = [(x.state, x.vs, x.vr, x.outstanding, x.is_failed, x.fragment) for x in links]
    assert states == states[:1] * 4
    answers = [link.data_to_send(0.0) for link in links]
    assert answers == answers[:1] * 4
    event(f"failed: {links[0].is_failed}")


@given(ROLES, streams())
def test_what_is_sent_in_sequence_is_delivered_as_it_was(role, stream):
    *numbers, octets = stream
    data = [frame for frame in octets if frame[2] % 4 != 3]  # U frames may rightly stop the link
    link = receiver(role, *numbers)
    asdus = [Asdu(frame[6:]) for frame in data if frame[2] % 2 == 0]
    assert heard(link, [b"".join(data)]) == asdus
    assert link.vr == (numbers[0] + len(asdus)) % RING


def assert_harmless(link, chunks):
    """Nothing raises; at most one failure, as the last event; and then silence."""
    events = []
    for now, chunk in enumerate(chunks):
        failed_before = link.is_failed
        happened = list(link.receive(chunk, now * 0.1))
        assert not (failed_before and happened)
        events += happened
        octets = link.data_to_send(now * 0.1)
        if link.is_failed:
            assert octets == b""
    failures = [happening for happening in events if isinstance(happening, LinkFailed)]
    assert failures == (events[-1:] if link.is_failed else [])
    assert sum(len(happening) for happening in events if isinstance(happening, Run)) <= RING
    if link.is_failed:
        link.send(run_of(3), ADDRESS)
        assert link.data_to_send(100.0) == b""
        assert list(link.receive(frames.TESTFR_ACT, 100.0)) == []
        assert list(link.handle_timeout(1000.0)) == []
        assert link.data_to_send(1000.0) == b""
    event(f"failed: {link.is_failed}")


@given(st.sampled_from(sorted(STATES)), st.data())
def test_garbage_ends_a_link_at_most_and_never_raises(name, data):
    garbage = data.draw(st.binary(max_size=300))
    if data.draw(st.booleans()):  # deeper into the frame
        garbage = b"\x68" + bytes((data.draw(st.integers(4, 20)),)) + garbage
    assert_harmless(STATES[name](Timing()), data.draw(cuts(garbage)))


@st.composite
def mutated(draw, octets):
    """Valid octets with some of them changed, lost, doubled or put in."""
    changed = bytearray(octets)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(changed)))
        match draw(st.sampled_from(["change", "drop", "insert", "double"])):
            case "change":
                changed[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "drop":
                del changed[at : at + draw(st.integers(1, 20))]
            case "insert":
                changed[at:at] = draw(st.binary(min_size=1, max_size=8))
            case "double":
                changed[at:at] = changed[at : at + draw(st.integers(1, 40))]
    return bytes(changed)


@given(ROLES, streams(), st.data())
def test_a_damaged_stream_ends_a_link_at_most_and_never_raises(role, stream, data):
    *numbers, octets = stream
    damaged = data.draw(mutated(b"".join(octets)))
    assert_harmless(receiver(role, *numbers), data.draw(cuts(damaged)))


@given(ROLES, st.lists(st.sampled_from([*U_FRAMES, i_frame(0, 0), s_frame(0)]), max_size=12))
def test_whatever_frames_arrive_no_acknowledgement_leaves_a_stopped_link(role, octets):
    link = started_link(role)
    for frame in octets:
        link.receive(frame, 0.0)
        may = link.state in (State.STARTED, State.STOPPING) or frame == frames.STOPDT_ACT
        if not may:
            assert not [f for f in sent(link) if isinstance(f, I | S)]
        link.data_to_send(0.0)


# A link looked at only when `due` has passed does what one does that is looked at all the time.


@st.composite
def lives(draw):
    """What happens to a link: (what, number), times in tenths of a second."""
    what = st.sampled_from(
        ("i", "i", "s", "u", "fragment", "send", "flush", "flush", "hold", "resume", "acks",
         "start", "stop", "test", "pass", "pass", "pass")
    )  # fmt: skip
    return draw(st.lists(st.tuples(what, st.integers(0, 12)), min_size=5, max_size=40))


LIFE_TIMING = Timing(t1=4, t2=2, t3=5, k=4, w=2, idletime=12)


def live(link, what, n, now, rest):
    """One thing done to a link, decided by its own numbers; what it answers."""
    data = b""
    nr = (link._va + n % (link.outstanding + 1)) % RING
    match what:
        case "i":
            data = frames.i_frames(link.vr, 1 + n % 3, nr)
        case "s":
            data = s_frame(nr)
        case "u":
            data = U_FRAMES[n % 6] if n < 9 else frames.TESTFR_CON
        case "fragment":
            data = frames.TESTFR_ACT[: 1 + n % 5]
        case "send":
            link.send(run_of(1 + n % 6), ADDRESS)
        case "flush":
            return [link.data_to_send(now)]
        case "hold":
            link.hold_sending(now)
        case "resume":
            link.resume_sending()
        case "acks":
            link.hold_acks = bool(n % 2)
        case "start" if (link.role, link.state) == (CONTROLLING, State.STOPPED):
            link.start(now)
        case "stop" if (link.role, link.state) == (CONTROLLING, State.STARTED):
            link.stop(now)
        case "test" if not link.is_failed:
            link.test(now)
    if not data:
        return []
    if rest:  # first what completes the fragment
        data = rest + data
    return list(link.receive(data, now))


@settings(max_examples=300)
@given(ROLES, lives())
def test_due_is_never_later_than_the_next_deadline(role, life):
    lazy, eager = started_link(role, LIFE_TIMING), started_link(role, LIFE_TIMING)
    now, rest = 0, b""
    for what, n in life:
        if lazy.is_failed:
            break
        if what == "pass":
            for _ in range(5 * n):
                now += 1
                seen = list(eager.handle_timeout(now / 10))
                woken = list(lazy.handle_timeout(now / 10)) if now / 10 >= lazy.due else []
                assert woken == seen
                if eager.is_failed:
                    event("failed by a deadline")
                    break
                assert eager.due > now / 10  # no deadline is looked at twice
                assert eager.data_to_send(now / 10) == lazy.data_to_send(now / 10)
            continue
        if what == "fragment" and rest:
            continue
        assert live(lazy, what, n, now / 10, rest) == live(eager, what, n, now / 10, rest)
        if what == "fragment":
            rest = frames.TESTFR_ACT[1 + n % 5 :]
        elif what in ("i", "s", "u"):
            rest = b""


# Two links joined by a network that cuts and delays as it likes.

TICK = 0.25
DELAY = 1.0
"""Seconds an octet is under way at most: an acknowledgement is back within t2 + 2 delays < t1."""
PERSEVERING = {"t1": 15.0, "t2": 10.0, "t3": 20.0, "idletime": 60.0}


class End:
    """One end, the octets under way to it, and what a watcher on the wire knows."""

    def __init__(self, role, k, w, vs, vr):
        self.link = Link(role, Timing(k=k, w=w, **PERSEVERING), Outbox(100_000), 0.0)
        number(self.link, vs, vr)
        self.arriving = deque()  # (octets, sent at)
        self.given = 0
        self.got = []
        self.sent_ns, self.acknowledged = vs, vs  # as seen on the wire and arrived back
        self.received, self.answered = vr, vr
        self.unanswered_since = None

    def give(self, n, size):
        asdus = [
            Asdu(b"\x01\x01\x03\0\1\0" + (self.given + i).to_bytes(size, "big")) for i in range(n)
        ]
        self.given += n
        self.link.send(Run.of(*asdus), ADDRESS)

    def receive(self, octets, now):
        for happening in self.link.receive(octets, now):
            assert not isinstance(happening, LinkFailed), happening
            if isinstance(happening, Run):
                self.got += [int.from_bytes(a.objects, "big") for a in happening.asdus()]
                self.received = (self.received + len(happening)) % RING
                if self.unanswered_since is None:
                    self.unanswered_since = now

    def flush(self, other, now):
        octets = self.link.data_to_send(now)
        if not octets:
            return
        other.arriving.append((octets, now))
        for frame in frames.read(octets):
            if isinstance(frame, I):
                assert frame.ns == self.sent_ns
                self.sent_ns = (self.sent_ns + 1) % RING
            if isinstance(frame, I | S):
                self.answered = frame.nr
                assert frame.nr == self.received
                self.unanswered_since = None

    def check(self, now):
        timing = self.link.timing
        assert self.link.outstanding <= timing.k
        assert (self.sent_ns - self.link._va) % RING == self.link.outstanding
        if self.link.state is State.STARTED:
            # After each read everything from w on has been acknowledged, and t2 is kept.
            assert (self.received - self.answered) % RING < timing.w
            if self.unanswered_since is not None:
                assert now - self.unanswered_since < timing.t2 + TICK


class Net:
    def __init__(self, k, w, numbers):
        self.now = 0.0
        # A w above the k of the other end is legal but slow: the sender stalls until t2.
        self.master = End(CONTROLLING, k[0], min(w[0], *k), *numbers)
        self.station = End(CONTROLLED, k[1], min(w[1], *k), *reversed(numbers))
        self.ends = (self.master, self.station)
        self.master.link.start(0.0)
        self.flush()

    def other(self, end):
        return self.station if end is self.master else self.master

    def flush(self):
        for end in self.ends:
            end.flush(self.other(end), self.now)

    def deliver(self, end, octets=None):
        """So many octets arrive in one read; all of what is under way if None."""
        read = b""
        while end.arriving and (octets is None or len(read) < octets):
            data, since = end.arriving.popleft()
            take = len(data) if octets is None else octets - len(read)
            read += data[:take]
            if data[take:]:
                end.arriving.appendleft((data[take:], since))
        if read:
            end.receive(read, self.now)
            end.flush(self.other(end), self.now)

    def step(self):
        for end in self.ends:
            while end.arriving and end.arriving[0][1] <= self.now + TICK - DELAY:
                self.deliver(end, len(end.arriving[0][0]))
        self.now += TICK
        for end in self.ends:
            if self.now >= end.link.due:
                assert not end.link.handle_timeout(self.now)
            end.flush(self.other(end), self.now)

    def check(self):
        for end in self.ends:
            end.check(self.now)
            assert end.got == list(range(len(end.got)))

    def settle(self):
        """Let everything arrive; a stop under way ends, a stopped link starts again."""
        for _ in range(200):
            if self.master.link.state is State.STOPPED:
                self.master.link.start(self.now)
            self.flush()
            for _ in range(5):
                self.step()
                self.check()
            done = all(
                end.got == list(range(self.other(end).given)) and not end.link.outstanding
                for end in self.ends
            )
            if done and self.master.link.state is State.STARTED:
                return
        raise AssertionError("it never settled")


DEEDS = st.one_of(
    st.tuples(st.just("give"), st.booleans(), st.integers(1, 30), st.sampled_from([4, 10, 243])),
    st.tuples(st.just("deliver"), st.booleans(), st.none() | st.integers(1, 700), st.none()),
    st.tuples(st.just("step"), st.just(True), st.integers(1, 60), st.none()),
    st.tuples(st.sampled_from(["stop", "test"]), st.booleans(), st.none(), st.none()),
)
WINDOWS = st.tuples(*[st.sampled_from([1, 2, 3, 8, 12, 100])] * 2)


@settings(max_examples=150)
@given(
    WINDOWS, WINDOWS, st.tuples(START_NUMBERS, START_NUMBERS), st.lists(DEEDS, max_size=30)
)  # fmt: skip
def test_two_joined_links_deliver_everything_once_and_in_order(k, w, numbers, deeds):
    net = Net(k, w, numbers)
    for what, at_master, n, size in deeds:
        end = net.master if at_master else net.station
        master = net.master.link
        match what:
            case "give":
                end.give(n, size)
            case "deliver":
                net.deliver(end, n)
            case "step":
                for _ in range(n):
                    net.step()
                    net.check()
            case "stop" if master.state is State.STARTED:
                master.stop(net.now)
            case "stop" if master.state is State.STOPPED:
                master.start(net.now)
            case "test":
                end.link.test(net.now)
        if what != "give" or n % 2:
            net.flush()
        net.check()
    net.settle()


@settings(max_examples=25)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=60), st.integers(0, 3))
def test_a_station_pours_and_every_event_arrives_across_the_end_of_the_ring(sizes, n):
    net = Net((12, 300), (8, 200), (32700, 32500))
    for size in sizes:
        net.station.give(size, 4)
        net.master.give(n, 4) if n else None
        net.flush()
        net.deliver(net.master, 13 * size)
        net.deliver(net.station)
        net.check()
    net.settle()


# One stream and two connections of its receiver, of which now one and now the other is started.


class Pair:
    """Two controlled links that share an outbox, and the peer at the other end of each."""

    def __init__(self, k):
        timing = Timing(k=k, w=1, **PERSEVERING)
        self.box = Outbox(100_000)
        self.links = [Link(CONTROLLED, timing, Outbox(100_000), 0.0) for _ in range(2)]
        self.k = k
        self.given = 0
        self.seen = [0, 0]  # V(R) of each peer
        self.said = [0, 0]  # its last N(R)
        self.stretches = []  # what came between two switches
        self.active = 1
        self.switch()

    def switch(self):
        old, new = self.links[self.active], self.links[1 - self.active]
        if self.stretches:
            old.stand_down()
            self.box.rewind()
        self.active = 1 - self.active
        events = new.receive(frames.STARTDT_ACT, 0.0)
        assert [type(e).__name__ for e in events] == ["Started"]
        new.outbox = self.box
        self.stretches.append([])
        self.flush()

    def give(self, n):
        numbers = range(self.given, self.given + n)
        self.given += n
        run = Run.of(*[Asdu(b"\x01\x01\x03\0\1\0" + i.to_bytes(4, "big")) for i in numbers])
        self.links[self.active].send(run, ADDRESS)

    def flush(self):
        for which, link in enumerate(self.links):
            for frame in frames.read(link.data_to_send(0.0)):
                if isinstance(frame, I):
                    assert which == self.active
                    assert frame.ns == self.seen[which]
                    self.seen[which] = (self.seen[which] + 1) % RING
                    self.stretches[-1].append(int.from_bytes(frame.asdu[6:], "big"))
            assert (self.seen[which] - self.said[which]) % RING <= self.k
            assert link.outstanding == (self.seen[which] - self.said[which]) % RING

    def acknowledge(self, which, n):
        """By so many more frames of those under way, on a started or a stood down connection."""
        under_way = (self.seen[which] - self.said[which]) % RING
        self.said[which] = (self.said[which] + n % (under_way + 1)) % RING
        link = self.links[which]
        if which != self.active and not link._stood_down:  # it has never been started
            return
        assert list(link.receive(s_frame(self.said[which]), 0.0)) == []

    def check(self):
        expected = 0
        for stretch in self.stretches:
            if not stretch:
                continue
            # It begins with what was sent before, or with the very next, and has no gap.
            assert stretch[0] <= expected
            assert stretch == list(range(stretch[0], stretch[0] + len(stretch)))
            expected = max(expected, stretch[-1] + 1)
        return expected


SWITCHED = st.lists(
    st.one_of(
        st.tuples(st.just("give"), st.just(0), st.integers(1, 20)),
        st.tuples(st.just("acknowledge"), st.integers(0, 1), st.integers(0, 12)),
        st.tuples(st.just("switch"), st.just(0), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=300)
@given(st.sampled_from([1, 2, 5, 12]), START_NUMBERS, SWITCHED)
def test_a_stream_that_is_switched_between_two_links_skips_nothing(k, first, deeds):
    pair = Pair(k)
    for which, link in enumerate(pair.links):
        number(link, first, 0)
        pair.seen[which] = pair.said[which] = first
    for what, which, n in deeds:
        match what:
            case "give":
                pair.give(n)
            case "acknowledge":
                pair.acknowledge(which, n)
            case "switch":
                pair.switch()
        pair.flush()
        pair.check()
    event(f"switches: {min(len(pair.stretches) - 1, 5)}")
    while pair.check() < pair.given or pair.links[pair.active].outstanding:
        under_way = pair.links[pair.active].outstanding
        assert under_way  # what waits is never stuck
        pair.acknowledge(pair.active, under_way)
        pair.flush()
    assert list(pair.box.undelivered()) == []
