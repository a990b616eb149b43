"""A batch of jobs: a file of them, computed on whatever machine sees it, and a part of the ledger for their records.

This is what a node of a cluster runs, as `bench worker FILE`: the same pool of workers as on one machine. The batch of
OUT/batches/NAME.json has its records in OUT/ledger/NAME.jsonl; begun again, it goes on behind them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from bench.errors import BadInputError
from bench.plan.jobs import Job, job_of
from bench.record import ledger
from bench.record.ledger import Part
from bench.record.links import refuse_links
from bench.record.provenance import usable_cores
from bench.record.records import Record
from bench.running.executor import LocalExecutor
from bench.running.failures import LOGS, is_failed, records_of

FOLDER = "batches"


def write(out: Path, name: str, jobs: Sequence[Job]) -> Path:
    """Write a batch; its file."""
    path = out / FOLDER / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_suffix(".part")
    whole.write_text(json.dumps({"jobs": [asdict(job) for job in jobs]}))
    return whole.replace(path)


def part_of(path: Path) -> Path:
    """Where the records of a batch's file are."""
    return path.parents[1] / ledger.FOLDER / f"{path.stem}.jsonl"


def say(line: str) -> None:
    """Say a line where a node's log, or the terminal, is."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(path: Path, n_workers: int = 0, say: Callable[[str], None] = say) -> int:
    """Compute what a batch's part of the ledger lacks, as fast as this machine can; how many cells failed.

    Args:
        n_workers: processes; 0 means one for each core.
        say: told of each record in a line.

    Raises:
        BadInputError: the file is no batch, or its folder has a link out of it.
    """
    path = path.resolve()
    # All else the coordinator has looked through; here every node would do it again.
    refuse_links(path.parents[1], ledger.FOLDER, LOGS)
    jobs, part = read(path), Part(part_of(path))
    known, _ = ledger.records_after(part.path, 0)
    done = {record.cell.id: record for record in known}
    lacking = [half for job in jobs for half in _lacking(job, set(done))]
    say(f"{path.name}: {sum(len(job.units) for job in lacking)} of {sum(len(job.units) for job in jobs)} cells to do")
    cores = usable_cores()
    n = n_workers or cores
    for record in _computed(lacking, LocalExecutor(n, max(1, cores // n), path.parents[1] / LOGS, _go_on), part):
        done[record.cell.id] = record
        cell = record.cell
        say(f"{cell.method} on {cell.dataset.name}, {cell.label}: {record.status} {record.reason}".strip())
    return sum(is_failed(record) for record in done.values())


def _computed(jobs: Sequence[Job], executor: LocalExecutor, part: Part) -> Iterator[Record]:
    out = part.path.parents[1]
    under_way = {job.id for job in jobs}
    try:
        for job in jobs:
            executor.submit(job)
        while under_way:
            for finished in executor.wait():
                under_way.remove(finished.job.id)
                records = records_of(finished, out)
                if records:
                    part.add(records)
                    yield from records
                for half in () if records else finished.job.halves():
                    under_way.add(half.id)
                    executor.submit(half)
    finally:
        executor.close()
        part.close()


def _go_on(job: Job, cell: int, epoch: int, value: float) -> bool:
    """Whether a trial shall stop early is asked where the study is; not from here."""
    return False


def read(path: Path) -> list[Job]:
    """The jobs of a batch's file.

    Raises:
        BadInputError: it is none.
    """
    try:
        jobs = [job_of(job) for job in json.loads(path.read_text())["jobs"]]
        # A file is computed into the folder that it lies in, whatever it says, also where that is mounted elsewhere.
        return [replace(job, setting=replace(job.setting, out=str(path.parents[1]))) for job in jobs]
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadInputError(f"{path}: is no file of jobs; give one that `bench run` wrote in OUT/{FOLDER}") from error


def _lacking(job: Job, done: set[str]) -> list[Job]:
    lacking = [unit for unit in job.units if unit.id not in done]
    if len(lacking) in (0, len(job.units)):
        return [job] if lacking else []
    return [part for half in job.halves() for part in _lacking(half, done)]
