"""Every end of a connection has a cause: what the gateway's log says against what was done."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from tests.reliability.book import Book
from tests.reliability.plant import GroupPlan, LogLine

_STUCK = frozenset(
    {"stall", "corpse", "trickle", "deaf", "no_ack", "flood", "remove", "kill", "lag"}
)
"""Faults after which timers run out."""
_SLOW = frozenset({"stall", "hiccup", "trickle", "lag"})
LEGITIMATE: Sequence[tuple[str, frozenset[str]]] = (
    ("no answer within t1", _STUCK),
    ("nothing received for idletime", _STUCK),
    ("incomplete frame for t1", _STUCK | {"garbage"}),
    ("peer takes no data for t1", _STUCK),
    ("send sequence number", frozenset({"wrong_ns"})),
    ("receive sequence number", frozenset({"wrong_nr"})),
    ("bad start octet|bad APDU length|malformed control|ASDU without", frozenset({"garbage"})),
    ("data while data transfer is stopped", frozenset({"garbage", "switch"})),
    ("ASDUs? behind", _STUCK | {"hiccup", "stopdt", "away", "switch"}),
    ("control ASDUs wait for the RTU", frozenset({"flood"})),
    ("no answer to a test while a new connection waited", _STUCK | {"hiccup"}),
    ("replaced by a new connection", frozenset({"knock", "corpse", "away", "reset", "cut"})),
    ("stopped data transfer by itself twice", frozenset({"self_stop"})),
    ("entry restarted", frozenset({"restart_master", "edit_master"})),
    ("gateway stopped", frozenset({"restart_rtu", "edit_rtu", "remove", "stop"})),
)
"""What the log may say, and what of the schedule explains it."""
_ENDED = re.compile(r"disconnected: (.*)")
_REFUSED = re.compile(r"refused|given up|replaced by")
_KEPT_DROPPED = re.compile(r"(\d+) of the oldest events kept")
_UNACKNOWLEDGED = re.compile(r"(\d+) ASDUs not acknowledged")
_PERIODS = 60.0
"""Seconds after which the log has told how many lines it left out, if anything came since."""
_WINDOW = 14.0
"""Seconds back: t1, t3 and idletime of the plant in a row."""


class Causes:
    """The ends of one group's connections."""

    def __init__(self, group: GroupPlan, lines: Sequence[LogLine], scale: int) -> None:
        self.book: Book = group.book
        self.margin = 0.0 if scale == 1 else 3.0
        self._window = _WINDOW * scale
        self.told: Counter[str] = Counter()
        self._ours: dict[str, list[float]] = {}
        self._theirs: dict[str, list[float]] = {}
        for at, label, why in self.book.closes:
            ends = self._ours if why == "ours" else self._theirs
            ends.setdefault(label, []).append(at)
        self._lines = lines
        self._said: dict[str, list[tuple[float, str]]] = {}
        self._takeovers: dict[str, list[float]] = {}
        self._left_out: dict[str, list[float]] = {}
        for line in lines:
            if found := _ENDED.search(line.text):
                self._said.setdefault(line.label, []).append((line.at, found[1]))
            elif "were left out" in line.text:
                self._left_out.setdefault(line.label, []).append(line.at)
            elif "takes the data over" in line.text:
                self._takeovers.setdefault(line.label, []).append(line.at)
            elif _REFUSED.search(line.text):
                self._said.setdefault(line.label, []).append((line.at, "refused"))

    def losses_told(self) -> int:
        """How many events the log says were given to nobody.

        What a started master had not acknowledged is kept when the fault is its own, and that line
        says nothing about a loss. It is lost, and said, when the gateway ends the link for another
        reason: part of it was on its way; and when the master had stopped before.
        """
        told = 0
        started: set[str] = set()
        for line in self._lines:
            if found := _KEPT_DROPPED.search(line.text):
                told += int(found[1])
            if "startdt act/con done" in line.text:
                started.add(line.label)
            elif "stopdt act received" in line.text:
                started.discard(line.label)
            elif found := _UNACKNOWLEDGED.search(line.text):
                ours = re.search("RTU link lost|entry restarted|gateway stopped", line.text)
                if ours or line.label not in started:
                    told += int(found[1])
                started.discard(line.label)
        return told

    def judge(self, kills: Sequence[float]) -> None:
        """Say what has no cause to the book."""
        for label, said in self._said.items():
            for at, reason in said:
                if reason == "refused":
                    continue
                kind = self._cause(label, at, reason)
                if kind:
                    self.told[kind] += 1
                else:
                    self.book.find("end without cause", f"{label} at {at:.3f}: {reason}")
        for label, ends in self._theirs.items():
            moments = sorted(at for at, _ in self._said.get(label, ()))
            for at in ends:
                # Who does not read hears of the end when he does again.
                late = self._window if self.book.active(label, at - 1.0, at) & _SLOW else 0.0
                left_out = any(at <= n < at + _PERIODS for n in self._left_out.get(label, ()))
                if left_out:  # refusals: what peers cause at will is not written without end
                    continue
                if not self._near(moments, at, late) and not self._near(kills, at, late):
                    self.book.find("silent end", f"{label} at {at:.3f}: closed by the gateway")

    def _near(self, moments: Sequence[float], at: float, late: float = 0.0) -> bool:
        place = bisect_left(moments, at - 2.0 - late - self.margin)
        return place < len(moments) and moments[place] <= at + 1.0 + self.margin

    def _cause(self, label: str, at: float, reason: str) -> str:
        """What explains it; empty if nothing does."""
        if re.search(r"closed by the peer|connection lost", reason):
            ours = sorted(self._ours.get(label, ()))
            knocks = {"knock", "kill", "stop", "lag"} & self.book.active(label, at - 3.0, at)
            # The end comes behind what was sent before it.
            queued = {"flood", "trickle"} & self.book.active(label, at - self._window, at)
            late = self._window if queued else 0.0
            return "closed by the peer" if self._near(ours, at, late) or knocks else ""
        if "RTU link lost" in reason:
            ends = sorted(at for at, _ in self._said.get(self.book.station, ()))
            return "RTU link lost" if self._near(ends, at) else ""
        if "data while data transfer is stopped" in reason and self._near(
            self._takeovers.get(label, ()), at
        ):
            return "frames under way when the other of a pair took over"
        for pattern, kinds in LEGITIMATE:
            if re.search(pattern, reason):
                active = self.book.active(label, at - self._window - self.margin, at + self.margin)
                if "gateway stopped" in pattern:  # the whole group, or the program
                    active |= self.book.active(self.book.station, at - 4.0, at + self.margin)
                if "behind" in pattern:  # an avalanche of the station is enough for a small buffer
                    active |= self.book.active(self.book.station, at - 5 * self._window, at)
                    kinds |= {"avalanche", "flood", "hiccup", "stall", "trickle"}
                return pattern if kinds & active else ""
        return ""
