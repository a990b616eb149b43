"""From rows of the results frame to the samples that means and comparisons are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from reports.frames import of_models
from reports.statistics import Sample

Array = np.ndarray
# The scores of a model by point, by metric, from its cell id; empty where there are none. Where they are influences on
# the score, and not scores of the points, the metric's name has this at its end.
PointsOf = Callable[[str], Mapping[str, Array]]
INFLUENCE = ".influence"
# The rows of one method on one data set, by metric.
Scores = Mapping[str, pd.DataFrame]
_OF_A_SCORE = ["cell_id", "seed", "n_seeds", "split", "metric", "value", "better", "status", "reason"]

BY_CONSTRUCTION, COLLAPSED, SINGULAR = "by construction", "collapsed", "rank-deficient"


def no_points(cell_id: str) -> Mapping[str, Array]:
    """The scores by point of a frame alone, which has none."""
    return {}


def by_metric(rows: pd.DataFrame) -> Scores:
    """The rows of one method on one data set, by the metric that they are of."""
    return {str(name): here for name, here in rows[_OF_A_SCORE].groupby("metric", observed=True, sort=False)}


def samples_of(scores: Scores, metrics: Sequence[str], points_of: PointsOf) -> dict[str, Sample]:
    """For each metric the values of one method on one data set: of the models whose values count, or of all."""
    of_each = {name: of_models(scores[name]) for name in metrics if name in scores}
    cells = {str(cell) for here in of_each.values() for cell in here["cell_id"].dropna()}
    by_cell = {cell: points_of(cell) for cell in cells}
    found = {}
    for name, rows in of_each.items():
        here = rows[rows["value"].notna()].sort_values("seed")
        counted = here[here["status"] != COLLAPSED]
        here = counted if len(counted) else here
        if len(here):
            of_cells = [by_cell.get(str(cell), {}) for cell in here["cell_id"]]
            influences = _table([given.get(name + INFLUENCE) for given in of_cells])
            # A frame of another program may name no seeds, or one seed for all.
            named = here["seed"].notna().all() and here["seed"].is_unique
            seeds = here["seed"].tolist() if named else range(len(here))
            found[name] = Sample(
                here["value"].to_numpy(dtype=np.float64), tuple(seeds),
                _table([given.get(name) for given in of_cells]) if influences is None else influences,
                str(here["split"].iloc[0]), influences is not None,
            )  # fmt: skip
    return found


def standing(scores: Scores, name: str) -> tuple[str, str]:
    """Whether the score of one method on one data set counts ('ok'), or what it is else; and why."""
    if name not in scores:
        return "–", ""
    here = scores[name]
    valued = here[here["value"].notna()]
    if not len(valued):
        statuses, reasons = (here[column].dropna().unique().tolist() for column in ("status", "reason"))
        return ", ".join(str(status) for status in statuses if status != "ok") or "–", "; ".join(map(str, reasons))
    for status in (COLLAPSED, BY_CONSTRUCTION):
        such = valued[valued["status"] == status]
        if len(such):
            some = f"{len(such)} of {len(valued)} " if len(such) < len(valued) else ""
            return some + status, str(such["reason"].iloc[0])
    singular = scores.get(f"{name}_rank_deficient")
    if singular is not None and (singular["value"].dropna() > 0).any():
        # Such a mean holds points with the largest number that precision can tell, in place of infinity.
        return SINGULAR, "the decoder ignores a latent direction at some points"
    return "ok", ""


def _table(points: Sequence[Array | None]) -> Array | None:
    """Scores by seed and point, if all of the models have them for the same points."""
    known = [values for values in points if values is not None]
    if len(known) < len(points) or len({len(values) for values in known}) != 1:
        return None
    return np.stack(known)
