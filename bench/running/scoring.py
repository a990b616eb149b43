"""One score row for each metric asked for, or several for one with variants."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.record.models import INFLUENCE
from bench.record.records import Score
from metrics.catalog import decoding
from metrics.view import NotApplicableError, View, least_rows_of, too_few_rows

Array = np.ndarray

log = logging.getLogger(__name__)

_CODES_ARE_DATA = "its codes are the data themselves"


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
        seen = view if metric.scope == "cell" else views
        found = metric.compute(seen)
        headed = found if isinstance(found, Mapping) else {"": found}
        values = {str(suffix): float(value) for suffix, value in headed.items()}
        trivial = getattr(metric, "trivial", None)
        why = trivial(seen) if trivial is not None else None
        why = why or (_CODES_ARE_DATA if view.codes_are_data else None)
    except NotApplicableError as error:
        return [row("", None, "n/a", str(error))]
    except MemoryError:
        raise
    except Exception as error:
        return [row("", None, "failed", f"{type(error).__name__}: {error}")]
    values |= _interval_of_queries(view, metric, values)
    status, reason = ("ok", "") if why is None else ("by construction", str(why))
    return [
        row(suffix, value, status, reason)
        if math.isfinite(value)
        else row(suffix, None, "n/a", f"undefined: it is {value}")
        for suffix, value in values.items()
    ]


def _interval_of_queries(view: View, metric: Any, values: Mapping[str, float]) -> dict[str, float]:
    """Where query points alone were scored, a 95 % interval for what all points would have given, as _low and _high."""
    give, rows = getattr(metric, "by_point", None), view.queries
    if rows is None or give is None or not math.isfinite(values.get("", math.nan)):
        return {}
    by_point = np.asarray(give(view), dtype=np.float64)
    if len(by_point) != len(rows):
        return {}
    share = len(rows) / len(view.rows)
    half = 1.96 * by_point.std(ddof=1) * math.sqrt((1 - share) / len(rows))
    return {"_low": values[""] - half, "_high": values[""] + half}


def explained_variance(view: View, metrics: Sequence[tuple[str, Any]]) -> float | None:
    """`explained_variance` of a model some metric of which is of its decoder's geometry, else None.

    None too where the model has no decoder, or one that fails.
    """
    if not any("decoder" in metric.needs for _, metric in metrics):
        return None
    (row,) = _score_one([view], decoding.explained_variance.name, decoding.explained_variance)
    return row.value


def by_point(view: View, metrics: Sequence[tuple[str, Any]], scores: Sequence[Score]) -> dict[str, Array]:
    """Values by point of those metrics that have a score and give them, float64 (n,). Never raises, but for memory."""
    headlines = {row.metric: row.value for row in scores if row.value is not None}
    found = {}
    for _, metric in metrics:
        give = getattr(metric, "by_point", None)
        if give is None or metric.name not in headlines:
            continue
        try:
            values = np.asarray(give(view), dtype=np.float64)
            mean = float(values.mean())
        except NotApplicableError:
            continue
        except MemoryError:
            raise
        except Exception as error:
            log.warning("%s gives no values by point: %s: %s", metric.name, type(error).__name__, error)
            continue
        if values.ndim == 1 and math.isclose(mean, headlines[metric.name], rel_tol=1e-5, abs_tol=1e-9):
            found[metric.name + (INFLUENCE if getattr(metric, "influence", False) else "")] = values
        else:
            log.warning(
                "%s: the mean of its values by point, of shape %s, is %g and not its score, %g; they are left out",
                metric.name, values.shape, mean, headlines[metric.name],
            )  # fmt: skip
    return found
