"""What a suite asks of a result folder: pairs, what of them is missing, and the jobs that compute it."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from bench import registry
from bench.cells import Cell, DatasetSpec, Group, Job, Record, Unit, digest
from bench.config import DatasetChoice, MethodChoice, Suite
from bench.errors import BadInputError, nearest
from bench.ledger import Ledger
from bench.study import Pair, Request, n_cells, protocol
from bench.work import load_data
from methods.networks import choose_device
from metrics.view import NEEDS, OPTIONAL_ABILITIES, missing_from_data

# Models trained at once: on a CPU sixteen share nearly all that can be shared (docs/measurements/stacks.md), a GPU
# takes as many as its memory holds.
_MOST = {"cpu": 16, "cuda": 256}
# For a method that does not say.
_LEAST_STACK = 4


@dataclass(frozen=True)
class Missing:
    """Cells of one request that lack the same metrics. `reuse`: their fitted models may be scored again."""

    cells: tuple[Unit, ...]
    metrics: tuple[str, ...]
    reuse: bool


@dataclass(frozen=True)
class PairPlan:
    """What of one pair is done: cells in the ledger, cells to run, failures kept, metrics that are impossible."""

    dataset: str
    method: str
    cached: int
    todo: int
    failed: int
    impossible: Mapping[str, str]


def choose(suite: Suite, methods: str, datasets: str) -> tuple[list[MethodChoice], list[DatasetChoice]]:
    """The suite's methods and data sets whose names match the globs.

    Raises:
        BadInputError: a glob matches none.
    """

    def matching(kind: str, choices: Sequence[Any], glob: str) -> list[Any]:
        found = [choice for choice in choices if fnmatch.fnmatchcase(choice.name, glob)]
        if not found:
            known = [choice.name for choice in choices]
            raise BadInputError(f"--{kind} {glob!r} matches none of {suite.file}; {nearest(glob, known)}")
        return found

    return matching("methods", suite.methods, methods), matching("datasets", suite.datasets, datasets)


def load_dataset(suite: Suite, choice: DatasetChoice) -> tuple[DatasetSpec, Any]:
    """A data set's specification with the hash of its content, and the data.

    Raises:
        BadInputError: it cannot be loaded; the message says what it said.
    """
    from datasets.base import content_hash

    spec = DatasetSpec(choice.name, choice.target, choice.params, "", suite.max_rows)
    try:
        data = load_data(spec, suite.root)
    except BadInputError:
        raise
    except (Exception, SystemExit) as error:
        said = str(error) or type(error).__name__
        raise BadInputError(f"{suite.file}: datasets.{choice.name}: {said}") from error
    return DatasetSpec(choice.name, choice.target, choice.params, content_hash(data), suite.max_rows), data


def missing(
    request: Request, ledger: Ledger, retry: Collection[str] = (), retried: Collection[str] = ()
) -> list[Missing]:
    """What of a request is not in the ledger, cells that lack the same metrics together.

    A failed cell, or a metric that failed on a good cell, is missing only where its status is in `retry` and
    its id is not among those `retried` already.
    """
    groups: dict[tuple[tuple[str, ...], bool], list[Unit]] = {}
    for cell in request.cells:
        record = ledger.records.get(cell.id)
        lacking, reuse = _lacking(request, record, () if cell.id in retried else retry)
        if lacking:
            groups.setdefault((lacking, reuse), []).append(cell)
    return [Missing(tuple(cells), metrics, reuse) for (metrics, reuse), cells in groups.items()]


@dataclass(frozen=True)
class Stacking:
    """How the cells of a request become stacks: by the suite and the workers alone, whatever is done already.

    Attributes:
        n_pairs: pairs of the suite whose methods train stacks. n_workers: processes for them.
        largest: models in a stack, at most.
    """

    n_pairs: int
    n_workers: int
    largest: int

    @classmethod
    def of(cls, suite: Suite, n_workers: int, device: str) -> Stacking:
        n_methods = sum(_trains_stacks(method, suite) for method in suite.methods)
        return cls(n_methods * len(suite.datasets), n_workers, suite.stack or _MOST[choose_device(device).type])

    def sizes(self, n_cells: int, least: int) -> list[int]:
        """Sizes of the stacks for cells of one shape, so that all pairs together are done soonest.

        A step of S small models takes as long as 1 + S of them would without what they share.

        Args:
            least: models that are not dealt out over workers.
        """
        fewest = -(-n_cells // self.largest)
        most = max(fewest, n_cells // least)

        def duration(n_stacks: int) -> int:
            rounds = -(-n_stacks * self.n_pairs // self.n_workers)
            return rounds * (1 + -(-n_cells // n_stacks))

        n_stacks = min(range(fewest, most + 1), key=duration)
        return [n_cells // n_stacks + (at < n_cells % n_stacks) for at in range(n_stacks)]


def n_at_once(suite: Suite, stacking: Stacking) -> int:
    """Jobs of a suite that can run at the same time."""
    return len(suite.datasets) * sum(_n_jobs(method, suite, stacking) for method in suite.methods)


def _n_jobs(method: MethodChoice, suite: Suite, stacking: Stacking) -> int:
    """The most jobs of a method on one data set at the same time: of its trials, or of its report seeds."""

    def of(n_alike: int) -> int:
        return len(stacking.sizes(n_alike, _least(method, suite))) if _trains_stacks(method, suite) else n_alike

    n_reported, n_seeds = of(len(suite.report_seeds)), len(suite.tune_seeds)
    if suite.tune is None or not method.search:
        return n_reported
    n_trials = min(suite.tune.batch, suite.tune.trials)
    differ_in_shape = set(method.search) - set(method.stackable)
    return max(n_reported, n_trials * of(n_seeds) if differ_in_shape else of(n_trials * n_seeds))


def jobs(
    found: Missing, request: Request, suite: Suite, method: MethodChoice, stacking: Stacking, out: Path, device: str
) -> list[Job]:
    """The jobs that compute missing cells: stacks where the method can train one, else a job for each cell or group."""
    lacking = {cell.id for cell in found.cells}
    parts = [[cell for cell in part if cell.id in lacking] for part in _stacks(request, suite, method, stacking)]
    over_seeds = [cell for cell in found.cells if isinstance(cell, Group)]
    wanted = [(tuple(part), None) for part in parts if part] + [(group.cells, group) for group in over_seeds]
    return [
        Job(
            cells, found.metrics, request.split, str(suite.root), str(out), device, suite.timeout, suite.memory,
            request.prune, found.reuse, suite.report_seeds[0], group, stacking.n_workers,
        )
        for cells, group in wanted
    ]  # fmt: skip


def _stacks(request: Request, suite: Suite, method: MethodChoice, stacking: Stacking) -> list[list[Cell]]:
    """All cells of a request, those that train together side by side; also those that are in the ledger already."""
    cells = [cell for cell in request.cells if isinstance(cell, Cell)]
    if not _trains_stacks(method, suite):
        return [[cell] for cell in cells]
    alike: dict[str, list[Cell]] = {}
    for cell in cells:
        shape = {name: value for name, value in cell.params.items() if name not in method.stackable}
        alike.setdefault(digest(shape), []).append(cell)
    stacks = []
    for group in alike.values():
        rest = iter(group)
        stacks += [list(islice(rest, size)) for size in stacking.sizes(len(group), _least(method, suite))]
    return stacks


def _least(method: MethodChoice, suite: Suite) -> int:
    return getattr(registry.load("method", method.target, suite.root), "least_stack", _LEAST_STACK)


def _trains_stacks(method: MethodChoice, suite: Suite) -> bool:
    return hasattr(registry.load("method", method.target, suite.root), "fit_many")


def plan_pair(pair: Pair, suite: Suite, out: Path, ledger: Ledger, data: Any) -> PairPlan:
    """How far a pair is, found by replaying its protocol as far as the ledger answers."""
    progress = protocol(pair, suite, out)
    request = next(progress)
    cached = failed = todo = 0
    while True:
        lacking = {cell.id for group in missing(request, ledger) for cell in group.cells}
        done = [ledger.records[cell.id] for cell in request.cells if cell.id not in lacking]
        cached += len(done)
        failed += sum(record.status not in ("ok", "pruned") for record in done)
        if lacking:
            todo = max(n_cells(pair, suite) - cached, len(lacking))
            break
        try:
            request = progress.send({cell.id: ledger.records[cell.id] for cell in request.cells})
        except StopIteration:
            break
    return PairPlan(*pair.key, cached, todo, failed, impossible(pair, suite, data))


def impossible(pair: Pair, suite: Suite, data: Any) -> dict[str, str]:
    """Metrics that the pair can never have, and why."""
    component = registry.load("method", pair.method.target, suite.root)
    has_decode = hasattr(component, "decode")
    has_decoders = hasattr(component, "decoders_") or hasattr(component, "geometry_decoders_")
    # A third party may set decoders_ in fit, so only a method without any decoder is sure to lack them.
    absent = {"reconstruction": not has_decode, "decoder": not has_decode and not has_decoders}
    absent |= {need: not hasattr(component, name) for need, name in OPTIONAL_ABILITIES.items()}
    found: dict[str, str] = {}
    for name in suite.metrics:
        for need in sorted(registry.metric(name).needs):
            reason = NEEDS[need] if absent.get(need) else missing_from_data(data, need)
            if reason is not None:
                found.setdefault(name, reason)
    return found


def _lacking(request: Request, record: Record | None, retry: Collection[str]) -> tuple[tuple[str, ...], bool]:
    """Which metrics a cell lacks, and whether its fitted model may be scored for them."""
    requested = request.metrics
    if record is None or record.status in retry:
        return requested, False
    if record.status == "pruned" and (record.requested != requested or not request.prune):
        # It was stopped for the sake of another objective, or by a pruner that is off now.
        return requested, False
    if record.status != "ok":
        return (), False
    scored = set(record.requested)
    if "failed" in retry:
        scored -= {score.requested for score in record.scores if score.status == "failed"}
    return tuple(name for name in requested if name not in scored), True
