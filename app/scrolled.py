"""Tables and texts with their scrollbars."""

import tkinter as tk
from collections.abc import Callable, Sequence
from tkinter import ttk
from typing import Any

from app.widgets import handled


def bar_across(
    parent: tk.Misc, scrolled: "tk.Text | ttk.Treeview"
) -> Callable[[float, float], None]:
    """What a horizontal scrollbar is told; the bar is there only while something is hidden."""
    bar = ttk.Scrollbar(parent, orient="horizontal", command=scrolled.xview)

    def show(first: float, last: float) -> None:
        bar.set(float(first), float(last))
        is_needed = float(first) > 0 or float(last) < 1
        if is_needed and not bar.winfo_manager():
            bar.pack(side="bottom", fill="x", before=scrolled)
        elif not is_needed and bar.winfo_manager():
            bar.pack_forget()

    return show


class ReadOnlyText(tk.Text):
    """A text that cannot be changed by its reader, but selected, copied and moved through.

    Being disabled it lets every key go on to the window, whose shortcuts work in it.
    """

    def __init__(self, parent: tk.Misc, **options: Any) -> None:
        super().__init__(
            parent, borderwidth=0, highlightthickness=0, cursor="arrow", undo=False,
            exportselection=False, insertwidth=0, state="disabled", **options,
        )  # fmt: skip
        # A disabled text does not take the keyboard by itself on every system.
        self.bind("<ButtonPress-1>", lambda _event: self.focus_set(), add="+")
        for sequence in ("<Control-c>", "<Control-C>", "<Control-Insert>"):
            self.bind(sequence, handled(self.copy))
        for sequence in ("<Control-a>", "<Control-A>"):
            self.bind(sequence, handled(self.select_all))

    def put(self, *pieces: Any) -> None:
        """Append texts, each followed by its tags."""
        self.configure(state="normal")
        self.insert("end-1c", *pieces)
        self.configure(state="disabled")

    def cut(self, first: str, last: str) -> None:
        """Take out what is between two places."""
        self.configure(state="normal")
        self.delete(first, last)
        self.configure(state="disabled")

    @property
    def selected_text(self) -> str:
        """What is selected, without what is hidden; "" if nothing is."""
        if not self.tag_ranges("sel"):
            return ""
        return str(self.tk.call(str(self), "get", "-displaychars", "--", "sel.first", "sel.last"))

    def copy(self) -> None:
        """What is selected into the clipboard."""
        text = self.selected_text
        if text:
            self.clipboard_clear()
            self.clipboard_append(text)

    def select_all(self) -> None:
        """Select everything."""
        self.tag_add("sel", "1.0", "end-1c")


class TableFrame(ttk.Frame):
    """A table with its scrollbars; ``moved`` is called whenever other rows come into view."""

    def __init__(self, parent: tk.Misc, columns: Sequence[str]) -> None:
        super().__init__(parent, style="Surface.TFrame")
        self.moved: Callable[[], object] = lambda: None
        self.tree = ttk.Treeview(self, columns=tuple(columns), selectmode="browse")
        self._bar = ttk.Scrollbar(self, orient="vertical", command=self.tree.yview)
        self._bar.pack(side="right", fill="y")
        self.tree.pack(side="left", fill="both", expand=True)
        self.tree.configure(
            yscrollcommand=self._scrolled, xscrollcommand=bar_across(self, self.tree)
        )

    def _scrolled(self, first: float, last: float) -> None:
        self._bar.set(float(first), float(last))
        self.moved()


def scrolled_tree(parent: tk.Misc, columns: Sequence[str]) -> tuple[TableFrame, ttk.Treeview]:
    """A table with its scrollbar, and the table itself."""
    frame = TableFrame(parent, columns)
    return frame, frame.tree
