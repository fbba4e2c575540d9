"""Builds the manual: the chapters of `docs/manual` into `docs/manual.html`, and into PDF.

    python -m docs.build              renew the generated parts of the chapters, write manual.html
    python -m docs.build --pdf FILE   and print it as PDF as well
    python -m docs.build --check      write nothing; exit code 1 if something is out of date

Needs the extra `docs` (`pip install -e '.[docs]'`), of which the page alone needs `markdown-it-py`.
The order of the chapters is that of the list in `docs/manual/README.md`, whose text comes first.
"""

import argparse
import html
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from core import __version__
from docs.tables import renewed

DOCS: Final = Path(__file__).resolve().parent
CHAPTERS: Final = DOCS / "manual"
FIRST: Final = CHAPTERS / "README.md"
PAGE: Final = DOCS / "manual.html"

_TITLE: Final = "IEC104MM2SS manual"
_LIST: Final = re.compile(r"^<!-- chapters -->\n(.*?)^<!-- end of chapters -->\n", re.M | re.S)


class ManualError(Exception):
    """A chapter says something that cannot be built; the text names the chapter."""


@dataclass(slots=True)
class Heading:
    """A heading as the table of contents has it."""

    level: int
    """1 a chapter, 2 a section, 3 below."""
    number: str
    text: str
    anchor: str


@dataclass(slots=True)
class Chapter:
    """One file, read and numbered."""

    path: Path
    tokens: list[Token]
    headings: list[Heading] = field(default_factory=list)

    @property
    def anchors(self) -> dict[str, str]:
        """Anchor within the file -> anchor in the page."""
        return {slug(heading.text): heading.anchor for heading in self.headings}


def slug(text: str) -> str:
    """The anchor of a heading within its file, as the usual Markdown viewers make it."""
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def chapter_paths() -> list[Path]:
    """The files of the manual in reading order. ManualError if the list names one twice or none."""
    found = _LIST.search(FIRST.read_text("utf-8"))
    names = re.findall(r"\]\(([\w-]+\.md)\)", found[1]) if found else []
    if not names or len(set(names)) < len(names):
        raise ManualError(f"{FIRST.name} needs a list of all chapters, each once")
    missing = [name for name in names if not (CHAPTERS / name).is_file()]
    if missing:
        raise ManualError(f"{FIRST.name} lists {', '.join(missing)}, which is not there")
    return [FIRST, *(CHAPTERS / name for name in names)]


def page(*, is_for_print: bool = False) -> str:
    """The whole manual as one HTML page; links out of it are plain text in the one for print."""
    chapters = [_read(path, number) for number, path in enumerate(chapter_paths())]
    writer = _Writer(chapters, is_for_print)
    body = "\n".join(writer.chapter(chapter) for chapter in chapters)
    style = (CHAPTERS / "style.css").read_text("utf-8")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_TITLE}</title>
<style>
{style}</style>
</head>
<body>
<header><h1>IEC104MM2SS</h1><p>Manual, version {__version__}</p></header>
<nav aria-label="Contents"><h2>Contents</h2>
{_contents(chapters)}
</nav>
<main>
{body}
</main>
</body>
</html>
"""


def _read(path: Path, number: int) -> Chapter:
    text = path.read_text("utf-8")
    if path == FIRST:
        text = _LIST.sub("", text)
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    chapter = Chapter(path, tokens)
    counts = [number, 0, 0]
    for token, inline in pairwise(tokens):
        if token.type != "heading_open":
            continue
        level = int(token.tag[1])
        if level > 3 or (level == 1) != (not chapter.headings):
            raise ManualError(f"{path.name}: heading '{inline.content}' is of the wrong level")
        if level > 1:
            counts[level - 1 :] = [counts[level - 1] + 1, *[0] * (3 - level)]
        heading_text = _plain(inline)
        anchor = path.stem.lower() if level == 1 else f"{path.stem.lower()}-{slug(heading_text)}"
        if anchor in (heading.anchor for heading in chapter.headings):
            raise ManualError(f"{path.name}: heading '{heading_text}' is there twice")
        shown = ".".join(map(str, counts[:level])) if number and level < 3 else ""
        chapter.headings.append(Heading(level, shown, heading_text, anchor))
    if not chapter.headings:
        raise ManualError(f"{path.name} has no heading")
    return chapter


def _plain(inline: Token) -> str:
    return "".join(t.content for t in inline.children or () if t.type in ("text", "code_inline"))


def _contents(chapters: Sequence[Chapter]) -> str:
    lines = ["<ul>"]
    for chapter in chapters:
        first, *rest = chapter.headings
        lines.append(f"<li>{_entry(first)}")
        sections = [heading for heading in rest if heading.level == 2]
        if sections:
            lines += ["<ul>", *(f"<li>{_entry(each)}</li>" for each in sections), "</ul>"]
        lines.append("</li>")
    return "\n".join([*lines, "</ul>"])


def _entry(heading: Heading) -> str:
    number = f"<span>{heading.number}</span> " if heading.number else ""
    return f'<a href="#{heading.anchor}">{number}{html.escape(heading.text)}</a>'


class _Writer:
    """Tokens of Markdown into HTML; every reference is followed, and must lead somewhere."""

    def __init__(self, chapters: Sequence[Chapter], is_for_print: bool) -> None:
        self._by_path = {chapter.path: chapter for chapter in chapters}
        self._is_for_print = is_for_print
        self._markdown = MarkdownIt("commonmark").enable("table")

    def chapter(self, chapter: Chapter) -> str:
        """A chapter as a section of the page."""
        tokens = list(self._prepared(chapter))
        body = self._markdown.renderer.render(tokens, self._markdown.options, {})
        return f'<section class="chapter">\n{body.strip()}\n</section>'

    def _prepared(self, chapter: Chapter) -> Iterator[Token]:
        headings = iter(chapter.headings)
        heading: Heading | None = None
        for token in chapter.tokens:
            match token.type:
                case "html_block":
                    if not token.content.startswith("<!--"):
                        raise ManualError(f"{chapter.path.name}: HTML: {token.content[:40]!r}")
                    continue
                case "heading_open" | "heading_close":
                    if token.type == "heading_open":
                        heading = next(headings)
                        token.attrSet("id", heading.anchor)
                    token.tag = f"h{int(token.tag[1]) + 1}"  # h1 is the page's own title
                case "table_open":
                    yield _html('<div class="table">\n')
                case "inline":
                    if heading is not None and heading.number:
                        number = f'<span class="number">{heading.number}</span> '
                        token.children = [_html(number), *(token.children or ())]
                    heading = None
                    self._follow(chapter, token.children or [])
            yield token
            if token.type == "table_close":
                yield _html("</div>\n")

    def _follow(self, chapter: Chapter, tokens: list[Token]) -> None:
        for index, token in enumerate(tokens):
            if token.type == "link_open":
                target = self._target(chapter, str(token.attrs["href"]))
                if target is None:
                    end = next(i for i in range(index, len(tokens)) if tokens[i].level ==
                               token.level and tokens[i].type == "link_close")  # fmt: skip
                    tokens[index], tokens[end] = _html("<span>"), _html("</span>")
                else:
                    token.attrSet("href", target)
            elif token.type == "image":
                tokens[index] = self._picture(chapter, token)
            elif token.type == "code_inline" and " " not in token.content:
                token.attrSet("class", "word")

    def _target(self, chapter: Chapter, href: str) -> str | None:
        """Where a link leads in the page; None if nowhere."""
        if re.match(r"https?:", href):
            return href
        name, _, anchor = href.partition("#")
        path = Path(os.path.normpath(chapter.path.parent / name)) if name else chapter.path
        other = self._by_path.get(path)
        if other is not None:
            if anchor and anchor not in other.anchors:
                raise ManualError(f"{chapter.path.name}: {href}: no such heading")
            return f"#{other.anchors[anchor] if anchor else other.headings[0].anchor}"
        if not path.exists():
            raise ManualError(f"{chapter.path.name}: {href} is not there")
        if self._is_for_print:
            return None
        return f"{_from_page(path)}{'#' * bool(anchor)}{anchor}"

    def _picture(self, chapter: Chapter, token: Token) -> Token:
        source = str(token.attrs["src"])
        path = Path(os.path.normpath(chapter.path.parent / source))
        words = html.escape(token.content, quote=True)
        if path.suffix == ".svg":  # drawn in the page: it is small and takes the page's colours
            drawing = path.read_text("utf-8").strip()
            picture = f'<span role="img" aria-label="{words}">{drawing}</span>'
        else:
            picture = f'<img src="{_from_page(path)}" alt="{words}" loading="lazy">'
        title = str(token.attrs.get("title", ""))
        caption = f"<span>{html.escape(title)}</span>" if title else ""
        return _html(f'<span class="figure">{picture}{caption}</span>')


def _from_page(path: Path) -> str:
    return Path(os.path.relpath(path, PAGE.parent)).as_posix()


def _html(text: str) -> Token:
    # Not of the author's making, so not what the renderer would escape.
    return Token("html_inline", "", 0, content=text)


def outdated() -> list[Path]:
    """The files that another run would change."""
    chapters = [path for path in chapter_paths() if _renewed(path) != path.read_text("utf-8")]
    is_page_old = not PAGE.is_file() or PAGE.read_text("utf-8") != page()
    return [*chapters, *[PAGE] * is_page_old]


def _renewed(path: Path) -> str:
    try:
        return renewed(path.read_text("utf-8"))
    except ValueError as error:
        raise ManualError(f"{path.name}: {error}") from error


def write_pdf(path: Path) -> None:
    """Print the manual; needs WeasyPrint, and its pictures beside the page."""
    from weasyprint import HTML

    path.parent.mkdir(parents=True, exist_ok=True)
    HTML(string=page(is_for_print=True), base_url=f"{DOCS}/").write_pdf(path)


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; the exit code."""
    parser = argparse.ArgumentParser(prog="docs.build", description="Build the manual.")
    parser.add_argument("--pdf", type=Path, metavar="FILE", help="print the manual there as well")
    parser.add_argument("--check", action="store_true", help="write nothing, say what is old")
    given = parser.parse_args(argv)
    try:
        if given.check:
            old = outdated()
            for path in old:
                print(f"{path}: out of date; python -m docs.build renews it")  # noqa: T201
            return bool(old)
        for path in chapter_paths():
            path.write_text(_renewed(path), "utf-8", newline="\n")
        PAGE.write_text(page(), "utf-8", newline="\n")
        if given.pdf:
            write_pdf(given.pdf)
    except ManualError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
