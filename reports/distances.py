"""Shepard diagrams and co-ranking matrices of several methods, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reports.palette import Style
from reports.panels import Margins, heading, panels

Array = np.ndarray

_SCALES = {"kept": "kept beyond chance ↑", "trusted": "trustworthiness ↑", "continued": "continuity ↑"}


def distances_figure(of_method: Mapping[str, Mapping[str, Array]], title: str) -> Figure:
    """A column for each method: distances above, ranks below; darker is more pairs, on a square-root scale.

    Args:
        of_method: arrays `pairs`, `ranks` and `largest`, as a model's pictures hold them under 'distances'.
    """
    margins = Margins(left=0.25, right=0.05, bottom=0.3, head=0.3, first=0.45)
    figure, (above, below) = panels(2, len(of_method), 1.5, 1.5, margins)
    heading(figure, title)
    for at, (name, arrays) in enumerate(of_method.items()):
        _counts(above[at], arrays["pairs"], f"distance in the code, to {arrays['largest'][1]:.3g}")
        above[at].set_title(name, fontsize=9)
        _counts(below[at], arrays["ranks"], "rank in the code")
        below[at].plot([0, 1], [0, 1], color="tab:red", linewidth=0.6, alpha=0.6)
    above[0].set_ylabel("distance in the data", fontsize=7)
    below[0].set_ylabel("rank in the data", fontsize=7)
    return figure


def scales_figure(of_method: Mapping[str, Mapping[str, Array]], style: Mapping[str, Style], title: str) -> Figure:
    """Scores of neighbourhoods over their size, a line for each method.

    Args:
        of_method: arrays `sizes` and `sizes.kept`, `.trusted`, `.continued`, as pictures hold them under 'distances'.
    """
    figure, (row,) = panels(1, len(_SCALES), 2.1, 1.8, Margins(left=0.4, bottom=0.4, head=0.5, first=0.5))
    heading(figure, title)
    for axes, (name, label) in zip(row, _SCALES.items(), strict=True):
        for method, arrays in of_method.items():
            axes.plot(arrays["sizes"], arrays[f"sizes.{name}"], color=style[method].colour, linewidth=1.2, label=method)
        axes.set_xscale("log")
        axes.set_title(label, fontsize=8)
        axes.set_xlabel("neighbours", fontsize=8)
        axes.tick_params(labelsize=7)
    figure.legend(
        *row[0].get_legend_handles_labels(), ncols=len(of_method), fontsize=8, frameon=False, loc="upper center",
        bbox_to_anchor=(0.5, 1 - 0.24 / figure.get_figheight()),
    )  # fmt: skip
    return figure


def _counts(axes: Any, counts: Array, label: str) -> None:
    axes.imshow(np.sqrt(counts), origin="lower", extent=(0, 1, 0, 1), cmap="Greys", aspect="equal")
    axes.set(xticks=[], yticks=[])
    axes.set_xlabel(label, fontsize=7)
