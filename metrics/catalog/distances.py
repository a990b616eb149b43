"""Metrics of pairwise distances: between points, along the manifold, by a proxy."""

from __future__ import annotations

import numpy as np

from metrics import distances
from metrics.metric import Metric, Scores
from metrics.view import View


def _geodesic_stress(view: View) -> float:
    i, j = view.pairs
    exact = view.data.geodesic(view.rows[i], view.rows[j])
    Z = view.Z.astype(np.float64)
    return distances.normalised_stress(exact, np.linalg.norm(Z[i] - Z[j], axis=1))


def _proxy_spearman(view: View) -> Scores:
    assert view.proxy_features is not None
    i, j = view.pairs
    proxy = np.asarray(view.proxy_features(view.X), dtype=np.float64)
    Z = view.Z.astype(np.float64)
    latent, wanted = np.linalg.norm(Z[i] - Z[j], axis=1), np.linalg.norm(proxy[i] - proxy[j], axis=1)
    return {"": distances.spearman(wanted, latent), "_pearson": float(np.corrcoef(wanted, latent)[0, 1])}


stress = Metric(
    "stress", lambda view: distances.stress(view.X, view.Z), "lower", frozenset({"spread"}), least_rows={"scored": 3},
    about="scale-normalised stress of pairwise distances, [0, 1] (Smelser et al. 2024)",
)  # fmt: skip
distance_spearman = Metric(
    "distance_spearman", lambda view: distances.distance_spearman(view.X, view.Z), "higher", frozenset({"spread"}),
    least_rows={"scored": 3}, about="rank correlation of pairwise distances, [-1, 1]",
)  # fmt: skip
geodesic_stress = Metric(
    "geodesic_stress", _geodesic_stress, "lower", frozenset({"geodesic", "spread"}), least_rows={"scored": 3},
    about="scale-normalised stress of latent distances against exact manifold geodesics, [0, 1]",
)  # fmt: skip
proxy_spearman = Metric(
    "proxy_spearman", _proxy_spearman, "higher", frozenset({"proxy"}), least_rows={"scored": 3},
    about="rank correlation of latent distances with the method's own proxy distances, [-1, 1]; _pearson",
)  # fmt: skip
