"""Diffusion maps."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from methods.attached import AttachedDecoderMethod
from methods.base import (
    Array,
    check_matrix,
    hyperparameters,
    require_neighbors_within,
    require_not_negative,
    require_positive,
)


@hyperparameters
class DiffusionMap(AttachedDecoderMethod):
    """Diffusion map: eigenvectors of a random walk on the data, scaled by eigenvalue^time.

    Gaussian kernel exp(-|x - y|^2 / (s_x s_y)), s the distance to the n_neighbors-th neighbour; the density is divided
    out (alpha = 1), so that the walk tends to the manifold's heat flow however it was sampled; rows are normalised to
    the walk. New points are placed by Nystroem's formula: the mean of the eigenvectors over one step of the walk,
    divided by the eigenvalue. The same for every seed. Memory grows with the square of the number of training points.

    Args:
        latent_dim: latent dimensions.
        n_neighbors: the neighbour whose distance is a point's bandwidth.
        time: steps of the walk.
        hidden, activation, epochs, random_state, device: of the attached decoder, see `methods.attached`.

    Source: Coifman and Lafon 2006; local bandwidths of Zelnik-Manor and Perona 2004.
    """

    loss: ClassVar[str] = "eigenvectors of a random walk, times eigenvalue^time"
    needs: ClassVar[str] = "memory 8 n^2 bytes"
    least_stack: ClassVar[int] = 1_000
    seed_is_idle: ClassVar[bool] = True
    search_space: ClassVar[dict[str, Any]] = {"n_neighbors": {"low": 5, "high": 50, "log": True}}

    n_neighbors: int = 10
    time: float = 1.0

    def check_parameters(self) -> None:
        super().check_parameters()
        require_positive(self, "n_neighbors")
        require_not_negative(self, "time")

    def check_shape(self, n_samples: int, n_features: int) -> None:
        require_neighbors_within(self, n_samples)
        if self.latent_dim > n_samples - 2:
            raise ValueError(f"latent_dim = {self.latent_dim} exceeds n_samples - 2 = {n_samples - 2}")

    def _embed(self, X: Array) -> None:
        from scipy.sparse.linalg import eigsh

        self.points_ = X.astype(np.float64)
        squared = _squared_distances(self.points_, self.points_)
        self.bandwidth_ = np.sqrt(np.partition(squared, self.n_neighbors, axis=1)[:, self.n_neighbors])
        K = _kernel(squared, self.bandwidth_, self.bandwidth_)
        self.density_ = K.sum(1)
        K /= np.outer(self.density_, self.density_)
        degree = K.sum(1)
        # The walk D^-1 K has the eigenvalues of the symmetric D^-1/2 K D^-1/2.
        symmetric = K / np.sqrt(np.outer(degree, degree))
        values, vectors = eigsh(symmetric, k=self.latent_dim + 1, which="LA", v0=np.sqrt(degree))
        order = np.argsort(values)[::-1][1:]
        self.eigenvalues_ = values[order]
        self.walk_vectors_ = vectors[:, order] * np.sqrt(degree.sum() / degree)[:, None]
        self.embedding_ = (self.walk_vectors_ * self.eigenvalues_**self.time).astype(np.float32)

    def encode(self, X: Array) -> Array:
        """Latent points (n_samples, latent_dim), float32."""
        rows = check_matrix(X, self.n_features_in_).astype(np.float64)
        return np.concatenate([self._placed(part) for part in np.array_split(rows, max(1, len(rows) // 1_000))])

    def _placed(self, rows: Array) -> Array:
        squared = _squared_distances(rows, self.points_)
        own = np.sqrt(np.partition(squared, self.n_neighbors - 1, axis=1)[:, self.n_neighbors - 1])
        K = _kernel(squared, own, self.bandwidth_) / self.density_
        step = K / K.sum(1, keepdims=True)
        placed = step @ self.walk_vectors_ * self.eigenvalues_ ** (self.time - 1)
        return np.asarray(placed, dtype=np.float32)


def _squared_distances(a: Array, b: Array) -> Array:
    from sklearn.metrics import euclidean_distances

    return np.asarray(euclidean_distances(a, b, squared=True))


def _kernel(squared: Array, left: Array, right: Array) -> Array:
    """exp(-squared / (s_i s_j)); duplicates, whose bandwidth would be 0, get the smallest that is not."""
    least = np.min(right[right > 0], initial=np.inf)
    least = least if np.isfinite(least) else 1.0
    return np.asarray(np.exp(-squared / np.outer(np.maximum(left, least), np.maximum(right, least))))
