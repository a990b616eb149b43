"""What MLflow shall hold, as plain data computed from the ledger's records alone.

One parent run for each study (data set x method); under it one run for each trial, with a value for each
tuning seed as steps, and one run for each reported (method, data set, seed), and one for its metrics over all seeds.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from bench.record import models
from bench.record.cells import Group, digest
from bench.record.records import FAILURES, Record

_MAX_PARAM = 6_000


@dataclass(frozen=True)
class Point:
    """One logged value."""

    name: str
    value: float
    step: int


@dataclass(frozen=True)
class RunSpec:
    """One MLflow run. `key` names it for ever; `digest` tells whether what the store holds is up to date."""

    key: str
    parent: str | None
    name: str
    started_ms: int
    ended_ms: int
    failed: bool
    tags: Mapping[str, str]
    params: Mapping[str, str]
    points: Sequence[Point]
    model: Path | None = None

    @property
    def digest(self) -> str:
        return digest({**asdict(self), "model": self.model is not None})


def study_run(record: Record) -> RunSpec:
    """The parent run of a record."""
    dataset, method = record.cell.dataset.name, record.cell.method
    tags = {"kind": "study", "dataset": dataset, "method": method, "suite": record.suite}
    return RunSpec(study_key(record), None, f"{method} on {dataset}", 0, 0, False, tags, {}, ())


def study_key(record: Record) -> str:
    return f"study/{record.cell.dataset.name}/{record.cell.method}"


def run_key(record: Record) -> str:
    """Which run a record belongs to: its own, or that of its trial."""
    cell = record.cell
    if cell.phase == "final":
        return f"final/{cell.id}"
    return f"trial/{cell.dataset.name}/{cell.dataset.content}/{cell.method}/{cell.config_id}"


def by_run(records: Iterable[Record]) -> dict[str, dict[str, Record]]:
    """Records by the run they make together, and by cell."""
    groups: dict[str, dict[str, Record]] = {}
    for record in records:
        groups.setdefault(run_key(record), {})[record.cell.id] = record
    return groups


def record_run(records: Sequence[Record], out: Path) -> RunSpec:
    """The run of one final record, or of all records of one trial."""
    records = sorted(records, key=lambda record: record.cell.seed or 0)
    first = records[0]
    cell = first.cell
    status = next((record.status for record in records if record.status in FAILURES), first.status)
    tags = {
        "kind": "final" if cell.phase == "final" else "trial", "suite": first.suite, "method": cell.method,
        "dataset": cell.dataset.name, "phase": cell.phase, "status": status, "decoder": first.decoder,
        "device": first.device, "git_sha": first.git_sha, "git_dirty": str(first.git_dirty),
        "config_id": cell.config_id, "seed": ",".join(str(seed) for record in records for seed in _seeds(record)),
        "reason": first.reason[:500],
    }  # fmt: skip
    params = {name: _text(value) for name, value in cell.params.items()}
    params["seed"] = tags["seed"]
    started = min(_milliseconds(record.started_at) for record in records)
    cost = sum(record.fit_seconds + record.decoder_seconds + record.score_seconds for record in records)
    final = cell.phase == "final"
    return RunSpec(
        key=run_key(first),
        parent=study_key(first),
        name=f"{cell.method} {cell.dataset.name} {cell.label}"
        if final
        else f"{cell.method} trial {cell.config_id[:6]}",
        started_ms=started,
        ended_ms=started + int(1_000 * cost),
        failed=status in FAILURES,
        tags={name: value for name, value in tags.items() if value},
        params=params,
        points=tuple(_points(records)),
        model=models.model_folder(out, cell.id) if final else None,
    )


def safe_key(name: str) -> str:
    """A name as MLflow takes it: letters, digits, and _ - . / only."""
    return re.sub(r"[^\w\-./ ]", "_", name, flags=re.ASCII)


def _points(records: Sequence[Record]) -> Iterator[Point]:
    """All finite values: scores (step = place of the seed), costs, and the curves of a reported model."""
    for step, record in enumerate(records):
        for score in record.scores:
            if score.value is not None and math.isfinite(score.value):
                yield Point(safe_key(score.metric), score.value, step)
        for name in ("fit_seconds", "decoder_seconds", "score_seconds", "peak_memory_mb"):
            yield Point(f"cost/{name}", getattr(record, name), step)
        if record.cell.phase == "final":
            for name, curve in record.history.items():
                for epoch, value in enumerate(curve, start=1):
                    if math.isfinite(value):
                        yield Point(safe_key(f"curve/{name}"), value, epoch)


def _seeds(record: Record) -> tuple[int, ...]:
    return record.cell.seeds if isinstance(record.cell, Group) else (record.cell.seed,)


def _text(value: object) -> str:
    return (value if isinstance(value, str) else json.dumps(value))[:_MAX_PARAM]


def _milliseconds(moment: str) -> int:
    return int(1_000 * datetime.fromisoformat(moment).timestamp()) if moment else 0
