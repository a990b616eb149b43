"""How the codes compare with a standard normal prior."""

from __future__ import annotations

import numpy as np

from metrics.metric import Metric, Scores
from metrics.view import View

Array = np.ndarray

_DRAWN = 1_000


def energy_statistic(Z: Array, other: Array) -> float:
    """(2 E|z - y| - E|z - z'| - E|y - y'|) / 2 E|z - y|: how far two samples' distributions are apart.

    Args:
        Z, other: samples (n, d), (m, d).

    Returns:
        In [0, 1] up to chance, 0 where the distributions are one.

    Source: Szekely and Rizzo 2013, Energy statistics.
    """
    from scipy.spatial.distance import cdist, pdist

    between = cdist(Z, other).mean()
    return float((2 * between - pdist(Z).mean() - pdist(other).mean()) / (2 * between)) if between > 0 else 0.0


def _prior_energy(view: View) -> Scores:
    rng = np.random.default_rng(0)
    Z = np.asarray(view.Z, dtype=np.float64)
    chosen = Z[rng.permutation(len(Z))[: 2 * _DRAWN]]
    prior = rng.standard_normal((_DRAWN, Z.shape[1]))
    return {
        "": energy_statistic(chosen, prior),
        "_mean": float(np.linalg.norm(Z.mean(0))),
        "_variance": float(np.mean(np.abs(Z.var(0) - 1))),
    }


prior_energy = Metric(
    "prior_energy", _prior_energy, "lower", frozenset(), least_rows={"scored": 2},
    about="energy distance of the codes from N(0, I), [0, 1]; _mean |mean|, _variance mean |variance - 1|",
)  # fmt: skip
