"""Very many integers sorted in place, in parts that a processor's cache holds."""

from __future__ import annotations

import numpy as np
from numba import njit

Array = np.ndarray

# Fewer than this a cache holds as they are.
FEW = 500_000
_PARTS = 4_096


def sort(keys: Array) -> None:
    """Sort int64 (n,) in place: dealt to parts by their leading bits, each of which is sorted by itself.

    A sort of the whole reads memory again for each of its levels; this takes about half of its time for 50 million.

    Source: McIlroy, Bostic and McIlroy, Engineering radix sort, 1993 (American flag sort), for one level.
    """
    if len(keys) < FEW:
        keys.sort()
        return
    # Few are far from the others, and shall not take the parts from them.
    drawn = np.sort(keys[:: len(keys) // _PARTS])
    low, high = int(drawn[_PARTS // 1_000]), int(drawn[-_PARTS // 1_000])
    shift = max(0, (high - low).bit_length() - (_PARTS - 1).bit_length())
    counts = np.zeros((high >> shift) - (low >> shift) + 1, dtype=np.int64)
    _count(keys, shift, low >> shift, counts)
    ends = counts.cumsum()
    _deal(keys, shift, low >> shift, ends - counts, ends)
    for part in np.split(keys, ends[:-1]):
        part.sort()


@njit(cache=True)
def _part_of(key: int, shift: int, low: int, n: int) -> int:  # pragma: no cover - compiled
    leading = key >> shift
    # Compared first: of the largest and smallest integers the difference is none.
    if leading <= low:
        return 0
    return n - 1 if leading >= low + n - 1 else leading - low


@njit(cache=True)
def _count(keys: Array, shift: int, low: int, counts: Array) -> None:  # pragma: no cover - compiled
    for at in range(keys.size):
        counts[_part_of(keys[at], shift, low, counts.size)] += 1


@njit(cache=True)
def _deal(keys: Array, shift: int, low: int, heads: Array, ends: Array) -> None:  # pragma: no cover - compiled
    """Bring each key to its part, by cycles of exchanges; `heads` are where each part has room."""
    for part in range(heads.size):
        while heads[part] < ends[part]:
            key = keys[heads[part]]
            to = _part_of(key, shift, low, heads.size)
            while to != part:
                key, keys[heads[to]] = keys[heads[to]], key
                heads[to] += 1
                to = _part_of(key, shift, low, heads.size)
            keys[heads[part]] = key
            heads[part] += 1
