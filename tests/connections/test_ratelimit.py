"""How often one address may connect: a rate, a burst, and a memory that does not grow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.connections.ratelimit import MOST_ADDRESSES, RateLimit

ONE, OTHER = "192.0.2.1", "2001:db8::1"


def admitted(limit, address, times):
    return sum(limit.admits(address, now) for now in times)


@pytest.mark.parametrize("per_minute", [1, 2, 7, 60, 300, 76_500])
def test_so_many_come_in_at_once_and_so_many_a_minute_after_that(per_minute):
    limit = RateLimit(per_minute)
    assert admitted(limit, ONE, [5.0] * (per_minute + 50)) == per_minute
    minutes = 3
    tries = [5.0 + minutes * 60 * n / 20_000 for n in range(20_001)]
    expected = min(minutes * per_minute, 20_000)
    assert abs(admitted(limit, ONE, tries) - expected) <= 1 + expected // 50


def test_after_a_minute_of_rest_as_many_come_in_at_once_as_at_first():
    limit = RateLimit(10)
    assert admitted(limit, ONE, [0.0] * 20) == 10
    assert admitted(limit, ONE, [60.0] * 20) == 10
    assert admitted(limit, ONE, [1e6] * 20) == 10


def test_a_reconnect_loop_of_a_second_is_never_hit_by_the_default():
    limit = RateLimit(300)
    assert admitted(limit, ONE, range(10_000)) == 10_000


def test_one_address_does_not_use_up_what_is_for_another():
    limit = RateLimit(5)
    assert admitted(limit, ONE, [0.0] * 9) == 5
    assert admitted(limit, OTHER, [0.0] * 9) == 5


def test_who_is_refused_does_not_have_to_wait_the_longer_for_it():
    limit = RateLimit(6)
    assert admitted(limit, ONE, [n / 100 for n in range(1000)]) == 6
    assert limit.admits(ONE, 10.0)


def test_zero_is_no_limit_and_remembers_nobody():
    limit = RateLimit(0)
    assert admitted(limit, ONE, [0.0] * 1000) == 1000
    assert len(limit) == 0


def test_a_scan_from_everywhere_is_remembered_in_part_only():
    limit = RateLimit(60)
    for n in range(20 * MOST_ADDRESSES):
        assert limit.admits(f"2001:db8::{n:x}", 0.0)
    assert len(limit) == MOST_ADDRESSES


def test_who_keeps_trying_is_not_forgotten_for_those_who_came_once():
    limit = RateLimit(1)
    assert limit.admits(ONE, 0.0)
    for n in range(5 * MOST_ADDRESSES):
        limit.admits(f"2001:db8::{n:x}", 0.0)
        assert not limit.admits(ONE, 0.0)


def test_addresses_that_owe_nothing_are_forgotten():
    limit = RateLimit(60)
    for n in range(100):
        limit.admits(f"192.0.2.{n}", 0.0)
    limit.admits(ONE, 100.0)
    assert len(limit) == 1


COMES = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.0, 20.0)), max_size=120)


@given(st.integers(1, 30), COMES)
def test_never_more_than_twice_the_rate_in_any_minute(per_minute, comes):
    """A burst after a rest, and what is earned in the minute that begins with it."""
    limit = RateLimit(per_minute)
    now, let_in = 0.0, []
    for address, pause in comes:
        now += pause
        if limit.admits(address, now):
            let_in.append((address, now))
    for address, begin in let_in:
        minute = [at for who, at in let_in if who == address and begin <= at < begin + 60]
        assert len(minute) <= 2 * per_minute
