"""How well retrained models agree on distances: the table of `geodesic_cv` and its baselines."""

from __future__ import annotations

import pandas as pd

from reports.frames import in_order, is_over_seeds
from reports.leaderboard import short

METRIC = "geodesic_cv"

LEGEND = (
    "The same pairs of held-out points, measured by every reported model of a configuration: along the model's "
    "geodesic, along the straight line between the codes (pulled back), and between the codes themselves. CV: standard "
    "deviation over models divided by the mean, over pairs. CV alone rewards a distance that is the same for all "
    "pairs, as is almost the published sum of jumps between an ensemble's members; ICC (share of the variance that is "
    "between pairs) and the rank agreement of models do not. In brackets: 95 % bootstrap intervals over models and "
    "pairs, which are rough where the models are few."
)

_KINDS = {"": "geodesic", "_straight": "straight line", "_euclidean": "codes", "_published": "published sum of jumps"}
_HEADER = ["method", "distance", "CV, mean ↓", "CV, median ↓", "CV without scale ↓", "ICC ↑", "Spearman ↑", "models"]


def stability_tables(frame: pd.DataFrame) -> dict[str, list[list[str]]]:
    """For each data set the lines of its table, header first; none where the metric was not asked for."""
    rows = frame[(frame["phase"] == "final") & is_over_seeds(frame) & frame["value"].notna()]
    rows = rows[rows["metric"].str.startswith(METRIC)]
    tables = {}
    for dataset in in_order(rows["dataset"]):
        here = rows[rows["dataset"] == dataset]
        lines = [_HEADER, ["---"] * len(_HEADER)]
        for method in in_order(here["method"]):
            lines += _of_method(method, here[here["method"] == method])
        tables[dataset] = lines
    return tables


def _of_method(method: str, rows: pd.DataFrame) -> list[list[str]]:
    values = rows.set_index("metric")["value"]
    n_models = str(rows["n_seeds"].iloc[0])

    def text(name: str) -> str:
        if name not in values:
            return "–"
        ends = [values[f"{name}_{end}"] for end in ("low", "high") if f"{name}_{end}" in values]
        return short(values[name]) + (f" [{short(ends[0])}, {short(ends[1])}]" if len(ends) == 2 else "")

    statistics = ("", "_median", "_scale_free", "_icc", "_spearman")
    return [
        [method, kind, *(text(f"{METRIC}{suffix}{statistic}") for statistic in statistics), n_models]
        for suffix, kind in _KINDS.items()
        if METRIC + suffix in values
    ]
