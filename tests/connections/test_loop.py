"""The I/O thread: its tick, its tasks, and its end."""

import asyncio
import logging
import threading
import time

import pytest

from core.connections.loop import TICK, IoThread
from tests.connections.support import on_loop, wait_for

NEVER = float("inf")


class Watched:
    """Something with a deadline; `again` is how long after each call it is due once more."""

    def __init__(self, due: float, again: float = NEVER, fails: int = 0) -> None:
        self.due = due
        self.again = again
        self.fails = fails
        self.called: list[float] = []

    def deadline_passed(self, now: float) -> None:
        self.called.append(now)
        if self.fails:
            self.fails -= 1
            raise RuntimeError("a fault of ours")
        self.due = now + self.again


def test_a_deadline_is_called_once_it_has_passed_and_not_before(io):
    begin = io.loop.time()
    soon, later, never = Watched(begin + 0.05), Watched(begin + 0.35), Watched(NEVER)
    for each in (soon, later, never):
        on_loop(io, io.watch, each)
    wait_for(lambda: later.called, what="the later deadline")
    assert len(soon.called) == len(later.called) == 1
    assert soon.called[0] >= begin + 0.05
    assert later.called[0] >= begin + 0.35
    assert not never.called


def test_deadlines_are_looked_at_about_every_tenth_of_a_second(io):
    always = Watched(0.0, again=0.0)
    on_loop(io, io.watch, always)
    wait_for(lambda: len(always.called) >= 6, what="six ticks")
    assert always.called[5] - always.called[0] >= 4.9 * TICK


def test_what_is_not_watched_any_more_is_not_called(io):
    gone, stays = Watched(0.0, again=0.0), Watched(0.0, again=0.0)
    on_loop(io, io.watch, gone)
    on_loop(io, io.watch, stays)
    wait_for(lambda: gone.called, what="called")
    on_loop(io, io.unwatch, gone)
    on_loop(io, io.unwatch, gone)  # twice does no harm
    calls = len(gone.called)
    ticks = len(stays.called)
    wait_for(lambda: len(stays.called) >= ticks + 2, what="two more ticks")
    assert len(gone.called) == calls


def test_a_deadline_may_stop_the_watch_of_others_in_the_same_tick(io):
    class Ender(Watched):
        def deadline_passed(self, now: float) -> None:
            super().deadline_passed(now)
            io.unwatch(self)
            io.watch(Watched(NEVER))

    ender, other = Ender(0.0), Watched(0.0, again=0.0)
    on_loop(io, io.watch, ender)
    on_loop(io, io.watch, other)
    wait_for(lambda: len(other.called) >= 2, what="the tick goes on")
    assert len(ender.called) == 1


def test_an_error_in_a_deadline_does_not_stop_the_tick(io, expected_errors):
    faulty, sound = Watched(0.0, fails=1), Watched(0.0, again=0.0)
    on_loop(io, io.watch, faulty)
    on_loop(io, io.watch, sound)
    wait_for(lambda: len(sound.called) >= 2 and len(faulty.called) == 2, what="ticks after it")
    assert len(expected_errors) == 1
    assert "a fault of ours" in str(expected_errors[0].exc_info)


def test_a_deadline_that_fails_every_time_does_not_starve_the_others(io, expected_errors):
    faulty, sound = Watched(0.0, fails=1000), Watched(0.0, again=0.0)
    on_loop(io, io.watch, faulty)
    on_loop(io, io.watch, sound)
    wait_for(lambda: len(faulty.called) >= 3, what="three ticks")
    assert sound.called


def test_the_end_joins_the_thread_and_closes_the_loop(thread):
    thread.start()
    on_loop(thread, lambda: None)
    assert thread.end(3)
    assert not thread._thread.is_alive()
    assert thread.loop.is_closed()


def test_the_end_cancels_what_still_runs_and_waits_for_it(thread):
    thread.start()
    cancelled = []

    async def work() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(0.05)
            cancelled.append(True)

    on_loop(thread, lambda: [thread.spawn(work(), f"work {i}") for i in range(3)])
    begin = time.monotonic()
    assert thread.end(3)
    assert time.monotonic() - begin < 1.5
    assert cancelled == [True] * 3


def test_a_loop_that_is_stuck_is_admitted(thread):
    thread.start()
    go_on = threading.Event()
    thread.call(go_on.wait, 10)
    assert not thread.end(0.2)
    go_on.set()
    assert thread.end(3)


def test_a_call_runs_on_the_io_thread(io):
    names = []
    io.call(lambda: names.append(threading.current_thread().name))
    wait_for(lambda: names, what="the call")
    assert names == ["iec104-io"]


def test_a_call_after_the_end_is_ignored(thread):
    thread.start()
    assert thread.end(3)
    thread.call(pytest.fail, "called after the end")


def test_a_task_that_fails_is_named_in_the_log(io, expected_errors):
    async def work() -> None:
        raise RuntimeError("a fault of ours")

    on_loop(io, lambda: io.spawn(work(), "some work"))
    wait_for(lambda: expected_errors, what="the log")
    assert expected_errors[0].getMessage() == "some work ended by an error"
    assert "a fault of ours" in str(expected_errors[0].exc_info)


def test_a_cancelled_task_is_no_error(io):
    async def work() -> None:
        await asyncio.sleep(1000)

    task = on_loop(io, lambda: io.spawn(work(), "some work"))
    on_loop(io, task.cancel)
    wait_for(task.done, what="cancelled")
    on_loop(io, lambda: None)  # an error in the log would fail the test
    assert not io._tasks


def test_what_asyncio_notices_of_vanished_peers_is_kept_low(io, caplog):
    with caplog.at_level(logging.DEBUG):
        context = {"message": "Accept failed", "exception": ConnectionResetError(104, "reset")}
        on_loop(io, io.loop.call_exception_handler, context)
    assert [record.levelno for record in caplog.records if "Accept failed" in record.message] == [
        logging.DEBUG
    ]


def test_an_error_that_nobody_caught_is_logged(io, expected_errors):
    def fail() -> None:
        raise RuntimeError("a fault of ours")

    io.call(fail)
    wait_for(lambda: expected_errors, what="the log")
    assert "a fault of ours" in str(expected_errors[0].exc_info)
    on_loop(io, lambda: None)  # and the loop goes on


def test_an_io_thread_can_be_ended_at_once(thread: IoThread):
    thread.start()
    assert thread.end(3)
