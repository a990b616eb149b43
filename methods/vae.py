"""The variational autoencoder with one learnable observation scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from methods.autoencoder import PUBLISHED_NETWORK
from methods.base import hyperparameters, require_not_negative, require_positive
from methods.network_method import Extracted, NetworkMethod
from methods.networks.layers import FirstColumns, Output, member, output_layer, stacked_mlp
from methods.training.problem import Problem, Terms
from methods.training.streams import Streams

# The likelihood's smallest scale, in network units.
_SIGMA_FLOOR = 1e-3
# exp of the encoder's log-deviation overflows single precision long before such a value means anything.
_LOG_DEVIATION_BOUND = 12.0


@hyperparameters
class VAE(NetworkMethod):
    """Variational autoencoder: Gaussian likelihood with one learnable scale, standard normal prior.

    Minimises the batch mean of -log N(x; f(z), sigma^2 I) + beta KL(q(z|x) | N(0, I)), both summed over
    their dimensions, z sampled once. `encode` is the posterior mean, `decode` the likelihood's mean. The
    published code learns sigma itself and lets it become negative; here sigma^2 has a positive floor.

    Args:
        beta: weight of the KL term.
        initial_sigma: sigma when training begins, in network units, in which features have a variance of about 1. At
            1 all of the data is noise to begin with: the KL term then empties the codes before the decoder has learnt
            anything from them, often for good.
        latent_dim, hidden, activation, output, scaling, epochs: see `ae`.
        batch_size, learning_rate, patience, clip_norm, random_state, device: see `ae`.

    Source: Kingma and Welling 2014; preset 'published' is the VAE of Lee et al., ICLR 2022.
    """

    loss: ClassVar[str] = "-log N(x; f(z), sigma^2 I) + beta KL(q(z|x) | N(0, I))"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "published": {**PUBLISHED_NETWORK, "beta": 1.0, "initial_sigma": 1.0}
    }
    search_space: ClassVar[dict[str, Any]] = {
        "learning_rate": {"low": 3e-4, "high": 1e-2, "log": True},
        "beta": {"low": 0.01, "high": 10.0, "log": True},
    }
    stackable: ClassVar[tuple[str, ...]] = ("learning_rate", "beta")
    prior: ClassVar[Literal["normal"] | None] = "normal"

    beta: float = 1.0
    initial_sigma: float = 0.1
    hidden: Sequence[int] = (128, 128, 128)
    output: Output = "linear"

    def check_parameters(self) -> None:
        super().check_parameters()
        require_not_negative(self, "beta")
        require_positive(self, "initial_sigma")

    def _build(self, n_features: int, generators: Sequence[torch.Generator]) -> nn.Module:
        return _StackedVAE(self, n_features, generators)

    def _problem(self, n_features: int) -> Problem:
        return EvidenceBound(self.latent_dim)

    def _extract(self, model: Any, s: int) -> Extracted:
        return [*member(model.encoder, s), FirstColumns(self.latent_dim)], [member(model.decoder, s)]


class _StackedVAE(nn.Module):
    def __init__(self, method: VAE, n_features: int, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        d, hidden = method.latent_dim, list(method.hidden)
        self.encoder = stacked_mlp([n_features, *hidden, 2 * d], method.activation, generators)
        self.decoder = stacked_mlp([d, *hidden[::-1], n_features], method.activation, generators)
        self.decoder.extend(output_layer(method.output))
        self.raw_sigma = nn.Parameter(torch.full((len(generators),), float(method.initial_sigma)))

    @property
    def log_sigma(self) -> Tensor:
        """log sigma (S,), sigma^2 = raw^2 + floor^2: positive for any raw, and as fast to learn as raw itself."""
        return 0.5 * (self.raw_sigma.square() + _SIGMA_FLOOR**2).log()


class EvidenceBound:
    """Negative evidence lower bound of a stack of VAEs."""

    def __init__(self, latent_dim: int) -> None:
        self.latent_dim = latent_dim

    def draws(self, streams: Streams, n: int) -> dict[str, Tensor]:
        return {"noise": streams.normal("noise", n, self.latent_dim)}

    def losses(self, model: Any, batch: dict[str, Tensor], draws: Terms, weights: Terms) -> dict[str, Tensor]:
        return self.terms(model, batch["x"], draws["noise"], weights["beta"])[0]

    def terms(self, model: Any, x: Tensor, noise: Tensor, beta: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The terms (S,), and the sampled latent points (S, b, d)."""
        mean, log_deviation = model.encoder(x).chunk(2, dim=-1)
        z, kl = sample_posterior(mean, log_deviation, noise)
        square = (model.decoder(z) - x).square().sum(-1).mean(-1)
        n_features = x.shape[-1]
        negative_log_likelihood = (
            n_features * (0.5 * math.log(2 * math.pi) + model.log_sigma)
            + square / (2 * (2 * model.log_sigma).exp())
        )  # fmt: skip
        loss = negative_log_likelihood + beta * kl
        return {"loss": loss, "mse": square / n_features, "kl": kl}, z


class FixedVarianceVAE(NetworkMethod):
    """What the VAEs with a fixed likelihood share: they minimise summed squared error + beta KL.

    That is the evidence bound of a Gaussian likelihood with variance beta / 2, in network units. Subclasses build
    the networks.
    """

    stackable: ClassVar[tuple[str, ...]] = ("learning_rate", "beta")
    prior: ClassVar[Literal["normal"] | None] = "normal"

    beta: float

    def check_parameters(self) -> None:
        super().check_parameters()
        require_not_negative(self, "beta")

    def _problem(self, n_features: int) -> Problem:
        return SquaredErrorBound(self.latent_dim)

    def _extract(self, model: Any, s: int) -> Extracted:
        encoder, decoder = member(model["encoder"], s), member(model["decoder"], s)
        return [*encoder, FirstColumns(self.latent_dim)], [decoder]


class SquaredErrorBound:
    """Summed squared error + beta KL of a stack."""

    def __init__(self, latent_dim: int) -> None:
        self.latent_dim = latent_dim

    def draws(self, streams: Streams, n: int) -> dict[str, Tensor]:
        return {"noise": streams.normal("noise", n, self.latent_dim)}

    def losses(self, model: Any, batch: dict[str, Tensor], draws: Terms, weights: Terms) -> dict[str, Tensor]:
        x = batch["x"]
        mean, log_deviation = model["encoder"](x).chunk(2, dim=-1)
        z, kl = sample_posterior(mean, log_deviation, draws["noise"])
        square = (self.decode(model, z) - x).square().sum(-1).mean(-1)
        return {"loss": square + weights["beta"] * kl, "mse": square / x.shape[-1], "kl": kl}

    def decode(self, model: Any, z: Tensor) -> Tensor:
        """Reconstructions (S, b, n_features) of latent points (S, b, d)."""
        decoded: Tensor = model["decoder"](z)
        return decoded


def sample_posterior(mean: Tensor, log_deviation: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """A latent point sampled from each posterior, and the mean KL divergence of the posteriors from N(0, I).

    Args:
        mean, log_deviation: of the posteriors (S, b, d).
        noise: standard normal numbers (S, b, d).

    Returns:
        z (S, b, d), and KL (S,), summed over the latent dimensions.
    """
    log_deviation = log_deviation.clamp(-_LOG_DEVIATION_BOUND, _LOG_DEVIATION_BOUND)
    divergence = mean.square() + (2 * log_deviation).exp() - 2 * log_deviation - 1
    return mean + log_deviation.exp() * noise, 0.5 * divergence.sum(-1).mean(-1)
