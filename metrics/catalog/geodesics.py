"""Metrics of geodesics: against the exact ones, and over retrained models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from metrics import distances, stability
from metrics.metric import Metric, Scores
from metrics.view import NotApplicableError, View

Array = np.ndarray

# Distances that are compared over seeds, by suffix: geodesic, along the straight line, of the codes alone, and for
# ensembles the published sum of jumps between random members, which is no distance.
KINDS = ("", "_straight", "_euclidean", "_published")


def _geodesic_errors(view: View) -> Array:
    return np.abs(view.geodesics.length.cpu().numpy() / _exact(view) - 1)


def _exact(view: View) -> Array:
    i, j = view.geodesic_pairs
    return np.asarray(view.data.geodesic(view.rows[i], view.rows[j]), dtype=np.float64)


def _geodesic_error(view: View) -> Scores:
    exact, error = _exact(view), _geodesic_errors(view)
    lengths = view.geodesics.length.cpu().numpy()
    straight = view.geodesics.straight_length.cpu().numpy()
    return {
        "": float(error.mean()),
        "_median": float(np.median(error)),
        "_spearman": distances.spearman(exact, lengths),
        "_straight": float(np.abs(straight / exact - 1).mean()),
        "_unconverged": float(1 - view.geodesics.converged.double().mean()),
    }


def _same_for_every_seed(views: Sequence[View]) -> str | None:
    if len(views) < 2 or any(not np.array_equal(view.Z_train, views[0].Z_train) for view in views):
        return None
    return "the embedding is the same for every seed: what varies, if anything, is the attached decoder"


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
    draws = dict(zip(kinds, stability.resampled(np.stack(list(kinds.values()))).swapaxes(0, 1), strict=True))
    found = {kind + name: value for kind in kinds for name, value in _stability(kinds[kind], draws[kind]).items()}
    low, high = stability.interval_of(_gain(draws))
    unconverged = float(np.mean([1 - view.geodesics.converged.double().mean().item() for view in views]))
    return {**found, "_gain": float(_gain(kinds)), "_gain_low": low, "_gain_high": high, "_unconverged": unconverged}


def _stability(lengths: Array, draws: Array) -> dict[str, float]:
    """Statistics of the distances (models, pairs) of one kind, with intervals of the first two by its resamples."""
    found = {
        "": float(stability.mean_variation(lengths)),
        "_icc": stability.icc(lengths),
        "_median": float(np.nanmedian(stability.coefficient_of_variation(lengths))),
        "_scale_free": float(stability.mean_variation(stability.without_scale(lengths))),
        "_spearman": stability.seed_spearman(lengths),
    }
    for name, statistic in (("", stability.mean_variation), ("_icc", stability.iccs)):
        if np.isfinite(found[name]):
            low, high = stability.interval_of(statistic(draws))
            found |= {f"{name}_low": low, f"{name}_high": high}
    return found


def _gain(kinds: Mapping[str, Array]) -> Array:
    """How much more latent distances (..., models, pairs) vary than geodesic ones."""
    return stability.mean_variation(kinds["_euclidean"]) - stability.mean_variation(kinds[""])


geodesic_error = Metric(
    "geodesic_error", _geodesic_error, "lower", frozenset({"decoder", "geodesic"}), least_rows={"scored": 2},
    about="|d / exact - 1|, mean over 50 pairs: model geodesics against the manifold's; _spearman; _straight lines",
    variants={"_spearman": "higher"}, by_point=_geodesic_errors, version=3,
)  # fmt: skip
geodesic_cv = Metric(
    "geodesic_cv", _geodesic_cv, "lower", frozenset({"decoder"}), scope="seeds", least_rows={"scored": 2},
    about="spread of geodesic distances over retrained models, mean of 50 pairs (Syrota et al. 2024); _icc, _euclidean",
    trivial=_same_for_every_seed,
    variants=dict.fromkeys(
        ["_gain", "_gain_low", "_gain_high"]
        + [kind + name for kind in KINDS for name in ("_icc", "_icc_low", "_icc_high", "_spearman")],
        "higher",
    ),
    version=3,
)  # fmt: skip
