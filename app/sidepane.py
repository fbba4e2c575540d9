"""The pane beside the table: one entry, its group as a picture, facts, a curve, the edit form."""

import tkinter as tk
from collections.abc import Callable
from functools import partial
from tkinter import ttk
from typing import Final

from app.entryform import EntryForm
from app.formats import NOTHING, moment, number
from app.forms import Field, captions
from app.picture import GroupPicture
from app.rows import look_of, tip_of, trouble_text
from app.session import Session
from app.theme import Theme
from app.widgets import Sparkline, Tips
from core.status import Facts

_FACTS: Final = (
    ("at", "Connected at", "When the present connection was made."),
    ("remote", "Remote", "Address and port of the other end; of several the started one first."),
    ("numbers", "N(S) / N(R) / unacked",
     "Number of the next message to this system, number expected from it, and how many it has "
     "not acknowledged, of k that are allowed."),
    ("waiting", "Waiting", "Messages its window has not taken yet, of how many may wait."),
    ("gi", "Last GI", "The last general interrogation: when, and by whom."),
    ("counted", "Counted", "What was refused, dropped or answered nobody's question, since the "
     "entry was started."),
)  # fmt: skip


class SidePane(ttk.Frame):
    """Shows the entry that is selected in the table."""

    def __init__(
        self, parent: tk.Misc, theme: Theme, session: Session, tips: Tips,
        select: Callable[[str], None], apply: Callable[[EntryForm], None],
    ) -> None:  # fmt: skip
        super().__init__(parent, style="Surface.TFrame", padding=(theme.px(6), 0, 0, 0))
        self._theme = theme
        self._session = session
        self._tips = tips
        self._shown: dict[str, str] = {}
        self._labels: dict[str, ttk.Label] = {}
        self._captions: dict[Field, ttk.Label] = {}
        self.key = ""
        self.columnconfigure(0, weight=1)
        self.rowconfigure(4, weight=1)
        self._make_head()
        self.picture = GroupPicture(self, theme, session, tips, select)
        self.picture.grid(row=1, column=0, sticky="nsew")
        self._make_facts()
        self.form = EntryForm(self, session, theme, tips, self._form_changed)
        self._make_form(lambda: apply(self.form))
        self.form.load("")
        self.bind("<Configure>", lambda _event: self._fit(), add="+")

    def _make_head(self) -> None:
        px = self._theme.px
        head = ttk.Frame(self, style="Surface.TFrame")
        head.grid(row=0, column=0, sticky="ew", pady=(0, px(6)))
        self._icon = ttk.Label(head, style="Surface.TLabel")
        self._icon.pack(side="left", padx=(px(2), px(8)))
        self._state = ttk.Label(head, style="Surface.Bold.TLabel")
        self._state.pack(side="right", padx=(px(6), px(2)))
        self._name = ttk.Label(head, style="Surface.Big.TLabel")
        self._name.pack(side="left", fill="x", expand=True)
        for part in (self._icon, self._state, self._name):
            self._tips.add(part, lambda _x, _y: self._head_tip())

    def _make_facts(self) -> None:
        px = self._theme.px
        facts = ttk.Frame(self, style="Surface.TFrame")
        facts.grid(row=2, column=0, sticky="ew", pady=(px(8), 0))
        facts.columnconfigure(1, weight=1)
        for row, (name, caption, tip) in enumerate(_FACTS):
            title = ttk.Label(facts, text=caption, style="Surface.Muted.TLabel")
            title.grid(row=row, column=0, sticky="w", padx=(px(2), px(10)), pady=px(1))
            label = ttk.Label(facts, text=NOTHING, style="Surface.TLabel", width=10)
            label.grid(row=row, column=1, sticky="ew", pady=px(1))
            self._labels[name] = label
            self._tips.add(title, tip)
            self._tips.add(label, partial(self._fact_tip, name, tip))
        title = ttk.Label(facts, text="Traffic, 1 min", style="Surface.Muted.TLabel")
        title.grid(row=len(_FACTS), column=0, sticky="w", padx=(px(2), px(10)))
        self._curve = Sparkline(facts, self._theme, 120, 30)
        self._curve.grid(row=len(_FACTS), column=1, sticky="ew", pady=px(3))
        for widget in (title, self._curve):
            self._tips.add(
                widget,
                "Messages of the last minute, second by second: blue received from this system, "
                "brown sent to it.",
            )

    def _make_form(self, apply: Callable[[], None]) -> None:
        px = self._theme.px
        box = ttk.Frame(self, style="Surface.TFrame")
        box.grid(row=3, column=0, sticky="ew", pady=(px(6), px(2)))
        box.columnconfigure(1, weight=1)
        head = ttk.Frame(box, style="Surface.TFrame")
        head.grid(row=0, column=0, columnspan=2, sticky="ew", pady=(0, px(4)))
        ttk.Label(head, text="Edit", style="Surface.Bold.TLabel").pack(side="left", padx=px(2))
        self._note = ttk.Label(
            head, text="light yellow can be changed; not saved to the ini file",
            style="Surface.Small.TLabel",
        )  # fmt: skip
        self._note.pack(side="left", padx=px(6))
        self._tips.add(
            self._note, "What you enter runs until the program ends, or until you save it "
            "(File, Save to ini file).",
        )  # fmt: skip
        for row, field in enumerate(Field, 1):
            caption = ttk.Label(box, style="Surface.TLabel", text=field.value)
            caption.grid(row=row, column=0, sticky="w", padx=(px(2), px(8)))
            self._captions[field] = caption
            self.form.explain(caption, field)
            short = field in (Field.PORT, Field.NUMBERS)
            entry = self.form.make(box, field, 10 if short else 16)
            entry.grid(row=row, column=1, sticky="w" if short else "ew", pady=px(2))
        self._message = ttk.Label(box, style="Surface.TLabel", justify="left")
        self._message.grid(row=5, column=0, columnspan=2, sticky="ew", padx=(px(2), 0), pady=px(2))
        self._message.configure(compound="left")
        buttons = ttk.Frame(box, style="Surface.TFrame")
        buttons.grid(row=6, column=0, columnspan=2, sticky="ew", pady=(px(4), px(2)))
        self.apply_button = ttk.Button(
            buttons, text="Apply and restart", style="Accent.TButton", command=apply
        )
        self.apply_button.pack(side="left")
        self.revert_button = ttk.Button(buttons, text="Revert", command=self.form.revert)
        self.revert_button.pack(side="left", padx=px(6))
        self._tips.add(self.apply_button, "Restart this connection with these values (Ctrl+Enter).")
        self._tips.add(self.revert_button, "Put back the values that run (Esc).")
        self._parts = (*self.grid_slaves(row=0), *self.grid_slaves(row=2), box)
        box.bind("<Configure>", lambda event: self._wrap(event.width))

    def _wrap(self, width: int) -> None:
        self._message.configure(wraplength=max(120, width - self._theme.px(32)))
        self._fit()

    def _fit(self) -> None:
        """The picture takes what the rest leaves; the curve and it go where there is no room."""
        px = self._theme.px
        rest = sum(part.winfo_reqheight() for part in self._parts) + px(24)
        height = max(1, min(px(236), self.winfo_height() - rest))
        if abs(height - int(self.picture.cget("height"))) > 1:
            self.picture.configure(height=height)

    # Showing

    def select(self, key: str) -> None:
        """Show another entry; an edit that was begun is kept until another entry is chosen."""
        self.key = key
        if key != self.form.key:
            self.form.load(key)
        entry = self._session.entries.get(key)
        if entry is not None:
            for field, caption in captions(entry).items():
                self._captions[field].configure(text=caption)
        self.refresh()

    def follow(self) -> None:
        """The configuration has changed."""
        self.form.follow()
        self.refresh()

    def refresh(self) -> None:
        """Show what has changed since the last time."""
        session, key = self._session, self.key
        entry = session.entries.get(key)
        if entry is None:
            self._put(self._name, "name", "Select a system")
            self._put(self._state, "state", "")
            self._icon.configure(image="")
            self.picture.show(None, "")
            return
        status = session.statuses.get(key)
        look = look_of(status.state if status else None)
        self._put(self._name, "name", entry.label)
        if self._shown.get("look") != look.symbol + look.word:
            self._shown["look"] = look.symbol + look.word
            self._icon.configure(image=self._theme.image(look.symbol))
            self._state.configure(foreground=self._theme[look.role])
        self._put(self._state, "state", look.word)
        self.picture.show(entry.group, key)
        texts = {name: NOTHING for name, _, _ in _FACTS}
        texts["at"] = moment(status.connected_at if status else None)
        texts["remote"] = (status.peer if status else "") or NOTHING
        texts |= fact_texts(session.facts(key))
        texts["counted"] = trouble_text(session.counters.get(key)) or "nothing unusual"
        for name, text in texts.items():
            self._put(self._labels[name], name, text)
        self._curve.show(session.meters.curve(key), 60)

    def recolour(self) -> None:
        """Take the colours of the palette."""
        self._shown.pop("look", None)
        self.refresh()
        self._form_changed()

    def _put(self, label: ttk.Label, name: str, text: str) -> None:
        if self._shown.get(name) != text:
            self._shown[name] = text
            label.configure(text=text)

    def _head_tip(self) -> str:
        session, entry = self._session, self._session.entries.get(self.key)
        if entry is None:
            return ""
        return tip_of(entry, session.statuses.get(self.key), session.counters.get(self.key))

    def _fact_tip(self, name: str, tip: str, _x: int, _y: int) -> str:
        return f"{tip}\n{self._shown.get(name, '')}"

    def _form_changed(self) -> None:
        if not hasattr(self, "revert_button"):
            return
        symbol, text = self.form.message
        role = "error" if symbol == "refused" else "muted"
        self._message.configure(
            text=f" {text}" if symbol else text, foreground=self._theme[role],
            image=self._theme.image(symbol) if symbol else "",
        )  # fmt: skip
        if text:
            self._message.grid()
        else:
            self._message.grid_remove()
        checked = self.form.checked
        can_apply = checked is not None and checked.entry is not None
        self.apply_button.state(["!disabled" if can_apply else "disabled"])
        self.revert_button.state(["!disabled" if self.form.is_changed else "disabled"])


def fact_texts(facts: Facts | None) -> dict[str, str]:
    """What is known of a link, in words; what is not stays a dash."""
    if facts is None:
        return {}
    texts = {}
    if facts.link:
        texts["numbers"] = f"{facts.ns} / {facts.nr} / {facts.unacknowledged_out} of k={facts.k}"
    if facts.buffer:
        texts["waiting"] = f"{number(facts.waiting)} of {number(facts.buffer)}"
    if facts.interrogated_at is not None:
        by = f", {facts.interrogated_by}" if facts.interrogated_by else ""
        texts["gi"] = f"{facts.interrogated_at:%H:%M:%S}{by}"
    return texts
