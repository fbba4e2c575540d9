"""The window: menus, summary, tabs, status bar, and the one poll that keeps them current."""

import logging
import tkinter as tk
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import monotonic, perf_counter
from tkinter import ttk
from types import TracebackType
from typing import Any, Final

from app import actions, assets, prefs
from app.acts import Acts
from app.entryform import EntryForm
from app.fileactions import FileActions
from app.formats import plural
from app.logstab import LogsTab
from app.prefs import Preferences
from app.program import ProgramTab, skipped_rows
from app.rows import Category
from app.session import Session, Tick
from app.sheet import Sheet
from app.strip import Strip
from app.systems import SystemsTab
from app.theme import Theme
from app.traffic import TrafficTab
from app.widgets import Answer, QuestionBar, Split, Tabs, Tips, handled
from core.config import RtuEntry

SMALLEST: Final = (1000, 620)
USUAL: Final = (1280, 770)
"""Without the menu bar, which the system adds."""
_POLL_MS: Final = 200
_POLL_MINIMISED_MS: Final = 1000
_SAME_ERROR_SECONDS: Final = 60.0
_TAB_TIPS: Final = (
    "All groups and systems, what they are doing, and what can be done with them.",
    "Two logs beside each other, and the values of their systems.",
    "The frames of one group as they come, decoded.",
    "What the program itself has to say: start, skipped rows, time servers.",
)
_log = logging.getLogger("iec104.window")


class Window:
    """Builds the window on a root and runs it until it is closed.

    ``should_stop`` is asked at every poll: a signal wants the program to end.
    """

    def __init__(
        self, root: tk.Tk, session: Session, *, theme: Theme, preferences: Preferences,
        preferences_path: Path | None = None, should_stop: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self.root = root
        self.session = session
        self.theme = theme
        self.prefs = preferences
        self._prefs_path = preferences_path
        self._should_stop = should_stop
        self._poll_id: str | None = None
        self._is_closed = False
        self._is_minimised = False
        self._tab = 0
        self._errors: dict[str, float] = {}
        """Errors in callbacks, and until when the same one is not logged again."""
        self.in_order = True
        self.last_tick = 0.0
        """Seconds of Python the last tick took, without drawing."""
        self._drawn_in = 0.0
        self._said = ""
        root.report_callback_exception = self.report
        self.tips = Tips(root, theme)
        self.files = FileActions(self)
        self.acts = Acts(self)
        self._menus: list[tk.Menu] = []
        self._icons = [tk.PhotoImage(master=root, file=path) for path in assets.icons()]
        if self._icons:
            root.iconphoto(True, *self._icons)
        self._make_menus()
        self._make_parts()
        self._bind()
        self._restore()
        theme.listeners.append(self._recolour)
        self._recolour()
        self.show_title()
        self.say(self._ready_text())

    # Building

    def _make_menus(self) -> None:
        bar = tk.Menu(self.root)
        for title, entries in actions.MENUS.items():
            menu = tk.Menu(bar)
            self._fill_menu(menu, entries)
            bar.add_cascade(label=title, menu=menu)
            self._menus.append(menu)
        self._menus.append(bar)
        self.menu_bar = bar
        self.root.configure(menu=bar)
        self.context = tk.Menu(self.root)
        wanted = [actions.BY_NAME[n] if n else actions.SEPARATOR for n in actions.CONTEXT]
        self._fill_menu(self.context, wanted)
        self._menus.append(self.context)
        self._context_open = False
        self.context.bind("<Map>", lambda _event: self._set_context(True))
        self.context.bind("<Unmap>", lambda _event: self._set_context(False))

    def _fill_menu(self, menu: tk.Menu, entries: Sequence[actions.Action]) -> None:
        for action in entries:
            if action is actions.SEPARATOR:
                menu.add_separator()
            else:
                act = getattr(self.acts, action.name)
                menu.add_command(label=action.label, accelerator=action.key, command=act)

    def _set_context(self, is_open: bool) -> None:
        self._context_open = is_open

    def _make_parts(self) -> None:
        root, theme, session, tips = self.root, self.theme, self.session, self.tips
        px = theme.px
        self.strip = Strip(root, theme, session, tips, self._show_problems)
        self.strip.pack(fill="x")
        status = ttk.Frame(root, style="Strip.TFrame", padding=(px(12), px(3)))
        status.pack(side="bottom", fill="x")
        keys = "F1 shortcuts   Ctrl+F filter   Enter log   F2 edit   F5 restart"
        hints = ttk.Label(status, text=keys, style="Strip.Muted.TLabel")
        hints.pack(side="right")
        tips.add(hints, "F1 lists all keys.")
        self._status = ttk.Label(status, style="Strip.Muted.TLabel")
        self._status.pack(side="left", fill="x", expand=True)
        tips.add(self._status, lambda _x, _y: "\n".join([self._said, *session.messages[-5:]]))
        self.question = QuestionBar(root, theme)
        self.question.placed(self._place_question)
        self.body = ttk.Frame(root)
        self.body.pack(fill="both", expand=True)
        self.tabs = Tabs(self.body)
        self.tabs.pack(fill="both", expand=True)
        self.systems = SystemsTab(self.tabs, theme, session, tips, self)
        self.logs = LogsTab(self.tabs, theme, session, tips, self, self.files.save_log)
        self.traffic_tab = TrafficTab(
            self.tabs, theme, session, tips, say=self.say, export=self.files.export
        )
        self.program = ProgramTab(self.tabs, theme, session, tips, self.files.save_log)
        self.all_tabs = (self.systems, self.logs, self.traffic_tab, self.program)
        names = ("Systems", "Logs and data edit", "Traffic", "Program log")
        for tab, name in zip(self.all_tabs, names, strict=True):
            self.tabs.add(tab, text=name)
        tips.add(self.tabs, self._tab_tip)
        tips.add(self.question.yes, "Do it (Enter).")
        tips.add(self.question.no, "Leave everything as it is (Esc).")
        self.systems.table.is_menu_open = lambda: self._context_open
        self.sheet = Sheet(self.body, theme)
        tips.add(self.sheet.close_button, "Back to the tabs (Esc).")
        tips.add(self.sheet.act_button, "Do what is described here.")

    def _bind(self) -> None:
        root = self.root
        for menu in actions.MENUS.values():
            for action in menu:
                for sequence in action.sequences:
                    act = getattr(self.acts, action.name)
                    root.bind(sequence, handled(act))
        root.bind("<Escape>", handled(self.acts.escape))
        for widget in (self.systems.table.tree, self.traffic_tab.tree):
            widget.bind("<Control-c>", handled(self.acts.copy))
            widget.bind("<Control-C>", handled(self.acts.copy))
        for event, is_minimised in (("<Unmap>", True), ("<Map>", False)):
            root.bind(event, partial(self._mapped, is_minimised), add="+")
        self.tabs.bind("<<NotebookTabChanged>>", lambda _event: self._tab_changed())
        root.protocol("WM_DELETE_WINDOW", self.ask_close)

    def _restore(self) -> None:
        """Put everything where it was the last time, as far as the screen allows."""
        root, px, saved = self.root, self.theme.px, self.prefs
        screen = (root.winfo_screenwidth(), root.winfo_screenheight())
        smallest = (min(px(SMALLEST[0]), screen[0]), min(px(SMALLEST[1]), screen[1]))
        root.minsize(*smallest)
        usual = (min(px(USUAL[0]), screen[0]), min(px(USUAL[1]), screen[1] - px(30)))
        root.geometry(prefs.fitting(saved.geometry, screen, smallest) or f"{usual[0]}x{usual[1]}")
        if saved.is_maximised:
            self._maximise()
        self.logs.is_linked.set(saved.is_linked)
        self.logs.is_side_by_side.set(saved.is_side_by_side)
        self.systems.table.size_columns(saved.columns)
        self.systems.table.fold(saved.folded)
        if saved.filter:
            self.systems.filter.put(saved.filter)
        if self.systems.table.shown:
            self.systems.table.select(self.systems.table.shown[0], see=False)
        root.update_idletasks()
        self.logs.lay_out()
        if not saved.has_side_pane:
            self.acts.toggle_side_pane()
        root.update_idletasks()
        for name, split in self._splits().items():
            if name in saved.sashes:
                split.part = saved.sashes[name]

    def _maximise(self) -> None:
        try:
            if self.root.tk.call("tk", "windowingsystem") == "x11":
                self.root.attributes("-zoomed", True)
            else:
                self.root.state("zoomed")
        except tk.TclError:
            _log.info("this desktop has no maximised windows")

    def _is_maximised(self) -> bool:
        try:
            if self.root.tk.call("tk", "windowingsystem") == "x11":
                return bool(self.root.attributes("-zoomed"))
            return self.root.state() == "zoomed"
        except tk.TclError:
            return False

    def _splits(self) -> dict[str, Split]:
        way = "beside" if self.logs.is_side_by_side.get() else "above"
        return {
            "systems": self.systems.split,
            f"logs {way}": self.logs.split,
            "traffic": self.traffic_tab.split,
            "frame": self.traffic_tab.detail.split,
        }

    def _remember(self) -> None:
        if self._prefs_path is None:
            return
        saved = self.prefs
        saved.is_maximised = self._is_maximised()
        if not saved.is_maximised:
            saved.geometry = self.root.geometry()
        saved.palette, saved.text_size = self.theme.palette, self.theme.text_size
        for name, split in self._splits().items():
            if split.part is not None:
                saved.sashes[name] = split.part
        saved.columns = self.systems.table.widths
        saved.folded = self.systems.table.folded
        saved.filter = self.systems.filter.text
        saved.is_side_by_side = bool(self.logs.is_side_by_side.get())
        saved.is_linked = bool(self.logs.is_linked.get())
        saved.has_side_pane = self.systems.split.has(self.systems.side)
        prefs.save(self._prefs_path, saved)

    # Running

    def run(self) -> None:
        """Start the gateway and go on until the window is closed."""
        self.start()
        self.root.mainloop()

    def start(self) -> None:
        """Start the gateway and the poll."""
        self.session.start()
        self._poll()

    def _poll(self) -> None:
        self._poll_id = None
        if self._should_stop():
            self.close()
            return
        begin = perf_counter()
        try:
            self._tick()
        finally:
            self.last_tick = perf_counter() - begin
            if not self._is_closed:
                least = _POLL_MINIMISED_MS if self._is_minimised else _POLL_MS
                busy = 1000 * (self.last_tick + self._drawn_in)
                self._poll_id = self.root.after(max(least, round(8 * busy)), self._poll)

    def _tick(self) -> None:
        self._show(self.session.poll())

    def _show(self, tick: Tick) -> None:
        if tick.messages:
            self.say(tick.messages[-1])
        self.systems.take(tick)
        self.traffic_tab.take(tick, is_visible=self._tab == 2 and not self._is_minimised)
        self.strip.refresh(tick)
        if self._is_minimised:
            return
        self.all_tabs[self._tab].refresh(tick)
        if not tick.is_quiet:
            begin = perf_counter()
            # What was changed is drawn in the idle calls queued before this one.
            self.root.after_idle(self._drawn, begin)

    def _drawn(self, begin: float) -> None:
        self._drawn_in = perf_counter() - begin

    def _mapped(self, is_minimised: bool, event: "tk.Event[Any]") -> None:
        if event.widget is self.root:
            self._is_minimised = is_minimised

    def _tab_changed(self) -> None:
        self.tips.hide()
        self._tab = self.tabs.current
        if self._poll_id is not None:
            tick = self.session.poll()
            tick.sampled = True  # so that what was not looked at is shown as it is now
            self._show(tick)

    def _tab_tip(self, x: int, y: int) -> str:
        try:
            number = int(self.tabs.tk.call(str(self.tabs), "index", f"@{x},{y}"))
        except tk.TclError:  # beside the tabs
            return ""
        return f"{_TAB_TIPS[number]} (Ctrl+{number + 1})"

    def report(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        """An error in a callback: the program log has it whole, the status bar in a line.

        The same one again, with every poll perhaps, is logged once a minute.
        """
        text, now = f"{kind.__name__}: {error}", monotonic()
        if now >= self._errors.get(text, 0.0):
            self._errors = {known: at for known, at in self._errors.items() if at > now}
            self._errors[text] = now + _SAME_ERROR_SECONDS
            _log.error("error in the window", exc_info=(kind, error, trace))
        self.say(f"Internal error: {text} (see the program log)")

    def say(self, text: str) -> None:
        """One line at the bottom."""
        if text != self._said:
            self._said = text
            if hasattr(self, "_status"):
                self._status.configure(text=text)

    @property
    def said(self) -> str:
        """The line at the bottom."""
        return self._said

    def _ready_text(self) -> str:
        skipped = len(skipped_rows(self.session))
        if not skipped:
            return "Ready"
        return f"Ready; {plural(skipped, 'row')} of the ini file skipped (see Program log)"

    def show_title(self) -> None:
        """File and program, and whether anything runs that is not saved."""
        unsaved = len(self.session.unsaved)
        mark = f" ({plural(unsaved, 'entry', 'entries')} changed, not saved)" if unsaved else ""
        self.root.title(f"{self.session.file.path.name}{mark} - IEC104MM2SS")

    @property
    def tab(self) -> int:
        """The number of the tab in front, from 0."""
        return self._tab

    # What the tabs ask for

    def open_log(self, key: str, pane: int) -> None:
        """Show a log in the upper (0) or lower (1) pane."""
        self.logs.open(key, pane)
        self.tabs.open(self.logs)
        self.logs.panes[pane].log.text.focus_set()

    def show_traffic(self, key: str) -> None:
        """Show the frames of an entry's group."""
        self.traffic_tab.watch(self.session.entries[key].group)
        self.tabs.open(self.traffic_tab)

    def restart(self, key: str) -> None:
        """Restart an entry as it runs; for an RTU's ask first if masters are connected."""
        entry = self.session.entries[key]
        self._if_group_may_go(key, lambda: self._restarted(key, entry.label))

    def _restarted(self, key: str, label: str) -> None:
        if key in self.session.entries:
            self.session.restart(key)
            self.say(f"{label} restarted.")

    def apply_form(self, form: EntryForm) -> None:
        """Run an entry with what stands in its form."""
        checked = form.checked
        if checked is None or checked.entry is None:
            self.root.bell()
            return
        if not form.is_changed:
            self.restart(form.key)
            return
        key, new = form.key, checked.entry

        def go() -> None:
            if key not in self.session.entries:
                return
            form.applied(key)
            renamed = self.session.edit(new)
            self.config_changed((key, renamed))
            self.say(f"{new.label} restarted with other values; not saved to the ini file.")

        self._if_group_may_go(key, go)

    def _if_group_may_go(self, key: str, go: Callable[[], None]) -> None:
        entry = self.session.entries[key]
        connected = self.session.masters_connected(entry.group)
        if not isinstance(entry, RtuEntry) or not connected:
            go()
            return
        dropped = f"Its {connected} connected masters are dropped and come back"
        if connected == 1:
            dropped = "Its connected master is dropped and comes back"
        self.question.ask(
            f"Restart {entry.label}?  {dropped} when the RTU is online again.",
            Answer(f"Restart group {entry.group}", go),
        )

    def config_changed(self, renamed: tuple[str, str] | None = None) -> None:
        """Another configuration runs: everything that lists entries follows."""
        self.question.close()  # it was about the one before
        table = self.systems.table
        selected = table.selected
        if renamed is not None and selected == renamed[0]:
            selected = renamed[1]
        elif selected and self.session.entries.get(selected) is None:
            selected = selected if selected.startswith("group ") else ""
        self.systems.rebuild(selected)
        self.logs.follow(renamed)
        self.traffic_tab.follow_config()
        self.program.follow()
        self.show_title()

    def context_menu(self, key: str, x: int, y: int) -> None:
        """The menu of a row."""
        if key:
            self.tips.hide()
            self.context.tk_popup(x, y)

    def _show_problems(self) -> None:
        self.tabs.open(self.systems)
        self.systems.choose_state(Category.PROBLEM)

    # Look and end

    def _place_question(self, on: bool) -> None:
        if on:
            pad = self.theme.px(8)
            self.question.pack(fill="x", padx=pad, pady=(pad, 0), before=self.body)
        else:
            self.question.pack_forget()

    def _recolour(self) -> None:
        for menu in self._menus:
            self.theme.menu(menu)
        self.menu_bar.configure(relief="flat", borderwidth=0)
        self.theme.dark_title_bar()

    def ask_close(self) -> None:
        """Close, after a question if links are up."""
        counts = self.session.counts()
        if not self.session.has_links:
            self.close()
            return
        self.question.ask(
            f"Close the gateway?  {plural(counts.rtus_online, 'RTU')} and "
            f"{plural(counts.masters_online, 'master')} are connected through it and would be "
            "dropped.",
            Answer("Close gateway", self.close),
        )

    def close(self) -> None:
        """End everything in order: window away, links down, threads ended."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self._remember()
            if self._poll_id is not None:
                self.root.after_cancel(self._poll_id)
            self.root.withdraw()
            self.root.update_idletasks()
        finally:
            self._end()

    def _end(self) -> None:
        try:
            self.in_order = self.session.stop()
        finally:
            for waiting in self.root.tk.splitlist(self.root.tk.call("after", "info")):
                # Not `after_cancel`: the command is of the widget that waits, and goes with it.
                self.root.tk.call("after", "cancel", waiting)
            self.root.destroy()
