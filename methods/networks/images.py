"""Plain convolutional encoder and decoder: pooling on the way in, strided transposed convolutions back out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

from torch import nn

from methods.networks.convolutions import (
    Generators,
    MaxPool,
    Shape,
    convolution,
    halved,
    image_levels,
    transposed_convolution,
)
from methods.networks.layers import ACTIVATIONS, Activation, StackedLinear
from methods.networks.normalisation import BatchNorm

Normalisation = Literal["none", "batch"]


@dataclass(frozen=True)
class ImageNetworks:
    """Stacked networks for images of one shape; each of the `channels` is a level that halves height and width."""

    shape: Shape
    channels: Sequence[int]
    kernel: int
    activation: Activation
    normalise: Normalisation

    def encoder(self, n_out: int, generators: Generators) -> nn.Sequential:
        """Convolution, pooling, normalisation and activation at each level, and a linear layer to n_out numbers."""
        layers: list[nn.Module] = []
        shape = self.shape
        for width in self.channels:
            wide = (width, *shape[1:])
            layers += [convolution(shape, width, self.kernel, generators, bias=self._biased), MaxPool(wide)]
            shape = halved(wide)
            layers += self._activated(shape, generators)
        return nn.Sequential(*layers, StackedLinear(prod(shape), n_out, generators))

    def decoder(self, n_in: int, generators: Generators) -> nn.Sequential:
        """A linear layer to the coarsest level, a transposed convolution to each finer one, and a last convolution."""
        levels = image_levels(self.shape, len(self.channels))
        shape = (self.channels[-1], *levels[-1][1:])
        layers: list[nn.Module] = [StackedLinear(n_in, prod(shape), generators, bias=self._biased)]
        layers += self._activated((prod(shape), 1, 1), generators)
        widths = [*self.channels[:0:-1], max(1, self.channels[0] // 2)]
        for width, level in zip(widths, levels[-2::-1], strict=True):
            finer = (width, *level[1:])
            layers.append(transposed_convolution(shape, finer, self.kernel, generators, bias=self._biased))
            layers += self._activated(finer, generators)
            shape = finer
        return nn.Sequential(*layers, convolution(shape, self.shape[0], self.kernel, generators))

    @property
    def _biased(self) -> bool:
        """Normalisation takes a bias away again: its gradient would be rounding noise, which Adam makes steps of."""
        return self.normalise == "none"

    def _activated(self, shape: Shape, generators: Generators) -> list[nn.Module]:
        norm = [BatchNorm(shape, len(generators))] if self.normalise == "batch" else []
        return [*norm, ACTIVATIONS[self.activation]()]
