"""Parametric UMAP: an autoencoder that is trained by UMAP's cross-entropy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from methods.autoencoder import Autoencoder
from methods.base import hyperparameters, require_neighbors_within, require_not_negative, require_positive
from methods.training.data import TrainingSet
from methods.training.problem import Rows, Task, Terms
from methods.training.streams import Streams
from methods.umap import check_graph, fuzzy_graph, similarity_curve
from metrics.neighbors import nearest_rows

# Squared distances below count as this: the slope of their power is infinite at 0.
_NEAREST = 1e-4


@hyperparameters
class ParametricUMAP(Autoencoder):
    """Autoencoder whose codes follow UMAP's graph: reconstruction_weight mean squared error + cross-entropy.

    Of each row of a batch one neighbour is drawn with the probability of their edge in UMAP's fuzzy graph, and
    `n_negatives` other rows at random. With q = 1 / (1 + a |z - z'|^(2 b)), minimises the mean of -log q over
    neighbours, each weighted by its row's degree in the graph, so that in expectation edges count by their strength,
    and of -log(1 - q) over the others. The decoder learns beside it: with a weight of 0 it would not be trained at all.

    Args:
        n_neighbors: neighbours of each point in the graph.
        min_dist: smallest distance between embedded points, in [0, 1]; sets a and b.
        n_negatives: other rows for each neighbour.
        reconstruction_weight: of the mean squared error beside the cross-entropy.
        latent_dim, hidden, activation, output, scaling, epochs: see `ae`.
        batch_size, learning_rate, late_decay, patience, clip_norm, random_state, device: see `ae`.

    Source: Sainburg, McInnes and Gentner, Parametric UMAP, Neural Computation 2021; graph and curve of umap-learn.
    """

    loss: ClassVar[str] = "reconstruction_weight ae - log q(neighbours) - sum log(1 - q(others))"
    search_space: ClassVar[dict[str, Any]] = {
        **Autoencoder.search_space, "n_neighbors": {"low": 5, "high": 50, "log": True},
        "min_dist": {"low": 0.0, "high": 0.9},
    }  # fmt: skip
    stackable: ClassVar[tuple[str, ...]] = ("learning_rate", "reconstruction_weight")

    n_neighbors: int = 15
    min_dist: float = 0.1
    n_negatives: int = 5
    reconstruction_weight: float = 1.0

    def check_parameters(self) -> None:
        super().check_parameters()
        require_positive(self, "n_negatives")
        require_not_negative(self, "reconstruction_weight")
        check_graph(self)

    def check_shape(self, n_samples: int, n_features: int) -> None:
        require_neighbors_within(self, n_samples)

    @classmethod
    def warm_up(cls) -> None:
        """Import and compile umap-learn (many seconds in a fresh process), so that no fit is charged for it."""
        fuzzy_graph(np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32), 5)

    @classmethod
    def _task(cls, estimators: Sequence[Self], data: TrainingSet) -> Task:
        lead, device = estimators[0], data.x.device
        rows, held_out = data.x.cpu().numpy(), data.x_val.cpu().numpy()
        graph = fuzzy_graph(rows, lead.n_neighbors)
        n, m = len(rows), len(held_out)
        # Held-out rows have edges of equal strength to the training rows nearest to them.
        near = nearest_rows(held_out, rows, lead.n_neighbors)
        strength = np.full(near.size, graph.sum() / n / lead.n_neighbors)
        ends = (strength, (np.repeat(np.arange(m), lead.n_neighbors), near.ravel()))
        edges = Edges(sparse.vstack([graph, sparse.coo_matrix(ends, shape=(m, n))]), device)
        return Task(
            _CrossEntropy(lead, data.x, edges),
            Rows({"x": data.x, "row": torch.arange(n, device=device)}),
            Rows({"x": data.x_val, "row": torch.arange(n, n + m, device=device)}),
        )


class Edges:
    """Edges of a sparse graph with rows (n, m), to draw neighbours of its rows by their strength.

    Attributes:
        degree: of each row (n,), in units of the mean.
    """

    def __init__(self, graph: Any, device: torch.device) -> None:
        graph = graph.tocsr()
        degree = np.asarray(graph.sum(1)).ravel()
        of_edge = np.repeat(np.arange(len(degree)), np.diff(graph.indptr))
        before = np.concatenate([[0.0], np.cumsum(degree)])
        share = (np.cumsum(graph.data) - before[of_edge]) / degree[of_edge]
        self.degree = torch.as_tensor(degree / degree.mean(), device=device)
        # Of row i those between i and i + 1, each as far from the last as it is strong.
        self._places = torch.as_tensor(of_edge + np.clip(share, 0.0, 1.0), device=device)
        self._neighbours = torch.as_tensor(graph.indices.astype(np.int64), device=device)
        self._last = torch.as_tensor(graph.indptr[1:].astype(np.int64) - 1, device=device)

    def draw(self, rows: Tensor, uniform: Tensor) -> Tensor:
        """A neighbour of each of some rows, by uniform numbers in [0, 1) of the same shape."""
        place = torch.searchsorted(self._places, rows + uniform.to(self._places.dtype), right=True)
        return self._neighbours[torch.minimum(place, self._last[rows])]


class _CrossEntropy:
    """Cross-entropy of neighbours and other rows, and the mean squared error."""

    def __init__(self, method: ParametricUMAP, pool: Tensor, edges: Edges) -> None:
        self.n_negatives = method.n_negatives
        self.pool, self.edges = pool, edges
        self.a, self.b = similarity_curve(method.min_dist)

    def draws(self, streams: Streams, n: int) -> dict[str, Tensor]:
        return {"edge": streams.uniform("edge", n), "other": streams.uniform("other", n, self.n_negatives)}

    def losses(self, model: Any, batch: dict[str, Tensor], draws: Terms, weights: Terms) -> dict[str, Tensor]:
        x, row = batch["x"], batch["row"]
        n = x.shape[1]
        near = self.pool[self.edges.draw(row, draws["edge"])]
        z, z_near = model["encoder"](torch.cat([x, near], dim=1)).split(n, dim=1)
        strength = self.edges.degree[row].to(x.dtype)
        attraction = (strength * self._log_odds(z, z_near)[0]).mean(1)
        repulsion = self._repulsion(z, draws["other"])
        mse = (model["decoder"](z) - x).square().mean((1, 2))
        cross_entropy = -attraction - repulsion
        return {
            "loss": weights["reconstruction_weight"] * mse + cross_entropy, "mse": mse, "cross_entropy": cross_entropy
        }  # fmt: skip

    def _repulsion(self, z: Tensor, uniform: Tensor) -> Tensor:
        """Sum of log(1 - q) over other rows of the batch, its mean over rows (S,)."""
        n = z.shape[1]
        if n == 1:
            return z.new_zeros(len(z))
        step = 1 + (uniform * (n - 1)).long().clamp_max(n - 2)
        other = (torch.arange(n, device=z.device)[:, None] + step) % n
        far = z.gather(1, other.flatten(1)[..., None].expand(-1, -1, z.shape[2])).unflatten(1, other.shape[1:])
        return self._log_odds(z[:, :, None], far)[1].sum(-1).mean(-1)

    def _log_odds(self, z: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """log q and log(1 - q), q = 1 / (1 + a |z - z'|^(2 b))."""
        squared = (z - other).square().sum(-1).clamp_min(_NEAREST)
        power = self.a * squared**self.b
        log_q = -power.log1p()
        return log_q, power.log() + log_q
