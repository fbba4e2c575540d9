"""The tab of the traffic: frames of one group live, decoded, as received and as sent on."""

import tkinter as tk
from bisect import bisect
from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter
from tkinter import ttk
from typing import Any, Final

from app.filter import EVERYTHING, TRAFFIC_FIELDS, BadFilter, Filter, parse
from app.formats import plural
from app.framepane import FramePane
from app.frames import COLUMNS, HEADINGS, MEANINGS, FrameRow, Tone, frame_row
from app.scrolled import scrolled_tree
from app.session import Session, Tick
from app.theme import Theme
from app.widgets import Bordered, Chooser, HintEntry, Split, Tips
from core.feed import Frame

MOST_FRAMES: Final = 5_000
_TRIMMED: Final = 500
_PER_TICK: Final = 200
HIDDEN_SECONDS: Final = 60
"""So long the watch goes on while the tab is not looked at."""
_RIGHT: Final = frozenset({"ioa"})
_SAMPLES: Final = {
    "#0": "23:51:11.792", "system": "M/LONGNAME-1", "to": "M/LONGNAME-1 +4",
    "frame": "I 32767/32767", "type": "M_ME_TF_1 136", "cause": "20 interrogated group",
    "ca": "32 → 47 → 1", "ioa": "1677721 +12", "value": "indeterminate",
    "quality": "not topical, inv",
}  # fmt: skip


class TrafficTab(ttk.Frame):
    """Tab 3."""

    def __init__(
        self, parent: tk.Misc, theme: Theme, session: Session, tips: Tips, *,
        say: Callable[[str], None], export: Callable[[str, Sequence[Sequence[str]]], None],
    ) -> None:  # fmt: skip
        super().__init__(parent, style="Surface.TFrame", padding=theme.px(8))
        self._theme = theme
        self._session = session
        self._tips = tips
        self._say = say
        self._export = export
        self._frames: dict[int, Frame] = {}
        self._rows: dict[int, FrameRow] = {}
        self._pending: deque[Frame] = deque()
        self._filter: Filter = EVERYTHING
        self._filter_problem = ""
        self._hidden_for = 0
        self._lost = 0
        self._newest = -1
        self._groups: list[int] = []
        self._kinds = {kind: tk.BooleanVar(self, True) for kind in "ISU"}
        self._follow = tk.BooleanVar(self, True)
        self.is_paused = False
        self._make_tools()
        self.split = Split(self, orient="vertical")
        self.split.pack(fill="both", expand=True)
        self._make_table()
        self.detail = FramePane(self.split, theme, tips)
        self.split.add(self.detail, weight=1)
        theme.listeners.append(self.recolour)
        self.recolour()
        self.list_groups()

    def _make_tools(self) -> None:
        px, tips, theme = self._theme.px, self._tips, self._theme
        tools = ttk.Frame(self, style="Surface.TFrame")
        tools.pack(fill="x", pady=(0, px(8)))
        self.chooser = Chooser(tools, theme, 24)
        self.chooser.pack(side="left")
        self.chooser.bind("<<ComboboxSelected>>", lambda _event: self._chosen())
        tips.add(self.chooser, "The group whose frames are shown. Frames are kept only while "
                 "somebody watches.")  # fmt: skip
        for kind, variable in self._kinds.items():
            box = ttk.Checkbutton(
                tools, text=f"{kind}-frames", style="Surface.TCheckbutton", variable=variable,
                command=self.rearrange,
            )  # fmt: skip
            box.pack(side="left", padx=(0, px(8)))
            tips.add(box, f"Show or hide {kind}-frames.")
        follow = ttk.Checkbutton(
            tools, text="Follow", style="Surface.TCheckbutton", variable=self._follow,
            command=self._see_end,
        )  # fmt: skip
        follow.pack(side="right")
        tips.add(follow, "Stay at the newest frame (End).")
        for name, text, act, tip in (
            ("export", "Export…", self.export, "Save the frames shown as CSV (Ctrl+E)."),
            ("clear", "Clear", self.clear, "Forget the frames shown."),
            ("pause", "Pause", self.toggle, "Stop the table; frames that come are kept (Space)."),
        ):
            button = ttk.Button(tools, text=text, command=act)
            button.pack(side="right", padx=(0, px(6)))
            tips.add(button, tip)
            if name == "pause":
                self.pause_button = button
        self._note = ttk.Label(tools, style="Surface.Muted.TLabel")
        self._note.pack(side="right", padx=px(8))
        tips.add(self._note, lambda _x, _y: str(self._note.cget("text")))
        self.filter = HintEntry(
            tools, theme, "Filter, such as type:C_* or ioa:1001", 14, self.apply_filter
        )
        self.filter.pack(side="left", fill="x", expand=True, padx=px(8), after=self.chooser)
        tips.add(self.filter, self._filter_tip)

    def _make_table(self) -> None:
        theme = self._theme
        box = Bordered(self.split, theme)
        frame, self.tree = scrolled_tree(box, COLUMNS)
        frame.pack(fill="both", expand=True)
        box.watch(self.tree)
        for column in ("#0", *COLUMNS):
            anchor: Any = "e" if column in _RIGHT else "w"
            self.tree.heading(column, text=HEADINGS[column], anchor=anchor)
            self.tree.column(column, anchor=anchor, stretch=column == "quality")
        self.tree.bind("<<TreeviewSelect>>", lambda _event: self._on_select())
        self.tree.bind("<space>", lambda _event: self._break(self.toggle))
        self.tree.bind("<End>", lambda _event: self._break(self.follow))
        for event in ("<MouseWheel>", "<Button-4>", "<Button-5>", "<ButtonRelease-1>"):
            self.tree.bind(event, lambda _event: self.after_idle(self._maybe_unfollow), add="+")
        self._tips.add(self.tree, self._tip)
        self._empty = tk.Label(self.tree, borderwidth=0, justify="center")
        self.split.add(box, weight=3)

    def recolour(self) -> None:
        """Take colours and fonts."""
        theme = self._theme
        for tone, ink, ground in (
            (Tone.PLAIN, "text", "surface"), (Tone.COMMAND, "text", "warning_row"),
            (Tone.INVALID, "error", "error_row"), (Tone.LINK, "muted", "surface"),
        ):  # fmt: skip
            self.tree.tag_configure(tone, foreground=theme[ink], background=theme[ground])
        for column, sample in _SAMPLES.items():
            width = theme.default.measure(sample) + theme.px(14)
            width += theme.px(34) if column == "#0" else 0
            self.tree.column(column, width=width, minwidth=theme.px(30))
        self._empty.configure(
            background=theme["surface"], foreground=theme["muted"], font="TkDefaultFont"
        )

    # Which group

    def list_groups(self) -> None:
        """Let the chooser list every group."""
        self._groups = list(self._session.groups)
        groups = self._session.groups.values()
        self.chooser.configure(values=[f"Group {g.id}  {g.rtu.name}" for g in groups])
        self._show_empty()

    def follow_config(self) -> None:
        """The configuration has changed."""
        self.list_groups()
        watched = self._session.watched_group
        if watched is not None and watched not in self._session.groups:
            self._session.watch_traffic(None)
            self.chooser.set("")

    def watch(self, group: int) -> None:
        """Show the frames of a group from now on."""
        is_new = self._session.watched_group != group
        self._session.watch_traffic(group)
        self._hidden_for = 0
        self.chooser.current(self._groups.index(group))
        if is_new:
            self.clear()
            self._newest = -1
        self.is_paused = False
        self._show_pause()

    def _chosen(self) -> None:
        index = self.chooser.current()
        self.chooser.selection_clear()
        if index >= 0:
            self.watch(self._groups[index])

    # Frames

    def take(self, tick: Tick, *, is_visible: bool) -> None:
        """Keep what came; nobody looking for a while ends the watch."""
        self._pending.extend(tick.frames)
        while len(self._pending) > MOST_FRAMES:
            self._pending.popleft()
            self._lost += 1
        self._lost += tick.skipped_frames
        if is_visible:
            self._hidden_for = 0
        elif tick.sampled and self._session.watched_group is not None:
            self._hidden_for += 1
            if self._hidden_for >= HIDDEN_SECONDS:
                self._session.watch_traffic(None)
                self.chooser.set("")

    def refresh(self, tick: Tick) -> None:
        """Show what waits, but no longer than a tick may take."""
        if not self._pending or self.is_paused:
            self._show_note()
            return
        for _ in range(min(_PER_TICK, len(self._pending))):
            self._add(self._pending.popleft())
            if perf_counter() > tick.until:
                break
        self._trim()
        self._see_end()
        self._show_note()
        self._show_empty()

    def _add(self, frame: Frame) -> None:
        number = frame.number
        is_known = number in self._frames
        if not is_known and number <= self._newest:
            return  # it was trimmed or cleared, and comes again because it was sent on
        self._newest = max(self._newest, number)
        row = frame_row(frame, self._session.labels)
        self._frames[number], self._rows[number] = frame, row
        if self.tree.exists(str(number)):
            self.tree.item(str(number), values=row.cells, tags=(row.tone,))
            if self.selected == number:
                self.detail.show(frame, self._session.labels)
        elif self._matches(row):
            index: Any = "end"
            if is_known:  # only now it matches
                index = bisect(list(map(int, self.tree.get_children(""))), number)
            self.tree.insert("", index, iid=str(number), **self._shown(row))

    def _shown(self, row: FrameRow) -> dict[str, Any]:
        image = self._theme.image("in" if row.is_received else "out")
        return {
            "text": f" {row.time}", "image": image, "values": row.cells, "tags": (row.tone,)
        }  # fmt: skip

    def _trim(self) -> None:
        if len(self._frames) <= MOST_FRAMES:
            return
        gone = sorted(self._frames)[: _TRIMMED + len(self._frames) - MOST_FRAMES]
        rows = [str(number) for number in gone if self.tree.exists(str(number))]
        self.tree.delete(*rows)
        for number in gone:
            del self._frames[number], self._rows[number]

    def _matches(self, row: FrameRow) -> bool:
        return bool(self._kinds[row.kind].get()) and self._filter.matches(row.fields)

    def rearrange(self) -> None:
        """Filter anew."""
        selected = self.selected
        self.tree.delete(*self.tree.get_children(""))
        for number in sorted(self._rows):
            row = self._rows[number]
            if self._matches(row):
                self.tree.insert("", "end", iid=str(number), **self._shown(row))
        if selected is not None and self.tree.exists(str(selected)):
            self.tree.selection_set(str(selected))
        self._see_end()
        self._show_empty()

    def apply_filter(self) -> None:
        """Let the text of the filter take effect."""
        found = parse(self.filter.text, TRAFFIC_FIELDS)
        self.filter.configure(style="Wrong.TEntry" if isinstance(found, BadFilter) else "TEntry")
        if isinstance(found, BadFilter):
            self._filter_problem = found.reason
            self._say(f"Filter: {found.reason}")
            return
        self._filter_problem = ""
        self._filter = found
        self.rearrange()

    def clear(self) -> None:
        """Forget all frames."""
        self._frames.clear()
        self._rows.clear()
        self._pending.clear()
        self._lost = 0
        self.tree.delete(*self.tree.get_children(""))
        self.detail.clear()
        self._show_empty()

    # Following

    def toggle(self) -> None:
        """Pause or go on."""
        self.is_paused = not self.is_paused
        self._show_pause()

    def follow(self) -> None:
        """Go on at the newest frame."""
        self.is_paused = False
        self._follow.set(True)
        self._show_pause()
        self._see_end()

    def _show_pause(self) -> None:
        self.pause_button.configure(text="Go on" if self.is_paused else "Pause")

    def _see_end(self) -> None:
        if self._follow.get() and not self.is_paused:
            self.tree.yview_moveto(1.0)

    def _maybe_unfollow(self) -> None:
        if self.tree.yview()[1] < 1.0 or self.selected is not None:
            self._follow.set(False)

    def _break(self, act: Callable[[], None]) -> str:
        act()
        return "break"

    # Selection and words

    @property
    def selected(self) -> int | None:
        """The number of the selected frame."""
        found = self.tree.selection()
        return int(found[0]) if found else None

    def _on_select(self) -> None:
        number = self.selected
        if number is not None and number in self._frames:
            self.detail.show(self._frames[number], self._session.labels)

    def texts(self) -> list[list[str]]:
        """Heading and the rows that are shown, for a file."""
        rows = [self._rows[int(iid)] for iid in self.tree.get_children("")]
        head = ["Direction", *HEADINGS.values()]
        return [head, *(["in" if r.is_received else "out", r.time, *r.cells] for r in rows)]

    def copied(self) -> list[list[str]]:
        """The selected row."""
        row = self._rows.get(self.selected) if self.selected is not None else None
        return [[row.time, *row.cells]] if row else []

    def export(self) -> None:
        """Save the rows that are shown."""
        self._export("traffic", self.texts())

    def escape(self) -> None:
        """Clear the filter."""
        self.filter.clear()

    def _show_note(self) -> None:
        parts = []
        if self.is_paused:
            parts.append(f"paused, {plural(len(self._pending), 'frame')} waiting")
        if self._lost:
            parts.append(f"{plural(self._lost, 'frame')} came too fast to be kept")
        text = " · ".join(parts)
        if self._note.cget("text") != text:
            self._note.configure(text=text)

    def _show_empty(self) -> None:
        if self.tree.get_children(""):
            self._empty.place_forget()
            return
        if self._session.watched_group is None:
            text = "Choose a group above, or press Ctrl+T on a system."
        elif self._rows:
            text = "No frame matches.  Esc clears the filter."
        else:
            text = "Nothing yet: frames are shown from now on, as they come."
        self._empty.configure(text=text)
        self._empty.place(relx=0.5, rely=0.4, anchor="center")

    def _filter_tip(self, _x: int, _y: int) -> str:
        help_ = (
            "type:C_* cause:7 ca:32 ioa:1000-1999 system:osi to:abb value:on quality:invalid "
            "frame:930; all must match, or between words, - for not. Esc clears."
        )
        return f"{self._filter_problem}\n{help_}" if self._filter_problem else help_

    def _tip(self, x: int, y: int) -> str:
        if self.tree.identify_region(x, y) in ("heading", "separator"):
            column = self.tree.identify_column(x)
            return MEANINGS["#0" if column == "#0" else COLUMNS[int(column[1:]) - 1]]
        iid = self.tree.identify_row(y)
        return self.detail.line(self._frames[int(iid)], self._session.labels) if iid else ""
