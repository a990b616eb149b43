"""A training animation: one model fitted once more, drawn as it learns."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import BadInputError
from bench.pictures.kinds import frame
from bench.record.cells import Cell
from bench.running.fitted import observe
from bench.running.fitting import beside_rows, instance
from bench.suite import registry
from bench.suite.config import Suite
from bench.suite.data import load_dataset
from bench.suite.signatures import accepted

Frame = tuple[str, str, Mapping[str, np.ndarray]]


def animate(suite: Suite, method: str, dataset: str, seed: int, device: str, path: Path) -> None:
    """Fit a method of the suite to one of its data sets, and write what it learns, epoch by epoch, as a GIF.

    Shown are the first 30 epochs and then ever fewer: the decoded curve over plane data, images along a code of one
    dimension, or the codes of held-out points in the plane.

    Raises:
        BadInputError: names match no or several pairs, or this method or its codes cannot be animated.
    """
    from reports.animation import write_gif

    if path.suffix.lower() != ".gif":
        raise BadInputError(f"--to {path}: an animation is a .gif file")
    if not path.resolve().parent.is_dir():
        raise BadInputError(f"--to {path}: there is no folder {path.resolve().parent}")
    frames = list(_frames(suite, method, dataset, seed, device))
    if not frames:
        raise BadInputError(f"{method} on {dataset}: nothing to animate; codes of one or two dimensions can be drawn")
    write_gif(frames, path)


def _frames(suite: Suite, method: str, dataset: str, seed: int, device: str) -> Iterator[Frame]:
    methods, datasets = suite.choose(method, dataset)
    for option, glob, found in (("--methods", method, methods), ("--datasets", dataset, datasets)):
        if len(found) > 1:
            names = ", ".join(choice.name for choice in found)
            raise BadInputError(f"{option} {glob!r} matches {names}; an animation is of one, name it")
    spec, data = load_dataset(suite, datasets[0])
    component = registry.load("method", methods[0].target, suite.root)
    if "on_epoch" not in inspect.signature(component.fit).parameters:
        raise BadInputError(f"{methods[0].name} has no epochs to animate: its fit takes no on_epoch")
    cell = Cell("final", spec, methods[0].name, methods[0].target, methods[0].params, seed)
    model = instance(component, cell, data.sample_shape, device, str(suite.root))
    who = f"{methods[0].name} on {datasets[0].name}, seed {seed}"
    seen: list[Frame] = []
    due, called = 1, False

    def on_epoch(epoch: int, scores: Mapping[str, float]) -> bool:
        nonlocal due, called
        called = True
        if epoch >= due:
            due = epoch + 1 if epoch < 30 else int(1.1 * epoch) + 1
            seen.extend(_frame(model, data, f"{who}, {_title(epoch, scores)}"))
        return False

    try:
        model.fit(data.X[data.train], **accepted(model.fit, {**beside_rows(data), "on_epoch": on_epoch}))
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {error}"
        raise BadInputError(f"{methods[0].name} on {datasets[0].name} failed: {said}") from error
    if not called:
        raise BadInputError(f"{methods[0].name} has no epochs to animate: it never calls on_epoch")
    yield from seen
    yield from _frame(model, data, f"{who}, trained")


def _title(epoch: int, scores: Mapping[str, float]) -> str:
    return f"epoch {epoch}, loss {scores['loss']:.4g}" if "loss" in scores else f"epoch {epoch}"


def _frame(model: Any, data: Any, title: str) -> Iterator[Frame]:
    found = frame(model, observe(model, data, "test").view(data))
    if found is not None:
        yield title, *found
