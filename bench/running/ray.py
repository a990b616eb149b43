"""Jobs on a Ray cluster, each a task: what an executor of another engine takes. Needs `latentbench[ray]`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from bench.errors import BadInputError
from bench.plan.jobs import Job, job_to_json
from bench.running.answer import Failure, Finished, OnEpoch, answer_text, finished

POLL_SECONDS = 0.1


class RayExecutor:
    """Computes each job in a process of a Ray cluster; trials are not stopped early.

    Args:
        n_workers, threads, logs, on_epoch: as of any executor.
        address: of a cluster; "" starts one on this machine.
        gpus: for each job, also a part of one.
    """

    def __init__(
        self, n_workers: int, threads: int, logs: Path, on_epoch: OnEpoch, *, address: str = "", gpus: float = 0.0
    ) -> None:
        try:
            import ray
        except ImportError as error:
            raise BadInputError("executor ray: ray is not installed; `pip install 'latentbench[ray]'`") from error
        self.ray, self.n_workers, self.threads, self.logs = ray, n_workers, threads, logs
        here = {"num_cpus": n_workers * threads, "include_dashboard": False} if not address else {"address": address}
        ray.init(**here, log_to_driver=False, logging_level="error", ignore_reinit_error=True)
        # A process that has run one job is done: nothing of it can harm the next.
        self.compute: Any = ray.remote(num_cpus=threads, num_gpus=gpus, max_retries=0, max_calls=1)(answer_text)
        self.under_way: dict[Any, tuple[Job, float]] = {}

    def submit(self, job: Job) -> None:
        self.under_way[self.compute.remote(job_to_json(job), self.threads)] = (job, time.monotonic())

    def wait(self) -> list[Finished]:
        ready, _ = self.ray.wait(list(self.under_way), timeout=POLL_SECONDS) if self.under_way else ([], [])
        return [self._ended(task) for task in ready]

    def close(self) -> None:
        for task in self.under_way:
            self.ray.cancel(task, force=True)
        self.ray.shutdown()

    def _ended(self, task: Any) -> Finished:
        job, began = self.under_way.pop(task)
        try:
            return finished(job, json.loads(self.ray.get(task)), self.logs / "ray")
        except self.ray.exceptions.RayError as error:
            said = str(error).strip().partition("\n")[0]
            failure = Failure("crashed", f"{type(error).__name__}: {said}", "", self.logs / "ray")
            return Finished(job, failure=failure, seconds=time.monotonic() - began)
