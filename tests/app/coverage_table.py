"""The protocol coverage table of docs/protocol.md, from the layouts and from what the tests use.

To renew the table in the file: ``python -m tests.app.coverage_table``.
"""

from pathlib import Path

from core.protocol.codes import TypeId
from core.protocol.layouts import Layout, ObjectType, object_type
from tests.interop.test_tshark_types import RAW
from tests.support import vectors
from tests.support.peers import points

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"
BEGIN, END = "<!-- types:begin -->\n", "<!-- types:end -->"

_BY_BOTH = {TypeId[name] for name in (*points.MONITOR, *points.COMMANDS)} | {
    *(TypeId.C_IC_NA_1, TypeId.C_CI_NA_1, TypeId.C_RD_NA_1, TypeId.C_TS_TA_1)
}
THROUGH_GATEWAY = {
    "c104": _BY_BOTH | {TypeId.C_CS_NA_1},
    "hat-drivers": _BY_BOTH | {TypeId.M_EI_NA_1},
}
"""What tests/interop/test_c104.py and test_hat.py send from end to end."""

_BOTH_WAYS = range(TypeId.F_FR_NA_1, TypeId.F_DR_TA_1)
_DIRECTIONS = {"M": "monitor", "S": "monitor", "C": "control", "P": "control"}


def coverage_table() -> str:
    """All types of the standard as a Markdown table, one line each, each line with its end."""
    lines = [
        "| no. | type | elements | direction | decode | encode | SQ = 1 | vectors | tshark | c104 "
        "| hat-drivers |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_line(kind) for type_id in TypeId if (kind := object_type(type_id)) is not None]
    return "".join(f"{line}\n" for line in lines)


def _line(kind: ObjectType) -> str:
    found = [v for v in vectors.well_formed("I") if v["decoded"]["type_id"] == kind.type_id]
    by_hat = ["values"] if any("hat-drivers" in v["confirmed_by"] for v in found) else []
    by_hat += ["gateway"] if kind.type_id in THROUGH_GATEWAY["hat-drivers"] else []
    by_c104 = "gateway" if kind.type_id in THROUGH_GATEWAY["c104"] else ""
    cells = [
        str(int(kind.type_id)), kind.name, _elements(kind.layout), direction(kind), "yes", "yes",
        "yes" if kind.layout.is_sequence_permitted else "", str(len(found)),
        "octets" if kind.type_id in RAW else "fields", by_c104, ", ".join(by_hat),
    ]  # fmt: skip
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells)


def _elements(layout: Layout) -> str:
    names = [element.name.replace("Cp", "CP").replace("Time2a", "") for element in layout.elements]
    shown = [f"{name} x 2" if name.startswith("CP") and names.count(name) > 1 else name
             for name in dict.fromkeys(names)]  # fmt: skip
    return ", ".join(shown) or "none"


def direction(kind: ObjectType) -> str:
    """Where ASDUs of a type that are no answers travel."""
    if kind.name.startswith("F"):
        if kind.type_id in _BOTH_WAYS:
            return "both"
        return "monitor" if kind.type_id == TypeId.F_DR_TA_1 else "control"
    return _DIRECTIONS[kind.name[0]]


def main() -> None:
    """Write the table into the manual."""
    text = MANUAL.read_text("utf-8")
    before, rest = text.split(BEGIN)
    MANUAL.write_text(f"{before}{BEGIN}{coverage_table()}{END}{rest.split(END)[1]}", "utf-8")


if __name__ == "__main__":
    main()
