"""Worker processes that tests share: what they have imported and compiled is there for the next test."""

from __future__ import annotations

from pathlib import Path

from bench.run.executor import LocalExecutor
from bench.run.process import Process


class SharedWorkers:
    """Gives executors the idle processes of earlier ones, and takes clean ones back when an executor closes."""

    def __init__(self) -> None:
        self.idle: list[Process] = []

    def take(self, threads: int, logs: Path) -> Process:
        """In place of `Process(threads, logs)`."""
        alike = [process for process in self.idle if process.threads == threads and process.process.poll() is None]
        if not alike:
            return Process(threads, logs)
        self.idle.remove(alike[0])
        return alike[0]

    def release(self, executor: LocalExecutor) -> None:
        """In place of `LocalExecutor.close`."""
        for process in executor.workers:
            if process.job is None and not process.retired:
                self.idle.append(process)
            else:
                process.kill()
        executor.workers.clear()

    def close(self) -> None:
        for process in self.idle:
            process.kill()
