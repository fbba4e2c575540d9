"""docs/simulator.md says what is true: tables, examples and names are the program's own."""

import re
import subprocess
import sys

import pytest

from app.commands.monitor import main as monitor
from app.commands.typed import understood
from core.simulator import data_simulator, read_points, read_scenario
from core.simulator.scenario import ACTIONS, ON
from tests.app import behaviour_table as table
from tests.support.ports import free_ports
from tests.support.windows import DEVELOPMENT_MODE

ROOT = table.MANUAL.parents[1]
TEXT = table.MANUAL.read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_the_table_of_behaviours_is_the_simulators_own():
    """Renew it with ``python -m tests.app.behaviour_table``."""
    assert TEXT.split(table.BEGIN)[1].split(table.END)[0] == table.behaviour_table()


def test_the_scenario_is_one_and_all_its_words_are_explained():
    (scenario,) = (code for kind, code in BLOCKS if not kind and "every 60" in code)
    steps, findings = read_scenario(scenario.encode())
    assert (len(steps), findings) == (6, [])
    chapter = TEXT.split("### Scenarios")[1].split("\n### ")[0]
    words = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`([^`]*)`", chapter))))
    assert {*ACTIONS, *ON} <= words


def test_the_points_are_points():
    (points,) = (code for kind, code in BLOCKS if kind == "json")
    read, findings = read_points(points.encode())
    assert (len(read), findings) == (4, [])


def test_the_python_example_runs():
    (code,) = (code for kind, code in BLOCKS if kind == "python")
    port, second = free_ports(2)
    done = subprocess.run(
        [sys.executable, *DEVELOPMENT_MODE, "-c", code.replace("24040", str(port))],
        cwd=ROOT, capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.split() == [b"%d" % second, b"48", b"2"]


def test_every_argument_of_the_monitor_is_in_its_table(capsys):
    with pytest.raises(SystemExit):
        monitor(["--help"])
    arguments = set(re.findall(r"--[a-z][\w-]*", capsys.readouterr().out)) - {"--help"}
    chapter = TEXT.split("## The test master")[1].split("\n## ")[0]
    assert arguments == set(re.findall(r"`(--[a-z-]+)", chapter))


def test_what_may_be_typed_is_understood():
    chapter = TEXT.split("What may be typed")[1].split("Behind a command")[0]
    lines = re.findall(r"`([^`]*)`", "".join(re.findall(r"^\| (.*?) \| ", chapter, re.MULTILINE)))
    values = {"IOA": "7", "VALUE": "1", "HEX": "f", " [QOI]": "", " [GROUP]": "", "..": "on 7"}
    for line in lines[1:] if lines[0] == "line" else lines:
        for name, value in values.items():
            line = line.replace(name, value)
        understood(line)


def test_the_names_of_the_other_scripts_stand_beside_ours():
    for name in ("batch_server", "client", "data_simulator"):
        assert f"| `{name}` (" in TEXT
    for name in re.findall(r"`(simulate_\w+)", TEXT):
        assert hasattr(data_simulator, name)


def test_the_manual_is_linked_and_links_what_is_there():
    assert "(docs/simulator.md)" in (ROOT / "README.md").read_text("utf-8")
    for path in re.findall(r"(?:\.\./|[ `])((?:core|assets|docs)/[\w./]+)[`)\s]", TEXT):
        assert (ROOT / path).exists(), path
