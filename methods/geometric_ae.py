"""The geometric autoencoder."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from methods.autoencoder import Autoencoder, PenalisedError
from methods.base import hyperparameters, require_not_negative
from methods.training.problem import Problem, Terms
from metrics.distortion import log_determinants
from metrics.geometry import pullback_metric


@hyperparameters
class GeometricAE(Autoencoder):
    """Autoencoder whose decoder magnifies volumes alike everywhere: mean squared error + det_reg Var log det G.

    G = J^T J of the decoder at the codes of the batch, gradients flowing through them; unbiased variance over the
    batch. It does not change when the latent space is scaled, and says nothing of stretching one way more than another:
    for that see `conformal-ae`, `isometric-ae` and `irvae`.

    The published code takes decimal logarithms, so that its weight of 0.1 is 0.1 / (log 10)^2 = 0.0189 here; it counts
    a determinant out of range as 10; it applies its ELU to the data and to the codes too (these then never fall below
    -1), takes the test set for early stopping, and trains on the test rows of its own data sets. None of that is here.
    Its weight decay of 1e-5 is not either.

    Args:
        det_reg: weight of the variance.
        latent_dim, hidden, activation, output, scaling, epochs: see `ae`.
        batch_size, learning_rate, late_decay, patience, clip_norm, random_state, device: see `ae`.

    Source: Nazari, Damrich and Hamprecht, Geometric Autoencoders - What You See is What You Decode, ICML 2023.
    """

    loss: ClassVar[str] = "ae + det_reg Var log det G"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "published": {
            "hidden": [100, 100, 100, 100], "activation": "elu", "scaling": "none", "det_reg": 0.0189,
            "batch_size": 125, "learning_rate": 1e-3, "epochs": 100, "patience": 10, "clip_norm": None,
        }
    }  # fmt: skip
    search_space: ClassVar[dict[str, Any]] = {
        **Autoencoder.search_space, "det_reg": {"low": 1e-3, "high": 1.0, "log": True}
    }  # fmt: skip
    stackable: ClassVar[tuple[str, ...]] = ("learning_rate", "det_reg")

    det_reg: float = 0.1

    def check_parameters(self) -> None:
        super().check_parameters()
        require_not_negative(self, "det_reg")

    def check_shape(self, n_samples: int, n_features: int) -> None:
        if self.latent_dim > n_features:
            raise ValueError(f"latent_dim = {self.latent_dim} exceeds n_features = {n_features}: det G is 0 everywhere")

    def _problem(self, n_features: int) -> Problem:
        return _EvenMagnification("det_reg")


class _EvenMagnification(PenalisedError):
    def penalty(self, model: Any, batch: dict[str, Tensor], z: Tensor, draws: Terms) -> Tensor:
        logarithm = log_determinants(pullback_metric(model["decoder"], z))
        # A last batch of one row has no variance.
        return logarithm.var(-1) if z.shape[1] > 1 else z.new_zeros(len(z))
