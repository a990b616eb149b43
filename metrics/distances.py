"""Whether distances survive: stress and correlation over pairs of points (`metrics.pairs` says which pairs).

None changes when the embedding is rotated, shifted or scaled. Near-equal distances (to seven digits) are ties of ranks.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from metrics import pairs
from metrics.products import Points
from metrics.reference import Reference, reference_of

Array = np.ndarray

# Below this 1 - cos^2 has lost half of its digits.
_NEAR_PERFECT = 1e-4


def stress(X: Points | Reference, Z: Points) -> float:
    """Scale-normalised stress: the normalised stress of the embedding at its best uniform scale.

    sqrt(1 - (sum d_X d_Z)^2 / (sum d_X^2 sum d_Z^2)) over pairs.

    Args:
        X: points (n, n_features), or what is known of them already. Z: their embedding (n, d).

    Returns:
        In [0, 1], lower is better; NaN where all points of X or of Z coincide.

    Source: Smelser, Miller and Kobourov 2024, arXiv 2408.07724.
    """
    reference, Z = reference_of(X, Z)
    return stress_of(reference, Z, pairs.pair_sums(reference.distances(), Z, reference.pairs))


def stress_of(reference: Reference, Z: Array, sums: pairs.PairSums) -> float:
    """`stress` from sums at hand; Z are points (n, d) as `metrics.neighbors.points_of` gives them."""
    found = sums.stress
    if not found < _NEAR_PERFECT:
        return found
    # The residual, not 1 - cos^2: that difference has no digits left near a perfect embedding.
    left = pairs.residual(reference.distances(), Z, reference.pairs, sums.xz / sums.zz)
    return float(np.sqrt(min(1.0, left / sums.xx)))


def distance_pearson(X: Points | Reference, Z: Points) -> float:
    """Linear correlation between distances in the data and in the embedding.

    Args:
        X: points (n, n_features), or what is known of them already. Z: their embedding (n, d).

    Returns:
        In [-1, 1], higher is better, chance 0; NaN where the distances of X or of Z are all alike.
    """
    reference, Z = reference_of(X, Z)
    return pairs.pair_sums(reference.distances(), Z, reference.pairs).correlation


def distance_spearman(X: Points | Reference, Z: Points) -> float:
    """Spearman rank correlation between distances in the data and in the embedding.

    Args:
        X: points (n, n_features), or what is known of them already. Z: their embedding (n, d).

    Returns:
        In [-1, 1], higher is better; NaN where all points of X or of Z coincide.
    """
    reference, Z = reference_of(X, Z)
    return pairs.rank_correlation(reference.distance_ranks, Z, reference.pairs)


def non_metric_stress(X: Points | Reference, Z: Points) -> float:
    """How far distances in the embedding are from any monotone function of those in the data.

    sqrt(sum (d_Z - h(d_X))^2 / sum d_Z^2) over pairs, h the best monotone fit.

    Args:
        X: points (n, n_features), or what is known of them already. Z: their embedding (n, d).

    Returns:
        In [0, 1], lower is better; NaN where all points of Z coincide.

    Source: Kruskal 1964, Psychometrika 29, stress formula 1.
    """
    reference, Z = reference_of(X, Z)
    return pairs.non_metric_stress(reference.distance_ranks, Z, reference.pairs)


def procrustes(truth: Array, Z: Array) -> float:
    """What rotating, shifting and scaling the embedding leaves of the variance of the true coordinates.

    Args:
        truth: coordinates (n, m). Z: the embedding (n, d).

    Returns:
        In [0, 1], lower is better; near 1 is expected of a random embedding of many points; NaN where all points of
        either coincide.

    Source: Gower 1975, Psychometrika 40.
    """
    a, b = (np.asarray(points, dtype=np.float64) for points in (truth, Z))
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    spread = (a**2).sum() * (b**2).sum()
    if spread == 0:
        return float("nan")
    return float(max(0.0, 1 - np.linalg.svd(a.T @ b, compute_uv=False).sum() ** 2 / spread))


def normalised_stress(reference: Array, embedded: Array) -> float:
    """`stress` of two lists of distances over the same pairs."""
    d_x = np.asarray(reference, dtype=np.float64)
    d_z = np.asarray(embedded, dtype=np.float64)
    square_x, square_z = d_x @ d_x, d_z @ d_z
    if square_x == 0 or square_z == 0:
        return float("nan")
    residual = d_x - (d_x @ d_z / square_z) * d_z
    return float(np.sqrt(np.minimum(1.0, residual @ residual / square_x)))


def spearman(a: Array, b: Array) -> float:
    """Spearman rank correlation of two lists, ties at their mean rank; NaN where either is constant."""
    x, y = _centred_ranks(a), _centred_ranks(b)
    norms = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / norms if norms > 0 else float("nan")


def _centred_ranks(values: Array) -> Array:
    return rankdata(values) - (len(values) + 1) / 2
