"""Where the proxy of MetricVAE comes from: labels by way of a classifier, given features, or a function of the data."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.base import Array, hold_out
from methods.networks.layers import member
from methods.training.data import TrainingSet
from methods.training.loop import train
from methods.training.parameters import single
from methods.training.problem import Rows, Task, Terms, same_device
from methods.training.schedule import Schedule
from methods.training.streams import Streams, stream_seed

SOURCES = ("auto", "labels", "features", "data")
_LEARNING_RATE = 1e-3
_PATIENCE_STEPS = 300
_CLIP_NORM = 100.0


@dataclass(frozen=True, eq=False)
class Proxy:
    """One of: labels to train a classifier on, features of the training and the held-out rows, a function of X."""

    labels: Array | None = None
    given: tuple[Array, Array] | None = None
    function: Callable[[Array], Array] | None = None

    @classmethod
    def of(cls, source: str | Callable[[Array], Array], y: Array | None, y_val: Array | None) -> Proxy:
        """The proxy that a source names for rows with this y.

        Raises:
            ValueError: there is no such source, or y does not serve it.
        """
        found = known_proxy(source)
        if callable(found):
            return cls(function=found)
        if found == "auto":
            found = "data" if y is None else "labels" if _are_labels(y) else "features"
        if found == "data":
            return cls(function=identity)
        if y is None:
            raise ValueError(f"proxy = {found!r} needs y, fit(X, y), and the data have none")
        if found == "labels":
            if not _are_labels(y):
                raise ValueError("proxy = 'labels' needs one label for each row in y; use 'features' for numbers")
            return cls(labels=np.unique(y, return_inverse=True)[1])
        if y_val is None:
            raise ValueError("proxy = 'features' needs y_val beside X_val: the features of the held-out rows")
        return cls(given=(_matrix(y), _matrix(y_val)))

    def features(self, data: TrainingSet) -> tuple[Array, Array]:
        """The proxy (n, q) of the training and of the held-out rows, where no classifier is needed."""
        if self.given is not None:
            return self.given
        assert self.function is not None
        X, X_val = ((x * data.scale + data.centre).cpu().numpy() for x in (data.x, data.x_val))
        return _computed(self.function, X), _computed(self.function, X_val)


def identity(X: Array) -> Array:
    """The data as their own proxy."""
    return X


def known_proxy(source: Any) -> str | Callable[[Array], Array]:
    """A source's name, or its function.

    Raises:
        ValueError: it is neither.
    """
    if callable(source):
        return source
    if source in SOURCES:
        return str(source)
    if isinstance(source, str) and ":" in source:
        module, _, name = source.partition(":")
        try:
            function = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ValueError(f"proxy = {source!r} cannot be imported: {error}") from error
        if callable(function):
            return function
    raise ValueError(f"proxy must be one of {', '.join(SOURCES)}, a function or its 'module:name', got {source!r}")


def fit_classifiers(
    build: Callable[[int, Sequence[torch.Generator]], nn.Sequential],
    data: TrainingSet,
    labels: Array,
    schedule: Schedule,
) -> list[nn.Sequential]:
    """One classifier for each model of the stack, in network units: (n, n_features) -> logits (n, n_classes).

    Trained on the training rows alone: early stopping watches a tenth of them, whatever patience `schedule` has.

    Args:
        build: `build(n_classes, generators)` gives a stacked network.
        labels: 0 ... n_classes - 1 of the rows data.x.
    """
    device = data.x.device
    y = torch.as_tensor(labels, device=device)
    kept, held_out = (torch.as_tensor(rows, device=device) for rows in hold_out(len(y)))
    streams = Streams([stream_seed(seed, "classifier") for seed in data.streams.seeds], device)
    model = build(int(labels.max()) + 1, streams.generators("initialisation")).to(device)
    template, slot = single(model)
    steps_per_epoch = math.ceil(len(kept) / schedule.batch_size)
    rows = [Rows({"x": data.x[part], "y": y[part]}) for part in (kept, held_out)]
    stopping = replace(schedule, patience=max(5, _PATIENCE_STEPS // steps_per_epoch), clip_norm=_CLIP_NORM)
    rates = same_device([_LEARNING_RATE] * len(streams.seeds), data.x)
    outcomes = train(model, Task(_CrossEntropy(), *rows), streams, stopping, rates)
    found = []
    for outcome in outcomes:
        slot.load(outcome.parameters)
        found.append(nn.Sequential(*member(template.children(), 0)))
    return found


class _CrossEntropy:
    def draws(self, streams: Streams, n: int) -> dict[str, Tensor]:
        return {}

    def losses(self, model: Any, batch: dict[str, Tensor], draws: Terms, weights: Terms) -> dict[str, Tensor]:
        logits, y = model(batch["x"]), batch["y"]
        entropy = functional.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none").view_as(y).mean(1)
        return {"loss": entropy, "accuracy": (logits.argmax(-1) == y).to(entropy.dtype).mean(1)}


def _are_labels(y: Array) -> bool:
    return y.ndim == 1 and (y.dtype.kind in "OUSbiu" or bool(np.array_equal(y, np.round(y))))


def _matrix(values: Array) -> Array:
    features = np.asarray(values, dtype=np.float32).reshape(len(values), -1)
    if not np.isfinite(features).all():
        raise ValueError("y holds values that are not finite")
    return features


def _computed(function: Callable[[Array], Array], X: Array) -> Array:
    features = np.asarray(function(X), dtype=np.float32)
    if features.ndim != 2 or len(features) != len(X):
        raise ValueError(f"proxy gives shape {features.shape} for {len(X)} rows; (n_samples, n) is needed")
    if not np.isfinite(features).all():
        raise ValueError("proxy gives values that are not finite")
    return features
