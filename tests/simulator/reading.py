"""What a controlling station built on another implementation reads from the simulator."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.protocol.codes import TypeId
from core.simulator import Behaviour, Point, Simulator
from core.simulator.courses import Course
from core.simulator.points import Select
from tests.support.peers import points as table
from tests.support.ports import free_port
from tests.support.remote import RemotePeer

CA = 47
CON, TERM = 7, 10
FOLLOWERS = {"C_SC": "M_SP_NA_1", "C_DC": "M_DP_NA_1", "C_RC": "M_ST_NA_1", "C_SE": "M_ME_NC_1",
             "C_BO": "M_BO_NA_1"}  # fmt: skip
"""The monitored point that follows each kind of command."""
INTERROGATED = {n: a for n, a in table.MONITOR.items() if "_IT_" not in n}
UNTAGGED = {n: a for n, a in INTERROGATED.items() if "_N" in n}


def make_points() -> list[Point]:
    """One of each type, at the addresses both programs know; the value is that of the table."""
    found = [
        Point(name, ioa, TypeId[name], course=Course("constant", (float(table.sample(name)),)))
        for name, ioa in table.MONITOR.items()
    ]
    found.append(Point("events", table.EVENTS, TypeId.M_ME_NC_1))
    found += [
        Point(name, ioa, TypeId[name], returns=FOLLOWERS[name[:4]])
        for name, ioa in table.COMMANDS.items()
    ]
    found.append(
        Point(
            "select first", table.SELECT_FIRST, TypeId.C_SC_NA_1,
            returns="M_SP_NA_1", select=Select.ALWAYS,
        )
    )  # fmt: skip
    return found


def program(name: str, *arguments: object) -> Any:
    """Run a program from this folder; the JSON it printed last."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / f"{name}.py"), *map(str, arguments)],
        capture_output=True, text=True, encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def joined(program: str, **changes: object) -> Iterator[tuple[Simulator, RemotePeer]]:
    """The simulator and one master of that program, connected and started."""
    port = free_port()
    behaviour = Behaviour(period=0.0, **changes)  # type: ignore[arg-type]
    with (
        Simulator(make_points(), port=port, ca=CA, behaviour=behaviour, seed=1) as sim,
        RemotePeer(program, port, CA, 9) as master,
    ):
        master.expect(event="link", state="OPEN", within=15)
        master.wait(lambda: any(c.is_started for c in sim.rtus[0].clients), 15, "STARTDT")
        yield sim, master


def answers(master: RemotePeer, since: int = 0, **like: object) -> list[tuple[int, bool]]:
    """Cause and P/N of the answers that came since then."""
    found = [e for e in master.seen(event="answer", **like) if e in master.events[since:]]
    assert all(e["oa"] == 9 and e["ca"] == CA for e in found), found
    return [(e["cause"], bool(e["negative"])) for e in found]


def every_value_arrives(sim: Simulator, master: RemotePeer) -> None:
    """Spontaneous data of every type."""
    for name, ioa in table.MONITOR.items():
        value = table.sample(name)
        sim.rtus[0].set(name, float(value))
        came = master.expect(event="value", ioa=ioa, cause=3)
        if "_IT_" not in name:  # its reading is what was frozen or has run
            assert came["value"] == value or abs(came["value"] - value) < 1e-4, (name, came)
        assert (came["type"], came["ca"], came["oa"]) == (name, CA, 0)


def an_interrogation_is_complete(master: RemotePeer, names: dict[str, int]) -> None:
    before = len(master.events)
    master.do("interrogate")
    master.wait(lambda: (TERM, False) in answers(master, before), 10, "termination")
    assert answers(master, before) == [(CON, False), (TERM, False)]
    data = {e["ioa"] for e in master.events[before:] if e["event"] == "value" and e["cause"] == 20}
    assert data >= set(names.values())


def counters_are_read(master: RemotePeer) -> None:
    before = len(master.events)
    master.do("counters")
    master.wait(lambda: (TERM, False) in answers(master, before), 10, "termination")
    value = master.expect(event="value", ioa=107, cause=37)["value"]
    assert value == table.sample("M_IT_NA_1")


def every_command_is_executed(sim: Simulator, master: RemotePeer) -> None:
    for n, (name, ioa) in enumerate(table.COMMANDS.items(), 1):
        before = len(master.events)
        master.do("command", type=name, ioa=ioa, value=table.sample(name))
        master.wait(lambda b=before: (TERM, False) in answers(master, b), 5, f"end of {name}")
        assert answers(master, before) == [(CON, False), (TERM, False)], name
        assert sim.rtus[0].statistics.commands == n
        follower = table.MONITOR[FOLLOWERS[name[:4]]]
        kind = 3 if name.startswith("C_SE") else 11
        assert master.seen(event="value", ioa=follower, cause=kind), name
