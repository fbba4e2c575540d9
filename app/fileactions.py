"""What the window does with files: save, reload, export, open with another program."""

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tkinter import filedialog
from typing import TYPE_CHECKING

from app import assets
from app.formats import comma_separated, plural
from app.inifile import IniFile
from app.saving import Saving
from app.session import reload_text
from app.widgets import Answer
from core.config import Severity
from core.feed import LogLine, LogTail

if TYPE_CHECKING:
    from app.logview import LogView
    from app.window import Window


class FileActions:
    """Each ends with a line in the status bar, also when a disk refuses."""

    def __init__(self, window: "Window") -> None:
        self._window = window

    # The ini file

    def review_saving(self) -> None:
        """Show what would be changed in the file, with a button that does it."""
        window, session = self._window, self._window.session
        try:
            if session.file.has_changed():
                window.question.ask(
                    f"{session.file.path.name} was changed by somebody else since it was read. "
                    "Reload it first; what was edited here is then lost.",
                    Answer("Reload", self.reload),
                    no="Cancel",
                )
                return
        except OSError as error:
            window.say(f"{session.file.path} cannot be read: {error.strerror}")
            return
        saving = session.file.saving(session.config)
        if not saving.is_needed:
            window.say(saving.problem or "Nothing to save: the ini file says what runs.")
            return
        answer = None if saving.problem else Answer("Save", lambda: self._save(saving))
        window.sheet.open(f"Save to {session.file.path.name}", self._saving_text(saving), answer)

    def _saving_text(self, saving: Saving) -> list[tuple[str, str]]:
        pieces: list[tuple[str, str]] = []
        if saving.problem:
            pieces.append((f"This cannot be saved: {saving.problem}.\n\n", "bold"))
        else:
            pieces.append(
                ("These rows change; all others, comments and order stay as they are. A backup "
                 "with today's date is made beside the file.\n\n", "")
            )  # fmt: skip
        for line in saving.difference:
            style = {"+": "plus", "-": "minus", "@": "muted"}.get(line.sign, "fixed")
            text = f"\n{line.text}\n" if line.sign == "@" else f"{line.sign} {line.text}\n"
            pieces.append((text, style))
        return pieces

    def _save(self, saving: Saving) -> None:
        window, file = self._window, self._window.session.file
        try:
            if file.has_changed():
                window.say(f"{file.path.name} was changed by somebody else; nothing saved.")
                return
            backup = file.write(saving.octets, datetime.now().astimezone())
        except OSError as error:
            window.say(f"{file.path} cannot be written: {error.strerror or error}")
            return
        window.show_title()
        window.say(f"Saved {file.path.name}; the file before is {backup.name}.")

    def reload(self) -> None:
        """Read the file again and run what it says; asks if that restarts anything."""
        window, session = self._window, self._window.session
        try:
            file = session.file.read_again()
        except OSError as error:
            window.say(f"{session.file.path} cannot be read: {error.strerror}")
            return
        if not file.config.groups:
            window.say(f"{file.path.name} has no group that can be started; nothing changed.")
            return
        what = reload_text(session.config, file.config)
        if not what:
            self._take(file, "nothing differs from what runs")
            return
        lost = "  What was edited here is lost." if session.unsaved else ""
        window.question.ask(
            f"Reload {file.path.name}?  {what[0].upper()}{what[1:]}; the rest goes on.{lost}",
            Answer("Reload", lambda: self._take(file, what)),
        )

    def _take(self, file: IniFile, what: str) -> None:
        window, session = self._window, self._window.session
        session.take_file(file)
        window.config_changed()
        wrong = [d for d in file.reading.diagnostics if d.severity is not Severity.NOTICE]
        more = f" First of {plural(len(wrong), 'remark')}: {wrong[0]}" if wrong else ""
        window.say(f"{file.path.name} read: {what}.{more}")

    # Other files

    def export(self, name: str, rows: Sequence[Sequence[str]]) -> None:
        """Save rows as CSV where the user says."""
        self._write(
            f"{name}.csv", [("CSV", "*.csv")], "\ufeff" + comma_separated(rows),
            plural(len(rows) - 1, "row"),
        )  # fmt: skip

    def save_log(self, view: "LogView") -> None:
        """Save the lines a log shows where the user says."""
        lines = view.shown_lines
        name = view.file_name or "log.txt"
        text = "".join(f"{line}\n" for line in lines)
        self._write(name, [("Text", "*.txt")], text, plural(len(lines), "line"))

    def _write(self, name: str, kinds: list[tuple[str, str]], text: str, what: str) -> None:
        chosen = filedialog.asksaveasfilename(
            parent=self._window.root, initialfile=name, defaultextension=Path(name).suffix,
            filetypes=[*kinds, ("All files", "*")],
        )  # fmt: skip
        if not chosen:
            return
        try:
            with Path(chosen).open("w", encoding="utf-8", newline="") as file:
                file.write(text)
        except OSError as error:
            self._window.say(f"{chosen} cannot be written: {error.strerror}")
        else:
            self._window.say(f"{what} written to {chosen}.")

    def open_log_file(self, key: str) -> None:
        """Show an entry's log file in another program.

        Entries of the same name have files of different names, which the log itself knows best.
        """
        self._window.session.watch_log(key, _FileOpener(self._window, key))


class _FileOpener:
    """Looks at a log only until it knows in which file that is."""

    def __init__(self, window: "Window", key: str) -> None:
        self._window = window
        self._key = key

    def take_tail(self, tail: LogTail, folder: Path) -> None:
        """The end of the log, and with it the name of its file."""
        self._window.session.unwatch_log(self._key, self)
        self._window.say(open_outside(folder / tail.file_name))

    def take_lines(self, lines: Sequence[LogLine]) -> None:
        """Lines are for others."""

    def take_skipped(self, count: int) -> None:
        """So are those that came too fast."""


def open_outside(path: Path) -> str:
    """Open a file or folder with the program the desktop has for it; a line that says so."""
    if not path.exists():
        return f"{path} is not there yet."
    try:
        if sys.platform == "win32":
            os.startfile(path)
        else:
            tool = "open" if sys.platform == "darwin" else "xdg-open"
            subprocess.Popen(
                [tool, str(path)], env=assets.environment_outside(os.environ),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
    except OSError as error:
        return f"{path}: no program to open it with ({error.strerror})."
    return f"{path} opened."
