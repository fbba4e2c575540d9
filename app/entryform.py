"""The yellow fields of one entry: checked at every key, never overwritten while being edited."""

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk
from typing import Final

from app.forms import NOT_APPLICABLE, Checked, Field, Texts, captions, check, texts_of
from app.session import Session
from app.theme import Theme
from app.widgets import Tips
from core.config import Entry, RtuEntry

_TIPS: Final = {
    Field.NAME: "Shown in the table, in logs and in file names. The first 14 characters are kept.",
    Field.PORT: "The port on which this master connects to the gateway; 1 to 65535, each once.",
    Field.NUMBERS: "RTU number (common address), 1 to 65535, or a list such as 32;33 of the same "
    "length in all rows of a group.",
    Field.HOSTS: "",
}
_HOSTS_TIPS: Final = {
    True: "IP:PORT or NAME:PORT, several separated by ; They are tried one after the other.",
    False: "Addresses, networks such as 10.1.1.0/24 or names, separated by ; Empty: anybody.",
}


class EntryForm:
    """The fields of an entry; where they stand is up to the owner.

    ``changed`` is called whenever what the form says may differ: texts, errors, the entry.
    """

    def __init__(
        self, owner: tk.Misc, session: Session, theme: Theme, tips: Tips,
        changed: Callable[[], None],
    ) -> None:  # fmt: skip
        self._session = session
        self._theme = theme
        self._tips = tips
        self._changed = changed
        self._base: Texts | None = None
        self._drafts: dict[str, Texts] = {}
        self._loading = False
        self.key = ""
        self.checked: Checked | None = None
        self.variables = {field: tk.StringVar(owner) for field in Field}
        self.fields: dict[Field, ttk.Entry] = {}
        for variable in self.variables.values():
            variable.trace_add("write", self._typed)

    def make(self, parent: tk.Misc, field: Field, width: int) -> ttk.Entry:
        """Make one of the fields."""
        entry = ttk.Entry(
            parent, textvariable=self.variables[field], width=width, style="Editable.TEntry"
        )
        self.fields[field] = entry
        self.explain(entry, field)
        return entry

    def explain(self, widget: tk.Misc, field: Field) -> None:
        """Let a widget, the caption for example, have the tip of a field."""
        self._tips.add(widget, lambda _x, _y: self._tip(field))

    @property
    def entry(self) -> Entry | None:
        """The entry as it runs."""
        return self._session.entries.get(self.key)

    @property
    def texts(self) -> Texts:
        """What stands in the fields."""
        values = {field.name.lower(): self.variables[field].get() for field in Field}
        return Texts(**values)

    @property
    def is_changed(self) -> bool:
        """The user has changed a field."""
        return self._base is not None and self.texts != self._base

    @property
    def changed_fields(self) -> list[Field]:
        """The fields the user has changed."""
        if self._base is None:
            return []
        return [field for field in Field if self.texts.of(field) != self._base.of(field)]

    @property
    def message(self) -> tuple[str, str]:
        """A symbol and the sentence to show under the fields; "" for none."""
        if self.checked is None:
            return "", ""
        errors = [message for message in self.checked.messages if message.is_error]
        if errors:
            return "refused", errors[0].text
        if self.is_changed and self.checked.messages:
            return "warning", self.checked.messages[0].text
        if self.is_changed:
            names = ", ".join(field.value for field in self.changed_fields)
            return "", f"Changed: {names}. Ctrl+Enter applies, Esc reverts."
        return "", ""

    def load(self, key: str) -> None:
        """Show another entry, or none (""); what was typed for the one before is kept for later."""
        if self.is_changed:
            self._drafts[self.key] = self.texts
        self.key = key
        self._fill(self._drafts.pop(key, None))

    def revert(self) -> None:
        """Throw away what was typed."""
        self._fill(None)

    def applied(self, key: str) -> None:
        """What was typed for an entry runs now, so it is no change any more."""
        self._drafts.pop(key, None)
        if key == self.key:
            self.revert()

    def _fill(self, draft: Texts | None) -> None:
        entry = self.entry
        self._base = texts_of(entry) if entry is not None else None
        texts = (draft if entry else None) or self._base or Texts("", "", "", "")
        self._loading = True
        for field, variable in self.variables.items():
            if variable.get() != texts.of(field):
                variable.set(texts.of(field))
        self._loading = False
        self._check()

    def follow(self) -> None:
        """The configuration may have changed elsewhere; what the user is typing stays."""
        entry = self.entry
        if entry is None:
            self._base = None
            self.load("")
        elif not self.is_changed:
            if self._base != texts_of(entry):
                self.revert()
        else:
            self._base = texts_of(entry)
            self._check()

    def focus(self) -> None:
        """Begin to edit."""
        field = self.fields[Field.NAME]
        field.focus_set()
        field.selection_range(0, "end")
        field.icursor("end")

    def _typed(self, *_: str) -> None:
        if not self._loading:
            self._check()

    def _check(self) -> None:
        entry = self.entry
        self.checked = check(self._session.config, self.key, self.texts) if entry else None
        bad = self.checked.bad_fields if self.checked else frozenset()
        for field, widget in self.fields.items():
            is_none = entry is None or (field is Field.PORT and isinstance(entry, RtuEntry))
            style = "None" if is_none else "Bad" if field in bad else "Editable"
            state = "readonly" if is_none else "normal"
            if str(widget.cget("style")) != f"{style}.TEntry":
                widget.configure(style=f"{style}.TEntry")
            if str(widget.cget("state")) != state:
                widget.configure(state=state)
        self._changed()

    def _tip(self, field: Field) -> str:
        entry = self.entry
        if entry is None:
            return ""
        if self.variables[field].get() == NOT_APPLICABLE:
            return "An RTU has no port here: the gateway calls it at its IP:PORT list."
        is_rtu = isinstance(entry, RtuEntry)
        text = _HOSTS_TIPS[is_rtu] if field is Field.HOSTS else _TIPS[field]
        return f"{captions(entry)[field]}. {text}"
