"""Scores over the values of an axis: a line for each method, a band over its seeds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reports.dots import spread_out
from reports.headline import has_values
from reports.leaderboard import Board, Entry
from reports.palette import styles
from reports.panels import Margins, heading, panels
from reports.samples import SINGULAR

# An axis is logarithmic where its values are positive and span so much.
_SPAN = 8.0
_LEGEND_COLUMNS = 5

# Of a line: its values, each with the scores there by metric.
Line = dict[float, Mapping[str, Entry]]


@dataclass(frozen=True)
class Axis:
    """Lines over one parameter, of a method on one data set, or of the data set itself."""

    dataset: str
    parameter: str
    lines: Mapping[str, Line]


def axes_of(boards: Sequence[Board]) -> list[Axis]:
    """Every parameter that takes several numbers in the names of methods or data sets, as in 'irvae[latent_dim=4]'."""
    found: dict[tuple[str, str], dict[str, Line]] = {}
    for board in boards:
        for row in board.rows:
            for parameter, value, rest in _parts(row.method):
                lines = found.setdefault((board.dataset, parameter), {})
                lines.setdefault(rest, {})[value] = row.entries
            for parameter, value, rest in _parts(board.dataset):
                found.setdefault((rest, parameter), {}).setdefault(row.method, {})[value] = row.entries
    return [
        Axis(dataset, parameter, lines)
        for (dataset, parameter), lines in found.items()
        if any(len(line) > 1 for line in lines.values())
    ]


def axis_columns(methods: Sequence[str]) -> dict[str, dict[str, str]]:
    """The values of each parameter that is an axis of methods, as text by method: columns of a table."""
    found: dict[str, dict[str, str]] = {}
    for method in methods:
        for parameter, text, _ in _items(method):
            found.setdefault(parameter, {})[method] = text
    return found


def axis_figure(axis: Axis, boards: Sequence[Board], headline: Sequence[str]) -> Figure | None:
    """One panel for each headline metric; None where none has a value."""
    better = {name: board.better[name] for board in boards for name in board.metrics if has_values(board, name)}
    shown = [name for name in headline if name in better and any(_points(line, name) for line in axis.lines.values())]
    if not shown:
        return None
    legend_rows = -(-len(axis.lines) // _LEGEND_COLUMNS)
    margins = Margins(left=0.45, bottom=0.45, top=0.3, head=0.35 + 0.18 * legend_rows, first=0.5)
    figure, (row,) = panels(1, len(shown), 2.0, 1.8, margins)
    heading(figure, f"{axis.dataset}: scores over {axis.parameter}")
    looks = styles(list(axis.lines))
    for axes, name in zip(row, shown, strict=True):
        for method, line in axis.lines.items():
            _draw(axes, _points(line, name), method, looks[method])
        drawn = [entry for line in axis.lines.values() for _, entry in _points(line, name)]
        spread_out(axes, "y", [entry.estimate.mean for entry in drawn if entry.estimate is not None])
        arrow = "↓" if better[name] == "lower" else "↑"
        axes.set_title(f"{name} {arrow}".replace("_", " "), fontsize=8)
        axes.set_xlabel(axis.parameter, fontsize=8)
        axes.tick_params(labelsize=7)
        values = sorted({value for line in axis.lines.values() for value in line})
        if values[0] > 0 and values[-1] >= _SPAN * values[0]:
            axes.set_xscale("log")
        axes.set_xticks(values, [f"{value:g}" for value in values])
        axes.minorticks_off()
    handles, labels = row[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, ncols=min(_LEGEND_COLUMNS, len(labels)), fontsize=8, frameon=False, loc="upper center",
        bbox_to_anchor=(0.5, 1 - 0.26 / figure.get_figheight()),
    )  # fmt: skip
    return figure


def _parts(name: str) -> Iterator[tuple[str, float, str]]:
    """Each parameter of a name that is a number, with its value, and the name without it."""
    for parameter, text, rest in _items(name):
        try:
            yield parameter, float(text), rest
        except ValueError:
            continue


def _items(name: str) -> Iterator[tuple[str, str, str]]:
    """Each parameter of a name, with its value as text, and the name without it."""
    match = re.fullmatch(r"(.*)\[(.*)\]", name)
    if match is None:
        return
    items = match[2].split(",")
    for at, item in enumerate(items):
        parameter, _, text = item.partition("=")
        others = ",".join(items[:at] + items[at + 1 :])
        yield parameter, text, f"{match[1]}[{others}]" if others else match[1]


def _points(line: Line, name: str) -> list[tuple[float, Entry]]:
    known = ((value, entries[name]) for value, entries in sorted(line.items()) if name in entries)
    return [(value, entry) for value, entry in known if entry.estimate is not None and entry.status != SINGULAR]


def _draw(axes: Any, points: Sequence[tuple[float, Entry]], label: str, style: Any) -> None:
    if not points:
        return
    x = [value for value, _ in points]
    means = [entry.estimate.mean for _, entry in points if entry.estimate is not None]
    axes.plot(x, means, f"{style.marker}-", color=style.colour, linewidth=1, markersize=4, label=label)
    for value, mean, (_, entry) in zip(x, means, points, strict=True):
        # What is not ranked is drawn hollow.
        face = style.colour if entry.ranked else "white"
        axes.plot([value], [mean], style.marker, color=style.colour, markerfacecolor=face, markersize=4)
    seeds = [np.asarray([m] if e.sample is None else e.sample.values) for m, (_, e) in zip(means, points, strict=True)]
    low, high = ([float(end(values)) for values in seeds] for end in (np.min, np.max))
    axes.fill_between(x, low, high, color=style.colour, alpha=0.15, linewidth=0)
