"""What a metric may see of a method, and the rows that scoring makes of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.decomposition import PCA as SklearnPCA

from bench.running.common_decoders import floor_of_conditions
from bench.running.fitted import observe
from bench.running.scoring import by_point, explained_variance, score
from bench.suite.data import DatasetSpec
from datasets.base import Data
from datasets.manifolds import SCurve
from methods.ensemble_vae import EnsembleVAE
from methods.metric_vae import MetricVAE
from methods.pca import PCA
from metrics.catalog.curves import curve_rms, order_score
from metrics.catalog.decoding import reconstruction_mse, uncertainty_ratio
from metrics.catalog.distances import proxy_spearman, stress
from metrics.catalog.geodesics import geodesic_cv
from metrics.catalog.geometry import mcn, relaxed_distortion
from metrics.catalog.labels import knn_accuracy
from metrics.catalog.neighbourhoods import auc_log_rnx, knn_preservation
from metrics.distances import spearman
from metrics.metric import with_k


@pytest.fixture(scope="module")
def data():
    return SCurve(n=120).load()


class Named:
    """A third party's method whose hyperparameters happen to have the names of abilities."""

    def __init__(self, deviation: float = 0.5, proxy_features: str = "x") -> None:
        self.deviation, self.proxy_features = deviation, proxy_features

    def encode(self, X):
        return X[:, :2]


def rows(method, data, *metrics, split="test"):
    found = score([observe(method, data, split).view(data)], [(metric.name, metric) for metric in metrics])
    return {row.metric: row for row in found}


def test_a_hyperparameter_is_not_taken_for_an_ability(data):
    found = rows(Named(), data, uncertainty_ratio, proxy_spearman)
    assert [row.status for row in found.values()] == ["n/a", "n/a"]


def test_uncertainty_on_and_off_the_data_is_the_methods_own(data):
    method = EnsembleVAE(n_members=3, epochs=20).fit(data.X[data.train])
    found = rows(method, data, uncertainty_ratio)
    on = method.deviation(method.encode(data.X[data.test])).mean()
    assert found["uncertainty_ratio_on"].value == pytest.approx(on, rel=1e-5)
    ratio = found["uncertainty_ratio_off"].value / found["uncertainty_ratio_on"].value
    assert found["uncertainty_ratio"].value == pytest.approx(ratio)
    # It ought to grow away from the data, and to be small on them.
    assert (found["uncertainty_ratio"].better, found["uncertainty_ratio_on"].better) == ("higher", "lower")


def test_proxy_scores_are_correlations_of_held_out_distances(data):
    method = MetricVAE(epochs=3, hidden=[8], proxy=lambda X: X[:, :1]).fit(data.X[data.train])
    found = rows(method, data, proxy_spearman)
    X = data.X[data.test]
    i, j = np.triu_indices(len(X), 1)
    Z = method.encode(X).astype(float)
    latent, proxy = np.linalg.norm(Z[i] - Z[j], axis=1), np.abs(X[i, 0] - X[j, 0]).astype(float)
    assert found["proxy_spearman"].value == pytest.approx(spearman(proxy, latent), rel=1e-6)
    assert found["proxy_spearman_pearson"].value == pytest.approx(np.corrcoef(proxy, latent)[0, 1], rel=1e-4)


def test_a_proxy_that_is_known_for_given_rows_only_is_not_applicable(data):
    X = data.X[data.train]
    method = MetricVAE(epochs=2, hidden=[8], proxy="features").fit(X, X[:, :2])
    row = rows(method, data, proxy_spearman)["proxy_spearman"]
    assert row.status == "n/a" and "rows that were given" in row.reason


def test_the_true_curve_is_that_of_the_test_points():
    from datasets.curves import SinCurve

    data = SinCurve().load()

    class Line:
        def encode(self, X):
            return X[:, :1]

        def decode(self, Z):
            return np.column_stack([Z[:, 0], np.sin(Z[:, 0])])

    assert rows(Line(), data, curve_rms)["curve_rms"].value < 0.05
    found = rows(Line(), data, curve_rms, order_score, split="validation")
    assert found["curve_rms"].status == "n/a" and "test points" in found["curve_rms"].reason
    assert found["order_score"].status == "ok"


def test_what_a_split_is_too_small_or_too_even_for_is_not_applicable():
    X = np.random.default_rng(0).normal(size=(60, 3))
    X[40:] = 1.0
    split = {"train": np.arange(30), "validation": np.arange(30, 40), "test": np.arange(40, 60)}
    wanted = [knn_preservation, with_k(knn_preservation, 5), stress, auc_log_rnx]
    even = rows(Named(), Data(X, **split), *wanted)
    assert {row.status for row in even.values()} == {"n/a"}
    assert even["stress"].reason == even["knn_preservation_k5"].reason == "the scored rows are all alike"
    X[40:] += np.arange(20)[:, None]
    found = rows(Named(), Data(X, **split), *wanted)
    assert found["knn_preservation"].reason == "needs 21 scored rows, there are 20"
    assert found["knn_preservation_k5"].value is not None and found["stress"].value is not None


def test_labels_of_too_few_training_rows_tell_nothing():
    X = np.random.default_rng(0).normal(size=(12, 3))
    found = rows(Named(), Data(X, y=np.arange(12) % 2), knn_accuracy, with_k(knn_accuracy, 3))
    assert found["knn_accuracy"].reason == "needs 11 train rows, there are 8"
    assert 0 <= found["knn_accuracy_k3"].value <= 1


def test_what_follows_from_the_form_of_a_method_says_so_and_keeps_its_value(data):
    linear = PCA().fit(data.X[data.train])
    found = rows(linear, data, mcn, relaxed_distortion, reconstruction_mse)
    assert found["mcn"].status == "by construction" and found["mcn"].value == pytest.approx(1)
    assert "affine" in found["mcn"].reason and found["mcn_median"].status == "by construction"
    assert found["reconstruction_mse"].status == "ok"
    curved = EnsembleVAE(n_members=2, epochs=5).fit(data.X[data.train])
    assert rows(curved, data, mcn)["mcn"].status == "ok"


def test_a_spread_over_seeds_that_do_not_matter_is_by_construction(data):
    views = [observe(PCA().fit(data.X[data.train]), data, "test").view(data) for _ in range(2)]
    found = {row.metric: row for row in score(views, [("geodesic_cv", geodesic_cv)])}
    assert found["geodesic_cv"].status == "by construction" and "same for every seed" in found["geodesic_cv"].reason


def test_scores_by_point_are_kept_where_they_are_the_scores(data):
    view = observe(PCA().fit(data.X[data.train]), data, "test").view(data)
    wrong = replace(stress, name="wrong", by_point=lambda view: np.zeros(len(view.X)))
    broken = replace(stress, name="broken", by_point=lambda view: 1 / 0)
    metrics = [(metric.name, metric) for metric in (stress, with_k(knn_preservation, 5), wrong, broken, auc_log_rnx)]
    scores = score([view], metrics)
    found = by_point(view, metrics, scores)
    assert set(found) == {"stress.influence", "knn_preservation_k5"}
    for name, values in found.items():
        assert values.shape == (len(data.test),)
        assert values.mean() == pytest.approx(next(row.value for row in scores if row.metric == name.partition(".")[0]))


def test_explained_variance_is_that_of_the_principal_components(data):
    linear = PCA().fit(data.X[data.train])
    seen = observe(linear, data, "train").view(data)
    share = SklearnPCA(2).fit(data.X[data.train]).explained_variance_ratio_.sum()
    geometry = [("mcn", mcn)]
    assert explained_variance(seen, geometry) == pytest.approx(share, rel=1e-5)
    assert explained_variance(seen, [("stress", stress)]) is None
    assert explained_variance(observe(Named(), data, "test").view(data), geometry) is None


def test_the_floor_of_the_common_decoder_is_just_above_what_a_plane_has():
    spec, data = DatasetSpec("s", "s", {}, "", None), SCurve(n=200).load()
    floor = floor_of_conditions(data, spec, "test", 2, "cpu")
    assert floor is not None and 1 < floor < 1.05
    assert floor_of_conditions(data, spec, "test", 4, "cpu") is None
