"""Measured values by chance, as an electricity network might have them; two decimals.

Each function takes its chance from ``chance``, or from one that all share and :func:`seed` sets.
"""

from random import Random
from typing import Final

NOMINAL_VOLTAGE: Final = 230.0
NOMINAL_FREQUENCY: Final = 50.0
_DECIMALS: Final = 2

_shared: Final = Random()


def seed(value: int | str | None) -> None:
    """Let the shared chance begin anew; with the same seed the same values follow."""
    _shared.seed(value)


def simulate_voltage(chance: Random | None = None) -> float:
    """A voltage in V: 230 V, 10 % more or less."""
    return simulate_between(NOMINAL_VOLTAGE * 0.9, NOMINAL_VOLTAGE * 1.1, chance)


def simulate_frequency(chance: Random | None = None) -> float:
    """A frequency in Hz: 50 Hz, 0.5 Hz more or less."""
    return simulate_between(NOMINAL_FREQUENCY - 0.5, NOMINAL_FREQUENCY + 0.5, chance)


def simulate_current(low: float, high: float, chance: Random | None = None) -> float:
    """A current between two limits."""
    return simulate_between(low, high, chance)


def simulate_power(low: float, high: float, chance: Random | None = None) -> float:
    """A power between two limits."""
    return simulate_between(low, high, chance)


def simulate_between(low: float, high: float, chance: Random | None = None) -> float:
    """Any value between two limits, each value as likely as any other."""
    return round((chance or _shared).uniform(low, high), _DECIMALS)
