"""Scripted peers, gateways that are stopped in time, and the proof that nothing stays open."""

from collections.abc import Callable, Iterator

import pytest

from tests.connections.support import no_socket_left
from tests.gateway.running import Running
from tests.support.wire import Wire


@pytest.fixture(autouse=True)
def _no_socket_left() -> Iterator[None]:
    with no_socket_left():
        yield


@pytest.fixture
def wire(_no_socket_left: None) -> Iterator[Wire]:
    """The scripted peers' thread; what the gateway did wrong fails the test at the end."""
    with Wire() as wire:
        yield wire


@pytest.fixture
def run(wire: Wire) -> Iterator[Callable[..., Running]]:
    """Starts gateways; whatever a test left running is stopped, in order and within the limit."""
    started: list[Running] = []

    def run(*args: object, **options: object) -> Running:
        started.append(Running(*args, **options))
        return started[-1]

    yield run
    for each in started:
        if each.is_running:
            each.stop()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of a second between two tries instead of one: where only the order matters."""
    monkeypatch.setattr("core.connections.dialer._FIRST_PAUSE", 0.1)
