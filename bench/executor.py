"""A pool of worker processes with hard limits on time and memory.

A worker is reused after a clean job, which keeps what it has imported and compiled, and never after a failed
one. A job that hangs, eats memory or brings its process down ends as a failure with a status, never as an
exception here. Where the process of a reused worker dies, an earlier job may be to blame: the job is run once
more, in a fresh worker.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path

import psutil

from bench.cells import Job, Record, Status, job_to_json

WARM_UP_LIMIT = 600.0
POLL_SECONDS = 0.1

OnEpoch = Callable[[Job, int, int, float], bool]


@dataclass(frozen=True)
class Failure:
    """Why a whole job gave no records."""

    status: Status
    reason: str
    traceback: str
    log: Path


@dataclass(frozen=True)
class Finished:
    """A job that ended: with records, or with a failure."""

    job: Job
    records: tuple[Record, ...] = ()
    failure: Failure | None = None
    seconds: float = 0.0
    warm_up_seconds: float = 0.0
    peak_memory: int = 0
    in_fresh_worker: bool = True


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
        self.workers: list[_Worker] = []

    def submit(self, job: Job) -> None:
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

    def _retire(self, worker: _Worker) -> None:
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
                free = _Worker(self.threads, self.logs)
                self.workers.append(free)
            if free is None:
                return
            job = self._choose(free)
            if job is None:
                self._retire(free)
                continue
            self.queue.remove(job)
            free.start(job)

    def _choose(self, worker: _Worker) -> Job | None:
        """The next job, by preference one whose method this worker has warmed up; None if all need a fresh one."""
        allowed = [job for job in self.queue if worker.fresh or job.id not in self.suspects]
        warm = (job for job in allowed if job.cells[0].target in worker.warm)
        elsewhere = {target for other in self.workers for target in other.warm}
        cold = (job for job in allowed if job.cells[0].target not in elsewhere)
        return next(warm, None) or next(cold, None) or next(iter(allowed), None)


@dataclass(eq=False)
class _Worker:
    threads: int
    logs: Path
    job: Job | None = None
    warm: set[str] = field(default_factory=set)
    retired: bool = False
    fresh: bool = True

    def __post_init__(self) -> None:
        jobs_in, jobs_out = os.pipe()
        results_in, results_out = os.pipe()
        lifeline_in, lifeline_out = os.pipe()
        self.logs.mkdir(parents=True, exist_ok=True)
        inherited = (jobs_in, results_out, lifeline_in)
        stamp = f"{time.time_ns():x}"
        self.log = self.logs / f"worker-{stamp}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "bench.worker", *map(str, inherited)],
                pass_fds=inherited, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=_environment(self.threads), start_new_session=True,
            )  # fmt: skip
        for descriptor in inherited:
            os.close(descriptor)
        self.jobs = Connection(jobs_out, readable=False)
        self.results = Connection(results_in, writable=False)
        self.lifeline = lifeline_out

    def start(self, job: Job) -> None:
        self.job = job
        self.began = time.monotonic()
        self.in_fresh_worker, self.fresh = self.fresh, False
        self.limit, self.limit_name = WARM_UP_LIMIT, "for imports and warm-up"
        self.warm_up_seconds = 0.0
        self.peak = 0
        with contextlib.suppress(OSError):  # a dead worker is noticed by the next read
            self.jobs.send_bytes(job_to_json(job).encode())

    def read(self, on_epoch: OnEpoch) -> Finished | None:
        """Take one message of the worker."""
        assert self.job is not None
        try:
            message = json.loads(self.results.recv_bytes())
        except (EOFError, OSError, ValueError):
            return self._crashed()
        if message["event"] == "started":
            self.limit, self.limit_name = self.job.timeout * len(self.job.cells), "run.timeout x cells"
            self.warm_up_seconds = time.monotonic() - self.began
            self.began = time.monotonic()
            self.warm.add(self.job.cells[0].target)
            return self.check()
        if message["event"] == "epoch":
            stop = on_epoch(self.job, message["cell"], message["epoch"], message["value"])
            with contextlib.suppress(OSError):
                self.jobs.send_bytes(b"stop" if stop else b"go on")
            return self.check()
        if message["event"] == "failed":
            return self._fail(message["status"], message["reason"], message["traceback"])
        records = tuple(Record.from_json(record) for record in message["records"])
        self.retired = any(record.status not in ("ok", "pruned") for record in records)
        return self._finish(records=records)

    def check(self) -> Finished | None:
        """Enforce the limits on time and memory."""
        assert self.job is not None
        used = _resident(self.process.pid)
        self.peak = max(self.peak, used)
        if used > self.job.memory:
            return self._fail(
                "oom",
                f"used {used / 1e9:.2f} GB, over the limit of {self.job.memory / 1e9:.2f} GB (run.memory)",
            )
        if self.process.poll() is not None and not self.results.poll():
            return self._crashed()
        if time.monotonic() > self.began + self.limit:
            # The handler writes every thread's stack to the log: it shows where the time went.
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGUSR1)
            time.sleep(0.2)
            return self._fail("timeout", f"not done after {self.limit:g} s ({self.limit_name})")
        return None

    def kill(self) -> None:
        # Its children too, also those that left its process group.
        for process in _family(self.process.pid):
            with contextlib.suppress(psutil.Error):
                process.kill()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.jobs.close()
        self.results.close()
        with contextlib.suppress(OSError):
            os.close(self.lifeline)
        if self.log.exists() and self.log.stat().st_size == 0:
            self.log.unlink()

    def _crashed(self) -> Finished:
        try:
            code = self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            return self._fail("crashed", "the process closed its connection and went on")
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        hint = ", perhaps by the system for want of memory" if code == -signal.SIGKILL else ""
        return self._fail("crashed", f"the process ended by {name}{hint}")

    def _fail(self, status: Status, reason: str, traceback: str = "") -> Finished:
        self.retired = True
        return self._finish(failure=Failure(status, reason, traceback, self.log))

    def _finish(self, records: tuple[Record, ...] = (), failure: Failure | None = None) -> Finished:
        assert self.job is not None
        job, self.job = self.job, None
        seconds = time.monotonic() - self.began
        return Finished(job, records, failure, seconds, self.warm_up_seconds, self.peak, self.in_fresh_worker)


def _environment(threads: int) -> dict[str, str]:
    limits = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    home = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))
    return {**os.environ, **dict.fromkeys(limits, str(threads)), "PYTHONPATH": path, "PYTHONHASHSEED": "0"}


def _resident(pid: int) -> int:
    """Resident bytes of a process and its children; 0 once it is gone."""
    try:
        return sum(member.memory_info().rss for member in _family(pid))
    except psutil.Error:
        return 0


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []
