"""What two masters do through the gateway to a c104 station, asserted on both ends."""

import importlib.util
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest

from tests.support.gateway import Gateway, group
from tests.support.peers import points
from tests.support.ports import free_ports
from tests.support.remote import Event, RemotePeer

RTU_CA = 32
FIRST_CA = 101
CONFIRMATION, TERMINATION = 7, 10


def needs(*packages: str) -> pytest.MarkDecorator:
    """Looks for packages without importing them: native code stays out of this process."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


class Scene:
    """A c104 station, the gateway, and two masters of the named program, all connected."""

    def __init__(self, folder: Path, program: str, oas: tuple[int, int] = (0, 0)) -> None:
        self.folder, self.program, self.oas = folder, program, oas
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            rtu_port, *ports = free_ports(3)
            self.rtu = stack.enter_context(RemotePeer("c104_rtu", rtu_port, RTU_CA))
            self.rtu.expect(event="listening", within=15)
            rows = group(1, rtu_port, ports, RTU_CA, FIRST_CA)
            self.gateway = stack.enter_context(Gateway(self.folder, rows))
            self.masters = [
                stack.enter_context(RemotePeer(self.program, port, FIRST_CA + i, self.oas[i]))
                for i, port in enumerate(ports)
            ]
            for master in self.masters:
                master.expect(event="link", state="OPEN", within=15)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *problem: object) -> None:
        if problem[0] is not None:
            for master in self.masters:
                sys.stdout.write(f"--- {master.name}: {master.events[-20:]} {master.errors}\n")
        self._stack.__exit__(*problem)  # type: ignore[arg-type]

    def every_value_reaches_both(self) -> None:
        for name, ioa in points.MONITOR.items():
            value = points.sample(name)
            assert self.rtu.do("transmit", type=name, ioa=ioa, value=value), name
            for i, master in enumerate(self.masters):
                came = master.expect(event="value", type=name, ioa=ioa, value=value, cause=3)
                assert (came["ca"], came["oa"]) == (FIRST_CA + i, 0), name

    def numbered_events_arrive_once_and_in_order(self, count: int = 500) -> None:
        assert self.rtu.do("events", first=1, count=count) == count
        for master in self.masters:
            seen = {"event": "value", "ioa": points.EVENTS, "cause": 3}
            master.wait(lambda m=master, s=seen: len(m.seen(**s)) >= count, 10, "all events")
            values = [event["value"] for event in master.seen(**seen)]
            assert values == [float(n) for n in range(1, count + 1)]

    def command(self, who: int, name: str, ioa: int, **more: object) -> None:
        """One command: executed once at the station, confirmed to its sender and nobody else."""
        master, other = self.masters[who], self.masters[1 - who]
        value = points.sample(name)
        executed, answers = len(self.executed()), len(master.seen(event="answer"))
        others = len(other.seen(event="answer"))
        master.do("command", type=name, ioa=ioa, value=value, **more)
        master.wait(lambda: self.confirmed(master, answers), 5, f"confirmation of {name}")
        self.executed_once(who, name, ioa, executed)
        assert len(other.seen(event="answer")) == others, "an answer went to the wrong master"

    def select_and_execute(self, who: int) -> None:
        """The package selects and executes by itself; when it misses a confirmation it gives up."""
        master, other = self.masters[who], self.masters[1 - who]
        executed, answers = len(self.executed()), len(master.seen(event="answer"))
        others = len(other.seen(event="answer"))
        for _ in range(4):
            if master.do("command", type="C_SC_NA_1", ioa=points.SELECT_FIRST, value=True):
                break
            if self.confirmed(master, answers, TERMINATION):
                break
        master.wait(lambda: self.confirmed(master, answers, TERMINATION), 5, "termination")
        self.executed_once(who, "C_SC_NA_1", points.SELECT_FIRST, executed)
        assert len(other.seen(event="answer")) == others, "an answer went to the wrong master"

    def executed(self) -> list[Event]:
        return self.rtu.seen(event="command", select=False)

    def executed_once(self, who: int, name: str, ioa: int, since: int) -> None:
        """The station had this one command, from this master's slot."""
        self.rtu.wait(lambda: len(self.executed()) > since, 5, f"execution of {name}")
        commands = self.executed()[since:]
        assert [(c["type"], c["ioa"], c["ca"], c["oa"]) for c in commands] == [
            (name, ioa, RTU_CA, who + 1)
        ]
        assert commands[0]["value"] == pytest.approx(points.sample(name))

    def confirmed(self, master: RemotePeer, since: int, cause: int = CONFIRMATION) -> bool:
        """Whether the answer came, positive, with the master's own addresses."""
        who = self.masters.index(master)
        found = False
        for answer in master.seen(event="answer")[since:]:
            assert not answer["negative"], answer
            assert (answer["ca"], answer["oa"]) == (FIRST_CA + who, self.oas[who]), answer
            found |= answer["cause"] == cause
        return found

    def both_interrogate(self, what: str, cause: int, addresses: set[int]) -> None:
        """Each has its own confirmation, all the data, and its own termination."""
        for who, master in enumerate(self.masters):
            before = len(master.events)
            master.do(what)

            def ended(m: RemotePeer = master, n: int = before) -> bool:
                return any(
                    e["event"] == "answer" and e["cause"] == TERMINATION for e in m.events[n:]
                )

            master.wait(ended, 10, f"termination of {what}")
            mine = master.events[before:]
            answers = [e for e in mine if e["event"] == "answer"]
            assert [a["cause"] for a in answers] == [CONFIRMATION, TERMINATION]
            assert {(a["ca"], a["oa"]) for a in answers} == {(FIRST_CA + who, self.oas[who])}
            data = {e["ioa"] for e in mine if e["event"] == "value" and e["cause"] == cause}
            assert data >= addresses
