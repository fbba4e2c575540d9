"""Playbooks of a group: what happens to it, and exactly what it then wants done."""

import pytest

from core.protocol.run import Run
from core.routing.actions import (
    RTU,
    CloseMaster,
    CloseMasters,
    CloseRtu,
    Deliver,
    Kind,
    Note,
    OpenPorts,
    StartTransfer,
    StopTransfer,
)
from core.routing.actions import TestRtu as AskTest  # pytest would collect it
from core.routing.group import Group
from core.routing.policy import MasterPolicy, Policy

from .asdus import asdu, changed, deliver, event, obj, one_object
from .groups import (
    answer,
    asks,
    command,
    deliveries,
    end_of_initialization,
    everyone,
    group_of,
    hears,
    interrogation,
    longer,
    notes,
    online,
    told,
    usable,
)

# The RTU's life


def test_on_demand_an_rtu_is_tested_and_started_for_the_first_master_only():
    group = group_of()
    assert group.rtu_connected(0.0) == [AskTest()]
    assert group.rtu_tested(0.1) == [OpenPorts()]
    assert group.master_started(2, 1.0) == [end_of_initialization(2), StartTransfer()]
    assert group.master_started(1, 1.1) == [end_of_initialization(1)]
    assert group.rtu_started(1.2) == []
    assert group.master_started(3, 1.3) == [end_of_initialization(3)]
    assert group.master_lost(2, [], 2.0) == []
    assert group.master_stopped(1, [], 2.1) == []
    assert group.master_lost(3, [], 2.2) == [StopTransfer()]
    assert group.rtu_stopped(2.3) == []
    assert group.master_started(1, 3.0) == [end_of_initialization(1), StartTransfer()]


def test_an_rtu_is_usable_once():
    group = usable()
    assert group.rtu_tested(20.0) == []
    group.master_started(1, 21.0)
    assert group.rtu_started(21.1) == []
    assert group.rtu_tested(41.0) == []


def test_every_new_link_becomes_usable_anew():
    group = usable()
    group.rtu_lost(1.0)
    group.rtu_connected(2.0)
    assert group.rtu_tested(2.1) == [OpenPorts()]


def test_a_confirmed_start_makes_it_usable_too():
    group = group_of()
    group.rtu_connected(0.0)
    assert group.rtu_started(0.1) == [OpenPorts(), StopTransfer()]


def test_a_test_confirmed_on_no_link_means_nothing():
    group = group_of()
    assert group.rtu_tested(0.0) == []
    group.rtu_connected(0.0)
    group.rtu_lost(1.0)
    assert group.rtu_tested(1.1) == []
    assert group.rtu_connected(2.0) == [AskTest()]
    assert group.rtu_tested(2.1) == [OpenPorts()]


@pytest.mark.parametrize(("option", "host"), [(True, False), (False, True), (True, True)])
def test_always_an_rtu_is_started_at_once_and_stays_so(option, host):
    group = group_of(always_started=option)
    assert group.rtu_connected(0.0, always=host) == [StartTransfer()]
    assert group.rtu_started(0.1) == [OpenPorts()]
    assert group.master_started(1, 1.0) == [end_of_initialization(1)]
    assert group.master_lost(1, [], 2.0) == []


def test_a_host_treated_as_always_leaves_the_next_one_on_demand():
    group = group_of()
    group.rtu_connected(0.0, always=True)
    group.rtu_lost(1.0)
    assert group.rtu_connected(2.0) == [AskTest()]


def test_always_an_rtu_is_not_usable_before_it_has_confirmed_startdt():
    # A TESTFR con meanwhile (t3 may be shorter than t1) must not open the ports.
    group = group_of(always_started=True)
    group.rtu_connected(0.0)
    assert group.rtu_tested(0.1) == []
    assert group.rtu_started(0.2) == [OpenPorts()]


def test_a_stop_wanted_during_a_pending_start_follows_its_confirmation():
    group = usable()
    group.master_started(1, 0.0)
    assert group.master_lost(1, [], 0.1) == []
    assert group.rtu_started(0.2) == [StopTransfer()]


def test_a_start_wanted_during_a_pending_stop_follows_its_confirmation():
    group = online(1)
    assert group.master_lost(1, [], 1.0) == [StopTransfer()]
    assert group.master_started(2, 1.1) == [end_of_initialization(2)]
    assert group.rtu_stopped(1.2) == [StartTransfer()]
    assert group.rtu_started(1.3) == []


def test_a_master_that_comes_and_goes_during_a_pending_stop_changes_nothing():
    group = online(1)
    group.master_lost(1, [], 1.0)
    group.master_started(2, 1.1)
    assert group.master_stopped(2, [], 1.2) == []
    assert group.rtu_stopped(1.3) == []


BY_ITSELF = Note(RTU, Kind.INFO, "RTU stopped data transfer by itself")


def test_an_rtu_that_stops_by_itself_is_started_again():
    group = online(1)
    assert group.rtu_stopped(100.0) == [BY_ITSELF, StartTransfer()]
    group.rtu_started(100.1)
    assert group.rtu_stopped(160.1) == [BY_ITSELF, StartTransfer()]


def test_the_second_time_within_a_minute_its_link_is_closed():
    group = online(1)
    group.rtu_stopped(100.0)
    group.rtu_started(100.1)
    [closed] = group.rtu_stopped(159.9)
    assert isinstance(closed, CloseRtu)


def test_a_new_link_starts_with_a_clean_record():
    group = online(1)
    group.rtu_stopped(100.0)
    group.rtu_lost(101.0)
    group.master_lost(1, [], 101.0)
    group.rtu_connected(102.0)
    group.rtu_tested(102.1)
    group.master_started(1, 103.0)
    group.rtu_started(103.1)
    assert group.rtu_stopped(104.0) == [BY_ITSELF, StartTransfer()]


def test_a_stop_that_was_asked_for_is_not_by_itself():
    group = online(1)
    for second in range(5):
        assert group.master_lost(1, [], second) == [StopTransfer()]
        assert group.rtu_stopped(second + 0.1) == []
        group.master_started(1, second + 0.2)
        group.rtu_started(second + 0.3)


def test_each_of_several_numbers_gets_its_end_of_initialization():
    group = Group(Policy(), [32, 33], [MasterPolicy([101, 102])])
    group.rtu_connected(0.0)
    group.rtu_tested(0.0)
    assert group.master_started(1, 0.0) == [
        deliver(asdu(70, 4, bytes(4), ca=101), (1, 0, 101)),
        deliver(asdu(70, 4, bytes(4), ca=102), (1, 0, 102)),
        StartTransfer(),
    ]


@pytest.mark.parametrize("ca", [32, 99])
def test_the_rtus_own_end_of_initialization_is_never_forwarded(ca):
    group = online(orphans="all", ca="pass")
    [note] = hears(group, asdu(70, 4, bytes(4), ca=ca, oa=1))
    assert (note.seat, note.kind) == (RTU, Kind.INFO)
    assert note.text


def test_when_the_rtu_is_lost_the_masters_are_closed_and_nothing_is_open():
    group = online(1, 2)
    asks(group, 1, command())
    told(group, 2, command(seat=2))
    [closed] = group.rtu_lost(2.0)
    assert isinstance(closed, CloseMasters)
    assert (group.has_unsent, group.waits_for_rtu(2)) == (False, False)
    assert group.due == float("inf")
    assert group.to_rtu(10, 2.0) == []
    assert group.handle_timeout(1000.0) == []
    [note] = told(group, 1, command(), command(), now=2.1)
    assert (note.seat, note.kind, note.n) == (1, Kind.DROPPED, 2)
    assert not group.has_unsent
    group.master_lost(1, [], 2.2)
    group.master_lost(2, [], 2.2)
    group.rtu_connected(3.0)
    group.rtu_tested(3.0)
    group.master_started(1, 3.1)
    group.rtu_started(3.2)
    # what the lost link was asked is not answered by the new one
    assert deliveries(hears(group, answer(command(), 7, oa=1))) == []


# Monitor direction


def test_data_goes_to_every_started_master_under_his_own_number():
    group = online(1, 3)
    run = Run.of(event(1), event(2, cause=1), asdu(30, 20, one_object(30)))
    assert group.from_rtu(run, 1.0) == [Deliver(run, ((1, 101 << 8), (3, 103 << 8)))]


def test_the_same_headers_again_go_the_same_way():
    group = online(1)
    run = Run.of(event(1), event(2))
    first = group.from_rtu(run, 1.0)
    assert group.from_rtu(run, 2.0) == first
    group.master_started(2, 3.0)
    assert group.from_rtu(run, 3.0) == [everyone((event(1), event(2)), 1, 2)]
    group.master_stopped(1, [], 4.0)
    assert group.from_rtu(run, 4.0) == [everyone((event(1), event(2)), 2)]


def test_a_header_known_as_ordinary_does_not_let_a_shorter_frame_through():
    group = online(1)
    good = event(1)
    hears(group, good)
    cut = good.octets[:-1]
    [note] = hears(group, type(good)(cut))
    assert note.kind is Kind.MALFORMED
    assert deliveries(hears(group, type(good)(good.octets + b"\0"))) == [
        everyone(type(good)(good.octets + b"\0"), 1)
    ]


def test_the_originator_is_0_whatever_the_rtu_sends():
    group = online()
    assert hears(group, event(1, oa=2)) == [everyone(event(1, oa=2))]


def test_originators_and_counts_without_end_are_still_routed():
    group = online(1)
    for oa in range(256):
        for count in range(1, 21):
            what = asdu(1, 20, obj(1, *bytes(count)), count=count, sq=True, oa=oa)
            assert hears(group, what) == [everyone(what, 1)]
    assert hears(group, event(1)) == [everyone(event(1), 1)]


def test_private_types_and_objects_of_unknown_size_pass_as_they_are():
    group = online()
    private = asdu(200, 3, obj(1, *range(50)), count=9)
    assert hears(group, private) == [everyone(private)]
    assert hears(group, private) == [everyone(private)]


def test_a_run_for_three_audiences_is_cut_and_keeps_its_order():
    group = online(1, 2)
    mine, other = command(seat=2, oa=9), command(ioa=6, oa=8)
    asks(group, 2, mine)
    asks(group, 1, other)
    a, b, c, d, e = (event(n) for n in range(1, 6))
    con, con2 = answer(mine, 7), answer(other, 7)
    initialized = asdu(70, 4, bytes(4))
    actions = hears(group, a, b, con, con2, c, initialized, d, e)
    [note] = notes(actions, Kind.INFO)
    assert actions == [
        everyone((a, b), 1, 2),
        deliver(con, (2, 9, 102)),
        deliver(con2, (1, 8, 101)),
        everyone(c, 1, 2),
        note,
        everyone((d, e), 1, 2),
    ]


def test_answers_first_and_last_in_a_run():
    group = online(1, 2)
    asks(group, 2, command(seat=2))
    con, term = answer(command(), 7), answer(command(), 10)
    assert hears(group, con, event(1), term) == [
        deliver(con, (2, 0, 102)),
        everyone(event(1), 1, 2),
        deliver(term, (2, 0, 102)),
    ]


def test_an_answer_carries_test_and_negative_bits_on():
    group = online(1)
    question = asdu(45, 6, obj(5, 1), ca=101, test=True, oa=4)
    asks(group, 1, question)
    con = answer(question, 7, negative=True)
    assert con.octets[2] == 0xC7
    assert hears(group, con) == [deliver(con, (1, 4, 101))]


@pytest.mark.parametrize("echo", [0, 1, 2, 200])
def test_an_answer_goes_to_its_asker_whatever_the_rtu_echoes(echo):
    group = online(1, 2, 3)
    asks(group, 2, command(seat=2, oa=77))
    con = answer(command(), 7, oa=echo)
    assert hears(group, con) == [deliver(con, (2, 77, 102))]


def test_a_second_common_address_is_mapped_by_its_place():
    group = Group(Policy(), [32, 33], [MasterPolicy([101, 102]), MasterPolicy([201, 202])])
    group.rtu_connected(0.0, always=True)
    group.rtu_started(0.0)
    group.master_started(1, 0.0)
    group.master_started(2, 0.0)
    a, b, c = event(1), event(2, ca=33), event(3, ca=33)
    for _ in range(2):  # also once the headers are known
        assert hears(group, a, b, c) == [
            deliver(a, (1, 0, 101), (2, 0, 201)),
            deliver((b, c), (1, 0, 102), (2, 0, 202)),
        ]


def test_a_broadcast_to_two_stations_is_over_after_two_terminations():
    group = Group(Policy(), [32, 33], [MasterPolicy([101, 102])])
    group.rtu_connected(0.0, always=True)
    group.rtu_started(0.0)
    group.master_started(1, 0.0)
    question = interrogation(ca=65535)
    asks(group, 1, question)
    for cause in (7, 10):
        for ca, own in ((32, 101), (33, 102)):
            said = answer(question, cause, ca=ca)
            assert hears(group, said) == [deliver(said, (1, 0, own))]
    assert group.due == float("inf")


def test_data_of_an_unlisted_common_address_is_dropped_counted_and_said_once():
    group = online()
    foreign = event(7, ca=99)
    a, b = event(1), event(2)
    first, again = hears(group, a, foreign, b), hears(group, foreign)
    assert deliveries(first) == [everyone(a), everyone(b)]
    [note] = notes(first, Kind.UNKNOWN_CA)
    assert (note.seat, note.n) == (RTU, 1)
    assert "99" in note.text
    assert again == [Note(RTU, Kind.UNKNOWN_CA)]
    [other] = hears(group, event(7, ca=98))
    assert "98" in other.text


def test_unlisted_common_addresses_pass_unmapped_if_told_so():
    group = online(1, 2, ca="pass")
    foreign = event(7, ca=99)
    assert hears(group, event(1), foreign) == [
        everyone(event(1), 1, 2),
        deliver(foreign, (1, 0, 99), (2, 0, 99)),
    ]
    assert hears(group, foreign) == [deliver(foreign, (1, 0, 99), (2, 0, 99))]


def test_an_answer_from_an_unlisted_common_address_is_dropped():
    # The asker would see a station that is not configured, under a number that is not his.
    group = online(1)
    question = interrogation(ca=65535)
    assert asks(group, 1, question) == [deliver(question, (0, 1, 65535))]
    actions = hears(group, answer(question, 7, ca=99))
    assert deliveries(actions) == []
    assert notes(actions, Kind.UNKNOWN_CA)


def test_an_orphan_of_an_unlisted_common_address_is_dropped():
    group = online(orphans="all")
    actions = hears(group, asdu(45, 7, obj(5, 1), ca=99))
    assert deliveries(actions) == []
    assert notes(actions, Kind.UNKNOWN_CA)


def test_a_flood_of_unlisted_common_addresses_is_remembered_within_bounds():
    # There are 256 x 65,535 pairs of type and address; none may stay in memory for ever.
    group = online(1)
    said = 0
    for type_id in range(1, 22):
        for ca in range(1000, 1300):
            [note] = hears(group, asdu(type_id, 3, one_object(type_id), ca=ca))
            assert note.kind is Kind.UNKNOWN_CA
            said += bool(note.text)
    assert said <= 4096


MALFORMED = [
    ("cut short", "01 01 03 00 20 00 05 00 00"),
    ("header only", "01 01 03 00 20 00"),
    ("no object", "01 00 03 00 20 00 05 00 00 01"),
    ("answer cut short", "2d 01 07 01 20 00 05 00 00"),
    ("end of initialization cut short", "46 01 04 00 20 00 00 00 00"),
    ("private without address", "c8 01 03 00 20 00 05 00"),
    ("read answer cut short", "01 02 05 00 20 00 05 00 00 01"),
]


@pytest.mark.parametrize("octets", [row[1] for row in MALFORMED], ids=[r[0] for r in MALFORMED])
def test_malformed_asdus_are_dropped_counted_and_said_once(octets):
    group = online(orphans="all")
    asks(group, 1, command())
    asks(group, 1, asdu(102, 5, obj(5), ca=101))
    bad = type(event(1))(bytes.fromhex(octets))
    actions = hears(group, event(1), bad, event(2))
    assert deliveries(actions) == [everyone(event(1)), everyone(event(2))]
    [note] = notes(actions, Kind.MALFORMED)
    assert (note.seat, note.n) == (RTU, 1)
    assert note.text
    assert hears(group, bad) == [Note(RTU, Kind.MALFORMED)]


def test_surplus_octets_pass_with_a_notice_in_their_place():
    group = online(1)
    a, surplus, c = event(1), longer(event(2)), event(3)
    actions = hears(group, a, surplus, c)
    assert [what for d in deliveries(actions) for what in d.run.asdus()] == [a, surplus, c]
    assert {to for d in deliveries(actions) for to in d.to} == {(1, 101 << 8)}
    [note] = notes(actions, Kind.INFO)
    assert "2 octets" in note.text
    assert hears(group, surplus) == [Note(RTU, Kind.INFO), everyone(surplus, 1)]


def test_surplus_octets_of_an_answer_pass_with_a_notice_too():
    group = online(1)
    asks(group, 1, command())
    con = longer(answer(command(), 7))
    actions = hears(group, con)
    assert deliveries(actions) == [deliver(con, (1, 0, 101))]
    assert notes(actions, Kind.INFO)


# Answers nobody asked for


ORPHANS = [
    ("confirmation", asdu(45, 7, obj(5, 1))),
    ("termination", asdu(100, 10, obj(0, 20))),
    ("value with an error cause", asdu(1, 47, obj(5, 1))),
    ("command type as an event", asdu(45, 3, obj(5, 1))),
    ("unknown type", asdu(60, 14, one_object(60))),
    ("file without a session", asdu(120, 13, one_object(120))),
    ("private answer", asdu(200, 7, obj(5, 1))),
]


@pytest.mark.parametrize("orphan", [row[1] for row in ORPHANS], ids=[row[0] for row in ORPHANS])
def test_orphans_are_dropped_counted_and_said_once_per_kind(orphan):
    group = online()
    [note] = hears(group, orphan)
    assert (note.seat, note.kind, note.n) == (RTU, Kind.ORPHAN, 1)
    assert note.text
    assert hears(group, orphan) == [Note(RTU, Kind.ORPHAN)]


@pytest.mark.parametrize("orphan", [row[1] for row in ORPHANS], ids=[row[0] for row in ORPHANS])
def test_orphans_go_to_all_if_told_so(orphan):
    group = online(1, 2, orphans="all")
    [note, *rest] = hears(group, orphan)
    assert note.kind is Kind.ORPHAN
    assert rest == [everyone(orphan, 1, 2)]


def test_a_command_answered_once_too_often_is_an_orphan():
    group = online(1, 2)
    asks(group, 1, command())
    con, term = answer(command(), 7), answer(command(), 10)
    assert deliveries(hears(group, con, term)) == [
        deliver(con, (1, 0, 101)),
        deliver(term, (1, 0, 101)),
    ]
    assert notes(hears(group, term), Kind.ORPHAN)


def test_an_orphan_under_the_broadcast_address_is_dropped():
    orphan = asdu(100, 10, obj(0, 20), ca=65535)
    assert notes(hears(online(), orphan), Kind.ORPHAN)
    assert deliveries(hears(online(), orphan)) == []


# Reads


def test_a_read_is_answered_to_the_reader_alone():
    group = online()
    question = asdu(102, 5, obj(5), ca=102, oa=12)
    assert asks(group, 2, question) == [deliver(question, (0, 2, 32))]
    con, data = answer(question, 7), asdu(13, 5, one_object(13, 5))
    assert hears(group, con, data) == [
        deliver(con, (2, 12, 102)),
        deliver(data, (2, 12, 102)),
    ]
    assert hears(group, data) == [everyone(data)]


def test_requested_data_nobody_reads_is_for_everyone():
    group = online(1, 3)
    data = asdu(13, 5, one_object(13, 5))
    assert hears(group, data) == [everyone(data, 1, 3)]


def test_one_answer_serves_the_readers_of_all_its_objects_once_each():
    group = online()
    asks(group, 2, asdu(102, 5, obj(5), ca=102, oa=1), asdu(102, 5, obj(6), ca=102, oa=1))
    asks(group, 3, asdu(102, 5, obj(7), ca=103, oa=2))
    data = asdu(1, 5, obj(5, 1, 0, 1), count=3, sq=True)
    assert hears(group, data) == [deliver(data, (2, 1, 102), (3, 2, 103))]


def test_requested_data_for_a_reader_who_left_is_for_nobody():
    group = online()
    asks(group, 2, asdu(102, 5, obj(5), ca=102))
    group.master_lost(2, [], 2.0)
    assert hears(group, asdu(1, 5, obj(5, 1))) == []


def test_what_is_not_process_information_answers_no_read():
    group = online()
    asks(group, 2, asdu(102, 5, obj(5), ca=102))
    private = asdu(200, 5, obj(5, 1))
    assert hears(group, private) == [everyone(private)]


# Control direction


@pytest.mark.parametrize(("oa", "toward"), [("index", 2), ("zero", 0), ("keep", 77)])
def test_the_originator_toward_the_rtu(oa, toward):
    group = online(oa=oa)
    question = command(seat=2, oa=77)
    assert asks(group, 2, question) == [deliver(question, (0, toward, 32))]
    con = answer(question, 7, oa=toward)
    assert hears(group, con) == [deliver(con, (2, 77, 102))]


def test_a_slot_beyond_one_octet_is_given_as_0():
    numbers = [[n] for n in range(1, 301)]
    group = Group(Policy(), [32], [MasterPolicy(own) for own in numbers])
    group.rtu_connected(0.0, always=True)
    group.rtu_started(0.0)
    for seat, toward in ((255, 255), (256, 0), (300, 0)):
        group.master_started(seat, 0.0)
        question = asdu(45, 6, obj(seat, 1), ca=seat, oa=9)
        assert asks(group, seat, question) == [deliver(question, (0, toward, 32))]
        con = answer(question, 7, oa=toward)
        assert hears(group, con) == [deliver(con, (seat, 9, seat))]


def test_questions_of_a_run_go_out_one_by_one_in_order():
    group = online(1, 2)
    a, b, c = command(1), command(2, seat=2), command(3)
    told(group, 1, a)
    told(group, 2, b)
    told(group, 1, c)
    assert group.to_rtu(10, 1.0) == [
        deliver(a, (0, 1, 32)),
        deliver(b, (0, 2, 32)),
        deliver(c, (0, 1, 32)),
    ]


def test_a_broadcast_passes_as_it_is_and_its_answers_come_home():
    group = online()
    question = interrogation(ca=65535, oa=5)
    assert asks(group, 2, question) == [deliver(question, (0, 2, 65535))]
    con, data = answer(question, 7), asdu(1, 20, obj(1, 1))
    mirrored = answer(question, 10, ca=65535)
    assert hears(group, con, data, mirrored) == [
        deliver(con, (2, 5, 102)),
        everyone(data),
        deliver(mirrored, (2, 5, 65535)),
    ]
    assert notes(hears(group, mirrored), Kind.ORPHAN)


@pytest.mark.parametrize(
    "question",
    [
        asdu(100, 6, obj(0, 20), ca=65535),
        asdu(101, 6, obj(0, 5), ca=65535),
        asdu(103, 6, one_object(103, 0), ca=65535),
        asdu(105, 6, obj(0, 1), ca=65535),
    ],
    ids=str,
)
def test_every_broadcast_is_over_once_the_one_station_has_ended_it(question):
    group = online(1)
    asks(group, 1, question)
    causes = (7, 10) if question.type_id in (100, 101) else (7,)
    for cause in causes:
        said = answer(question, cause)
        assert hears(group, said) == [deliver(said, (1, 0, 101))]
    assert group.due == float("inf")


def test_a_master_whose_own_number_is_65535_is_translated_like_any_other():
    group = Group(Policy(), [32], [MasterPolicy([65535])])
    group.rtu_connected(0.0, always=True)
    group.rtu_started(0.0)
    group.master_started(1, 0.0)
    question = asdu(45, 6, obj(5, 1), ca=65535)
    assert asks(group, 1, question) == [deliver(question, (0, 1, 32))]
    con = answer(question, 7)
    assert hears(group, con) == [deliver(con, (1, 0, 65535))]


REFUSED = [
    ("unknown type", asdu(81, 6, obj(5, 1), ca=101, oa=9, test=True), 44),
    ("monitor type", asdu(1, 3, obj(5, 1), ca=101, oa=9), 44),
    ("unknown cause", asdu(45, 3, obj(5, 1), ca=101, oa=9, test=True), 45),
    ("unknown address", asdu(45, 6, obj(5, 1), ca=32, oa=9), 46),
    ("broadcast of a command", asdu(45, 6, obj(5, 1), ca=65535), 46),
    ("two objects", asdu(45, 6, obj(5, 1) + obj(6, 1), ca=101, count=2, oa=9, test=True), 7),
    ("two objects, stop", asdu(45, 8, obj(5, 1) + obj(6, 1), ca=101, count=2), 9),
    ("a sequence, read", asdu(102, 5, obj(5), ca=101, sq=True), 45),
    ("no object", asdu(100, 6, b"", ca=101, count=0), 7),
]


@pytest.mark.parametrize(("bad", "cause"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_refusals_go_back_to_the_asker_as_he_sent_it(bad, cause):
    group = online(1, 2)
    [note, reply] = told(group, 1, bad)
    assert (note.seat, note.kind, note.n) == (1, Kind.REFUSED, 1)
    assert f"CA {bad.ca}" in note.text
    assert f"IOA {bad.ioa}" in note.text
    mirror = changed(bad, cause, negative=True)
    assert reply == deliver(mirror, (1, bad.oa, bad.ca))
    assert not group.has_unsent
    assert not group.waits_for_rtu(1)


SILENT = [
    ("cut short", asdu(45, 6, obj(5), ca=101)),
    *((f"cause {c}", asdu(45, c, obj(5, 1), ca=101)) for c in (7, 9, 10, 44, 45, 46, 47)),
]


@pytest.mark.parametrize("bad", [row[1] for row in SILENT], ids=[row[0] for row in SILENT])
def test_what_is_cut_short_or_an_answer_is_noted_and_never_answered(bad):
    group = online(1)
    [note] = told(group, 1, bad)
    assert (note.seat, note.kind) == (1, Kind.MALFORMED)
    assert note.text
    assert not group.has_unsent


def test_what_is_refused_does_not_hold_up_what_follows():
    group = online(1)
    good, bad = command(1), asdu(81, 6, obj(5, 1), ca=101)
    actions = told(group, 1, good, bad, command(2))
    assert deliveries(actions) == [deliver(changed(bad, 44, negative=True), (1, 0, 101))]
    assert len(group.to_rtu(10, 1.0)) == 2


def test_what_finds_no_room_waits_and_goes_in_order():
    group = online(1, 2)
    told(group, 1, command(1), command(2), now=1.0)
    told(group, 2, command(3, seat=2), now=1.0)
    assert group.to_rtu(0, 1.0) == []
    assert group.has_unsent
    assert group.to_rtu(2, 1.0) == [
        deliver(command(1), (0, 1, 32)),
        deliver(command(2), (0, 1, 32)),
    ]
    assert (group.waits_for_rtu(1), group.waits_for_rtu(2)) == (False, True)
    assert group.to_rtu(2, 2.0) == [deliver(command(3, seat=2), (0, 2, 32))]
    assert not group.has_unsent
    assert not group.waits_for_rtu(2)


def test_a_question_opens_when_it_is_sent_not_when_it_came():
    group = online(1)
    told(group, 1, command(), now=1.0)
    assert notes(hears(group, answer(command(), 7)), Kind.ORPHAN)
    group.to_rtu(1, 5.0)
    assert group.due == 15.0


def test_what_is_unsent_after_command_timeout_is_refused_not_sent_late():
    group = online(1, 2, command_timeout=4.0)
    stop = command(2, seat=2, cause=8, oa=8)
    told(group, 1, command(1, oa=7), now=1.0)
    told(group, 2, stop, now=2.0)
    assert group.due == 5.0
    assert group.handle_timeout(4.9) == []
    [note, reply] = group.handle_timeout(5.0)
    assert (note.seat, note.kind) == (1, Kind.REFUSED)
    assert reply == deliver(changed(command(1, oa=7), 7, negative=True), (1, 7, 101))
    assert (group.waits_for_rtu(1), group.waits_for_rtu(2)) == (False, True)
    assert group.due == 6.0
    [note, reply] = group.handle_timeout(6.0)
    assert reply == deliver(changed(stop, 9, negative=True), (2, 8, 102))
    assert group.to_rtu(10, 6.0) == []
    assert group.due == float("inf")


def test_nothing_of_a_master_that_stopped_is_carried_out_later():
    group = online(1, 2)
    told(group, 1, command(1), command(2), now=1.0)
    told(group, 2, command(3, seat=2), now=1.0)
    [note] = group.master_stopped(1, [], 2.0)
    assert (note.seat, note.kind, note.n) == (1, Kind.DROPPED, 2)
    assert not group.waits_for_rtu(1)
    assert group.to_rtu(10, 2.0) == [deliver(command(3, seat=2), (0, 2, 32))]
    assert group.handle_timeout(11.0) == []


def test_a_master_that_leaves_takes_what_was_not_sent_with_him():
    group = online(1, 2)
    told(group, 1, command(1), command(2))
    told(group, 2, command(3, seat=2))
    [note] = group.master_lost(1, [], 2.0)
    assert (note.seat, note.kind, note.n) == (1, Kind.DROPPED, 2)
    assert not group.waits_for_rtu(1)
    assert group.to_rtu(10, 2.0) == [deliver(command(3, seat=2), (0, 2, 32))]


def test_a_master_with_more_than_his_buffer_waiting_is_closed():
    group = online(1, 2, buffer=3)
    told(group, 2, command(9, seat=2))
    assert told(group, 1, command(1), command(2)) == []
    bad = asdu(81, 6, obj(5, 1), ca=101)
    [note, reply, closed] = told(group, 1, command(3), bad, command(4), command(5))
    assert note.kind is Kind.REFUSED
    assert reply.to[0][0] == 1
    assert isinstance(closed, CloseMaster)
    assert closed.seat == 1
    group.master_lost(1, [], 1.1)
    assert group.to_rtu(10, 1.1) == [deliver(command(9, seat=2), (0, 2, 32))]


def test_room_given_back_counts_again():
    group = online(1, buffer=2)
    for n in range(10):
        assert told(group, 1, command(n), command(n)) == []
        assert len(group.to_rtu(2, 1.0)) == 2


# Questions and their owners, through the group


def test_answers_for_a_master_who_left_are_for_nobody():
    group = online(1, 2)
    asks(group, 1, command())
    group.master_lost(1, [], 2.0)
    con, term = answer(command(), 7, oa=1), answer(command(), 10, oa=1)
    group.master_started(1, 2.5)
    assert hears(group, con, term, now=3.0) == []
    assert notes(hears(group, term, now=3.1), Kind.ORPHAN)


def test_answers_for_a_stopped_master_are_dropped_and_noted():
    group = online(1, 2)
    asks(group, 1, command())
    group.master_stopped(1, [], 2.0)
    [note] = hears(group, answer(command(), 7))
    assert (note.seat, note.kind) == (1, Kind.DROPPED)
    group.master_started(1, 3.0)
    term = answer(command(), 10)
    assert hears(group, term, now=3.1) == [deliver(term, (1, 0, 101))]


def test_a_question_without_answer_is_noted_with_its_owner():
    group = online(1, 2)
    asks(group, 2, command(seat=2), now=1.0)
    asks(group, 1, command(6), now=2.0)
    group.master_lost(1, [], 3.0)
    assert group.due == 11.0
    assert group.handle_timeout(10.9) == []
    [note] = group.handle_timeout(11.0)
    assert (note.seat, note.kind) == (2, Kind.EXPIRED)
    [note] = group.handle_timeout(12.0)
    assert (note.seat, note.kind) == (RTU, Kind.EXPIRED)


def test_a_late_answer_still_goes_home():
    group = online(1, 2)
    asks(group, 2, command(seat=2, oa=3), now=1.0)
    group.handle_timeout(11.0)
    con = answer(command(), 7, oa=1)
    assert hears(group, con, now=60.0) == [deliver(con, (2, 3, 102))]
    assert group.due == 61.0
    group.handle_timeout(61.0)
    assert notes(hears(group, answer(command(), 10), now=61.0), Kind.ORPHAN)


def test_the_timeouts_are_those_of_the_policy():
    group = online(1, command_timeout=2.0, term_timeout=7.0)
    asks(group, 1, command(), now=1.0)
    assert group.due == 3.0
    hears(group, answer(command(), 7), now=2.0)
    assert group.due == 9.0
    assert group.handle_timeout(9.0) == []
    assert group.due == 19.0


def test_a_read_of_a_file_type_opens_no_deadline():
    group = online(1)
    asks(group, 1, asdu(122, 5, obj(900, 0, 0, 0, 0), ca=101))
    assert group.due == float("inf")


# Events while no master is started


def test_events_between_two_masters_are_given_first_to_the_next_one():
    group = online(1)
    group.master_lost(1, [], 1.0)
    kept = [event(1), event(2, cause=11), event(3, cause=12), asdu(103, 3, one_object(103, 0))]
    stale = [event(4, cause=c) for c in (1, 2, 5, 20)]
    assert hears(group, kept[0], stale[0], kept[1], *stale[1:]) == []
    assert hears(group, kept[2], kept[3]) == []
    group.rtu_stopped(2.0)
    assert group.master_started(3, 3.0) == [
        end_of_initialization(3),
        *(everyone(what, 3) for what in kept),
        StartTransfer(),
    ]
    assert group.master_started(1, 3.1) == [end_of_initialization(1)]


def test_always_events_are_kept_too():
    group = group_of(always_started=True)
    group.rtu_connected(0.0)
    group.rtu_started(0.1)
    private = asdu(200, 3, obj(1, 2))
    assert hears(group, event(1), private, event(1, cause=1)) == []
    assert group.master_started(2, 1.0) == [
        end_of_initialization(2),
        everyone(event(1), 2),
        everyone(private, 2),
    ]


def test_the_oldest_events_go_when_more_come_than_the_buffer_holds():
    group = online(1, buffer=3)
    group.master_lost(1, [], 1.0)
    hears(group, *(event(n) for n in range(1, 6)))
    [initialized, note, *rest] = group.master_started(1, 2.0)
    assert initialized == end_of_initialization(1)
    assert (note.seat, note.kind, note.n) == (RTU, Kind.DROPPED, 2)
    assert rest == [everyone(event(n), 1) for n in (3, 4, 5)]
    group.master_lost(1, [], 3.0)
    hears(group, event(9))
    assert group.master_started(1, 4.0)[:2] == [end_of_initialization(1), everyone(event(9), 1)]


def test_what_was_kept_is_marked_and_what_comes_live_is_not():
    group = usable()
    hears(group, event(1))
    first = deliveries(group.master_started(1, 1.0))
    assert [action.was_kept for action in first] == [True, True]
    assert [action.was_kept for action in deliveries(hears(group, event(2)))] == [False]


def test_what_comes_back_undelivered_is_kept_if_nobody_is_there():
    group = usable()
    group.keep(Run.of(event(1), answer(command(), 7)))
    assert deliveries(group.master_started(1, 1.0))[1:] == [everyone(event(1), 1)]
    group.keep(Run.of(event(2)))
    assert deliveries(group.master_started(2, 1.0)) == [end_of_initialization(2)]


def test_kept_events_keep_the_common_address_they_came_from():
    group = Group(Policy(ca="pass"), [32, 33], [MasterPolicy([101, 102])])
    group.rtu_connected(0.0, always=True)
    group.rtu_started(0.0)
    a, b, c = event(1), event(2, ca=33), event(3, ca=99)
    hears(group, a, b, c)
    assert deliveries(group.master_started(1, 1.0))[2:] == [
        deliver(a, (1, 0, 101)),
        deliver(b, (1, 0, 102)),
        deliver(c, (1, 0, 99)),
    ]


def test_what_the_last_master_did_not_get_is_kept_as_far_as_it_is_events():
    group = online(1, 2)
    con = answer(command(), 7)
    undelivered = [
        Run.of(asdu(70, 4, bytes(4), ca=102)),
        Run.of(event(1), event(2, cause=20), con),
        Run.of(event(3, cause=11)),
    ]
    group.master_lost(1, [Run.of(event(9))], 1.0)  # the other one has it
    assert group.master_lost(2, undelivered, 1.1) == [StopTransfer()]
    hears(group, event(4))
    assert group.master_started(1, 2.0) == [
        end_of_initialization(1),
        everyone(event(1), 1),
        everyone(event(3, cause=11), 1),
        everyone(event(4), 1),
    ]


def test_a_master_that_stops_with_data_unsent_leaves_it_noted_or_kept():
    group = online(1, 2)
    unsent = [Run.of(event(1), event(2, cause=20)), Run.of(event(3))]
    [note] = group.master_stopped(2, unsent, 1.0)
    assert (note.seat, note.kind, note.n) == (2, Kind.DROPPED, 3)
    assert group.master_stopped(1, unsent, 2.0) == [StopTransfer()]
    assert group.master_started(2, 3.0) == [
        end_of_initialization(2),
        everyone(event(1), 2),
        everyone(event(3), 2),
    ]


def test_a_master_that_stopped_before_he_was_lost_is_not_kept_twice():
    group = online(1)
    group.master_stopped(1, [Run.of(event(1))], 1.0)
    assert group.master_lost(1, [Run.of(event(1))], 2.0) == []
    assert deliveries(group.master_started(1, 3.0)) == [
        end_of_initialization(1),
        everyone(event(1), 1),
    ]


def test_kept_events_outlive_the_rtus_link():
    group = online(1)
    group.rtu_lost(1.0)
    group.master_lost(1, [Run.of(event(1))], 1.1)
    group.rtu_connected(2.0)
    group.rtu_tested(2.1)
    assert deliveries(group.master_started(2, 3.0)) == [
        end_of_initialization(2),
        everyone(event(1), 2),
    ]


def test_orphans_for_all_are_not_kept():
    group = online(1, orphans="all")
    group.master_lost(1, [], 1.0)
    assert deliveries(hears(group, asdu(45, 3, obj(5, 1)))) == []
    assert deliveries(group.master_started(1, 2.0)) == [end_of_initialization(1)]


def test_a_kept_event_with_surplus_octets_is_given_too():
    group = online(1)
    group.master_lost(1, [], 1.0)
    hears(group, longer(event(1)))
    assert deliveries(group.master_started(1, 2.0)) == [
        end_of_initialization(1),
        everyone(longer(event(1)), 1),
    ]


def test_kept_events_keep_their_order_around_one_with_surplus_octets():
    group = online(1)
    group.master_lost(1, [], 1.0)
    hears(group, event(1), longer(event(2)), event(3))
    assert deliveries(group.master_started(1, 2.0))[1:] == [
        everyone(event(1), 1),
        everyone(longer(event(2)), 1),
        everyone(event(3), 1),
    ]


# An entry that is edited


def test_a_replaced_master_has_his_new_number():
    group = online(1, 2)
    group.master_lost(2, [], 1.0)
    group.replace_master(2, MasterPolicy([222]))
    assert group.master_started(2, 2.0) == [deliver(asdu(70, 4, bytes(4), ca=222), (2, 0, 222))]
    assert hears(group, event(1)) == [deliver(event(1), (1, 0, 101), (2, 0, 222))]
    [note, reply] = told(group, 2, command(seat=2))
    assert (note.kind, reply.to) == (Kind.REFUSED, ((2, 102 << 8),))
    question = asdu(45, 6, obj(5, 1), ca=222)
    assert asks(group, 2, question) == [deliver(question, (0, 2, 32))]
