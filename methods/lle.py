"""Locally linear embedding."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from methods.attached import AttachedDecoderMethod
from methods.base import (
    Array,
    check_matrix,
    hyperparameters,
    require_choices,
    require_neighbors_within,
    require_positive,
)


@hyperparameters
class LLE(AttachedDecoderMethod):
    """Locally linear embedding: each point is the same combination of its neighbours in the data and in the code.

    New points are the combination of their neighbours. The default is the modified form, with several weight vectors
    for each neighbourhood; the standard one collapses easily, and is there for comparison. The embedding is whitened by
    construction: distances say nothing of lengths in the data. The same for every seed.

    Args:
        latent_dim: latent dimensions.
        n_neighbors: neighbours of each point, at least latent_dim.
        weights: 'modified' (Zhang and Wang 2006), 'standard' (Roweis and Saul 2000) or 'ltsa' (Zhang and Zha 2004).
        hidden, activation, epochs, random_state, device: of the attached decoder, see `methods.attached`.

    Source: Roweis and Saul, Science 2000; scikit-learn's LocallyLinearEmbedding.
    """

    loss: ClassVar[str] = "sum |z_i - sum_j w_ij z_j|^2, w from the data"
    least_stack: ClassVar[int] = 1_000
    seed_is_idle: ClassVar[bool] = True
    search_space: ClassVar[dict[str, Any]] = {"n_neighbors": {"low": 5, "high": 50, "log": True}}

    n_neighbors: int = 10
    weights: Literal["modified", "standard", "ltsa"] = "modified"

    def check_parameters(self) -> None:
        super().check_parameters()
        require_choices(self)
        require_positive(self, "n_neighbors")
        if self.n_neighbors < self.latent_dim:
            raise ValueError(f"n_neighbors = {self.n_neighbors} must be at least latent_dim = {self.latent_dim}")

    def check_shape(self, n_samples: int, n_features: int) -> None:
        require_neighbors_within(self, n_samples)
        if self.latent_dim > n_features:
            raise ValueError(f"latent_dim = {self.latent_dim} exceeds n_features = {n_features}")

    def _embed(self, X: Array) -> None:
        from sklearn.manifold import LocallyLinearEmbedding

        self.lle_ = LocallyLinearEmbedding(
            n_neighbors=self.n_neighbors, n_components=self.latent_dim, method=self.weights, random_state=0
        ).fit(X.astype(np.float64))
        self.embedding_ = self.lle_.embedding_.astype(np.float32)

    def encode(self, X: Array) -> Array:
        """Latent points (n_samples, latent_dim), float32."""
        return np.asarray(self.lle_.transform(check_matrix(X, self.n_features_in_).astype(np.float64)), np.float32)
