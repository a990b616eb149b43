"""bench.toml, validated into frozen objects."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from bench import registry
from bench.errors import BadInputError, nearest, shown
from bench.search import check_space
from bench.signatures import SET_BY_RUNNER, parameters, resolve
from metrics.view import NEEDS

MAX_FILE_BYTES = 1_000_000
MIN_MEMORY = 500_000_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SECONDS = {"s": 1, "m": 60, "h": 3_600}
_BYTES = {"MB": 10**6, "GB": 10**9}

Seed = Annotated[int, Field(ge=0, lt=2**31)]


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
    objective: str = "knn_preservation"


class Metrics(_Table):
    use: Annotated[list[str], Field(min_length=1)] = [
        "reconstruction_mse",
        "knn_preservation",
        "trustworthiness",
        "relaxed_distortion",
        "mcn",
    ]


class Track(_Table):
    mlflow: str = "sqlite"


class _File(_Table):
    suite: str
    run: Run = Run()
    tune: Tune | None = None
    datasets: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]
    methods: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]
    metrics: Metrics = Metrics()
    track: Track = Track()


@dataclass(frozen=True)
class DatasetChoice:
    """A data set of the suite: its name there, what loads it, and its resolved parameters."""

    name: str
    target: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class MethodChoice:
    """A method of the suite: resolved parameters, and the search space of those left free."""

    name: str
    target: str
    params: Mapping[str, Any]
    search: Mapping[str, Any]
    stackable: tuple[str, ...]


@dataclass(frozen=True)
class Suite:
    """A validated suite.

    `timeout` in seconds per cell, `memory` in bytes per worker process, `stack` the most models trained at once.
    """

    name: str
    file: Path
    report_seeds: tuple[int, ...]
    tune_seeds: tuple[int, ...]
    timeout: float
    memory: int
    stack: int | None
    tune: Tune | None
    datasets: tuple[DatasetChoice, ...]
    methods: tuple[MethodChoice, ...]
    metrics: tuple[str, ...]
    mlflow: str
    max_rows: int | None = None
    text: str = field(default="", repr=False)

    @property
    def root(self) -> Path:
        """The folder that file targets are relative to."""
        return self.file.parent


def load_suite(path: Path, *, smoke: bool = False) -> Suite:
    """Read and validate a bench.toml.

    With `smoke`, the suite becomes a quick check of every (method, data set) pair: at most 300 rows, 2
    epochs, one seed, no tuning.

    Raises:
        BadInputError: anything in the file cannot be used; the message names file, key, value and fix.
    """
    text = _read(path)
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        raise BadInputError(f"{path}: not valid TOML: {str(error) or 'nested too deeply'}") from error
    try:
        parsed = _File.model_validate(table)
    except pydantic.ValidationError as error:
        raise BadInputError(f"{path}: {_explain(error)}") from error
    for key, name in [("suite", parsed.suite), *((f"datasets.{n}", n) for n in parsed.datasets),
                      *((f"methods.{n}", n) for n in parsed.methods)]:  # fmt: skip
        if not _NAME.fullmatch(name) or len(name) > 100:
            raise BadInputError(
                f"{path}: {key}: a name is at most 100 letters, digits, '.', '_' and '-', got {shown(name)}"
            )
    run = parsed.run
    _check_seeds(path, run)
    return Suite(
        name=parsed.suite + ("-smoke" if smoke else ""),
        file=path.resolve(),
        report_seeds=tuple(run.report_seeds[:1] if smoke else run.report_seeds),
        tune_seeds=tuple(run.tune_seeds),
        timeout=_quantity(run.timeout, _SECONDS, f"{path}: run.timeout", "'90s', '10m' or '2h'"),
        memory=_memory(path, run.memory),
        stack=run.stack,
        tune=None if smoke else _check_objective(path, parsed.tune),
        datasets=tuple(_dataset(path, *item) for item in parsed.datasets.items()),
        methods=tuple(_method(path, *item, smoke=smoke) for item in parsed.methods.items()),
        metrics=tuple(_metrics(path, parsed.metrics)),
        mlflow=_mlflow(path, parsed.track),
        max_rows=300 if smoke else None,
        text=text,
    )


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
        tables: dict[str, type[BaseModel]] = {"run": Run, "tune": Tune, "metrics": Metrics, "track": Track}
        table = tables[str(parents[0])] if parents else _File
        return f"{key}: unknown key; {nearest(str(last), table.model_fields)}"
    if first["type"] == "missing":
        return f"{key}: is missing; {_MISSING.get(key, 'give it a value')}"
    return f"{key}: {first['msg'][0].lower()}{first['msg'][1:]}, got {shown(first['input'])}"


_MISSING = {
    "suite": 'name the suite, e.g. suite = "quickstart"',
    "datasets": "give at least one table, e.g. [datasets.digits]",
    "methods": "give at least one table, e.g. [methods.pca]",
}


def _check_seeds(path: Path, run: Run) -> None:
    for key in ("report_seeds", "tune_seeds"):
        seeds = getattr(run, key)
        twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
        if twice:
            raise BadInputError(f"{path}: run.{key}: seed {twice[0]} is given twice")
    both = sorted(set(run.report_seeds) & set(run.tune_seeds))
    if both:
        raise BadInputError(
            f"{path}: run.tune_seeds: {both} are report_seeds too; results may not be reported on seeds that "
            "chose the hyperparameters, use others"
        )


def _quantity(text: str, units: Mapping[str, int], where: str, example: str) -> float:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)", text.strip())
    scale = {name.lower(): size for name, size in units.items()}.get(match[2].lower()) if match else None
    if match is None or scale is None or not 0 < float(match[1]) * scale < 1e15:
        raise BadInputError(f"{where}: a positive number with a unit such as {example} is needed, got {shown(text)}")
    return float(match[1]) * scale


def _memory(path: Path, text: str) -> int:
    found = int(_quantity(text, _BYTES, f"{path}: run.memory", "'500MB' or '8GB'"))
    if found < MIN_MEMORY:
        raise BadInputError(
            f"{path}: run.memory: a worker's libraries alone take more than {text!r}; give at least 500MB"
        )
    return found


def _check_objective(path: Path, tune: Tune | None) -> Tune | None:
    if tune is not None:
        metric = _metric(tune.objective, f"{path}: tune.objective")
        if metric.scope != "cell":
            raise BadInputError(f"{path}: tune.objective: {tune.objective!r} needs several seeds; use one of a cell")
    return tune


def _metrics(path: Path, metrics: Metrics) -> list[str]:
    for position, name in enumerate(metrics.use):
        _metric(name, f"{path}: metrics.use[{position}]")
    return list(dict.fromkeys(metrics.use))


def _metric(name: str, where: str) -> Any:
    try:
        metric = registry.metric(name)
    except BadInputError as error:
        raise BadInputError(f"{where}: {error}") from error
    unknown = sorted(set(metric.needs) - set(NEEDS))
    if unknown:
        raise BadInputError(f"{where}: {name!r} needs {unknown[0]!r}, which no view has; {nearest(unknown[0], NEEDS)}")
    return metric


def _mlflow(path: Path, track: Track) -> str:
    if track.mlflow in ("sqlite", "off") or re.match(
        r"(https?|sqlite|postgresql|mysql|mssql)(\+\w+)?://", track.mlflow
    ):
        return track.mlflow
    raise BadInputError(
        f"{path}: track.mlflow: 'sqlite', 'off' or an http(s) or database URI is needed, got {track.mlflow!r}"
    )


def _component(path: Path, kind: registry.Kind, name: str, table: Mapping[str, Any]) -> tuple[str, Any]:
    target = table.get("target", name)
    where = f"{path}: {kind}s.{name}"
    if not isinstance(target, str):
        raise BadInputError(f"{where}.target: a name or 'file.py:Class' is needed, got {target!r}")
    try:
        component = registry.load(kind, target, path.resolve().parent)
    except BadInputError as error:
        raise BadInputError(f"{where}: {error}") from error
    needed = "fit" if kind == "method" else "load"
    if not isinstance(component, type) or not callable(getattr(component, needed, None)):
        raise BadInputError(f"{where}: {target} is no {kind}; a class with a method {needed} is needed")
    return target, component


def _dataset(path: Path, name: str, table: Mapping[str, Any]) -> DatasetChoice:
    target, component = _component(path, "dataset", name, table)
    given = {key: value for key, value in table.items() if key != "target"}
    params = resolve(component, given, f"{path}: datasets.{name}", runner_sets=False)
    return DatasetChoice(name, target, params)


def _method(path: Path, name: str, table: Mapping[str, Any], *, smoke: bool) -> MethodChoice:
    target, component = _component(path, "method", name, table)
    where = f"{path}: methods.{name}"
    given = {key: value for key, value in table.items() if key not in ("target", "preset", "search")}
    preset = _preset(component, table.get("preset"), where)
    params = resolve(component, {**preset, **given}, where, runner_sets=True)
    _check_values(component, params, where)
    if "search" in table:
        search = check_space(component, table["search"], f"{where}.search")
        fixed = sorted(set(search) & set(given))
        if fixed:
            raise BadInputError(f"{where}.search.{fixed[0]}: is given a fixed value too; remove one of them")
    else:
        own = check_space(component, getattr(component, "search_space", {}), f"{where}: the method's own search_space")
        search = {key: space for key, space in own.items() if key in params and key not in {**preset, **given}}
    for key, domain in search.items():
        for value in domain if isinstance(domain, list) else (domain["low"], domain["high"]):
            _check_values(component, {**params, key: value}, f"{where}.search.{key}")
    if smoke and "epochs" in params:
        params["epochs"] = 2
    return MethodChoice(name, target, params, search, tuple(getattr(component, "stackable", ())))


def _preset(component: Any, preset: Any, where: str) -> dict[str, Any]:
    if preset is None:
        return {}
    presets = getattr(component, "presets", {})
    if not isinstance(preset, str) or preset not in presets:
        known = nearest(str(preset), presets) if presets else "this method has none"
        raise BadInputError(f"{where}.preset: unknown preset {shown(preset)}; {known}")
    return dict(presets[preset])


def _check_values(component: Any, params: Mapping[str, Any], where: str) -> None:
    """Have the method itself refuse values that cannot be used, before anything runs."""
    try:
        absent = dict.fromkeys(
            set(SET_BY_RUNNER) & {n for n, p in parameters(component).items() if p.default is p.empty}
        )
        method = component(**params, **absent)
        check = getattr(method, "check_parameters", None)
        if check is not None:
            check()
    except (ValueError, TypeError) as error:
        raise BadInputError(f"{where}: {error}") from error
    except (Exception, SystemExit) as error:
        raise BadInputError(f"{where}: making the method failed: {type(error).__name__}: {error}") from error


def starting_point(choice: MethodChoice) -> dict[str, Any]:
    """The values that the searched parameters have without tuning: the preset's, else the defaults."""
    return {name: choice.params[name] for name in choice.search}
