"""Whether dense stays dense: densities of the same points in data and embedding."""

from __future__ import annotations

import numpy as np

from metrics.pairs import Pairs
from metrics.products import Points

Array = np.ndarray


def densities(points: Points, pairs: Pairs, sigma: float) -> Array:
    """Share of each scored point in the density: the sum over other points of exp(-(d / largest d)^2 / sigma).

    Args:
        points: float64 (n, d). pairs: those that are scored. sigma: the kernel's width, relative to the largest
            distance, squared.

    Returns:
        (n,), or (rows,) where pairs are those of some rows; they sum to 1.
    """
    largest = max((float(block.max(initial=0.0)) for block in pairs.distances(points)), default=0.0)
    # Each point is at no distance from itself.
    found = np.ones(pairs.n if pairs.rows is None else len(pairs.rows))
    done = 0
    for (rows, counts), distances in zip(pairs.ends(), pairs.distances(points), strict=True):
        kernel = np.exp(-((distances / (largest or 1.0)) ** 2) / sigma)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        if pairs.rows is None:
            found[rows] += np.add.reduceat(kernel, starts)
            for row, start, count in zip(rows, starts, counts, strict=True):
                found[row + 1 :] += kernel[start : start + count]
        else:
            found[done : done + len(rows)] += np.add.reduceat(kernel, starts)
        done += len(rows)
    result: Array = found / found.sum()
    return result


def divergence(of_x: Array, of_z: Array) -> float:
    """Kullback-Leibler divergence of the embedding's densities (n,) from the data's (n,), in nats, [0, inf)."""
    return float(np.sum(of_x * np.log(of_x / of_z)))
