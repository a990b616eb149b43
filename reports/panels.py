"""Panels side by side, placed by inches: what a layout engine finds out by drawing everything twice is known before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure


@dataclass(frozen=True)
class Margins:
    """Inches around each panel, for its ticks, labels and title; and around all, for a heading and a legend."""

    left: float = 0.1
    right: float = 0.1
    bottom: float = 0.1
    top: float = 0.3
    head: float = 0.0
    side: float = 0.0
    # Left of the first panel of a row, in place of `left`.
    first: float | None = None


def panels(rows: int, columns: int, width: float, height: float, margins: Margins) -> tuple[Figure, list[list[Any]]]:
    """A figure and its axes by row and column, each `width` by `height` inches."""
    first = margins.left if margins.first is None else margins.first
    whole = first - margins.left + columns * (margins.left + width + margins.right) + margins.side
    high = margins.head + rows * (margins.top + height + margins.bottom)
    figure = Figure(figsize=(whole, high))

    def place(row: int, column: int) -> Any:
        x = first + column * (margins.left + width + margins.right)
        y = high - margins.head - row * (margins.top + height + margins.bottom) - margins.top - height
        return figure.add_axes((x / whole, y / high, width / whole, height / high))

    return figure, [[place(row, column) for column in range(columns)] for row in range(rows)]


def wrapped(n: int, most: int, width: float, height: float, margins: Margins) -> tuple[Figure, list[Any], list[Any]]:
    """A figure with n panels, at most so many in a row; its axes, and of these the first in each row."""
    figure, rows = panels(-(-n // most), min(n, most), width, height, margins)
    every = [axes for row in rows for axes in row]
    for axes in every[n:]:
        axes.remove()
    return figure, every[:n], [row[0] for row in rows]


def heading(figure: Figure, text: str) -> None:
    """A title above all panels."""
    figure.text(0.5, 1 - 0.06 / figure.get_figheight(), text, ha="center", va="top", fontsize=11)
