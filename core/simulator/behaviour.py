"""How a station behaves, well or badly: one table for Python, command line and scenarios."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Everything about a station that is not its points; the defaults are those of a good RTU.

    Seconds are floats. :func:`changed` sets a field from a user's text.
    """

    # What a good one may do this way or that
    period: float = 3.0
    step: float = 1.0
    batch: int = 127
    sequences: bool = True
    buffer: int = 1000
    answer_types: str = "own"
    second_gi: str = "queue"
    gi_pause: float = 0.0
    initialized: str = "start"
    select_timeout: float = 30.0
    execution_time: float = 0.0
    max_command_age: float = 0.0
    counter_period: float = 0.0
    counter_events: bool = False
    clock: str = "set"
    unknown_ca: str = "refuse"
    connections: int = 32
    restart_time: float = 2.0
    # What a bad one does
    oa: str = "echo"
    act_con: bool = True
    act_term: bool = True
    confirm_delay: float = 0.0
    time_tags: str = "on"
    wrong_sequence_after: int = 0
    silent_after: int = 0
    split: int = 0
    coalesce: float = 0.0
    close_on_command: bool = False
    restart_every: float = 0.0
    avalanche_every: float = 0.0
    avalanche_rate: float = 0.0


class BehaviourError(ValueError):
    """A text that no behaviour can be set from; the message says what is accepted."""


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table: how a field is written and what it means."""

    name: str
    accepted: str
    help: str
    read: Callable[[str], Any]


def _choice(*words: str) -> tuple[str, Callable[[str], Any]]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError
        return text

    return ", ".join(words), read


def _switch() -> tuple[str, Callable[[str], Any]]:
    words = {"on": True, "yes": True, "1": True, "off": False, "no": False, "0": False}
    return "on, off", words.__getitem__


def _number(least: float, most: float, unit: str) -> tuple[str, Callable[[str], Any]]:
    def read(text: str) -> float:
        number = float(text)
        if not least <= number <= most:
            raise ValueError
        return number

    return f"{least:g}..{most:g} {unit}", read


def _count(least: int, most: int) -> tuple[str, Callable[[str], Any]]:
    def read(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise ValueError
        return number

    return f"{least}..{most}", read


_HOUR = 3600.0
_ROWS: Final = [
    ("period", _number(0, 86400, "s"), "time between two reports of measured values, 0 none"),
    ("step", _number(0.05, _HOUR, "s"), "time between two looks for changes"),
    ("batch", _count(1, 127), "most points in one ASDU"),
    ("sequences", _switch(), "neighbouring points share one address (SQ=1) in interrogations"),
    ("buffer", _count(1, 1_000_000), "event messages kept for each client"),
    ("answer_types", _choice("own", "plain"),
     "types in answers to interrogations and reads: the points' own, or the ones without time"
     " tag, as the standard has it for interrogations"),
    ("second_gi", _choice("queue", "both", "restart", "refuse"),
     "what becomes of an interrogation while another runs"),
    ("gi_pause", _number(0, 60, "s"), "time between two messages of an interrogation's answer"),
    ("initialized", _choice("start", "every", "never"),
     "end of initialisation: after a start of the station, after every STARTDT, or never"),
    ("select_timeout", _number(0.1, _HOUR, "s"), "how long a point stays selected"),
    ("execution_time", _number(0, _HOUR, "s"), "what a command takes until it is done"),
    ("max_command_age", _number(0, 86400, "s"),
     "time-tagged commands that are older get no answer, 0 never"),
    ("counter_period", _number(0, 86400, "s"),
     "counters are frozen and sent by the station itself so often, 0 never"),
    ("counter_events", _switch(), "counters are sent whenever a client freezes them"),
    ("clock", _choice("set", "echo", "refuse"),
     "clock synchronization: answered with the station's own time, with the received one, refused"),
    ("unknown_ca", _choice("refuse", "ignore"), "what becomes of a foreign common address"),
    ("connections", _count(1, 10_000), "most connections at once; more are closed"),
    ("restart_time", _number(0, _HOUR, "s"), "how long a restart takes"),
    ("oa", _choice("echo", "zero", "one"), "originator address in answers"),
    ("act_con", _switch(), "requests are confirmed"),
    ("act_term", _switch(), "terminations are sent"),
    ("confirm_delay", _number(0, _HOUR, "s"), "requests are looked at so much later"),
    ("time_tags", _choice("on", "off", "unsynchronized"),
     "off: types with time tag are sent as the ones without; unsynchronized: tags are invalid"
     " until a client sets the clock"),
    ("wrong_sequence_after", _count(0, 1_000_000_000),
     "after so many I-frames of a connection one has a wrong number, 0 never"),
    ("silent_after", _count(0, 1_000_000_000),
     "after so many frames a connection says nothing any more, 0 never"),
    ("split", _count(0, 65535), "write only so many octets at once, 0 off"),
    ("coalesce", _number(0, 60, "s"), "collect what is to be written for so long"),
    ("close_on_command", _switch(), "a command closes the connection"),
    ("restart_every", _number(0, 86400, "s"), "it restarts by itself so often, 0 never"),
    ("avalanche_every", _number(0, 86400, "s"), "all points are sent as events so often, 0 never"),
    ("avalanche_rate", _number(0, 1e6, "events/s"), "how fast that is, 0 all at once"),
]  # fmt: skip

OPTIONS: Final = {
    name: Option(name, accepted, help_text, read) for name, (accepted, read), help_text in _ROWS
}
"""All fields of a behaviour by name."""
assert list(OPTIONS) == [field.name for field in fields(Behaviour)]


def changed(behaviour: Behaviour, name: str, text: str) -> Behaviour:
    """A copy with one field set from a text; BehaviourError if it cannot be."""
    option = OPTIONS.get(name.strip().lower().replace("-", "_"))
    if option is None:
        raise BehaviourError(f"{name.strip()!r} is no setting; accepted: {', '.join(OPTIONS)}")
    word = text.strip().lower()
    try:
        value = option.read(word)
    except (ValueError, KeyError):
        raise BehaviourError(
            f"{option.name} {text.strip()!r} cannot be used; accepted: {option.accepted}"
        ) from None
    return replace(behaviour, **{option.name: value})
