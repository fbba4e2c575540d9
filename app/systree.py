"""The table of systems: groups with their entries, only changed cells written, rows kept still."""

import time
import tkinter as tk
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from app.filter import EVERYTHING, Filter, system_fields
from app.rows import (
    COLUMNS,
    HEADINGS,
    LIVE_COLUMNS,
    MEANINGS,
    NAME,
    QUIET,
    Category,
    Row,
    Tint,
    entry_row,
    group_row,
    group_sort_key,
    look_of,
    sort_key,
    tip_of,
)
from app.scrolled import scrolled_tree
from app.session import Session
from app.theme import Theme
from app.widgets import Tips
from core.config import GroupConfig

REARRANGE_EVERY: Final = 2.0
"""Seconds between two moves of rows by themselves."""
_RIGHT: Final = frozenset({"port", "rtu", "in", "out"})
_SAMPLES: Final = {
    NAME: "M/SCADA-NORTH", "state": "Waiting for master", "port": "65535", "rtu": "65535",
    "at": "2026-11-20 13:55:53", "remote": "10.20.30.41:52345", "in": "1,234", "out": "1,234",
}  # fmt: skip
"""Texts that must fit; so the widths follow the font."""


@dataclass(frozen=True, slots=True)
class Sorting:
    """By what the rows are sorted; an empty column is the order of the file."""

    column: str = ""
    is_descending: bool = False


class SystemTree:
    """The table. ``selected`` is told which entry is selected: a group stands for its RTU."""

    def __init__(
        self, parent: tk.Misc, theme: Theme, session: Session, tips: Tips,
        selected: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._theme = theme
        self._session = session
        self._selected = selected
        self.frame, self.tree = scrolled_tree(parent, COLUMNS)
        self._groups: dict[int, GroupConfig] = {}
        """The groups whose rows there are."""
        self._rows: dict[str, Row] = {}
        self._tags: dict[str, str] = {}
        self._children: dict[str, tuple[str, ...]] = {}
        self._in_view: list[str] | None = None
        """Rows that can be seen; None after they have moved."""
        self._showing: str | None = None
        self._filter: Filter = EVERYTHING
        self._category: Category | None = None
        self.sorting = Sorting()
        self._is_stale = False
        self._arranged_at = 0.0
        self._pointer_inside = False
        self.is_menu_open: Callable[[], bool] = lambda: False
        for column in (NAME, *COLUMNS):
            anchor: Any = "e" if column in _RIGHT else "w"
            self.tree.heading(
                column, text=HEADINGS[column], anchor=anchor,
                command=partial(self.sort_by, column),
            )  # fmt: skip
            self.tree.column(column, anchor=anchor, stretch=column == "event")
        self.tree.bind("<<TreeviewSelect>>", self._on_select, add="+")
        for event in ("<<TreeviewOpen>>", "<<TreeviewClose>>", "<Configure>"):
            self.tree.bind(event, self._view_moved, add="+")
        self.frame.moved = self._view_moved
        self.tree.bind("<Enter>", lambda _e: self._point(True), add="+")
        self.tree.bind("<Leave>", lambda _e: self._point(False), add="+")
        tips.add(self.tree, self._tip)
        theme.listeners.append(self.recolour)
        self.size_columns({})
        self.recolour()
        self.fill()

    # Look

    def recolour(self) -> None:
        """Take the colours of the palette."""
        theme = self._theme
        for tint in Tint:
            for parity in (0, 1):
                ground = "zebra" if parity else "surface"
                if tint in (Tint.WARNING, Tint.ERROR):
                    ground = f"{tint}_row"
                elif tint is Tint.GROUP:
                    ground = "group"
                ink = {"plain": "text", "group": "text"}.get(tint, str(tint))
                self.tree.tag_configure(
                    f"{tint}{parity}", background=theme[ground], foreground=theme[ink],
                    font="GatewayBold" if tint is Tint.GROUP else "TkDefaultFont",
                )  # fmt: skip

    def size_columns(self, remembered: dict[str, int]) -> None:
        """Give the columns the widths the font asks for, or those remembered (at 96 dpi)."""
        theme = self._theme
        for column, sample in _SAMPLES.items():
            needed = theme.default.measure(sample) + theme.px(10)
            if column == NAME:
                needed += theme.px(54)
            least = theme.bold.measure(HEADINGS[column]) + theme.px(9)
            width = theme.px(remembered.get(column, 0)) or max(needed, least)
            self.tree.column(column, width=width, minwidth=theme.px(30))
        self.tree.column("event", width=theme.px(120), minwidth=theme.px(60))

    @property
    def widths(self) -> dict[str, int]:
        """Widths at 96 dpi, to be remembered."""
        scale = self._theme.scale
        return {name: round(self.tree.column(name, "width") / scale) for name in _SAMPLES}

    # Rows

    def fill(self) -> None:
        """Make the rows of the groups that run now; those of groups that are as before stay.

        What is selected, open and in view stays so; new groups are open.
        """
        tree, session = self.tree, self._session
        selection, top = self.selected, tree.yview()[0]
        known, self._groups = self._groups, dict(session.groups)
        wanted = {group_iid(number) for number in session.groups} | session.entries.keys()
        gone = [iid for iid in self._rows if iid not in wanted]
        tree.delete(*gone)  # also those that a filter has detached
        for iid in gone:
            del self._rows[iid]
            self._tags.pop(iid, None)
            self._children.pop(iid, None)
        for group in session.groups.values():
            if known.get(group.id) == group:
                continue
            iid = group_iid(group.id)
            if iid not in self._rows:
                self._children[iid] = ()
                self._insert("", iid, self._row_of(iid), is_open=True)
            for entry in group.entries:
                if entry.key not in self._rows:
                    self._insert(iid, entry.key, self._row_of(entry.key), is_open=False)
            self._children[iid] = tuple(tree.get_children(iid))
        self._children[""] = tuple(tree.get_children(""))
        self.arrange()
        if selection in self._rows:
            self.select(selection, see=False)
        tree.yview_moveto(top)

    def _insert(self, parent: str, iid: str, row: Row, *, is_open: bool) -> None:
        self.tree.insert(
            parent, "end", iid=iid, text=_padded(row.label), values=row.cells, open=is_open,
            image=self._theme.image(row.symbol),
        )  # fmt: skip
        self._rows[iid] = row

    def refresh(self, *, states_changed: bool, rates_changed: bool) -> None:
        """Write what differs in the rows that can be seen, a few dozen of perhaps thousands.

        The others are written when they come into view, so that a tick is short however many
        systems change at once.
        """
        if states_changed or rates_changed:
            self._show_in_view()
        column = self.sorting.column
        if states_changed:
            has_filter = self._category is not None or not self._filter.is_empty
            self._is_stale |= has_filter or column in LIVE_COLUMNS
        elif rates_changed and column in ("in", "out"):
            self._is_stale = True
        self.settle()

    def _row_of(self, iid: str) -> Row:
        """A row as it should stand."""
        session = self._session
        entry = session.entries.get(iid)
        if entry is None:
            group = session.groups[int(iid.removeprefix("group "))]
            return group_row(group, session.statuses, session.meters.rates)
        return entry_row(entry, session.statuses.get(iid), session.meters.rates(iid))

    def _view_moved(self, _event: object = None) -> None:
        """Other rows are in view: they are written when Tk has nothing else to do."""
        self._in_view = None
        if self._showing is None:
            self._showing = self.tree.after_idle(self._show_in_view)

    def _show_in_view(self) -> None:
        self._showing = None
        if self._in_view is None:
            self._in_view = self._rows_in_view()
        for iid in self._in_view:
            if iid in self._rows and self.entry_of(iid):
                self._show(iid, self._row_of(iid))

    def _rows_in_view(self) -> list[str]:
        tree = self.tree
        step = max(1, self._theme.line_height)  # a row is higher than that
        found = (tree.identify_row(y) for y in range(0, tree.winfo_height() + step, step))
        return list(dict.fromkeys(iid for iid in found if iid))

    def _show(self, iid: str, row: Row) -> None:
        old = self._rows[iid]
        if row == old:
            return
        self._rows[iid] = row
        tree = self.tree
        for column, before, after in zip(COLUMNS, old.cells, row.cells, strict=True):
            if before != after:
                tree.set(iid, column, after)
        if row.symbol != old.symbol:
            tree.item(iid, image=self._theme.image(row.symbol))
        if row.label != old.label:
            tree.item(iid, text=_padded(row.label))
        if row.tint != old.tint and iid in self._tags:
            self._tag(iid, int(self._tags[iid][-1]))

    # Order

    def settle(self) -> None:
        """Move rows, if that is due and nobody is pointing at one."""
        if not self._is_stale:
            return
        now = time.monotonic()
        if self._pointer_inside or self.is_menu_open():
            return
        if now - self._arranged_at >= REARRANGE_EVERY:
            self.arrange()

    def arrange(self) -> None:
        """Filter and sort."""
        self._is_stale = False
        self._arranged_at = time.monotonic()
        session, sorting = self._session, self.sorting
        groups = list(session.groups.values())
        if sorting.column:
            groups.sort(
                key=lambda group: group_sort_key(
                    sorting.column, group, session.statuses, session.meters.rates
                ),
                reverse=sorting.is_descending,
            )
        shown: list[str] = []
        for group in groups:
            keys = [entry.key for entry in group.entries if self._matches(entry.key)]
            if sorting.column:
                keys = self._sorted(keys)
            iid = group_iid(group.id)
            if keys:
                shown.append(iid)
                self._set_children(iid, tuple(keys))
        self._set_children("", tuple(shown))
        self._stripe(shown)
        self._view_moved()

    def _sorted(self, keys: Sequence[str]) -> list[str]:
        session, column = self._session, self.sorting.column
        rates = session.meters.rates if column in ("in", "out") else lambda key: QUIET
        masters = [key for key in keys if key != session.groups[session.entries[key].group].rtu.key]
        first = [key for key in keys if key not in masters]  # the RTU stays on top
        masters.sort(
            key=lambda key: sort_key(
                column, session.entries[key], session.statuses.get(key),
                rates(key),
            ),
            reverse=self.sorting.is_descending,
        )  # fmt: skip
        return first + masters

    def _matches(self, key: str) -> bool:
        session = self._session
        entry = session.entries[key]
        if self._category is not None:
            status = session.statuses.get(key)
            if look_of(status.state if status else None).category is not self._category:
                return False
        if self._filter.is_empty:
            return True
        name = session.groups[entry.group].rtu.name
        return self._filter.matches(system_fields(entry, name, session.statuses.get(key)))

    def _set_children(self, parent: str, children: tuple[str, ...]) -> None:
        if self._children.get(parent) != children:
            self._children[parent] = children
            self.tree.set_children(parent, *children)

    def _stripe(self, shown: Sequence[str]) -> None:
        for iid in shown:
            self._tag(iid, 0)
            for number, key in enumerate(self._children[iid]):
                self._tag(key, number % 2)

    def _tag(self, iid: str, parity: int) -> None:
        tag = f"{self._rows[iid].tint}{parity}"
        if self._tags.get(iid) != tag:
            self._tags[iid] = tag
            self.tree.item(iid, tags=(tag,))

    def filter_by(self, wanted: Filter, category: Category | None) -> None:
        """Show only what matches; a group stays while one of its entries does."""
        self._filter, self._category = wanted, category
        self.arrange()

    def sort_by(self, column: str) -> None:
        """Sort by a column; again: the other way round; the third time: as the file."""
        if self.sorting.column != column:
            self.sorting = Sorting(column)
        elif not self.sorting.is_descending:
            self.sorting = Sorting(column, is_descending=True)
        else:
            self.sorting = Sorting()
        for each in (NAME, *COLUMNS):
            arrow = ""
            if each == self.sorting.column:
                arrow = " ▼" if self.sorting.is_descending else " ▲"
            self.tree.heading(each, text=HEADINGS[each] + arrow)
        self.arrange()

    # Selection

    @property
    def selected(self) -> str:
        """The row that is selected, "" if none is."""
        found = self.tree.selection()
        return found[0] if found else ""

    @property
    def selected_key(self) -> str:
        """The entry that is selected; a group stands for its RTU."""
        return self.entry_of(self.selected)

    def entry_of(self, iid: str) -> str:
        """The entry of a row."""
        if iid.startswith("group "):
            group = self._session.groups.get(int(iid.removeprefix("group ")))
            return group.rtu.key if group else ""
        return iid if iid in self._session.entries else ""

    def select(self, iid: str, *, see: bool = True) -> None:
        """Select a row and bring it into view."""
        if not self.tree.exists(iid):
            return
        self.tree.selection_set(iid)
        self.tree.focus(iid)
        if see and (not self.tree.parent(iid) or iid in self._children[self.tree.parent(iid)]):
            self.tree.see(iid)

    @property
    def folded(self) -> list[int]:
        """The groups that are folded."""
        return [
            number
            for number in self._session.groups
            if self.tree.exists(group_iid(number)) and not self.tree.item(group_iid(number), "open")
        ]

    def fold(self, groups: Collection[int]) -> None:
        """Fold these groups, as far as there are such."""
        for number in self._session.groups.keys() & set(groups):
            self.tree.item(group_iid(number), open=False)

    def fold_all(self, is_open: bool) -> None:
        """Open or fold every group."""
        for number in self._session.groups:
            self.tree.item(group_iid(number), open=is_open)

    @property
    def shown(self) -> list[str]:
        """The rows as they stand, groups and entries, folded ones included."""
        rows: list[str] = []
        for iid in self._children[""]:
            rows += (iid, *self._children[iid])
        return rows

    def texts(self, iid: str) -> list[str]:
        """The cells of a row, as they are now."""
        row = self._row_of(iid)
        group = self._session.entries[iid].group if iid in self._session.entries else ""
        label = row.label if not group else f"{group}  {row.label}"
        return [label, *row.cells]

    def _on_select(self, _event: "tk.Event[Any]") -> None:
        self._selected(self.selected_key)

    def _point(self, is_inside: bool) -> None:
        self._pointer_inside = is_inside

    def _tip(self, x: int, y: int) -> str:
        region = self.tree.identify_region(x, y)
        if region in ("heading", "separator"):
            column = self.tree.identify_column(x)
            name = NAME if column == NAME else COLUMNS[int(column[1:]) - 1]
            return f"{MEANINGS[name]}\nClick to sort."
        iid = self.tree.identify_row(y)
        key = self.entry_of(iid)
        entry = self._session.entries.get(key)
        if entry is None:
            return ""
        tip = tip_of(entry, self._session.statuses.get(key), self._session.counters.get(key))
        if iid != key:
            online = self._row_of(iid).cells[0]
            tip = f"Group {entry.group}: {online} online. Double click folds it.\n{tip}"
        return tip


def group_iid(number: int) -> str:
    """The row of a group."""
    return f"group {number}"


def _padded(label: str) -> str:
    """A little room behind the symbol."""
    return f" {label}"
