"""A connection in memory: octets take their time, are cut anew, and find limited room."""

import errno
import os
import random
from collections.abc import Callable
from typing import Protocol

CAPACITY = 16_384
"""Octets that are on the way or unread in one direction; both kernels' buffers in one."""
LOW = 16_384
"""Octets not taken at which a writer is told that there is room."""
_TRICKLE = 0.004


class Clock(Protocol):
    """As of an event loop."""

    clock: float

    def call_at(self, when: float, callback: Callable[..., object], *args: object) -> object: ...

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: object
    ) -> object: ...

    def call_soon(self, callback: Callable[..., object], *args: object) -> object: ...


class End:
    """One end of a connection: what was written and not taken, what came and was not read."""

    def __init__(self, loop: Clock, delay: tuple[float, float], chance: random.Random) -> None:
        self.loop = loop
        self.delay = delay
        self.chance = chance
        self.other: End = self
        self.out = bytearray()
        self.inbox = bytearray()
        self.trickles = self.swallows = False
        self.is_reading = False
        self.is_over = False
        self.on_data: Callable[[bytes], None] | None = None
        self.on_end: Callable[[Exception | None], None] | None = None
        self.on_drain: Callable[[], None] | None = None
        self._on_the_way = 0
        self._last_arrival = 0.0
        self._is_closing = False
        self._is_pumping = False
        self._fin_came = False

    def write(self, octets: bytes) -> None:
        if self.is_over or self._is_closing or self.swallows:
            return
        self.out += octets
        self.pump()

    def pump(self) -> None:
        if self.swallows:
            self.out.clear()
        while self.out and not self.is_over and not self._is_pumping:
            room = CAPACITY - self._on_the_way
            if room <= 0:
                return
            size = 1 if self.trickles else min(room, len(self.out), self._piece())
            octets = bytes(self.out[:size])
            del self.out[:size]
            self._on_the_way += size
            self._at_other(self.other._arrive, octets)
            if self.trickles and self.out:
                self._is_pumping = True
                self.loop.call_later(_TRICKLE, self._pump_again)
        if self.on_drain is not None and len(self.out) <= LOW:
            self.on_drain()
        if self._is_closing and not self.out and not self.is_over:
            self.is_over = True
            self._at_other(self.other._fin)

    def _pump_again(self) -> None:
        self._is_pumping = False
        self.pump()

    def _piece(self) -> int:
        return self.chance.choice((1448, 4096, 16_384, self.chance.randint(1, 300)))

    def close(self) -> None:
        """In order: what was written goes first."""
        self._is_closing = True
        if self.inbox and not self.is_over:  # unread octets make the system reset
            self.reset()
        elif self.swallows:
            self.is_over = True
        else:
            self.pump()

    def reset(self) -> None:
        if self.is_over:
            return
        self.is_over = True
        self.out.clear()
        if not self.swallows:
            self._at_other(self.other._reset)

    def read(self, on: bool) -> None:
        self.is_reading = on
        if on:
            self.loop.call_soon(self._read)

    def _at_other(self, action: Callable[..., None], *args: object) -> None:
        loop = self.loop
        # A heap keeps no order among equals.
        at = max(self._last_arrival + 1e-6, loop.clock + self.chance.uniform(*self.delay))
        self._last_arrival = at
        loop.call_at(at, action, *args)

    def _arrive(self, octets: bytes) -> None:
        if self.swallows:
            self.other._taken(len(octets))
        elif self.is_over:
            self._at_other(self.other._reset)
        else:
            self.inbox += octets
            self._read()

    def _read(self) -> None:
        while self.inbox and self.is_reading and not self.is_over and self.on_data is not None:
            octets = bytes(self.inbox[:16_384])
            del self.inbox[:16_384]
            self._at_other(self.other._taken, len(octets))
            self.on_data(octets)
        if self._fin_came and not self.inbox and self.is_reading and not self.is_over:
            self._over(None)

    def _taken(self, size: int) -> None:
        self._on_the_way -= size
        if not self.is_over:
            self.pump()

    def _fin(self) -> None:
        if self.swallows or self.is_over:
            return
        self._fin_came = True
        self._read()

    def _reset(self) -> None:
        if not self.swallows and not self.is_over:
            self._over(ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)))

    def _over(self, error: Exception | None) -> None:
        if self.on_end is None:  # nobody has taken it over yet
            self._fin_came = True
            return
        self.is_over = True
        self.out.clear()
        self.inbox.clear()
        self.on_end(error)
