"""The stacked training loop: S models, one batched product per layer, one optimiser step for all.

Every parameter has a leading axis S. Each model has its own random streams, learning rate, gradient
clipping, early stopping and divergence; one that has stopped leaves the stack and costs nothing more.
One model alone is S = 1, and trains to the same numbers as in company.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from methods.training.adam import Adam
from methods.training.parameters import Parameters
from methods.training.problem import Task, Terms
from methods.training.recording import Records, cuda_graph, is_recordable
from methods.training.schedule import Schedule
from methods.training.streams import Streams, stream_seed

OnEpoch = Callable[[int, int, Mapping[str, float], Tensor], bool]


@dataclass
class Outcome:
    """What training made of one model: its parameters as one row, its curves, and why it failed if it did."""

    parameters: Tensor
    history: dict[str, list[float]] = field(default_factory=dict)
    diverged: str | None = None


def train(
    model: nn.Module,
    task: Task,
    streams: Streams,
    schedule: Schedule,
    learning_rate: Tensor,
    weights: Terms | None = None,
    on_epoch: OnEpoch | None = None,
) -> list[Outcome]:
    """Train a stack of S models.

    Args:
        model: a module whose parameters all have a leading axis S; left in an unspecified state.
        learning_rate: (S,).
        weights: hyperparameters (S,) of the problem's terms.
        on_epoch: `on_epoch(member, epoch, scores, parameters)`; True stops that member.

    Returns:
        One outcome for each of the S models: the parameters of the best validation epoch where `patience` is
        set, else the last ones.
    """
    run = _Run(model, task, streams, schedule, learning_rate, dict(weights or {}))
    n_epochs = schedule.n_epochs(len(task.rows))
    for epoch in range(1, n_epochs + 1):
        scores = run.epoch(schedule.rate_factor(epoch, n_epochs))
        stopped = run.judge(epoch, scores)
        if on_epoch is not None:
            for position, member in enumerate(run.members):
                if position not in stopped and on_epoch(
                    member, epoch, scores[position], run.parameters.rows([position])[0]
                ):
                    stopped.add(position)
        run.drop(stopped)
        if not run.members:
            break
    run.drop(set(range(len(run.members))))
    return [run.outcomes[member] for member in sorted(run.outcomes)]


class _Run:
    """The state of one call of `train`."""

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        streams: Streams,
        schedule: Schedule,
        learning_rate: Tensor,
        weights: dict[str, Tensor],
    ) -> None:
        self.model, self.problem, self.schedule = model, task.problem, schedule
        self.rows, self.held_out, self.streams, self.weights = task.rows, task.held_out, streams, weights
        self.parameters = Parameters(model)
        self.adam = Adam(self.parameters, learning_rate, schedule.clip_norm)
        self.steps = 0
        self.records = Records(cuda_graph) if is_recordable(self.parameters.device) else None
        size = len(self.parameters)
        self.members = list(range(size))
        self.outcomes: dict[int, Outcome] = {}
        self.histories: list[dict[str, list[float]]] = [{} for _ in range(size)]
        self.best = self.parameters.rows(range(size))
        self.best_loss = [math.inf] * size
        self.best_epoch = [0] * size
        self.failures: list[str | None] = [None] * size
        # The same noise at every validation, so that two epochs differ by the model alone.
        fixed = Streams([stream_seed(seed, "validation") for seed in streams.seeds], streams.device)
        self.held_out_draws = self.problem.draws(fixed, len(self.held_out))

    def epoch(self, rate_factor: float) -> list[dict[str, float]]:
        """One pass over the rows (or what the step budget leaves of it), then the held-out losses."""
        n, size = len(self.rows), self.schedule.batch_size
        total_steps = self.schedule.steps(n)
        self.model.train()
        self.adam.scale_rates(rate_factor)
        order = self.streams.permutation("order", n)
        draws = self.problem.draws(self.streams, n)
        sums: dict[str, Tensor] = {}
        seen = 0
        for start in range(0, n, size):
            if self.steps == total_steps:
                break
            index = order[:, start : start + size]
            terms = self._step(self.rows.take(index), _part(draws, start, size))
            self.steps += 1
            _accumulate(sums, terms, index.shape[1])
            seen += index.shape[1]
        scores = {name: value / seen for name, value in sums.items()}
        scores |= {f"val_{name}": value for name, value in self._validate().items()}
        columns = {name: value.tolist() for name, value in scores.items()}
        return [{name: column[p] for name, column in columns.items()} for p in range(len(self.members))]

    def judge(self, epoch: int, scores: list[dict[str, float]]) -> set[int]:
        """Positions that stop here: diverged, or without improvement for `patience` epochs."""
        stopped = set()
        improved = []
        for position, values in enumerate(scores):
            history = self.histories[position]
            for name, value in values.items():
                history.setdefault(name, []).append(value)
            broken = [name for name, value in values.items() if not math.isfinite(value)]
            if broken:
                self.failures[position] = f"{broken[0]} is {values[broken[0]]} after epoch {epoch}"
                stopped.add(position)
            elif values["val_loss"] < self.best_loss[position]:
                self.best_loss[position], self.best_epoch[position] = values["val_loss"], epoch
                improved.append(position)
            elif self.schedule.patience and epoch - self.best_epoch[position] >= self.schedule.patience:
                stopped.add(position)
        if self.schedule.patience is not None and improved:
            self.best[improved] = self.parameters.rows(improved)
        return stopped

    def drop(self, positions: set[int]) -> None:
        """Record the outcome of these models and go on with the others."""
        if not positions:
            return
        for position in positions:
            last = (
                self.parameters.rows([position])[0] if self.schedule.patience is None else self.best[position].clone()
            )
            self.outcomes[self.members[position]] = Outcome(last, self.histories[position], self.failures[position])
        kept = [p for p in range(len(self.members)) if p not in positions]
        index = torch.tensor(kept, dtype=torch.long, device=self.parameters.device)
        self.members = [self.members[p] for p in kept]
        self.histories = [self.histories[p] for p in kept]
        self.best_loss = [self.best_loss[p] for p in kept]
        self.best_epoch = [self.best_epoch[p] for p in kept]
        self.failures = [self.failures[p] for p in kept]
        if kept:
            self.best = self.best[index]
            self.parameters.keep(index)
            self.adam.keep(index, self.steps)
            # What is recorded is of tensors that are gone.
            self.records = None if self.records is None else Records(cuda_graph)
            self.streams.keep(kept)
            self.rows.keep(index)
            self.held_out.keep(index)
            self.weights = {name: value[index] for name, value in self.weights.items()}
            self.held_out_draws = {name: value[index] for name, value in self.held_out_draws.items()}

    @torch.no_grad()
    def _validate(self) -> dict[str, Tensor]:
        n, size = len(self.held_out), 1_024
        self.model.eval()
        sums: dict[str, Tensor] = {}
        for start in range(0, n, size):
            index = torch.arange(start, min(start + size, n), device=self.parameters.device)
            batch = self.held_out.take(index.expand(len(self.members), -1))
            _accumulate(sums, self._losses(batch, _part(self.held_out_draws, start, size)), len(index))
        return {name: value / n for name, value in sums.items()}

    def _step(self, batch: Terms, draws: Terms) -> Terms:
        return self._descend(batch, draws) if self.records is None else self.records(self._descend, batch, draws)

    def _descend(self, batch: Terms, draws: Terms) -> dict[str, Tensor]:
        """One optimiser step; the terms before it."""
        terms = self._losses(batch, draws)
        self.adam.step(self.parameters.gradients(terms["loss"].sum()))
        return {name: value.detach() for name, value in terms.items()}

    def _losses(self, batch: Terms, draws: Terms) -> dict[str, Tensor]:
        return self.problem.losses(self.model, dict(batch), draws, self.weights)


def _part(draws: Terms, start: int, size: int) -> dict[str, Tensor]:
    return {name: value[:, start : start + size] for name, value in draws.items()}


def _accumulate(sums: dict[str, Tensor], terms: Terms, count: int) -> None:
    for name, value in terms.items():
        part = value.detach() * count
        sums[name] = sums[name] + part if name in sums else part
