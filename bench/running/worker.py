"""A worker process: takes jobs from a pipe, one after another, and answers with records."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import json
import multiprocessing
import os
import signal
import sys
import threading
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.plan.jobs import job_from_json
from bench.running.answer import answer, clean_slate


def main(jobs: Connection, results: Connection, lifeline: Connection, log: str, threads: int) -> None:
    """What a process forked from the nursery runs: jobs in, records out, all else that is said to the log."""
    os.setsid()
    # Of a process from a fork server, locks have names that outlive it when it is killed; those of a fork have none.
    multiprocessing.set_start_method("fork", force=True)
    _write_to(log)
    _die_with_the_coordinator(lifeline)
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = _Channel(jobs, results)
    home = Path.cwd()
    while (message := channel.receive()) is not None:
        job = job_from_json(message)
        os.chdir(home)
        clean_slate(job.cells[0].seed, threads)
        channel.send(answer(job, channel.ask, partial(channel.send, {"event": "started"})))


def _write_to(log: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)


class _Channel:
    def __init__(self, jobs: Connection, results: Connection) -> None:
        self._jobs = jobs
        self._results = results

    def receive(self) -> str | None:
        try:
            return self._jobs.recv_bytes().decode()
        except EOFError:
            return None

    def send(self, message: dict[str, Any]) -> None:
        self._results.send_bytes(json.dumps(message, allow_nan=False).encode())

    def ask(self, cell: int, epoch: int, value: float) -> bool:
        self.send({"event": "epoch", "cell": cell, "epoch": epoch, "value": value})
        return self.receive() == "stop"


def die_with_the_parent() -> None:
    """Ask the kernel for SIGKILL when the parent process ends, also while compiled code holds the interpreter."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _die_with_the_coordinator(lifeline: Connection) -> None:
    """End this process and its group when the coordinator's end of the pipe closes, or with the nursery."""
    die_with_the_parent()

    def watch() -> None:
        with contextlib.suppress(EOFError, OSError):
            lifeline.recv_bytes()
        os.killpg(os.getpgid(0), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
