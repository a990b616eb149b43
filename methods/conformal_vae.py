"""The conformally regularised variational autoencoder."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from methods.base import hyperparameters
from methods.irvae import IRVAE
from methods.regularised_vae import BoundBetween
from methods.training.problem import Problem
from metrics.distortion import conformal_distortion


@hyperparameters
class ConformalVAE(IRVAE):
    """`irvae` with a scale of its own for every point: evidence bound + iso_reg E[tr G^2 / (tr G)^2].

    Args:
        iso_reg: weight of the measure.
        mixup, beta, initial_sigma: see `irvae`.
        latent_dim, hidden, activation, output, scaling, epochs: see `ae`.
        batch_size, learning_rate, patience, clip_norm, random_state, device: see `ae`.

    Source: the relaxed distortion of Lee et al., ICLR 2022, with the ratio inside the mean.
    """

    loss: ClassVar[str] = "vae + iso_reg E[tr G^2 / (tr G)^2]"

    def _problem(self, n_features: int) -> Problem:
        return BoundBetween(self.latent_dim, self.mixup, "iso_reg", _conformality)


def _conformality(decoder: Any, z: Tensor, probes: Tensor | None) -> dict[str, Tensor]:
    distortion = conformal_distortion(decoder, z)
    return {"conformal_distortion": distortion, "penalty": (distortion + 1) / z.shape[-1]}
