"""A c104 client (lib60870-C beneath it) reads the simulator completely."""

import pytest

from core.simulator import Simulator, read_points
from tests.interop.scenario import needs
from tests.simulator import reading
from tests.simulator.reading import answers, joined
from tests.simulator.test_points import USERS_FILE
from tests.support.peers import points as table
from tests.support.ports import free_port

pytestmark = [pytest.mark.interop, needs("c104")]


def test_values_of_every_type_arrive():
    with joined("c104_master") as (sim, master):
        reading.every_value_arrives(sim, master)


def test_interrogations_are_complete():
    with joined("c104_master") as (_, master):
        reading.an_interrogation_is_complete(master, reading.INTERROGATED)
        reading.counters_are_read(master)


def test_an_interrogation_may_leave_the_time_tags_out():
    """The package then takes the untagged points only: it wants a point's own type."""
    with joined("c104_master", answer_types="plain") as (_, master):
        reading.an_interrogation_is_complete(master, reading.UNTAGGED)


def test_commands_of_every_type_are_executed():
    with joined("c104_master") as (sim, master):
        reading.every_command_is_executed(sim, master)


def test_a_point_is_selected_and_then_executed():
    with joined("c104_master") as (sim, master):
        assert master.do("command", type="C_SC_NA_1", ioa=table.SELECT_FIRST, value=True)
        master.wait(lambda: (10, False) in answers(master), 5, "termination")
        assert sim.rtus[0].statistics.commands == 1
        kinds = [str(e) for e in sim.rtus[0].events() if e.kind == "request"]
        assert [line.rsplit(" ", 1)[-1] for line in kinds[-2:]] == ["select", "execute"]


def test_clock_test_and_read_are_answered():
    with joined("c104_master") as (sim, master):
        assert sim.rtus[0].clock().year >= 2026
        for what, kind in (("clock", 103), ("test", 107)):
            master.do(what)
            master.expect(event="answer", type=kind, cause=7)
            assert answers(master, type=kind) == [(7, False)]
        master.do("read", ioa=105)
        assert master.expect(event="value", ioa=105, cause=5)["value"] == 50.25


@pytest.mark.skipif(not USERS_FILE.exists(), reason=f"no user's file at {USERS_FILE}")
def test_a_users_file_is_read_completely_by_a_client_made_from_the_same_file():
    points, findings = read_points(USERS_FILE.read_bytes())
    assert findings == []
    port = free_port()
    with Simulator(points, port=port, ca=reading.CA, seed=1):
        found = reading.program("c104_file", port, reading.CA, USERS_FILE)
    assert found["20"] == 443  # interrogated
    assert found["3"] >= 441  # reported: all measured values
