"""What became of a cell or a group of them: a status, scores, costs; one record is one entry of the ledger."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal, TypedDict

from pydantic import AfterValidator, Field, with_config

from bench.record.cells import Unit
from bench.suite.metrics import MetricChoice

Status = Literal["ok", "failed", "timeout", "oom", "crashed", "diverged", "pruned"]
FAILURES: tuple[Status, ...] = ("failed", "timeout", "oom", "crashed", "diverged")
_Versions = Mapping[str, int | str]
_NAMES: dict[tuple[str, ...], tuple[str, ...]] = {}
_VERSIONS: dict[tuple[tuple[str, int | str], ...], _Versions] = {}


def _one_for_all(asked: tuple[str, ...]) -> tuple[str, ...]:
    """One object for all records that the same was asked of: there may be very many."""
    return _NAMES.setdefault(asked, asked)


def _versions_for_all(versions: _Versions) -> _Versions:
    return _VERSIONS.setdefault(tuple(versions.items()), versions)


# A ledger has what is not finite as text.
_Number = Annotated[float, Field(strict=False)]
_exact = with_config(extra="forbid", strict=True)


@_exact
@dataclass(frozen=True, slots=True)
class Score:
    """One value of one metric. `requested` is the metric asked for, `metric` the name with its variant.

    A value 'by construction' follows from the form of the method, as the reason says, and not from what it learned;
    one that is 'collapsed' (never in the ledger, see `bench.record.collapse`) is of a model that lost the data.
    """

    requested: str
    metric: str
    split: str
    value: float | None
    better: str
    status: Literal["ok", "by construction", "collapsed", "n/a", "failed"] = "ok"
    reason: str = ""


@_exact
@dataclass(frozen=True, slots=True)
class Record:
    """What became of one cell, or of one group: its status, its scores, what it cost, and on what.

    `explained_variance` is that of the scored split (the least of a group's models), where the geometry of the decoder
    was asked for: it says if that means anything. `versions` are those of the metrics requested
    (older ledgers have none).
    """

    suite: str
    cell: Annotated[Unit, Field(union_mode="left_to_right")]
    status: Status
    requested: Annotated[tuple[str, ...], AfterValidator(_one_for_all)]
    versions: Annotated[_Versions, AfterValidator(_versions_for_all)] = field(default_factory=dict)
    reason: str = ""
    traceback: str = ""
    scores: tuple[Score, ...] = ()
    explained_variance: float | None = None
    decoder: str = "none"
    encoder: str = "native"
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
    intermediate: tuple[tuple[int, _Number], ...] = ()

    def value(self, metric: str) -> float | None:
        """The headline value of a metric, or None."""
        return next((score.value for score in self.scores if score.metric == metric), None)

    def has(self, metric: str, version: int | str) -> bool:
        """Whether this metric was asked for in this version."""
        return metric in self.requested and self.versions.get(metric, version) == version

    def to_json(self) -> dict[str, Any]:
        return _encode(asdict(self))


class Asked(TypedDict):
    """What a record says of the metrics that were asked for."""

    requested: tuple[str, ...]
    versions: dict[str, int | str]


def asked(metrics: Sequence[MetricChoice]) -> Asked:
    """The metrics of a request, as its records name them."""
    return {
        "requested": tuple(choice.name for choice in metrics),
        "versions": {choice.name: choice.version for choice in metrics},
    }


def empty_scores(metrics: Iterable[MetricChoice], split: str, reason: str) -> list[Score]:
    """The rows of a cell that failed: every requested metric, without a value."""
    return [Score(metric.name, metric.name, split, None, metric.better, "failed", reason) for metric in metrics]


def _encode(value: Any) -> Any:
    """JSON has no NaN and no infinity: they are written as the strings that float() reads."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(item) for item in value]
    return value
