"""The log folder on disk: opening, appending, rotating, reading the end, and what goes wrong there.

Used by one thread. An error of the system never leaves this module: lines that cannot be written
stay waiting, and the condition is said once when it begins and once when all of it is over.
"""

import errno
import os
from collections import OrderedDict
from collections.abc import Callable
from io import FileIO
from pathlib import Path

from core.logs.lines import Level

MAX_OPEN_FILES = 32
RETRY_AFTER = 5.0
CHUNK_OCTETS = 64 * 1024
TAIL_OCTETS = 512 * 1024
TAIL_LINES = 5000


def open_for_appending(path: Path) -> FileIO:
    """An unbuffered file: what `write` took is out of our hands."""
    return path.open("a+b", buffering=0)


class LogFile:
    """One log: what waits to be written into it, and when to try again."""

    __slots__ = ("entry", "handle", "lost", "name", "retry_at", "rotate_at", "waiting")

    def __init__(self, name: str, entry: str) -> None:
        self.name = name
        self.entry = entry
        # A list: nearly always empty, and then a tenth of an empty deque, of thousands of logs.
        self.waiting: list[tuple[Level, bytes]] = []
        self.lost = 0
        self.handle: FileIO | None = None
        self.retry_at = 0.0
        self.rotate_at = 0.0

    def shed(self, limit: int) -> None:
        """Keep at most `limit` waiting lines: the oldest traffic goes first, then the oldest."""
        excess = len(self.waiting) - limit
        if excess <= 0:
            return
        self.lost += excess
        kept: list[tuple[Level, bytes]] = []
        for line in self.waiting:
            if excess and line[0] is Level.TRAFFIC:
                excess -= 1
            else:
                kept.append(line)
        self.waiting = kept[excess:]


class LogFolder:
    """The files of one folder, few of them open at a time."""

    def __init__(
        self,
        folder: Path,
        *,
        max_size_octets: int,
        keep: int,
        opener: Callable[[Path], FileIO],
        monotonic: Callable[[], float],
        say: Callable[[Level, str], None],
    ) -> None:
        self._folder = folder
        self._max_size_octets = max_size_octets
        self._keep = keep
        self._opener = opener
        self._monotonic = monotonic
        self._say = say
        self._was_there = False
        self._files: dict[str, LogFile] = {}
        self._open: OrderedDict[str, LogFile] = OrderedDict()
        self._troubles: dict[tuple[str, str], str] = {}

    def file(self, name: str, entry: str) -> LogFile:
        """The log called `name`, not touched on disk before something is written."""
        file = self._files.setdefault(name, LogFile(name, entry))
        file.entry = entry
        return file

    def write(self, file: LogFile) -> None:
        """Write what waits for `file`; what the system refuses stays waiting."""
        try:
            while file.waiting:
                self._write_chunk(file)
        except OSError as error:
            file.retry_at = self._monotonic() + RETRY_AFTER
            self._trouble("written", file, error)
            self._close(file)
        else:
            self._works("written", file)

    def tail(self, file: LogFile) -> tuple[list[str], int]:
        """The last lines of `file`, waiting ones included, and its size in octets.

        A file that was rotated a moment ago is filled up from the ones before it.
        """
        lines = [octets.decode().rstrip("\n") for _, octets in file.waiting]
        size_octets = 0
        room = TAIL_OCTETS
        for number in range(self._keep + 1):
            try:
                with self._path(file, number).open("rb") as handle:
                    size = handle.seek(0, os.SEEK_END)
                    start = handle.seek(max(0, size - room))
                    octets = handle.read(room)
            except FileNotFoundError:
                continue
            except OSError as error:
                reason = error.strerror or type(error).__name__
                self._say(Level.WARNING, f"{self._path(file, number)} cannot be read: {reason}.")
                break
            if number == 0:
                size_octets = size
            # Files of other programs and times end their lines otherwise, or not at all.
            texts = octets.decode(errors="replace").replace("\r\n", "\n").split("\n")
            if start:
                del texts[0]
            if texts and not texts[-1]:
                del texts[-1]
            lines = texts + lines
            room -= len(octets)
            if room <= 0 or len(lines) >= TAIL_LINES:
                break
        return lines[-TAIL_LINES:], size_octets

    def close(self) -> None:
        """Close every file; they open again when something is written."""
        for file in list(self._open.values()):
            self._close(file)

    def _path(self, file: LogFile, number: int = 0) -> Path:
        return self._folder / (f"{file.name}.{number}.txt" if number else f"{file.name}.txt")

    def _write_chunk(self, file: LogFile) -> None:
        handle, size = self._ready(file)
        if size and size + len(file.waiting[0][1]) > self._max_size_octets:
            self._rotate(file)
            handle, size = self._ready(file)
        room = self._max_size_octets - size
        limit = min(room, CHUNK_OCTETS) if room > 0 else CHUNK_OCTETS
        chunk = bytearray()
        for _, octets in file.waiting:
            if chunk and len(chunk) + len(octets) > limit:
                break
            chunk += octets
        written = 0
        try:
            while written < len(chunk):
                written += handle.write(chunk[written:])
        finally:
            # A disk that fills up takes half a line: the whole ones stay, the half one goes.
            whole = chunk.rfind(b"\n", 0, written) + 1
            del file.waiting[: chunk.count(b"\n", 0, whole)]
            if whole < written:
                handle.truncate(size + whole)

    def _ready(self, file: LogFile) -> tuple[FileIO, int]:
        """The open file and its size. Opens it (again) where it was removed behind our back."""
        if file.handle is not None and not self._is_in_place(file, file.handle):
            self._close(file)
        if file.handle is None:
            try:
                file.handle = self._open_in_folder(file)
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE) or not self._open:
                    raise
                # No descriptor is left but those of the other logs: one of them gives way.
                self._close(next(iter(self._open.values())))
                file.handle = self._open_in_folder(file)
            self._end_torn_line(file.handle)
        self._open[file.name] = file
        self._open.move_to_end(file.name)
        while len(self._open) > MAX_OPEN_FILES:
            self._close(next(iter(self._open.values())))
        return file.handle, file.handle.seek(0, os.SEEK_END)

    def _is_in_place(self, file: LogFile, handle: FileIO) -> bool:
        # A removed file takes every line, on POSIX, and shows none.
        try:
            return os.path.samestat(self._path(file).stat(), os.fstat(handle.fileno()))
        except FileNotFoundError:
            return False

    def _open_in_folder(self, file: LogFile) -> FileIO:
        try:
            handle = self._opener(self._path(file))
        except FileNotFoundError:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle = self._opener(self._path(file))
            if self._was_there:
                self._say(Level.WARNING, f"The log folder {self._folder} was gone; made again.")
        self._was_there = True
        return handle

    def _end_torn_line(self, handle: FileIO) -> None:
        # Where the power failed in the middle of a line, ours starts on its own.
        if handle.seek(0, os.SEEK_END):
            handle.seek(-1, os.SEEK_END)
            if handle.read(1) != b"\n":
                handle.write(b"\n")

    def _rotate(self, file: LogFile) -> None:
        """Make room by renaming. Where another program holds a file: write on, try again later."""
        if self._monotonic() < file.rotate_at:
            return
        # Windows renames no open file.
        self._close(file)
        try:
            # Up to the first gap only: a try that fails half-way must not cost a file each time.
            numbers = range(1, self._keep)
            gap = next((n for n in numbers if not self._path(file, n).exists()), self._keep)
            for number in range(gap - 1, 0, -1):
                self._path(file, number).replace(self._path(file, number + 1))
            self._path(file).replace(self._path(file, 1))
        except OSError as error:
            file.rotate_at = self._monotonic() + RETRY_AFTER
            self._trouble("renamed to make room", file, error)
        else:
            self._works("renamed to make room", file)

    def _close(self, file: LogFile) -> None:
        handle, file.handle = file.handle, None
        self._open.pop(file.name, None)
        if handle is not None:
            try:
                handle.close()
            except OSError as error:
                self._trouble("written", file, error)

    def _trouble(self, what: str, file: LogFile, error: OSError) -> None:
        reason = error.strerror or type(error).__name__
        if self._troubles.get((what, file.name)) == reason:
            return
        # One full disk is one message, not one for each of a thousand files.
        is_known = any(
            (other, its_reason) == (what, reason)
            for (other, _), its_reason in self._troubles.items()
        )
        self._troubles[what, file.name] = reason
        if not is_known:
            self._say(
                Level.WARNING,
                f"{self._path(file)} cannot be {what}: {reason}. "
                "Lines are kept for a while; it is tried again.",
            )

    def _works(self, what: str, file: LogFile) -> None:
        if self._troubles.pop((what, file.name), None) is None:
            return
        if not any(other == what for other, _ in self._troubles):
            self._say(Level.INFO, f"The logs in {self._folder} can be {what} again.")
