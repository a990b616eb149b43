"""Statistics over pairs of points, streamed: distances of a block of rows at a time, never a matrix of all.

Up to 10,000 points all pairs are scored; above, those of 1,000 query rows, drawn by a fixed seed, with all others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numba import njit

from metrics.products import Points, SquaredDistances, on_host
from metrics.sorting import sort

Array = np.ndarray

ALL_PAIRS_UP_TO = 10_000
QUERY_ROWS = 1_000
_BLOCK = 250_000


@dataclass(frozen=True, eq=False)
class Pairs:
    """Which pairs of n points are scored: all of them once, or those of some rows with all other points."""

    n: int
    rows: Array | None = None

    @classmethod
    def of(cls, n: int, rows: Array | None = None) -> Pairs:
        """All pairs of few points, those of the given rows, or of rows drawn by a fixed seed."""
        if rows is None and n > ALL_PAIRS_UP_TO:
            rows = np.sort(np.random.default_rng(0).choice(n, QUERY_ROWS, replace=False))
        return cls(n, rows)

    def __len__(self) -> int:
        return self.n * (self.n - 1) // 2 if self.rows is None else len(self.rows) * (self.n - 1)

    def distances(self, points: Points) -> Iterator[Array]:
        """Distances of the pairs, block by block, float64; for all points in the same blocks and order."""
        squared = SquaredDistances(points)
        for rows in self._blocks():
            first = int(rows[0]) if self.rows is None else 0
            flat = np.empty(self._size(rows))
            _flatten(on_host(squared.of(rows, first)), rows - first, self.rows is None, flat)
            yield flat

    def in_blocks(self, known: Array) -> Iterator[Array]:
        """What is known of the pairs (pairs,), in the blocks of `distances`."""
        at = 0
        for rows in self._blocks():
            size = self._size(rows)
            yield np.array(known[at : at + size])
            at += size

    def ends(self) -> Iterator[tuple[Array, Array]]:
        """Of each block of `distances` its rows, and how many pairs each of them has."""
        for rows in self._blocks():
            yield rows, self.n - 1 - (rows if self.rows is None else np.zeros_like(rows))

    def _blocks(self) -> Iterator[Array]:
        rows = np.arange(self.n - 1) if self.rows is None else self.rows
        size = max(1, _BLOCK // self.n)
        return (rows[start : start + size] for start in range(0, len(rows), size))

    def _size(self, rows: Array) -> int:
        return int((self.n - 1 - rows).sum()) if self.rows is None else len(rows) * (self.n - 1)


@njit(cache=True)
def _flatten(squared: Array, own: Array, above: bool, flat: Array) -> None:  # pragma: no cover - compiled
    at = 0
    for i in range(squared.shape[0]):
        for j in range(own[i] + 1 if above else 0, squared.shape[1]):
            if j != own[i]:
                flat[at] = math.sqrt(max(0.0, squared[i, j]))
                at += 1


@dataclass(frozen=True, eq=False)
class PairSums:
    """Sums over pairs of two kinds of distances, x and z, and of the products by point (points, 3): xx, xz, zz."""

    n_pairs: int
    x: float
    z: float
    xx: float
    xz: float
    zz: float
    by_point: Array

    @property
    def stress(self) -> float:
        """sqrt(1 - xz^2 / (xx zz)), with no digits left near 0; NaN where all points of one kind coincide."""
        if self.xx == 0 or self.zz == 0:
            return float("nan")
        return math.sqrt(max(0.0, 1 - self.xz**2 / (self.xx * self.zz)))

    @property
    def correlation(self) -> float:
        """Pearson's; NaN where either kind is constant."""
        n = self.n_pairs
        spread_x, spread_z = self.xx - self.x**2 / n, self.zz - self.z**2 / n
        if spread_x <= 1e-14 * self.xx or spread_z <= 1e-14 * self.zz:
            return float("nan")
        return (self.xz - self.x * self.z / n) / math.sqrt(spread_x * spread_z)


def pair_sums(of_x: Iterable[Array], Z: Points, pairs: Pairs) -> PairSums:
    """Sums over the pairs, of distances x block by block (`Pairs.distances`) and those of float64 points Z (n, d).

    By point they are over all pairs of each of the n points, or over those of each query row.
    """
    by_point = np.zeros((pairs.n if pairs.rows is None else len(pairs.rows), 3))
    blocks, done = [], 0
    for (rows, counts), d_x, d_z in zip(pairs.ends(), of_x, pairs.distances(Z), strict=True):
        if pairs.rows is None:
            _add_both_ends(d_x, d_z, rows, pairs.n, by_point)
        else:
            _add_rows(d_x, d_z, counts, by_point[done : done + len(rows)])
        done += len(rows)
        blocks.append((d_x.sum(), d_z.sum(), d_x @ d_x, d_x @ d_z, d_z @ d_z))
    x, z, xx, xz, zz = (math.fsum(column) for column in zip(*blocks, strict=True))
    return PairSums(len(pairs), x, z, xx, xz, zz, by_point)


def residual(of_x: Iterable[Array], Z: Points, pairs: Pairs, scale: float) -> float:
    """Sum over the pairs of (d_X - scale d_Z)^2."""
    differences = (x - scale * z for x, z in zip(of_x, pairs.distances(Z), strict=True))
    return math.fsum(float(d @ d) for d in differences)


@njit(cache=True)
def _add_both_ends(d_x: Array, d_z: Array, rows: Array, n: int, out: Array) -> None:  # pragma: no cover - compiled
    at = 0
    for i in rows:
        for j in range(i + 1, n):
            x, z = d_x[at], d_z[at]
            at += 1
            for end in (i, j):
                out[end, 0] += x * x
                out[end, 1] += x * z
                out[end, 2] += z * z


@njit(cache=True)
def _add_rows(d_x: Array, d_z: Array, counts: Array, out: Array) -> None:  # pragma: no cover - compiled
    at = 0
    for i in range(counts.size):
        for _ in range(counts[i]):
            x, z = d_x[at], d_z[at]
            at += 1
            out[i, 0] += x * x
            out[i, 1] += x * z
            out[i, 2] += z * z


def distance_ranks(distances: Iterable[Array], pairs: Pairs) -> Array:
    """Twice the mean rank of each pair's distance among all of them, uint32 (pairs,), in the pairs' order.

    Args:
        distances: block by block (`Pairs.distances`).

    Ranks begin with 1; ties, which are distances equal in single precision, are at their mean rank.
    """
    keys = _keys(distances, np.arange(len(pairs), dtype=np.uint32))
    sort(keys)
    ranks = np.empty(len(pairs), dtype=np.uint32)
    _scatter_ranks(keys, ranks)
    return ranks


def rank_correlation(ranks: Array, points: Points, pairs: Pairs) -> float:
    """Spearman's, of known `distance_ranks` with the distances of other points; NaN where one kind is constant."""
    keys = _keys(pairs.distances(points), ranks)
    sort(keys)
    both, of_x, of_z = _rank_products(keys)
    return both / math.sqrt(of_x * of_z) if of_x > 0 and of_z > 0 else float("nan")


def non_metric_stress(ranks: Array, points: Points, pairs: Pairs) -> float:
    """sqrt(sum (d_Z - h)^2 / sum d_Z^2), h the best fit to d_Z that is monotone in the distances of these ranks.

    Pairs that are tied in rank have one h.
    """
    keys = _keys(pairs.distances(points), ranks)
    _exchange_halves(keys)
    sort(keys)
    distances = np.empty(len(keys), dtype=np.uint32)
    _lower_halves(keys, distances)
    squares, fitted = _monotone_fit(keys, distances.view(np.float32))
    return math.sqrt(max(0.0, 1 - fitted / squares)) if squares > 0 else float("nan")


def _keys(distances: Iterable[Array], low: Array) -> Array:
    """Integers that are ordered as the distances are, in single precision, with others in their lower half."""
    keys, at = np.empty(len(low), dtype=np.int64), 0
    for block in distances:
        here = slice(at, at + len(block))
        _pack(block.astype(np.float32).view(np.uint32), low[here], keys[here])
        at += len(block)
    return keys


@njit(cache=True)
def _pack(high: Array, low: Array, keys: Array) -> None:  # pragma: no cover - compiled
    for at in range(keys.size):
        keys[at] = (np.int64(high[at]) << 32) | np.int64(low[at])


@njit(cache=True)
def _exchange_halves(keys: Array) -> None:  # pragma: no cover - compiled
    for at in range(keys.size):
        keys[at] = ((keys[at] & 0xFFFFFFFF) << 32) | (keys[at] >> 32)


@njit(cache=True)
def _end_of_ties(keys: Array, start: int) -> int:  # pragma: no cover - compiled
    """Behind the last of the sorted keys whose upper half is that of the one at `start`."""
    end = start + 1
    while end < keys.size and keys[end] >> 32 == keys[start] >> 32:
        end += 1
    return end


@njit(cache=True)
def _scatter_ranks(keys: Array, ranks: Array) -> None:  # pragma: no cover - compiled
    start = 0
    while start < keys.size:
        end = _end_of_ties(keys, start)
        for at in range(start, end):
            ranks[keys[at] & 0xFFFFFFFF] = start + end + 1
        start = end


@njit(cache=True)
def _rank_products(keys: Array) -> tuple[float, float, float]:  # pragma: no cover - compiled
    """Sums of xz, xx and zz, x being the centred ranks in the lower halves and z those of the upper halves."""
    mean = np.int64(keys.size + 1)
    both, of_x, of_z = 0.0, 0.0, 0.0
    start = 0
    while start < keys.size:
        end = _end_of_ties(keys, start)
        z = float(np.int64(start + end + 1) - mean)
        for at in range(start, end):
            x = float((keys[at] & 0xFFFFFFFF) - mean)
            both += x * z
            of_x += x * x
            of_z += z * z
        start = end
    return both, of_x, of_z


@njit(cache=True)
def _lower_halves(keys: Array, out: Array) -> None:  # pragma: no cover - compiled
    for at in range(keys.size):
        out[at] = keys[at] & 0xFFFFFFFF


@njit(cache=True)
def _monotone_fit(keys: Array, distances: Array) -> tuple[float, float]:  # pragma: no cover - compiled
    """Sums of squares of distances and of their fit, which is monotone in the upper halves of the sorted keys.

    By pooling adjacent violators; the residual is orthogonal to the fit.
    """
    totals, counts = np.empty(keys.size), np.empty(keys.size, dtype=np.uint32)
    squares, pools, start = 0.0, 0, 0
    while start < keys.size:
        end = _end_of_ties(keys, start)
        total, count = 0.0, np.int64(end - start)
        for at in range(start, end):
            value = np.float64(distances[at])
            total += value
            squares += value * value
        start = end
        while pools > 0 and totals[pools - 1] * count >= total * counts[pools - 1]:
            pools -= 1
            total += totals[pools]
            count += counts[pools]
        totals[pools], counts[pools] = total, count
        pools += 1
    fitted = 0.0
    for at in range(pools):
        fitted += totals[at] ** 2 / counts[at]
    return squares, fitted
