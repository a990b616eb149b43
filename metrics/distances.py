"""Whether distances survive: scale-normalised stress and rank correlation over pairs of points.

Neither changes when the embedding is rotated, shifted or scaled. Up to 5,000 rows all pairs are used;
above, 1,000 query rows drawn by a fixed seed against the full reference.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist, pdist
from scipy.stats import rankdata

Array = np.ndarray

ALL_PAIRS_UP_TO = 5_000
QUERY_ROWS = 1_000


def stress(X: Array, Z: Array) -> float:
    """Scale-normalised stress: the normalised stress of the embedding at its best uniform scale.

    sqrt(1 - (sum d_X d_Z)^2 / (sum d_X^2 sum d_Z^2)) over pairs.

    Args:
        X: points (n, n_features). Z: their embedding (n, d).

    Returns:
        In [0, 1], lower is better; NaN where all points of X or of Z coincide.

    Source: Smelser, Miller and Kobourov 2024, arXiv 2408.07724.
    """
    return normalised_stress(*_paired_distances(X, Z))


def normalised_stress(reference: Array, embedded: Array) -> float:
    """`stress` of two lists of distances over the same pairs."""
    d_x = np.asarray(reference, dtype=np.float64)
    d_z = np.asarray(embedded, dtype=np.float64)
    square_x, square_z = d_x @ d_x, d_z @ d_z
    if square_x == 0 or square_z == 0:
        return float("nan")
    # The residual, not 1 - cos^2: that difference has no digits left near a perfect embedding.
    residual = d_x - (d_x @ d_z / square_z) * d_z
    return float(np.sqrt(np.minimum(1.0, residual @ residual / square_x)))


def distance_spearman(X: Array, Z: Array) -> float:
    """Spearman rank correlation between distances in the data and in the embedding.

    Args:
        X: points (n, n_features). Z: their embedding (n, d).

    Returns:
        In [-1, 1], higher is better; NaN where all points of X or of Z coincide.
    """
    return spearman(*_paired_distances(X, Z))


def spearman(a: Array, b: Array) -> float:
    """Spearman rank correlation of two lists, ties at their mean rank; NaN where either is constant."""
    x, y = _centred_ranks(a), _centred_ranks(b)
    norms = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / norms if norms > 0 else float("nan")


def _centred_ranks(values: Array) -> Array:
    return rankdata(values) - (len(values) + 1) / 2


def _paired_distances(X: Array, Z: Array) -> tuple[Array, Array]:
    X, Z = (np.asarray(points, dtype=np.float64) for points in (X, Z))
    if len(X) != len(Z) or len(X) < 3:
        raise ValueError(f"X and Z need the same number of rows, at least 3; got {len(X)} and {len(Z)}")
    if len(X) <= ALL_PAIRS_UP_TO:
        return pdist(X), pdist(Z)
    queries = np.random.default_rng(0).choice(len(X), QUERY_ROWS, replace=False)
    others = np.arange(len(X)) != queries[:, None]
    return cdist(X[queries], X)[others], cdist(Z[queries], Z)[others]
