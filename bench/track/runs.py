"""What MLflow shall hold, as plain data computed from the ledger's records alone.

One parent run for each study (data set x method), with what its reported models reached together; under it one run for
each trial, with a value for each tuning seed as steps, one for each reported (method, data set, seed), and one for its
metrics over all seeds. The tag `kind` tells them apart: study, trial, final, seeds.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, stdev

from bench.record import models
from bench.record.cells import Group, Unit
from bench.record.records import FAILURES, Record
from bench.suite.axes import axis_of
from bench.suite.canonical import digest
from bench.suite.metrics import KnownMetrics

_MAX_PARAM, _MAX_TAG, _MAX_DIGEST = 6_000, 7_900, 36


@dataclass(frozen=True)
class Point:
    """One logged value."""

    name: str
    value: float
    step: int


@dataclass(frozen=True)
class RunSpec:
    """One MLflow run. `key` names it for ever; `digest` tells whether what the store holds is up to date.

    `model` is the folder of a saved model, `log` a file that says more of a failure, `dataset` name, digest and source.
    """

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
    log: Path | None = None
    dataset: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return digest({**asdict(self), "model": self.model is not None, "log": self.log is not None})


@dataclass(frozen=True, eq=False)
class Finished:
    """What a suite has come to.

    Attributes:
        records: all of them. reported: those that count in the report, of one configuration for each study.
        metrics: what is known of those that were scored.
        headline: the metrics that a person compares first, by data set. files: the reports and their figures.
        config: the text of the suite as it was run last.
    """

    records: Sequence[Record]
    reported: Sequence[Record]
    metrics: KnownMetrics
    headline: Mapping[str, Sequence[str]]
    files: Sequence[Path]
    config: str = ""

    def digest(self, out: Path) -> str:
        """Of all that a store is to hold of it, of where, and of who writes it: equal where a store needs no change.

        When each run began, which the reports say, is left out.
        """
        shown = [sorted(record.cell.id for record in self.reported), dict(self.headline), self.config]
        return digest([version("latentbench"), str(out.resolve()), records_digest(self.records), shown])

    def studies(self) -> Iterator[RunSpec]:
        """The parent run of each study that has reported models, as it ended."""
        everything, counting = _by_study(self.records), _by_study(self.reported)
        return (_finished_study(everything[key], found, self.metrics) for key, found in counting.items())

    def other_configurations(self) -> dict[str, str]:
        """Names for the runs of models that the report does not show: of a front, or of an earlier suite; by key."""
        shown = {run_key(record) for record in self.reported}
        return {
            run_key(record): f"{_final_name(record.cell)} {record.cell.config_id[:6]}"
            for record in self.records
            if record.cell.phase == "final" and run_key(record) not in shown
        }

    def columns(self) -> dict[str, list[str]]:
        """The headline metrics that runs of single models have, by data set."""
        named = {
            dataset: [metric_key(name, name, self.metrics) for name in names]
            for dataset, names in self.headline.items()
        }  # fmt: skip
        return {dataset: [n for n in names if not n.startswith("stability/")] for dataset, names in named.items()}

    @property
    def methods(self) -> list[str]:
        return list(dict.fromkeys(record.cell.method for record in self.reported))

    @property
    def ended_ms(self) -> int:
        return max(map(_ended, self.records), default=0)


def _by_study(records: Iterable[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(study_key(record), []).append(record)
    return found


def records_digest(records: Iterable[Record]) -> str:
    """Of what became of each cell, in any order: quick, as there may be very many."""
    lines = sorted(
        f"{r.cell.id} {r.status} {r.started_at} {r.reason} "
        + " ".join(f"{score.metric}={score.value} {score.status}" for score in r.scores)
        for r in records
    )
    return digest(lines)


def study_run(record: Record) -> RunSpec:
    """The parent run of a record, as it begins."""
    dataset, method = record.cell.dataset.name, record.cell.method
    tags = {"kind": "study", "dataset": dataset, "method": method, "suite": record.suite}
    started = _milliseconds(record.started_at)
    return RunSpec(study_key(record), None, f"{method} on {dataset}", started, started, False, tags, {}, ())


def _finished_study(records: Sequence[Record], reported: Sequence[Record], metrics: KnownMetrics) -> RunSpec:
    """The parent run of a study as it ended: mean and deviation over seeds, parameters, duration, in a sentence.

    Args:
        records: all of the study. reported: those of them that count in the report, of one configuration.
    """
    begun = study_run(min(records, key=lambda record: record.started_at))
    good = [record for record in reported if record.status == "ok"]
    of_models = [record for record in good if not isinstance(record.cell, Group)]
    values: dict[str, list[float]] = {}
    for point in (point for record in of_models for point in (*_scores(record, 0, metrics), *_costs(record, 0))):
        values.setdefault(point.name, []).append(point.value)
    points = [Point(name, fmean(found), len(found)) for name, found in values.items()]
    points += [Point(f"{name}_std", stdev(found), len(found)) for name, found in values.items() if len(found) > 1]
    points += [point for record in good if isinstance(record.cell, Group) for point in _scores(record, 0, metrics)]
    first = reported[0].cell
    params = {name: _text(value) for name, value in first.params.items()}
    trials = len({record.cell.config_id for record in records if record.cell.phase == "tune"})
    said = (
        f"{first.method} on {first.dataset.name}: mean over {len(of_models)} report seeds (`_std`: their deviation), "
        f"{f'tuned with {trials} trials' if trials else 'not tuned'}."
    )
    failed = any(record.status in FAILURES for record in reported)
    return replace(
        begun, ended_ms=max(map(_ended, records)), failed=failed, params=params, points=tuple(points),
        tags={**begun.tags, "mlflow.note.content": said},
    )  # fmt: skip


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


def record_run(records: Sequence[Record], out: Path, metrics: KnownMetrics) -> RunSpec:
    """The run of one final record, or of all records of one trial."""
    records = sorted(records, key=lambda record: record.cell.seed or 0)
    first = records[0]
    cell = first.cell
    status = next((record.status for record in records if record.status in FAILURES), first.status)
    kind = "seeds" if isinstance(cell, Group) else "final" if cell.phase == "final" else "trial"
    tags = {
        "kind": kind, "suite": first.suite, "method": cell.method,
        "dataset": cell.dataset.name, "phase": cell.phase, "status": status, "decoder": first.decoder,
        "device": first.device, "git_sha": first.git_sha, "git_dirty": str(first.git_dirty),
        "config_id": cell.config_id, "seed": ",".join(str(seed) for record in records for seed in _seeds(record)),
        "reason": first.reason[:_MAX_TAG], "axis": axis_of(cell.dataset.name, cell.method) or "",
    }  # fmt: skip
    params = {name: _text(value) for name, value in cell.params.items()}
    params["seed"] = tags["seed"]
    final = cell.phase == "final"
    return RunSpec(
        key=run_key(first),
        parent=study_key(first),
        name=_final_name(cell) if final else f"{cell.method} trial {cell.config_id[:6]}",
        started_ms=min(_milliseconds(record.started_at) for record in records),
        ended_ms=max(map(_ended, records)),
        failed=status in FAILURES,
        tags={name: value for name, value in tags.items() if value},
        params=params,
        points=tuple(_points(records, out, metrics)),
        model=models.model_folder(out, cell.id) if final else None,
        log=next((out / record.traceback for record in records if record.traceback), None),
        dataset=_dataset(cell),
    )


def _final_name(cell: Unit) -> str:
    return f"{cell.method} {cell.dataset.name} {cell.label}"


def safe_key(name: str) -> str:
    """A name as MLflow takes it: letters, digits, and _ - . / only."""
    return re.sub(r"[^\w\-./ ]", "_", name, flags=re.ASCII)


def _points(records: Sequence[Record], out: Path, metrics: KnownMetrics) -> Iterator[Point]:
    """All finite values: scores (step = place of the seed), costs, and the curves of a reported model."""
    for step, record in enumerate(records):
        yield from _scores(record, step, metrics)
        if not isinstance(record.cell, Group):
            yield from _costs(record, step)
        if record.cell.phase == "final":
            for name, curve in models.load_curves(models.model_folder(out, record.cell.id)).items():
                for epoch, value in enumerate(curve, start=1):
                    if math.isfinite(value):
                        yield Point(safe_key(f"curve/{name}"), value, epoch)


def _scores(record: Record, step: int, metrics: KnownMetrics) -> Iterator[Point]:
    for score in record.scores:
        if score.value is not None and math.isfinite(score.value):
            yield Point(metric_key(score.requested, score.metric, metrics), score.value, step)


def _costs(record: Record, step: int) -> Iterator[Point]:
    for name in ("fit_seconds", "decoder_seconds", "score_seconds", "peak_memory_mb"):
        yield Point(f"cost/{name}", getattr(record, name), step)


def metric_key(requested: str, metric: str, metrics: KnownMetrics) -> str:
    """'geometry/mcn_median': a score's name with what it is about, the same in every run."""
    found = metrics.get(requested)
    if found is None:
        return safe_key(f"quality/{metric}")
    about = "stability" if found.scope == "seeds" else "geometry" if found.of_decoder else "quality"
    return safe_key(f"{about}/{metric}")


def _dataset(cell: Unit) -> Mapping[str, str]:
    """What MLflow may know of the data: their name, content hash, and where they come from."""
    spec = cell.dataset
    source = json.dumps({"target": spec.target, "params": dict(spec.params)}, sort_keys=True)
    return {"name": spec.name, "digest": spec.content[:_MAX_DIGEST], "source": source}


def _ended(record: Record) -> int:
    cost = record.fit_seconds + record.decoder_seconds + record.score_seconds
    return _milliseconds(record.started_at) + int(1_000 * cost)


def _seeds(record: Record) -> tuple[int, ...]:
    return record.cell.seeds if isinstance(record.cell, Group) else (record.cell.seed,)


def _text(value: object) -> str:
    return (value if isinstance(value, str) else json.dumps(value))[:_MAX_PARAM]


def _milliseconds(moment: str) -> int:
    return int(1_000 * datetime.fromisoformat(moment).timestamp()) if moment else 0
