"""One score row for each metric asked for, or several for one with variants."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bench.record.records import Score
from metrics.view import NotApplicableError, View, least_rows_of, too_few_rows


def score(views: Sequence[View], metrics: Sequence[tuple[str, Any]]) -> list[Score]:
    """The rows of all metrics. Never raises: a failure is a row.

    Args:
        views: of one model, or of all models of one configuration where the metrics are over seeds.
    """
    return [row for name, metric in metrics for row in _score_one(views, name, metric)]


def _score_one(views: Sequence[View], name: str, metric: Any) -> list[Score]:
    view = views[0]

    def row(suffix: str, value: float | None, status: Any, reason: str = "") -> Score:
        better = getattr(metric, "variants", {}).get(suffix, metric.better)
        return Score(name, metric.name + suffix, view.split, value, better, status, reason)

    reasons = [*map(view.missing, sorted(metric.needs)), too_few_rows(view.data, least_rows_of(metric), view.split)]
    missing = next(filter(None, reasons), None)
    if missing is not None:
        return [row("", None, "n/a", missing)]
    try:
        found = metric.compute(view if metric.scope == "cell" else views)
        headed = found if isinstance(found, Mapping) else {"": found}
        values = {str(suffix): float(value) for suffix, value in headed.items()}
    except NotApplicableError as error:
        return [row("", None, "n/a", str(error))]
    except MemoryError:
        raise
    except Exception as error:
        return [row("", None, "failed", f"{type(error).__name__}: {error}")]
    return [
        row(suffix, value, "ok") if math.isfinite(value) else row(suffix, None, "n/a", f"undefined: it is {value}")
        for suffix, value in values.items()
    ]
