"""What the menus and keys do; the table of them is `actions`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from app import assets, helptext
from app.fileactions import open_outside
from app.formats import plural, tab_separated
from app.logview import LogView

if TYPE_CHECKING:
    from app.window import Window


class Acts:
    """One method for each action, called like it."""

    def __init__(self, window: "Window") -> None:
        self._w = window

    def ask_close(self) -> None:
        self._w.ask_close()

    def tab_1(self) -> None:
        self._w.tabs.open(self._w.systems)
        self._w.systems.table.tree.focus_set()

    def tab_2(self) -> None:
        self._w.tabs.open(self._w.logs)

    def tab_3(self) -> None:
        self._w.tabs.open(self._w.traffic_tab)

    def tab_4(self) -> None:
        self._w.tabs.open(self._w.program)

    @property
    def _log_view(self) -> LogView | None:
        if self._w.tab == 1:
            return self._w.logs.active.log
        return self._w.program.log if self._w.tab == 3 else None

    def find(self) -> None:
        match self._w.tab:
            case 0:
                self._w.systems.focus_filter()
            case 2:
                self._w.traffic_tab.filter.focus_set()
            case _:
                view = self._log_view
                if view is not None:
                    view.focus_find()

    def find_next(self) -> None:
        if self._log_view is not None:
            self._log_view.find_entry.flush()
            self._log_view.find_next()

    def find_previous(self) -> None:
        if self._log_view is not None:
            self._log_view.find_entry.flush()
            self._log_view.find_next(back=True)

    def follow(self) -> None:
        if self._w.tab == 2:
            self._w.traffic_tab.follow()
        elif self._log_view is not None:
            self._log_view.follow()

    def pause(self) -> None:
        if self._w.tab == 2:
            self._w.traffic_tab.toggle()
        elif self._log_view is not None:
            self._log_view.toggle()

    def light(self) -> None:
        self._look("light", self._w.theme.text_size)

    def dark(self) -> None:
        self._look("dark", self._w.theme.text_size)

    def larger(self) -> None:
        self._look(self._w.theme.palette, self._w.theme.text_size + 1)

    def smaller(self) -> None:
        self._look(self._w.theme.palette, self._w.theme.text_size - 1)

    def usual_size(self) -> None:
        self._look(self._w.theme.palette, 0)

    def _look(self, palette: str, text_size: int) -> None:
        is_resized = self._w.theme.choose(palette, text_size)
        if is_resized:
            self._w.systems.table.size_columns({})

    def toggle_side_pane(self) -> None:
        systems = self._w.systems
        if systems.split.has(systems.side):
            systems.split.forget(systems.side)
        else:
            systems.split.show(systems.side)

    def expand_all(self) -> None:
        self._w.systems.fold(is_open=True)

    def collapse_all(self) -> None:
        self._w.systems.fold(is_open=False)

    @property
    def _key(self) -> str:
        """The entry an action is about."""
        if self._w.tab == 1:
            return self._w.logs.active.key
        return self._w.systems.selected_key

    def open_upper(self) -> None:
        self._with_key(lambda key: self._w.open_log(key, 0))

    def open_lower(self) -> None:
        self._with_key(lambda key: self._w.open_log(key, 1))

    def traffic(self) -> None:
        self._with_key(self._w.show_traffic)

    def restart_selected(self) -> None:
        self._with_key(self._w.restart)

    def edit(self) -> None:
        if self._w.tab == 1 and self._w.logs.active.key:
            self._w.logs.form.focus()
        else:
            self._w.tabs.open(self._w.systems)
            self._w.systems.edit_selected()

    def apply(self) -> None:
        form = self._w.logs.form if self._w.tab == 1 else self._w.systems.side.form
        if form.key:
            self._w.apply_form(form)

    def _with_key(self, act: Callable[[str], None]) -> None:
        if self._key:
            act(self._key)
        else:
            self._w.say("Select a system first.")

    def copy(self) -> None:
        rows = self._w.traffic_tab.copied() if self._w.tab == 2 else self._w.systems.copied()
        if rows:
            self._to_clipboard(tab_separated(rows), f"{plural(len(rows), 'row')} copied.")

    def copy_remote(self) -> None:
        status = self._w.session.statuses.get(self._key)
        if status is not None and status.peer:
            self._to_clipboard(status.peer, f"{status.peer} copied.")
        else:
            self._w.say("Not connected: there is no remote address.")

    def _to_clipboard(self, text: str, said: str) -> None:
        self._w.root.clipboard_clear()
        self._w.root.clipboard_append(text)
        self._w.say(said)

    def open_log_file(self) -> None:
        self._with_key(self._w.files.open_log_file)

    def open_log_folder(self) -> None:
        self._w.say(open_outside(self._w.session.log_folder))

    def save(self) -> None:
        self._w.files.review_saving()

    def reload(self) -> None:
        self._w.files.reload()

    def export(self) -> None:
        if self._w.tab == 2:
            self._w.traffic_tab.export()
        else:
            self._w.files.export("systems", self._w.systems.texts())

    def keys(self) -> None:
        self._w.sheet.open("Keyboard shortcuts", helptext.keys_text())

    def manual(self) -> None:
        path = assets.manual()
        if path is None:
            folder = assets.program_folder() / "docs"
            self._w.say(f"The manual is not there: manual.html is expected in {folder}.")
        else:
            self._w.say(open_outside(path))

    def routing(self) -> None:
        self._w.sheet.open("Who receives what", helptext.routing_text())

    def about(self) -> None:
        text = helptext.about_text(self._w.session.file.path, self._w.session.log_folder)
        self._w.sheet.open("IEC104MM2SS", text)

    def escape(self) -> None:
        """Close what is open, else let the tab decide."""
        self._w.tips.hide()
        if self._w.sheet.is_open:
            self._w.sheet.close()
        elif self._w.question.is_open:
            self._w.question.close()
        else:
            self._w.all_tabs[self._w.tab].escape()
