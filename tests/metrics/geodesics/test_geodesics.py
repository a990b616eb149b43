from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from metrics.ensembles import stacked
from metrics.geodesics import Geodesics, curve_lengths, geodesics, published_length
from metrics.geodesics.curve_energy import CurveEnergy, straight_lines
from metrics.geodesics.splines import CurveBasis
from tests.benchmarks.published_geodesics import power_basis
from tests.metrics.geodesics.decoders import draw, network, sphere


def paraboloid(z):
    return torch.cat([z, z.square().sum(-1, keepdim=True) / 2], dim=-1)


class Ring(nn.Module):
    def __init__(self, sign):
        super().__init__()
        self.sign = sign

    def forward(self, z):
        inside = torch.sigmoid(20 * (0.7 - z.norm(dim=-1, keepdim=True)))
        return torch.cat([z, self.sign * inside], dim=-1)


# Two decoders that agree on the unit circle and disagree inside it.
RING = [Ring(0.3), Ring(-0.3)]


def circle(n, radius=1.0):
    angle = 2 * torch.pi * torch.arange(n).double() / n
    return radius * torch.stack([angle.cos(), angle.sin()], dim=-1)


@pytest.mark.parametrize("n_segments", [16, 64, 256])
def test_geodesics_of_a_linear_decoder_are_straight_whatever_the_grid(n_segments, pairs):
    decoder = nn.Linear(2, 7).double()
    z0, z1 = pairs
    found = geodesics(decoder, z0, z1, n_segments=n_segments)
    torch.testing.assert_close(found.length, ((z1 - z0) @ decoder.weight.T).norm(dim=-1))
    torch.testing.assert_close(found.straight_length, found.length)
    torch.testing.assert_close(found.energy, found.length.square())
    assert found.coefficients.abs().max() < 1e-9
    assert found.converged.all()
    assert (found.evaluations == 1).all()


def test_on_the_sphere_they_are_great_circles():
    z0 = torch.tensor([[0.5, 0.2], [1.0, 0.0], [0.7, -1.0], [1.2, 0.3]]).double()
    z1 = torch.tensor([[1.5, 1.9], [1.0, 2.0], [2.0, 1.0], [1.9, 0.3]]).double()
    found = geodesics(sphere, z0, z1, tolerance=1e-8)
    exact = (sphere(z0) * sphere(z1)).sum(-1).arccos()
    torch.testing.assert_close(found.length, exact, rtol=2e-4, atol=0)
    points = sphere(found.curve(torch.linspace(0, 1, 50)))
    normal = torch.linalg.cross(sphere(z0), sphere(z1))
    out_of_plane = (points * normal[:, None]).sum(-1) / normal.norm(dim=-1)[:, None]
    assert out_of_plane.abs().max() < 5e-3
    assert found.converged.all()


def test_on_a_paraboloid_radial_geodesics_have_the_meridians_length():
    near, far = torch.tensor([0.3, 0.5, 0.0]).double(), torch.tensor([1.5, 2.0, 1.0]).double()
    direction = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]).double()
    found = geodesics(paraboloid, near[:, None] * direction, far[:, None] * direction, tolerance=1e-8)

    def meridian(r):
        return (r * (1 + r**2).sqrt() + r.asinh()) / 2

    torch.testing.assert_close(found.length, meridian(far) - meridian(near), rtol=1e-4, atol=0)


def test_on_a_paraboloid_no_curve_is_shorter():
    """Against an independent solver: shortest paths over a dense grid."""
    from scipy.sparse.csgraph import dijkstra
    from sklearn.neighbors import kneighbors_graph

    axis = torch.linspace(-1.6, 1.6, 81).double()
    grid = torch.cartesian_prod(axis, axis)
    z0 = torch.tensor([[1.2, 0.0], [-1.0, -0.6]]).double()
    z1 = torch.tensor([[-1.2, 0.2], [1.0, -0.6]]).double()
    points = torch.cat([z0, z1, grid])
    graph = kneighbors_graph(paraboloid(points).numpy(), 40, mode="distance")
    reached = dijkstra(graph, directed=False, indices=[0, 1])
    over_the_grid = torch.tensor([reached[0, 2], reached[1, 3]])
    found = geodesics(paraboloid, z0, z1)
    assert (found.length <= over_the_grid).all()
    torch.testing.assert_close(found.length, over_the_grid, rtol=0.02, atol=0)
    assert (found.length < found.straight_length).all()


def test_a_point_is_at_no_distance_from_itself(ensemble, pairs):
    found = geodesics(ensemble, pairs[0], pairs[0])
    assert (found.length == 0).all()
    assert found.converged.all()


def test_the_distance_there_is_the_distance_back(ensemble, pairs):
    there, back = geodesics(ensemble, *pairs), geodesics(ensemble, *pairs[::-1])
    torch.testing.assert_close(there.length, back.length, rtol=1e-3, atol=0)


def test_twice_as_many_segments_change_the_length_by_less_than_a_percent(ensemble, pairs):
    found = geodesics(ensemble, *pairs)
    finer = curve_lengths(ensemble, found.curve(torch.linspace(0, 1, 129).double()))
    torch.testing.assert_close(finer, found.length, rtol=0.01, atol=0)
    assert (finer >= found.length * (1 - 1e-12)).all()


def assert_not_longer_on_a_fine_grid(decoder, found, tolerance):
    """The curves themselves, not what is reported of them."""
    t = torch.linspace(0, 1, 10_001).double()
    straight = curve_lengths(decoder, straight_lines(found.z0, found.z1, t))
    assert (curve_lengths(decoder, found.curve(t)) <= straight * (1 + tolerance)).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.2, 4.0), d=st.integers(1, 4))
def test_they_are_never_longer_than_the_straight_line(seed, scale, d):
    decoder = network(seed, (d, 12, 20), scale)
    z0, z1 = 2 * draw(4, d, seed=seed), 2 * draw(4, d, seed=seed + 1)
    found = geodesics(decoder, z0, z1, n_segments=32)
    assert (found.length <= found.straight_length).all()
    assert_not_longer_on_a_fine_grid(decoder, found, 5e-3)
    nodes, line = found.curve(found.basis.nodes), straight_lines(z0, z1, found.basis.nodes)
    energies = [32 * decoder(points).diff(dim=1).square().sum((1, 2)) for points in (nodes, line)]
    assert (energies[0] <= energies[1] * (1 + 1e-9)).all()
    torch.testing.assert_close(energies[0], found.energy)


@pytest.mark.parametrize(("height", "width"), [(30.0, 0.003), (100.0, 0.01), (10.0, 0.01), (3.0, 0.3)])
def test_they_are_not_longer_where_the_decoder_all_but_jumps(height, width):
    def cliff(z):
        return torch.cat([z, height * torch.sigmoid(z[..., :1] / width)], dim=-1)

    z0, z1 = torch.tensor([[-1.0, 0.2], [-0.7, -1.0]]).double(), torch.tensor([[1.1, -0.3], [0.4, 1.0]]).double()
    found = geodesics(cliff, z0, z1)
    assert (found.length <= found.straight_length).all()
    assert_not_longer_on_a_fine_grid(cliff, found, 2e-2)


@pytest.mark.parametrize("d", [2, 4])
def test_a_pair_where_the_decoder_gives_no_number_ends_alone_and_unconverged(d):
    def broken(z):
        return torch.where(z[..., :1] > 5, torch.nan, torch.cat([z, z.square()], dim=-1))

    z0, z1 = draw(3, d), draw(3, d, seed=1)
    z1[1, 0] = 9.0
    found = geodesics(broken, z0, z1)
    assert found.length.isnan().tolist() == [False, True, False]
    assert found.converged.tolist() == [True, False, True]
    alone = geodesics(broken, z0[[0, 2]], z1[[0, 2]])
    torch.testing.assert_close(found.length[[0, 2]], alone.length, rtol=1e-6, atol=0)


def test_they_run_at_constant_speed(ensemble, pairs):
    found = geodesics(ensemble, *pairs, tolerance=1e-8)
    torch.testing.assert_close(found.energy, found.length.square(), rtol=2e-3, atol=0)


def test_more_iterations_do_not_find_what_the_default_missed(ensemble, pairs):
    found, longer = geodesics(ensemble, *pairs), geodesics(ensemble, *pairs, tolerance=1e-9, max_iterations=500)
    assert found.converged.all()
    torch.testing.assert_close(found.energy, longer.energy, rtol=1e-3, atol=0)


def test_another_basis_and_scipys_solver_end_at_the_same_energy(ensemble, pairs):
    from scipy.optimize import minimize

    basis = power_basis(64, 10)
    found = geodesics(ensemble, *pairs, tolerance=1e-9)
    for p, (a, b) in enumerate(zip(*pairs, strict=True)):
        line = a + torch.linspace(0, 1, 65).double()[:, None] * (b - a)

        def energy(flat, line=line):
            w = torch.tensor(flat.reshape(11, 2), requires_grad=True)
            images = torch.stack([decoder(line + basis @ w) for decoder in ensemble])
            E = 64 * images.diff(dim=1).square().sum() / len(ensemble)
            E.backward()
            return float(E.detach()), w.grad.numpy().ravel()

        theirs = minimize(energy, torch.zeros(22).double().numpy(), jac=True, method="BFGS", options={"gtol": 1e-6})
        assert float(found.energy[p]) == pytest.approx(theirs.fun, rel=1e-4)


def test_the_ends_of_a_curve_are_its_points(ensemble, pairs):
    found = geodesics(ensemble, *pairs)
    ends = found.curve(torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(ends[:, 0], pairs[0])
    torch.testing.assert_close(ends[:, 1], pairs[1])


def test_pairs_and_members_may_come_in_any_order(ensemble, pairs):
    found = geodesics(ensemble, *pairs)
    order = [4, 0, 5, 2, 1, 3]
    permuted = geodesics(ensemble[::-1], pairs[0][order], pairs[1][order])
    torch.testing.assert_close(permuted.length, found.length[order], rtol=1e-6, atol=0)


def test_a_batch_is_its_pairs_one_by_one(ensemble, pairs):
    found = geodesics(ensemble, *pairs)
    alone = [geodesics(ensemble, a[None], b[None]) for a, b in zip(*pairs, strict=True)]
    torch.testing.assert_close(found.length, torch.cat([one.length for one in alone]), rtol=1e-6, atol=0)
    assert found.evaluations.tolist() == [int(one.evaluations) for one in alone]


def test_small_chunks_change_nothing(ensemble, pairs, monkeypatch):
    found = geodesics(ensemble, *pairs)
    monkeypatch.setattr("metrics.geodesics.curve_energy._NUMBERS_AT_ONCE", {"cpu": 1})
    torch.testing.assert_close(geodesics(ensemble, *pairs).length, found.length, rtol=1e-6, atol=0)


def test_identical_members_are_one(ensemble, pairs):
    one = geodesics(ensemble[0], *pairs)
    torch.testing.assert_close(geodesics([ensemble[0]] * 4, *pairs).length, one.length, rtol=1e-6, atol=0)


def test_the_expected_metric_is_the_mean_of_the_members(pairs):
    decoders = [nn.Linear(2, 7).double() for _ in range(3)]
    with torch.no_grad():
        for seed, decoder in enumerate(decoders):
            decoder.weight.copy_(draw(7, 2, seed=seed))
    G = torch.stack([d.weight.T @ d.weight for d in decoders]).mean(0)
    step = pairs[1] - pairs[0]
    expected = ((step @ G) * step).sum(-1).sqrt()
    torch.testing.assert_close(geodesics(decoders, *pairs).length, expected)


def test_many_models_at_once_are_the_models_one_by_one(pairs):
    models = [network(seed) for seed in range(3)]
    z0 = torch.stack([pairs[0] + 0.1 * s for s in range(3)])
    z1 = torch.stack([pairs[1] - 0.1 * s for s in range(3)])
    found = geodesics(stacked(models), z0, z1)
    assert found.length.shape == (3, 6)
    assert found.curve(torch.linspace(0, 1, 5)).shape == (3, 6, 5, 2)
    for s, model in enumerate(models):
        alone = geodesics(model, z0[s], z1[s])
        torch.testing.assert_close(found.length[s], alone.length, rtol=1e-6, atol=0)
        torch.testing.assert_close(found.evaluations[s], alone.evaluations)


def test_many_ensembles_at_once_are_routed_each_through_its_own_points(pairs):
    models = [[network(10 * s + m) for m in range(2)] for s in range(2)]
    members = [stacked([model[m] for model in models]) for m in range(2)]
    z0, z1 = pairs[0].expand(2, 6, 2), pairs[1].expand(2, 6, 2)
    through = 2 * draw(2, 40, 2, seed=7)
    found = geodesics(members, z0, z1, through=through)
    for s, model in enumerate(models):
        alone = geodesics(model, z0[s], z1[s], through=through[s])
        torch.testing.assert_close(found.length[s], alone.length, rtol=1e-5, atol=0)


def test_the_energys_gradient_is_its_derivative(ensemble, pairs):
    for weight in (0.0, 3.0):
        energy = CurveEnergy(ensemble, CurveBasis(12, 3), *pairs, weight)
        coefficients, which = 0.3 * draw(4, 8, seed=5), torch.tensor([0, 2, 3, 5])
        value, gradient = energy(coefficients, which)
        h = 1e-6
        for k in range(8):
            step = torch.zeros_like(coefficients)
            step[:, k] = h
            change = (energy(coefficients + step, which)[0] - energy(coefficients - step, which)[0]) / (2 * h)
            torch.testing.assert_close(change, gradient[:, k], rtol=1e-5, atol=1e-6)
        assert (value > 0).all()


def test_the_energy_on_another_grid_is_that_of_the_same_curves(ensemble, pairs):
    fine = CurveEnergy(ensemble, CurveBasis(64, 10), *pairs)
    coarse = fine.on(fine.basis.on(32))
    coefficients, which = 0.3 * draw(6, 22, seed=5), torch.arange(6)
    points = fine.points(coefficients)[:, ::2]
    torch.testing.assert_close(coarse.points(coefficients), points)
    images = torch.stack([decoder(points) for decoder in ensemble])
    torch.testing.assert_close(coarse(coefficients, which)[0], 32 * images.diff(dim=2).square().sum((2, 3)).mean(0))
    assert fine(coefficients, which)[1].shape == coefficients.shape


def test_uncertainty_that_is_nowhere_changes_nothing(ensemble, pairs):
    twins = [ensemble[0], ensemble[0]]
    plain, weighted = geodesics(twins, *pairs), geodesics(twins, *pairs, uncertainty_weight=100.0)
    torch.testing.assert_close(weighted.length, plain.length, rtol=1e-5, atol=0)


def test_the_uncertainty_term_does_not_depend_on_the_number_of_segments(pairs):
    flat = [lambda z: torch.cat([z, 0.3 + 0 * z], -1), lambda z: torch.cat([z, -0.3 + 0 * z], -1)]
    terms = []
    for n_segments in (16, 64):
        energy = CurveEnergy(flat, CurveBasis(n_segments, 4), *pairs, uncertainty_weight=5.0)
        nothing = torch.zeros(6, 10).double()
        terms.append(energy(nothing, torch.arange(6))[0] - (pairs[1] - pairs[0]).square().sum(-1))
    torch.testing.assert_close(terms[0], terms[1])
    torch.testing.assert_close(terms[0], torch.full((6,), 5.0 * 2 * 0.09).double())


def test_around_a_ring_uncertain_geodesics_follow_the_data_and_do_not_cross_the_hole():
    points = circle(200)
    z0, z1 = points[[0, 10, 30]], points[[90, 115, 120]]
    crossing = geodesics(RING, z0, z1, uncertainty_weight=0.0)
    following = geodesics(RING, z0, z1, uncertainty_weight=200.0, through=points)
    t = torch.linspace(0, 1, 101)
    assert crossing.curve(t).norm(dim=-1).min() < 0.5
    assert following.curve(t).norm(dim=-1).min() > 0.75
    arc = (z0 * z1).sum(-1).arccos()
    assert (following.length < 1.02 * arc).all()


def test_paths_over_the_graph_find_the_way_that_the_straight_line_misses():
    """A wall with a gap far from the straight line: descent from the line ends in front of the wall."""

    def walled(z):
        height = 8 * torch.exp(-((z[..., :1] / 0.15) ** 2)) * torch.sigmoid(6 * (2 - z[..., 1:]))
        return torch.cat([z, height], dim=-1)

    z0, z1 = torch.tensor([[-1.0, -1.0]]).double(), torch.tensor([[1.0, -1.0]]).double()
    through = 4 * torch.rand(800, 2, generator=torch.Generator().manual_seed(0)).double() - torch.tensor([2.0, 1.0])
    direct, routed = geodesics(walled, z0, z1), geodesics(walled, z0, z1, through=through)
    assert routed.length < 0.8 * direct.length
    assert routed.curve(torch.linspace(0, 1, 65))[0, :, 1].max() > 2


def test_a_path_over_the_graph_depends_on_no_other_pair():
    """One point off the data to twenty others: its copies are no stops for each other."""
    points = circle(200)
    z0, z1 = (1.3 * points[:1]).repeat(20, 1), points[50:150:5]
    options = {"uncertainty_weight": 200.0, "through": points}
    together = geodesics(RING, z0, z1, **options)
    alone = torch.cat([geodesics(RING, a[None], b[None], **options).length for a, b in zip(z0, z1, strict=True)])
    torch.testing.assert_close(together.length, alone, rtol=1e-6, atol=0)


def test_points_that_the_graph_does_not_connect_are_joined_straight():
    far = torch.tensor([100.0, 0.0]).double()
    through = torch.cat([0.1 * draw(30, 2), 0.1 * draw(30, 2, seed=1) + far])
    z0, z1 = torch.zeros(1, 2).double(), far[None]
    found = geodesics(nn.Linear(2, 3).double(), z0, z1, through=through)
    torch.testing.assert_close(found.length, found.straight_length)


def test_coinciding_points_do_not_break_the_graph():
    z = draw(5, 2)
    through = torch.cat([z, z, z, draw(20, 2, seed=3)])
    found = geodesics(network(), z[:2], z[2:4], through=through)
    assert found.converged.all()


def test_single_precision_finds_the_same_lengths(ensemble, pairs):
    exact = geodesics(ensemble, *pairs)
    single = [network(seed).float() for seed in range(3)]
    rounded = geodesics(single, pairs[0].float(), pairs[1].float())
    assert rounded.length.dtype == torch.float32
    torch.testing.assert_close(rounded.length.double(), exact.length, rtol=1e-3, atol=0)


def test_the_published_length_is_no_distance(ensemble, pairs):
    """It grows with the number of nodes, and a point is far from itself: why it is only a legacy."""
    coarse = published_length(ensemble, geodesics(ensemble, *pairs).curve(torch.linspace(0, 1, 65)))
    fine = published_length(ensemble, geodesics(ensemble, *pairs).curve(torch.linspace(0, 1, 257)))
    assert (fine > 3 * coarse).all()
    assert (published_length(ensemble, pairs[0][:, None].expand(6, 65, 2)) > 0).all()


def test_the_published_length_of_one_decoder_is_the_length(pairs):
    decoder = network()
    points = geodesics(decoder, *pairs).curve(torch.linspace(0, 1, 33))
    torch.testing.assert_close(published_length(decoder, points), curve_lengths(decoder, points))


def test_the_published_length_is_repeated_by_its_seed(ensemble, pairs):
    points = pairs[0][:, None].expand(6, 65, 2)
    first, again, other = (published_length(ensemble, points, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        ((draw(3, 2), draw(4, 2)), {}, r"got \(3, 2\) and \(4, 2\)"),
        ((draw(2), draw(2)), {}, r"shape \(..., pairs, d\)"),
        ((draw(3, 2) * torch.nan, draw(3, 2)), {}, "not finite"),
        ((draw(3, 2), draw(3, 2)), {"uncertainty_weight": -1.0}, "uncertainty_weight = -1.0"),
        ((draw(3, 2), draw(3, 2)), {"uncertainty_weight": float("inf")}, "uncertainty_weight = inf"),
        ((draw(0, 2), draw(0, 2)), {}, "a pair at least"),
        ((draw(3, 2), draw(3, 2)), {"through": draw(9, 3)}, r"through must have shape .* got \(9, 3\)"),
        ((draw(4, 3, 2), draw(4, 3, 2)), {"through": draw(9, 2)}, "through must have shape"),
        ((draw(3, 2), draw(3, 2)), {"tolerance": 0.0}, "tolerance = 0.0"),
        ((draw(3, 2), draw(3, 2)), {"n_segments": 5}, "n_segments = 5"),
    ],
)
def test_bad_input_is_refused_by_name(arguments, options, says):
    with pytest.raises(ValueError, match=says):
        geodesics(nn.Linear(2, 3).double(), *arguments, **options)


def test_what_is_kept_as_arrays_is_what_was_found(ensemble, pairs):
    found = geodesics(ensemble, *pairs, n_segments=32, n_pieces=5)
    again = Geodesics.of_arrays(found.arrays(), found.length.device)
    t = torch.linspace(0, 1, 9, dtype=torch.float64)
    assert torch.equal(again.curve(t), found.curve(t))
    for name, values in found.arrays().items():
        assert (again.arrays()[name] == values).all(), name
