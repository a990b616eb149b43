"""What the published systems cost beside the plain autoencoder, and an ensemble beside decoders one at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from datasets.curves import SinCurve
from methods.autoencoder import Autoencoder
from methods.ensemble_vae import EnsembleVAE
from methods.nrae import NRAEL, NRAEQ

M = 10


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("component", [Autoencoder, NRAEL, NRAEQ])
def test_steps_of_the_published_curve_network(benchmark, component):
    """100 steps of 512-512-512 with a batch of 32, as published for the noisy sine."""
    data = SinCurve().load()
    known = component().get_params()
    preset = {name: value for name, value in NRAEL.presets["published"].items() if name in known}
    method = component(**{**preset, "epochs": 50})
    X, X_val = data.X[data.train], data.X[data.validation][:2]
    benchmark.pedantic(lambda: method.fit(X, X_val=X_val), rounds=5, warmup_rounds=1)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((2_000, 784), dtype=np.float32)


PUBLISHED = {**EnsembleVAE.presets["published"], "epochs": 2, "batch_size": 320}


def test_an_ensemble_of_ten_decoders(benchmark, images):
    method = EnsembleVAE(**PUBLISHED)
    benchmark.pedantic(lambda: method.fit(images, X_val=images[:10]), rounds=3, warmup_rounds=1)


def test_ten_single_decoders_one_after_the_other(benchmark, images):
    methods = [EnsembleVAE(**{**PUBLISHED, "n_members": 1}, random_state=seed) for seed in range(M)]
    benchmark.pedantic(lambda: [method.fit(images, X_val=images[:10]) for method in methods], rounds=3)
