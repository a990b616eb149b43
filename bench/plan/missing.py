"""What of a request is not in the ledger yet."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bench.plan.protocol import Request
from bench.record.cells import Unit
from bench.record.records import Record


@dataclass(frozen=True)
class Missing:
    """Cells of one request that lack the same metrics. `reuse`: their fitted models may be scored again."""

    cells: tuple[Unit, ...]
    metrics: tuple[str, ...]
    reuse: bool


def missing(
    request: Request, records: Mapping[str, Record], retry: Collection[str] = (), retried: Collection[str] = ()
) -> list[Missing]:
    """What of a request is not in the ledger, cells that lack the same metrics together.

    A failed cell, or a metric that failed on a good cell, is missing only where its status is in `retry` and
    its id is not among those `retried` already.
    """
    groups: dict[tuple[tuple[str, ...], bool], list[Unit]] = {}
    for cell in request.cells:
        record = records.get(cell.id)
        lacking, reuse = _lacking(request, record, () if cell.id in retried else retry)
        if lacking:
            groups.setdefault((lacking, reuse), []).append(cell)
    return [Missing(tuple(cells), metrics, reuse) for (metrics, reuse), cells in groups.items()]


def _lacking(request: Request, record: Record | None, retry: Collection[str]) -> tuple[tuple[str, ...], bool]:
    """Which metrics a cell lacks, and whether its fitted model may be scored for them."""
    requested = request.metrics
    if record is None or record.status in retry:
        return requested, False
    if record.status == "pruned" and (record.requested != requested or not request.prune):
        # It was stopped for the sake of another objective, or by a pruner that is off now.
        return requested, False
    if record.status != "ok":
        return (), False
    scored = set(record.requested)
    if "failed" in retry:
        scored -= {score.requested for score in record.scores if score.status == "failed"}
    return tuple(name for name in requested if name not in scored), True
