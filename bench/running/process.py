"""One worker process as the coordinator sees it: jobs in, records out, and its limits on time and memory."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import forkserver, util
from pathlib import Path
from types import ModuleType

import psutil

from bench.plan.jobs import Job, job_to_json
from bench.record.records import Record, Status
from bench.running import worker
from bench.running.answer import WARM_UP_LIMIT, Failure, Finished, OnEpoch, finished

# Bytes.
MOST_LOGGED = 20_000_000
NURSERY = "bench.running.nursery"


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
        open_nursery(self.threads)
        context = multiprocessing.get_context("forkserver")
        jobs, self.jobs = context.Pipe(duplex=False)
        self.results, results = context.Pipe(duplex=False)
        lifeline, self.lifeline = context.Pipe(duplex=False)
        self.logs.mkdir(parents=True, exist_ok=True)
        self.log = self.logs / f"worker-{time.time_ns():x}.log"
        self.log.touch()
        arguments = (jobs, results, lifeline, str(self.log), self.threads)
        self.process = context.Process(target=worker.main, args=arguments)
        with _no_main_module():
            self.process.start()
        assert self.process.pid is not None
        self.pid = self.process.pid
        # At exit multiprocessing waits for its processes; this one would wait for us.
        self._at_exit = util.Finalize(None, _end, args=(self.pid,), exitpriority=10)
        for theirs in (jobs, results, lifeline):
            theirs.close()

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
        end = finished(self.job, message, self.log)
        self.retired = end.failure is not None or any(record.status not in ("ok", "pruned") for record in end.records)
        return self._finish(end.records, end.failure)

    def check(self) -> Finished | None:
        """Enforce the limits on time and memory."""
        assert self.job is not None
        self._bound_log()
        used = _resident(self.pid)
        self.peak = max(self.peak, used)
        if used > self.job.setting.memory:
            return self._fail(
                "oom",
                f"used {used / 1e9:.2f} GB, over the limit of {self.job.setting.memory / 1e9:.2f} GB (run.memory)",
            )
        if not self.process.is_alive() and not self.results.poll():
            return self._crashed()
        if time.monotonic() > self.began + self.limit:
            # The handler writes every thread's stack to the log: it shows where the time went.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGUSR1)
            time.sleep(0.2)
            return self._fail("timeout", f"not done after {self.limit:g} s ({self.limit_name})")
        return None

    def kill(self) -> None:
        # Its children too, also those that left its process group.
        for process in _family(self.pid):
            with contextlib.suppress(psutil.Error):
                process.kill()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.join()
        self._at_exit.cancel()
        for ours in (self.jobs, self.results, self.lifeline):
            ours.close()
        if self.log.exists() and self.log.stat().st_size == 0:
            self.log.unlink()

    def _bound_log(self) -> None:
        """Of endless output only the latest is kept."""
        with contextlib.suppress(OSError):
            if self.log.stat().st_size > MOST_LOGGED:
                os.truncate(self.log, 0)

    def _crashed(self) -> Finished:
        self.process.join(timeout=2)
        code = self.process.exitcode
        if code is None:
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


def open_nursery(threads: int) -> None:
    """Have the process that workers are forked from begin its imports, if there is none yet."""
    forkserver.set_forkserver_preload([NURSERY])
    with _environment(threads):
        forkserver.ensure_running()


@contextlib.contextmanager
def _no_main_module() -> Iterator[None]:
    """Workers need nothing of the program that runs a suite, and shall not run it a second time to have it."""
    ours = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = ours


@contextlib.contextmanager
def _environment(threads: int) -> Iterator[None]:
    """What a process that starts meanwhile takes over; libraries read their number of threads once, at import."""
    limits = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    wanted = {**dict.fromkeys(limits, str(threads)), "PYTHONPATH": _import_path(), "PYTHONHASHSEED": "0"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _import_path() -> str:
    home = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


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
