"""Networks with a leading axis of S models, and the plain modules that one of them becomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

Activation = Literal["silu", "relu", "elu", "tanh", "softplus"]
Output = Literal["linear", "sigmoid"]
# Position of a model in a stack, and of a copy within it.
Member = int | tuple[int, int]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "silu": nn.SiLU,
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
}


class StackedLinear(nn.Module):
    """S linear layers as one batched product: (S, n, n_in) -> (S, n, n_out).

    Each model is initialised from its own generator as torch initialises a Linear layer. With `copies`,
    each model holds so many layers, initialised one after the other: (S, copies, n, n_in) -> (S, copies, n, n_out).
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        generators: Sequence[torch.Generator],
        copies: int | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        shape = (n_in + 1, n_out) if copies is None else (copies, n_in + 1, n_out)
        drawn = [(torch.rand(shape, generator=g) * 2 - 1) * n_in**-0.5 for g in generators]
        both = torch.stack(drawn)
        self.weight = nn.Parameter(both[..., :-1, :].clone())
        self.bias = nn.Parameter(both[..., -1:, :].clone()) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        if self.bias is None:
            return x @ self.weight
        if x.ndim == 3:
            return torch.baddbmm(self.bias, x, self.weight)
        bias, rows, weight = (part.flatten(0, 1) for part in (self.bias, x, self.weight))
        return torch.baddbmm(bias, rows, weight).unflatten(0, x.shape[:2])

    def linear_part(self, tangents: Tensor) -> Tensor:
        """The linear map applied to tangents (S, n, t, n_in), without the bias."""
        pushed = tangents.flatten(-3, -2) @ self.weight
        return pushed.unflatten(-2, tangents.shape[-3:-1])

    def member(self, s: Member) -> nn.Linear:
        """A copy of the s-th layer, or of the copy m of it where s = (s, m), as a plain module."""
        weight = self.weight[s].detach()
        # Without skip_init, torch would draw an initialisation from the global random state.
        kind = {"device": weight.device, "dtype": weight.dtype}
        plain = nn.utils.skip_init(nn.Linear, *weight.shape, bias=self.bias is not None, **kind)
        with torch.no_grad():
            plain.weight.copy_(weight.T)
            if self.bias is not None:
                plain.bias.copy_(self.bias[s][0])
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

    def linear_part(self, tangents: Tensor) -> Tensor:
        return tangents * self.scale


class FirstColumns(nn.Module):
    """The first n outputs: the mean, where an encoder gives mean and log-deviation."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def forward(self, x: Tensor) -> Tensor:
        return x[..., : self.n]


def stacked_mlp(
    widths: Sequence[int],
    activation: Activation,
    generators: Sequence[torch.Generator],
    copies: int | None = None,
) -> nn.Sequential:
    """S perceptrons with these layer widths, the last layer linear; with `copies`, so many for each model."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [StackedLinear(n_in, n_out, generators, copies), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


def member(stack: Iterable[nn.Module], s: Member) -> list[nn.Module]:
    """The layers of the s-th model of a stack, as plain modules with their own copies of the weights."""
    return [_plain(layer, s) for layer in stack]


def _plain(layer: nn.Module, s: Member) -> nn.Module:
    own: Callable[[Member], nn.Module] | None = getattr(layer, "member", None)
    return layer if own is None else own(s)


def output_layer(output: Output) -> list[nn.Module]:
    """What follows a decoder's last linear layer."""
    return [nn.Sigmoid()] if output == "sigmoid" else []
