"""Decoder ensembles and their RBF baseline."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from datasets.manifolds import SCurve
from methods.ensemble_vae import EnsembleVAE
from methods.rbf_vae import RBFVAE
from methods.training.streams import Streams
from metrics.geometry import jacobian, pullback_metric


@pytest.fixture(scope="module")
def data():
    return SCurve(n=400).load()


@pytest.fixture(scope="module", params=[EnsembleVAE, RBFVAE])
def fitted(request, data):
    return request.param(epochs=60).fit(data.X[data.train], X_val=data.X[data.validation])


def test_row_j_of_a_batch_goes_to_decoder_j_mod_m():
    method = EnsembleVAE(n_members=3, hidden=[4])
    model = method._build(5, [torch.Generator().manual_seed(0)])
    z = torch.randn(1, 7, 2, generator=torch.Generator().manual_seed(1))
    decoded = method._problem(5).decode(model, z)
    _, members = method._extract(model, 0)
    for j in range(7):
        expected = torch.nn.Sequential(*members[j % 3])(z[0, j])
        torch.testing.assert_close(decoded[0, j], expected)


def test_the_ensembles_loss_is_squared_error_and_weighted_kl():
    method = EnsembleVAE(n_members=2, hidden=[4], latent_dim=2)
    model = method._build(5, [torch.Generator().manual_seed(0)])
    problem, x = method._problem(5), torch.randn(1, 6, 5, generator=torch.Generator().manual_seed(1))
    draws = problem.draws(Streams([0], torch.device("cpu")), 6)
    terms = problem.losses(model, {"x": x}, draws, {"beta": torch.tensor([0.05])})
    mean, log_deviation = model["encoder"](x).chunk(2, dim=-1)
    posterior = torch.distributions.Normal(mean, log_deviation.exp())
    kl = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).sum(-1).mean()
    reconstruction = problem.decode(model, mean + log_deviation.exp() * draws["noise"])
    torch.testing.assert_close(terms["loss"][0], (x - reconstruction).square().sum(-1).mean() + 0.05 * kl)


def test_the_published_ensemble_has_the_papers_networks():
    preset = EnsembleVAE.presets["published"]
    assert (preset["learning_rate"], preset["clip_norm"], preset["batch_size"]) == (5e-5, 0.01, 320)
    assert (preset["n_members"], preset["beta"], preset["patience"]) == (10, 0.05, 15)
    method = EnsembleVAE(**{**preset, "epochs": 1})
    method.fit(np.random.default_rng(0).random((30, 784), dtype=np.float32))
    assert sum(p.numel() for p in method.encoder_.parameters()) == 574_660
    assert [sum(p.numel() for p in decoder.parameters()) for decoder in method.decoders_] == [575_312] * 10


def test_members_differ_and_their_mean_and_spread_are_what_is_reported(data):
    method = EnsembleVAE(n_members=4, epochs=20).fit(data.X[data.train], X_val=data.X[data.validation])
    Z = method.encode(data.X[data.test])
    with torch.no_grad():
        members = np.stack([decoder(torch.as_tensor(Z)).numpy() for decoder in method.decoders_])
    np.testing.assert_allclose(method.decode(Z), members.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(method.deviation(Z), members.std(axis=0), atol=1e-5)
    assert method.deviation(Z).min() > 0


def test_uncertainty_grows_away_from_the_data(fitted, data):
    Z = fitted.encode(data.X[data.test])
    on, off = (float(fitted.deviation(z).mean()) for z in (Z, Z.mean(axis=0) + 4 * (Z - Z.mean(axis=0))))
    assert off > 1.5 * on


def test_deviation_survives_saving(fitted, data):
    loaded = type(fitted)(epochs=60).load_arrays(fitted.state_arrays())
    Z = fitted.encode(data.X[data.test])
    np.testing.assert_array_equal(loaded.deviation(Z), fitted.deviation(Z))


def test_sigma_is_the_inverse_root_of_the_precision(data):
    """sigma^2 = 1 / (W v + zeta), v_k = exp(-lambda_k |z - c_k|^2): not the precision's root, as published."""
    method = RBFVAE(epochs=30, n_centers=5, precision_floor=0.2).fit(data.X[data.train], X_val=data.X[data.validation])
    Z = method.encode(data.X[data.test]).astype(float)
    kernel = method.deviation_.kernel
    centres, rates = kernel.centres.numpy(), kernel.rates.numpy()
    assert centres.shape == (5, 2)
    v = np.exp(-rates * np.square(Z[:, None] - centres).sum(-1))
    weight = method.deviation_.weight.detach().numpy()
    assert (weight > 0).all()
    scale = data.X[data.train].std(axis=0)
    scale = np.sqrt(np.mean(scale**2))
    np.testing.assert_allclose(method.deviation(Z), scale / np.sqrt(v @ weight + 0.2), rtol=1e-3)
    far = method.deviation(np.full((1, 2), 1e3))
    np.testing.assert_allclose(far, scale / np.sqrt(0.2), rtol=1e-3)


def test_lambda_is_taken_from_mean_distances_not_from_squares():
    from methods.rbf_vae import _RadialBasis

    z = torch.tensor([[0.0, 0], [0, 2], [10, 0], [10, 6]])
    kernel = _RadialBasis.around(z, 2, 1.0, seed=0)
    by_centre = dict(zip(kernel.centres[:, 0].tolist(), kernel.rates.tolist(), strict=True))
    assert by_centre[0.0] == pytest.approx(0.5 / 1**2) and by_centre[10.0] == pytest.approx(0.5 / 3**2)


def test_the_precision_maximises_the_likelihood_of_residuals():
    """Residuals of known deviations on the two halves of a line are found again."""
    rng = np.random.default_rng(0)
    u = rng.uniform(-1, 1, size=2_000)
    noise = np.where(u < 0, 0.02, 0.3)
    X = np.column_stack([4 * u, 2 * u, 0 * u]) + noise[:, None] * rng.normal(size=(2_000, 3)) * [0, 0, 1]
    method = RBFVAE(latent_dim=1, n_centers=8, epochs=40).fit(X.astype(np.float32))
    third = method.deviation(method.encode(X.astype(np.float32)))[:, 2]
    assert np.median(third[u > 0.3]) == pytest.approx(0.3, rel=0.3)
    assert np.median(third[u < -0.3]) < 0.08


def test_the_rbf_metric_adds_the_metrics_of_mean_and_deviation(data):
    method = RBFVAE(epochs=10).fit(data.X[data.train], X_val=data.X[data.validation])
    z = torch.as_tensor(method.encode(data.X[data.test][:6]), dtype=torch.float64)
    mean, deviation = method.decoders_[0].double(), method.deviation_.double()
    with torch.no_grad():
        J_mu, J_sigma = jacobian(mean, z), jacobian(deviation, z)
        expected = J_mu.mT @ J_mu + J_sigma.mT @ J_sigma
        torch.testing.assert_close(pullback_metric(method.geometry_decoders_, z), expected)


def test_an_ensembles_metric_is_the_mean_of_its_members(data):
    method = EnsembleVAE(n_members=3, epochs=3).fit(data.X[data.train])
    z = torch.as_tensor(method.encode(data.X[data.test][:6]))
    with torch.no_grad():
        mean = torch.stack([pullback_metric(decoder, z) for decoder in method.decoders_]).mean(0)
        torch.testing.assert_close(pullback_metric(method.geometry_decoders_, z), mean)
