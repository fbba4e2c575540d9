"""Opening the window, or saying why there can be none. Imports tkinter only when asked to."""

import sys
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.inifile import IniFile
from app.session import Core, Session
from core.config import Settings
from core.feed import Feed

if TYPE_CHECKING:
    import tkinter as tk

_NOGUI: Final = "or run without a window: iec104mm2ss --nogui"


def objection() -> str | None:
    """Why no window can be opened, and what to do; None if one can."""
    try:
        import tkinter as tk
    except ImportError:
        return (
            "the window needs tkinter, which this Python does not have: install it "
            f"(Debian, Ubuntu: apt-get install python3-tk), {_NOGUI}"
        )
    from app.theme import prepare_process

    prepare_process()
    try:
        tk.Tk().destroy()
    except tk.TclError as error:
        return f"no window can be opened ({error}): start it on a desktop, {_NOGUI}"
    return None


def end_with_session(root: "tk.Tk", end: Callable[[], None]) -> None:
    """Call ``end`` when Windows logs off or shuts down: it ends the process soon after."""
    if sys.platform == "win32":  # elsewhere it is asked at other times too, only to save
        root.protocol("WM_SAVE_YOURSELF", end)


def run(
    core: Core, feed: Feed, file: IniFile, log_folder: Path, stop: threading.Event,
    settings_changed: Callable[[Settings], None] = lambda settings: None,
) -> bool:  # fmt: skip
    """Run the gateway in a window until that is closed or ``stop`` is set.

    ``settings_changed`` is told when another configuration runs. Whether everything ended in order.
    """
    import tkinter as tk

    from app import prefs
    from app.theme import Theme, desktop_dpi
    from app.window import Window

    path = prefs.default_path()
    saved = prefs.load(path)
    dpi = desktop_dpi()
    root = tk.Tk(className="Iec104mm2ss")
    root.withdraw()
    theme = Theme(root, saved.palette, saved.text_size, saved.scale or None, dpi)
    started = datetime.now().astimezone()
    session = Session(
        core, feed, file, log_folder=log_folder, started_at=started,
        settings_changed=settings_changed,
    )  # fmt: skip
    window = Window(
        root, session, theme=theme, preferences=saved, preferences_path=path,
        should_stop=stop.is_set,
    )  # fmt: skip
    end_with_session(root, window.close)
    root.deiconify()
    window.run()
    return window.in_order
