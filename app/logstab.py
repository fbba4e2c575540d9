"""The tab with two logs and their data edit."""

import tkinter as tk
from collections.abc import Callable
from functools import partial
from tkinter import ttk

from app.entryform import EntryForm
from app.logpane import LogPane
from app.logview import LogView
from app.session import Session, Tick
from app.systems import Commands
from app.theme import Theme
from app.widgets import Split, Tips


class LogsTab(ttk.Frame):
    """Tab 2."""

    def __init__(
        self, parent: tk.Misc, theme: Theme, session: Session, tips: Tips, commands: Commands,
        save: Callable[[LogView], None],
    ) -> None:  # fmt: skip
        super().__init__(parent, style="Surface.TFrame", padding=theme.px(8))
        self._theme = theme
        self._session = session
        px = theme.px
        tools = ttk.Frame(self, style="Surface.TFrame")
        tools.pack(fill="x", pady=(0, px(8)))
        self.is_linked = tk.BooleanVar(self, True)
        self.is_side_by_side = tk.BooleanVar(self, False)
        for text, variable, act, tip in (
            ("Link scrolling by time", self.is_linked, lambda: None,
             "Click or scroll one log and the other goes to the same moment."),
            ("Side by side", self.is_side_by_side, self.lay_out,
             "The panes beside each other instead of one above the other."),
        ):  # fmt: skip
            box = ttk.Checkbutton(
                tools, text=text, style="Surface.TCheckbutton", variable=variable, command=act
            )
            box.pack(side="left", padx=(0, px(12)))
            tips.add(box, tip)
        self.swap_button = ttk.Button(tools, text="Swap panes", command=self.swap)
        self.swap_button.pack(side="left")
        tips.add(self.swap_button, "Let each pane show what the other one shows.")
        note = ttk.Label(
            tools, style="Surface.Muted.TLabel",
            text="Changes are not saved to the ini file; they last until the program ends.",
        )  # fmt: skip
        note.pack(side="right")
        tips.add(note, "To keep them: File, Save to ini file (Ctrl+S).")
        self.split = Split(self, orient="vertical")
        self.split.pack(fill="both", expand=True)
        self.panes = tuple(
            LogPane(self, theme, session, tips, apply=commands.apply_form, save=save)
            for _ in range(2)
        )
        for pane, other in (self.panes, self.panes[::-1]):
            pane.log.moved = partial(self._moved, other)
            self.split.add(pane, weight=1)
            pane.list_systems()
        self.panes[0].bind("<Configure>", self._fit, add="+")
        theme.listeners.append(self._recolour)

    def lay_out(self) -> None:
        """Put the panes one above the other or beside each other."""
        orient = "horizontal" if self.is_side_by_side.get() else "vertical"
        if str(self.split.cget("orient")) == orient:
            return
        for pane in self.panes:
            self.split.forget(pane)
        self.split.destroy()
        self.split = Split(self, orient="horizontal" if orient[0] == "h" else "vertical")
        self.split.pack(fill="both", expand=True)
        for pane in self.panes:
            self.split.add(pane, weight=1)
            pane.lift()
        self.update_idletasks()
        self.split.part = 0.5
        self._fit_panes()

    def open(self, key: str, pane: int) -> None:
        """Show a system's log in the upper (0) or lower (1) pane."""
        self.panes[pane].open(key)

    def swap(self) -> None:
        """Let each pane show what the other one shows."""
        first, second = (pane.key for pane in self.panes)
        for pane, key in zip(self.panes, (second, first), strict=True):
            if key:
                pane.open(key)
            else:
                pane.close()

    def refresh(self, tick: Tick) -> None:
        """Show what changed."""
        for pane in self.panes:
            pane.refresh()
            if tick.sampled:
                pane.log.look_at_size()

    def follow(self, renamed: tuple[str, str] | None = None) -> None:
        """The configuration has changed."""
        for pane in self.panes:
            pane.follow(renamed)

    @property
    def active(self) -> LogPane:
        """The pane in which the keyboard is, else the first that shows something."""
        focus = str(self.focus_get() or "")
        for pane in self.panes:
            if focus.startswith(str(pane)):
                return pane
        return next((pane for pane in self.panes if pane.key), self.panes[0])

    @property
    def form(self) -> EntryForm:
        """The form of the active pane."""
        return self.active.form

    def escape(self) -> None:
        """Revert the form or clear the find field."""
        pane = self.active
        if pane.form.is_changed:
            pane.form.revert()
        else:
            pane.log.find_entry.clear()

    def _moved(self, other: LogPane, time: str) -> None:
        if self.is_linked.get() and other.key:
            other.log.show_time(time)

    def _fit(self, _event: object) -> None:
        self.after_idle(self._fit_panes)

    def _fit_panes(self) -> None:
        for pane in self.panes:
            pane.fit()

    def _recolour(self) -> None:
        for pane in self.panes:
            pane.recolour()
