"""The stacked training loop: S models, one batched product per layer, one optimiser step for all.

Every parameter has a leading axis S. Each model has its own random streams, learning rate, gradient
clipping, early stopping and divergence; one that has stopped leaves the stack and costs nothing more.
One model alone is S = 1, and trains to the same numbers as in company.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from methods.streams import Streams, stream_seed

DEFAULT_STEPS = 4_000
# Parameters that are stepped at a time.
_AT_ONCE = 1 << 16

Terms = Mapping[str, Tensor]
OnEpoch = Callable[[int, int, Mapping[str, float], Tensor], bool]


class Rows:
    """Training data that batches are taken from.

    Args:
        common: columns (n, ...) that all models learn from.
        own: columns (S, n, ...), one for each model.
    """

    def __init__(self, common: Mapping[str, Tensor], own: Mapping[str, Tensor] | None = None) -> None:
        self.common = dict(common)
        self.own = dict(own or {})

    def __len__(self) -> int:
        return len(next(iter(self.common.values())))

    def take(self, index: Tensor) -> dict[str, Tensor]:
        """The rows `index` (S, b) of each model."""
        batch = {name: column[index] for name, column in self.common.items()}
        models = torch.arange(len(index), device=index.device)[:, None]
        return batch | {name: column[models, index] for name, column in self.own.items()}

    def keep(self, positions: Tensor) -> None:
        """Go on with these models only."""
        self.own = {name: column[positions] for name, column in self.own.items()}


class Problem(Protocol):
    """What is minimised."""

    def draws(self, streams: Streams, n: int) -> dict[str, Tensor]:
        """Random numbers for n rows, each (S, n, ...)."""

    def losses(self, model: nn.Module, batch: dict[str, Tensor], draws: Terms, weights: Terms) -> dict[str, Tensor]:
        """Terms (S,) of a batch; 'loss' is minimised. No term may mix models."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    Attributes:
        epochs: None means 4,000 optimiser steps.
        patience: epochs without a better validation loss before a model stops.
        late_decay: factor on the learning rate, taken every 10 epochs within the last fifth.
    """

    batch_size: int
    epochs: int | None
    patience: int | None
    clip_norm: float | None
    late_decay: float = 1.0

    def steps(self, n: int) -> int:
        """Optimiser steps on n rows."""
        return DEFAULT_STEPS if self.epochs is None else self.epochs * math.ceil(n / self.batch_size)

    def n_epochs(self, n: int) -> int:
        """Passes over n rows, the last one cut short where the steps end within it."""
        return math.ceil(self.steps(n) / math.ceil(n / self.batch_size))

    def rate_factor(self, epoch: int, n_epochs: int) -> float:
        """What the learning rate is multiplied by in this epoch, counted from 1."""
        return float(self.late_decay ** max(0, (epoch - 1 - int(0.8 * n_epochs)) // 10))


@dataclass
class Outcome:
    """What training made of one model: its parameters as one row, its curves, and why it failed if it did."""

    parameters: Tensor
    history: dict[str, list[float]] = field(default_factory=dict)
    diverged: str | None = None


class FlatParameters:
    """All parameters of a stacked model as one matrix (S, P), which the module's parameters are views of."""

    def __init__(self, model: nn.Module) -> None:
        self._parameters = list(model.parameters())
        self._shapes = [p.shape[1:] for p in self._parameters]
        self.values = torch.cat([p.detach().reshape(len(p), -1) for p in self._parameters], dim=1)
        self._bind()

    def keep(self, positions: Tensor) -> None:
        self.values = self.values[positions]
        self._bind()

    def load(self, row: Tensor) -> None:
        self.values.copy_(row)

    def gradients(self, loss: Tensor) -> list[Tensor]:
        """Gradients (S, size) of a loss that is a sum over models, for the parameters one after the other."""
        found = torch.autograd.grad(loss, self._parameters, materialize_grads=True)
        return [gradient.reshape(len(gradient), -1) for gradient in found]

    def _bind(self) -> None:
        size, start = len(self.values), 0
        for parameter, shape in zip(self._parameters, self._shapes, strict=True):
            part = slice(start, start + shape.numel())
            parameter.data = self.values[:, part].view(size, *shape)
            start = part.stop


class Adam:
    """Adam on a matrix of parameters (S, P), with a learning rate and a gradient clip for each row.

    Source: Kingma and Ba 2015, betas 0.9 and 0.999.
    """

    def __init__(self, parameters: FlatParameters, learning_rate: Tensor, clip_norm: float | None) -> None:
        self.parameters = parameters
        self.learning_rate = learning_rate[:, None]
        self.clip_norm = clip_norm
        self.first = torch.zeros_like(parameters.values)
        self.second = torch.zeros_like(parameters.values)
        self.steps = 0

    def keep(self, positions: Tensor) -> None:
        self.learning_rate = self.learning_rate[positions]
        self.first, self.second = self.first[positions], self.second[positions]

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], rate_factor: float = 1.0) -> None:
        """One step along the gradients (S, size) of the parameters, in their order."""
        self.steps += 1
        clip = self._clip(gradients)
        rate = rate_factor * self.learning_rate / (1 - 0.9**self.steps)
        start = 0
        for whole in gradients:
            # A part at a time, so that what is computed of it stays in the cache.
            for gradient in whole.split(max(1, _AT_ONCE // len(whole)), dim=1):
                part = slice(start, start + gradient.shape[1])
                self._move(part, gradient if clip is None else gradient * clip, rate)
                start = part.stop

    def _clip(self, gradients: Sequence[Tensor]) -> Tensor | None:
        """What to multiply each model's gradients by (S, 1)."""
        if self.clip_norm is None:
            return None
        norms = torch.stack([torch.linalg.vector_norm(gradient, dim=1) for gradient in gradients], dim=1)
        whole = torch.linalg.vector_norm(norms, dim=1, keepdim=True)
        return (self.clip_norm / whole.clamp_min(1e-12)).clamp_max(1.0)

    def _move(self, part: slice, gradient: Tensor, rate: Tensor) -> None:
        first, second = self.first[:, part], self.second[:, part]
        first.lerp_(gradient, 0.1)
        second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        deviation = second.sqrt().div_(math.sqrt(1 - 0.999**self.steps)).add_(1e-8)
        self.parameters.values[:, part].addcdiv_(first * -rate, deviation)


def train(
    model: nn.Module,
    problem: Problem,
    rows: Rows,
    held_out: Rows,
    streams: Streams,
    learning_rate: Tensor,
    weights: Terms,
    schedule: Schedule,
    on_epoch: OnEpoch | None = None,
) -> list[Outcome]:
    """Train a stack of S models.

    Args:
        model: a module whose parameters all have a leading axis S; left in an unspecified state.
        rows, held_out: training data, and data for early stopping.
        learning_rate: (S,).
        weights: hyperparameters (S,) of the problem's terms.
        on_epoch: `on_epoch(member, epoch, scores, parameters)`; True stops that member.

    Returns:
        One outcome for each of the S models: the parameters of the best validation epoch where `patience` is
        set, else the last ones.
    """
    run = _Run(model, problem, rows, held_out, streams, learning_rate, dict(weights), schedule)
    n_epochs = schedule.n_epochs(len(rows))
    for epoch in range(1, n_epochs + 1):
        scores = run.epoch(schedule.rate_factor(epoch, n_epochs))
        stopped = run.judge(epoch, scores)
        if on_epoch is not None:
            for position, member in enumerate(run.members):
                if position not in stopped and on_epoch(
                    member, epoch, scores[position], run.parameters.values[position]
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
        problem: Problem,
        rows: Rows,
        held_out: Rows,
        streams: Streams,
        learning_rate: Tensor,
        weights: dict[str, Tensor],
        schedule: Schedule,
    ) -> None:
        self.model, self.problem, self.schedule = model, problem, schedule
        self.rows, self.held_out, self.streams, self.weights = rows, held_out, streams, weights
        self.parameters = FlatParameters(model)
        self.adam = Adam(self.parameters, learning_rate, schedule.clip_norm)
        size = len(self.parameters.values)
        self.members = list(range(size))
        self.outcomes: dict[int, Outcome] = {}
        self.histories: list[dict[str, list[float]]] = [{} for _ in range(size)]
        self.best = self.parameters.values.clone()
        self.best_loss = [math.inf] * size
        self.best_epoch = [0] * size
        self.failures: list[str | None] = [None] * size
        # The same noise at every validation, so that two epochs differ by the model alone.
        fixed = Streams([stream_seed(seed, "validation") for seed in streams.seeds], streams.device)
        self.held_out_draws = problem.draws(fixed, len(held_out))

    def epoch(self, rate_factor: float) -> list[dict[str, float]]:
        """One pass over the rows (or what the step budget leaves of it), then the held-out losses."""
        n, size = len(self.rows), self.schedule.batch_size
        total_steps = self.schedule.steps(n)
        self.model.train()
        order = self.streams.permutation("order", n)
        draws = self.problem.draws(self.streams, n)
        sums: dict[str, Tensor] = {}
        seen = 0
        for start in range(0, n, size):
            if self.adam.steps == total_steps:
                break
            index = order[:, start : start + size]
            terms = self._losses(self.rows.take(index), draws, start, size)
            self.adam.step(self.parameters.gradients(terms["loss"].sum()), rate_factor)
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
            self.best[improved] = self.parameters.values[improved]
        return stopped

    def drop(self, positions: set[int]) -> None:
        """Record the outcome of these models and go on with the others."""
        if not positions:
            return
        final = self.parameters.values if self.schedule.patience is None else self.best
        for position in positions:
            self.outcomes[self.members[position]] = Outcome(
                final[position].clone(), self.histories[position], self.failures[position]
            )
        kept = [p for p in range(len(self.members)) if p not in positions]
        index = torch.tensor(kept, dtype=torch.long, device=self.parameters.values.device)
        self.members = [self.members[p] for p in kept]
        self.histories = [self.histories[p] for p in kept]
        self.best_loss = [self.best_loss[p] for p in kept]
        self.best_epoch = [self.best_epoch[p] for p in kept]
        self.failures = [self.failures[p] for p in kept]
        if kept:
            self.best = self.best[index]
            self.adam.keep(index)
            self.parameters.keep(index)
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
            index = torch.arange(start, min(start + size, n), device=self.parameters.values.device)
            batch = self.held_out.take(index.expand(len(self.members), -1))
            _accumulate(sums, self._losses(batch, self.held_out_draws, start, size), len(index))
        return {name: value / n for name, value in sums.items()}

    def _losses(self, batch: dict[str, Tensor], draws: Terms, start: int, size: int) -> dict[str, Tensor]:
        part = {name: value[:, start : start + size] for name, value in draws.items()}
        return self.problem.losses(self.model, batch, part, self.weights)


def single(model: nn.Module) -> tuple[nn.Module, FlatParameters]:
    """A copy of a stacked model with room for one member, and the parameters to load that member into."""
    copy = deepcopy(model)
    parameters = FlatParameters(copy)
    parameters.keep(torch.zeros(1, dtype=torch.long, device=parameters.values.device))
    return copy, parameters


def same_device(values: Sequence[float], like: Tensor) -> Tensor:
    """Numbers (S,) as a tensor of the same type and device as another."""
    return torch.tensor(list(values), dtype=like.dtype, device=like.device)


def _accumulate(sums: dict[str, Tensor], terms: Terms, count: int) -> None:
    for name, value in terms.items():
        part = value.detach() * count
        sums[name] = sums[name] + part if name in sums else part
