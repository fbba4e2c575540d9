"""A hat-drivers client (its own codec, all Python) reads the simulator completely."""

import sys

import pytest

from core.simulator import Simulator
from tests.interop.scenario import needs
from tests.simulator import reading
from tests.simulator.reading import answers, joined
from tests.support.peers import points as table
from tests.support.ports import free_port

pytestmark = [
    pytest.mark.interop,
    needs("hat"),
    pytest.mark.skipif(sys.platform == "win32", reason="the peer reads its input from a pipe"),
]


def test_values_of_every_type_arrive():
    with joined("hat_master") as (sim, master):
        reading.every_value_arrives(sim, master)


def test_interrogations_are_complete():
    with joined("hat_master") as (_, master):
        reading.an_interrogation_is_complete(master, reading.INTERROGATED)
        reading.counters_are_read(master)


def test_commands_of_every_type_are_executed():
    with joined("hat_master") as (sim, master):
        reading.every_command_is_executed(sim, master)


def test_a_point_is_selected_and_then_executed():
    with joined("hat_master") as (sim, master):
        command = {"type": "C_SC_NA_1", "ioa": table.SELECT_FIRST, "value": True}
        master.do("command", **command)
        master.wait(lambda: answers(master) == [(7, True)], 5, "a refusal: not selected")
        master.do("command", **command, select=True)
        master.wait(lambda: answers(master)[1:] == [(7, False)], 5, "the selection")
        master.do("command", **command)
        master.wait(lambda: answers(master)[2:] == [(7, False), (10, False)], 5, "the execution")
        assert sim.rtus[0].statistics.commands == 1


def test_read_and_test_are_answered():
    with joined("hat_master") as (_, master):
        master.do("test", counter=7)
        master.wait(lambda: answers(master, type="C_TS_TA_1") == [(7, False)], 5, "the test")
        master.do("read", ioa=105)
        assert master.expect(event="value", ioa=105, cause=5)["value"] == 50.25


def test_the_clock_is_set():
    port = free_port()
    with Simulator(reading.make_points(), port=port, ca=reading.CA) as sim:
        found = reading.program("hat_clock", port, reading.CA)
        assert (found["cause"], found["negative"], found["oa"]) == (7, False, 9)
        assert found["year"] < 30  # the time it had before
        assert sim.rtus[0].clock().year == 2030
