"""What a data set hands over, as arrays that methods can use; what cannot be used is refused by column and row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray
Shape = tuple[int, ...]

# Rounding to single precision may move values by so much of their column's spread (root mean squares).
_ROUNDING = 3e-4
# A column that is rounded by less than so much of all columns' spread together has no part in what is learned.
_NEGLIGIBLE = 1e-6
_BLOCK_ELEMENTS = 4_000_000
_CHANNELS = (1, 3)


def as_matrix(X: Any) -> tuple[Array, Shape | None]:
    """Rows as a float32 matrix (n_samples, n_features), and the shape of one row where it is an image.

    Images may come as (n, height, width), or with one or three channels as (n, channels, height, width) or
    (n, height, width, channels); their rows are flattened with the channels first.

    Raises:
        ValueError: a value is missing, no real number, or not finite; a column would lose its digits in single
            precision; all rows are alike; or the array has another number of axes.
    """
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        dense = np.prod(X.shape) * 4 / 1e6
        raise ValueError(f"X is sparse, {X.shape[0]:,} x {X.shape[1]:,}; give X.toarray(), {dense:,.3g} MB in memory")
    columns = [str(name) for name in X.columns] if hasattr(X, "columns") else None
    values = _numbers(X, columns)
    values, shape = _flattened(values) if values.ndim > 2 else (values, None)
    if values.ndim != 2 or len(values) < 4 or not values.shape[1]:
        raise ValueError(f"X must be a matrix with at least 4 rows, got shape {values.shape}")
    with np.errstate(over="ignore"):  # what overflows is refused below, in words
        X32 = np.ascontiguousarray(values, dtype=np.float32)
    _check_finite(X32, values, columns)
    if (X32[0] == X32).all() and (values == values[0]).all():
        raise ValueError(f"all {len(X32):,} rows of X are alike: there is nothing to learn from them")
    _check_rounding(X32, values, columns)
    return X32, shape


def as_labels(y: Any) -> Array | None:
    """Labels as integers; names become their places in alphabetical order.

    Raises:
        ValueError: they are continuous, or a row has none.
    """
    if y is None:
        return None
    labels = np.asarray(y)
    if labels.ndim != 1:
        raise ValueError(f"y must be one label for each row, got shape {labels.shape}")
    missing = [row for row, label in enumerate(labels.tolist()) if _is_missing(label)]
    if missing:
        raise ValueError(f"y has no label in {_rows(missing)}; leave such rows out, or give them a label of their own")
    if labels.dtype.kind in "OUSb":
        labels = np.unique(labels.astype(str), return_inverse=True)[1]
    if not np.isfinite(labels).all() or not np.array_equal(labels, labels.astype(np.int64)):
        raise ValueError("y must hold labels; put continuous coordinates into intrinsic")
    return labels.astype(np.int64)


def _is_missing(label: Any) -> bool:
    """Whether a label is None, NaN, or pandas' NA, which equals nothing and has no truth value."""
    try:
        return label is None or bool(label != label)
    except TypeError:
        return True


def _numbers(X: Any, columns: Sequence[str] | None) -> Array:
    """X as an array of real numbers, as exact as it comes."""
    values = np.asarray(X)
    if values.dtype.kind in "OUSMm":
        values = _from_objects(_with_nan(values), columns)
    if values.dtype.kind not in "fiub":
        raise ValueError(f"X holds {values.dtype}; real numbers are needed")
    return values.astype(np.float32) if values.dtype == np.float16 or values.dtype.kind == "b" else values


def _with_nan(values: Array) -> Array:
    """Missing values of a data frame's own kind as NaN, which is refused with its row."""
    if values.dtype.kind != "O":
        return values
    return np.frompyfunc(lambda value: np.nan if _is_missing(value) else value, 1, 1)(values)


def _from_objects(values: Array, columns: Sequence[str] | None) -> Array:
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError):
        pass
    if values.ndim == 2:
        for j in range(values.shape[1]):
            try:
                values[:, j].astype(np.float64)
            except (TypeError, ValueError):
                raise ValueError(
                    f"{_column(j, columns)} of X holds no numbers but such as {_first_text(values[:, j])}; leave it "
                    "out, or write it as numbers (one column for each value it takes)"
                ) from None
    raise ValueError("X holds values that are no numbers, or rows of unequal length")


def _first_text(column: Array) -> str:
    for value in column:
        try:
            float(value)
        except (TypeError, ValueError):
            return repr(str(value) if isinstance(value, str) else value)[:40]
    return "these"


def _flattened(images: Array) -> tuple[Array, Shape]:
    """Images (n, ...) as rows, channels first, and the shape of one."""
    if images.ndim == 3:
        shape: Shape = (1, *images.shape[1:])
    elif images.ndim == 4 and (images.shape[1] in _CHANNELS) != (images.shape[3] in _CHANNELS):
        if images.shape[3] in _CHANNELS:
            images = np.moveaxis(images, 3, 1)
        shape = images.shape[1:]
    else:
        raise ValueError(
            f"X has shape {images.shape}, and which axis is that of the channels cannot be told; give "
            "X.reshape(n, -1) with sample_shape = (channels, height, width), the channels first in each row"
        )
    return images.reshape(len(images), -1), shape


def _check_finite(X32: Array, values: Array, columns: Sequence[str] | None) -> None:
    bad = ~np.isfinite(X32)
    if not bad.any():
        return
    row, j = (int(index[0]) for index in np.nonzero(bad))
    value = values[row, j]
    if np.isfinite(value):
        raise ValueError(f"{_column(j, columns)} of X holds {value:.3g}, beyond single precision; scale it down")
    count = int(np.count_nonzero(bad))
    raise ValueError(
        f"X holds {count:,} values that are not finite, the first in {_column(j, columns)}, row {row}; "
        "drop these rows or fill them in"
    )


def _check_rounding(X32: Array, values: Array, columns: Sequence[str] | None) -> None:
    """Refuse columns whose differences are smaller than what single precision can tell apart."""
    if values.dtype == np.float32 or values.dtype.itemsize < 4:
        return
    lost, spread = np.empty((2, values.shape[1]))
    width = max(1, _BLOCK_ELEMENTS // len(values))
    for start in range(0, values.shape[1], width):
        part = slice(start, start + width)
        exact = values[:, part].astype(np.float64)
        lost[part], spread[part] = np.sqrt(np.mean((X32[:, part] - exact) ** 2, axis=0)), exact.std(axis=0)
    noticed = lost > _NEGLIGIBLE * np.sqrt(np.sum(spread**2))
    broken = np.flatnonzero((lost > _ROUNDING * spread) & (spread > 0) & noticed)
    if len(broken):
        column = values[:, broken[0]].astype(np.float64)
        step = np.spacing(np.abs(column).max().astype(np.float32))
        raise ValueError(
            f"{_column(broken[0], columns)} of X lies around {column.mean():.4g} and varies by "
            f"{spread[broken[0]]:.3g}: single precision, which methods compute in, would round it to steps of "
            f"{step:.3g}; take its mean off first, or change its unit"
        )


def _column(j: int, columns: Sequence[str] | None) -> str:
    return f"column {j}" if columns is None else f"column {columns[j]!r}"


def _rows(rows: Sequence[int]) -> str:
    if len(rows) == 1:
        return f"row {rows[0]}"
    return f"{len(rows):,} rows ({', '.join(map(str, rows[:3]))}{' ...' if len(rows) > 3 else ''})"
