"""How tuning went: the best score so far after each trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.palette import Style
from reports.panels import Margins, panels

Curves = dict[str, list[float]]


def best_so_far(frame: pd.DataFrame, selections: Sequence[Mapping[str, Any]], objective: str) -> dict[str, Curves]:
    """By data set and method, the best mean over tuning seeds after each trial, in the order they were asked."""
    rows = frame[(frame["phase"] == "tune") & (frame["metric"] == objective)]
    found: dict[str, Curves] = {}
    for choice in selections:
        order = {cell: at for at, cell in enumerate(choice["trials"])}
        here = rows[rows["cell_id"].isin(list(order))]
        if here.empty:
            continue
        scores = (
            here.assign(at=here["cell_id"].map(order))
            .groupby("config_id")
            .agg(at=("at", "min"), value=("value", "mean"))
        )
        values = scores.sort_values("at")["value"].astype(float).to_numpy()
        lower = str(here["better"].iloc[0]) == "lower"
        best = (np.fmin if lower else np.fmax).accumulate(values)
        found.setdefault(str(choice["dataset"]), {})[str(choice["method"])] = best.tolist()
    return found


def tuning_figure(curves: Mapping[str, Curves], objective: str, style: Mapping[str, Style]) -> Figure:
    """One panel for each data set, a line for each method."""
    figure, (row,) = panels(1, len(curves), 2.5, 2.2, Margins(left=0.45, bottom=0.45, first=0.7))
    for axes, (dataset, of_methods) in zip(row, curves.items(), strict=True):
        for method, values in of_methods.items():
            drawn = style[method]
            trials = range(1, len(values) + 1)
            axes.plot(trials, values, marker=drawn.marker, markersize=4, color=drawn.colour, label=method)
        axes.set_title(dataset, fontsize=9)
        axes.set_xlabel("trials", fontsize=8)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.tick_params(labelsize=8)
        axes.legend(fontsize=7)
    row[0].set_ylabel(f"best {objective} so far", fontsize=8)
    return figure
