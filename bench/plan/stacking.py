"""How the cells of a request become jobs: which of them train together as one stack."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from bench.plan.jobs import Job, Setting
from bench.plan.missing import Missing
from bench.plan.protocol import Request
from bench.record.cells import Cell, Group
from bench.suite.canonical import digest
from bench.suite.choices import MethodChoice
from bench.suite.config import Suite
from methods.training.device import device_type

# Models trained at once: on a CPU sixteen share nearly all that can be shared (docs/measurements/stacks.md), a GPU
# takes as many as its memory holds.
_MOST = {"cpu": 16, "cuda": 256}


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
        n_methods = sum(method.least_stack is not None for method in suite.methods)
        return cls(n_methods * len(suite.datasets), n_workers, suite.stack or _MOST[device_type(device)])

    def n_stacks(self, method: MethodChoice, n_alike: int) -> int:
        """Jobs that so many cells of one shape become."""
        return n_alike if method.least_stack is None else len(self.sizes(n_alike, method.least_stack))

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
    n_reported, n_seeds = stacking.n_stacks(method, len(suite.report_seeds)), len(suite.tune_seeds)
    if suite.tune is None or not method.search:
        return n_reported
    n_trials = min(suite.tune.batch, suite.tune.trials)
    if set(method.search) <= set(method.stackable):
        return max(n_reported, stacking.n_stacks(method, n_trials * n_seeds))
    return max(n_reported, n_trials * stacking.n_stacks(method, n_seeds))


def jobs(found: Missing, request: Request, method: MethodChoice, stacking: Stacking, setting: Setting) -> list[Job]:
    """The jobs that compute missing cells: stacks where the method can train one, else a job for each cell or group."""
    lacking = {cell.id for cell in found.cells}
    parts = [[cell for cell in part if cell.id in lacking] for part in _stacks(request, method, stacking)]
    over_seeds = [cell for cell in found.cells if isinstance(cell, Group)]
    wanted = [(tuple(part), None) for part in parts if part] + [(group.cells, group) for group in over_seeds]
    return [
        Job(cells, found.metrics, request.split, setting, request.prune, found.reuse, request.pictured, group)
        for cells, group in wanted
    ]


def _stacks(request: Request, method: MethodChoice, stacking: Stacking) -> list[list[Cell]]:
    """All cells of a request, those that train together side by side; also those that are in the ledger already."""
    cells = [cell for cell in request.cells if isinstance(cell, Cell)]
    if method.least_stack is None:
        return [[cell] for cell in cells]
    alike: dict[str, list[Cell]] = {}
    for cell in cells:
        shape = {name: value for name, value in cell.params.items() if name not in method.stackable}
        alike.setdefault(digest(shape), []).append(cell)
    stacks = []
    for group in alike.values():
        rest = iter(group)
        stacks += [list(islice(rest, size)) for size in stacking.sizes(len(group), method.least_stack)]
    return stacks
