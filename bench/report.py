"""From a result folder to what people read: results.parquet, figures and report.md, again at any time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BadInputError
from bench.record import models
from bench.record.cells import Cell, Group
from bench.record.collapse import too_little, with_collapsed
from bench.record.ledger import Ledger
from bench.record.records import Record
from bench.record.results import current, failed_groups, rows
from bench.suite import registry, tables

if TYPE_CHECKING:
    import pandas as pd

    from reports.across import Ranking
    from reports.leaderboard import Board
    from reports.markdown import FrontPicture, Gallery

FRAME = "results.parquet"
REPORT = "report.md"
FIGURES = "figures"
QUALITY = ("knn_preservation", "reconstruction_mse", "mcn")


@dataclass(frozen=True)
class Results:
    """The frame, its leaderboards, and the files written."""

    frame: pd.DataFrame
    boards: Sequence[Board]
    files: Sequence[Path]


def write_results(out: Path, ledger: Ledger) -> Results:
    """Write results.parquet, the figures and report.md of a result folder."""
    from reports.frames import write_frame

    run: Mapping[str, Any] = ledger.runs[-1] if ledger.runs else {}
    frame = frame_of_ledger(ledger)
    write_frame(frame, out / FRAME)
    records = [record for record in current(ledger) if _is_reported(record, ledger)]
    lost = {record.cell.id: too_little(record.explained_variance, _least_explained(ledger)) for record in records}
    pictures, galleries = _embedding_figures(out, records, lost), _galleries(out, records, lost)
    results = _write_report(out, frame, pictures, galleries, ledger.runs, _selections(ledger, run))
    return Results(results.frame, results.boards, [out / FRAME, *results.files])


def frame_of_ledger(ledger: Ledger) -> pd.DataFrame:
    """The results frame of the records that count, collapsed models named as such."""
    from reports.frames import results_frame

    run: Mapping[str, Any] = ledger.runs[-1] if ledger.runs else {}
    metrics = run.get("metrics", ())
    records = with_collapsed(list(current(ledger)), _least_explained(ledger))
    return results_frame(rows([*records, *failed_groups(records, metrics)], metrics))


def _least_explained(ledger: Ledger) -> float:
    """Below which a model is collapsed; ledgers of before it was written down have the default."""
    run: Mapping[str, Any] = ledger.runs[-1] if ledger.runs else {}
    return float(run.get("min_explained_variance", tables.Report().min_explained_variance))


def _is_reported(record: Record, ledger: Ledger) -> bool:
    """Whether a record is of the configuration that is reported for its pair, not of another one of its front."""
    cell = record.cell
    choice = ledger.selections.get((cell.dataset.name, cell.method))
    return choice is None or cell.config_id == choice["config_id"]


def reported_configurations(selections: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """The configuration reported for each data set and method."""
    return {(choice["dataset"], choice["method"]): choice["config_id"] for choice in selections}


def _selections(ledger: Ledger, run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What is reported for each pair of the suite as it was run last."""
    chosen = ledger.selections.values()
    return [c for c in chosen if c["method"] in run.get("methods", ()) and c["dataset"] in run.get("datasets", ())]


def write_foreign_report(frame_file: Path, out: Path) -> Results:
    """Write a report of a results frame that another program made.

    Raises:
        BadInputError: the file is no results frame.
    """
    from reports.frames import FrameError, read_frame

    try:
        frame = read_frame(frame_file)
    except FrameError as error:
        raise BadInputError(str(error)) from error
    out.mkdir(parents=True, exist_ok=True)
    return _write_report(out, frame, {}, [], [], [])


def leaderboards(
    frame: pd.DataFrame, run: Mapping[str, Any], selections: Sequence[Mapping[str, Any]], out: Path
) -> list[Board]:
    """Boards in the order that the suite names methods, data sets and metrics."""
    from reports.frames import as_reported
    from reports.leaderboard import boards

    decoder_metrics = {name for name in frame["metric"].unique() if _is_of_decoder(str(name))}
    return boards(
        as_reported(frame, reported_configurations(selections)), decoder_metrics,
        run.get("methods", ()), run.get("datasets", ()), run.get("metrics", ()),
        points_of=partial(_points, out), tuning=run.get("tuning"),
    )  # fmt: skip


def _points(out: Path, cell_id: str) -> Mapping[str, Any]:
    return models.load_points(models.model_folder(out, cell_id))


def _write_report(
    out: Path,
    frame: pd.DataFrame,
    pictures: Mapping[str, str],
    galleries: Sequence[Gallery],
    runs: Sequence[Mapping[str, Any]],
    selections: Sequence[Mapping[str, Any]],
) -> Results:
    from reports.across import rankings
    from reports.figures import quality_against_time, save
    from reports.kernels import read_kernels
    from reports.markdown import kernel_section, report

    run = runs[-1] if runs else {}
    boards = leaderboards(frame, run, selections, out)
    ranks, fronts = rankings(boards), _fronts(frame, run, selections, out)
    figures = {**_critical_differences(ranks, out), **pictures}
    if any(name in board.metrics for board in boards for name in QUALITY):
        save(quality_against_time(boards, QUALITY), out / FIGURES / "quality-time.png")
        figures["Quality against time"] = f"{FIGURES}/quality-time.png"
    text = report(frame, boards, ranks, fronts, figures, galleries, runs, selections)
    kernels = read_kernels(out)
    if kernels is not None:
        text += f"\n{kernel_section(kernels, f'{FIGURES}/kernels.png')}\n"
    (out / REPORT).write_text(text, encoding="utf-8")
    of_models = [path for gallery in galleries for path in gallery.pictures.values()]
    shown = [*figures.values(), *(front.figure for front in fronts), *of_models]
    return Results(frame, boards, [out / REPORT, *(out / path for path in shown)])


def _fronts(
    frame: pd.DataFrame, run: Mapping[str, Any], selections: Sequence[Mapping[str, Any]], out: Path
) -> list[FrontPicture]:
    """The trade-off of each data set, drawn, where two objectives were tuned for."""
    from reports.figures import save
    from reports.fronts import front_figure
    from reports.markdown import FrontPicture
    from reports.tradeoff import tradeoffs

    objectives = (run.get("tuning") or {}).get("objectives", ())
    if len(objectives) < 2:
        return []
    found = []
    for tradeoff in tradeoffs(frame, selections, objectives, run.get("methods", ()), partial(_points, out)):
        path = f"{FIGURES}/front-{tradeoff.dataset}.png"
        save(front_figure(tradeoff), out / path)
        found.append(FrontPicture(tradeoff, path))
    return found


def _critical_differences(ranks: Sequence[Ranking], out: Path) -> dict[str, str]:
    """The diagrams of those metrics that enough data sets are complete for."""
    from reports.across_tables import critical_difference
    from reports.figures import save

    figures = {}
    for ranking in ranks:
        if ranking.critical is not None:
            name = "-".join(filter(None, ["ranks", ranking.metric, ranking.among]))
            figures[f"Critical difference: {ranking.metric} {ranking.among}".strip()] = f"{FIGURES}/{name}.png"
            save(critical_difference(ranking), out / FIGURES / f"{name}.png")
    return figures


def _embedding_figures(out: Path, records: Sequence[Record], lost: Mapping[str, str | None]) -> dict[str, str]:
    """One figure of small multiples for each data set, of each method's first report seed.

    Args:
        lost: why a model is collapsed, by cell id.
    """
    from reports.figures import embeddings, read_embedding, save

    panels: dict[str, dict[str, Any]] = {}
    for cell in _reported_models(records):
        here = panels.setdefault(cell.dataset.name, {})
        if cell.method not in here:
            found = read_embedding(models.model_folder(out, cell.id))
            if found is not None:
                here[cell.method] = found if lost[cell.id] is None else replace(found, note="collapsed")
    figures = {}
    for dataset, shown in sorted(panels.items()):
        if shown:
            path = f"{FIGURES}/embeddings-{dataset}.png"
            save(embeddings(shown, f"{dataset}: test points and equidistant ellipses"), out / path)
            figures[f"Embeddings of {dataset}"] = path
    return figures


def _reported_models(records: Sequence[Record]) -> list[Cell]:
    """The cells of the final phase that have a model, by seed."""
    good = [r.cell for r in records if isinstance(r.cell, Cell) and r.cell.phase == "final" and r.status == "ok"]
    return sorted(good, key=lambda cell: cell.seed)


def _galleries(out: Path, records: Sequence[Record], lost: Mapping[str, str | None]) -> list[Gallery]:
    """The pictures of each reported method on each data set: of the first report seed, and of all seeds together."""
    first: dict[tuple[str, str], Cell] = {}
    for cell in _reported_models(records):
        if models.has_pictures(models.model_folder(out, cell.id)):
            first.setdefault((cell.dataset.name, cell.method), cell)
    groups = {
        (record.cell.dataset.name, record.cell.method): record.cell
        for record in records
        if isinstance(record.cell, Group) and record.status == "ok"
    }
    return [_gallery(out, model, groups.get(pair), lost[model.id] or "") for pair, model in sorted(first.items())]


def _gallery(out: Path, model: Cell, group: Group | None, lost: str) -> Gallery:
    from reports.figures import save
    from reports.markdown import Gallery
    from reports.pictures import draw, read_pictures

    paths = {}
    for unit in (model,) if group is None else (model, group):
        for kind, caption, figure in draw(read_pictures(models.model_folder(out, unit.id))):
            paths[caption] = f"{FIGURES}/{model.dataset.name}/{model.method}-{kind}.png"
            save(figure, out / paths[caption])
    return Gallery(model.dataset.name, model.method, model.seed, paths, lost)


def _is_of_decoder(name: str) -> bool:
    try:
        needs = registry.metric(name).needs
    except BadInputError:
        # A variant such as mcn_median belongs with its headline; a foreign metric is taken as it is.
        head = name.rpartition("_")[0]
        return bool(head) and _is_of_decoder(head)
    return bool({"decoder", "reconstruction"} & set(needs))
