"""The summary above the tabs: start, clock, what is online, problems, traffic."""

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk

from app.formats import duration, moment, rate
from app.rows import Counts
from app.session import Session, Tick
from app.theme import Theme
from app.widgets import Sparkline, StatusLabel, Tips

_NO_CLOCK = "No NTP server configured"
_CLOCK_LOOKS = {
    "ok": ("online", "online"), "warning": ("warning", "warning"), "error": ("refused", "error"),
    "none": ("off", "muted"),
}  # fmt: skip


class Strip(ttk.Frame):
    """Always visible, whichever tab."""

    def __init__(
        self, parent: tk.Misc, theme: Theme, session: Session, tips: Tips,
        problems: Callable[[], None],
    ) -> None:  # fmt: skip
        px = theme.px
        super().__init__(parent, style="Strip.TFrame", padding=(px(14), px(7)))
        self._theme = theme
        self._session = session
        self._counts: Counts | None = None
        self.started = self._item("Started", tips, "When the program was started; how long ago.")
        self.clock = self._item("Clock (NTP)", tips, lambda _x, _y: self._clock_tip())
        self.rtus = self._item(
            "RTUs online", tips, "RTUs with a working link, also while no master wants their data."
        )
        self.masters = self._item("Masters online", tips, "Masters with data transfer started.")
        self.problems = self._item(
            "Problems", tips, "What needs a look. Click: show only these systems."
        )
        for part in self.problems.parts():
            part.bind("<ButtonRelease-1>", lambda _event: problems())
            part.configure(cursor="hand2")  # type: ignore[call-arg]  # every widget has it
        right = ttk.Frame(self, style="Strip.TFrame")
        right.pack(side="right")
        self._curve = Sparkline(right, theme, 118, 28)
        self._curve.pack(side="right", padx=(px(10), 0))
        text = ttk.Frame(right, style="Strip.TFrame")
        text.pack(side="right")
        caption = ttk.Label(text, text="Traffic (last 2 min)", style="Strip.Small.TLabel")
        caption.pack(anchor="e")
        self._rates = ttk.Label(text, style="Strip.Bold.TLabel", anchor="e")
        self._rates.pack(anchor="e", fill="x")
        self._shown_rates = self._shown_uptime = ""
        for widget in (self._curve, self._rates, caption):
            tips.add(widget, "Messages (I-frames) per second of all systems together: received "
                     "(blue) and sent (brown).")  # fmt: skip
        self.refresh(Tick(sampled=True, states_changed=True))

    def _item(self, caption: str, tips: Tips, tip: str | Callable[[int, int], str]) -> StatusLabel:
        box = ttk.Frame(self, style="Strip.TFrame")
        box.pack(side="left", padx=(0, self._theme.px(22)))
        title = ttk.Label(box, text=caption, style="Strip.Small.TLabel")
        title.pack(anchor="w")
        value = StatusLabel(box, self._theme, "Strip.")
        value.pack(anchor="w")
        for widget in (title, *value.parts()):
            tips.add(widget, tip)
        return value

    def refresh(self, tick: Tick) -> None:
        """Show what changed."""
        session = self._session
        if tick.states_changed:
            self._show_counts(session.counts())
        if tick.clock is not None or not self.clock.text:
            clock = session.clock
            symbol, role = _CLOCK_LOOKS[clock.severity if clock else "none"]
            self.clock.show(symbol, clock.text if clock else _NO_CLOCK, role)
        if tick.sampled:
            uptime = duration(session.uptime)
            self.started.show("", f"{moment(session.started_at)}  ({uptime})")
            rates = session.meters.rates_of_all
            text = f"{rate(rates.into)} /s in · {rate(rates.out)} /s out"
            if text != self._shown_rates:
                self._shown_rates = text
                self._rates.configure(text=text)
            self._curve.show(session.meters.curve_of_all, 120)

    def _show_counts(self, counts: Counts) -> None:
        if counts == self._counts:
            return
        self._counts = counts
        for item, online, of in (
            (self.rtus, counts.rtus_online, counts.rtus),
            (self.masters, counts.masters_online, counts.masters),
        ):
            text = f"{online} of {of}"
            if online == of and of:
                item.show("group-up" if item is self.rtus else "online", text, "text")
            elif item is self.rtus:
                item.show("group-partly" if online else "group-down", text,
                          "warning" if online else "error")  # fmt: skip
            else:
                item.show("online" if online else "off", text, "text")
        text = counts.problems_text
        if not counts.problem:
            self.problems.show("online", text, "text")
        elif counts.refused or counts.errors:
            self.problems.show("refused", text, "error")
        else:
            self.problems.show("warning", text, "warning")

    def _clock_tip(self) -> str:
        clock = self._session.clock
        if clock is None:
            return "No time server is configured: add rows ntp_server,HOST to the ini file."
        return clock.tooltip or clock.text
