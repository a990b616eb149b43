"""The parameters of a stacked model as matrices with a row for each model."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional

# Numbers in the widest vector register.
_REGISTER = 16


class Parameters:
    """The parameters of a stacked model, which are views of `values`.

    What is kept of a model is one row (P,) of all its numbers.

    Attributes:
        values: for each parameter a matrix with a row for each model. Rows are filled up to whole vector registers:
            a number's last bit is then the same wherever its model stands in a stack.
    """

    def __init__(self, model: nn.Module) -> None:
        self._parameters = list(model.parameters())
        self.values = [filled_up(parameter.detach()) for parameter in self._parameters]
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
        return [filled_up(gradient) for gradient in found]

    def _bind(self) -> None:
        for parameter, values in zip(self._parameters, self.values, strict=True):
            shape = parameter.shape[1:]
            parameter.data = values[:, : shape.numel()].view(len(values), *shape)


def filled_up(tensor: Tensor) -> Tensor:
    """(S, ...) as a contiguous matrix, its rows filled up with zeros."""
    matrix = tensor.reshape(len(tensor), -1)
    return functional.pad(matrix, (0, -matrix.shape[1] % _REGISTER)).contiguous()


def single(model: nn.Module) -> tuple[nn.Module, Parameters]:
    """A copy of a stacked model with room for one member, and the parameters to load that member into."""
    copy = deepcopy(model)
    parameters = Parameters(copy)
    parameters.keep(torch.zeros(1, dtype=torch.long, device=parameters.device))
    return copy, parameters
