"""The release step as far as it needs no build: the files alone decide what comes out."""

import importlib.util
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT

COMMIT = 1_700_000_000


def _step():
    spec = importlib.util.spec_from_file_location("release", ROOT / "assets" / "release.py")
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


release = _step()


def folder_in(place: Path, names: list[str]) -> Path:
    folder = place / "iec104mm2ss-1"
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


NAMES = ["iec104mm2ss-cli", "README.md", "_internal/z.so", "_internal/a.so", "linux/install.sh"]


def test_the_same_files_make_the_same_archives(tmp_path: Path) -> None:
    one = folder_in(tmp_path / "one", NAMES)
    other = folder_in(tmp_path / "other", NAMES[::-1])
    for path in other.rglob("*.so"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    for pack in (release.pack_zip, release.pack_tar):
        assert pack(one, COMMIT).read_bytes() == pack(other, COMMIT).read_bytes()


def test_programs_and_scripts_can_be_run_when_unpacked(tmp_path: Path) -> None:
    folder = folder_in(tmp_path, NAMES)
    with zipfile.ZipFile(release.pack_zip(folder, COMMIT)) as packed:
        modes = {e.filename.partition("/")[2]: e.external_attr >> 16 for e in packed.infolist()}
        assert {entry.date_time for entry in packed.infolist()} == {(2023, 11, 14, 22, 13, 20)}
    with tarfile.open(release.pack_tar(folder, COMMIT)) as packed:
        assert {e.name.partition("/")[2]: e.mode | 0o100000 for e in packed} == modes
    runnable = {name for name, mode in modes.items() if mode & 0o111}
    assert runnable == {"iec104mm2ss-cli", "linux/install.sh"}


@pytest.mark.posix
def test_a_link_stays_one_where_links_are_known(tmp_path: Path) -> None:
    folder = folder_in(tmp_path, NAMES)
    (folder / "_internal" / "link.so").symlink_to("a.so")
    with tarfile.open(release.pack_tar(folder, COMMIT)) as packed:
        assert packed.getmember("iec104mm2ss-1/_internal/link.so").linkname == "a.so"
    with zipfile.ZipFile(release.pack_zip(folder, COMMIT)) as packed:
        assert packed.read("iec104mm2ss-1/_internal/link.so") == b"_internal/a.so"


def test_the_time_of_a_release_is_given_or_that_of_the_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(COMMIT))
    assert release.source_date() == COMMIT
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "5")
    assert release.source_date() == release.EARLIEST  # what a ZIP can say
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    monkeypatch.setattr(subprocess, "run", _no_git)
    assert release.source_date() == release.EARLIEST


def _no_git(*_: object, **__: object) -> None:
    raise FileNotFoundError("git")
