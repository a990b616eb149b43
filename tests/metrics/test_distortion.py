from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import eigh
from torch import nn

from metrics.distortion import (
    condition_numbers,
    log_det_variance,
    mean_condition_number,
    metric_variance,
    probed_distortion,
    random_signs,
    rank_deficient,
    relaxed_distortion,
)
from metrics.geometry import pullback_metric


def value(score: torch.Tensor) -> float:
    return float(score.detach())


def linear(A: np.ndarray) -> nn.Module:
    decoder = nn.Linear(A.shape[1], A.shape[0]).double()
    decoder.weight.data = torch.as_tensor(A)
    return decoder


def curved(d: int = 2, n_features: int = 6, seed: int = 0) -> nn.Sequential:
    generator = torch.Generator().manual_seed(seed)
    net = nn.Sequential(nn.Linear(d, 12), nn.Tanh(), nn.Linear(12, n_features)).double()
    for parameter in net.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return net


def points(n: int, d: int) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), d=st.integers(1, 5))
def test_linear_decoder_has_the_known_values(seed, d):
    A = np.random.default_rng(seed).normal(size=(7, d))
    G = A.T @ A
    z = points(9, d)
    assert float(mean_condition_number(linear(A), z)) == pytest.approx(np.linalg.cond(A) ** 2, rel=1e-8)
    expected = d * np.trace(G @ G) / np.trace(G) ** 2 - 1
    assert value(relaxed_distortion(linear(A), z)) == pytest.approx(expected, abs=1e-10)
    assert float(metric_variance(linear(A), z)) == pytest.approx(0.0, abs=1e-10)


def test_a_scaled_isometry_is_perfect():
    A = 3.7 * np.linalg.qr(np.random.default_rng(0).normal(size=(8, 3)))[0]
    z = points(20, 3)
    assert float(mean_condition_number(linear(A), z)) == pytest.approx(1.0)
    assert value(relaxed_distortion(linear(A), z)) == pytest.approx(0.0, abs=1e-12)


def test_a_conformal_map_is_not_an_isometry():
    # z -> z^2 in the complex plane: condition number 1 everywhere, scale |2z| changes.
    def square(z):
        return torch.stack([z[:, 0] ** 2 - z[:, 1] ** 2, 2 * z[:, 0] * z[:, 1]], dim=1)

    z = points(50, 2)
    assert float(mean_condition_number(square, z)) == pytest.approx(1.0, abs=1e-9)
    scale = 4 * z.square().sum(1)
    expected = float(scale.square().mean() / scale.mean() ** 2 - 1)
    assert value(relaxed_distortion(square, z)) == pytest.approx(expected)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-2, 1e2))
def test_rotation_and_scale_of_the_latent_space_do_not_matter(seed, scale):
    decoder, z = curved(3), points(25, 3)
    R = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    A = torch.as_tensor(scale * R)
    moved = lambda w: decoder(w @ A)  # noqa: E731
    w = z @ torch.linalg.inv(A)
    for metric in (mean_condition_number, relaxed_distortion, metric_variance):
        assert value(metric(moved, w)) == pytest.approx(value(metric(decoder, z)), rel=1e-6)


def test_metric_variance_does_not_change_under_any_linear_map_but_mcn_does():
    decoder, z = curved(), points(40, 2)
    A = torch.tensor([[2.0, 0.7], [0.0, 0.3]], dtype=torch.float64)
    moved = lambda w: decoder(w @ A)  # noqa: E731
    w = z @ torch.linalg.inv(A)
    assert float(metric_variance(moved, w)) == pytest.approx(float(metric_variance(decoder, z)), rel=1e-8)
    assert float(mean_condition_number(moved, w)) != pytest.approx(float(mean_condition_number(decoder, z)), rel=0.05)


def test_metric_variance_agrees_with_scipys_generalised_eigenvalues():
    decoder, z = curved(), points(30, 2)
    G = pullback_metric(decoder, z).detach().numpy()
    expected = np.mean([np.sum(np.log(eigh(g, G.mean(0), eigvals_only=True)) ** 2) for g in G])
    assert float(metric_variance(decoder, z)) == pytest.approx(expected, rel=1e-8)


def test_rank_deficiency_is_counted_and_not_hidden():
    A = np.outer(np.arange(1.0, 5.0), [1.0, 2.0])
    z = points(10, 2)
    G = pullback_metric(linear(A), z)
    assert bool(rank_deficient(G).all())
    assert float(mean_condition_number(linear(A), z)) == pytest.approx(1 / torch.finfo(torch.float64).eps)
    assert bool(torch.isfinite(condition_numbers(torch.zeros(3, 2, 2, dtype=torch.float64))).all())
    assert bool(metric_variance(linear(A), z).isnan())


def test_probes_agree_with_the_exact_value_within_their_error():
    decoder, z = curved(8, 20), points(200, 8)
    exact = value(relaxed_distortion(decoder, z))
    misses = 0
    for seed in range(40):
        estimate, error = probed_distortion(decoder, z, random_signs(z, 16, seed))
        assert abs(value(estimate) - exact) < 6 * float(error)
        misses += abs(value(estimate) - exact) > 1.96 * float(error)
    assert misses <= 10


def test_large_latent_dimensions_are_probed_and_small_ones_are_not():
    decoder, z = curved(20, 30), points(100, 20)
    assert value(relaxed_distortion(decoder, z)) == value(probed_distortion(decoder, z, random_signs(z))[0])


@pytest.mark.parametrize("probed", [False, True])
def test_the_regulariser_can_be_differentiated(probed):
    decoder, z = curved(3), points(20, 3).requires_grad_()
    probes = random_signs(z.detach(), 4) if probed else None
    relaxed_distortion(decoder, z, probes).backward()
    assert z.grad is not None and z.grad.abs().sum() > 0
    # The last bias moves all outputs alike and cannot matter.
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in list(decoder.parameters())[:-1])


def test_single_precision_does_not_overflow():
    decoder, z = linear(1e15 * np.eye(4, 2)).float(), points(5, 2).float()
    assert value(relaxed_distortion(decoder, z)) == pytest.approx(0.0, abs=1e-5)
    assert value(probed_distortion(decoder, z, random_signs(z))[0]) == pytest.approx(0.0, abs=1e-5)


def test_the_variance_of_log_det_is_that_of_the_magnification():
    """f(x, y) = (e^x, y): log det G = 2 x."""

    def decoder(z):
        return torch.cat([z[..., :1].exp(), z[..., 1:]], dim=-1)

    z = torch.linspace(-1, 1, 40).double().reshape(20, 2)
    torch.testing.assert_close(log_det_variance(decoder, z), (2 * z[:, 0]).var())


def test_the_variance_of_log_det_is_zero_for_a_linear_decoder_and_does_not_see_anisotropy_or_coordinates():
    A = torch.tensor([[3.0, 0.0], [0.0, 0.1], [1.0, 1.0]]).double()
    z = torch.linspace(-1, 1, 40).double().reshape(20, 2)
    assert log_det_variance(lambda z: z @ A.T, z) < 1e-20
    curved = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 5)).double()
    change = torch.tensor([[2.0, 1.0], [0.0, -0.5]]).double()
    moved = log_det_variance(lambda z: curved(z @ change.T), torch.linalg.solve(change, z.T).T)
    torch.testing.assert_close(moved, log_det_variance(curved, z))


def test_the_variance_of_log_det_of_a_singular_metric_is_nan():
    z = torch.linspace(-1, 1, 40).double().reshape(20, 2)
    assert log_det_variance(lambda z: torch.cat([z[..., :1], z[..., :1]], dim=-1), z).isnan()
