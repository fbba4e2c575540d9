"""The tab of all systems: filter, state buttons, the table and the pane beside it."""

import tkinter as tk
from collections.abc import Callable
from functools import partial
from tkinter import ttk
from typing import Any, Final, Protocol

from app.entryform import EntryForm
from app.filter import EVERYTHING, SYSTEM_FIELDS, BadFilter, parse
from app.rows import HEADINGS, Category, Counts
from app.session import Session, Tick
from app.sidepane import SidePane
from app.systree import SystemTree
from app.theme import Theme
from app.widgets import Bordered, HintEntry, Split, Tips, handled

_STATES: Final = (None, Category.ONLINE, Category.WAITING, Category.PROBLEM)
_STATE_TIPS: Final = {
    None: "All systems.",
    Category.ONLINE: "Only systems that are online (an RTU also while no master wants its data).",
    Category.WAITING: "Only systems that wait: ports nobody is connected to, connections that are "
    "not started.",
    Category.PROBLEM: "Only systems that need a look: RTUs that are down and the masters held "
    "because of it, refused connections, errors.",
}


class Commands(Protocol):
    """What the window does for a tab."""

    def open_log(self, key: str, pane: int) -> None: ...
    def show_traffic(self, key: str) -> None: ...
    def restart(self, key: str) -> None: ...
    def apply_form(self, form: EntryForm) -> None: ...
    def context_menu(self, key: str, x: int, y: int) -> None: ...
    def say(self, text: str) -> None: ...


class SystemsTab(ttk.Frame):
    """Tab 1."""

    def __init__(
        self, parent: tk.Misc, theme: Theme, session: Session, tips: Tips, commands: Commands,
    ) -> None:  # fmt: skip
        super().__init__(parent, style="Surface.TFrame", padding=theme.px(8))
        self._theme = theme
        self._session = session
        self._tips = tips
        self._commands = commands
        self.category: Category | None = None
        self._counts: Counts | None = None
        self._rates_changed = False
        self._states_changed = False
        self.state_buttons: dict[Category | None, ttk.Button] = {}
        self._make_tools()
        self.split = Split(self, orient="horizontal")
        self.split.pack(fill="both", expand=True)
        left = Bordered(self.split, theme)
        self.table = SystemTree(left, theme, session, tips, self._on_select)
        self.table.frame.pack(fill="both", expand=True)
        left.watch(self.table.tree)
        self._empty = tk.Label(self.table.tree, justify="center", borderwidth=0)
        theme.listeners.append(self._recolour)
        self.side = SidePane(
            self.split, theme, session, tips, self._select_row, commands.apply_form
        )
        self.split.add(left, weight=1)
        self.split.add(self.side, weight=0)
        self._bind()
        self._recolour()
        self.show_counts()

    def _make_tools(self) -> None:
        px, tips = self._theme.px, self._tips
        tools = ttk.Frame(self, style="Surface.TFrame")
        tools.pack(fill="x", pady=(0, px(8)))
        self.filter = HintEntry(
            tools, self._theme, "Filter name, group, IP, port…  (Ctrl+F)", 33, self.apply_filter
        )
        self.filter.grid(row=0, column=0, sticky="ew")
        tips.add(self.filter, self._filter_tip)
        self._filter_problem = ""
        states = ttk.Frame(tools, style="Surface.TFrame")
        states.grid(row=0, column=1, padx=px(10))
        # Where there is too little room the filter gives way; what is too much goes into the gap.
        tools.columnconfigure(0, weight=1)
        tools.columnconfigure(2, weight=10_000)
        for category in _STATES:
            button = ttk.Button(states, command=partial(self.choose_state, category))
            button.pack(side="left", padx=(0, px(3)))
            tips.add(button, _STATE_TIPS[category])
            self.state_buttons[category] = button
        self.fold_button = ttk.Button(tools, text="Collapse all", command=self.toggle_folds)
        self.fold_button.grid(row=0, column=3, padx=(0, px(8)))
        tips.add(self.fold_button, "Fold or open all groups (keys / and *).")
        for column, (text, act, tip) in enumerate(
            (
                ("Open log", lambda: self.open_log(0), "Open its log in the upper pane (Enter)."),
                ("Edit", self.edit_selected, "Edit the selected system (F2)."),
                ("Restart", self.restart_selected, "Restart the selected connection (F5)."),
            ),
            4,
        ):
            button = ttk.Button(tools, text=text, command=act)
            button.grid(row=0, column=column, padx=(px(5), 0))
            tips.add(button, tip)

    def _bind(self) -> None:
        tree = self.table.tree
        bindings: tuple[tuple[str, Callable[[], object]], ...] = (
            ("<Return>", lambda: self.open_log(0)),
            ("<Shift-Return>", lambda: self.open_log(1)),
            ("<asterisk>", lambda: self.fold(is_open=True)),
            ("<KP_Multiply>", lambda: self.fold(is_open=True)),
            ("<slash>", lambda: self.fold(is_open=False)),
            ("<KP_Divide>", lambda: self.fold(is_open=False)),
        )
        for sequence, act in bindings:
            tree.bind(sequence, handled(act))
        tree.bind("<Double-Button-1>", self._double_click)
        tree.bind("<Button-3>", self._right_click)
        if tree.tk.call("tk", "windowingsystem") == "aqua":
            tree.bind("<Button-2>", self._right_click)
        for sequence in ("<Shift-F10>", "<Menu>", "<App>"):
            with_menu_key = sequence
            try:
                tree.bind(with_menu_key, self._menu_key)
            except tk.TclError:  # a key this system does not know
                continue
        self.filter.bind("<Down>", lambda _event: self.focus_table())
        self.filter.bind("<Return>", lambda _event: self.focus_table())
        for widget in (tree, self.filter):  # that is the window's, not Return with something more
            widget.bind("<Control-Return>", lambda _event: None)

    # What the window calls

    def take(self, tick: Tick) -> None:
        """Remember what changed, for the next time it is looked at."""
        self._states_changed |= tick.states_changed
        self._rates_changed |= tick.rates_changed

    def refresh(self, tick: Tick) -> None:
        """Show what changed."""
        if self._states_changed:
            self.show_counts()
        self.table.refresh(states_changed=self._states_changed, rates_changed=self._rates_changed)
        if self._states_changed or tick.sampled:
            self.side.refresh()
        self._states_changed = self._rates_changed = False

    def rebuild(self, select: str = "") -> None:
        """The configuration has changed."""
        kept = select or self.table.selected
        self.table.fill()
        if kept and self.table.tree.exists(kept):
            self.table.select(kept, see=bool(select))
        self.apply_filter()
        self.side.select(self.table.selected_key)
        self.side.follow()
        self.show_counts()

    def show_counts(self) -> None:
        """The numbers on the state buttons, and which one is pressed."""
        counts = self._session.counts()
        numbers = (counts.all, counts.online, counts.waiting, counts.problem)
        for category, number in zip(_STATES, numbers, strict=True):
            name = category.value if category else "All"
            button = self.state_buttons[category]
            text = f"{name}  {number}"
            if button.cget("text") != text:
                button.configure(text=text)
            style = "Accent.TButton" if category is self.category else "State.TButton"
            if str(button.cget("style")) != style:
                button.configure(style=style)

    def select(self, key: str) -> None:
        """Select an entry's row."""
        self.table.select(key)

    def focus_filter(self) -> None:
        """Ctrl+F."""
        self.filter.focus_set()
        self.filter.selection_range(0, "end")

    def focus_table(self) -> str:
        """Go on with the keyboard in the table."""
        if not self.table.selected and self.table.shown:
            self.table.select(self.table.shown[0])
        self.table.tree.focus_set()
        return "break"

    def escape(self) -> None:
        """Revert the form, or clear the filter."""
        if self.side.form.is_changed:
            self.side.form.revert()
        else:
            self.filter.clear()
            self.choose_state(None)

    # Acting

    def choose_state(self, category: Category | None) -> None:
        """Show only systems of this kind."""
        self.category = category
        self.show_counts()
        self.apply_filter()

    def apply_filter(self) -> None:
        """Let the text of the filter take effect."""
        found = parse(self.filter.text, SYSTEM_FIELDS)
        is_bad = isinstance(found, BadFilter)
        self.filter.configure(style="Wrong.TEntry" if is_bad else "TEntry")
        self._filter_problem = found.reason if isinstance(found, BadFilter) else ""
        if isinstance(found, BadFilter):
            self._commands.say(f"Filter: {found.reason}")
            return
        self.table.filter_by(found or EVERYTHING, self.category)
        self._say_if_empty()

    def fold(self, *, is_open: bool) -> None:
        """Open or fold all groups."""
        self.table.fold_all(is_open)
        self.fold_button.configure(text="Collapse all" if is_open else "Expand all")

    def toggle_folds(self) -> None:
        """The button."""
        self.fold(is_open=self.fold_button.cget("text") != "Collapse all")

    @property
    def selected_key(self) -> str:
        """The selected entry."""
        return self.table.selected_key

    def open_log(self, pane: int) -> None:
        """Open the log of the selected entry."""
        if self.selected_key:
            self._commands.open_log(self.selected_key, pane)

    def edit_selected(self) -> None:
        """F2."""
        if not self.selected_key:
            self._commands.say("Select a system first.")
            return
        self.split.show(self.side)
        self.side.form.focus()

    def restart_selected(self) -> None:
        """F5."""
        if self.selected_key:
            self._commands.restart(self.selected_key)
        else:
            self._commands.say("Select a system first.")

    def texts(self) -> list[list[str]]:
        """Heading and the rows that are shown, for a file."""
        return [list(HEADINGS.values()), *(self.table.texts(iid) for iid in self.table.shown)]

    def copied(self) -> list[list[str]]:
        """The selected row; of a group all its rows."""
        iid = self.table.selected
        if not iid:
            return []
        rows = [iid]
        if self.table.tree.get_children(iid):
            rows += self.table.tree.get_children(iid)
        return [self.table.texts(each) for each in rows]

    # Events

    def _select_row(self, key: str) -> None:
        self.table.select(key)

    def _on_select(self, key: str) -> None:
        self.side.select(key)

    def _double_click(self, event: "tk.Event[Any]") -> str | None:
        tree = self.table.tree
        iid = tree.identify_row(event.y)
        if not iid or tree.identify_region(event.x, event.y) not in ("tree", "cell"):
            return None
        if iid.startswith("group "):
            return None  # ttk folds it
        self._commands.open_log(iid, 0)
        return "break"

    def _right_click(self, event: "tk.Event[Any]") -> str:
        iid = self.table.tree.identify_row(event.y)
        if iid:
            self.table.select(iid, see=False)
            self.table.tree.focus_set()
            self._commands.context_menu(self.selected_key, event.x_root, event.y_root)
        return "break"

    def _menu_key(self, _event: "tk.Event[Any]") -> str:
        tree = self.table.tree
        if self.selected_key:
            box = tree.bbox(self.table.selected) or (0, 0, 0, 0)
            x = tree.winfo_rootx() + self._theme.px(60)
            y = tree.winfo_rooty() + int(box[1]) + int(box[3])
            self._commands.context_menu(self.selected_key, x, y)
        return "break"

    def _filter_tip(self, _x: int, _y: int) -> str:
        help_ = (
            "All words must match. Also rtu:101 port:2412 state:refused ip:10.20. group:111, "
            "-word for not, or between words, port:2400-2499 for a range. Esc clears."
        )
        return f"{self._filter_problem}\n{help_}" if self._filter_problem else help_

    def _say_if_empty(self) -> None:
        if self.table.shown:
            self._empty.place_forget()
            return
        skipped = [row for row in self._session.file.reading.rows if not row.is_loaded]
        if not self._session.groups:
            reasons = "\n".join(str(row) for row in skipped[:12])
            text = f"No group was loaded from {self._session.file.path.name}.\n\n{reasons}"
        else:
            wanted = self.filter.text or (self.category.value if self.category else "")
            text = f"No system matches '{wanted}'.  Esc clears."
        self._empty.configure(text=text)
        self._empty.place(relx=0.5, rely=0.3, anchor="center")

    def _recolour(self) -> None:
        theme = self._theme
        self._empty.configure(
            background=theme["surface"], foreground=theme["muted"], font="TkDefaultFont"
        )
        self.side.recolour()
