"""Where a decoder ought to be unsure of itself: latent points away from the data."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def off_the_data(Z: Array, n: int = 2_000, seed: int = 0) -> Array:
    """n latent points (n, d), float32, around and between the training codes Z (m, d), but not among them.

    Uniform in the codes' bounding box, grown by half its width on every side, without those that are nearer to a
    code than 99 % of the codes are to their nearest other one.
    """
    from sklearn.neighbors import NearestNeighbors

    neighbours = NearestNeighbors(n_neighbors=2).fit(Z)
    reach = np.quantile(neighbours.kneighbors(Z)[0][:, 1], 0.99)
    low, high = Z.min(axis=0), Z.max(axis=0)
    width = np.maximum(high - low, np.finfo(np.float32).tiny)
    rng = np.random.default_rng(seed)
    drawn = rng.uniform(low - width / 2, high + width / 2, size=(n, Z.shape[1])).astype(np.float32)
    away = neighbours.kneighbors(drawn, n_neighbors=1)[0][:, 0]
    kept = drawn[away > reach]
    return kept if len(kept) else drawn
