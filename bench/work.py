"""Computing one job in this process: load, fit as one stack, score, save; one record for each cell."""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import pictures, registry, stacking, storage
from bench.cells import Cell, DatasetSpec, Group, Job, Record, Score, Status, Unit
from bench.memory import PeakMemory
from bench.scoring import Fitted, NonFiniteError, empty_scores, observe, restored, score, score_together, view_of
from bench.signatures import accepted, parameters
from datasets.base import Data, as_data, content_hash, head
from methods.networks import choose_device

if TYPE_CHECKING:
    from torch import nn

    from metrics.view import View

log = logging.getLogger(__name__)

# report(position of the cell, epoch, score) -> whether the cell shall stop
Report = Callable[[int, int, float], bool]


@dataclass(frozen=True)
class Prepared:
    """A job with all that is imported and compiled for it, which its cells are not charged for."""

    job: Job
    component: Any
    metrics: tuple[tuple[str, Any], ...]
    seconds: float


@dataclass
class _Fit:
    """What fitting made of one cell."""

    method: Any = None
    fitted: Fitted | None = None
    status: Status = "ok"
    reason: str = ""
    traceback: str = ""
    fit_seconds: float = 0.0
    decoder_seconds: float = 0.0
    score_seconds: float = 0.0
    stack_size: int = 1
    intermediate: list[tuple[int, float]] = field(default_factory=list)


def prepare(job: Job) -> Prepared:
    """Import what the job needs and let it compile."""
    started = time.perf_counter()
    root = Path(job.root)
    component = registry.load("method", job.cells[0].target, root)
    metrics = tuple((name, registry.load("metric", name, root)) for name in job.metrics)
    warm_up = getattr(component, "warm_up", None)
    if warm_up is not None:
        warm_up()
    if len(job.cells) > 1:
        stacking.warm_up()
    from metrics import neighbors

    neighbors.warm_up()
    return Prepared(job, component, metrics, time.perf_counter() - started)


def load_data(spec: DatasetSpec, root: Path) -> Data:
    """The data that a specification stands for."""
    data = as_data(registry.load("dataset", spec.target, root)(**spec.params).load())
    return data if spec.max_rows is None else head(data, spec.max_rows)


@lru_cache(maxsize=2)
def _load_once(spec: str, root: str) -> Data:
    """`load_data` for a worker, whose next job is often on the same data."""
    wanted = DatasetSpec(**json.loads(spec))
    data = load_data(wanted, Path(root))
    if content_hash(data) != wanted.content:
        raise ValueError(f"data set {wanted.name!r} loads to other data each time; draw with a seed of its own")
    return data


def run_job(prepared: Prepared, report: Report | None = None) -> list[Record]:
    """One record for each cell of the job.

    An error in the fit of a stack propagates: the caller halves the job until the cell it belongs to shows.
    """
    job = prepared.job
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    peak = PeakMemory()
    data = _load_once(json.dumps(asdict(job.cells[0].dataset), sort_keys=True), job.root)
    if job.group is not None:
        return [_score_group(prepared, job.group, data, started_at, peak)]
    fits = _fits(prepared, data, report)
    attached = _AttachedDecoders(job, fits, data)
    records = []
    for position, (cell, fit) in enumerate(zip(job.cells, fits, strict=True)):
        began, scores = time.perf_counter(), []
        before = attached.seconds
        if fit.fitted is not None and fit.status == "ok":
            scores = score(fit.fitted, data, prepared.metrics, partial(attached.get, position))
        elapsed = time.perf_counter() - began - (attached.seconds - before)
        share = attached.seconds / len(job.cells)
        records.append(_record(prepared, cell, fit, scores, fit.score_seconds + elapsed + share, started_at))
    used = peak.megabytes()
    _save_pictures(job, fits, data)
    return [replace(record, peak_memory_mb=used) for record in records]


def _score_group(prepared: Prepared, group: Group, data: Data, started_at: str, peak: PeakMemory) -> Record:
    """The record of a group: its models, restored or fitted anew, scored together."""
    fits = [fit for cell in group.cells for fit in _one_of_many(prepared, cell, data)]
    attached = _AttachedDecoders(prepared.job, fits, data)
    began = time.perf_counter()
    broken = next((fit for fit in fits if fit.status != "ok"), None)
    scores: list[Score] = []
    if broken is None:
        views = [view_of(fit.fitted, data, partial(attached.get, at)) for at, fit in enumerate(fits) if fit.fitted]
        scores = score_together(views, prepared.metrics)
        _save_group_pictures(prepared.job, group, views)
    fitting = {name: sum(getattr(fit, name) for fit in fits) for name in ("fit_seconds", "decoder_seconds")}
    together = replace(broken or fits[0], method=None, **fitting)
    record = _record(prepared, group, together, scores, time.perf_counter() - began, started_at)
    return replace(record, peak_memory_mb=peak.megabytes())


def _one_of_many(prepared: Prepared, cell: Cell, data: Data) -> list[_Fit]:
    """One cell of a group, restored or else fitted anew."""
    return _fits(replace(prepared, job=replace(prepared.job, cells=(cell,), group=None, reuse=True)), data, None)


def _fits(prepared: Prepared, data: Data, report: Report | None) -> list[_Fit]:
    """All cells of the job: restored where that is allowed and possible, the others fitted."""
    job = prepared.job
    found = {at: fit for at, cell in enumerate(job.cells) if job.reuse and (fit := _restore(prepared, cell, data))}
    positions = [at for at in range(len(job.cells)) if at not in found]
    if positions:
        found |= zip(positions, _fit(prepared, data, report, positions), strict=True)
    for at in positions:
        _look(job.cells[at], found[at], data, job)
    return [found[at] for at in range(len(job.cells))]


def _fit(prepared: Prepared, data: Data, report: Report | None, positions: Sequence[int]) -> list[_Fit]:
    """The cells at some positions of the job, fitted."""
    job, component = prepared.job, prepared.component
    methods = [instance(component, job.cells[at], data, job.device) for at in positions]
    fits = [_Fit(method) for method in methods]
    callbacks = [_callback(prepared, data, fit, at, report) for at, fit in zip(positions, fits, strict=True)]
    X, offered = data.X[data.train], beside_rows(data)
    budget = stacking.Budget(job.device, job.memory, job.sharers)
    size = stacking.largest_stack(methods, X, offered, budget) if len(methods) > 1 else 1
    for at in range(0, len(fits), size):
        _fit_together(fits[at : at + size], X, offered, callbacks[at : at + size])
    return fits


def _fit_together(
    fits: Sequence[_Fit], X: Any, offered: Mapping[str, Any], callbacks: Sequence[Callable[[int, Any], bool] | None]
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
    offered: dict[str, Any] = {"X_val": data.X[data.validation]}
    if data.y is not None:
        offered |= {"y": data.y[data.train], "y_val": data.y[data.validation]}
    return offered


def instance(component: Any, cell: Cell, data: Data, device: str) -> Any:
    """The cell's method, not yet fitted, with what the runner sets for it."""
    known = parameters(component)
    offered = {"random_state": cell.seed, "device": device, "sample_shape": data.sample_shape}
    return component(**cell.params, **{name: value for name, value in offered.items() if name in known})


def _callback(
    prepared: Prepared, data: Data, fit: _Fit, position: int, report: Report | None
) -> Callable[[int, Any], bool] | None:
    """Score the half-trained method at epochs 4, 8, 16 ... and ask whether it shall go on."""
    if report is None or not prepared.job.prune:
        return None

    def on_epoch(epoch: int, scores: Any) -> bool:
        if epoch < 4 or epoch & (epoch - 1):
            return False
        began = time.perf_counter()
        try:
            seen = observe(fit.method, data, prepared.job.split)
            rows = score(seen, data, prepared.metrics[:1], _no_attached)
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


def _no_attached() -> nn.Module:
    raise RuntimeError("an attached decoder is fitted once training has ended")


def _look(cell: Cell, fit: _Fit, data: Data, job: Job) -> None:
    """Encode with a fitted method and save it, or note why that is impossible."""
    if fit.status != "ok":
        return
    began = time.perf_counter()
    try:
        fit.fitted = observe(fit.method, data, job.split)
        fit.score_seconds += time.perf_counter() - began
    except NonFiniteError as error:
        fit.status, fit.reason = "diverged", str(error)
    except MemoryError:
        raise
    except Exception as error:
        fit.status, fit.reason = "failed", f"{type(error).__name__}: {error}"
        fit.traceback = traceback.format_exc()
    if fit.fitted is not None and cell.phase == "final":
        try:
            _save(cell, fit.method, fit.fitted, data, job)
        except Exception:
            # The scores stand; a metric added later fits this cell anew.
            log.warning("cell %s could not be saved", cell.id, exc_info=True)


def _save(cell: Cell, method: Any, fitted: Fitted, data: Data, job: Job) -> None:
    state = method.state_arrays() if hasattr(method, "state_arrays") else {}
    arrays: dict[str, Any] = {f"state.{name}": value for name, value in state.items()}
    arrays |= {"Z.train": fitted.Z_train, "Z.scored": fitted.Z, **pictures.embedding(method, fitted, data)}
    facts = {
        "cell": asdict(cell),
        "split": fitted.split,
        "decoder": fitted.decoder,
        "loadable": bool(state) and hasattr(method, "load_arrays"),
    }
    storage.save_model(storage.model_folder(Path(job.out), cell.id), arrays, facts)


def _save_group_pictures(job: Job, group: Group, views: Sequence[View]) -> None:
    """The distances by each model, which also are the raw data of the scores."""
    try:
        storage.save_pictures(storage.model_folder(Path(job.out), group.id), pictures.of_group(views))
    except Exception:
        log.warning("no pictures of %s", group.label, exc_info=True)


def _save_pictures(job: Job, fits: Sequence[_Fit], data: Data) -> None:
    """Pictures of the reported models of one seed, once all is scored and measured."""
    for cell, fit in zip(job.cells, fits, strict=True):
        if cell.phase != "final" or cell.seed != job.picture_seed or fit.fitted is None or fit.status != "ok":
            continue
        found = pictures.pictures(fit.method, fit.fitted, data)
        arrays = {f"{kind}.{name}": values for kind, parts in found.items() for name, values in parts.items()}
        storage.save_pictures(storage.model_folder(Path(job.out), cell.id), arrays)


def _restore(prepared: Prepared, cell: Cell, data: Data) -> _Fit | None:
    """The saved model of a cell, or None where it has to be fitted anew."""
    saved = storage.load_model(storage.model_folder(Path(prepared.job.out), cell.id))
    if saved is None or not saved[1].get("loadable"):
        return None
    arrays, facts = saved
    method = instance(prepared.component, cell, data, prepared.job.device)
    state = {n.removeprefix("state."): v for n, v in arrays.items() if n.startswith("state.")}
    try:
        loaded = method.load_arrays(state)
    except Exception:
        log.warning("cell %s cannot be loaded; it is fitted anew", cell.id, exc_info=True)
        return None
    return _Fit(method, restored(loaded, arrays, facts["split"]))


class _AttachedDecoders:
    """The common decoders of a job's cells, fitted as one stack when a metric first asks for one."""

    def __init__(self, job: Job, fits: Sequence[_Fit], data: Data) -> None:
        self.job, self.fits, self.data = job, fits, data
        self.decoders: dict[int, Any] = {}
        self.seconds = 0.0

    def get(self, position: int) -> nn.Module:
        if not self.decoders:
            self._fit()
        decoder = self.decoders[position]
        if isinstance(decoder, Exception):
            raise decoder
        return decoder.double()

    def _fit(self) -> None:
        from methods.attached import fit_decoders

        began = time.perf_counter()
        ready = [at for at, fit in enumerate(self.fits) if fit.status == "ok" and fit.fitted is not None]
        embeddings = [fit.fitted.Z_train for fit in self.fits if fit.status == "ok" and fit.fitted is not None]
        cells = [self.job.cells[at] for at in ready]
        epochs = 2 if cells[0].dataset.max_rows is not None else None
        fitted = fit_decoders(
            embeddings,
            self.data.X[self.data.train],
            [cell.seed for cell in cells],
            epochs=epochs,
            device=self.job.device,
        )
        self.decoders = dict(zip(ready, fitted, strict=True))
        self.seconds += time.perf_counter() - began


def _record(
    prepared: Prepared, cell: Unit, fit: _Fit, scores: list[Score], score_seconds: float, started_at: str
) -> Record:
    job = prepared.job
    if fit.status != "ok":
        scores = empty_scores(prepared.metrics, job.split, fit.reason)
    return Record(
        suite="",
        cell=cell,
        status=fit.status,
        requested=job.metrics,
        reason=fit.reason,
        traceback=fit.traceback,
        scores=tuple(scores),
        decoder=fit.fitted.decoder if fit.fitted is not None else "none",
        fit_seconds=fit.fit_seconds,
        decoder_seconds=fit.decoder_seconds,
        score_seconds=score_seconds,
        warm_up_seconds=prepared.seconds,
        stack_size=fit.stack_size,
        device=choose_device(job.device).type,
        started_at=started_at,
        history=_curves(fit.method),
        intermediate=tuple(fit.intermediate),
    )


def _seconds(value: Any) -> float:
    """A method's own account of its decoder's time; nothing where a third party's is no number."""
    return float(value) if isinstance(value, int | float) else 0.0


def _curves(method: Any) -> dict[str, list[float]]:
    """The method's training curves; nothing where a third party's have another form."""
    try:
        history = dict(getattr(method, "history_", None) or {})
        return {str(name): [float(value) for value in curve] for name, curve in history.items()}
    except (TypeError, ValueError):
        return {}
