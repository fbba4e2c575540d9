"""Two masters that set one clock: whether they agree about the time."""

from datetime import UTC, datetime
from typing import Final

from core.protocol.asdu import Asdu
from core.routing.policy import Seat

TOLERANCE: Final = 2.0
"""Seconds by which the times of two masters may differ."""


class Clocks:
    """What each master of a group last said the time is."""

    def __init__(self) -> None:
        self._ahead: dict[Seat, float] = {}  # of the monotonic clock, in seconds
        self._said: set[frozenset[Seat]] = set()

    def set_by(self, seat: Seat, asdu: Asdu, now: float) -> list[tuple[Seat, float]]:
        """A clock command was accepted: who else disagrees, and by how many seconds.

        Each pair is named once, until it has agreed again. A time tag that names no instant is
        the RTU's to judge.
        """
        instant = _instant(asdu.objects[3:10])
        if instant is None:
            return []
        found = []
        self._ahead[seat] = instant - now
        for other, ahead in self._ahead.items():
            pair = frozenset((seat, other))
            difference = instant - now - ahead
            if abs(difference) <= TOLERANCE:
                self._said.discard(pair)
            elif pair not in self._said:
                self._said.add(pair)
                found.append((other, difference))
        return found

    def leave(self, seat: Seat) -> None:
        """The master is gone; what comes on its seat may be another."""
        self._ahead.pop(seat, None)
        self._said = {pair for pair in self._said if seat not in pair}


def _instant(tag: bytes) -> float | None:
    """Seconds of a CP56Time2a on a common scale (60870-5-101, 7.2.6.18)."""
    ms = int.from_bytes(tag[:2], "little")
    try:
        minute = datetime(
            2000 + (tag[6] & 0x7F), tag[5] & 0x0F, tag[4] & 0x1F, tag[3] & 0x1F, tag[2] & 0x3F,
            tzinfo=UTC,
        )  # fmt: skip
    except ValueError:
        return None
    return minute.timestamp() + ms / 1000
