"""Metric multidimensional scaling."""

from __future__ import annotations

import warnings
from typing import ClassVar

import numpy as np

from methods.attached_encoder import AttachedEncoderMethod
from methods.base import Array, hyperparameters, require_positive


@hyperparameters
class MDS(AttachedEncoderMethod):
    """Metric scaling by majorisation (SMACOF): the embedding of least raw stress, sum over pairs of (d_z - d_x)^2.

    Begun at the principal components, which for distances of points in space is classical scaling; so it is the same
    for every seed. Keeps straight distances, large ones above all. Memory and time of a step grow with the square of
    the number of training points.

    Args:
        n_iter: steps at most.
        encoder, hidden, activation, epochs, random_state, device: of the attached encoder and decoder, see
            `methods.attached_encoder`.
        latent_dim: latent dimensions.

    Source: de Leeuw 1977; scikit-learn's SMACOF.
    """

    loss: ClassVar[str] = "sum over pairs of (d_z - d_x)^2"
    needs: ClassVar[str] = "memory and time n^2"
    least_stack: ClassVar[int] = 1_000
    seed_is_idle: ClassVar[bool] = True

    n_iter: int = 300

    def check_parameters(self) -> None:
        super().check_parameters()
        require_positive(self, "n_iter")

    def _embed(self, X: Array) -> None:
        from sklearn.decomposition import PCA
        from sklearn.manifold import smacof
        from sklearn.metrics import euclidean_distances

        distances = euclidean_distances(X.astype(np.float64))
        start = np.zeros((len(X), self.latent_dim))
        components = PCA(min(self.latent_dim, *X.shape), svd_solver="full").fit_transform(X.astype(np.float64))
        start[:, : components.shape[1]] = components
        with warnings.catch_warnings():
            # It is begun once, where we say, and its steps are limited on purpose.
            warnings.simplefilter("ignore")
            found, _ = smacof(
                distances, n_components=self.latent_dim, init=start, n_init=1, max_iter=self.n_iter, random_state=0
            )
        self.embedding_ = np.asarray(found, dtype=np.float32)
