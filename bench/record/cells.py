"""The units that are computed and kept, and the ids under which what is known of them is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from bench.suite.canonical import canonical, canonical_scalar, digest, digest_of_text
from bench.suite.data import DatasetSpec, shared

Phase = Literal["tune", "final"]


@dataclass(frozen=True)
class Cell:
    """One model to fit and score: (phase, data set, method, parameters, seed)."""

    phase: Phase
    dataset: Annotated[DatasetSpec, AfterValidator(shared)]
    method: str
    target: str
    params: Mapping[str, Any]
    seed: int

    @property
    def config_id(self) -> str:
        """Hash of the method and its resolved parameters."""
        return self._ids[0]

    @property
    def id(self) -> str:
        """Hash of all that determines the result, and of nothing else."""
        return self._ids[1]

    @cached_property
    def _ids(self) -> tuple[str, str]:
        # Canonical JSON, whose keys are in order. Written out, what cells have in common once for all of them: this is
        # much of the time that a large ledger takes to start.
        method, target, phase, seed = map(canonical_scalar, (self.method, self.target, self.phase, self.seed))
        dataset, params = self.dataset.canonical, canonical(self.params)
        of_method, of_run = f'"method":{method},"params":{params}', f'"phase":{phase},"seed":{seed}'
        configuration = f'{{{of_method},"target":{target}}}'
        cell = f'{{"dataset":{dataset},{of_method},{of_run},"target":{target}}}'
        return digest_of_text(configuration), digest_of_text(cell)

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
    dataset: Annotated[DatasetSpec, AfterValidator(shared)]
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

    @cached_property
    def id(self) -> str:
        """Hash of phase, data set, configuration and seeds."""
        known = {"phase": self.phase, "dataset": self.dataset, "config_id": self.config_id}
        return digest({**known, "seeds": list(self.seeds)})

    @property
    def n_seeds(self) -> int:
        return len(self.seeds)

    @property
    def label(self) -> str:
        return f"{self.n_seeds} seeds"


Unit = Cell | Group


def unit_from_json(written: Mapping[str, Any]) -> Any:
    """The cell or group that `dataclasses.asdict` made this of."""
    known = {**written, "dataset": DatasetSpec(**written["dataset"])}
    return Group(**{**known, "seeds": tuple(known["seeds"])}) if "seeds" in known else Cell(**known)
