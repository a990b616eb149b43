"""What a data set is: arrays, fixed splits, and what is known about the manifold they lie on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from datasets.arrays import as_labels, as_matrix

Array = np.ndarray
Geodesic = Callable[[Array, Array], Array]

_NO_ROWS = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Data:
    """A loaded data set.

    Attributes:
        X: float32 (n_samples, n_features), in natural units. Given as a matrix, a DataFrame of numbers, or images.
        y: labels (n_samples,), or None; names are replaced by integers.
        intrinsic: float64 (n_samples, k), coordinates on the manifold, or None.
        sample_shape: shape of one sample before flattening, e.g. (1, 28, 28), or None.
        train, validation, test: disjoint row numbers. Left empty, a fixed random 70/15/15 split is made.
        geodesic: `geodesic(i, j)` gives the exact geodesic distances (m,) between the rows i and j (m,)
            of the noise-free manifold; None where they are not known.

    Raises:
        ValueError: X cannot be used (`datasets.arrays.as_matrix` says why), or another array does not fit it.
    """

    X: Array
    y: Array | None = None
    intrinsic: Array | None = None
    sample_shape: tuple[int, ...] | None = None
    train: Array = field(default_factory=lambda: _NO_ROWS)
    validation: Array = field(default_factory=lambda: _NO_ROWS)
    test: Array = field(default_factory=lambda: _NO_ROWS)
    geodesic: Geodesic | None = None

    def __post_init__(self) -> None:
        X, shape = as_matrix(self.X)
        if self.sample_shape is None:
            object.__setattr__(self, "sample_shape", shape)
        object.__setattr__(self, "y", as_labels(self.y))
        for name in ("y", "intrinsic"):
            known = getattr(self, name)
            if known is not None and len(known) != len(X):
                raise ValueError(f"{name} has {len(known)} rows, X has {len(X)}")
        if self.sample_shape is not None and int(np.prod(self.sample_shape)) != X.shape[1]:
            raise ValueError(f"sample_shape {self.sample_shape} does not make {X.shape[1]} features")
        object.__setattr__(self, "X", X)
        if self.intrinsic is not None:
            coordinates = np.asarray(self.intrinsic, dtype=np.float64)
            object.__setattr__(self, "intrinsic", coordinates.reshape(len(X), -1))
        for name in ("train", "validation", "test"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.int64))
        if len(self.train) == len(self.validation) == len(self.test) == 0:
            for name, rows in zip(("train", "validation", "test"), random_split(len(X)), strict=True):
                object.__setattr__(self, name, rows)
        _check_splits(self)

    @property
    def shape(self) -> tuple[int, int]:
        """Training rows, and features."""
        return len(self.train), self.X.shape[1]

    def rows(self, split: str) -> Array:
        """Row numbers of a split: 'train', 'validation' or 'test'."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[split]


def random_split(n: int, seed: int = 0) -> tuple[Array, Array, Array]:
    """A fixed random 70/15/15 split of n rows, each part in ascending order and never empty."""
    order = np.random.default_rng(seed).permutation(n)
    held_out = max(1, round(0.15 * n))
    parts = np.split(order, [n - 2 * held_out, n - held_out])
    return np.sort(parts[0]), np.sort(parts[1]), np.sort(parts[2])


def as_data(loaded: Any) -> Data:
    """The same data as `Data`: a third party's `load()` may return any object with these attributes."""
    if isinstance(loaded, Data):
        return loaded
    if not hasattr(loaded, "X"):
        raise ValueError(f"load() must return an object with an array X, got {type(loaded).__name__}")
    known = {name: getattr(loaded, name, None) for name in Data.__dataclass_fields__}
    return Data(**{name: value for name, value in known.items() if value is not None})


def sampler(n: int, seed: int, noise: float = 0.0) -> np.random.Generator:
    """Random numbers for a data set of n points with this noise, for a seed.

    Raises:
        ValueError: n is below 4, or the noise negative.
    """
    if n < 4:
        raise ValueError(f"n must be at least 4, got {n}")
    if noise < 0:
        raise ValueError(f"noise must not be negative, got {noise}")
    return np.random.default_rng(seed)


def choose_rows(n_available: int, n: int | None, seed: int = 0) -> Array:
    """n of the available row numbers, drawn once by a fixed seed, in ascending order; all where n is None.

    Raises:
        ValueError: n is below 4 or above n_available.
    """
    if n is None:
        return np.arange(n_available)
    if not 4 <= n <= n_available:
        raise ValueError(f"n must lie between 4 and {n_available}, got {n}")
    return np.sort(np.random.default_rng(seed).choice(n_available, size=n, replace=False))


def head(data: Data, max_rows: int) -> Data:
    """At most max_rows rows: at most 70, 15 and 15 % of them from each split, so that a small one stays whole."""
    if len(data.train) + len(data.validation) + len(data.test) <= max_rows:
        return data
    kept = {}
    for split, percent in (("train", 70), ("validation", 15), ("test", 15)):
        rows = data.rows(split)
        share = min(len(rows), max(1, max_rows * percent // 100))
        kept[split] = np.sort(np.random.default_rng(0).choice(rows, size=share, replace=False))
    chosen = np.concatenate(list(kept.values()))
    sizes = np.cumsum([0] + [len(rows) for rows in kept.values()])
    places = {split: np.arange(a, b) for split, a, b in zip(kept, sizes[:-1], sizes[1:], strict=True)}
    whole = data.geodesic
    return replace(
        data,
        X=data.X[chosen],
        y=None if data.y is None else data.y[chosen],
        intrinsic=None if data.intrinsic is None else data.intrinsic[chosen],
        geodesic=None if whole is None else lambda i, j: whole(chosen[i], chosen[j]),
        train=places["train"],
        validation=places["validation"],
        test=places["test"],
    )


def content_hash(data: Data) -> str:
    """Hexadecimal digest of the arrays and the splits: equal exactly when the data are."""
    digest = hashlib.sha256(repr(data.sample_shape).encode())
    for name in ("X", "y", "intrinsic", "train", "validation", "test"):
        values = getattr(data, name)
        if values is not None:
            values = np.ascontiguousarray(values)
            digest.update(f"{name}{values.dtype.str}{values.shape}".encode())
            digest.update(values.tobytes())
    return digest.hexdigest()[:16]


def _check_splits(data: Data) -> None:
    rows = np.concatenate([data.train, data.validation, data.test])
    if not (len(data.train) and len(data.validation) and len(data.test)):
        raise ValueError("train, validation and test must each hold at least one row")
    if len(np.unique(rows)) != len(rows):
        raise ValueError("train, validation and test overlap")
    if rows.min() < 0 or rows.max() >= len(data.X):
        raise ValueError(f"a split names a row outside 0 ... {len(data.X) - 1}")
