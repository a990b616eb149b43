"""Records of jobs as the ledger keeps them: of those that gave none too, with the files that tracebacks go to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bench.plan.jobs import Setting
from bench.plan.protocol import Request
from bench.record.cells import Unit
from bench.record.records import FAILURES, Record, asked, empty_scores
from bench.running.answer import Failure, Finished

LOGS = "logs"
# Characters of a traceback, or of what a process wrote, that are kept.
MOST_SAID = 200_000


def is_failed(record: Record) -> bool:
    """Whether a cell failed, or one of its metrics did."""
    if record.status == "ok":
        return any(score.status == "failed" for score in record.scores)
    return record.status in FAILURES


def records_of(finished: Finished, out: Path) -> tuple[Record, ...]:
    """The records of a job that ended; of one that failed as a whole none where it can be halved (`Job.halves`)."""
    if finished.recorded:
        return finished.records
    if finished.failure is None:
        return tuple(with_traceback_file(record, out) for record in finished.records)
    return (failure_record(finished, finished.failure, out),) if len(finished.job.units) == 1 else ()


def failure_record(finished: Finished, failure: Failure, out: Path) -> Record:
    """The record of the one cell or group of a job whose process gave none."""
    job = finished.job
    log = _end_of(failure.log)
    record = Record(
        **job.setting.stamp, cell=job.units[0], status=failure.status, **asked(job.metrics), reason=failure.reason,
        traceback=failure.traceback or log,
        scores=tuple(empty_scores(job.metrics, job.split, failure.reason)), fit_seconds=finished.seconds,
        warm_up_seconds=finished.warm_up_seconds,
        peak_memory_mb=finished.peak_memory / 1e6, device=job.setting.device,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip
    return with_traceback_file(record, out)


def _end_of(log: Path) -> str:
    """The last that a process wrote."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - MOST_SAID))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def refused_record(unit: Unit, request: Request, reason: str, setting: Setting) -> Record:
    """The record of a cell that cannot be computed, as is known without running it."""
    return Record(
        **setting.stamp, cell=unit, status="failed", **asked(request.metrics), reason=reason,
        scores=tuple(empty_scores(request.metrics, request.split, reason)),
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip


def with_traceback_file(record: Record, out: Path) -> Record:
    """A record as the ledger keeps it: the traceback's text in a file, its path within the result folder here."""
    path = out / LOGS / f"{record.cell.id}.txt"
    path.unlink(missing_ok=True)
    if not record.traceback:
        return record
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(record.traceback[-MOST_SAID:])
    return replace(record, traceback=f"{LOGS}/{path.name}")
