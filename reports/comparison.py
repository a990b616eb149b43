"""Which method is best on one metric, and which cannot be told from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from reports.statistics import LEVEL, Estimate, Sample, holm, p_values

# Relative differences within it are of no practical importance.
EQUIVALENCE = 0.01


@dataclass(frozen=True)
class Candidate:
    """A ranked score: its estimate, and the values it is made of where there are any."""

    estimate: Estimate
    sample: Sample | None


def best_of(candidates: Mapping[str, Candidate], better: str) -> frozenset[str]:
    """The best, and all that cannot be told from it at 5 %; nobody where there is nobody to compare with.

    All pairs are compared and their errors held together (Holm): which one is best is seen from the same data. Values
    over seeds, which come with an interval of their own, are told apart where their intervals do not meet.
    """
    if len(candidates) < 2:
        return frozenset()
    sign = 1 if better == "lower" else -1
    first = min(candidates, key=lambda name: (sign * candidates[name].estimate.mean, name))
    worse = _told_apart(candidates)
    return frozenset(name for name in candidates if name == first or frozenset((name, first)) not in worse)


def _told_apart(candidates: Mapping[str, Candidate]) -> set[frozenset[str]]:
    samples = {name: candidate.sample for name, candidate in candidates.items() if candidate.sample is not None}
    found = p_values(samples)
    adjusted = holm(np.asarray(list(found.values())))
    apart = {pair for pair, p in zip(found, adjusted, strict=True) if p < LEVEL}
    for a, b in combinations(candidates, 2):
        known = a in samples and b in samples
        if not known and _disjoint(candidates[a].estimate, candidates[b].estimate):
            apart.add(frozenset((a, b)))
    return apart


def _disjoint(a: Estimate, b: Estimate) -> bool:
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return False
    return a.high < b.low or b.high < a.low
