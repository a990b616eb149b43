"""Checks of data sets: what `load()` gives is usable, the same each time, and consistent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bench.conformance.subject import ConformanceError, NotOfferedError
from datasets.base import Data, as_data, content_hash, head

# Rows of the smallest data set that `bench run --smoke` makes, and pairs whose distances are looked at.
_ROWS, _PAIRS = 300, 200


@dataclass(frozen=True, eq=False)
class DataSubject:
    """A data set's class, and what one instance loaded."""

    component: Any
    overrides: Mapping[str, Any]

    def load(self) -> Data:
        return as_data(self.component(**self.overrides).load())

    @cached_property
    def data(self) -> Data:
        return self.load()


def check_load_gives_usable_data(subject: DataSubject) -> None:
    """load() gives rows of finite numbers, with splits that do not overlap."""
    subject.load()


def check_the_same_each_time(subject: DataSubject) -> None:
    """Two loads give the same arrays."""
    if content_hash(subject.load()) != content_hash(subject.data):
        raise ConformanceError(
            "two loads give different data, so that no result could be compared; draw by a seed of its own"
        )


def check_a_part_of_it_is_data(subject: DataSubject) -> None:
    """A few hundred rows of it are a data set too, as `bench run --smoke` takes them."""
    part = head(subject.data, _ROWS)
    if part.geodesic is not None:
        _distances(part)


def check_distances_on_the_manifold(subject: DataSubject) -> None:
    """geodesic(i, j) gives distances: finite, the same both ways, 0 from a row to itself."""
    if subject.data.geodesic is None:
        raise NotOfferedError("no exact geodesics; metrics that need them are n/a")
    _distances(subject.data)


def _distances(data: Data) -> None:
    assert data.geodesic is not None
    rng = np.random.default_rng(0)
    i, j = rng.integers(0, len(data.X), size=(2, _PAIRS))
    there, back, nowhere = (np.asarray(data.geodesic(*pair), dtype=np.float64) for pair in ((i, j), (j, i), (i, i)))
    if there.shape != (_PAIRS,) or not np.isfinite(there).all() or (there < 0).any():
        raise ConformanceError(
            f"geodesic(i, j) of {_PAIRS} pairs must be as many finite distances, got shape {there.shape}, "
            f"smallest {there.min(initial=np.inf):.3g}"
        )
    largest = max(float(there.max()), 1e-12)
    if np.abs(there - back).max() > 1e-6 * largest:
        raise ConformanceError("geodesic(i, j) and geodesic(j, i) differ")
    if np.abs(nowhere).max() > 1e-6 * largest:
        raise ConformanceError(f"geodesic(i, i) is up to {np.abs(nowhere).max():.3g}, not 0")


CHECKS: tuple[Callable[[DataSubject], None], ...] = (
    check_load_gives_usable_data,
    check_the_same_each_time,
    check_a_part_of_it_is_data,
    check_distances_on_the_manifold,
)
