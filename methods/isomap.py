"""Isomap: classical scaling of graph geodesics."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.manifold import Isomap as SklearnIsomap

from methods.attached import AttachedDecoderMethod
from methods.base import Array, check_matrix, hyperparameters, require_neighbors_within, require_positive


@hyperparameters
class Isomap(AttachedDecoderMethod):
    """Isomap: shortest paths in the neighbourhood graph, embedded by classical scaling.

    New points are encoded by scikit-learn's kernel extension. Memory grows with the square of the number of
    training points (8 n^2 bytes). The embedding is the same for every seed; the attached decoder is not.

    Args:
        latent_dim: latent dimensions.
        n_neighbors: neighbours of each point in the graph.
        hidden, activation, epochs, random_state, device: of the attached decoder, see `methods.attached`.

    Source: Tenenbaum, de Silva and Langford, Science 2000.
    """

    loss: ClassVar[str] = "|z z^T - double-centred squared graph distances|^2"
    needs: ClassVar[str] = "memory 8 n^2 bytes"

    # One embedding does for all seeds.
    least_stack: ClassVar[int] = 1_000
    seed_is_idle: ClassVar[bool] = True
    search_space: ClassVar[dict[str, Any]] = {"n_neighbors": {"low": 5, "high": 50, "log": True}}

    n_neighbors: int = 10

    def check_parameters(self) -> None:
        super().check_parameters()
        require_positive(self, "n_neighbors")

    def check_shape(self, n_samples: int, n_features: int) -> None:
        require_neighbors_within(self, n_samples)

    def _embed(self, X: Array) -> None:
        self.isomap_ = SklearnIsomap(n_neighbors=self.n_neighbors, n_components=self.latent_dim).fit(X)
        self.embedding_ = self.isomap_.embedding_.astype(np.float32)

    def encode(self, X: Array) -> Array:
        """Latent points (n_samples, latent_dim), float32."""
        return np.asarray(self.isomap_.transform(check_matrix(X, self.n_features_in_)), dtype=np.float32)
