from __future__ import annotations

import numpy as np
import pytest

from metrics.coranking import auc_log_rnx, preservation_curve
from metrics.neighbors import knn_preservation


def cloud(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def by_brute_force(X, Z):
    """Lee et al.'s definitions, one neighbourhood after the other."""
    n = len(X)

    def order(P, i):
        d = ((P - P[i]) ** 2).sum(1)
        return [j for j in np.lexsort((np.arange(n), d)) if j != i]

    in_x, in_z = [order(X, i) for i in range(n)], [order(Z, i) for i in range(n)]
    curve = []
    for K in range(1, n - 1):
        kept = sum(len(set(a[:K]) & set(b[:K])) for a, b in zip(in_x, in_z, strict=True)) / (n * K)
        curve.append(((n - 1) * kept - K) / (n - 1 - K))
    return np.array(curve)


@pytest.mark.parametrize("seed", range(3))
def test_the_curve_is_that_of_the_definition_with_ties_and_duplicates_too(seed):
    # On a binary grid distances are exact in either computation, and ties are ties.
    X = np.round(4 * cloud(40, 3, seed)) / 4
    X[5], X[7] = X[0], X[0]
    Z = np.round(4 * X[:, :2] + cloud(40, 2, seed + 10)) / 4
    np.testing.assert_allclose(preservation_curve(X, Z), by_brute_force(X, Z), atol=1e-12)


def test_it_agrees_with_knn_preservation_at_every_k():
    X = cloud(60, 4)
    Z = X[:, :2]
    curve = preservation_curve(X, Z)
    for k in (1, 5, 20):
        kept = knn_preservation(X, Z, k)
        assert curve[k - 1] == pytest.approx((59 * kept - k) / (59 - k))


def test_the_same_points_keep_everything_and_a_random_embedding_nothing():
    X = cloud(300, 5)
    assert auc_log_rnx(X, X) == pytest.approx(1)
    assert abs(auc_log_rnx(X, cloud(300, 2, seed=9))) < 0.03


def test_rotation_scale_shift_and_order_do_not_matter():
    X = cloud(80, 3)
    Z = X[:, :2] + 0.1 * cloud(80, 2, seed=1)
    rotation, _ = np.linalg.qr(cloud(2, 2, seed=2))
    order = np.random.default_rng(3).permutation(80)
    value = auc_log_rnx(X, Z)
    assert auc_log_rnx(X, 7 * Z @ rotation + 5) == pytest.approx(value, abs=1e-9)
    assert auc_log_rnx(X[order], Z[order]) == pytest.approx(value, abs=1e-9)


def test_blocks_of_rows_change_nothing(monkeypatch):
    X, Z = cloud(50, 3), cloud(50, 2, seed=1)
    whole = preservation_curve(X, Z)
    monkeypatch.setattr("metrics.neighbors._BLOCK_ELEMENTS", 150)
    np.testing.assert_array_equal(preservation_curve(X, Z), whole)


def test_clouds_of_different_length_are_refused():
    with pytest.raises(ValueError, match="got 5 and 4"):
        auc_log_rnx(cloud(5, 2), cloud(4, 2))
    with pytest.raises(ValueError, match="at least 3"):
        auc_log_rnx(cloud(2, 2), cloud(2, 2))
