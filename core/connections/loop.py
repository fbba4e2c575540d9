"""The I/O thread: one event loop that owns every socket, link and group."""

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

from core.connections.shortage import Shortage

_log = logging.getLogger("iec104.connections")

TICK: Final = 0.1
"""Seconds between two looks at all deadlines: coarse enough to cost nothing, fine for seconds."""
_BUFFER_OCTETS: Final = 16_384


class Timed(Protocol):
    """What the tick looks after."""

    @property
    def due(self) -> float:
        """Monotonic seconds; never later than the next deadline."""
        ...

    def deadline_passed(self, now: float) -> None:
        """Called once ``due`` has passed; may not raise."""
        ...


class Closable(Protocol):
    """A connection that can be ended by force."""

    def abort(self) -> None:
        """End it at once."""
        ...


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":
        return asyncio.ProactorEventLoop()
    try:
        import uvloop
    except ImportError:
        return asyncio.SelectorEventLoop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


class IoThread:
    """One event loop in a thread of its own, with one tick for all deadlines.

    ``daemon``: the thread does not keep the interpreter from ending.
    """

    def __init__(self, name: str = "iec104-io", *, daemon: bool = False) -> None:
        self.loop = _new_loop()
        self.loop.set_exception_handler(_log_exception)
        self._buffer = memoryview(bytearray(_BUFFER_OCTETS))
        self._parts: dict[int, memoryview] = {}
        self.streams: set[Closable] = set()
        """Connections that are not over."""
        self.turns = 0
        """How often the tick has run; any thread may look whether the loop still turns."""
        self.shortage = Shortage(self.loop)
        self._timed: dict[Timed, None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name=name, daemon=daemon)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def call(self, function: Callable[..., None], *args: object) -> None:
        """Run a function on the I/O thread soon; from any thread. Ignored after the end."""
        try:
            self.loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            _log.debug("call after the I/O thread has ended: %s", function)

    def end(self, timeout: float) -> bool:
        """Stop the loop and join the thread; whether it has ended. From another thread."""
        self.call(self.loop.stop)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def buffer(self, octets: int) -> memoryview:
        """Where every stream receives, cut to a size: it is read out before the next one comes."""
        return self._parts.setdefault(octets, self._buffer[:octets])

    def watch(self, timed: Timed) -> None:
        """Look after the deadlines of something. I/O thread only."""
        self._timed[timed] = None

    def unwatch(self, timed: Timed) -> None:
        """Stop looking after it. I/O thread only."""
        self._timed.pop(timed, None)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Start a task and keep it alive. I/O thread only."""
        task = self.loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s ended by an error", task.get_name(), exc_info=error)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.call_soon(self._tick)
        try:
            self.loop.run_forever()
            tasks = list(self._tasks)  # they leave the set as they end
            for task in tasks:
                task.cancel()
            if tasks:
                self.loop.run_until_complete(asyncio.wait(tasks, timeout=1))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            self.loop.close()

    def _tick(self) -> None:
        self.turns += 1
        now = self.loop.time()
        for timed in [timed for timed in self._timed if timed.due <= now]:
            try:
                timed.deadline_passed(now)
            except Exception:
                _log.exception("a deadline could not be handled")
        self.loop.call_later(TICK, self._tick)


def _log_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What asyncio itself noticed: peers that vanish are everyday, the rest is ours."""
    error = context.get("exception")
    message = context.get("message", "")
    if isinstance(error, OSError):
        _log.debug("%s: %s", message, error)
    else:
        _log.error("%s", message, exc_info=error)
