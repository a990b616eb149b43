"""A random linear map: a floor that every method should beat."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from methods.base import Array, hyperparameters
from methods.pca import PCA


@hyperparameters
class RandomProjection(PCA):
    """A random linear map onto orthogonal directions of length 1, and its transpose as decoder.

    Its decoder is an isometry, so that mcn = 1 and relaxed_distortion = 0: what those say of a method without its
    explained variance.

    Source: Johnson and Lindenstrauss 1984.
    """

    loss: ClassVar[str] = "none: drawn at random"

    def _axes(self, X: Array) -> tuple[Array, Array]:
        drawn = np.random.default_rng(self.random_state).standard_normal((X.shape[1], self.latent_dim))
        return np.linalg.qr(drawn)[0].T, X.mean(0, dtype=np.float64)
