"""The manual says what is true: its page is built anew, its commands run, its quotes are ours."""

import ast
import errno
import os
import re
import subprocess
import sys
import time
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from app.arguments import _parser as gateway_parser
from app.commands import COMMANDS
from app.commands.monitor import _parser as monitor_parser
from core.client.requests import command_type
from core.config import OPTIONS, BadValue, Severity, read_fully
from core.protocol.codes import TypeId
from core.routing.guard import COMMANDS as GUARDED_COMMANDS
from core.simulator.program import _parser as simulator_parser
from core.simulator.requests import _CAUSES as SIMULATOR_CAUSES
from docs import build, tables
from tests.support.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = {path.name: path.read_text("utf-8") for path in build.chapter_paths()}
PAGE = build.PAGE.read_text("utf-8")


def test_the_page_and_the_generated_parts_are_up_to_date():
    """Renew them with ``python -m docs.build``."""
    assert build.outdated() == []


def test_every_chapter_is_in_the_list():
    assert {path.name for path in build.CHAPTERS.glob("*.md")} == set(CHAPTERS)


def test_every_generated_part_is_in_a_chapter():
    used = re.findall(r"^<!-- ([\w-]+):begin -->$", "\n".join(CHAPTERS.values()), re.MULTILINE)
    assert sorted(used) == sorted(tables.GENERATED)


# The page


class _Page(HTMLParser):
    """What a browser needs: closed tags, unique anchors, links and pictures that lead somewhere."""

    def __init__(self, text):
        super().__init__()
        self.open, self.wrong, self.ids, self.links, self.pictures = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag not in ("meta", "img", "br", "rect", "path", "hr"):
            self.open.append(tag)
        if "id" in given:
            self.ids.append(given["id"])
        if "href" in given:
            self.links.append(given["href"])
        if tag == "img":
            self.pictures.append((given["src"], given["alt"]))

    def handle_startendtag(self, tag, attrs):
        if tag not in ("rect", "path", "img"):
            self.wrong.append(tag)
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_the_page_is_whole():
    page = _Page(PAGE)
    assert (page.wrong, page.open) == ([], [])
    assert len(set(page.ids)) == len(page.ids)
    assert len(page.links) > 150
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_the_page_needs_no_network_and_what_it_refers_to_is_there():
    page = _Page(PAGE)
    assert "<script" not in PAGE
    assert "@import" not in PAGE
    outside = [link for link in page.links if not link.startswith("#")]
    assert [link for link in outside if not (build.DOCS / link.partition("#")[0]).is_file()] == []
    missing = [source for source, _ in page.pictures if not (build.DOCS / source).is_file()]
    assert missing == []
    assert all(words for _, words in page.pictures)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A manual of one chapter; what is given replaces its text."""
    folder = tmp_path / "manual"
    folder.mkdir()
    (folder / "style.css").write_text("", "utf-8")
    monkeypatch.setattr(build, "DOCS", tmp_path)
    monkeypatch.setattr(build, "CHAPTERS", folder)
    monkeypatch.setattr(build, "FIRST", folder / "README.md")
    monkeypatch.setattr(build, "PAGE", tmp_path / "manual.html")

    def write(text):
        (folder / "README.md").write_text(
            "# About\n\n<!-- chapters -->\n1. [One](one.md)\n<!-- end of chapters -->\n", "utf-8"
        )
        (folder / "one.md").write_text(text, "utf-8")

    return write


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("# One\n\n[x](two.md)\n", "two.md is not there"),
        ("# One\n\n[x](#nowhere)\n", "no such heading"),
        ("# One\n\n[x](README.md#nowhere)\n", "no such heading"),
        ("# One\n\n## Same\n\n## Same\n", "there twice"),
        ("# One\n\n# Two\n", "wrong level"),
        ("## One\n", "wrong level"),
        ("text\n", "has no heading"),
        ("# One\n\n<b>bold</b>\n\n<div>\n", "HTML"),
    ],
)
def test_what_cannot_be_built_is_named(small, capsys, text, complaint):
    small(text)
    assert build.main([]) == 1
    said = capsys.readouterr().err
    assert said.startswith("one.md")
    assert complaint in said


def test_an_unknown_generated_part_is_named(small, capsys):
    small("# One\n\n<!-- unheard-of:begin -->\n<!-- unheard-of:end -->\n")
    assert build.main([]) == 1
    assert "no generated part is called 'unheard-of'" in capsys.readouterr().err


def test_a_build_renews_what_was_out_of_date_and_nothing_else(small, capsys):
    small("# One\n\n## Part\n\n[up](#part) [first](README.md)\n\n<!-- commands:begin -->\n"
          "<!-- commands:end -->\n\nlast & least\n")  # fmt: skip
    assert build.main(["--check"]) == 1
    assert capsys.readouterr().out.count("out of date") == 2
    assert build.main([]) == 0
    assert build.main(["--check"]) == 0
    chapter = (build.CHAPTERS / "one.md").read_text("utf-8")
    assert "| `iec104mm2ss decode` |" in chapter
    assert chapter.endswith("\n\nlast & least\n")
    page = build.PAGE.read_text("utf-8")
    assert '<a href="#one-part">up</a> <a href="#readme">first</a>' in page
    assert '<h3 id="one-part"><span class="number">1.1</span> Part</h3>' in page


def test_figures_are_taken_over_where_there_are_any(tmp_path, monkeypatch):
    file = tmp_path / "performance.md"
    monkeypatch.setattr(tables, "PERFORMANCE", file)
    assert "not in this copy" in tables.GENERATED["performance"]()
    file.write_text(
        "# P\n\n## How cost grows\n\n[x](y.md)\n\n```\n# 1\n```\n## Other\n\nz\n", "utf-8"
    )
    with pytest.raises(ValueError, match="no heading 'What limits it'"):
        tables.GENERATED["performance"]()
    file.write_text(file.read_text("utf-8") + "## What limits it\n\nk\n", "utf-8")
    text = tables.GENERATED["performance"]()
    assert text.startswith("### How cost grows\n\n[x](../y.md)\n\n```\n# 1\n```\n\n### What")


def test_it_prints(tmp_path):
    pytest.importorskip("weasyprint", reason="the extra docs is not installed")
    path = tmp_path / "manual.pdf"
    build.write_pdf(path)
    octets = path.read_bytes()
    assert octets.startswith(b"%PDF-")
    assert len(octets) > 100_000


# What it says


def marked_blocks():
    """Commands the manual says to run: chapter, command line, exit code, output or None."""
    fence = r"<!-- run(?:: (\d))? -->\n```sh\n(.*?)\n```\n(?:\n<!-- output -->\n```\n(.*?)```)?"
    for name, text in CHAPTERS.items():
        for code, command, output in re.findall(fence, text, re.DOTALL):
            yield pytest.param(name, command, int(code or 0), output, id=f"{name}: {command[:50]}")


@pytest.mark.parametrize(("chapter", "command", "code", "output"), list(marked_blocks()))
def test_a_command_does_what_the_manual_shows(tmp_path, chapter, command, code, output):
    files = re.findall(r"<!-- file: ([\w.]+) -->\n```\n(.*?)```", CHAPTERS[chapter], re.DOTALL)
    for name, text in files:
        (tmp_path / name).write_text(text, "utf-8")
    program, *arguments = command.split()
    assert program == "iec104mm2ss"
    done = subprocess.run(
        [sys.executable, ROOT / "iec104mm2ss.py", *arguments],
        cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=60, check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (code, "")
    where = {str(tmp_path / name) for name, _ in files}
    lines = [line for line in done.stdout.splitlines() if line not in where]
    assert lines == output.splitlines()


PROGRAM = [sys.executable, str(ROOT / "iec104mm2ss.py")]


@pytest.fixture
def started():
    """Starts programs that are ended with the test."""
    running = []

    def start(*arguments, folder):
        running.append(subprocess.Popen(
            [*PROGRAM, *arguments], cwd=folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ))  # fmt: skip

    yield start
    for process in running:
        process.terminate()
    for process in running:
        process.wait(20)


def test_the_first_group_works_as_told(tmp_path, started):
    """The commands of "A group of your own", with other ports and without the window."""
    chapter = CHAPTERS["first-start.md"]
    file = re.search(r"<!-- file: first.csv -->\n```\n(.*?)```", chapter, re.DOTALL)[1]
    block = re.search(r"^\*\*Run it\*\*.*?```sh\n(.*?)```", chapter, re.DOTALL | re.MULTILINE)[1]
    for shown, port in zip(("2404", "2410", "2411"), free_ports(3), strict=True):
        assert file.count(shown) == 1
        file, block = file.replace(shown, str(port)), block.replace(shown, str(port))
    (tmp_path / "first.csv").write_text(file, "utf-8")
    simulate, gateway, *monitors = (line.split()[1:] for line in block.splitlines())
    started(*simulate, folder=tmp_path)
    started(*gateway, "-n", folder=tmp_path)
    said = []
    for monitor in monitors:
        done = subprocess.run(
            [*PROGRAM, *monitor, "--for", "30"], input="on 70003\nquit\n", cwd=tmp_path,
            capture_output=True, encoding="utf-8", timeout=60, check=False,
        )  # fmt: skip
        said.append((done.returncode, done.stdout))
    assert [code for code, _ in said] == [0, 1]
    assert "on 70003: confirmed" in said[0][1]
    assert "1047/70003: negative confirmation" in said[1][1]
    log = tmp_path / "log" / "M-New centre.txt"
    wanted, until = "refused: rights=monitor; it was C_SC_NA_1", time.monotonic() + 10
    while wanted not in log.read_text("utf-8") and time.monotonic() < until:
        time.sleep(0.05)
    assert wanted in log.read_text("utf-8")


def test_every_command_line_is_one():
    parsers = {"simulate": simulator_parser("simulate"), "monitor": monitor_parser()}
    shown = []
    for text in CHAPTERS.values():
        shown += re.findall(r"^iec104mm2ss (.*)$", text, re.MULTILINE)
    shown = [line.split() for line in shown if not re.search(r"[\[\]]|\bCOMMAND\b", line)]
    assert len(shown) > 8
    for first, *rest in shown:
        if first in parsers:
            parsers[first].parse_args(rest)
        elif first not in COMMANDS:
            gateway_parser().parse_args([first, *rest])


def sample_files():
    """Blocks that are configuration files, but the one with mistakes."""
    for name, text in CHAPTERS.items():
        for token in MarkdownIt("commonmark").parse(text):
            if token.type != "fence" or token.info or "mistake" in token.content:
                continue
            if re.search(r"^\d+(?:,[^,\n]*){5}", token.content, re.MULTILINE):
                yield pytest.param(token.content, id=name)


def test_the_sample_files_are_found():
    assert len(list(sample_files())) == 4


@pytest.mark.parametrize("text", list(sample_files()))
def test_a_sample_file_is_read_without_a_complaint(text):
    reading = read_fully(text.encode(), "sample.csv")
    assert reading.config.groups
    assert reading.worst in (None, Severity.NOTICE), list(map(str, reading.diagnostics))


INSTALLER = {"--user", "--prefix", "--no-service", "--dry-run"}
SERVICE = {"--install-service", "--remove-service", "--service", "--name"}


def test_every_option_of_a_command_line_is_one():
    known = INSTALLER | SERVICE | {"--now"}  # the last of systemctl
    for parser in (gateway_parser(), monitor_parser(), simulator_parser("simulate")):
        known |= {name for action in parser._actions for name in action.option_strings}
    for name, text in CHAPTERS.items():
        spans = [*re.findall(r"`([^`\n]+)`", text), *re.findall(r"^iec104.*", text, re.MULTILINE)]
        for span in spans:
            used = re.findall(r"(?<![\w-])--[a-z][\w-]*", span)
            assert set(used) <= known, (name, span)


def test_every_value_of_an_option_is_accepted():
    options = {option.name: option for option in OPTIONS}
    found = set()
    for name, text in CHAPTERS.items():
        for option, value in re.findall(r"\b([a-z]\w*)=(\w+)", text):
            if option in options:
                found.add(option)
                assert not isinstance(options[option].check(value), BadValue), (name, option, value)
    assert {"rights", "clock", "conns", "mode", "same", "gi", "gi_data", "oa", "startdt"} <= found


def test_what_client_and_simulator_are_said_to_do_is_what_they_do():
    asking = (ROOT / "core/client/asking.py").read_text("utf-8")
    named = {TypeId[name] for name in re.findall(r"TypeId\.(\w+)", asking)}
    commands = {TypeId(command_type(number, tagged=False)) for number in GUARDED_COMMANDS}
    assert named | commands == tables.CLIENT_ASKS
    assert set(SIMULATOR_CAUSES) == tables.SIMULATOR_TAKES


# Quoted log lines


@cache
def fragments():
    """Every piece of text in the program that may become a piece of a log line, longest first."""
    found = {os.strerror(n) for n in (errno.ECONNREFUSED, errno.EADDRINUSE, errno.EACCES)}
    for path in (*ROOT.glob("core/**/*.py"), *ROOT.glob("app/**/*.py"), ROOT / "iec104mm2ss.py"):
        tree = ast.parse(path.read_text("utf-8"))
        strings = (node.value for node in ast.walk(tree)
                   if isinstance(node, ast.Constant) and isinstance(node.value, str))  # fmt: skip
        for string in strings:
            # Names of logging's fields stand where values will: what is between them is the text.
            found |= {
                piece.strip(" \N{MIDDLE DOT}") for piece in re.split(r"%[-+.\d]*[a-z]", string)
            }
    found.add("unrecognized arguments")  # of argparse
    found |= {reason.name.lower().replace("_", " ") for reason in build_faults()}
    return sorted((piece for piece in found if len(piece) > 3), key=len, reverse=True)


def build_faults():
    from core.routing.guard import Fault

    return Fault


VALUES = re.compile(
    r"[\d.:;,/()\[\]'`=-]+|[CMP]_[A-Z]{2}_[A-Z]{2}_1|[SM]/?|Old|centre|Harbour|scada1|chronyd"
    r"|CA|IOA|on|t[0-3]|k|w|RTU|hosts|port|a|s|it|in|no|or|was|servers"
)
"""What a reader replaces by names and numbers of his own, and words shorter than a fragment."""


def is_in_a_fragment(part):
    """Whether a quote shows a piece of one text of ours."""
    part = part.strip(" ;:")
    return len(part) > 3 and any(part in fragment for fragment in fragments())


def unknown_words(quote):
    """The words of a quoted line that are neither the program's nor a name or number."""
    rest = " ".join(part for part in re.split(r"\.\.", quote) if not is_in_a_fragment(part))
    for fragment in fragments():
        if fragment in rest:
            left, right = r"(?<!\w)" * fragment[0].isalnum(), r"(?!\w)" * fragment[-1].isalnum()
            rest = re.sub(left + re.escape(fragment) + right, " ", rest)
    return [word for word in re.findall(r"\S+", rest) if not VALUES.fullmatch(word)]


def quotes():
    """Lines in blocks marked `log`, and what stands in columns that quote the program."""
    for name, text in CHAPTERS.items():
        for block in re.findall(r"^```log\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            yield from ((name, line) for line in block.splitlines())
        for head, rows in re.findall(r"^(\|.*)\n\|[-|: ]+\|\n((?:\|.*\n)+)", text, re.MULTILINE):
            first = head.split("|")[1]
            if re.search(r"says|log|refused:", first):
                for row in rows.splitlines():
                    yield from (
                        (name, span) for span in re.findall(r"`([^`]+)`", row.split("|")[1])
                    )


def test_quoted_lines_are_the_programs_own():
    found = list(quotes())
    assert len(found) > 70
    wrong = [(name, quote, words) for name, quote in found if (words := unknown_words(quote))]
    assert wrong == []


@pytest.mark.parametrize(
    "quote", ["the RTU did not reply", "refused 10.1.2.3:50113: not on the list", "started nicely"]
)
def test_a_line_the_program_does_not_write_is_found(quote):
    assert unknown_words(quote)
