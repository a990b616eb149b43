"""The ledger: append-only JSON lines in DIR/ledger, the only truth about what has been run.

Each process that writes has a part of its own, a file; one line is one job with all its records, so that a kill leaves
either the whole job or a torn last line, which is skipped.
"""

from __future__ import annotations

import fcntl
import gc
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.errors import BadInputError
from bench.record.compaction import compacted, lines_of, parts_of
from bench.record.entries import KINDS, SCHEMA, Entry, entry_of
from bench.record.links import refuse_links
from bench.record.records import Record
from bench.record.stamps import next_stamp
from bench.suite.metrics import KnownMetrics, from_json

log = logging.getLogger(__name__)

FOLDER = "ledger"


class Part:
    """One file of a ledger, appended to by one process; each line is on the disk before `append` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def append(self, entry: Mapping[str, Any]) -> None:
        if self._descriptor is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            self._end_a_torn_line()
        line = memoryview(json.dumps({"schema": SCHEMA, **entry}, allow_nan=False).encode() + b"\n")
        while line:
            line = line[os.write(self._descriptor, line) :]
        os.fsync(self._descriptor)

    def add(self, records: Iterable[Record]) -> None:
        """Append the records of one job."""
        self.append({"kind": "job", "records": [record.to_json() for record in records]})

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _end_a_torn_line(self) -> None:
        assert self._descriptor is not None
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            os.write(self._descriptor, b"\n")


class Ledger:
    """What one result folder knows: records by cell id, the chosen configurations, the runs that made it."""

    def __init__(self, out: Path) -> None:
        refuse_links(out)
        self.folder = out / FOLDER
        self.records: dict[str, Record] = {}
        self.selections: dict[tuple[str, str], dict[str, Any]] = {}
        self.runs: list[dict[str, Any]] = []
        self._part = Part(self.folder / f"{next_stamp(self.folder)}-{os.getpid()}.jsonl")
        with _no_collection():
            self._read()

    @property
    def metrics(self) -> KnownMetrics:
        """The metrics that the last run wrote down, and those registered."""
        written = self.runs[-1].get("scored_by", ()) if self.runs else ()
        return KnownMetrics(from_json(written))

    def add(self, records: Iterable[Record]) -> list[Record]:
        """Append the records of one job, on the disk before this returns; what each cell's record is now."""
        records = list(records)
        self._part.add(records)
        return self.take(records)

    def take(self, records: Iterable[Record]) -> list[Record]:
        """Know the records of one job, which are in another part already; what each cell's record is now."""
        return [self._merge(record) for record in records]

    def select(self, dataset: str, method: str, choice: Mapping[str, Any]) -> None:
        """Note which configuration is reported for a pair, unless it is the one known already."""
        entry = {"kind": "selection", "dataset": dataset, "method": method, **json.loads(json.dumps(choice))}
        if self.selections.get((dataset, method)) != entry:
            self._part.append(entry)
            self.selections[dataset, method] = entry

    def start_run(self, run: Mapping[str, Any]) -> None:
        """Note what started a run: command, suite, versions, hardware, git state, data."""
        entry = {"kind": "run", **run}
        self._part.append(entry)
        self.runs.append(entry)

    def end_run(self, facts: Mapping[str, Any]) -> None:
        """Note how long the run took that was started last, and how much of it was its cells' own work."""
        entry = {"kind": "end", **facts}
        self._part.append(entry)
        self.runs[-1]["end"] = entry

    def close(self) -> None:
        self._part.close()

    def _read(self) -> None:
        for path, lines in self._files():
            for number, line in enumerate(lines, start=1):
                try:
                    self._take(entry_of(line))
                # No form, or no id: what is not a number has no place among the parameters.
                except ValueError:
                    _explain(path, number, line)

    def _take(self, entry: Entry) -> None:
        if entry["kind"] == "job":
            for record in entry["records"]:
                self._merge(record)
            return
        known = {name: value for name, value in entry.items() if name != "schema"}
        if entry["kind"] == "selection":
            self.selections[entry["dataset"], entry["method"]] = known
        elif entry["kind"] == "run":
            self.runs.append(known)
        elif self.runs:
            self.runs[-1]["end"] = known

    def _merge(self, new: Record) -> Record:
        """A later record replaces an earlier one, but a good cell stays good, with its scores and first timings.

        Where the later record of a good cell is a failure, only the metrics it was to add have failed.
        """
        old = self.records.get(new.cell.id)
        if old is not None and old.status == "ok":
            rescored = set(new.requested)
            kept = tuple(score for score in old.scores if score.requested not in rescored)
            added = new.scores
            if new.status != "ok":
                added = tuple(replace(score, reason=f"{new.status}: {new.reason}") for score in new.scores)
            new = replace(
                old,
                scores=kept + added,
                requested=tuple(dict.fromkeys((*old.requested, *new.requested))),
                versions={**old.versions, **new.versions},
                intermediate=new.intermediate or old.intermediate,
                explained_variance=old.explained_variance if new.explained_variance is None else new.explained_variance,
            )
        self.records[new.cell.id] = new
        return new

    def _files(self) -> Iterator[tuple[Path, Iterable[bytes]]]:
        """All files with their lines: first what was compacted, then the parts that were not.

        The newest of the compacted files holds all that the others do; those are left of a kill.
        """
        held: set[str] = set()
        for path in compacted(self.folder)[-1:]:
            try:
                held |= parts_of(path)
                yield path, lines_of(path)
            except (OSError, ValueError) as error:
                raise BadInputError(
                    f"{path}: damaged ({error}); take it from a backup, or move it away: its cells run again"
                ) from error
        for path in sorted(self.folder.glob("*.jsonl")):
            if path.name not in held:
                yield path, _lines_of_part(path)


def _explain(path: Path, number: int, line: bytes) -> None:
    """Say what is wrong with a line that is no entry.

    Raises:
        BadInputError: it was written by another version.
    """
    try:
        written = json.loads(line)
        schema = written.get("schema") if written["kind"] in KINDS else SCHEMA
    except (ValueError, KeyError, TypeError, RecursionError):
        torn = "was cut off by a kill" if not line.endswith(b"\n") else "cannot be read"
        log.warning("%s:%d %s and is skipped; its cells run again", path, number, torn)
        return
    if schema != SCHEMA:
        raise BadInputError(
            f"{path}:{number}: written by another version of latentbench (schema {schema}, "
            f"this one has {SCHEMA}); choose another --out"
        )
    log.warning("%s:%d is no entry of a ledger and is skipped; its cells run again", path, number)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Records hold no cycles: of millions of new objects, the search for some takes a fifth of all the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _lines_of_part(path: Path) -> Iterator[bytes]:
    """One after the other: of a large ledger the text takes more memory than what it says."""
    with path.open("rb") as file:
        yield from file


def records_after(part: Path, position: int) -> tuple[list[Record], int]:
    """The records that a part holds beyond a position in bytes, and the position behind its last whole line."""
    try:
        with part.open("rb") as file:
            file.seek(position)
            whole = file.read().rpartition(b"\n")[0]
    except OSError:
        return [], position
    if not whole:
        return [], position
    found: list[Record] = []
    for line in whole.splitlines():
        with suppress(ValueError):
            entry = entry_of(line)
            found += entry["records"] if entry["kind"] == "job" else []
    return found, position + len(whole) + 1


def read(out: Path) -> Ledger:
    """The ledger of an existing result folder.

    Raises:
        BadInputError: there is none.
    """
    if not (out / FOLDER).is_dir():
        raise BadInputError(f"{out}: no result folder (it has no {FOLDER}/); give the --out of a bench run")
    ledger = Ledger(out)
    if not ledger.records:
        raise BadInputError(f"{out}: its ledger holds no results yet; run `bench run --out {out}`")
    return ledger


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold a result folder for one coordinator.

    Raises:
        BadInputError: another one has it, it cannot be written to, or its ledger is elsewhere.
    """
    refuse_links(out, FOLDER)
    try:
        (out / FOLDER).mkdir(parents=True, exist_ok=True)
        descriptor = os.open(out / FOLDER / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise BadInputError(f"{out}: cannot be written to: {error.strerror}; choose another --out") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise BadInputError(
            f"{out}: another bench run is using this folder; wait for it or choose another --out"
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)
