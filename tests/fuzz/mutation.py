"""Seeded mutation: input ``number`` of a target is the same on every machine and in every run."""

import random
from collections.abc import Sequence

from tests.fuzz.targets import Target

_ODD = (0, 1, 2, 4, 7, 8, 13, 64, 104, 127, 128, 129, 253, 254, 255)


class Mutator:
    """Makes inputs out of seeds and corpus."""

    def __init__(self, target: Target, corpus: Sequence[bytes], seed: int) -> None:
        self._target = target
        self._begin = sorted({*target.seeds(), *corpus})
        self._seed = seed
        self._chance = random.Random()

    def make(self, number: int) -> bytes:
        """The input of this number."""
        chance = self._chance
        chance.seed(self._seed * 1_000_003 + number)
        if chance.random() < 0.02:
            return chance.randbytes(chance.randrange(self._target.longest))
        data = bytearray(chance.choice(self._begin))
        for _ in range(1 + int(chance.expovariate(0.5))):
            self._change(data)
        return bytes(data[: self._target.longest])

    def _change(self, data: bytearray) -> None:
        chance = self._chance
        at = chance.randrange(len(data) + 1)
        match chance.randrange(9):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                data[at : at + 1] = bytes([chance.choice(_ODD)])
            case 2 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 3:
                data[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 4:
                del data[at : at + chance.randrange(1, 1 + max(1, len(data) // 4))]
            case 5:
                data[at:at] = data[at : at + chance.randrange(1, 40)]
            case 6:
                other = chance.choice(self._begin)
                start = chance.randrange(len(other) + 1)
                data[at:] = other[start:]
            case 7 if self._target.words:
                word = chance.choice(self._target.words)
                data[at : at + len(word) * chance.randrange(2)] = word
            case _:
                to = chance.randrange(len(data) + 1)
                data[to:to] = data[at : at + chance.randrange(1, 12)]
