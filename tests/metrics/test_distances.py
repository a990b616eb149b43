from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from metrics import pairs
from metrics.distances import distance_spearman, stress


def cloud(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


def test_stress_is_the_smallest_over_all_scales():
    X, Z = cloud(50, 5), cloud(50, 2, 1)
    d_x, d_z = pdist(X), pdist(Z)

    def at_scale(a: float) -> float:
        return float(np.sqrt(((d_x - a * d_z) ** 2).sum() / (d_x**2).sum()))

    assert stress(X, Z) == pytest.approx(minimize_scalar(at_scale, bounds=(0, 100), method="bounded").fun, abs=1e-6)


def test_spearman_agrees_with_scipy():
    X, Z = cloud(60, 5), cloud(60, 2, 1)
    assert distance_spearman(X, Z) == pytest.approx(spearmanr(pdist(X), pdist(Z)).statistic, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 100), scale=st.floats(1e-4, 1e4), shift=st.floats(-100, 100))
def test_scale_and_shift_do_not_matter(seed, scale, shift):
    X, Z = cloud(30, 4, seed), cloud(30, 2, seed + 1)
    assert stress(X, scale * Z + shift) == pytest.approx(stress(X, Z), abs=1e-6)
    assert distance_spearman(X, scale * Z) == pytest.approx(distance_spearman(X, Z), abs=1e-9)


def test_an_isometry_has_no_stress():
    Z = cloud(80, 2)
    X = Z @ np.linalg.qr(cloud(7, 7, 3))[0][:2]
    assert stress(X, 5 * Z) < 1e-12
    assert distance_spearman(X, Z) == pytest.approx(1.0)


def test_a_collapsed_embedding_is_nan():
    assert np.isnan(stress(cloud(20, 3), np.ones((20, 2))))
    assert np.isnan(distance_spearman(cloud(20, 3), np.ones((20, 2))))


def test_sampled_rows_estimate_the_score_of_all_pairs(monkeypatch):
    X, Z = cloud(1500, 5), cloud(1500, 5)[:, :2]
    exact = stress(X, Z), distance_spearman(X, Z)
    monkeypatch.setattr(pairs, "ALL_PAIRS_UP_TO", 1000)
    monkeypatch.setattr(pairs, "QUERY_ROWS", 300)
    assert (stress(X, Z), distance_spearman(X, Z)) == pytest.approx(exact, abs=0.01)
