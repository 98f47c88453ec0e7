"""Counter-based randomness, number by number that of the TypeScript trainer.

Every number is a pure function of a 64-bit seed and an index, so whatever is drawn can be drawn again from its position alone,
by any process. The generator is Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
"""

from __future__ import annotations

import hashlib
import json
from typing import Sequence

import numpy as np
import numpy.typing as npt

Seed = tuple[int, int]

_WORD = 0xFFFFFFFF
_FIRST_BLOCKS = 8
"""Blocks that a stream computes one by one; many streams end within them, and an array costs as much as some twenty."""


def derive_seed(*parts: str | int) -> Seed:
    """A seed for one purpose, such as ``derive_seed(seed, "order", epoch)``; different parts give unrelated seeds."""
    text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:8], "little")


def philox(seed: Seed, block: int) -> list[int]:
    """The four unsigned 32-bit numbers of one block of a seed's stream."""
    k0, k1 = seed
    c0, c1, c2, c3 = block & _WORD, block >> 32, 0, 0
    for _ in range(10):
        product0 = 0xD2511F53 * c0
        product1 = 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (product1 >> 32) ^ c1 ^ k0, product1 & _WORD, (product0 >> 32) ^ c3 ^ k1, product0 & _WORD
        k0 = (k0 + 0x9E3779B9) & _WORD
        k1 = (k1 + 0xBB67AE85) & _WORD
    return [c0, c1, c2, c3]


def philox_blocks(seed: Seed, first: int, count: int) -> npt.NDArray[np.uint64]:
    """The numbers of `count` blocks from block `first` on, end to end. uint64 [4 * count], each below 2^32."""
    word, shift = np.uint64(_WORD), np.uint64(32)
    block = np.arange(first, first + count, dtype=np.uint64)
    c0, c1 = block & word, block >> shift
    c2 = c3 = np.zeros(count, dtype=np.uint64)
    k0, k1 = seed
    for _ in range(10):
        product0 = np.uint64(0xD2511F53) * c0
        product1 = np.uint64(0xCD9E8D57) * c2
        c0, c1 = (product1 >> shift) ^ c1 ^ np.uint64(k0), product1 & word
        c2, c3 = (product0 >> shift) ^ c3 ^ np.uint64(k1), product0 & word
        k0 = (k0 + 0x9E3779B9) & _WORD
        k1 = (k1 + 0xBB67AE85) & _WORD
    return np.stack([c0, c1, c2, c3], axis=1).reshape(-1)


class RandomStream:
    """Reads a seed's stream in order, and draws from it as the official script draws."""

    def __init__(self, seed: Seed) -> None:
        self._seed = seed
        self._numbers: list[int] = []
        self._next = 0
        self._blocks = 0

    def uint32(self) -> int:
        """Uniform over 0 .. 2^32 - 1."""
        if self._next == len(self._numbers):
            if self._blocks < _FIRST_BLOCKS:
                self._numbers, count = philox(self._seed, self._blocks), 1
            else:
                count = min(self._blocks * 4, 1 << 14)
                self._numbers = philox_blocks(self._seed, self._blocks, count).tolist()
            self._blocks += count
            self._next = 0
        self._next += 1
        return self._numbers[self._next - 1]

    def random(self) -> float:
        """Uniform over [0, 1), a multiple of 2^-32."""
        return self.uint32() / 0x1_0000_0000

    def below(self, bound: int) -> int:
        """Uniform over 0 .. bound - 1 without bias; 1 <= bound <= 2^32."""
        accepted = 0x1_0000_0000 - (0x1_0000_0000 % bound)
        while True:
            value = self.uint32()
            if value < accepted:
                return value % bound

    def integer(self, first: int, last: int) -> int:
        """Uniform over `first`..`last`, both included."""
        return first + self.below(last - first + 1)

    def order(self, n: int) -> list[int]:
        """The numbers 0 .. n - 1 in a random order (Fisher-Yates)."""
        order = list(range(n))
        for last in range(n - 1, 0, -1):
            other = self.below(last + 1)
            order[last], order[other] = order[other], order[last]
        return order

    def choice(self, probabilities: Sequence[float]) -> int:
        """An index with the given probabilities, which add up to 1."""
        point = self.random()
        total = 0.0
        for index, probability in enumerate(probabilities[:-1]):
            total += probability
            if point < total:
                return index
        return len(probabilities) - 1


def permutation(n: int, seed: Seed) -> npt.NDArray[np.uint32]:
    """The numbers 0 .. n - 1 in an order that is a pure function of the seed."""
    return np.array(RandomStream(seed).order(n), dtype=np.uint32)
