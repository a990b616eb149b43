"""Means that one point or one seed carries, and the medians that are not carried so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reports.statistics import LEAST_SEEDS, Sample

# A mean is carried by its tail where it is so many medians, or a seed so many median absolute deviations away.
_MEDIANS, _DEVIATIONS, _OF_THE_MEDIAN = 3.0, 5.0, 0.1


@dataclass(frozen=True)
class Tail:
    """What carries a mean: 'points', or the seed by number; and the median over seeds (of medians over points)."""

    carried_by: str
    median: float


def tail_of(sample: Sample) -> Tail | None:
    """The tail of a mean, if that is what it tells of."""
    values = np.asarray(sample.values, dtype=np.float64)
    scores = None if sample.influence else sample.points
    typical = values if scores is None else np.median(scores, axis=1)
    seed = _lone_seed(values)
    if seed is not None:
        name = sample.seeds[seed] if len(sample.seeds) == len(values) else seed
        return Tail(f"seed {name}", float(np.median(typical)))
    median = float(np.median(typical))
    if scores is not None and 0 < _MEDIANS * median < values.mean():
        return Tail("points", median)
    return None


def _lone_seed(values: np.ndarray) -> int | None:
    """The seed furthest from the others, if it is too far to be one of them."""
    if values.size < 3:
        return None
    distance = np.abs(values - np.median(values))
    furthest = int(distance.argmax())
    if values.size >= LEAST_SEEDS:
        deviation, median = float(np.median(distance)), abs(float(np.median(values)))
        # Of few seeds one is often that far by the deviation alone; it must move the mean, too.
        carried = abs(values.mean() - np.median(values)) > _OF_THE_MEDIAN * median
        return furthest if carried and 0 < _DEVIATIONS * deviation < distance[furthest] else None
    others = float(np.median(np.delete(values, furthest)))
    return furthest if 0 < _MEDIANS * others < values[furthest] else None
