"""Does the parts one after the other, each in a process of its own that ends when its time is over."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.gpu.child import FAILED, OK
from bench.gpu.parts import Part, Row

ROOT = Path(__file__).resolve().parents[2]
_POLL = 0.1


@dataclass(frozen=True)
class Outcome:
    """What came of a part: 'ok', 'failed' or 'could not be done', why, seconds, and the rows found by then."""

    part: Part
    status: str
    reason: str
    seconds: float
    rows: tuple[Row, ...]


def run(parts: Sequence[Part], device: str, out: Path, say: Callable[[str], None]) -> Iterator[Outcome]:
    """Do the parts, whatever becomes of those before.

    Args:
        device: 'cpu' or 'cuda'.
        out: where the logs of parts are left that did not end well.
        say: told how it goes, line by line.
    """
    for part in parts:
        say(f"{part.name}: {part.title} (at most {part.limit:.0f} s)")
        log = out / f"{part.name}.log"
        with tempfile.TemporaryDirectory() as folder, log.open("w", encoding="utf-8") as output:
            outcome = _done(part, device, Path(folder) / "entries.jsonl", output, say)
        say(f"{part.name}: {outcome.status} after {outcome.seconds:.0f} s {outcome.reason}".rstrip())
        if outcome.status == OK:
            log.unlink()
        yield outcome


def _done(part: Part, device: str, entries: Path, output: Any, say: Callable[[str], None]) -> Outcome:
    entries.touch()
    began = time.monotonic()
    rows: list[Row] = []
    status, reason = "", ""
    with _process(part, device, entries, output) as process, entries.open(encoding="utf-8") as found:
        ended = late = False
        while not (ended or late):
            ended, late = process.poll() is not None, time.monotonic() - began > part.limit
            for entry in map(json.loads, _whole_lines(found)):
                if "row" in entry:
                    rows.append(entry["row"])
                    say("    " + ", ".join(f"{name} {shown(value)}" for name, value in entry["row"].items()))
                else:
                    status, reason = entry["status"], entry["reason"]
            time.sleep(_POLL)
    if not status:
        how = f"exit code {process.returncode}" if ended else f"not done after {part.limit:.0f} s"
        status, reason = FAILED, f"its process ended with {how}" if ended else how
    return Outcome(part, status, reason, time.monotonic() - began, tuple(rows))


@contextlib.contextmanager
def _process(part: Part, device: str, entries: Path, output: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The process of a part, gone at the end with all that it started."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
    if device == "cpu":
        # Where other work holds a core, two threads that wait for each other take minutes for milliseconds.
        environment.setdefault("OMP_NUM_THREADS", "1")
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.gpu.child", part.module, device, json.dumps(dict(part.sizes)), str(entries)],
        stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _whole_lines(file: Any) -> Iterator[str]:
    """Lines that have been written to their end; the rest is left for the next time."""
    while True:
        at = file.tell()
        line = file.readline()
        if not line.endswith("\n"):
            file.seek(at)
            return
        yield line


def shown(value: Any) -> str:
    """A number with four digits, anything else as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
