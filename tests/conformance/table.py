"""The table of ``docs/conformance.md``, made from the register of cases."""

from collections.abc import Mapping
from pathlib import Path

from tests.conformance import (  # noqa: F401 (they register their cases)
    test_controlled_station,
    test_controlling_station,
    test_gateway,
    test_information_objects,
    test_link_layer,
)
from tests.conformance.cases import CASES, GROUPS, NOT_APPLICABLE, Case

DOCUMENT = Path(__file__).parents[2] / "docs" / "conformance.md"
PASSES = "passes"

_HEAD = """# Conformance

IEC TS 60870-5-604:2016 lists test cases for a device that speaks IEC 60870-5-104. No laboratory has
run them on this program. What follows are {n} cases of our own in the groups of that document,
run as tests with every change; each row is one test function, most of them over many values. Cases
and numbers are ours: the text of the standard is not repeated here, and a laboratory's list has
other numbers and more cases.

Roles: a *controlled* station is the RTU's end of a connection, a *controlling* one the master's.
Tested on: the *link*, which gateway, client library and simulator share, in memory with a clock
that is a number; the *simulator*'s station, requests and answers as octets; the *client* library
between real sockets, towards a scripted station; the *gateway* between a scripted RTU and scripted
masters, which check every frame it sends (`tests/support/wire.py`). Other implementations are met
in `tests/interop` and listed in [protocol.md](protocol.md).

`python -m tests.conformance` runs them and writes this page; a test holds it against the cases.
"""


def key_of(case: Case) -> str:
    """Where the test of a case stands: file and function."""
    return f"{Path(case.test.__code__.co_filename).name}::{case.test.__name__}"


def document(results: Mapping[str, str]) -> str:
    """The page; ``results`` by :func:`key_of`."""
    parts = [_HEAD.format(n=len(CASES))]
    for group, title in GROUPS.items():
        parts.append(f"\n## {group}: {title}\n")
        cases = sorted((c for c in CASES.values() if c.id.startswith(group)), key=lambda c: c.id)
        if cases:
            parts.append("| case | station | on | what it checks | result |")
            parts.append("|---|---|---|---|---|")
            parts += [
                f"| {c.id} | {c.station} | {c.on} | {c.checks} | {results[key_of(c)]} |"
                for c in cases
            ]
        left_out = [one for one in NOT_APPLICABLE if one.group == group]
        if left_out:
            parts.append("\nNot applicable:\n")
            parts += [f"- {one.what}: {one.why}." for one in left_out]
    return "\n".join(parts) + "\n"
