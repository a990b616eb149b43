"""How long training goes on, and how fast."""

from __future__ import annotations

import math
from dataclasses import dataclass

DEFAULT_STEPS = 4_000


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
