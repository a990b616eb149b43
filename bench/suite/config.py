"""bench.toml, validated into one frozen object."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import BadInputError, masked, shown
from bench.suite.axes import expanded
from bench.suite.choices import (
    ALL,
    DatasetChoice,
    MethodChoice,
    dataset_choice,
    matching,
    method_choice,
    with_shared,
)
from bench.suite.claims import Claim, claims_of
from bench.suite.goals import Goals, limits
from bench.suite.metrics import MetricChoice, distinct, metric_choice, spelled_out
from bench.suite.tables import File, Run, Track, Tune, checked, read_tables

# What messages call a suite that comes from no file.
GIVEN = "suite"
MIN_MEMORY = 500_000_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SECONDS = {"s": 1, "m": 60, "h": 3_600}
_BYTES = {"MB": 10**6, "GB": 10**9}


@dataclass(frozen=True)
class ExecutorChoice:
    """What computes jobs: its registered name or 'file.py:Class', and its options."""

    target: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Suite:
    """A validated suite.

    `timeout` in seconds per cell, `memory` in bytes per worker process, `stack` the most models trained at once.
    `goals` are what `tune` judges trials by, and `judged` the metrics that they name. Below
    `min_explained_variance` a reported model is collapsed. Of splits of more than `exact_up_to` rows query rows are
    scored. `claims` are judged by the results.
    """

    name: str
    file: Path
    report_seeds: tuple[int, ...]
    tune_seeds: tuple[int, ...]
    timeout: float
    memory: int
    stack: int | None
    tune: Tune | None
    goals: Goals | None
    datasets: tuple[DatasetChoice, ...]
    methods: tuple[MethodChoice, ...]
    metrics: tuple[MetricChoice, ...]
    judged: tuple[MetricChoice, ...]
    mlflow: str
    min_explained_variance: float
    exact_up_to: int = 20_000
    max_rows: int | None = None
    executor: ExecutorChoice = field(default_factory=lambda: ExecutorChoice("local"))
    claims: tuple[Claim, ...] = ()
    text: str = field(default="", repr=False)

    @property
    def root(self) -> Path:
        """The folder that file targets are relative to."""
        return self.file.parent

    def executor_called(self, target: str) -> ExecutorChoice:
        """The executor of a name that was given on the command line, with the suite's options where they are its own.

        Args:
            target: the suite's own where it is empty.
        """
        ours = self.executor
        if not target or target == ours.target or (ours.target == "local" and target != "local"):
            return ExecutorChoice(target or ours.target, ours.options)
        return ExecutorChoice(target)

    def choose(self, methods: str, datasets: str) -> tuple[list[MethodChoice], list[DatasetChoice]]:
        """The methods and data sets whose names match the globs.

        Raises:
            BadInputError: a glob matches none.
        """
        return (
            matching("methods", self.methods, methods, self.file),
            matching("datasets", self.datasets, datasets, self.file),
        )


def load_suite(path: Path, *, smoke: bool = False) -> Suite:
    """Read and validate a bench.toml.

    With `smoke`, the suite becomes a quick check of every (method, data set) pair: at most 300 rows, 2
    epochs, one seed, no tuning.

    Raises:
        BadInputError: anything in the file cannot be used; the message names file, key, value and fix.
    """
    return _suite(path, *read_tables(path), smoke=smoke)


def suite_of(tables: Mapping[str, Any], *, smoke: bool = False) -> Suite:
    """A suite given as the tables of a bench.toml; files it names are relative to the working directory.

    Raises:
        BadInputError: anything in it cannot be used.
    """
    import tomli_w

    try:
        text = tomli_w.dumps(tables)
    except (TypeError, ValueError) as error:
        raise BadInputError(f"{GIVEN}: not what a bench.toml can hold: {error}") from error
    return _suite(Path.cwd() / GIVEN, checked(tables, Path(GIVEN)), text, smoke=smoke)


def suite_from(path: Path, tables: Mapping[str, Any]) -> Suite:
    """A suite of tables that were made from a file's.

    Raises:
        BadInputError: anything in them cannot be used; the message names the file.
    """
    import tomli_w

    return _suite(path, checked(tables, path), tomli_w.dumps(tables), smoke=False)


def _suite(path: Path, parsed: File, text: str, *, smoke: bool) -> Suite:
    run = parsed.run
    _check_names(path, parsed)
    _check_seeds(path, run)
    metrics = _metrics(path, parsed.metrics.use)
    datasets = tuple(
        dataset_choice(path, *item)
        for name, table in parsed.datasets.items()
        for item in expanded(name, table, f"{path}: datasets.{name}")
    )
    methods = tuple(
        method_choice(path, *item, smoke=smoke)
        for name, table in with_shared(path, parsed.methods).items()
        for item in expanded(name, table, f"{path}: methods.{name}")
    )
    tune = None if smoke else parsed.tune
    goals, judged = _goals(path, tune, metrics) if tune is not None else (None, ())
    return Suite(
        name=parsed.suite + ("-smoke" if smoke else ""),
        file=path.resolve(),
        report_seeds=tuple(run.report_seeds[:1] if smoke else run.report_seeds),
        tune_seeds=tuple(run.tune_seeds),
        timeout=seconds_of(run.timeout, f"{path}: run.timeout"),
        memory=_memory(path, run.memory),
        stack=run.stack,
        tune=tune,
        goals=goals,
        datasets=datasets,
        methods=methods,
        metrics=metrics,
        judged=judged,
        mlflow=_mlflow(path, parsed.track),
        min_explained_variance=parsed.report.min_explained_variance,
        exact_up_to=parsed.metrics.exact_up_to,
        max_rows=300 if smoke else None,
        executor=ExecutorChoice(parsed.executor.target, dict(parsed.executor.model_extra or {})),
        claims=claims_of(path, parsed.claims, metrics, [m.name for m in methods], [d.name for d in datasets]),
        text=text,
    )


def _check_names(path: Path, parsed: File) -> None:
    named = {"suite": parsed.suite}
    named |= {f"{kind}.{name}": name for kind in ("datasets", "methods") for name in getattr(parsed, kind)}
    named.pop(f"methods.{ALL}", None)
    for key, name in named.items():
        if not _NAME.fullmatch(name) or len(name) > 100:
            raise BadInputError(
                f"{path}: {key}: a name is at most 100 letters, digits, '.', '_' and '-', got {shown(name)}"
            )


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


def seconds_of(text: str, where: str) -> float:
    """Seconds of a time such as '90s', '10m' or '2h'.

    Args:
        where: file and key, for messages.

    Raises:
        BadInputError: it is none.
    """
    return _quantity(text, _SECONDS, where, "'90s', '10m' or '2h'")


def bytes_of(text: str, where: str) -> int:
    """Bytes of an amount of memory such as '500MB' or '8GB'.

    Raises:
        BadInputError: it is none.
    """
    return int(_quantity(text, _BYTES, where, "'500MB' or '8GB'"))


def _quantity(text: str, units: Mapping[str, int], where: str, example: str) -> float:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)", text.strip())
    scale = {name.lower(): size for name, size in units.items()}.get(match[2].lower()) if match else None
    if match is None or scale is None or not 0 < float(match[1]) * scale < 1e15:
        raise BadInputError(f"{where}: a positive number with a unit such as {example} is needed, got {shown(text)}")
    return float(match[1]) * scale


def _memory(path: Path, text: str) -> int:
    found = bytes_of(text, f"{path}: run.memory")
    if found < MIN_MEMORY:
        raise BadInputError(
            f"{path}: run.memory: a worker's libraries alone take more than {text!r}; give at least 500MB"
        )
    return found


def _metrics(path: Path, targets: Sequence[str]) -> tuple[MetricChoice, ...]:
    chosen = [
        _metric(path, name, f"metrics.use[{position}]")
        for position, target in enumerate(targets)
        for name in spelled_out([target])
    ]
    try:
        return distinct(chosen)
    except BadInputError as error:
        raise BadInputError(f"{path}: metrics.use: {error}") from error


def _goals(path: Path, tune: Tune, scored: Sequence[MetricChoice]) -> tuple[Goals, tuple[MetricChoice, ...]]:
    """What trials are judged by, and the metrics of that; one in use may be called by its name or by its target."""
    known = {choice.name: choice for choice in scored}

    def judging(target: str, key: str) -> MetricChoice:
        found = known.get(target) or _metric(path, target, key)
        if found.scope != "cell":
            raise BadInputError(f"{path}: {key}: {found.name!r} needs several seeds; use one of a cell")
        return found

    objectives = [judging(target, "tune.objective") for target in tune.objective]
    limiting = {judging(target, "tune.subject_to"): text for target, text in tune.subject_to.items()}
    if len(set(objectives)) < len(objectives):
        raise BadInputError(
            f"{path}: tune.objective: {objectives[0].name!r} is given twice; a trade-off needs two metrics"
        )
    unscored = [choice.name for choice in objectives if choice.name not in known]
    if len(objectives) > 1 and unscored:
        raise BadInputError(
            f"{path}: tune.objective: {unscored[0]!r} is not in metrics.use; add it there, as fronts are of test scores"
        )
    names, better = [choice.name for choice in objectives], [choice.better for choice in objectives]
    try:
        goals = Goals(tuple(names), tuple(better), limits({choice.name: text for choice, text in limiting.items()}))
        return goals, distinct([*objectives, *limiting])
    except ValueError as error:
        raise BadInputError(f"{path}: tune.{error}") from error


def _metric(path: Path, target: str, key: str) -> MetricChoice:
    try:
        return metric_choice(target, path.resolve().parent)
    except BadInputError as error:
        raise BadInputError(f"{path}: {key}: {error}") from error


def _mlflow(path: Path, track: Track) -> str:
    if track.mlflow in ("sqlite", "off") or re.match(
        r"(https?|sqlite|postgresql|mysql|mssql)(\+\w+)?://", track.mlflow
    ):
        return track.mlflow
    raise BadInputError(
        f"{path}: track.mlflow: 'sqlite', 'off' or an http(s) or database URI is needed, got {masked(track.mlflow)!r}"
    )
