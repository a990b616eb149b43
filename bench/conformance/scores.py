"""Checks of metrics: a description that can be read, and scores that are numbers and the same each time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bench.conformance.subject import ConformanceError, NotOfferedError
from datasets.base import Data
from metrics.view import NEEDS, NotApplicableError, View, least_rows_of, too_few_rows

# The mean of scores by point is the score, but for so much of it.
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class MetricSubject:
    """A metric, and a fitted model to score: PCA of a bent sheet with labels and coordinates."""

    metric: Any
    overrides: Mapping[str, Any]

    @cached_property
    def data(self) -> Data:
        u = np.random.default_rng(0).random((200, 2))
        X = np.column_stack([np.sin(3 * u[:, 0]), np.cos(3 * u[:, 0]), u[:, 1]])
        return Data(X, y=(u[:, 0] > 0.5).astype(np.int64), intrinsic=u)

    @cached_property
    def view(self) -> View:
        from methods.attached import fit_decoders
        from methods.pca import PCA

        X_train = self.data.X[self.data.train]
        pca = PCA().fit(X_train)
        Z_train = pca.encode(X_train)
        (attached,) = fit_decoders([Z_train], X_train, [0], hidden=[16], epochs=3, device="cpu")
        assert not isinstance(attached, Exception)
        Z = pca.encode(self.data.X[self.data.test])
        return View(self.data, "test", Z, Z_train, pca.decode, tuple(pca.decoders_), attached.double)

    def needed(self) -> None:
        """Raise where this model or these data lack what the metric needs."""
        reasons = [*map(self.view.missing, sorted(self.metric.needs))]
        lacking = next(filter(None, [*reasons, too_few_rows(self.data, least_rows_of(self.metric))]), None)
        if lacking is not None:
            raise NotOfferedError(f"cannot be tried on PCA of a bent sheet: {lacking}")

    def scores(self) -> dict[str, float]:
        self.needed()
        try:
            found = self.metric.compute(self.view if self.metric.scope == "cell" else [self.view, self.view])
        except NotApplicableError as error:
            raise NotOfferedError(f"not applicable to PCA of a bent sheet: {error}") from error
        headed = found if isinstance(found, Mapping) else {"": found}
        return {str(suffix): float(value) for suffix, value in headed.items()}


def check_the_description(subject: MetricSubject) -> None:
    """It has a name, says which way is better, and needs what views can have."""
    metric = subject.metric
    unknown = sorted(set(getattr(metric, "needs", ())) - set(NEEDS))
    if unknown:
        raise ConformanceError(f"needs {unknown[0]!r}, which no view has; known: {', '.join(NEEDS)}")
    for name, allowed in (("better", ("lower", "higher")), ("scope", ("cell", "seeds"))):
        if getattr(metric, name, None) not in allowed:
            raise ConformanceError(f"{name} must be one of {', '.join(allowed)}, got {getattr(metric, name, None)!r}")
    if not isinstance(getattr(metric, "name", None), str) or "@" in metric.name or not metric.name:
        raise ConformanceError(f"name must be a text without '@', got {getattr(metric, 'name', None)!r}")


def check_scores_are_numbers(subject: MetricSubject) -> None:
    """compute(view) gives a number, or numbers by suffix with the headline under ''."""
    scores = subject.scores()
    if "" not in scores:
        raise ConformanceError(f"no headline: of several scores one must be under '', got {', '.join(scores)}")


def check_the_same_each_time(subject: MetricSubject) -> None:
    """The same model has the same scores, to the last digit."""
    first, again = subject.scores(), subject.scores()
    differ = [name for name in first if not np.array_equal(first[name], again.get(name, np.inf), equal_nan=True)]
    if differ:
        name = subject.metric.name + differ[0]
        raise ConformanceError(
            f"{name} was {first[differ[0]]!r} and then {again.get(differ[0])!r}; draw by a fixed seed"
        )


def check_the_model_is_left_alone(subject: MetricSubject) -> None:
    """Codes and data are as they were."""
    view = subject.view
    before = [array.copy() for array in (view.Z, view.Z_train, view.X)]
    subject.scores()
    if not all(np.array_equal(*pair) for pair in zip(before, (view.Z, view.Z_train, view.X), strict=True)):
        raise ConformanceError("compute changed the view's arrays in place; work on copies")


def check_scores_by_point(subject: MetricSubject) -> None:
    """The mean of by_point(view) is the score."""
    by_point = getattr(subject.metric, "by_point", None)
    if by_point is None:
        raise NotOfferedError("no scores by point; intervals are over seeds alone")
    score, values = subject.scores()[""], np.asarray(by_point(subject.view), dtype=np.float64)
    if values.ndim != 1 or not abs(values.mean() - score) <= _ROUNDING * max(1.0, abs(score)):
        raise ConformanceError(
            f"by_point has shape {values.shape} and mean {values.mean():.6g}, the score is {score:.6g}"
        )


CHECKS: tuple[Callable[[MetricSubject], None], ...] = (
    check_the_description,
    check_scores_are_numbers,
    check_the_same_each_time,
    check_the_model_is_left_alone,
    check_scores_by_point,
)
