"""The tab of the program log: start-up, skipped rows with their reasons, time servers."""

import tkinter as tk
from collections.abc import Callable
from functools import partial
from tkinter import ttk
from typing import Final

from app.formats import plural
from app.logview import LogView
from app.session import PROGRAM_LOG, SECURITY_LOG, Session, Tick
from app.theme import Theme
from app.widgets import Bordered, Tips
from core.config import RowReading

_LOGS: Final = (
    (PROGRAM_LOG, "Program", "Start, skipped rows, time servers, errors of the program itself."),
    (SECURITY_LOG, "Security", "Refused connections, refused commands and broken protocol."),
)


class ProgramTab(ttk.Frame):
    """Tab 4."""

    def __init__(
        self, parent: tk.Misc, theme: Theme, session: Session, tips: Tips,
        save: Callable[[LogView], None],
    ) -> None:  # fmt: skip
        super().__init__(parent, style="Surface.TFrame", padding=theme.px(8))
        self._theme = theme
        self._session = session
        self._chosen = PROGRAM_LOG
        px = theme.px
        tools = ttk.Frame(self, style="Surface.TFrame")
        tools.pack(fill="x", pady=(0, px(8)))
        self.buttons: dict[str, ttk.Button] = {}
        for key, text, tip in _LOGS:
            button = ttk.Button(tools, text=text, command=partial(self.choose, key))
            button.pack(side="left", padx=(0, px(3)))
            tips.add(button, tip)
            self.buttons[key] = button
        self._summary = ttk.Label(tools, style="Surface.Muted.TLabel")
        self._summary.pack(side="right")
        tips.add(self._summary, lambda _x, _y: self._skipped_text())
        edge = Bordered(self, theme)
        edge.pack(fill="both", expand=True)
        self.log = LogView(edge, theme, tips, save=save, short=session.short, has_data=False)
        self.log.pack(fill="both", expand=True)
        edge.watch(self.log.text)
        self._style_buttons()
        session.watch_log(self._chosen, self.log)
        self.follow()

    def choose(self, key: str) -> None:
        """Show the program log or the security log."""
        if key != self._chosen:
            self._session.unwatch_log(self._chosen, self.log)
            self._chosen = key
            self.log.clear()
            self.log.follow()
            self._session.watch_log(key, self.log)
            self._style_buttons()

    def follow(self) -> None:
        """The configuration has changed."""
        self._summary.configure(text=reading_text(self._session))

    def refresh(self, tick: Tick) -> None:
        """Show what changed; lines come by themselves."""
        if tick.sampled:
            self.log.look_at_size()

    def escape(self) -> None:
        """Clear the find field."""
        self.log.find_entry.clear()

    def _style_buttons(self) -> None:
        for key, button in self.buttons.items():
            button.configure(style="Accent.TButton" if key == self._chosen else "State.TButton")

    def _skipped_text(self) -> str:
        rows = skipped_rows(self._session)
        if not rows:
            return "Every row that is no comment is in effect."
        more = f"\n.. and {len(rows) - 15} more" if len(rows) > 15 else ""
        return "\n".join(str(row) for row in rows[:15]) + more


def skipped_rows(session: Session) -> list[RowReading]:
    """Rows of the file that are neither in effect nor comments."""
    harmless = ("a comment", "an empty row")
    rows = session.file.reading.rows
    return [row for row in rows if not row.is_loaded and row.text not in harmless]


def reading_text(session: Session) -> str:
    """How much of the file is in effect."""
    entries = plural(len(session.entries), "entry", "entries")
    groups = plural(len(session.groups), "group")
    skipped = len(skipped_rows(session))
    name = session.file.path.name
    if not skipped:
        return f"{name}: {entries} in {groups}"
    return f"{name}: {entries} in {groups}, {plural(skipped, 'row')} skipped"
