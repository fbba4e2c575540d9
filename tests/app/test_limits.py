"""Open files: the soft limit is raised to the hard one, and one too low for the file is said."""

from types import SimpleNamespace

import pytest

from app import limits
from app.limits import raise_open_files, too_few_files
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
