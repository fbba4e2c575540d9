"""The process image of one station: what each point is now, and the ASDUs that say so."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Final, TypeAlias

from core.protocol import objects as o
from core.protocol.asdu import Asdu
from core.protocol.codec import MAX_COUNT, DataUnit, encode_asdu, most_objects
from core.protocol.codes import CauseNumber, CommonAddress, TypeId
from core.protocol.elements import GOOD, CounterQuality, Quality
from core.protocol.objects import InformationObject, Tag
from core.protocol.times import Cp24Time2a, Cp56Time2a
from core.simulator.kinds import MONITORED, PROTECTION
from core.simulator.points import Point

Value: TypeAlias = float
"""Whole numbers for all kinds but fractions and floats; 0 and 1 for off and on."""

_RANGES: Final[dict[type[InformationObject], tuple[float, float]]] = {
    o.SinglePoint: (0, 1),
    o.DoublePoint: (0, 3),
    o.StepPosition: (-64, 63),
    o.Bitstring32: (0, 0xFFFF_FFFF),
    o.NormalizedValue: (-1.0, 1 - 2**-15),
    o.NormalizedOnly: (-1.0, 1 - 2**-15),
    o.ScaledValue: (-32768, 32767),
    o.ShortFloat: (-3.4e38, 3.4e38),
    o.IntegratedTotal: (-(2**31), 2**31 - 1),
    o.ProtectionEvent: (0, 3),
    o.ProtectionStart: (0, 1),
    o.ProtectionOutput: (0, 1),
    o.PackedPoints: (0, 0xFFFF),
}
_WITH_FRACTION: Final = (o.NormalizedValue, o.NormalizedOnly, o.ShortFloat)
_BITS: Final = 0xF0
_BITS_AND_OV: Final = 0xF1
_QUALITY_BITS: Final[dict[type[InformationObject], int]] = {
    o.SinglePoint: _BITS,
    o.DoublePoint: _BITS,
    **dict.fromkeys(PROTECTION, 0xF8),
}
"""Which flags of a quality a kind carries, if not those of QDS."""
_WRAPPING: Final = (o.Bitstring32, o.PackedPoints)
_CARRYING: Final = 2**31
_ELAPSED_MS: Final = 120
"""What protection equipment of ours takes to start or to act."""


def fitted(kind: type[InformationObject], raw: float) -> tuple[Value, bool]:
    """The value of that kind nearest to a raw one, and whether the raw one was out of range."""
    least, most = _RANGES[kind]
    if math.isnan(raw):
        return (raw, False) if kind is o.ShortFloat else (0, True)
    if kind in _WRAPPING:
        return int(raw) % (int(most) + 1) if math.isfinite(raw) else 0, False
    if not least <= raw <= most:
        near = most if raw > most else least
        return (raw if kind is o.ShortFloat and math.isinf(raw) else near), True
    return (raw if kind in _WITH_FRACTION else round(raw)), False


class Counter:
    """What an integrated total has besides its course: freezing, and what its quality says."""

    __slots__ = ("_offset", "adjusted", "carry", "frozen", "sequence")

    def __init__(self) -> None:
        self._offset = 0.0
        self.adjusted = False
        self.carry = False
        self.frozen: tuple[int, CounterQuality] | None = None
        """The reading and its quality when it was frozen last."""
        self.sequence = 0

    def running(self, raw: float) -> int:
        """The reading now, 0..2147483647; past its end it begins anew and keeps the carry."""
        count = int(raw - self._offset)
        if count >= _CARRYING:
            self.carry = True
            self._offset += count - count % _CARRYING
            count %= _CARRYING
        return max(count, -_CARRYING)

    def set(self, raw: float, reading: int) -> None:
        """Let it read something else from now on."""
        self._offset = raw - reading
        self.adjusted = True

    def freeze(self, raw: float) -> None:
        """Keep this reading for who asks; a new period begins."""
        reading = self.running(raw)
        self.frozen = reading, self._flags()
        self.sequence = (self.sequence + 1) % 32
        self.carry = self.adjusted = False

    def reading(self, raw: float) -> tuple[int, CounterQuality]:
        """What a request is answered with: the frozen reading, else the running one."""
        if self.frozen is not None:
            return self.frozen
        return self.running(raw), self._flags()

    def _flags(self) -> CounterQuality:
        flags = CounterQuality.CARRY if self.carry else CounterQuality(0)
        return flags | CounterQuality.ADJUSTED if self.adjusted else flags


class PointState:
    """A monitored point in a running station."""

    __slots__ = (
        "_values", "counter", "dead_band", "is_cyclic", "is_held", "monitored", "parameters",
        "point", "quality", "sent", "sent_quality", "transient", "value",
    )  # fmt: skip

    def __init__(self, point: Point, chance: Random) -> None:
        self.point = point
        self.monitored = MONITORED[point.type_id]
        self._values = point.course.start(chance)
        self.value: Value = 1 if self.monitored.kind is o.DoublePoint else 0
        self.quality = GOOD
        self.transient = False
        self.is_held = False
        """A value that was set or commanded stays; the course no longer moves it."""
        self.is_cyclic = True
        self.dead_band = point.dead_band
        self.parameters: dict[int, float] = {}
        self.sent: Value | None = None
        self.sent_quality = GOOD
        self.counter = Counter() if self.monitored.kind is o.IntegratedTotal else None
        if self.counter is None:
            self.sample(0.0)
        self.sent, self.sent_quality = self.value, self.quality

    def raw(self, t: float) -> float:
        """What the course says at a time."""
        return self._values(t)

    def sample(self, t: float) -> None:
        """Take the value of the time ``t``, seconds since the start."""
        if self.is_held:
            return
        raw = self._values(t)
        if self.monitored.kind in (o.DoublePoint, o.ProtectionEvent) and (
            self.point.course.name == "toggle"
        ):
            raw += 1  # 1 off, 2 on
        self._put(raw)

    def hold(self, value: Value, quality: Quality | None, t: float) -> None:
        """Set value and quality (None: as they are) by hand."""
        if quality is not None:
            self.set_quality(quality)
        if self.counter is not None:
            self.counter.set(self.raw(t), round(value))
            return
        self.is_held = True
        self._put(value)

    def set_quality(self, quality: Quality) -> None:
        """Set the quality by hand; flags the type does not carry are left out."""
        self.quality = Quality(int(quality) & _QUALITY_BITS.get(self.monitored.kind, _BITS_AND_OV))

    def release(self) -> None:
        """Let the course move it again."""
        self.is_held = False
        self.quality = GOOD

    @property
    def has_changed(self) -> bool:
        """Whether value or quality differ enough from what was sent last."""
        if self.quality != self.sent_quality or self.sent is None:
            return True
        if self.value == self.sent or (self.value != self.value and self.sent != self.sent):
            return False
        if not self.monitored.is_measured:
            return True
        return not abs(self.value - self.sent) <= (self.dead_band or 0.0)

    def was_sent(self) -> None:
        """Remember what the masters have."""
        self.sent, self.sent_quality = self.value, self.quality

    def _put(self, raw: float) -> None:
        self.value, is_over = fitted(self.monitored.kind, raw)
        flags = self.quality & ~Quality.OVERFLOW
        if is_over and self.monitored.is_measured:
            flags |= Quality.OVERFLOW
        self.quality = flags

    def object(self, tag: Tag | None, t: float) -> InformationObject:
        """The information object of this point; ``tag`` as its type wants it."""
        kind, ioa, quality = self.monitored.kind, self.point.ioa, self.quality
        value = self.value
        if kind is o.ShortFloat:  # by far the commonest
            return o.ShortFloat(ioa, value, quality, tag)
        if self.counter is not None:
            reading, flags = self.counter.reading(self.raw(t))
            if quality & Quality.INVALID:
                flags |= CounterQuality.INVALID
            return o.IntegratedTotal(ioa, reading, self.counter.sequence, flags, tag)
        return _BUILDERS[kind](self, int(value), tag)


def _single(p: PointState, value: int, tag: Tag | None) -> InformationObject:
    return o.SinglePoint(p.point.ioa, bool(value), p.quality, tag)


def _double(p: PointState, value: int, tag: Tag | None) -> InformationObject:
    return o.DoublePoint(p.point.ioa, value, p.quality, tag)


def _step(p: PointState, value: int, tag: Tag | None) -> InformationObject:
    return o.StepPosition(p.point.ioa, value, p.transient, p.quality, tag)


def _bits(p: PointState, value: int, tag: Tag | None) -> InformationObject:
    return o.Bitstring32(p.point.ioa, value, p.quality, tag)


def _normalized(p: PointState, _: int, tag: Tag | None) -> InformationObject:
    return o.NormalizedValue(p.point.ioa, p.value, p.quality, tag)


def _normalized_only(p: PointState, _: int, __: Tag | None) -> InformationObject:
    return o.NormalizedOnly(p.point.ioa, p.value)


def _scaled(p: PointState, value: int, tag: Tag | None) -> InformationObject:
    return o.ScaledValue(p.point.ioa, value, p.quality, tag)


def _packed(p: PointState, value: int, _: Tag | None) -> InformationObject:
    changed = value ^ int(p.sent or 0)
    return o.PackedPoints(p.point.ioa, value, changed, p.quality)


def _protection(p: PointState, value: int, tag: Tag | None) -> InformationObject:
    assert tag is not None  # all types of protection equipment have one
    ioa, is_on, quality = p.point.ioa, bool(value), p.quality
    if p.monitored.kind is o.ProtectionEvent:
        return o.ProtectionEvent(ioa, value, quality, _ELAPSED_MS, tag)
    if p.monitored.kind is o.ProtectionStart:
        return o.ProtectionStart(
            ioa, is_on, is_on, False, False, is_on, False, quality, _ELAPSED_MS, tag
        )
    return o.ProtectionOutput(ioa, is_on, is_on, False, False, quality, _ELAPSED_MS, tag)


_BUILDERS: Final[
    dict[type[InformationObject], Callable[[PointState, int, Tag | None], InformationObject]]
] = {
    o.SinglePoint: _single,
    o.DoublePoint: _double,
    o.StepPosition: _step,
    o.Bitstring32: _bits,
    o.NormalizedValue: _normalized,
    o.NormalizedOnly: _normalized_only,
    o.ScaledValue: _scaled,
    o.PackedPoints: _packed,
    **dict.fromkeys(PROTECTION, _protection),
}


class Tags:
    """The time tags of one moment: one of each sort, made when first asked for."""

    __slots__ = ("_long", "_short", "cp56")

    def __init__(self, cp56: Callable[[], Cp56Time2a]) -> None:
        self.cp56 = cp56
        self._long: Cp56Time2a | None = None
        self._short: Cp24Time2a | None = None

    def of(self, kind: type[Cp24Time2a] | type[Cp56Time2a] | None) -> Tag | None:
        """The tag of that sort; None for None."""
        if kind is None:
            return None
        if self._long is None:
            self._long = self.cp56()
        if kind is Cp56Time2a:
            return self._long
        if self._short is None:
            self._short = Cp24Time2a(self._long.bits & 0xFF_FFFF)
        return self._short


# --- objects into ASDUs -------------------------------------------------------------------------

Typed: TypeAlias = tuple[TypeId, InformationObject]


def typed(state: PointState, tags: Tags, t: float, *, plain: bool) -> Typed:
    """A point with the type it is sent with: its own, or the one without time tag."""
    monitored = state.monitored
    if plain and monitored.plain is not monitored.type_id:
        return monitored.plain, state.object(None, t)
    return monitored.type_id, state.object(tags.of(monitored.tag), t)


def packed(
    objects: Iterable[Typed],
    cause: CauseNumber,
    ca: CommonAddress,
    *,
    oa: int = 0,
    test: bool = False,
    most: int = MAX_COUNT,
    sq: bool = False,
) -> list[Asdu]:
    """The objects in as few ASDUs as it takes, at most ``most`` in each; one type after another.

    With ``sq`` neighbours that follow one another by address share one address (SQ = 1).
    """
    by_type: dict[TypeId, list[InformationObject]] = {}
    for type_id, obj in objects:
        by_type.setdefault(type_id, []).append(obj)
    return [
        Asdu(encode_asdu(DataUnit(type_id, cause, ca, part, is_sequence, False, test, oa)))
        for type_id, found in by_type.items()
        for part, is_sequence in _parts(type_id, found, most, sq)
    ]


def _parts(
    type_id: TypeId, objects: Sequence[InformationObject], most: int, sq: bool
) -> Iterator[tuple[tuple[InformationObject, ...], bool]]:
    single = max(1, min(most, most_objects(type_id)))
    if not sq or not MONITORED[type_id].permits_sq or most < 2:
        for at in range(0, len(objects), single):
            yield tuple(objects[at : at + single]), False
        return
    joined = min(most, most_objects(type_id, sq=True))
    alone: list[InformationObject] = []
    for run in _runs(objects):
        if len(run) == 1:
            alone += run
            continue
        if alone:  # what comes first in the image goes out first
            yield from _parts(type_id, alone, most, sq=False)
            alone = []
        for at in range(0, len(run), joined):
            part = tuple(run[at : at + joined])
            yield part, len(part) > 1
    if alone:
        yield from _parts(type_id, alone, most, sq=False)


def _runs(objects: Sequence[InformationObject]) -> Iterator[list[InformationObject]]:
    run: list[InformationObject] = []
    for obj in objects:
        if run and obj.ioa != run[-1].ioa + 1:
            yield run
            run = []
        run.append(obj)
    if run:
        yield run
