"""A window to work in: on the display there is, or on an Xvfb the tests start themselves.

With GUI_TESTS=required (as in CI) a missing display or tkinter fails instead of skipping.
"""

import logging
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.app.gui.display import (
    Display,
    NoDisplayError,
    own_display_is_needed,
    put_the_pointer_away,
)
from tests.app.gui.fakecore import FakeCore, ini, many
from tests.app.gui.person import Person


def _missing(why: str) -> None:
    if os.environ.get("GUI_TESTS") == "required" or os.environ.get("CI"):
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


@pytest.fixture(scope="package")
def display() -> Iterator[Display | None]:
    """Where windows appear."""
    try:
        import tkinter as tk
    except ImportError:
        _missing("tkinter is not installed (apt-get install python3-tk)")
    if not own_display_is_needed():
        tk.Tk().destroy()
        put_the_pointer_away()
        yield None
        return
    made = Display("2560x1600")  # large enough for a window at 2x
    try:
        made.__enter__()
    except NoDisplayError as error:
        _missing(str(error))
    os.environ["DISPLAY"] = made.name
    tk.Tk().destroy()  # Tk keeps its connection: no test is the first to open that socket
    yield made
    del os.environ["DISPLAY"]
    made.__exit__()


@pytest.fixture
def open_window(
    display: Display | None, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Person]]:
    """Opens windows on a core; what went wrong in a callback fails the test (see conftest)."""
    import tkinter as tk

    from app.prefs import Preferences
    from app.session import Session
    from app.theme import Theme
    from app.window import Window

    opened: list[Person] = []

    def open_window(
        core: Any, feed: Any, file: Any, *, prefs: Preferences | None = None,
        prefs_path: Path | None = None, root: tk.Tk | None = None, palette: str = "light",
        dpi: float | None = None, **options: Any,
    ) -> Person:  # fmt: skip
        root = root or tk.Tk()
        session = Session(
            core, feed, file, started_at=datetime.now().astimezone(),
            **{"log_folder": tmp_path / "log", **options},
        )  # fmt: skip
        window = Window(
            root, session, theme=Theme(root, palette, dpi=dpi), preferences=prefs or Preferences(),
            preferences_path=prefs_path,
        )  # fmt: skip
        person = Person(window)
        opened.append(person)
        window.start()
        person.wait()
        return person

    failed_before = request.session.testsfailed
    yield open_window
    for person in opened:
        if request.session.testsfailed > failed_before and display is not None:
            folder = Path("artifacts")
            folder.mkdir(exist_ok=True)
            (folder / f"{request.node.name}.png").write_bytes(display.picture())
        person.end()


class Desk:
    """A window on a fake core, and both at hand."""

    def __init__(self, core: FakeCore, file: Any, person: Person) -> None:
        self.core, self.file, self.person = core, file, person

    @property
    def window(self) -> Any:
        return self.person.window


@pytest.fixture
def desk(open_window: Callable[..., Person], tmp_path: Path) -> Callable[..., Desk]:
    """Opens a window on a fake core with this file."""
    from core.feed import Feed

    def desk(text: str = "", **options: Any) -> Desk:
        file = ini(tmp_path / "test.csv", text or many(3, 2))
        feed = Feed()
        core = FakeCore(feed)
        core.apply(file.config)
        core.applied.clear()
        return Desk(core, file, open_window(core, feed, file, **options))

    return desk


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    logger = logging.getLogger("iec104")
    level = logger.level
    yield
    logger.setLevel(level)
