"""A thousand hostile connections; ten thousand by `python -m tests.fuzz.garbage`."""

import sys

import pytest

from tests.fuzz.garbage import attack

CONNECTIONS = 1000


@pytest.mark.posix
@pytest.mark.skipif(sys.platform != "linux", reason="/proc, and all of 127.0.0.0/8 local")
def test_after_a_thousand_hostile_connections_everything_is_what_it_was(tmp_path):
    outcome = attack(tmp_path, CONNECTIONS, warm_up=200)
    assert sum(outcome.kinds.values()) == CONNECTIONS
    assert outcome.hostile_rtu_connections
