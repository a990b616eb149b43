"""Convolutional layers on flattened images, for one model or for a stack of them.

Images keep one feature axis, (..., channels * height * width), between layers: data, tangents and stacks then
look alike to everything else. A stack's weights carry a leading axis S, as elsewhere.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.networks.layers import Member, member

Shape = tuple[int, int, int]
Generators = Sequence[torch.Generator]


class ImageLayer(nn.Module):
    """A layer from images of one shape to images of another, both flattened."""

    def __init__(self, in_shape: Shape, out_shape: Shape) -> None:
        super().__init__()
        self.in_shape = in_shape
        self.out_shape = out_shape

    def _images(self, rows: Tensor) -> Tensor:
        """(..., features) -> (m, channels, height, width)."""
        return rows.reshape(-1, *self.in_shape)

    @staticmethod
    def _rows(images: Tensor, like: Tensor) -> Tensor:
        """(m, channels, height, width) -> (..., features) with the leading axes of `like`."""
        return images.reshape(*like.shape[:-1], -1)


class LinearImageLayer(ImageLayer):
    """A linear map of images, plus a bias for each channel or none: weight (k, ...), or (S, k, ...) for a stack."""

    def __init__(self, in_shape: Shape, out_shape: Shape, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__(in_shape, out_shape)
        self.weight = nn.Parameter(weight)
        self.bias = None if bias is None else nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        return self._map(x, self.bias)

    def linear_part(self, tangents: Tensor) -> Tensor:
        """The map applied to tangents (..., n, t, features), without the bias."""
        return self._map(tangents, None)

    def member(self, s: Member) -> Self:
        """A copy of the s-th layer of a stack."""
        bias = None if self.bias is None else self.bias[s].detach().clone()
        return type(self)(self.in_shape, self.out_shape, self.weight[s].detach().clone(), bias)

    def _map(self, x: Tensor, bias: Tensor | None) -> Tensor:
        if self.weight.ndim == 4:
            return self._rows(self._convolve(self._images(x), self.weight, bias), x)
        # A GPU wants one launch for the stack, a CPU the images of one model at a time in its caches.
        return self._grouped(x, bias) if x.is_cuda else self._one_by_one(x, bias)

    def _one_by_one(self, x: Tensor, bias: Tensor | None) -> Tensor:
        biases = [None] * len(x) if bias is None else list(bias)
        each = zip(x, self.weight, biases, strict=True)
        return torch.stack([self._rows(self._convolve(self._images(part), w, b), part) for part, w, b in each])

    def _grouped(self, x: Tensor, bias: Tensor | None) -> Tensor:
        n_models = len(x)
        side_by_side = x.reshape(n_models, -1, *self.in_shape).transpose(0, 1).flatten(1, 2)
        weight, biases = self.weight.flatten(0, 1), None if bias is None else bias.flatten()
        images = self._convolve(side_by_side, weight, biases, n_models)
        return self._rows(images.unflatten(1, (n_models, -1)).transpose(0, 1), x)

    @abstractmethod
    def _convolve(self, images: Tensor, weight: Tensor, bias: Tensor | None, n_models: int = 1) -> Tensor:
        """The map of models whose channels lie side by side: images (m, channels, height, width) to such images."""


class Convolution(LinearImageLayer):
    """Convolution that keeps height and width, weight (out, in, k, k)."""

    def _convolve(self, images: Tensor, weight: Tensor, bias: Tensor | None, n_models: int = 1) -> Tensor:
        return functional.conv2d(images, weight, bias, padding="same", groups=n_models)


class TransposedConvolution(LinearImageLayer):
    """Transposed convolution, weight (in, out, k, k), to the same or about twice the height and width."""

    def _convolve(self, images: Tensor, weight: Tensor, bias: Tensor | None, n_models: int = 1) -> Tensor:
        kernel, stride = weight.shape[-1], 1 if self.in_shape[1:] == self.out_shape[1:] else 2
        padding = (kernel - stride + 1) // 2
        sizes = zip(self.in_shape[1:], self.out_shape[1:], strict=True)
        missing = [wanted - ((given - 1) * stride - 2 * padding + kernel) for given, wanted in sizes]
        return functional.conv_transpose2d(images, weight, bias, stride, padding, missing, n_models)


class MaxPool(ImageLayer):
    """The largest of each 2 x 2 pixels; an odd row or column at the edge is kept."""

    def __init__(self, in_shape: Shape) -> None:
        super().__init__(in_shape, halved(in_shape))

    def forward(self, x: Tensor) -> Tensor:
        return self._rows(functional.max_pool2d(self._images(x), 2, ceil_mode=True), x)


class Upsample(ImageLayer):
    """Nearest-neighbour upsampling to another height and width."""

    def forward(self, x: Tensor) -> Tensor:
        return self._rows(functional.interpolate(self._images(x), size=self.out_shape[1:], mode="nearest"), x)

    def linear_part(self, tangents: Tensor) -> Tensor:
        tangents_up: Tensor = self(tangents)
        return tangents_up


class Residual(nn.Module):
    """x -> x + block(x)."""

    def __init__(self, block: nn.Sequential) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = x + self.block(x)
        return total

    def member(self, s: Member) -> Residual:
        return Residual(nn.Sequential(*member(self.block, s)))


def convolution(shape: Shape, n_out: int, kernel: int, generators: Generators, *, bias: bool = True) -> Convolution:
    """A stack of convolutions, initialised as torch initialises one."""
    n_in = shape[0]
    weight, drawn = _initial((n_out, n_in, kernel, kernel), n_out, n_in * kernel**2, generators)
    return Convolution(shape, (n_out, *shape[1:]), weight, drawn if bias else None)


def transposed_convolution(
    in_shape: Shape, out_shape: Shape, kernel: int, generators: Generators, *, bias: bool = True
) -> TransposedConvolution:
    """A stack of transposed convolutions, initialised as torch initialises a convolution."""
    n_in, n_out = in_shape[0], out_shape[0]
    weight, drawn = _initial((n_in, n_out, kernel, kernel), n_out, n_in * kernel**2, generators)
    return TransposedConvolution(in_shape, out_shape, weight, drawn if bias else None)


def halved(shape: Shape) -> Shape:
    """The shape that `MaxPool` gives."""
    channels, height, width = shape
    return channels, -(-height // 2), -(-width // 2)


def image_levels(shape: Shape, n: int) -> list[Shape]:
    """A shape and what n poolings make of it."""
    levels = [shape]
    for _ in range(n):
        levels.append(halved(levels[-1]))
    return levels


def image_shape(sample_shape: Sequence[int] | None, n_features: int) -> Shape:
    """(channels, height, width) of samples; without a shape a sample is a signal, an image of height 1.

    Raises:
        ValueError: the shape is not that of an image, or has another number of features.
    """
    if sample_shape is None or len(sample_shape) == 1:
        return 1, 1, n_features
    if len(sample_shape) not in (2, 3):
        raise ValueError(f"sample_shape must be (channels, height, width), got {tuple(sample_shape)}")
    shape = (1, *sample_shape) if len(sample_shape) == 2 else tuple(sample_shape)
    if shape[0] * shape[1] * shape[2] != n_features:
        raise ValueError(f"sample_shape {tuple(sample_shape)} does not make {n_features} features")
    return shape[0], shape[1], shape[2]


def _initial(shape: tuple[int, ...], n_out: int, fan_in: int, generators: Generators) -> tuple[Tensor, Tensor]:
    bound = fan_in**-0.5
    weights = [(torch.rand(shape, generator=g) * 2 - 1) * bound for g in generators]
    biases = [(torch.rand(n_out, generator=g) * 2 - 1) * bound for g in generators]
    return torch.stack(weights), torch.stack(biases)
