"""Watched traffic: every frame of the wire once, and a received one with what was sent of it."""

import struct
import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

import core.gateway.tap as tap_module
from core.feed import Feed, Frame, TrafficOf
from core.gateway.tap import GroupTap, Traced
from core.logs import local_now
from core.protocol.link import Link, Role, Timing
from core.protocol.outbox import Outbox
from core.protocol.run import address_of
from tests.connections.support import wait_for
from tests.gateway.running import scripted
from tests.support.gateway import group
from tests.support.ports import free_ports
from tests.support.wire import (
    ScriptedRtu,
    bitstring_command,
    counter_interrogation,
    interrogation,
    read,
    single_command,
)

GROUP = 1
OWN_CA, FOREIGN_CA = 101, 999


class Traffic:
    """What the front end has: rows by number, the newest of each."""

    def __init__(self, running):
        self.running = running
        self.rows: dict[int, Frame] = {}
        self.updates = 0
        self.skipped = 0
        running.gateway.watch(TrafficOf(GROUP), True)
        running.run(lambda: None)  # the watch has begun

    def poll(self, limit=10_000):
        drained = self.running.feed.drain(frame_limit=limit)
        self.skipped += drained.skipped_frames
        for frame in drained.frames:
            self.updates += frame.number in self.rows
            self.rows[frame.number] = frame
        return [self.rows[number] for number in sorted(self.rows)]

    def key(self, label):
        return self.running.status(label).key

    def received(self, label):
        """From that peer, in order."""
        key = self.key(label)
        return [f.octets for f in self.poll() if f.entry == key and f.is_received]

    def sent(self, label):
        """To that peer, as a multiset."""
        key = self.key(label)
        rows = self.poll()
        own = Counter(f.octets for f in rows if f.entry == key and not f.is_received)
        return own + Counter(s.octets for f in rows for s in f.sent if s.entry == key)

    def agrees(self, label, peer):
        """What is shown of one connection is what its peer saw, each frame once."""
        frames = list(peer.frames)
        out = [octets for _, way, octets in frames if way == "out"]
        into = Counter(octets for _, way, octets in frames if way == "in")
        return self.received(label) == out and self.sent(label) == into

    def of(self, label, type_id, cause):
        """The I-frames of a type and cause from that peer."""
        key = self.key(label)
        return [
            f
            for f in self.poll()
            if f.entry == key and f.is_received and not f.octets[2] & 1
            and (f.octets[6], f.octets[8] & 63) == (type_id, cause)
        ]  # fmt: skip

    def gone_to(self, frame):
        """Labels the frame was sent on to."""
        labels = {status.key: status.label for status, _ in self.running.gateway.snapshot()}
        return [labels[sent.entry] for sent in frame.sent]


def pair(wire, run, masters=2, kind=ScriptedRtu, options=(), master_options=(), **rtu_options):
    """A watched group of which nothing was on the wire yet; RTU, masters, gateway, traffic."""
    rtu_port, *ports = free_ports(1 + masters)
    gateway = run(group(GROUP, rtu_port, ports, options=options, master_options=master_options))
    traffic = Traffic(gateway)
    rtu = scripted(wire, kind, rtu_port, 32, **rtu_options)
    peers = [wire.master(port, OWN_CA + n) for n, port in enumerate(ports)]
    wire.wait(lambda: rtu.is_started and all(p.is_started for p in peers), 8, "started")
    wire.wait(lambda: all(p.initialized for p in peers), what="M_EI")
    return rtu, peers, gateway, traffic


def all_agree(wire, traffic, rtu, peers):
    def look():
        return traffic.agrees("S/RTU1", rtu) and all(
            traffic.agrees(f"M/M1-{n}", peer) for n, peer in enumerate(peers, 1)
        )

    wire.wait(look, what="what is shown is what was on the wire")
    assert traffic.skipped == 0


def own_numbers_apart(one, other):
    """Equal but for N(S), N(R), OA and CA."""
    return one[:2] == other[:2] and one[6:9] == other[6:9] and one[12:] == other[12:]


# -- right octets on both sides ------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("gi_data=background",), ("gi_data=requester",),
                                     ("oa=zero",), ("gi=forward",)], ids=str)  # fmt: skip
def test_every_frame_of_a_conversation_is_seen_once(wire, run, quick, options):
    rtu, peers, _, traffic = pair(wire, run, options=options)
    one, two = peers
    rtu.events(30)
    wire.wait(lambda: all(len(p.events) == 30 for p in peers), what="events")
    one.ask(bitstring_command(5000, 1), single_command(5001), read(700))
    two.ask(bitstring_command(5000, 2), counter_interrogation())
    one.ask(interrogation())
    wire.wait(lambda: len(one.answers) >= 6 and len(two.answers) >= 3, what="answers")
    one.set(foreign=frozenset({FOREIGN_CA}))
    one.send(foreign_command(FOREIGN_CA))
    one.take(lambda a: a.cause == 46, what="the refusal")
    for peer in (rtu, *peers):
        peer.test_link()
    two.stop_transfer()
    wire.wait(lambda: not two.is_started, what="stopped")
    rtu.events(5)
    wire.wait(lambda: len(one.events) == 35, what="more events")
    one.stop_transfer()
    wire.wait(lambda: not rtu.is_started, what="RTU stopped")
    all_agree(wire, traffic, rtu, peers)
    numbers = [frame.number for frame in traffic.poll()]
    assert numbers == list(range(len(numbers)))
    for frame in traffic.poll():
        assert frame.group == GROUP
        assert frame.at.utcoffset() is not None
        if frame.is_received and not frame.octets[2] & 1:
            # None but the refused one, the RTU's end of initialization, and what nobody wanted.
            for sent in frame.sent:
                assert sent.octets[0] == 0x68
                same = own_numbers_apart(frame.octets, sent.octets)
                assert same or options == ("gi_data=background",)
        else:
            assert frame.sent == ()


def foreign_command(ca):
    one = bitstring_command(5002, 9)
    return type(one)(one.type_id, one.objects, one.cause, ca)


def test_a_command_and_its_answers_show_where_they_went(wire, run, quick):
    rtu, (one, two), _, traffic = pair(wire, run)
    two.ask(bitstring_command(5000, 7))
    wire.wait(lambda: len(two.answers) == 2, what="answered")
    all_agree(wire, traffic, rtu, [one, two])
    (command,) = traffic.of("M/M1-2", 51, 6)
    assert traffic.gone_to(command) == ["S/RTU1"]
    assert command.octets[10:12] == struct.pack("<H", OWN_CA + 1)
    assert command.sent[0].octets[9:12] == b"\x02" + struct.pack("<H", 32)
    for cause in (7, 10):
        (answer,) = traffic.of("S/RTU1", 51, cause)
        assert traffic.gone_to(answer) == ["M/M1-2"]
        assert answer.sent[0].octets[9:12] == b"\x00" + struct.pack("<H", OWN_CA + 1)
    rtu.events(1)
    wire.wait(lambda: len(one.events) == len(two.events) == 1, what="the event")
    (event,) = wire.wait(lambda: traffic.of("S/RTU1", 7, 3))
    assert traffic.gone_to(event) == ["M/M1-1", "M/M1-2"]


def test_a_refused_command_goes_nowhere_and_the_refusal_is_the_gateways_own(wire, run, quick):
    _, (one, _), _, traffic = pair(wire, run)
    one.set(foreign=frozenset({FOREIGN_CA}))
    one.send(foreign_command(FOREIGN_CA))
    one.take(lambda a: a.cause == 46, what="the refusal")
    (command,) = wire.wait(lambda: traffic.of("M/M1-1", 51, 6))
    assert command.sent == ()
    key = traffic.key("M/M1-1")
    own = [f for f in traffic.poll() if not f.is_received and f.entry == key]
    refusal = own[-1].octets
    assert (refusal[6], refusal[8]) == (51, 46 | 0x40)


@pytest.mark.parametrize("option", ["oa=index", "oa=zero", "oa=keep"])
def test_an_interrogation_that_waited_for_its_turn_is_paired_when_it_is_sent(
    wire, run, quick, option
):
    rtu, (one, two), gateway, traffic = pair(wire, run, options=(option,))
    rtu.hold()
    one.ask(interrogation())
    wire.wait(lambda: len(rtu.asked) == 1, what="the first")
    two.ask(interrogation())
    waiting = wire.wait(lambda: traffic.of("M/M1-2", 100, 6))
    assert waiting[0].sent == ()
    rtu.release()
    wire.wait(lambda: len(two.answers) == 2, what="the second was served")
    all_agree(wire, traffic, rtu, [one, two])
    for label in ("M/M1-1", "M/M1-2"):
        (asked,) = traffic.of(label, 100, 6)
        assert traffic.gone_to(asked) == ["S/RTU1"]
    assert traffic.updates
    facts = gateway.gateway.facts(gateway.status("S/RTU1").key)
    assert facts.interrogated_by == "M/M1-2"
    assert facts.interrogated_at is not None


def test_an_interrogation_that_serves_several_is_told_once(wire, run, quick):
    rtu, peers, _, traffic = pair(wire, run, masters=3)
    one, two, three = peers
    rtu.hold()
    one.ask(interrogation(21))
    wire.wait(lambda: len(rtu.asked) == 1, what="another one runs")
    # In one's words, so that they are served together.
    two.ask(interrogation())
    three.ask(interrogation())
    wire.wait(lambda: len(traffic.of("M/M1-3", 100, 6)) == 1)
    rtu.release()
    wire.wait(lambda: len(two.answers) == len(three.answers) == 2, what="both were served")
    all_agree(wire, traffic, rtu, peers)
    gone = [traffic.gone_to(*traffic.of(f"M/M1-{n}", 100, 6)) for n in (2, 3)]
    assert gone[0] == ["S/RTU1"]


def test_of_interrogations_served_by_one_the_first_is_the_one_that_went(wire, run, quick):
    rtu_port, *ports = free_ports(4)
    rows = group(GROUP, rtu_port, ports, options=("oa=zero",))
    rows[2:] = [replace(row, ca=OWN_CA) for row in rows[2:]]
    gateway = run(rows)
    traffic = Traffic(gateway)
    rtu = scripted(wire, ScriptedRtu, rtu_port, 32)
    peers = [wire.master(port, OWN_CA) for port in ports]
    wire.wait(lambda: rtu.is_started and all(p.initialized for p in peers), 8, "started")
    one, two, three = peers
    rtu.hold()
    one.ask(interrogation(21))
    wire.wait(lambda: len(rtu.asked) == 1, what="another one runs")
    for n, peer in ((2, two), (3, three)):
        peer.ask(interrogation())
        wire.wait(lambda n=n: len(traffic.of(f"M/M1-{n}", 100, 6)) == 1)
    rtu.release()
    wire.wait(lambda: len(two.answers) == len(three.answers) == 2, what="both were served")
    all_agree(wire, traffic, rtu, peers)
    for n, gone in ((1, ["S/RTU1"]), (2, ["S/RTU1"]), (3, [])):
        assert traffic.gone_to(*traffic.of(f"M/M1-{n}", 100, 6)) == gone
    facts = gateway.gateway.facts(traffic.key("S/RTU1"))
    assert facts.interrogated_by == "M/M1-2, M/M1-3"


def test_an_interrogation_asked_again_while_it_waits_is_paired_with_the_last(wire, run, quick):
    rtu, (one, two), _, traffic = pair(wire, run)
    rtu.hold()
    one.ask(interrogation(21))
    wire.wait(lambda: len(rtu.asked) == 1, what="another one runs")
    two.send(interrogation())
    wire.wait(lambda: len(traffic.of("M/M1-2", 100, 6)) == 1)
    two.send(interrogation())
    wire.wait(lambda: len(traffic.of("M/M1-2", 100, 6)) == 2)
    rtu.release()
    wire.wait(lambda: len(two.answers) == 2, what="served")
    all_agree(wire, traffic, rtu, [one, two])
    asked = traffic.of("M/M1-2", 100, 6)
    assert [traffic.gone_to(frame) for frame in asked] == [[], ["S/RTU1"]]


def test_data_sent_with_another_cause_keeps_its_frame(wire, run, quick):
    rtu, (one, two), _, traffic = pair(wire, run, options=("gi_data=background",))
    one.ask(interrogation())
    wire.wait(lambda: len(one.answers) == 2, what="answered")
    all_agree(wire, traffic, rtu, [one, two])
    data = [f for t in (1, 3, 9, 13) for f in traffic.of("S/RTU1", t, 20)]
    assert len(data) == 4
    for frame in data:
        assert traffic.gone_to(frame) == ["M/M1-1", "M/M1-2"]
        assert [sent.octets[8] for sent in frame.sent] == [20, 2]
        for sent in frame.sent:
            assert sent.octets[12:] == frame.octets[12:]


def test_what_waits_for_a_window_is_shown_and_completed_when_it_is_sent(wire, run, quick):
    rtu, (one,), _, traffic = pair(wire, run, masters=1, w=None)
    one.set(w=None, t2=60.0, checks_acks=False)
    one.acknowledge()
    rtu.events(15)
    wire.wait(lambda: len(one.events) == 12, what="a full window")
    rows = wire.wait(lambda: len(r := traffic.of("S/RTU1", 7, 3)) == 15 and r)
    assert [len(frame.sent) for frame in rows] == [1] * 12 + [0] * 3
    one.acknowledge()
    wire.wait(lambda: len(one.events) == 15, what="the rest")
    wire.wait(lambda: all(frame.sent for frame in traffic.of("S/RTU1", 7, 3)))
    assert traffic.updates == 3
    all_agree(wire, traffic, rtu, [one])


def test_frames_cut_anywhere_are_seen_whole_though_the_watch_begins_within_one(wire, run, quick):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32)
    gateway = run(group(GROUP, rtu_port, [port]))
    master = wire.master(port, OWN_CA)
    wire.wait(lambda: rtu.is_started and master.is_started, what="started")
    wire.wait(lambda: master.initialized, what="M_EI")
    frame = bytes.fromhex("680443000000")
    rtu.set(is_strict=False)  # its tests are sent past its own accounts
    rtu.raw(frame[:3])
    link = wire.wait(lambda: gateway.gateway._hubs[GROUP].rtu.stream.link)
    wire.wait(lambda: link.fragment == frame[:3], what="the beginning of a frame")
    traffic = Traffic(gateway)
    rtu.raw(frame[3:] + b"\x68")
    rtu.raw(b"\x04\x43\0\0\0")
    wire.wait(lambda: len(traffic.received("S/RTU1")) == 2, what="both tests")
    assert traffic.received("S/RTU1") == [frame, frame]
    assert traffic.sent("S/RTU1") == Counter({bytes.fromhex("680483000000"): 2})


def test_garbage_ends_the_link_and_what_came_before_it_is_shown(wire, run, quick):
    rtu, (one, _), gateway, traffic = pair(wire, run)
    one.set(reconnects=False)
    test = bytes.fromhex("680443000000")
    one.raw(test + b"\x99\x99\x99\x99\x99\x99" + test)
    wire.wait(lambda: not one.is_connected, what="closed")
    assert wire.wait(lambda: traffic.received("M/M1-1")[-1] == test)
    assert traffic.received("M/M1-1").count(test) == 1
    rtu.events(1)
    wire.wait(lambda: len(traffic.of("S/RTU1", 7, 3)) == 1)
    assert gateway.says("M/M1-1", "bad start octet")


@pytest.mark.parametrize("mode", ["pair", "each"])
def test_connections_of_one_entry_are_all_seen(wire, run, quick, mode):
    rtu_port, port = free_ports(2)
    options = ("conns=2", f"mode={mode}")
    gateway = run(group(GROUP, rtu_port, [port], master_options=options))
    traffic = Traffic(gateway)
    rtu = scripted(wire, ScriptedRtu, rtu_port, 32)
    one, two = (wire.master(port, OWN_CA, expects_initialized=False) for _ in range(2))
    wire.wait(lambda: one.is_started, what="started")
    wire.wait(lambda: two.is_started, what="started")
    rtu.events(5)
    wire.wait(lambda: len(one.events) + len(two.events) == (5 if mode == "pair" else 10))

    def look():
        frames = [*one.frames, *two.frames]
        into = Counter(octets for _, way, octets in frames if way == "in")
        out = Counter(octets for _, way, octets in frames if way == "out")
        received = Counter(traffic.received("M/M1-1"))
        return traffic.sent("M/M1-1") == into and received == out

    wire.wait(look, what="both connections")
    events = traffic.of("S/RTU1", 7, 3)
    assert [len(frame.sent) for frame in events] == [1 if mode == "pair" else 2] * 5


# -- beginning and ending ------------------------------------------------------------------------


def test_what_was_received_before_the_watch_is_not_paired_by_guess(wire, run, quick):
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32)
    gateway = run(group(GROUP, rtu_port, [port]))
    one = wire.master(port, OWN_CA, w=None, t2=60.0, checks_acks=False)
    wire.wait(lambda: rtu.is_started and one.is_started and one.initialized, what="started")
    one.acknowledge()
    rtu.events(14)
    wire.wait(lambda: len(one.events) == 12, what="a full window")
    wire.wait(lambda: gateway.counters("S/RTU1").asdus_in == 14, what="two wait")
    traffic = Traffic(gateway)
    rtu.events(1)
    wire.wait(lambda: gateway.counters("S/RTU1").asdus_in == 15)
    one.acknowledge()
    wire.wait(lambda: len(one.events) == 15)
    (event,) = wire.wait(lambda: len(r := traffic.of("S/RTU1", 7, 3)) == 1 and r[0].sent and r)
    assert event.sent[0].octets == one.frames[-1][2]
    key = traffic.key("M/M1-1")
    own = [f.octets for f in traffic.poll() if f.entry == key and not f.is_received]
    ins = [octets for _, way, octets in list(one.frames) if way == "in"]
    assert own[-2:] == ins[-3:-1]


def test_watching_may_be_switched_from_any_thread_while_frames_flow(wire, run, quick):
    rtu, peers, gateway, _ = pair(wire, run)
    ends = threading.Event()

    def switch():
        while not ends.is_set():
            gateway.gateway.watch(TrafficOf(GROUP), True)
            time.sleep(0.001)
            gateway.gateway.watch(TrafficOf(GROUP), False)

    threads = [threading.Thread(target=switch) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        rtu.events(3000)
        wire.wait(lambda: all(len(p.events) == 3000 for p in peers), 20, "events")
    finally:
        ends.set()
        for thread in threads:
            thread.join(5)
    gateway.run(lambda: None)
    gateway.gateway.watch(TrafficOf(GROUP), False)
    gateway.run(lambda: None)
    gateway.feed.drain(frame_limit=100_000)
    rtu.events(3)
    wire.wait(lambda: all(len(p.events) == 3003 for p in peers), what="events")
    assert not gateway.feed.drain().frames


def test_nothing_is_seen_after_the_end_and_numbers_go_on_in_the_next_watch(wire, run, quick):
    rtu, (one, two), gateway, traffic = pair(wire, run)
    all_agree(wire, traffic, rtu, [one, two])
    last = max(traffic.rows)
    rtu.events(1)
    wire.wait(lambda: len(one.events) == 1)
    gateway.gateway.watch(TrafficOf(GROUP), False)
    gateway.run(lambda: None)
    assert not gateway.feed.drain().frames  # also what had not been taken
    rtu.events(1)
    wire.wait(lambda: len(one.events) == 2)
    assert not gateway.feed.drain().frames
    again = Traffic(gateway)
    rtu.events(1)
    wire.wait(lambda: len(again.of("S/RTU1", 7, 3)) == 1)
    assert min(again.rows) > last


def test_watching_survives_restarts_and_ends_with_its_group(wire, run, quick):
    rtu_port, *ports = free_ports(3)
    rows = group(GROUP, rtu_port, ports)
    gateway = run(rows)
    traffic = Traffic(gateway)
    rtu = wire.rtu(rtu_port, 32)
    peers = [wire.master(port, OWN_CA + n) for n, port in enumerate(ports)]

    def started():
        return rtu.is_started and all(p.is_started for p in peers)

    wire.wait(started, 8, "started")
    for restart in ("M/M1-1", "S/RTU1"):
        losses = peers[0].losses
        gateway.apply(rows, restart=[restart])
        wire.wait(lambda n=losses: peers[0].losses > n, what="restarted")
        wire.wait(started, 8, "started again")
        n = len(traffic.of("S/RTU1", 7, 3))
        rtu.events(2)
        wire.wait(lambda n=n: len(traffic.of("S/RTU1", 7, 3)) == n + 2, what="events are seen")
        last = traffic.of("S/RTU1", 7, 3)[-1]
        assert traffic.gone_to(last) == ["M/M1-1", "M/M1-2"]
    all_agree(wire, traffic, rtu, peers)
    # An edited master goes on being seen, a group that is left out does not.
    more = free_ports(2)
    other = group(2, more[0], [more[1]], first_ca=201)
    gateway.apply(other)
    wire.wait(lambda: [s.group for s, _ in gateway.gateway.snapshot()] == [2, 2], what="left out")
    gateway.run(lambda: None)
    gateway.feed.drain(frame_limit=100_000)
    gateway.apply(other + rows)
    wire.wait(lambda: len(gateway.gateway.snapshot()) == 5, what="there again")
    wire.wait(started, 8, "started again")
    assert not gateway.feed.drain().frames


def test_stop_ends_every_watch_and_its_last_frames_can_be_taken(wire, run, quick):
    _, _, gateway, _ = pair(wire, run)
    gateway.stop()
    drained = gateway.feed.drain(frame_limit=10_000)
    octets = [frame.octets for frame in drained.frames]
    assert bytes.fromhex("680413000000") in octets  # STOPDT act to the RTU
    assert not gateway.gateway._watches._taps
    gateway.gateway.watch(TrafficOf(GROUP), True)  # ignored


@pytest.mark.parametrize("number", [7, 0, -1])
def test_a_group_that_is_not_configured_is_not_watched(wire, run, number):
    rtu_port, port = free_ports(2)
    gateway = run(group(GROUP, rtu_port, [port]))
    gateway.gateway.watch(TrafficOf(number), True)
    gateway.gateway.watch(TrafficOf(number), False)
    gateway.run(lambda: None)
    assert not gateway.gateway._watches._taps


# -- cost ----------------------------------------------------------------------------------------


def test_a_group_nobody_watches_costs_nothing(wire, run, quick, monkeypatch):
    made = []
    for name in ("Frame", "Sent", "Row", "Traced", "GroupTap", "_EntryTap"):
        monkeypatch.setattr(tap_module, name, lambda *_, name=name: made.append(name))
    rtu_port, port = free_ports(2)
    rtu = wire.rtu(rtu_port, 32)
    gateway = run(group(GROUP, rtu_port, [port]))
    master = wire.master(port, OWN_CA)
    wire.wait(lambda: rtu.is_started and master.is_started, what="started")
    rtu.events(100)
    master.ask(interrogation(), bitstring_command(5000, 1))
    wire.wait(lambda: len(master.events) == 100 and len(master.answers) == 4)
    hub = gateway.gateway._hubs[GROUP]
    streams = [hub.rtu.stream, *(s for end in hub.ends.values() for s in end.connections)]
    assert len(streams) == 2
    assert all(stream.tap is None for stream in streams)
    assert not made


def test_a_flood_drops_the_oldest_and_counts(wire, run, quick):
    rtu, (one,), gateway, traffic = pair(wire, run, masters=1)
    traffic.poll()
    before = max(traffic.rows)
    kept = 5000
    rtu.events(kept + 500)
    wire.wait(lambda: len(one.events) == kept + 500, 20, "events")
    gateway.run(lambda: None)
    wire.wait(lambda: not one.unacknowledged)
    drained = gateway.feed.drain(frame_limit=100_000)
    assert len(drained.frames) == kept
    numbers = sorted(frame.number for frame in drained.frames)
    assert numbers[-1] - before == kept + drained.skipped_frames
    assert drained.skipped_frames > 500
    assert numbers[0] > before + 500


def test_an_error_in_the_view_ends_the_view_and_not_the_link(
    wire, run, quick, monkeypatch, expected_errors
):
    rtu, (one, two), gateway, traffic = pair(wire, run)
    assert traffic.poll()

    def fail(*_):
        raise RuntimeError("on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(GroupTap, "received", fail)
        rtu.events(5)
        wire.wait(lambda: len(one.events) == len(two.events) == 5)
    rtu.events(5)
    wire.wait(lambda: len(one.events) == len(two.events) == 10)
    assert not one.losses
    assert not rtu.losses
    wait_for(lambda: "traffic cannot be shown" in gateway.program_log(), what="it is said")
    assert len(expected_errors) == 1
    gateway.gateway.watch(TrafficOf(GROUP), True)  # asked for again, it is there again
    gateway.run(lambda: None)
    n = len(traffic.of("S/RTU1", 7, 3))
    rtu.events(2)
    wire.wait(lambda: len(traffic.of("S/RTU1", 7, 3)) == n + 2, what="events are seen")


# -- the traced run itself -----------------------------------------------------------------------


def test_numbers_that_begin_again_at_zero_are_paired():
    """A batch that passes 32767 is stamped in two."""
    frames: list[Frame] = []

    class Kept(Feed):
        def put_frames(self, given):
            frames.extend(given)

    soon = []
    tap = GroupTap(1, Kept(), local_now, soon.append, 0)
    source, target = tap.of_entry("S"), tap.of_entry("M")
    timing = Timing(k=100, w=50)
    rtu = Link(Role.CONTROLLING, timing, Outbox(1000), 0.0)
    master = Link(Role.CONTROLLED, timing, Outbox(1000), 0.0)
    rtu.start(0.0)
    source.data_to_send(rtu, 0.0)
    source.receive(rtu, bytes.fromhex("68040b000000"), 0.0)
    target.receive(master, bytes.fromhex("680407000000"), 0.0)
    target.data_to_send(master, 0.0)
    master.vs = master._va = 32765
    data = b"".join(
        bytes.fromhex("680e") + struct.pack("<HH", n << 1, 0) + bytes([1, 1, 3, 0, 32, 0])
        + bytes([n, 0, 0, 1]) for n in range(6)
    )  # fmt: skip
    (run,) = source.receive(rtu, data, 1.0)
    assert isinstance(run, Traced)
    master.send(run.part(0, 6), address_of(0, 101))
    out = target.data_to_send(master, 1.0)
    assert len(soon) == 1
    tap.hand_over()
    events = [f for f in frames if f.is_received and not f.octets[2] & 1]
    assert b"".join(f.octets for f in events) == data
    assert b"".join(f.sent[0].octets for f in events) == out
    ns = [struct.unpack_from("<H", f.sent[0].octets, 2)[0] >> 1 for f in events]
    assert ns == [32765, 32766, 32767, 0, 1, 2]


def test_a_frame_has_the_time_at_which_its_last_octets_came():
    frames: list[Frame] = []

    class Kept(Feed):
        def put_frames(self, given):
            frames.extend(given)

    begin = local_now()
    clock = [begin]
    tap = GroupTap(1, Kept(), lambda: clock[-1], lambda _: None, 0)
    source = tap.of_entry("S")
    link = Link(Role.CONTROLLING, Timing(), Outbox(10), 0.0)
    for second, octets in enumerate(("6804", "4300", "0000", "680443000000")):
        clock.append(begin + timedelta(seconds=second))
        source.receive(link, bytes.fromhex(octets), float(second))
        if len(octets) > 4 or second == 2:
            tap.hand_over()
    assert [(frame.at - begin).seconds for frame in frames] == [2, 3]
