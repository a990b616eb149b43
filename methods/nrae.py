"""Neighbourhood reconstructing autoencoders: each point explains its neighbours by a local expansion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from methods.autoencoder import PUBLISHED_CURVE_NETWORK, PUBLISHED_DIGIT_NETWORK, Autoencoder
from methods.base import hyperparameters, require_neighbors_within, require_positive
from methods.networks.layers import Activation
from methods.training.data import TrainingSet
from methods.training.problem import Rows, Task, Terms
from methods.training.streams import Streams
from metrics.geometry import push_forward
from metrics.neighbors import nearest_neighbours, nearest_rows
from metrics.taylor import expand


def _preset(base: dict[str, Any], batch_size: int, n_neighbors: int, weight: float) -> dict[str, Any]:
    """A published setting with the centre in the loss: one of its neighbours is drawn beside it."""
    return {**base, "batch_size": batch_size, "n_neighbors": n_neighbors, "neighbor_weight": weight}


_DENOISING: dict[str, Any] = {
    **_preset(PUBLISHED_CURVE_NETWORK, 32, 10, 100.0),
    "n_drawn": 2,
    "replace": True,
    "include_center": False,
}


@hyperparameters
class NRAEL(Autoencoder):
    """Neighbourhood reconstructing autoencoder, first order: nearby data from the decoder's tangent at a point.

    For a point x_c with code z_c and neighbours x_n with codes z_n, minimises the mean over batch and set of
    K |x_n - f(z_c) - J(z_c)(z_n - z_c)|^2, K = 1 for the centre itself and `neighbor_weight` for its neighbours. So
    points that are near stay near in the code, and noise across the manifold is averaged away.

    The published code finds the centre by equality of values (a duplicate counts as the centre), takes the first
    column of an N x N distance matrix for the point itself (wrong among duplicates), and since 2022 weights
    neighbours 10 to 100 times more than the centre, by an inverted kernel. Here the graph excludes a point by its
    row number and needs no N x N memory, and the weight is the paper's ratio of neighbour to centre, at most 1 in
    the paper. About 0.5 is right for curves in the plane; images of one moving digit needed the released 10 to 100 (for
    the first order), so that the weight is worth tuning. So is `n_neighbors`: 5 is the most that a spiral of 30 points
    bears, where more unfold it no longer; a strongly blurred curve is averaged better over 10.

    The defaults are chosen on noisy curves: three layers, small batches and a high rate, without which the first
    order does not unfold the spiral; the best validation epoch is kept, and hardly ever is training stopped early.

    Args:
        n_neighbors: neighbours of each point in the graph.
        neighbor_weight: weight of a neighbour's error, that of the centre being 1.
        n_drawn: neighbours drawn for each point and step.
        include_center: whether the centre's own error is part of the loss.
        replace: whether a neighbour may be drawn twice in a step.
        latent_dim, hidden, activation, output, scaling, epochs: see `ae`.
        batch_size, learning_rate, late_decay, patience, clip_norm, random_state, device: see `ae`.

    Source: Lee, Kwon and Park, Neighborhood Reconstructing Autoencoders, NeurIPS 2021. Preset 'published' is the
    released setting for the noisy sine curve; those for the spiral, the rotated and the shifted digit are
    'published-spiral', 'published-rotated' and 'published-shifted'.
    """

    loss: ClassVar[str] = "sum over neighbours of K |x_n - f(z) - J (z_n - z)|^2"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "published": _DENOISING,
        "published-spiral": _preset(PUBLISHED_CURVE_NETWORK, 16, 2, 2.0),
        "published-rotated": _preset(PUBLISHED_DIGIT_NETWORK, 50, 10, 10.0),
        "published-shifted": _preset(PUBLISHED_DIGIT_NETWORK, 10, 2, 100.0),
    }
    search_space: ClassVar[dict[str, Any]] = {
        "learning_rate": {"low": 3e-4, "high": 1e-2, "log": True},
        "neighbor_weight": {"low": 0.1, "high": 100.0, "log": True},
        "n_neighbors": [2, 5, 10],
    }
    stackable: ClassVar[tuple[str, ...]] = ("learning_rate", "neighbor_weight")
    expansion_order: ClassVar[int] = 1

    n_neighbors: int = 5
    neighbor_weight: float = 0.5
    n_drawn: int = 1
    include_center: bool = True
    replace: bool = False
    activation: Activation = "elu"
    batch_size: int = 16
    learning_rate: float = 3e-3
    late_decay: float = 0.9
    patience: int | None = 1_000

    def check_parameters(self) -> None:
        super().check_parameters()
        require_positive(self, "n_neighbors", "neighbor_weight", "n_drawn")
        if not self.replace and self.n_drawn > self.n_neighbors:
            raise ValueError(
                f"n_drawn = {self.n_drawn} of n_neighbors = {self.n_neighbors} cannot be drawn without replacement"
            )

    def check_shape(self, n_samples: int, n_features: int) -> None:
        require_neighbors_within(self, n_samples)

    @classmethod
    def _task(cls, estimators: Sequence[Self], data: TrainingSet) -> Task:
        lead, x = estimators[0], data.x
        rows, held_out = x.double().cpu().numpy(), data.x_val.double().cpu().numpy()
        graph = torch.as_tensor(nearest_neighbours(rows, lead.n_neighbors), device=x.device)
        held_out_graph = torch.as_tensor(nearest_rows(held_out, rows, lead.n_neighbors), device=x.device)
        return Task(
            NeighbourhoodReconstruction(lead, x),
            Rows({"x": x, "near": graph}),
            Rows({"x": data.x_val, "near": held_out_graph}),
        )


class NRAEQ(NRAEL):
    """Neighbourhood reconstructing autoencoder, second order: `nrae-l` with the decoder's curvature.

    Nearby data are explained by f(z_c) + J(z_c) delta + 1/2 delta^T H(z_c) delta, delta = z_n - z_c. Value, J delta
    and delta^T H delta go through the decoder together; the published code nests differentiation twice. With a ReLU
    decoder H vanishes but for the output layer; with the default ELU it does not.

    Args:
        n_neighbors, neighbor_weight, n_drawn, include_center, replace: see `nrae-l`.
        latent_dim, hidden, activation, output, scaling, epochs: see `ae`.
        batch_size, learning_rate, late_decay, patience, clip_norm, random_state, device: see `ae`.

    Source: Lee, Kwon and Park, Neighborhood Reconstructing Autoencoders, NeurIPS 2021. Presets as `nrae-l`.
    """

    loss: ClassVar[str] = "sum over neighbours of K |x_n - f(z) - J (z_n - z) - (z_n - z)^T H (z_n - z) / 2|^2"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "published": _DENOISING,
        "published-spiral": _preset(PUBLISHED_CURVE_NETWORK, 16, 3, 100.0),
        "published-rotated": _preset(PUBLISHED_DIGIT_NETWORK, 50, 15, 10.0),
        "published-shifted": _preset(PUBLISHED_DIGIT_NETWORK, 10, 4, 100.0),
    }
    expansion_order: ClassVar[int] = 2


class NeighbourhoodReconstruction:
    """NRAE's loss on rows with their neighbours, row numbers of `pool`."""

    def __init__(self, method: NRAEL, pool: Tensor) -> None:
        self.method = method
        self.pool = pool

    def draws(self, streams: Streams, n: int) -> dict[str, Tensor]:
        per_row = self.method.n_drawn if self.method.replace else self.method.n_neighbors
        return {"neighbour": streams.uniform("neighbour", n, per_row)}

    def losses(self, model: Any, batch: dict[str, Tensor], draws: Terms, weights: Terms) -> dict[str, Tensor]:
        x = batch["x"]
        neighbours = self.pool[self._choose(batch["near"], draws["neighbour"])]
        n = x.shape[1]
        codes = model["encoder"](torch.cat([x, neighbours.flatten(1, 2)], dim=1))
        z, z_near = codes[:, :n], codes[:, n:].unflatten(1, neighbours.shape[1:3])
        value, nearby = self._expand(model["decoder"], z, z_near - z[:, :, None])
        at_centre = (x - value).square().sum(-1).mean(-1)
        at_neighbours = weights["neighbor_weight"] * (neighbours - nearby).square().sum(-1).mean((1, 2))
        share = 1 / (1 + self.method.n_drawn) if self.method.include_center else 0.0
        loss = share * at_centre + (1 - share) * at_neighbours
        return {"loss": loss, "mse": at_centre / x.shape[-1], "neighbours": at_neighbours}

    def _choose(self, near: Tensor, uniform: Tensor) -> Tensor:
        """Some of the neighbours (S, b, k) of each row, by uniform numbers -> (S, b, n_drawn)."""
        if self.method.replace:
            places = (uniform * near.shape[-1]).long()
        else:
            places = uniform.argsort(-1)[..., : self.method.n_drawn]
        return near.gather(-1, places)

    def _expand(self, decoder: Any, z: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
        """f(z), and its local expansion at z + delta (S, b, n_drawn, n_features)."""
        # On a line all steps are multiples of one direction, which is expanded once for all neighbours.
        direction, step = (delta, 1.0) if z.shape[-1] > 1 else (torch.ones_like(z)[:, :, None], delta)
        if self.method.expansion_order == 1:
            value, first = push_forward(decoder, z, direction)
            return value, value[:, :, None] + step * first
        jet = expand(decoder, z, direction)
        return jet.value, jet.value[:, :, None] + step * jet.first + 0.5 * step**2 * jet.second
