"""Two objectives traded for each other: the fronts of all methods, their hypervolumes, and a fair comparison.

A configuration is on its method's front where no trial was better in both objectives on the tuning seeds. Here are its
scores on the test split, by report seed. The *attained front* of one seed is the best second objective that some
configuration has at each level of the first; over seeds it is a median and a band (Fonseca and Fleming 1996). The
*hypervolume* is the share of the box between the best of all methods and a reference a little beyond their worst that
a front dominates (Zitzler and Thiele 1999). Collapsed models, and scores by construction, take no part.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from reports.comparison import Candidate, best_of
from reports.frames import in_order
from reports.samples import PointsOf, by_metric, samples_of, standing
from reports.statistics import Estimate, Sample, estimate

Array = np.ndarray

# Objectives that say how much of the data is kept: methods are compared where they keep as much.
RECONSTRUCTION = ("reconstruction_mse", "explained_variance")
# How far beyond the worst the hypervolume's reference lies, as a share of the extent.
_MARGIN = 0.1
# Objectives whose scores span more than this factor are measured in their logarithm.
_LOG_FROM = 30.0


@dataclass(frozen=True, eq=False)
class Point:
    """One configuration of a front.

    Attributes:
        tuned: its scores on the tuning seeds, by metric.
        samples: its scores on the test split, by metric. ranked: whether both objectives count.
        reason: why they do not.
    """

    tuned: Mapping[str, float]
    samples: Mapping[str, Sample]
    ranked: bool
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Axis:
    """One objective of a data set: where its scale lies, from the best (0) to the reference (1)."""

    name: str
    better: str
    best: float
    reference: float
    log: bool

    def cost(self, values: Array) -> Array:
        """Scores as costs: 0 at the best, 1 at the reference, lower is better."""
        scale = np.log if self.log else np.asarray
        best, reference = float(scale(self.best)), float(scale(self.reference))
        found: Array = (scale(values) - best) / (reference - best)
        return found

    def score(self, costs: Array) -> Array:
        """The scores of these costs."""
        if self.log:
            found: Array = self.best * (self.reference / self.best) ** costs
            return found
        return self.best + costs * (self.reference - self.best)


@dataclass(frozen=True, eq=False)
class Tradeoff:
    """The fronts of all methods on one data set."""

    dataset: str
    axes: tuple[Axis, Axis]
    fronts: Mapping[str, Sequence[Point]]

    def costs(self, method: str) -> Array:
        """Costs (seeds, configurations, 2) of the points that count; infinite where a seed has none."""
        points = [point for point in self.fronts[method] if point.ranked]
        samples = [[point.samples[axis.name] for axis in self.axes] for point in points]
        seeds = sorted({seed for pair in samples for sample in pair for seed in sample.seeds})
        found = np.full((len(seeds), len(points), 2), np.inf)
        for c, pair in enumerate(samples):
            for a, (axis, sample) in enumerate(zip(self.axes, pair, strict=True)):
                found[[seeds.index(seed) for seed in sample.seeds], c, a] = axis.cost(sample.values)
        return found

    def hypervolume(self, method: str) -> Estimate | None:
        """Share of the box that the method's front dominates, [0, 1], over seeds; None where nothing counts."""
        costs = self.costs(method)
        return estimate(Sample(np.array([_dominated(points) for points in costs]))) if costs.size else None


def tradeoffs(
    frame: pd.DataFrame,
    selections: Sequence[Mapping[str, Any]],
    objectives: Sequence[str],
    methods: Sequence[str],
    points_of: PointsOf,
) -> list[Tradeoff]:
    """One for each data set with a point that counts, in the order of the selections.

    Args:
        selections: for each data set and method the `front`, a list of config_id and scores on the tuning seeds.
    """
    final = frame[frame["phase"] == "final"]
    fronts: dict[str, dict[str, list[Point]]] = {}
    for choice in selections:
        here = final[(final["dataset"] == choice["dataset"]) & (final["method"] == choice["method"])]
        points = [
            _point(here[here["config_id"] == entry["config_id"]], entry["scores"], objectives, points_of)
            for entry in choice.get("front", ())
        ]
        if points:
            fronts.setdefault(choice["dataset"], {})[choice["method"]] = points
    found = []
    for dataset, of_methods in fronts.items():
        ordered = {name: of_methods[name] for name in in_order(of_methods, methods)}
        counted = [point for points in ordered.values() for point in points if point.ranked]
        if counted:
            first, second = (_axis(final, name, counted) for name in objectives)
            found.append(Tradeoff(dataset, (first, second), ordered))
    return found


def _point(rows: pd.DataFrame, tuned: Mapping[str, float], objectives: Sequence[str], points_of: PointsOf) -> Point:
    scores = by_metric(rows)
    samples = samples_of(scores, [*objectives, "explained_variance"], points_of)
    for name in objectives:
        status, reason = standing(scores, name)
        if status != "ok" or name not in samples:
            return Point(tuned, samples, ranked=False, reason=f"{status} {reason}".strip())
    return Point(tuned, samples, ranked=True)


def _axis(frame: pd.DataFrame, name: str, points: Sequence[Point]) -> Axis:
    better = str(frame.loc[frame["metric"] == name, "better"].iloc[0])
    values = np.concatenate([point.samples[name].values for point in points])
    # The mean over seeds: one seed that went wrong does not make the box so large that nothing else is seen in it.
    means = np.array([point.samples[name].values.mean() for point in points])
    best, worst = (values.min(), means.max()) if better == "lower" else (values.max(), means.min())
    log = bool(values.min() > 0 and values.max() > _LOG_FROM * values.min())
    beyond = worst * (worst / best) ** _MARGIN if log else worst + _MARGIN * (worst - best)
    # Where all score the same there is nothing to trade, and any extent will do.
    extent = (1 if better == "lower" else -1) * max(abs(best), 1.0)
    reference = beyond if beyond != best else best + _MARGIN * extent
    return Axis(name, better, float(best), float(reference), log)


def attained(costs: Array, levels: Array) -> Array:
    """For each seed the least second cost of a configuration whose first cost is within the level.

    Args:
        costs: (seeds, configurations, 2). levels: (n,).

    Returns:
        (seeds, n), infinite where no configuration is.
    """
    within = costs[:, None, :, 0] <= levels[None, :, None]
    found: Array = np.where(within, costs[:, None, :, 1], np.inf).min(axis=2)
    return found


def _dominated(costs: Array) -> float:
    """Area of the unit square that points (n, 2) dominate, lower being better."""
    area, ceiling = 0.0, 1.0
    for first, second in sorted(map(tuple, costs)):
        if first < 1 and second < ceiling:
            area += (1 - max(first, 0.0)) * (ceiling - max(second, 0.0))
            ceiling = max(second, 0.0)
    return area


@dataclass(frozen=True)
class Match:
    """A method where it keeps as much of the data as every method can: its best other objective there.

    Attributes:
        scores: on the test split, by metric, with explained variance where that was scored.
        tied: the methods that are best on the other objective, as they cannot be told apart; empty where this is none.
    """

    method: str
    scores: Mapping[str, Estimate]
    tied: tuple[str, ...] = ()


@dataclass(frozen=True)
class Matching:
    """All methods at one level of `kept`, the objective that says how much of the data is kept."""

    kept: Axis
    other: Axis
    level: float
    methods: Sequence[Match]


def matched(tradeoff: Tradeoff) -> Matching | None:
    """Each method's best other objective among the configurations that keep as much as every method can.

    The level is the worst of the methods' best reconstructions. It is met, and the configuration chosen, on the tuning
    seeds; the scores are those of the test split.

    Returns:
        None where not just one of the objectives is a reconstruction, or where fewer than two methods have a tuned
        configuration that counts.
    """
    candidates = {
        method: tuned
        for method, points in tradeoff.fronts.items()
        if (tuned := [point for point in points if point.ranked and point.tuned])
    }
    of_data = [axis for axis in tradeoff.axes if axis.name in RECONSTRUCTION]
    if len(of_data) != 1 or len(candidates) < 2:
        return None
    (kept,) = of_data
    (other,) = (axis for axis in tradeoff.axes if axis is not kept)
    best, worst = (min, max) if kept.better == "lower" else (max, min)
    level = worst(best(point.tuned[kept.name] for point in points) for points in candidates.values())
    chosen = {method: _best_within(points, kept, level, other) for method, points in candidates.items()}
    scores = {
        method: {name: estimate(sample) for name, sample in point.samples.items()} for method, point in chosen.items()
    }
    ranking = {m: Candidate(scores[m][other.name], point.samples[other.name]) for m, point in chosen.items()}
    tied = best_of(ranking, other.better)
    matches = [Match(m, scores[m], tuple(sorted(tied)) if m in tied else ()) for m in chosen]
    return Matching(kept, other, level, matches)


def _best_within(points: Collection[Point], kept: Axis, level: float, other: Axis) -> Point:
    keep, win = (1 if axis.better == "lower" else -1 for axis in (kept, other))
    within = [point for point in points if keep * point.tuned[kept.name] <= keep * level]
    return min(within, key=lambda point: win * point.tuned[other.name])
