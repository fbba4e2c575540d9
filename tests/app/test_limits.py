"""Open files: the soft limit is raised to the hard one, and one too low for the file is said.
A log folder that cannot be written is said too.
"""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from app import limits
from app.limits import raise_open_files, too_few_files, unwritable_logs
from core.config import Config, read

INFINITY = -1


class System:
    """Limits of the test's own; `refuses` is what raising them meets."""

    RLIMIT_NOFILE = 7
    RLIM_INFINITY = INFINITY

    def __init__(self, soft: int, hard: int, refuses: type[Exception] | None = None) -> None:
        self.limits = (soft, hard)
        self.refuses = refuses
        self.calls = 0

    def getrlimit(self, which: int) -> tuple[int, int]:
        assert which == self.RLIMIT_NOFILE
        return self.limits

    def setrlimit(self, which: int, wanted: tuple[int, int]) -> None:
        assert which == self.RLIMIT_NOFILE
        self.calls += 1
        if self.refuses is not None:
            raise self.refuses("not allowed")
        self.limits = wanted


@pytest.fixture
def system(monkeypatch):
    def system(*args):
        made = System(*args)
        monkeypatch.setattr(limits, "resource", made)
        return made

    return system


def test_the_soft_limit_is_raised_to_the_hard_one(system):
    made = system(1024, 524_288)
    assert raise_open_files() == 524_288
    assert made.limits == (524_288, 524_288)


def test_a_limit_that_stands_at_its_highest_is_left_alone(system):
    made = system(4096, 4096)
    assert raise_open_files() == 4096
    assert made.calls == 0


@pytest.mark.parametrize("refuses", [OSError, ValueError, PermissionError])
def test_a_system_that_refuses_keeps_its_limit(system, refuses):
    made = system(1024, 4096, refuses)
    assert raise_open_files() == 1024
    assert made.calls == 1


@pytest.mark.parametrize("soft", [1024, INFINITY])
def test_no_limit_is_no_limit(system, soft):
    system(soft, INFINITY)
    assert raise_open_files() is None


def test_where_there_is_no_such_limit_none_is_in_force(monkeypatch):
    monkeypatch.setattr(limits, "resource", None)
    assert raise_open_files() is None


def config(groups: int, masters: int) -> Config:
    rows = []
    for number in range(groups):
        rows.append(f"{number},RTU{number},,5,N,127.0.0.1:2404")
        rows += [f"{number},M{number}-{m},{3000 + 100 * number + m},5,Y," for m in range(masters)]
    found, _ = read("\n".join(rows).encode(), "x.csv")
    assert len(found.groups) == groups
    return found


def test_a_port_and_a_connection_are_counted_for_each_master():
    needed = 10 * (1 + 2 * 20) + 100
    loaded = config(10, 20)
    assert too_few_files(loaded, needed) is None
    text = too_few_files(loaded, needed - 1)
    assert text is not None
    assert f"about {needed} open files" in text
    assert f"the system allows {needed - 1}" in text
    assert "ulimit -n" in text
    assert "\n" not in text


def test_each_address_a_port_is_bound_to_is_counted():
    rows = "1,RTU,,5,N,127.0.0.1:2404\n1,M,3000,5,Y,,bind=127.0.0.1;127.0.0.2;::1,conns=2\n"
    loaded, _ = read(rows.encode(), "x.csv")
    needed = 1 + 3 + 2 + 100
    assert too_few_files(loaded, needed) is None
    assert too_few_files(loaded, needed - 1) is not None


def test_no_limit_is_never_too_low():
    assert too_few_files(config(10, 20), None) is None


def test_an_ordinary_limit_is_enough_for_an_ordinary_file():
    assert too_few_files(config(5, 5), 1024) is None


def test_the_real_system_answers(monkeypatch):
    """Asked, not changed: the limit of the test process stays as it is."""
    real = pytest.importorskip("resource", exc_type=ImportError)
    before = real.getrlimit(real.RLIMIT_NOFILE)
    wanted = []
    quiet = SimpleNamespace(
        RLIMIT_NOFILE=real.RLIMIT_NOFILE,
        RLIM_INFINITY=real.RLIM_INFINITY,
        getrlimit=real.getrlimit,
        setrlimit=lambda which, limits_: wanted.append(limits_),
    )
    monkeypatch.setattr(limits, "resource", quiet)
    limit = raise_open_files()
    assert limit is None or limit >= before[0]
    assert wanted in ([], [(before[1], before[1])])
    assert real.getrlimit(real.RLIMIT_NOFILE) == before


def test_a_log_folder_that_can_be_written_is_made_and_left_empty(tmp_path):
    folder = tmp_path / "new" / "log"
    assert unwritable_logs(folder) is None
    assert list(folder.iterdir()) == []
    (folder / "S-R.txt").touch()
    assert unwritable_logs(folder) is None


def test_a_log_folder_that_cannot_be_made_is_said_with_who_and_what_to_do(tmp_path):
    (tmp_path / "file").touch()
    said = unwritable_logs(tmp_path / "file" / "log")
    assert said.startswith(f"the log folder {tmp_path / 'file' / 'log'} cannot be written by user ")
    assert said.endswith("or name another folder with --log-dir")
    assert "\n" not in said


def test_a_log_file_somebody_else_has_left_is_said(tmp_path, monkeypatch):
    for name in ("iec104mm2ss.txt", "S-R.txt"):
        (tmp_path / name).touch()
    theirs = tmp_path / "S-R.txt"
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != theirs)
    said = unwritable_logs(tmp_path)
    assert said.startswith(f"the log file {theirs} cannot be written by user ")


@pytest.mark.posix
def test_a_user_without_a_name_is_a_number(tmp_path, monkeypatch):
    assert sys.platform != "win32"
    (tmp_path / "file").touch()
    monkeypatch.setattr(os, "geteuid", lambda: 3_999_999_999)
    assert "by user 3999999999 (not a directory)" in unwritable_logs(tmp_path / "file" / "log")
