"""Peers that flood, stall, send garbage or one octet at a time: they harm nobody else."""

import random
import struct
import time

import pytest

from tests.support.gateway import Gateway, group
from tests.support.ports import free_ports
from tests.support.wire import Asdu, asdu, assert_clean, bitstring_command, event_frame, read

LATE = 1.0
"""Seconds an event of an innocent group may take while the other group is under attack."""
PERIOD = 0.02


class Town:
    """Group 1 is where the trouble is; group 2 sends an event every 20 ms and is timed.

    `steady` has the entries of group 2, `masters` those of group 1 that are started by `start`.
    """

    def __init__(self, wire, folder, masters=2, master_options=(), settings=()):
        self.wire = wire
        rtu_port, steady_port, steady_master, *self.ports = free_ports(3 + masters)
        rows = group(1, rtu_port, self.ports, master_options=master_options)
        rows += group(2, steady_port, [steady_master], ca=33, first_ca=201)
        self.gateway = Gateway(folder, rows, settings)
        self.rtu = wire.rtu(rtu_port, 32)
        self.steady_rtu = wire.rtu(steady_port, 33, name="steady rtu")
        self.steady_master_port = steady_master
        self._ticks = True

    def __enter__(self):
        self.gateway.__enter__()
        self.steady = self.wire.master(self.steady_master_port, 201, name="steady master")
        self.wire.wait(lambda: self.steady.is_started, 10, "the steady group started")
        self.wire.call(self._tick)
        return self

    def __exit__(self, kind, *rest):
        if kind is None:
            self.check()
        self.gateway.__exit__(kind, *rest)

    def _tick(self):
        if self._ticks:
            self.steady_rtu.events(1)
            self.wire.later(PERIOD, self._tick)

    def master(self, index=0, **options):
        return self.wire.master(self.ports[index], 101 + index, **options)

    def start(self, *indices):
        masters = [self.master(i) for i in indices]
        self.wire.wait(lambda: all(m.is_started for m in masters), 10, "masters started")
        return masters

    def pass_events(self, count):
        """Waits until the steady group has had `count` more events."""
        before = len(self.steady.events)
        self.wire.wait(
            lambda: len(self.steady.events) >= before + count,
            count * PERIOD + 10,
            "events of the steady group",
        )

    def check(self):
        """The steady group had everything, in time."""
        self._ticks = False
        sent = self.steady_rtu.next_number
        self.wire.wait(lambda: len(self.steady.events) >= sent, 5, "the steady group's events")
        assert not self.steady.losses
        assert not self.steady_rtu.losses
        assert_clean(self.steady_rtu, self.steady)
        delays = [
            came - went
            for went, came in zip(self.steady_rtu.sent_at, self.steady.events_at, strict=True)
        ]
        assert max(delays) < LATE, f"an event of the steady group took {max(delays):.2f} s"
        self.gateway.check_alive()


STARTDT = "680407000000"
GARBAGE = {
    "no start octet": "470400000000",
    "HTTP": b"GET / HTTP/1.1\r\n\r\n".hex(),
    "length 0": "6800",
    "length 3": "6803010000",
    "length 254": "68fe" + "00" * 254,
    "length 255": "68ff" + "00" * 255,
    "unknown U function": "68040f000000",
    "all U functions": "6804ff000000",
    "no U function": "680403000000",
    "I frame while stopped": "680e0000000064010600650000000014",
    "S frame while stopped": "680401000000",
    "ASDU without header": STARTDT + "680900000000" + "6401060065",
    "I frame without ASDU": STARTDT + "680400000000",
    "N(S) 1 first": STARTDT + "680e0200000064010600650000000014",
    "N(R) 5 of nothing": STARTDT + "68040100fe7f",
    "random": random.Random(104).randbytes(3000).hex(),
    "random after start": STARTDT + random.Random(105).randbytes(3000).hex(),
    "zeros": "00" * 100_000,
    "start octets": "68" * 100_000,
}


def test_a_master_that_sends_garbage_is_closed_and_harms_nobody(wire, tmp_path):
    with Town(wire, tmp_path) as town:
        (good,) = town.start(1)
        bad = town.master(0, starts=False, is_strict=False, retry_pause=0.02)
        for name, octets in GARBAGE.items():
            wire.wait(lambda: bad.is_connected, 5, f"connected before {name!r}")
            losses = bad.losses
            bad.raw(bytes.fromhex(octets))
            wire.wait(lambda n=losses: bad.losses > n, 5, f"closed for {name!r}")
            town.gateway.check_alive()
        town.rtu.events(100)
        wire.wait(lambda: len(good.events) == 100, 5, "the other master's events")
        assert not good.losses
        assert not town.rtu.losses
        assert_clean(town.rtu, good)


def test_an_rtu_that_sends_garbage_is_dialled_again_and_harms_nobody(wire, tmp_path):
    with Town(wire, tmp_path) as town:
        masters = town.start(0, 1)
        for octets in (
            b"\x00" * 50_000,
            random.Random(7).randbytes(5000),
            bytes.fromhex("68040f000000"),
            bytes.fromhex("680401001234"),  # acknowledges what nobody sent
            event_frame(0, 32, ns=77),
        ):
            wire.wait(lambda: all(m.is_started for m in masters), 15, "all started")
            wire.wait(lambda: town.rtu.is_started, 5, "the RTU started")
            losses = town.rtu.losses
            town.rtu.raw(octets)
            wire.wait(lambda n=losses: town.rtu.losses > n, 5, "the RTU's link closed")
            wire.wait(lambda: not any(m.is_connected for m in masters), 1, "the masters' closed")


@pytest.mark.parametrize("spoilt", ["few octets", "no object", "an address alone"])
def test_a_malformed_object_is_dropped_and_the_link_stays(wire, tmp_path, spoilt):
    bad = {
        "few octets": asdu(13, 1, b"\0\0", 3),
        "no object": Asdu(1, b"", 3, vsq=0),
        "an address alone": asdu(1, 1, b"", 3),
    }[spoilt]
    with Town(wire, tmp_path) as town:
        (master,) = town.start(0)
        town.rtu.send(bad)
        town.rtu.events(5)
        wire.wait(lambda: len(master.events) == 5, 5, "what followed")
        assert not master.inbox
        assert not town.rtu.losses
        assert not master.losses


def test_one_octet_at_a_time_is_as_good_as_any(wire, tmp_path):
    with Town(wire, tmp_path) as town:
        town.rtu.set(trickles=True)
        slow = town.master(0, trickles=True)
        (quick,) = town.start(1)
        wire.wait(lambda: slow.is_started, 10, "the slow master started")
        for master, base in ((slow, 0), (quick, 100)):
            master.ask(*[bitstring_command(base + n, base + n) for n in range(20)])
        town.rtu.events(200)
        wire.wait(
            lambda: all(len(m.events) == 200 and len(m.answers) == 40 for m in (slow, quick)),
            20,
            "all events and answers",
        )
        assert_clean(town.rtu, slow, quick)


def test_a_frame_that_never_ends_harms_nobody(wire, tmp_path):
    with Town(wire, tmp_path) as town:
        (good,) = town.start(1)
        half = town.master(0, starts=False)
        wire.wait(lambda: half.is_connected, 5, "connected")
        half.raw(bytes.fromhex("680407"))
        town.rtu.events(100)
        wire.wait(lambda: len(good.events) == 100, 5, "events")
        assert_clean(town.rtu, good)


def test_a_master_that_stops_reading_delays_nobody(wire, tmp_path):
    with Town(wire, tmp_path, masters=3) as town:
        stalled, *others = town.start(0, 1, 2)
        stalled.pause_reading()
        town.rtu.events(20_000)
        wire.wait(lambda: all(len(m.events) == 20_000 for m in others), 15, "the others' events")
        assert_clean(town.rtu, *others)
        assert not town.rtu.losses


def test_a_master_that_never_acknowledges_delays_nobody(wire, tmp_path):
    with Town(wire, tmp_path, masters=3) as town:
        stalled, *others = town.start(0, 1, 2)
        stalled.set(w=None)
        town.rtu.events(20_000)
        wire.wait(lambda: all(len(m.events) == 20_000 for m in others), 15, "the others' events")
        assert_clean(town.rtu, *others)
        assert len(stalled.events) <= 12


BIG = Asdu(13, b"".join(struct.pack("<HBfB", 5000 + n, 0, n, 0) for n in range(30)), 3, vsq=30)
"""As many octets as an ASDU takes, 255 with its frame."""
PART = 2000


@pytest.mark.posix
def test_memory_is_flat_while_masters_with_the_largest_window_stall(wire, tmp_path):
    options = ("k=32767", "w=8", "buffer=5000")
    with Town(wire, tmp_path, masters=7, master_options=options) as town:
        good, *stalled = town.start(*range(7))
        for peer in (town.rtu, good, *stalled):
            peer.set(keeps_frames=False, their_k=32767)
        before, rounds, count = town.gateway.rss_kib, [], 0
        for _ in range(2):
            wire.wait(lambda: all(m.is_started for m in stalled), 10, "started")
            for master in stalled:
                master.pause_reading()
            highest = 0
            # 9 MB for each: more than the kernel and the waiting room together take
            for _ in range(18):
                town.rtu.send(*[BIG] * PART)
                count += PART
                wire.wait(lambda n=count: len(good.inbox) >= n, 10, "the other master's data")
                highest = max(highest, town.gateway.rss_kib)
            rounds.append(highest - before)
            for master in stalled:
                master.close(reconnect=True)
        assert not good.losses
        assert not town.rtu.losses
        # what waits is there once for all: 9 MB at most; a window per master would be 54
        assert max(rounds) < 20 * 1024, f"grew by {rounds} KiB"
        assert rounds[-1] - rounds[0] < 4 * 1024, f"grew by {rounds} KiB"


@pytest.mark.posix
def test_an_rtu_that_floods_past_its_window_harms_no_other_group(wire, tmp_path):
    with Town(wire, tmp_path) as town:
        masters = town.start(0, 1)
        for peer in (town.rtu, *masters):
            peer.set(keeps_frames=False)
        before = town.gateway.rss_kib
        town.rtu.set(k=None, checks_acks=False)
        town.rtu.events(150_000)
        highest = 0

        def flooded():
            nonlocal highest
            highest = max(highest, town.gateway.rss_kib)
            return len(town.rtu.sent) == 150_000

        wire.wait(flooded, 30, "the flood")
        town.pass_events(20)
        highest = max(highest, town.gateway.rss_kib)
        assert highest - before < 120 * 1024
        # the group itself works again once it is over
        town.rtu.set(k=12)
        wire.wait(lambda: all(m.is_started for m in masters), 15, "masters started")
        last = town.rtu.events(1)[-1]
        wire.wait(lambda: all(last in m.events[-1:] for m in masters), 15, "an event after it")


@pytest.mark.posix
def test_a_master_that_floods_a_stalled_rtu_harms_no_other_group(wire, tmp_path):
    with Town(wire, tmp_path) as town:
        flooder, calm = town.start(0, 1)
        for peer in (town.rtu, flooder, calm):
            peer.set(keeps_frames=False)
        before = town.gateway.rss_kib
        town.rtu.pause_reading()
        flooder.set(k=None, checks_acks=False, is_strict=False, reconnects=False)
        flooder.send(*[bitstring_command(n % 60_000, n) for n in range(100_000)])
        begin = time.monotonic()
        wire.wait(
            lambda: flooder.losses or time.monotonic() - begin > 3, 5, "closed, or kept waiting"
        )
        town.pass_events(20)
        assert town.gateway.rss_kib - before < 120 * 1024
        assert not town.rtu.losses, "a master's flood must not end the RTU's link"
        town.rtu.resume_reading()
        flooder.close()
        town.rtu.events(10)
        wire.wait(lambda: len(calm.events) == 10, 10, "the group after the flood")


def test_masters_that_knock_and_leave_harm_nobody(wire, tmp_path):
    with Town(wire, tmp_path) as town:
        (good,) = town.start(1)
        guest = town.master(0, retry_pause=0.0)
        for n in range(40):
            wire.wait(lambda: guest.is_connected, 5, "let in")
            if n % 4 == 3:
                wire.wait(lambda: guest.is_started, 5, "started")
                guest.send(read(1))
            guest.close(reset=bool(n % 2), reconnect=True)
        town.rtu.events(100)
        wire.wait(lambda: len(good.events) == 100, 5, "events")
        assert_clean(town.rtu, good)
        assert not good.losses
