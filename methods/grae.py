"""The geometry regularised autoencoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from torch import Tensor

from methods.autoencoder import Autoencoder, PenalisedError
from methods.base import Array, hyperparameters, require_neighbors_within, require_not_negative, require_positive
from methods.training.data import TrainingSet
from methods.training.problem import Problem, Rows, Task, Terms

# So many rows are embedded; the others are placed among them.
_MOST_EMBEDDED = 4_000


@hyperparameters
class GRAE(Autoencoder):
    """Autoencoder whose codes are pulled to a manifold embedding e of the data.

    Minimises mean squared error + geo_reg mean |z - e|^2 / latent_dim. What the embedding knows of the data's graph
    comes with an encoder for new points and a decoder of its own. It is centred and divided by one number, its
    deviation. The paper embeds by PHATE; Isomap, the default here, keeps geodesics. Of more than 4,000 rows so many are
    embedded and the others are placed among them.

    Args:
        geo_reg: weight of the pull.
        target: the embedding: 'isomap', 'umap', 'phate'.
        n_neighbors: neighbours of each point in the embedding's graph.
        latent_dim, hidden, activation, output, scaling, epochs: see `ae`.
        batch_size, learning_rate, late_decay, patience, clip_norm, random_state, device: see `ae`.

    The released code scales each coordinate of the embedding to a deviation of 1, which undoes what a method like
    Isomap says of lengths, and stops early by reconstruction alone; here it is one number for all, and the whole loss.

    Source: Duque, Morin, Wolf and Moon, Geometry regularized autoencoders, IEEE TPAMI 2022. Preset 'published' has the
    released setting, which embeds by PHATE (with `pip install 'latentbench[more]'`).
    """

    loss: ClassVar[str] = "ae + geo_reg mean (z - e)^2, e an embedding"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "published": {
            "hidden": [800, 400, 200], "activation": "relu", "scaling": "none", "target": "phate", "n_neighbors": 5,
            "geo_reg": 100.0, "epochs": 200, "batch_size": 128, "learning_rate": 1e-4, "patience": 50,
            "clip_norm": None,
        }
    }  # fmt: skip
    search_space: ClassVar[dict[str, Any]] = {
        **Autoencoder.search_space, "geo_reg": {"low": 1e-2, "high": 1e2, "log": True}
    }  # fmt: skip
    stackable: ClassVar[tuple[str, ...]] = ("learning_rate", "geo_reg")

    geo_reg: float = 1.0
    target: Literal["isomap", "umap", "phate"] = "isomap"
    n_neighbors: int = 10

    def check_parameters(self) -> None:
        super().check_parameters()
        require_not_negative(self, "geo_reg")
        require_positive(self, "n_neighbors")

    def check_shape(self, n_samples: int, n_features: int) -> None:
        require_neighbors_within(self, n_samples)

    @classmethod
    def _task(cls, estimators: Sequence[Self], data: TrainingSet) -> Task:
        x, x_val = data.x, data.x_val
        targets = [estimator._embedded(x.cpu().numpy(), x_val.cpu().numpy()) for estimator in estimators]
        rows = [x.new_tensor(np.stack(part)) for part in zip(*targets, strict=True)]
        return Task(
            estimators[0]._problem(data.n_features),
            Rows({"x": x}, {"target": rows[0]}),
            Rows({"x": x_val}, {"target": rows[1]}),
        )

    def _embedded(self, X: Array, X_val: Array) -> tuple[Array, Array]:
        """The embedding of training and held-out rows, centred and with a deviation of 1."""
        chosen = np.random.default_rng(0).permutation(len(X))[:_MOST_EMBEDDED]
        embedding = self._embedding().fit(X[np.sort(chosen)], attach=False)
        found = [embedding.encode(rows) for rows in (X, X_val)]
        centre = found[0].mean(0)
        spread = float(np.sqrt(np.square(found[0] - centre).mean())) or 1.0
        first, second = ((part - centre) / spread for part in found)
        return first, second

    def _embedding(self) -> Any:
        names = ("latent_dim", "n_neighbors", "random_state")
        shared: dict[str, Any] = {name: getattr(self, name) for name in names}
        if self.target == "isomap":
            from methods.isomap import Isomap

            return Isomap(**shared)
        if self.target == "umap":
            from methods.umap import UMAP

            return UMAP(**shared)
        from methods.phate import PHATE

        return PHATE(**shared)

    def _problem(self, n_features: int) -> Problem:
        return _PulledToTarget("geo_reg")


class _PulledToTarget(PenalisedError):
    def penalty(self, model: Any, batch: dict[str, Tensor], z: Tensor, draws: Terms) -> Tensor:
        return (z - batch["target"]).square().mean((1, 2))
