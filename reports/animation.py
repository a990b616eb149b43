"""Training animations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from reports.pictures import figure_of

_SECONDS = 0.2
_HELD_SECONDS = 4.0
_DPI = 80


def write_gif(frames: Sequence[tuple[str, str, Mapping[str, np.ndarray]]], path: Path) -> None:
    """Write frames (title, kind of picture, its arrays) as a GIF; the last one is held."""
    images = [_image(*frame) for frame in frames]
    milliseconds = [int(1_000 * _SECONDS)] * (len(images) - 1) + [int(1_000 * _HELD_SECONDS)]
    images[0].save(path, save_all=True, append_images=images[1:], duration=milliseconds, loop=0)


def _image(title: str, kind: str, arrays: Mapping[str, np.ndarray]) -> Image.Image:
    figure = figure_of(kind, arrays)
    figure.suptitle(title, fontsize=10)
    figure.set_dpi(_DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("P", palette=Image.Palette.ADAPTIVE)
