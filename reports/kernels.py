"""Timings of kernels: the frame, its tables in markdown, and a plot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

FILE = "kernels.parquet"
BASELINE = "published form"

_COLUMNS = {
    "kernel": "string", "decoder": "string", "batch": "Int64", "latent": "Int64", "form": "string",
    "precision": "string", "device": "string", "status": "string", "reason": "string", "seconds": "Float64",
    "iqr": "Float64", "rounds": "Int64", "flops": "Float64", "flops_per_second": "Float64", "peak_mb": "Float64",
    "error": "Float64",
}  # fmt: skip
_SHAPE = ["kernel", "decoder", "batch", "latent"]
# A plain pass that the time of a kernel is compared with.
_PLAIN = {"distortion step": "forward and backward"}

LEGEND = (
    "Medians of one run, in milliseconds; in brackets how many times faster than the published form, which "
    "differentiates twice backwards. Of our form: *passes* is its time in units of a plain forward pass of the same "
    "decoder (of a forward and backward pass for the distortion step); *ceiling* the share that it reaches of the "
    "FLOP/s of a large matrix product in single precision, counting the FLOPs of the nominal algorithm; *error* its "
    "largest deviation from double precision, relative to the largest value; *MB* the memory that a call takes."
)


def kernel_frame(rows: Iterable[Mapping[str, Any]], ceiling: float) -> pd.DataFrame:
    """The timings with what they are relative to.

    Args:
        rows: one for each case.
        ceiling: FLOPs a second of a large matrix product in single precision.

    Returns:
        The columns of the rows and `ceiling_flops_per_second`, `share_of_ceiling`, `ratio_to_published` (above 1:
        faster) and `relative_to_plain`.
    """
    frame = pd.DataFrame(list(rows), columns=list(_COLUMNS)).astype(_COLUMNS)
    frame["ceiling_flops_per_second"] = ceiling
    frame["share_of_ceiling"] = frame["flops_per_second"] / ceiling
    frame["ratio_to_published"] = _seconds_of(frame, frame["form"] == BASELINE, frame["kernel"]) / frame["seconds"]
    passes = frame["kernel"].map(lambda kernel: _PLAIN.get(kernel, "forward"))
    frame["relative_to_plain"] = frame["seconds"] / _seconds_of(frame, frame["form"] == "plain", passes)
    relative = ["ratio_to_published", "relative_to_plain", "share_of_ceiling"]
    return frame.astype(dict.fromkeys(relative, "Float64"))


def read_kernels(folder: Path) -> pd.DataFrame | None:
    """The timings in a folder; None where there are none."""
    try:
        return pd.read_parquet(folder / FILE)
    except (OSError, ValueError):
        return None


def kernel_tables(frame: pd.DataFrame) -> dict[str, list[list[str]]]:
    """For each kernel the lines of its table, header first."""
    return {str(kernel): _table(here) for kernel, here in frame.groupby("kernel", sort=False)}


def kernel_figure(frame: pd.DataFrame) -> Figure:
    """How many times faster than the published form each form is, by kernel and batch size."""
    timed = frame[(frame["precision"] == "float32") & frame["ratio_to_published"].notna() & (frame["form"] != BASELINE)]
    kernels = list(dict.fromkeys(timed["kernel"]))
    figure = Figure(figsize=(3.0 * max(1, len(kernels)), 3.2), layout="constrained")
    panels = figure.subplots(1, max(1, len(kernels)), sharey=True, squeeze=False)[0]
    for axes, kernel in zip(panels, kernels, strict=False):
        here = timed[(timed["kernel"] == kernel) & (timed["latent"] == 2)]
        for form, rows in here.groupby("form", sort=False):
            by_batch = rows.groupby("batch")["ratio_to_published"].agg(_geometric_mean)
            axes.plot(by_batch.index.astype(int), by_batch.astype(float), marker="o", label=str(form))
        axes.axhline(1.0, color="0.6", linewidth=0.8)
        axes.set(xscale="log", yscale="log", title=kernel, xlabel="points")
        axes.title.set_fontsize(9)
    panels[0].set_ylabel("times faster than the published form")
    if kernels:
        panels[0].legend(fontsize=7)
    return figure


def _table(rows: pd.DataFrame) -> list[list[str]]:
    forms = list(dict.fromkeys(zip(rows["form"], rows["precision"], strict=True)))
    names = [form if precision == "float32" else f"{form} in {precision}" for form, precision in forms]
    header = ["decoder", "points", "d", *names, "passes", "ceiling", "error", "MB"]
    lines = [header, ["---"] * len(header)]
    for (decoder, batch, latent), here in rows.groupby(["decoder", "batch", "latent"], sort=False):
        by_form = {(row["form"], row["precision"]): row for row in here.to_dict("records")}
        ours = by_form.get(("ours", "float32")) or by_form.get(("plain", "float32"))
        times = [_time(by_form.get(form)) for form in forms]
        facts = ["–"] * 4 if ours is None else _facts(ours)
        lines.append([str(decoder), str(batch), str(latent), *times, *facts])
    return lines


def _time(row: Mapping[Any, Any] | None) -> str:
    if row is None:
        return "–"
    if row["status"] != "ok":
        return str(row["status"])
    ratio = row["ratio_to_published"]
    faster = "" if row["form"] == BASELINE or pd.isna(ratio) else f" ({ratio:.1f}x)"
    off = f", error {row['error']:.0e}" if row["precision"] != "float32" else ""
    return f"{1e3 * row['seconds']:.3g}{faster}{off}"


def _facts(row: Mapping[Any, Any]) -> list[str]:
    formats = (
        ("relative_to_plain", "{:.2f}"),
        ("share_of_ceiling", "{:.0%}"),
        ("error", "{:.0e}"),
        ("peak_mb", "{:.0f}"),
    )
    values = [(row[name], text) for name, text in formats]
    return ["–" if pd.isna(value) else text.format(value) for value, text in values]


def _seconds_of(frame: pd.DataFrame, chosen: pd.Series, kernels: pd.Series) -> pd.Series:
    """For each row the time of the chosen form of a kernel on the row's shape, missing where there is none."""
    known = frame[chosen & (frame["precision"] == "float32")].set_index(_SHAPE)["seconds"]
    wanted = pd.MultiIndex.from_frame(frame[_SHAPE].assign(kernel=kernels))
    return pd.Series(known.reindex(wanted).to_numpy(), index=frame.index, dtype="Float64")


def _geometric_mean(ratios: pd.Series) -> float:
    return float(np.exp(np.log(ratios.astype(float)).mean()))
