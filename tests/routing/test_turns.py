"""Interrogations take turns: who waits, who shares one, and what ends a turn."""

import pytest

from core.routing import questions
from core.routing.actions import RTU, CloseMaster, Kind

from .asdus import asdu, changed, deliver, event, obj, one_object
from .groups import (
    ECHOES,
    answer,
    asks,
    assert_refused,
    command,
    counters,
    delivered,
    deliveries,
    echoed,
    everyone,
    goes,
    hears,
    home,
    interrogation,
    notes,
    on,
    online,
    refused,
    relinked,
    told,
    usable,
)

STATION, GROUP_1 = 20, 21
DATA = asdu(1, 20, obj(1, 1))


def stop(*, seat=1, oa=0, qoi=STATION, ca=None):
    return interrogation(seat=seat, oa=oa, qoi=qoi, ca=ca, cause=8)


def terminating(*seats, **options):
    """A group whose RTU has ended an interrogation of the first master: it does so."""
    group = online(*seats, **options)
    ended(group, seats[0] if seats else 1, qoi=36, now=0.0)
    return group


def ended(group, seat, *, qoi=STATION, now):
    question = interrogation(seat=seat, qoi=qoi)
    assert asks(group, seat, question, now=now)
    return hears(group, answer(question, 7), answer(question, 10), now=now)


# One at a time


@pytest.mark.parametrize("echo", ECHOES)
def test_masters_that_ask_together_all_get_a_whole_interrogation(echo):
    group = online()
    one, two, three = (interrogation(seat=seat, oa=10 + seat) for seat in (1, 2, 3))
    assert delivered(group, 1, one) == [on(one, 1)]
    assert delivered(group, 2, two) == []
    assert delivered(group, 3, three) == []
    con, term = answer(one, 7, oa=echoed(echo, 1)), answer(one, 10, oa=echoed(echo, 1))
    assert delivered(group, RTU, con) == [home(con, 1, 11)]
    assert delivered(group, RTU, DATA) == [everyone(DATA)]
    assert delivered(group, RTU, term) == [home(term, 1, 11), on(two, 2)]
    con, term = answer(two, 7, oa=echoed(echo, 2)), answer(two, 10, oa=echoed(echo, 2))
    assert delivered(group, RTU, con) == [deliver(con, (2, 12, 102), (3, 13, 103))]
    assert delivered(group, RTU, DATA) == [everyone(DATA)]
    assert delivered(group, RTU, term) == [deliver(term, (2, 12, 102), (3, 13, 103))]
    assert not group.has_unsent
    assert group.due == float("inf")


def test_what_asks_for_the_same_does_not_join_an_interrogation_that_runs():
    # It would miss the data that has come already.
    group = online()
    asks(group, 1, interrogation())
    hears(group, answer(interrogation(), 7), DATA)
    assert delivered(group, 2, interrogation(seat=2)) == []
    con = answer(interrogation(), 7)
    assert delivered(group, RTU, con) == [home(con, 1)]


DIFFERENT = [
    ("another group", interrogation(seat=2, qoi=GROUP_1)),
    ("counters", counters(seat=2)),
    ("counters of a group", counters(seat=2, qcc=1)),
    ("all stations", interrogation(seat=2, ca=65535)),
    ("a test", interrogation(seat=2, test=True)),
]


@pytest.mark.parametrize("other", [row[1] for row in DIFFERENT], ids=[r[0] for r in DIFFERENT])
def test_all_interrogations_of_a_group_take_turns(other):
    group = online()
    first = interrogation()
    asks(group, 1, first)
    assert delivered(group, 2, other) == []
    term = answer(first, 10)
    ca = 65535 if other.ca == 65535 else 32
    assert delivered(group, RTU, term) == [home(term, 1), on(other, 2, ca)]


@pytest.mark.parametrize("other", [row[1] for row in DIFFERENT], ids=[r[0] for r in DIFFERENT])
def test_only_what_asks_for_the_same_shares_an_interrogation(other):
    group = online()
    asks(group, 1, interrogation(qoi=36))
    mine = interrogation(seat=3)
    assert delivered(group, 2, other) == delivered(group, 3, mine) == []
    ca = 65535 if other.ca == 65535 else 32
    assert delivered(group, RTU, answer(interrogation(qoi=36), 10))[1:] == [on(other, 2, ca)]
    term = answer(other, 10)
    assert delivered(group, RTU, term) == [home(term, 2), on(mine, 3)]


def test_other_interrogations_keep_their_order_around_those_that_share_one():
    group = online()
    asks(group, 1, interrogation(qoi=36))
    twenty, twenty_one = interrogation(seat=2), interrogation(seat=3, qoi=GROUP_1)
    mine = interrogation()
    for seat, what in ((2, twenty), (3, twenty_one), (1, mine)):
        assert delivered(group, seat, what) == []
    assert delivered(group, RTU, answer(interrogation(qoi=36), 10))[1:] == [on(twenty, 2)]
    term = answer(twenty, 10)
    shared = deliver(term, (2, 0, 102), (1, 0, 101))
    assert delivered(group, RTU, term) == [shared, on(twenty_one, 3)]


def test_stations_with_numbers_of_their_own_are_interrogated_one_after_the_other():
    group = online(rtu=(32, 33))
    first, second, third = (interrogation(), interrogation(seat=2, ca=202), interrogation(ca=201))
    asks(group, 1, first)
    assert delivered(group, 2, second) == delivered(group, 1, third) == []
    term = answer(first, 10)
    assert delivered(group, RTU, term) == [home(term, 1), on(second, 2, 33)]
    con = answer(second, 7, ca=33)
    assert delivered(group, RTU, con) == [deliver(con, (2, 0, 202), (1, 0, 201))]


def test_a_broadcast_has_its_turn_until_every_station_has_ended_it():
    group = online(rtu=(32, 33))
    question, waiting = interrogation(ca=65535, oa=4), interrogation(seat=2)
    assert delivered(group, 1, question) == [on(question, 1, 65535)]
    assert delivered(group, 2, waiting) == []
    for ca, number in ((32, 101), (33, 201)):
        con = answer(question, 7, ca=ca)
        assert delivered(group, RTU, con) == [home(con, 1, 4, number)]
    term = answer(question, 10, ca=33)
    assert delivered(group, RTU, term) == [home(term, 1, 4, 201)]
    term = answer(question, 10)
    assert delivered(group, RTU, term) == [home(term, 1, 4), on(waiting, 2)]


def test_broadcasts_that_wait_share_one_and_each_hears_every_station():
    group = online(rtu=(32, 33))
    asks(group, 1, interrogation())
    a, b = interrogation(seat=2, ca=65535), interrogation(seat=3, ca=65535)
    assert delivered(group, 2, a) == delivered(group, 3, b) == []
    assert delivered(group, RTU, answer(interrogation(), 10))[1:] == [on(a, 2, 65535)]
    for cause in (7, 10):
        for ca, hundreds in ((32, 0), (33, 100)):
            said = answer(a, cause, ca=ca)
            shared = deliver(said, (2, 0, 102 + hundreds), (3, 0, 103 + hundreds))
            assert delivered(group, RTU, said) == [shared]
    assert group.due == float("inf")


@pytest.mark.parametrize("frz", [1, 2, 3])
def test_freezing_counters_is_no_interrogation_and_goes_at_once(frz):
    group = online()
    asks(group, 1, interrogation())
    freeze, again = counters(seat=2, qcc=frz << 6 | 5), counters(seat=3, qcc=frz << 6 | 5)
    assert delivered(group, 2, freeze) == [on(freeze, 2)]
    assert delivered(group, 3, again) == [on(again, 3)]
    for seat, what in ((2, freeze), (3, again)):
        con = answer(what, 7)
        assert delivered(group, RTU, con) == [home(con, seat)]
    # .. and ends with its confirmation
    assert notes(hears(group, answer(freeze, 10)), Kind.ORPHAN)


def test_commands_do_not_wait_for_interrogations():
    group = online()
    asks(group, 1, interrogation())
    assert delivered(group, 2, command(seat=2)) == [on(command(seat=2), 2)]


def test_gi_forward_sends_every_interrogation_at_once():
    group = online(gi="forward")
    mine, same, other = interrogation(oa=7), interrogation(seat=2, oa=8), counters(seat=3, oa=9)
    for seat, what in ((1, mine), (2, same), (3, other)):
        assert delivered(group, seat, what) == [on(what, seat)]
    con = answer(mine, 7)
    assert delivered(group, RTU, con) == [home(con, 1, 7)]
    assert delivered(group, RTU, con) == [home(con, 2, 8)]
    counted = answer(other, 7)
    assert delivered(group, RTU, counted) == [home(counted, 3, 9)]
    term = answer(mine, 10, oa=2)
    assert delivered(group, RTU, term) == [home(term, 2, 8)]
    assert delivered(group, RTU, term) == [home(term, 1, 7)]


# Kinds of RTUs


def played(*causes):
    """What an RTU of a kind says to an interrogation; 20: a piece of data."""
    return [DATA if c == 20 else answer(interrogation(), c) for c in causes]


KINDS = [
    ("by the book", played(7, 20, 20, 10), True),
    ("no confirmation", played(20, 20, 10), True),
    ("nothing but the termination", played(10), True),
    ("data before the confirmation", played(20, 7, 20, 10), True),
    ("no termination", played(7, 20, 20), False),
    ("nothing but data", played(20, 20), False),
    ("nothing but the confirmation", played(7), False),
    ("silent", [], False),
    ("refuses", [answer(interrogation(), 7, negative=True)], True),
    *(
        (f"does not know it ({c})", [answer(interrogation(), c, negative=p)], True)
        for c in (44, 45, 46, 47)
        for p in (False, True)
    ),
    ("confirms another group's data", [*played(7), asdu(1, 21, obj(1, 1)), *played(10)], True),
    ("ends it by a negative termination", [answer(interrogation(), 10, negative=True)], True),
    ("ends it by a deactivation's confirmation", played(7, 9), True),
]


@pytest.mark.parametrize(("says", "ends"), [k[1:] for k in KINDS], ids=[k[0] for k in KINDS])
@pytest.mark.parametrize("echo", ECHOES)
def test_with_every_kind_of_rtu_the_next_has_its_turn_and_each_his_own_answers(says, ends, echo):
    group = online()
    asked = {seat: interrogation(seat=seat, oa=60 + seat) for seat in (1, 2)}
    # Who always answers 1 and never ends anything seems to speak of the first master's: see below.
    order = (2, 1) if echo == "always 1" and not ends else (1, 2)
    first, second = order
    assert delivered(group, first, asked[first], now=2.0) == [on(asked[first], first)]
    assert delivered(group, second, asked[second], now=2.0) == []
    for seat in order:
        for index, said in enumerate(says):
            heard = said
            if said.type_id == 100:
                heard = changed(said, said.cause, negative=said.is_negative, oa=echoed(echo, seat))
            expected = [everyone(said) if said.type_id == 1 else home(heard, seat, 60 + seat)]
            if ends and seat == first and index == len(says) - 1:
                expected.append(on(asked[second], second))
            assert delivered(group, RTU, heard, now=2.0) == expected
        if not ends and seat == first:
            assert deliveries(group.handle_timeout(16.9)) == goes(group, 16.9) == []
            assert deliveries(group.handle_timeout(17.0)) == []
            assert goes(group, 17.0) == [on(asked[second], second)]
    group.handle_timeout(10_000.0)  # whatever it leaves unsaid, no question stays open
    group.handle_timeout(20_000.0)
    assert group.due == float("inf")


def test_an_rtu_that_always_answers_1_does_not_draw_the_second_masters_one_to_the_first():
    # As long as nothing has proven that a 1 is an echo, it does not outweigh that only the second
    # waits for a confirmation.
    group = online(1, 2)
    asks(group, 1, interrogation(), now=0.0)
    hears(group, answer(interrogation(), 7, oa=1), now=0.0)
    group.handle_timeout(15.0)
    asks(group, 2, interrogation(seat=2), now=15.0)
    con = answer(interrogation(), 7, oa=1)
    assert delivered(group, RTU, con, now=15.0) == [home(con, 2)]


def test_data_before_the_confirmation_counts_as_one():
    group = online(1, command_timeout=10.0)
    asks(group, 1, interrogation(), now=0.0)
    hears(group, DATA, now=9.0)
    assert notes(group.handle_timeout(10.0), Kind.EXPIRED) == []


# A repeated one


def test_a_master_that_repeats_a_waiting_interrogation_replaces_it():
    group = online()
    asks(group, 1, interrogation())
    assert delivered(group, 2, interrogation(seat=2, oa=5)) == []
    assert delivered(group, 3, interrogation(seat=3, qoi=GROUP_1)) == []
    latest = interrogation(seat=2, oa=6)
    assert delivered(group, 2, latest) == []
    assert delivered(group, RTU, answer(interrogation(), 10))[1:] == [on(latest, 2)]
    con, term = answer(latest, 7), answer(latest, 10)
    assert delivered(group, RTU, con) == [home(con, 2, 6)]
    last = interrogation(seat=3, qoi=GROUP_1)
    assert delivered(group, RTU, term) == [home(term, 2, 6), on(last, 3)]
    term = answer(last, 10)
    assert delivered(group, RTU, term) == [home(term, 3)]  # nothing waits any more


def test_a_master_that_repeats_a_running_interrogation_waits_for_its_end():
    group = online()
    asks(group, 1, interrogation(oa=1))
    assert delivered(group, 1, interrogation(oa=2)) == []
    term = answer(interrogation(), 10)
    assert delivered(group, RTU, term) == [home(term, 1, 1), on(interrogation(oa=2), 1)]
    assert delivered(group, RTU, term) == [home(term, 1, 2)]


def test_a_waiting_one_is_repeated_for_another_group_and_both_wait():
    group = online()
    asks(group, 1, interrogation())
    a, b = interrogation(seat=2), interrogation(seat=2, qoi=GROUP_1)
    assert delivered(group, 2, a) == delivered(group, 2, b) == []
    assert delivered(group, RTU, answer(interrogation(), 10))[1:] == [on(a, 2)]
    assert delivered(group, RTU, answer(a, 10))[1:] == [on(b, 2)]


def test_a_master_with_more_than_his_buffer_of_interrogations_waiting_is_closed():
    # Design 3: more than `buffer` of one master's wait: he is closed. With ca=keep 65,535 x 320
    # different ones could wait, and memory would grow with each.
    group = online(1, 2, buffer=3, ca="keep")
    asks(group, 1, interrogation())
    said = [told(group, 2, interrogation(seat=2, ca=ca)) for ca in range(1, 10)]
    assert any(isinstance(action, CloseMaster) for actions in said for action in actions)


# Deactivations


def confirmed_by_gateway(question):
    return changed(question, 9)


@pytest.mark.parametrize("is_confirmed", [False, True])
@pytest.mark.parametrize("echo", ECHOES)
def test_the_deactivation_of_ones_running_interrogation_goes_to_the_rtu_and_ends_both(
    is_confirmed, echo
):
    group = online()
    waiting = interrogation(seat=2)
    asks(group, 1, interrogation())
    if is_confirmed:
        hears(group, answer(interrogation(), 7), DATA)
    assert delivered(group, 2, waiting) == []
    assert delivered(group, 1, stop(oa=8)) == [on(stop(oa=8), 1)]
    con = answer(stop(), 9, oa=echoed(echo, 1))
    assert delivered(group, RTU, con) == [home(con, 1, 8), on(waiting, 2)]
    # the one that ended so takes no termination away from the next
    term = answer(waiting, 10)
    assert delivered(group, RTU, term) == [home(term, 2)]
    assert group.due == float("inf")


REFUSED_STOPS = [
    ("9", answer(stop(), 9, negative=True)),
    *((str(c), answer(stop(), c, negative=True)) for c in (44, 45, 46, 47)),
]


@pytest.mark.parametrize("no", [row[1] for row in REFUSED_STOPS], ids=[r[0] for r in REFUSED_STOPS])
def test_a_deactivation_the_rtu_refuses_leaves_the_interrogation_running(no):
    group = online()
    waiting = interrogation(seat=2)
    asks(group, 1, interrogation(oa=3))
    hears(group, answer(interrogation(), 7))
    assert delivered(group, 2, waiting) == []
    assert delivered(group, 1, stop(oa=8)) == [on(stop(oa=8), 1)]
    assert delivered(group, RTU, no) == [home(no, 1, 8)]
    term = answer(interrogation(), 10)
    assert delivered(group, RTU, term) == [home(term, 1, 3), on(waiting, 2)]


def test_an_interrogation_that_ends_while_its_deactivation_is_under_way_frees_the_turn():
    group = online()
    asks(group, 1, interrogation(oa=3))
    hears(group, answer(interrogation(), 7))
    asks(group, 1, stop(oa=4))
    assert delivered(group, 2, interrogation(seat=2)) == []
    term, late = answer(interrogation(), 10), answer(stop(), 9)
    assert delivered(group, RTU, term) == [home(term, 1, 3), on(interrogation(seat=2), 2)]
    assert delivered(group, RTU, late) == [home(late, 1, 4)]
    term = answer(interrogation(), 10)
    assert delivered(group, RTU, term) == [home(term, 2)]


def test_a_waiting_interrogation_is_removed_and_the_gateway_confirms():
    group = online()
    asks(group, 1, interrogation())
    assert delivered(group, 2, interrogation(seat=2)) == []
    question = stop(seat=2, oa=9)
    assert told(group, 2, question) == [home(confirmed_by_gateway(question), 2, 9)]
    assert delivered(group, RTU, answer(interrogation(), 10))[1:] == []


def test_the_mirror_of_a_deactivation_keeps_t():
    group = online()
    asks(group, 1, interrogation())
    told(group, 2, interrogation(seat=2))
    question = interrogation(seat=2, oa=9, cause=8, test=True)
    [reply] = told(group, 2, question)
    assert reply.run.asdu(0).octets[2] == 0x89
    assert reply == home(confirmed_by_gateway(question), 2, 9)


def test_one_whose_turn_has_come_but_that_the_rtu_has_not_taken_is_removed_too():
    group = online()
    told(group, 1, interrogation())
    told(group, 2, interrogation(seat=2, qoi=GROUP_1))
    assert told(group, 1, stop()) == [home(confirmed_by_gateway(stop()), 1)]
    assert not group.waits_for_rtu(1)
    assert goes(group) == [on(interrogation(seat=2, qoi=GROUP_1), 2)]


def both_waiting_in_one():
    """Masters 2 and 3 share an interrogation whose turn has come; the RTU has not taken it."""
    group = online()
    asks(group, 1, interrogation())
    told(group, 2, interrogation(seat=2, oa=62))
    told(group, 3, interrogation(seat=3, oa=63))
    hears(group, answer(interrogation(), 10))
    assert group.has_unsent
    return group


@pytest.mark.parametrize(("leaves", "stays"), [(2, 3), (3, 2)])
def test_who_leaves_a_shared_one_before_it_is_sent_leaves_it_to_the_others(leaves, stays):
    group = both_waiting_in_one()
    question = stop(seat=leaves, oa=4)
    assert told(group, leaves, question) == [home(confirmed_by_gateway(question), leaves, 4)]
    assert (group.waits_for_rtu(leaves), group.waits_for_rtu(stays)) == (False, True)
    assert goes(group) == [on(interrogation(seat=2, oa=62), 2)]
    assert not group.waits_for_rtu(stays)
    for cause in (7, 10):
        said = answer(interrogation(), cause)
        assert delivered(group, RTU, said) == [home(said, stays, 60 + stays)]


@pytest.mark.parametrize(("leaves", "stays"), [(2, 3), (3, 2)])
def test_who_leaves_a_shared_one_that_runs_is_confirmed_by_the_gateway(leaves, stays):
    group = both_waiting_in_one()
    goes(group)
    question = stop(seat=leaves, oa=4)
    assert told(group, leaves, question) == [home(confirmed_by_gateway(question), leaves, 4)]
    assert goes(group) == []
    for cause in (7, 10):
        said = answer(interrogation(), cause)
        assert delivered(group, RTU, said) == [home(said, stays, 60 + stays)]


def test_the_last_who_leaves_a_shared_one_ends_it_at_the_rtu():
    group = both_waiting_in_one()
    goes(group)
    told(group, 2, stop(seat=2))
    assert delivered(group, 3, stop(seat=3)) == [on(stop(seat=3), 3)]
    con = answer(stop(), 9)
    assert delivered(group, RTU, con) == [home(con, 3)]
    assert group.due == float("inf")


def test_a_deactivation_ends_the_running_one_and_the_same_that_waits():
    group = online()
    asks(group, 1, interrogation())
    assert delivered(group, 1, interrogation()) == []
    assert delivered(group, 1, stop()) == [on(stop(), 1)]
    con = answer(stop(), 9)
    assert delivered(group, RTU, con) == [home(con, 1)]


FOREIGN = [
    ("nothing runs", []),
    ("another's runs", [(1, interrogation())]),
    ("another's runs, one waits", [(1, interrogation()), (3, interrogation(seat=3))]),
    ("his own of another group runs", [(2, interrogation(seat=2, qoi=GROUP_1))]),
    ("his own counter interrogation runs", [(2, counters(seat=2))]),
    ("his own of all stations runs", [(2, interrogation(seat=2, ca=65535))]),
    (
        "his own of another group waits",
        [(1, interrogation()), (2, interrogation(seat=2, qoi=GROUP_1))],
    ),
]


@pytest.mark.parametrize("before", [row[1] for row in FOREIGN], ids=[r[0] for r in FOREIGN])
def test_a_deactivation_of_what_is_not_ones_own_is_refused(before):
    group = online()
    for seat, what in before:
        told(group, seat, what)
    goes(group)
    assert_refused(told(group, 2, stop(seat=2, oa=7)), 2, stop(seat=2, oa=7), cause=9)
    assert goes(group) == []


def test_the_deactivation_of_an_interrogation_that_has_ended_is_refused():
    group = online()
    ended(group, 1, now=1.0)
    assert_refused(told(group, 1, stop()), 1, stop(), cause=9)


def test_the_deactivation_of_one_that_came_to_nothing_still_goes_to_the_rtu():
    group = online()
    asks(group, 1, interrogation(), now=0.0)
    group.handle_timeout(15.0)
    assert delivered(group, 1, stop(), now=16.0) == [on(stop(), 1)]


def test_the_deactivation_of_one_that_ended_after_its_turn_is_refused():
    group = online()
    asks(group, 1, interrogation(), now=0.0)
    group.handle_timeout(15.0)
    hears(group, answer(interrogation(), 10), now=16.0)
    assert_refused(told(group, 1, stop(), now=17.0), 1, stop(), cause=9)


def test_one_that_ends_after_its_turn_may_cross_its_deactivation():
    group = online()
    asks(group, 1, interrogation(), now=0.0)
    hears(group, answer(interrogation(), 7), now=0.0)
    group.handle_timeout(15.0)
    asks(group, 1, stop(), now=16.0)
    term, con = answer(interrogation(), 10), answer(stop(), 9)
    assert delivered(group, RTU, term, con, now=17.0) == [home(term, 1), home(con, 1)]
    assert group.due == float("inf")


def test_deactivating_counters_is_the_same():
    group = online()
    asks(group, 1, counters())
    question = counters(cause=8)
    assert delivered(group, 1, question) == [on(question, 1)]
    con = answer(question, 9)
    assert delivered(group, RTU, con) == [home(con, 1)]
    assert group.due == float("inf")


FORWARDED = [
    ("nothing runs", [], True),
    ("his own runs", [(2, interrogation(seat=2))], True),
    ("both run", [(1, interrogation()), (2, interrogation(seat=2))], True),
    ("another's of that kind runs", [(1, interrogation())], False),
    ("another's of another kind runs", [(1, interrogation(qoi=GROUP_1))], True),
]


@pytest.mark.parametrize(("before", "passes"), [r[1:] for r in FORWARDED],
                         ids=[r[0] for r in FORWARDED])  # fmt: skip
def test_with_gi_forward_a_deactivation_passes_unless_it_would_end_anothers(before, passes):
    group = online(gi="forward")
    for seat, what in before:
        asks(group, seat, what)
    if passes:
        assert delivered(group, 2, stop(seat=2)) == [on(stop(seat=2), 2)]
        con = answer(stop(), 9)
        assert delivered(group, RTU, con) == [home(con, 2)]
    else:
        assert_refused(told(group, 2, stop(seat=2)), 2, stop(seat=2), cause=9)
        assert goes(group) == []


def test_with_gi_forward_a_deactivation_ends_ones_own_and_not_that_of_another():
    group = online(gi="forward")
    asks(group, 1, interrogation())
    asks(group, 2, interrogation(seat=2))
    asks(group, 2, stop(seat=2))
    hears(group, answer(stop(), 9))
    term = answer(interrogation(), 10)
    assert delivered(group, RTU, term) == [home(term, 1)]
    assert notes(hears(group, term), Kind.ORPHAN)


# A master that leaves


def test_the_waiting_interrogations_of_a_master_that_leaves_go_with_him():
    group = online()
    asks(group, 1, interrogation())
    told(group, 2, interrogation(seat=2), interrogation(seat=2, qoi=GROUP_1))
    told(group, 3, interrogation(seat=3, qoi=22))
    assert group.master_lost(2, [], 2.0) == []
    assert delivered(group, RTU, answer(interrogation(), 10))[1:] == [
        on(interrogation(seat=3, qoi=22), 3)
    ]
    assert delivered(group, RTU, answer(interrogation(qoi=22), 10))[1:] == []


def test_and_so_do_those_of_a_master_that_stops():
    group = online()
    asks(group, 1, interrogation())
    told(group, 2, interrogation(seat=2))
    assert group.master_stopped(2, [], 2.0) == []
    group.master_started(2, 3.0)
    assert delivered(group, RTU, answer(interrogation(), 10))[1:] == []


def test_a_running_one_keeps_its_turn_when_its_master_leaves():
    group = online()
    asks(group, 1, interrogation())
    waiting = interrogation(seat=2)
    assert delivered(group, 2, waiting) == []
    assert group.master_lost(1, [], 1.5) == []
    assert goes(group) == []
    con, term = answer(interrogation(), 7, oa=1), answer(interrogation(), 10, oa=1)
    assert hears(group, con) == []
    assert delivered(group, RTU, DATA) == [everyone(DATA, 2, 3)]
    assert delivered(group, RTU, term) == [on(waiting, 2)]


def test_a_master_that_comes_back_does_not_own_what_he_left():
    group = online()
    asks(group, 1, interrogation())
    group.master_lost(1, [], 1.5)
    group.master_started(1, 1.6)
    assert_refused(told(group, 1, stop()), 1, stop(), cause=9)
    assert delivered(group, 1, interrogation(oa=2)) == []
    assert delivered(group, RTU, answer(interrogation(), 10, oa=1)) == [on(interrogation(oa=2), 1)]


@pytest.mark.parametrize(("leaves", "stays"), [(2, 3), (3, 2)])
def test_a_shared_one_goes_on_for_those_who_stay(leaves, stays):
    group = both_waiting_in_one()
    goes(group)
    group.master_lost(leaves, [], 1.5)
    for cause in (7, 10):
        said = answer(interrogation(), cause)
        assert delivered(group, RTU, said) == [home(said, stays, 60 + stays)]


@pytest.mark.parametrize(("leaves", "stays"), [(2, 3), (3, 2)])
def test_a_shared_one_that_is_not_sent_yet_goes_on_for_those_who_stay(leaves, stays):
    group = both_waiting_in_one()
    [note] = group.master_lost(leaves, [], 1.5)
    assert (note.seat, note.kind, note.n) == (leaves, Kind.DROPPED, 1)
    assert (group.waits_for_rtu(leaves), group.waits_for_rtu(stays)) == (False, True)
    assert goes(group) == [on(interrogation(seat=2, oa=62), 2)]
    assert not group.waits_for_rtu(stays)
    con = answer(interrogation(), 7)
    assert delivered(group, RTU, con) == [home(con, stays, 60 + stays)]


def test_one_whose_turn_has_come_goes_with_its_master_and_the_next_follows():
    group = online()
    told(group, 1, interrogation())
    told(group, 2, interrogation(seat=2))
    [note] = group.master_lost(1, [], 1.5)
    assert (note.seat, note.kind, note.n) == (1, Kind.DROPPED, 1)
    assert goes(group) == [on(interrogation(seat=2), 2)]


def test_restart_of_one_master_during_an_interrogation_of_another():
    group = online()
    asks(group, 1, interrogation(oa=1))
    group.master_lost(2, [], 1.1)
    con = answer(interrogation(), 7)
    assert delivered(group, RTU, con) == [home(con, 1, 1)]
    group.master_started(2, 1.2)
    assert delivered(group, RTU, DATA) == [everyone(DATA)]
    term = answer(interrogation(), 10)
    assert delivered(group, RTU, term) == [home(term, 1, 1)]


# Time


def test_an_interrogation_queued_behind_one_that_expires():
    group = online(1, 2)
    first, waiting = interrogation(oa=61), interrogation(seat=2, oa=62)
    asks(group, 1, first, now=1.0)
    assert delivered(group, 2, waiting, now=2.0) == []
    assert group.due == 11.0
    [expired] = group.handle_timeout(11.0)
    assert (expired.seat, expired.kind) == (1, Kind.EXPIRED)
    assert goes(group, 11.0) == []  # it may be slow to begin: its turn is not over
    assert group.due == 16.0
    assert group.handle_timeout(15.9) == []
    [over] = group.handle_timeout(16.0)
    assert (over.seat, over.kind) == (1, Kind.WARNING)
    assert over.text
    assert goes(group, 16.0) == [on(waiting, 2)]
    # what is late reaches its asker, as far as the RTU lets anyone know
    late = answer(first, 7, oa=1)
    assert delivered(group, RTU, late, now=17.0) == [home(late, 1, 61)]
    for cause in (7, 10):
        said = answer(waiting, cause, oa=2)
        assert delivered(group, RTU, said, now=18.0) == [home(said, 2, 62)]


def test_many_wait_behind_a_silent_rtu_and_each_has_his_turn():
    group = online()
    for seat, qoi in ((1, 20), (2, 21), (3, 22)):
        told(group, seat, interrogation(seat=seat, qoi=qoi), now=0.0)
    sent = goes(group, 0.0)
    for now in (15.0, 30.0, 45.0):
        group.handle_timeout(now)
        sent += goes(group, now)
    assert sent == [on(interrogation(seat=s, qoi=19 + s), s) for s in (1, 2, 3)]


def test_while_the_link_has_seen_no_termination_15_s_without_progress_free_the_turn():
    group = online(1, 2)
    asks(group, 1, interrogation(), now=0.0)
    told(group, 2, interrogation(seat=2), now=0.0)
    hears(group, answer(interrogation(), 7), now=5.0)
    hears(group, DATA, now=12.0)
    hears(group, DATA, now=20.0)
    assert group.handle_timeout(34.9) == []
    assert goes(group, 34.9) == []
    assert notes(group.handle_timeout(35.0), Kind.WARNING)
    assert goes(group, 35.0) == [on(interrogation(seat=2), 2)]


def test_once_it_has_ended_one_it_has_60_s():
    group = terminating(1, 2)
    asks(group, 1, interrogation(), now=0.0)
    told(group, 2, interrogation(seat=2), now=0.0)
    hears(group, answer(interrogation(), 7), now=5.0)
    assert group.handle_timeout(64.9) == []
    assert goes(group, 64.9) == []
    assert notes(group.handle_timeout(65.0), Kind.WARNING)
    assert goes(group, 65.0) == [on(interrogation(seat=2), 2)]


def test_the_termination_of_a_command_says_nothing_about_interrogations():
    group = online(1, 2)
    asks(group, 1, command(), now=0.0)
    hears(group, answer(command(), 7), answer(command(), 10), now=0.0)
    asks(group, 1, interrogation(), now=0.0)
    assert group.due == 10.0
    group.handle_timeout(10.0)
    assert group.due == 15.0


@pytest.mark.parametrize("timeout", [5.0, 60.0])
def test_every_link_begins_with_the_shorter_time(timeout):
    group = terminating(1, interrogation_timeout=timeout)
    relinked(group, 1, now=100.0)
    asks(group, 1, interrogation(), now=100.0)
    hears(group, answer(interrogation(), 7), now=100.0)
    assert group.due == 100.0 + min(timeout, 15.0)


def test_the_time_is_that_of_the_policy():
    group = terminating(1, interrogation_timeout=7.0)
    asks(group, 1, interrogation(), now=0.0)
    hears(group, answer(interrogation(), 7), now=1.0)
    assert group.due == 8.0


def test_data_is_progress_and_renews_its_question_also_when_it_comes_for_hours():
    group = terminating(1, 2)
    asks(group, 1, interrogation(oa=5), now=0.0)
    told(group, 2, interrogation(seat=2), now=0.0)
    hears(group, answer(interrogation(), 7), now=0.0)
    for now in range(10, 7200, 50):
        assert delivered(group, RTU, DATA, now=now) == [everyone(DATA, 1, 2)]
        assert group.handle_timeout(now + 49.0) == []
    term = answer(interrogation(), 10)
    expected = [home(term, 1, 5), on(interrogation(seat=2), 2)]
    assert delivered(group, RTU, term, now=7200.0) == expected


def test_other_data_is_no_progress():
    group = online(1, 2)
    asks(group, 1, interrogation(), now=0.0)
    hears(group, answer(interrogation(), 7), now=0.0)
    hears(group, event(1), asdu(13, 1, one_object(13)), now=14.0)
    assert notes(group.handle_timeout(15.0), Kind.WARNING)


@pytest.mark.parametrize("who", ["askers", "a master who left"])
def test_all_who_asked_are_told_that_it_came_to_nothing(who):
    group = both_waiting_in_one()
    goes(group, 1.0)
    hears(group, answer(interrogation(), 7), now=1.0)
    if who != "askers":
        group.master_lost(3, [], 2.0)
    over = notes(group.handle_timeout(61.0), Kind.WARNING)
    assert [note.seat for note in over] == ([2, 3] if who == "askers" else [2])


def test_a_termination_after_the_turn_still_comes_home():
    group = online(1, 2)
    asks(group, 1, interrogation(oa=5), now=0.0)
    hears(group, answer(interrogation(), 7), now=0.0)
    group.handle_timeout(15.0)
    term = answer(interrogation(), 10)
    assert delivered(group, RTU, term, now=40.0) == [home(term, 1, 5)]


def test_one_the_rtu_does_not_take_in_time_is_refused_to_all_and_the_next_has_its_turn():
    group = both_waiting_in_one()
    told(group, 1, interrogation(qoi=GROUP_1), now=5.0)
    assert group.due == 11.0
    actions = group.handle_timeout(11.0)
    assert [(note.seat, note.kind) for note in actions[::2]] == [
        (2, Kind.REFUSED),
        (3, Kind.REFUSED),
    ]
    assert actions[1::2] == [
        refused(interrogation(seat=2, oa=62), 2),
        refused(interrogation(seat=3, oa=63), 3),
    ]
    assert (group.waits_for_rtu(2), group.waits_for_rtu(3)) == (False, False)
    assert goes(group, 11.0) == [on(interrogation(qoi=GROUP_1), 1)]


def test_what_waits_for_its_turn_is_not_refused_as_unsent():
    group = terminating(1, 2)
    asks(group, 1, interrogation(), now=0.0)
    told(group, 2, interrogation(seat=2), now=0.0)
    for now in (1.0, 20.0, 40.0):
        hears(group, DATA, now=now)
        assert deliveries(group.handle_timeout(now)) == []
    term = answer(interrogation(), 10)
    expected = [home(term, 1), on(interrogation(seat=2), 2)]
    assert delivered(group, RTU, term, now=41.0) == expected


def test_one_that_is_forgotten_among_too_many_questions_frees_its_turn(monkeypatch):
    monkeypatch.setattr(questions, "LIMIT", 2)
    group = online()
    asks(group, 1, interrogation())
    hears(group, answer(interrogation(), 7))
    told(group, 3, interrogation(seat=3))
    for ioa in (1, 2):
        asks(group, 2, command(ioa, seat=2))
    assert delivered(group, RTU, DATA) == [everyone(DATA)]
    assert group.handle_timeout(2.0) == []
    assert goes(group, 2.0) == [on(interrogation(seat=3), 3)]


# The links


def test_with_the_rtus_link_all_that_runs_and_waits_is_gone():
    group = online()
    asks(group, 1, interrogation())
    told(group, 2, interrogation(seat=2))
    relinked(group, now=5.0)
    assert goes(group, 5.0) == []
    assert delivered(group, 3, interrogation(seat=3), now=6.0) == [on(interrogation(seat=3), 3)]


def test_with_the_rtus_link_one_that_was_not_taken_yet_is_gone_too():
    group = online()
    told(group, 1, interrogation())
    relinked(group, now=5.0)
    assert delivered(group, 1, interrogation(), now=6.0) == [on(interrogation(), 1)]


def test_an_interrogation_before_the_rtu_is_started_waits_for_room_only():
    group = usable()
    group.master_started(1, 0.0)
    assert told(group, 1, interrogation()) == []
    assert (group.has_unsent, group.waits_for_rtu(1)) == (True, True)
    group.rtu_started(1.1)
    assert goes(group, 1.1) == [on(interrogation(), 1)]


def test_a_stuck_one_does_not_take_the_next_ones_termination():
    group = online(1, 2)
    group.handle_timeout(0.0)
    asks(group, 1, interrogation(), now=0.0)
    hears(group, answer(interrogation(), 7), now=0.0)
    group.handle_timeout(15.0)
    asks(group, 2, interrogation(seat=2), now=15.0)
    for cause in (7, 10):  # the RTU echoes nothing
        what = answer(interrogation(), cause)
        assert delivered(group, RTU, what, now=16.0) == [home(what, 2)]
