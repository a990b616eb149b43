"""Jobs on a cluster under Slurm: batches, each computed by a pool of workers on a node (`bench.running.batch`).

A node writes its own part of the ledger, so that what has ended is kept whatever becomes of the coordinator, which
reads the parts as they grow. Needs the extra `latentbench[slurm]` (submitit).
"""

from __future__ import annotations

import getpass
import hashlib
import logging
import os
import shutil
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import BadInputError
from bench.plan.jobs import Job
from bench.record.ledger import FOLDER as LEDGER
from bench.record.ledger import records_after
from bench.record.records import Record
from bench.record.stamps import next_stamp
from bench.running import batch
from bench.running.answer import Failure, Finished, OnEpoch
from bench.suite.config import bytes_of, seconds_of

POLL_SECONDS = 1.0
# A batch that the queue does not have may have been written to a moment ago, on another machine.
GRACE_SECONDS = 15.0
# Slurm tells a job so many seconds before its time is up; it is then begun again, behind what it has done.
_NOTICE_SECONDS = 60
_MOST_TIMES = 1_000

log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Batch:
    """A batch on its way: its file, what Slurm calls it, and how much of its part of the ledger has been read."""

    path: Path
    lacking: dict[str, Job]
    alone: bool
    task: Any = None
    position: int = 0
    missed_at: float | None = None
    records: dict[str, Record] = field(default_factory=dict)

    def read(self) -> list[Finished]:
        """The jobs all of whose records have come since."""
        found, self.position = records_after(batch.part_of(self.path), self.position)
        self.records |= {record.cell.id: record for record in found}
        done = [job for job in self.lacking.values() if all(unit.id in self.records for unit in job.units)]
        for job in done:
            del self.lacking[job.id]
        return [Finished(job, tuple(self.records[unit.id] for unit in job.units), recorded=True) for job in done]


class SlurmExecutor:
    """Deals jobs out to batches, one for each node, which all run `bench worker`.

    A batch that Slurm ends before it is done is begun again by Slurm where it was preempted or out of time. What a
    dead one leaves goes to batches of its own, one for each job; a job whose own batch dies too has failed.

    Args:
        n_workers, threads, logs, on_epoch: as of any executor; trials are not stopped early here.
        partition: of the cluster; its default where this is empty.
        time: for one node, e.g. "4h"; a batch that is not done then goes on in the queue.
        cpus: for each node, and so many workers. gpus: for each node, shared by its workers.
        memory: for each node, e.g. "32GB"; the cluster's default where this is empty.
        array_parallelism: nodes at the same time.
        setup: lines of shell that prepare a node, e.g. "module load cuda".
        extra: other options of sbatch, e.g. { account = "me" }.
        folder: for what Slurm is to run, seen by all nodes and by nobody else; by default in the home folder.
    """

    def __init__(
        self, n_workers: int, threads: int, logs: Path, on_epoch: OnEpoch, *, partition: str = "", time: str = "4h",
        cpus: int = 4, gpus: int = 0, memory: str = "", array_parallelism: int = 16, setup: Sequence[str] = (),
        extra: dict[str, Any] | None = None, folder: str = "",
    ) -> None:  # fmt: skip
        self.n_workers, self.threads = n_workers, threads
        self.out, self.cpus, self.array_parallelism = logs.parent, cpus, array_parallelism
        self.name = f"bench-{hashlib.sha256(str(self.out).encode()).hexdigest()[:10]}"
        self.folder = self._described_in(folder)
        self.slurm = _cluster(self.folder)
        self.slurm.update_parameters(
            name=self.name, timeout_min=max(2, round(seconds_of(time, "executor.time") / 60)), cpus_per_task=cpus,
            nodes=1, tasks_per_node=1, slurm_array_parallelism=array_parallelism, slurm_setup=list(setup),
            slurm_signal_delay_s=_NOTICE_SECONDS, slurm_additional_parameters=dict(extra or {}),
            **({"slurm_partition": partition} if partition else {}),
            **({"gpus_per_node": gpus} if gpus else {}),
            **({"mem_gb": bytes_of(memory, "executor.memory") / 1e9} if memory else {}),
        )  # fmt: skip
        # What a coordinator that was killed has left in the queue: its cells are about to be asked for again.
        self._cancel_all()
        self.queue: deque[Job] = deque()
        self.suspects: set[str] = set()
        self.batches: list[_Batch] = []
        self.asked_at = 0.0

    @staticmethod
    def at_once(*, cpus: int = 4, array_parallelism: int = 16, **others: Any) -> int:
        """Jobs that all nodes together compute at the same time."""
        return cpus * array_parallelism

    def submit(self, job: Job) -> None:
        self.queue.append(job)

    def wait(self) -> list[Finished]:
        """Send what is queued, and read what the nodes have written since."""
        self._send()
        found = [ended for sent in self.batches for ended in sent.read()]
        for sent in [sent for sent in self.batches if not sent.lacking]:
            self.batches.remove(sent)
            sent.path.unlink(missing_ok=True)
        if found:
            return found
        time.sleep(POLL_SECONDS)
        return self._lost()

    def close(self) -> None:
        """Take all batches that are not done out of the queue; logs are kept where one had died."""
        if self.batches:
            self._cancel_all()
            self.batches.clear()
        elif not self.suspects:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _send(self) -> None:
        """Queued jobs as one array: dealt out evenly, suspects each alone."""
        jobs = list(self.queue)
        self.queue.clear()
        together = [job for job in jobs if job.id not in self.suspects]
        n = min(len(together), self.array_parallelism)
        dealt = [*(together[at::n] for at in range(n)), *([job] for job in jobs if job.id in self.suspects)]
        if not dealt:
            return
        stamp = next_stamp(self.out / batch.FOLDER, self.out / LEDGER)
        new = [
            _Batch(
                batch.write(self.out, f"{stamp}-{os.getpid()}-{at}", some), {job.id: job for job in some},
                some[0].id in self.suspects,
            )
            for at, some in enumerate(dealt)
        ]  # fmt: skip
        try:
            tasks = self.slurm.map_array(_RunBatch(self.cpus), [str(sent.path) for sent in new])
        except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
            said = (str(error).strip().splitlines() or [""])[-1]
            raise BadInputError(f"executor slurm: sbatch refused the batches: {said}; see [executor]") from error
        for sent, task in zip(new, tasks, strict=True):
            sent.task = task
        self.batches += new

    def _lost(self) -> list[Finished]:
        """What becomes of the jobs of batches that Slurm no longer has."""
        now = time.monotonic()
        if now < self.asked_at + GRACE_SECONDS / 3:
            return []
        self.asked_at = now
        alive = self._in_queue()
        failed: list[Finished] = []
        for sent in list(self.batches) if alive is not None else []:
            sent.missed_at = None if sent.task.job_id in (alive or ()) else sent.missed_at or now
            if sent.missed_at is None or now < sent.missed_at + GRACE_SECONDS:
                continue
            self.batches.remove(sent)
            failed += [*sent.read(), *self._of_dead(sent)]
            sent.path.unlink(missing_ok=True)
        return failed

    def _of_dead(self, sent: _Batch) -> list[Finished]:
        jobs = list(sent.lacking.values())
        said = Path(sent.task.paths.stderr)
        why = f"its Slurm job {sent.task.job_id} ended before it was done"
        if sent.alone:
            return [Finished(job, failure=Failure("crashed", why, "", said)) for job in jobs]
        log.warning("%s; its %d jobs are sent again, each alone (%s)", why, len(jobs), said)
        self.suspects |= {job.id for job in jobs}
        self.queue.extend(jobs)
        return []

    def _in_queue(self) -> set[str] | None:
        """What Slurm calls the batches that it has; None where it does not answer."""
        try:
            done = subprocess.run(
                ["squeue", "-h", "--array", "--format=%i", f"--user={getpass.getuser()}", f"--name={self.name}"],
                capture_output=True, text=True, timeout=60, check=True,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError):
            return None
        return set(done.stdout.split())

    def _cancel_all(self) -> None:
        try:
            subprocess.run(
                ["scancel", f"--user={getpass.getuser()}", f"--name={self.name}"],
                capture_output=True, timeout=60, check=True,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError):
            log.warning("Slurm does not answer; `scancel --name %s` ends what may still be in its queue", self.name)

    def _described_in(self, folder: str) -> Path:
        """A folder of the user alone, for submitit pickles there what it runs: never in a result folder."""
        path = (Path(folder) if folder else Path.home() / ".cache" / "latentbench" / "slurm") / self.name
        try:
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o700)
        except OSError as error:
            raise BadInputError(f"executor.folder: {path}: {error.strerror}; give a folder that nodes see") from error
        return path


class _RunBatch:
    """What submitit calls on a node."""

    def __init__(self, n_workers: int) -> None:
        self.n_workers = n_workers

    def __call__(self, path: str) -> int:
        return batch.run(Path(path), self.n_workers)

    def checkpoint(self, path: str) -> Any:
        """Asked when the node is taken away or its time is up: what to begin again with."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, path)


def _cluster(folder: Path) -> Any:
    try:
        import submitit
    except ImportError as error:
        raise BadInputError(
            "executor slurm: submitit is not installed; run `pip install 'latentbench[slurm]'`"
        ) from error
    try:
        return submitit.AutoExecutor(folder, cluster="slurm", slurm_max_num_timeout=_MOST_TIMES)
    except RuntimeError as error:
        raise BadInputError(f"executor slurm: {error}; run it where sbatch and srun are") from error
