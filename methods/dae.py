"""The denoising autoencoder."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from methods.autoencoder import Autoencoder, SquaredError
from methods.base import hyperparameters, require_not_negative
from methods.training.problem import Problem, Terms
from methods.training.streams import Streams


@hyperparameters
class DenoisingAE(Autoencoder):
    """Autoencoder that reconstructs a row from itself with noise added: mean |f(g(x + noise e)) - x|^2, e ~ N(0, I).

    Small noise shrinks reconstructions towards the data's manifold; the encoder is used without any. For small noise
    the loss is that of `ae` plus noise^2 times the squared Jacobian of f o g, of which `cae` takes the encoder's part.

    Args:
        noise: deviation of the noise, in network units, in which features have a variance of about 1.
        latent_dim, hidden, activation, output, scaling, epochs: see `ae`.
        batch_size, learning_rate, late_decay, patience, clip_norm, random_state, device: see `ae`.

    Source: Vincent, Larochelle, Bengio and Manzagol, Extracting and composing robust features with denoising
    autoencoders, ICML 2008; Gaussian corruption as in the paper's longer form, JMLR 2010. There is no preset
    'published': those networks are shallow, wide and tied, with codes of hundreds of units.
    """

    loss: ClassVar[str] = "mean (f(g(x + noise e)) - x)^2"
    search_space: ClassVar[dict[str, Any]] = {
        **Autoencoder.search_space, "noise": {"low": 0.01, "high": 1.0, "log": True}
    }  # fmt: skip
    stackable: ClassVar[tuple[str, ...]] = ("learning_rate", "noise")

    noise: float = 0.1

    def check_parameters(self) -> None:
        super().check_parameters()
        require_not_negative(self, "noise")

    def _problem(self, n_features: int) -> Problem:
        return _Denoising(n_features)


class _Denoising(SquaredError):
    def __init__(self, n_features: int) -> None:
        self.n_features = n_features

    def draws(self, streams: Streams, n: int) -> dict[str, Tensor]:
        return {"noise": streams.normal("noise", n, self.n_features)}

    def losses(self, model: Any, batch: dict[str, Tensor], draws: Terms, weights: Terms) -> dict[str, Tensor]:
        corrupted = batch["x"] + weights["noise"][:, None, None] * draws["noise"]
        reconstruction = model["decoder"](model["encoder"](corrupted))
        return {"loss": (reconstruction - batch["x"]).square().mean((1, 2))}
