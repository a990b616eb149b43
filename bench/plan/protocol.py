"""The protocol of one (data set, method) pair: tune on tuning seeds, report the winner on report seeds.

Written as a generator that asks for cells and is sent their records, so that many pairs can be under way at
once and a resumed run simply answers the first requests from the ledger.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.plan.tuner import Chosen, Tuner, Verdict
from bench.record.cells import Cell, Group, Phase, Unit
from bench.record.records import FAILURES, Record
from bench.suite.canonical import digest
from bench.suite.choices import MethodChoice, starting_point
from bench.suite.config import Suite
from bench.suite.data import DatasetSpec
from bench.suite.goals import Goals
from bench.suite.metrics import MetricChoice, of_scope
from bench.suite.tables import Tune

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
        pictured: id of the cell whose model is saved with pictures: of the configuration that is reported, one seed.
        trials: the trial of those cells whose intermediate scores decide about pruning, by cell id.
    """

    cells: tuple[Unit, ...]
    metrics: tuple[MetricChoice, ...]
    split: str
    tuner: Tuner | None = None
    prune: bool = False
    trials: Mapping[str, int] = field(default_factory=dict)
    pictured: str = ""


@dataclass(frozen=True)
class Selection:
    """The configuration reported for a pair, and how it came about.

    Attributes:
        scores: what it reached on the tuning seeds, by metric.
        trials: the cells it was chosen from. group: what metrics over seeds are scored on. rules: see `rules`.
        front: where two objectives are traded, all configurations that no trial betters in both, each with config_id,
            params and scores on the tuning seeds; all of them are fitted on report seeds.
    """

    params: Mapping[str, Any]
    config_id: str
    note: str
    scores: Mapping[str, float] = field(default_factory=dict)
    trials: tuple[str, ...] = ()
    group: str = ""
    rules: str = ""
    front: tuple[Mapping[str, Any], ...] = ()


Protocol = Generator[Request, Mapping[str, Record], Selection]


def n_cells(pair: Pair, suite: Suite) -> int:
    """How many cells and groups the pair's protocol asks for, if no trial repeats another and no cell fails.

    Of two objectives the least: how many configurations make the front is not known before.
    """
    tuned = suite.tune.trials * len(suite.tune_seeds) if suite.tune and pair.method.search else 0
    return tuned + len(suite.report_seeds) + bool(of_scope(suite.metrics, "seeds"))


def protocol(pair: Pair, suite: Suite, out: Path | None = None) -> Protocol:
    """All requests of a pair, in order; returns what was selected.

    Args:
        out: the folder whose `studies` hold the study in Optuna's form once it is done; nowhere where it is None.
    """
    found = _Tuned("not tuned")
    if suite.tune is not None and suite.goals is not None and pair.method.search:
        found = yield from _tune(pair, suite, suite.tune, suite.goals, out)
    reported = [_cells(pair, suite, chosen) for chosen in found.best]
    cells = [cell for configuration in reported for cell in configuration]
    headline = _compromise(found.best, suite.goals) if suite.goals else 0
    of_models = of_scope(suite.metrics, "cell")
    records = yield Request(tuple(cells), of_models, "test", pictured=reported[headline][0].id)
    fitted = [cell for cell in reported[headline] if records[cell.id].status == "ok"]
    over_seeds = of_scope(suite.metrics, "seeds")
    group = Group.of(fitted) if fitted and over_seeds else None
    if group is not None:
        yield Request((group,), over_seeds, "test")
    entries: list[dict[str, Any]] = [
        {"config_id": configuration[0].config_id, "params": configuration[0].params, "scores": chosen.scores}
        for configuration, chosen in zip(reported, found.best, strict=True)
    ]
    return Selection(
        **entries[headline],
        note=found.note,
        trials=found.trials,
        group=group.id if group else "",
        front=tuple(entries) if suite.goals and len(suite.goals.objectives) > 1 else (),
        rules=rules(pair, suite),
    )


def rules(pair: Pair, suite: Suite) -> str:
    """Hash of all that decides which trials a pair has and what is chosen from them."""
    tuned = suite.tune is not None and suite.goals is not None and bool(pair.method.search)
    tuning = {
        "tune": suite.tune.model_dump() if suite.tune else None, "judged": [choice.name for choice in suite.judged],
        "seeds": list(suite.tune_seeds), "space": pair.method.search, "start": starting_point(pair.method),
        "suite": suite.name,
    }  # fmt: skip
    return digest({"params": pair.method.params, "tuning": tuning if tuned else None})


def settled(pair: Pair, suite: Suite, choice: Mapping[str, Any], records: Mapping[str, Record]) -> list[Request] | None:
    """All requests of a pair at once, where it is known already what its trials were and what was chosen from them.

    So that a study of very many trials need not be replayed where nothing is missing.

    Args:
        choice: what the ledger holds as the pair's selection.

    Returns:
        None where that was chosen by other rules, or the records it came from are not there.
    """
    same = choice.get("rules") == rules(pair, suite) and DatasetSpec(**choice["spec"]) == pair.dataset
    if not same or any(cell not in records for cell in choice["trials"]):
        return None
    front = choice.get("front") or [choice]
    cells = [cell for entry in front for cell in _cells(pair, suite, Chosen(entry["params"], {}))]
    over_seeds = of_scope(suite.metrics, "seeds")
    group = records.get(choice.get("group", ""))
    fitted = [
        c for c in cells if c.config_id == choice["config_id"] and c.id in records and records[c.id].status == "ok"
    ]
    if over_seeds and fitted and (group is None or group.cell != Group.of(fitted)):
        return None
    trials = tuple(records[cell].cell for cell in choice["trials"])
    prune = suite.tune is not None and suite.tune.pruner != "off" and suite.goals is not None and suite.goals.can_prune
    return [
        Request(trials, suite.judged, "validation", prune=prune),
        Request(tuple(cells), of_scope(suite.metrics, "cell"), "test"),
        *([Request((group.cell,), over_seeds, "test")] if over_seeds and fitted and group is not None else []),
    ]


@dataclass(frozen=True)
class _Tuned:
    """What tuning chose, the method's own values without it; how, and from which cells."""

    note: str
    best: tuple[Chosen, ...] = (Chosen({}, {}),)
    trials: tuple[str, ...] = ()


def _tune(
    pair: Pair, suite: Suite, tune: Tune, goals: Goals, out: Path | None
) -> Generator[Request, Mapping[str, Record], _Tuned]:
    """The trials, and the best of them; the values without tuning where no trial gave the objective."""
    name = f"{suite.name}/{pair.dataset.name}/{pair.method.name}"
    tuner = Tuner(name, tune, goals, pair.method.search, starting_point(pair.method))
    prune = tune.pruner != "off" and goals.can_prune
    reasons: list[str] = []
    seen: dict[str, None] = {}
    for batch, first in enumerate(range(0, tune.trials, tune.batch)):
        asked = tuner.ask(batch, min(tune.batch, tune.trials - first))
        trials = [
            [_cell("tune", pair, {**pair.method.params, **drawn}, seed) for seed in suite.tune_seeds]
            for drawn in asked
        ]  # fmt: skip
        unique = {cell.id: cell for cells in trials for cell in cells}
        # The first trial of a repeated configuration reports for all of them.
        reporting = {cells[0].id: at for at, cells in reversed(list(enumerate(trials)))}
        records = yield Request(tuple(unique.values()), suite.judged, "validation", tuner, prune, reporting)
        verdicts = [_verdict(goals.metrics, [records[cell.id] for cell in cells]) for cells in trials]
        tuner.tell(verdicts)
        seen |= dict.fromkeys(unique)
        reasons += [records[cell.id].reason for cells in trials for cell in cells if records[cell.id].reason]
    if out is not None:
        tuner.save(out / FOLDER / f"{pair.dataset.name}--{pair.method.name}.journal")
    best = tuner.best()
    if not best:
        why = f": {reasons[0]}" if reasons else ""
        note = f"no trial gave {' and '.join(goals.metrics)}, the values without tuning are reported{why}"
        return _Tuned(note, trials=tuple(seen))
    return _Tuned(_how_chosen(goals, best, tune.trials), tuple(best), tuple(seen))


def _how_chosen(goals: Goals, best: Sequence[Chosen], trials: int) -> str:
    broken = [str(limit) for limit in goals.limits if limit.excess(best[0].scores[limit.metric]) > 0]
    if broken:
        return f"none of {trials} trials keeps {' and '.join(broken)}: the one that comes nearest"
    if len(goals.objectives) > 1:
        return f"{len(best)} of {trials} trials make the front of {goals}; shown is the compromise between them"
    return f"best {goals} of {trials} trials"


def _compromise(best: Sequence[Chosen], goals: Goals) -> int:
    """Which configuration of a front comes nearest to the best of each objective, both scaled to the front's extent."""
    costs = np.array([
        [chosen.scores.get(name, 0.0) * (1 if better == "lower" else -1)
         for name, better in zip(goals.objectives, goals.better, strict=True)]
        for chosen in best
    ])  # fmt: skip
    low, extent = costs.min(axis=0), np.ptp(costs, axis=0)
    return int(np.argmin(np.linalg.norm((costs - low) / np.where(extent > 0, extent, 1), axis=1)))


def _verdict(metrics: Sequence[str], records: Sequence[Record]) -> Verdict:
    """A trial's verdict from its seeds: the mean of each score, if every one of them gave all."""
    intermediate = records[0].intermediate
    if any(record.status == "pruned" for record in records):
        return Verdict(None, pruned=True, intermediate=intermediate)
    if any(record.status in FAILURES for record in records):
        return Verdict(None, intermediate=intermediate)
    scores = {}
    for name in metrics:
        known = [value for record in records if (value := record.value(name)) is not None]
        if len(known) < len(records):
            return Verdict(None, intermediate=intermediate)
        scores[name] = sum(known) / len(known)
    return Verdict(scores, intermediate=intermediate)


def _cells(pair: Pair, suite: Suite, chosen: Chosen) -> list[Cell]:
    """A configuration on all report seeds."""
    params = {**pair.method.params, **chosen.params}
    return [_cell("final", pair, params, seed) for seed in suite.report_seeds]


def _cell(phase: Phase, pair: Pair, params: Mapping[str, Any], seed: int) -> Cell:
    return Cell(phase, pair.dataset, pair.method.name, pair.method.target, dict(params), seed)
