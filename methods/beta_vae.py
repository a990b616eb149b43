"""The variational autoencoder with a fixed likelihood and a weighted divergence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from methods.base import hyperparameters
from methods.networks.layers import Output, output_layer, stacked_mlp
from methods.vae import FixedVarianceVAE


@hyperparameters
class BetaVAE(FixedVarianceVAE):
    """VAE with likelihood N(f(z), I) up to scale: summed squared error + beta KL(q(z|x) | N(0, I)).

    A large beta spends latent dimensions sparingly and aligns those it spends with the data's axes; a latent dimension
    that explains less than about beta / 2 of the summed variance is switched off. The sum grows with the number of
    features, so that one beta means different things for 3 features and for 4,096; the paper's comparable number is
    beta latent_dim / n_features.

    Args:
        beta: weight of the KL term, in network units, in which features have a variance of about 1.
        latent_dim, hidden, activation, output, scaling, epochs: see `ae`.
        batch_size, learning_rate, patience, clip_norm, random_state, device: see `ae`.

    Source: Higgins et al., beta-VAE: learning basic visual concepts with a constrained variational framework, ICLR
    2017. Preset 'published' is its setting for sprites, a perceptron with 10 latent dimensions and beta = 4; there the
    likelihood is Bernoulli.
    """

    loss: ClassVar[str] = "|f(z) - x|^2 + beta KL(q(z|x) | N(0, I))"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "published": {
            "latent_dim": 10, "hidden": [1200, 1200], "activation": "relu", "output": "sigmoid", "scaling": "none",
            "beta": 4.0, "patience": None,
        }
    }  # fmt: skip
    search_space: ClassVar[dict[str, Any]] = {
        "learning_rate": {"low": 3e-4, "high": 1e-2, "log": True},
        "beta": {"low": 0.01, "high": 10.0, "log": True},
    }

    beta: float = 0.1
    hidden: Sequence[int] = (128, 128, 128)
    output: Output = "linear"

    def _build(self, n_features: int, generators: Sequence[torch.Generator]) -> nn.Module:
        widths = [self.latent_dim, *list(self.hidden)[::-1], n_features]
        encoder = stacked_mlp([n_features, *self.hidden, 2 * self.latent_dim], self.activation, generators)
        decoder = stacked_mlp(widths, self.activation, generators).extend(output_layer(self.output))
        return nn.ModuleDict({"encoder": encoder, "decoder": decoder})
