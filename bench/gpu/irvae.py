"""The IRVAE whose training is timed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from bench.gpu.plain_loops import BATCH
from methods.base import Array
from methods.irvae import IRVAE

DEPTH = 4


def data(n_features: int, batches: int) -> tuple[Array, Array]:
    """Uniform numbers: rows for so many batches, and as many to validate on as one batch has."""
    X = np.random.default_rng(0).random(((batches + 1) * BATCH, n_features), dtype=np.float32)
    return X[BATCH:], X[:BATCH]


def train(seeds: Iterable[int], X: Array, X_val: Array, *, width: int, epochs: int, device: str) -> list[IRVAE]:
    """Train a model n_features-(width x 4)-2 for each seed, as one stack.

    Raises:
        DivergedError: one of them diverged.
    """
    models = [
        IRVAE(hidden=[width] * DEPTH, epochs=epochs, batch_size=BATCH, patience=None, device=device, random_state=seed)
        for seed in seeds
    ]
    for failure in IRVAE.fit_many(models, X, X_val=X_val):
        if failure is not None:
            raise failure
    return models
