"""Cubic splines between fixed ends, in a basis that makes energies of curves well conditioned."""

from __future__ import annotations

import copy

import numpy as np
import torch
from scipy.interpolate import BSpline
from torch import Tensor

DEGREE = 3


class CurveBasis:
    """C2 cubic splines on [0, 1] that vanish at both ends, orthonormal in H1 on a grid.

    With T segments and the basis B on their nodes, T (Delta B)^T (Delta B) = I. So for a constant metric G the
    energy's Hessian in the coefficients is 2 I x G: its condition is that of G, whatever the number of pieces. (The
    power basis of the published code reaches 4e5 at ten pieces.)

    Args:
        n_segments: segments T of the grid.
        n_pieces: polynomial pieces of a spline, of equal length; at least 1.

    Attributes:
        n_segments, n_pieces: as given.
        nodes: the grid i / T (T + 1,).
        design: the basis on the nodes (T + 1, n_pieces + 1).

    Raises:
        ValueError: the grid is too coarse to tell the basis functions apart.
    """

    def __init__(self, n_segments: int, n_pieces: int) -> None:
        if n_pieces < 1 or n_segments < n_pieces + 2:
            raise ValueError(
                f"n_segments = {n_segments} with n_pieces = {n_pieces}; "
                "needed are at least 1 piece and 2 segments more than pieces"
            )
        ends = [0.0] * DEGREE, [1.0] * DEGREE
        self._knots = np.concatenate([ends[0], np.linspace(0, 1, n_pieces + 1), ends[1]])
        raw = self._splines(np.linspace(0, 1, n_segments + 1))
        self._to_h1 = np.linalg.inv(np.linalg.qr(n_segments**0.5 * np.diff(raw, axis=0), mode="r"))
        self.n_pieces = n_pieces
        self._look_at(n_segments)

    def on(self, n_segments: int) -> CurveBasis:
        """The same functions on another grid, on which they are not quite orthonormal."""
        other = copy.copy(self)
        other._look_at(n_segments)
        return other

    def _look_at(self, n_segments: int) -> None:
        self.n_segments = n_segments
        self.nodes = torch.linspace(0, 1, n_segments + 1, dtype=torch.float64)
        self.design = self.at(self.nodes)

    def at(self, t: Tensor) -> Tensor:
        """The basis functions at times t (n,) in [0, 1] -> (n, n_pieces + 1), float64."""
        return torch.as_tensor(self._splines(t.double().cpu().numpy()) @ self._to_h1)

    def fit(self, deviation: Tensor) -> Tensor:
        """Coefficients (..., n_pieces + 1, d) of the nearest spline to values (..., T + 1, d) on the nodes."""
        return torch.linalg.pinv(self.design).to(deviation) @ deviation

    def _splines(self, t: np.ndarray) -> np.ndarray:
        # The first and the last spline are the only ones that do not vanish at an end.
        return BSpline.design_matrix(t, self._knots, DEGREE).toarray()[:, 1:-1]


def at_constant_speed(steps: Tensor, t: Tensor) -> Tensor:
    """Where on a polygon constant speed would be at times t.

    Args:
        steps: lengths of its segments (c, n).
        t: times in [0, 1] (m,).

    Returns:
        (c, m) in [0, 1], linear in time within a segment; t itself for a polygon of no length.
    """
    c, n = steps.shape
    travelled = torch.cat([steps.new_zeros(c, 1), steps.cumsum(-1)], dim=-1)
    total = travelled[:, -1:]
    wanted = t.expand(c, -1) * total
    after = torch.searchsorted(travelled, wanted.contiguous()).clamp(1, n)
    before = travelled.gather(-1, after - 1)
    within = (wanted - before) / (travelled.gather(-1, after) - before)
    return torch.where(total > 0, (after - 1 + within.nan_to_num(0.0)) / n, t)
