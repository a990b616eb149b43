"""Networks with a leading axis of S models, and the plain modules that one of them becomes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

Activation = Literal["silu", "relu", "elu", "tanh", "softplus"]
Output = Literal["linear", "sigmoid"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "silu": nn.SiLU,
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
}


class StackedLinear(nn.Module):
    """S linear layers as one batched product: (S, n, n_in) -> (S, n, n_out).

    Each model is initialised from its own generator as torch initialises a Linear layer.
    """

    def __init__(self, n_in: int, n_out: int, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        bound = n_in**-0.5
        drawn = [(torch.rand(n_in + 1, n_out, generator=g) * 2 - 1) * bound for g in generators]
        both = torch.stack(drawn)
        self.weight = nn.Parameter(both[:, :-1].clone())
        self.bias = nn.Parameter(both[:, -1:].clone())

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight)

    def push_forward(self, x: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor]:
        """The linear map applied to tangents (S, n, t, n_in), without the bias."""
        pushed = torch.bmm(tangents.flatten(1, 2), self.weight)
        return self(x), pushed.unflatten(1, tangents.shape[1:3])

    def member(self, s: int) -> nn.Linear:
        """A copy of the s-th layer as a plain module."""
        weight = self.weight[s].detach()
        # Without skip_init, torch would draw an initialisation from the global random state.
        plain = nn.utils.skip_init(nn.Linear, *weight.shape, device=weight.device, dtype=weight.dtype)
        with torch.no_grad():
            plain.weight.copy_(weight.T)
            plain.bias.copy_(self.bias[s, 0])
        return plain


class Affine(nn.Module):
    """x -> scale x + shift, with one scalar scale and a shift for each feature; not trained."""

    scale: Tensor
    shift: Tensor

    def __init__(self, scale: Tensor, shift: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    @classmethod
    def blank(cls, n_features: int) -> Affine:
        """The identity, to load a saved state into."""
        return cls(torch.ones(()), torch.zeros(n_features))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift

    def push_forward(self, x: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor]:
        return self(x), tangents * self.scale


class FirstColumns(nn.Module):
    """The first n outputs: the mean, where an encoder gives mean and log-deviation."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def forward(self, x: Tensor) -> Tensor:
        return x[..., : self.n]


def stacked_mlp(widths: Sequence[int], activation: Activation, generators: Sequence[torch.Generator]) -> nn.Sequential:
    """S perceptrons with these layer widths, the last layer linear."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [StackedLinear(n_in, n_out, generators), _ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


def member(stack: nn.Sequential, s: int) -> list[nn.Module]:
    """The layers of the s-th model of a stack, as plain modules with their own copies of the weights."""
    return [layer.member(s) if isinstance(layer, StackedLinear) else layer for layer in stack]


def output_layer(output: Output) -> list[nn.Module]:
    """What follows a decoder's last linear layer."""
    return [nn.Sigmoid()] if output == "sigmoid" else []


def choose_device(device: str) -> torch.device:
    """The torch device that 'auto', 'cpu' or 'cuda' means here.

    Raises:
        ValueError: CUDA is asked for and there is none, or the name is unknown.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device must be 'auto', 'cpu' or 'cuda', got {device!r}")
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ValueError("device = 'cuda', but torch finds no CUDA device; use 'auto' or 'cpu'")
    return torch.device("cuda" if available and device != "cpu" else "cpu")
