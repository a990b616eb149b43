"""What a worker process is given: cells that are computed together, and how."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from bench.record.cells import Cell, Group, Unit, unit_from_json
from bench.suite import metrics
from bench.suite.canonical import digest
from bench.suite.metrics import MetricChoice


@dataclass(frozen=True)
class Setting:
    """Where, and within what limits, the jobs of one run are computed.

    Attributes:
        root: folder that file targets are relative to. out: the result folder.
        device: 'auto', 'cpu' or 'cuda'. sharers: processes that share it.
        timeout: seconds for each cell. memory: bytes for a process.
        exact_up_to: rows of a split that are all scored by ranks and distances; of more, query rows against all.
        suite, git_sha, git_dirty: what its records say they are of.
    """

    root: str
    out: str
    device: str
    timeout: float
    memory: int
    sharers: int = 1
    exact_up_to: int = 20_000
    suite: str = ""
    git_sha: str = ""
    git_dirty: bool = False

    @property
    def stamp(self) -> dict[str, Any]:
        """The fields of a record that are the same for all of a run."""
        return {"suite": self.suite, "git_sha": self.git_sha, "git_dirty": self.git_dirty}


@dataclass(frozen=True)
class Job:
    """Cells that share data set, method and network shape, computed in one process as one stack.

    Attributes:
        metrics: what to score, the same for all cells.
        split: the split to score on.
        prune: whether intermediate scores are reported and may stop a cell.
        reuse: whether saved models may be scored in place of fitting anew.
        pictured: id of the cell whose model is saved with pictures, if it is of this job.
        group: where the metrics are over seeds, the cells as a group; the job then leaves one record, of the group.
    """

    cells: tuple[Cell, ...]
    metrics: tuple[MetricChoice, ...]
    split: str
    setting: Setting
    prune: bool = False
    reuse: bool = False
    pictured: str = ""
    group: Group | None = None

    @property
    def units(self) -> tuple[Unit, ...]:
        """What its records are about."""
        return self.cells if self.group is None else (self.group,)

    @property
    def id(self) -> str:
        return digest([unit.id for unit in self.units])

    @property
    def timeout(self) -> float:
        """Seconds for the whole job."""
        return self.setting.timeout * len(self.cells)

    def halves(self) -> tuple[Job, Job]:
        middle = len(self.cells) // 2
        return replace(self, cells=self.cells[:middle]), replace(self, cells=self.cells[middle:])


def job_to_json(job: Job) -> str:
    return json.dumps(asdict(job))


def job_from_json(text: str | bytes) -> Job:
    return job_of(json.loads(text))


def job_of(known: Mapping[str, Any]) -> Job:
    """The job that `dataclasses.asdict` made this of."""
    fields = dict(known)
    fields["cells"] = tuple(unit_from_json(cell) for cell in fields["cells"])
    fields["group"] = None if fields["group"] is None else unit_from_json(fields["group"])
    fields["setting"] = Setting(**fields["setting"])
    fields["metrics"] = metrics.from_json(fields["metrics"])
    return Job(**fields)
