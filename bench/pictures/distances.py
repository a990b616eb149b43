"""What became of distances and of neighbours' ranks: a Shepard diagram and a co-ranking matrix, as counts."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import pdist, squareform

from bench.pictures.subject import Array, Arrays, Subject
from metrics.coranking import CoRanking

# Rows are drawn from those scored; pairs of so many fill the diagram.
_ROWS, _BINS = 300, 48
# Sizes of neighbourhoods at most, of all rows.
_SIZES = 64


def distances(subject: Subject) -> Arrays:
    """Counts over pairs of scored rows, each axis in equal bins from 0.

    `pairs`: distance in the data by distance of the codes (bins, bins), and `largest` of both. `ranks`: rank of one
    row among the other's neighbours in the data by that among the codes, ties in the order of the rows. `sizes` of
    neighbourhoods of all scored rows, with R_NX (`kept`), trustworthiness and continuity there.

    Source: Lee and Verleysen, Quality assessment of dimensionality reduction: rank-based criteria, 2009.
    """
    at = subject.some(_ROWS)
    of_data, of_codes = (pdist(points[at].astype(np.float64)) for points in (subject.view.X, subject.view.Z))
    largest = np.array([of_data.max(), of_codes.max()])
    n = len(at)
    pairs = _counts(of_data / (largest[0] or 1.0), of_codes / (largest[1] or 1.0), _BINS, (0, 1))
    ranks = _counts(_ranks(of_data), _ranks(of_codes), min(_BINS, n - 1), (1, n))
    return {"pairs": pairs, "ranks": ranks, "largest": largest, **_curves(subject.view.coranking)}


def _curves(found: CoRanking) -> Arrays:
    """Scores of neighbourhoods by their size, at sizes that are even on a logarithmic axis."""
    sizes = np.unique(np.geomspace(1, found.n - 2, _SIZES).astype(int))
    curves = {"kept": found.beyond_chance, "trusted": found.trustworthiness, "continued": found.continuity}
    return {"sizes": sizes, **{f"sizes.{name}": curve[sizes - 1].astype(np.float32) for name, curve in curves.items()}}


def _counts(of_data: Array, of_codes: Array, bins: int, ends: tuple[float, float]) -> Array:
    counts: Array = np.histogram2d(of_data, of_codes, bins=bins, range=[ends, ends])[0].astype(np.int32)
    return counts


def _ranks(distances: Array) -> Array:
    """Rank of each other row in the order of distance from each row, from 1: (n (n - 1),)."""
    square = squareform(distances)
    np.fill_diagonal(square, -1.0)
    ranks = square.argsort(axis=1, kind="stable").argsort(axis=1)
    return ranks[~np.eye(len(square), dtype=bool)]
