"""A data set that is a file, or a few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from datasets.base import Array, Data, random_split
from datasets.reading import names_a_file, parted, read

_SPLITS = {"train": "train", "validation": "validation", "val": "validation", "valid": "validation", "test": "test"}


class FileData:
    """Rows of a file: .npy, .npz, .csv, .parquet or .h5ad (AnnData).

    Each argument names a file and, after a colon, what of it: 'table.csv:species', 'arrays.npz:X',
    'cells.h5ad:obsm/X_pca'. Without a file it is a part of that of `path`, whose other columns are then the features.

    Args:
        path: the features, all of them numbers.
        labels: one label for each row, a number or a name.
        intrinsic: known coordinates on the manifold, one row for each.
        split: 'train', 'validation' or 'test' for each row (without validation, some rows of train are taken for it);
            else a fixed random 70/15/15 split is made.
        shape: of one sample before flattening, e.g. [1, 28, 28].
        suite_folder: what relative paths are relative to.
    """

    def __init__(
        self,
        path: str,
        labels: str | None = None,
        intrinsic: str | None = None,
        split: str | None = None,
        shape: Sequence[int] | None = None,
        suite_folder: str = ".",
    ) -> None:
        self.path = path
        self.labels = labels
        self.intrinsic = intrinsic
        self.split = split
        self.shape = shape
        self.suite_folder = suite_folder

    def load(self) -> Data:
        """Read all files.

        Raises:
            ValueError: one is missing, cannot be read, or does not fit; the message names it and the way out.
        """
        X = read(self.path, Path(self.suite_folder))
        beside = {name: self._place(getattr(self, name)) for name in ("labels", "intrinsic", "split")}
        if hasattr(X, "columns"):
            X = X.drop(columns=[name for place in beside.values() for name in self._columns_of(place) if name in X])
        found = {name: None if place is None else self._read(name, place, len(X)) for name, place in beside.items()}
        shape = None if self.shape is None else tuple(self.shape)
        data = Data(X, y=found["labels"], intrinsic=found["intrinsic"], sample_shape=shape)
        if found["split"] is None:
            return data
        train, validation, test = _rows(found["split"], str(beside["split"]))
        return replace(data, train=train, validation=validation, test=test)

    def _place(self, given: str | None) -> str | None:
        if given is None or names_a_file(given):
            return given
        return f"{parted(self.path)[0]}:{given}"

    def _columns_of(self, place: str | None) -> list[str]:
        """What of the file of the features a place names: no features."""
        file, key = parted(place or "")
        return [name.strip() for name in key.split(",")] if file == parted(self.path)[0] else []

    def _read(self, name: str, place: str, n: int) -> Array:
        values: Any = read(place, Path(self.suite_folder))
        values = np.asarray(values)
        if name != "intrinsic" and values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if len(values) != n:
            raise ValueError(f"{name} = {place!r} has {len(values):,} rows, {self.path} has {n:,}")
        return values


def _rows(split: Array, place: str) -> tuple[Array, Array, Array]:
    """Row numbers of train, validation and test."""
    named = [_SPLITS.get(str(value).strip().lower(), "") for value in split.tolist()]
    if "" in named:
        row = named.index("")
        raise ValueError(
            f"split = {place!r}: row {row} is {str(split[row])!r}; each is to be 'train', 'validation' or 'test'"
        )
    rows = {name: np.flatnonzero(np.array(named) == name) for name in ("train", "validation", "test")}
    if not len(rows["validation"]) and len(rows["train"]) > 3:
        first, more, validation = random_split(len(rows["train"]))
        rows["validation"] = rows["train"][validation]
        rows["train"] = rows["train"][np.sort(np.concatenate([first, more]))]
    empty = [name for name, chosen in rows.items() if not len(chosen)]
    if empty:
        raise ValueError(f"split = {place!r}: no row is {empty[0]!r}")
    return rows["train"], rows["validation"], rows["test"]
