"""What VAEs share that are regularised between their codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from methods.base import hyperparameters, require_not_negative
from methods.training.problem import Terms
from methods.training.streams import Streams
from methods.vae import VAE, EvidenceBound
from metrics.distortion import EXACT_UP_TO

_N_PROBES = 2

# A term of the decoder at latent points (S, b, d), as 'penalty', and what else of it is worth recording; the random
# signs are there above `EXACT_UP_TO` latent dimensions.
Measure = Callable[[Any, Tensor, Tensor | None], dict[str, Tensor]]


@hyperparameters
class RegularisedVAE(VAE):
    """VAE with a measure of its decoder at points between (and `mixup` beyond) random pairs of sampled latent points.

    The defaults are chosen on the Swiss roll; see `irvae`.
    """

    mixup: float = 0.2
    beta: float = 0.01
    learning_rate: float = 2e-3
    patience: int | None = 200

    def check_parameters(self) -> None:
        super().check_parameters()
        require_not_negative(self, "mixup")


class BoundBetween(EvidenceBound):
    """The evidence bound + weight x a measure of the decoder at points between pairs of sampled latent points.

    Args:
        mixup: reach of the mixing coefficient beyond [0, 1].
        weight: name of the hyperparameter that weights the measure.
    """

    def __init__(self, latent_dim: int, mixup: float, weight: str, measure: Measure) -> None:
        super().__init__(latent_dim)
        self.mixup = mixup
        self.weight = weight
        self.measure = measure

    def draws(self, streams: Streams, n: int) -> dict[str, Tensor]:
        draws = super().draws(streams, n)
        draws["partner"] = streams.uniform("partner", n)
        draws["alpha"] = streams.uniform("alpha", n, 1) * (1 + 2 * self.mixup) - self.mixup
        if self.latent_dim > EXACT_UP_TO:
            coins = streams.uniform("probes", n, _N_PROBES, self.latent_dim) < 0.5
            draws["probes"] = coins.to(draws["noise"].dtype) * 2 - 1
        return draws

    def losses(self, model: Any, batch: dict[str, Tensor], draws: Terms, weights: Terms) -> dict[str, Tensor]:
        terms, z = self.terms(model, batch["x"], draws["noise"], weights["beta"])
        partner = draws["partner"].argsort(dim=1)[..., None].expand_as(z)
        between = draws["alpha"] * z + (1 - draws["alpha"]) * torch.gather(z, 1, partner)
        measured = self.measure(model.decoder, between, draws.get("probes"))
        loss = terms["loss"] + weights[self.weight] * measured.pop("penalty")
        return {**terms, **measured, "loss": loss}
