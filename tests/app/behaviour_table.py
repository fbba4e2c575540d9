"""The table in docs/simulator.md; ``python -m tests.app.behaviour_table`` renews it."""

from dataclasses import fields
from pathlib import Path

from core.simulator import Behaviour
from core.simulator.behaviour import OPTIONS

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "simulator.md"
BEGIN, END = "<!-- behaviours:begin -->\n", "<!-- behaviours:end -->\n"


def behaviour_table() -> str:
    """Every behaviour with its values, default and meaning."""
    rows = ["| option | values | default | meaning |", "|---|---|---|---|"]
    for field in fields(Behaviour):
        option = OPTIONS[field.name]
        default = field.default
        if isinstance(default, bool):
            shown = "on" if default else "off"
        else:
            shown = f"{default:g}" if isinstance(default, float) else str(default)
        name = f"`--{option.name.replace('_', '-')}`"
        rows.append(f"| {name} | {option.accepted} | {shown} | {option.help} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    text = MANUAL.read_text("utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    MANUAL.write_text(before + BEGIN + behaviour_table() + END + after, "utf-8")
