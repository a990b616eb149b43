"""A job with all that is imported and compiled for it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.plan.jobs import Job
from bench.running import stack_size
from bench.suite import registry


@dataclass(frozen=True)
class Prepared:
    """A job with all that is imported and compiled for it, which its cells are not charged for."""

    job: Job
    component: Any
    metrics: tuple[tuple[str, Any], ...]
    seconds: float


def prepare(job: Job) -> Prepared:
    """Import what the job needs and let it compile."""
    started = time.perf_counter()
    root = Path(job.setting.root)
    component = registry.load("method", job.cells[0].target, root)
    metrics = tuple((choice.name, choice.load(root)) for choice in job.metrics)
    warm_up = getattr(component, "warm_up", None)
    if warm_up is not None:
        warm_up()
    if len(job.cells) > 1:
        stack_size.warm_up()
    from metrics import reference

    reference.warm_up()
    return Prepared(job, component, metrics, time.perf_counter() - started)
