"""Second-order expansion of a decoder along given directions, in one forward pass."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from metrics.activations import CURVATURES, SLOPES
from metrics.geometry import Decoder, as_latent, evaluating, forwards_as, linear_part_of


class Jet(NamedTuple):
    """A decoder at points z and its first two derivatives along directions delta.

    Attributes:
        value: f(z) (..., n, n_features).
        first: J delta (..., n, t, n_features).
        second: delta^T H delta (..., n, t, n_features).
    """

    value: Tensor
    first: Tensor
    second: Tensor


def expand(decoder: Decoder, z: Tensor, delta: Tensor) -> Jet:
    """Value, J delta and delta^T H delta of a decoder, propagated together through its layers.

    A linear layer maps all three alike (the derivatives without the bias); an activation phi maps the
    pre-activation's (a, a', a'') to (phi(a), phi'(a) a', phi''(a) a'^2 + phi'(a) a''). What is no known layer goes
    through nested forward-mode differentiation. Differentiable in everything.

    Args:
        decoder: maps (..., n, d) to (..., n, n_features).
        z: latent points (..., n, d).
        delta: t directions at each point (..., n, t, d).

    Source: the local expansions of Lee, Kwon and Park, Neighborhood Reconstructing Autoencoders, NeurIPS 2021.
    """
    z = as_latent(z)
    with evaluating(decoder):
        return _expand(decoder, Jet(z, delta, torch.zeros_like(delta)))


def _expand(decoder: Decoder, at: Jet) -> Jet:
    if forwards_as(decoder, nn.Sequential):
        for layer in cast("nn.Sequential", decoder):
            at = _expand(layer, at)
        return at
    linear_part = linear_part_of(decoder)
    if linear_part is not None:
        return Jet(decoder(at.value), linear_part(at.first), linear_part(at.second))
    if type(decoder) in CURVATURES:
        value, slope = SLOPES[type(decoder)](decoder, at.value)
        curvature = CURVATURES[type(decoder)](decoder, at.value, value, slope)
        slope, curvature = slope.unsqueeze(-2), curvature.unsqueeze(-2)
        return Jet(value, slope * at.first, curvature * at.first.square() + slope * at.second)
    return _expand_by_autodiff(decoder, at)


def _expand_by_autodiff(decoder: Decoder, at: Jet) -> Jet:
    def along(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        def derivative(point: Tensor) -> tuple[Tensor, Tensor]:
            value, pushed, *_ = torch.func.jvp(decoder, (point,), (first,))
            return value, pushed

        (value, pushed), (_, twice), *_ = torch.func.jvp(derivative, (at.value,), (first,))
        bent = torch.func.jvp(decoder, (at.value,), (second,))[1]
        return value, pushed, twice + bent

    axes = (at.first.movedim(-2, 0), at.second.movedim(-2, 0))
    with sdpa_kernel(SDPBackend.MATH):
        values, first, second = torch.func.vmap(along, randomness="same")(*axes)
    return Jet(values[0], first.movedim(0, -2), second.movedim(0, -2))
