"""A fitted method and its data, as pictures see them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from metrics.view import View

if TYPE_CHECKING:
    from datasets.base import Data

Array = np.ndarray
Arrays = dict[str, Array]


@dataclass(frozen=True, eq=False)
class Subject:
    """A fitted method and its data, as pictures see them."""

    method: Any
    view: View

    @property
    def data(self) -> Data:
        data: Data = self.view.data
        return data

    @property
    def d(self) -> int:
        return int(self.view.Z.shape[1])

    @cached_property
    def colour(self) -> Array | None:
        """A label or the first intrinsic coordinate of each scored row."""
        if self.data.y is not None:
            return np.asarray(self.data.y[self.view.rows], dtype=np.float64)
        return None if self.data.intrinsic is None else self.data.intrinsic[self.view.rows, 0]

    @property
    def has_images(self) -> bool:
        shape = self.data.sample_shape
        return shape is not None and len(shape) == 3 and shape[0] in (1, 3) and self.view.decode is not None

    @property
    def has_normal_prior(self) -> bool:
        return getattr(self.method, "prior", None) == "normal"

    @property
    def curve_in_plane(self) -> bool:
        intrinsic = self.data.intrinsic
        along = intrinsic is not None and intrinsic.shape[1] == 1
        return along and self.d == 1 and self.view.X.shape[1] == 2 and self.view.decode is not None

    def some(self, n: int) -> Array:
        """Positions of at most n scored rows, drawn once and in ascending order."""
        return np.sort(np.random.default_rng(0).permutation(len(self.view.rows))[:n])

    def decoded(self, Z: Array) -> Array:
        """Latent points (..., d) decoded (..., n_features)."""
        assert self.view.decode is not None
        flat = np.asarray(Z, dtype=np.float32).reshape(-1, self.d)
        return np.asarray(self.view.decode(flat)).reshape(*Z.shape[:-1], -1)

    def images(self, *columns: Array) -> Arrays:
        """Rows of images side by side, as bytes, with the shape of one."""
        values = np.concatenate(columns, axis=1)
        low, high = float(self.data.X.min()), float(self.data.X.max())
        scaled = (values - low) / (high - low if high > low else 1.0)
        shape = np.asarray(self.data.sample_shape, dtype=np.int64)
        return {"images": np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8), "shape": shape}

    def colours(self, at: Any = slice(None)) -> Arrays:
        """The colours of scored rows by the name that arrays have them under; nothing where rows have none."""
        return {} if self.colour is None else {"colour": self.colour[at]}
