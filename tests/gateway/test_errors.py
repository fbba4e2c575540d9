"""Our own faults: an exception in one group ends and redials that group, and no other notices."""

import time
from dataclasses import replace

import pytest

from core.protocol.link import Link, Role
from core.routing.group import Group
from tests.support.gateway import group
from tests.support.ports import free_ports
from tests.support.wire import bitstring_command

FAULTY, SOUND = 32, 33
"""The RTU numbers of the two groups."""

pytestmark = pytest.mark.usefixtures("quick")


class Faults:
    """Makes one method of the router of one group raise once, when armed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
        self.left = 0
        self.raised = 0
        self.at = 0.0
        original = getattr(Group, method)

        def maybe(group_, *args, **options):
            if self.left and group_._rtu_numbers == (FAULTY,):
                self.left -= 1
                self.raised += 1
                self.at = time.monotonic()
                raise RuntimeError(f"a fault of ours in {method}")
            return original(group_, *args, **options)

        monkeypatch.setattr(Group, method, maybe)


class Two:
    """A group that is going to fail and one that is not."""

    def __init__(self, wire, run) -> None:
        self.wire = wire
        ports = free_ports(4)
        options = ["command_timeout=1"]
        rows = group(1, ports[0], [ports[1]], ca=FAULTY, options=options)
        rows += group(2, ports[2], [ports[3]], ca=SOUND, first_ca=201)
        self.rtu = wire.rtu(ports[0], FAULTY, name="faulty rtu")
        self.other = wire.rtu(ports[2], SOUND, name="other rtu")
        self.gateway = run(rows)
        self.master = wire.master(ports[1], 101)
        self.friend = wire.master(ports[3], 201)
        self.up()

    def up(self, within=6.0):
        peers = (self.rtu, self.master, self.other, self.friend)
        self.wire.wait(lambda: all(p.is_started for p in peers), within, "all are started")


def provoke_rtu_life(two):
    two.rtu.kill()
    two.wire.wait(lambda: two.master.losses or not two.rtu.is_connected, what="lost")
    two.rtu.restart()


def provoke_master_life(two):
    two.master.close(reconnect=True)


def provoke_stop(two):
    two.master.stop_transfer()
    two.wire.wait(lambda: two.master.times("stopped") or two.master.losses, what="stopped")
    if two.master.is_connected:
        two.master.start_transfer()


def provoke_events(two):
    two.rtu.events(3)


def provoke_commands(two):
    two.master.send(bitstring_command(5000, 1))


def provoke_timeout(two):
    two.rtu.hold()
    two.master.send(bitstring_command(5000, 1))


CASES = [
    ("from_rtu", provoke_events),
    ("from_master", provoke_commands),
    ("to_rtu", provoke_commands),
    ("handle_timeout", provoke_timeout),
    ("rtu_connected", provoke_rtu_life),
    ("rtu_tested", provoke_rtu_life),
    ("rtu_started", provoke_rtu_life),
    ("rtu_stopped", provoke_stop),
    ("rtu_lost", provoke_rtu_life),
    ("master_started", provoke_master_life),
    ("master_stopped", provoke_stop),
    ("master_lost", provoke_master_life),
]


@pytest.mark.parametrize(("method", "provoke"), CASES, ids=[method for method, _ in CASES])
def test_an_error_in_the_router_redials_its_group_and_no_other(
    wire, run, monkeypatch, expected_errors, method, provoke
):
    faults = Faults(monkeypatch, method)
    two = Two(wire, run)
    faults.left = 1
    provoke(two)
    wire.wait(lambda: faults.raised, 4, "the fault")
    wire.wait(lambda: f"a fault of ours in {method}" in two.gateway.program_log(), 2, "logged")
    assert "Traceback (most recent call last)" in two.gateway.program_log()
    two.rtu.release()
    # The next try comes 0.1 s after, so that this is not the connection that met the fault.
    wire.wait(lambda: two.rtu.times("connected")[-1] > faults.at + 0.05, 3, "the RTU is redialled")
    wire.wait(lambda: two.master.times("started")[-1] > faults.at, 4, "its master is back")
    two.up(4)
    two.rtu.events(2)
    newest = two.rtu.next_number - 1
    wire.wait(lambda: newest in two.master.events, 4, "events pass")
    two.other.events(2)
    wire.wait(lambda: 1 in two.friend.events, 4, "the other group's events")
    assert two.other.losses == two.friend.losses == 0
    assert expected_errors


def test_a_router_that_fails_again_and_again_is_dialled_with_pauses(
    wire, run, monkeypatch, expected_errors
):
    """It must neither spin nor give up."""
    faults = Faults(monkeypatch, "from_rtu")
    two = Two(wire, run)
    faults.left = 3
    connections = len(two.rtu.times("connected"))
    for n in range(3):
        wire.wait(lambda: two.rtu.is_started, 5, "started")
        two.rtu.events(1)
        wire.wait(lambda n=n: faults.raised == n + 1, 5, "the fault")
        wire.wait(lambda n=n: len(two.rtu.times("connected")) > connections + n, 5, "redialled")
    two.up()
    two.rtu.events(2)
    newest = two.rtu.next_number - 1
    wire.wait(lambda: newest in two.master.events, 4, "events pass")
    assert len(two.rtu.times("connected")) == connections + 3
    assert two.other.losses == two.friend.losses == 0
    assert expected_errors


@pytest.mark.parametrize("call", ["receive", "handle_timeout", "data_to_send"])
@pytest.mark.parametrize("side", ["rtu", "master"])
def test_an_error_in_one_link_ends_that_link_and_it_comes_back(
    wire, run, monkeypatch, expected_errors, call, side
):
    role = Role.CONTROLLING if side == "rtu" else Role.CONTROLLED
    armed = []
    original = getattr(Link, call)

    def maybe(link, *args):
        if armed and link.role is role and link.timing.k == 13:
            armed.clear()
            raise RuntimeError(f"a fault of ours in {call}")
        return original(link, *args)

    monkeypatch.setattr(Link, call, maybe)
    ports = free_ports(5)
    rows = group(1, ports[0], ports[1:3], ca=FAULTY)
    which = 0 if side == "rtu" else 1
    rows[which] = replace(rows[which], options=("k=13", "t3=1"))
    rows += group(2, ports[3], [ports[4]], ca=SOUND, first_ca=201)
    rtu, other = wire.rtu(ports[0], FAULTY), wire.rtu(ports[3], SOUND, name="other")
    gateway = run(rows)
    one, two, friend = (
        wire.master(p, ca) for p, ca in ((ports[1], 101), (ports[2], 102), (ports[4], 201))
    )
    peers = (rtu, other, one, two, friend)
    wire.wait(lambda: all(p.is_started for p in peers), 6, "all are started")
    peer = rtu if side == "rtu" else one
    armed.append(True)
    (rtu.events if side == "rtu" or call != "receive" else lambda _: one.test_link())(1)
    wire.wait(lambda: not armed, 4, "the fault")
    wire.wait(lambda: peer.losses, 4, "that link ends")
    wire.wait(lambda: all(p.is_started for p in peers), 8, "all are started again")
    rtu.events(2)
    newest = rtu.next_number - 1
    wire.wait(lambda: newest in one.events and newest in two.events, 4, "events pass")
    assert other.losses == friend.losses == 0
    if side == "master":
        assert rtu.losses == two.losses == 0
    assert f"a fault of ours in {call}" in gateway.program_log()
    assert expected_errors
