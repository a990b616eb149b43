"""Rank metrics beside scikit-learn's. Run with `make benchmarks`; nothing here asserts a time."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from metrics.neighbors import neighbourhood_scores
from metrics.reference import warm_up


@pytest.fixture(scope="module")
def clouds():
    rng = np.random.default_rng(0)
    warm_up()
    X = rng.normal(size=(2_000, 50))
    return X, X[:, :2] + 0.1 * rng.normal(size=(2_000, 2))


def test_neighbourhood_scores(benchmark, clouds):
    benchmark(neighbourhood_scores, *clouds, 10)


def test_scikit_learn_in_both_directions(benchmark, clouds):
    X, Z = clouds
    benchmark(lambda: (trustworthiness(X, Z, n_neighbors=10), trustworthiness(Z, X, n_neighbors=10)))
