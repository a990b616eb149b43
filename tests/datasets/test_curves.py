from __future__ import annotations

import numpy as np
import pytest

from datasets.base import content_hash
from datasets.curves import Circle, SinCurve, Spiral


@pytest.mark.parametrize(("component", "n", "noise"), [(SinCurve, 50, 0.3), (Spiral, 30, 0.01), (Circle, 100, 0.05)])
def test_training_points_scatter_about_the_clean_curve_by_the_noise(component, n, noise):
    data = component().load()
    assert (len(data.train), len(data.test)) == (n, 1_000)
    assert len(data.validation) in (n - 1, n)
    clean = component(noise=0.0).load()
    moved = data.X[data.train] - clean.X[clean.train]
    assert np.std(moved) == pytest.approx(noise, rel=0.25)
    np.testing.assert_array_equal(data.X[data.test], clean.X[clean.test])
    # Validation has noise of its own, between the training points.
    assert np.std(data.X[data.validation] - clean.X[clean.validation]) == pytest.approx(noise, rel=0.25)


@pytest.mark.parametrize("component", [SinCurve, Spiral, Circle])
def test_training_and_test_points_share_one_parametrisation(component):
    """The published spiral's noise-free training points lie 0.04 off its own ground truth."""
    data = component(noise=0.0).load()
    test, arc = data.X[data.test], data.intrinsic[data.test, 0]
    nearest = np.linalg.norm(data.X[data.train][:, None] - test[None], axis=2)
    assert nearest.min(axis=1).max() < 0.01
    assert np.abs(arc[nearest.argmin(axis=1)] - data.intrinsic[data.train, 0]).max() < 0.02


@pytest.mark.parametrize(("component", "length"), [(SinCurve, 7.640), (Spiral, 8.48), (Circle, 2 * np.pi * 1.3)])
def test_intrinsic_is_arc_length(component, length):
    data = component().load()
    arc = data.intrinsic[data.test, 0]
    steps = np.linalg.norm(np.diff(data.X[data.test], axis=0), axis=1)
    np.testing.assert_allclose(np.diff(arc), steps, rtol=2e-3, atol=1e-5)
    whole = arc[-1] + (arc[1] if component is Circle else 0)
    assert whole == pytest.approx(length, rel=1e-3)


def test_geodesics_follow_the_curve_and_a_ring_both_ways():
    data = Circle(noise=0.0).load()
    first, across = data.test[0], data.test[500]
    near_the_end = data.test[-10]
    assert data.geodesic(np.array([first]), np.array([across]))[0] == pytest.approx(np.pi * 1.3, rel=1e-3)
    assert data.geodesic(np.array([first]), np.array([near_the_end]))[0] < 0.1
    sine = SinCurve().load()
    assert sine.geodesic(sine.test[[0]], sine.test[[-1]])[0] == pytest.approx(7.640, rel=1e-3)


def test_draws_depend_on_the_seed_alone():
    assert content_hash(Spiral().load()) == content_hash(Spiral().load())
    assert content_hash(Spiral().load()) != content_hash(Spiral(random_state=1).load())


@pytest.mark.parametrize(
    ("parameters", "said"), [({"n": 2}, "n must"), ({"noise": -1.0}, "noise"), ({"radius": 0.0}, "radius")]
)
def test_unusable_parameters_are_named(parameters, said):
    with pytest.raises(ValueError, match=said):
        Circle(**parameters).load()
