"""The metrics by name: frozen descriptions around the plain functions of this folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from metrics import coranking, curves, distances, neighbors, stability
from metrics.uncertainty import off_the_data
from metrics.view import NotApplicableError, View

if TYPE_CHECKING:
    from torch import Tensor

Array = np.ndarray
Scores = float | Mapping[str, float]

K = 10
# Distances that are compared over seeds, by suffix: geodesic, along the straight line, of the codes alone, and for
# ensembles the published sum of jumps between random members, which is no distance.
KINDS = ("", "_straight", "_euclidean", "_published")


@dataclass(frozen=True)
class Metric:
    """A score of a fitted method.

    Attributes:
        name: what tables call it.
        compute: `compute(view)` gives the headline value, or a mapping from suffix to value with the
            headline under ''. May raise `NotApplicableError`. Where the scope is 'seeds' it gets a list of views.
        better: 'lower' or 'higher'.
        needs: what a view must have: a key of `metrics.view.NEEDS`, such as 'decoder' or 'labels'.
        scope: 'cell' for one model; 'seeds' for all report seeds of a configuration together.
        about: one line: formula, range, source.
        variants: what is better in a variant, by its suffix, where that is not what is better in the headline.
        at_k: for a metric of neighbourhoods, `at_k(view, k)`; `NAME_k20` then asks for k = 20.
    """

    name: str
    compute: Callable[[Any], Scores]
    better: Literal["lower", "higher"]
    needs: frozenset[str] = frozenset()
    scope: Literal["cell", "seeds"] = "cell"
    about: str = ""
    at_k: Callable[[View, int], Scores] | None = None
    variants: Mapping[str, Literal["lower", "higher"]] = field(default_factory=dict)


def with_k(metric: Metric, k: int) -> Metric:
    """The variant of a neighbourhood metric at another k, named with the suffix `_k<k>`.

    Raises:
        ValueError: the metric has no k.
    """
    if metric.at_k is None:
        raise ValueError(f"{metric.name} does not depend on a number of neighbours")
    return replace(metric, name=f"{metric.name}_k{k}", compute=_at(metric.at_k, k))


def _at(at_k: Callable[[View, int], Scores], k: int) -> Callable[[View], Scores]:
    return lambda view: at_k(view, k)


def _neighbourhood(name: str, at_k: Callable[[View, int], Scores], *needs: str, about: str) -> Metric:
    return Metric(name, _at(at_k, K), "higher", frozenset(needs), about=about, at_k=at_k)


def _knn_accuracy(view: View, k: int) -> float:
    y = view.data.y
    if view.split == "train":
        return neighbors.leave_one_out_accuracy(view.Z, y[view.rows], k)
    return neighbors.knn_accuracy(view.Z_train, y[view.data.train], view.Z, y[view.rows], k)


def _reconstruction_mse(view: View) -> float:
    return float(np.mean((view.X.astype(np.float64) - view.X_hat) ** 2))


def _geodesic_stress(view: View) -> float:
    i, j = view.pairs
    exact = view.data.geodesic(view.rows[i], view.rows[j])
    Z = view.Z.astype(np.float64)
    return distances.normalised_stress(exact, np.linalg.norm(Z[i] - Z[j], axis=1))


def _relaxed_distortion(view: View) -> Scores:
    import torch

    from metrics.distortion import distortion_of
    from metrics.geometry import pullback_metric

    with torch.no_grad():
        mixup = pullback_metric(view.decoders, view.mixup_latent)
    return {"": float(distortion_of(view.metric_tensor)), "_mixup": float(distortion_of(mixup))}


def _conditions(G: Tensor) -> Scores:
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
    import torch

    from metrics.geometry import pullback_metric

    decoder = view.fit_attached()
    z = torch.as_tensor(view.Z, dtype=torch.float64, device=next(decoder.parameters()).device)
    with torch.no_grad():
        return _conditions(pullback_metric(decoder, z))


def _metric_variance(view: View) -> float:
    from metrics.distortion import variance_of

    value = float(variance_of(view.metric_tensor))
    if np.isnan(value):
        raise NotApplicableError("the mean metric is singular: the decoder ignores a latent direction")
    return value


def _var_log_det(view: View) -> float:
    from metrics.distortion import log_det_variance_of

    value = float(log_det_variance_of(view.metric_tensor))
    if np.isnan(value):
        raise NotApplicableError("the metric is singular at a point: the decoder ignores a latent direction")
    return value


def _curve_rms(view: View) -> Scores:
    truth, decoded = view.true_curve, view.decoded_curve
    return {"": curves.rms_distance(truth, decoded), "_back": curves.rms_distance(decoded, truth)}


def _curve_length_error(view: View) -> Scores:
    excess = curves.curve_length(view.decoded_curve) / curves.curve_length(view.true_curve) - 1
    return {"": abs(excess), "_longer": max(excess, 0.0), "_shorter": max(-excess, 0.0)}


def _order_score(view: View) -> float:
    view.require_codes_of_one_dimension()
    return curves.order_score(view.Z[view.along_curve])


def _proxy_spearman(view: View) -> Scores:
    assert view.proxy_features is not None
    i, j = view.pairs
    proxy = np.asarray(view.proxy_features(view.X), dtype=np.float64)
    Z = view.Z.astype(np.float64)
    latent, wanted = np.linalg.norm(Z[i] - Z[j], axis=1), np.linalg.norm(proxy[i] - proxy[j], axis=1)
    return {"": distances.spearman(wanted, latent), "_pearson": float(np.corrcoef(wanted, latent)[0, 1])}


def _uncertainty_ratio(view: View) -> Scores:
    assert view.deviation is not None
    on = float(np.mean(view.deviation(view.Z)))
    off = float(np.mean(view.deviation(off_the_data(view.Z_train))))
    if on == 0:
        raise NotApplicableError("the decoder is certain of everything: its deviation on the data is 0")
    return {"": off / on, "_on": on, "_off": off}


def _geodesic_error(view: View) -> Scores:
    i, j = view.geodesic_pairs
    exact = np.asarray(view.data.geodesic(view.rows[i], view.rows[j]), dtype=np.float64)
    lengths = view.geodesics.length.cpu().numpy()
    straight = view.geodesics.straight_length.cpu().numpy()
    error = np.abs(lengths / exact - 1)
    return {
        "": float(error.mean()),
        "_median": float(np.median(error)),
        "_spearman": distances.spearman(exact, lengths),
        "_straight": float(np.abs(straight / exact - 1).mean()),
        "_unconverged": float(1 - view.geodesics.converged.double().mean()),
    }


def distance_kinds(views: Sequence[View]) -> dict[str, Array]:
    """Distances of the same pairs by each model (models, pairs), by the suffix of their kind."""
    pairs = views[0].geodesic_pairs
    between = [view.Z[pairs[0]].astype(np.float64) - view.Z[pairs[1]] for view in views]
    geodesic = np.stack([view.geodesics.length.cpu().numpy() for view in views])
    straight = np.stack([view.geodesics.straight_length.cpu().numpy() for view in views])
    euclidean = np.stack([np.linalg.norm(step, axis=1) for step in between])
    found = [geodesic, straight, euclidean]
    if all(len(view.decoders) > 1 for view in views):
        found.append(np.stack([view.published_lengths for view in views]))
    return dict(zip(KINDS, found, strict=False))


def _geodesic_cv(views: Sequence[View]) -> Scores:
    if len(views) < 2:
        raise NotApplicableError("one report seed tells nothing of the spread over seeds; give at least two")
    kinds = distance_kinds(views)
    unknown = int((~np.isfinite(kinds[""])).any(axis=0).sum())
    if unknown:
        raise NotApplicableError(f"{unknown} of {kinds[''].shape[1]} pairs are at no finite distance in some model")
    found = {kind + name: value for kind, lengths in kinds.items() for name, value in _stability(lengths).items()}
    both = np.stack([kinds["_euclidean"], kinds[""]])
    low, high = stability.bootstrap_interval(_gain, both)
    unconverged = np.mean([1 - view.geodesics.converged.double().mean().item() for view in views])
    return {**found, "_gain": _gain(both), "_gain_low": low, "_gain_high": high, "_unconverged": float(unconverged)}


def _stability(lengths: Array) -> dict[str, float]:
    """Statistics of the distances (models, pairs) of one kind, with intervals of the first two."""
    found = {
        "": _mean_cv(lengths),
        "_icc": stability.icc(lengths),
        "_median": float(np.nanmedian(stability.coefficient_of_variation(lengths))),
        "_scale_free": _mean_cv(stability.without_scale(lengths)),
        "_spearman": stability.seed_spearman(lengths),
    }
    for name, statistic in (("", _mean_cv), ("_icc", stability.icc)):
        if not np.isfinite(found[name]):
            continue
        found |= dict(
            zip((f"{name}_low", f"{name}_high"), stability.bootstrap_interval(statistic, lengths), strict=True)
        )
    return found


def _mean_cv(lengths: Array) -> float:
    return float(np.nanmean(stability.coefficient_of_variation(lengths)))


def _gain(both: Array) -> float:
    """How much more latent distances vary than geodesic ones."""
    return _mean_cv(both[0]) - _mean_cv(both[1])


reconstruction_mse = Metric(
    "reconstruction_mse", _reconstruction_mse, "lower", frozenset({"reconstruction"}),
    about="mean squared error per feature of decode(encode(x)), in squared data units",
)  # fmt: skip
knn_preservation = _neighbourhood(
    "knn_preservation", lambda view, k: view.neighbourhoods(k).knn_preservation,
    about="Q_NX(k), share of nearest neighbours kept, [0, 1] (Lee and Verleysen 2009)",
)  # fmt: skip
trustworthiness = _neighbourhood(
    "trustworthiness", lambda view, k: view.neighbourhoods(k).trustworthiness,
    about="are neighbours in the embedding true ones, [0, 1] (Venna and Kaski 2001)",
)  # fmt: skip
continuity = _neighbourhood(
    "continuity", lambda view, k: view.neighbourhoods(k).continuity,
    about="do true neighbours stay near in the embedding, [0, 1] (Venna and Kaski 2001)",
)  # fmt: skip
knn_accuracy = _neighbourhood(
    "knn_accuracy", _knn_accuracy, "labels",
    about="majority label of the k nearest training points is right, [0, 1]",
)  # fmt: skip
stress = Metric(
    "stress", lambda view: distances.stress(view.X, view.Z), "lower",
    about="scale-normalised stress of pairwise distances, [0, 1] (Smelser et al. 2024)",
)  # fmt: skip
distance_spearman = Metric(
    "distance_spearman", lambda view: distances.distance_spearman(view.X, view.Z), "higher",
    about="rank correlation of pairwise distances, [-1, 1]",
)  # fmt: skip
geodesic_stress = Metric(
    "geodesic_stress", _geodesic_stress, "lower", frozenset({"geodesic"}),
    about="scale-normalised stress of latent distances against exact manifold geodesics, [0, 1]",
)  # fmt: skip
relaxed_distortion = Metric(
    "relaxed_distortion", _relaxed_distortion, "lower", frozenset({"decoder"}),
    about="d E[tr G^2] / (E tr G)^2 - 1, 0 for a scaled isometry (Lee et al., ICLR 2022)",
)  # fmt: skip
mcn = Metric(
    "mcn", lambda view: _conditions(view.metric_tensor), "lower", frozenset({"decoder"}),
    about="mean condition number of the pullback metric, [1, inf) (Lee et al., ICLR 2022)",
)  # fmt: skip
mcn_attached = Metric(
    "mcn_attached", _mcn_attached, "lower",
    about="mcn of one common decoder refitted to every method's layout, [1, inf)",
)  # fmt: skip
metric_variance = Metric(
    "metric_variance", _metric_variance, "lower", frozenset({"decoder"}),
    about="spread of the pullback metric over points, 0 where it is constant (Lee et al., ICLR 2022)",
)  # fmt: skip
var_log_det = Metric(
    "var_log_det", _var_log_det, "lower", frozenset({"decoder"}),
    about="variance of log det G over points, 0 where volumes are magnified alike (Nazari et al., ICML 2023)",
)  # fmt: skip
auc_log_rnx = Metric(
    "auc_log_rnx", lambda view: coranking.auc_log_rnx(view.X, view.Z), "higher",
    about="neighbourhoods kept beyond chance, over all sizes on a log axis, at most 1 (Lee et al. 2015)",
)  # fmt: skip
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
proxy_spearman = Metric(
    "proxy_spearman", _proxy_spearman, "higher", frozenset({"proxy"}),
    about="rank correlation of latent distances with the method's own proxy distances, [-1, 1]; _pearson",
)  # fmt: skip
uncertainty_ratio = Metric(
    "uncertainty_ratio", _uncertainty_ratio, "higher", frozenset({"deviation"}),
    about="mean predictive deviation off the data / on the data; _on and _off in data units",
    variants={"_on": "lower"},
)  # fmt: skip
geodesic_error = Metric(
    "geodesic_error", _geodesic_error, "lower", frozenset({"decoder", "geodesic"}),
    about="|d / exact - 1|, mean over 50 pairs: model geodesics against the manifold's; _spearman; _straight lines",
    variants={"_spearman": "higher"},
)  # fmt: skip
geodesic_cv = Metric(
    "geodesic_cv", _geodesic_cv, "lower", frozenset({"decoder"}), scope="seeds",
    about="spread of geodesic distances over retrained models, mean of 50 pairs (Syrota et al. 2024); _icc, _euclidean",
    variants=dict.fromkeys(
        ["_gain", "_gain_low", "_gain_high"]
        + [kind + name for kind in KINDS for name in ("_icc", "_icc_low", "_icc_high", "_spearman")],
        "higher",
    ),
)  # fmt: skip
