"""Scores by point: their mean is the score, and their standard error is that of a jackknife."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist

from metrics.catalog.decoding import explained_variance, reconstruction_mse
from metrics.catalog.distances import stress
from metrics.catalog.geometry import mcn, metric_variance, relaxed_distortion, var_log_det
from metrics.catalog.labels import knn_accuracy
from metrics.catalog.neighbourhoods import continuity, knn_preservation, trustworthiness
from metrics.distances import normalised_stress
from metrics.influence import of_pairs, of_ratio, of_stress, of_variance
from metrics.metric import with_k
from metrics.view import View

N = 80


class Drawn:
    """A data set of N test rows, of which some may be left out."""

    def __init__(self, kept: np.ndarray) -> None:
        rng = np.random.default_rng(0)
        t = rng.normal(size=(2 * N, 2))
        X = np.c_[t, 0.3 * t**2, 0.1 * rng.normal(size=(2 * N, 1))].astype(np.float32)
        self.y = (t[:, 0] > 0).astype(int)
        self.train, self.test = np.arange(N, 2 * N), kept
        self.X, self.Z = X, (t + 0.2 * rng.normal(size=t.shape)).astype(np.float32)

    def rows(self, split: str) -> np.ndarray:
        return self.train if split == "train" else self.test


def view(kept: np.ndarray | None = None) -> View:
    data = Drawn(np.arange(N) if kept is None else kept)
    torch.manual_seed(0)
    decoder = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 5)).double()

    def decode(Z: np.ndarray) -> np.ndarray:
        return np.c_[Z, 0.2 * Z**2, 0 * Z[:, :1]]

    Z = data.Z[data.test]
    return View(data, "test", Z, data.Z[data.train], decode, (decoder,), lambda: decoder)


def headline(metric, seen: View) -> float:
    found = metric.compute(seen)
    return found if isinstance(found, float) else found[""]


MEANS = [knn_preservation, with_k(trustworthiness, 5), continuity, knn_accuracy, reconstruction_mse, mcn]
SMOOTH = [explained_variance, relaxed_distortion, metric_variance, var_log_det, stress]


@pytest.mark.parametrize("metric", MEANS + SMOOTH, ids=lambda metric: metric.name)
def test_the_mean_over_points_is_the_score(metric):
    seen = view()
    values = metric.by_point(seen)
    assert values.shape == (N,) and values.mean() == pytest.approx(headline(metric, seen), rel=1e-9)


def test_values_that_are_no_scores_of_points_are_marked():
    assert all(metric.influence for metric in SMOOTH) and not any(metric.influence for metric in MEANS)


@pytest.mark.parametrize("metric", SMOOTH, ids=lambda metric: metric.name)
def test_the_standard_error_is_that_of_the_jackknife(metric):
    left_out = np.array([headline(metric, view(np.delete(np.arange(N), i))) for i in range(N)])
    jackknife = np.sqrt((N - 1) / N * np.square(left_out - left_out.mean()).sum())
    by_point = metric.by_point(view()).std(ddof=1) / np.sqrt(N)
    assert by_point == pytest.approx(jackknife, rel=0.15)


def test_a_ratio_and_a_variance_by_hand():
    a, b = np.array([1.0, 2.0, 6.0]), np.array([1.0, 1.0, 4.0])
    assert of_ratio(a, b).mean() == pytest.approx(1.5)
    assert of_ratio(2 * b, b) == pytest.approx(np.full(3, 2.0))
    assert of_variance(a).mean() == pytest.approx(a.var(ddof=1))


def test_influences_of_pairs_sum_to_nothing_and_a_perfect_embedding_has_none():
    rng = np.random.default_rng(0)
    X, Z = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    d_x, d_z = pdist(X), pdist(Z)
    assert of_stress(d_x, d_z).sum() == pytest.approx(0, abs=1e-9)
    assert not of_stress(d_x, 3 * d_x).any()
    i, j = np.triu_indices(20, 1)
    score = normalised_stress(d_x, d_z)
    assert of_pairs(score, of_stress(d_x, d_z), i, j, 20).mean() == pytest.approx(score)
