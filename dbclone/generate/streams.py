"""Counter-based random streams: any worker draws the same numbers for the same (seed, table, purpose, batch).

A stream is a Philox generator whose key is a hash of its name, so streams need no order and no shared state.
A :class:`Permutation` shuffles ``0 … n-1`` without a table: position by position, in any order, on any worker.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Streams:
    """All random streams of one run, named by strings and numbers."""

    seed: int

    def _key(self, *name: str | int) -> bytes:
        text = "\x1f".join(str(part) for part in (self.seed, *name))
        return hashlib.blake2b(text.encode(), digest_size=16).digest()

    def generator(self, *name: str | int) -> np.random.Generator:
        """Return the stream of this name, from its start."""
        return np.random.Generator(np.random.Philox(key=int.from_bytes(self._key(*name), "little")))

    def permutation(self, size: int, *name: str | int) -> Permutation:
        """Return the permutation of ``range(size)`` of this name."""
        return Permutation(size=size, key=self._key(*name))


@dataclass(frozen=True, kw_only=True)
class Permutation:
    """A pseudo-random permutation of ``0 … size-1``, computed per position.

    A balanced Feistel network over the next even power of two, walked until the result is in range (Black and Rogaway,
    *Ciphers with arbitrary finite domains*, 2002). On average fewer than four walks; for shuffling, not for secrecy.
    """

    size: int
    key: bytes

    def __call__(self, positions: Integers) -> Integers:
        """Return the images of ``positions``, each in [0, size)."""
        if self.size <= 1:
            return np.zeros_like(positions)
        half = (max(self.size - 1, 1).bit_length() + 1) // 2
        keys = [int.from_bytes(hashlib.blake2b(self.key + bytes([n]), digest_size=8).digest(), "little")
                for n in range(4)]  # fmt: skip
        out = positions.astype(np.uint64)
        todo = np.arange(len(out))
        while len(todo):
            out[todo] = self._round_trip(out[todo], np.uint64(half), keys)
            todo = todo[out[todo] >= self.size]
        return out.astype(np.int64)

    @staticmethod
    def _round_trip(values: npt.NDArray[np.uint64], half: np.uint64, keys: list[int]) -> npt.NDArray[np.uint64]:
        mask = (np.uint64(1) << half) - np.uint64(1)
        left, right = values >> half, values & mask
        for key in keys:
            left, right = right, left ^ (_mix(right, key) & mask)
        return (left << half) | right


def _mix(values: npt.NDArray[np.uint64], key: int) -> npt.NDArray[np.uint64]:
    """Return 64-bit hashes: the finaliser of splitmix64 (Steele, Lea and Flood, 2014) over ``values ^ key``."""
    x = values ^ np.uint64(key)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def hashes(positions: Integers, key: bytes) -> npt.NDArray[np.uint64]:
    """Return a 64-bit hash per position under a key: uniform, and the same on every worker."""
    return _mix(
        _mix(positions.astype(np.uint64), int.from_bytes(key[:8], "little")), int.from_bytes(key[8:16], "little")
    )
