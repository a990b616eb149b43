from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import dijkstra
from sklearn.neighbors import NearestNeighbors
from torch import nn

from metrics.ensembles import stacked
from metrics.geodesics.curve_energy import Images, straight_lines
from metrics.geodesics.latent_graph import N_NEIGHBORS, shortest_paths


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def network(seed, n_features=30):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, n_features)).double().requires_grad_(False)


def polygons(points, edges, n_chords):
    start, end = (torch.take_along_dim(points, which[..., None], -2) for which in edges.unbind(-1))
    return straight_lines(start, end, torch.linspace(0, 1, n_chords + 1))


@pytest.mark.parametrize("only_distances", [True, False])
@pytest.mark.parametrize("at_once", [1, 20, 1 << 20])
def test_an_edge_is_as_long_as_the_polygon_along_it(only_distances, at_once):
    points, edges = draw(40, 2), torch.randint(40, (90, 2), generator=torch.Generator().manual_seed(0))
    images = Images([network(seed) for seed in range(3)], points[:1], only_distances=only_distances)
    images.at_once = at_once
    direct = images.step_lengths(polygons(points, edges, 4)).sum(-1)
    torch.testing.assert_close(images.edge_lengths(points, edges, 4), direct)


def test_edges_of_many_models_are_measured_each_by_its_own():
    points, edges = draw(3, 40, 2), torch.randint(40, (3, 90, 2), generator=torch.Generator().manual_seed(0))
    members = [[network(10 * s + m) for s in range(3)] for m in range(2)]
    images = Images([stacked(models) for models in members], points[:, :1], only_distances=True)
    found = images.edge_lengths(points, edges, 4)
    for s in range(3):
        own = Images([models[s] for models in members], points[s, :1], only_distances=True)
        torch.testing.assert_close(found[s], own.step_lengths(polygons(points[s], edges[s], 4)).sum(-1))


def test_a_point_is_decoded_once_however_many_edges_meet_there():
    decoded = []

    def decoder(z):
        decoded.append(z.shape[-2])
        return z

    points, edges = draw(10, 2), torch.cartesian_prod(torch.arange(10), torch.arange(10))
    images = Images(decoder, points[:1], only_distances=True)
    decoded.clear()
    images.edge_lengths(points, edges, 4)
    assert sum(decoded) == 10 + 3 * len(edges)


def plain_distances(through, z0, z1):
    """From all first to all last points by a dense matrix of Euclidean edges (pairs,)."""
    n, p = len(through), len(z0)
    points = np.concatenate([through, z0, z1])
    near = NearestNeighbors(n_neighbors=N_NEIGHBORS).fit(through)
    weights = np.full((len(points), len(points)), np.inf)

    def join(i, j):
        weights[i, j] = np.linalg.norm(points[i] - points[j])

    for i, neighbours in enumerate(near.kneighbors(return_distance=False)):
        for j in neighbours:
            join(i, j)
            join(j, i)
    for i, neighbours in enumerate(near.kneighbors(points[n:], return_distance=False), start=n):
        for j in neighbours:
            join(*((i, j) if i < n + p else (j, i)))
    reached = dijkstra(np.where(np.isfinite(weights), weights, 0.0), indices=np.arange(n, n + p))
    return np.array([reached[i, n + p + i] for i in range(p)])


def test_paths_are_as_long_as_an_independent_search_over_the_graph_says():
    through, z0, z1 = draw(120, 2), draw(7, 2, seed=1), draw(7, 2, seed=2)
    images = Images(lambda z: z, through[:1], only_distances=True)
    t = torch.linspace(0, 1, 20_001).double()
    paths = shortest_paths(images, through, z0, z1, t)
    steps = paths.diff(dim=1).norm(dim=-1)
    expected = torch.as_tensor(plain_distances(through.numpy(), z0.numpy(), z1.numpy()))
    torch.testing.assert_close(steps.sum(-1), expected, rtol=1e-3, atol=0)
    torch.testing.assert_close(paths[:, [0, -1]], torch.stack([z0, z1], 1))
    # At constant speed, but where a corner is cut.
    assert (steps.median(-1).values / steps.mean(-1) - 1).abs().max() < 1e-2


def test_paths_of_a_decoder_that_knows_no_distances_are_still_paths():
    through, z0, z1 = draw(60, 2), draw(3, 2, seed=1), draw(3, 2, seed=2)
    images = Images(lambda z: torch.zeros_like(z), through[:1], only_distances=True)
    paths = shortest_paths(images, through, z0, z1, torch.linspace(0, 1, 65).double())
    assert paths.isfinite().all()
    torch.testing.assert_close(paths[:, [0, -1]], torch.stack([z0, z1], 1))
