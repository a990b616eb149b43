"""Metrics of a decoder's pullback metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metrics.influence import of_variance
from metrics.metric import Metric, Scores
from metrics.view import NotApplicableError, View

if TYPE_CHECKING:
    from torch import Tensor

Array = np.ndarray

# Neighbours of the local linear maps.
_LOCAL_K = 10


def _relaxed_distortion(view: View) -> Scores:
    import torch

    from metrics.distortion import distortion_of
    from metrics.geometry import pullback_metric

    with torch.no_grad():
        mixup = pullback_metric(view.decoders, view.mixup_latent)
    return {"": float(distortion_of(view.metric_tensor)), "_mixup": float(distortion_of(mixup))}


def _distortion_by_point(view: View) -> Array:
    """The score with each point's influence on d E[tr G^2] / (E tr G)^2."""
    G = view.metric_tensor
    square = G.square().sum((-1, -2)).cpu().numpy()
    trace = G.diagonal(dim1=-2, dim2=-1).sum(-1).cpu().numpy()
    quotient = G.shape[-1] * square.mean() / trace.mean() ** 2
    result: Array = quotient * (square / square.mean() - 2 * trace / trace.mean() + 2) - 1
    return result


def _conditions_by_point(view: View) -> Array:
    from metrics.distortion import condition_numbers

    return condition_numbers(view.metric_tensor).cpu().numpy()


def affine(view: View) -> str | None:
    """Why what is measured of the decoder's curvature follows from its form, or None."""
    return "the decoder is an affine map: it stretches alike at all points" if view.affine else None


def _conditions(G: Tensor) -> dict[str, float]:
    from metrics.distortion import condition_numbers, rank_deficient

    if G.shape[-1] == 1:
        raise NotApplicableError("one latent dimension has no condition number but 1")
    conditions = condition_numbers(G)
    return {
        "": float(conditions.mean()),
        "_median": float(conditions.quantile(0.5)),
        "_p95": float(conditions.quantile(0.95)),
        "_rank_deficient": float(rank_deficient(G).double().mean()),
    }


def _mcn_attached(view: View) -> Scores:
    residual, spread = float(np.mean((view.X - view.attached_X_hat) ** 2)), float(view.squared_deviations.mean())
    explained = 1 - residual / spread if spread > 0 else np.nan
    floor = None if view.attached_floor is None else view.attached_floor()
    found = {**_conditions(view.attached_metric_tensor), "_explained_variance": explained}
    return found if floor is None else {**found, "_floor": floor}


def _attached_by_point(view: View) -> Array:
    from metrics.distortion import condition_numbers

    return condition_numbers(view.attached_metric_tensor).cpu().numpy()


def _local_conditions(view: View) -> Array:
    import torch

    from metrics.distortion import condition_numbers
    from metrics.local_linear import local_metrics

    G = local_metrics(view.X, view.Z, max(_LOCAL_K, 3 * view.Z.shape[1]))
    return condition_numbers(torch.as_tensor(G)).numpy()


def _local_mcn(view: View) -> Scores:
    if view.Z.shape[1] == 1:
        raise NotApplicableError("one latent dimension has no condition number but 1")
    conditions = _local_conditions(view)
    return {"": float(conditions.mean()), "_median": float(np.median(conditions))}


def _inconsistencies(view: View) -> Array:
    """Distance of enc(dec(z)) from z, over the spread of the codes, by point."""
    assert view.encode is not None
    spread = np.sqrt(view.Z.astype(np.float64).var(axis=0).sum())
    if spread == 0:
        raise NotApplicableError("all codes are alike")
    again = np.asarray(view.encode(view.X_hat.astype(np.float32)), dtype=np.float64)
    found: Array = np.linalg.norm(again - view.Z, axis=1) / spread
    return found


def _metric_variance(view: View) -> float:
    from metrics.distortion import variance_of

    value = float(variance_of(view.metric_tensor))
    if np.isnan(value):
        raise NotApplicableError("the mean metric is singular: the decoder ignores a latent direction")
    return value


def _variance_by_point(view: View) -> Array:
    from metrics.distortion import variance_by_point

    return variance_by_point(view.metric_tensor).cpu().numpy()


def _log_det_by_point(view: View) -> Array:
    import torch

    return of_variance(torch.linalg.slogdet(view.metric_tensor).logabsdet.cpu().numpy())


def _var_log_det(view: View) -> float:
    from metrics.distortion import log_det_variance_of

    value = float(log_det_variance_of(view.metric_tensor))
    if np.isnan(value):
        raise NotApplicableError("the metric is singular at a point: the decoder ignores a latent direction")
    return value


relaxed_distortion = Metric(
    "relaxed_distortion", _relaxed_distortion, "lower", frozenset({"decoder"}),
    about="d E[tr G^2] / (E tr G)^2 - 1, 0 for a scaled isometry (Lee et al., ICLR 2022)",
    by_point=_distortion_by_point, influence=True, trivial=affine,
)  # fmt: skip
mcn = Metric(
    "mcn", lambda view: _conditions(view.metric_tensor), "lower", frozenset({"decoder"}),
    about="mean condition number of the pullback metric, [1, inf) (Lee et al., ICLR 2022)",
    by_point=_conditions_by_point, trivial=affine,
)  # fmt: skip
mcn_attached = Metric(
    "mcn_attached", _mcn_attached, "lower",
    about="mcn of one common decoder refitted to each layout, [1, inf); its _explained_variance, its _floor on a plane",
    by_point=_attached_by_point, variants={"_explained_variance": "higher"}, version=2,
)  # fmt: skip
metric_variance = Metric(
    "metric_variance", _metric_variance, "lower", frozenset({"decoder"}),
    about="spread of the pullback metric over points, 0 where it is constant (Lee et al., ICLR 2022)",
    by_point=_variance_by_point, influence=True, trivial=affine,
)  # fmt: skip
var_log_det = Metric(
    "var_log_det", _var_log_det, "lower", frozenset({"decoder"}),
    about="variance of log det G over points, 0 where volumes are magnified alike (Nazari et al., ICML 2023)",
    by_point=_log_det_by_point, influence=True, trivial=affine,
)  # fmt: skip
local_mcn = Metric(
    "local_mcn", _local_mcn, "lower", frozenset({"spread"}), least_rows={"scored": 32}, by_point=_local_conditions,
    about="mcn without a decoder: of the best linear map from each code's neighbours to the data, [1, inf); _median",
)  # fmt: skip
consistency = Metric(
    "consistency", lambda view: float(_inconsistencies(view).mean()), "lower", frozenset({"reconstruction", "encode"}),
    by_point=_inconsistencies, about="mean |enc(dec(z)) - z| over the spread of the codes, [0, inf)",
)  # fmt: skip
