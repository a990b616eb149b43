"""PaCMAP: pairwise controlled manifold approximation."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

import numpy as np

from methods.attached import AttachedDecoderMethod
from methods.base import Array, check_matrix, hyperparameters, require_latent_dim_within, require_neighbors_within
from methods.optional import optional_package


@hyperparameters
class PaCMAP(AttachedDecoderMethod):
    """PaCMAP: near pairs are drawn together, mid-near pairs for a while, far pairs pushed apart; PCA start.

    New points are placed by the package's own transform, one optimisation for all that are given together.

    Args:
        latent_dim: latent dimensions.
        n_neighbors: neighbours of each point that are drawn to it.
        hidden, activation, epochs, random_state, device: of the attached decoder, see `methods.attached`.

    Source: Wang, Huang, Rudin and Shaposhnik, JMLR 2021; the package pacmap, with `pip install 'latentbench[more]'`.
    """

    loss: ClassVar[str] = "near, mid-near and far pairs of d_z^2 / (c + d_z^2)"
    needs: ClassVar[str] = "pip install 'latentbench[more]'"
    packages: ClassVar[tuple[str, ...]] = ("pacmap",)
    search_space: ClassVar[dict[str, Any]] = {"n_neighbors": {"low": 5, "high": 50, "log": True}}
    stackable: ClassVar[tuple[str, ...]] = ("n_neighbors",)

    n_neighbors: int = 10

    @classmethod
    def warm_up(cls) -> None:
        """Import pacmap and compile what it compiles, so that no fit is charged for it."""
        points = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
        made = cls(epochs=1, n_neighbors=5).fit(points, attach=False)
        made.encode(points[:20])

    def check_shape(self, n_samples: int, n_features: int) -> None:
        optional_package("pacmap")
        require_latent_dim_within(self, n_samples, n_features)
        require_neighbors_within(self, n_samples)

    def _embed(self, X: Array) -> None:
        pacmap = optional_package("pacmap")
        # It announces every seed as a warning.
        logging.getLogger("pacmap").setLevel(logging.ERROR)
        self.pacmap_ = pacmap.PaCMAP(
            n_components=self.latent_dim, n_neighbors=self.n_neighbors, random_state=self.random_state
        )
        self.points_ = X
        self.embedding_ = np.asarray(self.pacmap_.fit_transform(X, init="pca"), dtype=np.float32)

    def encode(self, X: Array) -> Array:
        """Latent points (n_samples, latent_dim), float32."""
        placed = self.pacmap_.transform(check_matrix(X, self.n_features_in_), basis=self.points_, init="pca")
        return np.asarray(placed, dtype=np.float32)
