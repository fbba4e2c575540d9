"""One peer's stream: what waits, what is under way, and what comes first after a new connection."""

import tracemalloc

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.protocol import outbox
from core.protocol.asdu import Asdu
from core.protocol.outbox import Level, Outbox
from core.protocol.run import Run


def asdu(number):
    return Asdu(b"\x07\x01\x03\x00\x01\x00" + number.to_bytes(4, "little"))


def run_of(*numbers):
    return Run.of(*map(asdu, numbers))


def numbers_of(run, start=0, n=None):
    asdus = run.asdus()[start : None if n is None else start + n]
    return [int.from_bytes(one.objects, "little") for one in asdus]


def numbers_in(item):
    return numbers_of(*item[:3])


def undelivered(box):
    return [number for run in box.undelivered() for number in numbers_of(run)]


def filled(*runs, capacity=100):
    box = Outbox(capacity)
    for run in runs:
        box.put(run, 0)
    return box


def test_runs_come_out_in_the_order_they_were_put():
    box = filled(run_of(1, 2), run_of(3))
    assert [numbers_in(box.take(12, 0.0)) for _ in range(2)] == [[1, 2], [3]]


def test_a_run_keeps_its_address_and_is_timed_when_it_is_taken():
    box = Outbox(10)
    run = run_of(1, 2, 3)
    box.put(run, 0x123456)
    assert box.take(2, 7.0) == (run, 0, 2, 0x123456, 7.0)
    assert box.take(2, 8.0) == (run, 2, 1, 0x123456, 8.0)


def test_what_is_beyond_the_capacity_does_not_count_while_it_waits():
    box = Outbox(4)
    assert box.put(run_of(*range(6)), 0, True) is Level.OK
    assert box.put(run_of(6, 7), 0) is Level.OK
    assert box.put(run_of(8, 9), 0) is Level.HALF
    assert box.put(run_of(10), 0) is Level.FULL
    assert box.waiting == 10
    box.take(6, 0.0)
    assert box.put(run_of(10), 0) is Level.FULL  # what counts is all still there
    box.take(1, 0.0)
    assert box.put(run_of(10), 0) is Level.HALF
    assert numbers_of(*box.take(9, 0.0)[:3]) == [7]


@pytest.mark.parametrize("end", ["clear", "withdraw"])
def test_room_beyond_the_capacity_ends_with_what_waits(end):
    box = Outbox(4)
    box.put(run_of(*range(6)), 0, True)
    getattr(box, end)()
    assert box.put(run_of(*range(5)), 0) is Level.FULL


def test_a_small_room_takes_a_run_in_pieces():
    box = filled(run_of(1, 2, 3, 4, 5))
    pieces = []
    while box.waiting:
        pieces.append(numbers_in(box.take(2, 0.0)))
    assert pieces == [[1, 2], [3, 4], [5]]


def test_nothing_waiting_cannot_be_taken():
    box = filled(run_of(1))
    box.take(1, 0.0)
    with pytest.raises(IndexError):
        box.take(1, 0.0)


@pytest.mark.parametrize(
    ("capacity", "before", "n", "level"),
    [
        (10, 0, 5, Level.OK),
        (10, 0, 6, Level.HALF),
        (10, 4, 1, Level.OK),
        (10, 5, 1, Level.HALF),
        (10, 9, 1, Level.HALF),
        (10, 10, 1, Level.FULL),
        (10, 8, 3, Level.FULL),
        (10, 0, 11, Level.FULL),
        (11, 0, 5, Level.OK),
        (11, 0, 6, Level.HALF),
    ],
)
def test_the_level_tells_how_far_behind_the_peer_is(capacity, before, n, level):
    box = filled(*[run_of(0)] * before, capacity=capacity)
    assert box.put(run_of(*range(1, n + 1)), 0) is level
    assert box.waiting == before + (0 if level is Level.FULL else n)


def test_what_is_full_takes_nothing_of_the_run():
    box = filled(run_of(1), capacity=2)
    assert box.put(run_of(2, 3), 0) is Level.FULL
    assert undelivered(box) == [1]


def test_the_window_does_not_count_against_the_capacity():
    box = filled(run_of(1, 2), capacity=2)
    box.take(2, 0.0)
    assert box.waiting == 0
    assert box.put(run_of(3), 0) is Level.OK


def test_t1_runs_from_the_oldest_unacknowledged_frame():
    box = filled(run_of(1, 2), run_of(3))
    assert box.oldest_sent_at is None
    box.take(1, 5.0)
    box.take(1, 6.0)
    box.take(1, 7.0)
    assert box.oldest_sent_at == 5.0
    box.acknowledge(1)
    assert box.oldest_sent_at == 6.0
    box.acknowledge(2)
    assert box.oldest_sent_at is None


def test_part_of_a_batch_can_be_acknowledged():
    box = filled(run_of(1, 2, 3, 4))
    box.take(4, 5.0)
    box.acknowledge(3)
    assert undelivered(box) == [4]
    assert box.oldest_sent_at == 5.0


def test_rewinding_puts_the_unacknowledged_first_and_times_them_anew():
    box = filled(run_of(1, 2, 3), run_of(4, 5))
    box.take(2, 1.0)
    box.take(1, 2.0)
    box.take(1, 3.0)
    box.acknowledge(1)
    box.rewind()
    assert (box.waiting, box.oldest_sent_at) == (4, None)
    assert undelivered(box) == [2, 3, 4, 5]
    taken = []
    while box.waiting:
        taken += numbers_in(box.take(12, 9.0))
        assert box.oldest_sent_at == 9.0
    assert taken == [2, 3, 4, 5]


def test_clearing_forgets_everything_and_counts_it():
    box = filled(run_of(1, 2, 3), run_of(4))
    box.take(2, 0.0)
    box.acknowledge(1)
    assert box.clear() == 3
    assert (box.waiting, box.oldest_sent_at, undelivered(box)) == (0, None, [])
    assert box.clear() == 0


def test_what_was_never_sent_can_be_taken_back():
    box = filled(run_of(1, 2, 3), run_of(4))
    box.take(2, 5.0)
    assert [numbers_of(run) for run in box.withdraw()] == [[3], [4]]
    assert (box.waiting, box.oldest_sent_at, undelivered(box)) == (0, 5.0, [1, 2])
    assert box.withdraw() == []


def test_the_undelivered_are_told_oldest_first():
    box = filled(run_of(1, 2, 3), run_of(4))
    box.take(1, 0.0)
    assert undelivered(box) == [1, 2, 3, 4]


def test_what_was_undelivered_can_be_told_after_clearing():
    box = filled(run_of(1, 2, 3), run_of(4), *[run_of(n) for n in range(5, 60)])
    box.take(2, 0.0)
    runs = box.undelivered()
    assert box.clear() == 59
    box.put(run_of(99), 0)
    assert [number for run in runs for number in numbers_of(run)] == list(range(1, 60))


def test_a_run_that_waits_far_behind_costs_one_reference():
    box = Outbox(300_000)
    runs = [run_of(1)] * 100_000
    tracemalloc.start()
    try:
        for n in range(3):
            for run in runs:
                box.put(run, n)
        size = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert box.waiting == 300_000
    assert size < 300_000 * 8 * 1.1 + 1000 * 200


class OutboxAgainstAList(RuleBasedStateMachine):
    """Two plain lists of (number, address) and (number, address, time) say what is right."""

    @initialize(capacity=st.integers(1, 40), near=st.integers(0, 6), step=st.integers(2, 4))
    def begin(self, capacity, near, step):
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(outbox, "_NEAR", near)
        self.patch.setattr(outbox, "_AT_A_TIME", step)
        self.capacity = capacity
        self.box = Outbox(capacity)
        self.waiting = []
        self.under_way = []
        self.next = 0
        self.now = 0.0

    @rule(n=st.integers(1, 12), address=st.integers(0, 3))
    def put(self, n, address):
        numbers = range(self.next, self.next + n)
        self.next += n
        level = self.box.put(run_of(*numbers), address)
        if len(self.waiting) + n > self.capacity:
            assert level is Level.FULL
            return
        self.waiting += [(number, address) for number in numbers]
        half = len(self.waiting) > self.capacity // 2
        assert level is (Level.HALF if half else Level.OK)

    @precondition(lambda self: self.waiting)
    @rule(room=st.integers(1, 8), later=st.integers(0, 3))
    def take(self, room, later):
        self.now += later
        item = self.box.take(room, self.now)
        _run, _start, n, address, sent_at = item
        assert 1 <= n <= room
        assert sent_at == self.now
        taken = [(number, address) for number in numbers_in(item)]
        assert taken == self.waiting[:n]
        del self.waiting[:n]
        self.under_way += [(number, address, self.now) for number, address in taken]

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def acknowledge(self, data):
        n = data.draw(st.integers(0, len(self.under_way)))
        self.box.acknowledge(n)
        del self.under_way[:n]

    @rule()
    def rewind(self):
        self.box.rewind()
        self.waiting = [(number, address) for number, address, _ in self.under_way] + self.waiting
        self.under_way = []

    @rule()
    def withdraw(self):
        taken = [number for run in self.box.withdraw() for number in numbers_of(run)]
        assert taken == [number for number, _ in self.waiting]
        self.waiting = []

    @rule()
    def clear(self):
        assert self.box.clear() == len(self.waiting) + len(self.under_way)
        self.waiting, self.under_way = [], []

    @invariant()
    def agrees(self):
        assert self.box.waiting == len(self.waiting)
        assert undelivered(self.box) == [entry[0] for entry in self.under_way + self.waiting]
        oldest = self.under_way[0][2] if self.under_way else None
        assert self.box.oldest_sent_at == oldest

    def teardown(self):
        self.patch.undo()


OutboxAgainstAList.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestOutboxAgainstAList = OutboxAgainstAList.TestCase
