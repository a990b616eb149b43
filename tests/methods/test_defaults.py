"""What most people will see of a method: its defaults, on its own paper's data and on seeds that chose nothing."""

from __future__ import annotations

import numpy as np
import pytest

from datasets.curves import SinCurve, Spiral
from datasets.manifolds import SwissRoll
from methods.autoencoder import Autoencoder
from methods.irvae import IRVAE
from methods.nrae import NRAEL, NRAEQ
from methods.vae import VAE

pytestmark = pytest.mark.slow

SEEDS = range(5)


def fitted(component, data, **parameters):
    models = [component(random_state=seed, **parameters) for seed in SEEDS]
    assert component.fit_many(models, data.X[data.train], X_val=data.X[data.validation]) == [None] * len(SEEDS)
    return models


def error(model, data) -> float:
    clean = data.X[data.test]
    return float(np.mean((model.decode(model.encode(clean)) - clean) ** 2))


@pytest.fixture(scope="module")
def errors():
    """Median error on the clean curve, by curve and method."""
    found = {}
    for curve in (SinCurve, Spiral):
        data = curve().load()
        for component in (Autoencoder, NRAEL, NRAEQ):
            models = fitted(component, data, latent_dim=1)
            found[curve, component] = float(np.median([error(model, data) for model in models]))
    return found


@pytest.mark.parametrize("component", [NRAEL, NRAEQ])
def test_neighbours_unfold_the_spiral_and_harm_no_sine(errors, component):
    assert errors[Spiral, component] < 0.3 * errors[Spiral, Autoencoder]
    assert errors[SinCurve, component] < errors[SinCurve, Autoencoder]


def explained_and_condition(model, data) -> tuple[float, float]:
    import torch

    from metrics.distortion import condition_numbers
    from metrics.geometry import pullback_metric

    X, mean = data.X[data.test], data.X[data.train].mean(axis=0)
    explained = 1 - error(model, data) / np.mean((X - mean) ** 2)
    codes = torch.as_tensor(model.encode(X))
    return float(explained), float(condition_numbers(pullback_metric(model.decoders_, codes)).detach().mean())


def test_the_isometric_vae_keeps_the_roll_and_is_nearer_to_an_isometry_than_its_vae():
    data = SwissRoll(n=1500, noise=0.05).load()
    isometric = [explained_and_condition(model, data) for model in fitted(IRVAE, data)]
    without = [explained_and_condition(model, data) for model in fitted(IRVAE, data, iso_reg=0.0)]
    plain = [explained_and_condition(model, data) for model in fitted(VAE, data)]
    kept = [explained >= 0.95 for explained, _ in isometric]
    assert np.mean(kept) >= 0.8
    for others in (without, plain):
        nearer = [mine[1] < other[1] for mine, other in zip(isometric, others, strict=True)]
        assert np.sum(nearer) >= 4
