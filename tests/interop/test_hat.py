"""A c104 station and two hat-drivers masters through the gateway."""

import sys

import pytest

from tests.interop.scenario import FIRST_CA, Scene, needs
from tests.support.peers import points

pytestmark = [
    pytest.mark.interop,
    needs("c104", "hat"),
    pytest.mark.skipif(sys.platform == "win32", reason="the peer reads its input from a pipe"),
]

BASIC = {ioa for name, ioa in points.MONITOR.items() if name.endswith("NA_1")} - {107}


@pytest.fixture
def scene(tmp_path):
    """Its masters carry originator addresses of their own, which must come back to them."""
    with Scene(tmp_path, "hat_master", oas=(5, 200)) as scene:
        yield scene


def test_initialisation_ends_for_each_master(scene):
    for i, master in enumerate(scene.masters):
        told = master.expect(event="initialized")
        assert (told["cause"], told["ca"], told["oa"]) == (4, FIRST_CA + i, 0)


def test_values_of_every_type_reach_both_masters(scene):
    scene.every_value_reaches_both()


def test_numbered_events_arrive_once_and_in_order(scene):
    scene.numbered_events_arrive_once_and_in_order()


def test_commands_of_every_type_are_executed_and_confirmed_to_their_sender(scene):
    for n, (name, ioa) in enumerate(points.COMMANDS.items()):
        scene.command(n % 2, name, ioa)


def test_interrogations_are_served_to_both(scene):
    scene.both_interrogate("interrogate", 20, BASIC)
    scene.both_interrogate("counters", 37, {107})


def test_a_read_is_answered_to_its_reader(scene):
    scene.rtu.do("assign", type="M_ME_NC_1", ioa=105, value=7.75)
    reader, other = scene.masters
    reader.do("read", ioa=105)
    came = reader.expect(event="value", ioa=105, cause=5)
    assert (came["value"], came["ca"]) == (7.75, FIRST_CA)
    assert not other.seen(cause=5)


def test_a_test_command_is_confirmed_to_its_sender(scene):
    asker, other = scene.masters
    asker.do("test", counter=104)
    answer = asker.expect(event="answer", type="C_TS_TA_1")
    assert (answer["cause"], answer["ca"], answer["oa"]) == (7, FIRST_CA, 5)
    assert not other.seen(type="C_TS_TA_1")
