"""Scoring a fitted method: what a metric may see of it, and one score row for each metric asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.cells import Score
from metrics.view import OPTIONAL_ABILITIES, NotApplicableError, View

if TYPE_CHECKING:
    from torch import nn

    from datasets.base import Data

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted method as metrics see it: latent points of the training and of the scored split, and decoders.

    `decoder` is 'native', 'attached' or 'none'.
    """

    split: str
    Z_train: Array
    Z: Array
    decode: Callable[[Array], Array] | None
    decoders: tuple[Any, ...]
    decoder: str
    proxy_features: Callable[[Array], Array] | None = None
    deviation: Callable[[Array], Array] | None = None


class NonFiniteError(ArithmeticError):
    """A method returned numbers that are not finite."""


def observe(method: Any, data: Data, split: str) -> Fitted:
    """Encode the training rows and the scored split with a fitted method.

    A method that cannot encode new points is scored on its training embedding, and marked so by the split.

    Raises:
        NonFiniteError: it encodes to numbers that are not finite.
        ValueError: it encodes to another shape than (n_samples, latent_dim).
    """
    embedding = getattr(method, "embedding_", None)
    encode = getattr(method, "encode", None)
    X_train = data.X[data.train]
    if embedding is None and encode is None:
        raise ValueError("the method has neither encode(X) nor embedding_ after fit")
    if encode is None:
        Z_train = _latent(embedding, len(X_train), "training")
        return Fitted("train", Z_train, Z_train, **_decoding(method))
    Z_train = _latent(encode(X_train) if embedding is None else embedding, len(X_train), "training")
    rows = data.rows(split)
    Z = Z_train if split == "train" else _latent(encode(data.X[rows]), len(rows), split)
    return Fitted(split, Z_train, Z, **_decoding(method))


def restored(method: Any, arrays: Mapping[str, Array], split: str) -> Fitted:
    """A method loaded from its saved state, with the latent points saved beside it."""
    return Fitted(split, arrays["Z.train"], arrays["Z.scored"], **_decoding(method))


def score(
    fitted: Fitted,
    data: Data,
    metrics: Sequence[tuple[str, Any]],
    fit_attached: Callable[[], nn.Module],
) -> list[Score]:
    """One score for each metric, or several for one with variants. Never raises: a failure is a row."""
    view = view_of(fitted, data, fit_attached)
    return [row for name, metric in metrics for row in _score_one([view], name, metric)]


def score_together(views: Sequence[View], metrics: Sequence[tuple[str, Any]]) -> list[Score]:
    """`score` for metrics over seeds: of all models of one configuration together."""
    return [row for name, metric in metrics for row in _score_one(views, name, metric)]


def view_of(fitted: Fitted, data: Data, fit_attached: Callable[[], nn.Module]) -> View:
    """What metrics may ask of a fitted method."""
    return View(
        data, fitted.split, fitted.Z, fitted.Z_train, fitted.decode, fitted.decoders, fit_attached,
        fitted.proxy_features, fitted.deviation,
    )  # fmt: skip


def empty_scores(metrics: Sequence[tuple[str, Any]], split: str, reason: str) -> list[Score]:
    """The rows of a cell that failed: every requested metric, without a value."""
    return [Score(name, name, split, None, metric.better, "failed", reason) for name, metric in metrics]


def _score_one(views: Sequence[View], name: str, metric: Any) -> list[Score]:
    """The rows of one metric: of one view, or of several where the metric is over seeds."""
    view = views[0]

    def row(suffix: str, value: float | None, status: Any, reason: str = "") -> Score:
        better = getattr(metric, "variants", {}).get(suffix, metric.better)
        return Score(name, metric.name + suffix, view.split, value, better, status, reason)

    missing = [reason for reason in map(view.missing, sorted(metric.needs)) if reason]
    if missing:
        return [row("", None, "n/a", missing[0])]
    try:
        found = metric.compute(view if metric.scope == "cell" else views)
        headed = found if isinstance(found, Mapping) else {"": found}
        values = {str(suffix): float(value) for suffix, value in headed.items()}
    except NotApplicableError as error:
        return [row("", None, "n/a", str(error))]
    except MemoryError:
        raise
    except Exception as error:
        return [row("", None, "failed", f"{type(error).__name__}: {error}")]
    return [
        row(suffix, value, "ok") if math.isfinite(value) else row(suffix, None, "n/a", f"undefined: it is {value}")
        for suffix, value in values.items()
    ]


def _decoding(method: Any) -> dict[str, Any]:
    decode = getattr(method, "decode", None)
    decoders = getattr(method, "geometry_decoders_", None) or getattr(method, "decoders_", None) or ()
    if not isinstance(decoders, Sequence):
        raise ValueError(f"decoders_ must be a list of decoders, got {type(decoders).__name__}")
    kind = getattr(method, "decoder_kind", "native") if decode is not None or decoders else "none"
    if kind not in ("native", "attached", "none"):
        raise ValueError(f"decoder_kind must be 'native' or 'attached', got {kind!r}")
    abilities = {name: getattr(method, name, None) for name in OPTIONAL_ABILITIES.values()}
    more = {name: ability if callable(ability) else None for name, ability in abilities.items()}
    return {"decode": decode, "decoders": tuple(decoders), "decoder": kind, **more}


def _latent(values: Any, n: int, split: str) -> Array:
    if np.iscomplexobj(values):
        raise ValueError(f"the {split} points encode to complex numbers")
    Z = np.asarray(values, dtype=np.float32)
    if Z.ndim != 2 or len(Z) != n:
        raise ValueError(f"the latent {split} points have shape {Z.shape}, ({n}, latent_dim) is needed")
    if not np.isfinite(Z).all():
        raise NonFiniteError(
            f"{np.count_nonzero(~np.isfinite(Z))} latent coordinates of the {split} points are not finite"
        )
    return Z
