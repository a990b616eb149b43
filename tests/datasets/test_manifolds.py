from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.sparse.csgraph import dijkstra
from sklearn.neighbors import kneighbors_graph

from datasets.base import content_hash
from datasets.manifolds import SCurve, SphereCap, SwissRoll, Torus


@pytest.mark.parametrize("component", [SwissRoll, SCurve, SphereCap, Torus])
def test_geodesics_agree_with_shortest_paths_in_a_dense_graph(component):
    data = component(n=4000).load()
    graph = kneighbors_graph(data.X, 30, mode="distance")
    sources = np.arange(20)
    paths = dijkstra(graph, directed=False, indices=sources)
    i, j = np.repeat(sources, 200), np.tile(np.arange(100, 300), 20)
    exact = data.geodesic(i, j)
    far = exact > np.median(exact)
    ratio = paths[i, j][far] / exact[far]
    # A path along edges zigzags: it may only be a little longer than the geodesic.
    assert 0.99 < ratio.mean() < 1.03
    assert ratio.min() > 0.97


@pytest.mark.parametrize("component", [SwissRoll, SCurve])
def test_flat_coordinates_are_an_isometry_for_near_points(component):
    data = component(n=3000).load()
    distances = np.linalg.norm(data.X[:, None, :] - data.X[None, :200], axis=-1)
    i, j = np.nonzero((distances > 0) & (distances < 0.1))
    np.testing.assert_allclose(data.geodesic(i, j), distances[i, j], rtol=5e-3)


def test_swiss_roll_arc_length_is_the_integral_of_speed():
    data = SwissRoll(n=10).load()
    t = np.hypot(data.X[:, 0].astype(float), data.X[:, 2])
    for radius, s in zip(t, data.intrinsic[:, 0], strict=True):
        assert s == pytest.approx(quad(lambda u: np.sqrt(1 + u * u), 0, radius)[0], rel=1e-5)


def test_sphere_cap_lies_on_its_sphere_and_within_its_angle():
    data = SphereCap(n=1000, angle=0.8, radius=2.0).load()
    np.testing.assert_allclose(np.linalg.norm(data.X, axis=1), 2.0, rtol=1e-5)
    assert np.arccos(data.X[:, 2] / 2.0).max() <= 0.8 + 1e-3
    with pytest.raises(ValueError, match="angle"):
        SphereCap(angle=2.0).load()


def test_the_torus_is_flat_and_closes_in_both_directions():
    data = Torus(n=500, major=2.0, minor=0.5).load()
    np.testing.assert_allclose(np.hypot(data.X[:, 0], data.X[:, 1]), 2.0, rtol=1e-5)
    np.testing.assert_allclose(np.hypot(data.X[:, 2], data.X[:, 3]), 0.5, rtol=1e-5)
    i, j = np.arange(250), np.arange(250, 500)
    farthest = np.pi * np.hypot(2.0, 0.5)
    assert 0.8 * farthest < data.geodesic(i, j).max() <= farthest
    with pytest.raises(ValueError, match="minor"):
        Torus(minor=0.0).load()


def test_noise_moves_points_but_not_geodesics():
    clean, noisy = SwissRoll(n=50).load(), SwissRoll(n=50, noise=0.1).load()
    i, j = np.arange(25), np.arange(25, 50)
    np.testing.assert_array_equal(clean.geodesic(i, j), noisy.geodesic(i, j))
    assert 0.05 < np.std(noisy.X - clean.X) < 0.2


def test_data_depend_on_parameters_alone():
    assert content_hash(SCurve(n=60).load()) == content_hash(SCurve(n=60).load())
    assert content_hash(SCurve(n=60).load()) != content_hash(SCurve(n=60, random_state=1).load())
