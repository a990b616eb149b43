"""One worker process as the coordinator sees it: jobs in, records out, and its limits on time and memory."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from bench.plan.jobs import Job, job_to_json
from bench.record.records import Record, Status

WARM_UP_LIMIT = 600.0

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


@dataclass(eq=False)
class Process:
    """A process that runs one job after another.

    Attributes:
        warm: targets of the methods whose imports and compilation it has behind it.
        retired: whether it may not be given another job. fresh: whether it never was given one.
    """

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
                [sys.executable, "-P", "-m", "bench.run.worker", *map(str, inherited)],
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
            self.limit, self.limit_name = self.job.timeout, "run.timeout x cells"
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
        if used > self.job.setting.memory:
            return self._fail(
                "oom",
                f"used {used / 1e9:.2f} GB, over the limit of {self.job.setting.memory / 1e9:.2f} GB (run.memory)",
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
    home = str(Path(__file__).resolve().parents[2])
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
