"""Metrics of pairwise distances: between points, along the manifold, by a proxy."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import pdist

from metrics import distances
from metrics.influence import of_pairs, of_stress
from metrics.metric import Metric, Scores
from metrics.view import NotApplicableError, View

Array = np.ndarray


def _stress_by_point(view: View) -> Array:
    n = len(view.X)
    if n > distances.ALL_PAIRS_UP_TO:
        raise NotApplicableError(f"of more than {distances.ALL_PAIRS_UP_TO:,} rows not all pairs are scored")
    return _stress_of_pairs(view, pdist(view.X.astype(np.float64)), *np.triu_indices(n, 1))


def _geodesic_stress(view: View) -> float:
    i, j = view.pairs
    return distances.normalised_stress(_exact(view), _latent_distances(view, i, j))


def _geodesic_stress_by_point(view: View) -> Array:
    return _stress_of_pairs(view, _exact(view), *view.pairs)


def _stress_of_pairs(view: View, reference: Array, i: Array, j: Array) -> Array:
    embedded = _latent_distances(view, i, j)
    score = distances.normalised_stress(reference, embedded)
    return of_pairs(score, of_stress(reference, embedded), i, j, len(view.rows))


def _exact(view: View) -> Array:
    i, j = view.pairs
    return np.asarray(view.data.geodesic(view.rows[i], view.rows[j]), dtype=np.float64)


def _latent_distances(view: View, i: Array, j: Array) -> Array:
    Z = view.Z.astype(np.float64)
    return np.linalg.norm(Z[i] - Z[j], axis=1)


def _proxy_spearman(view: View) -> Scores:
    assert view.proxy_features is not None
    i, j = view.pairs
    proxy = np.asarray(view.proxy_features(view.X), dtype=np.float64)
    latent, wanted = _latent_distances(view, i, j), np.linalg.norm(proxy[i] - proxy[j], axis=1)
    return {"": distances.spearman(wanted, latent), "_pearson": float(np.corrcoef(wanted, latent)[0, 1])}


stress = Metric(
    "stress", lambda view: distances.stress(view.X, view.Z), "lower", frozenset({"spread"}), least_rows={"scored": 3},
    about="scale-normalised stress of pairwise distances, [0, 1] (Smelser et al. 2024)", by_point=_stress_by_point,
    influence=True,
)  # fmt: skip
distance_spearman = Metric(
    "distance_spearman", lambda view: distances.distance_spearman(view.X, view.Z), "higher", frozenset({"spread"}),
    least_rows={"scored": 3}, about="rank correlation of pairwise distances, [-1, 1]",
)  # fmt: skip
geodesic_stress = Metric(
    "geodesic_stress", _geodesic_stress, "lower", frozenset({"geodesic", "spread"}), least_rows={"scored": 3},
    about="scale-normalised stress of latent distances against exact manifold geodesics, [0, 1]",
    by_point=_geodesic_stress_by_point, influence=True,
)  # fmt: skip
proxy_spearman = Metric(
    "proxy_spearman", _proxy_spearman, "higher", frozenset({"proxy"}), least_rows={"scored": 3},
    about="rank correlation of latent distances with the method's own proxy distances, [-1, 1]; _pearson",
)  # fmt: skip
