"""Every action of the window, once: its words, its key, its menu. Menus, keys and help read it."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a person can do; ``name`` is the method of the window that does it."""

    name: str
    label: str
    key: str = ""
    """As it is shown."""
    sequences: tuple[str, ...] = ()
    """Of Tk, bound for the whole window; none where a widget handles its own keys."""
    help: str = ""
    """For the list of keys, where the label says too little."""


SEPARATOR: Final = Action("", "")

MENUS: Final[dict[str, tuple[Action, ...]]] = {
    "File": (
        Action("save", "Save to ini file…", "Ctrl+S", ("<Control-s>", "<Control-S>")),
        Action("reload", "Reload ini file", "Ctrl+R", ("<Control-r>", "<Control-R>")),
        SEPARATOR,
        Action("export", "Export list as CSV…", "Ctrl+E", ("<Control-e>", "<Control-E>")),
        Action("open_log_folder", "Open log folder"),
        SEPARATOR,
        Action("ask_close", "Exit", "Ctrl+Q", ("<Control-q>", "<Control-Q>")),
    ),
    "View": (
        Action("tab_1", "Systems", "Ctrl+1", ("<Control-Key-1>",)),
        Action("tab_2", "Logs and data edit", "Ctrl+2", ("<Control-Key-2>",)),
        Action("tab_3", "Traffic", "Ctrl+3", ("<Control-Key-3>",)),
        Action("tab_4", "Program log", "Ctrl+4", ("<Control-Key-4>",)),
        SEPARATOR,
        Action("find", "Filter or find", "Ctrl+F", ("<Control-f>", "<Control-F>")),
        Action("find_next", "Next match", "F3", ("<F3>",)),
        Action("find_previous", "Previous match", "Shift+F3", ("<Shift-F3>",)),
        SEPARATOR,
        Action("light", "Light"),
        Action("dark", "Dark"),
        Action(
            "larger", "Larger text", "Ctrl+plus",
            ("<Control-plus>", "<Control-KP_Add>", "<Control-equal>"),
        ),
        Action(
            "smaller", "Smaller text", "Ctrl+minus",
            ("<Control-minus>", "<Control-KP_Subtract>"),
        ),
        Action("usual_size", "Usual text size", "Ctrl+0", ("<Control-Key-0>",)),
        SEPARATOR,
        Action("toggle_side_pane", "Side pane", "F4", ("<F4>",)),
        Action("expand_all", "Expand all groups", "*"),
        Action("collapse_all", "Collapse all groups", "/"),
        Action("follow", "Follow the newest", "End"),
        Action("pause", "Pause or follow", "Space"),
    ),
    "System": (
        Action("open_upper", "Open log in upper pane", "Enter"),
        Action("open_lower", "Open log in lower pane", "Shift+Enter"),
        Action("traffic", "Show traffic", "Ctrl+T", ("<Control-t>", "<Control-T>")),
        SEPARATOR,
        Action("edit", "Edit…", "F2", ("<F2>",), "edit: go to the first yellow field"),
        Action("apply", "Apply and restart", "Ctrl+Enter", ("<Control-Return>",)),
        Action("restart_selected", "Restart connection", "F5", ("<F5>",)),
        SEPARATOR,
        Action("copy", "Copy row", "Ctrl+C"),
        Action("copy_remote", "Copy remote address"),
        Action("open_log_file", "Open log file in editor"),
    ),
    "Help": (
        Action("keys", "Keyboard shortcuts", "F1", ("<F1>",), "this list"),
        Action("manual", "Manual"),
        Action("routing", "Who receives what"),
        SEPARATOR,
        Action("about", "About"),
    ),
}  # fmt: skip

CONTEXT: Final = (
    "open_upper", "open_lower", "traffic", "", "edit", "restart_selected", "", "copy",
    "copy_remote", "open_log_file",
)  # fmt: skip
"""Actions of the context menu of a row; "" is a line between."""

OTHER_KEYS: Final = (
    ("Esc", "clear the filter, close a question, revert the form"),
    ("Menu, Shift+F10", "context menu of the selected row"),
    ("double click", "on a system: its log; on a group: fold it"),
)

BY_NAME: Final = {action.name: action for actions in MENUS.values() for action in actions}


def keys() -> list[tuple[str, str]]:
    """Every key and what it does."""
    found = [
        (action.key, action.help or action.label.rstrip("…"))
        for actions in MENUS.values()
        for action in actions
        if action.key
    ]
    return [*found, *OTHER_KEYS]
