"""All checks of the kit, and running them."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bench.conformance import coding, data_sets, fitting, repeating, scores
from bench.conformance.data_sets import DataSubject
from bench.conformance.scores import MetricSubject
from bench.conformance.subject import ConformanceError, NotOfferedError, Subject, quietly
from bench.suite.registry import kind_of

_OF_METHODS: tuple[Callable[[Any], None], ...] = (
    fitting.check_hyperparameters_are_the_signature,
    fitting.check_fit_returns_self,
    fitting.check_fit_leaves_data_alone,
    coding.check_encoding,
    coding.check_encoding_of_new_points,
    coding.check_embedding_is_of_the_training_rows,
    coding.check_decoding,
    coding.check_decoders_agree_with_decode,
    coding.check_decoders_are_differentiable,
    repeating.check_same_seed_same_result,
    repeating.check_global_randomness_is_left_alone,
    fitting.check_stopping_at_an_epoch,
    repeating.check_saving_and_loading,
    repeating.check_stack_equals_single,
    fitting.check_unusable_data_is_refused,
)


_OF: Mapping[str, tuple[Callable[[Any, Mapping[str, Any]], Any], Sequence[Callable[[Any], None]]]] = {
    "method": (Subject, _OF_METHODS),
    "dataset": (DataSubject, data_sets.CHECKS),
    "metric": (MetricSubject, scores.CHECKS),
}


@dataclass(frozen=True)
class Outcome:
    """What one check found."""

    check: str
    status: Literal["passed", "failed", "not offered"]
    detail: str
    seconds: float


@dataclass(frozen=True)
class Check:
    """One check of one component: call it; it raises `ConformanceError` where that breaks the contract."""

    name: str
    function: Callable[[Any], None]
    subject: Any

    def __call__(self) -> None:
        try:
            self.function(self.subject)
        except NotOfferedError:
            return

    def __str__(self) -> str:
        return self.name


def checks(component: Any, **overrides: Any) -> list[Check]:
    """The checks of a method's or data set's class, or of a metric, for `pytest.mark.parametrize`.

    Args:
        overrides: parameters to check it with, where a method's defaults do not suit 120 points in 12 dimensions, or a
            data set has parameters without a default.
    """
    subject_of, functions = _OF[kind_of(component)]
    subject = subject_of(component, overrides)
    return [Check(function.__name__.removeprefix("check_"), function, subject) for function in functions]


def run_checks(component: Any, **overrides: Any) -> list[Outcome]:
    """Run all checks and say what each found; never raises."""
    warm_up = getattr(component, "warm_up", None)
    if warm_up is not None:
        quietly(warm_up)
    return [_outcome(check) for check in checks(component, **overrides)]


def _outcome(check: Check) -> Outcome:
    began = time.perf_counter()
    status: Literal["passed", "failed", "not offered"] = "passed"
    detail = inspect.getdoc(check.function) or ""
    try:
        check.function(check.subject)
    except NotOfferedError as error:
        status, detail = "not offered", str(error)
    except ConformanceError as error:
        status, detail = "failed", str(error)
    except (Exception, SystemExit) as error:
        status, detail = "failed", f"{type(error).__name__}: {error}"
    return Outcome(check.name, status, detail, time.perf_counter() - began)
