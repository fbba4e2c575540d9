"""`docs/conformance.md` says what the cases are and that they pass; nothing in it may be untrue.

That they pass is shown by the cases themselves, which run with these tests: so none may be skipped.
"""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

from tests.conformance.table import CASES, DOCUMENT, PASSES, document, key_of

FOLDER = Path(__file__).parent


def test_the_page_is_what_the_cases_say():
    wanted = document(dict.fromkeys(map(key_of, CASES.values()), PASSES))
    assert DOCUMENT.read_text("utf-8") == wanted, "python -m tests.conformance writes it anew"


def test_every_test_of_this_folder_is_a_case_and_every_case_a_test():
    found = set()
    for path in FOLDER.glob("test_*.py"):
        if path.name == Path(__file__).name:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found.add(f"{path.name}::{node.name}")
    assert {key_of(case) for case in CASES.values()} == found
    assert len(found) == len(CASES)


def test_numbers_run_without_gaps():
    numbers = defaultdict(list)
    for id_ in CASES:
        group, _, number = id_.partition("-")
        numbers[group].append(int(number))
    for group, found in numbers.items():
        assert sorted(found) == list(range(1, len(found) + 1)), group


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.id)
def test_no_case_is_skipped_or_expected_to_fail(case):
    names = {mark.name for mark in getattr(case.test, "pytestmark", [])}
    assert names <= {"parametrize"}
