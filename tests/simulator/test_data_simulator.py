"""Values by chance: within their limits, two decimals, the same with the same seed."""

from random import Random

import pytest

from core.simulator import data_simulator as values

CALLS = [
    (values.simulate_voltage, (), 207.0, 253.0),
    (values.simulate_frequency, (), 49.5, 50.5),
    (values.simulate_current, (3.0, 80.0), 3.0, 80.0),
    (values.simulate_power, (-500.0, 500.0), -500.0, 500.0),
]


@pytest.mark.parametrize(("function", "limits", "least", "most"), CALLS)
def test_values_lie_within_their_limits_and_have_two_decimals(function, limits, least, most):
    found = [function(*limits, chance=Random(1)) for _ in range(1)]
    chance = Random(2)
    found += [function(*limits, chance=chance) for _ in range(2000)]
    assert all(least <= value <= most for value in found)
    assert all(value == round(value, 2) for value in found)
    assert max(found) - min(found) > 0.8 * (most - least)


def test_the_same_seed_gives_the_same_values():
    values.seed(5)
    first = [values.simulate_voltage() for _ in range(5)]
    values.seed(5)
    assert [values.simulate_voltage() for _ in range(5)] == first
    assert len(set(first)) > 1
