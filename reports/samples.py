"""From rows of the results frame to the samples that means and comparisons are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, cast

import numpy as np
import pandas as pd

from reports.frames import is_over_seeds
from reports.statistics import Sample

Array = np.ndarray
# The scores of a model by point, by metric, from its cell id; empty where there are none. Where they are influences on
# the score, and not scores of the points, the metric's name has this at its end.
PointsOf = Callable[[str], Mapping[str, Array]]
INFLUENCE = ".influence"
BY_CONSTRUCTION, COLLAPSED, SINGULAR = "by construction", "collapsed", "rank-deficient"


def no_points(cell_id: str) -> Mapping[str, Array]:
    """The scores by point of a frame alone, which has none."""
    return {}


@dataclass(frozen=True, eq=False)
class Column:
    """The rows of one metric, of one method on one data set.

    Attributes:
        value: (n,), NaN where there is none. over_seeds: which rows are about all seeds together (n,).
        others: as in the frame, None where a value is missing.
    """

    value: Array
    over_seeds: Array
    cell_id: Array
    seed: Array
    n_seeds: Array
    split: Array
    better: Array
    status: Array
    reason: Array

    @property
    def has_value(self) -> Array:
        return ~np.isnan(self.value)

    def at(self, rows: Array) -> Column:
        """Some of the rows, by number or by mask."""
        return Column(*(getattr(self, of.name)[rows] for of in fields(self)))

    def texts(self, name: str) -> list[str]:
        """What is said in a column, each text once."""
        return [str(text) for text in dict.fromkeys(getattr(self, name)) if text is not None]


# The columns of one method on one data set, by metric.
Scores = Mapping[str, Column]
_AS_THEY_ARE = [of.name for of in fields(Column)][2:]


def by_metric(rows: pd.DataFrame) -> Scores:
    """The rows of one method on one data set, by the metric that they are of."""
    # Out of the frame once: of very many rows, each question to a frame costs more than its answer.
    value = rows["value"].to_numpy(dtype=np.float64, na_value=np.nan)
    others = (cast("Any", rows[name]).to_numpy(dtype=object, na_value=None) for name in _AS_THEY_ARE)
    every = Column(value, is_over_seeds(rows).to_numpy(dtype=bool), *others)
    number, names = pd.factorize(rows["metric"])
    return {str(name): every.at(np.flatnonzero(number == at)) for at, name in enumerate(names)}


def samples_of(scores: Scores, metrics: Sequence[str], points_of: PointsOf) -> dict[str, Sample]:
    """For each metric the values of one method on one data set: of the models whose values count, or of all."""
    of_each = {name: scores[name].at(~scores[name].over_seeds) for name in metrics if name in scores}
    cells = {cell for column in of_each.values() for cell in column.texts("cell_id")}
    by_cell = {cell: points_of(cell) for cell in cells}
    found = {}
    for name, column in of_each.items():
        here = column.at(column.has_value)
        counts = here.status != COLLAPSED
        here = here.at(counts) if counts.any() else here
        if len(here.value):
            # A frame of another program may name no seeds, or one seed for all.
            known = None not in here.seed
            here = here.at(np.argsort(here.seed, kind="stable")) if known else here
            named = known and len(set(here.seed)) == len(here.seed)
            of_cells = [by_cell.get(cell, {}) for cell in here.cell_id]
            influences = _table([given.get(name + INFLUENCE) for given in of_cells])
            found[name] = Sample(
                here.value, tuple(here.seed if named else range(len(here.value))),
                _table([given.get(name) for given in of_cells]) if influences is None else influences,
                here.split[0] or "test", influences is not None,
            )  # fmt: skip
    return found


def standing(scores: Scores, name: str) -> tuple[str, str]:
    """Whether the score of one method on one data set counts ('ok'), or what it is else; and why."""
    if name not in scores:
        return "–", ""
    here = scores[name]
    valued = here.at(here.has_value)
    n = len(valued.value)
    if not n:
        return ", ".join(said for said in here.texts("status") if said != "ok") or "–", "; ".join(here.texts("reason"))
    for status in (COLLAPSED, BY_CONSTRUCTION):
        such = np.flatnonzero(valued.status == status)
        if len(such):
            some = f"{len(such)} of {n} " if len(such) < n else ""
            return some + status, valued.reason[such[0]] or ""
    singular = scores.get(f"{name}_rank_deficient")
    if singular is not None and (singular.value > 0).any():
        # Such a mean holds points with the largest number that precision can tell, in place of infinity.
        return SINGULAR, "the decoder ignores a latent direction at some points"
    return "ok", ""


def _table(points: Sequence[Array | None]) -> Array | None:
    """Scores by seed and point, if all of the models have them for the same points."""
    known = [values for values in points if values is not None]
    if len(known) < len(points) or len({len(values) for values in known}) != 1:
        return None
    return np.stack(known)
