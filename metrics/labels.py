"""Whether labels survive: in neighbourhoods, as clusters, for a linear classifier.

Labels need not be clusters in the data: a score of the embedding is read beside the same score of the data, or is made
of the two.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from metrics.products import Points, SquaredDistances, on_host, points_of

Array = np.ndarray

_BLOCK = 4_000_000


def neighbourhood_hit(Z: Array, y: Array, k: int = 10) -> Array:
    """Share of each point's k nearest neighbours that have its label, (n,).

    Args:
        Z: points (n, d) with labels y (n,). k: neighbours, below n.

    Returns:
        In [0, 1], higher is better; the sum of the squared shares of the labels is expected by chance.

    Source: Paulovich, Nonato, Minghim and Levkowitz 2008, IEEE TVCG 14.
    """
    from sklearn.neighbors import NearestNeighbors

    nearest = NearestNeighbors(n_neighbors=k).fit(Z).kneighbors(return_distance=False)
    found: Array = (y[nearest] == y[:, None]).mean(axis=1)
    return found


def silhouettes(points: Points, y: Array, rows: Array | None = None) -> Array:
    """(b - a) / max(a, b) of each point: a its mean distance to its label's others, b to those of the nearest label.

    Args:
        points: (n, d) with labels y (n,), at least two of them. rows: of some points only, against all.

    Returns:
        (n,) or (rows,), each in [-1, 1], higher is better; 0 where a label has one point.

    Source: Rousseeuw 1987.
    """
    squared = SquaredDistances(points_of(points))
    rows = np.arange(len(points)) if rows is None else rows
    labels, codes = np.unique(y, return_inverse=True)
    members = np.eye(len(labels))[codes]
    sizes = members.sum(axis=0)
    found = np.empty(len(rows))
    for at in np.array_split(np.arange(len(rows)), max(1, len(rows) * len(points) // _BLOCK)):
        here, own = rows[at], codes[rows[at]]
        between_points = on_host(squared.of(here))
        between_points[np.arange(len(at)), here] = 0
        sums = np.sqrt(np.maximum(between_points, 0, out=between_points), out=between_points) @ members
        within = sums[np.arange(len(at)), own] / np.maximum(sizes[own] - 1, 1)
        between = sums / sizes
        between[np.arange(len(at)), own] = np.inf
        nearest = between.min(axis=1)
        largest = np.maximum(within, nearest)
        counts = (sizes[own] > 1) & (largest > 0)
        found[at] = np.where(counts, (nearest - within) / np.where(counts, largest, 1), 0)
    return found


def label_distortions(X: Array, Z: Array, y: Array) -> tuple[float, float]:
    """Label-trustworthiness and label-continuity: are two labels as far apart in the embedding as in the data.

    Of each pair of labels the distance consistency (share of their points that are nearer to the mean of their own
    label) is compared in both spaces; separation that was lost lowers the first, separation that was made the second.

    Args:
        X: data (n, n_features). Z: their embedding (n, d). y: labels (n,), at least two of them.

    Returns:
        Both in [0, 1], higher is better: 1 where no pair of labels is less (more) apart than in the data.

    Source: Jeon, Kuo, Aupetit, Ma and Seo 2023, IEEE TVCG, arXiv 2308.00278.
    """
    change = _consistencies(X, y) - _consistencies(Z, y)
    return float(1 - np.maximum(0, change).mean()), float(1 - np.maximum(0, -change).mean())


def _consistencies(points: Array, y: Array) -> Array:
    """Of each pair of labels 2 (distance consistency - 1/2), in [-1, 1]."""
    points = np.asarray(points, dtype=np.float64)
    labels = np.unique(y)
    means = np.stack([points[y == label].mean(axis=0) for label in labels])
    to_mean = _distances(points, means)
    of_label = [to_mean[y == label] for label in labels]
    found = []
    for a, b in combinations(range(len(labels)), 2):
        right = (of_label[a][:, a] < of_label[a][:, b]).sum() + (of_label[b][:, b] < of_label[b][:, a]).sum()
        found.append(2 * right / (len(of_label[a]) + len(of_label[b])) - 1)
    return np.array(found)


def is_probed(Z_train: Array, y_train: Array, Z: Array, y: Array) -> Array:
    """Which points a logistic regression on standardised codes of the training points labels right, (m,).

    Args:
        Z_train: codes (n, d) with labels y_train (n,), at least two of them. Z: codes (m, d) with labels y (m,).
    """
    from sklearn.linear_model import LogisticRegression

    mean, spread = Z_train.mean(axis=0, dtype=np.float64), Z_train.std(axis=0, dtype=np.float64)
    spread = np.where(spread > 0, spread, 1)
    model = LogisticRegression(max_iter=1_000).fit((Z_train - mean) / spread, y_train)
    found: Array = model.predict((Z - mean) / spread) == y
    return found


def _distances(points: Array, others: Array) -> Array:
    from scipy.spatial.distance import cdist

    return cdist(points, others)
