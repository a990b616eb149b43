"""Pictures of one fitted method, drawn from the arrays that were saved with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from safetensors import SafetensorError
from safetensors.numpy import load_file

Array = np.ndarray
Arrays = Mapping[str, Array]

# Values that differ by less, relative to their size, differ by rounding.
_ROUNDING = 1e-6


def read_pictures(folder: Path) -> dict[str, dict[str, Array]]:
    """The arrays of each kind of picture of a saved model; none where there are none."""
    try:
        arrays = load_file(folder / "pictures.safetensors")
    except (OSError, SafetensorError):
        return {}
    found: dict[str, dict[str, Array]] = {}
    for name, value in arrays.items():
        kind, _, part = name.partition(".")
        found.setdefault(kind, {})[part] = value
    return found


def captions(pictures: Mapping[str, Arrays]) -> dict[str, str]:
    """What is seen of each kind that can be drawn, in the order of the table."""
    return {kind: caption for kind, (caption, _) in _FIGURES.items() if kind in pictures}


def titled(kind: str, arrays: Arrays, model: str) -> Figure:
    """The figure of one kind of picture, with its caption.

    Args:
        model: method and data set, for the title.
    """
    caption, figure = _FIGURES[kind]
    drawn = figure(arrays)
    drawn.suptitle(f"{model}: {caption}", fontsize=9)
    return drawn


def figure_of(kind: str, arrays: Arrays) -> Figure:
    """The figure of one kind of picture, or of 'codes': latent points of the plane."""
    return _scatter(arrays) if kind == "codes" else _FIGURES[kind][1](arrays)


def curve_panel(axes, arrays: Arrays) -> None:  # type: ignore[no-untyped-def]
    """The decoded curve over noisy training points and the true curve, with local expansions where there are any."""
    train, reconstructed = arrays["train"], arrays["reconstructed"]
    axes.plot(*arrays["truth"].T, color="0.5", linestyle="--", linewidth=1, label="true curve")
    residuals = axes.plot(
        *np.stack([train, reconstructed]).transpose(2, 0, 1), color="tab:red", linewidth=0.5, alpha=0.6
    )
    residuals[0].set_label("to their reconstructions")
    axes.plot(*arrays["decoded"].T, color="tab:orange", linewidth=2, label="decoded curve")
    axes.scatter(*train.T, s=10, color="black", zorder=3, label="training points")
    for position, (centre, local) in enumerate(zip(arrays.get("centres", ()), arrays.get("local", ()), strict=True)):
        label = "local expansions" if position == 0 else None
        axes.plot(*local.T, color="tab:green", linewidth=1.5, label=label)
        axes.scatter(*centre, s=25, color="tab:green", zorder=4)
    truth = arrays["truth"]
    margin = 0.25 * np.ptp(truth, axis=0).max()
    low, high = truth.min(axis=0) - margin, truth.max(axis=0) + margin
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")


def scatter_panel(axes, Z: Array, colour: Array | None) -> None:  # type: ignore[no-untyped-def]
    """Points of a plane in their colours: ten or fewer values are labels."""
    cmap = None if colour is None else "tab10" if are_labels(colour) else "viridis"
    axes.scatter(Z[:, 0], Z[:, 1], c=colour, s=6, cmap=cmap, linewidths=0)
    axes.set(xticks=[], yticks=[])


def label_legend(figure: Figure, colour: Array | None) -> None:
    """Which colour is which label, where colours are labels."""
    values = None if colour is None else _labels(colour)
    if values is None:
        return
    place = (values - values[0]) / (float(np.ptp(values)) or 1.0)
    handles = [
        Line2D(
            [], [], marker="o", linestyle="none", markersize=4, color=colormaps["tab10"](float(at)), label=f"{value:g}"
        )
        for at, value in zip(place, values, strict=True)
    ]
    figure.legend(handles=handles, title="label", loc="upper right", fontsize=7, title_fontsize=7)


def are_labels(colour: Array | None) -> bool:
    """Whether colours are labels, and not values on a scale."""
    return colour is not None and _labels(colour) is not None


def _labels(colour: Array) -> Array | None:
    values = np.unique(colour)
    return values if len(values) <= 10 else None


def sheet(images: Array, shape: Array) -> Array:
    """Images (rows, columns, features) of bytes as one picture, a pixel apart: grey or with three channels."""
    rows, columns, _ = images.shape
    channels, height, width = (int(size) for size in shape)
    grid = images.reshape(rows, columns, channels, height, width)
    framed = np.pad(grid, ((0, 0), (0, 0), (0, 0), (0, 1), (0, 1)), constant_values=255)
    whole = framed.transpose(0, 3, 1, 4, 2).reshape(rows * (height + 1), columns * (width + 1), channels)
    return whole[:-1, :-1, 0] if channels == 1 else whole[:-1, :-1]


def _images(arrays: Arrays) -> Figure:
    whole = sheet(arrays["images"], arrays["shape"])
    width = 9.0
    height = 0.4 + width * whole.shape[0] / whole.shape[1]
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(whole, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_axis_off()
    return figure


def _curve(arrays: Arrays) -> Figure:
    figure = Figure(figsize=(7.4, 4), layout="constrained")
    axes = figure.add_subplot()
    curve_panel(axes, arrays)
    figure.legend(fontsize=8, loc="outside right upper")
    return figure


def _line(arrays: Arrays) -> Figure:
    """Images above the places of the scored codes on their one axis."""
    whole = sheet(arrays["images"], arrays["shape"])
    figure = Figure(figsize=(9, 1.6), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=[3, 1])
    above.imshow(whole, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    above.set_axis_off()
    below.plot(arrays["codes"], np.zeros(len(arrays["codes"])), "|", color="tab:blue", markersize=10)
    below.plot(arrays["z"], np.zeros(len(arrays["z"])), ".", color="tab:red")
    below.set(yticks=[], xlabel="code (red: the images above)")
    return figure


def _uncertainty(arrays: Arrays) -> Figure:
    figure = Figure(figsize=(5.4, 4.4))
    _codes_over(figure, arrays, arrays["deviation"], "mean predictive deviation")
    return figure


def _codes_over(figure: Figure, arrays: Arrays, values: Array, label: str):  # type: ignore[no-untyped-def]
    """The codes over values on a grid of their plane; the axes."""
    axes = figure.add_subplot()
    (left, bottom), (right, top) = arrays["range"]
    if np.ptp(values) > _ROUNDING * max(1.0, float(np.abs(values).max())):
        background = axes.imshow(values, origin="lower", extent=(left, right, bottom, top), cmap="Greys", aspect="auto")
        figure.colorbar(background, label=label)
    else:
        axes.set_xlabel(f"{label}: {round(float(np.mean(values)), 6):.3g} everywhere", fontsize=8)
    scatter_panel(axes, arrays["Z"], arrays.get("colour"))
    axes.set(xlim=(left, right), ylim=(bottom, top))
    return axes


def _scatter(arrays: Arrays) -> Figure:
    figure = Figure(figsize=(4.4, 4.4))
    scatter_panel(figure.add_subplot(), arrays["Z"], arrays.get("colour"))
    return figure


def _stability(arrays: Arrays) -> Figure:
    """How much each pair's distance varies over the models, for each kind of distance."""
    figure = Figure(figsize=(5.4, 3.2))
    figure.subplots_adjust(bottom=0.17)
    axes = figure.add_subplot()
    known = {kind: _variation(lengths) for kind, lengths in sorted(arrays.items())}
    axes.hist(list(known.values()), bins=20, label=[_named(kind, values) for kind, values in known.items()])
    axes.set(xlabel="coefficient of variation of a pair's distance", ylabel="pairs")
    axes.legend(fontsize=8)
    return figure


def _variation(lengths: Array) -> Array:
    """Coefficients of variation over models of those pairs (models, pairs) that have one."""
    mean = lengths.mean(axis=0)
    known = np.isfinite(mean) & (mean > 0)
    return lengths[:, known].std(axis=0, ddof=1) / mean[known]


def _named(kind: str, values: Array) -> str:
    return f"{kind}, mean {values.mean():.3g}" if len(values) else kind


def _geodesics(arrays: Arrays) -> Figure:
    """Geodesics over the metric's magnification, straight lines beside them."""
    figure = Figure(figsize=(5.4, 4.4))
    axes = _codes_over(figure, arrays, arrays["magnification"], "log10 of the magnification sqrt(det G)")
    _lines(axes, arrays["curves"], "geodesics", color="tab:red", linewidth=1.2)
    if "certain" in arrays:
        _lines(axes, arrays["certain"], "avoiding uncertainty", color="tab:blue", linewidth=1.2)
    _lines(axes, arrays["curves"][:, [0, -1]], "straight lines", color="0.3", linewidth=0.5, linestyle=":")
    axes.legend(fontsize=7, loc="upper right")
    return figure


def _lines(axes, curves: Array, label: str, **style: Any) -> None:  # type: ignore[no-untyped-def]
    for line in axes.plot(*curves.transpose(2, 1, 0), **style)[:1]:
        line.set_label(label)


# kind: (caption, figure)
_FIGURES: Mapping[str, tuple[str, Callable[[Arrays], Figure]]] = {
    "curve": ("decoded curve over noisy data and ground truth", _curve),
    "line": ("images along the one-dimensional code, in order", _line),
    "reconstructions": ("held-out images (above) and their reconstructions (below)", _images),
    "prior": ("images decoded from codes drawn from N(0, I)", _images),
    "interpolations": ("straight lines between the codes of two images; the ends are real", _images),
    "arithmetic": ("images of one label, decoded, and with z - mean of that label + mean of another", _images),
    "traversal": ("the decoded latent plane", _images),
    "tweaks": ("one image, one latent coordinate moved in each row", _images),
    "uncertainty": ("codes over the decoder's predictive deviation", _uncertainty),
    "geodesics": ("geodesics of the decoder's metric between held-out points", _geodesics),
    "stability": ("distances of the same pairs over retrained models", _stability),
    "layout": ("t-SNE of the codes", _scatter),
    "proxy-layout": ("t-SNE of the proxy, which latent distances follow", _scatter),
}
