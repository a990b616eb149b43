"""Worker processes that tests share: what they have imported and compiled is there for the next test."""

from __future__ import annotations

from pathlib import Path

from bench.running.answer import Finished, OnEpoch
from bench.running.executor import LocalExecutor
from bench.running.process import Process


class SharedProcess(Process):
    """A process that is used again after a method of a test has raised; one that was ended or died is not."""

    def read(self, on_epoch: OnEpoch) -> Finished | None:
        end = super().read(on_epoch)
        if end is not None and (end.failure is None or end.failure.status == "failed"):
            self.retired = False
        return end


class SharedWorkers:
    """Gives executors the idle processes of earlier ones, and takes clean ones back when an executor closes."""

    def __init__(self) -> None:
        self.idle: list[Process] = []

    def take(self, threads: int, logs: Path) -> Process:
        """In place of `Process(threads, logs)`; of one thread each, whatever is asked for."""
        while self.idle:
            process = self.idle.pop()
            if process.process.is_alive():
                return process
            process.kill()
        return SharedProcess(1, logs)

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
