"""What a metric may ask for about one fitted model, computed when first asked and shared by all metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

Array = np.ndarray

MAX_PAIRS = 20_000
MIXUP_REACH = 0.2


class NotApplicableError(Exception):
    """A metric cannot be computed for this model on this data; the message says why."""


@dataclass(frozen=True, eq=False)
class View:
    """One fitted model, seen from one split of its data.

    Attributes:
        data: the data set, with the attributes of `datasets.base.Data`.
        split: the scored split. 'train' for a method that cannot encode new points.
        Z: latent points of that split (n, d). Z_train: those of the training split.
        decode: maps latent arrays to the data space; None where the method has no decoder.
        decoders: differentiable decoders in double precision (several for an ensemble), or empty.
        fit_attached: fits the common attached decoder to (Z_train, X_train).
    """

    data: Any
    split: str
    Z: Array
    Z_train: Array
    decode: Callable[[Array], Array] | None
    decoders: tuple[torch.nn.Module, ...]
    fit_attached: Callable[[], torch.nn.Module]

    def missing(self, need: str) -> str | None:
        """Why a metric's need is not met, or None where it is."""
        absent = {
            "reconstruction": (self.decode is None, "the method has no decoder"),
            "decoder": (not self.decoders, "the method has no differentiable decoder"),
            "labels": (self.data.y is None, "the data set has no labels"),
            "intrinsic": (self.data.intrinsic is None, "the data set has no intrinsic coordinates"),
            "geodesic": (self.data.geodesic is None, "the data set has no exact geodesics"),
        }[need]
        return absent[1] if absent[0] else None

    @cached_property
    def rows(self) -> Array:
        return self.data.rows(self.split)

    @cached_property
    def X(self) -> Array:
        return self.data.X[self.rows]

    @cached_property
    def X_hat(self) -> Array:
        if self.decode is None:
            raise NotApplicableError("the method has no decoder")
        return np.asarray(self.decode(self.Z))

    @cached_property
    def latent(self) -> torch.Tensor:
        """Z in double precision, on the decoders' device."""
        import torch

        parameter = next(iter(self.decoders[0].parameters()), None) if self.decoders else None
        device = parameter.device if parameter is not None else torch.device("cpu")
        return torch.as_tensor(self.Z, dtype=torch.float64, device=device)

    @cached_property
    def mixup_latent(self) -> torch.Tensor:
        """Points between (and a little beyond) pairs of Z, as IRVAE's regulariser samples them."""
        rng = np.random.default_rng(0)
        partner = rng.permutation(len(self.Z))
        alpha = rng.uniform(-MIXUP_REACH, 1 + MIXUP_REACH, size=(len(self.Z), 1))
        return self.latent.new_tensor(alpha * self.Z + (1 - alpha) * self.Z[partner])

    @cached_property
    def metric_tensor(self) -> torch.Tensor:
        """Pullback metric at Z (n, d, d)."""
        import torch

        from metrics.geometry import pullback_metric

        with torch.no_grad():
            return pullback_metric(self.decoders, self.latent)

    @cached_property
    def pairs(self) -> tuple[Array, Array]:
        """Pairs i < j of positions in the split: all of them, or so many drawn once by a fixed seed."""
        n = len(self.rows)
        if n * (n - 1) // 2 <= MAX_PAIRS:
            i, j = np.triu_indices(n, 1)
            return i, j
        rng = np.random.default_rng(0)
        i = rng.integers(0, n, MAX_PAIRS)
        return i, (i + rng.integers(1, n, MAX_PAIRS)) % n

    @cached_property
    def neighbourhoods(self) -> Callable[[int], Any]:
        """`metrics.neighbors.neighbourhood_scores` of this view for a k, each k computed once."""
        from functools import cache

        from metrics.neighbors import neighbourhood_scores

        def scores(k: int) -> Any:
            if not k < len(self.Z) / 2:
                raise NotApplicableError(f"k = {k} needs more than {2 * k} points, the split has {len(self.Z)}")
            return neighbourhood_scores(self.X, self.Z, k)

        return cache(scores)
