"""One job in this process: load, fit as one stack, score, save; one record for each cell."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.plan.jobs import Job, Setting
from bench.record.cells import Cell, Group, Unit
from bench.record.records import Record, Score, asked, empty_scores
from bench.running import saving
from bench.running.common_decoders import AttachedDecoders, floor_of_conditions
from bench.running.fitted import Fitted, NonFiniteError, observe
from bench.running.fitting import Fit, Report, fit_cells
from bench.running.memory import PeakMemory
from bench.running.prepared import Prepared
from bench.running.references import reference_of
from bench.running.scoring import by_point, explained_variance, score
from bench.suite import registry
from bench.suite.data import DatasetSpec, load_data
from datasets.base import Data, content_hash
from methods.training.device import choose_device
from metrics.reference import Reference

if TYPE_CHECKING:
    from torch import nn

    from metrics.view import View


def run_job(prepared: Prepared, report: Report | None = None) -> list[Record]:
    """One record for each cell of the job, or one of its group.

    An error in the fit of a stack propagates: the caller halves the job until the cell it belongs to shows.
    """
    job = prepared.job
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    peak = PeakMemory()
    data = _load_once(_data_key(job), job.setting.root)
    if job.group is not None:
        records = [_group_record(prepared, job.group, data)]
        used = peak.megabytes()
    else:
        fits = _fits(prepared, data, report)
        records = _cell_records(prepared, fits, data)
        used = peak.megabytes()
        saving.save_pictures(job, fits, data, partial(_reference_once, _data_key(job), job.setting))
    if not registry.is_built_in("method", job.cells[0].target):
        _forget()
    return [replace(record, started_at=started_at, peak_memory_mb=used) for record in records]


def _forget() -> None:
    """Load data anew for the next job: a third party's method may have changed them in place."""
    for known in (_load_once, _reference_once, _floor_once):
        known.cache_clear()


@lru_cache(maxsize=2)
def _load_once(spec: str, root: str) -> Data:
    """`load_data` for a worker, whose next job is often on the same data."""
    wanted = DatasetSpec(**json.loads(spec))
    data = load_data(wanted, Path(root))
    if content_hash(data) != wanted.content:
        raise ValueError(f"data set {wanted.name!r} loads to other data each time; draw with a seed of its own")
    return data


@lru_cache(maxsize=2)
def _reference_once(spec: str, setting: Setting, split: str) -> Reference:
    """What is known of a split's rows alone, whoever embeds them."""
    data, content = _load_once(spec, setting.root), DatasetSpec(**json.loads(spec)).content
    return reference_of(data, split, content, setting.exact_up_to, Path(setting.out))


@lru_cache(maxsize=8)
def _floor_once(spec: str, setting: Setting, split: str, latent_dim: int) -> float | None:
    """What the common decoder gives of a plane; the same for all models of the data."""
    data = _load_once(spec, setting.root)
    return floor_of_conditions(data, DatasetSpec(**json.loads(spec)), split, latent_dim, setting.device)


def _view(job: Job, cell: Cell, fitted: Fitted, data: Data, fit_attached: Callable[[], nn.Module]) -> View:
    """A fitted model with all that metrics may ask for; what belongs to the data alone is computed once."""
    known = partial(_reference_once, _data_key(job), job.setting, fitted.split)
    floor = partial(_floor_once, _data_key(job), job.setting, fitted.split, fitted.Z.shape[1])
    return fitted.view(data, fit_attached, known, floor, partial(saving.known_geodesics, cell, Path(job.setting.out)))


def _data_key(job: Job) -> str:
    return json.dumps(asdict(job.cells[0].dataset), sort_keys=True)


def _cell_records(prepared: Prepared, fits: Sequence[Fit], data: Data) -> list[Record]:
    job = prepared.job
    attached = AttachedDecoders(job, fits, data)
    records = []
    for position, (cell, fit) in enumerate(zip(job.cells, fits, strict=True)):
        began, before = time.perf_counter(), attached.seconds
        scores: list[Score] = []
        explained = None
        if fit.fitted is not None and fit.status == "ok":
            view = _view(job, cell, fit.fitted, data, partial(attached.get, position))
            scores = score([view], prepared.metrics)
            explained = explained_variance(view, prepared.metrics)
            if cell.phase == "final":
                saving.save_points(cell, by_point(view, prepared.metrics, scores), Path(job.setting.out))
                saving.save_geodesics(cell, view, Path(job.setting.out))
        elapsed = time.perf_counter() - began - (attached.seconds - before)
        share = attached.seconds / len(job.cells)
        record = _record(prepared, cell, fit, scores, fit.score_seconds + elapsed + share)
        records.append(replace(record, explained_variance=explained))
    return records


def _group_record(prepared: Prepared, group: Group, data: Data) -> Record:
    """The record of a group: its models, restored or fitted anew, scored together."""
    fits = [fit for cell in group.cells for fit in _one_of_many(prepared, cell, data)]
    attached = AttachedDecoders(prepared.job, fits, data)
    began = time.perf_counter()
    broken = next((fit for fit in fits if fit.status != "ok"), None)
    scores: list[Score] = []
    explained: list[float] = []
    if broken is None:
        views = [
            _view(prepared.job, cell, fit.fitted, data, partial(attached.get, at))
            for at, (cell, fit) in enumerate(zip(group.cells, fits, strict=True))
            if fit.fitted
        ]
        scores = score(views, prepared.metrics)
        explained = [v for view in views if (v := explained_variance(view, prepared.metrics)) is not None]
        saving.save_group_pictures(prepared.job, group, views)
        for cell, view in zip(group.cells, views, strict=True):
            saving.save_geodesics(cell, view, Path(prepared.job.setting.out))
    fitting = {name: sum(getattr(fit, name) for fit in fits) for name in ("fit_seconds", "decoder_seconds")}
    together = replace(broken or fits[0], method=None, **fitting)
    record = _record(prepared, group, together, scores, time.perf_counter() - began)
    return replace(record, explained_variance=min(explained, default=None))


def _one_of_many(prepared: Prepared, cell: Cell, data: Data) -> list[Fit]:
    """One cell of a group, restored or else fitted anew."""
    return _fits(replace(prepared, job=replace(prepared.job, cells=(cell,), group=None, reuse=True)), data, None)


def _fits(prepared: Prepared, data: Data, report: Report | None) -> list[Fit]:
    """All cells of the job: restored where that is allowed and possible, the others fitted."""
    job = prepared.job
    found: dict[int, Fit] = {}
    for at, cell in enumerate(job.cells):
        if job.reuse and (fit := saving.restore(prepared, cell, data)):
            found[at] = fit
    positions = [at for at in range(len(job.cells)) if at not in found]
    if positions:
        found |= zip(positions, fit_cells(prepared, data, positions, report), strict=True)
    for at in positions:
        _encode(found[at], data, job.split)
        if job.cells[at].phase == "final":
            saving.save(job.cells[at], found[at], data, Path(job.setting.out))
    return [found[at] for at in range(len(job.cells))]


def _encode(fit: Fit, data: Data, split: str) -> None:
    """Encode with a fitted method, or note why that is impossible."""
    if fit.status != "ok":
        return
    began = time.perf_counter()
    try:
        fit.fitted = observe(fit.method, data, split)
        fit.score_seconds += time.perf_counter() - began
    except NonFiniteError as error:
        fit.status, fit.reason = "diverged", str(error)
    except MemoryError:
        raise
    except Exception as error:
        fit.status, fit.reason = "failed", f"{type(error).__name__}: {error}"
        fit.traceback = traceback.format_exc()


def _record(prepared: Prepared, unit: Unit, fit: Fit, scores: Sequence[Score], score_seconds: float) -> Record:
    job = prepared.job
    if fit.status != "ok":
        scores = empty_scores(job.metrics, job.split, fit.reason)
    return Record(
        **job.setting.stamp,
        cell=unit,
        status=fit.status,
        **asked(job.metrics),
        reason=fit.reason,
        traceback=fit.traceback,
        scores=tuple(scores),
        decoder=fit.fitted.decoder if fit.fitted is not None else "none",
        encoder=fit.fitted.encoder if fit.fitted is not None else "native",
        fit_seconds=fit.fit_seconds,
        decoder_seconds=fit.decoder_seconds,
        score_seconds=score_seconds,
        warm_up_seconds=prepared.seconds,
        stack_size=fit.stack_size,
        device=choose_device(job.setting.device).type,
        intermediate=tuple(fit.intermediate),
    )
