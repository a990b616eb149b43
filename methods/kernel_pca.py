"""Kernel principal component analysis, with its pre-images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from torch import Tensor, nn

from methods.base import Array, Method, OnEpoch, check_matrix, hyperparameters, require_positive


@hyperparameters
class KernelPCA(Method):
    """Principal components in the feature space of a Gaussian kernel; the same for every seed.

    Decodes by kernel ridge regression from codes to data, its learnt pre-image, which is smooth and therefore a native
    decoder. scikit-learn takes one kernel width for data and codes alike, whose scales have nothing in common, and adds
    the ridge to the kernel of new points too; here each width is a multiple of the median distance of its own space.
    Memory grows with the square of the number of training points.

    Args:
        latent_dim: latent dimensions.
        bandwidth: width of the kernel in the data, exp(-|x - y|^2 / (2 width^2)), in units of the median distance.
        decoder_bandwidth: the same in the latent space, for the pre-image.
        ridge: of the pre-image; small ones follow the training rows closely.

    Source: Schoelkopf, Smola and Mueller 1998; pre-images of Bakir, Weston and Schoelkopf 2004; scikit-learn.
    """

    loss: ClassVar[str] = "|W^T W phi(x) - phi(x)|^2; ridge regression back"
    needs: ClassVar[str] = "memory 8 n^2 bytes"
    search_space: ClassVar[dict[str, Any]] = {"bandwidth": {"low": 0.1, "high": 3.0, "log": True}}

    latent_dim: int = 2
    bandwidth: float = 0.5
    decoder_bandwidth: float = 0.5
    ridge: float = 1e-3
    random_state: int = 0

    def check_parameters(self) -> None:
        require_positive(self, "latent_dim", "bandwidth", "decoder_bandwidth", "ridge")

    def check_shape(self, n_samples: int, n_features: int) -> None:
        if self.latent_dim > n_samples - 1:
            raise ValueError(f"latent_dim = {self.latent_dim} must be below n_samples = {n_samples}")

    def fit(
        self, X: Array, y: Array | None = None, *, X_val: Array | None = None, on_epoch: OnEpoch | None = None
    ) -> Self:
        """Fit to X (n_samples, n_features). There are no epochs: X_val and on_epoch have no effect.

        Raises:
            ValueError: latent_dim is not below the number of samples.
        """
        from sklearn.decomposition import KernelPCA as SklearnKernelPCA

        self.check_parameters()
        X = check_matrix(X)
        self.check_shape(*X.shape)
        gamma = _gamma(X, self.bandwidth)
        fitted = SklearnKernelPCA(self.latent_dim, kernel="rbf", gamma=gamma, random_state=0).fit(X.astype(np.float64))
        Z = fitted.transform(X.astype(np.float64))
        mean = X.mean(0, dtype=np.float64)
        decoder_gamma = _gamma(Z, self.decoder_bandwidth)
        self.history_: dict[str, list[float]] = {}
        return self.load_arrays({
            "points": X,
            "gamma": np.asarray(gamma),
            "column_means": fitted._centerer.K_fit_rows_,
            "axes": fitted.eigenvectors_ / np.sqrt(fitted.eigenvalues_),
            "decoder.centres": Z,
            "decoder.weights": _ridge_weights(Z, X - mean, decoder_gamma, self.ridge),
            "decoder.mean": mean,
            "decoder.gamma": np.asarray(decoder_gamma),
        })  # fmt: skip

    def encode(self, X: Array) -> Array:
        """Latent points (n_samples, latent_dim), float32."""
        rows = check_matrix(X, self.n_features_in_)
        return np.concatenate([self._project(part) for part in np.array_split(rows, max(1, len(rows) // 1_000))])

    def _project(self, rows: Array) -> Array:
        from sklearn.metrics.pairwise import rbf_kernel

        K = rbf_kernel(rows.astype(np.float64), self.encoder_["points"].astype(np.float64), self.encoder_["gamma"])
        means = self.encoder_["column_means"]
        centred = K - K.mean(1, keepdims=True) - means + means.mean()
        return np.asarray(centred @ self.encoder_["axes"], dtype=np.float32)

    @property
    def decoders_(self) -> list[nn.Module]:
        return [self.decoder_]

    def state_arrays(self) -> dict[str, Array]:
        """All that `load_arrays` needs to encode and decode exactly as now, the training rows among it."""
        decoder = {f"decoder.{name}": value.numpy() for name, value in self.decoder_.state_dict().items()}
        return {**self.encoder_, **decoder}

    def load_arrays(self, arrays: Mapping[str, Array]) -> Self:
        """Become the fitted method that `state_arrays` was taken from."""
        self.encoder_ = {name: np.asarray(arrays[name]) for name in ("points", "gamma", "column_means", "axes")}
        kept = {name: np.asarray(arrays[f"decoder.{name}"], dtype=np.float32) for name in _Ridge.names}
        self.decoder_ = _Ridge(**{name: torch.tensor(values) for name, values in kept.items()})
        self.n_features_in_ = len(kept["mean"])
        return self


class _Ridge(nn.Module):
    """mean + sum_k weights_k exp(-gamma |z - centre_k|^2)."""

    names: ClassVar[tuple[str, ...]] = ("centres", "weights", "mean", "gamma")

    def __init__(self, **values: Tensor) -> None:
        super().__init__()
        for name in self.names:
            self.register_parameter(name, nn.Parameter(values[name], requires_grad=False))

    def forward(self, z: Tensor) -> Tensor:
        centres, weights, mean, gamma = (cast("Tensor", getattr(self, name)) for name in self.names)
        squared = (z[..., :, None, :] - centres).square().sum(-1)
        return mean + (-gamma * squared).exp() @ weights


def _gamma(points: Array, bandwidth: float) -> float:
    """1 / (2 width^2), the width a multiple of the median distance of at most 1,000 points."""
    from scipy.spatial.distance import pdist

    chosen = np.random.default_rng(0).permutation(len(points))[:1_000]
    median = float(np.median(pdist(points[chosen]))) or 1.0
    return 1 / (2 * (bandwidth * median) ** 2)


def _ridge_weights(Z: Array, targets: Array, gamma: float, ridge: float) -> Array:
    """(K + ridge I)^-1 targets for the Gaussian kernel K of points Z."""
    from scipy.linalg import solve
    from sklearn.metrics.pairwise import rbf_kernel

    K = rbf_kernel(Z, gamma=gamma)
    K[np.diag_indices_from(K)] += ridge
    return np.asarray(solve(K, targets, assume_a="pos", overwrite_a=True))
