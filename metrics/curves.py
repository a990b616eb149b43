"""How well a one-dimensional latent space follows a curve that is known.

The curve is given by points of it in their order; the decoded curve is f(z) for z from one end of the codes to the
other, on a grid of 10,000.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray

GRID = 10_000


def decoded_curve(decode: Callable[[Array], Array], Z: Array, n: int = GRID) -> Array:
    """The curve f(z) (n, n_features), z evenly spaced between the smallest and the largest of the codes Z (m, 1)."""
    grid = np.linspace(Z.min(), Z.max(), n, dtype=np.float32)[:, None]
    return np.asarray(decode(grid), dtype=np.float64)


def rms_distance(points: Array, curve: Array) -> float:
    """Root mean square distance from points (m, D) to the nearest of densely spaced points of a curve (n, D).

    Returns:
        In [0, inf), in data units, lower is better.

    Source: measured of published systems so, for Lee, Kwon and Park, NRAE, NeurIPS 2021.
    """
    from sklearn.neighbors import NearestNeighbors

    nearest = NearestNeighbors(n_neighbors=1).fit(curve).kneighbors(points)[0]
    return float(np.sqrt(np.mean(nearest**2)))


def curve_length(curve: Array) -> float:
    """Length of the polygon through points (n, D), in data units."""
    return float(np.linalg.norm(np.diff(np.asarray(curve, dtype=np.float64), axis=0), axis=1).sum())


def order_score(Z: Array) -> float:
    """Share of steps that go the majority's way, for codes Z (n, 1) of points in their order along a curve.

    Returns:
        In [0.5, 1] where no two successive codes are equal, higher is better: 1 where the order is kept or
        reversed as a whole, about 0.5 for a random one. A closed curve is torn somewhere; if not at its beginning,
        one step of n goes the other way.
    """
    steps = np.diff(np.asarray(Z, dtype=np.float64).ravel())
    return float(max(np.mean(steps > 0), np.mean(steps < 0)))
