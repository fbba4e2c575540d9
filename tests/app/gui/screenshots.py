"""Pictures of every tab, light and dark, in three sizes, of the real window.

python -m tests.app.gui.screenshots docs/images
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.app.gui.display import Display

SIZES = {"1280": ("1280x800", 96), "1920": ("1920x1080", 96), "2x": ("2560x1600", 192)}


class Stage:
    """A window on a display, with the demo in it."""

    def __init__(self, display: Display, palette: str, folder: Path) -> None:
        import tkinter as tk

        from app.prefs import Preferences
        from app.session import Session
        from app.theme import Theme
        from app.window import Window
        from tests.app.gui.demo import NOW, Demo

        self._display = display
        self.demo = Demo(folder)
        self.root = tk.Tk()
        theme = Theme(self.root, palette)
        screen = (self.root.winfo_screenwidth(), self.root.winfo_screenheight())
        self._seconds = 0.0
        self.session = Session(
            self.demo.core, self.demo.feed, self.demo.file, log_folder=folder / "log",
            started_at=NOW.replace(hour=8, minute=2, second=11), monotonic=self._clock,
        )  # fmt: skip
        prefs = Preferences(geometry=f"{screen[0]}x{screen[1] - theme.px(30)}+0+0")
        self.window: Any = Window(self.root, self.session, theme=theme, preferences=prefs)
        self.root.update()
        shown = f".#{str(self.window.menu_bar)[1:]}"  # Tk shows a copy of the menu
        menu = int(self.root.tk.call("winfo", "reqheight", shown))
        self.root.geometry(f"{screen[0]}x{screen[1] - menu}+0+0")
        self.window.start()
        self._seconds = 57_000.0  # it has run for most of a day
        for _ in range(130):
            self.pass_second()

    def _clock(self) -> float:
        return self._seconds

    def pass_second(self) -> None:
        self._seconds += 1.0
        self.demo.second()
        self.window._tick()

    def show(self, seconds: float = 0.4) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.root.update()
            time.sleep(0.01)

    def picture(self, path: Path) -> None:
        x, y = self.root.winfo_width() - 1, self.root.winfo_height() - 1
        self.root.event_generate("<Motion>", warp=True, x=x, y=y)
        self.show()
        self.window.tips.hide()
        self.root.update_idletasks()
        path.write_bytes(self._display.picture())
        print(f"{path}  {path.stat().st_size // 1000} kB")  # noqa: T201  # a tool for a terminal


def systems(stage: Stage) -> None:
    stage.window.systems.table.select("111/M/OSI-1")


def problems(stage: Stage) -> None:
    window = stage.window
    window._show_problems()
    window.systems.table.select("333/S/Hafeet")
    stage.show(0.1)
    from app.forms import Field

    window.systems.side.form.variables[Field.HOSTS].set("10.20.2.11:2404;10.20.2.12")
    window.restart("111/S/RTU-ABB")


def after_problems(stage: Stage) -> None:
    stage.window.question.close()
    stage.window.systems.side.form.revert()
    stage.window.systems.choose_state(None)


def menu(stage: Stage) -> None:
    window = stage.window
    window.systems.table.select("111/M/ABB-2")
    window.context.post(700, 300)


def after_menu(stage: Stage) -> None:
    stage.window.context.unpost()


def logs(stage: Stage) -> None:
    window, demo = stage.window, stage.demo
    window.open_log("111/S/RTU-ABB", 0)
    window.open_log("111/M/ABB-1", 1)
    stage.show(0.5)
    stage.pass_second()
    from app.forms import Field

    pane = window.logs.panes[1]
    pane.form.variables[Field.PORT].set("2407")
    stage.show(0.2)
    pane.log.find_entry.put("C_SC")
    stage.show(0.3)
    demo.flow("111/M/ABB-1", 12)
    demo.flow("111/S/RTU-ABB", 12)
    stage.pass_second()


def after_logs(stage: Stage) -> None:
    stage.window.logs.panes[1].form.revert()


def beside(stage: Stage) -> None:
    stage.window.logs.is_side_by_side.set(True)
    stage.window.logs.lay_out()


def after_beside(stage: Stage) -> None:
    stage.window.logs.is_side_by_side.set(False)
    stage.window.logs.lay_out()


def traffic(stage: Stage) -> None:
    window = stage.window
    window.show_traffic("111/M/OSI-1")
    stage.show(0.2)
    stage.demo.frames()
    stage.pass_second()
    tab = window.traffic_tab
    wanted = [n for n, row in tab._rows.items() if row.cells[3].startswith("C_SC")][-1]
    tab.tree.selection_set(str(wanted))
    tab.tree.see(str(wanted))


def program(stage: Stage) -> None:
    stage.window.acts.tab_4()


def saving(stage: Stage) -> None:
    window, session = stage.window, stage.session
    from app.forms import Texts, check

    found = check(session.config, "111/M/OSI-1", Texts("OSI-1", "2999", "47", "10.1.1.0/24"))
    assert found.entry is not None
    window.config_changed(("111/M/OSI-1", session.edit(found.entry)))
    window.acts.save()


def nothing(stage: Stage) -> None:
    stage.window.sheet.close()


SCENES: tuple[tuple[str, Callable[[Stage], None], Callable[[Stage], None]], ...] = (
    ("systems", systems, nothing),
    ("problems", problems, after_problems),
    ("menu", menu, after_menu),
    ("logs", logs, after_logs),
    ("logs-beside", beside, after_beside),
    ("traffic", traffic, nothing),
    ("program", program, nothing),
    ("saving", saving, nothing),
)
ONCE = ("problems", "menu", "saving")
"""Of these the smallest size says enough."""


@contextmanager
def stage(size: str, palette: str) -> Iterator[Stage]:
    pixels, dpi = SIZES[size]
    with Display(pixels, dpi) as display, tempfile.TemporaryDirectory() as folder:
        before = os.environ.get("DISPLAY")
        os.environ["DISPLAY"] = display.name
        made = Stage(display, palette, Path(folder))
        try:
            yield made
        finally:
            made.window.close()
            if before is None:
                del os.environ["DISPLAY"]
            else:
                os.environ["DISPLAY"] = before


def main(folder: Path, wanted: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for size in SIZES:
        for palette in ("light", "dark"):
            name = f"{size}-{palette}"
            if name == wanted:
                with stage(size, palette) as made:
                    for scene, begin, end in SCENES:
                        begin(made)
                        if scene not in ONCE or size == "1280":
                            made.picture(folder / f"{scene}-{palette}-{size}.png")
                        end(made)
            elif wanted in name:
                # A process for each: X ends a program whose display has gone.
                command = [sys.executable, "-m", "tests.app.gui.screenshots", str(folder), name]
                subprocess.run(command, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:3])
