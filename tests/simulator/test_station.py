"""A good station, octets in and octets out: the examples of the reference, and its error table."""

from dataclasses import replace

import pytest

from core.simulator.plant import Restart
from tests.simulator.playing import CALM, Play, header, point

INTERROGATION = [
    "64 01 07 03 01 00 00 00 00 14",
    "01 82 14 03 01 00 64 00 00 00 01",
    "03 01 14 03 01 00 6e 00 00 01",
    "05 01 14 03 01 00 78 00 00 03 00",
    "07 01 14 03 01 00 94 01 00 78 56 34 12 00",
    "09 01 14 03 01 00 92 01 00 00 40 00",
    "0b 01 14 03 01 00 93 01 00 2e fb 00",
    "0d 82 14 03 01 00 90 01 00 00 00 48 42 00 00 00 f0 40 00",
    "14 01 14 03 01 00 95 01 00 03 00 00 00 00",
    "64 01 0a 03 01 00 00 00 00 14",
]


def test_a_station_interrogation_is_confirmed_answered_and_terminated():
    """60870-5-101, 7.4.5; types without time tags, counters and protection are no part of it."""
    assert Play().ask("64 01 06 03 01 00 00 00 00 14") == INTERROGATION


def test_the_broadcast_address_is_answered_under_the_own_one():
    assert Play().ask("64 01 06 03 ff ff 00 00 00 14") == INTERROGATION


def test_a_group_is_interrogated_with_its_own_cause():
    play = Play()
    assert play.ask("64 01 06 00 01 00 00 00 00 15") == [
        "64 01 07 00 01 00 00 00 00 15",
        "0d 01 15 00 01 00 90 01 00 00 00 48 42 00",
        "64 01 0a 00 01 00 00 00 00 15",
    ]
    # A group without points, and what is no group.
    assert play.ask("64 01 06 00 01 00 00 00 00 18") == ["64 01 47 00 01 00 00 00 00 18"]
    assert play.ask("64 01 06 00 01 00 00 00 00 05") == ["64 01 47 00 01 00 00 00 00 05"]


def test_the_types_of_the_file_are_sent_if_wanted_and_single_points_too():
    play = Play(replace(CALM, answer_types="own", batch=1, sequences=False))
    answer = play.ask("64 01 06 00 01 00 00 00 00 16")
    assert answer[1] == (
        "24 01 16 00 01 00 91 01 00 00 00 f0 40 00 1a 90 0a 15 ab 0c 1a"
    )  # M_ME_TF_1 with the station's time
    full = play.ask("64 01 06 00 01 00 00 00 00 14")
    assert {message[3:5] for message in full} == {"01"}


def test_a_running_interrogation_is_deactivated_by_its_asker():
    play = Play(replace(CALM, gi_pause=1.0))
    assert play.ask("64 01 06 00 01 00 00 00 00 14") == ["64 01 07 00 01 00 00 00 00 14"]
    assert play.ask("64 01 08 00 01 00 00 00 00 14") == ["64 01 09 00 01 00 00 00 00 14"]
    play.wait(10)
    assert play.taken() == []
    assert play.ask("64 01 08 00 01 00 00 00 00 14") == ["64 01 49 00 01 00 00 00 00 14"]


def test_an_interrogation_may_take_its_time():
    play = Play(replace(CALM, gi_pause=1.0))
    play.send("64 01 06 00 01 00 00 00 00 14")
    play.wait(0.9)
    assert [header(m)[1] for m in play.taken()] == [7]
    play.wait(0.2)
    assert {header(m)[1] for m in play.taken()} == {20}
    play.wait(1)
    assert [header(m)[1] for m in play.taken()] == [10]


def test_a_second_interrogation_waits_until_the_first_has_ended():
    play = Play(replace(CALM, gi_pause=1.0))
    for _ in range(2):
        play.send("64 01 06 00 01 00 00 00 00 14")
    play.wait(10)
    causes = [header(message)[1] for message in play.taken()]
    assert squeezed(causes) == [7, 20, 10, 7, 20, 10]


SECOND = [
    ("queue", [7, 20, 10, 7, 20, 10], []),
    ("both", [7, 7, 20, 10, 20, 10], []),
    ("restart", [7, 20, 10], []),
    ("refuse", [7, 20, 10, 7], [7]),
]


@pytest.mark.parametrize(("rule", "causes", "negative"), SECOND)
def test_a_second_interrogation_while_one_runs(rule, causes, negative):
    play = Play(replace(CALM, second_gi=rule))
    play.send("64 01 06 00 01 00 00 00 00 14")
    play.send("64 01 06 00 01 00 00 00 00 14")
    came = [header(message) for message in play.taken()]
    assert squeezed([cause for _, cause, *_ in came]) == squeezed(causes)
    assert [cause for _, cause, is_negative, *_ in came if is_negative] == negative
    # Once it has ended the next is served whatever the rule.
    assert [header(m)[1] for m in play.ask("64 01 06 00 01 00 00 00 00 14")][-1] == 10


def squeezed(causes: list[int]) -> list[int]:
    return [c for i, c in enumerate(causes) if i == 0 or c != causes[i - 1] or c != 20]


def test_interrogations_of_two_clients_do_not_meet():
    play = Play(replace(CALM, second_gi="refuse"), clients=2)
    play.send("64 01 06 01 01 00 00 00 00 14", client=0)
    play.send("64 01 06 02 01 00 00 00 00 14", client=1)
    for client, oa in ((0, 1), (1, 2)):
        came = [header(message) for message in play.taken(client)]
        assert {found[3] for found in came} == {oa}
        assert came[-1][:3] == (100, 10, False)


def test_counters_are_read_all_or_by_group():
    play = Play()
    assert play.ask("65 01 06 00 01 00 00 00 00 05") == [
        "65 01 07 00 01 00 00 00 00 05",
        "0f 82 25 00 01 00 58 02 00 d2 04 00 00 00 05 00 00 00 00",
        "65 01 0a 00 01 00 00 00 00 05",
    ]
    assert play.ask("65 01 06 00 01 00 00 00 00 01") == [
        "65 01 07 00 01 00 00 00 00 01",
        "0f 01 26 00 01 00 58 02 00 d2 04 00 00 00",
        "65 01 0a 00 01 00 00 00 00 01",
    ]
    assert play.ask("65 01 06 00 01 00 00 00 00 03") == ["65 01 47 00 01 00 00 00 00 03"]
    assert play.ask("65 01 06 00 01 00 00 00 00 00") == ["65 01 47 00 01 00 00 00 00 00"]
    assert play.ask("65 01 08 00 01 00 00 00 00 05") == ["65 01 49 00 01 00 00 00 00 05"]


def test_counters_are_frozen_with_and_without_reset():
    """Mode C: the frozen reading is given until the next freeze; no termination after a freeze."""
    play = Play(points=[point("pulses", 600, 15, "counter(10,100)")])
    read = "65 01 06 00 01 00 00 00 00 05"

    def reading() -> tuple[int, int]:
        octets = bytes.fromhex(play.ask(read)[1])[9:]
        return int.from_bytes(octets[:4], "little"), octets[4]

    play.wait(10)
    assert reading() == (200, 0)
    assert play.ask("65 01 06 00 01 00 00 00 00 45") == ["65 01 07 00 01 00 00 00 00 45"]
    play.wait(5)
    assert reading() == (200, 1)  # frozen; sequence number 1
    assert play.ask("65 01 06 00 01 00 00 00 00 85") == ["65 01 07 00 01 00 00 00 00 85"]
    assert reading() == (250, 2)  # the reading of the period that ended
    play.wait(1)
    play.ask("65 01 06 00 01 00 00 00 00 45")
    assert reading() == (10, 3 | 0x40)  # begun anew: adjusted
    play.ask("65 01 06 00 01 00 00 00 00 c5")  # reset alone freezes nothing
    assert reading() == (10, 3 | 0x40)


def test_a_frozen_counter_may_be_sent_at_once():
    """Mode D."""
    play = Play(replace(CALM, counter_events=True), clients=2)
    play.ask("65 01 06 00 01 00 00 00 00 45")
    assert [header(message)[:2] for message in play.taken(1)] == [(15, 3), (37, 3)]


def test_a_station_may_freeze_and_send_by_itself():
    """Mode A."""
    play = Play(replace(CALM, counter_period=60.0))
    play.wait(125)
    assert [header(m)[:2] for m in play.taken() if header(m)[0] == 15] == [(15, 3)] * 2


def test_a_point_is_read_without_its_time_tag_and_without_confirmation():
    play = Play()
    assert play.ask("66 01 05 00 01 00 90 01 00") == ["0d 01 05 00 01 00 90 01 00 00 00 48 42 00"]
    assert play.ask("66 01 05 00 01 00 91 01 00") == ["0d 01 05 00 01 00 91 01 00 00 00 f0 40 00"]
    assert play.ask("66 01 05 00 01 00 96 01 00")[0].startswith("26 01 05")  # there is no other
    assert play.ask("66 01 05 00 01 00 92 09 00") == ["66 01 6f 00 01 00 92 09 00"]


def test_the_clock_is_set_and_confirmed_with_the_time_before():
    play = Play()
    assert play.ask("67 01 06 00 01 00 00 00 00 10 27 0f 0c 61 01 1b") == [
        "67 01 07 00 01 00 00 00 00 1a 90 0a 15 ab 0c 1a"
    ]
    assert f"{play.station.clock(play.now)}" == "2027-01-01 12:15:10"
    play.station.set("breaker", 2, play.now)
    assert play.taken() == ["1f 01 03 00 01 00 6e 00 00 02 10 27 0f 0c a1 01 1b"]
    play.wait(2)
    assert f"{play.station.clock(play.now)}" == "2027-01-01 12:15:12"


def test_the_clock_may_be_echoed_refused_and_knows_what_is_no_time():
    sync = "67 01 06 00 01 00 00 00 00 10 27 0f 0c 61 01 1b"
    assert Play(replace(CALM, clock="echo")).ask(sync) == [sync.replace("06 00 01", "07 00 01", 1)]
    assert Play(replace(CALM, clock="refuse")).ask(sync) == [sync.replace("06", "47", 1)]
    no_time = "67 01 06 00 01 00 00 00 00 10 27 0f 0c 61 00 1b"
    assert Play().ask(no_time) == [no_time.replace("06", "47", 1)]


def test_time_tags_are_invalid_until_the_clock_is_set_if_wanted():
    play = Play(replace(CALM, time_tags="unsynchronized"))
    play.station.set("breaker", 2, play.now)
    assert play.taken() == ["1f 01 03 00 01 00 6e 00 00 02 1a 90 8a 15 ab 0c 1a"]
    play.ask("67 01 06 00 01 00 00 00 00 10 27 0f 0c 61 01 1b")
    play.station.set("breaker", 1, play.now)
    assert play.taken() == ["1f 01 03 00 01 00 6e 00 00 01 10 27 0f 0c a1 01 1b"]


def test_time_tags_may_be_left_out():
    play = Play(replace(CALM, time_tags="off"))
    play.station.set("breaker", 2, play.now)
    assert play.taken() == ["03 01 03 00 01 00 6e 00 00 02"]


MIRRORED = [
    ("68 01 06 05 01 00 00 00 00 aa 55", 7, False),  # C_TS_NA_1
    ("68 01 06 05 01 00 00 00 00 aa 56", 7, True),  # not the pattern
    ("6b 01 06 05 01 00 00 00 00 01 00 1f 90 0a 15 ab 0c 1a", 7, False),  # C_TS_TA_1
    ("6a 01 06 05 01 00 00 00 00 f4 01", 7, False),  # C_CD_NA_1
    ("70 01 06 05 01 00 90 01 00 00 00 c0 3f 01", 7, False),  # P_ME_NC_1, threshold
    ("70 01 06 05 01 00 90 01 00 00 00 c0 3f 00", 7, True),  # no such parameter
    ("6e 01 06 05 01 00 92 01 00 00 40 01", 7, False),
    ("6f 01 06 05 01 00 93 01 00 05 00 02", 7, False),
    ("71 01 06 05 01 00 00 00 00 01", 7, False),  # P_AC_NA_1, loaded parameters
    ("71 01 06 05 01 00 90 01 00 02", 7, False),
    ("71 01 08 05 01 00 90 01 00 03", 9, False),  # no cyclic transmission any more
    ("71 01 06 05 01 00 90 01 00 04", 7, True),
    ("69 01 06 05 01 00 00 00 00 02", 7, False),  # C_RP_NA_1, events
    ("69 01 06 05 01 00 00 00 00 03", 7, True),
    ("2d 01 06 05 01 00 8f 13 00 01 ff", 7, False),  # a surplus octet is mirrored as it came
    # 44: types nobody has, private ones, security, files
    ("2c 01 06 05 01 00 00 00 00 01", 44, True),
    ("80 01 06 05 01 00 00 00 00 01", 44, True),
    ("51 01 06 05 01 00 00 00 00 01", 44, True),
    ("7a 01 05 05 01 00 00 00 00 00 00 00 00", 44, True),
    ("2c 01 06 05 63 00 00 00 00 01", 44, True),  # before the common address
    # 45
    ("2d 01 05 05 01 00 88 13 00 01", 45, True),
    ("64 01 03 05 01 00 00 00 00 14", 45, True),
    ("66 01 06 05 01 00 90 01 00", 45, True),
    ("67 01 08 05 01 00 00 00 00 10 27 0f 0c 61 01 1b", 45, True),
    ("2d 01 05 05 63 00 88 13 00 01", 45, True),  # before the common address
    # 46
    ("2d 01 06 05 63 00 88 13 00 01", 46, True),
    ("64 01 06 05 63 00 00 00 00 14", 46, True),
    ("2d 01 06 05 ff ff 88 13 00 01", 46, True),  # commands have no broadcast
    ("2d 01 06 05 63 00 99 99 00 01", 46, True),  # before the object address
    # 47
    ("2d 01 06 05 01 00 99 99 00 01", 47, True),
    ("2e 01 06 05 01 00 88 13 00 01", 47, True),  # the point is a single command
    ("2d 01 06 05 01 00 64 00 00 01", 47, True),  # a monitored point
    ("64 01 06 05 01 00 01 00 00 14", 47, True),  # system commands have address 0
    ("65 01 06 05 01 00 01 00 00 05", 47, True),
    ("67 01 06 05 01 00 01 00 00 10 27 0f 0c 61 01 1b", 47, True),
    ("69 01 06 05 01 00 01 00 00 01", 47, True),
    ("70 01 06 05 01 00 99 99 00 00 00 c0 3f 01", 47, True),
    ("70 01 06 05 01 00 93 01 00 00 00 c0 3f 01", 47, True),  # a scaled value
    ("71 01 06 05 01 00 99 99 00 03", 47, True),
    # a request has one object
    ("2d 02 06 05 01 00 88 13 00 01 8f 13 00 01", 7, True),
    ("2d 81 08 05 01 00 88 13 00 01", 9, True),
    ("64 00 06 05 01 00", 7, True),
    ("66 02 05 05 01 00 90 01 00 91 01 00", 45, True),
]


@pytest.mark.parametrize(("request_", "cause", "is_negative"), MIRRORED)
def test_a_request_is_mirrored_with_nothing_but_its_cause_changed(request_, cause, is_negative):
    octets = bytearray(bytes.fromhex(request_))
    octets[2] = cause | is_negative << 6
    assert Play().ask(request_)[0] == octets.hex(" ")


def test_the_mirror_keeps_the_test_bit_and_a_test_has_no_effect():
    play = Play()
    assert play.ask("2d 01 86 00 01 00 88 13 00 01") == [
        "2d 01 87 00 01 00 88 13 00 01",
        "2d 01 8a 00 01 00 88 13 00 01",
    ]
    assert play.station.points["lamp"].value == 0
    assert play.ask("64 01 86 00 01 00 00 00 00 15")[1].startswith("0d 01 95")
    play.ask("67 01 86 00 01 00 00 00 00 10 27 0f 0c 61 01 1b")
    assert play.station.clock(play.now).year == 2026


UNANSWERED = [
    "2d 01 07 05 01 00 88 13 00 01",  # an answer
    "2d 01 6c 05 01 00 88 13 00 01",  # an answer to a wrong type
    "2c 01 6c 05 01 00 88 13 00 01",
    "01 01 03 05 01 00 64 00 00 01",  # monitored types
    "46 01 04 05 01 00 00 00 00 00",
    "2d 01 06 05 01 00 88 13 00",  # an octet is missing
    "64 02 06 05 01 00 00 00 00 14",
    "6a 01 03 05 01 00 00 00 00 f4 01",  # the delay is loaded
]


@pytest.mark.parametrize("octets", UNANSWERED)
def test_what_is_no_request_or_cut_off_gets_no_answer(octets):
    play = Play()
    assert play.ask(octets) == []
    assert play.station.statistics.ignored == (0 if octets.startswith("6a") else 1)


def test_a_foreign_common_address_may_be_ignored():
    assert Play(replace(CALM, unknown_ca="ignore")).ask("64 01 06 05 63 00 00 00 00 14") == []


OAS = [("echo", 9), ("zero", 0), ("one", 1)]


@pytest.mark.parametrize(("rule", "oa"), OAS)
def test_the_originator_address_is_echoed_or_not(rule, oa):
    play = Play(replace(CALM, oa=rule))
    asked = ("64 01 06 09 01 00 00 00 00 14", "66 01 05 09 01 00 90 01 00",
             "2d 01 06 09 01 00 8f 13 00 01", "2c 01 06 09 01 00 00 00 00 01")  # fmt: skip
    assert {header(m)[3] for octets in asked for m in play.ask(octets)} == {oa}
    play.station.set("lamp", 1, play.now)
    assert header(play.taken()[0])[3] == 0  # nobody asked for an event


def test_confirmations_and_terminations_may_be_missing_or_late():
    gi = "64 01 06 00 01 00 00 00 00 14"
    assert {header(m)[1] for m in Play(replace(CALM, act_con=False)).ask(gi)} == {20, 10}
    assert {header(m)[1] for m in Play(replace(CALM, act_term=False)).ask(gi)} == {7, 20}
    play = Play(replace(CALM, confirm_delay=2.0))
    assert play.ask(gi) == []
    play.wait(1.9)
    assert play.taken() == []
    play.wait(0.2)
    assert play.taken()[0] == "64 01 07 00 01 00 00 00 00 14"


def test_the_end_of_initialisation_comes_once_after_a_start():
    play = Play(clients=0)
    number = play.station.connected("10.0.0.1", "a", play.now)
    play.station.started(number, play.now)
    play.clients = [number]
    assert play.taken() == ["46 01 04 00 01 00 00 00 00 00"]
    play.station.stopped(number, play.now)
    play.station.started(number, play.now)
    assert play.taken() == []
    play.station.gone(number, play.now)
    play.clients = [play.connect("10.0.0.1")]
    assert play.taken() == []


def test_the_end_of_initialisation_may_come_every_time_or_never():
    for rule, expected in (("every", 2), ("never", 0)):
        play = Play(replace(CALM, initialized=rule), clients=0)
        number = play.station.connected("10.0.0.1", "a", play.now)
        play.clients = [number]
        came = []
        for _ in range(2):
            play.station.started(number, play.now)
            came += play.taken()
            play.station.stopped(number, play.now)
        assert len(came) == expected


def test_a_reset_is_confirmed_and_then_the_station_begins_anew():
    play = Play()
    play.ask("67 01 06 00 01 00 00 00 00 10 27 0f 0c 61 01 1b")
    assert play.ask("69 01 06 00 01 00 00 00 00 01") == ["69 01 07 00 01 00 00 00 00 01"]
    assert play.station.take_actions() == [Restart(2.0, 2)]
    play.station.go_down(play.now)
    assert play.station.connected("10.0.0.9", "b", play.now) == 0
    play.station.restart(play.now, 2)
    assert play.station.clock(play.now).year == 2026  # nobody has set it yet
    number = play.station.connected("10.0.0.1", "a", play.now)
    play.station.started(number, play.now)
    play.clients = [number]
    assert play.taken() == ["46 01 04 00 01 00 00 00 00 02"]  # remote reset
    assert play.ask("64 01 06 03 01 00 00 00 00 14") == INTERROGATION


def test_requests_that_are_looked_at_later_are_bounded_too():
    play = Play(replace(CALM, confirm_delay=3600.0))
    for _ in range(20_000):
        play.send("2d 01 06 00 01 00 99 99 00 01")
        if play.station.take_actions():
            return
    pytest.fail("it was never closed")


def test_who_only_asks_is_closed_before_memory_fills_up():
    play = Play()
    for _ in range(20_000):
        play.send("2d 01 06 00 01 00 99 99 00 01")
        if play.station.take_actions():
            break
    else:
        pytest.fail("it was never closed")
    assert play.station.clients[0].waiting < 20_000


def test_more_connections_than_allowed_are_not_served():
    play = Play(replace(CALM, connections=2), clients=2)
    assert play.connect("10.0.0.3") == 0
    play.station.gone(play.clients[0], play.now)
    assert play.connect("10.0.0.3") != 0


def test_a_parameter_changes_the_dead_band_and_cyclic_transmission_ends():
    play = Play(replace(CALM, period=3.0), points=[point("u", 400, 13, "ramp(0,100,100)")])
    play.ask("70 01 06 00 01 00 90 01 00 00 00 c0 3f 01")  # threshold 1.5
    play.ask("71 01 08 00 01 00 90 01 00 03")  # no reports
    play.wait(10)
    came = [header(message) for message in play.taken()]
    assert len(came) >= 4
    assert {cause for _, cause, *_ in came} == {3}
