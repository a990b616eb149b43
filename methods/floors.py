"""What knows nothing of the data: floors that every method should beat."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from methods.base import Array, OnEpoch, check_matrix, hyperparameters
from methods.pca import PCA, LinearMethod


@hyperparameters
class RandomProjection(PCA):
    """A random linear map onto orthogonal directions of length 1, and its transpose as decoder.

    Its decoder is an isometry, so that mcn = 1 and relaxed_distortion = 0: what those say of a method without its
    explained variance.

    Source: Johnson and Lindenstrauss 1984.
    """

    loss: ClassVar[str] = "none: drawn at random"

    def fit(
        self, X: Array, y: Array | None = None, *, X_val: Array | None = None, on_epoch: OnEpoch | None = None
    ) -> Self:
        """Draw the directions, and take the mean of X (n_samples, n_features).

        Raises:
            ValueError: latent_dim exceeds the number of samples or of features.
        """
        self.check_parameters()
        X = check_matrix(X)
        self.check_shape(*X.shape)
        drawn = np.random.default_rng(self.random_state).standard_normal((X.shape[1], self.latent_dim))
        self.history_ = {}
        return self.load_arrays({"components": np.linalg.qr(drawn)[0].T, "mean": X.astype(np.float64).mean(0)})


class Identity(LinearMethod):
    """Codes that are the data: as many latent dimensions as features.

    The ceiling of every score that compares codes and data.
    """

    loss: ClassVar[str] = "none: z = x"

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit(
        self, X: Array, y: Array | None = None, *, X_val: Array | None = None, on_epoch: OnEpoch | None = None
    ) -> Self:
        """Note the number of features."""
        n_features = check_matrix(X).shape[1]
        self.history_: dict[str, list[float]] = {}
        return self.load_arrays({"components": np.eye(n_features), "mean": np.zeros(n_features)})
