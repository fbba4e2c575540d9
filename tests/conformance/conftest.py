"""Peers for the cases that need sockets."""

from collections.abc import Callable, Iterator

import pytest

from core.client import IEC104Client
from tests.gateway.running import Running
from tests.support.gateway import Scene
from tests.support.ports import free_port
from tests.support.wire import HOST, ScriptedRtu, Wire


@pytest.fixture
def wire() -> Iterator[Wire]:
    """The scripted peers' thread; what the other end did wrong fails the test at the end."""
    with Wire() as wire:
        yield wire


@pytest.fixture
def scene(wire: Wire) -> Iterator[Callable[..., Scene]]:
    """Makes an RTU, the gateway and two masters, all started; the gateway is stopped at the end."""
    started: list[Running] = []

    def run(*args: object, **options: object) -> Running:
        started.append(Running(*args, **options))
        return started[-1]

    yield lambda masters=2, **options: Scene(wire, run, masters, **options)
    for each in started:
        if each.is_running:
            each.stop()


@pytest.fixture
def rtu(wire: Wire) -> ScriptedRtu:
    """A scripted station for the client library."""
    return wire.rtu(free_port(), 47)


@pytest.fixture
def client(rtu: ScriptedRtu) -> Iterator[IEC104Client]:
    """The client library, data transfer started."""
    with IEC104Client(HOST, rtu.port, grace=0.3) as client:
        assert client.wait_until_started(10), client.detail
        yield client
