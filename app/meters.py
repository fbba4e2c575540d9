"""Rates from counters: what was counted each second, kept for the curves.

A thousand entries are counted each second but few are looked at: so counting them is one array,
and a rate or a curve is worked out when it is asked for.
"""

from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import pairwise
from operator import lt
from typing import Final

from app.rows import QUIET, Rates

SECONDS_AVERAGED: Final = 5
SECONDS_KEPT: Final = 60
SECONDS_OF_ALL: Final = 120

_Counts = tuple["array[int]", "array[int]"]


class Meters:
    """Takes the counters of every entry once a second."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._samples: deque[_Counts] = deque(maxlen=SECONDS_KEPT + 1)
        self._begun: dict[str, int] = {}
        """With which sample (of `_taken`) the counting of an entry began, if not with the first."""
        self._taken = 0
        self._total: deque[tuple[int, int]] = deque(maxlen=SECONDS_OF_ALL)

    def take(self, counters: Iterable[tuple[str, int, int]]) -> bool:
        """Take key, messages in and messages out of every entry; whether any rate may differ."""
        keys, into, out = [], array("q"), array("q")
        for key, messages_in, messages_out in counters:
            keys.append(key)
            into.append(messages_in)
            out.append(messages_out)
        before = self._samples[-1] if self._samples else None
        if keys != list(self._places):
            self._rearrange(keys)
            before = self._samples[-1] if self._samples else None
        self._samples.append((into, out))
        self._taken += 1
        if before is None:
            self._total.append((0, 0))
            return False
        is_anew = any(map(lt, into, before[0])) or any(map(lt, out, before[1]))
        if is_anew:
            self._note_restarts(keys, before)
        news = {key for key, begun in self._begun.items() if begun == self._taken}
        if news:
            gone_in = gone_out = 0
            for key in news:
                at = self._places[key]
                gone_in += into[at] - before[0][at]
                gone_out += out[at] - before[1][at]
            total = (sum(into) - sum(before[0]) - gone_in, sum(out) - sum(before[1]) - gone_out)
        else:
            total = (sum(into) - sum(before[0]), sum(out) - sum(before[1]))
        self._total.append(total)
        # A rate may also differ because the first of the seconds it spans was another one.
        oldest = self._samples[-min(len(self._samples), SECONDS_AVERAGED + 2)]
        return oldest != (into, out)

    def _rearrange(self, keys: Sequence[str]) -> None:
        """Other entries, or in another order: what was counted moves along."""
        places = {key: n for n, key in enumerate(keys)}
        olds = [self._places.get(key) for key in keys]
        self._samples = deque(
            (
                (
                    array("q", (0 if old is None else into[old] for old in olds)),
                    array("q", (0 if old is None else out[old] for old in olds)),
                )
                for into, out in self._samples
            ),
            maxlen=SECONDS_KEPT + 1,
        )
        begun = {key: at for key, at in self._begun.items() if key in places}
        if self._samples:
            begun |= dict.fromkeys(places.keys() - self._places.keys(), self._taken + 1)
        self._places, self._begun = places, begun

    def _note_restarts(self, keys: Sequence[str], before: _Counts) -> None:
        """Counting begins anew when an entry is restarted."""
        into, out = self._samples[-1]
        for at, key in enumerate(keys):
            if into[at] < before[0][at] or out[at] < before[1][at]:
                self._begun[key] = self._taken

    def _counted(self, key: str, most: int) -> list[tuple[int, int]]:
        """The newest counts of an entry since it began, not more than ``most``."""
        at = self._places.get(key)
        if at is None:
            return []
        known = self._taken - self._begun.get(key, 1) + 1
        count = min(most, known, len(self._samples))
        samples = [self._samples[n] for n in range(len(self._samples) - count, len(self._samples))]
        return [(into[at], out[at]) for into, out in samples]

    def rates(self, key: str) -> Rates:
        """Messages per second of an entry, over the last seconds."""
        counted = self._counted(key, SECONDS_AVERAGED + 1)
        if len(counted) < 2 or counted[0] == counted[-1]:
            return QUIET
        span = len(counted) - 1
        (in_before, out_before), (into, out) = counted[0], counted[-1]
        return Rates((into - in_before) / span, (out - out_before) / span)

    def curve(self, key: str) -> list[tuple[int, int]]:
        """Messages in and out in each of the last seconds, the newest last."""
        counted = self._counted(key, SECONDS_KEPT + 1)
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
