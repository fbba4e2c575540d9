"""A gateway with nothing to do does nothing."""

import time

import pytest

from tests.support.gateway import Gateway, group
from tests.support.ports import free_ports

GROUPS = 10
MEASURED = 5.0


@pytest.mark.posix
def test_ten_idle_groups_use_less_than_one_percent_of_a_core(wire, tmp_path):
    rtu_ports, ports = free_ports(GROUPS), free_ports(2 * GROUPS)
    rows = []
    for n in range(GROUPS):
        rows += group(n + 1, rtu_ports[n], ports[2 * n : 2 * n + 2], ca=n + 1)
        wire.rtu(rtu_ports[n], n + 1)
    with Gateway(tmp_path, rows) as gateway:
        masters = [wire.master(port, 101 + i % 2) for i, port in enumerate(ports)]
        wire.wait(lambda: all(m.is_started for m in masters), 15, "all started")
        began, used = settled(gateway)
        time.sleep(MEASURED)  # the condition waited for is the time itself
        share = (gateway.cpu_seconds - used) / (time.monotonic() - began)
        assert share < 0.01, f"{share:.2%} of a core"
        assert not any(m.losses for m in masters)


def settled(gateway):
    """Waits until the work of starting is over; time and CPU time then."""
    for _ in range(20):
        before = gateway.cpu_seconds
        time.sleep(0.25)
        if gateway.cpu_seconds - before < 0.02:
            break
    return time.monotonic(), gateway.cpu_seconds
