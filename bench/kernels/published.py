"""The derivatives as published code forms them: differentiating twice backwards, one direction at a time.

The form of the code released with Lee, Yoon, Son and Park, ICLR 2022, and with Syrota, Moreno-Munoz and Hauberg, 2024;
written anew.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def jvp(decoder: nn.Module, z: Tensor, v: Tensor) -> Tensor:
    """J v: the derivative in u of J^T u, along v."""
    at = z.detach().requires_grad_()
    value = decoder(at)
    u = torch.zeros_like(value).requires_grad_()
    (pulled,) = torch.autograd.grad(value, at, u, create_graph=True)
    (pushed,) = torch.autograd.grad(pulled, u, v, create_graph=True)
    return pushed


def vjp(decoder: nn.Module, z: Tensor, u: Tensor) -> Tensor:
    """J^T u, with a graph for further derivatives."""
    at = z.detach().requires_grad_()
    (pulled,) = torch.autograd.grad(decoder(at), at, u, create_graph=True)
    return pulled


def jacobian(decoder: nn.Module, z: Tensor) -> Tensor:
    """All columns by one `jvp` of a batch that holds each point d times."""
    n, d = z.shape
    directions = torch.eye(d, dtype=z.dtype, device=z.device).repeat(n, 1)
    pushed = jvp(decoder, z.repeat_interleave(d, 0), directions)
    return pushed.unflatten(0, (n, d)).transpose(1, 2)


def pullback_metric(decoder: nn.Module, z: Tensor) -> Tensor:
    J = jacobian(decoder, z)
    return J.transpose(1, 2) @ J


def distortion(decoder: nn.Module, z: Tensor, probes: Tensor) -> Tensor:
    """The relaxed distortion from one probe at each point (n, 1, d)."""
    pushed = jvp(decoder, z, probes[:, 0])
    pulled = vjp(decoder, z, pushed)
    trace, trace_of_square = pushed.square().sum(1).mean(), pulled.square().sum(1).mean()
    return z.shape[1] * trace_of_square / trace.square() - 1


def curve_energy(decoder: nn.Module, curves: Tensor) -> tuple[Tensor, Tensor]:
    """Energies of curves through points (c, T + 1, d) and their gradients, the weights' gradients taken along."""
    at = curves.detach().requires_grad_()
    images = decoder(at.flatten(0, 1)).unflatten(0, curves.shape[:2])
    energies = (curves.shape[1] - 1) * images.diff(dim=1).square().sum((1, 2))
    weights = list(decoder.parameters())
    gradient, *_ = torch.autograd.grad(energies.sum(), [at, *weights], allow_unused=True)
    return energies.detach(), gradient
