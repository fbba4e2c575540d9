"""Runs from seeds: in virtual time many, over sockets a short one; the long ones by command."""

import os
import subprocess
import sys

import pytest

from tests.reliability.plant import Shape
from tests.reliability.process_host import ROOT
from tests.reliability.run import SOCKETS, run_sockets, run_virtual

VIRTUAL_SECONDS = 120.0
SOCKET_SECONDS = 15.0


@pytest.mark.parametrize("seed", [1, 2])
def test_several_masters_under_faults(seed):
    report = run_virtual(seed, VIRTUAL_SECONDS, Shape(groups=3))
    assert report.is_clean, str(report)
    assert report.faults > VIRTUAL_SECONDS / 4
    assert report.total("events") > 1000
    assert report.counts["answers"] > 100


@pytest.mark.parametrize("seed", [102])
def test_a_single_master_under_faults_loses_nothing_in_silence(seed):
    report = run_virtual(seed, VIRTUAL_SECONDS, Shape(groups=4, masters=1))
    assert report.is_clean, str(report)
    assert report.total("kept for it")


def test_nothing_is_left_of_connections_and_entries_that_are_gone():
    shape = Shape(groups=3, masters=2, varied=False, rate=(1.0, 5.0))
    report = run_virtual(5, 120.0, shape, pause=0.4, kills=False)
    assert report.is_clean, str(report)
    assert report.counts["links"] > 100
    assert sum(report.counts[f"fault {kind}"] for kind in ("restart_rtu", "edit_master", "remove"))
    links = report.links
    assert report.census == {"Hub": 3, "RtuEnd": 3, "MasterEnd": 6, "Port": 6, "Stream": links}


def test_one_seed_is_one_run_to_the_last_octet():
    code = (
        "from tests.reliability.run import run_virtual;"
        "print(run_virtual(7, 20.0, pause=0.5).transcript)"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=100,
            check=True,
        ).stdout
        for seed in ("1", "4711")
    }
    assert len(told) == 1
    assert told != {""}


@pytest.mark.slow
@pytest.mark.posix
def test_a_short_run_over_sockets(tmp_path):
    """The gateway is killed once on the way."""
    report, samples = run_sockets(
        2, SOCKET_SECONDS, tmp_path, SOCKETS, pause=0.5, kill_at=SOCKET_SECONDS / 2, every=2.0
    )
    assert report.is_clean, str(report)
    assert report.counts["fault kill"]
    assert report.total("events") > 1000
    assert max(one.descriptors for one in samples) < 200
