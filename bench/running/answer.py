"""One job computed in this process, and what came of it: all that an executor of another engine needs.

Where the work is done it calls `answer(job)`, or `answer_text` where jobs and answers travel as JSON; where the
coordinator is, `finished` makes of the answer what `wait` returns.
"""

from __future__ import annotations

import faulthandler
import json
import random
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.plan.jobs import Job, job_from_json
from bench.record.entries import records_of
from bench.record.records import Record, Status

# Asked with (job, cell position, epoch, score) whether a cell shall stop early.
OnEpoch = Callable[[Job, int, int, float], bool]
# Seconds for imports and compilation.
WARM_UP_LIMIT = 600.0
OUT_OF_MEMORY_SIGNS = ("out of memory", "can't allocate memory", "cannot allocate memory")


@dataclass(frozen=True)
class Failure:
    """Why a whole job gave no records. `log` may hold what its process said last."""

    status: Status
    reason: str
    traceback: str
    log: Path


@dataclass(frozen=True)
class Finished:
    """A job that ended: with records, or with a failure.

    `recorded` says that its records are in a part of the ledger already, which was written where they were computed.
    """

    job: Job
    records: tuple[Record, ...] = ()
    failure: Failure | None = None
    seconds: float = 0.0
    warm_up_seconds: float = 0.0
    peak_memory: int = 0
    in_fresh_worker: bool = True
    recorded: bool = False


def answer(
    job: Job,
    report: Callable[[int, int, float], bool] | None = None,
    started: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Compute a job in this process. Never raises: an error is an answer too.

    Args:
        report: asked with (cell position, epoch, score) whether a cell shall stop early.
        started: called once all has been imported and compiled.

    Returns:
        What JSON can hold: event 'done' with records, or 'failed' with status, reason and traceback; seconds and
        warm_up_seconds.
    """
    began = ready = time.monotonic()
    found: dict[str, Any]
    try:
        from bench.running.job import run_job
        from bench.running.prepared import prepare

        prepared = prepare(job)
        ready = time.monotonic()
        started()
        records = run_job(prepared, report)
        found = {"event": "done", "records": [record.to_json() for record in records]}
    except BaseException as error:
        found = {
            "event": "failed",
            "status": "oom" if _out_of_memory(error) else "failed",
            "reason": f"{type(error).__name__}: {error}",
            "traceback": traceback.format_exc(),
        }
    return {**found, "seconds": time.monotonic() - ready, "warm_up_seconds": ready - began}


def answer_text(text: str, threads: int = 1) -> str:
    """`answer`, where a job and its answer travel as JSON, in a process that has done nothing else.

    That process ends where the job is not done within its limit of time.
    """
    job = job_from_json(text)
    faulthandler.dump_traceback_later(WARM_UP_LIMIT + job.timeout, exit=True)
    try:
        clean_slate(job.cells[0].seed, threads)
        return json.dumps(answer(job), allow_nan=False)
    finally:
        faulthandler.cancel_dump_traceback_later()


def clean_slate(seed: int, threads: int) -> None:
    """Undo what an earlier job's method may have changed for the whole process.

    The global random states are seeded too: for a method that draws from them, against the contract.
    """
    import numpy as np
    import torch

    torch.set_num_threads(threads)
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.set_grad_enabled(True)
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)


def finished(job: Job, answered: Mapping[str, Any], log: Path) -> Finished:
    """A job that ended with an answer.

    Args:
        log: where the process that answered may have said more.
    """
    records: tuple[Record, ...] = ()
    failure = None
    if answered["event"] == "failed":
        failure = Failure(answered["status"], answered["reason"], answered["traceback"], log)
    else:
        records = tuple(records_of(answered["records"]))
    return Finished(job, records, failure, float(answered["seconds"]), float(answered["warm_up_seconds"]))


def _out_of_memory(error: BaseException) -> bool:
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(sign in said for sign in OUT_OF_MEMORY_SIGNS)
