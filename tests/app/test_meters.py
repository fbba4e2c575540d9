"""Rates from counters."""

from app.meters import SECONDS_AVERAGED, SECONDS_KEPT, SECONDS_OF_ALL, Meters
from app.rows import QUIET, Rates


def test_rates_are_averaged_over_a_few_seconds() -> None:
    meters = Meters()
    assert not meters.take([("a", 0, 100)])
    assert meters.take([("a", 10, 100)])
    assert meters.rates("a") == Rates(10.0, 0.0)
    for n in range(2, 8):
        meters.take([("a", 10 * n, 100)])
    assert meters.rates("a") == Rates(10.0, 0.0)
    for n in range(SECONDS_AVERAGED):
        assert meters.take([("a", 80, 100)]), n  # it falls until it is none
    assert meters.rates("a") == Rates(2.0, 0.0)
    assert meters.take([("a", 80, 100)])
    assert meters.rates("a") == QUIET
    assert not meters.take([("a", 80, 100)])


def test_a_restarted_entry_counts_anew() -> None:
    meters = Meters()
    for n in (0, 50, 100):
        meters.take([("a", n, n), ("b", n, n)])
    meters.take([("a", 3, 0), ("b", 150, 150)])
    assert meters.rates("a") == QUIET
    assert meters.curve("a") == []
    assert meters.curve_of_all[-1] == (50, 50)  # the restart is no traffic, nor less than none
    meters.take([("a", 5, 0), ("b", 150, 150)])
    assert meters.rates("a") == Rates(2.0, 0.0)
    assert meters.curve("a") == [(2, 0)]


def test_entries_may_come_go_and_change_places() -> None:
    meters = Meters()
    for n in range(4):
        meters.take([("a", 10 * n, 0), ("b", 0, n)])
    meters.take([("new", 1000, 1000), ("b", 0, 4), ("a", 40, 0)])
    assert meters.rates("a") == Rates(10.0, 0.0)
    assert meters.rates("b") == Rates(0.0, 1.0)
    assert meters.rates("new") == QUIET
    assert meters.curve("b") == [(0, 1)] * 4
    assert meters.curve_of_all[-1] == (10, 1)  # what it counted before is not of this second
    meters.take([("new", 1007, 1000), ("b", 0, 4)])
    assert meters.rates("new") == Rates(7.0, 0.0)
    assert meters.rates("a") == QUIET


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
