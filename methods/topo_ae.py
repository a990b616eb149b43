"""The topological autoencoder."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from numba import njit
from torch import Tensor

from methods.autoencoder import Autoencoder, PenalisedError
from methods.base import Array, hyperparameters, require_not_negative
from methods.training.problem import Problem, Terms


@hyperparameters
class TopologicalAE(Autoencoder):
    """Autoencoder that keeps which points hang together: mean squared error + topo_reg T.

    The connected components of a batch of b points merge along the edges of its minimum spanning tree. With one tree of
    the batch in the data and one in the codes, T = (sum over the edges of both of (d_x - d_z)^2) / (2 b), where d_x is
    the distance in the data, divided by the largest of the batch, and d_z that in the codes, times a scale that is
    learnt. The trees are constants in the gradient.

    Args:
        topo_reg: weight of T.
        latent_dim, hidden, activation, output, scaling, epochs: see `ae`.
        batch_size, learning_rate, late_decay, patience, clip_norm, random_state, device: see `ae`.

    The released code leaves out the half, so that a weight means twice as much there. For images it divides by the
    largest distance that pixels in [-1, 1] could have, not by the batch's, which makes the term small beside the
    reconstruction; here all data are treated alike.

    Source: Moor, Horn, Rieck and Borgwardt, Topological autoencoders, ICML 2020. Preset 'published' has the released
    best run on MNIST, whose network has batch normalisation and a tanh output there.
    """

    loss: ClassVar[str] = "ae + topo_reg sum over spanning trees of (d_x - d_z)^2 / 2b"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "published": {
            "hidden": [1000, 500, 250], "activation": "relu", "scaling": "none", "topo_reg": 1.0, "epochs": 100,
            "batch_size": 126, "learning_rate": 1.5e-4, "patience": 10, "clip_norm": None,
        }
    }  # fmt: skip
    search_space: ClassVar[dict[str, Any]] = {
        **Autoencoder.search_space, "topo_reg": {"low": 1e-2, "high": 10.0, "log": True}
    }  # fmt: skip
    stackable: ClassVar[tuple[str, ...]] = ("learning_rate", "topo_reg")

    topo_reg: float = 0.5

    def check_parameters(self) -> None:
        super().check_parameters()
        require_not_negative(self, "topo_reg")

    def _build(self, n_features: int, generators: Any) -> torch.nn.Module:
        model: Any = super()._build(n_features, generators)
        model.log_scale = torch.nn.Parameter(torch.zeros(len(generators)))
        return model

    def _problem(self, n_features: int) -> Problem:
        return _SpanningTrees("topo_reg")


class _SpanningTrees(PenalisedError):
    def penalty(self, model: Any, batch: dict[str, Tensor], z: Tensor, draws: Terms) -> Tensor:
        d_x, d_z = distances(batch["x"]), distances(z)
        tiny = torch.finfo(z.dtype).tiny
        d_x = d_x / d_x.amax((1, 2), keepdim=True).clamp_min(tiny)
        edges = [spanning_trees(d) for d in (d_x, d_z)]
        apart = (d_x - d_z * model.log_scale.exp()[:, None, None]).square().flatten(1)
        along = [apart.gather(1, tree).sum(1) for tree in edges]
        return (along[0] + along[1]) / (2 * z.shape[1])


def distances(points: Tensor) -> Tensor:
    """Distances (S, b, b) between the points (S, b, n); their gradient is 0 where two are one."""
    return torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")


def spanning_trees(d: Tensor) -> Tensor:
    """Edges of the minimum spanning tree of each of S complete graphs with distances d (S, b, b).

    Returns:
        (S, b - 1), each edge as its place i b + j in the flattened distances.
    """
    found = np.stack([_minimum_spanning_tree(one) for one in d.detach().cpu().double().numpy()])
    return torch.as_tensor(found, device=d.device)


@njit(cache=True)
def _minimum_spanning_tree(d: Array) -> Array:
    """Prim's algorithm, quadratic in the number of points, as the graph is complete."""
    n = len(d)
    edges = np.empty(n - 1, dtype=np.int64)
    outside = np.ones(n, dtype=np.bool_)
    shortest = np.full(n, np.inf)
    source = np.zeros(n, dtype=np.int64)
    last = 0
    for step in range(n - 1):
        outside[last] = False
        nearest = -1
        for j in range(n):
            if outside[j]:
                if d[last, j] < shortest[j]:
                    shortest[j] = d[last, j]
                    source[j] = last
                if nearest < 0 or shortest[j] < shortest[nearest]:
                    nearest = j
        edges[step] = source[nearest] * n + nearest
        last = nearest
    return edges
