"""Two sets of results, metric by metric: what got better, what got worse, and what cannot be told."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from reports.frames import in_order
from reports.samples import BY_CONSTRUCTION, PointsOf, Scores, by_metric, samples_of, standing
from reports.statistics import LEVEL, Sample, change, holm

Verdict = Literal["better", "worse", "equal", "not separable", "not comparable"]


@dataclass(frozen=True)
class Results:
    """One of the two: its frame, its scores by point, and what else decides whether it can be compared.

    Attributes:
        data: content hash by data set; versions: version by metric. What is not in them is taken to be alike.
    """

    frame: pd.DataFrame
    points_of: PointsOf
    data: Mapping[str, str]
    versions: Mapping[str, int]


@dataclass(frozen=True)
class Comparison:
    """One metric of one method on one data set, before and after."""

    dataset: str
    method: str
    metric: str
    better: str
    verdict: Verdict
    before: float | None = None
    after: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    reason: str = ""


def versus(before: Results, after: Results, metrics: Collection[str], equivalence: float) -> list[Comparison]:
    """Every metric that either has of a method on a data set, in the order of data sets, methods and metrics.

    Args:
        metrics: those to compare; all where it is empty.
        equivalence: share of the value before within which a difference is of no practical importance.
    """
    found = []
    frames = [results.frame[results.frame["phase"] == "final"] for results in (before, after)]
    both = pd.concat(frames, ignore_index=True)
    for dataset in in_order(both["dataset"]):
        for method in in_order(both.loc[both["dataset"] == dataset, "method"]):
            here = [by_metric(frame[(frame["dataset"] == dataset) & (frame["method"] == method)]) for frame in frames]
            names = in_order(name for scores in here for name in scores if not metrics or name in metrics)
            first, second = samples_of(here[0], names, before.points_of), samples_of(here[1], names, after.points_of)
            for name in names:
                why = _not_comparable(dataset, name, before, after)
                pair = (first.get(name), second.get(name))
                found.append(_compare(dataset, method, name, (here[0], here[1]), pair, why))
    return _judged(found, equivalence)


def _not_comparable(dataset: str, metric: str, before: Results, after: Results) -> str:
    data, versions = [r.data.get(dataset) for r in (before, after)], [r.versions.get(metric) for r in (before, after)]
    if None not in data and data[0] != data[1]:
        return "other data: their content differs"
    if None not in versions and versions[0] != versions[1]:
        return f"other metric: version {versions[0]} before, {versions[1]} after"
    return ""


def _compare(
    dataset: str,
    method: str,
    metric: str,
    scores: tuple[Scores, Scores],
    samples: tuple[Sample | None, Sample | None],
    why_not: str,
) -> Comparison:
    better = str(next(of[metric] for of in scores if metric in of).better[0])
    found = Comparison(dataset, method, metric, better, "not comparable", reason=why_not)
    means = [None if sample is None else float(sample.values.mean()) for sample in samples]
    found = replace(found, before=means[0], after=means[1])
    if why_not:
        return found
    for side, of in zip(("before", "after"), scores, strict=True):
        if metric not in of:
            return replace(found, reason=f"not among the results {side}")
    lost = [_failed(of, metric) for of in scores]
    if samples[1] is not None and lost[1] > lost[0]:
        return replace(found, verdict="worse", reason=f"{lost[1]} models without a value, {lost[0]} before")
    stand = [standing(of, metric) for of in scores]
    first, second = (status == "ok" for status, _ in stand)
    if first != second and not any(_is_harmless(status) for status, _ in stand):
        status, reason = stand[1] if first else stand[0]
        return replace(found, verdict="worse" if first else "better", reason=f"{status}: {reason}")
    if not (first and second):
        status, reason = stand[0] if not first else stand[1]
        return replace(found, reason=f"{status}: {reason}" if reason else status)
    if samples[0] is None or samples[1] is None:
        return replace(found, reason="a value over seeds has no values to pair")
    if samples[0].split != samples[1].split:
        return replace(found, reason=f"scored on the {samples[0].split} split before, {samples[1].split} after")
    moved = change(samples[0], samples[1])
    return replace(
        found, before=moved.before, after=moved.after, difference=moved.difference, low=moved.low, high=moved.high,
        p=moved.p,
    )  # fmt: skip


def _failed(scores: Scores, metric: str) -> int:
    here = scores[metric]
    return int((~here.has_value & np.isin(here.status, ["failed", "timeout", "oom", "crashed", "diverged"])).sum())


def _is_harmless(status: str) -> bool:
    """Whether a score has no value that counts, and yet nothing went wrong."""
    return status in ("n/a", "–") or status.endswith(BY_CONSTRUCTION)


def _judged(found: list[Comparison], equivalence: float) -> list[Comparison]:
    tested = [at for at, comparison in enumerate(found) if comparison.p is not None]
    adjusted = dict(zip(tested, holm(np.array([found[at].p for at in tested], dtype=np.float64)), strict=True))
    for at, comparison in enumerate(found):
        if comparison.difference is not None:
            p = float(adjusted.get(at, 1.0))
            found[at] = replace(comparison, verdict=_verdict(comparison, p, equivalence))
    return found


def _verdict(found: Comparison, p: float, equivalence: float) -> Verdict:
    assert found.difference is not None and found.before is not None
    region = equivalence * abs(found.before)
    if found.difference == 0 or (_within(found, region)):
        return "equal"
    if p >= LEVEL:
        return "not separable"
    return "better" if (found.difference < 0) == (found.better == "lower") else "worse"


def _within(found: Comparison, region: float) -> bool:
    return found.low is not None and found.high is not None and -region <= found.low and found.high <= region
