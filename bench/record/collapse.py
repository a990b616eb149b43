"""Models that kept too little of the data for the geometry of their decoder to mean anything."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache

from bench.record.cells import Group
from bench.record.records import Record, Score
from bench.suite.metrics import KnownMetrics

_OWN = "_explained_variance"


def with_collapsed(records: Sequence[Record], least: float, metrics: KnownMetrics) -> list[Record]:
    """The records, where geometry scores of models that explain too little variance have the status 'collapsed'.

    Their values stay. A metric of a decoder of its own says what that explains, as NAME_explained_variance, and is
    judged by it; a score over seeds is collapsed where one of its models is.

    Args:
        least: explained variance below which a model is collapsed, [0, 1].
        metrics: which of the scores are of a method's differentiable decoder.
    """
    reasons = {record.cell.id: too_little(record.explained_variance, least) for record in records}
    found = []

    @cache
    def of_a_decoder(requested: tuple[str, ...]) -> frozenset[str]:
        return frozenset(choice.name for choice in metrics.named(requested) if choice.of_decoder)

    for record in records:
        of_decoder = of_a_decoder(record.requested)
        if isinstance(record.cell, Group):
            found.append(_judged_group(record, record.cell, of_decoder, reasons))
        else:
            found.append(_judged(record, of_decoder, least))
    return found


def _judged(record: Record, of_decoder: Collection[str], least: float) -> Record:
    reasons = {name: _reason(record, name, of_decoder, least) for name in record.requested}
    if not any(reasons.values()):
        return record
    return replace(record, scores=tuple(_marked(record.scores, reasons)))


def _judged_group(
    record: Record, group: Group, of_decoder: Collection[str], reasons: Mapping[str, str | None]
) -> Record:
    """By its models' records, and by its own, which has the least that any of them explains."""
    lost = [why for cell in group.cells if (why := reasons.get(cell.id)) is not None]
    said = f"{len(lost)} of {group.n_seeds} models: {lost[0]}" if lost else None
    if said is None and reasons[group.id] is not None:
        said = f"at least one model: {reasons[group.id]}"
    wanted = dict.fromkeys(of_decoder, said)
    return replace(record, scores=tuple(_marked(record.scores, wanted)))


def _reason(record: Record, name: str, of_decoder: Collection[str], least: float) -> str | None:
    own = record.value(name + _OWN)
    if own is not None:
        return too_little(own, least)
    return too_little(record.explained_variance, least) if name in of_decoder else None


def too_little(explained: float | None, least: float) -> str | None:
    """Why a model of this explained variance is collapsed; None where it is not, or nobody knows."""
    if explained is None or explained >= least:
        return None
    return f"explained variance {explained:.2g}, below {least:g}"


def _marked(scores: Sequence[Score], reasons: Mapping[str, str | None]) -> Iterator[Score]:
    for score in scores:
        reason = reasons.get(score.requested)
        counts = score.value is not None and not score.metric.endswith(_OWN)
        yield replace(score, status="collapsed", reason=reason) if reason is not None and counts else score
