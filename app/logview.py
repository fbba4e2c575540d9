"""A log on the screen: follows, finds, hides kinds of lines, bounded; read-only but copyable."""

import contextlib
import tkinter as tk
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from tkinter import ttk
from typing import Any, Final

from app.formats import LineKind, guessed_kind, kind_of_level, plural, size, split_line
from app.loglines import Line, Lines, line_of
from app.scrolled import ReadOnlyText, bar_across
from app.theme import Theme
from app.widgets import HintEntry, Tips, handled
from core.feed import LogLine, LogTail

_SLICE: Final = 500
"""Lines put into the widget in one go, so that no callback takes long."""
_MARKS: Final = {
    LineKind.DATA: "   ", LineKind.INFO: " · ", LineKind.WARNING: " ▲ ", LineKind.ERROR: " ■ ",
}  # fmt: skip
_WORDS: Final = {LineKind.WARNING: "warning  ", LineKind.ERROR: "error  "}
_SHOW: Final = (
    (LineKind.DATA, "Data"), (LineKind.INFO, "Info"), (LineKind.WARNING, "Warnings"),
    (LineKind.ERROR, "Errors"),
)  # fmt: skip


class LogView(ttk.Frame):
    """One log. It is a sink of the session; ``moved`` is told the time it was scrolled to."""

    def __init__(
        self, parent: tk.Misc, theme: Theme, tips: Tips, *,
        save: Callable[["LogView"], None], short: Callable[[Path], str], has_data: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(parent, style="Surface.TFrame")
        self._theme = theme
        self._tips = tips
        self._save = save
        self._short = short
        self.lines = Lines()
        self._pending: deque[Line] = deque()
        self._pump_id: str | None = None
        self._new = 0
        self._skipped = 0
        self._is_whole = True
        self._jumped = 0
        self._current: int | None = None
        self.file_name = ""
        self._path: Path | None = None
        self.size_octets = 0
        self._is_size_old = False
        self.moved: Callable[[str], None] = lambda time: None
        self._follow = tk.BooleanVar(self, True)
        self._visible = {kind: tk.BooleanVar(self, True) for kind, _ in _SHOW}
        self._make_tools(has_data)
        self._make_text()
        self._footer = ttk.Label(
            self, style="Strip.Small.TLabel", padding=(theme.px(8), theme.px(2))
        )
        self._footer.pack(side="bottom", fill="x", before=self._box)
        tips.add(self._footer, lambda _x, _y: self._footer_tip())
        theme.listeners.append(self.recolour)
        self.recolour()
        self._show_footer()

    def _make_tools(self, has_data: bool) -> None:
        px, tips = self._theme.px, self._tips
        whole = ttk.Frame(self, style="Surface.TFrame", padding=(px(8), px(4)))
        whole.pack(fill="x")
        whole.columnconfigure(0, weight=1)
        tools = ttk.Frame(whole, style="Surface.TFrame")
        tools.grid(row=0, column=0, sticky="w", pady=px(1))
        buttons = ttk.Frame(whole, style="Surface.TFrame")
        whole.bind("<Configure>", lambda event: self._fit(event.width))
        self._tools, self._buttons, self._is_narrow = tools, buttons, False
        buttons.grid(row=0, column=1, sticky="e", pady=px(1))
        ttk.Label(tools, text="Show", style="Surface.Muted.TLabel").pack(side="left")
        for kind, text in _SHOW:
            if kind is LineKind.DATA and not has_data:
                continue
            box = ttk.Checkbutton(
                tools, text=text, style="Surface.TCheckbutton", variable=self._visible[kind],
                command=self.elide,
            )  # fmt: skip
            box.pack(side="left", padx=(px(8), 0))
            tips.add(box, f"Show or hide lines of this kind ({text.lower()}).")
        self.find_entry = HintEntry(tools, self._theme, "Find  (Ctrl+F)", 24, self._find)
        self.find_entry.pack(side="left", padx=(px(14), px(8)))
        tips.add(self.find_entry, "Find in the lines shown. F3: next, Shift+F3: previous.")
        self.find_entry.bind("<Control-Return>", lambda _event: None)  # the window's
        self.find_entry.bind("<Return>", lambda _event: self.find_next())
        self.find_entry.bind("<Shift-Return>", lambda _event: self.find_next(back=True))
        self._found = ttk.Label(tools, style="Surface.Muted.TLabel")
        self._found.pack(side="left")
        tips.add(self._found, "Which of the lines that match is the marked one.")
        box = ttk.Checkbutton(
            buttons, text="Follow", style="Surface.TCheckbutton", variable=self._follow,
            command=self._follow_chosen,
        )  # fmt: skip
        box.pack(side="right")
        self._follow_box = box
        tips.add(box, "Stay at the newest line (Space pauses, End follows again).")
        self.new_button = ttk.Button(buttons, command=self.follow)
        tips.add(self.new_button, "Go to the newest line and follow (End).")
        for text, act, tip in (
            ("Save as…", lambda: self._save(self), "Save the lines shown into a file."),
            ("Copy", self.copy, "Copy what is selected, or all lines shown."),
        ):
            button = ttk.Button(buttons, text=text, command=act)
            button.pack(side="right", padx=(0, px(6)))
            tips.add(button, tip)

    def _fit(self, width: int) -> None:
        """Two rows where one has no room for the tools."""
        px = self._theme.px
        needed = self._tools.winfo_reqwidth() + self._buttons.winfo_reqwidth() + px(30)
        needed += 0 if self._new else px(120)  # the button of new lines comes and goes
        is_narrow = needed > width
        if is_narrow != self._is_narrow:
            self._is_narrow = is_narrow
            row, column = (1, 0) if is_narrow else (0, 1)
            self._buttons.grid(row=row, column=column, sticky="e", pady=px(1))

    def _make_text(self) -> None:
        px = self._theme.px
        self._box = box = ttk.Frame(self, style="Surface.TFrame")
        box.pack(fill="both", expand=True)
        self.text = ReadOnlyText(
            box, wrap="none", font="TkFixedFont", padx=px(8), pady=px(3), width=20, height=4,
        )  # fmt: skip
        bar = ttk.Scrollbar(box, orient="vertical", command=self._bar_moved)
        self._bar = bar
        self.text.configure(
            yscrollcommand=self._scrolled, xscrollcommand=bar_across(box, self.text)
        )
        bar.pack(side="right", fill="y")
        self.text.pack(side="left", fill="both", expand=True)
        self.text.bind("<space>", handled(self.toggle))
        self.text.bind("<End>", handled(self.follow))
        for key in ("Up", "Down", "Prior", "Next", "Home"):
            self.text.bind(f"<{key}>", lambda _event: self.after_idle(self._user_moved), add="+")
        self.text.bind("<ButtonRelease-1>", self._clicked)
        for event in ("<MouseWheel>", "<Button-4>", "<Button-5>"):
            self.text.bind(event, self._wheel)

    def recolour(self) -> None:
        """Take the colours of the palette."""
        theme, text = self._theme, self.text
        text.configure(
            background=theme["surface"], foreground=theme["text"],
            selectbackground=theme["selection"], selectforeground=theme["text"],
            inactiveselectbackground=theme["selection"],
        )  # fmt: skip
        for kind in LineKind:
            text.tag_configure(str(kind), foreground=theme["text"])
        text.tag_configure("time", foreground=theme["muted"])
        text.tag_raise("time")
        text.tag_configure("warning", foreground=theme["warning"], background=theme["warning_row"])
        text.tag_configure("error", foreground=theme["error"], background=theme["error_row"])
        text.tag_configure("note", foreground=theme["muted"], font="GatewaySmall")
        text.tag_configure("match", background=theme["match"])
        text.tag_configure("current", background=theme["current_match"])
        text.tag_raise("match")
        text.tag_raise("current")
        text.tag_raise("sel")

    # What the session says

    def take_tail(self, tail: LogTail, folder: Path) -> None:
        """The end of a log: it replaces what is shown."""
        self.clear()
        self.file_name, self.size_octets = tail.file_name, tail.size_octets
        self._path = folder / tail.file_name
        for line in tail.lines:
            _, rest = split_line(line)
            self._pending.append(line_of(line, guessed_kind(rest)))
        self._is_whole = sum(len(line) + 1 for line in tail.lines) >= tail.size_octets
        self._pump()

    def take_lines(self, lines: Sequence[LogLine]) -> None:
        """Further lines."""
        for line in lines:
            text = str(line)
            self.size_octets += len(text.encode()) + 1
            self._is_size_old = True
            self._pending.append(line_of(text, kind_of_level(line.level)))
        if self._pump_id is None:
            self._pump()

    def take_skipped(self, count: int) -> None:
        """Lines were lost because the window was too slow."""
        self._skipped += count
        self._show_footer()

    def clear(self) -> None:
        """Show nothing."""
        self._pending.clear()
        self.lines.clear()
        self._current = None
        self._new = self._skipped = 0
        self.file_name, self.size_octets, self._path = "", 0, None
        self.text.cut("1.0", "end")
        self._show_new()
        self._show_footer()

    def _pump(self) -> None:
        """Put a slice of what waits into the widget; the rest when events have had their turn."""
        self._pump_id = None
        batch = [self._pending.popleft() for _ in range(min(_SLICE, len(self._pending)))]
        if batch:
            self._insert(batch)
        if self._pending:
            self._pump_id = self.after(5, self._pump)
        else:
            self._show_footer()

    def _insert(self, batch: Sequence[Line]) -> None:
        first_new = self.lines.first + len(self.lines)
        pieces: list[Any] = []
        for line in batch:
            kind = str(line.kind)
            pieces += (line.time or " " * 26, ("time", kind))
            text = f"{_MARKS[line.kind]}{_WORDS.get(line.kind, '')}{line.text}\n"
            pieces += (text, kind)
        self.text.put(*pieces)
        before = self.lines.first
        gone = self.lines.add(batch)
        if gone:
            self.text.cut("1.0", f"{gone + 1}.0")
        self._mark([n for n in self.lines.matches if n >= first_new])
        if self.lines.wanted:
            self._show_found()
        if self._follow.get():
            self.text.see("end-1c linestart")
        else:
            self._new += len(batch)
            self._show_new()
        if self._current is not None and self._current < self.lines.first != before:
            self._current = None

    # Following

    @property
    def is_following(self) -> bool:
        """Whether the newest line is kept in view."""
        return bool(self._follow.get())

    def follow(self) -> None:
        """Go to the newest line and stay there."""
        self._follow.set(True)
        self._follow_chosen()

    def pause(self) -> None:
        """Stay where it is."""
        self._follow.set(False)

    def toggle(self) -> None:
        """Space."""
        if self.is_following:
            self.pause()
        else:
            self.follow()

    def _follow_chosen(self) -> None:
        if self._follow.get():
            self._new = 0
            self._show_new()
            self.text.see("end-1c linestart")

    def _show_new(self) -> None:
        if self._new and not self.new_button.winfo_manager():
            pad = (0, self._theme.px(10))
            self.new_button.pack(side="right", padx=pad, after=self._follow_box)
        elif not self._new and self.new_button.winfo_manager():
            self.new_button.pack_forget()
        if self._new:
            self.new_button.configure(text=f"▼ {plural(self._new, 'new line')}")

    def _scrolled(self, first: float, last: float) -> None:
        self._bar.set(float(first), float(last))

    def _bar_moved(self, *how: str) -> None:
        self.text.yview(*how)
        self._user_moved()

    def _wheel(self, event: "tk.Event[Any]") -> str:
        up = event.num == 4 or event.delta > 0
        self.text.yview_scroll(-3 if up else 3, "units")
        self._user_moved()
        return "break"

    def _user_moved(self) -> None:
        at_end = self.text.yview()[1] >= 1.0
        if at_end and not self._follow.get() and self._new:
            self.follow()
        elif not at_end:
            self.pause()
        self._tell(int(self.text.index("@0,0").split(".")[0]))

    def _clicked(self, event: "tk.Event[Any]") -> None:
        if not self.text.tag_ranges("sel"):
            self._tell(int(self.text.index(f"@{event.x},{event.y}").split(".")[0]))

    def _tell(self, row: int) -> None:
        number = self.lines.first + row - 1
        if self.lines.first <= number < self.lines.first + len(self.lines):
            time = self.lines[number].time
            if time:
                self.moved(time)

    def show_time(self, time: str) -> None:
        """Scroll to a moment, without telling anybody."""
        number = self.lines.at_time(time)
        if number is None:
            return
        self.pause()
        row = number - self.lines.first + 1
        self.text.yview(f"{row}.0")
        self._highlight(row)

    def _highlight(self, row: int) -> None:
        self.text.tag_remove("current", "1.0", "end")
        self.text.tag_add("current", f"{row}.0", f"{row}.26")

    # Finding

    def focus_find(self) -> None:
        """Ctrl+F."""
        self.find_entry.focus_set()
        self.find_entry.selection_range(0, "end")

    def _find(self) -> None:
        self.text.tag_remove("match", "1.0", "end")
        self.text.tag_remove("current", "1.0", "end")
        self._current = None
        self.lines.find(self.find_entry.text)
        self._mark(self.lines.matches)
        if self.lines.matches:
            self.find_next(back=True)
        else:
            self._show_found()

    def _mark(self, numbers: Sequence[int]) -> None:
        """Mark every place in these lines."""
        wanted = self.lines.wanted
        if not wanted:
            return
        ranges: list[str] = []
        for number in numbers:
            row = number - self.lines.first + 1
            shown = self._shown_text(self.lines[number]).casefold()
            at = shown.find(wanted)
            while at >= 0:
                ranges += (f"{row}.{at}", f"{row}.{at + len(wanted)}")
                at = shown.find(wanted, at + len(wanted))
        for start in range(0, len(ranges), 2000):
            self.text.tag_add("match", *ranges[start : start + 2000])

    def _shown_text(self, line: Line) -> str:
        time = line.time or " " * 26
        return f"{time}{_MARKS[line.kind]}{_WORDS.get(line.kind, '')}{line.text}"

    def find_next(self, *, back: bool = False) -> None:
        """Go to the next match, or the one before; around at the end."""
        matches = self.lines.matches
        if not matches:
            self._show_found()
            return
        if self._current is None:
            self._current = matches[-1] if back else matches[0]
        else:
            later = [n for n in matches if n > self._current]
            earlier = [n for n in matches if n < self._current]
            if back:
                self._current = earlier[-1] if earlier else matches[-1]
            else:
                self._current = later[0] if later else matches[0]
        row = self._current - self.lines.first + 1
        at = self._shown_text(self.lines[self._current]).casefold().find(self.lines.wanted)
        self.text.tag_remove("current", "1.0", "end")
        self.text.tag_add("current", f"{row}.{at}", f"{row}.{at + len(self.lines.wanted)}")
        self.pause()
        for place in (f"{row + 1}.0", f"{row}.0", f"{row}.{at + len(self.lines.wanted)}"):
            self.text.see(place)  # all of it, and a line more
        self._show_found()

    def _show_found(self) -> None:
        matches = self.lines.matches
        text = ""
        if self.lines.wanted:
            text = "not found"
            if matches:
                place = matches.index(self._current) + 1 if self._current in matches else 0
                text = f"{place} of {len(matches)}"
        if self._found.cget("text") != text:
            self._found.configure(text=text)

    @property
    def found_text(self) -> str:
        """`3 of 14`."""
        return str(self._found.cget("text"))

    # Showing and copying

    def elide(self) -> None:
        """Show the kinds of lines that are ticked."""
        for kind, variable in self._visible.items():
            self.text.tag_configure(str(kind), elide=not variable.get())
        self.lines.hidden = {kind for kind, shown in self._visible.items() if not shown.get()}
        if self.lines.wanted:
            self._find()
        if self.is_following:
            self.text.see("end-1c linestart")

    def show_kind(self, kind: LineKind, on: bool) -> None:
        """Tick a box."""
        self._visible[kind].set(on)
        self.elide()

    @property
    def shown_lines(self) -> list[str]:
        """The lines that are not hidden, as in the file."""
        lines = self.lines.last(len(self.lines))
        return [str(line) for line in lines if self._visible[line.kind].get()]

    def copy(self) -> None:
        """Copy the selection, or everything shown."""
        text = self.text.selected_text or "\n".join(self.shown_lines)
        self.clipboard_clear()
        self.clipboard_append(text)

    def look_at_size(self) -> None:
        """Say how large the file is now: it may have been begun anew, or another program's."""
        if not self._is_size_old or self._path is None:
            return
        self._is_size_old = False
        with contextlib.suppress(OSError):
            self.size_octets = self._path.stat().st_size
        self._show_footer()

    def _show_footer(self) -> None:
        parts = []
        if self._path is not None:
            shown = plural(len(self.lines), "line")
            parts = [self._short(self._path), size(self.size_octets)]
            parts.append(f"all {shown} shown" if self._is_all else f"newest {shown} shown")
        if self._skipped:
            parts.append(f"{plural(self._skipped, 'line')} came too fast to be shown")
        text = "  ·  ".join(parts)
        if self._footer.cget("text") != text:
            self._footer.configure(text=text)

    def _footer_tip(self) -> str:
        if self._path is None:
            return ""
        return (
            f"{self._path}\nLines that come while the log is open have their level from the "
            "program. The file does not hold it: of older lines it is judged by their words."
        )

    @property
    def _is_all(self) -> bool:
        return self._is_whole and self.lines.first == 0

    @property
    def footer(self) -> str:
        """The line below."""
        return str(self._footer.cget("text"))
