"""One colour and marker for each method, the same in every figure.

Source: Okabe and Ito 2008, Color Universal Design: hues that colour-blind readers tell apart, and of different
lightness, so that they survive grey; markers tell them apart where colour is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#999999")
_MARKERS = "os^Dv<>P*X"


@dataclass(frozen=True)
class Style:
    """How a method is drawn."""

    colour: str
    marker: str


def styles(methods: Sequence[str]) -> dict[str, Style]:
    """By method, in the order that the suite names them; beyond eight, colours come again with other markers."""
    return {
        method: Style(_COLOURS[at % len(_COLOURS)], _MARKERS[(at + at // len(_COLOURS)) % len(_MARKERS)])
        for at, method in enumerate(dict.fromkeys(methods))
    }
