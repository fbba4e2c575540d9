"""Every link in every document of the project leads somewhere, and commands it names exist."""

import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from docs.build import slug

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "core/**/*.md", "assets/**/*.md", ".github/**/*.md")
    for path in ROOT.glob(pattern)
    if ".venv" not in path.parts
)


def text_of(path):
    """A document without its code, which is no place for links."""
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", lambda found: "x" * ("](" not in found[0]), text)


@cache
def anchors(path):
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {slug(found.replace("`", "")) for found in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path):
    wrong = []
    for href in re.findall(r"\]\(([^)\s]+)", text_of(path)):
        if re.match(r"https?:", href):
            continue
        name, _, anchor = href.partition("#")
        target = (path.parent / name) if name else path
        has_anchors = bool(anchor) and target.suffix == ".md" and target.exists()
        if not target.exists() or (has_anchors and anchor not in anchors(target.resolve())):
            wrong.append(href)
    assert wrong == []


def test_the_documents_are_found():
    names = {path.relative_to(ROOT).as_posix() for path in DOCUMENTS}
    assert {"README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/manual/README.md",
            "docs/protocol.md", "core/simulator/README.md"} <= names  # fmt: skip


ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


@pytest.mark.parametrize("text", [ARCHITECTURE, CONTRIBUTING], ids=["architecture", "contributing"])
def test_files_and_names_of_the_house_are_there(text):
    spans = set(re.findall(r"`([^`\n]+)`", text))
    paths = {
        span for span in spans if re.fullmatch(r"(?:core|app|tests|docs|assets)/[\w./-]+", span)
    }
    assert len(paths) > 10
    there = {path for path in paths if (ROOT / path).exists() or (ROOT / f"{path}.py").exists()}
    assert paths - there == set()
    names = {span for span in spans if re.fullmatch(r"(?:core|app|docs|tests)(?:\.\w+)+", span)}
    wrong = [name for name in sorted(names) if not is_module_or_member(name)]
    assert wrong == []


def is_module_or_member(name):
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        base = ROOT.joinpath(*parts[:n])
        for file in (base.with_suffix(".py"), base / "__init__.py"):
            if file.is_file():
                rest = parts[n:]
                return not rest or re.search(rf"\b{rest[0]}\b", file.read_text("utf-8"))
        if base.is_dir():
            return n == len(parts)
    return False


def test_the_extras_named_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = set()
    for found in re.findall(r"'\.\[([\w,-]+)\]'", CONTRIBUTING):
        named |= set(found.split(","))
    assert {"test", "dev", "docs"} <= named
    assert named <= set(project["optional-dependencies"])


def test_the_marks_named_are_those_of_the_tests():
    options = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]
    marks = {mark.partition(":")[0] for mark in options["ini_options"]["markers"]}
    line = re.search(r"^Marks: (.*?)\.\s", CONTRIBUTING, re.MULTILINE | re.DOTALL)[1]
    assert set(re.findall(r"`(\w+)`", line)) == marks
