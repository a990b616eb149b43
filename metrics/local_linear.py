"""The metric of an embedding without a decoder: by the best linear map of each point's neighbourhood."""

from __future__ import annotations

import numpy as np

Array = np.ndarray

_BLOCK = 4_000_000


def local_metrics(X: Array, Z: Array, k: int) -> Array:
    """A A^T at each point, A the linear map that takes its k neighbours' codes to their data best, about their means.

    Args:
        X: data (n, n_features). Z: their embedding (n, d). k: neighbours in Z, more than d.

    Returns:
        (n, d, d): an estimate of the pullback metric of whatever decoder the embedding has.
    """
    from sklearn.neighbors import NearestNeighbors

    nearest = NearestNeighbors(n_neighbors=k).fit(Z).kneighbors(return_distance=False)
    own = np.arange(len(Z))[:, None]
    nearest = np.concatenate([own, nearest], axis=1)
    parts = np.array_split(nearest, max(1, nearest.size * X.shape[1] // _BLOCK))
    return np.concatenate([_of_neighbours(X[part].astype(np.float64), Z[part].astype(np.float64)) for part in parts])


def _of_neighbours(X: Array, Z: Array) -> Array:
    """(m, k, D) and (m, k, d) -> (m, d, d)."""
    X -= X.mean(axis=1, keepdims=True)
    Z -= Z.mean(axis=1, keepdims=True)
    A = np.linalg.pinv(Z) @ X
    found: Array = A @ A.transpose(0, 2, 1)
    return found
