"""Metrics of what a decoder gives back, and of how sure it is."""

from __future__ import annotations

import numpy as np

from metrics.metric import Metric, Scores
from metrics.uncertainty import off_the_data
from metrics.view import NotApplicableError, View


def _reconstruction_mse(view: View) -> float:
    return float(np.mean((view.X.astype(np.float64) - view.X_hat) ** 2))


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
)  # fmt: skip
uncertainty_ratio = Metric(
    "uncertainty_ratio", _uncertainty_ratio, "higher", frozenset({"deviation"}),
    about="mean predictive deviation off the data / on the data; _on and _off in data units",
    variants={"_on": "lower"},
)  # fmt: skip
