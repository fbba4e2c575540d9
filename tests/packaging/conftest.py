"""A release as people get it: built once for all tests, and unpacked from its archive.

`IEC_FROZEN=FOLDER` tests the release in that folder (as assets/release.py leaves it) instead of
building one. With `PACKAGING_TESTS=required` what is missing for a build fails instead of skipping.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.packaging.frozen import Frozen, text_of
from tests.support.wire import Wire

ROOT = Path(__file__).resolve().parents[2]


def missing(why: str) -> NoReturn:
    if os.environ.get("PACKAGING_TESTS") == "required":
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the archives and the checksums of a release."""
    given = os.environ.get("IEC_FROZEN")
    if given:
        return Path(given).resolve()
    if importlib.util.find_spec("PyInstaller") is None:
        missing("PyInstaller is not installed (pip install -e '.[build]')")
    output = tmp_path_factory.mktemp("release")
    # Its cache outside the home of whoever runs the tests.
    env = {**os.environ, "PYINSTALLER_CONFIG_DIR": str(output / "cache")}
    command = [sys.executable, str(ROOT / "assets" / "release.py"), "--output", str(output)]
    with (output / "said.txt").open("wb") as said:
        built = subprocess.run(
            [*command, "--manual", "as-it-is"], env=env, cwd=output, check=False,
            stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
        )  # fmt: skip
    text = text_of(output / "said.txt")
    if built.returncode and "PythonLibraryNotFound" in text:
        missing("this Python has no shared library (Debian: apt-get install libpython3-dev)")
    assert built.returncode == 0, text
    return output


@pytest.fixture(scope="session")
def frozen(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Frozen]:
    """The unpacked release, in a folder whose name has blanks and letters beyond ASCII."""
    home = tmp_path_factory.mktemp("home") / "My Gateway é ü"
    home.mkdir()
    if sys.platform == "win32":
        (archive,) = release.glob("*-windows-*.zip")
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(home)
    else:
        (archive,) = release.glob("*-linux-*.tar.gz")
        with tarfile.open(archive) as packed:
            # Newer Pythons want to be told whom to trust.
            packed.extractall(home, **({"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}))
    (folder,) = home.iterdir()
    with Frozen(folder) as frozen:
        yield frozen
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def wire() -> Iterator[Wire]:
    """The scripted peers' thread; what the gateway did wrong fails the test at the end."""
    with Wire() as wire:
        yield wire
