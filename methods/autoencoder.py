"""The plain autoencoder."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from methods.base import hyperparameters
from methods.network_method import Extracted, NetworkMethod
from methods.networks.layers import Output, member, output_layer, stacked_mlp
from methods.training.problem import Problem, Terms
from methods.training.schedule import Schedule
from methods.training.streams import Streams

PUBLISHED_NETWORK: dict[str, Any] = {
    "hidden": [256, 256, 256, 256],
    "activation": "relu",
    "output": "sigmoid",
    "scaling": "none",
    "epochs": 300,
    "batch_size": 100,
    "learning_rate": 1e-4,
    "patience": None,
    "clip_norm": None,
}


_PUBLISHED_BESIDE_NRAE: dict[str, Any] = {
    "latent_dim": 1,
    "hidden": [512, 512, 512],
    "scaling": "none",
    "learning_rate": 1e-3,
    "late_decay": 0.9,
    "patience": None,
    "clip_norm": None,
}
PUBLISHED_CURVE_NETWORK: dict[str, Any] = {
    **_PUBLISHED_BESIDE_NRAE, "activation": "elu", "output": "linear", "epochs": 2001
}  # fmt: skip
PUBLISHED_DIGIT_NETWORK: dict[str, Any] = {
    **_PUBLISHED_BESIDE_NRAE, "activation": "relu", "output": "sigmoid", "epochs": 1001
}  # fmt: skip


@hyperparameters
class Autoencoder(NetworkMethod):
    """Plain autoencoder: mean squared error of decode(encode(x)), perceptrons both ways.

    Args:
        latent_dim: latent dimensions.
        hidden: layer widths of the encoder; the decoder has them in reverse.
        activation: 'silu' (smooth, as second derivatives are measured), 'relu', 'elu', 'tanh', 'softplus'.
        output: 'linear', or 'sigmoid' for data in [0, 1] with scaling='none'.
        scaling: 'standard' centres the data and divides it by one scalar, inside; 'none' takes it as it is.
        epochs: a cap; None means 4,000 optimiser steps.
        batch_size: rows for each optimiser step.
        learning_rate: of Adam.
        late_decay: factor on the learning rate, taken every 10 epochs within the last fifth of them.
        patience: epochs without a better validation loss before training stops; None or 0 never stops early. Where
            it is set, the best epoch's weights are kept, else the last.
        clip_norm: largest norm of a model's gradient; None does not clip.
        random_state: seed of initialisation, data order and noise.
        device: 'auto', 'cpu' or 'cuda'.

    Source: Hinton and Salakhutdinov, Science 2006. Preset 'published' is the network and schedule of the IRVAE code's
    AE (Lee et al., ICLR 2022); 'published-curves' and 'published-digits' are those beside NRAE (Lee et al., NeurIPS
    2021), for curves with batches of 32 or 16, for digits of 50 or 10.
    """

    loss: ClassVar[str] = "mean (f(g(x)) - x)^2"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "published": PUBLISHED_NETWORK,
        "published-curves": {**PUBLISHED_CURVE_NETWORK, "batch_size": 32},
        "published-digits": {**PUBLISHED_DIGIT_NETWORK, "batch_size": 50},
    }
    search_space: ClassVar[dict[str, Any]] = {"learning_rate": {"low": 3e-4, "high": 1e-2, "log": True}}

    hidden: Sequence[int] = (128, 128, 128)
    output: Output = "linear"
    late_decay: float = 1.0

    def check_parameters(self) -> None:
        super().check_parameters()
        if not 0 < self.late_decay <= 1:
            raise ValueError(f"late_decay must lie in (0, 1], got {self.late_decay}")

    def _schedule(self) -> Schedule:
        return replace(super()._schedule(), late_decay=self.late_decay)

    def _build(self, n_features: int, generators: Sequence[torch.Generator]) -> nn.Module:
        widths = [n_features, *self.hidden, self.latent_dim]
        encoder = stacked_mlp(widths, self.activation, generators)
        decoder = stacked_mlp(widths[::-1], self.activation, generators).extend(output_layer(self.output))
        return nn.ModuleDict({"encoder": encoder, "decoder": decoder})

    def _problem(self, n_features: int) -> Problem:
        return SquaredError()

    def _extract(self, model: Any, s: int) -> Extracted:
        return member(model["encoder"], s), [member(model["decoder"], s)]


class SquaredError:
    """Mean squared error of decode(encode(x)) of a stack, over rows and features."""

    def draws(self, streams: Streams, n: int) -> dict[str, Tensor]:
        return {}

    def losses(self, model: Any, batch: dict[str, Tensor], draws: Terms, weights: Terms) -> dict[str, Tensor]:
        reconstruction = model["decoder"](model["encoder"](batch["x"]))
        return {"loss": (reconstruction - batch["x"]).square().mean((1, 2))}


class PenalisedError(SquaredError):
    """Mean squared error + weight x penalty; subclasses say what the penalty of a batch is.

    Args:
        weight: name of the hyperparameter that weights the penalty.
    """

    def __init__(self, weight: str) -> None:
        self.weight = weight

    @abstractmethod
    def penalty(self, model: Any, batch: dict[str, Tensor], z: Tensor, draws: Terms) -> Tensor:
        """The penalty (S,) of a batch with codes z (S, b, d)."""

    def losses(self, model: Any, batch: dict[str, Tensor], draws: Terms, weights: Terms) -> dict[str, Tensor]:
        z = model["encoder"](batch["x"])
        mse = (model["decoder"](z) - batch["x"]).square().mean((1, 2))
        penalty = self.penalty(model, batch, z, draws)
        return {"loss": mse + weights[self.weight] * penalty, "mse": mse, "penalty": penalty}


class PenalisedEncoder(PenalisedError):
    """A penalised error whose penalty differentiates the codes by the rows."""

    def losses(self, model: Any, batch: dict[str, Tensor], draws: Terms, weights: Terms) -> dict[str, Tensor]:
        # The codes must be a function of what their Jacobian is taken at, in validation too.
        with torch.enable_grad():
            return super().losses(model, batch | {"x": batch["x"].detach().requires_grad_()}, draws, weights)
