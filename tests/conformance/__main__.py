"""``python -m tests.conformance``: run all cases and write ``docs/conformance.md``."""

import sys
from pathlib import Path

import pytest

from tests.conformance.table import CASES, DOCUMENT, PASSES, document, key_of


class _Results:
    """What became of each test function; the worst of its values counts."""

    def __init__(self) -> None:
        self.by_key: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        path, _, name = report.nodeid.partition("::")
        key = f"{Path(path).name}::{name.partition('[')[0]}"
        if report.failed:
            self.by_key[key] = "fails"
        elif report.skipped:
            self.by_key.setdefault(key, "not run")
            if self.by_key[key] == PASSES:
                self.by_key[key] = "not run for all values"
        elif report.when == "call":
            self.by_key.setdefault(key, PASSES)


def main() -> int:
    """Exit code 0 if every case passes."""
    results = _Results()
    pytest.main(["-q", str(Path(__file__).parent), "--deselect",
                 "tests/conformance/test_table.py"], plugins=[results])  # fmt: skip
    found = {key_of(c): results.by_key.get(key_of(c), "not run") for c in CASES.values()}
    DOCUMENT.write_text(document(found), "utf-8")
    return 0 if set(found.values()) == {PASSES} else 1


if __name__ == "__main__":
    sys.exit(main())
