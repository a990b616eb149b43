"""Fitted cells and their pictures, saved in the result folder and taken from there again."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.pictures import kinds, planes
from bench.pictures.subject import Subject
from bench.plan.jobs import Job
from bench.record import models
from bench.record.cells import Cell, Group
from bench.running.fitted import restored
from bench.running.fitting import Fit, instance
from bench.running.prepared import Prepared
from metrics.catalog.geodesics import geodesic_cv, geodesic_error

if TYPE_CHECKING:
    from datasets.base import Data
    from metrics.reference import Reference
    from metrics.view import View

Array = np.ndarray

# Geodesics are found again once a score of them comes to give other values.
_GEODESICS = f"{geodesic_error.version}.{geodesic_cv.version}"

log = logging.getLogger(__name__)


def save(cell: Cell, fit: Fit, data: Data, out: Path) -> None:
    """Save a fitted cell, so that metrics which are added later can be scored on it.

    Where that fails, the scores stand all the same, and a metric added later fits the cell anew.
    """
    if fit.fitted is None:
        return
    try:
        _save(cell, fit, data, out)
    except Exception:
        log.warning("cell %s could not be saved", cell.id, exc_info=True)


def _save(cell: Cell, fit: Fit, data: Data, out: Path) -> None:
    method, fitted = fit.method, fit.fitted
    assert fitted is not None
    state = method.state_arrays() if hasattr(method, "state_arrays") else {}
    arrays: dict[str, Any] = {f"state.{name}": value for name, value in state.items()}
    arrays |= {"Z.train": fitted.Z_train, "Z.scored": fitted.Z, **planes.embedding(Subject(method, fitted.view(data)))}
    facts = {
        "cell": asdict(cell),
        "split": fitted.split,
        "decoder": fitted.decoder,
        "curves": _curves(method),
        "loadable": bool(state) and hasattr(method, "load_arrays"),
    }
    models.save_model(models.model_folder(out, cell.id), arrays, facts)


def _curves(method: Any) -> dict[str, list[float | str]]:
    """The method's training curves, what is not finite as text; nothing where a third party's have another form."""
    try:
        history = dict(getattr(method, "history_", None) or {})
        return {
            str(name): [v if math.isfinite(v) else str(v) for v in map(float, curve)] for name, curve in history.items()
        }
    except (TypeError, ValueError):
        return {}


def save_points(cell: Cell, arrays: Mapping[str, Any], out: Path) -> None:
    """Save the scores of a reported model by point; where that fails, the scores stand without them."""
    try:
        models.save_points(models.model_folder(out, cell.id), arrays)
    except OSError:
        log.warning("scores of cell %s by point could not be saved", cell.id, exc_info=True)


def save_geodesics(cell: Cell, view: View, out: Path) -> None:
    """Keep the geodesics that a score asked for, if one did; where that fails, the next score finds them again."""
    if "geodesics" not in vars(view):
        return
    try:
        models.save_geodesics(models.model_folder(out, cell.id), _GEODESICS, view.geodesics.arrays())
    except OSError:
        log.warning("geodesics of cell %s could not be kept", cell.id, exc_info=True)


def known_geodesics(cell: Cell, out: Path) -> dict[str, Array] | None:
    """The arrays of what `save_geodesics` kept for the model of a cell, or None."""
    return models.load_geodesics(models.model_folder(out, cell.id), _GEODESICS)


def restore(prepared: Prepared, cell: Cell, data: Data) -> Fit | None:
    """The saved model of a cell, or None where it has to be fitted anew."""
    saved = models.load_model(models.model_folder(Path(prepared.job.setting.out), cell.id))
    if saved is None or not saved[1].get("loadable"):
        return None
    arrays, facts = saved
    method = instance(
        prepared.component, cell, data.sample_shape, prepared.job.setting.device, prepared.job.setting.root
    )
    state = {n.removeprefix("state."): v for n, v in arrays.items() if n.startswith("state.")}
    try:
        loaded = method.load_arrays(state)
    except Exception:
        log.warning("cell %s cannot be loaded; it is fitted anew", cell.id, exc_info=True)
        return None
    return Fit(method, restored(loaded, arrays, facts["split"]))


def save_pictures(job: Job, fits: Sequence[Fit], data: Data, known: Callable[[str], Reference]) -> None:
    """Save pictures of the one reported model that is to have them.

    Args:
        known: gives what is known of a split's rows alone.
    """
    for cell, fit in zip(job.cells, fits, strict=True):
        if cell.id != job.pictured or fit.fitted is None or fit.status != "ok":
            continue
        view = fit.fitted.view(data, known=partial(known, fit.fitted.split))
        found = kinds.pictures(fit.method, view)
        arrays = {f"{kind}.{name}": values for kind, parts in found.items() for name, values in parts.items()}
        try:
            models.save_pictures(models.model_folder(Path(job.setting.out), cell.id), arrays)
        except OSError:
            log.warning("pictures of cell %s could not be saved", cell.id, exc_info=True)


def save_group_pictures(job: Job, group: Group, views: Sequence[View]) -> None:
    """Save the distances by each model, which also are the raw data of the scores."""
    try:
        models.save_pictures(models.model_folder(Path(job.setting.out), group.id), kinds.of_group(views))
    except Exception:
        log.warning("no pictures of %s", group.label, exc_info=True)
