"""Squared distances between points in double precision, computed where the points are: in memory or on a GPU.

All scores of neighbourhoods and of pairs of distances begin here, so all of them take tensors as they take arrays.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numba import njit

Array = np.ndarray
# Arrays or tensors; torch is imported by those who have tensors.
Points = Any


def points_of(values: Points) -> Points:
    """Points as float64, near the origin: a tensor on its own device, all else as an array.

    Raises:
        ValueError: a value is not finite.
    """
    xp = _library(values)
    points = values.detach().double() if is_tensor(values) else np.asarray(values, dtype=np.float64)
    if not xp.isfinite(points).all():
        raise ValueError("points must be finite")
    if 0 in points.shape:
        return points
    # Shifting by a multiple of a power of two removes a large offset, which would cancel in the products
    # below, and keeps values on a binary grid exact, so that their ties remain ties.
    mean = points.mean(0)
    spread = float(max((xp.amax(points, 0) - mean).max(), (mean - xp.amin(points, 0)).max()))
    if spread == 0:
        return xp.zeros_like(points)
    grid = float(2.0 ** np.floor(np.log2(spread)))
    return points - xp.round(mean / grid) * grid


def is_tensor(values: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(values, torch.Tensor)


def on_host(values: Points) -> Array:
    """An array of what may be a tensor."""
    array: Array = values.cpu().numpy() if is_tensor(values) else np.asarray(values)
    return array


class SquaredDistances:
    """Squared distances between points (n, d) that are near the origin (`points_of`), some rows at a time."""

    def __init__(self, points: Points) -> None:
        self.points = points
        self.norms = _library(points).einsum("ij,ij->i", points, points)

    def of(self, rows: slice | Array, first: int = 0, into: Points | None = None) -> Points:
        """(rows, n - first): from these points to all from the `first` on, where the points are; may be overwritten.

        Args:
            into: what earlier distances (rows, n - first) were returned in, to be returned with these.
        """
        squared = _library(self.points).matmul(-2 * self.points[rows], self.points[first:].T, out=into)
        if is_tensor(squared):
            squared += self.norms[first:]
            squared += self.norms[rows, None]
        else:
            _add_norms(squared, self.norms[rows], self.norms[first:])
        return squared


@njit(cache=True)
def _add_norms(products: Array, own: Array, others: Array) -> None:  # pragma: no cover - compiled
    """In one pass: the products of a block are more than a processor's cache holds."""
    for i in range(products.shape[0]):
        for j in range(products.shape[1]):
            products[i, j] = products[i, j] + others[j] + own[i]


def _library(values: Points) -> Any:
    return sys.modules["torch"] if is_tensor(values) else np
