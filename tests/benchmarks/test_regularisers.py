"""What a training step of each regularised autoencoder costs, beside a plain autoencoder's of the same network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from methods.autoencoder import Autoencoder
from methods.cae import ContractiveAE
from methods.conformal_ae import ConformalAE
from methods.dae import DenoisingAE
from methods.distance_ae import DistanceAE
from methods.geometric_ae import GeometricAE
from methods.ggae import GraphGeometryAE
from methods.grae import GRAE
from methods.isometric_ae import IsometricAE
from methods.parametric_umap import ParametricUMAP
from methods.topo_ae import TopologicalAE

METHODS: dict[str, type[Autoencoder]] = {
    "ae": Autoencoder, "dae": DenoisingAE, "cae": ContractiveAE, "distance-ae": DistanceAE,
    "geometric-ae": GeometricAE, "topo-ae": TopologicalAE, "isometric-ae": IsometricAE, "conformal-ae": ConformalAE,
    "grae": GRAE, "ggae": GraphGeometryAE, "parametric-umap": ParametricUMAP,
}  # fmt: skip
N_STEPS = 200


@pytest.mark.parametrize("n_features", [3, 784])
@pytest.mark.parametrize("name", METHODS)
def test_steps(benchmark, name, n_features):
    """200 steps of one model, 128 x 3, batches of 100, two latent dimensions; what is done once beforehand apart."""
    from methods.training.data import training_set
    from methods.training.loop import train
    from methods.training.problem import same_device
    from methods.training.streams import Streams

    benchmark.group = f"{n_features} features"
    X = np.random.default_rng(0).random((1_000, n_features), dtype=np.float32)
    method: Any = METHODS[name](epochs=N_STEPS // 10, patience=None, device="cpu", activation="silu", batch_size=100)
    streams = Streams([0], torch.device("cpu"))
    data = training_set(X, None, X[:100], None, "standard", streams)
    task = type(method)._task([method], data)
    weights = {weight: same_device([getattr(method, weight)], data.x) for weight in method.stackable}

    def build() -> tuple[tuple[Any, ...], dict[str, Any]]:
        model = method._build(n_features, [torch.Generator().manual_seed(0)])
        rates = same_device([1e-3], data.x)
        return (model, task, Streams([0], torch.device("cpu")), method._schedule(), rates, weights), {}

    benchmark.pedantic(train, setup=build, rounds=7, warmup_rounds=1)
