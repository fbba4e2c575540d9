"""The gateway, as a subprocess or in this process, between scripted peers."""

from collections.abc import Iterator

import pytest

from tests.gateway.running import Running
from tests.support.gateway import Scene
from tests.support.wire import Wire


@pytest.fixture
def wire() -> Iterator[Wire]:
    """The scripted peers' thread; what the gateway did wrong fails the test at the end."""
    with Wire() as wire:
        yield wire


@pytest.fixture
def run():
    """Starts gateways; whatever a test left running is stopped, in order and within the limit."""
    started = []

    def run(*args, **options):
        started.append(Running(*args, **options))
        return started[-1]

    yield run
    for each in started:
        if each.is_running:
            each.stop()


@pytest.fixture
def scene(wire, run):
    """Makes an RTU, the gateway and its masters, all started."""
    return lambda masters=2, **options: Scene(wire, run, masters, **options)
