"""Permutations of 0 .. size - 1: a short one is shuffled, a long one is computed place by place and takes no memory.

A long one is a Feistel network (Luby and Rackoff 1988, How to construct pseudorandom permutations from pseudorandom
functions), generalised to numbers that are no power of two and walked until it comes back into the range (Black and
Rogaway 2002, Ciphers with arbitrary finite domains).
"""

import math
from collections.abc import Sequence

import numpy as np

LONGEST_LIST = 1 << 16  # 512 KiB; a list is perfectly uniform, and the quicker one for so few
_NUM_ROUNDS = 12
_64_BITS = (1 << 64) - 1


class IndexPermutation:
    """A permutation drawn from a key: `permutation(place)` is the number at a place, both from 0 to size - 1.

    Args:
        size: at least 1.
        key: integers from 0 on, such as a seed, the purpose and an epoch; other keys give unrelated permutations.
    """

    def __init__(self, size: int, key: Sequence[int]) -> None:
        self.size = size
        self.key = tuple(key)
        self._list: np.ndarray | None = None
        if size <= LONGEST_LIST:
            self._list = np.random.default_rng(list(key)).permutation(size)
            return
        self._rows = math.isqrt(size - 1) + 1
        self._columns = -(-size // self._rows)  # rows * columns is hardly more than size
        self._round_keys = [int(word) for word in np.random.SeedSequence(list(key)).generate_state(_NUM_ROUNDS, "u8")]

    def __call__(self, place: int) -> int:
        """The number at a place.

        Raises: IndexError if the place is not from 0 to size - 1.
        """
        if not 0 <= place < self.size:
            raise IndexError(f"place {place} of a permutation of {self.size}")
        if self._list is not None:
            return int(self._list[place])
        number = self._encipher(place)
        while number >= self.size:
            number = self._encipher(number)
        return number

    def _encipher(self, number: int) -> int:
        """One pass over 0 .. rows * columns - 1, one-to-one: each round shifts one half by a hash of the other."""
        row, column = divmod(number, self._columns)
        for turn, round_key in enumerate(self._round_keys):
            if turn % 2 == 0:
                row = (row + _mixed(column ^ round_key)) % self._rows
            else:
                column = (column + _mixed(row ^ round_key)) % self._columns
        return row * self._columns + column


def _mixed(word: int) -> int:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): every bit of 64 depends on every other."""
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & _64_BITS
    word = (word ^ word >> 27) * 0x94D049BB133111EB & _64_BITS
    return word ^ word >> 31
