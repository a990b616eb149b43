"""Metrics on each device against those on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from metrics import density, distances, labels
from metrics.coranking import coranking
from metrics.distortion import (
    log_det_variance,
    mean_condition_number,
    metric_variance,
    random_signs,
    relaxed_distortion,
)
from metrics.ensembles import stacked
from metrics.geodesics import curve_lengths, geodesics
from metrics.geometry import jacobian, pull_back, pullback_metric
from metrics.neighbors import nearest_neighbours, neighbourhood_scores
from metrics.reference import Reference

pytestmark = pytest.mark.gpu

NO_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-3}


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=NO_CUDA)])
def device(request):
    return request.param


@pytest.fixture(params=TOLERANCES, ids=str)
def dtype(request):
    return request.param


def decoder(dtype, seed=0):
    torch.manual_seed(seed)
    layers = [nn.Linear(2, 32), nn.SiLU(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 100)]
    return nn.Sequential(*layers).to(dtype)


def points(dtype, *shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def agree(compute, device, dtype, *arguments):
    """Compute the same of the same decoder on the device and on the CPU."""
    found = compute(decoder(dtype).to(device), *(argument.to(device) for argument in arguments))
    expected = compute(decoder(dtype), *arguments)
    found, expected = (value if isinstance(value, tuple) else (value,) for value in (found, expected))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.device.type == device
        scale = float(theirs.detach().abs().max())
        torch.testing.assert_close(ours.cpu(), theirs, rtol=0, atol=TOLERANCES[dtype] * scale)


def with_gradients(decoder, *arguments):
    loss = relaxed_distortion(decoder, *arguments)
    return loss.detach(), *torch.autograd.grad(loss, list(decoder.parameters()), materialize_grads=True)


def test_jacobian_and_vector_jacobian_product(device, dtype):
    agree(jacobian, device, dtype, points(dtype, 50, 2))
    with torch.no_grad():
        agree(pull_back, device, dtype, points(dtype, 50, 2), points(dtype, 50, 100))


@pytest.mark.parametrize("n", [3, 5_000])
def test_pullback_metric(device, dtype, n):
    with torch.no_grad():
        agree(pullback_metric, device, dtype, points(dtype, n, 2))


def test_relaxed_distortion_and_its_gradients(device, dtype):
    z = points(dtype, 60, 2)
    agree(with_gradients, device, dtype, z)
    torch.manual_seed(0)
    agree(with_gradients, device, dtype, z, random_signs(z, k=2))


@pytest.mark.parametrize("metric", [mean_condition_number, metric_variance, log_det_variance])
def test_scores_of_the_metric(device, dtype, metric):
    agree(metric, device, dtype, points(dtype, 60, 2))


def lengths(decoders, device, **options):
    ends = [points(torch.float64, 12, 2, seed=seed).to(device) for seed in (2, 3)]
    return geodesics(decoders, *ends, **options)


# The solver stops where its energy may still change by 1e-4.
@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("uncertainty_weight", [0.0, 0.5])
def test_geodesics(device, members, uncertainty_weight):
    found, expected = (
        lengths(
            [decoder(torch.float64, seed).to(where) for seed in range(members)], where,
            through=points(torch.float64, 80, 2).to(where), uncertainty_weight=uncertainty_weight,
        )
        for where in (device, "cpu")
    )  # fmt: skip
    assert found.length.device.type == device and expected.converged.all()
    for name in ("length", "straight_length", "energy"):
        torch.testing.assert_close(getattr(found, name).cpu(), getattr(expected, name), rtol=1e-4, atol=0)
    assert torch.equal(found.converged.cpu(), expected.converged)


def test_geodesics_of_many_models_in_one_batch(device):
    models = [decoder(torch.float64, seed).to(device) for seed in range(4)]
    ends = [points(torch.float64, 4, 6, 2, seed=seed) for seed in (2, 3)]
    through = points(torch.float64, 4, 50, 2)
    found = geodesics(stacked(models), *(z.to(device) for z in ends), through=through.to(device))
    for s, model in enumerate(models):
        alone = geodesics(model.cpu(), *(z[s] for z in ends), through=through[s])
        torch.testing.assert_close(found.length[s].cpu(), alone.length, rtol=1e-4, atol=0)


def test_curve_lengths(device, dtype):
    agree(curve_lengths, device, dtype, points(dtype, 7, 33, 2))


POINTS = np.random.default_rng(2).normal(size=(150, 6))
CLOUDS = {"points": POINTS, "ties": np.round(POINTS * 2) / 2, "far": POINTS + 1e6}


def curves(X, Z):
    found = coranking(X, Z, [10])
    return np.stack([found.kept, found.trustworthiness, found.continuity, found.false_error, found.missing_error])


def density_divergence(X, Z):
    return density.divergence(X.densities(0.1), Reference(Z, X.rows).densities(0.1))


def silhouettes(X, Z):
    return X.of_labels(np.arange(len(POINTS)) % 3, labels.silhouettes)


SCORES = [
    curves, silhouettes, density_divergence,
    distances.stress, distances.non_metric_stress, distances.distance_pearson, distances.distance_spearman,
]  # fmt: skip


@pytest.mark.parametrize("score", SCORES, ids=lambda score: score.__name__)
@pytest.mark.parametrize("X", CLOUDS.values(), ids=CLOUDS)
@pytest.mark.parametrize("rows", [None, np.arange(3, 90, 2)], ids=["all", "queries"])
def test_scores_of_points_take_tensors(score, X, rows, device):
    Z = X[:, :2]
    on_device = score(Reference(torch.as_tensor(X, device=device), rows), torch.as_tensor(Z, device=device))
    np.testing.assert_allclose(on_device, score(Reference(X, rows), Z), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("X", CLOUDS.values(), ids=CLOUDS)
def test_neighbours_of_tensors(X, device):
    on_device = torch.as_tensor(X, device=device)
    np.testing.assert_array_equal(nearest_neighbours(on_device, 5), nearest_neighbours(X, 5))
    assert neighbourhood_scores(on_device, on_device[:, :2], 10) == neighbourhood_scores(X, X[:, :2], 10)
