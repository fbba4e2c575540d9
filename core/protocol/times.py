"""Time tags of the standard as values that keep what the wire said, real instant or not.

60870-5-4 clause 6.8, 60870-5-101 clauses 7.2.6.18 to .20. A CP16Time2a is a plain number of
milliseconds and needs no class. Nothing here reads a clock.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Self

_CP24_USED: Final = 0xFF_FFFF
_CP56_USED: Final = 0x7F_0F_FF_9F_FF_FFFF
"""All bits but the reserved ones, which are ignored on receipt and sent as 0."""
_CP56_RESERVED: Final = ~_CP56_USED

_HOUR: Final = timedelta(hours=1)
_HALF: Final = timedelta(minutes=30)


class _Tag:
    """What CP24Time2a and CP56Time2a have in common: their first three octets."""

    __slots__ = ()
    bits: int

    @property
    def ms(self) -> int:
        """Milliseconds of the minute, seconds included: 0..59999, on the wire up to 65535."""
        return self.bits & 0xFFFF

    @property
    def minute(self) -> int:
        """0..59, on the wire up to 63."""
        return self.bits >> 16 & 0x3F

    @property
    def substituted(self) -> bool:
        """GEN or RES1: not the source's own time, somebody on the way added it."""
        return bool(self.bits & 0x40_0000)

    @property
    def invalid(self) -> bool:
        """IV: the clock behind this tag is not to be trusted."""
        return bool(self.bits & 0x80_0000)


@dataclass(frozen=True, slots=True, repr=False)
class Cp24Time2a(_Tag):
    """Minute and milliseconds, three octets; the hour is the receiver's to know.

    ``bits`` are the octets as a little-endian number; :meth:`of` builds one from its fields.
    """

    bits: int

    def __post_init__(self) -> None:
        if self.bits & ~_CP24_USED:
            raise ValueError(f"{self.bits:#x} has more than 24 bits; build the tag with of(...)")

    def __repr__(self) -> str:
        shown = f"minute={self.minute}, ms={self.ms}"
        return f"Cp24Time2a.of({shown}{_flags(self, 'invalid', 'substituted')})"

    @classmethod
    def of(
        cls, *, ms: int, minute: int, invalid: bool = False, substituted: bool = False
    ) -> Self:  # fmt: skip
        """A tag from its fields, which may name no real time; ValueError if one does not fit."""
        _check_widths(ms=(ms, 16), minute=(minute, 6))
        return cls(ms | minute << 16 | bool(substituted) << 22 | bool(invalid) << 23)

    @classmethod
    def from_octets(cls, octets: bytes) -> Self:
        """A tag from its three octets."""
        return cls(int.from_bytes(octets, "little"))

    @classmethod
    def from_datetime(
        cls, moment: datetime, *, invalid: bool = False, substituted: bool = False
    ) -> Self:
        """The tag of a moment, cut to whole milliseconds."""
        return cls.of(
            ms=_ms_of(moment), minute=moment.minute, invalid=invalid, substituted=substituted
        )

    @property
    def is_real(self) -> bool:
        """Whether the fields name a time there is; IV is not looked at."""
        return self.minute <= 59 and self.ms <= 59999

    def to_datetime(self, near: datetime) -> datetime | None:
        """The moment this tag means, with the hour that brings it nearest to ``near``.

        ``near`` is when the tag arrived; the answer is as aware or naive as it is. None if the tag
        names no real time (minute 63, 65535 ms). IV is not looked at.
        """
        if not self.is_real:
            return None
        past_hour = timedelta(minutes=self.minute, milliseconds=self.ms)
        begun = near.replace(minute=0, second=0, microsecond=0, tzinfo=None)
        away = past_hour - (near.replace(tzinfo=None) - begun)
        # The nearest of the hour before, this one and the one after: half an hour at the most.
        away = (away + _HALF) % _HOUR - _HALF
        if near.tzinfo is None:
            return near + away
        return (near.astimezone(UTC) + away).astimezone(near.tzinfo)


@dataclass(frozen=True, slots=True, repr=False)
class Cp56Time2a(_Tag):
    """Date and time to the millisecond, seven octets.

    ``bits`` are the octets as a little-endian number with reserved bits 0; :meth:`of` builds a tag
    from its fields, :meth:`from_datetime` from a moment. All fields are kept as they were on the
    wire, also those that name no real instant (month 0, hour 24, year 127).
    """

    bits: int

    def __post_init__(self) -> None:
        if self.bits & _CP56_RESERVED:
            raise ValueError(f"{self.bits:#x} sets reserved bits; build the tag with of(...)")

    def __repr__(self) -> str:
        shown = (
            f"year={self.year}, month={self.month}, day={self.day}, hour={self.hour},"
            f" minute={self.minute}, ms={self.ms}"
        )
        weekday = f", weekday={self.weekday}" if self.weekday else ""
        flags = _flags(self, "summer_time", "invalid", "substituted")
        return f"Cp56Time2a.of({shown}{weekday}{flags})"

    @classmethod
    def of(
        cls, *, ms: int, minute: int, hour: int, day: int, month: int, year: int,
        weekday: int = 0, summer_time: bool = False, invalid: bool = False,
        substituted: bool = False,
    ) -> Self:  # fmt: skip
        """A tag from its fields, which may name no real instant; ValueError if one does not fit."""
        _check_widths(
            ms=(ms, 16), minute=(minute, 6), hour=(hour, 5), day=(day, 5), weekday=(weekday, 3),
            month=(month, 4), year=(year, 7),
        )  # fmt: skip
        return cls(
            ms | minute << 16 | bool(substituted) << 22 | bool(invalid) << 23 | hour << 24
            | bool(summer_time) << 31 | day << 32 | weekday << 37 | month << 40 | year << 48
        )  # fmt: skip

    @classmethod
    def from_octets(cls, octets: bytes) -> Self:
        """A tag from its seven octets; reserved bits are dropped."""
        return cls(int.from_bytes(octets, "little") & _CP56_USED)

    @classmethod
    def from_datetime(
        cls, moment: datetime, *, summer_time: bool | None = None, with_weekday: bool = True,
        invalid: bool = False, substituted: bool = False,
    ) -> Self:  # fmt: skip
        """The tag of a moment, cut to whole milliseconds, in the zone the moment is given in.

        ``summer_time`` is taken from the zone unless given; a moment without a zone has none. Use
        a moment in UTC for the convention "UTC, SU always 0".
        """
        if summer_time is None:
            summer_time = bool(moment.dst())
        return cls.of(
            ms=_ms_of(moment), minute=moment.minute, hour=moment.hour, day=moment.day,
            month=moment.month, year=moment.year % 100, summer_time=summer_time,
            weekday=moment.isoweekday() if with_weekday else 0,
            invalid=invalid, substituted=substituted,
        )  # fmt: skip

    @property
    def hour(self) -> int:
        """0..23, on the wire up to 31."""
        return self.bits >> 24 & 0x1F

    @property
    def summer_time(self) -> bool:
        """SU: the hour is counted in summer time; it tells the doubled hour in autumn apart."""
        return bool(self.bits & 0x8000_0000)

    @property
    def day(self) -> int:
        """Day of month 1..31, on the wire also 0."""
        return self.bits >> 32 & 0x1F

    @property
    def weekday(self) -> int:
        """1 Monday .. 7 Sunday, 0 not used. Never held against the date."""
        return self.bits >> 37 & 7

    @property
    def month(self) -> int:
        """1..12, on the wire 0..15."""
        return self.bits >> 40 & 0xF

    @property
    def year(self) -> int:
        """0..99 of the century, on the wire up to 127."""
        return self.bits >> 48

    @property
    def is_real(self) -> bool:
        """Whether the fields name an instant there is (in 2000..2099); IV is not looked at."""
        return self.to_datetime() is not None

    def to_datetime(self, zone: tzinfo | None = None, *, first_year: int = 2000) -> datetime | None:
        """The instant this tag names; None if it names none (30 February, hour 24, year 127).

        ``zone`` is the zone the tag was made in: the standard carries none. Without it the answer
        is naive. SU chooses where the zone counts an hour twice. The years run from ``first_year``
        on for a century. IV and the weekday are not looked at.
        """
        year = first_year + (self.year - first_year) % 100
        if self.year > 99 or self.ms > 59999:
            return None
        try:
            moment = datetime(
                year, self.month, self.day, self.hour, self.minute,
                self.ms // 1000, self.ms % 1000 * 1000, zone,
            )  # fmt: skip
        except ValueError:
            return None
        # An hour that the zone counts twice or not at all: summer time is further ahead of UTC.
        other = moment.replace(fold=1)
        offset, other_offset = moment.utcoffset(), other.utcoffset()
        if offset is None or other_offset is None or offset == other_offset:
            return moment
        return moment if self.summer_time == (offset > other_offset) else other


def _ms_of(moment: datetime) -> int:
    return moment.second * 1000 + moment.microsecond // 1000


def _flags(tag: _Tag, *names: str) -> str:
    return "".join(f", {name}=True" for name in names if getattr(tag, name))


def _check_widths(**fields: tuple[int, int]) -> None:
    for name, (value, width) in fields.items():
        if not isinstance(value, int) or not 0 <= value < 1 << width:
            raise ValueError(f"{name} {value!r} is not a number 0..{(1 << width) - 1}")
