from __future__ import annotations

import pytest
import torch

from metrics.geodesics.splines import CurveBasis, at_constant_speed


@pytest.mark.parametrize(("n_segments", "n_pieces"), [(32, 10), (64, 10), (64, 20), (8, 1), (256, 40)])
def test_the_basis_is_orthonormal_in_h1_and_vanishes_at_both_ends(n_segments, n_pieces):
    basis = CurveBasis(n_segments, n_pieces)
    steps = basis.design.diff(dim=0)
    torch.testing.assert_close(n_segments * steps.T @ steps, torch.eye(n_pieces + 1).double(), rtol=0, atol=1e-6)
    assert basis.design[[0, -1]].abs().max() < 1e-9


def test_the_curves_are_twice_continuously_differentiable_at_the_knots():
    n_pieces, h = 5, 1e-3
    basis = CurveBasis(64, n_pieces)
    knots = torch.arange(1, n_pieces).double() / n_pieces

    def second_derivative(t):
        return (basis.at(t + h) - 2 * basis.at(t) + basis.at(t - h)) / h**2

    jump = second_derivative(knots + 1.5 * h) - second_derivative(knots - 1.5 * h)
    third = (second_derivative(knots + 4 * h) - second_derivative(knots + 2 * h)) / (2 * h)
    assert jump.abs().max() < 10 * h * third.abs().max()


def test_a_fit_gives_back_the_spline_it_was_made_of():
    basis = CurveBasis(32, 6)
    coefficients = torch.randn(3, 7, 2, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(basis.fit(basis.design @ coefficients), coefficients)


def test_on_another_grid_the_functions_are_the_same():
    basis = CurveBasis(64, 10)
    coarse, t = basis.on(32), torch.rand(9, generator=torch.Generator().manual_seed(0)).double()
    assert coarse.n_segments == 32 and basis.n_segments == 64
    assert torch.equal(coarse.at(t), basis.at(t))
    torch.testing.assert_close(coarse.design, basis.design[::2])
    torch.testing.assert_close(coarse.nodes, basis.nodes[::2])
    coefficients = torch.randn(3, 11, 2, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(coarse.fit(coarse.design @ coefficients), coefficients)


def test_a_grid_that_is_too_coarse_is_refused_with_the_numbers():
    with pytest.raises(ValueError, match="n_segments = 8 with n_pieces = 10"):
        CurveBasis(8, 10)


def test_constant_speed_places_the_times_by_length():
    steps, t = torch.tensor([[1.0, 3.0], [0.0, 0.0], [0.0, 2.0]]), torch.tensor([0.0, 0.25, 0.5, 1.0])
    found = at_constant_speed(steps, t)
    expected = torch.tensor([[0.0, 0.5, 0.5 + 1 / 6, 1.0], [0.0, 0.25, 0.5, 1.0], [0.5, 0.625, 0.75, 1.0]])
    torch.testing.assert_close(found[:2], expected[:2])
    torch.testing.assert_close(found[2, 1:], expected[2, 1:])
