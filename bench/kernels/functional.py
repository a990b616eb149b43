"""The derivatives by `torch.func`; in double precision also what all other forms are checked against."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jacfwd, vmap
from torch.func import jvp as func_jvp
from torch.func import vjp as func_vjp


def jvp(decoder: nn.Module, z: Tensor, v: Tensor) -> Tensor:
    pushed: Tensor = func_jvp(decoder, (z,), (v,))[1]
    return pushed


def vjp(decoder: nn.Module, z: Tensor, u: Tensor) -> Tensor:
    pulled: Tensor = func_vjp(decoder, z)[1](u)[0]
    return pulled


def jacobian(decoder: nn.Module, z: Tensor) -> Tensor:
    J: Tensor = vmap(jacfwd(lambda point: decoder(point[None])[0]))(z)
    return J


def pullback_metric(decoder: nn.Module, z: Tensor) -> Tensor:
    J = jacobian(decoder, z)
    return J.transpose(1, 2) @ J


def distortion(decoder: nn.Module, z: Tensor, probes: Tensor | None) -> Tensor:
    """The relaxed distortion: exact, or from one probe at each point (n, 1, d)."""
    d = z.shape[1]
    if probes is None:
        G = pullback_metric(decoder, z)
        trace, trace_of_square = G.diagonal(dim1=1, dim2=2).sum(-1).mean(), G.square().sum((1, 2)).mean()
    else:
        pushed = jvp(decoder, z, probes[:, 0])
        trace, trace_of_square = pushed.square().sum(1).mean(), vjp(decoder, z, pushed).square().sum(1).mean()
    return d * trace_of_square / trace.square() - 1


def curve_energy(decoder: nn.Module, curves: Tensor) -> tuple[Tensor, Tensor]:
    weights = {name: value.detach() for name, value in decoder.named_parameters()}

    def energy(curve: Tensor) -> tuple[Tensor, Tensor]:
        found = (len(curve) - 1) * functional_call(decoder, weights, (curve,)).diff(dim=0).square().sum()
        return found, found

    gradient, energies = vmap(grad(energy, has_aux=True))(curves)
    return energies.detach(), gradient.detach()


def weight_gradients(decoder: nn.Module, loss: Tensor) -> Tensor:
    """The gradients of a loss in all weights, as one vector."""
    weights = list(decoder.parameters())
    found = torch.autograd.grad(loss, weights, allow_unused=True)
    zeros = (torch.zeros_like(weight) if g is None else g for g, weight in zip(found, weights, strict=True))
    return torch.cat([g.flatten() for g in zeros])
