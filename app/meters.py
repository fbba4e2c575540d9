"""Rates from counters: what was counted each second, kept for the curves."""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from app.rows import QUIET, Rates

SECONDS_AVERAGED: Final = 5
SECONDS_KEPT: Final = 60
SECONDS_OF_ALL: Final = 120


class Meters:
    """Takes the counters of every entry once a second."""

    def __init__(self) -> None:
        self._counted: dict[str, deque[tuple[int, int]]] = {}
        self._total: deque[tuple[int, int]] = deque(maxlen=SECONDS_OF_ALL)
        self.rates: dict[str, Rates] = {}

    def take(self, counters: Iterable[tuple[str, int, int]]) -> set[str]:
        """Take key, messages in and messages out of every entry; who has other rates now."""
        changed = set()
        rates: dict[str, Rates] = {}
        seen: dict[str, deque[tuple[int, int]]] = {}
        all_in = all_out = 0
        for key, into, out in counters:
            counted = self._counted.get(key)
            if counted is None or into < counted[-1][0] or out < counted[-1][1]:
                # Counting begins anew when an entry is restarted.
                counted = deque(maxlen=SECONDS_KEPT + 1)
            else:
                all_in += into - counted[-1][0]
                all_out += out - counted[-1][1]
            counted.append((into, out))
            seen[key] = counted
            span = min(SECONDS_AVERAGED, len(counted) - 1)
            before = counted[-1 - span]
            if before == counted[-1]:
                rates[key] = QUIET
            else:
                rates[key] = Rates((into - before[0]) / span, (out - before[1]) / span)
            if rates[key] != self.rates.get(key, QUIET):
                changed.add(key)
        self._counted, self.rates = seen, rates
        self._total.append((all_in, all_out))
        return changed

    def curve(self, key: str) -> list[tuple[int, int]]:
        """Messages in and out in each of the last seconds, the newest last."""
        counted = list(self._counted.get(key, ()))
        return [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(counted)]

    @property
    def curve_of_all(self) -> Sequence[tuple[int, int]]:
        """The same for all entries together."""
        return self._total

    @property
    def rates_of_all(self) -> Rates:
        """All entries together, over the last seconds."""
        last = list(self._total)[-SECONDS_AVERAGED:]
        if not last:
            return QUIET
        return Rates(sum(i for i, _ in last) / len(last), sum(o for _, o in last) / len(last))
