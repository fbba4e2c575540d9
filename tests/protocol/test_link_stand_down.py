"""A link whose stream of data another connection of the same master takes over."""

import pytest

from core.protocol.link import NEVER, Reason, Started, State, Stopped
from core.protocol.outbox import Outbox
from core.protocol.run import Run

from .frames import ASDU, STARTDT_ACT, STARTDT_CON, STOPDT_ACT, STOPDT_CON, I, S, i_frame, s_frame
from .links import (
    CONTROLLED,
    CONTROLLING,
    failure,
    flat,
    kinds,
    new_link,
    number,
    send,
    sent,
    started_link,
    unconfirmed_link,
)


def stood_down(own=3, acknowledged=0, vs=0):
    """A started link that has sent so many frames and then stood down, and its old outbox."""
    link = started_link(CONTROLLED, vs=vs)
    send(link, own)
    if acknowledged:
        link.receive(s_frame((vs + acknowledged) % 32768), 0.0)
    box = link.outbox
    link.stand_down()
    assert link.state is State.STOPPED
    return link, box


def undelivered(box):
    return sum(map(len, box.undelivered()))


def test_what_was_received_is_acknowledged_and_nothing_else_is_sent():
    link = started_link(CONTROLLED)
    link.receive(i_frame(0, 0) + i_frame(1, 0), 0.0)
    link.hold_acks = True
    link.stand_down()
    assert sent(link) == [S(2)]
    assert not link.hold_acks
    link, _ = stood_down()
    assert sent(link) == []


def test_a_stop_that_waits_for_acknowledgements_is_confirmed_at_once():
    link = unconfirmed_link(own=2)
    link.stand_down()
    assert (link.state, sent(link)) == (State.STOPPED, [STOPDT_CON])


def test_the_old_outbox_is_left_as_it_was_and_a_new_one_is_empty():
    link, box = stood_down(own=15, acknowledged=1)
    assert (box.waiting, undelivered(box)) == (3, 14)
    assert link.outbox is not box
    assert (link.outbox.waiting, link.outbox.capacity) == (0, box.capacity)
    link.receive(s_frame(12), 0.0)
    box.rewind()
    assert box.waiting == 14


@pytest.mark.parametrize("vs", [0, 32766])
@pytest.mark.parametrize("nrs", [[1], [1, 1], [2], [3, 3], [1, 2, 3], [0, 0, 3]])
def test_late_acknowledgements_are_tolerated_while_stopped_and_after_the_next_start(nrs, vs):
    late = [s_frame((vs + nr) % 32768) for nr in nrs]
    for at_once in (True, False):
        link, _ = stood_down(3, vs=vs)
        for frame in late if at_once else []:
            assert list(link.receive(frame, 0.0)) == []
        assert flat(link.receive(STARTDT_ACT, 0.0)) == [Started()]
        for frame in late[-1:] if at_once else late:
            assert list(link.receive(frame, 0.0)) == []
        first = (vs + 3) % 32768
        assert sent(link) == [STARTDT_CON]
        assert send(link, 2) == [I(first, 0, ASDU), I((first + 1) % 32768, 0, ASDU)]
        # They acknowledged nothing of what is sent now.
        assert undelivered(link.outbox) == 2
        assert list(link.receive(s_frame((first + 1) % 32768), 0.0)) == []
        assert undelivered(link.outbox) == 1
        assert list(link.receive(s_frame((first + 2) % 32768), 0.0)) == []
        assert link.outstanding == 0
        assert link.outbox.oldest_sent_at is None


WRONG = [
    ("never sent", 3, 0, [4]),
    ("acknowledged before", 3, 2, [1]),
    ("going back", 3, 0, [2, 1]),
    ("before all", 3, 0, [32767]),
]


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(
    ("own", "acknowledged", "nrs"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG]
)
def test_an_acknowledgement_outside_of_what_was_under_way_is_a_failure(
    own, acknowledged, nrs, restarts
):
    link, _ = stood_down(own, acknowledged)
    if restarts:
        link.receive(STARTDT_ACT, 0.0)
    *good, bad = nrs
    for nr in good:
        assert list(link.receive(s_frame(nr), 0.0)) == []
    assert failure(link.receive(s_frame(bad), 0.0)).reason is Reason.RECEIVE_SEQUENCE


def test_an_i_frame_while_stood_down_ends_the_link():
    link, _ = stood_down()
    assert failure(link.receive(i_frame(0, 0), 0.0)).reason is Reason.NOT_STARTED


def test_an_s_frame_while_stopped_in_the_ordinary_way_still_ends_the_link():
    link, _ = stood_down(own=0)
    link.receive(STARTDT_ACT + STOPDT_ACT, 0.0)
    assert link.state is State.STOPPED
    assert failure(link.receive(s_frame(0), 0.0)).reason is Reason.NOT_STARTED
    never_started = new_link(CONTROLLED)
    never_started.stand_down()
    assert list(never_started.receive(s_frame(0), 0.0)) == []  # it stood down all the same


def test_numbers_go_on_after_the_next_start():
    link = started_link(CONTROLLED)
    send(link, 2)
    link.receive(i_frame(0, 2), 0.0)
    link.stand_down()
    assert sent(link) == [S(1)]
    events = link.receive(STARTDT_ACT + i_frame(1, 2), 0.0)
    assert kinds(events) == [Started, Run]
    assert [type(f) for f in send(link, 1)] == [bytes, I]
    assert (link.vs, link.vr) == (3, 2)


def test_what_the_peer_has_not_acknowledged_counts_for_k_after_the_next_start():
    link, _ = stood_down(own=10)
    link.receive(STARTDT_ACT, 0.0)
    assert len(send(link, 12)) == 1 + 2
    assert link.outstanding == 12
    link.receive(s_frame(7), 0.0)
    assert len(sent(link)) == 7
    assert link.outstanding == 12
    link.receive(s_frame(12), 0.0)  # the ten, and two of the twelve
    assert undelivered(link.outbox) == 10


def test_t1_of_late_frames_begins_with_the_next_start():
    link, _ = stood_down(own=2)
    for now in (10.0, 30.0, 50.0):
        link.receive(STOPDT_ACT, now)  # any sign of life
        assert list(link.handle_timeout(now)) == []
    link.receive(STARTDT_ACT, 55.0)
    assert link.due <= 70.0
    link.receive(STARTDT_ACT, 69.0)
    assert list(link.handle_timeout(69.9)) == []
    assert failure(link.handle_timeout(70.0)).reason is Reason.NO_ANSWER


def test_an_acknowledged_late_frame_is_timed_no_longer():
    link, _ = stood_down(own=2)
    link.receive(STARTDT_ACT, 5.0)
    link.receive(s_frame(2), 6.0)
    send(link, 1, now=10.0)
    link.receive(STARTDT_ACT, 19.0)
    assert list(link.handle_timeout(24.9)) == []
    assert failure(link.handle_timeout(25.0)).reason is Reason.NO_ANSWER


def test_a_stop_after_the_next_start_waits_for_late_frames_too():
    link, _ = stood_down(own=2)
    assert flat(link.receive(STARTDT_ACT + STOPDT_ACT, 0.0)) == [Started(), Stopped()]
    assert link.state is State.UNCONFIRMED
    assert sent(link) == [STARTDT_CON]
    link.receive(s_frame(2), 0.0)
    assert sent(link) == [STOPDT_CON]


def test_standing_down_again_and_again_never_leaves_more_than_k_under_way():
    link = started_link(CONTROLLED)
    number(link, 32700, 0)
    for _ in range(100):
        link.outbox = Outbox(100)
        send(link, 5)
        assert link.outstanding <= 12
        link.stand_down()
        assert list(link.receive(STARTDT_ACT, 0.0)) == [Started()]
        sent(link)
    assert link.outstanding == 12
    link.receive(s_frame(link.vs), 0.0)
    assert link.outstanding == 0


def test_standing_down_when_it_makes_no_sense_is_our_own_fault():
    link, _ = stood_down()
    link.receive(i_frame(0, 0), 0.0)
    assert link.is_failed
    for wrong in (link, started_link(CONTROLLING)):
        with pytest.raises(RuntimeError):
            wrong.stand_down()


def test_a_stood_down_link_has_no_deadline_for_its_late_frames():
    link, _ = stood_down(own=12)
    link.handle_timeout(0.0)
    assert link._confirmation_due == NEVER
