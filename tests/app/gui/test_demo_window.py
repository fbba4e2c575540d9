"""`--demo` opens the window where there is a display."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.windows import UNDER_WINE

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_the_demo_opens_in_the_window_and_ends_in_order(display, tmp_path):
    settings = dict.fromkeys(("XDG_CONFIG_HOME", "APPDATA"), str(tmp_path / "config"))
    ended = subprocess.run(
        [sys.executable, ROOT / "iec104mm2ss.py", "--demo", "--for", "8", "--log-dir", tmp_path],
        env={**os.environ, **settings}, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    told = ended.stderr
    if UNDER_WINE:  # slow enough for the time the disk is given
        told = told.replace("The log writer did not end within 0.6 s.\n", "")
    assert (ended.returncode, ended.stdout, told) == (0, "", "")
    log = (tmp_path / "iec104mm2ss.txt").read_text("utf-8")
    assert "masters have data transfer" in log
    assert "error in the window" not in log
