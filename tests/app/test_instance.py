"""One program for each file: who comes second is told, and nobody else is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.instance import AlreadyRunningError, claim

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import sys
from pathlib import Path
from app.instance import claim
with claim(Path(sys.argv[1]), Path(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def hold(tmp_path):
    """Starts other processes that have a claim."""
    held: list[subprocess.Popen[str]] = []

    def hold(ini: Path, folder: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(ini), str(folder)], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        held.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in held:
        process.communicate()


@pytest.fixture
def ini(tmp_path):
    path = tmp_path / "plant é.csv"
    path.write_text("1,R\n", encoding="utf-8")
    return path


def test_the_second_is_told_who_runs_until_the_first_has_ended(hold, ini, tmp_path):
    first = hold(ini, tmp_path / "log")
    with pytest.raises(AlreadyRunningError, match=f"^{first.pid}$"), claim(ini, tmp_path / "log"):
        pytest.fail("both have it")
    first.communicate()
    with claim(ini, tmp_path / "log"):
        pass


def test_a_process_that_was_killed_has_no_claim_any_more(hold, ini, tmp_path):
    first = hold(ini, tmp_path / "log")
    first.kill()
    first.wait()
    with claim(ini, tmp_path / "log"):
        pass


def test_it_is_the_file_and_not_how_it_was_named(hold, ini, tmp_path, monkeypatch):
    hold(ini, tmp_path / "log")
    monkeypatch.chdir(tmp_path)
    for other in (Path(ini.name), Path("log/..") / ini.name):
        with pytest.raises(AlreadyRunningError), claim(other, tmp_path / "log"):
            pytest.fail("both have it")


def test_others_are_not_disturbed(hold, ini, tmp_path):
    """Another file with the same logs, and the same file with other logs."""
    hold(ini, tmp_path / "log")
    (tmp_path / "sub").mkdir()
    for other in (tmp_path / "other.csv", tmp_path / "sub" / ini.name):
        with claim(other, tmp_path / "log"):
            pass
    with claim(ini, tmp_path / "elsewhere"):
        pass


def test_a_claim_that_was_given_up_is_free(ini, tmp_path):
    for _ in range(2):
        with claim(ini, tmp_path / "log"):
            (file,) = (tmp_path / "log").iterdir()
            # Readable meanwhile, on Windows too: whoever copies the log folder meets it.
            assert file.read_text("ascii") == f"{os.getpid()}\n"


def test_where_nothing_can_be_written_nobody_is_refused(ini, tmp_path):
    (tmp_path / "log").write_text("in the way", encoding="utf-8")
    with claim(ini, tmp_path / "log"), claim(ini, tmp_path / "log"):
        pass
