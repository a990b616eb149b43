"""The contractive autoencoder."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from methods.autoencoder import Autoencoder, PenalisedEncoder
from methods.base import hyperparameters, require_not_negative
from methods.training.problem import Problem, Terms
from metrics.geometry import squared_jacobian_norm


@hyperparameters
class ContractiveAE(Autoencoder):
    """Autoencoder whose encoder g changes little with its input: mean squared error + contraction mean |J_g(x)|_F^2.

    The Jacobian is exact for any depth: one backward pass for each latent dimension. Released codes often take the
    formula of one sigmoid layer, W^2 (h (1 - h))^2, for encoders that are deeper, where it is not the Jacobian. The
    paper ties the decoder's weights to the encoder's, so that codes cannot simply shrink; here they are not tied, and a
    large weight does shrink them, which metrics that are scale-free do not see.

    Args:
        contraction: weight of the squared Jacobian norm, in network units.
        latent_dim, hidden, activation, output, scaling, epochs: see `ae`.
        batch_size, learning_rate, late_decay, patience, clip_norm, random_state, device: see `ae`.

    Source: Rifai, Vincent, Muller, Glorot and Bengio, Contractive auto-encoders, ICML 2011. There is no preset
    'published': those networks have one hidden layer, which is the code.
    """

    loss: ClassVar[str] = "ae + contraction mean |J_g|^2"
    search_space: ClassVar[dict[str, Any]] = {
        **Autoencoder.search_space, "contraction": {"low": 1e-4, "high": 1.0, "log": True}
    }  # fmt: skip
    stackable: ClassVar[tuple[str, ...]] = ("learning_rate", "contraction")

    contraction: float = 1e-3

    def check_parameters(self) -> None:
        super().check_parameters()
        require_not_negative(self, "contraction")

    def _problem(self, n_features: int) -> Problem:
        return _Contraction("contraction")


class _Contraction(PenalisedEncoder):
    def penalty(self, model: Any, batch: dict[str, Tensor], z: Tensor, draws: Terms) -> Tensor:
        return squared_jacobian_norm(z, batch["x"]).mean(-1)
