"""The container files, as far as they can be tried without a container engine."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.commands import COMMANDS
from app.commands.monitor import _parser as monitor_parser
from core.config import read_fully
from tests.support.ports import HOST, free_port

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "assets" / "docker"
COMPOSE = (DOCKER / "compose.yaml").read_text("utf-8")
COMMAND_LINES = [
    [word.strip().strip('"') for word in line.split(",")]
    for line in re.findall(r"^    command: \[(.*)\]$", COMPOSE, re.MULTILINE)
]


def health(ports: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-X", "dev", DOCKER / "health.py"],
        env={**os.environ, "HEALTH_PORTS": ports}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="containers are Linux")
def test_healthy_is_who_listens_on_all_ports():
    port = free_port()
    assert health("").returncode == 0
    assert health(f"{port}").returncode == 1
    with socket.create_server((HOST, port)):
        assert health(f" {port}  ").returncode == 0
        other = free_port()
        both = health(f"{port} {other}")
        assert (both.returncode, both.stderr) == (1, f"nobody listens on {other}\n")


def test_the_gateway_of_the_plant_is_configured_as_its_neighbours_expect():
    reading = read_fully((DOCKER / "gateway.csv").read_bytes(), "gateway.csv")
    assert reading.diagnostics == []
    ports = {m.port for group in reading.config.groups for m in group.masters}
    (checked,) = re.findall(r'HEALTH_PORTS: "([\d ]+)"', COMPOSE)
    assert set(map(int, checked.split())) == ports
    assert len(COMMAND_LINES) == 6
    for program, command, *arguments in COMMAND_LINES:
        assert program == "iec104mm2ss"
        assert command in {*COMMANDS, "-n"}
        if command == "monitor":
            given = monitor_parser().parse_args(arguments)
            host, port = given.station
            (master,) = (m for g in reading.config.groups for m in g.masters if m.port == port)
            assert (host, str(given.ca)) == ("gateway", str(*master.numbers))


def test_both_images_are_made_alike():
    def steps(name: str) -> list[str]:
        lines = (DOCKER / name).read_text("utf-8").splitlines()
        return [
            line for line in lines if not line.startswith(("#", "FROM", "RUN useradd", "RUN add"))
        ]

    assert steps("Dockerfile") == steps("Dockerfile.alpine")
    ignored = [(DOCKER / f"Dockerfile{n}.dockerignore").read_bytes() for n in ("", ".alpine")]
    assert ignored[0] == ignored[1]


@pytest.mark.parametrize("path", [DOCKER / "compose.yaml", ROOT / ".github/workflows/ci.yml"])
def test_it_is_yaml(path):
    yaml = pytest.importorskip("yaml")
    assert isinstance(yaml.safe_load(path.read_text("utf-8")), dict)
