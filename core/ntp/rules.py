"""What is right with an answer of a time server, and what follows from it: functions of values."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, StrEnum, auto
from typing import Final

SAMPLES: Final = 3
"""Of so many answers the one that travelled shortest is used."""
LONGEST_DELAY: Final = 1.0
CLOCK_TICK: Final = 0.02
"""How coarse a wall clock may be (Windows: 1/64 s): so far below 0 a delay may be measured."""
LONGEST_ROOT: Final = 1.0
"""Delay or dispersion between the server and its own source."""
AGREEMENT: Final = 1.0
"""Two servers agree if their offsets differ by less."""
MOVED: Final = 0.1
"""If the wall clock went so far from the monotonic one, somebody else has set it."""
FIRST_RETRY: Final = 60.0
_OLDEST: Final = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
"""No time server is right that shows a time before this program was written."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer of a server, as far as the rules look at it. Times in seconds."""

    offset: float
    """What must be added to the local clock."""
    delay: float
    """There and back, without the server's own part."""
    stratum: int = 2
    mode: int = 4
    leap: int = 0
    root_delay: float = 0.0
    root_dispersion: float = 0.0
    is_echo: bool = True
    """The originate stamp is the one that was sent."""
    is_stamped: bool = True
    """The receive and transmit stamps are not zero."""
    server_time: float = _OLDEST
    """What the server's clock showed, since 1970 UTC."""
    moved: float = 0.0
    """How far the wall clock went from the monotonic one meanwhile."""
    base: float = 0.0
    """Wall minus monotonic clock when it came."""
    kiss: str = ""
    """With stratum 0, the server's code for why it refuses."""


def objection(sample: Sample) -> str | None:
    """Why an answer must not be used; None if it may."""
    s = sample
    grounds = (
        (not s.is_echo, "does not answer what was asked"),
        (s.mode != 4, f"is no answer of a server (mode {s.mode})"),
        (s.stratum == 0, f"refuses ({f'kiss of death {s.kiss}'.rstrip()})"),
        (s.leap == 3, "is not synchronized"),
        (s.stratum > 15, f"is not synchronized (stratum {s.stratum})"),
        (not s.is_stamped, "has no time"),
        (s.server_time < _OLDEST, "shows a time long ago"),
        (abs(s.moved) > MOVED, "was asked while the clock was set"),
        (not -CLOCK_TICK <= s.delay <= LONGEST_DELAY, f"is too far away ({s.delay:.3f} s)"),
        (not 0 <= s.root_delay <= LONGEST_ROOT, f"has a root delay of {s.root_delay:.3f} s"),
        (s.root_dispersion > LONGEST_ROOT, f"has a dispersion of {s.root_dispersion:.3f} s"),
    )
    return next((why for is_so, why in grounds if is_so), None)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one server said: the best of its samples."""

    server: str
    """As configured."""
    address: str
    sample: Sample

    @property
    def offset(self) -> float:
        """What must be added to the local clock."""
        return self.sample.offset


def best(samples: Sequence[Sample]) -> Sample:
    """The sample that travelled shortest: half its delay is all its offset can be wrong by."""
    return min(samples, key=lambda sample: sample.delay)


class Doubt(Enum):
    """Why a reading is not enough to set the clock by it."""

    ALONE = "offset too large"
    DISAGREED = "servers disagree"


def choose(readings: Sequence[Reading], limit: float | None) -> tuple[Reading, Doubt | None] | None:
    """The reading that counts, and what speaks against setting the clock by it.

    The first one, if its offset is within the limit; else the first with which another server
    agrees. `limit` None lets any offset pass. None without readings.
    """
    if not readings:
        return None
    first = readings[0]
    if limit is None or abs(first.offset) <= limit:
        return first, None
    for n, later in enumerate(readings):
        for earlier in readings[:n]:
            is_other = earlier.address != later.address
            if is_other and abs(earlier.offset - later.offset) < AGREEMENT:
                return earlier, None
    others = [reading for reading in readings if reading.address != first.address]
    return first, Doubt.DISAGREED if others else Doubt.ALONE


class Kind(Enum):
    """What came of a look at the servers."""

    IN_STEP = auto()
    SET = auto()
    NOT_SET = auto()
    NO_ANSWER = auto()
    NO_SERVER = auto()
    ASKING = auto()
    NO_NTPLIB = auto()


class Severity(StrEnum):
    """How much of a person's attention something wants."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a look, with the reason if the clock was not set."""

    kind: Kind
    severity: Severity
    reason: str = ""


IN_STEP: Final = Finding(Kind.IN_STEP, Severity.OK)
SET: Final = Finding(Kind.SET, Severity.OK)
NO_ANSWER: Final = Finding(Kind.NO_ANSWER, Severity.WARNING)
NO_SERVER: Final = Finding(Kind.NO_SERVER, Severity.NONE)
ASKING: Final = Finding(Kind.ASKING, Severity.NONE)
NO_NTPLIB: Final = Finding(Kind.NO_NTPLIB, Severity.WARNING)
JUST_SET: Final = Finding(Kind.NOT_SET, Severity.WARNING, "something else has just set the clock")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What decides beside the offset."""

    leave_below: float
    """Smaller offsets are left alone."""
    is_watch: bool = False
    owner: str | None = None
    """Another service that keeps the clock."""
    may_set: tuple[bool, str] = (True, "")
    moved: float = 0.0
    """How far the wall clock went from the monotonic one since the reading."""


def decide(offset: float, doubt: Doubt | None, case: Circumstances) -> Finding:
    """What to do about an offset; with SET the clock is to be stepped."""
    is_small = abs(offset) < case.leave_below

    def not_set(reason: str, severity: Severity = Severity.WARNING) -> Finding:
        return Finding(Kind.NOT_SET, severity, reason)

    if case.is_watch:
        return IN_STEP if is_small else not_set("ntp_mode is watch")
    if case.owner is not None:
        severity = Severity.OK if is_small else Severity.WARNING
        return not_set(f"{case.owner} keeps the clock", severity)
    if is_small:
        return IN_STEP
    if doubt is not None:
        return not_set(doubt.value, Severity.ERROR)
    is_permitted, reason = case.may_set
    if not is_permitted:
        return not_set(reason)
    if abs(case.moved) > MOVED:
        return JUST_SET
    return SET


def pause_after(failures: int, period: float) -> float:
    """Seconds to the next look: the period, or sooner after so many failures in a row."""
    if not failures:
        return period
    return float(min(period, FIRST_RETRY * 2 ** min(failures - 1, 20)))


def is_news(before: Finding | None, after: Finding) -> bool:
    """Whether a person must be told: a change, but not each good look after the first.

    That the clock was set is always news; that it is in step afterwards is none.
    """
    if after.kind is Kind.SET:
        return True
    if after.kind is Kind.ASKING:
        return False
    return before != after and not (before == SET and after == IN_STEP)
