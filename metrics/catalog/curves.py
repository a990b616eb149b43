"""Metrics of data on a curve."""

from __future__ import annotations

from metrics import curves
from metrics.metric import Metric, Scores
from metrics.view import View


def _curve_rms(view: View) -> Scores:
    truth, decoded = view.true_curve, view.decoded_curve
    return {"": curves.rms_distance(truth, decoded), "_back": curves.rms_distance(decoded, truth)}


def _curve_length_error(view: View) -> Scores:
    excess = curves.curve_length(view.decoded_curve) / curves.curve_length(view.true_curve) - 1
    return {"": abs(excess), "_longer": max(excess, 0.0), "_shorter": max(-excess, 0.0)}


def _order_score(view: View) -> float:
    view.require_codes_of_one_dimension()
    return curves.order_score(view.Z[view.along_curve])


curve_rms = Metric(
    "curve_rms", _curve_rms, "lower", frozenset({"curve", "reconstruction"}),
    about="RMS distance from the scored points to the decoded curve; _back from the curve to the points; data units",
)  # fmt: skip
curve_length_error = Metric(
    "curve_length_error", _curve_length_error, "lower", frozenset({"curve", "reconstruction"}),
    about="|r - 1|, r = length of the decoded curve / of the true one; _longer and _shorter say which way",
)  # fmt: skip
order_score = Metric(
    "order_score", _order_score, "higher", frozenset({"curve"}),
    about="share of steps along the curve that go the majority's way in the code, 1 if all, about 0.5 at random",
)  # fmt: skip
