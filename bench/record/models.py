"""Fitted models on disk: models/<cell id>/ with safetensors and JSON, never pickle."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

Array = np.ndarray

FOLDER = "models"
ARRAYS = "model.safetensors"
FACTS = "model.json"
PICTURES = "pictures.safetensors"
POINTS = "points.safetensors"
# Of a metric's name, where the values by point are influences on its score and not scores of the points.
INFLUENCE = ".influence"


def model_folder(out: Path, cell_id: str) -> Path:
    return out / FOLDER / cell_id


def saved(out: Path) -> frozenset[str]:
    """Ids of the cells and groups that have a folder: of a large ledger it takes time to look for each."""
    try:
        return frozenset(path.name for path in (out / FOLDER).iterdir())
    except OSError:
        return frozenset()


def save_model(folder: Path, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> None:
    """Write a model's arrays and facts; the facts come last and mark the folder as complete."""
    _write(folder / ARRAYS, arrays)
    _replace(folder / FACTS, json.dumps(facts, indent=1, sort_keys=True).encode())


def load_curves(folder: Path) -> Mapping[str, list[float]]:
    """A model's curves of training by name, a value for each epoch; none where they cannot be read."""
    try:
        curves = json.loads((folder / FACTS).read_text())["curves"]
        return {str(name): [float(value) for value in curve] for name, curve in curves.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def save_pictures(folder: Path, arrays: Mapping[str, Array]) -> None:
    """Write the arrays that pictures of a model, or of a group of them, are drawn from."""
    _write(folder / PICTURES, arrays)


def save_points(folder: Path, arrays: Mapping[str, Array]) -> None:
    """Add the scores of a model by point, by the name of their metric, to those that are there."""
    _write(folder / POINTS, {**load_points(folder), **arrays} if arrays else {})


def load_points(folder: Path) -> dict[str, Array]:
    """The scores of a model by point, by the name of their metric; none where they cannot be read."""
    try:
        found: dict[str, Array] = load_file(folder / POINTS)
    except (OSError, ValueError, SafetensorError):
        return {}
    return found


def save_geodesics(folder: Path, version: str, arrays: Mapping[str, Array]) -> None:
    """Keep the geodesics of the model that is saved in this folder, if it can be loaded again.

    Args:
        version: of what finds them.
    """
    path = _geodesics(folder, version)
    if path is not None:
        _write(path, arrays)


def load_geodesics(folder: Path, version: str) -> dict[str, Array] | None:
    """What was kept of the same version for the very model that is saved now, or None."""
    path = _geodesics(folder, version)
    if path is None:
        return None
    try:
        found: dict[str, Array] = load_file(path)
    except (OSError, ValueError, SafetensorError):
        return None
    return found


def _geodesics(folder: Path, version: str) -> Path | None:
    """Named by the model's content, since a model that is fitted anew takes the folder over."""
    try:
        loadable = json.loads((folder / FACTS).read_text()).get("loadable")
        content = (folder / ARRAYS).read_bytes()
    except (OSError, ValueError):
        return None
    return folder / f"geodesics-{version}-{hashlib.sha256(content).hexdigest()[:16]}.safetensors" if loadable else None


def _write(path: Path, arrays: Mapping[str, Array]) -> None:
    if arrays:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, save({name: np.asarray(value, order="C") for name, value in arrays.items()}))


def has_pictures(folder: Path) -> bool:
    return (folder / PICTURES).is_file()


def load_model(folder: Path) -> tuple[dict[str, Array], dict[str, Any]] | None:
    """A model's arrays and facts; None where there is none or it cannot be read."""
    try:
        facts = json.loads((folder / FACTS).read_text())
        return load_file(folder / ARRAYS), facts
    except (OSError, ValueError, SafetensorError):
        return None


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_bytes(content)
    partial.replace(path)
