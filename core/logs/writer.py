"""The log writer: the queue every thread puts its lines into, and the one thread that writes them.

Order of one round: take what came, mirror it to who watches, write it, then answer who wants to
watch. So an opened pane gets each line exactly once: from the tail or mirrored.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from io import FileIO
from itertools import count
from pathlib import Path
from typing import Protocol

from core.logs.folder import LogFile, LogFolder, open_for_appending
from core.logs.lines import Level, LogLine, local_now, one_line
from core.logs.names import FileNames
from core.logs.repeats import Event, Repeats

PROGRAM_LOG = "#program"
"""The entry key of the program log, `iec104mm2ss.txt`."""

SECURITY_LOG = "#security"
"""The entry key of the security log, `security.txt`."""

ROUND_EVERY = 0.25
"""Seconds between two rounds of the thread; also how much is lost when the power fails."""

_log = logging.getLogger("iec104.logs")


class LogSink(Protocol):
    """Where one log is shown. Called by the writer thread, so it must only hand things over."""

    def tail(self, lines: Sequence[str], file_name: str, size_octets: int) -> None:
        """The end of the log as it stands: once for each `watch`, before any `line`."""

    def line(self, line: LogLine) -> None:
        """One further line; `str(line)` is its text in the file."""


class LogWriter:
    """Owns the log folder and the thread that writes into it.

    `max_size_octets` is the size at which a file is renamed to `NAME.1.txt`, of which `keep` stay.
    `queue_limit` bounds the lines waiting in memory, in the queue and for a disk that refuses them.
    `problem` is told, in a sentence, when writing begins to fail and when it works again; by the
    writer thread. `now`, `monotonic` and `opener` are for tests.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_size_octets: int = 1024 * 1024,
        keep: int = 3,
        queue_limit: int = 50_000,
        problem: Callable[[str], None] | None = None,
        now: Callable[[], datetime] = local_now,
        monotonic: Callable[[], float] = time.monotonic,
        opener: Callable[[Path], FileIO] = open_for_appending,
    ) -> None:
        if max_size_octets < 1 or keep < 1 or queue_limit < 1:
            raise ValueError("max_size_octets, keep and queue_limit are at least 1")
        self.now = now
        self._monotonic = monotonic
        self._problem = problem
        self._limit = queue_limit
        self._queue = _LineQueue(queue_limit)
        self._names = FileNames()
        self._names.assign(PROGRAM_LOG, "iec104mm2ss", 0)
        self._names.assign(SECURITY_LOG, "security", 0)
        self._repeats = Repeats()
        self._folder = LogFolder(
            folder,
            max_size_octets=max_size_octets,
            keep=keep,
            opener=opener,
            monotonic=monotonic,
            say=self._say,
        )
        self._unwritten: dict[str, LogFile] = {}
        self._sinks: dict[str, tuple[LogSink, ...]] = {}
        self._requests: deque[Callable[[], None]] = deque()
        self._wake = threading.Event()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)

    # Callable from any thread

    def register(self, entry_key: str, label: str, group: int) -> str:
        """Decide the file of an entry shown as `label`, and return its name.

        Call it in the order of the configuration: of two entries with the same label the first
        keeps the plain name. The same call again returns the same name. The security log shows
        entries by their key, so let it be readable.
        """
        return f"{self._names.assign(entry_key, label, group)}.txt"

    def put(self, line: LogLine) -> None:
        """Queue a line. Never waits for the disk, never raises.

        When the queue is full the oldest traffic line goes, else the oldest line; how many went
        is said in the file they were for.
        """
        self._queue.put(line)

    def security(self, kind: str, entry: str, peer: str, text: str) -> None:
        """Queue a line of the security log; `peer` without its port, which changes every time.

        The first of a kind, entry and peer is written, further ones within 60 s are counted.
        """
        kind = f"{kind}, {entry}"
        self.once_a_minute(SECURITY_LOG, kind, peer, f"{kind}, {peer}: {text}")

    def once_a_minute(self, entry_key: str, kind: str, peer: str, text: str) -> bool:
        """Queue a warning about what a peer can cause at will; `peer` without its port.

        The first of a log, kind and peer is written, further ones within 60 s are counted. Whether
        it is the first.
        """
        is_first = self._repeats.is_first(Event(entry_key, kind, peer), self._monotonic())
        if is_first:
            self.put(LogLine(entry_key, self.now(), Level.WARNING, text))
        return is_first

    def watch(self, entry_key: str, sink: LogSink) -> None:
        """Give `sink` the end of a log, then every line that comes: none twice, none left out."""
        self._request(partial(self._begin_watch, entry_key, sink))

    def unwatch(self, entry_key: str, sink: LogSink) -> None:
        """End a watch; lines already on their way may still arrive."""
        self._request(partial(self._end_watch, entry_key, sink))

    def start(self) -> None:
        """Start the thread; once."""
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Write everything that was put before, close the files, end the thread.

        False when something could not be written, or the disk did not answer within `timeout`
        seconds (the thread does not keep the program from ending).
        """
        self._is_stopping = True
        self._wake.set()
        if self._thread.ident is None:
            self._finish()
        else:
            self._thread.join(timeout)
            if self._thread.is_alive():
                _log.warning("The log writer did not end within %g s.", timeout)
                return False
        return not self._unwritten

    # The writer thread's (or, before `start`, a test's)

    def drain_once(self) -> None:
        """One round: take, mirror and write what came, then answer requests to watch."""
        self._round(is_last=False)

    def _run(self) -> None:
        while not self._is_stopping:
            self._wake.wait(ROUND_EVERY)
            self._wake.clear()
            try:
                self.drain_once()
            except Exception:
                _log.exception("The log writer met an error and goes on.")
        try:
            self._finish()
        except Exception:
            _log.exception("The log writer met an error at its end.")

    def _finish(self) -> None:
        try:
            self._round(is_last=True)
        finally:
            self._folder.close()
        lines = sum(len(file.waiting) + file.lost for file in self._unwritten.values())
        if lines:
            self._say(Level.ERROR, f"Log lines that could not be written: {lines}.")

    def _round(self, *, is_last: bool) -> None:
        for line in self._queue.take():
            self._accept(line)
        for entry, number in self._queue.take_dropped().items():
            self._file(entry).lost += number
        for event, text in self._repeats.counted(self._monotonic(), all_of_them=is_last):
            whole = f"{event.kind}, {event.peer}: {text}"
            self._accept(LogLine(event.log, self.now(), Level.WARNING, whole))
        self._write(is_last)
        for _ in range(len(self._requests)):
            self._requests.popleft()()

    def _accept(self, line: LogLine) -> None:
        try:
            octets = f"{line}\n".encode()
        except Exception:
            _log.exception("A line cannot be logged: %r", line)
            return
        self._file(line.entry).waiting.append((line.level, octets))
        for sink in self._sinks.get(line.entry, ()):
            try:
                sink.line(line)
            except Exception:
                _log.exception("A view of the log of %s failed and is closed.", line.entry)
                self._end_watch(line.entry, sink)

    def _file(self, entry: str) -> LogFile:
        """The file of an entry, noted as one that has something to write."""
        file = self._folder.file(self._names.get(entry), entry)
        self._unwritten[file.name] = file
        return file

    def _write(self, is_last: bool) -> None:
        for file in list(self._unwritten.values()):
            if not is_last and self._monotonic() < file.retry_at:
                continue
            self._folder.write(file)
            if file.lost and not file.waiting:
                text = f"lines dropped before this one, too many to keep: {file.lost}"
                file.lost = 0
                self._accept(LogLine(file.entry, self.now(), Level.WARNING, text))
                self._folder.write(file)
            if not file.waiting:
                del self._unwritten[file.name]
        if sum(len(file.waiting) for file in self._unwritten.values()) > self._limit:
            share = max(1, self._limit // len(self._unwritten))
            for file in self._unwritten.values():
                file.shed(share)

    def _request(self, request: Callable[[], None]) -> None:
        self._requests.append(request)
        self._wake.set()

    def _begin_watch(self, entry: str, sink: LogSink) -> None:
        file = self._folder.file(self._names.get(entry), entry)
        lines, size_octets = self._folder.tail(file)
        try:
            sink.tail(lines, f"{file.name}.txt", size_octets)
        except Exception:
            _log.exception("A view of the log of %s failed and is not opened.", entry)
            return
        self._end_watch(entry, sink)
        self._sinks[entry] = (*self._sinks.get(entry, ()), sink)

    def _end_watch(self, entry: str, sink: LogSink) -> None:
        others = tuple(other for other in self._sinks.get(entry, ()) if other is not sink)
        if others:
            self._sinks[entry] = others
        else:
            self._sinks.pop(entry, None)

    def _say(self, level: Level, text: str) -> None:
        _log.log(_LOGGING_LEVELS[level], "%s", text)
        if self._problem is not None:
            try:
                self._problem(one_line(text))
            except Exception:
                _log.exception("Telling of a problem with the logs failed.")


class _LineQueue:
    """From any thread to the writer, bounded.

    Appending takes no lock; only where the queue is full a caller may wait, for one line to go.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._order = count()
        self._traffic: deque[tuple[int, LogLine]] = deque()
        self._others: deque[tuple[int, LogLine]] = deque()
        self._removing = threading.Lock()
        self._dropped: Counter[str] = Counter()

    def put(self, line: LogLine) -> None:
        lines = self._traffic if line.level is Level.TRAFFIC else self._others
        lines.append((next(self._order), line))
        if len(self._traffic) + len(self._others) > self._limit:
            with self._removing:
                lines = self._traffic or self._others
                if lines:
                    self._dropped[lines.popleft()[1].entry] += 1

    def take(self) -> Iterator[LogLine]:
        """The lines put so far, each thread's in its order."""
        # A later line may stand in one queue while an earlier one is on its way into the other:
        # numbers from here on wait for the next time.
        end = next(self._order)
        while (line := self._pop_before(end)) is not None:
            yield line

    def take_dropped(self) -> Counter[str]:
        """How many lines of each entry had to go since the last call."""
        with self._removing:
            dropped, self._dropped = self._dropped, Counter()
        return dropped

    def _pop_before(self, end: int) -> LogLine | None:
        with self._removing:
            ready = [
                lines for lines in (self._traffic, self._others) if lines and lines[0][0] < end
            ]
            if not ready:
                return None
            return min(ready, key=lambda lines: lines[0][0]).popleft()[1]


_LOGGING_LEVELS = {
    Level.TRAFFIC: logging.DEBUG,
    Level.INFO: logging.INFO,
    Level.WARNING: logging.WARNING,
    Level.ERROR: logging.ERROR,
}


class ProgramLogHandler(logging.Handler):
    """Feeds the program log from `logging`; a traceback becomes lines of its own, marked `|`."""

    def __init__(self, writer: LogWriter, level: int = logging.INFO) -> None:
        super().__init__(level)
        self._writer = writer
        self._formatter = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record; called by `logging`."""
        try:
            texts = [record.getMessage()]
            if record.exc_info:
                trace = self._formatter.formatException(record.exc_info)
                texts += [f"  | {line}" for line in trace.split("\n")]
        except Exception:
            self.handleError(record)
            return
        level = max(
            (level for level, number in _LOGGING_LEVELS.items() if number <= record.levelno),
            default=Level.TRAFFIC,
        )
        moment = self._writer.now()
        for text in texts:
            self._writer.put(LogLine(PROGRAM_LOG, moment, level, text))
