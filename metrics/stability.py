"""How much distances between the same points differ when the model is trained again.

All functions take lengths (models, pairs): row s holds the distances of all pairs by the model of seed s. The
coefficient of variation alone rewards a distance that is the same for all pairs; so it stands beside the intraclass
correlation and the rank agreement of models, which do not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

Array = np.ndarray

N_RESAMPLES = 1_000
LEVEL = 0.95


class Interval(NamedTuple):
    """A bootstrap interval."""

    low: float
    high: float


def coefficient_of_variation(lengths: Array) -> Array:
    """Standard deviation over models (n - 1 in the denominator) divided by the mean, for each pair.

    Args:
        lengths: (models, pairs), at least 2 models.

    Returns:
        (pairs,) in [0, sqrt(models)], lower is better; NaN for a pair whose distance is 0 in all models.

    Raises:
        ValueError: the shape is another, or there is one model only.

    Source: Syrota, Moreno-Munoz and Hauberg, Decoder ensembling for learned latent geometries, 2024.
    """
    return _variations(_checked(lengths))


def mean_variation(lengths: Array) -> Array:
    """Mean of `coefficient_of_variation` over the pairs that have one, of lengths (..., models, pairs) -> (...)."""
    return np.nanmean(_variations(lengths), axis=-1)


def _variations(lengths: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return lengths.std(axis=-2, ddof=1) / lengths.mean(axis=-2)


def without_scale(lengths: Array) -> Array:
    """Each model's distances divided by their mean, which takes out a drift of the whole scale from seed to seed."""
    lengths = _checked(lengths)
    with np.errstate(invalid="ignore", divide="ignore"):
        return lengths / lengths.mean(axis=1, keepdims=True)


def icc(lengths: Array) -> float:
    """Intraclass correlation ICC(1): the share of the distances' variance that is between pairs, not between models.

    Args:
        lengths: (models, pairs), at least 2 of each.

    Returns:
        In [-1 / (models - 1), 1], higher is better: 1 where all models agree, about 0 where models tell no more of a
        pair than chance. NaN where all distances are equal.

    Raises:
        ValueError: the shape is another, or there is one model or one pair only.

    Source: Shrout and Fleiss, Intraclass correlations, 1979: (MSB - MSW) / (MSB + (S - 1) MSW).
    """
    return float(iccs(_checked(lengths, pairs=2)))


def iccs(lengths: Array) -> Array:
    """`icc` of each of several lengths (..., models, pairs) -> (...)."""
    n_models, n_pairs = lengths.shape[-2:]
    both = (-2, -1)
    of_pairs = lengths.mean(axis=-2, keepdims=True)
    between = n_models * np.sum((of_pairs - of_pairs.mean(axis=-1, keepdims=True)) ** 2, axis=both) / (n_pairs - 1)
    within = np.sum((lengths - of_pairs) ** 2, axis=both) / (n_pairs * (n_models - 1))
    differ = np.ptp(lengths, axis=both) > 1e-12 * np.abs(lengths).max(axis=both)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(differ, (between - within) / (between + (n_models - 1) * within), np.nan)


def seed_spearman(lengths: Array) -> float:
    """Rank correlation of two models' distances, mean over all pairs of models.

    Args:
        lengths: (models, pairs), at least 2 of each.

    Returns:
        In [-1, 1], higher is better; NaN where a model has all distances equal.

    Raises:
        ValueError: the shape is another, or there is one model or one pair only.
    """
    ranks = rankdata(_checked(lengths, pairs=2), axis=1)
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1)
    if not norms.all():
        return float("nan")
    directions = centred / norms[:, None]
    upper = np.triu_indices(len(ranks), 1)
    return float((directions @ directions.T)[upper].mean())


def interval_of(values: Array) -> Interval:
    """95 % percentile interval of a statistic's values (resamples,), those that are not a number left out."""
    tail = (1 - LEVEL) / 2
    return Interval(*(float(bound) for bound in np.nanquantile(values, [tail, 1 - tail])))


def resampled(lengths: Array, seed: int = 0) -> Array:
    """Lengths with models and pairs both drawn with replacement, 1,000 times.

    The pairs share their models and are not independent: an interval over pairs alone would be too narrow. A draw of
    models that are all the same one tells nothing of their spread and is drawn again.

    Args:
        lengths: (..., models, pairs), at least 2 models; leading axes, as of kinds of distances, share the draws.
        seed: of the draws.

    Returns:
        (1000, ..., models, pairs).

    Raises:
        ValueError: there is one model only, or no pair.
    """
    lengths = np.asarray(lengths, dtype=np.float64)
    n_models, n_pairs = lengths.shape[-2:]
    if n_models < 2 or n_pairs < 1:
        raise ValueError(f"lengths must be (models, pairs) with at least 2 models and 1 pairs, got {lengths.shape}")
    rng = np.random.default_rng(seed)
    found: list[Array] = []
    while len(found) < N_RESAMPLES:
        models = rng.integers(n_models, size=n_models)
        pairs = rng.integers(n_pairs, size=n_pairs)
        if np.ptp(models) > 0:
            found.append(lengths[..., models, :][..., pairs])
    return np.stack(found)


def _checked(lengths: Array, pairs: int = 1) -> Array:
    lengths = np.asarray(lengths, dtype=np.float64)
    if lengths.ndim != 2 or lengths.shape[0] < 2 or lengths.shape[1] < pairs:
        raise ValueError(
            f"lengths must be (models, pairs) with at least 2 models and {pairs} pairs, got {lengths.shape}"
        )
    return lengths
