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
        """In place of `Process(threads, logs)`; of one thread each, whatever is asked for."""
        while self.idle:
            process = self.idle.pop()
            if process.process.poll() is None:
                return process
            process.kill()
        return Process(1, logs)

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
