"""UMAP: uniform manifold approximation and projection."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from methods.attached import AttachedDecoderMethod
from methods.base import Array, check_matrix, hyperparameters, require_neighbors_within


@hyperparameters
class UMAP(AttachedDecoderMethod):
    """UMAP, single-threaded so that a seed gives the same embedding every time.

    Args:
        latent_dim: latent dimensions.
        n_neighbors: neighbours of each point in the graph.
        min_dist: smallest distance between embedded points, in [0, 1].
        hidden, activation, epochs, random_state, device: of the attached decoder, see `methods.attached`.

    Source: McInnes, Healy and Melville 2018, arXiv 1802.03426; the library umap-learn.
    """

    loss: ClassVar[str] = "cross-entropy of the fuzzy graph and 1 / (1 + a d_z^(2b))"
    search_space: ClassVar[dict[str, Any]] = {
        "n_neighbors": {"low": 5, "high": 50, "log": True},
        "min_dist": {"low": 0.0, "high": 0.9},
    }
    stackable: ClassVar[tuple[str, ...]] = ("n_neighbors", "min_dist")

    n_neighbors: int = 15
    min_dist: float = 0.1

    @classmethod
    def warm_up(cls) -> None:
        """Import and compile umap-learn (many seconds in a fresh process), so that no fit is charged for it."""
        points = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
        cls._new(n_neighbors=5, n_components=2, min_dist=0.1, random_state=0).fit(points).transform(points[:20])

    def check_parameters(self) -> None:
        super().check_parameters()
        check_graph(self)

    def check_shape(self, n_samples: int, n_features: int) -> None:
        require_neighbors_within(self, n_samples)

    def _embed(self, X: Array) -> None:
        self.umap_ = self._new(
            n_neighbors=self.n_neighbors,
            n_components=self.latent_dim,
            min_dist=self.min_dist,
            random_state=self.random_state,
        ).fit(X)
        self.embedding_ = np.asarray(self.umap_.embedding_, dtype=np.float32)

    def encode(self, X: Array) -> Array:
        """Latent points (n_samples, latent_dim), float32."""
        return np.asarray(self.umap_.transform(check_matrix(X, self.n_features_in_)), dtype=np.float32)

    @staticmethod
    def _new(**parameters: Any) -> Any:
        return _umap_learn().UMAP(n_jobs=1, **parameters)


def check_graph(method: Any) -> None:
    """Raise ValueError where `n_neighbors` or `min_dist` of a method cannot be used."""
    if method.n_neighbors < 2:
        raise ValueError(f"n_neighbors must be at least 2, got {method.n_neighbors}")
    if not 0 <= method.min_dist <= 1:
        raise ValueError(f"min_dist must lie in [0, 1], got {method.min_dist}")


def fuzzy_graph(X: Array, n_neighbors: int) -> Any:
    """UMAP's fuzzy graph of rows X (n, n_features): a symmetric sparse matrix (n, n) of strengths in (0, 1]."""
    _umap_learn()
    from umap.umap_ import fuzzy_simplicial_set

    return fuzzy_simplicial_set(X, n_neighbors, np.random.RandomState(0), "euclidean")[0]


def similarity_curve(min_dist: float) -> tuple[float, float]:
    """a and b of UMAP's similarity 1 / (1 + a d^(2 b)) of points at a distance d, for a spread of 1."""
    _umap_learn()
    from umap.umap_ import find_ab_params

    a, b = find_ab_params(1.0, min_dist)
    return float(a), float(b)


def _umap_learn() -> Any:
    import warnings

    with warnings.catch_warnings():
        # umap-learn announces on import that its optional TensorFlow part is absent.
        warnings.simplefilter("ignore", ImportWarning)
        import umap
    return umap
