"""Fitting the cells of a job: as stacks where the method can, of sizes that memory allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.record.cells import Cell
from bench.record.records import Status
from bench.running import stack_size
from bench.running.fitted import Fitted, observe
from bench.running.prepared import Prepared
from bench.running.scoring import score
from bench.suite.signatures import accepted, parameters

if TYPE_CHECKING:
    from datasets.base import Data

# report(position of the cell, epoch, score) -> whether the cell shall stop
Report = Callable[[int, int, float], bool]


@dataclass
class Fit:
    """What fitting made of one cell."""

    method: Any
    fitted: Fitted | None = None
    status: Status = "ok"
    reason: str = ""
    traceback: str = ""
    fit_seconds: float = 0.0
    decoder_seconds: float = 0.0
    score_seconds: float = 0.0
    stack_size: int = 1
    intermediate: list[tuple[int, float]] = field(default_factory=list)


def fit_cells(prepared: Prepared, data: Data, positions: Sequence[int], report: Report | None = None) -> list[Fit]:
    """The cells at some positions of the job, fitted."""
    job, component = prepared.job, prepared.component
    methods = [
        instance(component, job.cells[at], data.sample_shape, job.setting.device, job.setting.root) for at in positions
    ]
    fits = [Fit(method) for method in methods]
    callbacks = [_callback(prepared, data, fit, at, report) for at, fit in zip(positions, fits, strict=True)]
    X, offered = data.X[data.train], beside_rows(data)
    if getattr(component, "decoder_kind", "native") == "attached":
        offered["attach"] = _decoder_is_asked_for(prepared)
    budget = stack_size.Budget(job.setting.device, job.setting.memory, job.setting.sharers)
    size = stack_size.largest_stack(methods, X, offered, budget) if len(methods) > 1 else 1
    for at in range(0, len(fits), size):
        _fit_together(fits[at : at + size], X, offered, callbacks[at : at + size])
    return fits


def _decoder_is_asked_for(prepared: Prepared) -> bool:
    """Models that are reported have one; those of a trial only where a metric it is judged by needs it."""
    judged = prepared.job.cells[0].phase == "tune"
    return not judged or any({"decoder", "reconstruction"} & set(metric.needs) for _, metric in prepared.metrics)


def _fit_together(
    fits: Sequence[Fit], X: Any, offered: Mapping[str, Any], callbacks: Sequence[Callable[[int, Any], bool] | None]
) -> None:
    """Fit methods as one stack, each with an equal share of the time."""
    started = time.perf_counter()
    methods = [fit.method for fit in fits]
    failures = (
        _fit_stack(methods, X, offered, callbacks) if len(fits) > 1 else _fit_alone(methods[0], X, offered, callbacks)
    )
    scoring = sum(fit.score_seconds for fit in fits)
    elapsed = (time.perf_counter() - started - scoring) / len(fits)
    for fit, failure in zip(fits, failures, strict=True):
        fit.stack_size = len(fits)
        fit.decoder_seconds = _seconds(getattr(fit.method, "decoder_seconds_", 0.0))
        fit.fit_seconds = max(0.0, elapsed - fit.decoder_seconds)
        if failure is not None:
            fit.status, fit.reason = "diverged", str(failure)


def _fit_stack(
    methods: Sequence[Any], X: Any, offered: Mapping[str, Any], callbacks: Sequence[Any]
) -> Sequence[Exception | None]:
    fit_many = type(methods[0]).fit_many
    failures: Sequence[Exception | None] = fit_many(
        methods, X, **accepted(fit_many, {**offered, "on_epoch": callbacks})
    )
    return failures


def _fit_alone(method: Any, X: Any, offered: Mapping[str, Any], callbacks: Sequence[Any]) -> list[Exception | None]:
    try:
        method.fit(X, **accepted(method.fit, {**offered, "on_epoch": callbacks[0]}))
    except ArithmeticError as error:
        if not isinstance(error, FloatingPointError) and type(error).__name__ != "DivergedError":
            raise
        return [error]
    return [None]


def beside_rows(data: Data) -> dict[str, Any]:
    """What a fit may take beside the training rows."""
    offered: dict[str, Any] = {"X_val": data.X[data.validation], "rows": data.train}
    if data.y is not None:
        offered |= {"y": data.y[data.train], "y_val": data.y[data.validation]}
    return offered


def instance(component: Any, cell: Cell, shape: tuple[int, ...] | None, device: str, root: str) -> Any:
    """The cell's method, not yet fitted, with what the runner sets for it; `root` is the folder of the suite."""
    known = parameters(component)
    offered = {
        "random_state": cell.seed, "device": device, "sample_shape": shape,
        "dataset": cell.dataset.name, "suite_folder": root,
    }  # fmt: skip
    return component(**cell.params, **{name: value for name, value in offered.items() if name in known})


def _callback(
    prepared: Prepared, data: Data, fit: Fit, position: int, report: Report | None
) -> Callable[[int, Any], bool] | None:
    """Score the half-trained method at epochs 4, 8, 16 ... and ask whether it shall go on."""
    if report is None or not prepared.job.prune:
        return None

    def on_epoch(epoch: int, scores: Any) -> bool:
        if epoch < 4 or epoch & (epoch - 1):
            return False
        began = time.perf_counter()
        try:
            view = observe(fit.method, data, prepared.job.split).view(data)
            rows = score([view], prepared.metrics[:1])
        except Exception:
            # A third party's method may be unable to encode before it is fitted; it is then not pruned.
            return False
        finally:
            fit.score_seconds += time.perf_counter() - began
        value = rows[0].value
        if value is None:
            return False
        fit.intermediate.append((epoch, value))
        if report(position, epoch, value):
            fit.status, fit.reason = "pruned", f"worse than the median of earlier trials at epoch {epoch}"
            return True
        return False

    return on_epoch


def _seconds(value: Any) -> float:
    """A method's own account of its decoder's time; nothing where a third party's is no number."""
    return float(value) if isinstance(value, int | float) else 0.0
