"""Three c104 masters and a c104 station: they interrogate together and operate the same point."""

import sys
import threading
from contextlib import ExitStack

import pytest

from tests.interop.scenario import CONFIRMATION, FIRST_CA, RTU_CA, TERMINATION, needs
from tests.support.gateway import Gateway, group
from tests.support.peers import points
from tests.support.ports import free_ports
from tests.support.remote import RemotePeer
from tests.support.wire import deactivation, select, single_command

pytestmark = [pytest.mark.interop, needs("c104")]

BASIC = {ioa for name, ioa in points.MONITOR.items() if name.endswith("NA_1")} - {107}
SELECTED = {"type": "C_SC_NA_1", "ioa": points.SELECT_FIRST, "value": True}
SINGLE = 45


class Trio:
    """The station, the gateway, and c104 masters; one more port for a scripted one."""

    def __init__(self, wire, folder, count=3):
        self.wire, self.folder, self.count = wire, folder, count
        self._stack = ExitStack()

    def __enter__(self):
        with ExitStack() as stack:
            rtu_port, *ports, self.spare = free_ports(2 + self.count)
            self.rtu = stack.enter_context(RemotePeer("c104_rtu", rtu_port, RTU_CA))
            self.rtu.expect(event="listening", within=15)
            rows = group(1, rtu_port, [*ports, self.spare], RTU_CA, FIRST_CA)
            stack.enter_context(Gateway(self.folder, rows))
            self.masters = [
                stack.enter_context(RemotePeer("c104_master", port, FIRST_CA + i))
                for i, port in enumerate(ports)
            ]
            for master in self.masters:
                master.expect(event="link", state="OPEN", within=15)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *problem):
        if problem[0] is not None:
            for peer in (self.rtu, *self.masters):
                sys.stdout.write(f"--- {peer.name}: {peer.events[-20:]} {peer.errors}\n")
        self._stack.__exit__(*problem)

    def together(self, what, **arguments):
        """All masters do it at the same time; what each package says came of it."""
        said = [None] * self.count
        barrier = threading.Barrier(self.count)

        def act(i):
            barrier.wait(5)
            said[i] = self.masters[i].do(what, **arguments)

        threads = [threading.Thread(target=act, args=(i,)) for i in range(self.count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(15)
        return said

    def scripted(self):
        """A master that holds a selection open, which the package would not."""
        master = self.wire.master(self.spare, FIRST_CA + self.count)
        self.wire.wait(lambda: master.initialized, 10, "the scripted master started")
        return master

    def executed(self):
        return [c["oa"] for c in self.rtu.seen(event="command", select=False)]


@pytest.fixture
def trio(wire, tmp_path):
    with Trio(wire, tmp_path) as trio:
        yield trio


def test_three_interrogate_together_and_each_gets_a_whole_one(trio):
    for what, cause, addresses in (("interrogate", 20, BASIC), ("counters", 37, {107})):
        for _ in range(3):
            before = [len(m.events) for m in trio.masters]
            said = trio.together(what)
            for i, master in enumerate(trio.masters):

                def ended(m=master, n=before[i]):
                    return any(e.get("cause") == TERMINATION for e in m.events[n:])

                master.wait(ended, 5, f"termination of {what}")
                mine = master.events[before[i] :]
                answers = [k for k, e in enumerate(mine) if e["event"] == "answer"]
                assert [mine[k]["cause"] for k in answers] == [CONFIRMATION, TERMINATION]
                assert not any(mine[k]["negative"] for k in answers)
                assert {mine[k]["ca"] for k in answers} == {FIRST_CA + i}
                # The package tells values later than raw frames, so no order is asked of it.
                for ioa in addresses:
                    master.wait(
                        lambda m=master, n=before[i], v=(cause, ioa): any(
                            (e.get("cause"), e.get("ioa")) == v for e in m.events[n:]
                        ),
                        5,
                        f"{ioa} in the data of {what}",
                    )
            # The package now and then misses a confirmation that it has received; mostly not.
            assert any(said)


def test_nobody_operates_what_another_has_selected(trio):
    holder = trio.scripted()
    holder.ask(select(points.SELECT_FIRST))
    trio.wire.wait(lambda: holder.answers, 5, "selected")
    assert trio.together("command", **SELECTED) == [False] * 3
    for i, master in enumerate(trio.masters):
        answer = master.expect(event="answer", type=SINGLE)
        assert (answer["cause"], answer["negative"], answer["ca"]) == (7, True, FIRST_CA + i)
        assert not master.seen(event="answer", type=SINGLE, negative=False)
    assert not trio.executed()
    assert len(trio.rtu.seen(event="command", select=True)) <= 1  # the holder's
    holder.ask(single_command(points.SELECT_FIRST))
    trio.wire.wait(lambda: [a.cause for a in holder.answers] == [7, 7, 10], 5, "executed")
    trio.rtu.wait(lambda: trio.executed() == [4], 5, "executed for the holder")
    # Open again: now it is the package's own select and execute that succeeds.
    for i, master in enumerate(trio.masters):
        tries = iter(range(4))
        while not master.do("command", **SELECTED) and next(tries, None) is not None:
            pass
        trio.rtu.wait(lambda i=i: i + 1 in trio.executed(), 5, "executed")


def test_a_cancelled_selection_opens_the_point(trio):
    holder = trio.scripted()
    holder.ask(select(points.SELECT_FIRST))
    trio.wire.wait(lambda: holder.answers, 5, "selected")
    master, other, _ = trio.masters
    assert not master.do("command", **SELECTED)
    holder.send(deactivation(select(points.SELECT_FIRST)))
    trio.wire.wait(lambda: len(holder.answers) == 2, 5, "answered")
    holder.close()
    tries = iter(range(20))
    while not trio.executed() and next(tries, None) is not None:
        master.do("command", **SELECTED)
    assert set(trio.executed()) == {1}
    assert not other.seen(event="answer", type=SINGLE)


def test_three_operate_the_same_point_again_and_again(trio):
    """Whoever was let through was executed, whoever was not has been told so, and nothing else."""
    for _ in range(8):
        trio.together("command", **SELECTED)

    def terminations(master):
        return len(master.seen(event="answer", type=SINGLE, cause=TERMINATION))

    for i, master in enumerate(trio.masters):
        # The package says it is done with the confirmation; the termination is still on its way.
        master.wait(
            lambda i=i, m=master: trio.executed().count(i + 1) == terminations(m),
            5,
            "each execution of its own terminated, and no other",
        )
        answers = master.seen(event="answer", type=SINGLE)
        assert {a["ca"] for a in answers} == {FIRST_CA + i}
        # of each try: refused, or selected, executed and terminated
        positive = [a for a in answers if a["cause"] == CONFIRMATION and not a["negative"]]
        assert len(positive) <= 2 * terminations(master) + 8
    assert trio.executed()


def test_all_set_the_clock_and_command_points_of_their_own_at_once(trio):
    said = trio.together("clock")
    assert any(said)
    for i, master in enumerate(trio.masters):
        answer = master.expect(event="answer", type=103)
        assert (answer["cause"], answer["negative"], answer["ca"]) == (7, False, FIRST_CA + i)
    for name, ioa in list(points.COMMANDS.items())[:3]:
        before = len(trio.executed())
        trio.together("command", type=name, ioa=ioa, value=points.sample(name))
        trio.rtu.wait(lambda n=before: len(trio.executed()) > n, 5, f"{name} executed")
    for i, master in enumerate(trio.masters):
        for answer in master.seen(event="answer"):
            assert answer["ca"] == FIRST_CA + i
        done = len(master.seen(event="answer", cause=TERMINATION))
        trio.rtu.wait(lambda i=i, n=done: trio.executed().count(i + 1) >= n, 5, "executed")
