"""What a person does at the window: points, clicks, types, presses keys, and waits."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Person:
    """Works at one window."""

    def __init__(self, window: Any) -> None:
        self.window = window
        self.root = window.root

    def wait(self, seconds: float = 0.05) -> None:
        """Lets the window live for a moment."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.root.update()
            time.sleep(0.005)

    def until(self, condition: Callable[[], T], what: str = "condition", within: float = 5) -> T:
        """Lets it live until something is so."""
        end = time.monotonic() + within
        while True:
            self.root.update()
            got = condition()
            if got:
                return got
            assert time.monotonic() < end, f"{what}: not within {within} s"
            time.sleep(0.005)

    def tick(self) -> None:
        """A poll now instead of within 200 ms."""
        self.window._tick()
        self.root.update()

    def click(self, widget: Any, x: int = 5, y: int = 5, times: int = 1, button: int = 1) -> None:
        self.root.update()
        for _ in range(times):
            widget.event_generate(f"<ButtonPress-{button}>", x=x, y=y)
            widget.event_generate(f"<ButtonRelease-{button}>", x=x, y=y)
        self.root.update()

    def click_row(self, tree: Any, iid: str, column: str = "#0", **options: int) -> None:
        tree.see(iid)
        self.root.update()
        x, y, width, height = tree.bbox(iid, column)
        self.click(tree, x + min(width // 2, 60), y + height // 2, **options)

    def click_heading(self, tree: Any, column: str) -> None:
        self.root.update()
        x = 20 if column == "#0" else tree.bbox(tree.get_children("")[0], column)[0] + 20
        self.click(tree, x, 8)

    def key(self, widget: Any, sequence: str) -> None:
        """Presses a key while a widget has the keyboard."""
        widget.focus_force()
        self.root.update()
        widget.event_generate(sequence)
        self.root.update()

    def type(self, entry: Any, text: str) -> None:
        """Types a text into a field, over what stands there."""
        entry.focus_force()
        self.root.update()
        entry.selection_range(0, "end")
        entry.event_generate("<Key>", keysym="BackSpace")
        entry.delete(0, "end")
        for character in text:
            entry.insert("end", character)
        self.wait(0.25)

    def rows(self) -> list[str]:
        """The names in the table, as they stand; folded groups' entries included."""
        tree = self.window.systems.table.tree
        found = []
        for group in tree.get_children(""):
            found.append(tree.item(group, "text").strip())
            found += [tree.item(key, "text").strip() for key in tree.get_children(group)]
        return found

    def cell(self, iid: str, column: str) -> str:
        return str(self.window.systems.table.tree.set(iid, column))

    def end(self) -> None:
        self.window.close()
