"""What is checked: a method's class, small data, and one fitted instance that the checks share."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bench.suite.signatures import accepted, parameters

Array = np.ndarray


class ConformanceError(AssertionError):
    """A method breaks the contract; the message says which part and what to do."""


class NotOfferedError(Exception):
    """A check does not concern this method, because it does not offer what is checked."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A method's class, small data, and one fitted instance that the checks share."""

    component: Any
    overrides: Mapping[str, Any]

    def make(self, seed: int = 0) -> Any:
        """A new instance: few epochs where there are epochs, small networks where there are layers."""
        known = parameters(self.component)
        small = {
            "epochs": 3,
            "hidden": [16],
            "random_state": seed,
            "device": "cpu",
            "sample_shape": (1, 4, 3),
        }
        chosen = {name: value for name, value in small.items() if name in known}
        return self.component(**{**chosen, **{k: v for k, v in self.overrides.items() if k in known}})

    def fit(self, seed: int = 0) -> Any:
        method = self.make(seed)
        offered = {"y": self.y, "X_val": self.X[:40], "y_val": self.y[:40]}
        return quietly(lambda: method.fit(self.X.copy(), **accepted(method.fit, offered)))

    @cached_property
    def X(self) -> Array:
        """120 points near a bent surface in 12 dimensions."""
        rng = np.random.default_rng(0)
        u = rng.random((120, 2))
        surface = np.column_stack([np.sin(3 * u[:, 0]), np.cos(3 * u[:, 0]), u[:, 1]])
        return (surface @ rng.normal(size=(3, 12)) + 0.01 * rng.normal(size=(120, 12))).astype(np.float32)

    @cached_property
    def y(self) -> Array:
        return (self.X[:, 0] > np.median(self.X[:, 0])).astype(np.int64)

    @cached_property
    def fitted(self) -> Any:
        return self.fit()

    @cached_property
    def Z(self) -> Array:
        """Latent points of X."""
        if hasattr(self.fitted, "encode"):
            return np.asarray(quietly(lambda: self.fitted.encode(self.X)))
        if hasattr(self.fitted, "embedding_"):
            return np.asarray(self.fitted.embedding_)
        raise ConformanceError("after fit there is neither encode(X) nor embedding_; a method needs one of them")


def quietly(action: Callable[[], Any]) -> Any:
    """A method's warnings are its own business here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return action()
