"""Decoders that geodesics are tested on."""

from __future__ import annotations

import torch
from torch import nn

from methods.networks.layers import stacked_mlp


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def network(seed=0, widths=(2, 16, 16, 30), scale=1.5):
    generators = [torch.Generator().manual_seed(seed)]
    stack = stacked_mlp(widths, "tanh", generators)
    layers = [layer.member(0) if hasattr(layer, "member") else layer for layer in stack]
    decoder = nn.Sequential(*layers).double()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.mul_(scale)
    return decoder


def sphere(z):
    polar, azimuth = z[..., 0], z[..., 1]
    return torch.stack([polar.sin() * azimuth.cos(), polar.sin() * azimuth.sin(), polar.cos()], dim=-1)
