"""One pane of the tab with logs: whose log, its yellow fields, Restart, and the log itself."""

import tkinter as tk
from collections.abc import Callable, Sequence
from tkinter import ttk
from typing import Final

from app.entryform import EntryForm
from app.formats import moment
from app.forms import Field, captions
from app.logview import LogView
from app.rows import look_of
from app.session import Session
from app.theme import Theme
from app.widgets import Bordered, Chooser, StatusLabel, Tips
from core.config import Entry

_WIDTHS: Final = {Field.NAME: 17, Field.PORT: 7, Field.NUMBERS: 7, Field.HOSTS: 20}


class LogPane(ttk.Frame):
    """Shows the log of one entry and lets its values be changed."""

    def __init__(
        self, parent: tk.Misc, theme: Theme, session: Session, tips: Tips, *,
        apply: Callable[[EntryForm], None], save: Callable[[LogView], None],
    ) -> None:  # fmt: skip
        super().__init__(parent, style="Surface.TFrame")
        self._theme = theme
        self._session = session
        self._tips = tips
        self.key = ""
        self._shown: tuple[str, ...] = ()
        self._rows = 0
        edge = Bordered(self, theme)
        edge.pack(fill="both", expand=True)
        px = theme.px
        self._head = head = ttk.Frame(edge, style="Strip.TFrame", padding=(px(8), px(5)))
        head.pack(fill="x")
        self._captions: dict[Field, ttk.Label] = {}
        self.form = EntryForm(self, session, theme, tips, self._form_changed)
        self._make_chooser()
        for field in Field:
            self._captions[field] = self._caption(field.value)
            self.form.make(head, field, _WIDTHS[field])
            self.form.explain(self._captions[field], field)
        self._at_caption = self._caption("Connected at")
        self._at = ttk.Label(head, style="Strip.TLabel", width=18)
        for part in (self._at_caption, self._at):
            tips.add(part, "When the present connection was made, local time.")
        self.restart_button = ttk.Button(
            head, text="Restart", style="Accent.TButton", command=lambda: apply(self.form)
        )
        tips.add(self.restart_button, "Restart this connection with these values (Ctrl+Enter).")
        self._message = ttk.Label(head, style="Strip.TLabel", compound="left")
        self.log = LogView(edge, theme, tips, save=save, short=session.short)
        self.log.pack(fill="both", expand=True)
        edge.watch(self.log.text)
        self._hint = ttk.Label(
            self.log, style="Surface.Muted.TLabel",
            text="Choose a system above, or press Enter on one in the tab Systems.",
        )  # fmt: skip
        self._hint.place(relx=0.5, rely=0.5, anchor="center")
        self.arrange(1)
        self.form.load("")

    def _caption(self, text: str) -> ttk.Label:
        return ttk.Label(self._head, text=text, style="Strip.Small.TLabel")

    def _make_chooser(self) -> None:
        self._system_caption = self._caption("System")
        self.chooser = Chooser(self._head, self._theme, 20)
        self.chooser.bind("<<ComboboxSelected>>", lambda _event: self._chosen())
        for part in (self.chooser, self._system_caption):
            self._tips.add(part, "Whose log is shown: system and group.")
        self._choices: list[str] = []
        self._state_caption = self._caption("State")
        self._state = StatusLabel(self._head, self._theme, "Strip.")
        for shown in (self._state, self._state_caption):
            self._tips.add(shown, lambda _x, _y: self._state_tip())

    def fit(self) -> None:
        """Lay the fields out as the width allows: in one row, with the hosts below, or in three."""
        width = self.winfo_width()
        if width < 10:
            return
        measure = self._theme.default.measure("0")
        self.arrange(1 if width >= measure * 148 else 2 if width >= measure * 106 else 3)

    def arrange(self, rows: int) -> None:
        """Put the fields into so many rows."""
        if rows == self._rows:
            return
        self._rows = rows
        px, head = self._theme.px, self._head
        for child in head.grid_slaves():
            child.grid_forget()
        for column in range(9):
            head.columnconfigure(column, weight=0, minsize=0)
        who: list[tuple[tk.Widget, tk.Widget]] = [
            (self._system_caption, self.chooser),
            (self._state_caption, self._state),
        ]
        at: list[tuple[tk.Widget, tk.Widget]] = [(self._at_caption, self._at)]
        values: list[tuple[tk.Widget, tk.Widget]] = [
            (self._captions[f], self.form.fields[f]) for f in list(Field)[:3]
        ]
        if rows < 3:
            self._row_of(who + values + at, 0)
        else:
            self._row_of(who + at, 0)
            self._row_of(values, 2)
        hosts, caption = self.form.fields[Field.HOSTS], self._captions[Field.HOSTS]
        if rows == 1:
            caption.grid(row=0, column=6, sticky="w", padx=(0, px(8)))
            hosts.grid(row=1, column=6, sticky="ew", padx=(0, px(8)))
        else:
            caption.grid(row=4, column=0, sticky="w", pady=(px(5), 0))
            hosts.grid(row=4, column=1, columnspan=7, sticky="ew", pady=(px(5), 0))
        head.columnconfigure(1, minsize=px(100))
        head.columnconfigure(6 if rows < 3 else 2, weight=1)
        if rows < 3:
            self.restart_button.grid(row=1, column=7, sticky="e")
        else:  # beside the RTU number, which is short
            self.restart_button.grid(row=3, column=2, sticky="e")
        self._show_message()

    def _row_of(self, pairs: Sequence[tuple[tk.Widget, tk.Widget]], row: int) -> None:
        """Captions and, below them, what they are for."""
        px = self._theme.px
        for column, (caption, widget) in enumerate(pairs):
            caption.grid(row=row, column=column, sticky="w", padx=(0, px(8)))
            widget.grid(row=row + 1, column=column, sticky="w", padx=(0, px(8)))

    # What is shown

    def list_systems(self) -> None:
        """Let the chooser list every entry."""
        self._choices = list(self._session.entries)
        self.chooser.configure(values=[_named(e) for e in self._session.entries.values()])

    def open(self, key: str) -> None:
        """Show another entry and its log."""
        if self.key and self.key != key:
            self._session.unwatch_log(self.key, self.log)
        is_new = key != self.key
        self.key = key
        self._hint.place_forget()
        self.form.load(key)
        self.refresh()
        if is_new:
            self.log.clear()
            self.log.follow()
            self._session.watch_log(key, self.log)

    def close(self) -> None:
        """Show nothing."""
        if self.key:
            self._session.unwatch_log(self.key, self.log)
        self.key = ""
        self.log.clear()
        self.form.load("")
        self._hint.place(relx=0.5, rely=0.5, anchor="center")
        self.refresh()

    def follow(self, renamed: tuple[str, str] | None = None) -> None:
        """The configuration has changed; an entry may have another key now."""
        self.list_systems()
        if renamed is not None and self.key == renamed[0] != renamed[1]:
            self.open(renamed[1])
        elif self.key and self.key not in self._session.entries:
            self.close()
        else:
            self.form.follow()
            self.refresh()

    def refresh(self) -> None:
        """Show state and time if they differ."""
        entry = self._session.entries.get(self.key)
        status = self._session.statuses.get(self.key)
        look = look_of(status.state if status else None)
        at = moment(status.connected_at if status else None)
        shown = (self.key, look.symbol, look.word, at, _named(entry) if entry else "")
        if shown == self._shown:
            return
        self._shown = shown
        self.chooser.set(shown[-1])
        self._at.configure(text=at if entry else "")
        if entry is None:
            self._state.show("", "")
            return
        self._state.show(look.symbol, look.word, look.role)
        for field, text in captions(entry).items():
            text = {"Listen port": "Port", "RTU number": "RTU no."}.get(text, text)
            if self._captions[field].cget("text") != text:
                self._captions[field].configure(text=text)

    @property
    def contents(self) -> str:
        """The key of what is shown, to be put into the other pane."""
        return self.key

    def _chosen(self) -> None:
        index = self.chooser.current()
        if index >= 0:
            self.open(self._choices[index])
        self.chooser.selection_clear()

    def _state_tip(self) -> str:
        status = self._session.statuses.get(self.key)
        if status is None:
            return ""
        look = look_of(status.state)
        return f"{look.word}: {status.detail or look.usual}"

    def _form_changed(self) -> None:
        if hasattr(self, "_message"):
            self._show_message()

    def _show_message(self) -> None:
        symbol, text = self.form.message
        checked = self.form.checked
        can_apply = checked is not None and checked.entry is not None
        self.restart_button.state(["!disabled" if can_apply else "disabled"])
        if not text:
            self._message.grid_forget()
            return
        role = "error" if symbol == "refused" else "muted"
        self._message.configure(
            text=f" {text}" if symbol else text, foreground=self._theme[role],
            image=self._theme.image(symbol) if symbol else "",
        )  # fmt: skip
        first = {1: 2, 2: 1}.get(self._rows, 0)
        self._message.grid(row=5, column=first, columnspan=8 - first, sticky="w",
                           pady=(self._theme.px(4), 0))  # fmt: skip
        self._message.configure(wraplength=max(200, self.winfo_width() - self._theme.px(160)))

    def recolour(self) -> None:
        """Take the colours of the palette."""
        self._shown = ()
        self.refresh()
        self._show_message()


def _named(entry: Entry) -> str:
    return f"{entry.label}   ({entry.group})"
