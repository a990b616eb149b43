"""The graph geometry-preserving autoencoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from methods.autoencoder import Autoencoder, PenalisedError
from methods.base import Array, hyperparameters, require_neighbors_within, require_not_negative, require_positive
from methods.training.data import TrainingSet
from methods.training.problem import Problem, Rows, Task, Terms


@hyperparameters
class GraphGeometryAE(Autoencoder):
    """Autoencoder whose encoder is pushed to an isometry of the data's graph.

    Minimises mean squared error + graph_reg mean |H - I|_F^2 / latent_dim. H is the metric that the encoder pushes
    forward, as the graph's Laplacian sees it: with a random walk P on the batch, its kernel exp(-d^2 / h) with the
    density divided out, H_i = (2 / h) sum_j P_ij (z_j - z_i)(z_j - z_i)^T, which is I for an isometry. d are shortest
    paths in the graph of nearest neighbours of all training rows, so that a roll is unrolled; h is the mean squared
    distance to the `n_near`-th of the batch. Memory grows with the square of the number of training points.

    Args:
        graph_reg: weight of the deviation from an isometry, in network units.
        n_neighbors: neighbours of each point in the graph.
        n_near: sets the kernel's width: about so many rows of a batch count as near.
        latent_dim, hidden, activation, output, scaling, epochs: see `ae`.
        batch_size, learning_rate, late_decay, patience, clip_norm, random_state, device: see `ae`.

    A fold costs little in H, which sees near points alone: on the Swiss roll the defaults keep lengths along the roll
    but fold it, where `grae` unrolls it. The released run takes 40,000 steps of 1,000 rows.

    Source: Lim, Kim, Lee, Jang and Park, Graph geometry-preserving autoencoders, ICML 2024; the pushed-forward metric
    of Perraul-Joncas and Meila 2013. Preset 'published' is the released setting for the Swiss roll; there the kernel's
    width is fixed at h = 0.2.
    """

    loss: ClassVar[str] = "ae + graph_reg mean |H - I|^2 / d, H pushed forward from the graph"
    needs: ClassVar[str] = "memory 4 n^2 bytes"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "published": {
            "hidden": [256, 256, 256, 256, 256], "activation": "elu", "scaling": "none", "graph_reg": 20.0,
            "n_neighbors": 10, "epochs": 5000, "batch_size": 1000, "learning_rate": 1e-4, "patience": None,
            "clip_norm": None,
        }
    }  # fmt: skip
    search_space: ClassVar[dict[str, Any]] = {
        **Autoencoder.search_space, "graph_reg": {"low": 1e-3, "high": 10.0, "log": True}
    }  # fmt: skip
    stackable: ClassVar[tuple[str, ...]] = ("learning_rate", "graph_reg")

    graph_reg: float = 0.1
    n_neighbors: int = 10
    n_near: int = 5

    def check_parameters(self) -> None:
        super().check_parameters()
        require_not_negative(self, "graph_reg")
        require_positive(self, "n_neighbors", "n_near")

    def check_shape(self, n_samples: int, n_features: int) -> None:
        require_neighbors_within(self, n_samples)

    @classmethod
    def _task(cls, estimators: Sequence[Self], data: TrainingSet) -> Task:
        lead, x = estimators[0], data.x
        apart = graph_distances(x.cpu().numpy(), data.x_val.cpu().numpy(), lead.n_neighbors)
        rows = [
            Rows({"x": part, "row": torch.arange(len(part), device=x.device), "apart": x.new_tensor(d)})
            for part, d in zip((x, data.x_val), apart, strict=True)
        ]
        return Task(lead._problem(data.n_features), *rows)

    def _problem(self, n_features: int) -> Problem:
        return _PushedForward("graph_reg", self.n_near)


class _PushedForward(PenalisedError):
    def __init__(self, weight: str, n_near: int) -> None:
        super().__init__(weight)
        self.n_near = n_near

    def penalty(self, model: Any, batch: dict[str, Tensor], z: Tensor, draws: Terms) -> Tensor:
        n = z.shape[1]
        if n <= self.n_near:
            return z.new_zeros(len(z))
        apart = batch["apart"].gather(2, batch["row"][:, None, :].expand(-1, n, -1))
        H = pushed_forward_metric(apart, z, self.n_near)
        eye = torch.eye(z.shape[2], dtype=z.dtype, device=z.device)
        return (H - eye).square().sum((-1, -2)).mean(-1) / z.shape[2]


def pushed_forward_metric(apart: Tensor, z: Tensor, n_near: int) -> Tensor:
    """The metric (S, b, d, d) that codes z (S, b, d) of points at distances `apart` (S, b, b) push forward."""
    squared = apart.square()
    h = squared.kthvalue(n_near + 1, dim=2).values.mean(1)[:, None, None].clamp_min(torch.finfo(z.dtype).tiny)
    K = (-squared / h).exp()
    density = K.sum(2)
    K = K / (density[:, :, None] * density[:, None, :])
    P = K / K.sum(2, keepdim=True)
    # sum_j P_ij (z_j - z_i)(z_j - z_i)^T, from moments of the walk's step.
    mean = P @ z - z
    products = (z[:, :, :, None] * z[:, :, None, :]).flatten(2)
    centred = (P @ products - products).unflatten(2, (z.shape[2], z.shape[2]))
    outer = z[..., :, None] * mean[..., None, :]
    return 2 / h[..., None] * (centred - outer - outer.transpose(-1, -2))


def graph_distances(X: Array, X_val: Array, n_neighbors: int) -> tuple[Array, Array]:
    """Shortest paths between training rows (n, n), and between held-out rows (m, m) by way of training rows.

    Rows in separate parts of the graph are ten times as far from each other as any others.
    """
    from scipy import sparse
    from scipy.sparse.csgraph import shortest_path
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=n_neighbors).fit(X.astype(np.float64))
    graph = near.kneighbors_graph(mode="distance")
    joined = near.kneighbors_graph(X_val.astype(np.float64), mode="distance")
    n = len(X)
    whole = sparse.bmat([[graph, None], [joined, sparse.csr_matrix((len(X_val), len(X_val)))]], format="csr")
    between = shortest_path(whole, method="D", directed=False, indices=np.arange(n, n + len(X_val)))[:, n:]
    found = (shortest_path(graph, method="D", directed=False), between)
    farthest = max((d[np.isfinite(d)].max(initial=0.0) for d in found), default=0.0)
    first, second = (np.where(np.isfinite(d), d, 10 * farthest).astype(np.float32) for d in found)
    return first, second
