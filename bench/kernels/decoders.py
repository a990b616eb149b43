"""The decoders whose derivatives are timed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn

from methods.networks.convolutions import TransposedConvolution

N_FEATURES = 784


def mlp(width: int, depth: int) -> Callable[[int], nn.Sequential]:
    """Makes perceptrons d - width x depth - 784 with SiLU."""

    def make(d: int) -> nn.Sequential:
        widths = [d, *[width] * depth, N_FEATURES]
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(widths):
            layers += [nn.Linear(n_in, n_out), nn.SiLU()]
        return nn.Sequential(*layers[:-1])

    return make


def convolutional(d: int) -> nn.Sequential:
    """d - 64 x 7 x 7 - 32 x 14 x 14 - 28 x 28, transposed convolutions with SiLU."""
    return nn.Sequential(
        nn.Linear(d, 64 * 7 * 7), nn.SiLU(),
        TransposedConvolution((64, 7, 7), (32, 14, 14), 0.05 * torch.randn(64, 32, 3, 3), torch.zeros(32)), nn.SiLU(),
        TransposedConvolution((32, 14, 14), (1, 28, 28), 0.1 * torch.randn(32, 1, 3, 3), torch.zeros(1)),
    )  # fmt: skip


DECODERS: dict[str, Callable[[int], nn.Sequential]] = {
    "mlp-256x4": mlp(256, 4),
    "mlp-512x3": mlp(512, 3),
    "mlp-1024x4": mlp(1024, 4),
    "conv": convolutional,
}
