"""How far latent distances are from those of a proxy: the regularisers of MetricVAE.

Each takes codes z (S, b, d) and proxies p (S, b, q) of one batch and gives a term (S,).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

Regulariser = Literal["standardised", "batchwise", "pointwise", "expanding", "contracting"]

_TOLERANCE = 0.1


def standardised(z: Tensor, p: Tensor) -> Tensor:
    """mean |(d_z - mean d_z) / std d_z - (d_p - mean d_p) / std d_p| over pairs of different points.

    In [0, 2], 0 where latent distances are an increasing affine function of the proxy's; the same for any scale of z
    and p.
    """
    i, j = torch.triu_indices(z.shape[1], z.shape[1], 1, device=z.device)
    if len(i) < 2:
        return z.new_zeros(len(z))
    standard = []
    for points in (z, p):
        apart = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")[:, i, j]
        deviation = apart.std(1, keepdim=True, correction=0)
        tiny = torch.finfo(apart.dtype).tiny ** 0.5
        standard.append((apart - apart.mean(1, keepdim=True)) / deviation.clamp_min(tiny))
    return (standard[0] - standard[1]).abs().mean(1)


def batchwise(z: Tensor, p: Tensor) -> Tensor:
    """The published term: squared distances of all ordered pairs and of points to themselves, divided by variance."""
    if z.shape[1] < 2:
        return z.new_zeros(len(z))
    standard = []
    for points in (z, p):
        norms = points.square().sum(-1)
        squared = norms[:, :, None] + norms[:, None, :] - 2 * points @ points.transpose(1, 2)
        squared = squared.clamp_min(0).flatten(1)
        variance = squared.var(1, keepdim=True, correction=0)
        tiny = torch.finfo(squared.dtype).tiny ** 0.5
        standard.append((squared - squared.mean(1, keepdim=True)) / variance.clamp_min(tiny))
    return (standard[0] - standard[1]).abs().mean(1)


def pointwise(z: Tensor, p: Tensor) -> Tensor:
    """mean | |p|^2 - |z|^2 |."""
    return _excess(p, z).abs().mean(1)


def expanding(z: Tensor, p: Tensor) -> Tensor:
    """mean max(|p|^2 - |z|^2 + 0.1, 0)."""
    return (_excess(p, z) + _TOLERANCE).clamp_min(0).mean(1)


def contracting(z: Tensor, p: Tensor) -> Tensor:
    """mean max(|z|^2 - |p|^2 + 0.1, 0)."""
    return (_excess(z, p) + _TOLERANCE).clamp_min(0).mean(1)


def _excess(larger: Tensor, smaller: Tensor) -> Tensor:
    return larger.square().sum(-1) - smaller.square().sum(-1)


REGULARISERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "standardised": standardised,
    "batchwise": batchwise,
    "pointwise": pointwise,
    "expanding": expanding,
    "contracting": contracting,
}
