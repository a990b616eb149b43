"""What of a request is not in the ledger yet."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bench.plan.protocol import Pair, Request, settled
from bench.record.cells import Unit
from bench.record.ledger import Ledger
from bench.record.records import Record
from bench.suite.config import Suite
from bench.suite.metrics import MetricChoice


@dataclass(frozen=True)
class Missing:
    """Cells of one request that lack the same metrics. `reuse`: their fitted models may be scored again."""

    cells: tuple[Unit, ...]
    metrics: tuple[MetricChoice, ...]
    reuse: bool


def missing(
    request: Request, records: Mapping[str, Record], retry: Collection[str] = (), retried: Collection[str] = ()
) -> list[Missing]:
    """What of a request is not in the ledger, cells that lack the same metrics together.

    A failed cell, or a metric that failed on a good cell, is missing only where its status is in `retry` and
    its id is not among those `retried` already.
    """
    groups: dict[tuple[tuple[MetricChoice, ...], bool], list[Unit]] = {}
    for cell in request.cells:
        record = records.get(cell.id)
        lacking = _lacking(request, record, () if cell.id in retried else retry)
        if lacking is not None:
            groups.setdefault(lacking, []).append(cell)
    return [Missing(tuple(cells), metrics, reuse) for (metrics, reuse), cells in groups.items()]


def nothing_missing(pair: Pair, suite: Suite, ledger: Ledger, retry: Collection[str] = ()) -> list[Record] | None:
    """All records of a pair, where its selection and the ledger tell without a replay that it lacks none; else None."""
    choice = ledger.selections.get(pair.key)
    requests = settled(pair, suite, choice, ledger.records) if choice is not None else None
    if requests is None or any(missing(request, ledger.records, retry) for request in requests):
        return None
    return [ledger.records[cell.id] for request in requests for cell in request.cells]


def _lacking(
    request: Request, record: Record | None, retry: Collection[str]
) -> tuple[tuple[MetricChoice, ...], bool] | None:
    """Which metrics a cell lacks in their present version, and whether its fitted model may be scored for them.

    None where it lacks nothing; where all metrics are over seeds, a cell is fitted for none of its own.
    """
    requested = request.metrics
    if record is None or record.status in retry:
        return requested, False
    scored = [choice for choice in requested if record.has(choice.name, choice.version)]
    stopped_by_these = len(record.requested) == len(scored) == len(requested)
    if record.status == "pruned" and not (stopped_by_these and request.prune):
        # It was stopped for the sake of another objective, or by a pruner that is off now.
        return requested, False
    if record.status != "ok":
        return None
    if "failed" in retry:
        failed = {score.requested for score in record.scores if score.status == "failed"}
        scored = [choice for choice in scored if choice.name not in failed]
    left = tuple(choice for choice in requested if choice not in scored)
    return (left, True) if left else None
