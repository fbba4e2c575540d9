"""The log writer: names, lines, rotation, trouble with the disk, views, and the bounded queue."""

import errno
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from io import FileIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.logs import (
    PROGRAM_LOG,
    SECURITY_LOG,
    Level,
    LogLine,
    LogWriter,
    ProgramLogHandler,
    local_now,
    safe_name,
)
from core.logs.folder import MAX_OPEN_FILES, RETRY_AFTER, TAIL_LINES, open_for_appending
from core.logs.names import FileNames
from core.logs.repeats import MAX_EVENTS, PERIOD

NOON = datetime(2024, 5, 17, 12, 0, 0, 250, tzinfo=timezone(timedelta(hours=2)))
STAMP = "2024-05-17 12:00:00.000250 : "
DEADLINE = 20.0


class Clock:
    """A wall clock that stands still and a monotonic one that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return NOON

    def monotonic(self) -> float:
        return self.seconds


class Disk:
    """Opens real files, or refuses; with a number of octets left where it is nearly full."""

    def __init__(self) -> None:
        self.refusal: OSError | None = None
        self.octets_left: int | None = None
        self.opened: list[FileIO] = []

    def open(self, path: Path) -> FileIO:
        if self.refusal is not None:
            raise self.refusal
        is_plain = self.octets_left is None
        handle = open_for_appending(path) if is_plain else NearlyFull(path, self)
        self.opened.append(handle)
        return handle


class NearlyFull(FileIO):
    """Takes part of what is written, as a disk does that fills up, then nothing."""

    def __init__(self, path: Path, disk: Disk) -> None:
        super().__init__(path, "a+b")
        self.disk = disk

    def write(self, octets: bytes) -> int:  # type: ignore[override]  # narrower on purpose
        if self.disk.octets_left is None:
            return super().write(octets)
        if self.disk.octets_left <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = super().write(octets[: self.disk.octets_left])
        self.disk.octets_left -= written
        return written


class View:
    """A sink that shows what an opened pane would."""

    def __init__(self, until: str | None = None) -> None:
        self.shown: list[str] = []
        self.tails: list[tuple[list[str], str, int]] = []
        self.until = until
        self.is_complete = threading.Event()

    def tail(self, lines: Sequence[str], file_name: str, size_octets: int) -> None:
        self.tails.append((list(lines), file_name, size_octets))
        for line in lines:
            self.show(line)

    def line(self, line: LogLine) -> None:
        self.show(str(line))

    def show(self, text: str) -> None:
        self.shown.append(text)
        if self.until is not None and text.endswith(self.until):
            self.is_complete.set()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def problems() -> list[str]:
    return []


Make = Callable[..., LogWriter]


@pytest.fixture
def make(tmp_path: Path, clock: Clock, disk: Disk, problems: list[str]) -> Iterator[Make]:
    made = []

    def make(**options: int) -> LogWriter:
        writer = LogWriter(
            tmp_path / "log",
            problem=problems.append,
            now=clock.now,
            monotonic=clock.monotonic,
            opener=disk.open,
            **options,
        )
        writer.register("1/M", "M/ABB-1", 1)
        made.append(writer)
        return writer

    yield make
    for writer in made:
        assert writer.stop(DEADLINE)
    assert all(handle.closed for handle in disk.opened)


def line(text: str, entry: str = "1/M", level: Level = Level.INFO) -> LogLine:
    return LogLine(entry, NOON, level, text)


def put(writer: LogWriter, *texts: str, entry: str = "1/M", level: Level = Level.INFO) -> None:
    for text in texts:
        writer.put(line(text, entry, level))


def texts(path: Path) -> list[str]:
    """What the lines of a file say, each line checked to be whole."""
    content = path.read_text("utf-8")
    assert content.endswith("\n")
    for each in content.splitlines():
        assert each.startswith(STAMP)
    return [each.removeprefix(STAMP) for each in content.splitlines()]


# Names

NAMES = [
    ("S/RTU-ABB", "S-RTU-ABB"),
    ("M/ABB-1", "M-ABB-1"),
    ("M/Zürich Süd", "M-Zürich Süd"),
    ("M/Zu\u0308rich", "M-Z\xfcrich"),
    ('M/a<b>c:d"e/f\\g|h?i*j', "M-a-b-c-d-e-f-g-h-i-j"),
    ("M/tab\there\x00\x7f\x9f", "M-tab-here---"),
    ("M/\u202egpj", "M--gpj"),
    ("M/\udc80", "M--"),
    ("M/dot.", "M-dot"),
    ("M/blank  . . ", "M-blank"),
    ("../../etc/passwd", "-..-etc-passwd"),
    (".hidden", "hidden"),
    ("", "unnamed"),
    (" .. ", "unnamed"),
    ("CON", "_CON"),
    ("con.log", "_con.log"),
    ("Aux .old.log", "_Aux .old.log"),
    ("com1", "_com1"),
    ("LPT\xb3", "_LPT\xb3"),
    ("conin$", "_conin$"),
    ("com10", "com10"),
    ("console", "console"),
    ("M/CON", "M-CON"),
    ("M/ABB.1", "M-ABB-1"),  # M-ABB.1.txt is where a full M-ABB.txt goes
    ("M/v1.2.3", "M-v1.2-3"),
    ("M/" + "x" * 300, "M-" + "x" * 118),
    ("M/" + "é" * 300, "M-" + "é" * 59),
    ("x" * 119 + ".y", "x" * 119),
    ("CON" + " " * 130 + "x", "_CON"),
]


@pytest.mark.parametrize(("label", "name"), NAMES)
def test_a_label_becomes_a_name_that_is_legal_everywhere(label: str, name: str) -> None:
    assert safe_name(label) == name


def test_two_entries_with_one_label_write_into_two_files(make: Make) -> None:
    writer = make()
    assert writer.register("1/M", "M/ABB-1", 1) == "M-ABB-1.txt"
    assert writer.register("2/M", "M/ABB-1", 2) == "M-ABB-1-2.txt"
    assert writer.register("2/m", "m/abb-1", 2) == "m-abb-1-2-2.txt"
    assert writer.register("1/M", "M/ABB-1", 1) == "M-ABB-1.txt"


def test_the_names_of_the_program_and_security_log_are_taken(make: Make) -> None:
    writer = make()
    assert writer.register("3/a", "IEC104MM2SS", 3) == "IEC104MM2SS-3.txt"
    assert writer.register("3/b", "Security", 3) == "Security-3.txt"


def test_a_renamed_entry_gives_its_old_name_back(make: Make, tmp_path: Path) -> None:
    writer = make()
    put(writer, "before")
    writer.drain_once()
    assert writer.register("1/M", "M/XYZ", 1) == "M-XYZ.txt"
    assert writer.register("2/M", "M/ABB-1", 2) == "M-ABB-1.txt"
    put(writer, "renamed")
    put(writer, "new owner", entry="2/M")
    writer.drain_once()
    assert texts(tmp_path / "log/M-XYZ.txt") == ["renamed"]
    assert texts(tmp_path / "log/M-ABB-1.txt") == ["before", "new owner"]


def test_a_line_of_an_entry_nobody_registered_is_not_lost(make: Make, tmp_path: Path) -> None:
    writer = make()
    put(writer, "hello", entry="7/who?")
    writer.drain_once()
    assert texts(tmp_path / "log/7-who-.txt") == ["hello"]


RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[1-9¹²³]) *(\..*)?", re.I)
LABELS = st.lists(
    st.one_of(st.text(), st.sampled_from([label for label, _ in NAMES]), st.text("Aa.1- ß")),
    max_size=20,
)


@given(LABELS)
@example(["ABB", "abb", "ABB-1", "ABB", "ABB.1", "ẞ", "ss"])
def test_names_are_legal_unique_and_the_same_at_the_next_start(labels: list[str]) -> None:
    def assigned() -> list[str]:
        names = FileNames()
        return [names.assign(str(i), label, i % 3) for i, label in enumerate(labels)]

    names = assigned()
    assert names == assigned()
    assert len({name.casefold() for name in names}) == len(names)
    for name in names:
        assert not set(name) & set('<>:"/\\|?*')
        assert name.isprintable()
        assert name == name.strip(" .") != ""
        assert not RESERVED.fullmatch(name)
        assert not re.search(r"\.\d+\Z", name, re.ASCII)
        assert len(f"{name}.100.txt".encode()) <= 255


# Lines

LINES = [
    ("connected to 10.0.0.7:2404", "connected to 10.0.0.7:2404"),
    ("Zürich → Süd\xa0😀", "Zürich → Süd\xa0😀"),
    ("a\n2024-05-17 12:00:00.000250 : forged", "a\\n2024-05-17 12:00:00.000250 : forged"),
    ("\r\t\x00\x1b[2J\x85\u2028", "\\r\\t\\x00\\x1b[2J\\x85\\u2028"),
    ("\u202eabc\udcff", "\\u202eabc\\udcff"),
    ("C:\\new", "C:\\new"),
]


@pytest.mark.parametrize(("text", "written"), LINES)
def test_a_line_has_the_fixed_format_and_cannot_be_forged(text: str, written: str) -> None:
    assert str(line(text, level=Level.ERROR)) == STAMP + written


@given(st.text())
def test_every_text_is_one_line_of_utf8(text: str) -> None:
    assert len(str(line(text)).encode().decode().splitlines()) == 1


def test_the_microseconds_are_there_when_they_are_none() -> None:
    moment = NOON.replace(microsecond=0)
    assert str(LogLine("1/M", moment, Level.INFO, "x")) == "2024-05-17 12:00:00.000000 : x"
    assert local_now().utcoffset() is not None


def test_lines_of_several_entries_reach_their_files_in_order(make: Make, tmp_path: Path) -> None:
    writer = make()
    writer.register("1/S", "S/RTU-ABB", 1)
    put(writer, "trying", entry="1/S")
    put(writer, "listening", "frame", level=Level.TRAFFIC)
    put(writer, "connected to", entry="1/S")
    put(writer, "refused", level=Level.WARNING)
    writer.drain_once()
    assert texts(tmp_path / "log/S-RTU-ABB.txt") == ["trying", "connected to"]
    assert texts(tmp_path / "log/M-ABB-1.txt") == ["listening", "frame", "refused"]


def test_a_restart_appends(make: Make, tmp_path: Path) -> None:
    for text in ("first", "second"):
        writer = make()
        put(writer, text)
        assert writer.stop(DEADLINE)
    assert texts(tmp_path / "log/M-ABB-1.txt") == ["first", "second"]


def test_a_line_torn_by_a_power_failure_swallows_no_other(make: Make, tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    path = tmp_path / "log/M-ABB-1.txt"
    path.write_text("torn", "utf-8")
    writer = make()
    put(writer, "whole")
    writer.drain_once()
    assert path.read_text("utf-8") == f"torn\n{STAMP}whole\n"


def test_ten_thousand_lines_arrive(make: Make, tmp_path: Path) -> None:
    writer = make()
    writer.start()
    wanted = [f"event {number}" for number in range(10_000)]
    put(writer, *wanted)
    assert writer.stop(DEADLINE)
    assert texts(tmp_path / "log/M-ABB-1.txt") == wanted


def test_few_files_are_open_at_a_time(make: Make, tmp_path: Path, disk: Disk) -> None:
    writer = make()
    wanted = [f"entry {number}" for number in range(3 * MAX_OPEN_FILES)]
    for text in ("one", "two"):
        for entry in wanted:
            put(writer, text, entry=entry)
        writer.drain_once()
    assert sum(not handle.closed for handle in disk.opened) == MAX_OPEN_FILES
    for entry in wanted:
        assert texts(tmp_path / f"log/{entry}.txt") == ["one", "two"]


@pytest.mark.parametrize("option", ["max_size_octets", "keep", "queue_limit"])
def test_a_limit_of_nothing_is_refused(make: Make, option: str) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        make(**{option: 0})


# Rotation

LINE_OCTETS = len(STAMP) + 4
"""The octets of a line whose text has three."""


def numbers(path: Path, name: str = "M-ABB-1") -> dict[str, list[int]]:
    return {
        file.name.removeprefix(name): [int(text) for text in texts(file)]
        for file in path.iterdir()
        if file.is_file()
    }


def test_a_full_file_is_renamed_and_the_oldest_goes(make: Make, tmp_path: Path) -> None:
    writer = make(max_size_octets=3 * LINE_OCTETS, keep=2)
    put(writer, *map(str, range(100, 111)))
    writer.drain_once()
    assert numbers(tmp_path / "log") == {
        ".txt": [109, 110],
        ".1.txt": [106, 107, 108],
        ".2.txt": [103, 104, 105],
    }


def test_a_line_longer_than_a_file_is_written(make: Make, tmp_path: Path) -> None:
    writer = make(max_size_octets=10, keep=1)
    put(writer, "123", "456")
    writer.drain_once()
    assert numbers(tmp_path / "log") == {".1.txt": [123], ".txt": [456]}


def test_a_file_that_cannot_be_renamed_is_written_on(
    make: Make, tmp_path: Path, clock: Clock, problems: list[str]
) -> None:
    writer = make(max_size_octets=2 * LINE_OCTETS, keep=1)
    obstacle = tmp_path / "log/M-ABB-1.1.txt"
    obstacle.mkdir(parents=True)  # nothing can be renamed to it, as to a file that is held
    put(writer, *map(str, range(100, 105)))
    writer.drain_once()
    put(writer, "105")
    writer.drain_once()
    assert numbers(tmp_path / "log") == {".txt": [100, 101, 102, 103, 104, 105]}
    assert len(problems) == 1
    assert "cannot be renamed" in problems[0]

    obstacle.rmdir()
    put(writer, "106")
    writer.drain_once()
    assert not obstacle.exists()  # not yet tried again

    clock.seconds += RETRY_AFTER
    put(writer, "107")
    writer.drain_once()
    assert numbers(tmp_path / "log") == {
        ".1.txt": [100, 101, 102, 103, 104, 105, 106],
        ".txt": [107],
    }
    assert len(problems) == 2
    assert "again" in problems[1]


def test_renaming_that_fails_half_way_costs_no_file(
    make: Make, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = make(max_size_octets=LINE_OCTETS, keep=3)
    put(writer, "100", "101", "102", "103")
    writer.drain_once()
    plain = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if self.name == "M-ABB-1.txt":
            raise PermissionError(errno.EACCES, "held by a viewer")
        return plain(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    for text in ("104", "105", "106"):
        clock.seconds += RETRY_AFTER
        put(writer, text)
        writer.drain_once()
    assert numbers(tmp_path / "log") == {
        ".txt": [103, 104, 105, 106],
        ".2.txt": [102],
        ".3.txt": [101],
    }
    monkeypatch.undo()
    clock.seconds += RETRY_AFTER
    put(writer, "107")
    writer.drain_once()
    assert numbers(tmp_path / "log")[".1.txt"] == [103, 104, 105, 106]


# Trouble with the disk


@pytest.mark.posix
def test_a_folder_removed_while_running_is_made_again(
    make: Make, tmp_path: Path, problems: list[str]
) -> None:
    writer = make()
    put(writer, "one")
    writer.drain_once()
    (tmp_path / "log/M-ABB-1.txt").unlink()
    (tmp_path / "log").rmdir()
    put(writer, "two")
    put(writer, "three", entry="another")
    writer.drain_once()
    assert texts(tmp_path / "log/M-ABB-1.txt") == ["two"]
    assert texts(tmp_path / "log/another.txt") == ["three"]
    assert len(problems) == 1
    assert "made again" in problems[0]


@pytest.mark.posix
def test_a_log_replaced_behind_our_back_gets_the_next_lines(make: Make, tmp_path: Path) -> None:
    writer = make()
    put(writer, "one")
    writer.drain_once()
    path = tmp_path / "log/M-ABB-1.txt"
    path.rename(tmp_path / "log/old.txt")
    path.touch()
    put(writer, "two")
    writer.drain_once()
    assert texts(tmp_path / "log/old.txt") == ["one"]
    assert texts(path) == ["two"]


REFUSALS = [
    PermissionError(errno.EACCES, "Permission denied"),
    OSError(errno.EROFS, "Read-only file system"),
    OSError("unknown"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
def test_a_folder_that_refuses_is_said_once_and_the_lines_come_later(
    make: Make,
    tmp_path: Path,
    disk: Disk,
    clock: Clock,
    problems: list[str],
    refusal: OSError,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "iec104.logs")
    writer = make()
    disk.refusal = refusal
    for text in ("one", "two", "three"):
        put(writer, text)
        put(writer, text, entry="another")
        writer.drain_once()
        clock.seconds += RETRY_AFTER
    assert len(problems) == 1
    assert (refusal.strerror or "OSError") in problems[0]

    disk.refusal = None
    put(writer, "four")
    writer.drain_once()
    assert texts(tmp_path / "log/M-ABB-1.txt") == ["one", "two", "three", "four"]
    assert texts(tmp_path / "log/another.txt") == ["one", "two", "three"]
    assert len(problems) == 2
    assert "can be written again" in problems[1]
    assert caplog.messages == problems
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.INFO]


def test_a_file_where_the_folder_should_be(
    make: Make, tmp_path: Path, clock: Clock, problems: list[str]
) -> None:
    writer = make()
    (tmp_path / "log").touch()
    put(writer, "one")
    writer.drain_once()
    assert len(problems) == 1
    (tmp_path / "log").unlink()
    clock.seconds += RETRY_AFTER
    writer.drain_once()
    assert texts(tmp_path / "log/M-ABB-1.txt") == ["one"]


def test_a_refusal_is_not_tried_again_in_every_round(make: Make, disk: Disk, clock: Clock) -> None:
    writer = make()
    disk.refusal = PermissionError(errno.EACCES, "Permission denied")
    put(writer, "one")
    writer.drain_once()
    disk.refusal = None
    writer.drain_once()
    assert disk.opened == []
    clock.seconds += RETRY_AFTER
    writer.drain_once()
    assert len(disk.opened) == 1


def test_without_descriptors_the_logs_share_those_they_have(
    make: Make, tmp_path: Path, disk: Disk, problems: list[str]
) -> None:
    writer = make()
    plain = disk.open

    def scarce(path: Path) -> FileIO:
        if sum(not handle.closed for handle in disk.opened) >= 2:
            raise OSError(errno.EMFILE, "Too many open files")
        return plain(path)

    disk.open = scarce  # type: ignore[method-assign]
    writer._folder._opener = scarce
    for text in ("one", "two"):
        for entry in ("a", "b", "c", "d"):
            put(writer, text, entry=entry)
        writer.drain_once()
    assert not problems
    for entry in ("a", "b", "c", "d"):
        assert texts(tmp_path / f"log/{entry}.txt") == ["one", "two"]


def test_without_any_descriptor_the_lines_wait(
    make: Make, tmp_path: Path, disk: Disk, clock: Clock, problems: list[str]
) -> None:
    writer = make()
    disk.refusal = OSError(errno.EMFILE, "Too many open files")
    put(writer, "one")
    writer.drain_once()
    assert len(problems) == 1
    disk.refusal = None
    clock.seconds += RETRY_AFTER
    writer.drain_once()
    assert texts(tmp_path / "log/M-ABB-1.txt") == ["one"]


class Locked(FileIO):
    """A file of which another program has locked the end, as Windows lets it."""

    is_locked = False

    def write(self, octets: bytes) -> int:  # type: ignore[override]  # narrower on purpose
        if self.is_locked:
            raise PermissionError(errno.EACCES, "Permission denied")
        return super().write(octets)


def test_a_file_that_another_program_has_locked_holds_up_no_other_and_loses_nothing(
    make: Make, tmp_path: Path, disk: Disk, clock: Clock, problems: list[str]
) -> None:
    def opened(path: Path) -> FileIO:
        handle = Locked(path, "a+b")
        handle.is_locked = lock and path.name == "M-ABB-1.txt"
        disk.opened.append(handle)
        return handle

    lock = True
    disk.open = opened  # type: ignore[method-assign]
    writer = make()
    for n in range(3):
        put(writer, f"held {n}")
        put(writer, f"free {n}", entry="another")
        writer.drain_once()
        clock.seconds += RETRY_AFTER
    assert texts(tmp_path / "log/another.txt") == ["free 0", "free 1", "free 2"]
    assert (tmp_path / "log/M-ABB-1.txt").read_bytes() == b""
    assert len(problems) == 1
    lock = False
    writer.drain_once()
    assert texts(tmp_path / "log/M-ABB-1.txt") == ["held 0", "held 1", "held 2"]
    assert len(problems) == 2
    assert "again" in problems[1]


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=300)), min_size=1, max_size=8))
@example([("1/../../x", "../../../x"), ("k\0", "C:\\x"), ("/etc/x", "/etc/x"), ("a", "..")])
def test_no_label_makes_a_file_outside_the_folder(labels: list[tuple[str, str]]) -> None:
    with TemporaryDirectory() as top:
        folder = Path(top, "a", "log")
        writer = LogWriter(folder)
        for key, label in labels:
            writer.register(key, label, 1)
            writer.put(line("one", key))
            writer.put(line("two", f"{key}/never registered"))
        assert writer.stop(DEADLINE)
        made = [path for path in Path(top).rglob("*") if not path.is_dir()]
        assert made
        assert all(path.parent == folder and path.suffix == ".txt" for path in made)


def test_a_new_reason_is_said_too(
    make: Make, disk: Disk, clock: Clock, problems: list[str]
) -> None:
    writer = make()
    for disk.refusal in (
        PermissionError(errno.EACCES, "Permission denied"),
        OSError(errno.ENOSPC, "No space left on device"),
    ):
        put(writer, "one")
        writer.drain_once()
        clock.seconds += RETRY_AFTER
    assert len(problems) == 2
    disk.refusal = None


def test_one_refused_file_does_not_hold_up_the_others(
    make: Make, tmp_path: Path, problems: list[str]
) -> None:
    writer = make()
    (tmp_path / "log/held.txt").mkdir(parents=True)
    put(writer, "one", entry="held")
    put(writer, "two")
    writer.drain_once()
    assert texts(tmp_path / "log/M-ABB-1.txt") == ["two"]
    assert len(problems) == 1
    (tmp_path / "log/held.txt").rmdir()


@pytest.mark.parametrize("octets_left", range(0, 3 * LINE_OCTETS + 1, 7))
def test_a_disk_that_fills_up_tears_and_repeats_no_line(
    make: Make, tmp_path: Path, disk: Disk, clock: Clock, problems: list[str], octets_left: int
) -> None:
    writer = make()
    disk.octets_left = octets_left
    put(writer, "100", "101", "102", "103")
    writer.drain_once()
    path = tmp_path / "log/M-ABB-1.txt"
    whole = octets_left // LINE_OCTETS
    assert path.read_text("utf-8") == "".join(f"{STAMP}{100 + i}\n" for i in range(whole))
    assert len(problems) == 1
    assert os.strerror(errno.ENOSPC) in problems[0]

    disk.octets_left = None
    clock.seconds += RETRY_AFTER
    writer.drain_once()
    assert texts(path) == ["100", "101", "102", "103"]
    assert len(problems) == 2


@pytest.mark.posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_really_full_device(make: Make, tmp_path: Path, problems: list[str]) -> None:
    writer = make()
    (tmp_path / "log").mkdir()
    path = tmp_path / "log/M-ABB-1.txt"
    path.symlink_to("/dev/full")
    put(writer, "one")
    writer.drain_once()
    assert len(problems) == 1
    path.unlink()
    assert writer.stop(DEADLINE)
    assert texts(path) == ["one"]


def test_an_error_at_closing_is_said(make: Make, disk: Disk, problems: list[str]) -> None:
    class BadClose(FileIO):
        def close(self) -> None:
            was_closed = self.closed
            super().close()
            if not was_closed:
                raise OSError(errno.EIO, "Input/output error")

    disk.open = lambda path: BadClose(path, "a+b")  # type: ignore[method-assign]
    writer = make()
    put(writer, "one")
    assert writer.stop(DEADLINE)
    assert len(problems) == 1
    assert "Input/output error" in problems[0]


def test_lines_kept_for_a_refusing_disk_are_bounded_and_counted(
    make: Make, tmp_path: Path, disk: Disk
) -> None:
    writer = make(queue_limit=10)
    disk.refusal = OSError(errno.ENOSPC, "No space left on device")
    put(writer, *map(str, range(100, 105)))
    put(writer, *map(str, range(200, 203)), level=Level.TRAFFIC)
    writer.drain_once()
    put(writer, *map(str, range(105, 110)))
    writer.drain_once()
    put(writer, "110", "111")
    writer.drain_once()
    disk.refusal = None
    assert writer.stop(DEADLINE)
    assert texts(tmp_path / "log/M-ABB-1.txt") == [
        *map(str, range(102, 112)),
        "lines dropped before this one, too many to keep: 5",
    ]


def test_what_never_could_be_written_is_said_at_the_end(
    tmp_path: Path,
    disk: Disk,
    problems: list[str],
    expected_errors: list[logging.LogRecord],
) -> None:
    writer = LogWriter(tmp_path, problem=problems.append, opener=disk.open)
    disk.refusal = OSError(errno.ENOSPC, "No space left on device")
    put(writer, "one", "two")
    assert not writer.stop(DEADLINE)
    assert problems[-1] == "Log lines that could not be written: 2."
    assert len(expected_errors) == 1


# The queue


def test_a_full_queue_drops_the_oldest_traffic_first_and_says_so(
    make: Make, tmp_path: Path
) -> None:
    writer = make(queue_limit=4)
    put(writer, "info 1")
    put(writer, "traffic 1", "traffic 2", "traffic 3", level=Level.TRAFFIC)
    put(writer, "info 2", "info 3")
    writer.drain_once()
    path = tmp_path / "log/M-ABB-1.txt"
    said = "lines dropped before this one, too many to keep: 2"
    assert texts(path) == ["info 1", "traffic 3", "info 2", "info 3", said]

    put(writer, *map(str, range(6)))
    put(writer, "other", entry="another")
    writer.drain_once()
    said = said.replace("2", "3")
    assert texts(path)[5:] == ["3", "4", "5", said]
    assert texts(tmp_path / "log/another.txt") == ["other"]


def test_an_entry_whose_lines_all_were_dropped_says_so(make: Make, tmp_path: Path) -> None:
    writer = make(queue_limit=1)
    put(writer, "one")
    put(writer, "two", entry="another")
    writer.drain_once()
    assert texts(tmp_path / "log/M-ABB-1.txt") == [
        "lines dropped before this one, too many to keep: 1"
    ]


def test_many_threads_put_and_each_keeps_its_order(make: Make, tmp_path: Path) -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        writer = make()
        writer.start()

        def work(name: int) -> None:
            for number in range(500):
                level = Level.TRAFFIC if number % 3 else Level.INFO
                put(writer, f"{name} {number}", level=level)

        threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE)
        assert writer.stop(DEADLINE)
    finally:
        sys.setswitchinterval(interval)
    written = [text.split() for text in texts(tmp_path / "log/M-ABB-1.txt")]
    for name in range(8):
        assert [int(n) for who, n in written if who == str(name)] == list(range(500))


def test_what_is_put_during_a_round_waits_for_the_next(make: Make, tmp_path: Path) -> None:
    class Echo(View):
        def line(self, line: LogLine) -> None:
            put(writer, "echo", level=Level.TRAFFIC)

    writer = make()
    echo = Echo()
    writer.watch("1/M", echo)
    writer.drain_once()
    put(writer, "one", "two")
    writer.drain_once()
    assert texts(tmp_path / "log/M-ABB-1.txt") == ["one", "two"]
    writer.unwatch("1/M", echo)
    writer.drain_once()
    assert texts(tmp_path / "log/M-ABB-1.txt") == ["one", "two", "echo", "echo"]


def test_a_full_queue_under_many_threads_loses_count_of_nothing(make: Make, tmp_path: Path) -> None:
    writer = make(queue_limit=50)

    def work() -> None:
        put(writer, *["x"] * 1000, level=Level.TRAFFIC)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    writer.drain_once()
    *lines, said = texts(tmp_path / "log/M-ABB-1.txt")
    assert len(lines) + int(said.split()[-1]) == 4000
    assert len(lines) <= 50


# Program log and security log


@pytest.fixture
def program(make: Make) -> Iterator[tuple[LogWriter, logging.Logger]]:
    writer = make()
    logger = logging.getLogger("test-logs.program")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    handler = ProgramLogHandler(writer)
    logger.addHandler(handler)
    yield writer, logger
    logger.removeHandler(handler)


def test_the_program_log_is_fed_by_logging(
    program: tuple[LogWriter, logging.Logger], tmp_path: Path
) -> None:
    writer, logger = program
    view = View()
    levels = []
    view.line = lambda line: levels.append(line.level)  # type: ignore[method-assign]
    writer.watch(PROGRAM_LOG, view)
    writer.drain_once()
    logger.debug("not asked for")
    logger.info("group %d starts", 111)
    logger.warning("two\nlines")
    logger.error("ends")
    writer.drain_once()
    assert texts(tmp_path / "log/iec104mm2ss.txt") == ["group 111 starts", "two\\nlines", "ends"]
    assert levels == [Level.INFO, Level.WARNING, Level.ERROR]


def test_a_traceback_becomes_lines_of_the_fixed_format(
    program: tuple[LogWriter, logging.Logger], tmp_path: Path
) -> None:
    writer, logger = program
    try:
        raise ValueError(f"bad\n{STAMP}forged")
    except ValueError:
        logger.exception("failed")
    writer.drain_once()
    first, second, *_, last, forged = texts(tmp_path / "log/iec104mm2ss.txt")
    assert (first, second) == ("failed", "  | Traceback (most recent call last):")
    assert (last, forged) == ("  | ValueError: bad", f"  | {STAMP}forged")


def test_a_record_that_cannot_be_formatted_raises_nothing(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = make()
    handler = ProgramLogHandler(writer)
    for message, argument in (("%d", "no number"), ("%s", "next")):
        handler.handle(
            logging.LogRecord("test", logging.INFO, __file__, 1, message, (argument,), None)
        )
    writer.drain_once()
    assert texts(tmp_path / "log/iec104mm2ss.txt") == ["next"]
    assert "no number" in capsys.readouterr().err


def test_the_same_security_event_is_one_line_and_a_count(
    make: Make, tmp_path: Path, clock: Clock
) -> None:
    writer = make()
    path = tmp_path / "log/security.txt"
    for _ in range(313):
        writer.security("refused peer", "1 M/ABB-1", "10.0.0.9", "not in the hosts list")
    writer.security("refused peer", "1 M/ABB-1", "10.0.0.8", "not in the hosts list")
    writer.drain_once()
    first = [
        "refused peer, 1 M/ABB-1, 10.0.0.9: not in the hosts list",
        "refused peer, 1 M/ABB-1, 10.0.0.8: not in the hosts list",
    ]
    assert texts(path) == first

    clock.seconds += PERIOD
    writer.drain_once()
    count = "refused peer, 1 M/ABB-1, 10.0.0.9: .. 312 more in the last 60 s"
    assert texts(path) == [*first, count]

    # It goes on: counted again; the other one has ceased and is new when it comes back.
    writer.security("refused peer", "1 M/ABB-1", "10.0.0.9", "not in the hosts list")
    writer.security("refused peer", "1 M/ABB-1", "10.0.0.8", "again")
    writer.drain_once()
    assert texts(path)[3:] == ["refused peer, 1 M/ABB-1, 10.0.0.8: again"]

    clock.seconds += 10
    assert writer.stop(DEADLINE)
    assert texts(path)[4:] == ["refused peer, 1 M/ABB-1, 10.0.0.9: .. 1 more in the last 10 s"]


def test_what_a_peer_can_cause_is_a_line_and_a_count_in_the_log_of_its_entry(
    make: Make, tmp_path: Path, clock: Clock
) -> None:
    writer = make()
    for n in range(50):
        writer.once_a_minute("1/M", "refused (why)", "10.0.0.9", f"refused 10.0.0.9:{n}: why")
        writer.once_a_minute("1/M", "refused (other)", "10.0.0.9", f"refused 10.0.0.9:{n}: other")
    writer.once_a_minute("2/M", "refused (why)", "10.0.0.9", "refused 10.0.0.9:1: why")
    clock.seconds += PERIOD
    writer.drain_once()
    assert texts(tmp_path / "log/M-ABB-1.txt") == [
        "refused 10.0.0.9:0: why",
        "refused 10.0.0.9:0: other",
        "refused (why), 10.0.0.9: .. 49 more in the last 60 s",
        "refused (other), 10.0.0.9: .. 49 more in the last 60 s",
    ]
    assert texts(tmp_path / "log/2-M.txt") == ["refused 10.0.0.9:1: why"]


def test_a_scan_from_everywhere_stays_small(make: Make, tmp_path: Path, clock: Clock) -> None:
    writer = make()
    for number in range(MAX_EVENTS + 500):
        writer.security("refused peer", "M", f"2001:db8::{number:x}", "not allowed")
    writer.drain_once()
    path = tmp_path / "log/security.txt"
    assert len(texts(path)) == MAX_EVENTS + 1
    clock.seconds += PERIOD
    writer.drain_once()
    assert texts(path)[MAX_EVENTS + 1 :] == [
        "refused peer, M, other peers: .. 499 more in the last 60 s"
    ]


def test_a_peer_cannot_forge_a_security_line(make: Make, tmp_path: Path) -> None:
    writer = make()
    writer.security("malformed frame", "M", "10.0.0.9", "68 04\n2024 : all is well")
    writer.drain_once()
    assert len(texts(tmp_path / "log/security.txt")) == 1


# Views


def test_a_view_gets_the_end_of_the_file_and_then_each_line(make: Make, tmp_path: Path) -> None:
    writer = make()
    view = View()
    put(writer, "one", "two")
    writer.watch("1/M", view)
    put(writer, "three")
    writer.drain_once()
    size = (tmp_path / "log/M-ABB-1.txt").stat().st_size
    assert view.tails == [([STAMP + text for text in ("one", "two", "three")], "M-ABB-1.txt", size)]

    put(writer, "four\n")
    put(writer, "elsewhere", entry="another")
    writer.drain_once()
    assert view.shown[3:] == [STAMP + "four\\n"]

    writer.unwatch("1/M", view)
    writer.drain_once()
    put(writer, "five")
    writer.drain_once()
    assert len(view.shown) == 4


def test_a_view_of_a_log_without_a_file_is_empty(make: Make) -> None:
    writer = make()
    view = View()
    writer.watch(SECURITY_LOG, view)
    writer.drain_once()
    assert view.tails == [([], "security.txt", 0)]


def test_two_views_of_one_log_and_a_view_opened_twice(make: Make) -> None:
    writer = make()
    one, two = View(), View()
    for view in (one, two, one):
        writer.watch("1/M", view)
    writer.drain_once()
    put(writer, "hello")
    writer.drain_once()
    assert len(one.tails) == 2
    assert one.shown == two.shown == [STAMP + "hello"]
    writer.unwatch("1/M", one)
    writer.drain_once()
    put(writer, "more")
    writer.drain_once()
    assert len(one.shown) == 1
    assert len(two.shown) == 2


def test_a_long_file_shows_its_end(make: Make) -> None:
    writer = make(max_size_octets=10_000_000)
    view = View()
    put(writer, *map(str, range(TAIL_LINES + 10)))
    writer.watch("1/M", view)
    writer.drain_once()
    assert view.shown[0] == STAMP + "10"
    assert len(view.shown) == TAIL_LINES

    put(writer, *[f"{number:04} " + "x" * 995 for number in range(1000)])
    late = View()
    writer.watch("1/M", late)
    writer.drain_once()
    assert 500 < len(late.shown) < 520
    assert all(len(text) == len(STAMP) + 1000 for text in late.shown)


def test_a_file_just_rotated_is_filled_up_from_the_ones_before(make: Make) -> None:
    writer = make(max_size_octets=3 * LINE_OCTETS, keep=5)
    view = View()
    put(writer, *map(str, range(100, 110)))
    writer.watch("1/M", view)
    writer.drain_once()
    assert view.shown == [f"{STAMP}{number}" for number in range(100, 110)]
    assert view.tails[0][2] == LINE_OCTETS


def test_a_view_shows_what_the_disk_refuses_once(make: Make, disk: Disk, clock: Clock) -> None:
    writer = make()
    view = View()
    put(writer, "one")
    writer.drain_once()
    disk.refusal = OSError(errno.ENOSPC, "No space left on device")
    writer._folder.close()
    put(writer, "two")
    writer.watch("1/M", view)
    writer.drain_once()
    put(writer, "three")
    writer.drain_once()
    disk.refusal = None
    clock.seconds += RETRY_AFTER
    put(writer, "four")
    writer.drain_once()
    assert view.shown == [STAMP + text for text in ("one", "two", "three", "four")]


def test_a_log_that_cannot_be_read_is_said(make: Make, tmp_path: Path, problems: list[str]) -> None:
    writer = make()
    view = View()
    (tmp_path / "log/M-ABB-1.txt").mkdir(parents=True)
    writer.watch("1/M", view)
    writer.drain_once()
    assert view.tails == [([], "M-ABB-1.txt", 0)]
    assert len(problems) == 1
    assert "cannot be read" in problems[0]


def test_an_opened_view_neither_repeats_nor_misses_while_files_rotate(make: Make) -> None:
    writer = make(max_size_octets=20_000, keep=40)
    writer.start()
    names = range(4)
    go_on = threading.Barrier(len(names) + 1)

    def work(name: int) -> None:
        put(writer, *[f"{name} {number}" for number in range(500)])
        go_on.wait(DEADLINE)
        put(writer, *[f"{name} {number}" for number in range(500, 1000)])

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    views = [View(until=": end") for _ in range(3)]
    writer.watch("1/M", views[0])
    go_on.wait(DEADLINE)
    writer.watch("1/M", views[1])
    for thread in threads:
        thread.join(DEADLINE)
    put(writer, "end")
    writer.watch("1/M", views[2])
    for view in views:
        assert view.is_complete.wait(DEADLINE)
        shown = [text.removeprefix(STAMP).split() for text in view.shown[:-1]]
        for name in names:
            assert [int(n) for who, n in shown if who == str(name)] == list(range(1000))
    assert views[0].shown == views[1].shown == views[2].shown


# The thread


def test_lines_are_written_within_a_second_without_being_asked_for(
    make: Make, tmp_path: Path
) -> None:
    writer = make()
    writer.start()
    view = View(until=": hello")
    writer.watch("1/M", view)
    put(writer, "hello")
    assert view.is_complete.wait(DEADLINE)
    assert writer.stop(DEADLINE)
    assert texts(tmp_path / "log/M-ABB-1.txt") == ["hello"]


def test_stop_writes_what_was_put_before_it(make: Make, tmp_path: Path) -> None:
    writer = make()
    writer.start()
    put(writer, "disconnected", "the end")
    assert writer.stop(DEADLINE)
    assert texts(tmp_path / "log/M-ABB-1.txt") == ["disconnected", "the end"]


def test_stop_does_not_wait_for_a_disk_that_hangs(
    make: Make, tmp_path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    is_open, may_go_on = threading.Event(), threading.Event()

    def hang(path: Path) -> FileIO:
        is_open.set()
        assert may_go_on.wait(DEADLINE)
        return open_for_appending(path)

    writer = LogWriter(tmp_path / "log", opener=hang)
    writer.start()
    put(writer, "one")
    assert is_open.wait(DEADLINE)
    assert not writer.stop(timeout=0.01)
    assert "did not end" in caplog.text
    may_go_on.set()
    assert writer.stop(DEADLINE)


def test_the_thread_survives_an_error_of_its_own(
    make: Make, tmp_path: Path, disk: Disk, expected_errors: list[logging.LogRecord]
) -> None:
    plain = disk.open
    is_hit = threading.Event()

    def fail_once(path: Path) -> FileIO:
        if not is_hit.is_set():
            is_hit.set()
            raise ZeroDivisionError
        return plain(path)

    disk.open = fail_once  # type: ignore[method-assign]
    writer = make()
    writer.start()
    put(writer, "one")
    assert is_hit.wait(DEADLINE)
    put(writer, "two")
    assert writer.stop(DEADLINE)
    assert texts(tmp_path / "log/M-ABB-1.txt") == ["one", "two"]
    assert ["goes on" in record.getMessage() for record in expected_errors] == [True]


def test_an_error_at_the_end_is_logged_and_the_files_are_closed(
    tmp_path: Path, expected_errors: list[logging.LogRecord]
) -> None:
    def fail(path: Path) -> FileIO:
        raise ZeroDivisionError

    writer = LogWriter(tmp_path / "log", opener=fail)
    writer.start()
    put(writer, "one")
    assert not writer.stop(DEADLINE)
    assert "at its end" in expected_errors[-1].getMessage()


def test_a_view_that_fails_is_closed_and_harms_nobody(
    make: Make, tmp_path: Path, expected_errors: list[logging.LogRecord]
) -> None:
    class Broken(View):
        def show(self, text: str) -> None:
            raise ZeroDivisionError

    writer = make()
    view, late, sound = Broken(), Broken(), View()
    writer.watch("1/M", view)
    writer.watch("1/M", sound)
    writer.drain_once()
    put(writer, "one", "two")
    writer.watch("1/M", late)
    writer.drain_once()
    put(writer, "three")
    writer.drain_once()
    assert texts(tmp_path / "log/M-ABB-1.txt") == ["one", "two", "three"]
    assert sound.shown == [STAMP + text for text in ("one", "two", "three")]
    assert len(expected_errors) == 2


def test_a_line_that_is_none_stops_no_other(
    make: Make, tmp_path: Path, expected_errors: list[logging.LogRecord]
) -> None:
    writer = make()
    writer.put(LogLine("1/M", NOON, Level.INFO, None))  # type: ignore[arg-type]  # a bug elsewhere
    put(writer, "two")
    writer.drain_once()
    assert texts(tmp_path / "log/M-ABB-1.txt") == ["two"]
    assert len(expected_errors) == 1


def test_a_listener_for_problems_that_fails_stops_nothing(
    tmp_path: Path, disk: Disk, expected_errors: list[logging.LogRecord]
) -> None:
    def fail(text: str) -> None:
        raise ZeroDivisionError

    writer = LogWriter(tmp_path / "log", problem=fail, opener=disk.open, now=lambda: NOON)
    disk.refusal = OSError(errno.ENOSPC, "No space left on device")
    put(writer, "one")
    writer.drain_once()
    disk.refusal = None
    assert writer.stop(DEADLINE)
    assert texts(tmp_path / "log/1-M.txt") == ["one"]
    assert len(expected_errors) == 2  # once when it began, once when it was over
