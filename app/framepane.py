"""One frame in detail: its fields as a tree, its octets as received and as sent on."""

import tkinter as tk
from collections.abc import Mapping
from tkinter import ttk

from app.frames import octet_views, rewritten
from app.scrolled import ReadOnlyText, scrolled_tree
from app.theme import Theme
from app.widgets import Bordered, Split, Tips
from core.feed import Frame
from core.protocol.describe import Field, describe, field_tree

_PER_LINE = 16
_MOST_RECEIVERS = 12


class FramePane(ttk.Frame):
    """Shows the frame that is selected."""

    def __init__(self, parent: tk.Misc, theme: Theme, tips: Tips) -> None:
        super().__init__(parent, style="Surface.TFrame")
        self._theme = theme
        self._frame: Frame | None = None
        self._ranges: dict[str, tuple[int, int]] = {}
        self.split = Split(self, orient="horizontal")
        self.split.pack(fill="both", expand=True, pady=(theme.px(2), 0))
        left = Bordered(self.split, theme)
        box, self.fields = scrolled_tree(left, ("value",))
        box.pack(fill="both", expand=True)
        left.watch(self.fields)
        self.fields.heading("#0", text="Field", anchor="w")
        self.fields.heading("value", text="Value", anchor="w")
        self.fields.column("#0", width=theme.px(260), stretch=False)
        self.fields.column("value", stretch=True)
        self.fields.bind("<<TreeviewSelect>>", lambda _event: self._mark_field())
        tips.add(self.fields, "The fields of the selected frame. Select one to see its octets.")
        right = Bordered(self.split, theme)
        self.octets = ReadOnlyText(
            right, wrap="none", font="TkFixedFont", padx=theme.px(10), pady=theme.px(6),
            width=58, height=6,
        )  # fmt: skip
        right.watch(self.octets)
        bar = ttk.Scrollbar(right, orient="vertical", command=self.octets.yview)
        self.octets.configure(yscrollcommand=bar.set)
        bar.pack(side="right", fill="y")
        self.octets.pack(fill="both", expand=True)
        tips.add(
            self.octets,
            "The frame as it was received and as it was sent on. What the gateway rewrote is "
            "marked; the numbers of a link are always its own.",
        )
        self.split.add(left, weight=3)
        self.split.add(right, weight=2)
        theme.listeners.append(self.recolour)
        self.recolour()
        self.clear()

    def recolour(self) -> None:
        """Take the colours of the palette."""
        theme = self._theme
        self.octets.configure(
            background=theme["surface"], foreground=theme["text"],
            selectbackground=theme["selection"], selectforeground=theme["text"],
        )  # fmt: skip
        self.octets.tag_configure("title", font="GatewayBold")
        self.octets.tag_configure("offset", foreground=theme["muted"])
        self.octets.tag_configure("note", foreground=theme["muted"], font="GatewaySmall")
        self.octets.tag_configure(
            "rewritten", foreground=theme["error"], background=theme["warning_row"]
        )
        self.octets.tag_configure("field", background=theme["selection"])
        self.fields.tag_configure("part", font="GatewayBold", background=theme["group"])
        self.fields.tag_configure("changed", foreground=theme["warning"])

    def clear(self) -> None:
        """Show nothing."""
        self._frame = None
        self.fields.delete(*self.fields.get_children(""))
        self._write([("Select a frame to see its octets.", "note")])

    def show(self, frame: Frame, labels: Mapping[str, str]) -> None:
        """Show a frame."""
        self._frame = frame
        self._ranges = {}
        self.fields.delete(*self.fields.get_children(""))
        for name, what in rewritten(frame, labels)[:_MOST_RECEIVERS]:
            self.fields.insert("", "end", text=f" Rewritten for {name}", values=(what,),
                               tags=("changed",))  # fmt: skip
        for part in field_tree(frame.octets).children:
            self._insert("", part, is_part=True)
        self._show_octets(frame, labels)

    def line(self, frame: Frame, labels: Mapping[str, str]) -> str:
        """The frame in one line, and what was changed in it."""
        lines = [f"for {name}: {what}" for name, what in rewritten(frame, labels)]
        return "\n".join([describe(frame.octets), *lines[:_MOST_RECEIVERS]])

    def _insert(self, parent: str, field: Field, *, is_part: bool) -> None:
        iid = self.fields.insert(
            parent, "end", text=f" {field.name}", values=(field.value_text,),
            open=is_part and field.name != "APCI",
            tags=("part",) if is_part else (),
        )  # fmt: skip
        self._ranges[iid] = field.octet_range
        for child in field.children:
            self._insert(iid, child, is_part=False)

    def _show_octets(self, frame: Frame, labels: Mapping[str, str]) -> None:
        pieces: list[tuple[str, str]] = []
        views = octet_views(frame, labels)
        for view in views:
            pieces.append((f"{view.title}\n", "title"))
            marked = {at for first, last in view.rewritten for at in range(first, last)}
            for start in range(0, len(view.octets), _PER_LINE):
                pieces.append((f"{start:04x}  ", "offset"))
                for at in range(start, min(start + _PER_LINE, len(view.octets))):
                    pieces.append((f"{view.octets[at]:02x}", "rewritten" if at in marked else ""))
                    # A gap in the middle; marks that touch are one.
                    gap = "  " if at % 8 == 7 and at % _PER_LINE != _PER_LINE - 1 else " "
                    both = at in marked and at + 1 in marked
                    pieces.append((gap, "rewritten" if both and gap == " " else ""))
                pieces.append(("\n", ""))
            pieces.append(("\n", ""))
        if len(views) > 1:
            any_marked = any(view.rewritten for view in views)
            note = "octets rewritten by the gateway are marked" if any_marked else (
                "nothing rewritten but the numbers of the link"
            )  # fmt: skip
            pieces.append((note, "note"))
        elif frame.is_received:
            pieces.append(("not sent on", "note"))
        self._write(pieces)

    def _write(self, pieces: list[tuple[str, str]]) -> None:
        self.octets.cut("1.0", "end")
        flat: list[str] = []
        for text, tag in pieces:
            flat += (text, tag)
        self.octets.put(*flat)

    def _mark_field(self) -> None:
        self.octets.tag_remove("field", "1.0", "end")
        chosen = self.fields.selection()
        first, last = self._ranges.get(chosen[0], (0, 0)) if chosen else (0, 0)
        for at in range(first, last):
            row = 2 + at // _PER_LINE
            within = at % _PER_LINE
            column = 6 + within * 3 + (1 if within > 7 else 0)
            self.octets.tag_add("field", f"{row}.{column}", f"{row}.{column + 2}")
