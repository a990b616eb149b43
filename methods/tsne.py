"""t-SNE: t-distributed stochastic neighbour embedding."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from methods.attached import AttachedDecoderMethod
from methods.base import Array, check_matrix, hyperparameters, require_latent_dim_within, require_positive


@hyperparameters
class TSNE(AttachedDecoderMethod):
    """t-SNE by openTSNE, which can place new points in a fitted embedding; PCA start, one thread.

    Args:
        latent_dim: latent dimensions, 1 or 2.
        perplexity: effective number of neighbours; cut to a third of the samples where it is larger.
        hidden, activation, epochs, random_state, device: of the attached decoder, see `methods.attached`.

    Source: van der Maaten and Hinton 2008; Policar, Strazar and Zupan 2024 (openTSNE).
    """

    loss: ClassVar[str] = "KL(P | Q), Q of Student's t"
    search_space: ClassVar[dict[str, Any]] = {"perplexity": {"low": 5.0, "high": 100.0, "log": True}}
    stackable: ClassVar[tuple[str, ...]] = ("perplexity",)

    perplexity: float = 30.0

    @classmethod
    def warm_up(cls) -> None:
        """Import openTSNE and compile what it compiles, so that no fit is charged for it."""
        points = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
        cls._new(n_components=2, perplexity=5, random_state=0, n_iter=10).fit(points).transform(points[:5])

    def check_parameters(self) -> None:
        super().check_parameters()
        require_positive(self, "perplexity")
        if self.latent_dim > 2:
            raise ValueError(f"latent_dim must be 1 or 2 for t-SNE, got {self.latent_dim}")

    def check_shape(self, n_samples: int, n_features: int) -> None:
        require_latent_dim_within(self, n_samples, n_features)

    def _embed(self, X: Array) -> None:
        fitted = self._new(
            n_components=self.latent_dim,
            perplexity=min(self.perplexity, (len(X) - 1) / 3),
            random_state=self.random_state,
        ).fit(X)
        # openTSNE's transform centres the embedding in place, away from where the decoder was fitted to it;
        # centred here, it finds nothing to move.
        fitted -= (fitted.max(axis=0) + fitted.min(axis=0)) / 2
        self.tsne_ = fitted
        self.embedding_ = np.asarray(fitted, dtype=np.float32)

    def encode(self, X: Array) -> Array:
        """Latent points (n_samples, latent_dim), float32."""
        X = check_matrix(X, self.n_features_in_)
        return np.asarray(self.tsne_.transform(X), dtype=np.float32)

    @staticmethod
    def _new(**parameters: Any) -> Any:
        import openTSNE

        return openTSNE.TSNE(n_jobs=1, initialization="pca", **parameters)
