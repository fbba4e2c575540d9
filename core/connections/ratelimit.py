"""How often one remote address may connect to a port."""

from collections import OrderedDict
from typing import Final

MOST_ADDRESSES: Final = 512
"""Addresses whose connections are remembered; one more, and the one that came longest ago goes."""


class RateLimit:
    """Lets each address in so many times a minute on average, and as many at once after a rest.

    ``per_minute`` is that number, 0 for no limit. Pure: seconds of a monotonic clock are given. An
    attempt that is not let in does not count, so that who keeps trying gets in at the rate allowed.
    """

    def __init__(self, per_minute: int) -> None:
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._credit = 60.0 - self._interval
        # When an address will have paid for the connections it has had; past: it owes nothing.
        self._paid_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._paid_at)

    def admits(self, address: str, now: float) -> bool:
        """Whether this address may have one more connection now; if so, that is counted."""
        if not self._interval:
            return True
        known = self._paid_at
        paid_at = max(known.get(address, now), now)
        # The sum of many intervals is a minute only nearly.
        if paid_at - now > self._credit + 1e-6:
            known.move_to_end(address)
            return False
        known[address] = paid_at + self._interval
        known.move_to_end(address)
        self._forget(now)
        return True

    def _forget(self, now: float) -> None:
        """Keep few addresses: not those that owe nothing, and never too many."""
        known = self._paid_at
        while len(known) > MOST_ADDRESSES or next(iter(known.values())) <= now:
            known.popitem(last=False)
