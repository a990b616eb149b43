"""Principal component analysis."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from sklearn.decomposition import PCA as SklearnPCA

from methods.base import (
    Array,
    Method,
    OnEpoch,
    check_matrix,
    hyperparameters,
    require_latent_dim_within,
    require_positive,
)

if TYPE_CHECKING:
    from torch import nn


class LinearMethod(Method):
    """Codes (x - mean) C^T, decoded as z C + mean, with orthogonal components C of length 1."""

    @abstractmethod
    def _axes(self, X: Array) -> tuple[Array, Array]:
        """Components (latent_dim, n_features) and mean (n_features,) for rows X."""

    def fit(
        self, X: Array, y: Array | None = None, *, X_val: Array | None = None, on_epoch: OnEpoch | None = None
    ) -> Self:
        """Fit to X (n_samples, n_features). There are no epochs: X_val and on_epoch have no effect.

        Raises:
            ValueError: latent_dim exceeds the number of samples or of features.
        """
        self.check_parameters()
        X = check_matrix(X)
        self.check_shape(*X.shape)
        self.history_: dict[str, list[float]] = {}
        components, mean = self._axes(X)
        return self.load_arrays({"components": components, "mean": mean})

    def encode(self, X: Array) -> Array:
        """Latent points (n_samples, latent_dim), float32."""
        X = check_matrix(X, len(self.mean_)).astype(np.float64)
        return np.asarray((X - self.mean_) @ self.components_.T, dtype=np.float32)

    @property
    def decoders_(self) -> list[nn.Module]:
        import torch
        from torch import nn

        decoder = nn.utils.skip_init(nn.Linear, *self.components_.shape)
        with torch.no_grad():
            decoder.weight.copy_(torch.as_tensor(self.components_.T))
            decoder.bias.copy_(torch.as_tensor(self.mean_))
        return [decoder]

    def state_arrays(self) -> dict[str, Array]:
        """All that `load_arrays` needs to encode and decode exactly as now."""
        return {"components": self.components_, "mean": self.mean_}

    def load_arrays(self, arrays: Mapping[str, Array]) -> Self:
        """Become the fitted method that `state_arrays` was taken from."""
        self.components_ = np.array(arrays["components"])
        self.mean_ = np.array(arrays["mean"])
        self.n_features_in_ = len(self.mean_)
        return self


@hyperparameters
class PCA(LinearMethod):
    """Principal component analysis: the best linear encoder and decoder. The same for every seed.

    Its decoder is an isometry, so that mcn = 1 and relaxed_distortion = 0.

    Source: Pearson 1901; scikit-learn's full singular value decomposition.
    """

    loss: ClassVar[str] = "|W^T W x - x|^2, exactly"
    latent_dim: int = 2
    random_state: int = 0

    def check_parameters(self) -> None:
        require_positive(self, "latent_dim")

    def check_shape(self, n_samples: int, n_features: int) -> None:
        require_latent_dim_within(self, n_samples, n_features)

    def _axes(self, X: Array) -> tuple[Array, Array]:
        fitted = SklearnPCA(self.latent_dim, svd_solver="full").fit(X.astype(np.float64))
        return fitted.components_, fitted.mean_
