"""``iec104mm2ss monitor``: a test master that shows what a station sends and takes typed commands.

Three threads: one prints frames as they come, one reads what is typed, the main thread asks.
"""

import argparse
import codecs
import logging
import os
import queue
import re
import signal
import sys
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from types import FrameType
from typing import Final, NoReturn

from app import console
from app.arguments import Parser
from app.commands.typed import HELP, NotUnderstoodError, Typed, lines_of, understood
from core.client import (
    DEFAULT_COMMON_ADDRESS,
    DEFAULT_PORT,
    ClientState,
    IEC104Client,
    IEC104Error,
    StateChange,
)
from core.config.diagnostics import escaped

_PROG: Final = "iec104mm2ss monitor"
_LOOK_EVERY: Final = 0.1
_SHOWN_WITHIN: Final = 2.0
"""Seconds the answers to a request may take to be printed before its outcome is."""
_LONGEST_LINE: Final = 4096
_INTERROGATE: Final = Typed("gi", 20)
_COUNTERS: Final = Typed("counters", 5)


class _Ended(BaseException):
    """A signal says that it is over; no ``except Exception`` may swallow it."""


def main(arguments: Sequence[str]) -> int:
    """Watch a station until told to end.

    The exit code: 0 ended in order; 1 if there never was data transfer, or if something that did
    not come from a terminal was refused, unanswered or not understood; 2 wrong arguments.
    """
    given = _parser().parse_args(arguments)
    host, port = given.station
    try:
        client = IEC104Client(
            host, port, common_address=given.ca, originator_address=given.oa, queue_size=1_000_000,
        )  # fmt: skip
    except ValueError as error:
        console.err(f"{_PROG}: {error}")
        return 2
    # What the client logs, the lines of its state say here.
    logging.getLogger("iec104.client").addHandler(logging.NullHandler())
    monitor = _Monitor(
        client, where=_place(host, port), is_raw=given.raw, timeout=given.timeout,
        asks=[_INTERROGATE] * given.interrogation + [_COUNTERS] * given.counters,
    )  # fmt: skip
    return monitor.run(given.seconds)


class _Monitor:
    """One sitting."""

    def __init__(
        self, client: IEC104Client, *, where: str, is_raw: bool, timeout: float,
        asks: Sequence[Typed],
    ) -> None:  # fmt: skip
        self._client = client
        self._where = where
        self._is_raw = is_raw
        self._timeout = timeout
        self._asks = asks
        """What is asked after each start of data transfer."""
        self._asked_link = 0
        self._typed: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._screen = _Screen()
        self._last_state = ""
        self._was_started = False
        self._failures = 0
        self._is_interactive = _is_terminal(0)
        self._is_over = False

    def run(self, seconds: float | None) -> int:
        self._client.on_state(self._state_changed)
        printer = threading.Thread(target=self._print_frames, name="monitor-frames", daemon=True)
        signals = _Signals()
        until = None if seconds is None else time.monotonic() + seconds
        try:
            self._screen.note(
                f"monitor of {self._where}, common address {self._client.common_address};"
                f" {'help shows what may be typed, ' if self._is_interactive else ''}Ctrl+C ends"
            )
            self._client.start()
            printer.start()
            _read_lines(self._typed)
            self._watch(until)
        except _Ended:
            pass
        finally:
            signals.ignore()
            self._client.stop()
            if printer.is_alive():
                printer.join(1)
            signals.restore()
        if not self._was_started:
            console.err(f"{_PROG}: there was no data transfer with {self._where}")
            return 1
        return 1 if self._failures and not self._is_interactive else 0

    def _watch(self, until: float | None) -> None:
        while not self._screen.is_gone and not self._is_over:
            left = _LOOK_EVERY if until is None else min(_LOOK_EVERY, until - time.monotonic())
            if left <= 0:
                return
            self._ask_what_is_due()
            try:
                line = self._typed.get(timeout=left)
            except queue.Empty:
                continue
            if line:
                self._obey(line)

    # asking, on the main thread

    def _ask_what_is_due(self) -> None:
        if self._client.state is not ClientState.STARTED:
            return
        self._was_started = True
        link = self._client.counters.connections
        if link != self._asked_link:
            self._asked_link = link
            for one in self._asks:
                self._ask(one, one.word)

    def _obey(self, line: str) -> None:
        try:
            typed = understood(line)
        except NotUnderstoodError as error:
            self._fail(str(error))
            return
        if typed.word == "help":
            self._screen.plain(HELP)
            return
        is_end_now = typed.word == "quit" and self._is_interactive
        if is_end_now or self._client.wait_until_started(self._timeout):
            self._ask_what_is_due()
        elif typed.word != "quit":
            self._fail(f"{line}: not sent, there is no data transfer")
            return
        self._screen.note(f"> {line}")
        if typed.word == "quit":
            self._is_over = True
        else:
            self._ask(typed, line)

    def _ask(self, typed: Typed, name: str) -> None:
        try:
            outcome = typed.ask(self._client, self._timeout)
        except (IEC104Error, ValueError) as error:
            self._let_frames_pass()
            self._fail(f"{name}: {error}")
            return
        self._let_frames_pass()
        self._screen.note(f"{name}: {outcome}")

    def _fail(self, text: str) -> None:
        self._failures += 1
        self._screen.note(text)

    def _let_frames_pass(self) -> None:
        """The outcome of a request is said after what came in answer."""
        until = time.monotonic() + _SHOWN_WITHIN
        while self._client.get_queue_size() and time.monotonic() < until:
            time.sleep(0.005)

    # on threads of their own

    def _print_frames(self) -> None:
        while not (self._client.is_stopped() and not self._client.get_queue_size()):
            frame = self._client.get_frame(timeout=1.0)
            if frame is not None:
                octets = [frame.hex(" ")] if self._is_raw else []
                self._screen.show([*octets, *lines_of(frame)])

    def _state_changed(self, change: StateChange) -> None:
        match change.state:
            case ClientState.STARTED:
                text = f"data transfer with {change.detail} is started"
            case ClientState.CONNECTING if change.detail and not change.detail.startswith("trying"):
                text = f"no connection: {change.detail}"
            case _:
                return
        if text != self._last_state:  # a station that stays away is said once
            self._last_state = text
            self._screen.note(text)


class _Screen:
    """Standard output, shared by the threads; it may vanish at any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.is_gone = False

    def show(self, lines: Sequence[str]) -> None:
        moment = f"{datetime.now().astimezone():%H:%M:%S.%f}"[:-3]
        self.plain("\n".join(f"{moment} {escaped(line)}" for line in lines))

    def note(self, text: str) -> None:
        """About the connection or a request, rather than from the station."""
        self.show([f"* {text}"])

    def plain(self, text: str) -> None:
        try:
            with self._lock:
                sys.stdout.write(f"{text}\n")
                sys.stdout.flush()
        except (OSError, ValueError, AttributeError):  # gone, closed, or there never was one
            self.is_gone = True


class _Signals:
    """The first signal ends the sitting; no further one disturbs its end."""

    def __init__(self) -> None:
        self._before: dict[int, object] = {}
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
                number = getattr(signal, name, None)
                if number is not None:
                    self._before[number] = signal.signal(number, self._end)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self.ignore()
        raise _Ended

    def ignore(self) -> None:
        for number in self._before:
            signal.signal(number, signal.SIG_IGN)

    def restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # as it was given


def _read_lines(typed: "queue.SimpleQueue[str]") -> None:
    """Read standard input in a thread of its own, if there is any."""
    try:
        number = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):  # none, closed, or one of a test
        return
    threading.Thread(
        target=_take_lines, args=(number, typed), name="monitor-input", daemon=True
    ).start()


def _take_lines(number: int, typed: "queue.SimpleQueue[str]") -> None:
    # Not through sys.stdin: a thread that waits within would stop the interpreter from ending.
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    while True:
        try:
            octets = os.read(number, 4096)
        except OSError:
            octets = b""
        *lines, rest = (rest + decoder.decode(octets, final=not octets)).split("\n")
        if not octets:
            lines.append(rest)
        for line in lines:
            text = line.strip().lstrip("\ufeff")
            if text and not text.startswith("#"):
                typed.put(text)
        if not octets:
            if _is_terminal(number):  # Ctrl+D
                typed.put("quit")
            return
        rest = rest[:_LONGEST_LINE]


def _is_terminal(number: int) -> bool:
    try:
        return os.isatty(number)
    except OSError:
        return False


# --- arguments ----------------------------------------------------------------------------------


def _parser() -> Parser:
    parser = Parser(
        prog=_PROG,
        description="A test master: connects to a station, interrogates it, shows what it sends, "
        "and gives the commands that are typed.",
        epilog="Commands are read from standard input, line by line; help lists them. Exit code 0 "
        "ended in order, 1 no data transfer, or a command from a pipe failed, 2 wrong arguments.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "station", type=_station, metavar="HOST[:PORT]",
        help=f"where the station is (port: {DEFAULT_PORT}); an IPv6 address in brackets",
    )  # fmt: skip
    add(
        "--ca", type=_Whole("common address", 1, 65535), default=DEFAULT_COMMON_ADDRESS,
        metavar="N", help="common address (default: %(default)s)",
    )  # fmt: skip
    add(
        "--oa", type=_Whole("originator address", 0, 255), default=0, metavar="N",
        help="originator address (default: %(default)s)",
    )  # fmt: skip
    add("--raw", action="store_true", help="show the octets of each frame too")
    add(
        "--no-interrogation", dest="interrogation", action="store_false",
        help="do not interrogate the station after each start of data transfer",
    )  # fmt: skip
    add("--counters", action="store_true", help="interrogate the counters then, too")
    add(
        "--timeout", type=_seconds, default=10.0, metavar="SEC",
        help="how long an answer may take, and a command wait for data transfer (default: 10)",
    )  # fmt: skip
    add("--for", dest="seconds", type=_seconds, metavar="SEC", help="end after so many seconds")
    return parser


class _Whole:
    """A whole number within limits, for argparse."""

    def __init__(self, name: str, least: int, most: int) -> None:
        self._name, self._least, self._most = name, least, most

    def __call__(self, text: str) -> int:
        number = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else -1
        if not self._least <= number <= self._most:
            _refuse(text, f"is no {self._name} {self._least}..{self._most}")
        return number


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 1e9:
        _refuse(text, "is no time above 0 s")
    return seconds


def _station(text: str) -> tuple[str, int]:
    found = re.fullmatch(r"(?:\[([^\]]+)\]|([^:\[\]\s]+))(?::([0-9]{1,5}))?", text.strip())
    port = int(found[3] or DEFAULT_PORT) if found else 0
    if found is None or not 1 <= port <= 65535:
        _refuse(text, "is no HOST:PORT, such as 127.0.0.1:2404 or [::1]:2404")
    return found[1] or found[2], port


def _refuse(text: str, why: str) -> NoReturn:
    raise argparse.ArgumentTypeError(f"'{text}' {why}")


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
