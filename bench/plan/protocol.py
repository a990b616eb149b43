"""The protocol of one (data set, method) pair: tune on tuning seeds, report the winner on report seeds.

Written as a generator that asks for cells and is sent their records, so that many pairs can be under way at
once and a resumed run simply answers the first requests from the ledger.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.plan.tuner import Tuner, Verdict
from bench.record.cells import Cell, Group, Phase, Unit
from bench.record.records import FAILURES, Record
from bench.suite import registry
from bench.suite.choices import MethodChoice, starting_point
from bench.suite.config import Suite
from bench.suite.data import DatasetSpec

FOLDER = "studies"


@dataclass(frozen=True)
class Pair:
    """One data set and one method of a suite."""

    dataset: DatasetSpec
    method: MethodChoice

    @property
    def key(self) -> tuple[str, str]:
        return self.dataset.name, self.method.name


@dataclass(frozen=True)
class Request:
    """Cells, or a group of them, that a pair needs before it can go on.

    Attributes:
        prune: whether a cell may be stopped early.
        trials: the trial of those cells whose intermediate scores decide about pruning, by cell id.
    """

    cells: tuple[Unit, ...]
    metrics: tuple[str, ...]
    split: str
    tuner: Tuner | None = None
    prune: bool = False
    trials: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Selection:
    """The configuration reported for a pair, and how it came about.

    `objective` is what it reached on the tuning seeds, `trials` are the cells it was chosen from, `group` is what
    metrics over seeds are scored on.
    """

    params: Mapping[str, Any]
    config_id: str
    note: str
    objective: float | None = None
    trials: tuple[str, ...] = ()
    group: str = ""


Protocol = Generator[Request, Mapping[str, Record], Selection]


def n_cells(pair: Pair, suite: Suite) -> int:
    """How many cells and groups the pair's protocol asks for, if no trial repeats another and no cell fails."""
    tuned = suite.tune.trials * len(suite.tune_seeds) if suite.tune and pair.method.search else 0
    return tuned + len(suite.report_seeds) + bool(metrics_of_scope(suite.metrics, "seeds", suite.root))


def metrics_of_scope(names: Sequence[str], scope: str, root: Path) -> tuple[str, ...]:
    """Those of the metrics that are of one model ('cell') or of all models of a configuration ('seeds')."""
    return tuple(name for name in names if registry.load("metric", name, root).scope == scope)


def protocol(pair: Pair, suite: Suite, out: Path) -> Protocol:
    """All requests of a pair, in order; returns what was selected."""
    chosen = Selection({}, "", "not tuned")
    if suite.tune is not None and pair.method.search:
        chosen = yield from _tune(pair, suite, out)
    params = {**pair.method.params, **chosen.params}
    cells = tuple(_cell("final", pair, params, seed) for seed in suite.report_seeds)
    records = yield Request(cells, metrics_of_scope(suite.metrics, "cell", suite.root), "test")
    fitted = [cell for cell in cells if records[cell.id].status == "ok"]
    over_seeds = metrics_of_scope(suite.metrics, "seeds", suite.root)
    if fitted and over_seeds:
        group = Group.of(fitted)
        yield Request((group,), over_seeds, "test")
        chosen = replace(chosen, group=group.id)
    return replace(chosen, params=params, config_id=cells[0].config_id)


def _tune(pair: Pair, suite: Suite, out: Path) -> Protocol:
    """The trials; returns the winning parameter values, none where no trial gave the objective."""
    tune = suite.tune
    assert tune is not None
    better = registry.metric(tune.objective).better
    name = f"{suite.name}/{pair.dataset.name}/{pair.method.name}"
    journal = out / FOLDER / f"{pair.dataset.name}--{pair.method.name}.journal"
    fixed = pair.method.params
    tuner = Tuner(name, tune, pair.method.search, better, starting_point(pair.method), journal)
    reasons: list[str] = []
    seen: dict[str, None] = {}
    for batch, first in enumerate(range(0, tune.trials, tune.batch)):
        asked = tuner.ask(batch, min(tune.batch, tune.trials - first))
        trials = [[_cell("tune", pair, {**fixed, **drawn}, seed) for seed in suite.tune_seeds] for drawn in asked]
        unique = {cell.id: cell for cells in trials for cell in cells}
        # The first trial of a repeated configuration reports for all of them.
        reporting = {cells[0].id: at for at, cells in reversed(list(enumerate(trials)))}
        records = yield Request(
            tuple(unique.values()), (tune.objective,), "validation", tuner, tune.pruner != "off", reporting
        )
        verdicts = [_verdict(tune.objective, [records[cell.id] for cell in cells]) for cells in trials]
        tuner.tell(verdicts)
        seen |= dict.fromkeys(unique)
        reasons += [records[cell.id].reason for cells in trials for cell in cells if records[cell.id].reason]
    best = tuner.best()
    if best is None:
        why = f": {reasons[0]}" if reasons else ""
        note = f"no trial gave {tune.objective}, the values without tuning are reported{why}"
        return Selection({}, "", note, None, tuple(seen))
    return Selection(best[0], "", f"best {tune.objective} of {tune.trials} trials", best[1], tuple(seen))


def _verdict(objective: str, records: Sequence[Record]) -> Verdict:
    """A trial's verdict from its seeds: their mean, if every one of them gave a value."""
    intermediate = records[0].intermediate
    if any(record.status == "pruned" for record in records):
        return Verdict(None, pruned=True, intermediate=intermediate)
    values = [record.value(objective) for record in records if record.status not in FAILURES]
    known = [value for value in values if value is not None]
    mean = sum(known) / len(known) if len(known) == len(records) else None
    return Verdict(mean, intermediate=intermediate)


def _cell(phase: Phase, pair: Pair, params: Mapping[str, Any], seed: int) -> Cell:
    return Cell(phase, pair.dataset, pair.method.name, pair.method.target, dict(params), seed)
