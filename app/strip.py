"""The summary above the tabs: start, clock, what is online, problems, traffic."""

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk

from app.formats import duration, moment, rate
from app.rows import Counts
from app.session import Session, Tick
from app.theme import Theme
from app.widgets import Sparkline, StatusLabel, Tips, fitting

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
        self._started = ""
        self._texts: dict[StatusLabel, tuple[str, str, str]] = {}
        """Symbol, text and colour of the items that are cut where there is no room for them."""
        self.started = self._item(
            "Started",
            tips,
            lambda _x, _y: f"When the program was started; how long ago.\n{self._started}",
        )
        self.clock = self._item("Clock (NTP)", tips, lambda _x, _y: self._clock_tip())
        self.rtus = self._item(
            "RTUs online", tips, "RTUs with a working link, also while no master wants their data."
        )
        self.masters = self._item("Masters online", tips, "Masters with data transfer started.")
        self.problems = self._item(
            "Problems", tips,
            lambda _x, _y: f"{self._texts[self.problems][1]}\nWhat needs a look. Click: show only "
            "these systems.",
        )  # fmt: skip
        for part in self.problems.parts():
            part.bind("<ButtonRelease-1>", lambda _event: problems())
            part.configure(cursor="hand2")  # type: ignore[call-arg]  # every widget has it
        right = ttk.Frame(self, style="Strip.TFrame")
        right.pack(side="right")
        self._curve = Sparkline(right, theme, 118, 28)
        self._curve.pack(side="right", padx=(px(10), 0))
        text = ttk.Frame(right, style="Strip.TFrame")
        text.pack(side="right")
        self._beside_curve = text
        caption = ttk.Label(text, text="Traffic (last 2 min)", style="Strip.Small.TLabel")
        caption.pack(anchor="e")
        self._caption = caption
        self._rates = ttk.Label(text, style="Strip.Bold.TLabel", anchor="e")
        self._rates.pack(anchor="e", fill="x")
        self._shown_rates = ""
        for widget in (self._curve, self._rates, caption):
            tips.add(widget, "Messages (I-frames) per second of all systems together: received "
                     "(blue) and sent (brown).")  # fmt: skip
        self.bind("<Configure>", lambda _event: self._fit())
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
            self._put(self.clock, symbol, clock.text if clock else _NO_CLOCK, role)
        if tick.sampled:
            started = f"{moment(session.started_at)}  ({duration(session.uptime)})"
            if started != self._started:
                self._started = started
                self.started.show("", started)
                self._fit()
            rates = session.meters.rates_of_all
            text = f"{rate(rates.into)} /s in · {rate(rates.out)} /s out"
            if text != self._shown_rates:
                self._shown_rates = text
                self._rates.configure(text=text)
                self._fit()
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
            self._put(self.problems, "online", text, "text")
        elif counts.refused or counts.errors:
            self._put(self.problems, "refused", text, "error")
        else:
            self._put(self.problems, "warning", text, "warning")

    def _put(self, item: StatusLabel, symbol: str, text: str, role: str) -> None:
        self._texts[item] = symbol, text, role
        item.show(symbol, text, role)
        self._fit()

    def _fit(self) -> None:
        """Where there is too little room the curve goes, then the ends of the longest texts."""
        px, measure = self._theme.px, self._theme.bold.measure
        width = self.winfo_width()
        if width < px(200) or len(self._texts) < 2:
            return
        symbol, gap = px(14 + 6 + 6), px(22)
        taken = px(28) + max(measure(self._shown_rates), self._caption.winfo_reqwidth()) + px(8)
        taken += sum(measure(item.text) + symbol + gap for item in (self.rtus, self.masters))
        taken += measure(self._started) + gap + px(6)
        wanted = {item: measure(text) for item, (_, text, _) in self._texts.items()}
        room = width - taken - len(wanted) * (symbol + gap)
        curve = px(118 + 10)
        is_tight = sum(wanted.values()) + curve > room
        if is_tight and self._curve.winfo_manager():
            self._curve.pack_forget()
        elif not is_tight and not self._curve.winfo_manager():
            self._curve.pack(side="right", padx=(px(10), 0), before=self._beside_curve)
        if sum(wanted.values()) > room:
            self.started.show("", self._started.partition("  ")[0])
            room += measure(self._started) - measure(self.started.text)
        else:
            self.started.show("", self._started)
        clock = max(px(120), room - wanted[self.problems])
        problems = max(px(60), room - min(clock, wanted[self.clock]))
        for item, most in ((self.clock, clock), (self.problems, problems)):
            name, text, role = self._texts[item]
            item.show(name, fitting(measure, text, most), role)

    def _clock_tip(self) -> str:
        clock = self._session.clock
        if clock is None:
            return "No time server is configured: add rows ntp_server,HOST to the ini file."
        return f"{clock.tooltip}\n{clock.text}"
