"""The thread that looks at the time servers and sets the clock where it may."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, Protocol, Self

from core.clock import NO_PERMISSION, Clock
from core.ntp.exchange import PORT, SocketAddress, Unanswered, ask, can_ask, resolved
from core.ntp.rules import (
    ASKING,
    FIRST_RETRY,
    IN_STEP,
    JUST_SET,
    NO_ANSWER,
    NO_NTPLIB,
    NO_SERVER,
    SAMPLES,
    SET,
    Circumstances,
    Doubt,
    Finding,
    Kind,
    Reading,
    Sample,
    Severity,
    best,
    choose,
    decide,
    is_news,
    objection,
    pause_after,
)
from core.ntp.words import Look, Report, named, offset_words, status_text, tooltip

_log = logging.getLogger("iec104.ntp")


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
        if not plan.servers or not can_ask():
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
        _log.info("clock stepped by %+.3f s, from %s", reading.offset, named(reading))
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
