from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.base import Data
from metrics.catalog.curves import curve_length_error, curve_rms, order_score
from metrics.curves import curve_length, decoded_curve
from metrics.curves import order_score as order_of
from metrics.uncertainty import off_the_data
from metrics.view import NotApplicableError, View


def half_circle(z: np.ndarray) -> np.ndarray:
    return np.column_stack([np.cos(z[:, 0]), np.sin(z[:, 0])])


def view(Z: np.ndarray, decode=half_circle, radius: float = 1.0) -> View:
    """Ten training and ten scored points of a half circle, scored out of order."""
    t = np.linspace(0, np.pi, 20)
    rows = np.random.default_rng(0).permutation(20)
    data = Data(
        radius * half_circle(t[:, None]), intrinsic=t[:, None], train=rows[:9], validation=rows[9:10], test=rows[10:]
    )
    return View(data, "test", Z[data.test], np.array([[0.0], [np.pi]], np.float32), decode, (), lambda: None)


T = np.linspace(0, np.pi, 20)[:, None]


def test_a_decoder_that_is_the_curve_has_no_error():
    found = view(T)
    assert curve_rms.compute(found)[""] < 1e-4
    assert order_score.compute(found) == 1.0
    # The true curve is measured between its scored points, which end short of it.
    expected = np.pi / curve_length(found.X[found.along_curve]) - 1
    assert curve_length_error.compute(found) == pytest.approx({"": expected, "_longer": expected, "_shorter": 0})


def test_distances_to_a_curve_are_in_data_units():
    found = view(T, radius=1.5)
    assert curve_rms.compute(found)[""] == pytest.approx(0.5, abs=1e-4)


def test_a_decoded_curve_that_strays_is_far_from_the_points_and_not_the_points_from_it():
    def strays(z):
        out = half_circle(z)
        out[: len(z) // 10] += 3.0
        return out

    scores = curve_rms.compute(view(T, decode=strays))
    assert scores["_back"] > 1.0 > 5 * scores[""]


def test_a_plane_of_codes_has_no_order():
    plane = np.column_stack([T, T])
    for metric in (order_score, curve_rms, curve_length_error):
        with pytest.raises(NotApplicableError, match="one latent dimension"):
            metric.compute(view(plane))


def test_data_without_one_coordinate_have_no_curve():
    surface = Data(np.arange(16.0).reshape(8, 2), intrinsic=np.zeros((8, 2)))
    found = View(surface, "test", T, T, None, (), lambda: None)
    assert "single intrinsic coordinate" in found.missing("curve")


@given(st.lists(st.integers(0, 1000), min_size=3, max_size=30, unique=True))
def test_order_ignores_monotone_maps_and_direction(codes):
    Z = np.array(codes, dtype=float)[:, None]
    score = order_of(Z)
    assert 0.5 <= score <= 1
    assert order_of(Z**3 + Z) == score == order_of(-Z) == order_of(Z[::-1])


def test_order_of_a_known_sequence():
    assert order_of(np.array([[0.0], [1.0], [3.0], [2.0], [5.0]])) == 0.75


def test_length_of_a_decoded_circle():
    curve = decoded_curve(half_circle, np.array([[0.0], [2 * np.pi]]))
    assert curve_length(curve) == pytest.approx(2 * np.pi, rel=1e-5)


def test_points_off_the_data_are_away_from_them_and_around_them():
    Z = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
    off = off_the_data(Z)
    nearest = np.linalg.norm(off[:, None] - Z[None], axis=2).min(axis=1)
    among = np.linalg.norm(Z[:, None] - Z[None], axis=2)
    np.fill_diagonal(among, np.inf)
    assert np.mean(among.min(axis=1) < nearest.min()) >= 0.985
    assert off.dtype == np.float32 and len(off) > 500
    np.testing.assert_array_equal(off, off_the_data(Z))
