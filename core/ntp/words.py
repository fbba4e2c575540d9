"""The state of the clock in words: one line, and the lines behind it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from core.ntp.rules import Finding, Kind, Reading, Severity


@dataclass(frozen=True, slots=True)
class Report:
    """What a front end shows."""

    text: str
    severity: Severity
    tooltip: str
    news: int
    """Grows with each change worth a person's attention; the times in `text` change more often."""


def offset_words(offset: float) -> str:
    """An offset in two units at most, with its sign: `+3.2 ms`, `-2.5 s`, `+2 h 5 min`."""
    sign, size = "-" if offset < 0 else "+", abs(offset)
    if size < 0.99995:
        return f"{sign}{size * 1000:.1f} ms"
    if size < 59.95:
        return f"{sign}{size:.1f} s"
    minutes, seconds = divmod(round(size), 60)
    if minutes < 60:
        return f"{sign}{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{sign}{hours} h {minutes} min"
    return f"{sign}{hours // 24} d {hours % 24} h"


def _local(t: float) -> datetime:
    return datetime.fromtimestamp(t, UTC).astimezone()


@dataclass(frozen=True, slots=True)
class Look:
    """All that is known after a look at the servers, for the words about it."""

    finding: Finding
    servers: tuple[str, ...]
    at: float
    """When it ended, on the wall clock as it is then."""
    next_at: float | None = None
    reading: Reading | None = None
    results: tuple[tuple[str, str], ...] = ()
    """Server and what came of asking it, for those that were asked."""
    is_small: bool = True
    set_at: float | None = None
    set_from: str = ""


def status_text(look: Look) -> str:
    """The one line that tells the state of the clock."""
    finding = look.finding
    at = f"{_local(look.at):%H:%M:%S}"
    count = f"{len(look.servers)} server{'s' * (len(look.servers) != 1)}"
    offset = offset_words(look.reading.offset) if look.reading is not None else ""
    match finding.kind:
        case Kind.SET:
            return f"Set {at} · {offset}"
        case Kind.IN_STEP:
            return f"In step {at} · {offset}"
        case Kind.NOT_SET:
            return f"{offset}{'' if look.is_small else ' off'} · not set: {finding.reason}"
        case Kind.NO_ANSWER:
            again = "" if look.next_at is None else f" · next try {_local(look.next_at):%H:%M:%S}"
            return f"No answer from {count}{again}"
        case Kind.NO_SERVER:
            return "No NTP server configured"
        case Kind.ASKING:
            return f"Asking {count}"
        case Kind.NO_NTPLIB:
            return f"{count} not asked · the package ntplib is not installed"


def tooltip(look: Look) -> str:
    """Several lines: when the clock was set, what was measured, when next, and each server."""
    lines = []
    if look.set_at is not None:
        moment = f"{_local(look.set_at):%Y-%m-%d %H:%M:%S}"
        lines.append(f"Time updated at {moment} from {look.set_from}")
    elif look.servers:
        lines.append("Time not updated since the program was started")
    if look.reading is not None:
        sample = look.reading.sample
        lines += [
            f"Server: {named(look.reading)}",
            f"Offset: {sample.offset:+.4f} s",
            f"Delay: {max(0.0, sample.delay):.4f} s",
            f"Stratum: {sample.stratum}",
        ]
    if look.next_at is not None:
        lines.append(f"Next check: {_local(look.next_at):%H:%M:%S}")
    results = dict(look.results)
    lines += [f"{server}: {results.get(server, 'not asked')}" for server in look.servers]
    return "\n".join(lines)


def named(reading: Reading) -> str:
    """A server as configured, with the address that answered if that is another text."""
    if reading.server == reading.address:
        return reading.server
    return f"{reading.server} ({reading.address})"
