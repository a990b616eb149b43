"""The units of work and of truth: cells, the jobs that compute them, the records they leave."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

Phase = Literal["tune", "final"]
Status = Literal["ok", "failed", "timeout", "oom", "crashed", "diverged", "pruned"]
FAILURES: tuple[Status, ...] = ("failed", "timeout", "oom", "crashed", "diverged")


@dataclass(frozen=True)
class DatasetSpec:
    """A data set as a suite asks for it: its name there, its target, its parameters, what they contain."""

    name: str
    target: str
    params: Mapping[str, Any]
    content: str
    max_rows: int | None = None


@dataclass(frozen=True)
class Cell:
    """One model to fit and score: (phase, data set, method, parameters, seed)."""

    phase: Phase
    dataset: DatasetSpec
    method: str
    target: str
    params: Mapping[str, Any]
    seed: int

    @property
    def config_id(self) -> str:
        """Hash of the method and its resolved parameters."""
        return digest({"method": self.method, "target": self.target, "params": self.params})

    @property
    def id(self) -> str:
        """Hash of all that determines the result, and of nothing else."""
        return digest(asdict(self))

    @property
    def n_seeds(self) -> int:
        return 1

    @property
    def label(self) -> str:
        """Its seed, as short messages name it."""
        return f"s{self.seed}"


@dataclass(frozen=True)
class Group:
    """The reported models of one configuration, for metrics over all of their seeds together."""

    phase: Phase
    dataset: DatasetSpec
    method: str
    target: str
    params: Mapping[str, Any]
    seeds: tuple[int, ...]
    seed: None = None

    @classmethod
    def of(cls, cells: Sequence[Cell]) -> Group:
        """The group of cells that differ only in their seed."""
        first = cells[0]
        seeds = tuple(sorted(cell.seed for cell in cells))
        return cls(first.phase, first.dataset, first.method, first.target, first.params, seeds)

    @property
    def cells(self) -> tuple[Cell, ...]:
        return tuple(Cell(self.phase, self.dataset, self.method, self.target, self.params, seed) for seed in self.seeds)

    @property
    def config_id(self) -> str:
        return self.cells[0].config_id

    @property
    def id(self) -> str:
        """Hash of phase, data set, configuration and seeds."""
        known = {"phase": self.phase, "dataset": asdict(self.dataset), "config_id": self.config_id}
        return digest({**known, "seeds": list(self.seeds)})

    @property
    def n_seeds(self) -> int:
        return len(self.seeds)

    @property
    def label(self) -> str:
        return f"{self.n_seeds} seeds"


Unit = Cell | Group


@dataclass(frozen=True)
class Job:
    """Cells that share data set, method and network shape, computed in one process as one stack.

    Attributes:
        metrics: names of the metrics to score, the same for all cells.
        split: the split to score on.
        root: folder that file targets are relative to.
        out: the result folder. timeout: seconds for each cell. memory: bytes for the process.
        sharers: processes that share the device.
        prune: whether intermediate scores are reported and may stop a cell.
        reuse: whether saved models may be scored in place of fitting anew.
        picture_seed: the seed whose models are saved with pictures.
        group: where the metrics are over seeds, the cells as a group; the job then leaves one record, of the group.
    """

    cells: tuple[Cell, ...]
    metrics: tuple[str, ...]
    split: str
    root: str
    out: str
    device: str
    timeout: float
    memory: int
    prune: bool = False
    reuse: bool = False
    picture_seed: int | None = None
    group: Group | None = None
    sharers: int = 1

    @property
    def units(self) -> tuple[Unit, ...]:
        """What its records are about."""
        return self.cells if self.group is None else (self.group,)

    @property
    def id(self) -> str:
        return digest([unit.id for unit in self.units])

    def halves(self) -> tuple[Job, Job]:
        middle = len(self.cells) // 2
        return replace(self, cells=self.cells[:middle]), replace(self, cells=self.cells[middle:])


@dataclass(frozen=True)
class Score:
    """One value of one metric. `requested` is the metric asked for, `metric` the name with its variant."""

    requested: str
    metric: str
    split: str
    value: float | None
    better: str
    status: Literal["ok", "n/a", "failed"] = "ok"
    reason: str = ""


@dataclass(frozen=True)
class Record:
    """What became of one cell, or of one group: its status, its scores, what it cost, and on what."""

    suite: str
    cell: Unit
    status: Status
    requested: tuple[str, ...]
    reason: str = ""
    traceback: str = ""
    scores: tuple[Score, ...] = ()
    decoder: str = "none"
    fit_seconds: float = 0.0
    decoder_seconds: float = 0.0
    score_seconds: float = 0.0
    warm_up_seconds: float = 0.0
    stack_size: int = 1
    peak_memory_mb: float = 0.0
    device: str = "cpu"
    git_sha: str = ""
    git_dirty: bool = False
    started_at: str = ""
    history: Mapping[str, list[float]] = field(default_factory=dict)
    intermediate: tuple[tuple[int, float], ...] = ()

    def value(self, metric: str) -> float | None:
        """The headline value of a metric, or None."""
        return next((score.value for score in self.scores if score.metric == metric), None)

    def to_json(self) -> dict[str, Any]:
        return _encode(asdict(self))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Record:
        fields = dict(values)
        fields["cell"] = _unit(fields["cell"])
        fields["requested"] = tuple(fields["requested"])
        fields["scores"] = tuple(Score(**score) for score in fields["scores"])
        fields["history"] = {name: [float(v) for v in curve] for name, curve in fields["history"].items()}
        fields["intermediate"] = tuple((int(step), float(value)) for step, value in fields["intermediate"])
        return cls(**fields)


def job_to_json(job: Job) -> str:
    return json.dumps(asdict(job))


def job_from_json(text: str | bytes) -> Job:
    fields = json.loads(text)
    cells = tuple(_unit(cell) for cell in fields.pop("cells"))
    group = fields.pop("group")
    fields["metrics"] = tuple(fields["metrics"])
    return Job(cells=cells, group=None if group is None else _unit(group), **fields)


def _unit(fields: Mapping[str, Any]) -> Any:
    known = {**fields, "dataset": DatasetSpec(**fields["dataset"])}
    return Group(**{**known, "seeds": tuple(known["seeds"])}) if "seeds" in known else Cell(**known)


def digest(value: Any) -> str:
    """Hash of a value's canonical JSON: the same for any order of keys."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _encode(value: Any) -> Any:
    """JSON has no NaN and no infinity: they are written as the strings that float() reads."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(item) for item in value]
    return value
