"""What a person sees of a running suite, or of timings: a bar with an ETA on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    # Its library, pydantic, may be absent where kernels are timed.
    from bench.record.records import Record


def first_line(text: str) -> str:
    return text.partition("\n")[0]


_MARKS = {"ok": "[green]✓[/]", "pruned": "[dim]✂[/]"}


class Display:
    """Announces each record, and how far the suite is."""

    def __init__(self, console: Console, *, quiet: bool, unit: str = "cells") -> None:
        self.console = console
        self.live = console.is_terminal and not quiet
        self.done = self.total = 0
        self.began = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit),
            TimeElapsedColumn(), TextColumn("ETA"), TimeRemainingColumn(elapsed_when_finished=False),
            console=console, disable=not self.live,
        )  # fmt: skip
        self._task = self._progress.add_task("running", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            # Trials that repeat another are no cells; where the work ends the bar does.
            self.total = self.done
            self._update()
        self._progress.stop()

    def expect(self, total: int) -> None:
        """Say how many cells there are in all."""
        self.total = total
        self._update()

    def skip(self, count: int) -> None:
        """So many cells were in the ledger already."""
        self.total -= count
        self._update()

    def record(self, record: Record) -> None:
        """One more cell has ended."""
        self.step(self._line(record))

    def step(self, line: str) -> None:
        """One more has ended, and this is said of it."""
        self.done += 1
        self.total = max(self.total, self.done)
        self._update()
        self.console.print(line + self._counter(), highlight=False, soft_wrap=True)

    def kept(self, record: Record) -> None:
        """A failure of an earlier run is not run again."""
        failed = next((score.reason for score in record.scores if score.status == "failed"), "")
        cell = record.cell
        where = f"{cell.method} {cell.dataset.name} {cell.phase} {cell.label}"
        said = escape(f"{where}: {first_line(record.reason or failed)}")
        # A good cell is kept here for a metric that failed, which is retried as failed.
        status = "failed" if record.status == "ok" else record.status
        self.say(f"[red]kept as {status}[/]: {said} (--retry {status} runs it again)")

    def refused(self, dataset: str, method: str, reason: str) -> None:
        """A method cannot be fitted to a data set at all, so that nothing of it is run."""
        self.say(f"[red]✗[/] {escape(f'{method} {dataset}: cannot be fitted: {reason}')}")

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)

    def _update(self) -> None:
        self._progress.update(self._task, completed=self.done, total=self.total)

    def _line(self, record: Record) -> str:
        cell = record.cell
        failed = ""
        head = f"{cell.method:<12} {cell.dataset.name:<12} {cell.phase:<5} {cell.label:<5}"
        if record.status == "ok":
            shown = [s for s in record.scores if s.value is not None and s.metric == s.requested][:3]
            values = "  ".join(f"{score.metric} {score.value:.3g}" for score in shown)
            seconds = record.fit_seconds + record.decoder_seconds + record.score_seconds
            failed = next(
                (f"  {s.metric} failed: {first_line(s.reason)}" for s in record.scores if s.status == "failed"), ""
            )
            text = f"{head} {values}{failed}   {seconds:.1f} s  {record.peak_memory_mb / 1e3:.1f} GB"
        else:
            text = f"{head} {record.status}: {first_line(record.reason)}"
        mark = "[yellow]![/]" if record.status == "ok" and failed else _MARKS.get(record.status, "[red]✗[/]")
        return f"{mark} {escape(text)}"

    def _counter(self) -> str:
        """For plain lines what the bar shows otherwise."""
        if self.live or not self.done:
            return ""
        left = (time.monotonic() - self.began) / self.done * (self.total - self.done)
        return f"   ({self.done}/{self.total}, ETA {int(left // 60)}:{int(left % 60):02d})"
