"""The command line. Each command is a thin layer: parse, call, print, exit code."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from bench.errors import BadInputError
from bench.suite import listing, registry

if TYPE_CHECKING:
    from bench.suite.config import Suite

app = typer.Typer(
    name="bench",
    help="Compare representation-learning methods by the geometry of what they learn.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


class Components(StrEnum):
    """What `bench list` lists."""

    methods = "methods"
    datasets = "datasets"
    metrics = "metrics"


class Device(StrEnum):
    """Where networks train."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


File = Annotated[Path, typer.Argument(metavar="[bench.toml]", help="The suite.", show_default=False)]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A result folder (the --out of a run).")]
Out = Annotated[Path | None, typer.Option("--out", help="Result folder [default: runs/SUITE].", show_default=False)]
MethodGlob = Annotated[str, typer.Option("-m", "--methods", metavar="GLOB", help="Only methods whose name matches.")]
DatasetGlob = Annotated[
    str, typer.Option("-d", "--datasets", metavar="GLOB", help="Only data sets whose name matches.")
]
Smoke = Annotated[bool, typer.Option("--smoke", help="At most 300 rows, 2 epochs, one seed, no tuning.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


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
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Plain lines in place of a progress bar.")] = False,
) -> None:
    """Run what of the suite is missing; write results, report and MLflow runs; print the leaderboard.

    The same command again resumes. Exit code 1 if a cell failed.
    """
    from bench.commands import run_suite
    from bench.run.coordinator import Options
    from bench.suite.config import load_suite

    suite = load_suite(file, smoke=smoke)
    options = Options(n_jobs, device.value, methods, datasets, _statuses(retry))
    try:
        failed = run_suite(suite, _out(out, suite), options, _console(), quiet=quiet)
    except KeyboardInterrupt:
        sys.stderr.write("bench: interrupted; the same command again goes on from here\n")
        raise typer.Exit(INTERRUPTED) from None
    _exit(FAILED if failed else 0)


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
    _show(rows, columns, as_json, title=f"{suite.name}: cells")
    if not as_json:
        sys.stdout.writelines(f"{line}\n" for line in impossible(rows))


@app.command()
def status(folder: Folder, as_json: Json = False) -> None:
    """Show the method x data set matrix of statuses, and the first line of each error."""
    from bench.commands import status_of
    from bench.terminal import causes_of

    matrix, errors = status_of(folder)
    if as_json:
        _print_json({"cells": matrix, "errors": errors})
        return
    _show(matrix, ("dataset", "method", "tune", "final"), False, title=str(folder))
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
        sys.stdout.write(table_of(folder, frame, table, _names(metrics), _names(methods)))
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
        _print_json(as_rows(found))
    else:
        sys.stdout.write("\n".join(printed(found)) + "\n")
    _exit(code)


@app.command()
def sync(
    folder: Folder,
    uri: Annotated[str, typer.Option("--uri", help="MLflow store: sqlite (in the folder) or a URI.")] = "sqlite",
) -> None:
    """Rebuild the MLflow store from the ledger."""
    from bench.commands import synchronise_folder

    sys.stdout.write(f"{synchronise_folder(folder, uri)} runs in MLflow\n")


@app.command("list")
def list_components(what: Annotated[Components, typer.Argument(help="What to list.")], as_json: Json = False) -> None:
    """List methods, datasets or metrics: built in, and from installed plug-ins; broken ones too."""
    kinds: dict[str, registry.Kind] = {"methods": "method", "datasets": "dataset", "metrics": "metric"}
    rows = [vars(entry) for entry in listing.entries(kinds[what.value])]
    columns = ("name", *(["better"] if what is Components.metrics else []), "status", "origin", "summary")
    _show(rows, columns, as_json, fold={"summary": lambda row: row["reason"] or row["summary"]})


@app.command()
def describe(name: Annotated[str, typer.Argument(metavar="NAME")], as_json: Json = False) -> None:
    """Show parameters, defaults, presets, search space, capabilities and the paper of a component."""
    from bench.describe import describe_component

    found = describe_component(name)
    if as_json:
        _print_json(found)
        return
    for key, value in found.items():
        if key == "about":
            sys.stdout.write(f"\n{value}\n")
        elif isinstance(value, dict):
            sys.stdout.write(f"\n{key}\n" + "".join(f"  {k} = {json.dumps(v)}\n" for k, v in value.items()))
        else:
            sys.stdout.write(f"{key}: {value}\n")


@app.command()
def check(target: Annotated[str, typer.Argument(metavar="NAME|file.py:Class")], as_json: Json = False) -> None:
    """Run the conformance kit on a method, with a small data set. Exit code 1 if a check fails."""
    from bench.conformance import run_checks

    outcomes = run_checks(registry.load("method", target))
    rows = [vars(outcome) for outcome in outcomes]
    _show(rows, ("check", "status", "detail"), as_json, title=target)
    _exit(FAILED if any(outcome.status == "failed" for outcome in outcomes) else 0)


@app.command()
def kernels(
    device: Annotated[Device, typer.Option(help="What to time.")] = Device.auto,
    out: Annotated[Path, typer.Option("--out", help="Result folder.")] = Path("runs/kernels"),
    only: Annotated[
        list[str] | None, typer.Option("--kernel", "-k", metavar="NAME", help="Only this one; may be given again.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="One decoder, small batches, nothing compiled.")] = False,
    seconds: Annotated[float, typer.Option(min=0.01, help="To spend on each case; five rounds at least.")] = 0.5,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Plain lines in place of a progress bar.")] = False,
) -> None:
    """Time JVP, VJP, Jacobian, pullback metric, distortion step and geodesic energy, each in all its forms.

    Each form's values are checked against double precision first. Exit code 1 if one was wrong or failed.
    """
    from bench.kernels.command import time_kernels

    try:
        failed = time_kernels(device.value, out, only or (), seconds, _console(), quick=quick, quiet=quiet)
    except KeyboardInterrupt:
        sys.stderr.write("bench: interrupted; what had been timed is written\n")
        raise typer.Exit(INTERRUPTED) from None
    _exit(FAILED if failed else 0)


@app.command()
def ui(
    folder: Folder,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port on 127.0.0.1.")] = 5_000,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the first page in the browser.")] = False,
) -> None:
    """Serve the MLflow UI of the folder's store, on 127.0.0.1 only, and say where its methods are compared."""
    from bench.ui import serve

    serve(folder, port, open_browser=open_browser)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check versions, devices, threads, plug-ins and stale runs, and say what to fix.

    Exit code 1 if something is wrong.
    """
    from bench.doctor import examine

    findings = examine(Path("runs"))
    _show([vars(finding) for finding in findings], ("what", "status", "detail", "fix"), as_json)
    _exit(FAILED if any(finding.status == "wrong" for finding in findings) else 0)


def run_command_line(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and end the process: 0 fine, 1 a cell failed, 2 bad input, 130 interrupted."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
    try:
        app(args=arguments)
    except BadInputError as error:
        sys.stderr.write(f"bench: {' '.join(str(error).split())}\n")
        raise SystemExit(BAD_INPUT) from None
    raise SystemExit(0)


def _statuses(text: str) -> frozenset[str]:
    from bench.errors import nearest
    from bench.record.records import FAILURES

    found = frozenset(_names(text))
    for name in sorted(found - set(FAILURES)):
        raise BadInputError(f"--retry: unknown status {name!r}; {nearest(name, FAILURES)}")
    return found


def _names(text: str) -> tuple[str, ...]:
    """What is between commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _formats(text: str) -> tuple[str, ...]:
    from bench.errors import nearest
    from reports.figures import FORMATS

    found = _names(text)
    for name in found:
        if name not in FORMATS:
            raise BadInputError(f"--figures: unknown format {name!r}; {nearest(name, FORMATS)}")
    return found


def _out(out: Path | None, suite: Suite) -> Path:
    return out if out is not None else Path("runs") / suite.name


def _console() -> Console:
    # A pipe has no width; what reads it, a log or a mail, has that of a terminal.
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else 80)


def _show(
    rows: Sequence[dict[str, Any]],
    columns: Sequence[str],
    as_json: bool,
    title: str = "",
    fold: dict[str, Callable[[dict[str, Any]], str]] | None = None,
) -> None:
    """Print rows as a table, or as JSON with all their keys."""
    if as_json:
        _print_json(rows)
        return
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*[(fold or {}).get(column, lambda row, c=column: str(row[c]))(row) for column in columns])
    Console(file=sys.stdout, markup=False, highlight=False, width=None if sys.stdout.isatty() else 160).print(
        table, markup=False
    )


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=1, default=str) + "\n")


def _exit(code: int) -> None:
    if code:
        raise typer.Exit(code)
