"""Sorting in parts is sorting, whatever the numbers are."""

from __future__ import annotations

import numpy as np
import pytest

from metrics import sorting

RNG = np.random.default_rng(0)
FLOATS = RNG.chisquare(3, 20_000).astype(np.float32)
NUMBERS = {
    "bits of distances": (FLOATS.view(np.uint32).astype(np.int64) << 32) | np.arange(20_000),
    "all alike": np.zeros(20_000, dtype=np.int64),
    "of any size": RNG.integers(np.iinfo(np.int64).min, np.iinfo(np.int64).max, 20_000),
    "few values": RNG.integers(-2, 3, 20_000),
    "two far apart": np.where(RNG.random(20_000) < 0.5, 3, 2**62),
    "a few far out": np.concatenate([RNG.integers(0, 1_000, 19_995), [-(2**62), 2**62, 2**50, -5, 7]]),
    "many at one end, a few at the other": np.concatenate(
        [2**62 + RNG.integers(0, 3_000, 19_997), np.full(3, -(2**63))]
    ),
    "many below, a few above": np.concatenate(
        [RNG.integers(0, 9, 19_997) + np.iinfo(np.int64).min, np.full(3, 2**63 - 1)]
    ),
    "sorted": np.arange(20_000),
    "backwards": np.arange(20_000)[::-1].copy(),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_sorted_in_place(name, monkeypatch):
    monkeypatch.setattr(sorting, "FEW", 5_000)
    numbers = NUMBERS[name].copy()
    expected = np.sort(numbers)
    sorting.sort(numbers)
    np.testing.assert_array_equal(numbers, expected)
