"""Selections: who may speak to a selected point, every way the lock ends, and what is owed then."""

import pytest

from core.routing import selections
from core.routing.actions import RTU, Kind, StopTransfer

from .asdus import asdu, changed, event, obj, one_object
from .groups import (
    COMMANDS,
    ECHOES,
    SELECTABLE,
    answer,
    asks,
    assert_refused,
    command,
    delivered,
    deliveries,
    echoed,
    everyone,
    goes,
    hears,
    home,
    notes,
    on,
    online,
    order,
    relinked,
    told,
)


def select(seat=1, *, type_id=45, **more):
    return order(type_id, seat, select=True, **more)


def selected(*seats, now=1.0, **options):
    """A group in which the first master has selected point 5, and the RTU has confirmed."""
    group = online(*seats, **options)
    assert asks(group, 1, select(oa=9), now=now) == [on(select(oa=9), 1)]
    con = answer(select(), 7)
    assert hears(group, con, now=now) == [home(con, 1, 9)]
    return group


def owed(seat=1):
    """What the gateway sends to end the selection of point 5."""
    return on(select(seat, oa=9, cause=8), seat)


UNSELECT = answer(select(cause=8), 9)
"""The RTU's confirmation of it."""


def is_open(group, seat, what=None, *, now):
    """Whether the point takes a master's command; none is sent."""
    probe = order(64, seat) if what is None else what
    actions = told(group, seat, probe, now=now)
    if actions:
        assert_refused(actions, seat, probe)
        return False
    group.master_stopped(seat, [], now)
    group.master_started(seat, now)
    return True


# The lock


@pytest.mark.parametrize("type_id", SELECTABLE)
def test_a_select_locks_its_point_for_every_command_of_every_other_master(type_id):
    group = online()
    mine = select(type_id=type_id)
    assert asks(group, 1, mine) == [on(mine, 1)]
    for is_confirmed in (False, True):
        for seat in (2, 3):
            for other in COMMANDS:
                for cause in (6, 8):
                    what = order(other, seat, cause=cause, oa=7, test=True)
                    assert_refused(told(group, seat, what), seat, what, why="selected")
                if other in SELECTABLE:
                    what = select(seat, type_id=other)
                    assert_refused(told(group, seat, what), seat, what, cause=7)
        assert goes(group) == []
        if not is_confirmed:
            hears(group, answer(mine, 7))


def test_it_locks_from_its_acceptance_though_the_rtu_has_no_room():
    group = online()
    told(group, 1, select())
    assert not is_open(group, 2, now=1.0)
    assert goes(group) == [on(select(), 1)]


def test_two_that_wait_for_room_lock_until_both_are_sent():
    group = online(1, 2, command_timeout=4.0)
    told(group, 1, select(), now=1.0)
    told(group, 1, select(), now=2.0)
    group.handle_timeout(5.0)  # the first is refused
    assert_refused(told(group, 2, order(64, 2), now=5.0), 2, order(64, 2), why="selected")
    assert goes(group, 5.0) == [on(select(), 1)]
    assert not is_open(group, 2, now=5.0)


def test_other_points_stay_open():
    group = selected(rtu=(32, 33))
    elsewhere = order(45, 2, ca=202)
    assert delivered(group, 2, command(6, seat=2)) == [on(command(6, seat=2), 2)]
    assert delivered(group, 2, elsewhere) == [on(elsewhere, 2, 33)]


def test_the_selecting_master_may_command_his_point():
    group = selected()
    for type_id in COMMANDS:
        if type_id != 45:
            what = order(type_id, 1)
            assert delivered(group, 1, what) == [on(what, 1)]
    assert not is_open(group, 2, now=1.0)


def test_only_commands_are_locked_out():
    group = selected()
    for what in (
        asdu(102, 5, obj(5), ca=102),
        asdu(110, 6, one_object(110), ca=102),
        asdu(200, 6, obj(5, 1), ca=102),
        asdu(100, 6, obj(0, 20), ca=102),
    ):
        assert delivered(group, 2, what) == [on(what, 2)]


def test_a_select_in_the_sense_of_the_standard_only():
    # S/E is bit 8 of the qualifier; a bitstring has none, a value may have that bit set.
    for what in (
        asdu(51, 6, obj(5, 0xFF, 0xFF, 0xFF, 0xFF), ca=101),
        asdu(64, 6, obj(5, *[0xFF] * 11), ca=101),
        asdu(48, 6, obj(5, 0xFF, 0xFF, 0x7F), ca=101),
        asdu(50, 6, obj(5, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F), ca=101),
        asdu(58, 6, obj(5, 0x7F, *[0xFF] * 7), ca=101),
    ):
        group = online()
        assert asks(group, 1, what) == [on(what, 1)]
        other = order(45, 2)
        assert delivered(group, 2, other) == [on(other, 2)]


def test_the_number_of_selections_is_bounded(monkeypatch):
    monkeypatch.setattr(selections, "LIMIT", 3)
    group = online()
    for ioa in (1, 2, 3):
        asks(group, 1, select(ioa=ioa))
    assert_refused(told(group, 1, select(ioa=4)), 1, select(ioa=4), why="too many")
    assert asks(group, 1, order(45, 1, ioa=4)) == [on(order(45, 1, ioa=4), 1)]


# How it ends at the RTU


REFUSALS = [
    ("negative confirmation", 7, True),
    ("deactivation confirmed instead", 9, False),
    *((f"{cause}, P/N {int(p)}", cause, p) for cause in (44, 45, 46, 47) for p in (True, False)),
]


@pytest.mark.parametrize(("cause", "negative"), [r[1:] for r in REFUSALS],
                         ids=[r[0] for r in REFUSALS])  # fmt: skip
@pytest.mark.parametrize("echo", ECHOES)
def test_it_ends_when_the_rtu_refuses_the_select(cause, negative, echo):
    group = online()
    asks(group, 1, select(oa=9))
    no = answer(select(), cause, negative=negative, oa=echoed(echo, 1))
    assert delivered(group, RTU, no) == [home(no, 1, 9)]
    assert is_open(group, 2, now=1.0)
    assert group.master_lost(1, [], 2.0) == []  # nothing is owed


def test_it_ends_with_the_execute():
    group = selected()
    execute = order(45, 1, oa=10)
    assert delivered(group, 1, execute) == [on(execute, 1)]
    assert is_open(group, 2, now=1.0)
    # .. which is then a command under way like any other
    assert_refused(told(group, 2, order(45, 2)), 2, order(45, 2), why="under way")
    for cause in (7, 10):
        said = answer(execute, cause)
        assert delivered(group, RTU, said) == [home(said, 1, 10)]
    assert group.master_lost(1, [], 2.0) == []


def test_an_execute_of_another_type_does_not_end_it():
    group = selected()
    asks(group, 1, order(58, 1))
    assert not is_open(group, 2, now=1.0)


def test_it_ends_with_the_deactivation():
    group = selected()
    cancel = select(cause=8, oa=10)
    assert delivered(group, 1, cancel) == [on(cancel, 1)]
    assert is_open(group, 2, now=1.0)
    con = answer(cancel, 9)
    assert delivered(group, RTU, con) == [home(con, 1, 10)]
    assert group.master_lost(1, [], 2.0) == []


def test_it_is_still_locked_while_the_execute_waits_for_room():
    group = selected()
    told(group, 1, order(45, 1))
    assert not is_open(group, 2, now=1.0)
    assert goes(group) == [on(order(45, 1), 1)]
    assert is_open(group, 2, now=1.0)


@pytest.mark.parametrize("ending", [order(45, 1), select(cause=8)], ids=["execute", "cancel"])
def test_an_ending_that_waits_for_room_when_the_time_is_over_is_not_crossed_by_another(ending):
    group = selected(command_timeout=40.0)
    told(group, 1, ending, now=30.0)
    assert group.handle_timeout(31.0) == []
    assert not is_open(group, 2, now=31.0)
    assert goes(group, 31.0) == [on(ending, 1)]
    assert is_open(group, 2, now=31.0)


def test_selecting_again_begins_anew():
    group = selected(select_timeout=30.0)
    asks(group, 1, select(oa=9), now=20.0)
    hears(group, answer(select(), 7), now=20.0)
    assert group.handle_timeout(31.0) == []
    assert not is_open(group, 2, now=49.9)
    group.handle_timeout(50.0)
    assert goes(group, 50.0) == [owed()]


def test_a_point_selected_by_two_types_is_locked_until_both_have_ended():
    group = selected()
    asks(group, 1, select(type_id=46))
    asks(group, 1, order(45, 1))
    assert not is_open(group, 2, now=1.0)
    asks(group, 1, order(46, 1))
    assert is_open(group, 2, now=1.0)


def test_a_select_the_rtu_did_not_take_in_time_locks_nothing():
    group = online(command_timeout=4.0)
    told(group, 1, select(), now=1.0)
    group.handle_timeout(5.0)
    assert is_open(group, 2, now=5.0)
    assert group.master_lost(1, [], 6.0) == []


def test_with_the_rtus_link_every_selection_is_over():
    group = selected()
    told(group, 2, select(2, ioa=6))
    relinked(group, now=2.0)
    assert is_open(group, 2, now=2.0)
    assert is_open(group, 1, order(64, 1, ioa=6), now=2.0)
    assert group.due == float("inf")


# How it ends by itself: the gateway owes the RTU a deactivation


def assert_closed_until_confirmed(group, *, now, seats=(1, 2, 3), said=UNSELECT):
    """Closed to all; the answer to the deactivation is for nobody and opens the point."""
    for seat in seats:
        assert not is_open(group, seat, now=now)
    assert goes(group, now) == [owed()]
    for seat in seats:
        assert not is_open(group, seat, now=now)
        assert not is_open(group, seat, select(seat), now=now)
    assert hears(group, said, now=now) == []
    for seat in seats:
        assert is_open(group, seat, now=now)
    assert group.handle_timeout(now + 1000.0) == []
    assert goes(group, now + 1000.0) == []


UNSELECTED = [
    ("confirmed", UNSELECT),
    ("refused", answer(select(cause=8), 9, negative=True)),
    *((str(c), answer(select(cause=8), c, negative=True)) for c in (44, 45, 46, 47)),
    ("by the echo", answer(select(cause=8), 9, oa=1)),
    ("by another echo", answer(select(cause=8), 9, oa=200)),
]


@pytest.mark.parametrize("said", [row[1] for row in UNSELECTED], ids=[r[0] for r in UNSELECTED])
def test_it_ends_with_select_timeout(said):
    group = selected(select_timeout=30.0)
    assert group.due == 31.0
    assert group.handle_timeout(30.9) == []
    assert not is_open(group, 2, now=30.9)
    [note] = group.handle_timeout(31.0)
    assert (note.seat, note.kind) == (RTU, Kind.INFO)
    assert note.text
    assert_closed_until_confirmed(group, now=31.0, said=said)


def test_the_time_is_that_of_the_policy():
    assert selected(select_timeout=7.0, now=1.0).due == 8.0


def test_it_ends_with_the_stop_of_its_master():
    group = selected()
    [note] = group.master_stopped(1, [], 2.0)
    assert (note.seat, note.kind) == (RTU, Kind.INFO)
    group.master_started(1, 2.1)
    assert_closed_until_confirmed(group, now=2.2)


def test_it_ends_with_the_loss_of_its_master_while_others_are_started():
    group = selected()
    [note] = group.master_lost(1, [], 2.0)
    assert (note.seat, note.kind) == (RTU, Kind.INFO)
    assert_closed_until_confirmed(group, now=2.2, seats=(2, 3))


def test_loss_of_the_only_started_master_the_deactivation_reaches_the_rtu_before_stopdt():
    group = selected(1)
    [note] = group.master_lost(1, [], 2.0)
    assert (note.seat, note.kind) == (RTU, Kind.INFO)
    assert group.has_unsent
    assert group.to_rtu(0, 2.0) == []
    assert goes(group, 2.1) == [owed(), StopTransfer()]
    assert hears(group, UNSELECT, now=2.2) == []
    assert group.rtu_stopped(2.3) == []


def test_stop_of_the_only_started_master_is_the_same():
    group = selected(1)
    group.master_stopped(1, [], 2.0)
    assert goes(group, 2.1) == [owed(), StopTransfer()]


def test_if_the_rtu_does_not_take_it_stopdt_follows_in_the_end_and_it_is_said():
    group = selected(1, command_timeout=4.0)
    group.master_lost(1, [], 2.0)
    assert group.due == 6.0
    warning, stop = group.handle_timeout(6.0)
    assert (warning.seat, warning.kind) == (RTU, Kind.WARNING)
    assert warning.text
    assert stop == StopTransfer()
    assert goes(group, 6.0) == []


def test_if_the_rtu_does_not_take_it_the_point_stays_closed_for_another_select_timeout():
    group = selected(command_timeout=4.0, select_timeout=30.0)
    group.master_lost(1, [], 2.0)
    assert notes(group.handle_timeout(6.0), Kind.WARNING)
    assert not is_open(group, 2, now=31.9)
    assert group.handle_timeout(32.0) == []
    assert is_open(group, 2, now=32.0)


def test_a_master_that_comes_meanwhile_keeps_the_rtu_started_and_finds_the_point_closed():
    group = selected(1)
    group.master_lost(1, [], 2.0)
    group.master_started(2, 2.1)
    assert goes(group, 2.2) == [owed()]
    assert not is_open(group, 2, order(64, 2), now=2.3)


def test_without_confirmation_the_point_opens_after_another_select_timeout():
    group = selected(select_timeout=30.0)
    group.handle_timeout(31.0)
    assert goes(group, 31.0) == [owed()]
    [note] = group.handle_timeout(41.0)
    assert (note.seat, note.kind) == (RTU, Kind.EXPIRED)
    assert not is_open(group, 2, now=60.9)
    assert group.handle_timeout(61.0) == []
    assert is_open(group, 2, now=61.0)
    assert goes(group, 61.0) == []  # it is never repeated


def test_the_late_answer_of_the_deactivation_is_for_nobody_either():
    group = selected()
    group.handle_timeout(31.0)
    goes(group, 31.0)
    group.handle_timeout(41.0)
    assert hears(group, UNSELECT, now=60.0) == []
    assert is_open(group, 2, now=60.0)


def test_the_deactivation_is_the_select_with_cause_8_under_the_slot_of_its_master():
    group = online()
    mine = select(2, type_id=63, oa=9, test=True)
    asks(group, 2, mine)
    group.master_lost(2, [], 2.0)
    assert goes(group, 2.0) == [on(changed(mine, 8), 2)]


@pytest.mark.parametrize(("oa", "slot"), [("zero", 0), ("keep", 9)])
def test_or_under_whatever_stands_for_him(oa, slot):
    group = online(oa=oa)
    asks(group, 1, select(oa=9))
    group.master_lost(1, [], 2.0)
    assert goes(group, 2.0) == [on(select(oa=9, cause=8), slot)]


def test_it_goes_to_the_station_of_the_select():
    group = online(rtu=(32, 33))
    mine = select(ca=201)
    assert asks(group, 1, mine) == [on(mine, 1, 33)]
    group.master_lost(1, [], 2.0)
    assert goes(group, 2.0) == [on(changed(mine, 8), 1, 33)]


def test_every_selection_of_a_master_is_ended():
    group = online()
    points = [select(ioa=ioa) for ioa in (5, 6, 7)]
    asks(group, 1, *points)
    asks(group, 2, select(2, ioa=8))
    assert len(notes(group.master_lost(1, [], 2.0), Kind.INFO)) == 3
    assert goes(group, 2.0) == [on(changed(point, 8), 1) for point in points]
    assert not is_open(group, 3, order(64, 3, ioa=8), now=2.0)


def test_a_select_that_was_not_sent_is_owed_nothing():
    group = online()
    told(group, 1, select())
    [note] = group.master_lost(1, [], 2.0)
    assert note.kind is Kind.DROPPED
    assert goes(group, 2.0) == []
    assert is_open(group, 2, now=2.0)


def test_a_select_without_its_confirmation_is_ended_too():
    group = online()
    asks(group, 1, select(oa=9))
    group.master_lost(1, [], 2.0)
    assert goes(group, 2.0) == [owed()]
    con = answer(select(), 7)
    assert hears(group, con, now=2.1) == []  # its master has left
    assert not is_open(group, 2, now=2.1)
    assert hears(group, UNSELECT, now=2.2) == []
    assert is_open(group, 2, now=2.2)


def test_a_select_the_rtu_refuses_after_its_master_left_opens_the_point():
    group = online()
    asks(group, 1, select(oa=9))
    group.master_lost(1, [], 2.0)
    goes(group, 2.0)
    assert hears(group, answer(select(), 7, negative=True), now=2.1) == []
    assert is_open(group, 2, now=2.1)
    assert hears(group, UNSELECT, now=2.2) == []


def test_a_master_that_is_lost_after_its_select_timed_out_is_owed_no_second_deactivation():
    group = selected()
    group.handle_timeout(31.0)
    assert goes(group, 31.0) == [owed()]
    assert group.master_lost(1, [], 32.0) == []
    assert goes(group, 32.0) == []


def test_an_execute_after_the_time_is_refused():
    group = selected()
    group.handle_timeout(31.0)
    execute = order(45, 1)
    assert_refused(told(group, 1, execute, now=31.1), 1, execute, cause=7, why="being ended")
    assert goes(group, 31.1) == [owed()]


def test_a_master_that_stops_with_its_execute_unsent_is_owed_the_deactivation():
    group = selected()
    told(group, 1, order(45, 1))
    kinds = [note.kind for note in group.master_stopped(1, [], 2.0)]
    assert kinds == [Kind.DROPPED, Kind.INFO]
    assert goes(group, 2.0) == [owed()]


# Standby connections and the end of the gateway


def test_selections_end_when_a_master_goes_on_on_another_connection():
    group = selected()
    [note] = group.master_moved(1, 2.0)
    assert (note.seat, note.kind) == (RTU, Kind.INFO)
    assert_closed_until_confirmed(group, now=2.0)


def test_or_has_left_the_one_it_used():
    group = selected()
    told(group, 1, command(6))
    kinds = [note.kind for note in group.master_moved(1, 2.0, left=True)]
    assert kinds == [Kind.DROPPED, Kind.INFO]
    assert goes(group, 2.0) == [owed()]


def test_a_gateway_that_ends_leaves_no_selection_behind():
    group = selected()
    asks(group, 2, select(2, ioa=6))
    assert len(group.end_selections(2.0)) == 2
    assert goes(group, 2.0) == [owed(), on(select(2, ioa=6, cause=8), 2)]
    assert group.end_selections(2.1) == []


def test_data_passes_while_all_this_happens():
    group = selected()
    group.master_lost(1, [], 2.0)
    assert deliveries(hears(group, event(1), UNSELECT, event(2))) == [
        everyone(event(1), 2, 3),
        everyone(event(2), 2, 3),
    ]
