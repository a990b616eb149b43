"""Gaussian clusters of clusters."""

from __future__ import annotations

import numpy as np

from datasets.base import Data, sampler


class GaussianClusters:
    """Gaussian clusters whose centres are clusters themselves: a hierarchy that is known.

    From a root, `levels` times, each centre has `branching` centres around it at distances of `ratio` times those of
    the level before; the last ones, four from their parent, have unit Gaussians around them. Labels are the leaves,
    numbered so that y // branching is the parent of leaf y, y // branching^2 its parent, and so on.

    Args:
        ratio: how much closer than its parents' level each level is, below 1.
    """

    def __init__(
        self,
        n: int = 1500,
        n_features: int = 20,
        levels: int = 2,
        branching: int = 3,
        ratio: float = 0.35,
        random_state: int = 0,
    ) -> None:
        self.n = n
        self.n_features = n_features
        self.levels = levels
        self.branching = branching
        self.ratio = ratio
        self.random_state = random_state

    def load(self) -> Data:
        for name, least in (("n_features", 1), ("levels", 1), ("branching", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 < self.ratio < 1:
            raise ValueError(f"ratio must lie between 0 and 1, got {self.ratio}")
        rng = sampler(self.n, self.random_state)
        centres = np.zeros((1, self.n_features))
        for level in range(self.levels):
            steps = rng.standard_normal((len(centres), self.branching, self.n_features))
            steps *= 4 * self.ratio ** (level - self.levels + 1) / np.linalg.norm(steps, axis=-1, keepdims=True)
            centres = (centres[:, None] + steps).reshape(-1, self.n_features)
        y = rng.permutation(np.arange(self.n) % len(centres))
        return Data(centres[y] + rng.standard_normal((self.n, self.n_features)), y=y)
