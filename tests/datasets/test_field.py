"""Data of the field: what is said to be known of each is so."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.csgraph import dijkstra
from sklearn.neighbors import kneighbors_graph

from datasets.cifar10 import CIFAR10
from datasets.clusters import GaussianClusters
from datasets.coil20 import COIL20
from datasets.earth import CONTINENTS, Earth
from datasets.faces import Faces, Olivetti
from datasets.helices import ToroidalHelices
from datasets.rotating_object import RotatingObject
from datasets.spheres import NestedSpheres, SeveredSphere
from datasets.sprites import Sprites
from datasets.swiss_roll_hole import SwissRollHole, around_rectangle


def test_earth_has_its_land_where_it_is():
    data = Earth(n=3000).load()
    np.testing.assert_allclose(np.linalg.norm(data.X, axis=1), 1, rtol=1e-6)
    share = np.bincount(data.y, minlength=7) / len(data.y)
    by_name = dict(zip(CONTINENTS, share, strict=True))
    # Of the land about 30 % are Asia, 20 % Africa, 16 % North America, 12 % South America, 9 % Antarctica.
    assert by_name["Asia"] == max(share) and by_name["Oceania"] == min(share)
    assert by_name["Africa"] == pytest.approx(0.2, abs=0.05)
    longitude, latitude = data.intrinsic.T
    pacific = (np.abs(longitude) > 165) & (np.abs(latitude) < 50)
    assert not pacific.any()
    i, j = np.arange(100), np.arange(100, 200)
    np.testing.assert_allclose(data.geodesic(i, j), np.arccos((data.X[i] * data.X[j]).sum(1)), atol=1e-3)


def test_no_point_of_the_roll_lies_in_its_hole_and_geodesics_go_around_it():
    data = SwissRollHole(n=4000).load()
    flat = data.intrinsic
    centre, size = (flat.max(0) + flat.min(0)) / 2, flat.max(0) - flat.min(0)
    assert not (np.abs(flat - centre) < 0.39 * size / 2).all(1).any()
    paths = dijkstra(kneighbors_graph(flat, 12, mode="distance"), directed=False, indices=np.arange(20))
    i, j = np.repeat(np.arange(20), 500), np.tile(np.arange(500, 1000), 20)
    exact, straight = data.geodesic(i, j), np.linalg.norm(flat[i] - flat[j], axis=1)
    bent = exact > 1.02 * straight
    assert 0.1 < bent.mean() < 0.6
    assert np.median(paths[i, j][bent] / exact[bent]) == pytest.approx(1.0, abs=0.04)
    assert (exact >= straight - 1e-9).all()


@pytest.mark.parametrize(
    ("a", "b", "length"),
    [
        ((-2, 0), (2, 0), 2 * np.hypot(1, 1) + 2),  # across: two corners
        ((-2, 0), (0, 2), 2 * np.hypot(1, 1)),  # around one corner
        ((-2, 2), (2, 2), 4.0),  # past it
        ((-2, 1), (2, 1), 4.0),  # along a side
        ((-1, 0), (1, 0), 4.0),  # from side to side
        ((0.5, 3), (0.5, 5), 2.0),  # along an axis, away from it
        ((2, 2), (2, 2), 0.0),
    ],
)
def test_shortest_paths_around_a_square(a, b, length):
    geodesic = around_rectangle(np.array([a, b], dtype=float), np.array([-1.0, -1.0]), np.array([1.0, 1.0]))
    for i, j in ((0, 1), (1, 0)):
        assert geodesic(np.array([i]), np.array([j]))[0] == pytest.approx(length)


def test_spheres():
    severed = SeveredSphere(n=500).load()
    np.testing.assert_allclose(np.linalg.norm(severed.X, axis=1), 1, rtol=1e-5)
    longitude = np.arctan2(severed.X[:, 1], severed.X[:, 0]) % (2 * np.pi)
    np.testing.assert_allclose(longitude, severed.intrinsic[:, 0], atol=1e-5)
    nested = NestedSpheres(n=30).load()
    assert nested.X.shape == (600, 101) and (nested.y == 10).sum() == 300
    np.testing.assert_allclose(np.linalg.norm(nested.X[nested.y == 10], axis=1), 25, rtol=1e-5)
    for label in range(10):
        own = nested.X[nested.y == label]
        # Points of a sphere of radius 5 are 5 sqrt 2 from each other on average, in many dimensions.
        assert np.linalg.norm(own[:15] - own[15:], axis=1).mean() == pytest.approx(5 * np.sqrt(2), rel=0.05)


def test_a_helix_alone_has_the_arc_for_its_geodesic():
    data = ToroidalHelices(n=3000, n_helices=1).load()
    paths = dijkstra(kneighbors_graph(data.X, 10, mode="distance"), directed=False, indices=[0])[0]
    np.testing.assert_allclose(paths[1:], data.geodesic(np.zeros(2999, int), np.arange(1, 3000)), rtol=0.05, atol=0.1)
    two = ToroidalHelices(n=1000).load()
    assert two.geodesic is None and set(two.y) == {0, 1}
    around = np.hypot(two.X[:, 0], two.X[:, 1]) - 2
    np.testing.assert_allclose(np.hypot(around, two.X[:, 2]), 1, rtol=1e-5)


def test_clusters_of_clusters():
    data = GaussianClusters(n=2700, levels=3, branching=3).load()
    centres = np.stack([data.X[data.y == leaf].mean(0) for leaf in range(27)])
    apart = np.linalg.norm(centres[:, None] - centres, axis=-1)
    leaf = np.arange(27)
    parent = leaf // 3
    siblings = (parent[:, None] == parent) & (leaf[:, None] != leaf)
    strangers = (leaf // 9)[:, None] != leaf // 9
    assert apart[siblings].max() < apart[strangers].min()
    assert data.X[data.y == 4].std(0).mean() == pytest.approx(1, abs=0.1)


def test_sprites_are_where_their_factors_say():
    data = Sprites(n=300).load()
    images = data.X.reshape(-1, 32, 32)
    at = np.arange(32) + 0.5 - 16
    mass = images.sum((1, 2))
    x, y = (images.sum(1) @ at) / mass, (images.sum(2) @ at) / mass
    symmetric = data.y < 2
    np.testing.assert_allclose(np.column_stack([x, y])[symmetric], data.intrinsic[symmetric, 2:], atol=0.25)
    square = data.y == 0
    np.testing.assert_allclose(mass[square], (1.8 * data.intrinsic[square, 0]) ** 2, rtol=0.05)
    assert 0 < images.min(initial=1, where=images > 0) < 1


def test_the_object_turns_once_in_a_closed_curve():
    data = RotatingObject(n=120).load()
    order = np.argsort(np.arctan2(data.intrinsic[:, 1], data.intrinsic[:, 0]))
    X = data.X[order]
    step = np.linalg.norm(X - np.roll(X, -1, axis=0), axis=1)
    across = np.linalg.norm(X - np.roll(X, 30, axis=0), axis=1)
    assert step.max() < across.min()
    assert data.X.min() == 0 and 0.5 < data.X.max() <= 1


@pytest.mark.data
def test_faces_are_averages_of_olivetti(data_folder):
    whole, half = Olivetti().load(), Faces().load()
    assert half.sample_shape == (1, 32, 32)
    np.testing.assert_allclose(half.X.mean(1), whole.X.mean(1), rtol=1e-5)
    with pytest.raises(ValueError, match="size must divide 64, got 33"):
        Faces(size=33).load()


def test_coil20_is_read_where_it_is(tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.setenv("LATENTBENCH_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"coil-20-proc\.zip.*LATENTBENCH_DATA/coil20"):
        COIL20().load()
    folder = tmp_path / "coil20" / "coil-20-proc"
    folder.mkdir(parents=True)
    for label in (1, 2, 11):
        for step in (0, 18):
            Image.fromarray(np.full((128, 128), 10 * label + step, np.uint8)).save(folder / f"obj{label}__{step}.png")
    data = COIL20(size=16).load()
    assert data.X.shape == (6, 256) and data.y.tolist() == [0, 0, 1, 1, 10, 10]
    np.testing.assert_allclose(data.X[1], 28 / 255, rtol=1e-6)
    np.testing.assert_allclose(data.intrinsic[:2], [[1, 0], [0, 1]], atol=1e-9)


def test_cifar10_is_read_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTBENCH_DATA", str(tmp_path))
    folder = tmp_path / "cifar10"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in [*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"]:
        rows = rng.integers(0, 256, size=(20, 3073), dtype=np.uint8)
        rows[:, 0] = np.arange(20) % 10
        rows.tofile(folder / name)
    data = CIFAR10().load()
    assert data.X.shape == (120, 3072) and data.sample_shape == (3, 32, 32)
    assert data.test.tolist() == list(range(100, 120)) and len(data.validation) == 10
    np.testing.assert_allclose(data.X[-1], rows[-1, 1:] / 255, rtol=1e-6)
    assert len(CIFAR10(n=50).load().X) == 50
    (folder / "data_batch_3.bin").write_bytes(b"0" * 100)
    with pytest.raises(ValueError, match=r"data_batch_3\.bin: 100 bytes"):
        CIFAR10().load()


@pytest.mark.parametrize(
    ("component", "said"),
    [
        (Earth(n=2), "n must"),
        (SwissRollHole(hole=1.0), "hole"),
        (SwissRollHole(noise=-1.0), "noise"),
        (SeveredSphere(n=1), "n must"),
        (NestedSpheres(dim=0), "dim"),
        (ToroidalHelices(windings=0), "windings"),
        (GaussianClusters(ratio=1.5), "ratio"),
        (Sprites(n=0), "n must"),
        (RotatingObject(n=3), "n must"),
    ],
)
def test_bad_parameters_are_named(component, said):
    with pytest.raises(ValueError, match=said):
        component.load()
