"""The wall clock is set while traffic flows: stamps jump, and nothing else happens."""

import time
from datetime import timedelta

import pytest

from core.config import Settings
from core.logs import PROGRAM_LOG, local_now
from core.ntp import Report, TimeKeeper
from tests.gateway.running import KeptLogs
from tests.support.gateway import group
from tests.support.ntp_server import HOST, NtpServer, real_time
from tests.support.ports import free_ports
from tests.support.wire import assert_clean, single_command

HOUR = 3600.0
TRAFFIC = 2.5
"""Seconds; more than every timer below but t0."""


class Wall:
    """The wall clock of the gateway under test, off by an error which a step takes away."""

    leave_below = 0.128

    def __init__(self, error: float) -> None:
        self.error = error

    def now(self) -> float:
        return real_time() + self.error

    def local(self):
        return local_now() + timedelta(seconds=self.error)

    def can_set(self) -> tuple[bool, str]:
        return True, ""

    def owner(self) -> str | None:
        return None

    def step(self, t: float) -> None:
        self.error += t - self.now()


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_step_of_an_hour_touches_no_link(wire, run, monkeypatch, step):
    wall = Wall(-step)

    class Logs(KeptLogs):
        def __init__(self) -> None:
            super().__init__()
            self.now = wall.local

    monkeypatch.setattr("tests.gateway.running.KeptLogs", Logs)
    rtu_port, *ports = free_ports(3)
    rtu = wire.rtu(rtu_port, 32)
    # Were one of these counted on the wall clock, an hour would end every link.
    gateway = run(group(1, rtu_port, ports), ["t1,2", "t2,1", "t3,1", "idletime,30"])
    masters = [wire.master(port, 101 + n) for n, port in enumerate(ports)]
    wire.wait(lambda: rtu.is_started and all(m.initialized for m in masters), what="all started")
    masters[0].ask(single_command(1))
    wire.wait(lambda: masters[0].answers, what="an answer before the step")
    before = len(gateway.logs.kept)
    reports: list[Report] = []
    with NtpServer() as server:
        settings = Settings(ntp_servers=(HOST,))
        keeper = TimeKeeper(settings, wall, reports.append, port=server.port, between=0.05)
        until = time.monotonic() + TRAFFIC
        sent = 0
        with keeper:
            while time.monotonic() < until:
                rtu.events(20)
                sent += 20
                wire.wait(lambda n=sent: all(len(m.events) == n for m in masters), 5, "events")
    assert reports[-1].text.startswith("Set ")
    assert abs(wall.error) < 0.1
    # A command and its answer work as before; so do quiet links, which live on test frames.
    masters[1].ask(single_command(2))
    wire.wait(lambda: masters[1].answers, what="an answer after the step")
    tests = rtu.tests_heard
    wire.wait(lambda: rtu.tests_heard > tests, 5, "a test frame after t3")
    assert [peer.losses for peer in (rtu, *masters)] == [0, 0, 0]
    assert {gateway.state(label) for label in ("S/RTU1", "M/M1-1", "M/M1-2")} == {"ONLINE"}
    assert_clean(rtu, *masters)
    # Leaving says something in every log; their stamps have jumped, and a line says by how much.
    gateway.stop()
    kept = list(gateway.logs.kept)
    (at,) = [n for n, line in enumerate(kept) if line.text.startswith("clock stepped by")]
    assert kept[at].entry == PROGRAM_LOG
    words = kept[at].text.split()
    assert words[:3] + words[4:] == ["clock", "stepped", "by", "s,", "from", HOST]
    assert float(words[3]) == pytest.approx(step, abs=0.1)
    assert before <= at
    real = local_now()
    for line in kept[at:]:
        assert abs((line.time - real).total_seconds()) < 60
    for line in kept[:before]:
        assert abs((line.time - real).total_seconds() + step) < 60
    entries = {line.entry for line in kept[:at]} & {line.entry for line in kept[at + 1 :]}
    assert {"1/S/RTU1", "1/M/M1-1", "1/M/M1-2"} <= entries
