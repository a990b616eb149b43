"""What a ledger's lines hold: a line that was changed or damaged is told apart before it is used."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from bench.record.records import Record
from bench.suite.claims import Claim
from bench.suite.data import DatasetSpec
from bench.suite.metrics import MetricChoice

SCHEMA = 1

_OF_OLD = b'"history"'

_exact = with_config(extra="forbid", strict=True)
_open = with_config(extra="allow", strict=True)
_Version = Literal[1]


def _written_as(kind: type[Any]) -> AfterValidator:
    """Of a table: whether it is what a dataclass of this kind was written as."""
    adapter, known = TypeAdapter(kind), {field.name for field in fields(kind)}

    def checked(table: dict[str, Any]) -> dict[str, Any]:
        if not table.keys() <= known:
            raise ValueError(f"no field of {kind.__name__}: {', '.join(table.keys() - known)}")
        adapter.validate_json(json.dumps(table), strict=True)
        return table

    return AfterValidator(checked)


@_exact
class JobEntry(TypedDict):
    """The records of one job."""

    schema: _Version
    kind: Literal["job"]
    records: list[Record]


@_open
class Configuration(TypedDict):
    """One of those that make a front."""

    config_id: str
    params: dict[str, Any]
    scores: dict[str, Any]


@_open
class SelectionEntry(Configuration):
    """Which configuration is reported for a pair."""

    schema: _Version
    kind: Literal["selection"]
    dataset: str
    method: str
    spec: Annotated[dict[str, Any], _written_as(DatasetSpec)]
    seeds: list[int]
    note: str
    trials: list[str]
    group: NotRequired[str]
    front: NotRequired[list[Configuration]]
    rules: NotRequired[str]


@_open
class RunEntry(TypedDict):
    """What started a run."""

    schema: _Version
    kind: Literal["run"]
    suite: NotRequired[str]
    command: NotRequired[str]
    config: NotRequired[str]
    methods: NotRequired[list[str]]
    datasets: NotRequired[list[str]]
    metrics: NotRequired[list[str]]
    min_explained_variance: NotRequired[float]
    report_seeds: NotRequired[list[int]]
    tune_seeds: NotRequired[list[int]]
    data: NotRequired[dict[str, Any]]
    versions: NotRequired[dict[str, Any]]
    hardware: NotRequired[dict[str, Any]]
    started_at: NotRequired[str]
    tuning: NotRequired[dict[str, Any] | None]
    n_workers: NotRequired[int]
    threads: NotRequired[int]
    device: NotRequired[str]
    git_sha: NotRequired[str]
    git_dirty: NotRequired[bool]
    scored_by: NotRequired[list[Annotated[dict[str, Any], _written_as(MetricChoice)]]]
    claims: NotRequired[list[Annotated[dict[str, Any], _written_as(Claim)]]]


@_open
class EndEntry(TypedDict):
    """How long the run took that was started last."""

    schema: _Version
    kind: Literal["end"]
    wall_seconds: float
    busy_seconds: float
    n_workers: int


Entry = JobEntry | SelectionEntry | RunEntry | EndEntry
KINDS = ("job", "selection", "run", "end")
_ENTRY: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="kind")])
_RECORDS = TypeAdapter(list[Record])


def entry_of(line: bytes) -> Entry:
    """What a line of a ledger says.

    Raises:
        pydantic.ValidationError: it is no entry.
    """
    try:
        return _ENTRY.validate_json(line)
    except ValidationError:
        if _OF_OLD not in line:
            raise
        return _ENTRY.validate_json(_without_curves(line))


def records_of(written: Sequence[Any]) -> list[Record]:
    """The records that `Record.to_json` wrote.

    Raises:
        pydantic.ValidationError: one of them is no record.
    """
    return _RECORDS.validate_json(json.dumps(written))


def _without_curves(line: bytes) -> bytes:
    """A line of an older ledger, which had the curves of training in the records that are beside the models now."""
    try:
        written = json.loads(line)
        for record in written["records"]:
            record.pop("history", None)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return line
    return json.dumps(written).encode()
