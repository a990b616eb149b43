"""Methods trained on each device against those trained on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from methods.autoencoder import Autoencoder
from methods.cnn_vae import CNNVAE
from methods.ensemble_vae import EnsembleVAE
from methods.irvae import IRVAE
from methods.metric_vae import MetricVAE
from methods.nrae import NRAEL
from methods.vae import VAE

pytestmark = pytest.mark.gpu

NO_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
PERCEPTRON = {"hidden": [8]}
IMAGES = {"sample_shape": (1, 2, 3), "channels": [3]}
SETTINGS = {
    Autoencoder: PERCEPTRON, VAE: PERCEPTRON, IRVAE: PERCEPTRON, NRAEL: PERCEPTRON, EnsembleVAE: PERCEPTRON,
    MetricVAE: IMAGES, CNNVAE: IMAGES,
}  # fmt: skip


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=NO_CUDA)])
def device(request):
    return request.param


@pytest.fixture
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(130, 6)).astype(np.float32)


def stack(component, device):
    """Models that differ in seed and learning rate."""
    settings = {**SETTINGS[component], "epochs": 8, "batch_size": 25, "device": device}
    return [component(**settings, random_state=seed, learning_rate=rate) for seed, rate in enumerate((1e-3, 1e-2))]


@pytest.mark.parametrize("component", SETTINGS)
def test_training(component, device, X, double_precision):
    """Steps recorded as CUDA graphs included, and a model that leaves the stack."""
    models = {where: stack(component, where) for where in ("cpu", device)}
    for trained in models.values():
        assert component.fit_many(trained, X, on_epoch=[lambda epoch, scores: epoch == 4, None]) == [None, None]
    for ours, theirs in zip(models[device], models["cpu"], strict=True):
        assert next(ours.decoder_.parameters()).device.type == device
        for name, value in theirs.state_arrays().items():
            # Adam's learning rate has single precision on a GPU.
            np.testing.assert_allclose(ours.state_arrays()[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("component", SETTINGS)
def test_encode_and_decode(component, device, X):
    """Of one trained model, loaded where it was trained and on the CPU."""
    (trained, _) = models = stack(component, device)
    assert component.fit_many(models, X) == [None, None]
    loaded = stack(component, "cpu")[0].load_arrays(trained.state_arrays())
    Z = trained.encode(X)
    np.testing.assert_allclose(loaded.encode(X), Z, rtol=1e-2, atol=1e-3)
    np.testing.assert_allclose(loaded.decode(Z), trained.decode(Z), rtol=1e-2, atol=1e-3)
