"""Small parts of the window: tips, curves, question bar, splits, entries with a hint, tables."""

import contextlib
import tkinter as tk
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from tkinter import ttk
from typing import Any, Final, TypeAlias

from app.theme import Theme

TIP_DELAY_MS: Final = 550
_TIP_WIDTH: Final = 380
_TIP_ENDS: Final = ("<Leave>", "<ButtonPress>", "<KeyPress>", "<Destroy>", "<MouseWheel>")

TipText: TypeAlias = str | Callable[[int, int], str]
"""A text, or what gives the text for a place in the widget; "" for none."""


class Tips:
    """Tips for everything, in one shared borderless window."""

    def __init__(self, root: tk.Tk, theme: Theme) -> None:
        self._root = root
        self._theme = theme
        self._window: tk.Toplevel | None = None
        self._label: tk.Label | None = None
        self._waiting: str | None = None
        self._shown = ""
        self._texts: dict[str, TipText] = {}

    @property
    def shown(self) -> str:
        """The text that is shown, "" if none is."""
        return self._shown

    def add(self, widget: tk.Misc, text: TipText) -> None:
        """Give a widget, and what it is made of, a tip, or another one."""
        parts = widget.parts() if isinstance(widget, StatusLabel | HintEntry) else (widget,)
        for part in parts:
            is_new = str(part) not in self._texts
            self._texts[str(part)] = text
            if is_new:
                part.bind("<Enter>", self._entered, add="+")
                part.bind("<Motion>", self._moved, add="+")
                for event in _TIP_ENDS:
                    part.bind(event, self._left, add="+")

    def has(self, widget: tk.Misc) -> bool:
        """Whether a widget has one."""
        return str(widget) in self._texts

    def hide(self) -> None:
        """Take the tip away."""
        if self._waiting is not None:
            self._root.after_cancel(self._waiting)
            self._waiting = None
        if self._window is not None and self._shown:
            self._window.withdraw()
        self._shown = ""

    def _entered(self, event: "tk.Event[Any]") -> None:
        self._wait(event)

    def _moved(self, event: "tk.Event[Any]") -> None:
        if self._shown:
            if self._text(event) != self._shown:
                self.hide()
                self._wait(event)
        else:
            self._wait(event)

    def _left(self, _event: "tk.Event[Any]") -> None:
        self.hide()

    def _text(self, event: "tk.Event[Any]") -> str:
        text = self._texts.get(str(event.widget), "")
        return text if isinstance(text, str) else text(event.x, event.y)

    def _wait(self, event: "tk.Event[Any]") -> None:
        if self._waiting is not None:
            self._root.after_cancel(self._waiting)
        self._waiting = self._root.after(TIP_DELAY_MS, self._show, event)

    def _show(self, event: "tk.Event[Any]") -> None:
        self._waiting = None
        text = self._text(event)
        if not text or not event.widget.winfo_viewable():
            return
        self._shown = text
        theme, px = self._theme, self._theme.px
        if self._window is None or self._label is None:
            self._window = tk.Toplevel(self._root)
            self._window.withdraw()
            self._window.overrideredirect(True)
            with contextlib.suppress(tk.TclError):
                self._window.attributes("-topmost", True)
            self._label = tk.Label(self._window, justify="left", anchor="w")
            self._label.pack(padx=1, pady=1)
        self._window.configure(background=theme["tip_border"])
        self._label.configure(
            text=text, background=theme["tip"], foreground=theme["text"], font="TkTooltipFont",
            wraplength=px(_TIP_WIDTH), padx=px(8), pady=px(5),
        )  # fmt: skip
        self._window.update_idletasks()
        width, height = self._window.winfo_reqwidth(), self._window.winfo_reqheight()
        x, y = event.x_root + px(12), event.y_root + px(18)
        # Inside the screen, and never under the pointer: that would be a leave at once.
        if y + height > self._root.winfo_screenheight():
            y = event.y_root - height - px(10)
        x = max(0, min(x, self._root.winfo_screenwidth() - width))
        self._window.geometry(f"+{x}+{y}")
        self._window.deiconify()
        self._window.lift()


class Sparkline(tk.Canvas):
    """The messages of the last seconds as a small curve, one or two lines of it."""

    def __init__(self, parent: tk.Misc, theme: Theme, width: int, height: int) -> None:
        super().__init__(parent, width=theme.px(width), height=theme.px(height),
                         highlightthickness=0, borderwidth=0)  # fmt: skip
        self._theme = theme
        self._shown: list[tuple[int, int]] = []
        self._area = self.create_polygon(0, 0, 0, 0)
        self._lines = (self.create_line(0, 0, 0, 0), self.create_line(0, 0, 0, 0))
        self.itemconfigure("all", state="hidden")
        self.bind("<Configure>", lambda _event: self._draw())
        theme.listeners.append(self.recolour)
        self.recolour()

    def recolour(self) -> None:
        """Take the colours of the palette."""
        theme = self._theme
        ground = "strip" if "strip" in str(self.master.cget("style")).lower() else "surface"
        self.configure(background=theme[ground])
        self.itemconfigure(self._area, fill=theme["curve"], outline="")
        for line, role in zip(self._lines, ("in", "out"), strict=True):
            self.itemconfigure(line, fill=theme[role], width=max(1, theme.px(1)))

    def show(self, points: Sequence[tuple[int, int]], seconds: int) -> None:
        """Show in and out of each second, the newest last; what is the same is not drawn again."""
        # Before the first second there was nothing, so a quiet program draws nothing anew.
        whole = [(0, 0)] * (seconds - len(points)) + list(points)[-seconds:]
        if whole != self._shown:
            self._shown = whole
            self._draw()

    def _draw(self) -> None:
        width, height = self.winfo_width(), self.winfo_height()
        points = self._shown
        if len(points) < 2 or width < 2:
            self.itemconfigure("all", state="hidden")
            return
        self.itemconfigure("all", state="normal")
        most = max(1, max(max(point) for point in points))
        step = width / (len(points) - 1)
        for line, which in zip(self._lines, (0, 1), strict=True):
            path: list[float] = []
            for n, point in enumerate(points):
                path += (n * step, height - 2 - point[which] * (height - 5) / most)
            self.coords(line, *path)
            if which == 0:
                self.coords(self._area, 0, height, *path, width, height)


@dataclass(frozen=True, slots=True)
class Answer:
    """A button of a question."""

    text: str
    act: Callable[[], None]


class QuestionBar(ttk.Frame):
    """Asks in the window, so that events keep flowing; one question at a time."""

    def __init__(self, parent: tk.Misc, theme: Theme) -> None:
        super().__init__(parent, style="Ask.TFrame", padding=1)
        self._theme = theme
        px = theme.px
        self._edge = tk.Frame(self, borderwidth=0, highlightthickness=1)
        self._edge.pack(fill="both", expand=True)
        self._icon = tk.Label(self._edge, borderwidth=0)
        self._icon.pack(side="left", padx=(px(10), px(6)), pady=px(6))
        self._text = tk.Label(self._edge, anchor="w", justify="left", borderwidth=0)
        self._no = ttk.Button(self._edge, command=self.close)
        self._no.pack(side="right", padx=(px(6), px(8)), pady=px(6))
        self._yes = ttk.Button(self._edge, style="Accent.TButton", command=self._accept)
        self._yes.pack(side="right", pady=px(6))
        self._text.pack(side="left", fill="x", expand=True)
        self._answer: Answer | None = None
        self._refuse: Callable[[], None] | None = None
        self.is_open = False
        self._show: Callable[[bool], None] = lambda on: None
        self._edge.bind("<Configure>", self._wrap)
        theme.listeners.append(self.recolour)
        self.recolour()

    def placed(self, show: Callable[[bool], None]) -> None:
        """How the bar is put into the window and taken out of it."""
        self._show = show

    def recolour(self) -> None:
        """Take the colours of the palette."""
        theme = self._theme
        ground = theme["warning_row"]
        self._edge.configure(
            background=ground, highlightbackground=theme["warning"],
            highlightcolor=theme["warning"],
        )  # fmt: skip
        self._icon.configure(background=ground, image=theme.image("refused"))
        self._text.configure(background=ground, foreground=theme["text"], font="TkDefaultFont")

    def ask(
        self, text: str, yes: Answer, no: str = "Keep running",
        refused: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        """Show a question; the one before, if any, is taken as refused."""
        if self.is_open:
            self.close()
        self._answer, self._refuse = yes, refused
        self._text.configure(text=text)
        self._yes.configure(text=yes.text)
        self._no.configure(text=no)
        self.is_open = True
        self._show(True)
        self._yes.focus_set()

    @property
    def text(self) -> str:
        """The question that is open, else ""."""
        return str(self._text.cget("text")) if self.is_open else ""

    @property
    def yes(self) -> ttk.Button:
        """The button that acts."""
        return self._yes

    @property
    def no(self) -> ttk.Button:
        """The button that does not."""
        return self._no

    def close(self) -> None:
        """Take the question as refused."""
        if self.is_open:
            self.is_open = False
            self._show(False)
            refuse, self._refuse = self._refuse, None
            if refuse is not None:
                refuse()

    def _accept(self) -> None:
        answer = self._answer
        self.is_open = False
        self._show(False)
        if answer is not None:
            answer.act()

    def _wrap(self, event: "tk.Event[Any]") -> None:
        room = event.width - self._yes.winfo_reqwidth() - self._no.winfo_reqwidth()
        self._text.configure(wraplength=max(200, room - self._theme.px(60)))


class HintEntry(ttk.Entry):
    """An entry that says in grey what it is for while it is empty."""

    def __init__(
        self, parent: tk.Misc, theme: Theme, hint: str, width: int,
        changed: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        self.variable = tk.StringVar(parent)
        super().__init__(parent, textvariable=self.variable, width=width)
        self._hint = tk.Label(self, text=hint, borderwidth=0, cursor="xterm", anchor="w")
        self._theme = theme
        self._changed = changed
        self._delay: str | None = None
        self._hint.bind("<ButtonPress-1>", lambda _event: self.focus_set())
        self.variable.trace_add("write", self._written)
        theme.listeners.append(self.recolour)
        self.recolour()
        self._place_hint()

    def parts(self) -> Sequence[tk.Misc]:
        """The entry and the hint that covers it."""
        return (self, self._hint)

    def recolour(self) -> None:
        """Take the colours of the palette."""
        theme = self._theme
        self._hint.configure(
            background=theme["surface"], foreground=theme["muted"], font="TkTextFont"
        )

    @property
    def text(self) -> str:
        """What stands in it."""
        return self.variable.get()

    def clear(self) -> None:
        """Empty it, with effect at once."""
        self.put("")

    def put(self, text: str) -> None:
        """Write into it, with effect at once."""
        self.variable.set(text)
        self.flush()

    def flush(self) -> None:
        """Let what was typed take effect now."""
        if self._delay is not None:
            self.after_cancel(self._delay)
            self._delay = None
            if self._changed is not None:
                self._changed()

    def _place_hint(self) -> None:
        if self.text:
            self._hint.place_forget()
        else:
            inset = self._theme.px(5)
            self._hint.place(x=inset, rely=0.5, anchor="w", relwidth=1, width=-2 * inset)

    def _written(self, *_: str) -> None:
        self._place_hint()
        if self._delay is not None:
            self.after_cancel(self._delay)
        self._delay = self.after(150, self.flush)


class Split(ttk.Panedwindow):
    """Two parts with a sash between them."""

    def show(self, pane: tk.Widget) -> None:
        """Put a part back that was taken out."""
        if not self.has(pane):
            self.add(pane, weight=0)

    def has(self, pane: tk.Widget) -> bool:
        """Whether a part is shown."""
        return str(pane) in self._panes

    @property
    def part(self) -> float | None:
        """How much of it is before the sash, 0 to 1; None while that cannot be said."""
        length = self._length
        if len(self._panes) < 2 or length < 50:
            return None
        at = int(self.tk.call(str(self), "sashpos", 0))
        return round(at / length, 4) if 0 < at < length else None

    @part.setter
    def part(self, part: float) -> None:
        if len(self._panes) > 1 and self._length >= 50:
            self.tk.call(str(self), "sashpos", 0, round(part * self._length))

    @property
    def _panes(self) -> tuple[str, ...]:
        return tuple(map(str, self.tk.splitlist(self.tk.call(str(self), "panes"))))

    @property
    def _length(self) -> int:
        is_across = str(self.cget("orient")) == "horizontal"
        return self.winfo_width() if is_across else self.winfo_height()


class Tabs(ttk.Notebook):
    """The tabs."""

    def open(self, tab: tk.Widget) -> None:
        """Bring a tab to the front."""
        self.tk.call(str(self), "select", str(tab))

    @property
    def current(self) -> int:
        """The number of the tab in front, from 0."""
        return int(self.tk.call(str(self), "index", "current"))


def fitting(measure: Callable[[str], int], text: str, room: float) -> str:
    """The text, or as much of its beginning as there is room for."""
    if measure(text) <= room:
        return text
    while text and measure(text + "…") > room:
        text = text[:-1]
    return text.rstrip() + "…"


def handled(act: Callable[[], object]) -> "Callable[[tk.Event[Any]], str]":
    """An action as a binding after which nothing else sees the event."""

    def bound(_event: "tk.Event[Any]") -> str:
        act()
        return "break"

    return bound


class Bordered(tk.Frame):
    """A frame with a thin border, which shows whether the keyboard is in one of its parts."""

    def __init__(self, parent: tk.Misc, theme: Theme) -> None:
        super().__init__(parent, highlightthickness=1, borderwidth=0)
        self._theme = theme
        self._has_focus = False
        theme.listeners.append(self.recolour)
        self.recolour()

    def watch(self, *parts: tk.Misc) -> None:
        """Show the border in the accent colour while the keyboard is in one of these."""
        for part in parts:
            part.bind("<FocusIn>", lambda _event: self._focus(True), add="+")
            part.bind("<FocusOut>", lambda _event: self._focus(False), add="+")

    def _focus(self, has_focus: bool) -> None:
        self._has_focus = has_focus
        self.recolour()

    def recolour(self) -> None:
        """Take the colours of the palette."""
        theme = self._theme
        edge = theme["accent" if self._has_focus else "border"]
        self.configure(
            background=theme["surface"], highlightbackground=edge, highlightcolor=edge
        )  # fmt: skip


class Chooser(ttk.Combobox):
    """A list to choose one from; its drop-down list follows the palette too."""

    def __init__(self, parent: tk.Misc, theme: Theme, width: int) -> None:
        super().__init__(parent, state="readonly", width=width, height=20)
        self._theme = theme
        theme.listeners.append(self.recolour)

    def recolour(self) -> None:
        """Take the colours of the palette."""
        theme = self._theme
        popdown = self.tk.call("ttk::combobox::PopdownWindow", str(self))
        self.tk.call(
            f"{popdown}.f.l", "configure", "-background", theme["surface"],
            "-foreground", theme["text"], "-selectbackground", theme["selection"],
            "-selectforeground", theme["text"],
        )  # fmt: skip


class StatusLabel(ttk.Frame):
    """A symbol and a word beside it."""

    def __init__(self, parent: tk.Misc, theme: Theme, prefix: str = "") -> None:
        super().__init__(parent, style=f"{prefix}TFrame")
        self._theme = theme
        self._icon = ttk.Label(self, style=f"{prefix}TLabel")
        self.label = ttk.Label(self, style=f"{prefix}Bold.TLabel")
        self.label.pack(side="left")
        self._shown = ("", "", "")
        theme.listeners.append(self._recolour)

    def show(self, symbol: str, text: str, role: str = "text") -> None:
        """Change what differs; "" is no symbol."""
        if (symbol, text, role) == self._shown:
            return
        if bool(symbol) != bool(self._shown[0]):
            if symbol:
                pad = (0, self._theme.px(6))
                self._icon.pack(side="left", padx=pad, before=self.label)
            else:
                self._icon.pack_forget()
        self._shown = (symbol, text, role)
        self._icon.configure(image=self._theme.image(symbol) if symbol else "")
        self.label.configure(text=text)
        self._recolour()

    @property
    def text(self) -> str:
        """The word."""
        return self._shown[1]

    def bind_all_parts(self, event: str, act: Callable[[Any], None]) -> None:
        """Bind frame, symbol and word alike."""
        for part in (self, self._icon, self.label):
            part.bind(event, act)

    def parts(self) -> Sequence[tk.Misc]:
        """Frame, symbol and word."""
        return (self, self._icon, self.label)

    def _recolour(self) -> None:
        self.label.configure(foreground=self._theme[self._shown[2] or "text"])
