"""The published solver for geodesics, written anew: Adam on the coefficients of a spline in the power basis."""

from __future__ import annotations

import numpy as np
import torch
from scipy.linalg import null_space
from torch import Tensor


def power_basis(n_segments: int, n_pieces: int) -> Tensor:
    """Piecewise cubics that vanish at both ends, C2 at the knots: values on the grid (T + 1, n_pieces + 1).

    Coefficients of 1, t, t^2, t^3 for each piece, in global time; free is the null space of the constraints.
    """

    def row(t: float, piece: int, derivative: int) -> np.ndarray:
        found = np.zeros((n_pieces, 4))
        found[piece] = [[1, t, t**2, t**3], [0, 1, 2 * t, 3 * t**2], [0, 0, 2, 6 * t]][derivative]
        return found.ravel()

    knots = np.arange(1, n_pieces) / n_pieces
    constraints = [row(0.0, 0, 0), row(1.0, n_pieces - 1, 0)]
    for piece, t in enumerate(knots):
        constraints += [row(t, piece, order) - row(t, piece + 1, order) for order in range(3)]
    free = null_space(np.array(constraints))
    times = np.linspace(0, 1, n_segments + 1)
    pieces = np.minimum((times * n_pieces).astype(int), n_pieces - 1)
    values = np.stack([row(t, piece, 0) for t, piece in zip(times, pieces, strict=True)])
    return torch.as_tensor(values @ free)


def adam_geodesics(
    decoders: list, z0: Tensor, z1: Tensor, n_segments: int, n_pieces: int, steps: int, learning_rate: float = 0.01
) -> Tensor:
    """Energies (pairs,) after so many steps from the straight line, all pairs in one batch."""
    basis = power_basis(n_segments, n_pieces).to(z0)
    t = torch.linspace(0, 1, n_segments + 1).to(z0)[:, None]
    line = z0[:, None] + t * (z1 - z0)[:, None]
    coefficients = torch.zeros(len(z0), basis.shape[1], z0.shape[1], dtype=z0.dtype, requires_grad=True)
    optimiser = torch.optim.Adam([coefficients], lr=learning_rate)

    def energies() -> Tensor:
        points = line + basis @ coefficients
        squared = [decoder(points).diff(dim=1).square().sum((1, 2)) for decoder in decoders]
        return n_segments * torch.stack(squared).mean(0)

    for _ in range(steps):
        optimiser.zero_grad()
        energies().sum().backward()
        optimiser.step()
    with torch.no_grad():
        return energies()
