"""Means over seeds and how certain they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2_000


@dataclass(frozen=True)
class Estimate:
    """A mean over n seeds with its 95 % bootstrap interval; a single seed has none (low = high = None)."""

    mean: float
    low: float | None
    high: float | None
    n: int

    def holds(self, value: float) -> bool:
        """Whether a value lies in the interval; a mean without an interval holds itself alone."""
        if self.low is None or self.high is None:
            return value == self.mean
        return self.low <= value <= self.high


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and percentile bootstrap interval over seeds.

    Raises:
        ValueError: there are no values.
    """
    observed = np.asarray(values, dtype=np.float64)
    if observed.size == 0:
        raise ValueError("an estimate needs at least one value")
    if observed.size == 1:
        return Estimate(float(observed[0]), None, None, 1)
    draws = np.random.default_rng(0).integers(0, observed.size, size=(RESAMPLES, observed.size))
    low, high = np.quantile(observed[draws].mean(axis=1), [0.025, 0.975])
    return Estimate(float(observed.mean()), float(low), float(high), observed.size)
