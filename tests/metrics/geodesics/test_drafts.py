"""Searches that begin on a coarse grid, and in single precision, end where those of the fine one in double do."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from metrics.geodesics import geodesics
from metrics.geodesics.curve_energy import CurveEnergy
from tests.metrics.geodesics.decoders import draw, network, sphere


def minimised(found, members, uncertainty_weight):
    """What the search made small: the energy with the weighted uncertainty."""
    energy = CurveEnergy(members, found.basis, found.z0, found.z1, uncertainty_weight)
    return energy(found.coefficients.flatten(1), torch.arange(len(found.z0)))[0]


@pytest.fixture
def on_one_grid(monkeypatch):
    def solve(*arguments, **options):
        with monkeypatch.context() as patch:
            patch.setattr("metrics.geodesics.solver._COARSE_SEGMENTS", 1_000_000)
            return geodesics(*arguments, **options)

    return solve


def folded(z):
    """A sheet in narrow folds, wound about a line."""
    return torch.stack([(4 * z[..., 0]).sin(), (4 * z[..., 0]).cos() * z[..., 1], z[..., 0] * z[..., 1]], dim=-1)


@pytest.mark.parametrize(("decoder", "n_pairs"), [(folded, 200), (network(5, scale=3.0), 60)], ids=["folds", "network"])
@pytest.mark.parametrize("uncertainty_weight", [0.0, 10.0])
def test_curves_begun_on_a_coarse_grid_are_as_good_as_those_of_the_fine_one_alone(
    decoder, n_pairs, uncertainty_weight, on_one_grid
):
    through = 1.5 * draw(150, 2, seed=10)
    z0, z1 = 1.5 * draw(n_pairs, 2, seed=8), 1.5 * draw(n_pairs, 2, seed=9)
    members = [decoder, lambda z: decoder(1.1 * z)]
    options = {"through": through, "uncertainty_weight": uncertainty_weight}
    found, alone = geodesics(members, z0, z1, **options), on_one_grid(members, z0, z1, **options)
    energies = [minimised(of, members, uncertainty_weight) for of in (found, alone)]
    assert (energies[0] / energies[1]).mean() < 1 + 1e-3
    assert found.converged.sum() >= alone.converged.sum() - 1
    assert found.evaluations.double().mean() < alone.evaluations.double().mean() / 2


def not_as_modules(decoders):
    """Decoders that there is no way to compute in single precision."""
    return [lambda z, decoder=decoder: decoder(z) for decoder in decoders]


@pytest.mark.parametrize("uncertainty_weight", [0.0, 10.0])
def test_curves_begun_in_single_precision_are_as_good_as_those_of_double_alone(ensemble, uncertainty_weight):
    z0, z1 = 2 * draw(100, 2, seed=8), 2 * draw(100, 2, seed=9)
    options = {"through": 2 * draw(150, 2, seed=10), "uncertainty_weight": uncertainty_weight}
    found, alone = geodesics(ensemble, z0, z1, **options), geodesics(not_as_modules(ensemble), z0, z1, **options)
    assert {found.length.dtype, found.coefficients.dtype, *(m[0].weight.dtype for m in ensemble)} == {torch.float64}
    assert not torch.equal(found.coefficients, alone.coefficients), "nothing was computed in single precision"
    energies = [minimised(of, ensemble, uncertainty_weight) for of in (found, alone)]
    assert abs((energies[0] / energies[1]).mean() - 1) < 1e-4
    assert found.converged.sum() >= alone.converged.sum() - 1


def test_single_precision_does_not_limit_what_tolerance_can_be_met(ensemble, pairs):
    found = geodesics(ensemble, *pairs, tolerance=1e-12)
    alone = geodesics(not_as_modules(ensemble), *pairs, tolerance=1e-12)
    assert found.converged.all()
    torch.testing.assert_close(found.length, alone.length, rtol=1e-10, atol=0)


class Far(nn.Module):
    """Images so far from the origin that single precision cannot tell neighbouring ones apart."""

    def forward(self, z):
        return sphere(z) + 1e7


class Scaled(nn.Module):
    """One model of a stack that has a scale of its own, far from the origin."""

    def __init__(self, scales, offsets):
        super().__init__()
        self.scales, self.offsets = (torch.tensor(given)[:, None, None] for given in (scales, offsets))

    def forward(self, z):
        return sphere(z) * self.scales.to(z) + self.offsets.to(z)


@pytest.mark.parametrize(("scale", "offset", "other"), [(1e-3, 1e4, 1e6), (1.0, 0.0, float("nan"))])
def test_the_precision_of_a_model_does_not_depend_on_what_it_is_stacked_with(scale, offset, other):
    """One that needs double precision beside one of long lengths; one that does not beside one without numbers."""
    z0, z1 = 0.5 + draw(5, 2, seed=8).sigmoid(), 0.5 + draw(5, 2, seed=9).sigmoid()
    alone = geodesics(Scaled([scale], [offset]), z0[None], z1[None])
    both = geodesics(Scaled([scale, other], [offset, 0.0]), z0.expand(2, -1, -1), z1.expand(2, -1, -1))
    torch.testing.assert_close(both.energy[0], alone.energy[0], rtol=1e-12, atol=0)


class DoubleOnly(nn.Module):
    """Keeps numbers where casting does not find them."""

    def __init__(self):
        super().__init__()
        self.hidden = {"centre": draw(3)}

    def forward(self, z):
        return sphere(z) - self.hidden["centre"]


@pytest.mark.parametrize("decoder", [Far(), DoubleOnly()])
def test_decoders_that_need_double_precision_have_it_from_the_start(decoder):
    z0, z1 = 0.5 + draw(5, 2, seed=8).sigmoid(), 0.5 + draw(5, 2, seed=9).sigmoid()
    found, alone = geodesics(decoder, z0, z1), geodesics(not_as_modules([decoder]), z0, z1)
    assert torch.equal(found.coefficients, alone.coefficients)


@pytest.mark.parametrize(("n_segments", "n_pieces"), [(32, 10), (64, 20)])
def test_a_grid_that_is_coarse_already_is_the_only_one(n_segments, n_pieces, ensemble, pairs, on_one_grid):
    options = {"n_segments": n_segments, "n_pieces": n_pieces}
    found, alone = geodesics(ensemble, *pairs, **options), on_one_grid(ensemble, *pairs, **options)
    assert torch.equal(found.coefficients, alone.coefficients)
    assert torch.equal(found.evaluations, alone.evaluations)
