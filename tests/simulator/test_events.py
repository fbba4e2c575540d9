"""What a station sends by itself: reports, events, buffers, avalanches."""

from dataclasses import replace

import pytest

from core.protocol.asdu import Asdu
from core.protocol.codec import decode_asdu
from core.protocol.elements import Quality
from core.simulator.behaviour import Behaviour
from core.simulator.kinds import MONITORED
from core.simulator.plant import Restart
from tests.simulator.playing import CALM, Play, header, point

LAMP_ON = "01 01 03 00 01 00 64 00 00 01"
LAMP_OFF = "01 01 03 00 01 00 64 00 00 00"


def causes(messages: list[str]) -> list[tuple[int, int]]:
    return [header(message)[:2] for message in messages]


def test_measured_values_are_reported_every_three_seconds():
    """Cause 1 where the type knows it; a time tag knows no periodic cause and has 3."""
    points = [
        point("u", 1, 13, "voltage"),
        point("v", 2, 13, "voltage"),
        point("i", 3, 36, "current(1,9)"),
        point("lamp", 4, 1),
    ]
    play = Play(Behaviour(), points=points)
    play.wait(30)
    messages = play.taken()
    assert set(causes(messages)) == {(13, 1), (36, 3)}
    assert len(messages) == 20
    assert {m[3:5] for m in messages if m.startswith("0d")} == {"02"}  # both in one message
    values = {m[27:] for m in messages if m.startswith("0d")}
    assert len(values) > 8


def test_a_point_may_have_a_period_of_its_own_or_none():
    points = [
        point("often", 1, 13, "voltage", period=1.0),
        point("never", 2, 13, "constant(5)", period=0.0),
        point("lamp", 3, 1, "constant(1)", period=10.0),
    ]
    play = Play(Behaviour(), points=points)
    play.wait(30)
    found = causes(play.taken())
    assert 29 <= found.count((13, 1)) <= 31
    assert found.count((1, 2)) == 3  # what is no measured value comes as background scan
    assert len(found) == found.count((13, 1)) + 3


def test_a_change_is_an_event_and_goes_to_everybody():
    play = Play(points=[point("door", 5, 1, "toggle(20)")], clients=2)
    play.wait(41)
    for client in (0, 1):
        assert causes(play.taken(client)) == [(1, 3)] * 4
    assert play.station.statistics.events == 4


def test_a_dead_band_keeps_small_changes_back():
    play = Play(points=[point("t", 7, 13, "ramp(0,100,100)", dead_band=10.0)])
    play.wait(60)
    messages = play.taken()
    assert len(messages) == 5  # 11, 22, 33, 44, 55
    assert set(causes(messages)) == {(13, 3)}


def test_a_value_set_by_hand_is_an_event_at_once_and_stays():
    play = Play()
    play.station.set("lamp", 1, play.now)
    assert play.taken() == [LAMP_ON]
    play.wait(100)
    assert play.taken() == []
    play.station.set("lamp", None, play.now, Quality.INVALID | Quality.BLOCKED)
    assert play.taken() == ["01 01 03 00 01 00 64 00 00 91"]
    with pytest.raises(KeyError):
        play.station.set("nobody", 1, play.now)


def test_a_value_beyond_its_type_is_cut_and_says_so():
    play = Play()
    play.station.set("level", 1e6, play.now)
    assert play.taken() == ["0b 01 03 00 01 00 93 01 00 ff 7f 01"]  # overflow
    play.station.set("tap", 99, play.now)
    assert play.station.points["tap"].value == 63


def test_packed_points_say_which_of_them_changed():
    play = Play()
    play.station.set("inputs", 0b0110, play.now)
    assert play.taken() == ["14 01 03 00 01 00 95 01 00 06 00 05 00 00"]


@pytest.mark.parametrize("type_id", sorted(MONITORED))
def test_points_of_every_type_send_events(type_id):
    play = Play(points=[point("p", 9, int(type_id), "counter(1)")])
    play.station.set("p", 1, play.now)
    first = play.taken()
    play.station.set("p", 0, play.now)
    messages = first + play.taken()
    assert causes(messages) == [(int(type_id), 3)] * 2
    for message in messages:
        decode_asdu(bytes.fromhex(message), strict=True)


def test_events_wait_for_a_stopped_client_and_for_one_that_is_away():
    play = Play()
    number = play.clients[0]
    play.station.stopped(number, play.now)
    play.station.set("lamp", 1, play.now)
    assert play.taken() == []
    play.station.gone(number, play.now)
    play.station.set("lamp", 0, play.now)
    play.clients = [play.connect("10.0.0.2"), play.connect("10.0.0.1", start=False)]
    assert play.taken(client=0) == []  # somebody else
    play.station.started(play.clients[1], play.now)
    assert play.taken(client=1) == [LAMP_ON, LAMP_OFF]


def test_what_was_not_acknowledged_comes_again_before_what_came_later():
    play = Play()
    play.station.set("lamp", 1, play.now)
    play.ask("66 01 05 00 01 00 90 01 00")
    sent = [Asdu(bytes.fromhex(LAMP_ON)), Asdu(bytes.fromhex("66 01 05 00 01 00 90 01 00"))]
    play.station.set("lamp", 0, play.now)
    play.station.gone(play.clients[0], play.now, "lost", sent)
    play.clients = [play.connect("10.0.0.1", start=False)]
    play.station.started(play.clients[0], play.now)
    assert play.taken() == [LAMP_ON, LAMP_OFF]  # the answer to the read is not for this one


def test_a_full_buffer_loses_the_oldest_and_counts():
    play = Play(replace(CALM, buffer=10))
    play.station.stopped(play.clients[0], play.now)
    for n in range(25):
        play.station.set("level", n, play.now)
    assert play.station.statistics.events_lost == 15
    assert play.station.clients[0].events_lost == 15
    play.station.started(play.clients[0], play.now)
    assert [int(message[27:29], 16) for message in play.taken()] == list(range(15, 25))


def test_events_and_answers_keep_their_order():
    """A value of an interrogation is never older than the event sent before it."""
    play = Play()
    play.station.set("lamp", 1, play.now)
    play.send("64 01 06 00 01 00 00 00 00 14")
    play.station.set("lamp", 0, play.now)
    messages = play.taken(room=3) + play.taken()
    assert messages[0] == LAMP_ON
    assert messages[2] == "01 82 14 00 01 00 64 00 00 01 01"
    assert messages[-1] == LAMP_OFF


def test_an_avalanche_at_once_has_every_point_in_every_round():
    play = Play()
    play.station.avalanche(play.now, rounds=3)
    objects = sum(int(message[3:5], 16) for message in play.taken())
    assert objects == 3 * 11  # all but the counters
    assert play.station.statistics.events == 33


def test_an_avalanche_has_its_rate():
    play = Play(replace(CALM, batch=1))
    play.station.avalanche(play.now, rate=10.0, rounds=2)
    play.wait(1.0)
    assert 9 <= len(play.taken()) <= 12
    play.wait(5)
    assert play.station.statistics.events == 22


def test_avalanches_and_restarts_may_come_by_themselves():
    play = Play(replace(CALM, avalanche_every=10.0, restart_every=25.0, restart_time=7.0))
    play.wait(24)
    assert play.station.statistics.events == 2 * 11
    assert play.station.take_actions() == []
    play.wait(2)
    assert play.station.take_actions() == [Restart(7.0, 0)]
    play.station.go_down(play.now)
    play.wait(7)
    play.station.restart(play.now)
    play.wait(24)
    assert play.station.take_actions() == []
    play.wait(2)
    assert play.station.take_actions() == [Restart(7.0, 0)]


def test_reports_for_who_does_not_take_them_are_left_out():
    play = Play(Behaviour(period=1.0), points=[point("u", 1, 13, "voltage")])
    play.wait(1000)
    assert play.station.clients[0].waiting <= 200
    assert play.station.statistics.reports_skipped > 700


def test_the_same_seed_gives_the_same_life():
    lives = [Play(Behaviour()) for _ in range(2)]
    for play in lives:
        play.wait(60)
    assert lives[0].taken() == lives[1].taken()
