"""The figure of a trade-off: each method's configurations, its attained front, and how far that goes over seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reports.palette import Style
from reports.tradeoff import Axis, Tradeoff, attained

Array = np.ndarray

_LEVELS = 400


def front_figure(tradeoff: Tradeoff, style: Mapping[str, Style]) -> Figure:
    """Points: every configuration and seed. Line: the median front. Band: from the best to the worst seed."""
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    axes = figure.add_subplot()
    for method in tradeoff.fronts:
        costs = tradeoff.costs(method)
        if costs.size:
            _draw(axes, tradeoff, method, costs, style[method])
    first, second = tradeoff.axes
    axes.set(title=tradeoff.dataset, xlabel=_label(first), ylabel=_label(second))
    axes.set(xscale="log" if first.log else "linear", yscale="log" if second.log else "linear")
    axes.legend(frameon=False, fontsize=9)
    axes.grid(alpha=0.25, which="both", linewidth=0.5)
    return figure


def _label(axis: Axis) -> str:
    return f"{axis.name} {'↓' if axis.better == 'lower' else '↑'}"


def _draw(axes: Any, tradeoff: Tradeoff, method: str, costs: Array, style: Style) -> None:
    first, second = tradeoff.axes
    points = costs[np.isfinite(costs).all(axis=2)]
    axes.plot(
        first.score(points[:, 0]), second.score(points[:, 1]), style.marker, color=style.colour, markersize=4,
        alpha=0.6, label=method, linestyle="none",
    )  # fmt: skip
    # From the front's best first objective on; beyond the worst of it nothing more is gained.
    levels = np.linspace(points[:, 0].min(), max(points[:, 0].max(), 1.0), _LEVELS)
    reached = attained(costs, levels)
    median = np.median(reached, axis=0)
    known = np.isfinite(median)
    axes.step(first.score(levels[known]), second.score(median[known]), color=style.colour, where="post", linewidth=1.5)
    # Where some seed has no configuration yet, how far the front goes over seeds is not known.
    whole = np.isfinite(reached).all(axis=0)
    low, high = reached[:, whole].min(axis=0), reached[:, whole].max(axis=0)
    axes.fill_between(
        first.score(levels[whole]), second.score(low), second.score(high), color=style.colour, alpha=0.15, step="post",
        linewidth=0,
    )  # fmt: skip
