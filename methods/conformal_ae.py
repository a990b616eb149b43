"""The conformally regularised autoencoder."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from methods.autoencoder import Autoencoder, PenalisedError
from methods.base import hyperparameters, require_not_negative
from methods.training.problem import Problem, Terms
from metrics.distortion import conformal_distortion


@hyperparameters
class ConformalAE(Autoencoder):
    """Autoencoder whose decoder is pushed towards a conformal map: mean squared error + conformal_reg C.

    C = E[d tr G^2 / (tr G)^2] - 1 at the codes of the batch, 0 exactly where the decoder stretches all directions at a
    point alike, by as much as it will. A sphere's cap has such a map to the plane (the stereographic one), and no
    isometry. The complement of `geometric-ae`, which evens out the volumes alone.

    Args:
        conformal_reg: weight of C.
        latent_dim, hidden, activation, output, scaling, epochs: see `ae`.
        batch_size, learning_rate, late_decay, patience, clip_norm, random_state, device: see `ae`.

    Source: the relaxed distortion of Lee et al., ICLR 2022, with the ratio inside the mean.
    """

    loss: ClassVar[str] = "ae + conformal_reg (E[d tr G^2 / (tr G)^2] - 1)"
    search_space: ClassVar[dict[str, Any]] = {
        **Autoencoder.search_space, "conformal_reg": {"low": 1e-3, "high": 1e2, "log": True}
    }  # fmt: skip
    stackable: ClassVar[tuple[str, ...]] = ("learning_rate", "conformal_reg")

    conformal_reg: float = 0.1

    def check_parameters(self) -> None:
        super().check_parameters()
        require_not_negative(self, "conformal_reg")

    def _problem(self, n_features: int) -> Problem:
        return _Angles("conformal_reg")


class _Angles(PenalisedError):
    def penalty(self, model: Any, batch: dict[str, Tensor], z: Tensor, draws: Terms) -> Tensor:
        return conformal_distortion(model["decoder"], z)
