"""What holds for every test: no logged error, no touched clock, no thread left behind."""

import logging
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support import no_clock_rights

THREAD_GRACE = 2.0
"""Seconds a thread that was told to end may take for it."""

# A busy machine is not a slow program: what must be fast is measured in tests/bench.
settings.register_profile("gateway", deadline=None)
settings.load_profile("gateway")


class ErrorCollector(logging.Handler):
    """Keeps the error records of the program's own loggers (``iec104*``)."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        # It sits on two loggers: most records pass it twice.
        if record.name.startswith("iec104") and record not in self.records:
            self.records.append(record)


@pytest.fixture(autouse=True)
def _logged_errors(request: pytest.FixtureRequest) -> Iterator[list[logging.LogRecord]]:
    collector = ErrorCollector()
    # The second one also hears what a test configured not to propagate.
    heard = (logging.getLogger(), logging.getLogger("iec104"))
    for logger in heard:
        logger.addHandler(collector)
    yield collector.records
    for logger in heard:
        logger.removeHandler(collector)
    if collector.records and "expected_errors" not in request.fixturenames:
        texts = logging.Formatter("%(name)s: %(message)s")
        pytest.fail(
            "the program logged an error:\n" + "\n".join(map(texts.format, collector.records)),
            pytrace=False,
        )


@pytest.fixture
def expected_errors(_logged_errors: list[logging.LogRecord]) -> list[logging.LogRecord]:
    """The errors logged so far; asking for them lets the test pass with them."""
    return _logged_errors


@pytest.fixture(scope="session", autouse=True)
def _no_program_may_set_the_clock() -> None:
    no_clock_rights.give_up()


@pytest.fixture(autouse=True)
def _clock_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        # Not an Exception: no `except Exception` of the program hides it.
        pytest.fail("a test tried to set the clock of this machine")

    for name in ("clock_settime", "clock_settime_ns"):
        if hasattr(time, name):  # neither is there on Windows
            monkeypatch.setattr(time, name, refuse)
    if sys.platform == "win32":
        monkeypatch.setattr("core.clock.Win32.set_system_time", refuse)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + THREAD_GRACE
    left = []
    for thread in set(threading.enumerate()) - before:
        if is_a_peers(thread):
            continue
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            left.append(thread.name)
    if left:
        pytest.fail(f"threads still alive after the test: {', '.join(sorted(left))}", pytrace=False)


def is_a_peers(thread: threading.Thread) -> bool:
    """Whether the thread is a test peer's: a named daemon, or one that Python did not start."""
    # A library's own C++ thread that calls back into Python stays listed as a dummy for ever.
    foreign = isinstance(thread, threading._DummyThread)
    return foreign or (thread.daemon and thread.name.startswith("peer-"))
