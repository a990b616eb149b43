"""What a metric is: a frozen description around a plain function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import numpy as np

from metrics.view import View

Array = np.ndarray
Scores = float | Mapping[str, float]

Found = TypeVar("Found")

K = 10


@dataclass(frozen=True)
class Metric:
    """A score of a fitted method.

    Attributes:
        name: what tables call it.
        compute: `compute(view)` gives the headline value, or a mapping from suffix to value with the
            headline under ''. May raise `NotApplicableError`. Where the scope is 'seeds' it gets a list of views.
        better: 'lower' or 'higher'.
        needs: what a view must have: keys of `metrics.view.NEEDS`, such as 'decoder' or 'labels'.
        scope: 'cell' for one model; 'seeds' for all report seeds of a configuration together.
        about: one line: formula, range, source.
        least_rows: rows that the data must have in the 'scored' and in the 'train' split.
        version: raised when the metric comes to give other values, which then are not compared with earlier ones.
        variants: what is better in a variant, by its suffix, where that is not what is better in the headline.
        by_point: `by_point(view)` gives values (n,) of the scored points (or of the pairs of them that are scored)
            whose mean is the headline and whose spread says how sure it is (`metrics.influence`); None where there
            are none.
        influence: whether those are the score with each point's influence on it, and not scores of the points, so
            that they have no median that says anything.
        trivial: `trivial(view)` says why the score follows from the form of this model and not from what it learned,
            or gives None; such a score is shown and never ranked. Where the scope is 'seeds' it gets a list of views.
        at_k: for a metric of neighbourhoods, `at_k(view, k)`; `NAME_k20` then asks for k = 20.
        by_point_at_k: its `by_point` for a k. least_rows_at_k: its `least_rows` for a k.
    """

    name: str
    compute: Callable[[Any], Scores]
    better: Literal["lower", "higher"]
    needs: frozenset[str] = frozenset()
    scope: Literal["cell", "seeds"] = "cell"
    about: str = ""
    version: int = 1
    least_rows: Mapping[str, int] = field(default_factory=dict)
    by_point: Callable[[View], Array] | None = None
    influence: bool = False
    trivial: Callable[[Any], str | None] | None = None
    at_k: Callable[[View, int], Scores] | None = None
    by_point_at_k: Callable[[View, int], Array] | None = None
    least_rows_at_k: Callable[[int], Mapping[str, int]] = lambda k: {}
    variants: Mapping[str, Literal["lower", "higher"]] = field(default_factory=dict)


def of_neighbourhoods(
    name: str,
    at_k: Callable[[View, int], Scores],
    by_point_at_k: Callable[[View, int], Array],
    needs: str,
    least_rows_at_k: Callable[[int], Mapping[str, int]],
    about: str,
    better: Literal["lower", "higher"] = "higher",
) -> Metric:
    """A metric of the K nearest neighbours."""
    return Metric(
        name, _at(at_k, K), better, frozenset({needs}), about=about, least_rows=least_rows_at_k(K),
        by_point=_at(by_point_at_k, K), at_k=at_k, by_point_at_k=by_point_at_k, least_rows_at_k=least_rows_at_k,
    )  # fmt: skip


def with_k(metric: Metric, k: int) -> Metric:
    """The variant of a neighbourhood metric at another k, named with the suffix `_k<k>`.

    Raises:
        ValueError: the metric has no k.
    """
    if metric.at_k is None or metric.by_point_at_k is None:
        raise ValueError(f"{metric.name} does not depend on a number of neighbours")
    name = f"{metric.name}_k{k}"
    return replace(
        metric, name=name, compute=_at(metric.at_k, k), by_point=_at(metric.by_point_at_k, k),
        least_rows=metric.least_rows_at_k(k),
    )  # fmt: skip


def _at(at_k: Callable[[View, int], Found], k: int) -> Callable[[View], Found]:
    return lambda view: at_k(view, k)
