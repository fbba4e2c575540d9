"""What a master may send: rights, clock, shape and cause, and how exactly the rest is refused."""

import pytest

from core.routing.actions import RTU, CloseMaster, Kind
from core.routing.group import Group
from core.routing.policy import MasterPolicy, Policy

from .asdus import ANSWERS, asdu, changed, deliver, obj, one_object
from .groups import (
    COMMANDS,
    answer,
    asks,
    assert_refused,
    command,
    counters,
    delivered,
    deliveries,
    goes,
    hears,
    home,
    interrogation,
    notes,
    on,
    online,
    order,
    told,
)

CONTROL = {
    **{type_id: {6, 8} for type_id in (*COMMANDS, 100, 101, 113)},
    **{type_id: {6} for type_id in (103, 104, 105, 107, 110, 111, 112)},
    102: {5},
    106: {3, 6},
    **{type_id: {13} for type_id in (120, 121, 123, 124, 125)},
    **{type_id: {5, 13} for type_id in (122, 127)},
    **{type_id: set(range(64)) - set(ANSWERS) for type_id in range(128, 256)},
}
"""Types of the control direction and their causes: 60870-5-101, 7.2.3; private ones carry any."""
GENERAL = {100: 20, 101: 5}


def one(type_id, cause, seat=1, **more):
    """An ASDU of any type; interrogations ask for something."""
    objects = obj(0, GENERAL[type_id]) if type_id in GENERAL else one_object(type_id)
    return asdu(type_id, cause, objects, ca=100 + seat, oa=9, test=True, **more)


def fate(type_id, cause):
    """What becomes of it with all rights: passes, is only noted, or is mirrored with a cause."""
    if cause in ANSWERS:
        return "noted"
    if type_id not in CONTROL:
        return 44
    return "passes" if cause in CONTROL[type_id] else 45


def fate_of(group, what):
    """The same as the group sees it."""
    actions = told(group, 1, what)
    sent = goes(group)
    if sent:
        assert (actions, sent) == ([], [on(what, 1)])
        return "passes"
    if not deliveries(actions):
        [note] = actions
        # The deactivation of an interrogation that does not run is answered, so this is neither.
        assert (note.seat, note.kind) == (1, Kind.MALFORMED)
        return "noted"
    [note, reply] = actions
    assert (note.seat, note.kind, note.n) == (1, Kind.REFUSED, 1)
    cause = reply.run.asdu(0).cause
    assert reply == deliver(changed(what, cause, negative=True), (1, what.oa, what.ca))
    return cause


@pytest.mark.parametrize("type_id", range(256))
def test_types_and_causes_with_all_rights(type_id):
    group = online(gi="forward")  # deactivations pass without an interrogation
    found = {cause: fate_of(group, one(type_id, cause)) for cause in range(64)}
    assert found == {cause: fate(type_id, cause) for cause in range(64)}


@pytest.mark.parametrize("type_id", range(256))
def test_types_and_causes_with_rights_to_monitor(type_id):
    group = online(gi="forward", masters={1: {"rights": "monitor"}})
    found = {cause: fate_of(group, one(type_id, cause)) for cause in range(64)}

    def expected(cause):
        full = fate(type_id, cause)
        if full != "passes" or type_id in (100, 101, 102):
            return full
        return {6: 7, 8: 9}.get(cause, 45)

    assert found == {cause: expected(cause) for cause in range(64)}


@pytest.mark.parametrize("qcc", [frz << 6 | 5 for frz in (1, 2, 3)] + [0x41, 0x80, 0xC0])
@pytest.mark.parametrize("cause", [6, 8])
def test_who_may_monitor_may_not_freeze(qcc, cause):
    group = online(masters={2: {"rights": "monitor"}})
    freeze = counters(seat=2, qcc=qcc, cause=cause, oa=5)
    assert_refused(told(group, 2, freeze), 2, freeze, why="rights")
    assert goes(group) == []
    assert delivered(group, 1, counters(qcc=qcc)) == [on(counters(qcc=qcc), 1)]


def test_who_may_monitor_is_answered_like_any_other():
    group = online(masters={2: {"rights": "monitor"}})
    for question, causes in (
        (interrogation(seat=2, oa=5), (7, 10)),
        (counters(seat=2, oa=5), (7, 10)),
        (asdu(102, 5, obj(5), ca=102, oa=5), (7, 47)),
    ):
        assert delivered(group, 2, question) == [on(question, 2)]
        for cause in causes:
            said = answer(question, cause, negative=cause > 40)
            assert delivered(group, RTU, said) == [home(said, 2, 5)]


def test_a_station_looks_for_faults_before_rights():
    group = online(masters={1: {"rights": "monitor", "clock": "refuse"}})
    for bad, cause in (
        (asdu(81, 6, obj(5, 1), ca=101), 44),
        (asdu(45, 3, obj(5, 1), ca=101), 45),
        (asdu(45, 6, obj(5, 1), ca=32), 46),
        (asdu(103, 6, one_object(103), ca=32), 46),
    ):
        assert_refused(told(group, 1, bad), 1, bad, cause=cause)


# The clock


def clock(seat, *, second=0, minute=0, hour=12, day=1, month=6, year=26, ms=0, ca=None, oa=0):
    ms += second * 1000
    tag = (ms % 256, ms // 256, minute, hour, day, month, year)
    return asdu(103, 6, obj(0, *tag), ca=100 + seat if ca is None else ca, oa=oa)


def test_with_clock_refuse_a_master_does_not_set_the_clock():
    group = online(masters={2: {"clock": "refuse"}})
    what = clock(2, oa=6)
    assert_refused(told(group, 2, what), 2, what, cause=7, why="clock")
    everywhere = clock(2, ca=65535)
    assert_refused(told(group, 2, everywhere), 2, everywhere, cause=7, why="clock")
    assert goes(group) == []
    assert delivered(group, 1, clock(1)) == [on(clock(1), 1)]


def test_with_clock_refuse_everything_else_passes():
    group = online(masters={2: {"clock": "refuse"}})
    for what in (command(seat=2), asdu(106, 6, obj(0, 1, 0), ca=102), one(107, 6, 2)):
        assert delivered(group, 2, what) == [on(what, 2)]


def test_who_may_only_monitor_does_not_set_the_clock_either():
    group = online(masters={2: {"rights": "monitor", "clock": "forward"}})
    assert_refused(told(group, 2, clock(2)), 2, clock(2), cause=7, why="rights")


def sets(group, what, *, now):
    """The warnings when a master (his number says who) sets the clock; it is always forwarded."""
    seat = what.ca - 100
    actions = told(group, seat, what, now=now)
    assert goes(group, now) == [on(what, seat)]
    warnings = notes(actions, Kind.WARNING)
    assert actions == warnings
    return [(note.seat, note.text) for note in warnings]


@pytest.mark.parametrize("echo", [False, True])
def test_two_masters_that_set_the_clock_at_once(echo):
    group = online(masters={1: {"name": "Old centre"}, 2: {"name": "New centre"}})
    one, two = clock(1, second=10, oa=61), clock(2, second=15, oa=62)
    assert sets(group, one, now=1.0) == []
    [(seat, text)] = sets(group, two, now=1.0)
    assert seat == 2
    assert "5.0 s ahead of" in text
    assert "Old centre" in text
    for seat, what in ((2, two), (1, one)):  # each gets his answer, in any order
        con = answer(what, 7, oa=seat if echo else 0)
        assert delivered(group, RTU, con) == [home(con, seat, 60 + seat)]
    # .. and it is said once
    assert sets(group, clock(1, second=20), now=11.0) == []
    assert sets(group, clock(2, second=25), now=11.0) == []


def test_who_is_behind_is_told_so_and_a_master_without_a_name_has_his_number():
    group = online()
    sets(group, clock(1, second=10), now=1.0)
    [(seat, text)] = sets(group, clock(2, second=5), now=1.0)
    assert seat == 2
    assert "5.0 s behind" in text
    assert "master 1" in text


@pytest.mark.parametrize(
    ("ms", "warned"), [(0, False), (2000, False), (2001, True), (-2000, False), (-2001, True)]
)
def test_2_s_are_tolerated(ms, warned):
    group = online()
    sets(group, clock(1, second=30), now=1.0)
    assert bool(sets(group, clock(2, second=30, ms=ms), now=1.0)) is warned


def test_the_time_between_the_two_counts():
    group = online()
    sets(group, clock(1, minute=0), now=1.0)
    assert sets(group, clock(2, minute=5), now=301.0) == []
    assert sets(group, clock(3, minute=5), now=400.0) != []


def test_across_midnight_and_new_year_too():
    group = online()
    sets(group, clock(1, year=26, month=12, day=31, hour=23, minute=59, second=59), now=1.0)
    assert sets(group, clock(2, year=27, month=1, day=1, hour=0), now=2.0) == []


def test_flags_in_the_time_tag_are_not_time():
    # Day of week, summer time, invalid and reserved bits.
    group = online()
    sets(group, clock(1, day=1, hour=12, minute=0, year=26), now=1.0)
    assert sets(group, clock(2, day=0xE1, hour=0x8C, minute=0xC0, year=0xFF & 0x9A), now=1.0) == []


def test_it_is_said_again_after_they_have_agreed():
    group = online()
    sets(group, clock(1, second=0), now=1.0)
    assert sets(group, clock(2, second=10), now=1.0)
    assert sets(group, clock(2, second=0), now=1.0) == []
    assert sets(group, clock(2, second=10), now=1.0)


def test_with_three_each_pair_is_named():
    group = online()
    sets(group, clock(1, second=0), now=1.0)
    assert len(sets(group, clock(2, second=10), now=1.0)) == 1
    assert len(sets(group, clock(3, second=20), now=1.0)) == 2


def test_a_master_alone_may_set_it_as_he_likes():
    group = online()
    assert sets(group, clock(1, second=0), now=1.0) == []
    assert sets(group, clock(1, second=50), now=1.0) == []


def test_a_master_who_left_is_compared_with_nobody():
    group = online()
    sets(group, clock(1, second=0), now=1.0)
    group.master_lost(1, [], 2.0)
    assert sets(group, clock(2, second=50), now=2.0) == []


def test_who_comes_after_him_is_compared_anew():
    group = online()
    sets(group, clock(1, second=0), now=1.0)
    assert sets(group, clock(2, second=50), now=1.0)
    group.master_lost(1, [], 2.0)
    group.master_started(1, 2.0)
    assert sets(group, clock(1, second=0), now=2.0)


def test_a_refused_clock_is_compared_with_nothing():
    group = online(masters={1: {"clock": "refuse"}})
    told(group, 1, clock(1, second=0))
    assert sets(group, clock(2, second=50), now=1.0) == []


@pytest.mark.parametrize("wrong", [{"month": 0}, {"day": 0}, {"day": 31, "month": 2},
                                   {"minute": 60}, {"hour": 24}], ids=str)  # fmt: skip
def test_a_time_that_does_not_exist_is_the_rtus_to_judge(wrong):
    group = online()
    sets(group, clock(1), now=1.0)
    assert sets(group, clock(2, **wrong), now=1.0) == []


# The shape


SINGLE = (*COMMANDS, *range(100, 108), *range(110, 114))


@pytest.mark.parametrize("type_id", SINGLE)
def test_any_number_of_objects_but_one_is_refused(type_id):
    group = online(gi="forward")
    object_ = one_object(type_id)
    cause = min(CONTROL[type_id] - {3})
    for what in (
        asdu(type_id, cause, 2 * object_, count=2, ca=101, oa=7, test=True),
        asdu(type_id, cause, object_, count=1, sq=True, ca=101, oa=7),
        asdu(type_id, cause, object_ + object_[3:], count=2, sq=True, ca=101, oa=7),
        asdu(type_id, cause, b"", count=0, ca=101, oa=7),
        asdu(type_id, cause, object_, count=0, ca=101, oa=7),
    ):
        assert_refused(told(group, 1, what), 1, what)
    assert goes(group) == []


@pytest.mark.parametrize("type_id", sorted(type_id for type_id in CONTROL if type_id < 128))
def test_what_is_cut_short_is_noted_and_neither_mirrored_nor_forwarded(type_id):
    group = online()
    whole = one(type_id, min(CONTROL[type_id]))
    [note] = told(group, 1, type(whole)(whole.octets[:-1]))
    assert (note.seat, note.kind) == (1, Kind.MALFORMED)
    assert note.text
    assert goes(group) == []


def test_surplus_octets_pass_to_the_rtu_too():
    group = online()
    what = asdu(45, 6, obj(5, 1) + b"\xaa\xbb", ca=101)
    assert delivered(group, 1, what) == [on(what, 1)]


# The refusal to the octet


def refusals():
    """Each way to be refused: its name, a group, who asks, and what he asks under cause 6."""
    full = online()
    asks(full, 1, order(45, 1, ioa=1), order(45, 1, ioa=2, select=True))
    rights = online(masters={2: {"rights": "monitor", "clock": "refuse"}})
    return [
        ("the same command twice", full, order(45, 2, ioa=1, oa=0xAB, test=True)),
        ("selected", full, order(63, 2, ioa=2, oa=0xAB, test=True)),
        ("selected, a stop", full, order(50, 2, ioa=2, cause=8, oa=0xAB, test=True)),
        ("rights", rights, order(62, 2, oa=0xAB, test=True)),
        ("rights, a stop", rights, order(62, 2, cause=8, oa=0xAB, test=True)),
        ("rights, another cause", rights, asdu(200, 13, obj(9, 1), ca=102, oa=0xAB, test=True)),
        ("no interrogation", full, interrogation(seat=2, cause=8, oa=0xAB, test=True)),
    ]


@pytest.mark.parametrize(("group", "what"), [r[1:] for r in refusals()],
                         ids=[r[0] for r in refusals()])  # fmt: skip
def test_a_refusal_is_the_masters_own_asdu_but_for_cause_and_sign(group, what):
    [note, reply] = told(group, 2, what)
    octets = what.octets
    mirrored = {6: 7, 8: 9}.get(octets[2] & 0x3F, 45)
    [said] = reply.run.asdus()
    assert said.octets == octets[:2] + bytes([0x80 | 0x40 | mirrored]) + octets[3:]
    assert reply.to == ((2, 0xAB | 102 << 8),)
    assert (note.seat, note.kind, note.n) == (2, Kind.REFUSED, 1)
    for part in (what.name, "CA 102", f"IOA {what.ioa}", note.why):
        assert part
        assert part in note.text


def test_t_stays_as_it_was_where_it_is_0_too():
    group = online(masters={1: {"rights": "monitor"}})
    [_, reply] = told(group, 1, command())
    assert reply.run.asdu(0).octets[2] == 0x47


def test_a_master_that_is_not_started_gets_no_refusal():
    group = online(1)
    told(group, 1, command(), now=1.0)
    bad = asdu(81, 6, obj(5, 1), ca=102)
    [note] = told(group, 2, bad)
    assert note.kind is Kind.REFUSED


# Common addresses


BROADCAST_TYPES = {100, 101, 103, 105}


@pytest.mark.parametrize("type_id", sorted(CONTROL))
@pytest.mark.parametrize("ca", ["map", "pass", "keep"])
def test_65535_passes_for_both_interrogations_clock_and_reset_only(type_id, ca):
    group = online(ca=ca)
    cause = min(CONTROL[type_id])
    what = changed(one(type_id, cause), cause, ca=65535)
    if type_id in BROADCAST_TYPES:
        assert delivered(group, 1, what) == [on(what, 1, 65535)]
    else:
        assert_refused(told(group, 1, what), 1, what, cause=46)
        assert goes(group) == []


@pytest.mark.parametrize("ca", [0, 32, 33, 102, 201, 65534])
@pytest.mark.parametrize("policy", ["map", "pass"])
def test_any_other_address_is_answered_46(ca, policy):
    group = online(ca=policy)
    for what in (
        command(oa=4),
        interrogation(oa=4, test=True),
        interrogation(oa=4, cause=8),
        asdu(102, 5, obj(5), ca=101, oa=4),
        asdu(122, 13, one_object(122), ca=101),
        asdu(200, 13, obj(5, 1), ca=101),
    ):
        foreign = changed(what, what.cause, ca=ca)
        assert_refused(told(group, 1, foreign), 1, foreign, cause=46)
    assert goes(group) == []


def kept(*seats):
    """A group as the later dialect makes it: `ca=keep`, all have the RTU's own number."""
    group = Group(Policy(ca="keep"), [32], [MasterPolicy([32]) for _ in range(3)])
    group.rtu_connected(0.0, always=True)
    group.rtu_started(0.0)
    for seat in seats or (1, 2, 3):
        group.master_started(seat, 0.0)
    return group


@pytest.mark.parametrize("ca", [0, 1, 32, 33, 65534])
def test_with_ca_keep_none_is_changed_or_checked_in_either_direction(ca):
    group = kept()
    what = command(oa=4)
    question = changed(what, 6, ca=ca)
    assert delivered(group, 2, question) == [on(question, 2, ca)]
    con = answer(what, 7, ca=ca)
    assert delivered(group, RTU, con) == [home(con, 2, 4, ca)]
    data = asdu(1, 3, obj(5, 1), ca=ca)
    assert hears(group, data) == [deliver(data, *((seat, 0, ca) for seat in (1, 2, 3)))]


def test_with_ca_keep_numbers_that_differ_are_not_translated_either():
    group = online(ca="keep")
    data = asdu(1, 3, obj(5, 1))
    assert hears(group, data) == [deliver(data, (1, 0, 32), (2, 0, 32), (3, 0, 32))]
    assert delivered(group, 1, command()) == [on(command(), 1, 101)]


def test_with_ca_keep_every_address_has_its_own_locks_and_sessions():
    group = kept()
    for ca in (7, 8):
        question = changed(order(45, 1), 6, ca=ca)
        assert delivered(group, 1, question) == [on(question, 1, ca)]
    again = changed(order(45, 2), 6, ca=8)
    assert_refused(told(group, 2, again), 2, again, cause=7)


# Private types


PRIVATE = (128, 135, 200, 255)
PRIVATE_CAUSES = [cause for cause in range(64) if cause not in ANSWERS]


@pytest.mark.parametrize("type_id", PRIVATE)
@pytest.mark.parametrize("cause", PRIVATE_CAUSES)
def test_private_types_pass_to_the_rtu_with_every_cause_but_answers(type_id, cause):
    group = online()
    what = asdu(type_id, cause, obj(7, *range(30)), ca=102, oa=8, count=9, sq=True)
    assert delivered(group, 2, what) == [on(what, 2)]
    # What asks for something is a question; the rest is sent and forgotten.
    said = answer(what, 47, negative=True)
    if cause in (5, 6, 8, 13):
        assert delivered(group, RTU, said) == [home(said, 2, 8)]
    else:
        assert notes(hears(group, said), Kind.ORPHAN)


@pytest.mark.parametrize("type_id", PRIVATE)
@pytest.mark.parametrize("cause", range(64))
def test_private_types_come_from_the_rtu_by_their_cause(type_id, cause):
    group = online()
    question = asdu(type_id, 6, obj(7, 1), ca=102, oa=8)
    asks(group, 2, question)
    said = answer(question, cause)
    if cause in ANSWERS:
        assert hears(group, said) == [home(said, 2, 8)]
    else:
        everyone = deliver(said, (1, 0, 101), (2, 0, 102), (3, 0, 103))
        assert hears(group, said) == [everyone]


def test_a_private_activation_is_confirmed_and_terminated():
    group = online()
    question = asdu(200, 6, obj(7, 1), ca=102, oa=8)
    asks(group, 2, question)
    for cause in (7, 10):
        said = answer(question, cause)
        assert hears(group, said) == [home(said, 2, 8)]
    assert notes(hears(group, answer(question, 10)), Kind.ORPHAN)


# More than the RTU takes


def test_a_master_whose_asdus_the_rtu_does_not_take_is_closed_not_the_rtu():
    group = online(buffer=3, masters={2: {"buffer": 5}})
    assert told(group, 1, *(command(n) for n in (1, 2, 3))) == []
    [closed] = told(group, 1, command(4))
    assert isinstance(closed, CloseMaster)
    assert closed.seat == 1
    assert told(group, 2, *(command(10 + n, seat=2) for n in range(5))) == []
