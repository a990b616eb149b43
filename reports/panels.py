"""Panels side by side, placed by inches: what a layout engine finds out by drawing everything twice is known before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure


@dataclass(frozen=True)
class Frame:
    """Inches around each panel, for its ticks, labels and title; and around all, for a heading and a legend."""

    left: float = 0.1
    right: float = 0.1
    bottom: float = 0.1
    top: float = 0.3
    head: float = 0.0
    side: float = 0.0
    # Left of the first panel of a row, in place of `left`.
    first: float | None = None


def panels(rows: int, columns: int, width: float, height: float, frame: Frame) -> tuple[Figure, list[list[Any]]]:
    """A figure and its axes by row and column, each `width` by `height` inches."""
    first = frame.left if frame.first is None else frame.first
    whole = first - frame.left + columns * (frame.left + width + frame.right) + frame.side
    high = frame.head + rows * (frame.top + height + frame.bottom)
    figure = Figure(figsize=(whole, high))

    def place(row: int, column: int) -> Any:
        x = first + column * (frame.left + width + frame.right)
        y = high - frame.head - row * (frame.top + height + frame.bottom) - frame.top - height
        return figure.add_axes((x / whole, y / high, width / whole, height / high))

    return figure, [[place(row, column) for column in range(columns)] for row in range(rows)]


def heading(figure: Figure, text: str) -> None:
    """A title above all panels."""
    figure.text(0.5, 1 - 0.06 / figure.get_figheight(), text, ha="center", va="top", fontsize=11)
