"""Every report seed as a point: what means and intervals are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reports.headline import columns
from reports.leaderboard import Board, Entry
from reports.palette import Style
from reports.panels import Margins, heading, panels

# An axis is logarithmic where its values are all positive and the largest is so many times their median.
_SPAN = 10.0


def seeds_figure(board: Board, headline: Sequence[str], style: Mapping[str, Style]) -> Figure | None:
    """One panel for each headline metric, methods on the vertical axis; None where there is nothing to draw."""
    names = [name for name in columns(board, headline) if any(_values(row.entries[name]).size for row in board.rows)]
    if not names:
        return None
    longest = max(len(row.method) for row in board.rows)
    margins = Margins(bottom=0.3, top=0.3, head=0.3, first=0.2 + 0.08 * longest)
    figure, (row_of_panels,) = panels(1, len(names), 1.9, 0.2 + 0.25 * len(board.rows), margins)
    heading(figure, f"{board.dataset}: every seed (points) and the mean (line)")
    for axes, name in zip(row_of_panels, names, strict=True):
        for at, row in enumerate(board.rows):
            _draw(axes, at, row.entries[name], style[row.method])
        axes.set_title(board.column(name).replace("_", " "), fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(axis="x", alpha=0.25, linewidth=0.5)
        spread_out(axes, "x", [value for row in board.rows for value in _values(row.entries[name])])
        axes.set(yticks=[], ylim=(len(board.rows) - 0.5, -0.5))
    row_of_panels[0].set(yticks=range(len(board.rows)), yticklabels=[row.method for row in board.rows])
    return figure


def spread_out(axes: Any, which: str, values: Sequence[float]) -> None:
    """A logarithmic axis where one outlier would flatten the rest."""
    known = np.asarray([value for value in values if np.isfinite(value)])
    if known.size and known.min() > 0 and known.max() > _SPAN * np.median(known):
        axes.set(**{f"{which}scale": "log"})


def _values(entry: Entry) -> np.ndarray:
    if entry.sample is not None:
        return np.asarray(entry.sample.values, dtype=np.float64)
    return np.asarray([] if entry.estimate is None else [entry.estimate.mean])


def _draw(axes: Any, at: int, entry: Entry, style: Style) -> None:
    values = _values(entry)
    if not values.size:
        return
    # What is not ranked is drawn hollow.
    face = style.colour if entry.ranked else "none"
    axes.plot(
        values,
        np.full(values.size, at),
        style.marker,
        color=style.colour,
        markerfacecolor=face,
        markersize=5,
        alpha=0.8,
    )
    axes.plot([values.mean()] * 2, [at - 0.3, at + 0.3], color=style.colour, linewidth=1.5)
