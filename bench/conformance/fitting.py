"""Checks of hyperparameters and of `fit`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

import numpy as np

from bench.conformance.subject import ConformanceError, NotOfferedError, Subject, quietly
from bench.suite.signatures import accepted, defaults, parameters


def check_hyperparameters_are_the_signature(subject: Subject) -> None:
    """__init__ stores every argument verbatim, under its own name, and does nothing else."""
    known = parameters(subject.component)
    method = subject.make()
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in subject.overrides and name != "sample_shape":
            raise ConformanceError(f"parameter {name!r} has no default; every hyperparameter needs one")
        if not hasattr(method, name):
            raise ConformanceError(f"__init__ does not store {name!r}; add self.{name} = {name}")
    for name, value in defaults(subject.component).items():
        if name in ("epochs", "hidden") or name in subject.overrides:
            continue
        stored = getattr(method, name)
        if list(stored) != list(value) if isinstance(value, list) else stored != value:
            raise ConformanceError(f"__init__ stores {name} = {stored!r}, given {value!r}; store it verbatim")


def check_fit_returns_self(subject: Subject) -> None:
    """fit(X) returns the method itself."""
    method = subject.make()
    returned = quietly(lambda: method.fit(subject.X.copy(), **accepted(method.fit, {"y": subject.y})))
    if returned is not method:
        raise ConformanceError(f"fit returned {type(returned).__name__}; return self")


def check_fit_leaves_data_alone(subject: Subject) -> None:
    """fit does not write into X."""
    X = subject.X.copy()
    method = subject.make()
    quietly(lambda: method.fit(X, **accepted(method.fit, {"y": subject.y})))
    if not np.array_equal(X, subject.X):
        raise ConformanceError("fit changed its argument X; work on a copy")


def check_unusable_data_is_refused(subject: Subject) -> None:
    """NaN in X raises ValueError."""
    X = subject.X.copy()
    X[3, 2] = np.nan
    method = subject.make()
    try:
        quietly(lambda: method.fit(X, **accepted(method.fit, {"y": subject.y})))
    except ValueError:
        return
    raise ConformanceError("fit accepted NaN in X; raise ValueError")


def check_stopping_at_an_epoch(subject: Subject) -> None:
    """on_epoch(epoch, scores) is called each epoch, and True stops training."""
    method = subject.make()
    if "on_epoch" not in inspect.signature(method.fit).parameters:
        raise NotOfferedError("has no epochs to stop at; is not pruned")
    seen: list[int] = []

    def stop_at_once(epoch: int, scores: Mapping[str, float]) -> bool:
        seen.append(epoch)
        return True

    quietly(lambda: method.fit(subject.X, **accepted(method.fit, {"y": subject.y}), on_epoch=stop_at_once))
    if not seen:
        raise NotOfferedError("never calls on_epoch; is not pruned")
    if len(seen) > 1:
        raise ConformanceError(f"on_epoch returned True and was called {len(seen)} times; stop when it does")
