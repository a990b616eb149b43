"""Straight lines between codes, and codes beside a prior, on cases with known answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from datasets.base import Data
from metrics.catalog.interpolation import (
    agreed_geodesic_off_data,
    geodesic_off_data,
    midpoint_distance,
    straight_energy,
)
from metrics.catalog.prior import energy_statistic, prior_energy
from metrics.view import NotApplicableError, View


def view(Z: np.ndarray, decoder, n_features: int, *others) -> View:
    """Codes whose decoded points are the data; other members of an ensemble."""
    decode = lambda z: decoder(torch.as_tensor(z)).numpy()  # noqa: E731
    data = Data(decode(Z).reshape(len(Z), n_features).astype(np.float64))
    return View(data, "test", Z[data.test], Z[data.train], decode, (decoder, *others), lambda: None)


def codes(n=200, d=2, seed=0):
    return np.random.default_rng(seed).uniform(0.2, 1, size=(n, d)).astype(np.float32)


def test_lines_of_an_affine_decoder_are_geodesics_by_construction():
    seen = view(codes(), lambda z: z @ torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 3.0]]).to(z), 3)
    assert straight_energy.compute(seen) == pytest.approx(1, abs=1e-4)
    assert straight_energy.trivial(seen)


def test_uneven_speed_along_a_line_costs_energy():
    """f(z) = z^3 on a line: its energy over its squared length, by hand, for each pair."""
    seen = view(codes(d=1), lambda z: torch.cat([z**3, 0 * z], dim=-1), 2)
    i, j = seen.geodesic_pairs
    a, b = seen.Z[i, 0].astype(float), seen.Z[j, 0].astype(float)
    exact = 9 * (b**5 - a**5) * (b - a) / 5 / (b**3 - a**3) ** 2
    np.testing.assert_allclose(straight_energy.by_point(seen), exact, rtol=5e-3)
    assert straight_energy.compute(seen) == pytest.approx(exact.mean(), rel=5e-3)
    assert straight_energy.compute(seen) > 1.01


def test_midpoints_of_a_ring_leave_the_data_and_those_of_a_disc_do_not():
    rng = np.random.default_rng(0)
    angle, radius = 2 * np.pi * rng.random(2000), np.sqrt(rng.random(2000))
    ring = np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)
    on_ring = midpoint_distance.compute(view(ring, lambda z: z, 2))
    in_disc = midpoint_distance.compute(view(ring * radius[:, None].astype(np.float32), lambda z: z, 2))
    assert on_ring > 50 and in_disc == pytest.approx(1, abs=0.4)


def test_geodesics_of_a_ring_cross_its_hole_and_those_that_members_agree_on_do_not():
    """Two decoders that are the identity on the ring and differ inside it."""
    angle = 2 * np.pi * np.random.default_rng(0).random(600)
    ring = np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)
    lifted = lambda z, side: torch.cat([z, side * (1 - z.square().sum(-1, keepdim=True)) ** 2], dim=-1)  # noqa: E731
    one = view(ring, lambda z: lifted(z, 0.3), 3)
    two = view(ring, lambda z: lifted(z, 0.3), 3, lambda z: lifted(z, -0.3))
    crossing, agreed = geodesic_off_data.compute(two), agreed_geodesic_off_data.compute(two)
    assert crossing[""] > 0.15 and crossing["_straight"] > 0.15
    assert agreed < 0.05
    assert agreed_geodesic_off_data.by_point(two).mean() == pytest.approx(agreed)
    with pytest.raises(NotApplicableError, match="an ensemble has"):
        agreed_geodesic_off_data.compute(one)


def test_curves_are_compared_with_the_data_by_what_is_decoded_and_not_by_its_deviation():
    """As decoders of mean and deviation, side by side; and one that overflows gives no number."""
    ring = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    plain = view(ring, lambda z: z, 2)
    certain = replace(plain, own_decoders=(lambda z: torch.cat([z, 0 * z], dim=-1),))
    assert geodesic_off_data.compute(certain) == pytest.approx(geodesic_off_data.compute(plain), rel=1e-3)
    overflowing = replace(plain, own_decoders=(lambda z: z / (z - z),))
    assert np.isnan(geodesic_off_data.by_point(overflowing)).all()


def test_energy_statistic_is_zero_for_one_distribution_and_grows_with_the_distance():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 1500, 3))
    assert energy_statistic(a, b) == pytest.approx(0, abs=5e-3)
    found = [energy_statistic(a, b + shift) for shift in (0.5, 2, 100)]
    assert found[0] < found[1] < found[2] == pytest.approx(1, abs=0.05)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    assert energy_statistic(a @ turn, (b + 1) @ turn) == pytest.approx(energy_statistic(a, b + 1))


def test_prior_energy_of_normal_codes_is_small_and_its_variants_say_what_is_off():
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((6000, 2)).astype(np.float32)
    normal = prior_energy.compute(view(Z, lambda z: z, 2))
    assert normal[""] < 0.01 and normal["_mean"] < 0.1 and normal["_variance"] < 0.1
    narrow = prior_energy.compute(view(0.5 * Z + 1, lambda z: z, 2))
    assert narrow[""] > 0.1
    assert narrow["_mean"] == pytest.approx(np.sqrt(2), abs=0.1)
    assert narrow["_variance"] == pytest.approx(0.75, abs=0.05)
