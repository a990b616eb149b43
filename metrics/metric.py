"""What a metric is: a frozen description around a plain function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from metrics.view import View

Scores = float | Mapping[str, float]

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
        variants: what is better in a variant, by its suffix, where that is not what is better in the headline.
        at_k: for a metric of neighbourhoods, `at_k(view, k)`; `NAME_k20` then asks for k = 20.
        least_rows_at_k: its `least_rows` for a k.
    """

    name: str
    compute: Callable[[Any], Scores]
    better: Literal["lower", "higher"]
    needs: frozenset[str] = frozenset()
    scope: Literal["cell", "seeds"] = "cell"
    about: str = ""
    least_rows: Mapping[str, int] = field(default_factory=dict)
    at_k: Callable[[View, int], Scores] | None = None
    least_rows_at_k: Callable[[int], Mapping[str, int]] = lambda k: {}
    variants: Mapping[str, Literal["lower", "higher"]] = field(default_factory=dict)


def of_neighbourhoods(
    name: str,
    at_k: Callable[[View, int], Scores],
    needs: str,
    least_rows_at_k: Callable[[int], Mapping[str, int]],
    about: str,
) -> Metric:
    """A metric of the K nearest neighbours, higher being better."""
    return Metric(
        name, _at(at_k, K), "higher", frozenset({needs}), about=about, least_rows=least_rows_at_k(K), at_k=at_k,
        least_rows_at_k=least_rows_at_k,
    )  # fmt: skip


def with_k(metric: Metric, k: int) -> Metric:
    """The variant of a neighbourhood metric at another k, named with the suffix `_k<k>`.

    Raises:
        ValueError: the metric has no k.
    """
    if metric.at_k is None:
        raise ValueError(f"{metric.name} does not depend on a number of neighbours")
    name = f"{metric.name}_k{k}"
    return replace(metric, name=name, compute=_at(metric.at_k, k), least_rows=metric.least_rows_at_k(k))


def _at(at_k: Callable[[View, int], Scores], k: int) -> Callable[[View], Scores]:
    return lambda view: at_k(view, k)
