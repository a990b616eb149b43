"""A pool of worker processes with hard limits on time and memory.

A worker is reused after a clean job, which keeps what it has imported and compiled, and never after a failed
one. A job that hangs, eats memory or brings its process down ends as a failure with a status, never as an
exception here. Where the process of a reused worker dies, an earlier job may be to blame: the job is run once
more, in a fresh worker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Protocol

from bench.errors import BadInputError, nearest
from bench.plan.jobs import Job
from bench.running.answer import Finished, OnEpoch
from bench.running.process import Process, open_nursery
from bench.suite import registry
from bench.suite.signatures import check_type, parameters, type_hints

POLL_SECONDS = 0.1


class Executor(Protocol):
    """Computes jobs somewhere: what `--executor` names, called as (n_workers, threads, logs, on_epoch, **options).

    Options are the other keys of bench.toml's [executor]. Where how many jobs there can be at once is not up to this
    machine, its class says so with `at_once(**options)`.

    Attributes:
        n_workers: jobs that it computes at once. threads: of each.
    """

    n_workers: int
    threads: int

    def submit(self, job: Job) -> None:
        """Take a job; returns at once."""

    def wait(self) -> list[Finished]:
        """Wait a moment; the jobs that ended since. Each job ends once, however it ended; this never raises."""
        ...

    def close(self) -> None:
        """Stop everything; what is not finished is lost."""


def executor_named(target: str, options: Mapping[str, Any], root: Path | None = None) -> Callable[..., Executor]:
    """The class that a registered name or a 'file.py:Class' stands for, if it takes these options.

    Args:
        root: folder that a file is relative to; the working directory where it is None.

    Raises:
        BadInputError: there is none, it is no executor, or it has no such option.
    """
    found: Callable[..., Executor] = registry.load("executor", target, root)
    lacking = [name for name in ("submit", "wait", "close") if not callable(getattr(found, name, None))]
    if lacking:
        raise BadInputError(f"--executor {target}: it has no {' and no '.join(lacking)}; an executor has all three")
    known = [name for name in parameters(found) if name not in ("n_workers", "threads", "logs", "on_epoch")]
    types = type_hints(found)
    for name, value in options.items():
        if name not in known:
            raise BadInputError(f"executor.{name}: executor {target!r} has no such option; {nearest(name, known)}")
        check_type(types.get(name, Any), value, f"executor.{name}")
    return found


def at_once(executor: Callable[..., Executor], options: Mapping[str, Any]) -> int:
    """Jobs that an executor can compute at once; 0 where that is up to this machine."""
    told = getattr(executor, "at_once", None)
    return int(told(**options)) if told is not None else 0


class LocalExecutor:
    """Runs jobs in `n_workers` processes of this machine, `threads` threads each.

    Args:
        on_epoch: asked with (job, cell position, epoch, score) whether a cell shall stop early.
    """

    def __init__(self, n_workers: int, threads: int, logs: Path, on_epoch: OnEpoch) -> None:
        self.n_workers = n_workers
        self.threads = threads
        self.logs = logs
        self.on_epoch = on_epoch
        self.queue: deque[Job] = deque()
        self.suspects: set[str] = set()
        self.workers: list[Process] = []

    def submit(self, job: Job) -> None:
        open_nursery(self.threads)
        self.queue.append(job)

    def wait(self) -> list[Finished]:
        """Hand out queued jobs, then wait a moment; the jobs that ended since."""
        self._assign()
        busy = [worker for worker in self.workers if worker.job is not None]
        ready = set(wait([worker.results for worker in busy], timeout=POLL_SECONDS)) if busy else set()
        finished = [worker.read(self.on_epoch) if worker.results in ready else worker.check() for worker in busy]
        for worker in [worker for worker in self.workers if worker.retired]:
            self._retire(worker)
        return [end for end in finished if end is not None and not self._again(end)]

    def _again(self, end: Finished) -> bool:
        """Queue a job again that may have died of what an earlier job left behind in its worker."""
        dubious = end.failure is not None and end.failure.status in ("crashed", "oom")
        if not dubious or end.in_fresh_worker or end.job.id in self.suspects:
            return False
        self.suspects.add(end.job.id)
        self.queue.appendleft(end.job)
        return True

    def _retire(self, worker: Process) -> None:
        worker.kill()
        self.workers.remove(worker)

    def close(self) -> None:
        """Kill every worker; their jobs are lost."""
        for worker in self.workers:
            worker.kill()
        self.workers.clear()

    def _assign(self) -> None:
        while self.queue:
            free = next((worker for worker in self.workers if worker.job is None), None)
            if free is None and len(self.workers) < self.n_workers:
                free = Process(self.threads, self.logs)
                self.workers.append(free)
            if free is None:
                return
            job = self._choose(free)
            if job is None:
                self._retire(free)
                continue
            self.queue.remove(job)
            free.start(job)

    def _choose(self, worker: Process) -> Job | None:
        """The next job, by preference one whose method this worker has warmed up; None if all need a fresh one."""
        allowed = [job for job in self.queue if worker.fresh or job.id not in self.suspects]
        warm = (job for job in allowed if job.cells[0].target in worker.warm)
        elsewhere = {target for other in self.workers for target in other.warm}
        cold = (job for job in allowed if job.cells[0].target not in elsewhere)
        return next(warm, None) or next(cold, None) or next(iter(allowed), None)
