"""docs/protocol.md says what is true: its table is made from the layouts, its examples run."""

import re
import subprocess
import sys

import pytest

from app.commands.decode import answers
from core.protocol.codes import TypeId
from core.protocol.layouts import object_type, object_types
from tests.app import coverage_table as table
from tests.support import vectors

ROOT = table.MANUAL.parents[1]
TEXT = table.MANUAL.read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_the_table_of_types_is_the_layouts_own():
    """Renew it with ``python -m tests.app.coverage_table``."""
    written = TEXT.split(table.BEGIN)[1].split(table.END)[0]
    assert written == table.coverage_table()


def test_the_table_has_every_type_of_the_standard():
    numbers = re.findall(r"^\| (\d+) \| (\w+) \|", table.coverage_table(), re.MULTILINE)
    assert [(int(number), name) for number, name in numbers] == [
        (int(type_id), type_id.name) for type_id in TypeId
    ]


@pytest.mark.parametrize("kind", object_types(), ids=lambda kind: kind.name)
def test_the_direction_is_that_of_the_vectors(kind):
    seen = {
        vector["direction"]
        for vector in vectors.well_formed("I")
        if vector["decoded"]["type_id"] == kind.type_id
    }
    assert table.direction(kind) in {*seen, "both"}


def test_the_reserved_types_are_those_without_a_layout():
    listed = re.search(r"Reserved type identifications \(([^)]*)\)", TEXT)[1]
    numbers = set()
    for part in re.split(r",\s*", listed):
        first, _, last = part.partition("-")
        numbers |= set(range(int(first), int(last or first) + 1))
    assert numbers == {number for number in range(128) if object_type(number) is None}


def test_every_field_of_the_json_form_is_explained():
    chapter = TEXT.split("## Frames as JSON")[1].split("\n## ")[0]
    explained = set(re.findall(r"`(\w+)`", chapter))
    explained |= {f"{word}_l2" for word in ("start", "command")}  # "l1 to l3"

    def names(value):
        if isinstance(value, dict):
            return set(value).union(*map(names, value.values()))
        return set().union(*map(names, value)) if isinstance(value, list) else set()

    used = set().union(*(names(v["decoded"]) for form in "ISU" for v in vectors.well_formed(form)))
    assert used <= explained


def test_the_example_runs_and_its_command_prints_what_the_manual_says(tmp_path):
    script = tmp_path / "mine.py"
    path = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n"
    script.write_text(path + "".join(code for kind, code in BLOCKS if kind == "python"), "utf-8")
    octets = re.search(r"^For `([^`]*)` it prints", TEXT, re.MULTILINE)[1]
    (expected,) = (code for kind, code in BLOCKS if kind == "")
    done = subprocess.run(
        [sys.executable, "-X", "dev", script, octets], capture_output=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().splitlines() == expected.splitlines()


def test_the_manual_is_linked_and_links_what_is_there():
    assert "(docs/protocol.md)" in (ROOT / "README.md").read_text("utf-8")
    for path in re.findall(r"`((?:tests|core)/[\w/.]*)`", TEXT):
        assert (ROOT / path).exists(), path


def test_the_readme_shows_what_decode_prints():
    readme = (ROOT / "README.md").read_text("utf-8")
    octets, expected = re.search(
        r"^\$ iec104mm2ss.py decode (.*)\n((?:.+\n)+?)```", readme, re.MULTILINE
    ).groups()
    assert [answer.line for answer in answers(octets)] == expected.splitlines()
