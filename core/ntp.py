"""Time servers: what is right with an answer, what follows from it, and the thread that asks.

First come the rules, functions of values; then the words for people; then one exchange with a
server; then the thread. Who reads this for the behaviour needs the rules only. What is kept out:
everything the operating system must be asked or told, which is `core.clock`.

ntplib 0.4 packs seconds into 32 bits: from 7 February 2036 on it refuses, and so does every server
here until there is a newer one.
"""

import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum, StrEnum, auto
from functools import partial
from typing import Any, Final, Literal, Protocol, Self, TypeAlias

from core.clock import NO_PERMISSION, Clock

try:
    import ntplib
except ImportError:  # everything but the clock works without it
    ntplib = None

_log = logging.getLogger("iec104.ntp")

PORT: Final = 123
"""As a number: slim systems have no list of service names."""

# The rules

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


# The words


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
            f"Server: {_named(look.reading)}",
            f"Offset: {sample.offset:+.4f} s",
            f"Delay: {max(0.0, sample.delay):.4f} s",
            f"Stratum: {sample.stratum}",
        ]
    if look.next_at is not None:
        lines.append(f"Next check: {_local(look.next_at):%H:%M:%S}")
    results = dict(look.results)
    lines += [f"{server}: {results.get(server, 'not asked')}" for server in look.servers]
    return "\n".join(lines)


def _named(reading: Reading) -> str:
    if reading.server == reading.address:
        return reading.server
    return f"{reading.server} ({reading.address})"


# One exchange

SocketAddress: TypeAlias = tuple[Any, ...]
"""As `socket` has it: address, port, and with IPv6 two more."""

_SLICE: Final = 0.1
"""How long a stop may go unnoticed while an answer is waited for."""


class Unanswered(Exception):
    """A server did not answer in time, or not with a packet; says in words how."""


def resolved(host: str, port: int) -> list[SocketAddress]:
    """Every address of a server. Raises OSError if there is none; may take minutes."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except UnicodeError as error:  # a name no resolver would take
        raise OSError(f"not a host name: {error}") from error
    return list(dict.fromkeys(address for *_, address in found))


def ask(
    address: SocketAddress, timeout: float, now: Callable[[], float], is_over: Callable[[], bool]
) -> Sample:
    """One question to one address, and its answer.

    Raises Unanswered, and OSError where there is no way to the server. The socket is connected:
    the system keeps away what comes from elsewhere, and tells at once that a port is closed.
    """
    family = socket.AF_INET6 if len(address) == 4 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(_SLICE)
        sock.connect(address)
        begin, sent = time.monotonic(), now()
        stamp = ntplib.system_to_ntp_time(sent)
        question = ntplib.NTPPacket(version=4, mode=3, tx_timestamp=stamp)
        try:
            sock.send(question.to_data())
        except ntplib.NTPException as error:
            raise Unanswered(f"cannot be asked: {error}") from error
        data = _received(sock, begin + timeout, is_over)
        received, end = now(), time.monotonic()
    answer = ntplib.NTPStats()
    try:
        answer.from_data(data)
    except ntplib.NTPException as error:
        raise Unanswered("answers with something else than NTP") from error
    answer.dest_timestamp = ntplib.system_to_ntp_time(received)
    kiss = struct.pack("!I", answer.ref_id).decode("ascii", "replace").strip("\0 ")
    return Sample(
        offset=float(answer.offset),
        delay=float(answer.delay),
        stratum=int(answer.stratum),
        mode=int(answer.mode),
        leap=int(answer.leap),
        root_delay=float(answer.root_delay),
        root_dispersion=float(answer.root_dispersion),
        is_echo=answer.orig_timestamp == question.tx_timestamp,
        is_stamped=bool(answer.recv_timestamp and answer.tx_timestamp),
        server_time=float(answer.tx_time),
        moved=(received - end) - (sent - begin),
        base=received - end,
        kiss=kiss if answer.stratum == 0 and kiss.isalnum() else "",
    )


def _received(sock: socket.socket, until: float, is_over: Callable[[], bool]) -> bytes:
    while not is_over() and time.monotonic() < until:
        try:
            return sock.recv(1024)
        except TimeoutError:
            continue
        except ConnectionError as error:  # the system was told so by ICMP
            raise Unanswered("no answer (nothing listens there)") from error
    raise Unanswered("no answer")


# The thread


class Settings(Protocol):
    """What of the configuration concerns the clock; `core.config.Settings` has it."""

    @property
    def ntp_servers(self) -> tuple[str, ...]:
        """Host names or addresses, in the order in which they are asked."""

    @property
    def ntp_update_every_sec(self) -> int:
        """Seconds between two looks."""

    @property
    def ntp_mode(self) -> Literal["set", "watch"]:
        """Set the clock, or only tell how far it is off."""

    @property
    def ntp_max_step(self) -> float:
        """Once the clock was right, a larger step needs two servers that agree."""


@dataclass(frozen=True, slots=True)
class _Plan:
    servers: tuple[str, ...]
    every: float
    is_watch: bool
    max_step: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            settings.ntp_servers,
            settings.ntp_update_every_sec,
            settings.ntp_mode == "watch",
            settings.ntp_max_step,
        )


@dataclass(slots=True)
class _Round:
    """One look under way."""

    plan: _Plan
    readings: list[Reading] = field(default_factory=list)
    results: dict[str, str] = field(default_factory=dict)


class TimeKeeper:
    """Looks at the time servers, on a thread of its own, and sets the clock where it may.

    `show` gets a report whenever there is another one; it is called from the thread, and must only
    hand it over. A context manager: started inside, stopped at its end. What follows `show` is for
    tests.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        show: Callable[[Report], None],
        *,
        port: int = PORT,
        timeout: float = 2.0,
        between: float = 2.0,
        resolve: Callable[[str, int], Sequence[SocketAddress]] = resolved,
    ) -> None:
        self._plan = _Plan.of(settings)
        self._clock = clock
        self._show = show
        self._port = port
        self._timeout = timeout
        # Many servers drop what follows a question within 2 s.
        self._between = between
        self._resolve = resolve
        self._begun: _Plan | None = None
        """The plan of the last look."""
        self._failures = 0
        self._was_right = False
        """Since the clock was set or found in step, a step has a limit."""
        self._said: Finding | None = None
        self._news = 0
        self._set_at: float | None = None
        self._set_from = ""
        self._wake = threading.Event()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="iec104-ntp", daemon=True)

    # From any thread

    def start(self) -> None:
        """Begin to look, at once; returns at once. Only once."""
        self._thread.start()

    def apply(self, settings: Settings) -> None:
        """Go on with other settings, beginning with a look at their servers; returns at once."""
        plan = _Plan.of(settings)
        if plan != self._plan:
            self._plan = plan
            self._wake.set()

    def stop(self, timeout: float = 0.3) -> bool:
        """End the thread; whether it has ended within the time.

        One whose look-up of a name hangs does not, touches nothing afterwards, and does not keep
        the program from ending.
        """
        self._is_stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # On the thread (or, before `start`, a test's)

    def _run(self) -> None:
        while not self._is_stopping:
            self._wake.clear()
            try:
                pause = self.look()
            except Exception:
                _log.exception("NTP: internal error")
                pause = FIRST_RETRY
            if not self._is_stopping:
                self._wake.wait(pause)

    def look(self) -> float | None:
        """One round: ask, decide, set, tell. Seconds to the next one, None: not before `apply`."""
        plan = self._plan
        if plan is not self._begun:
            self._begun, self._said, self._failures = plan, None, 0
            if plan.servers:
                self._tell(Look(ASKING, plan.servers, self._clock.now()))
        if not plan.servers or ntplib is None:
            finding = NO_NTPLIB if plan.servers else NO_SERVER
            self._tell(Look(finding, plan.servers, self._clock.now()))
            return None
        round_ = _Round(plan)
        limit = plan.max_step if self._was_right else None
        chosen = None
        for server in plan.servers:
            self._ask(server, round_)
            if self._is_over(plan):
                return 0.0
            chosen = choose(round_.readings, limit)
            if chosen is not None and chosen[1] is None:
                break
        if chosen is None:
            self._failures += 1
            pause = pause_after(self._failures, plan.every)
            self._conclude(round_, NO_ANSWER, None, pause)
            return pause
        self._failures = 0
        finding = self._carried_out(plan, *chosen)
        pause = pause_after(finding == JUST_SET, plan.every)
        self._conclude(round_, finding, chosen[0], pause)
        return pause

    def _is_over(self, plan: _Plan) -> bool:
        return self._is_stopping or self._plan is not plan

    def _ask(self, server: str, round_: _Round) -> None:
        """Ask the addresses of a server until one is good for a reading."""
        try:
            addresses = self._resolve(server, self._port)
        except OSError as error:
            round_.results[server] = f"name not found ({error.strerror or error})"
            return
        failures: dict[str, None] = {}
        for address in addresses:
            if self._is_over(round_.plan):
                return
            samples, failure = self._samples(address, round_.plan)
            if samples:
                sample = best(samples)
                round_.readings.append(Reading(server, str(address[0]), sample))
                round_.results[server] = offset_words(sample.offset)
                return
            failures[failure] = None
        round_.results[server] = ", ".join(failures) or "name not found"

    def _samples(self, address: SocketAddress, plan: _Plan) -> tuple[list[Sample], str]:
        """Up to three good answers; the first trouble ends it, and is said."""
        samples: list[Sample] = []
        for n in range(SAMPLES):
            if n and self._wake.wait(self._between):
                # What woke us may have been the very settings this round began with.
                self._wake.clear()
            if self._is_over(plan):
                return [], "not asked to the end"
            try:
                sample = ask(address, self._timeout, self._clock.now, partial(self._is_over, plan))
            except Unanswered as error:
                return samples, str(error)
            except OSError as error:
                return samples, f"cannot be reached ({error.strerror or error})"
            why = objection(sample)
            if why is not None:
                return samples, why
            samples.append(sample)
        return samples, ""

    def _carried_out(self, plan: _Plan, reading: Reading, doubt: Doubt | None) -> Finding:
        """Decide, and set the clock if that is the decision."""
        clock = self._clock
        case = Circumstances(clock.leave_below, is_watch=True)
        if not plan.is_watch:  # who only watches asks the system for nothing
            case = Circumstances(
                clock.leave_below,
                owner=clock.owner(),
                may_set=clock.can_set(),
                moved=clock.now() - time.monotonic() - reading.sample.base,
            )
        finding = decide(reading.offset, doubt, case)
        if finding.kind is Kind.SET:
            finding = self._step(reading)
        if finding.kind is Kind.SET or abs(reading.offset) < clock.leave_below:
            self._was_right = True
        return finding

    def _step(self, reading: Reading) -> Finding:
        try:
            self._clock.step(self._clock.now() + reading.offset)
        except PermissionError:
            return Finding(Kind.NOT_SET, Severity.WARNING, NO_PERMISSION)
        except (OSError, OverflowError, ValueError) as error:
            return Finding(Kind.NOT_SET, Severity.ERROR, f"the system refuses ({error})")
        self._set_at, self._set_from = self._clock.now(), reading.server
        _log.info("clock stepped by %+.3f s, from %s", reading.offset, _named(reading))
        return SET

    def _conclude(
        self, round_: _Round, finding: Finding, reading: Reading | None, pause: float
    ) -> None:
        now = self._clock.now()
        small = reading is not None and abs(reading.offset) < self._clock.leave_below
        results = tuple(round_.results.items())
        servers = round_.plan.servers
        self._tell(Look(finding, servers, now, now + pause, reading, results, small))

    def _tell(self, look: Look) -> None:
        """Give a report, and the log a line if there is news."""
        if self._is_stopping:
            return
        look = replace(look, set_at=self._set_at, set_from=self._set_from)
        text = status_text(look)
        if is_news(self._said, look.finding):
            self._news += 1
            # That the clock was stepped has a line of its own.
            if look.finding != SET or self._said not in (SET, IN_STEP):
                bad = look.finding.severity in (Severity.WARNING, Severity.ERROR)
                results = "; ".join(f"{server}: {what}" for server, what in look.results)
                detail = f" ({results})" if results else ""
                _log.log(logging.WARNING if bad else logging.INFO, "NTP: %s%s", text, detail)
        if look.finding.kind is not Kind.ASKING:
            self._said = look.finding
        self._show(Report(text, look.finding.severity, tooltip(look), self._news))
