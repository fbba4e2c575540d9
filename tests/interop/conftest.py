"""The gateway as a subprocess between scripted peers."""

from collections.abc import Iterator

import pytest

from tests.support.wire import Wire

pytest.register_assert_rewrite("tests.interop.scenario")


@pytest.fixture
def wire() -> Iterator[Wire]:
    """The scripted peers' thread; what the gateway did wrong fails the test at the end."""
    with Wire() as wire:
        yield wire
