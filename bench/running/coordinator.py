"""The coordinator: owns the ledger, the studies and the tracker; hands jobs to the executor."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.errors import masked
from bench.plan.jobs import Job, Setting
from bench.plan.missing import Missing, missing, nothing_missing
from bench.plan.protocol import Pair, Protocol, Request, n_cells, protocol
from bench.plan.refusal import refusal
from bench.plan.stacking import jobs
from bench.record.cells import Unit
from bench.record.ledger import Ledger
from bench.record.provenance import command_line, hardware, source_state, versions
from bench.record.records import Record
from bench.running.answer import Finished
from bench.running.executor import at_once, executor_named
from bench.running.failures import LOGS, is_failed, records_of, refused_record
from bench.running.staff import Staff
from bench.suite.config import Suite
from bench.suite.data import load_dataset
from bench.suite.metrics import to_json
from bench.track.progress import Display
from bench.track.tracker import Tracker


@dataclass(frozen=True)
class Options:
    """How to run a suite, beside what it holds.

    `executor` is a registered name or 'file.py:Class'; the suite's own where it is empty.
    """

    n_workers: int = 0
    device: str = "auto"
    methods: str = "*"
    datasets: str = "*"
    retry: frozenset[str] = frozenset()
    executor: str = ""


@dataclass
class _Progress:
    """One pair under way: its protocol, its open request, and the cells of it that are still out."""

    pair: Pair
    protocol: Protocol
    request: Request
    waiting: set[str] = field(default_factory=set)


class Coordinator:
    """Runs what of a suite is missing from a result folder."""

    def __init__(
        self, suite: Suite, out: Path, options: Options, ledger: Ledger, display: Display, tracker: Tracker
    ) -> None:
        # Absolute, because a method may change the working directory of its worker.
        self.suite, self.out, self.options = suite, out.resolve(), options
        self.ledger, self.display, self.tracker = ledger, display, tracker
        self.git_sha, self.git_dirty = source_state(suite.root)
        self.busy_seconds = 0.0
        self.under_way: list[_Progress] = []
        self.owner: dict[str, _Progress] = {}
        self.asked: set[str] = set()

    def run(self) -> None:
        """Run every missing cell. A killed run loses only the jobs in flight."""
        began = time.monotonic()
        pairs = self._pairs()
        self._staff()
        self._announce(pairs)
        try:
            for pair in pairs:
                known = nothing_missing(pair, self.suite, self.ledger, self.options.retry)
                if known is not None:
                    self.display.expect(self.display.total + max(0, len(known) - n_cells(pair, self.suite)))
                    self._keep({record.cell.id: record for record in known})
                    continue
                progress = protocol(pair, self.suite, self.out)
                self._advance(_Progress(pair, progress, next(progress)))
            while self.under_way:
                for finished in self.executor.wait():
                    self._take(finished)
        finally:
            self.executor.close()
        if self.owner:
            wall = time.monotonic() - began
            facts = {"wall_seconds": wall, "busy_seconds": self.busy_seconds, "n_workers": self.executor.n_workers}
            self.ledger.end_run(facts)

    def failures(self) -> list[Record]:
        """Records of cells this run asked for that failed, or one of whose metrics did."""
        return [self.ledger.records[cell] for cell in sorted(self.asked) if is_failed(self.ledger.records[cell])]

    def _pairs(self) -> list[Pair]:
        methods, datasets = self.suite.choose(self.options.methods, self.options.datasets)
        loaded = [load_dataset(self.suite, choice) for choice in datasets]
        specs = [spec for spec, _ in loaded]
        self.specs = {spec.name: spec for spec in specs}
        self.shapes = {spec.name: data.shape for spec, data in loaded}
        self.chosen = {method.name for method in methods}
        return [Pair(spec, method) for spec in specs for method in methods]

    def _staff(self) -> None:
        chosen = self.suite.executor_called(self.options.executor)
        root = None if self.options.executor else self.suite.root
        made = executor_named(chosen.target, chosen.options, root)
        staff = Staff.of(self.suite, self.options.device, self.options.n_workers or at_once(made, chosen.options))
        self.stacking = staff.stacking
        self.setting = Setting(
            str(self.suite.root), str(self.out), self.options.device, self.suite.timeout, self.suite.memory,
            staff.stacking.n_workers, self.suite.exact_up_to, self.suite.name, self.git_sha, self.git_dirty,
        )  # fmt: skip
        self.executor = made(staff.n_workers, staff.threads, self.out / LOGS, self._should_stop, **chosen.options)

    def _announce(self, pairs: list[Pair]) -> None:
        self.display.expect(sum(n_cells(pair, self.suite) for pair in pairs))
        known = [record for record in self.ledger.records.values() if self._concerns(record)]
        other = {record.git_sha for record in known if record.git_sha != self.git_sha}
        if other:
            shown = ", ".join(sorted(sha[:8] or "no commit" for sha in other))
            self.display.say(
                f"[yellow]results of another git state ({shown}) are kept; use another --out to redo them[/]"
            )
        self.ledger.start_run({
            "command": masked(command_line()), "suite": self.suite.name, "config": masked(self.suite.text),
            "tuning": _tuning(self.suite),
            "metrics": [choice.name for choice in self.suite.metrics], "methods": [m.name for m in self.suite.methods],
            "scored_by": to_json(dict.fromkeys((*self.suite.metrics, *self.suite.judged))),
            "min_explained_variance": self.suite.min_explained_variance,
            "claims": [claim.as_json() for claim in self.suite.claims],
            "report_seeds": list(self.suite.report_seeds), "tune_seeds": list(self.suite.tune_seeds),
            "data": {spec.name: spec.content for spec in self.specs.values()},
            "datasets": [d.name for d in self.suite.datasets],
            "versions": versions(), "hardware": hardware(), "n_workers": self.executor.n_workers,
            "threads": self.executor.threads, "device": self.options.device,
            "git_sha": self.git_sha, "git_dirty": self.git_dirty,
            "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        })  # fmt: skip

    def _advance(self, progress: _Progress) -> None:
        """Answer a pair's requests from the ledger as far as it goes, then submit what is missing."""
        while True:
            lacking = missing(progress.request, self.ledger.records, self.options.retry, self.owner)
            if self._refuse(progress, lacking):
                continue
            if lacking:
                break
            records = {cell.id: self.ledger.records[cell.id] for cell in progress.request.cells}
            self._keep(records)
            try:
                progress.request = progress.protocol.send(records)
                self._expect_front(progress.request)
            except StopIteration as end:
                self.ledger.select(*progress.pair.key, {
                    **asdict(end.value), "spec": asdict(progress.pair.dataset), "seeds": list(self.suite.report_seeds),
                })  # fmt: skip
                if progress in self.under_way:
                    self.under_way.remove(progress)
                return
        if progress not in self.under_way:
            self.under_way.append(progress)
        progress.waiting = {cell.id for group in lacking for cell in group.cells}
        for cell in progress.waiting:
            self.owner[cell] = progress
        for group in lacking:
            for job in jobs(group, progress.request, progress.pair.method, self.stacking, self.setting):
                self.executor.submit(job)

    def _expect_front(self, request: Request) -> None:
        """Of a front more configurations are reported than the one that was announced."""
        if request.tuner is None:
            self.display.expect(self.display.total + max(0, len(request.cells) - len(self.suite.report_seeds)))

    def _refuse(self, progress: _Progress, lacking: Sequence[Missing]) -> bool:
        """Record those of the cells that cannot be computed; whether there were any."""
        reasons = [(cell, self._refusal(cell)) for group in lacking for cell in group.cells]
        refused = [(cell, reason) for cell, reason in reasons if reason is not None]
        for reason in dict.fromkeys(reason for _, reason in refused):
            self.display.refused(*progress.pair.key, reason)
        self.display.skip(len(refused))
        self.owner |= dict.fromkeys((cell.id for cell, _ in refused), progress)
        if refused:
            self._write([refused_record(cell, progress.request, why, self.setting) for cell, why in refused])
        return bool(refused)

    def _refusal(self, cell: Unit) -> str | None:
        return refusal(cell.target, cell.params, self.shapes[cell.dataset.name], self.suite.root)

    def _write(self, records: Sequence[Record], *, recorded: bool = False) -> None:
        """Put records into the ledger, if they are not there yet, and pass them on to the tracker."""
        for merged in self.ledger.take(records) if recorded else self.ledger.add(records):
            self.tracker.record(merged)

    def _keep(self, records: Mapping[str, Record]) -> None:
        """Count the records that were in the ledger already, and show the failures among them."""
        self.asked |= set(records)
        kept = [record for cell, record in records.items() if cell not in self.owner]
        self.display.skip(len(kept))
        for record in kept:
            if is_failed(record):
                self.display.kept(record)

    def _should_stop(self, job: Job, position: int, epoch: int, value: float) -> bool:
        cell = job.cells[position]
        request = self.owner[cell.id].request
        if request.tuner is None or cell.id not in request.trials:
            return False
        return request.tuner.should_prune(request.trials[cell.id], epoch, value)

    def _take(self, finished: Finished) -> None:
        job, failure = finished.job, finished.failure
        self.busy_seconds += finished.warm_up_seconds + (finished.seconds if failure is not None else 0.0)
        self.busy_seconds += sum(r.fit_seconds + r.decoder_seconds + r.score_seconds for r in finished.records)
        records = records_of(finished, self.out)
        if not records:
            for half in job.halves():
                self.executor.submit(half)
            return
        self._write(records, recorded=finished.recorded)
        for record in records:
            self.display.record(record)
        progress = self.owner[job.units[0].id]
        progress.waiting -= {unit.id for unit in job.units}
        if not progress.waiting:
            self._advance(progress)

    def _concerns(self, record: Record) -> bool:
        """Whether a record is of a pair of this run, on the same data."""
        spec = self.specs.get(record.cell.dataset.name)
        return spec is not None and record.cell.dataset == spec and record.cell.method in self.chosen


def _tuning(suite: Suite) -> dict[str, object] | None:
    """What trials were judged by, and how many there were; None where hyperparameters were not tuned."""
    if suite.tune is None or suite.goals is None:
        return None
    goals = suite.goals
    return {
        "objectives": list(goals.objectives), "limits": [str(limit) for limit in goals.limits],
        "limited": [limit.metric for limit in goals.limits], "trials": suite.tune.trials,
        "seeds": list(suite.tune_seeds),
    }  # fmt: skip
