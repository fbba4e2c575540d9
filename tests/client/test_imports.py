"""The import lines of the documents, from a checkout and after an installation."""

import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
PROGRAM = """
from iec104_client import IEC104Client
from iec104_client import IEC104_Client
from iec104_data_processor import IEC104DataProcessor as dp
import iec104_definitions
import core.client
assert IEC104Client is IEC104_Client is core.client.IEC104Client
assert dp is core.client.IEC104DataProcessor
assert iec104_definitions.M_ME_TF_1 == 36 == iec104_definitions.TypeId.M_ME_TF_1
assert iec104_definitions.DEFAULT_PORT == 2404
assert iec104_definitions.Cause.SPONTANEOUS == 3
assert iec104_definitions.OBJECT_OCTETS[36] == 12
assert iec104_definitions.STARTDT_ACT == 7
assert all(hasattr(iec104_definitions, name) for name in iec104_definitions.__all__)
print(core.client.__file__)
"""


def run(folder, path=""):
    environment = {**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=folder, env=environment,
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def test_with_the_checkouts_core_as_working_folder():
    assert run(TOP / "core").is_relative_to(TOP)


def test_with_the_checkouts_core_on_the_path(tmp_path):
    assert run(tmp_path, TOP / "core").is_relative_to(TOP)


def can_build():
    try:
        return int(re.split(r"\D", version("setuptools"))[0]) >= 77
    except PackageNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not can_build(), reason="setuptools 77 or newer is not installed here")
def test_after_an_installation(tmp_path):
    source, target = tmp_path / "source", tmp_path / "installed"
    source.mkdir()
    for part in ("core", "app"):
        copy_sources(TOP / part, source / part)
    for part in ("pyproject.toml", "README.md", "LICENSE"):
        (source / part).write_bytes((TOP / part).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
         "--no-build-isolation", "--target", target, source],
        check=True,
    )  # fmt: skip
    assert (target / "iec104_client.py").is_file()
    assert run(tmp_path, target).is_relative_to(target)


def copy_sources(here, there):
    for path in here.rglob("*.py"):
        to = there / path.relative_to(here)
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(path.read_bytes())
