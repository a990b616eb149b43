"""What the commands do, for the command line and for Python alike."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from bench.drawing import FOLDER as FIGURES
from bench.errors import BadInputError, masked
from bench.plan.preview import plan_pair
from bench.plan.protocol import Pair
from bench.record.cells import Cell
from bench.record.compaction import compact
from bench.record.ledger import Ledger, locked, read
from bench.record.results import current, reported
from bench.report import FRAME, PAGE, REPORT, leaderboards_of, write_foreign_report, write_results
from bench.running.batch import FOLDER as BATCHES
from bench.running.coordinator import Coordinator, Options
from bench.suite.data import load_dataset
from bench.suite.metrics import KnownMetrics
from bench.terminal import show
from bench.track.progress import Display
from bench.track.runs import Finished
from bench.track.store import synchronise
from bench.track.tracker import MlflowTracker, Tracker
from methods.training.device import choose_device

if TYPE_CHECKING:
    from rich.console import Console

    from bench.suite.config import Suite
    from reports.leaderboard import Board


def run_suite(suite: Suite, out: Path, options: Options, console: Console, *, quiet: bool) -> int:
    """Run what is missing and write all results; how many cells of the suite have failed."""
    if suite.executor_called(options.executor).target == "local":
        _check_device(options.device)
    with locked(out), _terminated_as_interrupt():
        ledger = Ledger(out)
        with Display(console, quiet=quiet) as display:
            tracker = _tracker(suite, out, ledger)
            coordinator = Coordinator(suite, out, options, ledger, display, tracker)
            try:
                coordinator.run()
            finally:
                ledger.close()
            compact(ledger.folder, [f"{path.stem}.jsonl" for path in (out / BATCHES).glob("*.json")])
            results = write_results(out, ledger)
            tracker.finish(_finished(ledger, results.content.boards, results.files))
            tracker.close()
    show(results.content, console)
    failed = coordinator.failures()
    if failed:
        console.print(f"{len(failed)} cells failed; `bench status {out}` says why", style="red", soft_wrap=True)
    console.print(f"All scores, intervals and pictures: {out / PAGE}", soft_wrap=True, highlight=False)
    if suite.mlflow == "sqlite":
        console.print(f"Every run in MLflow: bench ui {out}", soft_wrap=True, highlight=False)
    return len(failed)


def plan_suite(suite: Suite, out: Path, methods: str, datasets: str) -> list[dict[str, Any]]:
    """One row for each (data set, method): cached, to do, failed, impossible."""
    chosen, choices = suite.choose(methods, datasets)
    ledger = Ledger(out)
    rows = []
    for choice in choices:
        spec, data = load_dataset(suite, choice)
        rows += [asdict(plan_pair(Pair(spec, method), suite, ledger, data)) for method in chosen]
    return rows


def status_of(out: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The matrix of statuses of a result folder, and its errors."""
    counts: dict[tuple[str, str], dict[str, Counter[str]]] = {}
    errors = []
    for record in current(read(out)):
        cell = record.cell
        here = counts.setdefault((cell.dataset.name, cell.method), {"tune": Counter(), "final": Counter()})
        if isinstance(cell, Cell):
            here[cell.phase][record.status] += 1
        common = {"method": cell.method, "dataset": cell.dataset.name, "phase": cell.phase, "seed": cell.label}
        if record.status not in ("ok", "pruned"):
            why = (record.reason.splitlines() or [""])[0]
            errors.append({**common, "status": record.status, "reason": why, "traceback": record.traceback})
        for score in record.scores if record.status == "ok" else ():
            if score.status == "failed":
                why = f"{score.metric}: {score.reason}"
                errors.append({**common, "status": "failed metric", "reason": why, "traceback": ""})
    matrix = [
        {
            "dataset": dataset,
            "method": method,
            **{phase: _counted(counter) for phase, counter in phases.items()},
        }
        for (dataset, method), phases in sorted(counts.items())
    ]
    return matrix, errors


def write_report(out: Path, frame: Path | None, formats: Sequence[str] = ()) -> list[Path]:
    """Write the reports of a result folder, or of a foreign frame into it."""
    if frame is not None:
        return list(write_foreign_report(frame, out, formats).files)
    return list(write_results(out, read(out), formats).files)


def synchronise_folder(out: Path, uri: str) -> int:
    """Make an MLflow store hold what the ledger says; how many runs that is."""
    ledger = read(out)
    suite = ledger.runs[-1]["suite"] if ledger.runs else out.name
    files = [out / FRAME, out / PAGE, out / REPORT, *sorted((out / FIGURES).rglob("*.png"))]
    try:
        return synchronise(uri, suite, out, _finished(ledger, leaderboards_of(ledger, out), files))
    except Exception as error:
        said = masked(str(error).partition("\n")[0])
        raise BadInputError(f"MLflow store {masked(uri)!r}: {type(error).__name__}: {said}") from error


def _finished(ledger: Ledger, boards: Sequence[Board], files: Sequence[Path]) -> Finished:
    from reports.headline import columns, headline_metrics

    headline = headline_metrics(boards)
    shown = {board.dataset: list(columns(board, headline)) for board in boards}
    config = str(ledger.runs[-1].get("config", "")) if ledger.runs else ""
    return Finished(list(ledger.records.values()), list(reported(ledger)), ledger.metrics, shown, files, config)


def _tracker(suite: Suite, out: Path, ledger: Ledger) -> Tracker:
    if suite.mlflow == "off":
        return Tracker()
    known = KnownMetrics((*suite.metrics, *suite.judged))
    return MlflowTracker(suite.mlflow, suite.name, out, known, list(ledger.records.values()))


def _check_device(device: str) -> None:
    try:
        choose_device(device)
    except ValueError as error:
        raise BadInputError(f"--device: {error}") from error


class _terminated_as_interrupt:
    """While this lasts, SIGTERM and SIGHUP end the run as Ctrl-C does: workers are killed, the ledger is closed.

    A signal that is ignored, as SIGHUP is under nohup, stays so.
    """

    def __enter__(self) -> None:
        # Signals are the main thread's; in another there is nothing to change.
        self._mine = threading.current_thread() is threading.main_thread()
        if not self._mine:
            return

        def interrupt(number: int, frame: object) -> NoReturn:
            raise KeyboardInterrupt

        listened = (s for s in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(s) != signal.SIG_IGN)
        self._before = {number: signal.signal(number, interrupt) for number in listened}

    def __exit__(self, *exception: object) -> None:
        if self._mine:
            for number, before in self._before.items():
                signal.signal(number, before)


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {status}" for status, count in sorted(counter.items())) or "–"
