"""A stack of models beside the same models one at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from methods.autoencoder import Autoencoder
from methods.irvae import IRVAE

S = 8


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(1_000, 64)).astype(np.float32)


@pytest.mark.parametrize("component", [Autoencoder, IRVAE])
def test_a_stack(benchmark, component, X):
    models = [component(epochs=5, random_state=seed) for seed in range(S)]
    benchmark.pedantic(component.fit_many, args=(models, X), rounds=3)


@pytest.mark.parametrize("component", [Autoencoder, IRVAE])
def test_one_at_a_time(benchmark, component, X):
    models = [component(epochs=5, random_state=seed) for seed in range(S)]
    benchmark.pedantic(lambda: [model.fit(X) for model in models], rounds=3)
