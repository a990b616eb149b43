"""Whether neighbourhoods survive: rank-based scores of an embedding.

Ranks are exact: ties go to the smaller row number, a point is never its own neighbour (by row number, so
that duplicates stay neighbours of each other). Memory is a block of rows, never n x n.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numba import njit

from metrics.products import Points, SquaredDistances, on_host, points_of

Array = np.ndarray

# Rows of a block: with fewer, products of matrices read all points too often; and how many distances it may hold.
_BLOCK_ROWS = 256
_BLOCK_ELEMENTS = 16_000_000


class NeighbourhoodScores(NamedTuple):
    """The three scores of one pass over the data; see the function of each name."""

    knn_preservation: float
    trustworthiness: float
    continuity: float


class NeighbourhoodCounts(NamedTuple):
    """What the three scores of k neighbours are made of, by point, integers (n,).

    Attributes:
        n: all points, of which these are some or all.
        shared: neighbours in X that are neighbours in Z too.
        intrusions: by how many ranks, in all, neighbours in Z are beyond the k-th in X.
        extrusions: by how many ranks, in all, neighbours in X are beyond the k-th in Z.
    """

    k: int
    n: int
    shared: Array
    intrusions: Array
    extrusions: Array

    @property
    def scores(self) -> NeighbourhoodScores:
        """The scores of all points."""
        scale = self._scale
        return NeighbourhoodScores(
            float(self.shared.sum() / (len(self.shared) * self.k)),
            float(1 - scale * self.intrusions.sum()),
            float(1 - scale * self.extrusions.sum()),
        )

    @property
    def by_point(self) -> tuple[Array, Array, Array]:
        """The same scores, in the same order, of each point (n,)."""
        each = len(self.shared) * self._scale
        return self.shared / self.k, 1 - each * self.intrusions, 1 - each * self.extrusions

    @property
    def _scale(self) -> float:
        return 2.0 / (len(self.shared) * self.k * (2 * self.n - 3 * self.k - 1))


def knn_preservation(X: Points, Z: Points, k: int = 10) -> float:
    """Q_NX(k): share of the k nearest neighbours in X that are among the k nearest in Z.

    Args:
        X: points (n, n_features). Z: their embedding (n, d). k: neighbours, below n.

    Returns:
        In [0, 1], higher is better; k / (n - 1) is expected of a random embedding.

    Source: Lee and Verleysen 2009, Neurocomputing 72.
    """
    return neighbourhood_scores(X, Z, k).knn_preservation


def trustworthiness(X: Points, Z: Points, k: int = 10) -> float:
    """Penalises neighbours in Z that are far in X: 1 - 2/(nk(2n-3k-1)) sum max(0, rank in X - k).

    Args:
        X: points (n, n_features). Z: their embedding (n, d). k: neighbours, below n / 2.

    Returns:
        In [0, 1], higher is better; about 0.5 is expected of a random embedding.

    Source: Venna and Kaski 2001, ICANN.
    """
    return neighbourhood_scores(X, Z, k).trustworthiness


def continuity(X: Points, Z: Points, k: int = 10) -> float:
    """Penalises neighbours in X that are far in Z: `trustworthiness` with X and Z exchanged.

    Source: Venna and Kaski 2001, ICANN.
    """
    return neighbourhood_scores(X, Z, k).continuity


def neighbourhood_scores(X: Points, Z: Points, k: int = 10) -> NeighbourhoodScores:
    """All three scores of one k from a single pass over the distances; see `neighbourhood_counts`."""
    return neighbourhood_counts(X, Z, k).scores


def neighbourhood_counts(X: Points, Z: Points, k: int = 10) -> NeighbourhoodCounts:
    """What all three scores of one k are made of, by point, from a single pass over the distances.

    Raises:
        ValueError: X and Z differ in length, hold values that are not finite, or k is not in [1, n / 2).
    """
    X, Z = points_of(X), points_of(Z)
    n = len(X)
    if len(Z) != n:
        raise ValueError(f"X and Z need the same number of rows, got {n} and {len(Z)}")
    if not 1 <= k < n / 2:
        raise ValueError(f"k must lie between 1 and n / 2 = {n / 2:g}, got {k}")
    counts = np.zeros((3, n), dtype=np.int64)
    for rows, d_x, d_z in zip(*blocks(X, Z), strict=True):
        _fill_counts(d_x, d_z, rows.start, k, counts[:, rows])
    return NeighbourhoodCounts(k, n, *counts)


def nearest_neighbours(X: Points, k: int) -> Array:
    """Row numbers (n, k) of the k nearest other points, nearest first, ties by row number."""
    X = points_of(X)
    found = np.empty((len(X), k), dtype=np.int64)
    for rows, d_x in zip(*blocks(X), strict=True):
        _fill_nearest(d_x, rows.start, found[rows])
    return found


def nearest_rows(queries: Array, X: Array, k: int) -> Array:
    """Row numbers (m, k) of the k rows of X nearest to each of m other points, nearest first."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=k).fit(X).kneighbors(queries, return_distance=False)


def knn_accuracy(Z_train: Array, y_train: Array, Z: Array, y: Array, k: int = 10) -> float:
    """Share of points whose label is the majority label of their k nearest training points.

    Ties between labels go to the smaller label, as in scikit-learn.

    Args:
        Z_train: latent training points (n, d) with labels y_train (n,).
        Z: latent points to classify (m, d) with labels y (m,).

    Returns:
        In [0, 1], higher is better.
    """
    return float(np.mean(is_classified(Z_train, y_train, Z, y, k)))


def is_classified(Z_train: Array, y_train: Array, Z: Array, y: Array, k: int = 10) -> Array:
    """Which of the points (m,) of `knn_accuracy` have the majority label of their neighbours."""
    from sklearn.neighbors import KNeighborsClassifier

    found: Array = KNeighborsClassifier(n_neighbors=k).fit(Z_train, y_train).predict(Z) == y
    return found


def leave_one_out_accuracy(Z: Array, y: Array, k: int = 10) -> float:
    """`knn_accuracy` of each point against all others, for embeddings that cannot take new points."""
    return float(np.mean(is_classified_by_others(Z, y, k)))


def is_classified_by_others(Z: Array, y: Array, k: int = 10) -> Array:
    """Which of the points (n,) of `leave_one_out_accuracy` have the majority label of their neighbours."""
    labels = y[nearest_neighbours(Z, k)]
    classes = np.unique(y)
    votes = (labels[:, :, None] == classes).sum(axis=1)
    found: Array = classes[votes.argmax(axis=1)] == y
    return found


def blocks(*clouds: Points) -> tuple[Iterator[slice] | Iterator[Array], ...]:
    """Row slices, and for each cloud of n points the squared distances (rows, n) of those rows, until the next."""
    n = len(clouds[0])
    size = max(1, min(_BLOCK_ROWS, _BLOCK_ELEMENTS // n))
    slices = [slice(start, min(start + size, n)) for start in range(0, n, size)]
    return iter(slices), *(_distances(cloud, slices) for cloud in clouds)


def _distances(cloud: Points, slices: list[slice]) -> Iterator[Array]:
    squared = SquaredDistances(cloud)
    block = None
    for rows in slices:
        # Always in the same memory: to get it anew from the system costs as much as a fifth of the products.
        block = squared.of(rows, into=None if block is None else block[: rows.stop - rows.start])
        yield on_host(block)


@njit(cache=True)
def _nearest(distances: Array, k: int) -> Array:  # pragma: no cover - compiled
    """Row numbers of the k smallest distances by insertion, ties by row number."""
    best = np.full(k, np.inf)
    rows = np.full(k, -1)
    for j in range(distances.size):
        d = distances[j]
        if d >= best[k - 1]:
            continue
        place = k - 1
        while place > 0 and best[place - 1] > d:
            best[place] = best[place - 1]
            rows[place] = rows[place - 1]
            place -= 1
        best[place] = d
        rows[place] = j
    return rows


@njit(cache=True)
def _rank(distances: Array, j: int) -> int:  # pragma: no cover - compiled
    """Place of the j-th distance among all, from 1, ties by row number; in plain sums, which compile to vectors."""
    rank, bound = 1, distances[j]
    earlier, later = distances[:j], distances[j + 1 :]
    for other in range(earlier.size):
        rank += earlier[other] <= bound
    for other in range(later.size):
        rank += later[other] < bound
    return rank


@njit(cache=True)
def _fill_counts(d_x: Array, d_z: Array, start: int, k: int, out: Array) -> None:  # pragma: no cover - compiled
    for row in range(d_x.shape[0]):
        d_x[row, start + row] = d_z[row, start + row] = np.inf
        in_x = _nearest(d_x[row], k)
        in_z = _nearest(d_z[row], k)
        for j in in_z:
            if np.any(in_x == j):
                out[0, row] += 1
            else:
                out[1, row] += _rank(d_x[row], j) - k
        for j in in_x:
            if not np.any(in_z == j):
                out[2, row] += _rank(d_z[row], j) - k


@njit(cache=True)
def _fill_nearest(distances: Array, start: int, out: Array) -> None:  # pragma: no cover - compiled
    for row in range(distances.shape[0]):
        distances[row, start + row] = np.inf
        out[row] = _nearest(distances[row], out.shape[1])
