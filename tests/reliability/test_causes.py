"""An end of a connection needs a cause in the schedule, and a loss a line in the log."""

import pytest

from tests.reliability.book import Book
from tests.reliability.causes import Causes
from tests.reliability.plant import LogLine
from tests.reliability.run import Sample
from tests.reliability.soak import trend


class Group:
    """What `Causes` asks of one."""

    def __init__(self) -> None:
        self.book = Book(1, 3.0, 12)
        self.book.station = "S/RTU1"


def judged(lines, faults=(), closes=(), kills=()):
    """The kinds of finding; faults are (kind, label, begin, end)."""
    group = Group()
    for fault in faults:
        group.book.fault(*fault)
    group.book.closes += closes
    causes = Causes(group, [LogLine(*line) for line in lines], scale=1)
    causes.judge(kills)
    return [finding.split(": ")[1] for finding in group.book.findings], causes


M, S = "M/M1-1", "S/RTU1"
NO_ANSWER = (10.0, M, "disconnected: no answer within t1: no TESTFR con within 3 s")

ENDS = [
    ([NO_ANSWER], [("stall", M, 5.0, 8.0)], [], []),
    ([NO_ANSWER], [("cut", M, 5.0, 8.0)], [], ["end without cause"]),
    ([NO_ANSWER], [], [], ["end without cause"]),
    ([NO_ANSWER], [("stall", "M/M1-2", 5.0, 8.0)], [], ["end without cause"]),
    ([(30.0, *NO_ANSWER[1:])], [("stall", M, 5.0, 8.0)], [], ["end without cause"]),
    ([(10.0, M, "disconnected: closed by the peer")], [], [(10.0, M, "ours")], []),
    ([(10.0, M, "disconnected: closed by the peer")], [], [], ["end without cause"]),
    (
        [(10.0, M, "disconnected: RTU link lost"), (9.9, S, "disconnected: closed by the peer")],
        [], [(9.8, S, "ours"), (10.1, M, "closed")], [],
    ),
    ([(10.0, M, "disconnected: RTU link lost")], [], [], ["end without cause"]),
    ([(10.0, M, "disconnected: whatever")], [("stall", M, 5.0, 8.0)], [], ["end without cause"]),
    ([], [], [(10.0, M, "closed")], ["silent end"]),
    ([(10.1, M, "refused 127.0.0.1:1: x")], [], [(10.0, M, "reset")], []),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "faults", "closes", "found"), ENDS)
def test_an_end_needs_its_cause_and_its_line(lines, faults, closes, found):
    assert judged(lines, faults, closes)[0] == found


def test_a_killed_gateway_says_nothing():
    assert judged([], closes=[(10.0, M, "closed")], kills=[9.9])[0] == []


TOLD = [
    ([(1.0, S, "12 of the oldest events kept while no master was started were dropped")], 12),
    # of a started master, by its own fault: kept, so nothing is said of a loss
    ([(1.0, M, "startdt act/con done"), (2.0, M, "disconnected: closed by the peer, "
       "5 ASDUs not acknowledged")], 0),
    ([(1.0, M, "startdt act/con done"), (2.0, M, "disconnected: RTU link lost, "
       "5 ASDUs not acknowledged")], 5),
    ([(1.0, M, "startdt act/con done"), (1.5, M, "stopdt act received"),
      (2.0, M, "disconnected: closed by the peer, 5 ASDUs not acknowledged")], 5),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "told"), TOLD)
def test_losses_are_counted_as_the_log_tells_them(lines, told):
    assert judged(lines)[1].losses_told() == told


def test_the_slope_is_that_of_the_time_after_the_warm_up():
    samples = [
        Sample(float(at), 500 if at < 20 else 100 + at, 7, 5, 0.0) for at in range(0, 101, 5)
    ]
    memory, descriptors = (trend(samples, what, 0.2) for what in ("rss_kib", "descriptors"))
    assert memory.per_hour == pytest.approx(3600.0)
    assert (memory.first, memory.last, memory.low, memory.high) == (120, 200, 120, 200)
    assert descriptors.per_hour == 0
