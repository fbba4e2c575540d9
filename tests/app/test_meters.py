"""Rates from counters."""

from app.meters import SECONDS_KEPT, SECONDS_OF_ALL, Meters
from app.rows import QUIET, Rates


def test_rates_are_averaged_over_a_few_seconds() -> None:
    meters = Meters()
    assert meters.take([("a", 0, 100)]) == set()
    assert meters.take([("a", 10, 100)]) == {"a"}
    assert meters.rates["a"] == Rates(10.0, 0.0)
    for n in range(2, 8):
        meters.take([("a", 10 * n, 100)])
    assert meters.rates["a"] == Rates(10.0, 0.0)
    assert meters.take([("a", 80, 100)]) == set()  # the same rate changes nothing
    for _ in range(5):
        meters.take([("a", 80, 100)])
    assert meters.rates["a"] == QUIET


def test_a_restarted_entry_counts_anew() -> None:
    meters = Meters()
    for n in (0, 50, 100):
        meters.take([("a", n, n)])
    meters.take([("a", 3, 0)])
    assert meters.rates["a"] == QUIET
    meters.take([("a", 5, 0)])
    assert meters.rates["a"] == Rates(2.0, 0.0)


def test_curves_are_bounded_and_who_is_gone_is_forgotten() -> None:
    meters = Meters()
    for n in range(500):
        meters.take([("a", n, 2 * n), ("b", 0, 0)])
    assert meters.curve("a") == [(1, 2)] * SECONDS_KEPT
    assert list(meters.curve_of_all) == [(1, 2)] * SECONDS_OF_ALL
    assert meters.rates_of_all == Rates(1.0, 2.0)
    meters.take([("b", 0, 0)])
    assert meters.curve("a") == []
    assert Meters().rates_of_all == QUIET
