"""From the ledger to what people read: results.parquet, figures and report.md, again at any time."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import registry, storage
from bench.cells import Cell, DatasetSpec, Group, Record, Unit
from bench.errors import BadInputError
from bench.ledger import Ledger
from bench.scoring import empty_scores

if TYPE_CHECKING:
    import pandas as pd

    from reports.leaderboard import Board
    from reports.markdown import Gallery

log = logging.getLogger(__name__)

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


def current(ledger: Ledger) -> Iterator[Record]:
    """The records that count: of the suite as it was run last, and of the final phase only what was selected."""
    run = ledger.runs[-1] if ledger.runs else {}
    for record in ledger.records.values():
        cell = record.cell
        if cell.method not in run.get("methods", [cell.method]):
            continue
        if cell.dataset.name not in run.get("datasets", [cell.dataset.name]):
            continue
        choice = ledger.selections.get((cell.dataset.name, cell.method))
        if choice is None or (cell.dataset == DatasetSpec(**choice["spec"]) and _is_selected(cell, choice)):
            yield record


def _is_selected(cell: Unit, choice: Mapping[str, Any]) -> bool:
    if cell.phase == "tune":
        return cell.id in choice["trials"]
    if isinstance(cell, Group):
        return cell.config_id == choice["config_id"] and cell.id == choice.get("group")
    return cell.config_id == choice["config_id"] and cell.seed in choice["seeds"]


def rows(records: Iterable[Record], metrics: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """One row of the results frame for each record and score; a failed model has one for each of the metrics."""
    for record in (_with_rows_for(record, metrics) for record in records):
        cell = record.cell
        common = {
            "suite": record.suite, "phase": cell.phase, "dataset": cell.dataset.name, "method": cell.method,
            "params": json.dumps(dict(cell.params), sort_keys=True), "config_id": cell.config_id, "cell_id": cell.id,
            "seed": cell.seed, "n_seeds": cell.n_seeds, "decoder": record.decoder,
            "score_seconds": record.score_seconds,
            **_fitting(record), "peak_memory_mb": record.peak_memory_mb, "device": record.device,
            "git_sha": record.git_sha, "git_dirty": record.git_dirty, "started_at": record.started_at,
        }  # fmt: skip
        for score in record.scores:
            status = score.status if record.status == "ok" else record.status
            yield {
                **common, "split": score.split, "metric": score.metric, "value": score.value, "better": score.better,
                "status": status, "reason": score.reason or record.reason,
            }  # fmt: skip


def failed_groups(records: Sequence[Record], metrics: Sequence[str]) -> Iterator[Record]:
    """A record for each reported configuration none of whose models was fitted: it has no metric over seeds either."""
    wanted = [(name, registry.metric(name)) for name in metrics if registry.metric(name).scope == "seeds"]
    configurations: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        cell = record.cell
        if isinstance(cell, Cell) and cell.phase == "final":
            configurations.setdefault((cell.dataset.name, cell.method, cell.config_id), []).append(record)
    for group in configurations.values():
        if wanted and all(record.status != "ok" for record in group):
            first = group[0]
            cells = [record.cell for record in group if isinstance(record.cell, Cell)]
            scores = tuple(empty_scores(wanted, "test", first.reason))
            yield replace(first, cell=Group.of(cells), scores=scores, score_seconds=0.0)


def _fitting(record: Record) -> dict[str, Any]:
    """What fitting cost; a group was fitted by its cells, whose rows say it."""
    known = isinstance(record.cell, Cell)
    return {name: getattr(record, name) if known else None for name in ("fit_seconds", "decoder_seconds", "stack_size")}


def _with_rows_for(record: Record, metrics: Sequence[str]) -> Record:
    """A failed reported cell with rows for metrics that were added after it failed, too."""
    if record.status == "ok" or record.cell.phase == "tune" or isinstance(record.cell, Group):
        return record
    absent = [(name, registry.metric(name)) for name in metrics if name not in record.requested]
    more = empty_scores([(name, metric) for name, metric in absent if metric.scope == "cell"], "test", record.reason)
    return replace(record, scores=(*record.scores, *more))


def write_results(out: Path, ledger: Ledger) -> Results:
    """Write results.parquet, the figures and report.md of a result folder."""
    from reports.frames import results_frame, write_frame

    records = list(current(ledger))
    run: Mapping[str, Any] = ledger.runs[-1] if ledger.runs else {}
    metrics = run.get("metrics", ())
    frame = results_frame(rows([*records, *failed_groups(records, metrics)], metrics))
    write_frame(frame, out / FRAME)
    pictures, galleries = _embedding_figures(out, records), _galleries(out, records)
    results = _write_report(out, frame, run, pictures, galleries, ledger.runs, _selections(ledger, run))
    return Results(results.frame, results.boards, [out / FRAME, *results.files])


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
    return _write_report(out, frame, {}, {}, [], [], [])


def leaderboards(frame: pd.DataFrame, run: Mapping[str, Any]) -> list[Board]:
    """Boards in the order that the suite names methods, data sets and metrics."""
    from reports.leaderboard import boards

    decoder_metrics = {name for name in frame["metric"].unique() if _is_of_decoder(str(name))}
    return boards(frame, decoder_metrics, run.get("methods", ()), run.get("datasets", ()), run.get("metrics", ()))


def _write_report(
    out: Path,
    frame: pd.DataFrame,
    run: Mapping[str, Any],
    pictures: Mapping[str, str],
    galleries: Sequence[Gallery],
    runs: Sequence[Mapping[str, Any]],
    selections: Sequence[Mapping[str, Any]],
) -> Results:
    from reports.figures import quality_against_time, save
    from reports.kernels import read_kernels
    from reports.markdown import kernel_section, report

    boards = leaderboards(frame, run)
    figures = dict(pictures)
    if any(name in board.metrics for board in boards for name in QUALITY):
        save(quality_against_time(boards, QUALITY), out / FIGURES / "quality-time.png")
        figures["Quality against time"] = f"{FIGURES}/quality-time.png"
    text = report(frame, boards, figures, galleries, runs, selections)
    kernels = read_kernels(out)
    if kernels is not None:
        text += f"\n{kernel_section(kernels, f'{FIGURES}/kernels.png')}\n"
    (out / REPORT).write_text(text, encoding="utf-8")
    shown = [*figures.values(), *(path for gallery in galleries for path in gallery.pictures.values())]
    return Results(frame, boards, [out / REPORT, *(out / path for path in shown)])


def _embedding_figures(out: Path, records: Sequence[Record]) -> dict[str, str]:
    """One figure of small multiples for each data set, of each method's first report seed."""
    from reports.figures import embeddings, read_embedding, save

    panels: dict[str, dict[str, Any]] = {}
    for cell in _reported_models(records):
        here = panels.setdefault(cell.dataset.name, {})
        if cell.method not in here:
            found = read_embedding(storage.model_folder(out, cell.id))
            if found is not None:
                here[cell.method] = found
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


def _galleries(out: Path, records: Sequence[Record]) -> list[Gallery]:
    """The pictures of each reported method on each data set: of the first report seed, and of all seeds together."""
    models: dict[tuple[str, str], Cell] = {}
    for cell in _reported_models(records):
        if storage.has_pictures(storage.model_folder(out, cell.id)):
            models.setdefault((cell.dataset.name, cell.method), cell)
    groups = {
        (record.cell.dataset.name, record.cell.method): record.cell
        for record in records
        if isinstance(record.cell, Group) and record.status == "ok"
    }
    return [_gallery(out, model, groups.get(pair)) for pair, model in sorted(models.items())]


def _gallery(out: Path, model: Cell, group: Group | None) -> Gallery:
    from reports.figures import save
    from reports.markdown import Gallery
    from reports.pictures import draw, read_pictures

    paths = {}
    for unit in (model,) if group is None else (model, group):
        for kind, caption, figure in draw(read_pictures(storage.model_folder(out, unit.id))):
            paths[caption] = f"{FIGURES}/{model.dataset.name}/{model.method}-{kind}.png"
            save(figure, out / paths[caption])
    return Gallery(model.dataset.name, model.method, model.seed, paths)


def _is_of_decoder(name: str) -> bool:
    try:
        needs = registry.metric(name).needs
    except BadInputError:
        # A variant such as mcn_median belongs with its headline; a foreign metric is taken as it is.
        head = name.rpartition("_")[0]
        return bool(head) and _is_of_decoder(head)
    return bool({"decoder", "reconstruction"} & set(needs))
