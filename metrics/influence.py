"""Scores as means over points: values whose mean is the score and whose spread says how sure it is.

Where a score is a mean, these are the scores of the points. Where it is another smooth function of means, they are
the score plus each point's influence on it (the infinitesimal jackknife): their mean is the score all the same, and
their standard error is the score's.

Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapters 21 and 22.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from metrics.pairs import PairSums

Array = np.ndarray


def of_ratio(numerator: Array, denominator: Array) -> Array:
    """By point (n,), what has the mean of the numerator over the mean of the denominator, both (n,), as its mean."""
    mean = denominator.mean()
    ratio = numerator.mean() / mean
    return ratio + (numerator - ratio * denominator) / mean


def of_variance(values: Array) -> Array:
    """By point (n,), what has the unbiased variance of the values (n,) as its mean."""
    squares = (values - values.mean()) ** 2
    return squares * (len(values) / (len(values) - 1))


def of_pairs(score: float, influence: Array, i: Array, j: Array, n: int) -> Array:
    """By point (n,), from the influence (m,) of the pairs of points i and j (m,) on a score of all those pairs.

    A pair counts for both of its points, so that their mean is the score where the influences sum to 0.
    """
    by_point = np.bincount(i, influence, n) + np.bincount(j, influence, n)
    return score + by_point * (n / len(i))


def of_stress(reference: Array, embedded: Array) -> Array:
    """Influence (m,) of each pair on `metrics.distances.normalised_stress` of its distances (m,); they sum to 0."""
    xx, xz, zz = reference * reference, reference * embedded, embedded * embedded
    mean_xx, mean_xz, mean_zz = xx.mean(), xz.mean(), zz.mean()
    unexplained = 1 - mean_xz**2 / (mean_xx * mean_zz)
    if unexplained <= 1e-12:
        # A perfect embedding: every pair fits.
        return np.zeros_like(reference)
    share = mean_xz**2 / (mean_xx * mean_zz)
    relative = 2 * xz / mean_xz - xx / mean_xx - zz / mean_zz
    return -share * relative / (2 * np.sqrt(unexplained))


def of_summed_stress(score: float, sums: PairSums) -> Array:
    """By point (points,), the stress with each point's influence through its pairs, from sums of `metrics.pairs`."""
    share = sums.xz**2 / (sums.xx * sums.zz)
    if 1 - share <= 1e-12:
        # A perfect embedding: every pair fits.
        return np.full(len(sums.by_point), score)
    xx, xz, zz = sums.by_point.T
    relative = 2 * xz / sums.xz - xx / sums.xx - zz / sums.zz
    result: Array = score - share / (2 * np.sqrt(1 - share)) * len(relative) * relative
    return result
