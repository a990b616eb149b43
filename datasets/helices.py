"""Helices wound around a torus."""

from __future__ import annotations

import numpy as np

from datasets.base import Data, sampler


class ToroidalHelices:
    """Closed curves that wind around a torus, beside each other: ((2 + cos m t) cos t, (2 + cos m t) sin t, sin m t).

    Each of `n_helices` is turned along its winding by an equal part of it; labels are the curves. `intrinsic` holds the
    arc length from t = 0, sampled uniformly. With one curve alone geodesics follow it, the shorter way around; between
    two there is none.

    Source: the toroidal helix of Coifman and Lafon, Diffusion maps, 2006, with m = 8.
    """

    def __init__(
        self, n: int = 1500, n_helices: int = 2, windings: int = 8, noise: float = 0.0, random_state: int = 0
    ) -> None:
        self.n = n
        self.n_helices = n_helices
        self.windings = windings
        self.noise = noise
        self.random_state = random_state

    def load(self) -> Data:
        for name, least in (("n_helices", 1), ("windings", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        rng = sampler(self.n, self.random_state, self.noise)
        dense = np.linspace(0, 2 * np.pi, 20_001)
        around = 2 + np.cos(self.windings * dense)
        speed = np.sqrt(around**2 + self.windings**2)
        arc = np.append(0, np.cumsum((speed[1:] + speed[:-1]) / 2 * np.diff(dense)))
        along = arc[-1] * rng.random(self.n)
        t = np.interp(along, arc, dense)
        y = rng.integers(self.n_helices, size=self.n)
        angle = self.windings * t + 2 * np.pi * y / self.n_helices
        X = np.column_stack([(2 + np.cos(angle)) * np.cos(t), (2 + np.cos(angle)) * np.sin(t), np.sin(angle)])
        X += self.noise * rng.standard_normal(X.shape)

        def geodesic(i: np.ndarray, j: np.ndarray) -> np.ndarray:
            apart = np.abs(along[i] - along[j])
            return np.minimum(apart, arc[-1] - apart)

        return Data(X, y=y, intrinsic=along[:, None], geodesic=geodesic if self.n_helices == 1 else None)
