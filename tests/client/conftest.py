"""A scripted station, clients for it, and the proof that nothing stays open."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.client import IEC104Client
from tests.connections.support import no_socket_left
from tests.support.ports import free_port
from tests.support.wire import HOST, ScriptedRtu, Wire

CA = 47


@pytest.fixture(autouse=True)
def _no_socket_left() -> Iterator[None]:
    with no_socket_left():
        yield


@pytest.fixture
def wire() -> Iterator[Wire]:
    """What the client did wrong towards a scripted station fails the test at the end."""
    with Wire() as wire:
        yield wire


@pytest.fixture
def rtu(wire: Wire) -> ScriptedRtu:
    return wire.rtu(free_port(), CA)


Make = Callable[..., IEC104Client]


@pytest.fixture
def make(rtu: ScriptedRtu) -> Iterator[Make]:
    """Makes clients of the scripted station; they are stopped at the end."""
    made = []

    def client(**options: Any) -> IEC104Client:
        made.append(IEC104Client(HOST, rtu.port, **{"grace": 0.3, **options}))
        return made[-1]

    yield client
    for one in made:
        one.stop()


@pytest.fixture
def client(make: Make) -> IEC104Client:
    """A client that has started data transfer."""
    return started(make())


def started(client: IEC104Client) -> IEC104Client:
    client.start()
    assert client.wait_until_started(5), client.detail
    return client
