"""What is trained on and what is minimised, by every model of a stack at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from methods.training.streams import Streams

Terms = Mapping[str, Tensor]


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


@dataclass(frozen=True, eq=False)
class Task:
    """What is minimised, on which rows, and which rows tell when to stop."""

    problem: Problem
    rows: Rows
    held_out: Rows


def same_device(values: Sequence[float], like: Tensor) -> Tensor:
    """Numbers (S,) as a tensor of the same type and device as another."""
    return torch.tensor(list(values), dtype=like.dtype, device=like.device)
