"""A sheet over the tabs: a text to read, perhaps with a button that acts. No modal dialog."""

import tkinter as tk
from collections.abc import Sequence
from tkinter import ttk

from app.scrolled import ReadOnlyText
from app.theme import Theme
from app.widgets import Answer, Bordered

Piece = tuple[str, str]
"""A text and its style: "" plain, bold, muted, fixed, plus, minus."""


class Sheet(ttk.Frame):
    """Covers the tabs while it is open; events keep flowing."""

    def __init__(self, parent: tk.Misc, theme: Theme) -> None:
        super().__init__(parent, style="TFrame", padding=theme.px(24))
        self._theme = theme
        px = theme.px
        edge = Bordered(self, theme)
        edge.pack(fill="both", expand=True)
        head = ttk.Frame(edge, style="Surface.TFrame", padding=(px(14), px(10)))
        head.pack(fill="x")
        self._title = ttk.Label(head, style="Surface.Big.TLabel")
        self._title.pack(side="left")
        self.close_button = ttk.Button(head, text="Close  (Esc)", command=self.close)
        self.close_button.pack(side="right")
        self.act_button = ttk.Button(head, style="Accent.TButton", command=self._act)
        box = ttk.Frame(edge, style="Surface.TFrame")
        box.pack(fill="both", expand=True)
        self.text = ReadOnlyText(
            box, wrap="word", padx=px(16), pady=px(4), width=40, height=6,
        )  # fmt: skip
        bar = ttk.Scrollbar(box, orient="vertical", command=self.text.yview)
        self.text.configure(yscrollcommand=bar.set)
        bar.pack(side="right", fill="y")
        self.text.pack(side="left", fill="both", expand=True)
        self._answer: Answer | None = None
        self._back: tk.Misc | None = None
        theme.listeners.append(self.recolour)
        self.recolour()

    @property
    def is_open(self) -> bool:
        """Whether it covers the tabs."""
        return bool(self.winfo_manager())

    def recolour(self) -> None:
        """Take the colours of the palette."""
        theme, text = self._theme, self.text
        text.configure(
            background=theme["surface"], foreground=theme["text"], font="TkTextFont",
            selectbackground=theme["selection"], selectforeground=theme["text"],
            tabs=(theme.px(170),),
        )  # fmt: skip
        text.tag_configure("bold", font="GatewayBold")
        text.tag_configure("muted", foreground=theme["muted"])
        text.tag_configure("fixed", font="TkFixedFont")
        text.tag_configure("plus", font="TkFixedFont", foreground=theme["online"])
        text.tag_configure("minus", font="TkFixedFont", foreground=theme["error"],
                           background=theme["error_row"])  # fmt: skip

    def open(self, title: str, pieces: Sequence[Piece], answer: Answer | None = None) -> None:
        """Show a text; with an answer there is a button that acts."""
        self._title.configure(text=title)
        self._answer = answer
        if answer is not None:
            self.act_button.configure(text=answer.text)
            self.act_button.pack(side="right", padx=(0, self._theme.px(8)))
        else:
            self.act_button.pack_forget()
        self.text.cut("1.0", "end")
        for text, style in pieces:
            self.text.put(text, style)
        self.text.yview_moveto(0)
        if not self.is_open:
            self._back = self.focus_get()
        self.place(relx=0, rely=0, relwidth=1, relheight=1)
        tk.Misc.lift(self)
        (self.act_button if answer is not None else self.close_button).focus_set()

    def close(self) -> None:
        """Give the tabs back."""
        if self.is_open:
            self.place_forget()
            if self._back is not None and self._back.winfo_exists():
                self._back.focus_set()

    def _act(self) -> None:
        answer = self._answer
        self.close()
        if answer is not None:
            answer.act()
