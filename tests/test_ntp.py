"""Time servers: the rules as tables, then whole rounds against servers on loopback.

The clock is one of the test's own: the machine's time and an error, which a step takes away.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import NO_PERMISSION
from core.config import Settings
from core.ntp import Report, TimeKeeper, exchange, keeper
from core.ntp.exchange import Unanswered, ask, resolved
from core.ntp.rules import (
    ASKING,
    IN_STEP,
    NO_ANSWER,
    NO_NTPLIB,
    NO_SERVER,
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
from core.ntp.words import Look, offset_words, status_text, tooltip
from tests.connections.support import wait_for
from tests.support.ntp_server import HOST, NtpServer, real_time
from tests.support.windows import UNDER_WINE, not_under_wine

GOOD = Sample(offset=0.0032, delay=0.012)
HOUR = 3600.0
AT = datetime(2026, 11, 21, 23, 45, 2).astimezone().timestamp()

# Which answers are used

SPOILED = [
    ({"is_echo": False}, "does not answer what was asked"),
    *[({"mode": mode}, f"is no answer of a server (mode {mode})") for mode in (0, 3, 5, 6)],
    ({"stratum": 0, "leap": 3, "kiss": "RATE"}, "refuses (kiss of death RATE)"),
    ({"stratum": 0, "leap": 3}, "refuses (kiss of death)"),
    ({"leap": 3}, "is not synchronized"),
    ({"stratum": 16}, "is not synchronized (stratum 16)"),
    ({"is_stamped": False}, "has no time"),
    ({"server_time": 0.0}, "shows a time long ago"),
    ({"moved": 0.11}, "was asked while the clock was set"),
    ({"moved": -3600.0}, "was asked while the clock was set"),
    ({"delay": 1.001}, "is too far away (1.001 s)"),
    ({"delay": -0.021}, "is too far away (-0.021 s)"),
    ({"delay": float("nan")}, "is too far away (nan s)"),
    ({"root_delay": 1.5}, "has a root delay of 1.500 s"),
    ({"root_dispersion": 16.0}, "has a dispersion of 16.000 s"),
]


@pytest.mark.parametrize(("change", "why"), SPOILED)
def test_an_answer_that_must_not_be_used_is_refused_with_the_reason(change, why):
    assert objection(replace(GOOD, **change)) == why


@pytest.mark.parametrize("change", [
    {}, {"stratum": 1}, {"stratum": 15}, {"leap": 1}, {"leap": 2}, {"delay": 1.0}, {"delay": 0.0},
    {"delay": -0.01}, {"offset": 1e9}, {"root_delay": 1.0, "root_dispersion": 1.0}, {"moved": 0.09},
])  # fmt: skip
def test_other_answers_are_used_whatever_their_offset(change):
    assert objection(replace(GOOD, **change)) is None


def test_of_several_samples_the_one_that_travelled_shortest_counts():
    samples = [Sample(1.0, 0.3), Sample(2.0, 0.1), Sample(3.0, 0.2)]
    assert best(samples).offset == 2.0


# Which server counts


def reading(offset: float, address: str = "192.0.2.1", server: str = "") -> Reading:
    return Reading(server or address, address, Sample(offset, 0.01))


A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"
CHOICES = [
    # (readings, limit, index of the chosen one, doubt)
    ([(5.0, A)], None, 0, None),
    ([(9 * HOUR, A)], None, 0, None),
    ([(HOUR, A)], HOUR, 0, None),
    ([(-HOUR, A), (0.0, B)], HOUR, 0, None),
    ([(2 * HOUR, A)], HOUR, 0, Doubt.ALONE),
    ([(2 * HOUR, A), (2 * HOUR + 0.9, B)], HOUR, 0, None),
    ([(2 * HOUR, A), (2 * HOUR + 1.0, B)], HOUR, 0, Doubt.DISAGREED),
    ([(2 * HOUR, A), (-2 * HOUR, B)], HOUR, 0, Doubt.DISAGREED),
    ([(2 * HOUR, A), (0.0, B)], HOUR, 0, Doubt.DISAGREED),
    ([(2 * HOUR, A), (0.0, B), (0.5, C)], HOUR, 1, None),
    ([(2 * HOUR, A), (0.0, B), (2 * HOUR, C)], HOUR, 0, None),
    # Two names of one server agree with nobody but themselves.
    ([(2 * HOUR, A), (2 * HOUR, A)], HOUR, 0, Doubt.ALONE),
]


@pytest.mark.parametrize(("offsets", "limit", "index", "doubt"), CHOICES)
def test_the_first_server_counts_and_beyond_the_limit_two_that_agree(offsets, limit, index, doubt):
    readings = [reading(*each, server=f"s{n}") for n, each in enumerate(offsets)]
    assert choose(readings, limit) == (readings[index], doubt)


def test_without_a_reading_there_is_no_choice():
    assert choose([], None) is None


# What is done


FREE = Circumstances(0.128)
OWNED = replace(FREE, owner="chronyd")
BARRED = replace(FREE, may_set=(False, NO_PERMISSION))
WATCH = replace(FREE, is_watch=True)


def not_set(reason: str, severity: Severity = Severity.WARNING) -> Finding:
    return Finding(Kind.NOT_SET, severity, reason)


DECISIONS = [
    (0.0, None, FREE, IN_STEP),
    (0.1279, None, FREE, IN_STEP),
    (-0.1279, None, FREE, IN_STEP),
    (0.128, None, FREE, SET),
    (-0.128, None, FREE, SET),
    (0.021, None, Circumstances(0.020), SET),
    (9 * HOUR, None, FREE, SET),
    (9 * HOUR, Doubt.ALONE, FREE, not_set("offset too large", Severity.ERROR)),
    (9 * HOUR, Doubt.DISAGREED, FREE, not_set("servers disagree", Severity.ERROR)),
    (0.01, None, BARRED, IN_STEP),
    (2.5, None, BARRED, not_set("no permission (run as administrator / CAP_SYS_TIME)")),
    (9 * HOUR, Doubt.DISAGREED, BARRED, not_set("servers disagree", Severity.ERROR)),
    (0.0032, None, OWNED, not_set("chronyd keeps the clock", Severity.OK)),
    (2.5, None, OWNED, not_set("chronyd keeps the clock")),
    (2.5, None, replace(OWNED, may_set=(False, "")), not_set("chronyd keeps the clock")),
    (0.01, None, WATCH, IN_STEP),
    (2.5, None, WATCH, not_set("ntp_mode is watch")),
    (9 * HOUR, Doubt.DISAGREED, WATCH, not_set("ntp_mode is watch")),
    (2.5, None, replace(WATCH, owner="chronyd"), not_set("ntp_mode is watch")),
    (2.5, None, replace(FREE, moved=1.0), not_set("something else has just set the clock")),
    (2.5, None, replace(FREE, moved=-0.05), SET),
]


@pytest.mark.parametrize(("offset", "doubt", "case", "finding"), DECISIONS)
def test_what_follows_from_an_offset(offset, doubt, case, finding):
    assert decide(offset, doubt, case) == finding


def test_after_failures_the_next_look_is_sooner_and_then_ever_later():
    assert [pause_after(n, 900) for n in range(8)] == [900, 60, 120, 240, 480, 900, 900, 900]
    assert [pause_after(n, 30) for n in range(3)] == [30, 30, 30]
    assert pause_after(1_000_000, 604_800) == 604_800


SILENT = not_set("ntp_mode is watch")
NEWS = [
    (None, IN_STEP, True), (None, NO_SERVER, True), (None, ASKING, False), (None, SET, True),
    (IN_STEP, IN_STEP, False), (SET, IN_STEP, False), (SET, SET, True), (IN_STEP, SET, True),
    (IN_STEP, NO_ANSWER, True), (NO_ANSWER, NO_ANSWER, False), (NO_ANSWER, IN_STEP, True),
    (NO_ANSWER, ASKING, False), (SILENT, SILENT, False), (SILENT, IN_STEP, True),
    (SILENT, not_set("servers disagree", Severity.ERROR), True),
    (decide(0.0, None, OWNED), decide(2.5, None, OWNED), True),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "is_so"), NEWS)
def test_only_changes_are_news_and_each_setting(before, after, is_so):
    assert is_news(before, after) is is_so


# The words

OFFSETS = [
    (0.0032, "+3.2 ms"), (-0.0032, "-3.2 ms"), (0.0, "+0.0 ms"), (0.9999, "+999.9 ms"),
    (0.99999, "+1.0 s"), (2.5, "+2.5 s"), (-59.94, "-59.9 s"), (59.96, "+1 min 0 s"),
    (61.4, "+1 min 1 s"), (3599.6, "+1 h 0 min"), (7500, "+2 h 5 min"), (-7500, "-2 h 5 min"),
    (86_399.9, "+1 d 0 h"), (-9 * 86_400 - 3_700, "-9 d 1 h"),
]  # fmt: skip


@pytest.mark.parametrize(("offset", "words"), OFFSETS)
def test_an_offset_in_words(offset, words):
    assert offset_words(offset) == words


@given(st.floats(-1e9, 1e9))
def test_every_offset_has_words_of_two_units_at_most(offset):
    words = offset_words(offset)
    assert words[0] == ("-" if offset < 0 else "+")
    assert len(words.split()) in (2, 4)


def look(finding: Finding, offset: float | None = None, servers: int = 3, **more: object) -> Look:
    names = ("10.1.1.15", "pool.ntp.org", "time.windows.com")[:servers]
    found = None if offset is None else reading(offset, server="pool.ntp.org")
    is_small = offset is None or abs(offset) < 0.128
    return Look(finding, names, AT, AT + 900, found, is_small=is_small, **more)


TEXTS = [
    (look(SET, 0.0032), "Set 23:45:02 · +3.2 ms", "ok"),
    (look(IN_STEP, 0.0032), "In step 23:45:02 · +3.2 ms", "ok"),
    (
        look(decide(2.5, None, BARRED), 2.5),
        "+2.5 s off · not set: no permission (run as administrator / CAP_SYS_TIME)",
        "warning",
    ),
    (look(decide(0.0032, None, OWNED), 0.0032), "+3.2 ms · not set: chronyd keeps the clock", "ok"),
    (look(decide(2.5, None, OWNED), 2.5), "+2.5 s off · not set: chronyd keeps the clock",
     "warning"),
    (look(NO_ANSWER), "No answer from 3 servers · next try 00:00:02", "warning"),
    (look(NO_ANSWER, servers=1), "No answer from 1 server · next try 00:00:02", "warning"),
    (look(NO_SERVER, servers=0), "No NTP server configured", "none"),
    (look(decide(7500, Doubt.DISAGREED, FREE), 7500),
     "+2 h 5 min off · not set: servers disagree", "error"),
    (look(decide(7500, Doubt.ALONE, FREE), 7500),
     "+2 h 5 min off · not set: offset too large", "error"),
    (look(decide(-2.5, None, WATCH), -2.5), "-2.5 s off · not set: ntp_mode is watch", "warning"),
    (look(ASKING), "Asking 3 servers", "none"),
    (look(NO_NTPLIB), "3 servers not asked · the package ntplib is not installed", "warning"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "text", "severity"), TEXTS, ids=lambda value: str(value)[:30])
def test_the_status_in_words(given, text, severity):
    assert status_text(given) == text
    assert given.finding.severity == severity


def test_the_tooltip_tells_all_and_first_when_the_time_was_updated():
    results = (("10.1.1.15", "no answer"), ("pool.ntp.org", "+3.2 ms"))
    seen = look(IN_STEP, 0.0032, results=results, set_at=AT - 900, set_from="10.1.1.15")
    assert tooltip(seen).splitlines() == [
        "Time updated at 2026-11-21 23:30:02 from 10.1.1.15",
        "Server: pool.ntp.org (192.0.2.1)",
        "Offset: +0.0032 s",
        "Delay: 0.0100 s",
        "Stratum: 2",
        "Next check: 00:00:02",
        "10.1.1.15: no answer",
        "pool.ntp.org: +3.2 ms",
        "time.windows.com: not asked",
    ]
    assert tooltip(look(NO_ANSWER)).startswith("Time not updated since the program was started\n")
    assert tooltip(Look(NO_SERVER, (), AT)) == ""


# One question to one server


@pytest.fixture
def server() -> Iterator[NtpServer]:
    with NtpServer() as server:
        yield server


def asked(server: NtpServer, timeout: float = 2.0) -> Sample:
    return ask((server.host, server.port), timeout, real_time, lambda: False)


@pytest.mark.parametrize(("shift", "processing"), [
    (0.0, 0.0), (2.5, 0.0), (-HOUR, 0.0), (0.0, 0.2), (40 * 86_400.0, 0.0), (-0.004, 0.0),
])  # fmt: skip
def test_a_servers_clock_is_read_whatever_it_takes_to_answer(server, shift, processing):
    server.shift, server.processing = shift, processing
    sample = asked(server)
    assert objection(sample) is None
    assert sample.offset == pytest.approx(shift, abs=0.05)
    assert -0.001 < sample.delay < 0.1
    assert (sample.stratum, sample.is_echo) == (2, True)


WRONG = [
    ({"stratum": 0, "leap": 3, "reference": b"RATE"}, "refuses (kiss of death RATE)"),
    ({"stratum": 0, "reference": b"\0\xff"}, "refuses (kiss of death)"),
    ({"leap": 3}, "is not synchronized"),
    ({"stratum": 16}, "is not synchronized (stratum 16)"),
    ({"mode": 3}, "is no answer of a server (mode 3)"),
    ({"is_echo": False}, "does not answer what was asked"),
    ({"is_stamped": False}, "has no time"),
    ({"root_dispersion": 2.0}, "has a dispersion of 2.000 s"),
    ({"root_delay": 2.0}, "has a root delay of 2.000 s"),
    ({"shift": -20 * 365 * 86_400.0}, "shows a time long ago"),
]


@pytest.mark.parametrize(("spoil", "why"), WRONG)
def test_a_wrong_answer_is_recognized(server, spoil, why):
    for name, value in spoil.items():
        setattr(server, name, value)
    assert objection(asked(server)) == why


@pytest.mark.parametrize("octets", [0, 1, 47])
def test_a_short_packet_is_no_answer(server, octets):
    server.octets = octets
    with pytest.raises(Unanswered, match="something else than NTP"):
        asked(server)


@pytest.mark.parametrize("spoil", ["is_silent", "from_elsewhere"])
def test_silence_and_an_answer_from_another_address_are_no_answer(server, spoil):
    setattr(server, spoil, True)
    begin = time.monotonic()
    with pytest.raises(Unanswered, match=r"no answer$"):
        asked(server, timeout=0.3)
    assert 0.3 <= time.monotonic() - begin < 1.5
    assert server.questions == 1


@pytest.fixture
def closed() -> int:
    """A port nobody answers on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])


@not_under_wine("does not tell of a datagram that was refused")
def test_a_closed_port_is_told_at_once(closed):
    begin = time.monotonic()
    with pytest.raises(Unanswered, match="nothing listens"):
        ask((HOST, closed), 5.0, real_time, lambda: False)
    assert time.monotonic() - begin < 2


def test_a_clock_that_jumps_meanwhile_spoils_the_sample(server):
    times = iter([real_time(), real_time() + 0.5])
    sample = ask((server.host, server.port), 2.0, lambda: next(times), lambda: False)
    assert objection(sample) == "was asked while the clock was set"


def test_after_2036_ntplib_refuses_and_that_is_no_answer(server):
    with pytest.raises(Unanswered, match="cannot be asked"):
        ask((server.host, server.port), 2.0, lambda: 2_100_000_000.0, lambda: False)


def test_every_address_of_a_host_is_found_once():
    assert resolved("127.0.0.1", 123) == [("127.0.0.1", 123)]
    assert resolved("::1", 123)[0][:2] == ("::1", 123)
    with pytest.raises(OSError, match="not a host name"):
        resolved("a..b", 123)


# Whole rounds


class FakeClock:
    """The machine's time plus an error."""

    leave_below = 0.128

    def __init__(self, error: float = 0.0) -> None:
        self.error = error
        self.steps: list[float] = []
        self.may: tuple[bool, str] = (True, "")
        self.owned_by: str | None = None
        self.refusal: Exception | None = None
        self.asked_rights = 0
        self.stepped: Callable[[], None] = lambda: None

    def now(self) -> float:
        return real_time() + self.error

    def can_set(self) -> tuple[bool, str]:
        self.asked_rights += 1
        return self.may

    def owner(self) -> str | None:
        return self.owned_by

    def step(self, t: float) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.steps.append(t - self.now())
        self.error += self.steps[-1]
        self.stepped()


class Rig:
    """A time keeper that a test leads round by round, and what it said."""

    def __init__(self, port: int = 0) -> None:
        self.clock = FakeClock()
        self.reports: list[Report] = []
        self.port = port
        self.names: dict[str, list[str]] = {}
        self.settings = Settings()
        self._keeper: TimeKeeper | None = None

    def resolve(self, host: str, port: int) -> list[tuple[str, int]]:
        addresses = self.names.get(host, [host] if host[0].isdigit() else None)
        if addresses is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(address, port) for address in addresses]

    @property
    def keeper(self) -> TimeKeeper:
        if self._keeper is None:
            self._keeper = TimeKeeper(
                self.settings, self.clock, self.reports.append, port=self.port, timeout=0.25,
                between=0.0, resolve=self.resolve,
            )  # fmt: skip
        return self._keeper

    def use(self, *servers: str, **settings: object) -> None:
        self.settings = replace(Settings(), ntp_servers=servers, **settings)
        if self._keeper is not None:
            self._keeper.apply(self.settings)

    def look(self) -> str:
        """One round; its text without times of day."""
        self.pause = self.keeper.look()
        return self.text

    @property
    def text(self) -> str:
        return self.reports[-1].text

    @property
    def tooltip(self) -> list[str]:
        return self.reports[-1].tooltip.splitlines()


@pytest.fixture
def rig(server: NtpServer) -> Rig:
    rig = Rig(server.port)
    rig.use(HOST)
    return rig


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The lines of the program log since the last call."""
    caplog.set_level(logging.INFO, "iec104.ntp")

    def take() -> list[str]:
        lines = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return lines

    return take


@pytest.mark.parametrize("error", [2.5, -2.5, 0.15, HOUR, -9 * 86_400.0])
def test_the_first_time_the_clock_is_set_whatever_its_error(rig, server, said, error):
    rig.clock.error = -error
    assert rig.look().startswith("Set ")
    assert rig.text.endswith(f" · {offset_words(error)}") or abs(error) < 1
    assert rig.clock.steps == [pytest.approx(error, abs=0.05)]
    assert abs(rig.clock.error) < 0.05
    assert server.questions == 3
    assert rig.pause == 900
    step, state = said()
    assert step == f"clock stepped by {rig.clock.steps[0]:+.3f} s, from 127.0.0.1"
    assert state.startswith("NTP: Set ")
    assert rig.tooltip[0].endswith(" from 127.0.0.1")
    assert rig.reports[-1].severity is Severity.OK


@pytest.mark.parametrize("error", [0.0, 0.1, -0.1])
def test_a_small_offset_is_left_alone(rig, error):
    rig.clock.error = error
    assert rig.look().startswith("In step ")
    assert rig.clock.steps == []


def test_rounds_without_a_change_are_not_said_again(rig, said):
    rig.clock.error = 2.5
    rig.look()
    said()
    news = rig.reports[-1].news
    for _ in range(3):
        assert rig.look().startswith("In step ")
    assert said() == []
    assert rig.reports[-1].news == news
    rig.clock.error = 5.0
    assert rig.look().startswith("Set ")
    assert len(said()) == 1  # the step alone
    assert rig.reports[-1].news == news + 1


def test_a_round_begins_by_saying_whom_it_asks(rig):
    rig.look()
    first = rig.reports[0]
    assert (first.text, first.severity, first.news) == ("Asking 1 server", "none", 0)
    rig.look()
    assert len(rig.reports) == 3  # only the first


LATER = 2 * HOUR


@pytest.mark.parametrize("first_error", [0.0, -5 * HOUR])
def test_later_a_step_over_the_limit_needs_another_server(rig, server, said, first_error):
    rig.clock.error = first_error
    rig.look()
    steps = len(rig.clock.steps)
    server.shift = LATER
    assert rig.look() == "+2 h 0 min off · not set: offset too large"
    assert rig.reports[-1].severity is Severity.ERROR
    assert len(rig.clock.steps) == steps
    rig.look()
    assert len([line for line in said() if "too large" in line]) == 1
    server.shift = HOUR - 60
    assert rig.look().startswith("Set ")


def test_a_clock_that_could_not_be_set_yet_has_its_first_set_before_it(rig, server):
    rig.use(HOST, ntp_mode="watch")
    server.shift = LATER
    for _ in range(2):
        assert rig.look() == "+2 h 0 min off · not set: ntp_mode is watch"
    assert rig.clock.asked_rights == 0
    rig.use(HOST)
    assert rig.look().startswith("Set ")


@pytest.fixture
def three() -> Iterator[list[NtpServer]]:
    """Servers on 127.0.0.1, .2 and .3, with one port."""
    if UNDER_WINE:
        pytest.skip("under wine a port is one for all addresses of loopback")
    with ExitStack() as stack:
        first = stack.enter_context(NtpServer())
        more = [stack.enter_context(NtpServer(f"127.0.0.{n}", first.port)) for n in (2, 3)]
        yield [first, *more]


@pytest.fixture
def many(three: list[NtpServer]) -> Rig:
    rig = Rig(three[0].port)
    rig.use(*[server.host for server in three])
    return rig


def test_the_first_silent_the_second_counts_and_the_third_is_left_in_peace(many, three, said):
    three[0].is_silent = True
    three[1].shift = 2.5
    assert many.look().startswith("Set ")
    assert many.text.endswith(" · +2.5 s")
    assert [server.questions for server in three] == [1, 3, 0]
    assert many.tooltip[-3:] == [
        "127.0.0.1: no answer", "127.0.0.2: +2.5 s", "127.0.0.3: not asked",
    ]  # fmt: skip
    assert "Server: 127.0.0.2" in many.tooltip
    assert said()[-1].endswith("(127.0.0.1: no answer; 127.0.0.2: +2.5 s)")


def test_two_that_agree_may_move_the_clock_far(many, three):
    many.look()
    for server in three[:2]:
        server.shift = LATER
    assert many.look().startswith("Set ")
    assert many.clock.steps == [pytest.approx(LATER, abs=0.05)]
    assert three[2].questions == 0


def test_two_that_disagree_move_nothing(many, three):
    many.use("127.0.0.1", "127.0.0.2")
    many.look()
    three[0].shift = LATER + 300
    assert many.look() == "+2 h 5 min off · not set: servers disagree"
    assert many.clock.steps == []
    assert many.tooltip[-2:] == ["127.0.0.1: +2 h 5 min", f"127.0.0.2: {many.tooltip[-1][11:]}"]


def test_one_that_is_far_off_is_outvoted(many, three):
    many.look()
    three[0].shift = LATER
    assert many.look().startswith("In step ")
    assert "Server: 127.0.0.2" in many.tooltip


def test_the_step_limit_is_the_settings(many, three):
    many.use("127.0.0.1", ntp_max_step=10.0)
    many.look()
    three[0].shift = 11.0
    assert many.look() == "+11.0 s off · not set: offset too large"
    three[0].shift = 9.0
    assert many.look().startswith("Set ")


def test_every_address_of_a_name_is_tried(many, three):
    three[1].shift = 2.5
    three[0].is_silent = True
    many.names["time.test"] = ["127.0.0.1", "127.0.0.2"]
    many.use("nowhere.test", "time.test")
    assert many.look().startswith("Set ")
    assert "Server: time.test (127.0.0.2)" in many.tooltip
    assert many.tooltip[-2] == "nowhere.test: name not found (Name or service not known)"


@pytest.mark.parametrize(("spoil", "why"), [*WRONG, ({"octets": 20}, "answers with something else "
                                                     "than NTP"), ({"is_silent": True}, "no answer")
])  # fmt: skip
def test_a_server_that_gives_nothing_good_is_asked_once_and_moves_nothing(
    rig, server, said, spoil, why
):
    rig.clock.error = 10.0
    for name, value in spoil.items():
        setattr(server, name, value)
    assert rig.look().startswith("No answer from 1 server · next try ")
    assert server.questions == 1
    assert rig.clock.steps == []
    assert rig.pause == 60
    assert rig.tooltip[-1] == f"127.0.0.1: {why}"
    assert said()[0].endswith(f" (127.0.0.1: {why})")


def test_trouble_after_a_good_sample_costs_the_rest_only(rig, server, monkeypatch):
    def spoiled(*arguments: object) -> Sample:
        server.is_silent = server.questions >= 1
        return ask(*arguments)

    monkeypatch.setattr(keeper, "ask", spoiled)
    assert rig.look().startswith("In step ")
    assert server.questions == 2


def test_failed_rounds_come_sooner_and_one_good_makes_up_for_all(rig, server, said):
    server.is_silent = True
    pauses = []
    for _ in range(6):
        rig.look()
        pauses.append(rig.pause)
    assert pauses == [60, 120, 240, 480, 900, 900]
    assert len(said()) == 1
    server.is_silent = False
    rig.look()
    assert rig.pause == 900
    server.is_silent = True
    rig.look()
    assert rig.pause == 60
    assert len(said()) == 2


def test_without_permission_the_offset_is_shown_and_nothing_set(rig, said):
    rig.clock.may = (False, NO_PERMISSION)
    rig.clock.error = -2.5
    expected = "+2.5 s off · not set: no permission (run as administrator / CAP_SYS_TIME)"
    assert rig.look() == expected
    rig.look()
    (line,) = said()
    assert line.startswith(f"NTP: {expected} (")
    assert rig.clock.steps == []


@pytest.mark.parametrize(("refusal", "reason", "severity"), [
    (PermissionError(1, "Operation not permitted"), NO_PERMISSION, "warning"),
    (OSError(22, "Invalid argument"), "the system refuses ([Errno 22] Invalid argument)", "error"),
    (OverflowError("timestamp out of range"), "the system refuses (timestamp out of range)",
     "error"),
])  # fmt: skip
def test_a_refusal_of_the_system_is_said(rig, refusal, reason, severity):
    rig.clock.refusal = refusal
    rig.clock.error = -2.5
    assert rig.look() == f"+2.5 s off · not set: {reason}"
    assert rig.reports[-1].severity == severity
    rig.clock.refusal = None
    assert rig.look().startswith("Set ")


def test_another_service_keeps_its_clock(rig):
    rig.clock.owned_by = "chronyd"
    assert rig.look().endswith(" ms · not set: chronyd keeps the clock")
    assert rig.reports[-1].severity is Severity.OK
    rig.clock.error = -2.5
    assert rig.look() == "+2.5 s off · not set: chronyd keeps the clock"
    assert rig.reports[-1].severity is Severity.WARNING
    assert rig.clock.steps == []


def test_watching_sets_nothing_and_asks_for_no_rights(rig):
    rig.use(HOST, ntp_mode="watch")
    rig.clock.error = -2.5
    assert rig.look() == "+2.5 s off · not set: ntp_mode is watch"
    assert (rig.clock.steps, rig.clock.asked_rights) == ([], 0)


def test_what_somebody_else_set_meanwhile_is_not_set_over(rig):
    rig.clock.error = -2.5

    def owner() -> None:  # asked after the last sample, before the decision
        rig.clock.error = 7.5

    rig.clock.owner = owner
    assert rig.look().endswith("not set: something else has just set the clock")
    assert rig.clock.steps == []
    assert rig.pause == 60


def test_of_samples_between_which_the_clock_jumped_none_is_set_by(rig, server, monkeypatch):
    rig.clock.error = -2.5
    delays = iter([0.01, 0.5, 0.5])

    def jumping(*arguments: object) -> Sample:
        sample = replace(ask(*arguments), delay=next(delays))
        rig.clock.error = 7.5
        return sample

    monkeypatch.setattr(keeper, "ask", jumping)
    assert rig.look() == "+2.5 s off · not set: something else has just set the clock"
    assert rig.clock.steps == []


def test_a_server_without_a_way_to_it_is_passed_over(many, three, monkeypatch):
    def no_way(address: tuple[str, int], *more: object) -> Sample:
        if address[0] == "127.0.0.1":
            raise OSError(101, "Network is unreachable")
        return ask(address, *more)

    monkeypatch.setattr(keeper, "ask", no_way)
    assert many.look().startswith("In step ")
    assert "127.0.0.1: cannot be reached (Network is unreachable)" in many.tooltip


def test_without_servers_nobody_is_asked_until_there_are_some(rig, server, said):
    rig.use()
    assert rig.look() == "No NTP server configured"
    assert rig.pause is None
    assert (rig.reports[-1].severity, server.questions) == (Severity.NONE, 0)
    assert said() == ["NTP: No NTP server configured"]
    rig.use(HOST)
    assert rig.look().startswith("In step ")


def test_without_ntplib_it_says_so(rig, server, said, monkeypatch):
    monkeypatch.setattr(exchange, "ntplib", None)
    assert rig.look() == "1 server not asked · the package ntplib is not installed"
    assert (rig.pause, server.questions) == (None, 0)
    assert len(said()) == 1


# The thread


class Names:
    """Look-ups that hang until released."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.release = threading.Event()

    def __call__(self, host: str, port: int) -> list[tuple[str, int]]:
        self.asked.set()
        assert self.release.wait(20)
        raise socket.gaierror(socket.EAI_AGAIN, "temporary failure in name resolution")


def test_it_starts_and_ends_at_once_and_sets_the_clock_in_between(rig):
    rig.clock.error = 2.5
    begin = time.monotonic()
    with rig.keeper:
        assert time.monotonic() - begin < 0.5
        wait_for(lambda: rig.reports and rig.text.startswith("Set "), what="it is set")
        begin = time.monotonic()
    assert time.monotonic() - begin < 0.5
    assert not rig.keeper._thread.is_alive()


def test_a_look_up_that_hangs_holds_up_neither_start_nor_stop(rig):
    names = Names()
    rig.resolve = names
    rig.use("time.hang.test")
    begin = time.monotonic()
    rig.keeper.start()
    assert names.asked.wait(5)
    assert time.monotonic() - begin < 0.5
    assert rig.text == "Asking 1 server"
    begin = time.monotonic()
    assert rig.keeper.stop() is False
    assert time.monotonic() - begin < 0.5
    assert rig.keeper._thread.daemon
    before = list(rig.reports)
    names.release.set()
    rig.keeper._thread.join(5)
    assert rig.reports == before


def test_a_server_that_is_silent_holds_up_no_stop(rig, server):
    server.is_silent = True
    rig.keeper._timeout = 30.0
    rig.keeper.start()
    wait_for(lambda: server.questions)
    begin = time.monotonic()
    assert rig.keeper.stop()
    assert time.monotonic() - begin < 0.5


def test_the_pause_between_two_samples_holds_up_no_stop(rig, server):
    rig.keeper._between = 30.0
    rig.keeper.start()
    wait_for(lambda: server.questions)
    begin = time.monotonic()
    assert rig.keeper.stop()
    assert time.monotonic() - begin < 0.5
    assert rig.clock.steps == []


def test_other_servers_are_asked_at_once_though_the_round_is_not_over(many, three):
    three[0].is_silent = True
    many.keeper._timeout = 30.0
    with many.keeper as keeper:
        wait_for(lambda: three[0].questions)
        keeper.apply(replace(many.settings, ntp_servers=("127.0.0.2",)))
        wait_for(lambda: many.text.startswith("In step "), what="the other server counts")
        assert [server.questions for server in three] == [1, 3, 0]
        keeper.apply(replace(many.settings, ntp_servers=("127.0.0.2",)))  # nothing new
        keeper.apply(replace(many.settings, ntp_servers=()))
        wait_for(lambda: many.text == "No NTP server configured")
        keeper.apply(replace(many.settings, ntp_servers=("127.0.0.3",)))
        wait_for(lambda: many.text.startswith("In step "), what="the third counts")
    assert [server.questions for server in three] == [1, 3, 3]


def test_settings_that_come_as_a_round_begins_do_not_spoil_it(many, three):
    many.keeper._wake.set()  # of an apply whose settings this round has taken already
    many.keeper._between = 0.01
    assert many.look().startswith("In step ")
    assert three[0].questions == 3


def test_the_period_is_kept_and_the_next_round_comes_by_itself(rig, server):
    rig.use(HOST, ntp_update_every_sec=1)
    with rig.keeper:
        wait_for(lambda: server.questions >= 6, 4, "two rounds")


def test_an_error_of_our_own_is_logged_and_does_not_end_it(rig, expected_errors):
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    rig.resolve = broken
    with rig.keeper as keeper:
        wait_for(lambda: expected_errors, what="it is logged")
        rig.names["time.test"] = [HOST]
        keeper._resolve = Rig.resolve.__get__(rig)
        keeper.apply(replace(rig.settings, ntp_servers=("time.test",)))
        wait_for(lambda: rig.text.startswith("In step "), what="it goes on")
    assert len(expected_errors) == 1


def test_stopping_what_was_never_started_is_done_at_once(rig):
    assert rig.keeper.stop()
