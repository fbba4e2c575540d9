"""The events of a bench and what is seen of them at the other end: pure, values in, values out.

An event is an I-frame of two bitstrings of 32 bits: the number of the event, counted by its RTU
from 0 on, and the moment it was made. With 25 octets it is as long as an event with a time tag
usually is. The gateway may rewrite nothing in it but sequence numbers, originator and common
address.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate
from struct import Struct
from typing import Final, TypeAlias

from core.protocol.codes import Cause, CommonAddress, TypeId

Stamp: TypeAlias = int
"""Microseconds of a clock that all processes share; frames carry it modulo 2**32 (71 minutes)."""

SIZE: Final = 25
"""Octets of the frame of an event."""
_FRAME: Final = Struct("<2s4x4sH3sIxIx")
_START: Final = bytes((0x68, SIZE - 2))
_HEADER: Final = bytes((TypeId.M_BO_NA_1, 0x82, Cause.SPONTANEOUS, 0))
"""Type, two elements of one sequence, cause, originator address."""
_IOA: Final = (1).to_bytes(3, "little")
_STAMPS: Final = 1 << 32
_FURTHEST: Final = 100_000
"""A number so far ahead is no gap but damage."""
_EXACT_BITS: Final = 8


def event(number: int, stamp: Stamp, ca: CommonAddress) -> bytes:
    """The octets of an event as its RTU makes it, sequence numbers still 0."""
    return _FRAME.pack(_START, _HEADER, ca, _IOA, number, stamp % _STAMPS)


class Latencies:
    """How long events took, in microseconds; kept as counts, to 1 part in 128 above 256."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.longest = 0

    def add(self, took: int) -> None:
        """One more."""
        self.longest = max(self.longest, took)
        coarse = max(0, took.bit_length() - _EXACT_BITS)
        self.counts[took >> coarse << coarse] += 1

    def percentile(self, share: float) -> float | None:
        """What that share (0..1) of all events took at most, in milliseconds; None of none."""
        return percentile(self.counts, share)


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """The smallest value, in thousandths, that so large a share of all does not exceed."""
    wanted = share * sum(counts.values())
    values = sorted(counts)
    for value, passed in zip(values, accumulate(counts[value] for value in values), strict=True):
        if passed >= wanted:
            return value / 1000
    return None


class Checker:
    """One master's reading of what comes from its RTU: each event once, in order, to its address.

    ``received`` counts all events, ``lost`` those that are missing still, ``repeated`` those that
    had come before, ``disordered`` those that came after a later one, and ``wrong`` frames that are
    no events of this RTU as its master may expect them.
    """

    __slots__ = ("_ca", "_missing", "_next", "disordered", "received", "repeated", "wrong")

    def __init__(self, ca: CommonAddress) -> None:
        self._ca = ca
        """The common address towards this master."""
        self._next = 0
        self._missing: set[int] = set()
        self.received = 0
        self.repeated = 0
        self.disordered = 0
        self.wrong = 0

    def lost(self, sent: int) -> int:
        """How many are missing of so many that the RTU has sent."""
        return len(self._missing) + max(0, sent - self._next)

    def take(self, octets: bytes, sizes: Sequence[int], now: Stamp, latencies: Latencies) -> None:
        """Look at whole I-frames, which arrived together."""
        if sizes.count(SIZE) == len(sizes):
            self._take_events(octets, now, latencies)
            return
        for size, end in zip(sizes, accumulate(sizes), strict=True):
            frame = octets[end - size : end]
            if size == SIZE:
                self._take_events(frame, now, latencies)
            elif frame[6] != TypeId.M_EI_NA_1:  # the gateway's own, after each start
                self.wrong += 1

    def _take_events(self, octets: bytes, now: Stamp, latencies: Latencies) -> None:
        for start, header, ca, ioa, number, stamp in _FRAME.iter_unpack(octets):
            if header != _HEADER or ca != self._ca or ioa != _IOA or start != _START:
                self.wrong += 1
                continue
            self.received += 1
            if number == self._next:
                self._next = number + 1
            else:
                self._take_odd(number)
            latencies.add((now - stamp) % _STAMPS)

    def _take_odd(self, number: int) -> None:
        if number - self._next > _FURTHEST:
            self.wrong += 1
        elif number > self._next:
            self._missing.update(range(self._next, number))
            self._next = number + 1
        elif number in self._missing:
            self._missing.remove(number)
            self.disordered += 1
        else:
            self.repeated += 1
