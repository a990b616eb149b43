"""Value, slope and curvature of the element-wise activations that networks here are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def _silu(layer: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    gate = torch.sigmoid(x)
    value = x * gate
    return value, gate + value * (1 - gate)


def _relu(layer: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    return torch.relu(x), (x > 0).to(x.dtype)


def _elu(layer: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    value = functional.elu(x, layer.alpha)
    return value, torch.where(x > 0, torch.ones_like(x), value + layer.alpha)


def _tanh(layer: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    value = torch.tanh(x)
    return value, 1 - value.square()


def _sigmoid(layer: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    value = torch.sigmoid(x)
    return value, value * (1 - value)


def _softplus(layer: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    return functional.softplus(x, layer.beta, layer.threshold), torch.sigmoid(layer.beta * x)


def _identity(layer: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    return x, torch.ones_like(x)


def _silu_curvature(layer: Any, x: Tensor, value: Tensor, slope: Tensor) -> Tensor:
    gate = torch.sigmoid(x)
    return gate * (1 - gate) * (2 + x * (1 - 2 * gate))


def _elu_curvature(layer: Any, x: Tensor, value: Tensor, slope: Tensor) -> Tensor:
    return torch.where(x > 0, torch.zeros_like(x), value + layer.alpha)


def _tanh_curvature(layer: Any, x: Tensor, value: Tensor, slope: Tensor) -> Tensor:
    return -2 * value * slope


def _sigmoid_curvature(layer: Any, x: Tensor, value: Tensor, slope: Tensor) -> Tensor:
    return slope * (1 - 2 * value)


def _softplus_curvature(layer: Any, x: Tensor, value: Tensor, slope: Tensor) -> Tensor:
    return layer.beta * slope * (1 - slope)


def _no_curvature(layer: Any, x: Tensor, value: Tensor, slope: Tensor) -> Tensor:
    return torch.zeros_like(x)


# layer, x -> value, slope
SLOPES: dict[type, Callable[[Any, Tensor], tuple[Tensor, Tensor]]] = {
    nn.SiLU: _silu,
    nn.ReLU: _relu,
    nn.ELU: _elu,
    nn.Tanh: _tanh,
    nn.Sigmoid: _sigmoid,
    nn.Softplus: _softplus,
    nn.Identity: _identity,
}

# layer, x, value, slope -> second derivative
CURVATURES: dict[type, Callable[[Any, Tensor, Tensor, Tensor], Tensor]] = {
    nn.SiLU: _silu_curvature,
    nn.ReLU: _no_curvature,
    nn.ELU: _elu_curvature,
    nn.Tanh: _tanh_curvature,
    nn.Sigmoid: _sigmoid_curvature,
    nn.Softplus: _softplus_curvature,
    nn.Identity: _no_curvature,
}
