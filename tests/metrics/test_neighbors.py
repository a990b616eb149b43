from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.manifold import trustworthiness as sklearn_trustworthiness
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from metrics.neighbors import (
    continuity,
    knn_preservation,
    leave_one_out_accuracy,
    nearest_neighbours,
    neighbourhood_counts,
    neighbourhood_scores,
    trustworthiness,
)


def cloud(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


def by_definition(X: np.ndarray, Z: np.ndarray, k: int) -> tuple[float, float, float]:
    """The three scores from their formulas, with full rank matrices and ties by row number."""

    def ranks(points: np.ndarray) -> np.ndarray:
        squared = ((points[:, None].astype(float) - points[None]) ** 2).sum(-1)
        rank = np.zeros(squared.shape, dtype=int)
        for i in range(len(points)):
            others = [j for j in range(len(points)) if j != i]
            for place, j in enumerate(sorted(others, key=lambda j: (squared[i, j], j)), start=1):
                rank[i, j] = place
        return rank

    n, r_x, r_z = len(X), ranks(X), ranks(Z)
    in_x, in_z = (r_x >= 1) & (r_x <= k), (r_z >= 1) & (r_z <= k)
    scale = 2 / (n * k * (2 * n - 3 * k - 1))
    return (
        (in_x & in_z).sum() / (n * k),
        1 - scale * (r_x[in_z & ~in_x] - k).sum(),
        1 - scale * (r_z[in_x & ~in_z] - k).sum(),
    )


@pytest.mark.parametrize("k", [1, 2, 5, 10, 19])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_the_definition(k, seed):
    X, Z = cloud(40, 5, seed), cloud(40, 2, seed + 10)
    assert neighbourhood_scores(X, Z, k) == pytest.approx(by_definition(X, Z, k), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_the_definition_where_there_are_ties_and_duplicates(seed):
    rng = np.random.default_rng(seed)
    X, Z = rng.integers(0, 3, (40, 3)), rng.integers(0, 4, (40, 2))
    assert neighbourhood_scores(X, Z, 5) == pytest.approx(by_definition(X, Z, 5), abs=1e-12)


def test_agrees_with_scikit_learn():
    X, Z = cloud(300, 8), cloud(300, 2, 1)
    for k in (1, 5, 30):
        assert trustworthiness(X, Z, k) == pytest.approx(sklearn_trustworthiness(X, Z, n_neighbors=k), abs=1e-12)
        assert continuity(X, Z, k) == pytest.approx(sklearn_trustworthiness(Z, X, n_neighbors=k), abs=1e-12)


def test_neighbours_agree_with_scikit_learn_across_blocks(monkeypatch):
    monkeypatch.setattr("metrics.neighbors._BLOCK_ELEMENTS", 1_000)
    X = cloud(150, 4)
    expected = NearestNeighbors(n_neighbors=7).fit(X).kneighbors(return_distance=False)
    np.testing.assert_array_equal(nearest_neighbours(X, 7), expected)


def test_scores_are_the_same_in_blocks_of_which_the_last_is_smaller(monkeypatch):
    rng = np.random.default_rng(0)
    X, Z = rng.integers(0, 3, (150, 3)), rng.integers(0, 4, (150, 2))
    whole = neighbourhood_counts(X, Z, 5)
    monkeypatch.setattr("metrics.neighbors._BLOCK_ROWS", 40)
    for one, other in zip(whole, neighbourhood_counts(X, Z, 5), strict=True):
        np.testing.assert_array_equal(one, other)
    assert whole.scores == pytest.approx(by_definition(X, Z, 5), abs=1e-12)


def test_identity_is_perfect_and_chance_is_chance():
    X = cloud(400, 6)
    assert neighbourhood_scores(X, X, 10) == (1.0, 1.0, 1.0)
    shuffled = cloud(400, 2, 9)
    assert knn_preservation(X, shuffled, 10) == pytest.approx(10 / 399, abs=0.01)
    assert trustworthiness(X, shuffled, 10) == pytest.approx(0.5, abs=0.05)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    scale=st.floats(1e-3, 1e3),
    shift=st.floats(-1e4, 1e4),
    angle=st.floats(0, 6.3),
)
def test_rotation_scale_shift_and_order_do_not_matter(seed, scale, shift, angle):
    X, Z = cloud(60, 4, seed), cloud(60, 2, seed + 1)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    expected = neighbourhood_scores(X, Z, 6)
    assert neighbourhood_scores(X, scale * Z @ rotation + shift, 6) == pytest.approx(expected, abs=1e-9)
    order = np.random.default_rng(seed).permutation(60)
    assert neighbourhood_scores(X[order], Z[order], 6) == pytest.approx(expected, abs=1e-12)


def test_a_collapsed_embedding_scores_like_chance_and_does_not_fail():
    scores = neighbourhood_scores(cloud(100, 3), np.zeros((100, 2)), 10)
    assert 0.3 < scores.trustworthiness < 0.7


@pytest.mark.parametrize("k", [0, 20, 40])
def test_k_out_of_range_is_refused(k):
    with pytest.raises(ValueError, match="k must lie"):
        knn_preservation(cloud(40, 3), cloud(40, 2), k)


def test_leave_one_out_accuracy_is_that_of_single_fits():
    Z, y = cloud(40, 2), np.random.default_rng(5).integers(0, 3, 40)
    hits = [
        KNeighborsClassifier(5).fit(np.delete(Z, i, 0), np.delete(y, i)).predict(Z[i : i + 1])[0] == y[i]
        for i in range(40)
    ]
    assert leave_one_out_accuracy(Z, y, 5) == pytest.approx(np.mean(hits))
