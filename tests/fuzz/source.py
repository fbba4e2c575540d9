"""Decisions read from octets, so that whatever a fuzzer changes changes one decision."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Source:
    """Octets that are used up one decision after the other; at the end every one is 0."""

    __slots__ = ("_at", "_data", "_end")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._end = len(data)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        return self._at >= self._end

    def octet(self) -> int:
        """0..255."""
        at = self._at
        if at >= self._end:
            return 0
        self._at = at + 1
        return self._data[at]

    def below(self, n: int) -> int:
        """0..n-1, for n up to 256."""
        return self.octet() % n

    def word(self) -> int:
        """0..65535."""
        return self.octet() | self.octet() << 8

    def flag(self) -> bool:
        """True or false."""
        return self.octet() & 1 == 1

    def pick(self, choices: Sequence[T]) -> T:
        """One of at most 256 choices."""
        return choices[self.octet() % len(choices)]

    def octets(self, n: int) -> bytes:
        """``n`` octets, fewer at the end."""
        at = self._at
        self._at = min(self._end, at + n)
        return self._data[at : self._at]

    def rest(self) -> bytes:
        """All that is left."""
        return self.octets(self._end - self._at)
