"""Figures: embeddings in small multiples with equidistant ellipses, and quality against time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from matplotlib.ticker import NullLocator
from safetensors import SafetensorError
from safetensors.numpy import load_file

from reports.dots import spread_out
from reports.drawn import KEY
from reports.leaderboard import Board
from reports.palette import Style
from reports.panels import Margins, heading
from reports.panels import panels as panels_of
from reports.pictures import are_labels, label_legend, scatter_panel

Array = np.ndarray

# An ellipse of average size spans this share of a panel.
_ELLIPSE_SHARE = 0.05
# Dots per inch: of a figure that can stand in a paper, and of one of many that are looked at on a screen.
PAPER, SCREEN = 200, 110
# Formats that a figure can be written in, with what keeps the date out of it, so that equal figures are equal files.
FORMATS: Mapping[str, Mapping[str, str | None]] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}


@dataclass(frozen=True, eq=False)
class Embedding:
    """Latent points (n, 2) with a colour each, and the pullback metric (m, 2, 2) at some of them (m,).

    `note` is said beside the method's name.
    """

    Z: Array
    colour: Array | None
    rows: Array | None
    G: Array | None
    note: str = ""


def read_embedding(folder: Path) -> Embedding | None:
    """The picture data of a saved model; None where there is none or it is not two-dimensional."""
    try:
        arrays = load_file(folder / "model.safetensors")
    except (OSError, SafetensorError):
        return None
    Z = arrays.get("Z.scored")
    if Z is None or Z.ndim != 2 or Z.shape[1] != 2:
        return None
    return Embedding(Z, arrays.get("colour"), arrays.get("ellipse.rows"), arrays.get("ellipse.G"))


def embeddings(panels: Mapping[str, Embedding], title: str) -> Figure:
    """Small multiples: one panel for each method, points in their colours, equidistant ellipses."""
    columns = min(4, len(panels))
    rows = math.ceil(len(panels) / columns)
    colour = next((panel.colour for panel in panels.values()), None)
    margins = Margins(head=0.3, side=0.6 if are_labels(colour) else 0.0)
    figure, grid = panels_of(rows, columns, 2.4, 2.4, margins)
    heading(figure, title)
    places = [axes for row in grid for axes in row]
    for axes, (name, embedding) in zip(places, panels.items(), strict=False):
        axes.set_title(f"{name} ({embedding.note})" if embedding.note else name, fontsize=10)
        _scatter(axes, embedding)
    for axes in places[len(panels) :]:
        axes.remove()
    label_legend(figure, colour)
    return figure


def equidistant_ellipses(centres: Array, G: Array, radius: float) -> list[Ellipse]:
    """The curves {z : (z - c)^T G (z - c) = radius^2}: what has one distance from c to first order.

    Args:
        centres: (m, 2). G: (m, 2, 2). radius: the one radius of the whole plot, in data units.
    """
    found = []
    for centre, metric in zip(centres, G, strict=True):
        eigenvalues, vectors = np.linalg.eigh(metric)
        if eigenvalues[0] <= 0:
            continue
        angle = np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0]))
        width, height = 2 * radius / np.sqrt(eigenvalues)
        found.append(Ellipse((centre[0], centre[1]), width, height, angle=angle))
    return found


def common_radius(Z: Array, G: Array) -> float:
    """One radius for a plot, such that its median ellipse spans a small share of the points' extent."""
    extent = float(np.ptp(Z, axis=0).max())
    stretch = np.sqrt(np.sqrt(np.clip(np.linalg.det(G), 0, None)))
    return _ELLIPSE_SHARE * extent * float(np.median(stretch)) / 2


def quality_against_time(boards: Sequence[Board], metrics: Sequence[str], style: Mapping[str, Style]) -> Figure:
    """One panel for each data set and metric: mean score with its interval against seconds of fitting."""
    metrics = [name for name in metrics if any(name in board.metrics for board in boards)]
    margins = Margins(left=0.75, right=0.05, bottom=0.5, top=0.3, head=0.4)
    figure, grid = panels_of(len(boards), len(metrics), 2.5, 2.0, margins)
    drawn: dict[str, Any] = {}
    for board, row in zip(boards, grid, strict=True):
        for name, axes in zip(metrics, row, strict=True):
            if name in board.metrics:
                drawn |= _points(axes, board, name, style)
            else:
                axes.remove()
    if drawn:
        figure.legend(drawn.values(), drawn, loc="upper center", ncols=min(8, len(drawn)), fontsize=8, frameon=False)
    return figure


def save(figure: Figure, path: Path, formats: Sequence[str] = ("png",), dpi: int = SCREEN, key: str = "") -> None:
    """Write a figure, in each format beside the others; equal figures are equal files.

    Args:
        key: what it was drawn from, kept in the PNG file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure)
    with mpl.rc_context({"svg.hashsalt": path.stem}):
        for name in formats:
            kept = {KEY: key} if key and name == "png" else {}
            # A file that a kill left half written would be taken for one that is drawn.
            partial = path.with_suffix(f".{name}.partial")
            figure.savefig(partial, format=name, dpi=dpi, metadata={**FORMATS[name], **kept})
            partial.replace(path.with_suffix(f".{name}"))


def _scatter(axes, embedding: Embedding) -> None:  # type: ignore[no-untyped-def]
    Z = embedding.Z
    scatter_panel(axes, Z, embedding.colour)
    if embedding.G is not None and embedding.rows is not None and len(embedding.G):
        radius = common_radius(Z, embedding.G)
        ellipses = equidistant_ellipses(Z[embedding.rows], embedding.G, radius)
        axes.add_collection(PatchCollection(ellipses, facecolor="none", edgecolor="black", alpha=0.45, linewidths=0.8))
    centre, half = (Z.min(axis=0) + Z.max(axis=0)) / 2, 0.56 * max(float(np.ptp(Z, axis=0).max()), 1e-12)
    axes.set(xlim=(centre[0] - half, centre[0] + half), ylim=(centre[1] - half, centre[1] + half))
    axes.set(aspect="equal")


def _points(axes: Any, board: Board, name: str, style: Mapping[str, Style]) -> dict[str, Any]:
    """The methods of one panel, by name."""
    drawn = {}
    for row in board.rows:
        entry = row.entries.get(name)
        if entry is None or entry.estimate is None or row.seconds is None:
            continue
        found = entry.estimate
        spread = None
        if found.low is not None and found.high is not None:
            spread = [[max(0.0, found.mean - found.low)], [max(0.0, found.high - found.mean)]]
        look = style[row.method]
        drawn[row.method] = axes.errorbar(
            max(row.seconds, 1e-3), found.mean, yerr=spread, fmt=look.marker, color=look.colour, capsize=2,
            mfc="white" if row.decoder == "attached" else look.colour,
        )  # fmt: skip
    arrow = "↓" if board.better.get(name) == "lower" else "↑"
    axes.set(xscale="log", title=board.dataset)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("seconds of fitting (hollow: attached decoder)", fontsize=8)
    axes.set_ylabel(f"{name} {arrow}", fontsize=8)
    shown = [known for row in board.rows if (known := row.entries[name].estimate)]
    spread_out(
        axes, "y", [value for known in shown for value in (known.mean, known.low, known.high) if value is not None]
    )
    axes.margins(x=0.15, y=0.12)
    axes.tick_params(labelsize=8)
    return drawn
