"""The isometric autoencoder."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from methods.autoencoder import Autoencoder, PenalisedEncoder
from methods.base import hyperparameters, require_not_negative
from methods.training.problem import Problem, Terms
from methods.training.streams import Streams
from metrics.geometry import push_forward


@hyperparameters
class IsometricAE(Autoencoder):
    """Autoencoder whose decoder is pushed to an isometry and whose encoder to that isometry's pseudo-inverse.

    Minimises mean squared error + iso_reg (E (|J_f(z) u| - 1)^2 + E (|u^T J_g(x)| - 1)^2), u uniform on the unit sphere
    of the latent space, x from the batch, z from a Gaussian fitted to the batch's codes. One direction at each point,
    by one forward pass for the decoder and one backward pass for the encoder. The length is held at 1, in network
    units: an isometry of known scale, where `irvae` leaves the scale free.

    Args:
        iso_reg: weight of both terms.
        latent_dim, hidden, activation, output, scaling, epochs: see `ae`.
        batch_size, learning_rate, late_decay, patience, clip_norm, random_state, device: see `ae`.

    Source: Gropp, Atzmon and Lipman, Isometric autoencoders, 2020, arXiv 2006.09289.
    """

    loss: ClassVar[str] = "ae + iso_reg (E(|J_f u| - 1)^2 + E(|u^T J_g| - 1)^2)"
    search_space: ClassVar[dict[str, Any]] = {
        **Autoencoder.search_space, "iso_reg": {"low": 1e-3, "high": 10.0, "log": True}
    }  # fmt: skip
    stackable: ClassVar[tuple[str, ...]] = ("learning_rate", "iso_reg")

    iso_reg: float = 0.1

    def check_parameters(self) -> None:
        super().check_parameters()
        require_not_negative(self, "iso_reg")

    def _problem(self, n_features: int) -> Problem:
        return _UnitStretch("iso_reg", self.latent_dim)


class _UnitStretch(PenalisedEncoder):
    def __init__(self, weight: str, latent_dim: int) -> None:
        super().__init__(weight)
        self.latent_dim = latent_dim

    def draws(self, streams: Streams, n: int) -> dict[str, Tensor]:
        return {name: streams.normal(name, n, self.latent_dim) for name in ("at", "forward", "backward")}

    def penalty(self, model: Any, batch: dict[str, Tensor], z: Tensor, draws: Terms) -> Tensor:
        forward, backward = (_on_sphere(draws[name]) for name in ("forward", "backward"))
        pushed = push_forward(model["decoder"], _like(z.detach(), draws["at"]), forward[..., None, :])[1].squeeze(-2)
        (pulled,) = torch.autograd.grad(z, batch["x"], backward, create_graph=True)
        return sum(((_norm(part) - 1).square().mean(-1) for part in (pushed, pulled)), z.new_zeros(()))


def _like(z: Tensor, noise: Tensor) -> Tensor:
    """Points from the Gaussian that has the mean and covariance of codes z (S, b, d), from standard normal numbers."""
    mean = z.mean(1, keepdim=True)
    covariance = (z - mean).transpose(1, 2) @ (z - mean) / z.shape[1]
    values, vectors = torch.linalg.eigh(covariance)
    return mean + (noise * values.clamp_min(0).sqrt()[:, None, :]) @ vectors.transpose(1, 2)


def _on_sphere(directions: Tensor) -> Tensor:
    return directions / _norm(directions)[..., None]


def _norm(vectors: Tensor) -> Tensor:
    return vectors.square().sum(-1).clamp_min(torch.finfo(vectors.dtype).tiny).sqrt()
