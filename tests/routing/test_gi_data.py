"""Interrogated data: for all, for the others as background data, or for him who asked."""

import pytest

from core.routing.actions import RTU, Kind

from .asdus import asdu, changed, deliver, event, obj, one_object
from .groups import (
    ECHOES,
    answer,
    asks,
    command,
    counters,
    delivered,
    deliveries,
    echoed,
    everyone,
    hears,
    home,
    interrogation,
    notes,
    on,
    online,
    relinked,
    told,
)

STATION = range(20, 37)
COUNTER = range(37, 42)
COUNTERS = (15, 16, 37)
DATA = [(type_id, cause) for type_id in range(1, 41) for cause in (*STATION, *COUNTER)]
PARAMETERS = [(type_id, cause) for type_id in (110, 111, 112) for cause in STATION]


def data(type_id=1, cause=20, **more):
    return asdu(type_id, cause, one_object(type_id), **more)


def asked_for(cause, *, seat=2, oa=9):
    """The interrogation that data with this cause answers."""
    if cause < 37:
        return interrogation(seat=seat, oa=oa, qoi=cause)
    return counters(seat=seat, oa=oa, qcc=5 if cause == 37 else cause - 37)


def as_unasked(what):
    """What the others get of it: the same under COT 2, counters under COT 3."""
    return changed(what, 3 if what.type_id in COUNTERS else 2)


# The table


@pytest.mark.parametrize("policy", ["all", "background", "requester"])
def test_who_gets_interrogated_data_of_every_type_and_cause(policy):
    for type_id, cause in DATA + PARAMETERS:
        group = online(gi_data=policy)
        asks(group, 2, asked_for(cause))
        what = data(type_id, cause, oa=77)
        expected = {
            "all": [everyone(what)],
            "background": [home(what, 2, 9), everyone(as_unasked(what), 1, 3)],
            "requester": [home(what, 2, 9)],
        }[policy]
        assert hears(group, what) == expected, (type_id, cause)


@pytest.mark.parametrize("policy", ["all", "background", "requester"])
def test_all_other_data_goes_to_everyone_whatever_the_policy(policy):
    group = online(gi_data=policy)
    asks(group, 2, interrogation(seat=2))
    for what in (event(1), data(13, 1), data(13, 2), data(13, 5), data(1, 11), data(1, 42),
                 data(200, 20), data(41, 20), data(1, 19)):  # fmt: skip
        assert hears(group, what) == [everyone(what)]


@pytest.mark.parametrize("policy", ["background", "requester"])
def test_the_octets_of_what_others_get_differ_in_the_cause_only(policy):
    group = online(gi_data=policy)
    asks(group, 2, interrogation(seat=2))
    what = asdu(1, 20, obj(1, 1, 0, 1), count=3, sq=True, oa=5, test=True, negative=True)
    first, *others = deliveries(hears(group, what))
    assert first == home(what, 2)
    if policy == "background":
        [other] = others
        said, octets = other.run.asdu(0).octets, what.octets
        assert said == octets[:2] + bytes([0x80 | 2]) + octets[3:]
    else:
        assert others == []


# Whose interrogation it is


@pytest.mark.parametrize("echo", ECHOES)
def test_the_originator_of_data_does_not_decide(echo):
    group = online(gi_data="requester")
    asks(group, 2, interrogation(seat=2, oa=9))
    what = data(oa=echoed(echo, 2))
    assert hears(group, what) == [home(what, 2, 9)]


@pytest.mark.parametrize("cause", [7, 20])
def test_data_before_and_after_the_confirmation_is_the_same(cause):
    group = online(gi_data="requester")
    asks(group, 2, interrogation(seat=2, oa=9))
    hears(group, data() if cause == 20 else answer(interrogation(), 7))
    assert hears(group, data()) == [home(data(), 2, 9)]


def test_who_shares_an_interrogation_shares_its_data_each_under_his_own_originator():
    for policy, rest in (("requester", []), ("background", [everyone(as_unasked(data()), 1)])):
        group = online(gi_data=policy)
        asks(group, 1, interrogation(qoi=36))
        told(group, 2, interrogation(seat=2, oa=62))
        told(group, 3, interrogation(seat=3, oa=63))
        delivered(group, RTU, answer(interrogation(qoi=36), 10))
        shared = deliver(data(), (2, 62, 102), (3, 63, 103))
        assert hears(group, data()) == [shared, *rest]


def test_who_waits_does_not_get_the_data_of_another():
    group = online(gi_data="requester")
    asks(group, 1, interrogation())
    told(group, 2, interrogation(seat=2))
    assert hears(group, data()) == [home(data(), 1)]


def test_with_gi_forward_the_cause_tells_several_apart():
    group = online(gi="forward", gi_data="requester")
    asks(group, 1, interrogation(oa=61))
    asks(group, 2, interrogation(seat=2, qoi=21, oa=62))
    asks(group, 3, counters(seat=3, oa=63))
    for cause, seat in ((20, 1), (21, 2), (37, 3)):
        what = data(15 if cause == 37 else 1, cause)
        assert hears(group, what) == [home(what, seat, 60 + seat)]


def test_with_gi_forward_data_of_equal_ones_is_for_all_of_them():
    group = online(gi="forward", gi_data="requester")
    asks(group, 1, interrogation(oa=61))
    asks(group, 2, interrogation(seat=2, oa=62))
    assert hears(group, data()) == [deliver(data(), (1, 61, 101), (2, 62, 102))]


LOOSE = [
    ("20 for a group", interrogation(seat=2, oa=9, qoi=25), 20),
    ("another group", interrogation(seat=2, oa=9, qoi=25), 26),
    ("37 for what is no counter", interrogation(seat=2, oa=9), 37),
    ("37 for a group of counters", counters(seat=2, oa=9, qcc=3), 37),
    ("20 for counters", counters(seat=2, oa=9), 20),
]


@pytest.mark.parametrize(("question", "cause"), [r[1:] for r in LOOSE], ids=[r[0] for r in LOOSE])
def test_an_rtu_that_is_loose_with_causes_is_understood_while_one_runs(question, cause):
    group = online(gi_data="requester")
    asks(group, 2, question)
    assert hears(group, data(1, cause)) == [home(data(1, cause), 2, 9)]


def test_a_broadcast_is_served_by_all_stations():
    group = online(rtu=(32, 33), gi_data="requester")
    asks(group, 2, interrogation(seat=2, ca=65535, oa=9))
    for ca, number in ((32, 102), (33, 202)):
        what = data(ca=ca)
        assert hears(group, what) == [home(what, 2, 9, number)]


def test_data_of_another_station_is_not_his():
    group = online(rtu=(32, 33), gi_data="background")
    asks(group, 2, interrogation(seat=2, oa=9))
    what = data(ca=33)
    unasked = changed(what, 2)
    assert hears(group, what) == [deliver(unasked, (1, 0, 201), (2, 0, 202), (3, 0, 203))]


def test_with_ca_pass_it_is_dropped_or_passed_under_its_own_number():
    what = data(ca=99)
    group = online(ca="pass", gi_data="background")
    asks(group, 2, interrogation(seat=2))
    expected = deliver(changed(what, 2), (1, 0, 99), (2, 0, 99), (3, 0, 99))
    assert hears(group, what) == [expected]
    group = online(ca="pass", gi_data="requester")
    asks(group, 2, interrogation(seat=2))
    assert notes(hears(group, what), Kind.ORPHAN)


# Nobody's


def test_data_nobody_asked_for_is_an_orphan_for_the_requester():
    group = online(gi_data="requester")
    [note] = hears(group, data())
    assert (note.seat, note.kind) == (RTU, Kind.ORPHAN)
    group = online(gi_data="requester", orphans="all")
    assert deliveries(hears(group, data())) == [everyone(data())]


@pytest.mark.parametrize("type_id", [1, 13, *COUNTERS])
def test_data_nobody_asked_for_is_background_for_all(type_id):
    group = online(gi_data="background")
    what = data(type_id, 20)
    assert hears(group, what) == [everyone(as_unasked(what))]


def test_data_after_the_termination_is_nobodys():
    group = online(gi_data="requester")
    asks(group, 2, interrogation(seat=2))
    hears(group, answer(interrogation(), 10))
    assert notes(hears(group, data()), Kind.ORPHAN)


def test_data_for_a_master_who_left_is_for_nobody():
    group = online(gi_data="requester")
    asks(group, 2, interrogation(seat=2))
    group.master_lost(2, [], 2.0)
    group.master_started(2, 2.1)
    assert hears(group, data()) == []


def test_and_background_for_the_others():
    group = online(gi_data="background")
    asks(group, 2, interrogation(seat=2))
    group.master_lost(2, [], 2.0)
    assert hears(group, data()) == [everyone(as_unasked(data()), 1, 3)]


def test_data_for_a_stopped_master_is_dropped_and_noted():
    group = online(gi_data="background")
    asks(group, 2, interrogation(seat=2))
    group.master_stopped(2, [], 2.0)
    note, others = hears(group, data())
    assert (note.seat, note.kind) == (2, Kind.DROPPED)
    assert others == everyone(as_unasked(data()), 1, 3)


def test_with_nobody_else_there_are_no_others():
    group = online(2, gi_data="background")
    asks(group, 2, interrogation(seat=2, oa=9))
    assert hears(group, data()) == [home(data(), 2, 9)]


def test_while_no_master_is_started_it_is_dropped():
    group = online(1, gi_data="background")
    group.master_lost(1, [], 1.0)
    assert hears(group, data()) == []


def test_data_that_comes_after_the_turn_is_still_his_until_another_is_sent():
    group = online(gi_data="requester")
    asks(group, 2, interrogation(seat=2, oa=9), now=0.0)
    group.handle_timeout(15.0)
    assert hears(group, data(), now=16.0) == [home(data(), 2, 9)]
    asks(group, 3, interrogation(seat=3), now=17.0)
    assert hears(group, data(), now=18.0) == [home(data(), 3)]


def test_and_not_again_when_that_one_has_ended():
    group = online(gi_data="requester")
    asks(group, 2, interrogation(seat=2, oa=9), now=0.0)
    group.handle_timeout(15.0)
    asks(group, 3, counters(seat=3), now=17.0)
    hears(group, answer(counters(), 10), now=18.0)
    assert notes(hears(group, data(), now=19.0), Kind.ORPHAN)


def test_data_of_a_lost_rtu_is_nobodys_on_the_next_link():
    group = online(gi_data="requester")
    asks(group, 2, interrogation(seat=2), now=0.0)
    group.handle_timeout(15.0)
    relinked(group, now=16.0)
    assert notes(hears(group, data(), now=16.0), Kind.ORPHAN)


# Order and progress


def test_data_keeps_its_place_among_events_and_before_the_termination():
    group = online(gi_data="background")
    asks(group, 2, interrogation(seat=2, oa=9))
    con, term = answer(interrogation(), 7), answer(interrogation(), 10)
    assert hears(group, con, data(), event(8), data(13), term) == [
        home(con, 2, 9),
        home(data(), 2, 9),
        everyone(as_unasked(data()), 1, 3),
        everyone(event(8)),
        home(data(13), 2, 9),
        everyone(as_unasked(data(13)), 1, 3),
        home(term, 2, 9),
    ]


@pytest.mark.parametrize("policy", ["all", "background", "requester"])
def test_data_is_progress_under_every_policy(policy):
    group = online(gi_data=policy)
    asks(group, 2, interrogation(seat=2), now=0.0)
    for now in range(10, 500, 10):
        assert deliveries(hears(group, data(), now=now)) != []
        assert group.handle_timeout(now) == []


def test_data_that_carries_no_whole_object_is_no_ones():
    group = online(gi_data="requester")
    asks(group, 2, interrogation(seat=2))
    whole = data(13)
    [note] = hears(group, type(whole)(whole.octets[:-1]))
    assert note.kind is Kind.MALFORMED


def test_commands_answers_are_not_touched_by_it():
    group = online(gi_data="requester")
    assert delivered(group, 1, command(oa=3)) == [on(command(oa=3), 1)]
    con = answer(command(), 7)
    assert hears(group, con) == [home(con, 1, 3)]
