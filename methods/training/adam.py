"""Adam for a stack of models."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.optim.adam import adam

from methods.training.parameters import Parameters


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
