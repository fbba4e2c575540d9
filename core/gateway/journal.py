"""How an entry speaks: its log, the security log, and its status for a front end."""

import logging
from collections.abc import Callable
from datetime import datetime

from core.config import Entry
from core.feed import Feed
from core.logs import Level, LogLine, LogWriter, one_line
from core.protocol.apci import Reason
from core.protocol.describe import describe_asdu_octets
from core.protocol.link import LinkFailed
from core.routing.actions import Kind, Note
from core.status import Counters, EntryStatus, MasterState, RtuState, State

_PERIOD = 10.0
_LINES_PER_PERIOD = 50
_log = logging.getLogger("iec104.gateway")

_COUNTER = {
    Kind.REFUSED: "refused",
    Kind.MALFORMED: "malformed",
    Kind.UNKNOWN_CA: "unknown_ca",
    Kind.ORPHAN: "orphans",
    Kind.EXPIRED: "expired",
    Kind.DROPPED: "dropped",
}
_SUSPICIOUS = frozenset(Reason) - {
    Reason.NO_ANSWER,
    Reason.IDLE,
    Reason.FRAGMENT,
    Reason.STALLED,
}
_SECURITY = {Kind.REFUSED: "refused command", Kind.MALFORMED: "malformed frame"}


class Journal:
    """The voice of one entry. I/O thread only, but for ``status``, ``counters`` and reading
    ``interrogated``.
    """

    __slots__ = (
        "_clock", "_feed", "_left_out", "_lines_left", "_logs", "_period_ends", "counters", "entry",
        "interrogated", "status",
    )  # fmt: skip

    def __init__(
        self, entry: Entry, logs: LogWriter, feed: Feed, clock: Callable[[], float]
    ) -> None:
        self.entry = entry
        self.counters = Counters()
        self.interrogated: tuple[datetime | None, str] = None, ""
        """When the last general interrogation was, and who asked for it."""
        self._logs = logs
        self._feed = feed
        self._clock = clock
        self._period_ends = 0.0
        self._lines_left = 0
        self._left_out = 0
        initial: State = RtuState.CONNECTING if entry.label.startswith("S/") else MasterState.HELD
        self.status = EntryStatus(entry.key, entry.group, entry.label, initial)
        logs.register(entry.key, entry.label, entry.group)
        feed.put_status(self.status)

    def general_interrogation(self, at: datetime, who: str) -> None:
        """One was sent to the RTU: to this entry, or for it."""
        self.interrogated = at, who

    def failed(self, error: Exception) -> None:
        """Our own fault: the program log gets the traceback, the entry's log a line."""
        _log.error("%s: internal error", self.entry.key, exc_info=error)
        self.line(f"internal error: {error!r}", Level.ERROR)

    def head(self, facts: str) -> None:
        """The line that begins a life of the entry: what it was started with."""
        entry, o = self.entry, self.entry.options
        settings = f"t0 {o.t0:g}, t1 {o.t1:g}, t2 {o.t2:g}, t3 {o.t3:g}, k {o.k}, w {o.w}"
        self.line(
            f"{entry.label}: group {entry.group}, {facts}, settings {settings},"
            f" idletime {o.idletime:g}, buffer {o.buffer}"
        )

    def line(self, text: str, level: Level = Level.INFO) -> None:
        """A line for the entry's log."""
        if self._left_out and self._clock() >= self._period_ends:
            left_out, self._left_out = self._left_out, 0
            self.line(f"{left_out} lines like the ones before were left out", Level.WARNING)
        self._logs.put(LogLine(self.entry.key, self._logs.now(), level, text))

    def often(self, text: str, level: Level = Level.WARNING) -> bool:
        """A line for what a peer can cause at will: so many in a period, the rest is counted.

        Whether it was written.
        """
        if not self._may_write():
            return False
        self.line(text, level)
        return True

    def _may_write(self) -> bool:
        now = self._clock()
        if now >= self._period_ends:
            self._period_ends = now + _PERIOD
            self._lines_left = _LINES_PER_PERIOD
        if not self._lines_left:
            self._left_out += 1
            return False
        self._lines_left -= 1
        return True

    def note(self, note: Note, host: str, peer: str = "") -> None:
        """Count and, where it has words, log what the group noted about this entry.

        ``host`` and ``peer`` are the address of the connection without and with its port; ``peer``
        is named in front of what it did wrong.
        """
        counter = _COUNTER.get(note.kind)
        if counter is not None:
            setattr(self.counters, counter, getattr(self.counters, counter) + note.n)
        if not note.text or not self._may_write():
            return
        text = note.text
        if note.asdu is not None:
            text = f"{text}; it was {describe_asdu_octets(note.asdu.octets)}"
        is_fault = note.kind in _SECURITY
        level = Level.INFO if note.kind is Kind.INFO else Level.WARNING
        self.line(f"{peer}: {text}" if peer and is_fault else text, level)
        if is_fault:
            kind = _SECURITY[note.kind]
            self.security(f"{kind} ({note.why})" if note.why else kind, host, text)

    def link_failed(self, failure: LinkFailed, host: str) -> None:
        """A peer broke the protocol: worth a line where attacks are looked for."""
        if failure.reason in _SUSPICIOUS:
            self.security(f"protocol error ({failure.reason})", host, failure.detail)

    def refused(self, host: str, peer: str, why: str, more: str) -> bool:
        """A connection was not taken: one line a minute for each address and reason, with a count.

        ``host`` and ``peer`` are its address without and with the port, ``more`` what differs from
        one to the next. Whether a line was written.
        """
        text = f"refused {peer}: {why}{more}"
        self.security("refused peer", host, f"{why}{more}")
        return self._logs.once_a_minute(self.entry.key, f"refused ({why})", host, text)

    def security(self, kind: str, host: str, text: str) -> None:
        """A line for the security log; ``host`` is the peer without its port."""
        self._logs.security(kind, self.entry.key, host, text)

    def say(
        self, state: State, detail: str = "", peer: str = "", connected: bool | None = None
    ) -> None:
        """Publish a status. ``connected``: True stamps the time, False clears it, None keeps it."""
        at: datetime | None = self.status.connected_at
        if connected is not None:
            at = self._logs.now() if connected else None
        entry = self.entry
        status = EntryStatus(entry.key, entry.group, entry.label, state, one_line(detail), peer, at)
        if status != self.status:
            self.status = status
            self._feed.put_status(status)
