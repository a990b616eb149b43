"""What a stack learns from, in the units of its networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from methods.base import Array, check_matrix, hold_out
from methods.networks.layers import Affine
from methods.training.streams import Streams

# 'standard' centres the data and divides it by one scalar.
Scaling = Literal["standard", "none"]


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """What a stack learns from, in network units: x = (X - centre) / scale.

    Attributes:
        x, x_val: training and held-out rows (n, n_features).
        y, y_val: what is known of these rows beside X, as it was given to `fit`, or None.
        streams: the random streams of the stack's models.
    """

    x: Tensor
    x_val: Tensor
    y: Array | None
    y_val: Array | None
    scale: Tensor
    centre: Tensor
    streams: Streams

    @property
    def n_features(self) -> int:
        return self.x.shape[1]

    def into_network_units(self) -> Affine:
        return Affine(1 / self.scale, -self.centre / self.scale)

    def into_data_units(self) -> Affine:
        return Affine(self.scale, self.centre)


def training_set(
    X: Array, y: Array | None, X_val: Array | None, y_val: Array | None, scaling: Scaling, streams: Streams
) -> TrainingSet:
    """Training and held-out rows in network units; without X_val a tenth of X is held out.

    Raises:
        ValueError: rows and what is known of them do not fit together.
    """
    y = None if y is None else _for_each_row(np.asarray(y), X, "y")
    if X_val is None:
        if y_val is not None:
            raise ValueError("y_val is given without X_val, the rows that it belongs to")
        kept, held_out = hold_out(len(X))
        X, X_val = X[kept], X[held_out]
        y, y_val = (None, None) if y is None else (y[kept], y[held_out])
    else:
        X_val = check_matrix(X_val, X.shape[1])
        y_val = None if y_val is None else _for_each_row(np.asarray(y_val), X_val, "y_val")
    dtype = torch.get_default_dtype()
    x, x_val = (torch.as_tensor(values, dtype=dtype, device=streams.device) for values in (X, X_val))
    scale, centre = torch.ones_like(x[0, 0]), torch.zeros_like(x[0])
    if scaling == "standard":
        centre = x.mean(0)
        spread = (x - centre).square().mean().sqrt()
        scale = torch.where(spread > 0, spread, scale)
    return TrainingSet((x - centre) / scale, (x_val - centre) / scale, y, y_val, scale, centre, streams)


def _for_each_row(values: Array, X: Array, name: str) -> Array:
    if len(values) != len(X):
        raise ValueError(f"{name} has {len(values)} rows, the data have {len(X)}")
    return values
