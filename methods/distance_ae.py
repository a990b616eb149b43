"""An autoencoder that keeps distances up to scale."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from methods.autoencoder import Autoencoder, PenalisedError
from methods.base import hyperparameters, require_not_negative
from methods.training.problem import Problem, Terms


@hyperparameters
class DistanceAE(Autoencoder):
    """Autoencoder whose latent distances are proportional to the data's: mean squared error + distance_reg V.

    V = Var log(|z_i - z_j| / |x_i - x_j|) over the pairs of a batch, 0 exactly where all distances are multiplied by
    one number. Straight distances of the data are kept, so that it flattens but does not unroll; `ggae` and `grae`
    follow the data's graph. Pairs of equal rows are left out.

    Args:
        distance_reg: weight of V.
        latent_dim, hidden, activation, output, scaling, epochs: see `ae`.
        batch_size, learning_rate, late_decay, patience, clip_norm, random_state, device: see `ae`.

    Source: Singh and Nag, Structure-preserving deep autoencoder-based dimensionality reduction, 2021 (SPAE).
    """

    loss: ClassVar[str] = "ae + distance_reg Var log(d_z / d_x)"
    search_space: ClassVar[dict[str, Any]] = {
        **Autoencoder.search_space, "distance_reg": {"low": 1e-3, "high": 10.0, "log": True}
    }  # fmt: skip
    stackable: ClassVar[tuple[str, ...]] = ("learning_rate", "distance_reg")

    distance_reg: float = 0.1

    def check_parameters(self) -> None:
        super().check_parameters()
        require_not_negative(self, "distance_reg")

    def _problem(self, n_features: int) -> Problem:
        return _ProportionalDistances("distance_reg")


class _ProportionalDistances(PenalisedError):
    def penalty(self, model: Any, batch: dict[str, Tensor], z: Tensor, draws: Terms) -> Tensor:
        return log_ratio_variance(batch["x"], z)


def log_ratio_variance(x: Tensor, z: Tensor) -> Tensor:
    """Var log(|z_i - z_j| / |x_i - x_j|) over pairs of different rows of x (S, b, n_features), z (S, b, d) -> (S,)."""
    i, j = torch.triu_indices(z.shape[1], z.shape[1], 1, device=z.device)
    d_x, d_z = (torch.cdist(p, p, compute_mode="donot_use_mm_for_euclid_dist")[:, i, j] for p in (x, z))
    tiny = torch.finfo(z.dtype).tiny
    logarithm = d_z.clamp_min(tiny).log() - d_x.clamp_min(tiny).log()
    counted = (d_x > 0).to(z.dtype)
    n_pairs = counted.sum(1).clamp_min(1)
    mean = (counted * logarithm).sum(1) / n_pairs
    return (counted * (logarithm - mean[:, None]).square()).sum(1) / n_pairs
