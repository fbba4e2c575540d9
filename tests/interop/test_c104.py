"""A c104 station and two c104 masters (lib60870-C beneath them) through the gateway."""

import pytest

from tests.interop.scenario import FIRST_CA, RTU_CA, Scene, needs
from tests.support.peers import points

pytestmark = [pytest.mark.interop, needs("c104")]

BASIC = {ioa for name, ioa in points.MONITOR.items() if name.endswith("NA_1")} - {107}


@pytest.fixture
def scene(tmp_path):
    with Scene(tmp_path, "c104_master") as scene:
        yield scene


def test_values_of_every_type_reach_both_masters(scene):
    scene.every_value_reaches_both()


def test_numbered_events_arrive_once_and_in_order(scene):
    scene.numbered_events_arrive_once_and_in_order()


def test_commands_of_every_type_are_executed_and_confirmed_to_their_sender(scene):
    for n, (name, ioa) in enumerate(points.COMMANDS.items()):
        scene.command(n % 2, name, ioa)


def test_a_point_is_selected_and_then_executed(scene):
    scene.select_and_execute(0)
    scene.select_and_execute(1)


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


def test_the_clock_is_set_and_a_test_confirmed(scene):
    for i, master in enumerate(scene.masters):
        for what, kind in (("clock", 103), ("test", 107)):
            master.do(what)
            answer = master.expect(event="answer", type=kind)
            assert (answer["cause"], answer["negative"], answer["ca"]) == (7, False, FIRST_CA + i)
            assert len(master.seen(event="answer", type=kind)) == 1
    scene.rtu.wait(lambda: len(scene.rtu.seen(event="clock")) == 2, 5, "the clock set twice")


def test_return_information_follows_a_command(scene):
    """The command of one, and what it changed told to both."""
    scene.command(0, "C_SE_NC_1", 1005)
    assert scene.rtu.do("transmit", type="M_ME_NC_1", ioa=105, value=1.5)
    for master in scene.masters:
        master.expect(event="value", ioa=105, value=1.5)
    assert scene.rtu.seen(event="command")[0]["ca"] == RTU_CA
