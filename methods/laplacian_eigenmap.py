"""Laplacian eigenmaps."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from methods.attached_encoder import AttachedEncoderMethod
from methods.base import Array, hyperparameters, require_neighbors_within, require_positive


@hyperparameters
class LaplacianEigenmap(AttachedEncoderMethod):
    """Eigenvectors of the neighbourhood graph's Laplacian: neighbours are near, all the rest follows from the spectrum.

    Unweighted graph of nearest neighbours, made symmetric; normalised Laplacian; the constant eigenvector is left out.
    The same for every seed. Each coordinate has the scale that normalisation gives it, so that distances say nothing
    of lengths in the data.

    Args:
        n_neighbors: neighbours of each point in the graph.
        encoder, hidden, activation, epochs, random_state, device: of the attached encoder and decoder, see
            `methods.attached_encoder`.
        latent_dim: latent dimensions.

    Source: Belkin and Niyogi 2003; scikit-learn's SpectralEmbedding.
    """

    loss: ClassVar[str] = "sum over edges of |z_i - z_j|^2, z normalised"
    least_stack: ClassVar[int] = 1_000
    seed_is_idle: ClassVar[bool] = True
    search_space: ClassVar[dict[str, Any]] = {"n_neighbors": {"low": 5, "high": 50, "log": True}}

    n_neighbors: int = 10

    def check_parameters(self) -> None:
        super().check_parameters()
        require_positive(self, "n_neighbors")

    def check_shape(self, n_samples: int, n_features: int) -> None:
        require_neighbors_within(self, n_samples)
        if self.latent_dim > n_samples - 2:
            raise ValueError(f"latent_dim = {self.latent_dim} exceeds n_samples - 2 = {n_samples - 2}")

    def _embed(self, X: Array) -> None:
        import warnings

        from sklearn.manifold import SpectralEmbedding

        spectral = SpectralEmbedding(
            self.latent_dim, affinity="nearest_neighbors", n_neighbors=self.n_neighbors, random_state=0
        )
        with warnings.catch_warnings():
            # A graph in parts is embedded part by part, as well as it can be.
            warnings.filterwarnings("ignore", "Graph is not fully connected")
            self.embedding_ = np.asarray(spectral.fit_transform(X), dtype=np.float32)
