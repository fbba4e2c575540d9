"""What the README says of options and arguments is what the program has."""

import re
from pathlib import Path

import pytest

from app.arguments import parse
from core.config import OPTIONS
from core.config.manual import option_table

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")


def test_the_table_of_options_is_the_programs_own():
    table = README.split("<!-- options:begin -->")[1].split("<!-- options:end -->")[0]
    assert table.strip() == option_table()


def test_every_option_that_has_an_effect_is_in_the_table():
    named = set(re.findall(r"^\| `(\w+)`", option_table(), re.MULTILINE))
    assert named <= {option.name for option in OPTIONS}
    assert {"k", "w", "t1", "buffer", "startdt", "oa", "same", "ntp_server", "nogui"} <= named


def test_every_argument_is_in_the_readme(capsys):
    with pytest.raises(SystemExit):
        parse(["--help"])
    arguments = re.findall(r"--?[a-z][\w-]*", capsys.readouterr().out.split("options:")[1])
    chapter = README.split("## Command line")[1].split("\n## ")[0]
    assert [a for a in arguments if f"`{a}" not in chapter and f"[{a}" not in chapter] == []
