"""Neighbourhood preservation at all scales at once, from the ranks in both spaces."""

from __future__ import annotations

import numpy as np

from metrics.neighbors import blocks, points_of

Array = np.ndarray


def preservation_curve(X: Array, Z: Array) -> Array:
    """R_NX(K) for K = 1 ... n - 2: how much better than chance neighbourhoods of K points are kept.

    R_NX(K) = ((n - 1) Q_NX(K) - K) / (n - 1 - K), Q_NX being `metrics.neighbors.knn_preservation`. Ranks are exact,
    ties go to the smaller row number; memory is a block of rows.

    Args:
        X: points (n, n_features), n > 2. Z: their embedding (n, d).

    Returns:
        (n - 2,), each at most 1, higher is better: 1 where all neighbourhoods are kept, about 0 for a random embedding.

    Raises:
        ValueError: X and Z differ in length or hold values that are not finite, or n < 3.

    Source: Lee, Renard, Bernard, Dupont and Verleysen 2013, Neurocomputing 112.
    """
    X, Z = points_of(X), points_of(Z)
    n = len(X)
    if len(Z) != n or n < 3:
        raise ValueError(f"X and Z need the same number of rows, at least 3; got {n} and {len(Z)}")
    later_rank = np.zeros(n, dtype=np.int64)
    for rows, d_x, d_z in zip(*blocks(X, Z), strict=True):
        worse = np.maximum(_ranks(d_x, rows.start), _ranks(d_z, rows.start))
        later_rank += np.bincount(worse.ravel(), minlength=n)
    K = np.arange(1, n - 1)
    kept = np.cumsum(later_rank[1:])[: n - 2] / (n * K)
    return ((n - 1) * kept - K) / (n - 1 - K)


def auc_log_rnx(X: Array, Z: Array) -> float:
    """Area under R_NX(K) over a logarithmic axis of K: all scales, the small ones weighing most.

    Args:
        X: points (n, n_features), n > 2. Z: their embedding (n, d).

    Returns:
        At most 1, higher is better: 1 where all neighbourhoods are kept, about 0 for a random embedding.

    Source: Lee, Peluffo-Ordonez and Verleysen 2015, Neurocomputing 169: sum R_NX(K) / K over sum 1 / K.
    """
    curve = preservation_curve(X, Z)
    weights = 1 / np.arange(1, len(curve) + 1)
    return float(curve @ weights / weights.sum())


def _ranks(distances: Array, start: int) -> Array:
    """Rank of each column in its row (rows, n), ties by column; 0 for the point itself."""
    here = np.arange(len(distances))
    distances[here, start + here] = -np.inf
    order = np.argsort(distances, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(distances.shape[1])[None], axis=1)
    return ranks
