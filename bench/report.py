"""From a result folder to what people read: results.parquet, figures, report.html and report.md, again at any time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.drawing import Drawer
from bench.errors import BadInputError
from bench.record import models
from bench.record.collapse import too_little, with_collapsed
from bench.record.ledger import Ledger
from bench.record.links import refuse_links
from bench.record.records import Record
from bench.record.results import current, failed_groups, reported, rows
from bench.suite import listing, tables
from bench.suite.metrics import KnownMetrics, from_json

if TYPE_CHECKING:
    import pandas as pd

    from reports.claims import Judged
    from reports.content import Card, Content
    from reports.leaderboard import Board
    from reports.samples import PointsOf

FRAME = "results.parquet"
REPORT = "report.md"
PAGE = "report.html"


@dataclass(frozen=True)
class Results:
    """What the reports say, and the files written."""

    content: Content
    files: Sequence[Path]


def write_results(out: Path, ledger: Ledger, formats: Sequence[str] = ()) -> Results:
    """Write results.parquet, the figures and both reports of a result folder.

    Args:
        formats: that figures are written in beside PNG: 'svg', 'pdf'.
    """
    from reports.frames import write_frame

    frame = frame_of_ledger(ledger)
    write_frame(frame, out / FRAME)
    results = _write_reports(_content(out, formats, frame, ledger), out)
    return Results(results.content, [out / FRAME, *results.files])


def frame_of_ledger(ledger: Ledger) -> pd.DataFrame:
    """The results frame of the records that count, collapsed models named as such."""
    from reports.frames import results_frame

    run: Mapping[str, Any] = ledger.runs[-1] if ledger.runs else {}
    metrics = ledger.metrics.named(run.get("metrics", ()))
    records = with_collapsed(list(current(ledger)), _least_explained(ledger), ledger.metrics)
    return results_frame(rows([*records, *failed_groups(records, metrics)], metrics))


def _least_explained(ledger: Ledger) -> float:
    """Below which a model is collapsed; ledgers of before it was written down have the default."""
    run: Mapping[str, Any] = ledger.runs[-1] if ledger.runs else {}
    return float(run.get("min_explained_variance", tables.Report().min_explained_variance))


def reported_configurations(selections: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """The configuration reported for each data set and method."""
    return {(choice["dataset"], choice["method"]): choice["config_id"] for choice in selections}


def _selections(ledger: Ledger, run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What is reported for each pair of the suite as it was run last."""
    chosen = ledger.selections.values()
    return [c for c in chosen if c["method"] in run.get("methods", ()) and c["dataset"] in run.get("datasets", ())]


def write_foreign_report(frame_file: Path, out: Path, formats: Sequence[str] = ()) -> Results:
    """Write reports of a results frame that another program made.

    Raises:
        BadInputError: the file is no results frame, or the folder has a link out of it.
    """
    frame = read_foreign(frame_file)
    refuse_links(out)
    out.mkdir(parents=True, exist_ok=True)
    return _write_reports(_content(out, formats, frame, None), out)


def read_foreign(frame_file: Path) -> pd.DataFrame:
    """A results frame that another program made.

    Raises:
        BadInputError: the file is no results frame.
    """
    from reports.frames import FrameError, read_frame

    try:
        return read_frame(frame_file, _better)
    except FrameError as error:
        raise BadInputError(str(error)) from error


def leaderboards(
    frame: pd.DataFrame, run: Mapping[str, Any], selections: Sequence[Mapping[str, Any]], out: Path
) -> list[Board]:
    """Boards in the order that the suite names methods, data sets and metrics."""
    from reports.frames import as_reported
    from reports.leaderboard import boards

    known = KnownMetrics(from_json(run.get("scored_by", ())))
    families = {name: known.family(str(name)) for name in frame["metric"].unique()}
    decoder_metrics = {name for name, family in families.items() if family and family.needs_decoding}
    return boards(
        as_reported(frame, reported_configurations(selections)), decoder_metrics,
        run.get("methods", ()), run.get("datasets", ()), run.get("metrics", ()),
        points_of=points_of(out), tuning=run.get("tuning"),
    )  # fmt: skip


def claims_of(ledger: Ledger, out: Path) -> list[Judged]:
    """The claims of a result folder, judged."""
    run: Mapping[str, Any] = ledger.runs[-1] if ledger.runs else {}
    return _claims(frame_of_ledger(ledger), run, _selections(ledger, run), out)


def _claims(
    frame: pd.DataFrame, run: Mapping[str, Any], selections: Sequence[Mapping[str, Any]], out: Path
) -> list[Judged]:
    from reports.claims import judged
    from reports.frames import as_reported

    shown = as_reported(frame, reported_configurations(selections))
    return judged(run.get("claims", ()), shown, points_of(out))


def leaderboards_of(ledger: Ledger, out: Path) -> list[Board]:
    """The boards of a result folder as it is."""
    run: Mapping[str, Any] = ledger.runs[-1] if ledger.runs else {}
    return leaderboards(frame_of_ledger(ledger), run, _selections(ledger, run), out)


def points_of(out: Path) -> PointsOf:
    """The scores by point that the models of a result folder have."""
    saved = models.saved(out)
    return lambda cell: models.load_points(models.model_folder(out, cell)) if cell in saved else {}


def _content(out: Path, formats: Sequence[str], frame: pd.DataFrame, ledger: Ledger | None) -> Content:
    """Everything that the reports of a frame show; without a ledger of that frame alone."""
    from reports.across import rankings
    from reports.content import Content
    from reports.headline import headline_metrics
    from reports.kernels import read_kernels
    from reports.palette import styles
    from reports.tradeoff import tradeoffs

    runs = ledger.runs if ledger else []
    run: Mapping[str, Any] = runs[-1] if runs else {}
    selections = _selections(ledger, run) if ledger else []
    boards = leaderboards(frame, run, selections, out)
    ranks = rankings(boards)
    methods = run.get("methods", ())
    style = styles([*methods, *(row.method for board in boards for row in board.rows)])
    drawer = Drawer(out, style, tuple(formats))
    records = list(reported(ledger)) if ledger else []
    lost = {r.cell.id: too_little(r.explained_variance, _least_explained(ledger)) for r in records} if ledger else {}
    objectives = (run.get("tuning") or {}).get("objectives", ())
    traded = tradeoffs(frame, selections, objectives, methods, points_of(out)) if len(objectives) > 1 else []
    kernels = read_kernels(out)
    return Content(
        frame, boards, ranks,
        _claims(frame, run, selections, out),
        drawer.fronts(traded),
        embeddings=drawer.embeddings(boards, records, lost),
        seeds=drawer.seeds(boards, headline_metrics(boards)),
        distances=drawer.distances(boards, records),
        pictures=[
            *drawer.axes(boards, headline_metrics(boards)), *drawer.critical_differences(ranks),
            *drawer.quality(boards), *drawer.tuning(frame, selections, run),
        ],
        galleries=drawer.galleries(records, lost),
        cards=_cards(selections, records),
        kernels=None if kernels is None else (kernels, drawer.kernels(kernels)),
        runs=runs, selections=selections,
    )  # fmt: skip


def _write_reports(content: Content, out: Path) -> Results:
    from reports.markdown import report
    from reports.page import page

    (out / REPORT).write_text(report(content), encoding="utf-8")
    (out / PAGE).write_text(page(content, out), encoding="utf-8")
    of_models = [picture for gallery in content.galleries for picture in gallery.pictures]
    of_fronts = [front.picture for front in content.fronts]
    shown = [
        *content.embeddings, *of_fronts, *content.seeds, *content.distances, *content.pictures, *of_models
    ]  # fmt: skip
    return Results(content, [out / PAGE, out / REPORT, *(out / picture.path for picture in shown)])


def _cards(selections: Sequence[Mapping[str, Any]], records: Sequence[Record]) -> list[Card]:
    """What each method is, and what it was run with on each data set."""
    from reports.content import Card

    targets = {record.cell.method: record.cell.target for record in records}
    known = {entry.name: entry.about for entry in listing.entries("method")}
    parameters: dict[str, dict[str, Any]] = {}
    for choice in selections:
        parameters.setdefault(str(choice["method"]), {})[str(choice["dataset"])] = choice["params"]
    found = []
    for method, of_datasets in parameters.items():
        about = known.get(targets.get(method, ""), "")
        found.append(Card(method, about.partition("\n")[0], _source(about), of_datasets))
    return found


def _source(about: str) -> str:
    """The paragraph of a docstring that says where a method comes from."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in about.split("\n\n")]
    return next((paragraph for paragraph in paragraphs if paragraph.startswith("Source:")), "")


def _better(name: str) -> str | None:
    """Which way a registered metric, or a variant of one, is better."""
    family = KnownMetrics().family(name)
    return None if family is None else family.better_of(name)
