"""Metrics of pairwise distances: between points, along the manifold, by a proxy."""

from __future__ import annotations

import numpy as np

from metrics import density, distances
from metrics.influence import of_pairs, of_stress, of_summed_stress
from metrics.metric import Metric, Scores
from metrics.view import NotApplicableError, View

Array = np.ndarray

# Of the density's kernel, in units of the largest distance, squared.
_WIDTH = 0.1


def _stress(view: View) -> float:
    return distances.stress_of(view.reference, view.latent_points, view.pair_sums)


def _stress_by_point(view: View) -> Array:
    """The score with each point's influence on it, through the pairs that it is part of."""
    return of_summed_stress(_stress(view), view.pair_sums)


def _density_kl(view: View) -> float:
    reference = view.reference
    of_z = density.densities(view.latent_points, reference.pairs, _WIDTH)
    return density.divergence(reference.densities(_WIDTH), of_z)


def _procrustes(view: View) -> float:
    intrinsic = view.data.intrinsic[view.rows]
    if (view.Z[0] == view.Z).all() or (intrinsic == intrinsic[0]).all():
        raise NotApplicableError("all codes are alike")
    return distances.procrustes(intrinsic, view.Z)


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
    "stress", _stress, "lower", frozenset({"spread"}), least_rows={"scored": 3},
    about="scale-normalised stress of pairwise distances, [0, 1] (Smelser et al. 2024)", by_point=_stress_by_point,
    influence=True, version=2,
)  # fmt: skip
non_metric_stress = Metric(
    "non_metric_stress", lambda view: distances.non_metric_stress(view.reference, view.latent_points), "lower",
    frozenset({"spread"}), least_rows={"scored": 3},
    about="how far latent distances are from a monotone function of the data's, [0, 1] (Kruskal 1964)",
)  # fmt: skip
distance_pearson = Metric(
    "distance_pearson", lambda view: view.pair_sums.correlation, "higher", frozenset({"spread"}),
    least_rows={"scored": 3}, about="linear correlation of pairwise distances, [-1, 1], chance 0",
)  # fmt: skip
distance_spearman = Metric(
    "distance_spearman", lambda view: distances.distance_spearman(view.reference, view.latent_points), "higher",
    frozenset({"spread"}),
    least_rows={"scored": 3}, about="rank correlation of pairwise distances, [-1, 1], chance 0", version=2,
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
density_kl = Metric(
    "density_kl", _density_kl, "lower", frozenset({"spread"}), least_rows={"scored": 3},
    about="KL divergence of densities (width 0.1) in the embedding from those in the data, [0, inf) (Moor et al. 2020)",
)  # fmt: skip
procrustes = Metric(
    "procrustes", _procrustes, "lower", frozenset({"intrinsic"}), least_rows={"scored": 3},
    about="what no rotation, shift and scale of the code explains of the true coordinates, [0, 1]",
)  # fmt: skip
