"""report.md: what was found, how sure it is, and what made it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.across import Ranking
from reports.across_tables import LEGEND as ACROSS_LEGEND
from reports.across_tables import across_tables, conclusions
from reports.frames import in_order, of_models
from reports.kernels import LEGEND as KERNEL_LEGEND
from reports.kernels import kernel_tables
from reports.leaderboard import Board, Entry, short
from reports.notes import notes
from reports.samples import BY_CONSTRUCTION, COLLAPSED
from reports.stability import LEGEND as STABILITY_LEGEND
from reports.stability import stability_tables
from reports.tradeoff import Tradeoff, matched
from reports.tradeoff_tables import LEGEND as FRONT_LEGEND
from reports.tradeoff_tables import front_table, matched_table

# Statuses of a score that are no failure.
GOOD = ("ok", "n/a", BY_CONSTRUCTION, COLLAPSED)


@dataclass(frozen=True)
class Gallery:
    """Pictures of one fitted model: caption -> path relative to the report.

    `lost` says why the model is collapsed; '' where it is not.
    """

    dataset: str
    method: str
    seed: int
    pictures: Mapping[str, str]
    lost: str = ""


@dataclass(frozen=True)
class FrontPicture:
    """The trade-off of one data set, and the path of its picture relative to the report."""

    tradeoff: Tradeoff
    figure: str


def report(
    frame: pd.DataFrame,
    boards: Sequence[Board],
    ranks: Sequence[Ranking],
    fronts: Sequence[FrontPicture],
    figures: Mapping[str, str],
    galleries: Sequence[Gallery],
    runs: Sequence[Mapping[str, Any]],
    selections: Sequence[Mapping[str, Any]],
) -> str:
    """The whole report.

    Args:
        ranks: over data sets.
        fronts: of each data set, where two objectives were traded.
        figures: title -> path relative to the report.
        galleries: the pictures of each method on each data set.
        runs, selections: entries of the ledger; empty for a foreign frame.
    """
    name = runs[-1]["suite"] if runs else (str(frame["suite"].iloc[0]) if len(frame) else "empty")
    parts = [f"# {name}", _summary(frame), "## Status", status_matrix(frame)]
    failures = _failures(frame)
    if failures:
        parts += ["### What failed", failures]
    parts += ["## Leaderboards", _LEGEND]
    for board in boards:
        parts += [f"### {board.dataset}", leaderboard(board)]
    if ranks:
        parts += ["## Over all data sets", ACROSS_LEGEND, _ranks(boards, ranks)]
    if fronts:
        parts += ["## Trade-offs", FRONT_LEGEND, *map(_front, fronts)]
    stability = stability_tables(frame)
    if stability:
        parts += ["## Distances over retrained models", STABILITY_LEGEND]
        parts += [part for dataset, table in stability.items() for part in (f"### {dataset}", markdown_table(table))]
    for title, path in figures.items():
        parts += [f"## {title}", f"![{title}]({path})"]
    if galleries:
        parts += ["## Pictures", *map(_gallery, galleries)]
    if selections:
        parts += ["## Reported configurations", _selections(selections)]
    if runs:
        parts += ["## How this was made", _provenance(runs)]
    return "\n\n".join(parts) + "\n"


_LEGEND = (
    "Mean over report seeds on held-out points. `[low, high]`: 95 % interval; from five seeds on over seeds and test "
    "points (hierarchical bootstrap, studentised), of fewer over the test points alone, with the range of the seeds "
    "beside it: what other seeds would give is then not known. **Bold**: the best of its ranking, and what cannot be "
    "told from it (`=`), compared by test point and seed, at 5 % for all pairs of methods together (Holm). Scores of "
    "the decoder are ranked among native and among attached decoders separately: an attached decoder was fitted to "
    "the finished embedding, so that its scores say how well the layout *can* be decoded. Shown and never ranked: "
    "`collapsed`, geometry of a decoder that explains too little variance (`[report] min_explained_variance`); "
    "`by construction`, what follows from the form of the method and not from what it learned. `median`: the mean "
    "beside it is carried by few points or by one seed. `(tuned)`: the metric that hyperparameters were chosen by, on "
    "other seeds and rows. `n/a`: the method or the data cannot have that score. `(train)`: the method cannot encode "
    "new points and is scored on its training embedding."
)


def _ranks(boards: Sequence[Board], ranks: Sequence[Ranking]) -> str:
    methods = in_order(row.method for board in boards for row in board.rows)
    said = "\n".join(f"- {sentence}" for sentence in conclusions(ranks))
    return "\n\n".join(filter(None, [markdown_table(across_tables(ranks, methods)), said]))


def _front(front: FrontPicture) -> str:
    title = f"{front.tradeoff.dataset}: {' against '.join(axis.name for axis in front.tradeoff.axes)}"
    tables = [markdown_table(front_table(front.tradeoff))]
    found = matched(front.tradeoff)
    if found is not None:
        said, lines = matched_table(found)
        tables += [said, markdown_table(lines)]
    return "\n\n".join([f"### {title}", f"![Fronts of all methods on {title}]({front.figure})", *tables])


def _gallery(gallery: Gallery) -> str:
    shown = "\n\n".join(f"{caption}\n\n![{caption}]({path})" for caption, path in gallery.pictures.items())
    collapsed = f" (collapsed: {gallery.lost})" if gallery.lost else ""
    title = f"{gallery.dataset}: {gallery.method}, seed {gallery.seed}{collapsed}"
    return f"<details><summary>{title}</summary>\n\n{shown}\n\n</details>"


def kernel_section(frame: pd.DataFrame, figure: str) -> str:
    """Timings of kernels: legend, plot, and a table for each kernel."""
    parts = ["## Kernels", KERNEL_LEGEND, f"![Kernels]({figure})"]
    for kernel, lines in kernel_tables(frame).items():
        parts += [f"### {kernel}", markdown_table(lines)]
    return "\n\n".join(parts)


def leaderboard(board: Board) -> str:
    """One data set's table in markdown, and what has to be known to read it."""
    costs = ["fit s", "decoder s", "stack", *(["trials", "tuning s"] if board.how else [])]
    header = ["method", "decoder", *map(board.column, board.metrics), *costs, "seeds"]
    lines = [header, ["---"] * len(header)]
    for row in board.rows:
        cells = [_score(row.entries[name]) for name in board.metrics]
        mark = " (train)" if row.split == "train" else ""
        cost = [_seconds(row.fit_seconds), _seconds(row.decoder_seconds), str(row.stack_size)]
        cost += [str(row.trials or "–"), _seconds(row.tune_seconds)] if board.how else []
        lines.append([row.method + mark, row.decoder, *cells, *cost, str(row.n_seeds)])
    return "\n\n".join(filter(None, [markdown_table(lines), "\n".join(f"- {note}" for note in notes(board))]))


def _score(entry: Entry) -> str:
    """'**0.123 [0.12, 0.13] =**', '~~1.04~~ collapsed', or why there is no value."""
    found = entry.estimate
    if found is None:
        return entry.status
    text = short(found.mean)
    if found.low is not None and found.high is not None:
        text += f" [{short(found.low)}, {short(found.high)}]"
    if entry.tail is not None:
        text += f", median {short(entry.tail.median)}"
    if found.over == "points" and found.smallest != found.largest:
        text += f", {found.n} seeds {short(found.smallest or 0)} to {short(found.largest or 0)}"
    if entry.status == COLLAPSED:
        return f"~~{text}~~ {entry.status}"
    if not entry.ranked:
        return f"{text} ({entry.status})"
    return f"**{text}{' =' if entry.mark == '=' else ''}**" if entry.best else text


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def status_matrix(frame: pd.DataFrame) -> str:
    """Methods by data sets: how many cells ended with which status."""
    if frame.empty:
        return "No cell has been run."
    cells = _cell_statuses(of_models(frame))
    datasets = in_order(cells["dataset"])
    lines = [["method", *datasets], ["---"] * (len(datasets) + 1)]
    for method in in_order(cells["method"]):
        counts = []
        for dataset in datasets:
            here = cells[(cells["method"] == method) & (cells["dataset"] == dataset)]["cell_status"].value_counts()
            counts.append(", ".join(f"{n} {status}" for status, n in sorted(here.items())) or "–")
        lines.append([method, *counts])
    return markdown_table(lines)


def _cell_statuses(frame: pd.DataFrame) -> pd.DataFrame:
    """One row for each cell: its own status where it failed, else 'ok'; a failed metric shows as such."""
    cells = frame.copy()
    cells["cell_status"] = ["ok" if status in GOOD else str(status) for status in cells["status"].fillna("ok")]
    worst = cells.sort_values("cell_status", key=lambda column: column == "ok", kind="stable")
    return worst.drop_duplicates("cell_id")


def _failures(frame: pd.DataFrame) -> str:
    cells = _cell_statuses(frame)
    bad = cells[~cells["cell_status"].isin(["ok", "pruned"])]
    lines = [
        f"- {row.method} on {row.dataset}, {row.phase}, {_seed(row.seed)}: **{row.status}** {_one_line(row.reason)}"
        for row in bad.itertuples()
    ]
    return "\n".join(lines)


def _seed(seed: Any) -> str:
    return "all seeds" if pd.isna(seed) else f"seed {seed}"


def _summary(frame: pd.DataFrame) -> str:
    if frame.empty:
        return "The ledger holds no results."
    bad = int((~_cell_statuses(frame)["cell_status"].isin(["ok", "pruned"])).sum())
    cells = _cell_statuses(of_models(frame))
    final = cells[cells["phase"] == "final"]
    return (
        f"Methods: {final['method'].nunique()}. Data sets: {final['dataset'].nunique()}. "
        f"Report seeds: {final['seed'].nunique()}. Reported models: {len(final)}. "
        f"Models for tuning: {len(cells) - len(final)}. Failed: {bad}."
    )


def _selections(selections: Sequence[Mapping[str, Any]]) -> str:
    lines = [["data set", "method", "chosen by", "on tuning seeds", "parameters"], ["---"] * 5]
    for choice in selections:
        scores = choice.get("scores", {}).items()
        reached = ", ".join(f"{name} {value:.4g}" for name, value in scores) or "–"
        params = json.dumps(choice["params"], sort_keys=True).replace("|", "\\|")
        lines.append([choice["dataset"], choice["method"], _one_line(choice["note"]), reached, f"`{params}`"])
    return markdown_table(lines)


def _provenance(runs: Sequence[Mapping[str, Any]]) -> str:
    last = runs[-1]
    commits = in_order(_commit(run) for run in runs)
    versions = ", ".join(f"{name} {number}" for name, number in last["versions"].items())
    hardware = ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in last["hardware"].items())
    data = "\n".join(f"  - {name}: `{content}`" for name, content in last["data"].items())
    return (
        f"- Command: `{last['command']}`\n- Started: {last['started_at']} (run {len(runs)} of this folder)\n"
        f"{_time_spent([run['end'] for run in runs if 'end' in run])}"
        f"- Workers: {last['n_workers']} processes, {last['threads']} threads each; device {last['device']}\n"
        f"- Commit: {', '.join(commits)}\n- Hardware: {hardware}\n"
        f"- Versions: {versions}\n- Data, by content hash:\n{data}\n\n"
        "<details><summary>bench.toml of the last run</summary>\n\n"
        f"```toml\n{last['config'].strip()}\n```\n\n</details>"
    )


def _time_spent(ends: Sequence[Mapping[str, Any]]) -> str:
    """Wall time of the last run that computed something, and the share of workers' time that was not a cell's own."""
    if not ends:
        return ""
    end = ends[-1]
    wall, available = end["wall_seconds"], end["wall_seconds"] * end["n_workers"]
    outside = max(0.0, 1 - end["busy_seconds"] / available) if available else 0.0
    return (
        f"- Time: {wall / 60:.1f} min; {outside:.1%} of the workers' time went to other things than fitting, decoder "
        "fitting, scoring and library warm-up\n"
    )


def _commit(run: Mapping[str, Any]) -> str:
    sha = run["git_sha"] or "no repository"
    return f"`{sha}`" + (" with uncommitted changes" if run["git_dirty"] else "")


def _one_line(text: Any) -> str:
    return str(text).partition("\n")[0].replace("|", "\\|")


def markdown_table(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
