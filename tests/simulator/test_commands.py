"""Commands, direct and selected first, with everything that follows: the cases of the reference."""

from dataclasses import replace

import pytest

from core.simulator.behaviour import Behaviour
from tests.simulator.playing import CALM, Play, header

ON = "2d 01 06 03 01 00 88 13 00 01"
SELECT = "2e 01 06 00 01 00 89 13 00 82"
EXECUTE = "2e 01 06 00 01 00 89 13 00 02"
CANCEL = "2e 01 08 00 01 00 89 13 00 82"


def answer(octets: str, cause: int, *, negative: bool = False) -> str:
    found = bytearray(bytes.fromhex(octets))
    found[2] = cause | negative << 6
    return found.hex(" ")


def test_a_direct_command_is_confirmed_executed_and_terminated():
    play = Play(clients=2)
    returned = "01 01 0b 00 01 00 64 00 00 01"
    assert play.ask(ON) == [answer(ON, 7), returned, answer(ON, 10)]
    assert play.taken(client=1) == [returned]  # what it changed, and no answer
    assert play.station.points["lamp"].value == 1


def test_a_command_takes_its_time_and_the_breaker_is_between_meanwhile():
    play = Play(replace(CALM, execution_time=3.0))
    play.ask(SELECT)
    moving = "1f 01 0b 00 01 00 6e 00 00 00 1a 90 0a 15 ab 0c 1a"
    assert play.ask(EXECUTE) == [answer(EXECUTE, 7), moving]
    assert play.ask(SELECT) == [answer(SELECT, 7, negative=True)]  # it is busy
    play.wait(3)
    arrived = "1f 01 0b 00 01 00 6e 00 00 02 d2 9b 0a 15 ab 0c 1a"
    assert play.taken() == [arrived, answer(EXECUTE, 10)]


def test_a_running_command_is_cancelled_by_its_master():
    play = Play(replace(CALM, execution_time=3.0), clients=2)
    play.ask(ON)
    off = ON.replace("06", "08", 1)
    assert play.ask(off, client=1) == [answer(off, 9, negative=True)]
    assert play.ask(off) == [answer(off, 9)]
    play.wait(5)
    assert play.taken() == []
    assert play.station.points["lamp"].value == 0


FOLLOWED = [
    ("2f 01 06 00 01 00 8a 13 00 06", "20 01 0b", "tap", 4),  # higher, short pulse
    ("2f 01 06 00 01 00 8a 13 00 01", "20 01 0b", "tap", 2),
    ("30 01 06 00 01 00 8b 13 00 00 20 00", "09 01 03", "share", 0.25),
    ("31 01 06 00 01 00 8c 13 00 2e fb 05", "0b 01 03", "level", -1234),
    ("32 01 06 00 01 00 8d 13 00 00 00 c0 3f 00", "0d 01 03", "voltage", 1.5),
    ("33 01 06 00 01 00 8e 13 00 ef be ad de", "07 01 0b", "word", 0xDEADBEEF),
    ("3a 01 06 00 01 00 88 13 00 01 1f 90 0a 15 ab 0c 1a", "01 01 0b", "lamp", 1),
    ("3f 01 06 00 01 00 8d 13 00 00 00 c0 3f 00 1f 90 0a 15 ab 0c 1a", "0d 01 03", "voltage", 1.5),
]


@pytest.mark.parametrize(("command", "begin", "name", "value"), FOLLOWED)
def test_every_type_of_command_moves_its_point(command, begin, name, value):
    """Return information has cause 11; measured values have none, so theirs is spontaneous."""
    play = Play()
    con, returned, term = play.ask(command)
    assert (con, term) == (answer(command, 7), answer(command, 10))
    assert returned.startswith(begin)
    assert play.station.points[name].value == value


def test_a_commanded_point_stays_until_it_is_released():
    play = Play()
    play.ask("32 01 06 00 01 00 8d 13 00 00 00 c0 3f 00")
    play.wait(60)
    assert play.station.points["voltage"].value == 1.5
    play.station.release("voltage")
    play.wait(2)
    assert play.station.points["voltage"].value == 50


def test_a_command_without_a_point_behind_it_is_only_answered():
    play = Play()
    command = "2d 01 06 00 01 00 8f 13 00 01"
    assert play.ask(command) == [answer(command, 7), answer(command, 10)]
    assert play.station.statistics.commands == 1
    assert "executed" in play.kinds()


NOT_PERMITTED = [
    "2f 01 06 00 01 00 8a 13 00 00",
    "2f 01 06 00 01 00 8a 13 00 03",
    "32 01 06 00 01 00 8d 13 00 00 00 c0 7f 00",  # not a number
    "2e 01 06 00 01 00 89 13 00 83",
]


@pytest.mark.parametrize("command", NOT_PERMITTED)
def test_values_that_are_not_permitted_are_refused(command):
    assert Play().ask(command) == [answer(command, 7, negative=True)]


# select before operate


def test_a_selected_point_is_executed_and_a_select_has_no_termination():
    play = Play()
    assert play.ask(SELECT) == [answer(SELECT, 7)]
    came = play.ask(EXECUTE)
    assert (came[0], came[-1]) == (answer(EXECUTE, 7), answer(EXECUTE, 10))
    assert header(came[1])[:2] == (31, 11)
    assert play.ask(EXECUTE) == [answer(EXECUTE, 7, negative=True)]  # the selection is used up


def test_who_must_be_selected_is_not_executed_directly_and_the_reverse():
    assert Play().ask(EXECUTE) == [answer(EXECUTE, 7, negative=True)]
    select = "2f 01 06 00 01 00 8a 13 00 86"
    assert Play().ask(select) == [answer(select, 7, negative=True)]


OTHERS = [
    "2e 01 06 00 01 00 89 13 00 01",  # another value
    "2e 01 06 00 01 00 89 13 00 06",  # another qualifier
    "3b 01 06 00 01 00 89 13 00 02 1f 90 0a 15 ab 0c 1a",  # another type
]


@pytest.mark.parametrize("other", OTHERS)
def test_an_execute_unlike_the_select_is_refused_and_ends_it(other):
    play = Play()
    play.ask(SELECT)
    assert play.ask(other) == [answer(other, 7, negative=True)]
    assert play.ask(EXECUTE) == [answer(EXECUTE, 7, negative=True)]


def test_a_selection_is_one_masters_own():
    play = Play(clients=2)
    play.ask(SELECT)
    for refused in (SELECT, EXECUTE):
        assert play.ask(refused, client=1) == [answer(refused, 7, negative=True)]
    assert play.ask(CANCEL, client=1) == [answer(CANCEL, 9, negative=True)]
    assert play.ask(SELECT) == [answer(SELECT, 7)]  # renewed
    assert play.ask(EXECUTE)[0] == answer(EXECUTE, 7)


def test_a_selection_is_cancelled_once():
    play = Play()
    play.ask(SELECT)
    assert play.ask(CANCEL) == [answer(CANCEL, 9)]
    assert play.ask(CANCEL) == [answer(CANCEL, 9, negative=True)]
    assert play.ask(EXECUTE) == [answer(EXECUTE, 7, negative=True)]


def test_a_selection_ends_with_its_time():
    play = Play(replace(CALM, select_timeout=10.0), clients=2)
    play.ask(SELECT)
    play.wait(9.9)
    assert play.ask(SELECT, client=1) == [answer(SELECT, 7, negative=True)]
    play.wait(0.1)
    assert play.ask(SELECT, client=1) == [answer(SELECT, 7)]


@pytest.mark.parametrize("end", ["stop", "loss"])
def test_a_selection_ends_with_data_transfer(end):
    play = Play(clients=2)
    play.ask(SELECT)
    if end == "stop":
        play.station.stopped(play.clients[0], play.now)
    else:
        play.station.gone(play.clients[0], play.now)
    assert play.ask(SELECT, client=1) == [answer(SELECT, 7)]


def test_time_tagged_commands_that_are_too_old_get_no_answer():
    play = Play(Behaviour(period=0.0, max_command_age=5.0))
    command = "3a 01 06 00 01 00 88 13 00 01 1f 90 0a 15 ab 0c 1a"  # 21:10:36.895
    play.wait(5)
    assert play.ask(command)[0] == answer(command, 7)
    play.wait(1)
    assert play.ask(command) == []
    assert play.station.statistics.ignored == 1


def test_a_termination_does_not_reach_the_next_connection():
    play = Play(replace(CALM, execution_time=3.0))
    play.ask(ON)
    play.station.gone(play.clients[0], play.now)
    play.clients = [play.connect("10.0.0.1")]
    play.wait(5)
    assert [header(message)[:2] for message in play.taken()] == [(1, 11)]  # the event, alone
