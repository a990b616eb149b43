"""Our solver for geodesics beside the published one, on an ensemble of ten decoders 2-64-128-256-784 and 48 curves.

The decoders are trained for a moment on half circles of bumps, so that their metric varies over the latent space.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from metrics.geodesics import geodesics
from tests.benchmarks.published_geodesics import adam_geodesics

PAIRS, MEMBERS, SEGMENTS, PIECES = 48, 10, 32, 10


def images(z):
    """Smooth images of 784 pixels that bend with both codes."""
    pixel = torch.linspace(-1, 1, 28)
    x, y = torch.meshgrid(pixel, pixel, indexing="ij")
    centre = torch.stack([torch.sin(1.5 * z[:, 0]), torch.cos(z[:, 1]) * z[:, 0].tanh()], dim=1)
    squared = (x - centre[:, :1, None]) ** 2 + (y - centre[:, 1:, None]) ** 2
    return torch.exp(-squared / 0.08).flatten(1)


@pytest.fixture(scope="module")
def ensemble():
    torch.manual_seed(0)
    z = torch.randn(2_000, 2)
    X, members = images(z), []
    for _ in range(MEMBERS):
        decoder = nn.Sequential(
            nn.Linear(2, 64), nn.SiLU(), nn.Linear(64, 128), nn.SiLU(), nn.Linear(128, 256), nn.SiLU(),
            nn.Linear(256, 784),
        )  # fmt: skip
        optimiser = torch.optim.Adam(decoder.parameters(), lr=2e-3)
        for _ in range(300):
            rows = torch.randint(len(z), (100,))
            loss = (decoder(z[rows]) - X[rows]).square().sum(1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        members.append(decoder.requires_grad_(False).double())
    ends = torch.randn(2, PAIRS, 2, dtype=torch.float64)
    best = geodesics(members, *ends, n_segments=SEGMENTS, n_pieces=PIECES, tolerance=1e-10, max_iterations=500)
    return members, ends, best.energy


def gap(energy, best):
    return float(((energy - best) / best).mean())


def test_ours(benchmark, ensemble):
    members, ends, best = ensemble
    found = benchmark.pedantic(
        geodesics, args=(members, *ends), kwargs={"n_segments": SEGMENTS, "n_pieces": PIECES}, rounds=3
    )
    benchmark.extra_info.update(gap=gap(found.energy, best), evaluations=float(found.evaluations.double().mean()))
    assert gap(found.energy, best) < 1e-3


def test_adam_on_the_power_basis(benchmark, ensemble):
    members, ends, best = ensemble
    energy = benchmark.pedantic(adam_geodesics, args=(members, *ends, SEGMENTS, PIECES, 150), rounds=1)
    benchmark.extra_info.update(gap=gap(energy, best))
    assert gap(energy, best) > 0
