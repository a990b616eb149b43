"""Commands on suites and on the result folders of their runs."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.app import FAILED, INTERRUPTED, Device, Json, app, console, leave, names_of, print_json, show
from bench.errors import BadInputError

if TYPE_CHECKING:
    from bench.suite.config import Suite

File = Annotated[Path, typer.Argument(metavar="[bench.toml]", help="The suite.", show_default=False)]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A result folder (the --out of a run).")]
Out = Annotated[Path | None, typer.Option("--out", help="Result folder [default: runs/SUITE].", show_default=False)]
MethodGlob = Annotated[str, typer.Option("-m", "--methods", metavar="GLOB", help="Only methods whose name matches.")]
DatasetGlob = Annotated[
    str, typer.Option("-d", "--datasets", metavar="GLOB", help="Only data sets whose name matches.")
]


class Scale(StrEnum):
    """How much of a published protocol is run."""

    small = "small"
    paper = "paper"


Smoke = Annotated[bool, typer.Option("--smoke", help="At most 300 rows, 2 epochs, one seed, no tuning.")]


@app.command()
def run(
    file: File = Path("bench.toml"),
    out: Out = None,
    n_jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=0, help="Worker processes; 0 means one for each core.")
    ] = 0,
    device: Annotated[Device, typer.Option(help="Where networks train.")] = Device.auto,
    methods: MethodGlob = "*",
    datasets: DatasetGlob = "*",
    smoke: Smoke = False,
    retry: Annotated[
        str,
        typer.Option("--retry", metavar="STATUSES", help="Run cells again that ended so, e.g. failed,timeout."),
    ] = "",
    executor: Annotated[
        str,
        typer.Option(
            metavar="NAME|file.py:Class",
            help="What computes jobs: local, slurm, ray, or a class of your own [default: the suite's, or local].",
            show_default=False,
        ),
    ] = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Plain lines in place of a progress bar.")] = False,
) -> None:
    """Run what of the suite is missing; write results, report and MLflow runs; print the leaderboard.

    The same command again resumes. Exit code 1 if a cell failed.
    """
    from bench.commands import run_suite
    from bench.running.coordinator import Options
    from bench.suite.config import load_suite

    suite = load_suite(file, smoke=smoke)
    options = Options(n_jobs, device.value, methods, datasets, _statuses(retry), executor)
    try:
        failed = run_suite(suite, _out(out, suite), options, console(), quiet=quiet)
    except KeyboardInterrupt:
        sys.stderr.write("bench: interrupted; the same command again goes on from here\n")
        raise typer.Exit(INTERRUPTED) from None
    leave(FAILED if failed else 0)


@app.command()
def reproduce(
    system: Annotated[str, typer.Argument(metavar="irvae|nrae|ensemble|metricvae|cnnvae|across|all")],
    scale: Annotated[Scale, typer.Option(help="A part that two cores do in minutes, or all of it.")] = Scale.small,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the result folders [default: runs/reproduce].", show_default=False),
    ] = None,
    n_jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=0, help="Worker processes; 0 means one for each core.")
    ] = 0,
    device: Annotated[Device, typer.Option(help="Where networks train.")] = Device.auto,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Plain lines in place of a progress bar.")] = False,
) -> None:
    """Run a published protocol and judge each of its claims: reproduced, not reproduced, or inconclusive.

    Each protocol is a suite with claims of its own, run in a folder of its own; the same command again resumes.
    """
    from bench.reproduce import reproduce as run_protocols
    from bench.running.coordinator import Options

    folder = out or Path("runs") / "reproduce"
    try:
        failed = run_protocols(system, scale.value, folder, Options(n_jobs, device.value), console(), quiet=quiet)
    except KeyboardInterrupt:
        sys.stderr.write("bench: interrupted; the same command again goes on from here\n")
        raise typer.Exit(INTERRUPTED) from None
    leave(FAILED if failed else 0)


@app.command()
def worker(
    file: Annotated[Path, typer.Argument(metavar="JOBS.json", help="A file in the batches/ of a result folder.")],
    n_jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=0, help="Worker processes; 0 means one for each core.")
    ] = 0,
) -> None:
    """Compute a file of jobs, as a node of a cluster does, and write their part of the ledger.

    The same command again goes on. Exit code 1 if a cell failed.
    """
    from bench.running.batch import run as run_batch

    try:
        failed = run_batch(file, n_jobs)
    except KeyboardInterrupt:
        sys.stderr.write("bench: interrupted; the same command again goes on from here\n")
        raise typer.Exit(INTERRUPTED) from None
    leave(FAILED if failed else 0)


@app.command()
def plan(
    file: File = Path("bench.toml"),
    out: Out = None,
    methods: MethodGlob = "*",
    datasets: DatasetGlob = "*",
    smoke: Smoke = False,
    as_json: Json = False,
) -> None:
    """Say what would run, what is cached, and what is impossible and why."""
    from bench.commands import plan_suite
    from bench.suite.config import load_suite
    from bench.terminal import impossible

    suite = load_suite(file, smoke=smoke)
    rows = plan_suite(suite, _out(out, suite), methods, datasets)
    columns = ("dataset", "method", "cached", "todo", "failed")
    show(rows, columns, as_json, title=f"{suite.name}: cells")
    if not as_json:
        sys.stdout.writelines(f"{line}\n" for line in impossible(rows))


@app.command()
def status(folder: Folder, as_json: Json = False) -> None:
    """Show the method x data set matrix of statuses, and the first line of each error."""
    from bench.commands import status_of
    from bench.terminal import causes_of

    matrix, errors = status_of(folder)
    if as_json:
        print_json({"cells": matrix, "errors": errors})
        return
    show(matrix, ("dataset", "method", "tune", "final"), False, title=str(folder))
    sys.stdout.writelines(f"{line}\n" for line in causes_of(errors, folder))


@app.command()
def report(
    folder: Folder,
    frame: Annotated[
        Path | None, typer.Option("--from", metavar="FRAME.parquet", help="Report on this frame instead.")
    ] = None,
    figures: Annotated[
        str, typer.Option("--figures", metavar="FORMATS", help="Formats of figures: png, svg, pdf, with commas.")
    ] = "png",
    table: Annotated[
        str, typer.Option("--table", metavar="FORMAT", help="Only print a table: latex, csv or markdown.")
    ] = "",
    metrics: Annotated[str, typer.Option(metavar="NAMES", help="Of these metrics, with commas [--table].")] = "",
    methods: Annotated[str, typer.Option(metavar="NAMES", help="Of these methods, with commas [--table].")] = "",
) -> None:
    """Write tables, figures, report.html and report.md again, from the ledger alone; or print a table for a paper."""
    from bench.commands import write_report
    from bench.paper import table_of

    if table:
        sys.stdout.write(table_of(folder, frame, table, names_of(metrics), names_of(methods)))
        return
    for path in write_report(folder, frame, _formats(figures)):
        sys.stdout.write(f"{path}\n")


@app.command()
def animate(
    file: File = Path("bench.toml"),
    methods: MethodGlob = "*",
    datasets: DatasetGlob = "*",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the model that is fitted.")] = 0,
    device: Annotated[Device, typer.Option(help="Where it trains.")] = Device.auto,
    to: Annotated[Path, typer.Option("--to", metavar="FILE.gif", help="Where the animation goes.")] = Path(
        "training.gif"
    ),
) -> None:
    """Fit one method of the suite to one of its data sets, and write a GIF of what it learns."""
    from bench.animation import animate as write_animation
    from bench.suite.config import load_suite

    write_animation(load_suite(file), methods, datasets, seed, device.value, to)
    sys.stdout.write(f"{to}\n")


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(metavar="A", help="A result folder, or a frame (.parquet).")],
    after: Annotated[Path, typer.Argument(metavar="B", help="Another one, to be compared with it.")],
    metrics: Annotated[
        list[str] | None, typer.Option("--metric", metavar="NAME", help="Only this one; may be given again.")
    ] = None,
    worse_by: Annotated[
        float, typer.Option(min=0, help="Share of A's value by which B must be worse for exit code 1.")
    ] = 0.0,
    as_json: Json = False,
) -> None:
    """Say what is better in B than in A, what is worse, and what cannot be told, with uncertainty.

    Exit code 0 fine, 1 something is worse, 2 bad input, 3 nothing to compare.
    """
    from bench.compare import as_rows, printed
    from bench.compare import compare as compare_results

    found, code = compare_results(before, after, metrics or (), worse_by)
    if as_json:
        print_json(as_rows(found))
    else:
        sys.stdout.write("\n".join(printed(found)) + "\n")
    leave(code)


@app.command()
def score(
    data: Annotated[str, typer.Option("--data", metavar="FILE", help="The data: .npy, .npz, .csv, .parquet, .h5ad.")],
    embeddings: Annotated[
        list[str], typer.Option("--embedding", metavar="FILE", help="Its codes, row by row; may be given again.")
    ],
    decoders: Annotated[
        list[str] | None,
        typer.Option("--decoder", metavar="FILE", help="decoder.pt2 or file.py:function, in the same order."),
    ] = None,
    names: Annotated[
        list[str] | None, typer.Option("--name", metavar="NAME", help="Of each embedding, in the same order.")
    ] = None,
    labels: Annotated[str, typer.Option(metavar="FILE", help="One label for each row.")] = "",
    intrinsic: Annotated[str, typer.Option(metavar="FILE", help="Coordinates on the manifold.")] = "",
    split: Annotated[str, typer.Option(metavar="FILE", help="train, validation or test for each row.")] = "",
    metrics: Annotated[str, typer.Option(metavar="NAMES", help="Only these, with commas [default: all].")] = "",
    out: Annotated[Path, typer.Option("--out", help="Result folder.")] = Path("runs/score"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Plain lines in place of a progress bar.")] = False,
) -> None:
    """Score embeddings that exist, with every metric that can be had of them, and compare them.

    After a file, a colon and what of it is meant: 'table.csv:x,y', 'arrays.npz:Z', 'cells.h5ad:obsm/X_umap'. The rows
    are split as those of any data set, and the test rows are scored. Exit code 1 if one could not be scored.
    """
    from bench.commands import run_suite
    from bench.record.ledger import read
    from bench.report import leaderboards_of
    from bench.running.coordinator import Options
    from bench.score import Given, suite_of, told

    given = Given(data, embeddings, decoders or (), names or (), labels, intrinsic, split, names_of(metrics))
    failed = run_suite(suite_of(given, out), out, Options(), console(), quiet=quiet)
    sys.stdout.writelines(f"{line}\n" for line in told(leaderboards_of(read(out), out)))
    leave(FAILED if failed else 0)


@app.command()
def sync(
    folder: Folder,
    uri: Annotated[str, typer.Option("--uri", help="MLflow store: sqlite (in the folder) or a URI.")] = "sqlite",
) -> None:
    """Rebuild the MLflow store from the ledger."""
    from bench.commands import synchronise_folder

    sys.stdout.write(f"{synchronise_folder(folder, uri)} runs in MLflow\n")


@app.command()
def ui(
    folder: Folder,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port on 127.0.0.1.")] = 5_000,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the first page in the browser.")] = False,
) -> None:
    """Serve the MLflow UI of the folder's store, on 127.0.0.1 only, and say where its methods are compared."""
    from bench.ui import serve

    serve(folder, port, open_browser=open_browser)


def _statuses(text: str) -> frozenset[str]:
    from bench.errors import nearest
    from bench.record.records import FAILURES

    found = frozenset(names_of(text))
    for name in sorted(found - set(FAILURES)):
        raise BadInputError(f"--retry: unknown status {name!r}; {nearest(name, FAILURES)}")
    return found


def _formats(text: str) -> tuple[str, ...]:
    from bench.errors import nearest
    from reports.figures import FORMATS

    found = names_of(text)
    for name in found:
        if name not in FORMATS:
            raise BadInputError(f"--figures: unknown format {name!r}; {nearest(name, FORMATS)}")
    return found


def _out(out: Path | None, suite: Suite) -> Path:
    return out if out is not None else Path("runs") / suite.name
