"""Every metric of the panel against its definition or another library, and where it has no value."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import isotonic_regression
from scipy.spatial import procrustes as scipys_procrustes
from scipy.spatial.distance import pdist, squareform
from scipy.stats import pearsonr, spearmanr
from sklearn.manifold import trustworthiness as sklearns_trustworthiness
from sklearn.metrics import silhouette_samples

from metrics import distances, influence, labels, pairs
from metrics.coranking import coranking
from metrics.density import densities, divergence
from metrics.distortion import condition_numbers
from metrics.local_linear import local_metrics
from metrics.neighbors import neighbourhood_counts
from metrics.pairs import Pairs, pair_sums
from metrics.products import points_of
from metrics.reference import Reference

N = 60


def cloud(n: int = N, d: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


@pytest.fixture(params=["random", "ties"])
def spaces(request):
    X = cloud()
    Z = X[:, :2] + 0.3 * cloud(d=2, seed=1)
    if request.param == "ties":
        # On a binary grid distances are exact in either computation; duplicates too.
        X, Z = np.round(2 * X) / 2, np.round(2 * Z) / 2
        X[3], Z[7] = X[5], Z[9]
    return X, Z


def ranks(points: np.ndarray) -> np.ndarray:
    d = squareform(pdist(points))
    np.fill_diagonal(d, -1)
    return d.argsort(axis=1, kind="stable").argsort(axis=1)


def test_curves_are_those_of_the_definitions_at_every_size(spaces):
    X, Z = spaces
    found, (r_x, r_z) = coranking(X, Z, ks=[5]), map(ranks, spaces)
    others = ~np.eye(N, dtype=bool)
    for K in range(1, N - 1):
        in_x, in_z = (r_x <= K) & others, (r_z <= K) & others
        kept = (in_x & in_z).sum() / (N * K)
        worst = N * sum(abs(N - 2 * t + 1) / t for t in range(1, K + 1))
        assert found.kept[K - 1] == pytest.approx(kept)
        assert found.local_continuity[K - 1] == pytest.approx(kept - K / (N - 1))
        gap = np.abs(r_x - r_z)
        assert found.false_error[K - 1] == pytest.approx((gap[in_z] / r_z[in_z]).sum() / worst)
        assert found.missing_error[K - 1] == pytest.approx((gap[in_x] / r_x[in_x]).sum() / worst)
        if N / 2 > K:
            scale = 2 / (N * K * (2 * N - 3 * K - 1))
            assert found.trustworthiness[K - 1] == pytest.approx(1 - scale * np.maximum(0, r_x - K)[in_z].sum())
            assert found.continuity[K - 1] == pytest.approx(1 - scale * np.maximum(0, r_z - K)[in_x].sum())
        else:
            assert np.isnan(found.trustworthiness[K - 1])
    assert found.relative_errors(5)[0].mean() == pytest.approx(found.false_error[4])
    assert found.relative_errors(5)[1].mean() == pytest.approx(found.missing_error[4])


def test_by_point_it_is_the_pass_over_one_size(spaces):
    found = coranking(*spaces, ks=[3, 10, 29])
    for k in (3, 10, 29):
        one, other = found.counts(k), neighbourhood_counts(*spaces, k)
        for name in ("shared", "intrusions", "extrusions"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert one.scores == other.scores


def test_it_agrees_with_scikit_learn_and_scipy_without_ties():
    X, Z = cloud(), cloud(d=2, seed=3)
    found = coranking(X, Z)
    assert found.trustworthiness[9] == pytest.approx(sklearns_trustworthiness(X, Z, n_neighbors=10), abs=1e-12)
    assert found.continuity[9] == pytest.approx(sklearns_trustworthiness(Z, X, n_neighbors=10), abs=1e-12)
    both = zip(ranks(X), ranks(Z), strict=True)
    by_point = [spearmanr(np.delete(a, i), np.delete(b, i)).statistic for i, (a, b) in enumerate(both)]
    np.testing.assert_allclose(found.rank_correlations, by_point, atol=1e-12)


def test_query_points_have_the_values_that_they_have_among_all(spaces):
    X, Z = spaces
    rows = np.array([2, 11, 30, 59])
    some, every = coranking(Reference(X, rows), Z, [10]), coranking(X, Z, [10])
    np.testing.assert_array_equal(some.counts(10).by_point, np.array(every.counts(10).by_point)[:, rows])
    np.testing.assert_array_equal(some.rank_correlations, every.rank_correlations[rows])


@pytest.mark.parametrize("split", [None, np.array([0, 7, 33])], ids=["all pairs", "query rows"])
def test_pair_statistics_are_those_of_the_pairs(spaces, split):
    X, Z = spaces
    reference = Reference(X, split)
    of = squareform(pdist(X)), squareform(pdist(Z))
    rows = np.arange(N) if split is None else split
    mask = np.triu(np.ones((N, N), bool), 1) if split is None else ~np.eye(N, dtype=bool)
    d_x, d_z = (d[rows][mask[rows]] for d in of)
    a = (d_x @ d_z) / (d_z @ d_z)
    assert distances.stress(reference, Z) == pytest.approx(np.sqrt(((d_x - a * d_z) ** 2).sum() / (d_x @ d_x)))
    assert distances.distance_pearson(reference, Z) == pytest.approx(pearsonr(d_x, d_z).statistic)
    # Ties of distances that are equal but for rounding are those of single precision.
    d_x, d_z = d_x.astype(np.float32), d_z.astype(np.float32)
    assert distances.distance_spearman(reference, Z) == pytest.approx(spearmanr(d_x, d_z).statistic, abs=1e-9)
    order = np.argsort(d_x, kind="stable")
    _, group = np.unique(d_x[order], return_inverse=True)
    means = np.bincount(group, d_z[order]) / np.bincount(group)
    fit = isotonic_regression(means, weights=np.bincount(group)).x[group]
    stress = np.sqrt(((d_z[order] - fit) ** 2).sum() / (d_z.astype(float) ** 2).sum())
    assert distances.non_metric_stress(reference, Z) == pytest.approx(stress, abs=1e-6)


def test_a_monotone_embedding_has_no_non_metric_stress():
    Z = cloud(d=2)
    assert distances.non_metric_stress(Z, 3 * Z) < 1e-7
    assert distances.non_metric_stress(cloud(), Z) > 0.1
    assert np.isnan(distances.non_metric_stress(cloud(), np.ones((N, 2))))


def test_influences_on_the_stress_are_those_of_its_pairs(spaces):
    X, Z = map(points_of, spaces)
    sums = pair_sums(Pairs.of(N).distances(X), Z, Pairs.of(N))
    i, j = np.triu_indices(N, 1)
    expected = influence.of_pairs(sums.stress, influence.of_stress(pdist(X), pdist(Z)), i, j, N)
    np.testing.assert_allclose(influence.of_summed_stress(sums.stress, sums), expected, rtol=1e-9)


def test_ranks_of_many_pairs_do_not_overflow(monkeypatch):
    """Blocks that end within a point's pairs, and more pairs than one block holds."""
    monkeypatch.setattr(pairs, "_BLOCK", 500)
    X, Z = cloud(200), cloud(200, 2, 5)
    assert distances.distance_spearman(X, Z) == pytest.approx(spearmanr(pdist(X), pdist(Z)).statistic, abs=1e-6)


def test_densities_and_their_divergence(spaces):
    X, _ = spaces
    d = squareform(pdist(X))
    kernel = np.exp(-((d / d.max()) ** 2) / 0.1).sum(axis=1)
    np.testing.assert_allclose(densities(X, Pairs.of(N), 0.1), kernel / kernel.sum())
    rows = np.array([1, 40])
    part = np.exp(-((d[rows] / d[rows].max()) ** 2) / 0.1).sum(axis=1)
    np.testing.assert_allclose(densities(X, Pairs.of(N, rows), 0.1), part / part.sum())
    flat = np.full(4, 0.25)
    assert divergence(flat, flat) == 0 and divergence(np.array([0.4, 0.1, 0.25, 0.25]), flat) > 0


def test_procrustes_is_scipys_and_ignores_rotation_and_scale():
    truth, Z = cloud(d=2), cloud(d=2, seed=4)
    assert distances.procrustes(truth, Z) == pytest.approx(scipys_procrustes(truth, Z)[2])
    turned = 3 * truth @ np.linalg.qr(cloud(2, 2, 5))[0] + 7
    assert distances.procrustes(truth, turned) == pytest.approx(0, abs=1e-12)
    assert distances.procrustes(truth[:, :1], turned) < 1 and np.isnan(distances.procrustes(truth, np.ones((N, 2))))


def test_silhouettes_are_scikit_learns():
    Z, y = cloud(), np.random.default_rng(6).integers(0, 4, N)
    expected = silhouette_samples(Z, y)
    np.testing.assert_allclose(labels.silhouettes(Z, y), expected, atol=1e-12)
    rows = np.array([0, 13, 44])
    np.testing.assert_allclose(labels.silhouettes(Z, y, rows), expected[rows], atol=1e-12)
    y[0] = 9
    assert labels.silhouettes(Z, y)[0] == 0
    assert (labels.silhouettes(np.ones((N, 2)), y) == 0).all()


def test_neighbourhood_hit_is_a_share_of_neighbours():
    Z, y = cloud(d=2), np.random.default_rng(7).integers(0, 3, N)
    nearest = ranks(Z)
    expected = [(y[(row <= 8) & (row > 0)] == y[i]).mean() for i, row in enumerate(nearest)]
    np.testing.assert_allclose(labels.neighbourhood_hit(Z, y, 8), expected)


def test_separation_that_was_lost_and_that_was_made_are_told_apart():
    rng = np.random.default_rng(8)
    y = np.repeat([0, 1, 2], 40)
    apart, mixed = rng.normal(size=(120, 3)) + 20 * np.eye(3)[y], rng.normal(size=(120, 2))
    lost, made = labels.label_distortions(apart, mixed, y), labels.label_distortions(mixed, apart, y)
    assert lost[0] < 0.5 and lost[1] == 1 and made[0] == 1 and made[1] < 0.5
    assert labels.label_distortions(apart, apart[:, ::-1] * 5 - 3, y) == (1.0, 1.0)


def test_a_linear_probe_sees_what_is_linear():
    rng = np.random.default_rng(9)
    y = np.repeat([0, 1], 100)
    Z = rng.normal(size=(200, 2)) + 8 * y[:, None]
    train, test = np.arange(0, 200, 2), np.arange(1, 200, 2)
    assert labels.is_probed(Z[train], y[train], Z[test], y[test]).mean() == 1
    angle = rng.uniform(0, 2 * np.pi, 200)
    ring = np.where(y == 0, 1, 5)[:, None] * np.array([np.cos(angle), np.sin(angle)]).T
    assert labels.is_probed(ring[train], y[train], ring[test], y[test]).mean() < 0.8
    assert labels.is_probed(np.ones((100, 2)), y[train], np.ones((100, 2)), y[test]).mean() == 0.5


def test_the_local_metric_of_a_linear_map_is_its_own():
    Z, A = cloud(200, 2), cloud(2, 5, 11)
    G = local_metrics(Z @ A, Z, 10)
    np.testing.assert_allclose(G, np.broadcast_to(A @ A.T, G.shape), rtol=1e-8)
    import torch

    turned = local_metrics(Z @ A, 3 * Z @ np.linalg.qr(cloud(2, 2, 12))[0], 10)
    np.testing.assert_allclose(
        condition_numbers(torch.as_tensor(turned)), condition_numbers(torch.as_tensor(G)), rtol=1e-8
    )


def test_the_same_bits_with_ranks_counted_before(spaces):
    X, Z = spaces
    fresh, kept = Reference(X), Reference(X)
    kept.count_ranks()
    for score in (distances.distance_spearman, lambda r, Z: coranking(r, Z).auc_log_rnx):
        assert score(fresh, Z) == score(kept, Z) == score(X, Z)


def test_the_mean_of_query_points_is_within_its_interval_as_often_as_it_says():
    X = cloud(1_500, 5)
    Z = X[:, :2] + 0.2 * cloud(1_500, 2, 1)
    every = coranking(X, Z, [10]).counts(10).by_point[0]
    truth, inside = every.mean(), 0
    for seed in range(200):
        some = every[np.random.default_rng(seed).choice(1_500, 200, replace=False)]
        half = 1.96 * some.std(ddof=1) * np.sqrt((1 - 200 / 1_500) / 200)
        inside += abs(some.mean() - truth) <= half
    assert 180 <= inside <= 199
