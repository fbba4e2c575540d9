"""Files: whose a transfer is, how it opens and ends, and what others hear meanwhile.

The frames are those of 60870-5-101, 7.4.11: file 1 at IOA 900, one section of six octets.
"""

import pytest

from core.routing.actions import RTU, Kind

from .asdus import asdu, deliver, obj, one_object
from .groups import (
    ECHOES,
    NUMBERS,
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
    refused,
    relinked,
    told,
)

TIME = (0x1F, 0x90, 0x0A, 0x15, 0xAB, 0x0C, 0x1A)


def frame(type_id, *data, seat=None, oa=0, cause=13, ioa=900, ca=None, count=1, sq=False):
    """A file ASDU; from the RTU unless a master's seat is given."""
    number = (32 if seat is None else NUMBERS[seat - 1]) if ca is None else ca
    return asdu(type_id, cause, obj(ioa, *data), ca=number, oa=oa, count=count, sq=sq)


def f_sc(scq, *, nos=0, nof=1, **more):
    return frame(122, nof, 0, nos, scq, **more)


def f_fr(frq=0, *, lof=6, **more):
    return frame(120, 1, 0, lof, 0, 0, frq, **more)


def f_sr(**more):
    return frame(121, 1, 0, 1, 6, 0, 0, 0, **more)


def f_sg(**more):
    return frame(125, 1, 0, 1, 6, 1, 2, 3, 4, 5, 6, **more)


def f_ls(lsq, *, nos=1, **more):
    return frame(123, 1, 0, nos, lsq, 0x15, **more)


def f_af(afq, *, nos=0, **more):
    return frame(124, 1, 0, nos, afq, **more)


def directory(sof, **more):
    return frame(126, 1, 0, 6, 0, 0, sof, *TIME, **{"cause": 5, **more})


def call_directory(**more):
    return f_sc(0, nof=0, ioa=0, cause=5, **more)


def f_sc_nb(seat, **more):
    return frame(127, 1, 0, *TIME, *TIME, seat=seat, **more)


SELECT, CALL, DEACTIVATE, DELETE, CALL_SECTION = 1, 2, 3, 4, 6


def opened(*seats, seat=1, oa=9, now=1.0, **options):
    """A group in which a master has selected a file, and the RTU says that it is ready."""
    group = online(*seats, **options)
    select = f_sc(SELECT, seat=seat, oa=oa)
    assert asks(group, seat, select, now=now) == [on(select, seat)]
    assert hears(group, f_fr(), now=now) == [home(f_fr(), seat, oa)]
    return group


def is_over(group, *, now=1.0):
    """Whether a frame of the file would be nobody's, and another may select."""
    actions = hears(group, f_sg(), now=now)
    another = f_sc(SELECT, seat=3, oa=4)
    if notes(actions, Kind.ORPHAN):
        assert deliveries(actions) == []
        assert delivered(group, 3, another, now=now) == [on(another, 3)]
        return True
    assert deliveries(told(group, 3, another, now=now)) == [not_ready(another, 3)]
    return False


def not_ready(select, seat):
    """File ready, length 0, FRQ bit 8: what a select gets while another holds the session."""
    return deliver(
        asdu(120, 13, obj(900, 1, 0, 0, 0, 0, 0x80), ca=select.ca, oa=select.oa),
        (seat, select.oa, select.ca),
    )


# A whole transfer


@pytest.mark.parametrize("echo", ECHOES)
def test_a_file_goes_to_the_master_that_asked_for_it(echo):
    group = online()
    oa = echoed(echo, 2)
    for who, what in [
        (2, call_directory(seat=2, oa=7)),
        (RTU, directory(0x20, oa=oa)),
        (2, f_sc(SELECT, seat=2, oa=7)),
        (RTU, f_fr(oa=oa)),
        (2, f_sc(CALL, seat=2, oa=7)),
        (RTU, f_sr(oa=oa)),
        (2, f_sc(CALL_SECTION, nos=1, seat=2, oa=7)),
        (RTU, f_sg(oa=oa)),
        (RTU, f_ls(3, oa=oa)),
        (2, f_af(3, nos=1, seat=2, oa=7)),
        (RTU, f_ls(1, nos=0, oa=oa)),
        (2, f_af(1, seat=2, oa=7)),
    ]:
        expected = home(what, 2, 7) if who == RTU else on(what, 2)
        assert delivered(group, who, what) == [expected]
    assert is_over(group)
    assert group.due == float("inf")  # nothing of a file waits for an answer by its cause


def test_a_file_goes_from_a_master_to_the_rtu_in_the_same_way():
    group = online()
    for who, what in [
        (1, f_fr(seat=1, oa=3)),
        (RTU, f_sc(CALL)),
        (1, f_sr(seat=1, oa=3)),
        (RTU, f_sc(CALL_SECTION, nos=1)),
        (1, f_sg(seat=1, oa=3)),
        (1, f_ls(3, seat=1, oa=3)),
        (RTU, f_af(3, nos=1)),
        (1, f_ls(1, nos=0, seat=1, oa=3)),
        (RTU, f_af(1)),
    ]:
        expected = home(what, 1, 3) if who == RTU else on(what, 1)
        assert delivered(group, who, what) == [expected]
    assert is_over(group)


def test_its_answers_have_the_originator_the_master_last_used():
    group = opened(oa=9)
    asks(group, 1, f_sc(CALL, seat=1, oa=10))
    assert hears(group, f_sr()) == [home(f_sr(), 1, 10)]


def test_files_of_a_second_station():
    group = online(rtu=(32, 33))
    select = f_sc(SELECT, seat=1, ca=201)
    assert asks(group, 1, select) == [on(select, 1, 33)]
    ready = f_fr(ca=33)
    assert hears(group, ready) == [home(ready, 1, 0, 201)]


# How a session ends


@pytest.mark.parametrize("afq", [1, 2])
def test_it_ends_when_the_master_acknowledges_the_file(afq):
    group = opened()
    assert delivered(group, 1, f_af(afq, seat=1)) == [on(f_af(afq, seat=1), 1)]
    assert is_over(group)


@pytest.mark.parametrize("afq", [1, 2])
def test_it_ends_when_the_rtu_acknowledges_the_file(afq):
    group = online()
    asks(group, 1, f_fr(seat=1))
    assert hears(group, f_af(afq)) == [home(f_af(afq), 1)]
    assert is_over(group)


@pytest.mark.parametrize("afq", [3, 4, 0x24])
def test_it_does_not_end_when_a_section_is_acknowledged(afq):
    group = opened()
    asks(group, 1, f_af(afq, nos=1, seat=1, oa=9))
    assert hears(group, f_af(afq, nos=1)) == [home(f_af(afq, nos=1), 1, 9)]
    assert not is_over(group)


@pytest.mark.parametrize("afq", [0x11, 0x31, 0x12, 0x42])
def test_the_error_beside_an_acknowledgement_makes_no_difference(afq):
    group = opened()
    asks(group, 1, f_af(afq, seat=1))
    assert is_over(group)


def test_it_ends_when_the_master_deactivates_the_file():
    group = opened()
    stop = f_sc(DEACTIVATE, seat=1)
    assert delivered(group, 1, stop) == [on(stop, 1)]
    assert is_over(group)


def test_the_last_section_after_a_deactivation_still_reaches_who_held_the_file():
    group = opened()
    asks(group, 1, f_sc(DEACTIVATE, seat=1, oa=10))
    last = f_ls(2, nos=0)
    assert hears(group, last, now=60.9) == [home(last, 1, 10)]
    assert notes(hears(group, last, now=60.9), Kind.ORPHAN)


def another_session(group):
    asks(group, 2, f_sc(SELECT, seat=2), now=2.0)
    asks(group, 2, f_af(1, seat=2), now=2.0)


LATER = [
    ("after a minute", lambda group: None, 61.0),
    ("after something else", lambda group: hears(group, f_sg(), now=2.0), 2.0),
    ("after the session of another", another_session, 2.0),
    ("after he left", lambda group: group.master_lost(1, [], 2.0), 2.0),
]


@pytest.mark.parametrize(("between", "now"), [r[1:] for r in LATER], ids=[r[0] for r in LATER])
def test_but_not_for_ever(between, now):
    group = opened()
    asks(group, 1, f_sc(DEACTIVATE, seat=1))
    between(group)
    actions = hears(group, f_ls(2, nos=0), now=now)
    assert notes(actions, Kind.ORPHAN)
    assert deliveries(actions) == []


def test_and_not_into_the_session_of_another():
    group = opened()
    asks(group, 1, f_sc(DEACTIVATE, seat=1))
    asks(group, 2, f_sc(SELECT, seat=2))
    assert hears(group, f_ls(2, nos=0)) == [home(f_ls(2, nos=0), 2)]


def test_it_ends_when_the_rtu_deactivates_the_file():
    group = online()
    asks(group, 1, f_fr(seat=1))
    assert hears(group, f_sc(DEACTIVATE)) == [home(f_sc(DEACTIVATE), 1)]
    assert is_over(group)


def test_it_ends_when_the_rtu_says_that_the_file_is_not_ready():
    group = online()
    asks(group, 1, f_sc(SELECT, seat=1))
    no = f_fr(0x80, lof=0)
    assert hears(group, no) == [home(no, 1)]
    assert is_over(group)


@pytest.mark.parametrize("cause", [44, 45, 46, 47])
def test_it_ends_when_the_rtu_does_not_know_the_file(cause):
    group = online()
    select = f_sc(SELECT, seat=1, oa=6)
    asks(group, 1, select)
    no = answer(select, cause, negative=True)
    assert hears(group, no) == [home(no, 1, 6)]
    assert is_over(group)


def test_an_unknown_section_leaves_it_open():
    group = opened()
    call = f_sc(CALL_SECTION, nos=2, seat=1, oa=9)
    asks(group, 1, call)
    no = answer(call, 47, negative=True)
    assert hears(group, no) == [home(no, 1, 9)]
    assert not is_over(group)


@pytest.mark.parametrize("scq", [CALL, DELETE, 5, CALL_SECTION, 7])
def test_no_other_call_ends_it(scq):
    group = opened()
    asks(group, 1, f_sc(scq, seat=1))
    assert not is_over(group)


@pytest.mark.parametrize("who", [1, RTU])
def test_it_ends_after_60_s_of_silence_of_both(who):
    group = opened(now=1.0)
    delivered(group, who, f_ls(3, seat=1) if who else f_sg(), now=50.0)
    assert deliveries(told(group, 3, f_sc(SELECT, seat=3), now=109.9)) == [
        not_ready(f_sc(SELECT, seat=3), 3)
    ]
    assert is_over(group, now=110.0)


def test_what_others_try_does_not_keep_it_open():
    group = opened(now=1.0)
    told(group, 3, f_sc(SELECT, seat=3), now=50.0)
    assert is_over(group, now=61.0)


def test_it_ends_with_the_loss_of_its_master():
    group = opened()
    group.master_lost(1, [], 2.0)
    assert is_over(group, now=2.0)


def test_and_not_with_that_of_another():
    group = opened()
    group.master_lost(2, [], 2.0)
    assert not is_over(group, now=2.0)


def test_while_its_master_is_stopped_its_frames_are_dropped_and_noted():
    group = opened()
    group.master_stopped(1, [], 2.0)
    [note] = hears(group, f_sg(), now=2.0)
    assert (note.seat, note.kind) == (1, Kind.DROPPED)


def test_it_ends_with_the_rtus_link():
    group = opened()
    relinked(group, now=2.0)
    assert is_over(group, now=2.0)


def test_it_ends_if_the_rtu_does_not_take_a_frame_of_it_in_time():
    group = online(command_timeout=4.0)
    select = f_sc(SELECT, seat=1, oa=3)
    told(group, 1, select, now=1.0)
    actions = group.handle_timeout(5.0)
    assert deliveries(actions) == [refused(select, 1, 45)]
    assert is_over(group, now=5.0)


def test_who_opens_another_file_goes_on_with_that_one():
    group = opened()
    other = f_sc(SELECT, nof=2, seat=1, oa=11)
    assert delivered(group, 1, other) == [on(other, 1)]
    assert hears(group, f_fr()) == [home(f_fr(), 1, 11)]


# Others meanwhile


@pytest.mark.parametrize("how", ["select", "announcement", "time range"])
def test_anothers_select_meanwhile_is_answered_file_not_ready(how):
    group = online()
    first = {"select": f_sc(SELECT, seat=1), "announcement": f_fr(seat=1), "time range": f_sc_nb(1)}
    asks(group, 1, first[how])
    select = f_sc(SELECT, nof=1, seat=2, oa=77)
    [note, reply] = told(group, 2, select)
    assert (note.seat, note.kind, note.n) == (2, Kind.REFUSED, 1)
    assert "CA 102 IOA 900" in note.text
    assert reply == not_ready(select, 2)
    assert goes(group) == []
    assert hears(group, f_sr()) == [home(f_sr(), 1)]


OTHERS = [
    ("announcement", f_fr(seat=2, oa=77)),
    ("call", f_sc(CALL, seat=2, oa=77)),
    ("deactivation", f_sc(DEACTIVATE, seat=2, oa=77)),
    ("deletion", f_sc(DELETE, seat=2, oa=77)),
    ("directory", call_directory(seat=2, oa=77)),
    ("section", f_sr(seat=2, oa=77)),
    ("segment", f_sg(seat=2, oa=77)),
    ("last section", f_ls(1, seat=2, oa=77)),
    ("acknowledgement", f_af(1, seat=2, oa=77)),
    ("time range", f_sc_nb(2, oa=77)),
]


@pytest.mark.parametrize("what", [row[1] for row in OTHERS], ids=[row[0] for row in OTHERS])
def test_whatever_else_another_sends_meanwhile_is_refused(what):
    group = opened()
    assert_refused(told(group, 2, what), 2, what, cause=45, why="file")
    assert goes(group) == []
    assert not is_over(group)


def test_nothing_but_files_is_held_up():
    group = opened()
    assert delivered(group, 2, command(seat=2)) == [on(command(seat=2), 2)]


@pytest.mark.parametrize("type_id", range(120, 126))
def test_files_of_nobody_are_dropped_and_logged(type_id):
    group = online()
    [note] = hears(group, frame(type_id, *one_object(type_id)[3:]))
    assert (note.seat, note.kind) == (RTU, Kind.ORPHAN)
    assert note.text
    assert hears(group, f_sg())[0].kind is Kind.ORPHAN


@pytest.mark.parametrize("type_id", [120, 121, 122, 123, 124, 125])
def test_what_opens_nothing_leaves_the_file_to_nobody(type_id):
    group = online()
    what = {
        120: None, 121: f_sr(seat=1), 122: f_sc(CALL, seat=1), 123: f_ls(1, seat=1),
        124: f_af(3, seat=1), 125: f_sg(seat=1),
    }[type_id]  # fmt: skip
    if what is not None:
        assert delivered(group, 1, what) == [on(what, 1)]
    assert notes(hears(group, f_sg()), Kind.ORPHAN)


@pytest.mark.parametrize("cause", [44, 45, 46, 47])
def test_the_refusal_of_what_opened_nothing_is_nobodys(cause):
    group = online()
    asks(group, 1, f_sc(CALL, seat=1))
    [note] = hears(group, answer(f_sc(CALL, seat=1), cause, negative=True))
    assert note.kind is Kind.ORPHAN


# The directory


def test_the_directory_goes_to_its_caller_until_its_last_entry():
    group = online()
    call = call_directory(seat=2, oa=8)
    assert delivered(group, 2, call) == [on(call, 2)]
    for sof in (0x00, 0x07, 0x21):
        assert hears(group, directory(sof)) == [home(directory(sof), 2, 8)]
    assert notes(hears(group, directory(0x20)), Kind.ORPHAN)


def test_the_last_entry_of_several_decides():
    group = online()
    asks(group, 2, call_directory(seat=2))
    entry = (1, 0, 6, 0, 0)
    more = frame(126, *entry, 0x20, *TIME, *entry, 0x00, *TIME, cause=5, count=2, sq=True)
    last = frame(126, *entry, 0x00, *TIME, *entry, 0x20, *TIME, cause=5, count=2, sq=True)
    assert hears(group, more) == [home(more, 2)]
    assert hears(group, last) == [home(last, 2)]
    assert notes(hears(group, last), Kind.ORPHAN)


def test_also_where_each_has_its_address():
    group = online()
    asks(group, 2, call_directory(seat=2))
    two = asdu(126, 5, obj(900, 1, 0, 6, 0, 0, 0, *TIME) + obj(901, 2, 0, 6, 0, 0, 0x20, *TIME),
               count=2)  # fmt: skip
    assert hears(group, two) == [home(two, 2)]
    assert notes(hears(group, two), Kind.ORPHAN)


def test_or_until_60_s_of_silence():
    group = online()
    asks(group, 2, call_directory(seat=2), now=1.0)
    assert hears(group, directory(0), now=60.9) == [home(directory(0), 2)]
    assert hears(group, directory(0), now=120.8) == [home(directory(0), 2)]
    assert notes(hears(group, directory(0), now=180.8), Kind.ORPHAN)


def test_or_until_he_leaves():
    group = online()
    asks(group, 2, call_directory(seat=2))
    group.master_lost(1, [], 2.0)
    assert hears(group, directory(0), now=2.0) == [home(directory(0), 2)]
    group.master_lost(2, [], 3.0)
    assert notes(hears(group, directory(0), now=3.0), Kind.ORPHAN)


def test_or_until_the_rtu_refuses():
    group = online()
    call = call_directory(seat=2, oa=8)
    asks(group, 2, call)
    no = answer(call, 47, negative=True)
    assert hears(group, no) == [home(no, 2, 8)]
    assert notes(hears(group, directory(0)), Kind.ORPHAN)


def test_a_second_caller_is_refused_meanwhile():
    group = online()
    asks(group, 2, call_directory(seat=2), now=1.0)
    call = call_directory(seat=1, oa=5)
    assert_refused(told(group, 1, call, now=2.0), 1, call, cause=45)
    assert delivered(group, 1, call, now=61.0) == [on(call, 1)]


def test_a_caller_may_call_again():
    group = online()
    asks(group, 2, call_directory(seat=2, oa=1))
    asks(group, 2, call_directory(seat=2, oa=2))
    assert hears(group, directory(0x20)) == [home(directory(0x20), 2, 2)]


def test_a_directory_within_a_session_goes_to_who_holds_it():
    group = opened(oa=9)
    assert hears(group, directory(0x20)) == [home(directory(0x20), 1, 9)]


def test_anothers_session_does_not_take_the_callers_directory():
    group = online()
    asks(group, 2, call_directory(seat=2, oa=8))
    asks(group, 1, f_sc(SELECT, seat=1, oa=9))
    assert hears(group, directory(0x20)) == [home(directory(0x20), 2, 8)]
    assert hears(group, f_fr()) == [home(f_fr(), 1, 9)]


def test_a_directory_nobody_called_is_dropped():
    group = online()
    [note] = hears(group, directory(0x20))
    assert note.kind is Kind.ORPHAN


def test_a_changed_directory_goes_to_everyone():
    group = opened()
    changed = directory(0x20, cause=3)
    assert hears(group, changed) == [everyone(changed)]


# Request of an archive by time range


@pytest.mark.parametrize("cause", [5, 13])
def test_a_request_by_time_range_goes_to_the_rtu_and_opens_a_session(cause):
    group = online()
    request = f_sc_nb(3, oa=6, cause=cause)
    assert delivered(group, 3, request) == [on(request, 3)]
    assert hears(group, f_fr()) == [home(f_fr(), 3, 6)]
    assert group.due == float("inf")  # it was answered
    for who, what in [
        (3, f_sc(CALL, seat=3, oa=6)),
        (RTU, f_sr()),
        (RTU, f_sg()),
        (RTU, f_ls(1, nos=0)),
        (3, f_af(1, seat=3, oa=6)),
    ]:
        expected = home(what, 3, 6) if who == RTU else on(what, 3)
        assert delivered(group, who, what) == [expected]
    assert notes(hears(group, f_sg()), Kind.ORPHAN)


@pytest.mark.parametrize("cause", [7, 9, 10, 44, 45, 46, 47])
def test_what_the_rtu_says_to_it_is_for_its_asker(cause):
    group = online()
    request = f_sc_nb(3, oa=6)
    asks(group, 3, request)
    said = answer(request, cause, negative=cause > 10)
    assert hears(group, said) == [home(said, 3, 6)]


@pytest.mark.parametrize("cause", [44, 45, 46, 47])
def test_a_request_by_time_range_that_is_refused_leaves_no_session_open(cause):
    # As with a select that is refused: nothing will come of it.
    group = online()
    asks(group, 1, f_sc_nb(1))
    hears(group, answer(f_sc_nb(1), cause, negative=True))
    assert is_over(group)


def test_a_request_by_time_range_may_stay_unanswered():
    group = online()
    asks(group, 1, f_sc_nb(1), now=1.0)
    [note] = group.handle_timeout(11.0)
    assert (note.seat, note.kind) == (1, Kind.EXPIRED)


# With orphans,all


def test_with_orphans_all_a_file_of_nobody_goes_to_all():
    group = online(orphans="all")
    assert deliveries(hears(group, f_sg())) == [everyone(f_sg())]
