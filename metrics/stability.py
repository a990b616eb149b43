"""How much distances between the same points differ when the model is trained again.

All functions take lengths (models, pairs): row s holds the distances of all pairs by the model of seed s. The
coefficient of variation alone rewards a distance that is the same for all pairs; so it stands beside the intraclass
correlation and the rank agreement of models, which do not.
"""

from __future__ import annotations

from collections.abc import Callable
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
    lengths = _checked(lengths)
    with np.errstate(invalid="ignore", divide="ignore"):
        return lengths.std(axis=0, ddof=1) / lengths.mean(axis=0)


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
    lengths = _checked(lengths, pairs=2)
    n_models, n_pairs = lengths.shape
    if np.ptp(lengths) <= 1e-12 * np.abs(lengths).max():
        return float("nan")
    of_pairs = lengths.mean(axis=0)
    between = n_models * np.sum((of_pairs - of_pairs.mean()) ** 2) / (n_pairs - 1)
    within = np.sum((lengths - of_pairs) ** 2) / (n_pairs * (n_models - 1))
    return float((between - within) / (between + (n_models - 1) * within))


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


def bootstrap_interval(statistic: Callable[[Array], float], lengths: Array, seed: int = 0) -> Interval:
    """95 % percentile interval of a statistic of (models, pairs), models and pairs both drawn with replacement.

    The pairs share their models and are not independent: an interval over pairs alone would be too narrow. A draw of
    models that are all the same one tells nothing of their spread and is drawn again.

    Args:
        statistic: maps (models, pairs) to a number.
        lengths: (models, pairs), at least 2 models. More leading axes are carried along: (kinds, models, pairs).
        seed: of the draws.

    Raises:
        ValueError: there is one model only, or no pair.
    """
    lengths = np.asarray(lengths, dtype=np.float64)
    n_models, n_pairs = lengths.shape[-2:]
    if n_models < 2 or n_pairs < 1:
        raise ValueError(f"lengths must be (models, pairs) with at least 2 models and 1 pairs, got {lengths.shape}")
    rng = np.random.default_rng(seed)
    values: list[float] = []
    while len(values) < N_RESAMPLES:
        models = rng.integers(n_models, size=n_models)
        pairs = rng.integers(n_pairs, size=n_pairs)
        if np.ptp(models) > 0:
            values.append(statistic(lengths[..., models, :][..., pairs]))
    tail = (1 - LEVEL) / 2
    return Interval(*(float(bound) for bound in np.nanquantile(values, [tail, 1 - tail])))


def _checked(lengths: Array, pairs: int = 1) -> Array:
    lengths = np.asarray(lengths, dtype=np.float64)
    if lengths.ndim != 2 or lengths.shape[0] < 2 or lengths.shape[1] < pairs:
        raise ValueError(
            f"lengths must be (models, pairs) with at least 2 models and {pairs} pairs, got {lengths.shape}"
        )
    return lengths
