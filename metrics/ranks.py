"""Ranks of all points by their distance from each, by compiled kernels: no sort by indices, memory of a block.

Rank 0 is the point itself, 1 its nearest neighbour; ties, which are distances equal to eleven digits, go to the smaller
row number. Distances of a row are sorted as integers whose last bits are the columns they came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numba import njit

from metrics.products import Points, SquaredDistances, is_tensor, on_host

Array = np.ndarray

# What a block of distances may take, in numbers of 8 bytes.
_BLOCK = 2_000_000


def rank_blocks(points: Points, rows: Array | None = None) -> Iterator[tuple[slice, Array]]:
    """Ranks (block, n) of all n points from some of them, block by block; and which of `rows` a block is.

    Args:
        points: float64 (n, d), near the origin (`metrics.products.points_of`).
        rows: row numbers of the points that ranks are counted from; all of them where it is None.
    """
    n = len(points)
    rows = np.arange(n) if rows is None else rows
    size = max(1, _BLOCK // n)
    squared = SquaredDistances(points)
    for start in range(0, len(rows), size):
        here = rows[start : start + size]
        yield slice(start, start + len(here)), ranks_of(squared.of(here), here)


def ranks_of(squared: Points, rows: Array) -> Array:
    """Ranks (m, n) of n points, from their squared distances (m, n) from the points `rows` (m,); overwrites those."""
    n = squared.shape[1]
    mask = (1 << max(1, int(n - 1).bit_length())) - 1
    if is_tensor(squared):
        return _ranks_of_tensor(squared, rows, mask).astype(rank_type(n))
    keys = squared.view(np.int64)
    _pack(keys, rows, mask)
    keys.sort(axis=1)
    ranks = np.empty(keys.shape, dtype=rank_type(n))
    _unpack(keys, mask, ranks)
    return ranks


def rank_type(n: int) -> type[np.uint16] | type[np.uint32]:
    """The smallest integers that hold ranks of n points."""
    return np.uint16 if n <= 2**16 else np.uint32


def _ranks_of_tensor(squared: Points, rows: Array, mask: int) -> Array:
    """What `_pack`, a sort and `_unpack` make of an array, on the tensor's device."""
    import torch

    keys = squared.view(torch.int64)
    columns = torch.arange(keys.shape[1], device=keys.device)
    keys = torch.where(keys > 0, (keys & ~mask) | columns, columns)
    keys[torch.arange(len(rows)), rows] = -1 - mask + torch.as_tensor(rows, device=keys.device)
    order = keys.sort(dim=1).values & mask
    return on_host(torch.empty_like(order).scatter_(1, order, columns.expand_as(order)))


@njit(cache=True)
def _pack(keys: Array, rows: Array, mask: int) -> None:  # pragma: no cover - compiled
    """Bits of positive floats are ordered as the floats are; a point itself comes first."""
    for i in range(keys.shape[0]):
        for j in range(keys.shape[1]):
            bits = keys[i, j]
            keys[i, j] = (bits & ~mask) | j if bits > 0 else j
        keys[i, rows[i]] = -1 - mask + rows[i]


@njit(cache=True)
def _unpack(keys: Array, mask: int, ranks: Array) -> None:  # pragma: no cover - compiled
    for i in range(keys.shape[0]):
        for place in range(keys.shape[1]):
            ranks[i, keys[i, place] & mask] = place


class RankTally:
    """What every rank-based score is made of, counted pair by pair from ranks in two spaces.

    Attributes:
        ks: sizes of neighbourhoods that are counted by point.
        later: (n,), pairs by the larger of their two ranks.
        intrusions, extrusions: (n, 2), second differences over K of the ranks beyond K.
        false, missing: (n,), sums of |difference of ranks| of pairs by their rank in Z, in X.
        shared, intruding, extruding: (rows, ks), by point: neighbours kept; ranks beyond k of neighbours in Z; in X.
        falsely, missed: (rows, ks), by point: |difference of ranks| over the rank in Z, of neighbours in Z; in X.
        squares: (rows,), by point: squared differences of ranks over all other points.
    """

    def __init__(self, n_rows: int, n: int, ks: Sequence[int]) -> None:
        self.n, self.ks = n, tuple(ks)
        self.later, self.false, self.missing = (np.zeros(n, dtype=np.int64) for _ in range(3))
        self.intrusions, self.extrusions = (np.zeros((n + 1, 2), dtype=np.int64) for _ in range(2))
        self.shared, self.intruding, self.extruding = (np.zeros((n_rows, len(ks)), dtype=np.int64) for _ in range(3))
        self.falsely, self.missed = (np.zeros((n_rows, len(ks))) for _ in range(2))
        self.squares = np.zeros(n_rows)

    def add(self, rows: slice, in_x: Array, in_z: Array) -> None:
        """Count the ranks (m, n) of a block of rows in both spaces."""
        _tally(
            in_x, in_z, self.later, self.intrusions, self.extrusions, self.false, self.missing,
            np.asarray(self.ks, dtype=np.int64), self.shared[rows], self.intruding[rows], self.extruding[rows],
            self.falsely[rows], self.missed[rows], self.squares[rows],
        )  # fmt: skip


@njit(cache=True)
def _tally(
    in_x: Array, in_z: Array, later: Array, intrusions: Array, extrusions: Array, false: Array, missing: Array,
    ks: Array, shared: Array, intruding: Array, extruding: Array, falsely: Array, missed: Array, squares: Array,
) -> None:  # pragma: no cover - compiled  # fmt: skip
    widest = ks[-1] if ks.size else 0
    for i in range(in_x.shape[0]):
        for j in range(in_x.shape[1]):
            a, b = np.int64(in_x[i, j]), np.int64(in_z[i, j])
            if a == 0:
                continue
            later[max(a, b)] += 1
            false[b] += abs(a - b)
            missing[a] += abs(a - b)
            squares[i] += (a - b) ** 2
            # A pair beyond K in one space and within K in the other adds its excess for all K between its ranks.
            if a > b:
                intrusions[b, 0] += 1
                intrusions[b, 1] += a
                intrusions[a, 0] -= 1
                intrusions[a, 1] -= a
            elif b > a:
                extrusions[a, 0] += 1
                extrusions[a, 1] += b
                extrusions[b, 0] -= 1
                extrusions[b, 1] -= b
            if min(a, b) <= widest:
                for at in range(ks.size):
                    k = ks[at]
                    if b <= k:
                        falsely[i, at] += abs(a - b) / b
                    if a <= k:
                        missed[i, at] += abs(a - b) / a
                    if a <= k and b <= k:
                        shared[i, at] += 1
                    elif b <= k:
                        intruding[i, at] += a - k
                    elif a <= k:
                        extruding[i, at] += b - k
