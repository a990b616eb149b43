"""Claims judged by a suite's results: what holds, what does not, and what these results cannot tell."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd

from reports.leaderboard import own_estimate, short
from reports.samples import SINGULAR, PointsOf, by_metric, samples_of, standing
from reports.statistics import LEAST_SEEDS, Estimate, Sample, change, estimate, is_of_a_ratio_scale, logarithm

Verdict = Literal["reproduced", "not reproduced", "inconclusive"]

LEGEND = (
    "Each claim is judged by the rule that its suite file names. **reproduced**: the 95 % interval of the "
    "difference, paired by seed and test point, lies on the side that the claim names, on every data set; **not "
    "reproduced**: on some data set it lies on the other side; **inconclusive**: it holds both, or there is no score "
    "that counts."
)

# What a claim says of itself, and is not judged by.
_SAID = ("statement", "source", "published")
CHANGED = (
    "What decides these claims (their rules, or below what explained variance a model is collapsed) is not what it was "
    "in this folder's first run: it was changed once there were results."
)


@dataclass(frozen=True)
class Finding:
    """A claim on one data set.

    Attributes:
        ours: what was found, in words. verdict, reason: whether it bears the claim out, and why not.
    """

    dataset: str
    ours: str
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True)
class Judged:
    """A claim with what became of it."""

    claim: Mapping[str, Any]
    findings: Sequence[Finding]

    @property
    def verdict(self) -> Verdict:
        """Over all its data sets."""
        found = {finding.verdict for finding in self.findings}
        if "not reproduced" in found:
            return "not reproduced"
        return "reproduced" if found == {"reproduced"} else "inconclusive"

    @property
    def rule(self) -> str:
        """'mcn of irvae < mcn of vae'."""
        claim = self.claim
        factor = "" if claim["factor"] == 1 else f"{claim['factor']:g} "
        other = f"{claim['right_metric']} of {claim['right']}" if claim["right"] else f"{claim['value']:g}"
        return f"{claim['metric']} of {claim['left']} {claim['sign']} {factor}{other}"


def judged(claims: Sequence[Mapping[str, Any]], frame: pd.DataFrame, points_of: PointsOf) -> list[Judged]:
    """Each claim with its findings.

    Args:
        claims: as the ledger keeps them (`bench.suite.claims.Claim`). frame: what is reported, rows of final models.
    """
    final = frame[frame["phase"] == "final"]
    return [Judged(claim, [_finding(claim, final, name, points_of) for name in claim["datasets"]]) for claim in claims]


def table(found: Sequence[Judged]) -> list[list[str]]:
    """Rows for a table: a claim, the verdict, ours on each data set, the published figure, rule and source."""
    lines = [["claim", "verdict", "ours", "published", "rule", "source"]]
    for one in found:
        several = len(one.findings) > 1
        ours = "; ".join(
            f"{f.dataset}: {f.ours}" + (f" ({f.reason})" if f.reason else "") + (f", {f.verdict}" if several else "")
            for f in one.findings
        )
        claim = one.claim
        lines.append([
            claim["statement"], f"**{one.verdict}**", ours, claim["published"] or "–", f"`{one.rule}`", claim["source"]
        ])  # fmt: skip
    return lines


def summary(found: Sequence[Judged]) -> str:
    """'5 of 7 claims reproduced, 1 not, 1 inconclusive.'"""
    verdicts = [one.verdict for one in found]
    held, failed, open_ = (verdicts.count(v) for v in ("reproduced", "not reproduced", "inconclusive"))
    return f"{held} of {len(found)} claims reproduced, {failed} not, {open_} inconclusive."


def said(found: Sequence[Judged], runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """What has to be known to read the table.

    Args:
        runs: of the result folder, the first one first.
    """
    changed = len({_what_decides(run) for run in (*runs[:1], *runs[-1:])}) > 1
    return [f"{summary(found)} {LEGEND}", *([CHANGED] if changed else [])] if found else []


def _what_decides(run: Mapping[str, Any]) -> str:
    rules = [{name: value for name, value in claim.items() if name not in _SAID} for claim in run.get("claims", ())]
    return json.dumps([rules, run.get("min_explained_variance")], sort_keys=True)


@dataclass(frozen=True)
class _Side:
    """One side of a claim's rule: the values it is made of where there are any, or an estimate with an interval."""

    estimate: Estimate
    sample: Sample | None


def _finding(claim: Mapping[str, Any], frame: pd.DataFrame, dataset: str, points_of: PointsOf) -> Finding:
    here = frame[frame["dataset"] == dataset]
    try:
        left = _side(here, str(claim["left"]), str(claim["metric"]), points_of)
        right = _side(here, str(claim["right"]), str(claim["right_metric"]), points_of) if claim["right"] else None
    except _NoScoreError as error:
        return Finding(dataset, "no score that counts", "inconclusive", str(error))
    bound = short(claim["factor"] * claim["value"]) if right is None else _with_interval(right.estimate)
    ours = f"{_with_interval(left.estimate)} against {bound}"
    interval = _difference(left, right, claim)
    if interval is None:
        return Finding(dataset, ours, "inconclusive", "nothing tells how far chance goes")
    low, high = interval if claim["sign"] == "<" else (-interval[1], -interval[0])
    return Finding(dataset, ours, "reproduced" if high < 0 else "not reproduced" if low > 0 else "inconclusive")


class _NoScoreError(ValueError):
    pass


def _side(here: pd.DataFrame, method: str, metric: str, points_of: PointsOf) -> _Side:
    scores = by_metric(here[here["method"] == method])
    status, reason = standing(scores, metric)
    if status not in ("ok", SINGULAR):
        raise _NoScoreError(f"{method}: {metric} {status}" + (f", {reason}" if reason else ""))
    sample = samples_of(scores, [metric], points_of).get(metric)
    found = own_estimate(scores, metric) if sample is None else estimate(sample)
    assert found is not None, "a score that counts has a value"
    return _Side(found, sample)


def _difference(left: _Side, right: _Side | None, claim: Mapping[str, Any]) -> tuple[float, float] | None:
    """95 % interval of left - factor x right, or of the difference of their logarithms where neither can be negative.

    None where there is none.
    """
    factor = float(claim["factor"])
    if right is None:
        bound = factor * float(claim["value"])
        low, high = left.estimate.low, left.estimate.high
        if low is None or high is None:
            # Of so many seeds there is no interval where all have one value.
            same = left.estimate.n >= LEAST_SEEDS
            return (left.estimate.mean - bound, left.estimate.mean - bound) if same else None
        return low - bound, high - bound
    if left.sample is not None and right.sample is not None:
        pair = [_scaled(right.sample, factor), left.sample]
        if all(map(is_of_a_ratio_scale, pair)):
            pair = [logarithm(sample) for sample in pair]
        found = change(*pair)
        return None if found.low is None or found.high is None else (found.low, found.high)
    ends = [left.estimate.low, left.estimate.high, right.estimate.low, right.estimate.high]
    if any(end is None for end in ends):
        return None
    a, b, c, d = (float(end) for end in ends if end is not None)
    return a - factor * d, b - factor * c


def _scaled(sample: Sample, factor: float) -> Sample:
    points = None if sample.points is None else factor * sample.points
    return replace(sample, values=factor * sample.values, points=points)


def _with_interval(found: Estimate) -> str:
    if found.low is None or found.high is None:
        return short(found.mean)
    return f"{short(found.mean)} [{short(found.low)}, {short(found.high)}]"
