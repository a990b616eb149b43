"""A variational autoencoder with one encoder and an ensemble of decoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.base import Array, hyperparameters, require_positive
from methods.network_method import Extracted, evaluate
from methods.networks.layers import FirstColumns, Output, member, output_layer, stacked_mlp
from methods.training.problem import Problem
from methods.vae import FixedVarianceVAE, SquaredErrorBound

PUBLISHED_ENSEMBLE: dict[str, Any] = {
    "hidden": [512, 256, 128, 64],
    "activation": "relu",
    "output": "linear",
    "scaling": "none",
    "beta": 0.05,
    "epochs": 500,
    "batch_size": 320,
    "learning_rate": 5e-5,
    "patience": 15,
    "clip_norm": 0.01,
}


@hyperparameters
class EnsembleVAE(FixedVarianceVAE):
    """VAE with one encoder and M decoders, whose disagreement tells where the data are.

    Each mini-batch is dealt out: sample j goes to decoder j mod M, so that over the epochs every decoder sees all
    data while the encoder gets the whole batch's gradient. Minimises summed squared error + beta KL. `decode` is
    the mean over the members; the metric tensor is the mean of the members' metrics, the expected metric.

    The paper states the evidence bound of unit variance; its code's weight of 0.05, kept here, is that of a
    variance of 0.025. The published training repeats the sampling noise in every batch of an epoch; here it is
    drawn anew for every row. A last batch that M does not divide is used, not dropped.

    Args:
        n_members: decoders.
        beta: weight of the KL term.
        latent_dim, hidden, activation, output, scaling, epochs: see `ae`.
        batch_size, learning_rate, patience, clip_norm, random_state, device: see `ae`.

    Source: Syrota, Moreno-Munoz and Hauberg, Decoder ensembling for learned latent geometries, 2024.
    """

    loss: ClassVar[str] = "|f_m(z) - x|^2 + beta KL(q(z|x) | N(0, I)), row j to decoder j mod M"
    presets: ClassVar[dict[str, dict[str, Any]]] = {"published": {**PUBLISHED_ENSEMBLE, "n_members": 10}}
    search_space: ClassVar[dict[str, Any]] = {
        "learning_rate": {"low": 3e-4, "high": 1e-2, "log": True},
        "beta": {"low": 0.01, "high": 1.0, "log": True},
    }

    n_members: int = 10
    beta: float = 0.05
    hidden: Sequence[int] = (128, 128)
    output: Output = "linear"

    def check_parameters(self) -> None:
        super().check_parameters()
        require_positive(self, "n_members")

    def deviation(self, Z: Array) -> Array:
        """Predictive standard deviation (n, n_features) at latent points (n, latent_dim): that of the members."""
        members = np.stack([evaluate(decoder, Z) for decoder in self.decoders_])
        return members.std(axis=0)

    def _build(self, n_features: int, generators: Sequence[torch.Generator]) -> nn.Module:
        d, hidden = self.latent_dim, list(self.hidden)
        encoder = stacked_mlp([n_features, *hidden, 2 * d], self.activation, generators)
        decoder = stacked_mlp([d, *hidden[::-1], n_features], self.activation, generators, copies=self.n_members)
        return nn.ModuleDict({"encoder": encoder, "decoder": decoder.extend(output_layer(self.output))})

    def _problem(self, n_features: int) -> Problem:
        return _PartitionedBound(self.latent_dim, self.n_members)

    def _extract(self, model: Any, s: int) -> Extracted:
        encoder = [*member(model["encoder"], s), FirstColumns(self.latent_dim)]
        return encoder, [member(model["decoder"], (s, m)) for m in range(self.n_members)]


class _PartitionedBound(SquaredErrorBound):
    """The bound with the rows of a batch dealt out to the decoders: row j goes to decoder j mod M."""

    def __init__(self, latent_dim: int, n_members: int) -> None:
        super().__init__(latent_dim)
        self.n_members = n_members

    def decode(self, model: Any, z: Tensor) -> Tensor:
        n = z.shape[1]
        filled = functional.pad(z, (0, 0, 0, -n % self.n_members))
        dealt = filled.unflatten(1, (-1, self.n_members)).transpose(1, 2)
        decoded: Tensor = model["decoder"](dealt)
        return decoded.transpose(1, 2).flatten(1, 2)[:, :n]
