"""How far a suite is, and what of it can never be had: what `bench plan` shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.plan.missing import missing, nothing_missing
from bench.plan.protocol import Pair, n_cells, protocol
from bench.plan.refusal import refusal
from bench.record.ledger import Ledger
from bench.suite import registry
from bench.suite.config import Suite
from metrics.view import NEEDS, OPTIONAL_ABILITIES, least_rows_of, missing_from_data, too_few_rows


@dataclass(frozen=True)
class PairPlan:
    """What of one pair is done: cells in the ledger, cells to run, failures kept, metrics that are impossible."""

    dataset: str
    method: str
    cached: int
    todo: int
    failed: int
    impossible: Mapping[str, str]


def plan_pair(pair: Pair, suite: Suite, ledger: Ledger, data: Any) -> PairPlan:
    """How far a pair is, found by replaying its protocol as far as the ledger answers."""
    records = ledger.records
    known = nothing_missing(pair, suite, ledger)
    if known is not None:
        failed = sum(record.status not in ("ok", "pruned") for record in known)
        return PairPlan(*pair.key, len(known), 0, failed, impossible(pair, suite, data))
    progress = protocol(pair, suite)
    request = next(progress)
    cached = failed = todo = 0
    while True:
        lacking = {cell.id for group in missing(request, records) for cell in group.cells}
        done = [records[cell.id] for cell in request.cells if cell.id not in lacking]
        cached += len(done)
        failed += sum(record.status not in ("ok", "pruned") for record in done)
        if lacking:
            todo = max(n_cells(pair, suite) - cached, len(lacking))
            break
        try:
            request = progress.send({cell.id: records[cell.id] for cell in request.cells})
        except StopIteration:
            break
    return PairPlan(*pair.key, cached, todo, failed, impossible(pair, suite, data))


def impossible(pair: Pair, suite: Suite, data: Any) -> dict[str, str]:
    """Metrics that the pair can never have, and why; all of them where the method cannot be fitted to the data."""
    refused = refusal(pair.method.target, pair.method.params, data.shape, suite.root)
    if refused is not None:
        return dict.fromkeys([choice.name for choice in suite.metrics], refused)
    component = registry.load("method", pair.method.target, suite.root)
    has_decode = hasattr(component, "decode")
    has_decoders = hasattr(component, "decoders_") or hasattr(component, "geometry_decoders_")
    # A third party may set decoders_ in fit, so only a method without any decoder is sure to lack them.
    absent = {"reconstruction": not has_decode, "decoder": not has_decode and not has_decoders}
    absent |= {need: not hasattr(component, name) for need, name in OPTIONAL_ABILITIES.items()}
    found: dict[str, str] = {}
    for choice in suite.metrics:
        metric = choice.load(suite.root)
        reasons = [NEEDS[need] if absent.get(need) else missing_from_data(data, need) for need in sorted(metric.needs)]
        reason = next(filter(None, [*reasons, too_few_rows(data, least_rows_of(metric))]), None)
        if reason is not None:
            found[choice.name] = reason
    return found
