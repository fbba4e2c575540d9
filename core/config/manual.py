"""The table of options as the manual shows it, from the one table the program reads."""

from core.config.options import OPTIONS, Kind, Option, Scope

_WHERE = {
    Scope.PROGRAM: "row of its own",
    Scope.ALL: "row of its own, any entry",
    Scope.RTU: "row of its own, RTU",
    Scope.MASTER: "row of its own, master",
}


def option_table() -> str:
    """All options as a Markdown table, one line each, without a final line end."""
    lines = ["| option | where | accepted | default | meaning |", "|---|---|---|---|---|"]
    lines += [_line(option) for option in OPTIONS]
    return "\n".join(lines)


def _line(option: Option) -> str:
    default = "none" if option.kind is Kind.HOST else option.shown(option.default)
    where = _WHERE[option.scope] + (", repeatable" if option.is_repeatable else "")
    return f"| `{option.name}` | {where} | {option.accepted} | {default} | {option.help} |"
