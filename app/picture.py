"""The picture of a group: the RTU, the gateway as an oval, the masters in a column."""

import tkinter as tk
from collections.abc import Callable
from typing import Any, Final

from app.rows import look_of, numbers_text
from app.session import Session
from app.theme import Theme
from app.widgets import Tips, fitting
from core.config import Entry, GroupConfig, MasterEntry, RtuEntry
from core.status import MasterState, RtuState

_MOST_TALL: Final = 6
_LEAST_ROOM: Final = 18
"""Pixels at 96 dpi of a master; with more masters than that leaves room for, it scrolls."""


class GroupPicture(tk.Canvas):
    """Shows one group; a click on a box selects its row."""

    def __init__(
        self, parent: tk.Misc, theme: Theme, session: Session, tips: Tips,
        select: Callable[[str], None],
    ) -> None:  # fmt: skip
        super().__init__(parent, highlightthickness=1, borderwidth=0, height=theme.px(196),
                         width=theme.px(310), yscrollincrement=theme.px(10))  # fmt: skip
        self._theme = theme
        self._session = session
        self._select = select
        self._group: int | None = None
        self._selected = ""
        self._shown: tuple[object, ...] = ()
        self._places: dict[str, tuple[int, int, int, int]] = {}
        self.bind("<Configure>", lambda _event: self._draw())
        self.bind("<ButtonPress-1>", self._clicked)
        for event in ("<MouseWheel>", "<Button-4>", "<Button-5>"):
            self.bind(event, self._wheel)
        tips.add(self, self._tip)
        theme.listeners.append(self._draw)

    def show(self, group: int | None, selected: str) -> None:
        """Show a group and outline one of its entries; drawn only if anything differs."""
        self._group, self._selected = group, selected
        if self._state() != self._shown:
            self._draw()

    def _config(self) -> GroupConfig | None:
        return None if self._group is None else self._session.groups.get(self._group)

    def _state(self) -> tuple[object, ...]:
        group = self._config()
        if group is None:
            return ()
        states = tuple(
            status.state if (status := self._session.statuses.get(entry.key)) else None
            for entry in group.entries
        )
        return group, states, self._selected

    def _draw(self) -> None:
        theme, px = self._theme, self._theme.px
        self.delete("all")
        self.configure(background=theme["surface"], highlightbackground=theme["border"])
        self._places = {}
        self._shown = self._state()
        group = self._config()
        width, height = self.winfo_width(), self.winfo_height()
        if group is None or width < 10:
            return
        count = len(group.masters)
        pitch = max(px(_LEAST_ROOM), min(px(44), (height - px(8)) // count))
        is_tall = pitch >= px(32) and theme.line_height * 2 <= pitch - px(4)
        total = max(height, pitch * count + px(8))
        self.configure(scrollregion=(0, 0, width, total))
        if total <= height:
            self.yview_moveto(0)
        box = min(px(118), round(width * 0.33))
        middle = total / 2
        bus = width - box - px(28)
        hub = (px(8) + box + bus) / 2 - px(2)
        radius = px(22)
        top = middle - pitch * count / 2
        self._rtu_line(group.rtu, px(8) + box, hub - radius, middle)
        self._line(hub + radius, middle, bus, middle, *self._bus_look(group))
        for number, master in enumerate(group.masters):
            y = top + pitch * (number + 0.5)
            self._master_line(master, bus, middle, width - box - px(7), y)
        for number, master in enumerate(group.masters):
            y = top + pitch * (number + 0.5)
            half = (pitch - px(6)) / 2
            self._box(master, width - box - px(7), y - half, width - px(7), y + half, is_tall)
        tall = theme.line_height * 2 + px(6)
        self._box(group.rtu, px(8), middle - tall / 2, px(8) + box, middle + tall / 2, True)
        self.create_oval(
            hub - radius, middle - px(16), hub + radius, middle + px(16),
            fill=theme["accent"], outline="",
        )  # fmt: skip
        text = str(group.id)
        self.create_text(
            hub, middle, text=text, fill=theme["on_accent"],
            font="GatewayBold" if len(text) <= 4 else "GatewaySmall",
        )  # fmt: skip
        self.create_text(px(7), px(4), text="Group picture", anchor="nw",
                         fill=theme["muted"], font="GatewaySmall")  # fmt: skip

    def _role(self, entry: Entry) -> str:
        status = self._session.statuses.get(entry.key)
        return look_of(status.state if status else None).role

    def _is_started(self, entry: Entry) -> bool:
        status = self._session.statuses.get(entry.key)
        if status is None:
            return False
        return status.state is RtuState.ONLINE or status.state is MasterState.ONLINE

    def _bus_look(self, group: GroupConfig) -> tuple[str, bool]:
        if any(self._is_started(master) for master in group.masters):
            return "online", True
        return "off", False

    def _rtu_line(self, rtu: RtuEntry, left: float, right: float, y: float) -> None:
        started = self._is_started(rtu)
        self._line(left, y, right, y, self._role(rtu), started, arrow="first" if started else "")

    def _master_line(
        self, master: MasterEntry, bus: float, middle: float, x: float, y: float
    ) -> None:
        started = self._is_started(master)
        role = self._role(master)
        if abs(y - middle) > 1:
            self._line(bus, middle, bus, y, role, started)
        self._line(bus, y, x, y, role, started, arrow="last" if started else "")

    def _line(
        self, x1: float, y1: float, x2: float, y2: float, role: str, is_solid: bool,
        arrow: str = "",
    ) -> None:  # fmt: skip
        px = self._theme.px
        options: dict[str, Any] = {"fill": self._theme[role], "width": px(2 if is_solid else 1)}
        if not is_solid:
            options["dash"] = (px(4), px(3))
        if arrow:
            options |= {"arrow": arrow, "arrowshape": (px(7), px(8), px(4))}
        line = self.create_line(x1, y1, x2, y2, **options)
        if not is_solid:
            self.tag_lower(line)

    def _box(self, entry: Entry, x1: float, y1: float, x2: float, y2: float, is_tall: bool) -> None:
        theme, px = self._theme, self._theme.px
        is_selected = entry.key == self._selected
        self.create_rectangle(
            x1, y1, x2, y2, fill=theme["selection" if is_selected else "zebra"],
            outline=theme["accent" if is_selected else "border"], width=px(2 if is_selected else 1),
        )  # fmt: skip
        self._places[entry.key] = (round(x1), round(y1), round(x2), round(y2))
        middle = (y1 + y2) / 2
        self.create_image(x1 + px(12), middle, image=theme.image(self._session.symbol(entry.key)))
        if isinstance(entry, MasterEntry):
            below = f":{entry.port}  CA {numbers_text(entry)}"
        else:
            below = f"RTU {numbers_text(entry)}"
        room = x2 - x1 - px(26)
        shift = theme.line_height / 2 if is_tall else 0
        bold, small = theme.bold.measure, theme.small.measure
        is_long = bold(entry.label) > room
        name = fitting(small if is_long else bold, entry.label, room)
        self.create_text(x1 + px(22), middle - shift, text=name, anchor="w", fill=theme["text"],
                         font="GatewaySmall" if is_long else "GatewayBold")  # fmt: skip
        if is_tall:
            below = fitting(theme.small.measure, below, room)
            self.create_text(x1 + px(22), middle + shift, text=below, anchor="w",
                             fill=theme["muted"], font="GatewaySmall")  # fmt: skip

    def _at(self, x: int, y: int) -> str:
        y = round(self.canvasy(y))
        for key, (x1, y1, x2, y2) in self._places.items():
            if x1 <= x <= x2 and y1 <= y <= y2:
                return key
        return ""

    def place_of(self, key: str) -> tuple[int, int] | None:
        """The middle of an entry's box, in the window's coordinates."""
        place = self._places.get(key)
        if place is None:
            return None
        return (place[0] + place[2]) // 2, round((place[1] + place[3]) / 2 - self.canvasy(0))

    def _clicked(self, event: "tk.Event[Any]") -> None:
        key = self._at(event.x, event.y)
        if key:
            self._select(key)

    def _wheel(self, event: "tk.Event[Any]") -> None:
        up = event.num == 4 or event.delta > 0
        self.yview_scroll(-3 if up else 3, "units")

    def _tip(self, x: int, y: int) -> str:
        key = self._at(x, y)
        entry = self._session.entries.get(key)
        if entry is None:
            return (
                "The RTU on the left, this gateway in the middle, the masters on the right. "
                "A solid line: data transfer is started. Click a box to select its row."
            )
        status = self._session.statuses.get(key)
        look = look_of(status.state if status else None)
        return f"{entry.label}: {look.word}"
