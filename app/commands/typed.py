"""The words that may be typed at the monitor, and what each asks of a station."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from core.client import Confirmation, IEC104Client, Interrogated, Update
from core.protocol.codec import APCI_OCTETS, DataUnit, DecodeError, decode_asdu
from core.protocol.codes import TypeId
from core.protocol.describe import describe_asdu, describe_asdu_octets
from core.protocol.layouts import MAX_IOA

HELP: Final = """\
gi [QOI]                 interrogate the station (20) or a group (21..36)
counters [GROUP]         interrogate all counters, or those of a group 1..4
freeze [GROUP]           freeze them; freeze-reset, reset-counters: with or only reset
read IOA                 read one object
on IOA, off IOA          single command; 'on IOA double' for a double command
step IOA up|down         regulating step command
set IOA VALUE            set point, float; 'set IOA VALUE scaled' or 'normalized'
bits IOA HEX             bitstring of 32 bits
select ..., cancel ...   before on, off, step or set: only select, or cancel the selection
sbo ...                  select, and operate if that is confirmed
clock                    set the station's clock to this computer's time
test                     test command
reset                    reset the station's process
help, quit
Behind any of on, off, step, set and bits: tagged (with time tag), qu=N (qualifier), ca=N."""

_SELECTING: Final = ("select", "cancel", "sbo")
_GROUPS: Final = ("gi", "counters", "freeze", "freeze-reset", "reset-counters")
_FREEZES: Final = {"counters": 0, "freeze": 1, "freeze-reset": 2, "reset-counters": 3}
_ALONE: Final = ("clock", "test", "reset", "help", "quit")
_SET_POINTS: Final = {
    "float": TypeId.C_SE_NC_1,
    "scaled": TypeId.C_SE_NB_1,
    "normalized": TypeId.C_SE_NA_1,
}
_STEPS: Final = {"up": 2, "higher": 2, "+": 2, "down": 1, "lower": 1, "-": 1}


class NotUnderstoodError(ValueError):
    """A line that asks for nothing; the message says what is accepted."""


@dataclass(frozen=True, slots=True)
class Order:
    """A command or set point, as it was typed."""

    type_id: TypeId
    ioa: int
    value: float
    how: str = ""
    """select, cancel, sbo, or "" for direct."""
    is_tagged: bool = False
    qualifier: int = 0
    ca: int | None = None

    def carry_out(self, client: IEC104Client, timeout: float) -> Confirmation:
        """Give it to the station; IEC104Error, or ValueError if it cannot be sent."""
        kind = self.type_id + 13 if self.is_tagged else int(self.type_id)
        if self.how == "select":
            return client.select(
                kind, self.ioa, self.value, qualifier=self.qualifier, ca=self.ca, timeout=timeout
            )
        if self.how == "cancel":
            return client.cancel(
                kind, self.ioa, self.value, qualifier=self.qualifier, ca=self.ca, timeout=timeout
            )
        return client.command(
            kind, self.ioa, self.value, select=self.how == "sbo",
            qualifier=self.qualifier, ca=self.ca, timeout=timeout,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Typed:
    """One line, understood."""

    word: str
    number: int = 0
    """QOI, group of counters, or address to read."""
    order: Order | None = None
    ca: int | None = None

    def ask(self, client: IEC104Client, timeout: float) -> str:
        """Ask it of the station and say in words what came of it; errors as in ``Order``."""
        ca = self.ca
        if self.order is not None:
            return _outcome(self.order.carry_out(client, timeout))
        match self.word:
            case "gi":
                return _objects(client.interrogate(self.number, ca, timeout=max(60.0, timeout)))
            case word if word in _FREEZES:
                freeze = _FREEZES[word]
                answer = client.counter_interrogate(
                    self.number, freeze, ca, timeout=max(60.0, timeout)
                )
                return _outcome(answer) if freeze else _objects(answer)
            case "read":
                return _answer(client.read(self.number, ca, timeout=timeout))
            case "clock":
                return _outcome(client.synchronize_clock(ca=ca, timeout=timeout))
            case "test":
                return _outcome(client.test(ca=ca, timeout=timeout))
            case _:
                return _outcome(client.reset_process(ca=ca, timeout=timeout))


def understood(line: str) -> Typed:
    """What a line that is not empty asks for; NotUnderstoodError if nothing."""
    words = line.lower().split()
    how = words.pop(0) if words[0] in _SELECTING else ""
    if how and not words:
        raise NotUnderstoodError(f"{how} what? Such as: {how} on 70001 double")
    word = words.pop(0)
    rest = _Rest(word, words)
    if word in _ORDERS:
        order = _ORDERS[word](rest, how)
        rest.nothing_left()
        return Typed(word, order=order)
    if how:
        raise NotUnderstoodError(f"{how} goes before {', '.join(_ORDERS)}")
    ca = rest.ca()
    number = 0
    if word == "read":
        number = rest.whole("IOA", 1, MAX_IOA)
    elif word == "gi":
        number = rest.whole("QOI", 20, 36, default=20)
    elif word in _GROUPS:
        number = rest.whole("group", 1, 5, default=5)
    elif word not in _ALONE:
        known = ", ".join((*_GROUPS, "read", *_ORDERS, *_SELECTING, *_ALONE))
        raise NotUnderstoodError(f"'{word}' is not known; there are {known}")
    rest.nothing_left()
    return Typed(word, number, ca=ca)


@dataclass(slots=True)
class _Rest:
    """The words behind the first, taken one by one."""

    word: str
    words: list[str]

    def whole(self, name: str, least: int, most: int, default: int | None = None) -> int:
        if not self.words:
            if default is None:
                raise NotUnderstoodError(f"{self.word} needs {name} {least}..{most}")
            return default
        text = self.words.pop(0)
        return _whole(f"{self.word} {name}", text, least, most)

    def number(self, name: str) -> float:
        text = self.words.pop(0) if self.words else ""
        try:
            return float(text)
        except ValueError:
            raise NotUnderstoodError(
                f"{self.word} needs a number behind IOA, not '{text}'"
                if text
                else f"{self.word} needs IOA and {name}"
            ) from None

    def one_of(self, choices: Mapping[str, int]) -> int:
        text = self.words.pop(0) if self.words else ""
        if text not in choices:
            raise NotUnderstoodError(f"{self.word} IOA needs one of {', '.join(choices)}")
        return choices[text]

    def has(self, word: str) -> bool:
        if word in self.words:
            self.words.remove(word)
            return True
        return False

    def named(self, name: str, least: int, most: int) -> int | None:
        for word in self.words:
            if word.startswith(name + "="):
                self.words.remove(word)
                return _whole(name, word.partition("=")[2], least, most)
        return None

    def ca(self) -> int | None:
        return self.named("ca", 1, 65535)

    def nothing_left(self) -> None:
        if self.words:
            raise NotUnderstoodError(f"{self.word} does not know '{' '.join(self.words)}'")


def _whole(name: str, text: str, least: int, most: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise NotUnderstoodError(f"{name} '{text}' is no number {least}..{most}")
    return number


def _switch(rest: _Rest, how: str) -> Order:
    is_on = rest.word == "on"
    ioa = rest.whole("IOA", 1, MAX_IOA)
    if rest.has("double"):
        return _order(TypeId.C_DC_NA_1, ioa, 2 if is_on else 1, rest, how)
    rest.has("single")
    return _order(TypeId.C_SC_NA_1, ioa, int(is_on), rest, how)


def _step(rest: _Rest, how: str) -> Order:
    ioa = rest.whole("IOA", 1, MAX_IOA)
    return _order(TypeId.C_RC_NA_1, ioa, rest.one_of(_STEPS), rest, how)


def _set(rest: _Rest, how: str) -> Order:
    ioa = rest.whole("IOA", 1, MAX_IOA)
    value = rest.number("VALUE")
    kind = next((kind for name, kind in _SET_POINTS.items() if rest.has(name)), TypeId.C_SE_NC_1)
    return _order(kind, ioa, value, rest, how)


def _bits(rest: _Rest, how: str) -> Order:
    ioa = rest.whole("IOA", 1, MAX_IOA)
    text = rest.words.pop(0) if rest.words else ""
    try:
        value = int(text, 16)
    except ValueError:
        value = -1
    if not 0 <= value <= 0xFFFFFFFF:
        raise NotUnderstoodError("bits IOA needs up to 8 hex digits")
    if how:
        raise NotUnderstoodError("a bitstring command cannot be selected")
    return _order(TypeId.C_BO_NA_1, ioa, value, rest, how)


def _order(kind: TypeId, ioa: int, value: float, rest: _Rest, how: str) -> Order:
    qualifier = rest.named("qu", 0, 127) or 0
    return Order(kind, ioa, value, how, rest.has("tagged"), qualifier, rest.ca())


_ORDERS: Final[Mapping[str, Callable[[_Rest, str], Order]]] = {
    "on": _switch,
    "off": _switch,
    "step": _step,
    "set": _set,
    "bits": _bits,
}


def lines_of(frame: bytes) -> list[str]:
    """The objects of an I-format APDU, one line each with all that its header says."""
    octets = frame[APCI_OCTETS:]
    try:
        unit = decode_asdu(octets)
    except DecodeError:
        return [describe_asdu_octets(octets)]
    if unit.opaque is not None or not unit.objects:
        return [describe_asdu(unit)]
    return [describe_asdu(replace(unit, objects=(obj,))) for obj in unit.objects]


def _outcome(answer: Confirmation) -> str:
    said = "confirmed" if answer.obj is not None else "answered"
    return f"{said}, and ended" if answer.terminated else said


def _objects(answer: Interrogated) -> str:
    return f"{len(answer.updates)} objects" + ("" if answer.terminated else ", no termination")


def _answer(update: Update) -> str:
    unit = DataUnit(update.type_id, update.cause, update.ca, (update.obj,), oa=update.oa)
    return describe_asdu(unit)
