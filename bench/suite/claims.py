"""`[[claims]]`: what a paper says that a suite's results should show, and the rule by which that is judged."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.errors import BadInputError, nearest, shown
from bench.suite.metrics import MetricChoice
from bench.suite.tables import ClaimTable

_RULE = re.compile(r"left\s*([<>])\s*(?:([0-9.]+(?:e-?[0-9]+)?)\s*\*?\s*)?(right|value)")


@dataclass(frozen=True)
class Claim:
    """One claim, checked against its suite.

    Attributes:
        statement, source, published: the claim in a sentence, where it is made, and the figure given there.
        metric: a score of the method `left`. `sign`: '<' or '>'.
        right, right_metric: what it is compared with, times `factor`; `right` is '' where it is compared with `value`.
        datasets: where it has to hold.
    """

    statement: str
    source: str
    published: str
    metric: str
    left: str
    sign: str
    factor: float
    right: str
    right_metric: str
    value: float | None
    datasets: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        return {**asdict(self), "datasets": list(self.datasets)}


def claims_of(
    path: Path,
    tables: Sequence[ClaimTable],
    metrics: Sequence[MetricChoice],
    methods: Collection[str],
    datasets: Sequence[str],
) -> tuple[Claim, ...]:
    """The claims of a suite.

    Args:
        methods, datasets: names that claims may be about, axes spelled out.

    Raises:
        BadInputError: a rule cannot be read, or a claim is about what the suite does not have.
    """
    return tuple(
        _claim(f"{path}: claims[{position}]", table, metrics, methods, datasets)
        for position, table in enumerate(tables)
    )


def _claim(
    where: str,
    table: ClaimTable,
    metrics: Sequence[MetricChoice],
    methods: Collection[str],
    datasets: Sequence[str],
) -> Claim:
    found = _RULE.fullmatch(table.rule.strip())
    if found is None:
        raise BadInputError(
            f"{where}.rule: 'left < right', 'left > right', 'left < 0.5 right' or the same with value is needed, "
            f"got {shown(table.rule)}"
        )
    sign, factor, other = found.groups()
    against = table.right_metric or table.metric
    right = (table.right or (table.left if table.right_metric else "")) if other == "right" else ""
    if other == "right" and not right:
        raise BadInputError(f"{where}.right: the rule {table.rule!r} needs a method to compare with")
    if other == "value" and table.value is None:
        raise BadInputError(f"{where}.value: the rule {table.rule!r} needs a number to compare with")
    for key, name in (("metric", table.metric), ("right_metric", against)):
        if not any(name == choice.name or name.startswith(f"{choice.name}_") for choice in metrics):
            raise BadInputError(f"{where}.{key}: {name!r} is not in metrics.use; add it there")
    for key, name in (("left", table.left), ("right", right)):
        if name and name not in methods:
            raise BadInputError(f"{where}.{key}: no method {name!r} in this suite; {nearest(name, methods)}")
    for name in table.datasets:
        if name not in datasets:
            raise BadInputError(f"{where}.datasets: no data set {name!r} in this suite; {nearest(name, datasets)}")
    try:
        scale = float(factor) if factor else 1.0
    except ValueError:
        raise BadInputError(f"{where}.rule: {factor!r} is no number") from None
    return Claim(
        table.statement, table.source, table.published, table.metric, table.left, sign, scale, right, against,
        table.value if other == "value" else None, tuple(table.datasets or datasets),
    )  # fmt: skip
