"""An I/O thread on every event loop there is, and the proof that nothing stays open."""

import asyncio
import importlib.util
from collections.abc import Iterator

import pytest

from core.connections import loop as loop_module
from core.connections.loop import IoThread
from tests.connections.support import no_socket_left

_HAS_UVLOOP = importlib.util.find_spec("uvloop") is not None
LOOPS = [
    "stock",
    pytest.param(
        "uvloop", marks=pytest.mark.skipif(not _HAS_UVLOOP, reason="uvloop is not installed")
    ),
]


@pytest.fixture(autouse=True)
def _no_socket_left() -> Iterator[None]:
    with no_socket_left():
        yield


@pytest.fixture(params=LOOPS)
def thread(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[IoThread]:
    """An I/O thread that the test starts itself."""
    if request.param == "stock" and _HAS_UVLOOP:
        monkeypatch.setattr(loop_module, "_new_loop", asyncio.SelectorEventLoop)
    io = IoThread()
    yield io
    if io._thread.ident is None:
        io.loop.close()
    elif io._thread.is_alive():
        assert io.end(3)


@pytest.fixture
def io(thread: IoThread) -> IoThread:
    """A running I/O thread."""
    thread.start()
    return thread
