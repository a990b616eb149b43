"""The ledger's records that count, as the rows of results.parquet."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.record.cells import Cell, Group, Unit
from bench.record.ledger import Ledger
from bench.record.records import Record, Score, empty_scores
from bench.suite.axes import axis_of
from bench.suite.data import DatasetSpec, shared
from bench.suite.metrics import MetricChoice, of_scope

_IN_ORDER = json.JSONEncoder(sort_keys=True)


def current(ledger: Ledger) -> Iterator[Record]:
    """The records that count: of the suite as it was run last, and of the final phase only what was selected."""
    run = ledger.runs[-1] if ledger.runs else {}
    methods, datasets = run.get("methods"), run.get("datasets")
    chosen = {key: _Counting.of(choice) for key, choice in ledger.selections.items()}
    for record in ledger.records.values():
        cell = record.cell
        if methods is not None and cell.method not in methods:
            continue
        if datasets is not None and cell.dataset.name not in datasets:
            continue
        counting = chosen.get((cell.dataset.name, cell.method))
        if counting is None or counting.has(cell):
            yield record


@dataclass(frozen=True)
class _Counting:
    """What of a pair counts: of the final phase the reported configuration, and the others of its front."""

    spec: DatasetSpec
    trials: Collection[str]
    config_id: str
    configurations: Collection[str]
    seeds: Collection[int]
    group: str | None

    @classmethod
    def of(cls, choice: Mapping[str, Any]) -> _Counting:
        of_front = {entry["config_id"] for entry in choice.get("front", ())}
        return cls(
            shared(DatasetSpec(**choice["spec"])), frozenset(choice["trials"]), choice["config_id"],
            frozenset({choice["config_id"], *of_front}), frozenset(choice["seeds"]), choice.get("group"),
        )  # fmt: skip

    def has(self, cell: Unit) -> bool:
        if cell.dataset != self.spec:
            return False
        if cell.phase == "tune":
            return cell.id in self.trials
        if isinstance(cell, Group):
            return cell.config_id == self.config_id and cell.id == self.group
        return cell.config_id in self.configurations and cell.seed in self.seeds


def reported(ledger: Ledger) -> Iterator[Record]:
    """Of those that count, the reported models: of a front, those of the one configuration that tables show."""
    for record in current(ledger):
        choice = ledger.selections.get((record.cell.dataset.name, record.cell.method))
        if record.cell.phase == "final" and (choice is None or record.cell.config_id == choice["config_id"]):
            yield record


def rows(records: Iterable[Record], metrics: Sequence[MetricChoice] = ()) -> Iterator[dict[str, Any]]:
    """The rows of the results frame, a row for each record that holds its scores.

    A failed model has a score of each of the metrics.
    """
    for record in (_with_rows_for(record, metrics) for record in records):
        cell = record.cell
        yield {
            "suite": record.suite, "phase": cell.phase, "dataset": cell.dataset.name, "method": cell.method,
            "params": _IN_ORDER.encode(dict(cell.params)), "config_id": cell.config_id, "cell_id": cell.id,
            "seed": cell.seed, "n_seeds": cell.n_seeds, "decoder": record.decoder,
            "encoder": record.encoder, "score_seconds": record.score_seconds,
            **_fitting(record), "peak_memory_mb": record.peak_memory_mb, "device": record.device,
            "git_sha": record.git_sha, "git_dirty": record.git_dirty, "started_at": record.started_at,
            "axis": axis_of(cell.dataset.name, cell.method),
            "scores": [_score(record, score) for score in record.scores],
        }  # fmt: skip


def failed_groups(records: Sequence[Record], metrics: Sequence[MetricChoice]) -> Iterator[Record]:
    """A record for each reported configuration none of whose models was fitted: it has no metric over seeds either."""
    wanted = of_scope(metrics, "seeds")
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


def _score(record: Record, score: Score) -> dict[str, Any]:
    return {
        "split": score.split, "metric": score.metric, "value": score.value, "better": score.better,
        "status": score.status if record.status == "ok" else record.status, "reason": score.reason or record.reason,
    }  # fmt: skip


def _fitting(record: Record) -> dict[str, Any]:
    """What fitting cost; a group was fitted by its cells, whose rows say it."""
    known = isinstance(record.cell, Cell)
    return {name: getattr(record, name) if known else None for name in ("fit_seconds", "decoder_seconds", "stack_size")}


def _with_rows_for(record: Record, metrics: Sequence[MetricChoice]) -> Record:
    """A failed reported cell with rows for metrics that were added after it failed, too."""
    if record.status == "ok" or record.cell.phase == "tune" or isinstance(record.cell, Group):
        return record
    absent = [choice for choice in of_scope(metrics, "cell") if choice.name not in record.requested]
    more = empty_scores(absent, "test", record.reason)
    return replace(record, scores=(*record.scores, *more))
