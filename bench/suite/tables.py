"""The form of a bench.toml: its tables, their keys and types, read and checked key by key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bench.errors import BadInputError, nearest, shown

MAX_FILE_BYTES = 1_000_000

Seed = Annotated[int, Field(ge=0, lt=2**31)]
# One name alone is a list of one.
Objectives = Annotated[
    list[str],
    Field(min_length=1, max_length=2),
    BeforeValidator(lambda given: [given] if isinstance(given, str) else given),
]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Run(_Table):
    report_seeds: Annotated[list[Seed], Field(min_length=1, max_length=1_000)] = [0, 1, 2]
    tune_seeds: Annotated[list[Seed], Field(min_length=1, max_length=1_000)] = [100]
    timeout: str = "10m"
    memory: str = "8GB"
    stack: Annotated[int, Field(ge=1, le=1_000)] | None = None


class Tune(_Table):
    trials: Annotated[int, Field(ge=1, le=100_000)] = 20
    batch: Annotated[int, Field(ge=1, le=1_000)] = 4
    sampler: Literal["tpe", "random", "qmc", "gp"] = "tpe"
    pruner: Literal["median", "off"] = "median"
    objective: Objectives = ["knn_preservation"]
    subject_to: dict[str, str] = {}


class Metrics(_Table):
    use: Annotated[list[str], Field(min_length=1)] = [
        "reconstruction_mse",
        "explained_variance",
        "knn_preservation",
        "trustworthiness",
        "relaxed_distortion",
        "mcn",
    ]
    exact_up_to: Annotated[int, Field(ge=100, le=60_000)] = 20_000


class Executor(BaseModel):
    """Which executor, and whatever options that one has."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    target: str = "local"


class Report(_Table):
    min_explained_variance: Annotated[float, Field(ge=0, le=1)] = 0.5


class ClaimTable(_Table):
    """One `[[claims]]`: see `bench.suite.claims`."""

    statement: str
    source: str
    metric: str
    left: str
    rule: str
    right: str | None = None
    value: float | None = None
    right_metric: str | None = None
    published: str = ""
    datasets: list[str] = []


class Track(_Table):
    mlflow: str = "sqlite"


class File(_Table):
    suite: str
    run: Run = Run()
    tune: Tune | None = None
    datasets: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]
    methods: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]
    metrics: Metrics = Metrics()
    report: Report = Report()
    track: Track = Track()
    executor: Executor = Executor()
    claims: Annotated[list[ClaimTable], Field(max_length=1_000)] = []


def read_tables(path: Path) -> tuple[File, str]:
    """A bench.toml as its tables and as its text.

    Raises:
        BadInputError: it cannot be read, is no TOML, or has an unknown key or a value of another type.
    """
    text = _read(path)
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        raise BadInputError(f"{path}: not valid TOML: {str(error) or 'nested too deeply'}") from error
    return checked(table, path), text


def checked(table: Mapping[str, Any], path: Path) -> File:
    """Tables as a bench.toml has them, checked.

    Args:
        path: where they come from, for messages.

    Raises:
        BadInputError: there is an unknown key or a value of another type.
    """
    try:
        return File.model_validate(table)
    except pydantic.ValidationError as error:
        raise BadInputError(f"{path}: {_explain(error)}") from error


def _read(path: Path) -> str:
    try:
        if not path.exists():
            raise BadInputError(f"{path}: no such file; give a bench.toml, or run where there is one")
        if not path.is_file():
            raise BadInputError(f"{path}: is not a file; give the bench.toml in it")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BadInputError(f"{path}: {path.stat().st_size:,} bytes; a bench.toml has at most {MAX_FILE_BYTES:,}")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path}: not a text file in UTF-8 (byte {error.start})") from error
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read: {error.strerror or error}") from error


def _explain(error: pydantic.ValidationError) -> str:
    """The first problem pydantic found, as 'key: problem, got value'."""
    first = error.errors(include_url=False)[0]
    *parents, last = first["loc"]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        tables: dict[str, type[BaseModel]] = {
            "run": Run,
            "tune": Tune,
            "metrics": Metrics,
            "report": Report,
            "track": Track,
            "claims": ClaimTable,
        }
        table = tables[str(parents[0])] if parents else File
        return f"{key}: unknown key; {nearest(str(last), table.model_fields)}"
    if first["type"] == "missing":
        return f"{key}: is missing; {_MISSING.get(key, 'give it a value')}"
    return f"{key}: {first['msg'][0].lower()}{first['msg'][1:]}, got {shown(first['input'])}"


_MISSING = {
    "suite": 'name the suite, e.g. suite = "quickstart"',
    "datasets": "give at least one table, e.g. [datasets.digits]",
    "methods": "give at least one table, e.g. [methods.pca]",
}
