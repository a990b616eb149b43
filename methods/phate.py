"""PHATE: potential of heat diffusion for affinity-based transition embedding."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from methods.attached import AttachedDecoderMethod
from methods.base import Array, check_matrix, hyperparameters, require_neighbors_within
from methods.optional import optional_package


@hyperparameters
class PHATE(AttachedDecoderMethod):
    """PHATE: metric scaling of distances between the log-probabilities of a random walk on the data's graph.

    New points are the average of the embedding over one step of the walk from them, as the package extends it.

    Args:
        latent_dim: latent dimensions.
        n_neighbors: neighbours that set each point's bandwidth.
        decay: how sharply the kernel ends there.
        hidden, activation, epochs, random_state, device: of the attached decoder, see `methods.attached`.

    Source: Moon et al., Nature Biotechnology 2019; the package phate, with `pip install 'latentbench[more]'`.
    """

    loss: ClassVar[str] = "sum over pairs of (d_z - d_potential)^2"
    needs: ClassVar[str] = "pip install 'latentbench[more]'"
    packages: ClassVar[tuple[str, ...]] = ("phate",)
    search_space: ClassVar[dict[str, Any]] = {"n_neighbors": {"low": 5, "high": 50, "log": True}}
    stackable: ClassVar[tuple[str, ...]] = ("n_neighbors",)

    n_neighbors: int = 5
    decay: float = 40.0

    def check_shape(self, n_samples: int, n_features: int) -> None:
        optional_package("phate")
        require_neighbors_within(self, n_samples)

    def _embed(self, X: Array) -> None:
        phate = optional_package("phate")
        self.phate_ = phate.PHATE(
            n_components=self.latent_dim,
            knn=self.n_neighbors,
            decay=self.decay,
            n_jobs=1,
            verbose=0,
            random_state=self.random_state,
        )
        self.embedding_ = np.asarray(self.phate_.fit_transform(X), dtype=np.float32)

    def encode(self, X: Array) -> Array:
        """Latent points (n_samples, latent_dim), float32."""
        rows = check_matrix(X, self.n_features_in_)
        graph = self.phate_.graph
        # The package cannot extend to a single row.
        transitions = graph.extend_to_data(rows if len(rows) > 1 else np.repeat(rows, 2, axis=0))
        return np.asarray(graph.interpolate(self.phate_.embedding, transitions), dtype=np.float32)[: len(rows)]
