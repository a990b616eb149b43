"""Metrics of what a decoder gives back, and of how sure it is."""

from __future__ import annotations

import numpy as np

from metrics.influence import of_ratio
from metrics.metric import Metric, Scores
from metrics.uncertainty import off_the_data
from metrics.view import NotApplicableError, View

Array = np.ndarray


def _reconstruction_mse(view: View) -> float:
    return float(np.mean((view.X.astype(np.float64) - view.X_hat) ** 2))


def _explained_variance(view: View) -> float:
    spread = float(view.squared_deviations.mean())
    if spread == 0:
        raise NotApplicableError("the scored rows are all the training mean: there is nothing to explain")
    return 1 - float(view.squared_errors.mean()) / spread


def _explained_by_point(view: View) -> Array:
    return 1 - of_ratio(view.squared_errors, view.squared_deviations)


def _uncertainty_ratio(view: View) -> Scores:
    assert view.deviation is not None
    on = float(np.mean(view.deviation(view.Z)))
    off = float(np.mean(view.deviation(off_the_data(view.Z_train))))
    if on == 0:
        raise NotApplicableError("the decoder is certain of everything: its deviation on the data is 0")
    return {"": off / on, "_on": on, "_off": off}


reconstruction_mse = Metric(
    "reconstruction_mse", _reconstruction_mse, "lower", frozenset({"reconstruction"}),
    about="mean squared error per feature of decode(encode(x)), in squared data units",
    by_point=lambda view: view.squared_errors,
)  # fmt: skip
explained_variance = Metric(
    "explained_variance", _explained_variance, "higher", frozenset({"reconstruction"}),
    about="R2 of decode(encode(x)): 1 - MSE / variance about the training mean, at most 1, 0 for that mean itself",
    by_point=_explained_by_point, influence=True,
)  # fmt: skip
uncertainty_ratio = Metric(
    "uncertainty_ratio", _uncertainty_ratio, "higher", frozenset({"deviation"}),
    about="mean predictive deviation off the data / on the data; _on and _off in data units",
    variants={"_on": "lower"},
)  # fmt: skip
