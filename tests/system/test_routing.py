"""Who receives what, between real sockets: interrogations in turns, data, reads, files, addresses.

Scripted RTUs of every kind of answer (echoing the originator address, always 0, always 1) and two
to five masters; the gateway runs in this process so that its counters and logs can be asked.
"""

import statistics
import struct
from dataclasses import replace

import pytest

from tests.gateway.running import STOPDT_ACT, heard
from tests.support.gateway import OAS, Gateway, group
from tests.support.ports import free_ports
from tests.support.wire import (
    COUNTERS,
    POINTS,
    TIME,
    TurnTakingRtu,
    asdu,
    assert_clean,
    bitstring_command,
    counter_interrogation,
    deactivation,
    interrogation,
    read,
    single_command,
)

KINDS = pytest.mark.parametrize("oa", [None, 0, 1], ids=["echoes OA", "answers OA 0", "OA 1"])
TWO_KINDS = pytest.mark.parametrize("oa", [None, 0], ids=["echoes OA", "answers OA 0"])


@pytest.fixture
def turns(scene):
    """A scene with an RTU that refuses a second interrogation while one runs."""
    return lambda masters=2, **options: scene(masters, kind=TurnTakingRtu, **options)


def is_end(asked, one):
    return (one.type_id, one.element, one.cause) == (asked.type_id, asked.element, 10)


def ended(s, master, asked):
    s.wait(lambda: any(is_end(asked, one) for one in master.inbox[:]), f"{master.name} is served")


def data_of(asked, ca):
    """What the RTU tells when it is asked so, under a master's common address."""
    points = COUNTERS if asked.type_id == 101 else POINTS
    cause = 37 if asked.type_id == 101 else asked.element[0]
    return [(point.type_id, point.objects, cause, ca) for point in points]


def assert_whole(master, asked, ca=None):
    """One complete interrogation: its own confirmation, all its data and no other, its own end."""
    ca = master.ca if ca is None else ca
    own = replace(asked, ca=ca, oa=master.oa)
    inbox = master.inbox[:]
    answers = [i for i, one in enumerate(inbox) if (one.type_id, one.ca) == (own.type_id, ca)
               and one.element == own.element and one.cause in (7, 10)]  # fmt: skip
    assert [inbox[i] for i in answers] == [own.answer(7), own.answer(10)], inbox
    first, last = answers
    between = [one for one in inbox[first:last] if 20 <= one.cause <= 41]
    assert [(o.type_id, o.objects, o.cause, o.ca) for o in between] == data_of(asked, ca)


BEHIND = pytest.mark.parametrize(("oa", "qoi"), [
    (None, 20), (0, 20), (1, 20), (0, 21),
], ids=str)  # fmt: skip
"""Kinds of RTU, and the same interrogation as the one in front, or another."""


# Interrogations take turns


@KINDS
@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_masters_that_interrogate_together_each_get_a_whole_one(turns, n, oa):
    s = turns(n, oa=oa)
    for master in s.masters:
        master.ask(interrogation())
    for master in s.masters:
        ended(s, master, interrogation())
    s.clean()
    for master in s.masters:
        assert_whole(master, interrogation())
    assert s.rtu.refused == 0


@TWO_KINDS
def test_those_that_come_while_one_runs_are_served_together_after_it(turns, oa):
    s = turns(4, oa=oa, pace=0.03)
    first, *others = s.masters
    first.ask(interrogation())
    s.at_rtu(1)
    for master in others:
        master.ask(interrogation())
    for master in s.masters:
        ended(s, master, interrogation())
    s.clean()
    for master in s.masters:
        assert_whole(master, interrogation())
    assert s.rtu.refused == 0
    assert len(s.rtu.interrogations) == 2


@KINDS
@pytest.mark.parametrize("n", [2, 5])
def test_different_interrogations_queue(turns, n, oa):
    s = turns(n, oa=oa)
    asked = [interrogation(20), counter_interrogation(5), *map(interrogation, (21, 22, 36))][:n]
    for master, one in zip(s.masters, asked, strict=True):
        master.ask(one)
    for master, one in zip(s.masters, asked, strict=True):
        ended(s, master, one)
    s.clean()
    for master, one in zip(s.masters, asked, strict=True):
        assert_whole(master, one)
    assert s.rtu.refused == 0
    assert len(s.rtu.interrogations) == n


@TWO_KINDS
def test_one_master_may_ask_for_several_and_again(turns, oa):
    s = turns(2, oa=oa)
    several = [interrogation(20), interrogation(21), counter_interrogation()]
    for master in s.masters:
        master.ask(*several)
    for master in s.masters:
        for one in several:
            ended(s, master, one)
    s.clean()
    for master in s.masters:
        for one in several:
            assert_whole(master, one)
    s.masters[0].ask(interrogation(20))
    s.wait(lambda: len(s.masters[0].answers) == 8, "served once more")
    assert s.rtu.refused == 0
    s.clean()


def test_with_forward_all_go_at_once_and_the_rtu_refuses_by_itself(turns):
    s = turns(2, options=["gi=forward"], stops_after=1)
    one, other = s.masters
    one.ask(interrogation())
    s.at_rtu(1)
    other.ask(interrogation(), terminates=False)
    (refusal,) = s.answers(other, 7)
    assert refusal.is_negative
    assert s.rtu.refused == 1
    s.rtu.resume()
    s.answers(one, 7, 10)
    s.clean()


@pytest.mark.parametrize(("oa", "how"), [
    (None, "usual"), (0, "usual"), (1, "usual"), (0, "configured"),
], ids=str)  # fmt: skip
def test_an_rtu_that_omits_the_termination_serves_one_after_the_other(turns, monkeypatch, oa, how):
    options = ["interrogation_timeout=1"]
    if how == "usual":
        options = []
        monkeypatch.setattr("core.routing.turns.QUICK_TIMEOUT", 0.4)
    s = turns(3, oa=oa, terminates=False, options=options)
    for i, master in enumerate(s.masters):
        master.ask(interrogation(20 + i // 2), terminates=False)  # 20, 20, 21
    last = s.masters[2]
    s.wait(lambda: len(last.answers) == 1, "the last one's turn", 8)
    s.wait(lambda: [o.cause for o in last.inbox].count(21) == len(POINTS), "the last one's data")
    s.clean()
    assert s.rtu.refused == 0
    for master in s.masters:
        assert [one.cause for one in master.answers] == [7]
    assert any(
        "no progress, its turn is over" in line
        for label in ("M/M1-1", "M/M1-2")
        for line in s.gateway.log(label)
    )


def test_an_rtu_that_has_terminated_one_is_given_the_whole_time_for_the_next(turns, monkeypatch):
    monkeypatch.setattr("core.routing.turns.QUICK_TIMEOUT", 0.2)
    s = turns(2, options=["interrogation_timeout=1"])
    one, other = s.masters
    one.ask(interrogation())
    s.answers(one, 7, 10)
    s.rtu.set(stops_after=2)
    one.ask(interrogation(21), terminates=False)
    s.wait(lambda: any(o.cause == 21 for o in one.inbox[:]), "data of the one that gets stuck")
    other.ask(interrogation(22))
    s.rtu.forget()
    ended(s, other, interrogation(22))
    assert_whole(other, interrogation(22))
    times = [at for at, way, f in s.rtu.frames[:] if way == "in" and f[6:7] == b"\x64"]
    assert times[2] - times[1] > 0.9
    assert s.rtu.refused == 0


@BEHIND
def test_one_queued_behind_one_that_expires_gets_a_whole_one(turns, oa, qoi):
    s = turns(2, oa=oa, options=["interrogation_timeout=1", "command_timeout=1"], ignores=1)
    silent, other = s.masters
    other.ask(bitstring_command(5000, 1))  # shows what the RTU's originator addresses are worth
    s.answers(other, 7, 10)
    silent.ask(interrogation(), terminates=False)
    s.at_rtu(2)
    other.ask(interrogation(qoi))
    s.wait(lambda: s.gateway.counters("M/M1-1").expired == 1, "expired", 3)
    ended(s, other, interrogation(qoi))
    s.settle()
    assert_whole(other, interrogation(qoi))
    assert not silent.answers
    assert len(s.rtu.interrogations) == 2
    assert s.rtu.refused == 0


@BEHIND
def test_one_queued_behind_one_that_gets_stuck_gets_a_whole_one(turns, oa, qoi):
    """Confirmed, some data, then nothing: the turn is freed, and the next one is served."""
    s = turns(3, oa=oa, options=["interrogation_timeout=1"], stops_after=2)
    stuck, other, third = s.masters
    stuck.ask(interrogation(), terminates=False)
    s.answers(stuck, 7)
    other.ask(interrogation(qoi))
    s.rtu.forget()
    s.wait(lambda: len(s.rtu.interrogations) == 2, "the second one's turn")
    s.wait(lambda: s.rtu.running is None, "served")
    s.settle()
    assert_whole(other, interrogation(qoi))
    assert len(stuck.answers) == 1
    third.ask(interrogation(qoi))
    ended(s, third, interrogation(qoi))
    assert_whole(third, interrogation(qoi))
    assert len(stuck.answers) == 1


@TWO_KINDS
def test_a_waiting_interrogation_that_is_repeated_is_served_once(turns, oa):
    s = turns(2, oa=oa, stops_after=2)
    runs, waits = s.masters
    runs.ask(interrogation())
    s.answers(runs, 7)
    waits.send(interrogation(21), interrogation(21))
    waits.ask(interrogation(21))
    s.settle()
    s.rtu.resume()
    ended(s, waits, interrogation(21))
    s.clean()
    assert_whole(runs, interrogation())
    assert_whole(waits, interrogation(21))
    assert [one.element[0] for one in s.rtu.interrogations] == [20, 21]


@TWO_KINDS
def test_what_is_no_plain_interrogation_does_not_wait(turns, oa):
    s = turns(2, oa=oa, stops_after=2)
    runs, other = s.masters
    runs.ask(interrogation())
    s.answers(runs, 7)
    freeze = counter_interrogation(5 | 1 << 6)
    other.ask(freeze, terminates=False)
    s.answers(other, 7)
    other.ask(single_command(5000), read(7))
    s.answers(other, 7, 7, 10, 5)
    s.rtu.resume()
    ended(s, runs, interrogation())
    s.clean()


@KINDS
def test_the_end_of_ones_own_running_interrogation_is_given_to_the_rtu(turns, oa):
    s = turns(3, oa=oa, stops_after=2)
    one, other, third = s.masters
    one.ask(interrogation(), terminates=False)
    s.answers(one, 7)
    other.ask(interrogation(21))
    third.ask(interrogation(20))
    s.rtu.set(stops_after=None)
    one.send(deactivation(interrogation()))
    s.answers(one, 7, 9)
    assert not one.answers[1].is_negative
    ended(s, other, interrogation(21))
    ended(s, third, interrogation(20))
    s.settle()
    assert_whole(other, interrogation(21))
    assert_whole(third, interrogation(20))
    assert len(one.answers) == 2
    assert [(d.type_id, d.oa) for d in s.rtu.deactivations] == [(100, 1)]
    assert s.rtu.refused == 0


@TWO_KINDS
def test_the_end_of_a_waiting_interrogation_is_confirmed_by_the_gateway(turns, oa):
    s = turns(2, oa=oa, stops_after=2)
    runs, waits = s.masters
    runs.ask(interrogation())
    s.answers(runs, 7)
    waits.send(interrogation(21), deactivation(interrogation(21)))
    (answer,) = s.answers(waits, 9)
    assert answer == replace(interrogation(21), cause=9, ca=waits.ca, oa=waits.oa)
    s.rtu.resume()
    ended(s, runs, interrogation())
    s.settle()
    assert_whole(runs, interrogation())
    assert len(s.rtu.asked) == 1
    assert len(waits.answers) == 1


@TWO_KINDS
def test_nobody_ends_anothers_interrogation(turns, oa):
    s = turns(2, oa=oa, stops_after=2)
    runs, other = s.masters
    runs.ask(interrogation())
    s.answers(runs, 7)
    other.send(deactivation(interrogation()))
    (answer,) = s.answers(other, 9)
    assert answer == replace(interrogation(), cause=9, is_negative=True, ca=other.ca, oa=other.oa)
    assert s.gateway.counts("M/M1-2", "refused", 1)
    s.rtu.resume()
    ended(s, runs, interrogation())
    s.settle()
    assert_whole(runs, interrogation())
    assert not s.rtu.deactivations
    assert len(other.answers) == 1


@TWO_KINDS
def test_one_of_several_that_are_served_together_may_withdraw(turns, oa):
    s = turns(3, oa=oa, stops_after=1)
    first, one, other = s.masters
    first.ask(interrogation(21))
    s.answers(first, 7)
    for master in (one, other):
        master.send(interrogation())
    s.wait(lambda: not (one.queue or other.queue), "both wait")
    s.settle()
    s.rtu.resume(stops_after=2)
    s.answers(one, 7)
    one.send(deactivation(interrogation()))
    s.answers(one, 7, 9)
    s.rtu.resume()
    ended(s, other, interrogation())
    s.settle()
    assert_whole(other, interrogation())
    assert [a.cause for a in one.answers] == [7, 9]
    assert not s.rtu.deactivations
    assert s.rtu.refused == 0


LEAVES = pytest.mark.parametrize("how", ["closes", "resets", "stops"])


def leave(s, master, how):
    if how == "stops":
        master.stop_transfer()
        s.wait(lambda: master.times("stopped"), "STOPDT con")
    else:
        master.close(reset=how == "resets")
        label = f"M/M1-{1 + s.masters.index(master)}"
        assert s.gateway.becomes(label, "LISTENING")


@KINDS
@LEAVES
def test_who_leaves_while_his_runs_gives_his_turn_away_only_at_its_end(turns, oa, how):
    s = turns(3, oa=oa, stops_after=2)
    leaves, other, third = s.masters
    leaves.send(interrogation())
    s.answers(leaves, 7)
    other.ask(interrogation())
    third.ask(interrogation(21))
    leave(s, leaves, how)
    s.settle()
    assert len(s.rtu.interrogations) == 1
    assert not other.answers
    s.rtu.resume()
    ended(s, other, interrogation())
    ended(s, third, interrogation(21))
    s.settle()
    assert_whole(other, interrogation())
    assert_whole(third, interrogation(21))
    assert len(other.answers) == len(third.answers) == 2
    assert s.rtu.refused == 0


@LEAVES
def test_what_waits_goes_with_its_master(turns, how):
    s = turns(3, oa=0, stops_after=2)
    runs, leaves, other = s.masters
    runs.ask(interrogation())
    s.answers(runs, 7)
    leaves.send(interrogation(21), counter_interrogation())
    other.ask(interrogation(22))
    s.settle()
    leave(s, leaves, how)
    s.rtu.resume()
    ended(s, runs, interrogation())
    ended(s, other, interrogation(22))
    s.settle()
    assert_whole(runs, interrogation())
    assert_whole(other, interrogation(22))
    assert [one.element[0] for one in s.rtu.interrogations] == [20, 22]
    assert not leaves.answers


@TWO_KINDS
def test_a_master_is_restarted_while_another_interrogates(turns, oa):
    s = turns(3, oa=oa, stops_after=2)
    asker, restarted, waits = s.masters
    asker.ask(interrogation())
    s.answers(asker, 7)
    restarted.send(interrogation(21))
    waits.ask(interrogation(22))
    s.settle()
    restarted.set(reconnects=True)
    s.gateway.apply(s.rows, restart=["M/M1-2"])
    s.wait(lambda: restarted.initialized == 2, "restarted")
    s.rtu.resume()
    ended(s, asker, interrogation())
    ended(s, waits, interrogation(22))
    s.settle()
    assert_whole(asker, interrogation())
    assert_whole(waits, interrogation(22))
    assert not restarted.answers
    assert restarted.losses == 1
    assert (asker.losses, waits.losses, s.rtu.losses) == (0, 0, 0)
    assert list(asker.events) == list(s.rtu.sent)
    assert [one.element[0] for one in s.rtu.interrogations] == [20, 22]
    restarted.ask(interrogation(21))
    ended(s, restarted, interrogation(21))
    assert_whole(restarted, interrogation(21))


@TWO_KINDS
def test_the_interrogating_master_is_restarted(turns, oa):
    s = turns(2, oa=oa, stops_after=2)
    restarted, other = s.masters
    restarted.send(interrogation())
    s.answers(restarted, 7)
    other.ask(interrogation())
    restarted.set(reconnects=True)
    s.gateway.apply(s.rows, restart=["M/M1-1"])
    s.wait(lambda: restarted.initialized == 2, "restarted")
    restarted.ask(interrogation(21))
    s.settle()
    s.rtu.resume()
    ended(s, other, interrogation())
    ended(s, restarted, interrogation(21))
    s.settle()
    assert_whole(other, interrogation())
    assert_whole(restarted, interrogation(21))
    assert [a.cause for a in restarted.answers] == [7, 7, 10]
    assert s.rtu.refused == 0


def test_another_order_of_the_files_rows_restarts_nothing_and_leaves_no_gap(wire, run):
    rtu_ports, ports, others = free_ports(2), free_ports(3), free_ports(2)
    one = group(1, rtu_ports[0], ports)
    two = group(2, rtu_ports[1], others, ca=33, first_ca=201)
    rtus = [wire.rtu(rtu_ports[0], 32), wire.rtu(rtu_ports[1], 33, kind=TurnTakingRtu)]
    gateway = run([*one, *two])
    masters = [wire.master(port, 101 + i) for i, port in enumerate(ports)]
    more = [wire.master(port, 201 + i) for i, port in enumerate(others)]
    wire.wait(lambda: all(m.initialized for m in masters + more), 10, "started")
    rtus[1].set(stops_after=2)
    more[0].ask(interrogation())
    wire.wait(lambda: more[0].answers, 5, "it runs")
    rtus[0].events(20_000)
    orders = [
        [*two, *one],
        [*one[1:], *two[1:], one[0], two[0]],  # the RTUs behind their masters
        [one[1], two[0], two[1], one[0], one[2], two[2], one[3]],
        [*one, *two],
    ]
    for i, rows in enumerate(orders):
        wire.wait(lambda n=i: len(masters[0].events) > 2000 * (n + 1), 10, "traffic")
        gateway.apply(rows)
    rtus[1].resume()
    wire.wait(lambda: all(len(m.events) == 20_000 for m in masters), 20, "all events")
    wire.wait(lambda: len(more[0].answers) == 2, 5, "the interrogation's end")
    assert_clean(rtus[0], *masters)
    assert_clean(rtus[1], *more)
    assert_whole(more[0], interrogation())
    peers = [*rtus, *masters, *more]
    assert [peer.losses for peer in peers] == [0] * len(peers)
    assert [len(peer.times("connected")) for peer in peers] == [1] * len(peers)


# Interrogated data, orphans, originator addresses


def causes(master):
    return [one.cause for one in master.inbox[:]]


@KINDS
@pytest.mark.parametrize(("gi_data", "others", "counters"), [
    ("all", [20] * 4, [37]), ("background", [2] * 4, [3]), ("requester", [], []),
])  # fmt: skip
def test_whose_the_data_of_an_interrogation_is(turns, oa, gi_data, others, counters):
    s = turns(3, oa=oa, options=[f"gi_data={gi_data}"])
    asker = s.masters[1]
    asker.ask(interrogation())
    ended(s, asker, interrogation())
    asker.ask(counter_interrogation())
    ended(s, asker, counter_interrogation())
    s.clean()
    assert_whole(asker, interrogation())
    assert_whole(asker, counter_interrogation())
    for other in (s.masters[0], s.masters[2]):
        assert causes(other) == others + counters
        assert [(one.type_id, one.objects) for one in other.inbox] == [
            (one.type_id, one.objects) for one in (*POINTS, *COUNTERS) if causes(other)
        ]


@TWO_KINDS
@pytest.mark.parametrize("gi_data", ["background", "requester"])
def test_who_is_served_together_is_each_an_asker(turns, oa, gi_data):
    s = turns(4, oa=oa, options=[f"gi_data={gi_data}"], stops_after=1)
    first, one, two, other = s.masters
    first.ask(interrogation(21))
    s.answers(first, 7)
    for master in (one, two):
        master.ask(interrogation())
    s.settle()
    s.rtu.resume()
    for master in (one, two):
        ended(s, master, interrogation())
    s.clean()
    for master in (one, two):
        assert_whole(master, interrogation())
    assert_whole(first, interrogation(21))
    background = [2] * len(POINTS) if gi_data == "background" else []
    assert causes(other) == background * 2
    assert [c for c in causes(first) if c not in (7, 10, 21)] == background
    assert len(s.rtu.interrogations) == 2


@pytest.mark.parametrize("orphans", ["drop", "all"])
def test_answers_nobody_asked_for(scene, orphans):
    s = scene(2, oa=0, options=[f"orphans={orphans}"])
    unasked = [
        single_command(5000).answer(7),
        single_command(5000).answer(10),
        single_command(5001).answer(10),
        interrogation().answer(10),
        bitstring_command(5002, 1).answer(47, is_negative=True),
    ]
    for master in s.masters:
        master.set(checks_answers=False)
    s.rtu.send(*unasked)
    s.settle()
    for master in s.masters:
        assert [(o.type_id, o.cause, o.objects, o.ca) for o in master.answers] == [
            (o.type_id, o.cause, o.objects, master.ca) for o in unasked if orphans == "all"
        ]
    assert s.gateway.counts("S/RTU1", "orphans", len(unasked))
    said = [line for line in s.gateway.log("S/RTU1") if "nobody asked for it" in line]
    assert len(said) == 4  # of each type and cause once


@pytest.mark.parametrize(("oa", "seen"), [
    ("index", [1, 2, 3]), ("zero", [0, 0, 0]), ("keep", [0, 7, 7]),
])  # fmt: skip
@pytest.mark.parametrize("echo", [None, 0], ids=["echoes OA", "answers OA 0"])
def test_the_originator_address_at_the_rtu_and_back_at_its_master(scene, oa, seen, echo):
    s = scene(3, oa=echo, options=[f"oa={oa}"], slots=None)
    for i, master in enumerate(s.masters):
        master.ask(bitstring_command(5000 + i, i))
        s.answers(master, 7, 10)  # the masters check their own originator address
    assert [one.oa for one in s.rtu.asked] == seen
    for i, master in enumerate(s.masters):
        master.ask(bitstring_command(6000, i + 10), interrogation())
    for master in s.masters:
        ended(s, master, interrogation())
    s.wait(lambda: sum(len(m.answers) for m in s.masters) >= 6 + 6 + 4, "the commands' end")
    s.clean()


# Common addresses


@TWO_KINDS
def test_several_common_addresses_are_mapped_by_position(scene, oa):
    s = scene(2, oa=oa, cas=("32;33;40", ["101;102;103", "7;33;32"]))
    one, other = s.masters
    assert [[o.ca for o in m.more_initialized] for m in s.masters] == [[102, 103], [33, 32]]
    one.ask(replace(single_command(5000), ca=103))
    other.ask(replace(single_command(5000), ca=33))
    assert [a.ca for a in s.answers(one, 7, 10)] == [103, 103]
    assert [a.ca for a in s.answers(other, 7, 10)] == [33, 33]
    assert sorted(o.ca for o in s.rtu.asked) == [33, 40]
    s.rtu.send(*[replace(asdu(1, ca, b"\1", 3), ca=ca) for ca in (32, 33, 40, 33)])
    s.clean()
    assert [o.ca for o in one.inbox if o.cause == 3] == [101, 102, 103, 102]
    assert [o.ca for o in other.inbox if o.cause == 3] == [7, 33, 32, 33]


@KINDS
def test_a_broadcast_interrogation_ends_when_each_station_has(turns, oa):
    s = turns(3, oa=oa, cas=("32;33", ["101;102", "201;202", "33;32"]))
    asker, other, third = s.masters
    asker.set(foreign=frozenset({0xFFFF}))
    asker.send(replace(interrogation(), ca=0xFFFF))
    s.at_rtu(1)
    other.send(replace(interrogation(), ca=201))
    third.send(replace(interrogation(21), ca=33))
    s.wait(lambda: sum(a.cause == 10 for a in asker.answers[:]) == 2, "two terminations")
    ended(s, other, interrogation())
    ended(s, third, interrogation(21))
    s.settle()
    assert [o.ca for o in s.rtu.interrogations] == [0xFFFF, 32, 32]
    assert [(a.cause, a.ca) for a in asker.answers] == [(7, 101), (10, 101), (7, 102), (10, 102)]
    for ca in (101, 102):
        assert_whole_of_station(asker, ca)
    assert_whole(other, interrogation(), ca=201)
    assert_whole(third, interrogation(21), ca=33)
    assert s.rtu.refused == 0
    s.wire.check()


def assert_whole_of_station(master, ca):
    """The first complete interrogation under one of several common addresses."""
    station = [one for one in master.inbox if one.ca == ca]
    begin = next(i for i, one in enumerate(station) if one.cause == 7)
    own = [(o.type_id, o.objects, o.cause, o.ca) for o in station[begin + 1 : begin + 5]]
    assert own == data_of(interrogation(), ca)
    assert station[begin + 5].cause == 10


def test_only_four_types_may_be_sent_to_all_stations(scene):
    s = scene(1, cas=("32;33", ["101;102"]))
    (master,) = s.masters
    master.set(foreign=frozenset({0xFFFF}))
    for one, causes_ in [
        (single_command(5), [46]),
        (read(5), [46]),
        (asdu(103, 0, TIME), [7, 7]),
        (asdu(105, 0, b"\1"), [7, 7]),
        (counter_interrogation(), [7, 10, 7, 10]),
    ]:
        before = len(master.answers)
        master.send(replace(one, ca=0xFFFF))
        s.wait(lambda n=before, c=causes_: len(master.answers) == n + len(c), f"{one.type_id}")
        got = master.answers[before:]
        assert [a.cause for a in got] == causes_
        assert {a.ca for a in got} == ({0xFFFF} if causes_ == [46] else {101, 102})
    assert [one.type_id for one in s.rtu.asked] == [103, 105, 101]
    assert s.gateway.counts("M/M1-1", "refused", 2)


@pytest.mark.parametrize("ca", ["map", "pass", "keep"])
def test_data_and_commands_of_an_unlisted_common_address(scene, ca):
    numbers = (32, [32, 32]) if ca == "keep" else None
    s = scene(2, options=[f"ca={ca}"], cas=numbers, peers={"foreign": frozenset({77})})
    one, _ = s.masters
    strange = replace(asdu(1, 9, b"\1", 3), ca=77)
    s.rtu.set(more_cas=(77,))
    s.rtu.send(strange, strange)
    one.send(replace(single_command(5000), ca=77))
    s.settle()
    for master in s.masters:
        data = [o for o in master.inbox if o.cause == 3]
        assert data == ([] if ca == "map" else [strange, strange])
    assert s.gateway.counts("S/RTU1", "unknown_ca", 2 if ca == "map" else 0)
    if ca == "keep":
        assert [a.ca for a in s.answers(one, 7, 10)] == [77, 77]
        assert [o.ca for o in s.rtu.asked] == [77]
    else:
        (answer,) = s.answers(one, 46)
        assert answer == replace(single_command(5000).answer(46, True), ca=77, oa=one.oa)
        assert not s.rtu.asked


def test_with_keep_no_common_address_is_translated(scene):
    """Not even where the rows give the masters other numbers than the RTU."""
    s = scene(2, options=["ca=keep"], peers={"foreign": frozenset({32}), "is_strict": False})
    one, other = s.masters
    s.rtu.send(asdu(1, 9, b"\1", 3))
    s.settle()
    assert [[o.ca for o in m.inbox] for m in s.masters] == [[32], [32]]
    one.send(replace(single_command(5000), ca=32))
    assert [a.ca for a in s.answers(one, 7, 10)] == [32, 32]
    assert [o.ca for o in s.rtu.asked] == [32]
    assert not other.answers


# Reads, private types


@KINDS
def test_data_that_was_read_goes_to_who_read_it(scene, oa):
    s = scene(3, oa=oa)
    one, two, other = s.masters
    s.rtu.hold()
    one.ask(read(500), read(501))
    two.ask(read(500), read(502))
    s.at_rtu(4)
    s.rtu.release(shuffle=3)
    s.wait(lambda: len(one.answers) == len(two.answers) == 2, "read")
    s.clean()
    assert sorted(a.ioa for a in one.answers) == [500, 501]
    assert sorted(a.ioa for a in two.answers) == [500, 502]
    assert not other.inbox
    s.rtu.send(asdu(13, 500, struct.pack("<f", 1.0) + b"\0", 5))  # nobody's by now
    s.settle()
    assert [m.inbox[-1].cause for m in s.masters] == [5, 5, 5]


@TWO_KINDS
def test_a_confirmation_before_the_data_that_was_read_ends_nothing(scene, oa):
    data = asdu(13, 500, struct.pack("<f", 1.0) + b"\0", 5)
    s = scene(2, oa=oa, script=lambda one: [one.answer(7), data])
    reader, other = s.masters
    reader.ask(read(500))
    s.answers(reader, 7, 5)
    s.settle()
    assert not other.inbox


@TWO_KINDS
def test_a_read_the_rtu_does_not_know_is_answered_to_its_reader(scene, oa):
    s = scene(2, oa=oa, script=lambda one: [one.answer(47, is_negative=True)])
    reader, other = s.masters
    reader.ask(read(500))
    (answer,) = s.answers(reader, 47)
    assert (answer.ioa, answer.is_negative) == (500, True)
    s.settle()
    assert not other.inbox


@KINDS
def test_private_types_go_by_their_cause(scene, oa):
    def private(one):
        return [one.answer(7), one.answer(10)] if one.type_id >= 128 else None

    s = scene(3, oa=oa, script=private)
    asker, other, third = s.masters
    asked = [asdu(n, 100 + n, bytes(range(n % 20)), 6) for n in (128, 200, 255)]
    asker.ask(*asked, terminates=True)
    other.ask(asdu(200, 900, b"\7"), terminates=True)
    told = [asdu(n, 7, b"abc", cause) for n in (130, 255) for cause in (1, 2, 3, 11, 12, 60)]
    s.rtu.send(*told)
    s.answers(asker, *[7, 10] * 3)
    s.answers(other, 7, 10)
    s.clean()
    for master in s.masters:
        data = [o for o in master.inbox if o.cause not in (7, 10)]
        assert [(o.type_id, o.cause, o.objects) for o in data] == [
            (o.type_id, o.cause, o.objects) for o in told
        ]
    assert [o.objects for o in s.rtu.asked if o.ioa != 900] == [o.objects for o in asked]
    assert not third.answers


# Files


NAME = b"\x01\x00"


def select_file(ioa=70):
    return asdu(122, ioa, NAME + b"\0\1", 13)


def call_file(ioa=70):
    return asdu(122, ioa, NAME + b"\0\2", 13)


def call_section(ioa=70):
    return asdu(122, ioa, NAME + b"\1\6", 13)


def acknowledge_file(ioa=70):
    return asdu(124, ioa, NAME + b"\1\1", 13)


def acknowledge_section(ioa=70):
    return asdu(124, ioa, NAME + b"\1\3", 13)


DIRECTORY = asdu(126, 70, NAME + b"\x10\0\0" + b"\x20" + TIME, 5)


def file_server(one):
    """One file with one section of two segments, at any address."""
    head = one.objects[:3]

    def say(type_id, element):
        return replace(one, type_id=type_id, objects=head + NAME + element, cause=13)

    if one.type_id == 122 and one.cause == 5:
        return [DIRECTORY]
    match one.type_id, one.objects[6] if len(one.objects) > 6 else 0:
        case 122, 1:
            return [say(120, b"\x10\0\0\0")]
        case 122, 2:
            return [say(121, b"\1\x10\0\0\0")]
        case 122, 6:
            segment = say(125, b"\1\x08abcdefgh")
            return [segment, segment, say(123, b"\1\3\0")]
        case 124, 3:
            return [say(123, b"\1\1\0")]
    return [] if one.type_id in range(120, 128) else None


REST = [(call_file(), 2), (call_section(), 5), (acknowledge_section(), 6)]
"""What follows the select, and how many ASDUs the RTU has given by then."""


def transfer(s, master):
    """A whole file, and what came of it."""
    before = len(master.inbox)
    for one, n in [(select_file(), 1), *REST]:
        master.send(one)
        s.wait(lambda n=n: len(master.inbox) == before + n, f"{n} file ASDUs")
    master.send(acknowledge_file())
    return [one.type_id for one in master.inbox[before:]]


@KINDS
def test_a_file_is_its_callers_and_another_must_wait(scene, oa):
    s = scene(3, oa=oa, script=file_server)
    holder, other, third = s.masters
    holder.send(select_file())
    s.wait(lambda: [o.type_id for o in holder.inbox] == [120], "file ready")
    other.send(select_file(80), call_section())
    s.wait(lambda: len(other.inbox) == 2, "refused")
    not_ready, refused = other.inbox
    assert (not_ready.type_id, not_ready.cause) == (120, 13)
    assert not_ready.objects == (80).to_bytes(3, "little") + NAME + b"\0\0\0\x80"
    assert (not_ready.ca, not_ready.oa) == (other.ca, other.oa)
    assert (refused.type_id, refused.cause, refused.is_negative) == (122, 45, True)
    assert refused.objects == call_section().objects
    assert s.gateway.counts("M/M1-2", "refused", 2)
    for one, n in REST:
        holder.send(one)
        s.wait(lambda n=n: len(holder.inbox) == n, f"{n} file ASDUs")
    holder.send(acknowledge_file())
    s.at_rtu(5)
    assert [o.type_id for o in holder.inbox] == [120, 121, 125, 125, 123, 123]
    assert len(other.inbox) == 2
    assert not third.inbox
    assert transfer(s, other) == [120, 121, 125, 125, 123, 123]
    assert transfer(s, third) == [120, 121, 125, 125, 123, 123]
    assert len(holder.inbox) == 6
    assert {o.oa for o in s.rtu.asked} == {1, 2, 3}
    s.wire.check()


@pytest.mark.parametrize("how", ["closes", "resets", "deactivates"])
def test_a_file_is_free_again_when_its_holder_leaves(scene, how):
    s = scene(2, oa=0, script=file_server)
    holder, other = s.masters
    holder.send(select_file())
    s.wait(lambda: holder.inbox, "file ready")
    if how == "deactivates":
        holder.send(asdu(122, 70, NAME + b"\0\3", 13))
        s.at_rtu(2)
    else:
        leave(s, holder, how)
    assert transfer(s, other) == [120, 121, 125, 125, 123, 123]
    assert len(holder.inbox) == 1


def test_directories_go_to_their_caller_and_changed_ones_to_everyone(scene):
    s = scene(3, oa=0, script=file_server)
    caller, other, third = s.masters
    caller.send(asdu(122, 70, NAME + b"\0\0", 5))
    s.wait(lambda: caller.inbox, "the directory")
    s.settle()
    assert [(o.type_id, o.cause) for o in caller.inbox] == [(126, 5)]
    assert not other.inbox
    assert not third.inbox
    s.rtu.send(replace(DIRECTORY, cause=3))
    s.rtu.send(DIRECTORY)  # nobody called for it
    s.settle()
    assert [[(o.type_id, o.cause) for o in m.inbox[-1:]] for m in s.masters] == [[(126, 3)]] * 3
    assert s.gateway.counts("S/RTU1", "orphans", 1)


# A master that stops reading


def test_a_master_that_stops_reading_is_closed_and_nobody_elses_latency_changes(scene):
    s = scene(4, oa=0, master_options={1: ["buffer=300"]})
    sick = s.masters[1]
    healthy = [m for m in s.masters if m is not sick]

    def latencies(count):
        """Of events one by one: the slowest of the healthy masters each time."""
        found = []
        for _ in range(count):
            (number,) = s.rtu.events(1)
            for m in healthy:
                s.wait(lambda m=m, n=number: m.events and m.events[-1] == n, "the event")
            found.append(max(m.events_at[-1] for m in healthy) - s.rtu.sent_at[-1])
        return found

    before = latencies(200)
    sick.pause_reading()
    during = latencies(250)
    assert not s.gateway.counters("M/M1-2").dropped
    during += latencies(200)
    assert s.gateway.becomes("M/M1-2", "LISTENING")
    assert statistics.median(during) < 5 * statistics.median(before)
    lost = s.gateway.counters("M/M1-2").dropped
    assert 300 < lost <= 300 + 12
    assert s.gateway.tells("M/M1-2", f"more than 300 ASDUs behind, {lost} lost to this master")
    sick.set(reconnects=True)
    sick.resume_reading()
    s.wait(lambda: sick.initialized == 2, "back")
    s.clean(*healthy)
    assert not any(m.losses for m in healthy)
    assert s.rtu.losses == 0
    sick.ask(interrogation())
    ended(s, sick, interrogation())
    for m in healthy:
        assert s.gateway.counts(f"M/M1-{1 + s.masters.index(m)}", "dropped", 0)


# Through the program as it is run


@KINDS
def test_five_masters_interrogate_and_command_through_the_program(wire, tmp_path, oa):
    rtu_port, *ports = free_ports(6)
    rtu = wire.rtu(rtu_port, 32, kind=TurnTakingRtu, oa=oa, slots=5)
    rows = group(1, rtu_port, ports, options=["gi_data=requester"])
    with Gateway(tmp_path, rows):
        masters = [
            wire.master(port, 101 + i, oa=OAS[i], reconnects=False) for i, port in enumerate(ports)
        ]
        wire.wait(lambda: all(m.initialized for m in masters), 10, "started")
        for i, master in enumerate(masters):
            master.ask(interrogation(20 + i % 2), bitstring_command(6000 + i, i), read(7000 + i))
        rtu.events(1000)
        wire.wait(lambda: all(len(m.answers) == 5 for m in masters), 10, "all answered")
        wire.wait(lambda: all(len(m.events) == 1000 for m in masters), 10, "all events")
        assert_clean(rtu, *masters)
        for i, master in enumerate(masters):
            assert_whole(master, interrogation(20 + i % 2))
        assert rtu.refused == 0
        assert heard(rtu, STOPDT_ACT) == 0
