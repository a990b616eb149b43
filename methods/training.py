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
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.adam import adam

from methods.recording import Records, cuda_graph, is_recordable
from methods.streams import Streams, stream_seed

DEFAULT_STEPS = 4_000
# Numbers in the widest vector register.
_REGISTER = 16

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
        return len(next(iter(self.common.values()))) if self.common else next(iter(self.own.values())).shape[1]

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


class Parameters:
    """The parameters of a stacked model, which are views of `values`.

    What is kept of a model is one row (P,) of all its numbers.

    Attributes:
        values: for each parameter a matrix with a row for each model. Rows are filled up to whole vector registers:
            a number's last bit is then the same wherever its model stands in a stack.
    """

    def __init__(self, model: nn.Module) -> None:
        self._parameters = list(model.parameters())
        self.values = [_filled_up(parameter.detach()) for parameter in self._parameters]
        self._bind()

    def __len__(self) -> int:
        return len(self.values[0])

    @property
    def device(self) -> torch.device:
        return self.values[0].device

    def rows(self, positions: Sequence[int]) -> Tensor:
        """A copy (k, P) of the parameters of k models."""
        index = torch.tensor(positions, dtype=torch.long, device=self.device)
        return torch.cat([parameter.detach()[index].reshape(len(index), -1) for parameter in self._parameters], dim=1)

    def load(self, row: Tensor) -> None:
        """Give every model the parameters (P,)."""
        parts = row.split([parameter[0].numel() for parameter in self._parameters])
        for parameter, part in zip(self._parameters, parts, strict=True):
            parameter.data.copy_(part.view(parameter.shape[1:]))

    def keep(self, index: Tensor) -> None:
        """Go on with these models only."""
        self.values = [values[index] for values in self.values]
        self._bind()

    def gradients(self, loss: Tensor) -> list[Tensor]:
        """Gradients of a loss that is a sum over models, shaped as `values`."""
        found = torch.autograd.grad(loss, self._parameters, materialize_grads=True)
        return [_filled_up(gradient) for gradient in found]

    def _bind(self) -> None:
        for parameter, values in zip(self._parameters, self.values, strict=True):
            shape = parameter.shape[1:]
            parameter.data = values[:, : shape.numel()].view(len(values), *shape)


def _filled_up(tensor: Tensor) -> Tensor:
    """(S, ...) as a contiguous matrix, its rows filled up with zeros."""
    matrix = tensor.reshape(len(tensor), -1)
    return functional.pad(matrix, (0, -matrix.shape[1] % _REGISTER)).contiguous()


class Adam:
    """Adam with a learning rate and a gradient clip for each model of a stack.

    Models beside each other that share a learning rate are stepped together, by torch's fused kernel.

    Source: Kingma and Ba 2015, betas 0.9 and 0.999.
    """

    def __init__(self, parameters: Parameters, learning_rate: Tensor, clip_norm: float | None) -> None:
        self.parameters = parameters
        self.learning_rate = learning_rate
        self.clip_norm = clip_norm
        self.moments = [[torch.zeros_like(tensor) for tensor in parameters.values] for _ in range(2)]
        self._prepare(steps=0)

    def keep(self, index: Tensor, steps: int) -> None:
        """Go on with these models only, once `parameters` does, after so many steps."""
        self.learning_rate = self.learning_rate[index]
        self.moments = [[moment[index] for moment in moments] for moments in self.moments]
        self._prepare(steps)

    def scale_rates(self, factor: float) -> None:
        """From now on take the learning rates times a factor."""
        for run in self._runs:
            run.rate.copy_(self.learning_rate[run.models.start] * factor)

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        """One step along gradients shaped as the parameters' values."""
        if self.clip_norm is not None:
            gradients = _clipped(gradients, self.clip_norm)
        for run in self._runs:
            run.step([gradient[run.models] for gradient in gradients])

    def _prepare(self, steps: int) -> None:
        rates = self.learning_rate.tolist()
        starts = [at for at, rate in enumerate(rates) if at == 0 or rate != rates[at - 1]]
        state = [self.parameters.values, *self.moments]
        self._runs = [
            _SameRate(slice(*ends), self.learning_rate, steps, state) for ends in pairwise([*starts, len(rates)])
        ]


class _SameRate:
    """Models beside each other that share a learning rate, and Adam's state of them."""

    def __init__(self, models: slice, rates: Tensor, steps: int, state: Sequence[Sequence[Tensor]]) -> None:
        self.models = models
        # On a GPU the kernel reads single precision, whatever the parameters are.
        self.rate = rates[models.start].float() if rates.is_cuda else rates[models.start].clone()
        self._tensors, self._first, self._second = ([tensor[models] for tensor in part] for part in state)
        # One count for each tensor, as the kernel wants them.
        self._counts = [torch.tensor(float(steps), dtype=torch.float32, device=rates.device) for _ in self._tensors]

    def step(self, gradients: list[Tensor]) -> None:
        adam(
            self._tensors, gradients, self._first, self._second, [], self._counts, fused=True, capturable=True,
            amsgrad=False, beta1=0.9, beta2=0.999, lr=self.rate, weight_decay=0.0, eps=1e-8, maximize=False,
        )  # fmt: skip


def _clipped(gradients: Sequence[Tensor], clip_norm: float) -> Sequence[Tensor]:
    """Gradients (S, size), those of each model shortened to a norm of at most `clip_norm`."""
    norms = [torch.linalg.vector_norm(gradient, dim=1) for gradient in gradients]
    whole = torch.linalg.vector_norm(torch.stack(norms, dim=1), dim=1)
    factor = (clip_norm / whole.clamp_min(1e-12)).clamp_max(1.0)
    # On a GPU, to ask would be to wait for it.
    if not factor.is_cuda and bool((factor == 1.0).all()):
        return gradients
    return [gradient * factor[:, None] for gradient in gradients]


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
        self.held_out_draws = problem.draws(fixed, len(held_out))

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


def single(model: nn.Module) -> tuple[nn.Module, Parameters]:
    """A copy of a stacked model with room for one member, and the parameters to load that member into."""
    copy = deepcopy(model)
    parameters = Parameters(copy)
    parameters.keep(torch.zeros(1, dtype=torch.long, device=parameters.device))
    return copy, parameters


def same_device(values: Sequence[float], like: Tensor) -> Tensor:
    """Numbers (S,) as a tensor of the same type and device as another."""
    return torch.tensor(list(values), dtype=like.dtype, device=like.device)


def _part(draws: Terms, start: int, size: int) -> dict[str, Tensor]:
    return {name: value[:, start : start + size] for name, value in draws.items()}


def _accumulate(sums: dict[str, Tensor], terms: Terms, count: int) -> None:
    for name, value in terms.items():
        part = value.detach() * count
        sums[name] = sums[name] + part if name in sums else part
