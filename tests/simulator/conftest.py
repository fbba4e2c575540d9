"""Scripted masters on real sockets; what a station does wrong towards them fails the test."""

from collections.abc import Iterator

import pytest

from tests.support.wire import Wire


@pytest.fixture
def wire() -> Iterator[Wire]:
    with Wire() as wire:
        yield wire
