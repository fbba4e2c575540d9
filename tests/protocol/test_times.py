"""Time tags: what stands on the wire, and the instants they name."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.protocol.times import Cp24Time2a, Cp56Time2a

try:
    BERLIN = ZoneInfo("Europe/Berlin")
except ZoneInfoNotFoundError:  # Windows brings no zones
    BERLIN = None
needs_zones = pytest.mark.skipif(BERLIN is None, reason="no time zone data on this machine")
INDIA = timezone(timedelta(hours=5, minutes=30))
EXAMPLE = bytes.fromhex("1f 90 0a 15 ab 0c 1a")
"""Reference section 9: 2026-12-11 21:10:36.895, Friday, not summer time."""
NAIVE = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31, 23, 59, 59, 999000))  # noqa: DTZ001


def cut(moment):
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def tag(**fields):
    usual = {"year": 26, "month": 1, "day": 1, "hour": 0, "minute": 0, "ms": 0}
    return Cp56Time2a.of(**usual | fields)


def test_the_example_of_the_reference():
    read = Cp56Time2a.from_octets(EXAMPLE)
    assert read == Cp56Time2a.of(
        year=26, month=12, day=11, hour=21, minute=10, ms=36895, weekday=5
    )  # fmt: skip
    assert (read.year, read.month, read.day, read.weekday) == (26, 12, 11, 5)
    assert (read.hour, read.minute, read.ms) == (21, 10, 36895)
    assert (read.summer_time, read.invalid, read.substituted) == (False, False, False)
    assert read.to_datetime(UTC) == datetime(2026, 12, 11, 21, 10, 36, 895000, UTC)


@pytest.mark.parametrize(
    ("bit", "name"), [(22, "substituted"), (23, "invalid"), (31, "summer_time")]
)
def test_each_flag_is_one_bit(bit, name):
    read = Cp56Time2a.from_octets((1 << bit).to_bytes(7, "little"))
    flags = {flag for flag in ("summer_time", "invalid", "substituted") if getattr(read, flag)}
    assert flags == {name}
    assert Cp56Time2a.of(
        ms=0, minute=0, hour=0, day=0, month=0, year=0, **{name: True}
    ) == read  # fmt: skip


def test_reserved_bits_are_dropped():
    read = Cp56Time2a.from_octets(bytes.fromhex("1f 90 0a 75 ab fc 9a"))
    assert read == Cp56Time2a.from_octets(EXAMPLE)


@given(NAIVE)
def test_a_moment_without_zone_comes_back_to_the_millisecond(moment):
    made = Cp56Time2a.from_datetime(moment)
    assert made.to_datetime() == cut(moment)
    assert made.weekday == moment.isoweekday()
    assert not made.summer_time


@given(NAIVE, st.sampled_from([UTC, BERLIN or UTC, INDIA]))
def test_a_moment_in_a_zone_comes_back_as_the_same_instant(moment, zone):
    instant = moment.replace(tzinfo=UTC).astimezone(zone)
    made = Cp56Time2a.from_datetime(instant)
    back = made.to_datetime(zone, first_year=2000 if instant.year < 2100 else 2001)
    assert back is not None
    assert back.astimezone(UTC) == cut(instant).astimezone(UTC)
    assert made.summer_time == bool(instant.dst())


@needs_zones
def test_summer_time_tells_the_doubled_hour_apart():
    before = tag(month=10, day=25, hour=2, minute=30, summer_time=True)
    after = tag(month=10, day=25, hour=2, minute=30)
    first, second = before.to_datetime(BERLIN), after.to_datetime(BERLIN)
    assert first is not None
    assert second is not None
    assert first.astimezone(UTC) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert second.astimezone(UTC) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert Cp56Time2a.from_datetime(first, with_weekday=False) == before
    assert Cp56Time2a.from_datetime(second, with_weekday=False) == after


@needs_zones
def test_an_hour_that_the_zone_leaves_out_is_read_by_summer_time_as_well():
    tags = [tag(month=3, day=29, hour=2, summer_time=su).to_datetime(BERLIN) for su in (0, 1)]
    assert [moment.astimezone(UTC).hour for moment in tags] == [1, 0]


@needs_zones
def test_a_station_that_never_sets_summer_time_is_read_by_the_zone():
    assert tag(month=7, hour=12).to_datetime(BERLIN) == datetime(2026, 7, 1, 10, tzinfo=UTC)


@needs_zones
def test_a_sender_may_choose_what_it_says():
    moment = datetime(2026, 7, 1, 12, tzinfo=BERLIN)
    made = Cp56Time2a.from_datetime(
        moment, summer_time=False, with_weekday=False, invalid=True, substituted=True
    )
    assert made == tag(month=7, hour=12, invalid=True, substituted=True)


@pytest.mark.parametrize(("year", "is_leap"), [(0, True), (24, True), (25, False), (96, True)])
def test_the_29th_of_february_is_held_against_the_year(year, is_leap):
    read = tag(year=year, month=2, day=29)
    assert read.is_real is is_leap
    assert (read.to_datetime() is not None) is is_leap


def test_1900_had_no_29th_of_february():
    assert tag(year=0, month=2, day=29).to_datetime(first_year=1900) is None


@pytest.mark.parametrize(
    ("first_year", "year", "expected"),
    [(2000, 0, 2000), (2000, 99, 2099), (1970, 70, 1970), (1970, 69, 2069), (2050, 49, 2149)],
)
def test_years_are_read_in_the_century_that_begins_with_the_first_year(first_year, year, expected):
    read = tag(year=year).to_datetime(first_year=first_year)
    assert read is not None
    assert read.year == expected


OUT_OF_RANGE = [
    {"month": 0}, {"month": 13}, {"day": 0}, {"month": 4, "day": 31}, {"hour": 24},
    {"minute": 60}, {"minute": 63}, {"ms": 60000}, {"ms": 65535}, {"year": 100}, {"year": 127},
]  # fmt: skip


@pytest.mark.parametrize("fields", OUT_OF_RANGE, ids=str)
def test_what_names_no_instant_is_kept_but_is_no_time(fields):
    made = tag(**fields)
    assert {name: getattr(made, name) for name in fields} == fields
    assert made.to_datetime() is None
    assert made.to_datetime(UTC) is None
    assert not made.is_real


@given(st.binary(min_size=7, max_size=7))
def test_any_seven_octets_are_a_tag(octets):
    read = Cp56Time2a.from_octets(octets)
    assert Cp56Time2a.from_octets(read.bits.to_bytes(7, "little")) == read
    assert read.is_real == (read.to_datetime() is not None)
    assert eval(repr(read)) == read


@given(st.binary(min_size=3, max_size=3))
def test_any_three_octets_are_a_tag(octets):
    read = Cp24Time2a.from_octets(octets)
    assert read.bits.to_bytes(3, "little") == octets
    assert eval(repr(read)) == read


NEAREST = [
    # arrived, minute and seconds of the tag, meant
    ((12, 10, 0), (10, 0), (12, 10, 0)),
    ((12, 10, 0), (9, 59), (12, 9, 59)),
    ((12, 10, 0), (55, 0), (11, 55, 0)),
    ((12, 50, 0), (5, 0), (13, 5, 0)),
    ((12, 0, 0), (30, 0), (11, 30, 0)),
    ((0, 1, 0), (59, 0), (-1, 59, 0)),
]


@pytest.mark.parametrize(("arrived", "minute_and_second", "meant"), NEAREST)
@pytest.mark.parametrize("zone", [None, UTC, timezone(timedelta(hours=5, minutes=45))])
def test_the_missing_hour_is_the_nearest(arrived, minute_and_second, meant, zone):
    day = datetime(2026, 11, 21, tzinfo=zone)
    hour, minute, second = arrived
    minutes, seconds = minute_and_second
    made = Cp24Time2a.of(minute=minutes, ms=seconds * 1000)
    expected = day + timedelta(hours=meant[0], minutes=meant[1], seconds=meant[2])
    assert made.to_datetime(day.replace(hour=hour, minute=minute, second=second)) == expected


@needs_zones
def test_the_nearest_hour_may_be_on_the_other_side_of_a_change_of_zone():
    arrived = datetime(2026, 3, 29, 3, 5, tzinfo=BERLIN)  # five minutes after 02:00 became 03:00
    meant = Cp24Time2a.of(minute=55, ms=0).to_datetime(arrived)
    assert meant == datetime(2026, 3, 29, 1, 55, tzinfo=BERLIN)


@given(NAIVE, st.integers(-1_799_999, 1_799_999))
def test_a_short_tag_is_read_back_within_half_an_hour(moment, late_ms):
    made = Cp24Time2a.from_datetime(moment, invalid=True, substituted=True)
    assert made.invalid
    assert made.substituted
    assert made.to_datetime(cut(moment) + timedelta(milliseconds=late_ms)) == cut(moment)


@pytest.mark.parametrize(("minute", "ms"), [(60, 0), (0, 60000)])
def test_a_short_tag_may_name_no_time(minute, ms):
    made = Cp24Time2a.of(minute=minute, ms=ms)
    assert not made.is_real
    assert made.to_datetime(datetime(2026, 1, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: tag(ms=65536), r"ms 65536 is not a number 0..65535"),
        (lambda: tag(month=-1), r"month -1 is not a number 0..15"),
        (lambda: tag(day="1"), r"day '1' is not a number 0..31"),
        (lambda: Cp24Time2a.of(ms=0, minute=64), r"minute 64 is not a number 0..63"),
        (lambda: Cp24Time2a(1 << 24), "more than 24 bits"),
        (lambda: Cp24Time2a(-1), "more than 24 bits"),
        (lambda: Cp56Time2a(1 << 29), "reserved bits"),
        (lambda: Cp56Time2a(-1), "reserved bits"),
    ],
)
def test_what_does_not_fit_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_tags_print_what_they_are():
    assert repr(tag(weekday=4, summer_time=True, invalid=True)) == (
        "Cp56Time2a.of(year=26, month=1, day=1, hour=0, minute=0, ms=0, weekday=4,"
        " summer_time=True, invalid=True)"
    )
    assert repr(Cp24Time2a.of(minute=3, ms=4, substituted=True)) == (
        "Cp24Time2a.of(minute=3, ms=4, substituted=True)"
    )
